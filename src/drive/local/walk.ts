import { compareUtf8 } from '#base/bytes'
import { DriveError, type WalkEntry, type WalkReply, type WalkRequest } from '../drive.ts'
import { encodeFolder, encodeKey } from '../key-path.ts'
import type { DriveContext } from './drive-context.ts'
import { systemErrorCode } from './file-system.ts'
import { readMetadataFile, XL_JSON, XL_META } from './metadata-file.ts'
import { firstIndex, groupAt, itemsFrom, type Item } from './walk-items.ts'

/**
 * A seekable walk over the keys of a volume, in the order of decoded names by UTF-8 bytes.
 *
 * A directory `d` stands for up to two names: the key `d` itself (it holds metadata), and everything below `d/`. These sort
 * apart: `d` < `d-x` < `d/a`. A directory `d__XLDIR__` is the key `d/`, which sorts before everything else below `d/`.
 * So each directory gives its names as items with sort keys, sorted once:
 *
 *   d          ── item `d`   (key)     and item `d/` (below)
 *   d__XLDIR__ ── item `d/`  (key, directory object; before the item that goes below)
 *
 * A segment too long for a name goes on in a directory `<piece>~~more` (`../key-path.ts`). Its keys sort among the names of
 * the directory that begin with the same piece: both are taken together where the walk meets the piece.
 *
 * Whether an item exists (has metadata, has anything below) is looked up only when the walk reaches it. Directories are
 * read by their names; the path of a key is always the one that `encodeKey` gives, so that what a walk names can be read.
 */

/** Sorted listings kept: one for each level of a deep walk, and some more. */
const LISTINGS_MAX = 64
/** Names in kept listings: memory bound. */
const LISTING_NAMES_MAX = 2_000_000
/** Shorter listings are read anew: they must not push out those of the directories they lie in. */
const LISTING_NAMES_MIN = 16
/** A directory that changed so recently may change again without a new modification time. */
const SETTLED_NS = 100_000_000n
/** Links of a directory without sub-directories, on file systems that count them: ext, xfs, tmpfs. */
const LEAF_LINKS = 2
const COUNTING_TYPES: ReadonlySet<string> = new Set(['ef53', '58465342', '1021994'])

interface Listing {
  readonly modifiedNs: bigint
  readonly items: readonly Item[]
}

export class Walker {
  readonly #context: DriveContext
  readonly #listings = new Map<string, Listing>()
  #listedNames = 0
  #hasLinkCounts: boolean | undefined

  constructor(context: DriveContext) {
    this.#context = context
  }

  /** Throws `DriveError`. */
  walk(request: WalkRequest): WalkReply {
    this.#context.requireVolume(request.volume)
    const walk = new Walk(this.#context, request, (directory) => this.#itemsOf(directory))
    return walk.run()
  }

  #itemsOf(directory: string): readonly Item[] {
    const { fileSystem } = this.#context
    const kind = fileSystem.kindOf(directory)
    // Most objects' directories, and all data directories, are leaves: they need not be read.
    if (kind?.isDirectory !== true) return []
    if (kind.links === LEAF_LINKS && this.#countsLinks()) return []
    const stat = fileSystem.stat(directory)
    if (stat === undefined) return []
    const known = this.#listings.get(directory)
    if (known !== undefined) {
      this.#listings.delete(directory)
      this.#listedNames -= known.items.length
      if (known.modifiedNs === stat.modifiedNs) {
        this.#keep(directory, known)
        return known.items
      }
    }
    const items = itemsFrom(this.#namesOf(directory))
    if (this.#context.clock.nowNs() - stat.modifiedNs > SETTLED_NS) {
      this.#keep(directory, { modifiedNs: stat.modifiedNs, items })
    }
    return items
  }

  #countsLinks(): boolean {
    this.#hasLinkCounts ??= COUNTING_TYPES.has(
      this.#context.fileSystem.space(this.#context.root).type,
    )
    return this.#hasLinkCounts
  }

  #namesOf(directory: string): readonly string[] {
    try {
      const names: string[] = []
      for (const entry of this.#context.fileSystem.list(directory)) {
        if (entry.isDirectory) names.push(entry.name)
      }
      return names
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return []
      throw error
    }
  }

  #keep(directory: string, listing: Listing): void {
    const { length } = listing.items
    if (length < LISTING_NAMES_MIN || length > LISTING_NAMES_MAX) return
    this.#listings.set(directory, listing)
    this.#listedNames += listing.items.length
    for (const [oldest, { items }] of this.#listings) {
      if (this.#listings.size <= LISTINGS_MAX && this.#listedNames <= LISTING_NAMES_MAX) return
      this.#listings.delete(oldest)
      this.#listedNames -= items.length
    }
  }
}

class Walk {
  readonly #context: DriveContext
  readonly #request: WalkRequest
  readonly #itemsOf: (directory: string) => readonly Item[]
  readonly #volumePath: string
  readonly #entries: WalkEntry[] = []
  #isStopped = false

