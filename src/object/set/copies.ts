import { textOf } from '#base/bytes'
import {
  FormatError,
  isFree,
  type DeleteMarker,
  type ObjectVersion,
  type VersionHeader,
  type XlMeta,
} from '#drive/xl-meta'
import { chooseReadable, shardIndexesOf, type VersionCopy } from '#drive/version-merge'
import { INLINE_DATA_KEY, TRANSITION_STATUS_KEY } from '../metadata-keys.ts'
import { isObject } from '../object-info.ts'
import { deleteQuorumOf, writeQuorumOf } from '../placement.ts'
import type { ErasureSet } from './erasure-set.ts'
import { NULL_VERSION, type ChosenVersion, type Copy, type WholeFileHash } from './set.ts'

/**
 * From the drives' metadata files to one version with the copies of it that can be used. Source: disk-format.md 5.13.
 */

/** Blocks are 1 MiB, 10 MiB in old versions; larger ones are damage, not data. */
const BLOCK_SIZE_MAX = 16 * 1_048_576

export type Metas = readonly (XlMeta | undefined)[]

export interface VersionRequest {
  readonly versionId: string | undefined
  readonly inline: boolean
}

/** One drive's version, decoded. */
interface Decoded {
  readonly body: ObjectVersion | DeleteMarker
  readonly wholeFileHashes: ReadonlyMap<number, WholeFileHash> | undefined
  readonly isLegacy: boolean
}

/** Drives needed to read what the drives hold at `indexes` (by position, -1: nothing). */
export function readQuorumOf(set: ErasureSet, metas: Metas, indexes: readonly number[]): number {
  const decoded = firstDecoded(set, metas, indexes)
  return decoded === undefined ? set.size : readQuorumFor(decoded.body, set.size, parityOf(set))
}

/** How many drives must have a version for readers to take it. */
export function readQuorumFor(
  body: ObjectVersion | DeleteMarker,
  driveCount: number,
  standardParity: number,
): number {
  const half = driveCount - Math.floor(driveCount / 2)
  if (!isObject(body) || body.sizeBytes === 0) return standardParity === 0 ? driveCount : half
  const status = body.systemMetadata.get(TRANSITION_STATUS_KEY)
  if (status !== undefined && textOf(status) === 'complete') {
    return Math.min(Math.floor(driveCount / 2) + 1, body.dataShards)
  }
  return body.dataShards
}

/** How many drives must have taken a version when it was acknowledged. */
export function writeQuorumFor(header: VersionHeader, driveCount: number): number {
  if (header.kind !== 'object' || header.dataShards === 0) return deleteQuorumOf(driveCount)
  return writeQuorumOf(header.dataShards, header.parityShards)
}

function parityOf(set: ErasureSet): number {
  return set.context.storage.standardParity
}

function firstDecoded(
  set: ErasureSet,
  metas: Metas,
  indexes: readonly number[],
): Decoded | undefined {
  for (let i = 0; i < metas.length; i++) {
    const meta = metas[i]
    const index = indexes[i] ?? -1
    if (meta !== undefined && index >= 0) return decode(set, meta, index)
  }
  return undefined
}

/**
 * The version at `indexes`, where all drives there hold the very same one: only the first is decoded.
 * Undefined: too few copies, or some are misplaced, which needs a vote of all drives.
 */
export function chooseSame(
  set: ErasureSet,
  request: VersionRequest,
  metas: Metas,
  indexes: readonly number[],
): ChosenVersion | undefined {
  const decoded = firstDecoded(set, metas, indexes)
  if (decoded === undefined) return undefined
  const quorum = readQuorumFor(decoded.body, set.size, parityOf(set))
  let count = 0
  for (const index of indexes) if (index >= 0) count++
  if (count < quorum) return undefined
  const { body } = decoded
  if (!isObject(body)) return chosenMarker(metas, indexes, decoded, quorum)
  if (decoded.isLegacy) return undefined
  const copies: (Copy | undefined)[] = []
  const isInline = isInlineAt(request, metas, indexes, body)
  for (let i = 0; i < metas.length; i++) {
    const meta = metas[i]
    const index = indexes[i] ?? -1
    const version = index < 0 ? undefined : meta?.versions[index]
    if (meta === undefined || version === undefined) {
      copies.push(undefined)
      continue
    }
    const shardIndex = body.distribution[i] ?? 0
    if (shardIndexIn(version.body) !== shardIndex) return undefined
    copies.push({
      shardIndex,
      dataDir: body.dataDir,
      inline: request.inline ? meta.inline(body.versionId) : undefined,
      wholeFileHashes: undefined,
    })
  }
  return chosen(metas, indexes, { decoded, copies, quorum, isInline })
}

