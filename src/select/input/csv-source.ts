import { SelectError } from '../select-error.ts'
import type { CsvInput } from '../select.ts'
import type { Evaluate } from '../sql/compile.ts'
import type { WorkMeter } from '../sql/meter.ts'
import type { Name } from '../sql/syntax.ts'
import { Untyped, type Value } from '../sql/values.ts'
import type { ColumnPath } from './query-paths.ts'
import type { RecordSource } from './record-source.ts'
import type { TextWindow } from './text-window.ts'

export const RECORD_MAX_CHARACTERS = 1024 * 1024
const FIELDS_INITIAL = 64
const NONE = -1
const POSITION = /^_([1-9]\d{0,6})$/

/** How the text of a field is found between its ends. */
const PLAIN = 0
const QUOTED = 1

export interface CsvSourceOptions {
  readonly input: CsvInput
  readonly window: TextWindow
  readonly meter: WorkMeter
  /** Names of the columns, where the header was read elsewhere. */
  readonly names?: readonly string[] | undefined
  /** The window begins one record delimiter before the first byte wanted. */
  readonly skipsPartial: boolean
  stop(): void
}

/**
 * Records of CSV. Nothing is made of a record but the ends of its fields, and of these only up to the last one asked
 * for: a record that has no quotes is found by one search for its end.
 */
export class CsvSource implements RecordSource {
  readonly #options: CsvSourceOptions
  readonly #window: TextWindow
  readonly #meter: WorkMeter
  readonly #delimiter: string
  readonly #field: number
  readonly #quote: number
  readonly #escape: number
  readonly #comment: number
  /** `\n` ends records that end with `\r\n` too. */
  readonly #dropsReturn: boolean
  #names: readonly string[] = []
  /** Names of columns without a header: `_1`, `_2`, ... */
  readonly #positions: string[] = []
  // The current record, and its fields found so far.
  #begin = 0
  #end = 0
  #count = 0
  #isSplit = false
  #splitAt = 0
  #starts = new Int32Array(FIELDS_INITIAL)
  #ends = new Int32Array(FIELDS_INITIAL)
  #forms = new Uint8Array(FIELDS_INITIAL)
  /** Index of the first quote from the current record on; NONE: must be looked for. */
  #nextQuote = NONE

  constructor(options: CsvSourceOptions) {
    const { input, window, meter } = options
    this.#options = options
    this.#window = window
    this.#meter = meter
    this.#delimiter = input.recordDelimiter
    this.#dropsReturn = input.recordDelimiter === '\n'
    this.#field = input.fieldDelimiter.charCodeAt(0)
    this.#quote = codeOf(input.quote)
    this.#escape = codeOf(input.quoteEscape)
    this.#comment = codeOf(input.comment)
  }

