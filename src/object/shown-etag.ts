import { EncryptionError } from '#encryption/encryption'
import { isSealedEtag, keylessEtag } from '#encryption/etags'
import { CHECKSUM_KEY, OWN_CHECKSUM_KEY } from '#drive/checksum-blob'
import type { EngineContext } from './context.ts'
import type { ObjectInfo } from './object.ts'
import { sealedPlace } from './sealed-place.ts'
import type { Seal } from './transform.ts'

/**
 * Entity tags as clients see them: those of encrypted versions are stored sealed. Source: encryption.md 3.2.
 */

/** Data keys that a list asks the KMS for at the same time. */
const CONCURRENT_MAX = 16

/** Checksums of a version, sealed where it is. */
const CHECKSUM_KEYS = [CHECKSUM_KEY, OWN_CHECKSUM_KEY]

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
  const { etag, systemMetadata } = info
  const shown = await context.encryption.shownEtag(etag, systemMetadata, sealedPlace(info))
  return { ...info, etag: shown }
}

type SystemMetadata = ReadonlyMap<string, Uint8Array>

function withOpenChecksums(metadata: SystemMetadata, seal: Seal): SystemMetadata {
  const opened = new Map(metadata)
  for (const key of CHECKSUM_KEYS) {
    const sealed = metadata.get(key)
    if (sealed === undefined || sealed.length === 0) continue
    const blob = seal.openChecksums(sealed)
    if (blob === undefined) opened.delete(key)
    else opened.set(key, blob)
  }
  return opened
}

/** Metadata to store for what a client sent: checksums are sealed with the content. */
export function sealedMetadata(metadata: SystemMetadata, seal: Seal | undefined): SystemMetadata {
  if (seal === undefined) return metadata
  const stored = new Map(metadata)
  for (const key of CHECKSUM_KEYS) {
    const blob = metadata.get(key)
    if (blob !== undefined) stored.set(key, seal.sealChecksums(blob))
  }
  return stored
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

/** A list with the tags that clients see. One that cannot be opened shows what can be told without the key, and is logged;
 *  once the KMS does not answer it is not asked for the others, for which the list would wait as long again. */
export async function shownInfos(
  context: EngineContext,
  infos: readonly ObjectInfo[],
): Promise<readonly ObjectInfo[]> {
  if (!infos.some(({ etag }) => isSealedEtag(etag))) return infos
  const shown = [...infos]
  let next = 0
  let isAnswering = true
  const work = async (): Promise<void> => {
    for (let i = next++; i < infos.length; i = next++) {
      const info = infos[i]
      if (info === undefined) continue
      try {
        shown[i] = isAnswering ? await shownInfo(context, info) : withKeylessEtag(info)
      } catch (error) {
        if (!(error instanceof EncryptionError)) throw error
        if (error.code === 'KmsUnavailable') isAnswering = false
        const { bucket, key } = info
        context.log.warn('Cannot open the entity tag of a listed object', { bucket, key, error })
        shown[i] = withKeylessEtag(info)
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT_MAX }, work))
  return shown
}

function withKeylessEtag(info: ObjectInfo): ObjectInfo {
  return isSealedEtag(info.etag) ? { ...info, etag: keylessEtag(info.etag) } : info
}
