import { assert } from '#base/assert'
import { copyBytes } from '#base/bytes'
import { MD5_BLOCK_SIZE, MD5_INITIAL } from './kernels/md5.ts'
import { COPY_WINDOW_SIZE, MD5_LANE_WINDOW_SIZE, SHARED_LAYOUT } from './layout.ts'
import type { Md5Helper } from './md5-helper.ts'
import type { Workspace } from './workspace.ts'

/**
 * MD5 of concurrent streams, in the lanes of one SIMD kernel.
 *
 * An update that is worth it joins a queue; at the end of the current turn of the event loop the first twelve of the
 * queue are hashed together, as far as the shortest of them reaches. Nobody is waited for: a stream that stalls is not
 * in the queue, and one that comes alone is hashed alone. States belong to the streams and lanes exist for one pass
 * only, so nothing is held between turns.
 */

/** A running MD5. Calls follow one another: nothing may be called while an update is pending, except `abandon`. */
export interface Md5Stream {
  /** Absorbs `data`, from any memory. It must stay untouched until the promise resolves; without one it is consumed. */
  update(data: Uint8Array): Promise<void> | void
  /** The digest, 16 bytes owned by the caller. Ends the stream. */
  digest(): Promise<Uint8Array>
  /** Ends the stream without a digest; a pending update resolves. May be called at any time, also twice. */
  abandon(): void
}

/** Below this, an update is hashed at once: the queue would cost as much as it saves. */
const QUEUED_SIZE_MIN = 8192
/** Streams in the queue from which on the kernels of 8 and 12 lanes are faster than one after the other. */
const EIGHT_LANES_FROM = 3
const TWELVE_LANES_FROM = 9
/** Blocks of each lane in one pass and in one turn: a turn stays under two milliseconds. */
const PASS_BLOCKS_MAX = 2048
const TURN_BLOCKS_MAX = 4096
/** Size of the length that ends an MD5 message, with the one byte before it. */
const LENGTH_AND_MARK_SIZE = 9
const DIGEST_SIZE = 16

/** Whole blocks of one stream, waiting in the queue. */
interface Job {
  readonly state: Uint32Array
  readonly data: Uint8Array
  /** Position of the first byte not hashed. */
  position: number
  /** Blocks not hashed. */
  blocks: number
  isAbandoned: boolean
  readonly resolve: () => void
}

/** The lanes of one thread. */
export class Md5Lanes {
  readonly #workspace: Workspace
  readonly #helper: Md5Helper | undefined
  /** In order of arrival. */
  #queue: Job[] = []
  #isScheduled = false

  constructor(workspace: Workspace, helper?: Md5Helper) {
    this.#workspace = workspace
    this.#helper = helper
  }

  open(): Md5Stream {
    return new LaneStream(this)
  }

  /** Hashes whole blocks at once. */
  hashNow(state: Uint32Array, data: Uint8Array): void {
    const step = this.#workspace.addressOf(data) === undefined ? COPY_WINDOW_SIZE : data.length
    for (let offset = 0; offset < data.length; offset += step) {
      const piece = data.subarray(offset, offset + step)
      this.#hashScalar(state, this.#workspace.borrow(piece), piece.length / MD5_BLOCK_SIZE)
    }
  }

  /** Queues whole blocks. */
  enqueue(job: Job): void {
    assert(job.blocks > 0)
    if (this.#queue.length === 0 && this.#sendAway(job)) return
    this.#queue.push(job)
    this.#schedule()
  }

  /** Lets the helper have the only job, if it can. */
  #sendAway(job: Job): boolean {
    const address = this.#workspace.addressOf(job.data)
    if (address === undefined) return false
    const { state, blocks } = job
    const answer = this.#helper?.hash({ state, address: address + job.position, blocks })
    if (answer === undefined) return false
    void answer.then((after) => {
      if (job.isAbandoned) return
      if (after === undefined) {
        this.#queue.push(job)
        this.#schedule()
        return
      }
      state.set(after)
      advance(job, blocks)
      job.resolve()
    })
    return true
  }

  remove(job: Job): void {
    job.isAbandoned = true
    this.#queue = this.#queue.filter((queued) => queued !== job)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#runTurn())
  }

  /** Runs passes until some update is complete, so that its stream can bring more, or the turn is long enough. */
  #runTurn(): void {
    this.#isScheduled = false
    let blocksLeft = TURN_BLOCKS_MAX
    let isSomeComplete = false
    while (this.#queue.length > 0 && blocksLeft > 0 && !isSomeComplete) {
      const lanes = this.#queue.slice(0, laneCountFor(this.#queue.length))
      blocksLeft -= this.#pass(lanes)
      isSomeComplete = lanes.some((job) => job.blocks === 0)
    }
    if (isSomeComplete) this.#settle()
    if (this.#queue.length > 0) this.#schedule()
  }

