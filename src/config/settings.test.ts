import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError, type Environment, type ServerFlags } from './config.ts'
import { loadEnvironment } from './environment.ts'
import { loadSettings, SETTING_NAMES } from './settings.ts'

const NO_FLAGS: ServerFlags = { volumes: ['/d'] }
const MACHINE = { coreCount: 2, memoryBytes: 2 ** 30 }

function settingsOf(environment: Environment, flags: ServerFlags = NO_FLAGS) {
  return loadSettings(flags, environment, MACHINE).settings
}

test('defaults are those of MinIO, and the default credentials are reported', () => {
  const { settings, warnings } = loadSettings(NO_FLAGS, {}, MACHINE)
  assert.deepEqual(settings.address, { host: '', port: 9000 })
  assert.equal(settings.rootUser, 'minioadmin')
  assert.equal(settings.durability, 'strict')
  assert.equal(settings.storageClass.inlineBlockBytes, 131_072)
  assert.equal(warnings.length, 1)
})

test('the command line wins over CAIRN names and these over MINIO names', () => {
  const environment = { MINIO_ADDRESS: ':1', CAIRN_ADDRESS: ':2' }
  assert.equal(settingsOf(environment).address.port, 2)
  assert.equal(settingsOf(environment, { ...NO_FLAGS, address: ':3' }).address.port, 3)
  assert.equal(settingsOf({ MINIO_ADDRESS: '127.0.0.1:1' }).address.host, '127.0.0.1')
})

test('keys are taken as they come, or cleaned', () => {
  assert.equal(settingsOf({}).cleansKeys, false)
  assert.equal(settingsOf({ CAIRN_API_KEYS: 'flat' }).cleansKeys, false)
  assert.equal(settingsOf({ CAIRN_API_KEYS: 'clean' }).cleansKeys, true)
  assert.equal(settingsOf({}).policiesBindOwner, true)
  assert.equal(settingsOf({ CAIRN_API_BUCKET_POLICY: 'anonymous' }).policiesBindOwner, false)
})

test('drives come from the command line, else from MINIO_VOLUMES in words', () => {
  assert.deepEqual(settingsOf({ MINIO_VOLUMES: '/a /b' }, { volumes: [] }).volumes, ['/a', '/b'])
  const both = loadSettings(NO_FLAGS, { MINIO_VOLUMES: '/a /b' }, MACHINE)
  assert.deepEqual(both.settings.volumes, ['/d'])
  assert.ok(both.warnings.some((warning) => warning.includes('MINIO_VOLUMES')))
  const same = loadSettings(NO_FLAGS, { MINIO_VOLUMES: ' /d ' }, MACHINE)
  assert.ok(!same.warnings.some((warning) => warning.includes('MINIO_VOLUMES')))
})

const WRONG: readonly (readonly [string, string])[] = [
  ['MINIO_ADDRESS', 'nine'],
  ['CAIRN_API_KEYS', 'any'],
  ['CAIRN_API_BUCKET_POLICY', 'off'],
  ['MINIO_ADDRESS', ':70000'],
  ['MINIO_CONSOLE_ADDRESS', ':9000'],
  ['CAIRN_ADDRESS_FILE', '/address'],
  ['CAIRN_ARENA_SIZE', '1'],
  ['CAIRN_ARENA_SIZE', '5GiB'],
  ['MINIO_IDLE_TIMEOUT', 'never'],
  ['MINIO_READ_HEADER_TIMEOUT', '5'],
  ['MINIO_REGION', 'eu west'],
  ['MINIO_ROOT_USER', 'only-one-half'],
  ['MINIO_STORAGE_CLASS_STANDARD', '4'],
  ['MINIO_STORAGE_CLASS_OPTIMIZE', 'speed'],
  ['MINIO_STORAGE_CLASS_INLINE_BLOCK', 'big'],
  ['MINIO_DRIVE_MAX_TIMEOUT', '30'],
  ['CAIRN_DURABILITY', 'maybe'],
  ['CAIRN_REQUEST_THREADS', '0'],
  ['MINIO_DOMAIN', 'exa mple'],
  ['CAIRN_WEBSITE_DOMAIN', 'a_b'],
  ['CAIRN_TRUSTED_PROXIES', '10.0.0.0/33'],
  ['CAIRN_TRUSTED_PROXIES', 'proxy'],
  ['CAIRN_PATH_PREFIX', '/s3'],
  ['MINIO_DOMAIN', 'example.com,s3.example.com'],
  ['CAIRN_NO_SUCH_THING', '1'],
  ['MINIO_FS_OSYNC', 'perhaps'],
]

