import { compareUtf8 } from '#base/bytes'
import { DriveError, type Drive, type DriveResult, type WalkEntry } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import type { FormatHashes } from '#drive/xl-meta'
import type { EngineContext, StorageClasses } from '../context.ts'
import { objectErrorOf, noReadQuorum } from '../errors.ts'
import { ObjectError } from '../object.ts'
import { sureCountOf } from '../placement.ts'
import type { SetDrives } from '../quorum/fan-out.ts'
import type { Patience } from '../quorum/patience.ts'
import type { RepairReason } from '../repair-sink.ts'
import { DrivePages } from './drive-pages.ts'
import type { ListedName, ListedVersion, NameCursor, NameRequest } from './name-source.ts'
import { mayHide, mergeCopies, sameVersions, type KeyCopies } from './resolve.ts'

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

/**
 * The names of one erasure set: the walks of its drives, merged and resolved by quorum.
 *
 * Quorum is floor((drives + 1) / 2) of all but healing drives (distributed.md 4.7). Only as many of them walk as are needed
 * for one of them to know (`sureCountOf`): of any acknowledged write or delete, and of what an interrupted one left that
 * readers take. While these agree on every version they know it all. Where they differ, the metadata of all drives is
 * read for that key. A drive that fails, or keeps the others waiting, is left out, and a spare one goes on in its place.
 */
export class SetNames implements NameCursor {
  readonly #context: ListContext
  readonly #set: ListedSet
  readonly #request: NameRequest
  /** By position; undefined: not asked or failed. */
  readonly #pages: (DrivePages | undefined)[]
  /** Positions of drives that were not asked yet. */
  readonly #spares: number[] = []
  readonly #quorum: number
  readonly #sureCount: number
  /** Names up to here were taken. */
  #position: string
  #failure: DriveError | undefined
  #volumeMissing = 0
  #reports = 0

