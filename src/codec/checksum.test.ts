import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { assertBytes } from '#testing/bytes'
import { createCodecSeed } from './arena.ts'
import type { ChecksumName } from './checksum.ts'
import { combineCrc } from './checksum-combine.ts'
import { Codec } from './codec.ts'
import { CRC_NAMES, CRC_PARAMETERS, type CrcName } from './kernels/crc.ts'
import { patternBytes, plainCrc } from './testing/plain.ts'
import { readVectors } from './testing/vectors.ts'

const MIB = 2 ** 20
const codec = new Codec(createCodecSeed({ regionSizesBytes: [8 * MIB] }), 0)

function digestOf(name: ChecksumName, ...pieces: readonly Uint8Array[]): string {
  const checksum = codec.checksum(name)
  for (const piece of pieces) checksum.update(piece)
  return checksum.digest().toHex()
}

function hex(name: CrcName, crc: bigint): string {
  return crc.toString(16).padStart(CRC_PARAMETERS[name].bits / 4, '0')
}

test('CRCs give the check values of their catalogues', () => {
  const check = utf8('123456789')
  assert.equal(digestOf('crc32', check), 'cbf43926')
  assert.equal(digestOf('crc32c', check), 'e3069283')
  assert.equal(digestOf('crc64nvme', check), 'ae8b14860a799888')
})

test('CRC-32 of names gives the values of the disk format', () => {
  assert.equal(codec.crc32(utf8('mybucket/photos/2024/a.jpg')), 0x94560e29)
  assert.equal(codec.crc32(utf8('.minio.sys/config/config.json')), 0x9d681896)
  assert.equal(codec.crc32(utf8('mybucket/hello.txt')), 0x50f039b5)
  assert.equal(codec.crc32(utf8('.txt'), codec.crc32(utf8('mybucket/hello'))), 0x50f039b5)
})

test('CRCs give the recorded values wherever the data lies', async () => {
  for (const vector of readVectors().checksums) {
    const data = patternBytes(vector.size)
    using slot = await codec.arena.acquire(data.length + 5)
    const inArena = slot.bytes.subarray(5)
    inArena.set(data)
    for (const name of CRC_NAMES) {
      assert.equal(digestOf(name, data), hex(name, vector[name]))
      assert.equal(digestOf(name, inArena), hex(name, vector[name]))
    }
  }
})

test('folding agrees with the definition around its limits, in any cut', () => {
  for (const size of [24_575, 24_576, 24_577, 24_639, 38_000, 65_599, 70_001, 262_145]) {
    const data = patternBytes(size)
    for (const name of CRC_NAMES) {
      const { polynomial, bits } = CRC_PARAMETERS[name]
      const expected = hex(name, plainCrc(polynomial, bits, data))
      assert.equal(digestOf(name, data), expected)
      assert.equal(digestOf(name, data.subarray(0, 100), data.subarray(100)), expected)
      const cut = size - 24_600
      if (cut > 0) assert.equal(digestOf(name, data.subarray(0, cut), data.subarray(cut)), expected)
    }
  }
})

test('SHA digests are those of the platform', async () => {
  const data = patternBytes(10_000)
  using slot = await codec.arena.acquire(data.length)
  slot.bytes.set(data)
  for (const name of ['sha1', 'sha256'] as const) {
    const expected = createHash(name).update(data).digest('hex')
    assert.equal(digestOf(name, slot.bytes.subarray(0, 5000), slot.bytes.subarray(5000)), expected)
  }
})

test('BLAKE2b gives the digest of RFC 7693', () => {
  const hash = codec.blake2b()
  hash.update(utf8('ab'))
  hash.update(utf8('c'))
  assert.equal(
    hash.digest().toHex(),
    'ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1' +
      '7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923',
  )
})

test('combined CRCs are those of the joined data', () => {
  for (const name of CRC_NAMES) {
    for (const [sizeA, sizeB] of [
      [0, 0],
      [5, 0],
      [0, 5],
      [9, 1],
      [1, 9],
      [1000, 70_001],
    ] as const) {
      const data = patternBytes(sizeA + sizeB)
      const a = Uint8Array.fromHex(digestOf(name, data.subarray(0, sizeA)))
      const b = Uint8Array.fromHex(digestOf(name, data.subarray(sizeA)))
      assert.equal(combineCrc(name, a, b, sizeB).toHex(), digestOf(name, data))
    }
  }
})

test('combining in any grouping gives one result, also beyond 4 GiB', () => {
  const huge = 2 ** 33 + 12_345
  for (const name of CRC_NAMES) {
    const [a, b, c] = [1, 2, 3].map((size) => {
      const checksum = codec.checksum(name)
      checksum.update(patternBytes(size))
      return checksum.digest()
    })
    assert(a !== undefined && b !== undefined && c !== undefined)
    const left = combineCrc(name, combineCrc(name, a, b, huge), c, 3)
    const right = combineCrc(name, a, combineCrc(name, b, c, 3), huge + 3)
    assertBytes(left, right)
  }
})
