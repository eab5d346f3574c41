/** Buckets as such: list, create, head, delete, location (s3-api.md 4.1). */
import { compareUtf8, utf8 } from '#base/bytes'
import { ObjectError } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { type Tag, tagsIn } from '#s3-protocol/tagging'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import { ownershipOfNewBucket } from './bucket-settings.ts'
import { mayDeleteBelow } from './delete-object.ts'
import { ownerField } from './listing.ts'
import { type Header, isoDate } from './object-headers.ts'
import { booleanHeader } from './request-values.ts'
import { BUCKET_TAGS_MAX, storeBucketTags } from './tagging.ts'
import { type XmlField, xmlDocument } from './xml-document.ts'

const BUCKETS_MAX = 10_000
const DEFAULT_REGION = 'us-east-1'

/** `GET /`: all buckets, or those the caller may see. */
export async function listBuckets(call: S3Call): Promise<S3Reply> {
  const limit = bucketLimit(call)
  const prefix = call.query.get('prefix')
  const token = call.query.get('continuation-token')
  const after = token === undefined || token === '' ? '' : decodeToken(token)
  const visible = await visibleBuckets(call)
  const region = call.services.region === '' ? DEFAULT_REGION : call.services.region
  const isElsewhere = (call.query.get('bucket-region') ?? region) !== region
  const matching = (isElsewhere ? [] : visible)
    .filter((bucket) => bucket.name.startsWith(prefix ?? '') && bucket.name > after)
    .sort((a, b) => compareUtf8(a.name, b.name))
  const tellsRegion = LIST_PARAMETERS.some((name) => call.query.has(name))
  const page = limit === undefined ? matching : matching.slice(0, limit)
  const last = page.at(-1)
  const isTruncated = page.length < matching.length && last !== undefined
  return {
    status: 200,
    body: xmlDocument('ListAllMyBucketsResult', [
      ownerField(),
      [
        'Buckets',
        page.map(
          (bucket): XmlField => [
            'Bucket',
            [
              ['Name', bucket.name],
              ['CreationDate', isoDate(bucket.createdNs)],
              tellsRegion && ['BucketRegion', region],
            ],
          ],
        ),
      ],
      isTruncated && ['ContinuationToken', new TextEncoder().encode(last.name).toBase64()],
      prefix !== undefined && ['Prefix', prefix],
    ]),
  }
}

/** Any of them asks for a list in Amazon's newer form. */
const LIST_PARAMETERS = ['bucket-region', 'continuation-token', 'max-buckets', 'prefix']

function bucketLimit(call: S3Call): number | undefined {
  const text = call.query.get('max-buckets')
  if (text === undefined || text === '') return undefined
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > BUCKETS_MAX) {
    throw new S3Error('InvalidArgument', {
      message: 'Argument max-buckets must be an integer between 1 and 10000.',
    })
  }
  return value
}

function decodeToken(token: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(token))
  } catch {
    throw new S3Error('InvalidArgument', {
      message: 'The continuation token provided is incorrect',
    })
  }
}

async function visibleBuckets(call: S3Call) {
  const buckets = await call.services.engine.listBuckets()
  if (await call.isAllowed('s3:ListAllMyBuckets', '', '')) return [...buckets]
  const visible = []
  for (const bucket of buckets) {
    const isVisible =
      (await call.isAllowed('s3:ListBucket', bucket.name, '')) ||
      (await call.isAllowed('s3:GetBucketLocation', bucket.name, ''))
    if (isVisible) visible.push(bucket)
  }
  if (visible.length === 0) throw new S3Error('AccessDenied')
  return visible
}

