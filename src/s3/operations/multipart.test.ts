import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

const BUCKET = 'uploads'
const PART = Buffer.alloc(5 * 1_048_576, 'part one ')
const TAIL = Buffer.from('and the tail')

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make(BUCKET)
})
after(async () => {
  await s3.close()
})

async function create(key: string, headers: Record<string, string> = {}): Promise<string> {
  const query = { uploads: '' }
  const reply = await s3.send({ method: 'POST', bucket: BUCKET, key, query, headers })
  assert.equal(reply.status, 200, reply.text)
  return s3.texts(reply, 'UploadId')[0] ?? ''
}

function part(
  key: string,
  uploadId: string,
  partNumber: number | string,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<S3Reply> {
  const query = { uploadId, partNumber: String(partNumber) }
  return s3.send({ method: 'PUT', bucket: BUCKET, key, query, body, headers })
}

function complete(
  key: string,
  uploadId: string,
  parts: readonly (readonly [number, string | undefined, string?])[],
  headers: Record<string, string> = {},
): Promise<S3Reply> {
  const entries = parts.map(
    ([number, etag, more]) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>${etag ?? ''}</ETag>${more ?? ''}</Part>`,
  )
  const body = `<CompleteMultipartUpload>${entries.join('')}</CompleteMultipartUpload>`
  return s3.send({ method: 'POST', bucket: BUCKET, key, query: { uploadId }, body, headers })
}

function crc32Bytes(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(data))
  return bytes
}

test('parts become one object that is read whole and by part', async () => {
  const key = 'two parts'
  const uploadId = await create(key, { 'x-amz-meta-a': 'b', 'content-type': 'text/parts' })
  const second = await part(key, uploadId, 2, TAIL)
  const first = await part(key, uploadId, 1, PART)
  const md5s = [PART, TAIL].map((data) => createHash('md5').update(data).digest())
  const etag = `${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-2`
  const reply = await complete(key, uploadId, [
    [1, first.headers['etag']],
    [2, second.headers['etag']],
  ])
  assert.equal(reply.status, 200, reply.text)
  assert.deepEqual(s3.texts(reply, 'ETag'), [`&#34;${etag}&#34;`])
  assert.deepEqual(s3.texts(reply, 'Location'), [`${s3.url}/uploads/two%20parts`])
  const whole = await s3.send({ method: 'GET', bucket: BUCKET, key })
  assert.ok(whole.body.equals(Buffer.concat([PART, TAIL])))
  assert.equal(whole.headers['x-amz-meta-a'], 'b')
  assert.equal(whole.headers['content-type'], 'text/parts')
  const query = { partNumber: '2' }
  const tail = await s3.send({ method: 'GET', bucket: BUCKET, key, query })
  assert.equal(tail.status, 206)
  assert.ok(tail.body.equals(TAIL))
  assert.equal(tail.headers['x-amz-mp-parts-count'], '2')
  const size = PART.length + TAIL.length
  assert.equal(tail.headers['content-range'], `bytes ${PART.length}-${size - 1}/${size}`)
  const again = await complete(key, uploadId, [
    [1, first.headers['etag']],
    [2, second.headers['etag']],
  ])
  assert.equal(again.text, reply.text)
})

test('an upload is listed, its parts too, and aborted', async () => {
  const key = 'listed/upload'
  const uploadId = await create(key)
  for (const number of [3, 1, 2]) await part(key, uploadId, number, TAIL)
  const list = (query: Record<string, string>): Promise<S3Reply> =>
    s3.send({ method: 'GET', bucket: BUCKET, key, query: { uploadId, ...query } })
  assert.deepEqual(s3.texts(await list({}), 'PartNumber'), ['1', '2', '3'])
  const page = await list({ 'max-parts': '1', 'part-number-marker': '1' })
  assert.deepEqual(s3.texts(page, 'PartNumber'), ['2'])
  assert.deepEqual(s3.texts(page, 'IsTruncated'), ['true'])
  assert.deepEqual(s3.texts(page, 'NextPartNumberMarker'), ['2'])
  const uploads = await s3.send({
    method: 'GET',
    bucket: BUCKET,
    query: { uploads: '', prefix: 'listed/' },
  })
  assert.deepEqual(s3.texts(uploads, 'UploadId'), [uploadId])
  const query = { uploadId }
  assert.equal((await s3.send({ method: 'DELETE', bucket: BUCKET, key, query })).status, 204)
  assert.equal((await list({})).code, 'NoSuchUpload')
  const again = await s3.send({ method: 'DELETE', bucket: BUCKET, key, query })
  assert.equal(again.code, 'NoSuchUpload')
})

const NUMBERS: readonly (readonly [number: string, code: string])[] = [
  ['0', 'InvalidArgument'],
  ['-1', 'InvalidArgument'],
  ['x', 'InvalidArgument'],
  ['10001', 'InvalidArgument'],
]

test('parts have numbers from 1 to 10000', async () => {
  const uploadId = await create('numbers')
  for (const [number, code] of NUMBERS) {
    assert.equal((await part('numbers', uploadId, number, TAIL)).code, code, number)
  }
  assert.equal((await part('numbers', 'bm90LXRoZXJl', 1, TAIL)).code, 'NoSuchUpload')
})

test('Complete refuses what does not fit', async () => {
  const key = 'refused'
  const uploadId = await create(key)
  const first = (await part(key, uploadId, 1, TAIL)).headers['etag']
  const second = (await part(key, uploadId, 2, TAIL)).headers['etag']
  const refusals: readonly (readonly [Parameters<typeof complete>[2], string])[] = [
    [[], 'MalformedXML'],
    [
      [
        [2, second],
        [1, first],
      ],
      'InvalidPartOrder',
    ],
    [
      [
        [1, first],
        [1, first],
      ],
      'InvalidPartOrder',
    ],
    [[[3, first]], 'InvalidPart'],
    [[[1, '"abc"']], 'InvalidPart'],
    [
      [
        [1, first],
        [2, second],
      ],
      'EntityTooSmall',
    ],
  ]
  for (const [parts, code] of refusals) {
    assert.equal((await complete(key, uploadId, parts)).code, code)
  }
  const wrongSize = { 'x-amz-mp-object-size': '7' }
  assert.equal((await complete(key, uploadId, [[1, first]], wrongSize)).code, 'InvalidRequest')
  const condition = { 'if-match': '"abc"' }
  assert.equal((await complete(key, uploadId, [[1, first]], condition)).code, 'NoSuchKey')
  const unknown = await complete(key, 'bm90LXRoZXJl', [[1, first]])
  assert.equal(unknown.code, 'NoSuchUpload')
  assert.equal((await s3.send({ method: 'HEAD', bucket: BUCKET, key })).status, 404)
  assert.equal((await complete(key, uploadId, [[1, first]])).status, 200)
})

for (const type of ['COMPOSITE', 'FULL_OBJECT'] as const) {
  test(`a declared CRC32 of type ${type} is carried through`, async () => {
    const key = `crc32-${type}`
    const uploadId = await create(key, {
      'x-amz-checksum-algorithm': 'CRC32',
      'x-amz-checksum-type': type,
    })
    const crcs = [PART, TAIL].map(crc32Bytes)
    const [crc1 = '', crc2 = ''] = crcs.map((crc) => crc.toString('base64'))
    const other = await part(key, uploadId, 1, TAIL, { 'x-amz-checksum-sha1': sha1(TAIL) })
    assert.equal(other.code, 'InvalidRequest')
    const wrong = await part(key, uploadId, 1, PART, { 'x-amz-checksum-crc32': crc2 })
    assert.equal(wrong.code, 'BadDigest')
    const first = await part(key, uploadId, 1, PART, { 'x-amz-checksum-crc32': crc1 })
    const bare = await part(key, uploadId, 2, TAIL)
    // Only the checksum of a whole object can do without those of the client.
    assert.equal(bare.code, type === 'COMPOSITE' ? 'InvalidRequest' : null)
    const second =
      type === 'COMPOSITE'
        ? await part(key, uploadId, 2, TAIL, { 'x-amz-checksum-crc32': crc2 })
        : bare
    assert.equal(second.headers['x-amz-checksum-crc32'], crc2)
    const parts = [
      [1, first.headers['etag'], `<ChecksumCRC32>${crc1}</ChecksumCRC32>`],
      [2, second.headers['etag'], `<ChecksumCRC32>${crc2}</ChecksumCRC32>`],
    ] as const
    const value =
      type === 'COMPOSITE'
        ? `${crc32Bytes(Buffer.concat(crcs)).toString('base64')}-2`
        : crc32Bytes(Buffer.concat([PART, TAIL])).toString('base64')
    const mismatch = await complete(key, uploadId, parts, { 'x-amz-checksum-crc32': crc1 })
    assert.equal(mismatch.code, 'BadDigest')
    const swapped = [
      [1, first.headers['etag'], `<ChecksumCRC32>${crc2}</ChecksumCRC32>`],
      parts[1],
    ] as const
    assert.equal((await complete(key, uploadId, swapped)).code, 'InvalidPart')
    const reply = await complete(key, uploadId, parts, { 'x-amz-checksum-crc32': value })
    assert.equal(reply.status, 200, reply.text)
    assert.deepEqual(s3.texts(reply, 'ChecksumCRC32'), [value])
    assert.deepEqual(s3.texts(reply, 'ChecksumType'), [type])
    const headers = { 'x-amz-checksum-mode': 'ENABLED' }
    const head = await s3.send({ method: 'HEAD', bucket: BUCKET, key, headers })
    assert.equal(head.headers['x-amz-checksum-crc32'], value)
    assert.equal(head.headers['x-amz-checksum-type'], type)
    const attributes = await s3.send({
      method: 'GET',
      bucket: BUCKET,
      key,
      query: { attributes: '' },
      headers: { 'x-amz-object-attributes': 'Checksum,ObjectParts', 'x-amz-max-parts': '1' },
    })
    assert.deepEqual(s3.texts(attributes, 'ChecksumCRC32'), [value.replace(/-2$/, ''), crc1])
    assert.deepEqual(s3.texts(attributes, 'PartsCount'), ['2'])
    assert.deepEqual(s3.texts(attributes, 'IsTruncated'), ['true'])
  })
}

function sha1(data: Uint8Array): string {
  return createHash('sha1').update(data).digest('base64')
}

test('a part is copied from a range of another object', async () => {
  await s3.put(BUCKET, 'source', 'The quick brown fox')
  const key = 'from-copy'
  const uploadId = await create(key)
  const copy = (headers: Record<string, string>): Promise<S3Reply> =>
    s3.send({
      method: 'PUT',
      bucket: BUCKET,
      key,
      query: { uploadId, partNumber: '1' },
      headers: { 'x-amz-copy-source': 'uploads/source', ...headers },
    })
  for (const [range, code] of [
    ['bytes=4-', 'InvalidArgument'],
    ['bytes=8-4', 'InvalidArgument'],
    ['4-8', 'InvalidArgument'],
    ['bytes=4-19', 'InvalidRange'],
  ] as const) {
    assert.equal((await copy({ 'x-amz-copy-source-range': range })).code, code, range)
  }
  const reply = await copy({ 'x-amz-copy-source-range': 'bytes=4-8' })
  assert.equal(reply.status, 200, reply.text)
  const etag = s3.texts(reply, 'ETag')[0]
  assert.equal((await complete(key, uploadId, [[1, etag]])).status, 200)
  assert.equal((await s3.send({ method: 'GET', bucket: BUCKET, key })).text, 'quick')
})
