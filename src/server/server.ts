/**
 * The composition: which threads there are, what they share, in which order they start and stop.
 *
 * Start: settings, drives formed, shared memory, drive threads and request threads at once, then the listeners.
 * Stop: listeners first, so that requests in flight end; background services; drive threads, which finish their
 * flushes; last the locks on the drives.
 */
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { type Clock, systemClock } from '#base/clock'
import { collectGarbage } from '#base/memory'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import type { Environment, Settings } from '#config/config'
import { EncryptionError } from '#encryption/encryption'
import { checkKms, kmsSeedOf } from '#encryption/kms'
import { poolsFrom, type PoolTopology } from '#config/topology'
import { createDriveStates } from '#drive/drive-messages'
import { type Formation, FormationError, type FormedDrive, formDrives } from '#drive/formation'
import { createGenerationMemory } from '#object/bucket-metadata'
import { createLockMemory } from '#object/locks'
import { createLog, type Log } from '#observe/log'
import { Background } from './background.ts'
import { Drives } from './drives.ts'
import { RequestThreads } from './request-threads.ts'
import { PoolMissingError, readStartState, storageClasses } from './start-state.ts'
import { ThreadEngine } from './thread-engine.ts'
import type { EngineSeed, StartState } from './thread-seed.ts'

/** The server cannot start; the message is for the person who starts it. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly temporary = false
}

export interface ServerFacts {
  readonly port: number
  readonly isSecure: boolean
  readonly drivesOnline: number
  readonly drivesOffline: number
}

export interface RunningServer {
  readonly facts: ServerFacts
  /** Begins the stop, at the end of the start if that is not over; further calls change nothing. */
  stop(reason: string): void
  /** Exit code, when everything has ended. */
  readonly ended: Promise<number>
}

/** Memory of the main thread's engine, for repairs. */
const MAIN_ARENA_BYTES = 24 * 1024 * 1024
const FORMATION_RETRY_MS = 1000
/** Drives that are not up by then are left to come later. */
const DRIVES_READY_MS = 10_000

/** `onStarting` gets the server as soon as it can be stopped. Errors: `StartError`, `ConfigError`. */
export async function startServer(
  settings: Settings,
  warnings: readonly string[],
  environment: Environment,
  onStarting: (server: Pick<RunningServer, 'stop'>) => void = () => undefined,
): Promise<RunningServer> {
  const clock = systemClock()
  const log = createLog(clock, logOptions(settings))
  for (const warning of warnings) log.warn(warning)
  const topology = poolsFrom(settings.volumes, {
    setDriveCount: settings.setDriveCount,
    resolve,
  })
  const storage = storageClasses(
    settings,
    topology.map(({ setSize }) => setSize),
  )
  await checkAddress(settings)
  const formation = formWhenPossible(topology, settings, clock, log)
  try {
    const server = new Server(settings, clock, log, formation, storage)
    onStarting(server)
    await server.start(environment, topology)
    return server
  } catch (error) {
    formation.release()
    throw error
  }
}

function logOptions(settings: Settings): EngineSeed['log'] {
  return { format: settings.logFormat, level: settings.quiet ? 'warn' : 'info' }
}

/** By code of the system: what helps. */
const LISTEN_ADVICE: ReadonlyMap<string | undefined, string> = new Map([
  ['EADDRINUSE', 'a program uses this port already, stop it or choose another port with --address'],
  ['EACCES', 'this user may not use this port, choose one above 1023 with --address'],
  ['EADDRNOTAVAIL', 'this machine does not have the address, choose another with --address'],
  ['ENOTFOUND', 'nothing is known by that name, choose an address of this machine with --address'],
])

