import type { Clock, Timer } from '#base/clock'
import { encodeKey } from '#drive/key-path'
import { isRemote, type ObjectVersion } from '#drive/xl-meta'
import { EncryptionError } from '#encryption/encryption'
import { encryptionKindOf } from '#encryption/key-metadata'
import { checkReadConditions } from './conditions.ts'
import { OPERATION_LOCK_MS, type EngineContext } from './context.ts'
import { noReadQuorum, objectNotFound } from './errors.ts'
import type { LockHandle } from './locks.ts'
import { PURGE_STATUS_KEY } from './metadata-keys.ts'
import { infoOf, isObject, isVersionId, storedVersionId } from './object-info.ts'
import {
  ObjectError,
  type DataChunk,
  type ObjectInfo,
  type ObjectName,
  type ObjectReader,
  type ReadOptions,
  type VersionId,
} from './object.ts'
import { checkKey } from './placement.ts'
import type { Located, Pools } from './pools.ts'
import { resolveRange, type ResolvedRange } from './range.ts'
import type { ErasureSet } from './set/erasure-set.ts'
import type { ChosenVersion, LookupRequest } from './set/set.ts'
import { ShardReader, type ShardReaderOptions } from './set/shard-reader.ts'
import { shownInfo } from './shown-etag.ts'
import { planRead, type ReadPlan, type Seal } from './transform.ts'

/**
 * Reading an object.
 *
 * The read lock is held while the version is chosen and its first blocks are fetched. After that every file that the
 * read may need is open, and an open file stays readable when it is replaced: the lock goes, so that a slow client does
 * not keep writers waiting. Only a range over several parts keeps it; when a writer waits for it, the files left to be
 * read get second names, and the lock goes then. Source: distributed.md D3.10.
 */

/** How often a reader with a lock looks whether a writer waits. */
const LOOK_MS = 250

/** A version that may be shown to a reader. */
export interface Readable {
  readonly set: ErasureSet
  readonly version: ChosenVersion
  readonly body: ObjectVersion
  readonly info: ObjectInfo
  /** Modification time of the key's latest version. */
  readonly latestNs: bigint
}

export async function openObject(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  options: ReadOptions,
): Promise<ObjectReader> {
  const path = encodeKey(target.key)
  const lock = await lockForRead(context, target, options)
  let keepsLock = false
  try {
    const request = requestOf(target, path, options.versionId, true)
    const readable = readableOf(target, options.versionId, await pools.locate(request))
    await checkConditions(context, readable.info, options)
    // Few drives were asked: the others count when the data of these is not enough.
    const findCopies = async (): Promise<ChosenVersion | undefined> => {
      const { versionId } = readable.body
      const { lookup, set } = await pools.locate({ ...request, versionId, allDrives: true })
      if (set !== readable.set || lookup.kind !== 'found') return undefined
      return isSameData(lookup.version, readable.version) ? lookup.version : undefined
    }
    const opened = await openReadable(context, target, path, readable, { ...options, findCopies })
    const { info, range, shards, plan, seal } = opened
    if (shards === undefined) {
      seal?.close()
      return new EmptyReader(info, range)
    }
    const reader = new OpenReader(info, range, { shards, plan, seal })
    keepsLock = opened.needsLock
    if (keepsLock) reader.keep(lock, context.clock)
    return reader
  } finally {
    if (!keepsLock) lock.release()
  }
}

type OpenOptions = ReadOptions & Pick<ShardReaderOptions, 'findCopies'>

interface Opened {
  readonly info: ObjectInfo
  readonly range: ResolvedRange
  /** Undefined: no bytes are wanted. */
  readonly shards: ShardReader | undefined
  readonly plan: ReadPlan | undefined
  readonly seal: Seal | undefined
  readonly needsLock: boolean
}

