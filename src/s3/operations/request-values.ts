/** Values that several handlers read from a request in the same way. */
import { isUuid } from '#base/uuid'
import { PARTS_MAX } from '#drive/limits'
import type { VersionId } from '#object/object'
import { invalidArgument, S3Error } from '#s3-protocol/s3-error'
import type { S3Call } from '../s3.ts'

const MAX_INTEGER = 2147483647
/** Largest object, also in a single PUT or part. */
export const OBJECT_SIZE_MAX_BYTES = 5 * 1024 ** 4

/** The version a request addresses: undefined when it names none (an empty value is none). */
export function versionIdOf(call: S3Call): VersionId | undefined {
  const text = call.query.get('versionId')
  if (text === undefined || text === '') return undefined
  const versionId = parseVersionId(text)
  if (versionId === undefined) throw unknownVersionId(text)
  return versionId
}

/** Ids that Amazon or Ceph (31 or 32 characters), or VersityGW (26 of Crockford's) gave: who moved here from there may still ask for them. */
const FOREIGN_VERSION_ID = /^(?:[A-Za-z0-9._-]{31,32}|[0-9A-HJKMNP-TV-Z]{26})$/

/** True for a version id as another server gives them: well formed, but of nothing that is here. */
export function isForeignVersionId(text: string): boolean {
  return parseVersionId(text) === undefined && FOREIGN_VERSION_ID.test(text)
}

/** What asking for a version by an id gets that no version here can have: ids are opaque, but not any text is one. */
export function unknownVersionId(text: string): S3Error {
  return isForeignVersionId(text)
    ? new S3Error('NoSuchVersion')
    : invalidArgument('versionId', text, 'Invalid version id specified')
}

/** `null` or a UUID in lower case; undefined for anything else. */
export function parseVersionId(text: string): VersionId | undefined {
  if (text === 'null') return text
  return isUuid(text) ? text.toLowerCase() : undefined
}

/** A query number of 0 to 2147483647; `fallback` when absent or empty. Others are 400 `InvalidArgument`; `negative` is what those below 0 are told. */
export function countParameter(
  call: S3Call,
  name: string,
  fallback: number,
  negative?: string,
): number {
  const text = call.query.get(name)
  if (text === undefined || text === '') return fallback
  const value = /^\+?\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value <= MAX_INTEGER) return value
  throw invalidArgument(
    name,
    text,
    /^-\d{1,10}$/.test(text)
      ? (negative ?? `Argument ${text} must be an integer between 0 and ${MAX_INTEGER}`)
      : `Provided ${text} not an integer or within integer range`,
  )
}

/** A part number from the query, 1 to `PARTS_MAX`. */
export function partNumberOf(call: S3Call): number {
  const text = call.query.get('partNumber') ?? ''
  const number = /^\+?\d{1,10}$/.test(text) ? Number(text) : 0
  if (number < 1 || number > PARTS_MAX) {
    throw new S3Error('InvalidArgument', {
      message: `Part number must be an integer between 1 and ${PARTS_MAX}, inclusive.`,
    })
  }
  return number
}

/** A header that is `true` or `false` in any case; undefined when absent. Others are 400 `InvalidRequest`. */
export function booleanHeader(call: S3Call, name: string): boolean | undefined {
  const text = call.request.header(name)?.trim().toLowerCase()
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') {
    throw new S3Error('InvalidRequest', { message: 'Invalid Request' })
  }
  return text === 'true'
}

/** Refuses a body over the limit of a single upload. */
export function checkBodySize(call: S3Call): void {
  if ((call.body.sizeBytes ?? 0) > OBJECT_SIZE_MAX_BYTES) throw new S3Error('EntityTooLarge')
}

/** Refuses a document sent without anything to check it by (`Content-MD5`, checksum header or trailer). */
export function requireIntegrity(call: S3Call): void {
  const { request } = call
  if (request.header('content-md5') !== undefined) return
  if (call.announcedTrailers.some((name) => name.startsWith('x-amz-checksum-'))) return
  for (const [name] of request.rawHeaders) {
    const lower = name.toLowerCase()
    if (lower.startsWith('x-amz-checksum-') && !NOT_VALUES.has(lower)) return
  }
  throw new S3Error('MissingContentMD5')
}

const NOT_VALUES = new Set([
  'x-amz-checksum-algorithm',
  'x-amz-checksum-mode',
  'x-amz-checksum-type',
])

/** A query switch: undefined when absent, `invalid` for anything but `true` and `false`. */
export function booleanQuery(call: S3Call, name: string): boolean | 'invalid' | undefined {
  const text = call.query.get(name)?.toLowerCase()
  if (text === undefined || text === '') return undefined
  if (text === 'true') return true
  return text === 'false' ? false : 'invalid'
}

/** A header, or the query parameter of its name: presigned URLs carry some headers there. `name` is in lower case. */
export function headerOrQuery(call: S3Call, name: string): string | undefined {
  const value = call.request.header(name)
  if (value !== undefined || call.query.entries.length === 0) return value
  return call.query.entries.find(([key]) => key.toLowerCase() === name)?.[1]
}
