import { createHash } from 'node:crypto'
import type * as KmsLibrary from '@aws-sdk/client-kms'
import type { AwsKmsSettings } from '#config/kms-settings'
import {
  type DataKey,
  EncryptionError,
  type EncryptionErrorCode,
  KEY_SIZE_BYTES,
  type Kms,
  type KmsCall,
  type KmsContext,
  type KmsEndpointState,
} from '../encryption.ts'
import { decodeBase64 } from '../key-metadata.ts'
import { contextBytes } from '../kms-context.ts'
import { encodeEnvelope, parseOwnEnvelope } from './own-envelope.ts'

/**
 * AWS KMS by its official client, which finds credentials as all AWS programs do. Source: encryption.md 6.5.
 */

const ATTEMPTS = 3
const ATTEMPT_MS = 10_000
const CONNECT_MS = 3000

type Library = typeof KmsLibrary

export class AwsKms implements Kms {
  readonly name = 'AWS KMS'
  readonly defaultKeyId: string
  readonly #settings: AwsKmsSettings
  readonly #library: Library
  readonly #client: KmsLibrary.KMSClient

  private constructor(settings: AwsKmsSettings, library: Library) {
    this.defaultKeyId = settings.keyId
    this.#settings = settings
    this.#library = library
    this.#client = new library.KMSClient({
      region: settings.region,
      maxAttempts: ATTEMPTS,
      requestHandler: {
        requestTimeout: ATTEMPT_MS,
        throwOnRequestTimeout: true,
        connectionTimeout: CONNECT_MS,
      },
      ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    })
  }

  /** Loads the client: it is large, and few servers need it. */
  static async open(settings: AwsKmsSettings): Promise<AwsKms> {
    return new AwsKms(settings, await import('@aws-sdk/client-kms'))
  }

  async generateKey(keyId: string, context: KmsContext): Promise<DataKey> {
    const { hidesContext } = this.#settings
    const name = this.#nameOf(keyId)
    const made = await this.#ask('generate', () =>
      this.#client.send(
        new this.#library.GenerateDataKeyCommand({
          KeyId: name,
          KeySpec: 'AES_256',
          EncryptionContext: awsContext(context, hidesContext),
        }),
      ),
    )
    const { Plaintext: plaintext, CiphertextBlob: blob } = made
    if (plaintext?.length !== KEY_SIZE_BYTES || blob === undefined) throw malformed('generate')
    const ciphertext = encodeEnvelope({
      provider: 'aws-kms',
      ciphertext: new Uint8Array(blob).toBase64(),
      isContextHidden: hidesContext,
    })
    return { keyId: name, plaintext, ciphertext }
  }

  async decryptKey(
    keyId: string,
    ciphertext: Uint8Array,
    context: KmsContext,
  ): Promise<Uint8Array> {
    const envelope = parseOwnEnvelope(ciphertext)
    const blob = envelope?.provider === 'aws-kms' ? decodeBase64(envelope.ciphertext) : undefined
    if (envelope === undefined || blob === undefined) {
      throw new EncryptionError('KmsBadCiphertext', 'The data key was not sealed by AWS KMS', {
        call: 'decrypt',
      })
    }
    const opened = await this.#ask('decrypt', () =>
      this.#client.send(
        new this.#library.DecryptCommand({
          KeyId: this.#nameOf(keyId),
          CiphertextBlob: blob,
          EncryptionContext: awsContext(context, envelope.isContextHidden),
        }),
      ),
    )
    if (opened.Plaintext?.length !== KEY_SIZE_BYTES) throw malformed('decrypt')
    return opened.Plaintext
  }

  async createKey(keyId: string): Promise<void> {
    if (!keyId.startsWith('alias/')) {
      throw new EncryptionError('KmsNotSupported', 'AWS names keys itself: use an alias', {
        call: 'create',
      })
    }
    await this.#ask('create', async () => {
      const { KeyMetadata: made } = await this.#client.send(new this.#library.CreateKeyCommand({}))
      const target = { AliasName: keyId, TargetKeyId: made?.KeyId }
      return this.#client.send(new this.#library.CreateAliasCommand(target))
    })
  }

  async listKeys(prefix: string): Promise<readonly string[]> {
    const names: string[] = []
    let marker: string | undefined
    do {
      const page = await this.#ask('list', () =>
        this.#client.send(
          new this.#library.ListAliasesCommand(marker === undefined ? {} : { Marker: marker }),
        ),
      )
      for (const { AliasName: name } of page.Aliases ?? []) if (name !== undefined) names.push(name)
      marker = page.Truncated === true ? page.NextMarker : undefined
    } while (marker !== undefined)
    return names.filter((name) => name.startsWith(prefix.replace(/\*$/, ''))).toSorted()
  }

  async status(): Promise<readonly KmsEndpointState[]> {
    const endpoint = this.#settings.endpoint ?? `https://kms.${this.#settings.region}.amazonaws.com`
    try {
      await this.#ask('status', () =>
        this.#client.send(new this.#library.DescribeKeyCommand({ KeyId: this.defaultKeyId })),
      )
      return [{ endpoint, isOnline: true }]
    } catch (error) {
      if (!(error instanceof EncryptionError)) throw error
      return [{ endpoint, isOnline: error.code !== 'KmsUnavailable' }]
    }
  }

  async mac(): Promise<Uint8Array> {
    throw new EncryptionError('KmsNotSupported', 'Keys of AWS KMS for data make no HMAC', {
      call: 'mac',
    })
  }

  close(): void {
    this.#client.destroy()
  }

  #nameOf(keyId: string): string {
    return keyId === '' ? this.defaultKeyId : keyId
  }

  async #ask<T>(call: KmsCall, send: () => Promise<T>): Promise<T> {
    try {
      return await send()
    } catch (error) {
      const name = error instanceof Error ? error.name : ''
      throw new EncryptionError(codeOf(error, name), `AWS KMS fails: ${failureText(error)}`, {
        call,
        cause: error,
      })
    }
  }
}

