import { assert } from '#base/assert'

/** GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 and the matrices of Reed-Solomon.
 *  Source: disk format, section 3.1: systematic Vandermonde matrix. */

const POLYNOMIAL = 0x11d

/** Rows of bytes, all of one length. */
export type Matrix = readonly Uint8Array[]

/** Product of two field elements. */
export function multiply(a: number, b: number): number {
  let product = 0
  for (let x = a, y = b; y !== 0; y >>= 1) {
    if ((y & 1) !== 0) product ^= x
    x <<= 1
    if ((x & 0x100) !== 0) x ^= POLYNOMIAL
  }
  return product
}

/** a to the power of n; 0^0 is 1. */
function power(a: number, n: number): number {
  let result = 1
  for (let i = 0; i < n; i++) result = multiply(result, a)
  return result
}

/** The b with a·b = 1; `a` is not 0. */
function inverse(a: number): number {
  assert(a !== 0)
  return power(a, 254)
}

function multiplyMatrices(a: Matrix, b: Matrix): Matrix {
  const columnCount = b[0]?.length ?? 0
  return a.map((row) => {
    const out = new Uint8Array(columnCount)
    for (const [k, factor] of row.entries()) addMultiple(out, b[k], factor)
    return out
  })
}

/** target += factor · row */
function addMultiple(target: Uint8Array, row: Uint8Array | undefined, factor: number): void {
  assert(row !== undefined && row.length === target.length)
  for (const [i, value] of row.entries()) target[i] = (target[i] ?? 0) ^ multiply(factor, value)
}

/** Inverse by elimination. Undefined when the square `matrix` is singular. */
function invert(matrix: Matrix): Matrix | undefined {
  const size = matrix.length
  const rows = matrix.map((row, i) => {
    const extended = new Uint8Array(2 * size)
    extended.set(row)
    extended[size + i] = 1
    return extended
  })
  for (let column = 0; column < size; column++) {
    const pivotIndex = rows.findIndex((row, i) => i >= column && row[column] !== 0)
    const pivot = rows[pivotIndex]
    const displaced = rows[column]
    if (pivot === undefined || displaced === undefined) return undefined
    rows[pivotIndex] = displaced
    rows[column] = pivot
    const scale = inverse(pivot[column] ?? 0)
    for (const [i, value] of pivot.entries()) pivot[i] = multiply(scale, value)
    for (const [i, row] of rows.entries()) {
      if (i !== column) addMultiple(row, pivot, row[column] ?? 0)
    }
  }
  return rows.map((row) => row.slice(size))
}

/** The code: d + p rows of d coefficients; the upper d rows are the identity, the others give parity. */
export function codingMatrix(dataShards: number, parityShards: number): Matrix {
  assert(dataShards > 0 && parityShards >= 0 && dataShards + parityShards <= 256)
  const vandermonde = Array.from({ length: dataShards + parityShards }, (_, r) =>
    Uint8Array.from({ length: dataShards }, (__, c) => power(r, c)),
  )
  const top = invert(vandermonde.slice(0, dataShards))
  assert(top !== undefined)
  return multiplyMatrices(vandermonde, top)
}

/** Rows that compute the shards `wanted` from the d shards `sources`, in these orders. */
export function reconstructionRows(
  code: Matrix,
  sources: readonly number[],
  wanted: readonly number[],
): Matrix {
  const rowsOf = (indices: readonly number[]): Uint8Array[] =>
    indices.map((index) => {
      const row = code[index]
      assert(row !== undefined)
      return row
    })
  // Any d rows of the code are independent: that is what makes it one.
  const decode = invert(rowsOf(sources))
  assert(decode !== undefined)
  return multiplyMatrices(rowsOf(wanted), decode)
}

/** Coefficients as the kernels take them: for each column, for each row, 16 products of the low half of a byte and 16
 *  of its high half. */
export function coefficientTable(rows: Matrix): Uint8Array {
  const rowCount = rows.length
  const columnCount = rows[0]?.length ?? 0
  const table = new Uint8Array(32 * rowCount * columnCount)
  for (const [r, row] of rows.entries()) {
    for (const [c, coefficient] of row.entries()) {
      const offset = 32 * (c * rowCount + r)
      for (let n = 0; n < 16; n++) {
        table[offset + n] = multiply(coefficient, n)
        table[offset + 16 + n] = multiply(coefficient, n << 4)
      }
    }
  }
  return table
}
