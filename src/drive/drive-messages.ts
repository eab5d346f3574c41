import type { MessagePort } from 'node:worker_threads'
import { concatBytes } from '#base/bytes'
import type { CodecSeed } from '#codec/arena'
import type { LogOptions } from '#observe/log'
import {
  type Drive,
  DriveError,
  type DriveErrorCode,
  type Durability,
  type WalkEntry,
  type WalkReply,
} from './drive.ts'

/**
 * What a drive's thread and its clients share: the messages, the claims of calls, the state of the drive.
 *
 *   request thread                                  drive thread
 *   DriveClient ──── [[slot, method, arguments] ...], bytes ────► DriveHost ──► LocalDrive
 *               ◄─── [[slot, value] ...], bytes ─────────────────
 *
 * - One message carries all calls of one turn of the event loop, and likewise for replies.
 * - Byte arrays lie in one buffer per message, or in the arena, where only their place is sent.
 * - A claim decides who owns a call: a call that its client gave up is never begun. A read that has begun writes into
 *   the arena whenever a hung thread wakes, so its client tells when that is over (`DriveError.settled`).
 *
 *             client posts        host begins
 *   (free) ─────────────► WAITING ───────────► RUNNING
 *                            └─ given up ─► CANCELLED
 */

/** Methods by their number in messages. */
export const DRIVE_METHODS = [
  'info',
  'makeVolume',
  'statVolume',
  'listVolumes',
  'deleteVolume',
  'readMetadata',
  'commitVersion',
  'undoCommit',
  'updateVersion',
  'deleteVersions',
  'replaceMetadata',
  'restoreBackup',
  'purgeDataDir',
  'appendStaged',
  'linkStaged',
  'discardStaged',
  'commitPart',
  'readFile',
  'closeStream',
  'statFiles',
  'readSmallFiles',
  'writeSmallFile',
  'appendSmallFile',
  'listDirectory',
  'trash',
  'walk',
  'emptyTrash',
] as const satisfies readonly (keyof Drive)[]
export type DriveMethod = (typeof DRIVE_METHODS)[number]

/** Methods whose arguments hold byte arrays. */
export const METHODS_SENDING_BYTES: ReadonlySet<DriveMethod> = new Set<DriveMethod>([
  'commitVersion',
  'updateVersion',
  'deleteVersions',
  'replaceMetadata',
  'appendStaged',
  'commitPart',
  'readFile',
  'writeSmallFile',
  'appendSmallFile',
])

/** Methods that leave something on the drive. */
export const METHODS_CHANGING: ReadonlySet<DriveMethod> = new Set<DriveMethod>([
  'makeVolume',
  'deleteVolume',
  'commitVersion',
  'undoCommit',
  'updateVersion',
  'deleteVersions',
  'replaceMetadata',
  'restoreBackup',
  'appendStaged',
  'linkStaged',
  'commitPart',
  'writeSmallFile',
  'appendSmallFile',
  'trash',
])

/** What the heal of a format needs; all else is refused on an unformatted drive. */
export const METHODS_ON_UNFORMATTED: ReadonlySet<DriveMethod> = new Set<DriveMethod>([
  'info',
  'makeVolume',
  'statVolume',
  'listVolumes',
  'listDirectory',
  'readSmallFiles',
  'writeSmallFile',
])

/** `slot` -1: no reply is wanted. `method`: index in `DRIVE_METHODS`. */
export type WireCall = readonly [slot: number, method: number, values: readonly unknown[]]
export type WireReply = readonly [slot: number, value: unknown]

/** One message, either way. */
export interface WireBatch<T> {
  readonly items: readonly T[]
  /** All byte arrays of the items, one after another. */
  readonly bytes: Uint8Array | undefined
}

/** Both ends of a connection hold the same `claims`: one Int32 for each slot. */
export interface DriveConnection {
  readonly port: MessagePort
  readonly claims: SharedArrayBuffer
}

/** Calls of one client in flight on one drive; further ones are refused at once. */
export const CALLS_IN_FLIGHT_MAX = 4096
export const DRIVE_TIMEOUT_MS = 30_000
/** `Error.stackTraceLimit` where system calls are made: those that fail are ordinary, and most of their cost is the trace. */
export const TRACE_FRAMES = 4

export const CLAIM = { waiting: 1, running: 2, cancelled: 3 } as const

/** True when the call is the host's now. */
export function claimRun(claims: Int32Array, slot: number): boolean {
  return Atomics.compareExchange(claims, slot, CLAIM.waiting, CLAIM.running) === CLAIM.waiting
}

/** What the drive thread is started with. */
export interface DriveHostData {
  readonly kind: 'drive-host'
  readonly root: string
  readonly durability: Durability
  readonly mayHoldV1: boolean
  /** UUID text that `format.json` must hold; undefined: not checked. */
  readonly driveId: string | undefined
  /** The drive may lie on the device of `/` (single drive, tests). */
  readonly mayBeRootDrive: boolean
  /** False: no probes (`_MINIO_DRIVE_ACTIVE_MONITORING=off`). */
  readonly isMonitored: boolean
  readonly timeoutMs: number
  readonly seed: CodecSeed
  readonly regionIndex: number
  readonly states: SharedArrayBuffer
  readonly driveIndex: number
  readonly generation: number
  readonly connections: readonly DriveConnection[]
  readonly log: Pick<LogOptions, 'format' | 'level'>
}

