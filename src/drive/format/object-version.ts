import { assert } from '#base/assert'
import { encodeText } from '#codec/lossless-text'
import { FormatError, MsgpackReader, MsgpackWriter } from '#codec/msgpack'
import { textOf } from '#base/bytes'
import type { EncodedVersion } from '../drive.ts'
import type { FormatHashes, KeptFields, ObjectPart, ObjectVersion } from '../xl-meta.ts'
import { PARTS_MAX, SHARDS_MAX } from '../limits.ts'
import { INLINE_DATA_KEY, RESTORE_KEYS, TRANSITION_STATUS_KEY } from '../metadata-keys.ts'
import {
  enterField,
  FieldKeeper,
  keptFields,
  readBytesMap,
  readIntegers,
  readList,
  readOptionalBytes,
  readTextMap,
} from './fields.ts'
import { foldSignature, MapHash } from './signature.ts'
import { INLINE_DATA_FLAG, USES_DATA_DIR_FLAG, encodeHeader, readId } from './version-header.ts'

/**
 * The body of an object version.
 *
 *   83 "Type" 01 "V2Obj" de 0011 { 17 fields } "v" writer time
 *
 * Source: docs/formats/xl-meta.md; disk-format.md 5.4.
 */

/** Fields of the object map without and with the indexes of compressed parts. */
const FIELD_COUNT = 17

const KEY = {
  type: keyBytes('Type'),
  object: keyBytes('V2Obj'),
  writerTime: keyBytes('v'),
  id: keyBytes('ID'),
  dataDir: keyBytes('DDir'),
  erasureAlgorithm: keyBytes('EcAlgo'),
  dataShards: keyBytes('EcM'),
  parityShards: keyBytes('EcN'),
  blockSize: keyBytes('EcBSize'),
  shardIndex: keyBytes('EcIndex'),
  distribution: keyBytes('EcDist'),
  checksumAlgorithm: keyBytes('CSumAlgo'),
  partNumbers: keyBytes('PartNums'),
  partEtags: keyBytes('PartETags'),
  partSizes: keyBytes('PartSizes'),
  partActualSizes: keyBytes('PartASizes'),
  partIndexes: keyBytes('PartIdx'),
  size: keyBytes('Size'),
  modified: keyBytes('MTime'),
  systemMetadata: keyBytes('MetaSys'),
  userMetadata: keyBytes('MetaUsr'),
} as const

function keyBytes(key: string): Uint8Array {
  const writer = new MsgpackWriter(16)
  writer.text(key)
  return writer.copy()
}

/** Encodes a version with its header. `nowMs` decides whether a restored copy has expired; without it none has. */
export function encodeObjectVersion(
  version: ObjectVersion,
  hashes: FormatHashes,
  options: { readonly nowMs?: number } = {},
): EncodedVersion {
  const { shardIndex, kept } = version
  const shards = version.dataShards + version.parityShards
  assert(version.dataShards > 0 && version.parityShards >= 0 && shards <= SHARDS_MAX)
  assert(shardIndex >= 0 && shardIndex <= SHARDS_MAX && version.modifiedNs > 0n)
  const hasIndexes = version.parts.some((part) => part.index !== undefined)
  const fieldCount = hasIndexes ? FIELD_COUNT + 1 : FIELD_COUNT
  const writer = new MsgpackWriter(768)
  writer.mapHeader((version.writerTime === undefined ? 2 : 3) + (kept?.outerCount ?? 0))
  writer.raw(KEY.type)
  writer.unsigned(1)
  writer.raw(KEY.object)
  const start = writer.size
  // First as the signature covers it: shard index zero, no metadata, nothing that Cairn does not know.
  writer.mapHeader16(fieldCount)
  const { shardIndexAt, actualSizesAt } = writeFields(writer, version, hasIndexes)
  const tail = writer.size
  writer.raw(KEY.systemMetadata)
  writer.nil()
  writer.raw(KEY.userMetadata)
  writer.nil()
  let hash = hashes.xxh64(writer.view(start))
  // Then as it is stored.
  writer.truncate(tail)
  writer.patch(shardIndexAt, shardIndex)
  // An upload in progress has an empty list here, which the signature takes for none.
  if (version.parts.length === 0) writer.patch(actualSizesAt, 0x90)
  const count = fieldCount + (kept?.innerCount ?? 0)
  writer.patch(start + 1, count >>> 8)
  writer.patch(start + 2, count)
  hash ^= writeSystemMetadata(writer, version.systemMetadata, hashes)
  hash ^= writeUserMetadata(writer, version.userMetadata, hashes)
  if (kept !== undefined) writer.raw(kept.inner)
  if (version.writerTime !== undefined) {
    writer.raw(KEY.writerTime)
    writer.unsigned(version.writerTime)
  }
  if (kept !== undefined) writer.raw(kept.outer)
  const header = encodeHeader({
    versionId: version.versionId,
    modifiedNs: version.modifiedNs,
    signature: foldSignature(hash),
    kind: 'object',
    flags: flagsOf(version, options.nowMs),
    parityShards: version.parityShards,
    dataShards: version.dataShards,
  })
  return { header, body: writer.view() }
}

