/** What calls leave in the folders of a drive; what they answer is told in `src/testing/drive-conformance.ts`. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { idOf, putInline, putStaged, valueOf } from '#testing/drive-samples'
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
