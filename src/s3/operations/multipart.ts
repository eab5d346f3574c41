/** Multipart uploads: create, abort and the two lists (s3-api.md 4.6). */
import {
  type ListUploadsRequest,
  type ListUploadsResult,
  ObjectError,
  type UploadInfo,
} from '#object/object'
import { versioningStateFor } from '#object/bucket-metadata'
import { parseHttpDate } from '#s3-protocol/conditions'
import { invalidArgument, S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { uploadEndHeaders } from '../upload-expiry.ts'
import {
  type ChecksumType,
  declaredChecksum,
  partChecksumFields,
  uploadChecksum,
  writeDeclaration,
} from './checksums.ts'
import { contentMetadata } from './compression.ts'
import { encryptionHeaders } from './encryption-headers.ts'
import { encodeListed, listEncoding } from './list-encoding.ts'
import { isoDate, quotedEtag, storageClassOf } from './object-headers.ts'
import { OWNER_ID, OWNER_NAME } from './owner.ts'
import { countParameter } from './request-values.ts'
import { newSeal } from './seals.ts'

import { writeMetadata } from './write-metadata.ts'
import { type XmlField, type XmlFields, xmlDocument } from './xml-document.ts'

const LIST_MAX = 1000

/** `POST ?uploads`: metadata, tags, class, lock and checksum algorithm of the object are fixed here. */
export async function createMultipartUpload(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  using sealed = await newSeal(call, metadata, { isMultipart: true })
  const { userMetadata, storageClass } = await writeMetadata(call, metadata)
  const checksum = declaredChecksum(call)
  if (checksum !== undefined) writeDeclaration(userMetadata, checksum)
  const upload = await engine.createUpload(call.bucket, call.key, {
    userMetadata,
    systemMetadata: contentMetadata(call, sealed.metadata, 'in parts'),
    storageClass,
    versioning: versioningStateFor(metadata, call.key),
  })
  return {
    status: 200,
    headers: [
      ...uploadEndHeaders(metadata, call.key, upload.initiatedNs),
      ...encryptionHeaders(call, upload.systemMetadata),
      ...(checksum === undefined
        ? []
        : [
            ['x-amz-checksum-algorithm', checksum.algorithm.toUpperCase()] as const,
            ['x-amz-checksum-type', checksum.type] as const,
          ]),
    ],
    body: xmlDocument('InitiateMultipartUploadResult', [
      ['Bucket', call.bucket],
      ['Key', call.key],
      ['UploadId', upload.uploadId],
    ]),
  }
}

/** `DELETE ?uploadId`. */
export async function abortMultipartUpload(call: S3Call): Promise<S3Reply> {
  const uploadId = uploadIdOf(call)
  const { engine } = call.services
  const asked = call.request.header('x-amz-if-match-initiated-time')
  await bucketFirst(call, async () => {
    if (asked !== undefined) await checkInitiated(call, uploadId, asked)
    await engine.abortUpload(call.bucket, call.key, uploadId)
  })
  return { status: 204 }
}

/** `x-amz-if-match-initiated-time`: to the second; times to come and none at all are passed over. */
async function checkInitiated(call: S3Call, uploadId: string, asked: string): Promise<void> {
  const seconds = parseHttpDate(asked)
  const { engine, clock } = call.services
  if (seconds === undefined || seconds * 1000 > clock.nowMs()) return
  const { initiatedNs } = await engine.getUpload(call.bucket, call.key, uploadId)
  if (initiatedNs / 1_000_000_000n === BigInt(seconds)) return
  throw new S3Error('PreconditionFailed', { elements: [['Condition', 'If-Match-Initiated-Time']] })
}

/** The upload a request addresses; an empty id is no upload. */
export function uploadIdOf(call: S3Call): string {
  const uploadId = call.query.get('uploadId')
  if (uploadId === undefined || uploadId === '') throw new S3Error('NoSuchUpload')
  return uploadId
}

/** Runs `work` on an upload. Where there is none, a bucket that is missing is told first. */
export async function bucketFirst<T>(call: S3Call, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isGone = error instanceof ObjectError && error.code === 'UploadNotFound'
    if (isGone) await call.services.engine.getBucket(call.bucket)
    throw error
  }
}

