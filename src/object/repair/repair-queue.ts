import { textOf, utf8 } from '#base/bytes'
import type { Clock } from '#base/clock'
import { CAIRN_VOLUME, DriveError, type Drive } from '#drive/drive'
import type { Log } from '#observe/log'
import type { RepairItem, RepairReason, RepairSink } from '../repair-sink.ts'

/**
 * Keys that owe a repair, kept over restarts.
 *
 * An item is in the journals of two drives before `report` resolves. A journal is a file of JSON lines; it is written
 * anew when most of its lines are done. After a crash items may be repaired twice, which changes nothing.
 * Beyond `ITEMS_MAX` keys a set is marked as dirty instead: then all of its keys are looked through.
 */

const JOURNAL_PATH = 'repair/queue.jsonl'
const JOURNAL_COPIES = 2
const ITEMS_MAX = 100_000
/** A journal with this many lines more than items is written anew. */
const DONE_LINES_MAX = 2000
const RETRY_FIRST_MS = 5000
const RETRY_LAST_MS = 300_000

export interface QueuedRepair extends RepairItem {
  readonly attempts: number
}

export interface DirtySet {
  readonly pool: number
  readonly set: number
}

interface Entry {
  item: RepairItem
  attempts: number
  /** Monotonic milliseconds; not before. */
  dueMs: number
  isTaken: boolean
  /** Reported again while it was being repaired. */
  isAgain: boolean
}

export class RepairQueue implements RepairSink {
  readonly #drives: readonly Drive[]
  readonly #clock: Clock
  readonly #log: Log
  /** In order of report. */
  readonly #entries = new Map<string, Entry>()
  readonly #dirty = new Map<string, DirtySet>()
  #unwritten: string[] = []
  #writing: Promise<void> | undefined
  #journalLines = 0
  #wake: (() => void) | undefined

  constructor(drives: readonly Drive[], clock: Clock, log: Log) {
    this.#drives = drives
    this.#clock = clock
    this.#log = log
  }

  get size(): number {
    return this.#entries.size
  }

