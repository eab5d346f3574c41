/**
 * Reading of tar archives as a stream: ustar, GNU long names, pax records. Names and records are bounded, which packages
 * for this leave to the archive. Links are told, sparse files refused.
 *
 *   header 512 bytes: name 0..99, size 124..135, time 136..147, sum 148..155, type 156, magic 257..262, prefix 345..499
 */
import { strictTextOf, textOf } from '#base/bytes'
import type { BodySource } from '#object/object'

const BLOCK_BYTES = 512
/** Of a long name, or of all pax records of one entry. */
const EXTENSION_MAX_BYTES = 64 * 1024
const EXTENSIONS_MAX = 16

/** What is wrong with an archive. */
export class TarError extends Error {
  override readonly name = 'TarError'
}

export interface TarEntry {
  readonly name: string
  /** `file` for devices too, as MinIO takes them. */
  readonly kind: 'file' | 'folder' | 'link'
  readonly modifiedNs: bigint
  /** pax records, global ones first. */
  readonly records: ReadonlyMap<string, string>
  /** Valid until the next entry is asked for; what is not read is skipped. */
  readonly body: BodySource & { readonly sizeBytes: number }
}

/** A pull source of archive bytes; pieces stay valid until the next call. */
export interface TarSource {
  next(): Promise<Uint8Array | undefined>
}

interface Header {
  readonly name: string
  readonly type: string
  readonly size: number
  readonly seconds: number
}

export class TarReader {
  readonly #source: TarSource
  #piece: Uint8Array = new Uint8Array(0)
  /** Of the current entry: bytes not read yet, and the padding behind them. */
  #left = 0
  #padding = 0
  readonly #globals = new Map<string, string>()

  constructor(source: TarSource) {
    this.#source = source
  }

