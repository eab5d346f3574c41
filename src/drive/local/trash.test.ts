import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { systemClock, type Clock } from '#base/clock'
import { seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { valueOf } from '#testing/drive-samples'
import { SimFileSystem } from '#testing/sim-file-system'
import { TMP_VOLUME } from '../drive.ts'
import { LocalDrive } from './local-drive.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
const HOUR_NS = 3_600_000_000_000n

function makeDrive(): {
  drive: LocalDrive
  fileSystem: SimFileSystem
  pass: (durationNs: bigint) => void
  slowDown: (lookMs: number) => void
} {
  let monotonicMs = 0
  let lookMs = 0
  let now = 1_000_000_000n
  const nowNs = (): bigint => ++now
  const fileSystem = new SimFileSystem({ nowNs })
  fileSystem.makeDirectory('/drive')
  const clock: Clock = { ...systemClock(), nowNs, monotonicMs: () => (monotonicMs += lookMs) }
  const drive = new LocalDrive({
    fileSystem,
    root: '/drive',
    clock,
    random: seededRandom(1),
    hashes: codec,
    durability: 'relaxed',
    mayHoldV1: false,
  })
  return {
    drive,
    fileSystem,
    pass: (durationNs) => (now += durationNs),
    slowDown: (ms) => (lookMs = ms),
  }
}

test('a large tree is removed over several calls', async () => {
  const { drive, fileSystem } = makeDrive()
  valueOf(await drive.makeVolume('bucket'))
  for (let i = 0; i < 2500; i++) fileSystem.makeDirectory(`/drive/bucket/${i}`)
  valueOf(await drive.deleteVolume('bucket', { force: true }))
  const lefts: number[] = []
  do {
    const { left } = valueOf(await drive.emptyTrash(100))
    lefts.push(left)
  } while (lefts.at(-1) !== 0 && lefts.length < 10)
  assert.deepEqual(lefts, [1, 1, 0])
  assert.deepEqual(fileSystem.list('/drive/.minio.sys/tmp/.trash'), [])
})

test('a call takes a moment only, and removes something each time', async () => {
  const { drive, fileSystem, slowDown } = makeDrive()
  valueOf(await drive.makeVolume('bucket'))
  for (let i = 0; i < 30; i++) fileSystem.makeDirectory(`/drive/bucket/${i}`)
  valueOf(await drive.deleteVolume('bucket', { force: true }))
  slowDown(4)
  assert.deepEqual(valueOf(await drive.emptyTrash(100)), { left: 1, removed: 3 })
  slowDown(1000)
  let calls = 0
  while (valueOf(await drive.emptyTrash(100)).left > 0) calls++
  assert.equal(calls, 26)
})

test('staging that nobody writes to any more goes after a day', async () => {
  const { drive, pass } = makeDrive()
  valueOf(await drive.appendStaged('open/part.1', [utf8('x')], { last: false }))
  valueOf(await drive.appendStaged('left/part.1', [utf8('x')], { last: true }))
  const staged = async (): Promise<readonly string[]> => {
    valueOf(await drive.emptyTrash(100))
    const names = valueOf(await drive.listDirectory(TMP_VOLUME, '', 10))
    return names.filter((name) => !name.startsWith('.')).toSorted()
  }
  pass(23n * HOUR_NS)
  assert.deepEqual(await staged(), ['left/', 'open/'])
  pass(2n * HOUR_NS)
  assert.deepEqual(await staged(), ['open/'])
})
