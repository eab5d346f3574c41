import { Worker } from 'node:worker_threads'
import type { Clock, Timer } from '#base/clock'
import { threadEntry } from '#base/thread-entry'
import { SelectError } from '../select-error.ts'
import type { SelectSource } from '../select.ts'
import type { Evaluate } from '../sql/compile.ts'
import type { WorkMeter } from '../sql/meter.ts'
import type { Name, Query } from '../sql/syntax.ts'
import { Timestamp } from '../sql/timestamp.ts'
import { JsonObject, type Value } from '../sql/values.ts'
import { follow } from './json-paths.ts'
import {
  NANOSECONDS,
  type ParquetJob,
  type ParquetReply,
  type ParquetRequest,
} from './parquet-messages.ts'
import { type ColumnPath, usedColumns } from './query-paths.ts'
import type { RecordSource } from './record-source.ts'

/** What a decoder may take: a row group of the largest size, as values. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 384, maxYoungGenerationSizeMb: 32 }
/** For one batch, the reading of its row group included. */
const DEADLINE_MS = 60_000
/** Columns of one file. */
const COLUMNS_MAX = 10_000
const NANOSECONDS_PER_SECOND = 1_000_000_000n

export interface ParquetSourceOptions {
  readonly source: SelectSource
  readonly query: Query
  readonly meter: WorkMeter
  readonly clock: Clock
}

interface Batch {
  readonly rows: number
  readonly columns: readonly (readonly unknown[])[]
}

/** Records of Parquet, decoded by a thread of their own, of the columns that the query uses. */
export class ParquetSource implements RecordSource {
  readonly #options: ParquetSourceOptions
  #worker: Worker | undefined
  #answer: PromiseWithResolvers<ParquetReply> | undefined
  #failure: Error | undefined
  /** Columns of the file. */
  #names: readonly string[] = []
  /** Those that are read. */
  #read: readonly string[] = []
  #batch: Batch = { rows: 0, columns: [] }
  #row = -1
  #scannedBytes = 0

  constructor(options: ParquetSourceOptions) {
    this.#options = options
  }

