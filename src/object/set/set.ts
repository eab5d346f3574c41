import type { DriveError, CommitRequest } from '#drive/drive'
import type { BodySource, DigestName, Digests } from '../object.ts'
import type { DeleteMarker, ObjectVersion, VersionHeader } from '#drive/xl-meta'

/**
 * Types of one erasure set's operations.
 *
 * Words: a *position* is the index of a drive in its set; a *shard index* counts from 1 and names a row of the code.
 * `distribution[position]` is the shard index stored there.
 * `path` is the encoded key; `versionId` is 32 hex digits, zeros for the null version.
 */

export const NULL_VERSION = '0'.repeat(32)

/** How a version is cut and spread. */
export interface Shape {
  readonly dataShards: number
  readonly parityShards: number
  readonly blockSizeBytes: number
  readonly distribution: readonly number[]
}

export interface StageRequest {
  readonly shape: Shape
  /** Below TMP_VOLUME: `<uuid>/<dataDir>/part.1` or `<uuid>/part.N`. Nothing is created while the body fits inline. */
  readonly path: string
  /** Keep shards in memory when the body's declared size allows it. */
  readonly inline: boolean
  readonly digests: readonly DigestName[]
  readonly bucket: string
  readonly key: string
  readonly signal?: AbortSignal | undefined
}

/** A body that was encoded and lies on the drives or in memory. Give it to a commit or discard it. */
export interface StagedBody {
  readonly sizeBytes: number
  /** Over the plain content: MD5 and what was asked for. */
  readonly digests: Digests
  /** By position: this drive's framed shards, when they go into the metadata. */
  readonly inline: readonly Uint8Array[] | undefined
  /** By position: whether the drive has everything. With `inline`: whether it is online. */
  readonly isComplete: readonly boolean[]
}

export interface CommitPlan {
  readonly bucket: string
  readonly path: string
  /** `modifiedNs` is chosen by the commit in mode `write`; `shardIndex` by position. */
  readonly version: ObjectVersion
  readonly mode: CommitRequest['mode']
  /** As in `CommitRequest`, by position. */
  readonly inline?: readonly Uint8Array[] | undefined
  readonly inlineFrom?: string | undefined
  readonly source?: CommitRequest['source']
  /** Positions that may take part. */
  readonly isComplete: readonly boolean[]
  /** Data shards of the version replaced; undefined: unknown; 0: nothing is replaced. */
  readonly replacedDataShards?: number | undefined
}

/** One drive's copy of the version that was chosen. */
export interface Copy {
  /** Row of the code whose bytes lie here, after the rule of misplaced shards (disk-format.md 2.6). */
  readonly shardIndex: number
  readonly dataDir: string
  /** Framed shards of part 1, when the metadata was read with them. */
  readonly inline: Uint8Array | undefined
}

/** A version that enough drives agree on. */
export interface ChosenVersion {
  readonly header: VersionHeader
  /** `legacy` versions are shown as objects; `isLegacy` tells where their data lies. */
  readonly body: ObjectVersion | DeleteMarker
  readonly isLegacy: boolean
  readonly isLatest: boolean
  /** Modification time of the next newer version, when there is one. */
  readonly successorModifiedNs: bigint | undefined
  /** By position; undefined: this drive cannot serve the version. */
  readonly copies: readonly (Copy | undefined)[]
  readonly readQuorum: number
  readonly writeQuorum: number
}

export type Lookup =
  | { readonly kind: 'found'; readonly version: ChosenVersion }
  /** `isVolume`: the bucket is missing. `hasOthers`: the key exists, not this version of it. */
  | { readonly kind: 'absent'; readonly isVolume: boolean; readonly hasOthers: boolean }
  /** Acknowledged data may exist, but too few drives answer or agree (D4.13). */
  | { readonly kind: 'unreadable'; readonly cause: DriveError | undefined }

export interface LookupRequest {
  readonly bucket: string
  readonly path: string
  /** Undefined: the latest version. */
  readonly versionId: string | undefined
  /** Whether copies carry their inline shards. */
  readonly inline: boolean
  /** Asks every drive, so that every copy is known (writes, repair). Otherwise a few that agree are enough. */
  readonly allDrives: boolean
}

/** `BodySource` plus what a stage needs to know; see `stageBody`. */
export type StageBody = (request: StageRequest, body: BodySource) => Promise<StagedBody>
