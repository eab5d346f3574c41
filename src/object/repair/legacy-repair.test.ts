/** Objects of before 2020: read, verified, and rebuilt on drives that lost them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { blockOffset, blockShardSize, HASH_SIZE_BYTES } from '#drive/shard-layout'
import { dataDirName, type ObjectVersion, XlMeta } from '#drive/xl-meta'
import { assertBytes } from '#testing/bytes'
import { contentOf, testCodec } from '#testing/engine-fixture'
import { RepairFixture } from './testing/repair-fixture.ts'

const codec = testCodec()
const MIB = 1_048_576
const ALGORITHMS = ['highwayhash256S', 'highwayhash256', 'sha256', 'blake2b'] as const
type Algorithm = (typeof ALGORITHMS)[number]
const SIZES = [0, 1, 300_000, 2 * MIB + 17]

function fixtureFor(context: TestContext): RepairFixture {
  return new RepairFixture(context, { codec, count: 4, parity: 2, mayHoldV1: true })
}

/** Rewrites what the engine wrote into what a release of 2018 would have left. */
async function putV1(fixture: RepairFixture, key: string, size: number, algorithm: Algorithm) {
  await fixture.engine.put(key, contentOf(size))
  for (const [position, root] of fixture.roots.entries()) {
    const folder = join(root, 'bucket', key)
    const meta = XlMeta.parse(new Uint8Array(readFileSync(join(folder, 'xl.meta'))), codec)
    const version = meta.decode(0)
    assert.ok('parts' in version)
    const inline = meta.inline(version.versionId)
    const framed = inline ?? readFileSync(join(folder, dataDirName(version.dataDir), 'part.1'))
    const bare = algorithm === 'highwayhash256S' ? framed : withoutHashes(framed, version)
    rmSync(folder, { recursive: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'part.1'), bare)
    const hash = hashOf(algorithm, bare)
    writeFileSync(join(folder, 'xl.json'), xlJson(version, position, algorithm, hash))
  }
}

function withoutHashes(framed: Uint8Array, version: ObjectVersion): Uint8Array {
  const shards: Uint8Array[] = []
  for (let block = 0; blockOffset(block, version) < framed.length; block++) {
    const start = blockOffset(block, version) + HASH_SIZE_BYTES
    shards.push(framed.subarray(start, start + blockShardSize(block, version.sizeBytes, version)))
  }
  return Buffer.concat(shards)
}

function hashOf(algorithm: Algorithm, bytes: Uint8Array): string | undefined {
  switch (algorithm) {
    case 'highwayhash256S':
      return undefined
    case 'highwayhash256':
      return codec.highwayHash256(bytes).toHex()
    case 'sha256':
      return createHash('sha256').update(bytes).digest('hex')
    case 'blake2b':
      return createHash('blake2b512').update(bytes).digest('hex')
  }
}

function xlJson(
  {
    dataShards,
    parityShards,
    blockSizeBytes,
    distribution,
    sizeBytes,
    userMetadata,
  }: ObjectVersion,
  position: number,
  algorithm: Algorithm,
  hash: string | undefined,
): string {
  return JSON.stringify({
    version: '1.0.1',
    format: 'xl',
    stat: { size: sizeBytes, modTime: '2018-05-01T10:20:30.123456789Z' },
    erasure: {
      algorithm: 'klauspost/reedsolomon/vandermonde',
      data: dataShards,
      parity: parityShards,
      blockSize: blockSizeBytes,
      index: distribution[position],
      distribution,
      checksum: [{ name: 'part.1', algorithm, ...(hash === undefined ? {} : { hash }) }],
    },
    minio: { release: 'RELEASE.2018-05-01T00-00-00Z' },
    meta: Object.fromEntries(userMetadata),
    parts: [{ number: 1, name: 'part.1', etag: '', size: sizeBytes, actualSize: sizeBytes }],
  })
}

