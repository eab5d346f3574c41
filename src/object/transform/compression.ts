import { assert } from '#base/assert'
import { copyBytes } from '#base/bytes'
import { freeBytes } from '#base/memory'
import type { Random } from '#base/random'
import type { Codec } from '#codec/codec'
import {
  beginsS2Stream,
  hasS2Index,
  S2_BLOCK_SIZE,
  S2_OVERHEAD_MAX,
  type S2Encoder,
} from '#codec/s2'
import { S2Error } from '#codec/s2-block'
import { parseS2Index } from '#codec/s2-index'
import { COMPRESSION_SCHEME } from '../metadata-keys.ts'
import { ObjectError, type BodySource, type DataChunk, type PartInfo } from '../object.ts'
import type { Layer, LayerBody, LayerRead } from '../transform.ts'

/**
 * Compression of content: each part is an S2 stream with blocks of 1 MiB. Source: encryption.md section 8.
 *
 * Nothing here waits for the arena: a request that held some of it while it waits for more could wait for itself. Each
 * body has one buffer of a block, each read one of a compressed block. Blocks that were read leave in the arena, and in
 * ordinary memory when that is full.
 */

/** What Cairn writes, and what releases of before 2020 wrote. */
const READABLE_SCHEMES: readonly string[] = [COMPRESSION_SCHEME, 'golang/snappy/LZ77']

/** Sealed streams are filled up to a multiple, which hides some of their size. */
const PADDING_MULTIPLE = 256
const PADDING_SIZE_MAX = PADDING_MULTIPLE + 4

export interface CompressionOptions {
  readonly codec: Codec
  readonly random: Random
  readonly isSealed: boolean
  /** Decrypts the index of a part. */
  readonly openIndex?: ((index: Uint8Array) => Uint8Array | undefined) | undefined
  /** What is read may have been stored as it is. MinIO marks an object as compressed when it is copied onto itself with
   *  metadata that asks for compression, and leaves the data as it is (tried). */
  readonly mayBePlain?: boolean
}

/** Errors: `Internal` when this release does not know the scheme. */
export function checkScheme(scheme: string): void {
  if (READABLE_SCHEMES.includes(scheme)) return
  throw new ObjectError('Internal', `Data is compressed by the unknown scheme "${scheme}"`)
}

export class Compression implements Layer {
  readonly #options: CompressionOptions

  constructor(options: CompressionOptions) {
    this.#options = options
  }

  write(body: BodySource): LayerBody {
    return new CompressedBody(this.#options, body)
  }

  read(part: PartInfo, start: number, end: number | undefined): LayerRead {
    const plainEnd = end ?? part.actualSizeBytes
    assert(start < plainEnd)
    const isWhole = start === 0 && plainEnd === part.actualSizeBytes
    const entries = isWhole ? [] : this.#entriesOf(part)
    const first = entries.findLast((entry) => entry.plain <= start)
    const isEntered = first !== undefined && first.encoded > 0
    const behind = entries.find((entry) => entry.plain >= plainEnd)
    const { codec, mayBePlain = false } = this.#options
    return {
      start: first?.encoded ?? 0,
      end: behind?.encoded,
      open: (lower) =>
        decompress(codec, lower, {
          isEntered,
          // What is not compressed has no index.
          mayBePlain: mayBePlain && !isEntered,
          skip: start - (first?.plain ?? 0),
          size: plainEnd - start,
        }),
    }
  }

  /** None: the part is read from its beginning. */
  #entriesOf(part: PartInfo): readonly { readonly encoded: number; readonly plain: number }[] {
    const { isSealed, openIndex } = this.#options
    if (part.index === undefined || !hasS2Index(part.actualSizeBytes)) return []
    const index = isSealed ? openIndex?.(part.index) : part.index
    const entries = index === undefined ? undefined : parseS2Index(index)
    const last = entries?.at(-1)
    // The index of other content leads nowhere.
    if (last === undefined || last.encoded >= part.sizeBytes) return []
    return entries ?? []
  }
}

class CompressedBody implements LayerBody {
  readonly sizeBytes = undefined
  readonly #options: CompressionOptions
  readonly #body: BodySource
  readonly #encoder: S2Encoder
  /** Takes the plain block, and then the chunk that it became. */
  readonly #buffer: Uint8Array
  readonly #plain: Uint8Array
  /** Of the chunk: what was handed out, and what there is. */
  #used = 0
  #size = 0
  #isAtEnd = false

