import { minioKey } from '#drive/key-path'
import type { ObjectPlace } from '#encryption/object-encryption'
import type { ObjectName } from './object.ts'

/**
 * What the seals of an object are bound to: its key as MinIO spells it, so that MinIO opens them. One that it could not open
 * would fail its lists of the whole bucket.
 */
export function sealedPlace(object: ObjectName): ObjectPlace {
  return { bucket: object.bucket, key: minioKey(object.key) }
}
