/** Keys of version metadata that decide how a version is stored. Source: disk-format.md 5.8. */

export const INLINE_DATA_KEY = 'x-minio-internal-inline-data'
export const FREE_VERSION_KEY = 'x-minio-internal-free-version'
export const TRANSITION_STATUS_KEY = 'x-minio-internal-transition-status'
export const TRANSITIONED_OBJECT_KEY = 'x-minio-internal-transitioned-object'
export const TRANSITIONED_VERSION_KEY = 'x-minio-internal-transitioned-versionID'
export const TRANSITION_TIER_KEY = 'x-minio-internal-transition-tier'
export const REPLICATION_TIMESTAMP_KEY = 'x-minio-internal-replication-timestamp'
export const REPLICA_TIMESTAMP_KEY = 'x-minio-internal-replica-timestamp'
export const PURGE_STATUS_KEY = 'x-minio-internal-purgestatus'
export const COMPRESSION_KEY = 'X-Minio-Internal-compression'
/** Its value, of what is written today. */
export const COMPRESSION_SCHEME = 'klauspost/compress/s2'
export const RESTORE_KEYS = [
  'x-amz-restore',
  'X-Amz-Restore-Expiry-Days',
  'X-Amz-Restore-Request-Date',
] as const

const SYSTEM_PREFIX = 'x-minio-internal-'

/** True for keys that belong into a version's system metadata; all others are user metadata. */
export function isSystemKey(key: string): boolean {
  return (
    key.length > SYSTEM_PREFIX.length &&
    key.slice(0, SYSTEM_PREFIX.length).toLowerCase() === SYSTEM_PREFIX
  )
}
