import { createHash } from 'node:crypto'
import { assert, assertNever } from '#base/assert'
import { CRC_PARAMETERS, type CrcName } from './kernels/crc.ts'
import { COPY_WINDOW_SIZE, CRC_HISTORY_SIZE, CRC_SEGMENT_SIZE } from './layout.ts'
import type { Workspace } from './workspace.ts'
import { xxh3Checksum, xxh64Checksum } from './xxhash-streams.ts'

export type ChecksumName =
  | 'crc32'
  | 'crc32c'
  | 'crc64nvme'
  | 'md5'
  | 'sha1'
  | 'sha256'
  | 'sha512'
  | 'xxhash3'
  | 'xxhash64'
  | 'xxhash128'

/** A running checksum. */
export interface Checksum {
  /** Absorbs `data`, from any memory; keeps no reference. */
  update(data: Uint8Array): void
  /** The digest, big-endian for CRCs and XXH, as S3 shows them; owned by the caller. Ends the checksum. */
  digest(): Uint8Array
}

/** Below this, tables are faster than folding, which ends with some kilobytes of table work. */
const FOLD_SIZE_MIN = 24_576
const FOLD_BLOCK_SIZE = 64

export function createChecksum(workspace: Workspace, name: ChecksumName): Checksum {
  switch (name) {
    case 'crc32':
    case 'crc32c':
      return crc32Checksum(workspace, name)
    case 'crc64nvme':
      return crc64Checksum(workspace)
    case 'md5':
    case 'sha1':
    case 'sha256':
    case 'sha512':
      return nodeChecksum(name)
    case 'xxhash3':
      return xxh3Checksum(workspace, 64)
    case 'xxhash64':
      return xxh64Checksum(workspace)
    case 'xxhash128':
      return xxh3Checksum(workspace, 128)
    default:
      return assertNever(name)
  }
}

function crc32Checksum(workspace: Workspace, name: 'crc32' | 'crc32c'): Checksum {
  let crc = 0
  return {
    update: (data) => {
      crc = crc32(workspace, name, data, crc)
    },
    digest: () => {
      const out = new Uint8Array(4)
      new DataView(out.buffer).setUint32(0, crc)
      return out
    },
  }
}

function crc64Checksum(workspace: Workspace): Checksum {
  let crc = 0n
  return {
    update: (data) => {
      crc = crc64nvme(workspace, data, crc)
    },
    digest: () => {
      const out = new Uint8Array(8)
      new DataView(out.buffer).setBigUint64(0, crc)
      return out
    },
  }
}

function nodeChecksum(name: 'md5' | 'sha1' | 'sha256' | 'sha512' | 'blake2b512'): Checksum {
  const hash = createHash(name)
  return {
    update: (data) => {
      hash.update(data)
    },
    digest: () => new Uint8Array(hash.digest()),
  }
}

/** BLAKE2b with 64 bytes of digest and no key. */
export function createBlake2b(): Checksum {
  return nodeChecksum('blake2b512')
}

/** CRC of what `previous` covers followed by `data`, from any memory. */
export function crc32(
  workspace: Workspace,
  name: 'crc32' | 'crc32c',
  data: Uint8Array,
  previous: number,
): number {
  const address = workspace.addressOf(data)
  if (address !== undefined) return crc32At(workspace, name, previous, address, data.length)
  let crc = previous
  for (let offset = 0; offset < data.length; offset += COPY_WINDOW_SIZE) {
    const piece = data.subarray(offset, offset + COPY_WINDOW_SIZE)
    crc = crc32At(workspace, name, crc, workspace.borrow(piece), piece.length)
  }
  return crc
}

function crc32At(
  workspace: Workspace,
  name: 'crc32' | 'crc32c',
  crc: number,
  address: number,
  size: number,
): number {
  const kernel = name === 'crc32' ? workspace.kernels.crc32 : workspace.kernels.crc32c
  if (size < FOLD_SIZE_MIN) return kernel(crc, address, size) >>> 0
  const leftSize = fold(workspace, name, BigInt(~crc >>> 0), address, size)
  return kernel(-1, workspace.at.crcTail, leftSize) >>> 0
}

/** The same for CRC-64/NVME. */
function crc64nvme(workspace: Workspace, data: Uint8Array, previous: bigint): bigint {
  const address = workspace.addressOf(data)
  if (address !== undefined) return crc64At(workspace, previous, address, data.length)
  let crc = previous
  for (let offset = 0; offset < data.length; offset += COPY_WINDOW_SIZE) {
    const piece = data.subarray(offset, offset + COPY_WINDOW_SIZE)
    crc = crc64At(workspace, crc, workspace.borrow(piece), piece.length)
  }
  return crc
}

function crc64At(workspace: Workspace, crc: bigint, address: number, size: number): bigint {
  const kernel = workspace.kernels.crc64nvme
  if (size < FOLD_SIZE_MIN) return BigInt.asUintN(64, kernel(crc, address, size))
  const leftSize = fold(workspace, 'crc64nvme', ~crc, address, size)
  return BigInt.asUintN(64, kernel(-1n, workspace.at.crcTail, leftSize))
}

/** Folds the input to a few kilobytes of the same CRC, at `at.crcTail`, and answers their count. `register` is the
 *  register before the input; the CRC of the result is to be taken with a register of 0. */
function fold(
  workspace: Workspace,
  name: CrcName,
  register: bigint,
  address: number,
  size: number,
): number {
  const { memory, at, kernels } = workspace
  const parameters = CRC_PARAMETERS[name]
  const { reach } = parameters
  const taps: readonly number[] = parameters.taps
  const foldSegment = kernels[parameters.fold]
  const window = at.crcHistory + CRC_HISTORY_SIZE
  const foldedSize = (size - reach - 16) & -FOLD_BLOCK_SIZE
  assert(foldedSize > 0 && reach <= CRC_HISTORY_SIZE)
  memory.fill(0, window - reach, window)
  let segmentSize = 0
  for (let done = 0; done < foldedSize; done += segmentSize) {
    // The end of the segment before becomes the history of this one.
    if (done > 0)
      memory.copyWithin(window - reach, window + segmentSize - reach, window + segmentSize)
    segmentSize = Math.min(CRC_SEGMENT_SIZE, foldedSize - done)
    const initial = done === 0 ? register : 0n
    foldSegment(address + done, window, segmentSize / FOLD_BLOCK_SIZE, initial)
  }
  const leftSize = size - foldedSize
  const tail = window + segmentSize
  memory.fill(0, tail, tail + leftSize + 16)
  const vectors = leftSize >> 4
  kernels[parameters.foldTail](address + foldedSize, tail, at.crcTail, vectors)
  for (let i = 16 * vectors; i < leftSize; i++) {
    let byte = memory[address + foldedSize + i] ?? 0
    for (const tap of taps) byte ^= memory[tail + i - tap] ?? 0
    memory[at.crcTail + i] = byte
  }
  return leftSize
}
