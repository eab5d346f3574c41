/**
 * MessagePack as the drive format writes it, and every legal form of it for reading.
 *
 * - Signed and unsigned integers are written in different forms (128 is `d1 00 80` signed, `cc 80` unsigned): hashes over
 *   the encoding depend on it, so a field must be written by its own kind.
 * - A reader never allocates more than its input justifies and throws only `FormatError`.
 * - Texts need not be UTF-8: bytes that are not are kept as lone surrogates, and written back as they were.
 *
 * Source: docs/formats/xl-meta.md; disk-format.md 5.4.
 */
import { decodeText, encodedSizeOf, encodeTextInto } from './lossless-text.ts'

/** Bytes that do not follow their format: truncated, out of bounds, of an unexpected type or version. */
export class FormatError extends Error {
  override readonly name = 'FormatError'
}

/** Nesting that `skip` follows; real files stay below 10. */
const DEPTH_MAX = 64
const NS_PER_SECOND = 1_000_000_000n
const TWO_32 = 0x1_0000_0000
/** Extension type that the drive format uses for times, and the standard one. */
const EXT_TIME = 5
const EXT_TIMESTAMP = -1

/** Names of fields and of metadata that are kept as texts: a power of two, and the longest. */
const KNOWN_COUNT = 256
const KNOWN_BYTES_MAX = 64

/** Go's zero time, 1 January of year 1. */
export const ZERO_TIME_NS = -62_135_596_800n * NS_PER_SECOND

/** Texts that were read before, by their bytes: of each slot the last one. */
class KnownTexts {
  readonly #slots: ({ readonly bytes: Uint8Array; readonly text: string } | undefined)[] =
    Array.from({ length: KNOWN_COUNT }, () => undefined)

  textOf(bytes: Uint8Array, at: number, size: number): string {
    if (size > KNOWN_BYTES_MAX) return decodeText(bytes, at, at + size)
    let hash = size
    for (let i = 0; i < size; i++) hash = (Math.imul(hash, 31) + (bytes[at + i] ?? 0)) | 0
    const slot = (hash ^ (hash >>> 8)) & (KNOWN_COUNT - 1)
    const known = this.#slots[slot]
    if (known?.bytes.length === size && holdsAt(bytes, at, known.bytes)) return known.text
    const text = decodeText(bytes, at, at + size)
    this.#slots[slot] = { bytes: bytes.slice(at, at + size), text }
    return text
  }
}

function holdsAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false
  return true
}

const knownKeys = new KnownTexts()

