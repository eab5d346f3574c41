/**
 * Writers while one drive of four hangs: they answer soon, and whatever the drive does in the end, before or after newer
 * writes to the same key by another thread, nothing acknowledged is lost, nothing deleted comes back, and the repair
 * makes the drive whole.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { seededRandom } from '#base/random'
import { DriveError } from '#drive/drive'
import { LocalDrive } from '#drive/local/local-drive'
import { assertBytes } from '#testing/bytes'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { SimClock } from '#testing/sim-clock'
import { SimFileSystem } from '#testing/sim-file-system'
import { StuckDrive } from '#testing/stuck-drive'
import { bodyOfBytes } from './body.ts'
import { createGenerationMemory } from './bucket-metadata.ts'
import { Engine } from './engine.ts'
import { ObjectError, type VersioningState } from './object.ts'
import { repairKey, type RepairResult } from './repair/repair-object.ts'

const codec = testCodec()
const ROOT = '/drive'
const KEY = 'a/key'
const SMALL = contentOf(3000, 1)
const LARGE = contentOf(700_000, 2)
const PART = contentOf(5 * 1_048_576, 3)
/** What the specification allows a write with a hung drive. */
const WRITE_MS_MAX = 2000
const LIST = { prefix: '', uploadIdMarker: '', delimiter: '', startAfter: '', limit: 100 }
/** A list waits once for a page, and perhaps for a key. */
const READ_MS_MAX = 2500
const USER_KEY = 'X-Amz-Meta-A'

type Mode = 'thread' | 'flush'

class Store {
  readonly clock = new SimClock()
  readonly stuck: StuckDrive
  readonly drives: readonly LocalDrive[]
  readonly fixture: EngineFixture
  /** Of two request threads. */
  readonly engines: readonly Engine[]
  readonly #offline = new Set<number>()

