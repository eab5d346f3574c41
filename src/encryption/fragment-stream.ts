import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concatBytes } from '#base/bytes'
import { tampered } from './dare.ts'

/**
 * The stream of sealed configuration files: fragments of 16 KiB, each with its own tag, in memory.
 * Source: encryption.md 7.2.
 */

const FRAGMENT_BYTES = 16_384
const TAG_BYTES = 16
export const FRAGMENT_NONCE_BYTES = 8
const LAST = 0x80
const TAG_OPTIONS = { authTagLength: TAG_BYTES }

export type FragmentCipher = 'aes-256-gcm' | 'chacha20-poly1305'

function cipherFor(cipher: FragmentCipher, key: Uint8Array, nonce: Uint8Array) {
  return cipher === 'aes-256-gcm'
    ? createCipheriv('aes-256-gcm', key, nonce, TAG_OPTIONS)
    : createCipheriv('chacha20-poly1305', key, nonce, TAG_OPTIONS)
}

function decipherFor(cipher: FragmentCipher, key: Uint8Array, nonce: Uint8Array) {
  return cipher === 'aes-256-gcm'
    ? createDecipheriv('aes-256-gcm', key, nonce, TAG_OPTIONS)
    : createDecipheriv('chacha20-poly1305', key, nonce, TAG_OPTIONS)
}

function nonceOf(nonce: Uint8Array, counter: number): Uint8Array {
  const whole = new Uint8Array(FRAGMENT_NONCE_BYTES + 4)
  whole.set(nonce)
  new DataView(whole.buffer).setUint32(FRAGMENT_NONCE_BYTES, counter, true)
  return whole
}

/** What every fragment is bound to: a flag for the last one, and a tag of nothing. */
function associatedData(cipher: FragmentCipher, key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const empty = cipherFor(cipher, key, nonceOf(nonce, 0))
  empty.final()
  return concatBytes([Uint8Array.of(0), empty.getAuthTag()])
}

export function sealFragments(
  cipher: FragmentCipher,
  key: Uint8Array,
  nonce: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  const data = associatedData(cipher, key, nonce)
  const pieces: Uint8Array[] = []
  const count = Math.max(1, Math.ceil(plain.length / FRAGMENT_BYTES))
  for (let i = 0; i < count; i++) {
    data[0] = i === count - 1 ? LAST : 0
    const fragment = cipherFor(cipher, key, nonceOf(nonce, i + 1))
    fragment.setAAD(data)
    const sealed = fragment.update(plain.subarray(i * FRAGMENT_BYTES, (i + 1) * FRAGMENT_BYTES))
    fragment.final()
    pieces.push(sealed, fragment.getAuthTag())
  }
  return concatBytes(pieces)
}

/** Errors: `EncryptionError` with `Tampered`. */
export function openFragments(
  cipher: FragmentCipher,
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const data = associatedData(cipher, key, nonce)
  const step = FRAGMENT_BYTES + TAG_BYTES
  const count = Math.max(1, Math.ceil(sealed.length / step))
  const pieces: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const fragment = sealed.subarray(i * step, (i + 1) * step)
    if (fragment.length < TAG_BYTES) throw tampered('a fragment is cut')
    data[0] = i === count - 1 ? LAST : 0
    const decipher = decipherFor(cipher, key, nonceOf(nonce, i + 1))
    decipher.setAAD(data)
    decipher.setAuthTag(fragment.subarray(fragment.length - TAG_BYTES))
    const plain = decipher.update(fragment.subarray(0, fragment.length - TAG_BYTES))
    try {
      decipher.final()
    } catch (error) {
      plain.fill(0)
      throw tampered('a fragment is not authentic', error)
    }
    pieces.push(plain)
  }
  return concatBytes(pieces)
}
