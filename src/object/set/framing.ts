import type { Shape } from './set.ts'
import { HASH_SIZE_BYTES } from '../context.ts'

/** Bytes of one shard of a full block. */
export function shardSizeOf(shape: Pick<Shape, 'dataShards' | 'blockSizeBytes'>): number {
  return Math.ceil(shape.blockSizeBytes / shape.dataShards)
}

/** Bytes of one drive's shard stream for a part, without hashes. Source: disk-format.md 3.2. */
export function shardFileSize(
  partBytes: number,
  shape: Pick<Shape, 'dataShards' | 'blockSizeBytes'>,
): number {
  const fullBlocks = Math.floor(partBytes / shape.blockSizeBytes)
  const rest = partBytes - fullBlocks * shape.blockSizeBytes
  return fullBlocks * shardSizeOf(shape) + Math.ceil(rest / shape.dataShards)
}

/** Bytes of a shard stream with a hash in front of each block. Source: disk-format.md 4.2. */
export function framedSize(
  fileBytes: number,
  shape: Pick<Shape, 'dataShards' | 'blockSizeBytes'>,
): number {
  return Math.ceil(fileBytes / shardSizeOf(shape)) * HASH_SIZE_BYTES + fileBytes
}
