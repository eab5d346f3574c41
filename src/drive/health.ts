import { equalBytes } from '#base/bytes'
import type { Clock, Timer } from '#base/clock'
import type { Random } from '#base/random'
import { FormatError } from '#codec/msgpack'
import type { Log } from '#observe/log'
import { DriveError, META_VOLUME, TMP_VOLUME } from './drive.ts'
import {
  type DriveMethod,
  type DriveState,
  type DriveStateCell,
  METHODS_CHANGING,
  METHODS_ON_UNFORMATTED,
  stateError,
} from './drive-messages.ts'
import { parseFormat } from './format-json.ts'
import { toDriveError } from './local/drive-paths.ts'
import { type FileStat, type FileSystem, systemErrorCode } from './local/file-system.ts'

/**
 * Watches a drive from its own thread and keeps its state.
 *
 *   starting ──► online ──► faulty ── probe succeeds ──► returning ── the main thread has locked it ──► online
 *      └───────►    └─────► notFound, unformatted, accessDenied ── format.json is the drive's own again ──┐
 *                                   returning ◄── probe succeeds ─────────────────────────────────────────┘
 *
 * - Identity: `format.json` is compared (inode, time, size) once a second, also when no calls come, and before every change:
 *   nothing is written into the empty mount point that an unmounted drive leaves.
 * - Probe: a file is written, flushed, read back and deleted; regularly, and before a drive comes back.
 * - A thread that was replaced by another one no longer changes the state.
 * Source: distributed.md 2.6, 9.4, D2.4, D9.7, D9.10.
 */

const IDENTITY_INTERVAL_MS = 1000
const PROBE_INTERVAL_MS = 15_000
/** A call that succeeded so recently makes a probe needless. */
const SUCCESS_RECENT_MS = 5000
/** How often a drive that is offline is tried. */
const RETURN_INTERVAL_MS = 5000
const PROBE_SIZE = 2049
const FORMAT_SIZE_MAX = 16 * 1024 * 1024

export interface DriveHealthOptions {
  readonly fileSystem: FileSystem
  readonly root: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly state: DriveStateCell
  /** The number of this thread among the threads of the drive. */
  readonly generation: number
  /** UUID text that `format.json` must hold; undefined: any directory will do. */
  readonly driveId: string | undefined
  /** The drive may lie on the device of `/`: else a root without a format there is an unmounted drive. */
  readonly mayBeRootDrive: boolean
  /** False: no regular probes while the drive is online. */
  readonly isMonitored: boolean
  readonly timeoutMs: number
}

/** What the identity check found. */
type Identity = Extract<
  DriveState,
  'online' | 'notFound' | 'unformatted' | 'accessDenied' | 'faulty'
>

export class DriveHealth {
  readonly #options: DriveHealthOptions
  readonly #formatPath: string
  readonly #intervals: { readonly probeMs: number; readonly returnMs: number }
  #format: FileStat | undefined
  #identity: Identity = 'notFound'
  #identityMs = Number.NEGATIVE_INFINITY
  #successMs = Number.NEGATIVE_INFINITY
  #probeMs = Number.NEGATIVE_INFINITY
  #isProbing = false
  #isStopped = false
  #timer: Timer | undefined

