import type { MessagePort } from 'node:worker_threads'
import type { CodecSeed } from '#codec/arena'
import type { Settings } from '#config/config'
import type { DriveConnection } from '#drive/drive-messages'
import type { KmsSeed } from '#encryption/kms'
import type { DistributionAlgorithm } from '#drive/format-json'
import type { StorageClasses } from '#object/context'
import type { LogOptions } from '#observe/log'

/** One drive as a thread reaches it. */
export interface DriveSeat {
  readonly endpoint: string
  /** Position in the list of all drives. */
  readonly index: number
}

export interface PoolSeats {
  /** By set and position. */
  readonly sets: readonly (readonly DriveSeat[])[]
  readonly distributionAlgorithm: DistributionAlgorithm
}

/** What every thread with an engine gets: the memory that all share, and what does not change while the server runs. */
export interface EngineSeed {
  /** Without the secrets of the KMS, which is in `kms`. */
  readonly settings: Settings
  readonly kms: KmsSeed | undefined
  readonly log: Pick<LogOptions, 'format' | 'level'>
  readonly storage: StorageClasses
  readonly deploymentId: string
  readonly pools: readonly PoolSeats[]
  readonly codec: CodecSeed
  /** Region of the arena of this thread. */
  readonly region: number
  readonly lockMemory: SharedArrayBuffer
  readonly bucketGeneration: SharedArrayBuffer
  readonly driveStates: SharedArrayBuffer
  /** One byte for each drive: 1 while it replaces another one and is being filled. */
  readonly healing: SharedArrayBuffer
  /** One Int32: requests that are being served. */
  readonly running: SharedArrayBuffer
}

/** What was found on the drives when the server started; it takes the place of the same things in the seed. */
export interface StartState {
  readonly settings: Settings
  readonly storage: StorageClasses
  /** Numbers of the pools that take no new objects. */
  readonly closedPools: readonly number[]
}

/** A request thread gets this as its worker data. */
export interface RequestThreadSeed extends EngineSeed {
  readonly kind: 'request-thread'
  /** To the main thread, which keeps the list of repairs. */
  readonly repairPort: MessagePort
}

/** From the main thread to a request thread. */
export type RequestThreadOrder =
  /** A drive has a (new) thread: calls go here from now on. */
  | { readonly kind: 'drive'; readonly index: number; readonly connection: DriveConnection }
  | { readonly kind: 'listen'; readonly port: number; readonly state: StartState }
  /** The start is over. */
  | { readonly kind: 'settle' }
  | { readonly kind: 'stop' }

/** From a request thread to the main thread. */
export type RequestThreadNews =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'stopped' }
