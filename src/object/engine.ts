import { assert } from '#base/assert'
import { appendObject, type AppendOptions } from './append.ts'
import { bodyOfReader } from './body.ts'
import { BucketMetadataStore } from './bucket-metadata.ts'
import { BucketQuotas } from './bucket-quota.ts'
import { Buckets } from './buckets.ts'
import type { EngineContext } from './context.ts'
import { copyObject, openSource } from './copy.ts'
import { listObjects, listVersions } from './listing/lists.ts'
import { WalkSource } from './listing/walk-source.ts'
import { completeUpload } from './multipart/complete.ts'
import { UploadLists } from './multipart/list-uploads.ts'
import { UploadStore } from './multipart/upload-store.ts'
import { abortUpload, createUpload, getUpload, listParts, putPart } from './multipart/uploads.ts'
import type {
  BodySource,
  BucketDocument,
  BucketInfo,
  BucketMetadata,
  CompleteOptions,
  CompletePart,
  CopyOptions,
  CopySource,
  DeleteOptions,
  DocumentChange,
  DeleteOutcome,
  ListRequest,
  ListResult,
  ListUploadsRequest,
  ListUploadsResult,
  ListVersionsRequest,
  ListVersionsResult,
  MetadataChange,
  ObjectEngine,
  ObjectInfo,
  ObjectReader,
  PartInfo,
  PutOptions,
  PutPartOptions,
  RangeRequest,
  ReadOptions,
  SetHealth,
  UploadInfo,
  VersionId,
  VersioningState,
} from './object.ts'
import { writeQuorumOf, type PoolLayout } from './placement.ts'
import { Pools } from './pools.ts'
import { putObject } from './put.ts'
import { headObject, openObject } from './read.ts'
import { removeObject, removeObjects, removePrefix } from './remove.ts'
import { SystemObjects } from './system-objects.ts'
import { shownInfos } from './shown-etag.ts'
import { updateMetadata } from './update.ts'

export interface EngineOptions {
  readonly context: EngineContext
  readonly layouts: readonly PoolLayout[]
  /** Of `createGenerationMemory`, shared by all engines of the process. */
  readonly bucketGeneration: SharedArrayBuffer
}

/**
 * The object engine of one thread.
 *
 * Who holds which namespace lock (resource: bucket and encoded key), and how long:
 *
 *   put, complete an upload       write, for conditions and commit; the body was staged before
 *   read                          read, until the first blocks are loaded; a range over several parts: to its end
 *   head                          read, while the metadata is read
 *   delete, delete a prefix       write, for the whole call
 *   delete many                   write, one key at a time in each of its workers
 *   change metadata               write, for the whole call
 *   copy                          read of the source until its body was read, then as put; onto itself: write
 *   append                        read until the content was read, then as put
 *   lists                         none
 *
 * No call holds locks of two keys at once. The other kinds of locks (bucket, upload, part) come before an object's, in the
 * order of `LOCK_KINDS`.
 */
export class Engine implements ObjectEngine {
  readonly deploymentId: string
  /** For background services of the engine: healing, expiry of uploads. */
  readonly pools: Pools
  readonly systemObjects: SystemObjects
  readonly buckets: Buckets
  readonly uploads: UploadStore
  readonly #context: EngineContext
  readonly #names: WalkSource
  readonly #uploadLists: UploadLists
  readonly #quotas: BucketQuotas

