import { assert } from '#base/assert'
import { utf8 } from '#base/bytes'
import { parseUuid } from '#base/uuid'
import type { Codec } from '#codec/codec'
import type { Drive, DriveResult } from '#drive/drive'
import type { DistributionAlgorithm } from '#drive/format-json'
import type { MetadataRead } from '#drive/metadata-reader'
import type { StorageClasses } from './context.ts'
import { ObjectError } from './object.ts'

/**
 * Where a key lives: set, shard order, parity (its path: `#drive/key-path`). Pure functions.
 * Source: disk-format.md 2.5, 2.6, 2.7. Every rule here must stay stable for ever: another one hides existing data.
 */

/** Metadata of a key from the drives at `positions`, in their order, in one go; undefined: the drives are to be asked. */
export type ReadTogether = (
  positions: readonly number[],
  read: MetadataRead,
) => Promise<readonly DriveResult<Uint8Array>[] | undefined>

/** Drives by position; `undefined`: never seen since start. All sets of a pool have the same size. */
export interface PoolLayout {
  readonly sets: readonly (readonly (Drive | undefined)[])[]
  readonly distributionAlgorithm: DistributionAlgorithm
  /** True while a replaced drive is being refilled: what it lacks says nothing. */
  readonly isHealing?: ((set: number, position: number) => boolean) | undefined
  /** By set. */
  readonly readTogether?: readonly ReadTogether[] | undefined
}

const KEY_BYTES_MAX = 1024
const SEPARATOR_PATTERN = /[/\\]/

/** Errors: `ObjectNameTooLong`, `ObjectNameInvalid`. Source: s3-api.md 3.1. */
export function checkKey(bucket: string, key: string): void {
  if (key.length > KEY_BYTES_MAX || utf8(key).length > KEY_BYTES_MAX) {
    throw new ObjectError('ObjectNameTooLong', `Key is longer than ${KEY_BYTES_MAX} bytes`, {
      bucket,
      key,
    })
  }
  if (key.length === 0 || key.includes('\0')) {
    throw new ObjectError('ObjectNameInvalid', `Key "${key}" cannot be stored`, { bucket, key })
  }
  // Lone surrogates are what is left of bytes that were not UTF-8.
  if (!key.isWellFormed()) {
    throw new ObjectError('ObjectNameInvalid', 'Key is not valid UTF-8', { bucket, key })
  }
  if (!key.includes('.')) return
  for (const segment of key.split(SEPARATOR_PATTERN)) {
    const name = segment.trim()
    if (name === '.' || name === '..') {
      throw new ObjectError('ObjectNameInvalid', `Key segment "${name}" cannot be stored`, {
        bucket,
        key,
      })
    }
  }
}

/** Index of the set that holds `path` (encoded key without the bucket). Source: disk-format.md 2.5. */
export function setIndexOf(
  codec: Pick<Codec, 'crc32' | 'sipHash24'>,
  algorithm: DistributionAlgorithm,
  deploymentId: string,
  path: string,
  setCount: number,
): number {
  assert(setCount > 0)
  if (setCount === 1) return 0
  const bytes = utf8(path)
  if (algorithm === 'CRCMOD') return (codec.crc32(bytes) >>> 0) % setCount
  const hash = BigInt.asUintN(64, codec.sipHash24(parseUuid(deploymentId), bytes))
  return Number(hash % BigInt(setCount))
}

/** `result[position]` = 1-based number of the shard on the drive at that position. Source: disk-format.md 2.6. */
export function distributionOf(
  codec: Pick<Codec, 'crc32'>,
  bucket: string,
  path: string,
  driveCount: number,
): readonly number[] {
  assert(driveCount > 0)
  const start = (codec.crc32(utf8(`${bucket}/${path}`)) >>> 0) % driveCount
  const distribution: number[] = []
  for (let i = 1; i <= driveCount; i++) distribution.push(1 + ((start + i) % driveCount))
  return distribution
}

export interface ParityChoice {
  readonly dataShards: number
  readonly parityShards: number
  /** The parity that the storage class asked for, when offline drives raised it. */
  readonly upgradedFrom?: number | undefined
}

/** Parity of a new version; undefined: too few drives are online to write at all. Source: disk-format.md 2.7. */
export function parityOf(
  storage: StorageClasses,
  options: {
    readonly storageClass: string
    readonly driveCount: number
    readonly offlineCount: number
    /** Configuration and bucket metadata: half of the drives. */
    readonly isSystem: boolean
  },
): ParityChoice | undefined {
  const { driveCount, offlineCount } = options
  const half = Math.floor(driveCount / 2)
  const wanted = options.isSystem
    ? half
    : options.storageClass === 'REDUCED_REDUNDANCY'
      ? storage.reducedParity
      : storage.standardParity
  let parity = Math.min(wanted, half)
  if (!options.isSystem && storage.optimize === 'availability' && offlineCount > 0) {
    if (offlineCount >= Math.floor((driveCount + 1) / 2)) return undefined
    parity = Math.min(parity + offlineCount, half)
  }
  return {
    dataShards: driveCount - parity,
    parityShards: parity,
    upgradedFrom: parity === Math.min(wanted, half) ? undefined : wanted,
  }
}

/** Drives that must take a write of this shape. Source: disk-format.md 6.6. */
export function writeQuorumOf(dataShards: number, parityShards: number): number {
  return dataShards === parityShards ? dataShards + 1 : dataShards
}

/** Drives that must take a delete or a delete marker, whatever the parity. */
export function deleteQuorumOf(driveCount: number): number {
  return Math.floor(driveCount / 2) + 1
}

/** Among so many drives is at least one that knows: of every acknowledged write, and of every version that readers take. */
export function sureCountOf(driveCount: number, standardParity: number): number {
  return Math.max(driveCount - standardParity, Math.floor(driveCount / 2) + 1)
}
