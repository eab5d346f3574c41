import {
  DriveError,
  META_VOLUME,
  type Drive,
  type DriveReply,
  type DriveResult,
  type VolumeInfo,
} from '#drive/drive'
import { settleLeftovers } from './bucket-leftovers.ts'
import type { BucketMetadataStore } from './bucket-metadata.ts'
import { OPERATION_LOCK_MS, type EngineContext } from './context.ts'
import { noReadQuorum, noWriteQuorum } from './errors.ts'
import type { LockHandle } from './locks.ts'
import type { NameSource } from './listing/name-source.ts'
import type { UploadLists } from './multipart/list-uploads.ts'
import { ObjectError } from './object.ts'
import type { BucketDocument, BucketInfo, BucketMetadata, DocumentChange } from './object.ts'
import type { Pools } from './pools.ts'
import { fanOut, type SetDrives } from './quorum/fan-out.ts'
import type { Late } from './quorum/patience.ts'
import { isSilent } from './quorum/reduce.ts'
import type { ErasureSet } from './set/erasure-set.ts'

/**
 * Buckets: a directory on every drive of every pool, and a metadata object. Source: disk-format.md 1.3, s3-api.md 4.1.
 *
 * A bucket is made with a majority of each pool's drives, and exists where at least half of them has it. It is removed with a
 * majority of each set's drives: so many objects as the others keep nobody takes for stored when the bucket is made again.
 * A drive that lacks the directory of a bucket is reported to the healer as a repair with an empty path.
 */

export interface BucketsOptions {
  readonly metadata: BucketMetadataStore
  readonly names: NameSource
  readonly uploads: UploadLists
}

/** Drives that answered late, or a write that failed meanwhile, may show left-overs of their own. */
const LEFTOVER_TRIES = 3
const RESERVED: ReadonlySet<string> = new Set(['minio', META_VOLUME])
const LABEL_PATTERN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const IPV4_PATTERN = /^\d+\.\d+\.\d+\.\d+$/

/** The rule for new buckets. Errors: `BucketNameInvalid`. Source: disk-format.md 1.3. */
export function checkBucketName(name: string): void {
  const isLegal =
    name.length >= 3 &&
    name.length <= 63 &&
    !RESERVED.has(name) &&
    !IPV4_PATTERN.test(name) &&
    name.split('.').every((label) => LABEL_PATTERN.test(label))
  if (isLegal) return
  throw new ObjectError('BucketNameInvalid', `Bucket name "${name}" is not allowed`, {
    bucket: name,
  })
}

/** What one pool's drives say about a bucket. */
interface PoolAnswer {
  readonly sets: readonly ErasureSet[]
  /** By drive, set after set. */
  readonly outcomes: readonly DriveResult<VolumeInfo>[]
  readonly isPresent: boolean
}

export class Buckets {
  readonly #context: EngineContext
  /** By pool. */
  readonly #pools: readonly (readonly ErasureSet[])[]
  readonly #all: Pools
  readonly #options: BucketsOptions

