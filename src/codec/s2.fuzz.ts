import assert from 'node:assert/strict'
import { concatBytes } from '#base/bytes'
import type { Random } from '#base/random'
import { assertBytes } from '#testing/bytes'
import { fuzz } from '#testing/fuzz'
import { createCodecSeed } from './arena.ts'
import { S2_SLACK_SIZE } from './kernels/s2.ts'
import { S2_OVERHEAD_MAX, S2Decoder, S2Encoder } from './s2.ts'
import { decodeElements, decodeS2Block, encodeS2Block, S2Error } from './s2-block.ts'
import { parseS2Index, S2IndexBuilder } from './s2-index.ts'
import { plainDecodeS2 } from './testing/plain-s2.ts'
import { Workspace } from './workspace.ts'

const workspace = new Workspace(createCodecSeed({ regionSizesBytes: [2 ** 20] }), 0)
const SIZE_MAX = 100_000

/** Content with repetitions near and far, long and short. */
function content(random: Random): Uint8Array {
  const size = random.below([30, 300, 5000, SIZE_MAX][random.below(4)] ?? 30)
  const out = new Uint8Array(size)
  let used = 0
  while (used < size) {
    const count = Math.min(size - used, 1 + random.below([4, 20, 100, 3000][random.below(4)] ?? 4))
    if (used > 0 && random.below(3) > 0) {
      const offset = 1 + random.below(Math.min(used, [8, 100, 70_000][random.below(3)] ?? 8))
      for (let i = 0; i < count; i++, used++) out[used] = out[used - offset] ?? 0
    } else {
      out.set(random.bytes(count), used)
      used += count
    }
  }
  return out
}

/** Any elements, most of which make sense. */
function elements(random: Random): Uint8Array {
  const out: number[] = []
  const count = random.below(40)
  for (let i = 0; i < count; i++) {
    const kind = random.below(5)
    if (kind === 0) out.push(...random.bytes(random.below(6)))
    else if (kind === 1) {
      const size = 1 + random.below(30)
      out.push((size - 1) << 2, ...random.bytes(size))
    } else if (kind === 2) out.push((random.below(64) << 2) | 2, random.below(40), 0)
    else if (kind === 3) out.push((random.below(8) << 2) | 1, random.below(30))
    else out.push((random.below(64) << 2) | 3, random.below(40), 0, 0, 0)
  }
  return Uint8Array.from(out)
}

function lengthOf(size: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = size; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

function decodeOrNot(block: Uint8Array): Uint8Array | undefined {
  try {
    return decodeS2Block(workspace, block, SIZE_MAX)
  } catch (error) {
    assert(error instanceof S2Error)
    return undefined
  }
}

fuzz('S2 blocks come back', (random) => {
  const plain = content(random)
  const { memory, at } = workspace
  const end = at.s2Encoded + plain.length + S2_SLACK_SIZE
  memory.fill(0xa5, end, end + 1000)
  const encoded = encodeS2Block(workspace, plain)?.slice()
  assert(memory.subarray(end, end + 1000).every((byte) => byte === 0xa5))
  if (encoded === undefined) return
  assert(encoded.length < plain.length)
  assertBytes(plainDecodeS2(encoded, SIZE_MAX), plain)
  assertBytes(decodeS2Block(workspace, encoded, SIZE_MAX), plain)
})

fuzz('damaged S2 blocks are what the plain decoder says', (random) => {
  let block: Uint8Array
  if (random.below(2) === 0) {
    const body = elements(random)
    const fitting = plainSizeOf(body)
    const size = random.below(4) === 0 ? random.below(300) : fitting
    block = concatBytes([lengthOf(size), body])
  } else {
    const encoded = encodeS2Block(workspace, content(random))?.slice() ?? random.bytes(20)
    for (let i = random.below(4); i >= 0; i--) {
      encoded[random.below(encoded.length)] = random.below(256)
    }
    block = encoded.subarray(0, encoded.length - random.below(2) * random.below(encoded.length))
  }
  assert.deepEqual(decodeOrNot(block), plainDecodeS2(block, SIZE_MAX))
})

/** Size that makes most of some elements valid: what they would give if nothing was wrong. */
function plainSizeOf(body: Uint8Array): number {
  for (let size = 0; size < 2000; size++) {
    if (plainDecodeS2(concatBytes([lengthOf(size), body]), SIZE_MAX) !== undefined) return size
  }
  return 50
}

fuzz('the decoder touches nothing beyond its slack', (random) => {
  const { memory, at } = workspace
  const body = random.below(2) === 0 ? random.bytes(random.below(200)) : elements(random)
  const source = at.s2Encoded
  const target = at.s2Plain + 1000
  const size = random.below(500)
  memory.set(body, source)
  memory.fill(0xa5, target - 1000, target)
  memory.fill(0xa5, target + size, target + size + 1000)
  try {
    decodeElements(workspace, source, body.length, target, size)
  } catch (error) {
    assert(error instanceof S2Error)
  }
  assert(memory.subarray(target - 1000, target).every((byte) => byte === 0xa5))
  const behind = memory.subarray(target + size + S2_SLACK_SIZE, target + size + 1000)
  assert(behind.every((byte) => byte === 0xa5))
})

fuzz('S2 streams, whole and damaged', (random) => {
  const plain = content(random)
  const encoder = new S2Encoder(workspace)
  const room = new Uint8Array(SIZE_MAX + S2_OVERHEAD_MAX)
  const stream = room.slice(0, plain.length === 0 ? 0 : encoder.encode(plain, room))
  const isDamaged = stream.length > 0 && random.below(2) === 0
  if (isDamaged) stream[random.below(stream.length)] = random.below(256)
  const decoder = new S2Decoder(workspace)
  const blocks: Uint8Array[] = []
  try {
    for (let start = 0; start < stream.length; ) {
      const piece = stream.subarray(start, start + 1 + random.below(3000))
      start += decoder.feed(piece)
      if (decoder.blockSize !== undefined) blocks.push(decoder.take().slice())
    }
    decoder.end()
  } catch (error) {
    assert(isDamaged && error instanceof S2Error)
    return
  }
  // A block may turn into a chunk to be skipped: nothing but the size tells.
  const read = concatBytes(blocks)
  if (!isDamaged || read.length > 0) assertBytes(read, plain)
})

fuzz('S2 indexes', (random) => {
  const builder = new S2IndexBuilder(2 ** 20)
  const offsets: number[] = []
  let offset = 10
  for (let i = random.below(60); i >= 0; i--) {
    offsets.push(offset)
    builder.add(offset)
    offset += 1 + random.below(2 ** 20 + 8)
  }
  const plain = offsets.length * 2 ** 20
  const index = builder.build({ plain, encoded: random.below(2) === 0 ? undefined : offset })
  const expected = offsets.map((encoded, i) => ({ encoded, plain: i * 2 ** 20 }))
  assert.deepEqual(parseS2Index(index), expected)
  index[random.below(index.length)] = random.below(256)
  let before = { encoded: -1, plain: -1 }
  for (const entry of parseS2Index(index) ?? []) {
    assert(entry.encoded > before.encoded && entry.plain > before.plain)
    before = entry
  }
})
