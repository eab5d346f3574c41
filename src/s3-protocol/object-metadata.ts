/** The metadata that a write request carries (s3-api.md 3.4), as it is stored. */
import { headerValueText } from './percent.ts'
import { S3Error } from './s3-error.ts'

/** Where a website sends those who ask for the object. */
export const REDIRECT_LOCATION = 'x-amz-website-redirect-location'
const REDIRECT_MAX = 2048

const STANDARD = new Set([
  'content-type',
  'cache-control',
  'content-language',
  'content-encoding',
  'content-disposition',
  'expires',
])
/** Left by old clients of encrypted objects; would be wrong when shown. */
const DROPPED = new Set([
  'x-amz-meta-x-amz-unencrypted-content-length',
  'x-amz-meta-x-amz-unencrypted-content-md5',
])
const DEFAULT_TYPE = 'binary/octet-stream'

/** Where metadata comes from: headers in wire order and decoded query entries. */
export interface MetadataSource {
  readonly rawHeaders: readonly (readonly [string, string])[]
}

/**
 * System headers (keys in lower case) and user metadata (keys as `X-Amz-Meta-My-Key`) from headers, and from the query,
 * where presigned URLs put them. Repeated values are joined with `,`; a header wins over the query.
 */
export function requestMetadata(
  request: MetadataSource,
  query: { readonly entries: readonly (readonly [string, string])[] },
): Map<string, string> {
  // In URLs signed in version 2 `Expires` is the end of the signature.
  const isV2 = query.entries.some(([name]) => name === 'AWSAccessKeyId')
  const entries = isV2 ? query.entries.filter(([name]) => name !== 'Expires') : query.entries
  const metadata = collect(entries, (value) => value)
  for (const [key, value] of collect(request.rawHeaders, headerValueText)) metadata.set(key, value)
  const encoding = withoutAwsChunked(metadata.get('content-encoding') ?? '')
  if (encoding === '') metadata.delete('content-encoding')
  else metadata.set('content-encoding', encoding)
  const location = redirectLocation(request, query)
  if (location !== undefined) metadata.set(REDIRECT_LOCATION, location)
  if ((metadata.get('content-type') ?? '') === '') metadata.set('content-type', DEFAULT_TYPE)
  return metadata
}

/** `x-amz-website-redirect-location`, undefined when not sent. `InvalidRedirectLocation`. */
export function redirectLocation(
  request: MetadataSource,
  query: { readonly entries: readonly (readonly [string, string])[] },
): string | undefined {
  const isNamed = ([name]: readonly [string, string]): boolean =>
    name.length === REDIRECT_LOCATION.length && name.toLowerCase() === REDIRECT_LOCATION
  const header = request.rawHeaders.find(isNamed)
  const location =
    header === undefined ? query.entries.find(isNamed)?.[1] : headerValueText(header[1])
  if (location === undefined) return undefined
  // It is sent as a header again: no characters that would break one.
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  const isSound = /^(?:\/|https?:\/\/)[^\x00-\x1f\x7f]*$/.test(location)
  if (!isSound || Buffer.byteLength(location) > REDIRECT_MAX) {
    throw new S3Error('InvalidRedirectLocation')
  }
  return location.replace(/[^\x20-\x7e]+/g, (run) => encodeURI(run.toWellFormed()))
}

function collect(
  entries: readonly (readonly [string, string])[],
  decode: (value: string) => string,
): Map<string, string> {
  const found = new Map<string, string>()
  for (const [name, value] of entries) {
    const lower = name.toLowerCase()
    const key = STANDARD.has(lower)
      ? lower
      : lower.startsWith('x-amz-meta-') || lower.startsWith('x-minio-meta-')
        ? storedName(lower)
        : undefined
    if (key === undefined || DROPPED.has(lower)) continue
    const earlier = found.get(key)
    found.set(key, earlier === undefined ? decode(value) : `${earlier},${decode(value)}`)
  }
  return found
}

/** `x-amz-meta-my-key` as `X-Amz-Meta-My-Key`. */
function storedName(lower: string): string {
  return lower.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => {
    return dash + letter.toUpperCase()
  })
}

/** `Content-Encoding` without the framing of uploads: `gzip, aws-chunked` → `gzip`. */
export function withoutAwsChunked(encoding: string): string {
  if (!encoding.toLowerCase().includes('aws-chunked')) return encoding
  return encoding
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '' && token.toLowerCase() !== 'aws-chunked')
    .join(', ')
}
