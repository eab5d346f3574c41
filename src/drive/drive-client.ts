import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { assert } from '#base/assert'
import type { Clock, Timer } from '#base/clock'
import type { Log } from '#observe/log'
import {
  type CommitReply,
  type CommitRequest,
  type DeleteReply,
  type DeleteRequest,
  type Drive,
  DriveError,
  type DriveInfo,
  type DriveReply,
  type DriveResult,
  type EncodedVersion,
  type PartCommit,
  type VolumeInfo,
  type WalkReply,
  type WalkRequest,
} from './drive.ts'
import {
  CALLS_IN_FLIGHT_MAX,
  CLAIM,
  DRIVE_METHODS,
  DRIVE_TIMEOUT_MS,
  type DriveConnection,
  type DriveMethod,
  DriveStateCell,
  METHODS_ON_UNFORMATTED,
  METHODS_SENDING_BYTES,
  Outbox,
  stateError,
  unpack,
  unpackWalk,
  type WireBatch,
  type WireCall,
  type WireReply,
  type WireWalk,
} from './drive-messages.ts'

export interface DriveClientOptions {
  /** As on the command line. */
  readonly endpoint: string
  readonly clock: Clock
  readonly log: Log
  /** Of `createDriveStates`. */
  readonly states: SharedArrayBuffer
  readonly driveIndex: number
  /** Buffer of the codec's memory: views of it are passed by their place. */
  readonly arena: ArrayBufferLike
  readonly timeoutMs?: number
  readonly callsInFlightMax?: number
}

interface Pending {
  readonly resolve: (result: unknown) => void
  readonly method: DriveMethod
  readonly deadlineMs: number
  /** Of `readFile`, when it is not in the arena. */
  readonly target: Uint8Array | undefined
  /** A read that writes into the arena itself. */
  readonly isIntoArena: boolean
  /** As the caller has it. */
  reply: Promise<unknown> | undefined
  isWithdrawn: boolean
}

const METHOD_NUMBERS: ReadonlyMap<DriveMethod, number> = new Map(
  DRIVE_METHODS.map((method, index) => [method, index]),
)

/**
 * A drive that lives in another thread; one client for each thread and drive.
 *
 * - All calls of one turn of the event loop travel in one message.
 * - A call that misses its deadline answers `DriveTimeout` and takes the drive offline. From then on its memory is the
 *   caller's again, except that of a read into the arena which has begun (`DriveError.settled`: at most one for each
 *   thread of the drive). An append that had begun may still read the memory, and what it writes then is a staged file
 *   whose writer gave it up.
 * - A call taken back with `withdraw` still tells, by its deadline, that the drive hangs.
 * - Given-up calls count as in flight until the drive's thread has seen them, so a hung drive holds a bounded number.
 */
export class DriveClient implements Drive {
  readonly endpoint: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #state: DriveStateCell
  readonly #timeoutMs: number
  readonly #callsInFlightMax: number
  readonly #outbox: Outbox<WireCall>
  #port: MessagePort | undefined
  #claims: Int32Array = new Int32Array(0)
  /** By slot, in the order of the calls: deadlines ascend. */
  readonly #pending = new Map<number, Pending>()
  #freeSlots: number[] = []
  /** By slot: reads into the arena that were given up and go on. */
  readonly #unsettled = new Map<number, () => void>()
  #isFlushPlanned = false
  #timer: Timer | undefined

  constructor(options: DriveClientOptions) {
    this.endpoint = options.endpoint
    this.#clock = options.clock
    this.#log = options.log
    this.#state = new DriveStateCell(options.states, options.driveIndex)
    this.#timeoutMs = options.timeoutMs ?? DRIVE_TIMEOUT_MS
    this.#callsInFlightMax = options.callsInFlightMax ?? CALLS_IN_FLIGHT_MAX
    this.#outbox = new Outbox(options.arena)
  }

