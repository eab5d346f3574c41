import { SelectError } from '../select-error.ts'
import type { ArithmeticOperator } from './syntax.ts'
import { isInt64, numberIn, textFor, type Value } from './values.ts'

/** Texts that a query makes are records at most. */
const TEXT_MAX_CHARACTERS = 1024 * 1024

/** `a operator b` of ints or floats; unknown when one is NULL or MISSING. Errors: `InvalidDataType`, `IntegerOverflow`, `InvalidQuery` (division by zero). */
export function calculate(operator: ArithmeticOperator, a: Value, b: Value): Value {
  if (a === null || a === undefined || b === null || b === undefined) return null
  const x = numberIn(a)
  const y = numberIn(b)
  if (x === undefined || y === undefined) throw new SelectError('InvalidDataType')
  if ((operator === '/' || operator === '%') && Number(y) === 0) {
    throw new SelectError('InvalidQuery', 'Division by zero')
  }
  if (typeof x === 'bigint' && typeof y === 'bigint') {
    const result = ofInts(operator, x, y)
    if (!isInt64(result)) throw new SelectError('IntegerOverflow')
    return result
  }
  const result = ofFloats(operator, Number(x), Number(y))
  if (!Number.isFinite(result)) throw new SelectError('IntegerOverflow')
  return result
}

function ofInts(operator: ArithmeticOperator, x: bigint, y: bigint): bigint {
  switch (operator) {
    case '+':
      return x + y
    case '-':
      return x - y
    case '*':
      return x * y
    case '/':
      return x / y
    case '%':
      return x % y
  }
}

function ofFloats(operator: ArithmeticOperator, x: number, y: number): number {
  switch (operator) {
    case '+':
      return x + y
    case '-':
      return x - y
    case '*':
      return x * y
    case '/':
      return x / y
    case '%':
      return x % y
  }
}

/** `-a`. */
export function negate(a: Value): Value {
  if (a === null || a === undefined) return null
  const x = numberIn(a)
  if (x === undefined) throw new SelectError('InvalidDataType')
  if (typeof x === 'number') return -x
  if (!isInt64(-x)) throw new SelectError('IntegerOverflow')
  return -x
}

/** `a || b`; NULL when one is. Errors: `OverMaxRecordSize`. */
export function concatenate(a: Value, b: Value): Value {
  if (a === null || a === undefined || b === null || b === undefined) return null
  const text = textFor(a) + textFor(b)
  if (text.length > TEXT_MAX_CHARACTERS) throw new SelectError('OverMaxRecordSize')
  return text
}
