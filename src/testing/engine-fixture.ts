import { systemClock, type Clock } from '#base/clock'
import { seededRandom, systemRandom, type Random } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { kmsSeedOf, openKms } from '#encryption/kms'
import { ObjectEncryption } from '#encryption/object-encryption'
import { SealedFiles } from '#encryption/sealed-files'
import type { Drive } from '#drive/drive'
import { bodyOfBytes } from '#object/body'
import type { EngineContext, StorageClasses } from '#object/context'
import { createLockMemory, NamespaceLocks } from '#object/locks'
import type {
  BodySource,
  DeleteOptions,
  DeleteOutcome,
  ObjectInfo,
  ObjectReader,
  PutOptions,
  ReadOptions,
  VersioningState,
} from '#object/object'
import type { PoolLayout } from '#object/placement'
import { Pools } from '#object/pools'
import { putObject } from '#object/put'
import { headObject, openObject } from '#object/read'
import { removeObject } from '#object/remove'
import type { RepairItem } from '#object/repair-sink'
import { SILENT_LOG } from '#observe/log'
import { MemoryDrive } from './memory-drive.ts'

/** An engine's core over any drives, for tests. */

export const DEPLOYMENT_ID = '4a0a3d2e-7c5b-4b53-9b7c-1c0e6f2d8a11'
const ARENA_BYTES = 192 * 1_048_576

/** One codec for all tests of a process: its memory is reserved, not used. */
export function testCodec(): Codec {
  return new Codec(createCodecSeed({ regionSizesBytes: [ARENA_BYTES] }), 0)
}

/** Encryption with a static master key, or without one. Data keys are not kept. */
export function testEncryption(kmsSecret: string | undefined, clock: Clock): ObjectEncryption {
  const random = systemRandom()
  const kms =
    kmsSecret === undefined
      ? undefined
      : openKms(
          kmsSeedOf(
            {
              service: { family: 'static', secret: kmsSecret },
              oldSecret: undefined,
              cachesDataKeys: false,
            },
            '',
          ),
          { clock, random, readCertificates: () => [] },
        )
  return new ObjectEncryption({ kms, random, clock, cachesDataKeys: false })
}

/** The parts of a context that encrypt. */
export function testSealing(
  encryption: ObjectEncryption,
): Pick<EngineContext, 'encryption' | 'sealedFiles'> {
  const { kms, random } = encryption
  const root = { user: 'minioadmin', password: 'minioadmin' }
  return { encryption, sealedFiles: new SealedFiles({ kms, root, random }) }
}

export interface FixtureOptions {
  readonly codec: Codec
  readonly layouts: readonly PoolLayout[]
  readonly storage?: Partial<StorageClasses>
  readonly deploymentId?: string
  readonly clock?: Clock
  /** `name:base64`; no KMS by default. */
  readonly kmsSecret?: string | undefined
  /** Two engines over the same drives need different ones. */
  readonly random?: Random
}

export type TestPutOptions = Partial<PutOptions> & { readonly versioning?: VersioningState }

/** Drives in memory with the volume `bucket`. */
export function drivesOf(codec: Codec, count: number): MemoryDrive[] {
  return Array.from({ length: count }, (_, i) => {
    const drive = new MemoryDrive(`/d${i + 1}`, codec)
    void drive.makeVolume('bucket')
    return drive
  })
}

export class EngineFixture {
  readonly context: EngineContext
  readonly pools: Pools
  readonly repairs: RepairItem[] = []

  constructor(options: FixtureOptions) {
    const clock = options.clock ?? systemClock()
    this.context = {
      codec: options.codec,
      clock,
      random: options.random ?? seededRandom(1),
      locks: new NamespaceLocks(createLockMemory(), clock),
      deploymentId: options.deploymentId ?? DEPLOYMENT_ID,
      storage: {
        standardParity: 2,
        reducedParity: 1,
        optimize: 'availability',
        inlineBlockBytes: 131_072,
        ...options.storage,
      },
      repairs: {
        report: (item) => {
          this.repairs.push(item)
        },
      },
      log: SILENT_LOG,
      ...testSealing(testEncryption(options.kmsSecret, clock)),
    }
    this.pools = new Pools(this.context, options.layouts)
  }

  put(key: string, content: Uint8Array, options: TestPutOptions = {}): Promise<ObjectInfo> {
    return this.putBody(key, bodyOfBytes(content), options)
  }

  putBody(key: string, body: BodySource, options: TestPutOptions = {}): Promise<ObjectInfo> {
    return putObject(this.context, this.pools, { bucket: 'bucket', key }, body, {
      userMetadata: new Map(),
      storageClass: 'STANDARD',
      digests: [],
      versioning: 'unversioned',
      ...options,
    })
  }

  async head(
    key: string,
    options: Partial<ReadOptions> = {},
    bucket = 'bucket',
  ): Promise<ObjectInfo> {
    const { info } = await headObject(
      this.context,
      this.pools,
      { bucket, key },
      { range: { kind: 'all' }, ...options },
    )
    return info
  }

  open(key: string, options: Partial<ReadOptions> = {}, bucket = 'bucket'): Promise<ObjectReader> {
    return openObject(
      this.context,
      this.pools,
      { bucket, key },
      { range: { kind: 'all' }, ...options },
    )
  }

  /** The bytes of an object or of a range of it. */
  async get(
    key: string,
    options: Partial<ReadOptions> = {},
    bucket = 'bucket',
  ): Promise<Uint8Array> {
    const reader = await this.open(key, options, bucket)
    const content = new Uint8Array(reader.sizeBytes)
    let offset = 0
    for await (const chunk of reader.chunks()) {
      content.set(chunk.bytes, offset)
      offset += chunk.bytes.length
      chunk.release()
    }
    if (offset !== content.length) throw new Error(`Got ${offset} of ${content.length} bytes`)
    return content
  }

  remove(key: string, options: Partial<DeleteOptions> = {}): Promise<DeleteOutcome> {
    const target = { bucket: 'bucket', key }
    return removeObject(this.context, this.pools, target, { versioning: 'unversioned', ...options })
  }

  /** Fails when a buffer or a lock was not given back. */
  get lentBytes(): number {
    return ARENA_BYTES - this.context.codec.arena.freeBytes
  }
}

/** A pool of one set. */
export function oneSet(drives: readonly (Drive | undefined)[]): readonly PoolLayout[] {
  return [{ sets: [drives], distributionAlgorithm: 'SIPMOD+PARITY' }]
}

/** Repeatable content that differs in every block. */
export function contentOf(sizeBytes: number, seed = 1): Uint8Array {
  const content = new Uint8Array(sizeBytes)
  let state = (seed * 2_654_435_761) >>> 0
  for (let i = 0; i < sizeBytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    content[i] = state >>> 24
  }
  return content
}
