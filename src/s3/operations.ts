/**
 * The operation table of the S3 API (s3-api.md 1.3). Rows are tried in order, the first match wins.
 *
 * Invariants
 * - Bucket rows with a known sub-resource come before those that take any query, and every known sub-resource has a row
 *   for PUT and DELETE: `DELETE /bucket?somethingNew` must never delete the bucket. So it is with objects.
 * - Rows that are not built have the handler `notImplemented`; their place in the order is the final one.
 */
import type { HttpRequest } from '#http/http'
import { isFormType } from '#s3-protocol/post-policy'
import { S3Error } from '#s3-protocol/s3-error'
import * as facts from './document-facts.ts'
import { appendObject } from './operations/append.ts'
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './operations/acl.ts'
import { getObjectAttributes } from './operations/attributes.ts'
import * as bucketEncryption from './operations/bucket-encryption.ts'
import * as cors from './operations/bucket-cors.ts'
import * as lists from './operations/bucket-lists.ts'
import * as policy from './operations/bucket-policy.ts'
import * as settings from './operations/bucket-settings.ts'
import * as website from './operations/bucket-website.ts'
import * as buckets from './operations/buckets.ts'
import { copyObject } from './operations/copy.ts'
import { deleteObject } from './operations/delete-object.ts'
import { deleteObjects } from './operations/delete-objects.ts'
import * as lifecycle from './operations/lifecycle.ts'
import { isMemberRequest, readMember } from './operations/extract.ts'
import { listObjects, listObjectsV2 } from './operations/listing.ts'
import { listObjectVersions } from './operations/listing-versions.ts'
import * as lock from './operations/lock-config.ts'
import * as multipart from './operations/multipart.ts'
import { completeMultipartUpload } from './operations/multipart-complete.ts'
import { uploadPart, uploadPartCopy } from './operations/multipart-parts.ts'
import * as notification from './operations/notification.ts'
import { methodNotAllowed, notImplemented } from './operations/not-implemented.ts'
import { getObject, headObject } from './operations/object-read.ts'
import { putObject } from './operations/object-write.ts'
import { isOwnerName } from './operations/owner.ts'
import { postPolicyUpload } from './operations/post-policy.ts'
import { renameObject } from './operations/rename.ts'
import * as replication from './operations/replication.ts'
import { restoreObject } from './operations/restore.ts'
import * as retention from './operations/retention.ts'
import { selectObjectContent } from './operations/select.ts'
import { putExtract } from './operations/snowball.ts'
import * as tagging from './operations/tagging.ts'
import { isVendorRequest, readVendorObject } from './operations/vendor-objects.ts'
import { getBucketVersioning, putBucketVersioning } from './operations/versioning.ts'
import type { Handler, Operation, OperationScope } from './s3.ts'

const KIB = 1024
const MIB = 1024 * KIB

type Body = Operation['body']
const NO_BODY: Body = { kind: 'none' }
const STREAM: Body = { kind: 'stream' }

function document(limitBytes: number, errorCode = 'MalformedXML'): Body {
  return { kind: 'document', limitBytes, errorCode }
}

/** What a row may say besides name, method and handler. */
interface RowOptions {
  /** Query keys that must be present, with any value. */
  readonly keys?: readonly string[]
  /** Query keys with a prescribed value. */
  readonly values?: Readonly<Record<string, string>>
  readonly when?: (request: HttpRequest) => boolean
  readonly action?: string
  readonly body?: Body
  readonly anonymous?: boolean
  readonly facts?: Operation['facts']
}

function rowsOf(scope: OperationScope) {
  return (name: string, method: string, handler: Handler, options: RowOptions = {}): Operation => {
    const { keys = [], values, when, action, body = NO_BODY, anonymous } = options
    const query: Record<string, string | undefined> = { ...values }
    for (const key of keys) query[key] = undefined
    return {
      name,
      scope,
      method,
      ...(keys.length > 0 || values !== undefined ? { query } : {}),
      ...(when === undefined ? {} : { when }),
      ...(action === undefined ? {} : { action }),
      body,
      ...(anonymous === undefined ? {} : { anonymous }),
      ...(options.facts === undefined ? {} : { facts: options.facts }),
      handler: handler === notImplemented ? handler : forOwner(handler),
    }
  }
}

/** A caller that expects another owner of the bucket is stopped before anything happens. */
function forOwner(handler: Handler): Handler {
  return async (call) => {
    const expected = call.request.header('x-amz-expected-bucket-owner')
    if (expected !== undefined && !isOwnerName(call, expected)) throw new S3Error('AccessDenied')
    return handler(call)
  }
}

