/**
 * Reading of tar archives as a stream: ustar, GNU long names, pax records, sparse files. Names, records and maps are
 * bounded, which packages for this leave to the archive. Links are told.
 *
 *   header 512 bytes: name 0..99, size 124..135, time 136..147, sum 148..155, type 156, magic 257..262, prefix 345..499
 */
import { strictTextOf, textOf } from '#base/bytes'
import type { BodySource } from '#object/object'
import { areSparse, headerMap, recordsMap, type SparseMap, sparseBody } from './snowball-sparse.ts'
import {
  decimalOf,
  fieldAt,
  numberAt,
  parseRecords,
  signedNumberAt,
  TarError,
  timeOf,
} from './tar-values.ts'

const BLOCK_BYTES = 512
/** Of a long name, of the pax records before one entry, or of all global ones. */
const EXTENSION_MAX_BYTES = 64 * 1024
const EXTENSIONS_MAX = 16

export interface TarEntry {
  /** Empty: not UTF-8. */
  readonly name: string
  /** `file` for devices too, as MinIO takes them; `other`: what is no file, such as the label of a volume. */
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  readonly modifiedNs: bigint
  /** pax records, global ones first. */
  readonly records: ReadonlyMap<string, string>
  /** Of files; valid until the next entry is asked for. What is not read is skipped. */
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
  readonly block: Uint8Array
}

const NO_CONTENT = { sizeBytes: 0, read: () => Promise.resolve(0) }

/** Types whose size does not count: links, devices, folders, pipes. */
const WITHOUT_CONTENT = '123456'

export class TarReader {
  readonly #source: TarSource
  #piece: Uint8Array = new Uint8Array(0)
  /** Of the current entry: bytes not read yet, and the padding behind them. */
  #left = 0
  #padding = 0
  readonly #globals = new Map<string, string>()
  #globalsSize = 0
  readonly #onHole: (size: number) => void

  /** `onHole` is told of zeros that the archive does not hold, before they are made; may throw. */
  constructor(source: TarSource, onHole: (size: number) => void = () => undefined) {
    this.#source = source
    this.#onHole = onHole
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
            this.#setGlobal(key, value)
            records.set(key, value)
          }
          break
        case 'L':
          longName = strictTextOf(fieldAt(await this.#extension(header), 0, header.size)) ?? ''
          break
        case 'K':
          await this.#extension(header)
          break
        case 'M':
          throw new TarError('Archive goes on from another one')
        default:
          return this.#entry(header, longName, records)
      }
    }
    throw new TarError('Archive has too many extensions for one entry')
  }

  async #entry(
    header: Header,
    longName: string | undefined,
    records: ReadonlyMap<string, string>,
  ): Promise<TarEntry> {
    const map = header.type === 'S' ? await headerMap(header.block, () => this.#block()) : undefined
    const stated = records.has('size') ? decimalOf(records.get('size') ?? '') : header.size
    const size = WITHOUT_CONTENT.includes(header.type) ? 0 : stated
    this.#left = size
    this.#padding = paddingOf(size)
    const name = records.get('GNU.sparse.name') ?? records.get('path') ?? longName ?? header.name
    const kind = kindOf(header.type, name)
    return {
      name,
      kind,
      modifiedNs: timeOf(records.get('mtime')) ?? BigInt(header.seconds) * 1_000_000_000n,
      records,
      body: kind === 'file' ? this.#body(map ?? (await this.#mapOf(records))) : NO_CONTENT,
    }
  }

  async #mapOf(records: ReadonlyMap<string, string>): Promise<SparseMap | undefined> {
    if (!areSparse(records)) return undefined
    return recordsMap(records, () => {
      if (this.#left < BLOCK_BYTES) throw new TarError('Archive has a sparse file without a map')
      return this.#block()
    })
  }

  #body(map: SparseMap | undefined): TarEntry['body'] {
    const data = {
      sizeBytes: this.#left,
      read: (target: Uint8Array): Promise<number> => this.#read(target),
    }
    return map === undefined ? data : sparseBody(map, data, this.#onHole)
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
    // Some writers leave the end marker out.
    if (!(await this.#hasMore())) return undefined
    const block = await this.#block()
    return block.every((byte) => byte === 0) ? undefined : parseHeader(block)
  }

  /** The next block, whether of a header or of content. */
  async #block(): Promise<Uint8Array> {
    const block = new Uint8Array(BLOCK_BYTES)
    const left = Math.max(this.#left - BLOCK_BYTES, 0)
    this.#left = BLOCK_BYTES
    await this.#read(block)
    this.#left = left
    return block
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

  #setGlobal(key: string, value: string): void {
    this.#globalsSize += value.length - (this.#globals.get(key)?.length ?? -key.length)
    this.#globals.set(key, value)
    const isTooMuch = this.#globalsSize > EXTENSION_MAX_BYTES || this.#globals.size > 1000
    if (isTooMuch) throw new TarError('Archive has too many records')
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
  if (type === '5' || type === 'D' || (type === '0' && name.endsWith('/'))) return 'folder'
  if (type === 'V') return 'other'
  return type === '1' || type === '2' ? 'link' : 'file'
}

function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
}

function parseHeader(block: Uint8Array): Header {
  checkSum(block)
  const isUstar = textOf(block.subarray(257, 262)) === 'ustar'
  const prefix = isUstar && block[262] === 0 ? strictTextOf(fieldAt(block, 345, 155)) : ''
  const name = strictTextOf(fieldAt(block, 0, 100))
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156] ?? 0)
  const joined = prefix === '' ? name : `${prefix}/${name}`
  return {
    name: name === undefined || prefix === undefined ? '' : (joined ?? ''),
    type,
    size: numberAt(block, 124, 12),
    seconds: Math.max(signedNumberAt(block, 136, 12), 0),
    block,
  }
}

/** Of all bytes with blanks for the sum itself; some old writers took the bytes for signed numbers. */
function checkSum(block: Uint8Array): void {
  let sum = 0
  let signed = 0
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0)
    sum += byte
    signed += byte < 0x80 ? byte : byte - 0x100
  }
  const stated = numberAt(block, 148, 8)
  if (stated !== sum && stated !== signed) throw new TarError('Archive has a broken header')
}
