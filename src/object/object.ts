/**
 * The object engine: buckets, objects, versions, multipart uploads over pools and erasure sets of drives.
 *
 * Invariants
 * - A call that resolves has been made durable on a write quorum of drives.
 * - Writes to one key are serialized by its namespace lock; preconditions are decided under that lock.
 * - Bytes leave a reader only after their block's hash was verified.
 * - Client keys are used here as they came (`a/`); encoding to paths happens at the drive border.
 * - Every failure is an `ObjectError`; one file of each API maps its codes to replies.
 */

import type { ChecksumAlgorithm } from '#drive/checksum-blob'
import type { AppendOptions } from './append.ts'
import type { ExtraDocument } from './bucket-extras.ts'
import type { Seal } from './transform.ts'

export type ObjectErrorCode =
  | 'BucketNotFound'
  | 'BucketExists'
  | 'BucketNotEmpty'
  | 'BucketNameInvalid'
  | 'ObjectNotFound'
  | 'VersionNotFound'
  | 'MethodNotAllowed' // the version addressed is a delete marker
  | 'ObjectNameInvalid'
  | 'ObjectNameTooLong'
  | 'ObjectExistsAsDirectory' // a parent component is not a directory
  | 'PreconditionFailed'
  | 'NotModified'
  | 'InvalidRange'
  | 'InvalidPart'
  | 'InvalidPartNumber' // read of a part that the object does not have
  | 'InvalidPartOrder'
  | 'PartTooSmall'
  | 'UploadNotFound'
  | 'IncompleteBody'
  | 'ReadQuorum' // 503 SlowDownRead
  | 'WriteQuorum' // 503 SlowDownWrite
  | 'LockTimeout' // 503 RequestTimeout
  | 'StorageFull' // 507
  | 'QuotaExceeded'
  | 'NotImplemented'
  | 'Aborted' // the caller's signal
  | 'Internal'

/** What an engine call failed with. `details` hold what an API puts beside the message. */
export class ObjectError extends Error {
  override readonly name = 'ObjectError'
  readonly code: ObjectErrorCode
  readonly details: ObjectErrorDetails
  constructor(
    code: ObjectErrorCode,
    message: string,
    details: ObjectErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options)
    this.code = code
    this.details = details
  }
  get temporary(): boolean {
    return (
      this.code === 'ReadQuorum' ||
      this.code === 'WriteQuorum' ||
      this.code === 'LockTimeout' ||
      this.code === 'StorageFull'
    )
  }
}

/** Which object: all versions of one key. */
export interface ObjectName {
  readonly bucket: string
  readonly key: string
}

export interface ObjectErrorDetails {
  readonly bucket?: string
  readonly key?: string
  /** Client form: `null` or UUID text. */
  readonly versionId?: string
  /** The state behind `ObjectNotFound`, `MethodNotAllowed`: the latest (or addressed) version is this delete marker. */
  readonly deleteMarker?: { readonly versionId: string; readonly modifiedNs: bigint }
  /** With `NotModified` and `PreconditionFailed` of reads: the version that was found. */
  readonly info?: ObjectInfo
  /** With `NotModified` and `PreconditionFailed`: which condition, as clients know it (`If-None-Match`). */
  readonly condition?: string
  readonly sizeBytes?: number
  readonly range?: string
  readonly partNumber?: number
  readonly etag?: string
  readonly minSizeBytes?: number
  /** A part has no checksum of the algorithm that was named. */
  readonly absentChecksum?: string
}

/** `null` for the null version, else a lower-case UUID text. */
export type VersionId = string

export type VersioningState = 'unversioned' | 'enabled' | 'suspended'

export interface PartInfo {
  readonly number: number
  /** Stored size: after compression and encryption. */
  readonly sizeBytes: number
  /** Size the client sent; -1 when unknown. */
  readonly actualSizeBytes: number
  /** Hex MD5 of the part, where stored. */
  readonly etag?: string | undefined
  readonly modifiedNs?: bigint | undefined
  /** Checksums of the part by lower-case algorithm name (`crc32c`), base64. */
  readonly checksums?: Readonly<Record<string, string>> | undefined
  /** Index of the compressed stream, as stored. */
  readonly index?: Uint8Array | undefined
}