/**
 * The version at `indexes` by vote: drives must agree on what decides how the data is read; of those that do, the most
 * frequent metadata counts. `unknown`: how many other drives may have the version. Undefined: no such group reaches the
 * read quorum, or with these drives different metadata may have been acknowledged. Changes of metadata keep the time of
 * the version, so which one came last shows only in numbers.
 */
export function chooseByVote(
  set: ErasureSet,
  request: VersionRequest,
  metas: Metas,
  indexes: readonly number[],
  unknown: number,
): { readonly version: ChosenVersion; readonly isUnanimous: boolean } | undefined {
  const decodedAt: (Decoded | undefined)[] = metas.map((meta, i) => {
    const index = indexes[i] ?? -1
    return meta === undefined || index < 0 ? undefined : decode(set, meta, index)
  })
  const chosenCopies = chooseReadable(decodedAt.map(toVersionCopy), {
    // What was written with parity stays readable from its data shards where new objects have none.
    defaultParity: Math.max(1, set.context.storage.standardParity),
  })
  if (chosenCopies.kind !== 'readable') return undefined
  const group = new Set<number>()
  chosenCopies.usable.forEach((isUsable, i) => {
    if (isUsable) group.add(i)
  })
  const signatures = metas.map((meta, i) =>
    group.has(i) ? meta?.versions[indexes[i] ?? -1]?.header.signature.toHex() : undefined,
  )
  const groups = groupsOf(signatures)
  const winners = largestOf(groups)
  const [reference] = winners
  const decoded = reference === undefined ? undefined : decodedAt[reference]
  if (reference === undefined || decoded === undefined) return undefined
  const writeQuorum = isObject(decoded.body)
    ? writeQuorumOf(decoded.body.dataShards, decoded.body.parityShards)
    : deleteQuorumOf(set.size)
  const mayBeLast = groups.filter(({ size }) => size + unknown >= writeQuorum)
  // These never change, but differ between drives when they hold the hashes of files.
  if (mayBeLast.length > 1 && !decoded.isLegacy) return undefined
  const quorum = readQuorumFor(decoded.body, set.size, parityOf(set))
  if (group.size < quorum) return undefined
  const kept = indexes.map((index, i) => (group.has(i) ? index : -1))
  const isUnanimous = winners.size === decodedAt.filter((one) => one !== undefined).length
  if (!isObject(decoded.body)) {
    return { version: chosenMarker(metas, kept, decoded, quorum, reference), isUnanimous }
  }
  const isInline = isInlineAt(request, metas, kept, decoded.body)
  const { body } = decoded
  const shardIndexes = shardIndexesOf(
    decodedAt.map((own, i) =>
      own !== undefined && group.has(i) && isObject(own.body) ? own.body : undefined,
    ),
  )
  const copies = decodedAt.map((own, i): Copy | undefined => {
    if (!group.has(i) || own === undefined || !isObject(own.body)) return undefined
    return {
      shardIndex: shardIndexes[i] ?? 0,
      dataDir: own.body.dataDir,
      inline: request.inline ? metas[i]?.inline(body.versionId) : undefined,
      wholeFileHashes: own.wholeFileHashes,
    }
  })
  const version = chosen(metas, kept, { decoded, copies, quorum, isInline, reference })
  return { version, isUnanimous }
}

function toVersionCopy(decoded: Decoded | undefined): VersionCopy | undefined {
  if (decoded === undefined) return undefined
  const { body, isLegacy } = decoded
  const { versionId, modifiedNs } = body
  return { object: isObject(body) ? body : undefined, versionId, modifiedNs, isLegacy }
}

/** A drive's version, undefined when it cannot be read: its drive counts as one that holds the version, but has no copy. */
function decode(set: ErasureSet, meta: XlMeta, index: number): Decoded | undefined {
  const decoded = decodeBody(meta, index)
  if (decoded === undefined || !isObject(decoded.body)) return decoded
  const { blockSizeBytes, distribution, parts, sizeBytes } = decoded.body
  const partsBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
  const isReadable =
    blockSizeBytes <= BLOCK_SIZE_MAX && distribution.length === set.size && partsBytes === sizeBytes
  return isReadable ? decoded : undefined
}

