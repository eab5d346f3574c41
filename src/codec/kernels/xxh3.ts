import { type Code, FunctionBuilder, I32, I64, type Local, type Operand } from '../wasm/emitter.ts'
import { i32, i32x4, i64, i64x2, v128 } from '../wasm/instructions.ts'
import { SHARED_LAYOUT } from '../layout.ts'
import { avalanche64, PRIME64 } from './xxh64.ts'

/**
 * XXH3, seed 0, default secret. 64 bits: up to 240 bytes by `xxh3Short`; longer inputs in blocks of 1024 bytes. Of the
 * 128 bits of longer inputs `xxh3Finish` gives the low half, and `xxh3FinishHigh` the high one.
 */

/** The default secret of XXH3. */
export const XXH3_SECRET = Uint8Array.fromHex(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221' +
    'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8' +
    'fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb17' +
    '0ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
)

export const XXH3_SHORT_MAX = 240
export const XXH3_BLOCK_SIZE = 1024
export const XXH3_STRIPE_SIZE = 64
const SECRET = SHARED_LAYOUT.xxh3Secret
const SECRET_SIZE = 192
const PRIME32_1 = 0x9e3779b1n
const PRIME32_2 = 0x85ebca77n
const PRIME32_3 = 0xc2b2ae3dn
const [P1, P2, P3, P4, P5] = PRIME64
/** Secret offsets fixed by the algorithm for the end of mid-sized and long inputs. */
const MID_START = 3
const MID_LAST = 136 - 17
const LONG_LAST = SECRET_SIZE - 64 - 7
const LONG_MERGE = 11
const LONG_MERGE_HIGH = SECRET_SIZE - 64 - 11

const AT_ZERO = i32.const(0)

/** Eight bytes of the secret, as a constant of the kernel. */
function secret64(offset: number): bigint {
  return new DataView(XXH3_SECRET.buffer).getBigUint64(offset, true)
}

function secret32(offset: number): bigint {
  return secret64(offset) & 0xffffffffn
}

function xorShift(hash: Local, bits: number): Code {
  return i64.xor(hash, i64.shiftRightUnsigned(hash, bits))
}

/** The final mixing of XXH3. */
function avalanche(f: FunctionBuilder, hash: Local): void {
  f.set(hash, i64.multiply(xorShift(hash, 37), i64.const(0x165667919e3779f9n)))
  f.set(hash, xorShift(hash, 32))
}

/** Reverses the bytes of `x`. */
function swapBytes(f: FunctionBuilder, x: Local): void {
  const exchange = (mask: bigint, bits: number): Code =>
    i64.or(
      i64.and(i64.shiftRightUnsigned(x, bits), i64.const(mask)),
      i64.shiftLeft(i64.and(x, i64.const(mask)), bits),
    )
  f.set(x, exchange(0x00ff00ff00ff00ffn, 8))
  f.set(x, exchange(0x0000ffff0000ffffn, 16))
  f.set(x, i64.rotateLeft(x, 32))
}

/** Multiplies to 128 bits and folds the halves by XOR; reuses its locals from call to call. */
function multiplyFolder(f: FunctionBuilder): (a: Operand, b: Operand) => Code {
  const x = f.i64()
  const y = f.i64()
  const middle = f.i64()
  const cross = f.i64()
  const mask = i64.const(0xffffffffn)
  return (a, b) => {
    f.set(x, a)
    f.set(y, b)
    const xLow = i64.and(x, mask)
    const yLow = i64.and(y, mask)
    const xHigh = i64.shiftRightUnsigned(x, 32)
    const yHigh = i64.shiftRightUnsigned(y, 32)
    const carried = i64.shiftRightUnsigned(i64.multiply(xLow, yLow), 32)
    f.set(middle, i64.add(i64.multiply(xHigh, yLow), carried))
    f.set(cross, i64.add(i64.multiply(xLow, yHigh), i64.and(middle, mask)))
    const upper = i64.add(
      i64.multiply(xHigh, yHigh),
      i64.add(i64.shiftRightUnsigned(middle, 32), i64.shiftRightUnsigned(cross, 32)),
    )
    return i64.xor(i64.multiply(x, y), upper)
  }
}

