import { crc32 as zlibCrc32 } from 'node:zlib'
import { bench } from '#testing/bench'
import { createCodecSeed } from './arena.ts'
import { combineCrc } from './checksum-combine.ts'
import { Codec } from './codec.ts'
import { candidates, loadPrototype } from './testing/prototype.ts'

/** CRCs, and their combination. */

const codec = new Codec(createCodecSeed({ regionSizesBytes: [8 * 2 ** 20] }), 0)
const prototype = await loadPrototype()

for (const size of [2 ** 20, 131_072, 4096, 1024]) {
  using slot = await codec.arena.acquire(size)
  slot.bytes.fill(1)
  const data = slot.bytes
  const heap = new Uint8Array(data)
  const there = prototype?.alloc(size) ?? 0
  prototype?.memory.fill(1, there, there + size)
  for (const name of ['crc32', 'crc32c', 'crc64nvme'] as const) {
    const checksum = codec.checksum(name)
    const other = prototype && (() => runOther(name, there, size))
    bench(
      `${name}, ${size} bytes`,
      size,
      candidates(() => checksum.update(data), other),
    )
    bench(`${name}, ${size} bytes elsewhere`, size, [
      { name: 'cairn', run: () => checksum.update(heap) },
      ...(name === 'crc32' ? [{ name: 'zlib', run: () => void zlibCrc32(heap) }] : []),
    ])
  }
}

for (const name of ['crc32', 'crc64nvme'] as const) {
  const digest = codec.checksum(name).digest()
  bench(`combine ${name}, part of 5 MiB`, 1, [
    { name: 'cairn', run: () => void combineCrc(name, digest, digest, 5 * 2 ** 20) },
  ])
}

function runOther(name: 'crc32' | 'crc32c' | 'crc64nvme', address: number, size: number): void {
  if (name === 'crc64nvme') prototype?.crc64(address, size)
  else prototype?.crc32(name, address, size)
}