export type HostControl =
  | { readonly kind: 'ping'; readonly id: number }
  /** The start of the server is over. */
  | { readonly kind: 'settle' }
  | { readonly kind: 'stop' }
export type HostNews = { readonly kind: 'ready' } | { readonly kind: 'pong'; readonly id: number }

// State of a drive ---------------------------------------------------------------------------------

/** By number in shared memory. */
const STATES = [
  'online',
  'faulty', // hung, or failing with errors of the faulty class
  'notFound', // path missing, or another drive in its place
  'unformatted', // no format.json
  'accessDenied',
  'starting', // its thread has not answered yet
  'returning', // it works again; the main thread locks it before it is used
] as const
export type DriveState = (typeof STATES)[number]
const WORDS_PER_DRIVE = 2

/** States of `count` drives in memory that all threads share, `starting`. */
export function createDriveStates(count: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(count * WORDS_PER_DRIVE * Int32Array.BYTES_PER_ELEMENT)
  for (let i = 0; i < count; i++) new DriveStateCell(buffer, i).set('starting')
  return buffer
}

/** The state of one drive, seen by every thread. */
export class DriveStateCell {
  readonly #words: Int32Array
  readonly #at: number

  constructor(buffer: SharedArrayBuffer, driveIndex: number) {
    this.#words = new Int32Array(buffer)
    this.#at = driveIndex * WORDS_PER_DRIVE
  }

