/** Expressions as functions of the record at hand. Everything that a query fixes is decided here, once. */
import { SelectError } from '../select-error.ts'
import { type Accumulator, createAccumulator } from './aggregates.ts'
import { calculate, concatenate, negate } from './arithmetic.ts'
import { castTo } from './cast.ts'
import { compareValues, equalSafe, type Truth, truthOf } from './compare.ts'
import { type LikePattern, matchesLike, parseLike } from './like.ts'
import type { WorkMeter } from './meter.ts'
import type { Expression, Path } from './syntax.ts'
import { characterCount, substring, textArgument, trim } from './text-functions.ts'
import { formatTimestamp } from './time-format.ts'
import { dateAdd, dateDiff, extract, timeArgument } from './time-functions.ts'
import { parseTimestamp, type Timestamp } from './timestamp.ts'
import { isArray, textIn, type Value } from './values.ts'

/** The value of an expression for the current record of its source. */
export type Evaluate = () => Value

export interface CompileContext {
  /** What a path means in the source. Throws the source's error when it means nothing there. */
  bind(path: Path): Evaluate
  readonly meter: WorkMeter
  /** UTCNOW(): one instant for the whole query. */
  readonly now: Timestamp
  /** Every aggregate adds itself, with what it needs of each row. */
  readonly aggregates: { readonly operand: Evaluate; readonly accumulator: Accumulator }[]
}

export function compile(expression: Expression, context: CompileContext): Evaluate {
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression
      return () => value
    }
    case 'path':
      return context.bind(expression.path)
    case 'list': {
      const items = all(expression.items, context)
      return () => items.map((item) => item())
    }
    case 'negate': {
      const operand = compile(expression.operand, context)
      return () => negate(operand())
    }
    case 'arithmetic':
      return compileArithmetic(expression, context)
    case 'concat': {
      const operands = all(expression.operands, context)
      return () => operands.reduce<Value>((text, operand) => joined(text, operand(), context), '')
    }
    case 'not':
    case 'and':
    case 'or':
    case 'compare':
    case 'is':
    case 'between':
    case 'in':
    case 'like':
      return compileCondition(expression, context)
    case 'case':
      return compileCase(expression, context)
    case 'cast': {
      const { type } = expression
      const operand = compile(expression.operand, context)
      return () => castTo(type, operand())
    }
    case 'call':
      return compileCall(expression, context)
    case 'trim':
      return compileTrim(expression, context)
    case 'extract':
    case 'date-add':
    case 'date-diff':
      return compileTime(expression, context)
    case 'aggregate': {
      const { name, operand } = expression
      const accumulator = createAccumulator(name)
      const argument: Evaluate = operand === undefined ? () => true : compile(operand, context)
      context.aggregates.push({ operand: argument, accumulator })
      return () => accumulator.result()
    }
  }
}

function all(expressions: readonly Expression[], context: CompileContext): Evaluate[] {
  return expressions.map((expression) => compile(expression, context))
}

type Kind<K extends Expression['kind']> = Extract<Expression, { readonly kind: K }>

function compileArithmetic({ first, rest }: Kind<'arithmetic'>, context: CompileContext): Evaluate {
  const start = compile(first, context)
  const steps = rest.map(({ operator, operand }) => ({
    operator,
    operand: compile(operand, context),
  }))
  return () => {
    let value = start()
    for (const { operator, operand } of steps) value = calculate(operator, value, operand())
    return value
  }
}

function joined(left: Value, right: Value, { meter }: CompileContext): Value {
  const text = concatenate(left, right)
  if (typeof text === 'string') meter.spend(text.length)
  return text
}

/** As a condition: errors `InvalidDataType` for values that are none. */
export function compileTruth(expression: Expression, context: CompileContext): () => Truth {
  const operand = compile(expression, context)
  return () => {
    const truth = truthOf(operand())
    if (truth === undefined) throw new SelectError('InvalidDataType')
    return truth
  }
}

type ConditionKind = 'not' | 'and' | 'or' | 'compare' | 'is' | 'between' | 'in' | 'like'

function compileCondition(expression: Kind<ConditionKind>, context: CompileContext): Evaluate {
  switch (expression.kind) {
    case 'not': {
      const operand = compileTruth(expression.operand, context)
      return () => {
        const truth = operand()
        return truth === null ? null : !truth
      }
    }
    case 'and':
    case 'or':
      return compileLogic(expression, context)
    case 'compare': {
      const { operator } = expression
      const left = compile(expression.left, context)
      const right = compile(expression.right, context)
      return () => compareValues(operator, left(), right())
    }
    case 'is':
      return compileIs(expression, context)
    case 'between': {
      const operand = compile(expression.operand, context)
      const low = compile(expression.low, context)
      const high = compile(expression.high, context)
      return () => {
        const value = operand()
        const above = compareValues('>=', value, low())
        if (above === false) return false
        const below = compareValues('<=', value, high())
        return below === false ? false : above === null ? null : below
      }
    }
    case 'in':
      return compileIn(expression, context)
    case 'like':
      return compileLike(expression, context)
  }
}

/** The first operand that decides ends it; an unknown one stays if none does. */
function compileLogic({ kind, operands }: Kind<'and' | 'or'>, context: CompileContext): Evaluate {
  const decisive = kind === 'or'
  const conditions = operands.map((operand) => compileTruth(operand, context))
  return () => {
    let result: Truth = !decisive
    for (const condition of conditions) {
      const truth = condition()
      if (truth === decisive) return decisive
      if (truth === null) result = null
    }
    return result
  }
}

