/**
 * xl.meta: all versions of one key, as one drive holds them.
 *
 * - `XlMeta` reads every released form (1.0 to 1.3, and `xl.json`) and writes 1.3.
 * - Parsing reads headers only; bodies are decoded on demand and written back byte for byte while nobody replaces them,
 *   so unknown fields and versions survive.
 * - Views: everything an `XlMeta` gives out may point into the bytes it was parsed from. These must stay untouched.
 * - Anything malformed gives `FormatError` and nothing else.
 *
 * Ids are 32 lower-case hex digits, zeros for the null version; times are nanoseconds since 1970.
 * Source: docs/formats/xl-meta.md; disk-format.md section 5.
 */
import { assert } from '#base/assert'
import { compareBytes, equalBytes } from '#base/bytes'
import type { Codec } from '#codec/codec'
import { FormatError, MsgpackReader } from '#codec/msgpack'
import type { EncodedVersion } from './drive.ts'
import type { FrameHash } from './shard-layout.ts'
import { decodeDeleteMarker } from './format/delete-marker.ts'
import {
  readId,
  decodeHeader,
  encodeHeader,
  HEADER_VERSION,
  typeOf,
} from './format/version-header.ts'
import { FREE_VERSION_FLAG, USES_DATA_DIR_FLAG } from './format/version-header.ts'
import { encodeFrame, hasMagic, minorOf, parseFrame, payloadReader } from './format/file-frame.ts'
import { correctMarker, correctObject, METADATA_VERSION } from './format/fix-ups.ts'
import { headerOf } from './format/header-of.ts'
import { InlineSection } from './format/inline-section.ts'
import { decodeLegacyVersion, LEGACY_DATA_DIR } from './format/legacy-version.ts'
import { decodeObjectVersion, objectFieldOf } from './format/object-version.ts'
import { convertXlJson, looksLikeJson } from './format/xl-json.ts'

export { FormatError } from '#codec/msgpack'
export { encodeDeleteMarker } from './format/delete-marker.ts'
export { keepFreeVersion } from './format/free-version.ts'
export { inlineOffsetOf } from './format/file-frame.ts'
export { LEGACY_DATA_DIR, legacyForShard, type LegacyShard } from './format/legacy-version.ts'
export { isSystemKey } from './metadata-keys.ts'
export { encodeObjectVersion, isRemote, wasMoved, withShardIndex } from './format/object-version.ts'
export { xlJsonForShard } from './format/xl-json.ts'
export {
  FREE_VERSION_FLAG,
  INLINE_DATA_FLAG,
  USES_DATA_DIR_FLAG,
} from './format/version-header.ts'

/** The hashes that the formats use. */
export type FormatHashes = Pick<Codec, 'xxh64' | 'xxh3' | 'crc32' | 'sipHash24'>

/** The hashes of metadata and data. */
export type DriveHashes = FormatHashes & FrameHash

/** `unknown`: a type of a later format; it is kept, but nothing can be said about it. */
export type VersionKind = 'object' | 'deleteMarker' | 'legacy' | 'unknown'

export const NULL_VERSION_ID = '0'.repeat(32)

export interface VersionHeader {
  readonly versionId: string
  readonly modifiedNs: bigint
  /** 4 bytes, equal on all drives. */
  readonly signature: Uint8Array
  readonly kind: VersionKind
  /** Bits `FREE_VERSION_FLAG`, `USES_DATA_DIR_FLAG`, `INLINE_DATA_FLAG`. */
  readonly flags: number
  /** 0 also for objects whose header came from a file of 2022 or before: the body has the truth. */
  readonly parityShards: number
  readonly dataShards: number
}

export interface ObjectPart {
  readonly number: number
  /** Stored, after compression and encryption. */
  readonly sizeBytes: number
  /** As the client sent it; -1: unknown. */
  readonly actualSizeBytes: number
  readonly etag?: string | undefined
  /** Index of a compressed part. */
  readonly index?: Uint8Array | undefined
}

/** Encoded fields that Cairn does not know, kept for writing back. */
export interface KeptFields {
  readonly outerCount: number
  readonly outer: Uint8Array
  readonly innerCount: number
  readonly inner: Uint8Array
}

