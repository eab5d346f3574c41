import { bench } from '#testing/bench'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { candidates, loadPrototype } from './testing/prototype.ts'

/** Reed-Solomon: GB/s of the block. Beside it the same without relaxed SIMD. */

const codec = new Codec(createCodecSeed({ regionSizesBytes: [8 * 2 ** 20] }), 0)
const strict = new Codec(
  createCodecSeed({ regionSizesBytes: [8 * 2 ** 20], allowRelaxedSimd: false }),
  0,
)
const prototype = await loadPrototype()
const shapes = [
  [2, 2],
  [4, 4],
  [8, 4],
  [12, 4],
] as const

for (const size of [2 ** 20, 131_072, 4096]) {
  for (const [data, parity] of shapes) {
    const coder = codec.erasureCoder(data, parity)
    const shardSize = coder.shardSize(size)
    using slot = await codec.arena.acquire((data + parity) * shardSize)
    const { offset } = slot
    const strictCoder = strict.erasureCoder(data, parity)
    using strictSlot = await strict.arena.acquire((data + parity) * shardSize)
    const other = prototype?.encoder(data, parity)
    const otherOffset = prototype?.alloc((data + parity) * shardSize) ?? 0
    slot.bytes.fill(1)
    strictSlot.bytes.fill(1)
    // Memory never written would all be one page of zeros.
    prototype?.memory.fill(1, otherOffset, otherOffset + (data + parity) * shardSize)
    bench(`encode ${data}+${parity}, ${size} bytes`, size, [
      ...candidates(
        () => coder.encode(offset, size),
        other && (() => other(otherOffset, shardSize)),
      ),
      { name: 'strict SIMD', run: () => strictCoder.encode(strictSlot.offset, size) },
    ])
    const present = Array.from({ length: data + parity }, (_, i) => i > 1)
    bench(`reconstruct 2 of ${data}+${parity}, ${size} bytes`, size, [
      {
        name: 'cairn',
        run: () => coder.reconstruct(offset, shardSize, shardSize, present, [0, 1]),
      },
    ])
  }
}
