import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#base/clock'
import { createLockMemory, NamespaceLocks } from './locks.ts'

test('a writer that gave up does not keep readers out', async () => {
  const locks = new NamespaceLocks(createLockMemory(), systemClock())
  const reader = await locks.read('b/k', { timeoutMs: 1000 })
  const stop = new AbortController()
  const writing = locks.write('b/k', { timeoutMs: 60_000, signal: stop.signal })
  stop.abort()
  await assert.rejects(writing, { code: 'Aborted' })
  const second = await locks.read('b/k', { timeoutMs: 50 })
  second.release()
  reader.release()
})
