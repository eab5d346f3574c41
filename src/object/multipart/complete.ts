import { concatBytes, equalBytes, utf8 } from '#base/bytes'
import { DriveError, MULTIPART_VOLUME, type Drive, type DriveReply } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import type { ObjectVersion } from '#drive/xl-meta'
import type { EngineContext } from '../context.ts'
import { noReadQuorum, noWriteQuorum } from '../errors.ts'
import {
  ACTUAL_SIZE_KEY,
  DECLARED_CHECKSUM_KEY,
  DECLARED_CHECKSUM_TYPE_KEY,
} from '../metadata-keys.ts'
import { infoOf, isObject, objectInfoOf } from '../object-info.ts'
import {
  ObjectError,
  type CompleteOptions,
  type CompletePart,
  type ObjectInfo,
  type PartInfo,
  type UploadInfo,
} from '../object.ts'
import { deleteQuorumOf, writeQuorumOf } from '../placement.ts'
import { commitUnderLock, newId } from '../put.ts'
import { NULL_VERSION, type CommitPlan } from '../set/set.ts'
import { sealedMetadata, shownInfo } from '../shown-etag.ts'
import type { Seal } from '../transform.ts'
import { partInfoOf, readParts, type StoredPart } from './part-store.ts'
import { COMPLETED_KEY, UPLOAD_KEY, uploadNotFound } from './upload-path.ts'
import { shownParts } from './shown-parts.ts'
import { partQueryOf, type Upload, type UploadStore } from './upload-store.ts'

/**
 * Makes the object of an upload. Source: disk-format.md 6.5, s3-api.md 4.6.4, rule D4.7.
 *
 * Order: upload lock; parts read by quorum and checked; object lock; preconditions; commit, which gives the named parts a
 * second name in the object; the upload is dropped. Until then the upload is whole, so that a crash or a failed commit at
 * any point leaves an upload that can be completed again. The new version remembers the request, so that repeating it
 * after success gives the same answer, also when a crash left the upload behind.
 */

const PART_SIZE_MIN = 5 * 1_048_576
const REQUEST_DIGEST_BYTES = 16
/** The object is there: what is left of the upload matters to nobody but the disk. */
const DROP_GRACE_MS = 100

export interface CompleteRequest {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  /** Ascending. */
  readonly parts: readonly CompletePart[]
  readonly options: CompleteOptions
}

/** Errors: `UploadNotFound`, `InvalidPart`, `InvalidPartOrder`, `PartTooSmall`, `PreconditionFailed`, `ReadQuorum`, `WriteQuorum`, `StorageFull`, and what the callbacks throw. */
export async function completeUpload(
  store: UploadStore,
  request: CompleteRequest,
): Promise<ObjectInfo> {
  const { bucket, key, uploadId, options } = request
  checkOrder(request)
  const folder = store.folderOf(bucket, key, uploadId)
  using _upload = await store.lockWhole(folder)
  const upload = await store.findIfAny(bucket, key, uploadId)
  const digest = digestOf(store, folder, request.parts)
  const made = await madeBefore(store, request, upload, digest)
  if (made !== undefined) {
    if (upload !== undefined) await drop(upload)
    using held = await keyOf(made, options)
    return await shownInfo(store.context, made, held.seal)
  }
  if (upload === undefined) throw uploadNotFound(bucket, key, uploadId)
  const numbers = new Set(request.parts.map((part) => part.number))
  const stored = await readParts(upload.set, partQueryOf(upload, numbers))
  const about = store.infoOf(upload)
  const all = [...stored.values()].map((part) => partInfoOf(part.meta))
  const shown = new Map(
    (await shownParts(store.context, about, all)).map((part) => [part.number, part]),
  )
  const chosen = checkParts(request, stored, shown)
  const infos = chosen.flatMap((part) => shown.get(part.meta.number) ?? [])
  const verified = options.verify?.(about, infos) ?? new Map<string, Uint8Array>()
  using held = await keyOf(about, options)
  const { seal } = held
  const added = sealedMetadata(verified, seal)
  const etag = await etagOf(store.context, infos)
  const version = versionOf(store.context, upload, request, { parts: chosen, etag })
  const systemMetadata = new Map([...version.systemMetadata, ...added, [COMPLETED_KEY, digest]])
  const info = await commit(store, upload, request, { ...version, systemMetadata }, chosen)
  await drop(upload)
  return await shownInfo(store.context, info, seal)
}

/** The key of the upload, or of the object that it became, for as long as it is needed. */
async function keyOf(
  version: UploadInfo | ObjectInfo,
  options: CompleteOptions,
): Promise<Disposable & { readonly seal: Seal | undefined }> {
  const seal = await options.seal?.(version)
  return { seal, [Symbol.dispose]: () => seal?.close() }
}

