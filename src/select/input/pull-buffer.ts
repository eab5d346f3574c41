import type { ByteStream } from '../select.ts'

const INITIAL_BYTES = 64 * 1024

/** Bytes of a stream in pieces of the size that is asked for. */
export class PullBuffer {
  readonly #stream: ByteStream
  #buffer = new Uint8Array(INITIAL_BYTES)
  #begin = 0
  #end = 0
  #isAtEnd = false

  constructor(stream: ByteStream) {
    this.#stream = stream
  }

  /** Bytes that `view` has. */
  get length(): number {
    return this.#end - this.#begin
  }

  /** Whether the stream has nothing behind these bytes. */
  get isAtEnd(): boolean {
    return this.#isAtEnd
  }

  /** All bytes here, valid until the next `ensure`. */
  get view(): Uint8Array {
    return this.#buffer.subarray(this.#begin, this.#end)
  }

  /** Reads until there are `count` bytes; false: the stream ended before. */
  async ensure(count: number): Promise<boolean> {
    while (this.length < count && !this.#isAtEnd) {
      const piece = await this.#stream.next()
      if (piece === undefined) this.#isAtEnd = true
      else this.#append(piece)
    }
    return this.length >= count
  }

  /** Drops the first `count` bytes. */
  skip(count: number): void {
    this.#begin += count
  }

  /** The next `count` bytes, which must be here; valid until the next `ensure`. */
  take(count: number): Uint8Array {
    const bytes = this.#buffer.subarray(this.#begin, this.#begin + count)
    this.#begin += count
    return bytes
  }

  #append(piece: Uint8Array): void {
    const needed = this.length + piece.length
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length))
      larger.set(this.view)
      this.#buffer = larger
      this.#end -= this.#begin
      this.#begin = 0
    } else if (this.#end + piece.length > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#begin, this.#end)
      this.#end -= this.#begin
      this.#begin = 0
    }
    this.#buffer.set(piece, this.#end)
    this.#end += piece.length
  }
}