  /** Uses a new thread of the drive from now on. Calls that wait for the one before fail with `DriveTimeout`. */
  connect(connection: DriveConnection): void {
    this.close()
    this.#unsettled.clear() // the thread before was abandoned: what it reads into is never known to be free
    this.#claims = new Int32Array(connection.claims)
    const count = Math.min(this.#callsInFlightMax, this.#claims.length)
    this.#freeSlots = Array.from({ length: count }, (_, index) => count - 1 - index)
    this.#port = connection.port
    connection.port.on('message', (batch: WireBatch<WireReply>) => this.#take(batch))
    connection.port.on('close', () => {
      if (this.#port !== connection.port) return
      // Its thread ended, and with it what it was reading.
      this.close()
      for (const settle of this.#unsettled.values()) settle()
      this.#unsettled.clear()
    })
  }

  /** Ends the connection; also done when the thread ends. Waiting calls fail with `DriveTimeout`. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#outbox.clear()
    this.#port?.close()
    this.#port = undefined
    for (const [slot, pending] of this.#pending) {
      this.#giveUp(slot, pending, 'The thread of the drive ended')
    }
    this.#pending.clear()
    this.#freeSlots = []
  }

  isOnline(): boolean {
    return this.#state.isOnline()
  }

  withdraw(reply: DriveReply<unknown>): boolean {
    for (const [slot, pending] of this.#pending) {
      if (pending.reply !== reply) continue
      // The host runs only what it can claim.
      pending.isWithdrawn = this.#cancel(slot)
      return pending.isWithdrawn
    }
    return false // answered
  }

  info(): DriveReply<DriveInfo> {
    return this.#call('info', [])
  }

  makeVolume(volume: string): DriveReply<void> {
    return this.#call('makeVolume', [volume])
  }

  statVolume(volume: string): DriveReply<VolumeInfo> {
    return this.#call('statVolume', [volume])
  }

  listVolumes(): DriveReply<readonly VolumeInfo[]> {
    return this.#call('listVolumes', [])
  }

  deleteVolume(volume: string, options: { readonly force: boolean }): DriveReply<void> {
    return this.#call('deleteVolume', [volume, options])
  }

  readMetadata(
    volume: string,
    path: string,
    options: { readonly inline: boolean },
  ): DriveReply<Uint8Array> {
    return this.#call('readMetadata', [volume, path, options])
  }

  commitVersion(request: CommitRequest): DriveReply<CommitReply> {
    return this.#call('commitVersion', [request])
  }

  undoCommit(
    volume: string,
    path: string,
    versionId: string,
    oldDataDir: string | undefined,
  ): DriveReply<void> {
    return this.#call('undoCommit', [volume, path, versionId, oldDataDir])
  }

  updateVersion(volume: string, path: string, version: EncodedVersion): DriveReply<CommitReply> {
    return this.#call('updateVersion', [volume, path, version])
  }

  deleteVersions(
    volume: string,
    path: string,
    requests: readonly DeleteRequest[],
  ): DriveReply<readonly DriveResult<DeleteReply>[]> {
    return this.#call('deleteVersions', [volume, path, requests])
  }

  replaceMetadata(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#call('replaceMetadata', [volume, path, bytes])
  }

  restoreBackup(volume: string, path: string, dataDir: string): DriveReply<void> {
    return this.#call('restoreBackup', [volume, path, dataDir])
  }

  purgeDataDir(volume: string, path: string, dataDir: string): DriveReply<void> {
    return this.#call('purgeDataDir', [volume, path, dataDir])
  }

  appendStaged(
    path: string,
    chunks: readonly Uint8Array[],
    options: { readonly last: boolean },
  ): DriveReply<void> {
    return this.#call('appendStaged', [path, chunks, options])
  }

  linkStaged(
    volume: string,
    directory: string,
    names: readonly string[],
    folder: string,
  ): DriveReply<void> {
    return this.#call('linkStaged', [volume, directory, names, folder])
  }

  discardStaged(path: string): DriveReply<void> {
    return this.#call('discardStaged', [path])
  }

  commitPart(request: PartCommit): DriveReply<void> {
    return this.#call('commitPart', [request])
  }

  readFile(
    volume: string,
    path: string,
    offset: number,
    target: Uint8Array,
    stream?: number,
    frameBytes?: number,
  ): DriveReply<void> {
    return this.#call('readFile', [volume, path, offset, target, stream, frameBytes])
  }

  closeStream(stream: number): void {
    if (this.#port === undefined) return
    this.#outbox.push([-1, numberOf('closeStream'), [stream]])
    this.#planFlush()
  }

  statFiles(
    volume: string,
    directory: string,
    names: readonly string[],
  ): DriveReply<readonly (number | undefined)[]> {
    return this.#call('statFiles', [volume, directory, names])
  }

  readSmallFiles(
    volume: string,
    paths: readonly string[],
  ): DriveReply<readonly (Uint8Array | undefined)[]> {
    return this.#call('readSmallFiles', [volume, paths])
  }

  writeSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#call('writeSmallFile', [volume, path, bytes])
  }

  appendSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#call('appendSmallFile', [volume, path, bytes])
  }

  listDirectory(volume: string, path: string, limit: number): DriveReply<readonly string[]> {
    return this.#call('listDirectory', [volume, path, limit])
  }

  trash(volume: string, path: string): DriveReply<void> {
    return this.#call('trash', [volume, path])
  }

  walk(request: WalkRequest): DriveReply<WalkReply> {
    return this.#call('walk', [request])
  }

  emptyTrash(limit: number): DriveReply<{ readonly left: number; readonly removed: number }> {
    return this.#call('emptyTrash', [limit])
  }

  #call<M extends Exclude<DriveMethod, 'closeStream'>>(
    method: M,
    values: Parameters<Drive[M]>,
  ): ReturnType<Drive[M]> {
    const refusal = this.#refusalOf(method)
    const slot = refusal === undefined ? this.#freeSlots.pop() : undefined
    let pending: Pending | undefined
    const reply = new Promise<unknown>((resolve) => {
      if (slot === undefined) {
        resolve(refusal ?? new DriveError('DriveTimeout', 'Too many calls wait for the drive'))
        return
      }
      const target = method === 'readFile' ? this.#ownTarget(values[3]) : undefined
      const isIntoArena = method === 'readFile' && target === undefined
      const deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs
      pending = {
        resolve,
        method,
        deadlineMs,
        target,
        isIntoArena,
        reply: undefined,
        isWithdrawn: false,
      }
      this.#pending.set(slot, pending)
      Atomics.store(this.#claims, slot, CLAIM.waiting)
      this.#outbox.push([slot, numberOf(method), this.#packed(method, values)])
      this.#planFlush()
    })
    if (pending !== undefined) pending.reply = reply
    // The border to untyped messages: the host answers each method with that method's result.
    return reply as ReturnType<Drive[M]>
  }

  #refusalOf(method: DriveMethod): DriveError | undefined {
    const state = this.#state.get()
    if (state !== 'online' && !(state === 'unformatted' && METHODS_ON_UNFORMATTED.has(method))) {
      return stateError(state, this.endpoint)
    }
    return this.#port === undefined ? stateError('starting', this.endpoint) : undefined
  }

  #ownTarget(target: unknown): Uint8Array | undefined {
    return target instanceof Uint8Array && !this.#outbox.isInArena(target) ? target : undefined
  }

  #packed(method: DriveMethod, values: readonly unknown[]): readonly unknown[] {
    if (!METHODS_SENDING_BYTES.has(method)) return values
    return values.map((value, index) =>
      // The target of a read is a place or, outside the arena, only a size.
      method === 'readFile' && index === 3 && value instanceof Uint8Array
        ? this.#outbox.targetOf(value)
        : this.#outbox.pack(value),
    )
  }

  #planFlush(): void {
    this.#timer ??= this.#clock.setTimer(this.#timeoutMs, () => this.#expire())
    if (this.#isFlushPlanned) return
    this.#isFlushPlanned = true
    setImmediate(() => {
      this.#isFlushPlanned = false
      if (this.#port !== undefined) this.#outbox.post(this.#port)
    })
  }

  #take(batch: WireBatch<WireReply>): void {
    for (const [slot, value] of batch.items) {
      this.#freeSlots.push(slot)
      const pending = this.#pending.get(slot)
      if (pending === undefined) {
        this.#unsettled.get(slot)?.() // given up before
        this.#unsettled.delete(slot)
        continue
      }
      this.#pending.delete(slot)
      pending.resolve(resultOf(pending, value, batch.bytes))
    }
  }

  /** Gives up the calls whose deadline has passed. One timer serves all, since deadlines ascend. */
  #expire(): void {
    this.#timer = undefined
    this.#takeWaitingReplies()
    const nowMs = this.#clock.monotonicMs()
    let nextMs: number | undefined
    let isLate = false
    for (const [slot, pending] of this.#pending) {
      if (pending.deadlineMs > nowMs) {
        nextMs ??= pending.deadlineMs - nowMs
        break
      }
      isLate = true
      this.#pending.delete(slot)
      this.#giveUp(slot, pending, `Drive "${this.endpoint}" does not answer ${pending.method}`)
    }
    if (nextMs !== undefined) this.#timer = this.#clock.setTimer(nextMs, () => this.#expire())
    if (isLate && this.#state.change('online', 'faulty')) {
      this.#log.error(
        `taking drive ${this.endpoint} offline: no answer within ${this.#timeoutMs} ms`,
        { drive: this.endpoint },
      )
    }
  }

  /** When this thread itself was late, the replies are there already. */
  #takeWaitingReplies(): void {
    if (this.#port === undefined) return
    for (;;) {
      const received: unknown = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      this.#take((received as { readonly message: WireBatch<WireReply> }).message)
    }
  }

  #giveUp(slot: number, pending: Pending, message: string): void {
    const goesOn = !this.#cancel(slot) && pending.isIntoArena
    const settled = goesOn
      ? new Promise<void>((resolve) => this.#unsettled.set(slot, resolve))
      : undefined
    pending.resolve(new DriveError('DriveTimeout', message, { settled }))
  }

  /** True: the call had not begun, and never will. */
  #cancel(slot: number): boolean {
    const { waiting, cancelled } = CLAIM
    const before = Atomics.compareExchange(this.#claims, slot, waiting, cancelled)
    return before === waiting || before === cancelled
  }
}

function numberOf(method: DriveMethod): number {
  const number = METHOD_NUMBERS.get(method)
  assert(number !== undefined)
  return number
}

function resultOf(pending: Pending, value: unknown, bytes: Uint8Array | undefined): unknown {
  if (pending.isWithdrawn) return new DriveError('DriveTimeout', 'The call was taken back')
  const isPage = typeof value === 'object' && value !== null && 'names' in value
  // The border to untyped messages: only the host's `packWalk` makes such a value.
  if (pending.method === 'walk' && isPage) return unpackWalk(value as WireWalk, bytes)
  const result = unpack(value, bytes)
  if (pending.target !== undefined && result instanceof Uint8Array) {
    pending.target.set(result)
    return undefined
  }
  return result
}