  constructor(context: ListContext, set: ListedSet, request: NameRequest) {
    this.#context = context
    this.#set = set
    this.#request = request
    this.#position = request.startAfter
    this.#sureCount = sureCountOf(set.drives.length, context.storage.standardParity)
    let counted = 0
    for (const [position, drive] of set.drives.entries()) {
      if (set.isHealing?.(position) === true) continue
      counted++
      if (drive?.isOnline() === true) this.#spares.push(position)
    }
    this.#quorum = Math.floor((counted + 1) / 2)
    this.#pages = set.drives.map(() => undefined)
    for (let i = 0; i < this.#sureCount; i++) this.#openSpare()
  }

  seek(name: string): void {
    if (compareUtf8(name, this.#position) > 0) this.#position = name
    for (const pages of this.#pages) pages?.seek(name)
  }

  /** Lets one more drive walk, if there is any. */
  #openSpare(): void {
    const position = this.#spares.shift()
    const drive = position === undefined ? undefined : this.#set.drives[position]
    if (position === undefined || drive === undefined) return
    const { bucket, prefix, recursive, expected } = this.#request
    const pages = { volume: bucket, prefix, startAfter: this.#position, recursive, expected }
    this.#pages[position] = new DrivePages(drive, pages)
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
    const wanted = this.#pages.map((pages) => pages?.isReady === false)
    // Not those that take the place of others when the answers are in.
    const isWanted = (position: number): boolean => wanted[position] === true
    const ready = this.#pages.filter((pages) => pages?.isReady === true).length
    // While there is a spare, one drive fewer will do.
    const enough = this.#spares.length === 0 ? this.#sureCount : this.#sureCount - 1
    const { outcomes } = await this.#set.patience.ask(
      { quorum: enough - ready, select: isWanted },
      (_, position) => this.#pages[position]?.fetch() ?? Promise.resolve(undefined),
    )
    for (const [position, outcome] of outcomes.entries()) {
      if (!(outcome instanceof DriveError) || !isWanted(position)) continue
      this.#pages[position] = undefined
      if (outcome.code === 'VolumeNotFound') this.#volumeMissing++
      else this.#failure = outcome
      this.#openSpare()
    }
  }

  #checkQuorum(): void {
    if (this.#walking >= this.#quorum && this.#quorum > 0) return
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
    this.#position = first.name
    return this.#pages.map((pages) => {
      const head = pages?.head
      if (pages === undefined || head === undefined) return undefined
      if (head.name !== first.name || head.isPrefix !== first.isPrefix) return undefined
      pages.advance()
      return head
    })
  }

  /** A folder that a quorum does not know, whatever the drives that do not walk have, holds no key that a quorum knows. */
  #resolveFolder(
    first: WalkEntry,
    holders: readonly (WalkEntry | undefined)[],
  ): ListedName | undefined {
    const count = holders.filter((entry) => entry !== undefined).length
    const others = this.#set.drives.length - this.#walking
    if (count + others < this.#quorum) return undefined
    // Drives that name different first keys may all have missed deletes: then nothing may be left that is seen.
    const isUnanimous =
      count === this.#walking && holders.every((entry) => hasSameFirstKey(entry, first))
    return { name: first.name, isFolder: true, versions: [], isUnanimous }
  }

  async #resolveKey(
    first: WalkEntry,
    holders: readonly (WalkEntry | undefined)[],
  ): Promise<ListedName | undefined> {
    const { name } = first
    const copies: Uint8Array[] = []
    for (const entry of holders) if (entry?.metadata !== undefined) copies.push(entry.metadata)
    const agreed =
      copies.length === this.#walking && copies.length >= this.#quorum
        ? sameVersions(copies, this.#context.codec)
        : undefined
    return agreed === undefined ? this.#settle(name) : keyOf(name, agreed)
  }

  get #walking(): number {
    let count = 0
    for (const pages of this.#pages) if (pages !== undefined) count++
    return count
  }

  /** The drives differ on a key, perhaps because it was written while their pages were read: asks all of them anew. */
  async #settle(name: string): Promise<ListedName | undefined> {
    const { codec } = this.#context
    const first = await this.#readCopies(name, this.#sureCount)
    let { outcomes, key } = first
    // The drives that are late decide.
    if (first.isLate && mayHide(key, this.#quorum, codec)) {
      ;({ outcomes, key } = await this.#readCopies(name, Infinity))
    }
    // Readers are told the same: what may be stored must not look as if it were not.
    if (mayHide(key, this.#quorum, codec)) {
      this.#report(name, 'missing')
      throw noReadQuorum({ bucket: this.#request.bucket })
    }
    const { copies } = key
    if (copies.length === 0 && outcomes.every(isMissing)) return undefined // deleted meanwhile
    const asked = this.#walking + this.#spares.length
    const agreed = copies.length === asked ? sameVersions(copies, codec) : undefined
    if (agreed !== undefined) return keyOf(name, agreed)
    this.#report(name, copies.length === asked ? 'disagreement' : 'missing')
    return keyOf(name, mergeCopies(key, this.#quorum, codec))
  }

  /** The metadata of a key on all drives; those that are late when `quorum` drives have told are not waited for. */
  async #readCopies(
    name: string,
    quorum: number,
  ): Promise<{
    readonly outcomes: readonly DriveResult<Uint8Array>[]
    readonly key: KeyCopies
    readonly isLate: boolean
  }> {
    const path = encodeKey(name)
    const isAsked = (position: number): boolean =>
      this.#pages[position] !== undefined || this.#spares.includes(position)
    const counts = (outcome: DriveResult<Uint8Array>): boolean =>
      !(outcome instanceof DriveError) || isAbsent(outcome)
    const { outcomes, late } = await this.#set.patience.ask(
      { quorum, counts, select: isAsked },
      (drive: Drive) => drive.readMetadata(this.#request.bucket, path, { inline: false }),
    )
    const copies: Uint8Array[] = []
    for (const outcome of outcomes) if (!(outcome instanceof DriveError)) copies.push(outcome)
    const key = {
      copies,
      absent: outcomes.filter(isAbsent).length,
      driveCount: this.#set.drives.length,
      standardParity: this.#context.storage.standardParity,
    }
    return { outcomes, key, isLate: late !== undefined }
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

function hasSameFirstKey(entry: WalkEntry | undefined, first: WalkEntry): boolean {
  if (entry === undefined) return true
  return entry.firstKey !== undefined && entry.firstKey === first.firstKey
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
