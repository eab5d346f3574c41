import { encodeKey } from '#drive/key-path'
import type { ObjectVersion } from '#drive/xl-meta'
import { bodyOfReader } from './body.ts'
import { checkReadConditions, checkWriteConditions } from './conditions.ts'
import { OPERATION_LOCK_MS, type EngineContext } from './context.ts'
import {
  ACTUAL_SIZE_KEY,
  COMPRESSION_KEY,
  ETAG_KEY,
  INLINE_DATA_KEY,
  STORAGE_CLASS_KEY,
  TRANSITION_STATUS_KEY,
} from './metadata-keys.ts'
import { infoOf, objectInfoOf, storedVersionId } from './object-info.ts'
import {
  ObjectError,
  type CopyOptions,
  type CopySource,
  type ObjectInfo,
  type ObjectName,
  type ObjectReader,
  type RangeRequest,
  type ReadPreconditions,
} from './object.ts'
import { checkKey, parityOf, writeQuorumOf } from './placement.ts'
import type { Pools } from './pools.ts'
import { comparableInfo, shownInfo } from './shown-etag.ts'
import { newId, putObject } from './put.ts'
import { checkVersionId, openObject, readableOf, type Readable } from './read.ts'
import { NULL_VERSION } from './set/set.ts'

/**
 * Server-side copy.
 *
 * Onto itself, when only metadata changes: a new version shares the data of the source, which it may replace. Otherwise
 * the source is read into a put. Locks: the read lock of the source is gone when the body has been read, before the put
 * takes the write lock of the destination; so no two are held at once.
 * Source: disk-format.md 6.4, s3-api.md 4.2.4.
 */

export interface CopyResult {
  readonly info: ObjectInfo
  readonly source: ObjectInfo
}

export async function copyObject(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  source: CopySource,
  options: CopyOptions,
): Promise<CopyResult> {
  checkKey(target.bucket, target.key)
  if (source.bucket === target.bucket && source.key === target.key) {
    const copied = await copyInPlace(context, pools, target, source, options)
    if (copied !== undefined) return copied
  }
  return copyData(context, pools, target, source, options)
}

async function copyData(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  source: CopySource,
  options: CopyOptions,
): Promise<CopyResult> {
  using _turn = await pools.copyTurns.take(options.signal)
  const reader = await openSource(context, pools, source, {
    range: { kind: 'all' },
    signal: options.signal,
  })
  const body = bodyOfReader(reader)
  try {
    const decided = options.metadata(reader.info)
    const info = await putObject(context, pools, target, body, {
      versioning: options.versioning,
      userMetadata: decided.userMetadata,
      systemMetadata: decided.systemMetadata,
      storageClass: options.storageClass,
      digests: decided.digests,
      preconditions: options.preconditions,
      guard: options.guard,
      etag: options.etag,
      seal: decided.seal,
      signal: options.signal,
      verify: options.verify?.bind(options),
    })
    return { info, source: reader.info }
  } finally {
    body.close()
  }
}

/** Opens the source of a copy: a failed condition is `PreconditionFailed` whatever it was. */
export async function openSource(
  context: EngineContext,
  pools: Pools,
  source: CopySource,
  options: { readonly range: RangeRequest; readonly signal: AbortSignal | undefined },
): Promise<ObjectReader> {
  const { versionId, unseal } = source
  const reader = await openObject(context, pools, source, { versionId, unseal, ...options })
  try {
    checkSourceConditions(source.preconditions, reader.info)
  } catch (error) {
    reader.close()
    throw error
  }
  return reader
}

/** Errors: `PreconditionFailed`. */
function checkSourceConditions(conditions: ReadPreconditions | undefined, info: ObjectInfo): void {
  try {
    checkReadConditions(conditions, info)
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error
    const condition = `x-amz-copy-source-${error.details.condition ?? ''}`
    const details = { ...error.details, condition }
    throw new ObjectError('PreconditionFailed', error.message, details, { cause: error })
  }
}

