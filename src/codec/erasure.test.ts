import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { assertBytes } from '#testing/bytes'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { codingMatrix } from './galois.ts'
import { patternBytes, plainCombination } from './testing/plain.ts'
import { readVectors } from './testing/vectors.ts'

const MIB = 2 ** 20
const vectors = readVectors()
const codecs = {
  'the engine’s best SIMD': new Codec(createCodecSeed({ regionSizesBytes: [4 * MIB] }), 0),
  'strict SIMD': new Codec(
    createCodecSeed({ regionSizesBytes: [4 * MIB], allowRelaxedSimd: false }),
    0,
  ),
}

test('the coding matrix has the rows of the disk format', () => {
  const cases: [number, number, string[]][] = [
    [1, 1, ['01']],
    [3, 1, ['010101']],
    [2, 2, ['0302', '0203']],
    [4, 2, ['1b1c1214', '1c1b1412']],
    [4, 4, ['1b1c1214', '1c1b1412', '12141b1c', '14121c1b']],
    [8, 4, ['1a84ba33e710c627', '841a33ba10e727c6', 'ba331a84c627e710', '33ba841a27c610e7']],
    [
      12,
      4,
      [
        'afb4968cf5e8c4d81b1c1214',
        'b4af8c96e8f5d8c41c1b1412',
        '968cafb4c4d8f5e812141b1c',
        '8c96b4afd8c4e8f514121c1b',
      ],
    ],
  ]
  for (const [data, parity, rows] of cases) {
    const matrix = codingMatrix(data, parity)
    assert.deepEqual(
      matrix.slice(data).map((row) => row.toHex()),
      rows,
    )
    for (let r = 0; r < data; r++) {
      assertBytes(
        matrix[r],
        Uint8Array.from({ length: data }, (_, c) => (c === r ? 1 : 0)),
      )
    }
  }
})

for (const [kind, codec] of Object.entries(codecs)) {
  test(`encoding gives the shards of the disk format with ${kind}`, async () => {
    assert.deepEqual(await encode(codec, 2, 2, utf8('hello world!')), [
      '68656c6c6f20',
      '776f726c6421',
      '5671506c7922',
      '497b4e6c7223',
    ])
    assert.deepEqual(await encode(codec, 4, 2, utf8('The quick brown fox jumps over!')), [
      '5468652071756963',
      '6b2062726f776e20',
      '666f78206a756d70',
      '73206f7665722100',
      '2f6c4eda9221bcf0',
      'ec362990ea3d1c19',
    ])
  })

  test(`encoding passes the self-check of the disk format with ${kind}`, async () => {
    const checks: [number, number, bigint][] = [
      [2, 2, 0x23fb21be2496f5d3n],
      [4, 2, 0x62b9552945504fefn],
      [4, 4, 0x09a07581dcd03da8n],
      [8, 4, 0x03ba5e9b41bf07f0n],
      [12, 3, 0xd5ce58368ae90b13n],
    ]
    const block = Uint8Array.from({ length: 256 }, (_, i) => i)
    for (const [data, parity, expected] of checks) {
      const shards = await encode(codec, data, parity, block)
      const numbered = shards.map((shard, i) => i.toString(16).padStart(2, '0') + shard).join('')
      assert.equal(codec.xxh64(Uint8Array.fromHex(numbered)), expected)
    }
  })

  test(`encoding gives the recorded shards with ${kind}`, async () => {
    for (const { data, parity, size, digest } of vectors.reedSolomon) {
      const shards = await encode(codec, data, parity, patternBytes(size))
      const digests = shards.map((shard) => sha256(Uint8Array.fromHex(shard)))
      assert.equal(sha256(utf8(digests.join(''))), digest)
    }
  })

  test(`any missing shards are reconstructed with ${kind}`, async () => {
    for (const [data, parity] of [
      [1, 1],
      [2, 2],
      [4, 2],
      [3, 5],
      [8, 7],
    ] as const) {
      for (const shardSize of [1, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 200]) {
        const coder = codec.erasureCoder(data, parity)
        const stride = shardSize + 9
        using slot = await codec.arena.acquire(stride * (data + parity))
        const shards = plainShards(data, parity, shardSize)
        for (let start = 0; start < data + parity; start++) {
          const present = missingFrom(start, data + parity, parity)
          const missing = [...present.keys()].filter((i) => present[i] === false)
          slot.bytes.fill(0xa5)
          for (const [i, shard] of shards.entries()) {
            if (present[i] === true) slot.bytes.set(shard, i * stride)
          }
          const wanted = missing.slice(start % 2)
          coder.reconstruct(slot.offset, stride, shardSize, present, wanted)
          for (const [i, shard] of shards.entries()) {
            const there = slot.bytes.slice(i * stride, i * stride + shardSize)
            const isLeftAlone = present[i] === false && !wanted.includes(i)
            assertBytes(there, isLeftAlone ? new Uint8Array(shardSize).fill(0xa5) : shard)
            const gap = slot.bytes.slice(i * stride + shardSize, (i + 1) * stride)
            assertBytes(gap, new Uint8Array(9).fill(0xa5))
          }
        }
      }
    }
  })
}

