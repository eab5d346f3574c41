import {
  at,
  type Code,
  FunctionBuilder,
  I32,
  type Local,
  type Operand,
  type ValueType,
} from '../wasm/emitter.ts'
import { SHARED_LAYOUT } from '../layout.ts'
import { i32, i32x4, i64, i64x2, i8x16, v128, ZERO_VECTOR } from '../wasm/instructions.ts'

/**
 * HighwayHash-256. The state is four groups of four 64-bit lanes (v0, v1, mul0, mul1), each group in two vectors.
 * A packet of 32 bytes is one round. Stored, a state is 128 bytes: v0, v1, mul0, mul1.
 *
 * Several independent streams are interleaved instruction by instruction, since one stream waits for itself most of
 * the time. More than two spill.
 */

const PACKET_SIZE = 32
const FINAL_ROUNDS = 10
/** The "zipper merge" of bytes of both 64-bit lanes. Kept in memory: V8 makes a constant anew for each shuffle, from four
 *  instructions. */
export const ZIPPER = [3, 12, 2, 5, 14, 1, 15, 0, 11, 4, 10, 13, 9, 6, 8, 7]
/** Exchanges the 32-bit halves of each 64-bit lane. */
const SWAP_HALVES = [1, 0, 3, 2]
const INITIAL_MUL0 = [
  i64x2.const(0xdbe6d5d5fe4cce2fn, 0xa4093822299f31d0n),
  i64x2.const(0x13198a2e03707344n, 0x243f6a8885a308d3n),
] as const
const INITIAL_MUL1 = [
  i64x2.const(0x3bd39e10cb0ef593n, 0xc0acf169b5f18a8cn),
  i64x2.const(0xbe5466cf34e90c6cn, 0x452821e638d01377n),
] as const
const HALVES = [0, 1] as const

type Pair = readonly [Local, Local]

interface Stream {
  readonly v0: Pair
  readonly v1: Pair
  readonly mul0: Pair
  readonly mul1: Pair
  readonly scratch: Pair
}

/** Emits the parts of HighwayHash for some interleaved streams into one function. */
class HighwayEmitter {
  readonly #f: FunctionBuilder
  readonly #streams: readonly Stream[]
  readonly #zipper: Local
  readonly #pickBytes: typeof i8x16.swizzle

