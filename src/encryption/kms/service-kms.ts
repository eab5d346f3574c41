import type { Clock } from '#base/clock'
import {
  type DataKey,
  EncryptionError,
  type Kms,
  type KmsCall,
  type KmsContext,
  type KmsEndpointState,
} from '../encryption.ts'

/** Calls in a row that the service does not answer before it is left alone. */
const FAILURES_MAX = 5
/** How long it is left alone; then one call tries it, and the others go on when that is answered. */
const PAUSE_MS = 2000

export interface ServiceKmsOptions {
  readonly name: string
  readonly defaultKeyId: string
  readonly clock: Clock
  /** The client of the service. */
  load(): Promise<Kms>
}

/**
 * A service behind the network. Its client is loaded when it is asked for the first time: most servers have none, and
 * every thread would keep it. While it does not answer, requests fail at once and do not wait for it one after the other.
 * Source: encryption.md 6.6.
 */
export class ServiceKms implements Kms {
  readonly name: string
  readonly defaultKeyId: string
  readonly #options: ServiceKmsOptions
  #loaded: Promise<Kms> | undefined
  /** Calls without an answer since the last answer. */
  #failures = 0
  /** On the monotonic clock; of use only after `FAILURES_MAX` failures. */
  #pausedUntilMs = 0

  constructor(options: ServiceKmsOptions) {
    this.name = options.name
    this.defaultKeyId = options.defaultKeyId
    this.#options = options
  }

  #kms(): Promise<Kms> {
    this.#loaded ??= this.#options.load()
    return this.#loaded
  }

  async #ask<T>(call: KmsCall, question: (kms: Kms) => Promise<T>): Promise<T> {
    const { clock } = this.#options
    if (this.#failures >= FAILURES_MAX) {
      if (clock.monotonicMs() < this.#pausedUntilMs) {
        throw new EncryptionError('KmsUnavailable', `${this.name} did not answer lately`, { call })
      }
      this.#pausedUntilMs = Infinity // until this call ends
    }
    try {
      const answer = await question(await this.#kms())
      this.#failures = 0
      return answer
    } catch (error) {
      const isSilent = error instanceof EncryptionError && error.code === 'KmsUnavailable'
      this.#failures = isSilent ? this.#failures + 1 : 0
      this.#pausedUntilMs = clock.monotonicMs() + PAUSE_MS
      throw error
    }
  }

  generateKey(keyId: string, context: KmsContext): Promise<DataKey> {
    return this.#ask('generate', (kms) => kms.generateKey(keyId, context))
  }

  decryptKey(keyId: string, ciphertext: Uint8Array, context: KmsContext): Promise<Uint8Array> {
    return this.#ask('decrypt', (kms) => kms.decryptKey(keyId, ciphertext, context))
  }

  createKey(keyId: string): Promise<void> {
    return this.#ask('create', (kms) => kms.createKey(keyId))
  }

  listKeys(prefix: string): Promise<readonly string[]> {
    return this.#ask('list', (kms) => kms.listKeys(prefix))
  }

  mac(keyId: string, message: Uint8Array): Promise<Uint8Array> {
    return this.#ask('mac', (kms) => kms.mac(keyId, message))
  }

  async status(): Promise<readonly KmsEndpointState[]> {
    return (await this.#kms()).status()
  }

  close(): void {
    // One that could not be loaded has nothing to close.
    this.#loaded?.then(
      (kms) => kms.close(),
      () => undefined,
    )
  }
}
