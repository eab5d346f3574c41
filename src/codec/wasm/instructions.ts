import { type Code, type Operand, codeOf, signedLeb, unsignedLeb } from './emitter.ts'

/**
 * WebAssembly instructions under their standard names, as far as the kernels need them. Each function returns code;
 * nothing is appended until a `FunctionBuilder` is given it. Loads and stores are little-endian and need no alignment.
 */

type Binary = (a: Operand, b: Operand) => Code
type Unary = (a: Operand) => Code
type Load = (address: Operand, offset?: number) => Code
type Store = (address: Operand, value: Operand, offset?: number) => Code
/** Shift by a number of bits known when the kernel is built. */
type ConstantShift = (a: Operand, bits: number) => Code

const SIMD = 0xfd

function unary(opcode: number): Unary {
  return (a) => [...codeOf(a), opcode]
}

function binary(opcode: number): Binary {
  return (a, b) => [...codeOf(a), ...codeOf(b), opcode]
}

function load(...opcode: number[]): Load {
  return (address, offset = 0) => [...codeOf(address), ...opcode, 0, ...unsignedLeb(offset)]
}

function store(...opcode: number[]): Store {
  return (address, value, offset = 0) => [
    ...codeOf(address),
    ...codeOf(value),
    ...opcode,
    0,
    ...unsignedLeb(offset),
  ]
}

function simdUnary(opcode: number): Unary {
  const suffix = [SIMD, ...unsignedLeb(opcode)]
  return (a) => [...codeOf(a), ...suffix]
}

function simdBinary(opcode: number): Binary {
  const suffix = [SIMD, ...unsignedLeb(opcode)]
  return (a, b) => [...codeOf(a), ...codeOf(b), ...suffix]
}

function i32Const(value: number): Code {
  return [0x41, ...signedLeb(BigInt(value | 0))]
}

function i64Const(value: bigint): Code {
  return [0x42, ...signedLeb(BigInt.asIntN(64, value))]
}

function shift32(opcode: number): ConstantShift {
  const shift = binary(opcode)
  return (a, bits) => shift(a, i32Const(bits))
}

function shift64(opcode: number): ConstantShift {
  const shift = binary(opcode)
  return (a, bits) => shift(a, i64Const(BigInt(bits)))
}

function simdShift(opcode: number): ConstantShift {
  const shift = simdBinary(opcode)
  return (a, bits) => shift(a, i32Const(bits))
}

const xor32 = binary(0x73)

export const i32 = {
  const: i32Const,
  load: load(0x28),
  load8: load(0x2d),
  store: store(0x36),
  store8: store(0x3a),
  store16: store(0x3b),
  isZero: unary(0x45),
  trailingZeros: unary(0x68),
  equal: binary(0x46),
  notEqual: binary(0x47),
  lessUnsigned: binary(0x49),
  greaterUnsigned: binary(0x4b),
  lessOrEqualUnsigned: binary(0x4d),
  greaterOrEqualUnsigned: binary(0x4f),
  add: binary(0x6a),
  subtract: binary(0x6b),
  multiply: binary(0x6c),
  and: binary(0x71),
  or: binary(0x72),
  xor: xor32,
  shiftLeft: binary(0x74),
  shiftRightUnsigned: binary(0x76),
  rotateLeft: shift32(0x77),
  not: (a: Operand): Code => xor32(a, i32Const(-1)),
  /** `a` when the condition is not 0, else `b`: without a branch. Both are computed. */
  select: (condition: Operand, a: Operand, b: Operand): Code => [
    ...codeOf(a),
    ...codeOf(b),
    ...codeOf(condition),
    0x1b,
  ],
  /** Low half of an i64. */
  wrap: unary(0xa7),
}

export const i64 = {
  const: i64Const,
  load: load(0x29),
  store: store(0x37),
  isZero: unary(0x50),
  leadingZeros: unary(0x79),
  trailingZeros: unary(0x7a),
  add: binary(0x7c),
  subtract: binary(0x7d),
  multiply: binary(0x7e),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shiftLeft: shift64(0x86),
  /** Left by a computed i64 number of bits. */
  shiftLeftBy: binary(0x86),
  shiftRightUnsigned: shift64(0x88),
  /** Right by a computed i64 number of bits. */
  shiftRightUnsignedBy: binary(0x88),
  rotateLeft: shift64(0x89),
  /** An i32, zero-extended. */
  extend: unary(0xad),
}

/** Whole memory ranges, which may overlap in a copy. */
export const memory = {
  copy: (target: Operand, source: Operand, size: Operand): Code => [
    ...codeOf(target),
    ...codeOf(source),
    ...codeOf(size),
    0xfc,
    10,
    0,
    0,
  ],
  fill: (target: Operand, value: Operand, size: Operand): Code => [
    ...codeOf(target),
    ...codeOf(value),
    ...codeOf(size),
    0xfc,
    11,
    0,
  ],
}

export const v128 = {
  const: (bytes: ArrayLike<number>): Code => [SIMD, 12, ...Array.from(bytes)],
  load: load(SIMD, 0),
  store: store(SIMD, 11),
  and: simdBinary(0x4e),
  /** a AND NOT b. */
  andNot: simdBinary(0x4f),
  or: simdBinary(0x50),
  xor: simdBinary(0x51),
}

export const i8x16 = {
  equal: simdBinary(0x23),
  /** The upper bits of all lanes, as an i32. */
  bitmask: simdUnary(0x64),
  splat: simdUnary(0x0f),
  /** Table look-up: lane i of the result is `table[indices[i]]`, zero for indices above 15. */
  swizzle: simdBinary(0x0e),
  /** The same where indices above 15 may give anything: one instruction on every processor. */
  relaxedSwizzle: simdBinary(0x100),
  /** Picks 16 bytes of the 32 of a and b. */
  shuffle: (a: Operand, b: Operand, lanes: readonly number[]): Code => [
    ...codeOf(a),
    ...codeOf(b),
    SIMD,
    13,
    ...lanes,
  ],
}

export const i16x8 = {
  shiftRightUnsigned: simdShift(0x8d),
}

export const i32x4 = {
  splat: simdUnary(0x11),
  add: simdBinary(0xae),
  shiftLeft: simdShift(0xab),
  shiftRightUnsigned: simdShift(0xad),
  /** Shifts by a computed i32. */
  shiftLeftBy: simdBinary(0xab),
  shiftRightUnsignedBy: simdBinary(0xad),
  /** Picks four of the eight 32-bit lanes of a and b. */
  shuffle: (a: Operand, b: Operand, lanes: readonly number[]): Code =>
    i8x16.shuffle(
      a,
      b,
      lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]),
    ),
}

export const i64x2 = {
  /** A constant of two lanes, the lower one first. */
  const: (low: bigint, high: bigint): Code =>
    v128.const(new Uint8Array(new BigUint64Array([low, high]).buffer)),
  splat: simdUnary(0x12),
  extractLane: (a: Operand, lane: 0 | 1): Code => [...codeOf(a), SIMD, 0x1d, lane],
  add: simdBinary(0xce),
  multiply: simdBinary(0xd5),
  shiftRightUnsigned: simdShift(0xcd),
  /** Products of 32-bit lanes 0 and 1. */
  multiplyLow32: simdBinary(0xde),
  /** Products of 32-bit lanes 2 and 3. */
  multiplyHigh32: simdBinary(0xdf),
}

export const ZERO_VECTOR = v128.const(new Uint8Array(16))
