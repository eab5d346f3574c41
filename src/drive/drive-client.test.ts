import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { utf8 } from '#base/bytes'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { createLog } from '#observe/log'
import { assertBytes } from '#testing/bytes'
import { codeOf, valueOf } from '#testing/drive-samples'
import { DriveError, MULTIPART_VOLUME, TMP_VOLUME } from './drive.ts'
import { DriveClient } from './drive-client.ts'
import {
  CLAIM,
  createDriveStates,
  DriveStateCell,
  type WireBatch,
  type WireCall,
} from './drive-messages.ts'
import { DriveSupervisor } from './drive-supervisor.ts'
import { encodeFormat, newFormats } from './format-json.ts'
import { encodeDeleteMarker, encodeObjectVersion, NULL_VERSION_ID, XlMeta } from './xl-meta.ts'

const clock = systemClock()
const seed = createCodecSeed({ regionSizesBytes: [4 * 1024 * 1024, 0, 0] })
const codec = new Codec(seed, 0)
const DATA_DIR = 'aaaaaaaabbbbccccddddeeeeeeeeeeee'
const DATA_DIR_TEXT = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'

interface Fixture {
  readonly client: DriveClient
  readonly root: string
  readonly lines: string[]
  readonly supervisor: DriveSupervisor
  readonly state: DriveStateCell
}

/** A drive on a thread of its own, formatted, online. */
async function startDrive(
  context: TestContext,
  options: { timeoutMs?: number; entry?: URL } = {},
): Promise<Fixture> {
  const root = mkdtempSync(join(tmpdir(), 'cairn-drive-thread-'))
  const [format] = newFormats({ setCount: 1, setSize: 1 }, systemRandom())
  assert.ok(format !== undefined)
  mkdirSync(join(root, '.minio.sys/tmp'), { recursive: true })
  writeFileSync(join(root, '.minio.sys/format.json'), encodeFormat(format))
  const states = createDriveStates(1)
  const lines: string[] = []
  const log = createLog(clock, { format: 'text', level: 'info', print: (line) => lines.push(line) })
  const timeoutMs = options.timeoutMs ?? 20_000
  const client = new DriveClient({
    endpoint: root,
    clock,
    log,
    states,
    driveIndex: 0,
    arena: codec.memory.buffer,
    timeoutMs,
  })
  const supervisor = new DriveSupervisor({
    ...options,
    clock,
    log,
    timeoutMs,
    clientCount: 1,
    onConnections: ([connection]) => connection && client.connect(connection),
    host: {
      root,
      durability: 'strict',
      mayHoldV1: false,
      driveId: format.driveId,
      mayBeRootDrive: true,
      isMonitored: true,
      seed,
      regionIndex: 1,
      states,
      driveIndex: 0,
      log: { format: 'text', level: 'error' },
    },
  })
  supervisor.start()
  context.after(async () => {
    await supervisor.stop()
    client.close()
    rmSync(root, { recursive: true, force: true })
  })
  const state = new DriveStateCell(states, 0)
  if (options.entry === undefined) {
    await until(async () => client.isOnline() && !((await client.info()) instanceof DriveError))
  }
  return { client, root, lines, supervisor, state }
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 20_000) {
  const endMs = clock.monotonicMs() + timeoutMs
  while (!(await condition())) {
    assert.ok(clock.monotonicMs() < endMs, 'Condition did not come true in time')
    await delay(10)
  }
}

function version(modifiedNs: bigint, systemMetadata = new Map<string, Uint8Array>()) {
  return encodeObjectVersion(
    {
      versionId: NULL_VERSION_ID,
      dataDir: DATA_DIR,
      dataShards: 1,
      parityShards: 0,
      blockSizeBytes: 1_048_576,
      shardIndex: 1,
      distribution: [1],
      parts: [{ number: 1, sizeBytes: 5, actualSizeBytes: 5 }],
      sizeBytes: 5,
      modifiedNs,
      systemMetadata,
      userMetadata: new Map([['etag', 'x']]),
      writerTime: 1_800_000_000,
    },
    codec,
  )
}

const inlineVersion = (modifiedNs: bigint) =>
  version(modifiedNs, new Map([['x-minio-internal-inline-data', utf8('true')]]))

