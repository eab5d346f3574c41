/** Additional checksums and attributes of objects (s3-api.md 3.10, 4.2.6). */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { type Rule, rule, rules } from '../rule.ts'
import { bigPart, check, type Part, type Trial } from '../trial.ts'

type XxHash = 'XXHASH3' | 'XXHASH64' | 'XXHASH128'
type Algorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'MD5' | 'SHA1' | 'SHA256' | 'SHA512' | XxHash
const ALGORITHMS: readonly Algorithm[] = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'MD5',
  'SHA1',
  'SHA256',
  'SHA512',
  'XXHASH3',
  'XXHASH64',
  'XXHASH128',
]
const codec = new Codec(createCodecSeed({ regionSizesBytes: [2 ** 20] }), 0)

/** Sums bit by bit: slow, plain, and not the server's code. */
function crcReflected(data: Uint8Array, width: number, polynomial: bigint): Buffer {
  const ones = (1n << BigInt(width)) - 1n
  const table = Array.from({ length: 256 }, (_, byte) => {
    let value = BigInt(byte)
    for (let bit = 0; bit < 8; bit++)
      value = (value & 1n) === 1n ? (value >> 1n) ^ polynomial : value >> 1n
    return value
  })
  let crc = ones
  for (const byte of data) crc = (table[Number((crc ^ BigInt(byte)) & 0xffn)] ?? 0n) ^ (crc >> 8n)
  return Buffer.from((crc ^ ones).toString(16).padStart(width / 4, '0'), 'hex')
}

const known = new Map<string, Buffer>()

function rawSum(algorithm: Algorithm, data: Uint8Array): Buffer {
  const name = `${algorithm} ${createHash('md5').update(data).digest('hex')}`
  const found = known.get(name) ?? computeSum(algorithm, data)
  known.set(name, found)
  return found
}

function computeSum(algorithm: Algorithm, data: Uint8Array): Buffer {
  switch (algorithm) {
    case 'CRC32': {
      const sum = Buffer.alloc(4)
      sum.writeUInt32BE(crc32(data))
      return sum
    }
    case 'CRC32C':
      return crcReflected(data, 32, 0x82f63b78n)
    case 'CRC64NVME':
      return crcReflected(data, 64, 0x9a6c9329ac4bc9b5n)
    case 'MD5':
    case 'SHA1':
    case 'SHA256':
    case 'SHA512':
      return createHash(algorithm.toLowerCase()).update(data).digest()
    case 'XXHASH3':
      return xxHash('xxhash3', data)
    case 'XXHASH64':
      return xxHash('xxhash64', data)
    case 'XXHASH128':
      return xxHash('xxhash128', data)
  }
}

/** The server's code: its own tests hold it to the values of the reference. */
function xxHash(name: 'xxhash3' | 'xxhash64' | 'xxhash128', data: Uint8Array): Buffer {
  const checksum = codec.checksum(name)
  checksum.update(data)
  return Buffer.from(checksum.digest())
}

function sum(algorithm: Algorithm, data: string | Uint8Array): string {
  return rawSum(algorithm, Buffer.from(data)).toString('base64')
}

function composite(algorithm: Algorithm, parts: readonly (string | Uint8Array)[]): string {
  const raw = Buffer.concat(parts.map((part) => rawSum(algorithm, Buffer.from(part))))
  return `${rawSum(algorithm, raw).toString('base64')}-${parts.length}`
}

const header = (algorithm: Algorithm): string => `x-amz-checksum-${algorithm.toLowerCase()}`
const element = (algorithm: Algorithm): string => `Checksum${algorithm}`
const MODE = { 'x-amz-checksum-mode': 'ENABLED' }