const service = rowsOf('service')
const bucket = rowsOf('bucket')
const object = rowsOf('object')

function hasCopySource(request: HttpRequest): boolean {
  const source = request.header('x-amz-copy-source')
  return source !== undefined && /\/|%2f/i.test(source)
}

function isForm(request: HttpRequest): boolean {
  return isFormType(request.header('content-type'))
}

function isArchive(request: HttpRequest): boolean {
  return request.header('x-amz-meta-snowball-auto-extract')?.toLowerCase() === 'true'
}

function isAppend(request: HttpRequest): boolean {
  return request.header('x-amz-write-offset-bytes') !== undefined
}

const SERVICE_ROWS: readonly Operation[] = [
  service('ListenNotification', 'GET', notImplemented, { keys: ['events'] }),
  service('ListBuckets', 'GET', buckets.listBuckets, { anonymous: false }),
]

/** Sub-resources of buckets whose GET, PUT, POST and DELETE have no row of their own before the general ones. */
const SUB_RESOURCES = [
  'accelerate',
  'acl',
  'analytics',
  'cors',
  'encryption',
  'events',
  'intelligent-tiering',
  'inventory',
  'lifecycle',
  'list-type',
  'location',
  'logging',
  'metadata',
  'metadataConfiguration',
  'metadataInventoryTable',
  'metadataJournalTable',
  'metadataTable',
  'metrics',
  'minio-inventory',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'qos',
  'replication',
  'replication-check',
  'replication-metrics',
  'replication-reset',
  'replication-reset-status',
  'requestPayment',
  'session',
  'tagging',
  'uploads',
  'versioning',
  'versions',
  'website',
  'withUpdatedAt',
] as const

/** Those that a GET must not take for a list of objects. */
const READ_REFUSED: readonly string[] = [
  'metadataConfiguration',
  'metadataInventoryTable',
  'metadataJournalTable',
  'metadataTable',
  'minio-inventory',
  'qos',
  'replication-reset',
  'session',
]

/** Reads and changes of a setting that MinIO has no place for. */
function settingRows(
  key: string,
  names: readonly [get: string, put: string, remove?: string],
  handlers: readonly [get: Handler, put: Handler, remove?: Handler],
  actions: readonly [get: string, put: string, remove?: string],
): readonly Operation[] {
  const [get, put, remove] = handlers
  const keys = [key]
  const [mayGet, mayPut, mayRemove = mayPut] = actions
  return [
    bucket(names[0], 'GET', get, { keys, action: mayGet }),
    bucket(names[1], 'PUT', put, {
      keys,
      action: mayPut,
      body: document(128 * KIB, 'MaxMessageLengthExceeded'),
    }),
    ...(remove === undefined
      ? []
      : [bucket(names[2] ?? '', 'DELETE', remove, { keys, action: mayRemove })]),
  ]
}

/** The configurations of a kind that a bucket may have many of: one of them has an id. */
function listRows(
  key: string,
  name: string,
  handlers: typeof lists.metrics,
  action: string,
): readonly Operation[] {
  const one = [key, 'id']
  return [
    bucket(`Get${name}`, 'GET', handlers.get, { keys: one, action: `s3:Get${action}` }),
    bucket(`List${name}s`, 'GET', handlers.list, { keys: [key], action: `s3:Get${action}` }),
    bucket(`Put${name}`, 'PUT', handlers.put, {
      keys: [key],
      action: `s3:Put${action}`,
      body: document(lists.CONFIGURATION_MAX_BYTES),
    }),
    bucket(`Delete${name}`, 'DELETE', handlers.remove, { keys: [key], action: `s3:Put${action}` }),
  ]
}

