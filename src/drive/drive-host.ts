import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { assert } from '#base/assert'
import { systemClock } from '#base/clock'
import { collectGarbage } from '#base/memory'
import { systemRandom } from '#base/random'
import { Codec } from '#codec/codec'
import { createLog } from '#observe/log'
import { type Drive, DriveError, type WalkReply } from './drive.ts'
import {
  claimRun,
  DRIVE_METHODS,
  type DriveConnection,
  type DriveHostData,
  type DriveMethod,
  DriveStateCell,
  type HostControl,
  type HostNews,
  isWireBytes,
  METHODS_SENDING_BYTES,
  Outbox,
  packWalk,
  TRACE_FRAMES,
  unpack,
  type WireBatch,
  type WireBytes,
  type WireCall,
  type WireReply,
} from './drive-messages.ts'
import { DriveHealth } from './health.ts'
import { LocalDrive } from './local/local-drive.ts'
import { nodeFileSystem } from './local/node-file-system.ts'

/** After a read of this size the replies leave at once: the client works on it while the next one is read. */
const PROMPT_REPLY_SIZE = 65_536

/** What decides before and learns after every call. */
export type CallWatch = Pick<DriveHealth, 'refusalOf' | 'observe'>

interface Client {
  readonly port: MessagePort
  readonly claims: Int32Array
  readonly outbox: Outbox<WireReply>
  isFlushPlanned: boolean
}

/**
 * Serves a drive to clients in other threads. Calls begin in the order in which they came and go on concurrently, so
 * that reads are answered while changes wait for flushes; only reads of files run one at a time, through one buffer.
 */
export class DriveHost {
  readonly #drive: Drive
  readonly #watch: CallWatch
  readonly #memory: Uint8Array
  readonly #clients: Client[] = []
  #waiting: { readonly client: Client; readonly batch: WireBatch<WireCall> }[] = []
  #isBusy = false

  /** `memory`: the arena. */
  constructor(drive: Drive, watch: CallWatch, memory: Uint8Array) {
    this.#drive = drive
    this.#watch = watch
    this.#memory = memory
  }

  serve(connection: DriveConnection): void {
    const client: Client = {
      port: connection.port,
      claims: new Int32Array(connection.claims),
      outbox: new Outbox(this.#memory.buffer),
      isFlushPlanned: false,
    }
    this.#clients.push(client)
    connection.port.on('message', (batch: WireBatch<WireCall>) => {
      this.#waiting.push({ client, batch })
      if (!this.#isBusy) void this.#work()
    })
  }

  close(): void {
    for (const client of this.#clients) client.port.close()
  }

  async #work(): Promise<void> {
    this.#isBusy = true
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      for (const { client, batch } of waiting) {
        for (const call of batch.items) {
          const reading = this.#begin(client, call, batch.bytes)
          if (reading !== undefined) await reading
        }
      }
    }
    this.#isBusy = false
  }

  /** Answers a promise for what the next call must wait for. */
  #begin(client: Client, call: WireCall, bytes: Uint8Array | undefined): Promise<void> | undefined {
    const [slot, methodNumber, wireValues] = call
    const method = DRIVE_METHODS[methodNumber]
    assert(method !== undefined)
    if (method === 'closeStream') {
      this.#drive.closeStream(Number(wireValues[0]))
      return undefined
    }
    // Bytes of the arena are copied before the claim: a caller that still holds its claim has not reused them.
    const values =
      method === 'readFile' ? wireValues : this.#unpackValues(method, wireValues, bytes)
    if (!claimRun(client.claims, slot)) {
      this.#reply(client, slot, undefined) // nobody waits: this only gives the slot back
      return undefined
    }
    const refusal = this.#watch.refusalOf(method)
    if (refusal !== undefined) {
      this.#reply(client, slot, refusal)
      return undefined
    }
    if (method === 'readFile') return this.#read(client, slot, values)
    void invoke(this.#drive, method, values).then((result) => {
      this.#watch.observe(result)
      this.#reply(client, slot, packReply(method, result, client.outbox))
    })
    return undefined
  }

  #unpackValues(
    method: DriveMethod,
    values: readonly unknown[],
    bytes: Uint8Array | undefined,
  ): readonly unknown[] {
    if (!METHODS_SENDING_BYTES.has(method)) return values
    // Blocks go from the arena to the file system as they are; everything else outlives its call's first step.
    const isView = method === 'appendStaged'
    const arenaBytes = ({ bytesAt, size }: WireBytes): Uint8Array =>
      isView
        ? this.#memory.subarray(bytesAt, bytesAt + size)
        : new Uint8Array(this.#memory.subarray(bytesAt, bytesAt + size))
    return values.map((value) => unpack(value, bytes, arenaBytes))
  }

  async #read(client: Client, slot: number, values: readonly unknown[]): Promise<void> {
    const target = values[3]
    assert(isWireBytes(target))
    const { bytesAt, size, inArena } = target
    const buffer = inArena ? this.#memory.subarray(bytesAt, bytesAt + size) : new Uint8Array(size)
    const result = await invoke(this.#drive, 'readFile', [
      ...values.slice(0, 3),
      buffer,
      ...values.slice(4),
    ])
    this.#watch.observe(result)
    const isSent = !inArena && !(result instanceof DriveError)
    this.#reply(client, slot, isSent ? client.outbox.place(buffer) : result)
    if (size >= PROMPT_REPLY_SIZE) client.outbox.post(client.port)
  }

  /** Replies of one turn leave together. */
  #reply(client: Client, slot: number, value: unknown): void {
    client.outbox.push([slot, value instanceof DriveError ? client.outbox.pack(value) : value])
    if (client.isFlushPlanned) return
    client.isFlushPlanned = true
    setImmediate(() => {
      client.isFlushPlanned = false
      client.outbox.post(client.port)
    })
  }
}

