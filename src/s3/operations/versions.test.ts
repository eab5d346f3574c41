import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

const BUCKET = 'versions'

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make(BUCKET, 'Enabled')
  await s3.make('plain')
  await s3.make('suspended', 'Suspended')
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await s3.send({ method: 'PUT', bucket: 'locked', headers })
})
after(async () => {
  await s3.close()
})

function get(key: string, versionId?: string, bucket = BUCKET): Promise<S3Reply> {
  return s3.send({ method: 'GET', bucket, key, query: { versionId } })
}

function remove(
  key: string,
  versionId?: string,
  options: { readonly bucket?: string; readonly headers?: Record<string, string> } = {},
): Promise<S3Reply> {
  const { bucket = BUCKET, headers = {} } = options
  return s3.send({ method: 'DELETE', bucket, key, query: { versionId }, headers })
}

test('every write of a versioned bucket is kept and can be addressed', async () => {
  const ids: string[] = []
  for (const content of ['one', 'two', 'three']) {
    const put = await s3.put(BUCKET, 'kept', content)
    ids.push(put.headers['x-amz-version-id'] ?? '')
  }
  assert.equal((await get('kept')).text, 'three')
  for (const [i, content] of ['one', 'two', 'three'].entries()) {
    const reply = await get('kept', ids[i])
    assert.equal(reply.text, content)
    assert.equal(reply.headers['x-amz-version-id'], ids[i])
  }
  assert.equal((await get('kept', '7b5f4a2e-3c1d-4e5f-8a9b-0c1d2e3f4a5b')).code, 'NoSuchVersion')
  assert.equal((await get('kept', 'nonsense')).code, 'InvalidArgument')
  assert.equal((await get('kept', 'null')).code, 'NoSuchVersion')
  assert.equal((await get('kept', '')).text, 'three')
})

test('a delete adds a marker, and its removal brings the object back', async () => {
  await s3.put(BUCKET, 'marked', 'data')
  const deleted = await remove('marked')
  assert.equal(deleted.status, 204)
  assert.equal(deleted.headers['x-amz-delete-marker'], 'true')
  const marker = deleted.headers['x-amz-version-id'] ?? ''
  const hidden = await get('marked')
  assert.equal(hidden.status, 404)
  assert.equal(hidden.code, 'NoSuchKey')
  assert.equal(hidden.headers['x-amz-delete-marker'], 'true')
  assert.equal(hidden.headers['x-amz-version-id'], marker)
  const addressed = await get('marked', marker)
  assert.equal(addressed.status, 405)
  assert.equal(addressed.code, 'MethodNotAllowed')
  const removed = await remove('marked', marker)
  assert.equal(removed.headers['x-amz-delete-marker'], 'true')
  assert.equal(removed.headers['x-amz-version-id'], marker)
  assert.equal((await get('marked')).text, 'data')
})

test('every delete of a versioned bucket adds a marker, also for what is not there', async () => {
  const ids = new Set<string | undefined>()
  for (let i = 0; i < 3; i++) ids.add((await remove('never-there')).headers['x-amz-version-id'])
  assert.equal(ids.size, 3)
  assert.ok(!ids.has(undefined))
})

test('deletes without versioning tell nothing', async () => {
  await s3.put('plain', 'key', 'data')
  for (let i = 0; i < 2; i++) {
    const deleted = await remove('key', undefined, { bucket: 'plain' })
    assert.equal(deleted.status, 204)
    assert.equal(deleted.headers['x-amz-version-id'], undefined)
    assert.equal(deleted.headers['x-amz-delete-marker'], undefined)
  }
  const gone = await get('key', undefined, 'plain')
  assert.equal(gone.code, 'NoSuchKey')
  assert.equal(gone.headers['x-amz-delete-marker'], undefined)
})

