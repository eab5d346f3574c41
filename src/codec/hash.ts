import { assert } from '#base/assert'
import { COPY_WINDOW_SIZE } from './layout.ts'
import { XXH3_BLOCK_SIZE, XXH3_SHORT_MAX, XXH3_STRIPE_SIZE } from './kernels/xxh3.ts'
import type { Workspace } from './workspace.ts'

const HIGHWAY_PACKET_SIZE = 32
const HIGHWAY_STATE_SIZE = 128
const DIGEST_SIZE = 32
const SIP_KEY_SIZE = 16

/** XXH64 of data in any memory. */
export function xxh64(workspace: Workspace, data: Uint8Array, seed: bigint): bigint {
  const { kernels, at } = workspace
  if (workspace.addressOf(data) !== undefined || data.length <= COPY_WINDOW_SIZE) {
    const address = workspace.borrow(data)
    return BigInt.asUintN(64, kernels.xxh64(address, data.length, seed))
  }
  // The window is a multiple of the stripe, so only the last copy has a rest.
  kernels.xxh64Start(at.state, seed)
  let offset = 0
  for (; data.length - offset > COPY_WINDOW_SIZE; offset += COPY_WINDOW_SIZE) {
    const address = workspace.borrow(data.subarray(offset, offset + COPY_WINDOW_SIZE))
    kernels.xxh64Update(at.state, address, COPY_WINDOW_SIZE)
  }
  const restAddress = workspace.borrow(data.subarray(offset))
  const restSize = data.length - offset
  const stripesSize = restSize - (restSize % 32)
  if (stripesSize > 0) kernels.xxh64Update(at.state, restAddress, stripesSize)
  const hash = kernels.xxh64Finish(
    at.state,
    restAddress + stripesSize,
    restSize - stripesSize,
    BigInt(data.length),
  )
  return BigInt.asUintN(64, hash)
}

/** XXH3 of 64 bits, seed 0, of data in any memory. */
export function xxh3(workspace: Workspace, data: Uint8Array): bigint {
  const { kernels, at } = workspace
  if (data.length <= XXH3_SHORT_MAX) {
    return BigInt.asUintN(64, kernels.xxh3Short(workspace.borrow(data), data.length))
  }
  kernels.xxh3Start(at.state)
  // The last block is never a whole one followed by nothing: it keeps at least one byte.
  const wholeBlocksSize = data.length - 1 - ((data.length - 1) % XXH3_BLOCK_SIZE)
  const isInArena = workspace.addressOf(data) !== undefined
  const stepSize = isInArena ? wholeBlocksSize : COPY_WINDOW_SIZE
  for (let offset = 0; offset < wholeBlocksSize; offset += stepSize) {
    const end = Math.min(offset + stepSize, wholeBlocksSize)
    const address = workspace.borrow(data.subarray(offset, end))
    kernels.xxh3Update(at.state, address, (end - offset) / XXH3_BLOCK_SIZE)
  }
  // The last stripe may begin in the block before.
  const start = Math.max(0, wholeBlocksSize - XXH3_STRIPE_SIZE)
  const address = workspace.borrow(data.subarray(start)) + (wholeBlocksSize - start)
  const hash = kernels.xxh3Finish(
    at.state,
    address,
    data.length - wholeBlocksSize,
    BigInt(data.length),
  )
  return BigInt.asUintN(64, hash)
}

/** SipHash-2-4 of data in any memory. */
export function sipHash24(workspace: Workspace, key: Uint8Array, data: Uint8Array): bigint {
  assert(key.length === SIP_KEY_SIZE)
  assert(workspace.addressOf(data) !== undefined || data.length <= COPY_WINDOW_SIZE)
  const { kernels, memory, at } = workspace
  memory.set(key, at.key)
  return BigInt.asUintN(64, kernels.sipHash24(at.key, workspace.borrow(data), data.length))
}

