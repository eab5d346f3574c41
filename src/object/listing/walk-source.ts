import { compareUtf8 } from '#base/bytes'
import type {
  ListedName,
  ListedVersion,
  NameCursor,
  NameRequest,
  NameSource,
} from './name-source.ts'
import { SetNames, type ListContext, type ListedSet } from './set-names.ts'

/** Names from walking the drives of all sets of all pools, merged. */
export class WalkSource implements NameSource {
  readonly #context: ListContext
  readonly #sets: readonly ListedSet[]

  constructor(context: ListContext, sets: readonly ListedSet[]) {
    this.#context = context
    this.#sets = sets
  }

  open(request: NameRequest): NameCursor {
    // Keys spread evenly over the sets of a pool, so each has its share of the page and a little more.
    const share = Math.ceil(request.expected / this.#sets.length)
    const expected =
      this.#sets.length === 1 ? request.expected : share + Math.ceil(4 * Math.sqrt(share))
    const cursors = this.#sets.map(
      (set) => new SetNames(this.#context, set, { ...request, expected }),
    )
    const [only] = cursors
    return only !== undefined && cursors.length === 1 ? only : new MergedNames(cursors)
  }
}

/** Several cursors as one. A key that more than one of them has is merged by version. */
class MergedNames implements NameCursor {
  readonly #cursors: readonly NameCursor[]
  /** By cursor; undefined: must be asked. */
  readonly #heads: (ListedName | 'end' | undefined)[]

  constructor(cursors: readonly NameCursor[]) {
    this.#cursors = cursors
    this.#heads = cursors.map(() => undefined)
  }

  seek(name: string): void {
    for (const [i, cursor] of this.#cursors.entries()) {
      const head = this.#heads[i]
      if (head === 'end') continue
      if (head !== undefined && compareUtf8(head.name, name) > 0) continue
      this.#heads[i] = undefined
      cursor.seek(name)
    }
  }

  async next(): Promise<ListedName | undefined> {
    if (this.#heads.includes(undefined)) await this.#fill()
    let first: ListedName | undefined
    for (const head of this.#heads) {
      if (head === undefined || head === 'end') continue
      if (first === undefined || compareNames(head, first) < 0) first = head
    }
    if (first === undefined) return undefined
    const equal: ListedName[] = []
    for (const [i, head] of this.#heads.entries()) {
      if (head === undefined || head === 'end' || compareNames(head, first) !== 0) continue
      equal.push(head)
      this.#heads[i] = undefined
    }
    return equal.length === 1 ? first : mergeNames(first, equal)
  }

  async #fill(): Promise<void> {
    await Promise.all(
      this.#cursors.map(async (cursor, i) => {
        if (this.#heads[i] === undefined) this.#heads[i] = (await cursor.next()) ?? 'end'
      }),
    )
  }
}

/** Versions of all by time, newest first; of two with one id the newer counts (disk-format.md 2.8). */
function mergeNames(first: ListedName, equal: readonly ListedName[]): ListedName {
  if (first.isFolder) return { ...first, isUnanimous: equal.some((name) => name.isUnanimous) }
  const versions = equal.flatMap((name) => name.versions)
  versions.sort((a, b) =>
    a.header.modifiedNs < b.header.modifiedNs
      ? 1
      : a.header.modifiedNs > b.header.modifiedNs
        ? -1
        : 0,
  )
  const seen = new Set<string>()
  const kept: ListedVersion[] = []
  for (const version of versions) {
    if (seen.has(version.header.versionId)) continue
    seen.add(version.header.versionId)
    kept.push(version)
  }
  return { ...first, versions: kept }
}

function compareNames(a: ListedName, b: ListedName): number {
  return compareUtf8(a.name, b.name) || Number(a.isFolder) - Number(b.isFolder)
}