  async open(): Promise<void> {
    await this.fill()
    if (this.#options.skipsPartial) await this.#skipPartial()
    const { names, input } = this.#options
    if (names !== undefined) {
      this.#names = names
      return
    }
    if (input.header === 'NONE' || this.#options.skipsPartial) return
    while (!this.next()) if (!(await this.fill())) return
    if (input.header === 'USE') this.#names = this.#texts()
  }

  /** Names of the columns: the header, if it is used. */
  get names(): readonly string[] {
    return this.#names
  }

  async fill(): Promise<boolean> {
    this.#nextQuote = NONE
    return this.#window.fill()
  }

  close(): void {
    this.#options.stop()
  }

  /** Up to and with the first record delimiter: that belongs to a record that began before the range. */
  async #skipPartial(): Promise<void> {
    const window = this.#window
    for (;;) {
      const end = window.text.indexOf(this.#delimiter, window.at)
      if (end >= 0) {
        window.at = end + this.#delimiter.length
        return
      }
      // The delimiter may be cut in two.
      window.at = Math.max(window.at, window.text.length - this.#delimiter.length + 1)
      if (!(await this.fill())) {
        window.at = window.text.length
        return
      }
    }
  }

  next(): boolean {
    const window = this.#window
    const { text } = window
    for (;;) {
      const begin = window.at
      if (begin >= window.limit) return this.#finish()
      if (begin >= text.length) return false
      this.#begin = begin
      this.#count = 0
      let end: number
      let after: number
      if (text.charCodeAt(begin) !== this.#comment && this.#hasQuote(begin)) {
        after = this.#splitQuoted()
        end = this.#end
      } else {
        end = text.indexOf(this.#delimiter, begin)
        this.#isSplit = false
        this.#splitAt = begin
        if (end >= 0) after = end + this.#delimiter.length
        else if (window.isComplete) after = end = text.length
        else after = NONE
      }
      if (after === NONE) {
        if (text.length - begin > RECORD_MAX_CHARACTERS) throw new SelectError('OverMaxRecordSize')
        return false
      }
      if (end - begin > RECORD_MAX_CHARACTERS) throw new SelectError('OverMaxRecordSize')
      window.at = after
      this.#end = end
      if (this.#dropsReturn && !this.#isSplit && text.charCodeAt(end - 1) === 0x0d && end > begin) {
        this.#end = end - 1
      }
      // Empty lines are no records, nor are comments.
      if (this.#end > begin && text.charCodeAt(begin) !== this.#comment) return true
    }
  }

  #finish(): false {
    const window = this.#window
    window.isComplete = true
    window.at = window.text.length
    return false
  }

  /** Whether the record that begins at `begin` has a quote. */
  #hasQuote(begin: number): boolean {
    if (this.#quote === NONE) return false
    const { text } = this.#window
    if (this.#nextQuote < begin) {
      const found = text.indexOf(this.#options.input.quote, begin)
      this.#nextQuote = found < 0 ? Number.POSITIVE_INFINITY : found
    }
    if (this.#nextQuote === Number.POSITIVE_INFINITY) return false
    const end = text.indexOf(this.#delimiter, begin)
    return end < 0 || this.#nextQuote < end
  }

  /** Splits a record with quotes whole. Answers where the next one begins; NONE: its end is not here yet. */
  #splitQuoted(): number {
    const { text, isComplete } = this.#window
    let at = this.#begin
    for (;;) {
      const start = at
      let form = PLAIN
      if (text.charCodeAt(at) === this.#quote) {
        form = QUOTED
        at = this.#closingQuote(at)
        if (at === NONE) {
          if (isComplete) throw new SelectError('CSVParsingError')
          return NONE
        }
      }
      // Also what stands between a closing quote and the next delimiter.
      while (at < text.length) {
        const code = text.charCodeAt(at)
        if (code === this.#field) break
        if (code === this.#delimiter.charCodeAt(0) && text.startsWith(this.#delimiter, at)) break
        at += 1
      }
      const isLast = at >= text.length
      if (isLast && !isComplete) return NONE
      if (!isLast && text.charCodeAt(at) === this.#field) {
        this.#push(start, at, form)
        at += 1
        continue
      }
      const hasReturn = this.#dropsReturn && at > start && text.charCodeAt(at - 1) === 0x0d
      this.#end = hasReturn ? at - 1 : at
      this.#push(start, this.#end, form)
      this.#isSplit = true
      return isLast ? text.length : at + this.#delimiter.length
    }
  }

  /** Index behind the quote that closes the one at `at`; NONE: there is none in the text. */
  #closingQuote(at: number): number {
    const { text, isComplete } = this.#window
    let i = at + 1
    for (; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code === this.#quote) {
        if (this.#escape !== this.#quote) return i + 1
        // At the end of the text it may be the first half of a doubled one.
        if (i + 1 >= text.length && !isComplete) return NONE
        if (text.charCodeAt(i + 1) !== this.#quote) return i + 1
        i += 1
      } else if (code === this.#escape) i += 1
    }
    return NONE
  }

  #push(start: number, end: number, form: number): void {
    if (this.#count === this.#starts.length) this.#grow()
    this.#starts[this.#count] = start
    this.#ends[this.#count] = end
    this.#forms[this.#count] = form
    this.#count += 1
  }

  #grow(): void {
    const size = this.#count * 2
    const starts = new Int32Array(size)
    const ends = new Int32Array(size)
    const forms = new Uint8Array(size)
    starts.set(this.#starts)
    ends.set(this.#ends)
    forms.set(this.#forms)
    this.#starts = starts
    this.#ends = ends
    this.#forms = forms
  }

  /** Finds fields of a record without quotes until number `index` (from 0) is known or the record ends. */
  #splitTo(index: number): void {
    const { text } = this.#window
    const end = this.#end
    const field = this.#field
    let at = this.#splitAt
    while (this.#count <= index) {
      const start = at
      while (at < end && text.charCodeAt(at) !== field) at += 1
      this.#push(start, at, PLAIN)
      if (at >= end) {
        this.#isSplit = true
        break
      }
      at += 1
    }
    this.#splitAt = at
  }

  #splitAll(): void {
    if (!this.#isSplit) this.#splitTo(RECORD_MAX_CHARACTERS)
  }

  /** Text of a field; undefined where the record has none. */
  text(index: number): string | undefined {
    if (!this.#isSplit && index >= this.#count) this.#splitTo(index)
    if (index >= this.#count) return undefined
    const start = this.#starts[index] ?? 0
    const end = this.#ends[index] ?? 0
    this.#meter.spend((end - start) >> 3)
    const { text } = this.#window
    return this.#forms[index] === PLAIN ? text.slice(start, end) : this.#unquoted(start, end)
  }

  #unquoted(start: number, end: number): string {
    const { text } = this.#window
    const { quote, quoteEscape } = this.#options.input
    const inner = text.slice(start + 1, end - 1)
    // Nothing escaped, nothing behind the closing quote: the usual case.
    if (
      text.charCodeAt(end - 1) === this.#quote &&
      !inner.includes(quote) &&
      (quoteEscape === quote || !inner.includes(quoteEscape))
    ) {
      return inner
    }
    let out = ''
    let at = start + 1
    for (; at < end; at++) {
      const code = text.charCodeAt(at)
      const isDoubled =
        code === this.#quote && code === this.#escape && text.charCodeAt(at + 1) === code
      if (isDoubled && at + 1 < end) at += 1
      else if (code === this.#quote) break
      else if (code === this.#escape) at += 1
      out += text.charAt(at)
    }
    return out + text.slice(at + 1, end)
  }

  #texts(): string[] {
    this.#splitAll()
    return Array.from({ length: this.#count }, (_, i) => this.text(i) ?? '')
  }

  columns(use: (name: string | undefined, value: Value) => void): void {
    this.#splitAll()
    const hasNames = this.#names.length > 0
    for (let i = 0; i < this.#count; i++) {
      use(hasNames ? this.#names[i] : this.#positionName(i), this.text(i))
    }
  }

  #positionName(index: number): string {
    let name = this.#positions[index]
    if (name === undefined) {
      name = `_${index + 1}`
      // Column after column, so that the list has no holes.
      this.#positions.push(name)
    }
    return name
  }

  bind({ first, steps }: ColumnPath): Evaluate {
    if (first === undefined || steps.length > 0) throw new SelectError('DataSourcePathUnsupported')
    const index = this.#indexOf(first)
    return () => {
      const text = this.text(index)
      return text === undefined ? null : new Untyped(text)
    }
  }

  #indexOf(name: Name): number {
    const exact = this.#names.indexOf(name.text)
    if (exact >= 0) return exact
    if (!name.isQuoted) {
      const lower = name.text.toLowerCase()
      const found = this.#names.findIndex((column) => column.toLowerCase() === lower)
      if (found >= 0) return found
    }
    const position = POSITION.exec(name.text)
    if (position !== null) return Number(position[1]) - 1
    if (this.#options.input.header === 'USE') {
      throw new SelectError('MissingHeaders', `The column ${JSON.stringify(name.text)} is missing.`)
    }
    throw new SelectError('InvalidColumnIndex')
  }
}

function codeOf(character: string): number {
  return character === '' ? NONE : character.charCodeAt(0)
}
