import { assert } from '#base/assert'
import type { EngineContext } from '../context.ts'
import type { BodySource } from '../object.ts'
import { distributionOf, type ReadTogether } from '../placement.ts'
import { offlineCountOf, type SetDrives } from '../quorum/fan-out.ts'
import { Patience, type Late } from '../quorum/patience.ts'
import type { RemovedVersion, RepairReason } from '../repair-sink.ts'
import { commitVersion, type Committed } from './commit.ts'
import { lookUp, lookUpMany } from './lookup.ts'
import type { CommitPlan, Lookup, LookupRequest, StagedBody, StageRequest } from './set.ts'
import { discardStaged, stageBody } from './stage.ts'

export interface SetPlace {
  readonly pool: number
  readonly index: number
  readonly drives: SetDrives
  readonly isHealing: (position: number) => boolean
  readonly readTogether?: ReadTogether | undefined
}

/** What a report is about. */
export interface ReportedKey {
  readonly bucket: string
  readonly path: string
  readonly removed?: readonly RemovedVersion[] | undefined
}

/**
 * One erasure set: N drives that hold the shards of the keys that hash to it.
 *
 * It takes no namespace locks: its callers do (the table is in `../engine.ts`).
 */
export class ErasureSet {
  readonly context: EngineContext
  readonly pool: number
  readonly index: number
  /** By position. */
  readonly drives: SetDrives
  /** Whether a replaced drive is being refilled: what it lacks says nothing. */
  readonly isHealing: (position: number) => boolean
  readonly readTogether: ReadTogether | undefined
  /** Calls by writers. */
  readonly patience: Patience
  #nextStream: number

  constructor(context: EngineContext, place: SetPlace) {
    assert(place.drives.length > 0)
    this.context = context
    this.pool = place.pool
    this.index = place.index
    this.drives = place.drives
    this.isHealing = place.isHealing
    this.readTogether = place.readTogether
    this.patience = new Patience(context.clock, place.drives)
    // Other threads talk to the same drives: a random beginning keeps their numbers apart.
    this.#nextStream = context.random.below(2 ** 31) * 2 ** 22 + 1
  }

  get size(): number {
    return this.drives.length
  }

  offlineCount(): number {
    return offlineCountOf(this.drives)
  }

  distributionOf(bucket: string, path: string): readonly number[] {
    return distributionOf(this.context.codec, bucket, path, this.size)
  }

  /** Reads the metadata of one version from the drives and chooses by quorum. Errors are in the result. */
  lookUp(request: LookupRequest): Promise<Lookup> {
    return lookUp(this, request)
  }

  /** The same for several versions of one key (undefined: the latest), in order. */
  lookUpMany(
    target: { readonly bucket: string; readonly path: string },
    versionIds: readonly (string | undefined)[],
  ): Promise<readonly Lookup[]> {
    return lookUpMany(this, target, versionIds)
  }

  /** Hands a key to the repair. */
  async report(key: ReportedKey, reason: RepairReason, versionId?: string): Promise<void> {
    const { bucket, path, removed } = key
    await this.context.repairs.report({
      pool: this.pool,
      set: this.index,
      bucket,
      path,
      versionId,
      reason,
      ...(removed === undefined ? {} : { removed }),
    })
  }

  /** The same when stragglers have answered: what they did may need it. Nobody waits for that. */
  reportAfter(late: Late<unknown>, key: ReportedKey, reason: RepairReason): void {
    void late.outcomes.then(() => this.report(key, reason))
  }

  /** A number for `Drive.readFile` that no other reader of these drives uses. */
  nextStream(): number {
    return this.#nextStream++
  }

  /** Encodes a body onto the drives, or into memory for the metadata. Rejects with the body's own error, `IncompleteBody`, `WriteQuorum`, `StorageFull`, `Aborted`; nothing is left then. */
  stageBody(request: StageRequest, body: BodySource): Promise<StagedBody> {
    return stageBody(this, request, body)
  }

  /** Drops what `stageBody` left below `TMP_VOLUME/<folder>`; never rejects. */
  discardStaged(folder: string): Promise<void> {
    return discardStaged(this, folder)
  }

  /** Puts a version in place on a write quorum, or takes it back everywhere and rejects. The caller holds the write lock of the key. */
  commitVersion(plan: CommitPlan): Promise<Committed> {
    return commitVersion(this, plan)
  }
}
