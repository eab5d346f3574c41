/**
 * The seam below a drive: the system calls it makes, on absolute paths.
 *
 * - Calls are synchronous (a drive has its own thread) and throw errors with a `code` (`ENOENT`, `ENOSPC` ...).
 * - `flush` is asynchronous, so that many files share it and reads go on meanwhile.
 * - What survives power loss: content that a `flush` of its file covered, names that a `flush` of their directory covered.
 */

export type OpenMode =
  | 'read'
  /** Must not exist. */
  | 'create'
  /** As `create`, for large data that is not read back soon: kept out of the page cache where that is possible. Its last bytes reach it with a flush. */
  | 'createBulk'
  /** Created when missing; writes go to the end. */
  | 'append'

export interface FileKind {
  readonly isDirectory: boolean
  readonly isFile: boolean
  /** Names of a file; of a directory 2 and its sub-directories, or 1 where the file system does not count. */
  readonly links: number
}

export interface FileStat extends FileKind {
  readonly sizeBytes: number
  readonly modifiedNs: bigint
  readonly inode: bigint
  readonly device: bigint
}

export interface DirectoryEntry {
  readonly name: string
  /** False also for symbolic links. */
  readonly isDirectory: boolean
  readonly isFile: boolean
}

export interface SpaceInfo {
  readonly totalBytes: number
  readonly freeBytes: number
  readonly totalInodes: number
  readonly freeInodes: number
  /** `statfs` type, in hex. */
  readonly type: string
}

/** What a flush covers: the content of an open file, or the names in a directory. */
export type FlushTarget = { readonly file: number } | { readonly directory: string }

export interface FileSystem {
  open(path: string, mode: OpenMode): number
  close(file: number): void
  /** Reads into `target` from `offset`; fewer bytes only at the end of the file. */
  read(file: number, target: Uint8Array, offset: number): number
  /** Writes all chunks at the end of what was written. */
  write(file: number, chunks: readonly Uint8Array[]): void
  /** As `read` from the start, by one system call: may answer fewer bytes than there are. */
  readStart(file: number, target: Uint8Array): number
  statFile(file: number): FileStat
  /** Undefined: nothing there. Follows no symbolic link at the end of the path. */
  stat(path: string): FileStat | undefined
  /** The cheaper part of `stat`. */
  kindOf(path: string): FileKind | undefined
  /** The first `countMax` entries in no order. Throws ENOENT for a missing directory. */
  list(path: string, countMax?: number): readonly DirectoryEntry[]
  makeDirectory(path: string): void
  rename(from: string, to: string): void
  link(from: string, to: string): void
  unlink(path: string): void
  removeDirectory(path: string): void
  space(path: string): SpaceInfo
  /** One outcome for each target, in order. Never rejects. */
  flush(targets: readonly FlushTarget[]): Promise<readonly (Error | undefined)[]>
  /** The same for one target, at once; throws. For the start, where nobody else waits. */
  flushNow(target: FlushTarget): void
}

/** Error name of a system call's failure, undefined for other errors. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
