/** AWS Signature Version 2: what is signed (s3-api.md 2.6). */
import { createHmac } from 'node:crypto'
import type { Query } from './query.ts'

const SUB_RESOURCES = new Set(
  (
    'acl attributes cors delete encryption legal-hold lifecycle location logging notification object-lock ' +
    'partNumber policy replication requestPayment response-cache-control response-content-disposition ' +
    'response-content-encoding response-content-language response-content-type response-expires restore ' +
    'retention select select-type tagging torrent uploadId uploads versionId versioning versions website'
  ).split(' '),
)

export interface SignedV2Parts {
  readonly method: string
  /** Percent-encoded, `/bucket` in front of it also for virtual hosts. */
  readonly path: string
  readonly query: Query
  readonly contentMd5: string
  readonly contentType: string
  /** `Date`, or `Expires` of a presigned URL; empty when `x-amz-date` is present. */
  readonly date: string
  readonly rawHeaders: readonly (readonly [string, string])[]
}

/** The text that a V2 signature covers, one character for each byte. */
export function stringToSignV2(parts: SignedV2Parts): string {
  const { method, contentMd5, contentType, date } = parts
  const head = `${method}\n${contentMd5}\n${contentType}\n${date}\n`
  return `${head}${amzHeaders(parts.rawHeaders)}${resource(parts)}`
}

function amzHeaders(headers: readonly (readonly [string, string])[]): string {
  const found = new Map<string, string[]>()
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    if (!lower.startsWith('x-amz-')) continue
    const values = found.get(lower)
    if (values === undefined) found.set(lower, [value.trim()])
    else values.push(value.trim())
  }
  let text = ''
  for (const name of [...found.keys()].toSorted()) {
    text += `${name}:${(found.get(name) ?? []).join(',')}\n`
  }
  return text
}

function resource({ path, query }: SignedV2Parts): string {
  const items = query.entries
    .filter(([name]) => SUB_RESOURCES.has(name))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    // As headers come: one character for each byte.
    .map((item) => Buffer.from(item).toString('latin1'))
    .toSorted()
  return items.length === 0 ? path : `${path}?${items.join('&')}`
}

/** The signature of a text, base64. */
export function signTextV2(secretKey: string, text: string): string {
  return createHmac('sha1', secretKey).update(text, 'latin1').digest('base64')
}
