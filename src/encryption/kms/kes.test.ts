import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import type { KesSettings } from '#config/kms-settings'
import { loadSettings } from '#config/settings'
import { assertBytes } from '#testing/bytes'
import { makeCertificate } from '#testing/certificate'
import { KesServer } from '#testing/kes-server'
import { checkKms, kmsSeedOf, openKms } from '../kms.ts'
import { EncryptionError, type Kms, NO_CONTEXT } from '../encryption.ts'
import { certificateOf, identityOf, parseApiKey } from './kes-identity.ts'
import { KesKms } from './kes.ts'

const API_KEY = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const IDENTITY = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const CONTEXT = new Map([['bucket', 'bucket/object']])

const fails =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof EncryptionError && error.code === code

function ownKey(text = API_KEY) {
  const key = parseApiKey(text)
  assert(key !== undefined)
  return key
}

/** A certificate for this machine; undefined where `openssl` is not installed. */
function serverCertificate(): { certificate: string; key: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-kes-'))
  try {
    makeCertificate(folder, 'IP:127.0.0.1')
    return {
      key: readFileSync(join(folder, 'private.key'), 'utf8'),
      certificate: readFileSync(join(folder, 'public.crt'), 'utf8'),
    }
  } catch {
    return undefined // not installed
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const SERVER = serverCertificate()
const skip = SERVER === undefined && 'openssl is not installed'
const AUTHORITIES = SERVER === undefined ? [] : [SERVER.certificate]

async function serverWith(options: { keys?: string[]; allowed?: string[] } = {}) {
  assert(SERVER !== undefined)
  const server = new KesServer({
    ...SERVER,
    allowed: options.allowed ?? [IDENTITY],
    keys: options.keys ?? ['my-key'],
  })
  await server.start()
  return server
}

function settingsFor(urls: readonly string[]): KesSettings {
  return {
    family: 'kes',
    endpoints: urls,
    keyName: 'my-key',
    caPath: '/ca',
    credentials: { kind: 'api-key', apiKey: API_KEY },
  }
}

function clientOf(urls: readonly string[]): Kms {
  const clock = systemClock()
  return new KesKms(settingsFor(urls), {
    // Waits between attempts are not waited for.
    clock: {
      ...clock,
      sleep: async () => undefined,
      setTimer: (ms, run) => clock.setTimer(ms / 50, run),
    },
    random: systemRandom(),
    readCertificates: () => AUTHORITIES,
  })
}

test('API keys have the known identities', () => {
  assert.equal(identityOf(ownKey()), IDENTITY)
  assert.equal(
    identityOf(ownKey('AGaV6VXHasF0FnaB60WdCOeTZ8eTIDikL4zlN16c8NAs')),
    'ea9826089311fe44d7590408ede9150f7c637b6cab0a91ee6fe1aa5d9fb366f6',
  )
  for (const wrong of ['', 'kes:v1:', 'kes:v1:AAAA', API_KEY.replace('AAAB', 'AQAB')]) {
    assert.equal(parseApiKey(wrong), undefined)
  }
})

test('the certificate of an API key is one that others read', () => {
  const now = Date.parse('2049-12-01T00:00:00Z')
  const { certificate } = certificateOf(ownKey(), systemRandom(), now)
  const parsed = new X509Certificate(certificate)
  assert.equal(parsed.subject, `CN=${IDENTITY}`)
  assert.equal(parsed.issuer, parsed.subject)
  assert.ok(parsed.verify(parsed.publicKey))
  assert.equal(Date.parse(parsed.validFrom), now)
  assert.equal(Date.parse(parsed.validTo), now + 90 * 86_400_000)
  assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  assert.equal(parsed.ca, false)
})

test('data keys are made and opened over mutual TLS', { skip }, async () => {
  await using server = await serverWith()
  const kms = clientOf([server.url])
  try {
    const made = await kms.generateKey('', CONTEXT)
    assert.equal(made.keyId, 'my-key')
    assert.equal(made.plaintext.length, 32)
    const opened = await kms.decryptKey('my-key', made.ciphertext, CONTEXT)
    assertBytes(Buffer.from(opened), Buffer.from(made.plaintext))
    await assert.rejects(
      kms.decryptKey('my-key', made.ciphertext, NO_CONTEXT),
      fails('KmsBadCiphertext'),
    )
    await assert.rejects(kms.generateKey('other', CONTEXT), fails('KmsKeyNotFound'))
    await assert.rejects(kms.generateKey('../x', CONTEXT), fails('KmsKeyNotFound'))
    await kms.createKey('other')
    await assert.rejects(kms.createKey('other'), fails('KmsKeyExists'))
    assert.deepEqual(await kms.listKeys(''), ['my-key', 'other'])
    assert.deepEqual(await kms.listKeys('o'), ['other'])
    assert.equal((await kms.mac('', made.plaintext)).length, 32)
    assert.deepEqual(await kms.status(), [{ endpoint: server.url, isOnline: true }])
    assert.ok(server.asked.includes('/v1/key/generate/my-key'))
  } finally {
    kms.close()
  }
})

test('a server that refuses, fails or is gone', { skip }, async () => {
  const server = await serverWith({ allowed: [] })
  const kms = clientOf([server.url])
  try {
    await assert.rejects(kms.generateKey('', CONTEXT), fails('KmsNotAuthorized'))
    await checkKms(kms)
    server.failing = 503
    const before = server.asked.length
    await assert.rejects(kms.generateKey('', CONTEXT), fails('KmsUnavailable'))
    assert.equal(server.asked.length - before, 3, 'two more attempts')
    server.failing = 500
    await assert.rejects(kms.generateKey('', CONTEXT), fails('KmsFailed'))
    await server[Symbol.asyncDispose]()
    await assert.rejects(kms.generateKey('', CONTEXT), {
      code: 'KmsUnavailable',
      message: new RegExp(`^The KMS at ${server.url} does not answer: .*ECONN`),
    })
    assert.deepEqual(await kms.status(), [{ endpoint: server.url, isOnline: false }])
  } finally {
    kms.close()
  }
})

test('a server that hangs is given up', { skip }, async () => {
  await using server = await serverWith()
  server.isHung = true
  const kms = clientOf([server.url])
  try {
    await assert.rejects(kms.decryptKey('', new Uint8Array(76), CONTEXT), fails('KmsUnavailable'))
    assert.equal(server.asked.length, 3)
  } finally {
    kms.close()
  }
})

test('a server that does not answer is left alone for a while, then tried by one call', {
  skip,
}, async () => {
  await using server = await serverWith()
  let nowMs = 0
  const clock = { ...systemClock(), monotonicMs: () => nowMs, sleep: async () => undefined }
  const kms = openKms(
    { service: settingsFor([server.url]), oldKey: undefined, cachesDataKeys: false },
    { clock, random: systemRandom(), readCertificates: () => AUTHORITIES },
  )
  const failsFor = async (asked: number): Promise<void> => {
    const before = server.asked.length
    await assert.rejects(kms.generateKey('', CONTEXT), fails('KmsUnavailable'))
    assert.equal(server.asked.length - before, asked)
  }
  try {
    server.failing = 503
    for (let i = 0; i < 5; i++) await failsFor(3)
    await failsFor(0)
    nowMs += 2000
    await failsFor(3)
    await failsFor(0)
    nowMs += 2000
    server.failing = undefined
    const trying = kms.generateKey('', CONTEXT)
    await assert.rejects(kms.generateKey('', CONTEXT), fails('KmsUnavailable'))
    await trying
    await kms.generateKey('', CONTEXT)
    // Refusals are answers.
    server.failing = 500
    for (let i = 0; i < 6; i++) {
      await assert.rejects(kms.generateKey('', CONTEXT), fails('KmsFailed'))
    }
  } finally {
    kms.close()
  }
})

test('the next server answers when one is down', { skip }, async () => {
  await using good = await serverWith()
  await using bad = await serverWith()
  bad.failing = 502
  const kms = clientOf([bad.url, good.url])
  try {
    for (let i = 0; i < 3; i++) await kms.generateKey('', CONTEXT)
    assert.equal(bad.asked.length, 1, 'the one that failed is left out for a while')
    assert.equal(good.asked.length, 3)
  } finally {
    kms.close()
  }
})

test('a default key that does not exist is made at the start', { skip }, async () => {
  await using server = await serverWith({ keys: [] })
  const kms = clientOf([server.url])
  try {
    await checkKms(kms)
    await kms.generateKey('', CONTEXT)
    assert.ok(server.asked.includes('/v1/key/create/my-key'))
  } finally {
    kms.close()
  }
})

test('the settings lead to the server, and a malformed API key to a clear error', {
  skip,
}, async () => {
  await using server = await serverWith()
  const environment = {
    MINIO_KMS_KES_ENDPOINT: server.url,
    MINIO_KMS_KES_KEY_NAME: 'my-key',
    MINIO_KMS_KES_API_KEY: 'kes:v1:AAAA',
  }
  const { settings } = loadSettings({ volumes: ['/d'] }, environment, {
    coreCount: 1,
    memoryBytes: 2 ** 30,
  })
  assert(settings.encryption.kms !== undefined)
  const kms = openKms(kmsSeedOf(settings.encryption.kms, '/ca'), {
    clock: systemClock(),
    random: systemRandom(),
    readCertificates: () => AUTHORITIES,
  })
  await assert.rejects(
    kms.generateKey('', CONTEXT),
    /Invalid MINIO_KMS_KES_API_KEY: expected kes:v1:/,
  )
  kms.close()
})

test('a file that is not there is named with its setting', () => {
  const open = (existing: string) =>
    new KesKms(
      {
        family: 'kes',
        endpoints: ['https://localhost:1'],
        keyName: 'my-key',
        caPath: undefined,
        credentials: {
          kind: 'certificate',
          certFile: '/client.crt',
          keyFile: '/client.key',
          keyPassword: undefined,
        },
      },
      {
        clock: systemClock(),
        random: systemRandom(),
        readCertificates: (path) => (path === existing ? AUTHORITIES : []),
      },
    )
  assert.throws(
    () => open('/client.crt'),
    /MINIO_KMS_KES_KEY_FILE="\/client.key": there is no such/,
  )
  assert.throws(
    () => open('/client.key'),
    /MINIO_KMS_KES_CERT_FILE="\/client.crt": there is no such/,
  )
})
