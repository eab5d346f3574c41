import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { textOf, utf8 } from '#base/bytes'
import { parseBucketMetadata } from '#drive/bucket-metadata-file'
import { defaultParity } from '#config/topology'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { goldenSkip, loadGolden } from '#testing/golden-memory'
import { MemoryDrive } from '#testing/memory-drive'
import { bodyOfBytes } from './body.ts'
import { createGenerationMemory, versioningStateFor } from './bucket-metadata.ts'
import { checkBucketName } from './buckets.ts'
import { Engine } from './engine.ts'
import { ObjectError, type ObjectErrorCode, type VersioningState } from './object.ts'
import type { PoolLayout } from './placement.ts'

const codec = testCodec()
const PLAIN = { objectLock: false, versioning: false }

interface Server {
  readonly drives: readonly MemoryDrive[]
  readonly fixture: EngineFixture
  readonly engine: Engine
  /** Another thread's engine on the same drives. */
  readonly other: Engine
}

function serverOf(layouts: readonly PoolLayout[], deploymentId?: string, parity = 2): Server {
  const fixture = new EngineFixture({
    codec,
    layouts,
    storage: { standardParity: parity, reducedParity: Math.min(1, parity) },
    ...(deploymentId === undefined ? {} : { deploymentId }),
  })
  const options = {
    context: fixture.context,
    layouts,
    bucketGeneration: createGenerationMemory(),
  }
  const drives = layouts
    .flatMap((layout) => layout.sets.flat())
    .filter((drive) => drive instanceof MemoryDrive)
  return { drives, fixture, engine: new Engine(options), other: new Engine(options) }
}

function newServer(): Server {
  return serverOf(oneSet(Array.from({ length: 4 }, (_, i) => new MemoryDrive(`/d${i + 1}`, codec))))
}

function put(
  server: Server,
  bucket: string,
  key: string,
  versioning: VersioningState = 'unversioned',
): Promise<unknown> {
  return server.engine.putObject(bucket, key, bodyOfBytes(contentOf(10)), {
    userMetadata: new Map(),
    storageClass: 'STANDARD',
    digests: [],
    versioning,
  })
}

async function failsWith(code: ObjectErrorCode, action: Promise<unknown>): Promise<void> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ObjectError, String(error))
  assert.equal(error.code, code)
}

test('a bucket is made on all drives, listed and removed', async () => {
  const { engine, drives } = newServer()
  await engine.makeBucket('photos', PLAIN)
  await engine.makeBucket('a.b', PLAIN)
  await failsWith('BucketExists', engine.makeBucket('photos', PLAIN))
  assert.deepEqual(
    (await engine.listBuckets()).map(({ name }) => name),
    ['a.b', 'photos'],
  )
  const { createdNs } = await engine.getBucket('photos')
  assert.equal(createdNs, (await engine.bucketMetadata('photos')).createdNs)
  await engine.deleteBucket('photos', { force: false })
  await failsWith('BucketNotFound', engine.getBucket('photos'))
  await failsWith('BucketNotFound', engine.deleteBucket('photos', { force: false }))
  for (const drive of drives) {
    assert.ok([...drive.files.keys()].every((name) => !name.includes('photos')))
  }
})

test('names follow the rule for new buckets', () => {
  for (const name of ['abc', 'a-b.c-d', '0'.repeat(63), '1.2.3.x']) checkBucketName(name)
  const illegal = [
    'ab',
    'A-b',
    'a_b',
    '-ab',
    'ab-',
    'a..b',
    'a.-b',
    '1.2.3.4',
    'minio',
    '.minio.sys',
    '0'.repeat(64),
    'a/b',
    'ä-bucket',
  ]
  for (const name of illegal) assert.throws(() => checkBucketName(name), ObjectError, name)
})

