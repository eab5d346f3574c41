import { MsgpackReader, MsgpackWriter, ZERO_TIME_NS } from '#codec/msgpack'
import { FieldKeeper, readList } from './format/fields.ts'

/**
 * `.healing.bin`: the state of refilling a replaced drive, kept on that drive. Present and not finished means that the
 * drive's content is incomplete. Source: disk-format.md 7.6.
 */

export const TRACKER_PATH = 'buckets/.healing.bin'

const TEXTS = ['ID', 'Path', 'Endpoint', 'Bucket', 'Object', 'HealID'] as const
const TIMES = ['Started', 'LastUpdate'] as const
const SIGNED = ['PoolIndex', 'SetIndex', 'DiskIndex'] as const
const COUNTERS = [
  'ObjectsTotalCount',
  'ObjectsTotalSize',
  'ItemsHealed',
  'ItemsFailed',
  'BytesDone',
  'BytesFailed',
  'ResumeItemsHealed',
  'ResumeItemsFailed',
  'ResumeItemsSkipped',
  'ResumeBytesDone',
  'ResumeBytesFailed',
  'ResumeBytesSkipped',
  'ItemsSkipped',
  'BytesSkipped',
  'RetryAttempts',
] as const
const LISTS = ['QueuedBuckets', 'HealedBuckets'] as const

/** All fields in the order of the file. */
const ORDER = [
  'ID',
  'PoolIndex',
  'SetIndex',
  'DiskIndex',
  'Path',
  'Endpoint',
  'Started',
  'LastUpdate',
  'ObjectsTotalCount',
  'ObjectsTotalSize',
  'ItemsHealed',
  'ItemsFailed',
  'BytesDone',
  'BytesFailed',
  'Bucket',
  'Object',
  'ResumeItemsHealed',
  'ResumeItemsFailed',
  'ResumeItemsSkipped',
  'ResumeBytesDone',
  'ResumeBytesFailed',
  'ResumeBytesSkipped',
  'QueuedBuckets',
  'HealedBuckets',
  'HealID',
  'ItemsSkipped',
  'BytesSkipped',
  'RetryAttempts',
  'Finished',
] as const

type TextName = (typeof TEXTS)[number]
type TimeName = (typeof TIMES)[number]
type SignedName = (typeof SIGNED)[number]
type CounterName = (typeof COUNTERS)[number]
type ListName = (typeof LISTS)[number]

/** Fields under the names that they have on the drive; missing ones are zero. */
export interface HealingTracker {
  readonly texts: ReadonlyMap<TextName, string>
  /** Nanoseconds since 1970. */
  readonly times: ReadonlyMap<TimeName, bigint>
  readonly positions: ReadonlyMap<SignedName, number>
  readonly counters: ReadonlyMap<CounterName, number>
  readonly lists: ReadonlyMap<ListName, readonly string[]>
  readonly finished: boolean
  /** Encoded fields that Cairn does not know, and their number. */
  readonly kept?: { readonly count: number; readonly fields: Uint8Array } | undefined
}

export interface NewHealing {
  /** Drive UUID, text. */
  readonly driveId: string
  readonly healId: string
  readonly pool: number
  readonly set: number
  readonly position: number
  readonly path: string
  readonly endpoint: string
  readonly startedNs: bigint
  readonly buckets: readonly string[]
}

/** The tracker of a drive that was just formatted in place of another. */
export function newHealingTracker(healing: NewHealing): HealingTracker {
  return {
    texts: new Map<TextName, string>([
      ['ID', healing.driveId],
      ['HealID', healing.healId],
      ['Path', healing.path],
      ['Endpoint', healing.endpoint],
    ]),
    times: new Map<TimeName, bigint>([
      ['Started', healing.startedNs],
      ['LastUpdate', healing.startedNs],
    ]),
    positions: new Map<SignedName, number>([
      ['PoolIndex', healing.pool],
      ['SetIndex', healing.set],
      ['DiskIndex', healing.position],
    ]),
    counters: new Map(),
    lists: new Map<ListName, readonly string[]>([['QueuedBuckets', healing.buckets]]),
    finished: false,
  }
}

/** Errors: FormatError. */
export function parseHealingTracker(bytes: Uint8Array): HealingTracker {
  const reader = new MsgpackReader(bytes)
  const keeper = new FieldKeeper(reader)
  const texts = new Map<TextName, string>()
  const times = new Map<TimeName, bigint>()
  const positions = new Map<SignedName, number>()
  const counters = new Map<CounterName, number>()
  const lists = new Map<ListName, readonly string[]>()
  let finished = false
  keeper.read((key) => {
    if (isOneOf(TEXTS, key)) texts.set(key, reader.readText())
    else if (isOneOf(TIMES, key)) times.set(key, reader.readTimeNs())
    else if (isOneOf(SIGNED, key)) positions.set(key, reader.readInteger())
    else if (isOneOf(COUNTERS, key)) counters.set(key, reader.readInteger())
    else if (isOneOf(LISTS, key)) lists.set(key, readList(reader, readText) ?? [])
    else if (key === 'Finished') finished = reader.readBoolean()
    else return false
    return true
  })
  const kept = keeper.count === 0 ? undefined : { count: keeper.count, fields: keeper.fields }
  return { texts, times, positions, counters, lists, finished, kept }
}

export function encodeHealingTracker(tracker: HealingTracker): Uint8Array {
  const writer = new MsgpackWriter(1024)
  writer.mapHeader16(ORDER.length + (tracker.kept?.count ?? 0))
  for (const name of ORDER) {
    writer.text(name)
    if (isOneOf(TEXTS, name)) writer.text(tracker.texts.get(name) ?? '')
    else if (isOneOf(TIMES, name)) writer.timeNs(tracker.times.get(name) ?? ZERO_TIME_NS)
    else if (isOneOf(SIGNED, name)) writer.signed(tracker.positions.get(name) ?? 0)
    else if (isOneOf(COUNTERS, name)) writer.unsigned(tracker.counters.get(name) ?? 0)
    else if (isOneOf(LISTS, name)) writeTexts(writer, tracker.lists.get(name) ?? [])
    else writer.boolean(tracker.finished)
  }
  if (tracker.kept !== undefined) writer.raw(tracker.kept.fields)
  return writer.view()
}

function isOneOf<T extends string>(names: readonly T[], name: string): name is T {
  return names.some((known) => known === name)
}

function readText(reader: MsgpackReader): string {
  return reader.readText()
}

function writeTexts(writer: MsgpackWriter, texts: readonly string[]): void {
  writer.arrayHeader(texts.length)
  for (const text of texts) writer.text(text)
}
