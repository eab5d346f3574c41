/** Calls with their own syntax: CASE, CAST, TRIM, SUBSTRING, EXTRACT, DATE_ADD, DATE_DIFF, aggregates. */
import { SelectError } from '../select-error.ts'
import type { Token } from './lexer.ts'
import type { Parser } from './parser.ts'
import type {
  AggregateName,
  CastType,
  Expression,
  FunctionName,
  TimePart,
  TrimSide,
} from './syntax.ts'

/** Arguments from and to. */
const FUNCTIONS = new Map<string, readonly [name: FunctionName, least: number, most: number]>([
  ['COALESCE', ['COALESCE', 1, Number.POSITIVE_INFINITY]],
  ['NULLIF', ['NULLIF', 2, 2]],
  ['CHAR_LENGTH', ['CHAR_LENGTH', 1, 1]],
  ['CHARACTER_LENGTH', ['CHAR_LENGTH', 1, 1]],
  ['LOWER', ['LOWER', 1, 1]],
  ['UPPER', ['UPPER', 1, 1]],
  ['UTCNOW', ['UTCNOW', 0, 0]],
  ['TO_STRING', ['TO_STRING', 2, 2]],
  ['TO_TIMESTAMP', ['TO_TIMESTAMP', 1, 1]],
])
const AGGREGATES = new Map<string, AggregateName>([
  ['COUNT', 'COUNT'],
  ['SUM', 'SUM'],
  ['AVG', 'AVG'],
  ['MIN', 'MIN'],
  ['MAX', 'MAX'],
])
const CAST_TYPES = new Map<string, CastType>([
  ['BOOL', 'BOOL'],
  ['BOOLEAN', 'BOOL'],
  ['INT', 'INT'],
  ['INTEGER', 'INT'],
  ['STRING', 'STRING'],
  ['FLOAT', 'FLOAT'],
  ['DECIMAL', 'FLOAT'],
  ['NUMERIC', 'FLOAT'],
  ['TIMESTAMP', 'TIMESTAMP'],
])
const TIME_PARTS = new Map<string, TimePart>([
  ['YEAR', 'YEAR'],
  ['MONTH', 'MONTH'],
  ['DAY', 'DAY'],
  ['HOUR', 'HOUR'],
  ['MINUTE', 'MINUTE'],
  ['SECOND', 'SECOND'],
  ['TIMEZONE_HOUR', 'TIMEZONE_HOUR'],
  ['TIMEZONE_MINUTE', 'TIMEZONE_MINUTE'],
])
const TRIM_SIDES = new Map<string, TrimSide>([
  ['LEADING', 'LEADING'],
  ['TRAILING', 'TRAILING'],
  ['BOTH', 'BOTH'],
])

export class FunctionParser {
  readonly #parser: Parser

  constructor(parser: Parser) {
    this.#parser = parser
  }

  /** The call of `name`, whose opening parenthesis is consumed. */
  call(name: Token): Expression {
    const aggregate = AGGREGATES.get(name.word)
    if (aggregate !== undefined) return this.#aggregate(aggregate)
    switch (name.word) {
      case 'CAST':
        return this.#cast()
      case 'TRIM':
        return this.#trim()
      case 'SUBSTRING':
        return this.#substring()
      case 'EXTRACT':
        return this.#extract()
      case 'DATE_ADD':
        return this.#dateCall('date-add')
      case 'DATE_DIFF':
        return this.#dateCall('date-diff')
    }
    const known = FUNCTIONS.get(name.word)
    if (known === undefined) {
      throw this.#parser.fail(`unknown function ${JSON.stringify(name.text)}`, name)
    }
    const [functionName, least, most] = known
    const operands = this.#parser.operandsUntil(')')
    if (operands.length < least || operands.length > most) {
      throw new SelectError('InvalidQuery', `Wrong number of arguments of ${name.word}`)
    }
    return { kind: 'call', name: functionName, operands }
  }

