import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

for (const name of ['checksum', 'erasure', 'hash', 's2']) {
  test(`the ${name} benchmark runs`, () => {
    const program = new URL(`./${name}.bench.ts`, import.meta.url).pathname
    const run = spawnSync(process.execPath, [program], {
      env: { ...process.env, BENCH_MS: '0' },
      encoding: 'utf8',
    })
    assert.equal(run.status, 0, run.stderr)
    assert.match(run.stdout, /GB\/s/)
  })
}