for (const [name, value] of WRONG) {
  test(`${name}="${value}" is refused by name`, () => {
    assert.throws(
      () => settingsOf({ [name]: value }),
      (error) => error instanceof ConfigError && error.message.includes(name.replace('_USER', '_')),
    )
  })
}

test('websites, origins and proxies are lists', () => {
  const settings = settingsOf({
    CAIRN_WEBSITE_DOMAIN: 'Site.example.com, pages.org',
    MINIO_API_CORS_ALLOW_ORIGIN: 'https://*.example.com,http://a',
    CAIRN_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
  })
  assert.deepEqual(settings.websiteDomains, ['site.example.com', 'pages.org'])
  assert.deepEqual(settings.corsOrigins, ['https://*.example.com', 'http://a'])
  assert.deepEqual(settings.trustedProxies, ['10.0.0.0/8', '::1'])
  assert.deepEqual(settingsOf({}).corsOrigins, ['*'])
  const both = { MINIO_DOMAIN: 'example.com', CAIRN_WEBSITE_DOMAIN: 'example.com' }
  assert.throws(() => settingsOf(both), ConfigError)
})

test('a prefix of paths is a plain path, taken off by trusted proxies', () => {
  const prefixOf = (prefix: string): string =>
    settingsOf({ CAIRN_PATH_PREFIX: prefix, CAIRN_TRUSTED_PROXIES: '::1' }).pathPrefix
  assert.equal(prefixOf('/s3/'), '/s3')
  assert.equal(prefixOf('/a/b.c-d_e~f'), '/a/b.c-d_e~f')
  for (const wrong of ['/', 's3', '/a//b', '/a/../b', '/a/.', '/a%2Fb', '/a b', '/?a']) {
    assert.throws(() => prefixOf(wrong), ConfigError, wrong)
  }
})

test('the console steps aside for an S3 API on its port', () => {
  const settings = settingsOf({}, { ...NO_FLAGS, address: ':9001' })
  assert.notEqual(settings.consoleAddress.port, settings.address.port)
})

test('deadlines are flags or variables', () => {
  const environment = { MINIO_IDLE_TIMEOUT: '5s', MINIO_READ_HEADER_TIMEOUT: '7s' }
  const settings = settingsOf(environment, { ...NO_FLAGS, idleTimeout: '6s' })
  assert.equal(settings.idleTimeoutMs, 6000)
  assert.equal(settings.readHeaderTimeoutMs, 7000)
  assert.equal(settingsOf({ MINIO_SHUTDOWN_TIMEOUT: '8s' }).shutdownTimeoutMs, 8000)
  assert.equal(settingsOf({}, { ...NO_FLAGS, shutdownTimeout: '9s' }).shutdownTimeoutMs, 9000)
})

test('every thread has memory for the largest blocks and their parity', () => {
  const { settings } = loadSettings(NO_FLAGS, {}, { coreCount: 64, memoryBytes: 2 ** 30 })
  assert.ok(settings.arenaBytes / settings.requestThreads >= 2 * 10 * 1024 * 1024)
})

