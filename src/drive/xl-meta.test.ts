import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes, utf8 } from '#base/bytes'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { MsgpackWriter } from '#codec/msgpack'
import { assertBytes } from '#testing/bytes'
import {
  type DeleteMarker,
  encodeDeleteMarker,
  encodeObjectVersion,
  FormatError,
  inlineOffsetOf,
  isFree,
  NULL_VERSION_ID,
  type ObjectVersion,
  withShardIndex,
  XlMeta,
} from './xl-meta.ts'

const hashes = new Codec(createCodecSeed({ regionSizesBytes: [65_536] }), 0)

/** Golden vector (a) of the specification: `mybucket/hello.txt`, shard 1. */
const GOLDEN = Uint8Array.fromHex(
  '584c322001000300c600000167030301c42697c41000000000000000000000000000000000d31816687ec7b2' +
    'cd15c4041f53b90801060202c5013983a45479706501a556324f626ade0011a24944c4100000000000000000' +
    '0000000000000000a444446972c4109f6c3be2463f4771a6c71204baaa3ff2a64563416c676f01a345634d02' +
    'a345634e02a745634253697a65d200100000a74563496e64657801a64563446973749403040102a84353756d' +
    '416c676f01a8506172744e756d739101a9506172744554616773c0a95061727453697a6573910caa50617274' +
    '4153697a6573910ca453697a650ca54d54696d65d31816687ec7b2cd15a74d65746153797381bc782d6d696e' +
    '696f2d696e7465726e616c2d696e6c696e652d64617461c40474727565a74d65746155737282ac636f6e7465' +
    '6e742d74797065aa746578742f706c61696ea465746167d92066633366663938653863366130643330383764' +
    '35313563303437336638363737a176ce67732780ce6f51f49e0181a46e756c6cc426475121817e20e1b6de20' +
    '89391cbf08d049fa35325b99d696c15a6d3712c9607c68656c6c6f20',
)

const INLINE_VALUES = [
  '475121817e20e1b6de2089391cbf08d049fa35325b99d696c15a6d3712c9607c68656c6c6f20',
  '0dba6856d728a47bbd0ccca86d1f769fcb3858f73031fb5ccc3452e93fc7774e776f726c6421',
  'df270f18dd5023e6e7a6102303012e0c659487d7728f250f5bdb7c880401fe9a5671506c7922',
  'fc3ece227876a53e28ce571616d4d59393aca9bcc373d704db868b1ed139cd61497b4e6c7223',
].map((hex) => Uint8Array.fromHex(hex))

const HELLO: ObjectVersion = {
  versionId: NULL_VERSION_ID,
  dataDir: '9f6c3be2463f4771a6c71204baaa3ff2',
  dataShards: 2,
  parityShards: 2,
  blockSizeBytes: 1_048_576,
  shardIndex: 1,
  distribution: [3, 4, 1, 2],
  parts: [{ number: 1, sizeBytes: 12, actualSizeBytes: 12 }],
  sizeBytes: 12,
  modifiedNs: 1_735_689_600_123_456_789n,
  systemMetadata: new Map([['x-minio-internal-inline-data', utf8('true')]]),
  userMetadata: new Map([
    ['content-type', 'text/plain'],
    ['etag', 'fc3ff98e8c6a0d3087d515c0473f8677'],
  ]),
  writerTime: 1_735_600_000,
}

const MARKER: DeleteMarker = {
  versionId: '0b6c0f6e54f14d6d9a577c1f3a2b9c10',
  modifiedNs: 1_735_689_700_000_000_000n,
  systemMetadata: new Map(),
  writerTime: 1_735_600_000,
}

function objectWith(changes: Partial<ObjectVersion>): ReturnType<typeof encodeObjectVersion> {
  const systemMetadata = new Map<string, Uint8Array>()
  return encodeObjectVersion({ ...HELLO, systemMetadata, ...changes }, hashes)
}

function hexId(digit: string): string {
  return digit.repeat(32)
}

