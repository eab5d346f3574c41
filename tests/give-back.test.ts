/**
 * Writes with the server under test, stops it, and lets a real MinIO serve, check and change its drives; then the
 * server under test takes them back. `CAIRN_TEST_SERVER=minio` validates the test with MinIO on both sides.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { assertGood, type Check, chosenValue, runChecks } from './lib/checks.ts'
import { dryRunHeal } from './lib/heal-check.ts'
import { driveArguments, fixturesFolder, readManifest, unpackDrives } from './lib/manifest.ts'
import { manifestChecks } from './lib/manifest-checks.ts'
import { observeGet, observeListV2 } from './lib/observation.ts'
import { minioProgram } from './lib/programs.ts'
import type { S3Driver } from './lib/s3-driver.ts'
import { type RunningServer, type ServerKind, serverUnderTest, startServer } from './lib/server.ts'
import { captureSnapshot, type Rewriting, snapshotChecks } from './lib/snapshot.ts'
import { withoutKeysBelow, withoutPartSizes } from './lib/specified.ts'
import { CHOICES } from './lib/take-over-exceptions.ts'
import { TemporaryFolder } from './lib/temporary.ts'
import { completeUpload, type PendingUpload, type Workload, writeWorkload } from './lib/workload.ts'

const kind = serverUnderTest()
const minioMissing = await minioProgram().then(
  () => false as const,
  (error: unknown) => `no MinIO program: ${String(error)}`,
)

const BUCKETS = ['plain', 'versioned', 'suspended']

/** Whether a key is below another one: the reference's listings leave it out, unless another set holds that. */
function belowKeysOf(workload: Workload): (key: string) => boolean {
  const inPlain = workload.written.filter(({ bucket }) => bucket === 'plain')
  const written = new Set(inPlain.map(({ key }) => key))
  return (key) =>
    key
      .split('/')
      .some((_, depth, names) => depth > 0 && written.has(names.slice(0, depth).join('/')))
}