  constructor(context: EngineContext, pools: Pools, options: BucketsOptions) {
    this.#context = context
    this.#all = pools
    this.#options = options
    this.#pools = Array.from({ length: pools.poolCount }, (_, pool) =>
      pools.allSets().filter((set) => set.pool === pool),
    )
  }

  /** Errors: `BucketNameInvalid`, `BucketExists`, `WriteQuorum`, `StorageFull`. */
  async make(
    name: string,
    options: { readonly objectLock: boolean; readonly versioning: boolean },
  ): Promise<void> {
    checkBucketName(name)
    using _lock = await this.#lock(name)
    if (await this.#exists(name)) {
      throw new ObjectError('BucketExists', `Bucket "${name}" exists already`, { bucket: name })
    }
    const made = await this.#makeDirectories(name)
    try {
      await this.#options.metadata.create(name, options)
    } catch (error) {
      await this.#undoMake(name, made)
      throw error
    }
  }

  /** Errors: `BucketNotFound`, `ReadQuorum`. */
  async get(name: string): Promise<BucketInfo> {
    const { createdNs } = await this.metadata(name)
    return { name, createdNs }
  }

  /** By name. Errors: `ReadQuorum`. */
  async list(): Promise<readonly BucketInfo[]> {
    const names = new Map<string, bigint>()
    for (const sets of this.#pools) {
      const outcomes = await askPool(sets, (drive) => drive.listVolumes())
      const answers: (readonly VolumeInfo[])[] = []
      for (const outcome of outcomes) if (!(outcome instanceof DriveError)) answers.push(outcome)
      if (answers.length * 2 < outcomes.length) throw noReadQuorum({})
      const counts = new Map<string, number>()
      for (const volumes of answers) {
        for (const { name, createdNs } of volumes) {
          counts.set(name, (counts.get(name) ?? 0) + 1)
          const knownNs = names.get(name)
          if (knownNs === undefined || createdNs < knownNs) names.set(name, createdNs)
        }
      }
      for (const [name, count] of counts) if (count * 2 < answers.length) names.delete(name)
    }
    const buckets: BucketInfo[] = []
    for (const name of [...names.keys()].sort()) {
      try {
        buckets.push(await this.get(name))
      } catch (error) {
        if (!(error instanceof ObjectError) || error.code !== 'BucketNotFound') throw error
      }
    }
    return buckets
  }

  /** Errors: `BucketNotFound`, `ReadQuorum`, `Internal`. */
  metadata(name: string): Promise<BucketMetadata> {
    return this.#options.metadata.get(name, () => this.#require(name))
  }

  /** Errors: as `metadata`, `WriteQuorum`, `StorageFull`. */
  async setDocument(
    name: string,
    document: BucketDocument,
    content: DocumentChange,
  ): Promise<void> {
    using _lock = await this.#lock(name)
    await this.#options.metadata.setDocument(name, document, content, () => this.#require(name))
  }

  /** Uploads in progress go with the bucket. Errors: `BucketNotFound`, `BucketNotEmpty`, `ReadQuorum`, `WriteQuorum`. */
  async delete(name: string, options: { readonly force: boolean }): Promise<void> {
    using _lock = await this.#lock(name)
    await this.#require(name)
    if (!options.force) await this.#requireEmpty(name)
    try {
      await this.#deleteEverywhere(name, options.force)
    } finally {
      this.#options.metadata.announceChange()
    }
    try {
      await this.#options.uploads.dropAll(name)
    } catch (error) {
      // The bucket is gone already; what could not be dropped now expires.
      if (!(error instanceof ObjectError)) throw error
    }
    await askPool(this.#all.allSets(), (drive) => drive.trash(META_VOLUME, `buckets/${name}`))
    this.#options.metadata.announceChange()
  }

  /** Makes the directory on drives that lack it; answers how many got it. For a bucket that exists. */
  async heal(name: string): Promise<number> {
    using _lock = await this.#lock(name)
    await this.#require(name)
    const outcomes = await askPool(this.#all.allSets(), (drive) => drive.makeVolume(name))
    return outcomes.filter((outcome) => !(outcome instanceof DriveError)).length
  }

  #lock(name: string): Promise<LockHandle> {
    const resource = `.minio.sys/tmp/${name}.lck`
    return this.#context.locks.write(resource, { timeoutMs: OPERATION_LOCK_MS }, 'bucket')
  }

  /** Modification time of the bucket's directory. Errors: `BucketNotFound`, `ReadQuorum`. */
  async #require(name: string): Promise<bigint> {
    const answers = await this.#ask(name)
    const present = answers.filter((answer) => answer.isPresent)
    if (present.length === 0) {
      throw new ObjectError('BucketNotFound', `Bucket "${name}" does not exist`, { bucket: name })
    }
    for (const answer of answers) this.#reportMissing(name, answer)
    let oldestNs: bigint | undefined
    for (const outcome of present.flatMap((answer) => answer.outcomes)) {
      if (outcome instanceof DriveError) continue
      if (oldestNs === undefined || outcome.createdNs < oldestNs) oldestNs = outcome.createdNs
    }
    return oldestNs ?? 0n
  }

  async #exists(name: string): Promise<boolean> {
    return (await this.#ask(name)).some((answer) => answer.isPresent)
  }

  /** Errors: `ReadQuorum` when fewer than half of a pool's drives answer. */
  async #ask(name: string): Promise<readonly PoolAnswer[]> {
    const answers: PoolAnswer[] = []
    for (const sets of this.#pools) {
      const outcomes = await askPool(sets, (drive) => drive.statVolume(name))
      const present = outcomes.filter((outcome) => !(outcome instanceof DriveError)).length
      const absent = outcomes.filter((outcome) => isCode(outcome, 'VolumeNotFound')).length
      if ((present + absent) * 2 < outcomes.length) throw noReadQuorum({ bucket: name })
      answers.push({
        sets,
        outcomes,
        isPresent: present * 2 >= present + absent && present > 0,
      })
    }
    return answers
  }

  #reportMissing(name: string, answer: PoolAnswer): void {
    let first = 0
    for (const set of answer.sets) {
      const outcomes = answer.outcomes.slice(first, first + set.size)
      first += set.size
      if (!outcomes.some((outcome) => isCode(outcome, 'VolumeNotFound'))) continue
      void set.report({ bucket: name, path: '' }, 'missing')
    }
  }

  /** Answers which drives got a new directory. Errors: `WriteQuorum`, after taking them back. */
  async #makeDirectories(name: string): Promise<ReadonlySet<Drive>> {
    const made = new Set<Drive>()
    let isEnough = true
    for (const sets of this.#pools) {
      const drives = drivesOf(sets)
      const outcomes = await askPool(
        sets,
        (drive) => drive.makeVolume(name),
        (set, late) => set.reportAfter(late, { bucket: name, path: '' }, 'missing'),
      )
      let count = 0
      for (const [i, outcome] of outcomes.entries()) {
        const drive = drives[i]
        const isMade = !(outcome instanceof DriveError)
        if (isMade && drive !== undefined) made.add(drive)
        // A directory left over from a removal that missed this drive serves as well.
        if (isMade || isCode(outcome, 'VolumeExists')) count++
      }
      if (count < majorityOf(drives)) isEnough = false
    }
    if (isEnough) return made
    await this.#undoMake(name, made)
    throw noWriteQuorum({ bucket: name })
  }

  async #undoMake(name: string, made: ReadonlySet<Drive>): Promise<void> {
    const drives = [...made]
    await fanOut(drives, (drive) => drive.deleteVolume(name, { force: false }))
  }

  /** Errors: `BucketNotEmpty`. */
  async #requireEmpty(name: string): Promise<void> {
    const cursor = this.#options.names.open({
      bucket: name,
      prefix: '',
      startAfter: '',
      recursive: true,
      expected: 1,
    })
    if ((await cursor.next()) !== undefined) throw notEmpty(name)
  }

  /**
   * Without `force` a drive removes its directory only when no key is in it, so that a write that came in after the bucket
   * was found empty is never lost. Left-overs that nobody sees are removed first.
   */
  async #deleteEverywhere(name: string, force: boolean): Promise<void> {
    let filled = await this.#deleteDirectories(name, force)
    for (let tries = 0; tries < LEFTOVER_TRIES && filled.size > 0 && !force; tries++) {
      if (!(await settleLeftovers(this.#context, this.#all.allSets(), name, filled))) break
      filled = await this.#deleteDirectories(name, force)
    }
    if (filled.size > 0) throw notEmpty(name)
  }

  /** Removes the directories, or makes them again where that worked; answers the drives that hold keys, none if it is done. Errors: `WriteQuorum`. */
  async #deleteDirectories(name: string, force: boolean): Promise<ReadonlySet<Drive>> {
    const sets = this.#all.allSets()
    const isPossible = sets.every((set) => set.size - set.offlineCount() >= majorityOf(set.drives))
    if (!isPossible) throw noWriteQuorum({ bucket: name })
    const removed: Drive[] = []
    const filled = new Set<Drive>()
    const outcomes = await askSets(sets, (drive) => drive.deleteVolume(name, { force }))
    let isEnough = true
    for (const [index, set] of sets.entries()) {
      let count = 0
      for (const [position, outcome] of (outcomes[index] ?? []).entries()) {
        const drive = set.drives[position]
        const isRemoved = !(outcome instanceof DriveError)
        if (isRemoved && drive !== undefined) removed.push(drive)
        if (isRemoved || isCode(outcome, 'VolumeNotFound')) count++
        if (isCode(outcome, 'VolumeNotEmpty') && drive !== undefined) filled.add(drive)
      }
      if (count < majorityOf(set.drives)) isEnough = false
    }
    if (isEnough && filled.size === 0) return filled
    await fanOut(removed, (drive) => drive.makeVolume(name))
    if (filled.size === 0) throw noWriteQuorum({ bucket: name })
    return filled
  }
}

