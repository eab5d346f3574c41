import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCodec } from './engine-fixture.ts'
import { simulate } from './simulation.ts'

/** SIMULATION_SECONDS=600 runs more seeds, SIMULATION_SEED=7 repeats one. */
const SECONDS = Number(process.env['SIMULATION_SECONDS'] ?? 6)
const ONLY_SEED = process.env['SIMULATION_SEED']

const LAYOUTS = [
  { driveCount: 4, standardParity: 2 },
  { driveCount: 6, standardParity: 2 },
  { driveCount: 1, standardParity: 0 },
] as const

const codec = testCodec()

for (const layout of LAYOUTS) {
  test(`power loss of a node with ${layout.driveCount} drives loses nothing acknowledged`, async () => {
    const end = performance.now() + (SECONDS * 1000) / LAYOUTS.length
    let seed = ONLY_SEED === undefined ? 1 : Number(ONLY_SEED)
    let images = 0
    let operations = 0
    do {
      const report = await simulate({ ...layout, seed, codec, durability: 'strict' })
      images += report.images
      operations += report.operations
      seed++
    } while (ONLY_SEED === undefined && performance.now() < end)
    console.log(
      `${layout.driveCount} drives: seeds 1 to ${seed - 1}, ${operations} operations, ${images} images`,
    )
    assert.ok(images > 0 || ONLY_SEED !== undefined)
  })
}

test('the simulation sees what weaker durability loses', async () => {
  await assert.rejects(async () => {
    for (let seed = 1; seed <= 60; seed++) {
      await simulate({ driveCount: 4, standardParity: 2, seed, codec, durability: 'relaxed' })
    }
  }, /Seed \d+/)
})
