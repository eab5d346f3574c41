import { assert } from '#base/assert'
import { DriveError } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import { encodeObjectVersion, withShardIndex, type ObjectVersion } from '#drive/xl-meta'
import { OPERATION_LOCK_MS, type EngineContext } from './context.ts'
import { checkWrite } from './errors.ts'
import { objectInfoOf, storedVersionId } from './object-info.ts'
import {
  type MetadataChange,
  ObjectError,
  type ObjectInfo,
  type ObjectName,
  type VersionId,
} from './object.ts'
import { checkKey, writeQuorumOf } from './placement.ts'
import type { Pools } from './pools.ts'
import { NOT_IN_TIME } from './quorum/patience.ts'
import { reduceOutcomes } from './quorum/reduce.ts'
import { checkVersionId, readableOf, type Readable } from './read.ts'

/**
 * Changing the metadata of a version in place. Source: disk-format.md 6.4.
 */

/** As `updateMetadata` of `ObjectEngine`. */
export async function updateMetadata(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  versionId: VersionId | undefined,
  change: (current: ObjectInfo) => MetadataChange,
): Promise<ObjectInfo> {
  const { bucket, key } = target
  checkKey(bucket, key)
  if (versionId !== undefined) checkVersionId(target, versionId)
  const path = encodeKey(key)
  using _lock = await context.locks.write(`${bucket}/${path}`, { timeoutMs: OPERATION_LOCK_MS })
  const located = await pools.locate({
    bucket,
    path,
    versionId: versionId === undefined ? undefined : storedVersionId(versionId),
    inline: false,
    allDrives: true,
  })
  const readable = readableOf(target, versionId, located)
  if (readable.version.isLegacy) {
    throw new ObjectError(
      'NotImplemented',
      'Cannot change an object of a release before 2020',
      target,
    )
  }
  const { userMetadata, systemMetadata } = change(readable.info)
  const changed: ObjectVersion = {
    ...readable.body,
    userMetadata: new Map([...readable.body.userMetadata, ...(userMetadata ?? [])]),
    systemMetadata: new Map([...readable.body.systemMetadata, ...(systemMetadata ?? [])]),
  }
  await rewriteVersion(target, path, readable, changed)
  return objectInfoOf(bucket, key, changed, {
    isLatest: readable.info.isLatest,
    successorModifiedNs: readable.info.successorModifiedNs,
  })
}

/** Writes `changed` over the version on every drive that has it. The caller holds the write lock. Below quorum some drives may have it: the repair settles that, as it does for drives that hang. */
async function rewriteVersion(
  target: ObjectName,
  path: string,
  readable: Readable,
  changed: ObjectVersion,
): Promise<void> {
  const { set, version, body } = readable
  // With another time it would be another version, that must not take the place of this one below quorum.
  assert(changed.versionId === body.versionId && changed.modifiedNs === body.modifiedNs)
  const encoded = encodeObjectVersion(changed, set.context.codec)
  const quorum = writeQuorumOf(changed.dataShards, changed.parityShards)
  const { outcomes, late } = await set.patience.ask(
    { quorum, select: (position) => version.copies[position] !== undefined },
    (drive, position) => {
      const copy = version.copies[position]
      assert(copy !== undefined)
      const own =
        copy.dataDir === changed.dataDir
          ? encoded
          : encodeObjectVersion({ ...changed, dataDir: copy.dataDir }, set.context.codec)
      return drive.updateVersion(target.bucket, path, withShardIndex(own, copy.shardIndex))
    },
  )
  const reduced = reduceOutcomes(outcomes, quorum)
  const place = { bucket: target.bucket, path }
  if (outcomes.some((outcome) => outcome instanceof DriveError)) {
    const missed = outcomes.includes(NOT_IN_TIME) ? 'late' : 'missed'
    await set.report(place, reduced === undefined ? missed : 'disagreement', changed.versionId)
  }
  if (late !== undefined) {
    set.reportAfter(late, place, reduced === undefined ? 'missed' : 'disagreement')
  }
  checkWrite(reduced, target)
}