/** One version as its readers see it. */
export interface ObjectInfo {
  readonly bucket: string
  readonly key: string
  readonly versionId: VersionId
  readonly isLatest: boolean
  readonly isDeleteMarker: boolean
  readonly modifiedNs: bigint
  /** Stored size; equals the client's size while neither compressed nor encrypted. */
  readonly sizeBytes: number
  /** Size the client sent. */
  readonly actualSizeBytes: number
  /** Unquoted, as clients see it; where something is called with a version as stored: that of the drives. */
  readonly etag: string
  /** MetaUsr: `content-type`, `X-Amz-Meta-...`, `x-amz-storage-class` ..., without `etag`; keys as stored. */
  readonly userMetadata: ReadonlyMap<string, string>
  /** MetaSys: keys as stored, values raw. */
  readonly systemMetadata: ReadonlyMap<string, Uint8Array>
  readonly parts: readonly PartInfo[]
  readonly dataShards: number
  readonly parityShards: number
  /** Modification time of the version that came after it, where known; undefined for the latest. */
  readonly successorModifiedNs?: bigint | undefined
}

/** A pull source of body bytes. */
export interface BodySource {
  /** Declared size, undefined when unknown. */
  readonly sizeBytes: number | undefined
  /** Fills the beginning of `target` (a view of the arena), at least one byte unless at the end; resolves to the count, 0 at the end. Rejects with the API's own error for a bad body (signature, framing), which ends the write and reaches the caller unchanged. */
  read(target: Uint8Array): Promise<number>
}

export type DigestName = ChecksumAlgorithm

/** Raw digests over the plain content; `md5` also without being asked for, but where content is encrypted and clients do not see it. */
export type Digests = ReadonlyMap<DigestName, Uint8Array>

/** Entity tags compare unquoted; `*` matches any existing object. */
export interface WritePreconditions {
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
}

export interface ReadPreconditions extends WritePreconditions {
  /** Whole seconds since 1970. */
  readonly ifModifiedSince?: number | undefined
  readonly ifUnmodifiedSince?: number | undefined
}

export interface PutOptions {
  readonly userMetadata: ReadonlyMap<string, string>
  readonly systemMetadata?: ReadonlyMap<string, Uint8Array> | undefined
  /** `STANDARD` or `REDUCED_REDUNDANCY`: parity of the new version. */
  readonly storageClass: string
  readonly preconditions?: WritePreconditions | undefined
  /** Digests to compute while the body passes. */
  readonly digests: readonly DigestName[]
  /** Called after the last byte and before the commit: throws the API's error to abort, returns system metadata to add (stored checksums). */
  readonly verify?:
    | ((digests: Digests, sizeBytes: number) => Promise<ReadonlyMap<string, Uint8Array>>)
    | undefined
  /** Called under the lock with the version that the write would replace or hide; throws to refuse. */
  readonly guard?: ((current: ObjectInfo | undefined) => void) | undefined
  /** ETag to store instead of the MD5. */
  readonly etag?: string | undefined
  /** Modification time to store instead of now; a key never goes back in time, so behind its newest version it is moved forward. */
  readonly modifiedNs?: bigint | undefined
  /** Encrypts the content; the metadata that goes with it is the caller's. */
  readonly seal?: Seal | undefined
  readonly signal?: AbortSignal | undefined
}

/** Which bytes a reader wants. */
export type RangeRequest =
  | { readonly kind: 'all' }
  | { readonly kind: 'from'; readonly start: number; readonly end?: number | undefined } // end inclusive
  | { readonly kind: 'suffix'; readonly size: number }
  | { readonly kind: 'part'; readonly number: number }

/** A piece of verified data. `bytes` stay valid until `release`, which must be called exactly once. */
export interface DataChunk {
  readonly bytes: Uint8Array
  release(): void
}

