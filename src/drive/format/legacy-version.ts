import { encodeText } from '#codec/lossless-text'
import { FormatError, MsgpackReader, MsgpackWriter, ZERO_TIME_NS } from '#codec/msgpack'
import type { EncodedVersion } from '../drive.ts'
import type {
  BitrotAlgorithm,
  FormatHashes,
  LegacyVersion,
  ObjectPart,
  PartHash,
} from '../xl-meta.ts'
import { enterField, readIntegers, readList, readOptionalBytes, readTextMap } from './fields.ts'
import { PARTS_MAX, SHARDS_MAX } from '../limits.ts'
import { isSystemKey } from '../metadata-keys.ts'
import { userMetadataHash } from './object-version.ts'
import { foldSignature } from './signature.ts'
import { encodeHeader } from './version-header.ts'

/**
 * Objects of before 2020: the record of an `xl.json` as a version of type legacy in xl.meta.
 *
 * Source: docs/formats/xl-meta.md; disk-format.md 5.4 (V1Obj), 5.10, 1.6.
 */

/** Where a converted object's parts are meant to lie; they may also lie beside the metadata. */
export const LEGACY_DATA_DIR = 'legacy'

const NULL_ID = '0'.repeat(32)
const ALGORITHM_IDS: Readonly<Record<BitrotAlgorithm, number>> = {
  sha256: 1,
  highwayhash256: 2,
  highwayhash256S: 3,
  blake2b: 4,
}

/** The fields of a V1 record, as both forms have them. */
export interface LegacyRecord {
  version: string
  format: string
  statSize: number
  statModifiedNs: bigint
  statName: string
  statDir: boolean
  statMode: number
  algorithm: string
  dataShards: number
  parityShards: number
  blockSize: number
  shardIndex: number
  distribution: readonly number[]
  checksums: readonly PartHash[]
  release: string
  meta: Map<string, string>
  parts: readonly LegacyPart[]
  versionId: string
  dataDir: string
}

/** What differs between the drives of one V1 object. */
export interface LegacyShard {
  readonly shardIndex: number
  /** Of parts with one hash over the whole file. */
  readonly partHashes: readonly PartHash[]
}

export interface LegacyPart extends ObjectPart {
  readonly modifiedNs: bigint
}

function emptyRecord(): LegacyRecord {
  return {
    version: '',
    format: '',
    statSize: 0,
    statModifiedNs: ZERO_TIME_NS,
    statName: '',
    statDir: false,
    statMode: 0,
    algorithm: '',
    dataShards: 0,
    parityShards: 0,
    blockSize: 0,
    shardIndex: 0,
    distribution: [],
    checksums: [],
    release: '',
    meta: new Map(),
    parts: [],
    versionId: '',
    dataDir: '',
  }
}

/** Reads a body of type legacy. Errors: FormatError. */
export function decodeLegacyVersion(body: Uint8Array): LegacyVersion {
  const reader = new MsgpackReader(body)
  if (!enterField(reader, 'V1Obj')) throw new FormatError('Legacy version has no object')
  return legacyFrom(readRecord(reader))
}

/** Encodes a record with its header, after checking it. Errors: FormatError. */
export function encodeLegacyRecord(record: LegacyRecord, hashes: FormatHashes): EncodedVersion {
  legacyFrom(record)
  const writer = new MsgpackWriter(1024)
  writer.mapHeader(2)
  writer.text('Type')
  writer.unsigned(3)
  writer.text('V1Obj')
  writeRecord(writer, record)
  return { header: legacyHeader(record, hashes), body: writer.view() }
}

/**
 * The record for the drive of another shard: its number, and the hashes of that drive's files in place of those given for
 * the same parts. Errors: FormatError.
 */
export function legacyForShard(
  version: EncodedVersion,
  shard: LegacyShard,
  hashes: FormatHashes,
): EncodedVersion {
  const reader = new MsgpackReader(version.body)
  if (!enterField(reader, 'V1Obj')) throw new FormatError('Legacy version has no object')
  const record = readRecord(reader)
  const checksums = record.checksums.map(
    (checksum) =>
      shard.partHashes.find(({ partNumber }) => partNumber === checksum.partNumber) ?? checksum,
  )
  return encodeLegacyRecord({ ...record, shardIndex: shard.shardIndex, checksums }, hashes)
}

/** The header of a legacy body. Errors: FormatError. */
export function legacyHeaderOf(body: Uint8Array, hashes: FormatHashes): Uint8Array {
  const reader = new MsgpackReader(body)
  if (!enterField(reader, 'V1Obj')) throw new FormatError('Legacy version has no object')
  return legacyHeader(readRecord(reader), hashes)
}

