import type { DriveError, EncodedVersion } from '#drive/drive'
import {
  type FormatHashes,
  legacyForShard,
  type LegacyShard,
  type StoredVersion,
  type VersionHeader,
  withShardIndex,
  xlJsonForShard,
  type XlMeta,
} from '#drive/xl-meta'
import { isObject } from '../object-info.ts'
import { chooseByVote, readQuorumOf, writeQuorumFor } from '../set/copies.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import type { ChosenVersion } from '../set/set.ts'

/**
 * What becomes of each version that any drive of a set has of a key. Nothing is read or written here.
 *
 * For one version id, candidates differ by modification time and are weighed newest first. With F drives holding
 * candidate X, U drives of which nothing is known (offline, damaged, being refilled, without the bucket), and R drives
 * that replaced X by a newer candidate without a way back:
 *
 *   F >= readQuorum(X)             X is kept: rolled forward to all drives
 *   F + U + R < writeQuorum(X)     X was never acknowledged, or was deleted since: the next older one is weighed
 *   otherwise                      nothing can be said: the id is left alone
 *
 * A drive with a refused candidate counts for an older one when the backup of its metadata still lies beside the older
 * one's data. Only such drives' backups count: others may be left over from overwrites that were acknowledged.
 * Source: distributed.md D4.2, D4.3, D2.5.
 */

/** What one drive says about a key. */
export type Answer =
  | { readonly kind: 'metadata'; readonly meta: XlMeta; readonly bytes: Uint8Array }
  | { readonly kind: 'absent' }
  /** The drive lacks the whole bucket. */
  | { readonly kind: 'noVolume' }
  /** The metadata file is there, but damaged. */
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'unknown'; readonly error: DriveError }

/** Where one drive has a version: in its metadata file, or in the backup of a replaced one. */
export interface Holding {
  readonly meta: XlMeta
  readonly index: number
  readonly isBackup: boolean
}

/** A version that every drive of the set ought to have. */
export interface KeptVersion {
  readonly chosen: ChosenVersion
  /** Metadata that drives must have; the shard number in it is that of the drive it came from. */
  readonly reference: StoredVersion
  /** By position. */
  readonly holdings: readonly (Holding | undefined)[]
}

/** A version that no drive ought to have. */
export interface RefusedVersion {
  readonly header: VersionHeader
  /** Positions whose metadata has it. */
  readonly positions: readonly number[]
}

export interface Decision {
  /** Oldest first, as they were written. */
  readonly kept: readonly KeptVersion[]
  /** Of ids of which nothing is kept. */
  readonly refused: readonly RefusedVersion[]
  /** Ids of which nothing can be said. */
  readonly undecided: readonly string[]
}

/** Metadata backups by position: what each data directory of the drive keeps as `xl.meta.bkp`. */
export type Backups = readonly (readonly XlMeta[])[]

export function decide(set: ErasureSet, answers: readonly Answer[], backups: Backups): Decision {
  const metas = answers.map((answer) => (answer.kind === 'metadata' ? answer.meta : undefined))
  const kept: KeptVersion[] = []
  const refused: RefusedVersion[] = []
  const undecided: string[] = []
  for (const [versionId, candidates] of candidatesOf(metas)) {
    const verdict = weighId(set, answers, metas, candidates, backups)
    if (verdict === undefined) undecided.push(versionId)
    else if (Array.isArray(verdict)) refused.push(...verdict)
    else kept.push(verdict)
  }
  kept.sort((a, b) => (a.reference.header.modifiedNs < b.reference.header.modifiedNs ? -1 : 1))
  return { kept, refused, undecided }
}

type Candidates = readonly VersionHeader[]

/** By version id, in the order in which the drives name them; of one id, newest first. */
function candidatesOf(metas: readonly (XlMeta | undefined)[]): Map<string, VersionHeader[]> {
  const found = new Map<string, VersionHeader[]>()
  for (const meta of metas) {
    for (const { header } of meta?.versions ?? []) {
      const known = found.get(header.versionId)
      if (known === undefined) found.set(header.versionId, [header])
      else if (!known.some((other) => isSameVersion(other, header))) known.push(header)
    }
  }
  for (const candidates of found.values()) {
    candidates.sort((a, b) => (a.modifiedNs < b.modifiedNs ? 1 : -1))
  }
  return found
}

function isSameVersion(a: VersionHeader, b: VersionHeader): boolean {
  return a.versionId === b.versionId && a.modifiedNs === b.modifiedNs && a.kind === b.kind
}

