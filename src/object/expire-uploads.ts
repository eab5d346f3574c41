import { DriveError, MULTIPART_VOLUME } from '#drive/drive'
import { fanOut } from './quorum/fan-out.ts'
import type { ErasureSet } from './set/erasure-set.ts'
import { isKeyFolder, isUpload, uploadCreatedNs } from './multipart/upload-path.ts'
import type { UploadStore } from './multipart/upload-store.ts'

/** Uploads older than this are dropped; a background service looks every six hours. */
export const UPLOAD_LIFE_MS = 24 * 3_600_000
export const EXPIRY_INTERVAL_MS = 6 * 3_600_000
const FOLDERS_MAX = 1_000_000
const NS_PER_MS = 1_000_000n

/**
 * Drops uploads that began longer ago than `lifeMs`, also remains on a few drives; answers how many. Drives that do not
 * answer keep theirs until the next time. Source: disk-format.md 6.5.
 */
export async function expireUploads(
  store: UploadStore,
  options: { readonly lifeMs?: number; readonly signal?: AbortSignal } = {},
): Promise<number> {
  const beforeNs =
    store.context.clock.nowNs() - BigInt(options.lifeMs ?? UPLOAD_LIFE_MS) * NS_PER_MS
  let dropped = 0
  for (const set of store.pools.allSets()) {
    for (const folder of await foldersOnAny(set)) {
      if (options.signal?.aborted === true) return dropped
      const upload = folder.slice(folder.indexOf('/') + 1)
      if ((uploadCreatedNs(upload) ?? 0n) >= beforeNs) continue
      using _lock = await store.lockWhole(folder)
      if (uploadCreatedNs(upload) === undefined && (await isYoung(store, set, folder, beforeNs))) {
        continue
      }
      await fanOut(set.drives, (drive) => drive.trash(MULTIPART_VOLUME, folder))
      dropped++
    }
  }
  return dropped
}

/** Names of old releases do not tell the time; the metadata does. */
async function isYoung(
  store: UploadStore,
  set: ErasureSet,
  folder: string,
  beforeNs: bigint,
): Promise<boolean> {
  const version = await store.read(set, folder, {})
  return version !== undefined && version.modifiedNs >= beforeNs
}

async function foldersOnAny(set: ErasureSet): Promise<ReadonlySet<string>> {
  const folders = new Set<string>()
  await fanOut(set.drives, async (drive) => {
    const keys = await drive.listDirectory(MULTIPART_VOLUME, '', FOLDERS_MAX)
    if (keys instanceof DriveError) return keys
    for (const key of keys) {
      const name = key.slice(0, -1)
      if (!isKeyFolder(name)) continue
      const uploads = await drive.listDirectory(MULTIPART_VOLUME, name, FOLDERS_MAX)
      if (uploads instanceof DriveError) continue // dropped meanwhile, or the drive went away
      for (const upload of uploads) {
        if (isUpload(upload.slice(0, -1))) folders.add(`${name}/${upload.slice(0, -1)}`)
      }
    }
    return undefined
  })
  return folders
}
