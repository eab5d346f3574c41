import { textOf, utf8 } from '#base/bytes'
import type { Clock } from '#base/clock'
import { CAIRN_VOLUME, DriveError, type Drive, type DriveReply } from '#drive/drive'
import type { Log } from '#observe/log'
import { isAnswered, mergeItems, repairItemFrom, type DirtySet } from './repair-item.ts'
import type { RepairItem, RepairSink } from './repair-sink.ts'

/**
 * Keys that owe a repair, kept over restarts.
 *
 * An item is in the journals of two drives before `report` resolves. A journal is a file of JSON lines; it is written
 * anew when most of its lines are done, and on drives that come into use later. After a crash items may be repaired
 * twice, which changes nothing.
 * Beyond `ITEMS_MAX` keys, or `BYTES_MAX` bytes of journal, a set is marked as dirty instead: then all of its keys are
 * looked through.
 *
 *   ready ──take──> taken ──done──> gone
 *     ^               │ └─retry──> waiting
 *     └── due, or a drive came back ──┘
 */

const JOURNAL_PATH = 'repair/queue.jsonl'
const JOURNAL_COPIES = 2
const ITEMS_MAX = 100_000
/** Of all items as lines. */
const BYTES_MAX = 12 * 1_048_576
/** A journal with this many lines more than items, or with so many bytes, is written anew. Small files are read up to 16 MiB. */
const DONE_LINES_MAX = 2000
const JOURNAL_BYTES_MAX = 14 * 1_048_576
/** A drive that takes longer keeps no journal until it has answered: writers wait for this. */
const JOURNAL_MS_MAX = 1000
const SLOW = new DriveError('DriveTimeout', 'Drive did not answer in time')
const RETRY_FIRST_MS = 5000
const RETRY_LAST_MS = 300_000
/** How often waiting items are looked through. */
const DUE_CHECK_MS = 1000

export interface QueuedRepair extends RepairItem {
  /** How often it was tried before. */
  readonly attempts: number
}

/** A set all of whose keys are to be looked through. `marks` grows with each new reason. */
export interface MarkedSet extends DirtySet {
  readonly marks: number
}

export interface RepairQueueOptions {
  /** Of this node; the first ones that are online keep the journal. */
  readonly drives: readonly Drive[]
  readonly clock: Clock
  readonly log: Log
  readonly itemsMax?: number
}

interface Entry {
  item: RepairItem
  lineBytes: number
  attempts: number
  /** Monotonic milliseconds; not before. */
  dueMs: number
  state: 'ready' | 'waiting' | 'taken'
  /** Reported again while it was being repaired. */
  isAgain: boolean
}

export class RepairQueue implements RepairSink {
  readonly #drives: readonly Drive[]
  readonly #clock: Clock
  readonly #log: Log
  readonly #itemsMax: number
  readonly #entries = new Map<string, Entry>()
  /** Names of entries that are ready, in order; a set keeps the order of addition. */
  readonly #ready = new Set<string>()
  readonly #dirty = new Map<string, MarkedSet>()
  /** Drives whose journal has every item. */
  readonly #journals = new Set<Drive>()
  /** Drives that owe the answer to a write of their journal. */
  readonly #slow = new Set<Drive>()
  #unwritten: string[] = []
  #writing: Promise<void> | undefined
  #journalLines = 0
  #journalBytes = 0
  #entryBytes = 0
  #dueCheckedMs = -Infinity
  readonly #wakers = new Set<() => void>()

  constructor(options: RepairQueueOptions) {
    this.#drives = options.drives
    this.#clock = options.clock
    this.#log = options.log
    this.#itemsMax = options.itemsMax ?? ITEMS_MAX
  }

  get size(): number {
    return this.#entries.size
  }

