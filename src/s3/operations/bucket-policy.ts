/** Bucket policies: stored after validation, and what they mean for the public (s3-api.md 4.17). */
import { strictTextOf, utf8 } from '#base/bytes'
import { decide, isPublicPolicy, parseBucketPolicy, type Policy, PolicyError } from '#iam/policy'
import { policyForMinio } from '#iam/stand-in'
import { S3Error } from '#s3-protocol/s3-error'
import { publicAccessBlockOf } from '../public-access.ts'
import type { S3Call, S3Reply } from '../s3.ts'
import { deleteDocument } from './bucket-config.ts'
import { xmlDocument } from './xml-document.ts'

/** `GET ?policy`: the stored text. */
export async function getBucketPolicy(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const content = metadata.document('PolicyConfigJSON')
  if (content === undefined) throw new S3Error('NoSuchBucketPolicy')
  return { status: 200, body: content, contentType: 'application/json' }
}

export const deleteBucketPolicy = deleteDocument('PolicyConfigJSON')

/** `PUT ?policy`: kept verbatim. */
export async function putBucketPolicy(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  if (call.request.contentLength === undefined || call.document.length === 0)
    throw new S3Error('MissingContentLength')
  const text = strictTextOf(call.document)
  if (text === undefined) throw new S3Error('MalformedPolicy', { message: 'Policy is not UTF-8' })
  const policy = parsePolicy(text, call.bucket)
  refuseLockout(call, policy)
  await engine.setBucketDocument(call.bucket, 'PolicyConfigJSON', (current) => {
    if (publicAccessBlockOf(current).blockPublicPolicy && isPublicPolicy(policy)) {
      throw new S3Error('AccessDenied')
    }
    const standIn = policyForMinio(text)
    return standIn === text ? call.document : { content: call.document, standIn: utf8(standIn) }
  })
  return { status: 204 }
}

/** A caller who could not take a policy back again must say that this is meant. The owner always can. */
function refuseLockout(call: S3Call, policy: Policy): void {
  const { identity, request } = call
  const isMeant =
    request.header('x-amz-confirm-remove-self-bucket-access')?.toLowerCase() === 'true'
  if (identity.isOwner || isMeant) return
  const decision = decide(policy, {
    account: identity.accessKey,
    action: 's3:PutBucketPolicy',
    bucket: call.bucket,
    key: '',
    values: () => undefined,
  })
  if (decision === 'deny') throw new S3Error('AccessDenied')
}

function parsePolicy(text: string, bucket: string): Policy {
  try {
    return parseBucketPolicy(text, bucket)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    throw new S3Error('MalformedPolicy', { message: error.message })
  }
}

/** `GET ?policyStatus`: public when anybody is allowed something without a restricting condition. */
export async function getBucketPolicyStatus(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const document = metadata.document('PolicyConfigJSON')
  const text = document === undefined ? undefined : strictTextOf(document)
  const isPublic = text !== undefined && isPublicPolicy(parsePolicy(text, call.bucket))
  return { status: 200, body: xmlDocument('PolicyStatus', [['IsPublic', isPublic]]) }
}
