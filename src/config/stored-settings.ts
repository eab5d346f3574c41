import { strictTextOf } from '#base/bytes'
import { type CompressionSettings, parseCompressionList } from './compression-settings.ts'
import { ConfigError, type Environment, type Settings } from './config.ts'
import { REQUESTS_BOUNDS } from './settings.ts'
import {
  parseChoice,
  parseDuration,
  parseInteger,
  parseOrigins,
  parseParity,
  parseRegion,
  parseSize,
  parseSwitch,
} from './values.ts'

/**
 * Settings that an administrator stored on the drives, `.minio.sys/config/config.json`. The command line and the
 * environment win over them. What this release has no setting for is left alone, as is the file.
 *
 *   { "<subsystem>": { "_": [ { "key", "value" }, ... ] } }
 *
 * Source: disk-format.md 7.2, admin-api.md 2.
 */

/** By subsystem and key; only those of the unnamed target that have a value. */
export type StoredSettings = ReadonlyMap<string, string>

/** Where the file lies in the server's own volume. */
export const STORED_SETTINGS_PATH = 'config/config.json'

/** Undefined: encrypted, or no configuration. */
export function parseStoredSettings(bytes: Uint8Array): StoredSettings | undefined {
  const text = strictTextOf(bytes)
  if (text === undefined) return undefined
  let root: unknown
  try {
    root = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(root)) return undefined
  return typeof root['version'] === 'string' ? oldForm(root) : presentForm(root)
}

function presentForm(root: Readonly<Record<string, unknown>>): StoredSettings {
  const found = new Map<string, string>()
  for (const [subsystem, targets] of Object.entries(root)) {
    const pairs = isRecord(targets) ? targets['_'] : undefined
    if (!Array.isArray(pairs)) continue
    for (const pair of pairs as readonly unknown[]) {
      if (!isRecord(pair)) continue
      const { key, value } = pair
      if (typeof key !== 'string' || typeof value !== 'string' || value === '') continue
      found.set(`${subsystem} ${key}`, value)
    }
  }
  return found
}

/** Of releases before 2019: one flat object. */
function oldForm(root: Readonly<Record<string, unknown>>): StoredSettings {
  const found = new Map<string, string>()
  const { region, storageclass } = root
  if (typeof region === 'string' && region !== '') found.set('region name', region)
  if (!isRecord(storageclass)) return found
  for (const key of ['standard', 'rrs']) {
    const value = storageclass[key]
    if (typeof value === 'string' && value !== '') found.set(`storage_class ${key}`, value)
  }
  return found
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface StoredSetting {
  /** The first that is stored counts. */
  readonly stored: readonly string[]
  /** Without prefix: one that is set wins. */
  readonly environment: readonly string[]
  readonly apply: (settings: Settings, name: string, value: string) => Settings
}

const STORED_SETTINGS: readonly StoredSetting[] = [
  {
    stored: ['site region', 'region name'],
    environment: ['SITE_REGION', 'REGION_NAME', 'REGION'],
    apply: (settings, name, value) => ({ ...settings, region: parseRegion(name, value) }),
  },
  {
    stored: ['storage_class standard'],
    environment: ['STORAGE_CLASS_STANDARD'],
    apply: (settings, name, value) =>
      withStorage(settings, { standardParity: parseParity(name, value) }),
  },
  {
    stored: ['storage_class rrs'],
    environment: ['STORAGE_CLASS_RRS'],
    apply: (settings, name, value) =>
      withStorage(settings, { reducedParity: parseParity(name, value) }),
  },
  {
    stored: ['storage_class optimize'],
    environment: ['STORAGE_CLASS_OPTIMIZE'],
    apply: (settings, name, value) =>
      withStorage(settings, { optimize: parseChoice(name, value, ['availability', 'capacity']) }),
  },
  {
    stored: ['storage_class inline_block'],
    environment: ['STORAGE_CLASS_INLINE_BLOCK'],
    apply: (settings, name, value) =>
      withStorage(settings, { inlineBlockBytes: parseSize(name, value) }),
  },
  {
    stored: ['api requests_max'],
    environment: ['API_REQUESTS_MAX'],
    apply: (settings, name, value) => ({
      ...settings,
      requestsMax: parseInteger(name, value, REQUESTS_BOUNDS),
    }),
  },
  {
    stored: ['api cors_allow_origin'],
    environment: ['API_CORS_ALLOW_ORIGIN'],
    apply: (settings, name, value) => ({ ...settings, corsOrigins: parseOrigins(name, value) }),
  },
  {
    stored: ['api stale_uploads_expiry'],
    environment: ['API_STALE_UPLOADS_EXPIRY'],
    apply: (settings, name, value) => ({
      ...settings,
      staleUploadsExpiryMs: parseDuration(name, value),
    }),
  },
  {
    stored: ['api stale_uploads_cleanup_interval'],
    environment: ['API_STALE_UPLOADS_CLEANUP_INTERVAL'],
    apply: (settings, name, value) => ({
      ...settings,
      staleUploadsIntervalMs: parseDuration(name, value),
    }),
  },
  {
    stored: ['compression enable'],
    environment: ['COMPRESSION_ENABLE', 'COMPRESS_ENABLE', 'COMPRESS'],
    apply: (settings, name, value) =>
      withCompression(settings, { isEnabled: parseSwitch(name, value) }),
  },
  {
    stored: ['compression allow_encryption'],
    environment: ['COMPRESSION_ALLOW_ENCRYPTION', 'COMPRESS_ALLOW_ENCRYPTION'],
    apply: (settings, name, value) =>
      withCompression(settings, { allowsEncryption: parseSwitch(name, value) }),
  },
  {
    stored: ['compression extensions'],
    environment: ['COMPRESSION_EXTENSIONS', 'COMPRESS_EXTENSIONS'],
    apply: (settings, name, value) =>
      withCompression(settings, { extensions: parseCompressionList(name, value) }),
  },
  {
    stored: ['compression mime_types'],
    environment: ['COMPRESSION_MIME_TYPES', 'COMPRESS_MIME_TYPES', 'COMPRESS_MIMETYPES'],
    apply: (settings, name, value) =>
      withCompression(settings, { mimeTypes: parseCompressionList(name, value) }),
  },
]

function withCompression(settings: Settings, changes: Partial<CompressionSettings>): Settings {
  return { ...settings, compression: { ...settings.compression, ...changes } }
}

function withStorage(settings: Settings, changes: Partial<Settings['storageClass']>): Settings {
  return { ...settings, storageClass: { ...settings.storageClass, ...changes } }
}

/** The settings with what is stored, where neither command line nor environment says otherwise. A stored value that cannot be used gives a warning. */
export function withStoredSettings(
  settings: Settings,
  environment: Environment,
  stored: StoredSettings,
): { readonly settings: Settings; readonly warnings: readonly string[] } {
  const warnings: string[] = []
  let changed = settings
  for (const { stored: names, environment: variables, apply } of STORED_SETTINGS) {
    const name = names.find((one) => stored.has(one))
    const value = name === undefined ? undefined : stored.get(name)
    if (name === undefined || value === undefined) continue
    if (variables.some((variable) => isSet(environment, variable))) continue
    try {
      changed = apply(changed, `stored ${name}`, value)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      warnings.push(`${error.message}; it is not used`)
    }
  }
  return { settings: changed, warnings }
}

function isSet(environment: Environment, variable: string): boolean {
  return ['CAIRN', 'MINIO'].some((prefix) => (environment[`${prefix}_${variable}`] ?? '') !== '')
}
