import type { Socket } from 'node:net'
import type { Clock, Timer } from '#base/clock'
import type { Log } from '#observe/log'
import type { Exchange } from './exchange.ts'
import type { HttpLimits } from './limits.ts'

/** Whoever waits for memory that requests in progress hold. */
export interface MemoryQueue {
  /** The one that has waited longest; the same object as long as it waits. */
  readonly longestWaiting: object | undefined
  /** Adds memory that is kept for when clients stall; false: there is none left. */
  extend(): boolean
}

export interface SlowClientsOptions {
  readonly connections: ReadonlyMap<Socket, { readonly current: Exchange | undefined }>
  readonly memory: MemoryQueue
  readonly limits: HttpLimits
  readonly clock: Clock
  readonly log: Log
}

interface Watched {
  readonly exchange: Exchange
  /** Bytes of the connection when the watch began. */
  readonly movedBytes: number
  checks: number
}

/** Memory must be short for so many checks, with the same request at the head of the queue, before clients are dropped. */
const SHORT_CHECKS = 3
/** A client has so many checks to move its bytes. */
const WATCHED_CHECKS = 10

/**
 * Requests hold memory while they wait for their clients. A client that sends or takes hardly anything is let be as long as
 * there is memory for all. Once others wait for some, the memory is extended; when it cannot be any more, such clients lose
 * their connections.
 */
export class SlowClients {
  readonly #options: SlowClientsOptions
  readonly #watched = new Map<Socket, Watched>()
  #waiting: object | undefined
  #shortChecks = 0
  #timer: Timer

  constructor(options: SlowClientsOptions) {
    this.#options = options
    this.#timer = this.#nextCheck()
  }

  stop(): void {
    this.#timer.cancel()
  }

  #nextCheck(): Timer {
    const { clock, limits } = this.#options
    return clock.setTimer(limits.slowCheckMs, () => {
      this.#check()
      this.#timer = this.#nextCheck()
    })
  }

  #check(): void {
    const { memory, log } = this.#options
    const { longestWaiting } = memory
    this.#shortChecks = longestWaiting === this.#waiting ? this.#shortChecks + 1 : 0
    this.#waiting = longestWaiting
    if (longestWaiting === undefined) {
      this.#watched.clear()
      return
    }
    const stalled = this.#findStalled()
    if (this.#shortChecks === 0 || stalled.length === 0) return
    if (memory.extend()) {
      log.info('More memory for data is used, since clients stall', { stalled: stalled.length })
      this.#shortChecks = 0
    }
    if (this.#shortChecks < SHORT_CHECKS) return
    for (const [socket, { exchange, checks }] of stalled) {
      if (checks < WATCHED_CHECKS) continue
      log.warn('Dropped a slow client, since others wait for memory', {
        requestId: exchange.id,
        remote: exchange.remoteAddress,
      })
      this.#watched.delete(socket)
      socket.destroy()
    }
  }

  /** Clients that were waited for at the last check too and have hardly moved anything since they are watched. */
  #findStalled(): (readonly [Socket, Watched])[] {
    const { connections, limits } = this.#options
    for (const socket of this.#watched.keys()) {
      if (!connections.has(socket)) this.#watched.delete(socket)
    }
    const stalled: (readonly [Socket, Watched])[] = []
    for (const [socket, { current }] of connections) {
      if (current?.isWaitingForClient !== true) {
        this.#watched.delete(socket)
        continue
      }
      const movedBytes = socket.bytesRead + socket.bytesWritten
      const watched = this.#watched.get(socket)
      const isQuick =
        watched !== undefined && movedBytes - watched.movedBytes >= limits.slowMinBytes
      if (watched?.exchange !== current || isQuick) {
        this.#watched.set(socket, { exchange: current, movedBytes, checks: 0 })
      } else {
        watched.checks++
        stalled.push([socket, watched])
      }
    }
    return stalled
  }
}
