/** Keys of a version's metadata that the engine itself reads or writes, as MinIO spells them. Source: disk-format.md 5.8. */

export {
  COMPRESSION_KEY,
  COMPRESSION_SCHEME,
  INLINE_DATA_KEY,
  PURGE_STATUS_KEY,
  TRANSITION_STATUS_KEY,
  TRANSITION_TIER_KEY,
} from '#drive/metadata-keys'

// System metadata
export const ACTUAL_SIZE_KEY = 'X-Minio-Internal-actual-size'
export const ERASURE_UPGRADED_KEY = 'x-minio-internal-erasure-upgraded'

// User metadata
export const ETAG_KEY = 'etag'
/** The entity tag, in objects of old releases. */
export const OLD_ETAG_KEY = 'md5Sum'
/** URL-encoded pairs. In this spelling only. */
export const TAGGING_KEY = 'X-Amz-Tagging'
/** Absent: `STANDARD`. */
export const STORAGE_CLASS_KEY = 'x-amz-storage-class'
/** What an upload in parts declared at its beginning; its object does not keep them. */
export const DECLARED_CHECKSUM_KEY = 'x-minio-multipart-checksum'
export const DECLARED_CHECKSUM_TYPE_KEY = 'x-minio-multipart-checksum-type'
