/** Uploads that outlive their completion: a crash, or a drive that did not drop them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '#base/clock'
import { seededRandom } from '#base/random'
import { DriveError } from '#drive/drive'
import { LocalDrive } from '#drive/local/local-drive'
import { RawDrive } from '#drive/local/raw-drive'
import { assertBytes } from '#testing/bytes'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { SimFileSystem } from '#testing/sim-file-system'
import { bodyOfBytes } from '../body.ts'
import { createGenerationMemory } from '../bucket-metadata.ts'
import { Engine } from '../engine.ts'
import type { CompletePart, VersioningState } from '../object.ts'

const codec = testCodec()
const MIB = 1_048_576
const KEY = 'a/key'

interface Made {
  readonly fixture: EngineFixture
  readonly engine: Engine
  readonly drives: readonly LocalDrive[]
}

async function make(): Promise<Made> {
  const clock = systemClock()
  const drives = Array.from({ length: 4 }, (_, i) => {
    const fileSystem = new SimFileSystem({ nowNs: () => clock.nowNs() })
    fileSystem.makeDirectory('/drive')
    new RawDrive(fileSystem, '/drive', seededRandom(i)).tidyUp()
    return new LocalDrive({
      fileSystem,
      root: '/drive',
      clock,
      random: seededRandom(10 + i),
      hashes: codec,
      durability: 'relaxed',
      mayHoldV1: false,
    })
  })
  for (const drive of drives) assert.equal(await drive.makeVolume('bucket'), undefined)
  const layouts = oneSet(drives)
  const fixture = new EngineFixture({ codec, layouts })
  const bucketGeneration = createGenerationMemory()
  const engine = new Engine({ context: fixture.context, layouts, bucketGeneration })
  return { fixture, drives, engine }
}

async function fill(engine: Engine, versioning: VersioningState, contents: readonly Uint8Array[]) {
  const { uploadId } = await engine.createUpload('bucket', KEY, {
    userMetadata: new Map(),
    storageClass: 'STANDARD',
    versioning,
  })
  const parts: CompletePart[] = []
  for (const [i, content] of contents.entries()) {
    const body = bodyOfBytes(content)
    const part = await engine.putPart('bucket', KEY, uploadId, i + 1, body, { digests: [] })
    parts.push({ number: i + 1, etag: part.etag ?? '', checksums: {} })
  }
  return { uploadId, parts }
}

/** Runs `work` while no drive drops uploads. */
async function withoutDrop<T>(drives: readonly LocalDrive[], work: () => Promise<T>): Promise<T> {
  const kept = drives.map((drive) => drive.trash.bind(drive))
  for (const drive of drives) {
    drive.trash = (volume) =>
      Promise.resolve(new DriveError('DriveFaulty', `No trash in ${volume}`))
  }
  try {
    return await work()
  } finally {
    drives.forEach((drive, i) => {
      const trash = kept[i]
      if (trash !== undefined) drive.trash = trash
    })
  }
}

for (const versioning of ['unversioned', 'enabled'] as const) {
  test(`completing again makes no second version, whatever came after: ${versioning}`, async () => {
    const { fixture, engine, drives } = await make()
    const content = contentOf(3 * MIB)
    const { uploadId, parts } = await fill(engine, versioning, [content])
    const complete = () => engine.completeUpload('bucket', KEY, uploadId, parts, { versioning })
    const made = await withoutDrop(drives, complete)
    if (versioning === 'enabled') {
      const newer = await fixture.put(KEY, contentOf(100, 7), { versioning })
      const again = await complete()
      assert.equal(again.versionId, made.versionId)
      assert.equal(again.modifiedNs, made.modifiedNs)
      assert.equal((await fixture.head(KEY)).versionId, newer.versionId)
    } else {
      assert.equal((await complete()).modifiedNs, made.modifiedNs)
    }
    const { versionId } = made
    assertBytes(await fixture.get(KEY, { versionId }), content)
    await assert.rejects(engine.getUpload('bucket', KEY, uploadId), { code: 'UploadNotFound' })
  })

  test(`a completed upload cannot be completed with other parts: ${versioning}`, async () => {
    const { fixture, engine, drives } = await make()
    const content = contentOf(5 * MIB)
    const { uploadId, parts } = await fill(engine, versioning, [content, contentOf(10, 3)])
    const complete = (some: readonly CompletePart[]) =>
      engine.completeUpload('bucket', KEY, uploadId, some, { versioning })
    const made = await withoutDrop(drives, () => complete(parts.slice(0, 1)))
    await assert.rejects(complete(parts), { code: 'UploadNotFound' })
    assertBytes(await fixture.get(KEY, { versionId: made.versionId }), content)
  })
}

test('drives that lack a part of a completed object are repaired', async () => {
  const { fixture, engine, drives } = await make()
  const { uploadId, parts } = await fill(engine, 'unversioned', [contentOf(5 * MIB)])
  const [first] = drives
  assert.ok(first !== undefined)
  const commitPart = first.commitPart.bind(first)
  first.commitPart = () => Promise.resolve(new DriveError('DriveFull', 'No space'))
  const body = bodyOfBytes(contentOf(10, 3))
  const part = await engine.putPart('bucket', KEY, uploadId, 2, body, { digests: [] })
  first.commitPart = commitPart
  const all = [...parts, { number: 2, etag: part.etag ?? '', checksums: {} }]
  await engine.completeUpload('bucket', KEY, uploadId, all, { versioning: 'unversioned' })
  assert.deepEqual(
    fixture.repairs.map(({ path, reason }) => `${path} ${reason}`),
    [`${KEY} missed`],
  )
})
