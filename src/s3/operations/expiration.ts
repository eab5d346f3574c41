/** `x-amz-expiration`: when the bucket's lifecycle will remove a version (s3-api.md 4.10, rules 1, 6 and 9). */
import type { BucketMetadata, ObjectInfo } from '#object/object'
import { parseIsoTime } from '#s3-protocol/dates'
import { type LifecycleRule, parseLifecycle } from '#s3-protocol/lifecycle'
import { parseTagQuery } from '#s3-protocol/tagging'
import { parseXml } from '#s3-protocol/xml-parser'
import { clientSize, type Header, storedTags } from './object-headers.ts'

const DAY_MS = 86_400_000

/** Rules of documents that are in use: every write and read of the bucket asks for them. */
const parsed = new WeakMap<Uint8Array, readonly LifecycleRule[]>()

/** The header for the latest version of a key, or nothing. */
export function expirationHeader(metadata: BucketMetadata, info: ObjectInfo): readonly Header[] {
  const document = metadata.document('LifecycleConfigXML')
  if (document === undefined || document.length === 0) return []
  if (!info.isLatest || info.isDeleteMarker) return []
  let first: { readonly dueMs: number; readonly id: string } | undefined
  for (const rule of rulesOf(document)) {
    const dueMs = matches(rule, info) ? dueMsOf(rule, info) : undefined
    if (dueMs === undefined || (first !== undefined && first.dueMs <= dueMs)) continue
    first = { dueMs, id: rule.id }
  }
  if (first === undefined) return []
  const date = new Date(first.dueMs).toUTCString()
  return [['x-amz-expiration', `expiry-date="${date}", rule-id="${encodeURIComponent(first.id)}"`]]
}

function rulesOf(document: Uint8Array): readonly LifecycleRule[] {
  const known = parsed.get(document)
  if (known !== undefined) return known
  const { rules } = parseLifecycle(parseXml(document))
  parsed.set(document, rules)
  return rules
}

function matches(rule: LifecycleRule, info: ObjectInfo): boolean {
  if (rule.status !== 'Enabled') return false
  const { filter } = rule
  const prefix = rule.prefix ?? filter?.prefix ?? ''
  if (!info.key.startsWith(prefix)) return false
  if (filter === undefined) return true
  const size = clientSize(info)
  if (filter.sizeOver > 0 && size <= filter.sizeOver) return false
  if (filter.sizeUnder > 0 && size >= filter.sizeUnder) return false
  if (filter.tags.length === 0) return true
  const tags = new Map(parseTagQuery(storedTags(info)).map(({ key, value }) => [key, value]))
  return filter.tags.every(({ key, value }) => tags.get(key) === value)
}

function dueMsOf({ expiration }: LifecycleRule, info: ObjectInfo): number | undefined {
  if (expiration === undefined) return undefined
  if (expiration.date !== undefined) return parseIsoTime(expiration.date)
  if (expiration.days === undefined) return undefined
  const modifiedMs = Number(info.modifiedNs / 1_000_000n)
  const afterMs = modifiedMs + (expiration.days + 1) * DAY_MS
  return afterMs - (afterMs % DAY_MS)
}
