/** What buckets and keys may be called (s3-api.md 3.1). */
import { S3Error } from './s3-error.ts'

const BUCKET = /^[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$/
const BAD_BUCKET_PART = /\.\.|\.-|-\./
const IPV4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/
const KEY_SIZE_MAX_BYTES = 1024

/** True for a name that a bucket can have. */
export function isBucketName(name: string): boolean {
  return BUCKET.test(name) && !BAD_BUCKET_PART.test(name) && !IPV4.test(name)
}

/** True for the names that belong to the server itself. */
export function isReservedBucket(name: string): boolean {
  return name === 'minio' || name === '.minio.sys'
}

/** Refuses names that no bucket can have: `AllAccessDisabled` for reserved ones, `InvalidBucketName`. */
export function checkBucketName(name: string): void {
  if (isReservedBucket(name)) throw new S3Error('AllAccessDisabled')
  if (!isBucketName(name)) throw new S3Error('InvalidBucketName')
}

/** Refuses keys that cannot be stored: over 1024 bytes, NUL, half surrogates, a segment `.` or `..`. */
export function checkKey(key: string): void {
  if (
    key.length > KEY_SIZE_MAX_BYTES ||
    (key.length * 3 > KEY_SIZE_MAX_BYTES && Buffer.byteLength(key) > KEY_SIZE_MAX_BYTES)
  ) {
    throw new S3Error('KeyTooLongError')
  }
  if (key.includes('\0') || !key.isWellFormed()) throw new S3Error('XMinioInvalidObjectName')
  if (key.includes('.') && hasDotSegment(key)) throw new S3Error('XMinioInvalidResourceName')
}

/** A key as MinIO takes it: without slashes in front; one that had some has none doubled either. */
export function cleanKey(key: string): string {
  if (!key.startsWith('/')) return key
  const cleaned = key.replaceAll(/\/{2,}/g, '/').slice(1)
  return cleaned === '' ? key : cleaned
}

/** True when a segment between `/` or `\` is `.` or `..`, blanks around it ignored. */
export function hasDotSegment(path: string): boolean {
  return /(?:^|[/\\])\s*\.{1,2}\s*(?:[/\\]|$)/.test(path)
}
