/** The bits asked for lie behind the bytes. */
export class OutOfBits extends Error {
  override readonly name = 'OutOfBits'
}

/** Bits of bytes, the most significant first. */
export class BitReader {
  readonly #bytes: Uint8Array
  #at: number
  /** Bits of `#bytes[#at]` that are used. */
  #used: number

  constructor(bytes: Uint8Array, bitOffset: number) {
    this.#bytes = bytes
    this.#at = 0
    this.#used = bitOffset
  }

  /** Bytes that are used whole. */
  get byteOffset(): number {
    return this.#at
  }

  /** Bits used of the byte behind them. */
  get bitOffset(): number {
    return this.#used
  }

  bit(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new OutOfBits('Read behind the last byte')
    const bit = (byte >> (7 - this.#used)) & 1
    this.#used += 1
    if (this.#used === 8) {
      this.#used = 0
      this.#at += 1
    }
    return bit
  }

  /** A number of up to 24 bits. */
  read(count: number): number {
    const value = this.peek(count)
    this.skip(count)
    if (this.#at > this.#bytes.length || (this.#at === this.#bytes.length && this.#used > 0)) {
      throw new OutOfBits('Read behind the last byte')
    }
    return value
  }

  /** The next up to 24 bits, zeros behind the end. */
  peek(count: number): number {
    const at = this.#at
    const bytes = this.#bytes
    const word =
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)
    return (word << this.#used) >>> (32 - count)
  }

  skip(count: number): void {
    const bits = this.#used + count
    this.#at += bits >> 3
    this.#used = bits & 7
  }

  /** Throws when more was skipped than there is. */
  check(): void {
    if (this.#at > this.#bytes.length || (this.#at === this.#bytes.length && this.#used > 0)) {
      throw new OutOfBits('Read behind the last byte')
    }
  }
}
