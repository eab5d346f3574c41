import { strictTextOf, utf8 } from '#base/bytes'
import { ObjectError, type OriginalDocument } from './object.ts'

/**
 * Settings of a bucket that MinIO's metadata has no place for: the object `buckets/<bucket>/.cairn-metadata.json` beside
 * `.metadata.bin`. Source: docs/formats/bucket-extras.md.
 *
 *   {"version":1,"bucket":"b","created":"<ns>","documents":{"CorsConfigXML":{"updated":"<ns>","content":"<text>"}},
 *    "originals":{"PolicyConfigJSON":{"content":"<text>","standIn":"<text>"}}}
 *
 * MinIO neither reads nor rewrites it, and removes it with the bucket. `created` ties it to one life of the bucket: should
 * the file outlive its bucket, a new one of the same name does not inherit. An original counts while its stand-in is what
 * `.metadata.bin` holds: what MinIO wrote since then is newer.
 */

const EXTRA_DOCUMENTS = [
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

export interface BucketExtras {
  /** What is set, by document. */
  readonly documents: ReadonlyMap<ExtraDocument, StoredExtra>
  /** Documents behind those of `.metadata.bin`, by name. */
  readonly originals: ReadonlyMap<string, OriginalDocument>
}

export const NO_EXTRAS: BucketExtras = { documents: new Map(), originals: new Map() }

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
  if (file.get('bucket') !== bucket || file.get('created') !== String(createdNs)) return NO_EXTRAS
  const documents = new Map<ExtraDocument, StoredExtra>()
  for (const [name, raw] of membersOf(file.get('documents'), bucket)) {
    const stored = membersOf(raw, bucket)
    const text = stored.get('content')
    const updated = stored.get('updated')
    const isSound =
      typeof text === 'string' && typeof updated === 'string' && /^\d{1,20}$/.test(updated)
    if (!isSound) throw malformed(bucket)
    // Documents of a later release are lost with the next change: there is none yet.
    if (isExtraDocument(name)) {
      documents.set(name, { content: utf8(text), updatedNs: BigInt(updated) })
    }
  }
  const originals = new Map<string, OriginalDocument>()
  for (const [name, raw] of membersOf(file.get('originals') ?? {}, bucket)) {
    const stored = membersOf(raw, bucket)
    const text = stored.get('content')
    const standIn = stored.get('standIn')
    if (typeof text !== 'string' || typeof standIn !== 'string') throw malformed(bucket)
    originals.set(name, { content: utf8(text), standIn: utf8(standIn) })
  }
  return { documents, originals }
}

export function encodeExtras(extras: BucketExtras, bucket: string, createdNs: bigint): Uint8Array {
  const documents: Record<string, { readonly updated: string; readonly content: string }> = {}
  for (const name of EXTRA_DOCUMENTS) {
    const stored = extras.documents.get(name)
    if (stored === undefined) continue
    documents[name] = { updated: String(stored.updatedNs), content: textIn(stored.content, bucket) }
  }
  const originals = Object.fromEntries(
    [...extras.originals].map(([name, { content, standIn }]) => [
      name,
      { content: textIn(content, bucket), standIn: textIn(standIn, bucket) },
    ]),
  )
  const file = { version: VERSION, bucket, created: String(createdNs), documents, originals }
  return utf8(JSON.stringify(file))
}

function textIn(content: Uint8Array, bucket: string): string {
  const text = strictTextOf(content)
  if (text === undefined) {
    throw new ObjectError('Internal', 'Document of a bucket is not UTF-8', { bucket })
  }
  return text
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
