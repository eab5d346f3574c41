import { assert } from './assert.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const copyOfBuffer: (this: Uint8Array, target: Uint8Array, at: number) => number =
  // oxlint-disable-next-line typescript/unbound-method -- it works on every Uint8Array, which its type does not say
  Buffer.alloc(0).copy

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Text of UTF-8 bytes; malformed sequences become U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

/** Text of UTF-8 bytes, or undefined when they are not valid UTF-8. */
export function strictTextOf(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return undefined // the only error a fatal decoder throws is the malformed input asked about
  }
}

/** One new array with all `chunks` in order. Not for the data path: it copies. */
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const chunk of chunks) size += chunk.length
  const out = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    out.set(chunk, offset)
    offset += chunk.length
  }
  return out
}

/**
 * Copies all of `source` to `target` from `at` on; they may overlap. For large copies where one of them is shared memory:
 * there `TypedArray.set` goes word by word, and byte by byte when both do not begin at the same place of a word, which
 * takes ten times as long.
 */
export function copyBytes(source: Uint8Array, target: Uint8Array, at = 0): void {
  assert(at >= 0 && at + source.length <= target.length, 'the copy does not fit')
  copyOfBuffer.call(source, target, at)
}

/** True when both have the same length and bytes. Not constant time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Negative, zero or positive: order by unsigned bytes, a prefix before its extensions. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const count = Math.min(a.length, b.length)
  for (let i = 0; i < count; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Order of two texts by their UTF-8 bytes (JavaScript's own order differs above U+FFFF). */
export function compareUtf8(a: string, b: string): number {
  const count = Math.min(a.length, b.length)
  for (let i = 0; i < count; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) {
      // Surrogates stand for code points above the rest of the basic plane.
      const xHigh = x >= 0xd800 && x <= 0xdfff
      const yHigh = y >= 0xd800 && y <= 0xdfff
      return xHigh === yHigh ? x - y : xHigh ? 1 : -1
    }
  }
  return a.length - b.length
}
