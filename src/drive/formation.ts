import { textOf } from '#base/bytes'
import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import { FormatError } from '#codec/msgpack'
import type { Log } from '#observe/log'
import { META_VOLUME } from './drive.ts'
import {
  checkPlace,
  checkShape,
  chooseReference,
  type DistributionAlgorithm,
  type DriveFormat,
  encodeFormat,
  formatForSlot,
  migrateFormats,
  newFormats,
  parseFormat,
  repairDriveId,
} from './format-json.ts'
import {
  encodeHealingTracker,
  newHealingTracker,
  parseHealingTracker,
  TRACKER_PATH,
} from './healing-tracker.ts'
import { checkFolder, mountsBelow } from './local/drive-checks.ts'
import { type DriveLock, lockDrive } from './local/drive-lock.ts'
import { type FileSystem, systemErrorCode } from './local/file-system.ts'
import { nodeFileSystem } from './local/node-file-system.ts'
import { RawDrive } from './local/raw-drive.ts'

/**
 * From folders to a deployment: checks every drive, formats new ones, refuses those that do not belong here.
 *
 * - A drive that is refused stays untouched and counts as offline; what makes the whole start impossible throws
 *   `FormationError`.
 * - A drive is locked before it is changed, so that two servers never share it; while it is offline it can be unlocked, so
 *   that it can be unmounted.
 * - A new pool is formatted in two steps: the format is laid beside its place on all drives, then renamed on all. A crash in
 *   between is completed by the next start.
 * Sources: disk-format.md 2.2, 2.3; distributed.md 2.
 */

/** The start cannot go on; the message says which drive and why. */
export class FormationError extends Error {
  override readonly name = 'FormationError'
  /** True: drives may still come online. */
  readonly temporary: boolean
  constructor(message: string, temporary = false) {
    super(message)
    this.temporary = temporary
  }
}

export interface PoolFolders {
  /** Absolute paths in order; sets are consecutive slices. */
  readonly endpoints: readonly string[]
  readonly setSize: number
}

export interface FormationOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly allowRootDrive: boolean
  readonly rootDriveThresholdBytes: number
  /** The real one unless a test puts another in its place. */
  readonly fileSystem?: FileSystem
}

export interface FormedDrive {
  readonly endpoint: string
  readonly pool: number
  readonly set: number
  readonly position: number
  /** UUID that belongs in this place. */
  readonly driveId: string
  /** Why the drive is not used now; undefined: it is. */
  readonly refusal: string | undefined
  /** Its content is incomplete: it replaces another drive and is being filled. */
  readonly isHealing: boolean
}

export interface FormedPool {
  /** Drives by set and position. */
  readonly sets: readonly (readonly FormedDrive[])[]
  readonly distributionAlgorithm: DistributionAlgorithm
}

export interface Formation {
  readonly deploymentId: string
  readonly pools: readonly FormedPool[]
  /** Tries a refused drive again: it may have been mounted, replaced or mended. Formats it when it is blank. */
  retry(drive: FormedDrive): FormedDrive
  /** Locks a drive that returns; it must not be used before that has worked. */
  lock(drive: FormedDrive): FormedDrive
  unlock(drive: FormedDrive): void
  /** Frees the drives for other servers. */
  release(): void
}

const FORMAT_PATH = 'format.json'
/** Laid down first, renamed when all drives have one. */
const PENDING_PATH = 'cairn/format.json.new'
const IN_USE = 'in use by another server'

/** One drive while the pool is formed. */
interface Candidate {
  readonly endpoint: string
  readonly raw: RawDrive
  refusal: string | undefined
  format: DriveFormat | undefined
}

/** Forms all pools. Errors: `FormationError`. */
export function formDrives(pools: readonly PoolFolders[], options: FormationOptions): Formation {
  const former = new Former(options, pools.flatMap(({ endpoints }) => endpoints).length === 1)
  try {
    return former.form(pools)
  } catch (error) {
    former.release()
    throw error
  }
}

class Former {
  readonly #options: FormationOptions
  readonly #isSingle: boolean
  readonly #fileSystem: FileSystem
  readonly #locks = new Map<string, DriveLock>()
  readonly #references: DriveFormat[] = []
  readonly #healId: string

