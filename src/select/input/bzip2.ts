/**
 * bzip2 (the public format), decoded block by block with at most one block in memory; streams may follow each other.
 *
 *     | "BZh" level | block: 48-bit mark, CRC, transform index, symbols, Huffman tables, codes | .. | end mark, CRC | padding |
 */
import { SelectError } from '../select-error.ts'
import type { ByteStream } from '../select.ts'
import { BitReader, OutOfBits } from './bit-reader.ts'
import { Bzip2Block } from './bzip2-block.ts'
import { PullBuffer } from './pull-buffer.ts'

const LEVEL_BYTES = 100_000
/** Compressed bytes read ahead, so that a block is seldom begun in vain. */
const AHEAD_BYTES = 1_100_000
/** No block is larger: 900000 symbols of 20 bits, and its tables. */
const BLOCK_MAX_BYTES = 4_000_000
const BLOCK_MARK = 0x314159265359
const END_MARK = 0x177245385090
const OUTPUT_BYTES = 128 * 1024

export class Bzip2Stream implements ByteStream {
  readonly #stream: ByteStream
  readonly #input: PullBuffer
  readonly #output = new Uint8Array(OUTPUT_BYTES)
  #block: Bzip2Block | undefined
  /** The block is decoded and has content left. */
  #isOpen = false
  #blockMaxBytes = 0
  /** Bits of the first byte that belong to what came before. */
  #bitOffset = 0
  #combinedCrc = 0
  #hasBegun = false

  constructor(stream: ByteStream) {
    this.#stream = stream
    this.#input = new PullBuffer(stream)
  }

  close(): void {
    this.#stream.close()
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#block !== undefined && this.#isOpen) {
        const count = this.#block.read(this.#output)
        if (count > 0) return this.#output.subarray(0, count)
        if (!this.#block.isIntact) throw new SelectError('TruncatedInput')
        this.#combinedCrc =
          (((this.#combinedCrc << 1) | (this.#combinedCrc >>> 31)) ^ this.#block.storedCrc) >>> 0
        this.#isOpen = false
      }
      if (this.#blockMaxBytes === 0) {
        if (!(await this.#beginStream())) return undefined
      }
      await this.#nextBlock()
    }
  }

  /** False: there are no more streams. */
  async #beginStream(): Promise<boolean> {
    if (!(await this.#input.ensure(1)) && this.#hasBegun) return false
    if (!(await this.#input.ensure(4))) throw new SelectError('TruncatedInput')
    const [b, z, h, level = 0] = this.#input.take(4)
    const blockMaxBytes = (level - 0x30) * LEVEL_BYTES
    if (b !== 0x42 || z !== 0x5a || h !== 0x68 || blockMaxBytes < 1 || blockMaxBytes > 900_000) {
      throw new SelectError('TruncatedInput')
    }
    if (this.#block?.maxBytes !== blockMaxBytes) this.#block = new Bzip2Block(blockMaxBytes)
    this.#blockMaxBytes = blockMaxBytes
    this.#bitOffset = 0
    this.#combinedCrc = 0
    this.#hasBegun = true
    return true
  }

  /** Decodes the next block, or the end of the stream. */
  async #nextBlock(): Promise<void> {
    for (let ahead = AHEAD_BYTES; ; ahead *= 2) {
      await this.#input.ensure(ahead)
      try {
        await this.#decode()
        return
      } catch (error) {
        if (!(error instanceof OutOfBits)) throw error
        // The rest of the block is still to be read, if there is any.
        if (this.#input.isAtEnd || ahead > BLOCK_MAX_BYTES) throw new SelectError('TruncatedInput')
      }
    }
  }

  async #decode(): Promise<void> {
    const block = this.#block
    if (block === undefined) return
    const bits = new BitReader(this.#input.view, this.#bitOffset)
    const mark = bits.read(24) * 0x1000000 + bits.read(24)
    if (mark === BLOCK_MARK) {
      for (const _ of block.decode(bits)) await new Promise((resolve) => setImmediate(resolve))
      this.#isOpen = true
      this.#input.skip(bits.byteOffset)
      this.#bitOffset = bits.bitOffset
      return
    }
    if (mark !== END_MARK) throw new SelectError('TruncatedInput')
    const crc = bits.read(16) * 0x10000 + bits.read(16)
    if (crc !== this.#combinedCrc) throw new SelectError('TruncatedInput')
    this.#input.skip(bits.byteOffset + (bits.bitOffset > 0 ? 1 : 0))
    this.#blockMaxBytes = 0
  }
}
