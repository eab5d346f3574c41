import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type S3Harness, type S3Request, startS3 } from '#testing/s3-harness'

let s3: S3Harness
before(async () => {
  s3 = await startS3()
})
after(async () => {
  await s3.close()
})

test('a bucket is made, found, listed and deleted', async () => {
  const bucket = 'first-bucket'
  const made = await s3.send({ method: 'PUT', bucket })
  assert.equal(made.status, 200)
  assert.equal(made.headers['location'], '/first-bucket')
  assert.equal((await s3.send({ method: 'HEAD', bucket })).status, 200)
  assert.match((await s3.send({ method: 'GET' })).text, /<Name>first-bucket<\/Name>/)
  assert.equal((await s3.send({ method: 'PUT', bucket })).code, 'BucketAlreadyOwnedByYou')
  const forced = await s3.send({
    method: 'PUT',
    bucket,
    headers: { 'x-minio-force-create': 'true' },
  })
  assert.equal(forced.status, 200)
  assert.equal((await s3.send({ method: 'DELETE', bucket })).status, 204)
  assert.equal((await s3.send({ method: 'HEAD', bucket })).status, 404)
})

const CREATIONS: readonly (readonly [
  name: string,
  request: Partial<S3Request>,
  status: number,
  code: string | null,
])[] = [
  [
    'a location when no region is configured',
    {
      body: '<CreateBucketConfiguration><LocationConstraint>eu-west-9</LocationConstraint></CreateBucketConfiguration>',
    },
    200,
    null,
  ],
  ['another document', { body: '<Tagging/>' }, 400, 'MalformedXML'],
  ['no XML', { body: 'hello' }, 400, 'MalformedXML'],
  [
    'a lock that is neither true nor false',
    { headers: { 'x-amz-bucket-object-lock-enabled': 'yes' } },
    400,
    'InvalidRequest',
  ],
  ['a query that means nothing', { query: { 'x-id': 'CreateBucket' } }, 200, null],
]

for (const [i, [name, request, status, code]] of CREATIONS.entries()) {
  test(`CreateBucket with ${name} answers ${status}`, async () => {
    const reply = await s3.send({ method: 'PUT', bucket: `creation-${i}`, ...request })
    assert.equal(reply.status, status)
    assert.equal(reply.code, code)
  })
}

test('a bucket that holds something is deleted only by force', async () => {
  const bucket = 'full-bucket'
  await s3.make(bucket)
  await s3.put(bucket, 'a/b', 'data')
  assert.equal((await s3.send({ method: 'DELETE', bucket })).code, 'BucketNotEmpty')
  const headers = { 'x-minio-force-delete': 'true' }
  assert.equal((await s3.send({ method: 'DELETE', bucket, headers })).status, 204)
  assert.equal((await s3.send({ method: 'HEAD', bucket })).status, 404)
})

test('buckets are listed in pages with a prefix', async () => {
  for (const name of ['page-c', 'page-a', 'page-b']) await s3.make(name)
  const first = await s3.send({ method: 'GET', query: { prefix: 'page-', 'max-buckets': '2' } })
  const token = /<ContinuationToken>(.*)<\/ContinuationToken>/.exec(first.text)?.[1]
  assert.deepEqual(s3.texts(first, 'Name'), ['page-a', 'page-b'])
  assert.ok(token !== undefined)
  const query = { prefix: 'page-', 'max-buckets': '2', 'continuation-token': token }
  const second = await s3.send({ method: 'GET', query })
  assert.deepEqual(s3.texts(second, 'Name'), ['page-c'])
  assert.doesNotMatch(second.text, /ContinuationToken/)
})

const CONFIGURATIONS: readonly (readonly [key: string, status: number, code: string | null])[] = [
  ['location', 200, null],
  ['versioning', 200, null],
  ['notification', 200, null],
  ['acl', 200, null],
  ['logging', 200, null],
  ['accelerate', 200, null],
  ['requestPayment', 200, null],
  ['policyStatus', 200, null],
  ['policy', 404, 'NoSuchBucketPolicy'],
  ['lifecycle', 404, 'NoSuchLifecycleConfiguration'],
  ['encryption', 404, 'ServerSideEncryptionConfigurationNotFoundError'],
  ['object-lock', 404, 'ObjectLockConfigurationNotFoundError'],
  ['replication', 404, 'ReplicationConfigurationNotFoundError'],
  ['tagging', 404, 'NoSuchTagSet'],
  ['cors', 404, 'NoSuchCORSConfiguration'],
  ['website', 404, 'NoSuchWebsiteConfiguration'],
  ['publicAccessBlock', 404, 'NoSuchPublicAccessBlockConfiguration'],
  ['ownershipControls', 404, 'OwnershipControlsNotFoundError'],
  ['inventory', 200, null],
  ['analytics', 200, null],
  ['metrics', 200, null],
  ['intelligent-tiering', 200, null],
  ['session', 501, 'NotImplemented'],
]

test('every sub-resource of a fresh bucket answers as specified', async () => {
  await s3.make('fresh')
  for (const [key, status, code] of CONFIGURATIONS) {
    const reply = await s3.send({ method: 'GET', bucket: 'fresh', query: { [key]: '' } })
    assert.equal(reply.status, status, key)
    assert.equal(reply.code, code, key)
    if (status === 501) continue
    const absent = await s3.send({ method: 'GET', bucket: 'not-there', query: { [key]: '' } })
    assert.equal(absent.code, 'NoSuchBucket', key)
  }
})

