import type { DeleteMarker, ObjectVersion, VersionHeader } from '#drive/xl-meta'

/**
 * Where lists get their names from.
 *
 * A source answers names of one bucket in order, resolved by quorum, from any position. Today that is a merged walk of
 * the drives (`walk-source.ts`); a name index replaces it without any change above this interface.
 *
 * Invariants
 * - Names ascend by their UTF-8 bytes; a key and a folder of the same name (`a/`) come in this order: key, folder.
 * - A name is shown only when a list quorum of its set's drives agrees on it.
 * - A cursor never ends early: when a set cannot be read, it rejects with `ReadQuorum`.
 */

/** One version of a listed key. `decode` parses the body, which most lists need for few of them; objects of before 2020 come as plain ones. */
export interface ListedVersion {
  readonly header: VersionHeader
  decode(): ObjectVersion | DeleteMarker
}

export interface ListedName {
  /** Decoded key, or folder ending in `/` when `isFolder`. */
  readonly name: string
  readonly isFolder: boolean
  /** Newest first, without free versions; never empty for a key, always empty for a folder. */
  readonly versions: readonly ListedVersion[]
  /** For a folder: whether all drives that were asked know it by the same first key, so that a look inside would tell nothing new in a bucket without versions. */
  readonly isUnanimous: boolean
}

export interface NameRequest {
  readonly bucket: string
  readonly prefix: string
  /** Exclusive. Empty: from the start. */
  readonly startAfter: string
  /** False: one level below the last `/` of `prefix`; deeper keys appear as folders. */
  readonly recursive: boolean
  /** How many names the caller expects to take: a hint for the size of requests. */
  readonly expected: number
}

export interface NameCursor {
  /** The next name, undefined at the end. Errors: `ReadQuorum`, `BucketNotFound`. One call at a time. */
  next(): Promise<ListedName | undefined>
  /** Skips all names that do not sort after `name`. Never goes back. */
  seek(name: string): void
}

export interface NameSource {
  open(request: NameRequest): NameCursor
}

/** Sorts after every key that begins with `prefix`, except keys that go on with U+10FFFF: those a caller skips by itself. */
export function pastPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`
}
