import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom, type Random } from '#base/random'
import { systemClock } from '#base/clock'
import { Codec } from '#codec/codec'
import { createCodecSeed } from '#codec/arena'
import { encodeKey } from '#drive/key-path'
import { XlMeta } from '#drive/xl-meta'
import {
  expected,
  metaOf,
  oneVersion,
  randomModel,
  randomText,
  shownIn,
  type Model,
  type ModelVersion,
} from '#testing/list-model'
import { MemoryDrive } from '#testing/memory-drive'
import { ObjectError } from '../object.ts'
import { Patience } from '../quorum/patience.ts'
import type { RepairItem } from '../repair-sink.ts'
import { listObjects, listVersions } from './lists.ts'
import type { ListedSet } from './set-names.ts'
import { WalkSource } from './walk-source.ts'

const BUCKET = 'bucket'
const codec = new Codec(createCodecSeed({ regionSizesBytes: [8 * 1_048_576] }), 0)

interface Cluster {
  readonly drives: readonly MemoryDrive[]
  readonly sets: readonly ListedSet[]
  readonly source: WalkSource
  readonly reports: RepairItem[]
}

function clusterOf(pools: number, setsPerPool: number, drivesPerSet: number): Cluster {
  const drives: MemoryDrive[] = []
  const sets: ListedSet[] = []
  for (let pool = 0; pool < pools; pool++) {
    for (let index = 0; index < setsPerPool; index++) {
      const own: MemoryDrive[] = []
      for (let i = 0; i < drivesPerSet; i++) {
        const drive = new MemoryDrive(`p${pool}s${index}d${i}`, codec)
        void drive.makeVolume(BUCKET)
        own.push(drive)
        drives.push(drive)
      }
      sets.push({ pool, index, drives: own, patience: new Patience(systemClock(), own) })
    }
  }
  const reports: RepairItem[] = []
  const repairs = { report: (item: RepairItem): void => void reports.push(item) }
  return {
    drives,
    sets,
    source: new WalkSource(
      { codec, repairs, storage: { standardParity: Math.floor(drivesPerSet / 2) } },
      sets,
    ),
    reports,
  }
}

/** Puts a key into one set of one pool, or its versions spread over the pools. */
function store(cluster: Cluster, model: Model, random: Random): void {
  const pools = Math.max(...cluster.sets.map((set) => set.pool)) + 1
  for (const [key, versions] of model) {
    const index = random.below(cluster.sets.filter((set) => set.pool === 0).length)
    for (let pool = 0; pool < pools; pool++) {
      const share = versions.filter((_, i) => pools === 1 || (i + key.length) % pools === pool)
      const set = cluster.sets.find((one) => one.pool === pool && one.index === index)
      if (share.length > 0 && set !== undefined) put(set, key, share)
    }
  }
}

function put(set: ListedSet, key: string, versions: readonly ModelVersion[]): void {
  for (const [position, drive] of set.drives.entries()) {
    assert.ok(drive instanceof MemoryDrive)
    void drive.replaceMetadata(BUCKET, encodeKey(key), metaOf(codec, versions, position + 1))
  }
}

const VERSIONED = { isUnversioned: false }

test('lists equal a sorted list for random keys, prefixes, delimiters, markers and pages', async () => {
  const random = seededRandom(11)
  for (let round = 0; round < 250; round++) {
    const markerShare = round % 3 === 0 ? 0 : 40
    const model = randomModel(random, markerShare)
    const cluster = clusterOf(1 + (round % 2), 1 + random.below(3), 4)
    store(cluster, model, random)
    const options = { isUnversioned: markerShare === 0 && round % 2 === 0 }
    const request = {
      prefix: randomText(random, 2),
      delimiter: ['', '/', '/', '-', 'b', 'a/', '/a'][random.below(7)] ?? '',
      startAfter: random.below(3) === 0 ? '' : randomText(random, 4),
    }
    const context = JSON.stringify({ round, request, keys: [...model.keys()] })
    const limit = 1 + random.below(6)

    const objects: string[] = []
    for (let marker = request.startAfter; ; ) {
      const page = await listObjects(
        cluster.source,
        BUCKET,
        { ...request, startAfter: marker, limit },
        options,
      )
      const shown = shownIn(page)
      objects.push(...shown)
      if (!page.isTruncated) break
      assert.equal(shown.length, limit, context)
      marker = page.nextMarker
    }
    assert.deepEqual(objects, expected(model, 'objects', request), context)

    const versions: string[] = []
    let marker = request.startAfter
    let versionIdMarker: string | undefined
    for (;;) {
      const page = await listVersions(
        cluster.source,
        BUCKET,
        { ...request, startAfter: marker, versionIdMarker, limit },
        options,
      )
      const shown = shownIn(page)
      versions.push(...shown)
      if (!page.isTruncated) break
      assert.equal(shown.length, limit, context)
      marker = page.nextKeyMarker
      versionIdMarker = page.nextVersionIdMarker === '' ? undefined : page.nextVersionIdMarker
    }
    assert.deepEqual(versions, expected(model, 'versions', request), context)
  }
})

