import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { customerKey as customer } from '#testing/customer-key'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

const SECRET = 'my-minio-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='
const MIB = 1_048_576

type Headers = Readonly<Record<string, string>>

const SSE_S3 = { 'x-amz-server-side-encryption': 'AES256' }
const SSE_KMS = { 'x-amz-server-side-encryption': 'aws:kms' }
const CONTEXT = Buffer.from('{"a":"1"}').toString('base64')
const SSE_KMS_CONTEXT = { ...SSE_KMS, 'x-amz-server-side-encryption-context': CONTEXT }

/** What an object is put with, and what every later request about it must send. */
const KINDS: readonly (readonly [string, Headers, Headers])[] = [
  ['plain', {}, {}],
  ['SSE-S3', SSE_S3, {}],
  ['SSE-KMS', SSE_KMS_CONTEXT, {}],
  ['SSE-C', customer(1), customer(1)],
]

let s3: S3Harness
before(async () => {
  s3 = await startS3({
    kmsSecret: SECRET,
    compression: {
      isEnabled: true,
      allowsEncryption: true,
      extensions: ['.log'],
      mimeTypes: ['text/*'],
    },
  })
  await s3.make('bucket')
  await s3.make('versions', 'Enabled')
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await s3.send({ method: 'PUT', bucket: 'locked', headers })
})
after(() => s3.close())

function append(
  key: string,
  offset: number,
  body: Uint8Array | string,
  headers: Headers = {},
  bucket = 'bucket',
): Promise<S3Reply> {
  const all = { 'x-amz-write-offset-bytes': String(offset), ...headers }
  return s3.send({ method: 'PUT', bucket, key, body, headers: all })
}

function get(key: string, headers: Headers = {}, bucket = 'bucket'): Promise<S3Reply> {
  return s3.send({ method: 'GET', bucket, key, headers })
}

function head(key: string, headers: Headers = {}, bucket = 'bucket'): Promise<S3Reply> {
  const all = { 'x-amz-checksum-mode': 'ENABLED', ...headers }
  return s3.send({ method: 'HEAD', bucket, key, headers: all })
}

function refused(reply: S3Reply, status: number, code: string): void {
  assert.deepEqual([reply.status, s3.texts(reply, 'Code')[0]], [status, code], reply.text)
}

function linesOf(size: number, name: string): Buffer {
  const line = `${name} ${Math.imul(size, 2_654_435_761) >>> 0}\n`
  return Buffer.from(line.repeat(Math.ceil(size / line.length)).slice(0, size))
}

/** Headers that tell how a version is stored. */
function shapeOf(reply: S3Reply): Readonly<Record<string, string | undefined>> {
  const names = /^(x-amz-server-side-encryption|x-minio-compressed)/
  return Object.fromEntries(Object.entries(reply.headers).filter(([name]) => names.test(name)))
}

for (const [kind, asked, needed] of KINDS) {
  for (const ending of ['bin', 'log']) {
    test(`bytes are appended to a .${ending} object, ${kind}, which stays what it is`, async () => {
      const key = `${kind}.${ending}`
      const pieces = [linesOf(70_001, 'a'), linesOf(13, 'b'), linesOf(2 * MIB + 5, 'c')] as const
      await s3.put('bucket', key, pieces[0], asked)
      const shape = shapeOf(await head(key, needed))
      assert.equal('x-minio-compressed' in shape, ending === 'log')
      let whole: Buffer = pieces[0]
      for (const piece of pieces.slice(1)) {
        const reply = await append(key, whole.length, piece, needed)
        assert.equal(reply.status, 200, reply.text)
        whole = Buffer.concat([whole, piece])
        assert.equal(reply.headers['x-amz-object-size'], String(whole.length))
        const got = await get(key, needed)
        assert.ok(got.body.equals(whole))
        assert.deepEqual(shapeOf(got), shape)
        assert.equal(got.headers['etag'], reply.headers['etag'])
        const isMd5 = kind === 'plain' || kind === 'SSE-S3'
        const md5 = createHash('md5').update(whole).digest('hex')
        assert.equal(got.headers['etag'] === `"${md5}"`, isMd5)
      }
      const at = pieces[0].length - 3
      const range = await get(key, { ...needed, range: `bytes=${at}-${at + 20}` })
      assert.ok(range.body.equals(whole.subarray(at, at + 21)))
    })
  }
}