/** Writes all fields before the metadata as the signature covers them; answers where those begin that differ. */
function writeFields(
  writer: MsgpackWriter,
  version: ObjectVersion,
  hasIndexes: boolean,
): { readonly shardIndexAt: number; readonly actualSizesAt: number } {
  const { parts } = version
  writer.raw(KEY.id)
  writer.bytes(Uint8Array.fromHex(version.versionId))
  writer.raw(KEY.dataDir)
  writer.bytes(Uint8Array.fromHex(version.dataDir))
  writer.raw(KEY.erasureAlgorithm)
  writer.unsigned(1)
  writer.raw(KEY.dataShards)
  writer.signed(version.dataShards)
  writer.raw(KEY.parityShards)
  writer.signed(version.parityShards)
  writer.raw(KEY.blockSize)
  writer.signed(version.blockSizeBytes)
  writer.raw(KEY.shardIndex)
  const shardIndexAt = writer.size
  writer.signed(0)
  writer.raw(KEY.distribution)
  writer.arrayHeader(version.distribution.length)
  for (const shard of version.distribution) writer.unsigned(shard)
  writer.raw(KEY.checksumAlgorithm)
  writer.unsigned(1)
  writer.raw(KEY.partNumbers)
  writer.arrayHeader(parts.length)
  for (const part of parts) writer.signed(part.number)
  writer.raw(KEY.partEtags)
  if (parts.some((part) => part.etag !== undefined)) {
    writer.arrayHeader(parts.length)
    for (const part of parts) writer.text(part.etag ?? '')
  } else writer.nil()
  writer.raw(KEY.partSizes)
  writer.arrayHeader(parts.length)
  for (const part of parts) writer.signed(part.sizeBytes)
  writer.raw(KEY.partActualSizes)
  const actualSizesAt = writer.size
  if (parts.length === 0 || version.hasActualSizes === false) writer.nil()
  else {
    writer.arrayHeader(parts.length)
    for (const part of parts) writer.signed(part.actualSizeBytes)
  }
  if (hasIndexes) {
    writer.raw(KEY.partIndexes)
    writer.arrayHeader(parts.length)
    for (const part of parts) writer.bytes(part.index ?? EMPTY)
  }
  writer.raw(KEY.size)
  writer.signed(version.sizeBytes)
  writer.raw(KEY.modified)
  writer.signedBig(version.modifiedNs)
  return { shardIndexAt, actualSizesAt }
}

const EMPTY = new Uint8Array(0)

/** Writes the field and answers its share of the signature. */
export function writeSystemMetadata(
  writer: MsgpackWriter,
  metadata: ReadonlyMap<string, Uint8Array>,
  hashes: FormatHashes,
): bigint {
  const hash = MapHash.ofSystemMetadata(hashes)
  writer.raw(KEY.systemMetadata)
  writer.mapHeader(metadata.size)
  for (const [key, value] of metadata) {
    const keyAt = writer.text(key)
    const keyEnd = writer.size
    writer.bytes(value)
    hash.add(writer.view(keyAt, keyEnd), value)
  }
  return hash.value
}

function writeUserMetadata(
  writer: MsgpackWriter,
  metadata: ReadonlyMap<string, string>,
  hashes: FormatHashes,
): bigint {
  const hash = MapHash.ofUserMetadata(hashes)
  writer.raw(KEY.userMetadata)
  writer.mapHeader(metadata.size)
  for (const [key, value] of metadata) {
    const keyAt = writer.text(key)
    const keyEnd = writer.size
    const valueAt = writer.text(value)
    hash.add(writer.view(keyAt, keyEnd), writer.view(valueAt))
  }
  return hash.value
}

function flagsOf(version: ObjectVersion, nowMs: number | undefined): number {
  const isInline = version.systemMetadata.has(INLINE_DATA_KEY)
  return (isRemote(version, nowMs) ? 0 : USES_DATA_DIR_FLAG) | (isInline ? INLINE_DATA_FLAG : 0)
}

