import { FormatError, MsgpackReader } from '#codec/msgpack'
import type { FormatHashes } from '../xl-meta.ts'
import { decodeDeleteMarker, encodeDeleteMarker } from './delete-marker.ts'
import { enterField } from './fields.ts'
import { legacyHeaderOf } from './legacy-version.ts'
import { decodeObjectVersion, encodeObjectVersion } from './object-version.ts'
import { kindOf } from './version-header.ts'

/** Computes the encoded header of a version from its body. Errors: FormatError. */
export function headerOf(body: Uint8Array, hashes: FormatHashes): Uint8Array {
  const reader = new MsgpackReader(body)
  if (!enterField(reader, 'Type')) throw new FormatError('Version has no type')
  const kind = kindOf(reader.readInteger())
  switch (kind) {
    case 'object':
      return encodeObjectVersion(decodeObjectVersion(body), hashes).header
    case 'deleteMarker':
      return encodeDeleteMarker(decodeDeleteMarker(body), hashes).header
    case 'legacy':
      return legacyHeaderOf(body, hashes)
    case 'unknown':
      throw new FormatError('Version is of an unknown kind')
  }
}
