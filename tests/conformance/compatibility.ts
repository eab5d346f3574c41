/** Differences from MinIO: those that are known and meant, and the page that tells them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../lib/programs.ts'
import { DIFFERENCES } from './differences.ts'
import type { Outcome } from './run-rules.ts'

const PAGE = join(REPOSITORY, 'docs/compatibility.md')
const BEGIN = '<!-- begin of what `npm run conformance -- --minio --write` writes -->'
const END = '<!-- end of it -->'

function reasonOf(title: string): string | undefined {
  return DIFFERENCES.find(({ rules }) =>
    rules.some((rule) => (typeof rule === 'string' ? rule === title : rule.test(title))),
  )?.reason
}

/** Rules that MinIO fails without a reason in the table, and rules of the table that it passes. */
export function unexplained(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.filter(({ title, failure }) => {
    const exact = DIFFERENCES.some(({ rules }) => rules.includes(title))
    return failure === undefined ? exact : reasonOf(title) === undefined
  })
}

/** Writes the differences of a run into the page, by reason. */
export function writeCompatibility(outcomes: readonly Outcome[]): void {
  const failed = outcomes.filter((outcome) => outcome.failure !== undefined)
  const lines: string[] = [
    `MinIO keeps ${outcomes.length - failed.length} of ${outcomes.length} rules of the suite as Cairn does, and differs in ${failed.length}.`,
    '',
  ]
  for (const { title, reason } of DIFFERENCES) {
    const rows = failed.filter((outcome) => reasonOf(outcome.title) === reason)
    if (rows.length === 0) continue
    lines.push(
      `### ${title}`,
      '',
      reason,
      '',
      '| Rule of the suite | What MinIO does |',
      '|---|---|',
    )
    for (const row of rows)
      lines.push(`| ${cell(row.title)} | ${cell(answerOf(row.failure ?? ''))} |`)
    lines.push('')
  }
  const page = readFileSync(PAGE, 'utf8')
  const [head, rest] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (head < 0 || rest < 0) throw new Error(`${PAGE} has no place for the table`)
  writeFileSync(
    PAGE,
    `${page.slice(0, head + BEGIN.length)}\n\n${lines.join('\n')}${page.slice(rest)}`,
  )
}

function cell(text: string): string {
  return text
    .replaceAll(/[\n\r]+/g, ' ')
    .replaceAll('|', '\\|')
    .slice(0, 220)
}

/** Names of buckets and keys are different in each run. */
function answerOf(failure: string): string {
  return failure
    .replaceAll(/conf-[0-9a-f]{8}-[0-9a-f]{4}/g, 'bucket')
    .replaceAll(/k-[0-9a-f]{8}/g, 'key')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'id')
    .replaceAll(/(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])/g, 'tag')
}