  constructor(options: FormationOptions, isSingle: boolean) {
    this.#options = options
    this.#fileSystem = options.fileSystem ?? nodeFileSystem()
    this.#isSingle = isSingle
    this.#healId = options.random.uuid()
  }

  form(pools: readonly PoolFolders[]): Formation {
    const formed = pools.map((pool, index) => this.#formPool(pool, index))
    const deploymentId = this.#references[0]?.deploymentId ?? ''
    if (this.#references.some((reference) => reference.deploymentId !== deploymentId)) {
      throw new FormationError('Pools belong to different deployments: their deployment ids differ')
    }
    return {
      deploymentId,
      pools: formed,
      retry: (drive) => this.#retry(drive),
      lock: (drive) => this.#relock(drive),
      unlock: (drive) => this.#unlock(drive),
      release: () => this.release(),
    }
  }

  release(): void {
    for (const lock of this.#locks.values()) lock.release()
    this.#locks.clear()
  }

  #formPool(pool: PoolFolders, poolIndex: number): FormedPool {
    for (const endpoint of pool.endpoints) checkMounts(endpoint)
    const candidates = pool.endpoints.map((endpoint) => this.#open(endpoint))
    const taken = candidates.find(({ refusal }) => refusal === IN_USE)
    if (taken !== undefined) {
      throw new FormationError(`Drive "${taken.endpoint}" is ${IN_USE}: stop it first`)
    }
    const reference = this.#referenceOf(pool, candidates)
    this.#references.push(reference)
    refuseDoubles(candidates, reference)
    const drives = candidates.map((candidate, index) => {
      const place = {
        pool: poolIndex,
        set: Math.floor(index / pool.setSize),
        position: index % pool.setSize,
      }
      return this.#settle(candidate, reference, place)
    })
    const used = drives.filter(({ refusal }) => refusal === undefined)
    if (used.length < neededOf(drives)) throw tooFew(drives)
    for (const drive of drives) this.#tellRefusal(drive)
    const sets = Array.from({ length: drives.length / pool.setSize }, (_, set) =>
      drives.slice(set * pool.setSize, (set + 1) * pool.setSize),
    )
    return { sets, distributionAlgorithm: reference.distributionAlgorithm }
  }

  /** Checks and locks a folder and reads its format. */
  #open(endpoint: string): Candidate {
    const raw = new RawDrive(this.#fileSystem, endpoint, this.#options.random)
    const candidate: Candidate = { endpoint, raw, refusal: undefined, format: undefined }
    candidate.refusal = checkFolder(endpoint, {
      fileSystem: this.#fileSystem,
      allowRootDrive: this.#options.allowRootDrive || this.#isSingle,
      rootDriveThresholdBytes: this.#options.rootDriveThresholdBytes,
    })
    if (candidate.refusal !== undefined) return candidate
    candidate.refusal = this.#lock(raw, endpoint)
    if (candidate.refusal !== undefined) return candidate
    try {
      const bytes = raw.read(FORMAT_PATH)
      if (bytes !== undefined) candidate.format = parseFormat(bytes)
    } catch (error) {
      candidate.refusal = error instanceof FormatError ? error.message : faultOf(error)
    }
    return candidate
  }

  /** Why the drive cannot be locked. */
  #lock(raw: RawDrive, endpoint: string): string | undefined {
    if (this.#locks.has(endpoint)) return undefined
    try {
      raw.makeDirectories('cairn')
      const lock = lockDrive(`${endpoint}/${META_VOLUME}/cairn/lock`)
      if (lock === undefined) return IN_USE
      this.#locks.set(endpoint, lock)
      return undefined
    } catch (error) {
      return faultOf(error)
    }
  }

  #unlock({ endpoint }: Pick<FormedDrive, 'endpoint'>): void {
    this.#locks.get(endpoint)?.release()
    this.#locks.delete(endpoint)
  }

  #relock(drive: FormedDrive): FormedDrive {
    const { endpoint } = drive
    const raw = new RawDrive(this.#fileSystem, endpoint, this.#options.random)
    return this.#settled(drive, { ...drive, refusal: this.#lock(raw, endpoint) })
  }

  /** The format that the pool has, or gets now. */
  #referenceOf(pool: PoolFolders, candidates: readonly Candidate[]): DriveFormat {
    const shape = { setCount: pool.endpoints.length / pool.setSize, setSize: pool.setSize }
    const unreadable = candidates.filter((one) => one.refusal !== undefined)
    if (candidates.every((one) => one.format === undefined)) {
      const first = unreadable[0]
      if (first !== undefined) {
        throw new FormationError(
          `Cannot format the pool: drive "${first.endpoint}": ${first.refusal ?? ''}`,
          unreadable.length < candidates.length,
        )
      }
      return this.#formatPool(shape, candidates)
    }
    const migrated = migrateFormats(
      candidates.map(({ format }) => format),
      this.#options.random,
    )
    for (const [index, candidate] of candidates.entries()) {
      const format = migrated[index]
      const fixed = format === undefined ? undefined : repairDriveId(format, index)
      if (fixed !== candidate.format && fixed !== undefined) this.#migrate(candidate, fixed)
      candidate.format = fixed
      const wrong = fixed === undefined ? undefined : checkShape(fixed, shape, index)
      if (wrong !== undefined) throw new FormationError(`Drive "${candidate.endpoint}": ${wrong}`)
    }
    const reference = chooseReference(this.#withPending(candidates))
    if (reference === undefined) throw tooFew(candidates)
    return reference
  }

  /**
   * Formats by endpoint. A first formatting that was cut short between two renames left some drives with the same format
   * beside its place: they agree as well, or the start would wait for them forever (D2.1).
   */
  #withPending(candidates: readonly Candidate[]): readonly (DriveFormat | undefined)[] {
    const present = new Set<string>()
    for (const { format } of candidates) if (format !== undefined) present.add(poolTextOf(format))
    return candidates.map(({ format, refusal, raw }) => {
      if (format !== undefined || refusal !== undefined) return format
      const bytes = raw.read(PENDING_PATH)
      if (bytes === undefined) return undefined
      try {
        const pending = parseFormat(bytes)
        return present.has(poolTextOf(pending)) ? pending : undefined
      } catch (error) {
        if (error instanceof FormatError) return undefined // it never took its place: the drive is blank
        throw error
      }
    })
  }

