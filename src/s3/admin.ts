/**
 * The one part of MinIO's admin API that settings of buckets need: quotas (admin-api.md 2.12). Only the root key may use it;
 * it is told that the rest is not built.
 */
import type { HttpRequest } from '#http/http'
import type { Query } from '#s3-protocol/query'
import { S3Error } from '#s3-protocol/s3-error'
import { getBucketQuota, putBucketQuota } from './operations/bucket-quota.ts'
import type { Address } from './router.ts'
import type { Operation } from './s3.ts'

const PREFIX = '/minio/admin/v3/'
/** Administration of the server and of its KMS. */
const ADMIN_PATTERN = /^\/minio\/(admin|kms)\//
const DOCUMENT_MAX_BYTES = 64 * 1024

const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  [
    'GET get-bucket-quota',
    {
      name: 'GetBucketQuota',
      scope: 'bucket',
      method: 'GET',
      action: 'admin:GetBucketQuota',
      body: { kind: 'none' },
      anonymous: false,
      handler: getBucketQuota,
    },
  ],
  [
    'PUT set-bucket-quota',
    {
      name: 'SetBucketQuota',
      scope: 'bucket',
      method: 'PUT',
      action: 'admin:SetBucketQuota',
      body: {
        kind: 'document',
        limitBytes: DOCUMENT_MAX_BYTES,
        errorCode: 'XMinioAdminInvalidArgument',
      },
      anonymous: false,
      handler: putBucketQuota,
    },
  ],
])

const NOT_BUILT: Operation = {
  name: 'Admin',
  scope: 'service',
  method: 'GET',
  action: 'admin:*',
  body: { kind: 'none' },
  anonymous: false,
  handler: () => Promise.reject(new S3Error('NotImplemented')),
}

/** What an admin request is about: the bucket of its query, not one of its path. Undefined for any other request. */
export function adminTarget(
  request: HttpRequest,
  address: Address,
  query: Query,
): { readonly operation: Operation; readonly address: Address } | undefined {
  if (address.virtualHost || !ADMIN_PATTERN.test(address.path)) return undefined
  const isPresent = address.path.startsWith(PREFIX)
  const name = `${request.method} ${address.path.slice(PREFIX.length)}`
  const operation = isPresent ? OPERATIONS.get(name) : undefined
  const bucket = query.get('bucket')
  if (operation === undefined || bucket === undefined || bucket === '') {
    return { operation: NOT_BUILT, address: { ...address, bucket: '', key: '' } }
  }
  return { operation, address: { ...address, bucket, key: '' } }
}
