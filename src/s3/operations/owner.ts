/** Owner of every bucket and object: clients compare it, so it is the constant that MinIO answers. */
export const OWNER_ID = '02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4'
export const OWNER_NAME = 'minio'
