import { isUuid } from '#base/uuid'
import {
  type CommitReply,
  type CommitRequest,
  type DeleteReply,
  type DeleteRequest,
  DriveError,
  type DriveResult,
  type EncodedVersion,
  MULTIPART_VOLUME,
} from '../drive.ts'
import { dataDirName, type Displaced, FormatError, headerFrom, isFree, XlMeta } from '../xl-meta.ts'
import { keepFreeVersion } from '../format/free-version.ts'
import { LEGACY_DATA_DIR } from '../format/legacy-version.ts'
import type { DriveContext } from './drive-context.ts'
import { systemErrorCode } from './file-system.ts'
import { BACKUP, readForChange, readMetadataFile, XL_JSON, XL_META } from './metadata-file.ts'
import { fail, type Change } from './step-scheduler.ts'

const PART_PATTERN = /^part\.\d+(\.meta)?$/

/**
 * The changes of one key's metadata on one drive. Each is one rename of a complete, flushed `xl.meta`; what it refers to
 * is in place before, what it no longer refers to goes to the trash after. Source: disk-format.md 6.2, 6.3.
 */

/** The commit of one version. */
export function* commitVersion(context: DriveContext, request: CommitRequest): Change<CommitReply> {
  const { volume, path, version, mode } = request
  const directory = context.path(volume, path)
  const current = readForChange(context, volume, path)
  // Its other versions would be lost: the copy is rebuilt first (a repair does it with `heal`).
  if (current.isCorrupt && mode !== 'heal') fail('FileCorrupt', 'Stored metadata cannot be read')
  const meta = current.meta ?? XlMeta.empty(context.hashes)
  const header = headerFrom(version)
  if (mode === 'write') checkFence(meta, header.modifiedNs)

  if (request.v1File !== undefined && isV1Place(context, directory)) {
    return yield* commitV1File(context, request, request.v1File)
  }

  const inline =
    request.inlineFrom === undefined ? request.inline : meta.inline(request.inlineFrom)?.slice()
  if (mode === 'write') keepFreeVersion(meta, header.versionId, context.hashes, version)
  const displaced = meta.put(version, inline)
  const replaced = mode === 'heal' ? undefined : replacedDirectory(context, displaced, request)
  const bytes = meta.encode()
  const data = dataOf(context, request, meta)
  let staged: string | undefined
  let oldDataDir: string | undefined
  try {
    // Second names, durable with the flush of the staged metadata: a failed commit leaves the upload whole.
    if (data?.isUpload === true) linkParts(context, data)
    staged = yield* context.writeStaged(bytes)
    if (!current.hasDirectory && data?.isUpload !== true) context.makeDirectories(directory)
    if (data?.isUpload === false) moveData(context, data, mode)
    if (meta.isV1File) renameV1Metadata(context, directory)
    if (replaced !== undefined) oldDataDir = yield* backUp(context, request, replaced)
    if (oldDataDir !== undefined && request.backup) {
      // The way back must be durable before the way forward: see D4.3.
      yield [{ directory: `${directory}/${oldDataDir}` }]
    }
    context.moveInto(staged, `${directory}/${XL_META}`)
  } catch (error) {
    takeBack(context, request, { staged, data, isNew: current.meta === undefined })
    throw error
  }
  yield [{ directory }]
  return { oldDataDir, versionsHash: meta.versionsHash() }
}

/** Whether a V1 object may stand there, since no other form of metadata does. */
function isV1Place(context: DriveContext, directory: string): boolean {
  return context.mayHoldV1 && context.fileSystem.kindOf(`${directory}/${XL_META}`) === undefined
}

/** The commit of a V1 object as it was written before 2020: the parts beside the metadata, which comes last. */
function* commitV1File(
  context: DriveContext,
  request: CommitRequest,
  v1File: Uint8Array,
): Change<CommitReply> {
  const { volume, path } = request
  const directory = context.path(volume, path)
  const meta = parseNew(context, v1File)
  const data = dataOf(context, request, meta)
  const staged = yield* context.writeStaged(v1File)
  try {
    for (const number of data?.partNumbers ?? []) {
      context.moveInto(`${data?.from}/part.${number}`, `${directory}/part.${number}`)
    }
    context.moveInto(staged, `${directory}/${XL_JSON}`)
  } catch (error) {
    context.removeFile(staged)
    throw error
  }
  if (data !== undefined) context.removeEmptyDirectory(data.from)
  yield [{ directory }]
  return { versionsHash: meta.versionsHash() }
}