test('a bucket with any version, marker or object is not removed unless forced', async () => {
  const server = newServer()
  const { engine, drives } = server
  await engine.makeBucket('full', { objectLock: false, versioning: true })
  await put(server, 'full', 'a/b', 'enabled')
  await failsWith('BucketNotEmpty', engine.deleteBucket('full', { force: false }))
  await engine.deleteObject('full', 'a/b', { versioning: 'enabled' })
  await failsWith('BucketNotEmpty', engine.deleteBucket('full', { force: false }))
  for (const drive of drives) assert.ok(!((await drive.statVolume('full')) instanceof Error))
  await engine.deleteBucket('full', { force: true })
  await failsWith('BucketNotFound', engine.getBucket('full'))
})

test('uploads in progress go with their bucket', async () => {
  const { engine, drives } = newServer()
  await engine.makeBucket('bucket', PLAIN)
  await engine.createUpload('bucket', 'key', {
    userMetadata: new Map(),
    storageClass: 'STANDARD',
    versioning: 'unversioned',
  })
  await engine.deleteBucket('bucket', { force: false })
  for (const drive of drives) {
    assert.ok([...drive.files.keys()].every((name) => !name.includes('multipart')))
  }
})

test('without a majority nothing is made or removed', async () => {
  const { engine, drives } = newServer()
  await engine.makeBucket('old', PLAIN)
  drives[0]?.setOnline(false)
  drives[1]?.setOnline(false)
  await failsWith('WriteQuorum', engine.makeBucket('new', PLAIN))
  await failsWith('WriteQuorum', engine.deleteBucket('old', { force: true }))
  drives[0]?.setOnline(true)
  drives[1]?.setOnline(true)
  assert.deepEqual(
    (await engine.listBuckets()).map(({ name }) => name),
    ['old'],
  )
  await failsWith('BucketNotFound', engine.getBucket('new'))
})

test('no bucket is removed that half of a set would keep: its objects would be back in the next of that name', async () => {
  const drives = Array.from({ length: 8 }, (_, i) => new MemoryDrive(`/d${i + 1}`, codec))
  const sets = [drives.slice(0, 4), drives.slice(4)]
  const server = serverOf([{ sets, distributionAlgorithm: 'SIPMOD+PARITY' }])
  const { engine } = server
  await engine.makeBucket('bucket1', PLAIN)
  const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
  for (const key of keys) await put(server, 'bucket1', key)
  for (const drive of drives.slice(6)) drive.setOnline(false)
  await failsWith('WriteQuorum', engine.deleteBucket('bucket1', { force: true }))
  for (const drive of drives.slice(6)) drive.setOnline(true)
  const list = { prefix: '', delimiter: '', startAfter: '', limit: 100 }
  const { objects } = await engine.listObjects('bucket1', list)
  assert.deepEqual(
    objects.map(({ key }) => key),
    keys,
  )
  for (const drive of [drives[0], drives[7]]) drive?.setOnline(false)
  await engine.deleteBucket('bucket1', { force: true })
  for (const drive of drives) drive.setOnline(true)
  await engine.makeBucket('bucket1', PLAIN)
  assert.deepEqual((await engine.listObjects('bucket1', list)).objects, [])
})

test('a drive that lacks a bucket is reported and gets it by healing', async () => {
  const { engine, drives, fixture, other } = newServer()
  await engine.makeBucket('bucket', PLAIN)
  await drives[2]?.deleteVolume('bucket', { force: true })
  assert.equal((await other.listBuckets()).length, 1)
  assert.ok(fixture.repairs.some((item) => item.bucket === 'bucket' && item.path === ''))
  assert.equal(await engine.buckets.heal('bucket'), 1)
  assert.ok(!((await drives[2]?.statVolume('bucket')) instanceof Error))
})

