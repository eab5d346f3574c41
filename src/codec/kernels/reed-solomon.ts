import { at, FunctionBuilder, I32 } from '../wasm/emitter.ts'
import { i16x8, i32, i8x16, v128 } from '../wasm/instructions.ts'

/**
 * Multiplies a matrix over GF(2^8) with shards, up to four output shards in one pass over the inputs.
 *
 * A product c·x is two look-ups of 16 entries, one for each half of x: `low[x & 15] ^ high[x >> 4]`. The coefficient
 * table holds, for each input, for each output, 16 low and then 16 high products.
 */

/** Output shards of one pass: more would spill the accumulators out of registers. */
export const OUTPUTS_MAX = 4

/** Vectors of 16 bytes computed side by side, by number of outputs: as many as registers hold. */
const VECTORS_BY_OUTPUTS = [0, 4, 3, 2, 2] as const

/** The widest step of the kernel `reedSolomonN`; shorter shards need `reedSolomonNNarrow`, which steps by 16. */
export function wideStepBytes(outputs: number): number {
  return 16 * (VECTORS_BY_OUTPUTS[outputs] ?? 1)
}

export function reedSolomonKernels(relaxedSimd: boolean): FunctionBuilder[] {
  return [1, 2, 3, 4].flatMap((outputs) => [
    reedSolomon(`reedSolomon${outputs}`, outputs, wideStepBytes(outputs) / 16, relaxedSimd),
    reedSolomon(`reedSolomon${outputs}Narrow`, outputs, 1, relaxedSimd),
  ])
}

/** The smallest kernel that needs relaxed SIMD, to ask the engine whether it takes it. */
export function relaxedProbe(): FunctionBuilder {
  return reedSolomon('probe', 1, 1, true)
}

/** name(table, inputs, outputs, inputCount, size): `inputs` and `outputs` are lists of u32 addresses of shards, `size`
 *  is their length, at least 16·vectors. The last step overlaps the one before it instead of handling a rest. */
function reedSolomon(
  name: string,
  outputCount: number,
  vectorCount: number,
  relaxedSimd: boolean,
): FunctionBuilder {
  const f = new FunctionBuilder(name, [I32, I32, I32, I32, I32])
  const table = f.parameter(0)
  const inputs = f.parameter(1)
  const outputs = f.parameter(2)
  const inputCount = f.parameter(3)
  const size = f.parameter(4)
  const lookUp = relaxedSimd ? i8x16.relaxedSwizzle : i8x16.swizzle
  const step = 16 * vectorCount
  const mask = f.v128()
  const offset = f.i32()
  const entry = f.i32()
  const input = f.i32()
  const inputsEnd = f.i32()
  const address = f.i32()
  const sums = Array.from({ length: outputCount }, () => f.vectors(vectorCount))
  const low = f.vectors(vectorCount)
  const high = f.vectors(vectorCount)
  const lowTable = f.v128()
  const highTable = f.v128()

  /** Adds the products of the next input to all sums, or starts them with it. */
  const addInput = (first: boolean): void => {
    f.set(address, i32.add(i32.load(input), offset))
    for (const [v, lowHalf] of low.entries()) {
      const highHalf = at(high, v)
      f.set(highHalf, v128.load(address, 16 * v))
      f.set(lowHalf, v128.and(highHalf, mask))
      // Shifting 16-bit lanes and masking is faster than a shift of 8-bit lanes, which processors lack.
      f.set(highHalf, v128.and(i16x8.shiftRightUnsigned(highHalf, 4), mask))
    }
    for (const [o, sum] of sums.entries()) {
      f.set(lowTable, v128.load(entry, 32 * o))
      f.set(highTable, v128.load(entry, 32 * o + 16))
      for (const [v, target] of sum.entries()) {
        const product = v128.xor(lookUp(lowTable, at(low, v)), lookUp(highTable, at(high, v)))
        f.set(target, first ? product : v128.xor(target, product))
      }
    }
    f.set(entry, i32.add(entry, i32.const(32 * outputCount)))
    f.set(input, i32.add(input, i32.const(4)))
  }

  f.set(mask, i8x16.splat(i32.const(15)))
  f.set(inputsEnd, i32.add(inputs, i32.shiftLeft(inputCount, i32.const(2))))
  f.set(offset, i32.const(0))
  f.loop(() => {
    f.set(entry, table)
    f.set(input, inputs)
    addInput(true)
    f.if(i32.notEqual(input, inputsEnd), () => {
      f.repeatWhile(
        () => i32.notEqual(input, inputsEnd),
        () => addInput(false),
      )
    })
    for (const [o, sum] of sums.entries()) {
      f.set(address, i32.add(i32.load(outputs, 4 * o), offset))
      for (const [v, value] of sum.entries()) f.push(v128.store(address, value, 16 * v))
    }
    f.set(offset, i32.add(offset, i32.const(step)))
    f.branchIf(i32.lessOrEqualUnsigned(i32.add(offset, i32.const(step)), size))
    f.if(i32.lessUnsigned(offset, size), () => {
      f.set(offset, i32.subtract(size, i32.const(step)))
      f.branch(1)
    })
  })
  return f
}
