import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError, type Environment } from './config.ts'
import { loadEnvironment } from './environment.ts'
import { loadSettings } from './settings.ts'

const SECRET = 'my-minio-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='
const KES = {
  MINIO_KMS_KES_ENDPOINT: 'https://a:7373, https://b{1...2}:7373',
  MINIO_KMS_KES_KEY_NAME: 'k',
  MINIO_KMS_KES_API_KEY: 'kes:v1:x',
}

function encryptionOf(environment: Environment) {
  const { settings } = loadSettings({ volumes: ['/d'] }, environment, {
    coreCount: 1,
    memoryBytes: 2 ** 30,
  })
  return settings.encryption
}

test('without settings there is no KMS', () => {
  assert.equal(encryptionOf({}).kms, undefined)
  assert.equal(encryptionOf({ MINIO_KMS_SECRET_KEY: '' }).kms, undefined)
})

test('each family is read', () => {
  assert.deepEqual(encryptionOf({ MINIO_KMS_SECRET_KEY: SECRET }).kms?.service, {
    family: 'static',
    secret: SECRET,
  })
  const kes = encryptionOf(KES).kms?.service
  assert(kes?.family === 'kes')
  assert.deepEqual(kes.endpoints, ['https://a:7373', 'https://b1:7373', 'https://b2:7373'])
  const vault = encryptionOf({
    CAIRN_KMS_VAULT_ENDPOINT: 'http://127.0.0.1:8200/',
    CAIRN_KMS_VAULT_KEY_NAME: 'k',
    CAIRN_KMS_VAULT_TOKEN: 't',
    CAIRN_KMS_OLD_SECRET_KEY: SECRET,
  }).kms
  assert(vault?.service.family === 'vault')
  assert.equal(vault.service.endpoint, 'http://127.0.0.1:8200')
  assert.equal(vault.service.mount, 'transit')
  assert.equal(vault.oldSecret, SECRET)
  const aws = { CAIRN_KMS_AWS_KEY_ID: 'alias/k', CAIRN_KMS_AWS_REGION: 'eu-central-1' }
  assert.equal(encryptionOf(aws).kms?.service.family, 'aws')
})

test('what does not go together is refused', () => {
  const wrong: readonly Environment[] = [
    { ...KES, MINIO_KMS_SECRET_KEY: SECRET },
    { MINIO_KMS_KES_ENDPOINT: 'https://a' },
    { ...KES, MINIO_KMS_KES_ENDPOINT: 'http://a' },
    { ...KES, MINIO_KMS_KES_CERT_FILE: '/c' },
    { ...KES, MINIO_KMS_KES_API_KEY: '' },
    { MINIO_KMS_AUTO_ENCRYPTION: 'on' },
    { MINIO_KMS_SECRET_KEY: SECRET, CAIRN_KMS_OLD_SECRET_KEY: SECRET },
    { CAIRN_KMS_VAULT_ENDPOINT: 'ftp://a' },
  ]
  for (const environment of wrong) assert.throws(() => encryptionOf(environment), ConfigError)
})

test('a wrong address is told which ones the service takes', () => {
  assert.throws(
    () => encryptionOf({ ...KES, MINIO_KMS_KES_ENDPOINT: 'http://a' }),
    /MINIO_KMS_KES_ENDPOINT="http:\/\/a": expected an address with https:\/\/,/,
  )
  assert.throws(
    () => encryptionOf({ CAIRN_KMS_VAULT_ENDPOINT: 'ftp://a' }),
    /CAIRN_KMS_VAULT_ENDPOINT="ftp:\/\/a": expected an address with https:\/\/ or http:\/\//,
  )
})

test('the secret may be in a file, and a file that is missing is no secret', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-kms-'))
  try {
    const file = join(folder, 'secret')
    writeFileSync(file, `${SECRET}\n`)
    const read = (environment: Environment) => encryptionOf(loadEnvironment(environment)).kms
    assert.equal(read({ MINIO_KMS_SECRET_KEY_FILE: file })?.service.family, 'static')
    assert.equal(read({ MINIO_KMS_SECRET_KEY_FILE: join(folder, 'none') }), undefined)
    assert.throws(
      () => read({ MINIO_KMS_SECRET_KEY_FILE: file, MINIO_KMS_SECRET_KEY: SECRET }),
      ConfigError,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