test('a bucket with suspended versioning has one null version', async () => {
  for (const content of ['one', 'two']) await s3.put('suspended', 'key', content)
  const read = await get('key', 'null', 'suspended')
  assert.equal(read.text, 'two')
  assert.equal(read.headers['x-amz-version-id'], 'null')
  const deleted = await remove('key', undefined, { bucket: 'suspended' })
  assert.equal(deleted.headers['x-amz-delete-marker'], 'true')
  assert.equal((await get('key', undefined, 'suspended')).code, 'NoSuchKey')
})

const DELETE_CONDITIONS: readonly (readonly [
  name: string,
  headers: Record<string, string>,
  status: number,
])[] = [
  ['the entity tag', { 'if-match': `"${createHash('md5').update('data').digest('hex')}"` }, 204],
  ['any entity tag', { 'if-match': '*' }, 204],
  ['another entity tag', { 'if-match': '"abc"' }, 412],
  ['the size', { 'x-amz-if-match-size': '4' }, 204],
  ['another size', { 'x-amz-if-match-size': '5' }, 412],
  ['another time', { 'x-amz-if-match-last-modified-time': 'Sat, 01 Jan 2000 00:00:00 GMT' }, 412],
]

for (const [name, headers, status] of DELETE_CONDITIONS) {
  test(`a delete on condition of ${name} answers ${status}`, async () => {
    await s3.put('plain', 'conditional', 'data')
    const reply = await remove('conditional', undefined, { bucket: 'plain', headers })
    assert.equal(reply.status, status)
    const left = await get('conditional', undefined, 'plain')
    assert.equal(left.status, status === 204 ? 404 : 200)
  })
}

function deleteMany(
  body: string,
  options: { readonly bucket?: string; readonly headers?: Record<string, string> } = {},
): Promise<S3Reply> {
  const md5 = createHash('md5').update(body).digest('base64')
  return s3.send({
    method: 'POST',
    bucket: options.bucket ?? 'plain',
    query: { delete: '' },
    headers: options.headers ?? { 'content-md5': md5 },
    body,
  })
}

function entry(key: string, more = ''): string {
  return `<Object><Key>${key}</Key>${more}</Object>`
}

test('many keys are deleted in one request and reported in order', async () => {
  for (const key of ['m1', 'm2', 'm3']) await s3.put('plain', key, 'data')
  const absent = entry('absent')
  const body = `<Delete>${entry('m2')}${absent}${entry('m1')}${entry('m2')}</Delete>`
  const reply = await deleteMany(body)
  assert.equal(reply.status, 200)
  assert.deepEqual(s3.texts(reply, 'Key'), ['m2', 'absent', 'm1'])
  assert.doesNotMatch(reply.text, /<Error>/)
  const quiet = await deleteMany(`<Delete><Quiet>true</Quiet>${entry('m3')}</Delete>`)
  assert.deepEqual(s3.texts(quiet, 'Key'), [])
  assert.equal((await get('m3', undefined, 'plain')).status, 404)
})