/** Where the backup of the present metadata goes: the data directory replaced or, when that one is shared or there is none, a new directory. */
function replacedDirectory(
  context: DriveContext,
  displaced: Displaced | undefined,
  request: CommitRequest,
): string | undefined {
  if (displaced === undefined) return undefined
  return displaced.dataDirectory ?? (request.backup ? context.random.uuid() : undefined)
}

/** After a commit that failed before its metadata was in place: nothing refers to what it left. */
function takeBack(
  context: DriveContext,
  request: CommitRequest,
  left: {
    readonly staged: string | undefined
    readonly data: CommitData | undefined
    readonly isNew: boolean
  },
): void {
  const { staged, data, isNew } = left
  // An error may hide a rename that happened: then the new metadata refers to the data.
  if (staged !== undefined && context.fileSystem.kindOf(staged) === undefined) return
  if (staged !== undefined) context.removeFile(staged)
  if (data !== undefined && request.mode !== 'heal') context.trash(data.to)
  if (isNew) context.removeEmptyUpward(request.volume, context.path(request.volume, request.path))
}

function checkFence(meta: XlMeta, modifiedNs: bigint): void {
  const newest = meta.versions.find(({ header }) => !isFree(header))?.header
  if (newest !== undefined && newest.modifiedNs >= modifiedNs) {
    fail('StaleCommit', 'A version at least as new is stored', newest.modifiedNs)
  }
}

/** Where the version's data is, and where it goes. */
interface CommitData {
  readonly isUpload: boolean
  readonly from: string
  readonly to: string
  readonly partNumbers: readonly number[]
}

function dataOf(
  context: DriveContext,
  request: CommitRequest,
  meta: XlMeta,
): CommitData | undefined {
  const { source, volume, path } = request
  if (source === undefined) return undefined
  const stored = meta.decode(meta.find(headerFrom(request.version).versionId))
  const isLegacy = 'object' in stored
  const parts = isLegacy ? stored.object.parts : 'parts' in stored ? stored.parts : undefined
  if (parts === undefined) return undefined
  const name = isLegacy || !('parts' in stored) ? LEGACY_DATA_DIR : dataDirName(stored.dataDir)
  const isUpload = source.volume === MULTIPART_VOLUME
  return {
    isUpload,
    from: context.path(source.volume, isUpload ? `${source.path}/${name}` : source.path),
    to: context.path(volume, `${path}/${name}`),
    partNumbers: parts.map(({ number }) => number),
  }
}

function moveData(
  context: DriveContext,
  { from, to }: CommitData,
  mode: CommitRequest['mode'],
): void {
  if (mode === 'heal') context.trash(to)
  context.moveInto(from, to)
}

/** Gives the parts that this drive has a second name in the object; a missing one is found and repaired later. A file without its metadata is no part. */
function linkParts(context: DriveContext, { from, to, partNumbers }: CommitData): void {
  context.trash(to) // of an earlier try that did not get further
  context.makeDirectories(to)
  for (const number of partNumbers) {
    const name = `part.${number}`
    if (context.fileSystem.kindOf(`${from}/${name}.meta`) === undefined) continue
    try {
      context.fileSystem.link(`${from}/${name}`, `${to}/${name}`)
    } catch (error) {
      const code = systemErrorCode(error)
      if (code === 'ENOENT') continue
      // Without links the upload gives its part away; a failed commit then loses it on this drive.
      if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'EMLINK') throw error
      context.fileSystem.rename(`${from}/${name}`, `${to}/${name}`)
    }
  }
  context.steps.noteName(to)
}