test('documents are kept, replaced and removed, and other threads see it', async () => {
  const { engine, other } = newServer()
  await engine.makeBucket('bucket', PLAIN)
  assert.equal((await other.bucketMetadata('bucket')).document('PolicyConfigJSON'), undefined)
  await engine.setBucketDocument('bucket', 'PolicyConfigJSON', utf8('{}'))
  await engine.setBucketDocument('bucket', 'TaggingConfigXML', utf8('<Tagging/>'))
  const metadata = await other.bucketMetadata('bucket')
  assert.equal(textOf(metadata.document('PolicyConfigJSON') ?? utf8('')), '{}')
  assert.equal(textOf(metadata.document('TaggingConfigXML') ?? utf8('')), '<Tagging/>')
  assert.ok(metadata.updatedNs('TaggingConfigXML') > metadata.updatedNs('LifecycleConfigXML'))
  await other.setBucketDocument('bucket', 'PolicyConfigJSON', undefined)
  assert.equal((await engine.bucketMetadata('bucket')).document('PolicyConfigJSON'), undefined)
  assert.notEqual((await engine.bucketMetadata('bucket')).document('TaggingConfigXML'), undefined)
  await failsWith('BucketNotFound', engine.setBucketDocument('none', 'PolicyConfigJSON', utf8('')))
})

test('known metadata is not read again', async () => {
  const { engine, drives } = newServer()
  await engine.makeBucket('bucket', PLAIN)
  await engine.bucketMetadata('bucket')
  const before = drives[0]?.calls.get('readMetadata')
  for (let i = 0; i < 100; i++) await engine.bucketMetadata('bucket')
  assert.equal(drives[0]?.calls.get('readMetadata'), before)
})

test('versioning follows the document, its exclusions and object lock', async () => {
  const { engine } = newServer()
  await engine.makeBucket('plain', PLAIN)
  const plain = await engine.bucketMetadata('plain')
  assert.equal(plain.versioning, 'unversioned')
  await engine.makeBucket('locked', { objectLock: true, versioning: false })
  const locked = await engine.bucketMetadata('locked')
  assert.equal(locked.objectLock, true)
  assert.equal(locked.versioning, 'enabled')
  await engine.setBucketDocument(
    'plain',
    'VersioningConfigXML',
    utf8(
      '<VersioningConfiguration><Status>Enabled</Status><ExcludedPrefixes><Prefix>tmp/</Prefix></ExcludedPrefixes></VersioningConfiguration>',
    ),
  )
  const changed = await engine.bucketMetadata('plain')
  assert.equal(versioningStateFor(changed, 'a'), 'enabled')
  assert.equal(versioningStateFor(changed, 'tmp/a'), 'suspended')
})

test('a directory without metadata is a bucket with defaults', async () => {
  const { engine, drives } = newServer()
  for (const drive of drives) void drive.makeVolume('found')
  const metadata = await engine.bucketMetadata('found')
  assert.equal(metadata.versioning, 'unversioned')
  await engine.setBucketDocument('found', 'PolicyConfigJSON', utf8('{}'))
  assert.notEqual((await engine.bucketMetadata('found')).document('PolicyConfigJSON'), undefined)
})

test('settings that MinIO has no place for are kept beside, for this life of the bucket', async () => {
  const { engine, drives } = newServer()
  for (const drive of drives) void drive.makeVolume('found')
  await engine.setBucketDocument('found', 'CorsConfigXML', utf8('<c/>'))
  const metadata = await engine.bucketMetadata('found')
  assert.equal(textOf(metadata.document('CorsConfigXML') ?? utf8('')), '<c/>')
  assert.ok(metadata.updatedNs('CorsConfigXML') >= metadata.createdNs)
  // The time that ties both files together is a stored one now.
  const stored = await engine.systemObjects.read('buckets/found/.metadata.bin')
  assert.ok(stored !== undefined && parseBucketMetadata(stored).createdNs === metadata.createdNs)
  const beside = await engine.systemObjects.read('buckets/found/.cairn-metadata.json')
  assert.ok(beside !== undefined)
  await engine.deleteBucket('found', { force: false })
  assert.equal(await engine.systemObjects.read('buckets/found/.cairn-metadata.json'), undefined)
  await engine.makeBucket('found', { objectLock: false, versioning: false })
  await engine.systemObjects.write('buckets/found/.cairn-metadata.json', beside)
  assert.equal((await engine.bucketMetadata('found')).document('CorsConfigXML'), undefined)
})

