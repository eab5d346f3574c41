/** Quotas of buckets, as MinIO's admin API sets them (admin-api.md 2.12). */
import { strictTextOf, utf8 } from '#base/bytes'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'

const NUMBERS = ['quota', 'size', 'rate', 'requests'] as const
const NO_QUOTA = '{"quota":0,"size":0,"rate":0,"requests":0}'

/** `GET get-bucket-quota`: zeros for a bucket without one. MinIO keeps what was sent, which may leave members out. */
export async function getBucketQuota(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const stored = metadata.document('QuotaConfigJSON')
  const body = stored === undefined ? NO_QUOTA : quotaText(strictTextOf(stored) ?? '')
  return { status: 200, body, contentType: 'application/json' }
}

/** `PUT set-bucket-quota`: only hard quotas; one of zero is none. */
export async function putBucketQuota(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  const document = utf8(quotaText(strictTextOf(call.document) ?? ''))
  await engine.setBucketDocument(call.bucket, 'QuotaConfigJSON', document)
  return { status: 200 }
}

/** A quota in MinIO's words; what MinIO does not know is left out. */
function quotaText(text: string): string {
  const given = membersOf(text)
  const numbers = NUMBERS.map((name): [string, number] => {
    const value = given.get(name) ?? 0
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw invalidQuota(`${name} must be a whole number that is not negative`)
    }
    return [name, value]
  })
  const type = given.get('quotatype') ?? ''
  const isNone = numbers.every(([, value]) => value === 0)
  if (type !== 'hard' && !(type === '' && isNone)) throw invalidQuota('quotatype must be hard')
  return JSON.stringify({
    ...Object.fromEntries(numbers),
    ...(type === '' ? {} : { quotatype: type }),
  })
}

function membersOf(text: string): ReadonlyMap<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw invalidQuota('it is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalidQuota('it is not an object')
  }
  return new Map<string, unknown>(Object.entries(parsed))
}

function invalidQuota(cause: string): S3Error {
  return new S3Error('XMinioAdminInvalidArgument', { message: `Invalid bucket quota: ${cause}` })
}