test('bytes are appended to what was uploaded in parts', async () => {
  for (const [kind, asked, needed] of KINDS) {
    const target = { bucket: 'bucket', key: `parts/${kind}.log` }
    const parts = [linesOf(5 * MIB, 'a'), linesOf(1000, 'b')] as const
    const begun = await s3.send({
      method: 'POST',
      ...target,
      query: { uploads: '' },
      headers: asked,
    })
    const uploadId = s3.texts(begun, 'UploadId')[0] ?? ''
    let list = ''
    for (const [i, body] of parts.entries()) {
      const query = { uploadId, partNumber: String(i + 1) }
      const part = await s3.send({ method: 'PUT', ...target, query, body, headers: needed })
      list += `<Part><PartNumber>${i + 1}</PartNumber><ETag>${part.headers['etag']}</ETag></Part>`
    }
    const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`
    const done = await s3.send({ method: 'POST', ...target, query: { uploadId }, body })
    assert.equal(done.status, 200, done.text)
    const whole = Buffer.concat([...parts, Buffer.from('end')])
    const reply = await append(target.key, whole.length - 3, 'end', needed)
    assert.equal(reply.status, 200, reply.text)
    assert.doesNotMatch(reply.headers['etag'] ?? '', /-\d+"$/)
    assert.ok((await get(target.key, needed)).body.equals(whole))
  }
})

test('an object that grows is compressed as soon as it is large enough', async () => {
  await s3.put('bucket', 'grows', 'short', { 'content-type': 'text/plain' })
  assert.equal((await append('grows', 5, linesOf(9000, 'x'))).status, 200)
  const got = await head('grows')
  assert.equal(got.headers['x-minio-compressed'], 's2')
  assert.equal(got.headers['content-type'], 'text/plain')
})

describe('encryption in an append', () => {
  test('repeats what the object has, or is refused', async () => {
    for (const [key, asked, tried, status] of [
      ['s3', SSE_S3, SSE_S3, 200],
      ['s3', SSE_S3, SSE_KMS, 400],
      ['s3', SSE_S3, customer(1), 400],
      ['kms', SSE_KMS_CONTEXT, SSE_KMS, 200],
      ['kms', SSE_KMS_CONTEXT, SSE_KMS_CONTEXT, 200],
      ['kms', SSE_KMS_CONTEXT, SSE_S3, 400],
      [
        'kms',
        SSE_KMS_CONTEXT,
        { ...SSE_KMS, 'x-amz-server-side-encryption-context': btoa('{"a":"2"}') },
        400,
      ],
      ['c', customer(1), {}, 400],
      ['c', customer(1), customer(2), 403],
      ['c', customer(1), SSE_S3, 400],
      ['plain', {}, customer(1), 400],
    ] as const) {
      await s3.put('bucket', key, 'data', asked)
      const reply = await append(key, 4, '+', tried)
      assert.equal(reply.status, status, `${key} ${reply.text}`)
      const needed = key === 'c' ? customer(1) : {}
      assert.equal((await get(key, needed)).text, status === 200 ? 'data+' : 'data')
    }
  })

  test('the first bytes are encrypted as those of a put', async () => {
    for (const [kind, asked, needed] of KINDS) {
      const key = `first/${kind}`
      const first = await append(key, 0, 'one', asked)
      assert.equal(first.status, 200, first.text)
      const shape = shapeOf(await head(key, needed))
      assert.equal((await append(key, 3, 'two', needed)).status, 200)
      const got = await get(key, needed)
      assert.equal(got.text, 'onetwo')
      assert.deepEqual(shapeOf(got), shape)
    }
  })

  test('a plain object becomes what the bucket asks for by default', async () => {
    await s3.make('defaults')
    await s3.put('defaults', 'old', 'plain')
    const body =
      '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'
    await s3.send({ method: 'PUT', bucket: 'defaults', query: { encryption: '' }, body })
    const reply = await append('old', 5, '+', {}, 'defaults')
    assert.equal(reply.headers['x-amz-server-side-encryption'], 'AES256')
    assert.equal((await get('old', {}, 'defaults')).text, 'plain+')
  })
})

describe('checksums of appends', () => {
  const crcOf = (text: string): string => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(crc32(text))
    return bytes.toString('base64')
  }
  const FULL = 'FULL_OBJECT'

  test('prove the bytes that are sent, and are kept over the whole', async () => {
    for (const [kind, asked, needed] of KINDS) {
      const key = `sums/${kind}`
      await s3.put('bucket', key, 'one', asked)
      const wrong = { ...needed, 'x-amz-checksum-crc32': crcOf('onetwo') }
      refused(await append(key, 3, 'two', wrong), 400, 'BadDigest')
      const right = { ...needed, 'x-amz-checksum-crc32': crcOf('two') }
      const reply = await append(key, 3, 'two', right)
      assert.equal(reply.status, 200, reply.text)
      assert.equal(reply.headers['x-amz-checksum-crc32'], crcOf('onetwo'))
      const got = await head(key, needed)
      assert.equal(got.headers['x-amz-checksum-crc32'], crcOf('onetwo'))
      assert.equal(got.headers['x-amz-checksum-type'], FULL)
    }
  })

  test('stay of the algorithm that the object has', async () => {
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64')
    await s3.put('bucket', 'sha', 'one', { 'x-amz-checksum-sha256': sha256('one') })
    assert.equal((await append('sha', 3, 'two')).status, 200)
    assert.equal((await head('sha')).headers['x-amz-checksum-sha256'], sha256('onetwo'))
  })

  test('by MD5 are of the bytes that are sent', async () => {
    await s3.put('bucket', 'md5', 'one', SSE_S3)
    const md5 = (text: string): Headers => ({
      'content-md5': createHash('md5').update(text).digest('base64'),
    })
    refused(await append('md5', 3, 'two', md5('onetwo')), 400, 'BadDigest')
    assert.equal((await append('md5', 3, 'two', md5('two'))).status, 200)
    assert.equal((await get('md5')).text, 'onetwo')
  })
})

describe('appends to versions', () => {
  test('make a new version and leave the old one', async () => {
    for (const [kind, asked, needed] of KINDS) {
      const put = await s3.put('versions', kind, 'one', asked)
      const reply = await append(kind, 3, 'two', needed, 'versions')
      const old = put.headers['x-amz-version-id'] ?? ''
      assert.notEqual(reply.headers['x-amz-version-id'], old)
      assert.equal((await get(kind, needed, 'versions')).text, 'onetwo')
      const query = { versionId: old }
      const read = { method: 'GET', bucket: 'versions', key: kind, query, headers: needed }
      assert.equal((await s3.send(read)).text, 'one')
    }
  })

  test('begin anew behind a delete marker', async () => {
    await s3.put('versions', 'marked', 'one')
    await s3.send({ method: 'DELETE', bucket: 'versions', key: 'marked' })
    refused(await append('marked', 3, 'two', {}, 'versions'), 404, 'NoSuchKey')
    assert.equal((await append('marked', 0, 'new', {}, 'versions')).status, 200)
    assert.equal((await get('marked', {}, 'versions')).text, 'new')
  })

  test('keep metadata and tags, and take the lock of the request', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString()
    await s3.put('locked', 'held', 'one', {
      'x-amz-meta-a': 'b',
      'x-amz-tagging': 'a=b',
      'content-type': 'text/css',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-object-lock-legal-hold': 'ON',
    })
    const lock = {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': until,
    }
    assert.equal((await append('held', 3, 'two', lock, 'locked')).status, 200)
    const { headers } = await head('held', {}, 'locked')
    assert.equal(headers['x-amz-meta-a'], 'b')
    assert.equal(headers['x-amz-tagging-count'], '1')
    assert.equal(headers['content-type'], 'text/css')
    assert.equal(headers['x-amz-storage-class'], 'REDUCED_REDUNDANCY')
    assert.equal(headers['x-amz-object-lock-mode'], 'GOVERNANCE')
    assert.equal(headers['x-amz-object-lock-legal-hold'], undefined)
  })
})

describe('refused appends', () => {
  test('leave the object as it was, encrypted or not', async () => {
    for (const [kind, asked, needed] of KINDS) {
      const key = `offsets/${kind}`
      await s3.put('bucket', key, 'data', asked)
      for (const offset of [0, 3, 5]) {
        refused(await append(key, offset, 'x', needed), 400, 'InvalidWriteOffset')
      }
      for (const condition of [{ 'if-match': '"other"' }, { 'if-none-match': '*' }]) {
        const reply = await append(key, 4, 'x', { ...needed, ...condition })
        refused(reply, 412, 'PreconditionFailed')
      }
      assert.equal((await get(key, needed)).text, 'data')
      const etag = (await head(key, needed)).headers['etag'] ?? ''
      const matching = { ...needed, 'if-match': etag }
      assert.equal((await append(key, 4, 'x', matching)).status, 200)
    }
  })

  test('are those to an older version, and those that are copies', async () => {
    await s3.put('bucket', 'whole', 'data')
    const request = { method: 'PUT', bucket: 'bucket', key: 'whole', body: 'x' }
    const headers = { 'x-amz-write-offset-bytes': '4' }
    const query = { versionId: 'null' }
    refused(await s3.send({ ...request, headers, query }), 400, 'InvalidArgument')
    const copying = { ...headers, 'x-amz-copy-source': 'whole' }
    refused(await s3.send({ ...request, headers: copying }), 400, 'InvalidArgument')
    assert.equal((await get('whole')).text, 'data')
  })

  test('are those of all others at the same place', async () => {
    for (const [kind, asked, needed] of KINDS) {
      const key = `race/${kind}.log`
      await s3.put('bucket', key, linesOf(300_000, 'base'), asked)
      const replies = await Promise.all(
        ['A', 'B', 'C', 'D'].map((letter) => append(key, 300_000, letter, needed)),
      )
      const winners = replies.filter((reply) => reply.status === 200)
      assert.equal(winners.length, 1)
      for (const reply of replies) {
        if (reply !== winners[0]) refused(reply, 400, 'InvalidWriteOffset')
      }
      assert.equal((await get(key, needed)).body.length, 300_001)
    }
  })

  test('are those that would undo a change of metadata', async () => {
    await s3.put('bucket', 'tags', 'data')
    const taggings = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'
    const request = { method: 'PUT', bucket: 'bucket', key: 'tags', query: { tagging: '' } }
    const [appended] = await Promise.all([
      append('tags', 4, linesOf(3 * MIB, 'x')),
      s3.send({ ...request, body: taggings }),
    ])
    const tagCount = (await head('tags')).headers['x-amz-tagging-count']
    assert.equal(tagCount, '1', String(appended.status))
  })

  test('are those beyond the quota', async () => {
    await s3.make('small')
    const quota = Buffer.from(JSON.stringify({ quota: 1000, quotatype: 'hard' }))
    await s3.engine.setBucketDocument('small', 'QuotaConfigJSON', quota)
    await s3.put('small', 'a', Buffer.alloc(600))
    assert.equal((await append('a', 600, Buffer.alloc(300), {}, 'small')).status, 200)
    const reply = await append('a', 900, Buffer.alloc(200), {}, 'small')
    assert.equal(reply.status, 400, reply.text)
    assert.equal((await append('a', 900, Buffer.alloc(50), {}, 'small')).status, 200)
  })
})
