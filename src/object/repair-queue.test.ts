import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '#base/bytes'
import { sleepWith, type Clock } from '#base/clock'
import { CAIRN_VOLUME } from '#drive/drive'
import { SILENT_LOG } from '#observe/log'
import { drivesOf, testCodec } from '#testing/engine-fixture'
import type { MemoryDrive } from '#testing/memory-drive'
import type { RepairItem } from './repair-sink.ts'
import { RepairQueue } from './repair-queue.ts'

const codec = testCodec()
const JOURNAL = `${CAIRN_VOLUME}/repair/queue.jsonl`
const never = new AbortController().signal

/** Time stands still until it is moved; sleeps end at once and move it. */
function testClock(): Clock & { nowAt: number } {
  const clock = {
    nowAt: 1_000_000,
    nowMs: () => clock.nowAt,
    nowNs: () => BigInt(clock.nowAt) * 1_000_000n,
    monotonicMs: () => clock.nowAt,
    setTimer: (delayMs: number, run: () => void) => {
      let isOff = false
      setImmediate(() => {
        if (isOff) return
        clock.nowAt += delayMs
        run()
      })
      return {
        cancel: () => {
          isOff = true
        },
      }
    },
    sleep: (delayMs: number, signal?: AbortSignal) => sleepWith(clock, delayMs, signal),
  }
  return clock
}

function itemOf(path: string, more: Partial<RepairItem> = {}): RepairItem {
  return {
    pool: 0,
    set: 0,
    bucket: 'bucket',
    path,
    versionId: undefined,
    reason: 'missed',
    ...more,
  }
}

function queueOver(drives: readonly MemoryDrive[], itemsMax?: number): RepairQueue {
  const options = { drives, clock: testClock(), log: SILENT_LOG }
  return new RepairQueue(itemsMax === undefined ? options : { ...options, itemsMax })
}

function journalOf(drive: MemoryDrive | undefined): string[] {
  const bytes = drive?.files.get(JOURNAL)
  return bytes === undefined ? [] : textOf(bytes).split('\n').filter(Boolean)
}

async function taken(queue: RepairQueue): Promise<string[]> {
  const paths: string[] = []
  for (;;) {
    const item = await queue.take(1, never)
    if (item === undefined) return paths
    paths.push(item.path)
  }
}

test('items are on two drives before a report resolves, and come back after a restart', async () => {
  const drives = drivesOf(codec, 4)
  const queue = queueOver(drives)
  await queue.load()
  await Promise.all(['a', 'b', 'c'].map((path) => queue.report(itemOf(path))))
  assert.deepEqual(
    drives.map((drive) => journalOf(drive).length),
    [3, 3, 0, 0],
  )
  const next = queueOver(drives)
  await next.load()
  assert.deepEqual(await taken(next), ['a', 'b', 'c'])
})

test('a torn last line costs only its item, and none that follow', async () => {
  const drives = drivesOf(codec, 2)
  const queue = queueOver(drives)
  await queue.report(itemOf('a'))
  for (const drive of drives) {
    const whole = drive.files.get(JOURNAL) ?? new Uint8Array()
    drive.files.set(JOURNAL, utf8(`${textOf(whole)}{"pool":0,"set":0,"buck`))
  }
  const next = queueOver(drives)
  await next.load()
  await next.report(itemOf('b'))
  const last = queueOver(drives)
  await last.load()
  assert.deepEqual(await taken(last), ['a', 'b'])
})

test('what is done is not repaired again, and an empty queue leaves an empty journal', async () => {
  const drives = drivesOf(codec, 2)
  const queue = queueOver(drives)
  await queue.report(itemOf('a'))
  const item = await queue.take(1, never)
  assert.ok(item !== undefined)
  await queue.done(item)
  assert.equal(queue.size, 0)
  assert.deepEqual(journalOf(drives[0]), [])
})

