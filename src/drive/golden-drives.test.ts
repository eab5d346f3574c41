/** Every metadata file on the drives that MinIO left behind is read and written back. Skipped where these drives are absent. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { concatBytes, equalBytes, textOf } from '#base/bytes'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { encodeBucketMetadata, parseBucketMetadata } from './bucket-metadata-file.ts'
import { encodeFormat, parseFormat, placeOf } from './format-json.ts'
import { headerOf } from './format/header-of.ts'
import { encodePartMeta, parsePartMeta } from './part-meta.ts'
import { encodePoolFile, parsePoolFile } from './pool-file.ts'
import { parseRepairList } from './repair-list.ts'
import { framedFileSize } from './shard-layout.ts'
import {
  dataDirName,
  type StoredVersion,
  encodeDeleteMarker,
  encodeObjectVersion,
  XlMeta,
} from './xl-meta.ts'

const FOLDER = join(import.meta.dirname, '../../../shared/fixtures/minio')
const skip = existsSync(FOLDER) ? false : `no golden drives at ${FOLDER}`
const hashes = new Codec(createCodecSeed({ regionSizesBytes: [65_536] }), 0)

const TAR_BLOCK = 512

/** Regular files of a tar archive whose base name matches. */
function* filesOf(archive: Uint8Array, names: RegExp): Generator<[string, Uint8Array]> {
  let longPath: string | undefined
  for (let at = 0; at + TAR_BLOCK <= archive.length && archive[at] !== 0; ) {
    const field = (start: number, size: number): string =>
      textOf(archive.subarray(at + start, at + start + size)).replace(/\0[^]*$/, '')
    const size = Number.parseInt(field(124, 12), 8)
    const type = field(156, 1)
    const path = longPath ?? join(field(345, 155), field(0, 100))
    const content = archive.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size)
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK
    longPath = undefined
    if (type === 'x') longPath = /\d+ path=([^\n]+)\n/.exec(textOf(content))?.[1]
    else if (type === '0' && names.test(basename(path))) yield [path, content]
  }
}

describe('metadata files of real drives are read and written back', { skip }, () => {
  const archives =
    skip === false ? readdirSync(FOLDER).filter((name) => name.endsWith('.tar.gz')) : []
  for (const name of archives) {
    test(name, () => {
      const archive = gunzipSync(readFileSync(join(FOLDER, name)))
      const objects = new SystemObjects()
      let count = 0
      for (const [path, bytes] of filesOf(archive, FILE_NAMES)) {
        const file = basename(path)
        if (file.startsWith('xl.')) checkXlMeta(path, bytes)
        else if (file === 'format.json') checkFormat(path, bytes)
        else if (file.endsWith('.meta'))
          assert.ok(equalBytes(encodePartMeta(parsePartMeta(bytes)), bytes), path)
        else if (file === 'list.bin') parseRepairList(bytes)
        objects.add(path, bytes)
        count++
      }
      assert.ok(count > 0)
      for (const [path, bytes] of objects.contents()) {
        if (path.endsWith('pool.bin'))
          assert.ok(equalBytes(encodePoolFile(parsePoolFile(bytes)), bytes))
        else checkBucketMetadata(path, bytes)
      }
    })
  }
})

function checkXlMeta(path: string, bytes: Uint8Array): void {
  const meta = XlMeta.parse(bytes, hashes)
  assert.equal(meta.isV1File, path.endsWith('xl.json'))
  const encoded = meta.encode()
  const isCurrent = bytes[6] === 3 && bytes[13] === 3 && bytes[14] === 3
  if (isCurrent) assert.ok(equalBytes(encoded, bytes), `${path} changes when it is written back`)
  const again = XlMeta.parse(encoded, hashes)
  assert.ok(equalBytes(again.encode(), encoded), path)
  assert.equal(again.versions.length, meta.versions.length)
  for (const [i, stored] of meta.versions.entries()) {
    checkHeader(path, stored)
    checkBody(path, meta, i)
  }
}

function checkFormat(path: string, bytes: Uint8Array): void {
  if (path.includes('/config/')) return // the object of IAM has the same name
  const format = parseFormat(bytes)
  assert.ok(equalBytes(encodeFormat(format), bytes), path)
  assert.notEqual(placeOf(format, format.driveId), undefined)
}