/** HighwayHash-256 of equally long shards in the arena, two at a time. */
export function highwayHashShards(
  workspace: Workspace,
  shards: { offset: number; strideBytes: number; count: number; sizeBytes: number },
  outOffset: number,
): void {
  const { kernels, at, memory, highwayKey } = workspace
  const { offset, strideBytes, count, sizeBytes } = shards
  assert(count >= 0 && sizeBytes >= 0 && offset >= 0 && outOffset >= 0)
  if (count === 0) return
  assert(offset + strideBytes * (count - 1) + sizeBytes <= memory.length)
  assert(outOffset + DIGEST_SIZE * count <= memory.length)
  const rest = sizeBytes % HIGHWAY_PACKET_SIZE
  const packets = (sizeBytes - rest) / HIGHWAY_PACKET_SIZE
  let i = 0
  for (; i + 2 <= count; i += 2) {
    const first = offset + i * strideBytes
    const out = outOffset + i * DIGEST_SIZE
    kernels.highway2(highwayKey, out, packets, rest, at.packets, first, first + strideBytes)
  }
  if (i < count) {
    const out = outOffset + i * DIGEST_SIZE
    kernels.highway1(highwayKey, out, packets, rest, at.packets, offset + i * strideBytes)
  }
}

/** HighwayHash-256 of data in any memory; `keyAddress` is that of 32 bytes. */
export function highwayHash256(
  workspace: Workspace,
  data: Uint8Array,
  keyAddress: number = workspace.highwayKey,
): Uint8Array {
  if (workspace.addressOf(data) === undefined && data.length > COPY_WINDOW_SIZE) {
    const hasher = new HighwayHasher(workspace, keyAddress)
    hasher.update(data)
    return hasher.digest()
  }
  const { kernels, memory, at } = workspace
  const rest = data.length % HIGHWAY_PACKET_SIZE
  const packets = (data.length - rest) / HIGHWAY_PACKET_SIZE
  kernels.highway1(keyAddress, at.digest, packets, rest, at.packets, workspace.borrow(data))
  return copyOf(memory, at.digest, DIGEST_SIZE)
}

/** Streaming HighwayHash-256. Many may be open at once: the state lives outside the arena between calls. */
export class HighwayHasher {
  readonly #workspace: Workspace
  readonly #state: Uint8Array
  /** Bytes that do not fill a packet yet. */
  readonly #rest = new Uint8Array(HIGHWAY_PACKET_SIZE)
  #restSize = 0
  #isFinished = false

  constructor(workspace: Workspace, keyAddress: number = workspace.highwayKey) {
    this.#workspace = workspace
    workspace.kernels.highwayStart(keyAddress, workspace.at.state)
    this.#state = copyOf(workspace.memory, workspace.at.state, HIGHWAY_STATE_SIZE)
  }

  /** Absorbs `data`, from any memory; keeps no reference. */
  update(data: Uint8Array): void {
    assert(!this.#isFinished)
    let offset = 0
    if (this.#restSize > 0) {
      offset = Math.min(HIGHWAY_PACKET_SIZE - this.#restSize, data.length)
      this.#rest.set(data.subarray(0, offset), this.#restSize)
      this.#restSize += offset
      if (this.#restSize < HIGHWAY_PACKET_SIZE) return
      this.#absorb(this.#rest)
      this.#restSize = 0
    }
    const end = data.length - ((data.length - offset) % HIGHWAY_PACKET_SIZE)
    if (end > offset) this.#absorb(data.subarray(offset, end))
    this.#rest.set(data.subarray(end))
    this.#restSize = data.length - end
  }

  /** The digest, 32 bytes owned by the caller. Ends the hasher. */
  digest(): Uint8Array {
    assert(!this.#isFinished)
    this.#isFinished = true
    const { kernels, memory, at } = this.#workspace
    memory.set(this.#state, at.state)
    const address = this.#workspace.borrow(this.#rest)
    kernels.highwayFinish(at.state, address, this.#restSize, at.packets, at.digest)
    return copyOf(memory, at.digest, DIGEST_SIZE)
  }

  /** Absorbs whole packets. */
  #absorb(data: Uint8Array): void {
    const { kernels, memory, at } = this.#workspace
    memory.set(this.#state, at.state)
    const isInArena = this.#workspace.addressOf(data) !== undefined
    const stepSize = isInArena ? data.length : COPY_WINDOW_SIZE
    for (let offset = 0; offset < data.length; offset += stepSize) {
      const step = data.subarray(offset, offset + stepSize)
      const address = this.#workspace.borrow(step)
      kernels.highwayUpdate(at.state, address, step.length / HIGHWAY_PACKET_SIZE)
    }
    this.#state.set(memory.subarray(at.state, at.state + HIGHWAY_STATE_SIZE))
  }
}

/** A copy outside the shared memory. */
function copyOf(memory: Uint8Array, address: number, size: number): Uint8Array {
  const copy = new Uint8Array(size)
  copy.set(memory.subarray(address, address + size))
  return copy
}
