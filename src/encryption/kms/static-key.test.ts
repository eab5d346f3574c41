import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '#base/random'
import { sealSmall } from '../dare.ts'
import { EncryptionError, type Kms, NO_CONTEXT } from '../encryption.ts'
import { hmac } from '../object-keys.ts'
import {
  base64,
  DATA_KEY,
  hex,
  NONCE,
  scriptedRandom,
  seq,
  STATIC_KEY,
  utf8,
} from '../testing/vectors.ts'
import { hchacha20 } from './hchacha20.ts'
import { parseStaticKey, StaticKeyKms } from './static-key.ts'

const CONTEXT = new Map([['bucket', 'bucket/object']])
const KNOWN =
  '58d10580b02a0c302afc238a585cad986be326a7d972c24e6fd4022a27e8eb875a6962fe8d7f608533a9d9cef51503b0808182838485868788898a8b8c8d8e8f909192939495969798999a9b'

function kmsOf(random = systemRandom()): Kms {
  const parsed = parseStaticKey(STATIC_KEY)
  assert(parsed !== undefined)
  return new StaticKeyKms(parsed, random)
}

const fails =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof EncryptionError && error.code === code

test('a data key is sealed to the known answer', async () => {
  const made = await kmsOf(scriptedRandom(seq(0x80, 28), DATA_KEY)).generateKey('', CONTEXT)
  assert.equal(made.ciphertext.toHex(), KNOWN)
  assert.equal(made.keyId, 'my-minio-key')
  const empty = await kmsOf(scriptedRandom(seq(0x80, 28), DATA_KEY)).generateKey('', NO_CONTEXT)
  assert.ok(
    empty.ciphertext
      .toHex()
      .startsWith(
        '58d10580b02a0c302afc238a585cad986be326a7d972c24e6fd4022a27e8eb875f4f0e9797dadd55f98e89c80cebb5b1',
      ),
  )
})

test('every form of an older release is opened', async () => {
  const kms = kmsOf()
  const parsed = parseStaticKey(STATIC_KEY)
  assert(parsed !== undefined)
  const old = sealSmall(
    hmac(parsed.master.export(), 'my-minio-key', '{"bucket":"bucket/object"}'),
    DATA_KEY,
    NONCE,
  )
  const forms = [
    hex(KNOWN),
    utf8(
      '{"aead":"AES-256-GCM-HMAC-SHA-256","id":"","iv":"gIGCg4SFhoeIiYqLjI2Ojw==","nonce":"kJGSk5SVlpeYmZqb","bytes":"WNEFgLAqDDAq/COKWFytmGvjJqfZcsJOb9QCKifo64daaWL+jX9ghTOp2c71FQOw"}',
    ),
    utf8(
      '{"aead":"ChaCha20Poly1305","id":"","iv":"gIGCg4SFhoeIiYqLjI2Ojw==","nonce":"kJGSk5SVlpeYmZqb","bytes":"7FtHoVyZ4zNdoAKKUB7uFTv7pJodnG4W1fk9uvPCRC4qTMl52OMFSzbS6SiDZfJj"}',
    ),
    old,
  ]
  for (const form of forms) {
    const opened = await kms.decryptKey('my-minio-key', form, CONTEXT)
    assert.equal(opened.toHex(), DATA_KEY.toHex())
    await assert.rejects(kms.decryptKey('', form, NO_CONTEXT), fails('KmsBadCiphertext'))
  }
})

test('the derivation of the old cipher is the known one', () => {
  const master = base64('OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw=')
  assert.equal(
    hchacha20(master, seq(0x80, 16)).toHex(),
    '3deb57e7089efdb91a711f9bfeba34c440f9cab48182e1d398771b1992755d16',
  )
})

test('damaged ciphertexts and other names are refused', async () => {
  const kms = kmsOf()
  for (const size of [0, 1, 27, 28, 43, 44, 63, 64, 76, 100]) {
    await assert.rejects(
      kms.decryptKey('', new Uint8Array(size), CONTEXT),
      fails('KmsBadCiphertext'),
    )
  }
  await assert.rejects(kms.decryptKey('', utf8('{}'), CONTEXT), fails('KmsBadCiphertext'))
  await assert.rejects(kms.generateKey('other', CONTEXT), fails('KmsKeyNotFound'))
  await assert.rejects(kms.createKey('other'), fails('KmsNotSupported'))
  await assert.rejects(kms.createKey('my-minio-key'), fails('KmsKeyExists'))
  assert.deepEqual(await kms.listKeys('my'), ['my-minio-key'])
  assert.deepEqual(await kms.listKeys('x'), [])
})

test('only a name with 32 bytes in base64 is a key', () => {
  assert.equal(parseStaticKey(`${STATIC_KEY}\n`)?.keyId, 'my-minio-key')
  for (const wrong of [
    '',
    'name',
    ':AAAA',
    'name:AAAA',
    `${STATIC_KEY}!`,
    STATIC_KEY.slice(0, -1),
  ]) {
    assert.equal(parseStaticKey(wrong), undefined, wrong)
  }
})
