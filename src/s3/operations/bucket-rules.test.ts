/** Lifecycle, object lock, notification and replication configurations of buckets. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

let s3: S3Harness
before(async () => {
  s3 = await startS3()
  await s3.make('plain')
  await s3.make('versioned', 'Enabled')
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  await s3.send({ method: 'PUT', bucket: 'locked', headers })
})
after(() => s3.close())

function put(bucket: string, key: string, body: string): Promise<S3Reply> {
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
  return s3.send({ method: 'PUT', bucket, query: { [key]: '' }, body, headers })
}

function get(bucket: string, key: string): Promise<S3Reply> {
  return s3.send({ method: 'GET', bucket, query: { [key]: '' } })
}

function remove(bucket: string, key: string): Promise<S3Reply> {
  return s3.send({ method: 'DELETE', bucket, query: { [key]: '' } })
}

function lifecycle(...rules: readonly string[]): string {
  const all = rules.map((rule) => `<Rule>${rule}</Rule>`).join('')
  return `<LifecycleConfiguration>${all}</LifecycleConfiguration>`
}

const ON = '<Status>Enabled</Status>'
const DAYS = '<Expiration><Days>5</Days></Expiration>'
const TAG = (key: string): string => `<Tag><Key>${key}</Key><Value>v</Value></Tag>`

/** Content of a rule that is taken. */
const TAKEN: readonly string[] = [
  `${ON}<Filter/>${DAYS}`,
  `${ON}<Prefix>a/</Prefix>${DAYS}`,
  `${ON}<Filter><Prefix/></Filter>${DAYS}`,
  `${ON}<Filter><Prefix>a&amp;b</Prefix></Filter>${DAYS}`,
  `${ON}<Filter>${TAG('a')}</Filter>${DAYS}`,
  `${ON}<Filter><And><Prefix>a</Prefix>${TAG('a')}${TAG('b')}</And></Filter>${DAYS}`,
  `${ON}<Filter><And>${TAG('a')}<ObjectSizeLessThan>5</ObjectSizeLessThan></And></Filter>${DAYS}`,
  `${ON}<Filter><Prefix/><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>${DAYS}`,
  `<ID>one</ID><Status>Disabled</Status>${DAYS}`,
  `${ON}<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>`,
  `${ON}<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>`,
  `${ON}<Expiration><Days>1</Days><ExpiredObjectAllVersions>true</ExpiredObjectAllVersions></Expiration>`,
  `${ON}<DelMarkerExpiration><Days>3</Days></DelMarkerExpiration>`,
  `${ON}<NoncurrentVersionExpiration><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>`,
  `${ON}<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>`,
]

test('lifecycle rules are kept, and what is shown can be put again', async () => {
  for (const rule of TAKEN) {
    const reply = await put('plain', 'lifecycle', lifecycle(rule))
    assert.equal(reply.status, 200, `${rule}: ${reply.text}`)
    const shown = await get('plain', 'lifecycle')
    assert.equal(s3.texts(shown, 'ID').length, 1)
    assert.deepEqual(s3.texts(shown, 'ExpiryUpdatedAt'), [])
    assert.equal((await put('plain', 'lifecycle', shown.text)).status, 200, shown.text)
    assert.equal((await get('plain', 'lifecycle')).text, shown.text)
  }
  assert.equal((await put('plain', 'lifecycle', lifecycle(...TAKEN))).status, 200)
  const timed = await s3.send({
    method: 'GET',
    bucket: 'plain',
    query: { lifecycle: '', withUpdatedAt: 'true' },
  })
  assert.match(timed.headers['x-minio-lifecycleconfig-updatedat'] ?? '', /^\d{8}T\d{6}Z$/)
  assert.equal((await remove('plain', 'lifecycle')).status, 204)
  assert.equal((await get('plain', 'lifecycle')).code, 'NoSuchLifecycleConfiguration')
  assert.equal((await remove('plain', 'lifecycle')).status, 204)
})

test('the size below which nothing moves is kept and shown', async () => {
  const body = lifecycle(`${ON}${DAYS}`)
  const name = 'x-amz-transition-default-minimum-object-size'
  const send = (value: string): Promise<S3Reply> =>
    s3.send({
      method: 'PUT',
      bucket: 'versioned',
      query: { lifecycle: '' },
      body,
      headers: {
        'content-md5': createHash('md5').update(body).digest('base64'),
        [name]: value,
      },
    })
  assert.equal((await send('varies_by_storage_class')).status, 200)
  const shown = await get('versioned', 'lifecycle')
  assert.equal(shown.headers[name], 'varies_by_storage_class')
  assert.equal((await send('tiny')).code, 'InvalidRequest')
  assert.equal((await put('versioned', 'lifecycle', body)).status, 200)
  assert.equal((await get('versioned', 'lifecycle')).headers[name], undefined)
})

