import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startS3 } from '#testing/s3-harness'

test('the root key is told that calls of administration are not built', async () => {
  const server = await startS3()
  try {
    for (const [method, path] of [
      ['GET', '/minio/admin/v3/info'],
      ['PUT', '/minio/admin/v3/add-user'],
      ['POST', '/minio/admin/v3/heal/'],
      ['GET', '/minio/admin/v4/info'],
      ['GET', '/minio/kms/v1/status'],
    ] as const) {
      const reply = await server.send({ method, path })
      assert.equal(reply.status, 501, path)
      assert.match(reply.text, /<Code>NotImplemented</, path)
      const { status } = await fetch(`${server.url}${path}`, { method })
      assert.equal(status, 403, path)
    }
  } finally {
    await server.close()
  }
})

test('temporary credentials and metrics are not built, whoever asks', async () => {
  const server = await startS3()
  const form = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
  try {
    for (const [method, path, headers] of [
      ['POST', '/', form],
      ['POST', '/?Action=AssumeRole&Version=2011-06-15', {}],
      ['GET', '/minio/v2/metrics/cluster', { authorization: 'Bearer a.b.c' }],
      ['GET', '/minio/prometheus/metrics', {}],
      ['GET', '/minio/metrics/v3', {}],
    ] as const) {
      const reply = await fetch(`${server.url}${path}`, { method, headers })
      assert.equal(reply.status, 501, path)
      assert.match(await reply.text(), /<Code>NotImplemented</, path)
    }
    const other = await fetch(`${server.url}/minio/metrics`)
    assert.equal(other.status, 403)
    await other.body?.cancel()
  } finally {
    await server.close()
  }
})
