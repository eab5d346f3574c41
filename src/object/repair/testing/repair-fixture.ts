import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock, type Clock } from '#base/clock'
import { seededRandom } from '#base/random'
import type { Codec } from '#codec/codec'
import type { CommitReply, Drive } from '#drive/drive'
import { LocalDrive } from '#drive/local/local-drive'
import { nodeFileSystem } from '#drive/local/node-file-system'
import { EngineFixture, oneSet } from '#testing/engine-fixture'
import type { MemoryDrive } from '#testing/memory-drive'
import type { PoolLayout } from '../../placement.ts'
import type { ErasureSet } from '../../set/erasure-set.ts'
import { repairKey, type RepairOptions, type RepairResult } from '../repair-object.ts'

/** One set over real folders, which tests damage and repair. */
export class RepairFixture {
  readonly engine: EngineFixture
  readonly roots: readonly string[]
  readonly drives: readonly Drive[]
  /** Positions that count as being refilled. */
  readonly healing = new Set<number>()
  readonly #options: RepairFixtureOptions
  #engines = 0

  constructor(context: TestContext, options: RepairFixtureOptions) {
    this.#options = options
    this.roots = foldersFor(context, options.count)
    this.drives = this.roots.map((root, i) => localDrive(root, options, i))
    this.engine = this.engineOver(this.drives)
  }

  /** Another engine over other drives, such as ones that lose calls. */
  engineOver(drives: readonly (Drive | undefined)[]): EngineFixture {
    const layouts = oneSet(drives).map(
      (layout): PoolLayout => ({
        ...layout,
        isHealing: (_, position) => this.healing.has(position),
      }),
    )
    const { codec, parity, clock } = this.#options
    const engine = new EngineFixture({
      codec,
      layouts,
      storage: { standardParity: parity },
      ...(clock === undefined ? {} : { clock }),
    })
    // Engines begin with the same random numbers: each gets its own.
    engine.context.random.bytes(8 * 1024 * this.#engines++)
    return engine
  }

  get set(): ErasureSet {
    return setOf(this.engine)
  }

  repair(path: string, options: Partial<RepairOptions> = {}): Promise<RepairResult> {
    return repairKey(this.set, 'bucket', path, { deep: false, ...options })
  }

  /** Size and hash of every file that clients' data is made of, by drive and path. */
  snapshot(): ReadonlyMap<string, string> {
    const files = new Map<string, string>()
    for (const [i, root] of this.roots.entries()) {
      for (const name of filesOf(root)) {
        files.set(`${i}:${name}`, digestOf(readFileSync(join(root, name))))
      }
    }
    return files
  }

  file(position: number, name: string): string {
    return join(this.roots[position] ?? '', name)
  }

  /** Names below the bucket of one drive. */
  names(position: number): string[] {
    return filesOf(this.roots[position] ?? '')
  }
}

export interface RepairFixtureOptions {
  readonly codec: Codec
  readonly count: number
  readonly parity: number
  readonly clock?: Clock
  readonly mayHoldV1?: boolean
}

function digestOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`
}

export function setOf(engine: EngineFixture): ErasureSet {
  const [set] = engine.pools.allSets()
  if (set === undefined) throw new Error('No set')
  return set
}

export function foldersFor(context: TestContext, count: number): string[] {
  const root = mkdtempSync(join(tmpdir(), 'cairn-repair-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  return Array.from({ length: count }, (_, i) => {
    const folder = join(root, `d${i + 1}`)
    makeBlank(folder)
    return folder
  })
}

/** What formatting leaves, and the bucket. */
export function makeBlank(folder: string): void {
  mkdirSync(join(folder, '.minio.sys/tmp/.trash'), { recursive: true })
  mkdirSync(join(folder, '.minio.sys/buckets'), { recursive: true })
  mkdirSync(join(folder, '.minio.sys/cairn'), { recursive: true })
  mkdirSync(join(folder, 'bucket'), { recursive: true })
}

export function localDrive(
  root: string,
  options: { readonly codec: Codec; readonly clock?: Clock; readonly mayHoldV1?: boolean },
  seed: number,
): LocalDrive {
  return new LocalDrive({
    fileSystem: nodeFileSystem(),
    root,
    clock: options.clock ?? systemClock(),
    random: seededRandom(seed + 1000),
    hashes: options.codec,
    durability: 'relaxed',
    mayHoldV1: options.mayHoldV1 ?? false,
  })
}

/** Writes the files of a drive in memory into a folder. */
export function writeFolder(drive: MemoryDrive, folder: string): void {
  mkdirSync(join(folder, '.minio.sys/tmp/.trash'), { recursive: true })
  for (const [name, bytes] of drive.files) {
    mkdirSync(join(folder, dirname(name)), { recursive: true })
    writeFileSync(join(folder, name), bytes)
  }
}

export function filesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((name) => !name.startsWith('.minio.sys/'))
    .sort()
}

/** A drive with some calls replaced. */
export function overriding(drive: Drive, calls: Partial<Drive>): Drive {
  return new Proxy(drive, {
    get: (target, name) => {
      const replaced: unknown = Reflect.get(calls, name)
      if (replaced !== undefined) return replaced
      const value: unknown = Reflect.get(target, name)
      // Private fields are the target's: its methods need it as `this`.
      const bound: unknown = typeof value === 'function' ? value.bind(target) : value
      return bound
    },
  })
}

/** Drives of a server that dies in the middle of a commit: only those in `reached` get it, and nothing is purged. */
export function dyingAfter(drives: readonly Drive[], reached: ReadonlySet<number>): Drive[] {
  const reply: CommitReply = { versionsHash: '' }
  return drives.map((drive, i) =>
    overriding(drive, {
      purgeDataDir: () => Promise.resolve(undefined),
      ...(reached.has(i) ? {} : { commitVersion: () => Promise.resolve(reply) }),
    }),
  )
}

export async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
}
