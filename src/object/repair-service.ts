import { FormatError } from '#codec/msgpack'
import { CAIRN_VOLUME, DriveError, META_VOLUME, type Drive } from '#drive/drive'
import { TRACKER_PATH } from '#drive/healing-tracker'
import { parseRepairList } from '#drive/repair-list'
import type { EngineContext } from './context.ts'
import { isVersionId, storedVersionId } from './object-info.ts'
import { ObjectError } from './object.ts'
import type { Pools } from './pools.ts'
import { fanOut } from './quorum/fan-out.ts'
import type { RepairItem } from './repair-sink.ts'
import type { ErasureSet } from './set/erasure-set.ts'
import { refillDrive, repairSet, type WalkOptions } from './repair/drive-refill.ts'
import { QUARANTINE, QUARANTINE_MS } from './repair/refused.ts'
import { repairKey, type RepairResult } from './repair/repair-object.ts'
import type { QueuedRepair, RepairQueue } from './repair-queue.ts'

/**
 * What mends and tidies a deployment by itself: runs in the main thread of a node.
 *
 * - two workers repair the keys of the queue;
 * - replaced drives are refilled, one at a time, and sets with too much owed are looked through;
 * - trash, quarantine and abandoned uploads are dropped at intervals.
 *
 * Nothing is held in memory but what the queue holds. Everything can stop at any moment: what is not done stays queued.
 */

const WORKERS = 2
const TAKE_MS = 10_000
const BUSY_STEP_MS = 25
const BUSY_MS_MAX = 250
const REFILL_CHECK_MS = 1000
const REFILL_RETRY_MS = 600_000
const TRASH_INTERVAL_MS = 300_000
/** On a drive with less space than this what was deleted makes room at once. */
const TRASH_SPACE_SHARE = 0.1
const TRASH_CHECK_MS = 5000
const TRASH_LIMIT = 250
/** After each call a drive serves its clients for so many times as long as the call took, which is longer while it has much to do. */
const TRASH_REST = 4
const TRASH_REST_MS_MAX = 1000
const QUARANTINE_NAMES_MAX = 100_000
/** Drives were away at the report: they may be back soon. */
const MISSED_WAIT_MS = 60_000
/** A drive hangs: so long after its timeout it has answered or is offline. */
const LATE_MARGIN_MS = 5000
/** Everything is done but on drives that are away; their return brings the item up at once. */
const AWAY_WAIT_MS = 3_600_000
/** Tries of what cannot be mended; after that, reads of it will report it again. */
const HOPELESS_TRIES_MAX = 6
const FAILED_TRIES_MAX = 50
const MINIO_LIST_PATH = 'buckets/.heal/mrf/list.bin'

export interface RepairServiceOptions {
  readonly context: EngineContext
  readonly pools: Pools
  /** Loaded. */
  readonly queue: RepairQueue
  /** Makes a bucket's directory on drives that lack it. Errors: `ObjectError`, such as `BucketNotFound`. */
  readonly healBucket: (bucket: string) => Promise<unknown>
  /** Whether clients need the drives now. */
  readonly isBusy: () => boolean
  /** Called when a replaced drive has everything; its `isHealing` must turn false. */
  readonly onRefilled: (set: ErasureSet, position: number) => void
  readonly expireUploads: (signal: AbortSignal) => Promise<number>
  readonly expireIntervalMs: number
  /** After so long a drive that hangs is taken offline. */
  readonly driveTimeoutMs: number
  readonly danglingAgeMs?: number
}

export class RepairService {
  readonly #options: RepairServiceOptions
  readonly #stop = new AbortController()
  readonly #tasks: Promise<void>[] = []
  /** Monotonic time before which a refill, or a walk of a set, is not tried again. */
  readonly #notBeforeMs = new Map<string, number>()

  constructor(options: RepairServiceOptions) {
    this.#options = options
  }

