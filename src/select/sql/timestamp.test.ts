import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#base/random'
import { daysOfDate, parseTimestamp, Timestamp } from './timestamp.ts'

test('days and dates agree with the calendar of JavaScript', () => {
  const random = seededRandom(1)
  for (let i = 0; i < 20_000; i++) {
    const seconds = random.below(2 ** 31) * 147 - 62_135_596_800
    const { year, month, day, hour, minute, second } = new Timestamp(seconds, 0, 0).fields()
    const date = new Date(seconds * 1000)
    assert.deepEqual(
      [year, month, day, hour, minute, second],
      [
        date.getUTCFullYear(),
        date.getUTCMonth() + 1,
        date.getUTCDate(),
        date.getUTCHours(),
        date.getUTCMinutes(),
        date.getUTCSeconds(),
      ],
    )
    assert.equal(daysOfDate(year, month, day), Math.floor(seconds / 86_400))
  }
})

test('months beyond the year run on', () => {
  assert.equal(daysOfDate(2020, 13, 1), daysOfDate(2021, 1, 1))
  assert.equal(daysOfDate(2020, 0, 1), daysOfDate(2019, 12, 1))
  assert.equal(daysOfDate(2020, -11, 31), daysOfDate(2019, 1, 31))
  assert.equal(daysOfDate(2020, 3, 0), daysOfDate(2020, 2, 29))
})

test('texts are read and written in the shortest form', () => {
  const same = [
    '2007T',
    '2007-02T',
    '2007-02-23T',
    '2007-02-23T12:14Z',
    '2007-02-23T12:14:33Z',
    '2007-02-23T12:14:33.079-08:00',
    '0001T',
    '9999-12-31T23:59:59.999999999Z',
    '2007-02-23T00:00+01:00',
    '2020-02-29T',
  ]
  for (const text of same) assert.equal(parseTimestamp(text)?.toString(), text)
  assert.equal(parseTimestamp('2007-01-01T00:00:00.000Z')?.toString(), '2007T')
  assert.equal(parseTimestamp('2007-02-23T12:14:00.500Z')?.toString(), '2007-02-23T12:14:00.5Z')
})

test('texts of other forms are none', () => {
  const none = [
    '',
    'T',
    '2007',
    '2007-02',
    '2007-02-23',
    '2007-13T',
    '2007-02-30T',
    '2007-02-23T12Z',
    '2007-02-23T24:00Z',
    '2007-02-23T12:60Z',
    '2007-02-23T12:14',
    '2007-02-23T12:14+24:00',
    '2007-02-23T12:14:33.1234567890Z',
    ' 2007T',
    '0000T',
    '02007T',
    '2021-02-29T',
  ]
  for (const text of none) assert.equal(parseTimestamp(text), undefined, text)
})