/** Whether the content was moved to a tier; a restored copy of it may be on the drives. */
export function wasMoved({ systemMetadata }: Pick<ObjectVersion, 'systemMetadata'>): boolean {
  const status = systemMetadata.get(TRANSITION_STATUS_KEY)
  return status !== undefined && textOf(status) === 'complete'
}

/** Whether the content is on a tier only. Without `nowMs` restored copies never expire, which is the safe side: their data is not given up. */
export function isRemote(
  version: Pick<ObjectVersion, 'systemMetadata' | 'userMetadata'>,
  nowMs?: number,
): boolean {
  return wasMoved(version) && !isRestored(version, nowMs)
}

function isRestored(
  version: Pick<ObjectVersion, 'userMetadata'>,
  nowMs: number | undefined,
): boolean {
  const text = version.userMetadata.get(RESTORE_KEYS[0])
  const match = text?.match(/^ongoing-request="false", *expiry-date="([^"]+)"$/)
  if (match?.[1] === undefined) return false
  const expiryMs = Date.parse(match[1])
  return !Number.isNaN(expiryMs) && (nowMs === undefined || expiryMs > nowMs)
}

/** What a body says before it is read as an object. */
interface DraftVersion {
  id: string
  dataDir: string
  dataShards: number
  parityShards: number
  blockSize: number
  shardIndex: number
  distribution: readonly number[]
  partNumbers: readonly number[]
  partEtags: readonly string[]
  partSizes: readonly number[]
  partActualSizes: readonly number[] | undefined
  partIndexes: readonly Uint8Array[]
  size: number
  modifiedNs: bigint
  systemMetadata: Map<string, Uint8Array>
  userMetadata: Map<string, string>
}

/** Reads a body of type object. Byte values are views of it. Errors: FormatError. */
export function decodeObjectVersion(body: Uint8Array): ObjectVersion {
  const reader = new MsgpackReader(body)
  const outer = new FieldKeeper(reader)
  const inner = new FieldKeeper(reader)
  let draft: DraftVersion | undefined
  let writerTime: number | undefined
  outer.read((key) => {
    if (key === 'Type') {
      if (reader.readInteger() !== 1) throw new FormatError('Version is not an object')
    } else if (key === 'V2Obj') {
      const fields = emptyDraft()
      inner.read((field) => readField(reader, fields, field))
      draft = fields
    } else if (key === 'v') writerTime = reader.readInteger()
    else return false
    return true
  })
  if (draft === undefined) throw new FormatError('Object version has no object')
  return objectFrom(draft, writerTime, keptFields(outer, inner))
}

function emptyDraft(): DraftVersion {
  return {
    id: '',
    dataDir: '',
    dataShards: 0,
    parityShards: 0,
    blockSize: 0,
    shardIndex: 0,
    distribution: [],
    partNumbers: [],
    partEtags: [],
    partSizes: [],
    partActualSizes: undefined,
    partIndexes: [],
    size: 0,
    modifiedNs: 0n,
    systemMetadata: new Map(),
    userMetadata: new Map(),
  }
}

/** Reads one field's value; false: the field is unknown and its value is still to be passed. */
function readField(reader: MsgpackReader, draft: DraftVersion, key: string): boolean {
  switch (key) {
    case 'ID':
      draft.id = readId(reader)
      return true
    case 'DDir':
      draft.dataDir = readId(reader)
      return true
    case 'EcAlgo':
    case 'CSumAlgo':
      if (reader.readInteger() !== 1) throw new FormatError(`Unknown algorithm in "${key}"`)
      return true
    case 'EcM':
      draft.dataShards = reader.readInteger()
      return true
    case 'EcN':
      draft.parityShards = reader.readInteger()
      return true
    case 'EcBSize':
      draft.blockSize = reader.readInteger()
      return true
    case 'EcIndex':
      draft.shardIndex = reader.readInteger()
      return true
    case 'EcDist':
      draft.distribution = readIntegers(reader) ?? []
      return true
    case 'PartNums':
      draft.partNumbers = readIntegers(reader) ?? []
      return true
    case 'PartETags':
      draft.partEtags = readList(reader, readEtag) ?? []
      return true
    case 'PartSizes':
      draft.partSizes = readIntegers(reader) ?? []
      return true
    case 'PartASizes':
      draft.partActualSizes = readIntegers(reader)
      return true
    case 'PartIdx':
      draft.partIndexes = readList(reader, readOptionalBytes) ?? []
      return true
    case 'Size':
      draft.size = reader.readInteger()
      return true
    case 'MTime':
      draft.modifiedNs = reader.readBigInt()
      return true
    case 'MetaSys':
      draft.systemMetadata = readBytesMap(reader)
      return true
    case 'MetaUsr':
      draft.userMetadata = readTextMap(reader)
      return true
    default:
      return false
  }
}

