/** Limits of S3 and of the drive format. */

/** Parts of an object, and the highest number of one. */
export const PARTS_MAX = 10_000
/** Shard counts and indexes up to here are one byte. */
export const SHARDS_MAX = 127
