import type { Clock } from '#base/clock'
import type { Drive, DriveError, DriveReply, DriveResult } from '#drive/drive'
import { OFFLINE, type SetDrives } from './fan-out.ts'

/**
 * Answers of drives as they arrive, for readers that need not wait for all of them (distributed.md D4.14).
 * Used by one caller, which waits for one thing at a time.
 */
export class Gather<T> {
  readonly #clock: Clock
  readonly #drives: SetDrives
  readonly #call: (drive: Drive, position: number) => DriveReply<T>
  /** By position. */
  readonly #outcomes: (DriveResult<T> | typeof NONE)[]
  readonly #isAsked: boolean[]
  readonly #isPending: boolean[]
  #pending = 0
  #wake: (() => void) | undefined

  constructor(
    clock: Clock,
    drives: SetDrives,
    call: (drive: Drive, position: number) => DriveReply<T>,
  ) {
    this.#clock = clock
    this.#drives = drives
    this.#call = call
    this.#outcomes = drives.map(() => NONE)
    this.#isAsked = drives.map(() => false)
    this.#isPending = drives.map(() => false)
  }

  isPending(position: number): boolean {
    return this.#isPending[position] === true
  }

  /** By position; `instead` stands for drives that were not asked, or have not answered. */
  outcomes(instead: DriveError): DriveResult<T>[] {
    return this.#outcomes.map((outcome) => (outcome === NONE ? instead : outcome))
  }

  /** Asks the drives that `select` accepts and that were not asked before. */
  ask(select: (position: number) => boolean): void {
    for (let position = 0; position < this.#drives.length; position++) {
      if (this.#isAsked[position] === true || !select(position)) continue
      this.#isAsked[position] = true
      const drive = this.#drives[position]
      if (drive?.isOnline() !== true) {
        this.#outcomes[position] = OFFLINE
        continue
      }
      this.#pending++
      this.#isPending[position] = true
      void this.#receive(position, this.#call(drive, position))
    }
  }

  /** Resolves to true when every drive asked has answered, to false after `limitMs`. */
  async wait(limitMs?: number): Promise<boolean> {
    if (this.#pending === 0) return true
    const woken = Promise.withResolvers<void>()
    this.#wake = woken.resolve
    const timer = limitMs === undefined ? undefined : this.#clock.setTimer(limitMs, woken.resolve)
    await woken.promise
    timer?.cancel()
    this.#wake = undefined
    return this.#pending === 0
  }

  async #receive(position: number, reply: DriveReply<T>): Promise<void> {
    this.#outcomes[position] = await reply
    this.#isPending[position] = false
    if (--this.#pending === 0) this.#wake?.()
  }
}

/** No answer yet; calls without a value answer undefined. */
const NONE: unique symbol = Symbol('none')
