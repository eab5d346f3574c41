import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
} from 'node:crypto'
import { concatBytes, strictTextOf } from '#base/bytes'
import type { Random } from '#base/random'
import { openSmall } from '../dare.ts'
import {
  type DataKey,
  EncryptionError,
  KEY_SIZE_BYTES,
  type Kms,
  type KmsCall,
  type KmsContext,
  type KmsEndpointState,
} from '../encryption.ts'
import { decodeBase64 } from '../key-metadata.ts'
import { contextBytes } from '../kms-context.ts'
import { hchacha20 } from './hchacha20.ts'

/**
 * One master key from the settings. Source: encryption.md 6.2.
 */

const IV_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const TAIL_BYTES = IV_BYTES + NONCE_BYTES
const OLD_BLOB_BYTES = 64
const TAG_OPTIONS = { authTagLength: TAG_BYTES }

/** Can be sent to other threads, without its bytes ever being in an array. */
export interface StaticKey {
  readonly keyId: string
  readonly master: KeyObject
}

export class StaticKeyKms implements Kms {
  readonly name = 'MinIO builtin'
  readonly defaultKeyId: string
  readonly #master: KeyObject
  readonly #random: Random

  constructor(key: StaticKey, random: Random) {
    this.defaultKeyId = key.keyId
    this.#master = key.master
    this.#random = random
  }

  async generateKey(keyId: string, context: KmsContext): Promise<DataKey> {
    this.#check(keyId, 'generate')
    const tail = this.#random.bytes(TAIL_BYTES)
    const plaintext = this.#random.bytes(KEY_SIZE_BYTES)
    const key = this.#derive(tail.subarray(0, IV_BYTES))
    try {
      const cipher = createCipheriv('aes-256-gcm', key, tail.subarray(IV_BYTES), TAG_OPTIONS)
      cipher.setAAD(contextBytes(context))
      const sealed = cipher.update(plaintext)
      cipher.final()
      const ciphertext = concatBytes([sealed, cipher.getAuthTag(), tail])
      return { keyId: this.defaultKeyId, plaintext, ciphertext }
    } finally {
      key.fill(0)
    }
  }

  async decryptKey(
    keyId: string,
    ciphertext: Uint8Array,
    context: KmsContext,
  ): Promise<Uint8Array> {
    this.#check(keyId, 'decrypt')
    const data = contextBytes(context)
    const opened =
      this.#openJson(ciphertext, data) ??
      this.#openOld(ciphertext, data) ??
      this.#openBinary(ciphertext, data)
    if (opened.length !== KEY_SIZE_BYTES) throw badCiphertext()
    return opened
  }

  async createKey(keyId: string): Promise<void> {
    if (keyId === this.defaultKeyId) {
      throw new EncryptionError('KmsKeyExists', `Key "${keyId}" exists already`, { call: 'create' })
    }
    throw new EncryptionError('KmsNotSupported', 'The KMS has one key only', { call: 'create' })
  }

  async listKeys(prefix: string): Promise<readonly string[]> {
    return this.defaultKeyId.startsWith(prefix === '*' ? '' : prefix) ? [this.defaultKeyId] : []
  }

  async status(): Promise<readonly KmsEndpointState[]> {
    return [{ endpoint: '127.0.0.1', isOnline: true }]
  }

  async mac(keyId: string, message: Uint8Array): Promise<Uint8Array> {
    this.#check(keyId, 'mac')
    return createHmac('sha256', this.#master).update(message).digest()
  }

  close(): void {}

  #check(keyId: string, call: KmsCall): void {
    if (keyId === '' || keyId === this.defaultKeyId) return
    throw new EncryptionError('KmsKeyNotFound', `Key "${keyId}" does not exist`, { call })
  }

