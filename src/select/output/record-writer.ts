/** Records of the result as text (s3-api.md 6.2.5). */
import type { CsvOutput, JsonOutput } from '../select.ts'
import { jsonFor, textFor, type Value } from '../sql/values.ts'

const SPACE = 0x20
const TAB = 0x09
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Builds one record after the other. */
export interface RecordWriter {
  begin(): void
  /** In JSON what has no name is left out. */
  add(name: string | undefined, value: Value): void
  /** The record with its delimiter. */
  end(): string
}

export function createRecordWriter(output: CsvOutput | JsonOutput): RecordWriter {
  return output.kind === 'csv' ? new CsvWriter(output) : new JsonWriter(output)
}

class CsvWriter implements RecordWriter {
  readonly #output: CsvOutput
  readonly #quote: string
  readonly #quoteCode: number
  readonly #fieldCode: number
  #text = ''
  #isFirst = true

  constructor(output: CsvOutput) {
    this.#output = output
    // An empty quote character is a zero byte, as in MinIO.
    this.#quote = output.quote === '' ? '\0' : output.quote
    this.#quoteCode = this.#quote.charCodeAt(0)
    this.#fieldCode = output.fieldDelimiter.charCodeAt(0)
  }

  begin(): void {
    this.#text = ''
    this.#isFirst = true
  }

  add(_name: string | undefined, value: Value): void {
    if (!this.#isFirst) this.#text += this.#output.fieldDelimiter
    this.#isFirst = false
    const text = textFor(value)
    const isQuoted = this.#output.quoteFields === 'ALWAYS' || this.#isSpecial(text)
    this.#text += isQuoted ? this.#quoted(text) : text
  }

  /** Whether a reader would take the bare text for something else. */
  #isSpecial(text: string): boolean {
    const first = text.charCodeAt(0)
    if (first === SPACE || first === TAB) return true
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code === this.#fieldCode || code === this.#quoteCode) return true
      if (code === LINE_FEED || code === CARRIAGE_RETURN) return true
    }
    return false
  }

  #quoted(text: string): string {
    const quote = this.#quote
    const inner = text.includes(quote)
      ? text.replaceAll(quote, () => this.#output.quoteEscape + quote)
      : text
    return quote + inner + quote
  }

  end(): string {
    return this.#text + this.#output.recordDelimiter
  }
}

class JsonWriter implements RecordWriter {
  readonly #delimiter: string
  /** Names as they are written, with what goes around them. */
  readonly #names = new Map<string, string>()
  #text = ''

  constructor(output: JsonOutput) {
    this.#delimiter = output.recordDelimiter
  }

  begin(): void {
    this.#text = ''
  }

  add(name: string | undefined, value: Value): void {
    if (name === undefined || value === undefined) return
    this.#text += `${this.#text === '' ? '{' : ','}${this.#nameOf(name)}${jsonFor(value)}`
  }

  #nameOf(name: string): string {
    let text = this.#names.get(name)
    if (text === undefined) {
      text = `${JSON.stringify(name.replaceAll('*', '__ALL__'))}:`
      if (this.#names.size < NAMES_MAX) this.#names.set(name, text)
    }
    return text
  }

  end(): string {
    return `${this.#text === '' ? '{' : this.#text}}${this.#delimiter}`
  }
}

/** Names kept; data may have ever new ones. */
const NAMES_MAX = 1000
