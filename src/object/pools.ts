import { assert } from '#base/assert'
import { DriveError } from '#drive/drive'
import type { DistributionAlgorithm } from '#drive/format-json'
import { decodeKey } from '#drive/key-path'
import type { EngineContext } from './context.ts'
import { ObjectError } from './object.ts'
import { setIndexOf, type PoolLayout } from './placement.ts'
import { fanOut, type SetDrives } from './quorum/fan-out.ts'
import { ErasureSet } from './set/erasure-set.ts'
import type { Lookup, LookupRequest } from './set/set.ts'
import { Turns } from './turns.ts'

/**
 * All pools of a deployment: which set of which pool a key is in.
 *
 * A key belongs to one set of every pool. Its versions may be spread over pools (MinIO chooses a pool anew for each
 * write), so reads ask all pools and take the newest answer; of two null versions the older one is hidden, and a
 * removal goes to all pools that have the version. Cairn writes to the pool that has the key, unless it is closed.
 * Source: disk-format.md 2.8, distributed.md 8.
 */

/** A pool is skipped as long as another is less full than this, and never filled beyond the second number. */
const FULL_SHARE = 0.85
const FULL_SHARE_MAX = 0.99
const FREE_INODES_MIN = 1000
const UNKNOWN_SIZE_BYTES = 1_073_741_824
/** How long free space is believed. */
const SPACE_TTL_MS = 5000

/** Buffers that one copy may hold while it waits for another: two groups of its reader, two blocks of its writer. */
const COPY_BYTES = 12 * 1_048_576

/** A lookup and the set that it is about. */
export interface Located {
  readonly set: ErasureSet
  readonly lookup: Lookup
}

interface SetSpace {
  readonly readMs: number
  readonly totalBytes: number
  readonly availableBytes: number
  readonly smallestFreeBytes: number
  readonly fullestShare: number
  readonly hasInodes: boolean
  readonly hasDrives: boolean
  readonly driveCount: number
}

class Pool {
  readonly sets: readonly ErasureSet[]
  readonly algorithm: DistributionAlgorithm
  constructor(sets: readonly ErasureSet[], algorithm: DistributionAlgorithm) {
    this.sets = sets
    this.algorithm = algorithm
  }
}

export class Pools {
  readonly #context: EngineContext
  readonly #pools: readonly Pool[]
  readonly #space = new Map<ErasureSet, SetSpace>()
  #closed: ReadonlySet<number> = new Set()
  /** Of copies, whose readers and writers hold buffers while they wait for each other: more of them could hold all. */
  readonly copyTurns: Turns

  /** With `only`: the pool of that number, as if there were no others. */
  constructor(context: EngineContext, layouts: readonly PoolLayout[], only?: number) {
    assert(layouts.length > (only ?? 0))
    this.#context = context
    this.copyTurns = new Turns(
      Math.max(1, Math.floor(context.codec.arena.freeBytes / COPY_BYTES / 2)),
    )
    const pools = layouts.map((layout, pool) => {
      assert(layout.sets.length > 0)
      const sets = layout.sets.map(
        (drives, index) =>
          new ErasureSet(context, {
            pool,
            index,
            drives,
            isHealing: (position) => layout.isHealing?.(index, position) ?? false,
            readTogether: layout.readTogether?.[index],
          }),
      )
      return new Pool(sets, layout.distributionAlgorithm)
    })
    this.#pools = pools.filter((_, pool) => only === undefined || pool === only)
  }

  /** Pools that take no new objects from now on: they are being emptied, or are empty. Reads, deletes and changes of what they have go on. */
  close(pools: ReadonlySet<number>): void {
    this.#closed = pools
  }

  get poolCount(): number {
    return this.#pools.length
  }

  /** Every set, pools in order. */
  allSets(): readonly ErasureSet[] {
    return this.#pools.flatMap((pool) => pool.sets)
  }

  /** Every drive of every pool. */
  allDrives(): SetDrives {
    return this.allSets().flatMap((set) => set.drives)
  }

