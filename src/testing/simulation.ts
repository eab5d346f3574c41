/**
 * A whole node under power loss, from a seed (distributed.md 10.4): engine and local drives as they are, over simulated file
 * systems and a simulated clock.
 *
 * - Clients work on keys of their own, concurrently, so that commits of different keys share flushes.
 * - At random moments, in the middle of flushes, the power fails: each drive keeps what its own file system had made
 *   durable and any part of the rest. Then a new engine starts on what is left.
 * - Judgement, per key: a read gives what the last acknowledged call left, or what the call under way would leave, whole;
 *   `ReadQuorum` (try again) is allowed only until the key was repaired; further writes work.
 */
import { equalBytes } from '#base/bytes'
import { type Random, seededRandom } from '#base/random'
import type { Codec } from '#codec/codec'
import { LocalDrive } from '#drive/local/local-drive'
import { ObjectError } from '#object/object'
import { repairKey } from '#object/repair/repair-object'
import { contentOf, EngineFixture, oneSet } from './engine-fixture.ts'
import { SimClock } from './sim-clock.ts'
import { SimFileSystem } from './sim-file-system.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly codec: Codec
  readonly driveCount: number
  readonly standardParity: number
  readonly durability: 'strict' | 'relaxed'
}

export interface SimulationReport {
  readonly operations: number
  readonly images: number
  /** Reads that were refused until the repair. */
  readonly refused: number
}

const CLIENTS = 3
const OPERATIONS = 7
const SNAPSHOTS_MAX = 10
/** Empty, inline, several shards in files, several blocks. */
const SIZES = [0, 700, 9000, 70_000]
const INLINE_BYTES = 1024
const SNAPSHOT_PERCENT = 4

/** Content of a key; undefined: absent. */
type Content = Uint8Array | undefined

/** What a key's client knows. */
interface KeyState {
  acknowledged: Content
  /** The call under way. */
  pending: { readonly content: Content } | undefined
  /** Acknowledged versions by id, of versioned keys. */
  readonly versions: Map<string, Uint8Array>
}

interface Snapshot {
  readonly positions: readonly number[]
  readonly keys: ReadonlyMap<string, KeyState>
}

