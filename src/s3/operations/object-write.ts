/** PutObject (s3-api.md 4.2.3). */
import { versioningStateFor } from '#object/bucket-metadata'
import type { BucketMetadata, ObjectInfo, VersionId } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { writePreconditions } from '#s3-protocol/conditions'
import { invalidCopySource, parseCopySource } from '#s3-protocol/copy-source'
import { parseRfc3339Ns } from '#s3-protocol/dates'
import type { S3Call, S3Reply } from '../s3.ts'
import { type BodyChecksum, bodyChecks, bodyChecksumHeaders, storedSingle } from './checksums.ts'
import { contentMetadata } from './compression.ts'
import { encryptionHeaders } from './encryption-headers.ts'
import { expirationHeader } from './expiration.ts'
import { clientSize, type Header, quotedEtag } from './object-headers.ts'
import { overwriteGuard } from './object-lock.ts'
import { checkBodySize, versionIdOf } from './request-values.ts'
import { newSeal } from './seals.ts'
import { writeMetadata } from './write-metadata.ts'

/** In 2261: a signed number of 64 bits holds little more. */
const TIME_MAX_NS = 9_200_000_000_000_000_000n

export interface PutVariation {
  /** The time it shall have. */
  readonly modifiedNs?: bigint | undefined
  /** Refuses with `InvalidWriteOffset` when the key has an object. */
  readonly mustBeNew?: boolean | undefined
}

/** `PUT` of an object. */
export async function putObject(call: S3Call, options: PutVariation = {}): Promise<S3Reply> {
  await refuseCopySource(call)
  const versionId = versionIdOf(call)
  checkBodySize(call)
  const { engine } = call.services
  const replicated = await replicatedState(call)
  const metadata = await engine.bucketMetadata(call.bucket)
  if (versionId !== undefined) await refuseVersionId(call, versionId, metadata)
  const { userMetadata, storageClass } = await writeMetadata(call, metadata)
  // Without a checksum of the client the object still gets one: it costs 0.1 ms for each MiB.
  const checks = bodyChecks(call, 'crc64nvme')
  using sealed = await newSeal(call, metadata, { isMultipart: false })
  const versioning = versioningStateFor(metadata, call.key)
  let checksum: BodyChecksum | undefined
  const info = await engine.putObject(call.bucket, call.key, call.body, {
    userMetadata,
    systemMetadata: contentMetadata(call, sealed.metadata, call.body.sizeBytes),
    seal: sealed.seal,
    storageClass,
    versioning,
    preconditions: writePreconditions(call.request),
    etag: replicated.etag,
    modifiedNs: storableTime(options.modifiedNs ?? replicated.modifiedNs),
    digests: checks.digests,
    verify: async (digests) => {
      checksum = checks.verify(digests)
      return storedSingle(checksum)
    },
    guard: guardOf(options, overwriteGuard(call, metadata)),
    signal: call.request.signal,
  })
  return {
    status: 200,
    headers: [...writtenHeaders(call, info, metadata), ...bodyChecksumHeaders(checksum)],
  }
}

/** A time that was asked for; undefined where the drives cannot hold it, or no later one for the next write. */
function storableTime(modifiedNs: bigint | undefined): bigint | undefined {
  return modifiedNs !== undefined && modifiedNs < TIME_MAX_NS ? modifiedNs : undefined
}

/** What the reply to a write tells of the version made, but for its checksums. */
export function writtenHeaders(
  call: S3Call,
  info: ObjectInfo,
  metadata: BucketMetadata,
): readonly Header[] {
  return [
    ['ETag', quotedEtag(info.etag)],
    ...(info.versionId === 'null' ? [] : [['x-amz-version-id', info.versionId] as const]),
    ['x-amz-object-size', String(clientSize(info))],
    ...expirationHeader(metadata, info),
    ...encryptionHeaders(call, info.systemMetadata),
  ]
}

function guardOf(
  { mustBeNew = false }: PutVariation,
  refuseLocked: ReturnType<typeof overwriteGuard>,
): ReturnType<typeof overwriteGuard> {
  if (!mustBeNew) return refuseLocked
  return (current) => {
    if (current?.isDeleteMarker === false) throw new S3Error('InvalidWriteOffset')
    refuseLocked?.(current)
  }
}

/** A version id may be prescribed by replicators, where there are versions. */
async function refuseVersionId(
  call: S3Call,
  versionId: VersionId,
  metadata: BucketMetadata,
): Promise<never> {
  if (!(await call.isAllowed('s3:ReplicateObject', call.bucket, call.key))) {
    throw new S3Error('AccessDenied')
  }
  if (versionId === 'null' || versioningStateFor(metadata, call.key) !== 'enabled') {
    throw new S3Error('InvalidArgument', {
      message: `VersionID specified ${versionId}, but versioning not enabled on bucket=${call.bucket}`,
    })
  }
  throw new S3Error('NotImplemented', { message: 'Prescribed version ids belong to replication' })
}

/** What a replicator says about the object at its source. 403 for callers who are none. */
async function replicatedState(
  call: S3Call,
): Promise<{ readonly etag?: string | undefined; readonly modifiedNs?: bigint | undefined }> {
  const etag = call.request.header('x-minio-source-etag')
  const time = call.request.header('x-minio-source-mtime')
  if (etag === undefined && time === undefined) return {}
  if (!(await call.isAllowed('s3:ReplicateObject', call.bucket, call.key))) {
    throw new S3Error('AccessDenied')
  }
  const modifiedNs = time === undefined || time === '' ? undefined : parseRfc3339Ns(time)
  const isGood = (time ?? '') === '' || modifiedNs !== undefined
  if (!isGood || (etag !== undefined && !/^[0-9A-Za-z-]{1,128}$/.test(etag))) {
    throw new S3Error('InvalidArgument', { message: 'Invalid argument' })
  }
  return { etag, modifiedNs }
}

/** A copy source without a slash reaches the plain writes; it must not be taken for data. */
export async function refuseCopySource(call: S3Call): Promise<void> {
  const source = call.request.header('x-amz-copy-source')
  if (source === undefined) return
  await call.services.engine.getBucket(call.bucket)
  parseCopySource(source)
  throw invalidCopySource('')
}
