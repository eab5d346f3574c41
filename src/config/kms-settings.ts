import { ConfigError } from './config.ts'
import { expandEllipses } from './topology.ts'
import { isSwitchedOn, type NamedValue, optional, parseSwitch } from './values.ts'

/**
 * Which key management service a node uses: from the environment only, since what the drives keep is sealed with it.
 * Source: encryption.md 6.1, 6.5.
 */

export const KMS_NAMES = [
  'KMS_AUTO_ENCRYPTION',
  'KMS_AWS_ENDPOINT',
  'KMS_AWS_HIDE_CONTEXT',
  'KMS_AWS_KEY_ID',
  'KMS_AWS_REGION',
  'KMS_CACHE',
  'KMS_KES_API_KEY',
  'KMS_KES_CAPATH',
  'KMS_KES_CERT_FILE',
  'KMS_KES_ENDPOINT',
  'KMS_KES_KEY_FILE',
  'KMS_KES_KEY_NAME',
  'KMS_KES_KEY_PASSWORD',
  'KMS_OLD_SECRET_KEY',
  'KMS_SECRET_KEY',
  'KMS_VAULT_APPROLE_ID',
  'KMS_VAULT_APPROLE_SECRET',
  'KMS_VAULT_CAPATH',
  'KMS_VAULT_ENDPOINT',
  'KMS_VAULT_KEY_NAME',
  'KMS_VAULT_MOUNT',
  'KMS_VAULT_NAMESPACE',
  'KMS_VAULT_TOKEN',
  'SSE_C_OVER_HTTP',
] as const
type KmsName = (typeof KMS_NAMES)[number]

export interface KesSettings {
  readonly family: 'kes'
  readonly endpoints: readonly string[]
  readonly keyName: string
  /** Path of a file or folder of certificates; the default is `CAs` below the folder of certificates. */
  readonly caPath: string | undefined
  readonly credentials:
    | { readonly kind: 'api-key'; readonly apiKey: string }
    | {
        readonly kind: 'certificate'
        readonly certFile: string
        readonly keyFile: string
        readonly keyPassword: string | undefined
      }
}

export interface VaultSettings {
  readonly family: 'vault'
  readonly endpoint: string
  readonly keyName: string
  readonly mount: string
  readonly namespace: string | undefined
  readonly caPath: string | undefined
  readonly credentials:
    | { readonly kind: 'token'; readonly token: string }
    | { readonly kind: 'approle'; readonly roleId: string; readonly secretId: string }
}

export interface AwsKmsSettings {
  readonly family: 'aws'
  readonly keyId: string
  readonly region: string
  readonly endpoint: string | undefined
  /** True: AWS gets a digest of the context, since it writes contexts to its audit trail. */
  readonly hidesContext: boolean
}

export type ServiceSettings =
  /** `name:base64`, as typed. */
  | { readonly family: 'static'; readonly secret: string }
  | KesSettings
  | VaultSettings
  | AwsKmsSettings

export interface KmsSettings {
  readonly service: ServiceSettings
  /** Opens what a static key sealed before Vault or AWS KMS took over: `name:base64`. */
  readonly oldSecret: string | undefined
  /** Data keys are kept for a minute. */
  readonly cachesDataKeys: boolean
}

export interface EncryptionSettings {
  readonly kms: KmsSettings | undefined
  /** Writes that ask for nothing are encrypted with the default key. */
  readonly encryptsAll: boolean
  /** Development only: customer keys are taken over connections without TLS. */
  readonly allowsClientKeysOverHttp: boolean
}

type Read = (name: KmsName) => NamedValue | undefined

/** Errors: `ConfigError`. */
export function encryptionSettingsOf(read: Read): EncryptionSettings {
  const service = serviceOf(read)
  const oldSecret = read('KMS_OLD_SECRET_KEY')?.value
  if (oldSecret !== undefined && (service === undefined || service.family === 'static')) {
    throw new ConfigError(
      'Invalid CAIRN_KMS_OLD_SECRET_KEY: it goes with Vault or AWS KMS, which took over from that key',
    )
  }
  const encryptsAll = isSwitchedOn(read('KMS_AUTO_ENCRYPTION'))
  if (encryptsAll && service === undefined) {
    throw new ConfigError(
      'Invalid MINIO_KMS_AUTO_ENCRYPTION: it needs a KMS, and none is configured',
    )
  }
  return {
    kms:
      service === undefined
        ? undefined
        : { service, oldSecret, cachesDataKeys: optional(read('KMS_CACHE'), parseSwitch) ?? true },
    encryptsAll,
    allowsClientKeysOverHttp: isSwitchedOn(read('SSE_C_OVER_HTTP')),
  }
}

