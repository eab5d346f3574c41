import type { DriveError, CommitRequest } from '#drive/drive'
import type { DigestName, Digests } from '../object.ts'
import {
  NULL_VERSION_ID,
  type DeleteMarker,
  type ObjectVersion,
  type VersionHeader,
} from '#drive/xl-meta'

/**
 * Types of one erasure set's operations.
 *
 * Words: a *position* is the index of a drive in its set; a *shard index* counts from 1 and names a row of the code.
 * `distribution[position]` is the shard index stored there.
 * `path` is the encoded key; `versionId` is 32 hex digits, zeros for the null version.
 */

export const NULL_VERSION = NULL_VERSION_ID

/** How a version is cut and spread. */
export interface Shape {
  readonly dataShards: number
  readonly parityShards: number
  readonly blockSizeBytes: number
  readonly distribution: readonly number[]
}

export interface StageRequest {
  readonly shape: Shape
  /** Below TMP_VOLUME, of this body alone; its file is `part.<partNumber>`. Nothing is created while the body fits inline. */
  readonly folder: string
  readonly partNumber: number
  /** Largest shard file that stays in memory, for the metadata; undefined: a multipart part, always a file. A body of unknown size goes to files unless it turns out empty. */
  readonly inlineLimitBytes: number | undefined
  /** Beside MD5; undefined: none at all, as these bytes are not the plain content. */
  readonly digests: readonly DigestName[] | undefined
  readonly bucket: string
  readonly key: string
  readonly signal?: AbortSignal | undefined
}

/** A body that was encoded and lies on the drives or in memory. Give it to a commit or discard it. */
export interface StagedBody {
  readonly sizeBytes: number
  /** MD5 and what was asked for; empty when nothing was. */
  readonly digests: Digests
  /** By position: this drive's framed shards, when they go into the metadata. */
  readonly inline: readonly Uint8Array[] | undefined
  /** By position: whether the drive has everything. With `inline`: whether it is online. */
  readonly isComplete: readonly boolean[]
  /** Whether there is something to discard below TMP_VOLUME. */
  readonly isStaged: boolean
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
  /** In mode `write`: the newest modification time known to be stored for the key. */
  readonly newerThanNs?: bigint | undefined
  /** In mode `write`: the time to store instead of now, unless something newer is stored. */
  readonly wishedNs?: bigint | undefined
  /** No drive has anything of the key: there is nothing to keep for the case that the commit is taken back. */
  readonly isFirst?: boolean
}

/** One drive's copy of the version that was chosen. */
export interface Copy {
  /** Row of the code whose bytes lie here, after the rule of misplaced shards (disk-format.md 2.6). */
  readonly shardIndex: number
  readonly dataDir: string
  /** Framed shards of part 1, when the metadata was read with them. */
  readonly inline: Uint8Array | undefined
  /** V1 objects: hashes of this drive's files by part number, for parts without a hash for each block. */
  readonly wholeFileHashes: ReadonlyMap<number, WholeFileHash> | undefined
}

export interface WholeFileHash {
  readonly algorithm: 'sha256' | 'highwayhash256' | 'blake2b'
  readonly hash: Uint8Array
}

/** A version that enough drives agree on. */
export interface ChosenVersion {
  readonly header: VersionHeader
  /** `legacy` versions are shown as objects; `isLegacy` tells where their data lies. */
  readonly body: ObjectVersion | DeleteMarker
  readonly isLegacy: boolean
  /** The data lies in the metadata files; `copies` have it if the lookup asked for it. */
  readonly isInline: boolean
  readonly isLatest: boolean
  /** Modification time of the next newer version, when there is one. */
  readonly successorModifiedNs: bigint | undefined
  /** By position; undefined: this drive cannot serve the version, or was not asked. */
  readonly copies: readonly (Copy | undefined)[]
  readonly readQuorum: number
}

export type Lookup =
  | {
      readonly kind: 'found'
      readonly version: ChosenVersion
      /** Modification time of the key's latest version in this set. */
      readonly latestNs: bigint | undefined
    }
  | {
      readonly kind: 'absent'
      readonly isBucketMissing: boolean
      /** The key has versions, or drives remember it by free versions. */
      readonly hasOthers: boolean
      /** So many drives have nothing of it that it stays absent, whatever the others have. */
      readonly isForGood: boolean
      readonly latestNs: bigint | undefined
    }
  /** Acknowledged data may exist, but too few drives answer or agree (D4.13). */
  | {
      readonly kind: 'unreadable'
      readonly cause: DriveError | undefined
      /** Of what the drives that answered have, acknowledged or not. */
      readonly latestNs: bigint | undefined
    }

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
