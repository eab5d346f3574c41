import { assert } from '#base/assert'
import type { Clock, Timer } from '#base/clock'
import { DriveError, type Drive, type DriveReply, type DriveResult } from '#drive/drive'
import { NOT_ASKED, OFFLINE, type SetDrives } from './fan-out.ts'

/**
 * Calls to the drives of a set by writers, which go on at quorum: a straggler holds them up for a short grace only
 * (distributed.md D9.8).
 *
 *   calls ──> quorum ──> grace ──> answer of the operation      stragglers ──> `late`
 *
 * Below quorum everybody is waited for, since every answer may decide.
 *
 * What becomes of a straggler's call: one that has not begun is taken back and never happens. One that has begun is
 * finished before any later call about the same key begins on that drive, whichever thread sends it. So a late outcome
 * is older than everything that came after the answer, as if the drive had answered in time and nobody had listened.
 *
 * A drive that owes answers is waited for less, and while it owes many it is not called at all: neither time nor memory
 * is spent on a drive that hangs until its deadline takes it offline.
 */

/** How long stragglers are waited for after the quorum. */
export const GRACE_MS = 1000
/** The same when all of them owe earlier answers too. */
const LAGGARD_GRACE_MS = 100
/** A drive that owes so many answers is left out: each call may carry shards. */
const LATE_CALLS_MAX = 16

export interface AskOptions<T> {
  /** Answers that make waiting for the others needless. */
  readonly quorum: number
  /** Positions to call; default: all. */
  readonly select?: ((position: number) => boolean) | undefined
  /** Which answers count towards the quorum; default: those that are no errors. */
  readonly counts?: ((outcome: DriveResult<T>) => boolean) | undefined
  readonly graceMs?: number | undefined
  /** Calls that may happen at any later time, like the removal of what has a name of its own: they are not taken back. */
  readonly isTimeless?: boolean | undefined
}

export interface Answers<T> {
  /** By position; `NOT_IN_TIME` for stragglers, `DriveNotFound` for drives that are offline or were not selected. */
  readonly outcomes: readonly DriveResult<T>[]
  /** Undefined: there was no straggler. */
  readonly late: Late<T> | undefined
}

export interface Late<T> {
  readonly positions: readonly number[]
  /** Some call has begun: the drive may still read the memory that it was given. */
  readonly mayRun: boolean
  /** As in `Answers`, when the last straggler has answered or was given up by its client. */
  readonly outcomes: Promise<readonly DriveResult<T>[]>
}

/** Stands for a drive that was not waited for; what it does in the end is not known. */
export const NOT_IN_TIME = new DriveError('DriveTimeout', 'Drive did not answer in time')

/** Belongs to one set in one thread. */
export class Patience {
  readonly #clock: Clock
  readonly #drives: SetDrives
  /** By position: answers owed by stragglers. */
  readonly #owed: number[]
  #lentBytes = 0

  constructor(clock: Clock, drives: SetDrives) {
    this.#clock = clock
    this.#drives = drives
    this.#owed = drives.map(() => 0)
  }

  /** Calls the drives; resolves when all have answered, or a grace after the quorum was reached. */
  ask<T>(
    options: AskOptions<T>,
    call: (drive: Drive, position: number) => DriveReply<T>,
  ): Promise<Answers<T>> {
    return new Asking(this.#clock, this.#drives, this.#owed, options).run(call)
  }

  /** Whether a drive owes answers. */
  isLaggard(position: number): boolean {
    return (this.#owed[position] ?? 0) > 0
  }

  /** Bytes of memory left to stragglers' calls that have begun. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /** Counts memory as lent until the stragglers are through, then calls `free`. */
  lend(late: Late<unknown>, sizeBytes: number, free: () => void): void {
    this.#lentBytes += sizeBytes
    void late.outcomes.then(() => {
      this.#lentBytes -= sizeBytes
      assert(this.#lentBytes >= 0)
      free()
    })
  }
}

class Asking<T> {
  readonly #clock: Clock
  readonly #drives: SetDrives
  readonly #owed: number[]
  readonly #options: AskOptions<T>
  readonly #outcomes: DriveResult<T>[] = []
  /** By position; undefined: answered, or not called. */
  readonly #replies: (DriveReply<T> | undefined)[] = []
  readonly #answered = Promise.withResolvers<Answers<T>>()
  #late: PromiseWithResolvers<readonly DriveResult<T>[]> | undefined
  #agreeing = 0
  #pending = 0
  #timer: Timer | undefined

  constructor(clock: Clock, drives: SetDrives, owed: number[], options: AskOptions<T>) {
    this.#clock = clock
    this.#drives = drives
    this.#owed = owed
    this.#options = options
  }

  run(call: (drive: Drive, position: number) => DriveReply<T>): Promise<Answers<T>> {
    const { select } = this.#options
    for (let position = 0; position < this.#drives.length; position++) {
      const drive = this.#drives[position]
      this.#replies.push(undefined)
      if (select?.(position) === false) this.#outcomes.push(NOT_ASKED)
      else if (drive?.isOnline() !== true) this.#outcomes.push(OFFLINE)
      else if ((this.#owed[position] ?? 0) >= LATE_CALLS_MAX) this.#outcomes.push(NOT_IN_TIME)
      else {
        const reply = call(drive, position)
        this.#outcomes.push(NOT_IN_TIME)
        this.#replies[position] = reply
        this.#pending++
        reply.then(
          (outcome) => this.#receive(position, outcome),
          // Only a bug rejects.
          (error: unknown) => this.#answered.reject(error),
        )
      }
    }
    this.#weigh()
    return this.#answered.promise
  }

  #receive(position: number, outcome: DriveResult<T>): void {
    const counts = this.#options.counts?.(outcome) ?? !(outcome instanceof DriveError)
    this.#pending--
    if (counts) this.#agreeing++
    if (this.#late !== undefined) this.#owed[position] = (this.#owed[position] ?? 0) - 1
    this.#outcomes[position] = outcome
    this.#replies[position] = undefined
    if (this.#late === undefined) this.#weigh()
    else if (this.#pending === 0) this.#late.resolve(this.#outcomes)
  }

  #weigh(): void {
    const { quorum } = this.#options
    if (this.#pending === 0) {
      this.#timer?.cancel()
      this.#answered.resolve({ outcomes: this.#outcomes, late: undefined })
      return
    }
    if (this.#agreeing < quorum || this.#timer !== undefined) return
    this.#timer = this.#clock.setTimer(this.#graceMs(), () => this.#goOn())
  }

  #graceMs(): number {
    const graceMs = this.#options.graceMs ?? GRACE_MS
    for (let position = 0; position < this.#replies.length; position++) {
      if (this.#replies[position] !== undefined && this.#owed[position] === 0) return graceMs
    }
    return Math.min(graceMs, LAGGARD_GRACE_MS)
  }

  /** Answers without the stragglers. */
  #goOn(): void {
    const positions: number[] = []
    let mayRun = false
    for (let position = 0; position < this.#replies.length; position++) {
      const reply = this.#replies[position]
      if (reply === undefined) continue
      positions.push(position)
      this.#owed[position] = (this.#owed[position] ?? 0) + 1
      const isTakenBack =
        this.#options.isTimeless !== true && this.#drives[position]?.withdraw?.(reply) === true
      if (!isTakenBack) mayRun = true
    }
    assert(positions.length === this.#pending)
    this.#late = Promise.withResolvers()
    const late = { positions, mayRun, outcomes: this.#late.promise }
    this.#answered.resolve({ outcomes: this.#outcomes.slice(), late })
  }
}
