import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from './clock.ts'

test('clocks of a thread agree about what came first', () => {
  const clocks = [systemClock(), systemClock()]
  let lastNs = 0n
  const endMs = performance.now() + 50
  while (performance.now() < endMs) {
    for (const clock of clocks) {
      const nowNs = clock.nowNs()
      assert.ok(nowNs >= lastNs, `${nowNs} after ${lastNs}`)
      lastNs = nowNs
    }
  }
  assert.ok(Math.abs(Number(lastNs / 1_000_000n) - Date.now()) < 1000)
})