function checkBucketMetadata(path: string, bytes: Uint8Array): void {
  const file = parseBucketMetadata(bytes)
  assert.equal(file.kept, undefined, path)
  const encoded = encodeBucketMetadata(file)
  const fieldCount = bytes[4] === 0xde ? bytes[6] : (bytes[4] ?? 0) & 0x0f
  if (fieldCount === 25) assert.ok(equalBytes(encoded, bytes), path)
  // Releases of 2021 write the first 14 fields, that of May 2022 the first 20.
  else assert.ok(fieldCount === 14 || fieldCount === 20, `${path} ${fieldCount}`)
  assert.deepEqual(parseBucketMetadata(encoded), file)
}

const FILE_NAMES = /^(xl\.meta|xl\.json|format\.json|list\.bin|part\.1|part\.\d+\.meta)$/

/** Puts the contents of `.metadata.bin` and `pool.bin` together from the data shards of all drives. */
class SystemObjects {
  readonly #metas = new Map<string, { readonly drive: string; readonly meta: XlMeta }[]>()
  readonly #parts = new Map<string, Uint8Array>()

  add(path: string, bytes: Uint8Array): void {
    const [, drive, key] =
      /^(.*?)\/(\.minio\.sys\/(?:pool\.bin|buckets\/[^/]+\/\.metadata\.bin)\/.*)$/.exec(path) ?? []
    if (drive === undefined || key === undefined) return
    if (key.endsWith('part.1')) this.#parts.set(path, bytes)
    if (!key.endsWith('xl.meta')) return
    // Pools hold different objects under one name.
    const name = `${drive.replace(/[^/]*$/, '')}${key.slice(0, -'/xl.meta'.length)}`
    const copies = this.#metas.get(name) ?? []
    copies.push({ drive, meta: XlMeta.parse(bytes, hashes) })
    this.#metas.set(name, copies)
  }

  *contents(): Generator<[string, Uint8Array]> {
    for (const [name, copies] of this.#metas) {
      const content = this.#join(copies)
      if (content !== undefined) yield [name, content]
    }
  }

  #join(
    copies: readonly { readonly drive: string; readonly meta: XlMeta }[],
  ): Uint8Array | undefined {
    const shards: Uint8Array[] = []
    let sizeBytes = 0
    let dataShards = 0
    for (const { drive, meta } of copies) {
      const version = meta.decode(0)
      assert.ok('parts' in version)
      const framed = meta.inline(version.versionId) ?? this.#partBelow(drive, version.dataDir)
      if (framed === undefined) continue
      assert.equal(framed.length, framedFileSize(version.sizeBytes, version))
      const [hash, shard] = [framed.subarray(0, 32), framed.subarray(32)]
      if (equalBytes(hashes.highwayHash256(shard), hash)) shards[version.shardIndex - 1] = shard
      ;({ sizeBytes, dataShards } = version)
    }
    const data = Array.from({ length: dataShards }, (_, i) => shards[i])
    if (data.includes(undefined)) return undefined // needs reconstruction: the drives are degraded
    return concatBytes(data.filter((shard) => shard !== undefined)).subarray(0, sizeBytes)
  }

  #partBelow(drive: string, dataDir: string): Uint8Array | undefined {
    const end = `/${dataDirName(dataDir)}/part.1`
    for (const [path, bytes] of this.#parts) {
      if (path.startsWith(`${drive}/`) && path.endsWith(end)) return bytes
    }
    return undefined
  }
}

/** The stored header, with its signature, is the one computed from the body. */
function checkHeader(path: string, { header, headerBytes, body }: StoredVersion): void {
  const computed = headerOf(body, hashes)
  // Headers that began in a file with header version 2 have no shard counts, for ever.
  if (header.kind === 'object' && header.dataShards === 0) computed.fill(0, computed.length - 2)
  assert.equal(headerBytes.toHex(), computed.toHex(), path)
}

/** Decoding a body and encoding it again loses nothing. */
function checkBody(path: string, meta: XlMeta, index: number): void {
  const body = meta.versions[index]?.body
  const version = meta.decode(index)
  if ('object' in version) return // covered by the signature
  const isObject = 'parts' in version
  assert.equal(version.kept, undefined, path)
  const encoded = isObject
    ? encodeObjectVersion(version, hashes)
    : encodeDeleteMarker(version, hashes)
  // Releases of 2021 wrote a list of empty part ETags where today there is none, and other forms of empty maps.
  if (version.writerTime === undefined) return
  assert.equal(encoded.body.toHex(), body?.toHex(), path)
}
