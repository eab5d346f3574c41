/** Pools that are being emptied. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertBytes } from '#testing/bytes'
import { contentOf, drivesOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import type { MemoryDrive } from '#testing/memory-drive'
import { ObjectError } from './object.ts'
import { removeObject } from './remove.ts'
import { SystemObjects } from './system-objects.ts'

const codec = testCodec()
const OLD = contentOf(100)
const NEW = contentOf(200)

function twoPools(): { fixture: EngineFixture; drives: MemoryDrive[][]; system: SystemObjects } {
  const drives = [drivesOf(codec, 4), drivesOf(codec, 4)]
  const layouts = drives.flatMap((pool) => oneSet(pool))
  const fixture = new EngineFixture({ codec, layouts })
  return { fixture, drives, system: new SystemObjects(fixture.context, fixture.pools, layouts) }
}

function has(drives: readonly MemoryDrive[] | undefined, key: string): boolean {
  return drives?.some((drive) => drive.files.has(`bucket/${key}/xl.meta`)) === true
}

test('a closed pool takes no new objects, also not those that it has', async () => {
  const { fixture, drives } = twoPools()
  const { pools } = fixture
  pools.close(new Set([1]))
  await fixture.put('old', OLD)
  assert.deepEqual([has(drives[0], 'old'), has(drives[1], 'old')], [true, false])
  pools.close(new Set([0]))
  assertBytes(await fixture.get('old'), OLD)
  await fixture.put('old', NEW)
  await fixture.put('new', NEW)
  assert.deepEqual([has(drives[1], 'old'), has(drives[1], 'new')], [true, true])
  assert.equal(has(drives[0], 'new'), false)
  assertBytes(await fixture.get('old'), NEW)
  const target = { bucket: 'bucket', key: 'old' }
  await removeObject(fixture.context, pools, target, { versioning: 'unversioned' })
  await assert.rejects(
    fixture.get('old'),
    (error) => error instanceof ObjectError && error.code === 'ObjectNotFound',
  )
})

test('there is no room when all pools are closed', async () => {
  const { fixture } = twoPools()
  fixture.pools.close(new Set([0, 1]))
  await assert.rejects(
    fixture.put('k', NEW),
    (error) => error instanceof ObjectError && error.code === 'StorageFull',
  )
})

test('an object for all pools is in each of them', async () => {
  const { drives, system } = twoPools()
  for (const content of [OLD, NEW]) {
    await system.writeToAllPools('pool.bin', content)
    assertBytes(await system.read('pool.bin'), content)
    for (const drive of drives.flat()) assert.ok(drive.files.has('.minio.sys/pool.bin/xl.meta'))
  }
})
