/** Lifecycle configuration of a bucket (s3-api.md 4.10): kept and shown, not yet acted upon. */
import { strictTextOf, utf8 } from '#base/bytes'
import type { BucketMetadata } from '#object/object'
import { formatAmzDate } from '#s3-protocol/dates'
import {
  checkLifecycle,
  isExpiryRule,
  type Lifecycle,
  type LifecycleRule,
  lifecycleText,
  parseLifecycle,
} from '#s3-protocol/lifecycle'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import { booleanQuery, requireIntegrity } from './request-values.ts'

const MINIMUM_SIZE = 'x-amz-transition-default-minimum-object-size'
const MINIMUM_SIZES = ['all_storage_classes_128K', 'varies_by_storage_class']

/** `GET ?lifecycle`, with the time of the last change on request. A document without rules is none. */
export async function getBucketLifecycle(call: S3Call): Promise<S3Reply> {
  const withTime = booleanQuery(call, 'withUpdatedAt')
  if (withTime === 'invalid') throw new S3Error('XMinioInvalidLifecycleParameter')
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const stored = storedLifecycle(metadata)
  if (stored.rules.length === 0) throw new S3Error('NoSuchLifecycleConfiguration')
  const updatedMs = Number(metadata.updatedNs('LifecycleConfigXML') / 1_000_000n)
  const minimum = metadata.document('LifecycleOptionsJSON')
  return {
    status: 200,
    headers: [
      ...(withTime === true
        ? [['X-Minio-LifecycleConfig-UpdatedAt', formatAmzDate(updatedMs)] as const]
        : []),
      ...(minimum === undefined ? [] : [[MINIMUM_SIZE, minimumSize(minimum)] as const]),
    ],
    body: lifecycleText({ ...stored, expiryUpdatedAt: '' }),
  }
}

/** `PUT ?lifecycle`: rules without an id get one. */
export async function putBucketLifecycle(call: S3Call): Promise<S3Reply> {
  requireIntegrity(call)
  const { engine, clock } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const wanted = parseLifecycle(parseXml(call.document))
  // Remote tiers are not built: there is no name that one could have.
  checkLifecycle(wanted, { objectLock: metadata.objectLock, isTier: () => false })
  const rules = wanted.rules.map((rule) => withId(rule, call))
  const minimum = requestedMinimum(call)
  await engine.setBucketDocument(call.bucket, 'LifecycleConfigXML', (current) => {
    checkLifecycle(wanted, { objectLock: current.objectLock, isTier: () => false })
    const expiryUpdatedAt = expiryTime(storedLifecycle(current), rules, clock.nowMs())
    return utf8(lifecycleText({ rules, expiryUpdatedAt }))
  })
  await storeMinimum(call, metadata, minimum)
  return { status: 200, headers: minimum === undefined ? [] : [[MINIMUM_SIZE, minimum]] }
}

/** `DELETE ?lifecycle`: the time when something last expired stays, as MinIO's sites tell each other. */
export async function deleteBucketLifecycle(call: S3Call): Promise<S3Reply> {
  const { engine, clock } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  if (metadata.document('LifecycleConfigXML') === undefined) return { status: 204 }
  await engine.setBucketDocument(call.bucket, 'LifecycleConfigXML', (current) => {
    const { rules } = storedLifecycle(current)
    if (!rules.some(isExpiryRule)) return undefined
    const expiryUpdatedAt = new Date(clock.nowMs()).toISOString()
    return utf8(lifecycleText({ rules: [], expiryUpdatedAt }))
  })
  await storeMinimum(call, metadata, undefined)
  return { status: 204 }
}

function storedLifecycle(metadata: BucketMetadata): Lifecycle {
  const document = metadata.document('LifecycleConfigXML')
  return document === undefined
    ? { rules: [], expiryUpdatedAt: '' }
    : parseLifecycle(parseXml(document))
}

function withId(rule: LifecycleRule, call: S3Call): LifecycleRule {
  if (rule.id !== '') return rule
  return { ...rule, id: call.services.random.uuid() }
}

/** Now, when something expires by the new rules or one that did no longer does; else as it was. */
function expiryTime(stored: Lifecycle, rules: readonly LifecycleRule[], nowMs: number): string {
  const ids = new Set(rules.filter(isExpiryRule).map((rule) => rule.id))
  const isGone = stored.rules.some((rule) => isExpiryRule(rule) && !ids.has(rule.id))
  return ids.size > 0 || isGone ? new Date(nowMs).toISOString() : stored.expiryUpdatedAt
}

function requestedMinimum(call: S3Call): string | undefined {
  const minimum = call.request.header(MINIMUM_SIZE)
  if (minimum !== undefined && !MINIMUM_SIZES.includes(minimum)) {
    throw new S3Error('InvalidRequest', {
      message: `Invalid value for ${MINIMUM_SIZE}: ${minimum}`,
    })
  }
  return minimum
}

async function storeMinimum(
  call: S3Call,
  metadata: BucketMetadata,
  minimum: string | undefined,
): Promise<void> {
  const hadOne = metadata.document('LifecycleOptionsJSON') !== undefined
  if (minimum === undefined && !hadOne) return
  const content = minimum === undefined ? undefined : utf8(JSON.stringify({ minimum }))
  await call.services.engine.setBucketDocument(call.bucket, 'LifecycleOptionsJSON', content)
}

function minimumSize(document: Uint8Array): string {
  const found: unknown = JSON.parse(strictTextOf(document) ?? '{}')
  const minimum =
    typeof found === 'object' && found !== null && 'minimum' in found ? found.minimum : undefined
  return MINIMUM_SIZES.find((known) => known === minimum) ?? ''
}
