import { compareUtf8 } from '#base/bytes'
import { DriveError, MULTIPART_VOLUME, type Drive, type DriveReply } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import { noReadQuorum } from '../errors.ts'
import type { ListUploadsRequest, ListUploadsResult, UploadInfo } from '../object.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import { isUpload, isKeyFolder, keyFolder, requireUpload } from './upload-path.ts'
import { namedIn, uploadInfoOf, type UploadStore } from './upload-store.ts'

/**
 * Lists uploads in progress, by key and then by time of creation. Source: s3-api.md 4.6.7, rule D4.8.
 *
 * All folders of uploads are read from the drives of all sets, with quorum, so that every node and every restart gives the same
 * answer. A folder is named by a hash of its key; which key that is the upload's metadata tells (`UPLOAD_KEY`). MinIO
 * does not write that: its uploads are found when the prefix is exactly their key, as MinIO itself does, and cannot be
 * named otherwise. They can be filled, completed and dropped all the same.
 */

/** What an upload is called never changes: known uploads are not read again. */
const KNOWN_MAX = 10_000
const READS_AT_ONCE = 16
const FOLDERS_MAX = 1_000_000

/** An upload whose metadata was read; `undefined`: MinIO's, which does not tell its key. */
type Known = UploadInfo | 'unnamed'

export class UploadLists {
  readonly #store: UploadStore
  /** By folder; the oldest entries go first. */
  readonly #known = new Map<string, Known>()

  constructor(store: UploadStore) {
    this.#store = store
  }