function legacyHeader(record: LegacyRecord, hashes: FormatHashes): Uint8Array {
  const writer = new MsgpackWriter(1024)
  // Measured on real drives: the metadata counts as an empty map here, not as nil.
  writeRecord(writer, { ...record, shardIndex: 0, release: '', meta: new Map() })
  const hash = hashes.xxh64(writer.view()) ^ userMetadataHash(record.meta, hashes)
  return encodeHeader({
    versionId: NULL_ID,
    modifiedNs: record.statModifiedNs,
    signature: foldSignature(hash),
    kind: 'legacy',
    flags: 0,
    parityShards: 0,
    dataShards: 0,
  })
}

function legacyFrom(record: LegacyRecord): LegacyVersion {
  const { dataShards, parityShards, distribution, shardIndex } = record
  const shards = dataShards + parityShards
  if (record.format !== 'xl' || (record.version !== '1.0.0' && record.version !== '1.0.1')) {
    throw new FormatError('Legacy metadata has an unknown version or format')
  }
  if (dataShards <= 0 || parityShards < 0 || parityShards > dataShards || shards > SHARDS_MAX) {
    throw new FormatError(`Impossible shard counts ${dataShards} and ${parityShards}`)
  }
  if (distribution.length !== shards || new Set(distribution).size !== shards) {
    throw new FormatError('Legacy metadata has no valid distribution of shards')
  }
  for (const shard of [...distribution, shardIndex]) {
    if (shard < 1 || shard > shards) throw new FormatError('Shard number is out of range')
  }
  if (record.blockSize <= 0 || record.statSize < 0 || record.parts.length > PARTS_MAX) {
    throw new FormatError('Impossible sizes in legacy metadata')
  }
  const systemMetadata = new Map<string, Uint8Array>()
  const userMetadata = new Map<string, string>()
  for (const [key, value] of record.meta) {
    if (isSystemKey(key)) systemMetadata.set(key, encodeText(value))
    else userMetadata.set(key, value)
  }
  return {
    object: {
      versionId: NULL_ID,
      dataDir: record.dataDir,
      dataShards,
      parityShards,
      blockSizeBytes: record.blockSize,
      shardIndex,
      distribution,
      parts: record.parts,
      sizeBytes: record.statSize,
      modifiedNs: record.statModifiedNs,
      systemMetadata,
      userMetadata,
    },
    partHashes: record.checksums,
  }
}

function writeRecord(writer: MsgpackWriter, record: LegacyRecord): void {
  writer.mapHeader(9)
  writer.text('Version')
  writer.text(record.version)
  writer.text('Format')
  writer.text(record.format)
  writer.text('Stat')
  writer.mapHeader(5)
  writer.text('Size')
  writer.signed(record.statSize)
  writer.text('ModTime')
  writer.timeNs(record.statModifiedNs)
  writer.text('Name')
  writer.text(record.statName)
  writer.text('Dir')
  writer.boolean(record.statDir)
  writer.text('Mode')
  writer.unsigned(record.statMode)
  writer.text('Erasure')
  writeErasure(writer, record)
  writer.text('Minio')
  writer.mapHeader(1)
  writer.text('Release')
  writer.text(record.release)
  writer.text('Meta')
  writeTextMap(writer, record.meta)
  writer.text('Parts')
  writer.arrayHeader(record.parts.length)
  for (const part of record.parts) writePart(writer, part)
  writer.text('VersionID')
  writer.text(record.versionId)
  writer.text('DataDir')
  writer.text(record.dataDir)
}

function writeTextMap(writer: MsgpackWriter, map: ReadonlyMap<string, string>): void {
  writer.mapHeader(map.size)
  for (const [key, value] of map) {
    writer.text(key)
    writer.text(value)
  }
}

function writeErasure(
  writer: MsgpackWriter,
  record: Pick<
    LegacyRecord,
    | 'algorithm'
    | 'dataShards'
    | 'parityShards'
    | 'blockSize'
    | 'shardIndex'
    | 'distribution'
    | 'checksums'
  >,
): void {
  writer.mapHeader(7)
  writer.text('Algorithm')
  writer.text(record.algorithm)
  writer.text('DataBlocks')
  writer.signed(record.dataShards)
  writer.text('ParityBlocks')
  writer.signed(record.parityShards)
  writer.text('BlockSize')
  writer.signed(record.blockSize)
  writer.text('Index')
  writer.signed(record.shardIndex)
  writer.text('Distribution')
  writer.arrayHeader(record.distribution.length)
  for (const shard of record.distribution) writer.signed(shard)
  writer.text('Checksums')
  writer.arrayHeader(record.checksums.length)
  for (const checksum of record.checksums) {
    writer.mapHeader(3)
    writer.text('PartNumber')
    writer.signed(checksum.partNumber)
    writer.text('Algorithm')
    writer.unsigned(ALGORITHM_IDS[checksum.algorithm])
    writer.text('Hash')
    writer.bytes(checksum.hash)
  }
}

