/**
 * `npm run ci`, called by `.ci/run`: the README's test command, static checks, fuzzing, then running servers with real
 * clients and a real MinIO. Ends with a line `N passed, N failed`; a step without a summary counts as one failure.
 * `CAIRN_CI_STEPS`: a regular expression that picks steps.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const MINUTE_MS = 60_000

interface Step {
  readonly name: string
  readonly command: readonly string[]
  readonly limitMs: number
  readonly environment?: Readonly<Record<string, string>>
  /** How the output tells what passed. `exit`: the exit code is one test. */
  readonly summary: 'node-test' | 'clients' | 'conformance' | 'exit'
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

const FUZZERS = ['--test-concurrency=2', ...globSync('src/**/*.fuzz.ts', { cwd: ROOT })]

const STEPS: readonly Step[] = [
  {
    name: 'npm test',
    command: ['npm', 'test', '--silent'],
    limitMs: 12 * MINUTE_MS,
    summary: 'node-test',
  },
  { name: 'format', command: ['biome', 'format', '.'], limitMs: MINUTE_MS, summary: 'exit' },
  {
    name: 'lint',
    command: ['oxlint', '--type-aware', '--deny-warnings', '.'],
    limitMs: 3 * MINUTE_MS,
    summary: 'exit',
  },
  { name: 'types', command: ['tsc', '-p', '.'], limitMs: 2 * MINUTE_MS, summary: 'exit' },
  nodeTests('fuzz', FUZZERS, 8, { FUZZ_SECONDS: '4' }),
  nodeTests('fuzz parsers', FUZZERS, 10, {
    FUZZ_SECONDS: '60',
    FUZZ_ONLY:
      '^(msgpack reads anything|xl\\.meta:|format\\.json:|documents$|chunked bodies|headers$|request lines)',
  }),
  nodeTests('harness', globSync('tests/lib/*.test.ts', { cwd: ROOT }), 3),
  nodeTests('take-over', ['tests/take-over.test.ts'], 8),
  nodeTests('give-back', ['tests/give-back.test.ts'], 8),
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
  }, step.limitMs)
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
for (const step of STEPS.filter(({ name }) => wanted.test(name))) {
  const count = await runStep(step)
  total.passed += count.passed
  total.failed += count.failed
  rows.push(
    `${step.name.padEnd(14)}${String(count.passed).padStart(7)}${String(count.failed).padStart(7)}`,
  )
}
console.log(`\n${'step'.padEnd(14)} passed failed\n${rows.join('\n')}\n`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1
