import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { systemClock } from '#base/clock'
import { createLockMemory, NamespaceLocks } from './locks.ts'
import { ObjectError } from './object.ts'

const SOON = { timeoutMs: 5000 }

test('readers share a lock and keep a writer out until the last one leaves', async () => {
  const locks = new NamespaceLocks(createLockMemory(), systemClock())
  const first = await locks.read('b/k', SOON)
  const second = await locks.read('b/k', SOON)
  let wrote = false
  assert.equal(first.isWanted(), false)
  const writing = locks.write('b/k', SOON).then((handle) => {
    wrote = true
    return handle
  })
  assert.equal(first.isWanted(), true)
  first.release()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(wrote, false)
  second.release()
  const writer = await writing
  writer.release()
})

test('a waiting writer goes before later readers', async () => {
  const locks = new NamespaceLocks(createLockMemory(), systemClock())
  const order: string[] = []
  const reader = await locks.read('b/k', SOON)
  const writing = locks.write('b/k', SOON).then((handle) => {
    order.push('write')
    handle.release()
  })
  const reading = locks.read('b/k', SOON).then((handle) => {
    order.push('read')
    handle.release()
  })
  reader.release()
  await Promise.all([writing, reading])
  assert.deepEqual(order, ['write', 'read'])
})

test('a wait ends with LockTimeout at its deadline and leaves the lock usable', async () => {
  const locks = new NamespaceLocks(createLockMemory(), systemClock())
  const holder = await locks.write('b/k', SOON)
  await assert.rejects(
    locks.write('b/k', { timeoutMs: 20 }),
    (error) => error instanceof ObjectError && error.code === 'LockTimeout',
  )
  await assert.rejects(locks.read('b/k', { timeoutMs: 20 }))
  holder.release()
  holder.release()
  using again = await locks.read('b/k', SOON)
  assert.ok(again)
})

test('a wait ends when its signal aborts', async () => {
  const locks = new NamespaceLocks(createLockMemory(), systemClock())
  using _holder = await locks.write('b/k', SOON)
  const controller = new AbortController()
  const waiting = locks.write('b/k', { timeoutMs: 60_000, signal: controller.signal })
  controller.abort()
  await assert.rejects(waiting, (error) => error instanceof ObjectError && error.code === 'Aborted')
})

test('kinds do not exclude each other', async () => {
  const locks = new NamespaceLocks(createLockMemory(), systemClock())
  using upload = await locks.write('b/k', SOON, 'upload')
  using object = await locks.write('b/k', SOON, 'object')
  assert.ok(upload && object)
})

test('a counter behind the lock loses no increment from four threads', async () => {
  const memory = createLockMemory()
  const counter = new Int32Array(new SharedArrayBuffer(4))
  const source = `
    import { workerData } from 'node:worker_threads'
    const { NamespaceLocks } = await import(workerData.locksUrl)
    const { systemClock } = await import(workerData.clockUrl)
    const locks = new NamespaceLocks(workerData.memory, systemClock())
    const alive = setInterval(() => {}, 1000)
    for (let i = 0; i < 500; i++) {
      const handle = await locks.write('hot', { timeoutMs: 20000 })
      const value = workerData.counter[0]
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      workerData.counter[0] = value + 1
      handle.release()
    }
    clearInterval(alive)`
  const workers = [0, 1, 2, 3].map(
    () =>
      new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
        workerData: {
          memory,
          counter,
          locksUrl: new URL('./locks.ts', import.meta.url).href,
          clockUrl: new URL('../base/clock.ts', import.meta.url).href,
        },
      }),
  )
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          worker.on('exit', resolve)
          worker.on('error', reject)
        }),
    ),
  )
  assert.equal(counter[0], 2000)
})
