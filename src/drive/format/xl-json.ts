import { strictTextOf, textOf, utf8 } from '#base/bytes'
import { FormatError, ZERO_TIME_NS } from '#codec/msgpack'
import type { EncodedVersion } from '../drive.ts'
import type { BitrotAlgorithm, FormatHashes, PartHash } from '../xl-meta.ts'
import {
  encodeLegacyRecord,
  LEGACY_DATA_DIR,
  type LegacyPart,
  type LegacyRecord,
  type LegacyShard,
} from './legacy-version.ts'
import { parseRfc3339Ns } from './time-text.ts'

/** `xl.json`, the metadata file of before 2020. Source: docs/formats/xl-meta.md; disk-format.md 5.10. */

/** True for bytes that may be an `xl.json`. */
export function looksLikeJson(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7b // an opening brace
}

/** The only version of an `xl.json`, as it is stored in an xl.meta. Errors: FormatError. */
export function convertXlJson(bytes: Uint8Array, hashes: FormatHashes): EncodedVersion {
  return encodeLegacyRecord(parseXlJson(bytes), hashes)
}

/** The file for the drive of another shard; see `legacyForShard`. What is not known here is kept. Errors: FormatError. */
export function xlJsonForShard(bytes: Uint8Array, shard: LegacyShard): Uint8Array {
  parseXlJson(bytes)
  const root = membersOf(parseJson(bytes))
  const erasure = membersOf(root['erasure'])
  const checksum = listOf(erasure['checksum']).map((item) => {
    const members = membersOf(item)
    const own = shard.partHashes.find((one) => members['name'] === `part.${one.partNumber}`)
    return own === undefined ? members : { ...members, hash: own.hash.toHex() }
  })
  const changed = { ...erasure, index: shard.shardIndex, checksum }
  return utf8(JSON.stringify({ ...root, erasure: changed }))
}

function parseXlJson(bytes: Uint8Array): LegacyRecord {
  const root = new JsonReader(parseJson(bytes))
  const stat = root.object('stat')
  const erasure = root.object('erasure')
  return {
    version: root.text('version'),
    format: root.text('format'),
    statSize: stat.integer('size'),
    statModifiedNs: stat.timeNs('modTime'),
    statName: stat.optionalText('name'),
    statDir: stat.optionalBoolean('dir'),
    statMode: stat.optionalInteger('mode', 0),
    algorithm: erasure.optionalText('algorithm'),
    dataShards: erasure.integer('data'),
    parityShards: erasure.integer('parity'),
    blockSize: erasure.integer('blockSize'),
    shardIndex: erasure.integer('index'),
    distribution: erasure.integers('distribution'),
    checksums: erasure.objects('checksum').map(parseChecksum),
    release: root.object('minio').optionalText('release'),
    meta: root.texts('meta'),
    parts: root.objects('parts').map(parsePart),
    versionId: 'null',
    dataDir: LEGACY_DATA_DIR,
  }
}

const ALGORITHMS: readonly BitrotAlgorithm[] = [
  'sha256',
  'highwayhash256',
  'highwayhash256S',
  'blake2b',
]

function parseChecksum(item: JsonReader): PartHash {
  const number = /^part\.(\d{1,9})$/.exec(item.text('name'))?.[1]
  if (number === undefined) throw new FormatError('Checksum of legacy metadata has no part')
  const name = item.text('algorithm')
  const algorithm = ALGORITHMS.find((known) => known === name)
  if (algorithm === undefined) throw new FormatError(`Unknown bitrot algorithm "${name}"`)
  return { partNumber: Number(number), algorithm, hash: item.hex('hash') }
}

function parsePart(item: JsonReader): LegacyPart {
  const number = item.integer('number')
  const sizeBytes = item.integer('size')
  if (number < 0 || sizeBytes < 0) throw new FormatError('Impossible part in legacy metadata')
  return {
    number,
    sizeBytes,
    actualSizeBytes: item.optionalInteger('actualSize', 0),
    etag: item.optionalText('etag') || undefined,
    modifiedNs: item.has('modTime') ? item.timeNs('modTime') : ZERO_TIME_NS,
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    const text = strictTextOf(bytes) ?? textOf(bytes)
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new FormatError('Legacy metadata is not valid JSON', { cause: error })
  }
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError('Expected a JSON object')
  }
  return { ...value }
}

function listOf(value: unknown): readonly unknown[] {
  const list = value ?? []
  if (!Array.isArray(list)) throw new FormatError('Expected a list')
  return list
}

/** Checked access to the members of a JSON object. */
class JsonReader {
  readonly #members: ReadonlyMap<string, unknown>

  constructor(value: unknown) {
    this.#members = new Map(Object.entries(membersOf(value)))
  }

  has(name: string): boolean {
    return (this.#members.get(name) ?? null) !== null
  }

  object(name: string): JsonReader {
    return new JsonReader(this.#members.get(name) ?? {})
  }

  objects(name: string): readonly JsonReader[] {
    return this.#list(name).map((item) => new JsonReader(item))
  }

  integers(name: string): readonly number[] {
    return this.#list(name).map(checkedInteger)
  }

  integer(name: string): number {
    return checkedInteger(this.#members.get(name))
  }

  optionalInteger(name: string, otherwise: number): number {
    return this.has(name) ? this.integer(name) : otherwise
  }

  text(name: string): string {
    return checkedText(this.#members.get(name))
  }

  optionalText(name: string): string {
    return this.has(name) ? this.text(name) : ''
  }

  optionalBoolean(name: string): boolean {
    return this.#members.get(name) === true
  }

  timeNs(name: string): bigint {
    const ns = parseRfc3339Ns(this.text(name))
    if (ns === undefined) throw new FormatError(`Expected a time in "${name}"`)
    return ns
  }

  hex(name: string): Uint8Array {
    const text = this.optionalText(name)
    if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
      throw new FormatError(`Expected hex digits in "${name}"`)
    }
    return Uint8Array.fromHex(text)
  }

  texts(name: string): Map<string, string> {
    const texts = new Map<string, string>()
    for (const [key, value] of this.object(name).#members) texts.set(key, checkedText(value))
    return texts
  }

  #list(name: string): readonly unknown[] {
    const value = this.#members.get(name) ?? []
    if (!Array.isArray(value)) throw new FormatError(`Expected a list in "${name}"`)
    return value
  }
}

function checkedInteger(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new FormatError('Expected an integer')
  }
  return value
}

function checkedText(value: unknown): string {
  if (typeof value !== 'string') throw new FormatError('Expected a text')
  return value
}
