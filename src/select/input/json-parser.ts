/**
 * A JSON parser that keeps what JavaScript's own loses: the order and repetition of members, 64-bit integers, a limit of
 * depth. Members that nobody asks for are skipped without making anything of them.
 */
import { SelectError } from '../select-error.ts'
import { INT_DIGITS_MAX, JsonObject, type Value } from '../sql/values.ts'

const DEPTH_MAX = 100
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39
const SPACE = 0x20

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

export class JsonParser {
  readonly #text: string
  readonly #end: number
  readonly #wants: ((name: string) => boolean) | undefined
  #at: number
  #depth = 0

  /** Parses `text` from `at` up to `end`. `wants`: which members of the outermost object are kept; default: all. */
  constructor(
    text: string,
    {
      at,
      end,
      wants,
    }: {
      readonly at: number
      readonly end: number
      readonly wants?: ((name: string) => boolean) | undefined
    },
  ) {
    this.#text = text
    this.#at = at
    this.#end = end
    this.#wants = wants
  }

  /** Where the next value begins; the end when there is none. */
  skipBlanks(): number {
    while (this.#at < this.#end) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== SPACE && code !== 0x0a && code !== 0x0d && code !== 0x09) break
      this.#at += 1
    }
    return this.#at
  }

  /** The next value. Errors: `JSONParsingError`. */
  value(): Value {
    switch (this.#code()) {
      case OPEN_BRACE:
        return this.#object(true)
      case OPEN_BRACKET:
        return this.#array(true)
      case QUOTE:
        return this.#string()
      default:
        return this.#scalar()
    }
  }

  /** Code of the next character behind blanks. */
  #code(): number {
    const at = this.skipBlanks()
    if (at >= this.#end) throw this.#error()
    return this.#text.charCodeAt(at)
  }

  #error(): SelectError {
    return new SelectError('JSONParsingError')
  }

  #enter(): void {
    this.#at += 1
    this.#depth += 1
    if (this.#depth > DEPTH_MAX) throw this.#error()
  }

  #leave(): void {
    this.#at += 1
    this.#depth -= 1
  }

  #object(keep: boolean): JsonObject {
    const names: string[] = []
    const values: Value[] = []
    const wants = this.#depth === 0 ? this.#wants : undefined
    this.#enter()
    let isFirst = true
    for (;;) {
      let code = this.#code()
      if (code === CLOSE_BRACE && isFirst) break
      if (code !== QUOTE) throw this.#error()
      isFirst = false
      const name = this.#string()
      if (this.#code() !== COLON) throw this.#error()
      this.#at += 1
      if (keep && (wants === undefined || wants(name))) {
        names.push(name)
        values.push(this.value())
      } else this.#skip()
      code = this.#code()
      if (code === CLOSE_BRACE) break
      if (code !== COMMA) throw this.#error()
      this.#at += 1
    }
    this.#leave()
    return new JsonObject(names, values)
  }

  #array(keep: boolean): readonly Value[] {
    const values: Value[] = []
    this.#enter()
    let code = this.#code()
    while (code !== CLOSE_BRACKET) {
      if (keep) values.push(this.value())
      else this.#skip()
      code = this.#code()
      if (code === CLOSE_BRACKET) break
      if (code !== COMMA) throw this.#error()
      this.#at += 1
      code = this.#code()
      if (code === CLOSE_BRACKET) throw this.#error()
    }
    this.#leave()
    return values
  }

  #skip(): void {
    switch (this.#code()) {
      case OPEN_BRACE:
        this.#object(false)
        return
      case OPEN_BRACKET:
        this.#array(false)
        return
      case QUOTE:
        this.#skipString()
        return
      default:
        if (this.#isNumber()) this.#numeral()
        else this.#scalar()
    }
  }

  /** Moves behind the string at hand; answers whether it has escapes. */
  #skipString(): boolean {
    const text = this.#text
    const end = this.#end
    let hasEscapes = false
    let at = this.#at + 1
    for (; at < end; at++) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        this.#at = at + 1
        return hasEscapes
      }
      if (code === BACKSLASH) {
        hasEscapes = true
        at += 1
      } else if (code < SPACE) throw this.#error()
    }
    throw this.#error()
  }

  #string(): string {
    const start = this.#at + 1
    const hasEscapes = this.#skipString()
    const raw = this.#text.slice(start, this.#at - 1)
    return hasEscapes ? this.#unescaped(raw) : raw
  }

  #unescaped(raw: string): string {
    return raw.replace(/\\(u[0-9a-fA-F]{4}|[^])/g, (_, escape: string) => {
      if (escape.length > 1) return String.fromCharCode(Number.parseInt(escape.slice(1), 16))
      const plain = SIMPLE_ESCAPES[escape]
      if (plain === undefined) throw this.#error()
      return plain
    })
  }

  #scalar(): Value {
    if (this.#isNumber()) return this.#number()
    if (this.#accept('true')) return true
    if (this.#accept('false')) return false
    if (this.#accept('null')) return null
    throw this.#error()
  }

  #isNumber(): boolean {
    const code = this.#text.charCodeAt(this.#at)
    return code === MINUS || (code >= ZERO && code <= NINE)
  }

  #accept(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at) || this.#at + word.length > this.#end) return false
    this.#at += word.length
    return true
  }

  #number(): Value {
    const literal = this.#numeral()
    // Ids of 64 bits without a sign must come out as they came in.
    if (literal.length <= INT_DIGITS_MAX && !/[.eE]/.test(literal)) return BigInt(literal)
    const value = Number(literal)
    if (Number.isFinite(value)) return value
    // A number beyond any float becomes the largest one.
    return literal.startsWith('-') ? -Number.MAX_VALUE : Number.MAX_VALUE
  }

  /** Moves behind the number at hand; answers it as it is written. */
  #numeral(): string {
    NUMBER.lastIndex = this.#at
    const literal = NUMBER.exec(this.#text)?.[0]
    if (literal === undefined || this.#at + literal.length > this.#end) throw this.#error()
    this.#at += literal.length
    return literal
  }
}