test('drives that missed writes, lost keys or keep junk do not change the list', async () => {
  const random = seededRandom(12)
  for (let round = 0; round < 100; round++) {
    const model = randomModel(random, 30)
    const cluster = clusterOf(1, 1, 4)
    store(cluster, model, random)
    const badPosition = random.below(4)
    const bad = cluster.drives[badPosition]
    assert.ok(bad !== undefined)
    for (const [key, versions] of model) {
      const path = encodeKey(key)
      switch (random.below(6)) {
        case 0:
          void bad.trash(BUCKET, `${path}/xl.meta`)
          break
        case 1: // missed the newest write
          if (versions.length > 1) {
            void bad.replaceMetadata(BUCKET, path, metaOf(codec, versions.slice(1), 1))
          }
          break
        case 2: // a version that was never acknowledged
          void bad.replaceMetadata(
            BUCKET,
            path,
            metaOf(
              codec,
              [{ id: 'f'.repeat(32), isMarker: false, modifiedNs: 1000n }, ...versions],
              1,
            ),
          )
          break
        case 3:
          void bad.replaceMetadata(BUCKET, path, new Uint8Array([1, 2, 3]))
          break
        default:
      }
    }
    void bad.replaceMetadata(BUCKET, 'junk/x', metaOf(codec, oneVersion(), 1))
    const request = { prefix: '', delimiter: ['', '/'][round % 2] ?? '', startAfter: '' }
    const all = { ...request, limit: 1000 }
    const context = JSON.stringify({ round, request, keys: [...model.keys()] })
    const objects = await listObjects(cluster.source, BUCKET, all, VERSIONED)
    assert.deepEqual(shownIn(objects), expected(model, 'objects', request), context)
    const versions = await listVersions(cluster.source, BUCKET, all, VERSIONED)
    assert.deepEqual(shownIn(versions), expected(model, 'versions', request), context)
    const isSpare = badPosition === 3 // not asked while the others suffice
    if (request.delimiter === '' && !isSpare) {
      assert.ok(
        cluster.reports.some((item) => item.path === 'junk/x'),
        context,
      )
    }
  }
})

test('a version is listed if it may be read or was acknowledged, whichever drives have it', async () => {
  const kept: ModelVersion = { id: 'a'.repeat(32), isMarker: false, modifiedNs: 1n }
  const torn: ModelVersion = { id: 'b'.repeat(32), isMarker: true, modifiedNs: 2n }
  for (let holders = 0; holders < 16; holders++) {
    const cluster = clusterOf(1, 1, 4)
    for (const [position, drive] of cluster.drives.entries()) {
      const hasTorn = (holders & (1 << position)) !== 0
      const versions = hasTorn ? [torn, kept] : [kept]
      void drive.replaceMetadata(BUCKET, 'key', metaOf(codec, versions, position + 1))
    }
    const request = { prefix: '', delimiter: '', startAfter: '', versionIdMarker: undefined }
    const page = await listVersions(cluster.source, BUCKET, { ...request, limit: 10 }, VERSIONED)
    const count = holders.toString(2).replaceAll('0', '').length
    assert.equal(page.versions.length, count >= 2 ? 2 : 1, `holders ${holders.toString(2)}`)
  }
})

