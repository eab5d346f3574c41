import { DriveError, type DeleteReply, type DeleteRequest, type DriveResult } from '#drive/drive'
import { deleteQuorumOf } from '../placement.ts'
import { NOT_IN_TIME } from '../quorum/patience.ts'
import { reduceOutcomes, type Reduced } from '../quorum/reduce.ts'
import type { RemovedVersion } from '../repair-sink.ts'
import type { ErasureSet } from './erasure-set.ts'

/**
 * Removes versions of one key and adds delete markers, with one rewrite of the metadata on each drive. Results in request
 * order; a version that a drive does not have counts as removed there. The caller holds the write lock of the key.
 *
 * There is no undo: below quorum the removal may have happened on some drives, which the repair settles. A drive that hangs
 * is not waited for beyond a grace: it is repaired too.
 */
export async function removeVersions(
  set: ErasureSet,
  target: { readonly bucket: string; readonly path: string },
  requests: readonly DeleteRequest[],
): Promise<readonly Reduced[]> {
  const { bucket, path } = target
  const quorum = deleteQuorumOf(set.size)
  const { outcomes: replies, late } = await set.patience.ask({ quorum, counts: isDone }, (drive) =>
    drive.deleteVersions(bucket, path, requests),
  )
  const results: Reduced[] = []
  let isMissed = false
  let isTorn = false
  for (let i = 0; i < requests.length; i++) {
    const outcomes = replies.map((reply) => outcomeOf(reply, i))
    const reduced = reduceOutcomes(outcomes, quorum)
    results.push(reduced)
    if (!outcomes.some((outcome) => outcome instanceof DriveError)) continue
    if (reduced === undefined) isMissed = true
    else if (outcomes.some((outcome) => !(outcome instanceof DriveError))) isTorn = true
  }
  const key = { ...target, removed: acknowledged(requests, results) }
  if (isMissed || isTorn) {
    const missed = replies.includes(NOT_IN_TIME) ? 'late' : 'missed'
    await set.report(key, isTorn ? 'disagreement' : missed)
  }
  if (late !== undefined) set.reportAfter(late, key, isTorn ? 'disagreement' : 'missed')
  return results
}

/** The versions that are gone for clients. */
function acknowledged(
  requests: readonly DeleteRequest[],
  results: readonly Reduced[],
): readonly RemovedVersion[] | undefined {
  const removed: RemovedVersion[] = []
  for (const [i, { versionId, notNewerThanNs }] of requests.entries()) {
    if (versionId === undefined || notNewerThanNs === undefined || results[i] !== undefined)
      continue
    removed.push({ versionId, untilNs: String(notNewerThanNs) })
  }
  return removed.length === 0 ? undefined : removed
}

/** Whether a drive did all that was asked of it. */
function isDone(reply: DriveResult<readonly DriveResult<DeleteReply>[]>): boolean {
  if (reply instanceof DriveError) return false
  return reply.every((_, index) => !(outcomeOf(reply, index) instanceof DriveError))
}

const NOTHING: DeleteReply = { found: false, versionsLeft: 0 }

function outcomeOf(
  reply: DriveResult<readonly DriveResult<DeleteReply>[]>,
  index: number,
): DriveResult<DeleteReply> {
  const outcome = reply instanceof DriveError ? reply : (reply[index] ?? NOTHING)
  if (!(outcome instanceof DriveError)) return outcome
  return outcome.code === 'FileNotFound' || outcome.code === 'FileVersionNotFound'
    ? NOTHING
    : outcome
}
