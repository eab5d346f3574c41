/**
 * `npm run ci`, called by `.ci/run`: the README's test command, static checks, fuzzing, then running servers with real
 * clients and a real MinIO. Ends with a line `N passed, N failed`; a step without a summary counts as one failure.
 * `CAIRN_CI_STEPS`: a regular expression that picks steps.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { STATIC_CHECKS } from './static-checks.ts'

const ROOT = join(import.meta.dirname, '..')
const MINUTE_MS = 60_000
/** What is not over by then counts as failed: the last line has to be there within 45 minutes of the start of `npm ci`. */
const ALL_LIMIT_MS = 42 * MINUTE_MS

interface Step {
  readonly name: string
  readonly command: readonly string[]
  readonly limitMs: number
  readonly environment?: Readonly<Record<string, string>>
  /** How the output tells what passed. `exit`: the exit code is one test; `none`: it is no test. */
  readonly summary: 'node-test' | 'clients' | 'conformance' | 'exit' | 'none'
}

function nodeTests(
  name: string,
  files: readonly string[],
  minutes: number,
  environment = {},
): Step {
  return {
    name,
    command: ['node', '--test', '--test-reporter=spec', ...files],
    limitMs: minutes * MINUTE_MS,
    environment,
    summary: 'node-test',
  }
}

const FUZZERS = globSync('src/**/*.fuzz.ts', { cwd: ROOT })

/** One after another; the steps of an inner list run side by side. */
const STEPS: readonly (Step | readonly Step[])[] = [
  {
    name: 'npm test',
    command: ['npm', 'test', '--silent'],
    limitMs: 12 * MINUTE_MS,
    summary: 'node-test',
  },
  ...STATIC_CHECKS.map((check): Step => ({ ...check, limitMs: 3 * MINUTE_MS, summary: 'exit' })),
  [
    // From a cold start compilers and downloads take minutes; how much fuzzing is done is a matter of time anyway.
    {
      name: 'programs',
      command: ['node', 'tests/prepare.ts'],
      limitMs: 16 * MINUTE_MS,
      summary: 'none',
    },
    nodeTests('fuzz', ['--test-concurrency=1', ...FUZZERS], 10, { FUZZ_SECONDS: '4' }),
    nodeTests('fuzz parsers', ['--test-concurrency=2', ...FUZZERS], 10, {
      FUZZ_SECONDS: '60',
      FUZZ_ONLY:
        '^(msgpack reads anything|xl\\.meta:|format\\.json:|documents$|chunked bodies|headers$|request lines)',
    }),
  ],
  nodeTests('harness', globSync('tests/lib/*.test.ts', { cwd: ROOT }), 3),
  nodeTests('take-over', ['tests/take-over.test.ts'], 8),
  nodeTests('give-back', ['tests/give-back.test.ts'], 8),
  // The same histories each time, so that a failure tells of the change; others are tried by hand.
  nodeTests('exchange', ['tests/exchange.test.ts'], 6, { CAIRN_EXCHANGE_SEED: '3' }),
  nodeTests('bucket settings', ['tests/bucket-settings.test.ts'], 2),
  nodeTests('encrypted give-back', ['tests/give-back-encrypted.test.ts'], 8),
  nodeTests('services of keys', ['tests/kms-services.test.ts'], 8),
  nodeTests(
    'refill',
    ['tests/refill.test.ts', 'tests/stored-state.test.ts', 'tests/sealed-configuration.test.ts'],
    6,
  ),
  nodeTests('consistency', ['tests/consistency.test.ts'], 4, { CAIRN_TEST_SECONDS: '8' }),
  nodeTests('faults', ['tests/faults.test.ts'], 6),
  nodeTests('crash', ['tests/crash.test.ts'], 20, { CAIRN_CRASH_ROUNDS: '100' }),
  {
    name: 'conformance',
    command: ['node', 'tests/conformance/main.ts'],
    limitMs: 6 * MINUTE_MS,
    summary: 'conformance',
  },
  {
    name: 'clients',
    command: ['node', 'tests/clients/run.ts'],
    limitMs: 15 * MINUTE_MS,
    summary: 'clients',
  },
]

interface Count {
  readonly passed: number
  readonly failed: number
}

async function runStep(step: Step): Promise<Count> {
  const [program = '', ...words] = step.command
  const begin = performance.now()
  const limitMs = Math.min(step.limitMs, ALL_LIMIT_MS - begin)
  if (limitMs <= 0) {
    console.log(`\n== ${step.name}: 0 passed, 1 failed: no time was left`)
    return { passed: 0, failed: 1 }
  }
  console.log(`\n== ${step.name}`)
  const child = spawn(program, words, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...step.environment },
    detached: true,
  })
  let output = ''
  child.stdout.on('data', (bytes: Buffer) => {
    process.stdout.write(bytes)
    output = (output + bytes.toString('utf8')).slice(-200_000)
  })
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    // The whole group: servers that a test started must not outlive it.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, limitMs)
  const code = await new Promise<number>((resolve) => {
    child.once('error', () => resolve(127))
    child.once('close', (status) => resolve(status ?? 1))
  })
  clearTimeout(timer)
  const count = countOf(step, output, code)
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  console.log(
    `== ${step.name}: ${count.passed} passed, ${count.failed} failed, ${seconds} s${isLate ? ' (time limit)' : ''}`,
  )
  return count
}

function countOf(step: Step, output: string, code: number): Count {
  if (step.summary === 'none') return { passed: 0, failed: 0 }
  const last = (pattern: RegExp): number =>
    Number([...output.matchAll(pattern)].at(-1)?.[1] ?? Number.NaN)
  const [passed, failed] =
    step.summary === 'node-test'
      ? [last(/^(?:ℹ|#) pass (\d+)$/gm), last(/^(?:ℹ|#) fail (\d+)$/gm)]
      : step.summary === 'clients'
        ? [last(/^total: (\d+) ok/gm), last(/^total: \d+ ok, (\d+) failed/gm)]
        : step.summary === 'conformance'
          ? [last(/^(\d+) passed, \d+ failed$/gm), last(/^\d+ passed, (\d+) failed$/gm)]
          : [code === 0 ? 1 : 0, code === 0 ? 0 : 1]
  if (Number.isNaN(passed) || Number.isNaN(failed)) return { passed: 0, failed: 1 }
  return { passed, failed: code !== 0 && failed === 0 ? 1 : failed }
}

const wanted = new RegExp(process.env['CAIRN_CI_STEPS'] ?? '.')
const total = { passed: 0, failed: 0 }
const rows: string[] = []
for (const group of STEPS) {
  const steps = [group].flat().filter(({ name }) => wanted.test(name))
  const counts = await Promise.all(steps.map(runStep))
  for (const [i, { passed, failed }] of counts.entries()) {
    total.passed += passed
    total.failed += failed
    rows.push(
      `${(steps[i]?.name ?? '').padEnd(20)}${String(passed).padStart(7)}${String(failed).padStart(7)}`,
    )
  }
}
console.log(`\n${'step'.padEnd(20)} passed failed\n${rows.join('\n')}\n`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1