function serviceOf(read: Read): ServiceSettings | undefined {
  const families = new Map<string, NamedValue>()
  for (const name of KMS_NAMES) {
    const family = name === 'KMS_SECRET_KEY' ? 'static' : /^KMS_(KES|VAULT|AWS)_/.exec(name)?.[1]
    const named = read(name)
    if (family !== undefined && named !== undefined) families.set(family, named)
  }
  if (families.size > 1) {
    const names = [...families.values()].map(({ name }) => name)
    throw new ConfigError(`${names.join(' and ')} exclude each other: only one KMS can be used`)
  }
  switch ([...families.keys()][0]) {
    case undefined:
      return undefined
    case 'static':
      return { family: 'static', secret: needed(read, 'KMS_SECRET_KEY').value }
    case 'KES':
      return kesOf(read)
    case 'VAULT':
      return vaultOf(read)
    default:
      return {
        family: 'aws',
        keyId: needed(read, 'KMS_AWS_KEY_ID').value,
        region: needed(read, 'KMS_AWS_REGION').value,
        endpoint: urlOf(read('KMS_AWS_ENDPOINT')),
        hidesContext: isSwitchedOn(read('KMS_AWS_HIDE_CONTEXT')),
      }
  }
}

function kesOf(read: Read): KesSettings {
  const endpoint = needed(read, 'KMS_KES_ENDPOINT')
  const endpoints = endpoint.value
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .flatMap((text) => expandEllipses(text))
    .map((text) => checkUrl({ name: endpoint.name, value: text }, ['https']))
  if (endpoints.length === 0) throw new ConfigError(`Invalid ${endpoint.name}: no endpoint`)
  const apiKey = read('KMS_KES_API_KEY')
  const certFile = read('KMS_KES_CERT_FILE')
  if (apiKey !== undefined && certFile !== undefined) {
    throw new ConfigError(`${apiKey.name} and ${certFile.name} exclude each other`)
  }
  return {
    family: 'kes',
    endpoints,
    keyName: needed(read, 'KMS_KES_KEY_NAME').value,
    caPath: read('KMS_KES_CAPATH')?.value,
    credentials:
      apiKey === undefined
        ? {
            kind: 'certificate',
            certFile: needed(read, 'KMS_KES_CERT_FILE').value,
            keyFile: needed(read, 'KMS_KES_KEY_FILE').value,
            keyPassword: read('KMS_KES_KEY_PASSWORD')?.value,
          }
        : { kind: 'api-key', apiKey: apiKey.value },
  }
}

function vaultOf(read: Read): VaultSettings {
  const token = read('KMS_VAULT_TOKEN')
  return {
    family: 'vault',
    endpoint: checkUrl(needed(read, 'KMS_VAULT_ENDPOINT'), ['https', 'http']),
    keyName: needed(read, 'KMS_VAULT_KEY_NAME').value,
    mount: read('KMS_VAULT_MOUNT')?.value ?? 'transit',
    namespace: read('KMS_VAULT_NAMESPACE')?.value,
    caPath: read('KMS_VAULT_CAPATH')?.value,
    credentials:
      token === undefined
        ? {
            kind: 'approle',
            roleId: needed(read, 'KMS_VAULT_APPROLE_ID').value,
            secretId: needed(read, 'KMS_VAULT_APPROLE_SECRET').value,
          }
        : { kind: 'token', token: token.value },
  }
}

function needed(read: Read, name: KmsName): NamedValue {
  const named = read(name)
  if (named === undefined) throw new ConfigError(`MINIO_${name} is missing: the KMS needs it`)
  return named
}

function urlOf(named: NamedValue | undefined): string | undefined {
  return named === undefined ? undefined : checkUrl(named, ['https', 'http'])
}

/** The address without a slash at its end. */
function checkUrl(named: NamedValue, schemes: readonly string[]): string {
  const url = URL.parse(named.value)
  const isAllowed = url !== null && schemes.includes(url.protocol.slice(0, -1))
  if (!isAllowed || url.search !== '' || url.hash !== '') {
    const heads = schemes.map((scheme) => `${scheme}://`).join(' or ')
    throw new ConfigError(
      `Invalid ${named.name}="${named.value}": expected an address with ${heads}, without ? and #`,
    )
  }
  return url.href.replace(/\/$/, '')
}
