import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { compareUtf8, textOf, utf8 } from '#base/bytes'
import { type Random, seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import {
  CAIRN_VOLUME,
  type CommitRequest,
  type Drive,
  DriveError,
  MULTIPART_VOLUME,
  TMP_VOLUME,
  TRASH_VOLUME,
  type WalkRequest,
} from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import { HASH_SIZE_BYTES } from '#drive/shard-layout'
import { dataDirName, isFree, NULL_VERSION_ID, XlMeta } from '#drive/xl-meta'
import { assertBytes } from '#testing/bytes'
import {
  codeOf,
  encodedMarker,
  encodedObject,
  idOf,
  putInline,
  putStaged,
  readParsed,
  valueOf,
} from './drive-samples.ts'

/** A new, empty drive with the volume `bucket`. Cleans up with `context.after`. */
export type MakeDrive = (context: TestContext) => Drive | Promise<Drive>

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
const DIR_A = idOf(1, 'd')
const DIR_B = idOf(2, 'd')
const ID_A = idOf(1)
const ID_B = idOf(2)
const ID_C = idOf(3)
const BAD_PATHS = [
  '../x',
  'a/../../x',
  '..',
  '/etc/passwd',
  'a//b',
  'a/',
  'a\0b',
  './a',
  'a/.',
  '.',
]

function frame(shard: string): Uint8Array {
  return new Uint8Array([...codec.highwayHash256(utf8(shard)), ...utf8(shard)])
}

/** What every implementation of `Drive` keeps. */
export function driveConformance(name: string, makeDrive: MakeDrive): void {
  describe(`drive: ${name}`, () => {
    const check = (what: string, run: (drive: Drive) => Promise<void>): void => {
      test(what, async (context) => {
        const drive = await makeDrive(context)
        const made = await drive.makeVolume('bucket')
        if (codeOf(made) !== 'VolumeExists') valueOf(made)
        await run(drive)
      })
    }
    volumeTests(check)
    commitTests(check)
    undoTests(check)
    deleteTests(check)
    damageTests(check)
    stagedTests(check)
    fileTests(check)
    walkTests(check)
    pathTests(check)
    concurrencyTests(check)
  })
}

type Check = (what: string, run: (drive: Drive) => Promise<void>) => void

function volumeTests(check: Check): void {
  check('volumes are made, seen, listed and deleted', async (drive) => {
    assert.equal(codeOf(await drive.makeVolume('bucket')), 'VolumeExists')
    valueOf(await drive.makeVolume('other.bucket-1'))
    assert.equal(valueOf(await drive.statVolume('bucket')).name, 'bucket')
    const names = valueOf(await drive.listVolumes()).map((volume) => volume.name)
    assert.deepEqual(names.toSorted(), ['bucket', 'other.bucket-1'])
    valueOf(await drive.deleteVolume('other.bucket-1', { force: false }))
    assert.equal(codeOf(await drive.statVolume('other.bucket-1')), 'VolumeNotFound')
  })

  check('a volume with content is deleted by force only', async (drive) => {
    valueOf(await putInline(drive, codec, { path: 'a/k', text: 'x', modifiedNs: 1n }))
    assert.equal(codeOf(await drive.deleteVolume('bucket', { force: false })), 'VolumeNotEmpty')
    valueOf(await drive.deleteVolume('bucket', { force: true }))
    assert.equal(codeOf(await drive.statVolume('bucket')), 'VolumeNotFound')
    const late = await putInline(drive, codec, { path: 'a/k', text: 'x', modifiedNs: 2n })
    assert.equal(codeOf(late), 'VolumeNotFound')
  })

  check('a missing volume is told apart from a missing object', async (drive) => {
    const version = encodedObject(codec)
    const target = new Uint8Array(1)
    for (const [volume, code] of [
      ['none', 'VolumeNotFound'],
      ['bucket', 'FileNotFound'],
    ] as const) {
      assert.equal(codeOf(await drive.readMetadata(volume, 'k', { inline: true })), code)
      assert.equal(codeOf(await drive.readFile(volume, 'k/part.1', 0, target)), code)
      assert.equal(codeOf(await drive.updateVersion(volume, 'k', version)), code)
    }
    assert.equal(codeOf(await drive.deleteVolume('none', { force: true })), 'VolumeNotFound')
    assert.equal(codeOf(await drive.walk({ ...WALK, volume: 'none' })), 'VolumeNotFound')
    const commit = { volume: 'none', path: 'k', text: 'x', modifiedNs: 1n }
    assert.equal(codeOf(await putInline(drive, codec, commit)), 'VolumeNotFound')
    assert.equal(codeOf(await drive.deleteVersions('none', 'k', [{}])), 'VolumeNotFound')
    assert.equal(codeOf(await drive.writeSmallFile('none', 'f', utf8('x'))), 'VolumeNotFound')
  })
}

function commitTests(check: Check): void {
  check(
    'an inline version is committed, replaced and read with and without content',
    async (drive) => {
      valueOf(await putInline(drive, codec, { path: 'a/b', text: 'hello', modifiedNs: 1n }))
      const again = 'again'.repeat(5000)
      valueOf(await putInline(drive, codec, { path: 'a/b', text: again, modifiedNs: 2n }))
      const meta = await readParsed(drive, codec, 'a/b')
      assert.equal(meta.versions.length, 1)
      assertBytes(meta.inline(NULL_VERSION_ID), utf8(again))
      const head = valueOf(await drive.readMetadata('bucket', 'a/b', { inline: false }))
      assert.ok(head.length < 1000)
      assert.equal(XlMeta.parse(head, codec).versions[0]?.header.modifiedNs, 2n)
    },
  )

  check(
    'staged data is moved into place, and its replacement names the old directory',
    async (drive) => {
      const first = { path: 'k', text: 'hello', modifiedNs: 1n, dataDir: DIR_A, stage: 's1' }
      assert.equal(valueOf(await putStaged(drive, codec, first)).oldDataDir, undefined)
      const second = { path: 'k', text: 'world', modifiedNs: 2n, dataDir: DIR_B, stage: 's2' }
      const { oldDataDir } = valueOf(await putStaged(drive, codec, second))
      assert.equal(oldDataDir, dataDirName(DIR_A))
      const target = new Uint8Array(5)
      valueOf(await drive.readFile('bucket', `k/${dataDirName(DIR_B)}/part.1`, 0, target))
      assert.equal(textOf(target), 'world')
      valueOf(await drive.purgeDataDir('bucket', 'k', dataDirName(DIR_A)))
      valueOf(await drive.purgeDataDir('bucket', 'k', dataDirName(DIR_A)))
      const old = await drive.readFile('bucket', `k/${dataDirName(DIR_A)}/part.1`, 0, target)
      assert.equal(codeOf(old), 'FileNotFound')
      const staged = valueOf(await drive.listDirectory(TMP_VOLUME, '', 100))
      assert.deepEqual(
        staged.filter((name) => !name.startsWith('.')),
        [],
      )
    },
  )

  check('a commit that is not newer is refused with the time that is stored', async (drive) => {
    valueOf(await putInline(drive, codec, { path: 'k', text: 'x', modifiedNs: 2000n }))
    for (const modifiedNs of [1999n, 2000n]) {
      const stale = await putInline(drive, codec, { path: 'k', text: 'y', modifiedNs })
      assert.ok(stale instanceof DriveError)
      assert.equal(stale.code, 'StaleCommit')
      assert.equal(stale.newestNs, 2000n)
    }
    valueOf(
      await putInline(drive, codec, { path: 'k', text: 'given', modifiedNs: 5n, mode: 'given' }),
    )
    assertBytes((await readParsed(drive, codec, 'k')).inline(NULL_VERSION_ID), utf8('given'))
  })

  check('a heal puts one version in its place among the others', async (drive) => {
    for (const [versionId, modifiedNs] of [
      [ID_A, 1n],
      [ID_C, 3n],
    ] as const) {
      valueOf(await putInline(drive, codec, { path: 'k', text: 'x', modifiedNs, versionId }))
    }
    const healed = {
      path: 'k',
      text: 'healed',
      modifiedNs: 2n,
      versionId: ID_B,
      dataDir: DIR_B,
      mode: 'heal',
    } as const
    valueOf(await putStaged(drive, codec, { ...healed, stage: 's1' }))
    valueOf(await putStaged(drive, codec, { ...healed, text: 'mended', stage: 's2' }))
    const meta = await readParsed(drive, codec, 'k')
    assert.deepEqual(
      meta.versions.map(({ header }) => header.versionId),
      [ID_C, ID_B, ID_A],
    )
    const target = new Uint8Array(6)
    valueOf(await drive.readFile('bucket', `k/${dataDirName(DIR_B)}/part.1`, 0, target))
    assert.equal(textOf(target), 'mended')
  })

  check('equal versions give equal hashes, others do not', async (drive) => {
    const sample = { text: 'x', modifiedNs: 1n }
    const a = valueOf(await putInline(drive, codec, { ...sample, path: 'a' }))
    const b = valueOf(await putInline(drive, codec, { ...sample, path: 'b' }))
    const c = valueOf(await putInline(drive, codec, { ...sample, path: 'c', modifiedNs: 2n }))
    assert.equal(a.versionsHash, b.versionsHash)
    assert.notEqual(a.versionsHash, c.versionsHash)
  })

  check('an update keeps content and needs the version', async (drive) => {
    valueOf(
      await putInline(drive, codec, { path: 'k', text: 'kept', modifiedNs: 1n, versionId: ID_A }),
    )
    const userMetadata = new Map([['etag', 'new']])
    const update = encodedObject(codec, { versionId: ID_A, modifiedNs: 1n, userMetadata })
    valueOf(await drive.updateVersion('bucket', 'k', update))
    const meta = await readParsed(drive, codec, 'k')
    const stored = meta.decode(0)
    assert.ok('userMetadata' in stored)
    assert.equal(stored.userMetadata.get('etag'), 'new')
    assertBytes(meta.inline(ID_A), utf8('kept'))
    const missing = encodedObject(codec, { versionId: ID_B })
    assert.equal(codeOf(await drive.updateVersion('bucket', 'k', missing)), 'FileVersionNotFound')
  })

  check(
    'a second version shares content with the first, and keeps it when that goes',
    async (drive) => {
      valueOf(
        await putInline(drive, codec, {
          path: 'k',
          text: 'shared',
          modifiedNs: 1n,
          versionId: ID_A,
        }),
      )
      const copy: CommitRequest = {
        volume: 'bucket',
        path: 'k',
        version: encodedObject(codec, { versionId: ID_B, modifiedNs: 2n }),
        inlineFrom: ID_A,
        mode: 'write',
        backup: false,
      }
      valueOf(await drive.commitVersion(copy))
      valueOf(await drive.deleteVersions('bucket', 'k', [{ versionId: ID_A }]))
      assertBytes((await readParsed(drive, codec, 'k')).inline(ID_B), utf8('shared'))
    },
  )
}

function undoTests(check: Check): void {
  check('an undo brings the replaced version back', async (drive) => {
    const first = { path: 'k', text: 'hello', modifiedNs: 1n, dataDir: DIR_A, stage: 's1' }
    valueOf(await putStaged(drive, codec, first))
    const second = { path: 'k', text: 'world', modifiedNs: 2n, dataDir: DIR_B, stage: 's2' }
    const { oldDataDir } = valueOf(await putStaged(drive, codec, { ...second, backup: true }))
    valueOf(await drive.undoCommit('bucket', 'k', NULL_VERSION_ID, oldDataDir))
    const meta = await readParsed(drive, codec, 'k')
    assert.equal(meta.versions[0]?.header.modifiedNs, 1n)
    const target = new Uint8Array(5)
    valueOf(await drive.readFile('bucket', `k/${dataDirName(DIR_A)}/part.1`, 0, target))
    assert.equal(textOf(target), 'hello')
  })

  check(
    'an undo of an inline overwrite brings the old content back among other versions',
    async (drive) => {
      const base = { path: 'k', versionId: NULL_VERSION_ID } as const
      valueOf(
        await putInline(drive, codec, { path: 'k', text: 'v', modifiedNs: 1n, versionId: ID_A }),
      )
      valueOf(
        await putInline(drive, codec, { ...base, text: 'old', modifiedNs: 2n, dataDir: DIR_A }),
      )
      const { oldDataDir } = valueOf(
        await putInline(drive, codec, {
          ...base,
          text: 'new',
          modifiedNs: 3n,
          dataDir: DIR_B,
          backup: true,
        }),
      )
      assert.equal(oldDataDir, dataDirName(DIR_A))
      valueOf(await drive.undoCommit('bucket', 'k', NULL_VERSION_ID, oldDataDir))
      const meta = await readParsed(drive, codec, 'k')
      assert.equal(meta.versions.length, 2)
      assertBytes(meta.inline(NULL_VERSION_ID), utf8('old'))
    },
  )

  check('an undo of a first version leaves nothing, and does nothing twice', async (drive) => {
    valueOf(
      await putStaged(drive, codec, {
        path: 'a/k',
        text: 'x',
        modifiedNs: 1n,
        dataDir: DIR_A,
        stage: 's',
      }),
    )
    valueOf(await drive.undoCommit('bucket', 'a/k', NULL_VERSION_ID, undefined))
    valueOf(await drive.undoCommit('bucket', 'a/k', NULL_VERSION_ID, undefined))
    assert.deepEqual(valueOf(await drive.listDirectory('bucket', '', 10)), [])
  })

  check('an undo keeps the data that a version shared with the one it replaced', async (drive) => {
    const first = { path: 'k', text: 'hello', modifiedNs: 1n, dataDir: DIR_A, stage: 's1' }
    valueOf(await putStaged(drive, codec, first))
    const { oldDataDir } = valueOf(
      await drive.commitVersion({
        volume: 'bucket',
        path: 'k',
        version: encodedObject(codec, { dataDir: DIR_A, modifiedNs: 2n }),
        mode: 'write',
        backup: true,
      }),
    )
    valueOf(await drive.undoCommit('bucket', 'k', NULL_VERSION_ID, oldDataDir))
    assert.equal((await readParsed(drive, codec, 'k')).versions[0]?.header.modifiedNs, 1n)
    const target = new Uint8Array(5)
    valueOf(await drive.readFile('bucket', `k/${dataDirName(DIR_A)}/part.1`, 0, target))
    assert.equal(textOf(target), 'hello')
  })

  check('a backup is restored after a crash', async (drive) => {
    valueOf(
      await putInline(drive, codec, { path: 'k', text: 'old', modifiedNs: 1n, dataDir: DIR_A }),
    )
    const sample = { path: 'k', text: 'new', modifiedNs: 2n, dataDir: DIR_B, backup: true }
    valueOf(await putInline(drive, codec, sample))
    valueOf(await drive.restoreBackup('bucket', 'k', dataDirName(DIR_A)))
    assertBytes((await readParsed(drive, codec, 'k')).inline(NULL_VERSION_ID), utf8('old'))
    const again = await drive.restoreBackup('bucket', 'k', dataDirName(DIR_A))
    assert.equal(codeOf(again), 'FileNotFound')
  })
}

function deleteTests(check: Check): void {
  check(
    'the last version takes its directory and empty parents with it, not the volume',
    async (drive) => {
      valueOf(
        await putStaged(drive, codec, {
          path: 'a/b/k',
          text: 'x',
          modifiedNs: 1n,
          dataDir: DIR_A,
          stage: 's',
        }),
      )
      valueOf(await putInline(drive, codec, { path: 'a/other', text: 'x', modifiedNs: 1n }))
      const remove = async (path: string): Promise<unknown> =>
        valueOf(await drive.deleteVersions('bucket', path, [{ versionId: NULL_VERSION_ID }]))[0]
      assert.deepEqual(await remove('a/b/k'), { found: true, versionsLeft: 0 })
      assert.deepEqual(valueOf(await drive.listDirectory('bucket', 'a', 10)), ['other/'])
      assert.deepEqual(await remove('a/other'), { found: true, versionsLeft: 0 })
      assert.deepEqual(valueOf(await drive.listDirectory('bucket', '', 10)), [])
      assert.deepEqual(await remove('a/other'), { found: false, versionsLeft: 0 })
    },
  )

  check('several deletes of one key are answered in order', async (drive) => {
    for (const [versionId, modifiedNs] of [
      [ID_A, 1n],
      [ID_B, 20n],
    ] as const) {
      valueOf(await putInline(drive, codec, { path: 'k', text: 'x', modifiedNs, versionId }))
    }
    const replies = valueOf(
      await drive.deleteVersions('bucket', 'k', [
        { versionId: ID_C },
        { versionId: ID_B, notNewerThanNs: 19n },
        { versionId: ID_A, notNewerThanNs: 1n },
        { add: encodedMarker(codec, ID_C, 30n) },
      ]),
    )
    assert.deepEqual(replies.map(codeOf), ['ok', 'StaleCommit', 'ok', 'ok'])
    assert.deepEqual(replies[0], { found: false, versionsLeft: 2 })
    assert.ok(replies[1] instanceof DriveError)
    assert.equal(replies[1].newestNs, 20n)
    const meta = await readParsed(drive, codec, 'k')
    assert.deepEqual(
      meta.versions.map(({ header }) => header.kind),
      ['deleteMarker', 'object'],
    )
  })

  check('what a version has on a tier is remembered when it goes or is replaced', async (drive) => {
    const systemMetadata = new Map(
      Object.entries({
        'x-minio-internal-transition-status': 'complete',
        'x-minio-internal-transition-tier': 'COLD',
        'x-minio-internal-transitioned-object': 'a/b',
      }).map(([name, value]) => [name, utf8(value)]),
    )
    const moved = (versionId: string, modifiedNs: bigint): CommitRequest => {
      const version = encodedObject(codec, { versionId, modifiedNs, systemMetadata })
      return { volume: 'bucket', path: 'k', version, mode: 'write', backup: false }
    }
    valueOf(await drive.commitVersion(moved(NULL_VERSION_ID, 1000n)))
    valueOf(await putInline(drive, codec, { path: 'k', text: 'new', modifiedNs: 2000n }))
    const stored = await readParsed(drive, codec, 'k')
    assert.deepEqual(
      stored.versions.map(({ header }) => [header.kind, isFree(header), header.modifiedNs]),
      [
        ['object', false, 2000n],
        ['deleteMarker', true, 1000n],
      ],
    )
    const free = stored.decode(1)
    assert.ok('systemMetadata' in free)
    const place = free.systemMetadata.get('x-minio-internal-transitioned-object')
    assert.equal(textOf(place ?? utf8('')), 'a/b')
    valueOf(await drive.commitVersion(moved(ID_A, 3000n)))
    const ids = [{ versionId: NULL_VERSION_ID }, { versionId: ID_A }]
    valueOf(await drive.deleteVersions('bucket', 'k', ids))
    const { versions } = await readParsed(drive, codec, 'k')
    // Both versions had the same place: there is one thing to remove.
    assert.deepEqual(
      versions.map(({ header }) => isFree(header)),
      [true],
    )
  })

  check('a null marker replaces the null version and its data', async (drive) => {
    valueOf(
      await putStaged(drive, codec, {
        path: 'k',
        text: 'x',
        modifiedNs: 1n,
        dataDir: DIR_A,
        stage: 's',
      }),
    )
    const add = encodedMarker(codec, NULL_VERSION_ID, 2n)
    valueOf(await drive.deleteVersions('bucket', 'k', [{ versionId: NULL_VERSION_ID, add }]))
    assert.deepEqual(valueOf(await drive.listDirectory('bucket', 'k', 10)), ['xl.meta'])
    const meta = await readParsed(drive, codec, 'k')
    assert.deepEqual(
      meta.versions.map(({ header }) => header.kind),
      ['deleteMarker'],
    )
  })

  check('what a crash left beside an object goes with its last version', async (drive) => {
    valueOf(await putInline(drive, codec, { path: 'k', text: 'x', modifiedNs: 1n }))
    const stray = dataDirName(DIR_B)
    valueOf(await drive.writeSmallFile('bucket', `k/${stray}/part.1`, utf8('x')))
    valueOf(await drive.writeSmallFile('bucket', `k/${stray}/xl.meta.bkp`, utf8('x')))
    valueOf(await drive.deleteVersions('bucket', 'k', [{ versionId: NULL_VERSION_ID }]))
    assert.deepEqual(valueOf(await drive.listDirectory('bucket', '', 10)), [])
    const below = `k/${stray}`
    for (const path of ['k', below]) {
      valueOf(await putInline(drive, codec, { path, text: 'x', modifiedNs: 1n }))
    }
    valueOf(await drive.deleteVersions('bucket', 'k', [{ versionId: NULL_VERSION_ID }]))
    assert.equal((await readParsed(drive, codec, below)).versions.length, 1)
  })

  check('a marker is added to a key that has nothing', async (drive) => {
    const add = encodedMarker(codec, ID_A, 2n)
    const [reply] = valueOf(await drive.deleteVersions('bucket', 'a/k', [{ add }]))
    assert.deepEqual(reply, { found: false, versionsLeft: 1 })
  })

  check('an object below another object survives its deletion', async (drive) => {
    for (const path of ['a', 'a/b']) {
      valueOf(await putInline(drive, codec, { path, text: path, modifiedNs: 1n }))
    }
    valueOf(await drive.deleteVersions('bucket', 'a', [{ versionId: NULL_VERSION_ID }]))
    assertBytes((await readParsed(drive, codec, 'a/b')).inline(NULL_VERSION_ID), utf8('a/b'))
    assert.equal(codeOf(await drive.readMetadata('bucket', 'a', { inline: true })), 'FileNotFound')
  })
}

function damageTests(check: Check): void {
  check('metadata that cannot be read is never overwritten but by a heal', async (drive) => {
    for (const [path, bytes] of [
      ['zero', new Uint8Array(0)],
      ['noise', seededRandom(1).bytes(500)],
      ['half', await halfOfMetadata(drive)],
    ] as const) {
      valueOf(await drive.writeSmallFile('bucket', `${path}/xl.meta`, bytes))
      const sample = { path, text: 'x', modifiedNs: 9n }
      assert.equal(codeOf(await putInline(drive, codec, sample)), 'FileCorrupt', path)
      const update = await drive.updateVersion('bucket', path, encodedObject(codec))
      assert.equal(codeOf(update), 'FileCorrupt')
      const remove = await drive.deleteVersions('bucket', path, [{ versionId: NULL_VERSION_ID }])
      assert.equal(codeOf(remove), 'FileCorrupt')
      const raw = valueOf(await drive.readMetadata('bucket', path, { inline: true }))
      assertBytes(raw, bytes, 'the reader judges')
      valueOf(await putInline(drive, codec, { ...sample, mode: 'heal' }))
      assert.equal((await readParsed(drive, codec, path)).versions.length, 1)
    }
  })

  check('a repair replaces the whole file, but not by something unreadable', async (drive) => {
    const meta = XlMeta.empty(codec)
    meta.put(encodedMarker(codec, ID_A, 5n), undefined)
    valueOf(await drive.replaceMetadata('bucket', 'k', meta.encode()))
    assert.equal((await readParsed(drive, codec, 'k')).versions.length, 1)
    const wrong = await drive.replaceMetadata('bucket', 'k', utf8('nothing'))
    assert.equal(codeOf(wrong), 'FileCorrupt')
    assert.equal((await readParsed(drive, codec, 'k')).versions.length, 1)
  })
}

async function halfOfMetadata(drive: Drive): Promise<Uint8Array> {
  valueOf(await putInline(drive, codec, { path: 'whole', text: 'x', modifiedNs: 1n }))
  const bytes = valueOf(await drive.readMetadata('bucket', 'whole', { inline: true }))
  return bytes.slice(0, Math.floor(bytes.length / 2))
}

function stagedTests(check: Check): void {
  check('staged files are dropped with everything in them', async (drive) => {
    valueOf(await drive.appendStaged('s/d/part.1', [utf8('x')], { last: false }))
    valueOf(await drive.appendStaged('s/d/part.2', [utf8('x')], { last: true }))
    valueOf(await drive.discardStaged('s'))
    valueOf(await drive.discardStaged('s'))
    assert.equal(codeOf(await drive.listDirectory(TMP_VOLUME, 's', 10)), 'FileNotFound')
    valueOf(await drive.appendStaged('s/d/part.1', [utf8('anew')], { last: true }))
    assert.deepEqual(valueOf(await drive.statFiles(TMP_VOLUME, 's/d', ['part.1'])), [4])
  })

  check('second names outlive the first ones', async (drive) => {
    const path = 'k'
    valueOf(
      await putStaged(drive, codec, {
        path,
        text: 'data',
        modifiedNs: 1n,
        dataDir: DIR_A,
        stage: 'st',
      }),
    )
    const directory = `${path}/${dataDirName(DIR_A)}`
    valueOf(await drive.linkStaged('bucket', directory, ['part.1', 'part.2'], 'held'))
    valueOf(await drive.trash('bucket', path))
    const target = new Uint8Array(4)
    assert.equal(
      codeOf(await drive.readFile('bucket', `${directory}/part.1`, 0, target)),
      'FileNotFound',
    )
    valueOf(await drive.readFile(TMP_VOLUME, 'held/part.1', 0, target))
    assertBytes(target, utf8('data'))
    assert.deepEqual(valueOf(await drive.listDirectory(TMP_VOLUME, 'held', 10)), ['part.1'])
    valueOf(await drive.discardStaged('held'))
    const none = await drive.linkStaged('bucket', directory, ['part.1'], 'held')
    assert.equal(codeOf(none), 'FileNotFound')
    assert.equal(codeOf(await drive.listDirectory(TMP_VOLUME, 'held', 10)), 'FileNotFound')
  })

  check('a commit whose staged data is missing changes nothing', async (drive) => {
    valueOf(await putInline(drive, codec, { path: 'k', text: 'old', modifiedNs: 1n }))
    const commit = await drive.commitVersion({
      volume: 'bucket',
      path: 'k',
      version: encodedObject(codec, { modifiedNs: 2n, dataDir: DIR_B }),
      source: { volume: TMP_VOLUME, path: 'none' },
      mode: 'write',
      backup: false,
    })
    assert.equal(codeOf(commit), 'FileNotFound')
    assertBytes((await readParsed(drive, codec, 'k')).inline(NULL_VERSION_ID), utf8('old'))
    const fresh = await drive.commitVersion({
      volume: 'bucket',
      path: 'fresh/k',
      version: encodedObject(codec, { modifiedNs: 2n, dataDir: DIR_B }),
      source: { volume: TMP_VOLUME, path: 'none' },
      mode: 'write',
      backup: false,
    })
    assert.equal(codeOf(fresh), 'FileNotFound')
    assert.deepEqual(
      valueOf(await drive.walk(WALK)).entries.map(({ name }) => name),
      ['k'],
    )
  })

  check(
    'parts replace one another, become an object, and never revive an upload',
    async (drive) => {
      const upload = 'sha/upload'
      const dataDir = dataDirName(DIR_A)
      const directory = `${upload}/${dataDir}`
      valueOf(await drive.writeSmallFile(MULTIPART_VOLUME, `${upload}/xl.meta`, utf8('x')))
      for (const [partNumber, text] of [
        [1, 'one'],
        [1, 'once more'],
        [2, 'two'],
      ] as const) {
        valueOf(await drive.appendStaged(`st/part.${partNumber}`, [utf8(text)], { last: true }))
        const metadata = utf8(`meta of ${text}`)
        const staged = `st/part.${partNumber}`
        valueOf(await drive.commitPart({ staged, directory, partNumber, metadata }))
      }
      const [meta] = valueOf(
        await drive.readSmallFiles(MULTIPART_VOLUME, [`${directory}/part.1.meta`]),
      )
      assertBytes(meta, utf8('meta of once more'))
      const names = ['part.1', 'part.2', 'part.3']
      const sizes = valueOf(await drive.statFiles(MULTIPART_VOLUME, directory, names))
      assert.deepEqual(sizes, [9, 3, undefined])
      valueOf(
        await drive.commitVersion({
          volume: 'bucket',
          path: 'big',
          version: encodedObject(codec, { dataDir: DIR_A, modifiedNs: 2n, sizeBytes: 12 }),
          source: { volume: MULTIPART_VOLUME, path: upload },
          mode: 'write',
          backup: false,
        }),
      )
      const target = new Uint8Array(9)
      valueOf(await drive.readFile('bucket', `big/${dataDir}/part.1`, 0, target))
      assert.equal(textOf(target), 'once more')
      // The upload stays until the quorum has decided.
      const left = valueOf(await drive.statFiles(MULTIPART_VOLUME, directory, ['part.1']))
      assert.deepEqual(left, [9])
      valueOf(await drive.appendStaged('st/part.1', [utf8('again')], { last: true }))
      const again = { staged: 'st/part.1', directory, partNumber: 1, metadata: utf8('meta again') }
      valueOf(await drive.commitPart({ ...again, step: 'prepare' }))
      const read = async (): Promise<unknown> =>
        valueOf(
          await drive.readSmallFiles(MULTIPART_VOLUME, [
            `${directory}/part.1`,
            `${directory}/part.1.meta`,
          ]),
        )
      assert.deepEqual(await read(), [utf8('once more'), utf8('meta of once more')])
      for (let i = 0; i < 2; i++) {
        valueOf(await drive.commitPart({ step: 'settle', directory, partNumber: 1 }))
        assert.deepEqual(await read(), [utf8('again'), utf8('meta again')])
      }
      valueOf(await drive.trash(MULTIPART_VOLUME, upload))
      valueOf(await drive.appendStaged('late/part.1', [utf8('late')], { last: true }))
      const late = { staged: 'late/part.1', directory, partNumber: 1, metadata: utf8('m') }
      assert.equal(codeOf(await drive.commitPart(late)), 'FileNotFound')
    },
  )
}

function fileTests(check: Check): void {
  check('files are read anywhere, never past their end', async (drive) => {
    valueOf(await drive.writeSmallFile('bucket', 'd/f', utf8('0123456789')))
    const read = async (offset: number, size: number): Promise<string> => {
      const target = new Uint8Array(size)
      const result = await drive.readFile('bucket', 'd/f', offset, target)
      return result instanceof DriveError ? result.code : textOf(target)
    }
    assert.equal(await read(0, 10), '0123456789')
    assert.equal(await read(9, 1), '9')
    assert.equal(await read(10, 0), '')
    assert.equal(await read(5, 6), 'FileCorrupt')
    assert.equal(await read(50, 1), 'FileCorrupt')
  })

  check('frames are read with their hashes right, or not at all', async (drive) => {
    const file = new Uint8Array([...frame('first shard'), ...frame('last')])
    const frameBytes = HASH_SIZE_BYTES + 'first shard'.length
    const read = async (offset: number): Promise<string> => {
      const target = new Uint8Array(file.length - offset)
      return codeOf(await drive.readFile('bucket', 'f', offset, target, undefined, frameBytes))
    }
    valueOf(await drive.writeSmallFile('bucket', 'f', file))
    assert.equal(await read(0), 'ok')
    for (const at of [0, HASH_SIZE_BYTES, frameBytes - 1, frameBytes, file.length - 1]) {
      const rotten = file.slice()
      rotten[at] = (rotten[at] ?? 0) ^ 1
      valueOf(await drive.writeSmallFile('bucket', 'f', rotten))
      assert.equal(await read(0), 'FileCorrupt', `byte ${at}`)
      assert.equal(await read(frameBytes), at < frameBytes ? 'ok' : 'FileCorrupt', `byte ${at}`)
    }
  })

  check('a stream keeps its file also when the name goes to another', async (drive) => {
    valueOf(await drive.writeSmallFile('bucket', 'f', utf8('old')))
    const target = new Uint8Array(3)
    valueOf(await drive.readFile('bucket', 'f', 0, target, 7))
    valueOf(await drive.writeSmallFile('bucket', 'f', utf8('new')))
    valueOf(await drive.readFile('bucket', 'f', 0, target, 7))
    assert.equal(textOf(target), 'old')
    drive.closeStream(7)
    drive.closeStream(7)
    valueOf(await drive.readFile('bucket', 'f', 0, target, 7))
    assert.equal(textOf(target), 'new')
    drive.closeStream(7)
  })

  check('small files are written, appended, listed and trashed', async (drive) => {
    valueOf(await drive.appendSmallFile(CAIRN_VOLUME, 'q/list', utf8('a\n')))
    valueOf(await drive.appendSmallFile(CAIRN_VOLUME, 'q/list', utf8('b\n')))
    valueOf(await drive.writeSmallFile(CAIRN_VOLUME, 'q/deep/er', utf8('c')))
    const paths = ['q/list', 'q/none', 'q/deep/er', 'q']
    const contents = valueOf(await drive.readSmallFiles(CAIRN_VOLUME, paths))
    assert.deepEqual(
      contents.map((bytes) => (bytes === undefined ? undefined : textOf(bytes))),
      ['a\nb\n', undefined, 'c', undefined],
    )
    const names = valueOf(await drive.listDirectory(CAIRN_VOLUME, 'q', 10))
    assert.deepEqual(names.toSorted(), ['deep/', 'list'])
    assert.equal(valueOf(await drive.listDirectory(CAIRN_VOLUME, 'q', 1)).length, 1)
    assert.equal(codeOf(await drive.listDirectory(CAIRN_VOLUME, 'none', 1)), 'FileNotFound')
    valueOf(await drive.trash(CAIRN_VOLUME, 'q/deep'))
    valueOf(await drive.trash(CAIRN_VOLUME, 'q/deep'))
    valueOf(await drive.trash(CAIRN_VOLUME, 'q/list'))
    assert.equal(codeOf(await drive.listDirectory(CAIRN_VOLUME, 'q', 1)), 'FileNotFound')
  })

  check('the trash is emptied in portions', async (drive) => {
    for (let i = 0; i < 5; i++) {
      valueOf(await drive.writeSmallFile('bucket', `f${i}/g`, utf8('x')))
      valueOf(await drive.trash('bucket', `f${i}`))
    }
    const first = valueOf(await drive.emptyTrash(3))
    assert.equal(first.left, 1)
    assert.equal(valueOf(await drive.emptyTrash(3)).left, 0)
    assert.deepEqual(valueOf(await drive.listDirectory(TRASH_VOLUME, '', 10)), [])
  })

  check('the free space is a part of the whole', async (drive) => {
    const info = valueOf(await drive.info())
    assert.ok(info.totalBytes > 0)
    assert.ok(info.freeBytes <= info.totalBytes)
  })
}

const WALK: WalkRequest = {
  volume: 'bucket',
  prefix: '',
  startAfter: '',
  recursive: true,
  limit: 10_000,
  metadata: false,
}

function walkTests(check: Check): void {
  check('a walk gives the same as sorting all keys, from every position', async (drive) => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed)
      const volume = `walk-${seed}`
      valueOf(await drive.makeVolume(volume))
      const keys = randomKeys(random, 40)
      for (const key of keys) {
        const path = encodeKey(key)
        valueOf(await putInline(drive, codec, { volume, path, text: 'x', modifiedNs: 1n }))
      }
      const sorted = [...keys].toSorted(compareUtf8)
      const after = sorted.flatMap((key) => [`${key}\u0000`, key.slice(0, -1)])
      const positions = ['', ...sorted, ...after, 'a/', '~']
      for (const startAfter of positions) {
        for (const prefix of ['', 'a', 'a/', 'b/a', 'b/a/', 'é', 'none/', '/', LONG, `${LONG}é`]) {
          const request = { ...WALK, volume, startAfter, prefix }
          const names = await namesOf(drive, request)
          const expected = sorted.filter(
            (key) => key.startsWith(prefix) && compareUtf8(key, startAfter) > 0,
          )
          assert.deepEqual(names, expected, `seed ${seed} "${prefix}" after "${startAfter}"`)
        }
      }
    }
  })

  check('pages of a walk follow one another without gaps', async (drive) => {
    const keys = randomKeys(seededRandom(9), 60)
    for (const key of keys) {
      const path = encodeKey(key)
      valueOf(await putInline(drive, codec, { path, text: 'x', modifiedNs: 1n }))
    }
    for (const limit of [1, 2, 7]) {
      const names: string[] = []
      for (let startAfter = ''; ; startAfter = names.at(-1) ?? '') {
        const { entries, done } = valueOf(await drive.walk({ ...WALK, startAfter, limit }))
        names.push(...entries.map(({ name }) => name))
        assert.ok(entries.length <= limit)
        if (done) break
        assert.ok(entries.length > 0, 'every page brings the walk on')
      }
      assert.deepEqual(names, [...keys].toSorted(compareUtf8))
    }
  })

  check('a walk of one level shows prefixes that hold keys', async (drive) => {
    for (const path of ['a', 'a/b/c', 'ab', 'x/y/z', 'x__XLDIR__']) {
      valueOf(await putInline(drive, codec, { path, text: 'x', modifiedNs: 1n }))
    }
    valueOf(await drive.writeSmallFile('bucket', 'empty/not-metadata', utf8('x')))
    const level = { ...WALK, recursive: false }
    assert.deepEqual(await namesOf(drive, level), ['a', 'a/', 'ab', 'x/', 'x/'])
    assert.deepEqual(await namesOf(drive, { ...level, prefix: 'x/' }), ['x/', 'x/y/'])
    assert.deepEqual(await namesOf(drive, { ...level, prefix: 'a' }), ['a', 'a/', 'ab'])
    const { entries } = valueOf(await drive.walk(level))
    assert.deepEqual(
      entries.map(({ isPrefix }) => isPrefix),
      [false, true, false, false, true],
    )
  })

  check('a prefix tells the first key below it', async (drive) => {
    for (const path of ['a/b/c', 'a/b-/c', 'a__XLDIR__', 'd/e__XLDIR__', 'd/e/f', 'd/e0']) {
      valueOf(await putInline(drive, codec, { path, text: 'x', modifiedNs: 1n }))
    }
    const { entries } = valueOf(await drive.walk({ ...WALK, recursive: false }))
    assert.deepEqual(
      entries.map(({ name, firstKey }) => [name, firstKey]),
      [
        ['a/', undefined],
        ['a/', 'a/b-/c'],
        ['d/', 'd/e/'],
      ],
    )
  })

  check('a walk brings metadata without content', async (drive) => {
    const text = 'x'.repeat(50_000)
    valueOf(await putInline(drive, codec, { path: 'k', text, modifiedNs: 1n }))
    const { entries } = valueOf(await drive.walk({ ...WALK, metadata: true }))
    const metadata = entries[0]?.metadata
    assert.ok(metadata !== undefined && metadata.length < 1000)
    assert.equal(XlMeta.parse(metadata, codec).versions.length, 1)
  })
}

