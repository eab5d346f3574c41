import { assert } from '#base/assert'
import { CODING_TABLES_SIZE } from './layout.ts'
import { codingMatrix, coefficientTable, type Matrix, reconstructionRows } from './galois.ts'
import type { Kernels, ReedSolomonKernel } from './kernels/kernels.ts'
import { OUTPUTS_MAX, wideStepBytes } from './kernels/reed-solomon.ts'
import type { Workspace } from './workspace.ts'

/** More shards than any format has; bounds the tables. */
export const SHARDS_MAX = 32
/** Reconstructions remembered by a coder; they differ in the shards present and wanted. */
const PLANS_MAX = 64

/** Coefficients of up to four output shards, and where they were put last. */
interface Pass {
  readonly table: Uint8Array
  readonly outputs: readonly number[]
  readonly kernels: PassKernels
  /** Whether inputs and outputs follow one another: then no lists of addresses are needed. */
  readonly isContiguous: boolean
  address: number
  /** Generation of the table area in which `address` is valid. */
  generation: number
}

interface Plan {
  readonly inputs: readonly number[]
  readonly passes: readonly Pass[]
}

/** The area for coefficient tables of one thread; when it is full, all are placed anew as they are used. */
export class CodingTables {
  readonly #workspace: Workspace
  #generation = 1
  #used = 0

  constructor(workspace: Workspace) {
    this.#workspace = workspace
  }

  /** Address of the table of `pass`, which stays good until the next call. */
  place(pass: Pass): number {
    if (pass.generation === this.#generation) return pass.address
    const size = pass.table.length
    assert(size <= CODING_TABLES_SIZE)
    if (this.#used + size > CODING_TABLES_SIZE) {
      this.#generation++
      this.#used = 0
    }
    pass.address = this.#workspace.at.codingTables + this.#used
    pass.generation = this.#generation
    this.#used += size
    this.#workspace.memory.set(pass.table, pass.address)
    return pass.address
  }
}

/** Reed-Solomon for one number of data and parity shards, on shards in the arena. Source: disk format, section 3. */
export class ErasureCoder {
  readonly dataShards: number
  readonly parityShards: number
  readonly #workspace: Workspace
  readonly #tables: CodingTables
  readonly #matrix: Matrix
  readonly #encodePlan: Plan
  readonly #reconstructPlans = new Map<string, Plan>()

  /** Use `Codec.erasureCoder`, which keeps coders. */
  constructor(
    workspace: Workspace,
    tables: CodingTables,
    shards: { readonly data: number; readonly parity: number },
  ) {
    assert(Number.isInteger(shards.data) && shards.data > 0)
    assert(Number.isInteger(shards.parity) && shards.parity >= 0)
    assert(shards.data + shards.parity <= SHARDS_MAX)
    this.dataShards = shards.data
    this.parityShards = shards.parity
    this.#workspace = workspace
    this.#tables = tables
    this.#matrix = codingMatrix(shards.data, shards.parity)
    const data = range(0, shards.data)
    const parity = range(shards.data, shards.data + shards.parity)
    this.#encodePlan = planOf(workspace.kernels, this.#matrix.slice(shards.data), data, parity)
  }

  /** Bytes of each shard of a block. */
  shardSize(blockBytes: number): number {
    return Math.ceil(blockBytes / this.dataShards)
  }

