/** Points in time as S3 Select writes them (s3-api.md 6.2.3). */

/** Years that have a text form. */
const SECONDS_MIN = -62_135_596_800 // 0001-01-01
const SECONDS_MAX = 253_402_300_799 // 9999-12-31T23:59:59
const DAY_SECONDS = 86_400
const PATTERN =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(?:(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2}))?)?)?|-(\d{2})T|T)$/

export interface TimeFields {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/** An instant, and the offset from UTC that it is shown with. */
export class Timestamp {
  /** Whole seconds since 1970, rounded down. */
  readonly seconds: number
  /** 0 to 999999999 behind them. */
  readonly nanoseconds: number
  readonly offsetMinutes: number

  constructor(seconds: number, nanoseconds: number, offsetMinutes: number) {
    this.seconds = seconds
    this.nanoseconds = nanoseconds
    this.offsetMinutes = offsetMinutes
  }

  /** Date and time of day at its own offset. */
  fields(): TimeFields {
    const local = this.seconds + this.offsetMinutes * 60
    const days = Math.floor(local / DAY_SECONDS)
    const rest = local - days * DAY_SECONDS
    return {
      ...dateOfDays(days),
      hour: Math.floor(rest / 3600),
      minute: Math.floor(rest / 60) % 60,
      second: rest % 60,
    }
  }

  /** The shortest form that loses nothing. */
  toString(): string {
    const { year, month, day, hour, minute, second } = this.fields()
    const isMidnight = hour === 0 && minute === 0 && second === 0 && this.nanoseconds === 0
    if (isMidnight && this.offsetMinutes === 0) {
      if (day !== 1) return `${digits(year, 4)}-${digits(month)}-${digits(day)}T`
      return month === 1 ? `${digits(year, 4)}T` : `${digits(year, 4)}-${digits(month)}T`
    }
    let text = `${digits(year, 4)}-${digits(month)}-${digits(day)}T${digits(hour)}:${digits(minute)}`
    if (second !== 0 || this.nanoseconds !== 0) text += `:${digits(second)}`
    if (this.nanoseconds !== 0) text += `.${digits(this.nanoseconds, 9).replace(/0+$/, '')}`
    return text + offsetText(this.offsetMinutes)
  }
}

/** Negative, zero, positive: which instant is earlier. */
export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  return a.seconds - b.seconds || a.nanoseconds - b.nanoseconds
}

/** The instant of a text in one of the forms of the specification; undefined for anything else. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = PATTERN.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z', lone] = match
  // A date without its `T` is not a timestamp.
  if (!text.includes('T')) return undefined
  return timestampOf(
    {
      year: Number(year),
      month: Number(month ?? lone ?? 1),
      day: Number(day ?? 1),
      hour: Number(hour ?? 0),
      minute: Number(minute ?? 0),
      second: Number(second ?? 0),
    },
    Number(fraction.padEnd(9, '0')),
    offsetOf(zone),
  )
}

function offsetOf(zone: string): number {
  if (zone === 'Z') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4))
  return zone.startsWith('-') ? -minutes : minutes
}

/** The instant at a date and time of day; undefined where there is none or no form for it. */
function timestampOf(
  fields: TimeFields,
  nanoseconds: number,
  offsetMinutes: number,
): Timestamp | undefined {
  const { year, month, day, hour, minute, second } = fields
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  if (hour > 23 || minute > 59 || second > 59 || Math.abs(offsetMinutes) >= 1440) return undefined
  const local = daysOfDate(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second
  return timestampAt(local - offsetMinutes * 60, nanoseconds, offsetMinutes)
}

/** As the constructor, but undefined outside the years 1 to 9999. */
export function timestampAt(
  seconds: number,
  nanoseconds: number,
  offsetMinutes: number,
): Timestamp | undefined {
  const local = seconds + offsetMinutes * 60
  if (!(local >= SECONDS_MIN && local <= SECONDS_MAX)) return undefined
  return new Timestamp(seconds, nanoseconds, offsetMinutes)
}

/** Days since 1970 of a date of the Gregorian calendar; months and days beyond their end run on. */
export function daysOfDate(year: number, month: number, day: number): number {
  const months = year * 12 + month - 1
  const y = Math.floor(months / 12) - (months % 12 < 2 ? 1 : 0)
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const monthFromMarch = ((((months % 12) + 12) % 12) + 10) % 12
  const dayOfYear = Math.floor((153 * monthFromMarch + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

function dateOfDays(days: number): Pick<TimeFields, 'year' | 'month' | 'day'> {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  }
}

function daysInMonth(year: number, month: number): number {
  return daysOfDate(year, month + 1, 1) - daysOfDate(year, month, 1)
}

/** `Z` or `+hh:mm`. */
export function offsetText(offsetMinutes: number): string {
  if (offsetMinutes === 0) return 'Z'
  const size = Math.abs(offsetMinutes)
  return `${offsetMinutes < 0 ? '-' : '+'}${digits(Math.floor(size / 60))}:${digits(size % 60)}`
}

export function digits(value: number, count = 2): string {
  return String(value).padStart(count, '0')
}
