/**
 * Appends with `x-amz-write-offset-bytes`. The object is written anew with the data behind it: the drive format has no
 * objects that grow. Of writers at the same place one wins, decided under the lock.
 */
import { versioningStateFor } from '#object/bucket-metadata'
import { bodyOfReader } from '#object/body'
import { type BodySource, ObjectError, type ObjectInfo, type ObjectReader } from '#object/object'
import { writePreconditions } from '#s3-protocol/conditions'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { bodyChecks, checksumHeaders, storedChecksums, storedSingle } from './checksums.ts'
import { DigestedBody } from './digested-body.ts'
import { clientSize, isEncrypted, quotedEtag, storageClassOf } from './object-headers.ts'
import { putObject } from './object-write.ts'
import { checkBodySize } from './request-values.ts'
import { newSeal } from './seals.ts'

/** `PUT` with a write offset. */
export async function appendObject(call: S3Call): Promise<S3Reply> {
  const offset = offsetOf(call)
  checkBodySize(call)
  const reader = await openCurrent(call)
  if (reader === undefined) return create(call, offset)
  const existing = bodyOfReader(reader)
  try {
    const { info } = reader
    if (isEncrypted(info)) {
      throw new S3Error('NotImplemented', { message: 'Encrypted objects cannot be appended to' })
    }
    if (clientSize(info) !== offset) throw wrongOffset()
    return await extend(call, info, existing)
  } finally {
    existing.close()
  }
}

function offsetOf(call: S3Call): number {
  const text = call.request.header('x-amz-write-offset-bytes') ?? ''
  if (!/^\d{1,15}$/.test(text)) {
    throw new S3Error('InvalidArgument', { message: 'The write offset must be a whole number.' })
  }
  return Number(text)
}

function wrongOffset(): S3Error {
  return new S3Error('InvalidWriteOffset')
}

async function openCurrent(call: S3Call): Promise<ObjectReader | undefined> {
  const { engine } = call.services
  try {
    return await engine.openObject(call.bucket, call.key, {
      range: { kind: 'all' },
      signal: call.request.signal,
    })
  } catch (error) {
    if (error instanceof ObjectError && error.code === 'ObjectNotFound') return undefined
    throw error
  }
}

/** The first bytes of an object are a plain write that must find nothing. */
async function create(call: S3Call, offset: number): Promise<S3Reply> {
  if (offset !== 0) throw new S3Error('NoSuchKey')
  return putObject(call, { mustBeNew: true })
}

async function extend(call: S3Call, info: ObjectInfo, existing: BodySource): Promise<S3Reply> {
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const checks = bodyChecks(call, 'crc64nvme')
  using sealed = await newSeal(call, metadata, { isMultipart: false })
  // Checksums of the client tell about the appended bytes alone.
  const appended = new DigestedBody(call, checks.digests)
  const stored = await engine.putObject(call.bucket, call.key, chained(existing, appended), {
    userMetadata: info.userMetadata,
    systemMetadata: sealed.metadata,
    seal: sealed.seal,
    storageClass: storageClassOf(info.userMetadata),
    versioning: versioningStateFor(metadata, call.key),
    preconditions: writePreconditions(call.request),
    digests: checks.digests,
    verify: async (whole) => {
      checks.verify(appended.digests())
      const [algorithm] = checks.digests
      const digest = algorithm === undefined ? undefined : whole.get(algorithm)
      if (algorithm === undefined || digest === undefined) throw new S3Error('InternalError')
      return storedSingle({ algorithm, digest })
    },
    guard: (current) => {
      if (current?.isDeleteMarker !== false || current.modifiedNs !== info.modifiedNs) {
        throw wrongOffset()
      }
    },
    signal: call.request.signal,
  })
  return {
    status: 200,
    headers: [
      ['ETag', quotedEtag(stored.etag)],
      ...(stored.versionId === 'null' ? [] : [['x-amz-version-id', stored.versionId] as const]),
      ...checksumHeaders(storedChecksums(stored)),
      ['x-amz-object-size', String(clientSize(stored))],
    ],
  }
}

/** One body behind another. */
function chained(first: BodySource, second: BodySource): BodySource {
  let isSecond = false
  const { sizeBytes: sizeA } = first
  const { sizeBytes: sizeB } = second
  return {
    sizeBytes: sizeA === undefined || sizeB === undefined ? undefined : sizeA + sizeB,
    read: async (target) => {
      let filled = 0
      while (!isSecond && filled < target.length) {
        const count = await first.read(target.subarray(filled))
        if (count === 0) isSecond = true
        filled += count
      }
      return filled < target.length ? filled + (await second.read(target.subarray(filled))) : filled
    },
  }
}
