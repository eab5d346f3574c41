import { equalBytes } from '#base/bytes'
import { DriveError } from '#drive/drive'
import { dataDirName, type ObjectVersion } from '#drive/xl-meta'
import { blockCount, blockOffset, blockShardSize, framedFileSize } from '#drive/shard-layout'
import { HASH_SIZE_BYTES } from '../context.ts'
import { fanOutTo } from '../quorum/fan-out.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import type { Copy } from '../set/set.ts'

/** Whether drives really have the shards that their metadata names. */

export interface ShardFiles {
  readonly bucket: string
  readonly path: string
  readonly version: ObjectVersion
  /** By position; undefined: not looked at. */
  readonly copies: readonly (Copy | undefined)[]
}

/** Whether framed bytes are a whole shard stream of the version's only part, with good hashes. */
export function isGoodInline(
  set: ErasureSet,
  version: ObjectVersion,
  framed: Uint8Array | undefined,
): boolean {
  const { sizeBytes } = version
  if (framed === undefined || framed.length !== framedFileSize(sizeBytes, version)) return false
  for (let block = 0; block < blockCount(sizeBytes, version); block++) {
    const start = blockOffset(block, version)
    const shardAt = start + HASH_SIZE_BYTES
    const shard = framed.subarray(shardAt, shardAt + blockShardSize(block, sizeBytes, version))
    const hash = set.context.codec.highwayHash256(shard)
    if (!equalBytes(hash, framed.subarray(start, shardAt))) return false
  }
  return true
}

/** What the files of a version look like from outside. By position: `good`, `bad` (missing or of another size), `unknown` (no answer). */
export async function lookAtFiles(
  set: ErasureSet,
  files: ShardFiles,
): Promise<readonly ('good' | 'bad' | 'unknown')[]> {
  const { bucket, path, version, copies } = files
  const names = version.parts.map(({ number }) => `part.${number}`)
  const outcomes = await fanOutTo(
    set.drives,
    (position) => copies[position] !== undefined,
    (drive, position) =>
      drive.statFiles(bucket, `${path}/${dataDirName(copies[position]?.dataDir ?? '')}`, names),
  )
  return outcomes.map((sizes) => {
    if (sizes instanceof DriveError) return 'unknown'
    const isWhole = version.parts.every(
      (part, i) => sizes[i] === framedFileSize(part.sizeBytes, version),
    )
    return isWhole ? 'good' : 'bad'
  })
}

/** Reads every block of the files, and answers the positions with one that does not verify. A drive that does not answer is not among them. */
export async function findRottenFiles(
  set: ErasureSet,
  files: ShardFiles,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<number>> {
  const { version, copies } = files
  const frameBytes = HASH_SIZE_BYTES + Math.ceil(version.blockSizeBytes / version.dataShards)
  const slotBytes = set.size * (frameBytes + HASH_SIZE_BYTES)
  const rotten = new Set<number>()
  const left = new Set<number>()
  for (const [position, copy] of copies.entries()) if (copy !== undefined) left.add(position)
  using slot = await set.context.codec.arena.acquire(slotBytes, signal)
  for (const part of version.parts) {
    for (let block = 0; block < blockCount(part.sizeBytes, version); block++) {
      if (left.size === 0 || signal?.aborted === true) return rotten
      const shardBytes = blockShardSize(block, part.sizeBytes, version)
      const outcomes = await fanOutTo(
        set.drives,
        (position) => left.has(position),
        (drive, position) => {
          const start = position * frameBytes
          const target = slot.bytes.subarray(start, start + HASH_SIZE_BYTES + shardBytes)
          const directory = dataDirName(copies[position]?.dataDir ?? '')
          const name = `${files.path}/${directory}/part.${part.number}`
          return drive.readFile(files.bucket, name, blockOffset(block, version), target)
        },
      )
      for (const position of left) {
        const outcome = outcomes[position]
        const start = position * frameBytes
        const hashAt = set.size * frameBytes + position * HASH_SIZE_BYTES
        if (outcome instanceof DriveError) {
          left.delete(position)
          if (isDamage(outcome)) rotten.add(position)
          continue
        }
        const dataAt = slot.offset + start + HASH_SIZE_BYTES
        set.context.codec.hashShards(dataAt, frameBytes, 1, shardBytes, slot.offset + hashAt)
        const stored = slot.bytes.subarray(start, start + HASH_SIZE_BYTES)
        if (equalBytes(stored, slot.bytes.subarray(hashAt, hashAt + HASH_SIZE_BYTES))) continue
        left.delete(position)
        rotten.add(position)
      }
    }
  }
  return rotten
}

/** An unreadable sector is damage of the file; a drive that is gone is not. */
function isDamage(error: DriveError): boolean {
  return (
    error.code === 'FileCorrupt' || error.code === 'FileNotFound' || error.code === 'DriveFaulty'
  )
}
