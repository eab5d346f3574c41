import type { ByteStream } from '../select.ts'

/** A stream that knows how much was taken from it. */
export class CountedStream implements ByteStream {
  readonly #stream: ByteStream
  #bytes = 0

  constructor(stream: ByteStream) {
    this.#stream = stream
  }

  get bytes(): number {
    return this.#bytes
  }

  async next(): Promise<Uint8Array | undefined> {
    const piece = await this.#stream.next()
    this.#bytes += piece?.length ?? 0
    return piece
  }

  close(): void {
    this.#stream.close()
  }
}
