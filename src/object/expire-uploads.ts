import { DriveError, MULTIPART_VOLUME } from '#drive/drive'
import { fanOut } from './quorum/fan-out.ts'
import type { ErasureSet } from './set/erasure-set.ts'
import { isKeyFolder, isUpload, uploadCreatedNs } from './multipart/upload-path.ts'
import { namedIn, type UploadStore } from './multipart/upload-store.ts'
import { ObjectError } from './object.ts'

const FOLDERS_MAX = 1_000_000
const NS_PER_MS = 1_000_000n

/** An upload in progress, as rules know it. */
export interface AgingUpload {
  readonly bucket: string
  readonly key: string
  readonly createdMs: number
}

export interface UploadExpiry {
  /** Of uploads that no rule is about. */
  readonly lifeMs: number
  /** When a rule of the bucket ends an upload; undefined: none does. MinIO's uploads do not tell their key: none is about them. */
  readonly dueMs?: (upload: AgingUpload) => Promise<number | undefined>
  readonly signal?: AbortSignal
}

/**
 * Drops uploads that are due by a rule of their bucket, and others that began longer ago than `lifeMs`, also remains on a few
 * drives; answers how many. Drives that do not answer keep theirs until the next time. Source: disk-format.md 6.5,
 * ilm-replication-events.md 1.14.
 */
export async function expireUploads(store: UploadStore, options: UploadExpiry): Promise<number> {
  const nowNs = store.context.clock.nowNs()
  const beforeNs = nowNs - BigInt(options.lifeMs) * NS_PER_MS
  let dropped = 0
  for (const set of store.pools.allSets()) {
    for (const folder of await foldersOnAny(set)) {
      if (options.signal?.aborted === true) return dropped
      const upload = folder.slice(folder.indexOf('/') + 1)
      const dueNs = await ruleTime(store, { set, folder, dueMs: options.dueMs })
      if (dueNs === 'unknown' || (dueNs !== undefined && nowNs <= dueNs)) continue
      if (dueNs === undefined && (uploadCreatedNs(upload) ?? 0n) >= beforeNs) continue
      using _lock = await store.lockWhole(folder)
      const hasNoTime = dueNs === undefined && uploadCreatedNs(upload) === undefined
      if (hasNoTime && (await isYoung(store, set, folder, beforeNs))) continue
      await fanOut(set.drives, (drive) => drive.trash(MULTIPART_VOLUME, folder))
      dropped++
    }
  }
  return dropped
}

/** When a rule ends an upload; undefined: none does; `unknown`: its metadata cannot be read now. */
async function ruleTime(
  store: UploadStore,
  at: {
    readonly set: ErasureSet
    readonly folder: string
    readonly dueMs: UploadExpiry['dueMs']
  },
): Promise<bigint | undefined | 'unknown'> {
  const { set, folder, dueMs } = at
  if (dueMs === undefined) return undefined
  try {
    const version = await store.read(set, folder, {})
    const name = version === undefined ? undefined : namedIn(version)
    if (version === undefined || name === undefined) return undefined
    const createdNs = uploadCreatedNs(folder.slice(folder.indexOf('/') + 1)) ?? version.modifiedNs
    const due = await dueMs({ ...name, createdMs: Number(createdNs / NS_PER_MS) })
    return due === undefined ? undefined : BigInt(due) * NS_PER_MS
  } catch (error) {
    if (error instanceof ObjectError) return 'unknown'
    throw error
  }
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
