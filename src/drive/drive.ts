/**
 * One drive: the storage API of the engine.
 *
 * Invariants
 * - A call never rejects: it resolves to its value or to a `DriveError`.
 * - A call is one whole step of an operation, never one system call.
 * - With durability `strict` a step that changes the drive has survived power loss when it resolves:
 *   file data, metadata and every directory that received a name are flushed.
 * - A step either happened or did not, also through kill -9; what a crash leaves behind is only ever
 *   unreferenced (staging, trash, unnamed data directories).
 * - `volume` is the first path component: a bucket, or `.minio.sys` and the sub-volumes named below.
 *   `path` is relative, `/`-separated, already encoded (`__XLDIR__`), checked by the caller and again here.
 * - Every call has a deadline; a drive that misses it answers `DriveTimeout` and goes offline.
 *
 * All implementations (local thread, simulated, fault-injecting, later remote) pass the suite in
 * `src/testing/drive-conformance.ts`.
 */

export const META_VOLUME = '.minio.sys'
export const TMP_VOLUME = '.minio.sys/tmp'
export const MULTIPART_VOLUME = '.minio.sys/multipart'
export const TRASH_VOLUME = '.minio.sys/tmp/.trash'
/** Cairn's own durable state; MinIO neither reads nor purges it (distributed.md D2.3). */
export const CAIRN_VOLUME = '.minio.sys/cairn'

export type DriveErrorCode =
  | 'DriveNotFound' // path missing, drive pulled, other drive mounted in its place
  | 'DriveFaulty' // input/output error class: EIO, EROFS, ENODEV ...
  | 'DriveTimeout' // no answer within the deadline
  | 'DriveAccessDenied' // EACCES, EPERM on the drive
  | 'DriveUnformatted' // no format.json
  | 'DriveFull' // ENOSPC, EDQUOT: writes only
  | 'VolumeNotFound'
  | 'VolumeExists'
  | 'VolumeNotEmpty'
  | 'FileNotFound' // also: object directory without metadata file
  | 'FileVersionNotFound'
  | 'FileAccessDenied' // a parent component is a file, a directory stands where a file should
  | 'FileNameTooLong'
  | 'FileCorrupt' // metadata unreadable, file shorter than asked for
  | 'StaleCommit' // the drive holds a version at least as new as the one committed (D3.5)
  | 'TooManyOpenFiles' // a problem of the node, not of the drive
  | 'Unexpected'

/** What a drive call failed with. `temporary`: the same call may succeed later. */
export class DriveError extends Error {
  override readonly name = 'DriveError'
  readonly code: DriveErrorCode
  /** With `StaleCommit`: the newest modification time stored, nanoseconds. */
  readonly newestNs: bigint | undefined
  /** With `DriveTimeout` of a read that goes on: resolves when it writes into its target no more. */
  readonly settled: Promise<void> | undefined
  constructor(
    code: DriveErrorCode,
    message: string,
    options?: { cause?: unknown; newestNs?: bigint; settled?: Promise<void> | undefined },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.newestNs = options?.newestNs
    this.settled = options?.settled
  }
  get temporary(): boolean {
    return (
      this.code === 'DriveTimeout' || this.code === 'DriveFull' || this.code === 'TooManyOpenFiles'
    )
  }
}

/** Value or error; test with `instanceof DriveError`. */
export type DriveResult<T> = T | DriveError
export type DriveReply<T> = Promise<DriveResult<T>>

export type Durability = 'strict' | 'relaxed'

export interface DriveInfo {
  readonly totalBytes: number
  readonly freeBytes: number
  readonly usedBytes: number
  readonly totalInodes: number
  readonly freeInodes: number
  /** `st_dev` major:minor, file-system type, for messages and the root-drive check. */
  readonly fileSystem: string
  readonly isRootDrive: boolean
}

export interface VolumeInfo {
  readonly name: string
  /** Modification time of the directory, nanoseconds. */
  readonly createdNs: bigint
}

/** A version as it goes into xl.meta: header and body msgpack as in disk-format.md 5.3 and 5.4, made by `#drive/xl-meta`. */
export interface EncodedVersion {
  readonly header: Uint8Array
  readonly body: Uint8Array
}

