import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { S2_OVERHEAD_MAX } from '#codec/s2'
import { tarOf, type TarEntry } from '#testing/archives'
import { testCodec } from '#testing/engine-fixture'
import { REAL_TARS } from '#testing/real-tars'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'
import { Expansion } from './snowball-expansion.ts'
import { TarError } from './tar-values.ts'

const SNOWBALL = { 'x-amz-meta-snowball-auto-extract': 'true' }
const IGNORING = { ...SNOWBALL, 'x-amz-meta-minio-snowball-ignore-errors': 'true' }

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make('bucket')
  await s3.make('versions', 'Enabled')
})
after(() => s3.close())

function extract(
  prefix: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = SNOWBALL,
  bucket = 'bucket',
): Promise<S3Reply> {
  const all = { ...headers, 'x-amz-meta-minio-snowball-prefix': prefix }
  return s3.send({ method: 'PUT', bucket, key: 'x.tar', body, headers: all })
}

function get(key: string, bucket = 'bucket'): Promise<S3Reply> {
  return s3.send({ method: 'GET', bucket, key })
}

async function keysBelow(prefix: string): Promise<string[]> {
  const query = { prefix: `${prefix}/` }
  const list = await s3.send({ method: 'GET', bucket: 'bucket', query })
  return s3.texts(list, 'Key').map((key) => key.slice(prefix.length + 1))
}

/** The file `sparse` of the archives. */
function sparseFile(): Buffer {
  const file = Buffer.alloc(4_000_001)
  for (let i = 0; i < 30; i++) file.write(`piece ${i}`, i * 131_072 + 8192)
  return file
}

for (const [i, [what, base64]] of REAL_TARS.entries()) {
  test(`sparse files are whole again: ${what}`, async () => {
    const prefix = `real-${i}`
    const reply = await extract(prefix, Buffer.from(base64, 'base64'))
    assert.equal(reply.status, 200, reply.text)
    assert.deepEqual(await keysBelow(prefix), ['hole', 'sparse', 'whole'])
    assert.equal((await get(`${prefix}/whole`)).text, 'whole')
    assert.ok((await get(`${prefix}/hole`)).body.equals(Buffer.alloc(1_000_000)))
    const sparse = await get(`${prefix}/sparse`)
    assert.ok(sparse.body.equals(sparseFile()))
    assert.equal(sparse.headers['last-modified'], 'Sun, 13 Sep 2020 12:26:40 GMT')
  })
}

test('an archive may be compressed with S2', async () => {
  const tar = tarOf([{ name: 'a', data: 'x'.repeat(3000) }])
  const target = new Uint8Array(tar.length + S2_OVERHEAD_MAX)
  const size = testCodec().s2Encoder().encode(tar, target)
  assert.equal((await extract('s2', target.subarray(0, size))).status, 200)
  assert.equal((await get('s2/a')).text, 'x'.repeat(3000))
})

test('links, labels and the records of attributes are passed over, devices are empty files', async () => {
  const entries: readonly TarEntry[] = [
    { name: 'label', type: 'V' },
    { name: 'a', data: '1', pax: { 'SCHILY.xattr.user.x': 'value' } },
    { name: 'hard', type: '1' },
    { name: 'soft', type: '2' },
    { name: 'pipe', type: '6' },
    { name: 'folder', type: 'D', data: 'Ya\0' },
    { name: 'b', data: '2' },
  ]
  assert.equal((await extract('types', tarOf(entries))).status, 200)
  assert.deepEqual(await keysBelow('types'), ['a', 'b', 'folder/', 'pipe'])
  assert.equal((await get('types/pipe')).body.length, 0)
  assert.equal((await get('types/folder/')).body.length, 0)
})

test('of entries with the same name the last one stays', async () => {
  const entries = Array.from({ length: 20 }, (_, i) => ({ name: 'same', data: `${i}` }))
  assert.equal((await extract('same', tarOf(entries), SNOWBALL, 'versions')).status, 200)
  assert.equal((await get('same/same', 'versions')).text, '19')
})

test('a time that no drive can hold is not kept, and the object is read and listed', async () => {
  for (const mtime of ['9223372037', '99999999999.5']) {
    const archive = tarOf([{ name: `late-${mtime}`, data: '1', pax: { mtime } }])
    assert.equal((await extract('times', archive)).status, 200)
    assert.equal((await get(`times/late-${mtime}`)).text, '1')
  }
  assert.equal((await keysBelow('times')).length, 2)
})

test('an object is read whatever the names of its metadata are', async () => {
  const pax = {
    'minio.metadata.x-amz-meta-good': 'a\r\nb',
    'minio.metadata.x-amz-meta-two words': 'c',
    'minio.metadata.x-amz-meta-\u00fc': 'd',
  }
  assert.equal((await extract('names', tarOf([{ name: 'x', data: '1', pax }]))).status, 200)
  const { status, headers } = await get('names/x')
  assert.deepEqual(
    [status, headers['x-amz-meta-good'], headers['x-amz-missing-meta']],
    [200, 'a  b', '2'],
  )
})

describe('faults of entries', () => {
  const climbing = { name: 'x/../../evil', data: 'evil' }
  const latin = { name: 'x', data: 'latin' }
  const archiveOf = (bad: TarEntry): Buffer => {
    const archive = tarOf([bad, { name: 'good', data: 'good' }])
    if (bad !== latin) return archive
    // A name in Latin-1, and the sum that goes with it.
    archive[0] = 0xe9
    const sum = archive
      .subarray(0, 512)
      .fill(' ', 148, 156)
      .reduce((total, byte) => total + byte, 0)
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return archive
  }

  for (const [what, bad] of [
    ['a name that climbs', climbing],
    ['a name that is not UTF-8', latin],
    ['a prescribed version id', { name: 'x', data: 'x', pax: { 'minio.versionId': 'x' } }],
  ] as const) {
    test(`${what} is refused, or left out when faults are ignored`, async () => {
      const prefix = `faults-${what.replaceAll(' ', '-')}`
      const refused = await extract(prefix, archiveOf(bad))
      assert.ok(refused.status >= 400, refused.text)
      assert.equal((await extract(prefix, archiveOf(bad), IGNORING)).status, 200)
      assert.deepEqual(await keysBelow(prefix), ['good'])
    })
  }

  test('an archive that is no archive is refused, whatever is ignored', async () => {
    const reply = await extract('none', Buffer.alloc(2000, 'x'), IGNORING)
    assert.deepEqual([reply.status, s3.texts(reply, 'Code')], [400, ['BadRequest']])
  })
})

test('little that becomes too much is refused', () => {
  const expansion = new Expansion()
  const GIB = 1024 ** 3
  expansion.take(1000)
  expansion.make(2 * GIB)
  expansion.make(1_100_000)
  assert.throws(() => expansion.make(1), TarError)
  expansion.take(GIB)
  expansion.make(1000 * GIB)
})