test('a document that MinIO cannot read is shown while its stand-in is stored', async () => {
  const { engine } = newServer()
  await engine.makeBucket('bucket', { objectLock: false, versioning: false })
  const shown = async (): Promise<string> => {
    const document = (await engine.bucketMetadata('bucket')).document('PolicyConfigJSON')
    return document === undefined ? 'none' : textOf(document)
  }
  const change = { content: utf8('original'), standIn: utf8('for MinIO') }
  await engine.setBucketDocument('bucket', 'PolicyConfigJSON', change)
  assert.equal(await shown(), 'original')
  const stored = await engine.systemObjects.read('buckets/bucket/.metadata.bin')
  const { documents } = parseBucketMetadata(stored ?? utf8(''))
  assert.equal(textOf(documents.get('PolicyConfigJSON') ?? utf8('')), 'for MinIO')
  const beside = await engine.systemObjects.read('buckets/bucket/.cairn-metadata.json')
  await engine.setBucketDocument('bucket', 'PolicyConfigJSON', utf8('newer'))
  assert.equal(await shown(), 'newer')
  // As when MinIO wrote it: the file beside is still the old one.
  await engine.systemObjects.write('buckets/bucket/.cairn-metadata.json', beside ?? utf8(''))
  assert.equal(await shown(), 'newer')
  await engine.setBucketDocument('bucket', 'PolicyConfigJSON', undefined)
  assert.equal(await shown(), 'none')
})

test('changes that depend on what is stored all count', async () => {
  const { engine } = newServer()
  await engine.makeBucket('bucket', { objectLock: false, versioning: false })
  const append = (text: string): Promise<void> =>
    engine.setBucketDocument('bucket', 'MetricsJSON', (current) => {
      const before = current.document('MetricsJSON')
      return utf8(`${before === undefined ? '' : textOf(before)}${text}`)
    })
  await Promise.all(['a', 'b', 'c', 'd'].map(append))
  const document = (await engine.bucketMetadata('bucket')).document('MetricsJSON')
  assert.equal(
    textOf(document ?? utf8(''))
      .split('')
      .sort()
      .join(''),
    'abcd',
  )
})

test('documents of old releases are imported and their files removed', async () => {
  const { engine, drives } = newServer()
  for (const drive of drives) void drive.makeVolume('old')
  await engine.systemObjects.write('buckets/old/policy.json', utf8('{"a":1}'))
  await engine.systemObjects.write(
    'buckets/old/object-lock-enabled.json',
    utf8('{"x-amz-bucket-object-lock-enabled":true}'),
  )
  const metadata = await engine.bucketMetadata('old')
  assert.equal(textOf(metadata.document('PolicyConfigJSON') ?? utf8('')), '{"a":1}')
  assert.equal(metadata.objectLock, true)
  assert.ok(metadata.createdNs > 0n)
  assert.equal(await engine.systemObjects.read('buckets/old/policy.json'), undefined)
  const stored = await engine.systemObjects.read('buckets/old/.metadata.bin')
  assert.ok(stored !== undefined && parseBucketMetadata(stored).createdNs === metadata.createdNs)
})

describe('buckets of real drives are read', { skip: goldenSkip() }, () => {
  for (const scenario of [
    'single',
    'ec4',
    'ec4-versions',
    'sets',
    'pools',
    'old-2019-10',
    'old-2021-02',
  ]) {
    test(scenario, async () => {
      const { manifest, layouts } = loadGolden(scenario, codec)
      const size = layouts[0]?.sets[0]?.length ?? 0
      const { engine } = serverOf(layouts, manifest.server.deploymentId, defaultParity(size))
      const names = (await engine.listBuckets()).map(({ name }) => name)
      assert.deepEqual(names, manifest.buckets.map(({ name }) => name).sort())
      for (const { name, config } of manifest.buckets) {
        const metadata = await engine.bucketMetadata(name)
        const status = /<Status>(\w+)</.exec(config['versioning']?.body ?? '')?.[1]
        assert.equal(metadata.versioning, status?.toLowerCase() ?? 'unversioned', name)
        assert.equal(metadata.objectLock, config['object-lock']?.status === 200, name)
        const hasPolicy = metadata.document('PolicyConfigJSON') !== undefined
        assert.equal(hasPolicy, config['policy']?.status === 200, name)
      }
    })
  }
})
