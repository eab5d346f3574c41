/** Times of signatures and documents. */

const ISO_TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2}))?$/

/** Milliseconds of `YYYYMMDDTHHMMSSZ`; undefined for any other form or a day that does not exist. */
export function parseAmzDate(text: string): number | undefined {
  // Every signed request comes here: plain arithmetic takes a tenth of a regular expression and `Date.parse`.
  if (text.length !== 16 || text.charCodeAt(8) !== 0x54 || text.charCodeAt(15) !== 0x5a) {
    return undefined
  }
  const dayMs = dayMsOf(text)
  const hours = digitsAt(text, 9, 2)
  const minutes = digitsAt(text, 11, 2)
  const seconds = digitsAt(text, 13, 2)
  const isTime = hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60
  if (dayMs === undefined || !isTime || seconds < 0 || seconds > 59) return undefined
  return dayMs + ((hours * 60 + minutes) * 60 + seconds) * 1000
}

/** Midnight of the day in the first 8 characters. */
function dayMsOf(text: string): number | undefined {
  const year = digitsAt(text, 0, 4)
  const month = digitsAt(text, 4, 2)
  const day = digitsAt(text, 6, 2)
  if (year < 1000 || month < 1 || month > 12 || day < 1 || day > 31) return undefined
  const ms = Date.UTC(year, month - 1, day)
  // Days 29 to 31 do not exist in every month.
  return day < 29 || new Date(ms).getUTCDate() === day ? ms : undefined
}

/** Value of `count` decimal digits, negative when one is none. */
function digitsAt(text: string, start: number, count: number): number {
  let value = 0
  for (let i = start; i < start + count; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return value
}

/** `YYYYMMDDTHHMMSSZ` of a time. */
export function formatAmzDate(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

/** Milliseconds of an RFC 3339 time or a plain `YYYY-MM-DD`; undefined for anything else. */
export function parseIsoTime(text: string): number | undefined {
  const compact = parseAmzDate(text)
  if (compact !== undefined) return compact
  const match = ISO_TIME.exec(text)
  if (match === null) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) return undefined
  // `Date.parse` takes February 31st for March 3rd.
  const day = new Date(`${match[1]}-${match[2]}-${match[3]}T00:00:00Z`)
  return day.getUTCDate() === Number(match[3]) ? ms : undefined
}

/** True for a date of a credential scope: `YYYYMMDD`. */
export function isScopeDate(text: string): boolean {
  return text.length === 8 && dayMsOf(text) !== undefined
}

/** Nanoseconds since 1970 of an RFC 3339 time, with all its digits; undefined for anything else. */
export function parseRfc3339Ns(text: string): bigint | undefined {
  const ms = text.includes('T') ? parseIsoTime(text) : undefined
  if (ms === undefined) return undefined
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? ''
  return BigInt(Math.floor(ms / 1000)) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}
