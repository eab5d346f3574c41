import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import type { Settings } from './config.ts'
import { loadSettings } from './settings.ts'
import { parseStoredSettings, withStoredSettings } from './stored-settings.ts'

const { settings: DEFAULTS } = loadSettings(
  { volumes: ['d1'] },
  {},
  { coreCount: 2, memoryBytes: 2 ** 30 },
)

function stored(document: unknown): Settings {
  return effective(document, {}).settings
}

function effective(document: unknown, environment: Readonly<Record<string, string>>) {
  const found = parseStoredSettings(utf8(JSON.stringify(document)))
  assert.ok(found !== undefined)
  return withStoredSettings(DEFAULTS, environment, found)
}

function configOf(subsystem: string, values: Readonly<Record<string, string>>): unknown {
  const pairs = Object.entries(values).map(([key, value]) => ({ key, value }))
  return { [subsystem]: { _: pairs, other: [{ key: 'region', value: 'no' }] }, cache: { _: null } }
}

test('stored settings take the place of defaults', () => {
  assert.equal(stored(configOf('site', { name: 'x', region: 'eu-1' })).region, 'eu-1')
  assert.equal(stored(configOf('region', { name: 'eu-2' })).region, 'eu-2')
  const classes = { standard: 'EC:3', rrs: 'EC:2', optimize: 'capacity', inline_block: '64KiB' }
  assert.deepEqual(stored(configOf('storage_class', classes)).storageClass, {
    standardParity: 3,
    reducedParity: 2,
    optimize: 'capacity',
    inlineBlockBytes: 65_536,
  })
  const api = stored(
    configOf('api', {
      requests_max: '77',
      cors_allow_origin: 'https://a.example,https://b.example',
      stale_uploads_expiry: '48h',
      stale_uploads_cleanup_interval: '3h',
      unknown: 'x',
    }),
  )
  assert.equal(api.requestsMax, 77)
  assert.deepEqual(api.corsOrigins, ['https://a.example', 'https://b.example'])
  assert.equal(api.staleUploadsExpiryMs, 48 * 3_600_000)
  assert.equal(api.staleUploadsIntervalMs, 3 * 3_600_000)
})

test('what is to be compressed may be stored', () => {
  const document = configOf('compression', {
    enable: 'on',
    allow_encryption: 'on',
    extensions: '.txt,.md',
    mime_types: 'text/*',
  })
  const all = { isEnabled: true, allowsEncryption: true, extensions: ['.txt', '.md'] }
  assert.deepEqual(stored(document).compression, { ...all, mimeTypes: ['text/*'] })
  const { settings } = effective(document, { MINIO_COMPRESS: 'off' })
  assert.equal(settings.compression.isEnabled, false)
})

test('empty values and other subsystems change nothing', () => {
  assert.deepEqual(stored(configOf('site', { region: '' })), DEFAULTS)
  assert.deepEqual(stored(configOf('scanner', { speed: 'fast' })), DEFAULTS)
})

test('the environment wins over what is stored, under each of its names', () => {
  const document = configOf('site', { region: 'eu-1' })
  for (const name of ['MINIO_REGION', 'MINIO_SITE_REGION', 'CAIRN_REGION', 'MINIO_REGION_NAME']) {
    assert.equal(effective(document, { [name]: 'us-1' }).settings.region, DEFAULTS.region, name)
  }
  assert.equal(effective(document, { MINIO_REGION: '' }).settings.region, 'eu-1')
})

test('a stored value that cannot be used is named and left out', () => {
  const { settings, warnings } = effective(configOf('storage_class', { standard: 'many' }), {})
  assert.deepEqual(settings, DEFAULTS)
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /stored storage_class standard/)
  const region = effective(configOf('site', { region: 'eu west' }), {})
  assert.deepEqual(region.settings, DEFAULTS)
  assert.match(region.warnings[0] ?? '', /stored site region/)
})

test('the flat form of before 2019 is read, other content is not', () => {
  const flat = { version: '33', region: 'eu-3', storageclass: { standard: 'EC:2', rrs: '' } }
  assert.equal(stored(flat).region, 'eu-3')
  assert.equal(stored(flat).storageClass.standardParity, 2)
  for (const bytes of [utf8('[]'), utf8('{'), new Uint8Array([0xff, 1, 2]), utf8('"x"')]) {
    assert.equal(parseStoredSettings(bytes), undefined)
  }
})
