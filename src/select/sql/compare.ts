/** Comparison of values: three-valued, exact between ints and floats (s3-api.md 6.2.3). */
import { compareUtf8 } from '#base/bytes'
import type { CompareOperator } from './syntax.ts'
import { compareTimestamps, parseTimestamp, Timestamp } from './timestamp.ts'
import { isArray, JsonObject, parseNumber, Untyped, type Value } from './values.ts'

/** True, false, or unknown. */
export type Truth = boolean | null

/** Order of two values, or: they have types that no order exists for, which are merely unequal. */
type Order = number | 'unequal'

/** `a operator b`. Unknown when one is NULL or MISSING; values of types that do not go together are unequal and have no order. */
export function compareValues(operator: CompareOperator, a: Value, b: Value): Truth {
  if (a === null || a === undefined || b === null || b === undefined) return null
  const order = orderOf(a, b)
  if (order === 'unequal') return operator === '!='
  return holds(operator, order)
}

function holds(operator: CompareOperator, order: number): boolean {
  switch (operator) {
    case '=':
      return order === 0
    case '!=':
      return order !== 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

type Present = Exclude<Value, null | undefined>

function orderOf(a: Present, b: Present): Order {
  if (a instanceof Untyped) return b instanceof Untyped ? orderUntyped(a, b) : orderField(a, b)
  if (b instanceof Untyped) {
    const order = orderField(b, a)
    return order === 'unequal' ? order : -order
  }
  if (typeof a === 'string') return typeof b === 'string' ? compareUtf8(a, b) : 'unequal'
  if (isNumber(a)) return isNumber(b) ? orderNumbers(a, b) : 'unequal'
  if (typeof a === 'boolean') return typeof b === 'boolean' ? Number(a) - Number(b) : 'unequal'
  if (a instanceof Timestamp) {
    return b instanceof Timestamp ? compareTimestamps(a, b) : 'unequal'
  }
  return equalDeep(a, b) ? 0 : 'unequal'
}

function isNumber(value: Value): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number'
}

/** Exact also between ints and floats. */
export function orderNumbers(a: bigint | number, b: bigint | number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A field against a value that has a type. */
function orderField(a: Untyped, b: Exclude<Present, Untyped>): Order {
  if (typeof b === 'string') return compareUtf8(a.text, b)
  if (isNumber(b)) {
    const number = smallInt(a.text) ?? parseNumber(a.text)
    return number === undefined ? 'unequal' : orderNumbers(number, b)
  }
  if (typeof b === 'boolean') {
    const truth = booleanOf(a.text)
    return truth === undefined ? 'unequal' : Number(truth) - Number(b)
  }
  if (b instanceof Timestamp) {
    const time = parseTimestamp(a.text)
    return time === undefined ? 'unequal' : compareTimestamps(time, b)
  }
  return 'unequal'
}

const DIGITS_MAX = 15
const ZERO = 0x30

/** A short run of digits, by far the commonest number, without the price of a `bigint`. */
function smallInt(text: string): number | undefined {
  if (text.length === 0 || text.length > DIGITS_MAX) return undefined
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

/** Two fields: as numbers or booleans if both are, else as texts. */
function orderUntyped(a: Untyped, b: Untyped): number {
  const x = parseNumber(a.text)
  const y = x === undefined ? undefined : parseNumber(b.text)
  if (x !== undefined && y !== undefined) return orderNumbers(x, y)
  const p = booleanOf(a.text)
  const q = p === undefined ? undefined : booleanOf(b.text)
  if (p !== undefined && q !== undefined) return Number(p) - Number(q)
  return compareUtf8(a.text, b.text)
}

/** `true` and `false` as they are written; undefined for other texts. */
export function booleanOf(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined
}

function equalDeep(a: Value, b: Value): boolean {
  if (isArray(a)) {
    if (!isArray(b)) return false
    return a.length === b.length && a.every((value, i) => equalSafe(value, b[i]))
  }
  if (!(a instanceof JsonObject) || !(b instanceof JsonObject)) return false
  if (a.names.length !== b.names.length) return false
  return a.names.every((name, i) => {
    const at = b.names[i] === name ? i : b.names.indexOf(name)
    return at >= 0 && equalSafe(a.values[i], b.values[at])
  })
}

/** Equality that knows NULL and MISSING as values: of elements, and of `IS`. */
export function equalSafe(a: Value, b: Value): boolean {
  if (a === null || a === undefined || b === null || b === undefined) return a === b
  return orderOf(a, b) === 0
}

/** A value as a condition. NULL and MISSING are unknown; undefined: it is no condition. */
export function truthOf(value: Value): Truth | undefined {
  if (typeof value === 'boolean') return value
  if (value === null || value === undefined) return null
  return value instanceof Untyped ? booleanOf(value.text) : undefined
}