/** Errors: as `checkReadConditions`, and `EncryptionError`. */
async function checkConditions(
  context: EngineContext,
  info: ObjectInfo,
  { preconditions }: ReadOptions,
): Promise<void> {
  if (preconditions === undefined) return
  checkReadConditions(preconditions, await shownInfo(context, info))
}

async function openReadable(
  context: EngineContext,
  target: ObjectName,
  path: string,
  readable: Readable,
  options: OpenOptions,
): Promise<Opened> {
  const stored = readable.info
  const range = resolveRange(options.range, stored)
  const seal = await options.unseal?.(stored)
  try {
    if (seal === undefined && encryptionKindOf(stored.systemMetadata) !== undefined) {
      throw new EncryptionError('KeyMismatch', 'The version is encrypted, and no key was given')
    }
    const info = await shownInfo(context, stored, seal)
    if (range.sizeBytes === 0) {
      return { info, range, shards: undefined, plan: undefined, seal, needsLock: false }
    }
    checkIsLocal(target, readable.body)
    const plan = planRead(context, stored, range, seal)
    const shards = readerOf(target, path, readable, plan ?? range, options)
    return { info, range, shards, plan, seal, needsLock: !(await shards.start()) }
  } catch (error) {
    seal?.close()
    throw error
  }
}

export async function headObject(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  options: ReadOptions,
): Promise<Omit<ObjectReader, 'chunks' | 'close'>> {
  const path = encodeKey(target.key)
  using _lock = await lockForRead(context, target, options)
  const located = await pools.locate(requestOf(target, path, options.versionId, false))
  const { info } = readableOf(target, options.versionId, located)
  await checkConditions(context, info, options)
  const seal = await options.unseal?.(info)
  try {
    return { info: await shownInfo(context, info, seal), ...resolveRange(options.range, info) }
  } finally {
    seal?.close()
  }
}

function lockForRead(
  context: EngineContext,
  target: ObjectName,
  options: Pick<ReadOptions, 'signal' | 'versionId'>,
): Promise<LockHandle> {
  const { bucket, key } = target
  checkKey(bucket, key)
  return context.locks.read(`${bucket}/${encodeKey(key)}`, {
    timeoutMs: OPERATION_LOCK_MS,
    signal: options.signal,
  })
}

function requestOf(
  target: ObjectName,
  path: string,
  versionId: VersionId | undefined,
  inline: boolean,
): LookupRequest {
  if (versionId !== undefined) checkVersionId(target, versionId)
  return {
    bucket: target.bucket,
    path,
    versionId: versionId === undefined ? undefined : storedVersionId(versionId),
    inline,
    allDrives: false,
  }
}

/** Errors: `VersionNotFound`. */
export function checkVersionId(target: ObjectName, versionId: VersionId): void {
  if (!isVersionId(versionId)) throw objectNotFound({ ...target, versionId })
}

/** What a lookup means to a reader. Errors: `BucketNotFound`, `ObjectNotFound`, `VersionNotFound`, `MethodNotAllowed`, `ReadQuorum`. */
export function readableOf(
  target: ObjectName,
  versionId: VersionId | undefined,
  located: Located,
): Readable {
  const { lookup, set } = located
  const details = versionId === undefined ? target : { ...target, versionId }
  if (lookup.kind === 'unreadable') throw noReadQuorum(details, lookup.cause)
  if (lookup.kind === 'absent') {
    if (lookup.isBucketMissing) {
      throw new ObjectError('BucketNotFound', `Bucket "${target.bucket}" does not exist`, details)
    }
    throw objectNotFound(details)
  }
  const { version } = lookup
  const info = infoOf(target.bucket, target.key, version)
  const { body } = version
  if (isObject(body) && !isBeingPurged(body)) {
    return { set, version, body, info, latestNs: lookup.latestNs ?? info.modifiedNs }
  }
  const deleteMarker = { versionId: info.versionId, modifiedNs: info.modifiedNs }
  if (versionId === undefined) {
    throw new ObjectError('ObjectNotFound', 'The latest version is a delete marker', {
      ...target,
      deleteMarker,
    })
  }
  throw new ObjectError('MethodNotAllowed', 'The version is a delete marker', {
    ...details,
    deleteMarker,
  })
}

