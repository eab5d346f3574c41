/** One block of bzip2: Huffman codes, move to front, Burrows and Wheeler's transform, run lengths. */
import { SelectError } from '../select-error.ts'
import type { BitReader } from './bit-reader.ts'

const CODE_BITS_MAX = 20
const GROUP_SYMBOLS = 50
const TABLES_MAX = 6
const SELECTORS_MAX = 18_002
const RUN_A = 0
const RUN_B = 1
/** A run of so many equal bytes is followed by a count of more. */
const RUN_BYTES = 4
/** Groups of symbols between two pauses: some milliseconds. */
const GROUPS_PER_TURN = 2000
/** Codes of so many bits are found by one look at a table. */
const LOOKUP_BITS = 10

interface Table {
  /** For the next `LOOKUP_BITS` bits: symbol and length of their code, `symbol << 5 | bits`; 0: the code is longer. */
  readonly lookup: Uint16Array
  readonly limit: Int32Array
  readonly base: Int32Array
  readonly symbols: Uint16Array
}

export class Bzip2Block {
  readonly maxBytes: number
  /** Low 8 bits: a byte; above: the index of the byte behind it. */
  readonly #links: Uint32Array
  #count = 0
  #storedCrc = 0
  #crc = 0xffffffff
  // Where reading is.
  #position = 0
  #readCount = 0
  #previous = -1
  #runLength = 0
  #repeats = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
    this.#links = new Uint32Array(maxBytes)
  }

  /** CRC that the block came with. */
  get storedCrc(): number {
    return this.#storedCrc
  }

  /** Whether everything read has the CRC that it should. */
  get isIntact(): boolean {
    return ~this.#crc >>> 0 === this.#storedCrc
  }

  /** Decodes a block behind its mark, with pauses. Errors: `OutOfBits`, `TruncatedInput`. */
  *decode(bits: BitReader): Generator<void, void, undefined> {
    this.#storedCrc = bits.read(16) * 0x10000 + bits.read(16)
    if (bits.read(1) === 1) throw broken() // randomized blocks: of versions before 0.9.5
    const origin = bits.read(24)
    const counts = new Uint32Array(256)
    const bytes = usedBytes(bits)
    if (bytes.length === 0) throw broken()
    yield* this.#symbols(bits, bytes, counts)
    if (origin >= this.#count) throw broken()
    this.#link(counts)
    yield
    this.#position = (this.#links[origin] ?? 0) >>> 8
    this.#readCount = 0
    this.#previous = -1
    this.#runLength = 0
    this.#repeats = 0
    this.#crc = 0xffffffff
  }

  *#symbols(
    bits: BitReader,
    front: Uint8Array,
    counts: Uint32Array,
  ): Generator<void, void, undefined> {
    const endSymbol = front.length + 1
    const tableCount = bits.read(3)
    if (tableCount < 2 || tableCount > TABLES_MAX) throw broken()
    const selectors = readSelectors(bits, tableCount)
    const tables: Table[] = []
    for (let i = 0; i < tableCount; i++) tables.push(readTable(bits, endSymbol + 1))
    let runLength = 0
    let runUnit = 1
    this.#count = 0
    for (let group = 0; ; group++) {
      const table = tables[selectors[group] ?? TABLES_MAX]
      if (table === undefined) throw broken()
      for (let i = 0; i < GROUP_SYMBOLS; i++) {
        const symbol = readSymbol(bits, table)
        if (symbol === RUN_A || symbol === RUN_B) {
          runLength += symbol === RUN_A ? runUnit : 2 * runUnit
          runUnit *= 2
          if (runLength > this.maxBytes) throw broken()
          continue
        }
        if (runLength > 0) {
          this.#append(front[0] ?? 0, runLength, counts)
          runLength = 0
          runUnit = 1
        }
        if (symbol === endSymbol) return
        const index = symbol - 1
        const byte = front[index] ?? 0
        front.copyWithin(1, 0, index)
        front[0] = byte
        this.#append(byte, 1, counts)
      }
      bits.check()
      if (group % GROUPS_PER_TURN === GROUPS_PER_TURN - 1) yield
    }
  }

  #append(byte: number, count: number, counts: Uint32Array): void {
    if (this.#count + count > this.maxBytes) throw broken()
    this.#links.fill(byte, this.#count, this.#count + count)
    this.#count += count
    counts[byte] = (counts[byte] ?? 0) + count
  }

  /** Undoes the transform: the sorted order of the bytes tells which one follows each. */
  #link(counts: Uint32Array): void {
    const links = this.#links
    let sum = 0
    for (let i = 0; i < counts.length; i++) {
      const count = counts[i] ?? 0
      counts[i] = sum
      sum += count
    }
    for (let i = 0; i < this.#count; i++) {
      const byte = (links[i] ?? 0) & 0xff
      const at = counts[byte] ?? 0
      links[at] = ((links[at] ?? 0) & 0xff) | (i << 8)
      counts[byte] = at + 1
    }
  }

  /** Fills `output` with the content that follows; fewer bytes, or none, at the end of the block. */
  read(output: Uint8Array): number {
    const links = this.#links
    let to = 0
    let crc = this.#crc
    while (to < output.length) {
      if (this.#repeats > 0) {
        this.#repeats -= 1
      } else {
        if (this.#readCount >= this.#count) break
        const link = links[this.#position] ?? 0
        const byte = link & 0xff
        this.#position = link >>> 8
        this.#readCount += 1
        if (this.#runLength === RUN_BYTES) {
          // Not a byte but how often the one before is repeated.
          this.#repeats = byte
          this.#runLength = 0
          continue
        }
        this.#runLength = byte === this.#previous ? this.#runLength + 1 : 1
        this.#previous = byte
      }
      output[to] = this.#previous
      crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ this.#previous] ?? 0)
      to += 1
    }
    this.#crc = crc
    return to
  }
}

function broken(): SelectError {
  return new SelectError('TruncatedInput')
}

/** The bytes that occur, ascending. */
function usedBytes(bits: BitReader): Uint8Array {
  const ranges = bits.read(16)
  const bytes: number[] = []
  for (let i = 0; i < 16; i++) {
    if ((ranges & (0x8000 >> i)) === 0) continue
    const range = bits.read(16)
    for (let j = 0; j < 16; j++) if ((range & (0x8000 >> j)) !== 0) bytes.push(i * 16 + j)
  }
  return Uint8Array.from(bytes)
}

function readSelectors(bits: BitReader, tableCount: number): Uint8Array {
  const count = bits.read(15)
  if (count === 0) throw broken()
  const order = Array.from({ length: tableCount }, (_, i) => i)
  // More than any block needs are allowed, and not looked at.
  const selectors = new Uint8Array(Math.min(count, SELECTORS_MAX)).fill(TABLES_MAX)
  for (let i = 0; i < count; i++) {
    let index = 0
    while (bits.bit() === 1) {
      index += 1
      if (index >= tableCount) throw broken()
    }
    const [table = 0] = order.splice(index, 1)
    order.unshift(table)
    if (i < selectors.length) selectors[i] = table
  }
  return selectors
}

function readTable(bits: BitReader, symbolCount: number): Table {
  const lengths = new Uint8Array(symbolCount)
  let length = bits.read(5)
  for (let i = 0; i < symbolCount; i++) {
    for (;;) {
      if (length < 1 || length > CODE_BITS_MAX) throw broken()
      if (bits.bit() === 0) break
      length += bits.bit() === 0 ? 1 : -1
    }
    lengths[i] = length
  }
  return tableOf(lengths)
}

/** Canonical codes: within a length ascending by symbol, longer ones behind shorter ones. */
function tableOf(lengths: Uint8Array): Table {
  const symbols = new Uint16Array(lengths.length)
  const limit = new Int32Array(CODE_BITS_MAX + 2).fill(-1)
  const base = new Int32Array(CODE_BITS_MAX + 2)
  const lookup = new Uint16Array(1 << LOOKUP_BITS)
  let code = 0
  let index = 0
  for (let length = 1; length <= CODE_BITS_MAX; length++) {
    base[length] = index - code
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue
      symbols[index] = symbol
      if (length <= LOOKUP_BITS) {
        const spare = LOOKUP_BITS - length
        lookup.fill((symbol << 5) | length, code << spare, (code + 1) << spare)
      }
      index += 1
      code += 1
    }
    limit[length] = code - 1
    code *= 2
  }
  return { lookup, limit, base, symbols }
}

function readSymbol(bits: BitReader, table: Table): number {
  const found = table.lookup[bits.peek(LOOKUP_BITS)] ?? 0
  if (found !== 0) {
    bits.skip(found & 31)
    return found >> 5
  }
  const word = bits.peek(CODE_BITS_MAX)
  for (let length = LOOKUP_BITS + 1; length <= CODE_BITS_MAX; length++) {
    const code = word >>> (CODE_BITS_MAX - length)
    if (code > (table.limit[length] ?? -1)) continue
    bits.skip(length)
    return table.symbols[code + (table.base[length] ?? 0)] ?? 0
  }
  throw broken()
}

const CRC_TABLE = new Int32Array(256).map((_, i) => {
  let crc = i << 24
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0)
  return crc
})
