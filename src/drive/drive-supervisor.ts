import { MessageChannel, Worker } from 'node:worker_threads'
import type { Clock, Timer } from '#base/clock'
import { threadEntry } from '#base/thread-entry'
import type { Log } from '#observe/log'
import {
  CALLS_IN_FLIGHT_MAX,
  DRIVE_TIMEOUT_MS,
  type DriveConnection,
  type DriveHostData,
  DriveStateCell,
  type HostControl,
  type HostNews,
} from './drive-messages.ts'

/** Time from the failure of a drive's thread to the start of the next one. */
const RESTART_MS = 5000
/** Threads of one drive that were abandoned and have not ended: no more are started beyond it, since each holds memory. */
const ABANDONED_MAX = 3

/**
 * A page of a walk fits into the young objects: with less room, lists spend a fifth of their time on collecting them. Below
 * 2048 MB of old objects V8 does not map its code once more for the thread, which is 2 MB.
 */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 6, maxOldGenerationSizeMb: 1024 }

export interface DriveSupervisorOptions {
  readonly clock: Clock
  readonly log: Log
  readonly host: Omit<DriveHostData, 'kind' | 'timeoutMs' | 'generation' | 'connections'>
  readonly timeoutMs?: number
  /** Threads that use the drive, this one included if it does. */
  readonly clientCount: number
  /** Takes the connections of a new thread, one for each client, to be handed to `DriveClient.connect` in its thread. */
  readonly onConnections: (connections: readonly DriveConnection[]) => void
  /** Program of the thread; default: `drive-host.ts`. */
  readonly entry?: URL
}

/** One life of the drive's thread. */
interface Life {
  readonly worker: Worker
  readonly connections: readonly DriveConnection[]
  isReady: boolean
  /** When the ping was sent that has not been answered; undefined: none. */
  askedMs: number | undefined
}

/**
 * Runs the thread of one drive, from the main thread. A thread that ends, fails or does not answer within the timeout
 * takes the drive offline; it is abandoned, never waited for, and another one is started every few seconds until one
 * answers.
 *
 * A thread inside a system call that never returns cannot be ended: the process must then leave by a signal, since a
 * plain exit waits for its threads. `hasAbandoned` tells.
 */
export class DriveSupervisor {
  readonly #options: DriveSupervisorOptions
  readonly #timeoutMs: number
  readonly #state: DriveStateCell
  readonly #abandoned = new Set<Worker>()
  #life: Life | undefined
  #timer: Timer | undefined
  #isStopped = false
  #pings = 0

  constructor(options: DriveSupervisorOptions) {
    this.#options = options
    this.#timeoutMs = options.timeoutMs ?? DRIVE_TIMEOUT_MS
    this.#state = new DriveStateCell(options.host.states, options.host.driveIndex)
  }

  /** Threads that could not be ended yet. */
  get hasAbandoned(): boolean {
    return this.#abandoned.size > 0
  }

  /** Starts the thread; the state of the drive tells when it is ready. */
  start(): void {
    this.#launch()
  }

  /** Lets the thread give back the memory that only its start needed. */
  settle(): void {
    if (this.#life !== undefined) this.#send(this.#life, { kind: 'settle' })
  }

  /** Lets the thread finish its flushes and end; abandons it when that takes longer than the timeout. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    const life = this.#life
    if (life === undefined) return
    const ended = new Promise<void>((resolve) => life.worker.once('exit', () => resolve()))
    this.#send(life, { kind: 'stop' })
    const patience = new AbortController()
    await Promise.race([ended, this.#options.clock.sleep(this.#timeoutMs, patience.signal)])
    patience.abort()
    if (this.#life !== undefined) this.#abandon(life)
  }

  #launch(): void {
    if (this.#isStopped) return
    if (this.#abandoned.size >= ABANDONED_MAX) {
      this.#plan(this.#restartMs(), () => this.#launch())
      return
    }
    const { host, clientCount } = this.#options
    const pairs = Array.from({ length: clientCount }, () => {
      const { port1, port2 } = new MessageChannel()
      const claims = new SharedArrayBuffer(CALLS_IN_FLIGHT_MAX * Int32Array.BYTES_PER_ELEMENT)
      return { client: { port: port1, claims }, host: { port: port2, claims } }
    })
    const workerData: DriveHostData = {
      ...host,
      kind: 'drive-host',
      timeoutMs: this.#timeoutMs,
      generation: this.#state.nextGeneration(),
      connections: pairs.map((pair) => pair.host),
    }
    const worker = new Worker(this.#options.entry ?? threadEntry(import.meta.url, 'drive-host'), {
      workerData,
      transferList: pairs.map((pair) => pair.host.port),
      name: `drive ${host.driveIndex}`,
      resourceLimits: HEAP_LIMITS,
    })
    const life: Life = {
      worker,
      connections: pairs.map((pair) => pair.client),
      isReady: false,
      askedMs: this.#options.clock.monotonicMs(),
    }
    this.#life = life
    worker.on('message', (news: HostNews) => this.#hear(life, news))
    worker.on('error', (error) => this.#fail(life, 'its thread failed', error))
    worker.on('exit', () => {
      this.#fail(life, 'its thread ended')
      this.#abandoned.delete(worker)
    })
    this.#watch()
  }

  #hear(life: Life, news: HostNews): void {
    if (this.#life !== life || this.#isStopped) return
    life.askedMs = undefined
    if (news.kind === 'ready' && !life.isReady) {
      life.isReady = true
      this.#options.onConnections(life.connections)
    }
  }

  /** Asks the thread for a sign of life again and again. */
  #watch(): void {
    const intervalMs = Math.max(1, Math.min(RESTART_MS, this.#timeoutMs / 4))
    this.#plan(intervalMs, () => {
      const life = this.#life
      if (life === undefined) return
      const nowMs = this.#options.clock.monotonicMs()
      if (life.askedMs === undefined) {
        life.askedMs = nowMs
        this.#send(life, { kind: 'ping', id: ++this.#pings })
      } else if (nowMs - life.askedMs >= this.#timeoutMs) {
        this.#fail(life, `its thread does not answer for ${this.#timeoutMs} ms`)
        return
      }
      this.#watch()
    })
  }

  #fail(life: Life, reason: string, error?: unknown): void {
    if (this.#life !== life) return
    const { log, host } = this.#options
    this.#abandon(life)
    if (this.#isStopped) return
    const wasUp = this.#state.change('online', 'faulty') || this.#state.change('starting', 'faulty')
    if (wasUp || error !== undefined) {
      log.error(`taking drive ${host.root} offline: ${reason}`, {
        drive: host.root,
        ...(error === undefined ? {} : { error }),
      })
    }
    this.#plan(this.#restartMs(), () => this.#launch())
  }

  #abandon(life: Life): void {
    this.#life = undefined
    const { worker } = life
    this.#abandoned.add(worker)
    worker.unref()
    void worker.terminate()
    if (!life.isReady) for (const { port } of life.connections) port.close()
  }

  #send(life: Life, control: HostControl): void {
    life.worker.postMessage(control)
  }

  #restartMs(): number {
    return Math.min(RESTART_MS, this.#timeoutMs)
  }

  #plan(delayMs: number, run: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(delayMs, run)
  }
}
