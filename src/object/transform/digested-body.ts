import { assert } from '#base/assert'
import type { Codec } from '#codec/codec'
import { ObjectError, type BodySource, type DigestName, type Digests } from '../object.ts'

/**
 * A body whose digests are computed while it passes, where the erasure code gets other bytes. It also checks the size
 * declared, as nobody after it can.
 */
export class DigestedBody implements BodySource {
  readonly sizeBytes: number | undefined
  readonly #body: BodySource
  readonly #md5: ReturnType<Codec['md5']> | undefined
  readonly #digests: readonly {
    readonly name: DigestName
    readonly hasher: ReturnType<Codec['checksum']>
  }[]
  #readBytes = 0
  #isAtEnd = false
  #isBodyOver = false

  constructor(codec: Codec, body: BodySource, digests: ReadonlySet<DigestName>) {
    this.sizeBytes = body.sizeBytes
    this.#body = body
    this.#md5 = digests.has('md5') ? codec.md5() : undefined
    const others = [...digests].filter((name) => name !== 'md5')
    this.#digests = others.map((name) => ({ name, hasher: codec.checksum(name) }))
  }

  get readBytes(): number {
    return this.#readBytes
  }

  /** Errors: those of the body; `IncompleteBody` when it has not the declared size. */
  async read(target: Uint8Array): Promise<number> {
    if (this.#isAtEnd) return 0
    const count = await this.#fill(target)
    assert(count >= 0 && count <= target.length)
    const declared = this.sizeBytes
    const total = this.#readBytes + count
    if (declared !== undefined && (total > declared || (count === 0 && total < declared))) {
      throw new ObjectError(
        'IncompleteBody',
        `Body has not the declared size of ${declared} bytes`,
        { sizeBytes: total },
      )
    }
    if (count === 0) {
      this.#isAtEnd = true
      return 0
    }
    this.#readBytes = total
    const plain = target.subarray(0, count)
    for (const { hasher } of this.#digests) hasher.update(plain)
    await this.#md5?.update(plain)
    return count
  }

  /** As much as there is: digests cost less in large pieces than in those of the network. */
  async #fill(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length && !this.#isBodyOver) {
      const count = await this.#body.read(target.subarray(filled))
      if (count === 0) this.#isBodyOver = true
      filled += count
    }
    return filled
  }

  /** After the end. Once. */
  async digests(): Promise<Digests> {
    assert(this.#isAtEnd)
    const digests = new Map<DigestName, Uint8Array>()
    if (this.#md5 !== undefined) digests.set('md5', await this.#md5.digest())
    for (const { name, hasher } of this.#digests) digests.set(name, hasher.digest())
    return digests
  }

  close(): void {
    this.#md5?.abandon()
  }
}
