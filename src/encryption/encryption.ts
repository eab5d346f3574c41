/**
 * Server-side encryption: sealed streams, object keys, key management services, sealed configuration files.
 *
 *     master key (KMS) ──► data key ──┐
 *                                     ├─► sealing key ──► object key ──► part key ──► packages of 64 KiB
 *     client key (SSE-C) ─────────────┘
 *
 * Invariants
 * - Keys are byte arrays, never texts; who makes one wipes it (`fill(0)`) when its request ends.
 * - Plain bytes leave a stream only after the tag of their package was verified.
 * - Nothing is ever written or answered in clear because a key could not be had: every failure is an `EncryptionError`.
 * - The kind of a version is told by its metadata alone, never by the request.
 * Source: encryption.md.
 */

export type EncryptionErrorCode =
  | 'KeyMismatch' // wrong client key, or a seal that does not verify
  | 'Tampered' // a package, a size or the metadata of a version was changed
  | 'BadMetadata' // the stored key metadata is malformed
  | 'NoKms' // a KMS is needed and none is configured
  | 'KmsUnavailable' // no answer in time
  | 'KmsNotAuthorized'
  | 'KmsKeyNotFound'
  | 'KmsKeyExists'
  | 'KmsBadCiphertext'
  | 'KmsNotSupported'
  | 'KmsFailed' // any other answer

/** What the KMS was asked for, for the texts of errors. */
export type KmsCall = 'create' | 'generate' | 'decrypt' | 'list' | 'status' | 'mac'

/** Never carries keys, tokens or data. */
export class EncryptionError extends Error {
  override readonly name = 'EncryptionError'
  readonly code: EncryptionErrorCode
  readonly call: KmsCall | undefined
  constructor(
    code: EncryptionErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly call?: KmsCall } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.call = options.call
  }
  get temporary(): boolean {
    return this.code === 'KmsUnavailable'
  }
}

export type EncryptionKind = 'sse-c' | 'sse-s3' | 'sse-kms'

/** Associated data of a data key, by name. */
export type KmsContext = ReadonlyMap<string, string>

export const NO_CONTEXT: KmsContext = new Map()

/** Bytes of every key. */
export const KEY_SIZE_BYTES = 32

/** What an object is to be encrypted with. */
export type EncryptionRequest =
  | { readonly kind: 'sse-c'; readonly clientKey: Uint8Array }
  | { readonly kind: 'sse-s3' }
  | {
      readonly kind: 'sse-kms'
      /** Empty: the default key. */
      readonly keyId: string
      readonly context: KmsContext
    }

export interface DataKey {
  /** Name of the master key, without `arn:aws:kms:`. */
  readonly keyId: string
  /** 32 bytes, owned by the caller, who wipes them. */
  readonly plaintext: Uint8Array
  /** Opaque to everybody but the KMS. */
  readonly ciphertext: Uint8Array
}

export interface KmsEndpointState {
  readonly endpoint: string
  readonly isOnline: boolean
}

/**
 * A key management service. `listKeys`, `status` and `mac` are for the admin API, which is not built yet: only tests call
 * them. Errors: `EncryptionError` with a `Kms...` code; every call ends in bounded time.
 */
export interface Kms {
  /** `MinIO builtin`, `MinIO KES`, ... as shown to administrators. */
  readonly name: string
  readonly defaultKeyId: string
  /** A new data key under the named master key; an empty name means the default one. */
  generateKey(keyId: string, context: KmsContext): Promise<DataKey>
  /** The data key in a ciphertext: owned by the caller. */
  decryptKey(keyId: string, ciphertext: Uint8Array, context: KmsContext): Promise<Uint8Array>
  /** Errors: `KmsKeyExists`, `KmsNotSupported`. */
  createKey(keyId: string): Promise<void>
  /** Names with this prefix, ascending. */
  listKeys(prefix: string): Promise<readonly string[]>
  status(): Promise<readonly KmsEndpointState[]>
  /** HMAC-SHA-256 under a master key. */
  mac(keyId: string, message: Uint8Array): Promise<Uint8Array>
  /** Ends connections and timers. Idempotent. */
  close(): void
}
