/**
 * What policies may ask about a request (s3-api.md 2.10, iam-sts.md 3.8.2): each key from one source, computed here from the
 * connection, the request's own parameters and what is stored. A header or parameter that has the name of another key never
 * stands in for it.
 */
import type { HttpRequest } from '#http/http'
import type { ConditionValues } from '#iam/policy'
import { decodePercent, headerValueText } from '#s3-protocol/percent'
import { parseTagQuery } from '#s3-protocol/tagging'
import type { Authentication } from './authenticate.ts'
import type { QueryParameters } from './s3.ts'

/** Values of condition keys that the operation knows better than the request line: from its document or form. */
export type RequestFacts = ReadonlyMap<string, readonly string[]>

export interface ValuesContext {
  readonly request: HttpRequest
  readonly query: QueryParameters
  readonly authentication: Authentication
  /** These count in place of the request's headers. */
  readonly facts?: RequestFacts | undefined
  /** The version that is meant, when the query does not say it: of a copy source, of one entry of many. */
  readonly versionId?: string | undefined
  readonly nowMs: number
  /** Tags stored with the addressed version. */
  readonly tags: ReadonlyMap<string, string>
}

export const EXISTING_TAG = 's3:ExistingObjectTag/'
export const REQUEST_TAG = 's3:RequestObjectTag/'
const COPY_SOURCE = 's3:x-amz-copy-source'
const REQUEST_TAG_KEYS = 's3:RequestObjectTagKeys'

/** Request headers that are conditions under their own name; presigned requests may have them in their query. */
const HEADER_KEYS = new Set([
  's3:x-amz-acl',
  's3:x-amz-content-sha256',
  's3:x-amz-grant-full-control',
  's3:x-amz-grant-read',
  's3:x-amz-grant-read-acp',
  's3:x-amz-grant-write',
  's3:x-amz-grant-write-acp',
  's3:x-amz-metadata-directive',
  's3:x-amz-storage-class',
  's3:x-amz-server-side-encryption',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
  's3:x-amz-server-side-encryption-customer-algorithm',
])

/** The value of a condition key, undefined when the request has none. */
export function conditionValues(context: ValuesContext): ConditionValues {
  return (key, effect) => {
    if (key === COPY_SOURCE) return copySources(context.request, effect)
    if (key.startsWith(EXISTING_TAG)) return list(context.tags.get(key.slice(EXISTING_TAG.length)))
    const fact = context.facts?.get(key)
    if (fact !== undefined) return fact
    if (key.startsWith(REQUEST_TAG)) {
      return list(requestTags(context).get(key.slice(REQUEST_TAG.length)))
    }
    return HEADER_KEYS.has(key)
      ? list(headerOrQuery(context, key.slice('s3:'.length)))
      : valueOf(key, context)
  }
}

/** Facts about the tags of a document or form. */
export function tagFacts(
  tags: readonly { readonly key: string; readonly value: string }[],
): RequestFacts {
  const facts = new Map<string, readonly string[]>()
  for (const { key, value } of tags) facts.set(REQUEST_TAG + key, [value])
  if (tags.length > 0)
    facts.set(
      REQUEST_TAG_KEYS,
      tags.map((tag) => tag.key),
    )
  return facts
}

function valueOf(key: string, context: ValuesContext): readonly string[] | undefined {
  const { request, query, nowMs } = context
  switch (key) {
    case 'aws:CurrentTime':
      return [`${new Date(nowMs).toISOString().slice(0, 19)}Z`]
    case 'aws:EpochTime':
      return [String(Math.floor(nowMs / 1000))]
    case 'aws:SecureTransport':
      return [String(request.isSecure)]
    case 'aws:SourceIp':
      return list(request.remoteAddress.replace(/^::ffff:/i, '').replace(/%.*$/, ''))
    case 'aws:UserAgent':
      return list(headerText(request, 'user-agent'))
    case 'aws:Referer':
      return list(headerText(request, 'referer'))
    case 's3:if-match':
    case 's3:if-none-match':
      return list(headerText(request, key.slice('s3:'.length)))
    case 's3:prefix':
    case 's3:delimiter':
    case 's3:max-keys':
      return list(query.get(key.slice('s3:'.length)))
    case 's3:versionid':
      return [addressedVersion(context) ?? copiedVersion(request) ?? '']
    case 's3:object-lock-mode':
    case 's3:object-lock-legal-hold':
      return list(headerText(request, `x-amz-${key.slice('s3:'.length)}`)?.toUpperCase())
    case 's3:object-lock-retain-until-date':
      return list(headerText(request, 'x-amz-object-lock-retain-until-date'))
    case 's3:object-lock-remaining-retention-days':
      return remainingDays(headerText(request, 'x-amz-object-lock-retain-until-date'), nowMs)
    case 's3:ObjectCreationOperation':
      return [String(createsObject(context))]
    case REQUEST_TAG_KEYS: {
      const keys = [...requestTags(context).keys()]
      return keys.length === 0 ? undefined : keys
    }
    default:
      return callerValue(key, context.authentication)
  }
}