export interface ObjectVersion {
  readonly versionId: string
  /** 32 hex digits; `legacy` or empty for the object of a `LegacyVersion`. `dataDirName` gives the directory. */
  readonly dataDir: string
  readonly dataShards: number
  readonly parityShards: number
  readonly blockSizeBytes: number
  /** Shard on this drive, from 1; often wrong in real files: see `shardIndexesOf` in version-merge. */
  readonly shardIndex: number
  /** Shard number by drive position. */
  readonly distribution: readonly number[]
  readonly parts: readonly ObjectPart[]
  readonly sizeBytes: number
  readonly modifiedNs: bigint
  /** Keys as stored, all of them; values are views. */
  readonly systemMetadata: ReadonlyMap<string, Uint8Array>
  /** Keys as stored. Values that are not UTF-8 hold their bytes as lone surrogates (#codec/lossless-text). */
  readonly userMetadata: ReadonlyMap<string, string>
  /** Release time of the writing software, Unix seconds. */
  readonly writerTime?: number | undefined
  /** False: the record has no list of actual sizes, although it has parts. */
  readonly hasActualSizes?: boolean | undefined
  readonly kept?: KeptFields | undefined
}

/** A delete marker, or a free version (content on a tier that is still to be deleted). */
export interface DeleteMarker {
  readonly versionId: string
  readonly modifiedNs: bigint
  readonly systemMetadata: ReadonlyMap<string, Uint8Array>
  readonly writerTime?: number | undefined
  readonly kept?: KeptFields | undefined
}

export type BitrotAlgorithm = 'sha256' | 'highwayhash256' | 'highwayhash256S' | 'blake2b'

export interface PartHash {
  readonly partNumber: number
  readonly algorithm: BitrotAlgorithm
  /** Of the whole file on this drive; empty with `highwayhash256S`, which has hashes between the blocks. */
  readonly hash: Uint8Array
}

/** An object of before 2020. A part without a hash entry uses `highwayhash256S`. */
export interface LegacyVersion {
  /** As an object: `dataDir` is `legacy`, or empty when it was read from `xl.json` and its parts lie beside that. */
  readonly object: ObjectVersion
  readonly partHashes: readonly PartHash[]
}

export interface StoredVersion {
  readonly header: VersionHeader
  /** Encoded, header version 3. */
  readonly headerBytes: Uint8Array
  readonly body: Uint8Array
}

/** What a change took out. */
export interface Displaced {
  readonly header: VersionHeader
  /** Directory of the data that nothing refers to any more; undefined: none, or another version shares it. */
  readonly dataDirectory: string | undefined
}

/** More versions than this in one file are refused as malformed; each takes at least 40 bytes. */
const VERSIONS_MAX = 10_000_000

export class XlMeta {
  /** True when it was read from an `xl.json`: parts lie beside the metadata. */
  readonly isV1File: boolean
  readonly #hashes: FormatHashes
  readonly #versions: StoredVersion[]
  readonly #inline: InlineSection

  private constructor(
    hashes: FormatHashes,
    versions: StoredVersion[],
    inlineSection: Uint8Array,
    isV1File = false,
  ) {
    this.#hashes = hashes
    this.#versions = versions
    this.#inline = new InlineSection(inlineSection)
    this.isV1File = isV1File
  }

  /** Reads a metadata file with or without its inline section. Keeps views of `bytes`. Errors: FormatError. */
  static parse(bytes: Uint8Array, hashes: FormatHashes): XlMeta {
    if (!hasMagic(bytes) && looksLikeJson(bytes)) {
      const { header, body } = convertXlJson(bytes, hashes)
      const stored = { header: decodeHeader(header, HEADER_VERSION), headerBytes: header, body }
      return new XlMeta(hashes, [stored], new Uint8Array(0), true)
    }
    const { minor, payload, inlineSection } = parseFrame(bytes, hashes)
    const versions = minor === 3 ? readVersions(payload, hashes) : readOldVersions(payload, hashes)
    return new XlMeta(hashes, versions, inlineSection)
  }