describe('golden vectors', () => {
  test('an inline object encodes to the 424 bytes of the specification', () => {
    const meta = XlMeta.empty(hashes)
    meta.put(encodeObjectVersion(HELLO, hashes), INLINE_VALUES[0])
    assert.equal(meta.encode().toHex(), GOLDEN.toHex())
    assert.equal(GOLDEN.length, 424)
  })

  test('the files of the other drives differ in shard index, checksum and inline value', () => {
    const encoded = encodeObjectVersion(HELLO, hashes)
    for (const [i, inline] of INLINE_VALUES.entries()) {
      const meta = XlMeta.empty(hashes)
      meta.put(withShardIndex(encoded, i + 1), inline)
      const bytes = meta.encode()
      assert.equal(bytes[0x9e], i + 1)
      const same = bytes.slice()
      same[0x9e] = 1
      assertBytes(same.subarray(0, 0x174), GOLDEN.subarray(0, 0x174))
      assertBytes(XlMeta.parse(bytes, hashes).inline(NULL_VERSION_ID), inline)
    }
  })

  test('an inline object parses to its fields', () => {
    const meta = XlMeta.parse(GOLDEN, hashes)
    const [version] = meta.versions
    assert.equal(version?.header.kind, 'object')
    assert.equal(version.header.flags, 6)
    assert.equal(version.header.signature.toHex(), '1f53b908')
    assert.deepEqual([version.header.dataShards, version.header.parityShards], [2, 2])
    const decoded = meta.decode(0)
    assert.ok('parts' in decoded)
    assert.deepEqual(decoded.parts, [
      { number: 1, sizeBytes: 12, actualSizeBytes: 12, etag: undefined, index: undefined },
    ])
    assert.deepEqual(decoded.userMetadata, HELLO.userMetadata)
    assertBytes(encodeObjectVersion(decoded, hashes).body, version.body)
    assertBytes(meta.encode(), GOLDEN)
    assert.equal(inlineOffsetOf(GOLDEN), 0x179)
  })

  test('a delete marker encodes to the header and body of the specification', () => {
    const { header, body } = encodeDeleteMarker(MARKER, hashes)
    assert.equal(
      header.toHex(),
      '97c4100b6c0f6e54f14d6d9a577c1f3a2b9c10d31816689608cde800c4044ff109f002000000',
    )
    assert.equal(
      body.toHex(),
      '83a45479706502a644656c4f626a83a24944c4100b6c0f6e54f14d6d9a577c1f3a2b9c10a54d54696d65d3181668' +
        '9608cde800a74d65746153797380a176ce67732780',
    )
    const meta = XlMeta.empty(hashes)
    meta.put({ header, body }, undefined)
    const decoded = meta.decode(0)
    assert.ok('versionId' in decoded)
    assert.equal(decoded.versionId, MARKER.versionId)
    assert.equal(decoded.modifiedNs, MARKER.modifiedNs)
  })
})

describe('damaged files', () => {
  test('every truncation before the inline section is refused', () => {
    for (let size = 0; size < 0x179; size++) {
      assert.throws(() => XlMeta.parse(GOLDEN.subarray(0, size), hashes), FormatError)
    }
  })

  test('every flipped byte before the inline section is refused', () => {
    for (let i = 0; i < 0x179; i++) {
      const bytes = GOLDEN.slice()
      bytes[i] = (bytes[i] ?? 0) ^ 0x10
      assert.throws(() => XlMeta.parse(bytes, hashes), FormatError, `byte ${i}`)
    }
  })

  test('a damaged inline section loses only what comes after the damage', () => {
    const first = objectWith({ versionId: hexId('a') })
    const second = objectWith({ versionId: hexId('b') })
    const meta = XlMeta.empty(hashes)
    meta.put(first, new Uint8Array([1, 2, 3]))
    meta.put(second, new Uint8Array([4, 5, 6]))
    const bytes = meta.encode()
    const cut = XlMeta.parse(bytes.subarray(0, bytes.length - 1), hashes)
    assertBytes(cut.inline(hexId('a')), new Uint8Array([1, 2, 3]))
    assert.equal(cut.inline(hexId('b')), undefined)
  })

  test('an inline section of another version is ignored and kept', () => {
    const bytes = GOLDEN.slice()
    bytes[0x179] = 2
    const meta = XlMeta.parse(bytes, hashes)
    assert.equal(meta.inline(NULL_VERSION_ID), undefined)
    assertBytes(meta.encode(), bytes)
  })
})

