/**
 * Vault Transit and AWS KMS, against OpenBao (which has Vault's API) and moto, both from PyPI. Skipped without Python.
 * `CAIRN_TEST_KMS_PROGRAMS`: a folder that has `bao` and `moto_server` already.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { loadSettings } from '#config/settings'
import { EncryptionError, type Kms, NO_CONTEXT } from '#encryption/encryption'
import { checkKms, kmsSeedOf, openKms } from '#encryption/kms'
import { assertBytes } from '#testing/bytes'
import { findProgram, kmsPrograms } from './lib/programs.ts'
import { freePort, startServer } from './lib/server.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const OLD_KEY = 'my-minio-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='
const CONTEXT = new Map([['bucket', 'bucket/object']])
const TOKEN = 'test-root-token'

const children = new Set<ChildProcess>()

async function startProgram(program: string, words: string[], url: string): Promise<ChildProcess> {
  const child = spawn(program, words, {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], HOME: '/nonexistent' },
    detached: true,
  })
  children.add(child)
  for (let attempt = 0; attempt < 300; attempt++) {
    try {
      await fetch(url, { signal: AbortSignal.timeout(2000) })
      return child
    } catch {
      await sleep(100) // not listening yet
    }
  }
  throw new Error(`${program} does not answer`)
}

function stopProgram(child: ChildProcess): void {
  if (!children.delete(child)) return
  // The whole group: both are scripts that start the program proper.
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
}

function kmsOf(environment: Readonly<Record<string, string>>): Kms {
  const { settings } = loadSettings({ volumes: ['/d'] }, environment, {
    coreCount: 1,
    memoryBytes: 2 ** 30,
  })
  assert(settings.encryption.kms !== undefined)
  return openKms(kmsSeedOf(settings.encryption.kms, '/nowhere'), {
    clock: systemClock(),
    random: systemRandom(),
    readCertificates: () => [],
  })
}

const fails =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof EncryptionError && error.code === code

/** What every service must do. */
async function conforms(kms: Kms): Promise<void> {
  await checkKms(kms)
  const made = await kms.generateKey('', CONTEXT)
  assert.equal(made.plaintext.length, 32)
  assert.equal(made.ciphertext[0], 0x7b)
  assert.ok(!Buffer.from(made.ciphertext).includes(Buffer.from(made.plaintext)))
  const opened = await kms.decryptKey(made.keyId, made.ciphertext, CONTEXT)
  assertBytes(Buffer.from(opened), Buffer.from(made.plaintext))
  await assert.rejects(
    kms.decryptKey(made.keyId, made.ciphertext, NO_CONTEXT),
    fails('KmsBadCiphertext'),
  )
  await assert.rejects(kms.decryptKey(made.keyId, Buffer.alloc(76), CONTEXT), EncryptionError)
  await assert.rejects(kms.generateKey('alias-that-is-not-there', CONTEXT), fails('KmsKeyNotFound'))
  assert.equal((await kms.status())[0]?.isOnline, true)
}

/** Data keys of the static key that the service took over from. */
async function opensOldKeys(kms: Kms): Promise<void> {
  const old = kmsOf({ MINIO_KMS_SECRET_KEY: OLD_KEY })
  const made = await old.generateKey('', CONTEXT)
  const opened = await kms.decryptKey(made.keyId, made.ciphertext, CONTEXT)
  assertBytes(Buffer.from(opened), Buffer.from(made.plaintext))
}

