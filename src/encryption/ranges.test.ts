import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageOpener, PackageSealer, sealedSize } from './dare.ts'
import { partKey } from './object-keys.ts'
import { plainSizeOf, sealedRange } from './ranges.ts'
import { StreamOpener } from './sealed-stream.ts'
import { OBJECT_KEY, pattern, seq } from './testing/vectors.ts'

const parts = (...sizes: number[]): { number: number; sealedBytes: number }[] =>
  sizes.map((size, i) => ({ number: i + 1, sealedBytes: sealedSize(size) }))

test('the examples of the specification', () => {
  const one = sealedRange(parts(200000), 70000, 70001)
  assert.deepEqual(
    [one.offset, one.sealedBytes, one.skipBytes, one.segments[0]?.sequence],
    [65568, 131136, 4464, 1],
  )
  const two = sealedRange(parts(5242880, 1000000), 5242800, 200)
  assert.deepEqual(
    [two.offset, two.sealedBytes, two.skipBytes, two.segments[0]?.sequence],
    [5179872, 131136, 65456, 79],
  )
  assert.deepEqual(
    two.segments.map((segment) => [segment.partNumber, segment.toEnd]),
    [
      [1, true],
      [2, false],
    ],
  )
  const three = sealedRange(parts(297435132, 297435132), 594870256, 8)
  assert.deepEqual(
    [three.offset, three.sealedBytes, three.skipBytes, three.segments[0]?.sequence],
    [595127964, 32796, 32756, 4538],
  )
})

test('any range of any parts gives that slice of the content', () => {
  const P = 65536
  const shapes = [[1], [P], [P + 1], [2 * P], [P, 1], [1, P, 0, P - 1], [2 * P + 7, 3, P]]
  for (const sizes of shapes) {
    const contents = sizes.map((size, i) => pattern(size + i).subarray(i))
    const plain = Buffer.concat(contents)
    const stored = Buffer.concat(contents.map((content, i) => seal(content, i + 1)))
    assert.equal(plainSizeOf(parts(...sizes)), plain.length)
    const edges = new Set<number>([0, plain.length])
    let base = 0
    for (const size of sizes) {
      for (const at of [0, 1, P - 1, P, P + 1, size - 1, size]) edges.add(base + at)
      base += size
    }
    const within = [...edges].filter((at) => at >= 0 && at <= plain.length)
    for (const from of within) {
      for (const to of within) {
        if (to <= from) continue
        const range = sealedRange(parts(...sizes), from, to - from)
        assert.deepEqual(open(stored, range).subarray(0, to - from), plain.subarray(from, to))
      }
    }
  }
})

function seal(content: Uint8Array, part: number): Uint8Array {
  const sealer = new PackageSealer(partKey(OBJECT_KEY, part), seq(part, 12))
  const pieces: Uint8Array[] = []
  for (let at = 0; at < content.length; at += 65536) {
    pieces.push(sealer.sealWhole(content.subarray(at, at + 65536), at + 65536 >= content.length))
  }
  return Buffer.concat(pieces)
}

function open(stored: Uint8Array, range: ReturnType<typeof sealedRange>): Uint8Array {
  const pieces: Uint8Array[] = []
  let at = range.offset
  for (const segment of range.segments) {
    const key = partKey(OBJECT_KEY, segment.partNumber)
    const opener = new StreamOpener(new PackageOpener(key, { sequence: segment.sequence }))
    const bytes = new Uint8Array(stored.subarray(at, at + segment.sealedBytes))
    pieces.push(opener.push(bytes).rest)
    if (segment.toEnd) opener.end()
    at += segment.sealedBytes
  }
  assert.equal(at - range.offset, range.sealedBytes)
  return Buffer.concat(pieces).subarray(range.skipBytes)
}
