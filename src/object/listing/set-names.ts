import { compareUtf8 } from '#base/bytes'
import { DriveError, type Drive, type DriveResult, type WalkEntry } from '#drive/drive'
import type { FormatHashes } from '#drive/xl-meta'
import type { EngineContext, StorageClasses } from '../context.ts'
import { objectErrorOf, noReadQuorum } from '../errors.ts'
import { ObjectError } from '../object.ts'
import { encodeKey, sureCountOf } from '../placement.ts'
import type { SetDrives } from '../quorum/fan-out.ts'
import type { Patience } from '../quorum/patience.ts'
import type { RepairReason } from '../repair-sink.ts'
import { DrivePages } from './drive-pages.ts'
import type { ListedName, ListedVersion, NameCursor, NameRequest } from './name-source.ts'
import { mergeCopies, sameVersions } from './resolve.ts'

/** What listing must know of an erasure set. */
export interface ListedSet {
  readonly pool: number
  readonly index: number
  /** By position. */
  readonly drives: SetDrives
  readonly patience: Patience
  /** A drive that is being refilled is not asked: what it lacks says nothing. */
  isHealing?(position: number): boolean
}

export type ListContext = Pick<EngineContext, 'repairs'> & {
  readonly codec: FormatHashes
  readonly storage: Pick<StorageClasses, 'standardParity'>
}

/** One list tells the healer of this many keys at most; the scanner finds the rest. */
const REPORTS_MAX = 64
/** After so many keys on which the drives differ, all drives send metadata with their pages. */
const DISAGREEMENTS_MAX = 8

/**
 * The names of one erasure set: the walks of its drives, merged and resolved by quorum.
 *
 * Quorum is floor((asked + 1) / 2) of the drives asked, which are all but healing ones (distributed.md 4.7). All of them
 * send names, but only as many send metadata as are needed for one of them to know (`sureCountOf`): of any acknowledged
 * write or delete, and of what an interrupted one left that readers take. While these agree on every version they know
 * it all. Where they differ, the metadata of the other drives is read for that key. A drive that keeps enough others waiting
 * is left out of the list like one that failed.
 */
export class SetNames implements NameCursor {
  readonly #context: ListContext
  readonly #set: ListedSet
  readonly #request: NameRequest
  /** By position; undefined: not asked or failed. */
  readonly #pages: (DrivePages | undefined)[]
  readonly #asked: number
  readonly #quorum: number
  readonly #sureCount: number
  #failure: DriveError | undefined
  #volumeMissing = 0
  #reports = 0
  #disagreements = 0

