import { readFileSync } from 'node:fs'
import { assert } from '#base/assert'

/** Recorded results of the reference implementations on `patternBytes(size)`. */
export interface Vectors {
  /** SHA-256 over the hexadecimal SHA-256 values of all shards. */
  readonly reedSolomon: readonly { data: number; parity: number; size: number; digest: string }[]
  /** Size and digest with the bitrot key. */
  readonly highwayHash: readonly [number, string][]
  readonly checksums: readonly ChecksumVector[]
  readonly xxh3: readonly { size: number; hash: bigint }[]
}

export interface ChecksumVector {
  readonly size: number
  readonly crc32: bigint
  readonly crc32c: bigint
  readonly crc64nvme: bigint
  readonly xxh64: bigint
  /** With the key words 5 and -7. */
  readonly sipHash24: bigint
}

export function readVectors(): Vectors {
  const file = new URL('../testdata/kernels.json', import.meta.url)
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return {
    reedSolomon: rowsOf(read, 'reedSolomon').map((row) => ({
      data: Number(row[0]),
      parity: Number(row[1]),
      size: Number(row[2]),
      digest: String(row[3]),
    })),
    highwayHash: rowsOf(read, 'highwayHash').map((row) => [Number(row[0]), String(row[1])]),
    checksums: rowsOf(read, 'checksums').map((row) => ({
      size: Number(row[0]),
      crc32: BigInt(Number(row[1])),
      crc32c: BigInt(Number(row[2])),
      crc64nvme: fromHex(row[3]),
      xxh64: fromHex(row[4]),
      sipHash24: fromHex(row[5]),
    })),
    xxh3: rowsOf(read, 'xxh3').map((row) => ({ size: Number(row[0]), hash: fromHex(row[1]) })),
  }
}

function rowsOf(read: unknown, name: string): readonly unknown[][] {
  assert(typeof read === 'object' && read !== null)
  const rows: unknown = new Map<string, unknown>(Object.entries(read)).get(name)
  assert(Array.isArray(rows))
  return rows.map((row: unknown) => {
    assert(Array.isArray(row))
    return row.map((cell: unknown) => cell)
  })
}

function fromHex(cell: unknown): bigint {
  return BigInt(`0x${String(cell)}`)
}
