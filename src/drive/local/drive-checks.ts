import { readFileSync } from 'node:fs'
import type { FileSystem } from './file-system.ts'
import { parentOf } from './drive-paths.ts'
import { systemErrorCode } from './file-system.ts'

/** What speaks against a folder as a drive, before its format is read. Sources: distributed.md 1.4, 2.4, 2.5, disk-format.md 8.2 (43). */

export interface CheckOptions {
  readonly fileSystem: FileSystem
  readonly allowRootDrive: boolean
  /** File systems up to this size count as the root drive; 0: compare device numbers. */
  readonly rootDriveThresholdBytes: number
}

/** Why the folder cannot be used, undefined when it can. Makes a missing folder with its parents. */
export function checkFolder(path: string, options: CheckOptions): string | undefined {
  const { fileSystem } = options
  try {
    const existing = fileSystem.stat(path)
    if (existing === undefined) {
      const missing = missingFolders(path, fileSystem)
      const base = parentOf(missing[0] ?? path) || '/'
      // The dot follows a symbolic link.
      if (fileSystem.kindOf(`${base}/.`)?.isDirectory !== true) return 'drive not found'
      // An unmounted drive leaves nothing, or an empty folder on the root file system: neither must be filled.
      if (isRootDrive(base, options)) return ROOT_DRIVE
      for (const folder of missing) fileSystem.makeDirectory(folder)
    } else if (!existing.isDirectory) return 'drive path is not a folder'
    if (isRootDrive(path, options)) return ROOT_DRIVE
    return checkNames(path, fileSystem)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === undefined) throw error
    if (code === 'EACCES' || code === 'EPERM') return 'drive access denied (permission-denied)'
    if (code === 'ENOTDIR') return 'drive path is not a folder'
    if (code === 'EROFS') return 'drive is read-only'
    if (code === 'ENOSPC' || code === 'EDQUOT') return undefined
    return `drive is faulty (${code})`
  }
}

/** The folder and its parents as far as nothing is there, the outermost first. */
function missingFolders(path: string, fileSystem: FileSystem): readonly string[] {
  const missing: string[] = []
  for (let folder = path; folder !== ''; folder = parentOf(folder)) {
    if (fileSystem.kindOf(folder) !== undefined) break
    missing.unshift(folder)
  }
  return missing
}

const ROOT_DRIVE = 'drive is part of root drive, will not be used'

function isRootDrive(path: string, options: CheckOptions): boolean {
  if (options.allowRootDrive) return false
  const { fileSystem, rootDriveThresholdBytes } = options
  if (rootDriveThresholdBytes > 0) {
    return fileSystem.space(path).totalBytes <= rootDriveThresholdBytes
  }
  return fileSystem.stat(path)?.device === fileSystem.stat('/')?.device
}

/** Writes a file and looks whether it answers to another spelling of its name. */
function checkNames(path: string, fileSystem: FileSystem): string | undefined {
  for (const { name } of fileSystem.list(path)) {
    if (/^\.writable-check-.*\.tmp$/i.test(name)) fileSystem.unlink(`${path}/${name}`)
  }
  const name = '.writable-check-name.tmp'
  fileSystem.close(fileSystem.open(`${path}/${name}`, 'create'))
  const isFolding = fileSystem.kindOf(`${path}/${name.toUpperCase()}`) !== undefined
  fileSystem.unlink(`${path}/${name}`)
  return isFolding ? 'drive does not tell upper case from lower case in names' : undefined
}

/** Mount points below a path, which would hide or lose data. */
export function mountsBelow(path: string): readonly string[] {
  let table: string
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return [] // no such table on this system: nothing can be said
  }
  return table
    .split('\n')
    .map((line) => unescapeMount(line.split(' ')[4] ?? ''))
    .filter((mount) => mount.startsWith(`${path}/`))
}

function unescapeMount(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
