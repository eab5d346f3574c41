/** CopyObject (s3-api.md 4.2.4). */
import { encryptionKindOf } from '#encryption/key-metadata'
import {
  type BucketMetadata,
  type CopyOptions,
  type CopySource,
  type DigestName,
  ObjectError,
  type ObjectInfo,
} from '#object/object'
import { versioningStateFor } from '#object/bucket-metadata'
import { TAGGING_KEY } from '#object/metadata-keys'
import { writePreconditions } from '#s3-protocol/conditions'
import { REDIRECT_LOCATION, redirectLocation } from '#s3-protocol/object-metadata'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { refuseAcl } from './acl.ts'
import {
  algorithmNamed,
  CHECKSUM_KEYS,
  checksumFields,
  checksumHeaders,
  storedChecksums,
  storedMetadata,
} from './checksums.ts'
import { contentMetadata } from './compression.ts'
import { expirationHeader } from './expiration.ts'
import { copySourceOf, sourceVersionHeader } from './copy-source.ts'
import {
  encryptionHeaders,
  notApplicable,
  requestedEncryption,
  sourceKeyOf,
} from './encryption-headers.ts'
import {
  clientSize,
  isoDate,
  quotedEtag,
  requireLocal,
  storageClassOf,
  storedTags,
} from './object-headers.ts'
import { LEGAL_HOLD, LOCK_MODE, LOCK_UNTIL, lockMetadata, overwriteGuard } from './object-lock.ts'
import { rotatedKey, unsealSource } from './key-rotation.ts'
import { OBJECT_SIZE_MAX_BYTES } from './request-values.ts'
import { sealFor, type WriteSeal } from './seals.ts'
import { requestStorageClass, requestTags, writeMetadata } from './write-metadata.ts'
import { xmlDocument } from './xml-document.ts'

/** Metadata of a source that never goes into a copy by itself. */
const NOT_COPIED = new Set([
  'etag',
  'x-amz-storage-class',
  'x-amz-tagging',
  'x-amz-replication-status',
  'x-amz-restore',
  'x-amz-restore-expiry-days',
  'x-amz-restore-request-date',
  REDIRECT_LOCATION,
  LOCK_MODE,
  LOCK_UNTIL,
  LEGAL_HOLD,
])

/** System metadata that tells about the version itself, not about its bytes. */
const VERSION_STATE =
  /^x-minio-internal-(replica|replication-|purgestatus|tagging-timestamp|objectlock-|transition|free-version|cairn-)/i

interface Directives {
  readonly replaceMetadata: boolean
  readonly replaceTags: boolean
}

/** What a copy is to become, as far as the request tells. */
interface CopyRequest {
  readonly directives: Directives
  readonly source: CopySource
  /** Checksum asked for. */
  readonly asked: DigestName | undefined
  readonly storageClass: string
  /** Metadata of the request; undefined: that of the source is kept. */
  readonly replacement: ReadonlyMap<string, string> | undefined
  readonly lock: readonly (readonly [string, string])[]
  readonly redirect: string | undefined
}

/** `PUT` of an object with a copy source. */
export async function copyObject(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  const directives = directivesOf(call)
  const metadata = await engine.bucketMetadata(call.bucket)
  refuseAcl(call, metadata)
  const source = {
    ...(await copySourceOf(call)),
    unseal: unsealSource(call),
  }
  const encryption = requestedEncryption(call, metadata)
  const request = await copyRequestOf(call, { directives, source, metadata })
  const versioning = versioningStateFor(metadata, call.key)
  let algorithm: DigestName | undefined
  using sealed = await sealFor(call, encryption, { isMultipart: false })
  // The engine asks a second time when it cannot leave the data where it is.
  let mayStay = true
  const copying = engine.copyObject(call.bucket, call.key, source, {
    versioning,
    storageClass: request.storageClass,
    preconditions: writePreconditions(call.request),
    digests: [],
    metadata: (found) => {
      const decided = decide(call, request, found, { mayStay, sealed })
      mayStay = false
      algorithm = decided.digests[0]
      return decided
    },
    verify: async (digests) => {
      const digest = algorithm === undefined ? undefined : digests.get(algorithm)
      if (algorithm === undefined || digest === undefined) throw new S3Error('InternalError')
      return storedMetadata({ algorithm, digest })
    },
    guard: overwriteGuard(call, metadata),
    signal: call.request.signal,
  })
  try {
    return await copyReply(call, await copying)
  } catch (error) {
    throw isMarkerSource(error, source) ? markerSource() : error
  }
}

async function copyRequestOf(
  call: S3Call,
  context: {
    readonly directives: Directives
    readonly source: CopySource
    readonly metadata: BucketMetadata
  },
): Promise<CopyRequest> {
  const { directives, source, metadata } = context
  const named = call.request.header('x-amz-checksum-algorithm')
  const written = directives.replaceMetadata ? await writeMetadata(call, metadata) : undefined
  return {
    directives,
    source,
    asked: named === undefined ? undefined : algorithmNamed(named),
    storageClass: requestStorageClass(call) ?? 'STANDARD',
    replacement: written?.userMetadata,
    lock: await lockMetadata(call, metadata),
    redirect: redirectLocation(call.request, call.query),
  }
}

