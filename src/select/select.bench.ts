/** How much queries read in a second of processor time: MB/s of CSV and of JSON. Each query is run until its time is up. */
import { utf8 } from '#base/bytes'
import { CSV, LINES, runSelect, TO_CSV } from './testing/run-select.ts'

const PIECE_RECORDS = 16_000
const MS_DEFAULT = 1000
const budgetMs = Number(process.env['BENCH_MS'] ?? MS_DEFAULT)

const CSV_LINES = utf8(
  '12345,some name here,2020-01-01,99.5,abc,text,7,true\n'.repeat(PIECE_RECORDS),
)
const QUOTED_LINES = utf8(
  '12345,some name here,2020-01-01,99.5,abc,"quoted, text",7,true\n'.repeat(PIECE_RECORDS),
)
const JSON_LINES = utf8(
  '{"id":12345,"name":"some name here","date":"2020-01-01","v":99.5,"tags":["a","b"],"o":{"x":1,"y":null}}\n'.repeat(
    PIECE_RECORDS / 2,
  ),
)

async function measure(label: string, sql: string, piece: Uint8Array): Promise<void> {
  const endMs = performance.now() + budgetMs
  const start = process.cpuUsage()
  let bytes = 0
  const source = {
    sizeBytes: Number.MAX_SAFE_INTEGER,
    open: async () => ({
      next: async () => {
        if (performance.now() >= endMs && bytes > 0) return undefined
        bytes += piece.length
        return piece
      },
      close: () => undefined,
    }),
  }
  const input = piece === JSON_LINES ? LINES : ({ ...CSV, header: 'NONE' } as const)
  const { error } = await runSelect(sql, { source, input, output: TO_CSV })
  if (error !== undefined) throw new Error(`${sql}: ${error}`)
  const { user, system } = process.cpuUsage(start)
  const speed = bytes / (user + system)
  console.log(`${label.padEnd(8)} ${sql.padEnd(80)} ${speed.toFixed(0).padStart(5)} MB/s`)
}

const QUERIES = [
  'SELECT COUNT(*) FROM S3Object',
  "SELECT * FROM S3Object WHERE _2 = 'x'",
  'SELECT * FROM S3Object WHERE _4 > 100',
  'SELECT SUM(_1) FROM S3Object',
  "SELECT COUNT(*) FROM S3Object WHERE _2 LIKE '%zzz%' AND CAST(_7 AS INT) = 6",
  'SELECT _1, _2 FROM S3Object',
  'SELECT * FROM S3Object',
]
for (const [label, piece] of [
  ['CSV', CSV_LINES],
  ['quoted', QUOTED_LINES],
] as const) {
  for (const sql of QUERIES) await measure(label, sql, piece)
}
for (const sql of [
  'SELECT COUNT(*) FROM S3Object',
  'SELECT s.name FROM S3Object s WHERE s.id = 5',
  'SELECT SUM(s.v) FROM S3Object s',
  'SELECT * FROM S3Object',
]) {
  await measure('JSON', sql, JSON_LINES)
}
