import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type Clock, sleepWith } from '#base/clock'
import { systemRandom } from '#base/random'
import { createLog } from '#observe/log'
import { DriveError } from './drive.ts'
import { createDriveStates, DriveStateCell } from './drive-messages.ts'
import { encodeFormat, newFormats } from './format-json.ts'
import { DriveHealth, type DriveHealthOptions } from './health.ts'
import type { FileSystem } from './local/file-system.ts'
import { nodeFileSystem } from './local/node-file-system.ts'

/** A clock that stands until it is moved. */
function manualClock(): { clock: Clock; advance: (ms: number) => Promise<void> } {
  let nowMs = 1000
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>()
  const clock: Clock = {
    nowMs: () => nowMs,
    nowNs: () => BigInt(nowMs) * 1_000_000n,
    monotonicMs: () => nowMs,
    setTimer: (delayMs, run) => {
      const timer = { atMs: nowMs + delayMs, run }
      timers.add(timer)
      return { cancel: () => timers.delete(timer) }
    },
    sleep: (delayMs, signal) => sleepWith(clock, delayMs, signal),
  }
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  const advance = async (ms: number): Promise<void> => {
    const endMs = nowMs + ms
    while (nowMs < endMs) {
      nowMs += Math.min(100, endMs - nowMs)
      for (const timer of timers) {
        if (timer.atMs > nowMs) continue
        timers.delete(timer)
        timer.run()
      }
      await settle()
    }
  }
  return { clock, advance }
}

interface Faults {
  flush?: (() => Promise<Error | undefined>) | undefined
  create?: string | undefined
  stat?: string | undefined
  rootDevice?: boolean
}

function withFaults(faults: Faults): FileSystem {
  const real = nodeFileSystem()
  const failure = (code: string): Error => Object.assign(new Error(code), { code })
  return {
    ...real,
    open: (path, mode) => {
      if (mode === 'create' && faults.create !== undefined) throw failure(faults.create)
      return real.open(path, mode)
    },
    stat: (path) => {
      if (faults.stat !== undefined) throw failure(faults.stat)
      const stat = real.stat(path)
      if (stat === undefined) return undefined
      return faults.rootDevice === true ? { ...stat, device: 1n } : stat
    },
    flush: async (targets) => {
      const outcome = await faults.flush?.()
      return targets.map(() => outcome)
    },
  }
}