  /** The next entry, undefined behind the last. Throws `TarError`, and what the source throws. */
  async next(): Promise<TarEntry | undefined> {
    await this.#skip(this.#left + this.#padding)
    let longName: string | undefined
    const records = new Map(this.#globals)
    for (let extensions = 0; extensions <= EXTENSIONS_MAX; extensions++) {
      const header = await this.#header()
      if (header === undefined) return undefined
      switch (header.type) {
        case 'x':
          for (const [key, value] of await this.#records(header)) records.set(key, value)
          break
        case 'g':
          for (const [key, value] of await this.#records(header)) {
            this.#globals.set(key, value)
            records.set(key, value)
          }
          if (this.#globals.size > 1000) throw new TarError('Archive has too many records')
          break
        case 'L':
          longName = textOf(await this.#extension(header)).replace(/\0.*$/s, '')
          break
        case 'K':
          await this.#extension(header)
          break
        default:
          return this.#entry(header, longName, records)
      }
    }
    throw new TarError('Archive has too many extensions for one entry')
  }

  #entry(
    header: Header,
    longName: string | undefined,
    records: ReadonlyMap<string, string>,
  ): TarEntry {
    const isSparse = header.type === 'S' || records.has('GNU.sparse.major')
    if (isSparse) throw new TarError('Archive has a sparse file')
    const name = records.get('path') ?? longName ?? header.name
    const kind = kindOf(header.type, name)
    // Links and folders have no content, whatever their header says.
    const stated = records.has('size') ? decimalOf(records.get('size') ?? '') : header.size
    const size = kind === 'file' || header.type === '7' ? stated : 0
    this.#left = size
    this.#padding = paddingOf(size)
    return {
      name,
      kind,
      modifiedNs: timeOf(records.get('mtime')) ?? BigInt(header.seconds) * 1_000_000_000n,
      records,
      body: { sizeBytes: size, read: (target) => this.#read(target) },
    }
  }

  async #read(target: Uint8Array): Promise<number> {
    const wanted = Math.min(target.length, this.#left)
    let filled = 0
    while (filled < wanted) {
      if (this.#piece.length === 0) await this.#fill()
      const count = Math.min(this.#piece.length, wanted - filled)
      target.set(this.#piece.subarray(0, count), filled)
      this.#piece = this.#piece.subarray(count)
      filled += count
    }
    this.#left -= filled
    return filled
  }

  async #header(): Promise<Header | undefined> {
    const block = new Uint8Array(BLOCK_BYTES)
    // Some writers leave the end marker out.
    if (!(await this.#hasMore())) return undefined
    this.#left = BLOCK_BYTES
    this.#padding = 0
    await this.#read(block)
    return block.every((byte) => byte === 0) ? undefined : parseHeader(block)
  }

  async #hasMore(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const piece = await this.#source.next()
      if (piece === undefined) return false
      this.#piece = piece
    }
    return true
  }

  async #extension(header: Header): Promise<Uint8Array> {
    if (header.size > EXTENSION_MAX_BYTES) throw new TarError('Archive has an oversized extension')
    const content = new Uint8Array(header.size)
    this.#left = header.size
    await this.#read(content)
    await this.#skip(paddingOf(header.size))
    return content
  }

  async #records(header: Header): Promise<ReadonlyMap<string, string>> {
    return parseRecords(await this.#extension(header))
  }

  async #skip(count: number): Promise<void> {
    let left = count
    while (left > 0) {
      if (this.#piece.length === 0) await this.#fill()
      const step = Math.min(left, this.#piece.length)
      this.#piece = this.#piece.subarray(step)
      left -= step
    }
    this.#left = 0
    this.#padding = 0
  }

  async #fill(): Promise<void> {
    if (!(await this.#hasMore())) throw new TarError('Archive ends too early')
  }
}

function kindOf(type: string, name: string): TarEntry['kind'] {
  if (type === '5' || (type === '0' && name.endsWith('/'))) return 'folder'
  return type === '1' || type === '2' ? 'link' : 'file'
}

function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
}

function parseHeader(block: Uint8Array): Header {
  let sum = 0
  for (let i = 0; i < BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0)
  if (numberAt(block, 148, 8) !== sum) throw new TarError('Archive has a broken header')
  const isUstar = textOf(block.subarray(257, 262)) === 'ustar'
  const prefix = isUstar && block[262] === 0 ? fieldAt(block, 345, 155) : ''
  const name = fieldAt(block, 0, 100)
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156] ?? 0)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type,
    size: numberAt(block, 124, 12),
    seconds: numberAt(block, 136, 12),
  }
}

function fieldAt(block: Uint8Array, start: number, size: number): string {
  const bytes = block.subarray(start, start + size)
  const end = bytes.indexOf(0)
  return textOf(end < 0 ? bytes : bytes.subarray(0, end))
}

/** Octal digits, or base 256 with the high bit set. */
function numberAt(block: Uint8Array, start: number, size: number): number {
  if (((block[start] ?? 0) & 0x80) !== 0) {
    let value = (block[start] ?? 0) & 0x7f
    for (let i = start + 1; i < start + size; i++) value = value * 256 + (block[i] ?? 0)
    if (!Number.isSafeInteger(value)) throw new TarError('Archive has a number that is too large')
    return value
  }
  const text = fieldAt(block, start, size).trim()
  if (!/^[0-7]*$/.test(text)) throw new TarError('Archive has a broken number')
  return text === '' ? 0 : Number.parseInt(text, 8)
}

function decimalOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new TarError('Archive has a broken number')
  return Number(text)
}

function timeOf(text: string | undefined): bigint | undefined {
  const match = /^(\d{1,11})(?:\.(\d{1,9}))?/.exec(text ?? '')
  if (match === null) return undefined
  return BigInt(match[1] ?? '0') * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}

/** `<size> <key>=<value>\n`, again and again. */
function parseRecords(content: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>()
  let at = 0
  while (at < content.length && content[at] !== 0) {
    const blank = content.indexOf(0x20, at)
    const size = blank < 0 ? Number.NaN : Number(textOf(content.subarray(at, blank)))
    const record = strictTextOf(content.subarray(blank + 1, at + size - 1))
    const isSound =
      Number.isSafeInteger(size) && size > blank + 1 - at && at + size <= content.length
    const equals = record?.indexOf('=') ?? -1
    if (!isSound || record === undefined || equals < 1) {
      throw new TarError('Archive has a broken record')
    }
    records.set(record.slice(0, equals), record.slice(equals + 1))
    at += size
  }
  return records
}
