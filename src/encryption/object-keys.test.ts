import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '#base/random'
import { assertBytes } from '#testing/bytes'
import { EncryptionError } from './encryption.ts'
import { keylessEtag, sealEtag, unsealEtag } from './etags.ts'
import {
  encodeKeyMetadata,
  encryptionKindOf,
  type KeyMetadata,
  parseKeyMetadata,
} from './key-metadata.ts'
import {
  boundPath,
  generateObjectKey,
  openLabelled,
  partKey,
  sealLabelled,
  sealObjectKey,
  unsealObjectKey,
} from './object-keys.ts'
import {
  base64,
  CLIENT_KEY,
  DATA_KEY,
  hex,
  NONCE,
  OBJECT_KEY,
  scriptedRandom,
  seq,
  utf8,
  VECTOR,
} from './testing/vectors.ts'

const PLACE = { bucket: 'bucket', key: 'object' }
const isMismatch = (error: unknown): boolean =>
  error instanceof EncryptionError && error.code === 'KeyMismatch'

test('object keys are sealed under a client key to the known answer', () => {
  const binding = { kind: 'sse-c', ...PLACE } as const
  const sealed = sealObjectKey(OBJECT_KEY, CLIENT_KEY, binding, scriptedRandom(VECTOR, NONCE))
  assert.equal(
    sealed.sealedKey.toBase64(),
    'IAAfAIABAgMEBQYHCAkKC2m4l/YcqHfi3QkyBclbeONO/3IoajO9v4/LkObBroV0GgrFmNA7mODxUGe9sCZo5w==',
  )
  assertBytes(
    Buffer.from(unsealObjectKey(sealed, CLIENT_KEY, { ...binding, key: 'object/' })),
    Buffer.from(OBJECT_KEY),
  )
  for (const wrong of [
    { ...binding, kind: 'sse-s3' as const },
    { ...binding, bucket: 'Bucket' },
    { ...binding, key: 'Object' },
  ]) {
    assert.throws(() => unsealObjectKey(sealed, CLIENT_KEY, wrong), isMismatch)
  }
  assert.throws(() => unsealObjectKey(sealed, DATA_KEY, binding), isMismatch)
})

test('both ciphers and the old algorithm are unsealed', () => {
  const binding = { kind: 'sse-c', ...PLACE } as const
  const chacha = {
    algorithm: 'DAREv2-HMAC-SHA256',
    iv: VECTOR,
    sealedKey: hex(
      '20011f00800102030405060708090a0b5a19a4cb427a74acc081f98823e625aaa9baf2f18a7cd8ad5fb350595a8054cdd91818d1151be3928bbc2da47b2c5ed2',
    ),
  }
  assertBytes(Buffer.from(unsealObjectKey(chacha, CLIENT_KEY, binding)), Buffer.from(OBJECT_KEY))
  const old = {
    algorithm: 'DARE-SHA256',
    iv: VECTOR,
    sealedKey: base64(
      'EAAfAAAAAAAAAQIDBAUGB+GW3lxB3psyG8260m+4d/vuH5gNGT2fiDIPNiXsWavykP1EvMbpKgDdVoK+SFIduQ==',
    ),
  }
  assertBytes(Buffer.from(unsealObjectKey(old, CLIENT_KEY, binding)), Buffer.from(OBJECT_KEY))
  assert.throws(() => unsealObjectKey(old, CLIENT_KEY, { ...binding, kind: 'sse-s3' }), isMismatch)
  assert.throws(
    () => unsealObjectKey({ ...old, algorithm: 'DAREv2-HMAC-SHA256' }, CLIENT_KEY, binding),
    isMismatch,
  )
})

test('object keys are sealed under a data key to the known answer', () => {
  const binding = { kind: 'sse-s3', ...PLACE } as const
  const sealed = sealObjectKey(OBJECT_KEY, DATA_KEY, binding, scriptedRandom(VECTOR, NONCE))
  assert.equal(
    sealed.sealedKey.toBase64(),
    'IAAfAIABAgMEBQYHCAkKCx17X6RuWb8Op7XU5r0KNc22jjIc86X8j8lQYBKXazxO18e68A7AuwSR5mHgiIhq5A==',
  )
  const drives = sealObjectKey(
    seq(0, 32),
    seq(0x20, 32),
    { kind: 'sse-s3', bucket: 'mybucket', key: 'hello.txt' },
    scriptedRandom(seq(0x80, 32), NONCE),
  )
  assert.equal(
    drives.sealedKey.toHex(),
    '20001f00800102030405060708090a0bedc0e6cba28536428c6ce55fadaf0bdde3b99cfba20a3181c614b5c2a4c5bdc77a1d53eecc97e0f4a149acfadeb98f18',
  )
})

test('new object keys differ', () => {
  const random = systemRandom()
  const one = generateObjectKey(CLIENT_KEY, random)
  assert.equal(one.length, 32)
  assert.notDeepEqual(one, generateObjectKey(CLIENT_KEY, random))
})

test('keys are bound to the lexical path', () => {
  assert.equal(boundPath('bucket', 'dir/'), 'bucket/dir')
  assert.equal(boundPath('bucket', 'a/b/./c/../d'), 'bucket/a/b/d')
  assert.equal(boundPath('bucket', 'a/~~/b/'), 'bucket/a/~~/b')
  assert.equal(boundPath('bucket', ''), 'bucket')
})

