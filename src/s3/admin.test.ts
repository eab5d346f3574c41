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
