import { assert } from '#base/assert'
import { copyBytes } from '#base/bytes'
import { crc32 } from './checksum.ts'
import { S2_BLOCK_SIZE_MAX } from './layout.ts'
import { decodeS2Block, encodeS2Block, S2Error, s2BlockSize } from './s2-block.ts'
import { S2IndexBuilder } from './s2-index.ts'
import type { Workspace } from './workspace.ts'

/**
 * Streams of S2 and of framed Snappy: chunks of one byte of type, three bytes of length, and a body.
 *
 *   ff 06 00 00 "S2sTwO" | 00 length, checksum, block | 01 length, checksum, plain bytes | fe length, padding | ...
 *
 * Source: encryption.md 8.4 to 8.7; https://github.com/google/snappy/blob/main/framing_format.txt.
 */

/** Plain bytes of each block but the last. */
export const S2_BLOCK_SIZE = 1_048_576
/** Larger parts get an index. */
const INDEXED_SIZE_MIN = 8 * 1_048_576 + 1
const HEADER_SIZE = 4
const CHECKSUM_SIZE = 4
const S2_IDENTIFIER = Uint8Array.fromHex('ff06000053327354774f')
const SNAPPY_NAME = Uint8Array.fromHex('734e61507059')
/** Bytes that `encode` may need beyond its input: identifier, header, checksum. */
export const S2_OVERHEAD_MAX = S2_IDENTIFIER.length + HEADER_SIZE + CHECKSUM_SIZE

const TYPE_COMPRESSED = 0x00
const TYPE_PLAIN = 0x01
const TYPE_RESERVED_MAX = 0x7f
const TYPE_PADDING = 0xfe
const TYPE_IDENTIFIER = 0xff

const SNAPPY_BLOCK_SIZE_MAX = 65_536
/** What a block of n bytes becomes at worst: 32 + n + n/6. */
const WORST_ADDITION = 32
const WORST_FRACTION = 6

/** Writes one stream, as MinIO does: blocks of 1 MiB, index for large parts. Not to be shared between threads. */
export class S2Encoder {
  readonly #workspace: Workspace
  readonly #index = new S2IndexBuilder(S2_BLOCK_SIZE)
  #plainBytes = 0
  #encodedBytes = 0
  #isPadded = false
  #isLast = false

  constructor(workspace: Workspace) {
    this.#workspace = workspace
  }

