/**
 * `npm run bench`: a load over real HTTP with SigV4 from separate processes.
 *
 * Every server is warmed up first: Cairn's code is compiled while it runs, in each of its threads. Cells alternate
 * between the servers; ratios are of medians over the rounds of one run. Cells whose modes need other servers (TLS, a
 * key, compression) run in groups, each with freshly started ones.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandOptions } from '#testing/command-options'
import { allCells, type BenchOperation, type Cell, cellName, LISTED_KEYS } from './cells.ts'
import type { Job, Outcome } from './load.ts'
import { isModeName, MODES, modeOf, type ModeName, SETTINGS, type ServerSetting } from './modes.ts'
import { S3Connection } from './s3-connection.ts'
import {
  type Contestant,
  processorSeconds,
  resetPeak,
  residentBytes,
  startContestant,
} from './server-process.ts'

const BUCKET = 'bench'
const LOAD_TIMEOUT_MS = 300_000
/** With less left on the disk, a server's bucket is emptied after each measurement; else all stays, since ext4 makes new files slowly for minutes after many were removed. */
const FREE_BYTES_MIN = 16 * 2 ** 30
const MINIO_PROGRAM = join(homedir(), 'go', 'bin', 'minio')

const MODE_NAMES = Object.keys(MODES).join(', ')

const USAGE = `npm run bench -- [options]

  --minio             races a MinIO program on the same file system: ~/go/bin/minio, installed by Go where it is
                      missing, or --program PATH
  --against URL,PID   races a server that runs already (http, credentials benchroot/benchroot-secret)
  --cells REGEX       cells by name: OPERATION SIZE cCLIENTS [MODE], e.g. '1MiB c16' or 'sse-c$'
  --mode MODE         runs the cells of no mode in this one
  --seconds N         for each cell and server; 5
  --rounds N          the median counts; 2
  --warm SECONDS      for each kind of operation, before a group of cells; 3
  --drives N          of each server; 4
  --base FOLDER       where the drives are made
  --relaxed           Cairn with CAIRN_DURABILITY=relaxed
  --memory            peak memory at 64 uploads of 64 MiB instead of cells

Modes: ${MODE_NAMES}`

interface Measured {
  readonly perSecond: number
  readonly mibPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuPerThousand: number
  readonly failures: number
  readonly firstFailure: string
}

const options = commandOptions(USAGE, {
  minio: { type: 'boolean', default: false },
  program: { type: 'string', default: MINIO_PROGRAM },
  against: { type: 'string' },
  cells: { type: 'string', default: '.' },
  seconds: { type: 'string', default: '5' },
  rounds: { type: 'string', default: '2' },
  warm: { type: 'string', default: '3' },
  drives: { type: 'string', default: '4' },
  base: { type: 'string', default: join(tmpdir(), 'cairn-bench') },
  mode: { type: 'string', default: 'plain' },
  memory: { type: 'boolean', default: false },
  relaxed: { type: 'boolean', default: false },
})

const durationMs = 1000 * Number(options.seconds)
mkdirSync(options.base, { recursive: true })
/** Of this run: removed at its end, when it slows no cell down any more. */
const base = mkdtempSync(join(options.base, 'run-'))

async function main(): Promise<void> {
  const mode = options.mode
  if (!isModeName(mode)) throw new Error(`Unknown mode "${mode}": use one of ${MODE_NAMES}`)
  if (options.minio && !existsSync(options.program)) installMinio()
  const wanted = wantedCells(mode)
  for (const setting of SETTINGS) {
    const cells = wanted.filter((cell) => modeOf(cell.mode).setting === setting)
    if (cells.length > 0) await runGroup(setting, cells)
  }
}

function wantedCells(mode: ModeName): readonly Cell[] {
  if (options.memory)
    return [{ operation: 'PUT', sizeBytes: 64 * 1_048_576, concurrency: 64, mode }]
  const pattern = new RegExp(options.cells)
  return allCells()
    .filter((cell) => mode === 'plain' || cell.mode === 'plain')
    .map((cell) => (mode === 'plain' ? cell : { ...cell, mode }))
    .filter((cell) => pattern.test(cellName(cell)))
}

async function runGroup(setting: ServerSetting, cells: readonly Cell[]): Promise<void> {
  const contestants: Contestant[] = []
  try {
    await startAll(setting, contestants)
    await report(contestants, cells)
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()))
  }
}