  /** Encodes a block in place. The data is contiguous at `offset`, so that data shard i is at `offset + i·shardSize`;
   *  the rest of the last data shards is zeroed here; parity shards follow. Touches (d+p)·shardSize bytes. */
  encode(offset: number, blockBytes: number): void {
    const shardSize = this.shardSize(blockBytes)
    const dataEnd = offset + this.dataShards * shardSize
    assert(blockBytes >= 0 && this.#isInArena(offset, shardSize * this.#shardCount))
    this.#workspace.memory.fill(0, offset + blockBytes, dataEnd)
    this.#run(this.#encodePlan, offset, shardSize, shardSize)
  }

  /** Computes missing shards in place. Shard i is at `offset + i·strideBytes`, `sizeBytes` long; `present[i]` says
   *  whether it holds its bytes. Fills the `wanted` ones, which are not present, from the first d present ones; at least
   *  d must be present. Other missing shards are left alone. */
  reconstruct(
    offset: number,
    strideBytes: number,
    sizeBytes: number,
    present: readonly boolean[],
    wanted: readonly number[],
  ): void {
    assert(present.length === this.#shardCount)
    assert(sizeBytes >= 0 && strideBytes >= sizeBytes)
    assert(this.#isInArena(offset, strideBytes * (this.#shardCount - 1) + sizeBytes))
    if (wanted.length === 0) return
    this.#run(this.#reconstructPlan(present, wanted), offset, strideBytes, sizeBytes)
  }

  get #shardCount(): number {
    return this.dataShards + this.parityShards
  }

  #isInArena(offset: number, size: number): boolean {
    return offset >= 0 && offset + size <= this.#workspace.memory.length
  }

  #reconstructPlan(present: readonly boolean[], wanted: readonly number[]): Plan {
    const sources: number[] = []
    for (const [i, isPresent] of present.entries()) {
      if (isPresent && sources.length < this.dataShards) sources.push(i)
    }
    assert(sources.length === this.dataShards, 'Too few shards to reconstruct')
    const name = `${sources.join()}>${wanted.join()}`
    const known = this.#reconstructPlans.get(name)
    if (known !== undefined) return known
    for (const index of wanted) assert(present[index] === false)
    const rows = reconstructionRows(this.#matrix, sources, wanted)
    const plan = planOf(this.#workspace.kernels, rows, sources, wanted)
    if (this.#reconstructPlans.size >= PLANS_MAX) this.#reconstructPlans.clear()
    this.#reconstructPlans.set(name, plan)
    return plan
  }

  #run(plan: Plan, offset: number, strideBytes: number, sizeBytes: number): void {
    if (sizeBytes === 0) return
    for (const pass of plan.passes) {
      const first = pass.outputs[0] ?? 0
      const outputCount = pass.outputs.length
      const table = this.#tables.place(pass)
      if (pass.isContiguous && sizeBytes >= wideStepBytes(outputCount)) {
        const kernel = pass.kernels.contiguous
        const inputs = offset + (plan.inputs[0] ?? 0) * strideBytes
        const outputs = offset + first * strideBytes
        kernel(table, inputs, outputs, this.dataShards, sizeBytes, strideBytes)
      } else {
        this.#listShards(plan, pass, offset, strideBytes)
        this.#runScattered(pass, table, sizeBytes)
      }
    }
  }

  #listShards(plan: Plan, pass: Pass, offset: number, strideBytes: number): void {
    const { words, at } = this.#workspace
    for (let i = 0; i < plan.inputs.length; i++) {
      words[at.inputList / 4 + i] = offset + (plan.inputs[i] ?? 0) * strideBytes
    }
    for (let i = 0; i < pass.outputs.length; i++) {
      words[at.outputList / 4 + i] = offset + (pass.outputs[i] ?? 0) * strideBytes
    }
  }

  #runScattered(pass: Pass, table: number, sizeBytes: number): void {
    const { at } = this.#workspace
    const outputCount = pass.outputs.length
    if (sizeBytes < 16) {
      this.#multiplyBytes(table, outputCount, sizeBytes)
      return
    }
    const { scattered, narrow } = pass.kernels
    const kernel = sizeBytes >= wideStepBytes(outputCount) ? scattered : narrow
    kernel(table, at.inputList, at.outputList, this.dataShards, sizeBytes, 0)
  }

  /** The same for shards shorter than one vector. */
  #multiplyBytes(table: number, outputCount: number, sizeBytes: number): void {
    const { memory, words, at } = this.#workspace
    const byteAt = (address: number): number => memory[address] ?? 0
    for (let o = 0; o < outputCount; o++) {
      const output = words[at.outputList / 4 + o] ?? 0
      for (let position = 0; position < sizeBytes; position++) {
        let sum = 0
        for (let i = 0; i < this.dataShards; i++) {
          const byte = byteAt((words[at.inputList / 4 + i] ?? 0) + position)
          const entry = table + 32 * (i * outputCount + o)
          sum ^= byteAt(entry + (byte & 15)) ^ byteAt(entry + 16 + (byte >> 4))
        }
        memory[output + position] = sum
      }
    }
  }
}

interface PassKernels {
  readonly contiguous: ReedSolomonKernel
  readonly scattered: ReedSolomonKernel
  readonly narrow: ReedSolomonKernel
}

function kernelsFor(kernels: Kernels, outputCount: number): PassKernels {
  switch (outputCount) {
    case 1:
      return {
        contiguous: kernels.reedSolomon1,
        scattered: kernels.reedSolomon1Scattered,
        narrow: kernels.reedSolomon1Narrow,
      }
    case 2:
      return {
        contiguous: kernels.reedSolomon2,
        scattered: kernels.reedSolomon2Scattered,
        narrow: kernels.reedSolomon2Narrow,
      }
    case 3:
      return {
        contiguous: kernels.reedSolomon3,
        scattered: kernels.reedSolomon3Scattered,
        narrow: kernels.reedSolomon3Narrow,
      }
    default:
      assert(outputCount === 4)
      return {
        contiguous: kernels.reedSolomon4,
        scattered: kernels.reedSolomon4Scattered,
        narrow: kernels.reedSolomon4Narrow,
      }
  }
}

function isContiguous(indices: readonly number[]): boolean {
  return indices.every((index, i) => i === 0 || index === (indices[i - 1] ?? 0) + 1)
}

/** Splits the outputs into passes of at most four; 3 + 3 and 3 + 2 rather than 4 + 2 and 4 + 1. */
function planOf(
  kernels: Kernels,
  rows: Matrix,
  inputs: readonly number[],
  outputs: readonly number[],
): Plan {
  const passes: Pass[] = []
  for (let done = 0; done < rows.length; ) {
    const left = rows.length - done
    const count = left === 5 || left === 6 ? 3 : Math.min(left, OUTPUTS_MAX)
    const passOutputs = outputs.slice(done, done + count)
    passes.push({
      table: coefficientTable(rows.slice(done, done + count)),
      outputs: passOutputs,
      kernels: kernelsFor(kernels, count),
      isContiguous: isContiguous(inputs) && isContiguous(passOutputs),
      address: 0,
      generation: 0,
    })
    done += count
  }
  return { inputs, passes }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i)
}