  #aggregate(name: AggregateName): Expression {
    if (name === 'COUNT' && this.#parser.accept('*')) {
      this.#parser.expect(')')
      return { kind: 'aggregate', name, operand: undefined }
    }
    const operands = this.#parser.operandsUntil(')')
    const [operand] = operands
    if (operand === undefined || operands.length > 1) {
      throw new SelectError('InvalidQuery', `${name} takes one argument`)
    }
    return { kind: 'aggregate', name, operand }
  }

  #cast(): Expression {
    const operand = this.#parser.expression()
    this.#parser.expectWord('AS')
    const token = this.#parser.next()
    const type = CAST_TYPES.get(token.word)
    if (type === undefined) throw this.#parser.unexpected(token, 'a type')
    // Precision and scale of decimals: their values are floats here, which have neither.
    if (this.#parser.accept('(')) this.#parser.operandsUntil(')')
    this.#parser.expect(')')
    return { kind: 'cast', operand, type }
  }

  #trim(): Expression {
    const word = TRIM_SIDES.get(this.#parser.peek().word)
    if (word !== undefined) this.#parser.next()
    const side = word ?? 'BOTH'
    if (this.#parser.acceptWord('FROM')) return this.#trimmed(side, undefined)
    const first = this.#parser.expression()
    if (this.#parser.acceptWord('FROM')) return this.#trimmed(side, first)
    this.#parser.expect(')')
    return { kind: 'trim', side, characters: undefined, operand: first }
  }

  #trimmed(side: TrimSide, characters: Expression | undefined): Expression {
    const operand = this.#parser.expression()
    this.#parser.expect(')')
    return { kind: 'trim', side, characters, operand }
  }

  #substring(): Expression {
    const operands = [this.#parser.expression()]
    const isWorded = this.#parser.acceptWord('FROM')
    if (!isWorded) this.#parser.expect(',')
    operands.push(this.#parser.expression())
    if (isWorded ? this.#parser.acceptWord('FOR') : this.#parser.accept(',')) {
      operands.push(this.#parser.expression())
    }
    this.#parser.expect(')')
    return { kind: 'call', name: 'SUBSTRING', operands }
  }

  #extract(): Expression {
    const part = this.#timePart()
    this.#parser.expectWord('FROM')
    const operand = this.#parser.expression()
    this.#parser.expect(')')
    return { kind: 'extract', part, operand }
  }

  #dateCall(kind: 'date-add' | 'date-diff'): Expression {
    const token = this.#parser.peek()
    const part = this.#timePart()
    if (part.startsWith('TIMEZONE')) throw this.#parser.unexpected(token, 'YEAR to SECOND')
    this.#parser.expect(',')
    const left = this.#parser.expression()
    this.#parser.expect(',')
    const right = this.#parser.expression()
    this.#parser.expect(')')
    return { kind, part, left, right }
  }

  #timePart(): TimePart {
    const token = this.#parser.next()
    const part = TIME_PARTS.get(token.word)
    if (part === undefined) throw this.#parser.unexpected(token, 'a part of time')
    return part
  }

  /** `CASE` is consumed. */
  caseExpression(): Expression {
    const isSimple = this.#parser.peek().word !== 'WHEN'
    const operand = isSimple ? this.#parser.expression() : undefined
    const branches: { when: Expression; result: Expression }[] = []
    while (this.#parser.acceptWord('WHEN')) {
      const when = this.#parser.expression()
      this.#parser.expectWord('THEN')
      branches.push({ when, result: this.#parser.expression() })
    }
    if (branches.length === 0) throw this.#parser.unexpected(this.#parser.peek(), 'WHEN')
    const otherwise = this.#parser.acceptWord('ELSE') ? this.#parser.expression() : undefined
    this.#parser.expectWord('END')
    return { kind: 'case', operand, branches, otherwise }
  }
}
