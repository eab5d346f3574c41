import { assert } from '#base/assert'
import type { Checksum } from './checksum.ts'
import { XXH3_BLOCK_SIZE, XXH3_SHORT_MAX } from './kernels/xxh3.ts'
import { COPY_WINDOW_SIZE } from './layout.ts'
import type { Workspace } from './workspace.ts'
import { xxh128Short } from './xxh128-short.ts'

/**
 * XXH64, XXH3 and XXH128, seed 0, as streams; digests are big-endian. Many may be open at once: the state at work is
 * copied into the workspace of the thread for each call.
 */

const XXH64_STRIPE_SIZE = 32
const XXH64_STATE_SIZE = 32
const XXH3_STATE_SIZE = 64
/** The last stripe of XXH3 may begin in the block before the last. */
const XXH3_HISTORY_SIZE = 64

export function xxh64Checksum(workspace: Workspace): Checksum {
  const { kernels, memory, at } = workspace
  const state = new Uint8Array(XXH64_STATE_SIZE)
  const pending = new Uint8Array(XXH64_STRIPE_SIZE)
  let pendingSize = 0
  let totalSize = 0
  kernels.xxh64Start(at.state, 0n)
  state.set(memory.subarray(at.state, at.state + XXH64_STATE_SIZE))
  const absorb = (data: Uint8Array): void => {
    memory.set(state, at.state)
    eachPiece(workspace, data, (address, size) => kernels.xxh64Update(at.state, address, size))
    state.set(memory.subarray(at.state, at.state + XXH64_STATE_SIZE))
  }
  return {
    update: (data) => {
      totalSize += data.length
      let from = 0
      if (pendingSize > 0) {
        from = Math.min(XXH64_STRIPE_SIZE - pendingSize, data.length)
        pending.set(data.subarray(0, from), pendingSize)
        pendingSize += from
        if (pendingSize < XXH64_STRIPE_SIZE) return
        absorb(pending)
        pendingSize = 0
      }
      const end = from + Math.floor((data.length - from) / XXH64_STRIPE_SIZE) * XXH64_STRIPE_SIZE
      if (end > from) absorb(data.subarray(from, end))
      pending.set(data.subarray(end))
      pendingSize = data.length - end
    },
    digest: () => {
      const rest = pending.subarray(0, pendingSize)
      const address = workspace.borrow(rest)
      if (totalSize < XXH64_STRIPE_SIZE) return bigEndian([kernels.xxh64(address, pendingSize, 0n)])
      memory.set(state, at.state)
      return bigEndian([kernels.xxh64Finish(at.state, address, pendingSize, BigInt(totalSize))])
    },
  }
}

export function xxh3Checksum(workspace: Workspace, bits: 64 | 128): Checksum {
  const { kernels, memory, at } = workspace
  const state = new Uint8Array(XXH3_STATE_SIZE)
  // What came last, behind the end of the block before it. Between updates it keeps at least one byte: the last block
  // is not known before the end.
  const buffer = new Uint8Array(XXH3_HISTORY_SIZE + XXH3_BLOCK_SIZE)
  const pending = buffer.subarray(XXH3_HISTORY_SIZE)
  let pendingSize = 0
  let totalSize = 0
  kernels.xxh3Start(at.state)
  state.set(memory.subarray(at.state, at.state + XXH3_STATE_SIZE))
  const absorb = (blocks: Uint8Array): void => {
    memory.set(state, at.state)
    eachPiece(workspace, blocks, (address, size) =>
      kernels.xxh3Update(at.state, address, size / XXH3_BLOCK_SIZE),
    )
    state.set(memory.subarray(at.state, at.state + XXH3_STATE_SIZE))
    buffer.set(blocks.subarray(blocks.length - XXH3_HISTORY_SIZE))
  }
  return {
    update: (data) => {
      totalSize += data.length
      const from = Math.min(XXH3_BLOCK_SIZE - pendingSize, data.length)
      pending.set(data.subarray(0, from), pendingSize)
      pendingSize += from
      const left = data.length - from
      if (left === 0) return
      absorb(pending)
      const wholeSize = left - 1 - ((left - 1) % XXH3_BLOCK_SIZE)
      if (wholeSize > 0) absorb(data.subarray(from, from + wholeSize))
      pending.set(data.subarray(from + wholeSize))
      pendingSize = left - wholeSize
    },
    digest: () => {
      if (totalSize <= XXH3_SHORT_MAX) {
        const data = pending.subarray(0, pendingSize)
        if (bits === 128) return bigEndian(xxh128Short(data))
        return bigEndian([kernels.xxh3Short(workspace.borrow(data), pendingSize)])
      }
      memory.set(state, at.state)
      const address = workspace.borrow(buffer) + XXH3_HISTORY_SIZE
      const size = BigInt(totalSize)
      const low = kernels.xxh3Finish(at.state, address, pendingSize, size)
      if (bits === 64) return bigEndian([low])
      return bigEndian([kernels.xxh3FinishHigh(at.state, address, pendingSize, size), low])
    },
  }
}

/** `data` in pieces that a kernel can reach; all but the last are as long as the window, a multiple of any block. */
function eachPiece(
  workspace: Workspace,
  data: Uint8Array,
  work: (address: number, size: number) => void,
): void {
  const address = workspace.addressOf(data)
  if (address !== undefined) {
    work(address, data.length)
    return
  }
  for (let offset = 0; offset < data.length; offset += COPY_WINDOW_SIZE) {
    const piece = data.subarray(offset, offset + COPY_WINDOW_SIZE)
    work(workspace.borrow(piece), piece.length)
  }
}

function bigEndian(words: readonly bigint[]): Uint8Array {
  const out = new Uint8Array(8 * words.length)
  const view = new DataView(out.buffer)
  for (const [i, word] of words.entries()) view.setBigUint64(8 * i, BigInt.asUintN(64, word))
  assert(out.length > 0)
  return out
}
