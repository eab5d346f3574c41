import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { assertBytes } from '#testing/bytes'
import { contentOf, drivesOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import type { MemoryDrive } from '#testing/memory-drive'
import { SimClock } from '#testing/sim-clock'
import { copyObject } from './copy.ts'
import { ObjectError, type CopyOptions, type ObjectErrorCode } from './object.ts'
import { removeObjects, removePrefix } from './remove.ts'
import { updateMetadata } from './update.ts'

const codec = testCodec()
const BIG = 3 * 1_048_576 + 17

function fixtureOf(drives: readonly MemoryDrive[] = drivesOf(codec, 4)): EngineFixture {
  return new EngineFixture({ codec, layouts: oneSet(drives) })
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

test('versions stack up, are read by id, and hide behind delete markers', async () => {
  const fixture = fixtureOf()
  const versioning = 'enabled'
  const first = await fixture.put('k', contentOf(10, 1), { versioning })
  const second = await fixture.put('k', contentOf(BIG, 2), { versioning })
  assert.notEqual(first.versionId, second.versionId)
  assertBytes(await fixture.get('k'), contentOf(BIG, 2))
  assertBytes(await fixture.get('k', { versionId: first.versionId }), contentOf(10, 1))
  const old = await fixture.head('k', { versionId: first.versionId })
  assert.equal(old.isLatest, false)
  assert.equal(old.successorModifiedNs, second.modifiedNs)

  const marker = await fixture.remove('k', { versioning })
  const again = await fixture.remove('k', { versioning })
  assert.ok(marker.markerCreated && again.markerCreated)
  assert.notEqual(marker.versionId, again.versionId)
  const hidden = await failsWith('ObjectNotFound', fixture.get('k'))
  assert.equal(hidden.details.deleteMarker?.versionId, again.versionId)
  await failsWith('MethodNotAllowed', fixture.get('k', { versionId: marker.versionId }))
  await failsWith('VersionNotFound', fixture.get('k', { versionId: 'null' }))
  await failsWith('VersionNotFound', fixture.get('k', { versionId: 'not-a-version' }))

  for (const versionId of [again.versionId, marker.versionId, second.versionId]) {
    const outcome = await fixture.remove('k', { versionId, versioning })
    assert.deepEqual(outcome, {
      found: true,
      versionId,
      deleteMarker: versionId !== second.versionId,
      markerCreated: false,
    })
  }
  assertBytes(await fixture.get('k'), contentOf(10, 1))
  const gone = await fixture.remove('k', { versionId: second.versionId, versioning })
  assert.equal(gone.found, false)
})

test('a suspended bucket replaces the null version and keeps the others', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  await fixture.put('k', contentOf(BIG, 1))
  const kept = await fixture.put('k', contentOf(10, 2), { versioning: 'enabled' })
  await fixture.put('k', contentOf(20, 3), { versioning: 'suspended' })
  assertBytes(await fixture.get('k', { versionId: 'null' }), contentOf(20, 3))
  const marker = await fixture.remove('k', { versioning: 'suspended' })
  assert.deepEqual(marker, {
    found: true,
    versionId: 'null',
    deleteMarker: true,
    markerCreated: true,
  })
  await failsWith('MethodNotAllowed', fixture.get('k', { versionId: 'null' }))
  assertBytes(await fixture.get('k', { versionId: kept.versionId }), contentOf(10, 2))
  await fixture.remove('k', { versioning: 'unversioned' })
  assertBytes(await fixture.get('k'), contentOf(10, 2))
})

test('deletes of what is absent: no marker without versioning, one with it', async () => {
  const fixture = fixtureOf()
  assert.equal((await fixture.remove('k')).found, false)
  const marker = await fixture.remove('k', { versioning: 'enabled' })
  assert.equal(marker.markerCreated, true)
  await failsWith('MethodNotAllowed', fixture.head('k', { versionId: marker.versionId }))
})

test('a bulk delete answers every key in order, equal requests once', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  const version = await fixture.put('a', contentOf(1), { versioning: 'enabled' })
  await fixture.put('b', contentOf(2))
  const refusal = new Error('Locked')
  const results = await removeObjects(fixture.context, fixture.pools, 'bucket', [
    { key: 'b', versioning: 'unversioned' },
    { key: 'a', versionId: version.versionId, versioning: 'enabled' },
    { key: 'a', versioning: 'enabled' },
    { key: 'a', versioning: 'enabled' },
    { key: 'x/../y', versioning: 'enabled' },
    {
      key: 'b',
      versioning: 'unversioned',
      guard: () => {
        throw refusal
      },
      versionId: 'null',
    },
    { key: 'c', versioning: 'unversioned' },
  ])
  assert.deepEqual(
    results.map((result) => {
      if (result instanceof ObjectError) return result.code
      return result instanceof Error ? result : result.found
    }),
    [true, true, true, true, 'ObjectNameInvalid', refusal, false],
  )
  assert.deepEqual(results[2], results[3])
  const writes = drives.map((drive) => drive.calls.get('deleteVersions'))
  assert.deepEqual(writes, [2, 2, 2, 2])
})

