import { strictTextOf, utf8 } from '#base/bytes'
import { ObjectError } from './object.ts'

/**
 * Settings of a bucket that MinIO's metadata has no place for: the object `buckets/<bucket>/.cairn-metadata.json` beside
 * `.metadata.bin`. Source: docs/formats/bucket-extras.md.
 *
 *   {"version":1,"bucket":"b","created":"<ns>","documents":{"CorsConfigXML":{"updated":"<ns>","content":"<text>"}}}
 *
 * MinIO neither reads nor rewrites it, and removes it with the bucket. `created` ties it to one life of the bucket: should
 * the file outlive its bucket, a new one of the same name does not inherit.
 */

export const EXTRA_DOCUMENTS = [
  'CorsConfigXML',
  'WebsiteConfigXML',
  'PublicAccessBlockXML',
  'OwnershipControlsXML',
  'LoggingXML',
  'RequestPaymentXML',
  'AccelerateXML',
  'AnalyticsJSON',
  'IntelligentTieringJSON',
  'InventoryJSON',
  'MetricsJSON',
  'LifecycleOptionsJSON',
] as const

export type ExtraDocument = (typeof EXTRA_DOCUMENTS)[number]

/** What is set, by document. */
export type BucketExtras = ReadonlyMap<ExtraDocument, StoredExtra>

export interface StoredExtra {
  readonly content: Uint8Array
  readonly updatedNs: bigint
}

const VERSION = 1

export function isExtraDocument(name: string): name is ExtraDocument {
  return EXTRA_DOCUMENTS.some((known) => known === name)
}

/** Reads the file of a bucket made at `createdNs`: empty for one of an earlier bucket of that name. Errors: `Internal` for what is not such a file. */
export function parseExtras(content: Uint8Array, bucket: string, createdNs: bigint): BucketExtras {
  const file = membersOf(parseJson(content), bucket)
  if (file.get('version') !== VERSION) throw malformed(bucket)
  const extras = new Map<ExtraDocument, StoredExtra>()
  if (file.get('bucket') !== bucket || file.get('created') !== String(createdNs)) return extras
  for (const [name, raw] of membersOf(file.get('documents'), bucket)) {
    const stored = membersOf(raw, bucket)
    const text = stored.get('content')
    const updated = stored.get('updated')
    const isSound =
      typeof text === 'string' && typeof updated === 'string' && /^\d{1,20}$/.test(updated)
    if (!isSound) throw malformed(bucket)
    // Documents of a later release are lost with the next change: there is none yet.
    if (isExtraDocument(name)) {
      extras.set(name, { content: utf8(text), updatedNs: BigInt(updated) })
    }
  }
  return extras
}

export function encodeExtras(extras: BucketExtras, bucket: string, createdNs: bigint): Uint8Array {
  const documents: Record<string, { readonly updated: string; readonly content: string }> = {}
  for (const name of EXTRA_DOCUMENTS) {
    const stored = extras.get(name)
    if (stored === undefined) continue
    const content = strictTextOf(stored.content)
    if (content === undefined) {
      throw new ObjectError('Internal', `Document ${name} is not UTF-8`, { bucket })
    }
    documents[name] = { updated: String(stored.updatedNs), content }
  }
  return utf8(JSON.stringify({ version: VERSION, bucket, created: String(createdNs), documents }))
}

function parseJson(content: Uint8Array): unknown {
  const text = strictTextOf(content)
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined // malformed, which the caller says
  }
}

/** A map, so that no name is special. */
function membersOf(value: unknown, bucket: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(bucket)
  return new Map<string, unknown>(Object.entries(value))
}

function malformed(bucket: string): ObjectError {
  return new ObjectError('Internal', `Settings beside the metadata of "${bucket}" cannot be read`, {
    bucket,
  })
}