/** The version to keep, those to refuse when none is kept, or undefined. */
function weighId(
  set: ErasureSet,
  answers: readonly Answer[],
  metas: readonly (XlMeta | undefined)[],
  candidates: Candidates,
  backups: Backups,
): KeptVersion | RefusedVersion[] | undefined {
  const refused: RefusedVersion[] = []
  for (const header of candidates) {
    // Of a later format: nothing can be said about it, and nothing needs to be when all drives have it.
    if (header.kind === 'unknown') return isEverywhere(metas, header) ? [] : undefined
    const holdings = metas.map((meta, position) => {
      const isRefused = refused.some(({ positions }) => positions.includes(position))
      return holdingOf(meta, isRefused ? (backups[position] ?? []) : [], header)
    })
    const positions: number[] = []
    let unknown = 0
    let replaced = 0
    for (const [position, holding] of holdings.entries()) {
      if (holding !== undefined) positions.push(position)
      else if (isUnknown(set, position, answers[position])) unknown++
      else if (isReplaced(metas[position], header)) replaced++
    }
    const indexes = holdings.map((holding) => holding?.index ?? -1)
    const sources = holdings.map((holding) => holding?.meta)
    if (positions.length >= readQuorumOf(set, sources, indexes)) {
      return keep(set, header, holdings, unknown)
    }
    if (positions.length + unknown + replaced >= writeQuorumFor(header, set.size)) return undefined
    const current = positions.filter((position) => holdings[position]?.isBackup === false)
    refused.push({ header, positions: current })
  }
  return refused
}

function isEverywhere(metas: readonly (XlMeta | undefined)[], header: VersionHeader): boolean {
  return metas.every((meta) => holdingOf(meta, [], header) !== undefined)
}

function holdingOf(
  meta: XlMeta | undefined,
  backups: readonly XlMeta[],
  header: VersionHeader,
): Holding | undefined {
  for (const [i, source] of [meta, ...backups].entries()) {
    const index = source?.find(header.versionId) ?? -1
    const found = source?.versions[index]?.header
    if (source !== undefined && found !== undefined && isSameVersion(found, header)) {
      return { meta: source, index, isBackup: i > 0 }
    }
  }
  return undefined
}

/** Whether a drive may have had a version that it does not name now. */
function isUnknown(set: ErasureSet, position: number, answer: Answer | undefined): boolean {
  if (answer === undefined || set.isHealing(position)) return true
  return answer.kind !== 'metadata' && answer.kind !== 'absent'
}

function isReplaced(meta: XlMeta | undefined, header: VersionHeader): boolean {
  const found = meta?.versions[meta.find(header.versionId)]?.header
  return found !== undefined && found.modifiedNs > header.modifiedNs
}

/** Undefined when the drives' metadata of the version differs and it cannot be said which was acknowledged last. */
function keep(
  set: ErasureSet,
  header: VersionHeader,
  holdings: readonly (Holding | undefined)[],
  unknown: number,
): KeptVersion | undefined {
  const metas = holdings.map((holding) => holding?.meta)
  const indexes = holdings.map((holding) => holding?.index ?? -1)
  const request = { versionId: header.versionId, inline: true }
  const chosen = chooseByVote(set, request, metas, indexes, unknown)?.version
  if (chosen === undefined) return undefined
  const reference = holdings
    .map((holding) => holding?.meta.versions[holding.index])
    .find((stored) => stored?.header === chosen.header)
  return reference === undefined ? undefined : { chosen, reference, holdings }
}

/**
 * The metadata of a kept version for one drive.
 *
 * Copies of a key onto itself once left wrong shard numbers on all drives alike (disk-format.md 2.6); readers tell that
 * by their number, so a right one among them would make the others look right as well: they stay as they are.
 */
export function versionFor(kept: KeptVersion, position: number): EncodedVersion {
  const { header, headerBytes, body } = kept.reference
  const encoded: EncodedVersion = { header: headerBytes, body }
  const { chosen } = kept
  if (header.kind !== 'object' || !isObject(chosen.body)) return encoded
  const right = chosen.body.distribution[position] ?? 0
  return withShardIndex(encoded, isMisnumbered(kept) ? position + 1 : right)
}

/**
 * The record of a version of before 2020 for one drive, and the file that it is where all drives have it as it was
 * written. A key with other versions gets the present form, in which MinIO finds the parts.
 */
export function legacyFor(
  kept: KeptVersion,
  answers: readonly Answer[],
  shard: LegacyShard,
  hashes: FormatHashes,
): { readonly version: EncodedVersion; readonly v1File: Uint8Array | undefined } {
  const { headerBytes, body } = kept.reference
  const version = legacyForShard({ header: headerBytes, body }, shard, hashes)
  const holders = answers.filter((_, position) => kept.holdings[position] !== undefined)
  const files = holders.flatMap((answer) =>
    answer.kind === 'metadata' && answer.meta.isV1File ? [answer] : [],
  )
  const isV1Everywhere = files.length === holders.length
  const file = files.find(({ meta }) => meta.versions.includes(kept.reference))
  const v1File =
    isV1Everywhere && file !== undefined ? xlJsonForShard(file.bytes, shard) : undefined
  return { version, v1File }
}

/** Whether all drives at hand name the shard after their position, and none of them is right. */
function isMisnumbered({ holdings, chosen }: KeptVersion): boolean {
  let count = 0
  for (const [position, holding] of holdings.entries()) {
    if (holding === undefined || chosen.copies[position] === undefined) continue
    const own = holding.meta.decode(holding.index)
    if (!('shardIndex' in own)) return false
    const isWrong = own.shardIndex === position + 1 && own.distribution[position] !== position + 1
    if (!isWrong) return false
    count++
  }
  return count > 0
}
