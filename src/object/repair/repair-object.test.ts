/** Repair of keys over real directories. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { DriveError, type Drive } from '#drive/drive'
import { assertBytes } from '#testing/bytes'
import { contentOf, testCodec } from '#testing/engine-fixture'
import { overriding, RepairFixture, setOf, settled } from './testing/repair-fixture.ts'
import { repairKey } from './repair-object.ts'

const codec = testCodec()
const MIB = 1_048_576

const SHAPES = [
  { count: 4, parity: 2 },
  { count: 6, parity: 2 },
] as const

/** Inline, one file, several blocks, none. */
const SIZES = [0, 100, 200_000, 3 * MIB + 17] as const

test('a repair of whole keys changes nothing', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  for (const size of SIZES) await fixture.engine.put(`k/${size}`, contentOf(size))
  const before = fixture.snapshot()
  for (const size of SIZES) {
    const result = await fixture.repair(`k/${size}`, { deep: true })
    assert.deepEqual([result.problems, result.changes], [[], 0])
  }
  assert.deepEqual(fixture.snapshot(), before)
  assert.equal(fixture.engine.lentBytes, 0)
})

type Damage = (fixture: RepairFixture, position: number) => void

const DAMAGES: Readonly<Record<string, { readonly deep: boolean; readonly run: Damage }>> = {
  'key removed': { deep: false, run: (f, p) => rmSync(f.file(p, 'bucket/a'), { recursive: true }) },
  'metadata removed': { deep: false, run: (f, p) => rmSync(f.file(p, 'bucket/a/k/xl.meta')) },
  'metadata empty': {
    deep: false,
    run: (f, p) => truncateSync(f.file(p, 'bucket/a/k/xl.meta'), 0),
  },
  'metadata cut': { deep: false, run: (f, p) => truncateSync(f.file(p, 'bucket/a/k/xl.meta'), 60) },
  'metadata garbage': {
    deep: false,
    run: (f, p) => writeFileSync(f.file(p, 'bucket/a/k/xl.meta'), contentOf(500)),
  },
  'last byte flipped': { deep: true, run: (f, p) => flip(f, p, -1) },
  'first byte of the data flipped': { deep: true, run: (f, p) => flip(f, p, 0) },
  'parts removed': { deep: false, run: (f, p) => onParts(f, p, (name) => rmSync(name)) },
  'parts cut': { deep: false, run: (f, p) => onParts(f, p, (name) => truncateSync(name, 77)) },
  'parts longer': {
    deep: false,
    run: (f, p) => onParts(f, p, (name) => writeFileSync(name, 'x', { flag: 'a' })),
  },
}

function onParts(fixture: RepairFixture, position: number, run: (name: string) => void): void {
  for (const name of fixture.names(position)) {
    if (/part\.\d+$/.test(name)) run(fixture.file(position, name))
  }
}

/** Flips a byte of the shard: in the last file named, which is `xl.meta` for inline data. */
function flip(fixture: RepairFixture, position: number, at: number): void {
  const names = fixture.names(position)
  const name = fixture.file(position, names.find((one) => one.includes('part.')) ?? names[0] ?? '')
  const bytes = readFileSync(name)
  const index = name.includes('part.') && at === 0 ? 32 : bytes.length - 1
  bytes[index] = (bytes[index] ?? 0) ^ 1
  writeFileSync(name, bytes)
}

for (const { count, parity } of SHAPES) {
  for (const [name, damage] of Object.entries(DAMAGES)) {
    test(`${name}: repaired on ${parity} of ${count} drives`, async (context) => {
      for (const size of SIZES) {
        if (size === 0 && name.includes('flipped')) continue
        const fixture = new RepairFixture(context, { codec, count, parity })
        await fixture.engine.put('a/k', contentOf(size))
        const before = fixture.snapshot()
        for (const position of [1, 3]) damage.run(fixture, position)
        const result = await fixture.repair('a/k', { deep: damage.deep })
        assert.deepEqual(result.problems, [], `${size}`)
        assert.deepEqual(fixture.snapshot(), before, `${size}`)
        const again = await fixture.repair('a/k', { deep: true })
        assert.deepEqual([again.problems, again.changes], [[], 0], `${size}`)
        for (const position of [0, 2])
          rmSync(fixture.file(position, 'bucket/a'), { recursive: true })
        assertBytes(await fixture.engine.get('a/k'), contentOf(size))
        assert.equal(fixture.engine.lentBytes, 0)
      }
    })
  }
}

test('files of a version whose metadata says inline come back, as of copies that MinIO made', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  const systemMetadata = new Map([['x-minio-internal-inline-data', utf8('true')]])
  await fixture.engine.put('a/k', contentOf(40_000), { versioning: 'enabled', systemMetadata })
  const before = fixture.snapshot()
  assert.equal((await fixture.repair('a/k', { deep: true })).changes, 0)
  rmSync(fixture.file(1, 'bucket/a'), { recursive: true })
  onParts(fixture, 2, (name) => rmSync(name))
  assert.deepEqual((await fixture.repair('a/k')).problems, [])
  assert.deepEqual(fixture.snapshot(), before)
})

