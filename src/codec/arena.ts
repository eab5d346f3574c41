import { assert } from '#base/assert'
import { compileKernels, hasRelaxedSimd } from './kernels/kernels.ts'
import { ZIPPER } from './kernels/highway-hash.ts'
import { CRC_NAMES, CRC_PARAMETERS, writeCrcTables } from './kernels/crc.ts'
import { writeMd5Constants } from './kernels/md5.ts'
import { writeS2Tags } from './kernels/s2-decoder.ts'
import { XXH3_SECRET } from './kernels/xxh3.ts'
import { SHARED_LAYOUT, SHARED_SIZE, WASM_PAGE_SIZE, WORKSPACE_SIZE } from './layout.ts'

/**
 * The buffer arena of the process: one shared memory, in which every thread owns a region.
 *
 * - Only the owner of a region gives out slots in it; other threads are lent a slot's offset and length, and the
 *   owner releases it when they are done.
 * - A slot is released exactly once; a second release is a bug and ends the process.
 * - Slots are not zeroed.
 * - Memory that a hung thread may still write to is kept from others until it cannot any more (`keep`).
 * - Memory that no slot has used yet is not backed by the machine.
 * - A region may have a reserve behind it, which is used only after `extend`, and given up once little is lent.
 */

/** HighwayHash key of the drive format. Source: section 4.1 of the disk format. */
const BITROT_KEY = Uint8Array.fromHex(
  '4be734fa8e238acd263e83e6bb968552040f935da39f441497e09d1322de36a0',
)

/** Granularity of slots. */
const UNIT_SIZE = 65_536
const MEMORY_SIZE_MAX = 2 ** 32

/** What every thread needs to make its codec. Can be cloned to workers: memory and compiled code are shared. */
export interface CodecSeed {
  readonly memory: WebAssembly.Memory
  readonly module: WebAssembly.Module
  readonly regions: readonly Region[]
}

/** What one thread owns: its workspace, its arena, and the reserve of its arena. */
interface Region {
  readonly offset: number
  /** Of the workspace and the arena. */
  readonly sizeBytes: number
  /** Behind them. */
  readonly reserveBytes: number
}

export interface CodecSeedOptions {
  /** Arena sizes by thread; rounded up to 64 KiB. The workspace of a thread comes on top. */
  readonly regionSizesBytes: readonly number[]
  /** Reserves by thread, rounded likewise; where there is none for a thread, its arena cannot be extended. */
  readonly reserveSizesBytes?: readonly number[]
  /** False compiles for engines without relaxed SIMD, for tests. */
  readonly allowRelaxedSimd?: boolean
}

/** Allocates the shared memory and compiles the kernels; once for each process. All regions together: under 4 GiB. */
export function createCodecSeed(options: CodecSeedOptions): CodecSeed {
  let offset = SHARED_SIZE
  const regions = options.regionSizesBytes.map((arenaBytes, index) => {
    const reserve = options.reserveSizesBytes?.[index] ?? 0
    for (const bytes of [arenaBytes, reserve]) assert(Number.isSafeInteger(bytes) && bytes >= 0)
    const sizeBytes = WORKSPACE_SIZE + roundUp(arenaBytes)
    const region = { offset, sizeBytes, reserveBytes: roundUp(reserve) }
    offset += sizeBytes + region.reserveBytes
    return region
  })
  assert(offset <= MEMORY_SIZE_MAX, 'Buffer arena exceeds 4 GiB')
  const pages = offset / WASM_PAGE_SIZE
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  writeConstants(new Uint8Array(memory.buffer))
  const relaxedSimd = (options.allowRelaxedSimd ?? true) && hasRelaxedSimd()
  return { memory, module: compileKernels({ relaxedSimd }), regions }
}

function writeConstants(memory: Uint8Array): void {
  memory.set(BITROT_KEY, SHARED_LAYOUT.highwayKey)
  memory.set(ZIPPER, SHARED_LAYOUT.highwayZipper)
  memory.set(XXH3_SECRET, SHARED_LAYOUT.xxh3Secret)
  writeMd5Constants(memory, SHARED_LAYOUT.md5Constants)
  writeS2Tags(memory)
  for (const name of CRC_NAMES) writeCrcTables(memory, CRC_PARAMETERS[name])
}

function roundUp(sizeBytes: number): number {
  return Math.ceil(sizeBytes / UNIT_SIZE) * UNIT_SIZE
}

/** A buffer lent by an arena. Ownership: whoever acquired it, until `release` (or the end of a `using` scope). Nothing
 *  may touch the bytes afterwards. */
export interface Slot extends Disposable {
  /** Offset in the shared memory. */
  readonly offset: number
  /** Exactly as many bytes as were asked for. */
  readonly bytes: Uint8Array
  /** Gives the buffer back. Exactly once, and not in addition to `using`. */
  release(): void
}

interface Extent {
  offset: number
  size: number
}

interface Kept {
  readonly offset: number
  readonly until: Promise<void>
}

interface Waiter {
  readonly sizeBytes: number
  readonly grant: (slot: Slot) => void
}

/** Lends buffers out of the region of one thread. First come, first served: nobody overtakes a waiting request. */
export class Arena {
  readonly #memory: WebAssembly.Memory
  /** Without the reserve. */
  readonly #capacity: number
  /** Where the reserve begins and ends. */
  readonly #reserveStart: number
  readonly #reserveEnd: number
  /** Free extents by offset, never adjacent. The lowest that fits is used, so that warm memory is used again. */
  readonly #free: Extent[] = []
  readonly #waiters = new Set<Waiter>()
  readonly #kept = new Set<Kept>()
  /** End of what slots may lie in: within the reserve when that is used. */
  #end: number
  #freeBytes = 0

