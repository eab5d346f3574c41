import { createHash } from 'node:crypto'
import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import {
  type DataKey,
  EncryptionError,
  type EncryptionRequest,
  type Kms,
  type KmsContext,
} from './encryption.ts'
import { isSealedEtag, keylessEtag, unsealEtag } from './etags.ts'
import {
  encodeKeyMetadata,
  encryptionKindOf,
  type KeyMetadata,
  parseKeyMetadata,
} from './key-metadata.ts'
import { contextBytes } from './kms-context.ts'
import {
  boundPath,
  generateObjectKey,
  SEAL_ALGORITHM,
  sealObjectKey,
  unsealObjectKey,
} from './object-keys.ts'

/**
 * Object keys of versions: made for a write, opened for a read. Source: encryption.md 1.9, 5.2, 5.3, 6.6.
 */

export interface ObjectPlace {
  readonly bucket: string
  /** As MinIO spells it. */
  readonly key: string
}

export interface NewObjectKey {
  /** 32 bytes: the caller wipes it. */
  readonly objectKey: Uint8Array
  /** Goes into the system metadata of the version. */
  readonly metadata: ReadonlyMap<string, Uint8Array>
}

type SystemMetadata = ReadonlyMap<string, Uint8Array>

/** How long a data key may be used after the KMS gave it: a disabled master key takes that long to bite. */
const CACHE_MS = 60_000
const CACHE_ENTRIES_MAX = 2000

interface CachedKey {
  readonly plaintext: Uint8Array
  readonly expiresMs: number
}

export interface ObjectEncryptionOptions {
  readonly kms: Kms | undefined
  readonly random: Random
  readonly clock: Clock
  /** False: every read asks the KMS. */
  readonly cachesDataKeys: boolean
}

/** Errors of all calls: `EncryptionError`. */
export class ObjectEncryption {
  readonly kms: Kms | undefined
  readonly #random: Random
  readonly #clock: Clock
  readonly #cachesDataKeys: boolean
  /** In order of their time. */
  readonly #cache = new Map<string, CachedKey>()

  constructor(options: ObjectEncryptionOptions) {
    this.kms = options.kms
    this.#random = options.random
    this.#clock = options.clock
    this.#cachesDataKeys = options.cachesDataKeys
  }

  get random(): Random {
    return this.#random
  }

  /** A new object key, sealed as asked. `isMultipart`: each part will be a stream of its own. Errors: `NoKms`, those of the KMS. */
  async create(
    request: EncryptionRequest,
    place: ObjectPlace,
    options: { readonly isMultipart: boolean },
  ): Promise<NewObjectKey> {
    if (request.kind === 'sse-c') {
      return this.#seal(request.clientKey, place, { request, dataKey: undefined }, options)
    }
    const context =
      request.kind === 'sse-kms' ? boundContext(request.context, place) : boundContext(NONE, place)
    const keyId = request.kind === 'sse-kms' ? request.keyId : ''
    const dataKey = await this.needKms().generateKey(keyId, context)
    try {
      return this.#seal(dataKey.plaintext, place, { request, dataKey }, options)
    } finally {
      dataKey.plaintext.fill(0)
    }
  }

