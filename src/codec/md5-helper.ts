import { Worker } from 'node:worker_threads'
import type { Clock } from '#base/clock'
import { threadEntry } from '#base/thread-entry'
import type { CodecSeed } from './arena.ts'

/** What the helper's thread is started with. */
export interface Md5HelperData {
  readonly kind: 'md5-helper'
  readonly seed: CodecSeed
  /** Of the thread that is helped. */
  readonly region: number
}

/** To the helper's thread: whole blocks in the shared memory. It answers the state after them, and nothing once it has started. */
export interface Md5Work {
  readonly state: Uint32Array
  readonly address: number
  readonly blocks: number
}

export interface Md5HelperOptions {
  readonly seed: CodecSeed
  readonly region: number
  readonly clock: Clock
  /** Whether processors have nothing else to do. */
  readonly isIdle: () => boolean
  readonly onFailure: (error: unknown) => void
  /** Program of the thread; default: `md5-helper-host.ts`. */
  readonly entry?: URL
}

/** Less is hashed before the helper wakes up. */
const BLOCKS_MIN = 4096
/** After this long the caller hashes it itself: the helper's thread has no processor. */
const PATIENCE_MS = 50
/** The helper needs the kernels only; below 2048 MB of old objects V8 does not map its code once more for the thread. */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 1024 }

/**
 * Hashes a lone stream in a thread of its own. MD5 of one stream is the slowest step of a large upload, and cannot be
 * divided: so it runs beside the others while processors are idle. The thread starts when it is first of use.
 *
 * It only ever helps: it has no answer while a call is under way, after a failure and when it takes too long, and then
 * the caller hashes the same blocks itself.
 */
export class Md5Helper {
  readonly #options: Md5HelperOptions
  #worker: Worker | undefined
  #state: 'unused' | 'starting' | 'ready' | 'ended' = 'unused'
  /** Gets the answer of the call under way. */
  #take: ((state: Uint32Array | undefined) => void) | undefined

  constructor(options: Md5HelperOptions) {
    this.#options = options
  }

  /** The state after these blocks; undefined, also later: the caller hashes them. They must stay untouched until then. */
  hash(work: Md5Work): Promise<Uint32Array | undefined> | undefined {
    if (work.blocks < BLOCKS_MIN || !this.#options.isIdle()) return undefined
    if (this.#state === 'unused') this.#start()
    if (this.#state !== 'ready' || this.#take !== undefined) return undefined
    const { promise, resolve } = Promise.withResolvers<Uint32Array | undefined>()
    const timer = this.#options.clock.setTimer(PATIENCE_MS, () => resolve(undefined))
    this.#take = (state) => {
      timer.cancel()
      resolve(state)
    }
    this.#worker?.postMessage(work)
    return promise
  }

  /** Ends the thread, without waiting for it. */
  close(): void {
    this.#end()
    void this.#worker?.terminate()
  }

  #start(): void {
    this.#state = 'starting'
    const { seed, region, onFailure, entry } = this.#options
    const fail = (error: unknown): void => {
      onFailure(error)
      this.#end()
    }
    try {
      const workerData: Md5HelperData = { kind: 'md5-helper', seed, region }
      const worker = new Worker(entry ?? threadEntry(import.meta.url, 'md5-helper-host'), {
        workerData,
        name: 'md5 helper',
        resourceLimits: HEAP_LIMITS,
      })
      worker.unref()
      worker.on('message', (state: Uint32Array | undefined) => this.#hear(state))
      worker.on('error', fail)
      worker.on('exit', () => this.#end())
      this.#worker = worker
    } catch (error) {
      fail(error) // the system gives no more threads
    }
  }

  #hear(state: Uint32Array | undefined): void {
    if (this.#state === 'starting') this.#state = 'ready'
    const take = this.#take
    this.#take = undefined
    take?.(state)
  }

  #end(): void {
    this.#state = 'ended'
    this.#take?.(undefined)
    this.#take = undefined
  }
}
