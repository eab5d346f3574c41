import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { EncryptionError, type Kms } from '#encryption/encryption'
import { customerKey as customer } from '#testing/customer-key'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

const SECRET = 'my-minio-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='
const SMALL = 'a small secret'
const MIB = 1_048_576

const md5 = (data: Uint8Array | string): Buffer => createHash('md5').update(data).digest()
const contentOf = (size: number, seed = 1): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * seed) & 0xff))

const source = (seed: number) =>
  customer(seed, 'x-amz-copy-source-server-side-encryption-customer-')

const S3 = { 'x-amz-server-side-encryption': 'AES256' }
const CONTEXT = Buffer.from('{"b": "2", "a": "<1>"}').toString('base64')
const KMS = {
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:my-minio-key',
  'x-amz-server-side-encryption-context': CONTEXT,
}
const KINDS = { s3: S3, kms: KMS, c: customer(1) } as const
type Kind = keyof typeof KINDS
const readHeaders = (kind: Kind | 'plain', seed = 1): Record<string, string> =>
  kind === 'c' ? customer(seed) : {}

let s3: S3Harness

before(async () => {
  s3 = await startS3({ kmsSecret: SECRET })
  await s3.make('bucket')
  await s3.make('versions', 'Enabled')
})
after(() => s3.close())

const get = (
  key: string,
  headers: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string>> = {},
  bucket = 'bucket',
): Promise<S3Reply> => s3.send({ method: 'GET', bucket, key, headers, query })

function kindOf(reply: S3Reply): Kind | 'plain' {
  if (reply.headers['x-amz-server-side-encryption-customer-algorithm'] === 'AES256') return 'c'
  const kind = reply.headers['x-amz-server-side-encryption']
  return kind === 'AES256' ? 's3' : kind === 'aws:kms' ? 'kms' : 'plain'
}

describe('one object of each kind', () => {
  for (const [kind, headers] of Object.entries(KINDS) as [Kind, Record<string, string>][]) {
    for (const size of [0, 1, 65_536, 65_537, 300_000, 3 * MIB + 5]) {
      test(`${kind} with ${size} bytes reads as it was written`, async () => {
        const key = `${kind}/${size}`
        const content = contentOf(size)
        const put = await s3.put('bucket', key, content, headers)
        assert.equal(kindOf(put), kind)
        const got = await get(key, readHeaders(kind))
        assert.equal(got.status, 200)
        assert.ok(content.equals(got.body))
        assert.equal(kindOf(got), kind)
        assert.equal(got.headers['content-length'], String(size))
        assert.equal(got.headers['etag'], put.headers['etag'])
        const isMd5 = got.headers['etag'] === `"${md5(content).toString('hex')}"`
        assert.equal(isMd5, kind === 's3')
        const head = await s3.send({
          method: 'HEAD',
          bucket: 'bucket',
          key,
          headers: { ...readHeaders(kind), 'x-amz-checksum-mode': 'ENABLED' },
        })
        assert.equal(head.headers['content-length'], String(size))
        assert.ok(head.headers['x-amz-checksum-crc64nvme'] !== undefined)
        if (size > 10) {
          for (const [from, to] of [
            [0, 0],
            [5, size - 1],
            [size - 7, size - 1],
            [Math.min(65_530, size - 2), Math.min(65_541, size - 1)],
          ] as const) {
            const range = { ...readHeaders(kind), range: `bytes=${from}-${to}` }
            const part = await get(key, range)
            assert.equal(part.status, 206)
            assert.equal(part.headers['content-range'], `bytes ${from}-${to}/${size}`)
            assert.ok(content.subarray(from, to + 1).equals(part.body))
          }
        }
        const list = await s3.send({
          method: 'GET',
          bucket: 'bucket',
          query: { 'list-type': '2', prefix: key },
        })
        assert.equal(s3.texts(list, 'Size')[0], String(size))
        assert.equal(
          s3.texts(list, 'ETag')[0]?.replaceAll('&#34;', '"').replaceAll('&quot;', '"'),
          put.headers['etag'],
        )
      })
    }
  }

  test('the context comes back in its canonical form', async () => {
    await s3.put('bucket', 'context', SMALL, KMS)
    const got = await get('context')
    const shown = got.headers['x-amz-server-side-encryption-context'] ?? ''
    assert.equal(Buffer.from(shown, 'base64').toString(), '{"a":"\\u003c1\\u003e","b":"2"}')
    assert.equal(
      got.headers['x-amz-server-side-encryption-aws-kms-key-id'],
      'arn:aws:kms:my-minio-key',
    )
  })

  test('conditions compare the tags that clients see', async () => {
    for (const kind of ['s3', 'kms', 'c'] as const) {
      const put = await s3.put('bucket', `tag/${kind}`, SMALL, KINDS[kind])
      const etag = put.headers['etag'] ?? ''
      const headers = readHeaders(kind)
      assert.equal((await get(`tag/${kind}`, { ...headers, 'if-match': etag })).status, 200)
      assert.equal((await get(`tag/${kind}`, { ...headers, 'if-none-match': etag })).status, 304)
      assert.equal((await get(`tag/${kind}`, { ...headers, 'if-match': '"x"' })).status, 412)
      const replaced = await s3.send({
        method: 'PUT',
        bucket: 'bucket',
        key: `tag/${kind}`,
        body: 'other',
        headers: { ...KINDS[kind], 'if-match': etag },
      })
      assert.equal(replaced.status, 200)
    }
  })
})