function checkOrder(request: CompleteRequest): void {
  const { bucket, key, parts } = request
  let last = 0
  for (const { number } of parts) {
    if (number <= last) {
      throw new ObjectError('InvalidPartOrder', `Part ${number} does not come after part ${last}`, {
        bucket,
        key,
        partNumber: number,
      })
    }
    last = number
  }
  if (parts.length === 0) {
    throw new ObjectError('InvalidPart', 'An object needs at least one part', { bucket, key })
  }
}

/** The stored parts in request order. */
function checkParts(
  request: CompleteRequest,
  stored: ReadonlyMap<number, StoredPart>,
  shown: ReadonlyMap<number, PartInfo>,
): readonly StoredPart[] {
  const { bucket, key, parts } = request
  const chosen: StoredPart[] = []
  for (const [i, part] of parts.entries()) {
    const found = stored.get(part.number)
    const details = { bucket, key, partNumber: part.number, etag: part.etag }
    const info = shown.get(part.number)
    if (found === undefined || info === undefined || info.etag !== part.etag) {
      throw new ObjectError('InvalidPart', `Part ${part.number} is not the one uploaded`, details)
    }
    for (const [name, value] of Object.entries(part.checksums)) {
      if (info.checksums?.[name] === value) continue
      throw new ObjectError(
        'InvalidPart',
        `Checksum ${name} of part ${part.number} differs`,
        info.checksums?.[name] === undefined ? { ...details, absentChecksum: name } : details,
      )
    }
    const sizeBytes = sizeOf(info)
    if (i < parts.length - 1 && sizeBytes < PART_SIZE_MIN) {
      throw new ObjectError('PartTooSmall', `Part ${part.number} has only ${sizeBytes} bytes`, {
        ...details,
        sizeBytes,
        minSizeBytes: PART_SIZE_MIN,
      })
    }
    chosen.push(found)
  }
  return chosen
}

function sizeOf(part: Pick<PartInfo, 'sizeBytes' | 'actualSizeBytes'>): number {
  return part.actualSizeBytes >= 0 ? part.actualSizeBytes : part.sizeBytes
}

/** The version to commit; its modification time is chosen by the commit. */
function versionOf(
  context: EngineContext,
  upload: Upload,
  request: CompleteRequest,
  made: { readonly parts: readonly StoredPart[]; readonly etag: string },
): ObjectVersion {
  const { etag } = made
  const parts = made.parts.map((part) => part.meta)
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
  const actualSizeBytes = parts.reduce((sum, part) => sum + sizeOf(part), 0)
  const systemMetadata = new Map(upload.version.systemMetadata)
  systemMetadata.delete(UPLOAD_KEY)
  systemMetadata.set(ACTUAL_SIZE_KEY, utf8(String(actualSizeBytes)))
  const userMetadata = new Map(upload.version.userMetadata)
  userMetadata.delete(DECLARED_CHECKSUM_KEY)
  userMetadata.delete(DECLARED_CHECKSUM_TYPE_KEY)
  userMetadata.set('etag', etag)
  return {
    ...upload.version,
    versionId: versionIdFor(context, upload, request),
    // Without ETags: the parts of a finished object are not told apart by them (PartETags is nil).
    parts: parts.map((part) => ({
      number: part.number,
      sizeBytes: part.sizeBytes,
      actualSizeBytes: part.actualSizeBytes,
      index: part.index,
    })),
    sizeBytes,
    systemMetadata,
    userMetadata,
  }
}

/** The bucket's state now decides; the id chosen at the creation is used when it still fits. */
function versionIdFor(context: EngineContext, upload: Upload, request: CompleteRequest): string {
  if (request.options.versioning !== 'enabled') return NULL_VERSION
  const { versionId } = upload.version
  return versionId === NULL_VERSION ? newId(context) : versionId
}

/** MD5 over the parts' MD5s, and their number. */
async function etagOf(context: EngineContext, parts: readonly PartInfo[]): Promise<string> {
  const digests = parts.map((part) => Uint8Array.fromHex(part.etag ?? ''))
  const md5 = context.codec.md5()
  await md5.update(concatBytes(digests))
  return `${(await md5.digest()).toHex()}-${parts.length}`
}

async function commit(
  store: UploadStore,
  upload: Upload,
  request: CompleteRequest,
  version: ObjectVersion,
  parts: readonly StoredPart[],
): Promise<ObjectInfo> {
  const { bucket, key, options } = request
  const { set, folder } = upload
  const { context } = store
  const path = encodeKey(key)
  const isComplete = await settleDrives(upload, parts)
  const quorum = writeQuorumOf(version.dataShards, version.parityShards)
  if (isComplete.filter(Boolean).length < quorum) throw noWriteQuorum({ bucket, key })
  const plan: CommitPlan = {
    bucket,
    path,
    version,
    mode: 'write',
    source: { volume: MULTIPART_VOLUME, path: folder },
    isComplete,
  }
  const committed = await commitUnderLock(context, store.pools, { set, key, plan }, options)
  const lacksPart = isComplete.some(
    (takesPart, position) => takesPart && parts.some(({ states }) => !isHeld(states[position])),
  )
  if (lacksPart) {
    const { versionId } = committed.version
    const { pool, index } = set
    await context.repairs.report({ pool, set: index, bucket, path, versionId, reason: 'missed' })
  }
  return objectInfoOf(bucket, key, committed.version, { isLatest: true })
}