/** IS NULL holds for MISSING too, IS MISSING only for what is absent; anything else is equality that is never unknown. */
function compileIs({ left, right }: Kind<'is'>, context: CompileContext): Evaluate {
  const operand = compile(left, context)
  if (right.kind === 'literal' && right.value === null) {
    return () => {
      const value = operand()
      return value === null || value === undefined
    }
  }
  const other = compile(right, context)
  return () => equalSafe(operand(), other())
}

function compileIn({ operand, items }: Kind<'in'>, context: CompileContext): Evaluate {
  const wanted = compile(operand, context)
  const source = items.kind === 'list' ? all(items.items, context) : [compile(items, context)]
  const isList = items.kind === 'list'
  return () => {
    const value = wanted()
    if (value === null || value === undefined) return null
    let result: Truth = false
    for (const item of source) {
      const candidate = item()
      const candidates = !isList && isArray(candidate) ? candidate : [candidate]
      for (const one of candidates) {
        const truth = compareValues('=', value, one)
        if (truth === true) return true
        if (truth === null) result = null
      }
    }
    return result
  }
}

function compileLike(expression: Kind<'like'>, context: CompileContext): Evaluate {
  const operand = compile(expression.operand, context)
  const pattern = compile(expression.pattern, context)
  const escape = expression.escape === undefined ? undefined : compile(expression.escape, context)
  const { meter } = context
  let lastPattern: string | undefined
  let lastEscape: string | undefined
  let parsed: LikePattern | undefined
  return () => {
    const text = likeText(operand())
    const patternText = likeText(pattern())
    const escapeText = escape === undefined ? undefined : likeText(escape())
    if (text === null || patternText === null || escapeText === null) return null
    // Most patterns are the same for every record.
    if (parsed === undefined || patternText !== lastPattern || escapeText !== lastEscape) {
      meter.spend(patternText.length)
      parsed = parseLike(patternText, escapeText)
      lastPattern = patternText
      lastEscape = escapeText
    }
    return matchesLike(text, parsed, meter)
  }
}

function likeText(value: Value): string | null {
  if (value === null || value === undefined) return null
  const text = textIn(value)
  if (text === undefined) throw new SelectError('LikeInvalidInputs')
  return text
}

function compileCase(expression: Kind<'case'>, context: CompileContext): Evaluate {
  const { operand, otherwise } = expression
  const subject = operand === undefined ? undefined : compile(operand, context)
  const branches = expression.branches.map(({ when, result }) => ({
    when: subject === undefined ? compileTruth(when, context) : compile(when, context),
    result: compile(result, context),
  }))
  const last: Evaluate = otherwise === undefined ? () => null : compile(otherwise, context)
  return () => {
    const value = subject?.()
    for (const { when, result } of branches) {
      const found = when()
      const holds = subject === undefined ? found : compareValues('=', value, found)
      if (holds === true) return result()
    }
    return last()
  }
}

function compileCall({ name, operands }: Kind<'call'>, context: CompileContext): Evaluate {
  const compiled = all(operands, context)
  const [first = NOTHING, second = NOTHING, third = NOTHING] = compiled
  const { meter } = context
  const ofText = (use: (text: string) => Value): Evaluate => {
    return () => {
      const text = textArgument(first(), meter)
      return text === undefined ? null : use(text)
    }
  }
  switch (name) {
    case 'COALESCE':
      return () => firstPresent(compiled)
    case 'NULLIF':
      return () => {
        const value = first()
        return compareValues('=', value, second()) === true ? null : value
      }
    case 'CHAR_LENGTH':
      return ofText(characterCount)
    case 'LOWER':
      return ofText((text) => text.toLowerCase())
    case 'UPPER':
      return ofText((text) => text.toUpperCase())
    case 'SUBSTRING': {
      const hasLength = operands.length > 2
      return ofText((text) => substring(text, second(), third(), hasLength))
    }
    case 'UTCNOW':
      return () => context.now
    case 'TO_STRING':
      return () => {
        const time = timeArgument(first())
        const pattern = textArgument(second(), meter)
        return time === undefined || pattern === undefined ? null : formatTimestamp(time, pattern)
      }
    case 'TO_TIMESTAMP':
      return ofText((text) => {
        const time = parseTimestamp(text.trim())
        if (time === undefined) throw new SelectError('ValueParseFailure')
        return time
      })
  }
}

const NOTHING: Evaluate = () => undefined

function firstPresent(candidates: readonly Evaluate[]): Value {
  for (const candidate of candidates) {
    const value = candidate()
    if (value !== null && value !== undefined) return value
  }
  return null
}

function compileTrim(expression: Kind<'trim'>, context: CompileContext): Evaluate {
  const { side, characters } = expression
  const operand = compile(expression.operand, context)
  const set = characters === undefined ? undefined : compile(characters, context)
  const { meter } = context
  return () => {
    const text = textArgument(operand(), meter)
    const wanted = set === undefined ? ' ' : textArgument(set(), meter)
    return text === undefined || wanted === undefined ? null : trim(text, side, wanted)
  }
}

function compileTime(
  expression: Kind<'extract' | 'date-add' | 'date-diff'>,
  context: CompileContext,
): Evaluate {
  const { part } = expression
  if (expression.kind === 'extract') {
    const operand = compile(expression.operand, context)
    return () => {
      const time = timeArgument(operand())
      return time === undefined ? null : extract(part, time)
    }
  }
  const left = compile(expression.left, context)
  const right = compile(expression.right, context)
  if (expression.kind === 'date-add') {
    return () => {
      const quantity = left()
      const time = timeArgument(right())
      const isUnknown = quantity === null || quantity === undefined || time === undefined
      return isUnknown ? null : dateAdd(part, quantity, time)
    }
  }
  return () => {
    const from = timeArgument(left())
    const to = timeArgument(right())
    return from === undefined || to === undefined ? null : dateDiff(part, from, to)
  }
}