test('a list goes on without drives that fail, and fails without a quorum', async () => {
  const cluster = clusterOf(1, 2, 4)
  const model = new Map(Array.from({ length: 50 }, (_, i) => [`k${i}`, oneVersion(i + 1)]))
  store(cluster, model, seededRandom(1))
  const all = { prefix: '', delimiter: '', startAfter: '', limit: 1000 }
  const [first, second, third] = cluster.drives
  first?.setOnline(false)
  second?.setFailure('DriveTimeout')
  const list = await listObjects(cluster.source, BUCKET, all, VERSIONED)
  assert.equal(list.objects.length, 50)
  third?.setFailure('DriveFaulty')
  await assert.rejects(
    listObjects(cluster.source, BUCKET, all, VERSIONED),
    (error) => error instanceof ObjectError && error.code === 'ReadQuorum',
  )
})

test('a spare drive takes the place of one that fails, wherever that one is', async () => {
  for (const [failing, stale] of [
    [0, 1],
    [1, 0],
    [2, 0],
    [3, 0],
  ] as const) {
    const cluster = clusterOf(1, 1, 4)
    store(cluster, new Map([['key', oneVersion()]]), seededRandom(1))
    cluster.drives[failing]?.setFailure('DriveFaulty')
    void cluster.drives[stale]?.trash(BUCKET, 'key')
    const all = { prefix: '', delimiter: '', startAfter: '', limit: 1000 }
    const list = await listObjects(cluster.source, BUCKET, all, VERSIONED)
    assert.equal(list.objects.length, 1, `failing ${failing}`)
  }
})

test('a key that drives which are away may hold is not left out in silence', async () => {
  for (const delimiter of ['', '/']) {
    const cluster = clusterOf(1, 1, 4)
    store(cluster, new Map([['folder/key', oneVersion()]]), seededRandom(1))
    void cluster.drives[0]?.trash(BUCKET, 'folder/key')
    const all = { prefix: '', delimiter, startAfter: '', limit: 1000 }
    cluster.drives[1]?.setOnline(false)
    const { objects, commonPrefixes } = await listObjects(cluster.source, BUCKET, all, VERSIONED)
    assert.equal(objects.length + commonPrefixes.length, 1)
    // One of two has it: the other two may have made it three, or have seen it deleted.
    cluster.drives[2]?.setOnline(false)
    const list = listObjects(cluster.source, BUCKET, all, VERSIONED)
    await assert.rejects(list, { code: 'ReadQuorum' })
  }
})

test('a bucket that no drive has is not found', async () => {
  const cluster = clusterOf(1, 1, 4)
  const all = { prefix: '', delimiter: '', startAfter: '', limit: 1000 }
  await assert.rejects(
    listObjects(cluster.source, 'other', all, VERSIONED),
    (error) => error instanceof ObjectError && error.code === 'BucketNotFound',
  )
})

test('pages of 20,000 siblings joined equal the whole', async () => {
  const cluster = clusterOf(1, 1, 4)
  const keys: string[] = []
  for (let i = 0; i < 20_000; i++) keys.push(`wide/${String(i * 7919).padStart(10, '0')}`)
  const meta = metaOf(codec, oneVersion(), 1)
  for (const key of keys)
    for (const drive of cluster.drives) void drive.replaceMetadata(BUCKET, key, meta)
  keys.sort()
  const found: string[] = []
  for (let startAfter = ''; ; ) {
    const request = { prefix: 'wide/', delimiter: '/', startAfter, limit: 1000 }
    const page = await listObjects(cluster.source, BUCKET, request, { isUnversioned: true })
    for (const { key } of page.objects) found.push(key)
    if (!page.isTruncated) break
    startAfter = page.nextMarker
  }
  assert.deepEqual(found, keys)
  // Three of four drives send metadata; each page looks a little ahead and no further.
  const sent = cluster.drives.reduce((sum, drive) => sum + drive.walkedWithMetadata, 0)
  assert.ok(sent <= 3 * 20_000 * 1.1, `${sent} metadata files sent`)
})

test('a list by folders takes one key from each folder', async () => {
  const cluster = clusterOf(1, 1, 4)
  const meta = metaOf(codec, oneVersion(), 1)
  for (let i = 0; i < 100; i++) {
    for (let j = 0; j < 100; j++) {
      for (const drive of cluster.drives) void drive.replaceMetadata(BUCKET, `f${i}/${j}/x`, meta)
    }
  }
  const request = { prefix: '', delimiter: '/', startAfter: '', limit: 1000 }
  const list = await listObjects(cluster.source, BUCKET, request, VERSIONED)
  assert.equal(list.commonPrefixes.length, 100)
  const sent = cluster.drives.reduce((sum, drive) => sum + drive.walkedWithMetadata, 0)
  assert.ok(sent <= 2 * 100 * 3, `${sent} metadata files sent`)
})