  constructor(
    context: DriveContext,
    request: WalkRequest,
    itemsOf: (directory: string) => readonly Item[],
  ) {
    this.#context = context
    this.#request = request
    this.#itemsOf = itemsOf
    this.#volumePath = context.volumePath(request.volume)
  }

  run(): WalkReply {
    const base = this.#request.prefix.slice(0, this.#request.prefix.lastIndexOf('/') + 1)
    if (base === '') this.#visit('')
    else if (isWalkable(base)) {
      this.#visitDirectoryObject(base)
      this.#visit(base)
    }
    return { entries: this.#entries, done: !this.#isStopped }
  }

  /** The key `a/b/` itself lies in `a/b__XLDIR__`, beside the directory that the walk starts in. */
  #visitDirectoryObject(base: string): void {
    const { prefix, startAfter } = this.#request
    if (prefix !== base || (startAfter !== '' && compareUtf8(base, startAfter) <= 0)) return
    this.#emitKey(base)
  }

  /** Emits what lies in one directory; `base` is what its keys begin with: nothing, or a text with a slash at its end. */
  #visit(base: string): void {
    this.#visitItems(base, this.#itemsBelow(base))
  }

  #visitItems(base: string, items: readonly Item[]): void {
    const { prefix, startAfter, recursive } = this.#request
    const rest = prefix.length > base.length ? prefix.slice(base.length) : ''
    // Below the prefix's directory every name counts; in it only those that continue the prefix.
    let index = firstIndex(items, base, startAfter, rest)
    for (; index < items.length && !this.#isStopped; index++) {
      const item = items[index]
      if (item === undefined) return
      const leadsToRest = item.kind === 'continued' && rest.startsWith(item.name)
      if (rest !== '' && !leadsToRest && !item.name.startsWith(rest)) {
        if (compareUtf8(item.name, rest) > 0) return
        continue
      }
      if (this.#entries.length >= this.#request.limit) {
        this.#isStopped = true
        return
      }
      const key = base + item.name
      if (item.kind === 'continued') {
        const group = groupAt(items, index, this.#itemsBelow(key))
        this.#visitItems(key, group.items)
        index = group.end - 1
      } else if (item.kind === 'below') {
        if (recursive) this.#visit(key)
        else this.#emitPrefix(key)
      } else if (startAfter === '' || compareUtf8(key, startAfter) > 0) {
        this.#emitKey(key)
      }
    }
  }

  #itemsBelow(base: string): readonly Item[] {
    return this.#itemsOf(
      base === '' ? this.#volumePath : `${this.#volumePath}/${encodeFolder(base)}`,
    )
  }

  #emitKey(key: string): void {
    const path = encodeKey(key)
    if (!this.#request.metadata) {
      if (this.#hasMetadata(path)) this.#entries.push({ name: key, isPrefix: false })
      return
    }
    try {
      const metadata = readMetadataFile(this.#context, this.#request.volume, path, {
        inline: false,
      })
      this.#entries.push({ name: key, isPrefix: false, metadata })
    } catch (error) {
      if (error instanceof DriveError && error.code === 'FileNotFound') return
      const code = systemErrorCode(error)
      // A key may be named like the file of an object: there is a directory where the file would be.
      if (code === 'ENAMETOOLONG' || code === 'EISDIR') return
      throw error
    }
  }

  #hasMetadata(path: string): boolean {
    const { fileSystem, mayHoldV1 } = this.#context
    const directory = `${this.#volumePath}/${path}`
    if (fileSystem.kindOf(`${directory}/${XL_META}`)?.isFile === true) return true
    return mayHoldV1 && fileSystem.kindOf(`${directory}/${XL_JSON}`)?.isFile === true
  }

  #emitPrefix(key: string): void {
    const { startAfter } = this.#request
    // A position inside the prefix does not hide the prefix itself: the caller skips what it has shown.
    const isPast =
      startAfter !== '' && compareUtf8(key, startAfter) <= 0 && !startAfter.startsWith(key)
    if (isPast) return
    const firstKey = this.#firstKey(key)
    if (firstKey !== undefined) this.#entries.push({ name: key, isPrefix: true, firstKey })
  }

  /** The first key below `base`, if there is any. Left-over empty directories and data directories do not count. */
  #firstKey(base: string): string | undefined {
    return this.#firstKeyOf(base, this.#itemsBelow(base))
  }

  #firstKeyOf(base: string, items: readonly Item[]): string | undefined {
    for (let index = 0; index < items.length; index++) {
      const item = items[index]
      if (item === undefined) return undefined
      const key = base + item.name
      let found: string | undefined
      if (item.kind === 'continued') {
        const group = groupAt(items, index, this.#itemsBelow(key))
        found = this.#firstKeyOf(key, group.items)
        index = group.end - 1
      } else if (item.kind === 'below') found = this.#firstKey(key)
      else if (this.#hasMetadata(encodeKey(key))) found = key
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** A prefix with segments that no key can have holds nothing. */
function isWalkable(base: string): boolean {
  return base
    .split('/')
    .every((segment) => segment !== '.' && segment !== '..' && !segment.includes('\0'))
}
