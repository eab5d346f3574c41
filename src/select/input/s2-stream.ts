import type { S2Decoder } from '#codec/s2'
import { S2Error } from '#codec/s2-block'
import { SelectError } from '../select-error.ts'
import type { ByteStream } from '../select.ts'

/** The content of a stream of S2 or of framed Snappy. Errors: `TruncatedInput`. */
export class S2Stream implements ByteStream {
  readonly #source: ByteStream
  readonly #decoder: S2Decoder
  #piece: Uint8Array | undefined
  #isAtEnd = false

  constructor(source: ByteStream, decoder: S2Decoder) {
    this.#source = source
    this.#decoder = decoder
  }

  close(): void {
    this.#source.close()
  }

  async next(): Promise<Uint8Array | undefined> {
    while (!this.#isAtEnd) {
      this.#piece ??= await this.#source.next()
      try {
        const bytes = this.#advance()
        if (bytes !== undefined) return bytes
      } catch (error) {
        if (!(error instanceof S2Error)) throw error
        throw new SelectError('TruncatedInput', undefined, { cause: error })
      }
    }
    return undefined
  }

  /** Uses the piece at hand; answers a block if one is complete. */
  #advance(): Uint8Array | undefined {
    const piece = this.#piece
    if (piece === undefined) {
      this.#isAtEnd = true
      this.#decoder.end()
      return undefined
    }
    const used = this.#decoder.feed(piece)
    this.#piece = used < piece.length ? piece.subarray(used) : undefined
    if (this.#decoder.blockSize === undefined) return undefined
    // The block lies where other decoders of the thread work too.
    return this.#decoder.take().slice()
  }
}
