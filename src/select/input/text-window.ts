import { SelectError } from '../select-error.ts'
import type { ByteStream } from '../select.ts'

/** Enough text that most records lie in it whole, little enough to keep a thread for less than a moment. */
const FILL_MIN_CHARACTERS = 128 * 1024
const PIECE_MAX_BYTES = 256 * 1024
const CONTINUATION_MASK = 0xc0
const CONTINUATION = 0x80

/**
 * A stream of UTF-8 bytes as a text that grows at its end and is cut at its beginning.
 *
 *     | consumed, cut at the next fill | at .. what the reader sees .. | still to come
 */
export class TextWindow {
  /** What was read and not consumed, in front of it perhaps some that was. */
  text = ''
  /** First character that is not consumed; the reader moves it. */
  at = 0
  /** True: nothing more will come. */
  isComplete = false
  /** Records from this index of `text` on are not wanted. */
  limit = Number.POSITIVE_INFINITY
  readonly #stream: ByteStream
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  /** Bytes until `limit`. */
  #bytesToLimit: number
  #piece: Uint8Array | undefined
  /** The next bytes may be the rest of a character. */
  #isWithin: boolean

  /** `limitBytes`: of the stream, records that begin behind them are not wanted. `isCut`: the stream begins anywhere, perhaps within a character. */
  constructor(
    stream: ByteStream,
    options: { readonly limitBytes?: number | undefined; readonly isCut?: boolean } = {},
  ) {
    this.#stream = stream
    this.#bytesToLimit = options.limitBytes ?? Number.POSITIVE_INFINITY
    this.#isWithin = options.isCut === true
  }

  /** Cuts off what is consumed and appends more. Resolves to false at the end of the stream. Errors: `InvalidTextEncoding`, and those of the stream. */
  async fill(): Promise<boolean> {
    if (this.isComplete) return false
    if (this.at > 0) {
      this.text = this.text.slice(this.at)
      this.limit -= this.at
      this.at = 0
    }
    let added = ''
    while (added.length < FILL_MIN_CHARACTERS) {
      this.#piece ??= await this.#stream.next()
      if (this.#piece === undefined) {
        added += this.#decode(new Uint8Array(0), false)
        this.isComplete = true
        break
      }
      added += this.#take(added.length)
    }
    this.text += added
    return true
  }

  /** Decodes the next bytes of the current piece. */
  #take(addedCharacters: number): string {
    let piece = this.#piece ?? new Uint8Array(0)
    if (this.#isWithin) {
      const count = continuationBytes(piece)
      this.#isWithin = count === piece.length
      this.#bytesToLimit = Math.max(0, this.#bytesToLimit - count)
      piece = piece.subarray(count)
    }
    let size = Math.min(piece.length, PIECE_MAX_BYTES)
    if (this.#bytesToLimit <= size) {
      // The character that begins before the limit belongs to it.
      size = this.#bytesToLimit + continuationBytes(piece.subarray(this.#bytesToLimit))
    }
    const reachesLimit = this.#bytesToLimit <= size && size < piece.length
    const text = this.#decode(piece.subarray(0, size), true)
    if (reachesLimit) {
      this.limit = this.text.length + addedCharacters + text.length
      this.#bytesToLimit = Number.POSITIVE_INFINITY
    } else this.#bytesToLimit = Math.max(0, this.#bytesToLimit - size)
    this.#piece = size < piece.length ? piece.subarray(size) : undefined
    return text
  }

  #decode(bytes: Uint8Array, isMore: boolean): string {
    try {
      return this.#decoder.decode(bytes, { stream: isMore })
    } catch (error) {
      throw new SelectError('InvalidTextEncoding', undefined, { cause: error })
    }
  }
}

/** How many bytes at the beginning belong to a character that began before. */
function continuationBytes(bytes: Uint8Array): number {
  let count = 0
  while (((bytes[count] ?? 0) & CONTINUATION_MASK) === CONTINUATION) count += 1
  return count
}