test('each entry of a bulk delete has its own conditions', async () => {
  const fixture = fixtureOf()
  await fixture.put('k', contentOf(1))
  const { etag } = await fixture.head('k')
  const entry = (ifMatch: string) =>
    ({ key: 'k', versioning: 'unversioned', preconditions: { ifMatch } }) as const
  const results = await removeObjects(fixture.context, fixture.pools, 'bucket', [
    entry('wrong'),
    entry(etag),
    entry('wrong'),
  ])
  assert.deepEqual(
    results.map((result) => (result instanceof ObjectError ? result.code : result)),
    ['PreconditionFailed', results[1], results[1]],
  )
  await failsWith('ObjectNotFound', fixture.head('k'))
})

test('a prefix delete takes the key and everything below it', async () => {
  const fixture = fixtureOf()
  for (const key of ['p', 'p/', 'p/a', 'p/b/c', 'pp']) await fixture.put(key, contentOf(5))
  await removePrefix(fixture.context, fixture.pools, 'bucket', 'p/')
  for (const key of ['p', 'p/', 'p/a', 'p/b/c']) await failsWith('ObjectNotFound', fixture.get(key))
  assertBytes(await fixture.get('pp'), contentOf(5))
})

test('a prefix delete never takes other keys that share a directory', async () => {
  const fixture = fixtureOf()
  const keys = [
    '/p',
    '/p/a',
    'p/',
    'p/a',
    'p__XLDIR__/a',
    '~~',
    '~~/b',
    'q__XLDIR__',
    'q/',
    'r/',
    'r//s',
  ]
  for (const key of keys) await fixture.put(key, contentOf(5))
  const remove = (prefix: string): Promise<void> =>
    removePrefix(fixture.context, fixture.pools, 'bucket', prefix)
  for (const prefix of ['~~', '~~/', 'q__XLDIR__', 'r//']) {
    await failsWith('ObjectNameInvalid', remove(prefix))
  }
  await remove('/p/')
  await remove('p/')
  for (const key of keys.slice(0, 4)) await failsWith('ObjectNotFound', fixture.get(key))
  for (const key of keys.slice(4)) assertBytes(await fixture.get(key), contentOf(5), key)
})

test('a write is newer than what a closed pool has of the key, whatever the clock says', async () => {
  const drives = drivesOf(codec, 8)
  const layouts = [...oneSet(drives.slice(0, 4)), ...oneSet(drives.slice(4))]
  const first = new EngineFixture({ codec, layouts, clock: new SimClock() })
  first.pools.close(new Set([1]))
  await first.put('k', contentOf(10))
  const earlier = new SimClock(1_500_000_000_000_000_000n)
  const second = new EngineFixture({ codec, layouts, clock: earlier })
  second.pools.close(new Set([0]))
  await second.put('k', contentOf(20))
  assertBytes(await second.get('k'), contentOf(20))
})

test('a delete needs more than half of the drives, and the missed ones are reported', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  await fixture.put('k', contentOf(10))
  drives[0]?.setOnline(false)
  await fixture.remove('k')
  assert.equal(fixture.repairs.at(-1)?.reason, 'missed')
  // The drive that missed it comes back: its copy was deleted and stays so.
  drives[0]?.setOnline(true)
  await failsWith('ObjectNotFound', fixture.get('k'))
  await fixture.put('k', contentOf(10))
  for (const drive of drives.slice(0, 2)) drive.setOnline(false)
  await failsWith('WriteQuorum', fixture.remove('k'))
})

