import type { Clock } from '#base/clock'
import { systemRandom } from '#base/random'
import { Codec } from '#codec/codec'
import { Md5Helper } from '#codec/md5-helper'
import { openKms } from '#encryption/kms'
import { ObjectEncryption } from '#encryption/object-encryption'
import { SealedFiles } from '#encryption/sealed-files'
import type { DriveConnection } from '#drive/drive-messages'
import { DriveClient } from '#drive/drive-client'
import { MetadataReader } from '#drive/metadata-reader'
import type { EngineContext, StorageClasses } from '#object/context'
import { Engine } from '#object/engine'
import { NamespaceLocks } from '#object/locks'
import type { RepairSink } from '#object/repair-sink'
import type { Log } from '#observe/log'
import { readCertificates } from './certificate-files.ts'
import type { EngineSeed, StartState } from './thread-seed.ts'

/** The engine of one thread, over the memory that all threads share. */
export class ThreadEngine {
  readonly engine: Engine
  readonly context: EngineContext
  readonly codec: Codec
  readonly encryption: ObjectEncryption
  /** By index. */
  readonly drives: readonly DriveClient[]
  #storage: StorageClasses

  /** `hasHelpers`: threads that help while there are few clients. */
  constructor(seed: EngineSeed, clock: Clock, log: Log, repairs: RepairSink, hasHelpers = false) {
    const md5Helper = hasHelpers ? md5HelperOf(seed, clock, log) : undefined
    this.codec = new Codec(seed.codec, seed.region, md5Helper)
    this.#storage = seed.storage
    const storage = (): StorageClasses => this.#storage
    const seats = seed.pools.flatMap(({ sets }) => sets.flat())
    const reader = hasHelpers ? readerOf(seed, clock, log) : undefined
    this.drives = seats.map(
      ({ endpoint, index }) =>
        new DriveClient({
          endpoint,
          clock,
          log,
          states: seed.driveStates,
          driveIndex: index,
          arena: seed.codec.memory.buffer,
          timeoutMs: seed.settings.driveTimeoutMs,
        }),
    )
    const healing = new Uint8Array(seed.healing)
    const random = systemRandom()
    const kms =
      seed.kms === undefined ? undefined : openKms(seed.kms, { clock, random, readCertificates })
    this.encryption = new ObjectEncryption({
      kms,
      random,
      clock,
      cachesDataKeys: seed.kms?.cachesDataKeys ?? false,
    })
    this.context = {
      codec: this.codec,
      clock,
      random,
      log,
      repairs,
      encryption: this.encryption,
      sealedFiles: new SealedFiles({
        kms,
        random,
        root: { user: seed.settings.rootUser, password: seed.settings.rootPassword },
      }),
      locks: new NamespaceLocks(seed.lockMemory, clock),
      deploymentId: seed.deploymentId,
      get storage() {
        return storage()
      },
    }
    this.engine = new Engine({
      context: this.context,
      layouts: seed.pools.map(({ sets, distributionAlgorithm }) => ({
        distributionAlgorithm,
        sets: sets.map((set) => set.map(({ index }) => this.drives[index])),
        isHealing: (set, position) => healing[sets[set]?.[position]?.index ?? -1] === 1,
        readTogether:
          reader &&
          sets.map((seats) => {
            const indexes = seats.map(({ index }) => index)
            return (positions, read) =>
              reader.read(
                positions.map((position) => indexes[position] ?? -1),
                read,
              )
          }),
      })),
      bucketGeneration: seed.bucketGeneration,
    })
  }

  /** Before the first call of a client. */
  apply({ storage, closedPools }: StartState): void {
    this.#storage = storage
    this.engine.pools.close(new Set(closedPools))
  }

  connect(index: number, connection: DriveConnection): void {
    this.drives[index]?.connect(connection)
  }
}

function readerOf(seed: EngineSeed, clock: Clock, log: Log): MetadataReader {
  const drives = seed.pools.flatMap(({ sets, distributionAlgorithm }) =>
    sets
      .flat()
      .map(({ endpoint }) => ({ root: endpoint, mayHoldV1: distributionAlgorithm === 'CRCMOD' })),
  )
  const running = new Int32Array(seed.running)
  const isAlone = (): boolean => Atomics.load(running, 0) <= 1
  return new MetadataReader({ drives, clock, log, isAlone })
}

function md5HelperOf(seed: EngineSeed, clock: Clock, log: Log): Md5Helper {
  const running = new Int32Array(seed.running)
  const { codec, region, settings } = seed
  const runningMax = Math.floor(settings.requestThreads / 2)
  return new Md5Helper({
    seed: codec,
    region,
    clock,
    isIdle: () => Atomics.load(running, 0) <= runningMax,
    onFailure: (error) => log.error('The thread that helps with MD5 failed', { error }),
  })
}
