/**
 * Configurations of which a bucket may have many, each with an id: analytics, intelligent tiering, inventory, metrics.
 * Kept and shown, not acted upon.
 */
import { strictTextOf, utf8 } from '#base/bytes'
import type { BucketDocument, BucketMetadata } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import {
  checkDocument,
  documentText,
  elementText,
  fields,
  many,
  oneOf,
  optional,
  required,
  text,
  type XmlShape,
} from '#s3-protocol/xml-shape'
import { escapeXml, S3_NAMESPACE, XML_DECLARATION } from '#s3-protocol/xml-writer'
import type { Handler, S3Call } from '../s3.ts'

const CONFIGURATIONS_MAX = 1000
const PAGE_MAX = 100
const STORED_MAX_BYTES = 1024 * 1024
/** Limit of one document, so that a thousand stay within a bucket's metadata. */
export const CONFIGURATION_MAX_BYTES = 64 * 1024

interface ListKind {
  readonly document: BucketDocument
  /** Root of one configuration. */
  readonly root: string
  readonly shape: XmlShape
  /** Root of a page of them. */
  readonly list: string
}

const ID = text(/^[A-Za-z0-9_.-]{1,64}$/)
const TAG = fields({
  Key: required(text(/^[\s\S]{1,128}$/)),
  Value: required(text(/^[\s\S]{0,256}$/)),
})
const AND = fields({ Prefix: optional(text()), Tag: many(TAG) })
const FILTER = fields({ Prefix: optional(text()), Tag: optional(TAG), And: optional(AND) })
const BUCKET_ARN = text(/^arn:aws:s3:::[^/]+$/)