/** The form of what the server under test shows, and what MinIO's replies are in that form. */
function formsOf(
  workload: Workload,
  isCompressed: boolean,
): { readonly own: Rewriting; readonly fromMinio: Rewriting } {
  const listed = withoutKeysBelow(belowKeysOf(workload))
  const own: Rewriting = (id, value) => {
    if (/\/list(V2|Versions) /.test(id)) return listed(value)
    // MinIO takes some part numbers with gaps between them by position (README of the fixtures).
    if (/\/gaps#null\/(partsCount|parts\/[13])$/.test(id)) return 'not compared'
    // MinIO shows what is stored of compressed parts.
    return isCompressed && id.endsWith('/attributes') ? withoutPartSizes(value) : value
  }
  const choices = kind === 'minio' ? [] : CHOICES
  return { own, fromMinio: (id, value) => chosenValue(id, own(id, value), choices) }
}

/** Contents as the writer knows them, and no key of the plain bucket but those that it left there. */
function writtenChecks(
  client: S3Driver,
  workload: Workload,
  completed: readonly PendingUpload[],
): Check[] {
  const left = [...workload.written, ...completed].filter(({ bucket }) => bucket === 'plain')
  const written = new Set(left.map(({ key }) => key))
  const isBelow = belowKeysOf(workload)
  const keys = [...written].filter((key) => !isBelow(key))
  const listing: Check = {
    id: 'plain/keys',
    expected: keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    observe: async () => {
      const { keys: listed } = await observeListV2(client, 'plain', {})
      return listed?.filter((key) => !isBelow(key))
    },
  }
  const contents = workload.written.map(({ bucket, key, versionId, digest }) => ({
    id: `${bucket}/key/${key}#${versionId ?? ''}/written`,
    expected: digest,
    observe: async () => (await observeGet(client, bucket, key, versionId)).content,
  }))
  return [listing, ...contents]
}

function completedChecks(client: S3Driver, workload: Workload): Check[] {
  return workload.pending.map((upload) => ({
    id: `${upload.bucket}/upload/${upload.key}/completed`,
    expected: upload.digest,
    observe: async () => {
      await completeUpload(client, upload, upload.parts)
      return (await observeGet(client, upload.bucket, upload.key)).content
    },
  }))
}

/** Path and content hash of every file of the buckets; those of the system folder may change at any time. */
function bucketFiles(folder: string, drives: readonly string[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const drive of drives) {
    for (const bucket of BUCKETS) {
      const base = join(folder, drive, bucket)
      for (const entry of readdirSync(base, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue
        const path = join(entry.parentPath, entry.name)
        files.set(path, createHash('sha256').update(readFileSync(path)).digest('hex'))
      }
    }
  }
  return files
}

interface Layout {
  readonly name: string
  readonly arguments: readonly string[]
  readonly drives: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** A single drive has nothing to heal from, and no such request. */
  readonly canHeal: boolean
  readonly isCompressed?: boolean
}

function driveNames(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)
}

const LAYOUTS: readonly Layout[] = [
  { name: 'one drive', arguments: ['d1'], drives: ['d1'], canHeal: false },
  { name: 'four drives', arguments: ['d{1...4}'], drives: driveNames('d', 4), canHeal: true },
  {
    name: 'two sets of four drives with one parity shard',
    arguments: ['d{1...8}'],
    drives: driveNames('d', 8),
    environment: {
      MINIO_ERASURE_SET_DRIVE_COUNT: '4',
      MINIO_STORAGE_CLASS_STANDARD: 'EC:1',
      MINIO_STORAGE_CLASS_RRS: 'EC:1',
    },
    canHeal: true,
  },
  {
    name: 'four drives with compression',
    arguments: ['d{1...4}'],
    drives: driveNames('d', 4),
    environment: { MINIO_COMPRESSION_ENABLE: 'on', MINIO_COMPRESSION_EXTENSIONS: '*' },
    canHeal: true,
    isCompressed: true,
  },
  {
    name: 'two pools',
    arguments: ['p1/d{1...4}', 'p2/d{1...4}'],
    drives: [...driveNames('p1/d', 4), ...driveNames('p2/d', 4)],
    canHeal: true,
  },
]

async function assertNothingToHeal(client: S3Driver): Promise<void> {
  for (const bucket of BUCKETS) {
    const { itemCount, wounds } = await dryRunHeal(client, bucket)
    assert.ok(itemCount > 1, `the heal of "${bucket}" looked at nothing`)
    assert.deepEqual(wounds, [])
  }
}

async function giveBack(layout: Layout): Promise<string> {
  using temporary = new TemporaryFolder()
  const folder = temporary.path
  const credentials = { accessKey: 'giveback', secretKey: 'giveback-secret' }
  const extra = layout.environment === undefined ? {} : { environment: layout.environment }
  const start = (server: ServerKind): Promise<RunningServer> =>
    startServer({ kind: server, folder, drives: layout.arguments, credentials, ...extra })

  await using first = await start(kind)
  const workload = await writeWorkload(first.client, 'first')
  assertGood(await runChecks(writtenChecks(first.client, workload, []), []))
  const shownFirst = await captureSnapshot(first.client)
  await first.stop()
  const filesBefore = bucketFiles(folder, layout.drives)

  await using minio = await start('minio')
  const { client } = minio
  const forms = formsOf(workload, layout.isCompressed === true)
  const shown = [
    ...snapshotChecks(client, shownFirst, { captured: forms.own, observed: forms.fromMinio }),
    ...writtenChecks(client, workload, []),
  ]
  assertGood(await runChecks(shown, []))
  if (layout.canHeal) await assertNothingToHeal(client)
  assert.deepEqual(bucketFiles(folder, layout.drives), filesBefore, 'MinIO changed files')
  assertGood(await runChecks(completedChecks(client, workload), []))
  const second = await writeWorkload(client, 'second')
  const shownSecond = await captureSnapshot(client)
  await minio.stop()

  await using again = await start(kind)
  const back = [
    ...snapshotChecks(again.client, shownSecond, {
      captured: forms.fromMinio,
      observed: forms.own,
    }),
    ...writtenChecks(again.client, second, workload.pending),
  ]
  assertGood(await runChecks(back, []))
  assertGood(await runChecks(completedChecks(again.client, second), []))
  await again.stop()
  return `${filesBefore.size} files, ${shown.length} facts read by MinIO, ${back.length} read back`
}

/** Served and stopped by the server under test, MinIO's drives are MinIO's as before. */
async function returnUntouched(fixtures: string, scenario: string): Promise<string> {
  const manifest = readManifest(fixtures, scenario)
  using temporary = new TemporaryFolder()
  const folder = temporary.path
  await unpackDrives(fixtures, scenario, folder)
  const options = {
    folder,
    drives: driveArguments(manifest),
    credentials: manifest.server.credentials,
    environment: manifest.start.environment,
  }
  await using first = await startServer({ kind, ...options })
  // Differences are the take-over's matter; here the reads only make the server work on the drives.
  await runChecks(manifestChecks(first.client, manifest, { recover: false }), [])
  await first.stop()
  await using minio = await startServer({ kind: 'minio', ...options })
  const verdict = await runChecks(manifestChecks(minio.client, manifest, { recover: false }), [])
  assertGood(verdict)
  await minio.stop()
  return `${verdict.checkCount} checks`
}

const fixtures = fixturesFolder()
const RETURNED = ['ec4-versions', 'sets', 'pools', 'ec8', 'old-2019-10', 'old-2021-02-upgraded']

suite(`return of golden drives from ${kind} to MinIO`, {
  skip: minioMissing || (fixtures === undefined && 'the golden drives are not here'),
}, () => {
  for (const scenario of RETURNED) {
    test(`MinIO finds "${scenario}" as it left it`, { timeout: 120_000 }, async (context) => {
      context.diagnostic(await returnUntouched(fixtures ?? '', scenario))
    })
  }
})

suite(`give-back from ${kind} to MinIO`, { skip: minioMissing }, () => {
  for (const layout of LAYOUTS) {
    test(`MinIO serves and changes what was written on ${layout.name}`, {
      timeout: 240_000,
    }, async (context) => {
      context.diagnostic(await giveBack(layout))
    })
  }
})
