import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormatError } from '#codec/msgpack'
import {
  CHECKSUM_KEY,
  checksumKeyOf,
  decodeChecksums,
  encodeChecksums,
  OWN_CHECKSUM_KEY,
} from './checksum-blob.ts'

const crc = new Uint8Array([1, 2, 3, 4])
const long = new Uint8Array(8).fill(9)

test('a checksum of one piece is its algorithm and digest', () => {
  assert.equal(encodeChecksums([{ algorithm: 'crc32', digest: crc }]).toHex(), '0801020304')
  assert.equal(encodeChecksums([{ algorithm: 'crc32c', digest: crc }]).toHex(), '1001020304')
  const nvme = encodeChecksums([{ algorithm: 'crc64nvme', digest: long, fullObject: true }])
  assert.equal(nvme.toHex(), `8002${long.toHex()}`)
})

test('multipart checksums have the types of real files', () => {
  const parts = [crc, crc]
  const composite = encodeChecksums([{ algorithm: 'crc32', digest: crc, parts }])
  assert.equal(composite.toHex(), 'c801' + '01020304' + '02' + '0102030401020304')
  const full = encodeChecksums([{ algorithm: 'crc32c', digest: crc, fullObject: true, parts }])
  assert.equal(full.subarray(0, 2).toHex(), 'd005') // 0x2d0
  const nvme = { algorithm: 'crc64nvme', digest: long, fullObject: true, parts: [long] } as const
  assert.equal(encodeChecksums([nvme]).subarray(0, 2).toHex(), 'c003') // 0x1c0
})

test('records survive, several in one blob', () => {
  const records = [
    { algorithm: 'sha256', digest: new Uint8Array(32).fill(1), fullObject: false },
    {
      algorithm: 'sha1',
      digest: new Uint8Array(20).fill(2),
      fullObject: false,
      parts: [new Uint8Array(20).fill(3)],
      partCount: 1,
    },
  ] as const
  assert.deepEqual(decodeChecksums(encodeChecksums(records)), records)
})

test('the mark of a trailer is ignored', () => {
  assert.deepEqual(decodeChecksums(Uint8Array.fromHex('1101020304')), [
    { algorithm: 'crc32c', digest: crc, fullObject: false },
  ])
})

test('a part count without part digests is kept', () => {
  const [record] = decodeChecksums(Uint8Array.fromHex('480102030405'))
  assert.deepEqual(record, {
    algorithm: 'crc32',
    digest: crc,
    fullObject: false,
    parts: [],
    partCount: 5,
  })
  assert.ok(record !== undefined)
  assert.equal(encodeChecksums([record]).toHex(), '480102030405')
})

test('truncated blobs are refused, unknown types end the list', () => {
  assert.throws(() => decodeChecksums(Uint8Array.fromHex('080102')), FormatError)
  assert.throws(() => decodeChecksums(Uint8Array.fromHex('c80101020304ffff03')), FormatError)
  assert.throws(() => decodeChecksums(Uint8Array.fromHex('ffffffffff')), FormatError)
  assert.deepEqual(decodeChecksums(Uint8Array.fromHex('2001')), [])
})

test('algorithms that MinIO does not know go under a key of our own', () => {
  const sizes = { md5: 16, sha512: 64, xxhash3: 8, xxhash64: 8, xxhash128: 16 } as const
  for (const algorithm of ['md5', 'sha512', 'xxhash3', 'xxhash64', 'xxhash128'] as const) {
    assert.equal(checksumKeyOf(algorithm), OWN_CHECKSUM_KEY)
    const digest = new Uint8Array(sizes[algorithm]).fill(7)
    const record = { algorithm, digest, fullObject: false, parts: [digest], partCount: 1 }
    assert.deepEqual(decodeChecksums(encodeChecksums([record])), [record])
  }
  assert.equal(checksumKeyOf('sha256'), CHECKSUM_KEY)
})
