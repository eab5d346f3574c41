import { DriveError, type DriveResult } from '../drive.ts'
import { toDriveError } from './drive-paths.ts'
import type { FileSystem, FlushTarget } from './file-system.ts'

/**
 * Group commit. A change of the drive is a generator that makes its system calls and yields what must be flushed before
 * it may go on; it ends with its result. All changes of one moment wait for one common flush.
 *
 *   change A  ── write ──┐ flush ┌─ rename ──┐ flush ┌─ done
 *   change B  ── write ──┤   1   ├─ rename ──┤   2   ├─ done
 *   change C             └───────┴─ write ───┤       ├─ rename ── ...
 *
 * - Changes of the same key run one after the other; others interleave only where they yield.
 * - A directory entry made by one change may carry another's file: entries wait in `#directories` and belong to the next
 *   flush, whoever made them, so that nobody is answered before them.
 */
export type Change<T> = Generator<readonly FlushTarget[], T, void>

/** Changes that wait for a flush at a time; more wait to be begun. */
const CHANGES_IN_FLIGHT_MAX = 256

interface Waiting {
  readonly targets: readonly FlushTarget[]
  /** Goes on after the flush; with an error the change ends with it. */
  resume(error: Error | undefined): void
}

export class StepScheduler {
  readonly #fileSystem: FileSystem
  readonly #flushesDirectories: boolean
  #waiting: Waiting[] = []
  #directories = new Set<string>()
  #isFlushing = false
  #inFlight = 0
  readonly #notBegun: (() => void)[] = []
  readonly #tails = new Map<string, Promise<unknown>>()

  constructor(fileSystem: FileSystem, options: { readonly flushesDirectories: boolean }) {
    this.#fileSystem = fileSystem
    this.#flushesDirectories = options.flushesDirectories
  }

  /** Runs a change after all earlier ones of `key`. `action` says in an error what could not be done. */
  run<T>(key: string, action: string, make: () => Change<T>): Promise<DriveResult<T>> {
    const before = this.#tails.get(key)
    const begin = (): Promise<DriveResult<T>> => this.#begin(action, make)
    const result = before === undefined ? begin() : before.then(begin)
    this.#tails.set(key, result)
    void result.then(() => {
      if (this.#tails.get(key) === result) this.#tails.delete(key)
    })
    return result
  }

  /** A name was made in `directory`: it becomes durable with the next flush. */
  noteName(directory: string): void {
    this.#directories.add(directory)
  }

  async #begin<T>(action: string, make: () => Change<T>): Promise<DriveResult<T>> {
    if (this.#inFlight >= CHANGES_IN_FLIGHT_MAX) {
      await new Promise<void>((resolve) => this.#notBegun.push(resolve))
    }
    this.#inFlight++
    const result = await new Promise<DriveResult<T>>((resolve) => {
      try {
        this.#advance(make(), action, undefined, resolve)
      } catch (error) {
        resolve(toDriveError(error, action))
      }
    })
    this.#inFlight--
    this.#notBegun.shift()?.()
    return result
  }

  #advance<T>(
    change: Change<T>,
    action: string,
    failure: Error | undefined,
    resolve: (result: DriveResult<T>) => void,
  ): void {
    let step: IteratorResult<readonly FlushTarget[], T>
    try {
      step = failure === undefined ? change.next() : change.throw(failure)
    } catch (error) {
      resolve(toDriveError(error, action))
      return
    }
    if (step.done === true) {
      resolve(step.value)
      return
    }
    this.#waiting.push({
      targets: step.value,
      resume: (error) => this.#advance(change, action, error, resolve),
    })
    if (!this.#isFlushing) {
      this.#isFlushing = true
      // One turn of the event loop later, so that requests which arrived together share the flush.
      setImmediate(() => void this.#flushAll())
    }
  }

  async #flushAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      const names = this.#directories
      this.#waiting = []
      this.#directories = new Set()
      const { targets, owners } = this.#collect(waiting, names)
      const outcomes = targets.length === 0 ? [] : await this.#fileSystem.flush(targets)
      const failures: (Error | undefined)[] = waiting.map(() => undefined)
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome === undefined) continue
        for (const owner of owners[index] ?? []) failures[owner] ??= outcome
        // Later changes rely on these names too: nobody is answered before they are durable.
        const target = targets[index]
        if (target !== undefined && 'directory' in target) this.noteName(target.directory)
      }
      for (const [index, one] of waiting.entries()) one.resume(failures[index])
    }
    this.#isFlushing = false
  }

  /** Targets without repetitions, and which of the waiting changes each belongs to. */
  #collect(
    waiting: readonly Waiting[],
    names: ReadonlySet<string>,
  ): { readonly targets: FlushTarget[]; readonly owners: number[][] } {
    const targets: FlushTarget[] = []
    const owners: number[][] = []
    const byDirectory = new Map<string, number[]>()
    const everybody = waiting.map((_, index) => index)
    for (const [index, { targets: own }] of waiting.entries()) {
      for (const target of own) {
        if ('file' in target) {
          targets.push(target)
          owners.push([index])
          continue
        }
        const known = byDirectory.get(target.directory)
        if (known === undefined) byDirectory.set(target.directory, [index])
        else known.push(index)
      }
    }
    for (const directory of names) byDirectory.set(directory, everybody)
    if (this.#flushesDirectories) {
      for (const [directory, indexes] of byDirectory) {
        targets.push({ directory })
        owners.push(indexes)
      }
    }
    return { targets, owners }
  }
}

/** Ends a change: the error reaches the caller as the result. */
export function fail(code: DriveError['code'], message: string, newestNs?: bigint): never {
  throw new DriveError(code, message, newestNs === undefined ? {} : { newestNs })
}
