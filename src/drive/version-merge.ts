/**
 * From many drives' metadata to one answer: which versions exist, and which copies of one may be read together.
 *
 * Pure functions over what the drives said. "Position" is the index of a drive in its set.
 * Source: disk-format.md 2.6, 5.7, 5.12, 5.13, 6.7.
 */
import { textOf } from '#base/bytes'
import {
  isFree,
  wasMoved,
  compareHeaders,
  NULL_VERSION_ID,
  type StoredVersion,
  type VersionHeader,
  type ObjectVersion,
} from './xl-meta.ts'
import { equalBytes } from '#base/bytes'
import { COMPRESSION_KEY } from './metadata-keys.ts'

/** What merging must know of a version; `StoredVersion` has it. */
export type MergeEntry = Pick<StoredVersion, 'header' | 'headerBytes'>

export interface MergeOptions {
  /** Drives that must agree on a version. */
  readonly quorum: number
  /** Headers must be equal in every field; otherwise signature, flags and time may differ. */
  readonly strict: boolean
  /** How many versions that are not free are wanted; the rest of the first list follows unverified. 0: all. */
  readonly requested: number
}

/** Merges the drives' version lists, each newest first. Source: disk-format.md 5.12. */
export function mergeVersions<T extends MergeEntry>(
  lists: readonly (readonly T[])[],
  options: MergeOptions,
): T[] {
  const quorum = Math.max(1, options.quorum)
  if (lists.length === 0 || lists.length < quorum) return []
  const [only] = lists
  if (lists.length === 1 && only !== undefined) return [...only]
  const strict = options.strict || quorum === 1
  const cursors = lists.map((list) => new Cursor(list))
  const merged: T[] = []
  const emitted = new Set<string>()
  let wanted = options.requested
  for (;;) {
    const heads: T[] = []
    for (const cursor of cursors) if (cursor.head !== undefined) heads.push(cursor.head)
    const candidate = heads.length < quorum ? undefined : chooseHead(heads, strict)
    if (candidate === undefined) return merged
    if (candidate.count >= quorum) {
      merged.push(candidate.entry)
      emitted.add(candidate.entry.header.versionId)
    }
    for (const cursor of cursors) cursor.pass(candidate.entry, emitted)
    if (candidate.count < quorum || isFree(candidate.entry.header) || options.requested === 0) {
      continue
    }
    wanted--
    if (wanted > 0) continue
    merged.push(...(cursors[0]?.rest() ?? []))
    return merged
  }
}

class Cursor<T extends MergeEntry> {
  readonly #list: readonly T[]
  #index = 0

  constructor(list: readonly T[]) {
    this.#list = list
  }

  get head(): T | undefined {
    return this.#list[this.#index]
  }

  rest(): readonly T[] {
    return this.#list.slice(this.#index)
  }

  /** Moves past entries that are settled with `candidate`. */
  pass(candidate: T, emitted: ReadonlySet<string>): void {
    const { modifiedNs, versionId } = candidate.header
    for (; this.head !== undefined; this.#index++) {
      const { header } = this.head
      const isSettled =
        header.modifiedNs > modifiedNs ||
        header.versionId === versionId ||
        emitted.has(header.versionId)
      if (!isSettled) return
    }
  }
}

interface Candidate<T> {
  readonly entry: T
  readonly count: number
}

/** The newest head, and how many drives have it; or, where drives have different versions under its id, the one that most of them have. */
function chooseHead<T extends MergeEntry>(heads: readonly T[], strict: boolean): Candidate<T> {
  const [first, ...others] = heads
  if (first === undefined) throw new RangeError('No heads to choose from')
  let entry = first
  for (const head of others) if (compareHeaders(head.header, entry.header) < 0) entry = head
  const isAlike = (head: T): boolean =>
    isEqual(head, entry) || (!strict && isLooselyEqual(head.header, entry.header))
  const twins = heads.filter(({ header }) => header.versionId === entry.header.versionId)
  const count = twins.filter(isAlike).length
  return count === twins.length ? { entry, count } : biggestGroup(twins, strict)
}

function biggestGroup<T extends MergeEntry>(twins: readonly T[], strict: boolean): Candidate<T> {
  const groups: { entry: T; count: number }[] = []
  for (const head of twins) {
    const group = groups.find(({ entry }) =>
      strict ? isEqual(entry, head) : isEqualButSignature(entry.header, head.header),
    )
    if (group === undefined) groups.push({ entry: head, count: 1 })
    else group.count++
  }
  const order = (a: Candidate<T>, b: Candidate<T>): number =>
    b.count - a.count || compareHeaders(a.entry.header, b.entry.header)
  const [best] = groups.sort(order)
  if (best === undefined) throw new RangeError('No heads to choose from')
  return best
}

