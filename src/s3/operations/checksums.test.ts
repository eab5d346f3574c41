import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import type { Digests } from '#object/object'
import { infoOf } from '#testing/object-info'
import { type CallOptions, callOf } from '#testing/s3-call'
import {
  bodyChecks,
  checksumHeaders,
  declaredChecksum,
  partChecksums,
  storedChecksums,
  storedMetadata,
} from './checksums.ts'

const BODY = utf8('abc')
const SHA256 = createHash('sha256').update(BODY).digest()
const MD5 = createHash('md5').update(BODY).digest()
const DIGESTS: Digests = new Map([
  ['md5', MD5],
  ['sha256', SHA256],
  ['crc64nvme', new Uint8Array(8)],
])

const SHA256_TEXT = SHA256.toBase64()
const OTHER_TEXT = new Uint8Array(32).toBase64()

const BODIES: readonly (readonly [name: string, request: CallOptions, result: string])[] = [
  ['nothing sent', {}, 'crc64nvme'],
  ['a right MD5', { headers: { 'Content-MD5': MD5.toBase64() } }, 'crc64nvme'],
  ['a wrong MD5', { headers: { 'Content-MD5': new Uint8Array(16).toBase64() } }, 'BadDigest'],
  ['an empty MD5', { headers: { 'Content-MD5': '' } }, 'InvalidDigest'],
  ['a malformed MD5', { headers: { 'Content-MD5': 'rL0Y20zC+Fzt72VPzMSk2A' } }, 'InvalidDigest'],
  ['a right SHA256', { headers: { 'x-amz-checksum-sha256': SHA256_TEXT } }, 'sha256'],
  ['a wrong SHA256', { headers: { 'x-amz-checksum-sha256': OTHER_TEXT } }, 'BadDigest'],
  ['a short value', { headers: { 'x-amz-checksum-sha256': 'bad' } }, 'InvalidRequest'],
  ['another character', { headers: { 'x-amz-checksum-sha256': '!bad' } }, 'InvalidRequest'],
  [
    'two values',
    { headers: { 'x-amz-checksum-sha256': SHA256_TEXT, 'x-amz-checksum-crc32': 'AAAAAA==' } },
    'InvalidRequest',
  ],
  [
    'two values of which the algorithm header names one',
    {
      headers: {
        'x-amz-checksum-sha256': SHA256_TEXT,
        'x-amz-checksum-crc32': 'AAAAAA==',
        'x-amz-checksum-algorithm': 'SHA256',
      },
    },
    'sha256',
  ],
  ['only an algorithm', { headers: { 'x-amz-checksum-algorithm': 'CRC32' } }, 'crc64nvme'],
  ['an unknown algorithm', { headers: { 'x-amz-checksum-algorithm': 'MD4' } }, 'InvalidRequest'],
  [
    'an announced MD5 in the header of its own',
    { headers: { 'x-amz-sdk-checksum-algorithm': 'MD5', 'Content-MD5': MD5.toBase64() } },
    'crc64nvme',
  ],
  [
    'an announced MD5 that is wrong',
    {
      headers: {
        'x-amz-sdk-checksum-algorithm': 'MD5',
        'Content-MD5': new Uint8Array(16).toBase64(),
      },
    },
    'BadDigest',
  ],
  [
    'an announced SDK algorithm without value',
    { headers: { 'x-amz-sdk-checksum-algorithm': 'CRC32' } },
    'InvalidRequest',
  ],
  [
    'a right trailer',
    {
      announcedTrailers: ['x-amz-checksum-sha256'],
      trailers: { 'x-amz-checksum-sha256': SHA256_TEXT },
    },
    'sha256',
  ],
  [
    'a wrong trailer',
    {
      announcedTrailers: ['x-amz-checksum-sha256'],
      trailers: { 'x-amz-checksum-sha256': OTHER_TEXT },
    },
    'BadDigest',
  ],
  ['an unknown trailer', { announcedTrailers: ['x-amz-checksum-md4'] }, 'InvalidRequest'],
]

for (const [name, request, result] of BODIES) {
  test(`a body with ${name} ends in ${result}`, () => {
    const run = (): string | undefined => {
      const checks = bodyChecks(callOf(request), 'crc64nvme')
      return checks.verify(DIGESTS)?.algorithm
    }
    if (/^[A-Z]/.test(result)) assert.throws(run, { code: result })
    else assert.equal(run(), result)
  })
}

const DECLARATIONS: readonly (readonly [
  algorithm: string | undefined,
  type: string | undefined,
  result: string,
])[] = [
  [undefined, undefined, ''],
  ['CRC32C', undefined, 'crc32c COMPOSITE'],
  ['crc32', 'FULL_OBJECT', 'crc32 FULL_OBJECT'],
  ['SHA256', 'COMPOSITE', 'sha256 COMPOSITE'],
  ['SHA256', 'FULL_OBJECT', 'InvalidRequest'],
  ['CRC64NVME', undefined, 'crc64nvme FULL_OBJECT'],
  ['CRC64NVME', 'COMPOSITE', 'InvalidRequest'],
  ['XXHASH3', undefined, 'xxhash3 COMPOSITE'],
  ['md5', 'Composite', 'md5 COMPOSITE'],
  ['SHA512', 'FULL_OBJECT', 'InvalidRequest'],
  [undefined, 'FULL_OBJECT', 'InvalidRequest'],
  ['CRC32', 'full_object', 'crc32 FULL_OBJECT'],
  ['CRC32', 'FULL', 'InvalidRequest'],
  ['MD4', undefined, 'InvalidRequest'],
]

for (const [algorithm, type, result] of DECLARATIONS) {
  test(`an upload declared ${algorithm} ${type} is ${result || 'without checksum'}`, () => {
    const headers: Record<string, string> = {}
    if (algorithm !== undefined) headers['x-amz-checksum-algorithm'] = algorithm
    if (type !== undefined) headers['x-amz-checksum-type'] = type
    const run = (): string => {
      const declared = declaredChecksum(callOf({ headers }))
      return declared === undefined ? '' : `${declared.algorithm} ${declared.type}`
    }
    if (result.startsWith('Invalid')) assert.throws(run, { code: result })
    else assert.equal(run(), result)
  })
}

test('a stored checksum of a whole object is shown with its type', () => {
  const info = infoOf({
    systemMetadata: Object.fromEntries(storedMetadata({ algorithm: 'sha256', digest: SHA256 })),
  })
  assert.ok(info.systemMetadata.has('x-minio-internal-crc'))
  assert.deepEqual(checksumHeaders(storedChecksums(info)), [
    ['x-amz-checksum-sha256', SHA256_TEXT],
    ['x-amz-checksum-type', 'FULL_OBJECT'],
  ])
  assert.equal(partChecksums(info, 1)[0]?.value, SHA256_TEXT)
})
