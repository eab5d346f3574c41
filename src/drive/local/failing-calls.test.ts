/** Calls that fail at each of their system calls in turn, and drives that are full or read-only. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '#base/bytes'
import { systemClock } from '#base/clock'
import { seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import {
  codeOf,
  encodedMarker,
  encodedObject,
  idOf,
  putInline,
  putStaged,
  readParsed,
  valueOf,
} from '#testing/drive-samples'
import { type SimCall, SimFileSystem } from '#testing/sim-file-system'
import {
  DriveError,
  type DriveErrorCode,
  type DriveReply,
  MULTIPART_VOLUME,
  TMP_VOLUME,
} from '../drive.ts'
import { dataDirName, NULL_VERSION_ID } from '../xl-meta.ts'
import { LocalDrive } from './local-drive.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
const clock = systemClock()
const OLD_DIR = idOf(1, 'd')
const NEW_DIR = idOf(2, 'd')
const UPLOAD_DIR = `sha/upload/${dataDirName(NEW_DIR)}`

interface Sample {
  readonly drive: LocalDrive
  readonly fileSystem: SimFileSystem
}

/** A drive with an object of two versions and an upload with a part. */
async function makeSample(): Promise<Sample> {
  const fileSystem = new SimFileSystem({ nowNs: () => clock.nowNs() })
  fileSystem.makeDirectory('/drive')
  const drive = new LocalDrive({
    fileSystem,
    root: '/drive',
    clock,
    random: seededRandom(1),
    hashes: codec,
    durability: 'strict',
    mayHoldV1: false,
  })
  valueOf(await drive.makeVolume('bucket'))
  const first = { path: 'a/k', text: 'first', modifiedNs: 1n, versionId: idOf(1) }
  valueOf(await putInline(drive, codec, first))
  const old = { path: 'a/k', text: 'old', modifiedNs: 2n, dataDir: OLD_DIR, stage: 's' }
  valueOf(await putStaged(drive, codec, old))
  valueOf(await drive.writeSmallFile(MULTIPART_VOLUME, 'sha/upload/xl.meta', utf8('x')))
  valueOf(await drive.appendStaged('p/part.1', [utf8('old part')], { last: true }))
  const part = { staged: 'p/part.1', directory: UPLOAD_DIR, partNumber: 1, metadata: utf8('old') }
  valueOf(await drive.commitPart(part))
  return { drive, fileSystem }
}

/** Everything a reader sees, as text. */
async function stateOf(drive: LocalDrive): Promise<string> {
  const seen: string[] = []
  const meta = await drive.readMetadata('bucket', 'a/k', { inline: true })
  if (meta instanceof DriveError) seen.push(meta.code)
  else {
    const parsed = await readParsed(drive, codec, 'a/k')
    for (const [index, { header }] of parsed.versions.entries()) {
      const stored = parsed.decode(index)
      const inline = parsed.inline(header.versionId)
      let text = inline === undefined ? 'marker' : textOf(inline)
      if ('parts' in stored && inline === undefined) {
        const target = new Uint8Array(stored.sizeBytes)
        const file = `a/k/${dataDirName(stored.dataDir)}/part.1`
        valueOf(await drive.readFile('bucket', file, 0, target))
        text = textOf(target)
      }
      const etag = 'parts' in stored ? (stored.userMetadata.get('etag') ?? '') : ''
      seen.push(`${header.modifiedNs}:${text}:${etag}`)
    }
  }
  const paths = ['part.1.meta', 'part.1'].map((name) => `${UPLOAD_DIR}/${name}`)
  const [partMeta, part] = valueOf(await drive.readSmallFiles(MULTIPART_VOLUME, paths))
  if (partMeta !== undefined && part !== undefined) {
    seen.push(`${textOf(partMeta)}=${textOf(part)}`)
  }
  return seen.join(' ')
}

const CHANGES: Readonly<Record<string, (drive: LocalDrive) => DriveReply<unknown>>> = {
  'an inline commit': (drive) =>
    putInline(drive, codec, {
      path: 'a/k',
      text: 'new',
      modifiedNs: 3n,
      dataDir: NEW_DIR,
      backup: true,
    }),
  'a commit of staged data': (drive) =>
    putStaged(drive, codec, {
      path: 'a/k',
      text: 'new',
      modifiedNs: 3n,
      dataDir: NEW_DIR,
      stage: 't',
      backup: true,
    }),
  'a commit of an upload': (drive) =>
    drive.commitVersion({
      volume: 'bucket',
      path: 'a/k',
      version: encodedObject(codec, { dataDir: NEW_DIR, modifiedNs: 3n, sizeBytes: 8 }),
      source: { volume: MULTIPART_VOLUME, path: 'sha/upload' },
      mode: 'write',
      backup: true,
    }),
  'an update': (drive) =>
    drive.updateVersion(
      'bucket',
      'a/k',
      encodedObject(codec, {
        dataDir: OLD_DIR,
        modifiedNs: 2n,
        sizeBytes: 3,
        userMetadata: new Map([['etag', 'new']]),
      }),
    ),
  'a delete of one version': (drive) =>
    drive.deleteVersions('bucket', 'a/k', [{ versionId: NULL_VERSION_ID }]),
  'a delete of all versions': (drive) =>
    drive.deleteVersions('bucket', 'a/k', [{ versionId: NULL_VERSION_ID }, { versionId: idOf(1) }]),
  'a delete marker': (drive) =>
    drive.deleteVersions('bucket', 'a/k', [{ add: encodedMarker(codec, idOf(9), 9n) }]),
}