test('conditions are decided under the lock: of two conditional writers one wins', async () => {
  const fixture = fixtureOf()
  const preconditions = { ifNoneMatch: ['*'] }
  const writers = [1, 2, 3, 4].map((i) => fixture.put('k', contentOf(BIG, i), { preconditions }))
  const results = await Promise.allSettled(writers)
  const won = results.filter((result) => result.status === 'fulfilled')
  assert.equal(won.length, 1)
  const { etag } = await fixture.head('k')
  const wrong = { preconditions: { ifMatch: ['0'.repeat(32)] } }
  await failsWith('PreconditionFailed', fixture.put('k', contentOf(1), wrong))
  await failsWith('ObjectNotFound', fixture.put('other', contentOf(1), wrong))
  await fixture.put('k', contentOf(1), { preconditions: { ifMatch: [etag] } })
  const info = await fixture.head('k')
  await failsWith('NotModified', fixture.get('k', { preconditions: { ifNoneMatch: [info.etag] } }))
  await failsWith('PreconditionFailed', fixture.get('k', { preconditions: { ifMatch: ['x'] } }))
  const seconds = Number(info.modifiedNs / 1_000_000_000n)
  await failsWith('NotModified', fixture.get('k', { preconditions: { ifModifiedSince: seconds } }))
  const unmodified = { preconditions: { ifUnmodifiedSince: seconds - 1 } }
  await failsWith('PreconditionFailed', fixture.get('k', unmodified))
  await failsWith('PreconditionFailed', fixture.remove('k', { preconditions: { ifSizeBytes: 7 } }))
  await fixture.remove('k', { preconditions: { ifSizeBytes: 1, ifMatch: info.etag } })
  await failsWith('ObjectNotFound', fixture.get('k'))
})

test('a guard sees the version in question and can refuse', async () => {
  const fixture = fixtureOf()
  const seen: (string | undefined)[] = []
  const guard = (current: { etag: string } | undefined): void => {
    seen.push(current?.etag)
  }
  const info = await fixture.put('k', contentOf(5), { guard })
  await fixture.put('k', contentOf(6), { guard })
  const refusal = new Error('Locked')
  const refuse = (): never => {
    throw refusal
  }
  await assert.rejects(fixture.put('k', contentOf(7), { guard: refuse }), refusal)
  await assert.rejects(fixture.remove('k', { guard: refuse }), refusal)
  assert.deepEqual(seen, [undefined, info.etag])
  assertBytes(await fixture.get('k'), contentOf(6))
})

test('metadata is merged in place, also while a drive is away', async () => {
  const drives = drivesOf(codec, 4)
  const fixture = fixtureOf(drives)
  for (const size of [10, BIG]) {
    const target = { bucket: 'bucket', key: `k/${size}` }
    const before = await fixture.put(target.key, contentOf(size), {
      userMetadata: new Map([['content-type', 'text/plain']]),
    })
    drives[1]?.setOnline(false)
    const change = (): object => ({ userMetadata: new Map([['X-Amz-Tagging', 'a=b']]) })
    await updateMetadata(fixture.context, fixture.pools, target, undefined, change)
    drives[1]?.setOnline(true)
    const after = await fixture.head(target.key)
    assert.equal(after.modifiedNs, before.modifiedNs)
    assert.equal(after.userMetadata.get('X-Amz-Tagging'), 'a=b')
    assert.equal(after.userMetadata.get('content-type'), 'text/plain')
    assertBytes(await fixture.get(target.key), contentOf(size))
  }
  const marker = await fixture.remove('m', { versioning: 'enabled' })
  const target = { bucket: 'bucket', key: 'm' }
  const update = (versionId: string | undefined): Promise<unknown> =>
    updateMetadata(fixture.context, fixture.pools, target, versionId, () => ({}))
  await failsWith('MethodNotAllowed', update(marker.versionId))
  await failsWith('ObjectNotFound', update(undefined))
})

function copyOptions(
  options: Partial<CopyOptions> & { allowMetadataOnly?: boolean } = {},
): CopyOptions {
  return {
    storageClass: 'STANDARD',
    versioning: 'unversioned',
    digests: [],
    metadata: (source) => ({
      userMetadata: new Map([...source.userMetadata, ['X-Amz-Meta-New', 'yes']]),
      systemMetadata: new Map([['x-minio-internal-test', utf8('1')]]),
      digests: [],
      allowMetadataOnly: options.allowMetadataOnly ?? false,
    }),
    ...options,
  }
}