  get dirtySets(): readonly MarkedSet[] {
    return [...this.#dirty.values()]
  }

  /** Reads what earlier runs left, from all drives, and writes it to those that keep it now. Call once, before the first report. */
  async load(): Promise<void> {
    const found: Drive[] = []
    for (const drive of this.#drives) {
      if (!drive.isOnline()) continue
      const files = await drive.readSmallFiles(CAIRN_VOLUME, [JOURNAL_PATH])
      if (files instanceof DriveError) {
        this.#log.warn('Cannot read the list of repairs', { drive: drive.endpoint, error: files })
        continue
      }
      const [bytes] = files
      if (bytes === undefined) continue
      found.push(drive)
      for (const line of textOf(bytes).split('\n')) {
        const parsed = parseLine(line)
        if (parsed === undefined) continue
        if (!('bucket' in parsed)) this.#dirty.set(dirtyName(parsed), { ...parsed, marks: 1 })
        else if (this.#isFull(parsed)) this.#markDirty(parsed)
        else this.#add(parsed)
      }
    }
    this.#unwritten = []
    if (found.length > 0) await this.#rewrite()
    for (const drive of found) {
      if (!this.#journals.has(drive)) await drive.trash(CAIRN_VOLUME, JOURNAL_PATH)
    }
    if (this.#entries.size > 0 || this.#dirty.size > 0) {
      this.#log.info('Repairs are owed from before', {
        keys: this.#entries.size,
        sets: this.#dirty.size,
      })
    }
  }

  async report(item: RepairItem): Promise<void> {
    if (this.#isFull(item)) this.#markDirty(item)
    else if (this.#add(item)) this.#wakeOne()
    await this.#flush()
  }

  /** The next item that is due, or undefined after `waitMs` without one, or when `signal` aborts. Give it back with `done` or `retry`. */
  async take(waitMs: number, signal: AbortSignal): Promise<QueuedRepair | undefined> {
    const taken = this.#takeReady()
    if (taken !== undefined || signal.aborted) return taken
    const woken = new AbortController()
    const wake = (): void => woken.abort()
    this.#wakers.add(wake)
    await this.#clock.sleep(waitMs, AbortSignal.any([signal, woken.signal]))
    this.#wakers.delete(wake)
    return signal.aborted ? undefined : this.#takeReady()
  }

  #takeReady(): QueuedRepair | undefined {
    const nowMs = this.#clock.monotonicMs()
    if (this.#ready.size === 0 || nowMs - this.#dueCheckedMs >= DUE_CHECK_MS) this.#findDue(nowMs)
    const [name] = this.#ready
    const entry = name === undefined ? undefined : this.#entries.get(name)
    if (name === undefined || entry === undefined) return undefined
    this.#ready.delete(name)
    entry.state = 'taken'
    entry.isAgain = false
    return { ...entry.item, attempts: entry.attempts }
  }

  #findDue(nowMs: number): void {
    if (nowMs - this.#dueCheckedMs < DUE_CHECK_MS) return
    this.#dueCheckedMs = nowMs
    for (const [name, entry] of this.#entries) {
      if (entry.state === 'waiting' && entry.dueMs <= nowMs) this.#makeReady(name, entry)
    }
  }

  #makeReady(name: string, entry: Entry): void {
    entry.state = 'ready'
    this.#ready.add(name)
  }

  /** The item is repaired, unless it was reported again meanwhile. */
  async done(item: RepairItem): Promise<void> {
    const name = nameOf(item)
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    if (entry.isAgain) {
      entry.attempts = 0
      this.#makeReady(name, entry)
      return
    }
    this.#entries.delete(name)
    this.#ready.delete(name)
    this.#entryBytes -= entry.lineBytes
    if (this.#isJournalLong || this.#entries.size === 0) await this.#rewrite()
  }

  get #isJournalLong(): boolean {
    return (
      this.#journalLines > this.#entries.size + DONE_LINES_MAX ||
      this.#journalBytes > JOURNAL_BYTES_MAX
    )
  }

  /** Puts an item back, later each time, but not before `delayMs`. */
  retry(item: RepairItem, delayMs = 0): void {
    const entry = this.#entries.get(nameOf(item))
    if (entry === undefined) return
    const backoffMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(entry.attempts, 10))
    entry.state = 'waiting'
    entry.dueMs = this.#clock.monotonicMs() + Math.max(delayMs, backoffMs)
    entry.attempts++
  }

  /** A drive came back: everything is worth another try now. */
  retryAll(): void {
    for (const [name, entry] of this.#entries) {
      entry.attempts = 0
      if (entry.state === 'waiting') this.#makeReady(name, entry)
    }
    for (const wake of this.#wakers) wake()
  }

  /** A set was looked through that was marked so when that began. It stays marked if more came meanwhile. */
  async markClean(set: MarkedSet): Promise<void> {
    if (this.#dirty.get(dirtyName(set))?.marks !== set.marks) return
    this.#dirty.delete(dirtyName(set))
    await this.#rewrite()
  }

  #isFull(item: RepairItem): boolean {
    const isLarge = this.#entries.size >= this.#itemsMax || this.#entryBytes >= BYTES_MAX
    return isLarge && !this.#entries.has(nameOf(item))
  }

  #wakeOne(): void {
    const [wake] = this.#wakers
    if (wake === undefined) return
    this.#wakers.delete(wake)
    wake()
  }

  /** True when there is something new to do. */
  #add(item: RepairItem): boolean {
    const name = nameOf(item)
    const known = this.#entries.get(name)
    if (known === undefined) {
      const line = JSON.stringify(item)
      const entry: Entry = {
        item,
        lineBytes: utf8(line).length,
        attempts: 0,
        dueMs: 0,
        state: 'ready',
        isAgain: false,
      }
      this.#entries.set(name, entry)
      this.#ready.add(name)
      this.#entryBytes += entry.lineBytes
      this.#unwritten.push(line)
      return true
    }
    known.isAgain = true
    // Without its removed versions it is still repaired, only later in part.
    const isLarge = this.#entryBytes >= BYTES_MAX
    const merged = mergeItems(known.item, isLarge ? { ...item, removed: undefined } : item)
    if (merged === known.item) return false
    if (isAnswered(known.item, item) && known.state === 'waiting') this.#makeReady(name, known)
    const line = JSON.stringify(merged)
    const lineBytes = utf8(line).length
    this.#entryBytes += lineBytes - known.lineBytes
    known.item = merged
    known.lineBytes = lineBytes
    this.#unwritten.push(line)
    return true
  }

