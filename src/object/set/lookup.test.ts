import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertBytes } from '#testing/bytes'
import { contentOf, drivesOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import type { MemoryDrive } from '#testing/memory-drive'
import { SimClock } from '#testing/sim-clock'
import type { ReadTogether } from '../placement.ts'
import { overriding } from '../repair/testing/repair-fixture.ts'
import { updateMetadata } from '../update.ts'

const codec = testCodec()
const META = 'bucket/k/xl.meta'

function fixtureOf(drives: readonly MemoryDrive[], parity = 2): EngineFixture {
  return new EngineFixture({ codec, layouts: oneSet(drives), storage: { standardParity: parity } })
}

/** Runs `change` while the drives at `positions` keep their files, as if they had missed it. */
async function missedBy(
  drives: readonly MemoryDrive[],
  positions: readonly number[],
  change: () => Promise<unknown>,
): Promise<void> {
  const kept = positions.map((position) => new Map(drives[position]?.files))
  await change()
  positions.forEach((position, i) => {
    const files = drives[position]?.files
    files?.clear()
    for (const [name, bytes] of kept[i] ?? []) files?.set(name, bytes)
  })
}

test('what was deleted on a quorum does not come back from the drive that missed it', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  await fixture.put('k', contentOf(10))
  await missedBy(drives, [1], () => fixture.remove('k'))
  await assert.rejects(fixture.get('k'), { code: 'ObjectNotFound' })
  drives[2]?.setOnline(false)
  await assert.rejects(fixture.get('k'), { code: 'ObjectNotFound' })
  // Of two answers one has it: it may have been acknowledged by the drives that are away.
  drives[3]?.setOnline(false)
  await assert.rejects(fixture.get('k'), { code: 'ReadQuorum' })
})

test('what a delete was told is absent stays absent, whatever drives that were away have', async () => {
  for (const back of [[2], [3], [2, 3]]) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives)
    await fixture.put('k', contentOf(10))
    const away = drives.slice(2)
    for (const drive of away) drive.failCall('deleteVersions', 'DriveFaulty')
    await assert.rejects(fixture.remove('k'), { code: 'WriteQuorum' })
    for (const drive of away) drive.setOnline(false)
    await assert.rejects(fixture.get('k'), { code: 'ObjectNotFound' })
    await assert.rejects(fixture.remove('k'), { code: 'WriteQuorum' })
    for (const drive of away) drive.failCall('deleteVersions', undefined)
    for (const position of back) drives[position]?.setOnline(true)
    await fixture.remove('k')
    for (const drive of drives) drive.setOnline(true)
    await assert.rejects(fixture.get('k'), { code: 'ObjectNotFound' })
  }
})

test('a delete marker hides also what cannot be read now, whatever the clock says', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 1)
  await missedBy(drives, [1], () => fixture.put('k', contentOf(10), { versioning: 'enabled' }))
  drives[0]?.setOnline(false)
  await assert.rejects(fixture.get('k'), { code: 'ReadQuorum' })
  const earlier = new EngineFixture({
    codec,
    layouts: oneSet(drives),
    storage: { standardParity: 1 },
    clock: new SimClock(1_500_000_000_000_000_000n),
  })
  await earlier.remove('k', { versioning: 'enabled' })
  drives[0]?.setOnline(true)
  await assert.rejects(fixture.get('k'), { code: 'ObjectNotFound' })
})

test('a version that was never acknowledged is passed over for the one before it', async () => {
  let reported = 0
  for (let holder = 0; holder < 4; holder++) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives)
    await fixture.put('k', contentOf(10, 1), { versioning: 'enabled' })
    const others = [0, 1, 2, 3].filter((position) => position !== holder)
    await missedBy(drives, others, () =>
      fixture.put('k', contentOf(10, 2), { versioning: 'enabled' }),
    )
    assertBytes(await fixture.get('k'), contentOf(10, 1))
    if (fixture.repairs.length > 0) reported++
  }
  // One of the four drives need not be asked.
  assert.equal(reported, 3)
})

test('an overwrite that reached enough drives to be read is rolled forward', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  await fixture.put('k', contentOf(10, 1))
  await missedBy(drives, [2, 3], () => fixture.put('k', contentOf(10, 2)))
  assertBytes(await fixture.get('k'), contentOf(10, 2))
  assert.ok(fixture.repairs.length > 0)
})

test('metadata that a quorum changed is not served as it was before', async () => {
  for (const missing of [0, 1, 2, 3]) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives)
    await fixture.put('k', contentOf(10))
    await missedBy(drives, [missing], () => {
      const change = { userMetadata: new Map([['x', 'new']]) }
      const { context, pools } = fixture
      return updateMetadata(context, pools, { bucket: 'bucket', key: 'k' }, undefined, () => change)
    })
    const [first, second] = [0, 1, 2, 3].filter((position) => position !== missing)
    drives[first ?? 0]?.setOnline(false)
    assert.equal((await fixture.head('k')).userMetadata.get('x'), 'new')
    // Of two answers one is the change: three may have it, or one.
    drives[second ?? 0]?.setOnline(false)
    await assert.rejects(fixture.head('k'), { code: 'ReadQuorum' })
  }
})

