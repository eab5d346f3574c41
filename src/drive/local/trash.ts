import { TMP_VOLUME, TRASH_VOLUME } from '../drive.ts'
import type { DriveContext } from './drive-context.ts'
import { systemErrorCode } from './file-system.ts'
import type { StagedFiles } from './staged-files.ts'

/** A call ends after so many files and directories, or so much time, so that clients are not kept waiting: the entry of a file in the cache is gone in 20 µs, that of one on the disk in milliseconds. */
const REMOVALS_MAX = 1000
const DURATION_MS_MAX = 10
/** Writers that end without dropping their staging, by a crash of their thread, leave it behind. Source: disk-format.md 6.5. */
const STAGING_AGE_NS_MIN = 24n * 3_600_000_000_000n

/** Removes for good what was moved out of sight, a portion at a time. */
export class Trash {
  readonly #context: DriveContext
  readonly #staged: StagedFiles
  #removalsLeft = 0
  #deadlineMs = 0

  constructor(context: DriveContext, staged: StagedFiles) {
    this.#context = context
    this.#staged = staged
  }

  /** Removes at most `limit` entries of the trash; answers how many more are known, and how many files and directories are gone. A large tree takes several calls. */
  empty(limit: number): { readonly left: number; readonly removed: number } {
    this.#removalsLeft = REMOVALS_MAX
    this.#deadlineMs = this.#context.clock.monotonicMs() + DURATION_MS_MAX
    const folder = this.#context.volumePath(TRASH_VOLUME)
    const names = this.#namesIn(folder, limit + 1)
    let left = names.length
    for (const name of names.slice(0, limit)) if (this.#remove(`${folder}/${name}`)) left--
    const removed = REMOVALS_MAX - this.#removalsLeft
    if (!this.#isSpent()) this.#dropStaging(limit)
    return { left, removed }
  }

  #dropStaging(limit: number): void {
    const { fileSystem, clock } = this.#context
    const folder = this.#context.volumePath(TMP_VOLUME)
    const oldestNs = clock.nowNs() - STAGING_AGE_NS_MIN
    let removed = 0
    for (const name of this.#namesIn(folder)) {
      if (removed === limit) return
      if (name === '.trash' || this.#staged.isOpen(name)) continue
      const stat = fileSystem.stat(`${folder}/${name}`)
      if (stat !== undefined && stat.modifiedNs <= oldestNs && this.#remove(`${folder}/${name}`)) {
        removed++
      }
    }
  }

  /** False: more of it is left for another call. */
  #remove(path: string): boolean {
    const { fileSystem } = this.#context
    if (this.#isSpent()) return false
    if (fileSystem.stat(path)?.isDirectory !== true) {
      this.#context.removeFile(path)
      this.#removalsLeft--
      return true
    }
    for (const name of this.#namesIn(path, this.#removalsLeft)) {
      if (!this.#remove(`${path}/${name}`)) return false
    }
    this.#removalsLeft--
    return this.#context.removeEmptyDirectory(path)
  }

  /** This call may remove no more. Each removes something, however slow the drive is. */
  #isSpent(): boolean {
    if (this.#removalsLeft === REMOVALS_MAX) return false
    return this.#removalsLeft <= 0 || this.#context.clock.monotonicMs() >= this.#deadlineMs
  }

  #namesIn(path: string, countMax?: number): readonly string[] {
    try {
      return this.#context.fileSystem.list(path, countMax).map(({ name }) => name)
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return []
      throw error
    }
  }
}
