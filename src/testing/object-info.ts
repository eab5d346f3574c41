/** Versions as tests of handlers need them. */
import type { ObjectInfo } from '#object/object'

/** A version with the given metadata; everything else is plain. */
export function infoOf(
  options: {
    readonly userMetadata?: Readonly<Record<string, string>>
    readonly systemMetadata?: Readonly<Record<string, Uint8Array>>
    readonly etag?: string
    readonly isDeleteMarker?: boolean
    readonly partSizes?: readonly number[]
  } = {},
): ObjectInfo {
  const partSizes = options.partSizes ?? [3]
  const sizeBytes = partSizes.reduce((sum, size) => sum + size, 0)
  return {
    bucket: 'bucket',
    key: 'key',
    versionId: 'null',
    isLatest: true,
    isDeleteMarker: options.isDeleteMarker === true,
    modifiedNs: 1_700_000_000_123_456_789n,
    sizeBytes,
    actualSizeBytes: sizeBytes,
    etag: options.etag ?? '900150983cd24fb0d6963f7d28e17f72',
    userMetadata: new Map(Object.entries(options.userMetadata ?? {})),
    systemMetadata: new Map(Object.entries(options.systemMetadata ?? {})),
    parts: partSizes.map((size, i) => ({ number: i + 1, sizeBytes: size, actualSizeBytes: size })),
    dataShards: 2,
    parityShards: 2,
  }
}
