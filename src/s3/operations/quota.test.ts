import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { utf8 } from '#base/bytes'
import { quotaLimit } from '#object/bucket-quota'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

const LIMIT = 10_000

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make('small')
  await s3.make('source')
  await s3.put('source', 'four', 'x'.repeat(4000))
  await s3.put('source', 'all', 'x'.repeat(LIMIT))
  await s3.put('small', 'old', 'x'.repeat(3000))
  const quota = utf8(JSON.stringify({ quota: LIMIT, quotatype: 'hard' }))
  await s3.engine.setBucketDocument('small', 'QuotaConfigJSON', quota)
})
after(() => s3.close())

function put(key: string, size: number): Promise<S3Reply> {
  return s3.send({ method: 'PUT', bucket: 'small', key, body: 'x'.repeat(size) })
}

function copy(key: string, source: string): Promise<S3Reply> {
  const headers = { 'x-amz-copy-source': source }
  return s3.send({ method: 'PUT', bucket: 'small', key, headers })
}

test('a bucket takes what its quota has room for, however it comes', async () => {
  const EXCEEDED = 'XMinioAdminBucketQuotaExceeded'
  assert.equal((await put('too-large', LIMIT)).code, EXCEEDED)
  assert.equal((await put('first', 2000)).status, 200)
  assert.equal((await put('second', 5000)).code, EXCEEDED)
  assert.equal((await copy('copied', 'source/all')).code, EXCEEDED)
  assert.equal((await copy('copied', 'source/four')).status, 200)
  assert.equal((await copy('again', 'source/four')).code, EXCEEDED)
  const started = await s3.send({
    method: 'POST',
    bucket: 'small',
    key: 'parts',
    query: { uploads: '' },
  })
  const uploadId = s3.texts(started, 'UploadId')[0] ?? ''
  const part = (partNumber: string, body: string): Promise<S3Reply> =>
    s3.send({ method: 'PUT', bucket: 'small', key: 'parts', query: { partNumber, uploadId }, body })
  assert.equal((await part('1', 'x'.repeat(2000))).code, EXCEEDED)
  const taken = await part('1', 'x'.repeat(500))
  assert.equal(taken.status, 200)
  assert.equal((await put('third', 600)).status, 200)
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${taken.headers['etag']}</ETag></Part></CompleteMultipartUpload>`
  const complete = (): Promise<S3Reply> =>
    s3.send({ method: 'POST', bucket: 'small', key: 'parts', query: { uploadId }, body })
  assert.equal((await complete()).code, EXCEEDED)
  assert.equal((await s3.send({ method: 'DELETE', bucket: 'small', key: 'first' })).status, 204)
  await s3.engine.setBucketDocument('small', 'QuotaConfigJSON', undefined)
  assert.equal((await complete()).status, 200)
  assert.equal((await put('second', 5000)).status, 200)
})

test('only hard quotas count', () => {
  const limit = (value: unknown): number => quotaLimit(utf8(JSON.stringify(value)))
  assert.equal(limit({ quota: 5, size: 0, quotatype: 'hard' }), 5)
  assert.equal(limit({ quota: 5, size: 7, quotatype: 'hard' }), 7)
  assert.equal(limit({ quota: 5, quotatype: 'fifo' }), 0)
  assert.equal(limit({ quota: -5, quotatype: 'hard' }), 0)
  assert.equal(limit(null), 0)
  assert.equal(quotaLimit(utf8('nope')), 0)
})

function quota(method: string, bucket: string, body?: string): Promise<S3Reply> {
  const key = `admin/v3/${method === 'GET' ? 'get' : 'set'}-bucket-quota`
  return s3.send({
    method,
    bucket: 'minio',
    key,
    query: { bucket },
    ...(body === undefined ? {} : { body }),
  })
}

test('a quota is set, told and cleared as by the admin API', async () => {
  await s3.make('admin')
  assert.equal((await quota('GET', 'admin')).text, '{"quota":0,"size":0,"rate":0,"requests":0}')
  assert.equal((await quota('PUT', 'admin', '{"quota":1000,"quotatype":"hard"}')).status, 200)
  const stored = '{"quota":1000,"size":0,"rate":0,"requests":0,"quotatype":"hard"}'
  assert.equal((await quota('GET', 'admin')).text, stored)
  const write = (): Promise<S3Reply> =>
    s3.send({ method: 'PUT', bucket: 'admin', key: 'k', body: 'x'.repeat(1000) })
  assert.equal((await write()).code, 'XMinioAdminBucketQuotaExceeded')
  assert.equal((await quota('PUT', 'admin', '{}')).status, 200)
  assert.equal((await write()).status, 200)
})

test('a quota that MinIO stored is told with all of its members', async () => {
  await s3.make('taken')
  const stored = utf8('{"quota":5000,"quotatype":"hard"}')
  await s3.engine.setBucketDocument('taken', 'QuotaConfigJSON', stored)
  assert.equal(
    (await quota('GET', 'taken')).text,
    '{"quota":5000,"size":0,"rate":0,"requests":0,"quotatype":"hard"}',
  )
})

test('what is no quota is refused, and changes nothing', async () => {
  await s3.make('kept')
  for (const text of [
    '',
    'x',
    '[]',
    '{"quota":100}',
    '{"quota":100,"quotatype":"fifo"}',
    '{"quota":-1,"quotatype":"hard"}',
    '{"quota":"9","quotatype":"hard"}',
    '{"size":1.5,"quotatype":"hard"}',
  ]) {
    assert.equal((await quota('PUT', 'kept', text)).code, 'XMinioAdminInvalidArgument', text)
  }
  assert.equal((await quota('GET', 'kept')).text, '{"quota":0,"size":0,"rate":0,"requests":0}')
  assert.equal((await quota('GET', 'absent')).code, 'NoSuchBucket')
  assert.equal((await quota('PUT', 'absent', '{}')).code, 'NoSuchBucket')
  assert.equal((await quota('PUT', 'minio', '{}')).code, 'AllAccessDisabled')
})
