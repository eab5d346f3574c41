import { createHash } from 'node:crypto'
import { bench } from '#testing/bench'
import { createCodecSeed } from './arena.ts'
import { MD5_LANES_MAX, SHARED_LAYOUT } from './layout.ts'
import { candidates, loadPrototype } from './testing/prototype.ts'
import { Codec } from './codec.ts'
import { Workspace } from './workspace.ts'

/** The MD5 kernels, then whole streams through the scheduler. */

const MIB = 2 ** 20
const UPDATES = 3
const ROUNDS = 9
const seed = createCodecSeed({ regionSizesBytes: [16 * MIB] })
const codec = new Codec(seed, 0)
const { kernels, at, words } = new Workspace(seed, 0)
const prototype = await loadPrototype()
using slot = await codec.arena.acquire(MIB)
slot.bytes.fill(1)

const there = prototype?.alloc(MIB) ?? 0
const statesThere = prototype?.alloc(16 * MD5_LANES_MAX) ?? 0
const addressesThere = prototype?.alloc(4 * MD5_LANES_MAX) ?? 0
prototype?.memory.fill(1, there, there + MIB)
const wordsThere = prototype && new Uint32Array(prototype.memory.buffer)
wordsThere?.fill(there, addressesThere / 4, addressesThere / 4 + MD5_LANES_MAX)
words.fill(slot.offset, at.md5LaneAddresses / 4, at.md5LaneAddresses / 4 + MD5_LANES_MAX)

for (const size of [131_072, 4096]) {
  const blocks = size / 64
  for (const lanes of [8, 12] as const) {
    const kernel = lanes === 8 ? kernels.md5Lanes8 : kernels.md5Lanes12
    bench(
      `MD5, ${lanes} lanes of ${size}`,
      lanes * size,
      candidates(
        () =>
          kernel(
            at.md5LaneStates,
            at.md5LaneAddresses,
            blocks,
            at.md5Message,
            SHARED_LAYOUT.md5Constants,
          ),
        prototype && (() => prototype.md5Lanes(lanes, statesThere, addressesThere, blocks)),
      ),
    )
  }
  bench(`MD5, 1 stream of ${size}`, size, [
    ...candidates(
      () => kernels.md5(at.md5State, slot.offset, blocks),
      prototype && (() => prototype.md5(statesThere, there, blocks)),
    ),
    {
      name: 'node:crypto',
      run: () => void createHash('md5').update(slot.bytes.subarray(0, size)).digest(),
    },
  ])
}

const heap = new Uint8Array(slot.bytes)
for (const [place, data] of [
  ['in the arena', slot.bytes],
  ['elsewhere', heap],
] as const) {
  for (const count of [1, 2, 3, 4, 6, 8, 12, 16, 24]) {
    const speeds: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now()
      await Promise.all(Array.from({ length: count }, () => hashStream(data)))
      speeds.push((UPDATES * count * MIB) / (performance.now() - start) / 1e6)
    }
    const best = speeds.toSorted((a, b) => b - a)[ROUNDS >> 2] ?? 0
    console.log(`${count} streams ${place}`.padEnd(30), best.toFixed(2).padStart(6), 'GB/s in all')
  }
}

async function hashStream(data: Uint8Array): Promise<void> {
  const md5 = codec.md5()
  for (let i = 0; i < UPDATES; i++) await md5.update(data)
  await md5.digest()
}
