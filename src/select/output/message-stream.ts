/** A query that runs: records in, messages out. */
import { utf8 } from '#base/bytes'
import type { Records } from '../input/open-records.ts'
import { columnPathOf, isStar } from '../input/query-paths.ts'
import type { RecordSource } from '../input/record-source.ts'
import { SelectError } from '../select-error.ts'
import type { SelectReply, SelectRequest, SelectServices } from '../select.ts'
import { isAggregation } from '../sql/analysis.ts'
import { compile, type CompileContext, compileTruth, type Evaluate } from '../sql/compile.ts'
import type { WorkMeter } from '../sql/meter.ts'
import type { Query } from '../sql/syntax.ts'
import { Timestamp } from '../sql/timestamp.ts'
import {
  contMessage,
  countsMessage,
  type Counts,
  endMessage,
  errorMessage,
  PAYLOAD_MAX_BYTES,
  recordsMessage,
} from './event-messages.ts'
import { createRecordWriter, type RecordWriter } from './record-writer.ts'

/** Text of records that is sent at once. */
const FLUSH_CHARACTERS = 96 * 1024
const RECORD_MAX_BYTES = 1024 * 1024
const UTF8_BYTES_MAX = 3
const FLUSH_MS = 500
const CONT_MS = 1000
const PROGRESS_MS = 60_000
/** A thread does other things after this long. */
const SLICE_MS = 4
const RECORDS_PER_LOOK = 64
/** Costly records are looked at one by one. */
const STEPS_PER_LOOK = 256 * 1024

export interface MessageStreamOptions {
  readonly request: SelectRequest
  readonly query: Query
  readonly records: Records
  readonly services: SelectServices
}

export class MessageStream implements SelectReply {
  readonly #options: MessageStreamOptions
  readonly #source: RecordSource
  readonly #meter: WorkMeter
  readonly #writer: RecordWriter
  readonly #where: (() => boolean | null) | undefined
  readonly #columns: readonly { readonly name: string; readonly evaluate: Evaluate }[] | undefined
  readonly #aggregates: CompileContext['aggregates'] = []
  readonly #isAggregation: boolean
  /** Records not sent yet. */
  #pending = ''
  #left: number
  #returnedBytes = 0
  #failure: unknown
  #flushedMs: number
  #sentMs: number
  #progressMs: number

  /** Errors: columns that the source does not have. */
  constructor(options: MessageStreamOptions) {
    const { request, query, records, services } = options
    this.#options = options
    this.#source = records.source
    this.#meter = records.meter
    this.#writer = createRecordWriter(request.output)
    this.#isAggregation = isAggregation(query)
    this.#left = query.limit ?? Number.POSITIVE_INFINITY
    const context: CompileContext = {
      bind: (path) => this.#source.bind(columnPathOf(path, query)),
      meter: this.#meter,
      now: instantOf(services.clock.nowNs()),
      aggregates: this.#aggregates,
    }
    this.#where = query.where === undefined ? undefined : compileTruth(query.where, context)
    this.#columns = isStar(query)
      ? undefined
      : query.items?.map(({ expression, name }) => ({
          name,
          evaluate: compile(expression, context),
        }))
    this.#flushedMs = this.#sentMs = this.#progressMs = services.clock.monotonicMs()
  }

  get failure(): unknown {
    return this.#failure
  }

