import { strictTextOf, textOf, utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { NONCE_SIZE_BYTES, openSmall, PACKAGE_PLAIN_BYTES, PackageSealer } from './dare.ts'
import { EncryptionError, type Kms, type KmsContext } from './encryption.ts'
import { encodeKeyMetadata, parseKeyMetadata } from './key-metadata.ts'
import { generateObjectKey, sealObjectKey, unsealObjectKey } from './object-keys.ts'

/**
 * Replication targets of a bucket, which hold credentials of other servers: two fields of the bucket's metadata.
 * Nothing but tests calls this yet: it is for replication, which is not built; the golden drives hold such targets.
 * Source: encryption.md 7.3.
 */

export interface StoredTargets {
  /** `BucketTargetsConfigJSON`. */
  readonly targets: Uint8Array
  /** `BucketTargetsConfigMetaJSON`; empty: the targets are in clear. */
  readonly metadata: Uint8Array
}

function contextOf(bucket: string): KmsContext {
  return new Map([
    [bucket, bucket],
    ['bucket-targets.json', 'bucket-targets.json'],
  ])
}

function bindingOf(bucket: string) {
  return { kind: 'sse-s3', bucket, key: '' } as const
}

/** Errors: those of the KMS. */
export async function sealTargets(
  kms: Kms | undefined,
  bucket: string,
  targets: Uint8Array,
  random: Random,
): Promise<StoredTargets> {
  if (kms === undefined || targets.length === 0) return { targets, metadata: new Uint8Array(0) }
  const made = await kms.generateKey('', contextOf(bucket))
  const objectKey = generateObjectKey(made.plaintext, random)
  try {
    const sealed = sealObjectKey(objectKey, made.plaintext, bindingOf(bucket), random)
    const fields = encodeKeyMetadata({
      ...sealed,
      kind: 'sse-s3',
      dataKey: { keyId: made.keyId, ciphertext: made.ciphertext },
      context: new Map(),
      isMultipart: false,
    })
    const texts = [...fields].map(([name, value]) => [name, textOf(value)] as const)
    return {
      targets: sealPackages(objectKey, targets, random),
      metadata: utf8(JSON.stringify(Object.fromEntries(texts))),
    }
  } finally {
    made.plaintext.fill(0)
    objectKey.fill(0)
  }
}

function sealPackages(key: Uint8Array, plain: Uint8Array, random: Random): Uint8Array {
  const sealer = new PackageSealer(key, random.bytes(NONCE_SIZE_BYTES))
  const pieces: Uint8Array[] = []
  for (let at = 0; at < plain.length; at += PACKAGE_PLAIN_BYTES) {
    const isLast = at + PACKAGE_PLAIN_BYTES >= plain.length
    pieces.push(sealer.sealWhole(plain.subarray(at, at + PACKAGE_PLAIN_BYTES), isLast))
  }
  return Buffer.concat(pieces)
}

/** Errors: `NoKms`, `BadMetadata`, `KeyMismatch`, `Tampered`, those of the KMS. */
export async function openTargets(
  kms: Kms | undefined,
  bucket: string,
  stored: StoredTargets,
): Promise<Uint8Array> {
  if (stored.metadata.length === 0) return stored.targets
  const key = parseKeyMetadata(fieldsOf(stored.metadata))
  if (key?.kind !== 'sse-s3' || key.dataKey === undefined) {
    throw new EncryptionError('BadMetadata', `The key of the targets of "${bucket}" is malformed`)
  }
  if (kms === undefined) {
    throw new EncryptionError(
      'NoKms',
      `The targets of the bucket "${bucket}" are sealed with a KMS, and none is configured`,
    )
  }
  const { keyId, ciphertext } = key.dataKey
  const dataKey = await kms.decryptKey(keyId, ciphertext, contextOf(bucket))
  try {
    const objectKey = unsealObjectKey(key, dataKey, bindingOf(bucket))
    try {
      return openSmall(objectKey, stored.targets, { onlyVersion2: true })
    } finally {
      objectKey.fill(0)
    }
  } finally {
    dataKey.fill(0)
  }
}

function fieldsOf(metadata: Uint8Array): Map<string, Uint8Array> {
  const text = strictTextOf(metadata) ?? ''
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new EncryptionError('BadMetadata', 'The key of the targets is no JSON', { cause: error })
  }
  const fields = new Map<string, Uint8Array>()
  if (typeof parsed === 'object' && parsed !== null) {
    for (const [name, value] of Object.entries(parsed)) {
      if (typeof value === 'string') fields.set(name, utf8(value))
    }
  }
  return fields
}