  constructor(options: DriveHealthOptions) {
    this.#options = options
    this.#formatPath = `${options.root}/${META_VOLUME}/format.json`
    this.#intervals = {
      probeMs: Math.min(PROBE_INTERVAL_MS, options.timeoutMs),
      returnMs: Math.min(RETURN_INTERVAL_MS, options.timeoutMs),
    }
  }

  /** Finds out how the drive is and goes on watching it. */
  async start(): Promise<void> {
    this.#checkIdentity()
    await this.#tick()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Why a call may not be made now. Looks at the drive before changes, else when the last look is a second ago. */
  refusalOf(method: DriveMethod): DriveError | undefined {
    this.#checkIdentity(METHODS_CHANGING.has(method) ? 0 : IDENTITY_INTERVAL_MS)
    const identity = this.#identity
    // Calls that were sent to a drive which became faulty meanwhile are tried: they may still succeed.
    if (identity === 'online' || identity === 'faulty') return undefined
    if (identity === 'unformatted' && METHODS_ON_UNFORMATTED.has(method)) return undefined
    return stateError(identity, this.#options.root)
  }

  /** Learns from the result of a call. */
  observe(result: unknown): void {
    if (!(result instanceof DriveError)) {
      this.#successMs = this.#options.clock.monotonicMs()
      return
    }
    if (result.code === 'DriveFaulty') this.#takeOffline('faulty', result)
    else if (result.code === 'DriveAccessDenied' || result.code === 'DriveNotFound') {
      // One file may be out of reach without the drive being so.
      this.#checkIdentity(0)
    }
  }

  async #tick(): Promise<void> {
    if (this.#isStopped) return
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(
      Math.min(IDENTITY_INTERVAL_MS, this.#intervals.returnMs),
      () => void this.#tick(),
    )
    this.#checkIdentity()
    const { state, clock, isMonitored } = this.#options
    if (this.#identity !== 'online' && this.#identity !== 'faulty') return
    if (this.#isCurrent() && state.change('starting', 'online')) return
    const nowMs = clock.monotonicMs()
    const sinceProbeMs = nowMs - this.#probeMs
    const isDue = state.isOnline()
      ? isMonitored &&
        sinceProbeMs >= this.#intervals.probeMs &&
        nowMs - this.#successMs >= SUCCESS_RECENT_MS
      : sinceProbeMs >= this.#intervals.returnMs
    if (isDue) await this.#probe()
  }

  // Identity -----------------------------------------------------------------------------------------

  /** Unless that was done so shortly before. */
  #checkIdentity(intervalMs = IDENTITY_INTERVAL_MS): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#identityMs < intervalMs) return
    this.#identityMs = nowMs
    try {
      this.#identity = this.#lookAtIdentity()
    } catch (error) {
      const failure = toDriveError(error, 'look at the format of the drive')
      if (failure.code === 'TooManyOpenFiles') return // says nothing about the drive
      this.#identity = identityOf(failure)
      this.#format = undefined
    }
    if (this.#identity !== 'online') {
      this.#takeOffline(this.#identity, stateError(this.#identity, this.#options.root))
    }
  }

  #lookAtIdentity(): Identity {
    const { fileSystem, root, driveId } = this.#options
    if (driveId === undefined) {
      return fileSystem.stat(root)?.isDirectory === true ? 'online' : 'notFound'
    }
    const stat = this.#statFormat()
    if (stat === undefined) {
      this.#format = undefined
      return this.#withoutFormat()
    }
    if (this.#format !== undefined && isSameFile(this.#format, stat)) return this.#identity
    const identity = this.#readDriveId(stat.sizeBytes) === driveId ? 'online' : 'notFound'
    this.#format = stat
    return identity
  }

  #statFormat(): FileStat | undefined {
    try {
      return this.#options.fileSystem.stat(this.#formatPath)
    } catch (error) {
      if (systemErrorCode(error) === 'ENOTDIR') return undefined
      throw error
    }
  }

  /** An unmounted drive leaves its empty mount point, which lies on the device of `/`. */
  #withoutFormat(): Identity {
    const { fileSystem, root, mayBeRootDrive } = this.#options
    const stat = fileSystem.stat(root)
    if (stat?.isDirectory !== true) return 'notFound'
    if (!mayBeRootDrive && stat.device === fileSystem.stat('/')?.device) return 'notFound'
    return 'unformatted'
  }

  /** Undefined for a file that is not a format: never the drive that is looked for. */
  #readDriveId(sizeBytes: number): string | undefined {
    if (sizeBytes > FORMAT_SIZE_MAX) return undefined
    const { fileSystem } = this.#options
    const file = fileSystem.open(this.#formatPath, 'read')
    try {
      const bytes = new Uint8Array(sizeBytes)
      return parseFormat(bytes.subarray(0, fileSystem.read(file, bytes, 0))).driveId
    } catch (error) {
      if (error instanceof FormatError) return undefined
      throw error
    } finally {
      fileSystem.close(file)
    }
  }

  // Probe --------------------------------------------------------------------------------------------

  /** Takes the drive offline when a probe fails or lasts too long, and brings it back when one succeeds. */
  async #probe(): Promise<void> {
    if (this.#isProbing) return
    this.#isProbing = true
    const { clock, timeoutMs, state } = this.#options
    this.#probeMs = clock.monotonicMs()
    const alarm = clock.setTimer(timeoutMs, () => this.#takeOffline('faulty', slowProbe(timeoutMs)))
    const failure = await this.#tryProbe()
    const isInTime = clock.monotonicMs() - this.#probeMs < timeoutMs
    if (!isInTime) this.#takeOffline('faulty', slowProbe(timeoutMs))
    alarm.cancel()
    this.#isProbing = false
    if (failure?.code === 'DriveFaulty') {
      this.#takeOffline('faulty', failure)
      return
    }
    // A full drive answers, and it can be read and deleted from.
    if (!isInTime || (failure !== undefined && failure.code !== 'DriveFull')) return
    if (!this.#isCurrent() || this.#isStopped) return
    const before = state.get()
    if (before !== 'online') state.change(before, 'returning')
  }

  async #tryProbe(): Promise<DriveError | undefined> {
    const { fileSystem, root, random } = this.#options
    const directory = `${root}/${TMP_VOLUME}`
    const path = `${directory}/${random.uuid()}`
    let isCreated = false
    try {
      if (fileSystem.stat(directory) === undefined) fileSystem.makeDirectory(directory)
      const bytes = random.bytes(PROBE_SIZE)
      let file = fileSystem.open(path, 'create')
      isCreated = true
      try {
        fileSystem.write(file, [bytes])
        const [failure] = await fileSystem.flush([{ file }])
        if (failure !== undefined) throw failure
      } finally {
        fileSystem.close(file)
      }
      file = fileSystem.open(path, 'read')
      const back = new Uint8Array(PROBE_SIZE)
      try {
        fileSystem.read(file, back, 0)
      } finally {
        fileSystem.close(file)
      }
      isCreated = false
      fileSystem.unlink(path)
      if (!equalBytes(bytes, back)) return new DriveError('DriveFaulty', 'Probe read other bytes')
      return undefined
    } catch (error) {
      if (isCreated) this.#removeProbe(path)
      return toDriveError(error, 'probe the drive')
    }
  }

  #removeProbe(path: string): void {
    try {
      this.#options.fileSystem.unlink(path)
    } catch {
      // The probe's own failure is what counts; the start of the next server empties the directory.
    }
  }

  // State --------------------------------------------------------------------------------------------

  #isCurrent(): boolean {
    return this.#options.state.generation === this.#options.generation
  }

  #takeOffline(to: Exclude<Identity, 'online'>, why: DriveError): void {
    if (!this.#isCurrent() || this.#isStopped) return
    const { state, log, root } = this.#options
    const before = state.get()
    if (before === to || !state.change(before, to)) return
    // Reported once for each time offline, also when the reason changes on the way.
    if (before !== 'online' && before !== 'starting') return
    log.error(`taking drive ${root} offline: ${why.message}`, { drive: root, error: why.cause })
  }
}

function slowProbe(timeoutMs: number): DriveError {
  return new DriveError('DriveTimeout', `A probe took longer than ${timeoutMs} ms`)
}

function identityOf(failure: DriveError): Identity {
  switch (failure.code) {
    case 'DriveAccessDenied':
      return 'accessDenied'
    case 'DriveFaulty':
      return 'faulty'
    default:
      return 'notFound'
  }
}

function isSameFile(a: FileStat, b: FileStat): boolean {
  return (
    a.inode === b.inode &&
    a.device === b.device &&
    a.modifiedNs === b.modifiedNs &&
    a.sizeBytes === b.sizeBytes
  )
}
