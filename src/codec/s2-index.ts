import { assert } from '#base/assert'

/**
 * The index of an S2 stream: where its blocks begin, so that a range can be read without what is before it. In the form
 * in which it is stored with a part, without the chunk header and trailer of a file. Source: encryption.md 8.6.
 */

/** Readers of the format take no more. */
const ENTRIES_MAX = 65_536
const VARINT_BYTES_MAX = 10

/** A block that begins at `encoded` bytes of the stream with the byte `plain` of the content. */
export interface S2Entry {
  readonly encoded: number
  readonly plain: number
}

/** Collects the blocks of one stream, all of one size but the last. */
export class S2IndexBuilder {
  readonly #blockSize: number
  /** Stream offsets of each `#step`-th block. */
  #offsets: number[] = []
  #step = 1
  #blockCount = 0

  constructor(blockSize: number) {
    this.#blockSize = blockSize
  }

  add(encodedOffset: number): void {
    if (this.#blockCount++ % this.#step !== 0) return
    this.#offsets.push(encodedOffset)
    if (this.#offsets.length <= ENTRIES_MAX) return
    this.#offsets = this.#offsets.filter((_, i) => i % 2 === 0)
    this.#step *= 2
  }

  /** `encoded` undefined: the stream goes on behind what was counted. */
  build(totals: { readonly plain: number; readonly encoded: number | undefined }): Uint8Array {
    const bytes: number[] = []
    const estimate = this.#blockSize * this.#step
    putVarint(bytes, totals.plain)
    putVarint(bytes, totals.encoded ?? -1)
    putVarint(bytes, estimate)
    putVarint(bytes, this.#offsets.length)
    bytes.push(0) // the plain offsets are multiples of the estimate
    let before = 0
    let predicted = estimate / 2
    for (const [i, offset] of this.#offsets.entries()) {
      const delta = i === 0 ? offset : offset - before - predicted
      putVarint(bytes, delta)
      if (i > 0) predicted += Math.trunc(delta / 2)
      before = offset
    }
    return Uint8Array.from(bytes)
  }
}

/** Entries in strictly ascending order; undefined for a damaged index. */
export function parseS2Index(index: Uint8Array): readonly S2Entry[] | undefined {
  const reader = new VarintReader(index)
  const plainTotal = reader.next()
  const encodedTotal = reader.next()
  const estimate = reader.next()
  const count = reader.next()
  const hasPlain = reader.byte()
  if (plainTotal < 0 || encodedTotal < -1 || estimate < 0) return undefined
  if (count < 0 || count > ENTRIES_MAX || hasPlain > 1) return undefined
  const plain: number[] = []
  for (let i = 0; i < count; i++) {
    const before = plain[i - 1]
    const delta = hasPlain === 1 ? reader.next() : 0
    plain.push(before === undefined ? delta : before + estimate + delta)
  }
  const entries: S2Entry[] = []
  let predicted = Math.trunc(estimate / 2)
  for (const [i, plainOffset] of plain.entries()) {
    const before = entries[i - 1]
    const delta = reader.next()
    const encoded = before === undefined ? delta : before.encoded + predicted + delta
    if (before !== undefined) predicted += Math.trunc(delta / 2)
    if (!Number.isSafeInteger(encoded) || !Number.isSafeInteger(plainOffset)) return undefined
    if (encoded <= (before?.encoded ?? -1) || plainOffset <= (before?.plain ?? -1)) return undefined
    entries.push({ encoded, plain: plainOffset })
  }
  return reader.isGood && reader.isAtEnd ? entries : undefined
}

/** Zig-zag and variable length, as in Go's encoding/binary. */
function putVarint(bytes: number[], value: number): void {
  assert(Number.isSafeInteger(value))
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
}

class VarintReader {
  readonly #bytes: Uint8Array
  #position = 0
  isGood = true

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.#position]
    if (byte === undefined) {
      this.isGood = false
      return 0
    }
    this.#position++
    return byte
  }

  /** 0 after a failure; numbers beyond 2^53 are failures. */
  next(): number {
    let value = 0
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte >= 0x80) continue
      if (!Number.isSafeInteger(value)) break
      return value % 2 === 1 ? -(value + 1) / 2 : value / 2
    }
    this.isGood = false
    return 0
  }
}
