import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import { META_VOLUME, TRASH_VOLUME, type Durability } from '../drive.ts'
import type { DriveHashes } from '../xl-meta.ts'
import { parentOf, pathBelow, pathOfVolume, requireVolume } from './drive-paths.ts'
import { systemErrorCode, type FileSystem } from './file-system.ts'
import { fail, StepScheduler, type Change } from './step-scheduler.ts'

/** What the parts of one local drive share, and the few moves that all of them make. */
export interface LocalDriveOptions {
  readonly fileSystem: FileSystem
  /** Absolute path without a trailing slash. */
  readonly root: string
  readonly clock: Clock
  readonly random: Random
  readonly hashes: DriveHashes
  readonly durability: Durability
  /** The drive's format says `CRCMOD`: objects of before 2020 (`xl.json`) may be there. */
  readonly mayHoldV1: boolean
}

export class DriveContext {
  readonly fileSystem: FileSystem
  readonly root: string
  readonly clock: Clock
  readonly random: Random
  readonly hashes: DriveHashes
  readonly mayHoldV1: boolean
  readonly steps: StepScheduler
  readonly #trash: string
  readonly #staging: string

  constructor(options: LocalDriveOptions) {
    this.fileSystem = options.fileSystem
    this.root = options.root
    this.clock = options.clock
    this.random = options.random
    this.hashes = options.hashes
    this.mayHoldV1 = options.mayHoldV1
    this.steps = new StepScheduler(options.fileSystem, {
      flushesDirectories: options.durability === 'strict',
    })
    this.#trash = `${options.root}/${TRASH_VOLUME}`
    this.#staging = `${options.root}/${META_VOLUME}/tmp`
  }

  /** Throws `DriveError`. */
  path(volume: string, path: string): string {
    return pathBelow(this.root, volume, path)
  }

  /** Throws `DriveError`. */
  volumePath(volume: string): string {
    return pathOfVolume(this.root, volume)
  }

  /** A directory of a volume; `path` empty: the volume. Throws `DriveError`. */
  directoryPath(volume: string, path: string): string {
    return path === '' ? this.volumePath(volume) : this.path(volume, path)
  }

  /** Throws `VolumeNotFound` when a client's bucket is missing, else returns. */
  requireVolume(volume: string): void {
    requireVolume(this.fileSystem, this.root, volume)
  }

  /** Makes a directory with its parents, but never a client's volume; every new name outside the staging area waits for the next flush. */
  makeDirectories(path: string): void {
    const missing: string[] = []
    let current = path
    while (current.length > this.root.length) {
      // A volume that was deleted while a commit into it waited must not come back.
      if (parentOf(current) === this.root && !current.endsWith(`/${META_VOLUME}`)) {
        if (this.fileSystem.kindOf(current)?.isDirectory !== true) {
          fail('VolumeNotFound', 'The volume does not exist any more')
        }
        break
      }
      try {
        this.fileSystem.makeDirectory(current)
        this.#noteMade(current)
        break
      } catch (error) {
        const code = systemErrorCode(error)
        if (code === 'EEXIST') {
          if (missing.length === 0 && this.fileSystem.kindOf(current)?.isDirectory !== true)
            throw error
          break
        }
        if (code !== 'ENOENT') throw error
        missing.push(current)
        current = parentOf(current)
      }
    }
    for (const directory of missing.toReversed()) {
      this.fileSystem.makeDirectory(directory)
      this.#noteMade(directory)
    }
  }

  #noteMade(directory: string): void {
    // Folders of the staging area need no durable name: what is kept gets its name elsewhere, the rest is dropped at a start.
    if (!directory.startsWith(`${this.#staging}/`)) this.steps.noteName(parentOf(directory))
  }

  /** Writes a staging file and waits until its content is durable; answers its path, to be renamed into place. */
  *writeStaged(bytes: Uint8Array): Change<string> {
    const path = `${this.#staging}/${this.random.uuid()}`
    const file = this.#openStaged(path)
    try {
      this.fileSystem.write(file, [bytes])
      yield [{ file }]
    } catch (error) {
      this.removeFile(path)
      throw error
    } finally {
      this.fileSystem.close(file)
    }
    return path
  }

  #openStaged(path: string): number {
    try {
      return this.fileSystem.open(path, 'create')
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error
      this.makeDirectories(parentOf(path))
      return this.fileSystem.open(path, 'create')
    }
  }

  /** Puts staged bytes in the place of a file, which stays whole at every moment. */
  *replaceFile(path: string, bytes: Uint8Array): Change<void> {
    const staged = yield* this.writeStaged(bytes)
    try {
      this.moveInto(staged, path)
    } catch (error) {
      this.removeFile(staged)
      throw error
    }
    yield [{ directory: parentOf(path) }]
  }

  /** Renames, making the parents of the destination when they are missing. */
  moveInto(from: string, to: string): void {
    try {
      this.fileSystem.rename(from, to)
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') {
        throw error
      }
      this.makeDirectories(parentOf(to))
      this.fileSystem.rename(from, to)
    }
  }

  /** Moves a file or tree out of sight; false when nothing is there. Never fails for lack of space. */
  trash(path: string): boolean {
    try {
      this.moveInto(path, `${this.#trash}/${this.random.uuid()}`)
      return true
    } catch (error) {
      const code = systemErrorCode(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return false
      if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EXDEV') throw error
      this.removeTree(path)
      return true
    }
  }

  /** Removes a tree at once. Missing is fine. */
  removeTree(path: string): void {
    const stat = this.fileSystem.stat(path)
    if (stat === undefined) return
    if (!stat.isDirectory) {
      this.removeFile(path)
      return
    }
    for (const entry of this.fileSystem.list(path)) {
      if (entry.isDirectory) this.removeTree(`${path}/${entry.name}`)
      else this.removeFile(`${path}/${entry.name}`)
    }
    this.removeEmptyDirectory(path)
  }

  /** Missing is fine. */
  removeFile(path: string): void {
    try {
      this.fileSystem.unlink(path)
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error
    }
  }

  /** True when the directory is gone now; false when it is not empty. */
  removeEmptyDirectory(path: string): boolean {
    try {
      this.fileSystem.removeDirectory(path)
      return true
    } catch (error) {
      const code = systemErrorCode(error)
      if (code === 'ENOENT') return true
      if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') return false
      throw error
    }
  }

  /** Removes a directory and the parents that become empty, up to the volume, which stays. Answers the directory whose names changed last. */
  removeEmptyUpward(volume: string, directory: string): string {
    const volumePath = this.volumePath(volume)
    let current = directory
    while (current.length > volumePath.length && this.removeEmptyDirectory(current)) {
      current = parentOf(current)
    }
    return current
  }
}
