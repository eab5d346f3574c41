import type { Clock, Timer } from '#base/clock'
import type { RepairItem, RepairSink } from './repair-sink.ts'
import { repairItemFrom } from './repair-item.ts'

/**
 * Repairs reported by request threads, handed to the queue of the main thread.
 *
 *   request thread                      main thread
 *     { id, item }        ───────────>  queue.report(item)
 *                         <───────────  { id }, once the item is in its journals
 *
 * Reports of readers about one key share one message and one answer within a second. Those of writers do not: what the
 * first of them told may be repaired when the next one misses a drive.
 */

/** What a `MessagePort` of node:worker_threads or of the web has. */
export interface RepairPort {
  postMessage(message: unknown): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'close', listener: () => void): unknown
}

const SAME_KEY_MS = 1000
/** Reports under way at a time, and keys remembered. Beyond this, reports of readers, who do not wait, would pile up. */
const PENDING_MAX = 10_000

interface Pending {
  readonly name: string
  readonly promise: Promise<void>
  readonly resolve: () => void
}

export class PortRepairSink implements RepairSink {
  readonly #port: RepairPort
  readonly #clock: Clock
  readonly #pending = new Map<number, Pending>()
  /** By key: the answer that reports of the last second wait for. */
  readonly #recent = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  #nextId = 1
  #isClosed = false
  #sweep: Timer | undefined

  constructor(port: RepairPort, clock: Clock) {
    this.#port = port
    this.#clock = clock
    port.on('message', (message) => this.#answered(message))
    port.on('close', () => this.#close())
  }

  /** Resolves when the main thread has made the item durable, or is gone. Never rejects. */
  async report(item: RepairItem): Promise<void> {
    const removed = item.removed?.map(({ versionId, untilNs }) => `/${versionId}/${untilNs}`)
    const name = `${item.pool}/${item.set}/${item.bucket}/${item.path}/${item.versionId ?? ''}/${item.reason}${removed?.join('') ?? ''}`
    const isShared = item.reason === 'missing' || item.reason === 'corrupt'
    const known = isShared ? this.#recent.get(name) : undefined
    if (known !== undefined) return known
    while (this.#pending.size >= PENDING_MAX && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    if (this.#isClosed) return undefined
    const again = isShared ? this.#recent.get(name) : undefined
    if (again !== undefined) return again
    const id = this.#nextId++
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#pending.set(id, { name, promise, resolve })
    if (isShared) this.#remember(name, promise)
    this.#port.postMessage({ id, item: { ...item } })
    return promise
  }

  #remember(name: string, promise: Promise<void>): void {
    this.#recent.set(name, promise)
    // All of a second are forgotten together: cheaper than a timer for each.
    this.#sweep ??= this.#clock.setTimer(SAME_KEY_MS, () => {
      this.#sweep = undefined
      this.#recent.clear()
    })
    if (this.#recent.size > PENDING_MAX) this.#recent.clear()
  }

  #answered(message: unknown): void {
    const id = idOf(message)
    const pending = id === undefined ? undefined : this.#pending.get(id)
    if (id === undefined || pending === undefined) return
    this.#pending.delete(id)
    pending.resolve()
    this.#waiting.shift()?.()
  }

  /** The main thread is gone, and with it the process: nobody may wait for it. */
  #close(): void {
    this.#isClosed = true
    this.#sweep?.cancel()
    for (const { resolve } of this.#pending.values()) resolve()
    this.#pending.clear()
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** Answers the reports of one request thread. Anything malformed is dropped. */
export function serveRepairPort(port: RepairPort, queue: RepairSink): void {
  port.on('message', (message) => {
    const id = idOf(message)
    const item = repairItemFrom(fieldOf(message, 'item'))
    if (id === undefined || item === undefined || !('bucket' in item)) return
    void Promise.resolve(queue.report(item)).then(() => port.postMessage({ id }))
  })
}

function idOf(message: unknown): number | undefined {
  const id = fieldOf(message, 'id')
  return typeof id === 'number' ? id : undefined
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
