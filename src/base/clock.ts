import { setTimeout as setTimeoutNative, clearTimeout as clearTimeoutNative } from 'node:timers'

/** A scheduled call. `cancel` is idempotent. */
export interface Timer {
  cancel(): void
}

/** The source of time. Wall time is for versions and protocols, monotonic time for durations and leases. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  nowMs(): number
  /** Wall clock, nanoseconds since 1970. Strictly increasing within one clock. */
  nowNs(): bigint
  /** Monotonic clock, milliseconds with fraction, arbitrary origin. */
  monotonicMs(): number
  /** Calls `run` once after `delayMs`. A pending timer does not keep the process alive. */
  setTimer(delayMs: number, run: () => void): Timer
  /** Resolves after `delayMs`, or at once when `signal` aborts. Never rejects. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** Waits through any clock's timers; shared by all implementations of `Clock`. */
export function sleepWith(
  clock: Pick<Clock, 'setTimer'>,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.setTimer(delayMs, finish)
    signal?.addEventListener('abort', finish, { once: true })
  })
}

/** How far the wall clock may be from where the monotonic one has it before that one follows. */
const DRIFT_MS_MAX = 2

/** The real clock. Its looks at the wall clock are in order with those of the other clocks of the thread, unless that is set. */
export function systemClock(): Clock {
  // The wall clock has milliseconds; the monotonic one, counted from here, supplies the digits below them.
  let originMs = performance.timeOrigin
  let lastNs = 0n
  const clock: Clock = {
    nowMs: () => Date.now(),
    nowNs: () => {
      // The thread may have to wait between two looks: the wall clock is off only if it fits neither.
      const beforeMs = performance.now()
      const wallMs = Date.now()
      const elapsedMs = performance.now()
      const isBehind = wallMs < originMs + beforeMs - DRIFT_MS_MAX
      const isAhead = wallMs > originMs + elapsedMs + DRIFT_MS_MAX
      if (isBehind || isAhead) originMs = wallMs - elapsedMs
      const originNs = BigInt(Math.round(originMs * 1000)) * 1000n
      const nowNs = originNs + BigInt(Math.round(elapsedMs * 1e6))
      lastNs = nowNs > lastNs ? nowNs : lastNs + 1n
      return lastNs
    },
    monotonicMs: () => performance.now(),
    setTimer: (delayMs, run) => {
      const handle = setTimeoutNative(run, delayMs)
      handle.unref()
      return { cancel: () => clearTimeoutNative(handle) }
    },
    sleep: (delayMs, signal) => sleepWith(clock, delayMs, signal),
  }
  return clock
}
