import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertBytes } from '#testing/bytes'
import { copyBytes } from './bytes.ts'

test('bytes are copied between any memories, whatever their places, also over themselves', () => {
  const source = Uint8Array.from({ length: 40 }, (_, i) => i + 1)
  const shared = new Uint8Array(new SharedArrayBuffer(64)).subarray(3)
  copyBytes(source.subarray(5, 25), shared, 10)
  const expected = new Uint8Array(61)
  expected.set(source.subarray(5, 25), 10)
  assertBytes(new Uint8Array(shared), expected)
  copyBytes(shared.subarray(10, 30), shared, 13)
  assertBytes(new Uint8Array(shared.subarray(13, 33)), source.slice(5, 25))
  const heap = new Uint8Array(20)
  copyBytes(shared.subarray(13, 33), heap)
  assertBytes(heap, source.slice(5, 25))
})

test('a copy that does not fit is a mistake', () => {
  assert.throws(() => copyBytes(new Uint8Array(5), new Uint8Array(8), 4), /does not fit/)
})
