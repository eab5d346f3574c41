/**
 * A whole S3 server in this process, and a client that shows everything of its replies: for tests of operations.
 *
 * Its drives are in memory; with `CAIRN_TEST_DRIVES=folders` they are fresh folders of the file system.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import type { CompressionSettings } from '#config/compression-settings'
import type { Codec } from '#codec/codec'
import {
  CAIRN_VOLUME,
  type Drive,
  DriveError,
  META_VOLUME,
  MULTIPART_VOLUME,
  TMP_VOLUME,
  TRASH_VOLUME,
} from '#drive/drive'
import type { Kms } from '#encryption/encryption'
import { ObjectEncryption } from '#encryption/object-encryption'
import { startHttpServer } from '#http/server'
import { createGenerationMemory } from '#object/bucket-metadata'
import { Engine } from '#object/engine'
import { createLockMemory, NamespaceLocks } from '#object/locks'
import type { ObjectEngine } from '#object/object'
import type { PoolLayout } from '#object/placement'
import { SILENT_LOG } from '#observe/log'
import { createFrontDoor } from '#s3/front-door'
import { OPERATIONS } from '#s3/operations'
import type { S3Services } from '#s3/s3'
import { S3Driver, type S3Reply, type S3Request } from '../../tests/lib/s3-driver.ts'
import { LocalDrive } from '../drive/local/local-drive.ts'
import { nodeFileSystem } from '../drive/local/node-file-system.ts'
import { DEPLOYMENT_ID, oneSet, testCodec, testEncryption, testSealing } from './engine-fixture.ts'
import { MemoryDrive } from './memory-drive.ts'

export type { S3Reply, S3Request } from '../../tests/lib/s3-driver.ts'

export const CREDENTIALS = { accessKey: 'harness-root', secretKey: 'harness-secret' }
const DRIVE_COUNT = 4
/** What formatting a drive makes. */
const DRIVE_VOLUMES = [META_VOLUME, TMP_VOLUME, TRASH_VOLUME, MULTIPART_VOLUME, CAIRN_VOLUME]

export interface HarnessOptions {
  /** Configured region; none by default. */
  readonly region?: string
  /** Default: one set of four empty drives. */
  readonly layouts?: (codec: Codec) => Promise<readonly PoolLayout[]> | readonly PoolLayout[]
  readonly deploymentId?: string
  readonly websiteDomains?: readonly string[]
  readonly corsOrigins?: readonly string[]
  /** `name:base64`; no KMS by default. */
  readonly kmsSecret?: string
  readonly kms?: Kms
  readonly encryptsAll?: boolean
  /** Nothing is compressed by default. */
  readonly compression?: CompressionSettings
  readonly cleansKeys?: boolean
}