const SETTING_ROWS: readonly Operation[] = [
  ...settingRows(
    'publicAccessBlock',
    ['GetPublicAccessBlock', 'PutPublicAccessBlock', 'DeletePublicAccessBlock'],
    [
      settings.getPublicAccessBlock,
      settings.putPublicAccessBlock,
      settings.deletePublicAccessBlock,
    ],
    ['s3:GetBucketPublicAccessBlock', 's3:PutBucketPublicAccessBlock'],
  ),
  ...settingRows(
    'ownershipControls',
    ['GetBucketOwnershipControls', 'PutBucketOwnershipControls', 'DeleteBucketOwnershipControls'],
    [
      settings.getOwnershipControls,
      settings.putOwnershipControls,
      settings.deleteOwnershipControls,
    ],
    ['s3:GetBucketOwnershipControls', 's3:PutBucketOwnershipControls'],
  ),
  ...settingRows(
    'accelerate',
    ['GetBucketAccelerateConfiguration', 'PutBucketAccelerateConfiguration'],
    [settings.getBucketAccelerate, settings.putBucketAccelerate],
    ['s3:GetAccelerateConfiguration', 's3:PutAccelerateConfiguration'],
  ),
  ...settingRows(
    'requestPayment',
    ['GetBucketRequestPayment', 'PutBucketRequestPayment'],
    [settings.getBucketRequestPayment, settings.putBucketRequestPayment],
    ['s3:GetBucketRequestPayment', 's3:PutBucketRequestPayment'],
  ),
  ...settingRows(
    'logging',
    ['GetBucketLogging', 'PutBucketLogging'],
    [settings.getBucketLogging, settings.putBucketLogging],
    ['s3:GetBucketLogging', 's3:PutBucketLogging'],
  ),
  ...settingRows(
    'website',
    ['GetBucketWebsite', 'PutBucketWebsite', 'DeleteBucketWebsite'],
    [website.getBucketWebsite, website.putBucketWebsite, website.deleteBucketWebsite],
    ['s3:GetBucketWebsite', 's3:PutBucketWebsite', 's3:DeleteBucketWebsite'],
  ),
  ...listRows(
    'analytics',
    'BucketAnalyticsConfiguration',
    lists.analytics,
    'AnalyticsConfiguration',
  ),
  ...listRows(
    'intelligent-tiering',
    'BucketIntelligentTieringConfiguration',
    lists.intelligentTiering,
    'IntelligentTieringConfiguration',
  ),
  ...listRows(
    'inventory',
    'BucketInventoryConfiguration',
    lists.inventory,
    'InventoryConfiguration',
  ),
  ...listRows('metrics', 'BucketMetricsConfiguration', lists.metrics, 'MetricsConfiguration'),
]