  constructor(f: FunctionBuilder, streamCount: number, relaxedSimd: boolean) {
    this.#f = f
    this.#zipper = f.v128()
    f.set(this.#zipper, v128.load(i32.const(SHARED_LAYOUT.highwayZipper)))
    this.#pickBytes = relaxedSimd ? i8x16.relaxedSwizzle : i8x16.swizzle
    const pair = (): Pair => [f.v128(), f.v128()]
    this.#streams = Array.from({ length: streamCount }, () => ({
      v0: pair(),
      v1: pair(),
      mul0: pair(),
      mul1: pair(),
      scratch: pair(),
    }))
  }

  /** Starts all streams from the 32-byte key at `key`. */
  start(key: Local): void {
    const f = this.#f
    const keyHalf = f.v128()
    for (const s of this.#streams) {
      for (const h of HALVES) {
        f.set(keyHalf, v128.load(key, 16 * h))
        f.set(s.v0[h], v128.xor(INITIAL_MUL0[h], keyHalf))
        f.set(s.v1[h], v128.xor(INITIAL_MUL1[h], i32x4.shuffle(keyHalf, keyHalf, SWAP_HALVES)))
        f.set(s.mul0[h], INITIAL_MUL0[h])
        f.set(s.mul1[h], INITIAL_MUL1[h])
      }
    }
  }

  loadState(state: Local): void {
    for (const s of this.#streams) {
      for (const [i, part] of stateVectors(s).entries()) {
        this.#f.set(part, v128.load(state, 16 * i))
      }
    }
  }

  storeState(state: Local): void {
    for (const s of this.#streams) {
      for (const [i, part] of stateVectors(s).entries()) {
        this.#f.push(v128.store(state, part, 16 * i))
      }
    }
  }

  /** Absorbs `packetCount` packets of every stream; leaves the addresses behind them. Counts `packetCount` down. */
  absorb(addresses: readonly Local[], packetCount: Local): void {
    const f = this.#f
    f.if(packetCount, () => {
      f.repeatWhile(
        () => packetCount,
        () => {
          this.#round((stream, h) => v128.load(at(addresses, stream), 16 * h))
          for (const address of addresses) f.set(address, i32.add(address, i32.const(PACKET_SIZE)))
          f.set(packetCount, i32.subtract(packetCount, i32.const(1)))
        },
      )
    })
  }

  /** Absorbs the last `size` (1 to 31) bytes of every stream; `packets` is room for one packet each. */
  absorbRest(addresses: readonly Local[], size: Local, packets: Local): void {
    const f = this.#f
    const sizes = f.v128()
    const position = f.i32()
    for (const [i, address] of addresses.entries()) {
      padRest(f, { address, size, position, packets, packetOffset: PACKET_SIZE * i })
    }
    f.set(sizes, i32x4.splat(size))
    const bitsBack = i32.subtract(i32.const(32), size)
    for (const s of this.#streams) {
      for (const h of HALVES) {
        const rotated = v128.or(
          i32x4.shiftLeftBy(s.v1[h], size),
          i32x4.shiftRightUnsignedBy(s.v1[h], bitsBack),
        )
        f.set(s.v0[h], i64x2.add(s.v0[h], sizes))
        f.set(s.v1[h], rotated)
      }
    }
    this.#round((stream, h) => v128.load(packets, PACKET_SIZE * stream + 16 * h))
  }

  /** Mixes and stores the digests, 32 bytes for each stream, at `out`. */
  finish(out: Local): void {
    const f = this.#f
    const left = f.i32()
    const permuted = this.#streams.map((): Pair => [f.v128(), f.v128()])
    f.set(left, i32.const(FINAL_ROUNDS))
    f.repeatWhile(
      () => left,
      () => {
        for (const [i, s] of this.#streams.entries()) {
          const [low, high] = at(permuted, i)
          f.set(low, i32x4.shuffle(s.v0[1], s.v0[1], SWAP_HALVES))
          f.set(high, i32x4.shuffle(s.v0[0], s.v0[0], SWAP_HALVES))
        }
        this.#round((stream, h) => at(permuted, stream)[h].code)
        f.set(left, i32.subtract(left, i32.const(1)))
      },
    )
    const lanes = [f.i64(), f.i64(), f.i64(), f.i64()] as const
    for (const [i, s] of this.#streams.entries()) {
      for (const h of HALVES) this.#storeReduced(s, h, lanes, out, PACKET_SIZE * i + 16 * h)
    }
  }

  /** Modular reduction of (v1 + mul1, v0 + mul0) to 16 bytes of the digest. */
  #storeReduced(
    s: Stream,
    h: 0 | 1,
    lanes: readonly [Local, Local, Local, Local],
    out: Local,
    outOffset: number,
  ): void {
    const f = this.#f
    const [a0, a1, a2, a3] = lanes
    f.set(s.scratch[0], i64x2.add(s.v0[h], s.mul0[h]))
    f.set(s.scratch[1], i64x2.add(s.v1[h], s.mul1[h]))
    f.set(a0, i64x2.extractLane(s.scratch[0], 0))
    f.set(a1, i64x2.extractLane(s.scratch[0], 1))
    f.set(a2, i64x2.extractLane(s.scratch[1], 0))
    f.set(a3, i64.and(i64x2.extractLane(s.scratch[1], 1), i64.const(0x3fffffffffffffffn)))
    /** The upper 64 bits of (a3, a2) shifted left. */
    const upper = (bits: number): Code =>
      i64.or(i64.shiftLeft(a3, bits), i64.shiftRightUnsigned(a2, 64 - bits))
    const low = i64.xor(a0, i64.xor(i64.shiftLeft(a2, 1), i64.shiftLeft(a2, 2)))
    f.push(i64.store(out, low, outOffset))
    f.push(i64.store(out, i64.xor(a1, i64.xor(upper(1), upper(2))), outOffset + 8))
  }

  #round(packet: (stream: number, half: 0 | 1) => Operand): void {
    const f = this.#f
    for (const h of HALVES) {
      for (const [i, s] of this.#streams.entries()) {
        f.set(s.v1[h], i64x2.add(s.v1[h], i64x2.add(packet(i, h), s.mul0[h])))
      }
    }
    this.#mixProduct((s) => ({ target: s.mul0, low: s.v1, high: s.v0 }))
    for (const h of HALVES) {
      for (const s of this.#streams) f.set(s.v0[h], i64x2.add(s.v0[h], s.mul1[h]))
    }
    this.#mixProduct((s) => ({ target: s.mul1, low: s.v0, high: s.v1 }))
    for (const h of HALVES) {
      for (const s of this.#streams) {
        f.set(s.v0[h], i64x2.add(s.v0[h], this.#pickBytes(s.v1[h], this.#zipper)))
      }
    }
    for (const h of HALVES) {
      for (const s of this.#streams) {
        f.set(s.v1[h], i64x2.add(s.v1[h], this.#pickBytes(s.v0[h], this.#zipper)))
      }
    }
  }

  /** target ^= (low halves of `low`) · (high halves of `high`), lane by lane: the halves of both vectors are shuffled into
   *  one. */
  #mixProduct(pick: (s: Stream) => { target: Pair; low: Pair; high: Pair }): void {
    const f = this.#f
    for (const s of this.#streams) {
      const { low, high } = pick(s)
      f.set(s.scratch[0], i32x4.shuffle(low[0], low[1], [0, 2, 4, 6]))
      f.set(s.scratch[1], i32x4.shuffle(high[0], high[1], [1, 3, 5, 7]))
    }
    for (const s of this.#streams) {
      const { target } = pick(s)
      const [a, b] = s.scratch
      f.set(target[0], v128.xor(target[0], i64x2.multiplyLow32(a, b)))
      f.set(target[1], v128.xor(target[1], i64x2.multiplyHigh32(a, b)))
    }
  }
}

function stateVectors(s: Stream): readonly Local[] {
  return [...s.v0, ...s.v1, ...s.mul0, ...s.mul1]
}

/** Copies the rest of an input into its packet, with the odd padding of HighwayHash: whole words in front; then the
 *  last four bytes at the end (16 or more bytes), or up to three single bytes at 16. */
function padRest(
  f: FunctionBuilder,
  rest: { address: Local; size: Local; position: Local; packets: Local; packetOffset: number },
): void {
  const { address, size, position, packets, packetOffset } = rest
  const wordsEnd = i32.and(size, i32.const(-4))
  const oddBytes = i32.and(size, i32.const(3))
  const end = i32.add(address, size)
  f.push(v128.store(packets, ZERO_VECTOR, packetOffset))
  f.push(v128.store(packets, ZERO_VECTOR, packetOffset + 16))
  f.set(position, i32.const(0))
  f.until(i32.greaterOrEqualUnsigned(position, wordsEnd), () => {
    const word = i32.load(i32.add(address, position))
    f.push(i32.store(i32.add(packets, position), word, packetOffset))
    f.set(position, i32.add(position, i32.const(4)))
  })
  f.if(
    i32.and(size, i32.const(16)),
    () => {
      const lastWord = i32.load(i32.subtract(end, i32.const(4)))
      f.push(i32.store(packets, lastWord, packetOffset + 28))
    },
    () => {
      f.if(oddBytes, () => {
        const firstOdd = i32.add(address, wordsEnd)
        const middle = i32.add(firstOdd, i32.shiftRightUnsigned(oddBytes, i32.const(1)))
        f.push(i32.store8(packets, i32.load8(firstOdd), packetOffset + 16))
        f.push(i32.store8(packets, i32.load8(middle), packetOffset + 17))
        const last = i32.load8(i32.subtract(end, i32.const(1)))
        f.push(i32.store8(packets, last, packetOffset + 18))
      })
    },
  )
}

/** highwayN(key, out, packetCount, restSize, packets, address0 …): whole inputs of one length, digests at `out`. */
function oneShot(streamCount: 1 | 2, relaxedSimd: boolean): FunctionBuilder {
  const addressTypes = Array.from({ length: streamCount }, (): ValueType => I32)
  const f = new FunctionBuilder(`highway${streamCount}`, [I32, I32, I32, I32, I32, ...addressTypes])
  const highway = new HighwayEmitter(f, streamCount, relaxedSimd)
  const addresses = addressTypes.map((_, i) => f.parameter(5 + i))
  highway.start(f.parameter(0))
  highway.absorb(addresses, f.parameter(2))
  f.if(f.parameter(3), () => highway.absorbRest(addresses, f.parameter(3), f.parameter(4)))
  highway.finish(f.parameter(1))
  return f
}

/** highwayStart(key, state) */
function start(relaxedSimd: boolean): FunctionBuilder {
  const f = new FunctionBuilder('highwayStart', [I32, I32])
  const highway = new HighwayEmitter(f, 1, relaxedSimd)
  highway.start(f.parameter(0))
  highway.storeState(f.parameter(1))
  return f
}

/** highwayUpdate(state, address, packetCount) */
function update(relaxedSimd: boolean): FunctionBuilder {
  const f = new FunctionBuilder('highwayUpdate', [I32, I32, I32])
  const highway = new HighwayEmitter(f, 1, relaxedSimd)
  highway.loadState(f.parameter(0))
  highway.absorb([f.parameter(1)], f.parameter(2))
  highway.storeState(f.parameter(0))
  return f
}

/** highwayFinish(state, address, restSize, packet, out): the rest of under 32 bytes, then the digest. */
function finish(relaxedSimd: boolean): FunctionBuilder {
  const f = new FunctionBuilder('highwayFinish', [I32, I32, I32, I32, I32])
  const highway = new HighwayEmitter(f, 1, relaxedSimd)
  highway.loadState(f.parameter(0))
  f.if(f.parameter(2), () => {
    highway.absorbRest([f.parameter(1)], f.parameter(2), f.parameter(3))
  })
  highway.finish(f.parameter(4))
  return f
}

export function highwayHashKernels(relaxedSimd: boolean): FunctionBuilder[] {
  const make = [start, update, finish]
  return [
    oneShot(1, relaxedSimd),
    oneShot(2, relaxedSimd),
    ...make.map((kernel) => kernel(relaxedSimd)),
  ]
}
