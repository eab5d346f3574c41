/** Checks of single facts, run with bounded parallelism and judged against a table of known exceptions. */
import { isDeepStrictEqual } from 'node:util'
import { parallel } from './parallel.ts'

/** One fact: what is expected and how to ask for it. An observation that throws counts as a difference. */
export interface Check {
  /** Path-like: `bucket/<name>/key/<key>#<version>/head`. */
  readonly id: string
  readonly expected: unknown
  observe(): Promise<unknown>
  /** Accepts more than the expected value, where the format allows several. */
  readonly accept?: (actual: unknown) => boolean
}

/** Facts a server is known not to show. One that it does show after all makes the run fail too. */
export interface Exception {
  readonly match: RegExp
  readonly reason: string
}

export interface Difference {
  readonly id: string
  readonly expected: unknown
  readonly actual: unknown
}

export interface Verdict {
  readonly checkCount: number
  readonly differences: readonly Difference[]
  /** Checks that failed as an exception foresaw. */
  readonly exceptedCount: number
  /** Exceptions that matched checks, all of which passed. */
  readonly unexpectedPasses: readonly Exception[]
}

const PARALLEL_CHECKS = 12

async function judge(check: Check): Promise<Difference | undefined> {
  let actual: unknown
  try {
    actual = await check.observe()
  } catch (error) {
    return { id: check.id, expected: check.expected, actual: `threw ${String(error)}` }
  }
  const isSame = check.accept?.(actual) === true || isDeepStrictEqual(actual, check.expected)
  return isSame ? undefined : { id: check.id, expected: check.expected, actual }
}

export async function runChecks(
  checks: readonly Check[],
  exceptions: readonly Exception[],
): Promise<Verdict> {
  const results = await parallel(checks, PARALLEL_CHECKS, judge)
  const differences: Difference[] = []
  let exceptedCount = 0
  const matched = new Set<Exception>()
  const needed = new Set<Exception>()
  for (const [index, check] of checks.entries()) {
    const exception = exceptions.find(({ match }) => match.test(check.id))
    const difference = results[index]
    if (exception !== undefined) matched.add(exception)
    if (difference === undefined) continue
    if (exception === undefined) differences.push(difference)
    else {
      needed.add(exception)
      exceptedCount++
    }
  }
  const unexpectedPasses = [...matched].filter((exception) => !needed.has(exception))
  return { checkCount: checks.length, differences, exceptedCount, unexpectedPasses }
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined'
  return text.length > 400 ? `${text.slice(0, 400)} ...` : text
}

/** The first place where two values part, so that a long listing shows only what matters. */
function narrowed(difference: Difference): Difference {
  const { expected, actual, id } = difference
  if (
    typeof expected !== 'object' ||
    typeof actual !== 'object' ||
    expected === null ||
    actual === null ||
    Array.isArray(expected) !== Array.isArray(actual)
  ) {
    return difference
  }
  const left = new Map<string, unknown>(Object.entries(expected))
  const right = new Map<string, unknown>(Object.entries(actual))
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    if (!isDeepStrictEqual(left.get(name), right.get(name))) {
      return narrowed({ id: `${id} at ${name}`, expected: left.get(name), actual: right.get(name) })
    }
  }
  return difference
}

/** Throws with the first differences, readable, when the verdict is not good. */
export function assertGood(verdict: Verdict): void {
  const lines = verdict.differences.slice(0, 20).map((difference) => {
    const { id, expected, actual } = narrowed(difference)
    return `${id}\n    expected ${short(expected)}\n    actual   ${short(actual)}`
  })
  for (const { match, reason } of verdict.unexpectedPasses) {
    lines.push(`Unexpected pass, remove the exception ${String(match)} (${reason})`)
  }
  if (lines.length === 0) return
  throw new Error(
    `${verdict.differences.length} of ${verdict.checkCount} checks differ\n${lines.join('\n')}`,
  )
}
