/**
 * Returns memory that is not used any more to the system: the engine would keep it until the thread has work. For the end of
 * a start; takes 10 ms. Does nothing in a process that does not expose its collector (`scripts/cairn.js` does).
 */
export function collectGarbage(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