/** Reads values one after the other from `bytes`; byte values are views of it. */
export class MsgpackReader {
  readonly bytes: Uint8Array
  readonly end: number
  /** Where the next value begins. */
  offset: number
  #view: DataView | undefined

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = offset
    this.end = end
  }

  get isAtEnd(): boolean {
    return this.offset >= this.end
  }

  /** First byte of the next value, without taking it. */
  peek(): number {
    if (this.offset >= this.end) throw truncated()
    return this.bytes[this.offset] ?? 0
  }

  /** Takes a nil if there is one. */
  tryNil(): boolean {
    if (this.peek() !== 0xc0) return false
    this.offset++
    return true
  }

  readBoolean(): boolean {
    const lead = this.#byte()
    if (lead === 0xc2) return false
    if (lead === 0xc3) return true
    throw unexpected('a boolean', lead)
  }

  /** An integer of any form within the safe range of a number. */
  readInteger(): number {
    const lead = this.#byte()
    if (lead <= 0x7f) return lead
    if (lead >= 0xe0) return lead - 256
    switch (lead) {
      case 0xcc:
        return this.#byte()
      case 0xcd:
        return this.#uint16()
      case 0xce:
        return this.#uint32()
      case 0xd0:
        return (this.#byte() << 24) >> 24
      case 0xd1:
        return (this.#uint16() << 16) >> 16
      case 0xd2:
        return this.#uint32() | 0
      case 0xcf:
      case 0xd3: {
        const high = this.#uint32()
        const low = this.#uint32()
        const value = (lead === 0xd3 ? high | 0 : high) * TWO_32 + low
        if (!Number.isSafeInteger(value)) throw new FormatError('Integer is out of range')
        return value
      }
      default:
        throw unexpected('an integer', lead)
    }
  }

  /** An integer of any form within the range of signed 64 bits. */
  readBigInt(): bigint {
    const lead = this.peek()
    if (lead !== 0xd3 && lead !== 0xcf) return BigInt(this.readInteger())
    this.offset++
    const value = this.#dataView().getBigInt64(this.#take(8))
    if (lead === 0xcf && value < 0n) throw new FormatError('Integer is out of range')
    return value
  }

  /** A float, or an integer as one. */
  readFloat(): number {
    const lead = this.peek()
    if (lead !== 0xca && lead !== 0xcb) return Number(this.readBigInt())
    this.offset++
    const at = this.#take(lead === 0xca ? 4 : 8)
    return lead === 0xca ? this.#dataView().getFloat32(at) : this.#dataView().getFloat64(at)
  }

  /** A text. Bytes that are not UTF-8 come as lone surrogates U+DC80 to U+DCFF. */
  readText(): string {
    const size = this.#textSize()
    const at = this.#take(size)
    return decodeText(this.bytes, at, at + size)
  }

  /** A text of which there are few, such as the key of a field: one that was read before is not made anew. */
  readKey(): string {
    const size = this.#textSize()
    const at = this.#take(size)
    return knownKeys.textOf(this.bytes, at, size)
  }

  /** A byte string, as a view; a text is refused. */
  readBytes(): Uint8Array {
    const size = this.readBytesSize()
    const at = this.#take(size)
    return this.bytes.subarray(at, at + size)
  }

  /** The size of a byte string, which begins at `offset` then. */
  readBytesSize(): number {
    const lead = this.#byte()
    let size: number
    if (lead === 0xc4) size = this.#byte()
    else if (lead === 0xc5) size = this.#uint16()
    else if (lead === 0xc6) size = this.#uint32()
    else throw unexpected('bytes', lead)
    if (size > this.end - this.offset) throw truncated()
    return size
  }

  /** Takes a byte string if it equals `expected`; else it is left in the middle of it. */
  tryBytes(expected: Uint8Array): boolean {
    if (this.readBytesSize() !== expected.length) return false
    return holdsAt(this.bytes, this.#take(expected.length), expected)
  }

  /** The number of elements that follow. */
  readArraySize(): number {
    const lead = this.#byte()
    let size: number
    if (lead >= 0x90 && lead <= 0x9f) size = lead & 0x0f
    else if (lead === 0xdc) size = this.#uint16()
    else if (lead === 0xdd) size = this.#uint32()
    else throw unexpected('an array', lead)
    if (size > this.end - this.offset) throw truncated()
    return size
  }

  /** The number of pairs that follow. */
  readMapSize(): number {
    const lead = this.#byte()
    let size: number
    if (lead >= 0x80 && lead <= 0x8f) size = lead & 0x0f
    else if (lead === 0xde) size = this.#uint16()
    else if (lead === 0xdf) size = this.#uint32()
    else throw unexpected('a map', lead)
    if (size * 2 > this.end - this.offset) throw truncated()
    return size
  }

  /** A time in nanoseconds since 1970, of the format's own or the standard extension. */
  readTimeNs(): bigint {
    const lead = this.#byte()
    let size: number
    if (lead === 0xd6) size = 4
    else if (lead === 0xd7) size = 8
    else if (lead === 0xc7) size = this.#byte()
    else throw unexpected('a time', lead)
    const type = (this.#byte() << 24) >> 24
    const at = this.#take(size)
    const view = this.#dataView()
    if (type === EXT_TIME && size === 12) {
      return timeNs(view.getBigInt64(at), view.getUint32(at + 8))
    }
    if (type === EXT_TIMESTAMP && size === 12) {
      return timeNs(view.getBigInt64(at + 4), view.getUint32(at))
    }
    if (type === EXT_TIMESTAMP && size === 8) {
      const packed = view.getBigUint64(at)
      return timeNs(packed & 0x3_ffff_ffffn, Number(packed >> 34n))
    }
    if (type === EXT_TIMESTAMP && size === 4) return timeNs(BigInt(view.getUint32(at)), 0)
    throw new FormatError('Unexpected extension where a time belongs')
  }

  /** Passes over one value of any type. */
  skip(): void {
    // Values still to pass at each open level: a stack instead of recursion.
    let left = 1
    const outer: number[] = []
    for (;;) {
      while (left === 0) {
        const next = outer.pop()
        if (next === undefined) return
        left = next
      }
      left--
      const children = this.#skipOne()
      if (children === 0) continue
      if (outer.length === DEPTH_MAX) throw new FormatError('Values are nested too deeply')
      outer.push(left)
      left = children
    }
  }

  /** The encoding of the next value, as a view. */
  readRaw(): Uint8Array {
    const start = this.offset
    this.skip()
    return this.bytes.subarray(start, this.offset)
  }

  /** Passes over one value, for containers over the header only; answers how many values follow in it. */
  #skipOne(): number {
    const lead = this.peek()
    if (lead <= 0x7f || lead >= 0xe0 || (lead >= 0xc0 && lead <= 0xc3)) {
      if (lead === 0xc1) throw unexpected('a value', lead)
      this.offset++
      return 0
    }
    if (lead <= 0x8f || lead === 0xde || lead === 0xdf) return this.readMapSize() * 2
    if (lead <= 0x9f || lead === 0xdc || lead === 0xdd) return this.readArraySize()
    if (lead <= 0xbf || (lead >= 0xd9 && lead <= 0xdb)) {
      this.#take(this.#textSize())
      return 0
    }
    this.offset++
    this.#take(this.#bodySize(lead))
    return 0
  }

  /** Bytes that follow the first byte of a value that is no text or container; takes the length field. */
  #bodySize(lead: number): number {
    switch (lead) {
      case 0xc4:
        return this.#byte()
      case 0xc5:
        return this.#uint16()
      case 0xc6:
        return this.#uint32()
      case 0xc7:
        return this.#byte() + 1
      case 0xc8:
        return this.#uint16() + 1
      case 0xc9:
        return this.#uint32() + 1
      case 0xca:
      case 0xce:
      case 0xd2:
        return 4
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return 8
      case 0xcc:
      case 0xd0:
        return 1
      case 0xcd:
      case 0xd1:
        return 2
      default: // 0xd4 to 0xd8: extensions of fixed size, type byte first
        return 1 + (1 << (lead - 0xd4))
    }
  }

  #textSize(): number {
    const lead = this.#byte()
    if (lead >= 0xa0 && lead <= 0xbf) return lead & 0x1f
    if (lead === 0xd9) return this.#byte()
    if (lead === 0xda) return this.#uint16()
    if (lead === 0xdb) return this.#uint32()
    throw unexpected('a text', lead)
  }

  #byte(): number {
    if (this.offset >= this.end) throw truncated()
    return this.bytes[this.offset++] ?? 0
  }

  #uint16(): number {
    const at = this.#take(2)
    return ((this.bytes[at] ?? 0) << 8) | (this.bytes[at + 1] ?? 0)
  }

  #uint32(): number {
    const at = this.#take(4)
    const { bytes } = this
    return (
      (bytes[at] ?? 0) * 0x1000000 +
      (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
    )
  }

  #take(size: number): number {
    const at = this.offset
    if (size > this.end - at) throw truncated()
    this.offset = at + size
    return at
  }

  #dataView(): DataView {
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
    return this.#view
  }
}

