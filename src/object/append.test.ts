import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { assertBytes } from '#testing/bytes'
import { contentOf, drivesOf, EngineFixture, oneSet } from '#testing/engine-fixture'
import { appendObject } from './append.ts'
import { bodyOfBytes } from './body.ts'
import type { BodySource, ObjectInfo } from './object.ts'

const MIB = 1_048_576

function fixtureOf(arenaBytes: number): EngineFixture {
  const codec = new Codec(createCodecSeed({ regionSizesBytes: [arenaBytes] }), 0)
  return new EngineFixture({ codec, layouts: oneSet(drivesOf(codec, 4)) })
}

function append(fixture: EngineFixture, key: string, body: BodySource): Promise<ObjectInfo> {
  const { context, pools } = fixture
  return appendObject(
    context,
    pools,
    { bucket: 'bucket', key },
    {
      write: async (existing) => ({
        body,
        options: {
          userMetadata: existing.userMetadata,
          storageClass: 'STANDARD',
          digests: [],
          versioning: 'unversioned',
        },
      }),
    },
  )
}

test('more appends than there is memory for end all the same', async () => {
  const fixture = fixtureOf(24 * MIB)
  const content = contentOf(4 * MIB, 1)
  const keys = Array.from({ length: 8 }, (_, i) => `key-${i}`)
  for (const key of keys) await fixture.put(key, content)
  const more = contentOf(100, 2)
  await Promise.all(keys.map((key) => append(fixture, key, bodyOfBytes(more))))
  for (const key of keys) {
    assert.ok(Buffer.concat([content, more]).equals(await fixture.get(key)))
  }
})

test('an append whose client is slow does not keep another from its turn', async () => {
  const fixture = fixtureOf(24 * MIB)
  for (const key of ['slow', 'quick']) await fixture.put(key, contentOf(2 * MIB, 1))
  const asked = Promise.withResolvers<void>()
  const sent = Promise.withResolvers<void>()
  const slow = append(fixture, 'slow', {
    sizeBytes: 0,
    read: async () => {
      asked.resolve()
      await sent.promise
      return 0
    },
  })
  await asked.promise
  const info = await append(fixture, 'quick', bodyOfBytes(contentOf(10, 2)))
  assert.equal(info.sizeBytes, 2 * MIB + 10)
  sent.resolve()
  assert.equal((await slow).sizeBytes, 2 * MIB)
})

test('an append that is refused leaves nothing behind', async () => {
  const fixture = fixtureOf(24 * MIB)
  const content = contentOf(2 * MIB, 1)
  await fixture.put('key', content)
  const failing = { sizeBytes: 10, read: () => Promise.reject(new Error('Client is gone')) }
  for (let i = 0; i < 5; i++) await assert.rejects(append(fixture, 'key', failing), /gone/)
  assertBytes(await fixture.get('key'), content)
  await append(fixture, 'key', bodyOfBytes(contentOf(10, 2)))
})
