import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, type Environment, type ServerFlags } from './config.ts'
import type { CompressionSettings } from './compression-settings.ts'
import { loadSettings } from './settings.ts'

const NO_FLAGS: ServerFlags = { volumes: ['/d1'] }

function settingsOf(environment: Environment): CompressionSettings {
  return loadSettings(NO_FLAGS, environment, { coreCount: 2, memoryBytes: 2 ** 30 }).settings
    .compression
}

test('nothing is compressed unless it is asked for', () => {
  const settings = settingsOf({})
  assert.equal(settings.isEnabled, false)
  assert.equal(settings.allowsEncryption, false)
  assert(settings.extensions.includes('.csv'))
  assert(settings.mimeTypes.includes('text/*'))
})

test('lists replace the defaults, and an empty one counts as unset', () => {
  const settings = settingsOf({
    MINIO_COMPRESSION_ENABLE: 'on',
    MINIO_COMPRESSION_EXTENSIONS: '.txt, .LOG',
    MINIO_COMPRESSION_MIME_TYPES: '',
    CAIRN_COMPRESSION_ALLOW_ENCRYPTION: 'on',
  })
  assert.equal(settings.isEnabled, true)
  assert.equal(settings.allowsEncryption, true)
  assert.deepEqual(settings.extensions, ['.txt', '.LOG'])
  assert.deepEqual(settings.mimeTypes, settingsOf({}).mimeTypes)
})

test('names of old releases are known, and the current ones win', () => {
  for (const name of ['MINIO_COMPRESS', 'MINIO_COMPRESS_ENABLE']) {
    assert.equal(settingsOf({ [name]: 'true' }).isEnabled, true)
  }
  assert.deepEqual(settingsOf({ MINIO_COMPRESS_MIMETYPES: 'a/b' }).mimeTypes, ['a/b'])
  const both = { MINIO_COMPRESS_EXTENSIONS: '.a', MINIO_COMPRESSION_EXTENSIONS: '.b' }
  assert.deepEqual(settingsOf(both).extensions, ['.b'])
})

test('lists with empty items are refused', () => {
  for (const list of ['.txt,', ',', '/', '.txt,/']) {
    assert.throws(() => settingsOf({ MINIO_COMPRESSION_EXTENSIONS: list }), ConfigError)
  }
  assert.throws(() => settingsOf({ MINIO_COMPRESSION_ENABLE: 'perhaps' }), ConfigError)
})
