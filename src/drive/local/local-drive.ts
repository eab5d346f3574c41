import {
  CAIRN_VOLUME,
  type CommitReply,
  type CommitRequest,
  type DeleteReply,
  type DeleteRequest,
  type Drive,
  DriveError,
  type DriveInfo,
  type DriveReply,
  type DriveResult,
  type EncodedVersion,
  META_VOLUME,
  MULTIPART_VOLUME,
  type PartCommit,
  TMP_VOLUME,
  type VolumeInfo,
  type WalkReply,
  type WalkRequest,
} from '../drive.ts'
import { areGoodFrames } from '../shard-layout.ts'
import {
  commitVersion,
  deleteVersions,
  replaceMetadata,
  restoreBackup,
  undoCommit,
  updateVersion,
} from './change-metadata.ts'
import { commitPart } from './commit-part.ts'
import { DriveContext, type LocalDriveOptions } from './drive-context.ts'
import { checkComponents, isMetaVolume, parentOf, toDriveError } from './drive-paths.ts'
import { systemErrorCode } from './file-system.ts'
import { readMetadataFile } from './metadata-file.ts'
import { OpenFiles } from './open-files.ts'
import { StagedFiles } from './staged-files.ts'
import { type Change, fail } from './step-scheduler.ts'
import { Trash } from './trash.ts'
import { Walker } from './walk.ts'

const SMALL_FILE_BYTES_MAX = 16 * 1024 * 1024
/** Given up when a delete finds the drive full, so that deletes are always possible (distributed.md D4.15). */
const RESERVE_BYTES = 1024 * 1024
const RESERVE_PATH = `${CAIRN_VOLUME}/reserve`
/** The reserve is made only while this is free. */
const RESERVE_NEEDS_BYTES = 64 * RESERVE_BYTES
/** Looser than the rule for new buckets: what other releases made is shown too. Source: disk-format.md 1.3. */
const LISTED_VOLUME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9.\-_:]{1,61}[A-Za-z0-9]$/
const ADDRESS_PATTERN = /^\d{1,3}(\.\d{1,3}){3}$/

const ANY_KEY = { prefix: '', startAfter: '', recursive: true, limit: 1, metadata: false } as const

/** A drive on a file system of this machine. Its calls run in the thread that makes them: give a drive its own. */
export class LocalDrive implements Drive {
  readonly endpoint: string
  readonly #context: DriveContext
  readonly #staged: StagedFiles
  readonly #open: OpenFiles
  readonly #walker: Walker
  readonly #trash: Trash

  constructor(options: LocalDriveOptions) {
    this.endpoint = options.root
    this.#context = new DriveContext(options)
    this.#staged = new StagedFiles(this.#context)
    this.#open = new OpenFiles(this.#context)
    this.#walker = new Walker(this.#context)
    this.#trash = new Trash(this.#context, this.#staged)
  }

  isOnline(): boolean {
    return true
  }

