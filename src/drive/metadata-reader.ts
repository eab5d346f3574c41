import { Worker } from 'node:worker_threads'
import type { Clock } from '#base/clock'
import { threadEntry } from '#base/thread-entry'
import type { Log } from '#observe/log'
import { DriveError, type DriveResult } from './drive.ts'
import { unpack, type WireBatch } from './drive-messages.ts'

/** A drive of this machine. */
export interface ReadDrive {
  /** Absolute path without a trailing slash. */
  readonly root: string
  readonly mayHoldV1: boolean
}

/** As for `Drive.readMetadata`. */
export interface MetadataRead {
  readonly volume: string
  readonly path: string
  readonly inline: boolean
}

/** What the reader's thread is started with. */
export interface ReaderData {
  readonly kind: 'metadata-reader'
  /** By index. */
  readonly drives: readonly ReadDrive[]
}

/** To the reader's thread: indexes of the drives to read from, in order. */
export type ReaderCall = MetadataRead & { readonly drives: readonly number[] }

/** From it: one item, and nothing in it once the thread has started. */
export interface ReaderReply {
  /** Time for all drives together. */
  readonly elapsedMs: number
  /** Packed: for each drive bytes or a `DriveError`. */
  readonly results: unknown
}

export interface MetadataReaderOptions {
  /** By index. */
  readonly drives: readonly ReadDrive[]
  readonly clock: Clock
  readonly log: Log
  /** Whether no request is served but the one that reads. */
  readonly isAlone: () => boolean
  /** Program of the thread; default: `metadata-reader-host.ts`. */
  readonly entry?: URL
}

/** So many reads in a row without another request mean that there is one client, not a gap among many. */
const ALONE_READS_MIN = 8
/** After this long the caller asks the drives themselves. */
const PATIENCE_MS = 100
/** The average call takes longer than this where the files are not in memory: drives are then read at the same time. */
const SLOW_MS = 1
const PAUSE_MS = 1000
/** Weight of the last call in the average. */
const AVERAGE_SHARE = 1 / 8

/** A page of metadata of few drives; below 2048 MB of old objects V8 does not map its code once more for the thread. */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 1024 }

/**
 * Reads the metadata of a key from several drives of this machine in one thread: one is woken instead of one for each
 * drive, and one answers, which is most of what a small read costs when there is one client
 * (docs/decisions/0005-drive-thread-messages.md).
 *
 * It only ever helps: under load, while a call is under way, after a failure, and where reading takes long, it has no
 * answer, and the caller asks the drives' own threads, which also judge the drives' health. One that hangs holds up one
 * call, and the reader is not used until it has come back.
 */
export class MetadataReader {
  readonly #options: MetadataReaderOptions
  #worker: Worker | undefined
  #state: 'unused' | 'starting' | 'ready' | 'ended' = 'unused'
  /** Gets the answer of the call under way. */
  #take: ((results: readonly DriveResult<Uint8Array>[] | undefined) => void) | undefined
  #aloneReads = 0
  #averageMs = 0
  #pausedUntilMs = 0

  constructor(options: MetadataReaderOptions) {
    this.#options = options
  }

  /** For each drive its bytes, `FileNotFound` or `VolumeNotFound`; undefined: ask the drives. The thread starts when it is first of use. */
  async read(
    drives: readonly number[],
    { volume, path, inline }: MetadataRead,
  ): Promise<readonly DriveResult<Uint8Array>[] | undefined> {
    const { clock, isAlone } = this.#options
    this.#aloneReads = isAlone() ? this.#aloneReads + 1 : 0
    if (this.#aloneReads < ALONE_READS_MIN) return undefined
    if (this.#state === 'unused') this.#start()
    if (this.#state !== 'ready' || this.#take !== undefined) return undefined
    if (clock.monotonicMs() < this.#pausedUntilMs) return undefined
    const { promise, resolve } = Promise.withResolvers<
      readonly DriveResult<Uint8Array>[] | undefined
    >()
    this.#take = resolve
    const call: ReaderCall = { drives, volume, path, inline }
    this.#worker?.postMessage(call)
    const timer = clock.setTimer(PATIENCE_MS, () => resolve(undefined))
    const results = await promise
    timer.cancel()
    return results?.every(isAnswer) === true ? results : undefined
  }

  /** Ends the thread, without waiting for it. */
  close(): void {
    this.#end()
    void this.#worker?.terminate()
  }

  #start(): void {
    this.#state = 'starting'
    const { drives, entry, log } = this.#options
    const workerData: ReaderData = { kind: 'metadata-reader', drives }
    const fail = (error: unknown): void => {
      log.error('The thread that reads metadata failed; the threads of the drives read it', {
        error,
      })
      this.#end()
    }
    try {
      const worker = new Worker(entry ?? threadEntry(import.meta.url, 'metadata-reader-host'), {
        workerData,
        name: 'metadata reader',
        resourceLimits: HEAP_LIMITS,
      })
      worker.unref()
      worker.on('message', (batch: WireBatch<ReaderReply>) => this.#hear(batch))
      worker.on('error', fail)
      worker.on('exit', () => this.#end())
      this.#worker = worker
    } catch (error) {
      fail(error) // the system gives no more threads
    }
  }

  #hear({ items, bytes }: WireBatch<ReaderReply>): void {
    if (this.#state === 'starting') this.#state = 'ready'
    const reply = items[0]
    if (reply === undefined) return
    this.#averageMs += AVERAGE_SHARE * (reply.elapsedMs - this.#averageMs)
    if (this.#averageMs > SLOW_MS) {
      this.#averageMs = 0
      this.#pausedUntilMs = this.#options.clock.monotonicMs() + PAUSE_MS
    }
    const take = this.#take
    this.#take = undefined
    // The border to untyped messages: the host packs just this.
    take?.(unpack(reply.results, bytes) as readonly DriveResult<Uint8Array>[])
  }

  #end(): void {
    this.#state = 'ended'
    this.#take?.(undefined)
    this.#take = undefined
  }
}

/** All else is for the drive's own thread to find and to judge. */
function isAnswer(result: DriveResult<Uint8Array>): boolean {
  if (!(result instanceof DriveError)) return true
  return result.code === 'FileNotFound' || result.code === 'VolumeNotFound'
}
