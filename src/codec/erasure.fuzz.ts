import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { assertBytes } from '#testing/bytes'
import { fuzz } from '#testing/fuzz'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { codingMatrix } from './galois.ts'
import { plainCombination } from './testing/plain.ts'

const relaxed = new Codec(createCodecSeed({ regionSizesBytes: [2 ** 20] }), 0)
const strict = new Codec(
  createCodecSeed({ regionSizesBytes: [2 ** 20], allowRelaxedSimd: false }),
  0,
)

fuzz('encode and reconstruct', (random) => {
  const codec = random.below(2) === 0 ? relaxed : strict
  const data = 1 + random.below(16)
  const parity = random.below(17)
  const coder = codec.erasureCoder(data, parity)
  const block = random.bytes(1 + random.below(20 * data))
  const shardSize = coder.shardSize(block.length)
  const shards = plainShards(data, parity, shardSize, block)
  using slot = codec.arena.tryAcquire(shardSize * (data + parity))
  assert(slot !== undefined)

  slot.bytes.fill(0xff)
  slot.bytes.set(block)
  coder.encode(slot.offset, block.length)
  check(slot.bytes, shards, shardSize)

  const present = chooseMissing(random, data + parity, random.below(parity + 1))
  for (let i = 0; i < present.length; i++) {
    if (present[i] === false) slot.bytes.fill(0x55, i * shardSize, (i + 1) * shardSize)
  }
  const wanted = [...present.keys()].filter((i) => present[i] === false)
  coder.reconstruct(slot.offset, shardSize, shardSize, present, wanted)
  check(slot.bytes, shards, shardSize)
})

function plainShards(
  data: number,
  parity: number,
  shardSize: number,
  block: Uint8Array,
): Uint8Array[] {
  const padded = new Uint8Array(data * shardSize)
  padded.set(block)
  const dataShards = Array.from({ length: data }, (_, i) =>
    padded.subarray(i * shardSize, (i + 1) * shardSize),
  )
  return codingMatrix(data, parity).map((row) => plainCombination(row, dataShards))
}

function check(bytes: Uint8Array, shards: readonly Uint8Array[], shardSize: number): void {
  for (const [i, shard] of shards.entries()) {
    assertBytes(bytes.slice(i * shardSize, (i + 1) * shardSize), shard)
  }
}

function chooseMissing(random: Random, count: number, missing: number): boolean[] {
  const present = Array.from({ length: count }, () => true)
  for (let left = missing; left > 0; ) {
    const i = random.below(count)
    if (present[i] === true) {
      present[i] = false
      left--
    }
  }
  return present
}
