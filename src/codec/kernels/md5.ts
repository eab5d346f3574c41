import { at, type Code, FunctionBuilder, I32, type Local } from '../wasm/emitter.ts'
import { i32, i32x4, i8x16, v128 } from '../wasm/instructions.ts'

/**
 * MD5: one stream in scalar code, or 8 or 12 streams in the 32-bit lanes of 2 or 3 vectors.
 *
 * Every step waits for the one before it, so a single stream leaves most of the processor idle: more lanes are nearly
 * free until registers run out. A stream's state is four words and can move between the kernels after any block.
 */

export const MD5_BLOCK_SIZE = 64
export const MD5_INITIAL = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const

const SINES = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32))
const ROTATIONS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const
const WORDS = [0, 1, 2, 3] as const
/** Exchanges the 16-bit halves of each 32-bit lane: a rotation by 16 in one instruction. */
const ROTATE_16 = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13]

/** Writes the constants of all 64 steps, each repeated for four lanes, as the lane kernels take them. */
export function writeMd5Constants(memory: Uint8Array, address: number): void {
  const view = new DataView(memory.buffer, memory.byteOffset)
  for (const [i, sine] of SINES.entries()) {
    for (const lane of WORDS) view.setUint32(address + 16 * i + 4 * lane, sine, true)
  }
}

/** Index of the message word that step `i` adds. */
function messageIndex(i: number): number {
  if (i < 16) return i
  if (i < 32) return (5 * i + 1) % 16
  if (i < 48) return (3 * i + 5) % 16
  return (7 * i) % 16
}

function rotationOf(i: number): number {
  return at(at(ROTATIONS, i >> 4), i & 3)
}

/** The registers a, b, c, d of step `i`: they change roles instead of places. */
function rolesOf<T>(registers: readonly T[], i: number): { a: T; b: T; c: T; d: T } {
  const role = (k: number): T => at(registers, (k - (i % 4) + 4) % 4)
  return { a: role(0), b: role(1), c: role(2), d: role(3) }
}

/** md5(state, address, blocks): one stream. */
function scalar(): FunctionBuilder {
  const f = new FunctionBuilder('md5', [I32, I32, I32])
  const state = f.parameter(0)
  const address = f.parameter(1)
  const blocks = f.parameter(2)
  const sums = WORDS.map(() => f.i32())
  const registers = WORDS.map(() => f.i32())

  const step = (i: number): void => {
    const { a, b, c, d } = rolesOf(registers, i)
    const constant = i32.const(at(SINES, i))
    f.set(a, i32.add(a, i32.add(constant, i32.load(address, 4 * messageIndex(i)))))
    if (i < 16) {
      f.set(a, i32.add(a, i32.xor(i32.and(i32.xor(c, d), b), d)))
    } else if (i < 32) {
      // Two additions instead of an OR: the half without b does not wait for the step before.
      f.set(a, i32.add(a, i32.and(i32.not(d), c)))
      f.set(a, i32.add(a, i32.and(d, b)))
    } else if (i < 48) {
      f.set(a, i32.add(a, i32.xor(i32.xor(c, d), b)))
    } else {
      f.set(a, i32.add(a, i32.xor(c, i32.or(b, i32.not(d)))))
    }
    f.set(a, i32.add(i32.rotateLeft(a, rotationOf(i)), b))
  }

  for (const q of WORDS) f.set(at(sums, q), i32.load(state, 4 * q))
  f.if(blocks, () => {
    f.repeatWhile(
      () => blocks,
      () => {
        for (const q of WORDS) f.set(at(registers, q), at(sums, q))
        for (let i = 0; i < 64; i++) step(i)
        for (const q of WORDS) f.set(at(sums, q), i32.add(at(sums, q), at(registers, q)))
        f.set(address, i32.add(address, i32.const(MD5_BLOCK_SIZE)))
        f.set(blocks, i32.subtract(blocks, i32.const(1)))
      },
    )
  })
  for (const q of WORDS) f.push(i32.store(state, at(sums, q), 4 * q))
  return f
}

/** md5LanesN(states, addresses, blocks, message, constants): N = 4 · groups streams, the same number of blocks each.
 *  `states`: four rows of N words; `addresses`: N words, left as they are; `message`: 64·N bytes of scratch. */
function lanes(groups: number): FunctionBuilder {
  const f = new FunctionBuilder(`md5Lanes${4 * groups}`, [I32, I32, I32, I32, I32])
  const [states, blocks, message] = [f.parameter(0), f.parameter(2), f.parameter(3)]
  const sums = WORDS.map(() => f.vectors(groups))
  const registers = WORDS.map(() => f.vectors(groups))
  const position = f.i32()
  const end = f.i32()
  const transpose = messageTransposer(f, groups, position)
  const step = laneStep(f, groups, registers)
  const forEachWord = (visit: (q: number, group: number) => void): void => {
    for (const q of WORDS) for (let g = 0; g < groups; g++) visit(q, g)
  }

  forEachWord((q, g) => f.set(at(at(sums, q), g), v128.load(states, 16 * (groups * q + g))))
  f.set(position, i32.const(0))
  f.set(end, i32.shiftLeft(blocks, i32.const(6)))
  f.if(end, () => {
    f.repeatWhile(
      () => i32.notEqual(position, end),
      () => {
        transpose(message)
        forEachWord((q, g) => f.set(at(at(registers, q), g), at(at(sums, q), g)))
        for (let i = 0; i < 64; i++) step(i)
        forEachWord((q, g) => {
          const sum = at(at(sums, q), g)
          f.set(sum, i32x4.add(sum, at(at(registers, q), g)))
        })
        f.set(position, i32.add(position, i32.const(MD5_BLOCK_SIZE)))
      },
    )
  })
  forEachWord((q, g) => f.push(v128.store(states, at(at(sums, q), g), 16 * (groups * q + g))))
  return f
}

