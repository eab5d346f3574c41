import { type Code, FunctionBuilder, I32, I64, type Operand } from '../wasm/emitter.ts'
import { i32, i64, i64x2, v128, ZERO_VECTOR } from '../wasm/instructions.ts'
import { SHARED_LAYOUT } from '../layout.ts'

/**
 * CRC-32, CRC-32C and CRC-64/NVME, all reflected, with ones as initial value and final XOR.
 *
 * Long inputs are folded without multiplications: for a sparse multiple x^a + x^b + … + 1 of the polynomial, a byte
 * may be cancelled by adding it to the bytes at these distances ("taps") behind it. Folding leaves as many bytes as
 * the largest tap, which have the same CRC as the whole, and the tables do the rest.
 */
export interface CrcParameters {
  readonly polynomial: bigint
  readonly bits: 32 | 64
  /** Distances in bytes, found by a search for multiples that are sparse and byte-aligned. */
  readonly taps: readonly number[]
  /** The largest tap. */
  readonly reach: number
  /** Names of the kernels that fold, and of those for the end. */
  readonly fold: string
  readonly foldTail: string
  /** Address of the tables, in the shared constants. */
  readonly tableOffset: number
}

export const CRC_PARAMETERS = {
  crc32: {
    polynomial: 0xedb88320n,
    bits: 32,
    taps: [1927, 2181, 4018],
    reach: 4018,
    fold: 'crc32Fold',
    foldTail: 'crc32FoldTail',
    tableOffset: SHARED_LAYOUT.crc32Table,
  },
  crc32c: {
    polynomial: 0x82f63b78n,
    bits: 32,
    taps: [1747, 2830, 5321],
    reach: 5321,
    fold: 'crc32cFold',
    foldTail: 'crc32cFoldTail',
    tableOffset: SHARED_LAYOUT.crc32cTable,
  },
  crc64nvme: {
    polynomial: 0x9a6c9329ac4bc9b5n,
    bits: 64,
    taps: [2469, 3577, 3828, 3845, 3079, 3101, 2412, 3945],
    reach: 3945,
    fold: 'crc64nvmeFold',
    foldTail: 'crc64nvmeFoldTail',
    tableOffset: SHARED_LAYOUT.crc64nvmeTable,
  },
} as const satisfies Record<string, CrcParameters>

export type CrcName = keyof typeof CRC_PARAMETERS
export const CRC_NAMES = ['crc32', 'crc32c', 'crc64nvme'] as const satisfies readonly CrcName[]

/** Tables of one CRC: entry [k][b] is the CRC register after byte b and k zero bytes. */
const TABLE_COUNT = 16
const FOLD_STEP = 64

/** Writes the tables of one CRC into the shared constants. */
export function writeCrcTables(memory: Uint8Array, parameters: CrcParameters): void {
  const view = new DataView(memory.buffer, memory.byteOffset)
  const entryBytes = parameters.bits / 8
  const polynomialLow = Number(parameters.polynomial & 0xffffffffn)
  const polynomialHigh = Number(parameters.polynomial >> 32n)
  const low = new Uint32Array(TABLE_COUNT * 256)
  const high = new Uint32Array(TABLE_COUNT * 256)
  for (let i = 0; i < low.length; i++) {
    let a = i & 0xff
    let b = 0
    if (i < 256) {
      for (let bit = 0; bit < 8; bit++) {
        const odd = (a & 1) !== 0
        a = ((a >>> 1) | (b << 31)) ^ (odd ? polynomialLow : 0)
        b = (b >>> 1) ^ (odd ? polynomialHigh : 0)
      }
    } else {
      const before = i - 256
      const index = (low[before] ?? 0) & 0xff
      a = (((low[before] ?? 0) >>> 8) | ((high[before] ?? 0) << 24)) ^ (low[index] ?? 0)
      b = ((high[before] ?? 0) >>> 8) ^ (high[index] ?? 0)
    }
    low[i] = a
    high[i] = b
    const address = parameters.tableOffset + entryBytes * i
    view.setUint32(address, a, true)
    if (parameters.bits === 64) view.setUint32(address + 4, b, true)
  }
}

/** name(p, s, blocks, initial: i64): folds `blocks` · 64 bytes at `p` into the window at `s`, whose history lies in
 *  front of it; `initial` is added to the first bytes. */
function fold({ fold: name, taps, reach }: CrcParameters): FunctionBuilder {
  const f = new FunctionBuilder(name, [I32, I32, I32, I64])
  const input = f.parameter(0)
  const window = f.parameter(1)
  const blocks = f.parameter(2)
  const initial = f.v128()
  const inputEnd = f.i32()
  const history = f.i32()
  const vectors = f.vectors(4)
  f.set(initial, v128.and(i64x2.splat(f.parameter(3)), i64x2.const(-1n & 0xffffffffffffffffn, 0n)))
  f.set(inputEnd, i32.add(input, i32.shiftLeft(blocks, i32.const(6))))
  f.set(history, i32.subtract(window, i32.const(reach)))
  f.if(blocks, () => {
    f.repeatWhile(
      () => i32.notEqual(input, inputEnd),
      () => {
        for (const [k, x] of vectors.entries()) {
          f.set(x, v128.load(input, 16 * k))
          if (k === 0) f.set(x, v128.xor(x, initial))
        }
        for (const [k, x] of vectors.entries()) {
          for (const tap of taps) {
            f.set(x, v128.xor(x, v128.load(history, reach - tap + 16 * k)))
          }
        }
        for (const [k, x] of vectors.entries()) {
          f.push(v128.store(history, x, reach + 16 * k))
        }
        f.set(initial, ZERO_VECTOR)
        f.set(input, i32.add(input, i32.const(FOLD_STEP)))
        f.set(history, i32.add(history, i32.const(FOLD_STEP)))
      },
    )
  })
  return f
}

