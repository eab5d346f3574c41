import { assert } from '#base/assert'
import { utf8 } from '#base/bytes'
import { encodeKey } from '#drive/key-path'
import type { ObjectVersion } from '#drive/xl-meta'
import { checkWriteConditions } from './conditions.ts'
import { BLOCK_SIZE_BYTES, OPERATION_LOCK_MS, type EngineContext } from './context.ts'
import { noReadQuorum, noWriteQuorum } from './errors.ts'
import {
  ACTUAL_SIZE_KEY,
  ERASURE_UPGRADED_KEY,
  ETAG_KEY,
  INLINE_DATA_KEY,
  STORAGE_CLASS_KEY,
} from './metadata-keys.ts'
import { compressionOf, infoOf, objectInfoOf } from './object-info.ts'
import type {
  BodySource,
  Digests,
  ObjectInfo,
  PutOptions,
  VersioningState,
  WritePreconditions,
} from './object.ts'
import { checkKey, parityOf, type ParityChoice } from './placement.ts'
import type { Pools } from './pools.ts'
import type { ErasureSet } from './set/erasure-set.ts'
import { NULL_VERSION, type CommitPlan, type Shape } from './set/set.ts'
import { stagedSource } from './set/stage.ts'
import { comparableInfo, sealedMetadata, shownInfo } from './shown-etag.ts'
import type { Seal } from './transform.ts'
import { stageContent, type StagedContent } from './transform/stage-content.ts'

/**
 * Writing an object: the body goes to a staging area without a lock; the lock is held for the conditions and the commit.
 */

const TRUE = utf8('true')

export interface PutRequest extends PutOptions {
  readonly versioning: VersioningState
  /** Objects of `.minio.sys`. */
  readonly isSystem?: boolean | undefined
}

export async function putObject(
  context: EngineContext,
  pools: Pools,
  target: { readonly bucket: string; readonly key: string },
  body: BodySource,
  options: PutRequest,
): Promise<ObjectInfo> {
  const { bucket, key } = target
  checkKey(bucket, key)
  const path = encodeKey(key)
  const set = await pools.setForWrite(bucket, path, body.sizeBytes)
  const parity = chooseParity(set, target, options.storageClass, options.isSystem ?? false)
  const shape: Shape = {
    dataShards: parity.dataShards,
    parityShards: parity.parityShards,
    blockSizeBytes: BLOCK_SIZE_BYTES,
    distribution: set.distributionOf(bucket, path),
  }
  const dataDir = newId(context)
  const folder = context.random.uuid()
  const content = await stageContent(
    set,
    {
      shape,
      folder,
      partNumber: 1,
      inlineLimitBytes: inlineLimitOf(context, options.versioning),
      digests: options.digests,
      bucket,
      key,
      signal: options.signal,
    },
    body,
    { systemMetadata: options.systemMetadata, seal: options.seal, partNumber: 1 },
  )
  const { staged } = content
  let isWhole = false
  try {
    const verified = await options.verify?.(content.digests, content.plainSizeBytes)
    const added = sealedMetadata(verified ?? new Map(), options.seal)
    const version = versionOf(context, { shape, dataDir, parity, content, added }, options)
    const plan: CommitPlan = {
      bucket,
      path,
      version,
      mode: 'write',
      inline: staged.inline,
      source: staged.inline === undefined ? stagedSource(folder) : undefined,
      isComplete: staged.isComplete,
      wishedNs: options.modifiedNs,
    }
    const committed = await commitUnderLock(context, pools, { set, key, plan }, options)
    isWhole = committed.isWhole
    const stored = objectInfoOf(bucket, key, committed.version, { isLatest: true })
    return await shownInfo(context, stored, options.seal)
  } finally {
    // Drives that took the commit have nothing left there.
    if (staged.isStaged && !isWhole) void set.discardStaged(folder)
  }
}

