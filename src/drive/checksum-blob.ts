import type { ChecksumName } from '#codec/checksum'
import { FormatError } from '#codec/msgpack'
import { PARTS_MAX } from './limits.ts'

/**
 * The stored checksums of a version (`x-minio-internal-crc`, `x-minio-internal-cairn-checksum`).
 *
 *   repeated:  type (uvarint)  digest  [ part count (uvarint)  [ digest of each part ] ]
 *
 * Source: docs/formats/xl-meta.md; disk-format.md 5.8.
 */

export type ChecksumAlgorithm = ChecksumName

export interface ChecksumRecord {
  readonly algorithm: ChecksumAlgorithm
  /** Big-endian, as S3 shows it in base64. */
  readonly digest: Uint8Array
  /** A multipart object's checksum covers the content, not its parts' digests. CRC64NVME always does, with or without it. */
  readonly fullObject?: boolean | undefined
  /** Multipart objects: digests of the parts in order; empty when they were not kept. */
  readonly parts?: readonly Uint8Array[] | undefined
  /** Multipart objects: how many parts; without it as many as `parts`. */
  readonly partCount?: number | undefined
}

interface Kind {
  readonly algorithm: ChecksumAlgorithm
  readonly bit: number
  readonly sizeBytes: number
}

const KINDS: readonly Kind[] = [
  { algorithm: 'sha256', bit: 2, sizeBytes: 32 },
  { algorithm: 'sha1', bit: 4, sizeBytes: 20 },
  { algorithm: 'crc32', bit: 8, sizeBytes: 4 },
  { algorithm: 'crc32c', bit: 16, sizeBytes: 4 },
  { algorithm: 'crc64nvme', bit: 256, sizeBytes: 8 },
  // From here on MinIO knows none: these are stored under the key of our own alone.
  { algorithm: 'md5', bit: 1 << 20, sizeBytes: 16 },
  { algorithm: 'sha512', bit: 1 << 21, sizeBytes: 64 },
  { algorithm: 'xxhash3', bit: 1 << 22, sizeBytes: 8 },
  { algorithm: 'xxhash64', bit: 1 << 23, sizeBytes: 8 },
  { algorithm: 'xxhash128', bit: 1 << 24, sizeBytes: 16 },
]
const FIRST_OWN_BIT = 1 << 20

/** Key of the checksums that MinIO knows, in a version's system metadata. */
export const CHECKSUM_KEY = 'x-minio-internal-crc'
/** Key of those that it does not know, in the same form. It passes over keys of this kind. */
export const OWN_CHECKSUM_KEY = 'x-minio-internal-cairn-checksum'

/** Under which key a checksum of this algorithm is stored. */
export function checksumKeyOf(algorithm: ChecksumAlgorithm): string {
  const kind = KINDS.find((known) => known.algorithm === algorithm)
  return kind === undefined || kind.bit < FIRST_OWN_BIT ? CHECKSUM_KEY : OWN_CHECKSUM_KEY
}
const MULTIPART = 64
const INCLUDES_PARTS = 128
const FULL_OBJECT = 512
const UVARINT_BITS_MAX = 28

/** Reads all records. Types that are unknown end the list, since their size is not known. Errors: FormatError for a blob that ends too early. Digests are views. */
export function decodeChecksums(blob: Uint8Array): ChecksumRecord[] {
  const records: ChecksumRecord[] = []
  const cursor = { offset: 0 }
  while (cursor.offset < blob.length) {
    const type = readUvarint(blob, cursor)
    const kind = KINDS.find(({ bit }) => (type & bit) !== 0)
    if (kind === undefined) break
    const { algorithm, sizeBytes } = kind
    const digest = take(blob, cursor, sizeBytes)
    const fullObject = (type & FULL_OBJECT) !== 0
    if ((type & MULTIPART) === 0) {
      records.push({ algorithm, digest, fullObject })
      continue
    }
    const partCount = readUvarint(blob, cursor)
    if (partCount > PARTS_MAX) throw new FormatError('Checksum has too many parts')
    const parts: Uint8Array[] = []
    if ((type & INCLUDES_PARTS) !== 0) {
      for (let i = 0; i < partCount; i++) parts.push(take(blob, cursor, sizeBytes))
    }
    records.push({ algorithm, digest, fullObject, parts, partCount })
  }
  return records
}

/** Encodes records; digests must have the size of their algorithm. */
export function encodeChecksums(records: readonly ChecksumRecord[]): Uint8Array {
  const out: number[] = []
  for (const record of records) {
    const kind = KINDS.find(({ algorithm }) => algorithm === record.algorithm)
    if (kind === undefined) continue
    const { parts, partCount = parts?.length } = record
    let type = kind.bit
    // Real files mark full-object checksums of multipart objects, except CRC64NVME which is never anything else.
    if (record.fullObject === true && partCount !== undefined && kind.algorithm !== 'crc64nvme') {
      type |= FULL_OBJECT
    }
    if (partCount !== undefined) type |= MULTIPART
    if (parts !== undefined && parts.length > 0) type |= INCLUDES_PARTS
    writeUvarint(out, type)
    out.push(...record.digest)
    if (partCount === undefined) continue
    writeUvarint(out, partCount)
    for (const digest of parts ?? []) out.push(...digest)
  }
  return new Uint8Array(out)
}

function take(blob: Uint8Array, cursor: { offset: number }, size: number): Uint8Array {
  const end = cursor.offset + size
  if (end > blob.length) throw new FormatError('Checksum ends too early')
  const digest = blob.subarray(cursor.offset, end)
  cursor.offset = end
  return digest
}

function readUvarint(blob: Uint8Array, cursor: { offset: number }): number {
  let value = 0
  for (let shift = 0; shift < UVARINT_BITS_MAX; shift += 7) {
    const byte = blob[cursor.offset++]
    if (byte === undefined) throw new FormatError('Checksum ends too early')
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
  throw new FormatError('Number in a checksum is out of range')
}

function writeUvarint(out: number[], value: number): void {
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80)
  out.push(rest)
}
