/** Numbers and texts in the headers of tar archives. */
import { strictTextOf, textOf } from '#base/bytes'

/** Records that name an entry. */
const NAMES = new Set(['path', 'GNU.sparse.name'])

/** What is wrong with an archive. */
export class TarError extends Error {
  override readonly name = 'TarError'
}

/** Up to the first NUL. */
export function fieldAt(block: Uint8Array, start: number, size: number): Uint8Array {
  const bytes = block.subarray(start, start + size)
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

/** Octal digits, or base 256 with the high bit set. Negative: -1. */
export function signedNumberAt(block: Uint8Array, start: number, size: number): number {
  const first = block[start] ?? 0
  if ((first & 0x80) !== 0) {
    if ((first & 0x40) !== 0) return -1
    let value = first & 0x3f
    for (let i = start + 1; i < start + size; i++) value = value * 256 + (block[i] ?? 0)
    if (!Number.isSafeInteger(value)) throw new TarError('Archive has a number that is too large')
    return value
  }
  const text = textOf(fieldAt(block, start, size)).trim()
  if (!/^[0-7]*$/.test(text)) throw new TarError('Archive has a broken number')
  return text === '' ? 0 : Number.parseInt(text, 8)
}

/** As `signedNumberAt`, for what cannot be negative. */
export function numberAt(block: Uint8Array, start: number, size: number): number {
  const value = signedNumberAt(block, start, size)
  if (value < 0) throw new TarError('Archive has a broken number')
  return value
}

export function decimalOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new TarError('Archive has a broken number')
  return Number(text)
}

/** Nanoseconds since 1970 of a time in seconds; undefined for what is none, or before. */
export function timeOf(text: string | undefined): bigint | undefined {
  const match = /^(\d{1,11})(?:\.(\d{1,9}))?/.exec(text ?? '')
  if (match === null) return undefined
  return BigInt(match[1] ?? '0') * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}

/** `<size> <key>=<value>\n`, again and again. Values that are no text are left out, such as file attributes; names are empty. */
export function parseRecords(content: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>()
  let at = 0
  while (at < content.length && content[at] !== 0) {
    const blank = content.indexOf(0x20, at)
    const size = blank < 0 ? Number.NaN : Number(textOf(content.subarray(at, blank)))
    const record = content.subarray(blank + 1, at + size - 1)
    const equals = record.indexOf(0x3d)
    const isSound =
      Number.isSafeInteger(size) && size > blank + 1 - at && at + size <= content.length
    if (!isSound || equals < 1) throw new TarError('Archive has a broken record')
    const key = textOf(record.subarray(0, equals))
    const value = strictTextOf(record.subarray(equals + 1))
    if (value !== undefined) addRecord(records, key, value)
    else if (NAMES.has(key)) records.set(key, '')
    at += size
  }
  return records
}

/** Of the oldest sparse files each number has a record of its own; together they are what later ones have. */
function addRecord(records: Map<string, string>, key: string, value: string): void {
  if (key !== 'GNU.sparse.offset' && key !== 'GNU.sparse.numbytes') {
    records.set(key, value)
    return
  }
  const before = records.get('GNU.sparse.map')
  records.set('GNU.sparse.map', before === undefined ? value : `${before},${value}`)
}