export interface CommitRequest {
  /** Destination object. */
  readonly volume: string
  readonly path: string
  readonly version: EncodedVersion
  /** This drive's framed shard for the inline section; undefined: not inline. Zero-byte objects pass an empty array. */
  readonly inline?: Uint8Array | undefined
  /** Instead of `inline`: the new version shares the inline value (and data directory) of this version id (32 hex digits, zeros for null). */
  readonly inlineFrom?: string | undefined
  /** Where the data is: `{volume: TMP_VOLUME, path: <uuid>}` holding `part.N`, which becomes the data directory; or an upload's directory in MULTIPART_VOLUME, which stays whole: the version's parts get second names. */
  readonly source?: { readonly volume: string; readonly path: string } | undefined
  /** With a version of type legacy, in mode `heal`: the `xl.json` that holds it on a drive without an `xl.meta` of the key; its parts then go beside that instead of into `legacy`. */
  readonly v1File?: Uint8Array | undefined
  /** `write`: fenced by modification time. `heal`: replaces that version's data, no fence, keeps every other version. `given`: a prescribed time (replication, restore), no fence. */
  readonly mode: 'write' | 'heal' | 'given'
  /** Keep the replaced version's metadata as `<oldDataDir>/xl.meta.bkp` even if that directory must be made for it. */
  readonly backup: boolean
}

export interface CommitReply {
  /** Data directory that the commit replaced and that no other version uses; to be purged after quorum. */
  readonly oldDataDir?: string | undefined
  /** Hash over all version headers after the commit, to find drives that disagree (D4.10). */
  readonly versionsHash: string
}

export interface DeleteRequest {
  /** 32 hex digits; zeros for the null version; undefined: remove nothing (only add the marker). */
  readonly versionId?: string | undefined
  /** Marker (or free version) to add after the removal. */
  readonly add?: EncodedVersion | undefined
  /** Refuse with `StaleCommit` when a removed version is newer than this (D3.6). */
  readonly notNewerThanNs?: bigint | undefined
}

export interface DeleteReply {
  /** False: no version with that id (not an error for callers that reduce over drives). */
  readonly found: boolean
  readonly versionsLeft: number
}

export interface WalkRequest {
  readonly volume: string
  /** Only keys that begin so, decoded. */
  readonly prefix: string
  /** Only keys that sort after this one, by UTF-8 bytes of decoded names. Empty: from the start. */
  readonly startAfter: string
  /** False: one level below the last `/` of `prefix`, deeper ones as `name/` entries without metadata (only those not empty). */
  readonly recursive: boolean
  /** At most this many entries in one reply. */
  readonly limit: number
  /** Whether entries carry their metadata. */
  readonly metadata: boolean
}

export interface WalkEntry {
  /** Decoded key (`a/` for a directory object), or common prefix ending in `/` when `isPrefix`. */
  readonly name: string
  readonly isPrefix: boolean
  /** Of a prefix: the first key below it, by UTF-8 bytes. Drives that missed nothing name the same one. */
  readonly firstKey?: string | undefined
  /** The metadata file without its inline section; undefined for prefixes and with `metadata: false`. */
  readonly metadata?: Uint8Array | undefined
}

export interface WalkReply {
  /** Sorted by UTF-8 bytes of `name`. */
  readonly entries: readonly WalkEntry[]
  /** True: nothing after the last entry. */
  readonly done: boolean
}

/**
 * Without a step: the part takes the place of an older one of its number, which is void at once. Where there may be an
 * older one, it is replaced in two steps on all drives, so that it stays whole until the new one is safe (D4.6):
 * `prepare` puts the new part into the upload's pending directory, and when enough drives have it there `settle` puts it
 * in place. Readers count both (`src/object/multipart/part-store.ts`).
 */
export type PartCommit =
  | PartPlacement
  | { readonly step: 'settle'; readonly directory: string; readonly partNumber: number }

export interface PartPlacement {
  readonly step?: 'prepare' | undefined
  /** Staged file, below TMP_VOLUME: `<uuid>/part.N`. Already complete and flushed. */
  readonly staged: string
  /** Directory in MULTIPART_VOLUME: `<sha256>/<upload>/<dataDir>`. */
  readonly directory: string
  readonly partNumber: number
  /** Content of `part.N.meta`. */
  readonly metadata: Uint8Array
}

export interface Drive {
  /** Absolute path or URL, as on the command line. */
  readonly endpoint: string
  /** Cheap and synchronous: whether calls are worth trying now. */
  isOnline(): boolean
  /**
   * Takes back a call that has not begun. True: it never happens, its memory is the caller's again, and `reply` becomes
   * `DriveTimeout` when the drive is heard of. False: it has begun, and is finished before any later call about the same
   * key begins. `reply` is what a call of this drive returned. Drives that begin every call at once lack this.
   */
  withdraw?(reply: DriveReply<unknown>): boolean

  info(): DriveReply<DriveInfo>

  // Volumes ------------------------------------------------------------------------------------
  makeVolume(volume: string): DriveReply<void>
  statVolume(volume: string): DriveReply<VolumeInfo>
  /** Bucket directories only: names the looser rule of disk-format.md 1.3 accepts. */
  listVolumes(): DriveReply<readonly VolumeInfo[]>
  /** Without `force` only when it holds no key; left-overs of unfinished writes go with it. */
  deleteVolume(volume: string, options: { readonly force: boolean }): DriveReply<void>