function isEqual(a: MergeEntry, b: MergeEntry): boolean {
  return equalBytes(a.headerBytes, b.headerBytes)
}

function isLooselyEqual(a: VersionHeader, b: VersionHeader): boolean {
  return (
    a.versionId === b.versionId &&
    a.kind === b.kind &&
    hasCompatibleShards(a, b) &&
    (a.versionId !== NULL_VERSION_ID || a.modifiedNs === b.modifiedNs)
  )
}

function hasCompatibleShards(a: VersionHeader, b: VersionHeader): boolean {
  if (a.dataShards === 0 || b.dataShards === 0) return true // not known to one of them
  return a.dataShards === b.dataShards && a.parityShards === b.parityShards
}

function isEqualButSignature(a: VersionHeader, b: VersionHeader): boolean {
  return (
    a.modifiedNs === b.modifiedNs &&
    a.kind === b.kind &&
    a.flags === b.flags &&
    hasCompatibleShards(a, b)
  )
}

// Readable version ----------------------------------------------------------------------------------

/** One drive's copy of the version that was asked for. */
export interface VersionCopy {
  /** The object, or undefined for a delete marker. */
  readonly object: ObjectVersion | undefined
  readonly versionId: string
  readonly modifiedNs: bigint
  readonly isLegacy: boolean
}

export type Readable =
  | {
      readonly kind: 'readable'
      /** By position: the copy may be used. */
      readonly usable: readonly boolean[]
      readonly readQuorum: number
      readonly writeQuorum: number
      readonly modifiedNs: bigint
    }
  /** Too few drives answer or agree. */
  | { readonly kind: 'noQuorum' }
  /** Enough drives answer, but their copies do not belong together. */
  | { readonly kind: 'inconsistent' }

/**
 * Which copies of a version belong together. `copies` by position, undefined where a drive has none. The caller has
 * reduced errors with half of the drives before, and does so again with the quorum found. Source: disk-format.md 5.13.
 */
export function chooseReadable(
  copies: readonly (VersionCopy | undefined)[],
  options: { readonly defaultParity: number },
): Readable {
  const driveCount = copies.length
  const parity = voteParity(copies, options.defaultParity)
  if (parity === undefined) return { kind: 'noQuorum' }
  const readQuorum = options.defaultParity === 0 ? driveCount : driveCount - parity
  const isSplit = options.defaultParity !== 0 && readQuorum === parity
  const writeQuorum = isSplit ? readQuorum + 1 : readQuorum
  const valid = copies.filter((copy) => copy !== undefined)
  if (valid.length < readQuorum) return { kind: 'noQuorum' }
  const isMatching = matcherOf(valid, readQuorum)
  if (isMatching === undefined) return { kind: 'noQuorum' }
  const matching = valid.filter(isMatching)
  const groups = groupsBy(matching, fingerprintOf)
  const biggest = biggestOf(groups)
  if (biggest === undefined || biggest.length < readQuorum) return { kind: 'inconsistent' }
  const [sample] = biggest
  if (sample === undefined) return { kind: 'inconsistent' }
  const shape = shapeOf(sample)
  const usable = copies.map(
    (copy) => copy !== undefined && isMatching(copy) && shapeOf(copy) === shape,
  )
  return { kind: 'readable', usable, readQuorum, writeQuorum, modifiedNs: sample.modifiedNs }
}

/** The parity that enough drives vote for; undefined: none. */
function voteParity(
  copies: readonly (VersionCopy | undefined)[],
  defaultParity: number,
): number | undefined {
  const driveCount = copies.length
  const half = Math.floor(driveCount / 2)
  const votes = new Map<number, number>()
  for (const copy of copies) {
    if (copy === undefined) continue
    const vote = parityVoteOf(copy.object, driveCount)
    votes.set(vote, (votes.get(vote) ?? 0) + 1)
  }
  let best: number | undefined
  let bestCount = 0
  for (const [parity, count] of votes) {
    const needed = parity === 0 && defaultParity > 0 ? half + 1 : driveCount - parity
    if (parity >= driveCount || count < needed || count <= bestCount) continue
    best = parity
    bestCount = count
  }
  return best
}

