import { assert } from '#base/assert'
import { copyBytes } from '#base/bytes'
import { freeBytes } from '#base/memory'
import {
  PACKAGE_HEADER_BYTES,
  PACKAGE_OVERHEAD_BYTES,
  PACKAGE_PLAIN_BYTES,
  PACKAGE_SEALED_BYTES,
  PACKAGE_TAG_BYTES,
  type PackageOpener,
  type PackageSealer,
  packageSize,
  tampered,
} from './dare.ts'

/**
 * Streams of packages with bounded memory: a few packages, whatever the size of the stream.
 */

/** Fills the beginning of `target`, at least one byte unless at the end; resolves to the count, 0 at the end. */
export type PullBytes = (target: Uint8Array) => Promise<number>

/** Plain bytes asked for at once: sources that hash what passes do so in large pieces. */
const BATCH_BYTES = 4 * PACKAGE_PLAIN_BYTES

/** Reads plain bytes from `source` and hands out the sealed stream. One read at a time. */
export class StreamSealer {
  readonly #source: PullBytes
  readonly #sealer: PackageSealer
  // Two batches: whether the last package of the first one ends the stream is known when the second one has a byte or the
  // end came.
  #plain: Uint8Array
  #next: Uint8Array | undefined
  /** Bytes in the first batch, and how many of them are sealed. */
  #plainSize = 0
  #plainUsed = 0
  #isSourceEnded = false
  readonly #header = new Uint8Array(PACKAGE_HEADER_BYTES)
  readonly #tag = new Uint8Array(PACKAGE_TAG_BYTES)
  /** Pieces of the sealed package that were not handed out yet. */
  readonly #pending: Uint8Array[] = []
  #used = 0

  /** `sizeBytes`: of the source where it is known, which then gives no more than that; small streams take less memory. */
  constructor(source: PullBytes, sealer: PackageSealer, sizeBytes?: number) {
    this.#source = source
    this.#sealer = sealer
    this.#plain = new Uint8Array(Math.min(BATCH_BYTES, sizeBytes ?? BATCH_BYTES))
  }

  /** Fills `target` as far as the stream goes: less than its length only at the end. */
  async read(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      if (this.#pending.length === 0 && !(await this.#sealNext())) break
      filled += this.#take(target.subarray(filled))
    }
    return filled
  }