/** Whether a write ends with an object: the beginning and the parts of an upload do not. */
function createsObject({ request, query }: ValuesContext): boolean {
  return !query.has('uploads') && (!query.has('uploadId') || request.method === 'POST')
}

/** What the signature says about the caller. */
function callerValue(
  key: string,
  { identity, scheme, signatureAgeMs }: Authentication,
): readonly string[] | undefined {
  switch (key) {
    case 'aws:principaltype':
      return [identity.accessKey === '' ? 'Anonymous' : identity.isOwner ? 'Account' : 'User']
    case 'aws:userid':
    case 'aws:username':
      return identity.accessKey === '' ? undefined : [identity.accessKey]
    case 's3:signatureversion':
      return [scheme.startsWith('v4') ? 'AWS4-HMAC-SHA256' : scheme.startsWith('v2') ? 'AWS' : '']
    case 's3:authType':
      return [authType(scheme)]
    case 's3:signatureAge':
      return list(signatureAgeMs?.toString())
    default:
      return undefined
  }
}

function authType(scheme: Authentication['scheme']): string {
  switch (scheme) {
    case 'v4-header':
    case 'v2-header':
      return 'REST-HEADER'
    case 'v4-presigned':
    case 'v2-presigned':
      return 'REST-QUERY-STRING'
    case 'form':
      return 'POST'
    case 'anonymous':
      return ''
  }
}

/** The version that a question is about: undefined when the latest one is meant. */
export function addressedVersion({
  query,
  versionId,
}: Pick<ValuesContext, 'query' | 'versionId'>): string | undefined {
  const text = versionId ?? query.get('versionId')
  return text === '' ? undefined : text
}

/** Days from now until a time, rounded up; undefined for what is no time. */
export function remainingDays(
  until: string | undefined,
  nowMs: number,
): readonly string[] | undefined {
  const untilMs = until === undefined ? Number.NaN : Date.parse(until)
  return Number.isNaN(untilMs) ? undefined : [String(Math.ceil((untilMs - nowMs) / 86_400_000))]
}

/** The source as sent, as MinIO compares it. A deny sees also what will be read: it must hold for any spelling. */
function copySources(
  request: HttpRequest,
  effect: 'Allow' | 'Deny' | undefined,
): readonly string[] | undefined {
  const sent = headerText(request, 'x-amz-copy-source')
  if (sent === undefined || effect !== 'Deny') return list(sent)
  const at = sent.lastIndexOf(VERSION)
  const decoded = decodePercent(at < 0 ? sent : sent.slice(0, at), { plusIsBlank: false })
  return decoded.ok ? [sent, decoded.text.replace(/^\//, '')] : [sent]
}

const VERSION = '?versionId='

function copiedVersion(request: HttpRequest): string | undefined {
  const source = request.header('x-amz-copy-source')
  const at = source?.lastIndexOf(VERSION) ?? -1
  return source === undefined || at < 0 ? undefined : source.slice(at + VERSION.length)
}

/** Tags as they would be stored. Malformed ones are none: the operation refuses them later. */
function requestTags(context: ValuesContext): ReadonlyMap<string, string> {
  const text = headerOrQuery(context, 'x-amz-tagging')
  return tagMap(text ?? '')
}

/** Tags by key. Throws for what is not a list of tags. */
export function tagMap(text: string): ReadonlyMap<string, string> {
  return text === '' ? new Map() : new Map(parseTagQuery(text).map((tag) => [tag.key, tag.value]))
}

/** A header, or the query parameter of its name where the operations take it from there. */
function headerOrQuery({ request, query }: ValuesContext, name: string): string | undefined {
  return headerText(request, name) ?? query.entries.find(([key]) => key.toLowerCase() === name)?.[1]
}

function headerText(request: HttpRequest, name: string): string | undefined {
  const value = request.header(name)
  return value === undefined ? undefined : headerValueText(value)
}

function list(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value]
}
