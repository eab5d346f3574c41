/**
 * Sparse files of tar archives: which bytes of a file its archive holds; the others are zeros.
 *
 * Where the map stands: GNU's own archives in the header and in blocks behind it (`S`); pax 0.0 and 0.1 in records; pax
 * 1.0 before the data. Source: the manual of GNU tar, "Storing Sparse Files" and "Basic Tar Format".
 *
 *   header of GNU: 4 segments 386..481, more follow 482, size 483..494; a block behind it: 21 segments 0..503, more 504
 *   segment: offset 12, size 12
 */
import type { BodySource } from '#object/object'
import { decimalOf, numberAt, TarError } from './tar-values.ts'

/** Numbers of segments, those of no bytes included. */
const SEGMENTS_MAX = 100_000
const SEGMENT_BYTES = 24
/** A line of a map before the data holds one number. */
const LINE_MAX_CHARACTERS = 20

export interface SparseMap {
  /** Of the file. */
  readonly sizeBytes: number
  /** Offset and size by turns, ascending, none of them empty. */
  readonly segments: readonly number[]
}

/** Gives the next block of the archive. */
type NextBlock = () => Promise<Uint8Array>

type Records = ReadonlyMap<string, string>

/** The map of a file in the archive's own format. `header`: its block, before any that follow. */
export async function headerMap(header: Uint8Array, nextBlock: NextBlock): Promise<SparseMap> {
  const numbers: number[] = []
  const take = (block: Uint8Array, start: number, count: number): void => {
    for (let at = start; at < start + count * SEGMENT_BYTES; at += SEGMENT_BYTES) {
      numbers.push(numberAt(block, at, 12), numberAt(block, at + 12, 12))
    }
    if (numbers.length > 2 * SEGMENTS_MAX) throw tooManySegments()
  }
  take(header, 386, 4)
  let hasMore = header[482] === 1
  while (hasMore) {
    const block = await nextBlock()
    take(block, 0, 21)
    hasMore = block[504] === 1
  }
  return { sizeBytes: numberAt(header, 483, 12), segments: checkedSegments(numbers) }
}

/** Whether records describe a sparse file. */
export function areSparse(records: Records): boolean {
  return ['major', 'map', 'size'].some((name) => records.has(`GNU.sparse.${name}`))
}

/** The map of a file with such records. `nextBlock` reads its content. */
export async function recordsMap(records: Records, nextBlock: NextBlock): Promise<SparseMap> {
  const size = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size') ?? ''
  const major = records.get('GNU.sparse.major') ?? '0'
  if (major !== '0' && major !== '1') {
    throw new TarError('Archive has a sparse file of an unknown kind')
  }
  const text = records.get('GNU.sparse.map') ?? ''
  const inRecords = (): number[] => (text === '' ? [] : text.split(',').map(decimalOf))
  const numbers = major === '1' ? await contentNumbers(nextBlock) : inRecords()
  return { sizeBytes: decimalOf(size), segments: checkedSegments(numbers) }
}

/** A line with the count of segments, then one for each number, filled up to a block. */
async function contentNumbers(nextBlock: NextBlock): Promise<number[]> {
  const numbers: number[] = []
  let wanted = 1
  let rest = ''
  while (numbers.length < wanted) {
    const lines = (rest + Buffer.from(await nextBlock()).toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (numbers.length === wanted) break
      numbers.push(decimalOf(line))
      if (numbers.length > 1) continue
      wanted = 1 + 2 * (numbers[0] ?? 0)
      if (wanted > 2 * SEGMENTS_MAX) throw tooManySegments()
    }
    const isBroken = numbers.length < wanted && rest.length > LINE_MAX_CHARACTERS
    if (isBroken) throw new TarError('Archive has a broken number')
  }
  return numbers.slice(1)
}

function tooManySegments(): TarError {
  return new TarError('Archive has a sparse file in too many pieces')
}

function checkedSegments(numbers: readonly number[]): readonly number[] {
  const segments: number[] = []
  let end = 0
  for (let i = 0; i < numbers.length; i += 2) {
    const offset = numbers[i] ?? 0
    const size = numbers[i + 1]
    // The last one may only tell the size of the file, and those behind it be blank.
    if (size === 0) continue
    if (size === undefined || offset < end) throw brokenMap()
    end = offset + size
    segments.push(offset, size)
  }
  return segments
}

function brokenMap(): TarError {
  return new TarError('Archive has a sparse file with a broken map')
}

/** The whole file, of which `data` is what the archive holds. `onHole` is told of zeros before they are made. */
export function sparseBody(
  map: SparseMap,
  data: BodySource & { readonly sizeBytes: number },
  onHole: (size: number) => void,
): BodySource & { readonly sizeBytes: number } {
  const { sizeBytes, segments } = map
  checkMap(map, data.sizeBytes)
  let at = 0
  let segment = 0
  return {
    sizeBytes,
    read: async (target) => {
      const start = segments[segment] ?? sizeBytes
      if (at < start) {
        const zeros = Math.min(target.length, start - at)
        onHole(zeros)
        target.fill(0, 0, zeros)
        at += zeros
        return zeros
      }
      const end = start + (segments[segment + 1] ?? 0)
      const count = await data.read(target.subarray(0, Math.min(target.length, end - at)))
      at += count
      if (at === end) segment += 2
      return count
    },
  }
}

function checkMap({ sizeBytes, segments }: SparseMap, dataBytes: number): void {
  let held = 0
  for (let i = 1; i < segments.length; i += 2) held += segments[i] ?? 0
  const end = (segments.at(-2) ?? 0) + (segments.at(-1) ?? 0)
  if (held !== dataBytes || end > sizeBytes) throw brokenMap()
}
