import { promises as files } from 'node:fs'
import type { Clock, Timer } from '#base/clock'
import { type DriveConnection, DriveStateCell } from '#drive/drive-messages'
import { DriveSupervisor } from '#drive/drive-supervisor'
import type { FormedDrive, Formation } from '#drive/formation'
import type { Log } from '#observe/log'
import type { EngineSeed } from './thread-seed.ts'

const READY_POLL_MS = 5
const WATCH_MS = 1000
/** How often drives that are away are tried again: a blank one is being filled within 10 s (distributed.md 10.2, F11). */
const RETRY_MS = 5000

export interface DrivesOptions {
  readonly clock: Clock
  readonly log: Log
  readonly seed: EngineSeed
  /** Region of the arena of the first drive's thread. */
  readonly firstRegion: number
  readonly clientCount: number
  /** Hands the connections of a drive's new thread to the threads that use it. */
  connect(index: number, connections: readonly DriveConnection[]): void
  /** A drive is online that was not before; it may lack what was written meanwhile. */
  onReturn(): void
}

interface Seat {
  drive: FormedDrive
  wasOnline: boolean
  readonly state: DriveStateCell
  supervisor: DriveSupervisor | undefined
}

/** The drive threads, and the drives that wait for theirs. */
export class Drives {
  readonly #options: DrivesOptions
  readonly #formation: Formation
  readonly #seats: readonly Seat[]
  #timer: Timer | undefined

  constructor(formation: Formation, options: DrivesOptions) {
    this.#options = options
    this.#formation = formation
    this.#seats = formation.pools
      .flatMap(({ sets }) => sets.flat())
      .map((drive, index) => ({
        drive,
        wasOnline: true,
        state: new DriveStateCell(options.seed.driveStates, index),
        supervisor: undefined,
      }))
  }

  get count(): number {
    return this.#seats.length
  }

  get hasAbandoned(): boolean {
    return this.#seats.some(({ supervisor }) => supervisor?.hasAbandoned === true)
  }

  onlineCount(): number {
    return this.#seats.filter(({ state }) => state.isOnline()).length
  }

  start(): void {
    for (const [index, seat] of this.#seats.entries()) {
      if (seat.drive.refusal === undefined) this.#launch(index, seat)
      else seat.state.set('notFound')
    }
    this.#watch(0)
  }

  /** Resolves when every thread has answered, or after `limitMs`. */
  async untilReady(limitMs: number): Promise<void> {
    const { clock } = this.#options
    const deadlineMs = clock.monotonicMs() + limitMs
    while (this.#seats.some(({ state }) => state.get() === 'starting')) {
      if (clock.monotonicMs() > deadlineMs) return
      await clock.sleep(READY_POLL_MS)
    }
  }

  /** The start is over: each gives back the memory that only the start needed. */
  settle(): void {
    for (const { supervisor } of this.#seats) supervisor?.settle()
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    await Promise.all(this.#seats.map(async ({ supervisor }) => supervisor?.stop()))
  }

  #launch(index: number, seat: Seat): void {
    const { clock, log, seed, firstRegion, clientCount } = this.#options
    const { settings } = seed
    const pool = seed.pools[seat.drive.pool]
    seat.supervisor = new DriveSupervisor({
      clock,
      log,
      timeoutMs: settings.driveTimeoutMs,
      clientCount,
      onConnections: (connections) => this.#options.connect(index, connections),
      host: {
        root: seat.drive.endpoint,
        durability: settings.durability,
        mayHoldV1: pool?.distributionAlgorithm === 'CRCMOD',
        driveId: seat.drive.driveId,
        mayBeRootDrive: settings.allowRootDrive || this.#seats.length === 1,
        isMonitored: true,
        seed: seed.codec,
        regionIndex: firstRegion + index,
        states: seed.driveStates,
        driveIndex: index,
        log: seed.log,
      },
    })
    seat.supervisor.start()
  }

  /** Looks for drives that came back, and now and then for refused ones that may be used now. */
  #watch(sinceRetryMs: number): void {
    this.#timer = this.#options.clock.setTimer(WATCH_MS, () => {
      let isAnyBack = false
      for (const seat of this.#seats) {
        if (seat.state.get() === 'returning') this.#takeBack(seat)
        const isOnline = seat.state.isOnline()
        if (isOnline && !seat.wasOnline) isAnyBack = true
        if (!isOnline && seat.wasOnline) void this.#letGo(seat)
        seat.wasOnline = isOnline
      }
      if (isAnyBack) this.#options.onReturn()
      const isRetry = sinceRetryMs >= RETRY_MS
      if (isRetry) for (const [index, seat] of this.#seats.entries()) this.#retry(index, seat)
      this.#watch(isRetry ? 0 : sinceRetryMs + WATCH_MS)
    })
  }

  #takeBack(seat: Seat): void {
    seat.drive = this.#formation.lock(seat.drive)
    const { endpoint, refusal } = seat.drive
    if (refusal !== undefined || !seat.state.change('returning', 'online')) return
    this.#options.log.info(`Read/Write/Delete successful, bringing drive ${endpoint} online`, {
      drive: endpoint,
    })
  }

  /** Gives up the lock of a drive that is offline, so that it can be unmounted. Where the drive hangs, this could hang. */
  async #letGo(seat: Seat): Promise<void> {
    await files.stat(seat.drive.endpoint).catch(() => undefined)
    if (!seat.state.isOnline() && seat.state.get() !== 'starting')
      this.#formation.unlock(seat.drive)
  }

  /** A drive that was refused at the start, or lost its format while running: mounted, replaced or mended by now? */
  #retry(index: number, seat: Seat): void {
    const state = seat.state.get()
    if (state !== 'notFound' && state !== 'unformatted') return
    const drive = this.#formation.retry(seat.drive)
    seat.drive = drive
    if (drive.refusal !== undefined) return
    if (drive.isHealing) new Uint8Array(this.#options.seed.healing)[index] = 1
    if (seat.supervisor === undefined) {
      seat.state.set('starting')
      this.#launch(index, seat)
    }
    this.#options.log.info('Drive is used again', {
      drive: drive.endpoint,
      isHealing: drive.isHealing,
    })
  }
}
