/** The engine's core over real directories. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '#base/clock'
import { seededRandom } from '#base/random'
import { LocalDrive } from '#drive/local/local-drive'
import { nodeFileSystem } from '#drive/local/node-file-system'
import { assertBytes } from '#testing/bytes'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { copyObject } from './copy.ts'
import { ObjectError } from './object.ts'

const codec = testCodec()
const MIB = 1_048_576

interface Local {
  readonly fixture: EngineFixture
  readonly roots: readonly string[]
}

async function localEngine(context: TestContext, count: number, parity: number): Promise<Local> {
  const root = mkdtempSync(join(tmpdir(), 'cairn-engine-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  const roots: string[] = []
  const drives: LocalDrive[] = []
  for (let i = 0; i < count; i++) {
    const folder = join(root, `d${i + 1}`)
    mkdirSync(join(folder, '.minio.sys/tmp/.trash'), { recursive: true })
    roots.push(folder)
    const drive = new LocalDrive({
      fileSystem: nodeFileSystem(),
      root: folder,
      clock: systemClock(),
      random: seededRandom(i),
      hashes: codec,
      durability: 'relaxed',
      mayHoldV1: false,
    })
    assert.equal(await drive.makeVolume('bucket'), undefined)
    drives.push(drive)
  }
  const storage = { standardParity: parity }
  return { fixture: new EngineFixture({ codec, layouts: oneSet(drives), storage }), roots }
}

/** Files below a drive's bucket and staging area, trash left out. */
function filesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((name) => !name.includes('.trash') && !name.includes('/cairn/'))
    .sort()
}

test('objects survive the loss of as many drive folders as there is parity', async (context) => {
  for (const [count, parity] of [
    [1, 0],
    [4, 2],
    [8, 3],
  ] as const) {
    const { fixture, roots } = await localEngine(context, count, parity)
    const sizes = [0, 1, 5000, 300_000, MIB, 5 * MIB + 3]
    for (const size of sizes) {
      await fixture.put(`a/${size}`, contentOf(size))
      assertBytes(await fixture.get(`a/${size}`), contentOf(size))
    }
    assert.deepEqual(fixture.repairs, [])
    for (const root of roots.slice(0, parity)) {
      rmSync(join(root, 'bucket'), { recursive: true })
    }
    for (const size of sizes) assertBytes(await fixture.get(`a/${size}`), contentOf(size))
  }
})

test('overwrites and deletes leave nothing but what is current', async (context) => {
  const { fixture, roots } = await localEngine(context, 4, 2)
  const sizes = [10, 3 * MIB, 20, 30, 4 * MIB, 5 * MIB, 0, 7]
  for (const size of sizes) await fixture.put('a/b/c', contentOf(size))
  await settled()
  for (const root of roots) assert.deepEqual(filesOf(root), ['bucket/a/b/c/xl.meta'])
  await fixture.put('a/b/c', contentOf(3 * MIB))
  await fixture.remove('a/b/c')
  await settled()
  for (const root of roots) {
    assert.deepEqual(filesOf(root), [])
    assert.deepEqual(readdirSync(join(root, 'bucket')), [])
  }
})

test('a read that has begun ends well although the object is overwritten or deleted', async (context) => {
  const { fixture } = await localEngine(context, 4, 2)
  const content = contentOf(20 * MIB, 5)
  for (const change of ['overwrite', 'delete'] as const) {
    await fixture.put('k', content)
    const reader = await fixture.open('k')
    if (change === 'overwrite') await fixture.put('k', contentOf(10))
    else await fixture.remove('k')
    await settled()
    let offset = 0
    for await (const chunk of reader.chunks()) {
      assertBytes(chunk.bytes, content.subarray(offset, offset + chunk.bytes.length))
      offset += chunk.bytes.length
      chunk.release()
    }
    assert.equal(offset, content.length)
    assert.equal(fixture.lentBytes, 0)
  }
})

test('versions that share data by a copy onto itself go one by one', async (context) => {
  const { fixture, roots } = await localEngine(context, 4, 2)
  const target = { bucket: 'bucket', key: 'k' }
  for (const size of [10, 2 * MIB]) {
    const first = await fixture.put('k', contentOf(size), { versioning: 'enabled' })
    const source = { ...target, versionId: first.versionId }
    const { info } = await copyObject(fixture.context, fixture.pools, target, source, {
      storageClass: 'STANDARD',
      versioning: 'enabled',
      digests: [],
      metadata: () => ({
        userMetadata: new Map([['X-Amz-Meta-A', 'b']]),
        systemMetadata: new Map(),
        digests: [],
        allowMetadataOnly: true,
      }),
    })
    await fixture.remove('k', { versionId: first.versionId, versioning: 'enabled' })
    const { versionId } = info
    assertBytes(await fixture.get('k', { versionId }), contentOf(size))
    await fixture.remove('k', { versionId, versioning: 'enabled' })
    await settled()
    for (const root of roots) assert.deepEqual(filesOf(root), [])
  }
})

test('a key below an object, and an object above keys', async (context) => {
  const { fixture } = await localEngine(context, 4, 2)
  await fixture.put('a/b', contentOf(10))
  await fixture.put('a', contentOf(20))
  await fixture.put('a/', contentOf(0))
  assertBytes(await fixture.get('a/b'), contentOf(10))
  assertBytes(await fixture.get('a'), contentOf(20))
  await fixture.remove('a')
  assertBytes(await fixture.get('a/b'), contentOf(10))
  await assert.rejects(fixture.put('a/b/xl.meta', contentOf(1)), ObjectError)
  await assert.rejects(fixture.get('a/b/xl.meta/c'), { code: 'ObjectNotFound' })
  const target = { bucket: 'absent-bucket', key: 'k' }
  await assert.rejects(fixture.get('k', {}, target.bucket), { code: 'BucketNotFound' })
})

test('keys that are no paths are kept apart, and leave nothing behind', async (context) => {
  const { fixture, roots } = await localEngine(context, 4, 2)
  const long = 'l'.repeat(240)
  const odd = ['/', '//', '/a', 'a', 'a/', 'a//', 'a//b', 'a/b', '~~', '~~/a', 'a__XLDIR__', long]
  const segments = [`${long}/a`, `${long}l`, `${long}${long}`, `${long}${long}/`, `${long}~~more/a`]
  const keys = [...odd, ...segments, '/'.repeat(1024), 'é'.repeat(512), 'a__XLDIR__/b', '~~/']
  for (const [i, key] of keys.entries()) await fixture.put(key, contentOf(10 + i))
  for (const [i, key] of keys.entries()) assertBytes(await fixture.get(key), contentOf(10 + i))
  for (const [i, key] of keys.entries()) {
    await fixture.remove(key)
    await assert.rejects(fixture.get(key), { code: 'ObjectNotFound' })
    const next = keys[i + 1]
    if (next !== undefined) assertBytes(await fixture.get(next), contentOf(11 + i))
  }
  for (const root of roots) assert.deepEqual(readdirSync(join(root, 'bucket')), [])
})

async function settled(): Promise<void> {
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
}