function makeHealth(context: TestContext, options: Partial<DriveHealthOptions> = {}) {
  const root = mkdtempSync(join(tmpdir(), 'cairn-health-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  const [format] = newFormats({ setCount: 1, setSize: 1 }, systemRandom())
  assert.ok(format !== undefined)
  mkdirSync(join(root, '.minio.sys/tmp'), { recursive: true })
  const formatPath = join(root, '.minio.sys/format.json')
  writeFileSync(formatPath, encodeFormat(format))
  const faults: Faults = {}
  const lines: string[] = []
  const { clock, advance } = manualClock()
  const state = new DriveStateCell(createDriveStates(1), 0)
  const health = new DriveHealth({
    fileSystem: withFaults(faults),
    root,
    clock,
    random: systemRandom(),
    log: createLog(clock, { format: 'text', level: 'info', print: (line) => lines.push(line) }),
    state,
    generation: state.nextGeneration(),
    driveId: format.driveId,
    mayBeRootDrive: true,
    isMonitored: true,
    timeoutMs: 30_000,
    ...options,
  })
  context.after(() => health.stop())
  return { root, formatPath, faults, lines, advance, state, health }
}

test('a good drive is online at once, and probes leave nothing behind', async (context) => {
  const { health, state, advance, root, lines, faults } = makeHealth(context)
  let probes = 0
  faults.flush = () => {
    probes++
    return Promise.resolve(undefined)
  }
  await health.start()
  assert.equal(state.get(), 'online')
  await advance(60_000)
  assert.ok(probes >= 4 && probes <= 5, `${probes} probes`)
  for (let i = 0; i < 20; i++) {
    health.observe(undefined)
    await advance(2000)
  }
  assert.ok(probes <= 5, 'successful calls make probes needless')
  assert.deepEqual(readdirSync(join(root, '.minio.sys/tmp')), [])
  assert.deepEqual(lines, [])
})

test('an error of the faulty class takes the drive offline until a probe succeeds', async (context) => {
  const { health, state, advance, root, lines, faults } = makeHealth(context)
  await health.start()
  faults.create = 'EROFS'
  health.observe(new DriveError('DriveFaulty', 'Cannot write'))
  assert.equal(state.get(), 'faulty')
  assert.equal(health.refusalOf('readMetadata'), undefined)
  await advance(20_000)
  assert.equal(state.get(), 'faulty')
  faults.create = undefined
  await advance(5000)
  assert.equal(state.get(), 'returning')
  faults.create = 'EROFS'
  await advance(5000)
  assert.equal(state.get(), 'faulty')
  assert.equal(lines.length, 1)
  assert.ok(lines[0]?.includes(`taking drive ${root} offline: Cannot write`))
})

test('a probe finds a drive that became read-only, a full drive stays online', async (context) => {
  const { health, state, advance, faults } = makeHealth(context)
  await health.start()
  faults.create = 'ENOSPC'
  await advance(40_000)
  assert.equal(state.get(), 'online')
  state.set('faulty')
  await advance(6000)
  assert.equal(state.get(), 'returning')
  state.set('online')
  faults.create = 'EROFS'
  await advance(16_000)
  assert.equal(state.get(), 'faulty')
})

test('a probe whose flush hangs takes the drive offline, and its end brings the drive back', async (context) => {
  const { health, state, advance, faults, lines } = makeHealth(context)
  await health.start()
  let finish = (): void => undefined
  faults.flush = () => new Promise((resolve) => (finish = () => resolve(undefined)))
  await advance(25_000)
  assert.equal(state.get(), 'online')
  await advance(10_000)
  assert.equal(state.get(), 'faulty')
  assert.match(lines[0] ?? '', /offline: A probe took longer than 30000 ms/)
  faults.flush = undefined
  finish()
  await advance(6000)
  assert.equal(state.get(), 'returning')
})

test('a format that is gone, foreign, unreadable or out of reach is noticed within a second', async (context) => {
  const { health, state, advance, faults, formatPath, lines } = makeHealth(context)
  const good = nodeFileSystem()
  await health.start()
  const refusal = () => health.refusalOf('readMetadata')?.code
  assert.equal(refusal(), undefined)
  const moved = `${formatPath}.moved`
  good.rename(formatPath, moved)
  await advance(900)
  assert.equal(refusal(), undefined)
  await advance(100)
  assert.equal(refusal(), 'DriveUnformatted')
  assert.equal(health.refusalOf('writeSmallFile'), undefined)
  for (const content of ['{}', 'not json', '']) {
    writeFileSync(formatPath, content)
    await advance(1000)
    assert.equal(state.get(), 'notFound', content)
  }
  faults.stat = 'EACCES'
  await advance(1000)
  assert.equal(refusal(), 'DriveAccessDenied')
  faults.stat = 'EIO'
  await advance(1000)
  assert.equal(state.get(), 'faulty')
  faults.stat = undefined
  good.rename(moved, formatPath)
  await advance(6000)
  assert.equal(state.get(), 'returning')
  assert.equal(lines.length, 1)
})

test('a root without a format on the device of "/" is an unmounted drive', async (context) => {
  const { health, state, advance, faults, formatPath } = makeHealth(context, {
    mayBeRootDrive: false,
  })
  await health.start()
  assert.equal(state.get(), 'online')
  rmSync(formatPath)
  faults.rootDevice = true
  await advance(1000)
  assert.equal(state.get(), 'notFound')
})

test('nothing is written to the mount point of a drive that was just unmounted', async (context) => {
  const { health, state, faults, formatPath } = makeHealth(context, { mayBeRootDrive: false })
  await health.start()
  rmSync(formatPath)
  faults.rootDevice = true
  assert.equal(health.refusalOf('makeVolume')?.code, 'DriveNotFound')
  assert.equal(state.get(), 'notFound')
})

test('a thread that was replaced no longer changes the state', async (context) => {
  const { health, state, lines, formatPath, advance } = makeHealth(context)
  await health.start()
  state.nextGeneration()
  health.observe(new DriveError('DriveFaulty', 'Cannot write'))
  rmSync(formatPath)
  await advance(20_000)
  assert.equal(state.get(), 'online')
  assert.deepEqual(lines, [])
})

test('access denied to one file leaves the drive online', async (context) => {
  const { health, state } = makeHealth(context)
  await health.start()
  health.observe(new DriveError('DriveAccessDenied', 'Cannot read'))
  assert.equal(state.get(), 'online')
})
