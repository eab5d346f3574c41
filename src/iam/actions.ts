/** The actions of the S3 API and the condition keys each may be tied to (iam-sts.md 3.5). */
import { matchesWildcard } from './wildcard.ts'

/** Known, so that policies from AWS are taken as they are; no request here has a value for them. */
const AWS_KEYS: readonly string[] = [
  ...named('aws', 'PrincipalAccount PrincipalArn PrincipalOrgID SourceAccount SourceArn'),
  ...named('aws', 'SourceVpc SourceVpce'),
  ...named('s3', 'DataAccessPointArn ResourceAccount'),
]

/** Of requests that carry an access control list; MinIO knows neither them nor the actions on such lists. */
const ACL = [
  's3:x-amz-acl',
  ...named('s3', 'x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp'),
  ...named('s3', 'x-amz-grant-write x-amz-grant-write-acp'),
]

const COMMON_KEYS: readonly string[] = [
  ...named('aws', 'CurrentTime EpochTime Referer SecureTransport SourceIp UserAgent'),
  ...named('aws', 'groups principaltype userid username'),
  ...named('ldap', 'groups user username'),
  ...named('s3', 'LocationConstraint authType signatureAge signatureversion'),
  's3:x-amz-content-sha256',
  ...named('jwt', 'sub iss aud jti upn name groups given_name family_name middle_name nickname'),
  ...named('jwt', 'preferred_username profile picture website email gender birthdate'),
  ...named('jwt', 'phone_number address scope client_id'),
  ...AWS_KEYS,
]

function named(namespace: string, names: string): readonly string[] {
  return names.split(' ').map((name) => `${namespace}:${name}`)
}

const SSE = [
  's3:x-amz-server-side-encryption',
  's3:x-amz-server-side-encryption-customer-algorithm',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
]
/** Amazon's way to ask for conditional writes; MinIO does not know it. */
const IF_MATCH = ['s3:if-match']
const IF_NONE_MATCH = ['s3:if-none-match']
const CREATION = ['s3:ObjectCreationOperation']
const VERSION = ['s3:versionid']
/** In MinIO's spelling the key is for whatever may name a version; in any other it is Amazon's, for actions on versions. */
const AMAZON_VERSION = 's3:VersionId'
const EXISTING_TAG = ['s3:ExistingObjectTag']
const REQUEST_TAG = ['s3:RequestObjectTag', 's3:RequestObjectTagKeys']
const MODE = ['s3:object-lock-mode']
const UNTIL = ['s3:object-lock-retain-until-date']
const HOLD = ['s3:object-lock-legal-hold']
const DAYS = ['s3:object-lock-remaining-retention-days']
const LIST = ['s3:prefix', 's3:delimiter', 's3:max-keys']

interface ActionTraits {
  readonly onObjects: boolean
  readonly keys: readonly string[]
}

function rows(onObjects: boolean, names: string, ...keys: readonly (readonly string[])[]) {
  return names
    .split(' ')
    .map((name): [string, ActionTraits] => [`s3:${name}`, { onObjects, keys: keys.flat() }])
}

