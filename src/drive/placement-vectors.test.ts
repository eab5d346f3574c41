/** The placement tables of the format, through the hashes that the formats use. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { parseUuid } from '#base/uuid'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { distributionOf, setIndexOf } from '#object/placement'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [65_536] }), 0)

test('keys go to the sets of the specification, by either hash', () => {
  const id = 'f5c58c61-7175-4018-ab5e-a94fe9c2de4e'
  for (const [key, sip, crc] of [
    ['object', 37, 28],
    ['The Shining Script <v1>.pdf', 38, 142],
    ['Cost Benefit Analysis (2009-2010).pptx', 59, 133],
    ['SHØRT', 49, 97],
    ['a/b/c/', 159, 193],
    ['/a/b/c', 96, 116],
  ] as const) {
    assert.equal(setIndexOf(codec, 'SIPMOD+PARITY', id, key, 200), sip)
    assert.equal(setIndexOf(codec, 'CRCMOD', id, key, 200), crc)
  }
  const raw = new Uint8Array([0xff, 0xfe, 0xfd])
  assert.equal(Number(codec.sipHash24(parseUuid(id), raw) % 200n), 147)
  assert.equal((codec.crc32(raw) >>> 0) % 200, 61)
})

test('keys have the hashes of the specification', () => {
  const id = parseUuid('4a0a3d2e-7c5b-4b53-9b7c-1c0e6f2d8a11')
  for (const [key, hash] of [
    ['config/config.json', 0x3b2cd8987ce025fcn],
    ['photos/2024/a.jpg', 0x9c4894f7b753ba8en],
    ['photos/2024__XLDIR__', 0xbdd81db223017884n],
    ['buckets/mybucket/.metadata.bin', 0xf8a9859a12d0c1c1n],
    ['pool.bin', 0xc1e64d135032bb1bn],
  ] as const) {
    assert.equal(codec.sipHash24(id, utf8(key)), hash)
  }
})

test('shards are distributed as the specification says', () => {
  for (const [bucket, key, drives, expected] of [
    ['mybucket', 'photos/2024/a.jpg', 4, '3 4 1 2'],
    ['mybucket', 'photos/2024/a.jpg', 16, '11 12 13 14 15 16 1 2 3 4 5 6 7 8 9 10'],
    ['.minio.sys', 'config/config.json', 4, '4 1 2 3'],
    ['mybucket', 'photos/2024__XLDIR__', 4, '3 4 1 2'],
    ['testbucket', 'hosts', 4, '1 2 3 4'],
    ['mybucket', 'hello.txt', 4, '3 4 1 2'],
  ] as const) {
    assert.equal(distributionOf(codec, bucket, key, drives).join(' '), expected)
  }
})
