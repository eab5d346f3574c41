/** Uploads over real directories: what they leave there. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { systemClock } from '#base/clock'
import { concatBytes } from '#base/bytes'
import { seededRandom } from '#base/random'
import { DriveError } from '#drive/drive'
import { LocalDrive } from '#drive/local/local-drive'
import { nodeFileSystem } from '#drive/local/node-file-system'
import { assertBytes } from '#testing/bytes'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { bodyOfBytes } from '../body.ts'
import { createGenerationMemory } from '../bucket-metadata.ts'
import { Engine } from '../engine.ts'
import type { CompletePart } from '../object.ts'

const codec = testCodec()
const MIB = 1_048_576
const root = mkdtempSync(join(tmpdir(), 'cairn-multipart-'))
after(() => rmSync(root, { recursive: true, force: true }))

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.trash'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

/** An engine over four folders below `root`, with the bucket `bucket`. */
async function realEngine(name: string): Promise<{
  readonly engine: Engine
  readonly fixture: EngineFixture
  readonly drives: readonly LocalDrive[]
}> {
  const random = seededRandom(5)
  const drives = Array.from({ length: 4 }, (_, i) => {
    const folder = join(root, name, `d${i}`)
    for (const volume of ['tmp/.trash', 'multipart', 'buckets']) {
      mkdirSync(join(folder, '.minio.sys', volume), { recursive: true })
    }
    return new LocalDrive({
      fileSystem: nodeFileSystem(),
      root: folder,
      clock: systemClock(),
      random,
      hashes: codec,
      durability: 'relaxed',
      mayHoldV1: false,
    })
  })
  const layouts = oneSet(drives)
  const fixture = new EngineFixture({ codec, layouts })
  const engine = new Engine({
    context: fixture.context,
    layouts,
    bucketGeneration: createGenerationMemory(),
  })
  await engine.makeBucket('bucket', { objectLock: false, versioning: false })
  return { engine, fixture, drives }
}

test('an upload on real drives leaves the object and nothing else', async () => {
  const { engine, fixture, drives } = await realEngine('upload')
  const create = (): Promise<{ uploadId: string }> =>
    engine.createUpload('bucket', 'a/key', {
      userMetadata: new Map(),
      storageClass: 'STANDARD',
      versioning: 'unversioned',
    })
  const { uploadId } = await create()
  const put = async (number: number, content: Uint8Array): Promise<CompletePart> => {
    const part = await engine.putPart('bucket', 'a/key', uploadId, number, bodyOfBytes(content), {
      digests: [],
    })
    return { number, etag: part.etag ?? '', checksums: {} }
  }
  const first = contentOf(5 * MIB, 1)
  const last = contentOf(77, 2)
  await put(1, contentOf(5 * MIB, 9))
  const parts = [await put(1, first), await put(3, last)]
  await put(4, contentOf(10, 3))
  assert.equal((await engine.listParts('bucket', 'a/key', uploadId)).parts.length, 3)
  const info = await engine.completeUpload('bucket', 'a/key', uploadId, parts, {
    versioning: 'unversioned',
  })
  assertBytes(await fixture.get('a/key'), concatBytes([first, last]))
  const again = await engine.completeUpload('bucket', 'a/key', uploadId, parts, {
    versioning: 'unversioned',
  })
  assert.equal(again.etag, info.etag)
  // What clears up behind the answer needs some turns.
  const expected = ['part.1', 'part.3', 'xl.meta']
  let left: string[][] = []
  for (let turn = 0; turn < 500; turn++) {
    left = drives.map((drive) => filesBelow(join(drive.endpoint, 'bucket', 'a/key')))
    if (left.every((files) => files.length === expected.length)) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const files of left) {
    assert.deepEqual(files.map((file) => file.slice(file.lastIndexOf('/') + 1)).sort(), expected)
  }
  for (const drive of drives) {
    assert.deepEqual(readdirSync(join(drive.endpoint, '.minio.sys/multipart')), [])
    assert.deepEqual(filesBelow(join(drive.endpoint, '.minio.sys/tmp')), [])
  }
  const second = await create()
  assert.equal(
    (
      await engine.listUploads('bucket', {
        prefix: '',
        delimiter: '/',
        startAfter: '',
        uploadIdMarker: '',
        limit: 10,
      })
    ).commonPrefixes[0],
    'a/',
  )
  await engine.abortUpload('bucket', 'a/key', second.uploadId)
  await engine.deleteObject('bucket', 'a/key', { versioning: 'unversioned' })
  await engine.deleteBucket('bucket', { force: false })
  assert.deepEqual(await engine.listBuckets(), [])
  for (const drive of drives) {
    assert.ok(!existsSync(join(drive.endpoint, '.minio.sys/buckets/bucket')))
  }
})

