import { createHash } from 'node:crypto'
import { utf8 } from '#base/bytes'
import type { Random } from '#base/random'

/**
 * The constants of encryption.md, section 9.
 */

/** `size` bytes: first, first+1, ... */
export function seq(first: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => first + i)
}

/** `size` bytes: i mod 251. */
export function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i % 251)
}

export const CLIENT_KEY = seq(0x00, 32)
export const VECTOR = seq(0x20, 32)
export const OBJECT_KEY = seq(0x40, 32)
export const DATA_KEY = seq(0x60, 32)
export const NONCE = seq(0x00, 12)
export const STATIC_KEY = 'my-minio-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll(/\s/g, ''))
}

export function base64(text: string): Uint8Array {
  return Uint8Array.fromBase64(text)
}

export { utf8 }

/** Answers the given pieces in turn; more is a mistake of the test. */
export function scriptedRandom(...pieces: Uint8Array[]): Random {
  return {
    bytes: (size) => {
      const piece = pieces.shift()
      if (piece?.length !== size) throw new Error(`Unexpected draw of ${size} bytes`)
      return piece
    },
    uuid: () => {
      throw new Error('Unexpected draw of a UUID')
    },
    below: () => {
      throw new Error('Unexpected draw of a number')
    },
  }
}
