import { PURGE_STATUS_KEY } from '../metadata-keys.ts'
import { assert } from '#base/assert'
import { mergeVersions, type MergeEntry } from '#drive/version-merge'
import {
  FormatError,
  isFree,
  XlMeta,
  type DeleteMarker,
  type FormatHashes,
  type LegacyVersion,
  type ObjectVersion,
} from '#drive/xl-meta'
import { isObject, markerInfoOf, objectInfoOf } from '../object-info.ts'
import type { ObjectInfo } from '../object.ts'
import { readQuorumFor, writeQuorumFor } from '../set/copies.ts'
import { deleteQuorumOf } from '../placement.ts'
import type { ListedVersion } from './name-source.ts'

/**
 * From the drives' metadata files of one key to its versions as lists show them.
 */

/** A version in a metadata file; its body is decoded once, when first asked for. */
class StoredListedVersion implements ListedVersion {
  readonly header: ListedVersion['header']
  readonly #meta: XlMeta
  readonly #index: number
  #body: ObjectVersion | DeleteMarker | undefined

  constructor(meta: XlMeta, index: number, header: ListedVersion['header']) {
    this.header = header
    this.#meta = meta
    this.#index = index
  }

  decode(): ObjectVersion | DeleteMarker {
    if (this.#body === undefined) {
      const body = this.#meta.decode(this.#index)
      this.#body = isLegacy(body) ? body.object : body
    }
    return this.#body
  }
}

/** The versions, if all copies hold exactly the same ones; undefined: they differ, or one cannot be read. */
export function sameVersions(
  copies: readonly Uint8Array[],
  hashes: FormatHashes,
): readonly ListedVersion[] | undefined {
  let first: XlMeta | undefined
  for (const bytes of copies) {
    if (first === undefined) {
      first = parse(bytes, hashes)
      if (first === undefined) return undefined
    } else if (!hasSameVersions(first, bytes)) return undefined
  }
  return first === undefined ? undefined : listedOf(first)
}

/** What the drives of a set said about one key. */
export interface KeyCopies {
  /** Metadata files. */
  readonly copies: readonly Uint8Array[]
  /** Drives that surely do not have the key. */
  readonly absent: number
  readonly driveCount: number
  readonly standardParity: number
}

/**
 * The versions that a quorum of copies agrees on; unreadable copies do not count. Source: disk-format.md 5.12.
 *
 * Of these, a version that readers do not find is shown only if it may have been acknowledged, as they decide it
 * (`lookUp` in `../set/lookup.ts`).
 */
export function mergeCopies(
  key: KeyCopies,
  quorum: number,
  hashes: FormatHashes,
): readonly ListedVersion[] {
  const lists: MergedEntry[][] = []
  for (const bytes of key.copies) {
    const meta = parse(bytes, hashes)
    if (meta === undefined) continue
    lists.push(
      meta.versions.map(({ header, headerBytes }, index) => ({ header, headerBytes, meta, index })),
    )
  }
  const silent = key.driveCount - key.absent - lists.length
  return mergeVersions(lists, { quorum, strict: false, requested: 0 })
    .filter(({ header }) => isShown(header))
    .map(({ meta, index, header }) => new StoredListedVersion(meta, index, header))
    .filter((version) => {
      const { header } = version
      const holders = lists.filter((list) => list.some((other) => isSame(other.header, header)))
      return (
        holders.length + silent >= writeQuorumFor(header, key.driveCount) ||
        (isReadable(version) &&
          holders.length >= readQuorumFor(version.decode(), key.driveCount, key.standardParity))
      )
    })
}

/** Whether drives that are silent may have what makes an acknowledged version one that too few copies show. */
export function mayHide(key: KeyCopies, quorum: number, hashes: FormatHashes): boolean {
  const metas = key.copies.map((bytes) => parse(bytes, hashes)).filter((meta) => meta !== undefined)
  const silent = key.driveCount - key.absent - metas.length
  if (metas.length === 0) return silent >= deleteQuorumOf(key.driveCount)
  return metas.some((own) =>
    own.versions.some(({ header }) => {
      const holders = metas.filter((meta) =>
        meta.versions.some((other) => isSame(other.header, header)),
      ).length
      return holders < quorum && holders + silent >= writeQuorumFor(header, key.driveCount)
    }),
  )
}

function isSame(a: ListedVersion['header'], b: ListedVersion['header']): boolean {
  return a.versionId === b.versionId && a.modifiedNs === b.modifiedNs && a.kind === b.kind
}

/** A version and where it stands. */
interface MergedEntry extends MergeEntry {
  readonly meta: XlMeta
  readonly index: number
}

function listedOf(meta: XlMeta): readonly ListedVersion[] {
  const listed: ListedVersion[] = []
  for (const [index, { header }] of meta.versions.entries()) {
    if (isShown(header)) listed.push(new StoredListedVersion(meta, index, header))
  }
  return listed
}

/** Not notes about tiers, nor what a later format may bring. */
function isShown(header: ListedVersion['header']): boolean {
  return !isFree(header) && header.kind !== 'unknown'
}

function hasSameVersions(meta: XlMeta, copy: Uint8Array): boolean {
  try {
    return meta.hasSameVersions(copy)
  } catch {
    return false // damaged
  }
}

function parse(bytes: Uint8Array, hashes: FormatHashes): XlMeta | undefined {
  try {
    return XlMeta.parse(bytes, hashes)
  } catch {
    return undefined // a damaged copy has no say; the drives then differ, which is reported
  }
}

function isLegacy(body: ObjectVersion | DeleteMarker | LegacyVersion): body is LegacyVersion {
  return 'partHashes' in body
}

/** Whether the body can be decoded: what drives hold in a form that nobody reads must not hide the other keys. */
export function isReadable(version: ListedVersion): boolean {
  try {
    version.decode()
    return true
  } catch (error) {
    if (error instanceof FormatError) return false
    throw error
  }
}

/** Whether readers find nothing at this version: a marker, or a version whose removal waits for replication. */
export function isDeleted(version: ListedVersion): boolean {
  if (version.header.kind === 'deleteMarker') return true
  const { systemMetadata } = version.decode()
  return (systemMetadata.get(PURGE_STATUS_KEY)?.length ?? 0) > 0
}

/** One version of a listed key as callers see it. */
export function infoOfListed(
  bucket: string,
  key: string,
  versions: readonly ListedVersion[],
  index: number,
): ObjectInfo {
  const version = versions[index]
  assert(version !== undefined)
  const options = {
    isLatest: index === 0,
    successorModifiedNs: versions[index - 1]?.header.modifiedNs,
  }
  const body = version.decode()
  return isObject(body)
    ? objectInfoOf(bucket, key, body, options)
    : markerInfoOf(bucket, key, body, options)
}
