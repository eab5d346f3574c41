/** ListObjects, both versions (s3-api.md 4.3). */
import { strictTextOf, utf8 } from '#base/bytes'
import type { ListResult, ObjectInfo } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { storedChecksums } from './checksums.ts'
import { asksForExtract, memberAddress } from './extract.ts'
import { type ListedMember, listMembers } from './extract-list.ts'
import { encodeListed, listEncoding } from './list-encoding.ts'
import { clientSize, isoDate, quotedEtag, shownStorageClass, storedTags } from './object-headers.ts'
import { OWNER_ID, OWNER_NAME } from './owner.ts'
import { countParameter } from './request-values.ts'
import { type XmlField, type XmlFields, xmlDocument } from './xml-document.ts'

const KEYS_MAX = 1000

/** `max-keys` as it is used and echoed. */
export function maxKeysOf(call: S3Call, negative?: string): number {
  return Math.min(countParameter(call, 'max-keys', KEYS_MAX, negative), KEYS_MAX)
}

/** A position without the cache hint that MinIO appends; clients may bring one from before a take-over. */
export function withoutHint(marker: string): string {
  const hint = marker.lastIndexOf('[minio_cache:')
  return hint >= 0 && marker.endsWith(']') ? marker.slice(0, hint) : marker
}

/** `GET` of a bucket without other meaning. */
export async function listObjects(call: S3Call): Promise<S3Reply> {
  const encoding = listEncoding(call)
  const limit = maxKeysOf(call)
  const prefix = call.query.get('prefix') ?? ''
  const delimiter = call.query.get('delimiter') ?? ''
  const marker = withoutHint(call.query.get('marker') ?? '')
  const result = await listPage(call, { prefix, delimiter, startAfter: marker, limit })
  const contents = result.objects.map((info) => contentFields(info, encoding, { owner: true }))
  return {
    status: 200,
    body: xmlDocument('ListBucketResult', [
      ['Name', call.bucket],
      ['Prefix', encodeListed(encoding, prefix)],
      ['Marker', encodeListed(encoding, marker)],
      result.isTruncated && ['NextMarker', encodeListed(encoding, result.nextMarker)],
      ['MaxKeys', limit],
      delimiter !== '' && ['Delimiter', encodeListed(encoding, delimiter)],
      ['IsTruncated', result.isTruncated],
      ...contents.map((fields): XmlField => ['Contents', fields]),
      ...commonPrefixFields(result.commonPrefixes, encoding),
      encoding !== undefined && ['EncodingType', encoding],
    ]),
  }
}

/** `GET ?list-type=2`. */
export async function listObjectsV2(call: S3Call): Promise<S3Reply> {
  const encoding = listEncoding(call)
  const limit = maxKeysOf(call)
  const prefix = call.query.get('prefix') ?? ''
  const delimiter = call.query.get('delimiter') ?? ''
  const startAfter = call.query.get('start-after') ?? ''
  const token = call.query.get('continuation-token')
  const withOwner = call.query.get('fetch-owner') === 'true'
  const withMetadata = call.query.get('metadata') === 'true'
  const position = token === undefined || token === '' ? startAfter : decodeToken(token)
  const request = { prefix, delimiter, startAfter: position, limit }
  const isOfMembers = asksForExtract(call.request) && memberAddress(prefix) !== undefined
  const contents: XmlFields[] = []
  let result: Omit<ListResult, 'objects'>
  if (isOfMembers) {
    const page = await listMembers(call, request)
    result = page
    contents.push(...page.members.map((member) => memberFields(member, encoding)))
  } else {
    const page = await listPage(call, request)
    result = page
    for (const info of page.objects) {
      const metadata = withMetadata ? await metadataFields(call, info) : []
      contents.push(contentFields(info, encoding, { owner: withOwner, metadata }))
    }
  }
  return {
    status: 200,
    body: xmlDocument('ListBucketResult', [
      ['Name', call.bucket],
      ['Prefix', encodeListed(encoding, prefix)],
      startAfter !== '' && ['StartAfter', encodeListed(encoding, startAfter)],
      token !== undefined && ['ContinuationToken', token],
      result.isTruncated && ['NextContinuationToken', utf8(result.nextMarker).toBase64()],
      ['KeyCount', contents.length + result.commonPrefixes.length],
      ['MaxKeys', limit],
      delimiter !== '' && ['Delimiter', encodeListed(encoding, delimiter)],
      ['IsTruncated', result.isTruncated],
      ...contents.map((fields): XmlField => ['Contents', fields]),
      ...commonPrefixFields(result.commonPrefixes, encoding),
      encoding !== undefined && ['EncodingType', encoding],
    ]),
  }
}

