import { assert } from '#base/assert'
import { strictTextOf } from '#base/bytes'
import { MULTIPART_VOLUME } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import { dataDirName, type ObjectVersion } from '#drive/xl-meta'
import { OPERATION_LOCK_MS, type EngineContext } from '../context.ts'
import { checkWrite, noReadQuorum } from '../errors.ts'
import type { LockHandle } from '../locks.ts'
import { isObject } from '../object-info.ts'
import type { UploadInfo } from '../object.ts'
import { deleteQuorumOf, writeQuorumOf } from '../placement.ts'
import type { Pools } from '../pools.ts'
import { reduceOutcomes } from '../quorum/reduce.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import type { PartQuery } from './part-store.ts'
import {
  encodeUploadId,
  keyFolder,
  requireUpload,
  uploadCreatedNs,
  uploadNotFound,
  UPLOAD_KEY,
} from './upload-path.ts'

/**
 * Uploads in progress on the drives: finding, locking, dropping them.
 *
 * The metadata file in the upload folder is an object version without parts: shape, data directory, version id and
 * metadata of the object to be.
 *
 * Locks are named by folder, which stands for `object/uploadID` and is also known where the key is not (expiry):
 * - read `folder`: a part comes in or parts are listed; write `folder`: the upload is completed or dropped;
 * - write `folder/partN`: one part is put in place.
 */

/** An upload that exists. */
export interface Upload {
  readonly bucket: string
  readonly key: string
  readonly set: ErasureSet
  /** Below MULTIPART_VOLUME. */
  readonly folder: string
  /** Name within the folder of its key. */
  readonly name: string
  readonly version: ObjectVersion
}

export class UploadStore {
  readonly context: EngineContext
  readonly pools: Pools

  constructor(context: EngineContext, pools: Pools) {
    this.context = context
    this.pools = pools
  }

  folderOf(bucket: string, key: string, uploadId: string): string {
    const name = requireUpload(bucket, key, uploadId)
    return `${keyFolder(this.context.codec, bucket, encodeKey(key))}/${name}`
  }

  /** Errors: `UploadNotFound`, `ReadQuorum`. */
  async find(bucket: string, key: string, uploadId: string): Promise<Upload> {
    const upload = await this.findIfAny(bucket, key, uploadId)
    if (upload === undefined) throw uploadNotFound(bucket, key, uploadId)
    return upload
  }

  /** Undefined: no such upload, or it was completed or dropped. Errors: `ReadQuorum`. */
  async findIfAny(bucket: string, key: string, uploadId: string): Promise<Upload | undefined> {
    const folder = this.folderOf(bucket, key, uploadId)
    for (const set of this.pools.setsOf(encodeKey(key))) {
      const version = await this.read(set, folder, { bucket, key })
      if (version === undefined) continue
      const name = folder.slice(folder.indexOf('/') + 1)
      return { bucket, key, set, folder, name, version }
    }
    return undefined
  }

  /** The version in an upload folder. Errors: `ReadQuorum`. */
  async read(
    set: ErasureSet,
    folder: string,
    details: { readonly bucket?: string; readonly key?: string },
  ): Promise<ObjectVersion | undefined> {
    const lookup = await set.lookUp({
      bucket: MULTIPART_VOLUME,
      path: folder,
      versionId: undefined,
      inline: false,
      allDrives: false,
    })
    if (lookup.kind === 'unreadable') throw noReadQuorum(details, lookup.cause)
    if (lookup.kind === 'absent') return undefined
    const { body } = lookup.version
    return isObject(body) ? body : undefined
  }

  lockShared(folder: string): Promise<LockHandle> {
    return this.context.locks.read(folder, { timeoutMs: OPERATION_LOCK_MS }, 'upload')
  }

  lockWhole(folder: string): Promise<LockHandle> {
    return this.context.locks.write(folder, { timeoutMs: OPERATION_LOCK_MS }, 'upload')
  }

  lockPart(folder: string, partNumber: number): Promise<LockHandle> {
    const name = `${folder}/part${partNumber}`
    return this.context.locks.write(name, { timeoutMs: OPERATION_LOCK_MS }, 'part')
  }

  /** Drops an upload folder on all drives; what a drive that hangs keeps of it expires later. The caller holds its whole lock. Errors: `WriteQuorum`. */
  async drop(
    set: ErasureSet,
    folder: string,
    details: { bucket?: string; key?: string },
  ): Promise<void> {
    assert(folder.includes('/'))
    const quorum = deleteQuorumOf(set.size)
    const { outcomes } = await set.patience.ask({ quorum }, (drive) =>
      drive.trash(MULTIPART_VOLUME, folder),
    )
    checkWrite(reduceOutcomes(outcomes, quorum), details)
  }

  infoOf(upload: Upload): UploadInfo {
    return uploadInfoOf(this.context.deploymentId, upload.bucket, upload.key, upload)
  }
}

/** An upload as callers see it: without what belongs to its storage. */
export function uploadInfoOf(
  deploymentId: string,
  bucket: string,
  key: string,
  upload: Pick<Upload, 'name' | 'version'>,
): UploadInfo {
  const { name, version } = upload
  const systemMetadata = new Map(version.systemMetadata)
  systemMetadata.delete(UPLOAD_KEY)
  return {
    bucket,
    key,
    uploadId: encodeUploadId(deploymentId, name),
    initiatedNs: uploadCreatedNs(name) ?? version.modifiedNs,
    userMetadata: version.userMetadata,
    systemMetadata,
  }
}

/** Bucket and key as the upload itself tells, when it is one of Cairn's. */
export function namedIn(version: ObjectVersion): { bucket: string; key: string } | undefined {
  const value = version.systemMetadata.get(UPLOAD_KEY)
  const text = value === undefined ? undefined : strictTextOf(value)
  const slash = text?.indexOf('/') ?? -1
  if (text === undefined || slash < 1) return undefined
  return { bucket: text.slice(0, slash), key: text.slice(slash + 1) }
}

/** What a search for the upload's parts needs. */
export function partQueryOf(upload: Upload, numbers?: ReadonlySet<number>): PartQuery {
  const { dataShards, parityShards, dataDir } = upload.version
  return {
    directory: `${upload.folder}/${dataDirName(dataDir)}`,
    numbers,
    readQuorum: dataShards,
    writeQuorum: writeQuorumOf(dataShards, parityShards),
    details: { bucket: upload.bucket, key: upload.key },
  }
}
