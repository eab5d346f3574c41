import { argon2Sync, pbkdf2Sync } from 'node:crypto'
import { concatBytes, strictTextOf, textOf, utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { EncryptionError, KEY_SIZE_BYTES, type Kms, type KmsContext } from './encryption.ts'
import {
  FRAGMENT_NONCE_BYTES,
  type FragmentCipher,
  openFragments,
  sealFragments,
} from './fragment-stream.ts'
import { decodeBase64 } from './key-metadata.ts'

/**
 * Configuration and IAM at rest: sealed when there is a KMS, read in all forms that MinIO wrote. Source: encryption.md 7.
 *
 *     with a KMS      01 │ LE32 n │ n bytes of JSON: key, cipher, nonce │ fragments
 *     older releases  salt (32) │ id │ nonce (8) │ fragments            under the root credentials
 */

const META_BUCKET = '.minio.sys'
const VERSION = 0x01
const HEAD_BYTES = 5
const HEADER_BYTES_MAX = 1_048_576
const SALT_BYTES = 32
const PASSWORD_HEAD_BYTES = SALT_BYTES + 1 + FRAGMENT_NONCE_BYTES
const PBKDF2_ITERATIONS = 8192

export interface RootCredentials {
  readonly user: string
  readonly password: string
}

export interface SealedFilesOptions {
  readonly kms: Kms | undefined
  readonly root: RootCredentials
  readonly random: Random
}

/** Errors of all calls: `EncryptionError`. Paths are relative to the meta bucket: `config/iam/format.json`. */
export class SealedFiles {
  readonly #options: SealedFilesOptions

  constructor(options: SealedFilesOptions) {
    this.#options = options
  }

  /** What to store for a file: in clear only without a KMS. */
  async seal(path: string, plain: Uint8Array): Promise<Uint8Array> {
    const { kms, random } = this.#options
    if (kms === undefined) return plain
    const made = await kms.generateKey('', contextOf(`${META_BUCKET}/${path}`))
    try {
      const nonce = random.bytes(FRAGMENT_NONCE_BYTES)
      const header = utf8(
        JSON.stringify({
          keyid: made.keyId,
          kmskey: made.ciphertext.toBase64(),
          algorithm: 'AES-256-GCM',
          nonce: nonce.toBase64(),
        }),
      )
      const head = new Uint8Array(HEAD_BYTES)
      head[0] = VERSION
      new DataView(head.buffer).setUint32(1, header.length, true)
      return concatBytes([head, header, sealFragments('aes-256-gcm', made.plaintext, nonce, plain)])
    } finally {
      made.plaintext.fill(0)
    }
  }

  /** The content of a stored file. Errors: `NoKms` for one that a KMS sealed, where there is none; `Tampered`. */
  async open(path: string, stored: Uint8Array): Promise<Uint8Array> {
    if (strictTextOf(stored) !== undefined) return stored
    const byPassword = this.#openByPassword(stored)
    if (byPassword !== undefined) return byPassword
    const envelope = parseEnvelope(stored)
    if (envelope === undefined) {
      throw new EncryptionError('Tampered', `The file "${path}" is neither text nor sealed`)
    }
    const { kms } = this.#options
    if (kms === undefined) {
      throw new EncryptionError(
        'NoKms',
        `The file "${path}" is sealed with the key "${envelope.keyId}" of a KMS, and none is configured`,
      )
    }
    const dataKey = await dataKeyOf(kms, envelope, path)
    try {
      return openFragments(envelope.cipher, dataKey, envelope.nonce, envelope.sealed)
    } finally {
      dataKey.fill(0)
    }
  }

  /** Undefined: it is not sealed with the root credentials of today. */
  #openByPassword(stored: Uint8Array): Uint8Array | undefined {
    // The form with a KMS has a text here, so that no costly hash is made of it.
    const id = stored[SALT_BYTES]
    if (stored.length < PASSWORD_HEAD_BYTES || id === undefined || id > 2) return undefined
    const { user, password } = this.#options.root
    const key = passwordKey(id, utf8(`${user}:${password}`), stored.subarray(0, SALT_BYTES))
    const nonce = stored.subarray(SALT_BYTES + 1, PASSWORD_HEAD_BYTES)
    const cipher = id === 1 ? 'chacha20-poly1305' : 'aes-256-gcm'
    try {
      return openFragments(cipher, key, nonce, stored.subarray(PASSWORD_HEAD_BYTES))
    } catch (error) {
      if (error instanceof EncryptionError) return undefined
      throw error
    } finally {
      key.fill(0)
    }
  }
}

/** Key of the form with a password. Source: encryption.md 7.5. */
export function passwordKey(id: number, password: Uint8Array, salt: Uint8Array): Uint8Array {
  if (id === 2) return pbkdf2Sync(password, salt, PBKDF2_ITERATIONS, KEY_SIZE_BYTES, 'sha256')
  return argon2Sync('argon2id', {
    message: password,
    nonce: salt,
    parallelism: 4,
    tagLength: KEY_SIZE_BYTES,
    memory: 65_536,
    passes: 1,
  })
}

async function dataKeyOf(kms: Kms, envelope: Envelope, path: string): Promise<Uint8Array> {
  const { keyId, dataKey } = envelope
  try {
    return await kms.decryptKey(keyId, dataKey, contextOf(`${META_BUCKET}/${path}`))
  } catch (error) {
    if (!(error instanceof EncryptionError) || error.code !== 'KmsBadCiphertext') throw error
    // Older releases left out the bucket.
    return kms.decryptKey(keyId, dataKey, contextOf(path))
  }
}

function contextOf(value: string): KmsContext {
  return new Map([[META_BUCKET, value]])
}

interface Envelope {
  readonly keyId: string
  readonly dataKey: Uint8Array
  readonly cipher: FragmentCipher
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
}

function parseEnvelope(stored: Uint8Array): Envelope | undefined {
  if (stored.length < HEAD_BYTES || stored[0] !== VERSION) return undefined
  const size = new DataView(stored.buffer, stored.byteOffset, stored.length).getUint32(1, true)
  if (size > HEADER_BYTES_MAX || HEAD_BYTES + size > stored.length) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(textOf(stored.subarray(HEAD_BYTES, HEAD_BYTES + size)))
  } catch {
    return undefined // the only failure is the malformed text asked about
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const fields = new Map<string, unknown>(Object.entries(parsed))
  const keyId = fields.get('keyid')
  const dataKey = bytesOf(fields.get('kmskey'))
  const nonce = bytesOf(fields.get('nonce'))
  const cipher = CIPHERS.get(String(fields.get('algorithm')))
  if (typeof keyId !== 'string' || dataKey === undefined) return undefined
  if (nonce?.length !== FRAGMENT_NONCE_BYTES || cipher === undefined) return undefined
  return { keyId, dataKey, cipher, nonce, sealed: stored.subarray(HEAD_BYTES + size) }
}

const CIPHERS: ReadonlyMap<string, FragmentCipher> = new Map([
  ['AES-256-GCM', 'aes-256-gcm'],
  ['ChaCha20-Poly1305', 'chacha20-poly1305'],
])

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? decodeBase64(value) : undefined
}
