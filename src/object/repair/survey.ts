import { equalBytes } from '#base/bytes'
import { isRemote, type ObjectVersion } from '#drive/xl-meta'
import { isObject } from '../object-info.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import type { Copy } from '../set/set.ts'
import { readAnswers, readBackups } from './answers.ts'
import { decide, type Answer, type Decision, type KeptVersion } from './decide.ts'
import { findRottenFiles, isGoodInline, lookAtFiles } from './shard-check.ts'

/** What the drives have of one key, and what they lack. Nothing is changed. */

/** What is owed for one version. */
export interface VersionWork {
  readonly kept: KeptVersion
  /** Undefined: delete markers and versions on a tier, which have no data here. */
  readonly data:
    | {
        readonly version: ObjectVersion
        readonly isInline: boolean
        /** By position: where shards may be read. */
        readonly sources: readonly (Copy | undefined)[]
        /** Of `sources`, those that look whole. */
        readonly goodSources: readonly (Copy | undefined)[]
        /** Positions whose shard must be written, with the metadata. */
        readonly targets: readonly number[]
      }
    | undefined
  /** Positions whose shard is good, or not needed, but not the metadata. */
  readonly metadataTargets: readonly number[]
}

export interface Survey {
  readonly answers: readonly Answer[]
  readonly decision: Decision
  /** Only versions for which something is owed. */
  readonly works: readonly VersionWork[]
  /** Some drive did not tell whether it has its files. */
  readonly hasSilentFiles: boolean
}

export interface SurveyOptions {
  readonly bucket: string
  readonly path: string
  /** Only this version's data is looked at; undefined: all. */
  readonly versionId: string | undefined
  /** Reads all data; otherwise only sizes are compared. What is found is added to `rotten`. */
  readonly isDeep: boolean
  /** Names (`rottenName`) of files known to be damaged. */
  readonly rotten: Set<string>
  readonly signal: AbortSignal | undefined
}

export function rottenName({ reference }: KeptVersion, position: number): string {
  return `${reference.header.versionId}/${reference.header.modifiedNs}/${position}`
}

export async function survey(set: ErasureSet, options: SurveyOptions): Promise<Survey> {
  const { bucket, path } = options
  const answers = await readAnswers(set, bucket, path)
  const decision = decide(set, answers, await readBackups(set, bucket, path, answers))
  const canTake = answers.map((answer) => mayBeWritten(answer, decision))
  const works: VersionWork[] = []
  let hasSilentFiles = false
  for (const kept of decision.kept) {
    const isCurrent = kept.holdings.map((_, position) => hasMetadata(kept, position))
    const lacking = positionsOf(canTake, (position) => isCurrent[position] === false)
    const { body, isLegacy } = kept.chosen
    if (!isObject(body) || isRemote(body)) {
      if (lacking.length > 0) works.push({ kept, data: undefined, metadataTargets: lacking })
      continue
    }
    const isWanted = options.versionId === undefined || options.versionId === body.versionId
    if (!isWanted && lacking.length === 0) continue
    const { states, isInline } = await lookAtData(set, options, kept, body)
    if (states.includes('unknown')) hasSilentFiles = true
    const targets = positionsOf(canTake, (position) => !isGood(states[position]))
    const metadataTargets = lacking.filter((position) => isGood(states[position]))
    if (targets.length + metadataTargets.length === 0) continue
    const { copies } = kept.chosen
    // A drive that lost its metadata file may still have the data beside it: its directory's name tells which it is.
    const sources = copies.map((copy, position) =>
      copy === undefined && !isLegacy ? orphanOf(body, position) : copy,
    )
    const goodSources = copies.map((copy, position) =>
      states[position] === 'good' || states[position] === 'elsewhere' ? copy : undefined,
    )
    const data = { version: body, isInline, sources, goodSources, targets }
    works.push({ kept, data, metadataTargets })
  }
  return { answers, decision, works, hasSilentFiles }
}

/** A damaged file may name versions that cannot be decided on: it is evidence until all are. */
function mayBeWritten(answer: Answer, decision: Decision): boolean {
  switch (answer.kind) {
    case 'metadata':
    case 'absent':
      return true
    case 'corrupt':
      return decision.undecided.length === 0
    case 'noVolume':
    case 'unknown':
      return false
  }
}

function positionsOf(
  canTake: readonly boolean[],
  select: (position: number) => boolean,
): readonly number[] {
  const positions: number[] = []
  for (const [position, isPossible] of canTake.entries()) {
    if (isPossible && select(position)) positions.push(position)
  }
  return positions
}

function hasMetadata(kept: KeptVersion, position: number): boolean {
  const { holdings, reference } = kept
  const holding = holdings[position]
  if (holding === undefined || holding.isBackup) return false
  // These never change, but may differ between drives: by the hashes of their files.
  if (kept.chosen.isLegacy) return true
  const stored = holding.meta.versions[holding.index]
  return stored !== undefined && equalBytes(stored.headerBytes, reference.headerBytes)
}

function orphanOf(version: ObjectVersion, position: number): Copy {
  const shardIndex = version.distribution[position] ?? 0
  return { shardIndex, dataDir: version.dataDir, inline: undefined, wholeFileHashes: undefined }
}

/** `elsewhere`: a good shard, but not the one, or not in the directory, that belongs on the drive. */
type ShardState = 'good' | 'elsewhere' | 'bad' | 'unknown'

function isGood(state: ShardState | undefined): boolean {
  return state === 'good' || state === 'unknown'
}

async function lookAtData(
  set: ErasureSet,
  options: SurveyOptions,
  kept: KeptVersion,
  version: ObjectVersion,
): Promise<{ readonly states: readonly ShardState[]; readonly isInline: boolean }> {
  const { copies } = kept.chosen
  const inline = (): ShardState[] =>
    copies.map((copy, position) =>
      isGoodInline(set, version, copy?.inline) ? placed(version, copy, position) : 'bad',
    )
  if (kept.chosen.isInline) return { states: inline(), isInline: true }
  // Objects of before 2020 have a file also for no bytes.
  if (version.sizeBytes === 0 && !kept.chosen.isLegacy)
    return { states: copies.map(() => 'good'), isInline: false }
  const files = { bucket: options.bucket, path: options.path, version, copies }
  const looks = await lookAtFiles(set, files)
  const hasFiles = looks.some((look, position) => look !== 'bad' && copies[position] !== undefined)
  // Releases of 2021 kept small data in the metadata without saying so there.
  if (!hasFiles && copies.some((copy) => copy?.inline !== undefined)) {
    return { states: inline(), isInline: true }
  }
  const isWanted = options.versionId === undefined || options.versionId === version.versionId
  if (options.isDeep && isWanted) {
    const whole = copies.map((copy, position) => (looks[position] === 'good' ? copy : undefined))
    const found = await findRottenFiles(set, { ...files, copies: whole }, options.signal)
    for (const position of found) options.rotten.add(rottenName(kept, position))
  }
  const states = copies.map((copy, position): ShardState => {
    if (copy === undefined) return 'bad'
    if (options.rotten.has(rottenName(kept, position))) return 'bad'
    const look = looks[position] ?? 'bad'
    if (look !== 'good') return look
    return kept.chosen.isLegacy ? 'good' : placed(version, copy, position)
  })
  return { states, isInline: false }
}

function placed(version: ObjectVersion, copy: Copy | undefined, position: number): ShardState {
  const isRight =
    copy?.shardIndex === version.distribution[position] && copy?.dataDir === version.dataDir
  return isRight ? 'good' : 'elsewhere'
}
