import { bench } from '#testing/bench'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { candidates, loadPrototype } from './testing/prototype.ts'

/** HighwayHash, XXH64, XXH3 and SipHash. */

const codec = new Codec(createCodecSeed({ regionSizesBytes: [8 * 2 ** 20] }), 0)
const prototype = await loadPrototype()
const sipKey = new Uint8Array(16)

for (const size of [2 ** 20, 131_072, 4096, 1024, 1000, 48]) {
  using slot = await codec.arena.acquire(2 * size + 128)
  slot.bytes.fill(1)
  const data = slot.bytes.subarray(0, size)
  const heap = new Uint8Array(data)
  const out = slot.offset + 2 * size
  const there = prototype?.alloc(2 * size + 128) ?? 0
  prototype?.memory.fill(1, there, there + 2 * size)
  bench(
    `HighwayHash, 2 shards of ${size}`,
    2 * size,
    candidates(
      () => codec.hashShards(slot.offset, size, 2, size, out),
      prototype && (() => prototype.highway(there, size, 2, size, there + 2 * size)),
    ),
  )
  bench(
    `HighwayHash, 1 shard of ${size}`,
    size,
    candidates(
      () => codec.hashShards(slot.offset, size, 1, size, out),
      prototype && (() => prototype.highway(there, size, 1, size, there + 2 * size)),
    ),
  )
  bench(
    `XXH64, ${size} bytes`,
    size,
    candidates(() => void codec.xxh64(data), prototype && (() => prototype.xxh64(there, size))),
  )
  bench(
    `SipHash, ${size} bytes`,
    size,
    candidates(
      () => void codec.sipHash24(sipKey, data),
      prototype && (() => prototype.sipHash(there, size)),
    ),
  )
  bench(`XXH3, ${size} bytes`, size, [{ name: 'cairn', run: () => void codec.xxh3(data) }])
  bench(`outside the arena, ${size} bytes`, size, [
    { name: 'HighwayHash', run: () => void codec.highwayHash256(heap) },
    { name: 'XXH64', run: () => void codec.xxh64(heap) },
    { name: 'XXH3', run: () => void codec.xxh3(heap) },
  ])
}
