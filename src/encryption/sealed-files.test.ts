import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '#base/random'
import { goldenSkip, loadGolden } from '#testing/golden-memory'
import { EngineFixture, testCodec } from '#testing/engine-fixture'
import { META_VOLUME } from '#drive/drive'
import { parseBucketMetadata } from '#drive/bucket-metadata-file'
import { assertBytes } from '#testing/bytes'
import { openTargets, sealTargets } from './bucket-targets.ts'
import { EncryptionError, type Kms } from './encryption.ts'
import { sealFragments } from './fragment-stream.ts'
import { parseStaticKey, StaticKeyKms } from './kms/static-key.ts'
import { passwordKey, SealedFiles } from './sealed-files.ts'
import { DATA_KEY, hex, scriptedRandom, seq, sha256, STATIC_KEY, utf8 } from './testing/vectors.ts'

const PATH = 'config/iam/format.json'
const PLAIN = utf8('{"version":1}')
const ROOT = { user: 'minioadmin', password: 'minioadmin' }

function kmsOf(secret = STATIC_KEY, random = systemRandom()): Kms {
  const key = parseStaticKey(secret)
  assert(key !== undefined)
  return new StaticKeyKms(key, random)
}

const files = (kms: Kms | undefined): SealedFiles =>
  new SealedFiles({ kms, root: ROOT, random: systemRandom() })

const fails =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof EncryptionError && error.code === code

test('a file is sealed to the known answer', async () => {
  const kms = kmsOf(STATIC_KEY, scriptedRandom(seq(0x80, 28), new Uint8Array(DATA_KEY)))
  const sealer = new SealedFiles({ kms, root: ROOT, random: scriptedRandom(seq(0xa0, 8)) })
  const sealed = await sealer.seal(PATH, PLAIN)
  assert.equal(sealed.length, 223)
  assert.equal(sha256(sealed), '4cc650925e9cb05bbc85c2f224ceea617e95f4a96183141a5cbb990869778d44')
  assertBytes(Buffer.from(await files(kmsOf()).open(PATH, sealed)), Buffer.from(PLAIN))
})

test('the stream has the known answer of the drive specification', () => {
  const sealed = sealFragments('aes-256-gcm', seq(0, 32), seq(0, 8), PLAIN)
  assert.equal(
    Buffer.from(sealed).toString('hex'),
    'b80f11f30976d23782684a72f77adab404ebfef11822b28d1d9c5e586c',
  )
})

test('keys of passwords are the known ones', () => {
  const password = utf8('minioadmin:minioadmin')
  assert.equal(
    passwordKey(0, password, seq(0, 32)).toHex(),
    '4cd72e67a543910db98f6d5d160a1a1ce897776a7a6c81d6255f4f45216dd94c',
  )
  assert.equal(
    passwordKey(2, password, seq(0, 32)).toHex(),
    '1d3f36f736e255b4e0af28fda5ba9ac569698fe1daf059042b2c2d6b9ec6f3ea',
  )
})

test('what the root credentials sealed is read, and only with them', async () => {
  for (const [id, cipher] of [
    [0, 'aes-256-gcm'],
    [1, 'chacha20-poly1305'],
    [2, 'aes-256-gcm'],
  ] as const) {
    const key = passwordKey(id, utf8('minioadmin:minioadmin'), seq(0x90, 32))
    const stored = Buffer.concat([
      seq(0x90, 32),
      Uint8Array.of(id),
      seq(0, 8),
      sealFragments(cipher, key, seq(0, 8), PLAIN),
    ])
    assertBytes(Buffer.from(await files(undefined).open(PATH, stored)), Buffer.from(PLAIN))
    const other = new SealedFiles({
      kms: undefined,
      root: { user: 'other', password: 'other-secret' },
      random: systemRandom(),
    })
    await assert.rejects(other.open(PATH, stored), fails('Tampered'))
  }
})