test('every method of the drive works through its thread', async (context) => {
  const { client, root } = await startDrive(context)
  const info = valueOf(await client.info())
  assert.ok(info.totalBytes > 0)
  valueOf(await client.makeVolume('bucket'))
  assert.equal(valueOf(await client.statVolume('bucket')).name, 'bucket')
  assert.equal(typeof valueOf(await client.statVolume('bucket')).createdNs, 'bigint')
  assert.deepEqual(
    valueOf(await client.listVolumes()).map((volume) => volume.name),
    ['bucket'],
  )

  // An inline version whose bytes lie in the arena.
  using slot = await codec.arena.acquire(65_536)
  slot.bytes.set(utf8('hello'))
  const commit = valueOf(
    await client.commitVersion({
      volume: 'bucket',
      path: 'a/b',
      version: inlineVersion(1000n),
      inline: slot.bytes.subarray(0, 5),
      mode: 'write',
      backup: false,
    }),
  )
  assert.equal(typeof commit.versionsHash, 'string')
  const bytes = valueOf(await client.readMetadata('bucket', 'a/b', { inline: true }))
  assertBytes(XlMeta.parse(bytes, codec).inline(NULL_VERSION_ID), utf8('hello'))
  valueOf(await client.updateVersion('bucket', 'a/b', inlineVersion(1000n)))
  const stale = await client.commitVersion({
    volume: 'bucket',
    path: 'a/b',
    version: inlineVersion(999n),
    inline: utf8('older'),
    mode: 'write',
    backup: false,
  })
  assert.ok(stale instanceof DriveError)
  assert.equal(stale.code, 'StaleCommit')
  assert.equal(stale.newestNs, 1000n)

  // Staged data from the arena and from own memory, committed with a backup of what it replaces.
  slot.bytes.fill(7)
  const chunks = [slot.bytes.subarray(0, 1000), new Uint8Array(5000).fill(8).subarray(100, 600)]
  valueOf(await client.appendStaged('up/part.1', chunks, { last: false }))
  valueOf(await client.appendStaged('up/part.1', [utf8('end')], { last: true }))
  valueOf(
    await client.commitVersion({
      volume: 'bucket',
      path: 'a/b',
      version: version(2000n),
      source: { volume: TMP_VOLUME, path: 'up' },
      mode: 'write',
      backup: true,
    }),
  )
  const part = `a/b/${DATA_DIR_TEXT}/part.1`
  assert.equal(readFileSync(join(root, 'bucket', part)).length, 1503)
  assert.deepEqual(
    valueOf(await client.statFiles('bucket', `a/b/${DATA_DIR_TEXT}`, ['part.1', 'part.2'])),
    [1503, undefined],
  )
  slot.bytes.fill(0)
  valueOf(await client.readFile('bucket', part, 998, slot.bytes.subarray(10, 14), 5))
  assert.deepEqual([...slot.bytes.subarray(9, 15)], [0, 7, 7, 8, 8, 0])
  const own = new Uint8Array(8)
  valueOf(await client.readFile('bucket', part, 1498, own.subarray(2, 7), 5))
  assert.deepEqual([...own], [0, 0, 8, 8, 101, 110, 100, 0])
  client.closeStream(5)
  assert.equal(codeOf(await client.readFile('bucket', part, 1500, own)), 'FileCorrupt')

  const pages = valueOf(
    await client.walk({
      volume: 'bucket',
      prefix: '',
      startAfter: '',
      recursive: false,
      limit: 10,
      metadata: true,
    }),
  )
  const folder = { name: 'a/', isPrefix: true, firstKey: 'a/b' }
  assert.deepEqual(pages, { entries: [folder], done: true })
  const page = valueOf(
    await client.walk({
      volume: 'bucket',
      prefix: '',
      startAfter: '',
      recursive: true,
      limit: 10,
      metadata: true,
    }),
  )
  assert.equal(page.entries[0]?.name, 'a/b')
  assertBytes(
    page.entries[0]?.metadata,
    valueOf(await client.readMetadata('bucket', 'a/b', { inline: false })),
  )

  const metadata = valueOf(await client.readMetadata('bucket', 'a/b', { inline: true }))
  valueOf(await client.replaceMetadata('bucket', 'a/b', metadata))
  valueOf(await client.purgeDataDir('bucket', 'a/b', DATA_DIR_TEXT))
  const marker = encodeDeleteMarker(
    {
      versionId: 'ab'.repeat(16),
      modifiedNs: 3000n,
      systemMetadata: new Map(),
      writerTime: 1_800_000_000,
    },
    codec,
  )
  const deleted = valueOf(
    await client.deleteVersions('bucket', 'a/b', [
      { versionId: NULL_VERSION_ID, notNewerThanNs: 1n },
      { add: marker },
      { versionId: NULL_VERSION_ID },
      { versionId: 'ab'.repeat(16) },
    ]),
  )
  assert.equal(codeOf(deleted[0] ?? new DriveError('Unexpected', 'missing')), 'StaleCommit')
  assert.deepEqual(deleted.at(-1), { found: true, versionsLeft: 0 })
  const gone = await client.readMetadata('bucket', 'a/b', { inline: true })
  assert.ok(gone instanceof DriveError)
  assert.equal(gone.code, 'FileNotFound')
  assert.equal(codeOf(await client.restoreBackup('bucket', 'a/b', DATA_DIR_TEXT)), 'FileNotFound')
  assert.notEqual(
    codeOf(await client.undoCommit('bucket', 'a/b', NULL_VERSION_ID, undefined)),
    'Unexpected',
  )

  valueOf(await client.writeSmallFile(MULTIPART_VOLUME, 'sha/upload/xl.meta', utf8('upload')))
  valueOf(await client.appendStaged('up2/part.1', [utf8('part')], { last: true }))
  valueOf(
    await client.commitPart({
      staged: 'up2/part.1',
      directory: 'sha/upload/dir',
      partNumber: 1,
      metadata: utf8('meta'),
    }),
  )
  valueOf(await client.discardStaged('up2'))
  valueOf(await client.writeSmallFile('bucket', 'small', utf8('one')))
  valueOf(await client.appendSmallFile('bucket', 'small', utf8('two')))
  assert.deepEqual(valueOf(await client.readSmallFiles('bucket', ['small', 'none'])), [
    utf8('onetwo'),
    undefined,
  ])
  assert.deepEqual(valueOf(await client.listDirectory('bucket', '', 10)), ['small'])
  valueOf(await client.writeSmallFile('bucket', 'key/xl.meta', utf8('any')))
  assert.equal(codeOf(await client.deleteVolume('bucket', { force: false })), 'VolumeNotEmpty')
  valueOf(await client.trash('bucket', 'small'))
  valueOf(await client.deleteVolume('bucket', { force: true }))
  assert.equal(codeOf(await client.statVolume('bucket')), 'VolumeNotFound')
  assert.equal(valueOf(await client.emptyTrash(100)).left, 0)
})

