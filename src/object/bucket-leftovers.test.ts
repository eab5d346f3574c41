/**
 * What deletes leave on drives that hang while they are acknowledged: it is never seen, and the bucket can be removed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { seededRandom, type Random } from '#base/random'
import { DriveError } from '#drive/drive'
import { LocalDrive } from '#drive/local/local-drive'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { SimClock } from '#testing/sim-clock'
import { SimFileSystem } from '#testing/sim-file-system'
import { StuckDrive } from '#testing/stuck-drive'
import { bodyOfBytes } from './body.ts'
import { createGenerationMemory } from './bucket-metadata.ts'
import { Engine } from './engine.ts'
import { ObjectError, type ObjectErrorCode } from './object.ts'

const codec = testCodec()
const ROOT = '/drive'
const BUCKET = 'bucket'
/** What a call may take while a drive hangs. */
const CALL_MS_MAX = 5000
const DELETES_MS_MAX = 120_000

class Store {
  readonly clock = new SimClock()
  readonly fileSystems: readonly SimFileSystem[]
  readonly stuck: readonly StuckDrive[]
  readonly fixture: EngineFixture
  /** Of two request threads. */
  readonly engines: readonly Engine[]

  constructor(count = 4) {
    const seeds = Array.from({ length: count }, (_, i) => i + 1)
    this.fileSystems = seeds.map(() => new SimFileSystem({ nowNs: () => this.clock.nowNs() }))
    this.stuck = this.fileSystems.map((fileSystem, i) => {
      fileSystem.makeDirectory(ROOT)
      const drive = new LocalDrive({
        fileSystem,
        root: ROOT,
        clock: this.clock,
        random: seededRandom(1000 + i),
        hashes: codec,
        durability: 'strict',
        mayHoldV1: false,
      })
      return new StuckDrive(drive)
    })
    const layouts = oneSet(this.stuck.map(({ drive }) => drive))
    this.fixture = new EngineFixture({ codec, layouts, clock: this.clock })
    const bucketGeneration = createGenerationMemory()
    const { context } = this.fixture
    this.engines = [context, { ...context, random: seededRandom(99) }].map(
      (own) => new Engine({ context: own, layouts, bucketGeneration }),
    )
  }

  get engine(): Engine {
    const [engine] = this.engines
    assert.ok(engine !== undefined)
    return engine
  }

  at(position: number): StuckDrive {
    const stuck = this.stuck[position]
    assert.ok(stuck !== undefined)
    return stuck
  }

  async make(): Promise<void> {
    const options = { objectLock: false, versioning: false }
    await this.clock.within(CALL_MS_MAX, this.engine.makeBucket(BUCKET, options))
  }

  async put(key: string, engine = this.engine, size = 10): Promise<void> {
    const options = { versioning: 'unversioned', storageClass: 'STANDARD', digests: [] } as const
    const body = bodyOfBytes(contentOf(size))
    const put = engine.putObject(BUCKET, key, body, { ...options, userMetadata: new Map() })
    await this.clock.within(CALL_MS_MAX, put)
  }

  async remove(keys: readonly string[], engine = this.engine): Promise<void> {
    const requests = keys.map((key) => ({ key, versioning: 'unversioned' }) as const)
    const removed = engine.deleteObjects(BUCKET, requests)
    for (const outcome of await this.clock.within(DELETES_MS_MAX, removed)) {
      if (outcome instanceof ObjectError) throw outcome
    }
  }

  async list(delimiter: string, engine = this.engine): Promise<readonly string[]> {
    const request = { prefix: '', delimiter, startAfter: '', limit: 1000 }
    const list = await this.clock.within(CALL_MS_MAX, engine.listObjects(BUCKET, request))
    return [...list.objects.map(({ key }) => key), ...list.commonPrefixes].sort()
  }

  async removeBucket(engine = this.engine, msMax = 30_000): Promise<ObjectErrorCode | 'done'> {
    try {
      await this.clock.within(msMax, engine.deleteBucket(BUCKET, { force: false }))
      return 'done'
    } catch (error) {
      if (error instanceof ObjectError) return error.code
      throw error
    }
  }

  /** Deletes keys while one drive hangs, then the next: each keeps some. */
  async leaveBehind(keys: readonly string[]): Promise<void> {
    const share = Math.ceil(keys.length / this.stuck.length)
    for (const [i, stuck] of this.stuck.entries()) {
      stuck.hang('thread')
      await this.remove(keys.slice(i * share, (i + 1) * share))
      await stuck.release()
      await this.quiet()
    }
  }

  async quiet(): Promise<void> {
    for (let i = 0; i < 100; i++) await turn()
  }

  /** Keys that each drive names. */
  async names(): Promise<readonly number[]> {
    const walk = { volume: BUCKET, prefix: '', startAfter: '', recursive: true, limit: 10_000 }
    const counts: number[] = []
    for (const { drive } of this.stuck) {
      const reply = await drive.walk({ ...walk, metadata: false })
      counts.push(reply instanceof DriveError ? -1 : reply.entries.length)
    }
    return counts
  }
}

function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i % 10 === 0 ? `k${i}` : `many/${i}`))
}

