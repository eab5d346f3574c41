import { TMP_VOLUME, TRASH_VOLUME } from '../drive.ts'
import type { DriveContext } from './drive-context.ts'
import { systemErrorCode } from './file-system.ts'
import type { StagedFiles } from './staged-files.ts'

/** Files and directories that one call removes, so that reads are not kept waiting: about 20 ms. */
const REMOVALS_MAX = 1000
/** Writers that end without dropping their staging, by a crash of their thread, leave it behind. Source: disk-format.md 6.5. */
const STAGING_AGE_MS_MIN = 24 * 3_600_000

/** Removes for good what was moved out of sight, a portion at a time. */
export class Trash {
  readonly #context: DriveContext
  readonly #staged: StagedFiles
  #removalsLeft = 0

  constructor(context: DriveContext, staged: StagedFiles) {
    this.#context = context
    this.#staged = staged
  }

  /** Answers how many entries of the trash are left. A large tree takes several calls. */
  empty(options: { readonly olderThanMs: number; readonly limit: number }): number {
    this.#removalsLeft = REMOVALS_MAX
    const left = this.#emptyFolder(TRASH_VOLUME, options, () => true)
    const olderThanMs = Math.max(options.olderThanMs, STAGING_AGE_MS_MIN)
    const isStaging = (name: string): boolean => name !== '.trash' && !this.#staged.isOpen(name)
    this.#emptyFolder(TMP_VOLUME, { ...options, olderThanMs }, isStaging)
    return left
  }

  #emptyFolder(
    volume: string,
    options: { readonly olderThanMs: number; readonly limit: number },
    isWanted: (name: string) => boolean,
  ): number {
    const { fileSystem, clock } = this.#context
    const folder = this.#context.volumePath(volume)
    const oldestNs = clock.nowNs() - BigInt(options.olderThanMs) * 1_000_000n
    let removed = 0
    let left = 0
    for (const name of this.#namesIn(folder)) {
      if (!isWanted(name)) continue
      const path = `${folder}/${name}`
      const stat = fileSystem.stat(path)
      const isYoung = stat !== undefined && stat.modifiedNs > oldestNs
      if (!isYoung && removed < options.limit && this.#remove(path)) removed++
      else left++
    }
    return left
  }

  /** False: more of it is left for another call. */
  #remove(path: string): boolean {
    const { fileSystem } = this.#context
    if (this.#removalsLeft <= 0) return false
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

  #namesIn(path: string, countMax?: number): readonly string[] {
    try {
      return this.#context.fileSystem.list(path, countMax).map(({ name }) => name)
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return []
      throw error
    }
  }
}