for (const algorithm of ALGORITHMS) {
  test(`V1 objects with "${algorithm}" come back as they were on an emptied drive`, async (context) => {
    const fixture = fixtureFor(context)
    for (const size of SIZES) await putV1(fixture, `k/${size}`, size, algorithm)
    const before = fixture.snapshot()
    rmSync(fixture.file(2, 'bucket'), { recursive: true })
    mkdirSync(fixture.file(2, 'bucket'))
    for (const size of SIZES) {
      const result = await fixture.repair(`k/${size}`)
      assert.deepEqual([result.problems, result.changes], [[], 1])
    }
    assert.deepEqual(fixture.snapshot(), before)
    for (const size of SIZES) {
      const result = await fixture.repair(`k/${size}`, { deep: true })
      assert.deepEqual([result.problems, result.changes], [[], 0])
    }
    const drives = fixture.drives.map((drive, i) => (i < 2 ? undefined : drive))
    const engine = fixture.engineOver(drives)
    for (const size of SIZES) assertBytes(await engine.get(`k/${size}`), contentOf(size))
    assert.equal(fixture.engine.lentBytes + engine.lentBytes, 0)
  })

  test(`damage of V1 objects with "${algorithm}" is never served, and is repaired`, async (context) => {
    const fixture = fixtureFor(context)
    for (const size of SIZES.slice(1)) await putV1(fixture, `k/${size}`, size, algorithm)
    const before = fixture.snapshot()
    for (const size of SIZES.slice(1)) {
      for (const position of [0, 1]) flipLastByte(fixture.file(position, `bucket/k/${size}/part.1`))
      assertBytes(await fixture.engine.get(`k/${size}`), contentOf(size))
      const result = await fixture.repair(`k/${size}`, { deep: true })
      assert.deepEqual([result.problems, result.changes], [[], 2])
    }
    assert.deepEqual(fixture.snapshot(), before)
  })
}

test('a V1 object that got a second version is rebuilt in its folder', async (context) => {
  const fixture = fixtureFor(context)
  await putV1(fixture, 'a', 300_000, 'blake2b')
  await fixture.engine.put('a', contentOf(400_000), { versioning: 'enabled' })
  rmSync(fixture.file(1, 'bucket/a'), { recursive: true })
  const result = await fixture.repair('a')
  assert.deepEqual([result.problems, result.changes], [[], 2])
  const names = fixture
    .names(1)
    .map((name) => name.replace(/[0-9a-f-]{36}/, 'uuid'))
    .sort()
  assert.deepEqual(
    names,
    ['bucket/a/legacy/part.1', 'bucket/a/uuid/part.1', 'bucket/a/xl.meta'].sort(),
  )
  assert.equal((await fixture.repair('a', { deep: true })).changes, 0)
  const engine = fixture.engineOver(fixture.drives.map((drive, i) => (i > 1 ? undefined : drive)))
  assertBytes(await engine.get('a'), contentOf(400_000))
  assertBytes(await engine.get('a', { versionId: 'null' }), contentOf(300_000))
})

test('a drive that missed the second version of a V1 object gets it', async (context) => {
  const fixture = fixtureFor(context)
  await putV1(fixture, 'a', 300_000, 'highwayhash256S')
  const three = fixture.engineOver(fixture.drives.map((drive, i) => (i === 3 ? undefined : drive)))
  await three.put('a', contentOf(50), { versioning: 'enabled' })
  const result = await fixture.repair('a')
  assert.deepEqual([result.problems, result.changes], [[], 1])
  assert.deepEqual(fixture.names(3), ['bucket/a/part.1', 'bucket/a/xl.meta'])
  const engine = fixture.engineOver(fixture.drives.map((drive, i) => (i < 2 ? undefined : drive)))
  assertBytes(await engine.get('a'), contentOf(50))
  assertBytes(await engine.get('a', { versionId: 'null' }), contentOf(300_000))
})

function flipLastByte(path: string): void {
  const bytes = readFileSync(path)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  writeFileSync(path, bytes)
}