  constructor(seed: CodecSeed, regionIndex: number) {
    const region = seed.regions[regionIndex]
    assert(region !== undefined)
    this.#memory = seed.memory
    this.#capacity = region.sizeBytes - WORKSPACE_SIZE
    this.#reserveStart = region.offset + region.sizeBytes
    this.#reserveEnd = this.#reserveStart + region.reserveBytes
    this.#end = this.#reserveStart
    if (this.#capacity > 0) this.#giveBack(region.offset + WORKSPACE_SIZE, this.#capacity)
  }

  /** Bytes not lent, which need not be in one piece. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Who waits longest for a buffer; the same object as long as it waits. */
  get longestWaiting(): object | undefined {
    return this.#waiters.values().next().value
  }

  /** A buffer, or undefined when there is none or others wait for one. */
  tryAcquire(sizeBytes: number): Slot | undefined {
    this.#assertPossible(sizeBytes)
    return this.#waiters.size > 0 ? undefined : this.#take(sizeBytes)
  }

  /** Waits for a buffer: the back-pressure of the data path. Errors: the signal's reason. */
  acquire(sizeBytes: number, signal?: AbortSignal): Promise<Slot> {
    this.#assertPossible(sizeBytes)
    if (signal?.aborted === true) return Promise.reject(reasonOf(signal))
    const slot = this.tryAcquire(sizeBytes)
    if (slot !== undefined) return Promise.resolve(slot)
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiters.delete(waiter)
        reject(reasonOf(signal))
        this.#serveWaiters() // those behind may need less
      }
      const waiter: Waiter = {
        sizeBytes,
        grant: (granted) => {
          signal?.removeEventListener('abort', abort)
          resolve(granted)
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Takes as much of the reserve as the arena has without it; false: nothing is left of it. */
  extend(): boolean {
    const size = Math.min(this.#capacity, this.#reserveEnd - this.#end)
    if (size === 0) return false
    this.#end += size
    this.#giveBack(this.#end - size, size)
    this.#serveWaiters()
    return true
  }

  /** Keeps the slot that `bytes` lies in from others until `until` resolves, whenever it is released. */
  keep(bytes: Uint8Array, until: Promise<void>): void {
    assert(bytes.buffer === this.#memory.buffer)
    const kept = { offset: bytes.byteOffset, until }
    this.#kept.add(kept)
    void until.then(() => this.#kept.delete(kept))
  }

  #assertPossible(sizeBytes: number): void {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes > 0)
    assert(sizeBytes <= this.#capacity, 'Buffer is larger than the whole arena')
  }

  #take(sizeBytes: number): Slot | undefined {
    const size = roundUp(sizeBytes)
    const index = this.#free.findIndex((extent) => extent.size >= size)
    const extent = this.#free[index]
    if (extent === undefined) return undefined
    const offset = extent.offset
    if (extent.size === size) {
      this.#free.splice(index, 1)
    } else {
      extent.offset += size
      extent.size -= size
    }
    this.#freeBytes -= size
    return this.#slot(offset, sizeBytes)
  }

  #slot(offset: number, sizeBytes: number): Slot {
    const bytes = new Uint8Array(this.#memory.buffer, offset, sizeBytes)
    let lent = true
    const release = (): void => {
      assert(lent, 'Buffer was released twice')
      lent = false
      this.#release(offset, roundUp(sizeBytes))
    }
    return { offset, bytes, release, [Symbol.dispose]: release }
  }

  #release(offset: number, size: number): void {
    for (const kept of this.#kept) {
      if (kept.offset < offset || kept.offset >= offset + size) continue
      void kept.until.then(() => this.#release(offset, size))
      return
    }
    this.#giveBack(offset, size)
    this.#giveUpReserve()
    this.#serveWaiters()
  }

  #giveBack(offset: number, size: number): void {
    const found = this.#free.findIndex((extent) => extent.offset > offset)
    const index = found < 0 ? this.#free.length : found
    const before = this.#free[index - 1]
    const after = this.#free[index]
    assert(before === undefined || before.offset + before.size <= offset)
    assert(after === undefined || offset + size <= after.offset)
    const joinsBefore = before !== undefined && before.offset + before.size === offset
    const joinsAfter = after !== undefined && offset + size === after.offset
    if (joinsBefore) {
      before.size += size + (joinsAfter ? after.size : 0)
      if (joinsAfter) this.#free.splice(index, 1)
    } else if (joinsAfter) {
      after.offset = offset
      after.size += size
    } else {
      this.#free.splice(index, 0, { offset, size })
    }
    this.#freeBytes += size
    assert(this.#freeBytes <= this.#capacity + this.#end - this.#reserveStart)
  }

  /** Once none of the reserve is lent, and less than half of the rest. */
  #giveUpReserve(): void {
    const last = this.#free.at(-1)
    const reserve = this.#end - this.#reserveStart
    if (last === undefined || reserve === 0 || last.offset > this.#reserveStart) return
    if (last.offset + last.size < this.#end) return
    if (this.#freeBytes - reserve < this.#capacity / 2) return
    this.#end = this.#reserveStart
    this.#freeBytes -= reserve
    last.size -= reserve
    if (last.size === 0) this.#free.pop()
  }

  #serveWaiters(): void {
    for (const waiter of this.#waiters) {
      const slot = this.#take(waiter.sizeBytes)
      if (slot === undefined) return
      this.#waiters.delete(waiter)
      waiter.grant(slot)
    }
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('Aborted')
}
