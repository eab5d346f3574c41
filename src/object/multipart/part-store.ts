import { equalBytes } from '#base/bytes'
import {
  DriveError,
  MULTIPART_VOLUME,
  type Drive,
  type DriveReply,
  type DriveResult,
} from '#drive/drive'
import { PARTS_MAX } from '#drive/limits'
import { parsePartMeta, type PartMeta, pendingDirectory } from '#drive/part-meta'
import { noReadQuorum } from '../errors.ts'
import { ObjectError, type ObjectErrorDetails, type PartInfo } from '../object.ts'
import { deleteQuorumOf } from '../placement.ts'
import type { ErasureSet } from '../set/erasure-set.ts'

/**
 * Parts of uploads in progress, as the drives hold them. Source: disk-format.md 6.5.
 *
 *   <upload folder>/<dataDir>/part.N         this drive's framed shard
 *   <upload folder>/<dataDir>/part.N.meta    what it is: the same bytes on all drives
 *   <upload folder>/cairn-pending/           the same two files of a part that replaces an older one
 *
 * A drive has a part when it has both files. A part exists when a read quorum of drives has it with the same metadata.
 * A drive with other metadata missed a later upload of that part: its shard belongs to other content.
 */

const NAMES_MAX = 3 * PARTS_MAX
/** Files read by one call. */
const BATCH = 1000
const META_PATTERN = /^part\.([1-9]\d{0,4})\.meta$/

export interface StoredPart {
  readonly meta: PartMeta
  /** By position: `current` drives hold this content, `pending` ones beside the older content that it replaces (see `PartCommit`), `stale` ones only other content under the same number. */
  readonly states: readonly ('current' | 'pending' | 'stale' | 'absent')[]
}

export interface PartQuery {
  /** `<key folder>/<upload>/<dataDir>`. */
  readonly directory: string
  /** Undefined: all parts. */
  readonly numbers?: ReadonlySet<number> | undefined
  readonly readQuorum: number
  readonly writeQuorum: number
  readonly details: ObjectErrorDetails
}

/** Parts by number. A drive that hangs is waited for only if the others do not tell enough. Errors: `ReadQuorum` when drives that do not answer may hold one that is asked for. */
export async function readParts(
  set: ErasureSet,
  query: PartQuery,
): Promise<ReadonlyMap<number, StoredPart>> {
  const options = { quorum: query.writeQuorum, isTimeless: true }
  const { outcomes, late } = await set.patience.ask(options, (drive) => partsOn(drive, query))
  if (late === undefined) return partsIn(set, query, outcomes)
  try {
    return partsIn(set, query, outcomes)
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error
    return partsIn(set, query, await late.outcomes)
  }
}

function partsIn(
  set: ErasureSet,
  query: PartQuery,
  answers: readonly DriveResult<PartsOfDrive>[],
): ReadonlyMap<number, StoredPart> {
  const silent = answers.filter((answer) => answer instanceof DriveError).length
  if (set.size - silent < query.readQuorum) throw noReadQuorum(query.details)
  const numbers = new Set<number>()
  for (const answer of answers) {
    if (answer instanceof DriveError) continue
    for (const number of answer.keys()) numbers.add(number)
  }
  const parts = new Map<number, StoredPart>()
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const copies = answers.map((answer) =>
      answer instanceof DriveError ? [] : (answer.get(number) ?? []),
    )
    const part = choosePart(copies, number, query.readQuorum)
    if (part !== undefined) parts.set(number, part)
    else if (silent > 0 && countOf(copies) + silent >= query.writeQuorum) {
      throw noReadQuorum({ ...query.details, partNumber: number })
    }
  }
  return parts
}

/** The newest content that a read quorum of drives agrees on. */
function choosePart(
  copies: readonly (readonly Offer[])[],
  number: number,
  readQuorum: number,
): StoredPart | undefined {
  let best: { meta: PartMeta; bytes: Uint8Array } | undefined
  const seen: Uint8Array[] = []
  for (const { bytes } of copies.flat()) {
    if (seen.some((other) => equalBytes(other, bytes))) continue
    seen.push(bytes)
    const count = copies.filter((offers) => offerOf(offers, bytes) !== undefined).length
    if (count < readQuorum) continue
    const meta = parse(bytes)
    if (meta?.number !== number) continue
    if (best === undefined || meta.modifiedNs > best.meta.modifiedNs) best = { meta, bytes }
  }
  if (best === undefined) return undefined
  const { meta, bytes } = best
  const states = copies.map((offers) => {
    const offer = offerOf(offers, bytes)
    if (offer !== undefined) return offer.isPending ? 'pending' : 'current'
    return offers.length > 0 ? 'stale' : 'absent'
  })
  return { meta, states }
}

/** One in place before one that is pending. */
function offerOf(offers: readonly Offer[], bytes: Uint8Array): Offer | undefined {
  return offers.findLast((offer) => equalBytes(offer.bytes, bytes))
}

