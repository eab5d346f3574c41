import type { DataKey, Kms, KmsContext, KmsEndpointState } from '../encryption.ts'
import { parseOwnEnvelope } from './own-envelope.ts'

/** A service that took over from a static key: new data keys come from the service, those of before are still opened. */
export class WithOldKey implements Kms {
  readonly name: string
  readonly defaultKeyId: string
  readonly #service: Kms
  readonly #old: Kms

  constructor(service: Kms, old: Kms) {
    this.name = service.name
    this.defaultKeyId = service.defaultKeyId
    this.#service = service
    this.#old = old
  }

  decryptKey(keyId: string, ciphertext: Uint8Array, context: KmsContext): Promise<Uint8Array> {
    const isOwn = parseOwnEnvelope(ciphertext) !== undefined
    return (isOwn ? this.#service : this.#old).decryptKey(keyId, ciphertext, context)
  }

  generateKey(keyId: string, context: KmsContext): Promise<DataKey> {
    return this.#service.generateKey(keyId, context)
  }

  createKey(keyId: string): Promise<void> {
    return this.#service.createKey(keyId)
  }

  listKeys(prefix: string): Promise<readonly string[]> {
    return this.#service.listKeys(prefix)
  }

  status(): Promise<readonly KmsEndpointState[]> {
    return this.#service.status()
  }

  mac(keyId: string, message: Uint8Array): Promise<Uint8Array> {
    return this.#service.mac(keyId, message)
  }

  close(): void {
    this.#service.close()
    this.#old.close()
  }
}
