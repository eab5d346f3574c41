import type { Admission } from '#s3/front-door'

/** Counts the requests of all threads in one word of shared memory. */
export class SharedAdmission implements Admission {
  readonly #running: Int32Array
  readonly #requestsMax: number

  /** `requestsMax` 0: no limit. */
  constructor(memory: SharedArrayBuffer, requestsMax: number) {
    this.#running = new Int32Array(memory)
    this.#requestsMax = requestsMax
  }

  tryEnter(): boolean {
    const before = Atomics.add(this.#running, 0, 1)
    if (this.#requestsMax === 0 || before < this.#requestsMax) return true
    this.leave()
    return false
  }

  leave(): void {
    Atomics.sub(this.#running, 0, 1)
  }
}
