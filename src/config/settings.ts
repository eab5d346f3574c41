import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  ConfigError,
  type Environment,
  type ServerFlags,
  type Settings,
  type StorageClassSettings,
} from './config.ts'
import { COMPRESSION_NAMES, compressionSettingsOf } from './compression-settings.ts'
import { FILE_NAMES } from './environment.ts'
import { encryptionSettingsOf, KMS_NAMES } from './kms-settings.ts'
import { nearestName } from './nearest-name.ts'
import {
  isSwitchedOn,
  type NamedValue,
  optional,
  parseAddress,
  parseAddressBlocks,
  parseChoice,
  parseDomains,
  parseDuration,
  parseInteger,
  parseOrigins,
  parseParity,
  parsePathPrefix,
  parseRegion,
  parseSize,
} from './values.ts'

/** Every name that this release reads, without its prefix. */
export const SETTING_NAMES = [
  'ACCESS_KEY',
  'ADDRESS',
  'API_BUCKET_POLICY',
  'API_CORS_ALLOW_ORIGIN',
  'API_KEYS',
  'API_REQUESTS_MAX',
  'API_SELECT_PARQUET',
  'API_STALE_UPLOADS_CLEANUP_INTERVAL',
  'API_STALE_UPLOADS_EXPIRY',
  'ARENA_SIZE',
  'ARGS',
  'CERTS_DIR',
  'CERT_PASSWD',
  'CI_CD',
  'CONFIG_ENV_FILE',
  'CONSOLE_ADDRESS',
  'DOMAIN',
  'DRIVE_MAX_TIMEOUT',
  'DURABILITY',
  'ENDPOINTS',
  'ERASURE_SET_DRIVE_COUNT',
  'FS_OSYNC',
  'IDLE_TIMEOUT',
  'PATH_PREFIX',
  'READ_HEADER_TIMEOUT',
  'REGION',
  'REGION_NAME',
  'REQUEST_THREADS',
  'ROOTDISK_THRESHOLD_SIZE',
  'ROOTDRIVE_THRESHOLD_SIZE',
  'ROOT_PASSWORD',
  'ROOT_USER',
  'SECRET_KEY',
  'SHUTDOWN_TIMEOUT',
  'SITE_REGION',
  'STORAGE_CLASS_INLINE_BLOCK',
  'STORAGE_CLASS_OPTIMIZE',
  'STORAGE_CLASS_RRS',
  'STORAGE_CLASS_STANDARD',
  'TRUSTED_PROXIES',
  'VOLUMES',
  'WEBSITE_DOMAIN',
  ...COMPRESSION_NAMES,
  ...KMS_NAMES,
] as const
type SettingName = (typeof SETTING_NAMES)[number]

const DEFAULT_CREDENTIAL = 'minioadmin'
const DEFAULT_INLINE_BLOCK_BYTES = 128 * 1024
const DEFAULT_PORT = 9000
const DEFAULT_CONSOLE_PORT = 9001
const DEFAULT_CLIENT_TIMEOUT_MS = 30_000
const DEFAULT_ARENA_BYTES = 256 * 1024 * 1024
export const REQUESTS_BOUNDS = { min: 0, max: 1_000_000 }
/** Of the machine's memory the arena may take this share while clients stall; and at most so much. */
const EXTENDED_ARENA_SHARE = 1 / 8
const EXTENDED_ARENA_BYTES_MAX = 2 * 2 ** 30
const ARENA_BOUNDS = { min: '32MiB', max: '3GiB' }
/**
 * A block of 10 MiB, as old releases wrote them, with as much parity again. From 11 request threads on they need more
 * than the default: whatever is too little is raised (docs/settings.md).
 */
const THREAD_ARENA_BYTES_MIN = 24 * 1024 * 1024

/** What a machine offers, for defaults. */
export interface MachineFacts {
  readonly coreCount: number
  /** Of the machine, or what the container may use. */
  readonly memoryBytes: number
}

export interface LoadedSettings {
  readonly settings: Settings
  /** Sentences for the log: names that were ignored, weak choices. */
  readonly warnings: readonly string[]
}