test('a report during the repair brings the item up again', async () => {
  const queue = queueOver(drivesOf(codec, 2))
  await queue.report(itemOf('a', { versionId: '1' }))
  const item = await queue.take(1, never)
  assert.ok(item !== undefined)
  await queue.report(itemOf('a', { versionId: '2', reason: 'corrupt' }))
  await queue.done(item)
  const again = await queue.take(1, never)
  assert.deepEqual([again?.path, again?.versionId, again?.reason], ['a', undefined, 'corrupt'])
})

test('retries come later each time, at once when a drive came back', async () => {
  const drives = drivesOf(codec, 2)
  const clock = testClock()
  const queue = new RepairQueue({ drives, clock, log: SILENT_LOG })
  await queue.report(itemOf('a'))
  let item = await queue.take(1, never)
  for (const waitMs of [5000, 10_000, 20_000]) {
    assert.ok(item !== undefined)
    queue.retry(item)
    const beganMs = clock.nowAt
    do item = await queue.take(500, never)
    while (item === undefined)
    assert.ok(clock.nowAt - beganMs >= waitMs && clock.nowAt - beganMs < waitMs + 3000)
  }
  assert.ok(item !== undefined)
  queue.retry(item, 3_600_000)
  assert.equal(await queue.take(1, never), undefined)
  queue.retryAll()
  assert.equal((await queue.take(1, never))?.attempts, 0)
})

test('two waiting workers are both woken', async () => {
  const queue = queueOver(drivesOf(codec, 2))
  const waiting = [queue.take(10_000_000, never), queue.take(10_000_000, never)]
  await queue.report(itemOf('a'))
  await queue.report(itemOf('b'))
  const paths = (await Promise.all(waiting)).map((item) => item?.path)
  assert.deepEqual(new Set(paths), new Set(['a', 'b']))
})

test('a drive that keeps the journal goes away: another gets the whole list', async () => {
  const drives = drivesOf(codec, 3)
  const queue = queueOver(drives)
  await queue.report(itemOf('a'))
  drives[0]?.setOnline(false)
  await queue.report(itemOf('b'))
  assert.deepEqual(
    drives.map((drive) => journalOf(drive).length),
    [1, 2, 2],
  )
  drives[0]?.setOnline(true)
  const next = queueOver(drives)
  await next.load()
  assert.deepEqual(await taken(next), ['a', 'b'])
  assert.deepEqual(
    drives.map((drive) => journalOf(drive).length),
    [2, 2, 0],
  )
})

test('beyond the limit a set is marked instead, once, until it was looked through', async () => {
  const drives = drivesOf(codec, 2)
  const queue = queueOver(drives, 2)
  for (const path of ['a', 'b', 'c', 'd']) await queue.report(itemOf(path))
  assert.equal(queue.size, 2)
  const [marked] = queue.dirtySets
  assert.ok(marked !== undefined)
  const next = queueOver(drives, 2)
  await next.load()
  assert.equal(next.dirtySets.length, 1)
  await queue.report(itemOf('e'))
  await queue.markClean(marked)
  assert.equal(queue.dirtySets.length, 1)
  const [later] = queue.dirtySets
  assert.ok(later !== undefined)
  await queue.markClean(later)
  assert.deepEqual(queue.dirtySets, [])
})

test('a drive that hangs keeps no journal, and is asked again when it has answered', async () => {
  const drives = drivesOf(codec, 3)
  const queue = queueOver(drives)
  await queue.load()
  await queue.report(itemOf('a'))
  const { promise, resolve } = Promise.withResolvers<void>()
  drives[0]?.hangCall('appendSmallFile', promise)
  drives[0]?.hangCall('writeSmallFile', promise)
  await queue.report(itemOf('b'))
  await queue.report(itemOf('c'))
  assert.deepEqual(
    drives.map((drive) => journalOf(drive).length),
    [1, 3, 3],
  )
  resolve()
  await promise
  await new Promise((done) => setImmediate(done))
  await queue.report(itemOf('d'))
  assert.equal(journalOf(drives[0]).length, 4)
})

