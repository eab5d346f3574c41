import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { assertBytes } from '#testing/bytes'
import { fuzz } from '#testing/fuzz'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { CRC_NAMES, CRC_PARAMETERS } from './kernels/crc.ts'
import { XXH3_SECRET } from './kernels/xxh3.ts'
import {
  plainCrc,
  plainHighwayHash256,
  plainSipHash24,
  plainXxh3,
  plainXxh64,
} from './testing/plain.ts'
import { at } from './wasm/emitter.ts'

const codecs = [true, false].map((allowRelaxedSimd) => {
  return new Codec(createCodecSeed({ regionSizesBytes: [2 ** 20], allowRelaxedSimd }), 0)
})
const bitrotKey = Uint8Array.fromHex(
  '4be734fa8e238acd263e83e6bb968552040f935da39f441497e09d1322de36a0',
)

/** Mostly small, sometimes around the limits of the kernels; in the arena or not; with relaxed SIMD or not. */
function withData(random: Random, visit: (data: Uint8Array, codec: Codec) => void): void {
  const codec = at(codecs, random.below(codecs.length))
  const limit = [40, 300, 3000, 50_000][random.below(4)] ?? 40
  const data = random.bytes(random.below(limit))
  if (random.below(2) === 0) {
    visit(data, codec)
    return
  }
  const start = random.below(64)
  using slot = codec.arena.tryAcquire(start + data.length + 1)
  assert(slot !== undefined)
  slot.bytes.set(data, start)
  visit(slot.bytes.subarray(start, start + data.length), codec)
}

fuzz('HighwayHash', (random) => {
  withData(random, (data, codec) => {
    const expected = plainHighwayHash256(bitrotKey, data)
    assertBytes(codec.highwayHash256(data), expected)
    const hasher = codec.highwayHasher()
    for (let offset = 0; offset < data.length; ) {
      const end = Math.min(data.length, offset + random.below(data.length + 2))
      hasher.update(data.subarray(offset, end))
      offset = end
    }
    assertBytes(hasher.digest(), expected)
  })
})

fuzz('XXH64 and XXH3', (random) => {
  withData(random, (data, codec) => {
    const seed = BigInt(random.below(2 ** 32)) << 31n
    assert.equal(codec.xxh64(data, seed), plainXxh64(data, seed))
    assert.equal(codec.xxh3(data), plainXxh3(XXH3_SECRET, data))
  })
})

fuzz('XXH streams', (random) => {
  withData(random, (data, codec) => {
    const streams = (['xxhash64', 'xxhash3', 'xxhash128'] as const).map((name) =>
      codec.checksum(name),
    )
    const whole = codec.checksum('xxhash128')
    whole.update(data)
    for (let offset = 0; offset < data.length; ) {
      const end = Math.min(data.length, offset + 1 + random.below(data.length))
      for (const stream of streams) stream.update(data.subarray(offset, end))
      offset = end
    }
    const [xxh64, xxh3, xxh128] = streams.map((stream) => stream.digest().toHex())
    assert.equal(xxh64, plainXxh64(data, 0n).toString(16).padStart(16, '0'))
    assert.equal(xxh3, plainXxh3(XXH3_SECRET, data).toString(16).padStart(16, '0'))
    assert.equal(xxh128, whole.digest().toHex())
  })
})

fuzz('SipHash', (random) => {
  withData(random, (data, codec) => {
    const key = random.bytes(16)
    assert.equal(codec.sipHash24(key, data), plainSipHash24(key, data))
  })
})

fuzz('CRCs', (random) => {
  withData(random, (data, codec) => {
    const cut = random.below(data.length + 1)
    for (const name of CRC_NAMES) {
      const { polynomial, bits } = CRC_PARAMETERS[name]
      const checksum = codec.checksum(name)
      checksum.update(data.subarray(0, cut))
      checksum.update(data.subarray(cut))
      const expected = plainCrc(polynomial, bits, data)
        .toString(16)
        .padStart(bits / 4, '0')
      assert.equal(checksum.digest().toHex(), expected)
    }
  })
})