describe('wrong and missing parameters', () => {
  const put = (headers: Record<string, string>): Promise<S3Reply> =>
    s3.send({ method: 'PUT', bucket: 'bucket', key: 'wrong', body: SMALL, headers })
  const c = customer(1)
  const cases: readonly (readonly [string, Record<string, string>, number, string])[] = [
    ['an unknown method', { 'x-amz-server-side-encryption': 'foo' }, 400, 'InvalidArgument'],
    ['upper case', { 'x-amz-server-side-encryption': 'AWS:KMS' }, 400, 'InvalidArgument'],
    [
      'a key id alone',
      { 'x-amz-server-side-encryption-aws-kms-key-id': 'k' },
      400,
      'InvalidArgument',
    ],
    ['two kinds', { ...S3, ...c }, 400, 'InvalidArgument'],
    [
      'a key with the wrong digest',
      { ...c, 'x-amz-server-side-encryption-customer-key-MD5': md5('x').toString('base64') },
      400,
      'InvalidArgument',
    ],
    [
      'a short key',
      { ...c, 'x-amz-server-side-encryption-customer-key': 'AAAA' },
      400,
      'InvalidArgument',
    ],
    [
      'no algorithm',
      { ...c, 'x-amz-server-side-encryption-customer-algorithm': 'aes256' },
      400,
      'InvalidArgument',
    ],
    [
      'a malformed context',
      { ...KMS, 'x-amz-server-side-encryption-context': 'e30' },
      400,
      'InvalidArgument',
    ],
    [
      'a context of numbers',
      { ...KMS, 'x-amz-server-side-encryption-context': Buffer.from('{"a":1}').toString('base64') },
      400,
      'InvalidArgument',
    ],
    [
      'an unknown key',
      { ...KMS, 'x-amz-server-side-encryption-aws-kms-key-id': 'other' },
      404,
      'kms:KeyNotFound',
    ],
    ['a key of a copy source', source(1), 400, 'InvalidRequest'],
  ]
  for (const [name, headers, status, code] of cases) {
    test(`a write with ${name} is refused`, async () => {
      const reply = await put(headers)
      assert.deepEqual([reply.status, reply.code], [status, code])
      assert.equal((await get('wrong')).status, 404)
    })
  }

  test('lower case names SSE-S3 too', async () => {
    const reply = await s3.send({
      method: 'PUT',
      bucket: 'bucket',
      key: 'lower',
      body: SMALL,
      headers: { 'x-amz-server-side-encryption': 'aes256' },
    })
    assert.equal(kindOf(reply), 's3')
  })

  test('reads need the right key, also of empty objects', async () => {
    await s3.put('bucket', 'empty-c', '', customer(1))
    await s3.put('bucket', 'full-c', SMALL, customer(1))
    await s3.put('bucket', 'full-s3', SMALL, S3)
    await s3.put('bucket', 'clear', SMALL)
    for (const method of ['GET', 'HEAD'] as const) {
      for (const key of ['empty-c', 'full-c']) {
        const send = (headers: Record<string, string>): Promise<S3Reply> =>
          s3.send({ method, bucket: 'bucket', key, headers })
        const none = await send({})
        assert.deepEqual([none.status, none.code], [400, 'InvalidRequest'])
        const wrong = await send(customer(2))
        assert.deepEqual([wrong.status, wrong.code], [403, 'AccessDenied'])
        assert.equal((await send(customer(1))).status, 200)
      }
      for (const key of ['full-s3', 'clear']) {
        const reply = await s3.send({ method, bucket: 'bucket', key, headers: customer(1) })
        assert.deepEqual([reply.status, reply.code], [400, 'InvalidRequest'])
      }
      const asks = await s3.send({ method, bucket: 'bucket', key: 'full-s3', headers: S3 })
      assert.deepEqual([asks.status, asks.code], [400, 'BadRequest'])
    }
  })
})

