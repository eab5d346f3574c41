import {
  ACTUAL_SIZE_KEY,
  COMPRESSION_KEY,
  COMPRESSION_SCHEME,
  ETAG_KEY,
  OLD_ETAG_KEY,
  TRANSITION_TIER_KEY,
} from './metadata-keys.ts'
import { textOf, utf8 } from '#base/bytes'
import { formatUuid, isUuid } from '#base/uuid'
import { plainSize as plainStreamSize, tampered } from '#encryption/dare'
import { encryptionKindOf, hasMultipartMark } from '#encryption/key-metadata'
import { type DeleteMarker, type ObjectVersion, wasMoved } from '#drive/xl-meta'
import type { ObjectInfo, PartInfo, VersionId } from './object.ts'
import { NULL_VERSION, type ChosenVersion } from './set/set.ts'

export { isRemote } from '#drive/xl-meta'

/**
 * What the drives hold, as the engine's callers see it.
 */

// Releases spelled these in various cases.
const ACTUAL_SIZE_NAME = ACTUAL_SIZE_KEY.toLowerCase()
const COMPRESSION_NAME = COMPRESSION_KEY.toLowerCase()

/** Hex digits of an MD5. */
const SIMPLE_ETAG_LENGTH = 32

const NO_USER_METADATA: ReadonlyMap<string, string> = new Map()
const NO_SYSTEM_METADATA: ReadonlyMap<string, Uint8Array> = new Map()

/** Name of the tier that the content was moved to. */
export function tierOf(
  info: Pick<ObjectInfo, 'systemMetadata' | 'userMetadata'>,
): string | undefined {
  const name = wasMoved(info) ? info.systemMetadata.get(TRANSITION_TIER_KEY) : undefined
  return name === undefined ? undefined : textOf(name)
}

/** `null` or UUID text of 32 hex digits. */
export function versionIdOf(stored: string): VersionId {
  if (stored === NULL_VERSION) return 'null'
  return formatUuid(Uint8Array.fromHex(stored))
}

/** 32 hex digits of `null` or a UUID text, which the caller has checked. */
export function storedVersionId(versionId: VersionId): string {
  return versionId === 'null' ? NULL_VERSION : versionId.replaceAll('-', '').toLowerCase()
}

/** True for `null` and UUID texts. */
export function isVersionId(text: string): boolean {
  return text === 'null' || isUuid(text)
}

export function infoOf(bucket: string, key: string, version: ChosenVersion): ObjectInfo {
  const options = {
    isLatest: version.isLatest,
    successorModifiedNs: version.successorModifiedNs,
  }
  return isObject(version.body)
    ? objectInfoOf(bucket, key, version.body, options)
    : markerInfoOf(bucket, key, version.body, options)
}

export interface InfoOptions {
  readonly isLatest: boolean
  readonly successorModifiedNs?: bigint | undefined
}

export function objectInfoOf(
  bucket: string,
  key: string,
  version: ObjectVersion,
  options: InfoOptions,
): ObjectInfo {
  const userMetadata = new Map(version.userMetadata)
  const etag = userMetadata.get(ETAG_KEY) ?? userMetadata.get(OLD_ETAG_KEY) ?? ''
  userMetadata.delete(ETAG_KEY)
  userMetadata.delete(OLD_ETAG_KEY)
  return {
    bucket,
    key,
    versionId: versionIdOf(version.versionId),
    isLatest: options.isLatest,
    isDeleteMarker: false,
    modifiedNs: version.modifiedNs,
    sizeBytes: version.sizeBytes,
    actualSizeBytes: actualSizeOf(version),
    etag,
    userMetadata,
    systemMetadata: describingMetadata(version),
    parts: shownPartsOf(version),
    dataShards: version.dataShards,
    parityShards: version.parityShards,
    successorModifiedNs: options.successorModifiedNs,
  }
}

export function markerInfoOf(
  bucket: string,
  key: string,
  marker: DeleteMarker,
  options: InfoOptions,
): ObjectInfo {
  return {
    bucket,
    key,
    versionId: versionIdOf(marker.versionId),
    isLatest: options.isLatest,
    isDeleteMarker: true,
    modifiedNs: marker.modifiedNs,
    sizeBytes: 0,
    actualSizeBytes: 0,
    etag: '',
    userMetadata: NO_USER_METADATA,
    systemMetadata: marker.systemMetadata ?? NO_SYSTEM_METADATA,
    parts: [],
    dataShards: 0,
    parityShards: 0,
    successorModifiedNs: options.successorModifiedNs,
  }
}