/** `PUT` of a bucket without sub-resource. */
export async function createBucket(call: S3Call): Promise<S3Reply> {
  const tags = readConfiguration(call)
  const objectLock = booleanHeader(call, 'x-amz-bucket-object-lock-enabled') === true
  const force = booleanHeader(call, 'x-minio-force-create') === true
  const ownership = ownershipOfNewBucket(call)
  const actions = objectLock
    ? ['s3:PutBucketObjectLockConfiguration', 's3:PutBucketVersioning']
    : []
  if (tags.length > 0) actions.push('s3:PutBucketTagging')
  for (const action of actions) {
    if (!(await call.isAllowed(action, call.bucket, ''))) throw new S3Error('AccessDenied')
  }
  try {
    await call.services.engine.makeBucket(call.bucket, { objectLock, versioning: objectLock })
    if (ownership !== undefined) {
      const { engine } = call.services
      await engine.setBucketDocument(call.bucket, 'OwnershipControlsXML', utf8(ownership))
    }
    if (tags.length > 0) await storeBucketTags(call, tags)
  } catch (error) {
    const exists = error instanceof ObjectError && error.code === 'BucketExists'
    if (!exists || !force) throw error
  }
  return {
    status: 200,
    headers: [['Location', `/${call.bucket}`], arnHeader(call)],
  }
}

/** Checks the location; answers the tags that the bucket is to have. */
function readConfiguration(call: S3Call): readonly Tag[] {
  if (call.document.length === 0) return []
  const root = parseXml(call.document)
  if (root.name !== 'CreateBucketConfiguration') throw new S3Error('MalformedXML')
  const location = (root.childText('LocationConstraint') ?? '').trim()
  const { region } = call.services
  if (location !== '' && region !== '' && location !== region) {
    throw new S3Error('InvalidRegion', {
      message: `Region does not match; expecting '${region}'.`,
    })
  }
  const tags = root.child('Tags')
  return tags === undefined ? [] : tagsIn(tags, BUCKET_TAGS_MAX)
}

/** `HEAD` of a bucket: `s3:HeadBucket` or `s3:ListBucket`. */
export async function headBucket(call: S3Call): Promise<S3Reply> {
  const isAllowed = await call.isAllowed('s3:HeadBucket', call.bucket, '')
  // That there is no such bucket anybody may know.
  await call.services.engine.getBucket(call.bucket)
  if (!isAllowed) throw new S3Error('AccessDenied')
  // Without a region of its own the server answers for any: clients that ask take the default.
  const isPlain = call.services.region === ''
  return {
    status: 200,
    headers: [
      arnHeader(call),
      ...(isPlain ? [['x-amz-bucket-region', DEFAULT_REGION] as const] : []),
    ],
  }
}

function arnHeader(call: S3Call): Header {
  return ['x-amz-bucket-arn', `arn:aws:s3:::${call.bucket}`]
}

/** `DELETE` of a bucket without sub-resource. */
export async function deleteBucket(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  const forced = booleanHeader(call, 'x-minio-force-delete')
  if (forced !== undefined && !(await call.isAllowed('s3:ForceDeleteBucket', call.bucket, ''))) {
    throw new S3Error('AccessDenied')
  }
  const metadata = await engine.bucketMetadata(call.bucket)
  const force = forced === true
  // Everything goes with it: the rights to the bucket must not open what is denied in it.
  if (force && !(await mayDeleteBelow(call, ''))) {
    throw new S3Error('AccessDenied')
  }
  if (force && (metadata.objectLock || metadata.document('ReplicationConfigXML') !== undefined)) {
    throw new S3Error('MethodNotAllowed')
  }
  try {
    await engine.deleteBucket(call.bucket, { force })
  } catch (error) {
    if (!(error instanceof ObjectError) || error.code !== 'BucketNotEmpty') throw error
    throw metadata.versioning === 'unversioned'
      ? error
      : new S3Error('BucketNotEmpty', {
          message:
            'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
        })
  }
  return { status: 204 }
}

/** `GET ?location`: the default region is written as nothing. */
export async function getBucketLocation(call: S3Call): Promise<S3Reply> {
  await requireLocated(call)
  const { region } = call.services
  return {
    status: 200,
    body: xmlDocument('LocationConstraint', region === DEFAULT_REGION ? '' : region),
  }
}

/**
 * A bucket that is not there gets MinIO's text here, without a full stop: clients ask for the location before anything else,
 * and minio-go's functional tests compare what they then tell.
 */
async function requireLocated(call: S3Call): Promise<void> {
  try {
    await call.services.engine.getBucket(call.bucket)
  } catch (error) {
    if (!(error instanceof ObjectError) || error.code !== 'BucketNotFound') throw error
    const message = 'The specified bucket does not exist'
    throw new S3Error('NoSuchBucket', { message, cause: error })
  }
}
