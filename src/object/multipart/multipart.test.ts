import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { concatBytes } from '#base/bytes'
import { defaultParity } from '#config/topology'
import { assertBytes } from '#testing/bytes'
import { contentOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { goldenSkip, loadGolden } from '#testing/golden-memory'
import { MemoryDrive } from '#testing/memory-drive'
import { bodyOfBytes } from '../body.ts'
import { createGenerationMemory } from '../bucket-metadata.ts'
import { Engine } from '../engine.ts'
import { openSeal } from '../object-seal.ts'
import {
  ObjectError,
  type CompletePart,
  type ObjectErrorCode,
  type ObjectInfo,
  type Unseal,
} from '../object.ts'
import type { PoolLayout } from '../placement.ts'
import { type AgingUpload, expireUploads } from '../expire-uploads.ts'

const codec = testCodec()
const MIB = 1_048_576
const DAY_MS = 86_400_000
const NO_LIST = { prefix: '', delimiter: '', startAfter: '', uploadIdMarker: '', limit: 1000 }

interface Server {
  readonly drives: readonly MemoryDrive[]
  readonly fixture: EngineFixture
  readonly engine: Engine
}

function serverOf(
  layouts: readonly PoolLayout[],
  deploymentId?: string,
  parity = 2,
  kmsSecret?: string,
): Server {
  const fixture = new EngineFixture({
    codec,
    layouts,
    storage: { standardParity: parity, reducedParity: Math.min(1, parity) },
    ...(deploymentId === undefined ? {} : { deploymentId }),
    kmsSecret,
  })
  const engine = new Engine({
    context: fixture.context,
    layouts,
    bucketGeneration: createGenerationMemory(),
  })
  const drives = layouts
    .flatMap((layout) => layout.sets.flat())
    .filter((drive) => drive instanceof MemoryDrive)
  return { drives, fixture, engine }
}

function newServer(): Server {
  const drives = Array.from({ length: 4 }, (_, i) => {
    const drive = new MemoryDrive(`/d${i + 1}`, codec)
    void drive.makeVolume('bucket')
    return drive
  })
  return serverOf(oneSet(drives))
}

async function begin(server: Server, key: string): Promise<string> {
  const upload = await server.engine.createUpload('bucket', key, {
    userMetadata: new Map([['content-type', 'text/x']]),
    storageClass: 'STANDARD',
    versioning: 'unversioned',
  })
  return upload.uploadId
}

async function part(
  server: Server,
  key: string,
  uploadId: string,
  number: number,
  content: Uint8Array,
): Promise<CompletePart> {
  const info = await server.engine.putPart('bucket', key, uploadId, number, bodyOfBytes(content), {
    digests: [],
  })
  return { number, etag: info.etag ?? '', checksums: {} }
}

function complete(
  server: Server,
  key: string,
  uploadId: string,
  parts: readonly CompletePart[],
): Promise<ObjectInfo> {
  return server.engine.completeUpload('bucket', key, uploadId, parts, { versioning: 'unversioned' })
}

async function failsWith(code: ObjectErrorCode, action: Promise<unknown>): Promise<ObjectError> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ObjectError, String(error))
  assert.equal(error.code, code)
  return error
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}

test('parts become an object with the ETag of their ETags', async () => {
  const server = newServer()
  const uploadId = await begin(server, 'a/b')
  const first = contentOf(5 * MIB + 3, 1)
  const second = contentOf(1000, 2)
  const parts = [
    await part(server, 'a/b', uploadId, 2, first),
    await part(server, 'a/b', uploadId, 7, second),
  ]
  const listed = await server.engine.listParts('bucket', 'a/b', uploadId)
  assert.deepEqual(
    listed.parts.map(({ number, sizeBytes }) => [number, sizeBytes]),
    [
      [2, first.length],
      [7, second.length],
    ],
  )
  const info = await complete(server, 'a/b', uploadId, parts)
  const digest = createHash('md5').update(md5(first)).update(md5(second)).digest('hex')
  assert.equal(info.etag, `${digest}-2`)
  assert.equal(info.sizeBytes, first.length + second.length)
  assert.equal(info.userMetadata.get('content-type'), 'text/x')
  assert.ok(!info.systemMetadata.has('x-minio-internal-cairn-upload-key'))
  assertBytes(await server.fixture.get('a/b'), concatBytes([first, second]))
  await failsWith('UploadNotFound', server.engine.getUpload('bucket', 'a/b', uploadId))
  assert.equal(server.fixture.lentBytes, 0)
})

