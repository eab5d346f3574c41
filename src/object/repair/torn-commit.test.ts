/** Servers that die in the middle of a commit: afterwards the key is whole, old or new, never gone. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { assertBytes } from '#testing/bytes'
import { contentOf, testCodec } from '#testing/engine-fixture'
import { dyingAfter, RepairFixture, settled } from './testing/repair-fixture.ts'

const codec = testCodec()
const MIB = 1_048_576

const SHAPES = [
  { count: 4, parity: 2 },
  { count: 6, parity: 2 },
] as const

for (const { count, parity } of SHAPES) {
  for (const oldSize of [100, MIB] as const) {
    for (const newSize of [0, 120, 2 * MIB] as const) {
      test(`an overwrite of ${oldSize} by ${newSize} bytes, torn at each of ${count} drives`, async (context) => {
        for (let reached = 0; reached <= count; reached++) {
          const fixture = new RepairFixture(context, { codec, count, parity })
          await fixture.engine.put('a/k', contentOf(oldSize, 1))
          const before = fixture.snapshot()
          // From the last drive on, so that the first ones are not always the same.
          const positions = new Set(Array.from({ length: reached }, (_, i) => count - 1 - i))
          const dying = fixture.engineOver(dyingAfter(fixture.drives, positions))
          await dying.put('a/k', contentOf(newSize, 2))
          await settled()
          const result = await fixture.repair('a/k')
          assert.deepEqual(result.problems, [], `${reached}`)
          const isNew = reached >= (newSize === 0 ? count / 2 : count - parity)
          const expected = isNew ? contentOf(newSize, 2) : contentOf(oldSize, 1)
          if (!isNew) assert.deepEqual(fixture.snapshot(), before, `${reached}`)
          const again = await fixture.repair('a/k', { deep: true })
          assert.deepEqual([again.problems, again.changes], [[], 0], `${reached}`)
          for (let i = 0; i < count; i++) {
            const files = newSize >= MIB ? 2 : 1
            if (isNew) assert.equal(fixture.names(i).length, files, `${reached}`)
          }
          for (let i = 0; i < parity; i++) {
            rmSync(fixture.file((reached + i) % count, 'bucket/a'), { recursive: true })
          }
          assertBytes(await fixture.engine.get('a/k'), expected, `${reached}`)
        }
      })
    }
  }
}

test('a new version torn below its read quorum stays until it is old, then goes', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 6, parity: 2 })
  await fixture.engine.put('a/k', contentOf(MIB, 1), { versioning: 'enabled' })
  const before = fixture.snapshot()
  const dying = fixture.engineOver(dyingAfter(fixture.drives, new Set([1, 2, 4])))
  await dying.put('a/k', contentOf(MIB, 2), { versioning: 'enabled' })
  const torn = fixture.snapshot()
  assert.deepEqual((await fixture.repair('a/k')).problems, ['young'])
  assert.deepEqual(fixture.snapshot(), torn)
  assert.deepEqual((await fixture.repair('a/k', { danglingAgeMs: 0 })).problems, [])
  assert.deepEqual(fixture.snapshot(), before)
  assertBytes(await fixture.engine.get('a/k'), contentOf(MIB, 1))
})

test('backups left over from an acknowledged overwrite do not bring the old version back', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 6, parity: 2 })
  const all = new Set([0, 1, 2, 3, 4, 5])
  await fixture.engine.put('a/k', contentOf(MIB, 1))
  await fixture.engineOver(dyingAfter(fixture.drives, all)).put('a/k', contentOf(MIB, 2))
  await fixture.engineOver([undefined, ...fixture.drives.slice(1)]).remove('a/k')
  const result = await fixture.repair('a/k', { danglingAgeMs: 0 })
  assert.deepEqual(result.problems, [])
  await assert.rejects(fixture.engine.get('a/k'), { code: 'ObjectNotFound' })
})

test('a torn overwrite waits for the drives that could tell', async (context) => {
  const fixture = new RepairFixture(context, { codec, count: 6, parity: 2 })
  await fixture.engine.put('a/k', contentOf(100, 1))
  const dying = fixture.engineOver(dyingAfter(fixture.drives, new Set([0, 1, 2])))
  await dying.put('a/k', contentOf(100, 2))
  const torn = fixture.snapshot()
  // One of the drives with the old version is away: it may have the new one, which was then acknowledged.
  fixture.healing.add(5)
  rmSync(fixture.file(5, 'bucket/a'), { recursive: true })
  assert.deepEqual((await fixture.repair('a/k')).problems, ['undecided'])
  for (const [name, digest] of fixture.snapshot()) assert.equal(torn.get(name), digest)
})
