import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { systemClock } from '#base/clock'
import type { RepairItem } from './repair-sink.ts'
import { PortRepairSink, serveRepairPort } from './repair-port.ts'

function itemOf(path: string, reason: RepairItem['reason'] = 'missed'): RepairItem {
  return { pool: 0, set: 0, bucket: 'bucket', path, versionId: undefined, reason }
}

test('a report resolves after the queue has it; what reads tell within a second is sent once, what writes missed each time', async () => {
  const { port1, port2 } = new MessageChannel()
  const reported: RepairItem[] = []
  const gate = Promise.withResolvers<void>()
  serveRepairPort(port2, {
    report: async (item) => {
      reported.push(item)
      await gate.promise
    },
  })
  const sink = new PortRepairSink(port1, systemClock())
  let isDone = false
  const seen = itemOf('a', 'missing')
  const reports = [sink.report(seen), sink.report(seen), sink.report(itemOf('b'))]
  const all = Promise.all(reports).then(() => {
    isDone = true
  })
  while (reported.length < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isDone, false)
  gate.resolve()
  await all
  await sink.report(seen)
  // The first miss of the key may be repaired by now.
  await sink.report(itemOf('b'))
  assert.deepEqual(reported, [seen, itemOf('b'), itemOf('b')])
  port1.close()
})

test('nobody waits for a main thread that is gone, and garbage is dropped', async () => {
  const { port1, port2 } = new MessageChannel()
  serveRepairPort(port2, { report: () => assert.fail('Nothing of this is an item') })
  for (const garbage of [1, null, {}, { id: 1 }, { id: 1, item: { pool: 0, set: 0 } }]) {
    port1.postMessage(garbage)
  }
  const lost = new MessageChannel()
  const sink = new PortRepairSink(lost.port1, systemClock())
  const report = sink.report(itemOf('a'))
  lost.port2.close()
  await report
  await sink.report(itemOf('b'))
  port1.close()
})