/** xxh3Short(address, size) -> i64, for sizes of 0 to 240. */
function short(): FunctionBuilder {
  const f = new FunctionBuilder('xxh3Short', [I32, I32], [I64])
  const size = f.parameter(1)
  const hash = f.i64()
  const multiplyFold = multiplyFolder(f)
  const upTo = (limit: number, body: () => void): void => {
    f.if(i32.lessOrEqualUnsigned(size, i32.const(limit)), () => {
      body()
      f.branch(1) // out of the block around all cases
    })
  }
  f.block(() => {
    upTo(0, () => {
      f.set(hash, i64.const(secret64(56) ^ secret64(64)))
      avalanche64(f, hash)
    })
    upTo(3, () => upTo3(f, hash))
    upTo(8, () => upTo8(f, hash))
    upTo(16, () => upTo16(f, hash, multiplyFold))
    // Mixes 16 bytes of the input with 16 of the secret.
    const mix = (position: Operand, offset: number, secretOffset: number): Code => {
      const low = i64.xor(i64.load(position, offset), i64.const(secret64(secretOffset)))
      const high = i64.xor(i64.load(position, offset + 8), i64.const(secret64(secretOffset + 8)))
      return multiplyFold(low, high)
    }
    f.set(hash, i64.multiply(i64.extend(size), i64.const(P1)))
    upTo(128, () => upTo128(f, hash, mix))
    upTo240(f, hash, multiplyFold, mix)
  })
  f.push(hash)
  return f
}

function upTo3(f: FunctionBuilder, hash: Local): void {
  const address = f.parameter(0)
  const size = f.parameter(1)
  const middle = i32.load8(i32.add(address, i32.shiftRightUnsigned(size, i32.const(1))))
  const last = i32.load8(i32.subtract(i32.add(address, size), i32.const(1)))
  const outer = i32.or(i32.shiftLeft(i32.load8(address), i32.const(16)), last)
  const inner = i32.or(i32.shiftLeft(middle, i32.const(24)), i32.shiftLeft(size, i32.const(8)))
  f.set(hash, i64.xor(i64.extend(i32.or(outer, inner)), i64.const(secret32(0) ^ secret32(4))))
  avalanche64(f, hash)
}

function upTo8(f: FunctionBuilder, hash: Local): void {
  const address = f.parameter(0)
  const size = f.parameter(1)
  const factor = i64.const(0x9fb21c651e98df25n)
  const last = i64.extend(i32.load(i32.subtract(i32.add(address, size), i32.const(4))))
  const joined = i64.add(last, i64.shiftLeft(i64.extend(i32.load(address)), 32))
  f.set(hash, i64.xor(joined, i64.const(secret64(8) ^ secret64(16))))
  const turned = i64.xor(i64.rotateLeft(hash, 49), i64.rotateLeft(hash, 24))
  f.set(hash, i64.multiply(i64.xor(hash, turned), factor))
  const shifted = i64.add(i64.shiftRightUnsigned(hash, 35), i64.extend(size))
  f.set(hash, i64.multiply(i64.xor(hash, shifted), factor))
  f.set(hash, xorShift(hash, 28))
}

function upTo16(
  f: FunctionBuilder,
  hash: Local,
  multiplyFold: (a: Operand, b: Operand) => Code,
): void {
  const address = f.parameter(0)
  const size = f.parameter(1)
  const low = f.i64()
  const high = f.i64()
  const lastWord = i64.load(i32.subtract(i32.add(address, size), i32.const(8)))
  f.set(low, i64.xor(i64.load(address), i64.const(secret64(24) ^ secret64(32))))
  f.set(high, i64.xor(lastWord, i64.const(secret64(40) ^ secret64(48))))
  f.set(hash, multiplyFold(low, high))
  f.set(hash, i64.add(hash, i64.add(i64.extend(size), high)))
  swapBytes(f, low)
  f.set(hash, i64.add(hash, low))
  avalanche(f, hash)
}

