/** `AbortIncompleteMultipartUpload`: when rules of a bucket end an upload in progress (ilm-replication-events.md 1.14). */
import { type BucketMetadata, type ObjectEngine, ObjectError } from '#object/object'
import type { AgingUpload } from '#object/expire-uploads'
import { type LifecycleRule, parseLifecycle } from '#s3-protocol/lifecycle'
import { parseXml } from '#s3-protocol/xml-parser'

const DAY_MS = 86_400_000

export interface UploadEnd {
  readonly ruleId: string
  /** A midnight, UTC. */
  readonly dueMs: number
}

/** The earliest end of an upload; undefined when no rule is about it. */
function uploadEnd(
  metadata: Pick<BucketMetadata, 'document'>,
  key: string,
  createdMs: number,
): UploadEnd | undefined {
  const document = metadata.document('LifecycleConfigXML')
  if (document === undefined) return undefined
  let first: UploadEnd | undefined
  for (const rule of parseLifecycle(parseXml(document)).rules) {
    if (rule.abortUploadsDays === undefined || !isAbout(rule, key)) continue
    const afterMs = createdMs + (rule.abortUploadsDays + 1) * DAY_MS
    const dueMs = afterMs - (afterMs % DAY_MS)
    if (first === undefined || dueMs < first.dueMs) first = { ruleId: rule.id, dueMs }
  }
  return first
}

function isAbout(rule: LifecycleRule, key: string): boolean {
  const prefix = rule.prefix ?? rule.filter?.prefix ?? ''
  return rule.status === 'Enabled' && key.startsWith(prefix)
}

/** For the service that drops uploads: a bucket that is gone has no rules. */
export async function uploadDueMs(
  engine: Pick<ObjectEngine, 'bucketMetadata'>,
  { bucket, key, createdMs }: AgingUpload,
): Promise<number | undefined> {
  try {
    return uploadEnd(await engine.bucketMetadata(bucket), key, createdMs)?.dueMs
  } catch (error) {
    if (error instanceof ObjectError && error.code === 'BucketNotFound') return undefined
    throw error
  }
}

/** Headers that tell the client. */
export function uploadEndHeaders(
  metadata: Pick<BucketMetadata, 'document'>,
  key: string,
  createdNs: bigint,
): readonly (readonly [string, string])[] {
  const end = uploadEnd(metadata, key, Number(createdNs / 1_000_000n))
  if (end === undefined) return []
  return [
    ['x-amz-abort-date', new Date(end.dueMs).toUTCString()],
    ['x-amz-abort-rule-id', encodeURIComponent(end.ruleId)],
  ]
}
