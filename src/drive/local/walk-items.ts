import { compareUtf8 } from '#base/bytes'
import { firstPieceOf, isPlainName, readName } from '../key-path.ts'

/** What the names in one directory stand for, in the order in which a walk meets them. */

export interface Item {
  /** Relative to what the directory's keys begin with: `d`, or `d/` for a directory object and for what is below. */
  readonly name: string
  /** `continued`: keys whose segment begins with `name` and goes on in a directory of its own. */
  readonly kind: 'key' | 'directoryObject' | 'below' | 'continued'
}

/** At the same name: a long segment, so that it takes what follows with it; then a directory object, then what is below. */
const RANKS: Readonly<Record<Item['kind'], number>> = {
  continued: 0,
  directoryObject: 1,
  key: 2,
  below: 3,
}

function compareItems(a: Item, b: Item): number {
  return compareUtf8(a.name, b.name) || RANKS[a.kind] - RANKS[b.kind]
}

/** Items of the sub-directories with these names, sorted. */
export function itemsFrom(names: readonly string[]): readonly Item[] {
  const items: Item[] = []
  for (const name of names) {
    if (isPlainName(name)) {
      items.push({ name, kind: 'key' }, { name: `${name}/`, kind: 'below' })
      continue
    }
    const { key, directoryObject, below, continued } = readName(name)
    if (directoryObject !== undefined)
      items.push({ name: directoryObject, kind: 'directoryObject' })
    else items.push({ name: key, kind: 'key' })
    if (below !== undefined) items.push({ name: below, kind: 'below' })
    if (continued !== undefined) items.push({ name: continued, kind: 'continued' })
  }
  return items.sort(compareItems)
}

/** A long segment's items, and those of its directory that begin alike and therefore sort among them. */
export interface Group {
  /** Relative to the segment's piece. */
  readonly items: readonly Item[]
  /** Index of the first item behind the group. */
  readonly end: number
}

/** The group of the long segment at `index`, whose own directory holds `continuing`. */
export function groupAt(items: readonly Item[], index: number, continuing: readonly Item[]): Group {
  const piece = items[index]?.name ?? ''
  const siblings: Item[] = []
  let end = index + 1
  for (; ; end++) {
    const item = items[end]
    if (item === undefined || !item.name.startsWith(piece)) break
    siblings.push({ name: item.name.slice(piece.length), kind: item.kind })
  }
  if (siblings.length === 0) return { items: continuing, end }
  const sorted = [...siblings, ...continuing].sort(compareItems)
  const isFirst = (item: Item, i: number): boolean =>
    item.name !== sorted[i - 1]?.name || item.kind !== sorted[i - 1]?.kind
  return { items: sorted.filter(isFirst), end }
}

/** First item that may matter after `startAfter` and from `rest` on; `base` is what the directory's keys begin with. */
export function firstIndex(
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
  // A long segment stands at its first piece, and takes what is behind it with it.
  const piece = firstPieceOf(from)
  const index = piece === undefined ? items.length : lowerBound(items, piece)
  const isInside = items[index]?.kind === 'continued' && items[index].name === piece
  return isInside ? index : lowerBound(items, from)
}

/** The first item not before `name`. */
function lowerBound(items: readonly Item[], name: string): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareUtf8(items[middle]?.name ?? '', name) < 0) low = middle + 1
    else high = middle
  }
  return low
}