test('a drive that lost the bucket, or is being refilled, has no say', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 1) // three of four hold a version
  await fixture.put('k', contentOf(10))
  drives[0]?.files.clear()
  await drives[0]?.deleteVolume('bucket', { force: true })
  assertBytes(await fixture.get('k'), contentOf(10))
  drives[1]?.files.delete(META)
  await assert.rejects(fixture.get('k'), { code: 'ReadQuorum' })
  await drives[0]?.makeVolume('bucket')
  await assert.rejects(fixture.get('k'), { code: 'ObjectNotFound' })
  const healing = new EngineFixture({
    codec,
    layouts: oneSet(drives).map((layout) => ({
      ...layout,
      isHealing: (_set: number, position: number) => position === 0,
    })),
    storage: { standardParity: 1 },
  })
  await assert.rejects(healing.get('k'), { code: 'ReadQuorum' })
})

test('unreadable metadata is an answer that is missing, not one that says no', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  await fixture.put('k', contentOf(10))
  for (const drive of drives.slice(0, 2)) {
    const bytes = drive.files.get(META)
    assert.ok(bytes)
    bytes[60] = (bytes[60] ?? 0) ^ 1
  }
  assertBytes(await fixture.get('k'), contentOf(10))
  for (const drive of drives.slice(2, 3)) drive.files.set(META, new Uint8Array(40))
  await assert.rejects(fixture.get('k'), { code: 'ReadQuorum' })
})

test('reads ask no more drives than are needed to be sure', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  await fixture.put('k', contentOf(10))
  const count = (): number =>
    drives.reduce((sum, drive) => sum + (drive.calls.get('readMetadata') ?? 0), 0)
  const before = count()
  await fixture.get('k')
  assert.equal(count() - before, 3)
  await fixture.head('k')
  assert.equal(count() - before, 6)
  await assert.rejects(fixture.head('absent'), { code: 'ObjectNotFound' })
  assert.equal(count() - before, 9)
  drives[0]?.setOnline(false)
  assertBytes(await fixture.get('k'), contentOf(10))
})

test('a read asks the other drives when those asked have too little of the data', async () => {
  for (const size of [10, 3_000_000]) {
    for (let spared = 0; spared < 4; spared++) {
      const drives = drivesOf(codec, 4)
      const fixture = fixtureOf(drives)
      await fixture.put('k', contentOf(size))
      const bad = [0, 1, 2, 3].filter((position) => position !== spared).slice(0, 2)
      for (const position of bad) damageShards(drives[position])
      assertBytes(await fixture.get('k'), contentOf(size), `${size}, ${bad.join(' ')} bad`)
      assert.equal(fixture.lentBytes, 0)
    }
  }
})

/** Flips the last byte of each file that holds shards. */
function damageShards(drive: MemoryDrive | undefined): void {
  for (const [name, bytes] of drive?.files ?? []) {
    const isInline = name.startsWith('bucket/') && name.endsWith('xl.meta') && bytes.length < 2000
    if (!isInline && !name.includes('/part.')) continue
    const last = bytes.length - 1
    bytes[last] = (bytes[last] ?? 0) ^ 1
  }
}

test('metadata that differs between drives follows the majority, and is reported', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  await fixture.put('k', contentOf(3_000_000))
  const { updateMetadata } = await import('../update.ts')
  const target = { bucket: 'bucket', key: 'k' }
  const change = (): object => ({ userMetadata: new Map([['X-Amz-Tagging', 'a=b']]) })
  await missedBy(drives, [1], () =>
    updateMetadata(fixture.context, fixture.pools, target, undefined, change),
  )
  assert.equal((await fixture.head('k')).userMetadata.get('X-Amz-Tagging'), 'a=b')
  assertBytes(await fixture.get('k'), contentOf(3_000_000))
  assert.ok(fixture.repairs.length > 0)
})

test('what one thread read for several drives counts where they agree', async () => {
  let disagreed = 0
  for (const missing of [0, 1, 2, 3]) {
    const drives = drivesOf(codec, 4)
    const { fixture, asked } = readingTogether(drives)
    await fixture.put('k', contentOf(10, 1))
    await missedBy(drives, [missing], () => fixture.put('k', contentOf(10, 2)))
    asked.length = 0
    assertBytes(await fixture.get('k'), contentOf(10, 2))
    // Of three drives read together one has the version before: then all are asked.
    if (asked.length > 0) disagreed++
    assert.ok(asked.length === 0 || asked.length === 4)
  }
  assert.equal(disagreed, 3)
})

test('where nothing was read together the drives are asked', async () => {
  const { fixture, asked } = readingTogether(drivesOf(codec, 4), () => Promise.resolve(undefined))
  await fixture.put('k', contentOf(10))
  asked.length = 0
  assertBytes(await fixture.get('k'), contentOf(10))
  assert.equal(asked.length, 3)
})

/** An engine that reads metadata together; `asked`: positions of the drives that were asked themselves. */
function readingTogether(
  drives: readonly MemoryDrive[],
  together: ReadTogether = (positions, { volume, path }) =>
    Promise.all(
      drives
        .filter((_, at) => positions.includes(at))
        .map((drive) => drive.readMetadata(volume, path)),
    ),
): { readonly fixture: EngineFixture; readonly asked: number[] } {
  const asked: number[] = []
  const layouts = oneSet(
    drives.map((drive, position) =>
      overriding(drive, {
        readMetadata: (volume, path) => {
          asked.push(position)
          return drive.readMetadata(volume, path)
        },
      }),
    ),
  ).map((layout) => ({ ...layout, readTogether: [together] }))
  return {
    fixture: new EngineFixture({ codec, layouts, storage: { standardParity: 2 } }),
    asked,
  }
}