test('a copy has the content and the metadata decided for it', async () => {
  const fixture = fixtureOf()
  for (const size of [0, 10, BIG]) {
    await fixture.put('from', contentOf(size))
    const target = { bucket: 'bucket', key: 'to' }
    const source = { bucket: 'bucket', key: 'from' }
    const copied = await copyObject(fixture.context, fixture.pools, target, source, copyOptions())
    assert.equal(copied.info.userMetadata.get('X-Amz-Meta-New'), 'yes')
    assertBytes(await fixture.get('to'), contentOf(size))
  }
  const bad = { bucket: 'bucket', key: 'from', preconditions: { ifNoneMatch: ['*'] } }
  const target = { bucket: 'bucket', key: 'to' }
  await failsWith(
    'PreconditionFailed',
    copyObject(fixture.context, fixture.pools, target, bad, copyOptions()),
  )
  assert.equal(fixture.lentBytes, 0)
})

test('a copy onto itself moves no data, and new versions share it', async () => {
  for (const size of [10, BIG]) {
    const drives = drivesOf(codec, 4)
    const fixture = fixtureOf(drives)
    const target = { bucket: 'bucket', key: 'k' }
    const before = await fixture.put('k', contentOf(size))
    const staged = drives[0]?.calls.get('appendStaged')
    const inPlace = copyOptions({ allowMetadataOnly: true })
    const { info } = await copyObject(fixture.context, fixture.pools, target, target, inPlace)
    assert.ok(info.modifiedNs > before.modifiedNs)
    assert.equal(info.etag, before.etag)
    assertBytes(await fixture.get('k'), contentOf(size))
    const versioned = copyOptions({ allowMetadataOnly: true, versioning: 'enabled' })
    const source = { ...target, versionId: 'null' }
    const copied = await copyObject(fixture.context, fixture.pools, target, source, versioned)
    assert.equal(drives[0]?.calls.get('appendStaged'), staged)
    assertBytes(await fixture.get('k'), contentOf(size))
    // Either may go, and the other still reads.
    await fixture.remove('k', { versionId: 'null', versioning: 'enabled' })
    const { versionId } = copied.info
    assertBytes(await fixture.get('k', { versionId }), contentOf(size))
    assert.deepEqual(fixture.repairs, [])
  }
})

test('a copy onto itself that must move data reads and writes it', async () => {
  const fixture = fixtureOf()
  const target = { bucket: 'bucket', key: 'k' }
  await fixture.put('k', contentOf(BIG))
  const options = copyOptions({ storageClass: 'REDUCED_REDUNDANCY', allowMetadataOnly: true })
  const { info } = await copyObject(fixture.context, fixture.pools, target, target, options)
  assert.equal(info.parityShards, 1)
  assertBytes(await fixture.get('k'), contentOf(BIG))
})

test('keys spread over pools: the newest counts, a delete removes all of it', async () => {
  const poolDrives = [drivesOf(codec, 4), drivesOf(codec, 4)]
  const layouts = poolDrives.flatMap((drives) => oneSet(drives))
  const alone = poolDrives.map((drives) => fixtureOf(drives))
  const both = new EngineFixture({ codec, layouts })
  await alone[0]?.put('k', contentOf(BIG, 1))
  await alone[1]?.put('k', contentOf(10, 2))
  assertBytes(await both.get('k'), contentOf(10, 2))
  // The pool that has the newest one gets the next one.
  await both.put('k', contentOf(20, 3))
  assertBytes(await alone[1]?.get('k'), contentOf(20, 3))
  await both.remove('k')
  await failsWith('ObjectNotFound', both.get('k'))
  for (const fixture of alone) await failsWith('ObjectNotFound', fixture.get('k'))
  await both.put('new', contentOf(30))
  assertBytes(await both.get('new'), contentOf(30))
  // A pool that cannot answer may have a newer version.
  await alone[0]?.put('n', contentOf(5))
  for (const drive of poolDrives[1] ?? []) drive.setOnline(false)
  await failsWith('ReadQuorum', both.get('n'))
})