  #formatPool(
    shape: { readonly setCount: number; readonly setSize: number },
    candidates: readonly Candidate[],
  ): DriveFormat {
    for (const { endpoint, raw } of candidates) {
      const bucket = raw.findForgottenBucket()
      if (bucket === undefined) continue
      throw new FormationError(
        `Drive "${endpoint}" holds objects in "${bucket}" but has lost its format.json: restore it, or empty the drive`,
      )
    }
    const formats = newFormats(shape, this.#options.random, this.#references[0]?.deploymentId)
    for (const [index, { endpoint, raw }] of candidates.entries()) {
      const format = formats[index]
      if (format === undefined) continue
      formatting(endpoint, () => raw.write(PENDING_PATH, encodeFormat(format)))
    }
    for (const { endpoint, raw } of candidates) {
      formatting(endpoint, () => raw.move(PENDING_PATH, FORMAT_PATH))
    }
    for (const [index, candidate] of candidates.entries()) candidate.format = formats[index]
    this.#options.log.info(
      `Formatting pool, ${shape.setCount} set(s), ${shape.setSize} drives per set`,
      { pool: this.#references.length + 1 },
    )
    const [first] = formats
    if (first === undefined) throw new FormationError('A pool needs a drive')
    return { ...first, driveId: '' }
  }

  #migrate(candidate: Candidate, format: DriveFormat): void {
    candidate.raw.trash('multipart')
    candidate.raw.write(FORMAT_PATH, encodeFormat(format))
    this.#options.log.info('Migrated the format of an old release', { drive: candidate.endpoint })
  }

  #settle(
    candidate: Candidate,
    reference: DriveFormat,
    place: { readonly pool: number; readonly set: number; readonly position: number },
  ): FormedDrive {
    const { endpoint, raw } = candidate
    const expected = formatForSlot(reference, place)
    if (candidate.refusal === undefined && candidate.format === undefined) {
      this.#completeOrReplace(candidate, expected, place)
    }
    if (candidate.refusal === undefined && candidate.format !== undefined) {
      candidate.refusal = checkPlace(candidate.format, reference, { ...place, endpoint })
    }
    let isHealing = false
    if (candidate.refusal === undefined) {
      try {
        raw.tidyUp()
        isHealing = this.#isHealing(raw)
      } catch (error) {
        candidate.refusal = faultOf(error)
      }
    }
    const { refusal } = candidate
    if (refusal !== undefined) this.#unlock(candidate)
    return { endpoint, ...place, driveId: expected.driveId, refusal, isHealing }
  }

  /** A blank drive in a formatted pool: either a first formatting was cut short, or the drive replaces another. */
  #completeOrReplace(
    candidate: Candidate,
    expected: DriveFormat,
    place: { readonly pool: number; readonly set: number; readonly position: number },
  ): void {
    const { raw, endpoint } = candidate
    try {
      const pending = raw.read(PENDING_PATH)
      if (pending !== undefined && Buffer.from(encodeFormat(expected)).equals(pending)) {
        raw.move(PENDING_PATH, FORMAT_PATH)
      } else {
        const tracker = newHealingTracker({
          driveId: expected.driveId,
          healId: this.#healId,
          ...place,
          path: endpoint,
          endpoint,
          startedNs: this.#options.clock.nowNs(),
          buckets: [],
        })
        raw.write(TRACKER_PATH, encodeHealingTracker(tracker))
        raw.write(FORMAT_PATH, encodeFormat(expected))
        this.#options.log.info('Blank drive replaces another and will be filled', {
          drive: endpoint,
        })
      }
      candidate.format = expected
    } catch (error) {
      candidate.refusal = faultOf(error)
    }
  }

  #isHealing(raw: RawDrive): boolean {
    const bytes = raw.read(TRACKER_PATH)
    if (bytes === undefined) return false
    try {
      return !parseHealingTracker(bytes).finished
    } catch (error) {
      if (error instanceof FormatError) return true // unreadable: the drive's content is doubtful
      throw error
    }
  }

  #retry(drive: FormedDrive): FormedDrive {
    const reference = this.#references[drive.pool]
    if (reference === undefined) return drive
    return this.#settled(drive, this.#settle(this.#open(drive.endpoint), reference, drive))
  }

  /** Says once why a drive is still not used. */
  #settled(before: FormedDrive, now: FormedDrive): FormedDrive {
    if (now.refusal !== before.refusal) this.#tellRefusal(now)
    return now
  }

  #tellRefusal({ endpoint, refusal }: FormedDrive): void {
    if (refusal === undefined) return
    this.#options.log.error('Drive is not used', { drive: endpoint, reason: refusal })
  }
}

