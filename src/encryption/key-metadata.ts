import { textOf, utf8 } from '#base/bytes'
import { EncryptionError, type EncryptionKind, type KmsContext, NO_CONTEXT } from './encryption.ts'
import { canonicalContext, parseContext } from './kms-context.ts'
import {
  IV_SIZE_BYTES,
  SEAL_ALGORITHM,
  SEAL_ALGORITHM_OLD,
  SEALED_KEY_SIZE_BYTES,
  type SealedObjectKey,
} from './object-keys.ts'

/**
 * The sealed key of a version among its system metadata. Source: encryption.md 1.7.
 */

const PREFIX = 'X-Minio-Internal-Server-Side-Encryption-'
const ALGORITHM = `${PREFIX}Seal-Algorithm`
const IV = `${PREFIX}Iv`
const KMS_KEY_ID = `${PREFIX}S3-Kms-Key-Id`
const DATA_KEY = `${PREFIX}S3-Kms-Sealed-Key`
const CONTEXT = `${PREFIX}Context`
const SEALED_KEYS: Readonly<Record<EncryptionKind, string>> = {
  'sse-kms': `${PREFIX}Kms-Sealed-Key`,
  'sse-s3': `${PREFIX}S3-Sealed-Key`,
  'sse-c': `${PREFIX}Sealed-Key`,
}
const MULTIPART = 'X-Minio-Internal-Encrypted-Multipart'

const KEY_NAMES: ReadonlyMap<string, string> = new Map(
  [ALGORITHM, IV, KMS_KEY_ID, DATA_KEY, CONTEXT, MULTIPART, ...Object.values(SEALED_KEYS)].map(
    (name) => [name.toLowerCase(), name],
  ),
)

/** Which master key sealed the data key. */
export interface SealedDataKey {
  readonly keyId: string
  readonly ciphertext: Uint8Array
}

export interface KeyMetadata extends SealedObjectKey {
  readonly kind: EncryptionKind
  /** Present for `sse-s3` and `sse-kms`. */
  readonly dataKey: SealedDataKey | undefined
  /** The client's, without what is added for the KMS. */
  readonly context: KmsContext
  /** Each part is its own stream. */
  readonly isMultipart: boolean
}

type SystemMetadata = ReadonlyMap<string, Uint8Array>

/** `unknown`: something of an encrypted version is there, but no sealed key: such a version must be refused. Undefined: plain. */
export function encryptionKindOf(metadata: SystemMetadata): EncryptionKind | 'unknown' | undefined {
  let found: EncryptionKind | undefined
  let isMarked = false
  for (const name of metadata.keys()) {
    // Lists ask this for every version: the common names end here.
    if (name.length < MULTIPART.length) continue
    const known = KEY_NAMES.get(name.toLowerCase())
    if (known === undefined) continue
    isMarked = true
    if (known === SEALED_KEYS['sse-kms']) return 'sse-kms'
    if (known === SEALED_KEYS['sse-s3']) found = 'sse-s3'
    else if (known === SEALED_KEYS['sse-c']) found ??= 'sse-c'
  }
  return found ?? (isMarked ? 'unknown' : undefined)
}

/** True when parts were sealed one by one; the version may still be in one piece (see `isSealedInParts`). */
export function hasMultipartMark(metadata: SystemMetadata): boolean {
  for (const name of metadata.keys()) {
    if (name.length === MULTIPART.length && name.toLowerCase() === MULTIPART.toLowerCase()) {
      return true
    }
  }
  return false
}

/** The sealed key of a version, undefined for a plain one. Errors: `Tampered` for an unknown kind, `BadMetadata`. */
export function parseKeyMetadata(metadata: SystemMetadata): KeyMetadata | undefined {
  const kind = encryptionKindOf(metadata)
  if (kind === undefined) return undefined
  if (kind === 'unknown') {
    throw new EncryptionError('Tampered', 'The version is encrypted, but its sealed key is missing')
  }
  const values = new Map<string, string>()
  for (const [name, value] of metadata) {
    const known = KEY_NAMES.get(name.toLowerCase())
    if (known !== undefined) values.set(known, textOf(value))
  }
  const algorithm = values.get(ALGORITHM) ?? ''
  const isKnown =
    algorithm === SEAL_ALGORITHM || (kind === 'sse-c' && algorithm === SEAL_ALGORITHM_OLD)
  if (!isKnown) throw malformed('seal algorithm')
  return {
    kind,
    algorithm,
    iv: bytesOf(values.get(IV), 'vector', IV_SIZE_BYTES),
    sealedKey: bytesOf(values.get(SEALED_KEYS[kind]), 'sealed key', SEALED_KEY_SIZE_BYTES),
    dataKey: kind === 'sse-c' ? undefined : dataKeyOf(values),
    // MinIO's copies of SSE-KMS objects leave the context with other kinds, where it means nothing.
    context: kind === 'sse-kms' ? contextOf(values.get(CONTEXT)) : NO_CONTEXT,
    isMultipart: values.has(MULTIPART),
  }
}

function dataKeyOf(values: ReadonlyMap<string, string>): SealedDataKey {
  const keyId = values.get(KMS_KEY_ID)
  const ciphertext = values.get(DATA_KEY)
  // Both absent was a mode of one master key without a name; no KMS of today can open that.
  if (keyId === undefined || ciphertext === undefined) throw malformed('data key')
  return { keyId, ciphertext: bytesOf(ciphertext, 'data key', undefined) }
}

function contextOf(text: string | undefined): KmsContext {
  if (text === undefined || text === '') return NO_CONTEXT
  const context = parseContext(textOf(bytesOf(text, 'context', undefined)))
  if (context === undefined) throw malformed('context')
  return context
}

function bytesOf(text: string | undefined, what: string, size: number | undefined): Uint8Array {
  if (text === undefined) throw malformed(what)
  const bytes = decodeBase64(text)
  if (bytes === undefined || (size !== undefined && bytes.length !== size)) throw malformed(what)
  return bytes
}

/** Strict base64 with padding; undefined for anything else. */
export function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' })
  } catch {
    return undefined // the only failure is the malformed text asked about
  }
}

function malformed(what: string): EncryptionError {
  return new EncryptionError('BadMetadata', `The ${what} of the version is malformed`)
}

/** The metadata that keeps a sealed key. */
export function encodeKeyMetadata(key: KeyMetadata): Map<string, Uint8Array> {
  const metadata = new Map<string, Uint8Array>([
    [ALGORITHM, utf8(key.algorithm)],
    [IV, utf8(key.iv.toBase64())],
    [SEALED_KEYS[key.kind], utf8(key.sealedKey.toBase64())],
  ])
  if (key.dataKey !== undefined) {
    metadata.set(KMS_KEY_ID, utf8(key.dataKey.keyId))
    metadata.set(DATA_KEY, utf8(key.dataKey.ciphertext.toBase64()))
  }
  if (key.context.size > 0) {
    metadata.set(CONTEXT, utf8(utf8(canonicalContext(key.context)).toBase64()))
  }
  if (key.isMultipart) metadata.set(MULTIPART, new Uint8Array(0))
  return metadata
}
