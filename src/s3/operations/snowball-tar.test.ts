import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectBody } from '#object/body'
import { tarOf } from '#testing/archives'
import { TarReader, type TarSource } from './snowball-tar.ts'
import { TarError } from './tar-values.ts'

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

/** Headers of GNU's own sparse files: segments and size in octal digits. */
function sparseArchive(segments: readonly number[], size: number, data: string): Buffer {
  const archive = tarOf([{ name: 'sparse', type: 'S', data }])
  const number = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`
  for (const [i, value] of segments.entries()) archive.write(number(value), 386 + 12 * i)
  archive.write(number(size), 483)
  archive.fill(' ', 148, 156)
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return archive
}

const SPARSE_1 = {
  'GNU.sparse.major': '1',
  'GNU.sparse.minor': '0',
  'GNU.sparse.name': 'real',
  'GNU.sparse.realsize': '9',
}

test('holes become zeros, of which the reader is told', async () => {
  const holes: number[] = []
  const archive = sparseArchive([2, 3, 7, 1, 9, 0], 9, 'abcd')
  for (const target of [1, 2, 100]) {
    holes.length = 0
    const reader = new TarReader(sourceOf(archive), (size) => holes.push(size))
    const entry = await reader.next()
    assert.equal(entry?.body.sizeBytes, 9)
    let text = ''
    for (let bytes = new Uint8Array(target); ; bytes = new Uint8Array(target)) {
      const count = (await entry?.body.read(bytes)) ?? 0
      if (count === 0) break
      text += Buffer.from(bytes.subarray(0, count)).toString()
    }
    assert.equal(text, '\0\0abc\0\0d\0')
    assert.equal(
      holes.reduce((sum, size) => sum + size, 0),
      5,
    )
    assert.equal(await reader.next(), undefined)
  }
})

test('sparse files of pax are told by records, with the map in them or before the data', async () => {
  const map = Buffer.alloc(512)
  map.write('2\n0\n2\n8\n1\n')
  const archive = tarOf([
    { name: 'a', data: Buffer.concat([map, Buffer.from('xyz')]), pax: SPARSE_1 },
    { name: 'b', data: 'xyz', pax: { 'GNU.sparse.size': '9', 'GNU.sparse.map': '0,2,8,1' } },
    { name: 'c', data: 'c' },
  ])
  const expected = ['file real xy\0\0\0\0\0\0z', 'file b xy\0\0\0\0\0\0z', 'file c c']
  assert.deepEqual(await read(archive), expected)
})

test('values that are no text do no harm', async () => {
  const record = Buffer.from('21 SCHILY.xattr.a=\xff\xfe\n', 'latin1')
  const archive = tarOf([
    { name: 'x', type: 'x', data: record },
    { name: 'a', data: '1' },
  ])
  assert.deepEqual(await read(archive), ['file a 1'])
})

test('times before 1970 become 1970', async () => {
  const archive = tarOf([{ name: 'a', data: '1' }])
  archive.fill(0xff, 136, 148)
  archive.fill(' ', 148, 156)
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  assert.equal((await new TarReader(sourceOf(archive)).next())?.modifiedNs, 0n)
})

const good = tarOf([{ name: 'a', data: 'content' }])
for (const [what, archive] of [
  ['that is cut in its content', good.subarray(0, 515)],
  ['that is cut in its header', good.subarray(0, 100)],
  ['that is none', Buffer.alloc(2000, 'x')],
  ['with a wrong sum', Buffer.from(good.toString('latin1').replace('a', 'b'), 'latin1')],
  ['that goes on from another', tarOf([{ name: 'a', type: 'M' }])],
  ['with an oversized extension', tarOf([{ name: 'x', type: 'x', data: 'x'.repeat(70_000) }])],
  ['with a sparse file of too little data', sparseArchive([0, 5], 9, 'abc')],
  ['with a sparse file that ends too early', sparseArchive([6, 4], 9, 'abcd')],
  ['with a sparse file that goes back', sparseArchive([4, 2, 0, 2], 9, 'abcd')],
  ['with a sparse file of pieces that meet', sparseArchive([0, 3, 2, 2], 9, 'abcde')],
  ['with a sparse file without a map', tarOf([{ name: 'a', data: 'x', pax: SPARSE_1 }])],
  [
    'with a sparse file in too many pieces',
    tarOf([{ name: 'a', data: '9999999\n'.padEnd(512, '\0'), pax: SPARSE_1 }]),
  ],
  [
    'with a sparse file of an unknown kind',
    tarOf([{ name: 'a', pax: { ...SPARSE_1, 'GNU.sparse.major': '2' } }]),
  ],
  [
    'with a sparse file whose map is no number',
    tarOf([{ name: 'a', pax: { 'GNU.sparse.size': '9', 'GNU.sparse.map': '0,x' } }]),
  ],
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

test('global records are bounded together', async () => {
  const file = (name: string, data: string, type = '0'): Buffer =>
    tarOf([{ name, data, type }]).subarray(0, -1024)
  const record = (key: string, size: number): string => {
    const rest = ` ${key}=${'x'.repeat(size)}\n`
    return `${rest.length + 5}${rest}`
  }
  const globals = (count: number, isSame: boolean): Buffer => {
    const records = Array.from({ length: count }, (_, i) =>
      file('g', record(isSame ? 'key' : `key${i}`, 12_000), 'g'),
    )
    return Buffer.concat([...records, file('a', '1')])
  }
  assert.deepEqual(await read(globals(5, false)), ['file a 1'])
  assert.deepEqual(await read(globals(15, true)), ['file a 1'])
  await assert.rejects(read(globals(6, false)), TarError)
})