  #settle(): void {
    const complete = this.#queue.filter((job) => job.blocks === 0)
    this.#queue = this.#queue.filter((job) => job.blocks > 0)
    for (const job of complete) job.resolve()
  }

  /** Hashes equally many blocks of all `jobs`; answers how many. */
  #pass(jobs: readonly Job[]): number {
    const { words, at, kernels } = this.#workspace
    const blocks = this.#passBlocks(jobs)
    if (jobs.length < EIGHT_LANES_FROM) {
      for (const [i, job] of jobs.entries()) {
        this.#hashScalar(job.state, this.#laneAddress(job, i, blocks), blocks)
        advance(job, blocks)
      }
      return blocks
    }
    const laneCount = jobs.length < TWELVE_LANES_FROM ? 8 : 12
    for (let lane = 0; lane < laneCount; lane++) {
      // A spare lane repeats the first one; nobody reads its result.
      const job = jobs[lane] ?? jobs[0]
      assert(job !== undefined)
      const isSpare = lane >= jobs.length
      words[at.md5LaneAddresses / 4 + lane] = isSpare
        ? (words[at.md5LaneAddresses / 4] ?? 0)
        : this.#laneAddress(job, lane, blocks)
      for (let row = 0; row < 4; row++) {
        words[at.md5LaneStates / 4 + row * laneCount + lane] = job.state[row] ?? 0
      }
    }
    const kernel = laneCount === 8 ? kernels.md5Lanes8 : kernels.md5Lanes12
    kernel(at.md5LaneStates, at.md5LaneAddresses, blocks, at.md5Message, SHARED_LAYOUT.md5Constants)
    for (const [lane, job] of jobs.entries()) {
      for (let row = 0; row < 4; row++) {
        job.state[row] = words[at.md5LaneStates / 4 + row * laneCount + lane] ?? 0
      }
      advance(job, blocks)
    }
    return blocks
  }

  #passBlocks(jobs: readonly Job[]): number {
    let blocks = PASS_BLOCKS_MAX
    for (const job of jobs) {
      blocks = Math.min(blocks, job.blocks)
      if (this.#workspace.addressOf(job.data) === undefined) {
        blocks = Math.min(blocks, MD5_LANE_WINDOW_SIZE / MD5_BLOCK_SIZE)
      }
    }
    return blocks
  }

  /** Where the next blocks of a job lie; copied to the window of its lane when they are outside the arena. */
  #laneAddress(job: Job, lane: number, blocks: number): number {
    const address = this.#workspace.addressOf(job.data)
    if (address !== undefined) return address + job.position
    const window = this.#workspace.at.md5LaneWindows + lane * MD5_LANE_WINDOW_SIZE
    const piece = job.data.subarray(job.position, job.position + blocks * MD5_BLOCK_SIZE)
    copyBytes(piece, this.#workspace.memory, window)
    return window
  }

  #hashScalar(state: Uint32Array, address: number, blocks: number): void {
    const { words, at, kernels } = this.#workspace
    words.set(state, at.md5State / 4)
    kernels.md5(at.md5State, address, blocks)
    for (let i = 0; i < 4; i++) state[i] = words[at.md5State / 4 + i] ?? 0
  }
}

function laneCountFor(queued: number): number {
  return Math.min(queued, queued < TWELVE_LANES_FROM ? 8 : 12)
}

function advance(job: Job, blocks: number): void {
  job.position += blocks * MD5_BLOCK_SIZE
  job.blocks -= blocks
}

class LaneStream implements Md5Stream {
  readonly #lanes: Md5Lanes
  readonly #state = Uint32Array.from(MD5_INITIAL)
  /** Bytes that do not fill a block yet. */
  readonly #rest = new Uint8Array(MD5_BLOCK_SIZE)
  #restSize = 0
  #totalSize = 0
  #job: Job | undefined
  #isEnded = false

  constructor(lanes: Md5Lanes) {
    this.#lanes = lanes
  }

  update(data: Uint8Array): Promise<void> | void {
    assert(!this.#isEnded && this.#job === undefined)
    this.#totalSize += data.length
    const start = this.#fillRest(data)
    const end = data.length - ((data.length - start) % MD5_BLOCK_SIZE)
    if (end < data.length) {
      this.#rest.set(data.subarray(end))
      this.#restSize = data.length - end
    }
    if (end - start < QUEUED_SIZE_MIN) {
      this.#lanes.hashNow(this.#state, data.subarray(start, end))
      return undefined
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#job = {
      state: this.#state,
      data,
      position: start,
      blocks: (end - start) / MD5_BLOCK_SIZE,
      isAbandoned: false,
      resolve: () => {
        this.#job = undefined
        resolve()
      },
    }
    this.#lanes.enqueue(this.#job)
    return promise
  }

  digest(): Promise<Uint8Array> {
    assert(!this.#isEnded && this.#job === undefined)
    this.#isEnded = true
    const last = new Uint8Array(this.#restSize + LENGTH_AND_MARK_SIZE > MD5_BLOCK_SIZE ? 128 : 64)
    last.set(this.#rest.subarray(0, this.#restSize))
    last[this.#restSize] = 0x80
    const view = new DataView(last.buffer)
    view.setBigUint64(last.length - 8, BigInt(this.#totalSize) * 8n, true)
    this.#lanes.hashNow(this.#state, last)
    const digest = new Uint8Array(DIGEST_SIZE)
    const out = new DataView(digest.buffer)
    for (const [i, word] of this.#state.entries()) out.setUint32(4 * i, word, true)
    return Promise.resolve(digest)
  }

  abandon(): void {
    this.#isEnded = true
    if (this.#job === undefined) return
    this.#lanes.remove(this.#job)
    this.#job.resolve()
  }

  /** Completes the block begun by earlier updates; answers how much of `data` that took. */
  #fillRest(data: Uint8Array): number {
    if (this.#restSize === 0) return 0
    const taken = Math.min(MD5_BLOCK_SIZE - this.#restSize, data.length)
    this.#rest.set(data.subarray(0, taken), this.#restSize)
    this.#restSize += taken
    if (this.#restSize === MD5_BLOCK_SIZE) {
      this.#lanes.hashNow(this.#state, this.#rest)
      this.#restSize = 0
    }
    return taken
  }
}