/** Adds to `contestants` one by one, so that all that were started can be stopped. */
async function startAll(setting: ServerSetting, contestants: Contestant[]): Promise<void> {
  const port = 21_000 + 10 * Math.floor(Math.random() * 500)
  const common = { base, drives: Number(options.drives), setting }
  const environment: Record<string, string> = options.relaxed ? { CAIRN_DURABILITY: 'relaxed' } : {}
  contestants.push(await startContestant('cairn', { ...common, program: '', port, environment }))
  if (options.minio) {
    contestants.push(
      await startContestant('minio', {
        ...common,
        program: options.program,
        port: port + 2,
        environment: {},
      }),
    )
  }
  // How a server that runs already was started is not known: it gets plain requests only.
  if (options.against !== undefined && setting === 'plain') {
    const [url = '', pid = '0'] = options.against.split(',')
    const { hostname, port: otherPort } = new URL(url)
    contestants.push({
      name: 'other',
      target: {
        host: hostname,
        port: Number(otherPort),
        accessKey: 'benchroot',
        secretKey: 'benchroot-secret',
      },
      pid: Number(pid),
      startMs: undefined,
      stop: () => Promise.resolve(),
    })
  }
}

/** Into the folder of the default. Errors: when another program was named, or Go cannot install it. */
function installMinio(): void {
  if (options.program !== MINIO_PROGRAM) throw new Error(`There is no program "${options.program}"`)
  const run = spawnSync('go', ['install', 'github.com/minio/minio@latest'], { stdio: 'inherit' })
  if (run.status !== 0) throw new Error('Cannot install MinIO with Go: name one with --program')
}

async function report(contestants: readonly Contestant[], cells: readonly Cell[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2000))
  for (const { name, pid, startMs } of contestants) {
    const idle = residentBytes(pid).now / 1e6
    console.log(
      `${name}: ready after ${startMs?.toFixed(0) ?? '?'} ms, idle RSS ${idle.toFixed(0)} MB`,
    )
  }
  for (const contestant of contestants) await makeBucket(contestant)
  if (options.memory) {
    for (const cell of cells) {
      for (const contestant of contestants) await reportMemory(contestant, cell)
    }
    return
  }
  for (const contestant of contestants) await warmUp(contestant, cells)
  console.log(
    `${'cell'.padEnd(24)}${'server'.padEnd(8)}${'op/s'.padStart(10)}${'MiB/s'.padStart(9)}${'p50 ms'.padStart(9)}${'p99 ms'.padStart(9)}${'cpu s/1k'.padStart(10)}   ratio`,
  )
  for (const cell of cells) {
    const rounds = new Map<string, Measured[]>()
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const contestant of contestants) {
        const measured = await measure(contestant, cell, round)
        rounds.set(contestant.name, [...(rounds.get(contestant.name) ?? []), measured])
      }
    }
    printCell(cell, contestants, rounds)
  }
  for (const { name, pid } of contestants) {
    console.log(`${name}: peak RSS ${(residentBytes(pid).peak / 1e6).toFixed(0)} MB over all cells`)
  }
}

function printCell(
  cell: Cell,
  contestants: readonly Contestant[],
  rounds: ReadonlyMap<string, readonly Measured[]>,
): void {
  const best = contestants.map(({ name }) => medianOf(rounds.get(name) ?? []))
  for (const [index, { name }] of contestants.entries()) {
    const one = best[index]
    const own = best[0]
    if (one === undefined || own === undefined) continue
    const ratio = index === 0 ? '' : `cairn/${name} ${(own.perSecond / one.perSecond).toFixed(2)}`
    console.log(
      `${cellName(cell).padEnd(24)}${name.padEnd(8)}${one.perSecond.toFixed(0).padStart(10)}${one.mibPerSecond.toFixed(1).padStart(9)}${one.p50Ms.toFixed(2).padStart(9)}${one.p99Ms.toFixed(2).padStart(9)}${one.cpuPerThousand.toFixed(3).padStart(10)}   ${ratio}${one.failures > 0 ? ` ${one.failures} FAILED: ${one.firstFailure}` : ''}`,
    )
  }
}

function medianOf(rounds: readonly Measured[]): Measured | undefined {
  return rounds.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor((rounds.length - 1) / 2)]
}

async function makeBucket({ target }: Contestant): Promise<void> {
  const connection = new S3Connection(target)
  const reply = await connection.request('PUT', `/${BUCKET}`, '')
  if (reply.status !== 200) throw new Error(`Cannot make the bucket: ${reply.status} ${reply.body}`)
  connection.close()
}

