import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('the benchmark of packages runs', () => {
  const program = new URL('./dare.bench.ts', import.meta.url).pathname
  const env = { ...process.env, BENCH_MS: '0' }
  const run = spawnSync(process.execPath, [program], { env, encoding: 'utf8' })
  assert.equal(run.status, 0, run.stderr)
  assert.match(run.stdout, /GB\/s/)
})
