/** Copies of objects that clients hold the keys of (encryption.md 5.1, 5.2). */
import { timingSafeEqual } from 'node:crypto'
import { EncryptionError } from '#encryption/encryption'
import { encryptionKindOf } from '#encryption/key-metadata'
import type { ObjectInfo, Unseal } from '#object/object'
import { sealedPlace } from '#object/sealed-place'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call } from '../s3.ts'
import { clientKeyOf, sourceKeyOf } from './encryption-headers.ts'
import { unsealWith } from './seals.ts'

/** Decrypts the source of a copy. */
export function unsealSource(call: S3Call): Unseal {
  const unseal = unsealWith(call, () => sourceKeyOf(call))
  return (info) => {
    const kind = encryptionKindOf(info.systemMetadata)
    const isManaged = kind === 'sse-s3' || kind === 'sse-kms'
    if (isManaged && hasSourceKey(call)) {
      throw new S3Error('InvalidArgument', {
        message:
          'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      })
    }
    return unseal(info)
  }
}

function hasSourceKey(call: S3Call): boolean {
  const key = sourceKeyOf(call)
  key?.key.fill(0)
  return key !== undefined
}

/**
 * The key metadata of `found`, a version with a client's key, under the new key of the request: its data stay as they are.
 * Undefined: this is not such a copy. `found`: as stored.
 */
export function rotatedKey(
  call: S3Call,
  found: ObjectInfo,
): ReadonlyMap<string, Uint8Array> | undefined {
  if (encryptionKindOf(found.systemMetadata) !== 'sse-c') return undefined
  const from = sourceKeyOf(call)
  const to = clientKeyOf(call)
  try {
    if (from === undefined || to === undefined) return undefined
    return rotate(call, found, { from: from.key, to: to.key })
  } finally {
    from?.key.fill(0)
    to?.key.fill(0)
  }
}

function rotate(
  call: S3Call,
  found: ObjectInfo,
  keys: { readonly from: Uint8Array; readonly to: Uint8Array },
): ReadonlyMap<string, Uint8Array> {
  const { systemMetadata } = found
  const areEqual = timingSafeEqual(keys.from, keys.to)
  try {
    const rotated = call.services.encryption.rotate(systemMetadata, sealedPlace(found), {
      ...keys,
      areEqual,
    })
    return rotated ?? new Map()
  } catch (error) {
    const isWrong = error instanceof EncryptionError && error.code === 'KeyMismatch'
    if (!isWrong || !areEqual) throw error
    throw new S3Error('InvalidArgument', {
      message: 'The provided encryption parameters did not match the ones used originally.',
      cause: error,
    })
  }
}
