/**
 * A drive of a deployment of an old release is replaced: the server under test fills it, and a real MinIO then reads
 * everything with another drive gone.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertGood, runChecks } from './lib/checks.ts'
import { driveArguments, fixturesFolder, readManifest, unpackDrives } from './lib/manifest.ts'
import { manifestChecks } from './lib/manifest-checks.ts'
import { minioProgram } from './lib/programs.ts'
import { serverUnderTest, startServer } from './lib/server.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const kind = serverUnderTest()
const fixtures = fixturesFolder()
const minioMissing = await minioProgram().then(
  () => false as const,
  (error: unknown) => `no MinIO program: ${String(error)}`,
)
const FILL_MS = 60_000
const REPLACED = 'd4'
const GONE = 'd1'

/** Metadata files of clients' objects and of the deployment's own, on one drive. */
function metadataFiles(drive: string): string[] {
  return (
    readdirSync(drive, { recursive: true, withFileTypes: true })
      .filter(({ name }) => name === 'xl.meta' || name === 'xl.json')
      .map((entry) => join(entry.parentPath, entry.name).slice(drive.length + 1))
      .filter((path) => !/^\.minio\.sys\/(tmp|cairn|buckets\/\.)/.test(path))
      // Documents of buckets become part of `.metadata.bin` at the first start.
      .filter((path) => !/^\.minio\.sys\/buckets\/[^.][^/]*\/[^/.]+\.(json|xml)\//.test(path))
      .sort()
  )
}

async function waitUntilFilled(drive: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < FILL_MS; waitedMs += 100) {
    const isFormatted = existsSync(join(drive, '.minio.sys/format.json'))
    if (isFormatted && !existsSync(join(drive, '.minio.sys/buckets/.healing.bin'))) return
    await sleep(100)
  }
  assert.fail('The replaced drive was not filled in time')
}

async function replaceDrive(folder: string, scenario: string): Promise<string> {
  const manifest = readManifest(fixtures ?? '', scenario)
  await unpackDrives(fixtures ?? '', scenario, folder)
  const replaced = join(folder, REPLACED)
  const before = metadataFiles(replaced)
  assert.ok(before.length > 10)
  rmSync(replaced, { recursive: true })
  mkdirSync(replaced)
  const options = {
    folder,
    drives: driveArguments(manifest),
    credentials: manifest.server.credentials,
    environment: manifest.start.environment,
  }
  await using first = await startServer({ kind, ...options })
  await waitUntilFilled(replaced)
  await first.stop()
  const after = new Set(metadataFiles(replaced))
  assert.deepEqual(
    before.filter((path) => !after.has(path)),
    [],
    'files that did not come back',
  )
  // A file in the place of the drive: nothing can be put there.
  rmSync(join(folder, GONE), { recursive: true })
  writeFileSync(join(folder, GONE), '')
  await using minio = await startServer({ kind: 'minio', ...options })
  const checks = manifestChecks(minio.client, manifest, { recover: false })
  const verdict = await runChecks(checks, [])
  assertGood(verdict)
  await minio.stop()
  return `${before.length} metadata files, ${verdict.checkCount} checks`
}

suite(`replaced drives of old releases, filled by ${kind}`, {
  skip: minioMissing || (fixtures === undefined && 'the golden drives are not here'),
}, () => {
  for (const scenario of ['old-2019-10', 'old-2021-02']) {
    test(`MinIO reads "${scenario}" from a filled drive`, { timeout: 180_000 }, async (context) => {
      using temporary = new TemporaryFolder()
      context.diagnostic(await replaceDrive(temporary.path, scenario))
    })
  }
})
