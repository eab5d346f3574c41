import { FormatError, MsgpackReader, MsgpackWriter, ZERO_TIME_NS } from '#codec/msgpack'
import { FieldKeeper, readOptionalBytes, readTextMap } from './format/fields.ts'
import { PARTS_MAX } from './limits.ts'

/** `part.N.meta`: a part of an upload in progress, the same bytes on all drives. Source: disk-format.md 6.5. */

export interface PartMeta {
  /** 1 to `PARTS_MAX`. */
  readonly number: number
  /** Hex MD5, or sealed hex. */
  readonly etag: string
  readonly sizeBytes: number
  /** -1: unknown. */
  readonly actualSizeBytes: number
  readonly modifiedNs: bigint
  /** Base64 by name: `CRC32`, `CRC32C`, `SHA1`, `SHA256`, `CRC64NVME`. */
  readonly checksums: ReadonlyMap<string, string>
  /** Compression index. */
  readonly index?: Uint8Array | undefined
  /** Encoded fields that Cairn does not know, and their number. */
  readonly kept?: { readonly count: number; readonly fields: Uint8Array } | undefined
}

/** Errors: FormatError. Byte values are views. */
export function parsePartMeta(bytes: Uint8Array): PartMeta {
  const reader = new MsgpackReader(bytes)
  const keeper = new FieldKeeper(reader)
  let number = 0
  let etag = ''
  let sizeBytes = 0
  let actualSizeBytes = -1
  let modifiedNs = ZERO_TIME_NS
  let checksums: ReadonlyMap<string, string> = new Map()
  let index: Uint8Array | undefined
  keeper.read((key) => {
    if (key === 'e') etag = reader.readText()
    else if (key === 'n') number = reader.readInteger()
    else if (key === 's') sizeBytes = reader.readInteger()
    else if (key === 'as') actualSizeBytes = reader.readInteger()
    else if (key === 'mt') modifiedNs = reader.readTimeNs()
    else if (key === 'i') index = readOptionalBytes(reader)
    else if (key === 'crc') checksums = readTextMap(reader)
    else return false
    return true
  })
  if (number < 1 || number > PARTS_MAX || sizeBytes < 0 || actualSizeBytes < -1) {
    throw new FormatError('Impossible number or size of a part')
  }
  const kept = keeper.count === 0 ? undefined : { count: keeper.count, fields: keeper.fields }
  return { number, etag, sizeBytes, actualSizeBytes, modifiedNs, checksums, index, kept }
}

export function encodePartMeta(part: PartMeta): Uint8Array {
  const { checksums, index, kept } = part
  const writer = new MsgpackWriter(128)
  const count = 5 + (index === undefined ? 0 : 1) + (checksums.size === 0 ? 0 : 1)
  writer.mapHeader(count + (kept?.count ?? 0))
  writer.text('e')
  writer.text(part.etag)
  writer.text('n')
  writer.signed(part.number)
  writer.text('s')
  writer.signed(part.sizeBytes)
  writer.text('as')
  writer.signed(part.actualSizeBytes)
  writer.text('mt')
  writer.timeNs(part.modifiedNs)
  if (index !== undefined) {
    writer.text('i')
    writer.bytes(index)
  }
  if (checksums.size > 0) {
    writer.text('crc')
    writer.mapHeader(checksums.size)
    for (const [name, value] of checksums) {
      writer.text(name)
      writer.text(value)
    }
  }
  if (kept !== undefined) writer.raw(kept.fields)
  return writer.view()
}

/** Where new parts of `<key folder>/<upload>/<dataDir>` wait that replace older ones: beside it, so that MinIO does not see them and they go with the upload. */
export function pendingDirectory(directory: string): string {
  return `${directory.slice(0, directory.lastIndexOf('/'))}/cairn-pending`
}
