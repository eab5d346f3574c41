import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { bodyOfBytes } from '#object/body'
import { assertBytes } from '#testing/bytes'
import { contentOf, drivesOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import type { MemoryDrive } from '#testing/memory-drive'
import { putObject } from './put.ts'
import { ObjectError, type ObjectErrorCode } from './object.ts'

const codec = testCodec()
const MIB = 1_048_576
const BIG = 3 * MIB + 17

function fixtureOf(drives: readonly MemoryDrive[], parity: number): EngineFixture {
  return new EngineFixture({
    codec,
    layouts: oneSet(drives),
    storage: { standardParity: parity, reducedParity: Math.min(1, parity) },
  })
}

async function failsWith(code: ObjectErrorCode, action: Promise<unknown>): Promise<ObjectError> {
  try {
    await action
  } catch (error) {
    assert.ok(error instanceof ObjectError, String(error))
    assert.equal(error.code, code, error.message)
    return error
  }
  assert.fail(`Expected ${code}`)
}

/** Drives plus parity. */
const LAYOUTS = [
  [1, 0],
  [2, 1],
  [3, 1],
  [4, 2],
  [4, 1],
  [5, 2],
  [7, 3],
  [8, 4],
  [12, 4],
  [16, 4],
  [16, 8],
  [16, 1],
] as const

function sizesFor(dataShards: number): number[] {
  const inlineMax = 131_072 * dataShards
  return [0, 1, 2, 31, 4096, inlineMax, inlineMax + 1, MIB - 1, MIB, MIB + 1, BIG]
}

test('objects of all sizes come back, on every layout, with as many drives lost as there is parity', async () => {
  for (const [count, parity] of LAYOUTS) {
    const drives = drivesOf(codec, count)
    const fixture = fixtureOf(drives, parity)
    const sizes = sizesFor(count - parity)
    for (const size of sizes) {
      const content = contentOf(size, size + 1)
      const info = await fixture.put(`k/${size}`, content)
      assert.equal(info.sizeBytes, size)
      assert.equal(info.etag, createHash('md5').update(content).digest('hex'))
      assertBytes(await fixture.get(`k/${size}`), content)
    }
    assert.deepEqual(fixture.repairs, [])
    for (let i = 0; i < parity; i++) drives[(1 + i * 5) % count]?.setOnline(false)
    for (const size of sizes) {
      const content = contentOf(size, size + 1)
      assertBytes(await fixture.get(`k/${size}`), content, `${count}, ${parity}: ${size}`)
    }
    assert.equal(fixture.lentBytes, 0)
  }
})

test('data in files is found where the metadata says inline, as in copies that MinIO made', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  const systemMetadata = new Map([['x-minio-internal-inline-data', utf8('true')]])
  for (const size of [40_000, BIG]) {
    const content = contentOf(size)
    for (const drive of drives) drive.setOnline(true)
    const { versionId } = await fixture.put('k', content, { versioning: 'enabled', systemMetadata })
    assertBytes(await fixture.get('k'), content)
    drives[size % 4]?.setOnline(false)
    drives[(size + 1) % 4]?.setOnline(false)
    assertBytes(await fixture.get('k', { versionId }), content)
  }
})

test('one drive lost beyond the parity gives ReadQuorum, and everything is back with the drive', async () => {
  for (const [count, parity] of [
    [4, 2],
    [4, 1],
    [8, 4],
    [16, 4],
  ] as const) {
    const drives = drivesOf(codec, count)
    const fixture = fixtureOf(drives, parity)
    for (const size of [0, 100, BIG]) await fixture.put(`k/${size}`, contentOf(size))
    const files = drives.map((drive) => drive.files.size)
    for (let i = 0; i <= parity; i++) drives[i]?.setOnline(false)
    for (const size of [100, BIG]) {
      await failsWith('ReadQuorum', fixture.get(`k/${size}`))
      await failsWith('ReadQuorum', fixture.head(`k/${size}`))
    }
    if (count - parity - 1 < Math.floor(count / 2)) {
      await failsWith('ReadQuorum', fixture.get('absent'))
    }
    for (const drive of drives) drive.setOnline(true)
    assert.deepEqual(
      drives.map((drive) => drive.files.size),
      files,
    )
    assertBytes(await fixture.get(`k/${BIG}`), contentOf(BIG))
    assert.equal(fixture.lentBytes, 0)
  }
})

test('flipped bits are never served: other shards are read, and the version is reported', async () => {
  for (const size of [100, 4096, 300_000, BIG]) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives, 2)
    await fixture.put('k', contentOf(size))
    for (const drive of drives.slice(0, 2)) corruptData(drive)
    assertBytes(await fixture.get('k'), contentOf(size), `${size}`)
    assert.ok(fixture.repairs.some((item) => item.reason === 'corrupt'))
    for (const drive of drives.slice(2)) corruptData(drive)
    await failsWith('ReadQuorum', fixture.get('k'))
    assert.equal(fixture.lentBytes, 0)
  }
})

