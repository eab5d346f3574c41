import type { FormatHashes } from '../xl-meta.ts'

/**
 * The signature of a version: four bytes that are equal on all drives. Source: disk-format.md 5.5.
 *
 * It is the hash of the encoded version without what differs by drive, XORed with order-independent hashes of its
 * metadata maps.
 */

const USER_METADATA_SEED = 0xc2b40bbac11a7295n
const SYSTEM_METADATA_SEED = 0x1bbc7e1dde654743n
const KEY_MASK = 0x4ee3bbaf7ab2506bn
const VALUE_MASK = 0x8da4c8da66194257n
const LOW_64 = 0xffff_ffff_ffff_ffffn
const LOW_32 = 0xffff_ffffn

/** Collects the hash of a map's entries in any order. */
export class MapHash {
  readonly #hashes: FormatHashes
  #value: bigint

  private constructor(hashes: FormatHashes, seed: bigint) {
    this.#hashes = hashes
    this.#value = seed
  }

  static ofUserMetadata(hashes: FormatHashes): MapHash {
    return new MapHash(hashes, USER_METADATA_SEED)
  }

  static ofSystemMetadata(hashes: FormatHashes): MapHash {
    return new MapHash(hashes, SYSTEM_METADATA_SEED)
  }

  add(key: Uint8Array, value: Uint8Array): void {
    const keyHash = this.#hashes.xxh3(key) ^ KEY_MASK
    const valueHash = this.#hashes.xxh3(value) ^ VALUE_MASK
    this.#value ^= (keyHash + valueHash) & LOW_64
  }

  get value(): bigint {
    return this.#value
  }
}

/** Folds the XOR of all hashes to the four bytes stored. */
export function foldSignature(hash: bigint): Uint8Array {
  const folded = Number((hash ^ (hash >> 32n)) & LOW_32)
  const signature = new Uint8Array(4)
  signature[0] = folded
  signature[1] = folded >>> 8
  signature[2] = folded >>> 16
  signature[3] = folded >>> 24
  return signature
}