/** Combines flags, environment and defaults. Errors: `ConfigError`. */
export function loadSettings(
  flags: ServerFlags,
  environment: Environment,
  machine: MachineFacts,
): LoadedSettings {
  const read = (name: SettingName): NamedValue | undefined => lookUp(environment, name)
  const nameWarnings = checkNames(environment)
  const credentials = rootCredentials(read)
  const settings: Settings = {
    volumes: volumesOf(flags, read),
    rootUser: credentials.user,
    rootPassword: credentials.password,
    defaultCredentials: credentials.isDefault,
    ...listenersOf(flags, read),
    ...driveSettingsOf(read),
    allowRootDrive: isSwitchedOn(read('CI_CD')) || environment['CI'] !== undefined,
    ...limitsOf(flags, read, machine),
    ...apiSettingsOf(read),
    encryption: encryptionSettingsOf(read),
    compression: compressionSettingsOf(read),
    logFormat: flags.json === true ? 'json' : 'text',
    quiet: flags.quiet === true,
    anonymous: flags.anonymous === true,
  }
  checkTogether(settings, consoleOf(flags, read))
  return { settings, warnings: [...nameWarnings, ...warningsOf(settings, flags, read)] }
}

type Read = (name: SettingName) => NamedValue | undefined

function listenersOf(
  flags: ServerFlags,
  read: Read,
): Pick<
  Settings,
  | 'address'
  | 'consoleAddress'
  | 'certsDir'
  | 'certsPassphrase'
  | 'trustedProxies'
  | 'pathPrefix'
  | 'idleTimeoutMs'
  | 'readHeaderTimeoutMs'
> {
  const address = optional(flag('--address', flags.address) ?? read('ADDRESS'), parseAddress)
  const idleTimeout = flag('--idle-timeout', flags.idleTimeout) ?? read('IDLE_TIMEOUT')
  const headerTimeout =
    flag('--read-header-timeout', flags.readHeaderTimeout) ?? read('READ_HEADER_TIMEOUT')
  return {
    address: address ?? { host: '', port: DEFAULT_PORT },
    consoleAddress: optional(consoleOf(flags, read), parseAddress) ?? {
      host: '',
      port:
        address?.port === DEFAULT_CONSOLE_PORT ? DEFAULT_CONSOLE_PORT + 1 : DEFAULT_CONSOLE_PORT,
    },
    certsDir: chosenCertsDir(flags, read) ?? join(homedir(), '.minio', 'certs'),
    certsPassphrase: read('CERT_PASSWD')?.value,
    trustedProxies: optional(read('TRUSTED_PROXIES'), parseAddressBlocks) ?? [],
    pathPrefix: optional(read('PATH_PREFIX'), parsePathPrefix) ?? '',
    idleTimeoutMs: optional(idleTimeout, parseDuration) ?? DEFAULT_CLIENT_TIMEOUT_MS,
    readHeaderTimeoutMs: optional(headerTimeout, parseDuration) ?? DEFAULT_CLIENT_TIMEOUT_MS,
  }
}

function consoleOf(flags: ServerFlags, read: Read): NamedValue | undefined {
  return flag('--console-address', flags.consoleAddress) ?? read('CONSOLE_ADDRESS')
}

function chosenCertsDir(flags: ServerFlags, read: Read): string | undefined {
  return flags.certsDir ?? read('CERTS_DIR')?.value
}

function driveSettingsOf(
  read: Read,
): Pick<
  Settings,
  'storageClass' | 'setDriveCount' | 'durability' | 'driveTimeoutMs' | 'rootDriveThresholdBytes'
> {
  return {
    storageClass: storageClassOf(read),
    setDriveCount: optional(read('ERASURE_SET_DRIVE_COUNT'), (name, value) =>
      parseInteger(name, value, { min: 0, max: 16 }),
    ),
    durability: durabilityOf(read),
    driveTimeoutMs:
      optional(read('DRIVE_MAX_TIMEOUT'), (name, value) =>
        Math.max(1000, parseDuration(name, value)),
      ) ?? 30_000,
    rootDriveThresholdBytes:
      optional(read('ROOTDRIVE_THRESHOLD_SIZE') ?? read('ROOTDISK_THRESHOLD_SIZE'), parseSize) ?? 0,
  }
}

function limitsOf(
  flags: ServerFlags,
  read: Read,
  machine: MachineFacts,
): Pick<
  Settings,
  | 'requestThreads'
  | 'requestsMax'
  | 'arenaBytes'
  | 'arenaReserveBytes'
  | 'staleUploadsExpiryMs'
  | 'staleUploadsIntervalMs'
  | 'shutdownTimeoutMs'
