import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

const BUCKET = 'squeezed'
const MIB = 1_048_576

let s3: S3Harness
before(async () => {
  s3 = await startS3({
    compression: {
      isEnabled: true,
      allowsEncryption: false,
      extensions: ['.txt', '.LOG'],
      mimeTypes: ['text/*', 'application/json'],
    },
  })
  await s3.make(BUCKET)
})
after(async () => {
  await s3.close()
})

function linesOf(size: number, name = 'a'): Buffer {
  const lines: string[] = []
  for (let i = 0, made = 0; made < size; i++) {
    const line = `${name} ${i} ${Math.imul(i, 2_654_435_761) >>> 0}\n`
    lines.push(line)
    made += line.length
  }
  return Buffer.from(lines.join('').slice(0, size))
}

function etagOf(content: Uint8Array): string {
  return `"${createHash('md5').update(content).digest('hex')}"`
}

function get(key: string, headers = {}, query = {}): Promise<S3Reply> {
  return s3.send({ method: 'GET', bucket: BUCKET, key, headers, query })
}

async function isCompressed(key: string): Promise<boolean> {
  const head = await s3.send({ method: 'HEAD', bucket: BUCKET, key })
  assert.equal(head.status, 200, key)
  return head.headers['x-minio-compressed'] === 's2'
}

test('a compressed object looks as any other, but for one header', async () => {
  const content = linesOf(9 * MIB + 5)
  const put = await s3.put(BUCKET, 'big.txt', content)
  assert.equal(put.headers['etag'], etagOf(content))
  const whole = await get('big.txt')
  assert.equal(whole.headers['x-minio-compressed'], 's2')
  assert.equal(whole.headers['content-encoding'], undefined)
  assert.equal(whole.headers['content-length'], String(content.length))
  assert.equal(whole.headers['etag'], etagOf(content))
  assert.ok(whole.body.equals(content))
  for (const [start, end] of [
    [0, 0],
    [MIB - 1, MIB],
    [5 * MIB + 3, 8 * MIB],
    [content.length - 1, content.length - 1],
  ] as const) {
    const part = await get('big.txt', { range: `bytes=${start}-${end}` })
    assert.equal(part.status, 206)
    assert.equal(part.headers['content-range'], `bytes ${start}-${end}/${content.length}`)
    assert.ok(part.body.equals(content.subarray(start, end + 1)))
  }
  const beyond = await get('big.txt', { range: `bytes=${content.length}-` })
  assert.equal(beyond.status, 416)
  const list = await s3.send({ method: 'GET', bucket: BUCKET, query: { prefix: 'big.txt' } })
  assert.deepEqual(s3.texts(list, 'Size'), [String(content.length)])
  const attributes = await get(
    'big.txt',
    { 'x-amz-object-attributes': 'ObjectSize,ETag' },
    { attributes: '' },
  )
  assert.deepEqual(s3.texts(attributes, 'ObjectSize'), [String(content.length)])
})

test('key, type and size decide', async () => {
  const content = linesOf(5000)
  const cases: readonly (readonly [key: string, type: string, expected: boolean])[] = [
    ['a.txt', 'application/x-any', true],
    ['b.log', 'application/x-any', true],
    ['c.TXT', 'application/x-any', true],
    ['d', 'text/csv', true],
    ['d2', 'text/csv; charset=utf-8', true],
    ['e', 'TEXT/csv', false],
    ['f.bin', 'application/x-any', false],
    ['g.txt.gz', 'text/plain', false],
    ['h.txt', 'video/mp4', false],
    ['i.PNG', 'text/plain', false],
  ]
  for (const [key, type, expected] of cases) {
    await s3.put(BUCKET, key, content, { 'content-type': type })
    assert.equal(await isCompressed(key), expected, `${key} ${type}`)
    assert.ok((await get(key)).body.equals(content))
  }
  for (const [size, expected] of [
    [0, false],
    [4096, false],
    [4097, true],
  ] as const) {
    await s3.put(BUCKET, `${size}.txt`, linesOf(size))
    assert.equal(await isCompressed(`${size}.txt`), expected, `${size}`)
  }
})

