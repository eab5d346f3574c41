import { createCipheriv, createDecipheriv } from 'node:crypto'
import { assert } from '#base/assert'
import { EncryptionError, KEY_SIZE_BYTES } from './encryption.ts'

/**
 * Packages of a sealed stream (DARE 2.0; 1.0 for reading). Source: encryption.md 2.1, 2.2, 2.4.
 *
 *     0        1        2             4                          16            16+len
 *     ┌────────┬────────┬─────────────┬──────────────────────────┬─────────────┬─────────┐
 *     │ version│ cipher │ LE16 len-1  │ nonce; bit 7 of byte 4:  │ ciphertext  │ tag     │
 *     │ 0x20   │ 0, 1   │             │ last package             │ 1 to 65536  │ 16      │
 *     └────────┴────────┴─────────────┴──────────────────────────┴─────────────┴─────────┘
 */

export const PACKAGE_PLAIN_BYTES = 65_536
export const PACKAGE_HEADER_BYTES = 16
export const PACKAGE_TAG_BYTES = 16
export const PACKAGE_OVERHEAD_BYTES = PACKAGE_HEADER_BYTES + PACKAGE_TAG_BYTES
export const PACKAGE_SEALED_BYTES = PACKAGE_PLAIN_BYTES + PACKAGE_OVERHEAD_BYTES
export const NONCE_SIZE_BYTES = 12

const VERSION_1 = 0x10
const VERSION_2 = 0x20
const FINAL_FLAG = 0x80
const PLAIN_SIZE_MAX = 2 ** 48
const TAG_OPTIONS = { authTagLength: PACKAGE_TAG_BYTES }

export type PackageCipher = 'aes-256-gcm' | 'chacha20-poly1305'

/** Stored size of `plainBytes` in one stream. */
export function sealedSize(plainBytes: number): number {
  assert(Number.isSafeInteger(plainBytes) && plainBytes >= 0)
  return plainBytes + Math.ceil(plainBytes / PACKAGE_PLAIN_BYTES) * PACKAGE_OVERHEAD_BYTES
}

/** Plain size of a stored stream; undefined for a size that no stream has. */
export function plainSize(sealedBytes: number): number | undefined {
  if (!Number.isSafeInteger(sealedBytes) || sealedBytes < 0) return undefined
  const rest = sealedBytes % PACKAGE_SEALED_BYTES
  if (rest > 0 && rest <= PACKAGE_OVERHEAD_BYTES) return undefined
  const whole = Math.floor(sealedBytes / PACKAGE_SEALED_BYTES)
  const size = whole * PACKAGE_PLAIN_BYTES + (rest > 0 ? rest - PACKAGE_OVERHEAD_BYTES : 0)
  return size > PLAIN_SIZE_MAX ? undefined : size
}

/** Seals the packages of one stream in order. The key is the caller's and is not kept beyond the object. */
export class PackageSealer {
  readonly #key: Uint8Array
  readonly #nonce: Uint8Array
  readonly #cipher: PackageCipher
  #sequence = 0
  #isEnded = false

  /** `nonce`: 12 fresh random bytes; the same pair of key and nonce must never seal two streams. */
  constructor(key: Uint8Array, nonce: Uint8Array, cipher: PackageCipher = 'aes-256-gcm') {
    assert(key.length === KEY_SIZE_BYTES && nonce.length === NONCE_SIZE_BYTES)
    this.#key = key
    this.#nonce = nonce
    this.#cipher = cipher
  }

