/**
 * Appends with `x-amz-write-offset-bytes`. The object is written anew with the data behind it: the drive format has no
 * objects that grow. Of writers at the same place one wins, decided under the lock.
 *
 * What the object is stays: its metadata, tags, storage class, and encryption, under a new key. Its lock is that of a new
 * version, and compression is decided as for a put of the whole.
 */
import type { EncryptionRequest } from '#encryption/encryption'
import { canonicalContext } from '#encryption/kms-context'
import { type KeyMetadata, parseKeyMetadata } from '#encryption/key-metadata'
import type { AppendWrite } from '#object/append'
import { versioningStateFor } from '#object/bucket-metadata'
import { type BucketMetadata, ObjectError, type ObjectInfo } from '#object/object'
import { writePreconditions } from '#s3-protocol/conditions'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { refuseAcl } from './acl.ts'
import {
  type BodyChecks,
  bodyChecks,
  checksumHeaders,
  storedChecksums,
  storedSingle,
} from './checksums.ts'
import { contentMetadata } from './compression.ts'
import { DigestedBody } from './digested-body.ts'
import { notApplicable, requestedEncryption } from './encryption-headers.ts'
import { requestWithin } from './inner-write.ts'
import { clientSize, requireLocal, storageClassOf } from './object-headers.ts'
import { lockMetadata, overwriteGuard } from './object-lock.ts'
import { putObject, refuseCopySource, writtenHeaders } from './object-write.ts'
import { checkBodySize, OBJECT_SIZE_MAX_BYTES, versionIdOf } from './request-values.ts'
import { sealFor, unsealFor, type WriteSeal } from './seals.ts'

/** Metadata that tells about one version. */
const NOT_KEPT = /^(etag|x-amz-(replication-status|restore.*|object-lock-.*))$/i

