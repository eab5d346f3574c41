import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#base/random'
import { PARQUET } from '../testing/parquet-sample.ts'
import { runSelect, type RunResult } from '../testing/run-select.ts'

function run(sql: string, data: Uint8Array = PARQUET): Promise<RunResult> {
  return runSelect(sql, { data, input: { kind: 'parquet' } })
}

test('every type of Parquet has a value', async () => {
  const { records } = await run('SELECT * FROM S3Object LIMIT 1')
  assert.equal(
    records,
    '{"id":1,"n":1,"name":"Ann","v":1.5,"ok":true,"ts":"2020-01-02T03:04:05.678901Z","d":"2020-02-29T","dec":1.25,"tags":["a","b"],"o":{"x":1,"y":"q"},"b":"\\u0000\ufffd"}\n',
  )
})

test('queries use columns, paths and aggregates', async () => {
  assert.equal((await run('SELECT COUNT(*) FROM S3Object')).records, '{"_1":3}\n')
  assert.equal((await run('SELECT SUM(n), MAX(v) FROM S3Object')).records, '{"_1":4,"_2":2}\n')
  const paths = await run('SELECT s.id / 2 AS h, s.tags[1] AS t, s.O.X FROM S3Object s LIMIT 1')
  assert.equal(paths.records, '{"h":0,"t":"b","X":1}\n')
  const nulls = await run('SELECT id FROM S3Object WHERE name IS NULL')
  assert.equal(nulls.records, '{"id":3}\n')
})

test('only the columns of the query are read', async () => {
  const scanned = async (sql: string): Promise<number> =>
    Number(/<BytesScanned>(\d+)</.exec((await run(sql)).stats)?.[1])
  assert.ok((await scanned('SELECT id FROM S3Object')) < (await scanned('SELECT * FROM S3Object')))
})

test('a column that is not there is refused', async () => {
  assert.equal((await run('SELECT nothing FROM S3Object')).error, 'MissingHeaders')
  assert.equal((await run('SELECT s."ID" FROM S3Object s')).error, 'MissingHeaders')
})

test('what is no Parquet file is refused', async () => {
  const broken = [
    new Uint8Array(0),
    new Uint8Array(11),
    PARQUET.subarray(0, PARQUET.length - 1),
    PARQUET.subarray(100),
    withBytes(PARQUET.length - 8, [0xff, 0xff, 0xff, 0x7f]),
    withBytes(PARQUET.length - 8, [4, 0, 0, 0]),
  ]
  for (const data of broken) {
    const result = await run('SELECT * FROM S3Object', data)
    assert.equal(result.error, 'ParquetParsingError')
    assert.equal(result.records, '')
  }
})

function withBytes(at: number, bytes: readonly number[]): Uint8Array {
  const data = PARQUET.slice()
  data.set(bytes, at)
  return data
}

test('a damaged file gives records or an error, never more', async () => {
  const random = seededRandom(7)
  for (let i = 0; i < 12; i++) {
    const data = PARQUET.slice()
    for (let k = 0; k < 3; k++) data[random.below(data.length)] = random.below(256)
    const { error } = await run('SELECT * FROM S3Object', data)
    const known: readonly (string | undefined)[] = [
      undefined,
      'ParquetParsingError',
      'OverMaxParquetBlockSize',
      'OverMaxRecordSize',
    ]
    assert.ok(known.includes(error), error ?? 'none')
  }
})