const NOT_FORMED = /was not well-formed/
/** Document, error, message. */
const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['<Lifecycle/>', 'MalformedXML', NOT_FORMED],
  [lifecycle(), 'MalformedXML', /at least one rule/],
  [lifecycle(...Array<string>(1001).fill(`${ON}${DAYS}`)), 'InvalidArgument', /maximum of 1000/],
  [lifecycle(`<ID>a</ID>${ON}${DAYS}`, `<ID>a</ID>${ON}${DAYS}`), 'InvalidArgument', /unique/],
  [lifecycle(`<ID>${'x'.repeat(256)}</ID>${ON}${DAYS}`), 'InvalidArgument', /255/],
  [lifecycle(DAYS), 'MalformedXML', /should not be empty/],
  [lifecycle(`<Status>enabled</Status>${DAYS}`), 'MalformedXML', /either Enabled or Disabled/],
  [lifecycle(ON), 'MalformedXML', NOT_FORMED],
  [lifecycle(`${ON}<Expiration/>`), 'MalformedXML', NOT_FORMED],
  [lifecycle(`${ON}<Expiration><Days>0</Days></Expiration>`), 'InvalidArgument', /positive/],
  [lifecycle(`${ON}<Expiration><Days>x</Days></Expiration>`), 'MalformedXML', NOT_FORMED],
  [lifecycle(`${ON}<Expiration><Date>20300101</Date></Expiration>`), 'MalformedXML', /ISO 8601/],
  [
    lifecycle(`${ON}<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>`),
    'InvalidArgument',
    /midnight GMT/,
  ],
  [
    lifecycle(`${ON}<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>`),
    'InvalidArgument',
    /Exactly one of Days/,
  ],
  [
    lifecycle(
      `${ON}<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>`,
    ),
    'MalformedXML',
    /Delete marker cannot/,
  ],
  [
    lifecycle(
      `${ON}<Expiration><ExpiredObjectAllVersions>true</ExpiredObjectAllVersions></Expiration>`,
    ),
    'InvalidArgument',
    /ExpiredObjectAllVersions/,
  ],
  [lifecycle(`${ON}<Transition><Days>1</Days></Transition>`), 'MalformedXML', NOT_FORMED],
  [
    lifecycle(`${ON}<Transition><Days>-1</Days><StorageClass>T</StorageClass></Transition>`),
    'InvalidArgument',
    /0 or greater/,
  ],
  [
    lifecycle(`${ON}<Transition><Days>1</Days><StorageClass>T</StorageClass></Transition>`),
    'InvalidStorageClass',
    /Invalid storage class/,
  ],
  [
    lifecycle(
      `${ON}<Filter>${TAG('a')}</Filter><DelMarkerExpiration><Days>1</Days></DelMarkerExpiration>`,
    ),
    'InvalidArgument',
    /tags based filtering/,
  ],
  [lifecycle(`${ON}<DelMarkerExpiration/>`), 'InvalidArgument', /DelMarkerExpiration/],
  [lifecycle(`${ON}<NoncurrentVersionExpiration/>`), 'MalformedXML', NOT_FORMED],
  [
    lifecycle(`${ON}<Filter><Prefix>a</Prefix>${TAG('a')}</Filter>${DAYS}`),
    'MalformedXML',
    /exactly one of Prefix/,
  ],
  [lifecycle(`${ON}<Filter><And>${TAG('a')}</And></Filter>${DAYS}`), 'MalformedXML', NOT_FORMED],
  [
    lifecycle(`${ON}<Filter><And>${TAG('a')}${TAG('a')}</And></Filter>${DAYS}`),
    'InvalidArgument',
    /Duplicate Tag Keys/,
  ],
  [lifecycle(`${ON}<Filter><Size>1</Size></Filter>${DAYS}`), 'MalformedXML', /unknown XML Tag/],
  [lifecycle(`${ON}<Filter>${TAG('x'.repeat(129))}</Filter>${DAYS}`), 'InvalidArgument', /TagKey/],
  [
    lifecycle(`${ON}<Prefix>a</Prefix><Filter><Prefix>b</Prefix></Filter>${DAYS}`),
    'MalformedXML',
    NOT_FORMED,
  ],
  [
    lifecycle(
      `${ON}<Filter>${TAG('a')}</Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>`,
    ),
    'InvalidRequest',
    /cannot be specified with Tags/,
  ],
  [lifecycle(`${ON}<Prefix>&#x1;</Prefix>${DAYS}`), 'MalformedXML', NOT_FORMED],
  [lifecycle(`${ON}<AbortIncompleteMultipartUpload/>`), 'InvalidArgument', /DaysAfterInitiation/],
]