/** Keeps the present metadata file inside the directory that it alone refers to; answers that directory's name if it is there. */
function* backUp(
  context: DriveContext,
  { volume, path, backup: isNeeded }: CommitRequest,
  dataDir: string,
): Change<string | undefined> {
  const { fileSystem } = context
  const directory = context.path(volume, path)
  const old = `${directory}/${dataDir}`
  if (fileSystem.kindOf(old)?.isDirectory !== true) {
    if (!isNeeded) return undefined
    context.makeDirectories(old)
  }
  const backup = `${old}/${BACKUP}`
  context.removeFile(backup)
  try {
    // A second name for the present file: nothing is written.
    fileSystem.link(`${directory}/${XL_META}`, backup)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT') return dataDir
    // Some file systems have no links.
    if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'EMLINK') throw error
    if (!isNeeded) return dataDir
    const bytes = readMetadataFile(context, volume, path, { inline: true })
    context.moveInto(yield* context.writeStaged(bytes), backup)
  }
  return dataDir
}

/** `xl.json` gets the name that the new file then takes: at every moment one of both is there. Source: disk-format.md 6.2. */
function renameV1Metadata(context: DriveContext, directory: string): void {
  try {
    context.fileSystem.rename(`${directory}/${XL_JSON}`, `${directory}/${XL_META}`)
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error // renamed before, by a change that then failed
  }
}

export function* undoCommit(
  context: DriveContext,
  volume: string,
  path: string,
  versionId: string,
  oldDataDir: string | undefined,
): Change<void> {
  const directory = context.path(volume, path)
  const old = oldDataDir === undefined ? undefined : context.path(volume, `${path}/${oldDataDir}`)
  const { meta } = readForChange(context, volume, path)
  const index = meta?.find(versionId) ?? -1
  if (meta === undefined || index < 0) return
  const data = meta.unsharedDataDirectory(index)
  const backup = old === undefined ? undefined : `${old}/${BACKUP}`
  if (backup !== undefined && context.fileSystem.kindOf(backup) !== undefined) {
    context.fileSystem.rename(backup, `${directory}/${XL_META}`)
    yield [{ directory }]
  } else {
    meta.remove(versionId)
    yield* writeOrRemove(context, volume, directory, meta)
  }
  // A version that shared its data with the one it replaced gives it back.
  const { meta: restored } = readForChange(context, volume, path)
  if (data !== undefined && restored?.usesDataDirectory(data) !== true) {
    context.trash(`${directory}/${data}`)
  }
  // It was made for the backup alone when the old content was inline.
  if (old !== undefined) context.removeEmptyDirectory(old)
  context.removeEmptyUpward(volume, directory)
}

export function* restoreBackup(
  context: DriveContext,
  volume: string,
  path: string,
  dataDir: string,
): Change<void> {
  const directory = context.path(volume, path)
  const backup = context.path(volume, `${path}/${dataDir}/${BACKUP}`)
  context.fileSystem.rename(backup, `${directory}/${XL_META}`)
  yield [{ directory }]
}

/** Replaces the metadata of a version that exists. */
export function* updateVersion(
  context: DriveContext,
  volume: string,
  path: string,
  version: EncodedVersion,
): Change<CommitReply> {
  const { meta, isCorrupt } = readForChange(context, volume, path)
  if (isCorrupt) fail('FileCorrupt', 'Stored metadata cannot be read')
  if (meta === undefined) fail('FileNotFound', 'Object does not exist')
  if (meta.isV1File || !meta.update(version)) fail('FileVersionNotFound', 'Version does not exist')
  yield* context.replaceFile(`${context.path(volume, path)}/${XL_META}`, meta.encode())
  return { versionsHash: meta.versionsHash() }
}

export function* replaceMetadata(
  context: DriveContext,
  volume: string,
  path: string,
  bytes: Uint8Array,
): Change<void> {
  const directory = context.path(volume, path)
  context.requireVolume(volume)
  parseNew(context, bytes)
  const staged = yield* context.writeStaged(bytes)
  try {
    if (isV1Place(context, directory)) renameV1Metadata(context, directory)
    context.moveInto(staged, `${directory}/${XL_META}`)
  } catch (error) {
    context.removeFile(staged)
    throw error
  }
  yield [{ directory }]
}

/** Errors: `FileCorrupt`. */
function parseNew(context: DriveContext, bytes: Uint8Array): XlMeta {
  try {
    return XlMeta.parse(bytes, context.hashes)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new DriveError('FileCorrupt', 'New metadata cannot be read', { cause: error })
  }
}