const ACTIONS: ReadonlyMap<string, ActionTraits> = new Map([
  ...rows(true, 'AbortMultipartUpload GetObjectLegalHold ListMultipartUploadParts'),
  ...rows(true, 'PutObjectFanOut RestoreObject UpdateObjectEncryption'),
  ...rows(true, 'BypassGovernanceRetention', VERSION, DAYS, UNTIL, MODE, HOLD, REQUEST_TAG),
  ...rows(true, 'DeleteObject DeleteObjectVersion', VERSION, IF_MATCH),
  ...rows(true, 'DeleteObjectTagging DeleteObjectVersionTagging', VERSION, EXISTING_TAG),
  ...rows(true, 'GetObject', SSE, VERSION, EXISTING_TAG),
  ...rows(true, 'GetObjectAttributes', EXISTING_TAG),
  ...rows(true, 'GetObjectRetention', SSE, VERSION),
  ...rows(true, 'GetObjectTagging GetObjectVersion', VERSION, EXISTING_TAG),
  ...rows(true, 'GetObjectVersionAttributes GetObjectVersionTagging', VERSION, EXISTING_TAG),
  ...rows(true, 'GetObjectVersionForReplication', VERSION, EXISTING_TAG),
  ...rows(
    true,
    'PutObject',
    ['s3:x-amz-copy-source', 's3:x-amz-metadata-directive', 's3:x-amz-storage-class'],
    SSE,
    VERSION,
    UNTIL,
    MODE,
    HOLD,
    REQUEST_TAG,
    ACL,
    IF_MATCH,
    IF_NONE_MATCH,
    CREATION,
  ),
  ...rows(true, 'GetObjectAcl GetObjectVersionAcl', VERSION, EXISTING_TAG),
  ...rows(true, 'PutObjectAcl PutObjectVersionAcl', VERSION, EXISTING_TAG, ACL),
  ...rows(true, 'PutObjectLegalHold', SSE, HOLD, VERSION),
  ...rows(true, 'PutObjectRetention', SSE, DAYS, UNTIL, MODE, VERSION),
  ...rows(true, 'PutObjectTagging PutObjectVersionTagging', VERSION, EXISTING_TAG, REQUEST_TAG),
  ...rows(true, 'ReplicateDelete ReplicateObject ReplicateTags', VERSION, EXISTING_TAG),
  ...rows(true, 'ResetBucketReplicationState'),
  ...rows(false, 'CreateBucket PutBucketAcl', ACL),
  ...rows(false, 'DeleteBucket ForceDeleteBucket GetBucketAcl HeadBucket ListAllMyBuckets'),
  ...rows(false, 'DeleteBucketCors DeleteBucketPolicy DeleteBucketWebsite'),
  ...rows(false, 'GetBucketCors GetBucketLocation GetBucketNotification GetBucketPolicy'),
  ...rows(false, 'GetBucketPolicyStatus GetBucketTagging GetBucketVersioning GetBucketWebsite'),
  ...rows(false, 'GetBucketObjectLockConfiguration GetEncryptionConfiguration'),
  ...rows(false, 'GetLifecycleConfiguration GetReplicationConfiguration PutBucketWebsite'),
  ...rows(false, 'GetBucketQOS PutBucketQOS GetInventoryConfiguration PutInventoryConfiguration'),
  ...rows(false, 'ListBucket ListBucketVersions', LIST),
  ...rows(false, 'ListBucketMultipartUploads ListenBucketNotification ListenNotification'),
  ...rows(false, 'PutBucketCors PutBucketNotification PutBucketPolicy PutBucketVersioning'),
  ...rows(false, 'PutBucketObjectLockConfiguration PutEncryptionConfiguration'),
  ...rows(false, 'PutLifecycleConfiguration PutReplicationConfiguration'),
  ...rows(false, 'PutBucketTagging', REQUEST_TAG),
  ...rows(false, 'GetBucketPublicAccessBlock PutBucketPublicAccessBlock'),
  ...rows(false, 'GetBucketOwnershipControls PutBucketOwnershipControls'),
  ...rows(false, 'GetAccelerateConfiguration PutAccelerateConfiguration'),
  ...rows(false, 'GetBucketLogging PutBucketLogging'),
  ...rows(false, 'GetBucketRequestPayment PutBucketRequestPayment'),
  ...rows(false, 'GetAnalyticsConfiguration PutAnalyticsConfiguration'),
  ...rows(false, 'GetIntelligentTieringConfiguration PutIntelligentTieringConfiguration'),
  ...rows(false, 'GetMetricsConfiguration PutMetricsConfiguration'),
])

/** Spellings of AWS for actions that have another one here. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['s3:getbucketcors', 's3:GetBucketCors'],
  ['s3:putbucketcors', 's3:PutBucketCors'],
  ['s3:deletebucketcors', 's3:DeleteBucketCors'],
])

/** The name of an action as it is compared: AWS and MinIO spell some differently. */
export function normalAction(action: string): string {
  return ALIASES.get(action.toLowerCase()) ?? action
}

