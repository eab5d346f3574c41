import {
  DriveError,
  type CommitReply,
  type CommitRequest,
  type Drive,
  type DriveReply,
  type DriveResult,
} from '#drive/drive'
import { decodeKey } from '#drive/key-path'
import { encodeObjectVersion, withShardIndex, type ObjectVersion } from '#drive/xl-meta'
import { writeErrorOf } from '../errors.ts'
import { writeQuorumOf } from '../placement.ts'
import { fanOutTo } from '../quorum/fan-out.ts'
import { NOT_IN_TIME, type AskOptions, type Late } from '../quorum/patience.ts'
import { reduceOutcomes, successCountOf } from '../quorum/reduce.ts'
import type { RepairReason } from '../repair-sink.ts'
import type { ErasureSet } from './erasure-set.ts'
import type { CommitPlan } from './set.ts'

/** What a commit wrote. */
export interface Committed {
  /** As stored, with the modification time that was chosen. */
  readonly version: ObjectVersion
  /** Every drive of the set has it. */
  readonly isWhole: boolean
}

/** A first try and one with a bumped modification time (D3.5). */
const ATTEMPTS = 2

/**
 * Puts a version in place on a write quorum of drives, or takes it back and throws.
 *
 * Order: all drives commit at once; below quorum every drive that did is undone. Above it, what the version replaced is
 * purged without being waited for (D4.4), and drives that missed it are handed to the repair queue before the caller
 * answers its client. A drive that hangs is such a drive, after a grace. What it does in the end, taking the version late
 * or not, is reported again then, for nobody else may look at it.
 */
export async function commitVersion(set: ErasureSet, plan: CommitPlan): Promise<Committed> {
  const { version } = plan
  const quorum = writeQuorumOf(version.dataShards, version.parityShards)
  const commit = new Commit(set, plan)
  await commit.run()
  const reduced = reduceOutcomes(commit.outcomes, quorum)
  if (reduced !== undefined) {
    await commit.undo()
    commit.followUp({ isCommitted: false })
    if (commit.isBucketLost) void set.report({ bucket: plan.bucket, path: '' }, 'missing')
    throw writeErrorOf(reduced, { bucket: plan.bucket, key: decodeKey(plan.path) })
  }
  commit.purgeReplaced()
  await commit.reportMissed()
  commit.followUp({ isCommitted: true })
  return { version: commit.version, isWhole: successCountOf(commit.outcomes) === set.size }
}

class Commit {
  version: ObjectVersion
  /** By position. */
  outcomes: readonly DriveResult<CommitReply>[] = []
  /** By position: the reply of the commit on a drive that has the version, whatever happened to it later. */
  readonly #held: (CommitReply | undefined)[] = []
  readonly #late: Late<CommitReply>[] = []
  /** Some drive may have done what is not known of it. */
  #isUncertain = false
  readonly #quorum: number
  readonly #set: ErasureSet
  readonly #plan: CommitPlan
  readonly #backup: boolean
  #encoded: ReturnType<typeof encodeObjectVersion>

  /** Some drives lack the bucket that others have. */
  get isBucketLost(): boolean {
    const isLost = (outcome: DriveResult<CommitReply>): boolean =>
      outcome instanceof DriveError && outcome.code === 'VolumeNotFound'
    return successCountOf(this.outcomes) > 0 && this.outcomes.some(isLost)
  }

  constructor(set: ErasureSet, plan: CommitPlan) {
    this.#set = set
    this.#plan = plan
    this.#backup = plan.isFirst !== true
    this.#quorum = writeQuorumOf(plan.version.dataShards, plan.version.parityShards)
    this.version =
      plan.mode === 'write'
        ? { ...plan.version, modifiedNs: this.#chooseTime(plan.newerThanNs ?? 0n) }
        : plan.version
    this.#encoded = encodeObjectVersion(this.version, set.context.codec)
  }

  async run(): Promise<void> {
    // Drives that hold something newer are asked again: with them there may be a quorum.
    const counts = this.#plan.mode === 'write' ? isHeldOrStale : undefined
    await this.#ask({ quorum: this.#quorum, select: this.#takesPart, counts }, this.#commit)
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      const newestNs = newestOf(this.outcomes)
      if (newestNs === undefined || this.#plan.mode !== 'write') return
      // A drive holds something at least as new: the clock went back, or a write was never acknowledged. Drives that
      // took this commit already moved its data into place, so they get the new time instead of an undo.
      this.version = { ...this.version, modifiedNs: this.#chooseTime(newestNs) }
      this.#encoded = encodeObjectVersion(this.version, this.#set.context.codec)
      const before = this.outcomes
      const select = (position: number): boolean =>
        this.#held[position] !== undefined || isStale(before[position])
      await this.#ask({ quorum: this.#quorum, select }, (drive, position) =>
        isStale(before[position]) ? this.#commit(drive, position) : this.#bump(drive, position),
      )
    }
  }

  async #ask(
    options: AskOptions<CommitReply>,
    call: (drive: Drive, position: number) => DriveReply<CommitReply>,
  ): Promise<void> {
    const { outcomes, late } = await this.#set.patience.ask(options, call)
    this.outcomes = outcomes
    if (late !== undefined) this.#late.push(late)
    for (let position = 0; position < outcomes.length; position++) {
      const outcome = outcomes[position]
      if (outcome instanceof DriveError) {
        if (mayHaveHappened(outcome)) this.#isUncertain = true
        // A later reply does not know what the first one replaced.
      } else if (outcome !== undefined) this.#held[position] ??= outcome
    }
  }

