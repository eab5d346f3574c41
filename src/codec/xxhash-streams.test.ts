import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodecSeed } from './arena.ts'
import type { ChecksumName } from './checksum.ts'
import { Codec } from './codec.ts'
import { patternBytes } from './testing/plain.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [2 ** 20] }), 0)

/** Sizes around every limit of the algorithms, with the values of the reference program (the Python package xxhash). */
const VECTORS: readonly (readonly [size: number, xxh64: string, xxh3: string, xxh128: string])[] = [
  [0, 'ef46db3751d8e999', '2d06800538d394c2', '99aa06d3014798d86001c324468d497f'],
  [1, '50ff15a81340970f', '929e358d27ae3ee2', 'e1325e21416bcdb2929e358d27ae3ee2'],
  [3, 'f919e068cb64d3c8', '5153836bf6da91e2', 'c41d22319a620ded5153836bf6da91e2'],
  [4, 'a49fb4c237d91555', 'f4d42cd4e4fb28d8', 'a8f125c88b46d293390cfdb7a292534d'],
  [8, '116104dbad0dccad', '25d7d03dce9e307a', '7d16d376bef277f7f87548b593c10c8f'],
  [9, '8490919a9fc89944', '3498730e3d7930ea', '34d15364a73332798ae9d3523dc24549'],
  [16, '9eec2bd0449e6ab0', '8ec5a02e2caa51de', 'a8dfd75379ee6bd8bdc64c6b6ab1f7c9'],
  [17, '2fbcbc6da3b26c65', 'e0516e36333d945e', '97f3f96673f3ef786779b0bd8ff8db9e'],
  [32, '048e142e2b522191', 'dff9b40445a411e3', '72ae2303a8cb7a49383843d0bb5106a8'],
  [64, '12f5a36e15dfe65c', '4ed07069cc9f31c2', '63f1706b84476d2809129c8e338671ec'],
  [65, '2d247c1f02384d96', '68dcdcf5d4d26393', 'c1998b2d09514288c863f81282114448'],
  [96, '4aff53ea4b646b80', '83510814662fae55', 'c9ef6208a2397d8c566c11773a5eeb13'],
  [128, 'f65b8f543c1ab4ee', '7c44df3d90561b4a', '4b8537a5494de0862c262792ea6db81d'],
  [129, '30394bc6a0ae9a2a', 'd5c6a55b2fa7ec7b', 'dffd86de7bdab44a3fe62aa5b62ea610'],
  [160, '7eabad4b2cee05b8', 'aab5bba25d2125d1', '001cf30df3ca924678db4151f2d9c78b'],
  [161, 'b735c7fecbe3137d', '2d75e7e4ec534332', '54925f8ab292f5ab5345b1bfbbec6c88'],
  [239, '2fcc03b16ee7c0c5', 'b85faf104b009e18', '78b55caa4f4897da88aa3243288d2558'],
  [240, 'f56ac14149eda4bd', 'e9b8ecbc23497c67', '201ea1050e97690d2f8c74ce29ce1794'],
  [241, 'aa58825bd610ea7e', 'f6e31830f6b8d622', '96fa5f26d299f115f6e31830f6b8d622'],
  [1024, 'bf2df09cf7706287', 'dfc65ee527d39599', '305750ffe7a366eadfc65ee527d39599'],
  [1025, 'c2652234605986cf', '54394304b68776bc', '2147e6def433fc3c54394304b68776bc'],
  [2048, 'b1b26d7198a57035', 'ae45d3c2beff4fcb', 'b45fe00d43e72b90ae45d3c2beff4fcb'],
  [131073, '7901c4abc684aa6d', 'dac57883297c97cb', 'a6462deb131f614adac57883297c97cb'],
]

function digestOf(name: ChecksumName, pieces: Iterable<Uint8Array>): string {
  const checksum = codec.checksum(name)
  for (const piece of pieces) checksum.update(piece)
  return checksum.digest().toHex()
}

function* cut(data: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size)
}

test('XXH64, XXH3 and XXH128 give the values of the reference wherever the data lies', async () => {
  for (const [size, xxh64, xxh3, xxh128] of VECTORS) {
    const data = patternBytes(size)
    using slot = await codec.arena.acquire(size + 5)
    slot.bytes.set(data, 5)
    for (const place of [data, slot.bytes.subarray(5, 5 + size)]) {
      assert.equal(digestOf('xxhash64', [place]), xxh64, `${size} bytes`)
      assert.equal(digestOf('xxhash3', [place]), xxh3, `${size} bytes`)
      assert.equal(digestOf('xxhash128', [place]), xxh128, `${size} bytes`)
    }
  }
})

test('XXH streams do not depend on how the data is cut', () => {
  for (const [size, xxh64, xxh3, xxh128] of VECTORS) {
    const data = patternBytes(size)
    for (const pieceSize of [1, 31, 32, 33, 64, 1000, 1023, 1024, 1025, 4096]) {
      if (size > 3000 && pieceSize < 1000) continue
      assert.equal(digestOf('xxhash64', cut(data, pieceSize)), xxh64)
      assert.equal(digestOf('xxhash3', cut(data, pieceSize)), xxh3)
      assert.equal(digestOf('xxhash128', cut(data, pieceSize)), xxh128)
    }
  }
})

test('XXH streams run side by side', () => {
  const names = ['xxhash64', 'xxhash3', 'xxhash128'] as const
  const data = patternBytes(5000)
  const expected = names.map((name) => digestOf(name, [data]))
  const streams = names.map((name) => codec.checksum(name))
  for (const piece of cut(data, 700)) for (const stream of streams) stream.update(piece)
  assert.deepEqual(
    streams.map((stream) => stream.digest().toHex()),
    expected,
  )
})
