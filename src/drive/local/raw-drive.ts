import type { Random } from '#base/random'
import { META_VOLUME } from '../drive.ts'
import { parentOf } from './drive-paths.ts'
import { systemErrorCode, type FileSystem } from './file-system.ts'

/** Directories looked at in search of forgotten objects, and entries of each. */
const SEARCHED_MAX = 1000

/** A drive before the engine uses it: plain files below `.minio.sys`, written durably. */
export class RawDrive {
  readonly #fileSystem: FileSystem
  readonly #root: string
  readonly #meta: string
  readonly #random: Random

  constructor(fileSystem: FileSystem, root: string, random: Random) {
    this.#fileSystem = fileSystem
    this.#root = root
    this.#meta = `${root}/${META_VOLUME}`
    this.#random = random
  }

  /** Undefined: not there. */
  read(path: string): Uint8Array | undefined {
    const full = `${this.#meta}/${path}`
    const stat = this.#fileSystem.stat(full)
    if (stat?.isFile !== true) return undefined
    const file = this.#fileSystem.open(full, 'read')
    try {
      const bytes = new Uint8Array(stat.sizeBytes)
      return bytes.subarray(0, this.#fileSystem.read(file, bytes, 0))
    } finally {
      this.#fileSystem.close(file)
    }
  }

  write(path: string, bytes: Uint8Array): void {
    const staged = `${this.#meta}/${this.#random.uuid()}`
    this.makeDirectories('')
    const file = this.#fileSystem.open(staged, 'create')
    try {
      this.#fileSystem.write(file, [bytes])
      this.#fileSystem.flushNow({ file })
    } catch (error) {
      // A start that waits for room tries again and again.
      this.#fileSystem.unlink(staged)
      throw error
    } finally {
      this.#fileSystem.close(file)
    }
    const full = `${this.#meta}/${path}`
    this.#makeAll(parentOf(full))
    this.#fileSystem.rename(staged, full)
    this.#fileSystem.flushNow({ directory: parentOf(full) })
    this.#fileSystem.flushNow({ directory: this.#meta })
  }

  move(from: string, to: string): void {
    this.#fileSystem.rename(`${this.#meta}/${from}`, `${this.#meta}/${to}`)
    this.#fileSystem.flushNow({ directory: parentOf(`${this.#meta}/${to}`) })
  }

  makeDirectories(path: string): void {
    this.#makeAll(path === '' ? this.#meta : `${this.#meta}/${path}`)
  }

  trash(path: string): void {
    this.#moveToTrash(`${this.#meta}/${path}`)
  }

  /** A top-level folder with objects, on a drive that says it is new. */
  findForgottenBucket(): string | undefined {
    for (const { name, isDirectory } of this.#fileSystem.list(this.#root)) {
      if (!isDirectory || name === META_VOLUME || name === 'lost+found') continue
      if (this.#holdsObjects(`${this.#root}/${name}`)) return name
    }
    return undefined
  }

  /** Looks at so many directories at most: enough to meet an object in any bucket that has some. */
  #holdsObjects(folder: string): boolean {
    const folders = [folder]
    for (let i = 0; i < Math.min(folders.length, SEARCHED_MAX); i++) {
      const path = folders[i] ?? ''
      for (const { name, isDirectory, isFile } of this.#fileSystem.list(path, SEARCHED_MAX)) {
        if (isFile && (name === 'xl.meta' || name === 'xl.json')) return true
        if (isDirectory && folders.length < SEARCHED_MAX) folders.push(`${path}/${name}`)
      }
    }
    return false
  }

  /** What every start does: old staging to the trash, the folders made, listing caches dropped. Source: distributed.md 2.4. */
  tidyUp(): void {
    const old = `${this.#meta}/tmp-old/${this.#random.uuid()}`
    this.makeDirectories('tmp-old')
    try {
      this.#fileSystem.rename(`${this.#meta}/tmp`, old)
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error
    }
    for (const path of ['tmp/.trash', 'multipart', 'buckets', 'config', 'cairn']) {
      this.makeDirectories(path)
    }
    for (const name of this.#listOrNone(`${this.#meta}/tmp-old`)) {
      this.#moveToTrash(`${this.#meta}/tmp-old/${name}`)
    }
    for (const bucket of this.#listOrNone(`${this.#meta}/buckets`)) {
      this.#moveToTrash(`${this.#meta}/buckets/${bucket}/.metacache`)
    }
    this.#fileSystem.flushNow({ directory: this.#meta })
  }

  #moveToTrash(path: string): void {
    this.makeDirectories('tmp/.trash')
    try {
      this.#fileSystem.rename(path, `${this.#meta}/tmp/.trash/${this.#random.uuid()}`)
    } catch (error) {
      const code = systemErrorCode(error)
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
    }
  }

  #listOrNone(path: string): string[] {
    if (this.#fileSystem.stat(path)?.isDirectory !== true) return []
    return this.#fileSystem.list(path).map(({ name }) => name)
  }

  #makeAll(path: string): void {
    if (this.#fileSystem.stat(path)?.isDirectory === true) return
    this.#makeAll(parentOf(path))
    this.#fileSystem.makeDirectory(path)
    this.#fileSystem.flushNow({ directory: parentOf(path) })
  }
}
