/** Random writes, deaths in the middle of commits, drives away and damage; a repair after each. */
import assert from 'node:assert/strict'
import { rmSync, truncateSync } from 'node:fs'
import { test } from 'node:test'
import { seededRandom, type Random } from '#base/random'
import { contentOf, testCodec, type EngineFixture } from '#testing/engine-fixture'
import { ObjectError } from '../object.ts'
import { dyingAfter, RepairFixture, settled } from './testing/repair-fixture.ts'

const codec = testCodec()
const ROUNDS = 40
const SIZES = [0, 100, 5000, 300_000, 1_100_000]

/** What a key holds: size and seed of the content; undefined: nothing. */
type Value = { readonly size: number; readonly seed: number } | undefined

for (const { count, parity } of [
  { count: 4, parity: 2 },
  { count: 5, parity: 2 },
  { count: 6, parity: 2 },
]) {
  for (const versioning of ['unversioned', 'enabled'] as const) {
    test(`${count} drives, ${versioning}: no acknowledged write is lost, and every repair settles`, async (context) => {
      const fixture = new RepairFixture(context, { codec, count, parity })
      const random = seededRandom(count * 10 + parity)
      let allowed: Value[] = [undefined]
      const history: string[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const value = { size: SIZES[random.below(SIZES.length)] ?? 0, seed: round }
        const reached = someOf(random, count, random.below(count + 1))
        const action = random.below(5)
        if (action === 0) {
          history.push(`${round}: ${value.size} bytes torn, reaches ${[...reached].join()}`)
          const dying = fixture.engineOver(dyingAfter(fixture.drives, reached))
          await dying.put('k', contentOf(value.size, value.seed), { versioning })
          allowed.push(value)
        } else if (action === 1) {
          const away = someOf(random, count, random.below(parity))
          history.push(`${round}: ${value.size} bytes without ${[...away].join()}`)
          await without(fixture, away).put('k', contentOf(value.size, value.seed), { versioning })
          allowed = [value]
        } else if (action === 2) {
          const away = someOf(random, count, random.below(parity))
          history.push(`${round}: removed without ${[...away].join()}`)
          await without(fixture, away).remove('k', { versioning })
          allowed = [undefined]
        } else {
          const bad = someOf(random, count, random.below(parity + 1))
          history.push(`${round}: damaged ${[...bad].join()}`)
          for (const position of bad) damage(fixture, random, position)
        }
        await settled()
        const result = await fixture.repair('k', { danglingAgeMs: 0, deep: true })
        assert.deepEqual(result.problems, [], history.slice(-4).join('\n'))
        const found = await read(fixture.engine, allowed)
        assert.ok(found !== 'other', history.slice(-4).join('\n'))
        allowed = [found]
        const again = await fixture.repair('k', { danglingAgeMs: 0, deep: true })
        assert.deepEqual([again.problems, again.changes], [[], 0], history.slice(-4).join('\n'))
      }
      assert.equal(fixture.engine.lentBytes, 0)
    })
  }
}

function without(fixture: RepairFixture, away: ReadonlySet<number>): EngineFixture {
  return fixture.engineOver(fixture.drives.map((drive, i) => (away.has(i) ? undefined : drive)))
}

function someOf(random: Random, limit: number, count: number): ReadonlySet<number> {
  const chosen = new Set<number>()
  while (chosen.size < count) chosen.add(random.below(limit))
  return chosen
}

function damage(fixture: RepairFixture, random: Random, position: number): void {
  const names = fixture.names(position)
  const name = names[random.below(Math.max(1, names.length))]
  if (name === undefined) return
  const file = fixture.file(position, name)
  const kind = random.below(3)
  if (kind === 0) rmSync(file)
  else if (kind === 1) truncateSync(file, 10)
  else rmSync(fixture.file(position, 'bucket/k'), { recursive: true })
}

async function read(engine: EngineFixture, allowed: readonly Value[]): Promise<Value | 'other'> {
  let bytes: Uint8Array | undefined
  try {
    bytes = await engine.get('k')
  } catch (error) {
    if (!(error instanceof ObjectError) || error.code !== 'ObjectNotFound') throw error
  }
  for (const value of allowed) {
    const expected = value === undefined ? undefined : contentOf(value.size, value.seed)
    if (expected === undefined || bytes === undefined) {
      if (expected === bytes) return value
    } else if (Buffer.compare(expected, bytes) === 0) return value
  }
  return 'other'
}