  /** Begins all work. Call once. */
  start(): void {
    for (let i = 0; i < WORKERS; i++) this.#run('repair', () => this.#work())
    this.#run('refill', () => this.#refill())
    this.#run('trash', () => this.#every(TRASH_INTERVAL_MS, () => this.#dropOld()))
    this.#run('room', () => this.#every(TRASH_CHECK_MS, () => this.#makeRoom()))
    const { expireIntervalMs } = this.#options
    this.#run('expiry of uploads', async () => {
      // While the server was away no client could go on: its upload has an interval to be taken up again.
      await this.#options.context.clock.sleep(expireIntervalMs, this.#stop.signal)
      await this.#every(expireIntervalMs, () => this.#expire())
    })
  }

  /** To be called when a drive is online again. */
  driveCameBack(): void {
    this.#notBeforeMs.clear()
    this.#options.queue.retryAll()
  }

  /** Ends all work; what is under way is cut short. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#tasks)
  }

  #run(name: string, task: () => Promise<void>): void {
    const { log } = this.#options.context
    this.#tasks.push(
      task().catch((error: unknown) => log.error(`Background work ended: ${name}`, { error })),
    )
  }

  // Queue -------------------------------------------------------------------------------------------

  async #work(): Promise<void> {
    const { queue } = this.#options
    while (!this.#stop.signal.aborted) {
      const item = await queue.take(TAKE_MS, this.#stop.signal)
      if (item === undefined) continue
      await this.#giveWay()
      try {
        await this.#repair(item)
      } catch (error) {
        this.#options.context.log.error('Cannot repair a key', fieldsOf(item, { error }))
        await this.#retryOrDrop(item, FAILED_TRIES_MAX)
      }
    }
  }

  async #repair(item: QueuedRepair): Promise<void> {
    const { queue, pools } = this.#options
    const set = pools.allSets().find((one) => one.pool === item.pool && one.index === item.set)
    if (set === undefined) return queue.done(item)
    if (item.path === '') {
      await this.#healBucket(item.bucket)
      return queue.done(item)
    }
    const isMissed = item.reason === 'missed' || item.reason === 'late'
    if (isMissed && item.attempts === 0 && set.offlineCount() > 0) {
      queue.retry(item, MISSED_WAIT_MS)
      return undefined
    }
    if (item.reason === 'late' && item.attempts === 0) {
      // The repair would wait for the same drive, with the key locked. The writer tells when it has answered.
      queue.retry(item, this.#options.driveTimeoutMs + LATE_MARGIN_MS)
      return undefined
    }
    const { danglingAgeMs } = this.#options
    const result = await repairKey(set, item.bucket, item.path, {
      deep: item.reason === 'corrupt',
      versionId: item.versionId,
      removed: item.removed,
      healBucket: (bucket) => this.#healBucket(bucket),
      signal: this.#stop.signal,
      ...(danglingAgeMs === undefined ? {} : { danglingAgeMs }),
    })
    return this.#settle(item, result)
  }

  async #settle(item: QueuedRepair, result: RepairResult): Promise<void> {
    const { queue, context } = this.#options
    const { problems, changes, retryAfterMs } = result
    if (changes > 0) context.log.debug('Repaired a key', fieldsOf(item, { changes }))
    if (problems.length === 0) return queue.done(item)
    const only = (...allowed: readonly string[]): boolean =>
      problems.every((problem) => allowed.includes(problem))
    if (only('offline')) queue.retry(item, AWAY_WAIT_MS)
    else if (only('young')) queue.retry(item, retryAfterMs)
    else if (only('lost', 'undecided', 'kept', 'young')) {
      if (item.attempts === 0) {
        context.log.warn(
          'Cannot repair a key with the drives at hand',
          fieldsOf(item, { problems }),
        )
      }
      return this.#retryOrDrop(item, HOPELESS_TRIES_MAX)
    } else queue.retry(item)
    return undefined
  }

  async #retryOrDrop(item: QueuedRepair, triesMax: number): Promise<void> {
    const { queue, context } = this.#options
    if (item.attempts + 1 < triesMax) {
      queue.retry(item)
      return
    }
    context.log.error('Gave up a repair', fieldsOf(item, { tries: item.attempts + 1 }))
    await queue.done(item)
  }

  async #healBucket(bucket: string): Promise<void> {
    try {
      await this.#options.healBucket(bucket)
    } catch (error) {
      // A bucket that is gone needs nothing; whatever else hindered it, the drive goes on lacking it, which is seen.
      if (!(error instanceof ObjectError)) throw error
      if (error.code !== 'BucketNotFound') {
        this.#options.context.log.warn('Cannot make a bucket on all drives', { bucket, error })
      }
    }
  }

  async #giveWay(): Promise<void> {
    const { isBusy, context } = this.#options
    for (let waitedMs = 0; waitedMs < BUSY_MS_MAX && isBusy(); waitedMs += BUSY_STEP_MS) {
      await context.clock.sleep(BUSY_STEP_MS, this.#stop.signal)
    }
  }

  // Whole drives and sets -----------------------------------------------------------------------------

  async #refill(): Promise<void> {
    const { pools, context } = this.#options
    await this.#takeMinioList()
    while (!this.#stop.signal.aborted) {
      for (const set of pools.allSets()) await this.#refillSet(set)
      await this.#walkDirtySets()
      await context.clock.sleep(REFILL_CHECK_MS, this.#stop.signal)
    }
  }

  async #refillSet(set: ErasureSet): Promise<void> {
    const { onRefilled, context } = this.#options
    const positions = set.drives.map((_, i) => i).filter((position) => set.isHealing(position))
    if (positions.length === set.size) {
      await this.#acceptSources(set)
      return
    }
    for (const position of positions) {
      const drive = set.drives[position]
      const name = `${set.pool}/${set.index}/${position}`
      if (this.#stop.signal.aborted || drive?.isOnline() !== true || !this.#isDue(name)) continue
      try {
        const outcome = await refillDrive(set, position, this.#walkOptions())
        if (outcome === 'finished') onRefilled(set, position)
        else if (outcome === 'left') this.#putOff(name)
      } catch (error) {
        context.log.error('Cannot fill a replaced drive', { drive: drive.endpoint, error })
        this.#putOff(name)
      }
    }
  }

  /** Every drive of a set waits to be filled: those that hold buckets are all there is to do it from, and none means a new set. */
  async #acceptSources(set: ErasureSet): Promise<void> {
    const { onRefilled, context } = this.#options
    const holds: boolean[] = []
    for (const volumes of await fanOut(set.drives, (drive) => drive.listVolumes())) {
      if (volumes instanceof DriveError) return // it may hold most of all
      holds.push(volumes.length > 0)
    }
    const isNew = !holds.includes(true)
    for (const [position, drive] of set.drives.entries()) {
      if (drive === undefined || (!isNew && holds[position] !== true)) continue
      await drive.trash(META_VOLUME, TRACKER_PATH)
      onRefilled(set, position)
      if (!isNew) {
        context.log.warn('No drive of the set is whole: others are filled from what this one has', {
          drive: drive.endpoint,
        })
      }
    }
  }

  async #walkDirtySets(): Promise<void> {
    const { queue, pools, context } = this.#options
    for (const marked of queue.dirtySets) {
      const set = pools
        .allSets()
        .find((one) => one.pool === marked.pool && one.index === marked.set)
      const name = `${marked.pool}/${marked.set}`
      if (set !== undefined && (set.offlineCount() > 0 || !this.#isDue(name))) continue
      if (this.#stop.signal.aborted) return
      try {
        const outcome = set === undefined ? 'finished' : await repairSet(set, this.#walkOptions())
        if (outcome === 'finished') await queue.markClean(marked)
        else if (outcome === 'left') this.#putOff(name)
      } catch (error) {
        context.log.error('Cannot look through a set', { ...marked, error })
        this.#putOff(name)
      }
    }
  }

  #walkOptions(): WalkOptions {
    return {
      healBucket: (bucket) => this.#healBucket(bucket),
      isBusy: this.#options.isBusy,
      signal: this.#stop.signal,
      danglingAgeMs: this.#options.danglingAgeMs,
    }
  }

  #isDue(name: string): boolean {
    return this.#options.context.clock.monotonicMs() >= (this.#notBeforeMs.get(name) ?? 0)
  }

  #putOff(name: string): void {
    this.#notBeforeMs.set(name, this.#options.context.clock.monotonicMs() + REFILL_RETRY_MS)
  }

  /** Takes over what MinIO owed when it stopped. */
  async #takeMinioList(): Promise<void> {
    for (const drive of this.#onlineDrives()) {
      const files = await drive.readSmallFiles(META_VOLUME, [MINIO_LIST_PATH])
      if (files instanceof DriveError || files[0] === undefined) continue
      try {
        for (const owed of parseRepairList(files[0])) {
          for (const set of this.#options.pools.setsOf(owed.path)) {
            if (set.pool !== owed.poolIndex) continue
            const versionId = isVersionId(owed.versionId)
              ? storedVersionId(owed.versionId)
              : undefined
            const reason = owed.bitrotScan ? 'corrupt' : 'missed'
            const { bucket, path } = owed
            await this.#options.queue.report({
              pool: set.pool,
              set: set.index,
              bucket,
              path,
              versionId,
              reason,
            })
          }
        }
        await drive.trash(META_VOLUME, MINIO_LIST_PATH)
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
        this.#options.context.log.warn('Cannot read the repairs that MinIO owed', { error })
      }
    }
  }

  // Intervals -----------------------------------------------------------------------------------------

  async #every(intervalMs: number, run: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options.context
    while (!this.#stop.signal.aborted) {
      try {
        await run()
      } catch (error) {
        log.error('Background work failed', { error })
      }
      await clock.sleep(intervalMs, this.#stop.signal)
    }
  }

  async #expire(): Promise<void> {
    const count = await this.#options.expireUploads(this.#stop.signal)
    if (count > 0) this.#options.context.log.info('Dropped abandoned uploads', { count })
  }

  async #dropOld(): Promise<void> {
    await this.#onEachDrive(async (drive) => {
      await this.#emptyTrash(drive, TRASH_REST_MS_MAX)
      await this.#emptyQuarantine(drive)
    })
  }

  async #makeRoom(): Promise<void> {
    await this.#onEachDrive(async (drive) => {
      const info = await drive.info()
      if (info instanceof DriveError) return
      if (info.freeBytes < TRASH_SPACE_SHARE * info.totalBytes) await this.#emptyTrash(drive, 0)
    })
  }

  async #emptyTrash(drive: Drive, restMsMax: number): Promise<void> {
    const { clock } = this.#options.context
    while (!this.#stop.signal.aborted) {
      const beganMs = clock.monotonicMs()
      const reply = await drive.emptyTrash(TRASH_LIMIT)
      // What cannot be removed stays for the next time.
      if (reply instanceof DriveError || reply.left === 0 || reply.removed === 0) return
      const tookMs = clock.monotonicMs() - beganMs
      await clock.sleep(Math.min(restMsMax, TRASH_REST * tookMs), this.#stop.signal)
    }
  }

  async #emptyQuarantine(drive: Drive): Promise<void> {
    const names = await drive.listDirectory(CAIRN_VOLUME, QUARANTINE, QUARANTINE_NAMES_MAX)
    if (names instanceof DriveError) return // there is none
    const beforeMs = this.#options.context.clock.nowMs() - QUARANTINE_MS
    for (const name of names) {
      const removedMs = Number.parseInt(name, 10)
      if (Number.isNaN(removedMs) || removedMs >= beforeMs) continue
      await drive.trash(CAIRN_VOLUME, `${QUARANTINE}/${name.replace(/\/$/, '')}`)
    }
  }

  /** All at once: a slow drive keeps no other waiting. */
  async #onEachDrive(run: (drive: Drive) => Promise<void>): Promise<void> {
    await Promise.all(this.#onlineDrives().map(run))
  }

  #onlineDrives(): Drive[] {
    const drives = this.#options.pools.allDrives()
    return drives.filter((drive) => drive !== undefined).filter((drive) => drive.isOnline())
  }
}

function fieldsOf(
  item: RepairItem,
  more: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { bucket, path, versionId, reason } = item
  return { bucket, key: path, versionId, reason, ...more }
}
