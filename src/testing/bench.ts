/**
 * Measures pieces of work as ratios taken in one run: all candidates alternate, so that a busy machine slows all alike.
 *
 *   node src/codec/erasure.bench.ts [--against DIRECTORY]
 *
 * The environment variable BENCH_MS sets the time for each candidate and round.
 */

/** Many short rounds: what else runs on the machine then hits few of them. */
const ROUNDS = 60
const BUDGET_MS_DEFAULT = 2

export interface Candidate {
  readonly name: string
  /** Does the work once. */
  run(): void
}

/** Prints GB/s and ns of each candidate, and the ratio of the first to each other one. `bytes` is what one run handles.
 *  The lower quartiles of the rounds count. */
export function bench(label: string, bytes: number, candidates: readonly Candidate[]): void {
  const budgetMs = Number(process.env['BENCH_MS'] ?? BUDGET_MS_DEFAULT)
  const countOf = new Map(candidates.map((c) => [c, calibrate(c, budgetMs)]))
  const samples = new Map<Candidate, number[]>(candidates.map((c) => [c, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const candidate of candidates) {
      samples.get(candidate)?.push(nsPerRun(candidate, countOf.get(candidate) ?? 1))
    }
  }
  const first = candidates[0]
  const firstNs = first === undefined ? 0 : typical(samples.get(first) ?? [])
  for (const candidate of candidates) {
    const ns = typical(samples.get(candidate) ?? [])
    const speed = `${(bytes / ns).toFixed(2).padStart(7)} GB/s ${ns.toFixed(0).padStart(9)} ns`
    const ratio = candidate === first ? '' : `  first is ${(ns / firstNs).toFixed(2)}x of it`
    console.log(`${label.padEnd(34)} ${candidate.name.padEnd(12)} ${speed}${ratio}`)
  }
}

/** Warms up and answers how many runs fill the budget. */
function calibrate(candidate: Candidate, budgetMs: number): number {
  const warm = performance.now()
  while (performance.now() - warm < 10 * budgetMs) candidate.run()
  const start = performance.now()
  let count = 0
  do {
    candidate.run()
    count++
  } while (performance.now() - start < budgetMs)
  return count
}

function nsPerRun(candidate: Candidate, count: number): number {
  const start = performance.now()
  for (let i = 0; i < count; i++) candidate.run()
  return ((performance.now() - start) * 1e6) / count
}

/** The lower quartile: undisturbed rounds are the typical ones. */
function typical(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 2] ?? Number.NaN
}
