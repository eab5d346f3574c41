/** Rules of the suite that a real MinIO does not keep, and why Cairn does. */
export interface Difference {
  readonly title: string
  readonly reason: string
  /** Exact titles, or patterns for families. */
  readonly rules: readonly (string | RegExp)[]
}

export const DIFFERENCES: readonly Difference[] = []
