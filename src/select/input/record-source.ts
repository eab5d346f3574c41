import type { Evaluate } from '../sql/compile.ts'
import type { Value } from '../sql/values.ts'
import type { ColumnPath } from './query-paths.ts'

/**
 * Records of an input, one at a time.
 *
 * `next` is called until it says false, then `fill`; the end is there when `fill` says false and `next` still does.
 */
export interface RecordSource {
  /** Reads what must be known before the first record: headers, schemas. */
  open(): Promise<void>
  /** Moves to the next record that is in memory. */
  next(): boolean
  /** Reads more into memory. False: there is no more. */
  fill(): Promise<boolean>
  /** What a path means; of the current record whenever it is called. */
  bind(path: ColumnPath): Evaluate
  /** Hands over all columns of the current record in order; a field beyond the header of CSV has no name. */
  columns(use: (name: string | undefined, value: Value) => void): void
  close(): void
}