  get dirtySets(): readonly DirtySet[] {
    return [...this.#dirty.values()]
  }

  /** Reads what earlier runs left. Call once, before the first report. */
  async load(): Promise<void> {
    for (const drive of this.#drives) {
      const files = await drive.readSmallFiles(CAIRN_VOLUME, [JOURNAL_PATH])
      if (files instanceof DriveError) continue
      for (const line of textOf(files[0] ?? new Uint8Array()).split('\n')) {
        const parsed = parseLine(line)
        if (parsed === undefined) continue
        if ('bucket' in parsed) this.#add(parsed)
        else this.#dirty.set(dirtyName(parsed), parsed)
        this.#journalLines++
      }
    }
    this.#unwritten = []
    if (this.#entries.size > 0 || this.#dirty.size > 0) {
      this.#log.info('Repairs are owed from before', {
        keys: this.#entries.size,
        sets: this.#dirty.size,
      })
    }
  }

  async report(item: RepairItem): Promise<void> {
    if (this.#entries.size >= ITEMS_MAX && !this.#entries.has(nameOf(item))) this.#markDirty(item)
    else if (!this.#add(item)) return
    this.#wake?.()
    await this.#flush()
  }

  /** The next item that is due, or undefined after `waitMs` without one. Give it back with `done` or `retry`. */
  async take(waitMs: number, signal: AbortSignal): Promise<QueuedRepair | undefined> {
    const now = this.#clock.monotonicMs()
    for (const entry of this.#entries.values()) {
      if (entry.isTaken || entry.dueMs > now) continue
      entry.isTaken = true
      entry.isAgain = false
      return { ...entry.item, attempts: entry.attempts }
    }
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await this.#clock.sleep(waitMs, AbortSignal.any([signal, woken.signal]))
    this.#wake = undefined
    return undefined
  }

  async done(item: RepairItem): Promise<void> {
    const entry = this.#entries.get(nameOf(item))
    if (entry === undefined) return
    if (entry.isAgain) {
      entry.isTaken = false
      entry.attempts = 0
      return
    }
    this.#entries.delete(nameOf(item))
    if (this.#journalLines > this.#entries.size + DONE_LINES_MAX || this.#entries.size === 0) {
      await this.#rewrite()
    }
  }

  /** Puts an item back, later each time. */
  retry(item: RepairItem): void {
    const entry = this.#entries.get(nameOf(item))
    if (entry === undefined) return
    entry.isTaken = false
    entry.dueMs =
      this.#clock.monotonicMs() + Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** entry.attempts)
    entry.attempts++
  }

  /** A drive came back: everything is worth another try now. */
  retryAll(): void {
    for (const entry of this.#entries.values()) {
      entry.dueMs = 0
      entry.attempts = 0
    }
    this.#wake?.()
  }

  async markClean(set: DirtySet): Promise<void> {
    this.#dirty.delete(dirtyName(set))
    await this.#rewrite()
  }

  /** True when the item has to be written to the journals. */
  #add(item: RepairItem): boolean {
    const name = nameOf(item)
    const known = this.#entries.get(name)
    if (known === undefined) {
      this.#entries.set(name, { item, attempts: 0, dueMs: 0, isTaken: false, isAgain: false })
      this.#unwritten.push(JSON.stringify(item))
      return true
    }
    known.isAgain = true
    if (known.item.versionId === undefined || known.item.versionId === item.versionId) return false
    known.item = { ...known.item, versionId: undefined }
    this.#unwritten.push(JSON.stringify(known.item))
    return true
  }

  #markDirty({ pool, set }: RepairItem): void {
    const dirty = { pool, set }
    if (this.#dirty.has(dirtyName(dirty))) return
    this.#log.warn('Too many repairs are owed: the whole set will be looked through', dirty)
    this.#dirty.set(dirtyName(dirty), dirty)
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
      this.#writing = this.#write(lines, (drive, bytes) =>
        drive.appendSmallFile(CAIRN_VOLUME, JOURNAL_PATH, bytes),
      )
      await this.#writing
      this.#writing = undefined
    }
    await this.#writing
  }

  async #rewrite(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    this.#unwritten = []
    const lines = [...this.#entries.values()].map(({ item }) => JSON.stringify(item))
    lines.push(...this.dirtySets.map((dirty) => JSON.stringify(dirty)))
    this.#journalLines = lines.length
    this.#writing = this.#write(lines, (drive, bytes) =>
      drive.writeSmallFile(CAIRN_VOLUME, JOURNAL_PATH, bytes),
    )
    await this.#writing
    this.#writing = undefined
  }

  async #write(
    lines: readonly string[],
    put: (drive: Drive, bytes: Uint8Array) => Promise<void | DriveError>,
  ): Promise<void> {
    const bytes = utf8(lines.map((line) => `${line}\n`).join(''))
    let copies = 0
    for (const drive of this.#drives) {
      if (copies === JOURNAL_COPIES) break
      if (!drive.isOnline()) continue
      const result = await put(drive, bytes)
      if (!(result instanceof DriveError)) copies++
    }
    if (copies === 0) this.#log.error('Cannot keep the list of repairs on any drive')
  }
}

function nameOf({ pool, set, bucket, path }: RepairItem): string {
  return `${pool}/${set}/${bucket}/${path}`
}

function dirtyName({ pool, set }: DirtySet): string {
  return `${pool}/${set}`
}

const REASONS: readonly RepairReason[] = ['missed', 'missing', 'corrupt', 'disagreement']

/** A line that a crash cut, or that another release wrote, is skipped. */
function parseLine(line: string): RepairItem | DirtySet | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined // the torn last line of a journal
  }
  if (typeof value !== 'object' || value === null) return undefined
  const field = (name: string): unknown => Reflect.get(value, name)
  const [pool, set, bucket, path] = [field('pool'), field('set'), field('bucket'), field('path')]
  if (typeof pool !== 'number' || typeof set !== 'number') return undefined
  if (typeof bucket !== 'string' || typeof path !== 'string') return { pool, set }
  const versionId = field('versionId')
  const reason = REASONS.find((one) => one === field('reason')) ?? 'missed'
  return {
    pool,
    set,
    bucket,
    path,
    reason,
    versionId: typeof versionId === 'string' ? versionId : undefined,
  }
}
