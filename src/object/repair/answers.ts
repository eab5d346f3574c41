import { isUuid } from '#base/uuid'
import { DriveError, type Drive, type DriveResult } from '#drive/drive'
import { dataDirName, FormatError, XlMeta } from '#drive/xl-meta'
import { isObject } from '../object-info.ts'
import { fanOut, fanOutTo } from '../quorum/fan-out.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import type { Answer, Backups } from './decide.ts'

/** What the drives of a set say about one key. */

const BACKUP_NAME = 'xl.meta.bkp'
/** A key's directory has one for each of its versions with data. */
const DIRECTORIES_MAX = 100_000

/** The metadata of all drives, with inline data. */
export async function readAnswers(
  set: ErasureSet,
  bucket: string,
  path: string,
): Promise<readonly Answer[]> {
  const replies = await fanOut(set.drives, (drive) =>
    drive.readMetadata(bucket, path, { inline: true }),
  )
  return answersOf(set, replies)
}

/** What replies to `readMetadata` mean. */
export function answersOf(
  set: ErasureSet,
  replies: readonly DriveResult<Uint8Array>[],
): readonly Answer[] {
  return replies.map((reply) => answerOf(set, reply))
}

function answerOf(set: ErasureSet, reply: DriveResult<Uint8Array>): Answer {
  if (!(reply instanceof DriveError)) {
    const meta = parseMeta(set, reply)
    return meta === undefined ? { kind: 'corrupt' } : { kind: 'metadata', meta, bytes: reply }
  }
  switch (reply.code) {
    case 'FileNotFound':
    case 'FileVersionNotFound':
    // Below another object's file, or a folder where the file should be: nothing is stored there.
    case 'FileAccessDenied':
    case 'FileNameTooLong':
      return { kind: 'absent' }
    case 'VolumeNotFound':
      return { kind: 'noVolume' }
    case 'FileCorrupt':
      return { kind: 'corrupt' }
    case 'DriveNotFound':
    case 'DriveFaulty':
    case 'DriveTimeout':
    case 'DriveAccessDenied':
    case 'DriveUnformatted':
    case 'DriveFull':
    case 'VolumeExists':
    case 'VolumeNotEmpty':
    case 'StaleCommit':
    case 'TooManyOpenFiles':
    case 'Unexpected':
      return { kind: 'unknown', error: reply }
  }
}

function parseMeta(set: ErasureSet, bytes: Uint8Array): XlMeta | undefined {
  try {
    return XlMeta.parse(bytes, set.context.codec)
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

/**
 * The backups that a commit left beside the data which it replaced, read only when drives hold different versions under
 * one id.
 */
export async function readBackups(
  set: ErasureSet,
  bucket: string,
  path: string,
  answers: readonly Answer[],
): Promise<Backups> {
  if (!hasReplaced(answers)) return []
  const outcomes = await fanOutTo(
    set.drives,
    (position) => answers[position]?.kind === 'metadata',
    (drive) => readBackupsOf(drive, bucket, path),
  )
  return outcomes.map((files) => {
    if (files instanceof DriveError) return []
    return files.flatMap((bytes) => {
      const meta = bytes === undefined ? undefined : parseMeta(set, bytes)
      return meta === undefined ? [] : [meta]
    })
  })
}

/** A backup lies in the data directory of what it replaced, or in a directory of its own where that has none to itself. */
async function readBackupsOf(
  drive: Drive,
  bucket: string,
  path: string,
): Promise<DriveResult<readonly (Uint8Array | undefined)[]>> {
  const names = await drive.listDirectory(bucket, path, DIRECTORIES_MAX)
  if (names instanceof DriveError) return names
  const directories = names.map((name) => name.slice(0, -1)).filter(isUuid)
  if (directories.length === 0) return []
  return drive.readSmallFiles(
    bucket,
    directories.map((name) => `${path}/${name}/${BACKUP_NAME}`),
  )
}

/** Whether some drive holds a version of an id of which another one holds a newer. */
function hasReplaced(answers: readonly Answer[]): boolean {
  const timesNs = new Map<string, bigint>()
  for (const answer of answers) {
    if (answer.kind !== 'metadata') continue
    for (const { header } of answer.meta.versions) {
      const known = timesNs.get(header.versionId)
      if (known !== undefined && known !== header.modifiedNs) return true
      timesNs.set(header.versionId, header.modifiedNs)
    }
  }
  return false
}

/** Name of an object version's data directory; undefined for what has none or cannot be read. */
function directoryOf(meta: XlMeta, index: number): string | undefined {
  try {
    const body = meta.decode(index)
    return 'object' in body || !isObject(body) ? undefined : dataDirName(body.dataDir)
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

// Left-overs ----------------------------------------------------------------------------------------

/** Objects with more names below them are not looked through. */
const NAMES_MAX = 1000
const DATA_DIRECTORY_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\/$/
const DATA_FILE_PATTERN = /^(?:part\.\d+|xl\.meta\.bkp)$/

export interface LeftoverPlace {
  readonly bucket: string
  readonly path: string
  /** What the drive's metadata file has now. */
  readonly meta: XlMeta
}

/**
 * Removes data directories that no version of the drive's metadata names, and backups beside data that is in use. The
 * caller holds the write lock of the key and has decided on all versions. Answers how many were removed.
 *
 * A key may end in what looks like a data directory: only directories with nothing but data files are touched.
 */
export async function removeLeftovers(drive: Drive, place: LeftoverPlace): Promise<number> {
  const { bucket, path, meta } = place
  const used = new Set<string>()
  for (const [index, { header }] of meta.versions.entries()) {
    if (header.kind === 'deleteMarker') continue
    const name = directoryOf(meta, index)
    if (name === undefined) return 0 // of a form whose data may be anywhere
    used.add(`${name}/`)
  }
  const names = await drive.listDirectory(bucket, path, NAMES_MAX)
  if (names instanceof DriveError || names.length >= NAMES_MAX) return 0
  let removed = 0
  for (const name of names) {
    if (!DATA_DIRECTORY_PATTERN.test(name)) continue
    const directory = name.slice(0, -1)
    const files = await drive.listDirectory(bucket, `${path}/${directory}`, NAMES_MAX * 10)
    if (files instanceof DriveError || files.length === 0) continue
    if (!files.every((file) => DATA_FILE_PATTERN.test(file))) continue
    if (!used.has(name)) {
      const purged = await drive.purgeDataDir(bucket, path, directory)
      if (!(purged instanceof DriveError)) removed++
    } else if (files.includes(BACKUP_NAME)) {
      const trashed = await drive.trash(bucket, `${path}/${directory}/${BACKUP_NAME}`)
      if (!(trashed instanceof DriveError)) removed++
    }
  }
  return removed
}
