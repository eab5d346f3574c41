import { assert } from '#base/assert'
import { FormatError, MsgpackReader, MsgpackWriter } from '#codec/msgpack'
import type { EncodedVersion } from '../drive.ts'
import type { DeleteMarker, FormatHashes } from '../xl-meta.ts'
import { FieldKeeper, keptFields, readBytesMap } from './fields.ts'
import { FREE_VERSION_KEY } from '../metadata-keys.ts'
import { writeSystemMetadata } from './object-version.ts'
import { foldSignature } from './signature.ts'
import { encodeHeader, FREE_VERSION_FLAG, readId } from './version-header.ts'

/** Encodes a delete marker or free version with its header. */
export function encodeDeleteMarker(marker: DeleteMarker, hashes: FormatHashes): EncodedVersion {
  assert(marker.modifiedNs > 0n)
  const { kept } = marker
  const writer = new MsgpackWriter(256)
  writer.mapHeader((marker.writerTime === undefined ? 2 : 3) + (kept?.outerCount ?? 0))
  writer.text('Type')
  writer.unsigned(2)
  writer.text('DelObj')
  const start = writer.size
  // First as the signature covers it: without metadata.
  writer.mapHeader(2)
  writer.text('ID')
  writer.bytes(Uint8Array.fromHex(marker.versionId))
  writer.text('MTime')
  writer.signedBig(marker.modifiedNs)
  let hash = hashes.xxh64(writer.view(start))
  const innerCount = 3 + (kept?.innerCount ?? 0)
  if (innerCount > 15) throw new FormatError('Delete marker has too many fields')
  writer.patch(start, 0x80 | innerCount)
  hash ^= writeSystemMetadata(writer, marker.systemMetadata, hashes)
  if (kept !== undefined) writer.raw(kept.inner)
  if (marker.writerTime !== undefined) {
    writer.text('v')
    writer.unsigned(marker.writerTime)
  }
  if (kept !== undefined) writer.raw(kept.outer)
  const header = encodeHeader({
    versionId: marker.versionId,
    modifiedNs: marker.modifiedNs,
    signature: foldSignature(hash),
    kind: 'deleteMarker',
    flags: marker.systemMetadata.has(FREE_VERSION_KEY) ? FREE_VERSION_FLAG : 0,
    parityShards: 0,
    dataShards: 0,
  })
  return { header, body: writer.view() }
}

/** Reads a body of type delete marker. Errors: FormatError. */
export function decodeDeleteMarker(body: Uint8Array): DeleteMarker {
  const reader = new MsgpackReader(body)
  const outer = new FieldKeeper(reader)
  const inner = new FieldKeeper(reader)
  let versionId: string | undefined
  let modifiedNs = 0n
  let systemMetadata: ReadonlyMap<string, Uint8Array> = new Map()
  let writerTime: number | undefined
  const readMarker = (key: string): boolean => {
    if (key === 'ID') versionId = readId(reader)
    else if (key === 'MTime') modifiedNs = reader.readBigInt()
    else if (key === 'MetaSys') systemMetadata = readBytesMap(reader)
    else return false
    return true
  }
  outer.read((key) => {
    if (key === 'Type') {
      if (reader.readInteger() !== 2) throw new FormatError('Version is not a delete marker')
    } else if (key === 'DelObj') inner.read(readMarker)
    else if (key === 'v') writerTime = reader.readInteger()
    else return false
    return true
  })
  if (versionId === undefined || modifiedNs <= 0n) {
    throw new FormatError('Delete marker has no identity or time')
  }
  const kept = keptFields(outer, inner)
  return { versionId, modifiedNs, systemMetadata, writerTime, kept }
}
