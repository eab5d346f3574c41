/** DeleteObject and the prefix extension of it (s3-api.md 4.4, 3.5). */
import type { BucketMetadata, DeletePreconditions, VersioningState } from '#object/object'
import { versioningStateFor } from '#object/bucket-metadata'
import { parseHttpDate } from '#s3-protocol/conditions'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import type { Header } from './object-headers.ts'
import { mayBypassGovernance, refuseProtected } from './object-lock.ts'
import { booleanHeader, isForeignVersionId, versionIdOf } from './request-values.ts'

/** DELETE of a key or of one version of it. */
export async function deleteObject(call: S3Call): Promise<S3Reply> {
  const { engine, clock } = call.services
  const named = call.query.get('versionId') ?? ''
  const isForeign = isForeignVersionId(named)
  const versionId = isForeign ? undefined : versionIdOf(call)
  const metadata = await engine.bucketMetadata(call.bucket)
  if (booleanHeader(call, 'x-minio-force-delete') === true) {
    if (metadata.objectLock) {
      throw new S3Error('XMinioAdminInvalidArgument', {
        message: 'force-delete is forbidden on Object Locking enabled buckets',
      })
    }
    return deletePrefix(call)
  }
  if (isForeign) return { status: 204, headers: [['x-amz-version-id', named]] }
  const versioning = deletionStateFor(metadata, call.key)
  // A marker on top of a version takes nothing away; everything else must pass the lock.
  const removes = versionId !== undefined || versioning !== 'enabled'
  const guarded = removes && (metadata.objectLock || versionId !== undefined)
  const bypassGovernance = guarded && (await mayBypassGovernance(call, call.key))
  const outcome = await engine.deleteObject(call.bucket, call.key, {
    versionId,
    versioning,
    preconditions: deletePreconditions(call),
    guard: guarded
      ? (current) => refuseProtected(current, { nowMs: clock.nowMs(), bypassGovernance })
      : undefined,
  })
  const headers: Header[] = []
  if (outcome.deleteMarker) headers.push(['x-amz-delete-marker', 'true'])
  // A version that is named is gone, whether it was there or not.
  const told = versionId ?? (outcome.deleteMarker ? outcome.versionId : undefined)
  if (told !== undefined) headers.push(['x-amz-version-id', told])
  return { status: 204, headers }
}

/** The state that a deletion goes by: keys that versioning leaves out get no markers. */
export function deletionStateFor(metadata: BucketMetadata, key: string): VersioningState {
  const state = versioningStateFor(metadata, key)
  return state === 'suspended' && metadata.versioning === 'enabled' ? 'unversioned' : state
}

/** The right to delete one key is not the right to delete everything that begins like it. */
export async function mayDeleteBelow(call: S3Call, key: string): Promise<boolean> {
  for (const action of ['s3:DeleteObject', 's3:DeleteObjectVersion']) {
    if (!(await call.isAllowed(action, call.bucket, key, { below: true }))) return false
  }
  return true
}

async function deletePrefix(call: S3Call): Promise<S3Reply> {
  if (!(await mayDeleteBelow(call, call.key))) throw new S3Error('AccessDenied')
  await call.services.engine.deletePrefix(call.bucket, call.key)
  return { status: 204 }
}

function deletePreconditions(call: S3Call): DeletePreconditions | undefined {
  const { request } = call
  const ifMatch = request.header('if-match')
  const time = request.header('x-amz-if-match-last-modified-time')
  const size = request.header('x-amz-if-match-size')
  return conditionsOf({ ifMatch, time, size })
}

/** Delete conditions from texts; undefined when none is given. Unreadable times and sizes never match. */
export function conditionsOf(texts: {
  readonly ifMatch: string | undefined
  readonly time: string | undefined
  readonly size: string | undefined
}): DeletePreconditions | undefined {
  const { ifMatch, time, size } = texts
  if (ifMatch === undefined && time === undefined && size === undefined) return undefined
  if (time !== undefined && parseHttpDate(time) === undefined) {
    throw new S3Error('InvalidArgument', { message: 'Invalid argument' })
  }
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    throw new S3Error('InvalidArgument', { message: 'Invalid argument' })
  }
  return {
    ifMatch: ifMatch?.trim().replace(/^"(.*)"$/, '$1'),
    ifLastModified: time === undefined ? undefined : parseHttpDate(time),
    ifSizeBytes: size === undefined ? undefined : Number(size),
  }
}