  info(): DriveReply<DriveInfo> {
    return this.#read('read the free space', () => {
      const { fileSystem, root } = this.#context
      const space = fileSystem.space(root)
      return {
        totalBytes: space.totalBytes,
        freeBytes: space.freeBytes,
        usedBytes: space.totalBytes - space.freeBytes,
        totalInodes: space.totalInodes,
        freeInodes: space.freeInodes,
        fileSystem: space.type,
        isRootDrive: fileSystem.stat(root)?.device === fileSystem.stat('/')?.device,
      }
    })
  }

  makeVolume(volume: string): DriveReply<void> {
    const context = this.#context
    return this.#change(volume, `make volume "${volume}"`, function* () {
      const path = context.volumePath(volume)
      if (context.fileSystem.kindOf(path) !== undefined) {
        fail('VolumeExists', `Volume "${volume}" exists`)
      }
      if (isMetaVolume(volume)) context.makeDirectories(path)
      else context.fileSystem.makeDirectory(path)
      yield [{ directory: parentOf(path) }]
    })
  }

  statVolume(volume: string): DriveReply<VolumeInfo> {
    return this.#read(`look at volume "${volume}"`, () => {
      const stat = this.#context.fileSystem.stat(this.#context.volumePath(volume))
      if (stat?.isDirectory !== true) fail('VolumeNotFound', `Volume "${volume}" does not exist`)
      return { name: volume, createdNs: stat.modifiedNs }
    })
  }

  listVolumes(): DriveReply<readonly VolumeInfo[]> {
    return this.#read('list volumes', () => {
      const { fileSystem, root } = this.#context
      const volumes: VolumeInfo[] = []
      for (const { name, isDirectory } of fileSystem.list(root)) {
        if (!isDirectory || !isListedVolume(name)) continue
        const stat = fileSystem.stat(`${root}/${name}`)
        if (stat !== undefined) volumes.push({ name, createdNs: stat.modifiedNs })
      }
      return volumes
    })
  }

  deleteVolume(volume: string, options: { readonly force: boolean }): DriveReply<void> {
    const context = this.#context
    const holdsKeys = (): boolean => this.#walker.walk({ ...ANY_KEY, volume }).entries.length > 0
    return this.#change(volume, `delete volume "${volume}"`, function* () {
      if (isMetaVolume(volume)) fail('FileAccessDenied', 'Internal volumes stay')
      context.requireVolume(volume)
      const path = context.volumePath(volume)
      // What unfinished writes left behind is no content. Nothing comes between the look and the removal.
      if (!options.force && holdsKeys()) {
        fail('VolumeNotEmpty', `Volume "${volume}" is not empty`)
      }
      if (!context.removeEmptyDirectory(path)) context.trash(path)
      yield [{ directory: context.root }]
    })
  }

  readMetadata(
    volume: string,
    path: string,
    options: { readonly inline: boolean },
  ): DriveReply<Uint8Array> {
    return this.#read('read metadata', () => readMetadataFile(this.#context, volume, path, options))
  }

  commitVersion(request: CommitRequest): DriveReply<CommitReply> {
    return this.#change(keyOf(request.volume, request.path), 'commit a version', () =>
      commitVersion(this.#context, request),
    )
  }

  undoCommit(
    volume: string,
    path: string,
    versionId: string,
    oldDataDir: string | undefined,
  ): DriveReply<void> {
    return this.#change(keyOf(volume, path), 'take back a commit', () =>
      undoCommit(this.#context, volume, path, versionId, oldDataDir),
    )
  }

  updateVersion(volume: string, path: string, version: EncodedVersion): DriveReply<CommitReply> {
    return this.#change(keyOf(volume, path), 'update a version', () =>
      updateVersion(this.#context, volume, path, version),
    )
  }

  async deleteVersions(
    volume: string,
    path: string,
    requests: readonly DeleteRequest[],
  ): DriveReply<readonly DriveResult<DeleteReply>[]> {
    const run = (): DriveReply<readonly DriveResult<DeleteReply>[]> =>
      this.#change(keyOf(volume, path), 'delete versions', () =>
        deleteVersions(this.#context, volume, path, requests),
      )
    const result = await run()
    if (!(result instanceof DriveError) || result.code !== 'DriveFull') return result
    // What was deleted before makes room for the smaller metadata, or the reserve does.
    await this.emptyTrash(1000)
    this.#context.removeFile(`${this.#context.root}/${RESERVE_PATH}`)
    return run()
  }

  replaceMetadata(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#change(keyOf(volume, path), 'replace metadata', () =>
      replaceMetadata(this.#context, volume, path, bytes),
    )
  }

  restoreBackup(volume: string, path: string, dataDir: string): DriveReply<void> {
    return this.#change(keyOf(volume, path), 'restore a backup', () =>
      restoreBackup(this.#context, volume, path, dataDir),
    )
  }

  purgeDataDir(volume: string, path: string, dataDir: string): DriveReply<void> {
    return this.#read('purge a data directory', () => {
      this.#context.trash(this.#context.path(volume, `${path}/${dataDir}`))
    })
  }

  appendStaged(
    path: string,
    chunks: readonly Uint8Array[],
    options: { readonly last: boolean },
  ): DriveReply<void> {
    return this.#change(keyOf(TMP_VOLUME, path), 'append to a staged file', () =>
      this.#staged.append(path, chunks, options.last),
    )
  }

  linkStaged(
    volume: string,
    directory: string,
    names: readonly string[],
    folder: string,
  ): DriveReply<void> {
    return this.#read('link files', () => {
      this.#staged.link(this.#context.path(volume, directory), checkedNames(names), folder)
    })
  }

  discardStaged(path: string): DriveReply<void> {
    return this.#read('discard staged files', () => this.#staged.discard(path))
  }

  commitPart(request: PartCommit): DriveReply<void> {
    return this.#change(keyOf(MULTIPART_VOLUME, request.directory), 'commit a part', () =>
      commitPart(this.#context, request),
    )
  }

  readFile(
    volume: string,
    path: string,
    offset: number,
    target: Uint8Array,
    stream?: number,
    frameBytes?: number,
  ): DriveReply<void> {
    return this.#read('read a file', () => {
      this.#open.read(volume, path, offset, target, stream)
      if (frameBytes === undefined || areGoodFrames(this.#context.hashes, target, frameBytes))
        return
      fail('FileCorrupt', 'Hash of a block differs')
    })
  }

  closeStream(stream: number): void {
    this.#open.closeStream(stream)
  }

  statFiles(
    volume: string,
    directory: string,
    names: readonly string[],
  ): DriveReply<readonly (number | undefined)[]> {
    return this.#read('look at files', () => {
      const base = this.#context.directoryPath(volume, directory)
      return checkedNames(names).map((name) => {
        const stat = this.#statOrNone(`${base}/${name}`)
        return stat?.isFile === true ? stat.sizeBytes : undefined
      })
    })
  }

  readSmallFiles(
    volume: string,
    paths: readonly string[],
  ): DriveReply<readonly (Uint8Array | undefined)[]> {
    return this.#read('read small files', () =>
      paths.map((path) => this.#readSmallFile(this.#context.path(volume, path))),
    )
  }

  writeSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#change(keyOf(volume, path), 'write a small file', () => {
      this.#context.requireVolume(volume)
      return this.#context.replaceFile(this.#context.path(volume, path), bytes)
    })
  }

  appendSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    const context = this.#context
    return this.#change(keyOf(volume, path), 'append to a small file', function* () {
      context.requireVolume(volume)
      const full = context.path(volume, path)
      if (context.fileSystem.kindOf(full) === undefined) {
        context.makeDirectories(parentOf(full))
        context.steps.noteName(parentOf(full))
      }
      const file = context.fileSystem.open(full, 'append')
      try {
        context.fileSystem.write(file, [bytes])
        yield [{ file }]
      } finally {
        context.fileSystem.close(file)
      }
    })
  }

  listDirectory(volume: string, path: string, limit: number): DriveReply<readonly string[]> {
    return this.#read('list a directory', () => {
      const entries = this.#context.fileSystem.list(
        this.#context.directoryPath(volume, path),
        limit,
      )
      return entries.map(({ name, isDirectory }) => (isDirectory ? `${name}/` : name))
    })
  }

  trash(volume: string, path: string): DriveReply<void> {
    const context = this.#context
    return this.#change(keyOf(volume, path), 'move to the trash', function* () {
      const full = context.path(volume, path)
      if (!context.trash(full)) return
      yield [{ directory: context.removeEmptyUpward(volume, parentOf(full)) }]
    })
  }

  walk(request: WalkRequest): DriveReply<WalkReply> {
    return this.#read('walk', () => this.#walker.walk(request))
  }

  emptyTrash(limit: number): DriveReply<{ readonly left: number; readonly removed: number }> {
    return this.#read('empty the trash', () => {
      const emptied = this.#trash.empty(limit)
      this.#keepReserve()
      return emptied
    })
  }

  #keepReserve(): void {
    const { fileSystem, root } = this.#context
    const path = `${root}/${RESERVE_PATH}`
    if (fileSystem.kindOf(path) !== undefined) return
    if (fileSystem.space(root).freeBytes < RESERVE_NEEDS_BYTES) return
    this.#context.makeDirectories(parentOf(path))
    const file = fileSystem.open(path, 'create')
    try {
      fileSystem.write(file, [new Uint8Array(RESERVE_BYTES)])
    } finally {
      fileSystem.close(file)
    }
  }

  #statOrNone(path: string): ReturnType<DriveContext['fileSystem']['stat']> {
    try {
      return this.#context.fileSystem.stat(path)
    } catch (error) {
      if (systemErrorCode(error) === 'ENOTDIR') return undefined
      throw error
    }
  }

  #readSmallFile(path: string): Uint8Array | undefined {
    const { fileSystem } = this.#context
    const stat = this.#statOrNone(path)
    if (stat?.isFile !== true) return undefined
    if (stat.sizeBytes > SMALL_FILE_BYTES_MAX) fail('FileCorrupt', 'File is larger than 16 MiB')
    const file = fileSystem.open(path, 'read')
    try {
      const bytes = new Uint8Array(stat.sizeBytes)
      return bytes.subarray(0, fileSystem.read(file, bytes, 0))
    } finally {
      fileSystem.close(file)
    }
  }

  #change<T>(key: string, action: string, make: () => Change<T>): DriveReply<T> {
    return this.#context.steps.run(key, action, make)
  }

  /** Runs a call that waits for nothing. */
  #read<T>(action: string, call: () => T): DriveReply<T> {
    try {
      return Promise.resolve(call())
    } catch (error) {
      return Promise.resolve(toDriveError(error, action))
    }
  }
}

/** Throws `DriveError` for what is no name of a file in a directory. */
function checkedNames(names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (name.includes('/')) fail('FileAccessDenied', 'Names have no slashes')
    checkComponents(name)
  }
  return names
}

function keyOf(volume: string, path: string): string {
  return `${volume}/${path}`
}

function isListedVolume(name: string): boolean {
  return (
    LISTED_VOLUME_PATTERN.test(name) &&
    !/\.\.|\.-|-\./.test(name) &&
    !ADDRESS_PATTERN.test(name) &&
    name !== META_VOLUME
  )
}