/** What an action is about, of a name with wildcards what any behind it is. Unknown ones are taken for bucket actions, unknown patterns for both. */
export function scopesOf(action: string): { readonly objects: boolean; readonly buckets: boolean } {
  const exact = ACTIONS.get(action)
  if (exact !== undefined) return { objects: exact.onObjects, buckets: !exact.onObjects }
  if (!/[*?]/.test(action)) return { objects: false, buckets: true }
  const kinds = new Set<boolean>()
  for (const [known, { onObjects }] of ACTIONS) {
    if (matchesWildcard(action, known)) kinds.add(onObjects)
  }
  return {
    objects: kinds.size === 0 || kinds.has(true),
    buckets: kinds.size === 0 || kinds.has(false),
  }
}

/** True for an action of this API, known or not. */
export function isS3Action(action: string): boolean {
  return action === '*' || action.startsWith('s3:')
}

/** True when a statement on `action`, which may hold wildcards, may ask for the condition key `name` (the part before the first `/`). */
export function allowsKey(action: string, name: string): boolean {
  if (COMMON_KEYS.includes(name)) return true
  for (const [known, traits] of ACTIONS) {
    const isOfIt =
      name === AMAZON_VERSION ? known.includes('ObjectVersion') : traits.keys.includes(name)
    if (isOfIt && matchesWildcard(action, known)) return true
  }
  return false
}

/** Actions on objects that MinIO does not know: to it all such are about buckets. */
const STRANGE: ReadonlySet<string> = new Set([
  's3:UpdateObjectEncryption',
  ...named('s3', 'GetObjectAcl GetObjectVersionAcl PutObjectAcl PutObjectVersionAcl'),
])

/** What MinIO takes an action, which may hold wildcards, to be about. */
export function minioScope(action: string): 'objects' | 'buckets' {
  if (action === '*' || action === 's3:*') return 'objects'
  for (const [known, traits] of ACTIONS) {
    if (traits.onObjects && !STRANGE.has(known) && matchesWildcard(action, known)) return 'objects'
  }
  return 'buckets'
}

/** The actions on buckets behind a name with wildcards. */
export function bucketActionsOf(action: string): readonly string[] {
  return [...ACTIONS]
    .filter(([known, traits]) => !traits.onObjects && matchesWildcard(action, known))
    .map(([known]) => known)
}

const SPELLINGS: ReadonlyMap<string, string> = new Map(
  [...COMMON_KEYS, ...[...ACTIONS.values()].flatMap(({ keys }) => keys), AMAZON_VERSION].map(
    (key) => [key.toLowerCase(), key],
  ),
)

/** The spelling of a key that is used here: their names are compared without case, but for the name of a tag behind them. */
export function normalKey(key: string): string {
  const [name = '', ...rest] = key.split('/')
  if (VERSION.includes(name)) return key
  return [SPELLINGS.get(name.toLowerCase()) ?? name, ...rest].join('/')
}

/** The one key that requests have a value for. */
export function plainKey(key: string): string {
  return key === AMAZON_VERSION ? AMAZON_VERSION.toLowerCase() : key
}

const UNKNOWN_TO_MINIO: ReadonlySet<string> = new Set([
  ...AWS_KEYS,
  AMAZON_VERSION,
  ...ACL,
  ...IF_MATCH,
  ...IF_NONE_MATCH,
  ...CREATION,
])

/** True for condition keys that MinIO refuses. */
export function isUnknownToMinio(key: string): boolean {
  return UNKNOWN_TO_MINIO.has(key)
}

/** What only the request says that begins an upload of parts. */
const BEGINNING: ReadonlySet<string> = new Set([
  ...SSE,
  ...ACL,
  ...MODE,
  ...UNTIL,
  ...HOLD,
  ...DAYS,
  ...REQUEST_TAG,
  's3:x-amz-storage-class',
])

/** True for condition keys that later requests of an upload of parts have no values for: its beginning had them. */
export function isOfBeginning(key: string): boolean {
  const [base = ''] = key.split('/', 1)
  return BEGINNING.has(base)
}
