import { DriveError, type Drive, type DriveResult } from '#drive/drive'
import { dataDirName, LEGACY_DATA_DIR, type ObjectVersion } from '#drive/xl-meta'
import {
  areGoodFrames,
  blockCount,
  blockOffset,
  blockShardSize,
  framedFileSize,
  HASH_SIZE_BYTES,
  shardStreamSize,
} from '#drive/shard-layout'
import { fanOutTo } from '../quorum/fan-out.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import { PartFiles } from '../set/part-files.ts'
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
  return areGoodFrames(set.context.codec, framed, blockOffset(1, version))
}

/** What the files of a version look like from outside. By position: `good`, `bad` (missing or of another size), `unknown` (no answer). */
export async function lookAtFiles(
  set: ErasureSet,
  files: ShardFiles,
): Promise<readonly ('good' | 'bad' | 'unknown')[]> {
  const { version, copies } = files
  const names = version.parts.map(({ number }) => `part.${number}`)
  const outcomes = await fanOutTo(
    set.drives,
    (position) => copies[position] !== undefined,
    (drive, position) => sizesIn(drive, directoriesOf(files, position), files.bucket, names),
  )
  return outcomes.map((sizes, position) => {
    if (sizes instanceof DriveError) return 'unknown'
    const hashes = copies[position]?.wholeFileHashes
    const isWhole = version.parts.every(({ number, sizeBytes }, i) => {
      const expected = hashes?.has(number) === true ? shardStreamSize : framedFileSize
      return sizes[i] === expected(sizeBytes, version)
    })
    return isWhole ? 'good' : 'bad'
  })
}

/** Where a drive's parts may be; the first place that has a part counts. Source: disk-format.md 1.6. */
function directoriesOf({ path, copies }: ShardFiles, position: number): readonly string[] {
  const dataDir = copies[position]?.dataDir ?? ''
  if (dataDir === '') return [path]
  const directory = `${path}/${dataDirName(dataDir)}`
  return dataDir === LEGACY_DATA_DIR ? [directory, path] : [directory]
}

async function sizesIn(
  drive: Drive,
  directories: readonly string[],
  bucket: string,
  names: readonly string[],
): Promise<DriveResult<readonly (number | undefined)[]>> {
  let found: readonly (number | undefined)[] = names.map(() => undefined)
  for (const directory of directories) {
    const sizes = await drive.statFiles(bucket, directory, names)
    if (sizes instanceof DriveError) return sizes
    found = found.map((size, i) => size ?? sizes[i])
  }
  return found
}

/** Reads every block of the files, and answers the positions with one that does not verify. A drive that does not answer is not among them. */
export async function findRottenFiles(
  set: ErasureSet,
  shards: ShardFiles,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<number>> {
  const { bucket, path, version, copies } = shards
  const frameBytes = HASH_SIZE_BYTES + Math.ceil(version.blockSizeBytes / version.dataShards)
  const rotten = new Set<number>()
  const left = new Set<number>()
  for (const [position, copy] of copies.entries()) if (copy !== undefined) left.add(position)
  const files = new PartFiles(set, { bucket, path, body: version, copies, keepsOpen: false })
  using slot = await set.context.codec.arena.acquire(set.size * frameBytes, signal)
  for (const [partIndex, part] of version.parts.entries()) {
    await files.prepare(
      partIndex,
      copies.map((_, position) => (left.has(position) ? position : -1)),
    )
    for (const position of left) {
      if (files.isUsable(position, partIndex)) continue
      left.delete(position)
      rotten.add(position)
    }
    if (files.hashBytesOf(partIndex) === 0) continue
    for (let block = 0; block < blockCount(part.sizeBytes, version); block++) {
      if (left.size === 0 || signal?.aborted === true) return rotten
      const shardBytes = blockShardSize(block, part.sizeBytes, version)
      const outcomes = await fanOutTo(
        set.drives,
        (position) => left.has(position),
        (drive, position) => {
          const start = position * frameBytes
          const target = slot.bytes.subarray(start, start + HASH_SIZE_BYTES + shardBytes)
          return files.readFrames(drive, position, blockOffset(block, version), target)
        },
      )
      for (const position of left) {
        const outcome = outcomes[position]
        if (!(outcome instanceof DriveError)) continue
        left.delete(position)
        if (isDamage(outcome)) rotten.add(position)
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