function invoke(drive: Drive, method: DriveMethod, values: readonly unknown[]): Promise<unknown> {
  // The border from untyped messages: the client of this module packed the arguments of just this method.
  const call = drive[method] as (this: Drive, ...values: unknown[]) => Promise<unknown>
  return call.call(drive, ...values)
}

function packReply(method: DriveMethod, result: unknown, out: Outbox<WireReply>): unknown {
  if (result instanceof DriveError) return result
  switch (method) {
    case 'walk':
      return packWalk(result as WalkReply, out) // checked by the type of `Drive`
    case 'readMetadata':
    case 'readSmallFiles':
    case 'deleteVersions':
      return out.pack(result)
    default:
      return result
  }
}

/** Runs in the drive's thread until it is told to stop. */
async function runHost(data: DriveHostData, supervisor: MessagePort): Promise<void> {
  Error.stackTraceLimit = TRACE_FRAMES
  const clock = systemClock()
  const random = systemRandom()
  const fileSystem = nodeFileSystem()
  const codec = new Codec(data.seed, data.regionIndex)
  const { root, durability, mayHoldV1 } = data
  const health = new DriveHealth({
    ...data,
    fileSystem,
    clock,
    random,
    log: createLog(clock, data.log),
    state: new DriveStateCell(data.states, data.driveIndex),
  })
  const drive = new LocalDrive({
    fileSystem,
    root,
    clock,
    random,
    hashes: codec,
    durability,
    mayHoldV1,
  })
  const host = new DriveHost(drive, health, codec.memory)
  supervisor.on('message', (control: HostControl) => {
    if (control.kind === 'ping') {
      const pong: HostNews = { kind: 'pong', id: control.id }
      supervisor.postMessage(pong)
      return
    }
    if (control.kind === 'settle') {
      collectGarbage()
      return
    }
    health.stop()
    host.close()
    supervisor.close()
  })
  await health.start()
  for (const connection of data.connections) host.serve(connection)
  const ready: HostNews = { kind: 'ready' }
  supervisor.postMessage(ready)
}

function isHostData(data: unknown): data is DriveHostData {
  return typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'drive-host'
}

// This file is the entry of drive threads; elsewhere importing it does nothing.
if (!isMainThread && parentPort !== null && isHostData(workerData)) {
  await runHost(workerData, parentPort)
}