/** AWS writes contexts to its audit trail, names of objects with them. */
function awsContext(context: KmsContext, isHidden: boolean): Record<string, string> {
  if (!isHidden) return Object.fromEntries(context)
  return { cairn: createHash('sha256').update(contextBytes(context)).digest('hex') }
}

/** What the client says of a failure, without what its text may hold of secrets: commands, and signed texts with tokens. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const [line = ''] = error.message.slice(0, 300).split('\n')
  const isShown = line !== '' && !line.startsWith('Command failed')
  const parts = [...(error.name === 'Error' ? [] : [error.name]), ...(isShown ? [line] : [])]
  if (error.name === 'CredentialsProviderError') {
    parts.push(
      'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role',
    )
  }
  return parts.join(': ')
}

function codeOf(error: unknown, name: string): EncryptionErrorCode {
  switch (name) {
    case 'NotFoundException':
    case 'DisabledException':
    case 'KMSInvalidStateException':
      return 'KmsKeyNotFound'
    case 'AccessDeniedException':
    case 'UnrecognizedClientException':
    case 'InvalidClientTokenId':
      return 'KmsNotAuthorized'
    case 'InvalidCiphertextException':
    case 'IncorrectKeyException':
      return 'KmsBadCiphertext'
    case 'AlreadyExistsException':
      return 'KmsKeyExists'
  }
  const isRefusal =
    typeof error === 'object' && error !== null && '$fault' in error && error.$fault === 'client'
  // What the service says is wrong with the request stays wrong; everything else may pass: throttling, failures, silence.
  return isRefusal && !/throttl|limit/i.test(name) ? 'KmsFailed' : 'KmsUnavailable'
}

function malformed(call: KmsCall): EncryptionError {
  return new EncryptionError('KmsFailed', 'The answer of AWS KMS is malformed', { call })
}