test('a completed upload can be completed again with the same parts only', async () => {
  const server = newServer()
  const uploadId = await begin(server, 'key')
  const one = await part(server, 'key', uploadId, 1, contentOf(10))
  const info = await complete(server, 'key', uploadId, [one])
  const again = await complete(server, 'key', uploadId, [one])
  assert.equal(again.modifiedNs, info.modifiedNs)
  await failsWith('UploadNotFound', complete(server, 'key', uploadId, [{ ...one, number: 2 }]))
  await server.fixture.put('key', contentOf(5))
  await failsWith('UploadNotFound', complete(server, 'key', uploadId, [one]))
})

test('wrong part lists are refused and leave the upload as it was', async () => {
  const server = newServer()
  const uploadId = await begin(server, 'key')
  const small = await part(server, 'key', uploadId, 1, contentOf(100))
  const last = await part(server, 'key', uploadId, 2, contentOf(100))
  const error = await failsWith('PartTooSmall', complete(server, 'key', uploadId, [small, last]))
  assert.equal(error.details.partNumber, 1)
  assert.equal(error.details.sizeBytes, 100)
  assert.equal(error.details.minSizeBytes, 5 * MIB)
  assert.equal(error.details.etag, small.etag)
  await failsWith('InvalidPartOrder', complete(server, 'key', uploadId, [last, small]))
  await failsWith('InvalidPartOrder', complete(server, 'key', uploadId, [last, last]))
  await failsWith('InvalidPart', complete(server, 'key', uploadId, [{ ...last, etag: 'x' }]))
  await failsWith('InvalidPart', complete(server, 'key', uploadId, [{ ...last, number: 3 }]))
  const checksums = { crc32c: 'AAAAAA==' }
  await failsWith('InvalidPart', complete(server, 'key', uploadId, [{ ...last, checksums }]))
  await server.fixture.put('key', contentOf(3))
  await failsWith(
    'PreconditionFailed',
    server.engine.completeUpload('bucket', 'key', uploadId, [last], {
      versioning: 'unversioned',
      preconditions: { ifNoneMatch: ['*'] },
    }),
  )
  const info = await complete(server, 'key', uploadId, [last])
  assert.equal(info.sizeBytes, 100)
})

test('a part uploaded again replaces the first; the last one put in place wins on all drives', async () => {
  const server = newServer()
  const uploadId = await begin(server, 'key')
  const contents = Array.from({ length: 8 }, (_, i) => contentOf(200_000 + i, i + 1))
  await Promise.all(contents.map((content) => part(server, 'key', uploadId, 1, content)))
  const { parts } = await server.engine.listParts('bucket', 'key', uploadId)
  const [winner] = parts
  assert.equal(parts.length, 1)
  const etag = winner?.etag ?? ''
  await complete(server, 'key', uploadId, [{ number: 1, etag, checksums: {} }])
  const content = await server.fixture.get('key')
  assert.equal(md5(content).toString('hex'), etag)
})

test('a drive that missed the newer upload of a part does not serve the older one', async () => {
  const server = newServer()
  const uploadId = await begin(server, 'key')
  await part(server, 'key', uploadId, 1, contentOf(300_000, 1))
  server.drives[0]?.setOnline(false)
  const newer = contentOf(300_000, 2)
  const last = await part(server, 'key', uploadId, 1, newer)
  server.drives[0]?.setOnline(true)
  await complete(server, 'key', uploadId, [last])
  for (const drive of server.drives.slice(1)) {
    drive.setOnline(false)
    assertBytes(await server.fixture.get('key'), newer)
    drive.setOnline(true)
  }
})