const BULK: readonly (readonly [
  name: string,
  body: string,
  headers: Record<string, string> | undefined,
  code: string,
])[] = [
  ['nothing', '<Delete></Delete>', undefined, 'MalformedXML'],
  ['no key', '<Delete><Object/></Delete>', undefined, 'MalformedXML'],
  ['1001 keys', bulk(1001), undefined, 'MalformedXML'],
  ['10001 keys', bulk(10_001), undefined, 'MalformedXML'],
  ['no integrity header', bulk(1), {}, 'MissingContentMD5'],
  ['a wrong MD5', bulk(1), { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, 'BadDigest'],
  ['no XML', 'keys: all', undefined, 'MalformedXML'],
]

function bulk(count: number): string {
  return `<Delete>${Array.from({ length: count }, (_, i) => entry(`bulk-${i}`)).join('')}</Delete>`
}

for (const [name, body, headers, code] of BULK) {
  test(`DeleteObjects with ${name} answers ${code}`, async () => {
    const reply = await deleteMany(body, headers === undefined ? {} : { headers })
    assert.equal(reply.code, code)
  })
}

test('DeleteObjects counts versions of other servers as deleted, and names what is no id', async () => {
  const foreign = '01G65Z755AFWAKHE12NY0CQ9FH'
  const reply = await deleteMany(
    `<Delete>${entry('absent', `<VersionId>${foreign}</VersionId>`)}${entry('absent', '<VersionId>nonsense</VersionId>')}</Delete>`,
  )
  assert.deepEqual(s3.texts(reply, 'VersionId'), [foreign, 'nonsense'])
  assert.deepEqual(s3.texts(reply, 'Code'), ['NoSuchVersion'])
})

test('DeleteObjects makes and removes markers and judges every entry by itself', async () => {
  const put = await s3.put(BUCKET, 'one', 'data')
  const version = put.headers['x-amz-version-id'] ?? ''
  const bucket = BUCKET
  const made = await deleteMany(`<Delete>${entry('one')}${entry('fresh')}</Delete>`, { bucket })
  const markers = s3.texts(made, 'DeleteMarkerVersionId')
  assert.equal(markers.length, 2)
  const removal = `<VersionId>${markers[0]}</VersionId>`
  const wrong = '<VersionId>nonsense</VersionId>'
  const condition = `<VersionId>${version}</VersionId><ETag>"abc"</ETag>`
  const reply = await deleteMany(
    `<Delete>${entry('one', removal)}${entry('one', wrong)}${entry('one', condition)}</Delete>`,
    { bucket },
  )
  assert.deepEqual(s3.texts(reply, 'DeleteMarkerVersionId'), [markers[0]])
  assert.deepEqual(s3.texts(reply, 'Code'), ['NoSuchVersion', 'PreconditionFailed'])
  assert.equal((await get('one')).text, 'data')
})

test('a protected version is neither deleted nor unprotected', async () => {
  const bucket = 'locked'
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const put = await s3.put(bucket, 'kept', 'data', {
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-retain-until-date': until,
  })
  const versionId = put.headers['x-amz-version-id'] ?? ''
  const head = await s3.send({ method: 'HEAD', bucket, key: 'kept' })
  assert.equal(head.headers['x-amz-object-lock-mode'], 'GOVERNANCE')
  assert.equal(head.headers['x-amz-object-lock-retain-until-date'], until)
  const refused = await remove('kept', versionId, { bucket })
  assert.equal(refused.status, 403)
  assert.equal(refused.code, 'AccessDenied')
  const many = await deleteMany(
    `<Delete>${entry('kept', `<VersionId>${versionId}</VersionId>`)}</Delete>`,
    { bucket },
  )
  assert.deepEqual(s3.texts(many, 'Code'), ['AccessDenied'])
  assert.equal((await remove('kept', undefined, { bucket })).status, 204)
  assert.equal((await get('kept', versionId, bucket)).text, 'data')
  const headers = { 'x-amz-bypass-governance-retention': 'true' }
  assert.equal((await remove('kept', versionId, { bucket, headers })).status, 204)
})

test('a legal hold is put, shown and lifted', async () => {
  const bucket = 'locked'
  const put = await s3.put(bucket, 'held', 'data')
  const versionId = put.headers['x-amz-version-id'] ?? ''
  const query = { 'legal-hold': '' }
  const none = await s3.send({ method: 'GET', bucket, key: 'held', query })
  assert.equal(none.status, 404)
  assert.equal(none.code, 'NoSuchObjectLockConfiguration')
  for (const [status, code] of [
    ['ON', 403],
    ['OFF', 204],
  ] as const) {
    const body = `<LegalHold><Status>${status}</Status></LegalHold>`
    const md5 = createHash('md5').update(body).digest('base64')
    const headers = { 'content-md5': md5 }
    const reply = await s3.send({ method: 'PUT', bucket, key: 'held', query, body, headers })
    assert.equal(reply.status, 200)
    const shown = await s3.send({ method: 'GET', bucket, key: 'held', query })
    assert.deepEqual(s3.texts(shown, 'Status'), [status])
    assert.equal((await remove('held', versionId, { bucket })).status, code)
  }
})
