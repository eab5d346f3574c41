/**
 * Takes over the drives that MinIO wrote (shared fixtures): every field of every manifest must be shown again.
 * `CAIRN_TEST_SERVER=minio` validates the comparison with the reference; `CAIRN_TEST_SCENARIO=ec4,sets` picks some.
 */
import { suite, test } from 'node:test'
import { assertGood, type Check, runChecks, type Verdict } from './lib/checks.ts'
import {
  driveArguments,
  fixturesFolder,
  type Manifest,
  readManifest,
  unpackDrives,
} from './lib/manifest.ts'
import { crashChecks, listedReadChecks, manifestChecks } from './lib/manifest-checks.ts'
import type { S3Driver } from './lib/s3-driver.ts'
import { type RunningServer, type ServerKind, serverUnderTest, startServer } from './lib/server.ts'
import { TAKE_OVER_EXCEPTIONS } from './lib/take-over-exceptions.ts'
import { TemporaryFolder } from './lib/temporary.ts'
import { completionChecks, pendingUploadChecks } from './lib/upload-checks.ts'

const SCENARIOS = [
  'single',
  'ec4',
  'ec4-degraded',
  'ec4-versions',
  'sets',
  'pools',
  'ec8',
  'encrypted',
  'multipart-pending',
  'lifecycle-tier-less',
  'compressed',
  'compressed-encrypted',
  'crash',
  'old-2019-10',
  'old-2019-10-upgraded',
  'old-2021-02',
  'old-2021-02-upgraded',
  'old-2021-05',
  'old-2021-05-upgraded',
  'old-2022-05',
  'old-2022-05-upgraded',
]

const kind = serverUnderTest()
const fixtures = fixturesFolder()
const chosen = process.env['CAIRN_TEST_SCENARIO']?.split(',') ?? SCENARIOS

/** Keys that a manifest abbreviates are spelled out. */
function refusedKey(key: string): string {
  const match = /^(?<start>.+?)\.\.\. \((?<size>\d+) bytes\)$/.exec(key)
  if (match === null) return key
  const start = match.groups?.['start'] ?? ''
  return start.slice(0, 2).repeat(Number(match.groups?.['size']) / 2)
}

function refusalChecks(client: S3Driver, manifest: Manifest): Check[] {
  const bucket = manifest.buckets?.[0]?.name ?? ''
  const keys = (manifest.refusedKeys ?? []).map(({ key, status, code }) => ({
    id: `${bucket}/refusedKey/${key.slice(0, 40)}`,
    expected: { status, code },
    observe: async () => {
      const reply = await client.send({
        method: 'PUT',
        bucket,
        key: refusedKey(key),
        body: 'refused?',
      })
      return { status: reply.status, code: reply.code }
    },
  }))
  const probes = (manifest.probes ?? []).map((probe) => ({
    id: `${probe.bucket}/probe/${probe.method} ${probe.key}#${probe.versionId}`,
    expected: { status: probe.status, code: probe.code },
    observe: async () => {
      const { method, key, versionId } = probe
      const reply = await client.send({ method, bucket: probe.bucket, key, query: { versionId } })
      return { status: reply.status, code: reply.code }
    },
  }))
  return [...keys, ...probes]
}

async function takeOver(server: RunningServer, manifest: Manifest): Promise<Verdict[]> {
  const { client } = server
  const exceptions = TAKE_OVER_EXCEPTIONS[kind]
  const named = (checks: readonly Check[]): Check[] =>
    checks.map((check) => ({
      ...check,
      id: `${manifest.scenario}/${check.id}`,
      observe: () => check.observe(),
    }))
  const uploads = manifest.pendingUploads ?? []
  const reading =
    manifest.buckets === undefined
      ? [...crashChecks(client, manifest), ...(await listedReadChecks(client))]
      : manifestChecks(client, manifest, { recover: kind === 'cairn' })
  reading.push(...pendingUploadChecks(client, uploads))
  const verdicts = [await runChecks(named(reading), exceptions)]
  // What follows changes the drives, in an order.
  for (const check of named([
    ...completionChecks(client, uploads),
    ...refusalChecks(client, manifest),
  ])) {
    verdicts.push(await runChecks([check], exceptions))
  }
  return verdicts
}

function summed(verdicts: readonly Verdict[]): Verdict {
  const needed = verdicts.flatMap((verdict) => verdict.unexpectedPasses)
  return {
    checkCount: verdicts.reduce((sum, verdict) => sum + verdict.checkCount, 0),
    differences: verdicts.flatMap((verdict) => verdict.differences),
    exceptedCount: verdicts.reduce((sum, verdict) => sum + verdict.exceptedCount, 0),
    unexpectedPasses: [...new Set(needed)],
  }
}

async function testScenario(folder: string, scenario: string, server: ServerKind): Promise<string> {
  const manifest = readManifest(folder, scenario)
  using drives = new TemporaryFolder()
  await unpackDrives(folder, scenario, drives.path)
  await using running = await startServer({
    kind: server,
    folder: drives.path,
    drives: driveArguments(manifest),
    credentials: manifest.server.credentials,
    environment: manifest.start.environment,
    tls: manifest.tls === true,
  })
  const verdict = summed(await takeOver(running, manifest))
  assertGood(verdict)
  await running.stop()
  return `${verdict.checkCount} checks, ${verdict.exceptedCount} excepted, ready after ${running.readyMs} ms`
}

suite(`take-over by ${kind}`, {
  skip: fixtures === undefined && 'the golden drives are not here',
}, () => {
  for (const scenario of chosen) {
    test(`drives of "${scenario}" show their manifest`, { timeout: 180_000 }, async (context) => {
      context.diagnostic(await testScenario(fixtures ?? '', scenario, kind))
    })
  }
})
