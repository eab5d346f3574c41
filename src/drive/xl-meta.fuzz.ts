import assert from 'node:assert/strict'
import { utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { fuzz } from '#testing/fuzz'
import {
  encodeBucketMetadata,
  newBucketMetadata,
  parseBucketMetadata,
} from './bucket-metadata-file.ts'
import { decodeChecksums } from './checksum-blob.ts'
import { encodeFormat, newFormats, parseFormat } from './format-json.ts'
import { parseHealingTracker } from './healing-tracker.ts'
import { encodePartMeta, parsePartMeta } from './part-meta.ts'
import { encodePoolFile, parsePoolFile } from './pool-file.ts'
import { parseRepairList } from './repair-list.ts'
import {
  encodeDeleteMarker,
  encodeObjectVersion,
  FormatError,
  inlineOffsetOf,
  type ObjectVersion,
  XlMeta,
} from './xl-meta.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [65_536] }), 0)
/** Damage has to get past the checksum: the hash that is stored is accepted whatever the payload is. */
const blind = {
  xxh64: () => 0n,
  xxh3: (data: Uint8Array) => codec.xxh3(data),
  crc32: (data: Uint8Array) => codec.crc32(data),
  sipHash24: (key: Uint8Array, data: Uint8Array) => codec.sipHash24(key, data),
}

const OBJECT: ObjectVersion = {
  versionId: 'ab'.repeat(16),
  dataDir: '9f6c3be2463f4771a6c71204baaa3ff2',
  dataShards: 2,
  parityShards: 2,
  blockSizeBytes: 1_048_576,
  shardIndex: 1,
  distribution: [3, 4, 1, 2],
  parts: [
    { number: 1, sizeBytes: 6_000_000, actualSizeBytes: -1, etag: 'e', index: utf8('index') },
    { number: 7, sizeBytes: 12, actualSizeBytes: 12 },
  ],
  sizeBytes: 6_000_012,
  modifiedNs: 1_735_689_600_123_456_789n,
  systemMetadata: new Map([['x-minio-internal-inline-data', utf8('true')]]),
  userMetadata: new Map([['etag', 'fc3ff98e8c6a0d3087d515c0473f8677']]),
  writerTime: 1_735_600_000,
}

function sampleMeta(): Uint8Array {
  const meta = XlMeta.empty(blind)
  meta.put(encodeObjectVersion(OBJECT, blind), utf8('value'))
  const versionId = 'cd'.repeat(16)
  const systemMetadata = new Map([['x-minio-internal-purgestatus', utf8('a=PENDING;')]])
  meta.put(encodeDeleteMarker({ ...OBJECT, versionId, systemMetadata }, blind), undefined)
  return meta.encode()
}

const XL_JSON = utf8(
  '{"version":"1.0.1","format":"xl","stat":{"size":12,"modTime":"2019-10-12T01:02:03.5Z"},' +
    '"erasure":{"algorithm":"klauspost/reedsolomon/vandermonde","data":2,"parity":2,"blockSize":10485760,' +
    '"index":3,"distribution":[3,4,1,2],"checksum":[{"name":"part.1","algorithm":"blake2b","hash":"abcd"}]},' +
    '"minio":{"release":"x"},"meta":{"etag":"x"},"parts":[{"number":1,"size":12,"actualSize":12}]}',
)
const [FORMAT] = newFormats({ setCount: 2, setSize: 2 }, seededRandom(1))
assert.ok(FORMAT !== undefined)

const PART = {
  number: 1,
  etag: 'e',
  sizeBytes: 1,
  actualSizeBytes: 1,
  modifiedNs: 5n,
  checksums: new Map([['SHA1', 'x']]),
}

/** What is parsed must also be usable; results are of no interest. */
const TARGETS: readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [
  ['xl.meta', sampleMeta(), useMeta],
  ['xl.json', XL_JSON, useMeta],
  ['format.json', encodeFormat(FORMAT), (bytes) => encodeFormat(parseFormat(bytes))],
  [
    '.metadata.bin',
    encodeBucketMetadata(newBucketMetadata('photos', 5n)),
    (bytes) => encodeBucketMetadata(parseBucketMetadata(bytes)),
  ],
  ['part.N.meta', encodePartMeta(PART), (bytes) => encodePartMeta(parsePartMeta(bytes))],
  [
    'pool.bin',
    encodePoolFile({ pools: [{ index: 0, commandLine: '/d{1...4}', updatedNs: 5n }] }),
    (bytes) => encodePoolFile(parsePoolFile(bytes)),
  ],
  ['checksums', Uint8Array.fromHex('c80101020304020102030401020304'), decodeChecksums],
  ['list.bin', Uint8Array.fromHex('0100010081a6427563'), parseRepairList],
  ['.healing.bin', Uint8Array.fromHex('82a24944a178a546696e697368c3'), parseHealingTracker],
]

function useMeta(bytes: Uint8Array): void {
  try {
    inlineOffsetOf(bytes)
  } catch (error) {
    assert.ok(error instanceof FormatError)
  }
  const meta = XlMeta.parse(bytes, blind)
  for (let i = 0; i < meta.versions.length; i++) {
    meta.unsharedDataDirectory(i)
    try {
      meta.decode(i)
    } catch (error) {
      assert.ok(error instanceof FormatError, String(error))
    }
  }
  const encoded = meta.encode()
  assert.equal(XlMeta.parse(encoded, blind).versions.length, meta.versions.length)
}

for (const [name, sample, use] of TARGETS) {
  use(sample)
  fuzz(`${name}: damage gives a FormatError or a usable value`, (random) => {
    try {
      use(mutated(sample, random))
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
    }
  })
}

/** One to four changes: bytes, cuts, repeats, and lengths that promise too much. */
function mutated(sample: Uint8Array, random: Random): Uint8Array {
  let bytes = sample.slice()
  for (let left = 1 + random.below(4); left > 0 && bytes.length > 0; left--) {
    const at = random.below(bytes.length)
    switch (random.below(5)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 2:
        bytes = bytes.slice(0, at)
        break
      case 3:
        bytes.copyWithin(at, random.below(bytes.length))
        break
      default:
        bytes.set(random.bytes(Math.min(4, bytes.length - at)), at)
    }
  }
  return bytes
}
