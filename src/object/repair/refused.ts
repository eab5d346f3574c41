import { utf8 } from '#base/bytes'
import { CAIRN_VOLUME, DriveError, type DriveResult } from '#drive/drive'
import { deleteQuorumOf } from '../placement.ts'
import { fanOutTo } from '../quorum/fan-out.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import { answersOf, readBackups } from './answers.ts'
import { decide, type Answer, type RefusedVersion } from './decide.ts'

/** Removal of versions that no drive ought to have. The caller holds the write lock of the key. */

/** Folder of `CAIRN_VOLUME`. */
export const QUARANTINE = 'quarantine'
/** How long quarantined metadata is kept. */
export const QUARANTINE_MS = 7 * 24 * 3_600_000

interface KeyPlace {
  readonly bucket: string
  readonly path: string
}

export interface RemovalOptions {
  /** Puts the metadata into quarantine first. */
  readonly keepsCopy: boolean
}

/** Removes a version where it is; answers the positions where that worked. */
export async function removeRefused(
  set: ErasureSet,
  { bucket, path }: KeyPlace,
  answers: readonly Answer[],
  { header, positions }: RefusedVersion,
  options: RemovalOptions,
): Promise<readonly number[]> {
  const { clock, random, log } = set.context
  const { versionId, modifiedNs } = header
  const done: number[] = []
  await fanOutTo(
    set.drives,
    (position) => positions.includes(position),
    async (drive, position) => {
      const answer = answers[position]
      if (answer?.kind !== 'metadata') return undefined
      if (options.keepsCopy) {
        const nowMs = clock.nowMs()
        const folder = `${QUARANTINE}/${nowMs}-${random.uuid()}`
        const about = utf8(JSON.stringify({ bucket, path, versionId, removedMs: nowMs }))
        const kept = await Promise.all([
          drive.writeSmallFile(CAIRN_VOLUME, `${folder}/xl.meta`, answer.bytes),
          drive.writeSmallFile(CAIRN_VOLUME, `${folder}/about.json`, about),
        ])
        if (kept.some((outcome) => outcome instanceof DriveError)) return undefined
      }
      const request = { versionId, notNewerThanNs: modifiedNs }
      const removed = await drive.deleteVersions(bucket, path, [request])
      if (removed instanceof DriveError || removed[0] instanceof DriveError) return undefined
      const fields = { bucket, key: path, versionId, drive: drive.endpoint }
      log.info('Removed a version that other drives do not have', fields)
      done.push(position)
      return undefined
    },
  )
  return done
}

/**
 * Removes what drives still have of a key that no reader finds, whatever its age: its bucket is being deleted. Nothing
 * happens where some version may have been acknowledged, whatever drives that are away may have. Answers whether nothing
 * stays, as far as drives allow.
 */
export async function removeUnseen(set: ErasureSet, place: KeyPlace): Promise<boolean> {
  const { bucket, path } = place
  const quorum = deleteQuorumOf(set.size)
  // A drive that hangs has no say.
  const { outcomes } = await set.patience.ask({ quorum, counts: isTold }, (drive) =>
    drive.readMetadata(bucket, path, { inline: true }),
  )
  const answers = answersOf(set, outcomes)
  const backups = await readBackups(set, bucket, path, answers)
  const { kept, refused, undecided } = decide(set, answers, backups)
  const unclear = answers.filter(({ kind }) => kind !== 'metadata' && kind !== 'absent')
  if (kept.length + undecided.length > 0 || unclear.length >= quorum) return false
  for (const version of refused) {
    // Releases before 1.0 did not rebuild these on replaced drives.
    if (version.header.kind === 'legacy') return false
    await removeRefused(set, place, answers, version, { keepsCopy: true })
  }
  await fanOutTo(
    set.drives,
    (position) => answers[position]?.kind === 'corrupt',
    (drive) => drive.trash(bucket, `${path}/xl.meta`),
  )
  return true
}

function isTold(outcome: DriveResult<Uint8Array>): boolean {
  return !(outcome instanceof DriveError) || outcome.code === 'FileNotFound'
}
