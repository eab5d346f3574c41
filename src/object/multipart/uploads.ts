import { assert } from '#base/assert'
import { utf8 } from '#base/bytes'
import { DriveError, MULTIPART_VOLUME } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import { PARTS_MAX } from '#drive/limits'
import { encodePartMeta, type PartMeta } from '#drive/part-meta'
import type { ObjectVersion } from '#drive/xl-meta'
import { EncryptionError } from '#encryption/encryption'
import { encryptionKindOf } from '#encryption/key-metadata'
import { BLOCK_SIZE_BYTES } from '../context.ts'
import { writeErrorOf } from '../errors.ts'
import { ERASURE_UPGRADED_KEY, STORAGE_CLASS_KEY } from '../metadata-keys.ts'
import type {
  BodySource,
  PartInfo,
  PutOptions,
  PutPartOptions,
  UploadInfo,
  VersioningState,
} from '../object.ts'
import { checkKey, writeQuorumOf } from '../placement.ts'
import { chooseParity, etagOf, newId } from '../put.ts'
import { reduceOutcomes } from '../quorum/reduce.ts'
import { NULL_VERSION } from '../set/set.ts'
import type { Seal } from '../transform.ts'
import { stageContent, type StagedContent } from '../transform/stage-content.ts'
import { hasOlderPart, partInfoOf, readParts } from './part-store.ts'
import { keyFolder, newUpload, UPLOAD_KEY, uploadNotFound } from './upload-path.ts'
import { shownParts } from './shown-parts.ts'
import { partQueryOf, type Upload, type UploadStore } from './upload-store.ts'

/**
 * Creating, filling, listing and dropping one upload. Source: disk-format.md 6.5, s3-api.md 4.6.
 */

export type CreateOptions = Pick<PutOptions, 'userMetadata' | 'systemMetadata' | 'storageClass'> & {
  readonly versioning: VersioningState
}

/** Begins an upload: everything about the object is decided now but its content. Errors: `ObjectNameInvalid`, `ObjectNameTooLong`, `WriteQuorum`, `StorageFull`. */
export async function createUpload(
  store: UploadStore,
  bucket: string,
  key: string,
  options: CreateOptions,
): Promise<UploadInfo> {
  const { context, pools } = store
  checkKey(bucket, key)
  const path = encodeKey(key)
  const set = await pools.setForWrite(bucket, path, undefined)
  const parity = chooseParity(set, { bucket, key }, options.storageClass, false)
  const createdNs = context.clock.nowNs()
  const name = newUpload(context.random.uuid(), createdNs)
  const systemMetadata = new Map(options.systemMetadata)
  systemMetadata.set(UPLOAD_KEY, utf8(`${bucket}/${key}`))
  if (parity.upgradedFrom !== undefined) {
    const change = `${parity.upgradedFrom}->${parity.parityShards}`
    systemMetadata.set(ERASURE_UPGRADED_KEY, utf8(change))
  }
  const userMetadata = new Map(options.userMetadata)
  if (options.storageClass !== 'STANDARD') userMetadata.set(STORAGE_CLASS_KEY, options.storageClass)
  const version: ObjectVersion = {
    versionId: options.versioning === 'enabled' ? newId(context) : NULL_VERSION,
    dataDir: newId(context),
    dataShards: parity.dataShards,
    parityShards: parity.parityShards,
    blockSizeBytes: BLOCK_SIZE_BYTES,
    shardIndex: 1,
    distribution: set.distributionOf(bucket, path),
    parts: [],
    sizeBytes: 0,
    modifiedNs: createdNs,
    systemMetadata,
    userMetadata,
  }
  const folder = `${keyFolder(context.codec, bucket, path)}/${name}`
  await set.commitVersion({
    bucket: MULTIPART_VOLUME,
    path: folder,
    version,
    mode: 'given',
    inline: set.drives.map(() => new Uint8Array()),
    isComplete: set.drives.map((drive) => drive?.isOnline() === true),
    isFirst: true,
  })
  return store.infoOf({ bucket, key, set, folder, name, version })
}

/** Errors: `UploadNotFound`, `ReadQuorum`. */
export async function getUpload(
  store: UploadStore,
  bucket: string,
  key: string,
  uploadId: string,
): Promise<UploadInfo> {
  return store.infoOf(await store.find(bucket, key, uploadId))
}

/** All parts, ascending. Errors: `UploadNotFound`, `ReadQuorum`. */
export async function listParts(
  store: UploadStore,
  bucket: string,
  key: string,
  uploadId: string,
): Promise<{ readonly upload: UploadInfo; readonly parts: readonly PartInfo[] }> {
  using _lock = await store.lockShared(store.folderOf(bucket, key, uploadId))
  const upload = await store.find(bucket, key, uploadId)
  const parts = await readParts(upload.set, partQueryOf(upload))
  const about = store.infoOf(upload)
  const infos = [...parts.values()].map((part) => partInfoOf(part.meta))
  return { upload: about, parts: await shownParts(store.context, about, infos) }
}

