import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { SILENT_LOG } from '#observe/log'
import { assertBytes } from '#testing/bytes'
import { formDrives, FormationError, type Formation, type FormationOptions } from './formation.ts'
import { parseFormat } from './format-json.ts'
import { lockDrive } from './local/drive-lock.ts'
import type { FileSystem } from './local/file-system.ts'
import { nodeFileSystem } from './local/node-file-system.ts'

const OPTIONS: FormationOptions = {
  clock: systemClock(),
  random: systemRandom(),
  log: SILENT_LOG,
  allowRootDrive: true,
  rootDriveThresholdBytes: 0,
}

function folders(context: TestContext, count: number): { root: string; endpoints: string[] } {
  const root = mkdtempSync(join(tmpdir(), 'cairn-formation-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  return { root, endpoints: Array.from({ length: count }, (_, i) => join(root, `d${i + 1}`)) }
}

function form(
  endpoints: readonly string[],
  setSize = endpoints.length,
  options = OPTIONS,
): Formation {
  return formDrives([{ endpoints, setSize }], options)
}

function formOnce(endpoints: readonly string[], setSize?: number): Formation {
  const formation = form(endpoints, setSize)
  formation.release()
  return formation
}

function refusals(formation: Formation): (string | undefined)[] {
  return formation.pools.flatMap(({ sets }) =>
    sets.flatMap((set) => set.map(({ refusal }) => refusal)),
  )
}

test('new drives are made and formatted, and found again', (context) => {
  const { endpoints } = folders(context, 8)
  const first = formOnce(endpoints, 4)
  const second = formOnce(endpoints, 4)
  assert.equal(second.deploymentId, first.deploymentId)
  assert.deepEqual(second.pools, first.pools)
  assert.deepEqual(
    refusals(second),
    Array.from({ length: 8 }, () => undefined),
  )
  const format = parseFormat(readFileSync(join(endpoints[5] ?? '', '.minio.sys/format.json')))
  assert.equal(format.driveId, format.sets[1]?.[1])
  assert.ok(existsSync(join(endpoints[0] ?? '', '.minio.sys/tmp/.trash')))
})

test('missing folders above new drives are made, but not through a file', (context) => {
  const { root, endpoints } = folders(context, 2)
  symlinkSync(root, join(root, 'link'))
  const below = [join(root, 'p1/rack/d1'), join(root, 'link/p2/d1')]
  assert.deepEqual(refusals(formOnce(below)), [undefined, undefined])
  assert.ok(existsSync(join(root, 'p2/d1/.minio.sys/format.json')))
  writeFileSync(join(root, 'file'), '')
  assert.throws(() => form([join(root, 'file/d1'), ...endpoints]), /not a folder/)
})

test('a second server on the same drives is refused while the first lives', (context) => {
  const { endpoints } = folders(context, 1)
  const first = form(endpoints)
  const url = new URL('./formation.ts', import.meta.url).href
  const source = `
    const { formDrives } = await import(${JSON.stringify(url)})
    const { systemClock } = await import(${JSON.stringify(new URL('../base/clock.ts', import.meta.url).href)})
    const { systemRandom } = await import(${JSON.stringify(new URL('../base/random.ts', import.meta.url).href)})
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    try {
      formDrives([{ endpoints: ${JSON.stringify(endpoints)}, setSize: 1 }],
        { clock: systemClock(), random: systemRandom(), log, allowRootDrive: true, rootDriveThresholdBytes: 0 })
      console.log('formed')
    } catch (error) { console.log(error.message) }`
  const second = () =>
    spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' }).stdout
  assert.match(second(), /in use by another server/)
  first.release()
  assert.match(second(), /formed/)
})

test('a drive that is offline can be unlocked, and is not taken back from another server', (context) => {
  const { endpoints } = folders(context, 1)
  const formation = form(endpoints)
  context.after(() => formation.release())
  const drive = formation.pools[0]?.sets[0]?.[0]
  assert.ok(drive !== undefined)
  const other = () => lockDrive(join(drive.endpoint, '.minio.sys/cairn/lock'))
  assert.equal(other(), undefined)
  formation.unlock(drive)
  const lock = other()
  assert.ok(lock !== undefined)
  assert.match(formation.lock(drive).refusal ?? '', /in use by another server/)
  assert.match(formation.retry(drive).refusal ?? '', /in use by another server/)
  lock.release()
  assert.equal(formation.lock(drive).refusal, undefined)
  assert.equal(other(), undefined)
})

test('swapped drives are refused with both places in the message', (context) => {
  const { root, endpoints } = folders(context, 4)
  formOnce(endpoints)
  renameSync(join(root, 'd1'), join(root, 'x'))
  renameSync(join(root, 'd2'), join(root, 'd1'))
  renameSync(join(root, 'x'), join(root, 'd2'))
  const [first, second, third] = refusals(formOnce(endpoints))
  assert.match(
    first ?? '',
    /unexpected drive ordering on pool: 1st: found drive at \(set=1st, drive=2nd\), expected at \(set=1st, drive=1st\)/,
  )
  assert.match(second ?? '', /unexpected drive ordering/)
  assert.equal(third, undefined)
})

test('a drive of another deployment is refused and left as it is', (context) => {
  const own = folders(context, 4)
  const other = folders(context, 4)
  formOnce(own.endpoints)
  formOnce(other.endpoints)
  const path = join(own.root, 'd3')
  rmSync(path, { recursive: true })
  cpSync(join(other.root, 'd3'), path, { recursive: true })
  const before = readFileSync(join(path, '.minio.sys/format.json'))
  assert.match(refusals(formOnce(own.endpoints))[2] ?? '', /another deployment/)
  assertBytes(readFileSync(join(path, '.minio.sys/format.json')), before)
})

test('a blank drive takes the place of the one it replaces and is to be filled', (context) => {
  const { root, endpoints } = folders(context, 4)
  const before = formOnce(endpoints)
  rmSync(join(root, 'd2'), { recursive: true })
  mkdirSync(join(root, 'd2'))
  const after = formOnce(endpoints)
  const drive = after.pools[0]?.sets[0]?.[1]
  assert.equal(drive?.refusal, undefined)
  assert.equal(drive?.isHealing, true)
  assert.equal(drive?.driveId, before.pools[0]?.sets[0]?.[1]?.driveId)
  assert.equal(formOnce(endpoints).pools[0]?.sets[0]?.[1]?.isHealing, true)
})

test('a blank drive never takes the place of one that is named elsewhere', (context) => {
  const { root, endpoints } = folders(context, 4)
  formOnce(endpoints)
  renameSync(join(root, 'd4'), join(root, 'x'))
  mkdirSync(join(root, 'd4'))
  rmSync(join(root, 'd1'), { recursive: true })
  renameSync(join(root, 'x'), join(root, 'd1'))
  const [first, second, third, last] = refusals(formOnce(endpoints))
  assert.match(first ?? '', /unexpected drive ordering/)
  assert.deepEqual([second, third], [undefined, undefined])
  assert.match(last ?? '', /blank, and the drive of its place is here as ".*d1": name the drives/)
  assert.equal(existsSync(join(root, 'd4/.minio.sys/format.json')), false)
})

test('a start with most drives at other places waits, and tells why', (context) => {
  const { root, endpoints } = folders(context, 4)
  formOnce(endpoints)
  const shifted = [...endpoints.slice(1), join(root, 'd5')]
  mkdirSync(join(root, 'd5'))
  assert.throws(
    () => formOnce(shifted),
    (error: unknown) =>
      error instanceof FormationError &&
      error.temporary &&
      /minimum of 2 drives.*d2": unexpected drive ordering/.test(error.message),
  )
})

test('a first formatting that was cut short is completed', (context) => {
  const { root, endpoints } = folders(context, 4)
  const before = formOnce(endpoints)
  for (const name of ['d3', 'd4']) {
    const meta = join(root, name, '.minio.sys')
    renameSync(join(meta, 'format.json'), join(meta, 'cairn/format.json.new'))
  }
  const after = formOnce(endpoints)
  assert.equal(after.deploymentId, before.deploymentId)
  assert.ok(
    after.pools[0]?.sets[0]?.every(({ isHealing, refusal }) => !isHealing && refusal === undefined),
  )
})

test('a first formatting that is killed at any step is completed by the next start', (context) => {
  const real = nodeFileSystem()
  for (let survived = 0; ; survived++) {
    const { root, endpoints } = folders(context, 3)
    const killed = killedAfter(real, survived)
    let isKilled = false
    try {
      form(endpoints, 3, { ...OPTIONS, fileSystem: killed }).release()
    } catch (error) {
      isKilled = true
      if (!(error instanceof Killed) && !(error instanceof FormationError)) throw error
    }
    const formation = formOnce(endpoints)
    const drives = formation.pools.flatMap(({ sets }) => sets.flat())
    assert.deepEqual(refusals(formation), [undefined, undefined, undefined], `step ${survived}`)
    assert.ok(
      drives.every((drive) => !drive.isHealing),
      `step ${survived}: no drive is replaced`,
    )
    for (const { endpoint, driveId } of drives) {
      const format = parseFormat(readFileSync(join(endpoint, '.minio.sys/format.json')))
      assert.equal(format.driveId, driveId)
      assert.equal(format.deploymentId, formation.deploymentId)
    }
    rmSync(root, { recursive: true })
    if (!isKilled) break
  }
})

test('a new drive without room is worth waiting for, and no rubbish gathers on it', (context) => {
  const real = nodeFileSystem()
  const { endpoints } = folders(context, 2)
  const full: FileSystem = {
    ...real,
    write: () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    },
  }
  for (let attempt = 0; attempt < 2; attempt++) {
    assert.throws(
      () => form(endpoints, 2, { ...OPTIONS, fileSystem: full }),
      (error) =>
        error instanceof FormationError && error.temporary && /d1": ENOSPC/.test(error.message),
    )
  }
  assert.deepEqual(readdirSync(join(endpoints[0] ?? '', '.minio.sys')), ['cairn'])
  assert.deepEqual(refusals(formOnce(endpoints)), [undefined, undefined])
})

class Killed extends Error {}

/** A file system whose process is killed after so many changes: all later ones throw. */
function killedAfter(fileSystem: FileSystem, changes: number): FileSystem {
  let left = changes
  const spend = (): void => {
    if (left-- <= 0) throw new Killed('killed')
  }
  return {
    ...fileSystem,
    open: (path, mode) => {
      if (mode !== 'read') spend()
      return fileSystem.open(path, mode)
    },
    write: (file, chunks) => {
      spend()
      fileSystem.write(file, chunks)
    },
    makeDirectory: (path) => {
      spend()
      fileSystem.makeDirectory(path)
    },
    rename: (from, to) => {
      spend()
      fileSystem.rename(from, to)
    },
    unlink: (path) => {
      spend()
      fileSystem.unlink(path)
    },
  }
}

test('another number of drives or set size ends the start with a message', (context) => {
  const { endpoints } = folders(context, 8)
  formOnce(endpoints, 4)
  assert.throws(
    () => form(endpoints.slice(0, 4)),
    /already being used in another erasure deployment/,
  )
  assert.throws(() => form(endpoints, 8), /already formatted with 4 drives per erasure set/)
})

test('too few drives of a formatted pool are worth waiting for', (context) => {
  const { root, endpoints } = folders(context, 4)
  formOnce(endpoints)
  for (const name of ['d1', 'd2', 'd3']) {
    rmSync(join(root, name), { recursive: true })
    writeFileSync(join(root, name), 'a file')
  }
  assert.throws(
    () => form(endpoints),
    (error) =>
      error instanceof FormationError &&
      error.temporary &&
      /minimum of 2 drives.*d3": drive path is not a folder/.test(error.message),
  )
})

test('objects without a format are never formatted over', (context) => {
  const { root, endpoints } = folders(context, 2)
  mkdirSync(join(root, 'd1/photos/2026/may/cat'), { recursive: true })
  writeFileSync(join(root, 'd1/photos/2026/may/cat/xl.meta'), 'XL2 ')
  assert.throws(() => form(endpoints), /holds objects in "photos" but has lost its format.json/)
})

test('damaged formats and files in place of folders are refused with the reason', (context) => {
  const { root, endpoints } = folders(context, 4)
  formOnce(endpoints)
  writeFileSync(join(root, 'd1/.minio.sys/format.json'), '{"version":')
  rmSync(join(root, 'd2'), { recursive: true })
  writeFileSync(join(root, 'd2'), 'a file')
  const found = refusals(formOnce(endpoints))
  assert.match(found[0] ?? '', /not valid JSON/)
  assert.match(found[1] ?? '', /not a folder/)
})

test('several drives on the root file system are refused unless allowed', (context) => {
  const { endpoints } = folders(context, 4)
  const options = {
    ...OPTIONS,
    allowRootDrive: false,
    rootDriveThresholdBytes: Number.MAX_SAFE_INTEGER,
  }
  assert.throws(() => form(endpoints, 4, options), /part of root drive/)
})

test('staging of an earlier run goes to the trash', (context) => {
  const { root, endpoints } = folders(context, 1)
  formOnce(endpoints)
  writeFileSync(join(root, 'd1/.minio.sys/tmp/left-over'), 'x')
  formOnce(endpoints)
  assert.equal(existsSync(join(root, 'd1/.minio.sys/tmp/left-over')), false)
})

test('a second pool gets the deployment id of the first', (context) => {
  const { endpoints } = folders(context, 8)
  const first = formOnce(endpoints.slice(0, 4))
  const both = formDrives(
    [
      { endpoints: endpoints.slice(0, 4), setSize: 4 },
      { endpoints: endpoints.slice(4), setSize: 4 },
    ],
    OPTIONS,
  )
  both.release()
  assert.equal(both.deploymentId, first.deploymentId)
})