/** An open read. Exactly one of `chunks` run to its end or `close` must be called; `close` is idempotent. */
export interface ObjectReader {
  readonly info: ObjectInfo
  /** First byte and count within the content after resolving the range. */
  readonly offset: number
  readonly sizeBytes: number
  /** With a `part` range: how many parts the object has. */
  readonly partCount?: number | undefined
  chunks(): AsyncIterable<DataChunk>
  close(): void
}

/** Called with the version found, before its data is read: what decrypts it, undefined when it is not encrypted. Throws the
 *  API's error to refuse. */
export type Unseal = (info: ObjectInfo) => Promise<Seal | undefined>

export interface ReadOptions {
  readonly versionId?: VersionId | undefined
  readonly unseal?: Unseal | undefined
  readonly range: RangeRequest
  readonly preconditions?: ReadPreconditions | undefined
  readonly signal?: AbortSignal | undefined
}

export interface DeleteOptions {
  readonly versionId?: VersionId | undefined
  /** Bucket state for this key (exclusions considered). */
  readonly versioning: VersioningState
  readonly preconditions?: DeletePreconditions | undefined
  /** Called under the lock with the version about to be removed or hidden; throws to refuse. */
  readonly guard?: ((current: ObjectInfo | undefined) => void) | undefined
}

export interface DeletePreconditions {
  readonly ifMatch?: string | undefined
  readonly ifLastModified?: number | undefined // seconds
  readonly ifSizeBytes?: number | undefined
}

export interface DeleteOutcome {
  /** False: nothing was there (and no marker was made). */
  readonly found: boolean
  /** Removed version, or the marker made. */
  readonly versionId?: VersionId | undefined
  readonly deleteMarker: boolean
  /** True: the delete added a marker; false with `deleteMarker`: it removed one. */
  readonly markerCreated: boolean
}

/** What `updateMetadata` merges into a version. */
export interface MetadataChange {
  readonly userMetadata?: ReadonlyMap<string, string>
  readonly systemMetadata?: ReadonlyMap<string, Uint8Array>
}

export interface CopySource extends ObjectName {
  readonly versionId?: VersionId | undefined
  readonly unseal?: Unseal | undefined
  readonly preconditions?: ReadPreconditions | undefined
}

export interface CopyOptions
  extends Omit<PutOptions, 'verify' | 'userMetadata' | 'systemMetadata' | 'seal'> {
  readonly versioning: VersioningState
  /** Decides the metadata of the copy from the source: replaces or keeps. Throws to refuse (self-copy rules). */
  metadata(source: ObjectInfo): {
    readonly userMetadata: ReadonlyMap<string, string>
    readonly systemMetadata: ReadonlyMap<string, Uint8Array>
    /** Digests that the copy must compute over its content, given the source's stored ones. */
    readonly digests: readonly DigestName[]
    /** True: metadata-only is allowed when source and destination are the same key. */
    readonly allowMetadataOnly: boolean
    /** Encrypts the copy. */
    readonly seal?: Seal | undefined
  }
  verify?(digests: Digests, sizeBytes: number): Promise<ReadonlyMap<string, Uint8Array>>
}

export interface ListRequest {
  readonly prefix: string
  readonly delimiter: string
  /** Exclusive; a common prefix skips everything below it. */
  readonly startAfter: string
  /** 1 to 1000 (0 is answered by the API). */
  readonly limit: number
}

export interface ListResult {
  readonly objects: readonly ObjectInfo[]
  readonly commonPrefixes: readonly string[]
  readonly isTruncated: boolean
  /** Last entry returned, key or common prefix; empty when not truncated. */
  readonly nextMarker: string
}

export interface ListVersionsRequest extends ListRequest {
  /** With `startAfter` = key: continue after this version of it. */
  readonly versionIdMarker?: VersionId | undefined
}

export interface ListVersionsResult {
  /** Versions and delete markers, keys ascending, newest first. */
  readonly versions: readonly ObjectInfo[]
  readonly commonPrefixes: readonly string[]
  readonly isTruncated: boolean
  readonly nextKeyMarker: string
  /** Empty when not truncated. */
  readonly nextVersionIdMarker: VersionId
}

