import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import type { Codec } from '#codec/codec'
import type { ObjectEncryption } from '#encryption/object-encryption'
import type { SealedFiles } from '#encryption/sealed-files'
import type { Log } from '#observe/log'
import type { NamespaceLocks } from './locks.ts'
import type { RepairSink } from './repair-sink.ts'

/** Storage class settings after the defaults were filled in (`parityFor` of `#config/topology`). */
export interface StorageClasses {
  readonly standardParity: number
  readonly reducedParity: number
  readonly optimize: 'availability' | 'capacity'
  /** Largest shard kept inside `xl.meta` in unversioned buckets; an eighth of it in versioned ones. */
  readonly inlineBlockBytes: number
}

/** What every part of one engine shares. One engine belongs to one thread, as its codec does. */
export interface EngineContext {
  readonly codec: Codec
  readonly clock: Clock
  readonly random: Random
  readonly locks: NamespaceLocks
  readonly deploymentId: string
  readonly storage: StorageClasses
  readonly repairs: RepairSink
  readonly encryption: ObjectEncryption
  /** Configuration and IAM at rest. */
  readonly sealedFiles: SealedFiles
  readonly log: Log
}

/** Block size of everything written today. */
export const BLOCK_SIZE_BYTES = 1_048_576
/** Longest waits for a namespace lock (distributed.md 3.2). */
export const OPERATION_LOCK_MS = 600_000
export const DELETE_LOCK_MS = 300_000
