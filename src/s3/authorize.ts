/**
 * Who may do what (s3-api.md 2.9, 2.10): the root key everything, anonymous callers what the bucket's policy allows.
 *
 * Invariant: what a policy asks for is computed here from the connection, the request's own parameters and what is stored,
 * each key from one source; a header or parameter of the same name never stands in for it.
 */
import { strictTextOf } from '#base/bytes'
import type { Clock } from '#base/clock'
import type { HttpRequest } from '#http/http'
import {
  type ConditionValues,
  type Decision,
  decide,
  parseBucketPolicy,
  type Policy,
  PolicyError,
} from '#iam/policy'
import { ObjectError, type ObjectErrorCode, type ObjectEngine } from '#object/object'
import { headerValueText } from '#s3-protocol/percent'
import type { Query } from '#s3-protocol/query'
import { parseTagQuery } from '#s3-protocol/tagging'
import type { Authentication } from './authenticate.ts'

export interface AuthorizeOptions {
  readonly engine: ObjectEngine
  readonly clock: Clock
}

/** The request that permission is asked for. */
export interface AuthorizeContext {
  readonly request: HttpRequest
  readonly query: Query
  readonly authentication: Authentication
}

interface Asked {
  readonly action: string
  readonly bucket: string
  readonly key: string
}

/** An action on a version that policies may name by either of two names. */
const VERSION_ACTIONS: ReadonlyMap<string, string> = new Map([
  ['s3:GetObject', 's3:GetObjectVersion'],
  ['s3:GetObjectAttributes', 's3:GetObjectVersionAttributes'],
  ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'],
  ['s3:PutObjectTagging', 's3:PutObjectVersionTagging'],
  ['s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'],
])

export class Authorizer {
  readonly #options: AuthorizeOptions
  /** Parsed policies by their document, which the engine keeps while it does not change. `null`: cannot be parsed. */
  readonly #policies = new WeakMap<Uint8Array, Policy | null>()

  constructor(options: AuthorizeOptions) {
    this.#options = options
  }

  /** Whether the caller may do `action`. Missing buckets allow nothing. */
  async isAllowed(
    context: AuthorizeContext,
    action: string,
    bucket: string,
    key: string,
  ): Promise<boolean> {
    const { identity } = context.authentication
    if (identity.isOwner) return true
    // No identity policies yet: a key that is not the root's has no rights of its own.
    if (identity.accessKey !== '' || bucket === '') return false
    const policy = await this.#policyOf(bucket)
    if (policy === undefined) return false
    const asked = { action, bucket, key }
    const values = await this.#values(context, asked, policy)
    return isAllowedBy(policy, asked, values, context)
  }

  /** Whether an anonymous caller may learn that `key` does not exist: who may list it, may. */
  async mayLearnAbsence(context: AuthorizeContext, bucket: string, key: string): Promise<boolean> {
    const policy = await this.#policyOf(bucket)
    if (policy === undefined) return false
    const asked = { action: 's3:ListBucket', bucket, key: '' }
    const values = await this.#values(context, asked, policy)
    const withPrefix: ConditionValues = (name) => (name === 's3:prefix' ? [key] : values(name))
    return decide(policy, { ...asked, account: '', values: withPrefix }) === 'allow'
  }

  async #policyOf(bucket: string): Promise<Policy | undefined> {
    let document: Uint8Array | undefined
    try {
      document = (await this.#options.engine.bucketMetadata(bucket)).document('PolicyConfigJSON')
    } catch (error) {
      if (error instanceof ObjectError && error.code === 'BucketNotFound') return undefined
      throw error
    }
    if (document === undefined) return undefined
    let policy = this.#policies.get(document)
    if (policy === undefined) {
      policy = parse(document, bucket)
      this.#policies.set(document, policy)
    }
    return policy ?? undefined
  }

  async #values(context: AuthorizeContext, asked: Asked, policy: Policy): Promise<ConditionValues> {
    const needsTags = policy.statements.some((statement) =>
      statement.conditions.some(({ key }) => key.startsWith(EXISTING_TAG)),
    )
    const tags =
      needsTags && asked.key !== ''
        ? await this.#storedTags(context, asked)
        : new Map<string, string>()
    const nowMs = this.#options.clock.nowMs()
    return (key) => valueOf(key, context, { nowMs, tags })
  }

  /** Tags of the addressed version; none when it is not there, so that nothing is told about that. */
  async #storedTags(
    { query }: AuthorizeContext,
    { bucket, key }: Asked,
  ): Promise<ReadonlyMap<string, string>> {
    const versionId = query.get('versionId')
    try {
      const { info } = await this.#options.engine.headObject(bucket, key, {
        range: { kind: 'all' },
        ...(versionId === undefined || versionId === '' ? {} : { versionId }),
      })
      return tagMap(info.userMetadata.get('X-Amz-Tagging') ?? '')
    } catch (error) {
      const isAbsent = error instanceof ObjectError && ABSENCES.includes(error.code)
      if (!isAbsent) throw error
      return new Map()
    }
  }
}