const BUCKET_ROWS: readonly Operation[] = [
  ...SETTING_ROWS,
  bucket('GetBucketLocation', 'GET', buckets.getBucketLocation, {
    keys: ['location'],
    action: 's3:GetBucketLocation',
  }),
  bucket('GetBucketPolicy', 'GET', policy.getBucketPolicy, {
    keys: ['policy'],
    action: 's3:GetBucketPolicy',
  }),
  bucket('GetBucketLifecycleConfiguration', 'GET', lifecycle.getBucketLifecycle, {
    keys: ['lifecycle'],
    action: 's3:GetLifecycleConfiguration',
  }),
  bucket('GetBucketEncryption', 'GET', bucketEncryption.getBucketEncryption, {
    keys: ['encryption'],
    action: 's3:GetEncryptionConfiguration',
  }),
  bucket('GetObjectLockConfiguration', 'GET', lock.getObjectLockConfiguration, {
    keys: ['object-lock'],
    action: 's3:GetBucketObjectLockConfiguration',
  }),
  bucket('GetBucketReplication', 'GET', replication.getBucketReplication, {
    keys: ['replication'],
    action: 's3:GetReplicationConfiguration',
  }),
  bucket('GetBucketVersioning', 'GET', getBucketVersioning, {
    keys: ['versioning'],
    action: 's3:GetBucketVersioning',
  }),
  bucket('GetBucketNotificationConfiguration', 'GET', notification.getBucketNotification, {
    keys: ['notification'],
    action: 's3:GetBucketNotification',
  }),
  bucket('ListenBucketNotification', 'GET', notImplemented, {
    keys: ['events'],
    action: 's3:ListenBucketNotification',
  }),
  bucket('ResetBucketReplicationStatus', 'GET', notImplemented, {
    keys: ['replication-reset-status'],
    action: 's3:ResetBucketReplicationState',
  }),
  bucket('GetBucketAcl', 'GET', getBucketAcl, { keys: ['acl'], action: 's3:GetBucketAcl' }),
  bucket('PutBucketAcl', 'PUT', putBucketAcl, {
    keys: ['acl'],
    action: 's3:PutBucketAcl',
    body: document(MIB),
  }),
  bucket('GetBucketCors', 'GET', cors.getBucketCors, {
    keys: ['cors'],
    action: 's3:GetBucketCors',
  }),
  bucket('PutBucketCors', 'PUT', cors.putBucketCors, {
    keys: ['cors'],
    action: 's3:PutBucketCors',
    body: document(64 * KIB),
  }),
  bucket('DeleteBucketCors', 'DELETE', cors.deleteBucketCors, {
    keys: ['cors'],
    action: 's3:DeleteBucketCors',
  }),
  bucket('GetBucketTagging', 'GET', tagging.getBucketTagging, {
    keys: ['tagging'],
    action: 's3:GetBucketTagging',
  }),
  bucket('DeleteBucketTagging', 'DELETE', tagging.deleteBucketTagging, {
    keys: ['tagging'],
    action: 's3:PutBucketTagging',
  }),
  bucket('ListMultipartUploads', 'GET', multipart.listMultipartUploads, {
    keys: ['uploads'],
    action: 's3:ListBucketMultipartUploads',
  }),
  bucket('ListObjectsV2M', 'GET', listObjectsV2, {
    values: { 'list-type': '2', metadata: 'true' },
    action: 's3:ListBucket',
  }),
  bucket('ListObjectsV2', 'GET', listObjectsV2, {
    values: { 'list-type': '2' },
    action: 's3:ListBucket',
  }),
  bucket('ListObjectVersionsM', 'GET', listObjectVersions, {
    keys: ['versions'],
    values: { metadata: 'true' },
  }),
  bucket('ListObjectVersions', 'GET', listObjectVersions, { keys: ['versions'] }),
  bucket('GetBucketPolicyStatus', 'GET', policy.getBucketPolicyStatus, {
    keys: ['policyStatus'],
    action: 's3:GetBucketPolicyStatus',
  }),
  bucket('PutBucketLifecycleConfiguration', 'PUT', lifecycle.putBucketLifecycle, {
    keys: ['lifecycle'],
    action: 's3:PutLifecycleConfiguration',
    body: document(2 * MIB),
  }),
  bucket('PutBucketReplication', 'PUT', replication.putBucketReplication, {
    keys: ['replication'],
    action: 's3:PutReplicationConfiguration',
    body: document(2 * MIB),
  }),
  bucket('PutBucketEncryption', 'PUT', bucketEncryption.putBucketEncryption, {
    keys: ['encryption'],
    action: 's3:PutEncryptionConfiguration',
    body: document(MIB),
  }),
  bucket('PutBucketPolicy', 'PUT', policy.putBucketPolicy, {
    keys: ['policy'],
    action: 's3:PutBucketPolicy',
    body: document(20 * KIB, 'PolicyTooLarge'),
  }),
  bucket('PutObjectLockConfiguration', 'PUT', lock.putObjectLockConfiguration, {
    keys: ['object-lock'],
    action: 's3:PutBucketObjectLockConfiguration',
    body: document(64 * KIB),
  }),
  bucket('PutBucketTagging', 'PUT', tagging.putBucketTagging, {
    keys: ['tagging'],
    action: 's3:PutBucketTagging',
    body: document(MIB),
    facts: facts.taggingFacts,
  }),
  bucket('PutBucketVersioning', 'PUT', putBucketVersioning, {
    keys: ['versioning'],
    action: 's3:PutBucketVersioning',
    body: document(MIB),
  }),
  bucket('PutBucketNotificationConfiguration', 'PUT', notification.putBucketNotification, {
    keys: ['notification'],
    action: 's3:PutBucketNotification',
    body: document(MIB),
  }),
  bucket('ResetBucketReplicationStart', 'PUT', notImplemented, {
    keys: ['replication-reset'],
    action: 's3:ResetBucketReplicationState',
  }),
  ...SUB_RESOURCES.map((key) =>
    bucket('PutBucketSubResource', 'PUT', notImplemented, { keys: [key], anonymous: false }),
  ),
  bucket('CreateBucket', 'PUT', buckets.createBucket, {
    action: 's3:CreateBucket',
    body: document(3 * MIB),
    facts: facts.locationFacts,
  }),
  bucket('HeadBucketAcl', 'HEAD', notImplemented, { keys: ['acl'], anonymous: false }),
  bucket('HeadBucket', 'HEAD', buckets.headBucket),
  bucket('PostPolicyUpload', 'POST', postPolicyUpload, { when: isForm, body: STREAM }),
  // A thousand keys of a kilobyte, every byte escaped, with room for the elements around them.
  bucket('DeleteObjects', 'POST', deleteObjects, {
    keys: ['delete'],
    body: document(8 * MIB, 'EntityTooLarge'),
  }),
  bucket('DeleteBucketPolicy', 'DELETE', policy.deleteBucketPolicy, {
    keys: ['policy'],
    action: 's3:DeleteBucketPolicy',
  }),
  bucket('DeleteBucketReplication', 'DELETE', replication.deleteBucketReplication, {
    keys: ['replication'],
    action: 's3:PutReplicationConfiguration',
  }),
  bucket('DeleteBucketLifecycle', 'DELETE', lifecycle.deleteBucketLifecycle, {
    keys: ['lifecycle'],
    action: 's3:PutLifecycleConfiguration',
  }),
  bucket('DeleteBucketEncryption', 'DELETE', bucketEncryption.deleteBucketEncryption, {
    keys: ['encryption'],
    action: 's3:PutEncryptionConfiguration',
  }),
  ...SUB_RESOURCES.map((key) =>
    bucket('DeleteBucketSubResource', 'DELETE', notImplemented, { keys: [key], anonymous: false }),
  ),
  bucket('DeleteBucket', 'DELETE', buckets.deleteBucket, { action: 's3:DeleteBucket' }),
  bucket('GetBucketReplicationMetricsV2', 'GET', notImplemented, {
    values: { 'replication-metrics': '2' },
    action: 's3:GetReplicationConfiguration',
  }),
  bucket('GetBucketReplicationMetrics', 'GET', notImplemented, {
    keys: ['replication-metrics'],
    action: 's3:GetReplicationConfiguration',
  }),
  bucket('ValidateBucketReplicationCreds', 'GET', notImplemented, {
    keys: ['replication-check'],
    action: 's3:GetReplicationConfiguration',
  }),
  ...READ_REFUSED.map((key) =>
    bucket('GetBucketSubResource', 'GET', notImplemented, { keys: [key], anonymous: false }),
  ),
  bucket('ListObjects', 'GET', listObjects, { action: 's3:ListBucket' }),
]

