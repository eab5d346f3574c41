import { strictTextOf, utf8 } from '#base/bytes'
import type { Codec } from '#codec/codec'
import { ObjectError } from '../object.ts'

/**
 * Names of uploads in progress: ids for clients, folders for drives. Source: disk-format.md 6.5.
 *
 *   upload folder   <SHA-256 of "bucket/path">/<upload>      in MULTIPART_VOLUME
 *   <upload>        <uuid>x<nanoseconds of its creation>
 *   id for clients  base64url of "<deployment id>.<upload>", without padding
 */

/** MetaSys key of an upload in progress: `bucket/key`, since the folder does not tell. MinIO's uploads lack it. */
export const UPLOAD_KEY = 'x-minio-internal-cairn-upload-key'
/** MetaSys key of a version made by an upload: a digest of the upload and its part list, so that a repeated request is known. */
export const COMPLETED_KEY = 'x-minio-internal-cairn-completed-upload'

const UPLOAD_PATTERN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:x(\d{1,19}))?$/i
const FOLDER_PATTERN = /^[0-9a-f]{64}$/
const ID_PATTERN = /^[A-Za-z0-9_-]+$/
const ID_LENGTH_MAX = 256

export function encodeUploadId(deploymentId: string, upload: string): string {
  return utf8(`${deploymentId}.${upload}`).toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** The `<upload>` that an id names; undefined: no upload can have this id. Ids of old releases are the name itself. */
export function decodeUploadId(id: string): string | undefined {
  if (id.length > ID_LENGTH_MAX || !ID_PATTERN.test(id)) return undefined
  const upload = uploadIn(id) ?? id
  return UPLOAD_PATTERN.test(upload) ? upload : undefined
}

function uploadIn(id: string): string | undefined {
  // One character over a multiple of four is no base64 at all.
  if (id.length % 4 === 1) return undefined
  let text: string | undefined
  try {
    text = strictTextOf(Uint8Array.fromBase64(id, { alphabet: 'base64url' }))
  } catch {
    return undefined // not base64url: perhaps the name itself
  }
  const pieces = text?.split('.') ?? []
  return pieces.length === 2 ? pieces[1] : undefined
}

/** As `decodeUploadId`. Errors: `UploadNotFound`. */
export function requireUpload(bucket: string, key: string, id: string): string {
  const upload = decodeUploadId(id)
  if (upload === undefined) throw uploadNotFound(bucket, key, id)
  return upload
}

export function uploadNotFound(bucket: string, key: string, id: string): ObjectError {
  return new ObjectError('UploadNotFound', `Upload "${id}" of "${bucket}/${key}" does not exist`, {
    bucket,
    key,
  })
}

/** Name of a new upload. */
export function newUpload(uuid: string, createdNs: bigint): string {
  return `${uuid}x${createdNs}`
}

/** When an upload began, as its name tells; undefined for old names. Nanoseconds. */
export function uploadCreatedNs(upload: string): bigint | undefined {
  const digits = UPLOAD_PATTERN.exec(upload)?.[1]
  return digits === undefined ? undefined : BigInt(digits)
}

/** The folder of all uploads of one key. */
export function keyFolder(codec: Pick<Codec, 'checksum'>, bucket: string, path: string): string {
  const hasher = codec.checksum('sha256')
  hasher.update(utf8(`${bucket}/${path}`))
  return hasher.digest().toHex()
}

export function isKeyFolder(name: string): boolean {
  return FOLDER_PATTERN.test(name)
}

export function isUpload(name: string): boolean {
  return UPLOAD_PATTERN.test(name)
}
