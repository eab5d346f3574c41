/** ListObjectVersions (s3-api.md 4.3.4). */
import type { ListVersionsResult, ObjectInfo } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { encodeListed, listEncoding } from './list-encoding.ts'
import {
  checksumKindFields,
  commonPrefixFields,
  maxKeysOf,
  metadataFields,
  ownerField,
  withoutHint,
} from './listing.ts'
import { clientSize, isoDate, quotedEtag, shownStorageClass } from './object-headers.ts'
import { parseVersionId } from './request-values.ts'
import { type XmlField, type XmlFields, xmlDocument } from './xml-document.ts'

/** `GET ?versions`. */
export async function listObjectVersions(call: S3Call): Promise<S3Reply> {
  await authorize(call)
  const encoding = listEncoding(call)
  const limit = maxKeysOf(call, 'max-keys cannot be negative')
  const prefix = call.query.get('prefix') ?? ''
  const delimiter = call.query.get('delimiter') ?? ''
  const keyMarker = withoutHint(call.query.get('key-marker') ?? '')
  const versionIdMarker = call.query.get('version-id-marker') ?? ''
  const result = await listPage(call, { prefix, delimiter, keyMarker, versionIdMarker, limit })
  const withMetadata = call.query.get('metadata') === 'true'
  const versions: XmlField[] = []
  for (const info of result.versions) {
    const metadata = withMetadata ? await metadataFields(call, info) : []
    versions.push(versionField(info, encoding, metadata))
  }
  return {
    status: 200,
    body: xmlDocument('ListVersionsResult', [
      ['Name', call.bucket],
      ['Prefix', encodeListed(encoding, prefix)],
      ['KeyMarker', encodeListed(encoding, keyMarker)],
      result.isTruncated && ['NextKeyMarker', encodeListed(encoding, result.nextKeyMarker)],
      ['NextVersionIdMarker', result.nextVersionIdMarker],
      ['VersionIdMarker', versionIdMarker],
      ['MaxKeys', limit],
      delimiter !== '' && ['Delimiter', encodeListed(encoding, delimiter)],
      ['IsTruncated', result.isTruncated],
      ...commonPrefixFields(result.commonPrefixes, encoding),
      ...versions,
      encoding !== undefined && ['EncodingType', encoding],
    ]),
  }
}

/** `s3:ListBucketVersions`, or `s3:ListBucket` in its stead. */
async function authorize(call: S3Call): Promise<void> {
  if (await call.isAllowed('s3:ListBucketVersions', call.bucket, '')) return
  throw new S3Error('AccessDenied')
}

async function listPage(
  call: S3Call,
  request: {
    readonly prefix: string
    readonly delimiter: string
    readonly keyMarker: string
    readonly versionIdMarker: string
    readonly limit: number
  },
): Promise<ListVersionsResult> {
  const { prefix, delimiter, keyMarker, versionIdMarker, limit } = request
  if (versionIdMarker !== '' && keyMarker === '') {
    throw new S3Error('InvalidArgument', {
      message: 'A version-id marker cannot be specified without a key marker.',
    })
  }
  const marker = versionIdMarker === '' ? undefined : parseVersionId(versionIdMarker)
  if (versionIdMarker !== '' && marker === undefined) {
    throw new S3Error('InvalidArgument', { message: 'Invalid version id specified' })
  }
  const { engine } = call.services
  if (limit > 0) {
    return engine.listVersions(call.bucket, {
      prefix,
      delimiter,
      startAfter: keyMarker,
      versionIdMarker: marker,
      limit,
    })
  }
  await engine.getBucket(call.bucket)
  return {
    versions: [],
    commonPrefixes: [],
    isTruncated: false,
    nextKeyMarker: '',
    nextVersionIdMarker: '',
  }
}

function versionField(
  info: ObjectInfo,
  encoding: 'url' | undefined,
  metadata: XmlFields,
): XmlField {
  const key = ['Key', encodeListed(encoding, info.key)] as const
  const modified = ['LastModified', isoDate(info.modifiedNs)] as const
  const latest = ['IsLatest', info.isLatest] as const
  const versionId = ['VersionId', info.versionId] as const
  if (info.isDeleteMarker) {
    return ['DeleteMarker', [key, versionId, latest, modified, ownerField()]]
  }
  return [
    'Version',
    [
      key,
      modified,
      ['ETag', quotedEtag(info.etag)],
      ...checksumKindFields(info),
      ['Size', clientSize(info)],
      ownerField(),
      ['StorageClass', shownStorageClass(info)],
      ...metadata,
      latest,
      versionId,
    ],
  ]
}
