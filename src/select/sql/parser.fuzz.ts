import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { fuzz } from '#testing/fuzz'
import { SelectError } from '../select-error.ts'
import { QUERY_CASES } from '../testing/query-cases.ts'
import { checkQuery } from './analysis.ts'
import { tokensOf } from './lexer.ts'
import { parseQuery } from './parser.ts'

const PIECES =
  'SELECT FROM S3Object s * , ( ) [ ] . id "q" \'x\' 1 2.5 1e9 WHERE AND OR NOT = <> < || + - / % LIKE ESCAPE IN BETWEEN IS NULL MISSING CASE WHEN THEN ELSE END CAST( AS INT LIMIT SUM( COUNT(*) TRIM( LEADING EXTRACT( YEAR DATE_ADD( `2020T` \' " ; \u0000 é 😀'.split(
    ' ',
  )

function pick(random: Random, pieces: readonly string[]): string {
  return pieces[random.below(pieces.length)] ?? ''
}

function tryParse(sql: string): void {
  try {
    checkQuery(parseQuery(sql))
  } catch (error) {
    assert.ok(error instanceof SelectError, `${JSON.stringify(sql)}: ${String(error)}`)
  }
}

fuzz('select: pieces in any order are a query or refused', (random) => {
  const count = random.below(60)
  const words = Array.from({ length: count }, () => pick(random, PIECES))
  tryParse(
    `${random.below(2) === 0 ? 'SELECT ' : ''}${words.join(random.below(5) === 0 ? '' : ' ')}`,
  )
})

fuzz('select: changed queries are a query or refused', (random) => {
  const { sql } = QUERY_CASES[random.below(QUERY_CASES.length)] ?? { sql: '' }
  const at = random.below(sql.length + 1)
  const end = at + random.below(4)
  tryParse(sql.slice(0, at) + pick(random, PIECES) + sql.slice(end))
})

fuzz('select: tokens cover the expression in order', (random) => {
  const words = Array.from({ length: random.below(20) }, () => pick(random, PIECES))
  let tokens
  try {
    tokens = tokensOf(words.join(' '))
  } catch (error) {
    assert.ok(error instanceof SelectError)
    return
  }
  for (let i = 1; i < tokens.length; i++) {
    assert.ok((tokens[i]?.at ?? 0) > (tokens[i - 1]?.at ?? 0))
  }
  assert.equal(tokens.at(-1)?.kind, 'end')
})

fuzz('select: nesting of any depth ends', (random) => {
  const depth = random.below(3000)
  const open = pick(random, ['(', '[', 'LOWER(', '-(', 'NOT (', 'CASE WHEN ', 'CAST('])
  tryParse(`SELECT ${open.repeat(depth)}1 FROM S3Object`)
})
