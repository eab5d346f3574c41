import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startS3, type S3Harness, type S3Reply } from '#testing/s3-harness'
import { readMessages } from '../../select/testing/run-select.ts'

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make('select')
  await s3.put('select', 'people.csv', 'id,name\n1,Ann\n2,Bob\n')
  await s3.put('select', 'empty.csv', '')
  await s3.put('select', 'people.csv.gz', gzipSync('id,name\n1,Ann\n2,Bob\n'))
})
after(() => s3.close())

const CSV_IN = '<CSV><FileHeaderInfo>USE</FileHeaderInfo></CSV>'
const JSON_OUT = '<JSON></JSON>'

interface Parts {
  readonly sql?: string
  readonly type?: string
  readonly input?: string
  readonly output?: string
  readonly more?: string
}

function documentOf(parts: Parts): string {
  const { sql = 'SELECT * FROM S3Object', type = 'SQL', input = CSV_IN, output = JSON_OUT } = parts
  return `<?xml version="1.0" encoding="UTF-8"?><SelectObjectContentRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Expression>${sql}</Expression><ExpressionType>${type}</ExpressionType><InputSerialization>${input}</InputSerialization><OutputSerialization>${output}</OutputSerialization>${parts.more ?? ''}</SelectObjectContentRequest>`
}

function select(
  key: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<S3Reply> {
  const query = { select: '', 'select-type': '2' }
  return s3.send({ method: 'POST', bucket: 'select', key, query, body, headers })
}

test('a query is answered by a stream of messages', async () => {
  const reply = await select('people.csv', documentOf({ sql: 'SELECT id FROM S3Object' }))
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['content-type'], 'application/octet-stream')
  assert.equal(reply.headers['transfer-encoding'], 'chunked')
  const { records, events } = readMessages(reply.body)
  assert.equal(records, '{"id":"1"}\n{"id":"2"}\n')
  assert.deepEqual(events, ['Records', 'Stats', 'End'])
})

test('compressed objects, scan ranges and empty objects are read', async () => {
  const gzip = `<CompressionType>GZIP</CompressionType>${CSV_IN}`
  const compressed = await select('people.csv.gz', documentOf({ input: gzip }))
  assert.equal(readMessages(compressed.body).records.length, 48)
  const more = '<ScanRange><Start>9</Start><End>14</End></ScanRange>'
  const ranged = await select('people.csv', documentOf({ more }))
  assert.equal(readMessages(ranged.body).records, '{"id":"2","name":"Bob"}\n')
  const empty = await select('empty.csv', documentOf({ sql: 'SELECT COUNT(*) FROM S3Object' }))
  assert.equal(readMessages(empty.body).records, '{"_1":0}\n')
})

test('an error of a record comes in the stream', async () => {
  const sql = 'SELECT CAST(name AS INT) FROM S3Object'
  const reply = await select('people.csv', documentOf({ sql }))
  assert.equal(reply.status, 200)
  assert.equal(readMessages(reply.body).error, 'CastFailed')
})

test('every wrong part of a request has its code', async () => {
  const wrong: readonly (readonly [string, Parts])[] = [
    ['InvalidExpressionType', { type: 'XQUERY' }],
    ['ParseSelectFailure', { sql: 'SELECT' }],
    ['BadTableName', { sql: 'SELECT * FROM elsewhere' }],
    ['InvalidQuery', { sql: 'SELECT id, SUM(id) FROM S3Object' }],
    ['MissingHeaders', { sql: 'SELECT nobody FROM S3Object' }],
    ['InvalidDataSource', { input: '' }],
    ['InvalidDataSource', { input: '<Parquet></Parquet>' }],
    ['ObjectSerializationConflict', { input: `${CSV_IN}<JSON><Type>LINES</Type></JSON>` }],
    ['ObjectSerializationConflict', { output: '' }],
    ['ObjectSerializationConflict', { output: '<CSV></CSV><JSON></JSON>' }],
    ['InvalidJsonType', { input: '<JSON><Type>TREE</Type></JSON>' }],
    ['InvalidFileHeaderInfo', { input: '<CSV><FileHeaderInfo>MAYBE</FileHeaderInfo></CSV>' }],
    ['InvalidQuoteFields', { output: '<CSV><QuoteFields>NEVER</QuoteFields></CSV>' }],
    ['InvalidCompressionFormat', { input: `<CompressionType>RAR</CompressionType>${CSV_IN}` }],
    ['InvalidCompressionFormat', { input: `<CompressionType>GZIP</CompressionType>${CSV_IN}` }],
    [
      'InvalidRequestParameter',
      { input: '<CompressionType>GZIP</CompressionType><Parquet></Parquet>' },
    ],
    ['InvalidRequestParameter', { more: '<ScanRange><Start>5</Start><End>4</End></ScanRange>' }],
    ['InvalidRequestParameter', { more: '<ScanRange></ScanRange>' }],
    ['InvalidRequestParameter', { more: '<ScanRange><Start>-1</Start></ScanRange>' }],
    ['MalformedXML', { more: '<Other></Other>' }],
    ['MalformedXML', { more: '<RequestProgress><Enabled>5</Enabled></RequestProgress>' }],
    ['MalformedXML', { input: '<CSV><RecordDelimiter>abc</RecordDelimiter></CSV>' }],
    ['MalformedXML', { input: '<CSV><FieldDelimiter>ab</FieldDelimiter></CSV>' }],
    ['MalformedXML', { input: '<CSV><Unknown>1</Unknown></CSV>' }],
  ]
  for (const [code, parts] of wrong) {
    const reply = await select('people.csv', documentOf(parts))
    assert.equal(reply.code, code, JSON.stringify(parts))
    assert.equal(reply.status, 400)
  }
})

test('requests that are no query are refused', async () => {
  const good = documentOf({})
  assert.equal((await select('people.csv', '')).code, 'EmptyRequestBody')
  assert.equal((await select('people.csv', '<a')).code, 'MalformedXML')
  assert.equal((await select('people.csv', '<Other/>')).code, 'MalformedXML')
  const missing = '<SelectRequest><Expression>x</Expression></SelectRequest>'
  assert.equal((await select('people.csv', missing)).code, 'MissingRequiredParameter')
  const ranged = await select('people.csv', good, { range: 'bytes=0-5' })
  assert.equal(ranged.code, 'UnsupportedRangeHeader')
  const sealed = await select('people.csv', good, { 'x-amz-server-side-encryption': 'AES256' })
  assert.equal(sealed.code, 'BadRequest')
  assert.equal((await select('nothing', good)).code, 'NoSuchKey')
  const long = documentOf({ sql: `SELECT '${'x'.repeat(300_000)}' FROM S3Object` })
  assert.equal((await select('people.csv', long)).code, 'ExpressionTooLong')
})
