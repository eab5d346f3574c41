/**
 * LZ4 frames (the public frame format), one behind the other:
 *
 *     | magic | FLG | BD | content size? | dictionary? | HC | blocks: size, data, checksum? | 0 | checksum? |
 *
 * All checksums are verified. Dictionaries are refused.
 */
import { SelectError } from '../select-error.ts'
import type { ByteStream } from '../select.ts'
import { decodeLz4Block } from './lz4-block.ts'
import { PullBuffer } from './pull-buffer.ts'
import { XxHash32, xxHash32 } from './xxhash32.ts'

const MAGIC = 0x184d2204
const SKIPPABLE_MAGIC = 0x184d2a50
const SKIPPABLE_MASK = 0xfffffff0
const VERSION = 1
const STORED = 0x80000000
const HISTORY_BYTES = 64 * 1024
const BLOCK_SIZE_CODE_MIN = 4
const BLOCK_SIZE_CODE_MAX = 7

interface Frame {
  readonly blockMaxBytes: number
  readonly isLinked: boolean
  readonly hasBlockChecksum: boolean
  readonly hash: XxHash32 | undefined
  /** History of linked blocks, then room for one block. */
  readonly output: Uint8Array
  historyBytes: number
}

/** The content of frames. Errors: `TruncatedInput`, `InvalidCompressionFormat`. */
export class Lz4Stream implements ByteStream {
  readonly #stream: ByteStream
  readonly #input: PullBuffer
  #frame: Frame | undefined
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
      if (this.#frame === undefined) {
        if (!(await this.#begin())) return undefined
        continue
      }
      const bytes = await this.#block(this.#frame)
      if (bytes === undefined) this.#frame = undefined
      else if (bytes.length > 0) return bytes
    }
  }

  async #take(count: number): Promise<Uint8Array> {
    if (!(await this.#input.ensure(count))) throw new SelectError('TruncatedInput')
    return this.#input.take(count)
  }

  async #number(): Promise<number> {
    return numberAt(await this.#take(4), 0)
  }

  /** Reads what is in front of blocks. False: there are no more frames. */
  async #begin(): Promise<boolean> {
    if (!(await this.#input.ensure(1)) && this.#hasBegun) return false
    const magic = await this.#number()
    if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
      await this.#skip(await this.#number())
      return true
    }
    if (magic !== MAGIC) {
      throw new SelectError('TruncatedInput')
    }
    this.#hasBegun = true
    this.#frame = await this.#header()
    return true
  }

  async #skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const size = Math.min(left, HISTORY_BYTES)
      await this.#take(size)
      left -= size
    }
  }

  async #header(): Promise<Frame> {
    const [flags = 0, sizes = 0] = await this.#take(2)
    const hasContentSize = (flags & 0x08) !== 0
    const hasDictionary = (flags & 0x01) !== 0
    const code = (sizes >> 4) & 7
    if (flags >> 6 !== VERSION || code < BLOCK_SIZE_CODE_MIN || code > BLOCK_SIZE_CODE_MAX) {
      throw new SelectError('TruncatedInput')
    }
    if (hasDictionary) throw new SelectError('InvalidCompressionFormat')
    const descriptor = new Uint8Array(hasContentSize ? 10 : 2)
    descriptor.set([flags, sizes])
    if (hasContentSize) descriptor.set(await this.#take(8), 2)
    const [checksum] = await this.#take(1)
    if (((xxHash32(descriptor) >>> 8) & 0xff) !== checksum) throw new SelectError('TruncatedInput')
    const isLinked = (flags & 0x20) === 0
    const blockMaxBytes = 1 << (8 + 2 * code)
    return {
      blockMaxBytes,
      isLinked,
      hasBlockChecksum: (flags & 0x10) !== 0,
      hash: (flags & 0x04) === 0 ? undefined : new XxHash32(),
      output: new Uint8Array(HISTORY_BYTES + blockMaxBytes),
      historyBytes: 0,
    }
  }

  /** The next block; undefined: that was the last, and the frame is complete. */
  async #block(frame: Frame): Promise<Uint8Array | undefined> {
    const head = await this.#number()
    if (head === 0) {
      if (frame.hash !== undefined && (await this.#number()) !== frame.hash.digest()) {
        throw new SelectError('TruncatedInput')
      }
      return undefined
    }
    const size = head & ~STORED
    if (size > frame.blockMaxBytes) throw new SelectError('TruncatedInput')
    const isChecked = frame.hasBlockChecksum
    const all = await this.#take(size + (isChecked ? 4 : 0))
    const data = all.subarray(0, size)
    if (isChecked && numberAt(all, size) !== xxHash32(data)) throw new SelectError('TruncatedInput')
    const bytes = decoded(frame, data, (head & STORED) !== 0)
    frame.hash?.update(bytes)
    return bytes
  }
}

function decoded(frame: Frame, data: Uint8Array, isStored: boolean): Uint8Array {
  const { output } = frame
  const start = frame.historyBytes
  // What is behind a full block is not this block's.
  const room = output.subarray(0, start + frame.blockMaxBytes)
  let end: number | undefined
  if (isStored) {
    output.set(data, start)
    end = start + data.length
  } else end = decodeLz4Block(data, room, start)
  if (end === undefined) throw new SelectError('TruncatedInput')
  const bytes = output.slice(start, end)
  if (frame.isLinked) {
    const kept = Math.min(end, HISTORY_BYTES)
    output.copyWithin(0, end - kept, end)
    frame.historyBytes = kept
  }
  return bytes
}

function numberAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true)
}
