/**
 * Who may do what (s3-api.md 2.9, 2.10): the root key everything, anonymous callers what the bucket's policy allows.
 *
 * Invariant: what a policy asks for comes from `policy-values.ts` and nowhere else.
 */
import { strictTextOf } from '#base/bytes'
import type { Clock } from '#base/clock'
import type { HttpRequest } from '#http/http'
import {
  type ConditionValues,
  type Decision,
  decide,
  isPublicPolicy,
  mightAllow,
  parseBucketPolicy,
  type Policy,
  PolicyError,
} from '#iam/policy'
import { ObjectError, type ObjectErrorCode, type ObjectEngine } from '#object/object'
import type { Query } from '#s3-protocol/query'
import type { Authentication } from './authenticate.ts'
import { ParsedDocuments } from './parsed-documents.ts'
import {
  addressedVersion,
  conditionValues,
  EXISTING_TAG,
  type RequestFacts,
  tagMap,
} from './policy-values.ts'
import { storedPublicAccessBlock } from './public-access.ts'

export interface AuthorizeOptions {
  readonly engine: ObjectEngine
  readonly clock: Clock
}

/** The request that permission is asked for. */
export interface AuthorizeContext {
  readonly request: HttpRequest
  readonly query: Query
  readonly authentication: Authentication
  /** What the operation's document says, in place of headers. */
  readonly facts?: RequestFacts | undefined
  /** The version meant when it is not that of the query. */
  readonly versionId?: string | undefined
}

/** The action that may allow the same. */
function otherAction(context: AuthorizeContext, action: string): string | undefined {
  const others = addressedVersion(context) === undefined ? OTHER_ACTIONS : VERSION_ACTIONS
  return others.get(action)
}

interface Asked {
  readonly action: string
  readonly bucket: string
  readonly key: string
}

/** An action on a version that policies may name by either of two names. */
const VERSION_ACTIONS: ReadonlyMap<string, string> = new Map([
  ['s3:GetObject', 's3:GetObjectVersion'],
  ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
  ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
  ['s3:GetObjectAttributes', 's3:GetObjectVersionAttributes'],
  ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'],
  ['s3:PutObjectTagging', 's3:PutObjectVersionTagging'],
  ['s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'],
  ['s3:DeleteObject', 's3:DeleteObjectVersion'],
])

/** An action that another one includes. */
const OTHER_ACTIONS: ReadonlyMap<string, string> = new Map([
  ['s3:DeleteBucketCors', 's3:PutBucketCors'],
  // To MinIO an access control list is an older form of the policy.
  ['s3:GetBucketAcl', 's3:GetBucketPolicy'],
  ['s3:PutBucketAcl', 's3:PutBucketPolicy'],
])

export class Authorizer {
  readonly #options: AuthorizeOptions
  /** `null`: cannot be parsed. */
  readonly #policies = new ParsedDocuments('PolicyConfigJSON', parse)
  readonly #blocks = new ParsedDocuments('PublicAccessBlockXML', storedPublicAccessBlock)

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

  /** Whether it depends on what is not known yet, such as the request's document. */
  async mightBeAllowed(
    context: AuthorizeContext,
    action: string,
    bucket: string,
    key: string,
  ): Promise<boolean> {
    const { identity } = context.authentication
    if (identity.isOwner) return true
    const policy = identity.accessKey === '' ? await this.#policyOf(bucket) : undefined
    if (policy === undefined) return false
    const asked = { action, bucket, key }
    const values = await this.#values(context, asked, policy)
    return [action, otherAction(context, action)].some(
      (name) =>
        name !== undefined && mightAllow(policy, { ...asked, action: name, account: '', values }),
    )
  }

  /** Whether an anonymous caller may learn that `key` does not exist: who may list it, may. */
  async mayLearnAbsence(context: AuthorizeContext, bucket: string, key: string): Promise<boolean> {
    const policy = await this.#policyOf(bucket)
    if (policy === undefined) return false
    const asked = { action: 's3:ListBucket', bucket, key: '' }
    const values = await this.#values(context, asked, policy)
    const withPrefix: ConditionValues = (name, effect) =>
      name === 's3:prefix' ? [key] : values(name, effect)
    return decide(policy, { ...asked, account: '', values: withPrefix }) === 'allow'
  }

  /** The policy that counts: none where what it opens to the public is restricted. */
  async #policyOf(bucket: string): Promise<Policy | undefined> {
    try {
      const metadata = await this.#options.engine.bucketMetadata(bucket)
      const policy = this.#policies.of(metadata) ?? undefined
      const isRestricted = this.#blocks.of(metadata)?.restrictPublicBuckets === true
      return isRestricted && policy !== undefined && isPublicPolicy(policy) ? undefined : policy
    } catch (error) {
      if (error instanceof ObjectError && error.code === 'BucketNotFound') return undefined
      throw error
    }
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
    return conditionValues({ ...context, nowMs, tags })
  }

  /** Tags of the addressed version; none when it is not there, so that nothing is told about that. */
  async #storedTags(
    context: AuthorizeContext,
    { bucket, key }: Asked,
  ): Promise<ReadonlyMap<string, string>> {
    const versionId = addressedVersion(context)
    try {
      const { info } = await this.#options.engine.headObject(bucket, key, {
        range: { kind: 'all' },
        versionId,
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
  context: AuthorizeContext,
): boolean {
  const say = (action: string): Decision =>
    decide(policy, { ...asked, action, account: '', values })
  const plain = say(asked.action)
  if (plain === 'deny') return false
  if (asked.action === 's3:ListBucketVersions' && plain === 'none') {
    return say('s3:ListBucket') === 'allow'
  }
  const other = otherAction(context, asked.action)
  if (other === undefined) return plain === 'allow'
  const second = say(other)
  return second !== 'deny' && (plain === 'allow' || second === 'allow')
}
