import * as fs from 'node:fs'
import { copyBytes } from '#base/bytes'
import { systemErrorCode } from './file-system.ts'

/**
 * Files of large data, written past the page cache: their content goes to the drive while the upload runs, and neither
 * takes the memory that others use nor waits for a flush as a whole at the end.
 *
 *   chunks ─► window (page-aligned) ─► direct writes of whole pages
 *                └─ last, partial page: kept, written through the page cache when the file is flushed
 *
 * Where the file system has no direct writes, or refuses one, the file is written the ordinary way.
 */

const PLAIN_FLAGS = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL
/** Alignment that all drives accept. */
const PAGE_SIZE = 4096
const WINDOW_SIZE = 1024 * 1024
const WINDOW_MEMORY = { initial: WINDOW_SIZE / 65_536, maximum: WINDOW_SIZE / 65_536 }
const NOTHING = new Uint8Array(0)

interface BulkFile {
  readonly path: string
  /** For what is not whole pages, and for everything once direct writes were refused. */
  plain: number | undefined
  isDirect: boolean
  /** Bytes before the tail. */
  size: number
  /** What does not fill a page yet. */
  tail: Uint8Array
  isTailWritten: boolean
}

/** The bulk files of one drive. Throws what system calls throw; after that only `close` makes sense for the file. */
export class BulkFiles {
  readonly #files = new Map<number, BulkFile>()
  #window: Uint8Array | undefined

  /** The file must not exist. */
  create(path: string): number {
    let file: number
    try {
      file = fs.openSync(path, PLAIN_FLAGS | fs.constants.O_DIRECT, 0o666)
    } catch (error) {
      if (systemErrorCode(error) !== 'EINVAL') throw error
      // No direct writes here; the kernel may have made the file before it said so.
      fs.rmSync(path, { force: true })
      return fs.openSync(path, PLAIN_FLAGS, 0o666)
    }
    this.#files.set(file, {
      path,
      plain: undefined,
      isDirect: true,
      size: 0,
      tail: NOTHING,
      isTailWritten: true,
    })
    return file
  }

  /** False: not a bulk file. */
  write(file: number, chunks: readonly Uint8Array[]): boolean {
    const bulk = this.#files.get(file)
    if (bulk === undefined) return false
    // The memory of WebAssembly is the only one of JavaScript that surely begins at a page.
    this.#window ??= new Uint8Array(new WebAssembly.Memory(WINDOW_MEMORY).buffer)
    const window = this.#window
    window.set(bulk.tail)
    let used = bulk.tail.length
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const count = Math.min(chunk.length - at, WINDOW_SIZE - used)
        copyBytes(chunk.subarray(at, at + count), window, used)
        at += count
        used += count
        if (used < WINDOW_SIZE) continue
        this.#put(file, bulk, window)
        used = 0
      }
    }
    const whole = used - (used % PAGE_SIZE)
    if (whole > 0) this.#put(file, bulk, window.subarray(0, whole))
    bulk.tail = window.slice(whole, used)
    bulk.isTailWritten = bulk.tail.length === 0
    return true
  }

  /** Writes what was kept. To be called before the file is flushed. */
  settle(file: number): void {
    const bulk = this.#files.get(file)
    if (bulk === undefined || bulk.isTailWritten) return
    writeAt(plainOf(bulk), bulk.tail, bulk.size)
    bulk.isTailWritten = true
  }

  /** What was not flushed may be lost. */
  close(file: number): void {
    const bulk = this.#files.get(file)
    this.#files.delete(file)
    if (bulk?.plain !== undefined) fs.closeSync(bulk.plain)
    fs.closeSync(file)
  }

  /** Appends whole pages. */
  #put(file: number, bulk: BulkFile, pages: Uint8Array): void {
    if (bulk.isDirect) {
      try {
        writeAt(file, pages, bulk.size)
        bulk.size += pages.length
        return
      } catch (error) {
        // Other alignment, or what a short write left over: it is written again as a whole.
        if (systemErrorCode(error) !== 'EINVAL') throw error
        bulk.isDirect = false
      }
    }
    writeAt(plainOf(bulk), pages, bulk.size)
    bulk.size += pages.length
  }
}

function plainOf(bulk: BulkFile): number {
  bulk.plain ??= fs.openSync(bulk.path, fs.constants.O_WRONLY)
  return bulk.plain
}

function writeAt(file: number, bytes: Uint8Array, offset: number): void {
  let done = 0
  while (done < bytes.length) {
    done += fs.writeSync(file, bytes, done, bytes.length - done, offset + done)
  }
}