/** Small operations of each kind, and some blocks in every mode that is wanted; not measured. */
async function warmUp(contestant: Contestant, cells: readonly Cell[]): Promise<void> {
  const cellMs = 1000 * Number(options.warm)
  if (cellMs === 0) return
  const warm = (operation: BenchOperation, sizeBytes: number, mode: ModeName): Promise<Measured> =>
    measure(contestant, { operation, sizeBytes, concurrency: 15, mode }, 0, cellMs)
  for (const [index, mode] of [...new Set(cells.map((cell) => cell.mode))].entries()) {
    if (index === 0) {
      for (const operation of ['PUT', 'GET', 'STAT', 'LIST', 'DELETE'] as const) {
        await warm(operation, 4096, mode)
      }
    }
    await warm('PUT', 1_048_576, mode)
    if (index === 0 || !modeOf(mode).isOnlyUpload) await warm('GET', 1_048_576, mode)
  }
}

async function measure(
  contestant: Contestant,
  cell: Cell,
  round: number,
  cellMs = durationMs,
): Promise<Measured> {
  const isRead = cell.operation !== 'PUT' && cell.operation !== 'MULTIPART'
  const job: Job = {
    target: contestant.target,
    cell,
    bucket: BUCKET,
    prefix: `${cell.mode}-${cell.operation}-${cell.sizeBytes}-${cell.concurrency}-${round}/`,
    prepared: isRead ? preparedCount(cell) : 0,
    durationMs: cellMs,
    operationsMax: cell.operation === 'DELETE' ? preparedCount(cell) : 1_000_000,
    phase: 'run',
  }
  const child = fork(join(import.meta.dirname, 'load.ts'))
  try {
    if (isRead) {
      await askLoad(child, { ...job, phase: 'prepare', cell: { ...cell, concurrency: 16 } })
    }
    const cpuBefore = processorSeconds(contestant.pid)
    const outcome = await runLoad(child, job)
    const cpu = processorSeconds(contestant.pid) - cpuBefore
    if (freeBytes() < FREE_BYTES_MIN) await askLoad(child, { ...job, phase: 'remove' })
    const sorted = outcome.latenciesMs.toSorted((a, b) => a - b)
    const done = outcome.operations - outcome.failures
    const units = cell.operation === 'LIST' ? outcome.items : done
    return {
      perSecond: (1000 * units) / outcome.elapsedMs,
      mibPerSecond: (1000 * outcome.bytes) / 1_048_576 / outcome.elapsedMs,
      p50Ms: sorted[Math.floor(sorted.length / 2)] ?? 0,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      cpuPerThousand: (1000 * cpu) / Math.max(1, units),
      failures: outcome.failures,
      firstFailure: outcome.firstFailure,
    }
  } finally {
    child.kill()
  }
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(base)
  return bavail * bsize
}

function preparedCount(cell: Cell): number {
  if (cell.operation === 'LIST') return LISTED_KEYS
  if (cell.sizeBytes <= 4096) return 1000
  return cell.sizeBytes <= 131_072 ? 400 : cell.sizeBytes <= 1_048_576 ? 100 : 20
}

async function runLoad(child: ChildProcess, job: Job): Promise<Outcome> {
  return (await askLoad(child, job)) as Outcome // the load process answers a measuring job with just that
}

/** Resolves to the answer of the load process. */
function askLoad(child: ChildProcess, job: Job): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('The load process did not end')),
      LOAD_TIMEOUT_MS,
    )
    child.once('message', (answer: unknown) => {
      clearTimeout(timer)
      resolve(answer)
    })
    child.once('exit', () => reject(new Error('The load process ended')))
    child.send(job)
  })
}

/** Peak memory at 64 concurrent uploads of 64 MiB. */
async function reportMemory(contestant: Contestant, cell: Cell): Promise<void> {
  resetPeak(contestant.pid)
  const child = fork(join(import.meta.dirname, 'load.ts'))
  const outcome = await runLoad(child, {
    target: contestant.target,
    cell,
    bucket: BUCKET,
    prefix: 'memory/',
    prepared: 0,
    durationMs: 120_000,
    operationsMax: 64,
    phase: 'run',
  })
  child.kill()
  const { peak } = residentBytes(contestant.pid)
  console.log(
    `${contestant.name}: peak RSS ${(peak / 1e6).toFixed(0)} MB at 64 concurrent uploads of 64 MiB (${(outcome.bytes / 1_048_576 / (outcome.elapsedMs / 1000)).toFixed(0)} MiB/s, ${outcome.failures} failed ${outcome.firstFailure})`,
  )
}

try {
  await main()
} finally {
  rmSync(base, { recursive: true, force: true })
}