/** A version whose removal waits for replication reads as deleted. */
function isBeingPurged(body: ObjectVersion): boolean {
  return (body.systemMetadata.get(PURGE_STATUS_KEY)?.length ?? 0) > 0
}

function checkIsLocal(target: ObjectName, body: ObjectVersion): void {
  if (!isRemote(body)) return
  throw new ObjectError('NotImplemented', 'The data of the object is on a remote tier', target)
}

/** Whether shards of both belong together: every write chooses a data directory and a time of its own. */
function isSameData(a: ChosenVersion, b: ChosenVersion): boolean {
  if (!isObject(a.body) || !isObject(b.body) || a.isInline !== b.isInline) return false
  return a.body.dataDir === b.body.dataDir && a.body.modifiedNs === b.body.modifiedNs
}

function readerOf(
  target: ObjectName,
  path: string,
  readable: Readable,
  range: Pick<ResolvedRange, 'offset' | 'sizeBytes'>,
  options: OpenOptions,
): ShardReader {
  return new ShardReader(readable.set, {
    bucket: target.bucket,
    path,
    version: readable.version,
    body: readable.body,
    offset: range.offset,
    sizeBytes: range.sizeBytes,
    signal: options.signal,
    findCopies: options.findCopies,
  })
}

class OpenReader implements ObjectReader {
  readonly info: ObjectInfo
  readonly offset: number
  readonly sizeBytes: number
  readonly partCount: number | undefined
  readonly #shards: ShardReader
  readonly #plan: ReadPlan | undefined
  readonly #seal: Seal | undefined
  #lock: LockHandle | undefined
  #look: Timer | undefined

  constructor(
    info: ObjectInfo,
    range: ResolvedRange,
    from: {
      readonly shards: ShardReader
      readonly plan: ReadPlan | undefined
      readonly seal: Seal | undefined
    },
  ) {
    this.info = info
    this.offset = range.offset
    this.sizeBytes = range.sizeBytes
    this.partCount = range.partCount
    this.#shards = from.shards
    this.#plan = from.plan
    this.#seal = from.seal
  }

  /** Keeps the read lock as long as it is needed. */
  keep(lock: LockHandle, clock: Clock): void {
    this.#lock = lock
    this.#look = clock.setTimer(LOOK_MS, () => {
      if (lock.isWanted()) void this.#yieldLock(lock)
      else this.keep(lock, clock)
    })
  }

  async #yieldLock(lock: LockHandle): Promise<void> {
    if (await this.#shards.hold()) lock.release()
  }

  chunks(): AsyncIterable<DataChunk> {
    const stored = this.#shards.chunks()
    const chunks = this.#plan === undefined ? stored : this.#plan.open(stored)
    return this.#lock === undefined && this.#seal === undefined ? chunks : this.#heldChunks(chunks)
  }

  close(): void {
    this.#shards.close()
    this.#letGo()
  }

  async *#heldChunks(chunks: AsyncIterable<DataChunk>): AsyncGenerator<DataChunk, void, void> {
    try {
      yield* chunks
    } finally {
      this.#letGo()
    }
  }

  #letGo(): void {
    this.#seal?.close()
    this.#look?.cancel()
    this.#lock?.release()
  }
}

class EmptyReader implements ObjectReader {
  readonly info: ObjectInfo
  readonly offset: number
  readonly sizeBytes = 0
  readonly partCount: number | undefined

  constructor(info: ObjectInfo, range: ResolvedRange) {
    this.info = info
    this.offset = range.offset
    this.partCount = range.partCount
  }

  async *chunks(): AsyncGenerator<DataChunk, void, void> {}

  close(): void {}
}
