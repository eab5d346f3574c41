/**
 * `npm test` and `npm run check`: the gates before a commit, the quickest first. `npm test -- src/base/bytes.test.ts` runs
 * the tests of that file, and options, such as `--test-name-pattern=REGEX`, go to `node --test`.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { STATIC_CHECKS } from './static-checks.ts'

const ROOT = join(import.meta.dirname, '..')

interface Step {
  readonly name: string
  readonly command: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

const [planName = 'check', ...words] = process.argv.slice(2)
const files = words.filter((word) => !word.startsWith('-'))
const options = words.filter((word) => word.startsWith('-'))

/** The files that were named, else all of `pattern`. */
function nodeTest(pattern: string): readonly string[] {
  const chosen = files.length > 0 ? files : globSync(pattern, { cwd: ROOT }).toSorted()
  return ['node', '--test', '--test-concurrency=2', ...options, ...chosen]
}

const UNIT: Step = { name: 'unit tests', command: nodeTest('src/**/*.test.ts') }
const FUZZ: Step = {
  name: 'fuzz, short',
  command: nodeTest('src/**/*.fuzz.ts'),
  environment: { FUZZ_SECONDS: process.env['FUZZ_SECONDS'] ?? '1' },
}

const PLANS: Readonly<Record<string, readonly Step[]>> = {
  test: [UNIT],
  fuzz: [FUZZ],
  check: [...STATIC_CHECKS, UNIT, FUZZ],
}

const plan = PLANS[planName]
if (plan === undefined || (words.length > 0 && plan.length > 1)) {
  console.error('Usage: npm test [-- FILE... OPTION...], npm run check')
  process.exit(2)
}
for (const step of plan) {
  console.log(`== ${step.name}`)
  const [program = '', ...rest] = step.command
  const run = spawnSync(program, rest, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...step.environment },
  })
  if (run.status !== 0) {
    console.error(`== ${step.name} failed`)
    process.exit(run.status ?? 1)
  }
}
