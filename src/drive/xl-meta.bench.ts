/** Metadata of small objects, as every request handles it. Targets: parse below 5 us, encodeObjectVersion below 15 us. */
import { utf8 } from '#base/bytes'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { bench } from '#testing/bench'
import { encodeObjectVersion, type ObjectVersion, withShardIndex, XlMeta } from './xl-meta.ts'

const hashes = new Codec(createCodecSeed({ regionSizesBytes: [65_536] }), 0)
const VERSION: ObjectVersion = {
  versionId: '0'.repeat(32),
  dataDir: '9f6c3be2463f4771a6c71204baaa3ff2',
  dataShards: 2,
  parityShards: 2,
  blockSizeBytes: 1_048_576,
  shardIndex: 1,
  distribution: [3, 4, 1, 2],
  parts: [{ number: 1, sizeBytes: 4096, actualSizeBytes: 4096 }],
  sizeBytes: 4096,
  modifiedNs: 1_735_689_600_123_456_789n,
  systemMetadata: new Map([
    ['x-minio-internal-inline-data', utf8('true')],
    ['x-minio-internal-crc', new Uint8Array(10)],
  ]),
  userMetadata: new Map([
    ['content-type', 'application/octet-stream'],
    ['etag', 'fc3ff98e8c6a0d3087d515c0473f8677'],
  ]),
  writerTime: 1_735_600_000,
}
const encoded = encodeObjectVersion(VERSION, hashes)
const inline = new Uint8Array(2080)
const meta = XlMeta.empty(hashes)
meta.put(encoded, inline)
const file = meta.encode()
const versions = XlMeta.empty(hashes)
for (let i = 0; i < 50; i++) {
  const versionId = i.toString(16).padStart(32, '0')
  const modifiedNs = VERSION.modifiedNs + BigInt(i)
  versions.put(encodeObjectVersion({ ...VERSION, versionId, modifiedNs }, hashes), undefined)
}
const manyVersions = versions.encode()

function one(label: string, size: number, run: () => void): void {
  bench(label, size, [{ name: 'cairn', run }])
}

one('parse, one version', file.length, () => void XlMeta.parse(file, hashes))
one('parse and decode', file.length, () => void XlMeta.parse(file, hashes).decode(0))
one('parse and inline value', file.length, () => {
  XlMeta.parse(file, hashes).inline(VERSION.versionId)
})
one('parse, 50 versions', manyVersions.length, () => void XlMeta.parse(manyVersions, hashes))
one('encodeObjectVersion', encoded.body.length, () => void encodeObjectVersion(VERSION, hashes))
one('withShardIndex', encoded.body.length, () => void withShardIndex(encoded, 3))
one('new file: put and encode', file.length, () => {
  const fresh = XlMeta.empty(hashes)
  fresh.put(encoded, inline)
  fresh.encode()
})
