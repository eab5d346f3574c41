/** Which contents are compressed before they are stored (encryption.md 8.2), and what replies tell of it. */
import { utf8 } from '#base/bytes'
import { matchesWildcard } from '#iam/wildcard'
import { COMPRESSION_KEY, COMPRESSION_SCHEME } from '#object/metadata-keys'
import type { ObjectInfo } from '#object/object'
import { compressionOf } from '#object/object-info'
import type { S3Call } from '../s3.ts'
import type { Header } from './object-headers.ts'

/** Smaller contents stay as they are, but not smaller parts. */
const SIZE_MIN_BYTES = 4097
/** Contents that are compressed already. */
const EXCLUDED_ENDS = [
  '.gz',
  '.bz2',
  '.rar',
  '.zip',
  '.7z',
  '.xz',
  '.mp4',
  '.mkv',
  '.mov',
  '.jpg',
  '.png',
  '.gif',
]
const EXCLUDED_TYPES = [
  'video/*',
  'audio/*',
  'application/zip',
  'application/x-gzip',
  'application/x-zip-compressed',
  'application/x-compress',
  'application/x-spoon',
]

type SystemMetadata = ReadonlyMap<string, Uint8Array>

/**
 * System metadata of content that `call` writes: that of its encryption, empty without one, and what makes the engine
 * compress it. The size is undefined where it is not known; for an upload it does not matter.
 */
export function contentMetadata(
  call: S3Call,
  encryption: SystemMetadata,
  sizeBytes: number | 'in parts' | undefined,
): SystemMetadata {
  if (!isToCompress(call, encryption.size > 0, sizeBytes)) return encryption
  return new Map(encryption).set(COMPRESSION_KEY, utf8(COMPRESSION_SCHEME))
}

function isToCompress(
  call: S3Call,
  isEncrypted: boolean,
  sizeBytes: number | 'in parts' | undefined,
): boolean {
  const settings = call.services.compression
  if (settings?.isEnabled !== true) return false
  if (isEncrypted && !settings.allowsEncryption) return false
  if (sizeBytes !== 'in parts' && (sizeBytes ?? 0) < SIZE_MIN_BYTES) return false
  const key = call.key.toLowerCase()
  // What the client sent, not what is stored.
  const type = call.request.header('content-type') ?? ''
  if (EXCLUDED_ENDS.some((end) => key.endsWith(end))) return false
  if (EXCLUDED_TYPES.some((pattern) => matchesWildcard(pattern, type))) return false
  return (
    settings.extensions.some((end) => end === '*' || key.endsWith(end.toLowerCase())) ||
    settings.mimeTypes.some((pattern) => matchesWildcard(pattern, type))
  )
}

/** Tells clients of MinIO by which algorithm the stored bytes are compressed. */
export function compressionHeaders(info: ObjectInfo): readonly Header[] {
  const scheme = compressionOf(info.systemMetadata)
  if (scheme === undefined) return []
  return [['X-Minio-Compressed', scheme.slice(scheme.lastIndexOf('/') + 1)]]
}
