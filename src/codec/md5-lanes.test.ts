import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { utf8 } from '#base/bytes'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { patternBytes } from './testing/plain.ts'

const MIB = 2 ** 20
const codec = new Codec(createCodecSeed({ regionSizesBytes: [8 * MIB] }), 0)

function expectedDigest(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex')
}

async function digestInPieces(data: Uint8Array, pieceSize: number): Promise<string> {
  const md5 = codec.md5()
  for (let offset = 0; offset < data.length; offset += pieceSize) {
    await md5.update(data.subarray(offset, offset + pieceSize))
  }
  return (await md5.digest()).toHex()
}

test('MD5 gives the values of RFC 1321', async () => {
  const cases: [string, string][] = [
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    [`${'1234567890'.repeat(8)}`, '57edf4a22be3c955ac49da2e2107b67a'],
  ]
  for (const [text, digest] of cases) assert.equal(await digestInPieces(utf8(text), 100), digest)
})

test('any length gives the digest, in small pieces and at once', async () => {
  for (let size = 0; size <= 200; size++) {
    const data = patternBytes(size)
    assert.equal(await digestInPieces(data, size + 1), expectedDigest(data))
    assert.equal(await digestInPieces(data, 7), expectedDigest(data))
  }
})

for (const count of [1, 2, 3, 5, 8, 9, 12, 13, 30]) {
  test(`${count} concurrent streams of different lengths give their digests`, async () => {
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const data = patternBytes(20_000 + 33_333 * (i % 7) + i)
        using slot = await codec.arena.acquire(data.length)
        slot.bytes.set(data)
        const source = i % 2 === 0 ? slot.bytes : data
        assert.equal(await digestInPieces(source, 10_000 + 1000 * i), expectedDigest(data))
      }),
    )
  })
}

test('a stream that stalls does not hold up the others', async () => {
  const data = patternBytes(100_000)
  const stalled = codec.md5()
  await stalled.update(data)
  await Promise.all(
    Array.from({ length: 15 }, async () => {
      assert.equal(await digestInPieces(data, 50_000), expectedDigest(data))
    }),
  )
  assert.equal((await stalled.digest()).toHex(), expectedDigest(data))
})

test('a lone stream is hashed without waiting for company', async () => {
  const md5 = codec.md5()
  let isDone = false
  const update = Promise.resolve(md5.update(patternBytes(64 * 1024))).then(() => {
    isDone = true
  })
  await nextTurn()
  await nextTurn()
  assert(isDone)
  await update
})

test('small updates are consumed at once', () => {
  assert.equal(codec.md5().update(patternBytes(4096)), undefined)
})

test('abandoned streams resolve their update, leave the lanes and take no more calls', async () => {
  const data = patternBytes(MIB)
  const abandoned = codec.md5()
  const others = Array.from({ length: 9 }, () => digestInPieces(data, 300_000))
  const update = abandoned.update(data)
  abandoned.abandon()
  abandoned.abandon()
  await update
  assert.throws(() => abandoned.update(data), /Assertion/)
  for (const digest of await Promise.all(others)) assert.equal(digest, expectedDigest(data))
})

test('an update before the one pending is complete is a failed assertion', async () => {
  const md5 = codec.md5()
  const pending = md5.update(patternBytes(100_000))
  assert.throws(() => md5.update(new Uint8Array(1)), /Assertion/)
  assert.throws(() => void md5.digest(), /Assertion/)
  await pending
})
