import { DriveError, type Drive, type DriveReply, type DriveResult } from '#drive/drive'

/**
 * Calls to all drives of a set at once: the only place of the engine with `Promise.all` over drives.
 * Results are by position. A missing or offline drive answers `DriveNotFound` without being called, as does one that was
 * left out on purpose.
 */

export type SetDrives = readonly (Drive | undefined)[]

export const OFFLINE = new DriveError('DriveNotFound', 'Drive is offline')
/** Stands for a drive that was left out on purpose. */
export const NOT_ASKED = new DriveError('DriveNotFound', 'Drive was not asked')

/** Calls `call` on every drive that is online. */
export function fanOut<T>(
  drives: SetDrives,
  call: (drive: Drive, position: number) => DriveReply<T>,
): Promise<DriveResult<T>[]> {
  return fanOutTo(drives, () => true, call)
}

/** As `fanOut`, only on the positions that `select` accepts; the others give `NOT_ASKED`. */
export function fanOutTo<T>(
  drives: SetDrives,
  select: (position: number) => boolean,
  call: (drive: Drive, position: number) => DriveReply<T>,
): Promise<DriveResult<T>[]> {
  const replies: DriveReply<T>[] = []
  for (let i = 0; i < drives.length; i++) {
    const drive = drives[i]
    if (!select(i)) replies.push(Promise.resolve(NOT_ASKED))
    else replies.push(drive?.isOnline() === true ? call(drive, i) : Promise.resolve(OFFLINE))
  }
  return Promise.all(replies)
}

/** How many drives of the set are missing or offline. */
export function offlineCountOf(drives: SetDrives): number {
  let count = 0
  for (const drive of drives) if (drive?.isOnline() !== true) count++
  return count
}
