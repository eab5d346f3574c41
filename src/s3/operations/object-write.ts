/** PutObject (s3-api.md 4.2.3). */
import { versioningStateFor } from '#object/bucket-metadata'
import { S3Error } from '#s3-protocol/s3-error'
import { writePreconditions } from '#s3-protocol/conditions'
import type { S3Call, S3Reply } from '../s3.ts'
import { type BodyChecksum, bodyChecks, bodyChecksumHeaders, storedSingle } from './checksums.ts'
import { quotedEtag } from './object-headers.ts'
import { refuseProtected } from './object-lock.ts'
import { checkBodySize, refuseEncryption } from './request-values.ts'

import { writeMetadata } from './write-metadata.ts'

/** `PUT` of an object. */
export async function putObject(call: S3Call): Promise<S3Reply> {
  refuseCopySource(call)
  if (call.query.has('versionId')) {
    throw new S3Error('NotImplemented', { message: 'Prescribed version ids belong to replication' })
  }
  checkBodySize(call)
  const { engine, clock } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const { userMetadata, storageClass } = await writeMetadata(call, metadata)
  // Without a checksum of the client the object still gets one: it costs 0.1 ms for each MiB.
  const checks = bodyChecks(call, 'crc64nvme')
  refuseEncryption(call, metadata.document('EncryptionConfigXML'))
  const versioning = versioningStateFor(metadata, call.key)
  let checksum: BodyChecksum | undefined
  const info = await engine.putObject(call.bucket, call.key, call.body, {
    userMetadata,
    storageClass,
    versioning,
    preconditions: writePreconditions(call.request),
    digests: checks.digests,
    verify: async (digests) => {
      checksum = checks.verify(digests)
      return storedSingle(checksum)
    },
    guard:
      metadata.objectLock && versioning !== 'enabled'
        ? (current) => refuseProtected(current, { nowMs: clock.nowMs(), bypassGovernance: false })
        : undefined,
    signal: call.request.signal,
  })
  return {
    status: 200,
    headers: [
      ['ETag', quotedEtag(info.etag)],
      ...(info.versionId === 'null' ? [] : [['x-amz-version-id', info.versionId] as const]),
      ...bodyChecksumHeaders(checksum),
    ],
  }
}

/** A copy source without a slash reaches the plain writes; it must not be taken for data. */
export function refuseCopySource(call: S3Call): void {
  if (call.request.header('x-amz-copy-source') === undefined) return
  throw new S3Error('InvalidArgument', {
    message: 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey.',
  })
}
