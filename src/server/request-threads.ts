import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Clock } from '#base/clock'
import { threadEntry } from '#base/thread-entry'
import type { DriveConnection } from '#drive/drive-messages'
import type {
  EngineSeed,
  RequestThreadNews,
  RequestThreadOrder,
  RequestThreadSeed,
  StartState,
} from './thread-seed.ts'

/**
 * What a request leaves behind is collected each time this is full, and with it the buffers of inline objects and of
 * messages to drives, which lie outside of it and weigh far more.
 */
const YOUNG_MB = 12

interface Thread {
  readonly worker: Worker
  /** Who waits for the next news of a kind. */
  readonly waiting: Map<RequestThreadNews['kind'], (news: RequestThreadNews) => void>
}

/** The request threads, seen from the main thread. */
export class RequestThreads {
  readonly #seed: EngineSeed
  readonly #onFailure: (reason: unknown) => void
  readonly #threads: Thread[] = []
  /** Main thread's ends of the repair ports. */
  readonly repairPorts: readonly MessagePort[]
  readonly #repairChannels: readonly MessageChannel[]

  constructor(seed: EngineSeed, onFailure: (reason: unknown) => void) {
    this.#seed = seed
    this.#onFailure = onFailure
    const count = seed.settings.requestThreads
    this.#repairChannels = Array.from({ length: count }, () => new MessageChannel())
    this.repairPorts = this.#repairChannels.map(({ port1 }) => port1)
  }

  /** Starts the threads; resolves when all have loaded. */
  async start(): Promise<void> {
    const loaded = this.#repairChannels.map(({ port2 }, index) => {
      const seed: RequestThreadSeed = {
        ...this.#seed,
        kind: 'request-thread',
        region: 1 + index,
        repairPort: port2,
      }
      const worker = new Worker(threadEntry(import.meta.url, 'request-thread'), {
        workerData: seed,
        transferList: [port2],
        name: `request ${index}`,
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      })
      const thread: Thread = { worker, waiting: new Map() }
      worker.on('message', (news: RequestThreadNews) => {
        const take = thread.waiting.get(news.kind)
        thread.waiting.delete(news.kind)
        take?.(news)
      })
      worker.on('error', this.#onFailure)
      worker.on('exit', (code) => this.#onFailure(new Error(`Request thread ended with ${code}`)))
      this.#threads.push(thread)
      return next(thread, ['loaded'])
    })
    await Promise.all(loaded)
  }

  /** One connection for each thread, in their order. */
  connect(index: number, connections: readonly DriveConnection[]): void {
    for (const [i, connection] of connections.entries()) {
      const thread = this.#threads[i]
      if (thread !== undefined)
        order(thread, { kind: 'drive', index, connection }, [connection.port])
    }
  }

  /** The port, or why it cannot be had. With port 0 the first thread chooses. */
  async listen(port: number, state: StartState): Promise<number | string> {
    let chosen = port
    for (const thread of this.#threads) {
      const answer = next(thread, ['listening', 'refused'])
      order(thread, { kind: 'listen', port: chosen, state })
      const news = await answer
      if (news.kind === 'refused') return news.message
      if (news.kind === 'listening') chosen = news.port
    }
    return chosen
  }

  /** The start is over: each gives back the memory that only the start needed. */
  settle(): void {
    for (const thread of this.#threads) order(thread, { kind: 'settle' })
  }

  /** Lets requests in flight end, at most `limitMs`. */
  async stop(limitMs: number, clock: Clock): Promise<void> {
    const patience = new AbortController()
    const stopped = this.#threads.map((thread) => {
      const answer = next(thread, ['stopped'])
      order(thread, { kind: 'stop' })
      return answer
    })
    await Promise.race([Promise.all(stopped), clock.sleep(limitMs, patience.signal)])
    patience.abort()
  }
}

function order(thread: Thread, message: RequestThreadOrder, transfer: MessagePort[] = []): void {
  thread.worker.postMessage(message, transfer)
}

function next(
  thread: Thread,
  kinds: readonly RequestThreadNews['kind'][],
): Promise<RequestThreadNews> {
  return new Promise((resolve) => {
    const take = (news: RequestThreadNews): void => {
      for (const kind of kinds) thread.waiting.delete(kind)
      resolve(news)
    }
    for (const kind of kinds) thread.waiting.set(kind, take)
  })
}
