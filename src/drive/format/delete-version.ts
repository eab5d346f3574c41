import { textOf, utf8 } from '#base/bytes'
import type { EncodedVersion } from '../drive.ts'
import {
  type DeleteMarker,
  type FormatHashes,
  NULL_VERSION_ID,
  type ObjectVersion,
  type XlMeta,
} from '../xl-meta.ts'
import { encodeDeleteMarker } from './delete-marker.ts'
import {
  FREE_VERSION_KEY,
  INLINE_DATA_KEY,
  RESTORE_KEYS,
  TRANSITION_STATUS_KEY,
  TRANSITION_TIER_KEY,
  TRANSITIONED_OBJECT_KEY,
  TRANSITIONED_VERSION_KEY,
} from './metadata-keys.ts'
import { encodeObjectVersion } from './object-version.ts'

/** What a delete does to a metadata file, without touching the drive. Source: disk-format.md 6.3. */

export interface TierLocation {
  readonly tier: string
  readonly object: string
  readonly versionId: string
}

export interface DeleteVersionRequest {
  readonly versionId: string
  /** Adds this marker where the table says so. */
  readonly marker?: DeleteMarker | undefined
  /** The version is a marker whose removal is replicated first. */
  readonly markDeleted?: boolean | undefined
  /** State of replicating the removal of a version. */
  readonly purgeStatus?: 'PENDING' | 'COMPLETE' | 'FAILED' | undefined
  /** State of replicating a marker. */
  readonly markerReplicationStatus?: string | undefined
  /** System metadata to set in the "update" case. */
  readonly changes?: ReadonlyMap<string, Uint8Array> | undefined
  /** The content was moved to a tier: keep the version without data. */
  readonly movedTo?: TierLocation | undefined
  /** The restored copy has expired: keep the version without data. */
  readonly expireRestored?: boolean | undefined
  /** Id of the free version to add when content on a tier loses its version. */
  readonly freeVersionId: string
}

export type DeleteVersionOutcome =
  | { readonly found: false }
  /** `dataDirectory`: to be removed; its inline values are gone already. */
  | { readonly found: true; readonly dataDirectory: string | undefined }

/** Applies one delete. Errors: FormatError for a version that must be read and cannot be. */
export function deleteVersion(
  meta: XlMeta,
  request: DeleteVersionRequest,
  hashes: FormatHashes,
): DeleteVersionOutcome {
  const { versionId, marker } = request
  const index = meta.find(versionId)
  const stored = meta.versions[index]
  if (stored === undefined) {
    if (marker === undefined) return { found: false }
    addMarker(meta, marker, hashes)
    return { found: true, dataDirectory: undefined }
  }
  switch (stored.header.kind) {
    case 'legacy':
    case 'unknown': {
      const removed = meta.remove(versionId)
      if (marker !== undefined) addMarker(meta, marker, hashes)
      return { found: true, dataDirectory: removed?.dataDirectory }
    }
    case 'deleteMarker':
      deleteMarker(meta, index, request, hashes)
      return { found: true, dataDirectory: undefined }
    case 'object':
      return { found: true, dataDirectory: deleteObject(meta, index, request, hashes) }
  }
}

function deleteMarker(
  meta: XlMeta,
  index: number,
  request: DeleteVersionRequest,
  hashes: FormatHashes,
): void {
  const { versionId, marker, purgeStatus } = request
  const version = meta.decode(index)
  if (isUpdate(request) && !('parts' in version) && !('object' in version)) {
    const systemMetadata = new Map([...version.systemMetadata, ...(request.changes ?? [])])
    meta.update(encodeDeleteMarker({ ...version, systemMetadata }, hashes))
    return
  }
  meta.remove(versionId)
  const isReplaced = versionId === NULL_VERSION_ID
  const isPurging =
    request.markDeleted === true && purgeStatus !== undefined && purgeStatus !== 'COMPLETE'
  if (marker !== undefined && (isReplaced || isPurging)) addMarker(meta, marker, hashes)
}

function deleteObject(
  meta: XlMeta,
  index: number,
  request: DeleteVersionRequest,
  hashes: FormatHashes,
): string | undefined {
  const { versionId, marker, movedTo } = request
  const version = meta.decode(index)
  if (!('parts' in version)) return undefined
  const isKept =
    (isUpdate(request) && marker === undefined) ||
    request.expireRestored === true ||
    movedTo !== undefined
  if (isKept) {
    const dataDirectory = meta.unsharedDataDirectory(index)
    meta.update(encodeObjectVersion(withoutData(version, request), hashes))
    if (dataDirectory !== undefined) meta.dropInline(versionId, dataDirectory)
    return dataDirectory
  }
  const free = freeVersionOf(version, request.freeVersionId, hashes)
  const removed = meta.remove(versionId)
  if (free !== undefined) meta.put(free, undefined)
  if (marker !== undefined) addMarker(meta, marker, hashes)
  return removed?.dataDirectory
}

/** The version as it stays when its data go. */
function withoutData(version: ObjectVersion, request: DeleteVersionRequest): ObjectVersion {
  const systemMetadata = new Map(version.systemMetadata)
  const userMetadata = new Map(version.userMetadata)
  if (isUpdate(request) && request.marker === undefined) {
    for (const [key, value] of request.changes ?? []) systemMetadata.set(key, value)
  } else if (request.expireRestored === true) {
    for (const key of RESTORE_KEYS) userMetadata.delete(key)
  } else if (request.movedTo !== undefined) {
    systemMetadata.set(TRANSITION_STATUS_KEY, utf8('complete'))
    systemMetadata.set(TRANSITIONED_OBJECT_KEY, utf8(request.movedTo.object))
    systemMetadata.set(TRANSITIONED_VERSION_KEY, utf8(request.movedTo.versionId))
    systemMetadata.set(TRANSITION_TIER_KEY, utf8(request.movedTo.tier))
    systemMetadata.delete(INLINE_DATA_KEY)
  }
  return { ...version, systemMetadata, userMetadata }
}

/** Remembers content on a tier whose version goes away; undefined when there is none. Source: disk-format.md 5.11. */
export function freeVersionOf(
  version: ObjectVersion,
  freeVersionId: string,
  hashes: FormatHashes,
): EncodedVersion | undefined {
  const status = version.systemMetadata.get(TRANSITION_STATUS_KEY)
  if (status === undefined || textOf(status) !== 'complete') return undefined
  const systemMetadata = new Map<string, Uint8Array>([[FREE_VERSION_KEY, new Uint8Array(0)]])
  for (const key of [TRANSITION_TIER_KEY, TRANSITIONED_OBJECT_KEY, TRANSITIONED_VERSION_KEY]) {
    systemMetadata.set(key, version.systemMetadata.get(key) ?? new Uint8Array(0))
  }
  const { modifiedNs, writerTime } = version
  return encodeDeleteMarker(
    { versionId: freeVersionId, modifiedNs, systemMetadata, writerTime },
    hashes,
  )
}

/** Whether the version only changes its replication state for now. */
function isUpdate(request: DeleteVersionRequest): boolean {
  const { purgeStatus, markerReplicationStatus = '' } = request
  const isPurging = purgeStatus !== undefined
  if (!isPurging && (markerReplicationStatus === '' || markerReplicationStatus === 'REPLICA')) {
    return request.markDeleted === true
  }
  return isPurging && purgeStatus !== 'COMPLETE'
}

function addMarker(meta: XlMeta, marker: DeleteMarker, hashes: FormatHashes): void {
  meta.put(encodeDeleteMarker(marker, hashes), undefined)
}
