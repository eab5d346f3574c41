import { TMP_VOLUME } from '../drive.ts'
import type { DriveContext } from './drive-context.ts'
import { parentOf } from './drive-paths.ts'
import { systemErrorCode } from './file-system.ts'
import { fail, type Change } from './step-scheduler.ts'

/** Staged files open at a time on one drive. */
const OPEN_MAX = 4096
/** Files whose first bytes are so many are written as bulk. */
const BULK_SIZE_MIN = 128 * 1024

/** Files that writers are appending to, below the staging area. */
export class StagedFiles {
  readonly #context: DriveContext
  readonly #open = new Map<string, number>()

  constructor(context: DriveContext) {
    this.#context = context
  }

  /** Appends; with `last` the content and the file's name are durable at the end. */
  *append(path: string, chunks: readonly Uint8Array[], last: boolean): Change<void> {
    const full = this.#context.path(TMP_VOLUME, path)
    const file = this.#open.get(path) ?? this.#create(path, full, sizeOf(chunks))
    try {
      this.#context.fileSystem.write(file, chunks)
      if (last) yield [{ file }, { directory: parentOf(full) }]
    } catch (error) {
      this.#close(path, file)
      this.#context.removeFile(full)
      throw error
    }
    if (last) this.#close(path, file)
  }

  /** Gives files second names in a staging folder; missing ones are passed over, unless all are. */
  link(directory: string, names: readonly string[], folder: string): void {
    const { fileSystem } = this.#context
    const full = this.#context.path(TMP_VOLUME, folder)
    this.#context.makeDirectories(full)
    let count = 0
    try {
      for (const name of names) {
        try {
          fileSystem.link(`${directory}/${name}`, `${full}/${name}`)
          count++
        } catch (error) {
          if (systemErrorCode(error) !== 'ENOENT') throw error
        }
      }
      if (count === 0) fail('FileNotFound', 'No file to link is there')
    } catch (error) {
      this.#context.removeTree(full)
      throw error
    }
  }

  /** Removes a staging folder with everything in it. */
  discard(folder: string): void {
    for (const [path, file] of this.#open) {
      if (path.startsWith(`${folder}/`)) this.#close(path, file)
    }
    this.#context.removeTree(this.#context.path(TMP_VOLUME, folder))
  }

  /** Whether somebody is writing into a staging folder. */
  isOpen(folder: string): boolean {
    for (const path of this.#open.keys()) if (path.startsWith(`${folder}/`)) return true
    return false
  }

  #create(path: string, full: string, firstSize: number): number {
    if (this.#open.size >= OPEN_MAX) fail('TooManyOpenFiles', 'Too many staged files are open')
    const { fileSystem } = this.#context
    const mode = firstSize < BULK_SIZE_MIN ? 'create' : 'createBulk'
    this.#context.makeDirectories(parentOf(full))
    const file = fileSystem.open(full, mode)
    this.#open.set(path, file)
    return file
  }

  #close(path: string, file: number): void {
    if (!this.#open.delete(path)) return
    this.#context.fileSystem.close(file)
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  let size = 0
  for (const chunk of chunks) size += chunk.length
  return size
}
