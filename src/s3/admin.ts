/** The one part of MinIO's admin API that settings of buckets need: quotas (admin-api.md 2.12). Only the root key may use it. */
import type { HttpRequest } from '#http/http'
import type { Query } from '#s3-protocol/query'
import { getBucketQuota, putBucketQuota } from './operations/bucket-quota.ts'
import type { Address } from './router.ts'
import type { Operation } from './s3.ts'

const PREFIX = '/minio/admin/v3/'
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

/** What an admin request is about: the bucket of its query, not one of its path. Undefined for any other request. */
export function adminTarget(
  request: HttpRequest,
  address: Address,
  query: Query,
): { readonly operation: Operation; readonly address: Address } | undefined {
  if (address.virtualHost || !address.path.startsWith(PREFIX)) return undefined
  const bucket = query.get('bucket')
  const operation = OPERATIONS.get(`${request.method} ${address.path.slice(PREFIX.length)}`)
  if (operation === undefined || bucket === undefined || bucket === '') return undefined
  return { operation, address: { ...address, bucket, key: '' } }
}