for (const [document, code, message] of REFUSED) {
  test(`lifecycle ${document.slice(24, 160)} is refused as ${code}`, async () => {
    const reply = await put('plain', 'lifecycle', document)
    assert.equal(reply.code, code, reply.text)
    assert.match(reply.text, message)
  })
}

test('what removes all versions and what locks them exclude each other', async () => {
  const all = lifecycle(`${ON}<DelMarkerExpiration><Days>1</Days></DelMarkerExpiration>`)
  assert.equal((await put('locked', 'lifecycle', all)).code, 'InvalidArgument')
  await s3.make('either', 'Enabled')
  assert.equal((await put('either', 'lifecycle', all)).status, 200)
  assert.equal((await put('either', 'object-lock', lock(''))).code, 'InvalidBucketState')
  assert.equal((await remove('either', 'lifecycle')).status, 204)
  assert.equal((await put('either', 'object-lock', lock(''))).status, 200)
})

test('lifecycle needs something to check the document by', async () => {
  const body = lifecycle(`${ON}${DAYS}`)
  const query = { lifecycle: '' }
  const reply = await s3.send({ method: 'PUT', bucket: 'plain', query, body })
  assert.equal(reply.code, 'MissingContentMD5')
})

function lock(retention: string): string {
  const rule =
    retention === '' ? '' : `<Rule><DefaultRetention>${retention}</DefaultRetention></Rule>`
  return `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`
}

test('the default retention of a bucket acts on what is written', async () => {
  const none = await get('plain', 'object-lock')
  assert.equal(none.code, 'ObjectLockConfigurationNotFoundError')
  const period = '<Mode>GOVERNANCE</Mode><Days>2</Days>'
  const unversioned = await put('plain', 'object-lock', lock(period))
  assert.equal(unversioned.code, 'InvalidBucketState')
  assert.match(s3.texts(unversioned, 'Message')[0] ?? '', /^Versioning must be /)
  assert.equal((await put('locked', 'object-lock', lock(period))).status, 200)
  assert.deepEqual(s3.texts(await get('locked', 'object-lock'), 'Days'), ['2'])
  await s3.put('locked', 'a', 'x')
  const head = await s3.send({ method: 'HEAD', bucket: 'locked', key: 'a' })
  assert.equal(head.headers['x-amz-object-lock-mode'], 'GOVERNANCE')
  const until = Date.parse(head.headers['x-amz-object-lock-retain-until-date'] ?? '')
  assert.ok(Math.abs(until - Date.now() - 2 * 86_400_000) < 60_000)
  assert.equal((await put('locked', 'object-lock', lock(''))).status, 200)
  await s3.put('locked', 'b', 'x')
  const free = await s3.send({ method: 'HEAD', bucket: 'locked', key: 'b' })
  assert.equal(free.headers['x-amz-object-lock-mode'], undefined)
})

test('object lock can be turned on where versions are kept without exception', async () => {
  await s3.make('late', 'Enabled')
  const excluding =
    '<VersioningConfiguration><Status>Enabled</Status><ExcludeFolders>true</ExcludeFolders></VersioningConfiguration>'
  assert.equal((await put('late', 'versioning', excluding)).status, 200)
  assert.equal((await put('late', 'object-lock', lock(''))).code, 'InvalidBucketState')
  const whole = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  assert.equal((await put('late', 'versioning', whole)).status, 200)
  assert.equal((await put('late', 'object-lock', lock(''))).status, 200)
  const suspend = whole.replace('Enabled', 'Suspended')
  const suspended = await put('late', 'versioning', suspend)
  assert.equal(suspended.code, 'InvalidBucketState')
  assert.match(s3.texts(suspended, 'Message')[0] ?? '', /the versioning state cannot be changed/)
})

