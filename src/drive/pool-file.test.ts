import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '#base/bytes'
import { FormatError, MsgpackWriter, ZERO_TIME_NS } from '#codec/msgpack'
import { encodeHealingTracker, newHealingTracker, parseHealingTracker } from './healing-tracker.ts'
import {
  encodePoolFile,
  parsePoolFile,
  type PoolFile,
  unfinishedPoolsMissing,
  withCommandLines,
} from './pool-file.ts'
import { parseRepairList } from './repair-list.ts'

function record(fields: readonly (readonly [string, boolean])[]): Uint8Array {
  const writer = new MsgpackWriter()
  writer.mapHeader(fields.length)
  for (const [name, value] of fields) {
    writer.text(name)
    writer.boolean(value)
  }
  return writer.copy()
}

const RUNNING = {
  complete: false,
  failed: false,
  canceled: false,
  raw: record([
    ['cmp', false],
    ['unknown', true],
  ]),
}
const FILE: PoolFile = {
  pools: [
    { index: 0, commandLine: '/a{1...4}', updatedNs: 5n, decommission: undefined },
    { index: 1, commandLine: '/b{1...4}', updatedNs: ZERO_TIME_NS, decommission: RUNNING },
  ],
}

describe('pool.bin', () => {
  test('pools and their whole decommission record survive', () => {
    assert.deepEqual(parsePoolFile(encodePoolFile(FILE)), FILE)
  })

  test('the same command lines change nothing', () => {
    assert.equal(withCommandLines(FILE, ['/a{1...4}', '/b{1...4}'], 9n), FILE)
  })

  test('known pools keep their state, others are new or dropped', () => {
    const changed = withCommandLines(FILE, ['/b{1...4}', '/c'], 9n)
    assert.deepEqual(changed.pools, [
      { ...FILE.pools[1], index: 0 },
      { index: 1, commandLine: '/c', updatedNs: 9n },
    ])
  })

  test('a pool that is still being emptied must stay on the command line', () => {
    assert.deepEqual(unfinishedPoolsMissing(FILE, ['/a{1...4}']), [FILE.pools[1]])
    assert.deepEqual(unfinishedPoolsMissing(FILE, ['/b{1...4}']), [])
  })

  test('truncated files and other versions are refused', () => {
    const bytes = encodePoolFile(FILE)
    for (let size = 0; size < bytes.length; size++) {
      assert.throws(() => parsePoolFile(bytes.subarray(0, size)), FormatError)
    }
  })
})

describe('.healing.bin', () => {
  const tracker = newHealingTracker({
    driveId: 'd',
    healId: 'h',
    pool: 0,
    set: 1,
    position: 2,
    path: '/mnt/d3',
    endpoint: '/mnt/d3',
    startedNs: 1_735_689_600_000_000_000n,
    buckets: ['.minio.sys/config', 'photos'],
  })

  test('a tracker has the 29 fields of the specification', () => {
    const bytes = encodeHealingTracker(tracker)
    assert.deepEqual([...bytes.subarray(0, 3)], [0xde, 0, 29])
  })

  test('a tracker survives, with fields that are unknown', () => {
    const parsed = parseHealingTracker(encodeHealingTracker(tracker))
    assert.equal(parsed.texts.get('ID'), 'd')
    assert.equal(parsed.positions.get('DiskIndex'), 2)
    assert.deepEqual(parsed.lists.get('QueuedBuckets'), ['.minio.sys/config', 'photos'])
    assert.equal(parsed.finished, false)
    const fields = record([['Future', true]]).subarray(1)
    const kept = { count: 1, fields }
    const more = { ...parsed, kept, counters: new Map([['BytesDone', 2 ** 40]] as const) }
    const again = parseHealingTracker(encodeHealingTracker(more))
    assert.deepEqual(again.kept, kept)
    assert.equal(again.counters.get('BytesDone'), 2 ** 40)
  })

  test('truncated trackers are refused', () => {
    const bytes = encodeHealingTracker(tracker)
    for (let size = 0; size < bytes.length; size++) {
      assert.throws(() => parseHealingTracker(bytes.subarray(0, size)), FormatError)
    }
  })
})

describe('list.bin', () => {
  const entry = new MsgpackWriter()
  entry.mapHeader(3)
  entry.text('Bucket')
  entry.text('photos')
  entry.text('Object')
  entry.text('a.jpg')
  entry.text('Versions')
  entry.nil()
  const header = new Uint8Array([1, 0, 1, 0])

  test('owed repairs are read up to the first damaged one', () => {
    const one = concatBytes([header, entry.copy()])
    assert.equal(parseRepairList(one)[0]?.path, 'a.jpg')
    const two = concatBytes([one, entry.copy()])
    assert.equal(parseRepairList(two).length, 2)
    assert.equal(parseRepairList(two.subarray(0, two.length - 1)).length, 1)
    assert.deepEqual(parseRepairList(header), [])
  })

  test('another format is refused', () => {
    assert.throws(() => parseRepairList(new Uint8Array([1, 0, 2, 0])), FormatError)
  })
})