function decodeBody(meta: XlMeta, index: number): Decoded | undefined {
  try {
    const version = meta.decode(index)
    if (!('object' in version))
      return { body: version, wholeFileHashes: undefined, isLegacy: false }
    const hashes = new Map<number, WholeFileHash>()
    for (const { partNumber, algorithm, hash } of version.partHashes) {
      if (algorithm !== 'highwayhash256S') hashes.set(partNumber, { algorithm, hash })
    }
    return { body: version.object, wholeFileHashes: hashes, isLegacy: true }
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

/** Positions by name. */
function groupsOf(names: readonly (string | undefined)[]): readonly ReadonlySet<number>[] {
  const groups = new Map<string, Set<number>>()
  names.forEach((name, i) => {
    if (name === undefined) return
    const group = groups.get(name)
    if (group === undefined) groups.set(name, new Set([i]))
    else group.add(i)
  })
  return [...groups.values()]
}

/** The first of equally large ones. */
function largestOf(groups: readonly ReadonlySet<number>[]): ReadonlySet<number> {
  let best: ReadonlySet<number> = new Set()
  for (const group of groups) if (group.size > best.size) best = group
  return best
}

/**
 * Source: disk-format.md 5.7, rules 1 to 3. What a section entry means for other versions is decided when the files are missing.
 * Without any entry the key means nothing: MinIO's copies keep it of their source, also where the data went to files.
 */
function isInlineAt(
  request: VersionRequest,
  metas: Metas,
  indexes: readonly number[],
  body: ObjectVersion,
): boolean {
  const hasKey = body.systemMetadata.has(INLINE_DATA_KEY)
  if (hasKey && !request.inline) return true
  if (!hasKey && body.versionId !== NULL_VERSION && body.sizeBytes > 0) return false
  return metas.some(
    (meta, i) => (indexes[i] ?? -1) >= 0 && meta?.inline(body.versionId) !== undefined,
  )
}

function chosenMarker(
  metas: Metas,
  indexes: readonly number[],
  decoded: Decoded,
  quorum: number,
  reference?: number,
): ChosenVersion {
  const copies = metas.map(() => undefined)
  return chosen(metas, indexes, { decoded, copies, quorum, isInline: false, reference })
}

function chosen(
  metas: Metas,
  indexes: readonly number[],
  found: {
    readonly decoded: Decoded
    readonly copies: readonly (Copy | undefined)[]
    readonly quorum: number
    readonly isInline: boolean
    /** Position whose list tells what is newer. */
    readonly reference?: number | undefined
  },
): ChosenVersion {
  const position = found.reference ?? indexes.findIndex((index) => index >= 0)
  const versions = metas[position]?.versions ?? []
  const index = indexes[position] ?? 0
  let successorModifiedNs: bigint | undefined
  for (let i = 0; i < index; i++) {
    const header = versions[i]?.header
    if (header !== undefined && !isFree(header)) successorModifiedNs = header.modifiedNs
  }
  const header = versions[index]?.header
  if (header === undefined) throw new RangeError('Chosen version is in no list')
  return {
    header,
    body: found.decoded.body,
    isLegacy: found.decoded.isLegacy,
    isInline: found.isInline,
    isLatest: successorModifiedNs === undefined,
    successorModifiedNs,
    copies: found.copies,
    readQuorum: found.quorum,
  }
}

/** The shard number in an object's body, found by its key without decoding; undefined: not there in the usual form. */
function shardIndexIn(body: Uint8Array): number | undefined {
  const end = body.length - SHARD_INDEX_KEY.length
  for (let start = body.indexOf(SHARD_INDEX_FIRST, 0); start >= 0 && start < end; ) {
    let i = 1
    while (i < SHARD_INDEX_KEY.length && body[start + i] === SHARD_INDEX_KEY[i]) i++
    if (i === SHARD_INDEX_KEY.length) {
      const value = body[start + i] ?? 0
      return value < 0x80 ? value : undefined
    }
    start = body.indexOf(SHARD_INDEX_FIRST, start + 1)
  }
  return undefined
}

/** The key `EcIndex` as msgpack text. It comes before all metadata, where clients could imitate it. */
const SHARD_INDEX_KEY = Uint8Array.of(0xa7, 0x45, 0x63, 0x49, 0x6e, 0x64, 0x65, 0x78)
const SHARD_INDEX_FIRST = 0xa7
