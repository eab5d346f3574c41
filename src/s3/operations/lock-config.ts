/** Object lock configuration of a bucket (s3-api.md 4.9). */
import { utf8 } from '#base/bytes'
import type { BucketMetadata } from '#object/object'
import { parseLifecycle, removesAllVersions } from '#s3-protocol/lifecycle'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import {
  checkDocument,
  documentText,
  fields,
  oneOf,
  optional,
  required,
  text,
} from '#s3-protocol/xml-shape'
import type { S3Call, S3Reply } from '../s3.ts'
import { storedDocument } from './bucket-config.ts'

const DAYS_MAX = 36_500
const YEARS_MAX = 100
const NUMBER = text(/^-?\d{1,9}$/)
const SHAPE = fields({
  ObjectLockEnabled: required(oneOf('Enabled')),
  Rule: optional(
    fields({
      DefaultRetention: required(
        fields({
          Mode: required(oneOf('GOVERNANCE', 'COMPLIANCE')),
          Days: optional(NUMBER),
          Years: optional(NUMBER),
        }),
      ),
    }),
  ),
})

export const getObjectLockConfiguration = storedDocument('ObjectLockConfigXML', {
  code: 'ObjectLockConfigurationNotFoundError',
})

/** `PUT ?object-lock`: also turns lock on, where versions are kept without exception. */
export async function putObjectLockConfiguration(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  if (call.document.length === 0) throw new S3Error('MissingRequestBodyError', { status: 400 })
  const root = parseXml(call.document)
  checkDocument(root, 'ObjectLockConfiguration', SHAPE)
  checkPeriod(root)
  await engine.setBucketDocument(call.bucket, 'ObjectLockConfigXML', (current) => {
    if (!current.objectLock) requireLockable(current)
    return utf8(documentText(root))
  })
  return { status: 200 }
}

function checkPeriod(root: XmlElement): void {
  const retention = root.child('Rule')?.child('DefaultRetention')
  if (retention === undefined) return
  const days = retention.childText('Days')
  const years = retention.childText('Years')
  if ((days === undefined) === (years === undefined)) throw new S3Error('MalformedXML')
  const period = Number(days ?? years)
  if (period <= 0 || period > (days === undefined ? YEARS_MAX : DAYS_MAX)) {
    throw new S3Error('InvalidRetentionPeriod', {
      message: `Default retention period must be a positive integer value of at most ${DAYS_MAX} days or ${YEARS_MAX} years`,
    })
  }
}

/** A lock is nothing without versions, nor beside rules that remove them all. */
function requireLockable(metadata: BucketMetadata): void {
  const document = metadata.document('VersioningConfigXML')
  const versioning = document === undefined ? undefined : parseXml(document)
  const isWhole =
    metadata.versioning === 'enabled' &&
    versioning?.children('ExcludedPrefixes').length === 0 &&
    versioning.childText('ExcludeFolders')?.toLowerCase() !== 'true'
  const lifecycle = metadata.document('LifecycleConfigXML')
  const removesAll =
    lifecycle !== undefined && parseLifecycle(parseXml(lifecycle)).rules.some(removesAllVersions)
  if (isWhole && !removesAll) return
  throw new S3Error('InvalidBucketState', {
    status: 409,
    message: removesAll
      ? 'ExpiredObjectAllVersions element and DelMarkerExpiration action cannot be used on an object locked bucket'
      : "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
  })
}