  #markDirty({ pool, set }: RepairItem): void {
    const dirty = { pool, set }
    const marks = this.#dirty.get(dirtyName(dirty))?.marks ?? 0
    this.#dirty.set(dirtyName(dirty), { ...dirty, marks: marks + 1 })
    if (marks > 0) return
    this.#log.warn('Too many repairs are owed: the whole set will be looked through', dirty)
    this.#unwritten.push(JSON.stringify(dirty))
  }

  /** Appends what is not written yet; reports of one moment share one append. */
  async #flush(): Promise<void> {
    while (this.#unwritten.length > 0) {
      if (this.#writing !== undefined) {
        await this.#writing
        continue
      }
      const lines = this.#unwritten
      this.#unwritten = []
      this.#journalLines += lines.length
      this.#writing = this.#append(bytesOf(lines))
      await this.#writing
      this.#writing = undefined
    }
    await this.#writing
  }

  async #rewrite(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    this.#unwritten = []
    this.#journals.clear()
    this.#writing = this.#append(new Uint8Array())
    await this.#writing
    this.#writing = undefined
  }

  /** Appends to journals that are complete; gives other drives the whole list. */
  async #append(bytes: Uint8Array): Promise<void> {
    const written: Drive[] = []
    const late: DriveReply<void>[] = []
    this.#journalBytes += bytes.length
    // Also while nothing is done: items that wait for a drive may grow again and again.
    if (this.#isJournalLong) this.#journals.clear()
    if (this.#journals.size === 0) {
      this.#journalLines = this.#entries.size + this.#dirty.size
      this.#journalBytes = this.#entryBytes
    }
    // What is added while this waits follows in the next append.
    let whole: Uint8Array | undefined
    for (const drive of this.#drives) {
      if (written.length === JOURNAL_COPIES) break
      if (!drive.isOnline() || this.#slow.has(drive)) continue
      const reply = this.#journals.has(drive)
        ? drive.appendSmallFile(CAIRN_VOLUME, JOURNAL_PATH, bytes)
        : drive.writeSmallFile(CAIRN_VOLUME, JOURNAL_PATH, (whole ??= bytesOf(this.#allLines())))
      const result = await this.#inTime(drive, reply)
      if (result === SLOW) late.push(reply)
      if (result instanceof DriveError)
        this.#log.warn('Cannot write the list of repairs', { error: result })
      else written.push(drive)
    }
    this.#journals.clear()
    for (const drive of written) this.#journals.add(drive)
    const isKept = written.length > 0 || (await Promise.all(late)).includes(undefined)
    if (!isKept) this.#log.error('Cannot keep the list of repairs on any drive')
  }

  async #inTime(drive: Drive, reply: DriveReply<void>): DriveReply<void> {
    const { promise, resolve } = Promise.withResolvers<DriveError>()
    const timer = this.#clock.setTimer(JOURNAL_MS_MAX, () => resolve(SLOW))
    const result = await Promise.race([reply, promise])
    timer.cancel()
    if (result !== SLOW) return result
    this.#slow.add(drive)
    // What it writes late is the journal of before: its items may be repaired once more.
    void reply.then(() => this.#slow.delete(drive))
    return result
  }

  #allLines(): string[] {
    const lines = [...this.#entries.values()].map(({ item }) => JSON.stringify(item))
    lines.push(...this.dirtySets.map(({ pool, set }) => JSON.stringify({ pool, set })))
    return lines
  }
}

function bytesOf(lines: readonly string[]): Uint8Array {
  return utf8(lines.map((line) => `${line}\n`).join(''))
}

function nameOf({ pool, set, bucket, path }: RepairItem): string {
  return `${pool}/${set}/${bucket}/${path}`
}

function dirtyName({ pool, set }: DirtySet): string {
  return `${pool}/${set}`
}

/** A line that a crash cut, or that another release wrote, is skipped. */
function parseLine(line: string): RepairItem | DirtySet | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined // the torn last line of a journal
  }
  return repairItemFrom(value)
}