function writePart(writer: MsgpackWriter, part: LegacyPart): void {
  writer.mapHeader(part.index === undefined ? 5 : 6)
  writer.text('e')
  writer.text(part.etag ?? '')
  writer.text('n')
  writer.signed(part.number)
  writer.text('s')
  writer.signed(part.sizeBytes)
  writer.text('as')
  writer.signed(part.actualSizeBytes)
  writer.text('mt')
  writer.timeNs(part.modifiedNs)
  if (part.index === undefined) return
  writer.text('i')
  writer.bytes(part.index)
}

function readRecord(reader: MsgpackReader): LegacyRecord {
  const record = emptyRecord()
  eachField(reader, (key) => {
    switch (key) {
      case 'Version':
        record.version = reader.readText()
        break
      case 'Format':
        record.format = reader.readText()
        break
      case 'Stat':
        readStat(reader, record)
        break
      case 'Erasure':
        readErasure(reader, record)
        break
      case 'Minio':
        eachField(reader, (inner) => {
          if (inner !== 'Release') return false
          record.release = reader.readText()
          return true
        })
        break
      case 'Meta':
        record.meta = readTextMap(reader)
        break
      case 'Parts':
        record.parts = readList(reader, readPart) ?? []
        break
      case 'VersionID':
        record.versionId = reader.readText()
        break
      case 'DataDir':
        record.dataDir = reader.readText()
        break
      default:
        return false
    }
    return true
  })
  return record
}

function eachField(reader: MsgpackReader, read: (key: string) => boolean): void {
  for (let left = reader.readMapSize(); left > 0; left--) {
    if (!read(reader.readText())) reader.skip()
  }
}

function readStat(reader: MsgpackReader, record: LegacyRecord): void {
  eachField(reader, (key) => {
    if (key === 'Size') record.statSize = reader.readInteger()
    else if (key === 'ModTime') record.statModifiedNs = reader.readTimeNs()
    else if (key === 'Name') record.statName = reader.readText()
    else if (key === 'Dir') record.statDir = reader.readBoolean()
    else if (key === 'Mode') record.statMode = reader.readInteger()
    else return false
    return true
  })
}

function readErasure(reader: MsgpackReader, record: LegacyRecord): void {
  eachField(reader, (key) => {
    if (key === 'Algorithm') record.algorithm = reader.readText()
    else if (key === 'DataBlocks') record.dataShards = reader.readInteger()
    else if (key === 'ParityBlocks') record.parityShards = reader.readInteger()
    else if (key === 'BlockSize') record.blockSize = reader.readInteger()
    else if (key === 'Index') record.shardIndex = reader.readInteger()
    else if (key === 'Distribution') record.distribution = readIntegers(reader) ?? []
    else if (key === 'Checksums') record.checksums = readList(reader, readChecksum) ?? []
    else return false
    return true
  })
}

function readChecksum(reader: MsgpackReader): PartHash {
  let partNumber = 0
  let algorithm: BitrotAlgorithm = 'highwayhash256S'
  let hash = new Uint8Array(0)
  eachField(reader, (key) => {
    if (key === 'PartNumber') partNumber = reader.readInteger()
    else if (key === 'Algorithm') algorithm = algorithmOf(reader.readInteger())
    else if (key === 'Hash') hash = new Uint8Array(readOptionalBytes(reader))
    else return false
    return true
  })
  return { partNumber, algorithm, hash }
}

function readPart(reader: MsgpackReader): LegacyPart {
  let etag = ''
  let number = 0
  let sizeBytes = 0
  let actualSizeBytes = -1
  let modifiedNs = ZERO_TIME_NS
  let index: Uint8Array | undefined
  eachField(reader, (key) => {
    if (key === 'e') etag = reader.readText()
    else if (key === 'n') number = reader.readInteger()
    else if (key === 's') sizeBytes = reader.readInteger()
    else if (key === 'as') actualSizeBytes = reader.readInteger()
    else if (key === 'mt') modifiedNs = reader.readTimeNs()
    else if (key === 'i') index = readOptionalBytes(reader)
    else return false
    return true
  })
  if (number < 0 || sizeBytes < 0) throw new FormatError('Impossible part in legacy metadata')
  return { number, sizeBytes, actualSizeBytes, etag: etag || undefined, index, modifiedNs }
}

function algorithmOf(id: number): BitrotAlgorithm {
  switch (id) {
    case 1:
      return 'sha256'
    case 2:
      return 'highwayhash256'
    case 3:
      return 'highwayhash256S'
    case 4:
      return 'blake2b'
    default:
      throw new FormatError(`Unknown bitrot algorithm ${id}`)
  }
}
