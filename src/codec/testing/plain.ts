/** The algorithms of the kernels written plainly and slowly from their definitions, to check the kernels against. */

import { multiply } from '../galois.ts'

const MASK64 = 0xffffffffffffffffn
const MASK32 = 0xffffffffn

/** Bytes that depend on the length only, as the recorded vectors use them. */
export function patternBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = 12_345
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

function read(bytes: Uint8Array, offset: number, size: number): bigint {
  let value = 0n
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[offset + i] ?? 0)
  return value
}

function rotate(value: bigint, bits: number, width = 64): bigint {
  const mask = (1n << BigInt(width)) - 1n
  return ((value << BigInt(bits)) | (value >> BigInt(width - bits))) & mask
}

function lanesOf(make: (lane: number) => bigint): bigint[] {
  return [0, 1, 2, 3].map(make)
}

/** One row of Reed-Solomon: the sum of coefficient · shard. */
export function plainCombination(
  coefficients: Uint8Array,
  shards: readonly Uint8Array[],
): Uint8Array {
  const out = new Uint8Array(shards[0]?.length ?? 0)
  for (const [i, shard] of shards.entries()) {
    for (const [k, byte] of shard.entries()) {
      out[k] = (out[k] ?? 0) ^ multiply(coefficients[i] ?? 0, byte)
    }
  }
  return out
}

