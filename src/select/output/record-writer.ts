/** Records of the result as text (s3-api.md 6.2.5). */
import type { CsvOutput, JsonOutput } from '../select.ts'
import { jsonFor, textFor, type Value } from '../sql/values.ts'

/** Builds one record after the other. */
export interface RecordWriter {
  begin(): void
  add(name: string, value: Value): void
  /** The record with its delimiter. */
  end(): string
}

export function createRecordWriter(output: CsvOutput | JsonOutput): RecordWriter {
  return output.kind === 'csv' ? new CsvWriter(output) : new JsonWriter(output)
}

class CsvWriter implements RecordWriter {
  readonly #output: CsvOutput
  readonly #special: RegExp
  readonly #quote: string
  #text = ''
  #isFirst = true

  constructor(output: CsvOutput) {
    this.#output = output
    // An empty quote character is a zero byte, as in MinIO.
    this.#quote = output.quote === '' ? '\0' : output.quote
    const specials = [output.fieldDelimiter, this.#quote].map((c) => RegExp.escape(c)).join('')
    this.#special = new RegExp(`^\\s|[\\r\\n${specials}]`)
  }

  begin(): void {
    this.#text = ''
    this.#isFirst = true
  }

  add(_name: string, value: Value): void {
    if (!this.#isFirst) this.#text += this.#output.fieldDelimiter
    this.#isFirst = false
    const text = textFor(value)
    const isQuoted = this.#output.quoteFields === 'ALWAYS' || this.#special.test(text)
    this.#text += isQuoted ? this.#quoted(text) : text
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

  add(name: string, value: Value): void {
    if (value === undefined) return
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
