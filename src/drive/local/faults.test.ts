/** What a drive leaves behind when its system calls fail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { systemClock } from '#base/clock'
import { seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { assertBytes } from '#testing/bytes'
import { SimFileSystem } from '#testing/sim-file-system'
import { type CommitRequest, DriveError, type DriveResult, type EncodedVersion } from '../drive.ts'
import { encodeDeleteMarker, encodeObjectVersion, NULL_VERSION_ID, XlMeta } from '../xl-meta.ts'
import { LocalDrive } from './local-drive.ts'
import { RawDrive } from './raw-drive.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
const DATA_DIR = 'aaaaaaaabbbbccccddddeeeeeeeeeeee'
const NEW_DIR = 'bbbbbbbbbbbbccccddddeeeeeeeeeeee'
const OTHER_ID = '0123456789abcdef0123456789abcdef'

async function makeDrive(): Promise<{ drive: LocalDrive; files: SimFileSystem }> {
  const files = new SimFileSystem({ nowNs: () => systemClock().nowNs() })
  files.makeDirectory('/drive')
  files.flushNow({ directory: '' })
  new RawDrive(files, '/drive', seededRandom(1)).tidyUp()
  const drive = new LocalDrive({
    fileSystem: files,
    root: '/drive',
    clock: systemClock(),
    random: seededRandom(2),
    hashes: codec,
    durability: 'strict',
    mayHoldV1: false,
  })
  valueOf(await drive.makeVolume('bucket'))
  return { drive, files }
}

function valueOf<T>(result: DriveResult<T>): T {
  if (result instanceof DriveError) throw result
  return result
}

function version(versionId: string, dataDir: string, modifiedNs: bigint): EncodedVersion {
  return encodeObjectVersion(
    {
      versionId,
      dataDir,
      dataShards: 1,
      parityShards: 0,
      blockSizeBytes: 1_048_576,
      shardIndex: 1,
      distribution: [1],
      parts: [{ number: 1, sizeBytes: 5, actualSizeBytes: 5 }],
      sizeBytes: 5,
      modifiedNs,
      systemMetadata: new Map(),
      userMetadata: new Map([['etag', 'x']]),
    },
    codec,
  )
}

function request(changes: Partial<CommitRequest> & Pick<CommitRequest, 'version'>): CommitRequest {
  return { volume: 'bucket', path: 'a/key', mode: 'write', backup: true, ...changes }
}

async function put(drive: LocalDrive, path: string, modifiedNs: bigint): Promise<unknown> {
  const inline = utf8('hello')
  const made = version(NULL_VERSION_ID, NEW_DIR, modifiedNs)
  return drive.commitVersion(request({ path, version: made, inline }))
}

async function stored(drive: LocalDrive): Promise<XlMeta> {
  return XlMeta.parse(valueOf(await drive.readMetadata('bucket', 'a/key', { inline: true })), codec)
}

test('an undone commit brings back the delete marker that it replaced', async () => {
  const { drive, files } = await makeDrive()
  const marker = encodeDeleteMarker(
    { versionId: NULL_VERSION_ID, modifiedNs: 10n, systemMetadata: new Map() },
    codec,
  )
  valueOf(await drive.deleteVersions('bucket', 'a/key', [{ add: marker }]))
  const before = await stored(drive)
  const { oldDataDir } = valueOf(
    await drive.commitVersion(
      request({ version: version(NULL_VERSION_ID, NEW_DIR, 20n), inline: utf8('hello') }),
    ),
  )
  valueOf(await drive.undoCommit('bucket', 'a/key', NULL_VERSION_ID, oldDataDir))
  assertBytes((await stored(drive)).encode(), before.encode())
  assert.deepEqual(
    files.list('/drive/bucket/a/key').map(({ name }) => name),
    ['xl.meta'],
  )
})

test('an undone commit brings back what it replaced where files have one name only', async () => {
  const { drive, files } = await makeDrive()
  valueOf(await put(drive, 'a/key', 10n))
  const before = await stored(drive)
  files.fault = ({ operation }) => (operation === 'link' ? 'EOPNOTSUPP' : undefined)
  const newer = version(NULL_VERSION_ID, DATA_DIR, 20n)
  const { oldDataDir } = valueOf(
    await drive.commitVersion(request({ version: newer, inline: utf8('world') })),
  )
  valueOf(await drive.undoCommit('bucket', 'a/key', NULL_VERSION_ID, oldDataDir))
  assertBytes((await stored(drive)).encode(), before.encode())
})

test('an undone commit brings back a version that shares its data', async () => {
  const { drive } = await makeDrive()
  for (const [i, id] of [OTHER_ID, NULL_VERSION_ID].entries()) {
    valueOf(await drive.commitVersion(request({ version: version(id, DATA_DIR, BigInt(10 + i)) })))
  }
  const before = await stored(drive)
  const { oldDataDir } = valueOf(
    await drive.commitVersion(
      request({ version: version(NULL_VERSION_ID, NEW_DIR, 20n), inline: utf8('hello') }),
    ),
  )
  valueOf(await drive.undoCommit('bucket', 'a/key', NULL_VERSION_ID, oldDataDir))
  assertBytes((await stored(drive)).encode(), before.encode())
})

test('nobody is answered before a directory whose flush failed is durable', async () => {
  const { drive, files } = await makeDrive()
  let failures = 2
  files.fault = ({ operation, path }) =>
    operation === 'flush' && path === '/drive/bucket' && failures-- > 0 ? 'EIO' : undefined
  // The name of "a" in the bucket is made by the first commit; the others only rely on it.
  const outcomes = [
    await put(drive, 'a/1', 10n),
    await put(drive, 'a/2', 10n),
    await put(drive, 'a/3', 10n),
  ]
  assert.deepEqual(
    outcomes.map((outcome) => outcome instanceof DriveError && outcome.code),
    ['DriveFaulty', 'DriveFaulty', false],
  )
  for (const image of files.crashImages(files.position, seededRandom(3), 10)) {
    assert.ok(image.stat('/drive/bucket/a/3/xl.meta') !== undefined)
  }
})

test('a commit that fails leaves no directory, and no file open', async () => {
  for (const code of ['EIO', 'ENOSPC']) {
    for (let k = 1; ; k++) {
      const { drive, files } = await makeDrive()
      const path = 'stage/part.1'
      valueOf(await drive.appendStaged(path, [utf8('hello')], { last: true }))
      let count = 0
      files.fault = () => (++count === k ? code : undefined)
      const outcome = await drive.commitVersion(
        request({
          path: 'a/b/key',
          version: version(NULL_VERSION_ID, DATA_DIR, 10n),
          source: { volume: '.minio.sys/tmp', path: 'stage' },
        }),
      )
      files.fault = undefined
      assert.equal(files.openFileCount, 0)
      if (count < k) break
      const isCommitted = files.stat('/drive/bucket/a/b/key/xl.meta') !== undefined
      if (!(outcome instanceof DriveError)) assert.ok(isCommitted)
      if (isCommitted) continue
      await drive.discardStaged('stage')
      assert.deepEqual(files.list('/drive/bucket'), [], `${code} at call ${k}`)
      assert.deepEqual(
        files.list('/drive/.minio.sys/tmp').map(({ name }) => name),
        ['.trash'],
      )
    }
  }
})

test('a part that is not staged does not take the place of an earlier one', async () => {
  const { drive, files } = await makeDrive()
  valueOf(
    await drive.commitVersion(
      request({
        volume: '.minio.sys/multipart',
        path: 'hash/upload',
        version: version(NULL_VERSION_ID, DATA_DIR, 10n),
        inline: new Uint8Array(),
      }),
    ),
  )
  const part = { directory: 'hash/upload/data', partNumber: 1, metadata: utf8('meta') }
  valueOf(await drive.appendStaged('stage/part.1', [utf8('hello')], { last: true }))
  valueOf(await drive.commitPart({ ...part, staged: 'stage/part.1' }))
  assert.ok((await drive.commitPart({ ...part, staged: 'gone/part.1' })) instanceof DriveError)
  assert.deepEqual(
    files
      .list('/drive/.minio.sys/multipart/hash/upload/data')
      .map(({ name }) => name)
      .sort(),
    ['part.1', 'part.1.meta'],
  )
  assert.deepEqual(
    files.list('/drive/.minio.sys/tmp').map(({ name }) => name),
    ['.trash'],
  )
})
