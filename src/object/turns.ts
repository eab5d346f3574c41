import { assert } from '#base/assert'

/** Lets a bounded number of operations run at a time; the others wait, first come, first served. */
export class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    assert(Number.isSafeInteger(count) && count > 0)
    this.#free = count
  }

  /** Resolves when it is the caller's turn, which lasts until the answer is disposed of. Errors: the signal's reason. */
  async take(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#wait(signal)
    let isHeld = true
    return {
      [Symbol.dispose]: () => {
        assert(isHeld)
        isHeld = false
        this.#pass()
      },
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = (): void => {
      this.#waiting.delete(go)
      reject(signal?.reason instanceof Error ? signal.reason : new Error('Aborted'))
    }
    const go = (): void => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    this.#waiting.add(go)
    signal?.addEventListener('abort', abort, { once: true })
    return promise
  }

  #pass(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
