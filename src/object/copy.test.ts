/** Copies of an object onto itself that change its metadata: the content is never in danger. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertBytes } from '#testing/bytes'
import {
  contentOf,
  drivesOf,
  EngineFixture,
  oneSet,
  testCodec,
  type FixtureOptions,
} from '#testing/engine-fixture'
import { copyObject } from './copy.ts'
import { ObjectError } from './object.ts'
import { repairKey } from './repair/repair-object.ts'

const codec = testCodec()
const KEY = { bucket: 'bucket', key: 'k' }
const SIZES = [3000, 3_000_000]
const SHAPES = [
  { count: 4, parity: 2, failing: 2 },
  { count: 4, parity: 1, failing: 2 },
  { count: 6, parity: 2, failing: 3 },
  { count: 6, parity: 2, failing: 4 },
]

function retag(fixture: EngineFixture, value: string): ReturnType<typeof copyObject> {
  const source = { ...KEY, versionId: undefined }
  return copyObject(fixture.context, fixture.pools, KEY, source, {
    storageClass: 'STANDARD',
    versioning: 'unversioned',
    digests: [],
    metadata: () => ({
      userMetadata: new Map([['X-Amz-Meta-A', value]]),
      systemMetadata: new Map(),
      digests: [],
      allowMetadataOnly: true,
    }),
  })
}

for (const { count, parity, failing } of SHAPES) {
  for (const how of ['refused', 'cut off'] as const) {
    test(`${count} drives, parity ${parity}: a copy onto itself that ${failing} of them miss is ${how}`, async () => {
      for (const size of SIZES) {
        const drives = drivesOf(codec, count)
        const options: FixtureOptions = {
          codec,
          layouts: oneSet(drives),
          storage: { standardParity: parity },
        }
        const fixture = new EngineFixture(options)
        const content = contentOf(size)
        await fixture.put('k', content)
        await retag(fixture, 'first')
        for (const [i, drive] of drives.entries()) {
          if (i < failing) drive.failCall('commitVersion', 'DriveFull')
          if (how === 'cut off') drive.failCall('undoCommit', 'DriveFull')
        }
        await assert.rejects(retag(fixture, 'second'), ObjectError)
        for (const drive of drives) {
          drive.failCall('commitVersion', undefined)
          drive.failCall('undoCommit', undefined)
        }
        const [set] = fixture.pools.allSets()
        assert.ok(set !== undefined)
        if (how === 'refused') assertBytes(await fixture.get('k'), content)
        const { problems } = await repairKey(set, 'bucket', 'k', { deep: true })
        assert.deepEqual(problems, [])
        assertBytes(await fixture.get('k'), content)
        await retag(fixture, 'third')
        const { userMetadata } = await fixture.head('k')
        assert.equal(userMetadata.get('X-Amz-Meta-A'), 'third')
        assertBytes(await fixture.get('k'), content)
      }
    })
  }
}