  /** Fills header and tag (16 bytes each) and answers the ciphertext, as long as `plain`. All but the last package are full. */
  seal(
    plain: Uint8Array,
    made: { readonly isLast: boolean; readonly header: Uint8Array; readonly tag: Uint8Array },
  ): Uint8Array {
    const { header } = made
    assert(plain.length > 0 && plain.length <= PACKAGE_PLAIN_BYTES && !this.#isEnded)
    assert(made.isLast || plain.length === PACKAGE_PLAIN_BYTES)
    header[0] = VERSION_2
    header[1] = this.#cipher === 'aes-256-gcm' ? 0 : 1
    header[2] = (plain.length - 1) & 0xff
    header[3] = (plain.length - 1) >> 8
    header.set(this.#nonce, 4)
    header[4] = ((header[4] ?? 0) & ~FINAL_FLAG) | (made.isLast ? FINAL_FLAG : 0)
    const nonce = packageNonce(header, this.#sequence)
    const cipher =
      this.#cipher === 'aes-256-gcm'
        ? createCipheriv('aes-256-gcm', this.#key, nonce, TAG_OPTIONS)
        : createCipheriv('chacha20-poly1305', this.#key, nonce, TAG_OPTIONS)
    cipher.setAAD(header.subarray(0, 4))
    const sealed = cipher.update(plain)
    cipher.final()
    made.tag.set(cipher.getAuthTag())
    this.#sequence++
    this.#isEnded = made.isLast
    assert(sealed.length === plain.length)
    return sealed
  }

  /** A whole package in one array: for small things. */
  sealWhole(plain: Uint8Array, isLast: boolean): Uint8Array {
    const out = new Uint8Array(plain.length + PACKAGE_OVERHEAD_BYTES)
    const header = out.subarray(0, PACKAGE_HEADER_BYTES)
    const tag = out.subarray(PACKAGE_HEADER_BYTES + plain.length)
    out.set(this.seal(plain, { isLast, header, tag }), PACKAGE_HEADER_BYTES)
    return out
  }
}

/** Nonce of a package: the last four bytes of the header's are combined with the package's number. */
function packageNonce(header: Uint8Array, sequence: number): Uint8Array {
  const nonce = copyOf(header.subarray(4, PACKAGE_HEADER_BYTES))
  for (let i = 0; i < 4; i++) nonce[8 + i] = (nonce[8 + i] ?? 0) ^ ((sequence >>> (8 * i)) & 0xff)
  return nonce
}

/** Size of the package that begins with `header` (at least 4 bytes). */
export function packageSize(header: Uint8Array): number {
  return ((header[2] ?? 0) | ((header[3] ?? 0) << 8)) + 1 + PACKAGE_OVERHEAD_BYTES
}

export interface OpenerOptions {
  /** Number of the first package that will be given; 0 at the beginning of a stream. */
  readonly sequence?: number
  /** Sealed keys and metadata of today are never DARE 1.0. */
  readonly onlyVersion2?: boolean
}

/** Opens the packages of one stream in order. Errors: `Tampered`; nothing of a package that fails is released. */
export class PackageOpener {
  readonly #key: Uint8Array
  readonly #onlyVersion2: boolean
  #sequence: number
  #first: Uint8Array | undefined
  #isEnded = false

  constructor(key: Uint8Array, options: OpenerOptions = {}) {
    assert(key.length === KEY_SIZE_BYTES)
    this.#key = key
    this.#sequence = options.sequence ?? 0
    this.#onlyVersion2 = options.onlyVersion2 ?? false
    assert(this.#sequence >= 0 && this.#sequence < 2 ** 32)
  }

  /** True when the stream may end here: after the package marked as the last, or where the old version has no mark. */
  get isComplete(): boolean {
    return this.#isEnded || this.#first?.[0] === VERSION_1
  }

  /** Content of exactly one package. The result is the caller's. */
  open(sealed: Uint8Array): Uint8Array {
    if (this.#isEnded) throw tampered('data follows the last package')
    if (sealed.length <= PACKAGE_OVERHEAD_BYTES || sealed.length !== packageSize(sealed)) {
      throw tampered('the length of a package is wrong')
    }
    const header = sealed.subarray(0, PACKAGE_HEADER_BYTES)
    this.#first ??= copyOf(header)
    const nonce = header[0] === VERSION_2 ? this.#check(header) : this.#checkOld(header)
    const decipher =
      header[1] === 0
        ? createDecipheriv('aes-256-gcm', this.#key, nonce, TAG_OPTIONS)
        : createDecipheriv('chacha20-poly1305', this.#key, nonce, TAG_OPTIONS)
    decipher.setAAD(header.subarray(0, 4))
    decipher.setAuthTag(sealed.subarray(sealed.length - PACKAGE_TAG_BYTES))
    const end = sealed.length - PACKAGE_TAG_BYTES
    const plain = decipher.update(sealed.subarray(PACKAGE_HEADER_BYTES, end))
    try {
      decipher.final()
    } catch (error) {
      plain.fill(0)
      throw tampered('a package is not authentic', error)
    }
    this.#sequence++
    this.#isEnded = header[0] === VERSION_2 && ((header[4] ?? 0) & FINAL_FLAG) !== 0
    return plain
  }

  #check(header: Uint8Array): Uint8Array {
    const first = this.#first ?? header
    if ((header[1] ?? 0) > 1) throw tampered('the cipher is unknown')
    if (header[0] !== first[0] || header[1] !== first[1]) throw tampered('packages are mixed')
    const isLast = ((header[4] ?? 0) & FINAL_FLAG) !== 0
    if (!isLast && (header[2] !== 0xff || header[3] !== 0xff)) {
      throw tampered('a package within the stream is short')
    }
    // Without the flag, and in a time that does not depend on the difference.
    let difference = ((header[4] ?? 0) ^ (first[4] ?? 0)) & ~FINAL_FLAG
    for (let i = 5; i < PACKAGE_HEADER_BYTES; i++) {
      difference |= (header[i] ?? 0) ^ (first[i] ?? 0)
    }
    if (difference !== 0) throw tampered('packages of two streams are mixed')
    return packageNonce(header, this.#sequence)
  }

  #checkOld(header: Uint8Array): Uint8Array {
    if (header[0] !== VERSION_1 || this.#onlyVersion2) throw tampered('the version is unknown')
    if ((header[1] ?? 0) > 1) throw tampered('the cipher is unknown')
    const first = this.#first ?? header
    if (header[0] !== first[0] || header[1] !== first[1]) throw tampered('packages are mixed')
    const view = new DataView(header.buffer, header.byteOffset, header.length)
    if (view.getUint32(4, true) !== this.#sequence) throw tampered('a package is out of order')
    return copyOf(header.subarray(4))
  }
}

/** Seals a small thing as one package; nothing stays nothing. */
export function sealSmall(key: Uint8Array, plain: Uint8Array, nonce: Uint8Array): Uint8Array {
  if (plain.length === 0) return new Uint8Array(0)
  assert(plain.length <= PACKAGE_PLAIN_BYTES)
  return new PackageSealer(key, nonce).sealWhole(plain, true)
}

/** Opens a stream of packages that is in memory. Errors: `Tampered`. */
export function openSmall(
  key: Uint8Array,
  sealed: Uint8Array,
  options: OpenerOptions = {},
): Uint8Array {
  const opener = new PackageOpener(key, options)
  const out = new Uint8Array(sealed.length)
  let size = 0
  for (let offset = 0; offset < sealed.length; ) {
    if (sealed.length - offset <= PACKAGE_OVERHEAD_BYTES) throw tampered('a package is cut')
    const count = packageSize(sealed.subarray(offset))
    if (offset + count > sealed.length) throw tampered('a package is cut')
    const plain = opener.open(sealed.subarray(offset, offset + count))
    out.set(plain, size)
    plain.fill(0)
    size += plain.length
    offset += count
  }
  if (sealed.length > 0 && !opener.isComplete) throw tampered('the stream is cut')
  return out.subarray(0, size)
}

/** A copy also of Node's buffers, whose own `slice` makes none. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

export function tampered(reason: string, cause?: unknown): EncryptionError {
  return new EncryptionError('Tampered', `Cannot decrypt the stream: ${reason}`, { cause })
}