  /** Encodes the next S2_BLOCK_SIZE bytes, or what is left at the end, at least one byte. `target` has room for
   *  S2_OVERHEAD_MAX bytes more; the block may lie in it behind as many. Answers how many bytes it got. */
  encode(block: Uint8Array, target: Uint8Array): number {
    assert(block.length > 0 && block.length <= S2_BLOCK_SIZE)
    assert(target.length >= block.length + S2_OVERHEAD_MAX)
    assert(!this.#isLast && !this.#isPadded)
    this.#isLast = block.length < S2_BLOCK_SIZE
    let used = 0
    if (this.#plainBytes === 0) {
      target.set(S2_IDENTIFIER)
      used = S2_IDENTIFIER.length
    }
    this.#index.add(this.#encodedBytes + used)
    const checksum = maskedChecksum(this.#workspace, block)
    const encoded = encodeS2Block(this.#workspace, block)
    const body = encoded ?? block
    const type = encoded === undefined ? TYPE_PLAIN : TYPE_COMPRESSED
    putHeader(target, used, type, CHECKSUM_SIZE + body.length)
    putWord(target, used + HEADER_SIZE, checksum)
    used += HEADER_SIZE + CHECKSUM_SIZE
    copyBytes(body, target, used)
    used += body.length
    this.#plainBytes += block.length
    this.#encodedBytes += used
    return used
  }

  /** Ends the stream with a chunk that makes its size a multiple of `multiple`; answers how many bytes `target` got: under
   *  `multiple` + HEADER_SIZE. `fill` makes the content up. */
  pad(multiple: number, target: Uint8Array, fill: (bytes: Uint8Array) => void): number {
    let size = (multiple - (this.#encodedBytes % multiple)) % multiple
    if (this.#encodedBytes === 0 || size === 0) return 0
    if (size < HEADER_SIZE) size += multiple
    putHeader(target, 0, TYPE_PADDING, size - HEADER_SIZE)
    fill(target.subarray(HEADER_SIZE, size))
    this.#encodedBytes += size
    this.#isPadded = true
    return size
  }

  /** After the end. Undefined: too small for an index to be of use. */
  index(): Uint8Array | undefined {
    if (this.#plainBytes < INDEXED_SIZE_MIN) return undefined
    return this.#index.build({
      plain: this.#plainBytes,
      encoded: this.#isPadded ? undefined : this.#encodedBytes,
    })
  }
}

/** Whether bytes, at least four, may be the beginning of a stream. */
export function beginsS2Stream(bytes: Uint8Array): boolean {
  return S2_IDENTIFIER.subarray(0, HEADER_SIZE).every((byte, i) => byte === bytes[i])
}

/** Whether parts of this plain size have an index; that of a smaller one is not to be trusted. */
export function hasS2Index(plainBytes: number): boolean {
  return plainBytes >= INDEXED_SIZE_MIN
}

export interface S2DecoderOptions {
  /** The stream is entered at the beginning of a chunk, not at its own beginning. */
  readonly isEntered?: boolean
  /** Memory for a chunk, as long as the decoder is used; what does not fit takes other memory. */
  readonly buffer?: Uint8Array
}

/**
 * Reads a stream that comes in pieces of any size:
 *
 *   while (used < piece.length) {
 *     used += decoder.feed(piece.subarray(used))
 *     if (decoder.blockSize !== undefined) consume(decoder.take())   // or decoder.drop()
 *   }
 *   decoder.end()
 *
 * Holds one chunk, at most 4.7 MiB. That the whole is as long as it should be is for the caller to know.
 */
export class S2Decoder {
  readonly #workspace: Workspace
  readonly #header = new Uint8Array(HEADER_SIZE)
  #headerUsed = 0
  /** Bytes of the current chunk's body that are still to come. */
  #bodyLeft = 0
  #body: Uint8Array
  #bodySize = 0
  #bodyUsed = 0
  #blockSizeMax: number
  #hasBegun: boolean
  #blockSize: number | undefined

  constructor(workspace: Workspace, options: S2DecoderOptions = {}) {
    this.#workspace = workspace
    this.#body = options.buffer ?? new Uint8Array()
    this.#hasBegun = options.isEntered ?? false
    this.#blockSizeMax = S2_BLOCK_SIZE_MAX
  }

  /** Size of the block that waits to be taken or dropped. */
  get blockSize(): number | undefined {
    return this.#blockSize
  }

  /** Uses bytes up to the end of a block, or all. Answers how many. Keeps no reference. Errors: `S2Error`. */
  feed(piece: Uint8Array): number {
    assert(this.#blockSize === undefined)
    let used = 0
    while (used < piece.length && this.#blockSize === undefined) {
      if (this.#headerUsed < HEADER_SIZE) {
        this.#header[this.#headerUsed++] = piece[used++] ?? 0
        if (this.#headerUsed === HEADER_SIZE) this.#begin()
        continue
      }
      const count = Math.min(this.#bodyLeft, piece.length - used)
      if (this.#bodySize > 0) {
        copyBytes(piece.subarray(used, used + count), this.#body, this.#bodyUsed)
        this.#bodyUsed += count
      }
      used += count
      this.#bodyLeft -= count
      if (this.#bodyLeft === 0) this.#finish()
    }
    return used
  }

  /** The block, checked. Good until the next call of this decoder or of another one of this thread. Errors: `S2Error`. */
  take(): Uint8Array {
    assert(this.#blockSize !== undefined)
    this.#blockSize = undefined
    const content = this.#body.subarray(CHECKSUM_SIZE, this.#bodySize)
    const plain =
      this.#header[0] === TYPE_PLAIN
        ? content
        : decodeS2Block(this.#workspace, content, this.#blockSizeMax)
    if (maskedChecksum(this.#workspace, plain) !== wordOf(this.#body)) {
      throw new S2Error('Checksum of a block differs')
    }
    return plain
  }

  /** Passes over the block unread. */
  drop(): void {
    assert(this.#blockSize !== undefined)
    this.#blockSize = undefined
  }

  /** Says that nothing comes any more. Errors: `S2Error` in the middle of a chunk. */
  end(): void {
    if (this.#headerUsed > 0) throw new S2Error('Compressed stream is cut off')
  }

  /** A header is complete. */
  #begin(): void {
    const [type = 0, low = 0, middle = 0, high = 0] = this.#header
    const size = low | (middle << 8) | (high << 16)
    this.#bodyLeft = size
    this.#bodyUsed = 0
    this.#bodySize = 0
    if (type === TYPE_IDENTIFIER) {
      if (size !== SNAPPY_NAME.length) throw new S2Error('Stream identifier is wrong')
      this.#keep(size)
    } else if (!this.#hasBegun) {
      throw new S2Error('Stream identifier is missing')
    } else if (type === TYPE_COMPRESSED || type === TYPE_PLAIN) {
      const sizeMax = this.#blockSizeMax
      const worst =
        type === TYPE_PLAIN
          ? sizeMax
          : sizeMax + Math.floor(sizeMax / WORST_FRACTION) + WORST_ADDITION
      if (size < CHECKSUM_SIZE || size > worst + CHECKSUM_SIZE) {
        throw new S2Error(`Chunk has ${size} bytes`)
      }
      this.#keep(size)
    } else if (type <= TYPE_RESERVED_MAX) {
      throw new S2Error(`Chunk is of the unknown type ${type}`)
    }
    if (size === 0) this.#finish()
  }

  #keep(size: number): void {
    this.#bodySize = size
    if (this.#body.length < size) this.#body = new Uint8Array(size)
  }

  /** A chunk is complete. */
  #finish(): void {
    this.#headerUsed = 0
    const type = this.#header[0]
    if (type === TYPE_IDENTIFIER) {
      this.#identify()
    } else if (type === TYPE_COMPRESSED) {
      const content = this.#body.subarray(CHECKSUM_SIZE, this.#bodySize)
      this.#blockSize = s2BlockSize(content, this.#blockSizeMax)
    } else if (type === TYPE_PLAIN) {
      this.#blockSize = this.#bodySize - CHECKSUM_SIZE
    }
  }

  #identify(): void {
    const isSame = (name: Uint8Array): boolean => name.every((byte, i) => byte === this.#body[i])
    if (isSame(S2_IDENTIFIER.subarray(HEADER_SIZE))) this.#blockSizeMax = S2_BLOCK_SIZE_MAX
    else if (isSame(SNAPPY_NAME)) this.#blockSizeMax = SNAPPY_BLOCK_SIZE_MAX
    else throw new S2Error('Stream identifier is wrong')
    this.#hasBegun = true
  }
}

/** CRC-32C, turned and shifted, so that a checksum over data with checksums in it is not weak. */
function maskedChecksum(workspace: Workspace, data: Uint8Array): number {
  const crc = crc32(workspace, 'crc32c', data, 0)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

function putHeader(target: Uint8Array, offset: number, type: number, size: number): void {
  target[offset] = type
  target[offset + 1] = size & 0xff
  target[offset + 2] = (size >> 8) & 0xff
  target[offset + 3] = size >> 16
}

function putWord(target: Uint8Array, offset: number, word: number): void {
  for (let i = 0; i < 4; i++) target[offset + i] = (word >>> (8 * i)) & 0xff
}

function wordOf(bytes: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
}
