import { SelectError } from '../select-error.ts'
import { booleanOf } from './compare.ts'
import type { CastType } from './syntax.ts'
import { parseTimestamp, Timestamp } from './timestamp.ts'
import { INT_MAX, INT_MIN, isInt64, numberIn, textFor, textIn, type Value } from './values.ts'

/** CAST (s3-api.md 6.2.4). NULL and MISSING become NULL. Errors: `CastFailed`. */
export function castTo(type: CastType, value: Value): Value {
  if (value === null || value === undefined) return null
  const result = converted(type, value)
  if (result === undefined) {
    throw new SelectError(
      'CastFailed',
      `Attempt to convert from one data type to another using CAST failed in the SQL expression: ${shortened(textFor(value))} as ${type}.`,
    )
  }
  return result
}

function shortened(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text)
}

function converted(type: CastType, value: Exclude<Value, null | undefined>): Value {
  switch (type) {
    case 'BOOL':
      return typeof value === 'boolean' ? value : booleanOf(textIn(value) ?? '')
    case 'INT':
      return toInt(numberIn(value))
    case 'FLOAT': {
      const number = numberIn(value)
      return number === undefined ? undefined : Number(number)
    }
    case 'STRING':
      return textFor(value)
    case 'TIMESTAMP':
      return value instanceof Timestamp ? value : parseTimestamp((textIn(value) ?? '').trim())
  }
}

function toInt(number: bigint | number | undefined): bigint | undefined {
  if (typeof number !== 'number') return number
  if (!(number >= Number(INT_MIN) && number <= Number(INT_MAX))) return undefined
  const int = BigInt(Math.trunc(number))
  return isInt64(int) ? int : undefined
}