const single: readonly Rule[] = [
  ...rules('3.10', ALGORITHMS, (algorithm) => [
    `a ${algorithm} sent by header is answered, stored and shown on demand`,
    async (t) => {
      const bucket = await t.shared()
      const value = sum(algorithm, 'data')
      ;(await t.put(bucket, t.key, 'data', { [header(algorithm)]: value }))
        .is(200)
        .has(header(algorithm), value)
      ;(await t.get(bucket, t.key, MODE))
        .is(200)
        .has(header(algorithm), value)
        .has('x-amz-checksum-type', 'FULL_OBJECT')
      ;(await t.head(bucket, t.key, MODE)).is(200).has(header(algorithm), value)
      ;(await t.head(bucket, t.key)).is(200).has(header(algorithm), null)
      ;(await t.get(bucket, t.key, { ...MODE, range: 'bytes=0-1' }))
        .is(206)
        .has(header(algorithm), null)
    },
  ]),
  ...rules('3.10', ALGORITHMS, (algorithm) => [
    `a ${algorithm} sent by trailer is answered, stored and shown on demand`,
    async (t) => {
      const bucket = await t.shared()
      const value = sum(algorithm, 'data')
      const chunked = { chunks: ['data'], signed: false, trailers: { [header(algorithm)]: value } }
      ;(await t.put(bucket, t.key, '', {}, { chunked })).is(200).has(header(algorithm), value)
      ;(await t.head(bucket, t.key, MODE)).is(200).has(header(algorithm), value)
    },
  ]),
  ...rules('3.10', ALGORITHMS, (algorithm) => [
    `a wrong ${algorithm} stores nothing`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'data', { [header(algorithm)]: sum(algorithm, 'other') })).is(
        400,
        'BadDigest',
      )
      ;(await t.head(bucket, t.key)).is(404)
    },
  ]),
  ...rules('3.10', ALGORITHMS, (algorithm) => [
    `a ${algorithm} of wrong length is an invalid request`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'data', { [header(algorithm)]: 'bad' })).is(
        400,
        'InvalidRequest',
      )
    },
  ]),
  rule('3.10', 'a checksum with characters outside base64 is an invalid request', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'data', { 'x-amz-checksum-crc32': '!!!!!!!!' })).is(
      400,
      'InvalidRequest',
    )
  }),
  rule('3.10', 'two checksums at once are refused', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, t.key, 'data', {
        [header('CRC32')]: sum('CRC32', 'data'),
        [header('SHA1')]: sum('SHA1', 'data'),
      })
    ).isOne(400)
  }),
  rule('3.10', 'x-amz-sdk-checksum-algorithm without a value is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'data', { 'x-amz-sdk-checksum-algorithm': 'CRC32' })).is(
      400,
      'InvalidRequest',
    )
  }),
  rule('3.10', 'x-amz-sdk-checksum-algorithm with its value is good', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, t.key, 'data', {
        'x-amz-sdk-checksum-algorithm': 'CRC32',
        [header('CRC32')]: sum('CRC32', 'data'),
      })
    ).is(200)
  }),
  rule('3.10', 'an upload without a checksum gets CRC64NVME, answered and shown', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'data')).is(200).has(header('CRC64NVME'), sum('CRC64NVME', 'data'))
    ;(await t.head(bucket, t.key, MODE)).has(header('CRC64NVME'), sum('CRC64NVME', 'data'))
    ;(await t.head(bucket, t.key)).has(header('CRC64NVME'), null)
  }),
  rule('3.10', 'lists tell the algorithm and its type', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, t.key, 'data', { [header('SHA256')]: sum('SHA256', 'data') })).is(200)
    ;(await t.listV2(bucket))
      .shows('Contents.ChecksumAlgorithm', 'SHA256')
      .shows('Contents.ChecksumType', 'FULL_OBJECT')
    ;(await t.listVersions(bucket)).shows('Version.ChecksumAlgorithm', 'SHA256')
  }),
]

const BODIES = [bigPart('a'), 'tail'] as const

async function uploadParts(
  t: Trial,
  bucket: string,
  uploadId: string,
  algorithm: Algorithm,
): Promise<Part[]> {
  const parts: Part[] = []
  for (const [i, body] of BODIES.entries()) {
    const value = sum(algorithm, body)
    const reply = (
      await t.part(bucket, t.key, uploadId, i + 1, body, { [header(algorithm)]: value })
    )
      .is(200)
      .has(header(algorithm), value)
    parts.push([i + 1, reply.header('etag'), { [element(algorithm)]: value }])
  }
  return parts
}

