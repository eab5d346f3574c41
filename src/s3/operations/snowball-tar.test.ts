import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectBody } from '#object/body'
import { tarOf } from '#testing/archives'
import { TarError, TarReader, type TarSource } from './snowball-tar.ts'

function sourceOf(archive: Uint8Array, pieceSize = 100): TarSource {
  let at = 0
  return {
    next: () => {
      const piece = archive.subarray(at, at + pieceSize)
      at += piece.length
      return Promise.resolve(piece.length === 0 ? undefined : piece)
    },
  }
}

async function read(archive: Uint8Array, pieceSize?: number): Promise<string[]> {
  const reader = new TarReader(sourceOf(archive, pieceSize))
  const found: string[] = []
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const content = Buffer.from(await collectBody(entry.body)).toString()
    found.push(`${entry.kind} ${entry.name} ${content}`)
  }
  return found
}

for (const pieceSize of [1, 513, 100_000]) {
  test(`entries are read from pieces of ${pieceSize} bytes`, async () => {
    const archive = tarOf([
      { name: 'a', data: 'first' },
      { name: 'dir/', type: '5' },
      { name: 'dir/b', data: 'x'.repeat(600) },
      { name: 'link', type: '2' },
    ])
    const expected = ['file a first', 'folder dir/ ', `file dir/b ${'x'.repeat(600)}`, 'link link ']
    assert.deepEqual(await read(archive, pieceSize), expected)
  })
}

test('content that is not read is skipped', async () => {
  const reader = new TarReader(
    sourceOf(
      tarOf([
        { name: 'a', data: 'x'.repeat(5000) },
        { name: 'b', data: 'y' },
      ]),
    ),
  )
  await reader.next()
  assert.equal((await reader.next())?.name, 'b')
})

test('records rename, date and describe an entry', async () => {
  const pax = { path: 'long/name', mtime: '1600000000.25', 'minio.metadata.a': 'b=c\nd' }
  const reader = new TarReader(sourceOf(tarOf([{ name: 'x', data: '1', pax }, { name: 'y' }])))
  const entry = await reader.next()
  assert.equal(entry?.name, 'long/name')
  assert.equal(entry.modifiedNs, 1_600_000_000_250_000_000n)
  assert.equal(entry.records.get('minio.metadata.a'), 'b=c\nd')
  assert.equal((await reader.next())?.records.size, 0)
})

test('names of GNU archives may be long', async () => {
  const archive = tarOf([
    { name: '././@LongLink', type: 'L', data: `${'n'.repeat(200)}\0` },
    { name: 'n'.repeat(100), data: '1' },
  ])
  assert.deepEqual(await read(archive), [`file ${'n'.repeat(200)} 1`])
})

const good = tarOf([{ name: 'a', data: 'content' }])
for (const [what, archive] of [
  ['that is cut in its content', good.subarray(0, 515)],
  ['that is cut in its header', good.subarray(0, 100)],
  ['that is none', Buffer.alloc(2000, 'x')],
  ['with a wrong sum', Buffer.from(good.toString('latin1').replace('a', 'b'), 'latin1')],
  ['with a sparse file', tarOf([{ name: 'a', type: 'S' }])],
  ['with an oversized extension', tarOf([{ name: 'x', type: 'x', data: 'x'.repeat(70_000) }])],
  ['with broken records', tarOf([{ name: 'x', type: 'x', data: '9999 a=b\n' }])],
  [
    'with extensions without end',
    tarOf(Array.from({ length: 40 }, () => ({ name: 'x', type: 'K' }))),
  ],
] as const) {
  test(`an archive ${what} is refused`, async () => {
    await assert.rejects(read(archive), TarError)
  })
}