/** Writes values one after the other into a buffer that grows. */
export class MsgpackWriter {
  #bytes: Uint8Array
  #view: DataView | undefined
  #size = 0

  constructor(capacity = 512) {
    this.#bytes = new Uint8Array(capacity)
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size
  }

  /** A view of what was written, valid until the next write. */
  view(start = 0, end = this.#size): Uint8Array {
    return this.#bytes.subarray(start, end)
  }

  /** A copy of what was written, owned by the caller. */
  copy(start = 0, end = this.#size): Uint8Array {
    return this.#bytes.slice(start, end)
  }

  /** Forgets everything from `size` on. */
  truncate(size: number): void {
    this.#size = Math.min(this.#size, size)
  }

  /** Overwrites one byte written before. */
  patch(offset: number, byte: number): void {
    this.#bytes[offset] = byte
  }

  nil(): void {
    this.#byte(0xc0)
  }

  boolean(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2)
  }

  /** An integer of a signed kind: never in an unsigned form above 127. A safe integer. */
  signed(value: number): void {
    if (value >= 0) {
      if (value <= 0x7f) this.#byte(value)
      else if (value <= 0x7fff) this.#lead16(0xd1, value)
      else if (value <= 0x7fff_ffff) this.#lead32(0xd2, value)
      else this.signedBig(BigInt(value))
    } else if (value >= -32) this.#byte(value & 0xff)
    else if (value >= -0x80) {
      this.#byte(0xd0)
      this.#byte(value & 0xff)
    } else if (value >= -0x8000) this.#lead16(0xd1, value & 0xffff)
    else if (value >= -0x8000_0000) this.#lead32(0xd2, value)
    else this.signedBig(BigInt(value))
  }

  /** As `signed`, for 64 bits. */
  signedBig(value: bigint): void {
    if (value >= -0x8000_0000n && value <= 0x7fff_ffffn) {
      this.signed(Number(value))
      return
    }
    const at = this.#grow(9)
    this.#bytes[at] = 0xd3
    this.#dataView().setBigInt64(at + 1, value)
  }

  /** An integer of an unsigned kind, at least zero. A safe integer. */
  unsigned(value: number): void {
    if (value <= 0x7f) this.#byte(value)
    else if (value <= 0xff) {
      this.#byte(0xcc)
      this.#byte(value)
    } else if (value <= 0xffff) this.#lead16(0xcd, value)
    else if (value <= 0xffff_ffff) this.#lead32(0xce, value)
    else this.unsignedBig(BigInt(value))
  }

  /** As `unsigned`, for 64 bits. */
  unsignedBig(value: bigint): void {
    if (value <= 0xffff_ffffn) {
      this.unsigned(Number(value))
      return
    }
    const at = this.#grow(9)
    this.#bytes[at] = 0xcf
    this.#dataView().setBigUint64(at + 1, value)
  }

  float(value: number): void {
    const at = this.#grow(9)
    this.#bytes[at] = 0xcb
    this.#dataView().setFloat64(at + 1, value)
  }

  /** A text; lone surrogates that `readText` made become their bytes again. Answers where its bytes begin. */
  text(value: string): number {
    const size = encodedSizeOf(value)
    if (size <= 31) this.#byte(0xa0 | size)
    else this.#sized(0xd9, size)
    const at = this.#grow(size)
    encodeTextInto(value, this.#bytes, at)
    return at
  }

  /** A byte string in the smallest form. Answers where its bytes begin. */
  bytes(value: Uint8Array): number {
    this.#sized(0xc4, value.length)
    return this.raw(value)
  }

  /** A byte string's header in the 32-bit form. */
  bytesHeader32(size: number): void {
    this.#lead32(0xc6, size)
  }

  arrayHeader(size: number): void {
    if (size <= 15) this.#byte(0x90 | size)
    else if (size <= 0xffff) this.#lead16(0xdc, size)
    else this.#lead32(0xdd, size)
  }

  mapHeader(size: number): void {
    if (size <= 15) this.#byte(0x80 | size)
    else this.mapHeader16(size)
  }

  /** A map header of at least 16 bits, also where a smaller one would do. */
  mapHeader16(size: number): void {
    if (size <= 0xffff) this.#lead16(0xde, size)
    else this.#lead32(0xdf, size)
  }

  /** A time in the format's own extension, from nanoseconds since 1970. */
  timeNs(value: bigint): void {
    let nanoseconds = value % NS_PER_SECOND
    if (nanoseconds < 0n) nanoseconds += NS_PER_SECOND
    const seconds = (value - nanoseconds) / NS_PER_SECOND
    const at = this.#grow(15)
    this.#bytes[at] = 0xc7
    this.#bytes[at + 1] = 12
    this.#bytes[at + 2] = EXT_TIME
    const view = this.#dataView()
    view.setBigInt64(at + 3, seconds)
    view.setUint32(at + 11, Number(nanoseconds))
  }

  /** An unsigned 32-bit integer in its five-byte form, also where a smaller one would do. */
  unsigned32(value: number): void {
    this.#lead32(0xce, value)
  }

  /** One byte that is already encoded. */
  byte(value: number): void {
    this.#byte(value)
  }

  /** Bytes that are already encoded. Answers where they begin. */
  raw(value: Uint8Array): number {
    const size = value.length
    const at = this.#grow(size)
    if (size > 24) this.#bytes.set(value, at)
    // A call of `set` costs more than a few bytes by hand.
    else for (let i = 0; i < size; i++) this.#bytes[at + i] = value[i] ?? 0
    return at
  }

  #sized(lead8: number, size: number): void {
    if (size <= 0xff) {
      this.#byte(lead8)
      this.#byte(size)
    } else if (size <= 0xffff) this.#lead16(lead8 + 1, size)
    else this.#lead32(lead8 + 2, size)
  }

  #byte(value: number): void {
    if (this.#size === this.#bytes.length) this.#reserve(1)
    this.#bytes[this.#size++] = value
  }

  #lead16(lead: number, value: number): void {
    const at = this.#grow(3)
    this.#bytes[at] = lead
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value
  }

  #lead32(lead: number, value: number): void {
    const at = this.#grow(5)
    this.#bytes[at] = lead
    this.#bytes[at + 1] = value >>> 24
    this.#bytes[at + 2] = value >>> 16
    this.#bytes[at + 3] = value >>> 8
    this.#bytes[at + 4] = value
  }

  #grow(size: number): number {
    const at = this.#size
    if (at + size > this.#bytes.length) this.#reserve(size)
    this.#size = at + size
    return at
  }

  #reserve(size: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#size + size))
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = undefined
  }

  #dataView(): DataView {
    this.#view ??= new DataView(this.#bytes.buffer)
    return this.#view
  }
}

function timeNs(seconds: bigint, nanoseconds: number): bigint {
  if (nanoseconds >= 1_000_000_000) throw new FormatError('Nanoseconds of a time are out of range')
  return seconds * NS_PER_SECOND + BigInt(nanoseconds)
}

function truncated(): FormatError {
  return new FormatError('Data ends before its value does')
}

function unexpected(wanted: string, lead: number): FormatError {
  return new FormatError(`Expected ${wanted}, found a value beginning with byte ${lead}`)
}
