import type { Socket } from 'node:net'
import type { Clock, Timer } from '#base/clock'
import type { Log } from '#observe/log'
import type { Exchange } from './exchange.ts'
import type { HttpLimits } from './limits.ts'

/** Whoever waits for memory that requests in progress hold. */
export interface MemoryQueue {
  /** The one that has waited longest; the same object as long as it waits. */
  readonly longestWaiting: object | undefined
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

/** Memory must be short for so many checks, with the same request at the head of the queue. */
const SHORT_CHECKS = 3
/** A client has so many checks to move its bytes. */
const WATCHED_CHECKS = 10

/**
 * Requests hold memory while they wait for their clients. A client that sends or takes hardly anything is let be as long as
 * there is memory for all; while others wait for some, it loses its connection.
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
    const { longestWaiting } = this.#options.memory
    this.#shortChecks = longestWaiting === this.#waiting ? this.#shortChecks + 1 : 0
    this.#waiting = longestWaiting
    if (longestWaiting === undefined) {
      this.#watched.clear()
      return
    }
    for (const socket of this.#watched.keys()) {
      if (!this.#options.connections.has(socket)) this.#watched.delete(socket)
    }
    for (const [socket, { current }] of this.#options.connections) {
      if (current?.isWaitingForClient === true) this.#watch(socket, current)
      else this.#watched.delete(socket)
    }
  }

  #watch(socket: Socket, exchange: Exchange): void {
    const { limits, log } = this.#options
    const movedBytes = socket.bytesRead + socket.bytesWritten
    const watched = this.#watched.get(socket)
    const isQuick = watched !== undefined && movedBytes - watched.movedBytes >= limits.slowMinBytes
    if (watched?.exchange !== exchange || isQuick) {
      this.#watched.set(socket, { exchange, movedBytes, checks: 0 })
      return
    }
    watched.checks++
    if (watched.checks < WATCHED_CHECKS || this.#shortChecks < SHORT_CHECKS) return
    log.warn('Dropped a slow client, since others wait for memory', {
      requestId: exchange.id,
      remote: exchange.remoteAddress,
    })
    this.#watched.delete(socket)
    socket.destroy()
  }
}
