/** GetObjectAttributes (s3-api.md 4.2.6). */
import { ObjectError, type ObjectInfo } from '#object/object'
import { readPreconditions } from '#s3-protocol/conditions'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { checksumFields, partChecksums, storedChecksums } from './checksums.ts'
import {
  clientSize,
  httpDate,
  isMultipart,
  shownStorageClass,
  versionHeader,
} from './object-headers.ts'
import { versionIdOf } from './request-values.ts'
import { unsealFor } from './seals.ts'
import { type XmlField, type XmlFields, xmlDocument } from './xml-document.ts'

const PARTS_MAX = 1000
const NAMES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const
type AttributeName = (typeof NAMES)[number]

/** `GET key?attributes`. */
export async function getObjectAttributes(call: S3Call): Promise<S3Reply> {
  const mayRead = await call.isAllowed('s3:GetObject', call.bucket, call.key)
  if (!mayRead) throw new S3Error('AccessDenied')
  // What is asked for matters only where there is something.
  await call.services.engine.getBucket(call.bucket)
  const wanted = wantedAttributes(call)
  const limit = Math.min(partHeader(call, 'X-Amz-Max-Parts', PARTS_MAX), PARTS_MAX)
  const marker = partHeader(call, 'X-Amz-Part-Number-Marker', 0)
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const info = await findObject(call)
  // Without the count of parts, as MinIO and its clients have it: `PartsCount` tells it here.
  const checksums = storedChecksums(info).map((checksum) => ({
    ...checksum,
    value: checksum.value.replace(/-\d+$/, ''),
  }))
  return {
    status: 200,
    headers: [
      ['Last-Modified', httpDate(info.modifiedNs)],
      ...versionHeader(info.versionId, metadata),
    ],
    body: xmlDocument('GetObjectAttributesResponse', [
      wanted.has('ETag') && ['ETag', info.etag],
      wanted.has('Checksum') && checksums.length > 0 && ['Checksum', checksumFields(checksums)],
      wanted.has('ObjectParts') &&
        isMultipart(info) && ['ObjectParts', partFields(info, { limit, marker })],
      wanted.has('StorageClass') && ['StorageClass', shownStorageClass(info)],
      wanted.has('ObjectSize') && ['ObjectSize', clientSize(info)],
    ]),
  }
}

/** That a key is missing is told only to those who may list. */
async function findObject(call: S3Call): Promise<ObjectInfo> {
  try {
    const { info } = await call.services.engine.headObject(call.bucket, call.key, {
      versionId: versionIdOf(call),
      range: { kind: 'all' },
      preconditions: readPreconditions(call.request),
      unseal: unsealFor(call),
    })
    return info
  } catch (error) {
    const isAbsent = error instanceof ObjectError && error.code === 'ObjectNotFound'
    if (isAbsent && !(await call.isAllowed('s3:ListBucket', call.bucket, ''))) {
      throw new S3Error('AccessDenied', { cause: error })
    }
    throw error
  }
}

function wantedAttributes(call: S3Call): ReadonlySet<AttributeName> {
  const texts = call.request
    .headerValues('x-amz-object-attributes')
    .flatMap((value) => value.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '')
  const wanted = new Set<AttributeName>()
  for (const text of texts) {
    const name = NAMES.find((known) => known === text)
    if (name === undefined) throw invalidAttribute('x-amz-object-attributes', text)
    wanted.add(name)
  }
  if (wanted.size === 0) {
    throw new S3Error('InvalidRequest', {
      message:
        'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
    })
  }
  return wanted
}

function partHeader(call: S3Call, name: string, fallback: number): number {
  const text = call.request.header(name.toLowerCase())
  if (text === undefined || text === '') return fallback
  if (!/^\d{1,9}$/.test(text)) throw invalidAttribute(name.toLowerCase(), text)
  return Number(text)
}

function invalidAttribute(name: string, value: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: 'Invalid attribute name specified.',
    elements: [
      ['ArgumentName', name],
      ['ArgumentValue', value],
    ],
  })
}

function partFields(
  info: ObjectInfo,
  page: { readonly limit: number; readonly marker: number },
): XmlFields {
  const after = info.parts.filter((part) => part.number > page.marker)
  const shown = after.slice(0, page.limit)
  return [
    ['IsTruncated', after.length > shown.length],
    ['MaxParts', page.limit],
    ['NextPartNumberMarker', shown.at(-1)?.number ?? page.marker],
    ['PartNumberMarker', page.marker],
    ['PartsCount', info.parts.length],
    ...shown.map(
      (part): XmlField => [
        'Part',
        [
          ['PartNumber', part.number],
          ['Size', part.actualSizeBytes >= 0 ? part.actualSizeBytes : part.sizeBytes],
          ...checksumFields(partChecksums(info, part.number), { withType: false }),
        ],
      ],
    ),
  ]
}