/** CRC, reflected, bit by bit. */
export function plainCrc(polynomial: bigint, bits: 32 | 64, data: Uint8Array): bigint {
  const ones = (1n << BigInt(bits)) - 1n
  let crc = ones
  for (const byte of data) {
    crc ^= BigInt(byte)
    for (let i = 0; i < 8; i++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
  }
  return crc ^ ones
}

class PlainHighway {
  #v0: bigint[]
  #v1: bigint[]
  #mul0 = [0xdbe6d5d5fe4cce2fn, 0xa4093822299f31d0n, 0x13198a2e03707344n, 0x243f6a8885a308d3n]
  #mul1 = [0x3bd39e10cb0ef593n, 0xc0acf169b5f18a8cn, 0xbe5466cf34e90c6cn, 0x452821e638d01377n]

  constructor(key: Uint8Array) {
    this.#v0 = lanesOf((i) => get(this.#mul0, i) ^ read(key, 8 * i, 8))
    this.#v1 = lanesOf((i) => get(this.#mul1, i) ^ rotate(read(key, 8 * i, 8), 32))
  }

  update(packet: readonly bigint[]): void {
    for (let i = 0; i < 4; i++) {
      this.#v1[i] = (get(this.#v1, i) + get(packet, i) + get(this.#mul0, i)) & MASK64
      this.#mul0[i] = get(this.#mul0, i) ^ ((get(this.#v1, i) & MASK32) * (get(this.#v0, i) >> 32n))
      this.#v0[i] = (get(this.#v0, i) + get(this.#mul1, i)) & MASK64
      this.#mul1[i] = get(this.#mul1, i) ^ ((get(this.#v0, i) & MASK32) * (get(this.#v1, i) >> 32n))
    }
    addZipped(this.#v0, this.#v1)
    addZipped(this.#v1, this.#v0)
  }

  updateRest(rest: Uint8Array): void {
    const size = rest.length
    const sizes = (BigInt(size) << 32n) + BigInt(size)
    const turn = (half: bigint): bigint => rotate(half, size, 32)
    this.#v0 = this.#v0.map((v) => (v + sizes) & MASK64)
    this.#v1 = this.#v1.map((v) => (turn(v >> 32n) << 32n) | turn(v & MASK32))
    const packet = new Uint8Array(32)
    const odd = size & 3
    const words = size - odd
    packet.set(rest.subarray(0, words))
    if ((size & 16) !== 0) {
      packet.set(rest.subarray(size - 4), 28)
    } else if (odd > 0) {
      packet[16] = rest[words] ?? 0
      packet[17] = rest[words + (odd >> 1)] ?? 0
      packet[18] = rest[size - 1] ?? 0
    }
    this.update(lanesOf((i) => read(packet, 8 * i, 8)))
  }

  finish(): Uint8Array {
    for (let i = 0; i < 10; i++) {
      this.update([2, 3, 0, 1].map((lane) => rotate(get(this.#v0, lane), 32)))
    }
    const digest = new Uint8Array(32)
    for (const half of [0, 2]) {
      const sum = (a: readonly bigint[], b: readonly bigint[], i: number): bigint =>
        (get(a, half + i) + get(b, half + i)) & MASK64
      const low = sum(this.#v0, this.#mul0, 0) | (sum(this.#v0, this.#mul0, 1) << 64n)
      const high =
        sum(this.#v1, this.#mul1, 0) | ((sum(this.#v1, this.#mul1, 1) & 0x3fffffffffffffffn) << 64n)
      const reduced = BigInt.asUintN(128, low ^ (high << 1n) ^ (high << 2n))
      for (let i = 0; i < 16; i++) {
        digest[8 * half + i] = Number((reduced >> BigInt(8 * i)) & 0xffn)
      }
    }
    return digest
  }
}

/** v += the bytes of `from`, in the zipper order, for each pair of lanes. */
function addZipped(v: bigint[], from: readonly bigint[]): void {
  const order = [3, 12, 2, 5, 14, 1, 15, 0, 11, 4, 10, 13, 9, 6, 8, 7]
  for (const pair of [0, 2]) {
    const both = get(from, pair) | (get(from, pair + 1) << 64n)
    let zipped = 0n
    for (const [i, source] of order.entries()) {
      zipped |= ((both >> BigInt(8 * source)) & 0xffn) << BigInt(8 * i)
    }
    v[pair] = (get(v, pair) + (zipped & MASK64)) & MASK64
    v[pair + 1] = (get(v, pair + 1) + (zipped >> 64n)) & MASK64
  }
}

function get(lanes: readonly bigint[], index: number): bigint {
  return lanes[index] ?? 0n
}

/** HighwayHash-256. */
export function plainHighwayHash256(key: Uint8Array, data: Uint8Array): Uint8Array {
  const highway = new PlainHighway(key)
  const rest = data.length % 32
  for (let offset = 0; offset + 32 <= data.length; offset += 32) {
    highway.update(lanesOf((i) => read(data, offset + 8 * i, 8)))
  }
  if (rest > 0) highway.updateRest(data.subarray(data.length - rest))
  return highway.finish()
}

const P32_1 = 0x9e3779b1n
const P32_2 = 0x85ebca77n
const P32_3 = 0xc2b2ae3dn
const P1 = 0x9e3779b185ebca87n
const P2 = 0xc2b2ae3d27d4eb4fn
const P3 = 0x165667b19e3779f9n
const P4 = 0x85ebca77c2b2ae63n
const P5 = 0x27d4eb2f165667c5n

function times(a: bigint, b: bigint): bigint {
  return (a * b) & MASK64
}

function avalanche64(value: bigint): bigint {
  let h = times(value ^ (value >> 33n), P2)
  h = times(h ^ (h >> 29n), P3)
  return h ^ (h >> 32n)
}

/** XXH64. */
export function plainXxh64(data: Uint8Array, seed: bigint): bigint {
  const round = (acc: bigint, lane: bigint): bigint =>
    times(rotate((acc + times(lane, P2)) & MASK64, 31), P1)
  let h = (seed + P5) & MASK64
  let offset = 0
  if (data.length >= 32) {
    const v = [seed + P1 + P2, seed + P2, seed, seed - P1].map((x) => BigInt.asUintN(64, x))
    for (; offset + 32 <= data.length; offset += 32) {
      for (let i = 0; i < 4; i++) v[i] = round(get(v, i), read(data, offset + 8 * i, 8))
    }
    h = 0n
    for (const [i, turn] of [1, 7, 12, 18].entries()) h += rotate(get(v, i), turn)
    h &= MASK64
    for (const lane of v) h = (times(h ^ round(0n, lane), P1) + P4) & MASK64
  }
  h = (h + BigInt(data.length)) & MASK64
  for (; offset + 8 <= data.length; offset += 8) {
    h = (times(rotate(h ^ round(0n, read(data, offset, 8)), 27), P1) + P4) & MASK64
  }
  if (offset + 4 <= data.length) {
    h = (times(rotate(h ^ times(read(data, offset, 4), P1), 23), P2) + P3) & MASK64
    offset += 4
  }
  for (; offset < data.length; offset++) {
    h = times(rotate(h ^ times(BigInt(data[offset] ?? 0), P5), 11), P1)
  }
  return avalanche64(h)
}

function avalanche3(value: bigint): bigint {
  const h = times(value ^ (value >> 37n), 0x165667919e3779f9n)
  return h ^ (h >> 32n)
}

function fold128(a: bigint, b: bigint): bigint {
  const product = a * b
  return (product & MASK64) ^ (product >> 64n)
}

/** XXH3, 64 bits, seed 0; `secret` is the default one. */
export function plainXxh3(secret: Uint8Array, data: Uint8Array): bigint {
  const size = data.length
  const s = (offset: number): bigint => read(secret, offset, 8)
  const d = (offset: number): bigint => read(data, offset, 8)
  const mix = (offset: number, at: number): bigint =>
    fold128(d(offset) ^ s(at), d(offset + 8) ^ s(at + 8))
  if (size === 0) return avalanche64(s(56) ^ s(64))
  if (size <= 3) {
    const [a, b, c] = [0, size >> 1, size - 1].map((i) => BigInt(data[i] ?? 0))
    const joined = ((a ?? 0n) << 16n) | ((b ?? 0n) << 24n) | (c ?? 0n) | (BigInt(size) << 8n)
    return avalanche64(joined ^ read(secret, 0, 4) ^ read(secret, 4, 4))
  }
  if (size <= 8) {
    let h = (read(data, size - 4, 4) + (read(data, 0, 4) << 32n)) ^ s(8) ^ s(16)
    h = times(h ^ rotate(h, 49) ^ rotate(h, 24), 0x9fb21c651e98df25n)
    h = times(h ^ ((h >> 35n) + BigInt(size)), 0x9fb21c651e98df25n)
    return h ^ (h >> 28n)
  }
  if (size <= 16) {
    const low = d(0) ^ s(24) ^ s(32)
    const high = d(size - 8) ^ s(40) ^ s(48)
    const swapped = BigInt(
      `0x${low.toString(16).padStart(16, '0').replace(/../g, ' $&').trim().split(' ').toReversed().join('')}`,
    )
    return avalanche3((BigInt(size) + swapped + high + fold128(low, high)) & MASK64)
  }
  let sum = times(BigInt(size), P1)
  if (size <= 128) {
    for (let i = Math.floor((size - 1) / 32); i >= 0; i--) {
      sum += mix(16 * i, 32 * i) + mix(size - 16 * (i + 1), 32 * i + 16)
    }
    return avalanche3(sum & MASK64)
  }
  if (size <= 240) {
    for (let i = 0; i < 8; i++) sum += mix(16 * i, 16 * i)
    sum = avalanche3(sum & MASK64)
    for (let i = 8; i < Math.floor(size / 16); i++) sum += mix(16 * i, 16 * (i - 8) + 3)
    return avalanche3((sum + mix(size - 16, 119)) & MASK64)
  }
  return plainXxh3Long(s, d, size)
}

function plainXxh3Long(
  s: (offset: number) => bigint,
  d: (offset: number) => bigint,
  size: number,
): bigint {
  const acc = [P32_3, P1, P2, P3, P4, P32_2, P5, P32_1]
  const accumulate = (offset: number, at: number): void => {
    for (let i = 0; i < 8; i++) {
      const value = d(offset + 8 * i)
      const keyed = value ^ s(at + 8 * i)
      acc[i ^ 1] = (get(acc, i ^ 1) + value) & MASK64
      acc[i] = (get(acc, i) + (keyed & MASK32) * (keyed >> 32n)) & MASK64
    }
  }
  const blocks = Math.floor((size - 1) / 1024)
  for (let block = 0; block < blocks; block++) {
    for (let n = 0; n < 16; n++) accumulate(1024 * block + 64 * n, 8 * n)
    for (let i = 0; i < 8; i++) {
      const a = get(acc, i)
      acc[i] = times(a ^ (a >> 47n) ^ s(128 + 8 * i), P32_1)
    }
  }
  const stripes = Math.floor((size - 1 - 1024 * blocks) / 64)
  for (let n = 0; n < stripes; n++) accumulate(1024 * blocks + 64 * n, 8 * n)
  accumulate(size - 64, 192 - 64 - 7)
  let sum = times(BigInt(size), P1)
  for (let i = 0; i < 4; i++) {
    sum += fold128(get(acc, 2 * i) ^ s(11 + 16 * i), get(acc, 2 * i + 1) ^ s(19 + 16 * i))
  }
  return avalanche3(sum & MASK64)
}

/** SipHash-2-4. */
export function plainSipHash24(key: Uint8Array, data: Uint8Array): bigint {
  const [k0, k1] = [read(key, 0, 8), read(key, 8, 8)]
  let v0 = k0 ^ 0x736f6d6570736575n
  let v1 = k1 ^ 0x646f72616e646f6dn
  let v2 = k0 ^ 0x6c7967656e657261n
  let v3 = k1 ^ 0x7465646279746573n
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) & MASK64
      v1 = rotate(v1, 13) ^ v0
      v0 = rotate(v0, 32)
      v2 = (v2 + v3) & MASK64
      v3 = rotate(v3, 16) ^ v2
      v0 = (v0 + v3) & MASK64
      v3 = rotate(v3, 21) ^ v0
      v2 = (v2 + v1) & MASK64
      v1 = rotate(v1, 17) ^ v2
      v2 = rotate(v2, 32)
    }
  }
  const wholeSize = data.length - (data.length % 8)
  for (let offset = 0; offset <= wholeSize; offset += 8) {
    const isLast = offset === wholeSize
    const word = isLast
      ? read(data, offset, data.length - offset) | (BigInt(data.length & 0xff) << 56n)
      : read(data, offset, 8)
    v3 ^= word
    rounds(2)
    v0 ^= word
  }
  v2 ^= 0xffn
  rounds(4)
  return v0 ^ v1 ^ v2 ^ v3
}