test('a folder of which each drive has other left-overs of deletes is not shown', async () => {
  const cluster = clusterOf(1, 1, 4)
  for (const [position, drive] of cluster.drives.entries()) {
    for (let i = position; i < 40; i += 4) {
      void drive.replaceMetadata(BUCKET, `many/${i}`, metaOf(codec, oneVersion(), position + 1))
    }
    void drive.replaceMetadata(BUCKET, 'seen/key', metaOf(codec, oneVersion(), position + 1))
  }
  const request = { prefix: '', delimiter: '/', startAfter: '', limit: 1000 }
  const list = await listObjects(cluster.source, BUCKET, request, { isUnversioned: true })
  assert.deepEqual(list.commonPrefixes, ['seen/'])
})

test('paging inside a key goes on after the version, also when that one is gone', async () => {
  const cluster = clusterOf(1, 1, 4)
  const versions = Array.from({ length: 5 }, (_, i) => ({
    id: (5 - i).toString(16).padStart(32, '0'),
    isMarker: false,
    modifiedNs: BigInt(5 - i),
  }))
  store(
    cluster,
    new Map([
      ['key', versions],
      ['key2', oneVersion()],
    ]),
    seededRandom(1),
  )
  const request = { prefix: '', delimiter: '', startAfter: '', limit: 2 }
  const first = await listVersions(cluster.source, BUCKET, request, VERSIONED)
  assert.equal(first.nextKeyMarker, 'key')
  assert.equal(first.versions[0]?.isLatest, true)
  assert.equal(first.versions[1]?.isLatest, false)
  assert.equal(first.versions[1]?.successorModifiedNs, 5n)
  // A client that deletes what it lists: the marker is gone, the rest must still come.
  const left = new Map([
    ['key', versions.slice(2)],
    ['key2', oneVersion()],
  ])
  store(cluster, left, seededRandom(1))
  const next = await listVersions(
    cluster.source,
    BUCKET,
    {
      ...request,
      startAfter: 'key',
      versionIdMarker: first.nextVersionIdMarker || undefined,
      limit: 10,
    },
    VERSIONED,
  )
  assert.equal(next.versions.length, 4)
  assert.equal(next.isTruncated, false)
})

test('a list that no drive can walk through fails: it is not empty', async () => {
  const cluster = clusterOf(1, 1, 4)
  store(cluster, new Map([['a', oneVersion()]]), seededRandom(1))
  const request = { prefix: '', delimiter: '', startAfter: '', limit: 10 }
  for (const code of ['FileAccessDenied', 'FileCorrupt', 'Unexpected'] as const) {
    for (const drive of cluster.drives) drive.failCall('walk', code)
    const list = listObjects(cluster.source, BUCKET, request, { isUnversioned: true })
    await assert.rejects(list, ObjectError, code)
  }
})

test('a version in a form that nobody reads hides no other key', async () => {
  const cluster = clusterOf(1, 1, 4)
  const model: Model = new Map(['a', 'b', 'c'].map((key) => [key, oneVersion()] as const))
  store(cluster, model, seededRandom(1))
  for (const drive of cluster.drives) {
    const bytes = await drive.readMetadata(BUCKET, encodeKey('b'))
    assert.ok(bytes instanceof Uint8Array)
    const meta = XlMeta.parse(bytes, codec)
    const [stored] = meta.versions
    assert.ok(stored !== undefined)
    meta.put({ header: stored.headerBytes, body: Uint8Array.of(0xc0) }, undefined)
    assert.equal(await drive.replaceMetadata(BUCKET, encodeKey('b'), meta.encode()), undefined)
  }
  const request = { prefix: '', delimiter: '', startAfter: '', limit: 10 }
  const options = { isUnversioned: true }
  const { objects } = await listObjects(cluster.source, BUCKET, request, options)
  assert.deepEqual(
    objects.map(({ key }) => key),
    ['a', 'c'],
  )
  const all = { ...request, versionIdMarker: undefined }
  const { versions } = await listVersions(cluster.source, BUCKET, all, options)
  assert.deepEqual(
    versions.map(({ key }) => key),
    ['a', 'c'],
  )
})