describe('order of versions', () => {
  test('a version is inserted before the first that is not newer', () => {
    const meta = XlMeta.empty(hashes)
    for (const [id, ns] of [
      ['a', 30n],
      ['b', 10n],
      ['c', 20n],
      ['d', 20n],
      ['e', 40n],
    ] as const) {
      meta.put(objectWith({ versionId: hexId(id), modifiedNs: ns }), undefined)
    }
    const ids = meta.versions.map(({ header }) => header.versionId[0]).join('')
    assert.equal(ids, 'eadcb')
  })

  test('a replaced version moves only when its time changes', () => {
    const meta = XlMeta.empty(hashes)
    for (const id of ['a', 'b', 'c']) {
      meta.put(objectWith({ versionId: hexId(id), modifiedNs: 20n }), undefined)
    }
    meta.put(objectWith({ versionId: hexId('b'), modifiedNs: 20n, sizeBytes: 1 }), undefined)
    assert.equal(meta.find(hexId('b')), 1)
    meta.put(objectWith({ versionId: hexId('b'), modifiedNs: 21n }), undefined)
    assert.equal(meta.find(hexId('b')), 0)
  })

  test('free versions are never the latest', () => {
    const meta = XlMeta.empty(hashes)
    const systemMetadata = new Map([['x-minio-internal-free-version', new Uint8Array(0)]])
    meta.put(encodeDeleteMarker({ ...MARKER, systemMetadata }, hashes), undefined)
    assert.equal(meta.latest(), -1)
    assert.ok(meta.versions[0] !== undefined && isFree(meta.versions[0].header))
    meta.put(objectWith({ modifiedNs: 1n }), undefined)
    assert.equal(meta.latest(), 1)
  })
})

describe('shared data directories', () => {
  const dataDir = hexId('d')
  const name = 'dddddddd-dddd-dddd-dddd-dddddddddddd'

  test('removing one of two versions that share data gives up no directory', () => {
    const meta = XlMeta.empty(hashes)
    meta.put(objectWith({ versionId: hexId('1'), dataDir }), undefined)
    meta.put(objectWith({ versionId: hexId('2'), dataDir }), undefined)
    assert.equal(meta.remove(hexId('1'))?.dataDirectory, undefined)
    assert.equal(meta.remove(hexId('2'))?.dataDirectory, name)
    assert.equal(meta.remove(hexId('2')), undefined)
  })

  test('an inline value makes a version the only user of its directory', () => {
    const meta = XlMeta.empty(hashes)
    meta.put(objectWith({ versionId: hexId('1'), dataDir }), new Uint8Array(1))
    meta.put(objectWith({ versionId: hexId('2'), dataDir }), undefined)
    assert.equal(meta.unsharedDataDirectory(0), undefined)
    assert.equal(meta.remove(hexId('1'))?.dataDirectory, name)
  })

  test('replacing a version gives up its directory unless the new one uses it', () => {
    const meta = XlMeta.empty(hashes)
    meta.put(objectWith({ dataDir }), undefined)
    const same = meta.put(objectWith({ dataDir, modifiedNs: 7n }), undefined)
    assert.equal(same?.dataDirectory, undefined)
    const other = meta.put(objectWith({ dataDir: hexId('e') }), undefined)
    assert.equal(other?.dataDirectory, name)
  })
})

test('unknown fields of an object survive decoding and encoding, outside of the signature', () => {
  const plain = encodeObjectVersion(HELLO, hashes)
  const extra = new MsgpackWriter()
  extra.text('Future')
  extra.arrayHeader(2)
  extra.signed(1)
  extra.nil()
  const fields = extra.copy()
  const kept = { outerCount: 1, outer: fields, innerCount: 1, inner: fields }
  const encoded = encodeObjectVersion({ ...HELLO, kept }, hashes)
  assertBytes(encoded.header, plain.header)
  const meta = XlMeta.empty(hashes)
  meta.put(encoded, undefined)
  const decoded = meta.decode(0)
  assert.ok('parts' in decoded)
  assert.deepEqual(encodeObjectVersion(decoded, hashes), encoded)
  assert.equal(encoded.body.length, plain.body.length + 2 * fields.length)
})

test('metadata that is not UTF-8 survives decoding and encoding', () => {
  const value = String.fromCharCode(0x61, 0xdcff, 0x62, 0xdc80, 0xe9)
  const encoded = objectWith({ userMetadata: new Map([['X-Amz-Meta-A', value]]) })
  assert.ok(encoded.body.toHex().includes('61ff6280c3a9'))
  const meta = XlMeta.empty(hashes)
  meta.put(encoded, undefined)
  const decoded = meta.decode(0)
  assert.ok('parts' in decoded)
  assert.equal(decoded.userMetadata.get('X-Amz-Meta-A'), value)
})

