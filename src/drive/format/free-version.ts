import { MsgpackWriter } from '#codec/msgpack'
import type { EncodedVersion } from '../drive.ts'
import {
  FREE_VERSION_KEY,
  TRANSITION_STATUS_KEY,
  TRANSITION_TIER_KEY,
  TRANSITIONED_OBJECT_KEY,
  TRANSITIONED_VERSION_KEY,
} from '../metadata-keys.ts'
import type { FormatHashes, XlMeta } from '../xl-meta.ts'
import { encodeDeleteMarker } from './delete-marker.ts'
import { wasMoved } from './object-version.ts'

const STATUS_NAME = Buffer.from(TRANSITION_STATUS_KEY)
const PLACE_KEYS = [TRANSITION_TIER_KEY, TRANSITIONED_OBJECT_KEY, TRANSITIONED_VERSION_KEY] as const

/**
 * Before a version goes: notes the content that it has on a tier as a free version, so that somebody removes it there.
 * `successor` takes its place, perhaps with that content. Source: disk-format.md 5.11. Errors: `FormatError`.
 */
export function keepFreeVersion(
  meta: XlMeta,
  versionId: string,
  hashes: FormatHashes,
  successor?: EncodedVersion,
): void {
  if (successor !== undefined && mentionsTier(successor.body)) return
  const free = freeVersionOf(meta, versionId, hashes)
  if (free !== undefined) meta.put(free, undefined)
}

/** Its id follows from the place of the content, so that all drives choose the same. */
function freeVersionOf(
  meta: XlMeta,
  versionId: string,
  hashes: FormatHashes,
): EncodedVersion | undefined {
  const index = meta.find(versionId)
  const stored = meta.versions[index]
  // Almost no version was moved: those that were not need not be decoded.
  if (stored === undefined || !mentionsTier(stored.body)) return undefined
  const version = meta.decode(index)
  if (!('parts' in version) || !wasMoved(version)) return undefined
  const systemMetadata = new Map<string, Uint8Array>([[FREE_VERSION_KEY, new Uint8Array(0)]])
  for (const key of PLACE_KEYS) {
    systemMetadata.set(key, version.systemMetadata.get(key) ?? new Uint8Array(0))
  }
  const { modifiedNs, writerTime } = version
  const id = idOf(systemMetadata, hashes)
  return encodeDeleteMarker({ versionId: id, modifiedNs, systemMetadata, writerTime }, hashes)
}

function mentionsTier(body: Uint8Array): boolean {
  return Buffer.from(body.buffer, body.byteOffset, body.length).includes(STATUS_NAME)
}

/** A UUID of version 8: its bits are free but for six. */
function idOf(place: ReadonlyMap<string, Uint8Array>, hashes: FormatHashes): string {
  const writer = new MsgpackWriter(256)
  for (const key of PLACE_KEYS) writer.bytes(place.get(key) ?? new Uint8Array(0))
  const id = new Uint8Array(16)
  const view = new DataView(id.buffer)
  view.setBigUint64(0, (hashes.xxh64(writer.view(), 0n) & ~0xf000n) | 0x8000n)
  view.setBigUint64(8, (hashes.xxh64(writer.view(), 1n) & ~(3n << 62n)) | (2n << 62n))
  return id.toHex()
}
