/** Lists over real directories. */
import { encodeKey } from '#drive/key-path'
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { systemClock } from '#base/clock'
import { seededRandom } from '#base/random'
import { LocalDrive } from '#drive/local/local-drive'
import { nodeFileSystem } from '#drive/local/node-file-system'
import { testCodec } from '#testing/engine-fixture'
import {
  expected,
  metaOf,
  oneVersion,
  randomModel,
  randomText,
  shownIn,
  type Model,
} from '#testing/list-model'
import { Patience } from '../quorum/patience.ts'
import { listObjects, listVersions } from './lists.ts'
import { WalkSource } from './walk-source.ts'

const codec = testCodec()
const root = mkdtempSync(join(tmpdir(), 'cairn-lists-'))
after(() => rmSync(root, { recursive: true, force: true }))

const random = seededRandom(21)
const drives = Array.from({ length: 4 }, (_, i) => {
  const folder = join(root, `d${i}`)
  mkdirSync(join(folder, '.minio.sys/tmp/.trash'), { recursive: true })
  return new LocalDrive({
    fileSystem: nodeFileSystem(),
    root: folder,
    clock: systemClock(),
    random,
    hashes: codec,
    durability: 'relaxed',
    mayHoldV1: false,
  })
})
const source = new WalkSource(
  { codec, repairs: { report: () => undefined }, storage: { standardParity: 2 } },
  [{ pool: 0, index: 0, drives, patience: new Patience(systemClock(), drives) }],
)

async function store(bucket: string, model: Model): Promise<void> {
  for (const [position, drive] of drives.entries()) {
    assert.equal(await drive.makeVolume(bucket), undefined)
    for (const [key, versions] of model) {
      const meta = metaOf(codec, versions, position + 1)
      assert.equal(await drive.replaceMetadata(bucket, encodeKey(key), meta), undefined, key)
    }
  }
}

test('lists of real directories equal a sorted list', async () => {
  for (let round = 0; round < 15; round++) {
    const model = randomModel(random, round % 3 === 0 ? 0 : 40)
    await compareLists(`bucket-${round}`, model, round, () => ({
      prefix: randomText(random, 2),
      delimiter: ['', '/', '/', '-', 'a/'][random.below(5)] ?? '',
      startAfter: random.below(3) === 0 ? '' : randomText(random, 4),
    }))
  }
})

test('keys named like the files of objects hide nothing', async () => {
  const keys = ['a', 'd/xl.meta', 'd/xl.meta/e', 'e/xl.json', 'f/part.1', 'xl.meta', 'z']
  const model = new Map(keys.map((key) => [key, oneVersion()] as const))
  let round = 0
  await compareLists('named-like-files', model, 0, () => ({
    prefix: ['', '', 'd', 'd/', 'e/'][round++ % 5] ?? '',
    delimiter: ['', '/'][random.below(2)] ?? '',
    startAfter: ['', 'a', 'd'][random.below(3)] ?? '',
  }))
})

test('segments around the length of a file name sort among one another', async () => {
  const pieces = ['l', 'l', 'é', '😀', '/', '!', '~', 'l'.repeat(7), '~~more', '!'.repeat(240)]
  const text = (): string => {
    let made = random.below(9) === 0 ? '' : 'l'.repeat(237 + random.below(3))
    for (let i = random.below(6); i > 0; i--) made += pieces[random.below(pieces.length)] ?? ''
    return made
  }
  for (let round = 0; round < 12; round++) {
    const model = new Map(Array.from({ length: 25 }, () => [text() || '/', oneVersion()] as const))
    const keys = [...model.keys()]
    const near = (): string => {
      const key = keys[random.below(keys.length)] ?? ''
      const cut = random.below(3) === 0 ? key : key.slice(0, 236 + random.below(key.length + 9))
      return cut.isWellFormed() ? cut : ''
    }
    await compareLists(`long-${round}`, model, round, () => ({
      prefix: random.below(2) === 0 ? '' : near(),
      delimiter: ['', '/', '/', 'é', '~'][random.below(5)] ?? '',
      startAfter: random.below(3) === 0 ? '' : near(),
    }))
  }
})

async function compareLists(
  bucket: string,
  model: Model,
  round: number,
  next: () => { prefix: string; delimiter: string; startAfter: string },
): Promise<void> {
  await store(bucket, model)
  for (let query = 0; query < 10; query++) {
    const request = next()
    const options = { isUnversioned: round % 3 === 0 }
    const context = JSON.stringify({ round, request, keys: [...model.keys()] })
    const limit = 1 + random.below(6)
    const objects: string[] = []
    for (let { startAfter } = request; ; ) {
      const page = await listObjects(source, bucket, { ...request, startAfter, limit }, options)
      objects.push(...shownIn(page))
      if (!page.isTruncated) break
      startAfter = page.nextMarker
    }
    assert.deepEqual(objects, expected(model, 'objects', request), context)
    const versions = await listVersions(source, bucket, { ...request, limit: 1000 }, options)
    assert.deepEqual(shownIn(versions), expected(model, 'versions', request), context)
  }
}

test('pages of 3,000 siblings and a folder of 50 levels joined equal the whole', async () => {
  const model = new Map(
    Array.from({ length: 3000 }, (_, i) => [`wide/${String(i).padStart(6, '0')}`, oneVersion()]),
  )
  model.set(`deep/${Array.from({ length: 50 }, (_, i) => `l${i}`).join('/')}`, oneVersion())
  for (const [position, drive] of drives.entries()) {
    for (const [key, versions] of model) {
      const folder = join(drive.endpoint, 'wide-bucket', key)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'xl.meta'), metaOf(codec, versions, position + 1))
    }
  }
  const found: string[] = []
  for (let startAfter = ''; ; ) {
    const request = { prefix: '', delimiter: '', startAfter, limit: 1000 }
    const page = await listObjects(source, 'wide-bucket', request, { isUnversioned: true })
    for (const { key } of page.objects) found.push(key)
    if (!page.isTruncated) break
    startAfter = page.nextMarker
  }
  assert.deepEqual(found, [...model.keys()].sort())
})