test('a version of an unknown kind is kept byte for byte', () => {
  const { header, body } = objectWith({ versionId: hexId('7') })
  const strange = header.slice()
  strange[header.length - 4] = 9
  const meta = XlMeta.empty(hashes)
  meta.put({ header: strange, body }, undefined)
  // Encoding an unknown header again would lose its type, so its bytes must be the ones that came.
  assertBytes(meta.versions[0]?.headerBytes, strange)
  const bytes = meta.encode()
  const again = XlMeta.parse(bytes, hashes)
  assert.equal(again.versions[0]?.header.kind, 'unknown')
  assert.throws(() => again.decode(0), FormatError)
  again.put(objectWith({ versionId: hexId('8') }), undefined)
  again.remove(hexId('8'))
  assertBytes(again.encode(), bytes)
})

describe('older files', () => {
  function oldFile(minor: 0 | 1 | 2, bodies: readonly Uint8Array[]): Uint8Array {
    const map = new MsgpackWriter()
    map.mapHeader(1)
    map.text('Versions')
    map.arrayHeader(bodies.length)
    for (const body of bodies) map.raw(body)
    const payload = map.copy()
    const magic = utf8('XL2 ')
    if (minor === 0) return concatBytes([magic, utf8('1   '), payload])
    const rest = new MsgpackWriter()
    rest.bytes(payload)
    if (minor === 2) rest.unsigned(Number(hashes.xxh64(payload) & 0xffff_ffffn))
    return concatBytes([magic, new Uint8Array([1, 0, minor, 0]), rest.copy()])
  }

  for (const minor of [0, 1, 2] as const) {
    test(`a file of version 1.${minor} is sorted and upgraded`, () => {
      const older = objectWith({ versionId: hexId('1'), modifiedNs: 10n })
      const newer = objectWith({ versionId: hexId('2'), modifiedNs: 20n })
      const meta = XlMeta.parse(oldFile(minor, [older.body, newer.body]), hashes)
      const expected = XlMeta.empty(hashes)
      expected.put(older, undefined)
      expected.put(newer, undefined)
      assertBytes(meta.encode(), expected.encode())
    })
  }

  test('headers of version 2 become version 3 with zero shard counts', () => {
    const { header, body } = objectWith({})
    const short = header.slice(0, header.length - 2)
    short[0] = 0x95
    const payload = new MsgpackWriter()
    for (const number of [2, 1, 1]) payload.unsigned(number)
    payload.bytes(short)
    payload.bytes(body)
    const frame = new MsgpackWriter()
    frame.bytes(payload.copy())
    frame.unsigned32(Number(hashes.xxh64(payload.view()) & 0xffff_ffffn))
    const start = new Uint8Array([0x58, 0x4c, 0x32, 0x20, 1, 0, 3, 0])
    const meta = XlMeta.parse(concatBytes([start, frame.copy()]), hashes)
    assert.equal(meta.versions[0]?.header.dataShards, 0)
    assert.equal(XlMeta.parse(meta.encode(), hashes).versions[0]?.header.dataShards, 0)
    assertBytes(meta.versions[0]?.body, body)
  })

  test('wrong indexes of small compressed parts are cleared', () => {
    const wrong = objectWith({
      parts: [
        { number: 1, sizeBytes: 5, actualSizeBytes: 100, index: new Uint8Array([1]) },
        { number: 2, sizeBytes: 5, actualSizeBytes: 9_000_000, index: new Uint8Array([2]) },
      ],
      systemMetadata: new Map([['X-Minio-Internal-compression', utf8('klauspost/compress/s2')]]),
      writerTime: 1_720_000_000,
    })
    const meta = XlMeta.parse(oldFile(2, [wrong.body]), hashes)
    const decoded = meta.decode(0)
    assert.ok('parts' in decoded)
    assert.deepEqual(
      decoded.parts.map(({ index }) => index),
      [new Uint8Array(0), new Uint8Array([2])],
    )
    assert.notDeepEqual(meta.versions[0]?.header.signature.toHex(), wrong.header.slice(-8, -4))
  })

  test('HTTP dates in delete markers become RFC 3339', () => {
    const key = 'x-minio-internal-replication-timestamp'
    const marker = encodeDeleteMarker(
      { ...MARKER, systemMetadata: new Map([[key, utf8('Sun, 06 Nov 1994 08:49:37 GMT')]]) },
      hashes,
    )
    const meta = XlMeta.parse(oldFile(2, [marker.body]), hashes)
    const decoded = meta.decode(0)
    assert.ok('systemMetadata' in decoded)
    assertBytes(decoded.systemMetadata.get(key), utf8('1994-11-06T08:49:37Z'))
  })
})