export interface UploadInfo {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly initiatedNs: bigint
  readonly userMetadata: ReadonlyMap<string, string>
  readonly systemMetadata: ReadonlyMap<string, Uint8Array>
}

export interface ListUploadsRequest extends ListRequest {
  readonly uploadIdMarker: string
}

export interface ListUploadsResult {
  readonly uploads: readonly UploadInfo[]
  readonly commonPrefixes: readonly string[]
  readonly isTruncated: boolean
  readonly nextKeyMarker: string
  readonly nextUploadIdMarker: string
}

export interface PutPartOptions {
  readonly digests: readonly DigestName[]
  /** What encrypts the parts of this upload, undefined when they are not encrypted. */
  readonly seal?: ((upload: UploadInfo) => Promise<Seal | undefined>) | undefined
  /** As `PutOptions.verify`, but returns the checksums to store with the part (algorithm → base64). */
  readonly verify?:
    | ((digests: Digests, sizeBytes: number) => Promise<Readonly<Record<string, string>>>)
    | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CompletePart {
  readonly number: number
  /** Unquoted. */
  readonly etag: string
  readonly checksums: Readonly<Record<string, string>>
}

export interface CompleteOptions {
  /** What encrypts this upload, or the object that it became before; undefined when it is not encrypted or nothing needs its
   *  key. */
  readonly seal?: ((version: UploadInfo | ObjectInfo) => Promise<Seal | undefined>) | undefined
  readonly versioning: VersioningState
  readonly preconditions?: WritePreconditions | undefined
  readonly guard?: ((current: ObjectInfo | undefined) => void) | undefined
  /** Called with the stored parts in request order, after ETags were checked and before the commit: throws to refuse, returns system metadata to add. */
  readonly verify?:
    | ((upload: UploadInfo, parts: readonly PartInfo[]) => ReadonlyMap<string, Uint8Array>)
    | undefined
}

export interface BucketInfo {
  readonly name: string
  readonly createdNs: bigint
}

export interface SetHealth {
  readonly pool: number
  readonly set: number
  readonly drives: number
  readonly online: number
  readonly readQuorum: number
  readonly writeQuorum: number
}

/** Metadata of a bucket: what `.metadata.bin` holds, and what lies beside it. */
export interface BucketMetadata {
  readonly name: string
  readonly createdNs: bigint
  readonly versioning: VersioningState
  readonly objectLock: boolean
  /** Document of a configuration, undefined when not set. */
  document(name: BucketDocument): Uint8Array | undefined
  updatedNs(name: BucketDocument): bigint
}

export type BucketDocument =
  | ExtraDocument
  | 'PolicyConfigJSON'
  | 'NotificationConfigXML'
  | 'LifecycleConfigXML'
  | 'ObjectLockConfigXML'
  | 'VersioningConfigXML'
  | 'EncryptionConfigXML'
  | 'TaggingConfigXML'
  | 'QuotaConfigJSON'
  | 'ReplicationConfigXML'
  | 'BucketTargetsConfigJSON'
  | 'BucketTargetsConfigMetaJSON'

/** A document that MinIO could not read, and what it finds in its place: a bucket with a document that it cannot read is lost to it. */
export interface OriginalDocument {
  readonly content: Uint8Array
  readonly standIn: Uint8Array
}

/** A new document; undefined for none. */
export type DocumentContent = Uint8Array | OriginalDocument | undefined

/** A new document, or what makes it from the bucket as it is under its lock. */
export type DocumentChange = DocumentContent | ((current: BucketMetadata) => DocumentContent)

export interface ObjectEngine {
  // Buckets
  makeBucket(
    name: string,
    options: { readonly objectLock: boolean; readonly versioning: boolean },
  ): Promise<void>
  getBucket(name: string): Promise<BucketInfo>
  listBuckets(): Promise<readonly BucketInfo[]>
  deleteBucket(name: string, options: { readonly force: boolean }): Promise<void>
  /** Cached; fresh after a change by any request thread of the node. `BucketNotFound`. */
  bucketMetadata(name: string): Promise<BucketMetadata>
  /** `undefined` removes the document. A function gets the one stored, under the bucket's lock; what it throws ends the change. */
  setBucketDocument(name: string, document: BucketDocument, content: DocumentChange): Promise<void>