/** Retention, error. */
const LOCKS_REFUSED: readonly (readonly [string, string])[] = [
  ['<Mode>GOVERNANCE</Mode>', 'MalformedXML'],
  ['<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>', 'MalformedXML'],
  ['<Mode>governance</Mode><Days>1</Days>', 'MalformedXML'],
  ['<Days>1</Days>', 'MalformedXML'],
  ['<Mode>GOVERNANCE</Mode><Days>0</Days>', 'InvalidRetentionPeriod'],
  ['<Mode>GOVERNANCE</Mode><Years>-1</Years>', 'InvalidRetentionPeriod'],
  ['<Mode>GOVERNANCE</Mode><Days>36501</Days>', 'InvalidRetentionPeriod'],
  ['<Mode>GOVERNANCE</Mode><Years>101</Years>', 'InvalidRetentionPeriod'],
]

for (const [retention, code] of LOCKS_REFUSED) {
  test(`default retention ${retention} is refused as ${code}`, async () => {
    assert.equal((await put('locked', 'object-lock', lock(retention))).code, code)
  })
}

test('keys excluded from versioning are written and deleted without versions', async () => {
  await s3.make('excluding')
  const rules =
    '<VersioningConfiguration><Status>Enabled</Status><ExcludedPrefixes><Prefix>tmp/*/x</Prefix></ExcludedPrefixes><ExcludeFolders>true</ExcludeFolders></VersioningConfiguration>'
  assert.equal((await put('excluding', 'versioning', rules)).status, 200)
  for (const [key, isVersioned] of [
    ['tmp/a/x1', false],
    ['tmp/y', true],
    ['folder/', false],
  ] as const) {
    const written = await s3.put('excluding', key, '')
    assert.equal(written.headers['x-amz-version-id'] !== undefined, isVersioned, key)
    const gone = await s3.send({ method: 'DELETE', bucket: 'excluding', key })
    assert.equal(gone.status, 204)
  }
  const versions = await get('excluding', 'versions')
  assert.equal(s3.texts(versions, 'Key').filter((key) => key === 'tmp/y').length, 2)
})

function notification(...queues: readonly string[]): string {
  const all = queues.map((queue) => `<QueueConfiguration>${queue}</QueueConfiguration>`).join('')
  return `<NotificationConfiguration>${all}</NotificationConfiguration>`
}

const QUEUE = '<Queue>arn:minio:sqs::1:webhook</Queue>'
const EVENT = '<Event>s3:ObjectCreated:*</Event>'
const FILTER = (name: string, value: string): string =>
  `<Filter><S3Key><FilterRule><Name>${name}</Name><Value>${value}</Value></FilterRule></S3Key></Filter>`

/** Document, error, message. */
const EVENTS_REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['<NotificationConfiguration><Other/></NotificationConfiguration>', 'MalformedXML', NOT_FORMED],
  [
    '<NotificationConfiguration><TopicConfiguration/></NotificationConfiguration>',
    'UnsupportedNotification',
    /Topic/,
  ],
  [notification(QUEUE), 'MalformedXML', NOT_FORMED],
  [notification(EVENT), 'MalformedXML', NOT_FORMED],
  [notification(`<Event>s3:Nothing</Event>${QUEUE}`), 'InvalidArgument', /not supported/],
  [notification(`${EVENT}${EVENT}${QUEUE}`), 'InvalidArgument', /overlap/],
  [notification(`${EVENT}${QUEUE}`, `${EVENT}${QUEUE}`), 'InvalidArgument', /overlapping prefixes/],
  [notification(`${EVENT}<Queue>arn:aws:sqs:x</Queue>`), 'InvalidArgument', /destination ARN/],
  [notification(`${EVENT}${QUEUE}`), 'InvalidArgument', /destination ARN/],
  [notification(`${EVENT}${QUEUE}${FILTER('infix', 'a')}`), 'InvalidArgument', /prefix or suffix/],
  [notification(`${EVENT}${QUEUE}${FILTER('Prefix', '../a')}`), 'InvalidArgument', /1024 bytes/],
  [
    notification(`${EVENT}${QUEUE}${FILTER('prefix', 'x'.repeat(1025))}`),
    'InvalidArgument',
    /1024 bytes/,
  ],
]

