import { assert } from '#base/assert'
import { Arena, type CodecSeed } from './arena.ts'
import {
  type Checksum,
  type ChecksumName,
  crc32,
  createBlake2b,
  createChecksum,
} from './checksum.ts'
import { CodingTables, ErasureCoder, SHARDS_MAX } from './erasure.ts'
import { highwayHash256, HighwayHasher, highwayHashShards, sipHash24, xxh3, xxh64 } from './hash.ts'
import type { Md5Helper } from './md5-helper.ts'
import { Md5Lanes, type Md5Stream } from './md5-lanes.ts'
import { S2Decoder, S2Encoder, type S2DecoderOptions } from './s2.ts'
import { Workspace } from './workspace.ts'

/**
 * Computations on data: erasure code, hashes, checksums. One codec for each thread, on that thread's region of the
 * shared memory; not to be called from another one.
 *
 * - Offsets are those of the shared memory. Where data is passed as bytes it may lie anywhere and have any length; data
 *   outside the shared memory is copied through a window, piece by piece.
 * - Calls are synchronous, keep no reference and leave nothing open, except MD5 streams.
 */
export class Codec {
  /** The whole shared memory. */
  readonly memory: Uint8Array
  /** Buffers of this thread. */
  readonly arena: Arena
  readonly #workspace: Workspace
  readonly #tables: CodingTables
  readonly #md5Lanes: Md5Lanes
  readonly #coders = new Map<number, ErasureCoder>()

  /** Cheap: the seed holds the compiled code. */
  constructor(seed: CodecSeed, regionIndex: number, md5Helper?: Md5Helper) {
    this.#workspace = new Workspace(seed, regionIndex)
    this.memory = this.#workspace.memory
    this.arena = new Arena(seed, regionIndex)
    this.#tables = new CodingTables(this.#workspace)
    this.#md5Lanes = new Md5Lanes(this.#workspace, md5Helper)
  }

  /** The coder for these numbers of shards, made on first use. At least one data shard, at most 32 shards. */
  erasureCoder(dataShards: number, parityShards: number): ErasureCoder {
    assert(dataShards > 0 && parityShards >= 0 && dataShards + parityShards <= SHARDS_MAX)
    const key = dataShards * (SHARDS_MAX + 1) + parityShards
    let coder = this.#coders.get(key)
    if (coder === undefined) {
      coder = new ErasureCoder(this.#workspace, this.#tables, {
        data: dataShards,
        parity: parityShards,
      })
      this.#coders.set(key, coder)
    }
    return coder
  }

  /** HighwayHash-256 with the bitrot key of `count` shards in the arena, shard i at `offset + i·strideBytes`; digest i
   *  goes to `outOffset + 32·i`. */
  hashShards(
    offset: number,
    strideBytes: number,
    count: number,
    sizeBytes: number,
    outOffset: number,
  ): void {
    highwayHashShards(this.#workspace, { offset, strideBytes, count, sizeBytes }, outOffset)
  }

  /** HighwayHash-256 with the bitrot key; 32 bytes, owned by the caller. */
  highwayHash256(data: Uint8Array): Uint8Array {
    return highwayHash256(this.#workspace, data)
  }

  /** The same as a stream; many may be open at once. */
  highwayHasher(): HighwayHasher {
    return new HighwayHasher(this.#workspace)
  }

  /** XXH64. */
  xxh64(data: Uint8Array, seed = 0n): bigint {
    return xxh64(this.#workspace, data, seed)
  }

  /** XXH3, 64 bits, seed 0. */
  xxh3(data: Uint8Array): bigint {
    return xxh3(this.#workspace, data)
  }

  /** SipHash-2-4; the key is 16 bytes. At most 128 KiB of data. */
  sipHash24(key: Uint8Array, data: Uint8Array): bigint {
    return sipHash24(this.#workspace, key, data)
  }

  /** CRC-32 (IEEE) of what `previous` covers followed by `data`. */
  crc32(data: Uint8Array, previous = 0): number {
    return crc32(this.#workspace, 'crc32', data, previous)
  }

  /** A new running checksum. */
  checksum(name: ChecksumName): Checksum {
    return createChecksum(this.#workspace, name)
  }

  /** The checksum of `data` alone. */
  digest(name: ChecksumName, data: Uint8Array): Uint8Array {
    const checksum = this.checksum(name)
    checksum.update(data)
    return checksum.digest()
  }

  /** A new running BLAKE2b, 64 bytes, without a key: it protects some files of before 2020. */
  blake2b(): Checksum {
    return createBlake2b()
  }

  /** A new stream of compressed blocks. */
  s2Encoder(): S2Encoder {
    return new S2Encoder(this.#workspace)
  }

  /** A new reader of such a stream, or of framed Snappy. */
  s2Decoder(options?: S2DecoderOptions): S2Decoder {
    return new S2Decoder(this.#workspace, options)
  }

  /** A new running MD5, which shares SIMD lanes with the others of this thread. */
  md5(): Md5Stream {
    return this.#md5Lanes.open()
  }
}
