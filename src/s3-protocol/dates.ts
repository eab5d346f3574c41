/** Times of signatures and documents. */

const AMZ_DATE = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/
const ISO_TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2}))?$/

/** Milliseconds of `YYYYMMDDTHHMMSSZ`; undefined for any other form or a day that does not exist. */
export function parseAmzDate(text: string): number | undefined {
  const match = AMZ_DATE.exec(text)
  if (match === null) return undefined
  const iso = `${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}Z`
  const ms = Date.parse(iso)
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(iso.slice(0, 19))
    ? undefined
    : ms
}

/** `YYYYMMDDTHHMMSSZ` of a time. */
export function formatAmzDate(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

/** Milliseconds of an RFC 3339 time or a plain `YYYY-MM-DD`; undefined for anything else. */
export function parseIsoTime(text: string): number | undefined {
  if (AMZ_DATE.test(text)) return parseAmzDate(text)
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
  return /^\d{8}$/.test(text) && parseAmzDate(`${text}T000000Z`) !== undefined
}
