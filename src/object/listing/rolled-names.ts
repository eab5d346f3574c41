import {
  pastPrefix,
  type ListedName,
  type ListedVersion,
  type NameCursor,
  type NameSource,
} from './name-source.ts'

/** An entry of a list before it became a reply. */
export type RolledEntry =
  | { readonly kind: 'key'; readonly name: string; readonly versions: readonly ListedVersion[] }
  | { readonly kind: 'prefix'; readonly name: string }

export interface RollRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter: string
  /** Exclusive; a common prefix skips everything below it. */
  readonly startAfter: string
  /** How many entries the caller will take at most. */
  readonly expected: number
  /** Whether a key with these versions shows in the list at all. */
  readonly isVisible: (versions: readonly ListedVersion[]) => boolean
  /** The bucket cannot hold keys that are invisible to this list, so a folder known to all drives needs no look inside. */
  readonly trustsFolders: boolean
}

/** Folders looked into at the same time. */
const PROBES_MAX = 16
/** Names fetched at once by a look into a folder: its first key is nearly always visible. */
const PROBE_NAMES = 1

/**
 * Visible keys and common prefixes in order, each common prefix once.
 *
 * With the delimiter `/` only one level of folders is walked; whether a folder holds a visible key is found by a look
 * inside that ends at the first one. With any other delimiter all keys are walked, seeking over those that a common
 * prefix has swallowed.
 */
export class RolledNames {
  readonly #source: NameSource
  readonly #request: RollRequest
  readonly #byFolder: boolean
  readonly #cursor: NameCursor
  /** Found and decided, not yet taken. */
  #ready: RolledEntry[] = []
  #taken = 0
  /** The common prefix that holds `startAfter` in its middle: keys after it may still show it. */
  #resumed: string | undefined
  /** The common prefix whose remaining keys must not show it (again), when all keys are walked. */
  #swallowed: string | undefined
  #isEnd = false

  constructor(source: NameSource, request: RollRequest) {
    this.#source = source
    this.#request = request
    this.#byFolder = request.delimiter === '/'
    let startAfter = request.startAfter
    const within = startAfter.startsWith(request.prefix) ? this.#rolled(startAfter) : undefined
    if (within !== undefined) {
      if (this.#byFolder) {
        if (within !== startAfter) this.#resumed = within
        startAfter = within
      } else if (within === startAfter) {
        this.#swallowed = within
        startAfter = pastPrefix(within)
      }
    }
    this.#cursor = source.open({
      bucket: request.bucket,
      prefix: request.prefix,
      startAfter,
      recursive: !this.#byFolder,
      expected: request.expected,
    })
  }

  async next(): Promise<RolledEntry | undefined> {
    while (this.#taken === this.#ready.length) {
      if (this.#isEnd) return undefined
      this.#ready = []
      this.#taken = 0
      await (this.#byFolder ? this.#fillByFolder() : this.#fillByKey())
    }
    return this.#ready[this.#taken++]
  }

  /** The common prefix that `name` belongs to. */
  #rolled(name: string): string | undefined {
    const { prefix, delimiter } = this.#request
    if (delimiter === '') return undefined
    const at = name.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : name.slice(0, at + delimiter.length)
  }

  async #fillByKey(): Promise<void> {
    for (;;) {
      const listed = await this.#cursor.next()
      if (listed === undefined) {
        this.#isEnd = true
        return
      }
      const prefix = this.#rolled(listed.name)
      if (prefix !== undefined && prefix === this.#swallowed) continue
      if (!this.#request.isVisible(listed.versions)) continue
      if (prefix === undefined) {
        this.#ready.push({ kind: 'key', name: listed.name, versions: listed.versions })
        return
      }
      this.#swallowed = prefix
      this.#cursor.seek(pastPrefix(prefix))
      this.#ready.push({ kind: 'prefix', name: prefix })
      return
    }
  }

  /** Decides a few names at once, so that looks into folders overlap. */
  async #fillByFolder(): Promise<void> {
    const found: (RolledEntry | Promise<RolledEntry | undefined>)[] = []
    if (this.#resumed !== undefined) {
      found.push(this.#startProbe(this.#resumed, this.#request.startAfter))
      this.#resumed = undefined
    }
    let probes = found.length
    while (found.length < this.#request.expected && probes < PROBES_MAX) {
      const listed = await this.#cursor.next()
      if (listed === undefined) {
        this.#isEnd = true
        break
      }
      const entry = this.#decide(listed)
      if (entry instanceof Promise) probes++
      if (entry !== undefined) found.push(entry)
    }
    for (const pending of found) {
      const entry = await pending
      if (entry !== undefined) this.#ready.push(entry)
    }
  }

  #decide(listed: ListedName): RolledEntry | Promise<RolledEntry | undefined> | undefined {
    const { isVisible, trustsFolders } = this.#request
    const { name } = listed
    const prefix = this.#rolled(name)
    if (prefix === undefined) {
      return isVisible(listed.versions)
        ? { kind: 'key', name, versions: listed.versions }
        : undefined
    }
    // A directory object `a/` and the folder `a/` are one common prefix.
    this.#cursor.seek(prefix)
    const isShown = listed.isFolder
      ? trustsFolders && listed.isUnanimous
      : isVisible(listed.versions)
    return isShown ? { kind: 'prefix', name: prefix } : this.#startProbe(prefix, '')
  }

  /** A look whose outcome is awaited later: its failure must not count as unhandled until then. */
  #startProbe(prefix: string, startAfter: string): Promise<RolledEntry | undefined> {
    const probe = this.#probe(prefix, startAfter)
    probe.catch(() => undefined)
    return probe
  }

  /** Whether a visible key begins with `prefix` and sorts after `startAfter`. */
  async #probe(prefix: string, startAfter: string): Promise<RolledEntry | undefined> {
    const { bucket, isVisible } = this.#request
    const cursor = this.#source.open({
      bucket,
      prefix,
      startAfter,
      recursive: true,
      expected: PROBE_NAMES,
    })
    for (;;) {
      const listed = await cursor.next()
      if (listed === undefined) return undefined
      if (isVisible(listed.versions)) return { kind: 'prefix', name: prefix }
    }
  }
}
