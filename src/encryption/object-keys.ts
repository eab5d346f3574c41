import { createHash, createHmac } from 'node:crypto'
import { assert } from '#base/assert'
import { utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { NONCE_SIZE_BYTES, openSmall, sealSmall } from './dare.ts'
import { EncryptionError, type EncryptionKind, KEY_SIZE_BYTES } from './encryption.ts'

/**
 * Object keys: how they are made, sealed under a key of the client or the KMS, and what is derived from them.
 * Source: encryption.md 1.2 to 1.6.
 */

export const SEAL_ALGORITHM = 'DAREv2-HMAC-SHA256'
/** Read for SSE-C only. */
export const SEAL_ALGORITHM_OLD = 'DARE-SHA256'
export const IV_SIZE_BYTES = 32
export const SEALED_KEY_SIZE_BYTES = 64

const DOMAINS: Readonly<Record<EncryptionKind, string>> = {
  'sse-c': 'SSE-C',
  'sse-s3': 'SSE-S3',
  'sse-kms': 'SSE-KMS',
}

/** What a sealed object key is bound to. */
export interface SealBinding {
  readonly kind: EncryptionKind
  readonly bucket: string
  /** As MinIO spells it. */
  readonly key: string
}

export interface SealedObjectKey {
  readonly algorithm: string
  readonly iv: Uint8Array
  readonly sealedKey: Uint8Array
}

export function hmac(key: Uint8Array, ...message: readonly (Uint8Array | string)[]): Uint8Array {
  const digest = createHmac('sha256', key)
  for (const piece of message) digest.update(piece)
  return digest.digest()
}

/** A new object key; strong even with weak local randomness, as long as `externalKey` is. */
export function generateObjectKey(externalKey: Uint8Array, random: Random): Uint8Array {
  assert(externalKey.length === KEY_SIZE_BYTES)
  return hmac(externalKey, 'object-encryption-key generation', random.bytes(32))
}

/** `bucket/key` as a lexical path: that is what keys and contexts are bound to. */
export function boundPath(bucket: string, key: string): string {
  const components: string[] = []
  for (const component of `${bucket}/${key}`.split('/')) {
    if (component === '' || component === '.') continue
    if (component === '..') components.pop()
    else components.push(component)
  }
  return components.join('/')
}

/** Seals `objectKey` with a fresh vector, or with `iv` where it must stay. */
export function sealObjectKey(
  objectKey: Uint8Array,
  externalKey: Uint8Array,
  binding: SealBinding,
  random: Random,
  iv: Uint8Array = random.bytes(IV_SIZE_BYTES),
): SealedObjectKey {
  assert(objectKey.length === KEY_SIZE_BYTES && iv.length === IV_SIZE_BYTES)
  const sealingKey = sealingKeyOf(externalKey, iv, binding)
  try {
    const sealedKey = sealSmall(sealingKey, objectKey, random.bytes(NONCE_SIZE_BYTES))
    return { algorithm: SEAL_ALGORITHM, iv, sealedKey }
  } finally {
    sealingKey.fill(0)
  }
}

/** Errors: `KeyMismatch`, whatever failed. The result is the caller's, who wipes it. */
export function unsealObjectKey(
  sealed: SealedObjectKey,
  externalKey: Uint8Array,
  binding: SealBinding,
): Uint8Array {
  const isOld = sealed.algorithm === SEAL_ALGORITHM_OLD && binding.kind === 'sse-c'
  if (!isOld && sealed.algorithm !== SEAL_ALGORITHM) throw keyMismatch()
  const sealingKey = isOld
    ? createHash('sha256').update(externalKey).update(sealed.iv).digest()
    : sealingKeyOf(externalKey, sealed.iv, binding)
  try {
    const objectKey = openSmall(sealingKey, sealed.sealedKey, { onlyVersion2: !isOld })
    if (objectKey.length !== KEY_SIZE_BYTES) throw keyMismatch()
    return objectKey
  } catch (error) {
    if (error instanceof EncryptionError) throw keyMismatch()
    throw error
  } finally {
    sealingKey.fill(0)
  }
}

function sealingKeyOf(externalKey: Uint8Array, iv: Uint8Array, binding: SealBinding): Uint8Array {
  assert(externalKey.length === KEY_SIZE_BYTES)
  const { kind, bucket, key } = binding
  return hmac(externalKey, iv, DOMAINS[kind], SEAL_ALGORITHM, utf8(boundPath(bucket, key)))
}

function keyMismatch(): EncryptionError {
  return new EncryptionError(
    'KeyMismatch',
    'Cannot unseal the object key: the key differs or the seal is damaged',
  )
}

/** Key of one part, by its number as uploaded. */
export function partKey(objectKey: Uint8Array, partNumber: number): Uint8Array {
  assert(Number.isInteger(partNumber) && partNumber >= 0 && partNumber < 2 ** 32)
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, partNumber, true)
  return hmac(objectKey, number)
}

/** What is sealed beside the data under its own key. */
export type SealLabel = 'SSE-etag' | 'object-checksum' | 'compression-index' | 'zip-enc'

export function sealLabelled(
  objectKey: Uint8Array,
  label: SealLabel,
  plain: Uint8Array,
  random: Random,
): Uint8Array {
  const key = hmac(objectKey, label)
  try {
    return sealSmall(key, plain, random.bytes(NONCE_SIZE_BYTES))
  } finally {
    key.fill(0)
  }
}

/** Errors: `Tampered`. */
export function openLabelled(
  objectKey: Uint8Array,
  label: SealLabel,
  sealed: Uint8Array,
): Uint8Array {
  const key = hmac(objectKey, label)
  try {
    return openSmall(key, sealed, { onlyVersion2: true })
  } finally {
    key.fill(0)
  }
}