export interface CommitOptions {
  readonly preconditions?: WritePreconditions | undefined
  readonly guard?: ((current: ObjectInfo | undefined) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Takes the write lock, decides conditions and guard, commits. Also the last step of a multipart upload. */
export async function commitUnderLock(
  context: EngineContext,
  pools: Pools,
  target: { readonly set: ErasureSet; readonly key: string; readonly plan: CommitPlan },
  options: CommitOptions,
): Promise<Awaited<ReturnType<ErasureSet['commitVersion']>>> {
  const { set, key, plan } = target
  const { bucket, path } = plan
  using _lock = await context.locks.write(`${bucket}/${path}`, {
    timeoutMs: OPERATION_LOCK_MS,
    signal: options.signal,
  })
  if (options.preconditions === undefined && options.guard === undefined) {
    // A set sees to it that what it has is older, but a pool that takes nothing new may have the key.
    const newerThanNs = await pools.latestNsBeside(set, bucket, path)
    return await set.commitVersion({ ...plan, newerThanNs })
  }
  const { lookup } = await pools.locate({
    bucket,
    path,
    versionId: undefined,
    inline: false,
    allDrives: false,
  })
  if (lookup.kind === 'unreadable') throw noReadQuorum({ bucket, key }, lookup.cause)
  const current = lookup.kind === 'found' ? infoOf(bucket, key, lookup.version) : undefined
  const { preconditions } = options
  const compared = await comparableInfo(context, current, preconditions)
  checkWriteConditions(preconditions, compared, { bucket, key })
  options.guard?.(current)
  return await set.commitVersion({
    ...plan,
    newerThanNs: lookup.latestNs,
    isFirst: lookup.kind === 'absent' && !lookup.hasOthers && lookup.isForGood,
  })
}

/** Parity for a new version or upload. Errors: `WriteQuorum` when too many drives are offline. */
export function chooseParity(
  set: ErasureSet,
  target: { readonly bucket: string; readonly key: string },
  storageClass: string,
  isSystem: boolean,
): ParityChoice {
  const parity = parityOf(set.context.storage, {
    storageClass,
    driveCount: set.size,
    offlineCount: set.offlineCount(),
    isSystem,
  })
  if (parity === undefined) throw noWriteQuorum(target)
  return parity
}

/** Largest shard file that goes into the metadata. Source: disk-format.md 5.7. */
function inlineLimitOf(context: EngineContext, versioning: VersioningState): number {
  const { inlineBlockBytes } = context.storage
  return versioning === 'enabled' ? Math.floor(inlineBlockBytes / 8) : inlineBlockBytes
}

/** ETag to store: the MD5 of the plain content, sealed where the content is. */
export function etagOf(digests: Digests, seal: Seal | undefined): string {
  const md5 = digests.get('md5')
  if (seal !== undefined) return seal.etagOf(md5)
  assert(md5 !== undefined)
  return md5.toHex()
}

/** 32 hex digits of a fresh UUID. */
export function newId(context: EngineContext): string {
  return context.random.uuid().replaceAll('-', '')
}

function versionOf(
  context: EngineContext,
  made: {
    readonly shape: Shape
    readonly dataDir: string
    readonly parity: ParityChoice
    readonly content: StagedContent
    readonly added: ReadonlyMap<string, Uint8Array>
  },
  options: PutRequest,
): ObjectVersion {
  const { shape, content, parity } = made
  const { staged, plainSizeBytes } = content
  const systemMetadata = new Map(options.systemMetadata)
  for (const [name, value] of made.added) systemMetadata.set(name, value)
  if (staged.inline !== undefined) systemMetadata.set(INLINE_DATA_KEY, TRUE)
  if (compressionOf(systemMetadata) !== undefined) {
    systemMetadata.set(ACTUAL_SIZE_KEY, utf8(String(plainSizeBytes)))
  }
  if (parity.upgradedFrom !== undefined) {
    systemMetadata.set(ERASURE_UPGRADED_KEY, utf8(`${parity.upgradedFrom}->${parity.parityShards}`))
  }
  const userMetadata = new Map(options.userMetadata)
  if (options.storageClass !== 'STANDARD') userMetadata.set(STORAGE_CLASS_KEY, options.storageClass)
  userMetadata.set(ETAG_KEY, options.etag ?? etagOf(content.digests, options.seal))
  const { sizeBytes } = staged
  return {
    versionId: options.versioning === 'enabled' ? newId(context) : NULL_VERSION,
    dataDir: made.dataDir,
    dataShards: shape.dataShards,
    parityShards: shape.parityShards,
    blockSizeBytes: shape.blockSizeBytes,
    shardIndex: 1,
    distribution: shape.distribution,
    parts: [{ number: 1, sizeBytes, actualSizeBytes: plainSizeBytes, index: content.index }],
    sizeBytes,
    modifiedNs: 0n, // chosen by the commit
    systemMetadata,
    userMetadata,
  }
}