  constructor(context: ListContext, set: ListedSet, request: NameRequest) {
    this.#context = context
    this.#set = set
    this.#request = request
    const healing = set.drives.map((_, position) => set.isHealing?.(position) === true)
    this.#asked = healing.filter((isHealing) => !isHealing).length
    this.#quorum = Math.floor((this.#asked + 1) / 2)
    const senders = sureCountOf(set.drives.length, context.storage.standardParity)
    this.#sureCount = senders
    let withMetadata = 0
    this.#pages = set.drives.map((drive, position) => {
      if (drive?.isOnline() !== true || healing[position] === true) return undefined
      const pages = {
        volume: request.bucket,
        prefix: request.prefix,
        startAfter: request.startAfter,
        recursive: request.recursive,
        expected: request.expected,
      }
      return new DrivePages(drive, pages, withMetadata++ < senders)
    })
  }

  seek(name: string): void {
    for (const pages of this.#pages) pages?.seek(name)
  }

  async next(): Promise<ListedName | undefined> {
    for (;;) {
      while (this.#pages.some((pages) => pages?.isReady === false)) await this.#fetch()
      this.#checkQuorum()
      const first = this.#firstHead()
      if (first === undefined) return undefined
      const holders = this.#takeHeads(first)
      const listed = first.isPrefix
        ? this.#resolveFolder(first, holders)
        : await this.#resolveKey(first, holders)
      if (listed !== undefined) return listed
    }
  }

  async #fetch(): Promise<void> {
    const isWanted = (position: number): boolean => this.#pages[position]?.isReady === false
    const ready = this.#pages.filter((pages) => pages?.isReady === true).length
    const { outcomes } = await this.#set.patience.ask(
      { quorum: this.#sureCount - ready, select: isWanted },
      (_, position) => this.#pages[position]?.fetch() ?? Promise.resolve(undefined),
    )
    for (const [position, outcome] of outcomes.entries()) {
      if (!(outcome instanceof DriveError) || !isWanted(position)) continue
      this.#pages[position] = undefined
      if (outcome.code === 'VolumeNotFound') this.#volumeMissing++
      else this.#failure = outcome
      // The lost drive may have been one that sent metadata: another takes its place.
      const substitute = this.#pages.find((pages) => pages?.metadata === false)
      if (substitute !== undefined) substitute.metadata = true
    }
  }

  #checkQuorum(): void {
    const answering = this.#pages.filter((pages) => pages !== undefined).length
    if (answering >= this.#quorum && this.#quorum > 0) return
    const details = { bucket: this.#request.bucket }
    if (this.#volumeMissing >= Math.max(this.#quorum, 1)) {
      throw new ObjectError(
        'BucketNotFound',
        `Bucket "${this.#request.bucket}" does not exist`,
        details,
      )
    }
    throw this.#failure === undefined
      ? noReadQuorum(details)
      : objectErrorOf(this.#failure, 'read', details)
  }

  /** The smallest head. */
  #firstHead(): WalkEntry | undefined {
    let first: WalkEntry | undefined
    for (const pages of this.#pages) {
      const head = pages?.head
      if (head === undefined) continue
      if (first === undefined || compareEntries(head, first) < 0) first = head
    }
    return first
  }

  /** Takes the entries equal to `first` from all drives; by position. */
  #takeHeads(first: WalkEntry): (WalkEntry | undefined)[] {
    return this.#pages.map((pages) => {
      const head = pages?.head
      if (pages === undefined || head === undefined) return undefined
      if (head.name !== first.name || head.isPrefix !== first.isPrefix) return undefined
      pages.advance()
      return head
    })
  }

  /** A folder that fewer drives know than a quorum holds no key that a quorum knows. */
  #resolveFolder(
    first: WalkEntry,
    holders: readonly (WalkEntry | undefined)[],
  ): ListedName | undefined {
    const count = holders.filter((entry) => entry !== undefined).length
    if (count < this.#quorum) return undefined
    return { name: first.name, isFolder: true, versions: [], isUnanimous: count === this.#asked }
  }

  async #resolveKey(
    first: WalkEntry,
    holders: readonly (WalkEntry | undefined)[],
  ): Promise<ListedName | undefined> {
    const { name } = first
    const copies: Uint8Array[] = []
    let senders = 0
    let isEverywhere = true
    for (const [position, pages] of this.#pages.entries()) {
      if (pages === undefined) continue
      const entry = holders[position]
      if (entry === undefined) isEverywhere = false
      if (entry?.metadata !== undefined) copies.push(entry.metadata)
      if (entry?.metadata !== undefined || (entry === undefined && pages.metadata)) senders++
    }
    const agreed =
      senders === copies.length && copies.length >= this.#quorum
        ? sameVersions(copies, this.#context.codec)
        : undefined
    if (agreed !== undefined) {
      if (!isEverywhere) this.#report(name, 'missing')
      return keyOf(name, agreed)
    }
    return this.#settle(name)
  }

  /** The drives differ on a key, perhaps because it was written while their pages were read: asks all of them anew. */
  async #settle(name: string): Promise<ListedName | undefined> {
    if (++this.#disagreements === DISAGREEMENTS_MAX) {
      for (const pages of this.#pages) if (pages !== undefined) pages.metadata = true
    }
    const path = encodeKey(name)
    const { outcomes } = await this.#set.patience.ask(
      { quorum: this.#sureCount, select: (position) => this.#pages[position] !== undefined },
      (drive: Drive) => drive.readMetadata(this.#request.bucket, path, { inline: false }),
    )
    const copies: Uint8Array[] = []
    for (const outcome of outcomes) if (!(outcome instanceof DriveError)) copies.push(outcome)
    if (copies.length === 0 && outcomes.every(isMissing)) return undefined // deleted meanwhile
    const asked = this.#pages.filter((pages) => pages !== undefined).length
    const agreed = copies.length === asked ? sameVersions(copies, this.#context.codec) : undefined
    if (agreed !== undefined) return keyOf(name, agreed)
    this.#report(name, copies.length === asked ? 'disagreement' : 'missing')
    const key = {
      copies,
      absent: outcomes.filter(isAbsent).length,
      driveCount: this.#set.drives.length,
      standardParity: this.#context.storage.standardParity,
    }
    return keyOf(name, mergeCopies(key, this.#quorum, this.#context.codec))
  }

  #report(name: string, reason: RepairReason): void {
    if (this.#reports++ >= REPORTS_MAX) return
    void this.#context.repairs.report({
      pool: this.#set.pool,
      set: this.#set.index,
      bucket: this.#request.bucket,
      path: encodeKey(name),
      reason,
    })
  }
}

function keyOf(name: string, versions: readonly ListedVersion[]): ListedName | undefined {
  // Only free versions: the key is gone for every reader.
  return versions.length === 0 ? undefined : { name, isFolder: false, versions, isUnanimous: false }
}

function compareEntries(a: WalkEntry, b: WalkEntry): number {
  return compareUtf8(a.name, b.name) || Number(a.isPrefix) - Number(b.isPrefix)
}

function isMissing(outcome: DriveResult<unknown>): boolean {
  return isAbsent(outcome) || (outcome instanceof DriveError && outcome.code === 'DriveNotFound')
}

function isAbsent(outcome: DriveResult<unknown>): boolean {
  return outcome instanceof DriveError && outcome.code === 'FileNotFound'
}