/**
 * Which drives can take part: those that have a current shard of some part. One that waits is put in place. Where a drive has an outdated shard under a
 * part's number it is removed first: its hashes are good, so that nothing would tell it from the right one later. A
 * missing shard is found and repaired.
 */
async function settleDrives(
  upload: Upload,
  parts: readonly StoredPart[],
): Promise<readonly boolean[]> {
  const { set } = upload
  const { directory } = partQueryOf(upload)
  const failed = new Set<number>()
  /** A call that must not happen late, when there is a new part of that number. */
  const settle = async (
    select: (position: number) => boolean,
    call: (drive: Drive) => DriveReply<void>,
  ): Promise<void> => {
    const isWanted = (position: number): boolean => select(position) && !failed.has(position)
    const { outcomes } = await set.patience.ask({ quorum: 0, select: isWanted }, call)
    outcomes.forEach((outcome, position) => {
      if (select(position) && outcome instanceof DriveError) failed.add(position)
    })
  }
  for (const { meta, states } of parts) {
    const partNumber = meta.number
    if (states.includes('pending')) {
      await settle(
        (position) => states[position] === 'pending',
        (drive) => drive.commitPart({ step: 'settle', directory, partNumber }),
      )
    }
    if (!states.includes('stale')) continue
    const file = `${directory}/part.${partNumber}`
    // First the data: without its metadata nobody would know any more that it is outdated.
    for (const path of [file, `${file}.meta`]) {
      await settle(
        (position) => states[position] === 'stale',
        (drive) => drive.trash(MULTIPART_VOLUME, path),
      )
    }
  }
  return set.drives.map(
    (_, position) => !failed.has(position) && parts.some(({ states }) => isHeld(states[position])),
  )
}

function isHeld(state: StoredPart['states'][number] | undefined): boolean {
  return state === 'current' || state === 'pending'
}

/**
 * The version that this very request made: the latest one, or an older one while the upload is still there (a crash, or
 * drives that did not drop it). Making it anew would replace data that is in use. Errors: `UploadNotFound` when another
 * list of parts was completed.
 */
async function madeBefore(
  store: UploadStore,
  request: CompleteRequest,
  upload: Upload | undefined,
  digest: Uint8Array,
): Promise<ObjectInfo | undefined> {
  const { bucket, key, uploadId } = request
  const versionIds = new Set([undefined, upload?.version.versionId, NULL_VERSION])
  for (const versionId of versionIds) {
    const path = encodeKey(key)
    const where = { bucket, path, versionId, inline: false, allDrives: true }
    const { lookup } = await store.pools.locate(where)
    if (lookup.kind === 'unreadable') throw noReadQuorum({ bucket, key }, lookup.cause)
    if (lookup.kind === 'found') {
      const info = infoOf(bucket, key, lookup.version)
      const noted = info.systemMetadata.get(COMPLETED_KEY)
      const { body, copies } = lookup.version
      if (noted !== undefined && equalBytes(noted, digest)) {
        // A crash may have left it on fewer drives than an answer needs: the lookup told the repair.
        if (isObject(body) && !hasWriteQuorum(body, copies)) throw noWriteQuorum({ bucket, key })
        return info
      }
      if (isObject(body) && body.dataDir === upload?.version.dataDir) {
        await drop(upload)
        throw uploadNotFound(bucket, key, uploadId)
      }
    }
    if (upload === undefined) return undefined
  }
  return undefined
}

function hasWriteQuorum(body: ObjectVersion, copies: readonly unknown[]): boolean {
  const count = copies.filter((copy) => copy !== undefined).length
  return count >= writeQuorumOf(body.dataShards, body.parityShards)
}

/** Names the upload and its part list. */
function digestOf(store: UploadStore, folder: string, parts: readonly CompletePart[]): Uint8Array {
  const hasher = store.context.codec.checksum('sha256')
  hasher.update(utf8(folder))
  for (const part of parts) hasher.update(utf8(`\n${part.number} ${part.etag}`))
  return hasher.digest().slice(0, REQUEST_DIGEST_BYTES)
}

/** What a drive that does not answer keeps of it expires later. No other upload ever has this folder: a straggler may drop it whenever it can. */
async function drop({ set, folder }: Upload): Promise<void> {
  const options = { quorum: deleteQuorumOf(set.size), graceMs: DROP_GRACE_MS, isTimeless: true }
  await set.patience.ask(options, (drive) => drive.trash(MULTIPART_VOLUME, folder))
}
