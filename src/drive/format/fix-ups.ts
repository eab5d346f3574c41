import { textOf, utf8 } from '#base/bytes'
import type { EncodedVersion } from '../drive.ts'
import type { FormatHashes } from '../xl-meta.ts'
import { decodeDeleteMarker, encodeDeleteMarker } from './delete-marker.ts'
import {
  COMPRESSION_KEY,
  COMPRESSION_SCHEME,
  REPLICA_TIMESTAMP_KEY,
  REPLICATION_TIMESTAMP_KEY,
} from '../metadata-keys.ts'
import { decodeObjectVersion, encodeObjectVersion } from './object-version.ts'
import { formatRfc3339Ns } from './time-text.ts'

/** Corrections of what older releases wrote. Source: disk-format.md 5.9. */

export const METADATA_VERSION = 3

/** Releases between these times (Unix seconds, both excluded) wrote wrong indexes of small compressed parts. */
const WRONG_INDEX_AFTER = 1_701_471_618
const WRONG_INDEX_BEFORE = 1_730_156_418
const WRONG_INDEX_SIZE_MAX = 8 * 1024 * 1024

/** The corrected object version, undefined when it needs no correction. */
export function correctObject(
  body: Uint8Array,
  metadataVersion: number,
  hashes: FormatHashes,
): EncodedVersion | undefined {
  if (metadataVersion >= 3) return undefined
  const version = decodeObjectVersion(body)
  const { writerTime = 0, systemMetadata } = version
  if (writerTime <= WRONG_INDEX_AFTER || writerTime >= WRONG_INDEX_BEFORE) return undefined
  const compression = systemMetadata.get(COMPRESSION_KEY)
  if (compression === undefined || textOf(compression) !== COMPRESSION_SCHEME) return undefined
  const isWrong = version.parts.map(
    (part) => (part.index?.length ?? 0) > 0 && part.actualSizeBytes <= WRONG_INDEX_SIZE_MAX,
  )
  if (!isWrong.includes(true)) return undefined
  const parts = version.parts.map((part, i) =>
    isWrong[i] === true ? { ...part, index: new Uint8Array(0) } : part,
  )
  return encodeObjectVersion({ ...version, parts }, hashes)
}

/** The corrected delete marker, undefined when it needs no correction. */
export function correctMarker(
  body: Uint8Array,
  metadataVersion: number,
  hashes: FormatHashes,
): EncodedVersion | undefined {
  if (metadataVersion >= 2) return undefined
  const marker = decodeDeleteMarker(body)
  const systemMetadata = new Map(marker.systemMetadata)
  let isChanged = false
  for (const key of [REPLICATION_TIMESTAMP_KEY, REPLICA_TIMESTAMP_KEY]) {
    const text = textOf(systemMetadata.get(key) ?? new Uint8Array(0))
    if (!HTTP_DATE.test(text)) continue
    const ms = Date.parse(text)
    if (Number.isNaN(ms)) continue
    systemMetadata.set(key, utf8(formatRfc3339Ns(BigInt(ms) * 1_000_000n)))
    isChanged = true
  }
  return isChanged ? encodeDeleteMarker({ ...marker, systemMetadata }, hashes) : undefined
}

const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/