type Mix = (position: Operand, offset: number, secretOffset: number) => Code

/** 17 to 128 bytes: pairs of 16 bytes from both ends towards the middle. */
function upTo128(f: FunctionBuilder, hash: Local, mix: Mix): void {
  const address = f.parameter(0)
  const size = f.parameter(1)
  const end = f.i32()
  f.set(end, i32.add(address, size))
  const addPair = (depth: number): void => {
    if (depth < 3) {
      const more = i32.lessUnsigned(i32.const(32 * (depth + 1)), size)
      f.if(more, () => addPair(depth + 1))
    }
    f.set(hash, i64.add(hash, mix(address, 16 * depth, 32 * depth)))
    const fromEnd = i32.subtract(end, i32.const(16 * (depth + 1)))
    f.set(hash, i64.add(hash, mix(fromEnd, 0, 32 * depth + 16)))
  }
  addPair(0)
  avalanche(f, hash)
}

/** 129 to 240 bytes: eight times 16 bytes, then the others with the secret shifted, then the last 16. */
function upTo240(
  f: FunctionBuilder,
  hash: Local,
  multiplyFold: (a: Operand, b: Operand) => Code,
  mix: Mix,
): void {
  const address = f.parameter(0)
  const size = f.parameter(1)
  const position = f.i32()
  const mixStart = 8 * 16
  for (let i = 0; i < 8; i++) f.set(hash, i64.add(hash, mix(address, 16 * i, 16 * i)))
  avalanche(f, hash)
  f.set(position, i32.const(mixStart))
  const done = i32.lessUnsigned(size, i32.add(position, i32.const(16)))
  f.until(done, () => {
    const input = i32.add(address, position)
    const secretOffset = SECRET + MID_START - mixStart
    const low = i64.xor(i64.load(input), i64.load(position, secretOffset))
    const high = i64.xor(i64.load(input, 8), i64.load(position, secretOffset + 8))
    f.set(hash, i64.add(hash, multiplyFold(low, high)))
    f.set(position, i32.add(position, i32.const(16)))
  })
  const last = i32.subtract(i32.add(address, size), i32.const(16))
  f.set(hash, i64.add(hash, mix(last, 0, MID_LAST)))
  avalanche(f, hash)
}

/** Adds one stripe of 64 bytes; `secret` is the address of 64 bytes of the secret. */
function accumulate(
  f: FunctionBuilder,
  accumulators: readonly Local[],
  input: Operand,
  inputOffset: number,
  secret: Operand,
  secretOffset: number,
): void {
  const data = f.v128()
  const keyed = f.v128()
  for (const [k, sum] of accumulators.entries()) {
    f.set(data, v128.load(input, inputOffset + 16 * k))
    f.set(keyed, v128.xor(data, v128.load(secret, secretOffset + 16 * k)))
    const low = i32x4.shuffle(keyed, keyed, [0, 2, 0, 2])
    const high = i32x4.shuffle(keyed, keyed, [1, 3, 1, 3])
    const swapped = i32x4.shuffle(data, data, [2, 3, 0, 1])
    f.set(sum, i64x2.add(i64x2.add(sum, swapped), i64x2.multiplyLow32(low, high)))
  }
}

/** xxh3Start(state): a state is eight accumulators of 64 bits. */
function start(): FunctionBuilder {
  const f = new FunctionBuilder('xxh3Start', [I32])
  const initial = [PRIME32_3, P1, P2, P3, P4, PRIME32_2, P5, PRIME32_1]
  for (const [i, value] of initial.entries()) {
    f.push(i64.store(f.parameter(0), i64.const(value), 8 * i))
  }
  return f
}