  /** Errors: `ReadQuorum`, `UploadNotFound` for a marker that no upload can have. */
  async list(bucket: string, request: ListUploadsRequest): Promise<ListUploadsResult> {
    const { startAfter, uploadIdMarker } = request
    if (uploadIdMarker !== '') requireUpload(bucket, startAfter, uploadIdMarker)
    const found: UploadInfo[] = []
    for (const set of this.#store.pools.allSets()) {
      found.push(...(await this.#uploadsIn(set, bucket, request.prefix)))
    }
    found.sort(compareUploads)
    return pageOf(found, request)
  }

  /** All uploads of a bucket whose keys are known: they go with it. */
  async dropAll(bucket: string): Promise<void> {
    for (const set of this.#store.pools.allSets()) {
      for (const folder of await foldersIn(set)) {
        const upload = await this.#read(set, folder)
        if (upload === undefined || upload === 'unnamed' || upload.bucket !== bucket) continue
        using _lock = await this.#store.lockWhole(folder)
        await this.#store.drop(set, folder, { bucket, key: upload.key })
      }
    }
  }

  async #uploadsIn(
    set: ErasureSet,
    bucket: string,
    prefix: string,
  ): Promise<readonly UploadInfo[]> {
    const folders = await foldersIn(set)
    const exact =
      prefix === '' ? '' : keyFolder(this.#store.context.codec, bucket, encodeKey(prefix))
    const found: UploadInfo[] = []
    for (let start = 0; start < folders.length; start += READS_AT_ONCE) {
      const batch = folders.slice(start, start + READS_AT_ONCE)
      const uploads = await Promise.all(batch.map((folder) => this.#read(set, folder)))
      for (const [i, upload] of uploads.entries()) {
        const folder = batch[i] ?? ''
        if (upload === undefined) continue
        if (upload !== 'unnamed') {
          if (upload.bucket === bucket && upload.key.startsWith(prefix)) found.push(upload)
        } else if (folder.startsWith(`${exact}/`)) {
          const named = await this.#readAs(set, folder, bucket, prefix)
          if (named !== undefined) found.push(named)
        }
      }
    }
    return found
  }

  /** Undefined: completed or dropped meanwhile. */
  async #read(set: ErasureSet, folder: string): Promise<Known | undefined> {
    const known = this.#known.get(folder)
    if (known !== undefined) return known
    const version = await this.#store.read(set, folder, {})
    if (version === undefined) return undefined
    const { codec, deploymentId } = this.#store.context
    const name = namedIn(version)
    const hash = folder.slice(0, folder.indexOf('/'))
    const isTrue = name !== undefined && keyFolder(codec, name.bucket, encodeKey(name.key)) === hash
    const upload: Known = isTrue
      ? uploadInfoOf(deploymentId, name.bucket, name.key, { name: uploadIn(folder), version })
      : 'unnamed'
    if (this.#known.size >= KNOWN_MAX) {
      const [oldest] = this.#known.keys()
      if (oldest !== undefined) this.#known.delete(oldest)
    }
    this.#known.set(folder, upload)
    return upload
  }

  async #readAs(
    set: ErasureSet,
    folder: string,
    bucket: string,
    key: string,
  ): Promise<UploadInfo | undefined> {
    const version = await this.#store.read(set, folder, { bucket, key })
    if (version === undefined) return undefined
    const { deploymentId } = this.#store.context
    return uploadInfoOf(deploymentId, bucket, key, { name: uploadIn(folder), version })
  }
}

function uploadIn(folder: string): string {
  return folder.slice(folder.indexOf('/') + 1)
}

/** Folders of uploads that a read quorum of the set's drives has. Errors: `ReadQuorum`. */
async function foldersIn(set: ErasureSet): Promise<readonly string[]> {
  const quorum = Math.floor((set.size + 1) / 2)
  const namesOn = async (drive: Drive): DriveReply<readonly string[]> => {
    const folders: string[] = []
    const keys = await namesIn(drive, '')
    if (keys instanceof DriveError) return keys
    for (const key of keys) {
      if (!isKeyFolder(key)) continue
      const uploads = await namesIn(drive, key)
      if (uploads instanceof DriveError) return uploads
      for (const upload of uploads) if (isUpload(upload)) folders.push(`${key}/${upload}`)
    }
    return folders
  }
  const options = { quorum: set.size - quorum + 1, isTimeless: true }
  const { outcomes: answers } = await set.patience.ask(options, namesOn)
  const counts = new Map<string, number>()
  let answered = 0
  for (const answer of answers) {
    if (answer instanceof DriveError) continue
    answered++
    for (const folder of answer) counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  if (answered < quorum) throw noReadQuorum({})
  return [...counts].filter(([, count]) => count >= quorum).map(([folder]) => folder)
}

async function namesIn(drive: Drive, path: string): Promise<readonly string[] | DriveError> {
  const names = await drive.listDirectory(MULTIPART_VOLUME, path, FOLDERS_MAX)
  if (!(names instanceof DriveError)) {
    return names.filter((name) => name.endsWith('/')).map((name) => name.slice(0, -1))
  }
  return names.code === 'FileNotFound' || names.code === 'VolumeNotFound' ? [] : names
}

function compareUploads(a: UploadInfo, b: UploadInfo): number {
  const byKey = compareUtf8(a.key, b.key)
  if (byKey !== 0) return byKey
  if (a.initiatedNs !== b.initiatedNs) return a.initiatedNs < b.initiatedNs ? -1 : 1
  return compareUtf8(a.uploadId, b.uploadId)
}

/** One page of sorted uploads, rolled up by the delimiter. */
export function pageOf(
  sorted: readonly UploadInfo[],
  request: ListUploadsRequest,
): ListUploadsResult {
  const { prefix, delimiter, startAfter, uploadIdMarker, limit } = request
  const rolled = (key: string): string | undefined => {
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : key.slice(0, at + delimiter.length)
  }
  const isMarkerPrefix = startAfter.startsWith(prefix) && rolled(startAfter) === startAfter
  const marker = sorted.findIndex(
    (upload) => upload.key === startAfter && upload.uploadId === uploadIdMarker,
  )
  const uploads: UploadInfo[] = []
  const commonPrefixes: string[] = []
  let nextKeyMarker = ''
  let nextUploadIdMarker = ''
  for (const [i, upload] of sorted.entries()) {
    if (!upload.key.startsWith(prefix)) continue
    if (startAfter !== '') {
      const order = compareUtf8(upload.key, startAfter)
      // Of the marker's own key: what comes after the marker's upload, or all of it when that one is gone.
      if (order < 0 || (order === 0 && (uploadIdMarker === '' || i <= marker))) continue
      if (isMarkerPrefix && upload.key.startsWith(startAfter)) continue
    }
    const group = rolled(upload.key)
    if (group !== undefined && group === commonPrefixes.at(-1)) continue
    if (uploads.length + commonPrefixes.length === limit) {
      return { uploads, commonPrefixes, isTruncated: true, nextKeyMarker, nextUploadIdMarker }
    }
    if (group === undefined) uploads.push(upload)
    else commonPrefixes.push(group)
    nextKeyMarker = group ?? upload.key
    nextUploadIdMarker = group === undefined ? upload.uploadId : ''
  }
  return {
    uploads,
    commonPrefixes,
    isTruncated: false,
    nextKeyMarker: '',
    nextUploadIdMarker: '',
  }
}
