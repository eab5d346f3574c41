import { assert } from '#base/assert'
import { PACKAGE_PLAIN_BYTES, PACKAGE_SEALED_BYTES, plainSize, tampered } from './dare.ts'

/**
 * Which stored bytes hold a range of the plain ones. Source: encryption.md 2.5.
 */

/** One stream of an object: the whole object, or one of its parts. */
export interface SealedPart {
  /** Part number: chooses the key. */
  readonly number: number
  readonly sealedBytes: number
}

/** The piece of one stream that a range needs. */
export interface SealedSegment {
  readonly partNumber: number
  /** Stored bytes to feed to this stream's opener. */
  readonly sealedBytes: number
  /** Number of the first package. */
  readonly sequence: number
  /** True: the segment reaches the end of its stream, which must be marked there. */
  readonly toEnd: boolean
}

export interface SealedRange {
  /** Within all stored bytes of the object. */
  readonly offset: number
  readonly sealedBytes: number
  /** Plain bytes to drop from the first package. */
  readonly skipBytes: number
  readonly segments: readonly SealedSegment[]
}

/** Plain size of all streams. Errors: `Tampered` for a size that no stream has. */
export function plainSizeOf(parts: readonly SealedPart[]): number {
  let total = 0
  for (const part of parts) total += plainPartSize(part)
  return total
}

/** Errors: `Tampered`. */
export function plainPartSize(part: SealedPart): number {
  const size = plainSize(part.sealedBytes)
  if (size === undefined) throw tampered('the stored size is no size of a stream')
  return size
}

/** The stored range of `sizeBytes` plain bytes from `offset` on, which must lie within the object. */
export function sealedRange(
  parts: readonly SealedPart[],
  offset: number,
  sizeBytes: number,
): SealedRange {
  const segments: SealedSegment[] = []
  const end = offset + sizeBytes
  let base = 0
  let sealedBase = 0
  let start: { readonly offset: number; readonly skipBytes: number } | undefined
  for (const part of parts) {
    const partSize = plainPartSize(part)
    const from = Math.max(offset, base) - base
    const to = Math.min(end, base + partSize) - base
    if (from < to) {
      const sequence = Math.floor(from / PACKAGE_PLAIN_BYTES)
      const sealedFrom = sequence * PACKAGE_SEALED_BYTES
      const packages = Math.ceil(to / PACKAGE_PLAIN_BYTES)
      const sealedTo = Math.min(packages * PACKAGE_SEALED_BYTES, part.sealedBytes)
      start ??= {
        offset: sealedBase + sealedFrom,
        skipBytes: from - sequence * PACKAGE_PLAIN_BYTES,
      }
      segments.push({
        partNumber: part.number,
        sealedBytes: sealedTo - sealedFrom,
        sequence,
        toEnd: sealedTo === part.sealedBytes,
      })
    }
    base += partSize
    sealedBase += part.sealedBytes
  }
  assert(end <= base, 'the range must lie within the object')
  const sealedBytes = segments.reduce((sum, segment) => sum + segment.sealedBytes, 0)
  return { offset: start?.offset ?? 0, sealedBytes, skipBytes: start?.skipBytes ?? 0, segments }
}
