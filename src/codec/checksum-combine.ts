import { assert } from '#base/assert'
import { CRC_NAMES, CRC_PARAMETERS, type CrcName } from './kernels/crc.ts'

export type { CrcName }

/** Whether checksums of this name can be combined. */
export function isCrcName(name: string): name is CrcName {
  return CRC_NAMES.some((known) => known === name)
}

/** A polynomial over GF(2), reflected: the highest bit is the coefficient of x^0. */
interface Polynomial {
  /** Bits 32 to 63; zero for CRCs of 32 bits. */
  readonly high: number
  readonly low: number
}

/** CRC of A followed by B, from the CRCs of A and B and the size of B in bytes. `crcA` and `crcB` are big-endian, as
 *  digests are; the result is owned by the caller. 16 µs. */
export function combineCrc(
  name: CrcName,
  crcA: Uint8Array,
  crcB: Uint8Array,
  sizeBBytes: number,
): Uint8Array {
  const { polynomial, bits } = CRC_PARAMETERS[name]
  assert(crcA.length === bits / 8 && crcB.length === bits / 8)
  assert(Number.isSafeInteger(sizeBBytes) && sizeBBytes >= 0)
  const ring: Ring = { bits, modulus: toPolynomial(polynomial) }
  // Appending B moves A's remainder up by 8 places a byte; initial value and final XOR cancel out.
  const moved = multiply(ring, parse(crcA), shiftByBytes(ring, sizeBBytes))
  const sum = parse(crcB)
  return format(bits, { high: moved.high ^ sum.high, low: moved.low ^ sum.low })
}

interface Ring {
  readonly bits: 32 | 64
  /** The polynomial without its highest term. */
  readonly modulus: Polynomial
}

/** x^(8·count), by squaring. */
function shiftByBytes(ring: Ring, count: number): Polynomial {
  const top = ring.bits === 64 ? { high: 1 << 31, low: 0 } : { high: 0, low: 1 << 31 }
  let result = top
  // x^8: eight places below the highest bit.
  let power = { high: top.high >>> 8, low: top.low >>> 8 }
  for (let left = count; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(ring, result, power)
    power = multiply(ring, power, power)
  }
  return result
}

/** Product modulo the polynomial of the CRC. */
function multiply({ bits, modulus }: Ring, a: Polynomial, b: Polynomial): Polynomial {
  let high = 0
  let low = 0
  let shiftedHigh = b.high
  let shiftedLow = b.low
  for (let bit = bits - 1; bit >= 0; bit--) {
    const isSet = ((bit >= 32 ? a.high >>> (bit - 32) : a.low >>> bit) & 1) !== 0
    if (isSet) {
      high ^= shiftedHigh
      low ^= shiftedLow
    }
    const carry = (shiftedLow & 1) !== 0
    shiftedLow = (shiftedLow >>> 1) | (shiftedHigh << 31)
    shiftedHigh >>>= 1
    if (carry) {
      shiftedHigh ^= modulus.high
      shiftedLow ^= modulus.low
    }
  }
  return { high, low }
}

function toPolynomial(value: bigint): Polynomial {
  return { high: Number(value >> 32n), low: Number(value & 0xffffffffn) }
}

function parse(crc: Uint8Array): Polynomial {
  const view = new DataView(crc.buffer, crc.byteOffset, crc.length)
  return crc.length === 8
    ? { high: view.getUint32(0), low: view.getUint32(4) }
    : { high: 0, low: view.getUint32(0) }
}

function format(bits: 32 | 64, value: Polynomial): Uint8Array {
  const out = new Uint8Array(bits / 8)
  const view = new DataView(out.buffer)
  if (bits === 64) view.setUint32(0, value.high)
  view.setUint32(bits === 64 ? 4 : 0, value.low)
  return out
}