/** Request threads share the port, so a foreign owner of it would not be noticed by them. */
async function checkAddress({ address }: Settings): Promise<void> {
  const probe = createServer()
  await new Promise<void>((done, fail) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const reason = LISTEN_ADVICE.get(error.code) ?? error.message
      const place = `${address.host}:${address.port}`
      fail(new StartError(`Cannot listen on ${place}: ${reason}`, { cause: error }))
    })
    const host = address.host === '' ? undefined : address.host
    probe.listen({ port: address.port, ...(host === undefined ? {} : { host }) }, () =>
      probe.close(() => done()),
    )
  })
}

/** Drives may come online while the machine starts: waits for a quorum of a formatted pool. */
function formWhenPossible(
  topology: readonly PoolTopology[],
  settings: Settings,
  clock: Clock,
  log: Log,
): Formation {
  const { allowRootDrive, rootDriveThresholdBytes } = settings
  let said = ''
  for (;;) {
    try {
      return formDrives(topology, {
        clock,
        random: systemRandom(),
        log,
        allowRootDrive,
        rootDriveThresholdBytes,
      })
    } catch (error) {
      if (!(error instanceof FormationError)) throw error
      if (!error.temporary) throw new StartError(error.message, { cause: error })
      if (error.message !== said) log.warn(error.message)
      said = error.message
      // Nothing runs yet that could be held up, and a signal ends the process at once.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FORMATION_RETRY_MS)
    }
  }
}

function healingOf(drives: readonly FormedDrive[]): SharedArrayBuffer {
  const flags = new Uint8Array(new SharedArrayBuffer(drives.length))
  for (const [index, { isHealing }] of drives.entries()) flags[index] = isHealing ? 1 : 0
  return flags.buffer
}

class Server implements RunningServer {
  readonly #settings: Settings
  readonly #clock: Clock
  readonly #log: Log
  readonly #formation: Formation
  readonly #drives: Drives
  readonly #threads: RequestThreads
  readonly #core: ThreadEngine
  readonly #background: Background
  readonly #ended = Promise.withResolvers<number>()
  #port = 0
  #isStarted = false
  /** Why the server stops; undefined: it does not. */
  #stopReason: string | undefined