test('shards have the sizes of the disk format', () => {
  const codec = codecs['strict SIMD']
  const sizes = [
    1048576, 524288, 349526, 262144, 209716, 174763, 149797, 131072, 116509, 104858, 95326, 87382,
    80660, 74899, 69906, 65536,
  ]
  for (const [i, size] of sizes.entries()) {
    assert.equal(codec.erasureCoder(i + 1, 0).shardSize(MIB), size)
  }
  assert.equal(codec.erasureCoder(4, 4).shardSize(0), 0)
})

test('without parity only the tail is zeroed, and nothing behind it is touched', async () => {
  const codec = codecs['strict SIMD']
  const coder = codec.erasureCoder(3, 0)
  using slot = await codec.arena.acquire(16)
  slot.bytes.fill(0xff)
  coder.encode(slot.offset, 10)
  assert.equal(slot.bytes.slice().toHex(), `${'ff'.repeat(10)}0000${'ff'.repeat(4)}`)
})

test('coding tables are placed anew when their area is full', async () => {
  const codec = codecs['strict SIMD']
  for (let round = 0; round < 2; round++) {
    for (let data = 1; data <= 16; data++) {
      for (let parity = 1; parity <= 16; parity++) {
        const shards = await encode(codec, data, parity, patternBytes(data * 33))
        const expected = plainShards(data, parity, 33)
        assert.deepEqual(
          shards,
          expected.map((shard) => shard.toHex()),
        )
      }
    }
  }
})

test('wrong use is a failed assertion', async () => {
  const codec = codecs['strict SIMD']
  assert.throws(() => codec.erasureCoder(0, 1), /Assertion/)
  assert.throws(() => codec.erasureCoder(20, 20), /Assertion/)
  const coder = codec.erasureCoder(2, 1)
  using slot = await codec.arena.acquire(300)
  const reconstruct = (present: boolean[], wanted: number[]): void =>
    coder.reconstruct(slot.offset, 100, 100, present, wanted)
  assert.throws(() => reconstruct([true, false, false], [1]), /Too few shards/)
  assert.throws(() => reconstruct([true, true, false], [1]), /Assertion/)
  assert.throws(() => reconstruct([true, true], [1]), /Assertion/)
  assert.throws(() => coder.encode(codec.memory.length - 100, 100), /Assertion/)
})

async function encode(
  codec: Codec,
  data: number,
  parity: number,
  block: Uint8Array,
): Promise<string[]> {
  const coder = codec.erasureCoder(data, parity)
  const shardSize = coder.shardSize(block.length)
  using slot = await codec.arena.acquire(shardSize * (data + parity))
  slot.bytes.fill(0xff)
  slot.bytes.set(block)
  coder.encode(slot.offset, block.length)
  return Array.from({ length: data + parity }, (_, i) =>
    slot.bytes.slice(i * shardSize, (i + 1) * shardSize).toHex(),
  )
}

function plainShards(data: number, parity: number, shardSize: number): Uint8Array[] {
  const block = patternBytes(data * shardSize)
  const dataShards = Array.from({ length: data }, (_, i) =>
    block.slice(i * shardSize, (i + 1) * shardSize),
  )
  return codingMatrix(data, parity).map((row) => plainCombination(row, dataShards))
}

/** Which of `count` shards are present when `missing` of them, from `start` on and around the end, are not. */
function missingFrom(start: number, count: number, missing: number): boolean[] {
  return Array.from({ length: count }, (_, i) => (i - start + count) % count >= missing)
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