  /** Whether another metadata file lists the same versions, by their headers; its bodies and its checksum are not looked at. Errors: FormatError. */
  hasSameVersions(bytes: Uint8Array): boolean {
    const headers = headersOf(bytes)
    if (headers === undefined) {
      const other = XlMeta.parse(bytes, this.#hashes).#versions
      if (other.length !== this.#versions.length) return false
      return this.#versions.every((version, i) => {
        const twin = other[i]
        return twin !== undefined && isSameHeader(version, twin)
      })
    }
    if (headers.count !== this.#versions.length) return false
    const { reader } = headers
    for (const { headerBytes } of this.#versions) {
      if (!reader.tryBytes(headerBytes)) return false
      reader.skip()
    }
    return true
  }

  static empty(hashes: FormatHashes): XlMeta {
    return new XlMeta(hashes, [], new Uint8Array(0))
  }

  /** Newest first, free versions included. */
  get versions(): readonly StoredVersion[] {
    return this.#versions
  }

  /** Index of the newest version that is not a free version, -1 when there is none. */
  latest(): number {
    return this.#versions.findIndex(({ header }) => !isFree(header))
  }

  /** Index of a version, -1 when there is none. */
  find(versionId: string): number {
    return this.#versions.findIndex(({ header }) => header.versionId === versionId)
  }

  /** Decodes a body. Errors: FormatError, also for kinds that are unknown. */
  decode(index: number): ObjectVersion | DeleteMarker | LegacyVersion {
    const { header, body } = this.#at(index)
    switch (header.kind) {
      case 'object':
        return decodeObjectVersion(body)
      case 'deleteMarker':
        return decodeDeleteMarker(body)
      case 'legacy':
        return this.#decodeLegacy(body)
      case 'unknown':
        throw new FormatError('Version is of an unknown kind')
    }
  }

  /** A version's framed shard in the inline section, a view; undefined when there is none. */
  inline(versionId: string): Uint8Array | undefined {
    return this.#inline.get(versionName(versionId))
  }

  /** Directory of a version's data if no other version uses it. Source: disk-format.md 5.11. */
  unsharedDataDirectory(index: number): string | undefined {
    const { header, body } = this.#at(index)
    if (header.kind === 'legacy') return LEGACY_DATA_DIR
    if (header.kind !== 'object') return undefined
    const dataDir = dataDirOf(body)
    if (dataDir === undefined) return undefined
    if (this.inline(header.versionId) === undefined && this.#isShared(index, dataDir)) {
      return undefined
    }
    return dataDirName(dataDir)
  }

  /** Whether the data of some version lies in this directory. */
  usesDataDirectory(name: string): boolean {
    return this.#versions.some(({ header, body }) => {
      if (header.kind !== 'object') return header.kind === 'legacy' && name === LEGACY_DATA_DIR
      const dataDir = dataDirOf(body)
      return dataDir !== undefined && dataDirName(dataDir) === name
    })
  }

  /** Adds a version, or replaces the one with its id. Its inline value becomes `inline`; undefined: it has none. Answers what it replaced, with a data directory only if the new version does not use it as well. */
  put(version: EncodedVersion, inline: Uint8Array | undefined): Displaced | undefined {
    const stored = storedFrom(version)
    const { versionId } = stored.header
    const index = this.find(versionId)
    let displaced: Displaced | undefined
    if (index >= 0) displaced = this.#displace(index, stored)
    else this.#insert(stored)
    if (inline !== undefined) this.#inline.set(versionName(versionId), inline)
    return displaced
  }

  /** Replaces a version's metadata and keeps its inline value; false when there is no such version. */
  update(version: EncodedVersion): boolean {
    const stored = storedFrom(version)
    const index = this.find(stored.header.versionId)
    if (index < 0) return false
    this.#replace(index, stored)
    return true
  }

  /** Removes a version with its inline value; undefined when there is no such version. */
  remove(versionId: string): Displaced | undefined {
    const index = this.find(versionId)
    if (index < 0) return undefined
    const { header } = this.#at(index)
    const dataDirectory = this.unsharedDataDirectory(index)
    this.dropInline(versionId, dataDirectory)
    this.#versions.splice(index, 1)
    return { header, dataDirectory }
  }

  /** Removes the inline value of a version, under both names that exist. */
  dropInline(versionId: string, dataDirectory: string | undefined): void {
    this.#inline.delete(versionName(versionId))
    if (dataDirectory !== undefined) this.#inline.delete(dataDirectory)
  }

  /** One number over all headers: equal on drives that hold the same versions. 16 hex digits. */
  versionsHash(): string {
    let hash = 0n
    for (const { headerBytes } of this.#versions) hash = this.#hashes.xxh64(headerBytes, hash)
    return hash.toString(16).padStart(16, '0')
  }

  /** The file, version 1.3; owned by the caller. */
  encode(): Uint8Array {
    let size = 16
    for (const { headerBytes, body } of this.#versions)
      size += headerBytes.length + body.length + 10
    return encodeFrame(
      size,
      (writer) => {
        writer.unsigned(HEADER_VERSION)
        writer.unsigned(METADATA_VERSION)
        writer.signed(this.#versions.length)
        for (const { headerBytes, body } of this.#versions) {
          writer.bytes(headerBytes)
          writer.bytes(body)
        }
      },
      this.#inline.encode(),
      this.#hashes,
    )
  }

  #at(index: number): StoredVersion {
    const version = this.#versions[index]
    assert(version !== undefined, 'Version index is out of range')
    return version
  }

  #decodeLegacy(body: Uint8Array): LegacyVersion {
    const legacy = decodeLegacyVersion(body)
    return this.isV1File ? { ...legacy, object: { ...legacy.object, dataDir: '' } } : legacy
  }

  #isShared(index: number, dataDir: string): boolean {
    return this.#versions.some(
      ({ header, body }, i) =>
        i !== index &&
        header.kind === 'object' &&
        (header.flags & USES_DATA_DIR_FLAG) !== 0 &&
        dataDirOf(body) === dataDir,
    )
  }

  #displace(index: number, stored: StoredVersion): Displaced {
    const { header } = this.#at(index)
    const old = this.unsharedDataDirectory(index)
    const own = stored.header.kind === 'object' ? dataDirOf(stored.body) : undefined
    const dataDirectory = own !== undefined && dataDirName(own) === old ? undefined : old
    this.dropInline(header.versionId, old)
    this.#replace(index, stored)
    return { header, dataDirectory }
  }

  #replace(index: number, stored: StoredVersion): void {
    const isMoved = this.#at(index).header.modifiedNs !== stored.header.modifiedNs
    this.#versions[index] = stored
    if (isMoved) this.#versions.sort(compareVersions)
  }

  #insert(stored: StoredVersion): void {
    const { modifiedNs } = stored.header
    const before = this.#versions.findIndex(({ header }) => header.modifiedNs <= modifiedNs)
    if (before < 0) this.#versions.push(stored)
    else this.#versions.splice(before, 0, stored)
  }
}