test('a bucket goes whose drives all missed other deletes', async () => {
  const store = new Store()
  await store.make()
  const keys = keysOf(60)
  for (const key of keys) await store.put(key, store.engine, key === 'many/7' ? 300_000 : 10)
  await store.leaveBehind(keys)
  assert.ok((await store.names()).every((count) => count > 0))
  assert.deepEqual(await store.list(''), [])
  assert.deepEqual(await store.list('/'), [])
  assert.equal(await store.removeBucket(), 'done')
  assert.deepEqual(await store.names(), [-1, -1, -1, -1])
})

test('a bucket goes while one drive hangs and others missed deletes', async () => {
  for (const mode of ['thread', 'flush'] as const) {
    const store = new Store()
    await store.make()
    const keys = keysOf(60)
    for (const key of keys) await store.put(key)
    await store.leaveBehind(keys)
    store.at(3).hang(mode)
    assert.equal(await store.removeBucket(), 'done')
    await store.at(3).release()
    await store.quiet()
    assert.deepEqual((await store.names()).slice(0, 3), [-1, -1, -1])
  }
})

test('a bucket with a key stays, whatever was left over, and so does the key', async () => {
  const store = new Store()
  await store.make()
  const keys = keysOf(20)
  for (const key of [...keys, 'z']) await store.put(key)
  await store.leaveBehind(keys)
  assert.equal(await store.removeBucket(), 'BucketNotEmpty')
  assert.deepEqual(await store.list(''), ['z'])
})

test('a write that comes while left-overs are removed is refused, or keeps the bucket', async () => {
  const outcomes = new Set<string>()
  for (let delay = 0; delay < 400; delay += 40) {
    const store = new Store()
    await store.make()
    const keys = keysOf(12)
    for (const key of keys) await store.put(key)
    await store.leaveBehind(keys)
    const [one, other] = store.engines
    assert.ok(one !== undefined && other !== undefined)
    const removal = store.removeBucket(one)
    for (let i = 0; i < delay; i++) await turn()
    const isPut = await store.put('many/new', other).then(
      () => true,
      (error: unknown) => {
        assert.ok(error instanceof ObjectError, String(error))
        return false
      },
    )
    const outcome = await removal
    outcomes.add(outcome)
    assert.equal(outcome, isPut ? 'BucketNotEmpty' : 'done', `delay ${delay}`)
    if (isPut) assert.deepEqual(await store.list(''), ['many/new'])
  }
  assert.equal(outcomes.size, 2)
})

test('what cannot be read of a deleted key does not keep its bucket', async () => {
  const store = new Store()
  await store.make()
  await store.put('a/k')
  store.at(0).hang('thread')
  await store.remove(['a/k'])
  await store.at(0).release()
  const [fileSystem] = store.fileSystems
  assert.ok(fileSystem !== undefined)
  const path = `${ROOT}/${BUCKET}/a/k/xl.meta`
  fileSystem.unlink(path)
  const file = fileSystem.open(path, 'create')
  fileSystem.write(file, [contentOf(500)])
  fileSystem.close(file)
  assert.deepEqual(await store.names(), [1, 0, 0, 0])
  assert.equal(await store.removeBucket(), 'done')
})

/** Writes, deletes and lists by two threads while one drive after another hangs. */
async function runHistory(seed: number): Promise<void> {
  const random: Random = seededRandom(seed)
  const store = new Store()
  await store.make()
  const keys = new Set<string>()
  const pool = keysOf(24)
  let stuckAt: number | undefined
  const settle = async (): Promise<void> => {
    if (stuckAt === undefined) return
    if (random.below(3) === 0) {
      store.at(stuckAt).giveUp()
      await store.quiet()
    }
    await store.at(stuckAt).release()
    await store.quiet()
    stuckAt = undefined
  }
  const pick = (): string => pool[random.below(pool.length)] ?? ''
  for (let step = 0; step < 60; step++) {
    const engine = store.engines[random.below(2)]
    if (random.below(4) === 0) {
      await settle()
      stuckAt = random.below(4)
      store.at(stuckAt).hang(random.below(2) === 0 ? 'thread' : 'flush')
    }
    switch (random.below(5)) {
      case 0:
      case 1: {
        const key = pick()
        await store.put(key, engine, random.below(4) === 0 ? 300_000 : 10)
        keys.add(key)
        break
      }
      case 2: {
        const removed = new Set(Array.from({ length: 1 + random.below(8) }, pick))
        await store.remove([...removed], engine)
        for (const key of removed) keys.delete(key)
        break
      }
      case 3:
        if (keys.size > 0) assert.equal(await store.removeBucket(engine), 'BucketNotEmpty')
        else {
          assert.equal(await store.removeBucket(engine), 'done')
          await settle()
          await store.make()
        }
        break
      default:
    }
    const folders = new Set([...keys].map((key) => key.replace(/\/.*/, '/')))
    const context = `seed ${seed}, step ${step}`
    assert.deepEqual(await store.list('', engine), [...keys].sort(), context)
    assert.deepEqual(await store.list('/', engine), [...folders].sort(), context)
  }
  await store.remove([...keys])
  assert.equal(await store.removeBucket(), 'done')
  await settle()
}

test('nothing deleted is seen, whichever drives hang', async () => {
  const seeds = Number(process.env['CAIRN_TEST_HISTORIES'] ?? 5)
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await runHistory(seed)
    } catch (error) {
      throw new Error(`Failed: seed ${seed}`, { cause: error })
    }
  }
})
