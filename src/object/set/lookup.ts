import { assert } from '#base/assert'
import { DriveError, type DriveResult } from '#drive/drive'
import {
  FormatError,
  isFree,
  isSameHeader,
  XlMeta,
  type StoredVersion,
  type VersionHeader,
} from '#drive/xl-meta'
import { sureCountOf } from '../placement.ts'
import { NOT_ASKED } from '../quorum/fan-out.ts'
import { Gather } from '../quorum/gather.ts'
import { isSilent } from '../quorum/reduce.ts'
import { chooseByVote, chooseSame, readQuorumOf, writeQuorumFor } from './copies.ts'
import type { ErasureSet } from './erasure-set.ts'
import type { Lookup, LookupRequest } from './set.ts'

/**
 * Finds one version of a key, or its latest one, on the drives of a set.
 *
 * Quickly: a few drives are asked, and if all of them say the same, that is the answer. They are so many that every write
 * quorum has one of them: a newer acknowledged version would have been seen by at least one, and they would not agree.
 *
 * Slowly: all drives are asked, and versions are weighed from the newest on. With F drives holding version X, and U drives
 * that gave no authoritative answer or hold something that replaced X:
 *
 *   F >= readQuorum(X)       X is the answer
 *   F + U < writeQuorum(X)   X was never acknowledged (or was deleted): look at the next older one
 *   otherwise                X may have been acknowledged: nothing can be said
 *
 * Nothing is removed or repaired here; what looks odd is reported. Source: disk-format.md 5.12, 5.13, distributed.md 4.3,
 * rules D4.2 and D4.13. The outcome equals the merge of 5.12 where that one is sure; where it is not, this refuses
 * instead of answering "not found".
 */
export async function lookUp(set: ErasureSet, request: LookupRequest): Promise<Lookup> {
  const gather = gatherFor(set, request)
  const few = request.allDrives ? undefined : chooseFew(set, request)
  if (few !== undefined) {
    const outcomes = (await readTogether(set, request, few)) ?? (await askFew(gather, few))
    const quick = outcomes && agree(set, request, parse(set, outcomes), few)
    if (quick !== undefined) return quick
  }
  const [lookup] = await weighAll(set, gather, [request])
  assert(lookup !== undefined)
  return lookup
}

/** By position: what the few drives have, read by one thread; undefined: they are to be asked. */
async function readTogether(
  set: ErasureSet,
  { bucket, path, inline }: LookupRequest,
  few: readonly boolean[],
): Promise<readonly DriveResult<Uint8Array>[] | undefined> {
  if (set.readTogether === undefined) return undefined
  const positions = [...few.keys()].filter((position) => few[position] === true)
  const results = await set.readTogether(positions, { volume: bucket, path, inline })
  return results && few.map((_, position) => results[positions.indexOf(position)] ?? NOT_ASKED)
}

/** The same from the drives themselves; undefined: one is slow. */
async function askFew(
  gather: Gather<Uint8Array>,
  few: readonly boolean[],
): Promise<readonly DriveResult<Uint8Array>[] | undefined> {
  gather.ask((position) => few[position] === true)
  return (await gather.wait(SLOW_MS)) ? gather.outcomes(NOT_ASKED) : undefined
}

/** The same for several versions of one key (undefined: the latest), in order, reading each drive once. */
export async function lookUpMany(
  set: ErasureSet,
  target: { readonly bucket: string; readonly path: string },
  versionIds: readonly (string | undefined)[],
): Promise<readonly Lookup[]> {
  const request = { ...target, versionId: versionIds[0], inline: false, allDrives: false }
  if (versionIds.length === 1) return [await lookUp(set, request)]
  const requests = versionIds.map((versionId) => ({ ...request, versionId }))
  return weighAll(set, gatherFor(set, request), requests)
}

/** Asks all drives. One that is slow is waited for only if the others do not tell enough: it counts as undecided. */
async function weighAll(
  set: ErasureSet,
  gather: Gather<Uint8Array>,
  requests: readonly LookupRequest[],
): Promise<readonly Lookup[]> {
  gather.ask(() => true)
  if (!(await gather.wait(SLOW_MS))) {
    const answers = parse(set, gather.outcomes(NOT_ANSWERED))
    const lookups = requests.map((request) => weigh(set, request, answers))
    if (lookups.every(({ kind }) => kind !== 'unreadable')) return lookups
    await gather.wait()
  }
  const answers = parse(set, gather.outcomes(NOT_ASKED))
  return requests.map((request) => weigh(set, request, answers))
}

function gatherFor(
  set: ErasureSet,
  request: Pick<LookupRequest, 'bucket' | 'path' | 'inline'>,
): Gather<Uint8Array> {
  const { bucket, path, inline } = request
  return new Gather(set.context.clock, set.drives, (drive) =>
    drive.readMetadata(bucket, path, { inline }),
  )
}

