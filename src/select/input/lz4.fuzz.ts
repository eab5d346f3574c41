import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { assertBytes } from '#testing/bytes'
import { fuzz } from '#testing/fuzz'
import { SelectError } from '../select-error.ts'
import { RUNS_BZIP2, TEXT_BZIP2 } from '../testing/compressed-samples.ts'
import { BitReader, OutOfBits } from './bit-reader.ts'
import { Bzip2Block } from './bzip2-block.ts'
import { decodeLz4Block } from './lz4-block.ts'

/** Sequences at random, with the content that they stand for. */
function sample(random: Random): { readonly block: Uint8Array; readonly plain: Uint8Array } {
  const block: number[] = []
  const plain: number[] = []
  const count = random.below(20)
  for (let i = 0; i <= count; i++) {
    const literals = random.below(random.below(10) === 0 ? 600 : 20) + (i === 0 ? 1 : 0)
    const match = i === count ? 0 : 4 + random.below(random.below(10) === 0 ? 600 : 30)
    block.push((Math.min(15, literals) << 4) | Math.min(15, Math.max(0, match - 4)))
    pushLength(block, literals)
    for (let k = 0; k < literals; k++) {
      const byte = random.below(256)
      block.push(byte)
      plain.push(byte)
    }
    if (match === 0) break
    const offset = 1 + random.below(Math.min(65_535, plain.length))
    block.push(offset & 0xff, offset >> 8)
    pushLength(block, match - 4)
    for (let k = 0; k < match; k++) plain.push(plain[plain.length - offset] ?? 0)
  }
  return { block: Uint8Array.from(block), plain: Uint8Array.from(plain) }
}

function pushLength(block: number[], length: number): void {
  if (length < 15) return
  let rest = length - 15
  for (; rest >= 255; rest -= 255) block.push(255)
  block.push(rest)
}

fuzz('select: LZ4 blocks give their content', (random) => {
  const { block, plain } = sample(random)
  const output = new Uint8Array(plain.length + random.below(10))
  assert.equal(decodeLz4Block(block, output, 0), plain.length)
  assertBytes(output.subarray(0, plain.length), plain)
  if (plain.length > 0) {
    assert.equal(decodeLz4Block(block, new Uint8Array(plain.length - 1), 0), undefined)
  }
})

fuzz('select: LZ4 blocks of any bytes stay within their output', (random) => {
  const { block } = sample(random)
  for (let i = 0; i < 3; i++) block[random.below(block.length)] = random.below(256)
  const memory = new Uint8Array(4096).fill(0x55)
  const end = decodeLz4Block(block, memory.subarray(0, 2048), 100)
  assert.ok(end === undefined || end <= 2048)
  assert.ok(memory.subarray(2048).every((byte) => byte === 0x55))
  assert.ok(memory.subarray(0, 100).every((byte) => byte === 0x55))
})

fuzz('select: damaged blocks of bzip2 end', (random) => {
  const data = (random.below(2) === 0 ? TEXT_BZIP2 : RUNS_BZIP2).slice(10)
  for (let i = 0; i < 3; i++) data[random.below(data.length)] = random.below(256)
  const block = new Bzip2Block(100_000)
  try {
    for (const _ of block.decode(new BitReader(data, 0)));
    const output = new Uint8Array(1000)
    while (block.read(output) > 0);
  } catch (error) {
    assert.ok(error instanceof SelectError || error instanceof OutOfBits, String(error))
  }
})
