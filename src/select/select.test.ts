import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { type QueryCase, QUERY_CASES, PEOPLE } from './testing/query-cases.ts'
import {
  CSV,
  DOCUMENT,
  LINES,
  runSelect,
  type RunOptions,
  sourceOf,
  TO_CSV,
  TO_JSON,
} from './testing/run-select.ts'

const INPUTS = {
  csv: CSV,
  'csv-none': { ...CSV, header: 'NONE' },
  'csv-ignore': { ...CSV, header: 'IGNORE' },
  lines: LINES,
  document: DOCUMENT,
} as const

function optionsOf(one: QueryCase): RunOptions {
  return {
    data: one.data ?? PEOPLE,
    input: INPUTS[one.input ?? 'csv'],
    output: one.output === 'csv' ? TO_CSV : TO_JSON,
  }
}

for (const pieceBytes of [64 * 1024, 1]) {
  test(`queries give the records of the table, from pieces of ${pieceBytes} bytes`, async () => {
    for (const one of QUERY_CASES) {
      const result = await runSelect(one.sql, { ...optionsOf(one), pieceBytes })
      const records = result.records.replace(/\n$/, '')
      const label = `${one.sql} over ${one.data ?? 'PEOPLE'}: ${result.errorText ?? ''}`
      assert.equal(result.error, one.error, label)
      if (one.records !== undefined) assert.equal(records, one.records, label)
      if (one.error === undefined) assert.deepEqual(result.events.slice(-2), ['Stats', 'End'])
    }
  })
}

test('a query without an error ends with its counts', async () => {
  const result = await runSelect('SELECT id FROM S3Object', { data: PEOPLE })
  assert.deepEqual(result.events, ['Records', 'Stats', 'End'])
  assert.match(result.stats, /<BytesScanned>83<.*<BytesProcessed>83<.*<BytesReturned>33</)
})

test('an error in the stream is its last message', async () => {
  const result = await runSelect('SELECT 10 / (id - 2) FROM S3Object', { data: PEOPLE })
  assert.deepEqual(result.events, ['error'])
  assert.equal(result.isRefused, false)
})

test('records that were made before an error are not sent after it', async () => {
  const data = `a\n${'1\n'.repeat(200_000)}x\n`
  const result = await runSelect('SELECT CAST(a AS INT) FROM S3Object', { data })
  assert.deepEqual(result.events, ['Records', 'error'])
  assert.equal(result.error, 'CastFailed')
})

test('a scan range takes the records that begin in it, whole', async () => {
  const data = 'a,b\n10,x\n20,yy\n30,z\n'
  const run = async (start?: number, end?: number): Promise<string> => {
    const scanRange = { start, end }
    const output = TO_CSV
    return (await runSelect('SELECT a FROM S3Object', { data, scanRange, output })).records
  }
  assert.equal(await run(0, 3), '')
  assert.equal(await run(0, 4), '10\n')
  assert.equal(await run(0, 8), '10\n')
  assert.equal(await run(0, 9), '10\n20\n')
  assert.equal(await run(4, 8), '10\n')
  assert.equal(await run(5, 9), '20\n')
  assert.equal(await run(9), '20\n30\n')
  assert.equal(await run(10), '30\n')
  assert.equal(await run(undefined, 5), '30\n')
  assert.equal(await run(undefined, 6), '30\n')
  assert.equal(await run(undefined, 500), '10\n20\n30\n')
  assert.equal(await run(500), '')
})

