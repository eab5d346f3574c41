import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

const BUCKET = 'lists'
const KEYS = ['a b', 'a/1', 'a/2', 'a/b/3', 'b', 'c/', 'z<&>', 'ü/x']

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make(BUCKET, 'Enabled')
  for (const key of KEYS) await s3.put(BUCKET, key, key)
})
after(async () => {
  await s3.close()
})

function list(query: Record<string, string>): Promise<S3Reply> {
  return s3.send({ method: 'GET', bucket: BUCKET, query })
}

function decoded(texts: readonly string[]): string[] {
  return texts.map((text) =>
    text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  )
}

for (const version of ['1', '2']) {
  const base: Record<string, string> = version === '2' ? { 'list-type': '2' } : {}
  test(`version ${version} lists all keys in order`, async () => {
    const reply = await list(base)
    assert.deepEqual(decoded(s3.texts(reply, 'Key')), KEYS)
    assert.deepEqual(s3.texts(reply, 'IsTruncated'), ['false'])
    assert.equal(s3.texts(reply, 'StorageClass').length, KEYS.length)
    assert.equal(s3.texts(reply, 'Owner').length, version === '1' ? KEYS.length : 0)
  })

  test(`version ${version} rolls names up at a delimiter`, async () => {
    const reply = await list({ ...base, delimiter: '/' })
    assert.deepEqual(decoded(s3.texts(reply, 'Key')), ['a b', 'b', 'z<&>'])
    const inner = await list({ ...base, delimiter: '/', prefix: 'a/' })
    assert.deepEqual(s3.texts(inner, 'Key'), ['a/1', 'a/2'])
    assert.match(inner.text, /<CommonPrefixes><Prefix>a\/b\/<\/Prefix><\/CommonPrefixes>/)
  })

  test(`version ${version} pages through everything`, async () => {
    for (const delimiter of ['', '/']) {
      const seen: string[] = []
      let position: Record<string, string> = {}
      for (let page = 0; page < 20; page++) {
        const reply = await list({ ...base, delimiter, 'max-keys': '2', ...position })
        const found = /<IsTruncated>.*$/s.exec(reply.text)?.[0] ?? ''
        seen.push(...[...found.matchAll(/<(?:Key|Prefix)>([^<]*)</g)].map((m) => m[1] ?? ''))
        if (s3.texts(reply, 'IsTruncated')[0] !== 'true') break
        position =
          version === '2'
            ? { 'continuation-token': s3.texts(reply, 'NextContinuationToken')[0] ?? '' }
            : { marker: decoded(s3.texts(reply, 'NextMarker'))[0] ?? '' }
      }
      const whole = delimiter === '' ? KEYS : ['a b', 'a/', 'b', 'c/', 'z<&>', 'ü/']
      assert.deepEqual(decoded(seen).toSorted(), whole.toSorted())
      assert.equal(new Set(seen).size, seen.length)
    }
  })
}

test('names are escaped for URLs on request', async () => {
  const reply = await list({ 'encoding-type': 'url', delimiter: '&', prefix: 'z' })
  assert.deepEqual(s3.texts(reply, 'EncodingType'), ['url'])
  assert.deepEqual(s3.texts(reply, 'Delimiter'), ['%26'])
  assert.deepEqual(s3.texts(reply, 'Prefix'), ['z', 'z%3C%26'])
  const blank = await list({ 'encoding-type': 'URL', prefix: 'a b' })
  assert.deepEqual(s3.texts(blank, 'Key'), ['a%20b'])
})

const PARAMETERS: readonly (readonly [query: Record<string, string>, code: string | null])[] = [
  [{ 'max-keys': '-1' }, 'InvalidArgument'],
  [{ 'max-keys': 'x' }, 'InvalidArgument'],
  [{ 'max-keys': '0' }, null],
  [{ 'max-keys': '' }, null],
  [{ 'max-keys': '2147483648' }, 'InvalidArgument'],
  [{ 'encoding-type': 'xml' }, 'InvalidArgument'],
  [{ 'list-type': '2', 'continuation-token': '' }, null],
  [{ 'list-type': '2', 'continuation-token': '!' }, 'InvalidArgument'],
  [{ versions: '', 'version-id-marker': 'x' }, 'InvalidArgument'],
]

for (const [query, code] of PARAMETERS) {
  test(`a list with ${new URLSearchParams(query).toString()} answers ${code ?? 'a page'}`, async () => {
    assert.equal((await list(query)).code, code)
  })
}

test('max-keys is used and shown up to 1000', async () => {
  assert.deepEqual(s3.texts(await list({ 'max-keys': '5000' }), 'MaxKeys'), ['1000'])
  const none = await list({ 'list-type': '2', 'max-keys': '0' })
  assert.deepEqual(s3.texts(none, 'KeyCount'), ['0'])
  assert.deepEqual(s3.texts(none, 'IsTruncated'), ['false'])
})

test('a position left by the former server is understood', async () => {
  const token = Buffer.from('a/2[minio_cache:v2,return:]').toString('base64')
  const reply = await list({ 'list-type': '2', 'continuation-token': token })
  assert.deepEqual(decoded(s3.texts(reply, 'Key')), KEYS.slice(3))
})

test('owner and metadata are listed on request', async () => {
  await s3.make('rich-list')
  await s3.put('rich-list', 'k', 'data', { 'x-amz-meta-a': 'b', 'x-amz-tagging': 't=1' })
  const reply = await s3.send({
    method: 'GET',
    bucket: 'rich-list',
    query: { 'list-type': '2', metadata: 'true', 'fetch-owner': 'true' },
  })
  assert.deepEqual(s3.texts(reply, 'X-Amz-Meta-A'), ['b'])
  assert.deepEqual(s3.texts(reply, 'UserTags'), ['t=1'])
  assert.equal(s3.texts(reply, 'DisplayName').length, 1)
})

test('versions and markers are listed newest first', async () => {
  const bucket = 'version-list'
  await s3.make(bucket, 'Enabled')
  const ids: string[] = []
  for (const content of ['1', '2']) {
    ids.unshift((await s3.put(bucket, 'k', content)).headers['x-amz-version-id'] ?? '')
  }
  const deleted = await s3.send({ method: 'DELETE', bucket, key: 'k' })
  ids.unshift(deleted.headers['x-amz-version-id'] ?? '')
  await s3.put(bucket, 'l', 'x')
  const all = await s3.send({ method: 'GET', bucket, query: { versions: '' } })
  assert.deepEqual(s3.texts(all, 'VersionId').slice(0, 3), ids)
  assert.deepEqual(s3.texts(all, 'IsLatest'), ['true', 'false', 'false', 'true'])
  assert.match(all.text, /<DeleteMarker><Key>k<\/Key><VersionId>/)
  const first = await s3.send({ method: 'GET', bucket, query: { versions: '', 'max-keys': '2' } })
  assert.deepEqual(s3.texts(first, 'NextKeyMarker'), ['k'])
  assert.deepEqual(s3.texts(first, 'NextVersionIdMarker'), [ids[1]])
  const rest = await s3.send({
    method: 'GET',
    bucket,
    query: { versions: '', 'key-marker': 'k', 'version-id-marker': ids[1] ?? '' },
  })
  assert.deepEqual(s3.texts(rest, 'Key'), ['k', 'l'])
  const plain = await s3.send({ method: 'GET', bucket })
  assert.deepEqual(s3.texts(plain, 'Key'), ['l'])
})
