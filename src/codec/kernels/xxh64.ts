import { type Code, FunctionBuilder, I32, I64, type Local, type Operand } from '../wasm/emitter.ts'
import { i32, i64 } from '../wasm/instructions.ts'

/** The primes of the xxHash family, 64 bits. */
export const PRIME64 = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const

const P1 = i64.const(PRIME64[0])
const P2 = i64.const(PRIME64[1])
const P3 = i64.const(PRIME64[2])
const P4 = i64.const(PRIME64[3])
const P5 = i64.const(PRIME64[4])
const STRIPE_SIZE = 32

type Accumulators = readonly [Local, Local, Local, Local]

function round(accumulator: Operand, lane: Operand): Code {
  return i64.multiply(i64.rotateLeft(i64.add(accumulator, i64.multiply(lane, P2)), 31), P1)
}

function startAccumulators(f: FunctionBuilder, accumulators: Accumulators, seed: Local): void {
  f.set(accumulators[0], i64.add(seed, i64.add(P1, P2)))
  f.set(accumulators[1], i64.add(seed, P2))
  f.set(accumulators[2], seed)
  f.set(accumulators[3], i64.subtract(seed, P1))
}

/** Absorbs stripes while at least one is left; there must be one. */
function absorbStripes(
  f: FunctionBuilder,
  accumulators: Accumulators,
  address: Local,
  size: Local,
): void {
  f.repeatWhile(
    () => i32.greaterOrEqualUnsigned(size, i32.const(STRIPE_SIZE)),
    () => {
      for (const [k, accumulator] of accumulators.entries()) {
        f.set(accumulator, round(accumulator, i64.load(address, 8 * k)))
      }
      f.set(address, i32.add(address, i32.const(STRIPE_SIZE)))
      f.set(size, i32.subtract(size, i32.const(STRIPE_SIZE)))
    },
  )
}

function mergeAccumulators(f: FunctionBuilder, hash: Local, [a, b, c, d]: Accumulators): void {
  const left = i64.add(i64.rotateLeft(a, 1), i64.rotateLeft(b, 7))
  const right = i64.add(i64.rotateLeft(c, 12), i64.rotateLeft(d, 18))
  f.set(hash, i64.add(left, right))
  for (const accumulator of [a, b, c, d]) {
    const mixed = i64.xor(hash, round(i64.const(0n), accumulator))
    f.set(hash, i64.add(i64.multiply(mixed, P1), P4))
  }
}

/** Absorbs the last bytes, under 32, and mixes. */
function finish(f: FunctionBuilder, hash: Local, address: Local, size: Local): void {
  const advance = (count: number): void => {
    f.set(address, i32.add(address, i32.const(count)))
    f.set(size, i32.subtract(size, i32.const(count)))
  }
  f.until(i32.lessUnsigned(size, i32.const(8)), () => {
    const mixed = i64.xor(hash, round(i64.const(0n), i64.load(address)))
    f.set(hash, i64.add(i64.multiply(i64.rotateLeft(mixed, 27), P1), P4))
    advance(8)
  })
  f.if(i32.greaterOrEqualUnsigned(size, i32.const(4)), () => {
    const mixed = i64.xor(hash, i64.multiply(i64.extend(i32.load(address)), P1))
    f.set(hash, i64.add(i64.multiply(i64.rotateLeft(mixed, 23), P2), P3))
    advance(4)
  })
  f.until(i32.isZero(size), () => {
    const mixed = i64.xor(hash, i64.multiply(i64.extend(i32.load8(address)), P5))
    f.set(hash, i64.multiply(i64.rotateLeft(mixed, 11), P1))
    advance(1)
  })
  avalanche64(f, hash)
}

/** The final mixing of XXH64, which XXH3 uses too. */
export function avalanche64(f: FunctionBuilder, hash: Local): void {
  f.set(hash, i64.multiply(i64.xor(hash, i64.shiftRightUnsigned(hash, 33)), P2))
  f.set(hash, i64.multiply(i64.xor(hash, i64.shiftRightUnsigned(hash, 29)), P3))
  f.set(hash, i64.xor(hash, i64.shiftRightUnsigned(hash, 32)))
}

function newAccumulators(f: FunctionBuilder): Accumulators {
  return [f.i64(), f.i64(), f.i64(), f.i64()]
}

/** xxh64(address, size, seed) -> i64 */
function oneShot(): FunctionBuilder {
  const f = new FunctionBuilder('xxh64', [I32, I32, I64], [I64])
  const [address, size, seed] = [f.parameter(0), f.parameter(1), f.parameter(2)]
  const accumulators = newAccumulators(f)
  const hash = f.i64()
  const total = f.i64()
  f.set(total, i64.extend(size))
  f.if(
    i32.greaterOrEqualUnsigned(size, i32.const(STRIPE_SIZE)),
    () => {
      startAccumulators(f, accumulators, seed)
      absorbStripes(f, accumulators, address, size)
      mergeAccumulators(f, hash, accumulators)
    },
    () => f.set(hash, i64.add(seed, P5)),
  )
  f.set(hash, i64.add(hash, total))
  finish(f, hash, address, size)
  f.push(hash)
  return f
}

/** xxh64Start(state, seed): a state is the four accumulators, 32 bytes. */
function start(): FunctionBuilder {
  const f = new FunctionBuilder('xxh64Start', [I32, I64])
  const accumulators = newAccumulators(f)
  startAccumulators(f, accumulators, f.parameter(1))
  for (const [k, a] of accumulators.entries()) f.push(i64.store(f.parameter(0), a, 8 * k))
  return f
}

/** xxh64Update(state, address, size): `size` is a multiple of 32, at least 32. */
function update(): FunctionBuilder {
  const f = new FunctionBuilder('xxh64Update', [I32, I32, I32])
  const state = f.parameter(0)
  const accumulators = newAccumulators(f)
  for (const [k, a] of accumulators.entries()) f.set(a, i64.load(state, 8 * k))
  absorbStripes(f, accumulators, f.parameter(1), f.parameter(2))
  for (const [k, a] of accumulators.entries()) f.push(i64.store(state, a, 8 * k))
  return f
}

/** xxh64Finish(state, address, restSize, totalSize: i64) -> i64, after at least one stripe. */
function finishStream(): FunctionBuilder {
  const f = new FunctionBuilder('xxh64Finish', [I32, I32, I32, I64], [I64])
  const accumulators = newAccumulators(f)
  const hash = f.i64()
  for (const [k, a] of accumulators.entries()) f.set(a, i64.load(f.parameter(0), 8 * k))
  mergeAccumulators(f, hash, accumulators)
  f.set(hash, i64.add(hash, f.parameter(3)))
  finish(f, hash, f.parameter(1), f.parameter(2))
  f.push(hash)
  return f
}

export function xxh64Kernels(): FunctionBuilder[] {
  return [oneShot(), start(), update(), finishStream()]
}
