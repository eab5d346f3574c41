/** Conditional headers (s3-api.md 3.5), for reads, writes and copy sources. */
import { parseIsoTime } from './dates.ts'

/** Where headers come from: lower-case names. */
export interface HeaderSource {
  header(name: string): string | undefined
}

/** Entity tags unquoted, `*` as it is; times in whole seconds since 1970. */
export interface Conditions {
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
  readonly ifModifiedSince?: number | undefined
  readonly ifUnmodifiedSince?: number | undefined
}

/** `If-*` of a read; undefined when there are none. Times that are overruled by an entity tag are left out. */
export function readPreconditions(request: HeaderSource): Conditions | undefined {
  return conditionsOf(
    request.header('if-match'),
    request.header('if-none-match'),
    request.header('if-modified-since'),
    request.header('if-unmodified-since'),
  )
}

/**
 * The conditions under which `If-Range` lets a read have its range (RFC 9110 13.1.5), those of the read included;
 * undefined where the whole is meant in any case: weak tags, and beside `If-Match` or `If-Unmodified-Since`.
 */
export function rangePreconditions(request: HeaderSource): Conditions | undefined {
  const text = request.header('if-range')?.trim() ?? ''
  const read = readPreconditions(request)
  if (read?.ifMatch !== undefined || read?.ifUnmodifiedSince !== undefined) return undefined
  const ifUnmodifiedSince = text.startsWith('"') ? undefined : parseHttpDate(text)
  if (ifUnmodifiedSince !== undefined) return { ...read, ifUnmodifiedSince }
  const tag = /^"?([^"*]+)"?$/.exec(text)?.[1]
  return tag === undefined || text.startsWith('W/') ? undefined : { ...read, ifMatch: [tag] }
}

/** `If-Match` and `If-None-Match` of a write; undefined when there are none. */
export function writePreconditions(
  request: HeaderSource,
): Pick<Conditions, 'ifMatch' | 'ifNoneMatch'> | undefined {
  const ifMatch = request.header('if-match')
  const ifNoneMatch = request.header('if-none-match')
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  return { ifMatch: parseEtags(ifMatch), ifNoneMatch: parseEtags(ifNoneMatch) }
}

/** `x-amz-copy-source-if-*`; undefined when there are none. */
export function copySourcePreconditions(request: HeaderSource): Conditions | undefined {
  return conditionsOf(
    request.header('x-amz-copy-source-if-match'),
    request.header('x-amz-copy-source-if-none-match'),
    request.header('x-amz-copy-source-if-modified-since'),
    request.header('x-amz-copy-source-if-unmodified-since'),
  )
}

function conditionsOf(
  match: string | undefined,
  noneMatch: string | undefined,
  modifiedSince: string | undefined,
  unmodifiedSince: string | undefined,
): Conditions | undefined {
  if (
    match === undefined &&
    noneMatch === undefined &&
    modifiedSince === undefined &&
    unmodifiedSince === undefined
  ) {
    return undefined
  }
  return {
    ifMatch: parseEtags(match),
    ifNoneMatch: parseEtags(noneMatch),
    ifModifiedSince:
      noneMatch === undefined && modifiedSince !== undefined
        ? parseHttpDate(modifiedSince)
        : undefined,
    ifUnmodifiedSince:
      match === undefined && unmodifiedSince !== undefined
        ? parseHttpDate(unmodifiedSince)
        : undefined,
  }
}

/** Entity tags of a list header, quotes and the weak mark removed. */
export function parseEtags(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined
  const tags: string[] = []
  for (const match of text.matchAll(/\s*(?:(?:W\/)?"([^"]*)"|([^",\s]+))\s*(?:,|$)/gy)) {
    tags.push(match[1] ?? match[2] ?? '')
  }
  // Something that is no list is compared as it stands, so that it matches nothing.
  return tags.length > 0 ? tags : [text.trim()]
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const RFC_1123 =
  /^[A-Za-z]{3,9},? (\d{1,2})[ -]([A-Za-z]{3})[ -](\d{2}|\d{4}) (\d{2}):(\d{2}):(\d{2}) ?(GMT|UTC|[+-]\d{4})?$/
const ASCTIME = /^[A-Za-z]{3} ([A-Za-z]{3}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/

/** Whole seconds since 1970 of an HTTP date: RFC 1123 (also with numeric zone), RFC 850, asctime or ISO 8601; undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  const trimmed = text.trim()
  if (trimmed.length > 64) return undefined
  const common = RFC_1123.exec(trimmed)
  if (common !== null) {
    const [, day = '', month = '', year = '', hours = '', minutes = '', seconds = '', zone] = common
    const local = secondsOf({ year, month, day, hours, minutes, seconds })
    return local === undefined ? undefined : local - zoneSeconds(zone)
  }
  const asc = ASCTIME.exec(trimmed)
  if (asc !== null) {
    const [, month = '', day = '', hours = '', minutes = '', seconds = '', year = ''] = asc
    return secondsOf({ year, month, day, hours, minutes, seconds })
  }
  const ms = parseIsoTime(trimmed)
  return ms === undefined ? undefined : Math.floor(ms / 1000)
}

function zoneSeconds(zone: string | undefined): number {
  if (zone === undefined || zone === 'GMT' || zone === 'UTC') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3, 5))
  return (zone.startsWith('-') ? -minutes : minutes) * 60
}

function secondsOf(parts: {
  readonly year: string
  readonly month: string
  readonly day: string
  readonly hours: string
  readonly minutes: string
  readonly seconds: string
}): number | undefined {
  const month = MONTHS.indexOf(parts.month.toLowerCase())
  const [day, hours, minutes, seconds] = [parts.day, parts.hours, parts.minutes, parts.seconds].map(
    Number,
  ) as [number, number, number, number]
  const short = Number(parts.year)
  const year = parts.year.length > 2 ? short : short < 70 ? 2000 + short : 1900 + short
  if (month < 0 || day < 1 || hours > 23 || minutes > 59 || seconds > 60) return undefined
  const ms = Date.UTC(year, month, day, hours, minutes, seconds)
  return new Date(ms).getUTCDate() === day || seconds === 60 ? ms / 1000 : undefined
}