test('a slow reader of several parts neither keeps a writer waiting nor loses what it reads', async () => {
  const { engine, fixture, drives } = await realEngine('slow')
  const key = 'parts'
  const contents = [contentOf(5 * MIB, 1), contentOf(5 * MIB, 2), contentOf(77, 3)]
  const whole = concatBytes(contents)
  for (const change of ['overwrite', 'delete', 'close'] as const) {
    const { uploadId } = await engine.createUpload('bucket', key, {
      userMetadata: new Map(),
      storageClass: 'STANDARD',
      versioning: 'unversioned',
    })
    const parts: CompletePart[] = []
    for (const [index, content] of contents.entries()) {
      const number = index + 1
      const body = bodyOfBytes(content)
      const part = await engine.putPart('bucket', key, uploadId, number, body, { digests: [] })
      parts.push({ number, etag: part.etag ?? '', checksums: {} })
    }
    await engine.completeUpload('bucket', key, uploadId, parts, { versioning: 'unversioned' })
    const reader = await fixture.open(key)
    // It takes nothing while the writer waits; with the lock held to the end this would fail after a minute.
    if (change === 'delete') await fixture.remove(key)
    else await fixture.put(key, contentOf(10))
    if (change !== 'close') {
      let offset = 0
      for await (const chunk of reader.chunks()) {
        assertBytes(chunk.bytes, whole.subarray(offset, offset + chunk.bytes.length))
        offset += chunk.bytes.length
        chunk.release()
      }
      assert.equal(offset, whole.length)
    }
    reader.close()
    const stagedFiles = (): string[] =>
      drives.flatMap((drive) => filesBelow(join(drive.endpoint, '.minio.sys/tmp')))
    for (let turn = 0; turn < 500 && stagedFiles().length > 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepEqual(stagedFiles(), [])
    assert.equal(fixture.lentBytes, 0)
  }
})

test('an outdated part that could not be dropped whole is never taken for the new one', async () => {
  const { engine, fixture, drives } = await realEngine('outdated')
  const { uploadId } = await engine.createUpload('bucket', 'k', {
    userMetadata: new Map(),
    storageClass: 'STANDARD',
    versioning: 'unversioned',
  })
  const put = async (number: number, content: Uint8Array): Promise<CompletePart> => {
    const body = bodyOfBytes(content)
    const part = await engine.putPart('bucket', 'k', uploadId, number, body, { digests: [] })
    return { number, etag: part.etag ?? '', checksums: {} }
  }
  const distribution = fixture.pools.allSets()[0]?.distributionOf('bucket', 'k') ?? []
  const outdated = drives[distribution.indexOf(1)]
  const away = drives[distribution.indexOf(2)]
  assert.ok(outdated !== undefined && away !== undefined)
  const [old, fresh, last] = [contentOf(5 * MIB, 1), contentOf(5 * MIB, 2), contentOf(1000, 3)]
  await put(1, old)
  outdated.isOnline = () => false
  const first = await put(1, fresh)
  outdated.isOnline = () => true
  const parts = [first, await put(2, last)]
  away.isOnline = () => false
  const trash = outdated.trash.bind(outdated)
  let calls = 0
  outdated.trash = (...place) =>
    ++calls === 2
      ? Promise.resolve(new DriveError('DriveTimeout', 'Given up by the test'))
      : trash(...place)
  const complete = (): Promise<unknown> =>
    engine.completeUpload('bucket', 'k', uploadId, parts, { versioning: 'unversioned' })
  await assert.rejects(complete(), /too few drives/)
  assert.equal(calls, 2)
  outdated.trash = trash
  await complete()
  assertBytes(await fixture.get('k'), concatBytes([fresh, last]))
})