export interface S3Harness {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** What the server stores in, for what no request can set. */
  readonly engine: ObjectEngine
  /** Sends a request signed by the root key. */
  send(request: S3Request): Promise<S3Reply>
  /** Makes a bucket in the given versioning state. */
  make(bucket: string, versioning?: 'Enabled' | 'Suspended'): Promise<void>
  /** Puts an object, and rejects when that does not succeed. */
  put(
    bucket: string,
    key: string,
    body: Uint8Array | string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<S3Reply>
  /** Texts of all elements with this name, as they stand in the document. */
  texts(reply: S3Reply, name: string): string[]
  close(): Promise<void>
}

/** Starts a server on a free port of this machine. `close` must be called. */
export async function startS3(options: HarnessOptions = {}): Promise<S3Harness> {
  const codec = testCodec()
  using folders = new DisposableStack()
  const layouts = (await options.layouts?.(codec)) ?? oneSet(await emptyDrives(codec, folders))
  const services = servicesOver(codec, layouts, options)
  const server = await startHttpServer({
    handler: createFrontDoor({
      services,
      operations: OPERATIONS,
      credentials: {
        find: (accessKey) =>
          accessKey === CREDENTIALS.accessKey ? { ...CREDENTIALS, isOwner: true } : undefined,
      },
      log: SILENT_LOG,
      domains: [],
      websiteDomains: options.websiteDomains,
      corsOrigins: options.corsOrigins,
    }),
    clock: services.clock,
    log: SILENT_LOG,
    host: '127.0.0.1',
    port: 0,
  })
  const url = `http://127.0.0.1:${server.port}`
  const driver = new S3Driver(url, CREDENTIALS)
  const leftovers = folders.move()
  return harnessOf({ url, engine: services.engine, driver }, async () => {
    driver.close()
    await server.stop(1000)
    leftovers.dispose()
  })
}

async function emptyDrives(codec: Codec, cleanUp: DisposableStack): Promise<readonly Drive[]> {
  const names = Array.from({ length: DRIVE_COUNT }, (_, i) => `drive-${i + 1}`)
  if (process.env['CAIRN_TEST_DRIVES'] !== 'folders') {
    return names.map((name) => new MemoryDrive(`/${name}`, codec))
  }
  const drives: Drive[] = []
  for (const name of names) {
    const root = mkdtempSync(join(tmpdir(), `cairn-${name}-`))
    cleanUp.defer(() => rmSync(root, { recursive: true, force: true }))
    const drive = new LocalDrive({
      fileSystem: nodeFileSystem(),
      root,
      clock: systemClock(),
      random: systemRandom(),
      hashes: codec,
      durability: 'strict',
      mayHoldV1: false,
    })
    for (const volume of DRIVE_VOLUMES) {
      const made = await drive.makeVolume(volume)
      if (made instanceof DriveError && made.code !== 'VolumeExists') throw made
    }
    drives.push(drive)
  }
  return drives
}

function servicesOver(
  codec: Codec,
  layouts: readonly PoolLayout[],
  options: HarnessOptions,
): S3Services {
  const clock = systemClock()
  const random = systemRandom()
  const encryption =
    options.kms === undefined
      ? testEncryption(options.kmsSecret, clock)
      : new ObjectEncryption({ kms: options.kms, random, clock, cachesDataKeys: false })
  const engine = new Engine({
    context: {
      codec,
      clock,
      random,
      locks: new NamespaceLocks(createLockMemory(), clock),
      deploymentId: options.deploymentId ?? DEPLOYMENT_ID,
      storage: {
        standardParity: 2,
        reducedParity: 1,
        optimize: 'availability',
        inlineBlockBytes: 131_072,
      },
      repairs: { report: () => undefined },
      log: SILENT_LOG,
      ...testSealing(encryption),
    },
    layouts,
    bucketGeneration: createGenerationMemory(),
  })
  return {
    engine,
    clock,
    random,
    encryption,
    encryptsAll: options.encryptsAll ?? false,
    compression: options.compression,
    cleansKeys: options.cleansKeys,
    // This server has no TLS, and tests send such keys too.
    allowsClientKeysOverHttp: true,
    region: options.region ?? '',
    s2Decoder: () => codec.s2Decoder(),
    checksum: (name) => codec.checksum(name),
    digest: (name, data) => codec.digest(name, data),
  }
}

function harnessOf(
  { url, engine, driver }: Pick<S3Harness, 'url' | 'engine'> & { readonly driver: S3Driver },
  close: () => Promise<void>,
): S3Harness {
  const setVersioning = async (bucket: string, status: string): Promise<void> => {
    const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
    await driver.must({ method: 'PUT', bucket, query: { versioning: '' }, body })
  }
  return {
    url,
    engine,
    send: (request) => driver.send(request),
    make: async (bucket, versioning) => {
      await driver.must({ method: 'PUT', bucket })
      if (versioning !== undefined) await setVersioning(bucket, 'Enabled')
      if (versioning === 'Suspended') await setVersioning(bucket, 'Suspended')
    },
    put: (bucket, key, body, headers = {}) =>
      driver.must({ method: 'PUT', bucket, key, body, headers }),
    texts: (reply, name) => {
      const pattern = new RegExp(`<${name}(?: [^>]*)?>([^<]*)<`, 'g')
      return [...reply.text.matchAll(pattern)].map((match) => match[1] ?? '')
    },
    close,
  }
}