/** A client whose drive thread is played by the test, at the other end of `port`. */
function unhosted(options: { readonly timeoutMs?: number; readonly callsInFlightMax?: number }) {
  const { port1, port2 } = new MessageChannel()
  const states = createDriveStates(1)
  const state = new DriveStateCell(states, 0)
  state.set('online')
  const lines: string[] = []
  const client = new DriveClient({
    endpoint: '/none',
    clock,
    log: createLog(clock, { format: 'text', level: 'error', print: (line) => lines.push(line) }),
    states,
    driveIndex: 0,
    arena: codec.memory.buffer,
    ...options,
  })
  const claims = new Int32Array(new SharedArrayBuffer(4 * 8))
  client.connect({ port: port1, claims: claims.buffer })
  return { client, state, claims, port: port2, lines }
}

test('calls of one turn travel in one message', async () => {
  const { client, port } = unhosted({ callsInFlightMax: 3 })
  const batches: WireBatch<WireCall>[] = []
  port.on('message', (batch: WireBatch<WireCall>) => {
    batches.push(batch)
    port.postMessage({ items: batch.items.map(([slot]) => [slot, undefined]), bytes: undefined })
  })
  const results = await Promise.all([
    client.makeVolume('a'),
    client.writeSmallFile('b', 'c', utf8('12')),
    client.writeSmallFile('b', 'd', utf8('345')),
    client.makeVolume('one too many'),
  ])
  assert.deepEqual(results.map(codeOf), ['ok', 'ok', 'ok', 'DriveTimeout'])
  assert.equal(batches.length, 1)
  assertBytes(batches[0]?.bytes, utf8('12345'))
  assert.equal(codeOf(await client.makeVolume('slots come back')), 'ok')
  client.close()
  port.close()
})

