import { assert } from '#base/assert'
import { assembleModule } from '../wasm/emitter.ts'
import { crcKernels } from './crc.ts'
import { highwayHashKernels } from './highway-hash.ts'
import { md5Kernels } from './md5.ts'
import { reedSolomonKernels, relaxedProbe } from './reed-solomon.ts'
import { s2DecodeKernel } from './s2-decoder.ts'
import { s2EncodeKernel } from './s2-encoder.ts'
import { sipHashKernel } from './siphash.ts'
import { xxh3Kernels } from './xxh3.ts'
import { xxh64Kernels } from './xxh64.ts'

/** name(table, inputs, outputs, inputCount, size, stride), see reed-solomon.ts. */
export type ReedSolomonKernel = (
  table: number,
  inputs: number,
  outputs: number,
  inputCount: number,
  size: number,
  stride: number,
) => void

/** name(crc, address, size). */
type Crc32Kernel = (crc: number, address: number, size: number) => number
type CrcFold = (input: number, window: number, blocks: number, initial: bigint) => void
type CrcFoldTail = (input: number, window: number, out: number, vectors: number) => void
/** name(states, addresses, blocks, message, constants), see md5.ts. */
type Md5LanesKernel = (
  states: number,
  addresses: number,
  blocks: number,
  message: number,
  constants: number,
) => void

/** The exported kernels; all numbers are u32, addresses in the shared memory unless they are sizes or counts. */
export interface Kernels {
  readonly reedSolomon1: ReedSolomonKernel
  readonly reedSolomon2: ReedSolomonKernel
  readonly reedSolomon3: ReedSolomonKernel
  readonly reedSolomon4: ReedSolomonKernel
  readonly reedSolomon1Scattered: ReedSolomonKernel
  readonly reedSolomon1Narrow: ReedSolomonKernel
  readonly reedSolomon2Scattered: ReedSolomonKernel
  readonly reedSolomon2Narrow: ReedSolomonKernel
  readonly reedSolomon3Scattered: ReedSolomonKernel
  readonly reedSolomon3Narrow: ReedSolomonKernel
  readonly reedSolomon4Scattered: ReedSolomonKernel
  readonly reedSolomon4Narrow: ReedSolomonKernel
  readonly highway1: (
    key: number,
    out: number,
    packetCount: number,
    restSize: number,
    packets: number,
    address: number,
  ) => void
  readonly highway2: (
    key: number,
    out: number,
    packetCount: number,
    restSize: number,
    packets: number,
    address0: number,
    address1: number,
  ) => void
  readonly highwayStart: (key: number, state: number) => void
  readonly highwayUpdate: (state: number, address: number, packetCount: number) => void
  readonly highwayFinish: (
    state: number,
    address: number,
    restSize: number,
    packet: number,
    out: number,
  ) => void
  readonly md5: (state: number, address: number, blocks: number) => void
  readonly md5Lanes8: Md5LanesKernel
  readonly md5Lanes12: Md5LanesKernel
  readonly crc32: Crc32Kernel
  readonly crc32c: Crc32Kernel
  readonly crc64nvme: (crc: bigint, address: number, size: number) => bigint
  readonly crc32Fold: CrcFold
  readonly crc32cFold: CrcFold
  readonly crc64nvmeFold: CrcFold
  readonly crc32FoldTail: CrcFoldTail
  readonly crc32cFoldTail: CrcFoldTail
  readonly crc64nvmeFoldTail: CrcFoldTail
  readonly s2Decode: (
    source: number,
    sourceEnd: number,
    target: number,
    targetEnd: number,
  ) => number
  readonly s2Encode: (
    source: number,
    size: number,
    target: number,
    limit: number,
    table: number,
    tableBits: number,
  ) => number
  readonly sipHash24: (key: number, address: number, size: number) => bigint
  readonly xxh64: (address: number, size: number, seed: bigint) => bigint
  readonly xxh64Start: (state: number, seed: bigint) => void
  readonly xxh64Update: (state: number, address: number, size: number) => void
  readonly xxh64Finish: (
    state: number,
    address: number,
    restSize: number,
    totalSize: bigint,
  ) => bigint
  readonly xxh3Short: (address: number, size: number) => bigint
  readonly xxh3Start: (state: number) => void
  readonly xxh3Update: (state: number, address: number, blocks: number) => void
  readonly xxh3Finish: (state: number, address: number, size: number, totalSize: bigint) => bigint
  readonly xxh3FinishHigh: (
    state: number,
    address: number,
    size: number,
    totalSize: bigint,
  ) => bigint
}

/** Whether this engine knows relaxed SIMD, which nearly doubles Reed-Solomon. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(assembleModule([relaxedProbe()]))
}

/** Compiles all kernels, once for each process: the module can be sent to workers. */
export function compileKernels(options: { readonly relaxedSimd: boolean }): WebAssembly.Module {
  return new WebAssembly.Module(
    assembleModule([
      ...reedSolomonKernels(options.relaxedSimd),
      ...highwayHashKernels(options.relaxedSimd),
      ...md5Kernels(),
      ...crcKernels(),
      s2DecodeKernel(),
      s2EncodeKernel(),
      sipHashKernel(),
      ...xxh64Kernels(),
      ...xxh3Kernels(),
    ]),
  )
}

/** Binds the kernels to the shared memory, for one thread. */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Kernels {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  assert(isKernels(exports))
  return exports
}

function isKernels(exports: object): exports is Kernels {
  return 'xxh3Finish' in exports && 'highwayFinish' in exports && 'md5Lanes12' in exports
}
