import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from './turns.ts'

test('turns are taken in order, and one that was given up is passed on', async () => {
  const turns = new Turns(1)
  const order: number[] = []
  const first = await turns.take()
  const stop = new AbortController()
  const second = assert.rejects(turns.take(stop.signal), { name: 'AbortError' })
  const third = turns.take().then((turn) => {
    order.push(3)
    turn[Symbol.dispose]()
  })
  const fourth = turns.take().then((turn) => {
    order.push(4)
    turn[Symbol.dispose]()
  })
  stop.abort()
  await second
  assert.deepEqual(order, [])
  first[Symbol.dispose]()
  await Promise.all([third, fourth])
  assert.deepEqual(order, [3, 4])
  using _fifth = await turns.take()
})