  // Objects
  putObject(
    bucket: string,
    key: string,
    body: BodySource,
    options: PutOptions & { readonly versioning: VersioningState },
  ): Promise<ObjectInfo>
  openObject(bucket: string, key: string, options: ReadOptions): Promise<ObjectReader>
  /** Metadata only; range and preconditions as for a read. */
  headObject(
    bucket: string,
    key: string,
    options: ReadOptions,
  ): Promise<Omit<ObjectReader, 'chunks' | 'close'>>
  deleteObject(bucket: string, key: string, options: DeleteOptions): Promise<DeleteOutcome>
  /** Results in request order; never rejects for a single key. What a guard threw comes as it was. */
  deleteObjects(
    bucket: string,
    requests: readonly ({ readonly key: string } & DeleteOptions)[],
  ): Promise<readonly (DeleteOutcome | Error)[]>
  /** Everything below `prefix`, all versions, no markers. */
  deletePrefix(bucket: string, prefix: string): Promise<void>
  copyObject(
    bucket: string,
    key: string,
    source: CopySource,
    options: CopyOptions,
  ): Promise<{ readonly info: ObjectInfo; readonly source: ObjectInfo }>
  /** Writes the latest version of a key anew, with bytes behind its content. Errors: as for a read and a put. */
  appendObject(bucket: string, key: string, options: AppendOptions): Promise<ObjectInfo>
  /** Merges keys into a version's metadata: tags, retention, legal hold, replication state. Keys are never removed; an empty text clears. The modification time stays. */
  updateMetadata(
    bucket: string,
    key: string,
    versionId: VersionId | undefined,
    change: (current: ObjectInfo) => MetadataChange,
  ): Promise<ObjectInfo>

  // Lists
  listObjects(bucket: string, request: ListRequest): Promise<ListResult>
  listVersions(bucket: string, request: ListVersionsRequest): Promise<ListVersionsResult>

  // Multipart
  createUpload(
    bucket: string,
    key: string,
    options: Pick<PutOptions, 'userMetadata' | 'systemMetadata' | 'storageClass'> & {
      readonly versioning: VersioningState
    },
  ): Promise<UploadInfo>
  getUpload(bucket: string, key: string, uploadId: string): Promise<UploadInfo>
  putPart(
    bucket: string,
    key: string,
    uploadId: string,
    partNumber: number,
    body: BodySource,
    options: PutPartOptions,
  ): Promise<PartInfo>
  copyPart(
    bucket: string,
    key: string,
    uploadId: string,
    partNumber: number,
    source: CopySource & { readonly range: RangeRequest },
    options: PutPartOptions,
  ): Promise<{ readonly part: PartInfo; readonly source: ObjectInfo }>
  /** All parts, ascending. */
  listParts(
    bucket: string,
    key: string,
    uploadId: string,
  ): Promise<{ readonly upload: UploadInfo; readonly parts: readonly PartInfo[] }>
  /** Errors: `UploadNotFound` for a marker that no upload can have. */
  listUploads(bucket: string, request: ListUploadsRequest): Promise<ListUploadsResult>
  completeUpload(
    bucket: string,
    key: string,
    uploadId: string,
    parts: readonly CompletePart[],
    options: CompleteOptions,
  ): Promise<ObjectInfo>
  abortUpload(bucket: string, key: string, uploadId: string): Promise<void>

  // Health
  health(): readonly SetHealth[]
  /** What clients can store in all, parity taken off; at most some seconds old. */
  capacity(): Promise<{ readonly totalBytes: number; readonly freeBytes: number }>
  readonly deploymentId: string
}