test('damage in different blocks on more drives than the parity is survived', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  const size = 8 * MIB
  await fixture.put('k', contentOf(size))
  drives.forEach((drive, i) => {
    const data = dataFileOf(drive)
    assert.ok(data)
    const at = (2 * i + 1) * (524_288 + 32) + 100
    data[at] = (data[at] ?? 0) ^ 1
  })
  assertBytes(await fixture.get('k'), contentOf(size))
})

function dataFileOf(drive: MemoryDrive): Uint8Array | undefined {
  for (const [name, bytes] of drive.files) if (name.endsWith('/part.1')) return bytes
  return undefined
}

/** Flips a bit of the shard: at the end of the file, of the inline section where there is no other. */
function corruptData(drive: MemoryDrive): void {
  const bytes = dataFileOf(drive) ?? drive.files.get('bucket/k/xl.meta')
  assert.ok(bytes)
  bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 4
}

test('a range reads the right bytes and no more blocks than it touches', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  const content = contentOf(9 * MIB + 5)
  await fixture.put('k', content)
  const ranges = [
    [0, 0],
    [MIB - 1, MIB],
    [MIB, MIB],
    [3 * MIB + 524_287, 3 * MIB + 524_288],
    [9 * MIB + 4, 9 * MIB + 4],
    [17, 8 * MIB + 3],
  ] as const
  for (const [start, end] of ranges) {
    const range = { kind: 'from', start, end } as const
    assertBytes(await fixture.get('k', { range }), content.subarray(start, end + 1))
  }
  const before = callsOf(drives, 'readFile')
  await fixture.get('k', { range: { kind: 'from', start: 5 * MIB + 7, end: 5 * MIB + 9 } })
  assert.equal(callsOf(drives, 'readFile') - before, 2)
  const suffix = await fixture.get('k', { range: { kind: 'suffix', size: 10 } })
  assertBytes(suffix, content.subarray(content.length - 10))
  const past = { kind: 'from', start: content.length } as const
  assert.equal(
    (await failsWith('InvalidRange', fixture.get('k', { range: past }))).details.sizeBytes,
    content.length,
  )
  await failsWith('InvalidPartNumber', fixture.get('k', { range: { kind: 'part', number: 2 } }))
  assertBytes(await fixture.get('k', { range: { kind: 'part', number: 1 } }), content)
})

function callsOf(drives: readonly MemoryDrive[], name: string): number {
  return drives.reduce((sum, drive) => sum + (drive.calls.get(name) ?? 0), 0)
}

test('a reader that is closed early, or never iterated, gives back memory and lock', async () => {
  const fixture = fixtureOf(drivesOf(codec, 4), 2)
  await fixture.put('k', contentOf(10 * MIB))
  const unused = await fixture.open('k')
  unused.close()
  unused.close()
  const half = await fixture.open('k')
  for await (const chunk of half.chunks()) {
    chunk.release()
    break
  }
  const held = await fixture.open('k')
  const iterator = held.chunks()[Symbol.asyncIterator]()
  const first = await iterator.next()
  assert.ok(first.done !== true)
  held.close()
  first.value.release()
  await iterator.return?.()
  await fixture.put('k', contentOf(1))
  assert.equal(fixture.lentBytes, 0)
})

test('a write needs its quorum: d drives, one more where data and parity are equal', async () => {
  const table = [
    { count: 4, parity: 2, lost: 1, isWritten: true },
    { count: 4, parity: 1, lost: 1, isWritten: true },
    { count: 4, parity: 1, lost: 2, isWritten: false },
    { count: 8, parity: 2, lost: 2, isWritten: true },
    { count: 8, parity: 2, lost: 3, isWritten: true },
    { count: 8, parity: 2, lost: 4, isWritten: false },
    { count: 3, parity: 1, lost: 1, isWritten: true },
    { count: 3, parity: 1, lost: 2, isWritten: false },
  ]
  for (const { count, parity, lost, isWritten } of table) {
    for (const size of [10, BIG]) {
      const drives = drivesOf(codec, count)
      const fixture = fixtureOf(drives, parity)
      for (let i = 0; i < lost; i++) drives[i]?.setOnline(false)
      const content = contentOf(size)
      if (!isWritten) {
        await failsWith('WriteQuorum', fixture.put('k', content))
        continue
      }
      const info = await fixture.put('k', content)
      // Parity grows with the drives that are away, up to half.
      assert.equal(info.parityShards, Math.min(parity + lost, Math.floor(count / 2)))
      assert.equal(fixture.repairs.at(-1)?.reason, 'missed')
      assertBytes(await fixture.get('k'), content)
    }
  }
})

