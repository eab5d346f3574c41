import { assert } from '#base/assert'
import { XXH3_SECRET, XXH3_SHORT_MAX } from './kernels/xxh3.ts'
import { PRIME64 } from './kernels/xxh64.ts'

/** XXH128, seed 0, of up to 240 bytes. Small and seldom, so that big integers are quick enough: 20 µs at most. */

const [P1, P2, P3, P4] = PRIME64
const PRIME32_2 = 0x85ebca77n
const MID_START = 3
const MID_LAST = 136 - 17
const MASK = (1n << 64n) - 1n
const secretView = new DataView(XXH3_SECRET.buffer)

/** The two halves of a value of 128 bits. */
type Halves = readonly [high: bigint, low: bigint]

export function xxh128Short(data: Uint8Array): Halves {
  assert(data.length <= XXH3_SHORT_MAX)
  const input = new DataView(data.buffer, data.byteOffset, data.length)
  if (data.length === 0) {
    return [avalanche64(secret64(80) ^ secret64(88)), avalanche64(secret64(64) ^ secret64(72))]
  }
  if (data.length <= 3) return upTo3(data)
  if (data.length <= 8) return upTo8(input)
  if (data.length <= 16) return upTo16(input)
  return data.length <= 128 ? upTo128(input) : upTo240(input)
}

function upTo3(data: Uint8Array): Halves {
  const size = data.length
  const [first = 0, middle = 0, last = 0] = [data[0], data[size >> 1], data[size - 1]]
  const low = ((first << 16) | (middle << 24) | last | (size << 8)) >>> 0
  const swapped =
    ((low >>> 24) | ((low >>> 8) & 0xff00) | ((low << 8) & 0xff0000) | (low << 24)) >>> 0
  const high = ((swapped << 13) | (swapped >>> 19)) >>> 0
  return [
    avalanche64(BigInt(high) ^ (secret32(8) ^ secret32(12))),
    avalanche64(BigInt(low) ^ (secret32(0) ^ secret32(4))),
  ]
}

function upTo8(input: DataView): Halves {
  const size = input.byteLength
  const joined = BigInt(input.getUint32(0, true)) + (BigInt(input.getUint32(size - 4, true)) << 32n)
  const keyed = joined ^ secret64(16) ^ secret64(24)
  const [productHigh, productLow] = multiply(keyed, P1 + BigInt(4 * size))
  const high = wrap(productHigh + (productLow << 1n))
  let low = productLow ^ (high >> 3n)
  low = wrap((low ^ (low >> 35n)) * 0x9fb21c651e98df25n)
  return [avalanche(high), low ^ (low >> 28n)]
}

function upTo16(input: DataView): Halves {
  const size = input.byteLength
  const first = input.getBigUint64(0, true)
  const last = input.getBigUint64(size - 8, true)
  const [crossHigh, crossLow] = multiply(first ^ last ^ secret64(32) ^ secret64(40), P1)
  const low = wrap(crossLow + (BigInt(size - 1) << 54n))
  const keyed = last ^ secret64(48) ^ secret64(56)
  const high = wrap(crossHigh + keyed + (keyed & 0xffffffffn) * (PRIME32_2 - 1n))
  const [productHigh, productLow] = multiply(low ^ swapBytes(high), P2)
  return [avalanche(wrap(productHigh + high * P2)), avalanche(productLow)]
}

/** 17 to 128 bytes: pairs of 16 bytes from both ends, from the middle outwards. */
function upTo128(input: DataView): Halves {
  const size = input.byteLength
  let sums: Halves = [0n, wrap(BigInt(size) * P1)]
  for (let pair = Math.floor((size - 1) / 32); pair >= 0; pair--) {
    sums = mix32(input, sums, { first: 16 * pair, second: size - 16 * (pair + 1), key: 32 * pair })
  }
  return finish(sums, size)
}

/** 129 to 240 bytes: four times 32 bytes, then the others with the secret shifted, then the last 32. */
function upTo240(input: DataView): Halves {
  const size = input.byteLength
  let sums: Halves = [0n, wrap(BigInt(size) * P1)]
  for (let at = 0; at < 128; at += 32) {
    sums = mix32(input, sums, { first: at, second: at + 16, key: at })
  }
  sums = [avalanche(sums[0]), avalanche(sums[1])]
  for (let at = 128; at + 32 <= size; at += 32) {
    sums = mix32(input, sums, { first: at, second: at + 16, key: MID_START + at - 128 })
  }
  sums = mix32(input, sums, { first: size - 16, second: size - 32, key: MID_LAST - 16 })
  return finish(sums, size)
}

function mix32(
  input: DataView,
  [high, low]: Halves,
  at: { readonly first: number; readonly second: number; readonly key: number },
): Halves {
  return [
    wrap(high + mix16(input, at.second, at.key + 16)) ^ sum16(input, at.first),
    wrap(low + mix16(input, at.first, at.key)) ^ sum16(input, at.second),
  ]
}

function mix16(input: DataView, at: number, key: number): bigint {
  const low = input.getBigUint64(at, true) ^ secret64(key)
  const high = input.getBigUint64(at + 8, true) ^ secret64(key + 8)
  const product = multiply(low, high)
  return product[0] ^ product[1]
}

function sum16(input: DataView, at: number): bigint {
  return wrap(input.getBigUint64(at, true) + input.getBigUint64(at + 8, true))
}

function finish([high, low]: Halves, size: number): Halves {
  const mixed = wrap(low * P1 + high * P4 + BigInt(size) * P2)
  return [wrap(-avalanche(mixed)), avalanche(wrap(low + high))]
}

function multiply(a: bigint, b: bigint): Halves {
  const product = a * b
  return [product >> 64n, product & MASK]
}

function wrap(value: bigint): bigint {
  return value & MASK
}

function swapBytes(value: bigint): bigint {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, value)
  return view.getBigUint64(0, true)
}

/** The final mixing of XXH64. */
function avalanche64(value: bigint): bigint {
  let hash = wrap((value ^ (value >> 33n)) * P2)
  hash = wrap((hash ^ (hash >> 29n)) * P3)
  return hash ^ (hash >> 32n)
}

/** The final mixing of XXH3. */
function avalanche(value: bigint): bigint {
  const hash = wrap((value ^ (value >> 37n)) * 0x165667919e3779f9n)
  return hash ^ (hash >> 32n)
}

function secret64(offset: number): bigint {
  return secretView.getBigUint64(offset, true)
}

function secret32(offset: number): bigint {
  return BigInt(secretView.getUint32(offset, true))
}