  /** The set of each pool that a key hashes to, pools in order. */
  setsOf(path: string): readonly ErasureSet[] {
    return this.#pools.map((pool) => this.#setIn(pool, path))
  }

  /** Finds a version, or the latest one, over all pools. */
  async locate(request: LookupRequest): Promise<Located> {
    const first = this.#pools[0]
    assert(first !== undefined)
    if (this.#pools.length === 1) {
      const set = this.#setIn(first, request.path)
      return { set, lookup: await set.lookUp(request) }
    }
    return newestOf(await this.locateAll(request))
  }

  /** The answers of all pools, in order. */
  locateAll(request: LookupRequest): Promise<readonly Located[]> {
    return Promise.all(
      this.setsOf(request.path).map(async (set) => ({ set, lookup: await set.lookUp(request) })),
    )
  }

  /** The set that takes a write of the key: the one that has it, or one with room. Errors: `StorageFull`. */
  async setForWrite(
    bucket: string,
    path: string,
    sizeBytes: number | undefined,
  ): Promise<ErasureSet> {
    const first = this.#pools[0]
    assert(first !== undefined)
    if (this.#pools.length === 1) return this.#setIn(first, path)
    const located = await this.locateAll({
      bucket,
      path,
      versionId: undefined,
      inline: false,
      allDrives: false,
    })
    const open = located.filter(({ set }) => !this.#closed.has(set.pool))
    const holder = holderOf(open)
    return holder ?? (await this.#roomiest(bucket, path, sizeBytes ?? UNKNOWN_SIZE_BYTES))
  }

  /** Modification time of the newest version of a key that other pools have: one that is written to the pool of `own` must be newer. */
  async latestNsBeside(own: ErasureSet, bucket: string, path: string): Promise<bigint | undefined> {
    const request = { bucket, path, versionId: undefined, inline: false, allDrives: false }
    const sets = this.setsOf(path).filter((set) => set !== own)
    const lookups = await Promise.all(sets.map((set) => set.lookUp(request)))
    return newestNsOf(lookups)
  }

  #setIn(pool: Pool, path: string): ErasureSet {
    const { codec, deploymentId } = this.#context
    const index = setIndexOf(codec, pool.algorithm, deploymentId, path, pool.sets.length)
    const set = pool.sets[index]
    assert(set !== undefined)
    return set
  }

  /** A pool drawn by chance, weighted by free space. Source: distributed.md 8.1. */
  async #roomiest(bucket: string, path: string, sizeBytes: number): Promise<ErasureSet> {
    const sets = this.setsOf(path)
    const spaces = await Promise.all(sets.map((set) => this.#spaceOf(set)))
    const hasRoom = spaces.map(
      (space, i) => !this.#closed.has(sets[i]?.pool ?? i) && canTake(space, sizeBytes),
    )
    const hasLowFill = spaces.some(
      (space, i) => hasRoom[i] === true && space.fullestShare < FULL_SHARE,
    )
    const weights = spaces.map((space, i) => {
      if (hasRoom[i] !== true || (hasLowFill && space.fullestShare >= FULL_SHARE)) return 0
      const setCount = this.#pools[i]?.sets.length ?? 0
      // In MiB, so that the sum stays below the limit of the random number.
      return Math.ceil((space.availableBytes * setCount) / 1_048_576)
    })
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    if (total === 0) {
      throw new ObjectError('StorageFull', 'No pool has room for the object', {
        bucket,
        key: decodeKey(path),
      })
    }
    const scale = Math.max(1, total / 0xffff_ffff)
    let drawn = this.#context.random.below(Math.max(1, Math.floor(total / scale))) * scale
    for (let i = 0; i < sets.length; i++) {
      drawn -= weights[i] ?? 0
      const set = sets[i]
      if (drawn < 0 && set !== undefined) return set
    }
    const last = sets[weights.findLastIndex((weight) => weight > 0)]
    assert(last !== undefined)
    return last
  }

  /** What clients can store in all: the drives' space without parity. At most some seconds old. */
  async capacity(): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    let [totalBytes, freeBytes] = [0, 0]
    for (const set of this.allSets()) {
      const space = await this.#spaceOf(set)
      const share = (set.size - this.#context.storage.standardParity) / set.size
      totalBytes += Math.floor(space.totalBytes * share)
      freeBytes += Math.floor(space.availableBytes * share)
    }
    return { totalBytes, freeBytes }
  }

  async #spaceOf(set: ErasureSet): Promise<SetSpace> {
    const nowMs = this.#context.clock.monotonicMs()
    const known = this.#space.get(set)
    if (known !== undefined && nowMs - known.readMs < SPACE_TTL_MS) return known
    const infos = await fanOut(set.drives, (drive) => drive.info())
    const space = {
      readMs: nowMs,
      totalBytes: 0,
      availableBytes: 0,
      smallestFreeBytes: Infinity,
      fullestShare: 0,
      hasInodes: true,
      hasDrives: false,
      driveCount: set.size,
    }
    let online = 0
    for (const info of infos) {
      if (info instanceof DriveError) continue
      online++
      space.totalBytes += info.totalBytes
      space.availableBytes += info.totalBytes - info.usedBytes
      space.smallestFreeBytes = Math.min(space.smallestFreeBytes, info.freeBytes)
      space.fullestShare = Math.max(space.fullestShare, info.usedBytes / info.totalBytes)
      if (info.totalInodes > 0 && info.freeInodes < FREE_INODES_MIN) space.hasInodes = false
    }
    space.hasDrives = online * 2 >= set.size && online > 0
    this.#space.set(set, space)
    return space
  }
}

function canTake(space: SetSpace, sizeBytes: number): boolean {
  if (!space.hasDrives || !space.hasInodes) return false
  const shareBytes = (sizeBytes * 2) / space.driveCount
  return shareBytes < space.smallestFreeBytes && space.fullestShare < FULL_SHARE_MAX
}

/** The newest version found; the lower pool where two are equally new. A pool that cannot answer may have a newer one: then nothing is answered (D8.3). */
export function newestOf(located: readonly Located[]): Located {
  let best: Located | undefined
  const latestNs = newestNsOf(located.map(({ lookup }) => lookup))
  for (const entry of located) {
    const { lookup } = entry
    if (lookup.kind === 'unreadable') return entry
    if (best === undefined || isBetter(lookup, best.lookup)) best = entry
  }
  assert(best !== undefined)
  const { lookup } = best
  if (lookup.kind !== 'found' || !lookup.version.isLatest) return best
  // The latest version of its own pool may be an old one of the key.
  if (lookup.version.header.modifiedNs === latestNs) return best
  return { set: best.set, lookup: { ...lookup, version: { ...lookup.version, isLatest: false } } }
}

function newestNsOf(lookups: readonly Lookup[]): bigint | undefined {
  let newestNs: bigint | undefined
  for (const { latestNs } of lookups) {
    if (latestNs !== undefined && (newestNs === undefined || latestNs > newestNs)) {
      newestNs = latestNs
    }
  }
  return newestNs
}

function isBetter(a: Lookup, b: Lookup): boolean {
  if (a.kind === 'found' && b.kind === 'found') {
    return a.version.header.modifiedNs > b.version.header.modifiedNs
  }
  if (a.kind === 'found') return true
  return a.kind === 'absent' && b.kind === 'absent' && a.hasOthers && !b.hasOthers
}

/** The set that has the key's newest version, or any trace of the key; undefined: nobody knows it. */
function holderOf(located: readonly Located[]): ErasureSet | undefined {
  let best: Located | undefined
  for (const entry of located) {
    const { lookup } = entry
    if (lookup.kind === 'absent' && !lookup.hasOthers) continue
    if (best === undefined || newerTrace(lookup, best.lookup)) best = entry
  }
  return best?.set
}

function newerTrace(a: Lookup, b: Lookup): boolean {
  if (a.kind === 'unreadable' || b.kind === 'unreadable')
    return b.kind !== 'found' && a.kind === 'found'
  return (a.latestNs ?? 0n) > (b.latestNs ?? 0n)
}
