import { utf8 } from '#base/bytes'
import type { Clock, Timer } from '#base/clock'
import type { Random } from '#base/random'
import type { VaultSettings } from '#config/kms-settings'
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
import { encodeEnvelope, parseOwnEnvelope } from './own-envelope.ts'
import { jsonFields, type ServiceAnswer, ServiceClient } from './service-client.ts'

/**
 * Vault's Transit engine: master keys never leave it. Keys of type `aes256-gcm96`; the context is associated data.
 * Source: encryption.md 6.5.
 */

const RETRIES = 2
const RETRY_MS = 300
const NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const RENEW_MS_MAX = 24 * 3_600_000

export interface VaultPorts {
  readonly clock: Clock
  readonly random: Random
  readCertificates(path: string): readonly string[]
}

export class VaultKms implements Kms {
  readonly name = 'Vault Transit'
  readonly defaultKeyId: string
  readonly #settings: VaultSettings
  readonly #ports: VaultPorts
  readonly #client: ServiceClient
  #token: string | undefined
  #login: Promise<string> | undefined
  #renewal: Timer | undefined
  /** Keys that exist and bind contexts. */
  readonly #checked = new Set<string>()

  constructor(settings: VaultSettings, ports: VaultPorts) {
    this.defaultKeyId = settings.keyName
    this.#settings = settings
    this.#ports = ports
    const { caPath } = settings
    const authorities = caPath === undefined ? [] : ports.readCertificates(caPath)
    this.#client = new ServiceClient(ports.clock, { authorities })
    if (settings.credentials.kind === 'token') this.#token = settings.credentials.token
  }

  async generateKey(keyId: string, context: KmsContext): Promise<DataKey> {
    const name = this.#nameOf(keyId, 'generate')
    if (!this.#checked.has(name)) await this.#checkExists(name)
    const plaintext = this.#ports.random.bytes(KEY_SIZE_BYTES)
    const fields = await this.#call('generate', 'POST', `encrypt/${name}`, {
      plaintext: plaintext.toBase64(),
      associated_data: contextBytes(context).toBase64(),
    })
    const ciphertext = fields.get('ciphertext')
    if (typeof ciphertext !== 'string') throw malformed('generate')
    if (!this.#checked.has(name)) await this.#checkBinding(name, ciphertext)
    const blob = encodeEnvelope({ provider: 'vault-transit', ciphertext, isContextHidden: false })
    return { keyId: name, plaintext, ciphertext: blob }
  }