const KINDS: readonly (readonly [Algorithm, 'COMPOSITE' | 'FULL_OBJECT'])[] = [
  ['CRC32', 'COMPOSITE'],
  ['CRC32C', 'COMPOSITE'],
  ['SHA1', 'COMPOSITE'],
  ['SHA256', 'COMPOSITE'],
  ['MD5', 'COMPOSITE'],
  ['SHA512', 'COMPOSITE'],
  ['XXHASH3', 'COMPOSITE'],
  ['XXHASH64', 'COMPOSITE'],
  ['XXHASH128', 'COMPOSITE'],
  ['CRC32', 'FULL_OBJECT'],
  ['CRC32C', 'FULL_OBJECT'],
  ['CRC64NVME', 'FULL_OBJECT'],
]

/** What AWS refuses to make: only CRCs of parts can be combined, and CRC64NVME always is. */
const IMPOSSIBLE: readonly (readonly [Algorithm, 'COMPOSITE' | 'FULL_OBJECT'])[] = [
  ['CRC64NVME', 'COMPOSITE'],
  ['MD5', 'FULL_OBJECT'],
  ['SHA1', 'FULL_OBJECT'],
  ['SHA256', 'FULL_OBJECT'],
  ['SHA512', 'FULL_OBJECT'],
  ['XXHASH3', 'FULL_OBJECT'],
  ['XXHASH64', 'FULL_OBJECT'],
  ['XXHASH128', 'FULL_OBJECT'],
]