test('a repair goes on in other memory when a drive hangs in a read', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(3 * MIB))
  const before = fixture.snapshot()
  rmSync(fixture.file(3, 'bucket/a'), { recursive: true })
  const over = Promise.withResolvers<void>()
  let hanging = 0
  const drives = fixture.drives.map(
    (drive, i): Drive =>
      i === 3
        ? drive
        : overriding(drive, {
            readFile: (...call) => {
              if (hanging > 0) return drive.readFile(...call)
              hanging++
              const settled = over.promise
              return Promise.resolve(new DriveError('DriveTimeout', 'Hangs', { settled }))
            },
          }),
  )
  const engine = fixture.engineOver(drives)
  const result = await repairKey(setOf(engine), 'bucket', 'a/k', { deep: false })
  assert.deepEqual([result.problems, result.changes, hanging], [[], 1, 1])
  // Nobody gets the memory that the read may yet write to.
  assert.ok(engine.lentBytes > 0)
  over.resolve()
  await settled()
  assert.equal(engine.lentBytes, 0)
  const again = await repairKey(setOf(engine), 'bucket', 'a/k', { deep: false })
  assert.deepEqual(again.problems, [])
  assert.deepEqual(fixture.snapshot(), before)
})

test('all versions of a key come back, markers and shared data too', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  const { engine } = fixture
  const ids: string[] = []
  for (const size of [100, 300_000, MIB]) {
    const info = await engine.put('a/k', contentOf(size), { versioning: 'enabled' })
    ids.push(info.versionId ?? '')
  }
  await engine.remove('a/k', { versioning: 'enabled' })
  await engine.put('a/k', contentOf(50), { versioning: 'suspended' })
  await engine.remove('a/k', { versioning: 'enabled' })
  const before = fixture.snapshot()
  writeFileSync(fixture.file(0, 'bucket/a/k/xl.meta'), contentOf(3000))
  rmSync(fixture.file(2, 'bucket/a'), { recursive: true })
  const result = await fixture.repair('a/k')
  assert.deepEqual(result.problems, [])
  assert.deepEqual(fixture.snapshot(), before)
  assertBytes(await engine.get('a/k', { versionId: ids[1] ?? '' }), contentOf(300_000))
})

test('a drive that takes nothing does not keep a repair of many versions going', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  for (let i = 0; i < 70; i++) {
    await fixture.engine.put('a/k', contentOf(300_000), { versioning: 'enabled' })
  }
  for (const position of [1, 3]) rmSync(fixture.file(position, 'bucket/a'), { recursive: true })
  let calls = 0
  const drives = fixture.drives.map((drive, i) =>
    i === 3
      ? overriding(drive, {
          appendStaged: () => {
            assert.ok(++calls <= 70, 'a version is tried again and again')
            return Promise.resolve(new DriveError('DriveFull', 'Full'))
          },
        })
      : drive,
  )
  const result = await repairKey(setOf(fixture.engineOver(drives)), 'bucket', 'a/k', {
    deep: false,
  })
  assert.deepEqual(result.isWholeAt, [true, true, true, false])
  assert.deepEqual(result.problems, ['failed'])
  assert.deepEqual(fixture.names(1).length, fixture.names(0).length)
})

test('more damage than parity changes nothing, and says that data is lost', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(MIB))
  for (const position of [0, 1, 2]) onParts(fixture, position, (name) => rmSync(name))
  const before = fixture.snapshot()
  const result = await fixture.repair('a/k', { deep: true })
  assert.deepEqual([result.problems, result.changes], [['lost'], 0])
  assert.deepEqual(fixture.snapshot(), before)
})

test('data beside a lost metadata file serves when nothing else does', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(MIB))
  const before = fixture.snapshot()
  for (const position of [0, 1]) onParts(fixture, position, (name) => rmSync(name))
  rmSync(fixture.file(3, 'bucket/a/k/xl.meta'))
  assert.deepEqual((await fixture.repair('a/k')).problems, [])
  assert.deepEqual(fixture.snapshot(), before)
})

test('blocks that are damaged on different drives make up for each other', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(2 * MIB))
  const before = fixture.snapshot()
  // Three drives with a bad first block would be too many; each of three has one bad block of two.
  for (const [position, at] of [
    [0, 40],
    [1, 40],
    [2, MIB / 2 + 32 + 40],
  ] as const) {
    onParts(fixture, position, (name) => {
      const bytes = readFileSync(name)
      bytes[at] = (bytes[at] ?? 0) ^ 0x80
      writeFileSync(name, bytes)
    })
  }
  assert.deepEqual((await fixture.repair('a/k', { deep: true })).problems, [])
  assert.deepEqual(fixture.snapshot(), before)
})