async function upload(key: string, contents: readonly Buffer[]): Promise<void> {
  const begun = await s3.send({ method: 'POST', bucket: BUCKET, key, query: { uploads: '' } })
  const [uploadId = ''] = s3.texts(begun, 'UploadId')
  const parts: string[] = []
  for (const [i, body] of contents.entries()) {
    const query = { uploadId, partNumber: String(i + 1) }
    const put = await s3.send({ method: 'PUT', bucket: BUCKET, key, query, body })
    assert.equal(put.headers['etag'], etagOf(body))
    parts.push(`<Part><PartNumber>${i + 1}</PartNumber><ETag>${put.headers['etag']}</ETag></Part>`)
  }
  const listed = await s3.send({ method: 'GET', bucket: BUCKET, key, query: { uploadId } })
  assert.deepEqual(
    s3.texts(listed, 'Size'),
    contents.map((content) => String(content.length)),
  )
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
  const done = await s3.send({ method: 'POST', bucket: BUCKET, key, query: { uploadId }, body })
  assert.equal(done.status, 200, done.body.toString())
}

test('parts are compressed whatever their size, and read by number and range', async () => {
  const contents = [linesOf(9 * MIB, 'x'), linesOf(5 * MIB, 'y'), linesOf(10, 'z')]
  await upload('parts.txt', contents)
  assert.equal(await isCompressed('parts.txt'), true)
  const content = Buffer.concat(contents)
  assert.ok((await get('parts.txt')).body.equals(content))
  for (const [i, part] of contents.entries()) {
    const reply = await get('parts.txt', {}, { partNumber: String(i + 1) })
    assert.equal(reply.status, 206)
    assert.ok(reply.body.equals(part))
    assert.equal(reply.headers['x-amz-mp-parts-count'], '3')
  }
  const range = await get('parts.txt', { range: `bytes=${9 * MIB - 100}-${14 * MIB + 4}` })
  assert.ok(range.body.equals(content.subarray(9 * MIB - 100, 14 * MIB + 5)))
})

test('copies decide for themselves', async () => {
  const content = linesOf(2 * MIB)
  await s3.put(BUCKET, 'source', content, { 'content-type': 'text/plain' })
  const copy = async (source: string, key: string): Promise<void> => {
    const reply = await s3.send({
      method: 'PUT',
      bucket: BUCKET,
      key,
      headers: { 'x-amz-copy-source': `${BUCKET}/${source}` },
    })
    assert.equal(reply.status, 200, reply.body.toString())
    assert.ok((await get(key)).body.equals(content))
    const head = await s3.send({ method: 'HEAD', bucket: BUCKET, key })
    assert.equal(head.headers['etag'], etagOf(content))
  }
  // The type of the source is not a header of the copy request.
  await copy('source', 'copy/plain')
  assert.equal(await isCompressed('copy/plain'), false)
  await copy('copy/plain', 'copy/again.txt')
  assert.equal(await isCompressed('copy/again.txt'), true)
  const onto = await s3.send({
    method: 'PUT',
    bucket: BUCKET,
    key: 'source',
    headers: {
      'x-amz-copy-source': `${BUCKET}/source`,
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-meta-new': '1',
    },
  })
  assert.equal(onto.status, 200)
  assert.equal(await isCompressed('source'), true)
  assert.ok((await get('source')).body.equals(content))
})

test('part copies take plain ranges of compressed objects', async () => {
  const content = linesOf(12 * MIB)
  await s3.put(BUCKET, 'long.txt', content)
  const key = 'assembled'
  const begun = await s3.send({ method: 'POST', bucket: BUCKET, key, query: { uploads: '' } })
  const [uploadId = ''] = s3.texts(begun, 'UploadId')
  const parts: string[] = []
  for (const [i, range] of [`0-${6 * MIB}`, `${6 * MIB + 1}-${content.length - 1}`].entries()) {
    const reply = await s3.send({
      method: 'PUT',
      bucket: BUCKET,
      key,
      query: { uploadId, partNumber: String(i + 1) },
      headers: {
        'x-amz-copy-source': `${BUCKET}/long.txt`,
        'x-amz-copy-source-range': `bytes=${range}`,
      },
    })
    assert.equal(reply.status, 200, reply.body.toString())
    const [etag] = s3.texts(reply, 'ETag')
    parts.push(`<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
  }
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
  const done = await s3.send({ method: 'POST', bucket: BUCKET, key, query: { uploadId }, body })
  assert.equal(done.status, 200)
  assert.ok((await get(key)).body.equals(content))
})