/** After this long a drive is slow: others are asked, and the answer may be given without it. */
const SLOW_MS = 100
const NOT_ANSWERED = new DriveError('DriveTimeout', 'Drive has not answered yet')

/** One drive's metadata, or what its absence means. */
export type Answer = XlMeta | 'absent' | 'noVolume' | DriveError

const MISSING: Answer = 'absent'

function parse(set: ErasureSet, replies: readonly DriveResult<Uint8Array>[]): Answer[] {
  return replies.map((reply) => {
    if (!(reply instanceof DriveError)) return parseOne(set, reply)
    if (reply.code === 'FileNotFound' || reply.code === 'FileVersionNotFound') return 'absent'
    // Below another object's file, or a folder where the file should be: nothing is stored there.
    if (reply.code === 'FileAccessDenied' || reply.code === 'FileNameTooLong') return 'absent'
    if (reply.code === 'VolumeNotFound') return 'noVolume'
    return reply
  })
}

function parseOne(set: ErasureSet, bytes: Uint8Array): Answer {
  try {
    return XlMeta.parse(bytes, set.context.codec)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    return new DriveError('FileCorrupt', 'Cannot parse the metadata file', { cause: error })
  }
}

/** The smallest number of drives that every write quorum meets, data shards first; undefined: ask all. */
function chooseFew(set: ErasureSet, request: LookupRequest): readonly boolean[] | undefined {
  const { size, drives, context } = set
  const parity = context.storage.standardParity
  const count = sureCountOf(size, parity)
  if (parity === 0 || count >= size) return undefined
  const few = drives.map(() => false)
  const distribution = set.distributionOf(request.bucket, request.path)
  let chosen = 0
  for (let shard = 1; shard <= size && chosen < count; shard++) {
    const position = distribution.indexOf(shard)
    if (drives[position]?.isOnline() !== true || set.isHealing(position)) continue
    few[position] = true
    chosen++
  }
  return chosen === count ? few : undefined
}

/** The answer when all drives in `few` give the same one. */
function agree(
  set: ErasureSet,
  request: LookupRequest,
  answers: readonly Answer[],
  few: readonly boolean[],
): Lookup | undefined {
  const metas: (XlMeta | undefined)[] = []
  let absent = 0
  let noVolume = 0
  let asked = 0
  for (let i = 0; i < few.length; i++) {
    metas.push(undefined)
    if (few[i] !== true) continue
    asked++
    const answer = answers[i] ?? MISSING
    if (answer === 'absent') absent++
    else if (answer === 'noVolume') noVolume++
    else if (answer instanceof DriveError) return undefined
    else metas[i] = answer
  }
  if (absent === asked || noVolume === asked) {
    return {
      kind: 'absent',
      isBucketMissing: noVolume > 0,
      hasOthers: false,
      isForGood: true,
      latestNs: undefined,
    }
  }
  if (absent + noVolume > 0) return undefined
  return agreeOnVersion(set, request, metas)
}

function agreeOnVersion(
  set: ErasureSet,
  request: LookupRequest,
  metas: readonly (XlMeta | undefined)[],
): Lookup | undefined {
  const { versionId } = request
  let first: XlMeta | undefined
  let firstVersion: StoredVersion | undefined
  const indexes: number[] = []
  for (const meta of metas) {
    if (meta === undefined) {
      indexes.push(-1)
      continue
    }
    const index = versionId === undefined ? meta.latest() : meta.find(versionId)
    const version = meta.versions[index]
    indexes.push(index)
    if (first === undefined) {
      first = meta
      firstVersion = version
    } else if (version === undefined || firstVersion === undefined) {
      if (version !== firstVersion) return undefined
    } else if (!isSameHeader(version, firstVersion)) return undefined
  }
  if (first === undefined) return undefined
  const latestNs = first.versions[first.latest()]?.header.modifiedNs
  if (firstVersion === undefined) {
    const hasOthers = first.versions.length > 0
    return { kind: 'absent', isBucketMissing: false, hasOthers, isForGood: true, latestNs }
  }
  const version = chooseSame(set, request, metas, indexes)
  return version === undefined ? undefined : { kind: 'found', version, latestNs }
}

/** A version of the key as some drives hold it. */
interface Candidate {
  readonly header: VersionHeader
  /** By position: index in that drive's list, -1 for none. */
  readonly indexes: readonly number[]
}

