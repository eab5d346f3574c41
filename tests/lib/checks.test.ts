import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertGood, type Check, runChecks } from './checks.ts'

function check(id: string, expected: unknown, actual: unknown): Check {
  return { id, expected, observe: () => Promise.resolve(actual) }
}

const exception = { match: /^b\/policy$/, reason: 'not built' }

test('a difference fails and is shown where it lies', async () => {
  const verdict = await runChecks(
    [
      check('a/same', { x: 1 }, { x: 1 }),
      check('a/other', { keys: ['k', 'l'] }, { keys: ['k', 'm'] }),
    ],
    [],
  )
  assert.equal(verdict.differences.length, 1)
  assert.throws(
    () => assertGood(verdict),
    /1 of 2 checks differ\na\/other at keys at 1\n.*"l"\n.*"m"/,
  )
})

test('an observation that throws is a difference', async () => {
  const broken = { id: 'a', expected: 1, observe: () => Promise.reject(new Error('no reply')) }
  const verdict = await runChecks([broken], [])
  assert.throws(() => assertGood(verdict), /no reply/)
})

test('a missing, an added and an undefined field differ', async () => {
  for (const [expected, actual] of [
    [{ etag: 'e' }, {}],
    [{}, { etag: 'e' }],
    [
      { status: 200, headers: { a: '1' } },
      { status: 200, headers: { a: '1', b: '2' } },
    ],
  ]) {
    const verdict = await runChecks([check('a', expected, actual)], [])
    assert.throws(() => assertGood(verdict), /1 of 1 checks differ/)
  }
})

test('an exception excuses a difference, and an unexpected pass fails', async () => {
  const excused = await runChecks(
    [check('b/policy', 200, 501), check('b/acl', 200, 200)],
    [exception],
  )
  assertGood(excused)
  assert.equal(excused.exceptedCount, 1)
  const passing = await runChecks([check('b/policy', 200, 200)], [exception])
  assert.throws(() => assertGood(passing), /Unexpected pass.*not built/)
  assertGood(await runChecks([check('b/acl', 200, 200)], [exception]))
})

test('an exception may name what is shown instead, which is compared then', async () => {
  const renamed = { match: /^b\//, reason: 'chosen', instead: (value: unknown) => [value, 'more'] }
  assertGood(await runChecks([check('b/acl', 1, [1, 'more'])], [renamed]))
  const reference = await runChecks([check('b/acl', 1, 1)], [renamed])
  assert.throws(() => assertGood(reference), /1 of 1 checks differ/)
})