  #derive(iv: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#master).update(iv).digest()
  }

  #openBinary(blob: Uint8Array, data: Uint8Array): Uint8Array {
    const size = blob.length - TAIL_BYTES
    if (size < TAG_BYTES) throw badCiphertext()
    const key = this.#derive(blob.subarray(size, size + IV_BYTES))
    return openGcm(key, blob.subarray(size + IV_BYTES), blob.subarray(0, size), data)
  }

  /** What releases between 2021-05 and 2022-05 wrote; undefined when it is not that. */
  #openJson(blob: Uint8Array, data: Uint8Array): Uint8Array | undefined {
    const parsed = parseJsonBlob(blob)
    if (parsed === undefined) return undefined
    if (parsed.isAes) return openGcm(this.#derive(parsed.iv), parsed.nonce, parsed.sealed, data)
    const master = this.#master.export()
    const key = hchacha20(master, parsed.iv)
    master.fill(0)
    return openChaCha(key, parsed.nonce, parsed.sealed, data)
  }

  /** What releases before 2021-05 wrote: one package under a key of name and context. */
  #openOld(blob: Uint8Array, data: Uint8Array): Uint8Array | undefined {
    if (blob.length !== OLD_BLOB_BYTES || blob[0] !== 0x20) return undefined
    const key = createHmac('sha256', this.#master).update(this.defaultKeyId).update(data).digest()
    try {
      return openSmall(key, blob, { onlyVersion2: true })
    } catch (error) {
      throw badCiphertext(error)
    } finally {
      key.fill(0)
    }
  }
}

interface JsonBlob {
  readonly isAes: boolean
  readonly iv: Uint8Array
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
}

function parseJsonBlob(blob: Uint8Array): JsonBlob | undefined {
  if (blob[0] !== 0x7b || blob.at(-1) !== 0x7d) return undefined
  const text = strictTextOf(blob)
  if (text === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined // then it is binary
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const fields = new Map<string, unknown>(Object.entries(parsed))
  const aead = fields.get('aead')
  if (aead !== 'AES-256-GCM-HMAC-SHA-256' && aead !== 'ChaCha20Poly1305') return undefined
  const iv = bytesOf(fields.get('iv'))
  const nonce = bytesOf(fields.get('nonce'))
  const sealed = bytesOf(fields.get('bytes'))
  if (iv?.length !== IV_BYTES || nonce?.length !== NONCE_BYTES) return undefined
  if (sealed === undefined || sealed.length < TAG_BYTES) return undefined
  return { isAes: aead !== 'ChaCha20Poly1305', iv, nonce, sealed }
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? decodeBase64(value) : undefined
}

function openGcm(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  return finish(createDecipheriv('aes-256-gcm', key, nonce, TAG_OPTIONS), key, sealed, data)
}

function openChaCha(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  return finish(createDecipheriv('chacha20-poly1305', key, nonce, TAG_OPTIONS), key, sealed, data)
}

function finish(
  decipher: ReturnType<typeof createDecipheriv> & {
    setAAD(data: Uint8Array): unknown
    setAuthTag(tag: Uint8Array): unknown
  },
  key: Uint8Array,
  sealed: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  const end = sealed.length - TAG_BYTES
  decipher.setAAD(data)
  decipher.setAuthTag(sealed.subarray(end))
  const opened = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
    return opened
  } catch (error) {
    opened.fill(0)
    throw badCiphertext(error)
  } finally {
    key.fill(0)
  }
}

function badCiphertext(cause?: unknown): EncryptionError {
  return new EncryptionError('KmsBadCiphertext', 'Cannot decrypt a data key: it is not authentic', {
    call: 'decrypt',
    cause,
  })
}

/** Name and key of `MINIO_KMS_SECRET_KEY`; undefined when malformed. */
export function parseStaticKey(text: string): StaticKey | undefined {
  const colon = text.indexOf(':')
  if (colon <= 0) return undefined
  const bytes = decodeBase64(text.slice(colon + 1).replaceAll(/[\r\n]/g, ''))
  if (bytes?.length !== KEY_SIZE_BYTES) return undefined
  const master = createSecretKey(bytes)
  bytes.fill(0)
  return { keyId: text.slice(0, colon), master }
}
