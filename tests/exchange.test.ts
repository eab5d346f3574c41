/**
 * Random histories of requests, half of them sent to the server under test and half to a real MinIO, which take turns on the
 * same drives: whatever one shows the other must show, also when a drive was away for a while, and at the end without as many
 * drives as there is parity. Histories are begun for `CAIRN_EXCHANGE_SECONDS` (default 30); `CAIRN_EXCHANGE_SEED` repeats one.
 */
import assert from 'node:assert/strict'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { type Random, seededRandom } from '#base/random'
import { assertGood, chosenValue, runChecks } from './lib/checks.ts'
import { ExchangeHistory } from './lib/exchange-history.ts'
import { dryRunHeal } from './lib/heal-check.ts'
import { minioProgram } from './lib/programs.ts'
import { type RunningServer, type ServerKind, serverUnderTest, startServer } from './lib/server.ts'
import { captureSnapshot, type Snapshot, snapshotChecks } from './lib/snapshot.ts'
import { namedNullVersion, withoutKeysBelow } from './lib/specified.ts'
import { CHOICES } from './lib/take-over-exceptions.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const kind = serverUnderTest()
const minioMissing = await minioProgram().then(
  () => false as const,
  (error: unknown) => `no MinIO program: ${String(error)}`,
)
const seconds = Number(process.env['CAIRN_EXCHANGE_SECONDS'] ?? 30)
const first = Number(process.env['CAIRN_EXCHANGE_SEED'] ?? Date.now() % 1_000_000)

const PHASES = 4
const REQUESTS_PER_PHASE = 20

interface Layout {
  readonly argument: string
  readonly sets: readonly (readonly string[])[]
  readonly parity: number
  readonly environment: Readonly<Record<string, string>>
}

const LAYOUTS: readonly Layout[] = [
  { argument: 'd{1...4}', sets: [drives(1, 4)], parity: 2, environment: {} },
  {
    argument: 'd{1...6}',
    sets: [drives(1, 6)],
    parity: 3,
    environment: { MINIO_STORAGE_CLASS_STANDARD: 'EC:3' },
  },
  {
    argument: 'd{1...8}',
    sets: [drives(1, 4), drives(5, 4)],
    parity: 2,
    environment: { MINIO_ERASURE_SET_DRIVE_COUNT: '4' },
  },
]

function drives(start: number, size: number): readonly string[] {
  return Array.from({ length: size }, (_, i) => `d${start + i}`)
}

/** What one server showed at the end of its turn. */
interface Shown {
  readonly by: ServerKind
  readonly snapshot: Snapshot
  readonly locks: ReadonlyMap<string, unknown>
  readonly parts: readonly string[]
}

class Exchange {
  readonly layout: Layout
  readonly history: ExchangeHistory
  readonly #random: Random
  readonly #folder: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #isCompressed: boolean

