import { COPY_WINDOW_SIZE, SHARED_LAYOUT, WORKSPACE_LAYOUT } from './layout.ts'
import { instantiateKernels, type Kernels } from './kernels/kernels.ts'
import type { CodecSeed } from './arena.ts'
import { assert } from '#base/assert'
import { copyBytes } from '#base/bytes'

/** What the parts of one thread's codec share: the kernels, the memory, and where to put things. */
export class Workspace {
  readonly kernels: Kernels
  /** The whole shared memory. */
  readonly memory: Uint8Array<SharedArrayBuffer>
  readonly words: Uint32Array<SharedArrayBuffer>
  readonly #buffer: SharedArrayBuffer
  /** Absolute addresses of this thread's workspace. */
  readonly at: Readonly<Record<keyof typeof WORKSPACE_LAYOUT, number>>
  /** Address of the bitrot key. */
  readonly highwayKey = SHARED_LAYOUT.highwayKey

  constructor(seed: CodecSeed, regionIndex: number) {
    const region = seed.regions[regionIndex]
    assert(region !== undefined)
    this.kernels = instantiateKernels(seed.module, seed.memory)
    this.#buffer = seed.memory.buffer
    this.memory = new Uint8Array(this.#buffer)
    this.words = new Uint32Array(this.#buffer)
    this.at = {
      ...WORKSPACE_LAYOUT,
      ...Object.fromEntries(
        Object.entries(WORKSPACE_LAYOUT).map(([name, offset]) => [name, region.offset + offset]),
      ),
    }
  }

  /** Address of `data` when it lies in the shared memory. */
  addressOf(data: Uint8Array): number | undefined {
    return data.buffer === this.#buffer ? data.byteOffset : undefined
  }

  /** Address of `data` for a kernel: where it lies, or a copy in the window. At most `COPY_WINDOW_SIZE` bytes when it
   *  is elsewhere. The copy is good until the next one. */
  borrow(data: Uint8Array): number {
    if (data.buffer === this.#buffer) return data.byteOffset
    assert(data.length <= COPY_WINDOW_SIZE)
    copyBytes(data, this.memory, this.at.copyWindow)
    return this.at.copyWindow
  }
}
