/** Which contents are compressed before they are stored (encryption.md 8.2), and what replies tell of it. */
import { textOf, utf8 } from '#base/bytes'
import { matchesWildcard } from '#iam/wildcard'
import type { ObjectInfo } from '#object/object'
import type { S3Call } from '../s3.ts'
import type { Header } from './object-headers.ts'

const COMPRESSION_KEY = 'X-Minio-Internal-compression'
const SCHEME = 'klauspost/compress/s2'

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

const NOTHING: ReadonlyMap<string, Uint8Array> = new Map()
const COMPRESSED: ReadonlyMap<string, Uint8Array> = new Map([[COMPRESSION_KEY, utf8(SCHEME)]])

export interface Content {
  /** Undefined: it comes in parts, for which the decision is made once, whatever their size. -1: unknown. */
  readonly sizeBytes: number | undefined
  /** After the default encryption of the bucket was applied. */
  readonly isEncrypted: boolean
}

/** System metadata that makes the engine compress what `call` writes; empty when it is not to be. */
export function compressionMetadata(
  call: S3Call,
  content: Content,
): ReadonlyMap<string, Uint8Array> {
  const settings = call.services.compression
  if (settings?.isEnabled !== true) return NOTHING
  if (content.isEncrypted && !settings.allowsEncryption) return NOTHING
  if (content.sizeBytes !== undefined && content.sizeBytes < SIZE_MIN_BYTES) return NOTHING
  const key = call.key.toLowerCase()
  // What the client sent, not what is stored.
  const type = call.request.header('content-type') ?? ''
  if (EXCLUDED_ENDS.some((end) => key.endsWith(end))) return NOTHING
  if (EXCLUDED_TYPES.some((pattern) => matchesWildcard(pattern, type))) return NOTHING
  const isWanted =
    settings.extensions.some((end) => end === '*' || key.endsWith(end.toLowerCase())) ||
    settings.mimeTypes.some((pattern) => matchesWildcard(pattern, type))
  return isWanted ? COMPRESSED : NOTHING
}

/** Tells clients of MinIO by which algorithm the stored bytes are compressed. */
export function compressionHeaders(info: ObjectInfo): readonly Header[] {
  for (const [key, value] of info.systemMetadata) {
    if (key.toLowerCase() !== COMPRESSION_KEY.toLowerCase()) continue
    const scheme = textOf(value)
    return [['X-Minio-Compressed', scheme.slice(scheme.lastIndexOf('/') + 1)]]
  }
  return []
}
