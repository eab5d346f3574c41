/** Many bodies at once in little memory: nobody waits for somebody who waits for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalBytes } from '#base/bytes'
import { systemClock } from '#base/clock'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { contentOf, drivesOf, EngineFixture, oneSet } from '#testing/engine-fixture'
import { copyObject } from '../copy.ts'

const MIB = 1_048_576

/** Slots of one block on four drives with two of parity take a little over 2 MiB. */
function fixtureWith(slots: number): EngineFixture {
  const codec = new Codec(createCodecSeed({ regionSizesBytes: [slots * 2.25 * MIB] }), 0)
  return new EngineFixture({ codec, layouts: oneSet(drivesOf(codec, 4)) })
}

/** False: not within the time that a dead lock has. */
async function ends(work: Promise<unknown>): Promise<boolean> {
  const signal = AbortSignal.timeout(26_000)
  return Promise.race([
    work.then(() => true),
    systemClock()
      .sleep(25_000, signal)
      .then(() => false),
  ])
}

test('uploads go on when there are fewer slots than two for each', async () => {
  for (const slots of [1, 2, 4]) {
    const fixture = fixtureWith(slots)
    const free = fixture.context.codec.arena.freeBytes
    const puts = Array.from({ length: 6 }, (_, i) => fixture.put(`k${i}`, contentOf(3 * MIB, i)))
    assert.ok(await ends(Promise.all(puts)), `${slots} slots`)
    assert.equal(fixture.context.codec.arena.freeBytes, free)
  }
})

test('copies go on when there is memory for few of them', async () => {
  for (const slots of [3, 4, 6]) {
    const fixture = fixtureWith(slots)
    const free = fixture.context.codec.arena.freeBytes
    const { context, pools } = fixture
    await fixture.put('source', contentOf(3 * MIB))
    const copies = Array.from({ length: 8 }, (_, i) => {
      const source = { bucket: 'bucket', key: 'source' }
      return copyObject(context, pools, { bucket: 'bucket', key: `copy${i}` }, source, {
        storageClass: 'STANDARD',
        versioning: 'unversioned',
        digests: [],
        metadata: () => ({
          userMetadata: new Map(),
          systemMetadata: new Map(),
          digests: [],
          allowMetadataOnly: false,
        }),
      })
    })
    assert.ok(await ends(Promise.all(copies)), `${slots} slots`)
    assert.equal(context.codec.arena.freeBytes, free)
  }
})

test('a small last block goes to the drives with the one before it', async () => {
  for (const [sizeBytes, appends] of [
    [MIB, 1],
    [MIB + 512, 1],
    [2 * MIB + 65_536, 2],
    [MIB + 65_537, 2],
  ] as const) {
    const codec = new Codec(createCodecSeed({ regionSizesBytes: [8 * MIB] }), 0)
    const drives = drivesOf(codec, 4)
    const fixture = new EngineFixture({ codec, layouts: oneSet(drives) })
    const content = contentOf(sizeBytes, 1)
    await fixture.put('key', content)
    assert.deepEqual(
      drives.map((drive) => drive.calls.get('appendStaged')),
      drives.map(() => appends),
    )
    assert.ok(equalBytes(await fixture.get('key'), content))
  }
})