test('files of every size come back, bound to their path', async () => {
  const sealer = files(kmsOf())
  for (const size of [0, 1, 16_383, 16_384, 16_385, 40_000]) {
    const plain = Buffer.alloc(size, 'x')
    const sealed = await sealer.seal(PATH, plain)
    assertBytes(Buffer.from(await sealer.open(PATH, sealed)), plain)
    await assert.rejects(sealer.open('config/iam/other.json', sealed), fails('KmsBadCiphertext'))
    await assert.rejects(files(undefined).open(PATH, sealed), fails('NoKms'))
    const cut = sealed.subarray(0, sealed.length - (size > 16_384 ? size - 16_384 + 16 : 1))
    await assert.rejects(sealer.open(PATH, cut), fails('Tampered'))
  }
})

test('texts are in clear without a KMS, and binary rubbish is refused', async () => {
  assert.equal(await files(undefined).seal(PATH, PLAIN), PLAIN)
  assert.equal(await files(kmsOf()).open(PATH, PLAIN), PLAIN)
  for (const rubbish of ['ff', '01ffffffff', '0101000000ff', '01020000007b7dff']) {
    await assert.rejects(files(kmsOf()).open(PATH, hex(rubbish)), fails('Tampered'))
  }
})

test('targets come back, and need the KMS', async () => {
  const kms = kmsOf()
  const targets = utf8(`{"targets":["${'x'.repeat(100_000)}"]}`)
  const stored = await sealTargets(kms, 'bucket', targets, systemRandom())
  assert.notDeepEqual(stored.targets, targets)
  assertBytes(Buffer.from(await openTargets(kms, 'bucket', stored)), Buffer.from(targets))
  await assert.rejects(openTargets(kms, 'other', stored), fails('KmsBadCiphertext'))
  await assert.rejects(openTargets(undefined, 'bucket', stored), fails('NoKms'))
  const clear = await sealTargets(undefined, 'bucket', targets, systemRandom())
  assert.equal(await openTargets(undefined, 'bucket', clear), targets)
})

test('what MinIO sealed on its drives is read', { skip: goldenSkip() }, async () => {
  const codec = testCodec()
  const read = async (scenario: string) => {
    const { manifest, layouts } = loadGolden(scenario, codec)
    const fixture = new EngineFixture({
      codec,
      layouts,
      deploymentId: manifest.server.deploymentId,
    })
    const { environment } = manifest.start
    const kms = kmsOf(environment['MINIO_KMS_SECRET_KEY'] ?? '')
    const root = {
      user: environment['MINIO_ROOT_USER'] ?? '',
      password: environment['MINIO_ROOT_PASSWORD'] ?? '',
    }
    return {
      fixture,
      manifest,
      kms,
      sealed: new SealedFiles({ kms, root, random: systemRandom() }),
    }
  }
  const iam = await read('iam-encrypted')
  for (const path of ['config/config.json', PATH]) {
    const stored = await iam.fixture.get(path, {}, META_VOLUME)
    assert.notEqual(stored[0], 0x7b)
    const text = Buffer.from(await iam.sealed.open(path, stored)).toString()
    assert.equal(typeof JSON.parse(text), 'object')
  }
  const lifecycle = await read('lifecycle-encrypted')
  let found = 0
  for (const { name } of lifecycle.manifest.buckets) {
    const path = `buckets/${name}/.metadata.bin`
    const { documents } = parseBucketMetadata(await lifecycle.fixture.get(path, {}, META_VOLUME))
    const targets = documents.get('BucketTargetsConfigJSON')
    if (targets === undefined) continue
    const metadata = documents.get('BucketTargetsConfigMetaJSON') ?? new Uint8Array(0)
    const opened = await openTargets(lifecycle.kms, name, { targets, metadata })
    const text = Buffer.from(opened).toString()
    assert.ok(text.startsWith('{"targets"'), text.slice(0, 30))
    if (metadata.length > 0) found++
  }
  assert.ok(found > 0)
})
