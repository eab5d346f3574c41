import { at, FunctionBuilder, I32, type Local } from '../wasm/emitter.ts'
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

/** Step of the wide kernels with this many outputs; shorter shards need `reedSolomonNNarrow`, which steps by 16. */
export function wideStepBytes(outputs: number): number {
  return 16 * (VECTORS_BY_OUTPUTS[outputs] ?? 1)
}

/** How shards lie: one after the other at one distance, or anywhere, given by lists of u32 addresses. */
type Addressing = 'contiguous' | 'scattered'

export function reedSolomonKernels(relaxedSimd: boolean): FunctionBuilder[] {
  return [1, 2, 3, 4].flatMap((outputCount) => {
    const vectorCount = wideStepBytes(outputCount) / 16
    const wide = { outputCount, vectorCount, relaxedSimd }
    const narrow = { outputCount, vectorCount: 1, relaxedSimd }
    return [
      reedSolomon(`reedSolomon${outputCount}`, wide, 'contiguous'),
      reedSolomon(`reedSolomon${outputCount}Scattered`, wide, 'scattered'),
      reedSolomon(`reedSolomon${outputCount}Narrow`, narrow, 'scattered'),
    ]
  })
}

/** The smallest kernel that needs relaxed SIMD, to ask the engine whether it takes it. */
export function relaxedProbe(): FunctionBuilder {
  const shape = { outputCount: 1, vectorCount: 1, relaxedSimd: true }
  return reedSolomon('probe', shape, 'contiguous')
}

interface Shape {
  readonly outputCount: number
  readonly vectorCount: number
  readonly relaxedSimd: boolean
}

/** name(table, inputs, outputs, inputCount, size, stride). `inputs` and `outputs` are the addresses of the first shards,
 *  `stride` apart, or of lists. `size` is the length of each shard, at least 16·vectors: the last step overlaps the one
 *  before it instead of handling a rest. */
function reedSolomon(name: string, shape: Shape, addressing: Addressing): FunctionBuilder {
  const f = new FunctionBuilder(name, [I32, I32, I32, I32, I32, I32])
  const table = f.parameter(0)
  const inputCount = f.parameter(3)
  const size = f.parameter(4)
  const { outputCount } = shape
  const step = 16 * shape.vectorCount
  const offset = f.i32()
  const entry = f.i32()
  const tableEnd = f.i32()
  const sums = Array.from({ length: outputCount }, () => f.vectors(shape.vectorCount))
  const inputs = new ShardCursor(f, addressing, f.parameter(1), offset)
  const outputs = new ShardCursor(f, addressing, f.parameter(2), offset)
  const addProducts = productAdder(f, shape, sums, entry)
  const addInput = (first: boolean): void => {
    addProducts(inputs.address(), first)
    inputs.advance()
    f.set(entry, i32.add(entry, i32.const(32 * outputCount)))
  }

  f.set(tableEnd, i32.add(table, i32.multiply(inputCount, i32.const(32 * outputCount))))
  f.set(offset, i32.const(0))
  f.loop(() => {
    f.set(entry, table)
    inputs.start()
    addInput(true)
    f.if(i32.notEqual(entry, tableEnd), () => {
      f.repeatWhile(
        () => i32.notEqual(entry, tableEnd),
        () => addInput(false),
      )
    })
    outputs.start()
    for (const [o, sum] of sums.entries()) {
      const address = outputs.address()
      for (const [v, value] of sum.entries()) f.push(v128.store(address, value, 16 * v))
      if (o < outputCount - 1) outputs.advance()
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

/** Goes through the shards, at one offset in each. */
class ShardCursor {
  readonly #f: FunctionBuilder
  readonly #addressing: Addressing
  readonly #shards: Local
  readonly #offset: Local
  readonly #position: Local
  readonly #address: Local

  constructor(f: FunctionBuilder, addressing: Addressing, shards: Local, offset: Local) {
    this.#f = f
    this.#addressing = addressing
    this.#shards = shards
    this.#offset = offset
    this.#position = f.i32()
    this.#address = f.i32()
  }

  start(): void {
    const isContiguous = this.#addressing === 'contiguous'
    const first = isContiguous ? i32.add(this.#shards, this.#offset) : this.#shards
    this.#f.set(this.#position, first)
  }

  /** The local that holds the address in the current shard. */
  address(): Local {
    if (this.#addressing === 'contiguous') return this.#position
    this.#f.set(this.#address, i32.add(i32.load(this.#position), this.#offset))
    return this.#address
  }

  advance(): void {
    const distance = this.#addressing === 'contiguous' ? this.#f.parameter(5) : i32.const(4)
    this.#f.set(this.#position, i32.add(this.#position, distance))
  }
}

/** Emits the sum of products of one input, with the coefficients at `entry`, into all `sums`; or starts them with it. */
function productAdder(
  f: FunctionBuilder,
  shape: Shape,
  sums: readonly (readonly Local[])[],
  entry: Local,
): (address: Local, first: boolean) => void {
  const lookUp = shape.relaxedSimd ? i8x16.relaxedSwizzle : i8x16.swizzle
  const mask = f.v128()
  const low = f.vectors(shape.vectorCount)
  const high = f.vectors(shape.vectorCount)
  const lowTable = f.v128()
  const highTable = f.v128()
  f.set(mask, i8x16.splat(i32.const(15)))
  return (address, first) => {
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
  }
}
