import { DriveError, META_VOLUME } from '../drive.ts'
import { type FileSystem, systemErrorCode } from './file-system.ts'

const COMPONENT_CODE_POINTS_MAX = 255
const PATH_BYTES_MAX = 4096

/** Whether a volume belongs to Cairn and MinIO themselves: it needs no directory that a client made. */
export function isMetaVolume(volume: string): boolean {
  return volume === META_VOLUME || volume.startsWith(`${META_VOLUME}/`)
}

/** The directory of a volume, never outside the drive. Throws `DriveError`. */
export function pathOfVolume(root: string, volume: string): string {
  checkComponents(volume)
  return `${root}/${volume}`
}

/** A path inside a volume, never outside it and not the volume itself. Throws `DriveError`. */
export function pathBelow(root: string, volume: string, path: string): string {
  checkComponents(volume)
  checkComponents(path)
  const full = `${root}/${volume}/${path}`
  if (full.length > PATH_BYTES_MAX / 3 && new TextEncoder().encode(full).length >= PATH_BYTES_MAX) {
    throw new DriveError('FileNameTooLong', 'Path is too long for the file system')
  }
  return full
}

/** Throws `DriveError` for a path with components that lead elsewhere or that no file can have. */
export function checkComponents(path: string): void {
  for (const component of path.split('/')) {
    if (component === '' || component === '.' || component === '..' || component.includes('\0')) {
      throw new DriveError('FileAccessDenied', `Path component "${component}" is not allowed`)
    }
    if (
      component.length > COMPONENT_CODE_POINTS_MAX &&
      Array.from(component).length > COMPONENT_CODE_POINTS_MAX
    ) {
      throw new DriveError('FileNameTooLong', 'Path component is longer than 255 characters')
    }
  }
}

/** Throws `VolumeNotFound` when a client's bucket is missing, else returns. */
export function requireVolume(fileSystem: FileSystem, root: string, volume: string): void {
  if (isMetaVolume(volume)) return
  if (fileSystem.kindOf(pathOfVolume(root, volume))?.isDirectory !== true) {
    throw new DriveError('VolumeNotFound', `Volume "${volume}" does not exist`)
  }
}

/** The parent of an absolute path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** What a failed step means. The one place where errors of system calls become errors of drives. Source: distributed.md D9.10. */
export function toDriveError(error: unknown, action: string): DriveError {
  if (error instanceof DriveError) return error
  const code = systemErrorCode(error)
  const fail = (driveCode: DriveError['code']): DriveError =>
    new DriveError(driveCode, `Cannot ${action}`, { cause: error })
  switch (code) {
    case 'ENOENT':
      return fail('FileNotFound')
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOTEMPTY':
    case 'EEXIST':
    case 'ELOOP':
    case 'EXDEV':
      return fail('FileAccessDenied')
    case 'ENAMETOOLONG':
    case 'EINVAL':
    case 'EILSEQ':
      return fail('FileNameTooLong')
    case 'EACCES':
    case 'EPERM':
      return fail('DriveAccessDenied')
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('DriveFull')
    case 'EMFILE':
    case 'ENFILE':
      return fail('TooManyOpenFiles')
    case 'EIO':
    case 'ENODEV':
    case 'ENXIO':
    case 'EROFS':
    case 'ESTALE':
    case 'ESHUTDOWN':
    case 'EUCLEAN':
    case 'EBADMSG':
    case 'ENOTCONN':
    case 'EREMOTEIO':
      return fail('DriveFaulty')
    default:
      return fail('Unexpected')
  }
}
