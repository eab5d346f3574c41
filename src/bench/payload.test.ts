/** What the benchmark sends is what a server takes, in every mode. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { signChunks } from '#s3-protocol/sigv4-client'
import { deriveSigningKey } from '#s3-protocol/sigv4'
import { contentOf } from '#testing/engine-fixture'
import { CREDENTIALS, type S3Harness, startS3 } from '#testing/s3-harness'
import { allCells, cellName } from './cells.ts'
import { isModeName, MODES, modeOf } from './modes.ts'
import { preparePayload, textOf } from './payload.ts'
import { S3Connection } from './s3-connection.ts'

const SCOPE = { date: '20260102', region: 'us-east-1', service: 's3' }
const SEED = {
  signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  date: '20260102T030405Z',
  scope: SCOPE,
  key: deriveSigningKey('secret', SCOPE),
}
const KMS_SECRET = 'test-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='
const COMPRESSION = {
  isEnabled: true,
  allowsEncryption: false,
  extensions: ['.txt'],
  mimeTypes: [],
}

let server: S3Harness
let connection: S3Connection
before(async () => {
  server = await startS3({ kmsSecret: KMS_SECRET, compression: COMPRESSION })
  const { hostname, port } = new URL(server.url)
  connection = new S3Connection({ host: hostname, port: Number(port), ...CREDENTIALS })
  await server.make('bench')
})
after(async () => {
  connection.close()
  await server.close()
})

test('a body is accepted and read back in every mode', async () => {
  for (const name of Object.keys(MODES).filter(isModeName)) {
    const mode = modeOf(name)
    for (const sizeBytes of [0, 1, 65_536, 200_001]) {
      const content = mode.isText ? textOf(sizeBytes) : contentOf(sizeBytes)
      const body = preparePayload(mode.form, content)
      const path = `/bench/${name}-${sizeBytes}${mode.isText ? '.txt' : ''}`
      const headers = { ...mode.creating, ...mode.always }
      const put = await connection.request('PUT', path, '', { body, headers })
      assert.equal(put.status, 200, `${name} ${sizeBytes}: ${put.body}`)
      const got = await connection.request('GET', path, '', {
        headers: { ...mode.always, 'x-amz-checksum-mode': 'ENABLED' },
        keepBody: true,
      })
      assert.ok(Buffer.from(got.body, 'latin1').equals(content), `${name} ${sizeBytes}`)
      const isSealed = [...got.headers.keys()].some((one) => one.includes('encryption'))
      assert.equal(isSealed, name.startsWith('sse'), name)
      if (mode.form.startsWith('crc')) assert.ok(got.headers.has(`x-amz-checksum-${name}`), name)
    }
  }
})

test('a changed byte is refused where the mode vouches for the content', async () => {
  for (const form of ['sha256', 'chunked', 'crc32', 'crc32c', 'crc64nvme'] as const) {
    const content = contentOf(100_000)
    const body = preparePayload(form, content)
    const pieces: typeof body.pieces = (seed) => {
      const whole = Buffer.concat(body.pieces(seed))
      whole[50_000] = (whole[50_000] ?? 0) ^ 1
      return [whole]
    }
    const reply = await connection.request('PUT', '/bench/key', '', { body: { ...body, pieces } })
    assert.ok(reply.status === 400 || reply.status === 403, `${form}: ${reply.status}`)
  }
})

test('signed chunks are those that clients send', () => {
  const content = contentOf(150_000)
  const payload = preparePayload('chunked', content)
  const chunks = [0, 65_536, 131_072].map((from) => content.subarray(from, from + 65_536))
  const sent = Buffer.concat(payload.pieces(SEED))
  assert.ok(sent.equals(Buffer.concat(signChunks(chunks, SEED))))
  assert.equal(sent.length, payload.wireBytes)
})

test('the trailer holds the checksum of the content', () => {
  const content = contentOf(70_000)
  const payload = preparePayload('crc32', content)
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(content))
  const text = Buffer.concat(payload.pieces(SEED)).toString('latin1')
  assert.match(text, /^10000\r\n/)
  assert.ok(
    text.endsWith(`\r\n0\r\nx-amz-checksum-crc32:${value.toString('base64')}\r\n\r\n`),
    text.slice(-80),
  )
})

test('every cell has a name of its own', () => {
  const names = allCells().map(cellName)
  assert.equal(new Set(names).size, names.length)
  for (const name of ['PUT 1MiB c16', 'PUT 1MiB c16 crc32', 'GET 1MiB c1 sse-c']) {
    assert.ok(names.includes(name), name)
  }
})