/** Removes versions and adds markers with one rewrite; the last version takes the object's directory with it. */
export function* deleteVersions(
  context: DriveContext,
  volume: string,
  path: string,
  requests: readonly DeleteRequest[],
): Change<readonly DriveResult<DeleteReply>[]> {
  const directory = context.path(volume, path)
  const current = readForChange(context, volume, path)
  if (current.isCorrupt) fail('FileCorrupt', 'Stored metadata cannot be read')
  const meta = current.meta ?? XlMeta.empty(context.hashes)
  const unused: string[] = []
  let isChanged = false
  const outcomes = requests.map((request): DriveError | boolean => {
    const outcome = removeOne(context, meta, request, unused)
    if (outcome === true || (request.add !== undefined && !(outcome instanceof DriveError))) {
      isChanged = true
    }
    return outcome
  })
  if (isChanged) {
    if (meta.isV1File) renameV1Metadata(context, directory)
    yield* writeOrRemove(context, volume, directory, meta)
    // Not flushed: losing this in a crash leaves files that nothing refers to.
    if (context.fileSystem.kindOf(directory) !== undefined) {
      for (const dataDir of unused) context.trash(`${directory}/${dataDir}`)
      if (meta.versions.length === 0 && !context.removeEmptyDirectory(directory)) {
        removeLeftovers(context, directory)
      }
      context.removeEmptyUpward(volume, directory)
    }
  }
  return outcomes.map((outcome) =>
    outcome instanceof DriveError
      ? outcome
      : { found: outcome, versionsLeft: meta.versions.length },
  )
}

/** True: a version was removed. */
function removeOne(
  context: DriveContext,
  meta: XlMeta,
  request: DeleteRequest,
  unused: string[],
): DriveError | boolean {
  const { versionId, add, notNewerThanNs } = request
  let isFound = false
  if (versionId !== undefined) {
    const header = meta.versions[meta.find(versionId)]?.header
    if (
      header !== undefined &&
      notNewerThanNs !== undefined &&
      header.modifiedNs > notNewerThanNs
    ) {
      return new DriveError('StaleCommit', 'A newer version is stored', {
        newestNs: header.modifiedNs,
      })
    }
    keepFreeVersion(meta, versionId, context.hashes)
    const displaced = meta.remove(versionId)
    isFound = displaced !== undefined
    if (displaced?.dataDirectory !== undefined) unused.push(displaced.dataDirectory)
  }
  if (add !== undefined) {
    const displaced = meta.put(add, undefined)
    if (displaced?.dataDirectory !== undefined) unused.push(displaced.dataDirectory)
  }
  return isFound
}

/** Writes what is left, or removes the file and what became empty. Works on a full drive: see `LocalDrive.freeSpace`. */
function* writeOrRemove(
  context: DriveContext,
  volume: string,
  directory: string,
  meta: XlMeta,
): Change<void> {
  const file = `${directory}/${XL_META}`
  if (meta.versions.length > 0) {
    yield* context.replaceFile(file, meta.encode())
    return
  }
  context.removeFile(file)
  if (context.mayHoldV1) context.removeFile(`${directory}/${XL_JSON}`)
  // When other things are left in the directory, its own names tell that the file is gone; else its parent's do.
  yield [{ directory: context.removeEmptyUpward(volume, directory) }, { directory }]
}

/**
 * What nothing refers to when the last version is gone: parts of a V1 object beside its metadata, and data directories that
 * a crash left behind. They would keep the bucket from being deleted.
 */
function removeLeftovers(context: DriveContext, directory: string): void {
  for (const { name, isFile, isDirectory } of context.fileSystem.list(directory)) {
    const path = `${directory}/${name}`
    const isV1Part = context.mayHoldV1 && isFile && PART_PATTERN.test(name)
    const isDataDir = isDirectory && (isUuid(name) || name === LEGACY_DATA_DIR)
    if (isV1Part || (isDataDir && holdsOnlyParts(context, path))) {
      context.trash(path)
    }
  }
}

/** A key may have a component like the name of a data directory: then metadata or directories lie in it. */
function holdsOnlyParts(context: DriveContext, path: string): boolean {
  return context.fileSystem
    .list(path)
    .every(({ name, isFile }) => isFile && (PART_PATTERN.test(name) || name === BACKUP))
}
