/**
 * Returns memory that is not used any more to the system: the engine would keep it until the thread has work. For the end of
 * a start; takes 10 ms. Does nothing in a process that does not expose its collector (`scripts/cairn.js` does).
 */
export function collectGarbage(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/** Buffers from this size on are freed by hand; smaller ones are the collector's. */
const FREED_MIN_BYTES = 16 * 1024

/**
 * Gives the memory of a buffer that Node made back at once, when it is that of `bytes` alone and not a part of a pool:
 * nobody may use it any more. Node makes one of up to 64 KiB for each piece of a body and for each call of a cipher; left
 * to the collector, they alone make it mark the whole heap every few hundred pieces, which cost a quarter of an upload's
 * processor time.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (bytes.length < FREED_MIN_BYTES || buffer.byteLength !== bytes.length) return
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
