/** `npm test` and `npm run check`: the gates, in the order of CI. */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

interface Step {
  readonly name: string
  readonly command: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

const unitTests = globSync('src/**/*.test.ts', { cwd: ROOT }).toSorted()
const fuzzers = globSync('src/**/*.fuzz.ts', { cwd: ROOT }).toSorted()

const UNIT: Step = {
  name: 'unit tests',
  command: ['node', '--test', '--test-concurrency=2', ...unitTests],
}
const FUZZ: Step = {
  name: 'fuzz, short',
  command: ['node', '--test', '--test-concurrency=2', ...fuzzers],
  environment: { FUZZ_SECONDS: process.env['FUZZ_SECONDS'] ?? '1' },
}

const PLANS: Readonly<Record<string, readonly Step[]>> = {
  test: [UNIT],
  fuzz: [FUZZ],
  check: [
    { name: 'format', command: ['biome', 'format', '.'] },
    { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings', '.'] },
    { name: 'types', command: ['tsc', '-p', '.'] },
    UNIT,
    FUZZ,
  ],
}

const plan = PLANS[process.argv[2] ?? 'check']
if (plan === undefined) {
  console.error(`Unknown plan: use one of ${Object.keys(PLANS).join(', ')}`)
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