  #seal(
    externalKey: Uint8Array,
    place: ObjectPlace,
    made: { readonly request: EncryptionRequest; readonly dataKey: DataKey | undefined },
    options: { readonly isMultipart: boolean },
  ): NewObjectKey {
    const { request, dataKey } = made
    const { kind } = request
    const objectKey = generateObjectKey(externalKey, this.#random)
    const sealed = sealObjectKey(objectKey, externalKey, { kind, ...place }, this.#random)
    const metadata = encodeKeyMetadata({
      ...sealed,
      kind,
      dataKey:
        dataKey === undefined
          ? undefined
          : { keyId: dataKey.keyId, ciphertext: dataKey.ciphertext },
      context: request.kind === 'sse-kms' ? request.context : NONE,
      isMultipart: options.isMultipart,
    })
    return { objectKey, metadata }
  }

  /**
   * The object key of a version, undefined for a plain one: the caller wipes it. `clientKey` is needed for SSE-C, and
   * only used for that. Errors: `KeyMismatch`, `Tampered`, `BadMetadata`, `NoKms`, those of the KMS.
   */
  async open(
    metadata: SystemMetadata,
    place: ObjectPlace,
    clientKey: Uint8Array | undefined,
  ): Promise<Uint8Array | undefined> {
    const key = parseKeyMetadata(metadata)
    if (key === undefined) return undefined
    const externalKey = await this.#externalKey(key, place, clientKey)
    try {
      return unsealObjectKey(key, externalKey, { kind: key.kind, ...place })
    } finally {
      if (externalKey !== clientKey) externalKey.fill(0)
    }
  }

  async #externalKey(
    key: KeyMetadata,
    place: ObjectPlace,
    clientKey: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    if (key.dataKey === undefined) {
      if (clientKey !== undefined) return clientKey
      throw new EncryptionError('KeyMismatch', 'The version needs the key of the client')
    }
    const { keyId, ciphertext } = key.dataKey
    const context = boundContext(key.context, place)
    const kms = this.needKms()
    const name = this.#cachesDataKeys ? cacheName(keyId, ciphertext, context) : ''
    const cached = this.#cached(name)
    if (cached !== undefined) return cached
    try {
      const plaintext = await kms.decryptKey(keyId, ciphertext, context)
      if (this.#cachesDataKeys) this.#remember(name, plaintext)
      return plaintext
    } catch (error) {
      const isRefused =
        error instanceof EncryptionError &&
        (error.code === 'KmsNotAuthorized' || error.code === 'KmsKeyNotFound')
      if (isRefused) this.forget()
      throw error
    }
  }

  #cached(name: string): Uint8Array | undefined {
    const found = name === '' ? undefined : this.#cache.get(name)
    if (found === undefined) return undefined
    if (found.expiresMs > this.#clock.monotonicMs()) return new Uint8Array(found.plaintext)
    this.#drop(name, found)
    return undefined
  }

  #remember(name: string, plaintext: Uint8Array): void {
    for (const [oldName, old] of this.#cache) {
      const isOver = old.expiresMs <= this.#clock.monotonicMs()
      if (!isOver && this.#cache.size < CACHE_ENTRIES_MAX) break
      this.#drop(oldName, old)
    }
    const expiresMs = this.#clock.monotonicMs() + CACHE_MS
    this.#cache.set(name, { plaintext: new Uint8Array(plaintext), expiresMs })
  }

  #drop(name: string, entry: CachedKey): void {
    entry.plaintext.fill(0)
    this.#cache.delete(name)
  }

  /** Wipes all data keys kept. */
  forget(): void {
    for (const [name, entry] of this.#cache) this.#drop(name, entry)
  }

  /** Errors: `NoKms`. */
  needKms(): Kms {
    if (this.kms === undefined) throw new EncryptionError('NoKms', 'No KMS is configured')
    return this.kms
  }

  /**
   * Seals the object key of an SSE-C version with another client key: the metadata to store instead. Undefined: nothing
   * changes. Errors: `KeyMismatch`. Source: encryption.md 5.2.
   */
  rotate(
    metadata: SystemMetadata,
    place: ObjectPlace,
    keys: { readonly from: Uint8Array; readonly to: Uint8Array; readonly areEqual: boolean },
  ): ReadonlyMap<string, Uint8Array> | undefined {
    const key = parseKeyMetadata(metadata)
    if (key?.kind !== 'sse-c') throw new EncryptionError('BadMetadata', 'The version is not SSE-C')
    const binding = { kind: key.kind, ...place }
    const objectKey = unsealObjectKey(key, keys.from, binding)
    try {
      if (keys.areEqual && key.algorithm === SEAL_ALGORITHM) return undefined
      const sealed = sealObjectKey(objectKey, keys.to, binding, this.#random, key.iv)
      return encodeKeyMetadata({ ...key, ...sealed })
    } finally {
      objectKey.fill(0)
    }
  }

  /** The entity tag that clients see. Errors: those of `open`, for SSE-S3 only. Source: encryption.md 3.2. */
  async shownEtag(etag: string, metadata: SystemMetadata, place: ObjectPlace): Promise<string> {
    if (!isSealedEtag(etag)) return etag
    if (encryptionKindOf(metadata) !== 'sse-s3') return keylessEtag(etag)
    const objectKey = await this.open(metadata, place, undefined)
    if (objectKey === undefined) return etag
    try {
      return unsealEtag(objectKey, etag)
    } finally {
      objectKey.fill(0)
    }
  }
}

const NONE: KmsContext = new Map()

/** The context of a data key: the client's with the place of the object. A client's own entry of that name stays. */
function boundContext(context: KmsContext, place: ObjectPlace): KmsContext {
  if (context.has(place.bucket)) return context
  return new Map([...context, [place.bucket, boundPath(place.bucket, place.key)]])
}

function cacheName(keyId: string, ciphertext: Uint8Array, context: KmsContext): string {
  const hash = createHash('sha256').update(keyId).update('\0').update(ciphertext)
  return hash.update(contextBytes(context)).digest('base64')
}