for (const [name, change] of Object.entries(CHANGES)) {
  test(`${name} that fails at any system call leaves the old or the new state and no open file`, async () => {
    for (const error of ['EIO', 'ENOSPC']) {
      const whole = await makeSample()
      const before = await stateOf(whole.drive)
      valueOf(await change(whole.drive))
      const after = await stateOf(whole.drive)
      assert.notEqual(after, before)
      for (let failing = 0; ; failing++) {
        const { drive, fileSystem } = await makeSample()
        const calls: SimCall[] = []
        fileSystem.fault = (call) => {
          // Only what needs space fails for lack of it.
          if (error === 'ENOSPC' && !NEEDS_SPACE.has(call.operation)) return undefined
          calls.push(call)
          return calls.length - 1 === failing ? error : undefined
        }
        const result = await change(drive)
        fileSystem.fault = undefined
        const state = await stateOf(drive)
        const failed = calls[failing]
        const where = `${error} at ${failed?.operation ?? 'nothing'} "${failed?.path ?? ''}"`
        // A failure may hide a success (a flush after the rename), never the other way round.
        if (codeOf(result) === 'ok') assert.equal(state, after, where)
        else assert.ok(state === before || state === after, `${where}: ${state}`)
        assert.equal(fileSystem.openFileCount, 0, where)
        if (failed === undefined) break
        assert.equal(codeOf(await change(drive)) === 'Unexpected', false, where)
      }
    }
  })
}

const NEEDS_SPACE: ReadonlySet<SimCall['operation']> = new Set([
  'open',
  'write',
  'makeDirectory',
  'link',
  'rename',
  'flush',
])

test('errors of the file system become errors of the drive, of the object or of the node', async () => {
  const { drive, fileSystem } = await makeSample()
  const expected: readonly (readonly [string, DriveErrorCode])[] = [
    ['EIO', 'DriveFaulty'],
    ['ENODEV', 'DriveFaulty'],
    ['EROFS', 'DriveFaulty'],
    ['ESTALE', 'DriveFaulty'],
    ['EUCLEAN', 'DriveFaulty'],
    ['EACCES', 'DriveAccessDenied'],
    ['EPERM', 'DriveAccessDenied'],
    ['ENOSPC', 'DriveFull'],
    ['EDQUOT', 'DriveFull'],
    ['EMFILE', 'TooManyOpenFiles'],
    ['ENFILE', 'TooManyOpenFiles'],
    ['EXDEV', 'FileAccessDenied'],
    ['ENAMETOOLONG', 'FileNameTooLong'],
    ['EWHATEVER', 'Unexpected'],
  ]
  for (const [error, code] of expected) {
    fileSystem.fault = ({ operation }) => (operation === 'rename' ? error : undefined)
    const put = putInline(drive, codec, { path: 'x/y', text: 'x', modifiedNs: 1n })
    assert.equal(codeOf(await put), code, error)
  }
})

test('a read-only drive refuses changes and goes on reading', async () => {
  const { drive, fileSystem } = await makeSample()
  const changing = new Set(['write', 'makeDirectory', 'rename', 'link', 'unlink'])
  fileSystem.fault = ({ operation, path }) =>
    changing.has(operation) || (operation === 'open' && path.includes('/tmp/'))
      ? 'EROFS'
      : undefined
  const before = await stateOf(drive)
  for (const change of Object.values(CHANGES)) {
    assert.equal(codeOf(await change(drive)), 'DriveFaulty')
  }
  assert.equal(await stateOf(drive), before)
})

test('a full drive refuses writes, keeps what it has, and always deletes', async () => {
  const { drive, fileSystem } = await makeSample()
  valueOf(await drive.emptyTrash(1))
  const before = await stateOf(drive)
  const { freeBytes, totalBytes } = valueOf(await drive.info())
  fileSystem.sizeBytesMax = totalBytes - freeBytes
  const put = { path: 'a/k', text: 'new', modifiedNs: 3n, dataDir: NEW_DIR, stage: 't' }
  assert.equal(codeOf(await putStaged(drive, codec, put)), 'DriveFull')
  assert.equal(codeOf(await putInline(drive, codec, { ...put, path: 'b' })), 'DriveFull')
  assert.equal(await stateOf(drive), before)
  const marker = { add: encodedMarker(codec, idOf(9), 9n) }
  valueOf(await drive.deleteVersions('bucket', 'a/k', [marker]))
  valueOf(await drive.deleteVersions('bucket', 'a/k', [{ versionId: NULL_VERSION_ID }]))
  fileSystem.sizeBytesMax = 0
  const all = [{ versionId: idOf(9) }, { versionId: idOf(1) }]
  valueOf(await drive.deleteVersions('bucket', 'a/k', all))
  assert.deepEqual(valueOf(await drive.listDirectory('bucket', '', 10)), [])
  const staged = valueOf(await drive.listDirectory(TMP_VOLUME, '', 10))
  assert.deepEqual(
    staged.filter((name) => !name.startsWith('.')),
    [],
  )
})