test('PUT and DELETE of an unknown configuration leave the bucket alone', async () => {
  await s3.make('kept')
  for (const method of ['PUT', 'DELETE']) {
    for (const key of ['metadataTable', 'session', 'qos', 'withUpdatedAt']) {
      const reply = await s3.send({ method, bucket: 'kept', query: { [key]: '' } })
      assert.equal(reply.code, 'NotImplemented', `${method} ${key}`)
    }
  }
  assert.equal((await s3.send({ method: 'HEAD', bucket: 'kept' })).status, 200)
})

test('tags of a bucket are kept in the order sent', async () => {
  const bucket = 'tagged'
  await s3.make(bucket)
  const query = { tagging: '' }
  const tag = (key: string): string => `<Tag><Key>${key}</Key><Value>1 + 2</Value></Tag>`
  const body = `<Tagging><TagSet>${tag('z')}${tag('a')}</TagSet></Tagging>`
  assert.equal((await s3.send({ method: 'PUT', bucket, query, body })).status, 200)
  const stored = await s3.send({ method: 'GET', bucket, query })
  assert.deepEqual(s3.texts(stored, 'Key'), ['z', 'a'])
  assert.deepEqual(s3.texts(stored, 'Value'), ['1 + 2', '1 + 2'])
  assert.equal((await s3.send({ method: 'DELETE', bucket, query })).status, 204)
  assert.equal((await s3.send({ method: 'GET', bucket, query })).code, 'NoSuchTagSet')
})

const VERSIONINGS: readonly (readonly [body: string, status: number, code: string | null])[] = [
  ['<Status>Enabled</Status>', 200, null],
  ['<Status>Suspended</Status>', 200, null],
  ['<Status>enabled</Status>', 400, 'MalformedXML'],
  ['', 400, 'IllegalVersioningConfigurationException'],
  [
    '<Status>Suspended</Status><ExcludeFolders>true</ExcludeFolders>',
    400,
    'IllegalVersioningConfigurationException',
  ],
  [
    '<Status>Enabled</Status><ExcludedPrefixes><Prefix>tmp/</Prefix></ExcludedPrefixes><ExcludeFolders>true</ExcludeFolders>',
    200,
    null,
  ],
]

test('versioning takes what is specified and shows it again', async () => {
  const bucket = 'versioned'
  await s3.make(bucket)
  const query = { versioning: '' }
  for (const [content, status, code] of VERSIONINGS) {
    const body = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</VersioningConfiguration>`
    const reply = await s3.send({ method: 'PUT', bucket, query, body })
    assert.equal(reply.status, status, content)
    assert.equal(reply.code, code, content)
    if (status !== 200) continue
    const shown = await s3.send({ method: 'GET', bucket, query })
    assert.ok(shown.text.endsWith(`${content}</VersioningConfiguration>`), shown.text)
  }
})

test('versioning of a lock bucket cannot be suspended', async () => {
  const bucket = 'locked-bucket'
  const headers = { 'x-amz-bucket-object-lock-enabled': 'TRUE' }
  assert.equal((await s3.send({ method: 'PUT', bucket, headers })).status, 200)
  const query = { versioning: '' }
  assert.match((await s3.send({ method: 'GET', bucket, query })).text, /Enabled/)
  const body = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
  const reply = await s3.send({ method: 'PUT', bucket, query, body })
  assert.equal(reply.status, 409)
  assert.equal(reply.code, 'InvalidBucketState')
  const forced = { 'x-minio-force-delete': 'true' }
  assert.equal((await s3.send({ method: 'DELETE', bucket, headers: forced })).status, 405)
})

test('a bucket policy is kept verbatim, and a wrong one refused', async () => {
  const bucket = 'with-policy'
  await s3.make(bucket)
  const query = { policy: '' }
  const body = `{ "Version": "2012-10-17", "Statement": [ { "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${bucket}/*" } ] }`
  assert.equal((await s3.send({ method: 'PUT', bucket, query, body })).status, 204)
  assert.equal((await s3.send({ method: 'GET', bucket, query })).text, body)
  const status = await s3.send({ method: 'GET', bucket, query: { policyStatus: '' } })
  assert.deepEqual(s3.texts(status, 'IsPublic'), ['true'])
  const wrong = await s3.send({ method: 'PUT', bucket, query, body: '{"Version":"2012-10-17"}' })
  assert.equal(wrong.code, 'MalformedPolicy')
  const long = await s3.send({ method: 'PUT', bucket, query, body: ' '.repeat(21_000) })
  assert.equal(long.code, 'PolicyTooLarge')
  assert.equal((await s3.send({ method: 'DELETE', bucket, query })).status, 204)
  assert.equal((await s3.send({ method: 'GET', bucket, query })).code, 'NoSuchBucketPolicy')
})

test('access control lists are accepted only where they change nothing', async () => {
  const bucket = 'with-acl'
  await s3.make(bucket)
  const query = { acl: '' }
  for (const [canned, code] of [
    ['private', null],
    ['bucket-owner-full-control', null],
    ['public-read', 'AccessControlListNotSupported'],
    ['nonsense', 'InvalidArgument'],
  ] as const) {
    const headers = { 'x-amz-acl': canned }
    assert.equal((await s3.send({ method: 'PUT', bucket, query, headers })).code, code, canned)
  }
  const own = (await s3.send({ method: 'GET', bucket, query })).text
  assert.equal((await s3.send({ method: 'PUT', bucket, query, body: own })).status, 200)
})

test('a caller that expects another owner is stopped', async () => {
  await s3.make('owned')
  const head = (owner: string): Promise<{ readonly status: number }> =>
    s3.send({
      method: 'HEAD',
      bucket: 'owned',
      headers: { 'x-amz-expected-bucket-owner': owner },
    })
  assert.equal((await head('123456789012')).status, 403)
  const owner = s3.texts(await s3.send({ method: 'GET' }), 'ID')[0] ?? ''
  assert.equal((await head(owner)).status, 200)
})
