import { SelectError } from '../select-error.ts'

/** Steps of string work for one record: about a tenth of a second. */
const STEPS_MAX = 64 * 1024 * 1024

/** Counts the work whose cost grows with texts, so that no record holds a thread for long. */
export class WorkMeter {
  #steps = 0

  /** Steps spent on this record so far. */
  get steps(): number {
    return this.#steps
  }

  /** Before each record. */
  reset(): void {
    this.#steps = 0
  }

  /** Errors: `UnsupportedSqlOperation` when the record costs too much. */
  spend(steps: number): void {
    this.#steps += steps
    if (this.#steps > STEPS_MAX) {
      throw new SelectError(
        'UnsupportedSqlOperation',
        'Evaluating the SQL expression for one record takes too long.',
      )
    }
  }
}
