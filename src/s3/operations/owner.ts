import type { S3Call } from '../s3.ts'

/** Owner of every bucket and object: clients compare it, so it is the constant that MinIO answers. */
export const OWNER_ID = '02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4'
export const OWNER_NAME = 'minio'

/** Whether `name` is of the owner of everything: its id, or for itself its access key, the only name it has of its own. */
export function isOwnerName(call: S3Call, name: string): boolean {
  return name === OWNER_ID || (call.identity.isOwner && name === call.identity.accessKey)
}