const undeclared: readonly Rule[] = [
  ...rules('3.10', IMPOSSIBLE, ([algorithm, type]) => [
    `an upload with ${algorithm} as ${type} is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(
        await t.of('POST', bucket, t.key, { uploads: '' }, undefined, {
          'x-amz-checksum-algorithm': algorithm,
          'x-amz-checksum-type': type,
        })
      ).is(400, 'InvalidRequest')
    },
  ]),
  rule('3.10', 'an object put without a checksum is answered with a CRC64NVME', async (t) => {
    const bucket = await t.shared()
    const value = sum('CRC64NVME', 'data')
    ;(await t.put(bucket, t.key, 'data')).is(200).has(header('CRC64NVME'), value)
  }),
  rule('3.10', 'a wrong Content-MD5 is told with the right one', async (t) => {
    const bucket = await t.shared()
    const md5 = sum('MD5', 'data')
    ;(await t.put(bucket, t.key, 'data', { 'content-md5': sum('MD5', 'other') }))
      .is(400, 'BadDigest')
      .shows('CalculatedDigest', md5)
    ;(await t.put(bucket, t.key, 'data', { 'content-md5': 'none' }))
      .is(400, 'InvalidDigest')
      .shows('Content-MD5', 'none')
  }),
  rule('3.10', 'an upload without a checksum gets a CRC64NVME of the whole', async (t) => {
    const bucket = await t.shared()
    const value = sum('CRC64NVME', 'tail')
    const uploadId = await t.begin(bucket, t.key)
    const etag = (await t.part(bucket, t.key, uploadId, 1, 'tail')).is(200).header('etag')
    ;(await t.complete(bucket, t.key, uploadId, [[1, etag]]))
      .is(200)
      .shows(element('CRC64NVME'), value)
    ;(await t.head(bucket, t.key, MODE))
      .has(header('CRC64NVME'), value)
      .has('x-amz-checksum-type', 'FULL_OBJECT')
  }),
  rule('3.10', 'a part without a checksum is refused where hashes make the whole', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key, { 'x-amz-checksum-algorithm': 'SHA256' })
    ;(await t.part(bucket, t.key, uploadId, 1, 'tail')).is(400, 'InvalidRequest')
  }),
  rule('3.10', 'x-amz-sdk-checksum-algorithm must name the checksum that is sent', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, t.key, 'data', {
        [header('SHA1')]: sum('SHA1', 'data'),
        'x-amz-sdk-checksum-algorithm': 'CRC32',
      })
    ).is(400, 'InvalidRequest')
  }),
  rule('3.10', 'a part is completed with one checksum, of base64', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key, { 'x-amz-checksum-algorithm': 'CRC32' })
    const value = sum('CRC32', 'tail')
    const etag = (await t.part(bucket, t.key, uploadId, 1, 'tail', { [header('CRC32')]: value }))
      .is(200)
      .header('etag')
    const complete = (sums: Record<string, string>): ReturnType<Trial['complete']> =>
      t.complete(bucket, t.key, uploadId, [[1, etag, sums]])
    ;(await complete({ ChecksumCRC32: '___' })).is(400, 'InvalidArgument')
    ;(await complete({ ChecksumCRC32: value, ChecksumSHA1: sum('SHA1', 'tail') })).is(
      400,
      'InvalidArgument',
    )
    ;(await complete({ ChecksumSHA1: sum('SHA1', 'tail') })).is(400, 'BadDigest')
  }),
]

const multipart: readonly Rule[] = [
  ...rules('3.10', KINDS, ([algorithm, type]) => [
    `an upload with ${algorithm} as ${type} answers, stores and shows it`,
    async (t) => {
      const bucket = await t.shared()
      const started = (
        await t.of('POST', bucket, t.key, { uploads: '' }, undefined, {
          'x-amz-checksum-algorithm': algorithm,
          'x-amz-checksum-type': type,
        })
      )
        .is(200)
        .has('x-amz-checksum-algorithm', algorithm)
        .has('x-amz-checksum-type', type)
      const uploadId = started.first('UploadId')
      const parts = await uploadParts(t, bucket, uploadId, algorithm)
      ;(await t.of('GET', bucket, t.key, { uploadId }))
        .is(200)
        .shows('ChecksumAlgorithm', algorithm)
        .shows('ChecksumType', type)
        .shows(`Part.${element(algorithm)}`, sum(algorithm, BODIES[0]), sum(algorithm, BODIES[1]))
      const whole =
        type === 'COMPOSITE'
          ? composite(algorithm, BODIES)
          : sum(algorithm, Buffer.concat(BODIES.map((body) => Buffer.from(body))))
      ;(
        await t.complete(bucket, t.key, uploadId, parts, {
          [header(algorithm)]: whole,
          'x-amz-checksum-type': type,
        })
      )
        .is(200)
        .shows(element(algorithm), whole)
        .shows('ChecksumType', type)
      ;(await t.head(bucket, t.key, MODE))
        .is(200)
        .has(header(algorithm), whole)
        .has('x-amz-checksum-type', type)
      ;(await t.head(bucket, t.key, MODE, { partNumber: '2' }))
        .is(206)
        .has(header(algorithm), sum(algorithm, BODIES[1]))
      ;(
        await t.of('GET', bucket, t.key, { attributes: '' }, undefined, {
          'x-amz-object-attributes': 'Checksum,ObjectParts',
        })
      )
        .is(200)
        .shows(`Checksum.${element(algorithm)}`, whole.replace(/-2$/, ''))
        .shows('Checksum.ChecksumType', type)
        .shows(
          `ObjectParts.Part.${element(algorithm)}`,
          sum(algorithm, BODIES[0]),
          sum(algorithm, BODIES[1]),
        )
    },
  ]),
  ...rules('3.10', KINDS, ([algorithm, type]) => [
    `completing ${algorithm} as ${type} with a wrong whole checksum is a bad digest`,
    async (t) => {
      const bucket = await t.shared()
      const uploadId = await t.begin(bucket, t.key, {
        'x-amz-checksum-algorithm': algorithm,
        'x-amz-checksum-type': type,
      })
      const value = sum(algorithm, 'tail')
      const etag = (
        await t.part(bucket, t.key, uploadId, 1, 'tail', { [header(algorithm)]: value })
      )
        .is(200)
        .header('etag')
      const wrong = type === 'COMPOSITE' ? composite(algorithm, ['other']) : sum(algorithm, 'other')
      ;(
        await t.complete(bucket, t.key, uploadId, [[1, etag, { [element(algorithm)]: value }]], {
          [header(algorithm)]: wrong,
        })
      ).is(400, 'BadDigest')
      ;(await t.head(bucket, t.key)).is(404)
    },
  ]),
  ...rules('3.10', ALGORITHMS, (algorithm) => [
    `a part with a wrong ${algorithm} is not stored`,
    async (t) => {
      const bucket = await t.shared()
      const uploadId = await t.begin(bucket, t.key, { 'x-amz-checksum-algorithm': algorithm })
      ;(
        await t.part(bucket, t.key, uploadId, 1, 'tail', {
          [header(algorithm)]: sum(algorithm, 'other'),
        })
      ).is(400, 'BadDigest')
      ;(await t.of('GET', bucket, t.key, { uploadId })).is(200).shows('Part.PartNumber')
    },
  ]),
  ...rules('3.10', ALGORITHMS, (algorithm) => [
    `completing with a wrong ${algorithm} of a part is an invalid part`,
    async (t) => {
      const bucket = await t.shared()
      const uploadId = await t.begin(bucket, t.key, { 'x-amz-checksum-algorithm': algorithm })
      const etag = (
        await t.part(bucket, t.key, uploadId, 1, 'tail', {
          [header(algorithm)]: sum(algorithm, 'tail'),
        })
      )
        .is(200)
        .header('etag')
      ;(
        await t.complete(bucket, t.key, uploadId, [
          [1, etag, { [element(algorithm)]: sum(algorithm, 'other') }],
        ])
      ).is(400, 'InvalidPart')
    },
  ]),
  ...rules('3.10', ['CRC32', 'CRC32C', 'CRC64NVME'] as const, (algorithm) => [
    `a part without the declared ${algorithm} gets one of the server`,
    async (t) => {
      const bucket = await t.shared()
      const uploadId = await t.begin(bucket, t.key, {
        'x-amz-checksum-algorithm': algorithm,
        'x-amz-checksum-type': 'FULL_OBJECT',
      })
      ;(await t.part(bucket, t.key, uploadId, 1, 'tail'))
        .is(200)
        .has(header(algorithm), sum(algorithm, 'tail'))
    },
  ]),
  ...rules(
    '3.10',
    [
      ['CRC32', 'WHOLE'],
      ['SHA256', 'FULL'],
    ] as const,
    ([algorithm, type]) => [
      `${algorithm} as ${type} cannot be declared`,
      async (t) => {
        const bucket = await t.shared()
        ;(
          await t.of('POST', bucket, t.key, { uploads: '' }, undefined, {
            'x-amz-checksum-algorithm': algorithm,
            'x-amz-checksum-type': type,
          })
        ).isOne(400)
      },
    ],
  ),
  ...rules('3.10', ['MD4', 'crc', 'XXHASH32'], (algorithm) => [
    `the unknown algorithm ${algorithm} cannot be declared`,
    async (t) => {
      const bucket = await t.shared()
      ;(
        await t.of('POST', bucket, t.key, { uploads: '' }, undefined, {
          'x-amz-checksum-algorithm': algorithm,
        })
      ).is(400, 'InvalidArgument', 'InvalidRequest')
    },
  ]),
  ...rules(
    '3.10',
    [
      ['CRC32', 'COMPOSITE'],
      ['CRC32C', 'COMPOSITE'],
      ['CRC64NVME', 'FULL_OBJECT'],
      ['SHA1', 'COMPOSITE'],
      ['SHA256', 'COMPOSITE'],
    ] as const,
    ([algorithm, type]) => [
      `${algorithm} declared without a type is ${type}`,
      async (t) => {
        const bucket = await t.shared()
        ;(
          await t.of('POST', bucket, t.key, { uploads: '' }, undefined, {
            'x-amz-checksum-algorithm': algorithm,
          })
        )
          .is(200)
          .has('x-amz-checksum-type', type)
      },
    ],
  ),
  rule('3.10', 'a part with another algorithm than declared is refused', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key, { 'x-amz-checksum-algorithm': 'CRC32' })
    ;(
      await t.part(bucket, t.key, uploadId, 1, 'tail', {
        [header('SHA256')]: sum('SHA256', 'tail'),
      })
    ).is(400, 'InvalidArgument', 'InvalidRequest')
  }),
  rule('4.6.4', 'x-amz-mp-object-size must be the size', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    const etag = (await t.part(bucket, t.key, uploadId, 1, 'tail')).is(200).header('etag')
    ;(await t.complete(bucket, t.key, uploadId, [[1, etag]], { 'x-amz-mp-object-size': '5' })).is(
      400,
      'InvalidRequest',
    )
    ;(await t.complete(bucket, t.key, uploadId, [[1, etag]], { 'x-amz-mp-object-size': '4' })).is(
      200,
    )
  }),
  rule('3.10', 'a part uploaded again has the checksum of its last content', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key, { 'x-amz-checksum-algorithm': 'SHA256' })
    ;(
      await t.part(bucket, t.key, uploadId, 1, 'first', {
        [header('SHA256')]: sum('SHA256', 'first'),
      })
    ).is(200)
    const etag = (
      await t.part(bucket, t.key, uploadId, 1, 'second', {
        [header('SHA256')]: sum('SHA256', 'second'),
      })
    )
      .is(200)
      .header('etag')
    ;(
      await t.complete(bucket, t.key, uploadId, [
        [1, etag, { ChecksumSHA256: sum('SHA256', 'second') }],
      ])
    )
      .is(200)
      .shows('ChecksumSHA256', composite('SHA256', ['second']))
    ;(await t.get(bucket, t.key)).contains('second')
  }),
]

const copies: readonly Rule[] = [
  ...rules('3.10', ALGORITHMS, (algorithm) => [
    `a copy that asks for ${algorithm} gets it`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, `${t.key}-s`, 'data')).is(200)
      ;(
        await t.copy(bucket, t.key, `${bucket}/${t.key}-s`, {
          'x-amz-checksum-algorithm': algorithm,
        })
      )
        .is(200)
        .shows(element(algorithm), sum(algorithm, 'data'))
      ;(await t.head(bucket, t.key, MODE)).has(header(algorithm), sum(algorithm, 'data'))
    },
  ]),
  rule('3.10', 'a copy keeps the algorithm of its source', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, `${t.key}-s`, 'data', { [header('SHA1')]: sum('SHA1', 'data') })).is(200)
    ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-s`)).is(200)
    ;(await t.head(bucket, t.key, MODE)).has(header('SHA1'), sum('SHA1', 'data'))
  }),
  rule('3.10', 'a copy of a composite upload has a whole checksum', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, `${t.key}-s`, { 'x-amz-checksum-algorithm': 'SHA256' })
    const value = sum('SHA256', 'tail')
    const etag = (
      await t.part(bucket, `${t.key}-s`, uploadId, 1, 'tail', { [header('SHA256')]: value })
    )
      .is(200)
      .header('etag')
    ;(await t.complete(bucket, `${t.key}-s`, uploadId, [[1, etag, { ChecksumSHA256: value }]])).is(
      200,
    )
    ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-s`)).is(200)
    ;(await t.head(bucket, t.key, MODE))
      .has(header('SHA256'), value)
      .has('x-amz-checksum-type', 'FULL_OBJECT')
  }),
]

async function attributesOf(
  t: Trial,
  bucket: string,
  names: string,
  headers: Record<string, string> = {},
): ReturnType<Trial['of']> {
  return t.of('GET', bucket, t.key, { attributes: '' }, undefined, {
    'x-amz-object-attributes': names,
    ...headers,
  })
}

const attributes: readonly Rule[] = [
  rule('4.2.6', 'attributes of a plain object', async (t) => {
    const bucket = await t.shared()
    const etag = (
      await t.put(bucket, t.key, 'data', { [header('SHA256')]: sum('SHA256', 'data') })
    ).header('etag')
    const reply = (
      await attributesOf(t, bucket, 'ETag,Checksum,ObjectParts,StorageClass,ObjectSize')
    ).is(200)
    reply
      .shows('ETag', etag.replaceAll('"', ''))
      .shows('Checksum.ChecksumSHA256', sum('SHA256', 'data'))
      .shows('Checksum.ChecksumType', 'FULL_OBJECT')
      .shows('ObjectSize', '4')
      .shows('StorageClass', 'STANDARD')
      .shows('ObjectParts')
      .has('last-modified', / GMT$/)
    check(reply.root[0] === 'GetObjectAttributesResponse', 'the root GetObjectAttributesResponse')
  }),
  rule('4.2.6', 'only what was asked for is told', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await attributesOf(t, bucket, 'ObjectSize'))
      .is(200)
      .shows('ObjectSize', '4')
      .shows('ETag')
      .shows('StorageClass')
      .shows('Checksum')
  }),
  ...rules(
    '4.2.6',
    [
      ['unknown', 'ETag,Colour', 'InvalidArgument'],
      ['empty', '', 'InvalidRequest'],
    ] as const,
    ([what, names, code]) => [
      `an ${what} attribute is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key)).is(200)
        ;(await attributesOf(t, bucket, names))
          .is(400, code)
          .shows('ArgumentName', ...(code === 'InvalidArgument' ? ['x-amz-object-attributes'] : []))
      },
    ],
  ),
  rule('4.2.6', 'attributes must be named', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.of('GET', bucket, t.key, { attributes: '' })).is(
      400,
      'InvalidArgument',
      'InvalidRequest',
    )
  }),
  rule('4.2.6', 'attributes of a key that does not exist are 404', async (t) => {
    const bucket = await t.shared()
    ;(await attributesOf(t, bucket, 'ETag')).is(404, 'NoSuchKey')
  }),
  rule('4.2.6', 'parts are told in pages', async (t) => {
    const bucket = await t.shared()
    await t.multipart(bucket, t.key, [bigPart('a'), bigPart('b'), 'c'])
    ;(await attributesOf(t, bucket, 'ObjectParts'))
      .is(200)
      .shows('ObjectParts.PartsCount', '3')
      .shows('ObjectParts.Part.PartNumber', '1', '2', '3')
      .shows('ObjectParts.Part.Size', String(bigPart('a').length), String(bigPart('b').length), '1')
      .shows('ObjectParts.IsTruncated', 'false')
    ;(await attributesOf(t, bucket, 'ObjectParts', { 'x-amz-max-parts': '2' }))
      .is(200)
      .shows('ObjectParts.Part.PartNumber', '1', '2')
      .shows('ObjectParts.IsTruncated', 'true')
      .shows('ObjectParts.NextPartNumberMarker', '2')
      .shows('ObjectParts.MaxParts', '2')
    ;(
      await attributesOf(t, bucket, 'ObjectParts', {
        'x-amz-max-parts': '2',
        'x-amz-part-number-marker': '2',
      })
    )
      .is(200)
      .shows('ObjectParts.Part.PartNumber', '3')
      .shows('ObjectParts.IsTruncated', 'false')
      .shows('ObjectParts.PartNumberMarker', '2')
  }),
  ...rules('4.2.6', ['x-amz-max-parts', 'x-amz-part-number-marker'], (name) => [
    `${name} that is no number is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key)).is(200)
      ;(await attributesOf(t, bucket, 'ObjectParts', { [name]: 'many' })).is(400, 'InvalidArgument')
    },
  ]),
  rule('4.2.6', 'attributes of a version', async (t) => {
    const bucket = await t.shared('versioned')
    const versionId = await t.putVersion(bucket, t.key, 'old!!')
    await t.putVersion(bucket, t.key, 'new')
    ;(
      await t.of('GET', bucket, t.key, { attributes: '', versionId }, undefined, {
        'x-amz-object-attributes': 'ObjectSize',
      })
    )
      .is(200)
      .shows('ObjectSize', '5')
      .has('x-amz-version-id', versionId)
  }),
  rule('4.2.6', 'attributes of a deleted key are 404', async (t) => {
    const bucket = await t.shared('versioned')
    await t.putVersion(bucket, t.key)
    const versionId = (await t.delete(bucket, t.key)).header('x-amz-version-id')
    ;(await attributesOf(t, bucket, 'ETag')).is(404, 'NoSuchKey').has('x-amz-delete-marker', 'true')
    ;(
      await t.of('GET', bucket, t.key, { attributes: '', versionId }, undefined, {
        'x-amz-object-attributes': 'ETag',
      })
    ).is(405, 'MethodNotAllowed')
  }),
]

export const checksums: readonly Rule[] = [
  ...single,
  ...undeclared,
  ...multipart,
  ...copies,
  ...attributes,
]
