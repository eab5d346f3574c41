/** Parser of the query language (s3-api.md 6.2.2): precedence climbing over the tokens of the lexer. */
import { utf8 } from '#base/bytes'
import { SelectError } from '../select-error.ts'
import { FunctionParser } from './function-parser.ts'
import { syntaxError, type Token, tokensOf } from './lexer.ts'
import type {
  ArithmeticOperator,
  CompareOperator,
  Expression,
  Name,
  Path,
  Query,
  SelectItem,
  Step,
} from './syntax.ts'
import { parseTimestamp } from './timestamp.ts'
import { INT_MIN, parseNumber, type Value } from './values.ts'

const EXPRESSION_MAX_BYTES = 256 * 1024
/** Nested parentheses, functions, NOTs and signs. Chains of operators do not nest. */
const DEPTH_MAX = 200

/** Words that are never names. Functions and parts of time are names wherever they do not begin a call. */
const RESERVED = new Set(
  'SELECT FROM TOP DISTINCT ALL WHERE GROUP BY HAVING UNION MINUS EXCEPT INTERSECT ORDER LIMIT OFFSET TRUE FALSE NULL IS NOT ANY SOME BETWEEN AND OR LIKE ESCAPE AS IN MISSING CASE WHEN THEN ELSE END'.split(
    ' ',
  ),
)
const COMPARISONS = new Map<string, CompareOperator>([
  ['=', '='],
  ['!=', '!='],
  ['<>', '!='],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
])
const WORD_LITERALS = new Map<string, Value>([
  ['TRUE', true],
  ['FALSE', false],
  ['NULL', null],
  ['MISSING', undefined],
])

/** The tree of a query. Errors: `ExpressionTooLong`, `ParseSelectFailure`, `InvalidQuery` (limit, function arguments). */
export function parseQuery(source: string): Query {
  if (source.length > EXPRESSION_MAX_BYTES || utf8(source).length > EXPRESSION_MAX_BYTES) {
    throw new SelectError('ExpressionTooLong')
  }
  return new Parser(source).query()
}

