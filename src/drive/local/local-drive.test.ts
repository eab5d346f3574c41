import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { utf8 } from '#base/bytes'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import {
  DriveError,
  type DriveResult,
  type EncodedVersion,
  TMP_VOLUME,
  type WalkRequest,
} from '../drive.ts'
import {
  encodeDeleteMarker,
  encodeObjectVersion,
  NULL_VERSION_ID,
  type ObjectVersion,
  XlMeta,
} from '../xl-meta.ts'
import { LocalDrive } from './local-drive.ts'
import { nodeFileSystem } from './node-file-system.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
const ID = '0123456789abcdef0123456789abcdef'
const DATA_DIR = 'aaaaaaaabbbbccccddddeeeeeeeeeeee'
const DATA_DIR_TEXT = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'

function makeDrive(context: TestContext): { drive: LocalDrive; root: string } {
  const root = mkdtempSync(join(tmpdir(), 'cairn-drive-'))
  context.after(() => rmSync(root, { recursive: true }))
  const drive = new LocalDrive({
    fileSystem: nodeFileSystem(),
    root,
    clock: systemClock(),
    random: systemRandom(),
    hashes: codec,
    durability: 'strict',
    mayHoldV1: false,
  })
  return { drive, root }
}

function valueOf<T>(result: DriveResult<T>): T {
  if (result instanceof DriveError) throw result
  return result
}

function codeOf(result: DriveResult<unknown>): string {
  return result instanceof DriveError ? result.code : 'ok'
}

function objectVersion(changes: Partial<ObjectVersion> = {}): ObjectVersion {
  return {
    versionId: NULL_VERSION_ID,
    dataDir: DATA_DIR,
    dataShards: 1,
    parityShards: 0,
    blockSizeBytes: 1_048_576,
    shardIndex: 1,
    distribution: [1],
    parts: [{ number: 1, sizeBytes: 5, actualSizeBytes: 5 }],
    sizeBytes: 5,
    modifiedNs: 1000n,
    systemMetadata: new Map(),
    userMetadata: new Map([['etag', 'x']]),
    writerTime: 1_800_000_000,
    ...changes,
  }
}

function encoded(changes: Partial<ObjectVersion> = {}): EncodedVersion {
  return encodeObjectVersion(objectVersion(changes), codec)
}

async function putInline(
  drive: LocalDrive,
  path: string,
  modifiedNs: bigint,
  text = 'hello',
): Promise<void> {
  valueOf(
    await drive.commitVersion({
      volume: 'bucket',
      path,
      version: encoded({
        modifiedNs,
        systemMetadata: new Map([['x-minio-internal-inline-data', utf8('true')]]),
      }),
      inline: utf8(text),
      mode: 'write',
      backup: false,
    }),
  )
}

async function parsed(drive: LocalDrive, path: string): Promise<XlMeta> {
  return XlMeta.parse(valueOf(await drive.readMetadata('bucket', path, { inline: true })), codec)
}

test('an inline version is committed, read, overwritten, and deleted with its directory', async (context) => {
  const { drive, root } = makeDrive(context)
  valueOf(await drive.makeVolume('bucket'))
  await putInline(drive, 'a/b', 1000n)
  await putInline(drive, 'a/b', 2000n, 'again')
  const meta = await parsed(drive, 'a/b')
  assert.equal(meta.versions.length, 1)
  assert.deepEqual(meta.inline(NULL_VERSION_ID), utf8('again'))
  const [deleted] = valueOf(
    await drive.deleteVersions('bucket', 'a/b', [{ versionId: NULL_VERSION_ID }]),
  )
  assert.deepEqual(deleted, { found: true, versionsLeft: 0 })
  assert.deepEqual(readdirSync(join(root, 'bucket')), [])
})

test('a staged file is moved into place by the commit, and its replacement names the old directory', async (context) => {
  const { drive, root } = makeDrive(context)
  valueOf(await drive.makeVolume('bucket'))
  for (const [folder, dataDir, modifiedNs] of [
    ['s1', DATA_DIR, 1000n],
    ['s2', `${DATA_DIR.slice(0, 31)}f`, 2000n],
  ] as const) {
    const text = `${dataDir.slice(0, 8)}-${dataDir.slice(8, 12)}-${dataDir.slice(12, 16)}-${dataDir.slice(16, 20)}-${dataDir.slice(20)}`
    valueOf(await drive.appendStaged(`${folder}/${text}/part.1`, [utf8('he')], { last: false }))
    valueOf(
      await drive.appendStaged(`${folder}/${text}/part.1`, [utf8('l'), utf8('lo')], { last: true }),
    )
    const reply = valueOf(
      await drive.commitVersion({
        volume: 'bucket',
        path: 'k',
        version: encoded({ dataDir, modifiedNs }),
        source: { volume: TMP_VOLUME, path: folder },
        mode: 'write',
        backup: true,
      }),
    )
    assert.equal(reply.oldDataDir, modifiedNs === 1000n ? undefined : DATA_DIR_TEXT)
  }
  assert.ok(readdirSync(join(root, 'bucket/k', DATA_DIR_TEXT)).includes('xl.meta.bkp'))
  const undone = await drive.undoCommit('bucket', 'k', NULL_VERSION_ID, DATA_DIR_TEXT)
  assert.equal(undone, undefined)
  const meta = await parsed(drive, 'k')
  assert.equal(meta.versions[0]?.header.modifiedNs, 1000n)
  const target = new Uint8Array(5)
  valueOf(await drive.readFile('bucket', `k/${DATA_DIR_TEXT}/part.1`, 0, target))
  assert.deepEqual(target, utf8('hello'))
  assert.deepEqual(
    readdirSync(join(root, '.minio.sys/tmp')).filter((name) => name !== '.trash'),
    [],
  )
})

