/** Functions of points in time (s3-api.md 6.2.4). */
import { SelectError } from '../select-error.ts'
import type { TimePart } from './syntax.ts'
import {
  compareTimestamps,
  daysOfDate,
  parseTimestamp,
  Timestamp,
  timestampAt,
} from './timestamp.ts'
import { numberIn, textIn, type Value } from './values.ts'

const UNIT_SECONDS = { DAY: 86_400, HOUR: 3600, MINUTE: 60, SECOND: 1 } as const

/** The point in time of an argument, also as text; undefined for NULL and MISSING. Errors: `IncorrectSqlFunctionArgumentType`. */
export function timeArgument(value: Value): Timestamp | undefined {
  if (value === null || value === undefined) return undefined
  if (value instanceof Timestamp) return value
  const time = parseTimestamp(textIn(value) ?? '')
  if (time === undefined) throw new SelectError('IncorrectSqlFunctionArgumentType')
  return time
}

export function extract(part: TimePart, time: Timestamp): bigint {
  const fields = time.fields()
  switch (part) {
    case 'YEAR':
      return BigInt(fields.year)
    case 'MONTH':
      return BigInt(fields.month)
    case 'DAY':
      return BigInt(fields.day)
    case 'HOUR':
      return BigInt(fields.hour)
    case 'MINUTE':
      return BigInt(fields.minute)
    case 'SECOND':
      return BigInt(fields.second)
    case 'TIMEZONE_HOUR':
      return BigInt(Math.trunc(time.offsetMinutes / 60))
    case 'TIMEZONE_MINUTE':
      return BigInt(time.offsetMinutes % 60)
  }
}

/** The point in time `quantity` parts later. Years, months and days follow the calendar; a day that a month lacks runs on into the next. */
export function dateAdd(part: TimePart, quantity: Value, time: Timestamp): Timestamp {
  const number = numberIn(quantity)
  const count = Number(number ?? Number.NaN)
  if (!Number.isSafeInteger(count)) throw new SelectError('IncorrectSqlFunctionArgumentType')
  const seconds = time.seconds + secondsLater(part, count, time)
  const result = timestampAt(seconds, time.nanoseconds, time.offsetMinutes)
  if (result === undefined) throw new SelectError('IntegerOverflow')
  return result
}

function secondsLater(part: TimePart, count: number, time: Timestamp): number {
  const { year, month, day } = time.fields()
  const today = daysOfDate(year, month, day)
  switch (part) {
    case 'YEAR':
      return (daysOfDate(year + count, month, day) - today) * UNIT_SECONDS.DAY
    case 'MONTH':
      return (daysOfDate(year, month + count, day) - today) * UNIT_SECONDS.DAY
    case 'DAY':
    case 'HOUR':
    case 'MINUTE':
    case 'SECOND':
      return count * UNIT_SECONDS[part]
    case 'TIMEZONE_HOUR':
    case 'TIMEZONE_MINUTE':
      throw new SelectError('InvalidQuery', `${part} cannot be added`)
  }
}

/** Parts from `from` to `to`, negative when reversed: completed years, difference of month numbers, whole units of duration. */
export function dateDiff(part: TimePart, from: Timestamp, to: Timestamp): bigint {
  if (compareTimestamps(from, to) > 0) return -dateDiff(part, to, from)
  const a = from.fields()
  const b = to.fields()
  switch (part) {
    case 'YEAR': {
      const isComplete = b.month > a.month || (b.month === a.month && b.day >= a.day)
      return BigInt(b.year - a.year - (isComplete ? 0 : 1))
    }
    case 'MONTH':
      return BigInt((b.year - a.year) * 12 + b.month - a.month)
    case 'DAY':
    case 'HOUR':
    case 'MINUTE':
    case 'SECOND': {
      const seconds = to.seconds - from.seconds - (to.nanoseconds < from.nanoseconds ? 1 : 0)
      return BigInt(Math.floor(seconds / UNIT_SECONDS[part]))
    }
    case 'TIMEZONE_HOUR':
    case 'TIMEZONE_MINUTE':
      throw new SelectError('InvalidQuery', `${part} has no difference`)
  }
}