/** A cursor over the tokens, with the rules of the grammar. */
export class Parser {
  readonly #source: string
  readonly #tokens: readonly Token[]
  readonly #functions: FunctionParser
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
    this.#tokens = tokensOf(source)
    this.#functions = new FunctionParser(this)
  }

  query(): Query {
    this.expectWord('SELECT')
    const items = this.#items()
    this.expectWord('FROM')
    const { table, tablePath } = this.#table()
    const alias = this.#alias()
    const where = this.acceptWord('WHERE') ? this.expression() : undefined
    const limit = this.acceptWord('LIMIT') ? this.#limit() : undefined
    this.accept(';')
    if (this.peek().kind !== 'end') throw this.unexpected()
    return { items, table, tablePath, alias, where, limit }
  }

  #items(): readonly SelectItem[] | undefined {
    if (this.accept('*')) return undefined
    const items: SelectItem[] = []
    do {
      const expression = this.expression()
      items.push({ expression, name: this.#itemName(expression, items.length + 1) })
    } while (this.accept(','))
    return items
  }

  #itemName(expression: Expression, position: number): string {
    if (this.acceptWord('AS')) {
      const token = this.next()
      if (token.kind !== 'name' && token.kind !== 'quoted' && token.kind !== 'string') {
        throw this.unexpected(token, 'a name')
      }
      return token.text
    }
    const token = this.peek()
    if (this.#isName(token)) return this.next().text
    if (expression.kind !== 'path') return `_${position}`
    const { first, steps } = expression.path
    const last = steps.findLast((step) => step.kind !== 'elements')
    if (last === undefined) return first.text
    return last.kind === 'name' ? last.name.text : `_${position}`
  }

  #table(): Pick<Query, 'table' | 'tablePath'> {
    const token = this.next()
    if (token.kind !== 'name' && token.kind !== 'quoted') throw this.unexpected(token, 'a table')
    const steps = this.#steps()
    if (steps.length === 0) return { table: token.text, tablePath: undefined }
    const [lead, ...tablePath] = steps
    if (lead?.kind !== 'elements') {
      throw new SelectError('BadTableName', 'The table name is not supported: path without [*]')
    }
    return { table: token.text, tablePath }
  }

  #alias(): Name | undefined {
    const isForced = this.acceptWord('AS')
    const token = this.peek()
    if (this.#isName(token)) return this.#name()
    if (isForced) throw this.unexpected(token, 'an alias')
    return undefined
  }

  #limit(): number {
    const sign = this.accept('-') ? '-' : ''
    const { kind, text } = this.next()
    const value = Number(text)
    if (kind !== 'int' || sign === '-' || !Number.isSafeInteger(value)) {
      throw new SelectError('InvalidQuery', 'LIMIT must be a number from 0 on')
    }
    return value
  }

  /** An expression of any kind. */
  expression(): Expression {
    this.#depth += 1
    if (this.#depth > DEPTH_MAX) throw this.fail('expression is nested too deeply')
    const expression = this.#chain('OR', 'or', () =>
      this.#chain('AND', 'and', () => this.#condition()),
    )
    this.#depth -= 1
    return expression
  }

  #chain(word: string, kind: 'and' | 'or', part: () => Expression): Expression {
    const first = part()
    if (!this.#isWord(word)) return first
    const operands = [first]
    while (this.acceptWord(word)) operands.push(part())
    return { kind, operands }
  }

  #condition(): Expression {
    let count = 0
    while (this.acceptWord('NOT')) count += 1
    const condition = this.#comparison()
    return count % 2 === 0 ? condition : { kind: 'not', operand: condition }
  }

  #comparison(): Expression {
    const left = this.#concatenation()
    const { text, kind } = this.peek()
    const operator = kind === 'symbol' ? COMPARISONS.get(text) : undefined
    if (operator !== undefined) {
      this.next()
      return { kind: 'compare', operator, left, right: this.#concatenation() }
    }
    if (this.acceptWord('IS')) {
      const isNegated = this.acceptWord('NOT')
      return negated(isNegated, { kind: 'is', left, right: this.#concatenation() })
    }
    const isNegated = this.acceptWord('NOT')
    if (this.acceptWord('BETWEEN')) {
      const low = this.#concatenation()
      this.expectWord('AND')
      const high = this.#concatenation()
      return negated(isNegated, { kind: 'between', operand: left, low, high })
    }
    if (this.acceptWord('IN')) {
      return negated(isNegated, { kind: 'in', operand: left, items: this.#inItems() })
    }
    if (this.acceptWord('LIKE')) {
      const pattern = this.#concatenation()
      const escape = this.acceptWord('ESCAPE') ? this.#concatenation() : undefined
      return negated(isNegated, { kind: 'like', operand: left, pattern, escape })
    }
    if (isNegated) throw this.unexpected(this.peek(), 'BETWEEN, IN or LIKE')
    return left
  }

  /** A list, also of one, or a path to an array. */
  #inItems(): Expression {
    if (this.accept('(')) return { kind: 'list', items: this.operandsUntil(')') }
    return this.#primary()
  }

  #concatenation(): Expression {
    const first = this.#sum()
    if (!this.#isSymbol('||')) return first
    const operands = [first]
    while (this.accept('||')) operands.push(this.#sum())
    return { kind: 'concat', operands }
  }

  #sum(): Expression {
    return this.#arithmetic(['+', '-'], () => this.#product())
  }

  #product(): Expression {
    return this.#arithmetic(['*', '/', '%'], () => this.#unary())
  }

  #arithmetic(operators: readonly ArithmeticOperator[], part: () => Expression): Expression {
    const first = part()
    const rest: { operator: ArithmeticOperator; operand: Expression }[] = []
    for (;;) {
      const operator = operators.find((symbol) => this.accept(symbol))
      if (operator === undefined) break
      rest.push({ operator, operand: part() })
    }
    return rest.length === 0 ? first : { kind: 'arithmetic', first, rest }
  }

  #unary(): Expression {
    let count = 0
    while (this.accept('-')) count += 1
    const operand = this.#primary()
    if (count % 2 === 0) return operand
    // The least int has no positive counterpart: its sign belongs to the literal.
    if (operand.kind === 'literal' && operand.value === 2 ** 63) {
      return { kind: 'literal', value: INT_MIN }
    }
    return { kind: 'negate', operand }
  }

  #primary(): Expression {
    const token = this.peek()
    switch (token.kind) {
      case 'int':
      case 'float': {
        this.next()
        const value = parseNumber(token.text)
        if (value === undefined) throw this.fail('number is too large', token)
        return { kind: 'literal', value: token.kind === 'float' ? Number(value) : value }
      }
      case 'string':
        this.next()
        return { kind: 'literal', value: token.text }
      case 'ion':
        this.next()
        return { kind: 'literal', value: ionValue(token.text) }
      case 'symbol':
        return this.#bracketed()
      case 'quoted':
        return { kind: 'path', path: this.#path() }
      case 'name':
        return this.#named(token)
      case 'end':
        throw this.unexpected(token, 'an expression')
    }
  }

  #bracketed(): Expression {
    if (this.accept('[')) return { kind: 'list', items: this.operandsUntil(']') }
    if (!this.accept('(')) throw this.unexpected(this.peek(), 'an expression')
    const items = this.operandsUntil(')')
    const [only] = items
    return items.length === 1 && only !== undefined ? only : { kind: 'list', items }
  }

  #named(token: Token): Expression {
    if (WORD_LITERALS.has(token.word)) {
      this.next()
      return { kind: 'literal', value: WORD_LITERALS.get(token.word) }
    }
    if (token.word === 'CASE') {
      this.next()
      return this.#functions.caseExpression()
    }
    if (this.#tokens[this.#at + 1]?.text === '(' && !RESERVED.has(token.word)) {
      this.next()
      this.next()
      return this.#functions.call(token)
    }
    return { kind: 'path', path: this.#path() }
  }

  #path(): Path {
    return { first: this.#name(), steps: this.#steps() }
  }

  #name(): Name {
    const token = this.next()
    if (!this.#isName(token)) throw this.unexpected(token, 'a name')
    return { text: token.text, isQuoted: token.kind === 'quoted' }
  }

  #steps(): Step[] {
    const steps: Step[] = []
    for (;;) {
      if (this.accept('.')) {
        steps.push(this.#member())
        if (steps.at(-1)?.kind === 'members') return steps
      } else if (this.accept('[')) {
        steps.push(this.#subscript())
        this.expect(']')
      } else return steps
    }
  }

  #member(): Step {
    if (this.accept('*')) return { kind: 'members' }
    const token = this.next()
    // Behind a dot nothing but a name can stand, so that any word is one.
    if (token.kind !== 'name' && token.kind !== 'quoted') throw this.unexpected(token, 'a name')
    return { kind: 'name', name: { text: token.text, isQuoted: token.kind === 'quoted' } }
  }

  #subscript(): Step {
    if (this.accept('*')) return { kind: 'elements' }
    const token = this.next()
    if (token.kind === 'string') return { kind: 'name', name: { text: token.text, isQuoted: true } }
    const index = Number(token.text)
    if (token.kind !== 'int' || !Number.isSafeInteger(index)) {
      throw this.unexpected(token, 'an index, a name or *')
    }
    return { kind: 'index', index }
  }

  /** Expressions separated by commas; the closing symbol is consumed. */
  operandsUntil(closing: ')' | ']'): Expression[] {
    const operands: Expression[] = []
    if (this.accept(closing)) return operands
    do {
      operands.push(this.expression())
    } while (this.accept(','))
    this.expect(closing)
    return operands
  }

  #isName(token: Token): boolean {
    return token.kind === 'quoted' || (token.kind === 'name' && !RESERVED.has(token.word))
  }

  #isWord(word: string): boolean {
    return this.peek().word === word
  }

  #isSymbol(text: string): boolean {
    const token = this.peek()
    return token.kind === 'symbol' && token.text === text
  }

  peek(): Token {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new Error('Parser ran over the end of its tokens')
    return token
  }

  next(): Token {
    const token = this.peek()
    if (token.kind !== 'end') this.#at += 1
    return token
  }

  accept(symbol: string): boolean {
    if (!this.#isSymbol(symbol)) return false
    this.#at += 1
    return true
  }

  acceptWord(word: string): boolean {
    if (!this.#isWord(word)) return false
    this.#at += 1
    return true
  }

  expect(symbol: string): void {
    if (!this.accept(symbol)) throw this.unexpected(this.peek(), JSON.stringify(symbol))
  }

  expectWord(word: string): void {
    if (!this.acceptWord(word)) throw this.unexpected(this.peek(), word)
  }

  unexpected(token: Token = this.peek(), wanted?: string): SelectError {
    const found = token.kind === 'end' ? 'end of expression' : JSON.stringify(token.text)
    const expected = wanted === undefined ? '' : ` (expected ${wanted})`
    return this.fail(`unexpected ${found}${expected}`, token)
  }

  fail(message: string, token: Token = this.peek()): SelectError {
    return syntaxError(this.#source, token.at, message)
  }
}

function negated(isNegated: boolean, operand: Expression): Expression {
  return isNegated ? { kind: 'not', operand } : operand
}

/** Amazon Ion's scalars: timestamps above all, which have no other literal. */
function ionValue(text: string): Value {
  const trimmed = text.trim()
  const value = WORD_LITERALS.get(trimmed.toUpperCase())
  if (value !== undefined || trimmed === 'null') return value
  if (/^"[^"\\]*"$/.test(trimmed)) return trimmed.slice(1, -1)
  const scalar = parseTimestamp(trimmed) ?? parseNumber(trimmed)
  if (scalar === undefined) throw new SelectError('LexerInvalidIONLiteral')
  return scalar
}
