import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Arena, createCodecSeed } from './arena.ts'
import { WORKSPACE_SIZE } from './layout.ts'

const UNIT = 65_536

function arenaOf(units: number): Arena {
  return new Arena(createCodecSeed({ regionSizesBytes: [units * UNIT] }), 0)
}

test('slots have the size asked for, do not overlap and come back', () => {
  const arena = arenaOf(4)
  const first = arena.tryAcquire(1)
  const second = arena.tryAcquire(2 * UNIT - 1)
  assert(first !== undefined && second !== undefined)
  assert.equal(first.bytes.length, 1)
  assert.equal(second.bytes.length, 2 * UNIT - 1)
  assert.equal(second.offset, first.offset + UNIT)
  assert.equal(second.bytes.byteOffset, second.offset)
  assert.equal(arena.freeBytes, UNIT)
  assert.equal(arena.tryAcquire(UNIT + 1), undefined)
  first.release()
  second.release()
  assert.equal(arena.freeBytes, 4 * UNIT)
  using whole = arena.tryAcquire(4 * UNIT)
  assert.equal(whole?.offset, first.offset)
})

test('the lowest free buffer is used again', () => {
  const arena = arenaOf(8)
  const slots = Array.from({ length: 8 }, () => arena.tryAcquire(UNIT))
  slots[5]?.release()
  slots[2]?.release()
  assert.equal(arena.tryAcquire(UNIT)?.offset, slots[2]?.offset)
  assert.equal(arena.tryAcquire(UNIT)?.offset, slots[5]?.offset)
})

test('a second release fails', () => {
  const slot = arenaOf(1).tryAcquire(10)
  slot?.release()
  assert.throws(() => slot?.release(), /released twice/)
})

test('an arena is extended step by step, and gives its reserve up when little is lent', async () => {
  const seed = createCodecSeed({ regionSizesBytes: [2 * UNIT], reserveSizesBytes: [3 * UNIT] })
  const arena = new Arena(seed, 0)
  const own = [await arena.acquire(UNIT), await arena.acquire(UNIT)]
  const waiting = arena.acquire(2 * UNIT)
  assert.equal(arena.extend(), true)
  const reserved = await waiting
  assert.equal(arena.extend(), true)
  assert.equal(arena.freeBytes, UNIT)
  assert.equal(arena.extend(), false)
  const last = await arena.acquire(UNIT)
  assert.equal(last.offset, reserved.offset + 2 * UNIT)
  last.bytes.fill(1)
  reserved.release()
  last.release()
  assert.equal(arena.freeBytes, 3 * UNIT, 'others may still stall')
  own[0]?.release()
  assert.equal(arena.freeBytes, UNIT)
  assert.equal(arena.tryAcquire(2 * UNIT), undefined)
  own[1]?.release()
  assert.equal(arena.freeBytes, 2 * UNIT)
  assert.equal(arena.extend(), true)
  assert.equal(arena.freeBytes, 4 * UNIT)
})

test('the reserve of one thread is not the memory of another', async () => {
  const seed = createCodecSeed({ regionSizesBytes: [UNIT, UNIT], reserveSizesBytes: [UNIT] })
  const [first, second] = [new Arena(seed, 0), new Arena(seed, 1)]
  first.extend()
  const slots = [await first.acquire(UNIT), await first.acquire(UNIT), await second.acquire(UNIT)]
  for (const [index, slot] of slots.entries()) slot.bytes.fill(index)
  for (const [index, slot] of slots.entries()) {
    assert.ok(slot.bytes.every((value) => value === index))
  }
  assert.equal(second.extend(), false)
})

test('requests wait in order, and nobody overtakes', async () => {
  const arena = arenaOf(4)
  const held = await arena.acquire(3 * UNIT)
  const order: string[] = []
  const large = arena.acquire(2 * UNIT).then((slot) => {
    order.push('large')
    return slot
  })
  const small = arena.acquire(UNIT).then((slot) => {
    order.push('small')
    return slot
  })
  assert.equal(arena.tryAcquire(1), undefined)
  held.release()
  const slots = await Promise.all([large, small])
  assert.deepEqual(order, ['large', 'small'])
  for (const slot of slots) slot.release()
  assert.equal(arena.freeBytes, 4 * UNIT)
})

test('giving up lets those behind go on', async () => {
  const arena = arenaOf(2)
  const held = await arena.acquire(UNIT)
  const abort = new AbortController()
  const large = arena.acquire(2 * UNIT, abort.signal)
  const small = arena.acquire(UNIT)
  abort.abort(new Error('Client left'))
  await assert.rejects(large, /Client left/)
  using slot = await small
  assert.notEqual(slot.offset, held.offset)
  await assert.rejects(arena.acquire(1, abort.signal), /Client left/)
  held.release()
  assert.equal(arena.freeBytes, UNIT)
})

test('impossible requests are failed assertions', () => {
  const arena = arenaOf(1)
  assert.throws(() => arena.tryAcquire(UNIT + 1), /larger than the whole arena/)
  assert.throws(() => arena.tryAcquire(0), /Assertion/)
  assert.throws(() => createCodecSeed({ regionSizesBytes: [2 ** 32] }), /exceeds 4 GiB/)
})

test('regions of threads do not overlap, and a thread may have a workspace only', () => {
  const seed = createCodecSeed({ regionSizesBytes: [0, 1, UNIT] })
  assert.deepEqual(
    seed.regions.map((region) => region.sizeBytes - WORKSPACE_SIZE),
    [0, UNIT, UNIT],
  )
  for (const [i, region] of seed.regions.entries()) {
    const before = seed.regions[i - 1]
    if (before !== undefined) assert.equal(region.offset, before.offset + before.sizeBytes)
  }
  assert.equal(new Arena(seed, 0).freeBytes, 0)
})

test('memory that somebody may still write to is kept from others', async () => {
  const arena = new Arena(createCodecSeed({ regionSizesBytes: [3 * UNIT] }), 0)
  const slot = arena.tryAcquire(2 * UNIT)
  assert(slot !== undefined)
  const first = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  arena.keep(slot.bytes.subarray(5, 9), first.promise)
  arena.keep(slot.bytes.subarray(UNIT, UNIT + 9), second.promise)
  slot.release()
  const waiting = arena.acquire(2 * UNIT)
  let isGranted = false
  void waiting.then(() => (isGranted = true))
  second.resolve()
  await turn()
  assert.equal(isGranted, false)
  first.resolve()
  const granted = await waiting
  assert.equal(granted.offset, slot.offset)
  granted.release()
  assert.equal(arena.freeBytes, 3 * UNIT)
})

test('a worker makes its codec from the seed, and both see the same memory', async () => {
  const seed = createCodecSeed({ regionSizesBytes: [UNIT, UNIT] })
  const codecUrl = new URL('./codec.ts', import.meta.url).href
  const program = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(${JSON.stringify(codecUrl)}).then(({ Codec }) => {
      const codec = new Codec(workerData, 1)
      const slot = codec.arena.tryAcquire(3)
      slot.bytes.set([97, 98, 99])
      parentPort.postMessage({ offset: slot.offset, hash: codec.xxh64(slot.bytes) })
    })`
  const worker = new Worker(program, { eval: true, workerData: seed })
  const message: unknown = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  assert(typeof message === 'object' && message !== null)
  assert('offset' in message && 'hash' in message)
  assert.equal(message.hash, 0x44bc2cf5ad770999n)
  const bytes = new Uint8Array(seed.memory.buffer, Number(message.offset), 3)
  assert.deepEqual([...bytes], [97, 98, 99])
})