  async decryptKey(
    keyId: string,
    ciphertext: Uint8Array,
    context: KmsContext,
  ): Promise<Uint8Array> {
    const envelope = parseOwnEnvelope(ciphertext)
    if (envelope?.provider !== 'vault-transit') throw badCiphertext()
    const fields = await this.#call(
      'decrypt',
      'POST',
      `decrypt/${this.#nameOf(keyId, 'decrypt')}`,
      {
        ciphertext: envelope.ciphertext,
        associated_data: contextBytes(context).toBase64(),
      },
    )
    const text = fields.get('plaintext')
    const plaintext = typeof text === 'string' ? decodeBase64(text) : undefined
    if (plaintext?.length !== KEY_SIZE_BYTES) throw malformed('decrypt')
    return plaintext
  }

  /** Vault makes a key that does not exist when something is encrypted with it. */
  async #checkExists(name: string): Promise<void> {
    const { status } = await this.#ask('generate', 'GET', `keys/${name}`, undefined)
    // Without the right to look, the policy of Vault decides.
    if (status !== 404) return
    throw new EncryptionError('KmsKeyNotFound', `Key "${name}" does not exist`, {
      call: 'generate',
    })
  }

  /** Old versions ignore associated data, and some types of keys cannot have any: such a key binds nothing. */
  async #checkBinding(name: string, ciphertext: string): Promise<void> {
    const body = { ciphertext, associated_data: utf8('{"probe":""}').toBase64() }
    const { status } = await this.#ask('generate', 'POST', `decrypt/${name}`, body)
    if (status === 200) {
      throw new EncryptionError(
        'KmsNotSupported',
        `Key "${name}" of Vault does not bind data keys to their objects`,
        { call: 'generate' },
      )
    }
    this.#checked.add(name)
  }

  async createKey(keyId: string): Promise<void> {
    const name = this.#nameOf(keyId, 'create')
    // Vault takes the creation of a key that exists as done.
    const found = await this.#ask('create', 'GET', `keys/${name}`, undefined)
    if (found.status === 200) {
      throw new EncryptionError('KmsKeyExists', `Key "${name}" exists already`, { call: 'create' })
    }
    await this.#call('create', 'POST', `keys/${name}`, { type: 'aes256-gcm96' })
  }

  async listKeys(prefix: string): Promise<readonly string[]> {
    const answer = await this.#ask('list', 'LIST', 'keys', undefined)
    if (answer.status === 404) return []
    const keys = dataOf(answer, 'list').get('keys')
    const names = Array.isArray(keys) ? keys.filter((name) => typeof name === 'string') : []
    return names.filter((name) => name.startsWith(prefix.replace(/\*$/, ''))).toSorted()
  }

  async status(): Promise<readonly KmsEndpointState[]> {
    const { endpoint } = this.#settings
    try {
      const url = `${endpoint}/v1/sys/health`
      const { status } = await this.#client.send({ method: 'GET', url, call: 'status' })
      return [{ endpoint, isOnline: [200, 429, 472, 473].includes(status) }]
    } catch (error) {
      if (error instanceof EncryptionError) return [{ endpoint, isOnline: false }]
      throw error
    }
  }

  async mac(keyId: string, message: Uint8Array): Promise<Uint8Array> {
    const path = `hmac/${this.#nameOf(keyId, 'mac')}/sha2-256`
    const fields = await this.#call('mac', 'POST', path, { input: message.toBase64() })
    const text = fields.get('hmac')
    const digest = typeof text === 'string' ? decodeBase64(text.replace(/^.*:/, '')) : undefined
    if (digest === undefined) throw malformed('mac')
    return digest
  }

  close(): void {
    this.#renewal?.cancel()
    this.#token = undefined
    this.#client.close()
  }

  #nameOf(keyId: string, call: KmsCall): string {
    const name = keyId === '' ? this.defaultKeyId : keyId
    if (NAME_PATTERN.test(name)) return name
    throw new EncryptionError('KmsKeyNotFound', `"${name}" is no name of a key`, { call })
  }

  async #call(
    call: KmsCall,
    method: 'GET' | 'POST',
    path: string,
    body: object | undefined,
  ): Promise<ReadonlyMap<string, unknown>> {
    return dataOf(await this.#ask(call, method, path, body), call)
  }

  async #ask(
    call: KmsCall,
    method: 'GET' | 'POST' | 'LIST',
    path: string,
    body: object | undefined,
  ): Promise<ServiceAnswer> {
    const url = `${this.#settings.endpoint}/v1/${this.#settings.mount}/${path}`
    for (let attempt = 0; ; attempt++) {
      const token = await this.#tokenFor(call)
      const headers = this.#headers(token)
      const answer = await this.#client.send({ method, url, headers, body, call })
      // Sealed, starting, or a standby without a leader.
      const isDown = answer.status === 503 || answer.status === 502 || answer.status === 429
      if (answer.status === 403 && this.#dropToken(token) && attempt < RETRIES) continue
      if (!isDown) return answer
      if (attempt === RETRIES) throw unavailable(call, answer.status)
      await this.#ports.clock.sleep(RETRY_MS)
    }
  }

  #headers(token: string | undefined): Record<string, string> {
    const { namespace } = this.#settings
    return {
      ...(token === undefined ? {} : { 'X-Vault-Token': token }),
      ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }),
    }
  }

  /** True when logging in again may help. */
  #dropToken(token: string): boolean {
    if (this.#settings.credentials.kind === 'token') return false
    if (this.#token === token) this.#token = undefined
    return true
  }

  #tokenFor(call: KmsCall): Promise<string> {
    if (this.#token !== undefined) return Promise.resolve(this.#token)
    this.#login ??= this.#logIn(call).finally(() => {
      this.#login = undefined
    })
    return this.#login
  }

  async #logIn(call: KmsCall): Promise<string> {
    const { credentials, endpoint } = this.#settings
    if (credentials.kind === 'token') {
      throw new EncryptionError('KmsUnavailable', 'The client of Vault is closed', { call })
    }
    const answer = await this.#client.send({
      method: 'POST',
      url: `${endpoint}/v1/auth/approle/login`,
      headers: this.#headers(undefined),
      body: { role_id: credentials.roleId, secret_id: credentials.secretId },
      call,
    })
    if (answer.status >= 500) throw unavailable(call, answer.status)
    if (answer.status >= 400) {
      throw new EncryptionError('KmsNotAuthorized', 'Vault refuses the login', { call })
    }
    return this.#take(answer, call)
  }

  /** Keeps the token of a login, and renews it after two thirds of its life. */
  #take(answer: ServiceAnswer, call: KmsCall): string {
    const auth = fieldsIn(jsonFields(answer.text), 'auth')
    const token = auth.get('client_token')
    if (typeof token !== 'string') throw malformed(call)
    this.#token = token
    const leaseS = Number(auth.get('lease_duration') ?? 0)
    this.#renewal?.cancel()
    if (leaseS > 0) {
      const afterMs = Math.min((leaseS * 2000) / 3, RENEW_MS_MAX)
      this.#renewal = this.#ports.clock.setTimer(afterMs, () => void this.#renew(token))
    }
    return token
  }

  async #renew(token: string): Promise<void> {
    try {
      const url = `${this.#settings.endpoint}/v1/auth/token/renew-self`
      const headers = this.#headers(token)
      const answer = await this.#client.send({
        method: 'POST',
        url,
        headers,
        body: {},
        call: 'status',
      })
      if (answer.status === 200) this.#take(answer, 'status')
      else this.#dropToken(token)
    } catch (error) {
      if (!(error instanceof EncryptionError)) throw error
      this.#dropToken(token) // the next call logs in
    }
  }
}

