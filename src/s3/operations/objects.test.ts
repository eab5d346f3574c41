import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { type S3Harness, type S3Request, startS3 } from '#testing/s3-harness'

const BUCKET = 'objects'
const CONTENT = Buffer.from('The quick brown fox jumps over the lazy dog')
const ETAG = `"${createHash('md5').update(CONTENT).digest('hex')}"`

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make(BUCKET)
})
after(async () => {
  await s3.close()
})

function crc32Text(data: Uint8Array): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(data))
  return bytes.toString('base64')
}

test('an object comes back as it was sent, whatever its size', async () => {
  for (const size of [0, 1, 1000, 131_072, 1_048_576, 3_000_001]) {
    const body = Buffer.alloc(size, 'cairn ')
    const etag = `"${createHash('md5').update(body).digest('hex')}"`
    const key = `size/${size}`
    const put = await s3.send({ method: 'PUT', bucket: BUCKET, key, body })
    assert.equal(put.status, 200)
    assert.equal(put.headers['etag'], etag)
    const get = await s3.send({ method: 'GET', bucket: BUCKET, key })
    assert.equal(get.status, 200)
    assert.ok(get.body.equals(body))
    assert.equal(get.headers['etag'], etag)
    const head = await s3.send({ method: 'HEAD', bucket: BUCKET, key })
    assert.equal(head.headers['content-length'], String(size))
    assert.equal(head.headers['etag'], etag)
  }
})

test('metadata comes back as it was sent', async () => {
  const sent = {
    'content-type': 'text/x-fox',
    'cache-control': 'max-age=60, public',
    'content-disposition': 'attachment; filename="a b.txt"',
    'content-language': 'de-DE',
    expires: 'not a date at all',
    'x-amz-meta-one': '1',
    'x-amz-meta-upper-Case': 'Kept Value',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  }
  const headers = { ...sent, 'content-encoding': 'gzip, aws-chunked' }
  await s3.put(BUCKET, 'metadata', CONTENT, headers)
  const head = await s3.send({ method: 'HEAD', bucket: BUCKET, key: 'metadata' })
  for (const [name, value] of Object.entries(sent)) {
    assert.equal(head.headers[name.toLowerCase()], value, name)
  }
  assert.equal(head.headers['content-encoding'], 'gzip')
  await s3.put(BUCKET, 'metadata', CONTENT)
  const replaced = await s3.send({ method: 'HEAD', bucket: BUCKET, key: 'metadata' })
  assert.equal(replaced.headers['x-amz-meta-one'], undefined)
  assert.equal(replaced.headers['content-type'], 'binary/octet-stream')
})

