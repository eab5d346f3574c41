import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyModel, VersionsModel } from './crash-model.ts'

test('an unanswered write may be there or not, but stays what the first read saw', () => {
  for (const seen of ['old', 'new']) {
    const model = new KeyModel()
    model.begin('old')
    model.acknowledge('old')
    model.begin('new')
    model.observe('key', seen)
    model.observe('key', seen)
    assert.throws(() => model.observe('key', seen === 'old' ? 'new' : 'old'), /"key" reads as/)
  }
})

test('a lost, torn or resurrected write is found', () => {
  const model = new KeyModel()
  model.begin('first')
  model.acknowledge('first')
  model.begin('second')
  model.acknowledge('second')
  assert.throws(() => model.observe('key', 'first'), /replaced by an acknowledged write/)
  assert.throws(() => model.observe('key', null), /replaced by an acknowledged write/)
  assert.throws(() => model.observe('key', 'half of both'), /never written/)
  model.observe('key', 'second')
})

test('versions must be complete, in order, with at most the unanswered change', () => {
  const first = { versionId: '1', sha256: 'a' }
  const second = { versionId: '2', sha256: 'b' }
  const unanswered = { versionId: '3', sha256: 'c' }
  const filled = (): VersionsModel => {
    const model = new VersionsModel()
    model.acknowledgeAdded(first)
    model.acknowledgeAdded(second)
    return model
  }
  for (const bad of [[], [second], [first, second], [unanswered, second, first]]) {
    assert.throws(() => filled().observe('key', bad), /has versions/)
  }
  filled().observe('key', [second, first])
  const adding = filled()
  adding.begin({ kind: 'add', sha256: 'c' })
  adding.observe('key', [unanswered, second, first])
  assert.throws(() => adding.observe('key', [second, first]), /has versions/)
  const removing = filled()
  removing.begin({ kind: 'remove', versionId: '1' })
  removing.observe('key', [second])
  assert.throws(() => removing.observe('key', [second, first]), /has versions/)
})