test('a call given up is never begun, and a read that has begun is over with its thread', async () => {
  const { client, state, claims, port, lines } = unhosted({ timeoutMs: 50 })
  const waiting = client.makeVolume('a')
  const running = client.makeVolume('b')
  const reading = client.readFile('a', 'b', 0, codec.memory.subarray(0, 8))
  const elsewhere = client.readFile('a', 'b', 0, new Uint8Array(8))
  for (const slot of [1, 2, 3]) Atomics.store(claims, slot, CLAIM.running)
  assert.equal(codeOf(await waiting), 'DriveTimeout')
  assert.equal(codeOf(await running), 'DriveTimeout')
  const { cancelled, running: begun } = CLAIM
  assert.deepEqual([...claims.subarray(0, 4)], [cancelled, begun, begun, begun])
  const given = await reading
  assert.ok(given instanceof DriveError && given.settled !== undefined)
  let isSettled = false
  void given.settled.then(() => (isSettled = true))
  const other = await elsewhere
  assert.ok(other instanceof DriveError && other.settled === undefined)
  assert.equal(state.get(), 'faulty')
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /taking drive \/none offline/)
  assert.equal(codeOf(await client.makeVolume('c')), 'DriveFaulty')
  await delay(20)
  assert.equal(isSettled, false)
  port.close()
  await given.settled
  client.close()
})

test('a call taken back is never begun, and tells by its deadline that the drive hangs', async () => {
  const { client, state, claims, port } = unhosted({ timeoutMs: 500 })
  const first = client.makeVolume('a')
  const begun = client.makeVolume('b')
  const last = client.makeVolume('c')
  Atomics.store(claims, 1, CLAIM.running)
  assert.equal(client.withdraw(first), true)
  assert.equal(client.withdraw(begun), false)
  assert.equal(client.withdraw(last), true)
  const { cancelled, running } = CLAIM
  assert.deepEqual([...claims.subarray(0, 3)], [cancelled, running, cancelled])
  assert.equal(client.isOnline(), true)
  // The host gives back the slot of a call that it could not claim.
  const items = [0, 1].map((slot) => [slot, undefined])
  port.postMessage({ items, bytes: undefined })
  assert.equal(codeOf(await first), 'DriveTimeout')
  assert.equal(codeOf(await begun), 'ok')
  assert.equal(state.get(), 'online')
  assert.equal(codeOf(await last), 'DriveTimeout')
  assert.equal(state.get(), 'faulty')
  assert.equal(client.withdraw(last), false)
  client.close()
  port.close()
})

test('a drive thread passes over calls that were taken back', async (context) => {
  const { client, root } = await startDrive(context)
  const fifo = join(root, 'bucket/fifo')
  mkdirSync(join(root, 'bucket'))
  execFileSync('mkfifo', [fifo])
  // Opening a pipe that nobody reads blocks the thread.
  const stuck = client.appendSmallFile('bucket', 'fifo', utf8('x'))
  const behind = client.makeVolume('behind')
  const kept = client.makeVolume('kept')
  await delay(300)
  assert.equal(client.withdraw(stuck), false)
  assert.equal(client.withdraw(behind), true)
  const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  assert.equal(codeOf(await behind), 'DriveTimeout')
  assert.equal(codeOf(await kept), 'ok')
  assert.equal(codeOf(await client.statVolume('behind')), 'VolumeNotFound')
  assert.equal(client.isOnline(), true)
  await stuck
  closeSync(reader)
})