  progress(): { readonly scannedBytes: number; readonly processedBytes: number } {
    return { scannedBytes: this.#scannedBytes, processedBytes: this.#scannedBytes }
  }

  async open(): Promise<void> {
    const job: ParquetJob = { sizeBytes: this.#options.source.sizeBytes }
    const worker = new Worker(threadEntry(import.meta.url, 'parquet-worker'), {
      workerData: job,
      name: 'select parquet',
      resourceLimits: HEAP_LIMITS,
    })
    this.#worker = worker
    worker.on('message', (reply: ParquetReply) => this.#take(reply))
    // Also what happens when the heap is full.
    worker.on('error', () => this.#fail(new SelectError('OverMaxParquetBlockSize')))
    worker.on('exit', () => this.#fail(new SelectError('InternalError')))
    const reply = await this.#ask(undefined)
    if (reply.kind !== 'schema') throw new SelectError('ParquetParsingError')
    if (reply.names.length > COLUMNS_MAX) throw new SelectError('OverMaxParquetBlockSize')
    this.#names = reply.names
    const used = usedColumns(this.#options.query)
    this.#read =
      used === undefined
        ? this.#names
        : [...new Set(used.map((name) => this.#names[this.#indexOf(name)] ?? ''))]
    this.#post({ kind: 'columns', names: this.#read })
  }

  /** Sends a request and waits for its reply. */
  async #ask(request: ParquetRequest | undefined): Promise<ParquetReply> {
    if (this.#failure !== undefined) throw this.#failure
    const answer = Promise.withResolvers<ParquetReply>()
    this.#answer = answer
    if (request !== undefined) this.#post(request)
    const timer: Timer = this.#options.clock.setTimer(DEADLINE_MS, () =>
      this.#fail(new SelectError('OverMaxParquetBlockSize')),
    )
    try {
      const reply = await answer.promise
      if (reply.kind === 'error') throw this.#failure ?? new SelectError(reply.code)
      return reply
    } finally {
      timer.cancel()
      this.#answer = undefined
    }
  }

  #post(request: ParquetRequest, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker?.postMessage(request, transfer)
  }

  #take(reply: ParquetReply): void {
    if (reply.kind === 'read') void this.#serve(reply.id, reply.start, reply.end)
    else this.#answer?.resolve(reply)
  }

  #fail(error: SelectError): void {
    this.#failure ??= error
    this.#answer?.reject(this.#failure)
    void this.#worker?.terminate()
  }

  /** Gives the thread bytes of the object; it learns only whether that worked. */
  async #serve(id: number, start: number, end: number): Promise<void> {
    try {
      const bytes = await this.#bytes(start, end)
      this.#post({ kind: 'bytes', id, bytes }, [bytes])
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error('Read failed')
      this.#post({ kind: 'failed', id })
    }
  }

  async #bytes(start: number, end: number): Promise<ArrayBuffer> {
    const bytes = new Uint8Array(end - start)
    const stream = await this.#options.source.open(start, end - start)
    try {
      let at = 0
      for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
        bytes.set(piece.subarray(0, bytes.length - at), at)
        at += piece.length
        this.#scannedBytes += piece.length
      }
      if (at < bytes.length) throw new SelectError('ParquetParsingError')
      return bytes.buffer
    } finally {
      stream.close()
    }
  }

  next(): boolean {
    if (this.#row + 1 >= this.#batch.rows) return false
    this.#row += 1
    return true
  }

  async fill(): Promise<boolean> {
    const reply = await this.#ask({ kind: 'next' })
    if (reply.kind !== 'batch') throw new SelectError('ParquetParsingError')
    this.#batch = reply
    this.#row = -1
    return reply.rows > 0
  }

  columns(use: (name: string, value: Value) => void): void {
    for (let i = 0; i < this.#read.length; i++) use(this.#read[i] ?? '', this.#value(i))
  }

  bind({ first, steps }: ColumnPath): Evaluate {
    if (first === undefined) throw new SelectError('DataSourcePathUnsupported')
    const index = this.#read.indexOf(this.#names[this.#indexOf(first)] ?? '')
    if (steps.length === 0) return () => this.#value(index)
    return () => follow(this.#value(index), steps)
  }

  #indexOf(name: Name): number {
    const exact = this.#names.indexOf(name.text)
    if (exact >= 0) return exact
    const lower = name.text.toLowerCase()
    const found = name.isQuoted
      ? -1
      : this.#names.findIndex((column) => column.toLowerCase() === lower)
    if (found < 0) {
      throw new SelectError('MissingHeaders', `The column ${JSON.stringify(name.text)} is missing.`)
    }
    return found
  }

  #value(index: number): Value {
    const value = valueOf(this.#batch.columns[index]?.[this.#row])
    if (typeof value === 'string') this.#options.meter.spend(value.length >> 3)
    return value
  }

  close(): void {
    this.#failure ??= new SelectError('InternalError')
    void this.#worker?.terminate()
  }
}

/** A value as the decoder gives it. */
function valueOf(value: unknown): Value {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value
    case 'number':
      return Number.isFinite(value) ? value : null
    case 'object':
      return value === null ? null : objectOf(value)
    default:
      return null
  }
}

function objectOf(value: object): Value {
  if (Array.isArray(value)) return value.map(valueOf)
  if (value instanceof Uint8Array) return value.toBase64()
  const entries: [string, unknown][] = Object.entries(value)
  const [first] = entries
  if (first?.[0] === NANOSECONDS && typeof first[1] === 'bigint') return instantOf(first[1])
  return new JsonObject(
    entries.map(([name]) => name),
    entries.map(([, member]) => valueOf(member)),
  )
}

function instantOf(nanoseconds: bigint): Timestamp {
  const rest =
    ((nanoseconds % NANOSECONDS_PER_SECOND) + NANOSECONDS_PER_SECOND) % NANOSECONDS_PER_SECOND
  return new Timestamp(Number((nanoseconds - rest) / NANOSECONDS_PER_SECOND), Number(rest), 0)
}
