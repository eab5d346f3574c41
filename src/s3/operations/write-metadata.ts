/** The metadata of a new object, from a request's headers and query (s3-api.md 3.4). */
import { TAGGING_KEY } from '#object/metadata-keys'
import type { BucketMetadata } from '#object/object'
import { requestMetadata } from '#s3-protocol/object-metadata'
import { S3Error } from '#s3-protocol/s3-error'
import { formatTags, parseTagQuery, sentTags } from '#s3-protocol/tagging'
import type { S3Call } from '../s3.ts'
import { refuseAcl } from './acl.ts'
import { lockMetadata } from './object-lock.ts'
import { headerOrQuery } from './request-values.ts'

export interface WriteMetadata {
  /** Keys and values as they are stored. The caller may add to it. */
  readonly userMetadata: Map<string, string>
  readonly storageClass: string
}

/** Metadata, storage class, tags and lock of an object about to be written. */
export async function writeMetadata(
  call: S3Call,
  metadata: BucketMetadata,
): Promise<WriteMetadata> {
  refuseAcl(call, metadata)
  const storageClass = requestStorageClass(call) ?? 'STANDARD'
  const userMetadata = requestMetadata(call.request, call.query)
  if (storageClass !== 'STANDARD') userMetadata.set('x-amz-storage-class', storageClass)
  const tags = requestTags(call)
  if (tags !== '') userMetadata.set(TAGGING_KEY, tags)
  for (const [key, value] of await lockMetadata(call, metadata)) userMetadata.set(key, value)
  return { userMetadata, storageClass }
}

/** `x-amz-storage-class`, undefined when not sent. */
export function requestStorageClass(call: S3Call): string | undefined {
  const storageClass = headerOrQuery(call, 'x-amz-storage-class')
  if (storageClass === undefined || storageClass === '') return undefined
  if (storageClass !== 'STANDARD' && storageClass !== 'REDUCED_REDUNDANCY') {
    throw new S3Error('InvalidStorageClass')
  }
  return storageClass
}

/** `X-Amz-Tagging`, checked and in its normal form; empty when there are none. */
export function requestTags(call: S3Call): string {
  const text = headerOrQuery(call, 'x-amz-tagging')
  return text === undefined || text === '' ? '' : formatTags(sentTags(parseTagQuery(text)))
}
