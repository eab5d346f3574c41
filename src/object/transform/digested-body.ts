import { assert } from '#base/assert'
import { copyBytes } from '#base/bytes'
import { freeBytes } from '#base/memory'
import type { Codec } from '#codec/codec'
import { ObjectError, type BodySource, type DigestName, type Digests } from '../object.ts'

/** An object up to this size is hashed when its end has come, and its block can be with the drives. */
const HELD_BYTES_MAX = 1_048_576

/**
 * A body whose digests are computed while it passes, where the erasure code gets other bytes. It also checks the size
 * declared, as nobody after it can.
 *
 * MD5, the slow one, runs on copies: nobody waits for that of the last bytes before `digests`.
 */
export class DigestedBody implements BodySource {
  readonly sizeBytes: number | undefined
  readonly #body: BodySource
  readonly #md5: ReturnType<Codec['md5']> | undefined
  readonly #digests: readonly {
    readonly name: DigestName
    readonly hasher: ReturnType<Codec['checksum']>
  }[]
  /** Copies of what MD5 has yet to see. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  #hashed: Promise<void> | undefined
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
      this.#hashed = this.#hashHeld()
      return 0
    }
    this.#readBytes = total
    const plain = target.subarray(0, count)
    for (const { hasher } of this.#digests) hasher.update(plain)
    if (this.#md5 !== undefined) {
      if (this.#heldBytes + count > HELD_BYTES_MAX) await this.#hashHeld()
      const copy = Buffer.allocUnsafeSlow(count)
      copyBytes(plain, copy)
      this.#held.push(copy)
      this.#heldBytes += count
    }
    return count
  }

  async #hashHeld(): Promise<void> {
    for (let piece = this.#held.shift(); piece !== undefined; piece = this.#held.shift()) {
      await this.#md5?.update(piece)
      freeBytes(piece)
    }
    this.#heldBytes = 0
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
    await this.#hashed
    const digests = new Map<DigestName, Uint8Array>()
    if (this.#md5 !== undefined) digests.set('md5', await this.#md5.digest())
    for (const { name, hasher } of this.#digests) digests.set(name, hasher.digest())
    return digests
  }

  close(): void {
    this.#held = []
    this.#md5?.abandon()
  }
}
