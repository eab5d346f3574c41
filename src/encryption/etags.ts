import type { Random } from '#base/random'
import { openLabelled, sealLabelled } from './object-keys.ts'

/**
 * Entity tags of encrypted objects: 96 hex digits as stored. Source: encryption.md 3.1, 3.2.
 */

const SEALED_PATTERN = /^[0-9a-f]{96}$/i
const SHOWN_DIGITS = 32

export function isSealedEtag(stored: string): boolean {
  return SEALED_PATTERN.test(stored)
}

/** Form that is stored for the 16 bytes of `etag`. */
export function sealEtag(objectKey: Uint8Array, etag: Uint8Array, random: Random): string {
  return sealLabelled(objectKey, 'SSE-etag', etag, random).toHex()
}

/** The entity tag in a stored one; others are answered as they are. Errors: `Tampered`. */
export function unsealEtag(objectKey: Uint8Array, stored: string): string {
  if (!isSealedEtag(stored)) return stored
  return openLabelled(objectKey, 'SSE-etag', Uint8Array.fromHex(stored)).toHex()
}

/** What clients see without the key: the last digits of a sealed tag. */
export function keylessEtag(stored: string): string {
  return isSealedEtag(stored) ? stored.slice(-SHOWN_DIGITS).toLowerCase() : stored
}
