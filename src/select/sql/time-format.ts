/** TO_STRING: points in time by a pattern, with the letters of AWS's documentation: y M d a h H m s S n X x. */
import { SelectError } from '../select-error.ts'
import { digits, offsetText, type TimeFields, type Timestamp } from './timestamp.ts'

const MONTHS =
  'January February March April May June July August September October November December'.split(' ')
const PATTERN_MAX_CHARACTERS = 1024
const FRACTION_DIGITS_MAX = 9
const OFFSET_LETTERS_MAX = 5

/** Errors: `EvaluatorInvalidTimestampFormatPatternSymbol`, `EvaluatorUnterminatedTimestampFormatPatternToken`. */
export function formatTimestamp(time: Timestamp, pattern: string): string {
  if (pattern.length > PATTERN_MAX_CHARACTERS) {
    throw new SelectError('EvaluatorInvalidTimestampFormatPattern')
  }
  const fields = time.fields()
  let text = ''
  let at = 0
  while (at < pattern.length) {
    const letter = pattern.charAt(at)
    if (letter === "'") {
      const end = closingQuote(pattern, at)
      text += end === at + 1 ? "'" : pattern.slice(at + 1, end).replaceAll("''", "'")
      at = end + 1
      continue
    }
    let end = at + 1
    while (pattern.charAt(end) === letter) end += 1
    text += /[A-Za-z]/.test(letter)
      ? formatField(letter, end - at, time, fields)
      : pattern.slice(at, end)
    at = end
  }
  return text
}

function closingQuote(pattern: string, at: number): number {
  let end = pattern.indexOf("'", at + 1)
  while (end > at + 1 && pattern.charAt(end + 1) === "'") end = pattern.indexOf("'", end + 2)
  if (end < 0) throw new SelectError('EvaluatorUnterminatedTimestampFormatPatternToken')
  return end
}

function formatField(letter: string, count: number, time: Timestamp, fields: TimeFields): string {
  switch (letter) {
    case 'y':
      return formatYear(fields.year, count)
    case 'M':
      return formatMonth(fields.month, count)
    case 'd':
      return padded(fields.day, count)
    case 'a':
      if (count > 1) break
      return fields.hour < 12 ? 'AM' : 'PM'
    case 'h':
      return padded(fields.hour % 12 === 0 ? 12 : fields.hour % 12, count)
    case 'H':
      return padded(fields.hour, count)
    case 'm':
      return padded(fields.minute, count)
    case 's':
      return padded(fields.second, count)
    case 'S':
      if (count > FRACTION_DIGITS_MAX) break
      return digits(time.nanoseconds, FRACTION_DIGITS_MAX).slice(0, count)
    case 'n':
      if (count > 1) break
      return String(time.nanoseconds)
    case 'X':
      if (time.offsetMinutes === 0 && count <= OFFSET_LETTERS_MAX) return 'Z'
      return formatOffset(time.offsetMinutes, count)
    case 'x':
      return formatOffset(time.offsetMinutes, count)
  }
  throw new SelectError('EvaluatorInvalidTimestampFormatPatternSymbol')
}

function formatYear(year: number, count: number): string {
  if (count === 1) return String(year)
  if (count === 2) return digits(year % 100)
  if (count > 4) throw new SelectError('EvaluatorInvalidTimestampFormatPatternSymbol')
  return digits(year, 4)
}

function formatMonth(month: number, count: number): string {
  const name = MONTHS[month - 1] ?? ''
  switch (count) {
    case 3:
      return name.slice(0, 3)
    case 4:
      return name
    case 5:
      return name.slice(0, 1)
    default:
      return padded(month, count)
  }
}

function padded(value: number, count: number): string {
  if (count > 2) throw new SelectError('EvaluatorInvalidTimestampFormatPatternSymbol')
  return digits(value, count)
}

/** One letter: hours, with minutes if there are any; two or four: `+hhmm`; three or five: `+hh:mm`. */
function formatOffset(offsetMinutes: number, count: number): string {
  if (count > OFFSET_LETTERS_MAX) {
    throw new SelectError('EvaluatorInvalidTimestampFormatPatternSymbol')
  }
  const long = offsetMinutes === 0 ? '+00:00' : offsetText(offsetMinutes)
  if (count === 3 || count === 5) return long
  const short = long.replace(':', '')
  return count === 1 && short.endsWith('00') ? short.slice(0, 3) : short
}
