import { type Rule, titleOf } from './rule.ts'
import { SharedBuckets, Trial } from './trial.ts'
import type { Wire } from './wire.ts'

export interface Outcome {
  readonly title: string
  readonly section: string
  /** What came instead of what must come. */
  readonly failure: string | undefined
  readonly elapsedMs: number
}

const RULE_LIMIT_MS = 60_000

/** Tries all rules, at most `parallel` at a time. */
export async function runRules(
  wire: Wire,
  rules: readonly Rule[],
  options: { readonly parallel: number },
): Promise<readonly Outcome[]> {
  const shared = new SharedBuckets(wire)
  const outcomes: Outcome[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (;;) {
      const rule = rules[next++]
      if (rule === undefined) return
      outcomes.push(await runRule(wire, shared, rule))
    }
  }
  await Promise.all(Array.from({ length: options.parallel }, worker))
  await shared.remove()
  wire.close()
  return outcomes.toSorted(
    (a, b) =>
      rules.findIndex((r) => titleOf(r) === a.title) -
      rules.findIndex((r) => titleOf(r) === b.title),
  )
}

async function runRule(wire: Wire, shared: SharedBuckets, rule: Rule): Promise<Outcome> {
  const trial = new Trial(wire, shared)
  const began = performance.now()
  const failure = await failureOf(rule, trial)
  try {
    await trial.end()
  } catch {
    // A bucket that stays behind is no matter of this rule.
  }
  return {
    title: titleOf(rule),
    section: rule.section,
    failure,
    elapsedMs: performance.now() - began,
  }
}

async function failureOf(rule: Rule, trial: Trial): Promise<string | undefined> {
  const limit = Promise.withResolvers<never>()
  const timer = setTimeout(() => limit.reject(new Error('the rule took too long')), RULE_LIMIT_MS)
  try {
    await Promise.race([rule.run(trial), limit.promise])
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    clearTimeout(timer)
  }
}
