/** The service as a whole, over real directories. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Clock, systemClock } from '#base/clock'
import { MsgpackWriter } from '#codec/msgpack'
import type { Drive } from '#drive/drive'
import { encodeHealingTracker, newHealingTracker } from '#drive/healing-tracker'
import { SILENT_LOG } from '#observe/log'
import { valueOf } from '#testing/drive-samples'
import { contentOf, testCodec, type EngineFixture } from '#testing/engine-fixture'
import { RepairQueue } from './repair-queue.ts'
import { RepairService } from './repair-service.ts'
import { makeBlank, overriding, RepairFixture } from './repair/testing/repair-fixture.ts'

const codec = testCodec()
const EXPIRE_INTERVAL_MS = 3_600_000

interface Running {
  readonly service: RepairService
  readonly queue: RepairQueue
  readonly expired: number[]
}

async function serviceFor(
  fixture: RepairFixture,
  engine: EngineFixture = fixture.engine,
  clock = systemClock(),
): Promise<Running> {
  const { context, pools } = engine
  const queue = new RepairQueue({ drives: fixture.drives, clock: systemClock(), log: SILENT_LOG })
  await queue.load()
  const expired: number[] = []
  const service = new RepairService({
    context: { ...context, clock },
    pools,
    queue,
    healBucket: async (bucket) => {
      for (const drive of fixture.drives) await drive.makeVolume(bucket)
    },
    isBusy: () => false,
    onRefilled: (_, position) => fixture.healing.delete(position),
    expireUploads: () => Promise.resolve(expired.push(1)),
    expireIntervalMs: EXPIRE_INTERVAL_MS,
    driveTimeoutMs: 30_000,
  })
  service.start()
  return { service, queue, expired }
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!isTrue()) {
    assert.ok(performance.now() < deadline, 'Waited too long')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('what reads and writes report is repaired, and stopping is quick', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  const { service, queue } = await serviceFor(fixture)
  for (const size of [100, 400_000]) await fixture.engine.put(`a/${size}`, contentOf(size))
  const before = fixture.snapshot()
  for (const size of [100, 400_000]) {
    rmSync(fixture.file(0, `bucket/a/${size}`), { recursive: true })
    await fixture.engine.get(`a/${size}`)
    rmSync(fixture.file(1, `bucket/a/${size}/xl.meta`))
    await fixture.engine.get(`a/${size}`)
  }
  assert.ok(fixture.engine.repairs.length > 0)
  for (const item of fixture.engine.repairs) await queue.report(item)
  await until(() => queue.size === 0)
  assert.deepEqual(fixture.snapshot(), before)
  const beganMs = performance.now()
  await service.stop()
  assert.ok(performance.now() - beganMs < 1000)
})

test('abandoned uploads are dropped at intervals, the first time one interval after the start', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  const waiting: (() => void)[] = []
  const real = systemClock()
  const clock: Clock = {
    ...real,
    sleep: (ms, signal) => {
      if (ms !== EXPIRE_INTERVAL_MS) return real.sleep(ms, signal)
      return new Promise((resolve) => {
        waiting.push(resolve)
        signal?.addEventListener('abort', () => resolve())
      })
    },
  }
  const { service, expired } = await serviceFor(fixture, fixture.engine, clock)
  for (const count of [0, 1, 2]) {
    await until(() => waiting.length === count + 1)
    assert.equal(expired.length, count)
    waiting[count]?.()
  }
  await service.stop()
})

test('what a drive missed is made up when it comes back', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  let isOnline = false
  const drives = fixture.drives.map(
    (drive, i): Drive => (i === 3 ? overriding(drive, { isOnline: () => isOnline }) : drive),
  )
  const engine = fixture.engineOver(drives)
  const { service, queue } = await serviceFor(fixture, engine)
  for (let i = 0; i < 10; i++) await engine.put(`k${i}`, contentOf(100 + i))
  for (const item of engine.repairs) await queue.report(item)
  assert.equal(queue.size, 10)
  assert.deepEqual(fixture.names(3), [])
  isOnline = true
  service.driveCameBack()
  await until(() => queue.size === 0)
  assert.equal(fixture.names(3).length, 10)
  await service.stop()
})

test('what is left of deleted keys goes when the drive that missed it is back', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  let isOnline = true
  const drives = fixture.drives.map(
    (drive, i): Drive => (i === 3 ? overriding(drive, { isOnline: () => isOnline }) : drive),
  )
  const engine = fixture.engineOver(drives)
  const { service, queue } = await serviceFor(fixture, engine)
  for (const size of [100, 400_000]) await engine.put(`k${size}`, contentOf(size))
  const kept = fixture.names(3)
  isOnline = false
  for (const size of [100, 400_000]) await engine.remove(`k${size}`)
  for (const item of engine.repairs) await queue.report(item)
  assert.deepEqual(fixture.names(3), kept)
  isOnline = true
  service.driveCameBack()
  await until(() => queue.size === 0)
  assert.deepEqual(fixture.names(3), [])
  assert.equal(existsSync(fixture.file(3, '.minio.sys/cairn/quarantine')), false)
  await service.stop()
})

test('repairs that MinIO owed are done, and its list goes', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  await fixture.engine.put('a', contentOf(100))
  const before = fixture.snapshot()
  rmSync(fixture.file(2, 'bucket/a'), { recursive: true })
  const writer = new MsgpackWriter(100)
  writer.raw(Uint8Array.of(1, 0, 1, 0))
  writer.mapHeader16(4)
  for (const [name, value] of [
    ['Bucket', 'bucket'],
    ['Object', 'a'],
    ['VersionID', ''],
  ] as const) {
    writer.text(name)
    writer.text(value)
  }
  writer.text('BitrotScan')
  writer.boolean(true)
  const list = fixture.file(1, '.minio.sys/buckets/.heal/mrf/list.bin')
  mkdirSync(list.slice(0, list.lastIndexOf('/')), { recursive: true })
  writeFileSync(list, writer.view())
  const { service, queue } = await serviceFor(fixture)
  await until(() => !existsSync(list) && queue.size === 0)
  assert.deepEqual(fixture.snapshot(), before)
  await service.stop()
})

test('on a drive that is nearly full what was deleted makes room at once', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  // Not those of the disk that the test runs on.
  const freeBytes = [50, 50, 11, 11]
  let looks = 0
  const drives = fixture.drives.map(
    (drive, i): Drive =>
      overriding(drive, {
        info: async () => {
          if (i === 3) looks += 1
          return { ...valueOf(await drive.info()), totalBytes: 100, freeBytes: freeBytes[i] ?? 0 }
        },
      }),
  )
  const clock = systemClock()
  // The looks at the space come quickly, the regular emptying once: at the start, on all drives at once.
  const quick: Clock = {
    ...clock,
    sleep: (ms, signal) => clock.sleep(ms <= 5000 ? ms / 500 : ms, signal),
  }
  const old = [2, 3].map((i) => fixture.file(i, '.minio.sys/tmp/.trash/old'))
  for (const entry of old) mkdirSync(entry)
  const { service } = await serviceFor(fixture, fixture.engineOver(drives), quick)
  await until(() => !old.some(existsSync))
  const entries = [2, 3].map((i) => fixture.file(i, '.minio.sys/tmp/.trash/deleted'))
  for (const entry of entries) mkdirSync(entry)
  const looksBefore = looks
  await until(() => looks > looksBefore + 2)
  assert.deepEqual(entries.map(existsSync), [true, true])
  freeBytes[3] = 9
  await until(() => !existsSync(entries[1] ?? ''))
  assert.equal(existsSync(entries[0] ?? ''), true)
  await service.stop()
})

test('between portions of its trash a drive rests, and a slow one keeps no other waiting', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  const portionsMs = [5, 40, 2000, 0]
  let monotonicMs = 0
  const hanging = new AbortController()
  const overrides: readonly ((drive: Drive) => Partial<Drive>)[] = [
    () => ({
      emptyTrash: async () => {
        await systemClock().sleep(60_000, hanging.signal)
        return { left: 0, removed: 0 }
      },
    }),
    (drive) => ({
      // Not that of the disk that the test runs on, which may need room at once.
      info: async () => ({ ...valueOf(await drive.info()), totalBytes: 100, freeBytes: 50 }),
      emptyTrash: () => {
        monotonicMs += portionsMs.shift() ?? 0
        return Promise.resolve({ left: portionsMs.length, removed: 1 })
      },
    }),
  ]
  const drives = fixture.drives.map(
    (drive, i): Drive => overriding(drive, overrides[i]?.(drive) ?? {}),
  )
  const sleeps: number[] = []
  const system = systemClock()
  const clock: Clock = {
    ...system,
    monotonicMs: () => monotonicMs,
    sleep: (ms, signal) => {
      sleeps.push(ms)
      return system.sleep(ms <= 1000 ? ms / 100 : ms, signal)
    },
  }
  const trashed = fixture.file(3, '.minio.sys/tmp/.trash/deleted')
  mkdirSync(trashed)
  const { service } = await serviceFor(fixture, fixture.engineOver(drives), clock)
  await until(() => portionsMs.length === 0 && !existsSync(trashed))
  assert.deepEqual(
    sleeps.filter((ms) => [20, 160, 8000].includes(ms)),
    [20, 160],
    'four times as long as the portion, but a second at most',
  )
  hanging.abort()
  await service.stop()
})

function markAsReplaced(fixture: RepairFixture, position: number): void {
  const root = fixture.roots[position] ?? ''
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
  writeFileSync(`${root}/.minio.sys/buckets/.healing.bin`, encodeHealingTracker(tracker))
  fixture.healing.add(position)
}

test('a blank drive is filled from one whose own filling did not end', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 2, parity: 1 })
  for (let i = 0; i < 10; i++) await fixture.engine.put(`k${i}`, contentOf(100 + i))
  const before = fixture.snapshot()
  const root = fixture.roots[0] ?? ''
  rmSync(root, { recursive: true })
  makeBlank(root)
  rmSync(`${root}/bucket`, { recursive: true })
  for (const position of [0, 1]) markAsReplaced(fixture, position)
  const { service } = await serviceFor(fixture)
  await until(() => fixture.healing.size === 0)
  assert.deepEqual(fixture.snapshot(), before)
  await service.stop()
})

test('a replaced drive is refilled, old trash and quarantine are dropped', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 4, parity: 2 })
  for (let i = 0; i < 10; i++) await fixture.engine.put(`k${i}`, contentOf(100 + i))
  const before = fixture.snapshot()
  const root = fixture.roots[1] ?? ''
  rmSync(root, { recursive: true })
  makeBlank(root)
  markAsReplaced(fixture, 1)
  const trash = fixture.file(0, '.minio.sys/tmp/.trash')
  mkdirSync(`${trash}/old`)
  utimesSync(`${trash}/old`, 1, 1)
  const dayMs = 24 * 3_600_000
  const quarantine = fixture.file(0, '.minio.sys/cairn/quarantine')
  const nowMs = systemClock().nowMs()
  for (const ageMs of [dayMs, 8 * dayMs]) {
    mkdirSync(`${quarantine}/${nowMs - ageMs}-x`, { recursive: true })
    writeFileSync(`${quarantine}/${nowMs - ageMs}-x/xl.meta`, 'x')
  }
  const { service } = await serviceFor(fixture)
  await until(() => fixture.healing.size === 0)
  await until(() => !existsSync(`${trash}/old`) && readdirSync(quarantine).length === 1)
  assert.deepEqual(fixture.snapshot(), before)
  await service.stop()
})