test('a commit that is not newer is refused with the time that is stored', async (context) => {
  const { drive } = makeDrive(context)
  valueOf(await drive.makeVolume('bucket'))
  await putInline(drive, 'k', 2000n)
  const result = await drive.commitVersion({
    volume: 'bucket',
    path: 'k',
    version: encoded({ modifiedNs: 2000n }),
    inline: utf8('x'),
    mode: 'write',
    backup: false,
  })
  assert.ok(result instanceof DriveError)
  assert.equal(result.code, 'StaleCommit')
  assert.equal(result.newestNs, 2000n)
})

test('versions, markers and shared data directories', async (context) => {
  const { drive, root } = makeDrive(context)
  valueOf(await drive.makeVolume('bucket'))
  valueOf(await drive.appendStaged(`s/${DATA_DIR_TEXT}/part.1`, [utf8('hello')], { last: true }))
  const commit = { volume: 'bucket', path: 'k', mode: 'write', backup: false } as const
  valueOf(
    await drive.commitVersion({
      ...commit,
      version: encoded({ versionId: ID }),
      source: { volume: TMP_VOLUME, path: 's' },
    }),
  )
  const second = `${ID.slice(0, 31)}0`
  valueOf(
    await drive.commitVersion({
      ...commit,
      version: encoded({ versionId: second, modifiedNs: 2000n }),
      inlineFrom: ID,
    }),
  )
  const marker = encodeDeleteMarker(
    { versionId: `${ID.slice(0, 31)}1`, modifiedNs: 3000n, systemMetadata: new Map() },
    codec,
  )
  const [added] = valueOf(await drive.deleteVersions('bucket', 'k', [{ add: marker }]))
  assert.deepEqual(added, { found: false, versionsLeft: 3 })
  const [first] = valueOf(await drive.deleteVersions('bucket', 'k', [{ versionId: ID }]))
  assert.deepEqual(first, { found: true, versionsLeft: 2 })
  assert.ok(
    readdirSync(join(root, 'bucket/k')).includes(DATA_DIR_TEXT),
    'the other version uses it',
  )
  const [none] = valueOf(await drive.deleteVersions('bucket', 'k', [{ versionId: ID }]))
  assert.deepEqual(none, { found: false, versionsLeft: 2 })
  valueOf(await drive.deleteVersions('bucket', 'k', [{ versionId: second }]))
  assert.equal(readdirSync(join(root, 'bucket/k')).includes(DATA_DIR_TEXT), false)
})

test('paths never leave the drive', async (context) => {
  const { drive } = makeDrive(context)
  valueOf(await drive.makeVolume('bucket'))
  for (const path of ['../x', 'a/../../x', '/etc/passwd', 'a//b', 'a\0b', './a', '.']) {
    assert.equal(
      codeOf(await drive.readMetadata('bucket', path, { inline: true })),
      'FileAccessDenied',
      path,
    )
    assert.equal(codeOf(await drive.trash('bucket', path)), 'FileAccessDenied', path)
  }
  assert.equal(codeOf(await drive.makeVolume('../outside')), 'FileAccessDenied')
  assert.equal(
    codeOf(await drive.readMetadata('bucket', 'x'.repeat(300), { inline: true })),
    'FileNameTooLong',
  )
})

test('missing volumes and files are told apart', async (context) => {
  const { drive } = makeDrive(context)
  assert.equal(codeOf(await drive.readMetadata('none', 'k', { inline: true })), 'VolumeNotFound')
  valueOf(await drive.makeVolume('bucket'))
  assert.equal(codeOf(await drive.makeVolume('bucket')), 'VolumeExists')
  assert.equal(codeOf(await drive.readMetadata('bucket', 'k', { inline: true })), 'FileNotFound')
  assert.equal(
    codeOf(await drive.readFile('bucket', 'k/part.1', 0, new Uint8Array(1))),
    'FileNotFound',
  )
  await putInline(drive, 'k', 1000n)
  assert.equal(codeOf(await drive.deleteVolume('bucket', { force: false })), 'VolumeNotEmpty')
  valueOf(await drive.deleteVolume('bucket', { force: true }))
  assert.deepEqual(valueOf(await drive.listVolumes()), [])
})

