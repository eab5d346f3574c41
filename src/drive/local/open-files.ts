import { DriveError } from '../drive.ts'
import type { DriveContext } from './drive-context.ts'
import { systemErrorCode } from './file-system.ts'
import { fail } from './step-scheduler.ts'

/** Files kept open for readers; beyond it the longest unused one is closed and opened anew when needed. */
const OPEN_MAX = 1024

interface OpenFile {
  readonly path: string
  readonly file: number
}

/** Reads of shard files. A reader with a stream keeps its file, also when the name goes to another one meanwhile. */
export class OpenFiles {
  readonly #context: DriveContext
  /** By stream, the longest unused first. */
  readonly #open = new Map<number, OpenFile>()

  constructor(context: DriveContext) {
    this.#context = context
  }

  /** Throws `DriveError`. */
  read(
    volume: string,
    path: string,
    offset: number,
    target: Uint8Array,
    stream: number | undefined,
  ): void {
    const { fileSystem } = this.#context
    const full = this.#context.path(volume, path)
    const known = stream === undefined ? undefined : this.#open.get(stream)
    const file = known?.path === full ? known.file : this.#openFile(volume, full)
    try {
      const count = fileSystem.read(file, target, offset)
      if (count < target.length) {
        fail(
          'FileCorrupt',
          `File is too short: expected ${offset + target.length} bytes, got ${offset + count}`,
        )
      }
    } catch (error) {
      if (stream === undefined || known?.file !== file) fileSystem.close(file)
      throw error
    }
    if (stream === undefined) fileSystem.close(file)
    else this.#keep(stream, { path: full, file }, known)
  }

  closeStream(stream: number): void {
    const known = this.#open.get(stream)
    if (known === undefined) return
    this.#open.delete(stream)
    this.#context.fileSystem.close(known.file)
  }

  #openFile(volume: string, full: string): number {
    try {
      return this.#context.fileSystem.open(full, 'read')
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') this.#context.requireVolume(volume)
      if (systemErrorCode(error) === 'ENOTDIR') {
        throw new DriveError('FileNotFound', 'A parent of the file is not a directory', {
          cause: error,
        })
      }
      throw error
    }
  }

  #keep(stream: number, used: OpenFile, known: OpenFile | undefined): void {
    if (known !== undefined && known.file !== used.file) this.#context.fileSystem.close(known.file)
    this.#open.delete(stream)
    this.#open.set(stream, used)
    if (this.#open.size <= OPEN_MAX) return
    for (const oldest of this.#open.keys()) {
      this.closeStream(oldest)
      return
    }
  }
}
