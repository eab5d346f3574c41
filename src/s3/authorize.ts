/**
 * Who may do what (s3-api.md 2.9, 2.10, 7.1): the root key everything that the bucket's policy does not deny, anonymous
 * callers what it allows.
 *
 * Invariant: what a policy asks for comes from `policy-values.ts` and nowhere else.
 */
import { strictTextOf } from '#base/bytes'
import type { Clock } from '#base/clock'
import type { HttpRequest } from '#http/http'
import { isOfBeginning } from '#iam/actions'
import {
  type ConditionValues,
  type Decision,
  decide,
  isPublicPolicy,
  mayDenyBelow,
  mightAllow,
  parseBucketPolicy,
  type Policy,
  PolicyError,
} from '#iam/policy'
import { TAGGING_KEY } from '#object/metadata-keys'
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
  /** False: policies are for anonymous callers only, as with MinIO. */
  readonly bindsOwner: boolean
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
  /** Everything that begins with the key is meant. */
  readonly below?: boolean | undefined
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

/** An action on the bucket that another one includes. */
const OTHER_ACTIONS: ReadonlyMap<string, string> = new Map([
  ['s3:DeleteBucketCors', 's3:PutBucketCors'],
  ['s3:HeadBucket', 's3:ListBucket'],
  // To MinIO an access control list is an older form of the policy, and some settings are parts of it.
  ['s3:GetBucketAcl', 's3:GetBucketPolicy'],
  ['s3:PutBucketAcl', 's3:PutBucketPolicy'],
  ['s3:GetObjectAcl', 's3:GetBucketPolicy'],
  ['s3:PutObjectAcl', 's3:PutBucketPolicy'],
  ['s3:GetAccelerateConfiguration', 's3:GetBucketPolicy'],
  ['s3:GetBucketLogging', 's3:GetBucketPolicy'],
  ['s3:GetBucketRequestPayment', 's3:GetBucketPolicy'],
])

/** As with Amazon no policy keeps the owner from these: he can always change one that says too much. */
const ALWAYS_THE_OWNERS: ReadonlySet<string> = new Set([
  's3:CreateBucket',
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
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
    const asked = { action, bucket, key }
    if (identity.isOwner) return (await this.#decision(context, asked)) !== 'deny'
    // No identity policies yet: a key that is not the root's has no rights of its own.
    if (identity.accessKey !== '') return false
    return (await this.#decision(context, asked)) === 'allow'
  }

  async #decision(context: AuthorizeContext, asked: Asked): Promise<Decision> {
    const { identity } = context.authentication
    const isFree = identity.isOwner && !this.#options.bindsOwner
    if (isFree || asked.bucket === '') return 'none'
    const policy = await this.#policyOf(asked.bucket, identity.isOwner)
    if (policy === undefined) return 'none'
    const values = await this.#values(context, asked, policy)
    return decideAll(policy, asked, values, context)
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
    return [asked, ...others(context, asked)].some((each) =>
      mightAllow(policy, { ...each, account: '', values }),
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

  /** The policy that counts: none where what it opens to the public is restricted. What it denies to the owner it denies. */
  async #policyOf(bucket: string, forOwner = false): Promise<Policy | undefined> {
    try {
      const metadata = await this.#options.engine.bucketMetadata(bucket)
      const policy = this.#policies.of(metadata) ?? undefined
      if (forOwner) return policy
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
      return tagMap(info.userMetadata.get(TAGGING_KEY) ?? '')
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

/** The answer to a question and to those whose answers count for it: a denial of any is one. */
function decideAll(
  policy: Policy,
  asked: Asked,
  values: ConditionValues,
  context: AuthorizeContext,
): Decision {
  const { accessKey, isOwner } = context.authentication.identity
  const counting = isOfUpload(context, asked) ? withoutBeginning(policy) : policy
  const say = (question: Asked): Decision => {
    if (isOwner && ALWAYS_THE_OWNERS.has(question.action)) return 'none'
    const full = { ...question, account: accessKey, values }
    if (context.below !== true) return decide(counting, full)
    return mayDenyBelow(counting, full)
      ? 'deny'
      : decide(counting, { ...full, key: `${asked.key}*` })
  }
  const plain = say(asked)
  if (asked.action === 's3:ListBucketVersions' && plain === 'none') {
    return say({ ...asked, action: 's3:ListBucket' }) === 'allow' ? 'allow' : 'none'
  }
  const answers = [plain, ...others(context, asked).map(say)]
  if (answers.includes('deny')) return 'deny'
  return answers.includes('allow') ? 'allow' : 'none'
}

/** What may allow or deny the same. */
function others(context: AuthorizeContext, asked: Asked): readonly Asked[] {
  const ofBucket = OTHER_ACTIONS.get(asked.action)
  const ofVersion =
    addressedVersion(context) === undefined ? undefined : VERSION_ACTIONS.get(asked.action)
  return [
    ...(ofBucket === undefined ? [] : [{ ...asked, action: ofBucket, key: '' }]),
    ...(ofVersion === undefined ? [] : [{ ...asked, action: ofVersion }]),
  ]
}

function isOfUpload({ query }: AuthorizeContext, { action }: Asked): boolean {
  return action === 's3:PutObject' && query.has('uploadId')
}

/** As with Amazon: how an object is to be stored was judged when its upload began, and its parts say nothing of it. */
function withoutBeginning(policy: Policy): Policy {
  const statements = policy.statements.filter(
    ({ effect, conditions }) => effect === 'Allow' || !conditions.some((c) => isOfBeginning(c.key)),
  )
  return { statements }
}
