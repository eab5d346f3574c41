import { DriveError, META_VOLUME, type Drive, type DriveResult } from '#drive/drive'
import { FormatError } from '#codec/msgpack'
import {
  encodeHealingTracker,
  parseHealingTracker,
  type HealingTracker,
  TRACKER_PATH,
} from '#drive/healing-tracker'
import type { ErasureSet } from '../set/erasure-set.ts'
import { repairKey, type RepairProblem, type RepairResult } from './repair-object.ts'
import { rootsOf, walkKeys, type WalkedKey, type WalkRoot } from './set-walk.ts'

/**
 * Repair of every key of a set: to refill a replaced drive, or because too many repairs were owed to name them.
 *
 * A refill's progress is kept on the drive itself, in MinIO's file: the last name up to which everything is done, of the
 * root in work, and the roots that are finished. It goes on from there after a restart, also of the other program.
 * When keys failed, everything is gone through again, which is quick where nothing is missing. A refill is finished when a
 * pass left nothing, or only what cannot be mended; then the drive counts as complete, and the file goes.
 * Source: distributed.md 5.5, D2.6, D5.4; disk-format.md 7.6.
 */

const WORKERS = 2
const PASSES = 4
const SAVE_MS = 30_000
/** While clients keep the engine busy, a key still gets its turn after this long. */
const BUSY_STEP_MS = 50
const BUSY_MS_MAX = 1000

export interface WalkOptions {
  readonly healBucket: (bucket: string) => Promise<void>
  /** Whether clients need the drives now. */
  readonly isBusy: () => boolean
  readonly signal: AbortSignal
  /** Age from which versions without a quorum may be removed. */
  readonly danglingAgeMs?: number | undefined
}

/** `left`: all was tried, but some keys could not be repaired for now. */
export type WalkOutcome = 'finished' | 'left' | 'stopped'

/** Problems that another try may not have. */
const PASSING_PROBLEMS: ReadonlySet<RepairProblem> = new Set<RepairProblem>([
  'offline',
  'noVolume',
  'busy',
  'failed',
  'stopped',
])

/** Repairs every key of a set once, left-overs included. */
export async function repairSet(set: ErasureSet, options: WalkOptions): Promise<WalkOutcome> {
  const roots = await rootsOf(set)
  if (roots === undefined) return 'left'
  let isLeft = false
  for (const root of roots) {
    const walk = new RootWalk(set, root, options, {
      tidy: true,
      done: (_, result) => {
        if (result === undefined || result.problems.some((one) => PASSING_PROBLEMS.has(one))) {
          isLeft = true
        }
      },
      saved: undefined,
    })
    const outcome = await walk.run('')
    if (outcome === 'stopped') return outcome
    if (outcome === 'left') isLeft = true
  }
  return isLeft ? 'left' : 'finished'
}

/** The unfinished tracker of a drive; undefined: it needs no refill. A damaged tracker counts as a fresh one. */
async function unfinishedTracker(drive: Drive): Promise<DriveResult<HealingTracker | undefined>> {
  const files = await drive.readSmallFiles(META_VOLUME, [TRACKER_PATH])
  if (files instanceof DriveError) return files
  if (files[0] === undefined) return undefined
  try {
    const tracker = parseHealingTracker(files[0])
    return tracker.finished ? undefined : tracker
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    return {
      texts: new Map(),
      times: new Map(),
      positions: new Map(),
      counters: new Map(),
      lists: new Map(),
      finished: false,
    }
  }
}

/** Fills a replaced drive. While it runs, `set.isHealing(position)` must be true; when it is finished, false. */
export async function refillDrive(
  set: ErasureSet,
  position: number,
  options: WalkOptions,
): Promise<WalkOutcome> {
  const drive = set.drives[position]
  if (drive === undefined) return 'left'
  const tracker = await unfinishedTracker(drive)
  if (tracker instanceof DriveError) return 'left'
  if (tracker === undefined) return 'finished'
  return new Refill(set, position, drive, options, tracker).run()
}

class Refill {
  readonly #set: ErasureSet
  readonly #position: number
  readonly #drive: Drive
  readonly #options: WalkOptions
  #tracker: HealingTracker
  #healed: number
  #failed: number
  #bytes: number
  #attempts: number
  #done: string[]
  #hasPassing = false
  #savedMs = 0

