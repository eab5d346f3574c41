/** Functions of texts (s3-api.md 6.2.4). Positions and lengths count characters, not UTF-16 units. */
import { SelectError } from '../select-error.ts'
import type { TrimSide } from './syntax.ts'
import type { WorkMeter } from './meter.ts'
import { numberIn, textIn, type Value } from './values.ts'

const SURROGATE = /[\ud800-\udfff]/

/** The text of an argument; undefined for NULL and MISSING. Errors: `IncorrectSqlFunctionArgumentType`. */
export function textArgument(value: Value, meter: WorkMeter): string | undefined {
  if (value === null || value === undefined) return undefined
  const text = textIn(value)
  if (text === undefined) throw new SelectError('IncorrectSqlFunctionArgumentType')
  meter.spend(text.length)
  return text
}

export function characterCount(text: string): bigint {
  if (!SURROGATE.test(text)) return BigInt(text.length)
  let count = 0
  for (const _ of text) count += 1
  return BigInt(count)
}

/** From the character at `start`, counted from 1, at most `length`; positions before the first use up length too. */
export function substring(text: string, start: Value, length: Value, hasLength: boolean): Value {
  const from = intArgument(start)
  const count = hasLength ? intArgument(length) : undefined
  if (from === null || count === null) return null
  if (count !== undefined && count < 0) {
    throw new SelectError('IncorrectSqlFunctionArgumentType')
  }
  const begin = Math.max(from - 1, 0)
  const end = count === undefined ? Number.POSITIVE_INFINITY : Math.max(from - 1 + count, 0)
  if (end <= begin) return ''
  if (!SURROGATE.test(text)) return text.slice(begin, end)
  return Array.from(text).slice(begin, end).join('')
}

/** A whole number; `null` for NULL and MISSING. */
function intArgument(value: Value): number | null {
  if (value === null || value === undefined) return null
  const number = Number(numberIn(value) ?? Number.NaN)
  if (!Number.isInteger(number)) throw new SelectError('IncorrectSqlFunctionArgumentType')
  return number
}

/** Without the characters of the set at the ends; default: blanks. */
export function trim(text: string, side: TrimSide, characters: string | undefined): string {
  const set = new Set(characters ?? ' ')
  const all = SURROGATE.test(text) ? Array.from(text) : undefined
  const source: ArrayLike<string> = all ?? text
  let begin = 0
  let end = source.length
  if (side !== 'TRAILING') while (begin < end && set.has(source[begin] ?? '')) begin += 1
  if (side !== 'LEADING') while (end > begin && set.has(source[end - 1] ?? '')) end -= 1
  return all === undefined ? text.slice(begin, end) : all.slice(begin, end).join('')
}
