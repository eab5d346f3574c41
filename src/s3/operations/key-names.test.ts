/** Keys that are no paths, through every operation that names keys; and cleaned as MinIO does. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { encodePercent } from '#s3-protocol/percent'
import { type S3Harness, startS3 } from '#testing/s3-harness'

const LONG = 's'.repeat(300)
const KEYS = ['/', '//', '/a', 'a', 'a/', 'a//', 'a//b', 'a/b', '~~', '~~/a', LONG, `${LONG}/x`]
const KMS = `key:${Buffer.alloc(32, 7).toString('base64')}`

let flat: S3Harness
let clean: S3Harness
before(async () => {
  flat = await startS3({ kmsSecret: KMS })
  clean = await startS3({ cleansKeys: true })
  for (const s3 of [flat, clean]) await s3.make('box')
})
after(async () => {
  await flat.close()
  await clean.close()
})

async function keysIn(s3: S3Harness, bucket: string, query = {}): Promise<string[]> {
  const reply = await s3.send({ method: 'GET', bucket, query: { 'list-type': '2', ...query } })
  assert.equal(reply.status, 200, reply.text)
  return s3.texts(reply, 'Key')
}

async function get(s3: S3Harness, bucket: string, key: string): Promise<string> {
  const reply = await s3.send({ method: 'GET', bucket, key })
  return reply.status === 200 ? reply.text : String(reply.code)
}

function md5Of(text: string): string {
  return createHash('md5').update(text).digest('base64')
}

function source(bucket: string, key: string): Record<string, string> {
  return { 'x-amz-copy-source': encodePercent(`${bucket}/${key}`, { keepSlash: true }) }
}

test('keys that differ only in slashes are different to every operation', async () => {
  await flat.make('flat', 'Enabled')
  await flat.make('copies')
  for (const key of KEYS) {
    await flat.put('flat', key, 'old')
    await flat.put('flat', key, `of ${key}`, { 'x-amz-server-side-encryption': 'AES256' })
    const tags = '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>'
    const query = { tagging: '' }
    const tagged = await flat.send({ method: 'PUT', bucket: 'flat', key, query, body: tags })
    assert.equal(tagged.status, 200, tagged.text)
  }
  assert.deepEqual(await keysIn(flat, 'flat'), [...KEYS].sort())
  const level = await flat.send({ method: 'GET', bucket: 'flat', query: { delimiter: '/' } })
  const shown = (name: string): string[] => flat.texts(level, name)
  assert.deepEqual(shown('Key'), ['a', LONG, '~~'])
  assert.deepEqual(shown('Prefix').slice(1), ['/', 'a/', `${LONG}/`, '~~/'])
  for (const key of KEYS) {
    assert.equal(await get(flat, 'flat', key), `of ${key}`)
    const headers = source('flat', key)
    const copy = await flat.send({ method: 'PUT', bucket: 'copies', key, headers })
    assert.equal(copy.status, 200, copy.text)
  }
  for (const key of KEYS) assert.equal(await get(flat, 'copies', key), `of ${key}`)
  const objects = KEYS.map((key) => `<Object><Key>${key}</Key></Object>`).join('')
  const body = `<Delete>${objects}</Delete>`
  const query = { delete: '' }
  const md5 = { 'content-md5': md5Of(body) }
  const deleted = await flat.send({ method: 'POST', bucket: 'copies', query, body, headers: md5 })
  assert.deepEqual(flat.texts(deleted, 'Key'), KEYS)
  assert.deepEqual(await keysIn(flat, 'copies'), [])
  const versions = await flat.send({ method: 'GET', bucket: 'flat', query: { versions: '' } })
  assert.equal(flat.texts(versions, 'VersionId').length, KEYS.length * 2)
})

test('uploads in parts keep their keys apart', async () => {
  for (const key of ['/u', 'u', 'x//u', `${LONG}u`]) {
    const begun = await flat.send({ method: 'POST', bucket: 'box', key, query: { uploads: '' } })
    const uploadId = flat.texts(begun, 'UploadId')[0] ?? ''
    const listed = await flat.send({ method: 'GET', bucket: 'box', query: { uploads: '' } })
    assert.deepEqual(flat.texts(listed, 'Key'), [key])
    const query = { uploadId, partNumber: '1' }
    const part = await flat.send({ method: 'PUT', bucket: 'box', key, query, body: `by ${key}` })
    const one = `<Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part>`
    const body = `<CompleteMultipartUpload>${one}</CompleteMultipartUpload>`
    const done = await flat.send({ method: 'POST', bucket: 'box', key, query: { uploadId }, body })
    assert.equal(done.status, 200, done.text)
  }
  for (const key of ['/u', 'u', 'x//u', `${LONG}u`]) {
    assert.equal(await get(flat, 'box', key), `by ${key}`)
  }
})

test('cleaned keys lose the slashes in front wherever they are named', async () => {
  await clean.put('box', '//a//b', 'one')
  await clean.put('box', 'c//d', 'two')
  assert.deepEqual(await keysIn(clean, 'box'), ['a/b', 'c//d'])
  assert.equal(await get(clean, 'box', '/a/b'), 'one')
  assert.equal(await get(clean, 'box', 'a/b'), 'one')
  const headers = source('box', '/a/b')
  const copy = await clean.send({ method: 'PUT', bucket: 'box', key: '/copy/', headers })
  assert.equal(copy.status, 200, copy.text)
  assert.deepEqual(await keysIn(clean, 'box'), ['a/b', 'c//d', 'copy/'])
  assert.deepEqual(await keysIn(clean, 'box', { prefix: '/' }), [])
  const body =
    '<Delete><Object><Key>/a/b</Key></Object><Object><Key>//copy/</Key></Object></Delete>'
  const md5 = { 'content-md5': md5Of(body) }
  const query = { delete: '' }
  const deleted = await clean.send({ method: 'POST', bucket: 'box', query, body, headers: md5 })
  assert.deepEqual(clean.texts(deleted, 'Key'), ['a/b', 'copy/'])
  assert.deepEqual(await keysIn(clean, 'box'), ['c//d'])
  await clean.put('box', '/', 'a slash alone is no bucket')
  assert.deepEqual(await keysIn(clean, 'box'), ['/', 'c//d'])
})
