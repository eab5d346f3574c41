import { assert } from '#base/assert'
import { DriveError } from '#drive/drive'
import { framedFileSize, HASH_SIZE_BYTES, shardSize } from '#drive/shard-layout'
import type { ObjectVersion, PartHash } from '#drive/xl-meta'
import { fanOutTo } from '../quorum/fan-out.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import { copyFrames, PartFiles, wholeFileHasher } from '../set/part-files.ts'
import type { Copy } from '../set/set.ts'

/**
 * Rebuilds the shards of one version that some drives lack: reads d good shards of each block, computes the wanted
 * ones, and stages them on the drives that lack them, or returns them for the metadata.
 *
 * Layout of the slot of one block, for N shards of S bytes:   | N frames: hash, shard |
 *
 * Files of objects of before 2020 may have one hash for the whole instead: then the place of the hash stays empty, files
 * are verified before they are used, and the hashes of the new files are computed while they are written.
 */

/** Where shards can come from, and where they must go. */
export interface RebuildPlan {
  readonly bucket: string
  readonly path: string
  readonly version: ObjectVersion
  /** By position: what the drive has of the version; undefined: no shard to give. */
  readonly sources: readonly (Copy | undefined)[]
  readonly isInline: boolean
  /** Positions to write. */
  readonly targets: readonly number[]
  /** Folder below TMP_VOLUME for files. */
  readonly folder: string
  readonly signal?: AbortSignal | undefined
}

export interface Rebuilt {
  /** Positions of `targets` that have everything now. */
  readonly complete: readonly number[]
  /** By position: framed shards for the metadata, for inline versions. */
  readonly inline: ReadonlyMap<number, Uint8Array>
  /** By position: hashes of whole files, where these take the place of hashes of blocks. */
  readonly partHashes: ReadonlyMap<number, readonly PartHash[]>
}

/** Undefined: too few good shards, or aborted. Staged files of the folder are left to the caller to commit or discard. */
export async function rebuildShards(
  set: ErasureSet,
  plan: RebuildPlan,
): Promise<Rebuilt | undefined> {
  const rebuild = new Rebuild(set, plan)
  return rebuild.run()
}

class Rebuild {
  readonly #set: ErasureSet
  readonly #plan: RebuildPlan
  readonly #shardSize: number
  /** By position: no longer asked for the part at hand. */
  readonly #isBad: boolean[]
  readonly #isLost: boolean[]
  readonly #inline = new Map<number, Uint8Array>()
  readonly #files: PartFiles
  /** In front of each shard of the part at hand: 32, or 0 when its files have one hash each. */
  #hashBytes = HASH_SIZE_BYTES
  #partIndex = 0
  /** A drive hangs in a read, and may yet write over what is rebuilt in its place: this memory is given up. */
  #isUnsafe = false
  /** By position: of the file that is being written. */
  readonly #hashers = new Map<number, ReturnType<typeof wholeFileHasher>>()
  readonly #partHashes = new Map<number, PartHash[]>()