for (const [document, code, message] of EVENTS_REFUSED) {
  test(`notification ${document.slice(27, 180)} is refused as ${code}`, async () => {
    const reply = await put('plain', 'notification', document)
    assert.equal(reply.code, code, reply.text)
    assert.match(reply.text, message)
  })
}

test('an empty notification document is taken, and is what is shown', async () => {
  assert.equal((await put('plain', 'notification', notification())).status, 200)
  assert.match((await get('plain', 'notification')).text, /<NotificationConfiguration [^>]*><\//)
})

function replication(role: string, ...rules: readonly string[]): string {
  const all = rules.map((rule) => `<Rule>${rule}</Rule>`).join('')
  return `<ReplicationConfiguration><Role>${role}</Role>${all}</ReplicationConfiguration>`
}

const TARGET = 'arn:minio:replication::id:there'
const DESTINATION = `<Destination><Bucket>${TARGET}</Bucket></Destination>`
const MARKERS = '<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>'
const RULE = `${ON}<Priority>1</Priority>${MARKERS}${DESTINATION}`

/** Document, error, message. */
const REPLICATION_REFUSED: readonly (readonly [string, string, RegExp])[] = [
  [replication(''), 'MalformedXML', /at least one rule/],
  [replication('', RULE, RULE), 'MalformedXML', /duplicate priority/],
  [replication('', RULE.replace(ON, '')), 'MalformedXML', /Status should not/],
  [replication('', RULE.replace('<Priority>1</Priority>', '')), 'MalformedXML', /Priority must/],
  [replication('', RULE.replace(MARKERS, '')), 'MalformedXML', /DeleteMarkerReplication must/],
  [replication('', RULE.replace(DESTINATION, '')), 'MalformedXML', /`Destination`/],
  [replication('', RULE.replace(TARGET, 'there')), 'MalformedXML', /invalid destination/],
  [replication('', RULE.replace(TARGET, 'arn:aws:s3:::there')), 'MalformedXML', /`Role`/],
  [
    replication('', `${RULE.replace('Disabled', 'Enabled')}<Filter>${TAG('a')}</Filter>`),
    'MalformedXML',
    /not supported if any Tag/,
  ],
  [
    replication('', `${RULE}<Filter><Prefix>a</Prefix>${TAG('a')}</Filter>`),
    'MalformedXML',
    /exactly one/,
  ],
  [
    replication(TARGET, RULE, `${RULE.replace('1<', '2<').replace('there', 'x')}`),
    'MalformedXML',
    /multiple targets/,
  ],
  [replication('', RULE), 'XMinioAdminRemoteTargetNotFoundError', /remote target/],
]

for (const [document, code, message] of REPLICATION_REFUSED) {
  test(`replication ${document.slice(26, 220)} is refused as ${code}`, async () => {
    const reply = await put('versioned', 'replication', document)
    assert.equal(reply.code, code, reply.text)
    assert.match(reply.text, message)
  })
}

test('replication is for buckets with versions, and going without it is always possible', async () => {
  const reply = await put('plain', 'replication', replication('', RULE))
  assert.equal(reply.code, 'InvalidRequest')
  assert.equal((await remove('plain', 'replication')).status, 204)
  assert.equal((await get('plain', 'replication')).code, 'ReplicationConfigurationNotFoundError')
})

test('clients are told when their uploads end', async () => {
  const rule = `<ID>a b</ID>${ON}<Filter><Prefix>tmp/</Prefix></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>`
  await s3.make('uploads')
  assert.equal((await put('uploads', 'lifecycle', lifecycle(rule))).status, 200)
  const start = (key: string): Promise<S3Reply> =>
    s3.send({ method: 'POST', bucket: 'uploads', key, query: { uploads: '' } })
  const started = await start('tmp/a')
  const date = started.headers['x-amz-abort-date'] ?? ''
  const leftMs = Date.parse(date) - Date.now()
  assert.match(date, /00:00:00 GMT$/)
  assert.ok(leftMs > 2 * 86_400_000 - 60_000 && leftMs <= 3 * 86_400_000)
  assert.equal(started.headers['x-amz-abort-rule-id'], 'a%20b')
  const uploadId = s3.texts(started, 'UploadId')[0] ?? ''
  const query = { uploadId }
  const parts = await s3.send({ method: 'GET', bucket: 'uploads', key: 'tmp/a', query })
  assert.equal(parts.headers['x-amz-abort-date'], date)
  assert.equal((await start('b')).headers['x-amz-abort-date'], undefined)
})
