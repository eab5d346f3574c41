import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  blockCount,
  blockOffset,
  blockShardSize,
  blockSize,
  framedFileSize,
  shardSize,
  shardStreamSize,
} from './shard-layout.ts'

const MIB = 1_048_576

test('shards of a full block have the sizes of the specification', () => {
  const sizes = [
    1_048_576, 524_288, 349_526, 262_144, 209_716, 174_763, 149_797, 131_072, 116_509, 104_858,
    95_326, 87_382, 80_660, 74_899, 69_906, 65_536,
  ]
  for (const [i, size] of sizes.entries()) {
    assert.equal(shardSize({ dataShards: i + 1, blockSizeBytes: MIB }), size)
  }
})

const FILES: readonly (readonly [number, number, number, number])[] = [
  // part, data shards, stream, file
  [0, 2, 0, 0],
  [1, 2, 1, 33],
  [12, 2, 6, 38],
  [131_072, 2, 65_536, 65_568],
  [262_144, 2, 131_072, 131_104],
  [1_048_576, 2, 524_288, 524_320],
  [1_048_577, 2, 524_289, 524_353],
  [5_242_880, 4, 1_310_720, 1_310_880],
  [5_242_883, 4, 1_310_721, 1_310_913],
  [5_242_883, 12, 436_911, 437_103],
  [10_486_260, 3, 3_495_427, 3_495_779],
]

test('streams and files have the sizes of the specification', () => {
  for (const [part, dataShards, stream, file] of FILES) {
    const shape = { dataShards, blockSizeBytes: MIB }
    assert.equal(shardStreamSize(part, shape), stream)
    assert.equal(framedFileSize(part, shape), file)
  }
  assert.equal(framedFileSize(-1, { dataShards: 2, blockSizeBytes: MIB }), -1)
})

test('blocks lie one after the other and fill the file', () => {
  for (const [part, dataShards, , file] of FILES) {
    const shape = { dataShards, blockSizeBytes: MIB }
    let offset = 0
    let content = 0
    for (let i = 0; i < blockCount(part, shape); i++) {
      assert.equal(blockOffset(i, shape), offset)
      offset += 32 + blockShardSize(i, part, shape)
      content += blockSize(i, part, shape)
    }
    assert.equal(offset, file)
    assert.equal(content, part)
  }
})
