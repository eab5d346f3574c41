import { equalBytes } from '#base/bytes'
import { DriveError, MULTIPART_VOLUME, type Drive, type DriveResult } from '#drive/drive'
import { parsePartMeta, type PartMeta } from '#drive/part-meta'
import { noReadQuorum } from '../errors.ts'
import { ObjectError, type ObjectErrorDetails, type PartInfo } from '../object.ts'
import type { ErasureSet } from '../set/erasure-set.ts'

/**
 * Parts of uploads in progress, as the drives hold them. Source: disk-format.md 6.5.
 *
 *   <upload folder>/<dataDir>/part.N         this drive's framed shard
 *   <upload folder>/<dataDir>/part.N.meta    what it is: the same bytes on all drives
 *
 * A drive has a part when it has both files. A part exists when a read quorum of drives has it with the same metadata.
 * A drive with other metadata missed a later upload of that part: its shard belongs to other content.
 */

export const PART_NUMBER_MAX = 10_000
const NAMES_MAX = 3 * PART_NUMBER_MAX
/** Files read by one call. */
const BATCH = 1000
const PART_PATTERN = /^part\.([1-9]\d{0,4})(\.meta)?$/

export interface StoredPart {
  readonly meta: PartMeta
  /** By position: `current` drives hold this content, `stale` ones older content under the same number. */
  readonly states: readonly ('current' | 'stale' | 'absent')[]
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

type PartsOfDrive = DriveResult<ReadonlyMap<number, Uint8Array>>

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
  answers: readonly PartsOfDrive[],
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
      answer instanceof DriveError ? undefined : answer.get(number),
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
  copies: readonly (Uint8Array | undefined)[],
  number: number,
  readQuorum: number,
): StoredPart | undefined {
  let best: { meta: PartMeta; bytes: Uint8Array } | undefined
  const seen: Uint8Array[] = []
  for (const bytes of copies) {
    if (bytes === undefined || seen.some((other) => equalBytes(other, bytes))) continue
    seen.push(bytes)
    const count = copies.filter((copy) => copy !== undefined && equalBytes(copy, bytes)).length
    if (count < readQuorum) continue
    const meta = parse(bytes)
    if (meta?.number !== number) continue
    if (best === undefined || meta.modifiedNs > best.meta.modifiedNs) best = { meta, bytes }
  }
  if (best === undefined) return undefined
  const { meta, bytes } = best
  const states = copies.map((copy) =>
    copy === undefined ? 'absent' : equalBytes(copy, bytes) ? 'current' : 'stale',
  )
  return { meta, states }
}

/** Metadata of the parts of which a drive has both files. */
async function partsOn(drive: Drive, query: PartQuery): Promise<PartsOfDrive> {
  const names = await drive.listDirectory(MULTIPART_VOLUME, query.directory, NAMES_MAX)
  const found = new Map<number, Uint8Array>()
  if (names instanceof DriveError) return isAbsent(names) ? found : names
  const present = new Set(names)
  const numbers: number[] = []
  for (const name of names) {
    const match = PART_PATTERN.exec(name)
    if (match === null || match[2] !== undefined || !present.has(`${name}.meta`)) continue
    const number = Number(match[1])
    if (number <= PART_NUMBER_MAX && query.numbers?.has(number) !== false) numbers.push(number)
  }
  for (let start = 0; start < numbers.length; start += BATCH) {
    const batch = numbers.slice(start, start + BATCH)
    const paths = batch.map((number) => `${query.directory}/part.${number}.meta`)
    const files = await drive.readSmallFiles(MULTIPART_VOLUME, paths)
    if (files instanceof DriveError) return isAbsent(files) ? found : files
    for (const [i, bytes] of files.entries()) {
      const number = batch[i]
      if (bytes !== undefined && number !== undefined) found.set(number, bytes)
    }
  }
  return found
}

export function isAbsent(error: DriveError): boolean {
  return error.code === 'FileNotFound' || error.code === 'VolumeNotFound'
}

function parse(bytes: Uint8Array): PartMeta | undefined {
  try {
    return parsePartMeta(bytes)
  } catch {
    return undefined // a damaged copy: the others decide
  }
}

function countOf(copies: readonly (Uint8Array | undefined)[]): number {
  return copies.filter((copy) => copy !== undefined).length
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