test('the walk gives decoded names in byte order, from any position, one level or all', async (context) => {
  const { drive } = makeDrive(context)
  valueOf(await drive.makeVolume('bucket'))
  const keys = [
    'a',
    'a-b',
    'a/',
    'a/b',
    'a/b/c',
    'ab',
    'b/x/1',
    'b/x/2',
    'b-',
    'é',
    '\u{1f600}',
    'z/',
  ]
  for (const key of keys) {
    await putInline(drive, key.endsWith('/') ? `${key.slice(0, -1)}__XLDIR__` : key, 1000n)
  }
  const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const base: WalkRequest = {
    volume: 'bucket',
    prefix: '',
    startAfter: '',
    recursive: true,
    limit: 1000,
    metadata: false,
  }
  const namesOf = async (changes: Partial<WalkRequest>): Promise<string[]> =>
    valueOf(await drive.walk({ ...base, ...changes })).entries.map(({ name }) => name)
  assert.deepEqual(await namesOf({}), sorted)
  for (const startAfter of [...sorted, 'a/b/', 'a0', 'b/x', 'b/x/1\u0000']) {
    const expected = sorted.filter(
      (key) => Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) > 0,
    )
    assert.deepEqual(await namesOf({ startAfter }), expected, startAfter)
  }
  for (const prefix of ['a', 'a/', 'a/b', 'b/x/', 'b/', 'zz', 'é', 'a/b/c']) {
    assert.deepEqual(
      await namesOf({ prefix }),
      sorted.filter((key) => key.startsWith(prefix)),
      prefix,
    )
  }
  assert.deepEqual(await namesOf({ recursive: false }), [
    'a',
    'a-b',
    'a/',
    'a/',
    'ab',
    'b-',
    'b/',
    'z/',
    'é',
    '\u{1f600}',
  ])
  const page = valueOf(await drive.walk({ ...base, limit: 3 }))
  assert.equal(page.done, false)
  assert.equal(page.entries.length, 3)
})

test('concurrent commits of many keys share flushes and all succeed', async (context) => {
  const { drive } = makeDrive(context)
  valueOf(await drive.makeVolume('bucket'))
  await Promise.all(
    Array.from({ length: 300 }, (_, i) => putInline(drive, `d${i % 7}/k${i}`, 1000n)),
  )
  const { entries } = valueOf(
    await drive.walk({
      volume: 'bucket',
      prefix: '',
      startAfter: '',
      recursive: true,
      limit: 1000,
      metadata: true,
    }),
  )
  assert.equal(entries.length, 300)
})

test('parts replace one another and never come back after an abort', async (context) => {
  const { drive } = makeDrive(context)
  valueOf(await drive.writeSmallFile('.minio.sys/multipart', 'sha/up/xl.meta', utf8('x')))
  for (const text of ['one', 'two!']) {
    valueOf(await drive.appendStaged('st/part.1', [utf8(text)], { last: true }))
    valueOf(
      await drive.commitPart({
        staged: 'st/part.1',
        directory: 'sha/up/dd',
        partNumber: 1,
        metadata: utf8(`meta ${text}`),
      }),
    )
  }
  const [metadata] = valueOf(
    await drive.readSmallFiles('.minio.sys/multipart', ['sha/up/dd/part.1.meta']),
  )
  assert.deepEqual(metadata, utf8('meta two!'))
  assert.deepEqual(
    valueOf(await drive.statFiles('.minio.sys/multipart', 'sha/up/dd', ['part.1', 'part.2'])),
    [4, undefined],
  )
  valueOf(await drive.trash('.minio.sys/multipart', 'sha/up'))
  valueOf(await drive.appendStaged('st/part.1', [utf8('late')], { last: true }))
  const late = await drive.commitPart({
    staged: 'st/part.1',
    directory: 'sha/up/dd',
    partNumber: 1,
    metadata: utf8('m'),
  })
  assert.equal(codeOf(late), 'FileNotFound')
})

test('small files are appended and replaced', async (context) => {
  const { drive } = makeDrive(context)
  valueOf(await drive.appendSmallFile('.minio.sys/cairn', 'repair/q', utf8('a\n')))
  valueOf(await drive.appendSmallFile('.minio.sys/cairn', 'repair/q', utf8('b\n')))
  const [both] = valueOf(await drive.readSmallFiles('.minio.sys/cairn', ['repair/q', 'none']))
  assert.deepEqual(both, utf8('a\nb\n'))
  valueOf(await drive.writeSmallFile('.minio.sys/cairn', 'repair/q', utf8('c')))
  const [one, none] = valueOf(await drive.readSmallFiles('.minio.sys/cairn', ['repair/q', 'none']))
  assert.deepEqual([one, none], [utf8('c'), undefined])
})