async function namesOf(drive: Drive, request: WalkRequest): Promise<string[]> {
  return valueOf(await drive.walk(request)).entries.map(({ name }) => name)
}

const LONG = 'a'.repeat(240)

/** Keys that nest, share prefixes, sort apart from their directories, leave the basic plane, and are no paths. */
function randomKeys(random: Random, count: number): ReadonlySet<string> {
  const plain = ['a', 'a-', 'a!', 'ab', 'b', 'é', '\uffee', '\u{1f600}', '0']
  const odd = ['', '', '~~', 'a__XLDIR__', LONG, `${LONG}b`, `${LONG}${LONG}`, `${LONG}é${LONG}`]
  const components = random.below(2) === 0 ? plain : [...plain, ...odd]
  const keys = new Set<string>()
  while (keys.size < count) {
    const depth = 1 + random.below(3)
    const parts = Array.from({ length: depth }, () => components[random.below(components.length)])
    const key = parts.join('/') + (random.below(5) === 0 ? '/' : '')
    if (key !== '') keys.add(key)
  }
  return keys
}

function pathTests(check: Check): void {
  check('no path leaves its volume', async (drive) => {
    const version = encodedObject(codec)
    const bytes = utf8('x')
    const commit = { version, mode: 'write', backup: false, inline: bytes } as const
    const target = new Uint8Array(1)
    for (const path of BAD_PATHS) {
      const calls: Readonly<Record<string, Promise<unknown>>> = {
        readMetadata: drive.readMetadata('bucket', path, { inline: true }),
        commitVersion: drive.commitVersion({ ...commit, volume: 'bucket', path }),
        undoCommit: drive.undoCommit('bucket', path, NULL_VERSION_ID, undefined),
        updateVersion: drive.updateVersion('bucket', path, version),
        deleteVersions: drive.deleteVersions('bucket', path, [{ versionId: NULL_VERSION_ID }]),
        replaceMetadata: drive.replaceMetadata('bucket', path, bytes),
        restoreBackup: drive.restoreBackup('bucket', path, 'x'),
        restoreDirectory: drive.restoreBackup('bucket', 'x', path),
        purgeObject: drive.purgeDataDir('bucket', path, 'x'),
        purgeDirectory: drive.purgeDataDir('bucket', 'x', path),
        undoDirectory: drive.undoCommit('bucket', 'x', NULL_VERSION_ID, path),
        appendStaged: drive.appendStaged(path, [bytes], { last: true }),
        linkStaged: drive.linkStaged('bucket', path, ['part.1'], 'held'),
        linkName: drive.linkStaged('bucket', 'x', [path], 'held'),
        linkInto: drive.linkStaged('bucket', 'x', ['part.1'], path),
        discardStaged: drive.discardStaged(path),
        commitPart: drive.commitPart({
          staged: path,
          directory: 'a/b/c',
          partNumber: 1,
          metadata: bytes,
        }),
        commitPartTo: drive.commitPart({
          staged: 'x/part.1',
          directory: path,
          partNumber: 1,
          metadata: bytes,
        }),
        commitFrom: drive.commitVersion({
          ...commit,
          volume: 'bucket',
          path: 'x',
          source: { volume: TMP_VOLUME, path },
        }),
        readFile: drive.readFile('bucket', path, 0, target),
        statFiles: drive.statFiles('bucket', 'x', [path]),
        statDirectory: drive.statFiles('bucket', path, ['x']),
        readSmallFiles: drive.readSmallFiles('bucket', [path]),
        writeSmallFile: drive.writeSmallFile('bucket', path, bytes),
        appendSmallFile: drive.appendSmallFile('bucket', path, bytes),
        listDirectory: drive.listDirectory('bucket', path, 1),
        trash: drive.trash('bucket', path),
        makeVolume: drive.makeVolume(path),
        statVolume: drive.statVolume(path),
        deleteVolume: drive.deleteVolume(path, { force: true }),
        otherVolume: drive.readMetadata(path, 'k', { inline: true }),
      }
      for (const [name, call] of Object.entries(calls)) {
        const result = await call
        assert.ok(result instanceof DriveError, `${name} of "${path}" is refused`)
        assert.equal(result.code, 'FileAccessDenied', `${name} of "${path}"`)
      }
    }
  })

  check('the root of a volume is no file, and internal volumes stay', async (drive) => {
    for (const call of [
      drive.trash('bucket', ''),
      drive.writeSmallFile('bucket', '', utf8('x')),
      drive.discardStaged(''),
      drive.deleteVolume('.minio.sys', { force: true }),
      drive.deleteVolume('.minio.sys/tmp', { force: true }),
    ]) {
      assert.equal(codeOf(await call), 'FileAccessDenied')
    }
    valueOf(await drive.statVolume('bucket'))
  })

  check('names too long are refused, longest ones work', async (drive) => {
    const read = async (path: string): Promise<string> =>
      codeOf(await drive.readMetadata('bucket', path, { inline: true }))
    assert.equal(await read('x'.repeat(256)), 'FileNameTooLong')
    assert.equal(await read('é'.repeat(200)), 'FileNameTooLong')
    assert.equal(
      await read(Array.from({ length: 30 }, () => 'x'.repeat(200)).join('/')),
      'FileNameTooLong',
    )
    const longest = 'x'.repeat(255)
    valueOf(await putInline(drive, codec, { path: longest, text: 'x', modifiedNs: 1n }))
    assert.equal(await read(longest), 'ok')
  })

  check('an object cannot lie inside the file of another', async (drive) => {
    valueOf(await putInline(drive, codec, { path: 'k', text: 'x', modifiedNs: 1n }))
    const inside = { path: 'k/xl.meta', text: 'x', modifiedNs: 2n }
    assert.equal(codeOf(await putInline(drive, codec, inside)), 'FileAccessDenied')
    const below = { path: 'k/xl.meta/below', text: 'x', modifiedNs: 2n }
    assert.equal(codeOf(await putInline(drive, codec, below)), 'FileAccessDenied')
    const read = await drive.readMetadata('bucket', 'k/xl.meta', { inline: true })
    assert.equal(codeOf(read), 'FileNotFound')
    assert.equal((await readParsed(drive, codec, 'k')).versions.length, 1)
  })
}

