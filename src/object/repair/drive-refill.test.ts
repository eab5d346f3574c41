/** Refilling replaced drives, over real directories. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { DriveError, type Drive } from '#drive/drive'
import {
  encodeHealingTracker,
  newHealingTracker,
  parseHealingTracker,
} from '#drive/healing-tracker'
import { assertBytes } from '#testing/bytes'
import { contentOf, testCodec } from '#testing/engine-fixture'
import { refillDrive, repairSet, type WalkOptions } from './drive-refill.ts'
import { makeBlank, overriding, RepairFixture, setOf } from './testing/repair-fixture.ts'

const codec = testCodec()
const TRACKER = '.minio.sys/buckets/.healing.bin'

function replace(fixture: RepairFixture, position: number): void {
  const root = fixture.roots[position] ?? ''
  rmSync(root, { recursive: true })
  makeBlank(root)
  rmSync(`${root}/bucket`, { recursive: true })
  const tracker = newHealingTracker({
    driveId: 'drive',
    healId: 'heal',
    pool: 0,
    set: 0,
    position,
    path: root,
    endpoint: root,
    startedNs: 1n,
    buckets: [],
  })
  writeFileSync(`${root}/${TRACKER}`, encodeHealingTracker(tracker))
  fixture.healing.add(position)
}

function optionsOf(fixture: RepairFixture, signal = new AbortController().signal): WalkOptions {
  return {
    healBucket: async (bucket) => {
      for (const drive of fixture.drives) await drive.makeVolume(bucket)
    },
    isBusy: () => false,
    signal,
  }
}

async function fill(fixture: RepairFixture, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const size = i % 7 === 0 ? 300_000 : 100 + i
    await fixture.engine.put(`f${i % 3}/k${i}`, contentOf(size, i))
  }
  await fixture.engine.put('folder/', contentOf(0))
}

test('a replaced drive gets exactly what it had, also of the server itself, and its tracker goes', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fill(fixture, 25)
  const system = { bucket: '.minio.sys', key: 'config/config.json' }
  const { putObject } = await import('../put.ts')
  const { bodyOfBytes } = await import('../body.ts')
  await putObject(
    fixture.engine.context,
    fixture.engine.pools,
    system,
    bodyOfBytes(contentOf(20)),
    {
      userMetadata: new Map(),
      storageClass: 'STANDARD',
      digests: [],
      versioning: 'unversioned',
    },
  )
  const before = fixture.snapshot()
  const config = fixture.file(1, '.minio.sys/config/config.json/xl.meta')
  const configBytes = readFileSync(config)
  replace(fixture, 1)
  assert.equal(await refillDrive(fixture.set, 1, optionsOf(fixture)), 'finished')
  assert.deepEqual(fixture.snapshot(), before)
  assertBytes(readFileSync(config), configBytes)
  assert.equal(existsSync(fixture.file(1, TRACKER)), false)
  assert.equal(await refillDrive(fixture.set, 1, optionsOf(fixture)), 'finished')
})

test('an interrupted refill goes on where everything before was done', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fill(fixture, 40)
  const before = fixture.snapshot()
  replace(fixture, 2)
  const stop = new AbortController()
  let commits = 0
  const drives = fixture.drives.map(
    (drive, i): Drive =>
      i !== 2
        ? drive
        : overriding(drive, {
            replaceMetadata: (...call) => {
              if (++commits === 20) stop.abort()
              return drive.replaceMetadata(...call)
            },
          }),
  )
  const set = setOf(fixture.engineOver(drives))
  assert.equal(await refillDrive(set, 2, optionsOf(fixture, stop.signal)), 'stopped')
  const tracker = parseHealingTracker(readFileSync(fixture.file(2, TRACKER)))
  const low = tracker.texts.get('Object') ?? ''
  assert.equal(tracker.texts.get('Bucket'), 'bucket')
  assert.notEqual(low, '')
  assert.deepEqual(tracker.lists.get('HealedBuckets'), ['.minio.sys/config', '.minio.sys/buckets'])
  // Everything up to the mark is there.
  for (const name of before.keys()) {
    const [, key] = /^2:bucket\/(.*)\/xl\.meta$/.exec(name) ?? []
    if (key !== undefined && key <= low)
      assert.ok(existsSync(fixture.file(2, `bucket/${key}/xl.meta`)), key)
  }
  let reads = 0
  const counting = fixture.drives.map((drive, i) =>
    i !== 0
      ? drive
      : overriding(drive, {
          readMetadata: (...call) => {
            reads++
            return drive.readMetadata(...call)
          },
        }),
  )
  const next = setOf(fixture.engineOver(counting))
  assert.equal(await refillDrive(next, 2, optionsOf(fixture)), 'finished')
  assert.ok(reads < 60, `${reads}`)
  assert.deepEqual(fixture.snapshot(), before)
})

test('keys that fail are tried again in another pass', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fill(fixture, 10)
  const before = fixture.snapshot()
  replace(fixture, 0)
  let failures = 3
  const drives = fixture.drives.map(
    (drive, i): Drive =>
      i !== 0
        ? drive
        : overriding(drive, {
            replaceMetadata: (...call) =>
              failures-- > 0
                ? Promise.resolve(new DriveError('Unexpected', 'Set by the test'))
                : drive.replaceMetadata(...call),
          }),
  )
  const set = setOf(fixture.engineOver(drives))
  assert.equal(await refillDrive(set, 0, optionsOf(fixture)), 'finished')
  assert.deepEqual(fixture.snapshot(), before)
})

test('a key that is lost does not keep a drive from being finished', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a', contentOf(10))
  await fixture.engine.put('b', contentOf(10))
  for (const position of [2, 3]) rmSync(fixture.file(position, 'bucket/a'), { recursive: true })
  replace(fixture, 0)
  assert.equal(await refillDrive(fixture.set, 0, optionsOf(fixture)), 'finished')
  assert.deepEqual(fixture.names(0), ['bucket/b/xl.meta'])
  // Nothing was removed: the drive counted as unknown.
  assert.deepEqual(fixture.names(1), ['bucket/a/xl.meta', 'bucket/b/xl.meta'])
})

test('a whole set is looked through', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fill(fixture, 12)
  const before = fixture.snapshot()
  rmSync(fixture.file(0, 'bucket/f1'), { recursive: true })
  rmSync(fixture.file(3, 'bucket/f2'), { recursive: true })
  mkdirSync(dirname(fixture.file(3, 'bucket/f2/x')))
  assert.equal(await repairSet(fixture.set, optionsOf(fixture)), 'finished')
  assert.deepEqual(fixture.snapshot(), before)
})

test('a drive that does not answer stays one to be refilled', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  replace(fixture, 1)
  const silent = (): Promise<DriveError> => Promise.resolve(new DriveError('DriveTimeout', 'Test'))
  const drives = fixture.drives.map((drive) => overriding(drive, { readSmallFiles: silent }))
  const set = setOf(fixture.engineOver(drives))
  assert.equal(await refillDrive(set, 1, optionsOf(fixture)), 'left')
  // Too few drives to fill it from.
  const few = fixture.drives.map((drive, i) => (i > 1 ? undefined : drive))
  assert.equal(await refillDrive(setOf(fixture.engineOver(few)), 1, optionsOf(fixture)), 'left')
  assert.ok(existsSync(fixture.file(1, TRACKER)))
})