test('when all drives are slow, a report waits for one of them', async () => {
  const drives = drivesOf(codec, 2)
  const queue = queueOver(drives)
  await queue.load()
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const drive of drives) drive.hangCall('writeSmallFile', promise)
  let isKept = false
  const reported = queue.report(itemOf('a')).then(() => (isKept = true))
  for (let i = 0; i < 20; i++) await new Promise((done) => setImmediate(done))
  assert.equal(isKept, false)
  resolve()
  await reported
  assert.equal(journalOf(drives[0]).length, 1)
})

test('a late write is repaired when its drive has answered', async () => {
  const queue = queueOver(drivesOf(codec, 2))
  await queue.load()
  await queue.report(itemOf('a', { reason: 'late' }))
  const item = await queue.take(1, never)
  assert.equal(item?.reason, 'late')
  assert.ok(item !== undefined)
  queue.retry(item, 1_000_000_000)
  await queue.report(itemOf('a', { reason: 'missing' }))
  assert.deepEqual(await taken(queue), [])
  await queue.report(itemOf('a'))
  assert.deepEqual(await taken(queue), ['a'])
})

test('what was removed of a key is remembered with it, newest times only', async () => {
  const drives = drivesOf(codec, 2)
  const queue = queueOver(drives)
  const [a, b] = ['a'.repeat(32), 'b'.repeat(32)]
  await queue.report(itemOf('k', { removed: [{ versionId: a, untilNs: '10' }] }))
  await queue.report(itemOf('k', { removed: [{ versionId: b, untilNs: '9' }] }))
  await queue.report(itemOf('k', { removed: [{ versionId: a, untilNs: '9' }] }))
  await queue.report(itemOf('k', { reason: 'missing' }))
  await queue.report(itemOf('k', { removed: [{ versionId: b, untilNs: '100' }] }))
  const expected = [
    { versionId: a, untilNs: '10' },
    { versionId: b, untilNs: '100' },
  ]
  const taken = await queue.take(0, never)
  assert.deepEqual(taken?.removed, expected)
  const restarted = queueOver(drives)
  await restarted.load()
  assert.deepEqual((await restarted.take(0, never))?.removed, expected)
})

test('a journal of items that wait is written anew before it grows without end', async () => {
  const drives = drivesOf(codec, 2)
  const queue = queueOver(drives)
  await queue.load()
  const versionId = 'a'.repeat(32)
  for (let i = 1; i <= 4500; i++) {
    await queue.report(itemOf('k', { removed: [{ versionId, untilNs: String(i) }] }))
  }
  assert.ok(journalOf(drives[0]).length < 2500, `${journalOf(drives[0]).length} lines`)
  const next = queueOver(drives)
  await next.load()
  assert.deepEqual((await next.take(0, never))?.removed, [{ versionId, untilNs: '4500' }])
})

test('what is remembered of removed versions never makes the journal too large to be read', async () => {
  const drives = drivesOf(codec, 2)
  const queue = queueOver(drives)
  const removed = Array.from({ length: 100 }, (_, i) => ({
    versionId: i.toString(16).padStart(32, '0'),
    untilNs: '1'.repeat(19),
  }))
  const paths = Array.from({ length: 2000 }, (_, i) => `k${i}`)
  await Promise.all(paths.map((path) => queue.report(itemOf(path))))
  await Promise.all(paths.map((path) => queue.report(itemOf(path, { removed }))))
  assert.equal(queue.size, 2000)
  const bytes = drives[0]?.files.get(JOURNAL)?.length ?? Infinity
  assert.ok(bytes < 16 * 1_048_576, `${bytes} bytes`)
  const next = queueOver(drives)
  await next.load()
  assert.deepEqual(await taken(next), paths)
})
