import { compareUtf8 } from '#base/bytes'
import { DriveError, type Drive, type WalkEntry } from '#drive/drive'

/** Most entries of one walk call, the bound on what a list keeps of each drive (distributed.md D7.5): a full reply and the one entry that tells whether there are more. */
const PAGE_SIZE_MAX = 1001
const PAGE_SIZE_MIN = 1

export interface PagesRequest {
  readonly volume: string
  readonly prefix: string
  readonly startAfter: string
  readonly recursive: boolean
  readonly expected: number
}

/**
 * The walk of one drive as a sequence with a head, fetched in pages.
 *
 * A page is fetched only when the one before is used up, so that a slow reader holds at most one page of each drive.
 * Pages begin at the expected size and grow while they are used up wholly; a seek past the page makes them small again.
 */
export class DrivePages {
  readonly #drive: Drive
  readonly #request: PagesRequest
  #position: string
  #entries: readonly WalkEntry[] = []
  #index = 0
  #isLast = false
  #pageSize: number

  constructor(drive: Drive, request: PagesRequest) {
    this.#drive = drive
    this.#request = request
    this.#position = request.startAfter
    this.#pageSize = clampPageSize(request.expected)
  }

  /** The current entry; undefined at the end, or when `isReady` is false. */
  get head(): WalkEntry | undefined {
    return this.#entries[this.#index]
  }

  /** False: `fetch` must run before `head` means anything. */
  get isReady(): boolean {
    return this.#index < this.#entries.length || this.#isLast
  }

  advance(): void {
    this.#index++
  }

  /** Skips entries up to and including `name`. */
  seek(name: string): void {
    while (this.#index < this.#entries.length) {
      const entry = this.#entries[this.#index]
      if (entry === undefined || compareUtf8(entry.name, name) > 0) return
      this.#index++
    }
    if (compareUtf8(name, this.#position) > 0) {
      this.#position = name
      this.#pageSize = clampPageSize(Math.min(this.#pageSize, this.#request.expected) / 4)
    }
  }

  /** Fetches the next page; undefined: `isReady` holds now. A drive without the bucket or folder has no entries. */
  async fetch(): Promise<DriveError | undefined> {
    const { volume, prefix, recursive } = this.#request
    const reply = await this.#drive.walk({
      volume,
      prefix,
      startAfter: this.#position,
      recursive,
      limit: this.#pageSize,
      metadata: true,
    })
    this.#entries = []
    this.#index = 0
    if (reply instanceof DriveError) {
      if (reply.code !== 'FileNotFound') return reply
      this.#isLast = true // no folder of that name here: nothing to list
      return undefined
    }
    const last = reply.entries.at(-1)
    if (last === undefined && !reply.done) {
      return new DriveError('Unexpected', `Walk of "${volume}" stopped before its end`)
    }
    this.#entries = reply.entries
    this.#isLast = reply.done
    // A drive may answer the folder again that holds the position. Where a page holds nothing else, the next is longer.
    this.seek(this.#position)
    if (last !== undefined && compareUtf8(last.name, this.#position) > 0) this.#position = last.name
    this.#pageSize = clampPageSize(this.#pageSize * 2)
    return undefined
  }
}

function clampPageSize(size: number): number {
  return Math.max(PAGE_SIZE_MIN, Math.min(PAGE_SIZE_MAX, Math.ceil(size)))
}