/** Free versions record content on a tier that is still to be deleted; no operation of clients sees them. */
export function isFree(header: Pick<VersionHeader, 'kind' | 'flags'>): boolean {
  return header.kind === 'deleteMarker' && (header.flags & FREE_VERSION_FLAG) !== 0
}

/** Negative when `a` stands before `b` in a file. Source: disk-format.md 5.6. */
export function compareHeaders(a: VersionHeader, b: VersionHeader): number {
  if (a.modifiedNs !== b.modifiedNs) return a.modifiedNs > b.modifiedNs ? -1 : 1
  if (a.kind !== b.kind) return typeOf(a.kind) - typeOf(b.kind)
  const bySignature = compareBytes(b.signature, a.signature)
  if (bySignature !== 0) return bySignature
  if (a.versionId !== b.versionId) return a.versionId > b.versionId ? -1 : 1
  return b.flags - a.flags
}

/** Text of an id as it stands in the inline section: `null` or a UUID. */
function versionName(versionId: string): string {
  return versionId === NULL_VERSION_ID ? 'null' : uuidText(versionId)
}

/** Name of a data directory, from `ObjectVersion.dataDir`. */
export function dataDirName(dataDir: string): string {
  return dataDir.length === 32 ? uuidText(dataDir) : dataDir
}