describe('xl.json', () => {
  const JSON_FILE = utf8(
    JSON.stringify({
      version: '1.0.1',
      format: 'xl',
      stat: { size: 12, modTime: '2019-10-12T01:02:03.000000005Z' },
      erasure: {
        algorithm: 'klauspost/reedsolomon/vandermonde',
        data: 2,
        parity: 2,
        blockSize: 10_485_760,
        index: 3,
        distribution: [3, 4, 1, 2],
        checksum: [{ name: 'part.1', algorithm: 'blake2b', hash: 'abcd' }],
      },
      minio: { release: 'DEVELOPMENT.GOGET' },
      meta: { etag: 'x', 'X-Minio-Internal-actual-size': '12' },
      parts: [{ number: 1, name: 'part.1', etag: '', size: 12, actualSize: 12 }],
    }),
  )

  test('an xl.json is one legacy version whose parts lie beside it', () => {
    const meta = XlMeta.parse(JSON_FILE, hashes)
    assert.equal(meta.isV1File, true)
    assert.equal(meta.versions[0]?.header.kind, 'legacy')
    const legacy = meta.decode(0)
    assert.ok('object' in legacy)
    assert.equal(legacy.object.dataDir, '')
    assert.equal(legacy.object.modifiedNs, 1_570_842_123_000_000_005n)
    assert.deepEqual([...legacy.object.systemMetadata.keys()], ['X-Minio-Internal-actual-size'])
    assert.deepEqual(legacy.partHashes, [
      { partNumber: 1, algorithm: 'blake2b', hash: new Uint8Array([0xab, 0xcd]) },
    ])
  })

  test('a converted xl.json keeps its object in the directory "legacy"', () => {
    const meta = XlMeta.parse(JSON_FILE, hashes)
    meta.put(objectWith({ versionId: hexId('5') }), undefined)
    const again = XlMeta.parse(meta.encode(), hashes)
    const legacy = again.decode(1)
    assert.ok('object' in legacy)
    assert.equal(legacy.object.dataDir, 'legacy')
    assert.equal(again.remove(NULL_VERSION_ID)?.dataDirectory, 'legacy')
  })

  test('a converted xl.json has the signature that MinIO gives it', () => {
    const text =
      '{"version":"1.0.1","format":"xl","stat":{"size":70,"modTime":"2026-11-21T10:42:28.920739895Z"},' +
      '"erasure":{"algorithm":"klauspost/reedsolomon/vandermonde","data":2,"parity":2,"blockSize":10485760,' +
      '"index":3,"distribution":[3,4,1,2],"checksum":[{"name":"part.1","algorithm":"highwayhash256S"}]},' +
      '"minio":{"release":"DEVELOPMENT.GOGET"},"meta":{"content-type":"application/octet-stream",' +
      '"etag":"6ae441f75749d70f9134217168aa080e-1"},' +
      '"parts":[{"number":1,"name":"part.1","etag":"","size":70,"actualSize":70}]}'
    const [version] = XlMeta.parse(utf8(text), hashes).versions
    assert.equal(
      version?.headerBytes.toHex(),
      '97c41000000000000000000000000000000000d318ea096934b02837c404f8846b4903000000',
    )
  })

  test('an xl.json of another version or with impossible shards is refused', () => {
    const text = new TextDecoder().decode(JSON_FILE)
    for (const [from, to] of [
      ['"1.0.1"', '"1.0.2"'],
      ['"data":2', '"data":0'],
      ['"index":3', '"index":5'],
      ['"size":12', '"size":"12"'],
      ['[3,4,1,2]', '[3,4,1,1]'],
    ] as const) {
      assert.ok(text.includes(from))
      assert.throws(() => XlMeta.parse(utf8(text.replace(from, to)), hashes), FormatError)
    }
  })
})
