import { resolve } from 'node:path'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import type { Settings } from '#config/config'
import { parityFor, poolsFrom } from '#config/topology'
import { formDrives } from '#drive/formation'
import { startHttpServer } from '#http/server'
import { createGenerationMemory } from '#object/bucket-metadata'
import { Engine } from '#object/engine'
import { createLockMemory, NamespaceLocks } from '#object/locks'
import { createLog } from '#observe/log'
import { createFrontDoor } from '#s3/front-door'
import { OPERATIONS } from '#s3/operations'
import { LocalDrive } from '../drive/local/local-drive.ts'
import { nodeFileSystem } from '../drive/local/node-file-system.ts'

export class StartError extends Error {
  override readonly name = 'StartError'
}

export interface ServerFacts {
  readonly port: number
  readonly isSecure: boolean
  readonly drivesOnline: number
  readonly drivesOffline: number
}

export interface RunningServer {
  readonly facts: ServerFacts
  stop(reason: string): void
  readonly ended: Promise<number>
}

export async function startServer(
  settings: Settings,
  warnings: readonly string[],
): Promise<RunningServer> {
  const clock = systemClock()
  const random = systemRandom()
  const log = createLog(clock, {
    format: settings.logFormat,
    level: settings.quiet ? 'warn' : 'info',
  })
  for (const warning of warnings) log.warn(warning)
  const topology = poolsFrom(settings.volumes, { setDriveCount: settings.setDriveCount, resolve })
  const parity = parityFor(
    topology.map((p) => p.setSize),
    settings.storageClass,
  )
  const formation = formDrives(topology, {
    clock,
    random,
    log,
    allowRootDrive: settings.allowRootDrive,
    rootDriveThresholdBytes: settings.rootDriveThresholdBytes,
  })
  const seed = createCodecSeed({ regionSizesBytes: [settings.arenaBytes] })
  const codec = new Codec(seed, 0)
  const layouts = formation.pools.map(({ sets, distributionAlgorithm }) => ({
    distributionAlgorithm,
    sets: sets.map((set) =>
      set.map((drive) =>
        drive.refusal !== undefined
          ? undefined
          : new LocalDrive({
              fileSystem: nodeFileSystem(),
              root: drive.endpoint,
              clock,
              random,
              hashes: codec,
              durability: settings.durability,
              mayHoldV1: distributionAlgorithm === 'CRCMOD',
            }),
      ),
    ),
  }))
  const engine = new Engine({
    context: {
      codec,
      clock,
      random,
      log,
      locks: new NamespaceLocks(createLockMemory(), clock),
      deploymentId: formation.deploymentId,
      storage: {
        standardParity: parity.standard,
        reducedParity: parity.reduced,
        optimize: settings.storageClass.optimize,
        inlineBlockBytes: settings.storageClass.inlineBlockBytes,
      },
      repairs: { report: () => undefined },
    },
    layouts,
    bucketGeneration: createGenerationMemory(),
  })
  const http = await startHttpServer({
    handler: createFrontDoor({
      services: {
        engine,
        clock,
        random,
        region: settings.region,
        digest: (name, data) => {
          const sum = codec.checksum(name)
          sum.update(data)
          return sum.digest()
        },
      },
      operations: OPERATIONS,
      credentials: {
        find: (accessKey) =>
          accessKey === settings.rootUser
            ? { accessKey, secretKey: settings.rootPassword, isOwner: true }
            : undefined,
      },
      log,
      domains: settings.domains,
    }),
    clock,
    log,
    host: settings.address.host === '' ? undefined : settings.address.host,
    port: settings.address.port,
  })
  const { promise: ended, resolve: end } = Promise.withResolvers<number>()
  return {
    facts: { port: http.port, isSecure: false, drivesOnline: 0, drivesOffline: 0 },
    stop: () => {
      void http.stop(settings.shutdownTimeoutMs).then(() => {
        formation.release()
        end(0)
      })
    },
    ended,
  }
}
