import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { assertBytes } from '#testing/bytes'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { highwayHash256, HighwayHasher } from './hash.ts'
import { XXH3_SECRET } from './kernels/xxh3.ts'
import { COPY_WINDOW_SIZE } from './layout.ts'
import {
  patternBytes,
  plainHighwayHash256,
  plainSipHash24,
  plainXxh3,
  plainXxh64,
} from './testing/plain.ts'
import { readVectors } from './testing/vectors.ts'
import { Workspace } from './workspace.ts'

const MIB = 2 ** 20
const seed = createCodecSeed({ regionSizesBytes: [8 * MIB] })
const codec = new Codec(seed, 0)
const vectors = readVectors()

test('HighwayHash with the bitrot key gives the values of the disk format', () => {
  const cases: [Uint8Array, string][] = [
    [utf8(''), '5e76d207cf4ab20866fdc03c83e8a0f4e8f458e880777956ec0bae4e9f23f6c5'],
    [utf8('a'), '4d6dc44bec31fb10c8f7abac6ee37e0c0a289ee5415af0b814b196ed3c16f194'],
    [utf8('abc'), '5a26e667b2ceff3c7a5ed30a9258ed2d5a996f328cff13c9f3f7a040676034f5'],
    [new Uint8Array(31), 'eebdc908e5b934b01bcb28becbcc8978178cbcaaffd5f035b5369467a101b902'],
    [new Uint8Array(32), 'd13782198b82a27de2f9b4747e0490b0f5a515fda49cecaff1573b9ae6709bcf'],
    [utf8('hello world!'), '51c5539a4f5fe2fa4091f44f6e3edeb2aaad80f336099c3ddb84a429773ebd8b'],
    [counting(256), '7c4b54c324348b596045255e02c3faf3d38014229758f467de84926de69f7cf0'],
    [new Uint8Array(MIB), '6ff8eed723b2a497b35a0afea99816a92eef51d43fd7b0e2a7ffaf9db47066b8'],
  ]
  const strictSeed = createCodecSeed({ regionSizesBytes: [0], allowRelaxedSimd: false })
  for (const each of [codec, new Codec(strictSeed, 0)]) {
    for (const [data, expected] of cases) {
      assert.equal(each.highwayHash256(data).toHex(), expected)
    }
  }
})

test('HighwayHash passes the chained self-check of the disk format', () => {
  const message = new Uint8Array(32 * 32)
  let digest = new Uint8Array(0)
  for (let i = 0; i < 32; i++) {
    digest = new Uint8Array(codec.highwayHash256(message.subarray(0, 32 * i)))
    message.set(digest, 32 * i)
  }
  assert.equal(digest.toHex(), '39c0407ed3f01b18d22c85db4aeff11e060ca5f43131b0126731ca197cd42313')
})

test('the bitrot key is the HighwayHash of the decimals of pi', () => {
  const decimals =
    '1415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253421170679'
  const digest = plainHighwayHash256(new Uint8Array(32), utf8(decimals))
  assert.equal(digest.toHex(), '4be734fa8e238acd263e83e6bb968552040f935da39f441497e09d1322de36a0')
})

test('HighwayHash gives the recorded values, in one piece, in pieces and for many shards', async () => {
  for (const [size, expected] of vectors.highwayHash) {
    const data = patternBytes(size)
    assert.equal(codec.highwayHash256(data).toHex(), expected)
    assert.equal(inPieces(data, 37), expected)
    assert.equal(inPieces(data, 64), expected)
    for (const count of [1, 2, 3, 4]) {
      using slot = await codec.arena.acquire(count * (size + 32))
      for (let i = 0; i < count; i++) slot.bytes.set(data, i * size)
      codec.hashShards(slot.offset, size, count, size, slot.offset + count * size)
      const digests = slot.bytes.slice(count * size).toHex()
      assert.equal(digests, expected.repeat(count))
    }
  }
})

test('HighwayHash gives published values for other keys, and agrees with its definition', () => {
  // https://github.com/google/highwayhash, highwayhash_test.cc: key 00..1f, input of `size` bytes 00, 01, ...
  const published: [number, string][] = [
    [0, 'dd44482ac2c874f5d946017313c7351fb3aebeccb98714ff41da233145751df4'],
    [1, 'edb941bce45f8254e20d44ef3dcac60f72651b9bcb324a472073624cb275e484'],
    [4, 'c9cfc497212be4dca85f9df6afd2929b1fda9f211df4109e07e4277a374d4f9b'],
    [63, 'f5b1f8266a3aeb6783b040be4dec1add7fe1c8635b26fbaef4a3a447defed79f'],
    [7, 'd666b1a00987ad81a4f1f838eb8c6d37e9226e07d463e0305754d67d062c526c'],
  ]
  const key = counting(32)
  const workspace = new Workspace(seed, 0)
  const digestOf = (size: number): string => {
    workspace.memory.set(key, workspace.at.key)
    return highwayHash256(workspace, counting(size), workspace.at.key).toHex()
  }
  for (const [size, words] of published) {
    // Published as 64-bit numbers; digests are little-endian.
    const bytes = (words.match(/.{16}/g) ?? []).map((word) =>
      Uint8Array.fromHex(word).toReversed().toHex(),
    )
    assert.equal(digestOf(size), bytes.join(''))
  }
  for (let size = 0; size <= 64; size++) {
    const expected = plainHighwayHash256(key, counting(size)).toHex()
    assert.equal(digestOf(size), expected)
    workspace.memory.set(key, workspace.at.key)
    const hasher = new HighwayHasher(workspace, workspace.at.key)
    hasher.update(counting(size))
    assert.equal(hasher.digest().toHex(), expected)
  }
})