const ABSENCES: readonly ObjectErrorCode[] = [
  'ObjectNotFound',
  'VersionNotFound',
  'MethodNotAllowed',
]
const EXISTING_TAG = 's3:ExistingObjectTag/'
const REQUEST_TAG = 's3:RequestObjectTag/'

function parse(document: Uint8Array, bucket: string): Policy | null {
  const text = strictTextOf(document)
  if (text === undefined) return null
  try {
    return parseBucketPolicy(text, bucket)
  } catch (error) {
    if (error instanceof PolicyError) return null // a policy that cannot be read allows nothing
    throw error
  }
}

function isAllowedBy(
  policy: Policy,
  asked: Asked,
  values: ConditionValues,
  { query }: AuthorizeContext,
): boolean {
  const say = (action: string): Decision =>
    decide(policy, { ...asked, action, account: '', values })
  const plain = say(asked.action)
  if (plain === 'deny') return false
  if (asked.action === 's3:ListBucketVersions' && plain === 'none') {
    return say('s3:ListBucket') === 'allow'
  }
  if ((query.get('versionId') ?? '') !== '') {
    const versioned = VERSION_ACTIONS.get(asked.action)
    if (versioned !== undefined) {
      const second = say(versioned)
      return second !== 'deny' && (plain === 'allow' || second === 'allow')
    }
    if (asked.action === 's3:DeleteObject' && say('s3:DeleteObjectVersion') === 'deny') return false
  }
  return plain === 'allow'
}

interface Facts {
  readonly nowMs: number
  readonly tags: ReadonlyMap<string, string>
}

/** Request headers that are conditions under their own name. */
const HEADER_KEYS = new Set([
  's3:x-amz-content-sha256',
  's3:x-amz-copy-source',
  's3:x-amz-metadata-directive',
  's3:x-amz-storage-class',
  's3:x-amz-server-side-encryption',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
  's3:x-amz-server-side-encryption-customer-algorithm',
])

function valueOf(
  key: string,
  { request, query, authentication }: AuthorizeContext,
  { nowMs, tags }: Facts,
): readonly string[] | undefined {
  const { identity, scheme } = authentication
  if (key.startsWith(EXISTING_TAG)) return list(tags.get(key.slice(EXISTING_TAG.length)))
  if (key.startsWith(REQUEST_TAG)) {
    return list(requestTags(request).get(key.slice(REQUEST_TAG.length)))
  }
  if (HEADER_KEYS.has(key)) {
    const name = key.slice('s3:'.length)
    return list(request.header(name) ?? query.entries.find(([k]) => k.toLowerCase() === name)?.[1])
  }
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
      return list(request.header('user-agent'))
    case 'aws:Referer':
      return list(request.header('referer'))
    case 'aws:principaltype':
      return [identity.accessKey === '' ? 'Anonymous' : identity.isOwner ? 'Account' : 'User']
    case 'aws:userid':
    case 'aws:username':
      return identity.accessKey === '' ? undefined : [identity.accessKey]
    case 's3:prefix':
    case 's3:delimiter':
    case 's3:max-keys':
      return list(query.get(key.slice('s3:'.length)))
    case 's3:versionid':
      return [query.get('versionId') ?? copiedVersion(request) ?? '']
    case 's3:signatureversion':
      return [scheme.startsWith('v4') ? 'AWS4-HMAC-SHA256' : scheme.startsWith('v2') ? 'AWS' : '']
    case 's3:authType':
      return [authType(authentication)]
    case 's3:signatureAge':
      return list(authentication.signatureAgeMs?.toString())
    case 's3:object-lock-mode':
    case 's3:object-lock-legal-hold':
    case 's3:object-lock-retain-until-date':
      return list(request.header(`x-amz-${key.slice('s3:'.length)}`))
    case 's3:RequestObjectTagKeys': {
      const keys = [...requestTags(request).keys()]
      return keys.length === 0 ? undefined : keys
    }
    default:
      return undefined
  }
}

function authType({ scheme }: Authentication): string {
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

function list(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [headerValueText(value)]
}

function copiedVersion(request: HttpRequest): string | undefined {
  const source = request.header('x-amz-copy-source')
  const at = source?.lastIndexOf('?versionId=') ?? -1
  return source === undefined || at < 0 ? undefined : source.slice(at + '?versionId='.length)
}

function requestTags(request: HttpRequest): ReadonlyMap<string, string> {
  return tagMap(request.header('x-amz-tagging') ?? '')
}

function tagMap(text: string): ReadonlyMap<string, string> {
  return text === '' ? new Map() : new Map(parseTagQuery(text).map((tag) => [tag.key, tag.value]))
}
