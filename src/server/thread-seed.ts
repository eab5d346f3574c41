import type { MessagePort } from 'node:worker_threads'
import type { Settings } from '#config/config'
import type { CodecSeed } from '#codec/arena'
import type { DistributionAlgorithm } from '#drive/format-json'
import type { StorageClasses } from '#object/context'

/** One drive as a thread reaches it. */
export interface DriveSeat {
  readonly endpoint: string
  /** Index into the shared states of all drives. */
  readonly stateIndex: number
}

export interface PoolSeats {
  /** By set and position. */
  readonly sets: readonly (readonly DriveSeat[])[]
  readonly distributionAlgorithm: DistributionAlgorithm
}

/** What every thread with an engine gets: the memory that all share, and what does not change while the server runs. */
export interface EngineSeed {
  readonly settings: Settings
  readonly storage: StorageClasses
  readonly deploymentId: string
  readonly pools: readonly PoolSeats[]
  readonly codec: CodecSeed
  /** Region of the arena of this thread. */
  readonly region: number
  readonly lockMemory: SharedArrayBuffer
  readonly bucketGeneration: SharedArrayBuffer
  readonly driveStates: SharedArrayBuffer
  /** To the drive threads, by `stateIndex`. */
  readonly drivePorts: readonly MessagePort[]
}

/** A request thread gets this as its worker data. */
export interface RequestThreadSeed extends EngineSeed {
  readonly port: number
  readonly host: string
  /** To the main thread, which keeps the list of repairs. */
  readonly repairPort: MessagePort
}

/** From the main thread to a request thread. */
export type RequestThreadOrder =
  | { readonly kind: 'stop'; readonly limitMs: number }
  /** The thread of a drive was replaced: calls go here from now on. */
  | { readonly kind: 'drive'; readonly stateIndex: number; readonly port: MessagePort }

/** From a request thread to the main thread. */
export type RequestThreadNews =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'stopped' }
