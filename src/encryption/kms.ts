import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import { ConfigError } from '#config/config'
import type { KmsSettings, ServiceSettings } from '#config/kms-settings'
import { EncryptionError, type Kms, NO_CONTEXT } from './encryption.ts'
import { ServiceKms } from './kms/service-kms.ts'
import { WithOldKey } from './kms/with-old-key.ts'
import { parseStaticKey, type StaticKey, StaticKeyKms } from './kms/static-key.ts'

/**
 * The key management service of the settings. Source: encryption.md 6.1.
 */

/** Settings as they go to threads: master keys are opaque there. */
export interface KmsSeed {
  readonly service:
    | Exclude<ServiceSettings, { readonly family: 'static' }>
    | { readonly family: 'static'; readonly key: StaticKey }
  readonly oldKey: StaticKey | undefined
  readonly cachesDataKeys: boolean
}

export interface KmsPorts {
  readonly clock: Clock
  readonly random: Random
  /** PEM texts at a path: of a file, or of all files of a folder; none where nothing is. */
  readCertificates(path: string): readonly string[]
}

/** `authorities`: where the certificates of servers are, unless the settings say. Errors: `ConfigError`, which never shows a key. */
export function kmsSeedOf(settings: KmsSettings, authorities: string): KmsSeed {
  const { oldSecret, cachesDataKeys } = settings
  return {
    service: serviceOf(settings.service, authorities),
    oldKey:
      oldSecret === undefined ? undefined : staticKeyOf('CAIRN_KMS_OLD_SECRET_KEY', oldSecret),
    cachesDataKeys,
  }
}

function serviceOf(service: ServiceSettings, authorities: string): KmsSeed['service'] {
  switch (service.family) {
    case 'static':
      return { family: 'static', key: staticKeyOf('MINIO_KMS_SECRET_KEY', service.secret) }
    case 'kes':
    case 'vault':
      return { ...service, caPath: service.caPath ?? authorities }
    case 'aws':
      return service
  }
}

function staticKeyOf(name: string, text: string): StaticKey {
  const key = parseStaticKey(text)
  if (key === undefined) {
    throw new ConfigError(`Invalid ${name}: expected NAME:KEY with a key of 32 bytes in base64`)
  }
  return key
}

/** Opens no connection yet, and loads clients when they are needed first. */
export function openKms(seed: KmsSeed, ports: KmsPorts): Kms {
  const { service } = seed
  const { clock } = ports
  switch (service.family) {
    case 'static':
      return new StaticKeyKms(service.key, ports.random)
    case 'kes':
      return new ServiceKms({
        name: 'MinIO KES',
        defaultKeyId: service.keyName,
        clock,
        async load() {
          const { KesKms } = await import('./kms/kes.ts')
          const kms = new KesKms(service, ports)
          kms.keepWarm()
          return kms
        },
      })
    case 'vault':
      return withOldKey(
        seed,
        ports,
        new ServiceKms({
          name: 'Vault Transit',
          defaultKeyId: service.keyName,
          clock,
          async load() {
            const { VaultKms } = await import('./kms/vault.ts')
            return new VaultKms(service, ports)
          },
        }),
      )
    case 'aws':
      return withOldKey(
        seed,
        ports,
        new ServiceKms({
          name: 'AWS KMS',
          defaultKeyId: service.keyId,
          clock,
          async load() {
            const { AwsKms } = await import('./kms/aws-kms.ts')
            return AwsKms.open(service)
          },
        }),
      )
  }
}

function withOldKey(seed: KmsSeed, ports: KmsPorts, service: Kms): Kms {
  if (seed.oldKey === undefined) return service
  return new WithOldKey(service, new StaticKeyKms(seed.oldKey, ports.random))
}

/** Tries the default key, and makes it where it does not exist. Errors: those of the KMS. */
export async function checkKms(kms: Kms): Promise<void> {
  try {
    const made = await kms.generateKey('', NO_CONTEXT)
    made.plaintext.fill(0)
  } catch (error) {
    if (!(error instanceof EncryptionError)) throw error
    // Without the right to try it, the server can still read, and each request shows what is missing.
    if (error.code === 'KmsNotAuthorized') return
    if (error.code !== 'KmsKeyNotFound') throw error
    await createDefaultKey(kms)
  }
}

async function createDefaultKey(kms: Kms): Promise<void> {
  try {
    await kms.createKey(kms.defaultKeyId)
  } catch (error) {
    const isFine =
      error instanceof EncryptionError &&
      (error.code === 'KmsKeyExists' || error.code === 'KmsNotAuthorized')
    if (!isFine) throw error
  }
}
