import { compareUtf8 } from '#base/bytes'
import { DriveError, type WalkEntry, type WalkReply, type WalkRequest } from '../drive.ts'
import type { DriveContext } from './drive-context.ts'
import { systemErrorCode } from './file-system.ts'
import { readMetadataFile, XL_JSON, XL_META } from './metadata-file.ts'

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
 * Whether an item exists (has metadata, has anything below) is looked up only when the walk reaches it.
 */

const DIRECTORY_SUFFIX = '__XLDIR__'
/** Sorted listings kept: one for each level of a deep walk, and some more. */
const LISTINGS_MAX = 64
/** Names in kept listings: memory bound. */
const LISTING_NAMES_MAX = 2_000_000
/** A directory that changed so recently may change again without a new modification time. */
const SETTLED_NS = 100_000_000n
/** Links of a directory without sub-directories, on file systems that count them: ext, xfs, tmpfs. */
const LEAF_LINKS = 2
const COUNTING_TYPES: ReadonlySet<string> = new Set(['ef53', '58465342', '1021994'])

interface Item {
  /** Relative to the directory: `d`, or `d/` with `isBelow` or for a directory object. */
  readonly name: string
  readonly kind: 'key' | 'directoryObject' | 'below'
}

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
    if (listing.items.length > LISTING_NAMES_MAX) return
    this.#listings.set(directory, listing)
    this.#listedNames += listing.items.length
    for (const [oldest, { items }] of this.#listings) {
      if (this.#listings.size <= LISTINGS_MAX && this.#listedNames <= LISTING_NAMES_MAX) return
      this.#listings.delete(oldest)
      this.#listedNames -= items.length
    }
  }
}

function itemsFrom(names: readonly string[]): readonly Item[] {
  const items: Item[] = []
  for (const name of names) {
    if (name.endsWith(DIRECTORY_SUFFIX)) {
      items.push({ name: `${name.slice(0, -DIRECTORY_SUFFIX.length)}/`, kind: 'directoryObject' })
    } else {
      items.push({ name, kind: 'key' }, { name: `${name}/`, kind: 'below' })
    }
  }
  return items.sort(
    (a, b) =>
      compareUtf8(a.name, b.name) ||
      (a.kind === 'directoryObject' ? -1 : b.kind === 'directoryObject' ? 1 : 0),
  )
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
    this.#emitKey(base, `${base.slice(0, -1)}${DIRECTORY_SUFFIX}`)
  }

  /** Emits what lies in one directory; `base` is its key with a trailing slash, or empty. */
  #visit(base: string): void {
    const { prefix, startAfter, recursive } = this.#request
    const items = this.#itemsOf(`${this.#volumePath}/${base}`.slice(0, -1))
    const rest = prefix.length > base.length ? prefix.slice(base.length) : ''
    // Below the prefix's directory every name counts; in it only those that continue the prefix.
    let index = firstIndex(items, base, startAfter, rest)
    for (; index < items.length && !this.#isStopped; index++) {
      const item = items[index]
      if (item === undefined) return
      if (rest !== '' && !item.name.startsWith(rest)) {
        if (compareUtf8(item.name, rest) > 0) return
        continue
      }
      if (this.#entries.length >= this.#request.limit) {
        this.#isStopped = true
        return
      }
      const key = base + item.name
      if (item.kind === 'below') {
        if (recursive) this.#visit(key)
        else this.#emitPrefix(key)
      } else if (startAfter === '' || compareUtf8(key, startAfter) > 0) {
        const path = item.kind === 'key' ? key : `${key.slice(0, -1)}${DIRECTORY_SUFFIX}`
        this.#emitKey(key, path)
      }
    }
  }

  #emitKey(key: string, path: string): void {
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
      if (systemErrorCode(error) === 'ENAMETOOLONG') return
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
    for (const item of this.#itemsOf(`${this.#volumePath}/${base.slice(0, -1)}`)) {
      const key = base + item.name
      if (item.kind === 'below') {
        const below = this.#firstKey(key)
        if (below !== undefined) return below
      } else {
        const path = item.kind === 'key' ? key : `${key.slice(0, -1)}${DIRECTORY_SUFFIX}`
        if (this.#hasMetadata(path)) return key
      }
    }
    return undefined
  }
}

/** First item of a directory that may matter after `startAfter` and from `rest` on. */
function firstIndex(
  items: readonly Item[],
  base: string,
  startAfter: string,
  rest: string,
): number {
  // The item that leads to `startAfter` still matters: more may lie below it.
  const position = startAfter.startsWith(base) ? startAfter.slice(base.length) : ''
  const slash = position.indexOf('/')
  const component = slash < 0 ? position : position.slice(0, slash + 1)
  const isAllAfter = startAfter === '' || compareUtf8(base, startAfter) > 0
  if (!isAllAfter && !startAfter.startsWith(base)) return items.length
  const from = compareUtf8(component, rest) > 0 ? component : rest
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const name = items[middle]?.name ?? ''
    if (compareUtf8(name, from) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** A prefix with components that no path can have holds nothing. */
function isWalkable(base: string): boolean {
  return base
    .slice(0, -1)
    .split('/')
    .every(
      (component) =>
        component !== '' && component !== '.' && component !== '..' && !component.includes('\0'),
    )
}
