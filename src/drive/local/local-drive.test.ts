/** What calls leave in the folders of a drive; what they answer is told in `src/testing/drive-conformance.ts`. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { utf8 } from '#base/bytes'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { idOf, putInline, putStaged, valueOf } from '#testing/drive-samples'
import { MULTIPART_VOLUME } from '../drive.ts'
import { pendingDirectory } from '../part-meta.ts'
import { dataDirName, NULL_VERSION_ID } from '../xl-meta.ts'
import { LocalDrive } from './local-drive.ts'
import { nodeFileSystem } from './node-file-system.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)

async function makeDrive(context: TestContext): Promise<{ drive: LocalDrive; root: string }> {
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
  valueOf(await drive.makeVolume('bucket'))
  return { drive, root }
}

function stagedNames(root: string): string[] {
  return readdirSync(join(root, '.minio.sys/tmp')).filter((name) => name !== '.trash')
}

test('an object that is gone leaves an empty bucket and an empty staging area', async (context) => {
  const { drive, root } = await makeDrive(context)
  for (const modifiedNs of [1n, 2n]) {
    valueOf(await putInline(drive, codec, { path: 'a/b', text: 'hello', modifiedNs }))
  }
  valueOf(await drive.deleteVersions('bucket', 'a/b', [{ versionId: NULL_VERSION_ID }]))
  assert.deepEqual(readdirSync(join(root, 'bucket')), [])
  assert.deepEqual(stagedNames(root), [])
})

test('the backup of replaced metadata lies beside the data that it names', async (context) => {
  const { drive, root } = await makeDrive(context)
  const sample = { path: 'k', text: 'hello', backup: true }
  const first = { ...sample, modifiedNs: 1n, dataDir: idOf(1, 'd'), stage: 's1' }
  const second = { ...sample, modifiedNs: 2n, dataDir: idOf(2, 'd'), stage: 's2' }
  valueOf(await putStaged(drive, codec, first))
  valueOf(await putStaged(drive, codec, second))
  const names = (dataDir: string): string[] =>
    readdirSync(join(root, 'bucket/k', dataDirName(dataDir))).sort()
  assert.deepEqual(names(first.dataDir), ['part.1', 'xl.meta.bkp'])
  assert.deepEqual(names(second.dataDir), ['part.1'])
  assert.deepEqual(stagedNames(root), [])
})

test('a part of which a crash left the data in place and the metadata pending is described before it is replaced', async (context) => {
  const { drive, root } = await makeDrive(context)
  const upload = 'sha/upload'
  const directory = `${upload}/data`
  valueOf(await drive.writeSmallFile(MULTIPART_VOLUME, `${upload}/xl.meta`, utf8('upload')))
  const place = async (text: string, step?: 'prepare'): Promise<unknown> => {
    valueOf(await drive.appendStaged(`${text}/part.1`, [utf8(text)], { last: true }))
    const metadata = utf8(`meta of ${text}`)
    return drive.commitPart({ staged: `${text}/part.1`, directory, partNumber: 1, metadata, step })
  }
  await place('one')
  await place('two', 'prepare')
  const multipart = join(root, '.minio.sys/multipart')
  renameSync(
    join(multipart, pendingDirectory(directory), 'part.1'),
    join(multipart, directory, 'part.1'),
  )
  await place('three', 'prepare')
  const names = ['part.1', 'part.1.meta'].map((name) => `${directory}/${name}`)
  assert.deepEqual(valueOf(await drive.readSmallFiles(MULTIPART_VOLUME, names)), [
    utf8('two'),
    utf8('meta of two'),
  ])
})
