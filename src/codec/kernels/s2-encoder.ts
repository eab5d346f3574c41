import { FunctionBuilder, I32, type Code, type Local, type Operand } from '../wasm/emitter.ts'
import { i32, i64, i8x16, memory, v128 } from '../wasm/instructions.ts'
import { BULK_COPY_SIZE_MIN, copyVectors, VECTOR_SIZE } from './s2.ts'

/** Entries of the encoder's table of earlier positions, as a power of two. */
export const S2_TABLE_BITS_MAX = 14
/** The encoder takes no less; such inputs hold nothing worth finding. */
export const S2_INPUT_SIZE_MIN = 32

const c = i32.const

/** Spreads the six lower bytes over the upper bits. */
const HASH_MULTIPLIER = i64.const(0x9e37_79b1_85eb_ca87n)
/** After how many misses, as a power of two, the search takes steps longer by one. */
const SKIP_BITS = 6
/** The search ends here before the end, so that it loads no position behind it. */
const INPUT_MARGIN = 16

/**
 * s2Encode(source, size, target, limit, table, tableBits) -> bytes written at `target`; 0 when they would not be under
 * `limit`. The size is from S2_INPUT_SIZE_MIN to 16 MiB. `table` has 2^tableBits entries of 4 bytes.
 *
 * A greedy search as Snappy's: the table has the last position of each six bytes seen; the longer nothing is found, the
 * longer are its steps. Before that the last offset is tried, as S2 can repeat it in two bytes.
 */
