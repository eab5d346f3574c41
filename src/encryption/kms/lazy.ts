import type { DataKey, Kms, KmsContext, KmsEndpointState } from '../encryption.ts'

/** A service whose client is loaded when it is asked for the first time: most servers have none, and every thread would keep it. */
export class LazyKms implements Kms {
  readonly name: string
  readonly defaultKeyId: string
  readonly #load: () => Promise<Kms>
  #loaded: Promise<Kms> | undefined

  constructor(name: string, defaultKeyId: string, load: () => Promise<Kms>) {
    this.name = name
    this.defaultKeyId = defaultKeyId
    this.#load = load
  }

  #kms(): Promise<Kms> {
    this.#loaded ??= this.#load()
    return this.#loaded
  }

  async generateKey(keyId: string, context: KmsContext): Promise<DataKey> {
    return (await this.#kms()).generateKey(keyId, context)
  }

  async decryptKey(
    keyId: string,
    ciphertext: Uint8Array,
    context: KmsContext,
  ): Promise<Uint8Array> {
    return (await this.#kms()).decryptKey(keyId, ciphertext, context)
  }

  async createKey(keyId: string): Promise<void> {
    return (await this.#kms()).createKey(keyId)
  }

  async listKeys(prefix: string): Promise<readonly string[]> {
    return (await this.#kms()).listKeys(prefix)
  }

  async status(): Promise<readonly KmsEndpointState[]> {
    return (await this.#kms()).status()
  }

  async mac(keyId: string, message: Uint8Array): Promise<Uint8Array> {
    return (await this.#kms()).mac(keyId, message)
  }

  close(): void {
    // One that could not be loaded has nothing to close.
    this.#loaded?.then(
      (kms) => kms.close(),
      () => undefined,
    )
  }
}
