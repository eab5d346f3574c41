import type { MessagePort } from 'node:worker_threads'
import type { Clock } from '#base/clock'
import type { Settings } from '#config/config'
import { expireUploads } from '#object/expire-uploads'
import { serveRepairPort } from '#object/repair-port'
import { RepairQueue } from '#object/repair-queue'
import { RepairService } from '#object/repair-service'
import type { RepairItem, RepairSink } from '#object/repair-sink'
import type { Log } from '#observe/log'
import { uploadDueMs } from '#s3/upload-expiry'
import type { ThreadEngine } from './thread-engine.ts'
import type { EngineSeed } from './thread-seed.ts'

/** Repairs give way to clients while more requests than this are served. */
const BUSY_REQUESTS = 16

/** What runs by itself in the main thread: repairs, expiry of uploads, emptying of the trash. */
export class Background implements RepairSink {
  readonly #queue: RepairQueue
  readonly #service: RepairService
  #settings: Settings

  constructor(seed: EngineSeed, core: ThreadEngine, clock: Clock, log: Log) {
    this.#settings = seed.settings
    const settings = (): Settings => this.#settings
    const { engine, context } = core
    const healing = new Uint8Array(seed.healing)
    const running = new Int32Array(seed.running)
    this.#queue = new RepairQueue({ drives: core.drives, clock, log })
    this.#service = new RepairService({
      context,
      pools: engine.pools,
      queue: this.#queue,
      healBucket: (bucket) => engine.buckets.heal(bucket),
      isBusy: () => Atomics.load(running, 0) > BUSY_REQUESTS,
      onRefilled: (set, position) => {
        const seat = seed.pools[set.pool]?.sets[set.index]?.[position]
        if (seat !== undefined) healing[seat.index] = 0
      },
      expireUploads: (signal) =>
        expireUploads(engine.uploads, {
          lifeMs: settings().staleUploadsExpiryMs,
          dueMs: (upload) => uploadDueMs(engine, upload),
          signal,
        }),
      driveTimeoutMs: settings().driveTimeoutMs,
      get expireIntervalMs() {
        return settings().staleUploadsIntervalMs
      },
    })
  }

  /** `ports`: where request threads report from. */
  async start(ports: readonly MessagePort[], settings: Settings): Promise<void> {
    this.#settings = settings
    await this.#queue.load()
    for (const port of ports) serveRepairPort(port, this.#queue)
    this.#service.start()
  }

  report(item: RepairItem): Promise<void> | void {
    return this.#queue.report(item)
  }

  driveCameBack(): void {
    this.#service.driveCameBack()
  }

  stop(): Promise<void> {
    return this.#service.stop()
  }
}
