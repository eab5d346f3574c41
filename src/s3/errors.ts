/** The one border between the errors of the engine and the codes of S3 (s3-api.md 5.7). */
import { EncryptionError, type KmsCall } from '#encryption/encryption'
import { ObjectError } from '#object/object'
import { S3Error, type S3ErrorCode } from '#s3-protocol/s3-error'

/** What a client is told about anything thrown. Unknown errors become `InternalError`; their text stays in the log. */
export function errorOf(error: unknown): S3Error {
  if (error instanceof S3Error) return error
  if (error instanceof ObjectError) return objectErrorOf(error)
  if (error instanceof EncryptionError) return encryptionErrorOf(error)
  return new S3Error('InternalError', { cause: error })
}

/** What a client is told about keys; which of them, and where they are, stays in the log. Source: encryption.md 4.6. */
function encryptionErrorOf(error: EncryptionError): S3Error {
  const cause = { cause: error }
  switch (error.code) {
    case 'KeyMismatch':
      return new S3Error('AccessDenied', cause)
    case 'Tampered':
      return new S3Error('XMinioObjectTampered', { ...cause, status: 500 })
    case 'BadMetadata':
      return new S3Error('XMinioEncryptionError', cause)
    case 'NoKms':
      return new S3Error('NotImplemented', {
        ...cause,
        message: 'Server side encryption specified but KMS is not configured',
      })
    case 'KmsNotAuthorized':
      return new S3Error('kms:NotAuthorized', cause)
    case 'KmsKeyNotFound':
      return new S3Error('kms:KeyNotFound', cause)
    case 'KmsKeyExists':
      return new S3Error('kms:KeyAlreadyExists', cause)
    case 'KmsBadCiphertext':
      return new S3Error('kms:InvalidCiphertextException', cause)
    case 'KmsNotSupported':
      return new S3Error('kms:NotSupported', cause)
    case 'KmsUnavailable':
      return new S3Error(KMS_FAILURES[error.call ?? 'status'], { ...cause, status: 503 })
    case 'KmsFailed':
      return new S3Error(KMS_FAILURES[error.call ?? 'status'], cause)
  }
}

const KMS_FAILURES: Readonly<Record<KmsCall, S3ErrorCode>> = {
  create: 'kms:KeyCreationFailed',
  generate: 'kms:KeyGenerationFailed',
  decrypt: 'kms:DecryptionFailed',
  list: 'kms:KeyListingFailed',
  status: 'kms:InternalError',
  mac: 'kms:InternalError',
}

function objectErrorOf(error: ObjectError): S3Error {
  const cause = { cause: error }
  const absent = { cause: error, subject: error.details }
  switch (error.code) {
    case 'BucketNotFound':
      return new S3Error('NoSuchBucket', absent)
    case 'BucketExists':
      return new S3Error('BucketAlreadyOwnedByYou', cause)
    case 'BucketNotEmpty':
      return new S3Error('BucketNotEmpty', cause)
    case 'BucketNameInvalid':
      return new S3Error('InvalidBucketName', cause)
    case 'ObjectNotFound':
      return new S3Error('NoSuchKey', { ...absent, headers: markerHeaders(error) })
    case 'VersionNotFound':
      return new S3Error('NoSuchVersion', {
        ...absent,
        elements: [['VersionId', error.details.versionId ?? '']],
      })
    case 'MethodNotAllowed':
      return new S3Error('MethodNotAllowed', {
        ...cause,
        // A delete marker can only be removed.
        headers: [...markerHeaders(error), ['Allow', 'DELETE']],
      })
    case 'ObjectNameInvalid':
      return new S3Error('XMinioInvalidObjectName', cause)
    case 'ObjectNameTooLong':
      return new S3Error('KeyTooLongError', cause)
    case 'ObjectExistsAsDirectory':
      return new S3Error('XMinioObjectExistsAsDirectory', cause)
    case 'PreconditionFailed':
      return preconditionFailed(error)
    case 'NotModified':
      return new S3Error('NotModified', { ...cause, headers: validatorHeaders(error) })
    case 'InvalidRange':
      return invalidRange(error)
    case 'InvalidPart':
      return invalidPart(error)
    case 'InvalidPartNumber':
      return new S3Error('InvalidPartNumber', cause)
    case 'InvalidPartOrder':
      return new S3Error('InvalidPartOrder', cause)
    case 'PartTooSmall':
      return partTooSmall(error)
    case 'UploadNotFound':
      return new S3Error('NoSuchUpload', cause)
    case 'IncompleteBody':
      return new S3Error('IncompleteBody', cause)
    case 'ReadQuorum':
      return new S3Error('SlowDownRead', cause)
    case 'WriteQuorum':
      return new S3Error('SlowDownWrite', cause)
    case 'LockTimeout':
      return new S3Error('RequestTimeout', cause)
    case 'QuotaExceeded':
      return new S3Error('XMinioAdminBucketQuotaExceeded', cause)
    case 'StorageFull':
      return new S3Error('XMinioStorageFull', cause)
    case 'NotImplemented':
      return new S3Error('NotImplemented', cause)
    case 'Aborted':
      return new S3Error('ClientDisconnected', cause)
    case 'Internal':
      return new S3Error('InternalError', cause)
  }
}