/** `data` of a successful answer. */
function dataOf(answer: ServiceAnswer, call: KmsCall): ReadonlyMap<string, unknown> {
  if (answer.status < 300) return fieldsIn(jsonFields(answer.text), 'data')
  const errors = jsonFields(answer.text).get('errors')
  const text = Array.isArray(errors) ? errors.join('; ').slice(0, 200) : ''
  throw new EncryptionError(
    codeOf(answer.status, text),
    `Vault refuses: ${answer.status} ${text}`,
    {
      call,
    },
  )
}

function codeOf(status: number, text: string): EncryptionError['code'] {
  if (status === 403) return 'KmsNotAuthorized'
  if (/key not found|no existing key/i.test(text) || status === 404) return 'KmsKeyNotFound'
  if (/message authentication failed|invalid ciphertext/i.test(text)) return 'KmsBadCiphertext'
  return 'KmsFailed'
}

function fieldsIn(
  fields: ReadonlyMap<string, unknown>,
  name: string,
): ReadonlyMap<string, unknown> {
  const value = fields.get(name)
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : new Map()
}

function unavailable(call: KmsCall, status: number): EncryptionError {
  return new EncryptionError('KmsUnavailable', `Vault is not available: ${status}`, { call })
}

function malformed(call: KmsCall): EncryptionError {
  return new EncryptionError('KmsFailed', 'The answer of Vault is malformed', { call })
}

function badCiphertext(): EncryptionError {
  return new EncryptionError('KmsBadCiphertext', 'The data key was not sealed by Vault', {
    call: 'decrypt',
  })
}