test('a commit below quorum is taken back: the older object stays, nothing is left behind', async () => {
  for (const [oldSize, newSize] of [
    [10, 20],
    [BIG, 20],
    [10, BIG],
    [BIG, BIG + 1],
  ] as const) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives, 2)
    await fixture.put('k', contentOf(oldSize, 1))
    const before = drives.map((drive) => [...drive.files.keys()].sort())
    for (const drive of drives.slice(0, 2)) drive.failCall('commitVersion', 'DriveFaulty')
    await failsWith('WriteQuorum', fixture.put('k', contentOf(newSize, 2)))
    for (const drive of drives) drive.failCall('commitVersion', undefined)
    await settled()
    assert.deepEqual(
      drives.map((drive) => [...drive.files.keys()].sort()),
      before,
    )
    assertBytes(await fixture.get('k'), contentOf(oldSize, 1))
    assert.ok(fixture.repairs.some((item) => item.reason === 'disagreement'))
  }
})

test('a conditional commit below quorum is taken back, also where a drive had missed the older object', async () => {
  for (const size of [10, BIG]) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives, 2)
    drives[3]?.failCall('commitVersion', 'DriveFull')
    const { etag } = await fixture.put('k', contentOf(size, 1))
    drives[2]?.failCall('commitVersion', 'DriveFull')
    const replaced = fixture.put('k', contentOf(20, 2), { preconditions: { ifMatch: [etag] } })
    await failsWith('WriteQuorum', replaced)
    await settled()
    assertBytes(await fixture.get('k'), contentOf(size, 1))
  }
})

