import { SHARED_LAYOUT } from '../layout.ts'
import { FunctionBuilder, I32, type Code } from '../wasm/emitter.ts'
import { i32, i64, memory, v128 } from '../wasm/instructions.ts'
import { BULK_COPY_SIZE_MIN, copyVectors, VECTOR_SIZE } from './s2.ts'

/**
 * What the first byte of an element means. The table `s2Steps` has a byte for each value, how many bytes the element
 * takes; `s2Tags` has 8 bytes for each:
 *
 *   0 to 3  mask of the offset in the bytes that follow, 0 for literals
 *   4       size
 *   5       bits 0 to 2: upper bits of the offset; 3 to 7: the size, at most that of a vector
 *   6       1 when an offset of 0 is not just "the last one again", and for literals that more bytes tell the size of
 */
export function writeS2Tags(memory: Uint8Array): void {
  const tags = new DataView(memory.buffer, memory.byteOffset + SHARED_LAYOUT.s2Tags)
  for (let tag = 0; tag < 256; tag++) {
    const kind = tag & 3
    const upper = tag >> 2
    const size = kind === 1 ? 4 + (upper & 7) : 1 + upper
    const isSpecial = kind === 0 ? size > SHORT_LITERAL_SIZE_MAX : kind > 1 || size > 8
    const upperOffset = kind === 1 ? upper >> 3 : 0
    memory[SHARED_LAYOUT.s2Steps + tag] = kind === 0 ? 1 + size : ([0, 2, 3, 5][kind] ?? 0)
    tags.setUint32(8 * tag, [0, 0xff, 0xffff, 0xffff_ffff][kind] ?? 0, true)
    tags.setUint8(8 * tag + 4, size)
    tags.setUint8(8 * tag + 5, upperOffset | (Math.min(size, VECTOR_SIZE) << 3))
    tags.setUint8(8 * tag + 6, isSpecial ? 1 : 0)
  }
}

const SHORT_LITERAL_SIZE_MAX = 60
/** What an element of the fast path produces at most. */
const FAST_SIZE_MAX = 64

const c = i32.const

/**
 * s2Decode(source, sourceEnd, target, targetEnd) -> 1 when the elements make exactly the target, else 0.
 *
 * Every element is checked before it writes. Most pass a path without a branch that depends on what they are, as no
 * processor foresees that: a literal is a copy out of the source, a repeat a copy with the last offset, and both move
 * 32 bytes even if fewer count. What is rare, long, overlapping, wrong, or near one of the ends takes the careful way.
 */
