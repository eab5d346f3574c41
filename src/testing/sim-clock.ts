import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { type Clock, sleepWith, type Timer } from '#base/clock'

interface Pending {
  readonly atMs: number
  readonly run: () => void
}

/** What may follow one another without time: turns of the event loop. */
const TURNS_MAX = 20
const STEP_MS = 50

/** Virtual time: it stands still until `advance`, and every look at the wall clock is a nanosecond later than the last. */
export class SimClock implements Clock {
  #elapsedMs = 0
  #ticks = 0n
  readonly #originNs: bigint
  readonly #timers = new Set<Pending>()

  constructor(originNs = 1_800_000_000_000_000_000n) {
    this.#originNs = originNs
  }

  nowMs(): number {
    return Number(this.nowNs() / 1_000_000n)
  }

  nowNs(): bigint {
    this.#ticks += 1n
    return this.#originNs + BigInt(Math.round(this.#elapsedMs * 1e6)) + this.#ticks
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const pending: Pending = { atMs: this.#elapsedMs + delayMs, run }
    this.#timers.add(pending)
    return { cancel: () => this.#timers.delete(pending) }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, delayMs, signal)
  }

  /** Lets time pass; timers run in the order of their times. */
  advance(byMs: number): void {
    const untilMs = this.#elapsedMs + byMs
    for (;;) {
      let next: Pending | undefined
      for (const timer of this.#timers) {
        if (timer.atMs <= untilMs && (next === undefined || timer.atMs < next.atMs)) next = timer
      }
      if (next === undefined) break
      this.#timers.delete(next)
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs)
      next.run()
    }
    this.#elapsedMs = untilMs
  }

  /** Lets time pass until `work` is done, `msMax` at most. */
  async within<T>(msMax: number, work: Promise<T>): Promise<T> {
    let isDone = false
    const watched = work.finally(() => (isDone = true))
    watched.catch(() => undefined)
    const beganMs = this.#elapsedMs
    while (!isDone) {
      for (let i = 0; i < TURNS_MAX && !isDone; i++) await turn()
      if (isDone) break
      assert.ok(this.#elapsedMs - beganMs < msMax, `not done after ${msMax} ms`)
      this.advance(STEP_MS)
    }
    return watched
  }
}