  constructor(set: ErasureSet, plan: RebuildPlan) {
    this.#set = set
    this.#plan = plan
    this.#shardSize = shardSize(plan.version)
    const { bucket, path, version, sources } = plan
    this.#files = new PartFiles(set, {
      bucket,
      path,
      body: version,
      copies: sources,
      keepsOpen: false,
    })
    this.#isBad = set.drives.map(() => false)
    this.#isLost = set.drives.map(() => false)
    for (const position of plan.targets) assert(set.drives[position] !== undefined)
  }

  async run(): Promise<Rebuilt | undefined> {
    const { version, isInline, targets } = this.#plan
    const frameBytes = HASH_SIZE_BYTES + this.#shardSize
    if (isInline) {
      const framed = framedFileSize(version.sizeBytes, version)
      for (const position of targets) this.#inline.set(position, new Uint8Array(framed))
    }
    using slot = await this.#set.context.codec.arena.acquire(
      this.#set.size * frameBytes,
      this.#plan.signal,
    )
    for (const [partIndex, part] of version.parts.entries()) {
      this.#isBad.fill(false)
      await this.#beginPart(partIndex)
      const blockCount = Math.ceil(part.sizeBytes / version.blockSizeBytes)
      for (let block = 0; block < Math.max(1, blockCount); block++) {
        const blockBytes = Math.min(
          version.blockSizeBytes,
          part.sizeBytes - block * version.blockSizeBytes,
        )
        const shardBytes = Math.ceil(blockBytes / version.dataShards)
        const isRead = await this.#readBlock(slot, block, shardBytes)
        if (!isRead || this.#plan.signal?.aborted === true) return undefined
        const isLast = block + 1 >= blockCount
        await this.#writeBlock(slot, part.number, block, shardBytes, isLast)
      }
      this.#endPart(part.number)
    }
    const complete = targets.filter((position) => this.#isLost[position] !== true)
    return { complete, inline: this.#inline, partHashes: this.#partHashes }
  }

  async #beginPart(partIndex: number): Promise<void> {
    this.#partIndex = partIndex
    this.#hashBytes = HASH_SIZE_BYTES
    this.#hashers.clear()
    if (this.#plan.isInline) return
    const { sources, targets } = this.#plan
    await this.#files.prepare(
      partIndex,
      sources.map((copy) => (copy === undefined ? -1 : copy.shardIndex)),
    )
    this.#hashBytes = this.#files.hashBytesOf(partIndex)
    const algorithm = this.#files.wholeFileAlgorithmOf(partIndex)
    if (algorithm === undefined) return
    for (const position of targets) {
      this.#hashers.set(position, wholeFileHasher(this.#set.context.codec, algorithm))
    }
  }

  #endPart(partNumber: number): void {
    const algorithm = this.#files.wholeFileAlgorithmOf(this.#partIndex)
    if (algorithm === undefined) return
    for (const [position, hasher] of this.#hashers) {
      const hashes = this.#partHashes.get(position) ?? []
      hashes.push({ partNumber, algorithm, hash: hasher.digest() })
      this.#partHashes.set(position, hashes)
    }
  }

  /** Fills and verifies d shards, then computes those of the targets. False: too few are good. */
  async #readBlock(
    slot: { readonly offset: number; readonly bytes: Uint8Array },
    block: number,
    shardBytes: number,
  ): Promise<boolean> {
    if (shardBytes === 0) return true
    const { version, targets } = this.#plan
    const { codec } = this.#set.context
    const stride = HASH_SIZE_BYTES + this.#shardSize
    const present: boolean[] = version.distribution.map(() => false)
    let isLastTry = false
    for (;;) {
      const missing = version.dataShards - present.filter(Boolean).length
      if (missing === 0) break
      const chosen = this.#chooseSources(present, missing)
      if (chosen.length < missing) {
        if (isLastTry) return false
        // A file that is bad in another block may be good in this one.
        isLastTry = true
        this.#isBad.fill(false)
        continue
      }
      const frameOf = (position: number): Uint8Array => {
        const dataAt = this.#sourceShardOf(position) * stride + HASH_SIZE_BYTES
        return slot.bytes.subarray(dataAt - this.#hashBytes, dataAt + shardBytes)
      }
      await this.#readFrames(chosen, block * (this.#hashBytes + this.#shardSize), frameOf)
      if (this.#isUnsafe) return false
      for (const position of chosen) {
        if (this.#isBad[position] === true) continue
        present[this.#sourceShardOf(position)] = true
      }
    }
    const wanted = targets
      .map((position) => this.#targetShardOf(position))
      .filter((shard) => present[shard] !== true)
    const dataAt = slot.offset + HASH_SIZE_BYTES
    codec
      .erasureCoder(version.dataShards, version.parityShards)
      .reconstruct(dataAt, stride, shardBytes, present, wanted)
    for (const shard of wanted) {
      codec.hashShards(dataAt + shard * stride, stride, 1, shardBytes, slot.offset + shard * stride)
    }
    return true
  }

  /** Positions that hold `count` different shards which are not present yet. */
  #chooseSources(present: readonly boolean[], count: number): number[] {
    const chosen: number[] = []
    const taken = new Set<number>()
    for (let position = 0; position < this.#set.size && chosen.length < count; position++) {
      if (this.#plan.sources[position] === undefined || this.#isBad[position] === true) continue
      if (!this.#files.isUsable(position, this.#partIndex)) continue
      const shard = this.#sourceShardOf(position)
      if (present[shard] === true || taken.has(shard)) continue
      taken.add(shard)
      chosen.push(position)
    }
    return chosen
  }

  async #readFrames(
    positions: readonly number[],
    offset: number,
    targetOf: (position: number) => Uint8Array,
  ): Promise<void> {
    const { sources, isInline } = this.#plan
    if (isInline) {
      for (const position of positions) {
        const frames = sources[position]?.inline ?? new Uint8Array(0)
        const frameBytes = HASH_SIZE_BYTES + this.#shardSize
        const { codec } = this.#set.context
        const outcome = copyFrames(codec, frames, offset, targetOf(position), frameBytes)
        if (outcome !== undefined) this.#isBad[position] = true
      }
      return
    }
    const outcomes = await fanOutTo(
      this.#set.drives,
      (position) => positions.includes(position),
      (drive, position) => this.#files.readFrames(drive, position, offset, targetOf(position)),
    )
    for (const position of positions) {
      const outcome = outcomes[position]
      if (!(outcome instanceof DriveError)) continue
      this.#isBad[position] = true
      if (outcome.settled !== undefined) this.#isUnsafe = true
    }
  }

  async #writeBlock(
    slot: { readonly bytes: Uint8Array },
    partNumber: number,
    block: number,
    shardBytes: number,
    isLast: boolean,
  ): Promise<void> {
    const { targets, isInline, folder } = this.#plan
    const stride = HASH_SIZE_BYTES + this.#shardSize
    const frameOf = (position: number): Uint8Array => {
      const dataAt = this.#targetShardOf(position) * stride + HASH_SIZE_BYTES
      const hashBytes = shardBytes === 0 ? 0 : this.#hashBytes
      return slot.bytes.subarray(dataAt - hashBytes, dataAt + shardBytes)
    }
    if (isInline) {
      for (const position of targets)
        this.#inline.get(position)?.set(frameOf(position), block * stride)
      return
    }
    for (const position of targets) this.#hashers.get(position)?.update(frameOf(position))
    const file = `${folder}/part.${partNumber}`
    const outcomes = await fanOutTo(
      this.#set.drives,
      (position) => targets.includes(position) && this.#isLost[position] !== true,
      (drive, position) => drive.appendStaged(file, [frameOf(position)], { last: isLast }),
    )
    for (const position of targets) {
      if (outcomes[position] instanceof DriveError) this.#isLost[position] = true
    }
  }

  /** 0-based row of the code that lies on the drive. */
  #sourceShardOf(position: number): number {
    return (this.#plan.sources[position]?.shardIndex ?? 1) - 1
  }

  /** 0-based row of the code that belongs on the drive. */
  #targetShardOf(position: number): number {
    return (this.#plan.version.distribution[position] ?? 1) - 1
  }
}