/** Emits the copy of one block of all streams to `message`, word k of all lanes side by side. */
function messageTransposer(
  f: FunctionBuilder,
  groups: number,
  position: Local,
): (message: Local) => void {
  const addresses = f.parameter(1)
  const inputs = WORDS.map(() => f.i32())
  const [row0, row1, row2, row3] = [f.v128(), f.v128(), f.v128(), f.v128()]
  const [low01, low23, high01, high23] = [f.v128(), f.v128(), f.v128(), f.v128()]
  return (message) => {
    for (let g = 0; g < groups; g++) {
      for (const [lane, input] of inputs.entries()) {
        f.set(input, i32.add(i32.load(addresses, 16 * g + 4 * lane), position))
      }
      for (const k of WORDS) {
        for (const [lane, row] of [row0, row1, row2, row3].entries()) {
          f.set(row, v128.load(at(inputs, lane), 16 * k))
        }
        f.set(low01, i32x4.shuffle(row0, row1, [0, 4, 1, 5]))
        f.set(low23, i32x4.shuffle(row2, row3, [0, 4, 1, 5]))
        f.set(high01, i32x4.shuffle(row0, row1, [2, 6, 3, 7]))
        f.set(high23, i32x4.shuffle(row2, row3, [2, 6, 3, 7]))
        const store = (word: number, value: Code): void =>
          f.push(v128.store(message, value, 16 * (groups * word + g)))
        store(4 * k, i32x4.shuffle(low01, low23, [0, 1, 4, 5]))
        store(4 * k + 1, i32x4.shuffle(low01, low23, [2, 3, 6, 7]))
        store(4 * k + 2, i32x4.shuffle(high01, high23, [0, 1, 4, 5]))
        store(4 * k + 3, i32x4.shuffle(high01, high23, [2, 3, 6, 7]))
      }
    }
  }
}

/** Emits one step of all groups, interleaved instruction by instruction. */
function laneStep(
  f: FunctionBuilder,
  groups: number,
  registers: readonly (readonly Local[])[],
): (i: number) => void {
  const [message, constants] = [f.parameter(3), f.parameter(4)]
  const mixed = f.vectors(groups)
  const upper = f.vectors(groups)
  const constant = f.v128()
  const ones = f.v128()
  f.set(ones, i32x4.splat(i32.const(-1)))

  return (i) => {
    const roles = rolesOf(registers, i)
    const each = (emit: (group: GroupRegisters) => void): void => {
      for (let g = 0; g < groups; g++) {
        emit({
          a: at(roles.a, g),
          b: at(roles.b, g),
          c: at(roles.c, g),
          d: at(roles.d, g),
          x: at(mixed, g),
          y: at(upper, g),
          index: g,
        })
      }
    }
    f.set(constant, v128.load(constants, 16 * i))
    each(({ a, index }) => {
      const word = v128.load(message, 16 * (messageIndex(i) * groups + index))
      f.set(a, i32x4.add(i32x4.add(a, constant), word))
    })
    addMixed(f, i >> 4, each, ones)
    const rotation = rotationOf(i)
    if (rotation === 16) {
      each(({ a }) => f.set(a, i8x16.shuffle(a, a, ROTATE_16)))
    } else {
      each(({ a, y }) => f.set(y, i32x4.shiftRightUnsigned(a, 32 - rotation)))
      each(({ a }) => f.set(a, i32x4.shiftLeft(a, rotation)))
      each(({ a, y }) => f.set(a, v128.or(a, y)))
    }
    each(({ a, b }) => f.set(a, i32x4.add(a, b)))
  }
}

interface GroupRegisters {
  readonly a: Local
  readonly b: Local
  readonly c: Local
  readonly d: Local
  readonly x: Local
  readonly y: Local
  readonly index: number
}

/** a += the function of b, c and d of this round, through x. */
function addMixed(
  f: FunctionBuilder,
  round: number,
  each: (emit: (group: GroupRegisters) => void) => void,
  ones: Local,
): void {
  if (round === 0) {
    each(({ c, d, x }) => f.set(x, v128.xor(c, d)))
    each(({ b, x }) => f.set(x, v128.and(x, b)))
    each(({ d, x }) => f.set(x, v128.xor(x, d)))
  } else if (round === 1) {
    each(({ c, d, x }) => f.set(x, v128.andNot(c, d)))
    each(({ a, x }) => f.set(a, i32x4.add(a, x)))
    each(({ b, d, x }) => f.set(x, v128.and(b, d)))
  } else if (round === 2) {
    each(({ c, d, x }) => f.set(x, v128.xor(c, d)))
    each(({ b, x }) => f.set(x, v128.xor(x, b)))
  } else {
    each(({ d, x }) => f.set(x, v128.xor(d, ones)))
    each(({ b, x }) => f.set(x, v128.or(x, b)))
    each(({ c, x }) => f.set(x, v128.xor(x, c)))
  }
  each(({ a, x }) => f.set(a, i32x4.add(a, x)))
}

export function md5Kernels(): FunctionBuilder[] {
  return [scalar(), lanes(2), lanes(3)]
}