test('an aborted upload is gone, and parts of it are refused', async () => {
  const server = newServer()
  const uploadId = await begin(server, 'key')
  const one = await part(server, 'key', uploadId, 1, contentOf(10))
  await server.engine.abortUpload('bucket', 'key', uploadId)
  await failsWith('UploadNotFound', server.engine.abortUpload('bucket', 'key', uploadId))
  await failsWith('UploadNotFound', part(server, 'key', uploadId, 2, contentOf(10)))
  await failsWith('UploadNotFound', complete(server, 'key', uploadId, [one]))
  await failsWith('UploadNotFound', server.engine.getUpload('bucket', 'key', '../../x'))
  for (const drive of server.drives) {
    const left = [...drive.files.keys()].filter((name) => /tmp|multipart/.test(name))
    assert.deepEqual(left, [])
  }
})

test('uploads go on with as many drives as a write needs', async () => {
  const server = newServer()
  server.drives[3]?.setOnline(false)
  const uploadId = await begin(server, 'key')
  const content = contentOf(70_000)
  const one = await part(server, 'key', uploadId, 1, content)
  server.drives[3]?.setOnline(true)
  server.drives[2]?.setOnline(false)
  assert.equal((await server.engine.listParts('bucket', 'key', uploadId)).parts.length, 1)
  server.drives[2]?.setOnline(true)
  await complete(server, 'key', uploadId, [one])
  assertBytes(await server.fixture.get('key'), content)
  server.drives[0]?.setOnline(false)
  server.drives[1]?.setOnline(false)
  await failsWith('WriteQuorum', begin(server, 'other'))
})

test('uploads are listed for any prefix, by key and time, from the drives', async () => {
  const server = newServer()
  const ids: string[] = []
  for (const key of ['b/2', 'a', 'b/1', 'a', 'c']) ids.push(`${key} ${await begin(server, key)}`)
  const all = await server.engine.listUploads('bucket', NO_LIST)
  const shown = all.uploads.map(({ key, uploadId }) => `${key} ${uploadId}`)
  assert.deepEqual(shown, [ids[1], ids[3], ids[2], ids[0], ids[4]])
  const rolled = await server.engine.listUploads('bucket', { ...NO_LIST, delimiter: '/' })
  assert.deepEqual(rolled.commonPrefixes, ['b/'])
  assert.equal(rolled.uploads.length, 3)
  const below = await server.engine.listUploads('bucket', { ...NO_LIST, prefix: 'b/' })
  assert.deepEqual(
    below.uploads.map(({ key }) => key),
    ['b/1', 'b/2'],
  )
  assert.equal((await server.engine.listUploads('other', NO_LIST)).uploads.length, 0)
})

test('uploads older than their life are dropped', async () => {
  const server = newServer()
  await begin(server, 'key')
  const store = server.engine.uploads
  assert.equal(await expireUploads(store, { lifeMs: DAY_MS }), 0)
  assert.equal(await expireUploads(store, { lifeMs: -1000 }), 1)
  assert.equal((await server.engine.listUploads('bucket', NO_LIST)).uploads.length, 0)
})

