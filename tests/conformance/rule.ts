/** The form of the table: one rule a row. */
import type { Trial } from './trial.ts'

export interface Rule {
  /** Section of s3-api.md. */
  readonly section: string
  /** What must hold; unique within the section. */
  readonly name: string
  readonly run: (trial: Trial) => Promise<unknown>
}

/** A row. `run` does something and throws when what comes is not what must come. */
export function rule(section: string, name: string, run: Rule['run']): Rule {
  return { section, name, run }
}

/** A rule's name in reports and in the table of differences. */
export function titleOf({ section, name }: Rule): string {
  return `${section} ${name}`
}

/** Many rows of one kind, from a table. */
export function rules<T>(
  section: string,
  table: readonly T[],
  row: (entry: T) => readonly [name: string, run: Rule['run']],
): readonly Rule[] {
  return table.map((entry) => rule(section, ...row(entry)))
}