function concurrencyTests(check: Check): void {
  check('many commits at once all happen', async (drive) => {
    const count = 300
    const results = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        putInline(drive, codec, { path: `d${i % 7}/k${i}`, text: String(i), modifiedNs: 1n }),
      ),
    )
    for (const result of results) valueOf(result)
    assert.equal((await namesOf(drive, WALK)).length, count)
  })

  check('calls of one key happen one after another, in order', async (drive) => {
    const puts = Array.from({ length: 20 }, (_, i) =>
      putInline(drive, codec, {
        path: 'k',
        text: String(i),
        modifiedNs: BigInt(i + 1),
        versionId: idOf(i),
      }),
    )
    const remove = drive.deleteVersions('bucket', 'k', [{ versionId: idOf(3) }])
    assert.ok((await Promise.all(puts)).every((result) => codeOf(result) === 'ok'))
    assert.deepEqual(valueOf(await remove), [{ found: true, versionsLeft: 19 }])
  })

  check('a directory goes while another object comes into it', async (drive) => {
    for (let round = 0; round < 30; round++) {
      const modifiedNs = BigInt(round + 1)
      valueOf(await putInline(drive, codec, { path: 'p/q/old', text: 'x', modifiedNs }))
      const [removed, put] = await Promise.all([
        drive.deleteVersions('bucket', 'p/q/old', [{ versionId: NULL_VERSION_ID }]),
        putInline(drive, codec, { path: 'p/q/new', text: 'x', modifiedNs }),
      ])
      valueOf(removed)
      valueOf(put)
      assert.deepEqual(await namesOf(drive, WALK), ['p/q/new'])
      valueOf(await drive.deleteVersions('bucket', 'p/q/new', [{ versionId: NULL_VERSION_ID }]))
    }
  })
}
