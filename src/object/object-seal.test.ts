/** Many reads of encrypted and compressed content at once, in little memory, by clients that are slow or leave. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '#base/bytes'
import { systemClock } from '#base/clock'
import { seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { sealedSize } from '#encryption/dare'
import { ObjectEncryption } from '#encryption/object-encryption'
import { contentOf, drivesOf, EngineFixture, oneSet } from '#testing/engine-fixture'
import { ObjectSeal, openSeal } from './object-seal.ts'
import type { DataChunk, ObjectInfo } from './object.ts'
import type { Seal } from './transform.ts'
import { COMPRESSION_KEY, COMPRESSION_SCHEME } from './metadata-keys.ts'

const MIB = 1_048_576
const KEY = 'key'
const SIZE = 5 * MIB + 77_777
/** Half of it shrinks. */
const CONTENT = contentOf(SIZE).map((byte, i) => ((i >> 12) & 1 ? byte : (i >> 3) & 0xff))
const clientKey = (): Uint8Array => new Uint8Array(32).fill(9)

const encryption = new ObjectEncryption({
  kms: undefined,
  random: seededRandom(1),
  clock: systemClock(),
  cachesDataKeys: false,
})

interface Stored {
  readonly fixture: EngineFixture
  open(): Promise<{ chunks(): AsyncIterable<DataChunk>; close(): void }>
}

/** One object on four drives, and memory for a few groups of two blocks. */
async function store(options: { isSealed: boolean; isCompressed: boolean }): Promise<Stored> {
  const codec = new Codec(createCodecSeed({ regionSizesBytes: [7 * MIB] }), 0)
  const fixture = new EngineFixture({ codec, layouts: oneSet(drivesOf(codec, 4)) })
  const made = await encryption.create(
    { kind: 'sse-c', clientKey: clientKey() },
    { bucket: 'bucket', key: KEY },
    { isMultipart: false },
  )
  const systemMetadata = new Map(options.isSealed ? made.metadata : [])
  if (options.isCompressed) systemMetadata.set(COMPRESSION_KEY, utf8(COMPRESSION_SCHEME))
  const seal = options.isSealed
    ? new ObjectSeal(made.objectKey, encryption.random, { kind: 'sse-c', isInParts: false })
    : undefined
  await fixture.put(KEY, CONTENT, { systemMetadata, seal })
  seal?.close()
  const unseal = (info: ObjectInfo): Promise<Seal | undefined> =>
    openSeal(encryption, info, clientKey())
  return { fixture, open: () => fixture.open(KEY, { unseal }) }
}

/** Reads as a reply does, whose pieces the kernel frees while the next one is got ready; leaves after `limit` pieces. */
async function read(stored: Stored, limit = Number.POSITIVE_INFINITY): Promise<boolean> {
  const reader = await stored.open()
  const sent: Promise<void>[] = []
  let offset = 0
  let left = limit
  try {
    for await (const chunk of reader.chunks()) {
      sent.push(send(chunk, offset))
      offset += chunk.bytes.length
      if (sent.length > 2) await sent.shift()
      if (--left <= 0) return false
    }
    assert.equal(offset, SIZE)
    return true
  } finally {
    await Promise.all(sent)
    reader.close()
  }
}

/** What waits for the kernel must stay as it is. */
async function send(chunk: DataChunk, offset: number): Promise<void> {
  await systemClock().sleep(2)
  const { bytes } = chunk
  const isSame = Buffer.from(bytes).equals(CONTENT.subarray(offset, offset + bytes.length))
  chunk.release()
  assert.ok(isSame)
}

for (const [name, options] of [
  ['encrypted', { isSealed: true, isCompressed: false }],
  ['compressed', { isSealed: false, isCompressed: true }],
  ['compressed and encrypted', { isSealed: true, isCompressed: true }],
] as const) {
  describe(`${name} content`, () => {
    test('is read by many at once in memory for few, and by some that leave', async () => {
      const stored = await store(options)
      const { arena } = stored.fixture.context.codec
      const free = arena.freeBytes
      const reads = Array.from({ length: 16 }, (_, i) =>
        read(stored, i % 3 === 0 ? 1 + (i % 4) : undefined),
      )
      const outcomes = await Promise.all(reads)
      assert.equal(outcomes.filter((isWhole) => isWhole).length, 10)
      assert.equal(arena.freeBytes, free)
    })
  })
}

test('of a sealed part only the packages that hold a range are read', () => {
  const seal = new ObjectSeal(clientKey(), encryption.random, { kind: 'sse-c', isInParts: true })
  const spans = [
    // The examples of encryption.md 2.5.
    { plain: 200_000, from: 70_000, to: 140_001, expected: [65_568, 196_704] },
    { plain: 5_242_880, from: 5_242_800, to: undefined, expected: [5_179_872, 5_245_440] },
    { plain: 1_000_000, from: 0, to: 120, expected: [0, 65_568] },
  ]
  for (const { plain, from, to, expected } of spans) {
    const part = { number: 1, sizeBytes: sealedSize(plain), actualSizeBytes: plain, etag: '' }
    const { start, end } = seal.read(part, from, to)
    assert.deepEqual([start, end], expected)
  }
})
