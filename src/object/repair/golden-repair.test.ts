/** Repairs what MinIO left damaged. Skipped where these drives are absent. */
import { encodeKey } from '#drive/key-path'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { EngineFixture, testCodec } from '#testing/engine-fixture'
import { goldenSkip, loadGolden } from '#testing/golden-memory'
import { ObjectError } from '../object.ts'
import { repairKey, type RepairResult } from './repair-object.ts'
import { filesOf, foldersFor, localDrive, setOf, writeFolder } from './testing/repair-fixture.ts'

const codec = testCodec()

interface Version {
  readonly key: string
  readonly versionId: string
  readonly isDeleteMarker: boolean
  readonly content?: { readonly size: number; readonly sha256: string }
}

interface Manifest {
  readonly buckets: readonly { readonly name: string; readonly versions: readonly Version[] }[]
  readonly unreadable?: readonly { readonly bucket: string; readonly key: string }[]
}

interface Golden {
  readonly fixture: EngineFixture
  readonly roots: readonly string[]
  readonly manifest: Manifest
}

interface CrashManifest {
  readonly allowedStates: readonly {
    readonly bucket: string
    readonly key: string
    readonly mustExist: boolean
    readonly allowed: readonly (string | null)[]
  }[]
  readonly acknowledgedVersions: readonly {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly sha256?: string
  }[]
}

/** The fixture's drives as folders, in the order of their set. */
function unpack(context: TestContext, name: string): Golden {
  const golden = loadGolden(name, codec)
  const [layout] = golden.layouts
  const memory = layout?.sets[0] ?? []
  const roots = foldersFor(context, memory.length)
  const drives = memory.map((_, i) => {
    const drive = golden.drives.find((one) => one === memory[i])
    const root = roots[i] ?? ''
    if (drive !== undefined) {
      rmSync(root, { recursive: true })
      writeFolder(drive, root)
    } else rmSync(join(root, 'bucket'), { recursive: true })
    return localDrive(root, { codec, mayHoldV1: name.startsWith('old-2019') }, i)
  })
  const isHealing = (_: number, position: number): boolean => memory[position] === undefined
  const fixture = new EngineFixture({
    codec,
    layouts: [{ sets: [drives], distributionAlgorithm: 'SIPMOD+PARITY', isHealing }],
    deploymentId: golden.manifest.server.deploymentId,
    storage: { standardParity: Math.floor(memory.length / 2) },
  })
  // The manifests are made for these tests: their shape is not checked again.
  return { fixture, roots, manifest: golden.manifest as unknown as Manifest }
}

/** Every key that any drive has. */
function keysOn(roots: readonly string[], bucket: string): string[] {
  const keys = new Set<string>()
  for (const root of roots) {
    for (const file of filesOf(root)) {
      const [, key] = /^[^/]+\/(.*)\/xl\.(?:meta|json)$/.exec(file) ?? []
      if (key !== undefined && file.startsWith(`${bucket}/`)) keys.add(key)
    }
  }
  return [...keys]
}

async function repairAll(golden: Golden, isDeep: boolean): Promise<Map<string, RepairResult>> {
  const results = new Map<string, RepairResult>()
  const { fixture, roots, manifest } = golden
  const setDrives = setOf(fixture).drives
  for (const { name, versions } of manifest.buckets) {
    const healBucket = async (bucket: string): Promise<void> => {
      for (const drive of setDrives) await drive?.makeVolume(bucket)
    }
    const keys = new Set([...keysOn(roots, name), ...versions.map(({ key }) => encodeKey(key))])
    for (const key of keys) {
      const result = await repairKey(setOf(fixture), name, key, { deep: isDeep, healBucket })
      results.set(`${name}/${key}`, result)
    }
  }
  return results
}

/** Keys whose content does not read as the manifest says. */
async function unreadable({ fixture, manifest }: Golden): Promise<string[]> {
  const wrong: string[] = []
  for (const { name, versions } of manifest.buckets) {
    for (const { key, versionId, isDeleteMarker, content } of versions) {
      if (isDeleteMarker || content === undefined) continue
      try {
        const bytes = await fixture.get(key, { versionId }, name)
        if (createHash('sha256').update(bytes).digest('hex') !== content.sha256) {
          wrong.push(`${name}/${key}: content`)
        }
      } catch (error) {
        wrong.push(`${name}/${key}: ${String(error)}`)
      }
    }
  }
  return wrong
}

test('"ec4-degraded" is whole after a repair, and reads without any two drives', {
  skip: goldenSkip(),
}, async (context) => {
  const golden = unpack(context, 'ec4-degraded')
  const first = await repairAll(golden, true)
  const left = [...first].filter(([, { problems }]) => problems.length > 0)
  const hopeless = new Set(golden.manifest.unreadable?.map(({ bucket, key }) => `${bucket}/${key}`))
  assert.deepEqual(
    left.filter(([key]) => !hopeless.has(key)).map(([key, { problems }]) => [key, problems]),
    [],
  )
  context.diagnostic(
    `${first.size} keys, left: ${JSON.stringify(left.map(([key, r]) => [key, r.problems]))}`,
  )
  const second = await repairAll(golden, true)
  for (const [key, { changes }] of second) assert.equal(changes, 0, key)
  for (const [a, b] of [
    [0, 1],
    [0, 2],
    [0, 3],
    [1, 2],
    [1, 3],
    [2, 3],
  ] as const) {
    const drives = setOf(golden.fixture).drives.map((drive, i) =>
      i === a || i === b ? undefined : drive,
    )
    const { deploymentId, storage } = golden.fixture.context
    const layouts = [{ sets: [drives], distributionAlgorithm: 'SIPMOD+PARITY' as const }]
    const fixture = new EngineFixture({ codec, layouts, deploymentId, storage })
    const wrong = await unreadable({ ...golden, fixture })
    // Reduced redundancy has one parity shard.
    assert.deepEqual(
      wrong.filter((one) => !one.startsWith('plain/class/rrs')),
      [],
    )
  }
})

