import { MULTIPART_VOLUME, type PartCommit, type PartPlacement, TMP_VOLUME } from '../drive.ts'
import { pendingDirectory } from '../part-meta.ts'
import type { DriveContext } from './drive-context.ts'
import { parentOf } from './drive-paths.ts'
import { type Change, fail } from './step-scheduler.ts'

/** Puts an uploaded part in place, or beside the one that it replaces. */
export function* commitPart(context: DriveContext, request: PartCommit): Change<void> {
  if (request.step === 'settle') yield* settlePart(context, request)
  else yield* placePart(context, request)
}

function* placePart(context: DriveContext, request: PartPlacement): Change<void> {
  const isPrepared = request.step === 'prepare'
  const staged = context.path(TMP_VOLUME, request.staged)
  const upload = parentOf(context.path(MULTIPART_VOLUME, request.directory))
  const directory = context.path(
    MULTIPART_VOLUME,
    isPrepared ? pendingDirectory(request.directory) : request.directory,
  )
  const part = `${directory}/part.${request.partNumber}`
  if (isHalfSettled(context, request)) yield* settlePart(context, request)
  const metadata = yield* context.writeStaged(request.metadata)
  try {
    // The upload's own directory must be there: a part must not bring an aborted upload back.
    if (context.fileSystem.kindOf(upload)?.isDirectory !== true) {
      fail('FileNotFound', 'Upload does not exist')
    }
    if (context.fileSystem.kindOf(staged) === undefined) fail('FileNotFound', 'Part is not staged')
    // Without its metadata a part does not count: at no moment does old metadata describe new data.
    const isOld = context.fileSystem.kindOf(`${part}.meta`) !== undefined
    context.removeFile(`${part}.meta`)
    if (isOld) yield [{ directory }]
    context.moveInto(staged, part)
    // Pending metadata without its data means that the data is in place already.
    if (isPrepared) yield [{ directory }]
    context.moveInto(metadata, `${part}.meta`)
  } catch (error) {
    context.removeFile(metadata)
    throw error
  }
  context.removeEmptyDirectory(parentOf(staged))
  yield [{ directory }]
}

/** Data that is in place already, while its metadata is still pending: only there it is described. */
function isHalfSettled(
  context: DriveContext,
  { directory, partNumber }: Pick<PartCommit, 'directory' | 'partNumber'>,
): boolean {
  const pending = context.path(
    MULTIPART_VOLUME,
    `${pendingDirectory(directory)}/part.${partNumber}`,
  )
  const { fileSystem } = context
  return (
    fileSystem.kindOf(`${pending}.meta`) !== undefined && fileSystem.kindOf(pending) === undefined
  )
}

/** From here on the old part is void: first its data goes, then its metadata. Nothing pending is fine. */
function* settlePart(
  context: DriveContext,
  { directory, partNumber }: Pick<PartCommit, 'directory' | 'partNumber'>,
): Change<void> {
  const name = `part.${partNumber}`
  const pending = context.path(MULTIPART_VOLUME, pendingDirectory(directory))
  const target = context.path(MULTIPART_VOLUME, directory)
  if (context.fileSystem.kindOf(`${pending}/${name}.meta`) === undefined) return
  if (context.fileSystem.kindOf(`${pending}/${name}`) !== undefined) {
    context.moveInto(`${pending}/${name}`, `${target}/${name}`)
    yield [{ directory: target }, { directory: pending }]
  }
  context.moveInto(`${pending}/${name}.meta`, `${target}/${name}.meta`)
  yield [{ directory: target }, { directory: pending }]
  context.removeEmptyDirectory(pending)
}
