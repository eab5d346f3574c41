/** Versioning configuration of a bucket (s3-api.md 4.5). */
import type { BucketMetadata } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import { storedText } from '#s3-protocol/xml-shape'
import type { S3Call, S3Reply } from '../s3.ts'
import { type XmlField, xmlDocument } from './xml-document.ts'

const EXCLUDED_PREFIXES_MAX = 10
const INVALID = 'Versioning configuration specified in the request is invalid.'

/** The elements of a `VersioningConfiguration`, not yet judged. */
interface VersioningElements {
  readonly status: string
  readonly excludedPrefixes: readonly string[]
  readonly excludeFolders: boolean
}

/** `GET ?versioning`: an empty document while never configured. */
export async function getBucketVersioning(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const document = metadata.document('VersioningConfigXML')
  if (document !== undefined) {
    return { status: 200, body: versioningDocument(readElements(parseXml(document))) }
  }
  // Buckets locked by an old release have no document of their own.
  const status = metadata.versioning === 'enabled' ? 'Enabled' : ''
  return {
    status: 200,
    body: versioningDocument({ status, excludedPrefixes: [], excludeFolders: false }),
  }
}

/** `PUT ?versioning`. */
export async function putBucketVersioning(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  const root = parseXml(call.document)
  if (root.name !== 'VersioningConfiguration') throw new S3Error('MalformedXML')
  const rules = readElements(root)
  checkRules(rules)
  const document = new TextEncoder().encode(versioningDocument(rules))
  await engine.setBucketDocument(call.bucket, 'VersioningConfigXML', (current) => {
    checkState(rules, current)
    return document
  })
  return { status: 200 }
}

/** What the bucket has already may need its versions. */
function checkState(rules: VersioningElements, metadata: BucketMetadata): void {
  const isWhole =
    rules.status === 'Enabled' && rules.excludedPrefixes.length === 0 && !rules.excludeFolders
  if (metadata.objectLock && !isWhole) {
    throw new S3Error('InvalidBucketState', {
      status: 409,
      message:
        'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    })
  }
  const replicates = metadata.document('ReplicationConfigXML') !== undefined
  if (replicates && rules.status === 'Suspended') {
    throw new S3Error('InvalidBucketState', {
      status: 400,
      message:
        'A replication configuration is present on this bucket, bucket wide versioning cannot be suspended.',
    })
  }
}

function readElements(root: XmlElement): VersioningElements {
  return {
    status: root.childText('Status') ?? '',
    excludedPrefixes: root
      .children('ExcludedPrefixes')
      .flatMap((group) => group.children('Prefix').map((prefix) => prefix.text)),
    excludeFolders: root.childText('ExcludeFolders')?.toLowerCase() === 'true',
  }
}

function checkRules(rules: VersioningElements): void {
  for (const prefix of rules.excludedPrefixes) storedText(prefix)
  // As with Amazon: the schema knows two values, and that there is one is a rule of its own.
  if (!['Enabled', 'Suspended', ''].includes(rules.status)) throw new S3Error('MalformedXML')
  const excludes = rules.excludedPrefixes.length > 0 || rules.excludeFolders
  const cause =
    rules.status === ''
      ? 'unsupported Versioning status'
      : rules.excludedPrefixes.length > EXCLUDED_PREFIXES_MAX
        ? 'too many excluded prefixes'
        : excludes && rules.status !== 'Enabled'
          ? 'excluded prefixes extension supported only when versioning is enabled'
          : undefined
  if (cause === undefined) return
  throw new S3Error('IllegalVersioningConfigurationException', { message: `${INVALID} (${cause})` })
}

function versioningDocument(rules: VersioningElements): string {
  return xmlDocument('VersioningConfiguration', [
    rules.status !== '' && ['Status', rules.status],
    ...rules.excludedPrefixes.map((prefix): XmlField => ['ExcludedPrefixes', [['Prefix', prefix]]]),
    rules.excludeFolders && ['ExcludeFolders', true],
  ])
}
