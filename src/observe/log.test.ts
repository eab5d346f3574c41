import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '#base/clock'
import { createLog } from './log.ts'

const clock: Clock = {
  nowMs: () => 0,
  nowNs: () => 0n,
  monotonicMs: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
  sleep: () => Promise.resolve(),
}

function linesOf(format: 'text' | 'json', level: 'info' | 'error'): string[] {
  const lines: string[] = []
  const log = createLog(clock, { format, level, print: (line) => lines.push(line) })
  log.debug('Hidden')
  log.info('Drive online', { drive: '/d 1', size: 5n })
  const error = new Error('Cannot read', { cause: new Error('I/O') })
  log.error('Request failed', { requestId: '00AB', error })
  return lines
}

test('text lines hold time, level, message and quoted fields', () => {
  const [info, error] = linesOf('text', 'info')
  assert.equal(info, '1970-01-01T00:00:00.000Z INFO  Drive online drive="/d 1" size=5')
  assert.match(
    error ?? '',
    /ERROR Request failed requestId=00AB error="Error: Cannot read <- Error: I\/O/,
  )
})

test('JSON lines parse and carry the request id', () => {
  const lines = linesOf('json', 'error')
  assert.equal(lines.length, 1)
  const parsed: unknown = JSON.parse(lines[0] ?? '')
  assert.ok(typeof parsed === 'object' && parsed !== null && 'requestId' in parsed)
  assert.equal(parsed.requestId, '00AB')
})

test('a line never holds a line feed', () => {
  const lines: string[] = []
  const log = createLog(clock, { format: 'text', level: 'info', print: (line) => lines.push(line) })
  log.info('Key', { key: 'a\nb' })
  assert.equal(lines[0]?.includes('\n'), false)
})
