import { assert } from '#base/assert'
import { copyBytes } from '#base/bytes'
import { S2_SLACK_SIZE } from './kernels/s2.ts'
import { S2_INPUT_SIZE_MIN, S2_TABLE_BITS_MAX } from './kernels/s2-encoder.ts'
import { S2_BLOCK_SIZE_MAX, S2_ENCODED_SIZE_MAX } from './layout.ts'
import type { Workspace } from './workspace.ts'

/**
 * Single blocks of S2 and Snappy: a variable-length size, then elements. Source: encryption.md 8.4.
 */

/** The smallest table of the encoder; larger inputs get larger ones. */
const TABLE_BITS_MIN = 10
const LENGTH_BYTES_MAX = 5
/** What a block must save at least to be worth decoding: a 32nd. */
const SAVING_SHIFT = 5

/** What is wrong with compressed data. */
export class S2Error extends Error {
  override readonly name = 'S2Error'
}

/**
 * Compresses one block of at most S2_BLOCK_SIZE_MAX bytes, from any memory. Undefined: it hardly shrinks.
 * Ownership: the result lies in the workspace and is good until the next call.
 */
export function encodeS2Block(workspace: Workspace, plain: Uint8Array): Uint8Array | undefined {
  assert(plain.length <= S2_BLOCK_SIZE_MAX)
  if (plain.length < S2_INPUT_SIZE_MIN) return undefined
  const { at, kernels, memory } = workspace
  let source = workspace.addressOf(plain)
  // The kernel reads a little further, where there must be memory.
  if (source === undefined || source + plain.length + S2_SLACK_SIZE > memory.length) {
    source = at.s2Plain
    copyBytes(plain, memory, source)
  }
  const start = at.s2Encoded
  const headSize = writeLength(memory, start, plain.length)
  const limit = plain.length - (plain.length >> SAVING_SHIFT) - headSize
  const tableBits = Math.max(
    TABLE_BITS_MIN,
    Math.min(S2_TABLE_BITS_MAX, 32 - Math.clz32(plain.length - 1)),
  )
  const size = kernels.s2Encode(
    source,
    plain.length,
    start + headSize,
    limit,
    at.s2Table,
    tableBits,
  )
  assert(size <= limit)
  return size === 0 ? undefined : memory.subarray(start, start + headSize + size)
}

/** Size of the content that a block claims to have. Errors: `S2Error` for a damaged or larger one. */
export function s2BlockSize(block: Uint8Array, sizeMax: number): number {
  return readLength(block, sizeMax).size
}

/**
 * Decompresses one block, from any memory. At most `sizeMax` bytes, not over S2_BLOCK_SIZE_MAX, come out of it.
 * Ownership: the result lies in the workspace and is good until the next call. Errors: `S2Error`.
 */
export function decodeS2Block(
  workspace: Workspace,
  block: Uint8Array,
  sizeMax: number,
): Uint8Array {
  assert(sizeMax <= S2_BLOCK_SIZE_MAX)
  const { size, headSize } = readLength(block, sizeMax)
  if (block.length > S2_ENCODED_SIZE_MAX) throw new S2Error('Compressed block is too long')
  const { at, memory } = workspace
  copyBytes(block.subarray(headSize), memory, at.s2Encoded)
  decodeElements(workspace, at.s2Encoded, block.length - headSize, at.s2Plain, size)
  return memory.subarray(at.s2Plain, at.s2Plain + size)
}

/** Between addresses of the shared memory; S2_SLACK_SIZE bytes behind both ranges may be touched. Errors: `S2Error`. */
export function decodeElements(
  workspace: Workspace,
  source: number,
  sourceSize: number,
  target: number,
  targetSize: number,
): void {
  const isGood = workspace.kernels.s2Decode(
    source,
    source + sourceSize,
    target,
    target + targetSize,
  )
  if (isGood === 0) throw new S2Error('Compressed block is damaged')
}

/** The size in front of a block, and how many bytes it takes. */
function readLength(
  block: Uint8Array,
  sizeMax: number,
): { readonly size: number; readonly headSize: number } {
  let size = 0
  for (let i = 0; i < LENGTH_BYTES_MAX; i++) {
    const byte = block[i]
    if (byte === undefined) break
    size += (byte & 0x7f) * 2 ** (7 * i)
    if (byte >= 0x80) continue
    if (size > sizeMax) throw new S2Error(`Compressed block claims ${size} bytes`)
    return { size, headSize: i + 1 }
  }
  throw new S2Error('Compressed block has no size')
}

function writeLength(memory: Uint8Array, start: number, size: number): number {
  let rest = size
  let at = start
  while (rest >= 0x80) {
    memory[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  memory[at++] = rest
  return at - start
}
