import type { Checksum } from '#codec/checksum'
import type { BodySource, DigestName, Digests } from '#object/object'
import type { S3Call } from '../s3.ts'

/** A call's body with digests of its own, for what the engine does not store as it came. */
export class DigestedBody implements BodySource {
  readonly sizeBytes: number | undefined
  readonly #call: S3Call
  readonly #checksums: ReadonlyMap<DigestName, Checksum>

  constructor(call: S3Call, names: readonly DigestName[]) {
    this.#call = call
    this.sizeBytes = call.body.sizeBytes
    const { services } = call
    this.#checksums = new Map(
      ['md5' as const, ...names].map((name) => [name, services.checksum(name)]),
    )
  }

  async read(target: Uint8Array): Promise<number> {
    const count = await this.#call.body.read(target)
    if (count === 0) return 0
    const piece = target.subarray(0, count)
    for (const checksum of this.#checksums.values()) checksum.update(piece)
    return count
  }

  /** Of everything read; once. */
  digests(): Digests {
    const digests = new Map<DigestName, Uint8Array>()
    for (const [name, checksum] of this.#checksums) digests.set(name, checksum.digest())
    return digests
  }
}