test('short credentials are refused', () => {
  assert.throws(() => settingsOf({ MINIO_ROOT_USER: 'ab', MINIO_ROOT_PASSWORD: '12345678' }))
  assert.throws(() => settingsOf({ MINIO_ROOT_USER: 'abc', MINIO_ROOT_PASSWORD: '1234567' }))
})

test('an unknown MINIO name is reported and ignored', () => {
  const { warnings } = loadSettings(NO_FLAGS, { MINIO_PROMETHEUS_URL: 'x' }, MACHINE)
  assert.ok(warnings.some((warning) => warning.includes('MINIO_PROMETHEUS_URL')))
})

test('a slip in a name is told with the name that was meant', () => {
  const { warnings } = loadSettings(NO_FLAGS, { MINIO_ROOT_USR: 'x' }, MACHINE)
  assert.ok(warnings.some((warning) => warning.includes('did you mean MINIO_ROOT_USER?')))
  assert.throws(() => settingsOf({ CAIRN_DURABLITY: 'x' }), /did you mean CAIRN_DURABILITY\?/)
  assert.throws(() => settingsOf({ CAIRN_NOTHING_NEAR: 'x' }), /CAIRN_NOTHING_NEAR: docs\/settings/)
})

test('a folder of certificates that was chosen and has none is reported', () => {
  const { warnings } = loadSettings({ ...NO_FLAGS, certsDir: '/no/such' }, {}, MACHINE)
  assert.ok(warnings.some((warning) => warning.includes('without TLS: "/no/such"')))
})

test('docs/settings.md names every setting', () => {
  const text = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8')
  for (const name of SETTING_NAMES) assert.match(text, new RegExp(`\\b${name}\\b`))
})

test('secrets may come from files and settings from an environment file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-config-'))
  try {
    writeFileSync(join(folder, 'user'), 'chosen\n')
    writeFileSync(
      join(folder, 'env'),
      `# comment\nexport MINIO_ROOT_PASSWORD="from the file"\nMINIO_REGION='eu-1'\nMINIO_ADDRESS=:1\n`,
    )
    const environment = loadEnvironment({
      MINIO_CONFIG_ENV_FILE: join(folder, 'env'),
      MINIO_ROOT_USER_FILE: join(folder, 'user'),
      MINIO_ADDRESS: ':2',
    })
    const settings = settingsOf(environment)
    assert.equal(settings.rootUser, 'chosen')
    assert.equal(settings.rootPassword, 'from the file')
    assert.equal(settings.region, 'eu-1')
    assert.equal(settings.address.port, 1, 'the file wins over the process')
    assert.throws(
      () => loadEnvironment({ MINIO_ROOT_USER_FILE: join(folder, 'gone') }),
      ConfigError,
    )
    assert.throws(
      () => loadEnvironment({ MINIO_CONFIG_ENV_FILE: join(folder, 'gone') }),
      ConfigError,
    )
    const preset = { MINIO_ROOT_USER_FILE: 'no-such-secret', MINIO_CONFIG_ENV_FILE: 'no-such.env' }
    assert.deepEqual(loadEnvironment(preset), preset, 'what images of containers name in any case')
    writeFileSync(join(folder, 'env'), 'not a line\n')
    assert.throws(
      () => loadEnvironment({ MINIO_CONFIG_ENV_FILE: join(folder, 'env') }),
      ConfigError,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the arena may grow with the memory of the machine, unless its size is set', () => {
  const reserveOf = (memoryBytes: number, environment = {}): number =>
    loadSettings(NO_FLAGS, environment, { coreCount: 2, memoryBytes }).settings.arenaReserveBytes
  assert.equal(reserveOf(2 ** 30), 0)
  assert.equal(reserveOf(8 * 2 ** 30), 2 ** 30 - 256 * 2 ** 20)
  assert.equal(reserveOf(2 ** 40), 2 ** 31 - 256 * 2 ** 20)
  assert.equal(reserveOf(2 ** 40, { CAIRN_ARENA_SIZE: '64MiB' }), 0)
})