describe('copies', () => {
  const sources = ['plain', 's3', 'kms', 'c'] as const
  before(async () => {
    for (const kind of sources) {
      const headers = kind === 'plain' ? {} : KINDS[kind]
      await s3.put('bucket', `from/${kind}`, contentOf(200_000), headers)
      await s3.put('versions', `from/${kind}`, SMALL, headers)
    }
  })
  for (const from of sources) {
    for (const to of sources) {
      test(`${from} to ${to}`, async () => {
        const key = `copy/${from}-${to}`
        const target = to === 'plain' ? {} : to === 'c' ? customer(2) : KINDS[to]
        const reply = await s3.send({
          method: 'PUT',
          bucket: 'bucket',
          key,
          headers: {
            'x-amz-copy-source': `bucket/from/${from}`,
            ...(from === 'c' ? source(1) : {}),
            ...target,
          },
        })
        assert.equal(reply.status, 200, reply.text)
        assert.equal(kindOf(reply), to)
        const got = await get(key, { ...readHeaders(to, 2), 'x-amz-checksum-mode': 'ENABLED' })
        assert.equal(kindOf(got), to)
        assert.ok(contentOf(200_000).equals(got.body))
        assert.ok(got.headers['x-amz-checksum-crc64nvme'] !== undefined)
        assert.equal(
          got.headers['x-amz-server-side-encryption-context'] !== undefined,
          to === 'kms',
        )
        assert.equal(
          got.headers['etag'],
          s3.texts(reply, 'ETag')[0]?.replaceAll(/&quot;|&#34;/g, '"'),
        )
      })
    }
  }

  test('a source that needs a key is not read without it, others not with one', async () => {
    const copy = (from: string, headers: Record<string, string>): Promise<S3Reply> =>
      s3.send({
        method: 'PUT',
        bucket: 'bucket',
        key: 'copy/none',
        headers: { 'x-amz-copy-source': `bucket/from/${from}`, ...headers },
      })
    assert.equal((await copy('c', {})).code, 'InvalidRequest')
    assert.equal((await copy('c', source(2))).code, 'AccessDenied')
    assert.equal((await copy('plain', source(1))).code, 'InvalidRequest')
    assert.equal((await copy('s3', source(1))).code, 'InvalidArgument')
  })

  for (const bucket of ['bucket', 'versions']) {
    test(`the key of a client is changed by a copy onto itself in ${bucket}`, async () => {
      const content = contentOf(400_000)
      const put = await s3.put(bucket, 'rotate', content, customer(1))
      const rotate = (from: number, to: number): Promise<S3Reply> =>
        s3.send({
          method: 'PUT',
          bucket,
          key: 'rotate',
          headers: { 'x-amz-copy-source': `${bucket}/rotate`, ...source(from), ...customer(to) },
        })
      const rotated = await rotate(1, 3)
      assert.equal(rotated.status, 200, rotated.text)
      assert.deepEqual(s3.texts(rotated, 'ChecksumCRC64NVME'), [
        put.headers['x-amz-checksum-crc64nvme'],
      ])
      const got = await get('rotate', customer(3), {}, bucket)
      assert.ok(content.equals(got.body))
      assert.equal(got.headers['etag'], put.headers['etag'])
      assert.equal((await get('rotate', customer(1), {}, bucket)).code, 'AccessDenied')
      assert.equal((await rotate(1, 1)).code, 'InvalidArgument')
      assert.equal((await rotate(1, 3)).code, 'AccessDenied')
      assert.equal((await rotate(3, 3)).status, 200)
      const versionId = put.headers['x-amz-version-id']
      if (versionId !== undefined) {
        const old = await get('rotate', customer(1), { versionId }, bucket)
        assert.ok(content.equals(old.body))
      }
    })
  }

  test('a managed object is encrypted anew by a copy onto itself', async () => {
    await s3.put('bucket', 'itself', SMALL, S3)
    const copy = (headers: Record<string, string>): Promise<S3Reply> =>
      s3.send({
        method: 'PUT',
        bucket: 'bucket',
        key: 'itself',
        headers: { 'x-amz-copy-source': 'bucket/itself', ...headers },
      })
    assert.equal(kindOf(await copy(KMS)), 'kms')
    assert.equal((await get('itself')).text, SMALL)
    assert.equal(kindOf(await copy({})), 'plain')
    assert.equal((await get('itself')).text, SMALL)
  })
})

const codec = new Codec(createCodecSeed({ regionSizesBytes: [2 ** 20] }), 0)

function sumHeader(
  algorithm: 'CRC32C' | 'SHA256' | 'XXHASH128' | undefined,
  content: string | Uint8Array,
): Record<string, string> {
  if (algorithm === undefined) return {}
  const name = algorithm.toLowerCase()
  const checksum = codec.checksum(
    name === 'crc32c' ? 'crc32c' : name === 'sha256' ? 'sha256' : 'xxhash128',
  )
  checksum.update(typeof content === 'string' ? Buffer.from(content) : content)
  return { [`x-amz-checksum-${name}`]: checksum.digest().toBase64() }
}

describe('uploads in parts', () => {
  for (const [kind, headers] of Object.entries(KINDS) as [Kind, Record<string, string>][]) {
    for (const algorithm of [undefined, 'CRC32C', 'SHA256', 'XXHASH128'] as const) {
      test(`${kind} ${algorithm ?? 'without a checksum'}`, async () => {
        const key = `mp/${kind}-${algorithm ?? 'none'}`
        const sum = algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm }
        const created = await s3.send({
          method: 'POST',
          bucket: 'bucket',
          key,
          query: { uploads: '' },
          headers: { ...headers, ...sum },
        })
        assert.equal(kindOf(created), kind)
        const uploadId = s3.texts(created, 'UploadId')[0] ?? ''
        const contents = [contentOf(5 * MIB + 3, 1), contentOf(5 * MIB, 2), contentOf(10, 3)]
        const numbers = [2, 7, 9]
        const etags: string[] = []
        const sums: string[] = []
        for (const [i, number] of numbers.entries()) {
          const reply = await s3.send({
            method: 'PUT',
            bucket: 'bucket',
            key,
            query: { partNumber: String(number), uploadId },
            headers: { ...readHeaders(kind), ...sumHeader(algorithm, contents[i] ?? '') },
            body: contents[i] ?? '',
          })
          assert.equal(reply.status, 200, reply.text)
          assert.equal(kindOf(reply), kind)
          etags.push(reply.headers['etag'] ?? '')
          sums.push(reply.headers[`x-amz-checksum-${algorithm?.toLowerCase()}`] ?? '')
          const isMd5 = reply.headers['etag'] === `"${md5(contents[i] ?? '').toString('hex')}"`
          assert.equal(isMd5, kind === 's3')
        }
        const listed = await s3.send({ method: 'GET', bucket: 'bucket', key, query: { uploadId } })
        assert.deepEqual(
          s3.texts(listed, 'Size'),
          contents.map(({ length }) => String(length)),
        )
        assert.deepEqual(
          s3.texts(listed, 'ETag').map((text) => text.replaceAll(/&quot;|&#34;/g, '"')),
          etags,
        )
        const body = `<CompleteMultipartUpload>${numbers
          .map((number, i) => {
            const value =
              sums[i] === '' ? '' : `<Checksum${algorithm}>${sums[i]}</Checksum${algorithm}>`
            return `<Part><PartNumber>${number}</PartNumber><ETag>${etags[i]}</ETag>${value}</Part>`
          })
          .join('')}</CompleteMultipartUpload>`
        const complete = (given: Record<string, string>): Promise<S3Reply> =>
          s3.send({
            method: 'POST',
            bucket: 'bucket',
            key,
            query: { uploadId },
            body,
            headers: given,
          })
        if (kind === 'c' && algorithm !== undefined) {
          assert.equal((await complete({})).code, 'InvalidArgument')
        }
        const needed = algorithm === undefined ? {} : readHeaders(kind)
        const done = await complete(needed)
        assert.equal(done.status, 200, done.text)
        assert.equal((await complete(needed)).text, done.text)
        const whole = Buffer.concat(contents)
        const got = await get(key, { ...readHeaders(kind), 'x-amz-checksum-mode': 'ENABLED' })
        assert.ok(whole.equals(got.body))
        assert.match(got.headers['etag'] ?? '', /^"[0-9a-f]{32}-3"$/)
        if (algorithm !== undefined) {
          assert.match(got.headers[`x-amz-checksum-${algorithm.toLowerCase()}`] ?? '', /-3$/)
        }
        const at = (contents[0]?.length ?? 0) - 10
        const range = await get(key, { ...readHeaders(kind), range: `bytes=${at}-${at + 65_560}` })
        assert.ok(whole.subarray(at, at + 65_561).equals(range.body))
        const second = await get(key, readHeaders(kind), { partNumber: '7' })
        assert.ok(contents[1]?.equals(second.body))
      })
    }
  }

  test('parts need the parameters of the upload', async () => {
    const begin = async (key: string, headers: Record<string, string>): Promise<string> => {
      const created = await s3.send({
        method: 'POST',
        bucket: 'bucket',
        key,
        query: { uploads: '' },
        headers,
      })
      return s3.texts(created, 'UploadId')[0] ?? ''
    }
    const part = async (key: string, uploadId: string, headers: Record<string, string>) => {
      const reply = await s3.send({
        method: 'PUT',
        bucket: 'bucket',
        key,
        query: { partNumber: '1', uploadId },
        headers,
        body: SMALL,
      })
      return [reply.status, reply.code]
    }
    const sealed = await begin('part-c', customer(1))
    assert.deepEqual(await part('part-c', sealed, {}), [400, 'InvalidRequest'])
    assert.deepEqual(await part('part-c', sealed, customer(2)), [400, 'InvalidArgument'])
    const plain = await begin('part-plain', {})
    assert.deepEqual(await part('part-plain', plain, customer(1)), [400, 'InvalidRequest'])
  })

  test('a part is copied between kinds', async () => {
    const content = contentOf(300_000)
    await s3.put('bucket', 'part-source', content, customer(1))
    const created = await s3.send({
      method: 'POST',
      bucket: 'bucket',
      key: 'part-copy',
      query: { uploads: '' },
      headers: S3,
    })
    const uploadId = s3.texts(created, 'UploadId')[0] ?? ''
    const copied = await s3.send({
      method: 'PUT',
      bucket: 'bucket',
      key: 'part-copy',
      query: { partNumber: '1', uploadId },
      headers: {
        'x-amz-copy-source': 'bucket/part-source',
        'x-amz-copy-source-range': 'bytes=70000-199999',
        ...source(1),
      },
    })
    assert.equal(copied.status, 200, copied.text)
    const etag = s3.texts(copied, 'ETag')[0] ?? ''
    const done = await s3.send({
      method: 'POST',
      bucket: 'bucket',
      key: 'part-copy',
      query: { uploadId },
      body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`,
    })
    assert.equal(done.status, 200, done.text)
    assert.ok(content.subarray(70_000, 200_000).equals((await get('part-copy')).body))
  })
})

describe('the default encryption of a bucket', () => {
  const document = (inner: string): string =>
    `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>${inner}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`
  const configure = (body: string): Promise<S3Reply> =>
    s3.send({ method: 'PUT', bucket: 'defaults', query: { encryption: '' }, body })
  before(() => s3.make('defaults'))

  test('is stored, shown, applied and removed', async () => {
    const query = { encryption: '' }
    const none = await s3.send({ method: 'GET', bucket: 'defaults', query })
    assert.equal(none.code, 'ServerSideEncryptionConfigurationNotFoundError')
    for (const [inner, kind] of [
      ['<SSEAlgorithm>AES256</SSEAlgorithm>', 's3'],
      ['<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>my-minio-key</KMSMasterKeyID>', 'kms'],
      ['<SSEAlgorithm>aws:kms</SSEAlgorithm>', 'kms'],
    ] as const) {
      assert.equal((await configure(document(inner))).status, 200)
      const shown = await s3.send({ method: 'GET', bucket: 'defaults', query })
      assert.ok(shown.text.includes(inner), shown.text)
      assert.equal(kindOf(await s3.put('defaults', 'object', SMALL)), kind)
      assert.equal((await get('object', {}, {}, 'defaults')).text, SMALL)
      assert.equal(kindOf(await s3.put('defaults', 'explicit', SMALL, customer(1))), 'c')
      const copied = await s3.put('defaults', 'copy', '', {
        'x-amz-copy-source': 'defaults/object',
      })
      assert.equal(kindOf(copied), kind)
    }
    assert.equal((await s3.send({ method: 'DELETE', bucket: 'defaults', query })).status, 204)
    assert.equal(kindOf(await s3.put('defaults', 'object', SMALL)), 'plain')
  })

  test('is refused when it is malformed or its key is unknown', async () => {
    const wrong: readonly (readonly [string, string])[] = [
      ['<a/>', 'MalformedXML'],
      ['<ServerSideEncryptionConfiguration/>', 'MalformedXML'],
      [document('<SSEAlgorithm>other</SSEAlgorithm>'), 'MalformedXML'],
      [
        document('<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>'),
        'MalformedXML',
      ],
      [
        document('<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID> k</KMSMasterKeyID>'),
        'MalformedXML',
      ],
      [
        document('<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>other</KMSMasterKeyID>'),
        'kms:KeyNotFound',
      ],
    ]
    for (const [body, code] of wrong) assert.equal((await configure(body)).code, code, body)
  })
})

describe('a KMS that fails', () => {
  const kms: Kms = {
    name: 'broken',
    defaultKeyId: 'k',
    generateKey: () =>
      Promise.reject(new EncryptionError('KmsUnavailable', 'secret place', { call: 'generate' })),
    decryptKey: () =>
      Promise.reject(new EncryptionError('KmsUnavailable', 'secret place', { call: 'decrypt' })),
    createKey: () => Promise.resolve(),
    listKeys: () => Promise.resolve([]),
    status: () => Promise.resolve([]),
    mac: () => Promise.resolve(new Uint8Array(32)),
    close: () => undefined,
  }

  test('ends writes with 503, and lets what needs no KMS go on', async () => {
    const broken = await startS3({ kms })
    try {
      await broken.make('bucket')
      const put = (headers: Record<string, string>): Promise<S3Reply> =>
        broken.send({ method: 'PUT', bucket: 'bucket', key: 'x', body: SMALL, headers })
      const failed = await put(S3)
      assert.deepEqual([failed.status, failed.code], [503, 'kms:KeyGenerationFailed'])
      assert.ok(!failed.text.includes('secret place'))
      assert.equal((await broken.send({ method: 'HEAD', bucket: 'bucket', key: 'x' })).status, 404)
      assert.equal((await put(customer(1))).status, 200)
      assert.equal((await put({})).status, 200)
    } finally {
      await broken.close()
    }
  })

  test('is not asked for every object of a list, which shows what it can', async () => {
    const keys = new Map<string, Uint8Array>()
    let isAnswering = true
    let unansweredCount = 0
    const server = await startS3({
      kms: {
        ...kms,
        generateKey: (keyId) => {
          const [plaintext, ciphertext] = [randomBytes(32), randomBytes(48)]
          keys.set(ciphertext.toHex(), Uint8Array.from(plaintext))
          return Promise.resolve({ keyId: keyId === '' ? 'k' : keyId, plaintext, ciphertext })
        },
        decryptKey: (keyId, ciphertext, context) => {
          const plaintext = keys.get(ciphertext.toHex())
          if (isAnswering && plaintext !== undefined) return Promise.resolve(plaintext.slice())
          unansweredCount++
          return kms.decryptKey(keyId, ciphertext, context)
        },
      },
    })
    try {
      await server.make('bucket')
      const count = 60
      const etags: string[] = []
      for (let i = 0; i < count; i++) {
        const key = String(i).padStart(3, '0')
        etags.push((await server.put('bucket', key, SMALL, S3)).headers['etag'] ?? '')
      }
      const list = (): Promise<S3Reply> => server.send({ method: 'GET', bucket: 'bucket' })
      assert.deepEqual(
        server.texts(await list(), 'ETag'),
        etags.map((etag) => etag.replaceAll('"', '&#34;')),
      )
      isAnswering = false
      const reply = await list()
      assert.equal(reply.status, 200)
      assert.equal(server.texts(reply, 'Key').length, count)
      assert.ok(unansweredCount > 0 && unansweredCount < count / 2, `${unansweredCount}`)
    } finally {
      await server.close()
    }
  })

  test('no KMS refuses what needs one', async () => {
    const none = await startS3()
    try {
      await none.make('bucket')
      const send = (headers: Record<string, string>): Promise<S3Reply> =>
        none.send({ method: 'PUT', bucket: 'bucket', key: 'x', body: SMALL, headers })
      for (const headers of [S3, KMS]) {
        const reply = await send(headers)
        assert.deepEqual([reply.status, reply.code], [501, 'NotImplemented'])
      }
      assert.equal((await send(customer(1))).status, 200)
    } finally {
      await none.close()
    }
  })

  test('a server that encrypts everything uses the default key', async () => {
    const all = await startS3({ kmsSecret: SECRET, encryptsAll: true })
    try {
      await all.make('bucket')
      assert.equal(kindOf(await all.put('bucket', 'x', SMALL)), 'kms')
      assert.equal(kindOf(await all.put('bucket', 'y', SMALL, S3)), 's3')
    } finally {
      await all.close()
    }
  })
})
