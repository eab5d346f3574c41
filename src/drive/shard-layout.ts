import { assert } from '#base/assert'
import { equalBytes } from '#base/bytes'
import type { Codec } from '#codec/codec'

/**
 * Sizes and offsets of shard files.
 *
 *   part.N on one drive:   hash 32 | shard of block 0 | hash 32 | shard of block 1 | ...
 *
 * Every part is cut into blocks by itself; a block's shards are all as long as the longest. Inline values are framed
 * the same way. Source: docs/formats/erasure.md; disk-format.md 3.2, 4.2.
 */

/** HighwayHash-256 in front of each shard of a block. */
export const HASH_SIZE_BYTES = 32

/** What frames are checked with. */
export type FrameHash = Pick<Codec, 'highwayHash256'>

/** What decides sizes; `ObjectVersion` has it. */
export interface BlockShape {
  readonly dataShards: number
  readonly blockSizeBytes: number
}

/** Bytes of one shard of a full block. */
export function shardSize(shape: BlockShape): number {
  return Math.ceil(shape.blockSizeBytes / shape.dataShards)
}

/** Bytes of one drive's shard stream for a part of `partBytes`, without hashes; -1 (unknown) stays -1. */
export function shardStreamSize(partBytes: number, shape: BlockShape): number {
  if (partBytes === -1) return -1
  assert(partBytes >= 0)
  const blocks = Math.floor(partBytes / shape.blockSizeBytes)
  const rest = partBytes - blocks * shape.blockSizeBytes
  return blocks * shardSize(shape) + Math.ceil(rest / shape.dataShards)
}

/** Bytes of one drive's file for a part of `partBytes`, hashes included; -1 stays -1. */
export function framedFileSize(partBytes: number, shape: BlockShape): number {
  if (partBytes === -1) return -1
  return shardStreamSize(partBytes, shape) + HASH_SIZE_BYTES * blockCount(partBytes, shape)
}

export function blockCount(partBytes: number, shape: BlockShape): number {
  return Math.ceil(partBytes / shape.blockSizeBytes)
}

/** Bytes of the content in a block. */
export function blockSize(blockIndex: number, partBytes: number, shape: BlockShape): number {
  return Math.min(shape.blockSizeBytes, partBytes - blockIndex * shape.blockSizeBytes)
}

/** Bytes of one shard of a block. */
export function blockShardSize(blockIndex: number, partBytes: number, shape: BlockShape): number {
  return Math.ceil(blockSize(blockIndex, partBytes, shape) / shape.dataShards)
}

/** Where a block's hash begins in a drive's file; the shard follows it. */
export function blockOffset(blockIndex: number, shape: BlockShape): number {
  return blockIndex * (shardSize(shape) + HASH_SIZE_BYTES)
}

/** Whether every frame of `framed` has the hash of its shard; the last one may be shorter. */
export function areGoodFrames(hashes: FrameHash, framed: Uint8Array, frameBytes: number): boolean {
  assert(frameBytes > HASH_SIZE_BYTES)
  for (let start = 0; start < framed.length; start += frameBytes) {
    const shardAt = start + HASH_SIZE_BYTES
    const hash = hashes.highwayHash256(framed.subarray(shardAt, start + frameBytes))
    if (!equalBytes(hash, framed.subarray(start, shardAt))) return false
  }
  return true
}