  constructor(
    set: ErasureSet,
    position: number,
    drive: Drive,
    options: WalkOptions,
    tracker: HealingTracker,
  ) {
    this.#set = set
    this.#position = position
    this.#drive = drive
    this.#options = options
    this.#tracker = tracker
    this.#healed = tracker.counters.get('ItemsHealed') ?? 0
    this.#failed = tracker.counters.get('ItemsFailed') ?? 0
    this.#bytes = tracker.counters.get('BytesDone') ?? 0
    this.#attempts = tracker.counters.get('RetryAttempts') ?? 0
    this.#done = [...(tracker.lists.get('HealedBuckets') ?? [])]
  }

  async run(): Promise<WalkOutcome> {
    const { log } = this.#set.context
    const fields = { drive: this.#drive.endpoint }
    log.info('Filling a replaced drive', fields)
    for (;;) {
      const outcome = await this.#pass()
      if (outcome !== 'finished') return outcome
      if (this.#failed === 0) break
      log.warn('Keys are missing on a replaced drive', { ...fields, count: this.#failed })
      this.#attempts++
      if (this.#attempts >= PASSES && !this.#hasPassing) break
      const isEnough = this.#attempts >= PASSES
      this.#healed = 0
      this.#failed = 0
      this.#bytes = 0
      this.#done = []
      this.#hasPassing = false
      if (isEnough) this.#attempts = 0
      await this.#save('', '')
      // What hindered it may pass; the caller tries again later.
      if (isEnough) return 'left'
    }
    await this.#finish()
    log.info('Filled a replaced drive', { ...fields, keys: this.#healed, lost: this.#failed })
    return 'finished'
  }

  async #pass(): Promise<WalkOutcome> {
    const roots = await rootsOf(this.#set)
    if (roots === undefined) return 'left'
    const resumed = this.#tracker.texts.get('Bucket') ?? ''
    for (const root of roots) {
      if (this.#done.includes(root.name)) continue
      this.#tracker = withLists(this.#tracker, roots, this.#done)
      const startAfter = root.name === resumed ? (this.#tracker.texts.get('Object') ?? '') : ''
      const outcome = await this.#passRoot(root, startAfter)
      if (outcome !== 'finished') return outcome
      this.#done.push(root.name)
      this.#tracker = withLists(this.#tracker, roots, this.#done)
      const isSaved = await this.#save('', '')
      if (!isSaved) return 'left'
    }
    return 'finished'
  }

  async #passRoot(root: WalkRoot, startAfter: string): Promise<WalkOutcome> {
    if (root.volume !== META_VOLUME) await this.#options.healBucket(root.volume)
    this.#savedMs = this.#set.context.clock.monotonicMs()
    const walk = new RootWalk(this.#set, root, this.#options, {
      tidy: false,
      done: (_, result) => this.#count(result),
      saved: async (name) => {
        const nowMs = this.#set.context.clock.monotonicMs()
        if (nowMs - this.#savedMs < SAVE_MS) return
        this.#savedMs = nowMs
        await this.#save(root.name, name)
      },
    })
    const outcome = await walk.run(startAfter)
    if (outcome !== 'finished' && walk.finishedTo !== '')
      await this.#save(root.name, walk.finishedTo)
    return outcome
  }

  #count(result: RepairResult | undefined): void {
    if (result?.isWholeAt[this.#position] === true) {
      this.#healed++
      this.#bytes += result.rebuiltBytes
      return
    }
    this.#failed++
    if (result === undefined || result.problems.some((one) => PASSING_PROBLEMS.has(one))) {
      this.#hasPassing = true
    }
  }

  async #save(bucket: string, object: string): Promise<boolean> {
    const tracker = this.#tracker
    const counters = new Map(tracker.counters)
    for (const name of ['ItemsHealed', 'ResumeItemsHealed'] as const)
      counters.set(name, this.#healed)
    for (const name of ['ItemsFailed', 'ResumeItemsFailed'] as const)
      counters.set(name, this.#failed)
    for (const name of ['BytesDone', 'ResumeBytesDone'] as const) counters.set(name, this.#bytes)
    counters.set('RetryAttempts', this.#attempts)
    this.#tracker = {
      ...tracker,
      texts: new Map([...tracker.texts, ['Bucket', bucket], ['Object', object]]),
      times: new Map([...tracker.times, ['LastUpdate', this.#set.context.clock.nowNs()]]),
      counters,
      lists: new Map([...tracker.lists, ['HealedBuckets', this.#done]]),
    }
    return this.#write()
  }

  async #write(): Promise<boolean> {
    const bytes = encodeHealingTracker(this.#tracker)
    const result = await this.#drive.writeSmallFile(META_VOLUME, TRACKER_PATH, bytes)
    if (!(result instanceof DriveError)) return true
    const { log } = this.#set.context
    log.warn('Cannot keep the progress of a refill', { drive: this.#drive.endpoint, error: result })
    return false
  }

  async #finish(): Promise<void> {
    await this.#save('', '')
    this.#tracker = { ...this.#tracker, finished: true }
    if (await this.#write()) await this.#drive.trash(META_VOLUME, TRACKER_PATH)
  }
}

function withLists(
  tracker: HealingTracker,
  roots: readonly WalkRoot[],
  done: readonly string[],
): HealingTracker {
  const queued = roots.map(({ name }) => name).filter((name) => !done.includes(name))
  return {
    ...tracker,
    lists: new Map([...tracker.lists, ['QueuedBuckets', queued], ['HealedBuckets', [...done]]]),
  }
}

interface RootWalkHooks {
  readonly tidy: boolean
  /** Undefined: the repair itself failed. */
  readonly done: (key: WalkedKey, result: RepairResult | undefined) => void
  /** Called when everything up to a name is done. */
  readonly saved: ((name: string) => Promise<void>) | undefined
}

/** Repairs the keys of one root in order, a few at a time. */
class RootWalk {
  /** Everything up to this name is done. */
  finishedTo = ''
  readonly #set: ErasureSet
  readonly #root: WalkRoot
  readonly #options: WalkOptions
  readonly #hooks: RootWalkHooks
  /** Keys under way, in the order of names. */
  readonly #current: { readonly name: string; isDone: boolean }[] = []

  constructor(set: ErasureSet, root: WalkRoot, options: WalkOptions, hooks: RootWalkHooks) {
    this.#set = set
    this.#root = root
    this.#options = options
    this.#hooks = hooks
  }

  async run(startAfter: string): Promise<WalkOutcome> {
    const { signal } = this.#options
    const running = new Set<Promise<void>>()
    this.finishedTo = startAfter
    let outcome: WalkOutcome = 'finished'
    try {
      for await (const key of walkKeys(this.#set, this.#root, startAfter)) {
        await this.#giveWay()
        if (signal.aborted) break
        const work: Promise<void> = this.#repair(key).finally(() => running.delete(work))
        running.add(work)
        if (running.size >= WORKERS) await Promise.race(running)
        await this.#hooks.saved?.(this.finishedTo)
      }
    } catch (error) {
      if (!(error instanceof DriveError)) throw error
      this.#set.context.log.warn('Cannot walk a set', { bucket: this.#root.volume, error })
      outcome = 'left'
    }
    await Promise.all(running)
    return signal.aborted ? 'stopped' : outcome
  }

  async #repair(key: WalkedKey): Promise<void> {
    const entry = { name: key.name, isDone: false }
    this.#current.push(entry)
    const { volume } = this.#root
    const { healBucket, danglingAgeMs, signal } = this.#options
    let result: RepairResult | undefined
    try {
      result = await repairKey(this.#set, volume, key.path, {
        deep: false,
        tidy: this.#hooks.tidy,
        healBucket,
        signal,
        ...(danglingAgeMs === undefined ? {} : { danglingAgeMs }),
      })
    } catch (error) {
      const { log } = this.#set.context
      log.error('Cannot repair a key', { bucket: volume, key: key.path, error })
    }
    // Not counted when it was cut short: the next run begins with it.
    if (signal.aborted) return
    this.#hooks.done(key, result)
    entry.isDone = true
    while (this.#current[0]?.isDone === true) {
      this.finishedTo = this.#current.shift()?.name ?? this.finishedTo
    }
  }

  /** Clients come first, but not for ever. */
  async #giveWay(): Promise<void> {
    const { clock } = this.#set.context
    for (let waitedMs = 0; waitedMs < BUSY_MS_MAX; waitedMs += BUSY_STEP_MS) {
      if (!this.#options.isBusy() || this.#options.signal.aborted) return
      await clock.sleep(BUSY_STEP_MS, this.#options.signal)
    }
  }
}
