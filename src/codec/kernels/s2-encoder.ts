import { FunctionBuilder, I32, type Code, type Local, type Operand } from '../wasm/emitter.ts'
import { i32, i32x4, i64, i8x16, memory, v128 } from '../wasm/instructions.ts'
import { BULK_COPY_SIZE_MIN, copyVectors, VECTOR_SIZE } from './s2.ts'

/** Entries of the encoder's table of earlier positions, as a power of two. */
export const S2_TABLE_BITS_MAX = 16
/** The encoder takes no less; such inputs hold nothing worth finding. */
export const S2_INPUT_SIZE_MIN = 32

/** Spreads the six lower bytes over the upper bits. */
const HASH_MULTIPLIER = i64.const(0x9e37_79b1_85eb_ca87n)
/** After how many misses, as a power of two, the search takes steps longer by one. */
const SKIP_BITS = 7
/** The search ends here before the end, so that it loads no position behind it. */
const INPUT_MARGIN = 16
const SHORT_COPY_SIZE_MAX = 64

const c = i32.const

/**
 * s2Encode(source, size, target, limit, table, tableBits) -> bytes written at `target`; 0 when they would not be under
 * `limit`. The size is from S2_INPUT_SIZE_MIN to 16 MiB. `table` has 2^tableBits entries of 4 bytes, at least 16.
 *
 * A greedy search as Snappy's: the table has the last address of each six bytes seen; the longer nothing is found, the
 * longer are its steps. The last offset is tried as well, as S2 can repeat it in two bytes. Of what a copy passes over
 * the last positions enter the table, too: for little time this finds most of what a second table would.
 */