/** The metadata of the copy, and whether its data may stay in place. */
function decide(
  call: S3Call,
  request: CopyRequest,
  found: ObjectInfo,
  options: { readonly mayStay: boolean; readonly sealed: WriteSeal },
): ReturnType<CopyOptions['metadata']> {
  const { asked, storageClass } = request
  requireLocal(found)
  if (clientSize(found) > OBJECT_SIZE_MAX_BYTES) throw new S3Error('EntityTooLarge')
  const isSelf = found.bucket === call.bucket && found.key === call.key
  const { sealed } = options
  const sourceKind = encryptionKindOf(found.systemMetadata)
  const isEncrypted = sourceKind !== undefined || sealed.seal !== undefined
  if (isSelf && !isEncrypted) refuseUselessCopy(call, request)
  const userMetadata = new Map(request.replacement ?? keptMetadata(found))
  if (request.redirect !== undefined) userMetadata.set(REDIRECT_LOCATION, request.redirect)
  setTags(call, { userMetadata, found, directives: request.directives })
  if (storageClass === 'STANDARD') userMetadata.delete('x-amz-storage-class')
  else userMetadata.set('x-amz-storage-class', storageClass)
  for (const [key, value] of request.lock) userMetadata.set(key, value)
  const keepsClass = storageClass === storageClassOf(found.userMetadata)
  const mayStay = options.mayStay && isSelf && keepsClass && asked === undefined
  const rotated = mayStay && isEncrypted ? rotatedKey(call, found) : undefined
  const staysInPlace = mayStay && (!isEncrypted || rotated !== undefined)
  if (staysInPlace && !isEncrypted && sourceKeyOf(call) !== undefined) throw notApplicable()
  return {
    userMetadata,
    systemMetadata: staysInPlace
      ? new Map([...keptSystemMetadata(found), ...(rotated ?? [])])
      : contentMetadata(call, sealed.metadata, clientSize(found)),
    seal: sealed.seal,
    // A composite checksum becomes a whole one of its kind; an object without one gets the default.
    digests: staysInPlace ? [] : [asked ?? storedChecksums(found)[0]?.algorithm ?? 'crc64nvme'],
    allowMetadataOnly: staysInPlace,
  }
}

/** A delete marker named as the source is a mistake of the request, not of the method. */
function isMarkerSource(error: unknown, source: CopySource): boolean {
  return (
    error instanceof ObjectError &&
    error.code === 'MethodNotAllowed' &&
    source.versionId !== undefined
  )
}

function markerSource(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'The source of a copy request may not specifically refer to a delete marker by version id.',
  })
}

async function copyReply(
  call: S3Call,
  copied: { readonly info: ObjectInfo; readonly source: ObjectInfo },
): Promise<S3Reply> {
  const { info, source } = copied
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const checksums = storedChecksums(info)
  return {
    status: 200,
    headers: [
      ['ETag', quotedEtag(info.etag)],
      ...(info.versionId === 'null' ? [] : [['x-amz-version-id', info.versionId] as const]),
      ...(await sourceVersionHeader(call, source)),
      ...expirationHeader(metadata, info),
      ...encryptionHeaders(call, info.systemMetadata),
      ...checksumHeaders(checksums),
    ],
    body: xmlDocument('CopyObjectResult', [
      ['LastModified', isoDate(info.modifiedNs)],
      ['ETag', quotedEtag(info.etag)],
      ...checksumFields(checksums),
    ]),
  }
}

function directivesOf(call: S3Call): Directives {
  const metadata = call.request.header('x-amz-metadata-directive') ?? 'COPY'
  if (metadata !== 'COPY' && metadata !== 'REPLACE') {
    throw new S3Error('InvalidArgument', { message: 'Unknown metadata directive.' })
  }
  const tags = call.request.header('x-amz-tagging-directive') ?? 'COPY'
  if (tags !== 'COPY' && tags !== 'REPLACE') {
    throw new S3Error('InvalidArgument', { message: 'Unknown tagging directive.' })
  }
  return { replaceMetadata: metadata === 'REPLACE', replaceTags: tags === 'REPLACE' }
}

/** A copy onto itself that would change nothing is a mistake of the caller. */
function refuseUselessCopy(
  call: S3Call,
  options: Pick<CopyRequest, 'source' | 'directives' | 'redirect'>,
): void {
  const { source, directives, redirect } = options
  if (directives.replaceMetadata || directives.replaceTags || redirect !== undefined) return
  if (source.versionId !== undefined) return
  // To Amazon one that is named is a change, also when it is the same.
  if (requestStorageClass(call) !== undefined) return
  throw new S3Error('InvalidRequest', {
    message:
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  })
}

function keptMetadata(found: ObjectInfo): ReadonlyMap<string, string> {
  const kept = new Map<string, string>()
  for (const [key, value] of found.userMetadata) {
    if (!NOT_COPIED.has(key.toLowerCase())) kept.set(key, value)
  }
  return kept
}

function setTags(
  call: S3Call,
  options: {
    readonly userMetadata: Map<string, string>
    readonly found: ObjectInfo
    readonly directives: Directives
  },
): void {
  const { userMetadata, found, directives } = options
  const tags = directives.replaceTags ? requestTags(call) : storedTags(found)
  if (tags === '') userMetadata.delete(TAGGING_KEY)
  else userMetadata.set(TAGGING_KEY, tags)
}

/** What still holds of a version whose bytes stay where they are: also its checksum. */
function keptSystemMetadata(found: ObjectInfo): ReadonlyMap<string, Uint8Array> {
  const kept = new Map<string, Uint8Array>()
  for (const [key, value] of found.systemMetadata) {
    if (CHECKSUM_KEYS.includes(key) || !VERSION_STATE.test(key)) kept.set(key, value)
  }
  return kept
}
