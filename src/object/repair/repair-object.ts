import { META_VOLUME } from '#drive/drive'
import { ObjectError } from '../object.ts'
import type { RemovedVersion } from '../repair-sink.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import type { KeptVersion, RefusedVersion } from './decide.ts'
import { rebuildShards } from './rebuild.ts'
import { Settlement, type Staged } from './settlement.ts'
import { rottenName, survey, type Survey, type VersionWork } from './survey.ts'

/**
 * Repair of one key on all drives of its set.
 *
 * Data is read and rebuilt into staging without a lock: a version's data never changes. Then, under the write lock of the
 * key, the metadata is read again, and what is still owed is put in place; each drive's file is replaced once for all
 * that needs no staged data. A drive that is done holds exactly what a write would have left there, and a second repair
 * finds nothing to do. A crash at any moment leaves work that the next repair finds again.
 *
 * Which versions are kept is told in `decide.ts`. Versions that no drive ought to have are removed only when all drives
 * answered, none is being refilled, they are old enough, and their metadata is in quarantine (D4.11).
 */

/** How long a repair waits for a key in use; its place in the line holds up readers. */
const LOCK_WAIT_MS = 2000
/** Staged at a time before it is put in place. */
const BATCH_BYTES = 64 * 1_048_576
const BATCH_VERSIONS = 64
/** Age from which versions that no quorum holds may go. */
const DANGLING_AGE_MS = 24 * 3_600_000
const NS_PER_MS = 1_000_000n

export type RepairProblem =
  | 'offline' // a drive does not answer
  | 'noVolume' // a drive lacks the bucket
  | 'busy' // the key is in use
  | 'failed' // a drive did not take what it lacks
  | 'stopped' // by the signal
  | 'young' // versions to be removed are not old enough
  | 'kept' // versions to be removed must stay: drives are missing or being refilled, or it is the server's own state
  | 'undecided' // nothing can be said about some version (D4.2), or about a damaged file
  | 'lost' // too few good shards are left of some version

export interface RepairOptions {
  /** Reads and verifies all data. */
  readonly deep: boolean
  /** 32 hex digits; limits which version's data is looked at. Metadata is repaired for all. */
  readonly versionId?: string | undefined
  /** Also removes what no version refers to, on drives that needed nothing. Default: true. */
  readonly tidy?: boolean
  readonly danglingAgeMs?: number
  /** Versions whose delete was acknowledged: what is left of them goes at once, also while drives are away. */
  readonly removed?: readonly RemovedVersion[] | undefined
  /** Makes the bucket's directory where it is missing, if the bucket exists. */
  readonly healBucket?: (bucket: string) => Promise<void>
  readonly signal?: AbortSignal | undefined
}

export interface RepairResult {
  /** Empty: every drive holds what it should. */
  readonly problems: readonly RepairProblem[]
  /** Versions written to a drive, removed from a drive, and left-overs removed. */
  readonly changes: number
  /** With `young`: when another try is worth while. */
  readonly retryAfterMs: number | undefined
  /** By position: the drive holds what it should, as far as that is known. */
  readonly isWholeAt: readonly boolean[]
  /** Stored bytes rebuilt, over all drives. */
  readonly rebuiltBytes: number
}

/** Repairs one key; never rejects for what drives do. */
export async function repairKey(
  set: ErasureSet,
  bucket: string,
  path: string,
  options: RepairOptions,
): Promise<RepairResult> {
  return new KeyRepair(set, bucket, path, options).run()
}

/** Working files are not repaired: uploads expire, staging is dropped, cached lists are made anew. */
function isTransient(bucket: string, path: string): boolean {
  if (bucket === META_VOLUME)
    return path.includes('/.metacache/') || /^(?:tmp|multipart)\//.test(path)
  return bucket.startsWith(`${META_VOLUME}/`)
}

class KeyRepair {
  readonly #set: ErasureSet
  readonly #bucket: string
  readonly #path: string
  readonly #options: RepairOptions
  readonly #problems = new Set<RepairProblem>()
  readonly #unwhole = new Set<number>()
  readonly #rotten = new Set<string>()
  /** Versions without enough good shards. */
  readonly #lost = new Set<string>()
  /** Versions that were rebuilt once: what still lacks them then has failed, and waits for another repair. */
  readonly #rebuilt = new Set<string>()
  #changes = 0
  #rebuiltBytes = 0
  #retryAfterMs: number | undefined

  constructor(set: ErasureSet, bucket: string, path: string, options: RepairOptions) {
    this.#set = set
    this.#bucket = bucket
    this.#path = path
    this.#options = options
  }

