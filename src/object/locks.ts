import { assert } from '#base/assert'
import type { Clock } from '#base/clock'
import { utf8 } from '#base/bytes'
import { ObjectError } from './object.ts'

/**
 * Namespace locks of one node, shared by its threads without messages.
 *
 * A resource name hashes to one of `SLOT_COUNT` readers/writer locks in shared memory. One word each:
 *
 *   bit 31      a writer holds the lock
 *   bit 30      a writer waits: new readers stand back, so that readers cannot starve writers
 *   bits 0..29  count of readers
 *
 * Two names may share a slot: they then wait for each other, which costs time but no correctness, as long as nobody
 * holds two locks of one table in arbitrary order. Names of different kinds therefore use different tables
 * (`LockKind`), acquired in the order of that list, and at most one of a kind at a time.
 *
 * A wait does not keep its thread alive: something else (the listener) must.
 * A thread that dies with a lock would hold it for ever: a request thread that fails ends the process (see server).
 */
const SLOT_COUNT = 65_536
const WRITER = 0x8000_0000 | 0
const WRITER_WAITS = 0x4000_0000
const READERS_MASK = 0x3fff_ffff
/** A waiter looks again at least this often, since a wake-up may go to somebody whose deadline passed. */
const WAIT_STEP_MS = 1000

/** In the order in which one operation may acquire them. */
const LOCK_KINDS = ['bucket', 'upload', 'part', 'object'] as const
export type LockKind = (typeof LOCK_KINDS)[number]

/** A held lock. `release` is idempotent. */
export interface LockHandle extends Disposable {
  /** Whether a writer waits for readers to go. */
  isWanted(): boolean
  release(): void
}

export interface LockOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Memory for `NamespaceLocks`, made once for each process and given to every thread. */
export function createLockMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * SLOT_COUNT * LOCK_KINDS.length)
}

export class NamespaceLocks {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #clock: Clock

  constructor(shared: SharedArrayBuffer, clock: Clock) {
    assert(shared.byteLength === 4 * SLOT_COUNT * LOCK_KINDS.length)
    this.#words = new Int32Array(shared)
    this.#clock = clock
  }

  /** Waits for sole possession. Errors: `LockTimeout`, `Aborted`. */
  write(resource: string, options: LockOptions, kind: LockKind = 'object'): Promise<LockHandle> {
    const slot = slotOf(resource, kind)
    if (this.#tryWrite(slot)) return Promise.resolve(this.#writeHandle(slot))
    return this.#wait(slot, 'write', resource, options)
  }

  /** Waits until no writer holds the lock. Errors: `LockTimeout`, `Aborted`. */
  read(resource: string, options: LockOptions, kind: LockKind = 'object'): Promise<LockHandle> {
    const slot = slotOf(resource, kind)
    if (this.#tryRead(slot)) return Promise.resolve(this.#readHandle(slot))
    return this.#wait(slot, 'read', resource, options)
  }

  async #wait(
    slot: number,
    mode: 'read' | 'write',
    resource: string,
    options: LockOptions,
  ): Promise<LockHandle> {
    const deadlineMs = this.#clock.monotonicMs() + options.timeoutMs
    for (;;) {
      if (options.signal?.aborted) {
        if (mode === 'write') this.#withdrawWriter(slot)
        throw new ObjectError('Aborted', `Gave up waiting for the lock of "${resource}"`)
      }
      const seen = mode === 'write' ? this.#announceWriter(slot) : Atomics.load(this.#words, slot)
      if (mode === 'write' ? this.#tryWrite(slot) : this.#tryRead(slot)) {
        return mode === 'write' ? this.#writeHandle(slot) : this.#readHandle(slot)
      }
      const leftMs = deadlineMs - this.#clock.monotonicMs()
      if (leftMs <= 0) {
        if (mode === 'write') this.#withdrawWriter(slot)
        throw new ObjectError(
          'LockTimeout',
          `Cannot lock "${resource}" within ${options.timeoutMs} ms`,
        )
      }
      await this.#waitForChange(slot, seen, Math.min(leftMs, WAIT_STEP_MS), options.signal)
    }
  }

  async #waitForChange(
    slot: number,
    seen: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const waiting = Atomics.waitAsync(this.#words, slot, seen, timeoutMs)
    if (!waiting.async) return
    if (signal === undefined) {
      await waiting.value
      return
    }
    const aborted = Promise.withResolvers<void>()
    const abort = (): void => aborted.resolve()
    signal.addEventListener('abort', abort, { once: true })
    await Promise.race([waiting.value, aborted.promise])
    signal.removeEventListener('abort', abort)
  }

  #tryWrite(slot: number): boolean {
    for (;;) {
      const word = Atomics.load(this.#words, slot)
      if ((word & WRITER) !== 0 || (word & READERS_MASK) !== 0) return false
      // Taking the lock clears the mark of waiting writers; those that still wait set it again.
      if (Atomics.compareExchange(this.#words, slot, word, WRITER) === word) return true
    }
  }

  #tryRead(slot: number): boolean {
    for (;;) {
      const word = Atomics.load(this.#words, slot)
      if ((word & (WRITER | WRITER_WAITS)) !== 0) return false
      assert((word & READERS_MASK) < READERS_MASK)
      if (Atomics.compareExchange(this.#words, slot, word, word + 1) === word) return true
    }
  }

  /** Marks that a writer waits; answers the word to wait on. */
  #announceWriter(slot: number): number {
    return Atomics.or(this.#words, slot, WRITER_WAITS) | WRITER_WAITS
  }

  /** A writer gave up: readers need not stand back for it. Other waiting writers announce themselves again. */
  #withdrawWriter(slot: number): void {
    Atomics.and(this.#words, slot, ~WRITER_WAITS)
    Atomics.notify(this.#words, slot)
  }

  #writeHandle(slot: number): LockHandle {
    return this.#handle(slot, () => {
      const before = Atomics.and(this.#words, slot, ~WRITER)
      assert((before & WRITER) !== 0)
      Atomics.notify(this.#words, slot)
    })
  }

  #readHandle(slot: number): LockHandle {
    return this.#handle(slot, () => {
      const before = Atomics.sub(this.#words, slot, 1)
      assert((before & READERS_MASK) > 0)
      if ((before & READERS_MASK) === 1) Atomics.notify(this.#words, slot)
    })
  }

  #handle(slot: number, unlock: () => void): LockHandle {
    let held = true
    const isWanted = (): boolean => (Atomics.load(this.#words, slot) & WRITER_WAITS) !== 0
    const release = (): void => {
      if (!held) return
      held = false
      unlock()
    }
    return { isWanted, release, [Symbol.dispose]: release }
  }
}

/** FNV-1a: short names, any spread over 65,536 slots will do. */
function slotOf(resource: string, kind: LockKind): number {
  let hash = 0x811c9dc5
  for (const byte of utf8(resource)) hash = Math.imul(hash ^ byte, 0x01000193)
  return LOCK_KINDS.indexOf(kind) * SLOT_COUNT + ((hash ^ (hash >>> 16)) & (SLOT_COUNT - 1))
}
