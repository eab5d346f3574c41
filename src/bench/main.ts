/**
 * `npm run bench`: a load over real HTTP with SigV4 from separate processes.
 *
 *   npm run bench                             Cairn alone
 *   npm run bench -- --minio [PROGRAM]        races a MinIO program on the same file system
 *   npm run bench -- --against URL,PID        races a server that runs already (credentials benchroot/benchroot-secret)
 *   options: --cells REGEX --seconds N --rounds N --warm SECONDS --drives N --base FOLDER --payload signed|unsigned --memory --sse
 *
 * Every server is warmed up first: Cairn's code is compiled while it runs, in each of its threads. Cells alternate
 * between the servers; ratios are of medians over the rounds of one run.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { allCells, type Cell, cellName } from './cells.ts'
import type { Job, Outcome } from './load.ts'
import { S3Connection, type PayloadMode } from './s3-connection.ts'
import {
  type Contestant,
  processorSeconds,
  resetPeak,
  residentBytes,
  startContestant,
} from './server-process.ts'

const BUCKET = 'bench'
/** A static master key for `--sse`: what is measured is worth nothing to anybody. */
const BENCH_KEY = 'bench-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='
const ENCRYPTED_BY_DEFAULT =
  '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'
const LOAD_TIMEOUT_MS = 300_000

interface Measured {
  readonly perSecond: number
  readonly mibPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuPerThousand: number
  readonly failures: number
  readonly firstFailure: string
}

const { values: options } = parseArgs({
  options: {
    minio: { type: 'boolean', default: false },
    program: { type: 'string', default: join(homedir(), 'go', 'bin', 'minio') },
    against: { type: 'string' },
    cells: { type: 'string', default: '.' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '2' },
    warm: { type: 'string', default: '3' },
    drives: { type: 'string', default: '4' },
    base: { type: 'string', default: join(tmpdir(), 'cairn-bench') },
    payload: { type: 'string', default: 'unsigned' },
    memory: { type: 'boolean', default: false },
    relaxed: { type: 'boolean', default: false },
    sse: { type: 'boolean', default: false },
  },
})

const payload: PayloadMode = options.payload === 'signed' ? 'signed' : 'unsigned'
const durationMs = 1000 * Number(options.seconds)

async function main(): Promise<void> {
  mkdirSync(options.base, { recursive: true })
  const contestants = await startAll()
  try {
    await report(contestants)
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()))
  }
}

async function startAll(): Promise<readonly Contestant[]> {
  const port = 21_000 + 10 * Math.floor(Math.random() * 500)
  const common = { base: options.base, drives: Number(options.drives) }
  const kms: Record<string, string> = options.sse ? { MINIO_KMS_SECRET_KEY: BENCH_KEY } : {}
  const environment = { ...kms, ...(options.relaxed ? { CAIRN_DURABILITY: 'relaxed' } : {}) }
  const contestants = [
    await startContestant('cairn', { ...common, program: '', port, environment }),
  ]
  if (options.minio) {
    if (!existsSync(options.program)) {
      spawnSync('go', ['install', 'github.com/minio/minio@latest'], { stdio: 'inherit' })
    }
    contestants.push(
      await startContestant('minio', {
        ...common,
        program: options.program,
        port: port + 2,
        environment: kms,
      }),
    )
  }
  if (options.against !== undefined) {
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
  return contestants
}

async function report(contestants: readonly Contestant[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2000))
  for (const { name, pid, startMs } of contestants) {
    const idle = residentBytes(pid).now / 1e6
    console.log(
      `${name}: ready after ${startMs?.toFixed(0) ?? '?'} ms, idle RSS ${idle.toFixed(0)} MB`,
    )
  }
  for (const contestant of contestants) await makeBucket(contestant)
  if (options.memory) {
    for (const contestant of contestants) await reportMemory(contestant)
    return
  }
  for (const contestant of contestants) await warmUp(contestant)
  const wanted = new RegExp(options.cells)
  console.log(
    `${'cell'.padEnd(24)}${'server'.padEnd(8)}${'op/s'.padStart(10)}${'MiB/s'.padStart(9)}${'p50 ms'.padStart(9)}${'p99 ms'.padStart(9)}${'cpu s/1k'.padStart(10)}   ratio`,
  )
  for (const cell of allCells().filter((one) => wanted.test(cellName(one)))) {
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
  if (options.sse) {
    const body = Buffer.from(ENCRYPTED_BY_DEFAULT)
    const { status } = await connection.request('PUT', `/${BUCKET}`, 'encryption=', { body })
    if (status !== 200) throw new Error(`Cannot encrypt the bucket: ${status}`)
  }
  connection.close()
}

/** Small operations of each kind, and some blocks; not measured. */
async function warmUp(contestant: Contestant): Promise<void> {
  const seconds = Number(options.warm)
  if (seconds === 0) return
  for (const operation of ['PUT', 'GET', 'STAT', 'LIST', 'DELETE'] as const) {
    await measure(contestant, { operation, sizeBytes: 4096, concurrency: 15 }, 0, 1000 * seconds)
  }
  for (const operation of ['PUT', 'GET'] as const) {
    await measure(
      contestant,
      { operation, sizeBytes: 1_048_576, concurrency: 15 },
      0,
      1000 * seconds,
    )
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
    prefix: `${cell.operation}-${cell.sizeBytes}-${cell.concurrency}-${round}/`,
    prepared: isRead ? preparedCount(cell) : 0,
    durationMs: cellMs,
    operationsMax: cell.operation === 'DELETE' ? preparedCount(cell) : 1_000_000,
    payload,
    phase: 'run',
  }
  const child = fork(join(import.meta.dirname, 'load.ts'))
  try {
    if (isRead) {
      await runLoad(child, { ...job, phase: 'prepare', cell: { ...cell, concurrency: 16 } })
    }
    const cpuBefore = processorSeconds(contestant.pid)
    const outcome = await runLoad(child, job)
    const cpu = processorSeconds(contestant.pid) - cpuBefore
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

function preparedCount(cell: Cell): number {
  if (cell.operation === 'LIST') return 3000
  if (cell.sizeBytes <= 4096) return 1000
  return cell.sizeBytes <= 131_072 ? 400 : cell.sizeBytes <= 1_048_576 ? 100 : 20
}

function runLoad(child: ChildProcess, job: Job): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('The load process did not end')),
      LOAD_TIMEOUT_MS,
    )
    child.once('message', (outcome: Outcome) => {
      clearTimeout(timer)
      resolve(outcome)
    })
    child.once('exit', () => reject(new Error('The load process ended')))
    child.send(job)
  })
}

/** Peak memory at 64 concurrent uploads of 64 MiB. */
async function reportMemory(contestant: Contestant): Promise<void> {
  resetPeak(contestant.pid)
  const cell: Cell = { operation: 'PUT', sizeBytes: 64 * 1_048_576, concurrency: 64 }
  const child = fork(join(import.meta.dirname, 'load.ts'))
  const outcome = await runLoad(child, {
    target: contestant.target,
    cell,
    bucket: BUCKET,
    prefix: 'memory/',
    prepared: 0,
    durationMs: 120_000,
    operationsMax: 64,
    payload,
    phase: 'run',
  })
  child.kill()
  const { peak } = residentBytes(contestant.pid)
  console.log(
    `${contestant.name}: peak RSS ${(peak / 1e6).toFixed(0)} MB at 64 concurrent uploads of 64 MiB (${(outcome.bytes / 1_048_576 / (outcome.elapsedMs / 1000)).toFixed(0)} MiB/s, ${outcome.failures} failed ${outcome.firstFailure})`,
  )
}

await main()