  constructor(
    settings: Settings,
    clock: Clock,
    log: Log,
    formation: Formation,
    storage: EngineSeed['storage'],
  ) {
    this.#settings = settings
    this.#clock = clock
    this.#log = log
    this.#formation = formation
    const formed = formation.pools.flatMap(({ sets }) => sets.flat())
    const { requestThreads } = settings
    const ofEach = (bytes: number): number[] =>
      Array.from({ length: requestThreads }, () => Math.floor(bytes / requestThreads))
    const codec = createCodecSeed({
      regionSizesBytes: [MAIN_ARENA_BYTES, ...ofEach(settings.arenaBytes), ...formed.map(() => 0)],
      reserveSizesBytes: [0, ...ofEach(settings.arenaReserveBytes)],
    })
    const indexes = new Map(formed.map((drive, index) => [drive, index]))
    const { encryption } = settings
    const kms =
      encryption.kms === undefined
        ? undefined
        : kmsSeedOf(encryption.kms, join(settings.certsDir, 'CAs'))
    const seed: EngineSeed = {
      settings: { ...settings, encryption: { ...encryption, kms: undefined } },
      kms,
      log: logOptions(settings),
      storage,
      deploymentId: formation.deploymentId,
      pools: formation.pools.map(({ sets, distributionAlgorithm }) => ({
        distributionAlgorithm,
        sets: sets.map((set) =>
          set.map((drive) => ({ endpoint: drive.endpoint, index: indexes.get(drive) ?? 0 })),
        ),
      })),
      codec,
      region: 0,
      lockMemory: createLockMemory(),
      bucketGeneration: createGenerationMemory(),
      driveStates: createDriveStates(formed.length),
      healing: healingOf(formed),
      running: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    }
    this.#core = new ThreadEngine(seed, clock, log, {
      report: (item) => this.#background.report(item),
    })
    this.#background = new Background(seed, this.#core, clock, log)
    this.#threads = new RequestThreads(seed, (reason) => this.#die(reason))
    this.#drives = new Drives(formation, {
      clock,
      log,
      seed,
      firstRegion: 1 + requestThreads,
      clientCount: 1 + requestThreads,
      connect: (index, [own, ...others]) => {
        if (own !== undefined) this.#core.connect(index, own)
        this.#threads.connect(index, others)
      },
      onReturn: () => this.#background.driveCameBack(),
    })
  }

  get facts(): ServerFacts {
    const online = this.#drives.onlineCount()
    return {
      port: this.#port,
      isSecure: existsSync(join(this.#settings.certsDir, 'public.crt')),
      drivesOnline: online,
      drivesOffline: this.#drives.count - online,
    }
  }

  get ended(): Promise<number> {
    return this.#ended.promise
  }

  async start(environment: Environment, pools: readonly PoolTopology[]): Promise<void> {
    const loaded = this.#threads.start()
    await this.#checkKms()
    this.#drives.start()
    await loaded
    await this.#drives.untilReady(DRIVES_READY_MS)
    const state = await this.#readState(environment, pools)
    this.#core.apply(state)
    await this.#background.start(this.#threads.repairPorts, state.settings)
    const listening = await this.#threads.listen(this.#settings.address.port, state)
    if (typeof listening === 'string') throw new StartError(`Cannot listen: ${listening}`)
    this.#port = listening
    this.#threads.settle()
    this.#drives.settle()
    setImmediate(collectGarbage)
    this.#isStarted = true
    if (this.#stopReason !== undefined) void this.#stopAll(this.#stopReason)
  }

  /** What is stored on the drives counts where the command line and the environment say nothing. */
  async #readState(environment: Environment, pools: readonly PoolTopology[]): Promise<StartState> {
    const { encryption } = this.#settings
    try {
      return await readStartState({
        engine: this.#core.engine,
        clock: this.#clock,
        log: this.#log,
        settings: { ...this.#settings, encryption: { ...encryption, kms: undefined } },
        environment,
        pools,
      })
    } catch (error) {
      if (error instanceof EncryptionError) {
        throw new StartError(`Cannot read the configuration: ${error.message}`, { cause: error })
      }
      if (!(error instanceof PoolMissingError)) throw error
      throw new StartError(error.message, { cause: error })
    }
  }

  async #checkKms(): Promise<void> {
    const { kms } = this.#core.encryption
    if (kms === undefined) return
    try {
      await checkKms(kms)
    } catch (error) {
      if (!(error instanceof EncryptionError)) throw error
      throw new StartError(`Cannot use the KMS: ${error.message}`, { cause: error })
    }
    if (this.#settings.encryption.kms?.service.family === 'static') {
      this.#log.warn(
        'The KMS is one static key: whoever has it reads everything, and it cannot be rotated',
      )
    }
  }

  stop(reason: string): void {
    if (this.#stopReason !== undefined) return
    this.#stopReason = reason
    if (this.#isStarted) void this.#stopAll(reason)
  }

  async #stopAll(reason: string): Promise<void> {
    this.#log.info('Stopping', { reason })
    await this.#threads.stop(this.#settings.shutdownTimeoutMs + 5000, this.#clock)
    await this.#background.stop()
    await this.#drives.stop()
    this.#formation.release()
    this.#log.info('Stopped')
    this.#ended.resolve(0)
    // A thread inside a system call that never returns would hold the process: nothing is left to lose.
    if (this.#drives.hasAbandoned) process.kill(process.pid, 'SIGKILL')
    process.exit(0)
  }

  /** A thread failed by a bug: whatever it held (locks, arena) is lost, so the process ends. Everything acknowledged is on the drives. */
  #die(reason: unknown): void {
    if (this.#isStarted && this.#stopReason !== undefined) return
    this.#log.error('A thread failed; the server ends', { error: reason })
    process.exit(1)
  }
}
