/** Entry of a request thread: the listener, the S3 API and an engine of its own. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { assert } from '#base/assert'
import { type Clock, systemClock } from '#base/clock'
import { collectGarbage } from '#base/memory'
import { systemRandom } from '#base/random'
import { CertificateStore } from '#http/certificates'
import { type HttpServer, startHttpServer } from '#http/server'
import { PortRepairSink } from '#object/repair-port'
import { createLog, type Log } from '#observe/log'
import { createFrontDoor } from '#s3/front-door'
import { OPERATIONS } from '#s3/operations'
import { SharedAdmission } from './shared-admission.ts'
import { ThreadEngine } from './thread-engine.ts'
import type {
  RequestThreadNews,
  RequestThreadOrder,
  RequestThreadSeed,
  StartState,
} from './thread-seed.ts'

class RequestThread {
  readonly #seed: RequestThreadSeed
  readonly #parent: MessagePort
  readonly #clock: Clock = systemClock()
  readonly #log: Log
  readonly #core: ThreadEngine
  #server: HttpServer | undefined

  constructor(seed: RequestThreadSeed, parent: MessagePort) {
    this.#seed = seed
    this.#parent = parent
    this.#log = createLog(this.#clock, seed.log)
    this.#core = new ThreadEngine(
      seed,
      this.#clock,
      this.#log,
      new PortRepairSink(seed.repairPort, this.#clock),
      true,
    )
  }

  run(): void {
    this.#parent.on('message', (order: RequestThreadOrder) => {
      switch (order.kind) {
        case 'drive':
          this.#core.connect(order.index, order.connection)
          break
        case 'listen':
          void this.#listen(order.port, order.state)
          break
        case 'settle':
          collectGarbage()
          break
        case 'stop':
          void this.#stop()
          break
      }
    })
    this.#tell({ kind: 'loaded' })
  }

  async #listen(port: number, state: StartState): Promise<void> {
    const { settings } = state
    this.#core.apply(state)
    const { rootUser, rootPassword } = settings
    try {
      const frontDoor = createFrontDoor({
        services: {
          engine: this.#core.engine,
          clock: this.#clock,
          random: systemRandom(),
          encryption: this.#core.encryption,
          encryptsAll: settings.encryption.encryptsAll,
          allowsClientKeysOverHttp: settings.encryption.allowsClientKeysOverHttp,
          compression: settings.compression,
          region: settings.region,
          selectsParquet: settings.selectsParquet,
          cleansKeys: settings.cleansKeys,
          s2Decoder: () => this.#core.codec.s2Decoder(),
          checksum: (name) => this.#core.codec.checksum(name),
          digest: (name, data) => this.#core.codec.digest(name, data),
        },
        operations: OPERATIONS,
        credentials: {
          find: (accessKey) =>
            accessKey === rootUser
              ? { accessKey, secretKey: rootPassword, isOwner: true }
              : undefined,
        },
        log: this.#log,
        policiesBindOwner: settings.policiesBindOwner,
        domains: settings.domains,
        websiteDomains: settings.websiteDomains,
        trustedProxies: settings.trustedProxies,
        pathPrefix: settings.pathPrefix,
        corsOrigins: settings.corsOrigins,
        admission: new SharedAdmission(this.#seed.running, settings.requestsMax),
      })
      this.#server = await startHttpServer({
        handler: frontDoor,
        clock: this.#clock,
        log: this.#log,
        host: settings.address.host === '' ? undefined : settings.address.host,
        port,
        reusePort: true,
        certificates: CertificateStore.open({
          directory: settings.certsDir,
          passphrase: settings.certsPassphrase,
          clock: this.#clock,
          log: this.#log,
        }),
        limits: { idleMs: settings.idleTimeoutMs, headersMs: settings.readHeaderTimeoutMs },
        memory: this.#core.codec.arena,
      })
      this.#tell({ kind: 'listening', port: this.#server.port })
    } catch (error) {
      this.#tell({
        kind: 'refused',
        message: error instanceof Error ? error.message : 'Unknown error',
      })
    }
  }

  async #stop(): Promise<void> {
    await this.#server?.stop(this.#seed.settings.shutdownTimeoutMs)
    this.#tell({ kind: 'stopped' })
  }

  #tell(news: RequestThreadNews): void {
    this.#parent.postMessage(news)
  }
}

function seedOf(data: unknown): RequestThreadSeed {
  assert(
    typeof data === 'object' && data !== null && Reflect.get(data, 'kind') === 'request-thread',
  )
  return data as RequestThreadSeed
}

assert(parentPort !== null, 'A request thread is started as a worker')
new RequestThread(seedOf(workerData), parentPort).run()
