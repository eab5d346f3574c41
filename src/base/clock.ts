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

/** The real clock. */
export function systemClock(): Clock {
  const originNs = BigInt(Math.round(performance.timeOrigin * 1000)) * 1000n
  let lastNs = 0n
  const clock: Clock = {
    nowMs: () => Date.now(),
    nowNs: () => {
      // The wall clock has milliseconds; the monotonic one supplies the digits below them.
      const fineNs = originNs + BigInt(Math.round(performance.now() * 1e6))
      const coarseNs = BigInt(Date.now()) * 1_000_000n
      const driftNs = fineNs - coarseNs
      const nowNs =
        driftNs >= 0n && driftNs < 1_000_000n ? fineNs : coarseNs + (fineNs % 1_000_000n)
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