> {
  const requestThreads =
    optional(read('REQUEST_THREADS'), (name, value) =>
      parseInteger(name, value, { min: 1, max: 64 }),
    ) ?? Math.min(16, Math.max(1, machine.coreCount))
  const arenaSize = optional(read('ARENA_SIZE'), (name, value) =>
    parseSize(name, value, ARENA_BOUNDS),
  )
  const arenaBytes = Math.max(
    arenaSize ?? DEFAULT_ARENA_BYTES,
    requestThreads * THREAD_ARENA_BYTES_MIN,
  )
  const extendedBytes = Math.min(
    EXTENDED_ARENA_BYTES_MAX,
    machine.memoryBytes * EXTENDED_ARENA_SHARE,
  )
  const shutdownTimeout = flag('--shutdown-timeout', flags.shutdownTimeout)
  return {
    requestThreads,
    requestsMax:
      optional(read('API_REQUESTS_MAX'), (name, value) =>
        parseInteger(name, value, REQUESTS_BOUNDS),
      ) ?? 0,
    arenaBytes,
    arenaReserveBytes:
      arenaSize === undefined ? Math.max(0, Math.floor(extendedBytes) - arenaBytes) : 0,
    staleUploadsExpiryMs:
      optional(read('API_STALE_UPLOADS_EXPIRY'), parseDuration) ?? 24 * 3_600_000,
    staleUploadsIntervalMs:
      optional(read('API_STALE_UPLOADS_CLEANUP_INTERVAL'), parseDuration) ?? 6 * 3_600_000,
    shutdownTimeoutMs:
      optional(shutdownTimeout ?? read('SHUTDOWN_TIMEOUT'), parseDuration) ?? 30_000,
  }
}

function apiSettingsOf(
  read: Read,
): Pick<
  Settings,
  | 'domains'
  | 'websiteDomains'
  | 'corsOrigins'
  | 'region'
  | 'selectsParquet'
  | 'cleansKeys'
  | 'policiesBindOwner'
> {
  const keys = optional(read('API_KEYS'), (name, value) =>
    parseChoice(name, value, ['flat', 'clean']),
  )
  const policies = optional(read('API_BUCKET_POLICY'), (name, value) =>
    parseChoice(name, value, ['all', 'anonymous']),
  )
  return {
    domains: optional(read('DOMAIN'), parseDomains) ?? [],
    websiteDomains: optional(read('WEBSITE_DOMAIN'), parseDomains) ?? [],
    corsOrigins: optional(read('API_CORS_ALLOW_ORIGIN'), parseOrigins) ?? ['*'],
    region:
      optional(read('SITE_REGION') ?? read('REGION_NAME') ?? read('REGION'), parseRegion) ?? '',
    selectsParquet: isSwitchedOn(read('API_SELECT_PARQUET')),
    cleansKeys: keys === 'clean',
    policiesBindOwner: policies !== 'anonymous',
  }
}

/** What each setting allows and all of them together do not. */
function checkTogether(settings: Settings, chosenConsole: NamedValue | undefined): void {
  if (settings.address.port !== 0 && settings.address.port === settings.consoleAddress.port) {
    throw new ConfigError(
      `Invalid ${chosenConsole?.name ?? '--console-address'}: its port must differ from that of the S3 API`,
    )
  }
  if (settings.pathPrefix !== '' && settings.trustedProxies.length === 0) {
    throw new ConfigError(
      'Invalid CAIRN_PATH_PREFIX: CAIRN_TRUSTED_PROXIES must tell which proxies take it off',
    )
  }
  const shared = settings.websiteDomains.find((domain) => settings.domains.includes(domain))
  if (shared !== undefined) {
    throw new ConfigError(
      `Invalid CAIRN_WEBSITE_DOMAIN: "${shared}" is also the domain of the S3 API`,
    )
  }
}

function warningsOf(settings: Settings, flags: ServerFlags, read: Read): readonly string[] {
  const warnings: string[] = []
  const unused = unusedVolumes(flags, read)
  if (unused !== undefined) {
    warnings.push(`The drives of ${unused} are not used: the command line names others`)
  }
  if (settings.defaultCredentials) {
    warnings.push(
      'The default root credentials are in use: set MINIO_ROOT_USER and MINIO_ROOT_PASSWORD',
    )
  }
  const certsDir = chosenCertsDir(flags, read)
  if (certsDir !== undefined && !existsSync(join(certsDir, 'public.crt'))) {
    warnings.push(`Clients are served without TLS: "${certsDir}" has no public.crt`)
  }
  return warnings
}

function flag(name: string, value: string | undefined): NamedValue | undefined {
  return value === undefined ? undefined : { name, value }
}

