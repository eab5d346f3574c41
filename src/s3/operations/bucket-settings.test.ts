import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

let s3: S3Harness
before(async () => {
  s3 = await startS3()
})
after(() => s3.close())

function call(
  method: string,
  bucket: string,
  key: string,
  options: {
    readonly body?: string
    readonly id?: string
    readonly headers?: Readonly<Record<string, string>>
  } = {},
): Promise<S3Reply> {
  const { body, id, headers = {} } = options
  const md5 =
    body === undefined ? {} : { 'content-md5': createHash('md5').update(body).digest('base64') }
  const query = { [key]: '', ...(id === undefined ? {} : { id }) }
  return s3.send({
    method,
    bucket,
    query,
    headers: { ...md5, ...headers },
    ...(body === undefined ? {} : { body }),
  })
}

const BLOCK = (name: string): string =>
  `<PublicAccessBlockConfiguration><${name}>true</${name}></PublicAccessBlockConfiguration>`
const OPEN = (bucket: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${bucket}/*`,
      },
    ],
  })

/** Sub-resource, a document, what GET answers of it, the error of its absence (null: a default), whether DELETE exists. */
const SETTINGS: readonly (readonly [string, string, RegExp, string | null, boolean])[] = [
  [
    'publicAccessBlock',
    BLOCK('BlockPublicAcls'),
    /<BlockPublicAcls>true</,
    'NoSuchPublicAccessBlockConfiguration',
    true,
  ],
  [
    'ownershipControls',
    '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
    /<ObjectOwnership>ObjectWriter</,
    'OwnershipControlsNotFoundError',
    true,
  ],
  [
    'requestPayment',
    '<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>',
    /<Payer>Requester</,
    null,
    false,
  ],
  [
    'accelerate',
    '<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>',
    /<Status>Enabled</,
    null,
    false,
  ],
  [
    'logging',
    '<BucketLoggingStatus><LoggingEnabled><TargetBucket>settings</TargetBucket><TargetPrefix>log/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>',
    /<TargetPrefix>log\/</,
    null,
    false,
  ],
  [
    'cors',
    '<CORSConfiguration><CORSRule><AllowedOrigin>http://a</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>',
    /<AllowedOrigin>http:\/\/a</,
    'NoSuchCORSConfiguration',
    true,
  ],
  [
    'website',
    '<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>',
    /<Suffix>index.html</,
    'NoSuchWebsiteConfiguration',
    true,
  ],
]

test('settings are kept, shown and removed', async () => {
  await s3.make('settings')
  for (const [key, body, shown, absent, removable] of SETTINGS) {
    const before_ = await call('GET', 'settings', key)
    assert.equal(before_.code, absent, key)
    assert.equal((await call('PUT', 'settings', key, { body })).status, 200, key)
    assert.match((await call('GET', 'settings', key)).text, shown)
    if (!removable) continue
    assert.equal((await call('DELETE', 'settings', key)).status, 204, key)
    assert.equal((await call('DELETE', 'settings', key)).status, 204, key)
    assert.equal((await call('GET', 'settings', key)).code, absent, key)
  }
  assert.equal((await s3.send({ method: 'HEAD', bucket: 'settings' })).status, 200)
})

test('settings go with their bucket, and are wrong for one that is not there', async () => {
  await s3.make('passing')
  for (const [key, body] of SETTINGS) {
    assert.equal((await call('PUT', 'passing', key, { body })).status, 200)
    assert.equal((await call('PUT', 'not-there', key, { body })).code, 'NoSuchBucket')
    assert.equal((await call('PUT', 'passing', key, { body: '<x>' })).code, 'MalformedXML')
    const twice = body.replace(/^<\w+>/, (tag) => `${tag}<Unknown/>`)
    assert.equal((await call('PUT', 'passing', key, { body: twice })).code, 'MalformedXML')
  }
  assert.equal((await s3.send({ method: 'DELETE', bucket: 'passing' })).status, 204)
  await s3.make('passing')
  for (const [key, , , absent] of SETTINGS) {
    assert.equal((await call('GET', 'passing', key)).code, absent, key)
  }
})

/** Sub-resource, document with the id `one`, in which `ID` stands for another. */
const LISTS: readonly (readonly [string, string])[] = [
  ['metrics', '<MetricsConfiguration><Id>ID</Id></MetricsConfiguration>'],
  [
    'analytics',
    '<AnalyticsConfiguration><Id>ID</Id><Filter><Prefix>a</Prefix></Filter><StorageClassAnalysis/></AnalyticsConfiguration>',
  ],
  [
    'inventory',
    '<InventoryConfiguration><Destination><S3BucketDestination><Bucket>arn:aws:s3:::box</Bucket><Format>CSV</Format></S3BucketDestination></Destination><IsEnabled>true</IsEnabled><Id>ID</Id><IncludedObjectVersions>All</IncludedObjectVersions><OptionalFields><Field>Size</Field></OptionalFields><Schedule><Frequency>Daily</Frequency></Schedule></InventoryConfiguration>',
  ],
  [
    'intelligent-tiering',
    '<IntelligentTieringConfiguration><Id>ID</Id><Status>Enabled</Status><Tiering><Days>90</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>',
  ],
]

test('configurations with an id are kept side by side, listed and removed', async () => {
  const bucket = 'listed'
  await s3.make(bucket)
  for (const [key, document] of LISTS) {
    const put = (id: string): Promise<S3Reply> =>
      call('PUT', bucket, key, { id, body: document.replace('>ID<', `>${id}<`) })
    assert.equal((await call('GET', bucket, key, { id: 'one' })).code, 'NoSuchConfiguration')
    const replies = await Promise.all(['one', 'two', 'three'].map(put))
    assert.deepEqual(
      replies.map((reply) => reply.status),
      [200, 200, 200],
    )
    const list = await call('GET', bucket, key)
    assert.deepEqual(s3.texts(list, 'Id'), ['one', 'three', 'two'])
    assert.deepEqual(s3.texts(list, 'IsTruncated'), ['false'])
    assert.deepEqual(s3.texts(await call('GET', bucket, key, { id: 'two' }), 'Id'), ['two'])
    const other = await call('PUT', bucket, key, { id: 'four', body: document })
    assert.equal(other.code, 'InvalidArgument')
    const without = await call('PUT', bucket, key, { body: document })
    assert.equal(without.code, 'InvalidArgument')
    assert.equal((await call('DELETE', bucket, key, { id: 'two' })).status, 204)
    assert.equal((await call('DELETE', bucket, key, { id: 'two' })).code, 'NoSuchConfiguration')
    assert.deepEqual(s3.texts(await call('GET', bucket, key), 'Id'), ['one', 'three'])
  }
})

test('lists of configurations come in pages of a hundred', async () => {
  const bucket = 'paged'
  await s3.make(bucket)
  for (let i = 0; i < 101; i++) {
    const id = `m${1000 + i}`
    const body = `<MetricsConfiguration><Id>${id}</Id></MetricsConfiguration>`
    assert.equal((await call('PUT', bucket, 'metrics', { id, body })).status, 200)
  }
  const first = await call('GET', bucket, 'metrics')
  assert.equal(s3.texts(first, 'Id').length, 100)
  const token = s3.texts(first, 'NextContinuationToken')[0] ?? ''
  const second = await s3.send({
    method: 'GET',
    bucket,
    query: { metrics: '', 'continuation-token': token },
  })
  assert.deepEqual(s3.texts(second, 'Id'), ['m1100'])
  assert.deepEqual(s3.texts(second, 'IsTruncated'), ['false'])
})

test('a public access block refuses public policies and closes those that are there', async () => {
  const bucket = 'blocked'
  await s3.make(bucket)
  await s3.put(bucket, 'a', 'x')
  const anonymous = async (): Promise<number> => (await fetch(`${s3.url}/${bucket}/a`)).status
  const put = (): Promise<S3Reply> => call('PUT', bucket, 'policy', { body: OPEN(bucket) })
  assert.equal((await put()).status, 204)
  assert.equal(await anonymous(), 200)
  const status = await call('GET', bucket, 'policyStatus')
  assert.deepEqual(s3.texts(status, 'IsPublic'), ['true'])
  await call('PUT', bucket, 'publicAccessBlock', { body: BLOCK('RestrictPublicBuckets') })
  assert.equal(await anonymous(), 403)
  await call('PUT', bucket, 'publicAccessBlock', { body: BLOCK('BlockPublicPolicy') })
  assert.equal(await anonymous(), 200)
  assert.equal((await put()).code, 'AccessDenied')
  assert.equal((await call('DELETE', bucket, 'policy')).status, 204)
  assert.equal(await anonymous(), 403)
})

test('a public access block refuses public access lists', async () => {
  const bucket = 'acl-blocked'
  await s3.make(bucket)
  const put = (acl: string): Promise<S3Reply> =>
    s3.send({ method: 'PUT', bucket, key: 'k', body: 'x', headers: { 'x-amz-acl': acl } })
  assert.equal((await put('public-read')).status, 200)
  await call('PUT', bucket, 'publicAccessBlock', { body: BLOCK('BlockPublicAcls') })
  assert.equal((await put('public-read')).code, 'AccessDenied')
  assert.equal((await put('private')).status, 200)
  const acl = await call('PUT', bucket, 'acl', { headers: { 'x-amz-acl': 'public-read' } })
  assert.equal(acl.code, 'AccessDenied')
  const copied = await s3.send({
    method: 'PUT',
    bucket,
    key: 'c',
    headers: { 'x-amz-acl': 'public-read', 'x-amz-copy-source': `${bucket}/k` },
  })
  assert.equal(copied.code, 'AccessDenied')
})

test('a new bucket keeps the ownership that it was made with', async () => {
  const headers = { 'x-amz-object-ownership': 'BucketOwnerPreferred' }
  assert.equal((await s3.send({ method: 'PUT', bucket: 'owned', headers })).status, 200)
  const reply = await call('GET', 'owned', 'ownershipControls')
  assert.deepEqual(s3.texts(reply, 'ObjectOwnership'), ['BucketOwnerPreferred'])
  const bad = { 'x-amz-object-ownership': 'Nobody' }
  const refused = await s3.send({ method: 'PUT', bucket: 'not-owned', headers: bad })
  assert.equal(refused.code, 'InvalidArgument')
})

/** Sub-resource, document, error. */
const REFUSED: readonly (readonly [string, string, string])[] = [
  [
    'requestPayment',
    '<RequestPaymentConfiguration><Payer>Me</Payer></RequestPaymentConfiguration>',
    'MalformedXML',
  ],
  [
    'accelerate',
    '<AccelerateConfiguration><Status>On</Status></AccelerateConfiguration>',
    'MalformedXML',
  ],
  [
    'logging',
    '<BucketLoggingStatus><LoggingEnabled><TargetBucket>not-there</TargetBucket><TargetPrefix/></LoggingEnabled></BucketLoggingStatus>',
    'InvalidTargetBucketForLogging',
  ],
  ['logging', '<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>', 'MalformedXML'],
  ['ownershipControls', '<OwnershipControls/>', 'MalformedXML'],
  ['publicAccessBlock', BLOCK('BlockPublicAcls').replaceAll('true', 'yes'), 'MalformedXML'],
  ['cors', '<CORSConfiguration/>', 'MalformedXML'],
  ['website', '<WebsiteConfiguration/>', 'InvalidArgument'],
]

test('settings that are not allowed are refused', async () => {
  await s3.make('refusing')
  for (const [key, body, code] of REFUSED) {
    assert.equal((await call('PUT', 'refusing', key, { body })).code, code, body)
  }
  await s3.make('with.dots')
  const body = '<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>'
  assert.equal((await call('PUT', 'with.dots', 'accelerate', { body })).code, 'InvalidRequest')
})

test('what MinIO could not read is kept beside what it can, and shown', async () => {
  const bucket = 'originals'
  await s3.make(bucket)
  await s3.put(bucket, 'a', 'x')
  const policy = OPEN(bucket).replace('2012-10-17', '2008-10-17')
  assert.equal((await call('PUT', bucket, 'policy', { body: policy })).status, 204)
  assert.equal((await call('GET', bucket, 'policy')).text, policy)
  assert.equal((await fetch(`${s3.url}/${bucket}/a`)).status, 200)
  const tags = '<Tagging><TagSet><Tag><Key>ключ</Key><Value>ü</Value></Tag></TagSet></Tagging>'
  assert.equal((await call('PUT', bucket, 'tagging', { body: tags })).status, 200)
  assert.deepEqual(s3.texts(await call('GET', bucket, 'tagging'), 'Key'), ['ключ'])
  assert.equal((await call('PUT', bucket, 'policy', { body: OPEN(bucket) })).status, 204)
  assert.equal((await call('GET', bucket, 'policy')).text, OPEN(bucket))
  assert.equal((await call('DELETE', bucket, 'tagging')).status, 204)
  assert.equal((await call('GET', bucket, 'tagging')).code, 'NoSuchTagSet')
  assert.equal((await call('DELETE', bucket, 'policy')).status, 204)
  assert.equal((await call('GET', bucket, 'policy')).code, 'NoSuchBucketPolicy')
})

test('who may put a policy does not lock himself out unawares', async () => {
  const bucket = 'lockout'
  await s3.make(bucket)
  const statement = (Effect: string): Record<string, unknown> => ({
    Effect,
    Principal: '*',
    Action: 's3:PutBucketPolicy',
    Resource: `arn:aws:s3:::${bucket}`,
  })
  const policy = (...effects: readonly string[]): string =>
    JSON.stringify({ Version: '2012-10-17', Statement: effects.map(statement) })
  assert.equal((await call('PUT', bucket, 'policy', { body: policy('Allow') })).status, 204)
  const anonymous = async (confirmed: boolean): Promise<number> => {
    const reply = await fetch(`${s3.url}/${bucket}?policy`, {
      method: 'PUT',
      body: policy('Allow', 'Deny'),
      headers: confirmed ? { 'x-amz-confirm-remove-self-bucket-access': 'true' } : {},
    })
    return reply.status
  }
  assert.equal(await anonymous(false), 403)
  assert.equal(await anonymous(true), 204)
  assert.equal(await anonymous(true), 403)
  assert.equal((await call('DELETE', bucket, 'policy')).status, 204)
})

test('policies see what documents of requests say', async () => {
  const bucket = 'facts'
  await s3.make(bucket)
  await s3.put(bucket, 'k', 'x')
  const body = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: ['s3:PutObjectTagging', 's3:PutObjectVersionTagging'],
        Resource: `arn:aws:s3:::${bucket}/*`,
        Condition: { StringEquals: { 's3:RequestObjectTag/open': 'yes' } },
      },
    ],
  })
  assert.equal((await call('PUT', bucket, 'policy', { body })).status, 204)
  const tag = async (
    value: string,
    headers: Record<string, string> = {},
    version = '',
  ): Promise<number> => {
    const sent = `<Tagging><TagSet><Tag><Key>open</Key><Value>${value}</Value></Tag></TagSet></Tagging>`
    const reply = await fetch(`${s3.url}/${bucket}/k?tagging${version}`, {
      method: 'PUT',
      body: sent,
      headers,
    })
    return reply.status
  }
  assert.equal(await tag('yes'), 200)
  assert.equal(await tag('no'), 403)
  // Who may not whatever the document says is refused before it is read.
  const unread = await fetch(`${s3.url}/${bucket}?tagging`, { method: 'PUT', body: '<x' })
  assert.equal(unread.status, 403)
  assert.equal(await tag('no', { 'x-amz-tagging': 'open=yes' }), 403)
  const versionOnly = body.replace('"s3:PutObjectTagging",', '')
  assert.equal((await call('PUT', bucket, 'policy', { body: versionOnly })).status, 204)
  assert.equal(await tag('yes'), 403)
  assert.equal(await tag('yes', {}, '&versionId=null'), 200)
  assert.equal(await tag('no', { 'x-amz-tagging': 'open=yes' }, '&versionId=null'), 403)
})
