/**
 * Where the engine hands in versions that need repair: copies missed by a write, or found damaged by a read.
 * The healer behind it keeps the queue over restarts and bounds it (distributed.md D4.9).
 */

export type RepairReason =
  | 'missed' // a drive did not take a write, delete or metadata update
  | 'late' // the same, and it has not answered: it may still take it, or be offline soon
  | 'missing' // a read found a drive without the version, or with an older one
  | 'corrupt' // a read found a shard or metadata file that does not verify
  | 'disagreement' // drives hold different version lists (D4.10), or a commit was half taken back (D4.3)

export interface RepairItem {
  readonly pool: number
  readonly set: number
  readonly bucket: string
  /** Encoded key, as on the drive. */
  readonly path: string
  /** 32 hex digits; undefined: every version of the key. */
  readonly versionId?: string | undefined
  readonly reason: RepairReason
  /** Versions whose delete was acknowledged: copies that are left need not wait for the age at which doubtful ones go. */
  readonly removed?: readonly RemovedVersion[] | undefined
}

export interface RemovedVersion {
  /** 32 hex digits. */
  readonly versionId: string
  /** Newest modification time that the delete was about, nanoseconds, as decimal digits. */
  readonly untilNs: string
}

export interface RepairSink {
  /** Queues one item. Writers wait for the result before they answer their client, so that a repair owed survives a crash; readers do not wait. Never rejects. */
  report(item: RepairItem): Promise<void> | void
}
