import { FormatError, MsgpackReader, MsgpackWriter, ZERO_TIME_NS } from '#codec/msgpack'
import { FieldKeeper, readOptionalBytes } from './format/fields.ts'

/**
 * `.metadata.bin`: the configuration of a bucket.
 *
 *   format LE16 1   version LE16 1   map of 25 fields
 *
 * Older releases wrote fewer fields (14, then 20); what is missing keeps its default, what is unknown is kept.
 * Source: docs/formats/bucket-metadata.md; disk-format.md 7.1.
 */

const DOCUMENTS = [
  'PolicyConfigJSON',
  'NotificationConfigXML',
  'LifecycleConfigXML',
  'ObjectLockConfigXML',
  'VersioningConfigXML',
  'EncryptionConfigXML',
  'TaggingConfigXML',
  'QuotaConfigJSON',
  'ReplicationConfigXML',
  'BucketTargetsConfigJSON',
  'BucketTargetsConfigMetaJSON',
] as const

export type BucketDocumentName = (typeof DOCUMENTS)[number]

/** Field of the time of each document's last change, in the order of the file. */
const UPDATE_FIELDS: readonly (readonly [string, BucketDocumentName])[] = [
  ['PolicyConfigUpdatedAt', 'PolicyConfigJSON'],
  ['ObjectLockConfigUpdatedAt', 'ObjectLockConfigXML'],
  ['EncryptionConfigUpdatedAt', 'EncryptionConfigXML'],
  ['TaggingConfigUpdatedAt', 'TaggingConfigXML'],
  ['QuotaConfigUpdatedAt', 'QuotaConfigJSON'],
  ['ReplicationConfigUpdatedAt', 'ReplicationConfigXML'],
  ['VersioningConfigUpdatedAt', 'VersioningConfigXML'],
  ['LifecycleConfigUpdatedAt', 'LifecycleConfigXML'],
  ['NotificationConfigUpdatedAt', 'NotificationConfigXML'],
  ['BucketTargetsConfigUpdatedAt', 'BucketTargetsConfigJSON'],
  ['BucketTargetsConfigMetaUpdatedAt', 'BucketTargetsConfigMetaJSON'],
]
const DOCUMENT_OF = new Map<string, BucketDocumentName>(DOCUMENTS.map((name) => [name, name]))
const UPDATED_DOCUMENT_OF = new Map<string, BucketDocumentName>(UPDATE_FIELDS)

const HEADER = new Uint8Array([1, 0, 1, 0])
const FIELD_COUNT = 3 + DOCUMENTS.length + UPDATE_FIELDS.length
const EMPTY = new Uint8Array(0)

export interface BucketMetadataFile {
  readonly name: string
  /** 0: never set, the bucket's configuration is still in files of an older release. */
  readonly createdNs: bigint
  /** Legacy: true means object lock and versioning. */
  readonly lockEnabled: boolean
  /** Documents that are set; others are missing or empty. */
  readonly documents: ReadonlyMap<BucketDocumentName, Uint8Array>
  /** Missing or 0: not since the bucket was created. */
  readonly updatedNs: ReadonlyMap<BucketDocumentName, bigint>
  /** Encoded fields that Cairn does not know, and their number. */
  readonly kept?: { readonly count: number; readonly fields: Uint8Array } | undefined
}

/** The metadata of a bucket created now, all documents unset. */
export function newBucketMetadata(name: string, createdNs: bigint): BucketMetadataFile {
  return { name, createdNs, lockEnabled: false, documents: new Map(), updatedNs: new Map() }
}

/** Documents are views of `bytes`. Errors: FormatError. */
export function parseBucketMetadata(bytes: Uint8Array): BucketMetadataFile {
  if (bytes.length <= HEADER.length || !HEADER.every((byte, i) => bytes[i] === byte)) {
    throw new FormatError('Bucket metadata has an unknown format or version')
  }
  const reader = new MsgpackReader(bytes, HEADER.length)
  const keeper = new FieldKeeper(reader)
  let name = ''
  let createdNs = 0n
  let lockEnabled = false
  const documents = new Map<BucketDocumentName, Uint8Array>()
  const updatedNs = new Map<BucketDocumentName, bigint>()
  keeper.read((key) => {
    const document = DOCUMENT_OF.get(key)
    const updated = UPDATED_DOCUMENT_OF.get(key)
    if (document !== undefined) {
      const content = readOptionalBytes(reader)
      if (content.length > 0) documents.set(document, content)
    } else if (updated !== undefined) {
      const ns = fromStoredTime(reader.readTimeNs())
      if (ns !== 0n) updatedNs.set(updated, ns)
    } else if (key === 'Name') name = reader.readText()
    else if (key === 'Created') createdNs = fromStoredTime(reader.readTimeNs())
    else if (key === 'LockEnabled') lockEnabled = reader.readBoolean()
    else return false
    return true
  })
  const kept = keeper.count === 0 ? undefined : { count: keeper.count, fields: keeper.fields }
  return { name, createdNs, lockEnabled, documents, updatedNs, kept }
}

export function encodeBucketMetadata(file: BucketMetadataFile): Uint8Array {
  let size = 1024
  for (const content of file.documents.values()) size += content.length
  const writer = new MsgpackWriter(size)
  writer.raw(HEADER)
  writer.mapHeader16(FIELD_COUNT + (file.kept?.count ?? 0))
  writer.text('Name')
  writer.text(file.name)
  writer.text('Created')
  writer.timeNs(toStoredTime(file.createdNs))
  writer.text('LockEnabled')
  writer.boolean(file.lockEnabled)
  for (const name of DOCUMENTS) {
    writer.text(name)
    writer.bytes(file.documents.get(name) ?? EMPTY)
  }
  for (const [field, name] of UPDATE_FIELDS) {
    writer.text(field)
    writer.timeNs(toStoredTime(file.updatedNs.get(name) ?? 0n))
  }
  if (file.kept !== undefined) writer.raw(file.kept.fields)
  return writer.view()
}

/** Times that were never set are stored as Go's zero time. */
function fromStoredTime(ns: bigint): bigint {
  return ns === ZERO_TIME_NS ? 0n : ns
}

function toStoredTime(ns: bigint): bigint {
  return ns === 0n ? ZERO_TIME_NS : ns
}
