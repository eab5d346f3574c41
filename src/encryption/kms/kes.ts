import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import type { KesSettings } from '#config/kms-settings'
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
import { certificateOf, parseApiKey } from './kes-identity.ts'
import {
  jsonFields,
  type ServiceAnswer,
  ServiceClient,
  type ServiceRequest,
  type TlsIdentity,
} from './service-client.ts'

/**
 * A KES server, or several with the same keys. Source: encryption.md 6.3.
 */

const RETRIES = 2
/** No attempt begins after this. */
const CALL_MS = 10_000
const RETRY_MS = 200
const RETRY_SPREAD_MS = 800
/** An endpoint that failed is left out for this long. */
const SKIP_MS = 30_000
/** Certificates are read, or made, again after this long. */
const IDENTITY_MS = 15 * 60_000
const WARM_MS = 10_000
const NAME_PATTERN = /^(?!_$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,78}[A-Za-z0-9_])?$/

export interface KesPorts {
  readonly clock: Clock
  readonly random: Random
  /** PEM texts at a path: of a file, or of all files of a folder. */
  readCertificates(path: string): readonly string[]
}

interface Endpoint {
  readonly url: string
  /** On the monotonic clock. */
  skipUntilMs: number
}

export class KesKms implements Kms {
  readonly name = 'MinIO KES'
  readonly defaultKeyId: string
  readonly #settings: KesSettings
  readonly #ports: KesPorts
  readonly #endpoints: readonly Endpoint[]
  #client: ServiceClient
  #clientUntilMs: number
  #warmer: { cancel(): void } | undefined
  #isClosed = false

  constructor(settings: KesSettings, ports: KesPorts) {
    this.#settings = settings
    this.#ports = ports
    this.defaultKeyId = settings.keyName
    const isLocal = (url: string): boolean => /^https:\/\/(localhost|127\.|\[::1\])/.test(url)
    this.#endpoints = settings.endpoints
      .toSorted((a, b) => Number(isLocal(b)) - Number(isLocal(a)))
      .map((url) => ({ url, skipUntilMs: 0 }))
    this.#client = new ServiceClient(ports.clock, identityFor(settings, ports))
    this.#clientUntilMs = ports.clock.monotonicMs() + IDENTITY_MS
  }

  /** Asks for the default key from time to time, so that the server keeps it at hand. */
  keepWarm(): void {
    this.#warmer?.cancel()
    this.#warmer = this.#ports.clock.setTimer(WARM_MS, () => {
      const path = `/v1/key/describe/${encodeURIComponent(this.defaultKeyId)}`
      // Only the server's cache profits; a failure shows in the calls that need the key.
      this.#call({ method: 'GET', path, call: 'status' })
        .catch(() => undefined)
        .finally(() => this.#isClosed || this.keepWarm())
    })
  }

  async generateKey(keyId: string, context: KmsContext): Promise<DataKey> {
    const name = this.#nameOf(keyId, 'generate')
    const answer = await this.#call({
      method: 'POST',
      path: `/v1/key/generate/${name}`,
      body: { context: contextBytes(context).toBase64() },
      call: 'generate',
    })
    const fields = jsonFields(answer)
    const plaintext = bytesIn(fields, 'plaintext')
    const ciphertext = bytesIn(fields, 'ciphertext')
    if (plaintext?.length !== KEY_SIZE_BYTES || ciphertext === undefined)
      throw malformed('generate')
    return { keyId: name, plaintext, ciphertext }
  }

  async decryptKey(
    keyId: string,
    ciphertext: Uint8Array,
    context: KmsContext,
  ): Promise<Uint8Array> {
    const answer = await this.#call({
      method: 'POST',
      path: `/v1/key/decrypt/${this.#nameOf(keyId, 'decrypt')}`,
      body: {
        ciphertext: ciphertext.toBase64(),
        context: contextBytes(context).toBase64(),
      },
      call: 'decrypt',
    })
    const plaintext = bytesIn(jsonFields(answer), 'plaintext')
    if (plaintext?.length !== KEY_SIZE_BYTES) throw malformed('decrypt')
    return plaintext
  }

  async createKey(keyId: string): Promise<void> {
    const path = `/v1/key/create/${this.#nameOf(keyId, 'create')}`
    await this.#call({ method: 'POST', path, call: 'create' })
  }

  async listKeys(prefix: string): Promise<readonly string[]> {
    const names: string[] = []
    let next = prefix
    for (;;) {
      const path = `/v1/key/list/${encodeURIComponent(next)}`
      const answer = await this.#call({ method: 'GET', path, call: 'list' })
      const fields = jsonFields(answer)
      const page = fields.get('names')
      // Old servers answer one object for each line.
      const found = Array.isArray(page)
        ? page
        : answer.split('\n').map((line) => jsonFields(line).get('name'))
      for (const name of found) if (typeof name === 'string') names.push(name)
      const more = fields.get('continue_at')
      if (typeof more !== 'string' || more === '' || more === next) break
      next = more
    }
    return names.filter((name) => name.startsWith(prefix.replace(/\*$/, ''))).toSorted()
  }

  async status(): Promise<readonly KmsEndpointState[]> {
    return Promise.all(
      this.#endpoints.map(async ({ url }) => {
        try {
          const request = { method: 'GET', url: `${url}/v1/status`, call: 'status' } as const
          const { status } = await this.#connection().send(request)
          return { endpoint: url, isOnline: status === 200 }
        } catch (error) {
          if (error instanceof EncryptionError) return { endpoint: url, isOnline: false }
          throw error
        }
      }),
    )
  }

  async mac(keyId: string, message: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#call({
      method: 'PUT',
      path: `/v1/key/hmac/${this.#nameOf(keyId, 'mac')}`,
      body: { message: message.toBase64() },
      call: 'mac',
    })
    const digest = bytesIn(jsonFields(answer), 'hmac')
    if (digest === undefined) throw malformed('mac')
    return digest
  }

  close(): void {
    this.#isClosed = true
    this.#warmer?.cancel()
    this.#client.close()
  }

  #nameOf(keyId: string, call: KmsCall): string {
    const name = keyId === '' ? this.defaultKeyId : keyId
    if (NAME_PATTERN.test(name)) return name
    throw new EncryptionError('KmsKeyNotFound', `"${name}" is no name of a key`, { call })
  }

  /** The text of a successful answer. */
  async #call(request: Omit<ServiceRequest, 'url'> & { readonly path: string }): Promise<string> {
    const { clock, random } = this.#ports
    const endMs = clock.monotonicMs() + CALL_MS
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#try(request)
      if (!(outcome instanceof EncryptionError)) {
        if (outcome.status < 400) return outcome.text
        throw errorOf(outcome, request.call)
      }
      const isOver = attempt === RETRIES || clock.monotonicMs() >= endMs
      if (isOver || this.#isClosed) throw outcome
      await clock.sleep(RETRY_MS + random.below(RETRY_SPREAD_MS))
    }
  }

  /** One endpoint after the other, those that failed lately at the end. */
  async #try(
    request: Omit<ServiceRequest, 'url'> & { readonly path: string },
  ): Promise<ServiceAnswer | EncryptionError> {
    const nowMs = this.#ports.clock.monotonicMs()
    const usable = this.#endpoints.filter(({ skipUntilMs }) => skipUntilMs <= nowMs)
    let failure: EncryptionError | undefined
    for (const endpoint of usable.length > 0 ? usable : this.#endpoints) {
      try {
        const { path, ...rest } = request
        const answer = await this.#connection().send({ ...rest, url: endpoint.url + path })
        const isUp = answer.status < 500 || answer.status === 501
        endpoint.skipUntilMs = isUp ? 0 : this.#ports.clock.monotonicMs() + SKIP_MS
        if (isUp || answer.status === 500) return answer
        failure = unavailable(request.call, answer.status)
      } catch (error) {
        if (!(error instanceof EncryptionError)) throw error
        endpoint.skipUntilMs = this.#ports.clock.monotonicMs() + SKIP_MS
        failure = error
      }
    }
    return failure ?? unavailable(request.call, 0)
  }

  #connection(): ServiceClient {
    const { clock } = this.#ports
    if (clock.monotonicMs() > this.#clientUntilMs && !this.#isClosed) {
      const old = this.#client
      this.#client = new ServiceClient(clock, identityFor(this.#settings, this.#ports))
      this.#clientUntilMs = clock.monotonicMs() + IDENTITY_MS
      // Requests under way keep their connections until they end.
      clock.setTimer(60_000, () => old.close())
    }
    return this.#client
  }
}