async function listPage(
  call: S3Call,
  request: Parameters<S3Call['services']['engine']['listObjects']>[1],
): Promise<ListResult> {
  const { engine } = call.services
  if (request.limit > 0) return engine.listObjects(call.bucket, request)
  await engine.getBucket(call.bucket)
  return { objects: [], commonPrefixes: [], isTruncated: false, nextMarker: '' }
}

function decodeToken(token: string): string {
  try {
    const text = strictTextOf(Uint8Array.fromBase64(token))
    if (text !== undefined) return withoutHint(text)
  } catch {
    // Not base64: the same answer as for bytes that are no text.
  }
  throw new S3Error('InvalidArgument', { message: 'The continuation token provided is incorrect' })
}

/** `CommonPrefixes` elements. */
export function commonPrefixFields(
  prefixes: readonly string[],
  encoding: 'url' | undefined,
): readonly XmlField[] {
  return prefixes.map((prefix) => ['CommonPrefixes', [['Prefix', encodeListed(encoding, prefix)]]])
}

/** The `Owner` element of every object. */
export function ownerField(): XmlField {
  return [
    'Owner',
    [
      ['ID', OWNER_ID],
      ['DisplayName', OWNER_NAME],
    ],
  ]
}

/** Children of `Contents`. */
function contentFields(
  info: ObjectInfo,
  encoding: 'url' | undefined,
  options: { readonly owner: boolean; readonly metadata?: XmlFields },
): XmlFields {
  return [
    ['Key', encodeListed(encoding, info.key)],
    ['LastModified', isoDate(info.modifiedNs)],
    ['ETag', quotedEtag(info.etag)],
    ...checksumKindFields(info),
    ['Size', clientSize(info)],
    options.owner && ownerField(),
    ['StorageClass', shownStorageClass(info)],
    ...(options.metadata ?? []),
  ]
}

/** Children of `Contents` for a member of an archive: it has no entity tag. */
function memberFields(member: ListedMember, encoding: 'url' | undefined): XmlFields {
  return [
    ['Key', encodeListed(encoding, member.key)],
    ['LastModified', member.modified],
    ['Size', member.sizeBytes],
    ['StorageClass', 'STANDARD'],
  ]
}

/** `ChecksumAlgorithm` and `ChecksumType` of a listed version. */
export function checksumKindFields(info: ObjectInfo): XmlFields {
  const checksums = storedChecksums(info)
  const first = checksums[0]
  if (first === undefined) return []
  return [
    ...checksums.map(
      (checksum): XmlField => ['ChecksumAlgorithm', checksum.algorithm.toUpperCase()],
    ),
    ['ChecksumType', first.type],
  ]
}

const HIDDEN_METADATA = new Set(['etag', 'x-amz-tagging'])

/** The metadata extension: what the caller may not read is left out without a word. */
export async function metadataFields(call: S3Call, info: ObjectInfo): Promise<XmlFields> {
  if (info.isDeleteMarker) return []
  const mayRead = await call.isAllowed('s3:GetObject', call.bucket, info.key)
  const tags = storedTags(info)
  const mayReadTags =
    tags !== '' && (await call.isAllowed('s3:GetObjectTagging', call.bucket, info.key))
  const metadata: XmlField[] = []
  for (const [key, value] of mayRead ? info.userMetadata : []) {
    // Keys are header names, so they are names of elements too, save a few odd characters.
    if (value === '' || HIDDEN_METADATA.has(key.toLowerCase())) continue
    if (/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(key)) metadata.push([key, value])
  }
  return [
    mayRead && ['UserMetadata', metadata],
    mayReadTags && ['UserTags', tags],
    mayRead && [
      'Internal',
      [
        ['K', info.dataShards],
        ['M', info.parityShards],
      ],
    ],
  ]
}
