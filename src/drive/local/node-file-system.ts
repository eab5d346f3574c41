import * as fs from 'node:fs'
import { systemClock, type Clock } from '#base/clock'
import { BulkFiles } from './bulk-files.ts'
import {
  systemErrorCode,
  type DirectoryEntry,
  type FileKind,
  type FileStat,
  type FileSystem,
  type FlushTarget,
  type OpenMode,
} from './file-system.ts'

/**
 * Flushes of one drive in flight at a time. They run on the process's shared pool of threads: the process sets
 * `UV_THREADPOOL_SIZE` to more than this for each drive, so that a hung drive cannot take the threads of the others.
 */
const FLUSHES_IN_FLIGHT_MAX = 4

/**
 * So few targets are flushed by the calling thread when flushes were faster than `FAST_FLUSH_MS` lately: waking another
 * thread, and being woken by it, takes longer than that, and nobody else waits for anything more.
 */
const DIRECT_TARGETS_MAX = 2
const FAST_FLUSH_MS = 4
/** Weight of the latest flush in the average. */
const FLUSH_WEIGHT = 1 / 8

const FLAGS: Readonly<Record<Exclude<OpenMode, 'createBulk'>, number>> = {
  read: fs.constants.O_RDONLY,
  create: fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL,
  append: fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_APPEND,
}

/** The real file system. */
export function nodeFileSystem(
  flushesInFlightMax = FLUSHES_IN_FLIGHT_MAX,
  clock: Pick<Clock, 'monotonicMs'> = systemClock(),
): FileSystem {
  const bulk = new BulkFiles()
  /** Average time that the caller waited for a group of flushes. */
  let flushMs = FAST_FLUSH_MS
  const flush = async (
    targets: readonly FlushTarget[],
  ): Promise<readonly (Error | undefined)[]> => {
    const startMs = clock.monotonicMs()
    const isDirect = targets.length <= DIRECT_TARGETS_MAX && flushMs < FAST_FLUSH_MS
    const outcomes = isDirect
      ? targets.map((target) => tryFlushNow(target, bulk))
      : await flushAll(targets, bulk, flushesInFlightMax)
    const groups = Math.max(1, Math.ceil(targets.length / DIRECT_TARGETS_MAX))
    const groupMs = (clock.monotonicMs() - startMs) / groups
    flushMs += FLUSH_WEIGHT * (groupMs - flushMs)
    return outcomes
  }
  return {
    open: (path, mode) =>
      mode === 'createBulk' ? bulk.create(path) : fs.openSync(path, FLAGS[mode], 0o666),
    close: (file) => bulk.close(file),
    read: readFully,
    readStart: (file, target) => fs.readSync(file, target, 0, target.length, 0),
    write: (file, chunks) => {
      if (!bulk.write(file, chunks)) writeFully(file, chunks)
    },
    statFile: (file) => statOf(fs.fstatSync(file, { bigint: true })),
    stat: statPath,
    kindOf,
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
    flush,
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

function kindOf(path: string): FileKind | undefined {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  return { isDirectory: stat.isDirectory(), isFile: stat.isFile(), links: stat.nlink }
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
        resolve(flushFailure(target, error))
        return
      }
      fs.fdatasync(target.file, (error) => resolve(error ?? undefined))
      return
    }
    let file: number
    try {
      file = fs.openSync(target.directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    } catch (error) {
      resolve(flushFailure(target, error))
      return
    }
    fs.fsync(file, (error) => {
      fs.closeSync(file)
      resolve(error ?? undefined)
    })
  })
}

function tryFlushNow(target: FlushTarget, bulk: BulkFiles): Error | undefined {
  try {
    if ('file' in target) bulk.settle(target.file)
    flushNow(target)
    return undefined
  } catch (error) {
    return flushFailure(target, error)
  }
}

/** A directory that was removed meanwhile has no names to keep; its parent is flushed as well. */
function flushFailure(target: FlushTarget, error: unknown): Error | undefined {
  if ('directory' in target && systemErrorCode(error) === 'ENOENT') return undefined
  return error instanceof Error ? error : new Error('Cannot flush', { cause: error })
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
