import { SelectError } from '../select-error.ts'
import type { JsonInput } from '../select.ts'
import type { Evaluate } from '../sql/compile.ts'
import type { WorkMeter } from '../sql/meter.ts'
import type { Step } from '../sql/syntax.ts'
import { JsonObject, type Value } from '../sql/values.ts'
import { RECORD_MAX_CHARACTERS } from './csv-source.ts'
import { JsonExtent } from './json-extent.ts'
import { JsonParser } from './json-parser.ts'
import { follow, member, recordsBelow } from './json-paths.ts'
import type { ColumnPath } from './query-paths.ts'
import type { RecordSource } from './record-source.ts'
import type { TextWindow } from './text-window.ts'

const DOCUMENT_MAX_CHARACTERS = 10 * 1024 * 1024
const EMPTY = new JsonObject([], [])

export interface JsonSourceOptions {
  readonly input: JsonInput
  readonly window: TextWindow
  readonly meter: WorkMeter
  /** Path of the table behind its leading `[*]`. */
  readonly tablePath: readonly Step[]
  /** Names of the outermost members that the query uses; undefined: all. */
  readonly wanted: ReadonlySet<string> | undefined
  /** The window begins one line end before the first byte wanted. */
  readonly skipsPartial: boolean
  stop(): void
}

/** Records of JSON: of each line, or of each value of a document. */
export class JsonSource implements RecordSource {
  readonly #options: JsonSourceOptions
  readonly #window: TextWindow
  readonly #meter: WorkMeter
  readonly #extent = new JsonExtent()
  /** Whether a member is used, by name as it stands in the data. */
  readonly #isWanted = new Map<string, boolean>()
  #queue: readonly Value[] = []
  #queueAt = 0
  /** The parser of a line that may have more values. */
  #line: { readonly parser: JsonParser; readonly end: number; readonly next: number } | undefined
  #record: JsonObject = EMPTY
  #recordCharacters = 0

  constructor(options: JsonSourceOptions) {
    this.#options = options
    this.#window = options.window
    this.#meter = options.meter
  }

  async open(): Promise<void> {
    await this.fill()
    if (!this.#options.skipsPartial) return
    const window = this.#window
    for (;;) {
      const end = window.text.indexOf('\n', window.at)
      window.at = end < 0 ? window.text.length : end + 1
      if (end >= 0 || !(await this.fill())) return
    }
  }

  async fill(): Promise<boolean> {
    const { at } = this.#window
    const isMore = await this.#window.fill()
    this.#extent.move(at - this.#window.at)
    return isMore
  }

  close(): void {
    this.#options.stop()
  }

  next(): boolean {
    for (;;) {
      if (this.#queueAt < this.#queue.length) {
        this.#use(this.#queue[this.#queueAt])
        this.#queueAt += 1
        return true
      }
      const value = this.#options.input.type === 'LINES' ? this.#nextOfLine() : this.#nextDocument()
      if (value === NOT_HERE) return false
      const { tablePath } = this.#options
      if (tablePath.length === 0) {
        this.#use(value)
        return true
      }
      this.#queue = recordsBelow(value, tablePath)
      this.#queueAt = 0
    }
  }

  /** Scalars and arrays are records of one column. */
  #use(value: Value): void {
    if (value instanceof JsonObject) this.#record = value
    else this.#record = value === undefined ? EMPTY : new JsonObject(['_1'], [value])
  }

  #nextOfLine(): Value | typeof NOT_HERE {
    const window = this.#window
    for (;;) {
      if (this.#line !== undefined) {
        const { parser, end, next } = this.#line
        if (parser.skipBlanks() < end) return parser.value()
        this.#line = undefined
        window.at = next
      }
      const { text, at } = window
      if (at >= window.limit) {
        window.isComplete = true
        window.at = text.length
        return NOT_HERE
      }
      if (at >= text.length) return NOT_HERE
      const found = text.indexOf('\n', at)
      const end = found < 0 ? text.length : found
      if (end - at > RECORD_MAX_CHARACTERS) throw new SelectError('OverMaxRecordSize')
      if (found < 0 && !window.isComplete) return NOT_HERE
      this.#recordCharacters = end - at
      this.#line = {
        parser: new JsonParser(text, { at, end, wants: this.#wants }),
        end,
        next: found < 0 ? end : end + 1,
      }
    }
  }

  #nextDocument(): Value | typeof NOT_HERE {
    const window = this.#window
    const { text } = window
    const end = this.#extent.find(text, window.at, window.isComplete)
    if (
      text.length - window.at > DOCUMENT_MAX_CHARACTERS &&
      (end ?? text.length) - window.at > DOCUMENT_MAX_CHARACTERS
    ) {
      throw new SelectError('OverMaxRecordSize')
    }
    if (end === undefined) return NOT_HERE
    const parser = new JsonParser(text, { at: window.at, end, wants: this.#wants })
    if (parser.skipBlanks() >= end) {
      window.at = end
      return NOT_HERE
    }
    const value = parser.value()
    if (parser.skipBlanks() < end) throw new SelectError('JSONParsingError')
    this.#recordCharacters = end - window.at
    window.at = end
    return value
  }

  get #wants(): ((name: string) => boolean) | undefined {
    return this.#options.wanted === undefined ? undefined : this.#isUsed
  }

  readonly #isUsed = (name: string): boolean => {
    let isUsed = this.#isWanted.get(name)
    if (isUsed === undefined) {
      isUsed = this.#options.wanted?.has(name.toLowerCase()) !== false
      // Data with ever new names must not fill the memory.
      if (this.#isWanted.size < NAMES_MAX) this.#isWanted.set(name, isUsed)
    }
    return isUsed
  }

  columns(use: (name: string, value: Value) => void): void {
    const { names, values } = this.#record
    for (let i = 0; i < names.length; i++) use(names[i] ?? '', values[i])
  }

  bind({ first, steps }: ColumnPath): Evaluate {
    if (first === undefined) return () => this.#spent(follow(this.#record, steps))
    if (steps.length === 0) return () => this.#spent(member(this.#record, first))
    return () => this.#spent(follow(member(this.#record, first), steps))
  }

  #spent(value: Value): Value {
    if (typeof value === 'string') this.#meter.spend(value.length >> 3)
    else if (typeof value === 'object' && value !== null) {
      this.#meter.spend(this.#recordCharacters)
    }
    return value
  }
}

const NAMES_MAX = 10_000
const NOT_HERE = Symbol('more input is needed')