/** Reads a header that `encodeObjectVersion` or `encodeDeleteMarker` made. Errors: FormatError. */
export function headerFrom(version: EncodedVersion): VersionHeader {
  return decodeHeader(version.header, HEADER_VERSION)
}

function uuidText(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function compareVersions(a: StoredVersion, b: StoredVersion): number {
  return compareHeaders(a.header, b.header)
}

function storedFrom(version: EncodedVersion): StoredVersion {
  return { header: headerFrom(version), headerBytes: version.header, body: version.body }
}

/** Data directory in an object body as hex digits; undefined when the body cannot be read. */
function dataDirOf(body: Uint8Array): string | undefined {
  try {
    const field = objectFieldOf(body, 'DDir')
    return field === undefined ? undefined : readId(field)
  } catch (error) {
    if (error instanceof FormatError) return undefined // a version that cannot be read shares nothing
    throw error
  }
}

/** Where the headers of the newest form begin, undefined for older forms. */
function headersOf(
  bytes: Uint8Array,
): { readonly reader: MsgpackReader; readonly count: number } | undefined {
  if (!hasMagic(bytes) || minorOf(bytes) !== 3) return undefined
  const reader = payloadReader(bytes)
  const isNewest =
    reader.readInteger() === HEADER_VERSION && reader.readInteger() === METADATA_VERSION
  return isNewest ? { reader, count: reader.readInteger() } : undefined
}

function readVersions(payload: Uint8Array, hashes: FormatHashes): StoredVersion[] {
  const reader = new MsgpackReader(payload)
  const headerVersion = reader.readInteger()
  const metadataVersion = reader.readInteger()
  const count = reader.readInteger()
  if (headerVersion < 1 || headerVersion > HEADER_VERSION) {
    throw new FormatError(`Unknown header version ${headerVersion}`)
  }
  if (metadataVersion < 1 || metadataVersion > METADATA_VERSION) {
    throw new FormatError(`Unknown metadata version ${metadataVersion}`)
  }
  if (count < 0 || count > VERSIONS_MAX) throw new FormatError('Impossible number of versions')
  const versions: StoredVersion[] = []
  for (let i = 0; i < count; i++) {
    const raw = reader.readBytes()
    const body = reader.readBytes()
    const header = decodeHeader(raw, headerVersion)
    const headerBytes = headerVersion === HEADER_VERSION ? raw : encodeHeader(header)
    const stored = { header, headerBytes, body }
    versions.push(
      metadataVersion === METADATA_VERSION ? stored : corrected(stored, metadataVersion, hashes),
    )
  }
  return versions
}

/** Files of 1.0 to 1.2 have bodies only, in any order. */
function readOldVersions(payload: Uint8Array, hashes: FormatHashes): StoredVersion[] {
  const reader = new MsgpackReader(payload)
  const versions: StoredVersion[] = []
  for (let left = reader.readMapSize(); left > 0; left--) {
    if (reader.readText() !== 'Versions') {
      reader.skip()
      continue
    }
    if (reader.tryNil()) continue
    for (let count = reader.readArraySize(); count > 0; count--) {
      const body = reader.readRaw()
      const headerBytes = headerOf(body, hashes)
      const header = decodeHeader(headerBytes, HEADER_VERSION)
      versions.push(corrected({ header, headerBytes, body }, 1, hashes))
    }
  }
  return versions.sort(compareVersions)
}

/** Applies what must be mended in files of older releases. A version that cannot be read is kept as it is. */
function corrected(
  stored: StoredVersion,
  metadataVersion: number,
  hashes: FormatHashes,
): StoredVersion {
  const { header, body } = stored
  if (header.kind !== 'object' && header.kind !== 'deleteMarker') return stored
  try {
    const correct = header.kind === 'object' ? correctObject : correctMarker
    const version = correct(body, metadataVersion, hashes)
    return version === undefined ? stored : storedFrom(version)
  } catch (error) {
    if (error instanceof FormatError) return stored
    throw error
  }
}

/** Equal in all fields of the header. */
export function isSameHeader(a: StoredVersion, b: StoredVersion): boolean {
  return equalBytes(a.headerBytes, b.headerBytes)
}
