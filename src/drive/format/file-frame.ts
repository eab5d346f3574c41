import { FormatError, MsgpackReader, MsgpackWriter } from '#codec/msgpack'
import type { FormatHashes } from '../xl-meta.ts'

/**
 * The frame of xl.meta: magic, version, payload, checksum; inline data follow.
 *
 *   58 4c 32 20  major LE16  minor LE16  c6 size BE32  payload  ce checksum BE32  inline section
 *
 * Source: disk-format.md 5.1.
 */

const MAGIC = [0x58, 0x4c, 0x32, 0x20]
const HEADER_SIZE = 8
const PAYLOAD_AT = 13
const CHECKSUM_SIZE = 5
const MAJOR = 1
const MINOR = 3
/** Version 1.0 has text where later ones have numbers. */
const ASCII_1_0 = [0x31, 0x20, 0x20, 0x20]
const LOW_32 = 0xffff_ffffn

export interface Frame {
  readonly minor: number
  readonly payload: Uint8Array
  readonly inlineSection: Uint8Array
}

/** True when the bytes begin as an xl.meta does. */
export function hasMagic(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte)
}

/** Takes a file apart and checks its checksum; the parts are views. Errors: FormatError. */
export function parseFrame(bytes: Uint8Array, hashes: FormatHashes): Frame {
  const frame = splitFrame(bytes)
  if (frame.checksum !== undefined) {
    const computed = Number(hashes.xxh64(frame.payload) & LOW_32)
    if (computed !== frame.checksum) throw new FormatError('Metadata does not match its checksum')
  }
  return frame
}

/** At the payload of a file of 1.1 or later, unchecked. Errors: FormatError. */
export function payloadReader(bytes: Uint8Array): MsgpackReader {
  const reader = new MsgpackReader(bytes, HEADER_SIZE)
  const size = reader.readBytesSize()
  return new MsgpackReader(bytes, reader.offset, reader.offset + size)
}

/** Where the inline section begins. Errors: FormatError. */
export function inlineOffsetOf(bytes: Uint8Array): number {
  return bytes.length - splitFrame(bytes).inlineSection.length
}

function splitFrame(bytes: Uint8Array): Frame & { readonly checksum: number | undefined } {
  if (bytes.length <= HEADER_SIZE || !hasMagic(bytes)) {
    throw new FormatError('Metadata does not begin as metadata does')
  }
  const minor = minorOf(bytes)
  if (minor === 0) {
    const payload = bytes.subarray(HEADER_SIZE)
    return { minor, payload, inlineSection: new Uint8Array(0), checksum: undefined }
  }
  const reader = new MsgpackReader(bytes, HEADER_SIZE)
  const payload = reader.readBytes()
  const checksum = minor >= 2 ? reader.readInteger() : undefined
  return { minor, payload, inlineSection: bytes.subarray(reader.offset), checksum }
}

/** Of the version, 0 to 3. Errors: FormatError. */
export function minorOf(bytes: Uint8Array): number {
  if (ASCII_1_0.every((byte, i) => bytes[4 + i] === byte)) return 0
  const major = (bytes[4] ?? 0) | ((bytes[5] ?? 0) << 8)
  const minor = (bytes[6] ?? 0) | ((bytes[7] ?? 0) << 8)
  if (major !== MAJOR || minor < 1 || minor > MINOR) {
    throw new FormatError(`Unknown metadata version ${major}.${minor}`)
  }
  return minor
}

/** Builds a file of version 1.3 in one buffer: `write` adds the payload. */
export function encodeFrame(
  payloadSize: number,
  write: (writer: MsgpackWriter) => void,
  inlineSection: Uint8Array,
  hashes: FormatHashes,
): Uint8Array {
  const writer = new MsgpackWriter(PAYLOAD_AT + payloadSize + CHECKSUM_SIZE + inlineSection.length)
  for (const byte of MAGIC) writer.byte(byte)
  for (const byte of [MAJOR, 0, MINOR, 0]) writer.byte(byte)
  const headerAt = writer.size
  writer.bytesHeader32(0)
  write(writer)
  const size = writer.size - PAYLOAD_AT
  for (let i = 0; i < 4; i++) writer.patch(headerAt + 1 + i, size >>> (24 - 8 * i))
  writer.unsigned32(Number(hashes.xxh64(writer.view(PAYLOAD_AT)) & LOW_32))
  writer.raw(inlineSection)
  return writer.view()
}
