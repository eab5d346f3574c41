import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedAdmission } from './shared-admission.ts'

test('the limit counts requests of all threads and frees places', () => {
  const memory = new SharedArrayBuffer(4)
  const [one, two] = [new SharedAdmission(memory, 2), new SharedAdmission(memory, 2)]
  assert.equal(one.tryEnter(), true)
  assert.equal(two.tryEnter(), true)
  assert.equal(one.tryEnter(), false)
  two.leave()
  assert.equal(one.tryEnter(), true)
})

test('without a limit everybody enters', () => {
  const admission = new SharedAdmission(new SharedArrayBuffer(4), 0)
  for (let i = 0; i < 1000; i++) assert.equal(admission.tryEnter(), true)
})