  constructor() {
    this.drives = [1, 2, 3, 4].map((seed) => {
      const fileSystem = new SimFileSystem({ nowNs: () => this.clock.nowNs() })
      fileSystem.makeDirectory(ROOT)
      const drive = new LocalDrive({
        fileSystem,
        root: ROOT,
        clock: this.clock,
        random: seededRandom(1000 + seed),
        hashes: codec,
        durability: 'strict',
        mayHoldV1: false,
      })
      return Object.assign(drive, { isOnline: () => !this.#offline.has(seed - 1) })
    })
    const [, , , last] = this.drives
    assert.ok(last !== undefined)
    this.stuck = new StuckDrive(last)
    const layouts = oneSet([...this.drives.slice(0, 3), this.stuck.drive])
    const storage = { inlineBlockBytes: 16_384 }
    this.fixture = new EngineFixture({ codec, layouts, storage, clock: this.clock })
    const bucketGeneration = createGenerationMemory()
    const contexts = [
      this.fixture.context,
      { ...this.fixture.context, random: seededRandom(99) },
    ] as const
    this.engines = contexts.map((context) => new Engine({ context, layouts, bucketGeneration }))
  }

  engine(thread = 0): Engine {
    const engine = this.engines[thread]
    assert.ok(engine !== undefined)
    return engine
  }

  async quiet(): Promise<void> {
    for (let i = 0; i < 100; i++) await turn()
  }

  async setOffline(positions: readonly number[]): Promise<void> {
    this.#offline.clear()
    for (const position of positions) this.#offline.add(position)
    await this.quiet()
  }

  /** Repairs what was reported, and checks that nothing is owed then. */
  async repair(): Promise<void> {
    const [set] = this.fixture.pools.allSets()
    assert.ok(set !== undefined)
    const keys = new Set(this.fixture.repairs.map(({ bucket, path }) => `${bucket}\n${path}`))
    this.fixture.repairs.length = 0
    for (const key of keys) {
      const [bucket = '', path = ''] = key.split('\n')
      if (path === '') {
        await this.engine()
          .buckets.heal(bucket)
          .catch(() => 0)
        continue
      }
      const options = { deep: false, danglingAgeMs: 0 }
      await this.clock.within(1000, repairKey(set, bucket, path, options))
      const again: RepairResult = await this.clock.within(
        1000,
        repairKey(set, bucket, path, options),
      )
      assert.deepEqual(
        { problems: again.problems, changes: again.changes },
        {
          problems: [],
          changes: 0,
        },
      )
    }
  }

  /** What clients see of the key. */
  async view(versioning: VersioningState): Promise<readonly string[]> {
    if (versioning === 'unversioned') return [await this.#read(undefined)]
    const { versions } = await this.engine().listVersions('bucket', LIST)
    const seen = [await this.#read(undefined)]
    for (const { versionId, isDeleteMarker } of versions) {
      seen.push(isDeleteMarker ? 'marker' : await this.#read(versionId))
    }
    return seen
  }

  async #read(versionId: string | undefined): Promise<string> {
    try {
      const info = await this.fixture.head(KEY, { versionId })
      const content = await this.fixture.get(KEY, { versionId })
      return `${content.length} ${content[1] ?? ''} ${info.userMetadata.get(USER_KEY) ?? ''}`
    } catch (error) {
      if (error instanceof ObjectError) return error.code
      throw error
    }
  }
}

interface Operation {
  readonly name: string
  run(store: Store, versioning: VersioningState, thread: number): Promise<unknown>
}

const put = (name: string, content: Uint8Array): Operation => ({
  name,
  run: (store, versioning, thread) =>
    store.engine(thread).putObject('bucket', KEY, bodyOfBytes(content), {
      versioning,
      userMetadata: new Map([[USER_KEY, name]]),
      storageClass: 'STANDARD',
      digests: [],
    }),
})

const OPERATIONS: readonly Operation[] = [
  put('small', SMALL),
  put('large', LARGE),
  {
    name: 'delete',
    run: (store, versioning, thread) =>
      store.engine(thread).deleteObject('bucket', KEY, { versioning }),
  },
  {
    name: 'update',
    run: (store, _, thread) =>
      store
        .engine(thread)
        .updateMetadata('bucket', KEY, undefined, () => ({
          userMetadata: new Map([[USER_KEY, 'updated']]),
        }))
        .catch(ignoreAbsent),
  },
  {
    name: 'copy',
    run: (store, versioning, thread) =>
      store
        .engine(thread)
        .copyObject(
          'bucket',
          KEY,
          { bucket: 'bucket', key: KEY, versionId: undefined },
          {
            storageClass: 'STANDARD',
            versioning,
            digests: [],
            metadata: () => ({
              userMetadata: new Map([[USER_KEY, 'copied']]),
              systemMetadata: new Map(),
              digests: [],
              allowMetadataOnly: true,
            }),
          },
        )
        .catch(ignoreAbsent),
  },
]

/** Some orders change or copy what was deleted. */
function ignoreAbsent(error: unknown): void {
  const isAbsent =
    error instanceof ObjectError &&
    (error.code === 'ObjectNotFound' || error.code === 'MethodNotAllowed')
  if (!isAbsent) throw error
}

async function prepared(versioning: VersioningState): Promise<Store> {
  const store = new Store()
  await store.engine().makeBucket('bucket', { objectLock: false, versioning: false })
  if (versioning === 'suspended') await put('first', SMALL).run(store, 'enabled', 0)
  await put('before', LARGE).run(store, versioning, 0)
  return store
}

/** What is seen after each operation when no drive hangs. */
async function expectedAfter(
  operations: readonly Operation[],
  versioning: VersioningState,
): Promise<readonly (readonly string[])[]> {
  const store = await prepared(versioning)
  const seen: (readonly string[])[] = []
  for (const operation of operations) {
    await operation.run(store, versioning, 0)
    seen.push(await store.view(versioning))
  }
  return seen
}

const PAIRS_WITH_LAST = [[], [0, 1], [0, 2], [1, 2]]

async function tryOrder(
  operations: readonly Operation[],
  versioning: VersioningState,
  /** By operation. */
  expected: readonly (readonly string[])[],
  options: { readonly mode: Mode; readonly isGivenUp: boolean },
): Promise<void> {
  const store = await prepared(versioning)
  store.stuck.hang(options.mode)
  for (const [thread, operation] of operations.entries()) {
    await store.clock.within(WRITE_MS_MAX, operation.run(store, versioning, thread))
    const seen = await store.clock.within(READ_MS_MAX, store.view(versioning))
    assert.deepEqual(seen, expected[thread], `after ${operation.name}`)
  }
  if (options.isGivenUp) {
    store.stuck.giveUp()
    await store.quiet()
  }
  await store.stuck.release()
  await store.quiet()
  const last = expected.at(-1)
  assert.deepEqual(await store.view(versioning), last, 'after the return')
  if (versioning === 'unversioned') {
    // Not repaired yet: with two drives away it may be that nothing can be said, but nothing else is.
    for (const offline of PAIRS_WITH_LAST) {
      await store.setOffline(offline)
      const seen: string = (await store.view(versioning))[0] ?? ''
      assert.ok(seen === last?.[0] || seen === 'ReadQuorum', `${seen} without ${offline.join()}`)
    }
    await store.setOffline([])
  }
  assert.ok(
    store.fixture.repairs.some(({ path }) => path === KEY),
    'a repair was asked for',
  )
  await store.repair()
  for (const offline of PAIRS_WITH_LAST) {
    await store.setOffline(offline)
    assert.deepEqual(await store.view(versioning), last, `without ${offline.join()}`)
  }
  assert.equal(store.stuck.waiting, 0)
  assert.equal(store.fixture.lentBytes, 0)
}

for (const versioning of ['unversioned', 'suspended', 'enabled'] as const) {
  test(`one or two writes while a drive hangs, ${versioning}`, async () => {
    let tries = ['unversioned', 'suspended'].includes(versioning) ? 0 : 1
    for (const first of OPERATIONS) {
      for (const second of [undefined, ...OPERATIONS]) {
        const operations = second === undefined ? [first] : [first, second]
        const expected = await expectedAfter(operations, versioning)
        for (const mode of ['thread', 'flush'] as const) {
          // Orders of two are many: half of them end the one way, half the other.
          const ends = second === undefined ? [false, true] : [tries++ % 2 === 0]
          for (const isGivenUp of ends) {
            try {
              await tryOrder(operations, versioning, expected, { mode, isGivenUp })
            } catch (error) {
              const names = operations.map(({ name }) => name).join(', ')
              const what = `${names}; ${mode}, ${isGivenUp ? 'given up' : 'in time'}`
              throw new Error(`Failed: ${what}`, { cause: error })
            }
          }
        }
      }
    }
  })
}

for (const mode of ['thread', 'flush'] as const) {
  test(`an upload while a drive hangs: ${mode}`, async () => {
    const store = await prepared('unversioned')
    const engine = store.engine()
    const options = { userMetadata: new Map(), storageClass: 'STANDARD' } as const
    const create = () =>
      engine.createUpload('bucket', KEY, { ...options, versioning: 'unversioned' })
    const putPart = (id: string, number: number, content: Uint8Array) =>
      engine.putPart('bucket', KEY, id, number, bodyOfBytes(content), { digests: [] })
    const early = await create()
    await putPart(early.uploadId, 1, SMALL)
    store.stuck.hang(mode)
    const late = await store.clock.within(WRITE_MS_MAX, create())
    for (const { uploadId } of [early, late]) {
      // The first upload has another part of that number on the drive that hangs.
      const parts = [
        await store.clock.within(WRITE_MS_MAX, putPart(uploadId, 1, PART)),
        await store.clock.within(WRITE_MS_MAX, putPart(uploadId, 2, SMALL)),
      ]
      const listed = await store.clock.within(
        WRITE_MS_MAX,
        engine.listParts('bucket', KEY, uploadId),
      )
      assert.deepEqual(
        listed.parts.map(({ etag }) => etag),
        parts.map(({ etag }) => etag),
      )
      const named = parts.map(({ number, etag = '' }) => ({ number, etag, checksums: {} }))
      const versioning = 'unversioned'
      const complete = engine.completeUpload('bucket', KEY, uploadId, named, { versioning })
      await store.clock.within(WRITE_MS_MAX, complete)
    }
    const dropped = await store.clock.within(WRITE_MS_MAX, create())
    const abort = engine.abortUpload('bucket', KEY, dropped.uploadId)
    await store.clock.within(WRITE_MS_MAX, abort)
    await store.stuck.release()
    await store.quiet()
    await store.repair()
    const expected = [`${PART.length + SMALL.length} ${PART[1] ?? ''} `]
    for (const offline of PAIRS_WITH_LAST) {
      await store.setOffline(offline)
      assert.deepEqual(await store.view('unversioned'), expected, `without ${offline.join()}`)
    }
    await store.setOffline([])
    assert.deepEqual((await engine.listUploads('bucket', LIST)).uploads, [])
    assert.equal(store.fixture.lentBytes, 0)
  })

  test(`buckets are made, changed and removed while a drive hangs: ${mode}`, async () => {
    const store = await prepared('unversioned')
    store.stuck.hang(mode)
    const [one, other] = store.engines
    assert.ok(one !== undefined && other !== undefined)
    const made = one.makeBucket('new', { objectLock: false, versioning: false })
    await store.clock.within(3000, made)
    const policy = Uint8Array.of(123, 125)
    await store.clock.within(3000, other.setBucketDocument('new', 'PolicyConfigJSON', policy))
    const metadata = await store.clock.within(1000, one.bucketMetadata('new'))
    assertBytes(metadata.document('PolicyConfigJSON'), policy)
    await store.clock.within(3000, other.deleteBucket('new', { force: false }))
    await store.clock.within(
      1000,
      one.makeBucket('other', { objectLock: false, versioning: false }),
    )
    await store.clock.within(3000, one.listBuckets())
    await store.stuck.release()
    await store.quiet()
    await store.repair()
    const names = (await one.listBuckets()).map(({ name }) => name)
    assert.deepEqual(names, ['bucket', 'other'])
    const present = await Promise.all(store.drives.map((drive) => drive.statVolume('other')))
    assert.ok(present.every((volume) => !(volume instanceof DriveError)))
  })

  for (const hasNewer of [false, true]) {
    const what = hasNewer ? 'a newer write comes between' : 'nothing else happens'
    test(`a commit without a quorum is taken back; it happens late, ${mode}, ${what}`, async () => {
      const store = await prepared('unversioned')
      store.stuck.hang(mode)
      const full = store.drives[2]
      assert.ok(full !== undefined)
      const commitVersion = full.commitVersion.bind(full)
      const failing = new DriveError('DriveFull', 'Set by the test')
      full.commitVersion = () => Promise.resolve(failing)
      const refused = assert.rejects(put('small', SMALL).run(store, 'unversioned', 0))
      await store.quiet()
      store.stuck.giveUp()
      await store.clock.within(1000, refused)
      full.commitVersion = commitVersion
      if (hasNewer) {
        const newer = put('large', contentOf(800_000, 9)).run(store, 'unversioned', 1)
        await store.clock.within(WRITE_MS_MAX, newer)
      }
      const expected = await store.clock.within(READ_MS_MAX, store.view('unversioned'))
      await store.stuck.release()
      await store.quiet()
      assert.deepEqual(await store.view('unversioned'), expected)
      await store.repair()
      for (const offline of PAIRS_WITH_LAST) {
        await store.setOffline(offline)
        assert.deepEqual(await store.view('unversioned'), expected, `without ${offline.join()}`)
      }
    })
  }

  test(`many large bodies while a drive hangs leave memory to others: ${mode}`, async () => {
    const store = await prepared('unversioned')
    const before = store.fixture.lentBytes
    store.stuck.hang(mode)
    for (let i = 0; i < 20; i++) {
      await store.clock.within(
        WRITE_MS_MAX,
        put(`large ${i}`, LARGE).run(store, 'unversioned', i % 2),
      )
      assert.ok(store.fixture.lentBytes - before <= 3 * 8 * 1_048_576)
    }
    await store.stuck.release()
    await store.quiet()
    assert.equal(store.fixture.lentBytes, before)
  })
}