suite('services of keys', {
  skip: findProgram('python3') === undefined && 'python3 is not installed',
}, () => {
  let folder = ''
  before(async () => {
    folder = await kmsPrograms()
  })
  after(() => children.forEach(stopProgram))

  test('Vault Transit', { timeout: 120_000 }, async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const flags = [`-dev-root-token-id=${TOKEN}`, `-dev-listen-address=127.0.0.1:${port}`]
    const words = ['server', '-dev', '-dev-no-store-token', ...flags]
    const own = await startProgram(join(folder, 'bao'), words, `${url}/v1/sys/health`)
    const admin = async (method: string, path: string, body: object): Promise<unknown> => {
      const reply = await fetch(`${url}/v1/${path}`, {
        method,
        headers: { 'X-Vault-Token': TOKEN },
        body: method === 'GET' ? null : JSON.stringify(body),
      })
      return reply.status === 204 ? {} : reply.json()
    }
    await admin('POST', 'sys/mounts/transit', { type: 'transit' })
    const settings = {
      CAIRN_KMS_VAULT_ENDPOINT: url,
      CAIRN_KMS_VAULT_KEY_NAME: 'cairn',
      CAIRN_KMS_OLD_SECRET_KEY: OLD_KEY,
    }
    const byToken = kmsOf({ ...settings, CAIRN_KMS_VAULT_TOKEN: TOKEN })
    await conforms(byToken)
    await opensOldKeys(byToken)
    assert.deepEqual(await byToken.listKeys('ca'), ['cairn'])
    await assert.rejects(byToken.createKey('cairn'), fails('KmsKeyExists'))
    assert.equal((await byToken.mac('', Buffer.from('x'))).length, 32)

    // A role that may only encrypt and decrypt with one key.
    await admin('POST', 'sys/auth/approle', { type: 'approle' })
    const rule = (path: string): string => `path "transit/${path}" { capabilities = ["update"] }`
    const policy = ['encrypt/cairn', 'decrypt/cairn'].map(rule).join('\n')
    await admin('PUT', 'sys/policies/acl/cairn', { policy })
    await admin('POST', 'auth/approle/role/cairn', { token_policies: 'cairn', token_ttl: '60s' })
    const idOf = async (path: string, method: string, name: string): Promise<string> => {
      const reply = await admin(method, `auth/approle/role/cairn/${path}`, {})
      return new RegExp(`"${name}":"([^"]+)"`).exec(JSON.stringify(reply))?.[1] ?? ''
    }
    const byRole = kmsOf({
      ...settings,
      CAIRN_KMS_VAULT_APPROLE_ID: await idOf('role-id', 'GET', 'role_id'),
      CAIRN_KMS_VAULT_APPROLE_SECRET: await idOf('secret-id', 'POST', 'secret_id'),
    })
    const made = await byRole.generateKey('', CONTEXT)
    const opened = await byToken.decryptKey(made.keyId, made.ciphertext, CONTEXT)
    assertBytes(Buffer.from(opened), Buffer.from(made.plaintext))
    await assert.rejects(byRole.generateKey('other', CONTEXT), fails('KmsNotAuthorized'))
    const wrong = kmsOf({ ...settings, CAIRN_KMS_VAULT_TOKEN: 'no-such-token' })
    await assert.rejects(wrong.generateKey('', CONTEXT), fails('KmsNotAuthorized'))

    await usedByServer({ ...settings, CAIRN_KMS_VAULT_TOKEN: TOKEN }, async () => stopProgram(own))
    await assert.rejects(byToken.generateKey('', CONTEXT), fails('KmsUnavailable'))
    for (const kms of [byToken, byRole, wrong]) kms.close()
  })

  test('AWS KMS', { timeout: 120_000 }, async () => {
    const port = await freePort()
    const endpoint = `http://127.0.0.1:${port}`
    const words = ['-H', '127.0.0.1', '-p', String(port)]
    const own = await startProgram(join(folder, 'moto_server'), words, `${endpoint}/moto-api/`)
    process.env['AWS_ACCESS_KEY_ID'] = 'test'
    process.env['AWS_SECRET_ACCESS_KEY'] = 'test'
    const settings = {
      CAIRN_KMS_AWS_KEY_ID: 'alias/cairn',
      CAIRN_KMS_AWS_REGION: 'eu-central-1',
      CAIRN_KMS_AWS_ENDPOINT: endpoint,
      CAIRN_KMS_OLD_SECRET_KEY: OLD_KEY,
    }
    const kms = kmsOf(settings)
    await conforms(kms)
    await opensOldKeys(kms)
    assert.ok((await kms.listKeys('alias/c')).includes('alias/cairn'))
    const hiding = kmsOf({ ...settings, CAIRN_KMS_AWS_HIDE_CONTEXT: 'on' })
    const made = await hiding.generateKey('', CONTEXT)
    assert.match(Buffer.from(made.ciphertext).toString(), /"ctx":"sha256"/)
    // Each data key says how its context was sent.
    const opened = await kms.decryptKey(made.keyId, made.ciphertext, CONTEXT)
    assertBytes(Buffer.from(opened), Buffer.from(made.plaintext))
    stopProgram(own)
    await assert.rejects(kms.generateKey('', CONTEXT), fails('KmsUnavailable'))
    kms.close()
    hiding.close()
  })
})

/** A whole server with this service: after it is gone, nothing is stored in clear and nothing waits for long. */
async function usedByServer(
  environment: Readonly<Record<string, string>>,
  stopService: () => Promise<void>,
): Promise<void> {
  using temporary = new TemporaryFolder()
  await using server = await startServer({
    kind: 'cairn',
    folder: temporary.path,
    drives: ['d1'],
    credentials: { accessKey: 'services', secretKey: 'services-secret' },
    environment: { ...environment, CAIRN_KMS_CACHE: 'off' },
  })
  const { client } = server
  const headers = { 'x-amz-server-side-encryption': 'AES256' }
  await client.must({ method: 'PUT', bucket: 'bucket' })
  await client.must({ method: 'PUT', bucket: 'bucket', key: 'before', headers, body: 'secret' })
  assert.equal(
    (await client.must({ method: 'GET', bucket: 'bucket', key: 'before' })).text,
    'secret',
  )
  await stopService()
  const begin = performance.now()
  const put = await client.send({
    method: 'PUT',
    bucket: 'bucket',
    key: 'after',
    headers,
    body: 'x',
  })
  assert.deepEqual([put.status, put.code], [503, 'kms:KeyGenerationFailed'])
  const get = await client.send({ method: 'GET', bucket: 'bucket', key: 'before' })
  assert.deepEqual([get.status, get.code], [503, 'kms:DecryptionFailed'])
  assert.ok(!get.text.includes('secret'))
  assert.ok(performance.now() - begin < 20_000)
  assert.equal((await client.send({ method: 'HEAD', bucket: 'bucket', key: 'after' })).status, 404)
  await client.must({ method: 'PUT', bucket: 'bucket', key: 'clear', body: 'x' })
  assert.ok(!server.log.includes(TOKEN), 'the log shows the token')
  await server.stop()
}