test('XXH64 gives the recorded values and agrees with its definition around every step', () => {
  assert.equal(codec.xxh64(utf8('abc')), 0x44bc2cf5ad770999n)
  for (const { size, xxh64 } of vectors.checksums) {
    assert.equal(codec.xxh64(patternBytes(size)), xxh64)
  }
  for (let size = 0; size <= 200; size++) {
    const data = patternBytes(size)
    const seed64 = BigInt(size) * 0x9e3779b97f4a7c15n
    assert.equal(codec.xxh64(data, seed64), plainXxh64(data, BigInt.asUintN(64, seed64)))
  }
})

test('XXH3 gives published values and agrees with its definition for every length', () => {
  assert.equal(codec.xxh3(utf8('')), 0x2d06800538d394c2n)
  assert.equal(codec.xxh3(utf8('a')), 0xe6c632b61e964e1fn)
  assert.equal(codec.xxh3(utf8('abc')), 0x78af5f94892f3950n)
  // Made by hash-wasm 4.13.0, which wraps the reference implementation.
  for (const { size, hash } of vectors.xxh3) {
    assert.equal(codec.xxh3(patternBytes(size)), hash)
  }
  for (let size = 0; size <= 700; size++) {
    const data = patternBytes(size)
    assert.equal(codec.xxh3(data), plainXxh3(XXH3_SECRET, data), `${size} bytes`)
  }
})

test('hashes do not depend on where the data lies, also beyond the copy window', async () => {
  const sizes = [0, 1, 1023, 1024, 1025, 2049, COPY_WINDOW_SIZE - 1, COPY_WINDOW_SIZE]
  for (const size of [...sizes, COPY_WINDOW_SIZE + 1, 2 * COPY_WINDOW_SIZE, 300_001]) {
    const data = patternBytes(size)
    using slot = await codec.arena.acquire(size + 3)
    const inArena = slot.bytes.subarray(3)
    inArena.set(data)
    assert.equal(codec.xxh64(inArena, 7n), codec.xxh64(data, 7n))
    assert.equal(codec.xxh64(data, 7n), plainXxh64(data, 7n))
    assert.equal(codec.xxh3(inArena), codec.xxh3(data))
    assertBytes(codec.highwayHash256(inArena), codec.highwayHash256(data))
    assert.equal(inPieces(inArena, 100_000), codec.highwayHash256(data).toHex())
  }
})

test('SipHash gives the values of the disk format', () => {
  const key = Uint8Array.fromHex('4a0a3d2e7c5b4b539b7c1c0e6f2d8a11')
  const cases: [string, bigint][] = [
    ['config/config.json', 0x3b2cd8987ce025fcn],
    ['photos/2024/a.jpg', 0x9c4894f7b753ba8en],
    ['photos/2024__XLDIR__', 0xbdd81db223017884n],
    ['buckets/mybucket/.metadata.bin', 0xf8a9859a12d0c1c1n],
    ['pool.bin', 0xc1e64d135032bb1bn],
  ]
  for (const [name, hash] of cases) assert.equal(codec.sipHash24(key, utf8(name)), hash)
  const setKey = Uint8Array.fromHex('f5c58c6171754018ab5ea94fe9c2de4e')
  const sets: [Uint8Array, bigint, number][] = [
    [utf8('object'), 37n, 28],
    [utf8('The Shining Script <v1>.pdf'), 38n, 142],
    [utf8('Cost Benefit Analysis (2009-2010).pptx'), 59n, 133],
    [Uint8Array.of(0xff, 0xfe, 0xfd), 147n, 61],
    [utf8('SHØRT'), 49n, 97],
    [utf8('a/b/c/'), 159n, 193],
    [utf8('/a/b/c'), 96n, 116],
  ]
  for (const [name, sip, crc] of sets) {
    assert.equal(codec.sipHash24(setKey, name) % 200n, sip)
    assert.equal(codec.crc32(name) % 200, crc)
  }
})

test('SipHash agrees with the recorded values and with its definition', () => {
  const key = new Uint8Array(16)
  new DataView(key.buffer).setBigInt64(0, 5n, true)
  new DataView(key.buffer).setBigInt64(8, -7n, true)
  for (const { size, sipHash24 } of vectors.checksums) {
    if (size > COPY_WINDOW_SIZE) continue
    assert.equal(codec.sipHash24(key, patternBytes(size)), sipHash24)
  }
  for (let size = 0; size <= 70; size++) {
    const data = patternBytes(size)
    assert.equal(codec.sipHash24(key, data), plainSipHash24(key, data))
  }
})

function inPieces(data: Uint8Array, pieceSize: number): string {
  const hasher = codec.highwayHasher()
  for (let offset = 0; offset < data.length; offset += pieceSize) {
    hasher.update(data.subarray(offset, offset + pieceSize))
  }
  return hasher.digest().toHex()
}

function counting(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i)
}