/** xxh3Update(state, address, blocks): whole blocks that are not the end of the input. */
function update(): FunctionBuilder {
  const f = new FunctionBuilder('xxh3Update', [I32, I32, I32])
  const state = f.parameter(0)
  const address = f.parameter(1)
  const blocks = f.parameter(2)
  const accumulators = f.vectors(4)
  const prime = f.v128()
  const secret = f.i32()
  for (const [k, sum] of accumulators.entries()) f.set(sum, v128.load(state, 16 * k))
  f.set(prime, i64x2.splat(i64.const(PRIME32_1)))
  f.until(i32.isZero(blocks), () => {
    f.set(secret, i32.const(SECRET))
    f.repeatWhile(
      () => i32.notEqual(secret, i32.const(SECRET + 8 * 16)),
      () => {
        accumulate(f, accumulators, address, 0, secret, 0)
        f.set(address, i32.add(address, i32.const(XXH3_STRIPE_SIZE)))
        f.set(secret, i32.add(secret, i32.const(8)))
      },
    )
    for (const [k, sum] of accumulators.entries()) {
      const mixed = v128.xor(sum, i64x2.shiftRightUnsigned(sum, 47))
      const key = v128.load(AT_ZERO, SECRET + SECRET_SIZE - 64 + 16 * k)
      f.set(sum, i64x2.multiply(v128.xor(mixed, key), prime))
    }
    f.set(blocks, i32.subtract(blocks, i32.const(1)))
  })
  for (const [k, sum] of accumulators.entries()) f.push(v128.store(state, sum, 16 * k))
  return f
}

/** xxh3Finish(state, address, size, totalSize: i64) -> i64: the last block, 1 to 1024 bytes; the 64 bytes up to its
 *  end must be there, also those in front of it. */
function finish(half: 'low' | 'high'): FunctionBuilder {
  const isLow = half === 'low'
  const name = isLow ? 'xxh3Finish' : 'xxh3FinishHigh'
  const f = new FunctionBuilder(name, [I32, I32, I32, I64], [I64])
  const state = f.parameter(0)
  const address = f.parameter(1)
  const size = f.parameter(2)
  const accumulators = f.vectors(4)
  const secret = f.i32()
  const last = f.i32()
  const hash = f.i64()
  const multiplyFold = multiplyFolder(f)
  for (const [k, sum] of accumulators.entries()) f.set(sum, v128.load(state, 16 * k))
  f.set(last, i32.subtract(i32.add(address, size), i32.const(XXH3_STRIPE_SIZE)))
  f.set(secret, i32.const(SECRET))
  // Full stripes, except one that ends the input exactly: that is the last stripe below.
  f.until(i32.lessOrEqualUnsigned(size, i32.const(XXH3_STRIPE_SIZE)), () => {
    accumulate(f, accumulators, address, 0, secret, 0)
    f.set(address, i32.add(address, i32.const(XXH3_STRIPE_SIZE)))
    f.set(size, i32.subtract(size, i32.const(XXH3_STRIPE_SIZE)))
    f.set(secret, i32.add(secret, i32.const(8)))
  })
  accumulate(f, accumulators, last, 0, AT_ZERO, SECRET + LONG_LAST)
  f.set(hash, i64.multiply(f.parameter(3), i64.const(isLow ? P1 : P2)))
  if (!isLow) f.set(hash, i64.xor(hash, i64.const(-1n)))
  const merge = isLow ? LONG_MERGE : LONG_MERGE_HIGH
  for (const [k, sum] of accumulators.entries()) {
    const low = i64.xor(i64x2.extractLane(sum, 0), i64.const(secret64(merge + 16 * k)))
    const high = i64.xor(i64x2.extractLane(sum, 1), i64.const(secret64(merge + 16 * k + 8)))
    f.set(hash, i64.add(hash, multiplyFold(low, high)))
  }
  avalanche(f, hash)
  f.push(hash)
  return f
}

export function xxh3Kernels(): FunctionBuilder[] {
  return [short(), start(), update(), finish('low'), finish('high')]
}