/** What a drive offers under a number: the part in place, and one that is about to replace it. */
interface Offer {
  readonly bytes: Uint8Array
  readonly isPending: boolean
}

type PartsOfDrive = ReadonlyMap<number, readonly Offer[]>

/**
 * Parts of which a drive has both files. A pending part whose data has moved has it in place, where the metadata is still
 * the old one's. What is moved meanwhile is found in its place, since that is looked at last.
 */
async function partsOn(drive: Drive, query: PartQuery): Promise<Awaited<DriveReply<PartsOfDrive>>> {
  const pendingPlace = pendingDirectory(query.directory)
  const pendingNames = await namesIn(drive, pendingPlace)
  if (pendingNames instanceof DriveError) return pendingNames
  const names = await namesIn(drive, query.directory)
  if (names instanceof DriveError) return names
  const pending = await readMetas(
    drive,
    pendingPlace,
    numbersIn(pendingNames, query, (name) => pendingNames.has(name) || names.has(name)),
  )
  if (pending instanceof DriveError) return pending
  const isVoid = (number: number): boolean =>
    pending.has(number) && !pendingNames.has(`part.${number}`)
  const inPlace = numbersIn(names, query, (name) => names.has(name))
  const placed = await readMetas(
    drive,
    query.directory,
    inPlace.filter((number) => !isVoid(number)),
  )
  if (placed instanceof DriveError) return placed
  const found = new Map<number, Offer[]>()
  for (const [number, bytes] of pending) found.set(number, [{ bytes, isPending: true }])
  for (const [number, bytes] of placed) {
    found.set(number, [...(found.get(number) ?? []), { bytes, isPending: false }])
  }
  return found
}

async function namesIn(
  drive: Drive,
  directory: string,
): Promise<Awaited<DriveReply<ReadonlySet<string>>>> {
  const names = await drive.listDirectory(MULTIPART_VOLUME, directory, NAMES_MAX)
  if (!(names instanceof DriveError)) return new Set(names)
  return isAbsent(names) ? new Set() : names
}

/** Numbers of the metadata files among `names` whose part `hasPart` knows. */
function numbersIn(
  names: ReadonlySet<string>,
  query: PartQuery,
  hasPart: (name: string) => boolean,
): readonly number[] {
  const numbers: number[] = []
  for (const name of names) {
    const number = Number(META_PATTERN.exec(name)?.[1] ?? Number.NaN)
    if (!(number <= PARTS_MAX) || !hasPart(`part.${number}`)) continue
    if (query.numbers?.has(number) !== false) numbers.push(number)
  }
  return numbers
}

async function readMetas(
  drive: Drive,
  directory: string,
  numbers: readonly number[],
): Promise<Awaited<DriveReply<ReadonlyMap<number, Uint8Array>>>> {
  const found = new Map<number, Uint8Array>()
  for (let start = 0; start < numbers.length; start += BATCH) {
    const batch = numbers.slice(start, start + BATCH)
    const paths = batch.map((number) => `${directory}/part.${number}.meta`)
    const files = await drive.readSmallFiles(MULTIPART_VOLUME, paths)
    if (files instanceof DriveError) return isAbsent(files) ? found : files
    for (const [i, bytes] of files.entries()) {
      const number = batch[i]
      if (bytes !== undefined && number !== undefined) found.set(number, bytes)
    }
  }
  return found
}

/** Whether some drive has a part of that number, or a piece of one, which a new one must not replace at once. */
export async function hasOlderPart(
  set: ErasureSet,
  directory: string,
  number: number,
): Promise<boolean> {
  const names = [`part.${number}.meta`]
  const isThere = async (drive: Drive): DriveReply<boolean> => {
    for (const place of [directory, pendingDirectory(directory)]) {
      const sizes = await drive.statFiles(MULTIPART_VOLUME, place, names)
      if (!(sizes instanceof DriveError) && sizes[0] !== undefined) return true
    }
    return false
  }
  // Most drives are enough: every part that was acknowledged is on one of those.
  const options = { quorum: deleteQuorumOf(set.size), isTimeless: true }
  const { outcomes } = await set.patience.ask(options, isThere)
  return outcomes.includes(true)
}

function isAbsent(error: DriveError): boolean {
  return error.code === 'FileNotFound' || error.code === 'VolumeNotFound'
}

function parse(bytes: Uint8Array): PartMeta | undefined {
  try {
    return parsePartMeta(bytes)
  } catch {
    return undefined // a damaged copy: the others decide
  }
}

function countOf(copies: readonly (readonly Offer[])[]): number {
  return copies.filter((offers) => offers.length > 0).length
}

/** A part as callers see it. */
export function partInfoOf(meta: PartMeta): PartInfo {
  const checksums: Record<string, string> = {}
  for (const [name, value] of meta.checksums) checksums[name.toLowerCase()] = value
  return {
    number: meta.number,
    sizeBytes: meta.sizeBytes,
    actualSizeBytes: meta.actualSizeBytes,
    etag: meta.etag,
    modifiedNs: meta.modifiedNs,
    checksums,
  }
}
