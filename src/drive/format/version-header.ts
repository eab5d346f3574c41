import { FormatError, MsgpackReader, MsgpackWriter } from '#codec/msgpack'
import type { VersionHeader, VersionKind } from '../xl-meta.ts'

/**
 * The header of a version: what lists, sorting and merging need without reading bodies. Source: disk-format.md 5.3.
 *
 *   97  c4 10 id  modified  c4 04 signature  type  flags  parity shards  data shards
 */

/** Bits of `VersionHeader.flags`. */
export const FREE_VERSION_FLAG = 1
export const USES_DATA_DIR_FLAG = 2
export const INLINE_DATA_FLAG = 4

export const HEADER_VERSION = 3
/** Array sizes by header version: 1 has no signature, 1 and 2 no shard counts. */
const FIELD_COUNTS = [0, 4, 5, 7]

const TYPE_OBJECT = 1
const TYPE_DELETE_MARKER = 2
const TYPE_LEGACY = 3
const ID_SIZE = 16
const SIGNATURE_SIZE = 4
/** Bytes of a header whose numbers all take their longest usual form. */
const HEADER_SIZE_USUAL = 48

/** Type number of a version kind; kinds of a later format sort behind the known ones. */
export function typeOf(kind: VersionKind): number {
  switch (kind) {
    case 'object':
      return TYPE_OBJECT
    case 'deleteMarker':
      return TYPE_DELETE_MARKER
    case 'legacy':
      return TYPE_LEGACY
    case 'unknown':
      return TYPE_LEGACY + 1
  }
}

export function kindOf(type: number): VersionKind {
  switch (type) {
    case TYPE_OBJECT:
      return 'object'
    case TYPE_DELETE_MARKER:
      return 'deleteMarker'
    case TYPE_LEGACY:
      return 'legacy'
    default:
      return 'unknown'
  }
}

/** Reads a header of header version 1, 2 or 3. Errors: FormatError. */
export function decodeHeader(bytes: Uint8Array, headerVersion: number): VersionHeader {
  const reader = new MsgpackReader(bytes)
  if (reader.readArraySize() !== FIELD_COUNTS[headerVersion]) {
    throw new FormatError('Version header has an unexpected number of fields')
  }
  const versionId = readId(reader)
  const modifiedNs = reader.readBigInt()
  const signature =
    headerVersion === 1 ? new Uint8Array(SIGNATURE_SIZE) : readExactly(reader, SIGNATURE_SIZE)
  const kind = kindOf(reader.readInteger())
  const flags = reader.readInteger()
  const parityShards = headerVersion < HEADER_VERSION ? 0 : reader.readInteger()
  const dataShards = headerVersion < HEADER_VERSION ? 0 : reader.readInteger()
  return { versionId, modifiedNs, signature, kind, flags, parityShards, dataShards }
}

/** Encodes a header as header version 3. */
export function encodeHeader(header: VersionHeader): Uint8Array {
  const writer = new MsgpackWriter(HEADER_SIZE_USUAL)
  writer.arrayHeader(FIELD_COUNTS[HEADER_VERSION] ?? 0)
  writer.bytes(Uint8Array.fromHex(header.versionId))
  writer.signedBig(header.modifiedNs)
  writer.bytes(header.signature)
  writer.unsigned(typeOf(header.kind))
  writer.unsigned(header.flags)
  writer.unsigned(header.parityShards)
  writer.unsigned(header.dataShards)
  return writer.view()
}

/** A UUID of 16 bytes, as 32 hex digits. */
export function readId(reader: MsgpackReader): string {
  return readExactly(reader, ID_SIZE).toHex()
}

function readExactly(reader: MsgpackReader, size: number): Uint8Array {
  const bytes = reader.readBytes()
  if (bytes.length !== size) throw new FormatError(`Expected ${size} bytes, found ${bytes.length}`)
  return bytes
}