function notEmpty(name: string): ObjectError {
  return new ObjectError('BucketNotEmpty', `Bucket "${name}" is not empty`, { bucket: name })
}

/** Calls every drive of some sets; outcomes set after set. */
async function askPool<T>(
  sets: readonly ErasureSet[],
  call: (drive: Drive) => DriveReply<T>,
  onLate?: (set: ErasureSet, late: Late<T>) => void,
): Promise<readonly DriveResult<T>[]> {
  return (await askSets(sets, call, onLate)).flat()
}

/** The same, by set. A drive that hangs is not waited for when most of its set have answered: every key's write quorum has one of those. */
async function askSets<T>(
  sets: readonly ErasureSet[],
  call: (drive: Drive) => DriveReply<T>,
  onLate?: (set: ErasureSet, late: Late<T>) => void,
): Promise<readonly (readonly DriveResult<T>[])[]> {
  return Promise.all(
    sets.map(async (set) => {
      const options = { quorum: majorityOf(set.drives), counts: isAnswer }
      const { outcomes, late } = await set.patience.ask(options, call)
      if (late !== undefined) onLate?.(set, late)
      return outcomes
    }),
  )
}

function isAnswer(outcome: unknown): boolean {
  return !(outcome instanceof DriveError) || !isSilent(outcome.code)
}

function drivesOf(sets: readonly ErasureSet[]): SetDrives {
  return sets.flatMap((set) => set.drives)
}

function majorityOf(drives: SetDrives): number {
  return Math.floor(drives.length / 2) + 1
}

function isCode(outcome: unknown, code: DriveError['code']): boolean {
  return outcome instanceof DriveError && outcome.code === code
}
