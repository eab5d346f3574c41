import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ZipEntry, zipOf } from '#testing/archives'
import { ZipArchive, ZipError, type ZipSource } from './zip-archive.ts'

function sourceOf(bytes: Uint8Array): ZipSource {
  return {
    sizeBytes: bytes.length,
    async *stream(start, end) {
      for (let at = start; at < end; at += 1000) yield bytes.slice(at, Math.min(end, at + 1000))
    },
  }
}

async function contents(bytes: Uint8Array): Promise<Record<string, string>> {
  const archive = await ZipArchive.open(sourceOf(bytes))
  const found: Record<string, string> = {}
  for await (const member of archive.members()) {
    const pieces: Uint8Array[] = []
    for await (const piece of await archive.content(member)) pieces.push(piece)
    found[member.name] = Buffer.concat(pieces).toString()
  }
  return found
}

const ENTRIES: readonly ZipEntry[] = [
  { name: 'a.txt', data: 'first' },
  { name: 'folder/', data: '', stored: true },
  { name: 'folder/ü', data: 'x'.repeat(100_000) },
  { name: 'stored', data: 'second', stored: true },
]

test('files are read, stored and deflated', async () => {
  assert.deepEqual(await contents(zipOf(ENTRIES)), {
    'a.txt': 'first',
    'folder/ü': 'x'.repeat(100_000),
    stored: 'second',
  })
})

test('names that climb or begin at the root are left out', async () => {
  const names = ['../a', '/b', 'c/../../d', 'e/./f', 'good', '..', 'x/..']
  const bytes = zipOf(names.map((name) => ({ name, data: 'x' })))
  assert.deepEqual(Object.keys(await contents(bytes)), ['good'])
})

test('a member that is larger than it says is cut off with an error', async () => {
  const bytes = zipOf([{ name: 'bomb', data: Buffer.alloc(5_000_000), claimedSize: 10 }])
  await assert.rejects(contents(bytes), ZipError)
})

for (const [what, bytes] of [
  ['nothing', Buffer.alloc(0)],
  ['no archive', Buffer.from('this is no archive at all')],
  ['half an archive', zipOf(ENTRIES).subarray(0, 60)],
  ['a directory that points nowhere', pointingNowhere()],
] as const) {
  test(`${what} is refused`, async () => {
    await assert.rejects(contents(bytes), ZipError)
  })
}

function pointingNowhere(): Buffer {
  const bytes = zipOf(ENTRIES)
  bytes.writeUInt32LE(0x7fff_ffff, bytes.length - 6)
  return bytes
}

test('an error of the source is told as it is', async () => {
  const failing: ZipSource = {
    sizeBytes: 1000,
    // oxlint-disable-next-line require-yield -- it fails before it has anything
    async *stream() {
      throw new RangeError('the drive is gone')
    },
  }
  await assert.rejects(ZipArchive.open(failing), RangeError)
})
