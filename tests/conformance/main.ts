/**
 * The conformance suite, `npm run conformance`: without an endpoint against a server of its own on temporary drives.
 * The differences of a real MinIO must be those of `differences.ts`. Ends with `N passed, N failed`; exit code 1 when a
 * rule failed.
 */
import { commandOptions } from '../../src/testing/command-options.ts'
import { startServer } from '../lib/server.ts'
import { TemporaryFolder } from '../lib/temporary.ts'
import { unexplained, writeCompatibility } from './compatibility.ts'
import { runRules, type Outcome } from './run-rules.ts'
import { titleOf } from './rule.ts'
import { RULES } from './rules.ts'
import { Wire } from './wire.ts'

const REGION = 'us-east-1'
/** Used only by servers that the suite starts. */
const CREDENTIALS = { accessKey: 'conformance', secretKey: 'conformance-secret' }

const USAGE = `npm run conformance -- [options]

  --endpoint URL      a server that runs already; else one is started on temporary drives
  --access-key KEY    for it, or AWS_ACCESS_KEY_ID
  --secret-key KEY    for it, or AWS_SECRET_ACCESS_KEY
  --region REGION     ${REGION}
  --minio             starts a real MinIO: its differences must be the known ones
  --write             with --minio: writes them to docs/compatibility.md
  --only REGEX        rules by title
  --list              titles of the rules, nothing is run
  --parallel N        rules at a time; 8
  --json              a line of JSON for each rule`

const values = commandOptions(USAGE, {
  endpoint: { type: 'string' },
  'access-key': { type: 'string' },
  'secret-key': { type: 'string' },
  region: { type: 'string', default: REGION },
  only: { type: 'string' },
  json: { type: 'boolean', default: false },
  minio: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  parallel: { type: 'string', default: '8' },
})

async function main(): Promise<number> {
  const only = values.only === undefined ? undefined : new RegExp(values.only)
  const chosen = RULES.filter((rule) => only?.test(titleOf(rule)) ?? true)
  if (values.list) {
    for (const rule of chosen) console.log(titleOf(rule))
    return 0
  }
  const options = { parallel: Number(values.parallel) }
  if (values.endpoint !== undefined) {
    const credentials = {
      accessKey: values['access-key'] ?? process.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretKey: values['secret-key'] ?? process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    }
    const wire = new Wire(values.endpoint, credentials, values.region)
    return report(await runRules(wire, chosen, options))
  }
  using folder = new TemporaryFolder()
  await using server = await startServer({
    kind: values.minio ? 'minio' : 'cairn',
    folder: folder.path,
    drives: ['d{1...4}'],
    credentials: CREDENTIALS,
  })
  const wire = new Wire(server.endpoint, CREDENTIALS, values.region)
  const outcomes = await runRules(wire, chosen, options)
  await server.stop()
  return report(outcomes)
}

function report(outcomes: readonly Outcome[]): number {
  if (values.json) {
    for (const outcome of outcomes) console.log(JSON.stringify(outcome))
  }
  const failed = outcomes.filter((outcome) => outcome.failure !== undefined)
  const wrong = values.minio ? unexplained(outcomes) : failed
  if (!values.json) {
    for (const { title, failure } of wrong)
      console.log(`FAIL ${title}\n     ${failure ?? 'passes, though the tables say that it fails'}`)
  }
  if (values.minio && values.write) writeCompatibility(outcomes)
  if (values.minio) console.log(`${failed.length} of ${outcomes.length} rules differ`)
  const slowest = outcomes.toSorted((a, b) => b.elapsedMs - a.elapsedMs)[0]
  if (slowest !== undefined) {
    console.log(`Slowest rule: ${slowest.title}, ${Math.round(slowest.elapsedMs)} ms`)
  }
  console.log(`${outcomes.length - wrong.length} passed, ${wrong.length} failed`)
  return wrong.length === 0 ? 0 : 1
}

process.exitCode = await main()