/** Tells the two kinds of bodies apart. */
export function isObject(body: ObjectVersion | DeleteMarker): body is ObjectVersion {
  return 'parts' in body
}

/** Size of a part's content as clients see it, in offsets of which their ranges are. */
export function plainPartSize(
  info: Pick<ObjectInfo, 'systemMetadata' | 'parts' | 'actualSizeBytes'>,
  part: PartInfo,
): number {
  if (compressionOf(info.systemMetadata) === undefined) {
    if (encryptionKindOf(info.systemMetadata) === undefined) return part.sizeBytes
    // The sizes noted beside it are those of the stored bytes in some versions.
    const sizeBytes = plainStreamSize(part.sizeBytes)
    if (sizeBytes === undefined) throw tampered('the stored size is no size of a stream')
    return sizeBytes
  }
  if (part.actualSizeBytes >= 0) return part.actualSizeBytes
  return info.parts.length === 1 ? info.actualSizeBytes : part.sizeBytes
}

/** Size of the content as clients see it. */
export function plainSize(info: ObjectInfo): number {
  if (info.parts.length === 0) return info.sizeBytes
  return info.parts.reduce((sum, part) => sum + plainPartSize(info, part), 0)
}

/** True when each part was encrypted by itself. `info`: as stored. Source: encryption.md 2.3. */
export function isSealedInParts(info: ObjectInfo): boolean {
  if (!hasMultipartMark(info.systemMetadata) || info.etag.length === SIMPLE_ETAG_LENGTH)
    return false
  return info.parts.every(({ sizeBytes }) => plainStreamSize(sizeBytes) !== undefined)
}

/** Name of the scheme by which the data is compressed. */
export function compressionOf(systemMetadata: ReadonlyMap<string, Uint8Array>): string | undefined {
  for (const [name, value] of systemMetadata) {
    if (name.toLowerCase() === COMPRESSION_NAME) return textOf(value)
  }
  return undefined
}

/** System metadata with the mark of compression where the data has it. MinIO drops it when an object is copied onto itself
 *  with metadata that asks for no compression, and leaves the data as it is (tried); the sizes of the parts still tell. */
function describingMetadata({
  parts,
  systemMetadata,
}: ObjectVersion): ReadonlyMap<string, Uint8Array> {
  const hasTwoSizes = parts.some(
    (part) => part.actualSizeBytes > 0 && part.actualSizeBytes !== part.sizeBytes,
  )
  if (!hasTwoSizes || encryptionKindOf(systemMetadata) !== undefined) return systemMetadata
  if (compressionOf(systemMetadata) !== undefined) return systemMetadata
  return new Map(systemMetadata).set(COMPRESSION_KEY, utf8(COMPRESSION_SCHEME))
}

/** The sizes noted beside encrypted parts are not always those of the content: they are computed. */
function shownPartsOf(version: ObjectVersion): readonly PartInfo[] {
  if (!isSealedOnly(version)) return version.parts
  return version.parts.map((part) => ({
    ...part,
    actualSizeBytes: plainStreamSize(part.sizeBytes) ?? -1,
  }))
}

/** Encrypted, and not compressed before. */
function isSealedOnly({ systemMetadata }: ObjectVersion): boolean {
  return (
    encryptionKindOf(systemMetadata) !== undefined && compressionOf(systemMetadata) === undefined
  )
}

/** The size that the client sent: noted for compressed and multipart objects, else the sum over the parts. */
function actualSizeOf(version: ObjectVersion): number {
  for (const [name, value] of version.systemMetadata) {
    if (name.toLowerCase() !== ACTUAL_SIZE_NAME) continue
    const noted = Number(textOf(value))
    if (Number.isSafeInteger(noted) && noted >= 0) return noted
  }
  const isSealed = isSealedOnly(version)
  let sizeBytes = 0
  for (const part of version.parts) {
    if (isSealed) {
      const partBytes = plainStreamSize(part.sizeBytes)
      if (partBytes === undefined) return -1
      sizeBytes += partBytes
      continue
    }
    if (part.actualSizeBytes < 0) return version.sizeBytes
    sizeBytes += part.actualSizeBytes
  }
  return sizeBytes
}