function faultOf(error: unknown): string {
  return `drive is faulty (${error instanceof Error ? error.message : 'unknown error'})`
}

/** A blank drive takes the place of one that is gone, never of one that is here, at another place. */
function refuseDoubles(candidates: readonly Candidate[], reference: DriveFormat): void {
  const driveIds = reference.sets.flat()
  for (const [index, candidate] of candidates.entries()) {
    if (candidate.format !== undefined || candidate.refusal !== undefined) continue
    const holder = candidates.find((one) => one.format?.driveId === driveIds[index])
    if (holder === undefined) continue
    candidate.refusal = `drive is blank, and the drive of its place is here as "${holder.endpoint}": name the drives in their former order`
  }
}

function tooFew(drives: readonly Pick<FormedDrive, 'endpoint' | 'refusal'>[]): FormationError {
  const refused = drives.filter(({ refusal }) => refusal !== undefined)
  const reasons = refused.map(({ endpoint, refusal }) => `"${endpoint}": ${refusal ?? ''}`)
  const message = `Waiting for a minimum of ${neededOf(drives)} drives to come online`
  return new FormationError([message, ...reasons].join('; '), true)
}

function neededOf(drives: readonly unknown[]): number {
  return Math.ceil(drives.length / 2)
}

/** A drive that is full or broken may be mended while the start waits. */
function formatting(endpoint: string, step: () => void): void {
  try {
    step()
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    const reason = error instanceof Error ? error.message : ''
    throw new FormationError(`Cannot format the pool: drive "${endpoint}": ${reason}`, true)
  }
}

/** What is the same on all drives of a pool. */
function poolTextOf(format: DriveFormat): string {
  return textOf(encodeFormat({ ...format, driveId: '' }))
}

function checkMounts(endpoint: string): void {
  const mounts = mountsBelow(endpoint)
  if (mounts.length === 0) return
  throw new FormationError(
    `Cross-device mounts detected on path (${endpoint}) at following locations [${mounts.join(' ')}]. Export path should not have any sub-mounts, refusing to start.`,
  )
}
