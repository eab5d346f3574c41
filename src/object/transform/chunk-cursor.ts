import { assert } from '#base/assert'
import type { DataChunk } from '../object.ts'

/** Goes through a stream of chunks piece by piece: a chunk may be split between pieces. */
export class ChunkCursor {
  readonly #chunks: AsyncIterator<DataChunk>
  /** Of the next byte. */
  #position: number
  #chunk: DataChunk | undefined
  #used = 0
  /** Views of `#chunk` handed out and not released, plus one while it is current. */
  #uses: { count: number } = { count: 0 }

  /** `position`: of the first byte. */
  constructor(chunks: AsyncIterable<DataChunk>, position: number) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#position = position
  }

  async skipTo(position: number): Promise<void> {
    assert(position >= this.#position)
    for await (const chunk of this.until(position)) chunk.release()
  }

  /** The bytes up to a position, or to the end of the stream. What is not taken stays where it is. */
  async *until(position: number): AsyncGenerator<DataChunk, void, void> {
    while (this.#position < position) {
      const chunk = this.#chunk ?? (await this.#next())
      if (chunk === undefined) return
      const count = Math.min(chunk.bytes.length - this.#used, position - this.#position)
      const bytes = chunk.bytes.subarray(this.#used, this.#used + count)
      const uses = this.#uses
      uses.count++
      this.#used += count
      this.#position += count
      if (this.#used === chunk.bytes.length) this.#drop()
      yield { bytes, release: () => release(chunk, uses) }
    }
  }

  /** Ends the stream too. */
  async close(): Promise<void> {
    this.#drop()
    await this.#chunks.return?.()
  }

  async #next(): Promise<DataChunk | undefined> {
    const next = await this.#chunks.next()
    if (next.done === true) return undefined
    this.#chunk = next.value
    this.#used = 0
    this.#uses = { count: 1 }
    return next.value
  }

  #drop(): void {
    if (this.#chunk !== undefined) release(this.#chunk, this.#uses)
    this.#chunk = undefined
  }
}

function release(chunk: DataChunk, uses: { count: number }): void {
  assert(uses.count > 0)
  if (--uses.count === 0) chunk.release()
}