function parityVoteOf(object: ObjectVersion | undefined, driveCount: number): number {
  const half = Math.floor(driveCount / 2)
  if (object === undefined || object.sizeBytes === 0) return half
  if (wasMoved(object)) return Math.max(driveCount - (half + 1), object.parityShards)
  return object.parityShards
}

/** Tells copies by the common modification time, or else by the common ETag under one version id. */
function matcherOf(
  copies: readonly VersionCopy[],
  quorum: number,
): ((copy: VersionCopy) => boolean) | undefined {
  let common: VersionCopy | undefined
  let commonCount = 0
  for (const group of groupsBy(copies, ({ modifiedNs }) => String(modifiedNs))) {
    const [sample] = group
    if (sample === undefined || group.length < quorum || group.length < commonCount) continue
    if (group.length === commonCount && sample.modifiedNs < (common?.modifiedNs ?? 0n)) continue
    common = sample
    commonCount = group.length
  }
  if (common !== undefined) {
    const { modifiedNs } = common
    return (copy) => copy.modifiedNs === modifiedNs
  }
  const etags = groupsBy(copies, (copy) => etagOf(copy))
  const biggest = biggestOf(
    etags.filter((group) => group[0] !== undefined && etagOf(group[0]) !== ''),
  )
  const ids = biggestOf(groupsBy(copies, ({ versionId }) => versionId))
  if (biggest?.[0] === undefined || biggest.length < quorum || (ids?.length ?? 0) < quorum) {
    return undefined
  }
  const etag = etagOf(biggest[0])
  return (copy) => etagOf(copy) === etag
}

function etagOf(copy: VersionCopy): string {
  return copy.object?.userMetadata.get('etag') ?? ''
}

/** What copies must agree on. The data directory is not part of it: each drive may have its own. */
function fingerprintOf(copy: VersionCopy): string {
  const { object } = copy
  if (object === undefined) return JSON.stringify(['marker', copy.isLegacy])
  const metadata = object.systemMetadata
  const isEmpty = object.sizeBytes === 0
  const transition = wasMoved(object)
    ? TRANSITION_FIELDS.map((name) => [...(metadata.get(name) ?? [])])
    : []
  return JSON.stringify([
    copy.isLegacy,
    object.parts.map(({ number, sizeBytes }) => [number, sizeBytes]),
    isEmpty ? [] : [object.dataShards, object.parityShards, object.distribution],
    transition,
    ENCRYPTION_KEYS.map((key) => metadata.has(key)),
    textOf(metadata.get(COMPRESSION_KEY) ?? new Uint8Array(0)),
  ])
}

const TRANSITION_FIELDS = [
  'x-minio-internal-transition-tier',
  'x-minio-internal-transitioned-object',
  'x-minio-internal-transitioned-versionID',
]
/** One of these tells the kind of encryption. */
const ENCRYPTION_KEYS = [
  'X-Minio-Internal-Server-Side-Encryption-Sealed-Key',
  'X-Minio-Internal-Server-Side-Encryption-S3-Sealed-Key',
  'X-Minio-Internal-Server-Side-Encryption-Kms-Sealed-Key',
]

/** What shards must have in common to be decoded together. */
function shapeOf({ object }: VersionCopy): string {
  if (object === undefined) return ''
  const { dataShards, parityShards, blockSizeBytes, distribution } = object
  return JSON.stringify([dataShards, parityShards, blockSizeBytes, distribution])
}

function groupsBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  return [...Map.groupBy(items, keyOf).values()]
}

function biggestOf<T>(groups: readonly T[][]): T[] | undefined {
  let biggest: T[] | undefined
  for (const group of groups) if (group.length > (biggest?.length ?? 0)) biggest = group
  return biggest
}

// Shards and data -----------------------------------------------------------------------------------

/**
 * The shard that each drive really holds: its own `shardIndex` while fewer drives than parity shards disagree with the
 * distribution, else the distribution's. Copies onto themselves wrote wrong indexes on all drives, with good hashes.
 * `copies` by position; results likewise, undefined without a copy. Source: disk-format.md 2.6.
 */
export function shardIndexesOf(
  copies: readonly (
    | Pick<ObjectVersion, 'shardIndex' | 'distribution' | 'parityShards'>
    | undefined
  )[],
): (number | undefined)[] {
  let misplaced = 0
  for (const [position, copy] of copies.entries()) {
    if (copy !== undefined && copy.shardIndex !== copy.distribution[position]) misplaced++
  }
  return copies.map((copy, position) => {
    if (copy === undefined) return undefined
    return misplaced > 0 && misplaced < copy.parityShards
      ? copy.shardIndex
      : copy.distribution[position]
  })
}
