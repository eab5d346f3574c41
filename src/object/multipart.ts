import type { EngineContext } from './context.ts'
import { completeUpload } from './multipart/complete.ts'
import { copyPart } from './multipart/copy-part.ts'
import { expireUploads } from './multipart/expire-uploads.ts'
import { UploadLists } from './multipart/list-uploads.ts'
import { UploadStore } from './multipart/upload-store.ts'
import {
  abortUpload,
  createUpload,
  getUpload,
  listParts,
  putPart,
  type CreateOptions,
} from './multipart/uploads.ts'
import type {
  BodySource,
  CompleteOptions,
  CompletePart,
  CopySource,
  ListUploadsRequest,
  ListUploadsResult,
  ObjectEngine,
  ObjectInfo,
  PartInfo,
  PutPartOptions,
  RangeRequest,
  UploadInfo,
} from './object.ts'
import type { Pools } from './pools.ts'

/** Multipart uploads of one engine: the operations of `ObjectEngine`, and what the background does with uploads. */
export class Multipart
  implements
    Pick<
      ObjectEngine,
      | 'createUpload'
      | 'getUpload'
      | 'putPart'
      | 'copyPart'
      | 'listParts'
      | 'listUploads'
      | 'completeUpload'
      | 'abortUpload'
    >
{
  readonly lists: UploadLists
  readonly #store: UploadStore

  constructor(context: EngineContext, pools: Pools) {
    this.#store = new UploadStore(context, pools)
    this.lists = new UploadLists(this.#store)
  }

  createUpload(bucket: string, key: string, options: CreateOptions): Promise<UploadInfo> {
    return createUpload(this.#store, bucket, key, options)
  }

  getUpload(bucket: string, key: string, uploadId: string): Promise<UploadInfo> {
    return getUpload(this.#store, bucket, key, uploadId)
  }

  putPart(
    bucket: string,
    key: string,
    uploadId: string,
    partNumber: number,
    body: BodySource,
    options: PutPartOptions,
  ): Promise<PartInfo> {
    return putPart(this.#store, bucket, key, uploadId, partNumber, body, options)
  }

  copyPart(
    bucket: string,
    key: string,
    uploadId: string,
    partNumber: number,
    source: CopySource & { readonly range: RangeRequest },
    options: PutPartOptions,
  ): Promise<{ readonly part: PartInfo; readonly source: ObjectInfo }> {
    return copyPart(this.#store, { bucket, key, uploadId, partNumber }, source, options)
  }

  listParts(
    bucket: string,
    key: string,
    uploadId: string,
  ): Promise<{ readonly upload: UploadInfo; readonly parts: readonly PartInfo[] }> {
    return listParts(this.#store, bucket, key, uploadId)
  }

  listUploads(bucket: string, request: ListUploadsRequest): Promise<ListUploadsResult> {
    return this.lists.list(bucket, request)
  }

  completeUpload(
    bucket: string,
    key: string,
    uploadId: string,
    parts: readonly CompletePart[],
    options: CompleteOptions,
  ): Promise<ObjectInfo> {
    return completeUpload(this.#store, { bucket, key, uploadId, parts, options })
  }

  abortUpload(bucket: string, key: string, uploadId: string): Promise<void> {
    return abortUpload(this.#store, bucket, key, uploadId)
  }

  /** Drops uploads older than a day; answers how many. Called every `EXPIRY_INTERVAL_MS` by one thread of the process. */
  expire(
    options: { readonly lifeMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<number> {
    return expireUploads(this.#store, options)
  }
}
