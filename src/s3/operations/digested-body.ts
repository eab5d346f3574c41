import { createHash, type Hash } from 'node:crypto'
import { type CrcName, combineCrc } from '#codec/checksum-combine'
import type { BodySource, DigestName } from '#object/object'
import type { S3Call } from '../s3.ts'

/** A call's body with digests of its own, for what the engine does not store as it came. */
export class DigestedBody implements BodySource {
  readonly sizeBytes: number | undefined
  readonly #call: S3Call
  readonly #hashes = new Map<DigestName | 'md5', Hash>()
  readonly #crcs = new Map<CrcName, Uint8Array>()

  constructor(call: S3Call, names: readonly DigestName[]) {
    this.#call = call
    this.sizeBytes = call.body.sizeBytes
    for (const name of ['md5', ...names] as const) {
      if (name === 'crc32' || name === 'crc32c' || name === 'crc64nvme') {
        this.#crcs.set(name, call.services.digest(name, new Uint8Array(0)))
      } else {
        this.#hashes.set(name, createHash(name))
      }
    }
  }

  async read(target: Uint8Array): Promise<number> {
    const count = await this.#call.body.read(target)
    if (count === 0) return 0
    const piece = target.subarray(0, count)
    for (const hash of this.#hashes.values()) hash.update(piece)
    for (const [name, crc] of this.#crcs) {
      const next = this.#call.services.digest(name, piece)
      this.#crcs.set(name, combineCrc(name, crc, next, count))
    }
    return count
  }

  /** Of everything read; once. */
  digests(): ReadonlyMap<DigestName | 'md5', Uint8Array> {
    const digests = new Map<DigestName | 'md5', Uint8Array>(this.#crcs)
    for (const [name, hash] of this.#hashes) digests.set(name, hash.digest())
    return digests
  }
}