test('a thread stuck in a system call is replaced, other drives go on', async (context) => {
  const stuck = await startDrive(context, { timeoutMs: 1500 })
  const fifo = join(stuck.root, 'bucket/fifo')
  mkdirSync(join(stuck.root, 'bucket'))
  execFileSync('mkfifo', [fifo])
  using slot = await codec.arena.acquire(65_536)
  slot.bytes.fill(1)
  const startMs = clock.monotonicMs()
  // Opening a pipe without a writer blocks the thread for good; nothing can end it.
  const read = stuck.client.readFile('bucket', 'fifo', 0, slot.bytes.subarray(0, 4))
  const behind = stuck.client.makeVolume('behind')
  const results = await Promise.all([read, behind])
  const tookMs = clock.monotonicMs() - startMs
  assert.deepEqual(results.map(codeOf), ['DriveTimeout', 'DriveTimeout'])
  assert.ok(tookMs >= 1400 && tookMs < 4000, `took ${tookMs} ms`)
  assert.equal(stuck.client.isOnline(), false)
  assert.equal(codeOf(await stuck.client.info()), 'DriveFaulty')
  const other = await startDrive(context)
  valueOf(await other.client.makeVolume('bucket'))
  await until(() => stuck.state.change('returning', 'online'))
  valueOf(await stuck.client.statVolume('bucket'))
  assert.equal(codeOf(await stuck.client.statVolume('behind')), 'VolumeNotFound')
  assert.equal(stuck.supervisor.hasAbandoned, true)
  assert.ok(stuck.lines.some((line) => line.includes(`taking drive ${stuck.root} offline`)))
  // The old thread wakes: it ends without touching anything.
  writeFileSync(openSync(fifo, constants.O_RDWR), 'late')
  await until(() => !stuck.supervisor.hasAbandoned)
  assert.deepEqual([...slot.bytes.subarray(0, 4)], [1, 1, 1, 1])
})

test('a drive emptied, given a foreign format, and put back is noticed within a second', async (context) => {
  const { client, root, state } = await startDrive(context, { timeoutMs: 2000 })
  const path = join(root, '.minio.sys/format.json')
  const format = readFileSync(path)
  valueOf(await client.makeVolume('bucket'))
  const noticed = (code: string) =>
    until(async () => codeOf(await client.trash('bucket', 'x')) === code, 2500)
  rmSync(path)
  await noticed('DriveUnformatted')
  assert.equal(state.get(), 'unformatted')
  assert.equal(codeOf(await client.statVolume('bucket')), 'ok')
  const [foreign] = newFormats({ setCount: 1, setSize: 1 }, systemRandom())
  assert.ok(foreign !== undefined)
  writeFileSync(path, encodeFormat(foreign))
  await noticed('DriveNotFound')
  writeFileSync(path, format)
  await until(() => state.change('returning', 'online'), 8000)
  valueOf(await client.statVolume('bucket'))
  rmSync(root, { recursive: true })
  await noticed('DriveNotFound')
})

test('a thread that ends takes its calls with it at once, and is started again', async (context) => {
  // Says that it is ready and ends with the first call.
  const program = `
    import { parentPort, workerData } from 'node:worker_threads'
    parentPort.postMessage({ kind: 'ready' })
    parentPort.on('message', ({ id }) => parentPort.postMessage({ kind: 'pong', id }))
    for (const { port } of workerData.connections) port.on('message', () => process.exit(1))`
  const entry = new URL(`data:text/javascript,${encodeURIComponent(program)}`)
  const { client, state, lines, root } = await startDrive(context, { entry, timeoutMs: 1000 })
  for (const round of [1, 2]) {
    await until(async () => {
      state.set('online')
      return (await client.info()) instanceof DriveError && state.generation === round + 1
    })
  }
  assert.ok(lines.some((line) => line.includes(`taking drive ${root} offline: its thread ended`)))
})

test('a thread whose program fails is reported and tried again', async (context) => {
  const entry = new URL('data:text/javascript,throw new Error("No such luck")')
  const { client, state, lines } = await startDrive(context, { entry, timeoutMs: 2000 })
  await until(() => state.generation >= 3)
  assert.equal(state.get(), 'faulty')
  assert.equal(codeOf(await client.info()), 'DriveFaulty')
  assert.match(lines[0] ?? '', /its thread failed .*No such luck/)
})

test('a thread that blocks without a call is replaced', async (context) => {
  const program = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`
  const entry = new URL(`data:text/javascript,${encodeURIComponent(program)}`)
  const { supervisor, state, lines } = await startDrive(context, { entry, timeoutMs: 500 })
  await until(() => state.generation >= 2)
  assert.match(lines[0] ?? '', /its thread does not answer for 500 ms/)
  await until(() => !supervisor.hasAbandoned)
})
