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
  /** What the specification demands where it departs from the reference, for checks that can tell. */
  readonly specified?: (expected: unknown) => unknown
}

/** Facts a server is known not to show. One that it does show after all makes the run fail too. */
export interface Exception {
  readonly match: RegExp
  readonly reason: string
  /** What is shown instead of the expected value. Without it the check may fail in any way. */
  readonly instead?: (expected: unknown, check: Pick<Check, 'specified'>) => unknown
}

/** The expected value as the exceptions that name another one want it; for a value seen elsewhere also. */
export function chosenValue(
  id: string,
  expected: unknown,
  exceptions: readonly Exception[],
  check: Pick<Check, 'specified'> = {},
): unknown {
  let value = expected
  for (const { match, instead } of exceptions) {
    if (instead !== undefined && match.test(id)) value = instead(value, check)
  }
  return value
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

async function judge(check: Check, expected: unknown): Promise<Difference | undefined> {
  let actual: unknown
  try {
    actual = await check.observe()
  } catch (error) {
    return { id: check.id, expected, actual: `threw ${String(error)}` }
  }
  const isSame = check.accept?.(actual) === true || isDeepStrictEqual(actual, expected)
  return isSame ? undefined : { id: check.id, expected, actual }
}

export async function runChecks(
  checks: readonly Check[],
  exceptions: readonly Exception[],
): Promise<Verdict> {
  const excuses = exceptions.filter(({ instead }) => instead === undefined)
  const results = await parallel(checks, PARALLEL_CHECKS, (check) =>
    judge(check, chosenValue(check.id, check.expected, exceptions, check)),
  )
  const differences: Difference[] = []
  let exceptedCount = 0
  const matched = new Set<Exception>()
  const needed = new Set<Exception>()
  for (const [index, check] of checks.entries()) {
    const exception = excuses.find(({ match }) => match.test(check.id))
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
  const shownMax = Number(process.env['CAIRN_TEST_SHOWN'] ?? 20)
  const lines = verdict.differences.slice(0, shownMax).map((difference) => {
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