  /** Takes the commit back where it is known to have happened. A drive that did not answer is left to the repair: removing a version there might remove the one that the commit would have replaced. */
  async undo(): Promise<void> {
    const { bucket, path, version } = this.#plan
    const undone = await fanOutTo(
      this.#set.drives,
      (position) => this.#held[position] !== undefined,
      (drive, position) =>
        drive.undoCommit(bucket, path, version.versionId, this.#held[position]?.oldDataDir),
    )
    const isLeft = undone.some(
      (outcome, position) => this.#held[position] !== undefined && outcome instanceof DriveError,
    )
    if (this.#isUncertain || isLeft) await this.#report('disagreement', undefined)
  }

  /** What was replaced is unreferenced now; it is removed behind the answer. */
  purgeReplaced(): void {
    const { bucket, path } = this.#plan
    if (!this.#held.some((reply) => reply?.oldDataDir !== undefined)) return
    void fanOutTo(
      this.#set.drives,
      (position) => this.#held[position]?.oldDataDir !== undefined,
      (drive, position) => drive.purgeDataDir(bucket, path, this.#held[position]?.oldDataDir ?? ''),
    )
  }

  async reportMissed(): Promise<void> {
    let hash: string | undefined
    let isMissed = false
    let isLate = false
    let isDifferent = false
    for (const outcome of this.outcomes) {
      if (outcome instanceof DriveError) {
        isMissed = true
        if (outcome === NOT_IN_TIME) isLate = true
        continue
      }
      hash ??= outcome.versionsHash
      if (outcome.versionsHash !== hash) isDifferent = true
    }
    if (isMissed) await this.#report(isLate ? 'late' : 'missed', this.version.versionId)
    if (isDifferent) await this.#report('disagreement', undefined)
  }

  /** Stragglers are looked after when they have answered; nobody waits for that. */
  followUp(options: { readonly isCommitted: boolean }): void {
    for (const late of this.#late) void this.#settleLate(late, options.isCommitted)
  }

  async #settleLate(late: Late<CommitReply>, isCommitted: boolean): Promise<void> {
    const { bucket, path } = this.#plan
    const outcomes = await late.outcomes
    if (isCommitted) {
      for (const position of late.positions) {
        const outcome = outcomes[position]
        // A bump of what is held replaces nothing: only the reply to the commit itself names a directory.
        if (outcome === undefined || outcome instanceof DriveError) continue
        if (outcome.oldDataDir === undefined) continue
        await this.#set.drives[position]?.purgeDataDir(bucket, path, outcome.oldDataDir)
      }
    }
    await this.#report(isCommitted ? 'missed' : 'disagreement', undefined)
  }

  readonly #takesPart = (position: number): boolean => this.#plan.isComplete[position] === true

  readonly #commit = (drive: Drive, position: number): DriveReply<CommitReply> => {
    const { bucket, path, inline, inlineFrom, source, mode } = this.#plan
    const request: CommitRequest = {
      volume: bucket,
      path,
      version: this.#versionAt(position),
      inline: inline?.[position],
      inlineFrom,
      source,
      mode,
      backup: this.#backup,
    }
    return drive.commitVersion(request)
  }

  #bump(drive: Drive, position: number): DriveReply<CommitReply> {
    return drive.updateVersion(this.#plan.bucket, this.#plan.path, this.#versionAt(position))
  }

  #versionAt(position: number): ReturnType<typeof encodeObjectVersion> {
    return withShardIndex(this.#encoded, this.version.distribution[position] ?? 0)
  }

  /** Later than everything stored, whatever the clock says (D4.12). */
  #chooseTime(newestNs: bigint): bigint {
    const timeNs = this.#plan.wishedNs ?? this.#set.context.clock.nowNs()
    return timeNs > newestNs ? timeNs : newestNs + 1n
  }

  #report(reason: RepairReason, versionId: string | undefined): Promise<void> {
    return this.#set.report(this.#plan, reason, versionId)
  }
}

function isStale(outcome: DriveResult<CommitReply> | undefined): boolean {
  return outcome instanceof DriveError && outcome.code === 'StaleCommit'
}

function isHeldOrStale(outcome: DriveResult<CommitReply>): boolean {
  return !(outcome instanceof DriveError) || outcome.code === 'StaleCommit'
}

function newestOf(outcomes: readonly DriveResult<CommitReply>[]): bigint | undefined {
  let newestNs: bigint | undefined
  for (const outcome of outcomes) {
    if (!(outcome instanceof DriveError) || outcome.code !== 'StaleCommit') continue
    const storedNs = outcome.newestNs ?? 0n
    if (newestNs === undefined || storedNs > newestNs) newestNs = storedNs
  }
  return newestNs
}

/** Outcomes after which the drive may hold the new version. */
function mayHaveHappened(error: DriveError): boolean {
  return (
    error.code === 'DriveTimeout' || error.code === 'DriveFaulty' || error.code === 'Unexpected'
  )
}