  get(): DriveState {
    return STATES[Atomics.load(this.#words, this.#at)] ?? 'faulty'
  }

  set(state: DriveState): void {
    Atomics.store(this.#words, this.#at, STATES.indexOf(state))
  }

  isOnline(): boolean {
    return Atomics.load(this.#words, this.#at) === 0
  }

  /** True for the one caller that changes it from `from`; that one reports it. */
  change(from: DriveState, to: DriveState): boolean {
    const expected = STATES.indexOf(from)
    return Atomics.compareExchange(this.#words, this.#at, expected, STATES.indexOf(to)) === expected
  }

  /** Which thread of the drive is the current one; an abandoned one no longer speaks for the drive. */
  get generation(): number {
    return Atomics.load(this.#words, this.#at + 1)
  }

  /** The number of a new thread. */
  nextGeneration(): number {
    return Atomics.add(this.#words, this.#at + 1, 1) + 1
  }
}

/** Why calls of a drive in this state fail. */
export function stateError(state: Exclude<DriveState, 'online'>, endpoint: string): DriveError {
  switch (state) {
    case 'faulty':
      return new DriveError('DriveFaulty', `Drive "${endpoint}" is faulty`)
    case 'notFound':
      return new DriveError('DriveNotFound', `Drive "${endpoint}" is not found`)
    case 'unformatted':
      return new DriveError('DriveUnformatted', `Drive "${endpoint}" is not formatted`)
    case 'accessDenied':
      return new DriveError('DriveAccessDenied', `Access to drive "${endpoint}" is denied`)
    case 'starting':
    case 'returning':
      return new DriveError('DriveNotFound', `Drive "${endpoint}" is not ready yet`)
  }
}

// Values ---------------------------------------------------------------------------------------------

/** Stands for a byte array in a message. */
export interface WireBytes {
  readonly bytesAt: number
  readonly size: number
  /** In the arena; else in the `bytes` of the message. */
  readonly inArena: boolean
}

interface WireError {
  readonly failure: DriveErrorCode
  readonly message: string
  readonly newestNs: bigint | undefined
  readonly cause: string | undefined
}

/** Buffers from this size on are handed over instead of copied: below, the copy is cheaper. */
const TRANSFER_SIZE_MIN = 16_384

/** Collects what the next message carries. Byte arrays must stay untouched until `post`. */
export class Outbox<T> {
  readonly #arena: ArrayBufferLike
  #items: T[] = []
  #chunks: Uint8Array[] = []
  #size = 0

  constructor(arena: ArrayBufferLike) {
    this.#arena = arena
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Sends what was collected, if anything. */
  post(port: MessagePort): void {
    if (this.#items.length === 0) return
    const batch: WireBatch<T> = { items: this.#items, bytes: this.#joined() }
    this.clear()
    const buffer = batch.bytes?.buffer
    if (buffer instanceof ArrayBuffer && buffer.byteLength >= TRANSFER_SIZE_MIN) {
      port.postMessage(batch, [buffer])
    } else port.postMessage(batch)
  }

  clear(): void {
    this.#items = []
    this.#chunks = []
    this.#size = 0
  }

  /** The value with byte arrays and errors replaced by what stands for them. */
  pack(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Uint8Array) return this.place(value)
    if (value instanceof DriveError) return wireError(value)
    if (Array.isArray(value)) return value.map((item: unknown) => this.pack(item))
    const packed: Record<string, unknown> = {}
    for (const [name, member] of Object.entries(value)) packed[name] = this.pack(member)
    return packed
  }

  isInArena(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#arena
  }

  /** The place that a read fills; outside the arena only the size counts. */
  targetOf(bytes: Uint8Array): WireBytes {
    const inArena = this.isInArena(bytes)
    return { bytesAt: inArena ? bytes.byteOffset : 0, size: bytes.length, inArena }
  }

  place(bytes: Uint8Array): WireBytes {
    const size = bytes.length
    if (this.isInArena(bytes)) return { bytesAt: bytes.byteOffset, size, inArena: true }
    const bytesAt = this.#size
    this.#chunks.push(bytes)
    this.#size += size
    return { bytesAt, size, inArena: false }
  }

  /** A whole buffer of their own, since a view would be sent with all that lies around it. */
  #joined(): Uint8Array | undefined {
    if (this.#size === 0) return undefined
    const joined = new Uint8Array(this.#size)
    let at = 0
    for (const chunk of this.#chunks) {
      joined.set(chunk, at)
      at += chunk.length
    }
    return joined
  }
}

/** The other way round. `arenaBytes` gives the bytes at a place of the arena: a view or a copy. */
export function unpack(
  value: unknown,
  bytes: Uint8Array | undefined,
  arenaBytes?: (place: WireBytes) => Uint8Array,
): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: unknown) => unpack(item, bytes, arenaBytes))
  if (isWireBytes(value)) {
    if (value.inArena) return arenaBytes?.(value)
    return bytes?.subarray(value.bytesAt, value.bytesAt + value.size) ?? new Uint8Array(0)
  }
  if (isWireError(value)) return driveError(value)
  const unpacked: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) {
    unpacked[name] = unpack(member, bytes, arenaBytes)
  }
  return unpacked
}

export function isWireBytes(value: unknown): value is WireBytes {
  return typeof value === 'object' && value !== null && 'bytesAt' in value
}

function isWireError(value: object): value is WireError {
  return 'failure' in value
}

function wireError(error: DriveError): WireError {
  // A miss is an ordinary answer, nobody asks for the system call behind it.
  const isMiss = error.code.endsWith('NotFound') && error.code !== 'DriveNotFound'
  const cause = isMiss || !(error.cause instanceof Error) ? undefined : error.cause.message
  return { failure: error.code, message: error.message, newestNs: error.newestNs, cause }
}

function driveError(wire: WireError): DriveError {
  return new DriveError(wire.failure, wire.message, {
    ...(wire.cause === undefined ? {} : { cause: new Error(wire.cause) }),
    ...(wire.newestNs === undefined ? {} : { newestNs: wire.newestNs }),
  })
}

/** A page of a walk: names joined (they hold no NUL), metadata of all entries in one piece. */
export interface WireWalk {
  /** Of a prefix two: its own, and what its first key adds to it. */
  readonly names: string
  readonly count: number
  /** Little-endian Int32 for each entry: size of its metadata, or one of the two below. */
  readonly sizes: WireBytes
  readonly metadata: WireBytes
  readonly done: boolean
}

const NO_METADATA = -1
const IS_PREFIX = -2

export function packWalk(reply: WalkReply, out: Outbox<WireReply>): WireWalk {
  const count = reply.entries.length
  const sizes = new Int32Array(count)
  const metadata: Uint8Array[] = []
  const names: string[] = []
  for (const [index, { name, isPrefix, firstKey, metadata: own }] of reply.entries.entries()) {
    sizes[index] = isPrefix ? IS_PREFIX : (own?.length ?? NO_METADATA)
    names.push(name)
    if (isPrefix) names.push(firstKey?.slice(name.length) ?? '')
    else if (own !== undefined) metadata.push(own)
  }
  return {
    names: names.join('\0'),
    count,
    sizes: out.place(new Uint8Array(sizes.buffer)),
    metadata: out.place(concatBytes(metadata)),
    done: reply.done,
  }
}

export function unpackWalk(wire: WireWalk, bytes: Uint8Array | undefined): WalkReply {
  const { count } = wire
  const entries: WalkEntry[] = []
  if (count === 0 || bytes === undefined) return { entries, done: wire.done }
  const sizes = new DataView(bytes.buffer, bytes.byteOffset + wire.sizes.bytesAt, wire.sizes.size)
  const names = wire.names.split('\0')
  let at = wire.metadata.bytesAt
  let next = 0
  for (let i = 0; i < count; i++) {
    const size = sizes.getInt32(4 * i, true)
    const name = names[next++] ?? ''
    if (size === IS_PREFIX) {
      const rest = names[next++] ?? ''
      entries.push({ name, isPrefix: true, firstKey: rest === '' ? undefined : name + rest })
    } else if (size < 0) entries.push({ name, isPrefix: false })
    else {
      entries.push({ name, isPrefix: false, metadata: bytes.subarray(at, at + size) })
      at += size
    }
  }
  return { entries, done: wire.done }
}