  // Object metadata ----------------------------------------------------------------------------
  /** The whole `xl.meta` (or `xl.json` on a drive that may hold such); without the inline section unless `inline`. The array is the caller's. */
  readMetadata(
    volume: string,
    path: string,
    options: { readonly inline: boolean },
  ): DriveReply<Uint8Array>
  /** The commit of one version: data directory first, `xl.meta` rename last (disk-format.md 6.2). */
  commitVersion(request: CommitRequest): DriveReply<CommitReply>
  /** Takes a commit back after a failed quorum: removes the version, restores the backup when there is one. */
  undoCommit(
    volume: string,
    path: string,
    versionId: string,
    oldDataDir: string | undefined,
  ): DriveReply<void>
  /** Replaces the metadata of a version that exists, keeping its data and inline value. */
  updateVersion(volume: string, path: string, version: EncodedVersion): DriveReply<CommitReply>
  /** One rewrite for several versions of one key; removes the object directory with the last one. Results in request order. */
  deleteVersions(
    volume: string,
    path: string,
    requests: readonly DeleteRequest[],
  ): DriveReply<readonly DriveResult<DeleteReply>[]>
  /** Replaces the whole metadata file by one that a repair decided on (bytes of an xl.meta v1.3). */
  replaceMetadata(volume: string, path: string, bytes: Uint8Array): DriveReply<void>
  /** Brings `<dataDir>/xl.meta.bkp` back as `xl.meta` (D4.3 b). */
  restoreBackup(volume: string, path: string, dataDir: string): DriveReply<void>
  /** Moves `<path>/<dataDir>` to the trash; missing is fine. Not flushed: losing it in a crash only leaves garbage. */
  purgeDataDir(volume: string, path: string, dataDir: string): DriveReply<void>

  // Staged files -------------------------------------------------------------------------------
  /** Appends to a staged file below TMP_VOLUME (`<uuid>/part.N`), creating it with the first call. Calls of one file are made in order, one at a time. `chunks` may be views of the arena: they must stay untouched until the reply. `last`: flush (strict) and close. */
  appendStaged(
    path: string,
    chunks: readonly Uint8Array[],
    options: { readonly last: boolean },
  ): DriveReply<void>
  /** Gives files of a directory second names in `<uuid>` below TMP_VOLUME, for a reader that needs them whatever becomes of the directory. Missing files are passed over, all missing is `FileNotFound`; nothing is flushed. Fails where the file system has no second names, and leaves none then. */
  linkStaged(
    volume: string,
    directory: string,
    names: readonly string[],
    folder: string,
  ): DriveReply<void>
  /** Drops `<uuid>` below TMP_VOLUME with everything in it; missing is fine. */
  discardStaged(path: string): DriveReply<void>
  commitPart(request: PartCommit): DriveReply<void>

  // Reading ------------------------------------------------------------------------------------
  /** Reads `target.length` bytes at `offset` of a file into `target` (a view of the arena or own memory). Shorter file: `FileCorrupt`. `stream` (unique per reader) keeps the file open between calls until `closeStream`. `frameBytes`: these are frames of that size (hash and shard; the last may be shorter), and one whose hash differs is `FileCorrupt`. */
  readFile(
    volume: string,
    path: string,
    offset: number,
    target: Uint8Array,
    stream?: number,
    frameBytes?: number,
  ): DriveReply<void>
  closeStream(stream: number): void
  /** Sizes in bytes of files in one directory, `undefined` for missing ones. */
  statFiles(
    volume: string,
    directory: string,
    names: readonly string[],
  ): DriveReply<readonly (number | undefined)[]>

  // Small raw files and directories ------------------------------------------------------------
  /** Whole small files (limit 16 MiB each), `undefined` for missing ones. */
  readSmallFiles(
    volume: string,
    paths: readonly string[],
  ): DriveReply<readonly (Uint8Array | undefined)[]>
  /** Atomic replacement through a staged file and rename. */
  writeSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void>
  /** Appends to a raw file, creating it. One call's bytes are not interleaved with another's. */
  appendSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void>
  /** Names in a directory, unsorted, directories with a trailing `/`; missing directory: `FileNotFound`. At most `limit`. */
  listDirectory(volume: string, path: string, limit: number): DriveReply<readonly string[]>
  /** Moves a file or directory tree to the trash; missing is fine. Removes parents that become empty, below the volume. */
  trash(volume: string, path: string): DriveReply<void>

  walk(request: WalkRequest): DriveReply<WalkReply>

  // Background ---------------------------------------------------------------------------------
  /** Deletes at most `limit` entries of the trash, for some milliseconds only, then staging that was left for a day; answers how many more of the trash are known, and how many files and directories went. */
  emptyTrash(limit: number): DriveReply<{ readonly left: number; readonly removed: number }>
}