test('part keys are the known ones', () => {
  const of = (number: number, key = OBJECT_KEY): string => partKey(key, number).toHex()
  assert.equal(of(1), 'ff5847c0e0a1c0e894502cf84cb2fda0820be23e2ad1d6539ad287d301e213d8')
  assert.equal(of(2), '9a53303e66e2bfba7336533007777a44d1740cc618543d08c6eef2712f2aad2e')
  assert.equal(of(10000), 'aa15b960fc81c033df2f24cb2b3aaf2c35200b4a7efd13dcda510b1b59f27088')
  assert.equal(
    of(1, new Uint8Array(32)),
    'a3e7181c6eed030fd52f79537c56c4d07da92e56d374ff1dd2043350785b37d8',
  )
})

test('entity tags and checksums are sealed to the known answers', () => {
  const md5 = hex('7acedd1a84a4cfcb6e7a16003242945e')
  const stored = sealEtag(OBJECT_KEY, md5, scriptedRandom(NONCE))
  assert.equal(
    stored,
    '20000f00800102030405060708090a0b294b35d807def87dfb4d22a67ff7a80174c711dbf5dd8dc93b0012523dad3762',
  )
  assert.equal(unsealEtag(OBJECT_KEY, stored), '7acedd1a84a4cfcb6e7a16003242945e')
  assert.equal(keylessEtag(stored), '74c711dbf5dd8dc93b0012523dad3762')
  assert.equal(
    unsealEtag(
      new Uint8Array(32),
      '20000f00f2cc184414bc982927ec56abb7e18426faa205558982e9a8125c1370a9cf5754406e428b3343f21ee1125965',
    ),
    '6d6cdccb9a7498c871bde8eab2f49141',
  )
  const multipart = '7acedd1a84a4cfcb6e7a16003242945e-2'
  assert.equal(unsealEtag(OBJECT_KEY, multipart), multipart)
  assert.equal(keylessEtag(multipart), multipart)
  const blob = sealLabelled(OBJECT_KEY, 'object-checksum', hex('1001020304'), scriptedRandom(NONCE))
  assert.equal(
    blob.toHex(),
    '20000400800102030405060708090a0bb4b180b90761ba64d8284d1f2705a98b3f389f03af',
  )
  assert.equal(openLabelled(OBJECT_KEY, 'object-checksum', blob).toHex(), '1001020304')
})

const METADATA: KeyMetadata = {
  kind: 'sse-kms',
  algorithm: 'DAREv2-HMAC-SHA256',
  iv: VECTOR,
  sealedKey: seq(0, 64),
  dataKey: { keyId: 'my-key', ciphertext: seq(0, 76) },
  context: new Map([['a', 'b']]),
  isMultipart: true,
}

test('key metadata of all kinds comes back as it was', () => {
  for (const kind of ['sse-c', 'sse-s3', 'sse-kms'] as const) {
    const key: KeyMetadata = {
      ...METADATA,
      kind,
      dataKey: kind === 'sse-c' ? undefined : METADATA.dataKey,
      context: kind === 'sse-kms' ? METADATA.context : new Map(),
    }
    const stored = encodeKeyMetadata(key)
    assert.equal(encryptionKindOf(stored), kind)
    const read = parseKeyMetadata(stored)
    assert.equal(read?.kind, kind)
    assert.deepEqual(read?.context, key.context)
    assert.equal(read?.dataKey?.keyId, key.dataKey?.keyId)
    assert.equal(read?.isMultipart, true)
  }
  assert.equal(parseKeyMetadata(new Map([['x-minio-internal-crc', utf8('')]])), undefined)
})

test('malformed key metadata is refused', () => {
  const stored = encodeKeyMetadata(METADATA)
  const prefix = 'X-Minio-Internal-Server-Side-Encryption-'
  const wrong: readonly (readonly [string, string | undefined, string])[] = [
    ['Iv', undefined, 'BadMetadata'],
    ['Iv', 'AAAA', 'BadMetadata'],
    ['Iv', '!', 'BadMetadata'],
    ['Kms-Sealed-Key', undefined, 'Tampered'],
    ['Kms-Sealed-Key', 'AAAA', 'BadMetadata'],
    ['Seal-Algorithm', 'DARE-SHA256', 'BadMetadata'],
    ['Seal-Algorithm', undefined, 'BadMetadata'],
    ['S3-Kms-Key-Id', undefined, 'BadMetadata'],
    ['S3-Kms-Sealed-Key', '?', 'BadMetadata'],
    ['Context', utf8('{"a":1}').toBase64(), 'BadMetadata'],
    ['Context', utf8('[]').toBase64(), 'BadMetadata'],
  ]
  for (const [name, value, code] of wrong) {
    const changed = new Map(stored)
    if (value === undefined) changed.delete(prefix + name)
    else changed.set(prefix + name, utf8(value))
    assert.throws(
      () => parseKeyMetadata(changed),
      (error) => error instanceof EncryptionError && error.code === code,
      `${name}=${value}`,
    )
  }
})
