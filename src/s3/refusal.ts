/** What a caller without rights is told. */
import { S3Error } from '#s3-protocol/s3-error'

const API = 'Anonymous users cannot invoke this API. Please authenticate.'

/** Operations of which Amazon says in other words that they want a signature, by name. */
const TO_ANYBODY: ReadonlyMap<string, string> = new Map([
  ['CreateBucket', API],
  ['PutBucketAcl', API],
  ['PutObjectAcl', API],
  ['SelectObjectContent', API],
  ['CopyObject', 'Anonymous users cannot copy objects. Please authenticate.'],
  [
    'CreateMultipartUpload',
    'Anonymous users cannot initiate multipart uploads. Please authenticate.',
  ],
  [
    'GetBucketOwnershipControls',
    's3:GetBucketOwnershipControls does not support Anonymous requests!',
  ],
  [
    'PutBucketOwnershipControls',
    's3:PutBucketOwnershipControls does not support Anonymous requests!',
  ],
  [
    'DeleteBucketOwnershipControls',
    's3:PutBucketOwnershipControls does not support Anonymous requests!',
  ],
])

/** 403 `AccessDenied` for a caller; its access key is empty for anonymous ones. */
export function refusal(operation: string, accessKey: string): S3Error {
  const message = accessKey === '' ? TO_ANYBODY.get(operation) : undefined
  return new S3Error('AccessDenied', { message })
}
