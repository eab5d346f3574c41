import { DriveError, type DriveErrorCode, type DriveResult } from '#drive/drive'

/**
 * Many drives' outcomes to one. Source: disk-format.md 6.7, distributed.md 4.4.
 */

/** `undefined`: as many successes as the quorum asks for; an error: that one; `NoQuorum`: no outcome occurred often enough. */
export type Reduced = undefined | DriveError | 'NoQuorum'

/** True for outcomes that say nothing about the object: they count neither for nor against. */
export function isSilent(code: DriveErrorCode): boolean {
  switch (code) {
    case 'DriveNotFound':
    case 'DriveFaulty':
    case 'DriveTimeout':
    case 'DriveAccessDenied':
    case 'DriveUnformatted':
    case 'TooManyOpenFiles':
      return true
    case 'DriveFull':
    case 'VolumeNotFound':
    case 'VolumeExists':
    case 'VolumeNotEmpty':
    case 'FileNotFound':
    case 'FileVersionNotFound':
    case 'FileAccessDenied':
    case 'FileNameTooLong':
    case 'FileCorrupt':
    case 'StaleCommit':
    case 'Unexpected':
      return false
  }
}

/** The most frequent outcome, success winning ties, if it occurs at least `quorum` times. */
export function reduceOutcomes(outcomes: readonly DriveResult<unknown>[], quorum: number): Reduced {
  const successes = successCountOf(outcomes)
  if (successes === outcomes.length) return successes >= quorum ? undefined : 'NoQuorum'
  const counts = new Map<DriveErrorCode, { count: number; first: DriveError }>()
  for (const outcome of outcomes) {
    if (!(outcome instanceof DriveError) || isSilent(outcome.code)) continue
    const entry = counts.get(outcome.code)
    if (entry === undefined) counts.set(outcome.code, { count: 1, first: outcome })
    else entry.count++
  }
  let best: DriveError | undefined
  let bestCount = successes
  for (const { count, first } of counts.values()) {
    if (count > bestCount) {
      best = first
      bestCount = count
    }
  }
  return bestCount >= quorum ? best : 'NoQuorum'
}

export function successCountOf(outcomes: readonly DriveResult<unknown>[]): number {
  let count = 0
  for (const outcome of outcomes) if (!(outcome instanceof DriveError)) count++
  return count
}
