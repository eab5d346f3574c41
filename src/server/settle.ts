import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Returns the memory that only the start needed to the system: V8 would keep it until the thread has work. Every thread
 * calls `collectGarbage` between the main thread's calls of `exposeCollection`.
 */
export function collectGarbage(): void {
  runInNewContext(`globalThis.gc?.({ type: 'major', flavor: 'last-resort' })`)
}

/** Holds for all threads. To be taken back: kept code (`NODE_COMPILE_CACHE`) is valid for the same flags only. */
export function exposeCollection(isExposed: boolean): void {
  setFlagsFromString(isExposed ? '--expose-gc' : '--no-expose-gc')
}