/** Clients tell by the name of the condition whether the object exists already. */
function preconditionFailed(error: ObjectError): S3Error {
  const { condition } = error.details
  return new S3Error('PreconditionFailed', {
    cause: error,
    elements: condition === undefined ? [] : [['Condition', condition]],
    headers: validatorHeaders(error),
  })
}

function markerHeaders(error: ObjectError): readonly (readonly [string, string])[] {
  const marker = error.details.deleteMarker
  if (marker === undefined) return []
  return [
    ['x-amz-delete-marker', 'true'],
    ['x-amz-version-id', marker.versionId],
  ]
}

/** What a cache needs to go on with the version it has. */
function validatorHeaders(error: ObjectError): readonly (readonly [string, string])[] {
  const { info } = error.details
  if (info === undefined) return []
  const headers: [string, string][] = [
    ['Last-Modified', httpDateOf(info.modifiedNs)],
    ['ETag', `"${info.etag}"`],
  ]
  if (info.versionId !== 'null') headers.push(['x-amz-version-id', info.versionId])
  for (const [stored, name] of [
    ['expires', 'Expires'],
    ['cache-control', 'Cache-Control'],
  ] as const) {
    const value = info.userMetadata.get(stored)
    if (value !== undefined && value !== '') headers.push([name, value])
  }
  return headers
}

function invalidRange(error: ObjectError): S3Error {
  const { range, sizeBytes } = error.details
  const elements: [string, string][] = []
  if (sizeBytes !== undefined) elements.push(['ActualObjectSize', String(sizeBytes)])
  if (range !== undefined) elements.push(['RangeRequested', range])
  return new S3Error('InvalidRange', {
    elements,
    headers: sizeBytes === undefined ? [] : [['Content-Range', `bytes */${sizeBytes}`]],
    cause: error,
  })
}

function invalidPart(error: ObjectError): S3Error {
  const { absentChecksum, partNumber } = error.details
  if (absentChecksum === undefined) return new S3Error('InvalidPart', { cause: error })
  return new S3Error('BadDigest', {
    message: `The ${absentChecksum} you specified for part ${partNumber} did not match what we received.`,
    cause: error,
  })
}

function partTooSmall(error: ObjectError): S3Error {
  const { partNumber, etag, sizeBytes, minSizeBytes } = error.details
  const elements: [string, string][] = []
  if (partNumber !== undefined) elements.push(['PartNumber', String(partNumber)])
  if (etag !== undefined) elements.push(['ETag', etag])
  if (sizeBytes !== undefined) elements.push(['ProposedSize', String(sizeBytes)])
  if (minSizeBytes !== undefined) elements.push(['MinSizeAllowed', String(minSizeBytes)])
  return new S3Error('EntityTooSmall', { elements, cause: error })
}

function httpDateOf(modifiedNs: bigint): string {
  return new Date(Number(modifiedNs / 1_000_000n)).toUTCString()
}