  constructor(options: CompressionOptions, body: BodySource) {
    // One byte more than a small body has, so that it is read to its end.
    const blockSize = Math.min(S2_BLOCK_SIZE, (body.sizeBytes ?? S2_BLOCK_SIZE) + 1)
    this.#options = options
    this.#body = body
    this.#encoder = options.codec.s2Encoder()
    this.#buffer = new Uint8Array(Math.max(S2_OVERHEAD_MAX + blockSize, PADDING_SIZE_MAX))
    this.#plain = this.#buffer.subarray(S2_OVERHEAD_MAX, S2_OVERHEAD_MAX + blockSize)
  }

  async read(target: Uint8Array): Promise<number> {
    if (this.#used === this.#size) await this.#refill()
    const count = Math.min(target.length, this.#size - this.#used)
    copyBytes(this.#buffer.subarray(this.#used, this.#used + count), target)
    this.#used += count
    return count
  }

  index(): Uint8Array | undefined {
    assert(this.#isAtEnd)
    return this.#encoder.index()
  }

  async #refill(): Promise<void> {
    this.#used = 0
    this.#size = 0
    if (this.#isAtEnd) return
    let filled = 0
    while (filled < this.#plain.length && !this.#isAtEnd) {
      const count = await this.#body.read(this.#plain.subarray(filled))
      filled += count
      this.#isAtEnd = count === 0
    }
    if (filled > 0) this.#size = this.#encoder.encode(this.#plain.subarray(0, filled), this.#buffer)
    if (this.#isAtEnd && filled === 0 && this.#options.isSealed) this.#pad()
  }

  #pad(): void {
    this.#size = this.#encoder.pad(PADDING_MULTIPLE, this.#buffer, (bytes) => {
      bytes.set(this.#options.random.bytes(bytes.length))
    })
  }
}

interface Wanted {
  /** The stream is entered at a block, not at its beginning. */
  readonly isEntered: boolean
  readonly mayBePlain: boolean
  /** Bytes to pass over, then bytes wanted. */
  readonly skip: number
  readonly size: number
}

async function* decompress(
  codec: Codec,
  lower: AsyncIterable<DataChunk>,
  wanted: Wanted,
): AsyncGenerator<DataChunk, void, void> {
  const buffer = spares.pop() ?? Buffer.allocUnsafeSlow(SPARE_BYTES)
  const decoder = codec.s2Decoder({ isEntered: wanted.isEntered, buffer })
  let { skip, size: left } = wanted
  let isPlain = wanted.mayBePlain ? undefined : false
  try {
    for await (const chunk of lower) {
      try {
        isPlain ??= !beginsS2Stream(chunk.bytes)
        if (isPlain) {
          const bytes = chunk.bytes.subarray(skip, skip + left)
          skip = Math.max(0, skip - chunk.bytes.length)
          left -= bytes.length
          if (bytes.length > 0) yield copyOf(codec, bytes)
          if (left === 0) return
          continue
        }
        for (let used = 0; used < chunk.bytes.length; ) {
          used += decoding(() => decoder.feed(chunk.bytes.subarray(used)))
          const { blockSize } = decoder
          if (blockSize === undefined) continue
          if (skip >= blockSize) {
            decoder.drop()
            skip -= blockSize
            continue
          }
          const block = decoding(() => decoder.take())
          const bytes = block.subarray(skip, skip + left)
          left -= bytes.length
          skip = 0
          yield copyOf(codec, bytes)
          if (left === 0) return
        }
      } finally {
        chunk.release()
      }
    }
  } finally {
    if (spares.length < SPARES_MAX) spares.push(buffer)
    else freeBytes(buffer)
  }
  throw damaged(new S2Error(`Compressed stream lacks ${left} bytes`))
}

/** Memory for compressed blocks that no read has, of this thread: fresh memory costs as much as half of the decoding. */
const spares: Uint8Array[] = []
const SPARES_MAX = 4
/** A block that Cairn and MinIO write takes no more. */
const SPARE_BYTES = S2_BLOCK_SIZE + S2_OVERHEAD_MAX

/** For the workspace in which blocks are decoded serves all of the thread. */
function copyOf(codec: Codec, bytes: Uint8Array): DataChunk {
  const slot = codec.arena.tryAcquire(bytes.length)
  if (slot !== undefined) {
    copyBytes(bytes, slot.bytes)
    return slot
  }
  const buffer = Buffer.allocUnsafeSlow(bytes.length)
  copyBytes(bytes, buffer)
  return { bytes: buffer, release: () => freeBytes(buffer) }
}

function decoding<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof S2Error ? damaged(error) : error
  }
}

function damaged(cause: S2Error): ObjectError {
  return new ObjectError('Internal', 'Compressed data is damaged', {}, { cause })
}
