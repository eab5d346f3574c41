import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEtags, parseHttpDate } from './conditions.ts'
import { formatAmzDate, isScopeDate, parseAmzDate, parseIsoTime } from './dates.ts'

test('compact times are exact or refused', () => {
  assert.equal(parseAmzDate('20240229T235959Z'), Date.parse('2024-02-29T23:59:59Z'))
  assert.equal(formatAmzDate(Date.parse('2024-02-29T23:59:59.123Z')), '20240229T235959Z')
  const wrong = [
    '',
    '20230229T000000Z',
    '20240230T000000Z',
    '20241301T000000Z',
    '20240101T240000Z',
    '20240101T006000Z',
    '20240101T000060Z',
    '20240101 000000Z',
    '2024010aT000000Z',
    '20240101T000000z',
    '20240101T000000',
    '+0240101T000000Z',
    '20240100T000000Z',
  ]
  for (const text of wrong) assert.equal(parseAmzDate(text), undefined, text)
})

test('scope dates are days that exist', () => {
  assert.ok(isScopeDate('20240229'))
  for (const text of ['20230229', '2024022', '202402290', '2024-2-9']) {
    assert.ok(!isScopeDate(text), text)
  }
})

test('HTTP dates come in all four forms', () => {
  const seconds = Date.parse('1994-11-06T08:49:37Z') / 1000
  for (const text of [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 09:49:37 +0100',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    '1994-11-06T08:49:37Z',
    '1994-11-06T08:49:37.5Z',
    '19941106T084937Z',
  ]) {
    assert.equal(parseHttpDate(text), seconds, text)
  }
  for (const text of ['', 'yesterday', 'Sun, 31 Feb 1994 08:49:37 GMT', '1994-02-31T00:00:00Z']) {
    assert.equal(parseHttpDate(text), undefined, text)
  }
  assert.equal(parseIsoTime('2024-01-02'), Date.parse('2024-01-02T00:00:00Z'))
})

test('entity tags lose quotes and the weak mark, and stay a list', () => {
  assert.deepEqual(parseEtags('"a", W/"b",c'), ['a', 'b', 'c'])
  assert.deepEqual(parseEtags('*'), ['*'])
  assert.deepEqual(parseEtags(''), [''])
  assert.equal(parseEtags(undefined), undefined)
})
