/** Bucket policies: stored after validation, and what they mean for the public (s3-api.md 4.17). */
import { strictTextOf } from '#base/bytes'
import { isPublicPolicy, parseBucketPolicy, PolicyError } from '#iam/policy'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { xmlDocument } from './xml-document.ts'

/** `PUT ?policy`: kept verbatim. */
export async function putBucketPolicy(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  if (call.request.contentLength === undefined) throw new S3Error('MissingContentLength')
  const text = strictTextOf(call.document)
  if (text === undefined) throw new S3Error('MalformedPolicy', { message: 'Policy is not UTF-8' })
  try {
    parseBucketPolicy(text, call.bucket)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    throw new S3Error('MalformedPolicy', { message: error.message })
  }
  await engine.setBucketDocument(call.bucket, 'PolicyConfigJSON', call.document)
  return { status: 204 }
}

/** `GET ?policyStatus`: public when anybody is allowed something without a restricting condition. */
export async function getBucketPolicyStatus(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const document = metadata.document('PolicyConfigJSON')
  const text = document === undefined ? undefined : strictTextOf(document)
  const isPublic = text !== undefined && isPublicPolicy(parseBucketPolicy(text, call.bucket))
  return { status: 200, body: xmlDocument('PolicyStatus', [['IsPublic', isPublic]]) }
}
