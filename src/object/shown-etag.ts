import { EncryptionError } from '#encryption/encryption'
import { isSealedEtag, keylessEtag } from '#encryption/etags'
import type { EngineContext } from './context.ts'
import type { ObjectInfo } from './object.ts'
import type { Seal } from './transform.ts'

/**
 * Entity tags as clients see them: those of encrypted versions are stored sealed. Source: encryption.md 3.2.
 */

/** Data keys that a list asks the KMS for at the same time. */
const CONCURRENT_MAX = 16

/** Checksums of a version, sealed where it is. */
const CHECKSUM_KEY = 'x-minio-internal-crc'

/**
 * The version as its clients see it: its entity tag, and its checksums where `seal`, the version's, is open. Errors:
 * `EncryptionError`, for SSE-S3 only.
 */
export async function shownInfo(
  context: EngineContext,
  info: ObjectInfo,
  seal?: Seal,
): Promise<ObjectInfo> {
  if (seal !== undefined) {
    const systemMetadata = withOpenChecksums(info.systemMetadata, seal)
    return { ...info, systemMetadata, etag: seal.shownEtag(info.etag) }
  }
  if (!isSealedEtag(info.etag)) return info
  const { etag, systemMetadata, bucket, key } = info
  return {
    ...info,
    etag: await context.encryption.shownEtag(etag, systemMetadata, { bucket, key }),
  }
}

type SystemMetadata = ReadonlyMap<string, Uint8Array>

function withOpenChecksums(metadata: SystemMetadata, seal: Seal): SystemMetadata {
  const sealed = metadata.get(CHECKSUM_KEY)
  if (sealed === undefined || sealed.length === 0) return metadata
  const opened = new Map(metadata)
  const blob = seal.openChecksums(sealed)
  if (blob === undefined) opened.delete(CHECKSUM_KEY)
  else opened.set(CHECKSUM_KEY, blob)
  return opened
}

/** Metadata to store for what a client sent: checksums are sealed with the content. */
export function sealedMetadata(metadata: SystemMetadata, seal: Seal | undefined): SystemMetadata {
  const blob = metadata.get(CHECKSUM_KEY)
  if (blob === undefined || seal === undefined) return metadata
  return new Map(metadata).set(CHECKSUM_KEY, seal.sealChecksums(blob))
}

/** For conditions: the tag is opened only where there are some. */
export async function comparableInfo<T extends ObjectInfo | undefined>(
  context: EngineContext,
  info: T,
  conditions: object | undefined,
): Promise<T | ObjectInfo> {
  if (info === undefined || conditions === undefined) return info
  return shownInfo(context, info)
}

/** A list with the tags that clients see. One that cannot be opened shows what can be told without the key, and is logged. */
export async function shownInfos(
  context: EngineContext,
  infos: readonly ObjectInfo[],
): Promise<readonly ObjectInfo[]> {
  if (!infos.some(({ etag }) => isSealedEtag(etag))) return infos
  const shown = [...infos]
  let next = 0
  const work = async (): Promise<void> => {
    for (let i = next++; i < infos.length; i = next++) {
      const info = infos[i]
      if (info !== undefined) shown[i] = await shownOrKeyless(context, info)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT_MAX }, work))
  return shown
}

async function shownOrKeyless(context: EngineContext, info: ObjectInfo): Promise<ObjectInfo> {
  try {
    return await shownInfo(context, info)
  } catch (error) {
    if (!(error instanceof EncryptionError)) throw error
    const { bucket, key, etag } = info
    context.log.warn('Cannot open the entity tag of a listed object', { bucket, key, error })
    return { ...info, etag: keylessEtag(etag) }
  }
}