for (const name of ['ec4', 'ec4-versions', 'ec8']) {
  test(`nothing of "${name}" is lost by a repair, and one drive can be emptied and filled`, {
    skip: goldenSkip(),
  }, async (context) => {
    const golden = unpack(context, name)
    const before = await unreadable(golden)
    const first = await repairAll(golden, true)
    const left = [...first].flatMap(([key, { problems }]) =>
      problems.map((one) => `${key}: ${one}`),
    )
    context.diagnostic(
      `${first.size} keys, unreadable before: ${before.length}, left: ${left.join(', ')}`,
    )
    assert.deepEqual(await unreadable(golden), before)
    const second = await repairAll(golden, true)
    for (const [key, { changes }] of second) assert.equal(changes, 0, key)
    const [root = ''] = golden.roots
    for (const { name: bucket } of golden.manifest.buckets) {
      rmSync(join(root, bucket), { recursive: true, force: true })
    }
    await repairAll(golden, false)
    for (const [key, { changes }] of await repairAll(golden, true)) assert.equal(changes, 0, key)
    const drives = setOf(golden.fixture).drives.map((drive, i) => (i === 1 ? undefined : drive))
    const { deploymentId, storage } = golden.fixture.context
    const layouts = [{ sets: [drives], distributionAlgorithm: 'SIPMOD+PARITY' as const }]
    const fixture = new EngineFixture({ codec, layouts, deploymentId, storage })
    const after = await unreadable({ ...golden, fixture })
    assert.deepEqual(
      after.filter((one) => !before.includes(one)),
      [],
    )
  })
}

test('what "crash" may show is the same before and after a repair', {
  skip: goldenSkip(),
}, async (context) => {
  const golden = unpack(context, 'crash')
  const crash = golden.manifest as unknown as CrashManifest
  const names = new Set(crash.allowedStates.map(({ bucket }) => bucket))
  for (const { bucket } of crash.acknowledgedVersions) names.add(bucket)
  const manifest: Manifest = { buckets: [...names].map((name) => ({ name, versions: [] })) }
  const first = await repairAll({ ...golden, manifest }, true)
  const changed = [...first.values()].filter(({ changes }) => changes > 0).length
  const left = [...first].flatMap(([key, { problems }]) => problems.map((one) => `${key}: ${one}`))
  context.diagnostic(`${first.size} keys, ${changed} changed, left: ${left.join(', ')}`)
  for (const { bucket, key, allowed } of crash.allowedStates) {
    assert.ok(allowed.includes(await digestOf(golden.fixture, bucket, key)), `${bucket}/${key}`)
  }
  for (const { bucket, key, versionId, sha256 } of crash.acknowledgedVersions) {
    if (sha256 === undefined) continue
    assert.equal(await digestOf(golden.fixture, bucket, key, versionId), sha256, `${bucket}/${key}`)
  }
  for (const [key, { changes }] of await repairAll({ ...golden, manifest }, true)) {
    assert.equal(changes, 0, key)
  }
})

/** Null: there is no such object. */
async function digestOf(
  fixture: EngineFixture,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<string | null> {
  try {
    const bytes = await fixture.get(key, versionId === undefined ? {} : { versionId }, bucket)
    return createHash('sha256').update(bytes).digest('hex')
  } catch (error) {
    if (error instanceof ObjectError && error.code === 'ObjectNotFound') return null
    throw error
  }
}

for (const name of [
  'old-2019-10',
  'old-2019-10-upgraded',
  'old-2021-02',
  'old-2021-02-upgraded',
  'old-2021-05-upgraded',
  'old-2022-05',
  'old-2022-05-upgraded',
]) {
  test(`drives of old releases: "${name}" reads as before after a repair`, {
    skip: goldenSkip(),
  }, async (context) => {
    const golden = unpack(context, name)
    const before = await unreadable(golden)
    const first = await repairAll(golden, true)
    const changed = [...first.values()].filter(({ changes }) => changes > 0).length
    const left = [...first].flatMap(([key, { problems }]) =>
      problems.map((one) => `${key}: ${one}`),
    )
    context.diagnostic(`${first.size} keys, ${changed} changed, left: ${left.join(', ')}`)
    assert.deepEqual(await unreadable(golden), before)
    for (const [key, { changes }] of await repairAll(golden, true)) assert.equal(changes, 0, key)
    for (const { name: bucket } of golden.manifest.buckets) {
      rmSync(join(golden.roots[3] ?? '', bucket), { recursive: true, force: true })
    }
    await repairAll(golden, false)
    for (const [key, { changes }] of await repairAll(golden, true)) assert.equal(changes, 0, key)
    assert.deepEqual(await unreadable(golden), before)
    // Two data shards of four: what was filled is needed now.
    const drives = setOf(golden.fixture).drives.map((drive, i) => (i < 2 ? undefined : drive))
    const { deploymentId, storage } = golden.fixture.context
    const layouts = [{ sets: [drives], distributionAlgorithm: 'SIPMOD+PARITY' as const }]
    const fixture = new EngineFixture({ codec, layouts, deploymentId, storage })
    const after = await unreadable({ ...golden, fixture })
    assert.deepEqual(
      after.filter((one) => !before.includes(one)),
      [],
    )
  })
}