export function s2EncodeKernel(): FunctionBuilder {
  const f = new FunctionBuilder('s2Encode', [I32, I32, I32, I32, I32, I32], [I32])
  const [source, sourceSize] = [f.parameter(0), f.parameter(1)]
  const [targetStart, limit] = [f.parameter(2), f.parameter(3)]
  const [table, tableBits] = [f.parameter(4), f.parameter(5)]
  const hashShift = f.i64()
  const end = f.i32()
  const searchEnd = f.i32()
  const target = f.i32()
  const targetLimit = f.i32()
  /** First byte that is not encoded. */
  const pending = f.i32()
  const position = f.i32()
  const candidate = f.i32()
  const word = f.i64()
  const next = f.i32()
  const offset = f.i32()
  const hasCopied = f.i32()
  const size = f.i32()
  const entry = f.i32()
  const entry2 = f.i32()
  const candidate2 = f.i32()
  const difference = f.i64()
  const scratch = { from: f.i32(), end: f.i32() }
  const result = f.i32()
  let tooLong = 0

  const put8 = (value: Operand, at = 0): void => f.push(i32.store8(target, value, at))
  const advance = (count: number): void => f.set(target, i32.add(target, c(count)))

  /** Address of the table's entry for the six bytes `drop` bytes into `word`. */
  const entryOf = (drop: number): Code => {
    const six = i64.shiftLeft(drop === 0 ? word : i64.shiftRightUnsigned(word, 8 * drop), 16)
    const hash = i64.shiftRightUnsignedBy(i64.multiply(six, HASH_MULTIPLIER), hashShift)
    return i32.add(table, i32.shiftLeft(i32.wrap(hash), c(2)))
  }
  /** Positions in the table count from the input's beginning. */
  const lookUp = (at: Local): Code => i32.add(source, i32.load(at))
  const note = (at: Local, where: Operand): void =>
    f.push(i32.store(at, i32.subtract(where, source)))
  const fourAt = (drop: number): Code =>
    i32.wrap(drop === 0 ? word : i64.shiftRightUnsigned(word, 8 * drop))

  /** Emits what is pending before `position`. */
  const emitLiteral = (): void => {
    f.set(size, i32.subtract(position, pending))
    f.if(size, () => {
      f.branchToIf(
        tooLong,
        i32.greaterOrEqualUnsigned(i32.add(i32.add(target, size), c(8)), targetLimit),
      )
      const less = i32.subtract(size, c(1))
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
      f.if(
        i32.greaterOrEqualUnsigned(size, c(BULK_COPY_SIZE_MIN)),
        () => {
          f.push(memory.copy(target, pending, size))
          f.set(target, i32.add(target, size))
        },
        () => copyVectors(f, { target, source: pending, size }, scratch),
      )
    })
  }
  /** Moves `position` and `candidate` back while the bytes before them agree. */
  const backwards = (): void => {
    // Where both may go back eight bytes these are compared at once; there is memory before every input.
    f.block(() => {
      const stop = f.depth
      f.loop(() => {
        const again = f.depth
        f.set(
          difference,
          i64.xor(i64.load(i32.subtract(position, c(8))), i64.load(i32.subtract(candidate, c(8)))),
        )
        f.set(size, i32.wrap(i64.shiftRightUnsigned(i64.leadingZeros(difference), 3)))
        f.set(scratch.from, i32.subtract(position, pending))
        f.set(scratch.end, i32.subtract(candidate, source))
        f.if(i32.greaterUnsigned(size, scratch.from), () => f.set(size, scratch.from))
        f.if(i32.greaterUnsigned(size, scratch.end), () => f.set(size, scratch.end))
        f.set(position, i32.subtract(position, size))
        f.set(candidate, i32.subtract(candidate, size))
        f.branchToIf(again, i32.equal(size, c(8)))
        f.branchTo(stop)
      })
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
    const isNear = i32.and(i32.lessUnsigned(offset, c(2048)), i32.lessOrEqualUnsigned(size, c(11)))
    f.set(entry, isNear)
    f.set(entry2, i32.greaterOrEqualUnsigned(offset, c(65_536)))
    const upper = i32.shiftLeft(i32.shiftRightUnsigned(offset, c(8)), c(5))
    const near = i32.or(i32.or(i32.shiftLeft(i32.subtract(size, c(4)), c(2)), upper), c(1))
    const far = i32.or(i32.shiftLeft(i32.subtract(size, c(1)), c(2)), i32.add(entry2, c(2)))
    f.set(candidate2, far)
    const swap = i32.and(i32.xor(near, candidate2), i32.subtract(c(0), entry))
    put8(i32.xor(candidate2, swap))
    f.push(i32.store(target, offset, 1))
    const bytes = i32.subtract(i32.add(c(3), i32.shiftLeft(entry2, c(1))), entry)
    f.set(target, i32.add(target, bytes))
  }
  /** A copy of `size` ≥ 4 bytes at `offset`, and a repeat for what does not fit. */
  const emitCopy = (): void => {
    f.if(i32.lessOrEqualUnsigned(size, c(64)), emitShortCopy, () => {
      // Near copies are shortest with few bytes.
      f.set(next, size)
      f.if(
        i32.lessUnsigned(offset, c(2048)),
        () => f.set(size, c(8)),
        () => f.set(size, c(60)),
      )
      f.set(next, i32.subtract(next, size))
      emitShortCopy()
      f.set(size, next)
      emitRepeat()
    })
  }

  f.set(hashShift, i64.subtract(i64.const(64n), i64.extend(tableBits)))
  f.push(memory.fill(table, c(0), i32.shiftLeft(c(4), tableBits)))
  f.set(end, i32.add(source, sourceSize))
  f.set(searchEnd, i32.subtract(end, c(INPUT_MARGIN)))
  f.set(target, targetStart)
  f.set(targetLimit, i32.add(targetStart, limit))
  f.set(pending, source)
  f.set(position, i32.add(source, c(1)))
  f.set(offset, c(1))
  f.block(() => {
    tooLong = f.depth
    f.block(() => {
      const atEnd = f.depth
      f.loop(() => {
        const search = f.depth
        f.block(() => {
          const found = f.depth
          f.loop(() => {
            f.set(word, i64.load(position))
            const step = i32.shiftRightUnsigned(i32.subtract(position, pending), c(SKIP_BITS))
            f.set(next, i32.add(i32.add(position, step), c(3)))
            f.branchToIf(atEnd, i32.greaterUnsigned(next, searchEnd))
            f.set(entry, entryOf(0))
            f.set(entry2, entryOf(1))
            f.set(candidate, lookUp(entry))
            f.set(candidate2, lookUp(entry2))
            note(entry, position)
            note(entry2, i32.add(position, c(1)))
            // The last offset, one byte ahead.
            f.set(size, i32.subtract(i32.add(position, c(1)), offset))
            f.if(i32.greaterOrEqualUnsigned(size, source), () => {
              f.if(i32.equal(i32.load(size), fourAt(1)), () => {
                f.set(candidate, size)
                f.set(position, i32.add(position, c(1)))
                backwards()
                emitLiteral()
                f.set(pending, position)
                forwards()
                f.set(size, i32.subtract(position, pending))
                f.set(pending, position)
                f.if(hasCopied, emitRepeat, emitCopy)
                f.set(hasCopied, c(1))
                f.branchToIf(atEnd, i32.greaterOrEqualUnsigned(position, searchEnd))
                f.branchTo(search)
              })
            })
            f.branchToIf(found, i32.equal(i32.load(candidate), fourAt(0)))
            f.set(entry, entryOf(2))
            f.set(candidate, lookUp(entry))
            f.if(i32.equal(i32.load(candidate2), fourAt(1)), () => {
              note(entry, i32.add(position, c(2)))
              f.set(candidate, candidate2)
              f.set(position, i32.add(position, c(1)))
              f.branchTo(found)
            })
            note(entry, i32.add(position, c(2)))
            f.if(i32.equal(i32.load(candidate), fourAt(2)), () => {
              f.set(position, i32.add(position, c(2)))
              f.branchTo(found)
            })
            f.set(position, next)
            f.branch(0)
          })
        })
        backwards()
        emitLiteral()
        f.loop(() => {
          const another = f.depth
          f.set(pending, position)
          f.set(next, i32.subtract(position, candidate))
          forwards()
          f.set(size, i32.subtract(position, pending))
          f.set(pending, position)
          f.branchToIf(tooLong, i32.greaterOrEqualUnsigned(target, targetLimit))
          f.if(i32.and(hasCopied, i32.equal(offset, next)), emitRepeat, () => {
            f.set(offset, next)
            emitCopy()
          })
          f.set(hasCopied, c(1))
          f.branchToIf(atEnd, i32.greaterOrEqualUnsigned(position, searchEnd))
          // The bytes behind the copy may be found at once.
          f.set(word, i64.load(i32.subtract(position, c(2))))
          f.set(entry, entryOf(0))
          note(entry, i32.subtract(position, c(2)))
          f.set(entry, entryOf(2))
          f.set(candidate, lookUp(entry))
          note(entry, position)
          f.branchToIf(another, i32.equal(i32.load(candidate), fourAt(2)))
        })
        f.set(position, i32.add(position, c(1)))
        f.branchTo(search)
      })
    })
    f.set(position, end)
    emitLiteral()
    f.if(i32.lessUnsigned(target, targetLimit), () => {
      f.set(result, i32.subtract(target, targetStart))
    })
  })
  f.push(result)
  return f
}
