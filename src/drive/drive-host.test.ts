import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { utf8 } from '#base/bytes'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { SILENT_LOG } from '#observe/log'
import { assertBytes } from '#testing/bytes'
import { driveConformance } from '#testing/drive-conformance'
import { codeOf, valueOf } from '#testing/drive-samples'
import { DriveError, type Drive } from './drive.ts'
import { DriveClient } from './drive-client.ts'
import { DriveHost } from './drive-host.ts'
import { CALLS_IN_FLIGHT_MAX, createDriveStates, DriveStateCell } from './drive-messages.ts'
import { LocalDrive } from './local/local-drive.ts'
import { nodeFileSystem } from './local/node-file-system.ts'

const clock = systemClock()
const codec = new Codec(createCodecSeed({ regionSizesBytes: [4 * 1024 * 1024] }), 0)

function localDrive(context: TestContext): LocalDrive {
  const root = mkdtempSync(join(tmpdir(), 'cairn-drive-host-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  return new LocalDrive({
    fileSystem: nodeFileSystem(),
    root,
    clock,
    random: systemRandom(),
    hashes: codec,
    durability: 'relaxed',
    mayHoldV1: false,
  })
}

/** Clients of `drive` that talk to it by messages, all in this thread. */
function connected(
  context: TestContext,
  drive: Drive,
  options: { count?: number; timeoutMs?: number } = {},
): { clients: DriveClient[]; state: DriveStateCell } {
  const watch = { refusalOf: () => undefined, observe: () => undefined }
  const host = new DriveHost(drive, watch, codec.memory)
  const states = createDriveStates(1)
  const state = new DriveStateCell(states, 0)
  state.set('online')
  const clients = Array.from({ length: options.count ?? 1 }, () => {
    const client = new DriveClient({
      endpoint: drive.endpoint,
      clock,
      log: SILENT_LOG,
      states,
      driveIndex: 0,
      arena: codec.memory.buffer,
      timeoutMs: options.timeoutMs ?? 20_000,
    })
    const { port1, port2 } = new MessageChannel()
    const claims = new SharedArrayBuffer(4 * CALLS_IN_FLIGHT_MAX)
    host.serve({ port: port2, claims })
    client.connect({ port: port1, claims })
    return client
  })
  context.after(() => {
    for (const client of clients) client.close()
    host.close()
  })
  return { clients, state }
}

function oneClient(context: TestContext, drive: Drive, timeoutMs?: number): DriveClient {
  const [client] = connected(context, drive, timeoutMs === undefined ? {} : { timeoutMs }).clients
  assert.ok(client !== undefined)
  return client
}

/** The drive with some methods replaced. */
function variantOf(drive: Drive, changes: Partial<Drive>): Drive {
  return new Proxy(drive, {
    get: (target, name) => {
      const changed: unknown = Reflect.get(changes, name)
      if (changed !== undefined) return changed
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

driveConformance('by messages', (context) => oneClient(context, localDrive(context)))

test('a read that was given up tells when it is over, and calls behind it are not begun', async (context) => {
  let finish = (): void => undefined
  const made: string[] = []
  const drive = variantOf(localDrive(context), {
    readFile: (_volume, _path, _offset, target) =>
      new Promise((resolve) => {
        finish = () => {
          target.fill(9)
          resolve(undefined)
        }
      }),
    makeVolume: (volume) => {
      made.push(volume)
      return Promise.resolve(undefined)
    },
  })
  const { clients, state } = connected(context, drive, { timeoutMs: 60 })
  const [client] = clients
  assert.ok(client !== undefined)
  using slot = await codec.arena.acquire(65_536)
  slot.bytes.fill(1)
  const read = client.readFile('bucket', 'file', 0, slot.bytes.subarray(0, 100))
  const behind = client.makeVolume('behind')
  const given = await read
  assert.ok(given instanceof DriveError && given.settled !== undefined)
  const outcomes = [given, await behind]
  assert.deepEqual(outcomes.map(codeOf), ['DriveTimeout', 'DriveTimeout'])
  let isSettled = false
  void given.settled.then(() => (isSettled = true))
  await delay(20)
  assert.equal(isSettled, false)
  assert.equal(slot.bytes[0], 1)
  finish()
  await given.settled
  assert.equal(slot.bytes[0], 9)
  state.set('online')
  assert.equal(codeOf(await client.makeVolume('after')), 'ok')
  assert.deepEqual(made, ['after'])
})

test('reads are answered while a change waits for its flush', async (context) => {
  let flush = (): void => undefined
  const drive = variantOf(localDrive(context), {
    writeSmallFile: () => new Promise((resolve) => (flush = () => resolve(undefined))),
  })
  const client = oneClient(context, drive)
  valueOf(await client.makeVolume('bucket'))
  const order: string[] = []
  const write = client.writeSmallFile('bucket', 'a', utf8('x')).then(() => order.push('write'))
  valueOf(await client.statVolume('bucket'))
  order.push('read')
  flush()
  await write
  assert.deepEqual(order, ['read', 'write'])
})

test('several clients use one drive at once, with large replies both ways', async (context) => {
  const { clients } = connected(context, localDrive(context), { count: 3 })
  const [first] = clients
  assert.ok(first !== undefined)
  valueOf(await first.makeVolume('bucket'))
  const bytesOf = (index: number) => new Uint8Array(100_000 + index).fill(index + 1)
  const writes = clients.flatMap((client, c) =>
    [0, 1, 2, 3].map((i) => client.writeSmallFile('bucket', `f${4 * c + i}`, bytesOf(4 * c + i))),
  )
  for (const result of await Promise.all(writes)) valueOf(result)
  const reads = await Promise.all(
    clients.map((client) =>
      client.readSmallFiles(
        'bucket',
        Array.from({ length: 12 }, (_, i) => `f${i}`),
      ),
    ),
  )
  for (const files of reads) {
    for (const [i, bytes] of valueOf(files).entries()) assertBytes(bytes, bytesOf(i))
  }
})

test('appends of one file keep their order, from the arena and from elsewhere', async (context) => {
  const client = oneClient(context, localDrive(context))
  using slot = await codec.arena.acquire(65_536)
  for (let i = 0; i < 50; i++) slot.bytes.fill(i, i * 100, i * 100 + 100)
  const appends = Array.from({ length: 50 }, (_, i) =>
    client.appendStaged('up/part.1', [slot.bytes.subarray(i * 100, i * 100 + 50), utf8(`${i};`)], {
      last: i === 49,
    }),
  )
  for (const result of await Promise.all(appends)) valueOf(result)
  const [bytes] = valueOf(await client.readSmallFiles('.minio.sys/tmp', ['up/part.1']))
  const expected = Array.from({ length: 50 }, (_, i) => [
    ...new Uint8Array(50).fill(i),
    ...utf8(`${i};`),
  ])
  assert.deepEqual([...(bytes ?? [])], expected.flat())
})