/** `PUT` with a write offset. */
export async function appendObject(call: S3Call): Promise<S3Reply> {
  await refuseCopySource(call)
  if (versionIdOf(call) !== undefined) {
    throw new S3Error('InvalidArgument', { message: 'Only the latest version can be appended to.' })
  }
  const offset = offsetOf(call)
  checkBodySize(call)
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  refuseAcl(call, metadata)
  using seals = new DisposableStack()
  let existing: ObjectInfo | undefined
  let info: ObjectInfo
  try {
    info = await engine.appendObject(call.bucket, call.key, {
      unseal: unsealFor(call),
      preconditions: writePreconditions(call.request),
      signal: call.request.signal,
      write: async (found) => {
        existing = found
        checkSizes(call, found, offset)
        const encryption = encryptionFor(call, found, metadata)
        const sealed = seals.use(await sealFor(call, encryption, { isMultipart: false }))
        return writeOf(call, { existing: found, metadata, sealed })
      },
    })
  } catch (error) {
    const isAbsent = error instanceof ObjectError && error.code === 'ObjectNotFound'
    if (!isAbsent || existing !== undefined) throw error
    return await create(call, offset)
  }
  return {
    status: 200,
    headers: [...writtenHeaders(call, info, metadata), ...checksumHeaders(storedChecksums(info))],
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

/** The first bytes of an object are a plain write that must find nothing. */
async function create(call: S3Call, offset: number): Promise<S3Reply> {
  if (offset !== 0) throw new S3Error('NoSuchKey')
  return putObject(call, { mustBeNew: true })
}

function checkSizes(call: S3Call, existing: ObjectInfo, offset: number): void {
  requireLocal(existing)
  const size = clientSize(existing)
  if (size !== offset) throw wrongOffset()
  checkWholeSize(size + (call.body.sizeBytes ?? 0))
}

function checkWholeSize(size: number): void {
  if (size > OBJECT_SIZE_MAX_BYTES) throw new S3Error('EntityTooLarge')
}

/** An encrypted object stays as it is; a plain one becomes what the request or a default asks for. */
function encryptionFor(
  call: S3Call,
  existing: ObjectInfo,
  metadata: BucketMetadata,
): EncryptionRequest | undefined {
  const asked = requestedEncryption(call, metadata)
  const current = parseKeyMetadata(existing.systemMetadata)
  if (current === undefined || current.kind === 'sse-c') return asked
  const isExplicit = call.request.rawHeaders.some(([name]) =>
    /^x-amz-server-side-encryption/i.test(name),
  )
  if (isExplicit && !isSame(asked, current)) throw notApplicable()
  if (current.kind === 'sse-s3') return { kind: 'sse-s3' }
  return { kind: 'sse-kms', keyId: current.dataKey?.keyId ?? '', context: current.context }
}

/** Whether a request says what is so already; of SSE-KMS it may leave out key and context. */
function isSame(asked: EncryptionRequest | undefined, current: KeyMetadata): boolean {
  if (asked?.kind !== current.kind) return false
  if (asked.kind !== 'sse-kms') return true
  const { keyId, context } = asked
  return (
    (keyId === '' || keyId === current.dataKey?.keyId) &&
    (context.size === 0 || canonicalContext(context) === canonicalContext(current.context))
  )
}

async function writeOf(
  call: S3Call,
  from: {
    readonly existing: ObjectInfo
    readonly metadata: BucketMetadata
    readonly sealed: WriteSeal
  },
): Promise<AppendWrite> {
  const { existing, metadata, sealed } = from
  const userMetadata = await metadataOf(call, existing, metadata)
  const checks = bodyChecks(call, storedChecksums(existing)[0]?.algorithm ?? 'crc64nvme')
  // Checksums of the client tell about the appended bytes alone.
  const body = new DigestedBody(call, checks.digests)
  const refuseLocked = overwriteGuard(call, metadata)
  const versioning = versioningStateFor(metadata, call.key)
  const size = body.sizeBytes === undefined ? undefined : clientSize(existing) + body.sizeBytes
  return {
    body,
    options: {
      userMetadata,
      // The type that counts is that of the object.
      systemMetadata: contentMetadata(ofType(call, userMetadata), sealed.metadata, size),
      seal: sealed.seal,
      storageClass: storageClassOf(userMetadata),
      versioning,
      preconditions: writePreconditions(call.request),
      digests: checks.digests,
      verify: async (whole, wholeSize) => {
        checkWholeSize(wholeSize)
        checks.verify(body.digests())
        return wholeChecksum(checks, whole)
      },
      guard: (current) => {
        refuseChanged(current, existing)
        refuseLocked?.(current)
      },
      signal: call.request.signal,
    },
  }
}

async function metadataOf(
  call: S3Call,
  existing: ObjectInfo,
  metadata: BucketMetadata,
): Promise<ReadonlyMap<string, string>> {
  const kept = [...existing.userMetadata].filter(([key]) => !NOT_KEPT.test(key))
  return new Map([...kept, ...(await lockMetadata(call, metadata))])
}

function ofType(call: S3Call, userMetadata: ReadonlyMap<string, string>): S3Call {
  const type = userMetadata.get('content-type') ?? ''
  return { ...call, request: requestWithin(call.request, [['content-type', type]]) }
}

function wholeChecksum(
  checks: BodyChecks,
  whole: Parameters<BodyChecks['verify']>[0],
): ReadonlyMap<string, Uint8Array> {
  const [algorithm] = checks.digests
  const digest = algorithm === undefined ? undefined : whole.get(algorithm)
  if (algorithm === undefined || digest === undefined) throw new S3Error('InternalError')
  return storedSingle({ algorithm, digest })
}

/** Refuses when another write came first, or a change of metadata that this one would undo. */
function refuseChanged(current: ObjectInfo | undefined, existing: ObjectInfo): void {
  const isSameVersion =
    current?.isDeleteMarker === false &&
    current.versionId === existing.versionId &&
    current.modifiedNs === existing.modifiedNs
  if (!isSameVersion) throw wrongOffset()
  const { userMetadata } = current
  const isChanged =
    userMetadata.size !== existing.userMetadata.size ||
    [...existing.userMetadata].some(([key, value]) => userMetadata.get(key) !== value)
  if (isChanged) throw wrongOffset()
}
