import { DriveError, type Drive, type DriveReply } from '#drive/drive'
import { METHODS_CHANGING } from '#drive/drive-messages'

/** Calls that wait for flushes, looked up by any property name. */
const CHANGES: ReadonlySet<unknown> = METHODS_CHANGING
const TIMEOUT = new DriveError('DriveTimeout', 'Given up by the test')

interface Queued {
  readonly run: () => Promise<unknown>
  readonly resolve: (outcome: unknown) => void
  readonly reply: Promise<unknown>
  readonly hasBegun: boolean
  isWithdrawn: boolean
}

/**
 * A drive that a test can hang, as a drive behind a thread does: with its thread stuck in a system call no call begins;
 * with its flushes stuck changes begin, in order, and reads are answered.
 */
export class StuckDrive {
  /** For the engine. */
  readonly drive: Drive
  readonly #inner: Drive
  #queue: Queued[] = []
  #mode: 'none' | 'thread' | 'flush' = 'none'
  #isOnline = true

  constructor(inner: Drive) {
    this.#inner = inner
    this.drive = new Proxy(inner, { get: (_, name) => this.#get(name) })
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#queue.length
  }

  hang(mode: 'thread' | 'flush'): void {
    this.#mode = mode
  }

  /** The deadline passed: all who wait are answered, and the drive is offline until `release`. */
  giveUp(): void {
    this.#isOnline = false
    for (const queued of this.#queue) {
      if (!queued.hasBegun) queued.isWithdrawn = true
      queued.resolve(TIMEOUT)
    }
  }

  /** Goes on: what has begun first, then the rest as if from as many threads, the last call first. */
  async release(): Promise<void> {
    this.#mode = 'none'
    this.#isOnline = true
    const queue = this.#queue
    this.#queue = []
    const begun = queue.filter(({ hasBegun }) => hasBegun)
    for (const queued of [...begun, ...queue.filter(({ hasBegun }) => !hasBegun).reverse()]) {
      queued.resolve(queued.isWithdrawn ? TIMEOUT : await queued.run())
    }
  }

  #get(name: string | symbol): unknown {
    if (name === 'isOnline') return () => this.#isOnline && this.#inner.isOnline()
    if (name === 'withdraw') return (reply: DriveReply<unknown>) => this.#withdraw(reply)
    const value: unknown = Reflect.get(this.#inner, name)
    if (typeof value !== 'function' || typeof name !== 'string') return value
    return (...values: readonly unknown[]): unknown => {
      const run = async (): Promise<unknown> => {
        const outcome: unknown = await Reflect.apply(value, this.#inner, values)
        return outcome
      }
      if (this.#mode === 'none') return run()
      if (this.#mode === 'flush' && !CHANGES.has(name)) return run()
      const { promise, resolve } = Promise.withResolvers<unknown>()
      const hasBegun = this.#mode === 'flush'
      this.#queue.push({ run, resolve, reply: promise, hasBegun, isWithdrawn: false })
      return promise
    }
  }

  #withdraw(reply: DriveReply<unknown>): boolean {
    const queued = this.#queue.find((one) => one.reply === reply)
    if (queued === undefined || queued.hasBegun) return false
    queued.isWithdrawn = true
    return true
  }
}
