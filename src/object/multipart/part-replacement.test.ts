/** All drives lose power while a part is replaced: one of both parts is whole afterwards (D4.6). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom, type Random } from '#base/random'
import { LocalDrive } from '#drive/local/local-drive'
import { assertBytes } from '#testing/bytes'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { SimClock } from '#testing/sim-clock'
import { SimFileSystem } from '#testing/sim-file-system'
import { bodyOfBytes } from '../body.ts'
import type { PartInfo } from '../object.ts'
import { completeUpload } from './complete.ts'
import { UploadStore } from './upload-store.ts'
import { createUpload, listParts, putPart } from './uploads.ts'

const codec = testCodec()
const KEY = 'a/key'
const OLD = contentOf(9000)
const NEW = contentOf(70_000)
const OPTIONS = { digests: [] }

interface Node {
  readonly fixture: EngineFixture
  readonly store: UploadStore
}

function nodeOver(systems: readonly SimFileSystem[], clock: SimClock, random: Random): Node {
  const drives = systems.map(
    (fileSystem) =>
      new LocalDrive({
        fileSystem,
        root: '/drive',
        clock,
        random,
        hashes: codec,
        durability: 'strict',
        mayHoldV1: false,
      }),
  )
  const storage = { standardParity: Math.floor(systems.length / 3) }
  const fixture = new EngineFixture({ codec, layouts: oneSet(drives), clock, random, storage })
  return { fixture, store: new UploadStore(fixture.context, fixture.pools) }
}

function blankSystem(clock: SimClock): SimFileSystem {
  const system = new SimFileSystem({ nowNs: () => clock.nowNs() })
  system.makeDirectory('/drive')
  system.makeDirectory('/drive/bucket')
  for (const path of ['', '/tmp', '/tmp/.trash', '/multipart', '/cairn']) {
    system.makeDirectory(`/drive/.minio.sys${path}`)
    system.flushNow({ directory: `/drive/.minio.sys${path}` })
  }
  for (const directory of ['/drive/.minio.sys', '/drive/.minio.sys/tmp', '/drive', '/']) {
    system.flushNow({ directory })
  }
  return system
}

/** One crash at a random moment of the replacement; answers what was there after it. */
async function crashWhileReplacing(seed: number, driveCount: number): Promise<'old' | 'new'> {
  const random = seededRandom(seed)
  const clock = new SimClock()
  const systems = Array.from({ length: driveCount }, () => blankSystem(clock))
  const moments: (readonly number[])[] = []
  const note = (): void => void moments.push(systems.map(({ position }) => position))
  const { store } = nodeOver(systems, clock, random)
  const { uploadId } = await createUpload(store, 'bucket', KEY, {
    userMetadata: new Map(),
    storageClass: 'STANDARD',
    versioning: 'unversioned',
  })
  const put = (content: Uint8Array): Promise<PartInfo> =>
    putPart(store, 'bucket', KEY, uploadId, 1, bodyOfBytes(content), OPTIONS)
  const old = await put(OLD)
  clock.advance(1000)
  note()
  for (const system of systems) {
    system.duringFlush = async () => {
      note()
      for (let i = random.below(4); i >= 0; i--) await new Promise((done) => setImmediate(done))
      note()
    }
  }
  const replaced = await put(NEW)
  const isAcknowledged = random.below(20) === 0
  const positions = isAcknowledged
    ? systems.map(({ position }) => position)
    : (moments[random.below(moments.length)] ?? [])
  const images = systems.map((system, i) => {
    const [, , image] = system.crashImages(positions[i] ?? 0, random, 3)
    if (image !== undefined) return image
    const [only] = system.crashImages(positions[i] ?? 0, random, 1)
    assert.ok(only !== undefined)
    return only
  })
  const left = images.map((image) => {
    assert.ok(image instanceof SimFileSystem)
    return image
  })
  const after = nodeOver(left, clock, random)
  const where = `seed ${seed}, ${driveCount} drives`
  const { parts } = await listParts(after.store, 'bucket', KEY, uploadId)
  const [part] = parts
  assert.ok(part !== undefined, `${where}: the part is lost`)
  const isNew = part.etag === replaced.etag
  assert.ok(isNew || (part.etag === old.etag && !isAcknowledged), where)
  const etag = part.etag ?? ''
  await completeUpload(after.store, {
    bucket: 'bucket',
    key: KEY,
    uploadId,
    parts: [{ number: 1, etag, checksums: {} }],
    options: { versioning: 'unversioned' },
  })
  assertBytes(await after.fixture.get(KEY), isNew ? NEW : OLD, where)
  assert.equal(after.fixture.lentBytes, 0)
  return isNew ? 'new' : 'old'
}

for (const driveCount of [1, 4, 6]) {
  test(`power loss of ${driveCount} drives while a part is replaced loses neither part`, async (context) => {
    const counts = { old: 0, new: 0 }
    for (let seed = 1; seed <= 30; seed++) counts[await crashWhileReplacing(seed, driveCount)]++
    context.diagnostic(`old part ${counts.old} times, new part ${counts.new} times`)
    assert.ok(counts.old > 0 && counts.new > 0)
  })
}
