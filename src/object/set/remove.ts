import { DriveError, type DeleteReply, type DeleteRequest, type DriveResult } from '#drive/drive'
import { deleteQuorumOf } from '../placement.ts'
import { fanOut } from '../quorum/fan-out.ts'
import { reduceOutcomes, type Reduced } from '../quorum/reduce.ts'
import type { ErasureSet } from './erasure-set.ts'

/**
 * Removes versions of one key and adds delete markers, with one rewrite of the metadata on each drive. Results in request
 * order; a version that a drive does not have counts as removed there. The caller holds the write lock of the key.
 *
 * There is no undo: below quorum the removal may have happened on some drives, which the repair settles.
 */
export async function removeVersions(
  set: ErasureSet,
  target: { readonly bucket: string; readonly path: string },
  requests: readonly DeleteRequest[],
): Promise<readonly Reduced[]> {
  const { bucket, path } = target
  const replies = await fanOut(set.drives, (drive) => drive.deleteVersions(bucket, path, requests))
  const quorum = deleteQuorumOf(set.size)
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
  if (isMissed || isTorn) {
    await set.context.repairs.report({
      pool: set.pool,
      set: set.index,
      bucket,
      path,
      reason: isTorn ? 'disagreement' : 'missed',
    })
  }
  return results
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