/** Sub-resources of objects that cannot be written or deleted by themselves. */
const SUB_RESOURCES_WITHOUT = {
  PUT: ['attributes', 'restore', 'select', 'uploads'],
  DELETE: [
    'attributes',
    'encryption',
    'legal-hold',
    'renameObject',
    'restore',
    'retention',
    'select',
    'uploads',
  ],
} as const

function rowsWithout(method: keyof typeof SUB_RESOURCES_WITHOUT): readonly Operation[] {
  return SUB_RESOURCES_WITHOUT[method].map((key) =>
    object('ObjectSubResource', method, methodNotAllowed, {
      keys: [key],
      action: method === 'PUT' ? 's3:PutObject' : 's3:DeleteObject',
    }),
  )
}

const OBJECT_ROWS: readonly Operation[] = [
  ...['GET', 'PUT', 'DELETE'].map((method) =>
    object('ObjectTorrent', method, notImplemented, { keys: ['torrent'], anonymous: false }),
  ),
  object('DeleteObjectAcl', 'DELETE', notImplemented, { keys: ['acl'], anonymous: false }),
  object('HeadObjectVirtual', 'HEAD', readVendorObject, {
    when: isVendorRequest,
    action: 's3:GetObject',
  }),
  // Who may read an archive may read its members.
  object('HeadObjectExtract', 'HEAD', readMember, { when: isMemberRequest }),
  object('HeadObject', 'HEAD', headObject, { action: 's3:GetObject' }),
  object('GetObjectAttributes', 'GET', getObjectAttributes, {
    keys: ['attributes'],
    action: 's3:GetObjectAttributes',
  }),
  object('UploadPartCopy', 'PUT', uploadPartCopy, {
    keys: ['partNumber', 'uploadId'],
    when: hasCopySource,
    action: 's3:PutObject',
  }),
  object('UploadPart', 'PUT', uploadPart, {
    keys: ['partNumber', 'uploadId'],
    action: 's3:PutObject',
    body: STREAM,
  }),
  // Half an address of a part must not end as an object.
  object('UploadPart', 'PUT', uploadPart, {
    keys: ['uploadId'],
    action: 's3:PutObject',
    body: STREAM,
  }),
  object('UploadPart', 'PUT', uploadPart, {
    keys: ['partNumber'],
    action: 's3:PutObject',
    body: STREAM,
  }),
  object('ListParts', 'GET', multipart.listParts, {
    keys: ['uploadId'],
    action: 's3:ListMultipartUploadParts',
  }),
  object('CompleteMultipartUpload', 'POST', completeMultipartUpload, {
    keys: ['uploadId'],
    action: 's3:PutObject',
    // Ten thousand parts with a checksum each. The headers tell about the object.
    body: { kind: 'document', limitBytes: 8 * MIB, checksums: 'object' },
  }),
  object('CreateMultipartUpload', 'POST', multipart.createMultipartUpload, {
    keys: ['uploads'],
    action: 's3:PutObject',
  }),
  object('AbortMultipartUpload', 'DELETE', multipart.abortMultipartUpload, {
    keys: ['uploadId'],
    action: 's3:AbortMultipartUpload',
  }),
  object('GetObjectAcl', 'GET', getObjectAcl, { keys: ['acl'] }),
  object('PutObjectAcl', 'PUT', putObjectAcl, { keys: ['acl'], body: document(MIB) }),
  object('GetObjectTagging', 'GET', tagging.getObjectTagging, {
    keys: ['tagging'],
    action: 's3:GetObjectTagging',
  }),
  object('PutObjectTagging', 'PUT', tagging.putObjectTagging, {
    keys: ['tagging'],
    action: 's3:PutObjectTagging',
    body: document(MIB),
    facts: facts.taggingFacts,
  }),
  object('DeleteObjectTagging', 'DELETE', tagging.deleteObjectTagging, {
    keys: ['tagging'],
    action: 's3:DeleteObjectTagging',
  }),
  object('SelectObjectContent', 'POST', selectObjectContent, {
    keys: ['select'],
    values: { 'select-type': '2' },
    action: 's3:GetObject',
    // The longest expression, with every character escaped.
    body: document(2 * MIB, 'ExpressionTooLong'),
  }),
  object('GetObjectRetention', 'GET', retention.getObjectRetention, {
    keys: ['retention'],
    action: 's3:GetObjectRetention',
  }),
  object('GetObjectLegalHold', 'GET', retention.getObjectLegalHold, {
    keys: ['legal-hold'],
    action: 's3:GetObjectLegalHold',
  }),
  object('GetObjectWithLambda', 'GET', notImplemented, {
    keys: ['lambdaArn'],
    action: 's3:GetObject',
  }),
  ...['GET', 'PUT', 'DELETE'].map((method) =>
    object('ObjectAnnotation', method, notImplemented, { keys: ['annotation'], anonymous: false }),
  ),
  object('GetObjectVirtual', 'GET', readVendorObject, {
    when: isVendorRequest,
    action: 's3:GetObject',
  }),
  object('GetObjectExtract', 'GET', readMember, { when: isMemberRequest }),
  object('GetObject', 'GET', getObject, { action: 's3:GetObject' }),
  object('UpdateObjectEncryption', 'PUT', notImplemented, {
    keys: ['encryption'],
    anonymous: false,
  }),
  object('RenameObject', 'PUT', renameObject, { keys: ['renameObject'], action: 's3:PutObject' }),
  object('CopyObject', 'PUT', copyObject, { when: hasCopySource, action: 's3:PutObject' }),
  object('PutObjectRetention', 'PUT', retention.putObjectRetention, {
    keys: ['retention'],
    action: 's3:PutObjectRetention',
    body: document(4 * KIB),
    facts: facts.retentionFacts,
  }),
  object('PutObjectLegalHold', 'PUT', retention.putObjectLegalHold, {
    keys: ['legal-hold'],
    action: 's3:PutObjectLegalHold',
    body: document(4 * KIB),
    facts: facts.legalHoldFacts,
  }),
  ...rowsWithout('PUT'),
  // Every entry is authorized for its own key.
  object('PutObjectExtract', 'PUT', putExtract, { when: isArchive, body: STREAM }),
  object('AppendObject', 'PUT', appendObject, {
    when: isAppend,
    action: 's3:PutObject',
    body: STREAM,
  }),
  object('PutObject', 'PUT', putObject, { action: 's3:PutObject', body: STREAM }),
  ...rowsWithout('DELETE'),
  object('DeleteObject', 'DELETE', deleteObject, { action: 's3:DeleteObject' }),
  object('RestoreObject', 'POST', restoreObject, {
    keys: ['restore'],
    action: 's3:RestoreObject',
    body: document(MIB),
  }),
]

/** All rows; each scope in its own order. */
export const OPERATIONS: readonly Operation[] = [...SERVICE_ROWS, ...BUCKET_ROWS, ...OBJECT_ROWS]