  constructor(options: EngineOptions) {
    const { context } = options
    this.#context = context
    this.deploymentId = context.deploymentId
    this.pools = new Pools(context, options.layouts)
    this.systemObjects = new SystemObjects(context, this.pools, options.layouts)
    this.#names = new WalkSource(context, this.pools.allSets())
    this.uploads = new UploadStore(context, this.pools)
    this.#uploadLists = new UploadLists(this.uploads)
    const metadata = new BucketMetadataStore(
      context,
      this.pools,
      this.systemObjects,
      options.bucketGeneration,
    )
    this.buckets = new Buckets(context, this.pools, {
      metadata,
      names: this.#names,
      uploads: this.#uploadLists,
    })
    this.#quotas = new BucketQuotas({
      clock: context.clock,
      metadata: (bucket) => this.buckets.metadata(bucket),
      listVersions: (bucket, request) => this.listVersions(bucket, request),
    })
  }

  // Buckets ------------------------------------------------------------------------------------

  makeBucket(
    name: string,
    options: { readonly objectLock: boolean; readonly versioning: boolean },
  ): Promise<void> {
    return this.buckets.make(name, options)
  }

  getBucket(name: string): Promise<BucketInfo> {
    return this.buckets.get(name)
  }

  listBuckets(): Promise<readonly BucketInfo[]> {
    return this.buckets.list()
  }

  deleteBucket(name: string, options: { readonly force: boolean }): Promise<void> {
    return this.buckets.delete(name, options)
  }

  bucketMetadata(name: string): Promise<BucketMetadata> {
    return this.buckets.metadata(name)
  }

  setBucketDocument(
    name: string,
    document: BucketDocument,
    content: DocumentChange,
  ): Promise<void> {
    return this.buckets.setDocument(name, document, content)
  }

  // Objects ------------------------------------------------------------------------------------

  async putObject(
    bucket: string,
    key: string,
    body: BodySource,
    options: PutOptions & { readonly versioning: VersioningState },
  ): Promise<ObjectInfo> {
    const quota = await this.#quotas.of(bucket)
    quota?.check(body.sizeBytes ?? 0)
    const info = await putObject(this.#context, this.pools, { bucket, key }, body, options)
    quota?.add(info.actualSizeBytes)
    return info
  }

  openObject(bucket: string, key: string, options: ReadOptions): Promise<ObjectReader> {
    return openObject(this.#context, this.pools, { bucket, key }, options)
  }

  headObject(
    bucket: string,
    key: string,
    options: ReadOptions,
  ): Promise<Omit<ObjectReader, 'chunks' | 'close'>> {
    return headObject(this.#context, this.pools, { bucket, key }, options)
  }

  deleteObject(bucket: string, key: string, options: DeleteOptions): Promise<DeleteOutcome> {
    return removeObject(this.#context, this.pools, { bucket, key }, options)
  }

  deleteObjects(
    bucket: string,
    requests: readonly ({ readonly key: string } & DeleteOptions)[],
  ): ReturnType<ObjectEngine['deleteObjects']> {
    return removeObjects(this.#context, this.pools, bucket, requests)
  }

  deletePrefix(bucket: string, prefix: string): Promise<void> {
    return removePrefix(this.#context, this.pools, bucket, prefix)
  }

  async copyObject(
    bucket: string,
    key: string,
    source: CopySource,
    options: CopyOptions,
  ): Promise<{ readonly info: ObjectInfo; readonly source: ObjectInfo }> {
    const quota = await this.#quotas.of(bucket)
    const copied = await copyObject(this.#context, this.pools, { bucket, key }, source, {
      ...options,
      metadata: (found) => {
        const decided = options.metadata(found)
        if (!decided.allowMetadataOnly) quota?.check(found.actualSizeBytes)
        return decided
      },
    })
    quota?.add(copied.info.actualSizeBytes)
    return copied
  }

  async appendObject(bucket: string, key: string, options: AppendOptions): Promise<ObjectInfo> {
    const quota = await this.#quotas.of(bucket)
    // What is replaced makes room for as much of what is written.
    let replacedBytes = 0
    const info = await appendObject(
      this.#context,
      this.pools,
      { bucket, key },
      {
        ...options,
        write: async (existing) => {
          const write = await options.write(existing)
          const isReplaced = write.options.versioning !== 'enabled' && existing.versionId === 'null'
          replacedBytes = isReplaced ? existing.actualSizeBytes : 0
          quota?.check(existing.actualSizeBytes + (write.body.sizeBytes ?? 0) - replacedBytes)
          return write
        },
      },
    )
    quota?.add(info.actualSizeBytes - replacedBytes)
    return info
  }

  updateMetadata(
    bucket: string,
    key: string,
    versionId: VersionId | undefined,
    change: (current: ObjectInfo) => MetadataChange,
  ): Promise<ObjectInfo> {
    return updateMetadata(this.#context, this.pools, { bucket, key }, versionId, change)
  }

  // Lists --------------------------------------------------------------------------------------

  async listObjects(bucket: string, request: ListRequest): Promise<ListResult> {
    const list = await listObjects(this.#names, bucket, request, await this.#listOptions(bucket))
    return { ...list, objects: await shownInfos(this.#context, list.objects) }
  }

  async listVersions(bucket: string, request: ListVersionsRequest): Promise<ListVersionsResult> {
    const list = await listVersions(this.#names, bucket, request, await this.#listOptions(bucket))
    return { ...list, versions: await shownInfos(this.#context, list.versions) }
  }

  async #listOptions(bucket: string): Promise<{ readonly isUnversioned: boolean }> {
    const { versioning } = await this.buckets.metadata(bucket)
    return { isUnversioned: versioning === 'unversioned' }
  }

  // Multipart ----------------------------------------------------------------------------------

  createUpload(
    bucket: string,
    key: string,
    options: Parameters<ObjectEngine['createUpload']>[2],
  ): Promise<UploadInfo> {
    return createUpload(this.uploads, bucket, key, options)
  }

  getUpload(bucket: string, key: string, uploadId: string): Promise<UploadInfo> {
    return getUpload(this.uploads, bucket, key, uploadId)
  }

  async putPart(
    bucket: string,
    key: string,
    uploadId: string,
    partNumber: number,
    body: BodySource,
    options: PutPartOptions,
  ): Promise<PartInfo> {
    const quota = await this.#quotas.of(bucket)
    quota?.check(body.sizeBytes ?? 0)
    return putPart(this.uploads, bucket, key, uploadId, partNumber, body, options)
  }

  async copyPart(
    bucket: string,
    key: string,
    uploadId: string,
    partNumber: number,
    source: CopySource & { readonly range: RangeRequest },
    options: PutPartOptions,
  ): Promise<{ readonly part: PartInfo; readonly source: ObjectInfo }> {
    const { range } = source
    const { signal } = options
    const quota = await this.#quotas.of(bucket)
    using _turn = await this.pools.copyTurns.take(signal)
    const reader = await openSource(this.#context, this.pools, source, { range, signal })
    const body = bodyOfReader(reader)
    try {
      quota?.check(reader.sizeBytes)
      const part = await putPart(this.uploads, bucket, key, uploadId, partNumber, body, options)
      return { part, source: reader.info }
    } finally {
      body.close()
    }
  }

  listParts(
    bucket: string,
    key: string,
    uploadId: string,
  ): Promise<{ readonly upload: UploadInfo; readonly parts: readonly PartInfo[] }> {
    return listParts(this.uploads, bucket, key, uploadId)
  }

  listUploads(bucket: string, request: ListUploadsRequest): Promise<ListUploadsResult> {
    return this.#uploadLists.list(bucket, request)
  }

  async completeUpload(
    bucket: string,
    key: string,
    uploadId: string,
    parts: readonly CompletePart[],
    options: CompleteOptions,
  ): Promise<ObjectInfo> {
    const quota = await this.#quotas.of(bucket)
    let added = 0
    const info = await completeUpload(this.uploads, {
      bucket,
      key,
      uploadId,
      parts,
      options: {
        ...options,
        verify: (upload, stored) => {
          added = stored.reduce((sum, part) => sum + Math.max(part.actualSizeBytes, 0), 0)
          quota?.check(added)
          return options.verify?.(upload, stored) ?? new Map()
        },
      },
    })
    quota?.add(added)
    return info
  }

  abortUpload(bucket: string, key: string, uploadId: string): Promise<void> {
    return abortUpload(this.uploads, bucket, key, uploadId)
  }

  // Health -------------------------------------------------------------------------------------

  capacity(): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    return this.pools.capacity()
  }

  health(): readonly SetHealth[] {
    const { standardParity } = this.#context.storage
    return this.pools.allSets().map((set) => {
      const dataShards = set.size - standardParity
      assert(dataShards > 0)
      return {
        pool: set.pool,
        set: set.index,
        drives: set.size,
        online: set.size - set.offlineCount(),
        readQuorum: dataShards,
        writeQuorum: writeQuorumOf(dataShards, standardParity),
      }
    })
  }
}