/** Drops an upload with its parts. Errors: `UploadNotFound`, `ReadQuorum`, `WriteQuorum`. */
export async function abortUpload(
  store: UploadStore,
  bucket: string,
  key: string,
  uploadId: string,
): Promise<void> {
  using _lock = await store.lockWhole(store.folderOf(bucket, key, uploadId))
  const upload = await store.find(bucket, key, uploadId)
  await store.drop(upload.set, upload.folder, { bucket, key })
}

/**
 * Stores one part. The body is encoded without a lock; the part replaces an older one of its number only after it is
 * durable on a write quorum (D4.6). Of parts of one number the last one put in place wins on every drive.
 * Errors: `UploadNotFound`, those of the body, `IncompleteBody`, `WriteQuorum`, `StorageFull`, `Aborted`.
 */
export async function putPart(
  store: UploadStore,
  bucket: string,
  key: string,
  uploadId: string,
  partNumber: number,
  body: BodySource,
  options: PutPartOptions,
): Promise<PartInfo> {
  assert(Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= PARTS_MAX)
  const upload = await store.find(bucket, key, uploadId)
  const about = store.infoOf(upload)
  const seal = await options.seal?.(about)
  try {
    if (seal === undefined && encryptionKindOf(about.systemMetadata) !== undefined) {
      throw new EncryptionError('KeyMismatch', 'The upload is encrypted, and no key was given')
    }
    const meta = await stagePart(store, upload, { uploadId, partNumber, body, seal }, options)
    const info = partInfoOf(meta)
    return seal === undefined ? info : { ...info, etag: seal.shownEtag(meta.etag) }
  } finally {
    seal?.close()
  }
}

interface PartRequest {
  readonly uploadId: string
  readonly partNumber: number
  readonly body: BodySource
  readonly seal: Seal | undefined
}

async function stagePart(
  store: UploadStore,
  upload: Upload,
  request: PartRequest,
  options: PutPartOptions,
): Promise<PartMeta> {
  const { clock, random } = store.context
  const { partNumber, seal, uploadId } = request
  const { bucket, key } = upload
  const folder = `${random.uuid()}x${clock.nowNs()}`
  const content = await stageContent(
    upload.set,
    {
      shape: upload.version,
      folder,
      partNumber,
      inlineLimitBytes: undefined,
      digests: options.digests,
      bucket,
      key,
      signal: options.signal,
    },
    request.body,
    { systemMetadata: upload.version.systemMetadata, seal, partNumber },
  )
  try {
    const checksums = (await options.verify?.(content.digests, content.plainSizeBytes)) ?? {}
    return await placePart(store, upload, uploadId, {
      partNumber,
      stagedPath: `${folder}/part.${partNumber}`,
      content,
      etag: etagOf(content.digests, seal),
      checksums,
    })
  } finally {
    // Drives that took the part have nothing left to discard; the others must not keep it until the next start.
    await upload.set.discardStaged(folder)
  }
}

interface ReadyPart {
  readonly partNumber: number
  readonly stagedPath: string
  readonly content: StagedContent
  readonly etag: string
  readonly checksums: Readonly<Record<string, string>>
}

async function placePart(
  store: UploadStore,
  upload: Upload,
  uploadId: string,
  ready: ReadyPart,
): Promise<PartMeta> {
  const { partNumber, content, etag } = ready
  const { staged } = content
  const { bucket, key, folder, set, version } = upload
  using _upload = await store.lockShared(folder)
  using _part = await store.lockPart(folder, partNumber)
  // The upload may have been completed or dropped while the body came in.
  if ((await store.findIfAny(bucket, key, uploadId)) === undefined) {
    throw uploadNotFound(bucket, key, uploadId)
  }
  const checksums = new Map<string, string>()
  for (const [name, value] of Object.entries(ready.checksums))
    checksums.set(name.toUpperCase(), value)
  const meta: PartMeta = {
    number: partNumber,
    etag,
    sizeBytes: staged.sizeBytes,
    actualSizeBytes: content.plainSizeBytes,
    modifiedNs: store.context.clock.nowNs(),
    checksums,
    index: content.index,
  }
  const metadata = encodePartMeta(meta)
  const { directory } = partQueryOf(upload)
  const request = { staged: ready.stagedPath, directory, partNumber, metadata }
  const replaces = await hasOlderPart(set, directory, partNumber)
  const quorum = writeQuorumOf(version.dataShards, version.parityShards)
  const { outcomes } = await set.patience.ask(
    { quorum, select: (position) => staged.isComplete[position] === true },
    (drive) => drive.commitPart(replaces ? { ...request, step: 'prepare' } : request),
  )
  const reduced = reduceOutcomes(outcomes, quorum)
  if (reduced === undefined) {
    if (replaces) {
      // A drive that does not do it keeps the new part beside the old one, where readers find it.
      await set.patience.ask(
        { quorum, select: (position) => !(outcomes[position] instanceof DriveError) },
        (drive) => drive.commitPart({ step: 'settle', directory, partNumber }),
      )
    }
    return meta
  }
  // Nothing is taken back: drives that did not get the new part still have the old one, and it counts while enough do.
  throw writeErrorOf(reduced, { bucket, key, partNumber })
}
