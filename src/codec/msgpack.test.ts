import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeText, encodedSizeOf, encodeText } from './lossless-text.ts'
import { FormatError, MsgpackReader, MsgpackWriter, ZERO_TIME_NS } from './msgpack.ts'

function written(write: (writer: MsgpackWriter) => void): string {
  const writer = new MsgpackWriter(1)
  write(writer)
  return writer.copy().toHex()
}

function readerOf(hex: string): MsgpackReader {
  return new MsgpackReader(Uint8Array.fromHex(hex))
}

describe('writing', () => {
  test('signed integers never take an unsigned form above 127', () => {
    const forms: readonly (readonly [number, string])[] = [
      [0, '00'],
      [127, '7f'],
      [128, 'd10080'],
      [200, 'd100c8'],
      [32_767, 'd17fff'],
      [32_768, 'd200008000'],
      [2 ** 31 - 1, 'd27fffffff'],
      [2 ** 31, 'd30000000080000000'],
      [Number.MAX_SAFE_INTEGER, 'd3001fffffffffffff'],
      [-1, 'ff'],
      [-32, 'e0'],
      [-33, 'd0df'],
      [-128, 'd080'],
      [-129, 'd1ff7f'],
      [-32_769, 'd2ffff7fff'],
      [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
    ]
    for (const [value, hex] of forms) {
      assert.equal(
        written((writer) => writer.signed(value)),
        hex,
      )
      assert.equal(
        written((writer) => writer.signedBig(BigInt(value))),
        hex,
      )
      assert.equal(readerOf(hex).readInteger(), value)
      assert.equal(readerOf(hex).readBigInt(), BigInt(value))
    }
  })

  test('unsigned integers take the smallest unsigned form', () => {
    const forms: readonly (readonly [number, string])[] = [
      [127, '7f'],
      [128, 'cc80'],
      [255, 'ccff'],
      [256, 'cd0100'],
      [65_536, 'ce00010000'],
      [2 ** 32, 'cf0000000100000000'],
    ]
    for (const [value, hex] of forms) {
      assert.equal(
        written((writer) => writer.unsigned(value)),
        hex,
      )
      assert.equal(
        written((writer) => writer.unsignedBig(BigInt(value))),
        hex,
      )
      assert.equal(readerOf(hex).readInteger(), value)
    }
    assert.equal(
      written((writer) => writer.unsigned32(1)),
      'ce00000001',
    )
  })

  test('texts, bytes, arrays and maps take the smallest header, unless forced', () => {
    const headers: readonly (readonly [(writer: MsgpackWriter) => void, string])[] = [
      [(writer) => writer.text('a'.repeat(31)), 'bf'],
      [(writer) => writer.text('a'.repeat(32)), 'd920'],
      [(writer) => writer.text('a'.repeat(256)), 'da0100'],
      [(writer) => writer.text('a'.repeat(65_536)), 'db00010000'],
      [(writer) => writer.bytes(new Uint8Array(0)), 'c400'],
      [(writer) => writer.bytes(new Uint8Array(256)), 'c50100'],
      [(writer) => writer.bytes(new Uint8Array(65_536)), 'c600010000'],
      [(writer) => writer.arrayHeader(15), '9f'],
      [(writer) => writer.arrayHeader(16), 'dc0010'],
      [(writer) => writer.arrayHeader(65_536), 'dd00010000'],
      [(writer) => writer.mapHeader(15), '8f'],
      [(writer) => writer.mapHeader(16), 'de0010'],
      [(writer) => writer.mapHeader16(1), 'de0001'],
      [(writer) => writer.mapHeader16(65_536), 'df00010000'],
      [(writer) => writer.bytesHeader32(3), 'c600000003'],
    ]
    for (const [write, hex] of headers) assert.equal(written(write).slice(0, hex.length), hex)
  })

  test('times have seconds and nanoseconds, also before 1970', () => {
    const forms: readonly (readonly [bigint, string])[] = [
      [1_735_689_601_000_000_005n, 'c70c05000000006774858100000005'],
      [ZERO_TIME_NS, 'c70c05fffffff1886e090000000000'],
      [-1n, 'c70c05ffffffffffffffff3b9ac9ff'],
    ]
    for (const [value, hex] of forms) {
      assert.equal(
        written((writer) => writer.timeNs(value)),
        hex,
      )
      assert.equal(readerOf(hex).readTimeNs(), value)
    }
  })
})

describe('reading', () => {
  test('the standard time extension is accepted in its three sizes', () => {
    assert.equal(readerOf('d6ff00000001').readTimeNs(), 1_000_000_000n)
    assert.equal(readerOf('d7ff0000001400000002').readTimeNs(), 2_000_000_005n)
    assert.equal(readerOf('c70cff000000050000000000000003').readTimeNs(), 3_000_000_005n)
    assert.throws(() => readerOf('c70cff3b9aca000000000000000003').readTimeNs(), FormatError)
    assert.throws(() => readerOf('d60700000001').readTimeNs(), FormatError)
  })

  test('floats of both sizes and integers are read as floats', () => {
    assert.equal(readerOf('ca3fc00000').readFloat(), 1.5)
    assert.equal(readerOf('cb3ff8000000000000').readFloat(), 1.5)
    assert.equal(readerOf('07').readFloat(), 7)
  })

  test('integers out of range and wrong types are refused', () => {
    assert.throws(() => readerOf('cfffffffffffffffff').readBigInt(), FormatError)
    assert.throws(() => readerOf('d30020000000000000').readInteger(), FormatError)
    assert.throws(() => readerOf('a161').readBytes(), FormatError)
    assert.throws(() => readerOf('c40161').readText(), FormatError)
    assert.throws(() => readerOf('c0').readInteger(), FormatError)
    assert.throws(() => readerOf('c1').skip(), FormatError)
    assert.throws(() => readerOf('').peek(), FormatError)
  })

  test('sizes beyond the end are refused before anything is allocated', () => {
    for (const hex of ['dd7fffffff', 'df7fffffff', 'c6ffffffff', 'dbffffffff', 'c9ffffffff01']) {
      assert.throws(() => readerOf(hex).skip(), FormatError)
    }
    assert.throws(() => readerOf('dcffff').readArraySize(), FormatError)
    assert.throws(() => readerOf('82a16101').readMapSize(), FormatError)
  })

  test('a key is the same text whatever was read before in its bytes', () => {
    const writer = new MsgpackWriter(64)
    const keys = ['', 'a', 'etag', 'etaG', 'k'.repeat(64), 'k'.repeat(65), 'schlüssel', '\udc80']
    // More than are kept, so that they push each other out.
    for (let i = 0; i < 1000; i++) keys.push(`x-amz-meta-${i}`)
    for (let round = 0; round < 3; round++) {
      for (const key of keys) {
        writer.truncate(0)
        writer.text(key)
        // A view of the writer's memory, which the next key overwrites.
        assert.equal(new MsgpackReader(writer.view()).readKey(), key)
      }
    }
    assert.throws(() => readerOf('c40161').readKey(), FormatError)
    assert.throws(() => readerOf('a261').readKey(), FormatError)
  })

  test('every kind of value is passed over', () => {
    const values =
      'c0c2c3057fe0cc01cd0001ce00000001cf0000000000000001d001d10001d200000001d30000000000000001' +
      'ca00000000cb0000000000000000a161d90161da000161db00000001619101dc000101dd0000000101' +
      '810102de00010102df000000010102c40101c5000101c60000000101d40100d5010000d60100000000' +
      'd7010000000000000000d801' +
      '00'.repeat(16) +
      'c7010100c800010100c9000000010100'
    const reader = readerOf(values)
    let count = 0
    for (; !reader.isAtEnd; count++) reader.skip()
    assert.equal(count, 37)
  })

  test('deep nesting is refused, wide nesting is not', () => {
    assert.throws(() => readerOf(`${'91'.repeat(100_000)}c0`).skip(), FormatError)
    const reader = readerOf(`dc1000${'9101'.repeat(4096)}`)
    reader.skip()
    assert.ok(reader.isAtEnd)
  })
})

describe('texts that are not UTF-8', () => {
  const cases = ['ff', '61ff62', 'c3', 'c328', 'e28282ac', 'f09f98', 'eda080', 'c080', 'f5808080']
  for (const hex of [...cases, 'f09f9880ff', 'efbbbf61', 'e282ac80']) {
    test(`the bytes ${hex} survive`, () => {
      const bytes = Uint8Array.fromHex(hex)
      const text = decodeText(bytes, 0, bytes.length)
      assert.equal(encodedSizeOf(text), bytes.length)
      assert.equal(encodeText(text).toHex(), hex)
    })
  }

  test('other lone surrogates become the replacement character', () => {
    const text = String.fromCharCode(0xd800, 0x61, 0xdc00)
    assert.equal(encodedSizeOf(text), 7)
    assert.equal(encodeText(text).toHex(), 'efbfbd61efbfbd')
  })
})
