import * as fs from 'node:fs'
import { BulkFiles } from './bulk-files.ts'
import type { DirectoryEntry, FileStat, FileSystem, FlushTarget, OpenMode } from './file-system.ts'

/**
 * Flushes of one drive in flight at a time. They run on the process's shared pool of threads: the process sets
 * `UV_THREADPOOL_SIZE` to more than this for each drive, so that a hung drive cannot take the threads of the others.
 */
export const FLUSHES_IN_FLIGHT_MAX = 4

const FLAGS: Readonly<Record<Exclude<OpenMode, 'createBulk'>, number>> = {
  read: fs.constants.O_RDONLY,
  create: fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL,
  append: fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_APPEND,
}

/** The real file system. */
export function nodeFileSystem(flushesInFlightMax = FLUSHES_IN_FLIGHT_MAX): FileSystem {
  const bulk = new BulkFiles()
  return {
    open: (path, mode) =>
      mode === 'createBulk' ? bulk.create(path) : fs.openSync(path, FLAGS[mode], 0o666),
    close: (file) => bulk.close(file),
    read: readFully,
    write: (file, chunks) => {
      if (!bulk.write(file, chunks)) writeFully(file, chunks)
    },
    statFile: (file) => statOf(fs.fstatSync(file, { bigint: true })),
    stat: statPath,
    list: (path, countMax) =>
      countMax === undefined
        ? fs.readdirSync(path, { withFileTypes: true }).map(entryOf)
        : listSome(path, countMax),
    makeDirectory: (path) => fs.mkdirSync(path, 0o777),
    rename: (from, to) => fs.renameSync(from, to),
    link: (from, to) => fs.linkSync(from, to),
    unlink: (path) => fs.unlinkSync(path),
    removeDirectory: (path) => fs.rmdirSync(path),
    space: (path) => {
      const { blocks, bsize, bavail, files, ffree, type } = fs.statfsSync(path)
      return {
        totalBytes: blocks * bsize,
        freeBytes: bavail * bsize,
        totalInodes: files,
        freeInodes: ffree,
        type: type.toString(16),
      }
    },
    flush: (targets) => flushAll(targets, bulk, flushesInFlightMax),
    flushNow: (target) => {
      if ('file' in target) bulk.settle(target.file)
      flushNow(target)
    },
  }
}

function readFully(file: number, target: Uint8Array, offset: number): number {
  let used = 0
  while (used < target.length) {
    const count = fs.readSync(file, target, used, target.length - used, offset + used)
    if (count === 0) break
    used += count
  }
  return used
}

function writeFully(file: number, chunks: readonly Uint8Array[]): void {
  let total = 0
  for (const chunk of chunks) total += chunk.length
  if (total === 0) return
  const written = fs.writevSync(file, chunks)
  if (written < total) writeRest(file, chunks, written)
}

/** After a short write, which is rare (a signal, a nearly full drive): the rest, piece by piece. */
function writeRest(file: number, chunks: readonly Uint8Array[], written: number): void {
  let skip = written
  for (const chunk of chunks) {
    let start = Math.min(skip, chunk.length)
    skip -= start
    while (start < chunk.length) start += fs.writeSync(file, chunk, start)
  }
}

function statPath(path: string): FileStat | undefined {
  const stat = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? undefined : statOf(stat)
}

function statOf(stat: fs.BigIntStats): FileStat {
  return {
    isDirectory: stat.isDirectory(),
    isFile: stat.isFile(),
    sizeBytes: Number(stat.size),
    modifiedNs: stat.mtimeNs,
    inode: stat.ino,
    device: stat.dev,
    links: Number(stat.nlink),
  }
}

/** Without reading the whole of a large directory. */
function listSome(path: string, countMax: number): readonly DirectoryEntry[] {
  const entries: DirectoryEntry[] = []
  const directory = fs.opendirSync(path, { bufferSize: Math.max(1, Math.min(countMax, 1024)) })
  try {
    while (entries.length < countMax) {
      const entry = directory.readSync()
      if (entry === null) break
      entries.push(entryOf(entry))
    }
  } finally {
    directory.closeSync()
  }
  return entries
}

function entryOf(entry: fs.Dirent): DirectoryEntry {
  return { name: entry.name, isDirectory: entry.isDirectory(), isFile: entry.isFile() }
}

/** Several at once, since a journaling file system then commits once for all of them. */
async function flushAll(
  targets: readonly FlushTarget[],
  bulk: BulkFiles,
  inFlightMax: number,
): Promise<readonly (Error | undefined)[]> {
  const outcomes: (Error | undefined)[] = targets.map(() => undefined)
  const entries = targets.entries()
  const worker = async (): Promise<void> => {
    for (const [index, target] of entries) outcomes[index] = await flushOne(target, bulk)
  }
  await Promise.all(Array.from({ length: Math.min(inFlightMax, targets.length) }, worker))
  return outcomes
}

function flushOne(target: FlushTarget, bulk: BulkFiles): Promise<Error | undefined> {
  return new Promise((resolve) => {
    if ('file' in target) {
      try {
        bulk.settle(target.file)
      } catch (error) {
        resolve(error instanceof Error ? error : new Error('Cannot write', { cause: error }))
        return
      }
      fs.fdatasync(target.file, (error) => resolve(error ?? undefined))
      return
    }
    let file: number
    try {
      file = fs.openSync(target.directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    } catch (error) {
      // A directory that was removed meanwhile has no names to keep; its parent is flushed as well.
      const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      resolve(isGone ? undefined : error instanceof Error ? error : new Error('Cannot open'))
      return
    }
    fs.fsync(file, (error) => {
      fs.closeSync(file)
      resolve(error ?? undefined)
    })
  })
}

function flushNow(target: FlushTarget): void {
  if ('file' in target) {
    fs.fdatasyncSync(target.file)
    return
  }
  const file = fs.openSync(target.directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    fs.fsyncSync(file)
  } finally {
    fs.closeSync(file)
  }
}