/** Errors: `KmsFailed` for an API key that is none, and for files that are not there. */
function identityFor(settings: KesSettings, ports: KesPorts): TlsIdentity {
  const { credentials, caPath } = settings
  const authorities = caPath === undefined ? [] : ports.readCertificates(caPath)
  if (credentials.kind === 'certificate') {
    const { certFile, keyFile, keyPassword } = credentials
    const certificate = fileText('MINIO_KMS_KES_CERT_FILE', certFile, ports)
    const key = fileText('MINIO_KMS_KES_KEY_FILE', keyFile, ports)
    return { authorities, certificate, key, keyPassword }
  }
  const key = parseApiKey(credentials.apiKey)
  if (key === undefined) {
    throw new EncryptionError(
      'KmsFailed',
      'Invalid MINIO_KMS_KES_API_KEY: expected kes:v1: and 33 bytes in base64, as "kes identity new" shows it',
    )
  }
  return { authorities, ...certificateOf(key, ports.random, ports.clock.nowMs()) }
}

function fileText(name: string, path: string, ports: KesPorts): string {
  const [text] = ports.readCertificates(path)
  if (text !== undefined) return text
  throw new EncryptionError('KmsFailed', `Invalid ${name}="${path}": there is no such file`)
}

/** By status first, by text second. */
function errorOf(answer: ServiceAnswer, call: KmsCall): EncryptionError {
  const fields = jsonFields(answer.text)
  const message = fields.get('message') ?? fields.get('error') ?? answer.text
  const text = typeof message === 'string' ? message.slice(0, 200) : ''
  const make = (code: EncryptionError['code']): EncryptionError =>
    new EncryptionError(code, `The KMS refuses: ${answer.status} ${text}`, { call })
  if (answer.status === 403) return make('KmsNotAuthorized')
  if (answer.status === 404) return make('KmsKeyNotFound')
  if (answer.status === 501) return make('KmsNotSupported')
  if (/key (already exists|does already exist)/.test(text)) return make('KmsKeyExists')
  if (/not authentic/.test(text)) return make('KmsBadCiphertext')
  return make('KmsFailed')
}

function unavailable(call: KmsCall, status: number): EncryptionError {
  return new EncryptionError('KmsUnavailable', `The KMS is not available: ${status}`, { call })
}

function malformed(call: KmsCall): EncryptionError {
  return new EncryptionError('KmsFailed', 'The answer of the KMS is malformed', { call })
}

function bytesIn(fields: ReadonlyMap<string, unknown>, name: string): Uint8Array | undefined {
  const value = fields.get(name)
  return typeof value === 'string' ? decodeBase64(value) : undefined
}
