/** Tags of objects and of buckets (s3-api.md 4.7). */
import { utf8 } from '#base/bytes'
import { TAGGING_KEY } from '#object/metadata-keys'
import type { ObjectInfo } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { formatTags, parseTagQuery, parseTagXml, sentTags, type Tag } from '#s3-protocol/tagging'
import type { S3Call, S3Reply } from '../s3.ts'
import { type Header, storedTags, versionHeader } from './object-headers.ts'
import { versionIdOf } from './request-values.ts'
import { type XmlField, xmlDocument } from './xml-document.ts'

const OBJECT_TAGS_MAX = 10
export const BUCKET_TAGS_MAX = 50
const PLAIN = /^[A-Za-z0-9+\-=._:/@ ]*$/

/** `GET key?tagging`: sorted by key. */
export async function getObjectTagging(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  const { info } = await engine.headObject(call.bucket, call.key, {
    versionId: versionIdOf(call),
    range: { kind: 'all' },
  })
  const tags = [...parseTagQuery(storedTags(info))].sort((a, b) => (a.key < b.key ? -1 : 1))
  return { status: 200, headers: await versionHeaders(call, info), body: tagDocument(tags) }
}

/** `PUT key?tagging`: replaces all; an empty set removes all. */
export async function putObjectTagging(call: S3Call): Promise<S3Reply> {
  const tags = sentTags(parseTagXml(call.document, OBJECT_TAGS_MAX))
  const info = await storeTags(call, formatTags(tags))
  return { status: 200, headers: await versionHeaders(call, info) }
}

/** `DELETE key?tagging`. */
export async function deleteObjectTagging(call: S3Call): Promise<S3Reply> {
  const info = await storeTags(call, '')
  return { status: 204, headers: await versionHeaders(call, info) }
}

async function storeTags(call: S3Call, tags: string): Promise<ObjectInfo> {
  // Metadata merges: an empty text is how a value goes away.
  const userMetadata = new Map([[TAGGING_KEY, tags]])
  return call.services.engine.updateMetadata(call.bucket, call.key, versionIdOf(call), () => ({
    userMetadata,
  }))
}

async function versionHeaders(call: S3Call, info: ObjectInfo): Promise<readonly Header[]> {
  return versionHeader(info.versionId, await call.services.engine.bucketMetadata(call.bucket))
}

/** `GET ?tagging` of a bucket: in the order stored. */
export async function getBucketTagging(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const document = metadata.document('TaggingConfigXML')
  if (document === undefined) throw new S3Error('NoSuchTagSet')
  return { status: 200, body: tagDocument(parseTagXml(document, BUCKET_TAGS_MAX)) }
}

/** `PUT ?tagging` of a bucket. */
export async function putBucketTagging(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  await storeBucketTags(call, parseTagXml(call.document, BUCKET_TAGS_MAX))
  // Amazon's 204 is an error to MinIO's client for JavaScript.
  return { status: 200 }
}

/** Replaces the tags of a bucket. */
export async function storeBucketTags(call: S3Call, tags: readonly Tag[]): Promise<void> {
  const content = utf8(tagDocument(sentTags(tags)))
  // MinIO knows letters of ASCII only, and would lose the bucket over another one.
  const readable = tags.filter(({ key, value }) => PLAIN.test(key + value))
  const standIn = readable.length === 0 ? '' : tagDocument(readable)
  const document = readable.length === tags.length ? content : { content, standIn: utf8(standIn) }
  await call.services.engine.setBucketDocument(call.bucket, 'TaggingConfigXML', document)
}

/** `DELETE ?tagging` of a bucket. */
export async function deleteBucketTagging(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  await engine.setBucketDocument(call.bucket, 'TaggingConfigXML', undefined)
  return { status: 204 }
}

function tagDocument(tags: readonly Tag[]): string {
  return xmlDocument('Tagging', [
    [
      'TagSet',
      tags.map(
        (tag): XmlField => [
          'Tag',
          [
            ['Key', tag.key],
            ['Value', tag.value],
          ],
        ],
      ),
    ],
  ])
}