/** A copy onto itself that moves no data; undefined: the data must be read and written. */
async function copyInPlace(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  source: CopySource,
  options: CopyOptions,
): Promise<CopyResult | undefined> {
  const { bucket, key } = target
  const path = encodeKey(key)
  if (source.versionId !== undefined) checkVersionId(target, source.versionId)
  using _lock = await context.locks.write(`${bucket}/${path}`, {
    timeoutMs: OPERATION_LOCK_MS,
    signal: options.signal,
  })
  const located = await pools.locate({
    bucket,
    path,
    versionId: source.versionId === undefined ? undefined : storedVersionId(source.versionId),
    inline: false,
    allDrives: true,
  })
  const readable = readableOf(target, source.versionId, located)
  const compared = await comparableInfo(context, readable.info, source.preconditions)
  checkSourceConditions(source.preconditions, compared)
  const decided = options.metadata(readable.info)
  if (!decided.allowMetadataOnly || decided.digests.length > 0) return undefined
  if (!canShare(context, readable, options.storageClass)) return undefined
  const isComplete = sharersOf(readable)
  if (isComplete === undefined) return undefined
  await checkCurrent(context, pools, { ...target, path }, readable, options)
  const changed = withMetadata(readable.body, decided, options)
  const plan = { path, isComplete }
  const seal = await source.unseal?.(readable.info)
  try {
    const info = await commitInPlace(context, target, plan, readable, changed, options)
    return { info: await shownInfo(context, info, seal), source: readable.info }
  } finally {
    seal?.close()
  }
}

async function checkCurrent(
  context: EngineContext,
  pools: Pools,
  target: ObjectName & { readonly path: string },
  readable: Readable,
  options: CopyOptions,
): Promise<void> {
  if (options.preconditions === undefined && options.guard === undefined) return
  let current: ObjectInfo | undefined = readable.info
  if (!current.isLatest) {
    const request = {
      bucket: target.bucket,
      path: target.path,
      versionId: undefined,
      inline: false,
      allDrives: false,
    }
    const { lookup } = await pools.locate(request)
    current =
      lookup.kind === 'found' ? infoOf(target.bucket, target.key, lookup.version) : undefined
  }
  const { preconditions } = options
  const compared = await comparableInfo(context, current, preconditions)
  checkWriteConditions(preconditions, compared, target)
  options.guard?.(current)
}

/** Same place, same shape, data on these drives where the distribution says. */
function canShare(context: EngineContext, readable: Readable, storageClass: string): boolean {
  const { version, body, set } = readable
  if (version.isLegacy || body.systemMetadata.has(TRANSITION_STATUS_KEY)) return false
  const parity = parityOf(context.storage, {
    storageClass,
    driveCount: set.size,
    offlineCount: 0,
    isSystem: false,
  })
  const storedClass = body.userMetadata.get(STORAGE_CLASS_KEY) ?? 'STANDARD'
  return parity !== undefined && storedClass === storageClass
}

/** By position: the drive has its shard where a version that shares it looks for it. Undefined: too few drives have. */
function sharersOf({ version, body }: Readable): readonly boolean[] | undefined {
  const isComplete = version.copies.map(
    (copy, position) =>
      copy?.shardIndex === body.distribution[position] && copy?.dataDir === body.dataDir,
  )
  const quorum = writeQuorumOf(body.dataShards, body.parityShards)
  return isComplete.filter(Boolean).length < quorum ? undefined : isComplete
}

function withMetadata(
  body: ObjectVersion,
  decided: ReturnType<CopyOptions['metadata']>,
  options: CopyOptions,
): ObjectVersion {
  const userMetadata = new Map(decided.userMetadata)
  if (options.storageClass !== 'STANDARD') userMetadata.set(STORAGE_CLASS_KEY, options.storageClass)
  userMetadata.set(ETAG_KEY, options.etag ?? body.userMetadata.get(ETAG_KEY) ?? '')
  const systemMetadata = new Map(decided.systemMetadata)
  // What describes the data stays with it.
  for (const name of [INLINE_DATA_KEY, ACTUAL_SIZE_KEY, COMPRESSION_KEY]) {
    const value = body.systemMetadata.get(name)
    if (value !== undefined) systemMetadata.set(name, value)
    else systemMetadata.delete(name)
  }
  return { ...body, userMetadata, systemMetadata }
}

/** The new metadata as a version that shares the data: under a new id, or in place of the old one, which is kept until enough drives have the new one. */
async function commitInPlace(
  context: EngineContext,
  target: ObjectName,
  plan: { readonly path: string; readonly isComplete: readonly boolean[] },
  readable: Readable,
  changed: ObjectVersion,
  options: CopyOptions,
): Promise<ObjectInfo> {
  const { set, body, latestNs } = readable
  const versionId = options.versioning === 'enabled' ? newId(context) : NULL_VERSION
  const committed = await set.commitVersion({
    bucket: target.bucket,
    path: plan.path,
    version: { ...changed, versionId },
    mode: 'write',
    inlineFrom: body.versionId,
    isComplete: plan.isComplete,
    newerThanNs: latestNs,
  })
  return objectInfoOf(target.bucket, target.key, committed.version, { isLatest: true })
}
