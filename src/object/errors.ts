import type { DriveError } from '#drive/drive'
import type { Reduced } from './quorum/reduce.ts'
import { ObjectError, type ObjectErrorDetails } from './object.ts'

/** The border between drive errors and object errors. */

/** What a failed reduction means to the caller of a write. */
export function writeErrorOf(
  reduced: DriveError | 'NoQuorum',
  details: ObjectErrorDetails,
): ObjectError {
  return reduced === 'NoQuorum' ? noWriteQuorum(details) : objectErrorOf(reduced, 'write', details)
}

/** Throws unless `reduced` is a success. */
export function checkWrite(reduced: Reduced, details: ObjectErrorDetails): void {
  if (reduced !== undefined) throw writeErrorOf(reduced, details)
}

export function noReadQuorum(details: ObjectErrorDetails, cause?: unknown): ObjectError {
  return new ObjectError(
    'ReadQuorum',
    `Cannot read "${nameOf(details)}": too few drives answer or agree`,
    details,
    cause === undefined ? undefined : { cause },
  )
}

export function noWriteQuorum(details: ObjectErrorDetails, cause?: unknown): ObjectError {
  return new ObjectError(
    'WriteQuorum',
    `Cannot write "${nameOf(details)}": too few drives took it`,
    details,
    cause === undefined ? undefined : { cause },
  )
}

export function objectNotFound(details: ObjectErrorDetails): ObjectError {
  return details.versionId === undefined
    ? new ObjectError('ObjectNotFound', `Object "${nameOf(details)}" does not exist`, details)
    : new ObjectError(
        'VersionNotFound',
        `Object "${nameOf(details)}" has no version ${details.versionId}`,
        details,
      )
}

/** The error of one drive, when enough drives share it. */
export function objectErrorOf(
  error: DriveError,
  access: 'read' | 'write',
  details: ObjectErrorDetails,
): ObjectError {
  const name = nameOf(details)
  const options = { cause: error }
  switch (error.code) {
    case 'VolumeNotFound':
      return new ObjectError(
        'BucketNotFound',
        `Bucket "${details.bucket ?? ''}" does not exist`,
        details,
        options,
      )
    case 'VolumeExists':
      return new ObjectError(
        'BucketExists',
        `Bucket "${details.bucket ?? ''}" exists already`,
        details,
        options,
      )
    case 'VolumeNotEmpty':
      return new ObjectError(
        'BucketNotEmpty',
        `Bucket "${details.bucket ?? ''}" is not empty`,
        details,
        options,
      )
    case 'FileNotFound':
    case 'FileVersionNotFound':
      return objectNotFound(details)
    case 'FileAccessDenied':
      return new ObjectError(
        'ObjectExistsAsDirectory',
        `Object "${name}" stands where a folder is, or below another object`,
        details,
        options,
      )
    case 'FileNameTooLong':
      return new ObjectError(
        'ObjectNameTooLong',
        `Key "${name}" is too long for the drives`,
        details,
        options,
      )
    case 'DriveFull':
      return new ObjectError('StorageFull', `No space left for "${name}"`, details, options)
    case 'FileCorrupt':
    case 'StaleCommit':
    case 'DriveNotFound':
    case 'DriveFaulty':
    case 'DriveTimeout':
    case 'DriveAccessDenied':
    case 'DriveUnformatted':
    case 'TooManyOpenFiles':
    case 'Unexpected':
      return access === 'read' ? noReadQuorum(details, error) : noWriteQuorum(details, error)
  }
}

function nameOf(details: ObjectErrorDetails): string {
  return `${details.bucket ?? ''}/${details.key ?? ''}`
}