test('rules of buckets come before the life that all uploads have', async () => {
  const server = newServer()
  await begin(server, 'kept')
  await begin(server, 'ended')
  await begin(server, 'other')
  const store = server.engine.uploads
  const nowMs = Date.now()
  const dueMs = async ({ bucket, key }: AgingUpload): Promise<number | undefined> => {
    assert.equal(bucket, 'bucket')
    return key === 'kept' ? nowMs + 60_000 : key === 'ended' ? nowMs - 60_000 : undefined
  }
  const keys = async (): Promise<readonly string[]> =>
    (await server.engine.listUploads('bucket', NO_LIST)).uploads.map(({ key }) => key)
  assert.equal(await expireUploads(store, { dueMs, lifeMs: DAY_MS }), 1)
  assert.deepEqual(await keys(), ['kept', 'other'])
  assert.equal(await expireUploads(store, { dueMs, lifeMs: -1000 }), 1)
  assert.deepEqual(await keys(), ['kept'])
})

test('a part can be a range of an object', async () => {
  const server = newServer()
  const source = contentOf(3 * MIB)
  await server.fixture.put('source', source)
  const uploadId = await begin(server, 'key')
  const { part: copied } = await server.engine.copyPart(
    'bucket',
    'key',
    uploadId,
    1,
    { bucket: 'bucket', key: 'source', range: { kind: 'from', start: 1000, end: 2 * MIB } },
    { digests: [] },
  )
  await complete(server, 'key', uploadId, [{ number: 1, etag: copied.etag ?? '', checksums: {} }])
  assertBytes(await server.fixture.get('key'), source.subarray(1000, 2 * MIB + 1))
})

test('the version id is the one chosen at the begin while the bucket is versioned', async () => {
  const server = newServer()
  const options = { userMetadata: new Map<string, string>(), storageClass: 'STANDARD' }
  const { uploadId } = await server.engine.createUpload('bucket', 'key', {
    ...options,
    versioning: 'enabled',
  })
  const one = await part(server, 'key', uploadId, 1, contentOf(10))
  const info = await server.engine.completeUpload('bucket', 'key', uploadId, [one], {
    versioning: 'enabled',
  })
  assert.notEqual(info.versionId, 'null')
  const second = await begin(server, 'key')
  const two = await part(server, 'key', second, 1, contentOf(11))
  const suspended = await server.engine.completeUpload('bucket', 'key', second, [two], {
    versioning: 'suspended',
  })
  assert.equal(suspended.versionId, 'null')
})

describe('uploads that MinIO left are completed', { skip: goldenSkip() }, () => {
  for (const scenario of ['multipart-pending', 'sets']) {
    test(scenario, async () => {
      const { manifest, layouts } = loadGolden(scenario, codec)
      const size = layouts[0]?.sets[0]?.length ?? 0
      const secret = manifest.start.environment['MINIO_KMS_SECRET_KEY']
      const { deploymentId } = manifest.server
      const server = serverOf(layouts, deploymentId, defaultParity(size), secret)
      const { engine } = server
      for (const upload of manifest.pendingUploads ?? []) {
        const { bucket, key, uploadId } = upload
        const listed = await engine.listParts(bucket, key, uploadId)
        assert.deepEqual(
          listed.parts.map((one) => [one.number, one.etag, one.actualSizeBytes]),
          upload.parts.map((one) => [one.partNumber, one.etag, one.size]),
          key,
        )
        const found = await engine.listUploads(bucket, { ...NO_LIST, prefix: key })
        assert.ok(
          found.uploads.some((one) => one.uploadId === uploadId),
          key,
        )
        if ((upload.complete ?? []).length === 0) continue
        const parts = (upload.complete ?? []).map((number) => {
          const stored = upload.parts.find((one) => one.partNumber === number)
          return { number, etag: stored?.etag ?? '', checksums: {} }
        })
        const info = await engine.completeUpload(bucket, key, uploadId, parts, {
          versioning: 'unversioned',
        })
        assert.equal(info.actualSizeBytes, upload.whenCompleted?.size, key)
        const unseal: Unseal = (stored) =>
          openSeal(server.fixture.context.encryption, stored, undefined)
        const content = await server.fixture.get(key, { unseal }, bucket)
        const digest = createHash('sha256').update(content).digest('hex')
        assert.equal(digest, upload.whenCompleted?.sha256, key)
      }
    })
  }
})