const ANALYTICS: ListKind = {
  document: 'AnalyticsJSON',
  root: 'AnalyticsConfiguration',
  list: 'ListBucketAnalyticsConfigurationResult',
  shape: fields({
    Id: required(ID),
    Filter: optional(FILTER),
    StorageClassAnalysis: required(
      fields({
        DataExport: optional(
          fields({
            OutputSchemaVersion: required(oneOf('V_1')),
            Destination: required(
              fields({
                S3BucketDestination: required(
                  fields({
                    Format: required(oneOf('CSV')),
                    BucketAccountId: optional(text()),
                    Bucket: required(BUCKET_ARN),
                    Prefix: optional(text()),
                  }),
                ),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
}

const INTELLIGENT_TIERING: ListKind = {
  document: 'IntelligentTieringJSON',
  root: 'IntelligentTieringConfiguration',
  list: 'ListBucketIntelligentTieringConfigurationsOutput',
  shape: fields({
    Id: required(ID),
    Filter: optional(FILTER),
    Status: required(oneOf('Enabled', 'Disabled')),
    Tiering: many(
      fields({
        AccessTier: required(oneOf('ARCHIVE_ACCESS', 'DEEP_ARCHIVE_ACCESS')),
        Days: required(text(/^(?:9\d|[1-6]\d\d|7[0-2]\d|730)$/)),
      }),
      1,
      2,
    ),
  }),
}

const INVENTORY: ListKind = {
  document: 'InventoryJSON',
  root: 'InventoryConfiguration',
  list: 'ListInventoryConfigurationsResult',
  shape: fields({
    Id: required(ID),
    IsEnabled: required(oneOf('true', 'false')),
    Filter: optional(fields({ Prefix: required(text()) })),
    IncludedObjectVersions: required(oneOf('All', 'Current')),
    OptionalFields: optional(fields({ Field: many(text(/^[A-Za-z]{1,64}$/), 0, 32) })),
    Schedule: required(fields({ Frequency: required(oneOf('Daily', 'Weekly')) })),
    Destination: required(
      fields({
        S3BucketDestination: required(
          fields({
            AccountId: optional(text()),
            Bucket: required(BUCKET_ARN),
            Format: required(oneOf('CSV', 'ORC', 'Parquet')),
            Prefix: optional(text()),
            Encryption: optional(
              fields({
                'SSE-S3': optional(fields({})),
                'SSE-KMS': optional(fields({ KeyId: required(text(/^.+$/)) })),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
}

const METRICS: ListKind = {
  document: 'MetricsJSON',
  root: 'MetricsConfiguration',
  list: 'ListMetricsConfigurationsResult',
  shape: fields({ Id: required(ID), Filter: optional(FILTER) }),
}

export const analytics = handlersOf(ANALYTICS)
export const intelligentTiering = handlersOf(INTELLIGENT_TIERING)
export const inventory = handlersOf(INVENTORY)
export const metrics = handlersOf(METRICS)

interface ListHandlers {
  readonly get: Handler
  readonly list: Handler
  readonly put: Handler
  readonly remove: Handler
}

function handlersOf(kind: ListKind): ListHandlers {
  return {
    get: async (call) => {
      const id = idOf(call)
      const metadata = await call.services.engine.bucketMetadata(call.bucket)
      const stored = configurationsOf(kind, metadata).get(id)
      if (stored === undefined) throw new S3Error('NoSuchConfiguration')
      return { status: 200, body: documentText(parseXml(utf8(stored))) }
    },
    list: async (call) => ({ status: 200, body: await page(kind, call) }),
    put: async (call) => {
      const configuration = read(kind, call)
      await change(kind, call, (stored) => stored.set(idOf(call), configuration))
      return { status: 200 }
    },
    remove: async (call) => {
      const id = idOf(call)
      await change(kind, call, (stored) => {
        if (!stored.delete(id)) throw new S3Error('NoSuchConfiguration')
      })
      return { status: 204 }
    },
  }
}

function idOf(call: S3Call): string {
  const id = call.query.get('id') ?? ''
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(id)) {
    throw new S3Error('InvalidArgument', { message: 'Invalid configuration id specified' })
  }
  return id
}

function read(kind: ListKind, call: S3Call): string {
  const root = parseXml(call.document)
  checkDocument(root, kind.root, kind.shape)
  if (root.childText('Id') !== idOf(call)) {
    throw new S3Error('InvalidArgument', {
      message: 'The configuration id in the document differs from the one in the query',
    })
  }
  for (const filter of root.children('Filter')) checkFilter(filter)
  return elementText(root)
}

/** One condition, or several below `And`. */
function checkFilter(filter: XmlElement): void {
  const and = filter.child('And')
  if (filter.children().length > 1 || (and !== undefined && and.children().length < 2)) {
    throw new S3Error('MalformedXML')
  }
}

/** Under the bucket's lock, so that two changes of different ids both stay. */
async function change(
  kind: ListKind,
  call: S3Call,
  apply: (stored: Map<string, string>) => void,
): Promise<void> {
  await call.services.engine.setBucketDocument(call.bucket, kind.document, (current) => {
    const stored = configurationsOf(kind, current)
    apply(stored)
    if (stored.size > CONFIGURATIONS_MAX) throw new S3Error('TooManyConfigurations')
    if (stored.size === 0) return undefined
    const content = utf8(JSON.stringify([...stored]))
    if (content.length > STORED_MAX_BYTES) throw new S3Error('TooManyConfigurations')
    return content
  })
}

/** Elements by id. Content that Cairn did not write counts as none. */
function configurationsOf(kind: ListKind, metadata: BucketMetadata): Map<string, string> {
  const content = metadata.document(kind.document)
  const stored = new Map<string, string>()
  const entries: unknown = content === undefined ? [] : JSON.parse(strictTextOf(content) ?? '[]')
  if (!Array.isArray(entries)) return stored
  for (const entry of entries as readonly unknown[]) {
    const [id, element] = Array.isArray(entry) ? (entry as readonly unknown[]) : []
    if (typeof id === 'string' && typeof element === 'string') stored.set(id, element)
  }
  return stored
}

async function page(kind: ListKind, call: S3Call): Promise<string> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const token = call.query.get('continuation-token') ?? ''
  const ids = [...configurationsOf(kind, metadata)].sort(([a], [b]) => (a < b ? -1 : 1))
  const rest = ids.filter(([id]) => id > token)
  const shown = rest.slice(0, PAGE_MAX)
  const isTruncated = shown.length < rest.length
  const next = isTruncated ? (shown.at(-1)?.[0] ?? '') : ''
  return [
    `${XML_DECLARATION}<${kind.list} xmlns="${S3_NAMESPACE}">`,
    ...shown.map(([, element]) => element),
    `<IsTruncated>${isTruncated}</IsTruncated>`,
    token === '' ? '' : `<ContinuationToken>${escapeXml(token)}</ContinuationToken>`,
    next === '' ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`,
    `</${kind.list}>`,
  ].join('')
}