  close(): void {
    this.#source.close()
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* this.#run()
      yield countsMessage('Stats', this.#counts())
      yield endMessage()
    } catch (error) {
      // Without its client a query ends without a word.
      if (this.#options.services.signal.aborted) throw error
      const isKnown = error instanceof SelectError
      if (!isKnown) this.#failure = error
      const told = isKnown ? error : new SelectError('InternalError')
      yield errorMessage(told.code, told.message)
    } finally {
      this.close()
    }
  }

  #counts(): Counts {
    return { ...this.#options.records.progress(), returnedBytes: this.#returnedBytes }
  }

  async *#run(): AsyncGenerator<Uint8Array, void, undefined> {
    const { clock, signal } = this.#options.services
    let sliceEndMs = clock.monotonicMs() + SLICE_MS
    let count = 0
    while (this.#left > 0) {
      if (!this.#source.next()) {
        const more = { isHere: false }
        yield* this.#fill(more)
        if (!more.isHere && !this.#source.next()) break
        if (more.isHere) {
          sliceEndMs = clock.monotonicMs() + SLICE_MS
          continue
        }
      }
      this.#take()
      if (this.#pending.length >= FLUSH_CHARACTERS) yield* this.#flush()
      count += 1
      if (count % RECORDS_PER_LOOK !== 0 && this.#meter.steps < STEPS_PER_LOOK) continue
      if (clock.monotonicMs() < sliceEndMs) continue
      yield* this.#beat()
      await new Promise((resolve) => setImmediate(resolve))
      signal.throwIfAborted()
      sliceEndMs = clock.monotonicMs() + SLICE_MS
    }
    if (this.#isAggregation && this.#options.query.limit !== 0) this.#write()
    yield* this.#flush()
  }

  /** Uses the current record. */
  #take(): void {
    this.#meter.reset()
    if (this.#where !== undefined && this.#where() !== true) return
    if (this.#isAggregation) {
      for (const { operand, accumulator } of this.#aggregates) accumulator.add(operand())
      return
    }
    this.#write()
    this.#left -= 1
  }

  #write(): void {
    const writer = this.#writer
    writer.begin()
    if (this.#columns === undefined) {
      this.#source.columns((name, value) => writer.add(name, value))
    } else {
      for (const { name, evaluate } of this.#columns) writer.add(name, evaluate())
    }
    const text = writer.end()
    if (
      text.length > RECORD_MAX_BYTES ||
      (text.length * UTF8_BYTES_MAX > RECORD_MAX_BYTES && utf8(text).length > RECORD_MAX_BYTES)
    ) {
      throw new SelectError('OverMaxRecordSize')
    }
    this.#pending += text
  }

  /** Waits for input without leaving the client in doubt. */
  async *#fill(more: { isHere: boolean }): AsyncGenerator<Uint8Array, void, undefined> {
    const { clock, signal } = this.#options.services
    let isOver = false
    const filled = this.#source.fill().finally(() => {
      isOver = true
    })
    // Whoever leaves while this is read does not want to know how it ended.
    filled.catch(() => undefined)
    for (;;) {
      const timer = new AbortController()
      const beat = clock.sleep(FLUSH_MS, timer.signal)
      try {
        await Promise.race([filled, beat])
      } finally {
        timer.abort()
      }
      signal.throwIfAborted()
      yield* this.#beat()
      if (isOver) break
    }
    more.isHere = await filled
  }

  /** Sends what is due. */
  async *#beat(): AsyncGenerator<Uint8Array, void, undefined> {
    const nowMs = this.#options.services.clock.monotonicMs()
    if (this.#pending !== '' && nowMs - this.#flushedMs >= FLUSH_MS) yield* this.#flush()
    if (this.#options.request.wantsProgress && nowMs - this.#progressMs >= PROGRESS_MS) {
      this.#progressMs = this.#sentMs = nowMs
      yield countsMessage('Progress', this.#counts())
    }
    if (nowMs - this.#sentMs >= CONT_MS) {
      this.#sentMs = nowMs
      yield contMessage()
    }
  }

  /** Sends all records. */
  *#flush(): Generator<Uint8Array, void, undefined> {
    const bytes = utf8(this.#pending)
    this.#pending = ''
    for (let at = 0; at < bytes.length; at += PAYLOAD_MAX_BYTES) {
      const payload = bytes.subarray(at, at + PAYLOAD_MAX_BYTES)
      this.#returnedBytes += payload.length
      yield recordsMessage(payload)
    }
    this.#flushedMs = this.#sentMs = this.#options.services.clock.monotonicMs()
  }
}

function instantOf(nowNs: bigint): Timestamp {
  return new Timestamp(Number(nowNs / 1_000_000_000n), Number(nowNs % 1_000_000_000n), 0)
}