export function s2DecodeKernel(): FunctionBuilder {
  const f = new FunctionBuilder('s2Decode', [I32, I32, I32, I32], [I32])
  const [source, sourceEnd] = [f.parameter(0), f.parameter(1)]
  const [target, targetEnd] = [f.parameter(2), f.parameter(3)]
  const start = f.i32()
  const sourceFastEnd = f.i32()
  const targetFastEnd = f.i32()
  const tag = f.i32()
  const step = f.i32()
  /** Where in the table the tag is; and the upper half of what stands there. */
  const entry = f.i32()
  const meaning = f.i32()
  const size = f.i32()
  const offset = f.i32()
  const distance = f.i32()
  /** Of the last copy; 0 before the first. */
  const lastOffset = f.i32()
  const scratch = { from: f.i32(), end: f.i32() }
  const isGood = f.i32()
  let failed = 0
  let careful = 0
  const sourceLeft = i32.subtract(sourceEnd, source)
  const targetLeft = i32.subtract(targetEnd, target)
  const produced = i32.subtract(target, start)
  const failIf = (condition: Code): void => f.branchToIf(failed, condition)
  const carefulIf = (condition: Code): void => f.branchToIf(careful, condition)

  /** Sets `size` and `offset` of a tag: those of a copy, of a literal the size and 0. */
  const look = (): void => {
    f.set(entry, i32.shiftLeft(tag, c(3)))
    f.set(meaning, i32.load(entry, SHARED_LAYOUT.s2Tags + 4))
    f.set(size, i32.and(meaning, c(0x7f)))
    const lower = i32.and(i32.load(source, 1), i32.load(entry, SHARED_LAYOUT.s2Tags))
    f.set(offset, i32.or(i32.and(meaning, c(0x700)), lower))
  }
  const moveVector = (at: number): void =>
    f.push(v128.store(target, v128.load(scratch.from, at), at))
  /** Moves 16 bytes, or 64, from any distance that is not less than the size and 16. */
  const moveNear = (): void =>
    f.if(
      i32.lessOrEqualUnsigned(size, c(8)),
      // Processors wait for a load of bytes that two stores have just written; a short one touches two less often.
      () => f.push(i64.store(target, i64.load(scratch.from))),
      () => {
        moveVector(0)
        f.if(i32.greaterUnsigned(size, c(16)), () => {
          for (const at of [16, 32, 48]) moveVector(at)
        })
      },
    )
  const moveFar = (): void => {
    moveVector(0)
    moveVector(16)
    f.if(i32.greaterUnsigned(size, c(32)), () => {
      moveVector(32)
      moveVector(48)
    })
  }
  const fast = (): void => {
    carefulIf(i32.greaterUnsigned(source, sourceFastEnd))
    carefulIf(i32.greaterUnsigned(target, targetFastEnd))
    f.set(tag, i32.load8(source))
    // From here to the next tag everything waits for this: two loads and an addition.
    f.set(step, i32.load8(tag, SHARED_LAYOUT.s2Steps))
    look()
    carefulIf(i32.lessUnsigned(offset, i32.shiftRightUnsigned(meaning, c(16))))
    f.set(offset, i32.select(offset, offset, lastOffset))
    carefulIf(i32.greaterUnsigned(offset, produced))
    const isCopy = i32.and(tag, c(3))
    f.set(scratch.from, i32.select(isCopy, i32.subtract(target, offset), i32.add(source, c(1))))
    f.set(distance, i32.subtract(target, scratch.from))
    f.if(
      i32.lessUnsigned(distance, c(2 * VECTOR_SIZE)),
      () => {
        const sizeInVector = i32.and(i32.shiftRightUnsigned(meaning, c(11)), c(0x1f))
        carefulIf(i32.lessUnsigned(distance, sizeInVector))
        moveNear()
      },
      moveFar,
    )
    f.set(lastOffset, offset)
    f.set(target, i32.add(target, size))
    f.set(source, i32.add(source, step))
  }

  /** 60 to 63 in the tag: one to four bytes hold the size less one. */
  const longLiteralSize = (): void => {
    f.set(offset, i32.subtract(size, c(SHORT_LITERAL_SIZE_MAX)))
    failIf(i32.greaterUnsigned(offset, sourceLeft))
    const unwanted = i32.shiftLeft(i32.subtract(c(4), offset), c(3))
    f.set(size, i32.shiftRightUnsigned(i32.shiftLeft(i32.load(source), unwanted), unwanted))
    f.set(source, i32.add(source, offset))
    // Compared before the addition, which may overflow.
    failIf(i32.greaterOrEqualUnsigned(size, targetLeft))
    f.set(size, i32.add(size, c(1)))
  }
  const literal = (): void => {
    f.set(source, i32.add(source, c(1)))
    f.set(size, i32.add(i32.shiftRightUnsigned(tag, c(2)), c(1)))
    f.if(i32.greaterUnsigned(size, c(SHORT_LITERAL_SIZE_MAX)), longLiteralSize)
    failIf(i32.greaterUnsigned(size, sourceLeft))
    failIf(i32.greaterUnsigned(size, targetLeft))
    f.if(
      i32.greaterOrEqualUnsigned(size, c(BULK_COPY_SIZE_MIN)),
      () => {
        f.push(memory.copy(target, source, size))
        f.set(target, i32.add(target, size))
      },
      () => copyVectors(f, { target, source, size }, scratch),
    )
    f.set(source, i32.add(source, size))
  }
  /** The source stands behind the two bytes of a repeat, of which `size` is 4 to 11. */
  const repeatSize = (): void => {
    f.set(offset, lastOffset)
    f.if(i32.greaterUnsigned(size, c(8)), () => {
      // One, two or three more bytes.
      f.set(size, i32.subtract(size, c(8)))
      f.set(tag, i32.load(source))
      f.set(source, i32.add(source, size))
      f.if(
        i32.equal(size, c(1)),
        () => f.set(size, i32.add(i32.and(tag, c(0xff)), c(8))),
        () =>
          f.if(
            i32.equal(size, c(2)),
            () => f.set(size, i32.add(i32.and(tag, c(0xffff)), c(260))),
            () => f.set(size, i32.add(i32.and(tag, c(0xff_ffff)), c(65_540))),
          ),
      )
    })
  }
  /** One that is cut off reads bytes of the slack; it is found out when the source does not end where it should. */
  const copy = (): void => {
    look()
    f.set(source, i32.add(source, i32.load8(tag, SHARED_LAYOUT.s2Steps)))
    f.if(i32.isZero(offset), () => {
      failIf(i32.notEqual(i32.and(tag, c(3)), c(1)))
      repeatSize()
    })
    // One comparison refuses 0 and what lies before the output.
    failIf(i32.greaterOrEqualUnsigned(i32.subtract(offset, c(1)), produced))
    failIf(i32.greaterUnsigned(size, targetLeft))
    f.set(lastOffset, offset)
    // A pattern shorter than a vector is doubled until it is as long, or enough.
    f.block(() => {
      const long = f.depth
      f.loop(() => {
        f.branchToIf(long, i32.greaterOrEqualUnsigned(offset, c(VECTOR_SIZE)))
        f.branchToIf(long, i32.greaterOrEqualUnsigned(offset, size))
        f.push(v128.store(target, v128.load(i32.subtract(target, offset))))
        f.set(target, i32.add(target, offset))
        f.set(size, i32.subtract(size, offset))
        f.set(offset, i32.add(offset, offset))
        f.branch(0)
      })
    })
    copyVectors(f, { target, source: i32.subtract(target, offset), size }, scratch)
  }

  f.set(start, target)
  f.set(sourceFastEnd, i32.subtract(sourceEnd, c(1 + SHORT_LITERAL_SIZE_MAX)))
  f.set(targetFastEnd, i32.subtract(targetEnd, c(FAST_SIZE_MAX)))
  f.block(() => {
    failed = f.depth
    f.loop(() => {
      const next = f.depth
      f.block(() => {
        careful = f.depth
        fast()
        f.branchTo(next)
      })
      f.if(i32.greaterOrEqualUnsigned(source, sourceEnd), () => {
        const isAtEnd = i32.equal(source, sourceEnd)
        f.set(isGood, i32.and(isAtEnd, i32.equal(target, targetEnd)))
        f.branchTo(failed)
      })
      f.set(tag, i32.load8(source))
      f.if(i32.and(tag, c(3)), copy, literal)
      f.branch(0)
    })
  })
  f.push(isGood)
  return f
}