  async run(): Promise<RepairResult> {
    if (isTransient(this.#bucket, this.#path)) return this.#result()
    let found = await this.#survey(this.#options.deep)
    if (this.#options.healBucket !== undefined && countLackingVolume(found) > 0) {
      await this.#options.healBucket(this.#bucket)
      found = await this.#survey(false)
    }
    // A bucket that most drives lack was deleted, and what is left of it goes with it.
    if (countLackingVolume(found) > this.#set.size / 2) return this.#result()
    for (;;) {
      if (this.#options.signal?.aborted === true) this.#problems.add('stopped')
      if (this.#problems.size > 0 || !this.#isLockNeeded(found)) {
        this.#note(found)
        return this.#result()
      }
      const staged = await this.#stage(found)
      let isAgain = false
      try {
        isAgain = await this.#settle(staged)
      } finally {
        for (const { folder } of staged.values()) await this.#set.discardStaged(folder)
      }
      if (!isAgain) return this.#result()
      this.#problems.clear()
      this.#unwhole.clear()
      found = await this.#survey(false)
    }
  }

  #survey(isDeep: boolean): Promise<Survey> {
    const { versionId, signal } = this.#options
    return survey(this.#set, {
      bucket: this.#bucket,
      path: this.#path,
      versionId,
      isDeep,
      rotten: this.#rotten,
      signal,
    })
  }

  #isLockNeeded({ works, decision, answers }: Survey): boolean {
    if (works.length > 0 || decision.refused.length > 0 || decision.undecided.length > 0)
      return true
    return this.#options.tidy !== false && answers.some(({ kind }) => kind === 'metadata')
  }

  /** Rebuilds data that goes into files, a batch at a time. */
  async #stage({ works }: Survey): Promise<Map<string, Staged>> {
    const staged = new Map<string, Staged>()
    let bytes = 0
    for (const work of works) {
      const { data } = work
      if (data === undefined || data.isInline || data.targets.length === 0) continue
      if (bytes >= BATCH_BYTES || staged.size >= BATCH_VERSIONS) break
      const name = nameOf(work.kept)
      if (this.#lost.has(name) || this.#rebuilt.has(name)) continue
      const folder = this.#set.context.random.uuid()
      const rebuilt = await this.#rebuild(work, folder)
      if (rebuilt === undefined) {
        await this.#set.discardStaged(folder)
        if (this.#options.signal?.aborted === true) break
        this.#lost.add(name)
        continue
      }
      const { complete, partHashes } = rebuilt
      staged.set(name, { folder, complete: new Set(complete), partHashes })
      this.#rebuilt.add(name)
      bytes += (data.version.sizeBytes / data.version.dataShards) * data.targets.length
    }
    this.#rebuiltBytes += bytes
    return staged
  }

  async #rebuild({ data }: VersionWork, folder: string): ReturnType<typeof rebuildShards> {
    if (data === undefined) return undefined
    const { version, isInline, targets, sources, goodSources } = data
    const { signal } = this.#options
    const plan = {
      bucket: this.#bucket,
      path: this.#path,
      version,
      isInline,
      targets,
      folder,
      signal,
    }
    const rebuilt = await rebuildShards(this.#set, { ...plan, sources: goodSources })
    if (rebuilt !== undefined || signal?.aborted === true) return rebuilt
    // What is damaged in one place may still be good in another.
    if (!isInline) await this.#set.discardStaged(folder)
    return rebuildShards(this.#set, { ...plan, sources })
  }

  /** Puts in place what is owed, under the lock. True: there is more to stage. */
  async #settle(staged: ReadonlyMap<string, Staged>): Promise<boolean> {
    const { locks } = this.#set.context
    const resource = `${this.#bucket}/${this.#path}`
    try {
      const { signal } = this.#options
      using _lock = await locks.write(resource, { timeoutMs: LOCK_WAIT_MS, signal })
      const found = await this.#survey(false)
      this.#note(found)
      const settlement = new Settlement(this.#set, this.#bucket, this.#path, found.answers)
      let isAgain = false
      for (const work of found.works) {
        if (await this.#settleVersion(settlement, work, staged)) isAgain = true
      }
      await settlement.replaceMetadata()
      await this.#removeRefused(settlement, found)
      // Of a version that is lost or undecided, what looks left over may be the missing piece.
      const isSettled = found.decision.undecided.length === 0 && !this.#problems.has('lost')
      if (isSettled && !isAgain) {
        await settlement.removeLeftovers(this.#options.tidy !== false)
      }
      this.#changes += settlement.changes
      for (const position of settlement.failed) {
        this.#problems.add('failed')
        this.#unwhole.add(position)
      }
      return isAgain && staged.size > 0
    } catch (error) {
      if (!(error instanceof ObjectError)) throw error
      this.#problems.add(error.code === 'Aborted' ? 'stopped' : 'busy')
      for (let position = 0; position < this.#set.size; position++) this.#unwhole.add(position)
      return false
    }
  }

  /** True: its data has to be staged first. */
  async #settleVersion(
    settlement: Settlement,
    work: VersionWork,
    staged: ReadonlyMap<string, Staged>,
  ): Promise<boolean> {
    const { kept, data, metadataTargets } = work
    for (const position of metadataTargets) {
      settlement.put(kept, position, kept.chosen.copies[position]?.inline)
    }
    if (data === undefined || data.targets.length === 0) return false
    if (data.isInline) {
      const rebuilt = await this.#rebuild(work, '')
      if (rebuilt === undefined) this.#giveUp(data.targets)
      for (const [position, inline] of rebuilt?.inline ?? []) settlement.put(kept, position, inline)
      return false
    }
    const ready = staged.get(nameOf(kept))
    if (ready === undefined) {
      const name = nameOf(kept)
      if (this.#lost.has(name)) {
        this.#giveUp(data.targets)
        return false
      }
      for (const position of data.targets) this.#unwhole.add(position)
      if (!this.#rebuilt.has(name)) return true
      this.#problems.add('failed')
      return false
    }
    const done = await settlement.commit(kept, data.targets, ready)
    for (const position of done) this.#rotten.delete(rottenName(kept, position))
    return false
  }

  #giveUp(positions: readonly number[]): void {
    this.#problems.add('lost')
    for (const position of positions) this.#unwhole.add(position)
  }

  /** Removes versions that were never acknowledged, or were deleted elsewhere, if that is certain (D4.11). */
  async #removeRefused(settlement: Settlement, found: Survey): Promise<void> {
    const { refused } = found.decision
    if (refused.length === 0) return
    const isCertain =
      this.#bucket !== META_VOLUME &&
      found.answers.every(
        ({ kind }, position) =>
          (kind === 'metadata' || kind === 'absent') && !this.#set.isHealing(position),
      )
    const nowNs = this.#set.context.clock.nowNs()
    const ageMs = this.#options.danglingAgeMs ?? DANGLING_AGE_MS
    for (const version of refused) {
      const { header } = version
      if (this.#isRemoved(header)) {
        await settlement.remove(version, { keepsCopy: false })
        continue
      }
      if (!isCertain) {
        this.#problems.add('kept')
        continue
      }
      // Releases before 1.0 did not rebuild these on replaced drives.
      if (header.kind === 'legacy') {
        this.#problems.add('kept')
        continue
      }
      const waitMs = ageMs - Number((nowNs - header.modifiedNs) / NS_PER_MS)
      if (waitMs > 0) {
        this.#problems.add('young')
        this.#retryAfterMs = Math.min(this.#retryAfterMs ?? waitMs, waitMs)
      } else await settlement.remove(version, { keepsCopy: true })
    }
  }

  #isRemoved({ versionId, modifiedNs }: RefusedVersion['header']): boolean {
    const { removed } = this.#options
    return (
      removed?.some((one) => one.versionId === versionId && modifiedNs <= BigInt(one.untilNs)) ===
      true
    )
  }

  /** What a survey tells of the state of the drives. */
  #note({ answers, decision, works, hasSilentFiles }: Survey): void {
    if (hasSilentFiles) this.#problems.add('offline')
    if (decision.undecided.length > 0) this.#problems.add('undecided')
    for (const [position, { kind }] of answers.entries()) {
      if (kind === 'metadata' || kind === 'absent') continue
      if (kind === 'unknown') this.#problems.add('offline')
      else if (kind === 'noVolume') this.#problems.add('noVolume')
      else if (works.length > 0) continue
      else this.#problems.add('undecided')
      this.#unwhole.add(position)
    }
    if (decision.undecided.length === 0) return
    for (let position = 0; position < answers.length; position++) this.#unwhole.add(position)
  }

  #result(): RepairResult {
    return {
      problems: [...this.#problems],
      changes: this.#changes,
      retryAfterMs: this.#retryAfterMs,
      isWholeAt: this.#set.drives.map((_, position) => !this.#unwhole.has(position)),
      rebuiltBytes: Math.ceil(this.#rebuiltBytes),
    }
  }
}

function nameOf({ reference }: KeptVersion): string {
  return `${reference.header.versionId}/${reference.header.modifiedNs}`
}

function countLackingVolume({ answers }: Survey): number {
  return answers.filter(({ kind }) => kind === 'noVolume').length
}