/** Runs one seed; throws at the first wrong image. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return new Simulation(options).run()
}

class Simulation {
  readonly #options: SimulationOptions
  readonly #random: Random
  readonly #clock = new SimClock()
  readonly #systems: readonly SimFileSystem[]
  readonly #keys = new Map<string, KeyState>()
  readonly #snapshots: Snapshot[] = []
  #isRunning = false
  #operations = 0
  #images = 0
  #refused = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
    this.#systems = Array.from(
      { length: options.driveCount },
      () => new SimFileSystem({ nowNs: () => this.#clock.nowNs() }),
    )
    for (const system of this.#systems) {
      system.duringFlush = async () => {
        this.#maybeSnapshot()
        const turns = this.#random.below(4)
        for (let i = 0; i <= turns; i++) await turn()
        this.#maybeSnapshot()
      }
    }
  }

  async run(): Promise<SimulationReport> {
    const engine = this.#engineOver(this.#systems)
    for (const system of this.#systems) {
      system.makeDirectory('/drive')
      system.makeDirectory('/drive/bucket')
      for (const path of ['', '/tmp', '/tmp/.trash', '/multipart', '/cairn']) {
        system.makeDirectory(`/drive/.minio.sys${path}`)
        system.flushNow({ directory: `/drive/.minio.sys${path}` })
      }
      system.flushNow({ directory: '/drive/.minio.sys' })
      system.flushNow({ directory: '/drive/.minio.sys/tmp' })
      system.flushNow({ directory: '/drive' })
      system.flushNow({ directory: '/' })
    }
    this.#isRunning = true
    await Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.#work(engine, client)))
    this.#isRunning = false
    for (const snapshot of this.#snapshots) await this.#judge(snapshot)
    return { operations: this.#operations, images: this.#images, refused: this.#refused }
  }

  #engineOver(systems: readonly SimFileSystem[]): EngineFixture {
    const { codec, standardParity, durability } = this.#options
    const drives = systems.map(
      (fileSystem) =>
        new LocalDrive({
          fileSystem,
          root: '/drive',
          clock: this.#clock,
          random: this.#random,
          hashes: codec,
          durability,
          mayHoldV1: false,
        }),
    )
    return new EngineFixture({
      codec,
      layouts: oneSet(drives),
      clock: this.#clock,
      random: this.#random,
      storage: { standardParity, inlineBlockBytes: INLINE_BYTES },
    })
  }

  async #work(engine: EngineFixture, client: number): Promise<void> {
    const plain = `plain/${client}/${this.#random.below(2)}`
    const versioned = `versioned-${client}`
    for (const key of [plain, versioned]) {
      this.#keys.set(key, { acknowledged: undefined, pending: undefined, versions: new Map() })
    }
    for (let i = 0; i < OPERATIONS; i++) {
      const key = this.#random.below(3) === 0 ? versioned : plain
      await this.#change(engine, key, key === versioned)
      this.#clock.advance(this.#random.below(1000))
      this.#maybeSnapshot()
    }
  }

  async #change(engine: EngineFixture, key: string, isVersioned: boolean): Promise<void> {
    const state = this.#keys.get(key)
    if (state === undefined) return
    const versioning = isVersioned ? 'enabled' : 'unversioned'
    const isDelete = this.#random.below(5) === 0
    const size = SIZES[this.#random.below(SIZES.length)] ?? 0
    const content = isDelete ? undefined : contentOf(size, this.#random.below(1_000_000) + 1)
    state.pending = { content }
    this.#operations++
    if (content === undefined) await engine.remove(key, { versioning })
    else {
      const info = await engine.put(key, content, { versioning })
      if (isVersioned) state.versions.set(info.versionId, content)
    }
    state.acknowledged = content
    state.pending = undefined
  }

  /** The moment as a power failure would find it. */
  #maybeSnapshot(): void {
    if (!this.#isRunning || this.#snapshots.length >= SNAPSHOTS_MAX) return
    if (this.#random.below(100) >= SNAPSHOT_PERCENT) return
    this.#snapshots.push({
      positions: this.#systems.map((system) => system.position),
      keys: new Map(
        [...this.#keys].map(([key, state]) => [
          key,
          { ...state, versions: new Map(state.versions) },
        ]),
      ),
    })
  }

  async #judge(snapshot: Snapshot): Promise<void> {
    const images = this.#systems.map((system, i) => {
      const count = 1 + this.#random.below(4)
      const image = [...system.crashImages(snapshot.positions[i] ?? 0, this.#random, count)].at(-1)
      if (image === undefined) throw new Error('A crash has an image')
      return image
    })
    this.#images++
    const engine = this.#engineOver(images)
    for (const [key, state] of snapshot.keys) await this.#judgeKey(engine, key, state)
  }

  async #judgeKey(engine: EngineFixture, key: string, state: KeyState): Promise<void> {
    const before = await this.#read(engine, key)
    if (before === 'refused') this.#refused++
    else this.#check(key, state, before, 'before the repair')
    const set = engine.pools.allSets()[0]
    if (set === undefined) throw new Error('There is one set')
    await repairKey(set, 'bucket', key, { deep: false })
    const after = await this.#read(engine, key)
    if (after === 'refused') throw this.#failure(key, state, 'unreadable after the repair')
    this.#check(key, state, after, 'after the repair')
    for (const [versionId, content] of state.versions) {
      const version = await this.#read(engine, key, versionId)
      if (version === 'refused' || version === undefined || !equalBytes(version, content)) {
        throw this.#failure(key, state, `acknowledged version ${versionId} is not there`)
      }
    }
    const next = contentOf(2000, 77)
    await engine.put(key, next)
    const written = await this.#read(engine, key)
    if (written === 'refused' || written === undefined || !equalBytes(written, next)) {
      throw this.#failure(key, state, 'a new write does not read back')
    }
  }

  async #read(
    engine: EngineFixture,
    key: string,
    versionId?: string,
  ): Promise<Content | 'refused'> {
    try {
      return await engine.get(key, versionId === undefined ? {} : { versionId })
    } catch (error) {
      if (!(error instanceof ObjectError)) throw error
      if (error.code === 'ObjectNotFound' || error.code === 'VersionNotFound') return undefined
      if (error.code === 'ReadQuorum') return 'refused'
      throw error
    }
  }

  #check(key: string, state: KeyState, got: Content, when: string): void {
    const isSame = (wanted: Content): boolean =>
      got === undefined || wanted === undefined ? got === wanted : equalBytes(got, wanted)
    if (isSame(state.acknowledged)) return
    if (state.pending !== undefined && isSame(state.pending.content)) return
    throw this.#failure(key, state, `${when}: read ${sizeOf(got)}`)
  }

  #failure(key: string, state: KeyState, what: string): Error {
    const { seed, driveCount } = this.#options
    const pending = state.pending === undefined ? 'nothing' : sizeOf(state.pending.content)
    return new Error(
      `Seed ${seed}, ${driveCount} drives, image ${this.#images}, "${key}": ${what}; acknowledged ${sizeOf(state.acknowledged)}, under way ${pending}`,
    )
  }
}

function sizeOf(content: Content): string {
  return content === undefined ? 'absent' : `${content.length} bytes`
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