  /** Wipes the plain bytes held. */
  close(): void {
    // A source that was left in the middle may still write.
    const isOver = this.#isSourceEnded && this.#pending.length === 0
    for (const batch of [this.#plain, this.#next]) {
      batch?.fill(0)
      if (isOver && batch !== undefined) freeBytes(batch)
    }
  }

  #take(target: Uint8Array): number {
    const piece = this.#pending[0]
    assert(piece !== undefined)
    const count = Math.min(target.length, piece.length - this.#used)
    copyBytes(piece.subarray(this.#used, this.#used + count), target)
    this.#used += count
    if (this.#used === piece.length) {
      this.#pending.shift()
      freeBytes(piece)
      this.#used = 0
    }
    return count
  }

  /** Seals one package into `#pending`; false at the end of the stream. */
  async #sealNext(): Promise<boolean> {
    if (this.#plainUsed === this.#plainSize) {
      this.#plainSize = await this.#fill(this.#plain)
      this.#plainUsed = 0
    }
    const end = Math.min(this.#plainUsed + PACKAGE_PLAIN_BYTES, this.#plainSize)
    const isBatchOver = end === this.#plainSize
    // Also where all was read: the source checks its content at its end.
    const nextSize = isBatchOver ? await this.#readAhead() : 0
    if (this.#plainSize === 0) return false
    const isLast = isBatchOver && nextSize === 0
    const plain = this.#plain.subarray(this.#plainUsed, end)
    assert(isLast || plain.length === PACKAGE_PLAIN_BYTES, 'the source is longer than it said')
    const made = { isLast, header: this.#header, tag: this.#tag }
    this.#pending.push(this.#header, this.#sealer.seal(plain, made), this.#tag)
    this.#plainUsed = end
    if (isBatchOver && this.#next !== undefined) {
      const over = this.#plain
      this.#plain = this.#next
      this.#next = over
      this.#plainSize = nextSize
      this.#plainUsed = 0
    }
    return true
  }

  async #readAhead(): Promise<number> {
    if (this.#isSourceEnded) return 0
    this.#next ??= new Uint8Array(this.#plain.length < BATCH_BYTES ? 1 : BATCH_BYTES)
    return this.#fill(this.#next)
  }

  /** Fills `target` to its end or that of the source. */
  async #fill(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length && !this.#isSourceEnded) {
      const count = await this.#source(target.subarray(filled))
      if (count === 0) this.#isSourceEnded = true
      filled += count
    }
    return filled
  }
}

/** What some sealed bytes became; both may be empty. */
export interface Opened {
  /** What their first package has, when it had begun before them: memory of its own. */
  readonly carried: Uint8Array
  /** What the packages within them have, one behind the other: it lies in those bytes. */
  readonly rest: Uint8Array
}

const NOTHING: Uint8Array = new Uint8Array(0)

/** Opens a sealed stream that comes in pieces of any length. Errors of `push` and `end`: `Tampered`. */
export class StreamOpener {
  readonly #opener: PackageOpener
  /** The package begun. */
  #package: Uint8Array | undefined
  #size = 0

  /** `opener` stands at the package that the first byte begins. */
  constructor(opener: PackageOpener) {
    this.#opener = opener
  }

  /** Verified plain bytes that `bytes` completed. Overwrites `bytes`, and keeps no reference to them. */
  push(bytes: Uint8Array): Opened {
    let carried = NOTHING
    let offset = 0
    while (this.#size > 0 && offset < bytes.length) {
      offset += this.#collect(bytes.subarray(offset))
      carried = this.#openCollected()
    }
    // What is read is always ahead of what is written.
    const start = offset
    let end = offset
    while (bytes.length - offset > PACKAGE_OVERHEAD_BYTES) {
      const next = offset + packageSize(bytes.subarray(offset))
      if (next > bytes.length) break
      const plain = this.#opener.open(bytes.subarray(offset, next))
      copyBytes(plain, bytes, end)
      end += plain.length
      freeBytes(plain)
      offset = next
    }
    while (offset < bytes.length) offset += this.#collect(bytes.subarray(offset))
    return { carried, rest: bytes.subarray(start, end) }
  }

  /** Call at the end of the stream; not when only an inner range was asked for. */
  end(): void {
    if (this.#size > 0) throw tampered('a package is cut')
    if (!this.#opener.isComplete) throw tampered('the stream is cut')
  }

  /** Frees what is held. */
  close(): void {
    if (this.#package !== undefined) freeBytes(this.#package)
    this.#package = undefined
  }

  /** Adds to the package begun, as much as it needs. */
  #collect(bytes: Uint8Array): number {
    // Not zeroed: no more than what is written here is read.
    this.#package ??= Buffer.allocUnsafeSlow(PACKAGE_SEALED_BYTES)
    const wanted =
      this.#size < PACKAGE_HEADER_BYTES ? PACKAGE_HEADER_BYTES : packageSize(this.#package)
    const count = Math.min(bytes.length, wanted - this.#size)
    copyBytes(bytes.subarray(0, count), this.#package, this.#size)
    this.#size += count
    return count
  }

  /** The content of the collected package, nothing as long as it is not complete. */
  #openCollected(): Uint8Array {
    const sealed = this.#package
    if (sealed === undefined || this.#size <= PACKAGE_OVERHEAD_BYTES) return NOTHING
    if (this.#size < packageSize(sealed)) return NOTHING
    const plain = this.#opener.open(sealed.subarray(0, this.#size))
    this.#size = 0
    return plain
  }
}