test('a version that a drive missed is written there, an older one of its id goes', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(MIB, 1))
  const partial = fixture.engineOver([...fixture.drives.slice(0, 3), undefined])
  await partial.put('a/k', contentOf(2 * MIB, 2))
  await settled()
  assert.deepEqual((await fixture.repair('a/k')).problems, [])
  assert.deepEqual(
    fixture.names(3).map((name) => name.replace(/[0-9a-f-]{36}/, 'dir')),
    ['bucket/a/k/dir/part.1', 'bucket/a/k/xl.meta'],
  )
  for (const position of [0, 1]) rmSync(fixture.file(position, 'bucket/a'), { recursive: true })
  assertBytes(await fixture.engine.get('a/k'), contentOf(2 * MIB, 2))
})

test('a delete that a drive missed is made up when the version is old enough', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(MIB))
  await fixture.engineOver([...fixture.drives.slice(0, 3), undefined]).remove('a/k')
  const before = fixture.snapshot()
  assert.ok(before.size > 0)
  const young = await fixture.repair('a/k')
  assert.deepEqual([young.problems, young.changes], [['young'], 0])
  assert.ok((young.retryAfterMs ?? 0) > 23 * 3_600_000)
  assert.deepEqual(fixture.snapshot(), before)
  fixture.healing.add(0)
  // A drive that is being refilled may have had it.
  const healing = await fixture.repair('a/k', { danglingAgeMs: 0 })
  assert.deepEqual([healing.problems, healing.changes], [['kept'], 0])
  fixture.healing.clear()
  const gone = fixture.engineOver([undefined, ...fixture.drives.slice(1)])
  assert.ok(gone !== undefined)
  assert.deepEqual(fixture.snapshot(), before)
  const result = await fixture.repair('a/k', { danglingAgeMs: 0 })
  assert.deepEqual([result.problems, result.changes], [[], 1])
  assert.equal(fixture.snapshot().size, 0)
  const kept = await fixture.drives[3]?.listDirectory('.minio.sys/cairn', 'quarantine', 10)
  assert.ok(Array.isArray(kept) && kept.length === 1)
})

test('with drives offline nothing is removed and nothing is decided that they could change', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(100))
  for (const position of [0, 1, 2]) rmSync(fixture.file(position, 'bucket/a'), { recursive: true })
  const before = fixture.snapshot()
  fixture.healing.add(0)
  fixture.healing.add(1)
  const result = await fixture.repair('a/k', { danglingAgeMs: 0 })
  assert.deepEqual([result.problems, result.changes], [['undecided'], 0])
  assert.deepEqual(fixture.snapshot(), before)
})

test('a drive without the bucket gets it again, with what was in it', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a/k', contentOf(MIB))
  const before = fixture.snapshot()
  rmSync(fixture.file(1, 'bucket'), { recursive: true })
  const first = await fixture.repair('a/k')
  assert.deepEqual(first.problems, ['noVolume'])
  const healBucket = async (bucket: string): Promise<void> => {
    for (const drive of fixture.drives) await drive.makeVolume(bucket)
  }
  assert.deepEqual((await fixture.repair('a/k', { healBucket })).problems, [])
  assert.deepEqual(fixture.snapshot(), before)
})

test('left-overs go, folders of other keys stay', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  const uuid = '6f1c2d3e-7c5b-4b53-9b7c-1c0e6f2d8a11'
  await fixture.engine.put('a/k', contentOf(MIB))
  await fixture.engine.put(`a/k/${uuid}`, contentOf(10))
  await fixture.engine.put(`a/k/${uuid.replace('6', '7')}/part.1`, contentOf(10))
  const before = fixture.snapshot()
  const junk = fixture.file(2, `bucket/a/k/${uuid.replace('6', '8')}`)
  mkdirSync(junk)
  writeFileSync(join(junk, 'part.1'), 'junk')
  assert.deepEqual((await fixture.repair('a/k')).changes, 1)
  assert.deepEqual(fixture.snapshot(), before)
})

test('a metadata change that a drive missed is made up', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  const { updateMetadata } = await import('../update.ts')
  for (const size of [10, MIB]) {
    await fixture.engine.put('a/k', contentOf(size))
    const partial = fixture.engineOver([undefined, ...fixture.drives.slice(1)])
    const target = { bucket: 'bucket', key: 'a/k' }
    await updateMetadata(partial.context, partial.pools, target, undefined, () => ({
      userMetadata: new Map([['X-Amz-Meta-A', 'b']]),
    }))
    const result = await fixture.repair('a/k')
    assert.deepEqual([result.problems, result.changes], [[], 1])
    const again = await fixture.repair('a/k', { deep: true })
    assert.deepEqual([again.problems, again.changes], [[], 0])
    // Too few drives to tell old from new: nothing is taken back.
    await updateMetadata(partial.context, partial.pools, target, undefined, () => ({
      userMetadata: new Map([['X-Amz-Meta-A', 'c']]),
    }))
    rmSync(fixture.file(3, 'bucket/a'), { recursive: true })
    fixture.healing.add(3)
    assert.deepEqual((await fixture.repair('a/k')).problems, [])
    fixture.healing.clear()
    const info = await fixture.engine.head('a/k')
    assert.equal(info.userMetadata.get('X-Amz-Meta-A'), 'c')
  }
})
