/** Replication configuration of a bucket (s3-api.md 4.13): kept and shown, not yet acted upon. */
import { strictTextOf, utf8 } from '#base/bytes'
import type { BucketMetadata } from '#object/object'
import { parseReplication, targetArns } from '#s3-protocol/replication'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import { documentText } from '#s3-protocol/xml-shape'
import type { S3Call, S3Reply } from '../s3.ts'
import { storedDocument } from './bucket-config.ts'

export const getBucketReplication = storedDocument('ReplicationConfigXML', {
  code: 'ReplicationConfigurationNotFoundError',
})

/** `PUT ?replication`: for buckets with versions, to targets that are registered. */
export async function putBucketReplication(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  const root = parseXml(call.document)
  const replication = parseReplication(root)
  await engine.setBucketDocument(call.bucket, 'ReplicationConfigXML', (current) => {
    if (current.versioning !== 'enabled') {
      throw new S3Error('InvalidRequest', {
        message: "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
      })
    }
    const known = registeredArns(current)
    if (!targetArns(replication).every((arn) => known.has(arn))) {
      throw new S3Error('XMinioAdminRemoteTargetNotFoundError')
    }
    return utf8(documentText(root))
  })
  return { status: 200 }
}

/** Targets that an administrator registered. Sealed ones cannot be read here: none. */
function registeredArns(metadata: BucketMetadata): ReadonlySet<string> {
  const content = metadata.document('BucketTargetsConfigJSON')
  const arns = new Set<string>()
  const text = content === undefined ? undefined : strictTextOf(content)
  for (const target of targetsIn(text)) {
    if (typeof target === 'object' && target !== null && 'arn' in target) {
      if (typeof target.arn === 'string') arns.add(target.arn)
    }
  }
  return arns
}

function targetsIn(text: string | undefined): readonly unknown[] {
  if (text === undefined) return []
  try {
    const parsed: unknown = JSON.parse(text)
    const isList =
      typeof parsed === 'object' &&
      parsed !== null &&
      'targets' in parsed &&
      Array.isArray(parsed.targets)
    return isList ? (parsed.targets as readonly unknown[]) : []
  } catch {
    return [] // sealed with a key that is not here
  }
}

/** `DELETE ?replication`: the targets that it used go with it. */
export async function deleteBucketReplication(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const documents = [
    'ReplicationConfigXML',
    'BucketTargetsConfigJSON',
    'BucketTargetsConfigMetaJSON',
  ] as const
  for (const document of documents) {
    if (metadata.document(document) === undefined) continue
    await engine.setBucketDocument(call.bucket, document, undefined)
  }
  return { status: 204 }
}
