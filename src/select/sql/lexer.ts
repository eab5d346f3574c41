import { SelectError } from '../select-error.ts'

export type TokenKind = 'name' | 'quoted' | 'int' | 'float' | 'string' | 'ion' | 'symbol' | 'end'

export interface Token {
  readonly kind: TokenKind
  /** Content: without quotes and with doubled ones undone. */
  readonly text: string
  /** Upper case of a bare name, for comparison with keywords; empty for other kinds. */
  readonly word: string
  /** Index in the expression. */
  readonly at: number
}

const SYMBOLS = new Set('<> != <= >= || = < > + - * / % ( ) [ ] , . ;'.split(' '))
const CLOSING: Readonly<Record<string, TokenKind>> = { "'": 'string', '"': 'quoted', '`': 'ion' }
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y
const BLANKS = /\s*/y

/** All tokens of an expression; the last is `end`. Errors: `ParseSelectFailure`. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    at += matchAt(BLANKS, source, at)?.length ?? 0
    if (at >= source.length) break
    const token = tokenAt(source, at)
    tokens.push(token)
    at = endOf(source, token)
  }
  tokens.push({ kind: 'end', text: '', word: '', at: source.length })
  return tokens
}

function matchAt(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(source)?.[0]
}

function tokenAt(source: string, at: number): Token {
  const first = source.charAt(at)
  const name = matchAt(NAME, source, at)
  if (name !== undefined) return { kind: 'name', text: name, word: name.toUpperCase(), at }
  const number = matchAt(NUMBER, source, at)
  if (number !== undefined) {
    return { kind: /^\d+$/.test(number) ? 'int' : 'float', text: number, word: '', at }
  }
  const kind = CLOSING[first]
  if (kind !== undefined) {
    const end = closingQuote(source, at)
    const text = source.slice(at + 1, end).replaceAll(first + first, first)
    return { kind, text, word: '', at }
  }
  const two = source.slice(at, at + 2)
  if (SYMBOLS.has(two)) return { kind: 'symbol', text: two, word: '', at }
  if (SYMBOLS.has(first)) return { kind: 'symbol', text: first, word: '', at }
  throw syntaxError(source, at, `invalid character ${JSON.stringify(first)}`)
}

function endOf(source: string, token: Token): number {
  const isQuoted = token.kind === 'string' || token.kind === 'quoted' || token.kind === 'ion'
  return isQuoted ? closingQuote(source, token.at) + 1 : token.at + token.text.length
}

/** Where the quote opened at `at` is closed; a doubled one does not close. */
function closingQuote(source: string, at: number): number {
  const quote = source.charAt(at)
  let end = source.indexOf(quote, at + 1)
  while (end >= 0 && source.charAt(end + 1) === quote) end = source.indexOf(quote, end + 2)
  if (end < 0) throw syntaxError(source, at, `${quote} is not closed`)
  return end
}

/** `ParseSelectFailure` with line and column. */
export function syntaxError(source: string, at: number, message: string): SelectError {
  const before = source.slice(0, at)
  const line = before.split('\n').length
  const column = at - before.lastIndexOf('\n')
  return new SelectError('ParseSelectFailure', `${line}:${column}: ${message}`)
}