/** `CAIRN_X` wins over `MINIO_X`; empty counts as absent. */
function lookUp(environment: Environment, name: SettingName): NamedValue | undefined {
  for (const prefix of ['CAIRN', 'MINIO']) {
    const value = environment[`${prefix}_${name}`]
    if (value !== undefined && value !== '') return { name: `${prefix}_${name}`, value }
  }
  return undefined
}

function checkNames(environment: Environment): string[] {
  const known = new Set<string>([...SETTING_NAMES, ...FILE_NAMES.map((name) => `${name}_FILE`)])
  const warnings: string[] = []
  for (const name of Object.keys(environment).toSorted()) {
    const match = /^(CAIRN|MINIO)_(.+)$/.exec(name)
    const bare = match?.[2]
    if (match === null || bare === undefined) continue
    if (known.has(bare)) continue
    const near = nearestName(bare, SETTING_NAMES)
    if (match[1] === 'CAIRN' && !bare.startsWith('TEST_')) {
      const hint = near === undefined ? '' : `did you mean CAIRN_${near}? `
      throw new ConfigError(`Unknown setting ${name}: ${hint}docs/settings.md has all names`)
    }
    if (match[1] === 'MINIO') {
      const hint = near === undefined ? '' : `: did you mean MINIO_${near}?`
      warnings.push(`${name} is not used by this release${hint}`)
    }
  }
  return warnings
}

const VOLUME_NAMES = ['ARGS', 'VOLUMES', 'ENDPOINTS'] as const

function volumesOf(flags: ServerFlags, read: Read): readonly string[] {
  if (flags.volumes.length > 0) return flags.volumes
  const named = VOLUME_NAMES.map(read).find((one) => one !== undefined)
  return named === undefined ? [] : wordsOf(named)
}

/** The variable whose drives the command line overrides with others: with MinIO it would be the other way round. */
function unusedVolumes(flags: ServerFlags, read: Read): string | undefined {
  const named = VOLUME_NAMES.map(read).find((one) => one !== undefined)
  if (named === undefined || flags.volumes.length === 0) return undefined
  return wordsOf(named).join(' ') === flags.volumes.join(' ') ? undefined : named.name
}

function wordsOf(named: NamedValue): readonly string[] {
  return named.value.trim().split(/\s+/)
}

function rootCredentials(read: Read): { user: string; password: string; isDefault: boolean } {
  const user = read('ROOT_USER') ?? read('ACCESS_KEY')
  const password = read('ROOT_PASSWORD') ?? read('SECRET_KEY')
  if (user === undefined && password === undefined) {
    return { user: DEFAULT_CREDENTIAL, password: DEFAULT_CREDENTIAL, isDefault: true }
  }
  if (user === undefined || password === undefined) {
    throw new ConfigError(
      `${user === undefined ? 'MINIO_ROOT_USER' : 'MINIO_ROOT_PASSWORD'} is missing: both must be set, or none`,
    )
  }
  if (user.value.length < 3) {
    throw new ConfigError(`Invalid ${user.name}: expected at least 3 characters`)
  }
  if (/[=,]/.test(user.value)) {
    throw new ConfigError(`Invalid ${user.name}: "=" and "," are not allowed`)
  }
  if (password.value.length < 8) {
    throw new ConfigError(`Invalid ${password.name}: expected at least 8 characters`)
  }
  const isDefault = user.value === DEFAULT_CREDENTIAL && password.value === DEFAULT_CREDENTIAL
  return { user: user.value, password: password.value, isDefault }
}

function storageClassOf(read: Read): StorageClassSettings {
  return {
    standardParity: optional(read('STORAGE_CLASS_STANDARD'), parseParity),
    reducedParity: optional(read('STORAGE_CLASS_RRS'), parseParity),
    optimize:
      optional(read('STORAGE_CLASS_OPTIMIZE'), (name, value) =>
        parseChoice(name, value, ['availability', 'capacity']),
      ) ?? 'availability',
    inlineBlockBytes:
      optional(read('STORAGE_CLASS_INLINE_BLOCK'), parseSize) ?? DEFAULT_INLINE_BLOCK_BYTES,
  }
}

function durabilityOf(read: Read): 'strict' | 'relaxed' {
  if (isSwitchedOn(read('FS_OSYNC'))) return 'strict'
  return (
    optional(read('DURABILITY'), (name, value) =>
      parseChoice(name, value, ['strict', 'relaxed']),
    ) ?? 'strict'
  )
}
