import type { RemovedVersion, RepairItem, RepairReason } from './repair-sink.ts'

/** Items of the repair queue as plain data: read from journals and messages, and merged. */

/** Removed versions remembered of one key; what is left of others goes when it is old enough. */
const REMOVED_MAX = 100
const REASONS: readonly RepairReason[] = ['missed', 'late', 'missing', 'corrupt', 'disagreement']

/** A set all of whose keys are to be looked through. */
export interface DirtySet {
  readonly pool: number
  readonly set: number
}

/** One item that asks for everything that the two ask for; `known` itself when it does already. */
export function mergeItems(known: RepairItem, added: RepairItem): RepairItem {
  const isWider = known.versionId !== undefined && known.versionId !== added.versionId
  const isDeeper =
    (added.reason === 'corrupt' && known.reason !== 'corrupt') || isAnswered(known, added)
  const removed = mergeRemoved(known.removed, added.removed)
  if (!isWider && !isDeeper && removed === known.removed) return known
  return {
    ...known,
    versionId: isWider ? undefined : known.versionId,
    reason: isDeeper ? added.reason : known.reason,
    removed,
  }
}

/** `known` itself when it says all. */
function mergeRemoved(
  known: readonly RemovedVersion[] | undefined,
  added: readonly RemovedVersion[] | undefined,
): readonly RemovedVersion[] | undefined {
  const more = (added ?? []).filter(({ versionId, untilNs }) => {
    const same = known?.find((one) => one.versionId === versionId)
    return same === undefined || BigInt(same.untilNs) < BigInt(untilNs)
  })
  if (more.length === 0) return known
  const older = (known ?? []).filter(({ versionId }) =>
    more.every((one) => one.versionId !== versionId),
  )
  return [...older, ...more].slice(-REMOVED_MAX)
}

/** A drive was late with a write, and has answered now. */
export function isAnswered(known: RepairItem, added: RepairItem): boolean {
  return known.reason === 'late' && added.reason === 'missed'
}

/** Reads a queued item, or a mark of a whole set, from plain data; undefined for anything else. */
export function repairItemFrom(value: unknown): RepairItem | DirtySet | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const field = (name: string): unknown => Reflect.get(value, name)
  const [pool, set, bucket, path] = [field('pool'), field('set'), field('bucket'), field('path')]
  if (typeof pool !== 'number' || typeof set !== 'number') return undefined
  if (bucket === undefined && path === undefined) return { pool, set }
  if (typeof bucket !== 'string' || typeof path !== 'string') return undefined
  const versionId = field('versionId')
  const removed = removedFrom(field('removed'))
  const reason = REASONS.find((one) => one === field('reason')) ?? 'missed'
  return {
    pool,
    set,
    bucket,
    path,
    reason,
    versionId: typeof versionId === 'string' ? versionId : undefined,
    ...(removed.length === 0 ? {} : { removed }),
  }
}

function removedFrom(value: unknown): readonly RemovedVersion[] {
  if (!Array.isArray(value)) return []
  return value.slice(-REMOVED_MAX).flatMap((one: unknown) => {
    if (typeof one !== 'object' || one === null) return []
    const versionId: unknown = Reflect.get(one, 'versionId')
    const untilNs: unknown = Reflect.get(one, 'untilNs')
    const isWhole =
      typeof versionId === 'string' && typeof untilNs === 'string' && /^\d{1,20}$/.test(untilNs)
    return isWhole ? [{ versionId, untilNs }] : []
  })
}