test('scan ranges that meet take every record once, whatever the characters', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i},${'é😀'.repeat(i % 4)}`)
  const data = utf8(`${rows.join('\n')}\n`)
  for (const size of [1, 2, 3, 7, 50]) {
    let found = ''
    for (let start = 0; start < data.length; start += size) {
      const result = await runSelect('SELECT _1 FROM S3Object', {
        data,
        input: { ...CSV, header: 'NONE' },
        output: TO_CSV,
        scanRange: { start, end: start + size - 1 },
        pieceBytes: 5,
      })
      assert.equal(result.error, undefined)
      found += result.records
    }
    assert.equal(found, rows.map((_, i) => `${i}\n`).join(''))
  }
})

test('scan ranges of lines of JSON take every record once', async () => {
  const rows = Array.from({ length: 30 }, (_, i) => JSON.stringify({ a: i, b: 'é'.repeat(i % 3) }))
  const data = utf8(rows.join('\n'))
  let found = ''
  for (let start = 0; start < data.length; start += 11) {
    const scanRange = { start, end: start + 10 }
    const result = await runSelect('SELECT s.a FROM S3Object s', {
      data,
      input: LINES,
      output: TO_CSV,
      scanRange,
    })
    found += result.records
  }
  assert.equal(found, rows.map((_, i) => `${i}\n`).join(''))
})

test('a scan range that means nothing is refused', async () => {
  const bad: RunOptions[] = [
    { scanRange: { start: 5, end: 4 } },
    { scanRange: { start: undefined, end: undefined } },
    { scanRange: { start: 0, end: 5 }, compression: 'GZIP' },
    { scanRange: { start: 0, end: 5 }, input: DOCUMENT },
  ]
  for (const options of bad) {
    const result = await runSelect('SELECT * FROM S3Object', { data: PEOPLE, ...options })
    assert.equal(result.error, 'InvalidRequestParameter')
    assert.equal(result.isRefused, true)
  }
})

test('other delimiters, quotes and comments are understood', async () => {
  const input = {
    ...CSV,
    recordDelimiter: '^^',
    fieldDelimiter: ';',
    quote: "'",
    quoteEscape: '\\',
    comment: '!',
  }
  const data = "a;b^^!c;d^^'x\\'^^y;';2^^3;4^5^^"
  const result = await runSelect('SELECT * FROM S3Object', { data, input, pieceBytes: 3 })
  assert.equal(result.records, '{"a":"x\'^^y;","b":"2"}\n{"a":"3","b":"4^5"}\n')
  const none = await runSelect('SELECT * FROM S3Object', {
    data: 'a\n"x\n',
    input: { ...CSV, quote: '' },
  })
  assert.equal(none.records, '{"a":"\\"x"}\n')
})

test('output has the quotes and delimiters that are asked for', async () => {
  const output = {
    ...TO_CSV,
    quoteFields: 'ALWAYS',
    recordDelimiter: '|\n',
    fieldDelimiter: ';',
    quote: "'",
    quoteEscape: '\\',
  } as const
  const result = await runSelect('SELECT * FROM S3Object', { data: "a,b\nit's,x\n", output })
  assert.equal(result.records, "'it\\'s';'x'|\n")
})

test('text that is not UTF-8 is refused', async () => {
  const data = Uint8Array.of(0x61, 0x0a, 0xff, 0xfe, 0x0a)
  const result = await runSelect('SELECT * FROM S3Object', { data })
  assert.equal(result.error, 'InvalidTextEncoding')
})

test('a record over one MiB ends the query', async () => {
  const long = 'x'.repeat(1024 * 1024 + 1)
  for (const data of [`a\n${long}\n`, `a\n"${long}"\n`, `a\n${long}`]) {
    const result = await runSelect('SELECT COUNT(*) FROM S3Object', { data })
    assert.equal(result.error, 'OverMaxRecordSize')
  }
  const lines = { data: `{"a":"${long}"}`, input: LINES }
  assert.equal((await runSelect('SELECT 1 FROM S3Object', lines)).error, 'OverMaxRecordSize')
  const made = await runSelect('SELECT a || a || a FROM S3Object', {
    data: `a\n${'x'.repeat(500_000)}\n`,
  })
  assert.equal(made.error, 'OverMaxRecordSize')
})

test('a document over ten MiB ends the query', async () => {
  const data = `{"a":"${'x'.repeat(10 * 1024 * 1024)}"}`
  const result = await runSelect('SELECT 1 FROM S3Object', { data, input: DOCUMENT })
  assert.equal(result.error, 'OverMaxRecordSize')
})

test('an expression over 256 KiB is refused', async () => {
  const sql = `SELECT '${'x'.repeat(256 * 1024)}' FROM S3Object`
  assert.equal((await runSelect(sql, { data: PEOPLE })).error, 'ExpressionTooLong')
})

test('deep expressions are refused, long ones are not', async () => {
  const deep = `SELECT ${'('.repeat(5000)}1${')'.repeat(5000)} FROM S3Object`
  assert.equal((await runSelect(deep, { data: PEOPLE })).error, 'ParseSelectFailure')
  const nots = `SELECT ${'NOT '.repeat(5000)}TRUE FROM S3Object LIMIT 1`
  assert.equal((await runSelect(nots, { data: PEOPLE })).records, '{"_1":true}\n')
  const cases = `SELECT ${'LOWER('.repeat(300)}'A'${')'.repeat(300)} FROM S3Object`
  assert.equal((await runSelect(cases, { data: PEOPLE })).error, 'ParseSelectFailure')
  for (const operator of [' + ', ' OR ', ' AND ', ' || ']) {
    const unit = operator === ' + ' ? '1' : operator === ' || ' ? "''" : 'id = 1'
    const long = `SELECT ${Array(20_000).fill(unit).join(operator)} FROM S3Object LIMIT 1`
    assert.equal((await runSelect(long, { data: PEOPLE })).error, undefined)
  }
})

test('the longest expressions are queries', async () => {
  const size = 256 * 1024 - 100
  for (const [unit, end] of [
    ['1+', '1'],
    ['1,', '1'],
    ['.5,', '1'],
    ['_1,', '_1'],
    ["''||", "''"],
  ] as const) {
    const list = unit.repeat(Math.floor(size / unit.length)) + end
    for (const sql of [
      `SELECT (${list}) FROM S3Object LIMIT 1`,
      `SELECT id FROM S3Object WHERE id IN (${list})`,
    ]) {
      const { error } = await runSelect(sql, { data: PEOPLE, input: CSV })
      assert.ok(error === undefined || error === 'OverMaxRecordSize', `${unit} ${error}`)
    }
  }
})

test('work on one record is bounded', async () => {
  const data = `a\n${'a'.repeat(1_000_000)}\n`
  const like = `a LIKE '%${'a_'.repeat(50)}b%'`
  const sql = `SELECT COUNT(*) FROM S3Object WHERE ${Array(100).fill(like).join(' OR ')}`
  const startMs = performance.now()
  const result = await runSelect(sql, { data })
  assert.equal(result.error, 'UnsupportedSqlOperation')
  assert.ok(performance.now() - startMs < 5000)
})

test('a client that leaves ends the query', async () => {
  const controller = new AbortController()
  const line = utf8('1,2\n'.repeat(16 * 1024))
  let isClosed = false
  const source = {
    sizeBytes: 1e15,
    open: async () => ({
      next: async () => {
        if (controller.signal.aborted) throw new Error('Client left')
        return line
      },
      close: () => {
        isClosed = true
      },
    }),
  }
  const run = runSelect('SELECT COUNT(*) FROM S3Object', { source, signal: controller.signal })
  setTimeout(() => controller.abort(), 30)
  await assert.rejects(run)
  assert.equal(isClosed, true)
})

test('reading stops with the last record that is wanted', async () => {
  let pieces = 0
  const source = {
    sizeBytes: 1e15,
    open: async () => ({
      next: async () => {
        pieces += 1
        return utf8('1,2\n'.repeat(16 * 1024))
      },
      close: () => undefined,
    }),
  }
  const result = await runSelect('SELECT _1 FROM S3Object LIMIT 5', {
    source,
    input: { ...CSV, header: 'NONE' },
    output: TO_CSV,
  })
  assert.equal(result.records, '1\n'.repeat(5))
  assert.ok(pieces < 10)
})

test('a failing source is an internal error without its text', async () => {
  const good = sourceOf(utf8('a\n1\n'.repeat(100_000)))
  let count = 0
  const source = {
    sizeBytes: good.sizeBytes,
    open: async () => {
      const stream = await good.open(0)
      return {
        next: () => (++count > 4 ? Promise.reject(new Error('drive 3 secret')) : stream.next()),
        close: () => undefined,
      }
    },
  }
  const result = await runSelect('SELECT COUNT(*) FROM S3Object', { source })
  assert.equal(result.error, 'InternalError')
  assert.doesNotMatch(result.errorText ?? '', /secret/)
  assert.match(String(result.failure), /drive 3 secret/)
})

test('memory does not grow with the data', async () => {
  const piece = utf8('12345,some name here,2020-01-01,99.5,abc,text,7,true\n'.repeat(4000))
  const count = Math.ceil((200 * 1024 * 1024) / piece.length)
  let pieces = 0
  let peakBytes = 0
  const startBytes = process.memoryUsage().rss
  const source = {
    sizeBytes: piece.length * count,
    open: async () => ({
      next: async () => {
        pieces += 1
        if (pieces % 50 === 0) peakBytes = Math.max(peakBytes, process.memoryUsage().rss)
        return pieces > count ? undefined : piece
      },
      close: () => undefined,
    }),
  }
  const input = { ...CSV, header: 'NONE' } as const
  const result = await runSelect("SELECT COUNT(*) FROM S3Object WHERE _1 = '12345'", {
    source,
    input,
  })
  assert.equal(result.records, `{"_1":${4000 * count}}\n`)
  assert.ok(peakBytes - startBytes < 150 * 1024 * 1024, `${peakBytes - startBytes} bytes more`)
})
