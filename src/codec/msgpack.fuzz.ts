import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { assertBytes } from '#testing/bytes'
import { fuzz } from '#testing/fuzz'
import { encodedSizeOf, decodeText, encodeText } from './lossless-text.ts'
import { FormatError, MsgpackReader, MsgpackWriter } from './msgpack.ts'

/** Every reading method on random bytes: a value or a FormatError, never beyond the end. */
fuzz('msgpack reads anything', (random) => {
  const bytes = random.bytes(1 + random.below(64))
  const readers = [
    (reader: MsgpackReader) => reader.readBigInt(),
    (reader: MsgpackReader) => reader.readInteger(),
    (reader: MsgpackReader) => reader.readText(),
    (reader: MsgpackReader) => reader.readKey(),
    (reader: MsgpackReader) => reader.readBytes(),
    (reader: MsgpackReader) => reader.readTimeNs(),
    (reader: MsgpackReader) => reader.readFloat(),
    (reader: MsgpackReader) => reader.readArraySize(),
    (reader: MsgpackReader) => reader.readMapSize(),
    (reader: MsgpackReader) => reader.readRaw(),
  ]
  for (const read of readers) {
    const reader = new MsgpackReader(bytes)
    try {
      read(reader)
    } catch (error) {
      assert.ok(error instanceof FormatError, String(error))
    }
    assert.ok(reader.offset <= bytes.length)
  }
})

/** What is written is read back, in either form, and `skip` passes exactly over it. */
fuzz('msgpack reads what it writes', (random) => {
  const writer = new MsgpackWriter(random.below(32))
  const value = randomInt64(random)
  const bytes = random.bytes(random.below(70_000))
  const text = decodeText(bytes, 0, Math.min(300, bytes.length))
  writer.signedBig(value)
  writer.unsignedBig(value < 0n ? -value - 1n : value)
  writer.bytes(bytes)
  writer.text(text)
  writer.timeNs(value)
  const encoded = writer.copy()
  const reader = new MsgpackReader(encoded)
  assert.equal(reader.readBigInt(), value)
  assert.equal(reader.readBigInt(), value < 0n ? -value - 1n : value)
  assertBytes(reader.readBytes(), bytes)
  assert.equal(new MsgpackReader(encoded, reader.offset).readKey(), text)
  assert.equal(reader.readText(), text)
  assert.equal(reader.readTimeNs(), value)
  assert.ok(reader.isAtEnd)
  const skipper = new MsgpackReader(encoded)
  for (let i = 0; i < 5; i++) skipper.skip()
  assert.ok(skipper.isAtEnd)
})

/** Any bytes survive as a text. */
fuzz('lossless text keeps all bytes', (random) => {
  const bytes = random.bytes(random.below(100))
  // Half of the rounds have mostly UTF-8, with damage.
  const input = random.below(2) === 0 ? bytes : damaged(random)
  const text = decodeText(input, 0, input.length)
  assert.equal(encodedSizeOf(text), input.length)
  assertBytes(encodeText(text), input)
})

function damaged(random: Random): Uint8Array {
  const text = Array.from({ length: random.below(40) }, () =>
    String.fromCodePoint([0x61, 0xe9, 0x20ac, 0x1f600][random.below(4)] ?? 0),
  ).join('')
  const bytes = encodeText(text)
  if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256)
  return bytes
}

function randomInt64(random: Random): bigint {
  const bits = random.below(64)
  const value = new DataView(random.bytes(8).buffer).getBigInt64(0)
  return value >> BigInt(bits)
}