  constructor(seed: number, folder: string) {
    this.#random = seededRandom(seed)
    this.#folder = folder
    this.layout = LAYOUTS[this.#random.below(LAYOUTS.length)] ?? assert.fail()
    const isEncrypted = this.#random.below(2) === 0
    this.#isCompressed = this.#random.below(3) === 0
    this.history = new ExchangeHistory(this.#random, { isEncrypted })
    this.#environment = {
      ...this.layout.environment,
      MINIO_KMS_SECRET_KEY: 'fixture-key:08TFUJ7yxL1Q9qY6uJeaP0sFhU1U8rNljME66dM/c44=',
      ...(this.#isCompressed ? { MINIO_COMPRESSION_ENABLE: 'on' } : {}),
    }
  }

  async run(): Promise<string> {
    const kinds: readonly ServerKind[] = [kind, 'minio']
    const begin = this.#random.below(2)
    // In every second history a drive misses one turn.
    const [absent] = this.layout.sets[0] ?? []
    const absence = this.#random.below(2) === 0 ? 1 + this.#random.below(PHASES - 2) : PHASES
    let shown: Shown | undefined
    for (let phase = 0; phase < PHASES; phase++) {
      const isAway = phase === absence && absent !== undefined
      if (isAway) this.#takeAway(absent)
      this.history.log.push(`-- ${kinds[(begin + phase) % 2]}${isAway ? ` without ${absent}` : ''}`)
      await using server = await this.#start(kinds[(begin + phase) % 2] ?? kind)
      if (shown === undefined) await this.history.prepare(server.client)
      else await this.#check(server, shown)
      // Tags and locks leave the time of a version as it is: of a drive that missed them MinIO may show the older ones.
      const changesMetadata = !isAway
      // MinIO marks what it copies onto itself as compressed or not, whatever it is, and cannot read it then.
      const copiesInPlace = server.kind !== 'minio' || !this.#isCompressed
      const options = { changesMetadata, copiesInPlace }
      await this.history.run(server.client, REQUESTS_PER_PHASE, options)
      shown = await this.#show(server)
      if (server.kind === 'minio' && phase < absence) await this.#checkHealth(server)
      await server.stop()
      if (isAway) this.#bringBack(absent)
    }
    assert.ok(shown !== undefined)
    // A drive that missed a turn may owe something: the others are enough only if they all stay.
    if (absence === PHASES) {
      for (const set of this.layout.sets) {
        for (const drive of set.slice(0, this.layout.parity)) this.#takeAway(drive)
      }
    }
    await using last = await this.#start(kind)
    await this.#check(last, shown)
    await last.stop()
    return `${this.layout.argument}, ${shown.snapshot.facts.length} facts at the end`
  }

  async #show({ client, kind: by }: RunningServer): Promise<Shown> {
    assertGood(await runChecks(this.history.checks(client), []))
    const [locks, parts] = [
      await this.history.locks(client),
      await this.history.uploadedParts(client),
    ]
    return { by, snapshot: await captureSnapshot(client), locks, parts }
  }

  async #check({ client, kind: by }: RunningServer, shown: Shown): Promise<void> {
    const forms = { captured: this.#form(shown.by), observed: this.#form(by) }
    const checks = [
      ...this.history.checks(client),
      ...snapshotChecks(client, shown.snapshot, forms),
    ]
    assertGood(await runChecks(checks, []))
    assert.deepEqual(await this.history.locks(client), shown.locks)
    assert.deepEqual(await this.history.uploadedParts(client), shown.parts)
  }

  /** What a server shows, in the form that both have. */
  #form(by: ServerKind): (id: string, value: unknown) => unknown {
    const listed = withoutKeysBelow((key) => this.history.isBelow(key))
    return (id, value) => {
      // MinIO lists prefixes of deleted keys too, and the stored sizes of parts that are compressed or encrypted.
      if (/\/list(V2|Versions) .*delimiter/.test(id)) return 'not compared'
      if (/\/list(V2|Versions) /.test(id)) return listed(value)
      if (id.endsWith('/attributes')) return 'not compared'
      if (by === 'minio' && kind === 'minio') return value
      if (by === 'cairn') return value
      const isSuspended = this.history.isSuspended && /^versions\/key\/.*#null\//.test(id)
      const named = isSuspended && /\/(head|get)$/.test(id) ? namedNullVersion(value) : value
      return chosenValue(id, named, CHOICES)
    }
  }

  async #checkHealth({ client }: RunningServer): Promise<void> {
    for (const bucket of this.history.bucketNames) {
      assert.deepEqual((await dryRunHeal(client, bucket)).wounds, [])
    }
  }

  #start(server: ServerKind): Promise<RunningServer> {
    return startServer({
      kind: server,
      folder: this.#folder,
      drives: [this.layout.argument],
      credentials: { accessKey: 'exchange', secretKey: 'exchange-secret' },
      environment: this.#environment,
    })
  }

  /** Nothing can be put in the place of a drive that is a file. */
  #takeAway(drive: string): void {
    const path = join(this.#folder, drive)
    renameSync(path, `${path}.away`)
    writeFileSync(path, '')
  }

  #bringBack(drive: string): void {
    const path = join(this.#folder, drive)
    rmSync(path)
    renameSync(`${path}.away`, path)
  }
}

async function exchangeOnce(seed: number): Promise<string> {
  using folder = new TemporaryFolder()
  const exchange = new Exchange(seed, folder.path)
  try {
    return await exchange.run()
  } catch (error) {
    throw new Error(`Seed ${seed} failed after\n${exchange.history.log.join('\n')}`, {
      cause: error,
    })
  }
}

suite(`exchange of drives between ${kind} and MinIO`, { skip: minioMissing }, () => {
  test(`each shows what the other did (seed ${first})`, {
    timeout: 300_000 + seconds * 1000,
  }, async (context) => {
    const end = performance.now() + seconds * 1000
    for (let seed = first; seed === first || performance.now() < end; seed++) {
      context.diagnostic(`seed ${seed}: ${await exchangeOnce(seed)}`)
    }
  })
})
