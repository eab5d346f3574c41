import { compareUtf8 } from '#base/bytes'
import { DriveError, type Drive } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import type { EngineContext } from './context.ts'
import { ObjectError } from './object.ts'
import { removeUnseen } from './repair/refused.ts'
import type { ErasureSet } from './set/erasure-set.ts'

/**
 * What is left on some drives of a bucket in which nothing is seen: copies of keys whose delete they missed, hung or
 * offline, and of writes that failed. The repair removes these in its own time; a bucket that is deleted cannot wait for
 * it, since a drive does not give up a directory that holds a key.
 */

/** Of each drive. */
const KEYS_AT_ONCE = 16
const KEYS_MAX = 10_000
const PAGE_NAMES = 1000
const SETTLE_MS_MAX = 20_000
const LOCK_WAIT_MS = 5000

/** True: the drives named hold no key any more. */
export async function settleLeftovers(
  context: EngineContext,
  sets: readonly ErasureSet[],
  bucket: string,
  filled: ReadonlySet<Drive>,
): Promise<boolean> {
  const endMs = context.clock.monotonicMs() + SETTLE_MS_MAX
  const works: Promise<boolean>[] = []
  for (const set of sets) {
    for (const drive of set.drives) {
      if (drive !== undefined && filled.has(drive)) {
        works.push(settleDrive(set, drive, bucket, endMs))
      }
    }
  }
  return (await Promise.all(works)).every(Boolean)
}

async function settleDrive(
  set: ErasureSet,
  drive: Drive,
  bucket: string,
  endMs: number,
): Promise<boolean> {
  let last = ''
  for (let count = 0; count < KEYS_MAX; count += PAGE_NAMES) {
    const names = await firstNames(drive, bucket)
    if (names === undefined) return false
    const [first] = names
    if (first === undefined) return true
    // Every page begins anew: what was there before has to stay.
    if (compareUtf8(first, last) <= 0) return false
    last = names.at(-1) ?? ''
    if (!(await settleKeys(set, bucket, names, endMs))) return false
  }
  return false
}

/** The first keys of a drive; undefined: it does not tell. */
async function firstNames(drive: Drive, volume: string): Promise<readonly string[] | undefined> {
  const reply = await drive.walk({
    volume,
    prefix: '',
    startAfter: '',
    recursive: true,
    limit: PAGE_NAMES,
    metadata: false,
  })
  if (!(reply instanceof DriveError)) return reply.entries.map(({ name }) => name)
  return reply.code === 'VolumeNotFound' ? [] : undefined
}

/** False: some key stays. */
async function settleKeys(
  set: ErasureSet,
  bucket: string,
  names: readonly string[],
  endMs: number,
): Promise<boolean> {
  const { clock, locks } = set.context
  const queue = names[Symbol.iterator]()
  let isGone = true
  const work = async (): Promise<void> => {
    for (const name of queue) {
      if (!isGone || clock.monotonicMs() >= endMs) {
        isGone = false
        return
      }
      const path = encodeKey(name)
      try {
        using _lock = await locks.write(`${bucket}/${path}`, { timeoutMs: LOCK_WAIT_MS })
        if (!(await removeUnseen(set, { bucket, path }))) isGone = false
      } catch (error) {
        // Somebody uses it.
        if (!(error instanceof ObjectError)) throw error
        isGone = false
      }
    }
  }
  await Promise.all(Array.from({ length: KEYS_AT_ONCE }, work))
  return isGone
}