const PUTS: readonly (readonly [
  name: string,
  headers: Record<string, string>,
  status: number,
  code: string | null,
])[] = [
  ['an unknown storage class', { 'x-amz-storage-class': 'GLACIER' }, 400, 'InvalidStorageClass'],
  ['an empty Content-MD5', { 'content-md5': '' }, 400, 'InvalidDigest'],
  ['a malformed Content-MD5', { 'content-md5': 'invalid' }, 400, 'InvalidDigest'],
  ['a wrong Content-MD5', { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, 400, 'BadDigest'],
  ['a wrong CRC32', { 'x-amz-checksum-crc32': 'AAAAAA==' }, 400, 'BadDigest'],
  ['a copy source without key', { 'x-amz-copy-source': 'objects' }, 400, 'InvalidArgument'],
  ['a write offset that is none', { 'x-amz-write-offset-bytes': 'x' }, 400, 'InvalidArgument'],
  ['server side encryption', { 'x-amz-server-side-encryption': 'AES256' }, 501, 'NotImplemented'],
  ['a lock in a bucket without', { 'x-amz-object-lock-legal-hold': 'ON' }, 400, 'InvalidRequest'],
  ['eleven tags', { 'x-amz-tagging': tagQuery(11) }, 400, 'BadRequest'],
  ['a tag twice', { 'x-amz-tagging': 'a=1&a=2' }, 400, 'InvalidArgument'],
]

function tagQuery(count: number): string {
  return Array.from({ length: count }, (_, i) => `k${i}=v`).join('&')
}

for (const [name, headers, status, code] of PUTS) {
  test(`PutObject with ${name} answers ${status} and stores nothing`, async () => {
    const key = `refused/${name}`
    const reply = await s3.send({ method: 'PUT', bucket: BUCKET, key, headers, body: CONTENT })
    assert.equal(reply.status, status)
    assert.equal(reply.code, code)
    assert.equal((await s3.send({ method: 'HEAD', bucket: BUCKET, key })).status, 404)
  })
}

const RANGES: readonly (readonly [
  range: string,
  status: number,
  contentRange: string | undefined,
  start: number,
  end: number,
])[] = [
  ['bytes=0-0', 206, 'bytes 0-0/43', 0, 1],
  ['bytes=4-8', 206, 'bytes 4-8/43', 4, 9],
  ['bytes=40-', 206, 'bytes 40-42/43', 40, 43],
  ['bytes=40-1000', 206, 'bytes 40-42/43', 40, 43],
  ['bytes=-3', 206, 'bytes 40-42/43', 40, 43],
  ['bytes=-1000', 206, 'bytes 0-42/43', 0, 43],
  ['bytes=0-1,3-4', 200, undefined, 0, 43],
  ['items=0-1', 200, undefined, 0, 43],
  ['bytes=x-y', 200, undefined, 0, 43],
  ['bytes=8-4', 200, undefined, 0, 43],
  ['bytes=-0', 416, undefined, 0, 0],
  ['bytes=43-', 416, undefined, 0, 0],
]

for (const [range, status, contentRange, start, end] of RANGES) {
  test(`Range ${range} answers ${status}`, async () => {
    await s3.put(BUCKET, 'ranged', CONTENT)
    const request = { bucket: BUCKET, key: 'ranged', headers: { range } }
    const get = await s3.send({ method: 'GET', ...request })
    assert.equal(get.status, status)
    if (status === 416) {
      assert.equal(get.code, 'InvalidRange')
      return
    }
    assert.equal(get.headers['content-range'], contentRange)
    assert.ok(get.body.equals(CONTENT.subarray(start, end)))
    const head = await s3.send({ method: 'HEAD', ...request })
    assert.equal(head.status, status)
    assert.equal(head.headers['content-length'], String(end - start))
  })
}

const CONDITIONS: readonly (readonly [
  name: string,
  headers: Record<string, string>,
  status: number,
])[] = [
  ['If-Match of it', { 'if-match': ETAG }, 200],
  ['If-Match without quotes', { 'if-match': ETAG.replaceAll('"', '') }, 200],
  ['If-Match of anything', { 'if-match': '*' }, 200],
  ['If-Match of another', { 'if-match': '"abc"' }, 412],
  ['If-None-Match of it', { 'if-none-match': ETAG }, 304],
  ['If-None-Match of another', { 'if-none-match': '"abc"' }, 200],
  ['If-Modified-Since long ago', { 'if-modified-since': date(-1000) }, 200],
  ['If-Modified-Since later', { 'if-modified-since': date(1000) }, 304],
  ['If-Unmodified-Since long ago', { 'if-unmodified-since': date(-1000) }, 412],
  ['If-Unmodified-Since later', { 'if-unmodified-since': date(1000) }, 200],
  ['an unreadable date', { 'if-modified-since': 'yesterday' }, 200],
  [
    'If-Match of it and an older If-Unmodified-Since',
    { 'if-match': ETAG, 'if-unmodified-since': date(-1000) },
    200,
  ],
  [
    'If-None-Match of another and a later If-Modified-Since',
    { 'if-none-match': '"abc"', 'if-modified-since': date(1000) },
    200,
  ],
]

function date(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toUTCString()
}

for (const [name, headers, status] of CONDITIONS) {
  test(`GET and HEAD with ${name} answer ${status}`, async () => {
    await s3.put(BUCKET, 'conditional', CONTENT)
    for (const method of ['GET', 'HEAD']) {
      const reply = await s3.send({ method, bucket: BUCKET, key: 'conditional', headers })
      assert.equal(reply.status, status)
      assert.equal(reply.headers['etag'], ETAG)
      if (status === 304) assert.equal(reply.body.length, 0)
    }
  })
}

const WRITES: readonly (readonly [
  name: string,
  exists: boolean,
  headers: Record<string, string>,
  status: number,
  code: string | null,
])[] = [
  ['If-None-Match * on nothing', false, { 'if-none-match': '*' }, 200, null],
  ['If-None-Match * on something', true, { 'if-none-match': '*' }, 412, 'PreconditionFailed'],
  ['If-None-Match of it', true, { 'if-none-match': ETAG }, 412, 'PreconditionFailed'],
  ['If-None-Match of another', true, { 'if-none-match': '"abc"' }, 200, null],
  ['If-Match on nothing', false, { 'if-match': ETAG }, 404, 'NoSuchKey'],
  ['If-Match of it', true, { 'if-match': ETAG }, 200, null],
  ['If-Match of another', true, { 'if-match': '"abc"' }, 412, 'PreconditionFailed'],
]

for (const [name, exists, headers, status, code] of WRITES) {
  test(`PUT with ${name} answers ${status}`, async () => {
    const key = `written/${name.replaceAll(/\W/g, '-')}`
    if (exists) await s3.put(BUCKET, key, CONTENT)
    const reply = await s3.send({ method: 'PUT', bucket: BUCKET, key, headers, body: 'new' })
    assert.equal(reply.status, status)
    assert.equal(reply.code, code)
    const stored = await s3.send({ method: 'GET', bucket: BUCKET, key })
    assert.equal(stored.text, status === 200 ? 'new' : exists ? CONTENT.toString() : stored.text)
  })
}

test('a read may replace headers of the reply', async () => {
  await s3.put(BUCKET, 'overridden', CONTENT, { 'content-type': 'text/plain' })
  const query = {
    'response-content-type': 'image/fox',
    'response-cache-control': 'no-cache',
    'Response-Content-Disposition': 'inline',
  }
  for (const method of ['GET', 'HEAD']) {
    const reply = await s3.send({ method, bucket: BUCKET, key: 'overridden', query })
    assert.equal(reply.headers['content-type'], 'image/fox')
    assert.equal(reply.headers['cache-control'], 'no-cache')
    assert.equal(reply.headers['content-disposition'], 'inline')
  }
})

test('part 1 of an object in one piece is the whole, and there is no other', async () => {
  await s3.put(BUCKET, 'one-piece', CONTENT)
  const part = (partNumber: string): Promise<{ status: number; code: string | null }> =>
    s3.send({ method: 'GET', bucket: BUCKET, key: 'one-piece', query: { partNumber } })
  const first = await s3.send({
    method: 'GET',
    bucket: BUCKET,
    key: 'one-piece',
    query: { partNumber: '1' },
  })
  assert.equal(first.status, 206)
  assert.equal(first.headers['content-range'], 'bytes 0-42/43')
  assert.equal(first.headers['x-amz-mp-parts-count'], undefined)
  assert.equal((await part('2')).code, 'InvalidPartNumber')
  for (const wrong of ['0', '-1', 'x', '10001']) {
    assert.equal((await part(wrong)).code, 'InvalidArgument', wrong)
  }
  const both = await s3.send({
    method: 'GET',
    bucket: BUCKET,
    key: 'one-piece',
    query: { partNumber: '1' },
    headers: { range: 'bytes=0-1' },
  })
  assert.equal(both.code, 'InvalidRequest')
})

test('a checksum is stored and shown only when asked for', async () => {
  const value = crc32Text(CONTENT)
  const put = await s3.put(BUCKET, 'checked', CONTENT, { 'x-amz-checksum-crc32': value })
  assert.equal(put.headers['x-amz-checksum-crc32'], value)
  assert.equal(put.headers['x-amz-checksum-type'], 'FULL_OBJECT')
  const read = (headers: Record<string, string>): ReturnType<S3Harness['send']> =>
    s3.send({ method: 'GET', bucket: BUCKET, key: 'checked', headers })
  assert.equal((await read({})).headers['x-amz-checksum-crc32'], undefined)
  const shown = await read({ 'x-amz-checksum-mode': 'ENABLED' })
  assert.equal(shown.headers['x-amz-checksum-crc32'], value)
  // Presigned URLs carry it there.
  const query = { 'x-amz-checksum-mode': 'ENABLED' }
  const byUrl = await s3.send({ method: 'GET', bucket: BUCKET, key: 'checked', query })
  assert.equal(byUrl.headers['x-amz-checksum-crc32'], value)
  const ranged = await read({ 'x-amz-checksum-mode': 'ENABLED', range: 'bytes=0-1' })
  assert.equal(ranged.headers['x-amz-checksum-crc32'], undefined)
})

for (const [name, value, status, code] of [
  ['right', crc32Text(CONTENT), 200, null],
  ['wrong', 'AAAAAA==', 400, 'BadDigest'],
] as const) {
  test(`a ${name} checksum in a trailer answers ${status}`, async () => {
    const key = `trailer-${name}`
    const size = CONTENT.length.toString(16)
    const framed = `${size}\r\n${CONTENT.toString()}\r\n0\r\nx-amz-checksum-crc32:${value}\r\n\r\n`
    const put = await s3.send({
      method: 'PUT',
      bucket: BUCKET,
      key,
      body: framed,
      headers: {
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': String(CONTENT.length),
        'x-amz-sdk-checksum-algorithm': 'CRC32',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
    })
    assert.equal(put.status, status, put.text)
    assert.equal(put.code, code)
    const headers = { 'x-amz-checksum-mode': 'ENABLED' }
    const get = await s3.send({ method: 'GET', bucket: BUCKET, key, headers })
    assert.equal(get.status, status === 200 ? 200 : 404)
    if (status !== 200) return
    assert.ok(get.body.equals(CONTENT))
    assert.equal(get.headers['x-amz-checksum-crc32'], value)
    assert.equal(get.headers['content-encoding'], undefined)
  })
}

test('an object sent without checksum gets a CRC64NVME', async () => {
  const put = await s3.put(BUCKET, 'unchecked', '123456789')
  const value = Buffer.from('ae8b14860a799888', 'hex').toString('base64')
  assert.equal(put.headers['x-amz-checksum-crc64nvme'], value)
  const headers = { 'x-amz-checksum-mode': 'ENABLED' }
  const head = await s3.send({ method: 'HEAD', bucket: BUCKET, key: 'unchecked', headers })
  assert.equal(head.headers['x-amz-checksum-crc64nvme'], value)
})

test('attributes of an object in one piece', async () => {
  await s3.put(BUCKET, 'attributes', CONTENT, { 'x-amz-checksum-crc32': crc32Text(CONTENT) })
  const ask = (attributes: string): ReturnType<S3Harness['send']> =>
    s3.send({
      method: 'GET',
      bucket: BUCKET,
      key: 'attributes',
      query: { attributes: '' },
      headers: { 'x-amz-object-attributes': attributes },
    })
  const reply = await ask('ETag,Checksum, ObjectParts,StorageClass,ObjectSize')
  assert.equal(
    reply.text.replace(/^.*\n<GetObjectAttributesResponse[^>]*>/, ''),
    `<ETag>${ETAG.replaceAll('"', '')}</ETag><Checksum><ChecksumCRC32>${crc32Text(CONTENT)}</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></Checksum><StorageClass>STANDARD</StorageClass><ObjectSize>43</ObjectSize></GetObjectAttributesResponse>`,
  )
  const wrong = await ask('ETag,Colour')
  assert.equal(wrong.code, 'InvalidArgument')
  assert.deepEqual(s3.texts(wrong, 'ArgumentValue'), ['Colour'])
})

test('tags are stored with the object, replaced and deleted', async () => {
  const key = 'tagged'
  const query = { tagging: '' }
  const put = await s3.put(BUCKET, key, CONTENT, { 'x-amz-tagging': 'z=1&a=b%20c' })
  const target = { bucket: BUCKET, key, query }
  assert.deepEqual(s3.texts(await s3.send({ method: 'GET', ...target }), 'Key'), ['a', 'z'])
  const head = await s3.send({ method: 'HEAD', bucket: BUCKET, key })
  assert.equal(head.headers['x-amz-tagging-count'], '2')
  const body = '<Tagging><TagSet><Tag><Key>new</Key><Value>v</Value></Tag></TagSet></Tagging>'
  assert.equal((await s3.send({ method: 'PUT', ...target, body })).status, 200)
  assert.deepEqual(s3.texts(await s3.send({ method: 'GET', ...target }), 'Key'), ['new'])
  assert.equal((await s3.send({ method: 'DELETE', ...target })).status, 204)
  const none = await s3.send({ method: 'GET', ...target })
  assert.equal(none.status, 200)
  assert.deepEqual(s3.texts(none, 'Key'), [])
  const after = await s3.send({ method: 'HEAD', bucket: BUCKET, key })
  assert.equal(after.headers['x-amz-tagging-count'], undefined)
  assert.equal(after.headers['etag'], put.headers['etag'])
  const absent = await s3.send({ method: 'GET', bucket: BUCKET, key: 'not-there', query })
  assert.equal(absent.code, 'NoSuchKey')
})

const COPIES: readonly (readonly [
  name: string,
  headers: Record<string, string>,
  status: number,
  code: string | null,
])[] = [
  ['nothing else', {}, 200, null],
  ['an unknown directive', { 'x-amz-metadata-directive': 'KEEP' }, 400, 'InvalidArgument'],
  ['an unknown tag directive', { 'x-amz-tagging-directive': 'KEEP' }, 400, 'InvalidArgument'],
  ['a matching source', { 'x-amz-copy-source-if-match': ETAG }, 200, null],
  [
    'another source than wanted',
    { 'x-amz-copy-source-if-match': '"abc"' },
    412,
    'PreconditionFailed',
  ],
  [
    'a source known already',
    { 'x-amz-copy-source-if-none-match': ETAG },
    412,
    'PreconditionFailed',
  ],
  [
    'a source not modified',
    { 'x-amz-copy-source-if-modified-since': date(1000) },
    412,
    'PreconditionFailed',
  ],
  ['a missing source', { 'x-amz-copy-source': 'objects/none' }, 404, 'NoSuchKey'],
  ['a missing source bucket', { 'x-amz-copy-source': 'no-bucket/none' }, 404, 'NoSuchBucket'],
  [
    'an unknown version',
    { 'x-amz-copy-source': 'objects/source?versionId=8f3f1d7e-6a55-4c3c-9d0b-0a1f3c5b7e90' },
    404,
    'NoSuchVersion',
  ],
  [
    'a version id that is none',
    { 'x-amz-copy-source': 'objects/source?versionId=nonsense' },
    400,
    'InvalidArgument',
  ],
]

for (const [name, headers, status, code] of COPIES) {
  test(`CopyObject with ${name} answers ${status}`, async () => {
    await s3.put(BUCKET, 'source', CONTENT)
    const reply = await s3.send({
      method: 'PUT',
      bucket: BUCKET,
      key: 'copy',
      headers: { 'x-amz-copy-source': '/objects/source', ...headers },
    })
    assert.equal(reply.status, status)
    assert.equal(reply.code, code)
    if (status === 200) assert.deepEqual(s3.texts(reply, 'ETag'), [ETAG.replaceAll('"', '&#34;')])
  })
}

test('a copy keeps or replaces metadata and tags as told', async () => {
  await s3.put(BUCKET, 'rich', CONTENT, {
    'content-type': 'text/rich',
    'x-amz-meta-a': 'old',
    'x-amz-tagging': 't=1',
  })
  const copy = async (headers: Record<string, string>): Promise<Record<string, string>> => {
    const reply = await s3.send({
      method: 'PUT',
      bucket: BUCKET,
      key: 'rich-copy',
      headers: { 'x-amz-copy-source': 'objects/rich', ...headers },
    })
    assert.equal(reply.status, 200, reply.text)
    return (await s3.send({ method: 'HEAD', bucket: BUCKET, key: 'rich-copy' })).headers
  }
  const kept = await copy({ 'x-amz-meta-a': 'ignored' })
  assert.equal(kept['x-amz-meta-a'], 'old')
  assert.equal(kept['content-type'], 'text/rich')
  assert.equal(kept['x-amz-tagging-count'], '1')
  const replaced = await copy({ 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-b': 'new' })
  assert.equal(replaced['x-amz-meta-a'], undefined)
  assert.equal(replaced['x-amz-meta-b'], 'new')
  assert.equal(replaced['content-type'], 'binary/octet-stream')
  assert.equal(replaced['x-amz-tagging-count'], '1')
  const untagged = await copy({ 'x-amz-tagging-directive': 'REPLACE' })
  assert.equal(untagged['x-amz-tagging-count'], undefined)
})

test('a copy onto itself needs something to change', async () => {
  await s3.put(BUCKET, 'self', CONTENT, { 'x-amz-meta-a': 'old' })
  const copy = (headers: Record<string, string>): ReturnType<S3Harness['send']> =>
    s3.send({
      method: 'PUT',
      bucket: BUCKET,
      key: 'self',
      headers: { 'x-amz-copy-source': 'objects/self', ...headers },
    })
  assert.equal((await copy({})).code, 'InvalidRequest')
  const replaced = await copy({ 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-a': 'new' })
  assert.equal(replaced.status, 200)
  const get = await s3.send({ method: 'GET', bucket: BUCKET, key: 'self' })
  assert.equal(get.headers['x-amz-meta-a'], 'new')
  assert.ok(get.body.equals(CONTENT))
  const moved = await copy({ 'x-amz-storage-class': 'REDUCED_REDUNDANCY' })
  assert.equal(moved.status, 200)
  const again = await s3.send({ method: 'GET', bucket: BUCKET, key: 'self' })
  assert.equal(again.headers['x-amz-storage-class'], 'REDUCED_REDUNDANCY')
  assert.ok(again.body.equals(CONTENT))
})

test('a copy computes the checksum asked for', async () => {
  await s3.put(BUCKET, 'to-check', CONTENT)
  const reply = await s3.send({
    method: 'PUT',
    bucket: BUCKET,
    key: 'checked-copy',
    headers: { 'x-amz-copy-source': 'objects/to-check', 'x-amz-checksum-algorithm': 'CRC32' },
  })
  assert.equal(reply.headers['x-amz-checksum-crc32'], crc32Text(CONTENT))
  assert.deepEqual(s3.texts(reply, 'ChecksumCRC32'), [crc32Text(CONTENT)])
})

const REFUSED: readonly (readonly [name: string, request: S3Request, code: string])[] = [
  [
    'a restore',
    { method: 'POST', bucket: BUCKET, key: 'k', query: { restore: '' } },
    'EmptyRequestBody',
  ],
  [
    'a torrent',
    { method: 'GET', bucket: BUCKET, key: 'k', query: { torrent: '' } },
    'NotImplemented',
  ],
  [
    'half a part',
    { method: 'PUT', bucket: BUCKET, key: 'k', query: { partNumber: '1' } },
    'InvalidArgument',
  ],
  [
    'the other half',
    { method: 'PUT', bucket: BUCKET, key: 'k', query: { uploadId: 'x' } },
    'MethodNotAllowed',
  ],
]

for (const [name, request, code] of REFUSED) {
  test(`${name} answers ${code} and writes nothing`, async () => {
    assert.equal((await s3.send(request)).code, code)
    assert.equal((await s3.send({ method: 'HEAD', bucket: BUCKET, key: 'k' })).status, 404)
  })
}
