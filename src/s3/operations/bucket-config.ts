/** Configuration documents of a bucket that are stored but not yet acted upon, and the fixed replies. */
import { textOf } from '#base/bytes'
import type { BucketDocument } from '#object/object'
import { S3Error, type S3ErrorCode } from '#s3-protocol/s3-error'
import type { Handler, S3Call, S3Reply } from '../s3.ts'
import { booleanQuery } from './request-values.ts'
import { xmlDocument } from './xml-document.ts'

/** Answers a stored document as it is, or the error of its absence. */
function storedDocument(document: BucketDocument, absent: S3ErrorCode): Handler {
  return async (call) => {
    const metadata = await call.services.engine.bucketMetadata(call.bucket)
    const content = metadata.document(document)
    if (content === undefined) throw new S3Error(absent)
    return { status: 200, body: content, contentType: 'application/xml' }
  }
}

/** Answers a fixed document for an existing bucket. */
function fixedDocument(body: string): Handler {
  return async (call) => {
    await call.services.engine.getBucket(call.bucket)
    return { status: 200, body }
  }
}

/** Answers a fixed error for an existing bucket. */
function fixedError(code: S3ErrorCode): Handler {
  return async (call) => {
    await call.services.engine.getBucket(call.bucket)
    throw new S3Error(code)
  }
}

export const getBucketEncryption = storedDocument(
  'EncryptionConfigXML',
  'ServerSideEncryptionConfigurationNotFoundError',
)
export const getBucketReplication = storedDocument(
  'ReplicationConfigXML',
  'ReplicationConfigurationNotFoundError',
)
export const getObjectLockConfiguration = storedDocument(
  'ObjectLockConfigXML',
  'ObjectLockConfigurationNotFoundError',
)
export const getBucketCors = fixedError('NoSuchCORSConfiguration')
export const getBucketWebsite = fixedError('NoSuchWebsiteConfiguration')
export const getBucketAccelerate = fixedDocument(xmlDocument('AccelerateConfiguration', []))
export const getBucketLogging = fixedDocument(xmlDocument('BucketLoggingStatus', []))
export const getBucketRequestPayment = fixedDocument(
  xmlDocument('RequestPaymentConfiguration', [['Payer', 'BucketOwner']]),
)

/** `GET ?lifecycle`, with the time of the last change on request. */
export async function getBucketLifecycle(call: S3Call): Promise<S3Reply> {
  const withTime = booleanQuery(call, 'withUpdatedAt')
  if (withTime === 'invalid') throw new S3Error('XMinioInvalidLifecycleParameter')
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const content = metadata.document('LifecycleConfigXML')
  if (content === undefined) throw new S3Error('NoSuchLifecycleConfiguration')
  const updated = new Date(Number(metadata.updatedNs('LifecycleConfigXML') / 1_000_000n))
  return {
    status: 200,
    headers:
      withTime === true
        ? [['X-Minio-LifecycleConfig-UpdatedAt', updated.toISOString().replace(/[-:]|\.\d+/g, '')]]
        : [],
    // An element that MinIO keeps in the document for its own use.
    body: textOf(content).replace(/<ExpiryUpdatedAt>[^<]*<\/ExpiryUpdatedAt>/g, ''),
  }
}

/** `GET ?notification`: empty when none is set. */
export async function getBucketNotification(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const content = metadata.document('NotificationConfigXML')
  return {
    status: 200,
    body: content ?? xmlDocument('NotificationConfiguration', []),
    contentType: 'application/xml',
  }
}

/** `GET ?policy`: the stored text. */
export async function getBucketPolicy(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const content = metadata.document('PolicyConfigJSON')
  if (content === undefined) throw new S3Error('NoSuchBucketPolicy')
  return { status: 200, body: content, contentType: 'application/json' }
}

/** `DELETE ?policy`, also when none is set. */
export async function deleteBucketPolicy(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  await engine.setBucketDocument(call.bucket, 'PolicyConfigJSON', undefined)
  return { status: 204 }
}