/** `GET ?uploadId`: parts after the marker, ascending. */
export async function listParts(call: S3Call): Promise<S3Reply> {
  const limit = Math.min(countParameter(call, 'max-parts', LIST_MAX), LIST_MAX)
  const marker = countParameter(call, 'part-number-marker', 0)
  const encoding = listEncoding(call)
  const uploadId = uploadIdOf(call)
  const { upload, parts } = await bucketFirst(call, () =>
    call.services.engine.listParts(call.bucket, call.key, uploadId),
  )
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const after = parts.filter((part) => part.number > marker)
  const page = after.slice(0, limit)
  const checksum = uploadChecksum(upload.userMetadata)
  const isTruncated = limit > 0 && after.length > page.length
  return {
    status: 200,
    headers: [...uploadEndHeaders(metadata, call.key, upload.initiatedNs)],
    body: xmlDocument('ListPartsResult', [
      ['Bucket', call.bucket],
      ['Key', encodeListed(encoding, call.key)],
      ['UploadId', uploadId],
      owner('Initiator'),
      owner('Owner'),
      ['StorageClass', storageClassOf(upload.userMetadata)],
      ['PartNumberMarker', marker],
      ['NextPartNumberMarker', isTruncated ? (page.at(-1)?.number ?? 0) : 0],
      ['MaxParts', limit],
      ['IsTruncated', isTruncated],
      checksum !== undefined && ['ChecksumAlgorithm', checksum.algorithm.toUpperCase()],
      checksum !== undefined && ['ChecksumType', checksum.type satisfies ChecksumType],
      ...page.map(
        (part): XmlField => [
          'Part',
          [
            ['PartNumber', part.number],
            ['LastModified', isoDate(part.modifiedNs ?? upload.initiatedNs)],
            ['ETag', quotedEtag(part.etag ?? '')],
            ['Size', part.actualSizeBytes >= 0 ? part.actualSizeBytes : part.sizeBytes],
            ...partChecksumFields(part.checksums, checksum),
          ],
        ],
      ),
      encoding !== undefined && ['EncodingType', encoding],
    ]),
  }
}

/** `GET ?uploads`: by key, then by time of creation. */
export async function listMultipartUploads(call: S3Call): Promise<S3Reply> {
  const limit = Math.min(countParameter(call, 'max-uploads', LIST_MAX), LIST_MAX)
  const encoding = listEncoding(call)
  const prefix = call.query.get('prefix') ?? ''
  const delimiter = call.query.get('delimiter') ?? ''
  const marker = call.query.get('key-marker') ?? ''
  const isOfOneKey = marker === prefix && !call.query.get('upload-id-marker')
  // Clients of MinIO ask for the uploads of one key with that key as marker too.
  const keyMarker = isOfOneKey ? '' : marker
  // Without a key the upload id says nothing.
  const uploadIdMarker = keyMarker === '' ? '' : (call.query.get('upload-id-marker') ?? '')
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  const result =
    limit === 0
      ? {
          uploads: [],
          commonPrefixes: [],
          isTruncated: false,
          nextKeyMarker: '',
          nextUploadIdMarker: '',
        }
      : await uploadsOf(call, { prefix, delimiter, startAfter: keyMarker, uploadIdMarker, limit })
  return {
    status: 200,
    body: xmlDocument('ListMultipartUploadsResult', [
      ['Bucket', call.bucket],
      ['KeyMarker', encodeListed(encoding, marker)],
      ['UploadIdMarker', uploadIdMarker],
      ['NextKeyMarker', encodeListed(encoding, result.nextKeyMarker)],
      ['NextUploadIdMarker', result.nextUploadIdMarker],
      delimiter !== '' && ['Delimiter', encodeListed(encoding, delimiter)],
      ['Prefix', encodeListed(encoding, prefix)],
      encoding !== undefined && ['EncodingType', encoding],
      ['MaxUploads', limit],
      ['IsTruncated', result.isTruncated],
      ...result.uploads.map(
        (upload): XmlField => ['Upload', uploadFields(upload, { encoding, prefix })],
      ),
      ...result.commonPrefixes.map(
        (text): XmlField => ['CommonPrefixes', [['Prefix', encodeListed(encoding, text)]]],
      ),
    ]),
  }
}

async function uploadsOf(call: S3Call, request: ListUploadsRequest): Promise<ListUploadsResult> {
  try {
    return await call.services.engine.listUploads(call.bucket, request)
  } catch (error) {
    if (!(error instanceof ObjectError) || error.code !== 'UploadNotFound') throw error
    throw invalidArgument('upload-id-marker', request.uploadIdMarker, 'Invalid uploadId marker')
  }
}

function uploadFields(
  upload: UploadInfo,
  { encoding, prefix }: { readonly encoding: 'url' | undefined; readonly prefix: string },
): XmlFields {
  const checksum = uploadChecksum(upload.userMetadata)
  // MinIO's list of the uploads of one key tells neither owner nor class, and its clients hold it to that.
  const isFull = upload.key !== prefix
  return [
    ['Key', encodeListed(encoding, upload.key)],
    ['UploadId', upload.uploadId],
    isFull && owner('Initiator'),
    isFull && owner('Owner'),
    isFull && ['StorageClass', storageClassOf(upload.userMetadata)],
    ['Initiated', isoDate(upload.initiatedNs)],
    checksum !== undefined && ['ChecksumAlgorithm', checksum.algorithm.toUpperCase()],
    checksum !== undefined && ['ChecksumType', checksum.type],
  ]
}

function owner(name: 'Initiator' | 'Owner'): XmlField {
  return [
    name,
    [
      ['ID', OWNER_ID],
      ['DisplayName', OWNER_NAME],
    ],
  ]
}
