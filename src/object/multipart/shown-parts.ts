import { encryptionKindOf } from '#encryption/key-metadata'
import { isSealedEtag, keylessEtag, unsealEtag } from '#encryption/etags'
import type { EngineContext } from '../context.ts'
import type { PartInfo, UploadInfo } from '../object.ts'
import { sealedPlace } from '../sealed-place.ts'

/**
 * The parts of an upload with the entity tags that clients see. Errors: `EncryptionError`, for SSE-S3 only.
 * Source: encryption.md 3.2.
 */
export async function shownParts(
  context: EngineContext,
  upload: UploadInfo,
  parts: readonly PartInfo[],
): Promise<readonly PartInfo[]> {
  if (!parts.some(({ etag }) => isSealedEtag(etag ?? ''))) return parts
  const { systemMetadata } = upload
  const objectKey =
    encryptionKindOf(systemMetadata) === 'sse-s3'
      ? await context.encryption.open(systemMetadata, sealedPlace(upload), undefined)
      : undefined
  try {
    return parts.map((part) => {
      const etag = part.etag ?? ''
      const shown = objectKey === undefined ? keylessEtag(etag) : unsealEtag(objectKey, etag)
      return { ...part, etag: shown }
    })
  } finally {
    objectKey?.fill(0)
  }
}
