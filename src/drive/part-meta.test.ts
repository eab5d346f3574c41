import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormatError } from '#codec/msgpack'
import { assertBytes } from '#testing/bytes'
import { encodePartMeta, parsePartMeta } from './part-meta.ts'

const VECTOR = Uint8Array.fromHex(
  '85a165d9203666353930326163323337303234626464306331373663623933303633646334a16e01a1730ca26173' +
    '0ca26d74c70c05000000006774858100000005',
)
const PART = {
  number: 1,
  etag: '6f5902ac237024bdd0c176cb93063dc4',
  sizeBytes: 12,
  actualSizeBytes: 12,
  modifiedNs: 1_735_689_601_000_000_005n,
  checksums: new Map<string, string>(),
}

test('a part encodes to the bytes of the specification and back', () => {
  assert.equal(encodePartMeta(PART).toHex(), VECTOR.toHex())
  assert.deepEqual(parsePartMeta(VECTOR), { ...PART, index: undefined, kept: undefined })
})

test('checksums and index survive', () => {
  const part = {
    ...PART,
    number: 10_000,
    actualSizeBytes: -1,
    checksums: new Map([['CRC64NVME', 'AAAAAAAAAAA=']]),
    index: new Uint8Array([1, 2]),
  }
  assert.deepEqual(parsePartMeta(encodePartMeta(part)), { ...part, kept: undefined })
})

test('unknown fields survive', () => {
  const bytes = new Uint8Array([0x86, ...VECTOR.subarray(1), 0xa1, 0x7a, 0xc0])
  assertBytes(encodePartMeta(parsePartMeta(bytes)), bytes)
})

test('truncated parts and impossible numbers are refused', () => {
  for (let size = 0; size < VECTOR.length; size++) {
    assert.throws(() => parsePartMeta(VECTOR.subarray(0, size)), FormatError)
  }
  for (const number of [0, 10_001]) {
    assert.throws(() => parsePartMeta(encodePartMeta({ ...PART, number })), FormatError)
  }
})
