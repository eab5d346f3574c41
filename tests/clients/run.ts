/**
 * The client matrix. Prints `ok client: step` or `failed client: step`, and a total; exit code 1 when a step failed.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandOptions } from '../../src/testing/command-options.ts'
import { run } from '../lib/programs.ts'
import { makePart } from '../lib/recipe.ts'
import { certificateFile, type ServerKind, serverUnderTest, startServer } from '../lib/server.ts'
import { TemporaryFolder } from '../lib/temporary.ts'
import { CLIENTS, type Client } from './clients.ts'

const CLIENT_TIMEOUT_MS = 300_000
const WEBSITE_DOMAIN = 'site.test'
const PROXY_ADDRESS = '127.0.0.2'
const PATH_PREFIX = '/s3'
const KMS_KEY = 'client-key'

const USAGE = `node tests/clients/run.ts [options]

  --only NAME,...     some of them; those that take minutes to install run only so
  --server KIND       cairn or minio: which server is started; cairn
  --endpoint URL      a server that runs already (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)

Clients: ${CLIENTS.map(({ name }) => name).join(', ')}`

const KMS_ENVIRONMENT = {
  MINIO_KMS_SECRET_KEY: `${KMS_KEY}:${Buffer.alloc(32, 7).toString('base64')}`,
}

/** What the steps of some clients need beyond a plain server. */
const ENVIRONMENT = {
  ...KMS_ENVIRONMENT,
  CAIRN_WEBSITE_DOMAIN: WEBSITE_DOMAIN,
  CAIRN_TRUSTED_PROXIES: PROXY_ADDRESS,
  CAIRN_PATH_PREFIX: PATH_PREFIX,
}

const CAIRN_EXTRAS = {
  S3_WEBSITE_DOMAIN: WEBSITE_DOMAIN,
  S3_PROXY_ADDRESS: PROXY_ADDRESS,
  S3_PATH_PREFIX: PATH_PREFIX,
  S3_UPLOADS_BELOW: 'yes',
}

interface Target {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  /** Variables that some clients look for: what a server lacks, their steps are not about. */
  readonly extras: Readonly<Record<string, string>>
}

interface Outcome {
  readonly ok: number
  readonly failed: number
  readonly skipped: boolean
}

/** The files that every client uploads. */
function makeWorkFolder(parent: string): string {
  const work = mkdtempSync(join(parent, 'client-'))
  writeFileSync(join(work, 'small.bin'), makePart({ kind: 'random', label: 'small', size: 1000 }))
  const large = makePart({ kind: 'sparse', label: 'large', size: 12 * 1024 * 1024 + 5 })
  writeFileSync(join(work, 'large.bin'), large)
  mkdirSync(join(work, 'many'))
  for (let index = 0; index < 1005; index++) {
    const name = String(index).padStart(4, '0')
    writeFileSync(join(work, 'many', name), `content of ${name}`)
  }
  return work
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function runClient(client: Client, target: Target, folder: string): Promise<Outcome> {
  let command: Awaited<ReturnType<Client['prepare']>>
  try {
    command = await client.prepare()
  } catch (error) {
    say(`skipped ${client.name}: ${String(error).slice(0, 500).replaceAll('\n', ' ')}`)
    return { ok: 0, failed: 0, skipped: true }
  }
  const began = performance.now()
  let ok = 0
  let failed = 0
  const fail = (what: string): void => {
    failed++
    say(`failed ${client.name}: ${what}`)
  }
  try {
    await run(command.program, command.args, {
      timeoutMs: CLIENT_TIMEOUT_MS,
      env: {
        S3_ENDPOINT: target.endpoint,
        S3_ACCESS_KEY: target.accessKey,
        S3_SECRET_KEY: target.secretKey,
        S3_REGION: 'us-east-1',
        ...target.extras,
        S3_BUCKET: `${client.name}-${process.pid}`,
        S3_WORK: makeWorkFolder(folder),
        ...command.env,
      },
      onLine: (line) => {
        const [, verdict, step] = /^(ok|failed) (.+)$/.exec(line) ?? []
        if (verdict === 'failed') fail(step ?? '')
        else if (verdict === 'ok') {
          ok++
          say(`ok ${client.name}: ${step}`)
        }
      },
    })
  } catch (error) {
    if (failed === 0) fail(`ended early: ${String(error)}`)
  }
  if (ok + failed === 0) fail('reported nothing')
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  say(`# ${client.name}: ${ok} ok, ${failed} failed, ${seconds} s`)
  return { ok, failed, skipped: false }
}

async function main(): Promise<void> {
  const values = commandOptions(USAGE, {
    server: { type: 'string' },
    endpoint: { type: 'string' },
    only: { type: 'string' },
  })
  const only = values.only?.split(',')
  const clients = CLIENTS.filter(({ name, isSlow }) => only?.includes(name) ?? isSlow !== true)
  if (clients.length === 0)
    throw new Error(`Unknown client; there are ${CLIENTS.map(({ name }) => name).join(', ')}`)
  using folder = new TemporaryFolder()
  const accessKey = process.env['AWS_ACCESS_KEY_ID'] ?? 'clientmatrix'
  const secretKey = process.env['AWS_SECRET_ACCESS_KEY'] ?? 'clientmatrix-secret'
  const kind: ServerKind = values.server === 'minio' ? 'minio' : serverUnderTest()
  const credentials = { accessKey, secretKey }
  await using server =
    values.endpoint === undefined
      ? await startServer({
          kind,
          folder: folder.path,
          drives: ['d{1...4}'],
          credentials,
          environment: ENVIRONMENT,
        })
      : undefined
  const endpoint = values.endpoint ?? server?.endpoint ?? ''
  // Keys of clients travel by TLS only, and most clients are to be tried without.
  const secureFolder = join(folder.path, 'secure')
  mkdirSync(secureFolder)
  await using secure =
    server !== undefined && clients.some(({ usesTls }) => usesTls === true)
      ? await startServer({
          kind,
          folder: secureFolder,
          drives: ['d1'],
          credentials,
          tls: true,
          environment: KMS_ENVIRONMENT,
        })
      : undefined
  const extras = {
    ...(server?.kind === 'cairn' ? CAIRN_EXTRAS : {}),
    ...(server === undefined ? {} : { S3_KMS_KEY: KMS_KEY }),
    ...(secure === undefined
      ? {}
      : {
          S3_TLS_ENDPOINT: secure.endpoint,
          S3_TLS_CERTIFICATE: certificateFile(secureFolder),
        }),
  }
  const target = { endpoint, accessKey, secretKey, extras }
  const outcomes: Outcome[] = []
  for (const client of clients) outcomes.push(await runClient(client, target, folder.path))
  const sum = (field: 'ok' | 'failed'): number =>
    outcomes.reduce((total, outcome) => total + outcome[field], 0)
  const skipped = outcomes.filter((outcome) => outcome.skipped).length
  say(
    `total: ${sum('ok')} ok, ${sum('failed')} failed, ${skipped} of ${clients.length} clients skipped`,
  )
  await secure?.stop()
  await server?.stop()
  if (sum('failed') > 0 || skipped === clients.length) process.exitCode = 1
}

await main()