function weigh(set: ErasureSet, request: LookupRequest, answers: readonly Answer[]): Lookup {
  const metas = answers.map((answer) => (answer instanceof XlMeta ? answer : undefined))
  /** No write is acknowledged by fewer drives. */
  const smallestQuorum = Math.floor(set.size / 2) + 1
  const noVolume = countOf(answers, 'noVolume')
  let undecided = 0
  let cause: DriveError | undefined
  for (let i = 0; i < answers.length; i++) {
    const answer = answers[i] ?? 'absent'
    if (answer instanceof DriveError) {
      undecided++
      if (cause === undefined || isSilent(cause.code)) cause = answer
    } else if (isWiped(set, i, answer, noVolume < smallestQuorum)) undecided++
  }
  /** Versions that were never acknowledged, or were deleted. */
  const refused = new Set<string>()
  for (;;) {
    const candidate = newestCandidate(metas, request.versionId, refused)
    if (candidate === undefined) break
    const { header } = candidate
    const holders = countHolders(candidate)
    const readQuorum = readQuorumOf(set, metas, candidate.indexes)
    if (holders >= readQuorum) {
      const voted = chooseByVote(set, request, metas, candidate.indexes, undecided)
      if (voted === undefined) {
        report(set, request)
        return { kind: 'unreadable', cause, latestNs: latestNsOf(metas) }
      }
      const { version, isUnanimous } = voted
      const isEverywhere = holders + undecided >= set.size
      const isBucketLost = answers.some((answer, i) => answer === 'noVolume' && !set.isHealing(i))
      if (refused.size > 0 || !isEverywhere || !isUnanimous || isBucketLost) report(set, request)
      return { kind: 'found', version, latestNs: latestNsOf(metas) }
    }
    const mayHaveHeld = countMayHaveHeld(set, metas, header)
    if (holders + undecided + mayHaveHeld >= writeQuorumFor(header, set.size)) {
      report(set, request)
      return { kind: 'unreadable', cause, latestNs: latestNsOf(metas) }
    }
    refused.add(nameOf(header))
  }
  if (refused.size > 0) report(set, request)
  // With no copy anywhere, a write quorum may still hide behind the drives that did not answer.
  if (undecided >= smallestQuorum || undecided === set.size)
    return { kind: 'unreadable', cause, latestNs: latestNsOf(metas) }
  return {
    kind: 'absent',
    isBucketMissing: noVolume >= smallestQuorum || (noVolume > 0 && noVolume === answers.length),
    hasOthers: metas.some((meta) => meta !== undefined && meta.versions.length > 0),
    isForGood: refused.size === 0 && set.size - undecided >= smallestQuorum,
    latestNs: latestNsOf(metas),
  }
}

/** Whether a drive lacks the key because it was replaced: it is being refilled, or does not even have the bucket. */
function isWiped(set: ErasureSet, position: number, answer: Answer, hasVolume: boolean): boolean {
  if (answer === 'noVolume') return hasVolume
  return answer === 'absent' && set.isHealing(position)
}

function countOf(answers: readonly Answer[], wanted: Answer): number {
  let count = 0
  for (const answer of answers) if (answer === wanted) count++
  return count
}

/** The newest version that was not refused, of `versionId` or of any. */
function newestCandidate(
  metas: readonly (XlMeta | undefined)[],
  versionId: string | undefined,
  refused: ReadonlySet<string>,
): Candidate | undefined {
  let best: VersionHeader | undefined
  for (const meta of metas) {
    if (meta === undefined) continue
    for (const { header } of meta.versions) {
      if (isFree(header)) continue
      if (versionId !== undefined && header.versionId !== versionId) continue
      if (refused.size > 0 && refused.has(nameOf(header))) continue
      if (best === undefined || header.modifiedNs > best.modifiedNs) best = header
      if (versionId === undefined) break // newest first
    }
  }
  if (best === undefined) return undefined
  const header = best
  const indexes = metas.map((meta) => {
    const index = meta?.find(header.versionId) ?? -1
    const found = meta?.versions[index]?.header
    return found?.modifiedNs === header.modifiedNs && found.kind === header.kind ? index : -1
  })
  return { header, indexes }
}

function nameOf(header: VersionHeader): string {
  return `${header.versionId}/${header.modifiedNs}/${header.kind}`
}

function countHolders(candidate: Candidate): number {
  let count = 0
  for (const index of candidate.indexes) if (index >= 0) count++
  return count
}

/** Drives without the version that may have had it: by now they have a newer one of that id, or they are being refilled. */
function countMayHaveHeld(
  set: ErasureSet,
  metas: readonly (XlMeta | undefined)[],
  header: VersionHeader,
): number {
  let count = 0
  for (const [position, meta] of metas.entries()) {
    if (meta === undefined) continue
    const found = meta.versions[meta.find(header.versionId)]?.header
    if (found === undefined ? set.isHealing(position) : found.modifiedNs > header.modifiedNs) {
      count++
    }
  }
  return count
}

function latestNsOf(metas: readonly (XlMeta | undefined)[]): bigint | undefined {
  let latestNs: bigint | undefined
  for (const meta of metas) {
    const newest = meta?.versions[meta.latest()]?.header.modifiedNs
    if (newest !== undefined && (latestNs === undefined || newest > latestNs)) latestNs = newest
  }
  return latestNs
}

function report(set: ErasureSet, request: LookupRequest): void {
  void set.context.repairs.report({
    pool: set.pool,
    set: set.index,
    bucket: request.bucket,
    path: request.path,
    versionId: request.versionId,
    reason: 'missing',
  })
}
