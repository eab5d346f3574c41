import { DatabaseSync } from 'node:sqlite'

/**
 * One server for each drive: a lock on `.minio.sys/cairn/lock` that the kernel frees when the process ends, however it ends.
 *
 * Node.js has no call for file locks, so SQLite takes one (`BEGIN EXCLUSIVE` on an empty database): it holds also against
 * processes of other containers on the same file system, and no stale lock has to be judged by process ids or ages.
 */
export interface DriveLock {
  release(): void
}

const BUSY = 5

/** Undefined: another process has the drive. Throws when the file cannot be made. */
export function lockDrive(path: string): DriveLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    // In memory: nothing is written beside the lock file.
    database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return undefined
    throw error
  }
  return { release: () => database.close() }
}
