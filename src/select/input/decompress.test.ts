import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { concatBytes } from '#base/bytes'
import { assertBytes } from '#testing/bytes'
import { testCodec } from '#testing/engine-fixture'
import { SelectError } from '../select-error.ts'
import type { CompressionType } from '../select.ts'
import {
  EMPTY_BZIP2,
  EMPTY_LZ4,
  RUNS,
  RUNS_BZIP2,
  RUNS_LZ4,
  TEXT,
  TEXT_BZIP2,
  TEXT_LZ4,
  TEXT_LZ4_LINKED,
} from '../testing/compressed-samples.ts'
import { bytesOf, streamOf } from '../testing/run-select.ts'
import { decompressed } from './decompress.ts'

const codec = testCodec()

async function contentOf(
  type: CompressionType,
  data: Uint8Array,
  pieceBytes?: number,
): Promise<Uint8Array> {
  return bytesOf(await decompressed(streamOf(data, pieceBytes), type, codec))
}

async function errorOf(type: CompressionType, data: Uint8Array): Promise<string> {
  try {
    await contentOf(type, data)
  } catch (error) {
    assert.ok(error instanceof SelectError, String(error))
    return error.code
  }
  return 'none'
}

function s2Of(plain: Uint8Array): Uint8Array {
  const target = new Uint8Array(plain.length + 1000)
  return target.slice(0, codec.s2Encoder().encode(plain, target))
}

const SAMPLES: readonly (readonly [CompressionType, Uint8Array, Uint8Array])[] = [
  ['GZIP', gzipSync(TEXT), TEXT],
  ['GZIP', gzipSync(RUNS), RUNS],
  ['ZSTD', zstdCompressSync(TEXT), TEXT],
  ['ZSTD', zstdCompressSync(RUNS), RUNS],
  ['BZIP2', TEXT_BZIP2, TEXT],
  ['BZIP2', RUNS_BZIP2, RUNS],
  ['LZ4', TEXT_LZ4, TEXT],
  ['LZ4', TEXT_LZ4_LINKED, TEXT],
  ['LZ4', RUNS_LZ4, RUNS],
  ['S2', s2Of(TEXT), TEXT],
]

test('every format is read from pieces of any size', async () => {
  for (const [type, data, plain] of SAMPLES) {
    for (const pieceBytes of [1, 7, 4096]) {
      assertBytes(await contentOf(type, data, pieceBytes), plain, `${type} by ${pieceBytes}`)
    }
  }
})

test('streams that follow each other are one', async () => {
  for (const [type, data, plain] of SAMPLES) {
    const twice = await contentOf(type, concatBytes([data, data]))
    assertBytes(twice, concatBytes([plain, plain]), type)
  }
})

test('empty streams have no content', async () => {
  assert.equal((await contentOf('BZIP2', EMPTY_BZIP2)).length, 0)
  assert.equal((await contentOf('LZ4', EMPTY_LZ4)).length, 0)
  assert.equal((await contentOf('GZIP', gzipSync(''))).length, 0)
})

test('a stream that is cut anywhere is truncated', async () => {
  for (const [type, data] of SAMPLES) {
    const step = type === 'S2' || type === 'ZSTD' ? data.length - 1 : 37
    for (let size = data.length - 1; size > 10; size -= step) {
      assert.equal(await errorOf(type, data.subarray(0, size)), 'TruncatedInput', `${type} ${size}`)
    }
  }
})

test('a flipped bit is found by the formats that have checksums', async () => {
  for (const [type, data] of SAMPLES) {
    if (type === 'ZSTD') continue
    for (let at = 40; at < data.length - 10; at += 97) {
      const broken = data.slice()
      broken[at] = (broken[at] ?? 0) ^ 0x10
      if (data === TEXT_LZ4 || data === RUNS_LZ4) {
        await contentOf(type, broken).catch((error: unknown) =>
          assert.ok(error instanceof SelectError),
        )
        continue
      }
      assert.equal(await errorOf(type, broken), 'TruncatedInput', `${type} at ${at}`)
    }
  }
})

test('an object in another format says so', async () => {
  const types: readonly CompressionType[] = ['GZIP', 'ZSTD', 'BZIP2', 'LZ4', 'S2', 'SNAPPY']
  for (const type of types) {
    assert.equal(await errorOf(type, TEXT), 'InvalidCompressionFormat', type)
  }
})