/** name(p, s, out, vectors): the bytes left by folding, `vectors` · 16 of them: out[i] = p[i] ^ s[i - tap] for all taps. */
function foldTail({ foldTail: name, taps, reach }: CrcParameters): FunctionBuilder {
  const f = new FunctionBuilder(name, [I32, I32, I32, I32])
  const input = f.parameter(0)
  const out = f.parameter(2)
  const left = f.parameter(3)
  const x = f.v128()
  const history = f.i32()
  f.set(history, i32.subtract(f.parameter(1), i32.const(reach)))
  f.if(left, () => {
    f.repeatWhile(
      () => left,
      () => {
        f.set(x, v128.load(input))
        for (const tap of taps) f.set(x, v128.xor(x, v128.load(history, reach - tap)))
        f.push(v128.store(out, x))
        for (const p of [input, out, history]) f.set(p, i32.add(p, i32.const(16)))
        f.set(left, i32.subtract(left, i32.const(1)))
      },
    )
  })
  return f
}

/** name(crc, p, size) -> crc: 16 bytes at a time by tables. */
function byTables32(name: string, tableOffset: number): FunctionBuilder {
  const f = new FunctionBuilder(name, [I32, I32, I32], [I32])
  const crc = f.parameter(0)
  const input = f.parameter(1)
  const size = f.parameter(2)
  const word = f.i32()
  const tableEntry = (table: number, index: Operand): Code =>
    i32.load(i32.shiftLeft(index, i32.const(2)), tableOffset + 1024 * table)
  const byteOf = (k: number): Code => {
    const shifted = k === 0 ? word.code : i32.shiftRightUnsigned(word, i32.const(8 * k))
    return k === 3 ? shifted : i32.and(shifted, i32.const(0xff))
  }
  const wordSum = (firstTable: number): Code =>
    [1, 2, 3].reduce<Code>(
      (sum, k) => i32.xor(sum, tableEntry(firstTable - k, byteOf(k))),
      tableEntry(firstTable, byteOf(0)),
    )
  f.set(crc, i32.not(crc))
  f.until(i32.lessUnsigned(size, i32.const(16)), () => {
    f.set(word, i32.xor(i32.load(input), crc))
    f.set(crc, wordSum(15))
    for (const q of [1, 2, 3]) {
      f.set(word, i32.load(input, 4 * q))
      f.set(crc, i32.xor(crc, wordSum(15 - 4 * q)))
    }
    f.set(input, i32.add(input, i32.const(16)))
    f.set(size, i32.subtract(size, i32.const(16)))
  })
  f.until(i32.isZero(size), () => {
    const index = i32.and(i32.xor(crc, i32.load8(input)), i32.const(0xff))
    f.set(crc, i32.xor(i32.shiftRightUnsigned(crc, i32.const(8)), tableEntry(0, index)))
    f.set(input, i32.add(input, i32.const(1)))
    f.set(size, i32.subtract(size, i32.const(1)))
  })
  f.push(i32.not(crc))
  return f
}

/** The same for 64 bits. */
function byTables64(name: string, tableOffset: number): FunctionBuilder {
  const f = new FunctionBuilder(name, [I64, I32, I32], [I64])
  const crc = f.parameter(0)
  const input = f.parameter(1)
  const size = f.parameter(2)
  const word = f.i64()
  const tableEntry = (table: number, index: Operand): Code =>
    i64.load(i32.shiftLeft(index, i32.const(3)), tableOffset + 2048 * table)
  const byteOf = (k: number): Code => {
    const shifted = i32.wrap(i64.shiftRightUnsigned(word, 8 * k))
    return k === 7 ? shifted : i32.and(shifted, i32.const(0xff))
  }
  const wordSum = (firstTable: number): Code =>
    [1, 2, 3, 4, 5, 6, 7].reduce<Code>(
      (sum, k) => i64.xor(sum, tableEntry(firstTable - k, byteOf(k))),
      tableEntry(firstTable, byteOf(0)),
    )
  const ones = i64.const(-1n)
  f.set(crc, i64.xor(crc, ones))
  f.until(i32.lessUnsigned(size, i32.const(16)), () => {
    f.set(word, i64.xor(i64.load(input), crc))
    f.set(crc, wordSum(15))
    f.set(word, i64.load(input, 8))
    f.set(crc, i64.xor(crc, wordSum(7)))
    f.set(input, i32.add(input, i32.const(16)))
    f.set(size, i32.subtract(size, i32.const(16)))
  })
  f.until(i32.isZero(size), () => {
    const index = i32.and(i32.xor(i32.wrap(crc), i32.load8(input)), i32.const(0xff))
    f.set(crc, i64.xor(i64.shiftRightUnsigned(crc, 8), tableEntry(0, index)))
    f.set(input, i32.add(input, i32.const(1)))
    f.set(size, i32.subtract(size, i32.const(1)))
  })
  f.push(i64.xor(crc, ones))
  return f
}

/** For each CRC: its name for the tables, and the same with `Fold` and `FoldTail`. */
export function crcKernels(): FunctionBuilder[] {
  return CRC_NAMES.flatMap((name) => {
    const parameters = CRC_PARAMETERS[name]
    const { bits, tableOffset } = parameters
    return [
      bits === 64 ? byTables64(name, tableOffset) : byTables32(name, tableOffset),
      fold(parameters),
      foldTail(parameters),
    ]
  })
}