/** Lets work behind an answer finish: purges, discards. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('a drive that fails while the body streams is dropped; the write goes on', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  drives[2]?.failCall('appendStaged', 'DriveFull')
  await fixture.put('k', contentOf(BIG))
  assert.equal(fixture.repairs.at(-1)?.reason, 'missed')
  assertBytes(await fixture.get('k'), contentOf(BIG))
  drives[1]?.failCall('appendStaged', 'DriveFull')
  await failsWith('StorageFull', fixture.put('k', contentOf(BIG)))
  await settled()
  assert.ok(
    drives.every((drive) => [...drive.files.keys()].every((name) => !name.includes('/tmp/'))),
  )
  assert.equal(fixture.lentBytes, 0)
})

test('an overwrite purges what it replaced, after the commit', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  await fixture.put('k', contentOf(BIG))
  await fixture.put('k', contentOf(10))
  await settled()
  for (const drive of drives) assert.deepEqual([...drive.files.keys()], ['bucket/k/xl.meta'])
})

test('bodies of unknown size end where they end', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  for (const size of [0, 1, MIB, 2 * MIB, 2 * MIB + 1]) {
    const content = contentOf(size)
    const body = { ...bodyOfBytes(content), sizeBytes: undefined }
    const target = { bucket: 'bucket', key: `u/${size}` }
    const info = await putObject(fixture.context, fixture.pools, target, body, {
      userMetadata: new Map(),
      storageClass: 'STANDARD',
      digests: ['sha256', 'crc32c'],
      versioning: 'unversioned',
      verify: (digests, sizeBytes) => {
        assert.equal(sizeBytes, size)
        const sha256 = createHash('sha256').update(content).digest('hex')
        assert.equal(digests.get('sha256')?.toHex(), sha256)
        return Promise.resolve(new Map([['x-minio-internal-test', new Uint8Array([7])]]))
      },
    })
    assert.equal(info.sizeBytes, size)
    assertBytes(info.systemMetadata.get('x-minio-internal-test'), new Uint8Array([7]))
    assertBytes(await fixture.get(`u/${size}`), content)
  }
})

test('a body shorter or longer than declared, or one that fails, leaves nothing', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  for (const size of [100, BIG]) {
    const short = { ...bodyOfBytes(contentOf(size - 1)), sizeBytes: size }
    const long = { ...bodyOfBytes(contentOf(size + 1)), sizeBytes: size }
    const bad = new Error('Signature differs')
    let reads = 0
    const failing = {
      sizeBytes: size,
      read: (target: Uint8Array) =>
        reads++ > 0 ? Promise.reject(bad) : Promise.resolve(Math.min(10, target.length)),
    }
    await failsWith('IncompleteBody', fixture.putBody('k', short))
    await failsWith('IncompleteBody', fixture.putBody('k', long))
    await assert.rejects(fixture.putBody('k', failing), bad)
  }
  const refused = new Error('Checksum differs')
  const verify = (): Promise<never> => Promise.reject(refused)
  await assert.rejects(fixture.put('k', contentOf(BIG), { verify }), refused)
  await settled()
  for (const drive of drives) assert.equal(drive.files.size, 0)
  assert.equal(fixture.lentBytes, 0)
})

test('a clock that went back does not lose a write: the new version is newer than the stored one', async () => {
  for (const size of [10, BIG]) {
    const drives = drivesOf(codec, 4)
    const first = fixtureOf(drives, 2)
    const before = await first.put('k', contentOf(size, 1))
    const clock = { ...first.context.clock, nowNs: () => before.modifiedNs - 5_000_000_000n }
    const late = new EngineFixture({ codec, layouts: oneSet(drives), clock })
    const after = await late.put('k', contentOf(size, 2))
    assert.equal(after.modifiedNs, before.modifiedNs + 1n)
    assertBytes(await late.get('k'), contentOf(size, 2))
    const removed = await late.remove('k', { versioning: 'enabled' })
    assert.equal(removed.markerCreated, true)
    await failsWith('ObjectNotFound', late.get('k'))
  }
})

test('one drive with a newer leftover does not stop a write', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  await fixture.put('k', contentOf(10, 1))
  const lone = new EngineFixture({
    codec,
    layouts: oneSet(drives),
    clock: { ...fixture.context.clock, nowNs: () => fixture.context.clock.nowNs() + 10n ** 12n },
  })
  for (const drive of drives.slice(1)) drive.setFailure('DriveFaulty')
  await failsWith('WriteQuorum', lone.put('k', contentOf(10, 2)))
  // As a crash leaves it: the first drive kept the version that was not acknowledged.
  drives[0]?.failCall('undoCommit', 'DriveFaulty')
  await failsWith('WriteQuorum', lone.put('k', contentOf(10, 3)))
  for (const drive of drives) drive.setFailure(undefined)
  drives[0]?.failCall('undoCommit', undefined)
  assertBytes(await fixture.get('k'), contentOf(10, 1))
  const size = BIG
  await fixture.put('k', contentOf(size, 4))
  assertBytes(await fixture.get('k'), contentOf(size, 4))
})

test('reads and writes tell of drives that lost the bucket', async () => {
  for (const size of [10, BIG]) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives, 2)
    await fixture.put('k', contentOf(size, 1))
    assert.deepEqual(fixture.repairs, [])
    for (const drive of drives.slice(0, 2)) await drive.deleteVolume('bucket', { force: true })
    assertBytes(await fixture.get('k'), contentOf(size, 1))
    assert.ok(fixture.repairs.some(({ path, reason }) => path === 'k' && reason === 'missing'))
    await failsWith('WriteQuorum', fixture.put('other', contentOf(size, 2)))
    assert.ok(fixture.repairs.some(({ bucket, path }) => bucket === 'bucket' && path === ''))
  }
})

test('a half-made overwrite is answered with 503 as long as either may have been acknowledged', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 1) // three of four must hold a version
  await fixture.put('k', contentOf(10, 1))
  for (const drive of drives.slice(2)) drive.failCall('commitVersion', 'DriveFaulty')
  for (const drive of drives.slice(0, 2)) drive.failCall('undoCommit', 'DriveFaulty')
  await failsWith('WriteQuorum', fixture.put('k', contentOf(10, 2)))
  const files = drives.map((drive) => [...drive.files.keys()])
  await failsWith('ReadQuorum', fixture.get('k'))
  assert.deepEqual(
    drives.map((drive) => [...drive.files.keys()]),
    files,
  )
})

test('concurrent writers to one key leave one of their objects, the same on all drives', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives, 2)
  const sizes = Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? BIG + i : 50 + i))
  const infos = await Promise.all(sizes.map((size) => fixture.put('k', contentOf(size, size))))
  const last = infos.reduce((a, b) => (a.modifiedNs > b.modifiedNs ? a : b))
  assertBytes(await fixture.get('k'), contentOf(last.sizeBytes, last.sizeBytes))
  assert.equal(new Set(infos.map((info) => info.modifiedNs)).size, infos.length)
  assert.deepEqual(fixture.repairs, [])
  assert.equal(fixture.lentBytes, 0)
})

test('a drive that hangs delays a read, but does not stop it', async (context) => {
  const alive = setInterval(() => undefined, 1000) // the clock's timers do not keep the process
  context.after(() => clearInterval(alive))
  for (const size of [100, BIG]) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives, 2)
    await fixture.put('k', contentOf(size))
    for (const drive of drives) {
      const hung = Promise.withResolvers<void>()
      for (const name of ['readFile', 'readMetadata']) {
        drive.hangCall(name, hung.promise)
        assertBytes(await fixture.get('k'), contentOf(size))
        drive.hangCall(name, undefined)
      }
      hung.resolve()
      await settled()
      assert.equal(fixture.lentBytes, 0)
    }
    assert.deepEqual(fixture.repairs, [])
  }
})