function readEtag(reader: MsgpackReader): string {
  return reader.tryNil() ? '' : reader.readText()
}

function objectFrom(
  draft: DraftVersion,
  writerTime: number | undefined,
  kept: KeptFields | undefined,
): ObjectVersion {
  const { dataShards, parityShards, distribution, shardIndex } = draft
  const shards = dataShards + parityShards
  if (dataShards <= 0 || parityShards < 0 || parityShards > dataShards || shards > SHARDS_MAX) {
    throw new FormatError(`Impossible shard counts ${dataShards} and ${parityShards}`)
  }
  if (draft.modifiedNs <= 0n) throw new FormatError('Version has no modification time')
  if (draft.blockSize <= 0 || draft.size < 0) throw new FormatError('Impossible sizes in a version')
  if (shardIndex < 1 || shardIndex > shards || !isPermutation(distribution, shards)) {
    throw new FormatError('Version has no valid distribution of shards')
  }
  return {
    versionId: draft.id,
    dataDir: draft.dataDir,
    dataShards,
    parityShards,
    blockSizeBytes: draft.blockSize,
    shardIndex,
    distribution,
    parts: partsFrom(draft),
    sizeBytes: draft.size,
    modifiedNs: draft.modifiedNs,
    systemMetadata: draft.systemMetadata,
    userMetadata: draft.userMetadata,
    writerTime,
    hasActualSizes: draft.partActualSizes !== undefined || draft.partNumbers.length === 0,
    kept,
  }
}

function partsFrom(draft: DraftVersion): readonly ObjectPart[] {
  const { partNumbers, partSizes, partActualSizes, partEtags, partIndexes } = draft
  const count = partNumbers.length
  if (
    count > PARTS_MAX ||
    partSizes.length !== count ||
    (partActualSizes !== undefined && partActualSizes.length !== count)
  ) {
    throw new FormatError('Part lists of a version have different lengths')
  }
  const parts: ObjectPart[] = []
  for (let i = 0; i < count; i++) {
    const number = partNumbers[i] ?? 0
    const sizeBytes = partSizes[i] ?? 0
    const actualSizeBytes = partActualSizes?.[i] ?? -1
    if (number < 0 || sizeBytes < 0) throw new FormatError('Impossible part in a version')
    const etag = partEtags.length === count ? partEtags[i] || undefined : undefined
    const index = partIndexes.length === count ? partIndexes[i] : undefined
    parts.push({ number, sizeBytes, actualSizeBytes, etag, index })
  }
  return parts
}

function isPermutation(distribution: readonly number[], shards: number): boolean {
  if (distribution.length !== shards) return false
  const seen = new Uint8Array(shards + 1)
  for (const shard of distribution) {
    if (shard < 1 || shard > shards || seen[shard] === 1) return false
    seen[shard] = 1
  }
  return true
}

/** The hash of user metadata for signatures. */
export function userMetadataHash(
  metadata: ReadonlyMap<string, string>,
  hashes: FormatHashes,
): bigint {
  const hash = MapHash.ofUserMetadata(hashes)
  for (const [key, value] of metadata) hash.add(encodeText(key), encodeText(value))
  return hash.value
}

/** The reader at the value of `key` in the object map of a body; undefined when there is none. */
export function objectFieldOf(body: Uint8Array, key: string): MsgpackReader | undefined {
  const reader = new MsgpackReader(body)
  if (!enterField(reader, 'V2Obj') || !enterField(reader, key)) return undefined
  return reader
}

/** The version with another shard index; the header is shared. `shardIndex` is 1 to 127. */
export function withShardIndex(version: EncodedVersion, shardIndex: number): EncodedVersion {
  assert(shardIndex > 0 && shardIndex <= SHARDS_MAX)
  const { header, body } = version
  const reader = objectFieldOf(body, 'EcIndex')
  if (reader === undefined) throw new FormatError('Version has no shard index')
  const start = reader.offset
  reader.skip()
  const writer = new MsgpackWriter(body.length)
  writer.raw(body.subarray(0, start))
  writer.signed(shardIndex)
  writer.raw(body.subarray(reader.offset))
  return { header, body: writer.view() }
}