export function s2EncodeKernel(): FunctionBuilder {
  const f = new FunctionBuilder('s2Encode', [I32, I32, I32, I32, I32, I32], [I32])
  const [source, sourceSize] = [f.parameter(0), f.parameter(1)]
  const [targetStart, limit] = [f.parameter(2), f.parameter(3)]
  const [table, tableBits] = [f.parameter(4), f.parameter(5)]
  const hashShift = f.i64()
  const filler = f.v128()
  const end = f.i32()
  const searchEnd = f.i32()
  const target = f.i32()
  const targetLimit = f.i32()
  /** First byte that is not encoded. */
  const pending = f.i32()
  const position = f.i32()
  /** First byte of a copy; `position` is behind its last one. */
  const begin = f.i32()
  const candidate = f.i32()
  const word = f.i64()
  /** Of the copy at work, and then for the search of repeats; before the first copy one that may as well be tried. */
  const offset = f.i32()
  /** Of the last copy that was emitted; 0 before the first. */
  const lastOffset = f.i32()
  const size = f.i32()
  const rest = f.i32()
  const entry = f.i32()
  const entry2 = f.i32()
  const candidates = [f.i32(), f.i32(), f.i32()] as const
  const copied = f.i64()
  const isNear = f.i32()
  const isFar = f.i32()
  const difference = f.i64()
  const scratch = { from: f.i32(), end: f.i32() }
  const result = f.i32()
  let tooLong = 0

  const put8 = (value: Operand, at = 0): void => f.push(i32.store8(target, value, at))
  const advance = (count: number): void => f.set(target, i32.add(target, c(count)))
  /** `bytes` without its lowest ones. */
  const behind = (bytes: Local, drop: number): Operand =>
    drop === 0 ? bytes : i64.shiftRightUnsigned(bytes, 8 * drop)
  const fourAt = (drop: number): Code => i32.wrap(behind(word, drop))
  /** Address of the table's entry for the six bytes `drop` bytes into `bytes`. */
  const entryOf = (bytes: Local, drop: number): Code => {
    const six = i64.shiftLeft(behind(bytes, drop), 16)
    const hash = i64.shiftRightUnsignedBy(i64.multiply(six, HASH_MULTIPLIER), hashShift)
    return i32.add(table, i32.shiftLeft(i32.wrap(hash), c(2)))
  }
  const note = (at: Operand, where: Operand): void => f.push(i32.store(at, where))

  /** Lets all entries lead to the first byte, where comparing does no harm. */
  const clearTable = (): void => {
    f.set(filler, i32x4.splat(source))
    f.set(entry, table)
    f.set(entry2, i32.add(table, i32.shiftLeft(c(4), tableBits)))
    f.repeatWhile(
      () => i32.lessUnsigned(entry, entry2),
      () => {
        for (const at of [0, 16, 32, 48]) f.push(v128.store(entry, filler, at))
        f.set(entry, i32.add(entry, c(64)))
      },
    )
  }
  /** Emits what is pending before `begin`. */
  const emitLiteral = (): void => {
    f.set(size, i32.subtract(begin, pending))
    const worst = i32.add(i32.add(target, size), c(8))
    f.branchToIf(tooLong, i32.greaterOrEqualUnsigned(worst, targetLimit))
    const less = i32.subtract(size, c(1))
    f.if(
      i32.lessOrEqualUnsigned(size, c(VECTOR_SIZE)),
      () => {
        // What is written of an empty one is overwritten.
        put8(i32.shiftLeft(less, c(2)))
        f.push(v128.store(target, v128.load(pending), 1))
        f.set(target, i32.add(i32.add(target, size), i32.notEqual(size, c(0))))
      },
      () => {
        emitLiteralHead(less)
        f.if(
          i32.greaterOrEqualUnsigned(size, c(BULK_COPY_SIZE_MIN)),
          () => {
            f.push(memory.copy(target, pending, size))
            f.set(target, i32.add(target, size))
          },
          () => copyVectors(f, { target, source: pending, size }, scratch),
        )
      },
    )
  }
  const emitLiteralHead = (less: Operand): void =>
    f.if(
      i32.lessOrEqualUnsigned(size, c(60)),
      () => {
        put8(i32.shiftLeft(less, c(2)))
        advance(1)
      },
      () =>
        f.if(
          i32.lessOrEqualUnsigned(size, c(256)),
          () => {
            put8(c(60 << 2))
            put8(less, 1)
            advance(2)
          },
          () =>
            f.if(
              i32.lessOrEqualUnsigned(size, c(65_536)),
              () => {
                put8(c(61 << 2))
                f.push(i32.store16(target, less, 1))
                advance(3)
              },
              () => {
                put8(c(62 << 2))
                f.push(i32.store(target, less, 1))
                advance(4)
              },
            ),
        ),
    )
  /** Moves `begin` back while the bytes before it agree with those at the distance `offset`. */
  const backwards = (): void => {
    // Eight bytes are compared at once, then the count is cut; there is memory before every input.
    f.loop(() => {
      const again = f.depth
      f.set(candidate, i32.subtract(begin, offset))
      const before = i64.load(i32.subtract(begin, c(8)))
      f.set(difference, i64.xor(before, i64.load(i32.subtract(candidate, c(8)))))
      f.set(size, i32.wrap(i64.shiftRightUnsigned(i64.leadingZeros(difference), 3)))
      f.set(rest, i32.subtract(begin, pending))
      f.set(size, i32.select(i32.lessUnsigned(size, rest), size, rest))
      f.set(rest, i32.subtract(candidate, source))
      f.set(size, i32.select(i32.lessUnsigned(size, rest), size, rest))
      f.set(begin, i32.subtract(begin, size))
      f.branchToIf(again, i32.equal(size, c(8)))
    })
  }
  /** Moves `position` and `candidate` on while they agree. */
  const forwards = (): void => {
    f.block(() => {
      const stop = f.depth
      f.loop(() => {
        const again = f.depth
        f.if(i32.lessOrEqualUnsigned(i32.add(position, c(VECTOR_SIZE)), end), () => {
          const same = i8x16.bitmask(i8x16.equal(v128.load(position), v128.load(candidate)))
          // A bit beyond the vector ends the count.
          f.set(size, i32.trailingZeros(i32.xor(same, c(0x1_ffff))))
          f.set(position, i32.add(position, size))
          f.set(candidate, i32.add(candidate, size))
          f.branchToIf(again, i32.equal(size, c(VECTOR_SIZE)))
          f.branchTo(stop)
        })
        f.branchToIf(stop, i32.greaterOrEqualUnsigned(position, end))
        f.branchToIf(stop, i32.notEqual(i32.load8(position), i32.load8(candidate)))
        f.set(position, i32.add(position, c(1)))
        f.set(candidate, i32.add(candidate, c(1)))
        f.branch(0)
      })
    })
  }
  /** Repeats of `size` ≥ 4 bytes, all of them. */
  const emitRepeat = (): void => {
    const form = (less: number, kind: number, bytes: number): void => {
      put8(c((kind << 2) | 1))
      put8(c(0), 1)
      f.push(i32.store(target, i32.subtract(size, c(less)), 2))
      advance(2 + bytes)
    }
    f.if(
      i32.lessOrEqualUnsigned(size, c(8)),
      () => {
        put8(i32.or(i32.shiftLeft(i32.subtract(size, c(4)), c(2)), c(1)))
        put8(c(0), 1)
        advance(2)
      },
      () =>
        f.if(
          i32.lessUnsigned(size, c(8 + 256)),
          () => form(8, 5, 1),
          () =>
            f.if(
              i32.lessUnsigned(size, c(260 + 65_536)),
              () => form(260, 6, 2),
              () => form(65_540, 7, 3),
            ),
        ),
    )
  }
  /** A copy of 4 to 64 bytes at `offset`, in the shortest form; without branches, which no processor could foresee. */
  const emitShortCopy = (): void => {
    const isShort = i32.lessOrEqualUnsigned(size, c(11))
    f.set(isNear, i32.and(i32.lessUnsigned(offset, c(2048)), isShort))
    f.set(isFar, i32.greaterOrEqualUnsigned(offset, c(65_536)))
    const upper = i32.shiftLeft(i32.shiftRightUnsigned(offset, c(8)), c(5))
    const near = i32.or(i32.or(i32.shiftLeft(i32.subtract(size, c(4)), c(2)), upper), c(1))
    const others = i32.or(i32.shiftLeft(i32.subtract(size, c(1)), c(2)), i32.add(isFar, c(2)))
    put8(i32.select(isNear, near, others))
    f.push(i32.store(target, offset, 1))
    const bytes = i32.add(c(3), i32.shiftLeft(isFar, c(1)))
    f.set(target, i32.add(target, i32.select(isNear, c(2), bytes)))
  }
  /** A copy of `size` ≥ 4 bytes at `offset`, and a repeat for what does not fit. */
  const emitCopy = (): void => {
    f.if(i32.lessOrEqualUnsigned(size, c(SHORT_COPY_SIZE_MAX)), emitShortCopy, () => {
      // Near copies are shortest with few bytes.
      f.set(rest, size)
      f.set(size, i32.select(i32.lessUnsigned(offset, c(2048)), c(8), c(60)))
      f.set(rest, i32.subtract(rest, size))
      emitShortCopy()
      f.set(size, rest)
      emitRepeat()
    })
  }
  /** Takes out of the table where the bytes at `position` and at the two behind it were last, and notes these. */
  const look = (): void => {
    f.set(word, i64.load(position))
    for (const [drop, found] of candidates.entries()) {
      f.set(entry, entryOf(word, drop))
      f.set(found, i32.load(entry))
      note(entry, i32.add(position, c(drop)))
    }
  }
  /** Begins with what `look` has found, and sets `position` and `candidate` where the same four bytes are. */
  const search = (atEnd: number): void => {
    const found = f.depth
    const foundIf = (drop: number, where: Local): void =>
      f.if(i32.equal(i32.load(where), fourAt(drop)), () => {
        f.set(candidate, where)
        f.set(position, i32.add(position, c(drop)))
        f.branchTo(found)
      })
    f.loop(() => {
      foundIf(0, candidates[0])
      // The last offset, one byte ahead: at the position itself it has just ended.
      f.set(size, i32.subtract(i32.add(position, c(1)), offset))
      foundIf(1, size)
      foundIf(1, candidates[1])
      foundIf(2, candidates[2])
      const step = i32.shiftRightUnsigned(i32.subtract(position, pending), c(SKIP_BITS))
      f.set(position, i32.add(i32.add(position, step), c(3)))
      f.branchToIf(atEnd, i32.greaterUnsigned(position, searchEnd))
      look()
      f.branch(0)
    })
  }
  /** Notes the last three positions of the copy before `position`. */
  const noteCopied = (): void => {
    f.set(copied, i64.load(i32.subtract(position, c(3))))
    for (const drop of [0, 1, 2]) note(entryOf(copied, drop), i32.subtract(position, c(3 - drop)))
  }

  f.set(hashShift, i64.subtract(i64.const(64n), i64.extend(tableBits)))
  clearTable()
  f.set(end, i32.add(source, sourceSize))
  f.set(searchEnd, i32.subtract(end, c(INPUT_MARGIN)))
  f.set(target, targetStart)
  f.set(targetLimit, i32.add(targetStart, limit))
  f.set(pending, source)
  f.set(position, i32.add(source, c(1)))
  f.set(offset, c(1))
  look()
  f.block(() => {
    tooLong = f.depth
    f.block(() => {
      const atEnd = f.depth
      f.loop(() => {
        f.block(() => search(atEnd))
        f.set(begin, position)
        f.set(offset, i32.subtract(position, candidate))
        forwards()
        // Here and not where it is needed: processors wait for the table while they emit the copy.
        look()
        backwards()
        emitLiteral()
        f.set(size, i32.subtract(position, begin))
        f.set(pending, position)
        f.if(i32.equal(lastOffset, offset), emitRepeat, emitCopy)
        f.set(lastOffset, offset)
        f.branchToIf(atEnd, i32.greaterOrEqualUnsigned(position, searchEnd))
        noteCopied()
        f.branch(0)
      })
    })
    f.set(begin, end)
    emitLiteral()
    f.if(i32.lessUnsigned(target, targetLimit), () => {
      f.set(result, i32.subtract(target, targetStart))
    })
  })
  f.push(result)
  return f
}
