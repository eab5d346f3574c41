/** The way of requests: addresses, order of checks, anonymous callers, error documents, streams. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Log, SILENT_LOG } from '#observe/log'
import { presignRequest, signRequest } from '#s3-protocol/sigv4-client'
import {
  ACCESS_KEY,
  exchange,
  type FrontDoorFixture,
  frontDoorFixture,
  type Received,
  REGION,
  SECRET_KEY,
  type Sent,
} from '#testing/front-door-fixture'

const CREDENTIAL = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, region: REGION }

interface Wish {
  readonly method?: string
  readonly path?: string
  readonly query?: readonly (readonly [string, string])[]
  readonly headers?: readonly (readonly [string, string])[]
  readonly host?: string
  readonly timeMs?: number
  readonly body?: string
  readonly isSecure?: boolean
  readonly remoteAddress?: string
}

function target(wish: Wish): string {
  const path = encodeURI(wish.path ?? '/box/small')
  const query = wish.query ?? []
  return query.length === 0
    ? path
    : `${path}?${new URLSearchParams(query.map((q) => [...q])).toString()}`
}

function signed(wish: Wish): Sent {
  const { headers } = signRequest(
    {
      method: wish.method ?? 'GET',
      path: wish.path ?? '/box/small',
      query: wish.query ?? [],
      headers: [['host', wish.host ?? 'localhost:9000'], ...(wish.headers ?? [])],
      payloadHash: 'UNSIGNED-PAYLOAD',
      timeMs: wish.timeMs ?? Date.now(),
    },
    CREDENTIAL,
  )
  return { ...anonymous(wish), headers }
}

function anonymous(wish: Wish): Sent {
  return {
    method: wish.method ?? 'GET',
    target: target(wish),
    headers: [['host', wish.host ?? 'localhost:9000'], ...(wish.headers ?? [])],
    ...(wish.body === undefined ? {} : { body: Buffer.from(wish.body) }),
    ...(wish.isSecure === undefined ? {} : { isSecure: wish.isSecure }),
    ...(wish.remoteAddress === undefined ? {} : { remoteAddress: wish.remoteAddress }),
  }
}

function send(sent: Sent, fixture = frontDoorFixture()): Promise<Received> {
  return exchange(fixture.handler, sent)
}

/** What, request, status, code. */
const REFUSALS: readonly (readonly [string, Sent, number, string])[] = [
  [
    'a malformed escape in the path',
    { ...signed({}), target: '/box/%zz' },
    400,
    'XMinioInvalidObjectName',
  ],
  [
    'bad UTF-8 in the path',
    { ...signed({}), target: '/box/%ff%fe' },
    400,
    'XMinioInvalidObjectName',
  ],
  ['an escaped NUL', { ...signed({}), target: '/box/a%00b' }, 400, 'XMinioInvalidObjectName'],
  [
    'a malformed escape in the query',
    { ...signed({}), target: '/box/a?x=%zz' },
    400,
    'InvalidRequest',
  ],
  ['a segment ..', { ...signed({}), target: '/box/a/../b' }, 400, 'XMinioInvalidResourceName'],
  [
    'an escaped segment ..',
    { ...signed({}), target: '/box/a/%2e%2e/b' },
    400,
    'XMinioInvalidResourceName',
  ],
  [
    'an escaped slash around ..',
    { ...signed({}), target: '/box/..%2fb' },
    400,
    'XMinioInvalidResourceName',
  ],
  [
    'a backslash around ..',
    { ...signed({}), target: '/box/a%5c..%5cb' },
    400,
    'XMinioInvalidResourceName',
  ],
  ['a key of 1025 bytes', signed({ path: `/box/${'k'.repeat(1025)}` }), 400, 'KeyTooLongError'],
  [
    'a key of 1026 bytes in 342 characters',
    signed({ path: `/box/${'€'.repeat(342)}` }),
    400,
    'KeyTooLongError',
  ],
  ['a bucket in capitals', signed({ path: '/BOX/a' }), 400, 'InvalidBucketName'],
  ['a bucket that is an address', signed({ path: '/10.0.0.1/a' }), 400, 'InvalidBucketName'],
  ['a bucket of dots', signed({ path: '/../a' }), 400, 'InvalidBucketName'],
  [
    'the bucket of the system',
    signed({ path: '/.minio.sys/format.json' }),
    403,
    'AllAccessDisabled',
  ],
  ['the bucket minio', signed({ method: 'PUT', path: '/minio/a' }), 403, 'AllAccessDisabled'],
  ['a malformed host', signed({ host: 'a b' }), 400, 'InvalidRequest'],
  [
    'an internal header',
    signed({ headers: [['x-minio-internal-crc', 'x']] }),
    400,
    'InvalidArgument',
  ],
  [
    '9 KiB of headers',
    signed({ headers: [['x-other', 'x'.repeat(9000)]] }),
    400,
    'RequestHeaderSectionTooLarge',
  ],
  [
    '3 KiB of metadata',
    signed({ headers: [['x-amz-meta-a', 'x'.repeat(3000)]] }),
    400,
    'MetadataTooLarge',
  ],
  [
    'an unknown scheme',
    anonymous({ headers: [['authorization', 'Basic eDp5']] }),
    400,
    'InvalidArgument',
  ],
  [
    'no date',
    { ...signed({}), headers: signed({}).headers.filter(([n]) => n !== 'x-amz-date') },
    403,
    'AccessDenied',
  ],
  ['an old date', signed({ timeMs: Date.now() - 16 * 60_000 }), 403, 'RequestTimeTooSkewed'],
  ['a date to come', signed({ timeMs: Date.now() + 16 * 60_000 }), 403, 'RequestTimeTooSkewed'],
  ['a method that no row has', signed({ method: 'PATCH' }), 405, 'MethodNotAllowed'],
  [
    'a customer key in clear',
    signed({ headers: [['x-amz-server-side-encryption-customer-key', 'x']] }),
    400,
    'InvalidRequest',
  ],
  ['a missing key', signed({ path: '/box/missing' }), 404, 'NoSuchKey'],
]

for (const [what, sent, status, code] of REFUSALS) {
  test(`${what} is ${status} ${code}`, async () => {
    const reply = await send(sent)
    assert.equal(`${reply.status} ${reply.code}`, `${status} ${code}`, reply.text)
    assert.equal(reply.headers.get('x-amz-request-id'), '17F0000000000000')
    assert.match(reply.text, /<RequestId>17F0000000000000<\/RequestId>/)
  })
}

test('below /minio/ there is no bucket to find', async () => {
  assert.equal((await send(signed({ path: '/minio/any' }))).code, 'NoSuchBucket')
  assert.equal((await send(anonymous({ path: '/minio/any' }))).code, 'AccessDenied')
  assert.equal((await send(signed({ method: 'POST', path: '/minio/any' }))).code, 'BadRequest')
  assert.equal(
    (await send(signed({ method: 'DELETE', path: '/minio/any' }))).code,
    'AllAccessDisabled',
  )
  assert.equal((await send(signed({ path: '/minio' }))).code, 'AllAccessDisabled')
})

test('a body in a coding that would be stored with it is refused', async () => {
  const coded = (coding: string): ReturnType<typeof send> =>
    send(signed({ method: 'PUT', path: '/box/coded', headers: [['transfer-encoding', coding]] }))
  assert.equal((await coded('gzip, chunked')).code, 'NotImplemented')
  assert.notEqual((await coded('Chunked')).code, 'NotImplemented')
})

test('two ways to authenticate at once are refused', async () => {
  const url = presignRequest(
    {
      method: 'GET',
      path: '/box/small',
      query: [],
      headers: [['host', 'localhost:9000']],
      timeMs: Date.now(),
      expiresSeconds: 60,
    },
    CREDENTIAL,
  )
  assert.equal((await send({ ...signed({}), target: url })).code, 'InvalidRequest')
  const twice = signed({ query: [['AWSAccessKeyId', 'x']] })
  assert.equal((await send(twice)).code, 'InvalidRequest')
})

test('presigned URLs end with their time', async () => {
  const url = (timeMs: number, expiresSeconds: number): Sent => ({
    method: 'GET',
    target: presignRequest(
      {
        method: 'GET',
        path: '/box/small',
        query: [],
        headers: [['host', 'h']],
        timeMs,
        expiresSeconds,
      },
      CREDENTIAL,
    ),
    headers: [['host', 'h']],
  })
  assert.equal((await send(url(Date.now() - 5000, 60))).status, 200)
  assert.match((await send(url(Date.now() - 61_000, 60))).text, /Request has expired/)
  assert.match((await send(url(Date.now() - 2000, 0))).text, /Request has expired/)
  assert.match((await send(url(Date.now() + 16 * 60_000, 60))).text, /Request is not valid yet/)
})

test('a session token where none belongs is refused', async () => {
  const reply = await send(signed({ headers: [['x-amz-security-token', 'x']] }))
  assert.equal(reply.code, 'InvalidToken')
})

test('a wrong region is told, except where the region is asked for', async () => {
  const fixture = frontDoorFixture({ region: 'eu-west-3' })
  const reply = await send(signed({}), fixture)
  assert.equal(reply.code, 'AuthorizationHeaderMalformed')
  assert.match(reply.text, /expecting &#39;eu-west-3&#39;[\s\S]*<Region>eu-west-3<\/Region>/)
  assert.equal(reply.headers.get('x-amz-bucket-region'), 'eu-west-3')
  assert.equal(
    (await send(signed({ path: '/box', query: [['location', '']] }), fixture)).status,
    200,
  )
})

test('virtual hosts name the bucket, with any domain and port', async () => {
  const fixture = frontDoorFixture({ domains: ['s3.example', 'other.example'] })
  for (const host of ['box.s3.example', 'box.other.example:9000', 'BOX.S3.Example']) {
    const reply = await send(signed({ path: '/small', host }), fixture)
    assert.equal(reply.status, 200, reply.text)
  }
  assert.equal((await send(signed({ host: 's3.example' }), fixture)).status, 200)
  assert.equal((await send(signed({ host: 'minio.s3.example' }), fixture)).status, 200)
})

test('an absolute target counts by its path, and // lists buckets', async () => {
  const plain = signed({})
  assert.equal((await send({ ...plain, target: 'http://localhost:9000/box/small' })).status, 200)
  const list = signed({ path: '//' })
  assert.equal((await send(list)).status, 200)
})

test('HEAD carries its error in headers', async () => {
  const reply = await send(signed({ method: 'HEAD', path: '/box/missing' }))
  assert.equal(reply.status, 404)
  assert.equal(reply.text, '')
  assert.equal(reply.headers.get('x-minio-error-code'), 'NoSuchKey')
  assert.equal(reply.headers.get('x-minio-error-desc'), '"The specified key does not exist."')
})

test('error documents escape what came from the client', async () => {
  const reply = await send(signed({ path: '/box/<script>&\u0001' }))
  assert.match(reply.text, /<Key>&lt;script&gt;&amp;&#x1;<\/Key>/)
  assert.match(reply.text, /<Resource>\/box\/&lt;script&gt;/)
})

const OPEN = (over: Record<string, unknown> = {}): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::box/*',
        ...over,
      },
    ],
  })

function withPolicy(policy: string): FrontDoorFixture {
  const fixture = frontDoorFixture()
  fixture.policies.set('box', policy)
  return fixture
}

test('anonymous callers may what the policy of the bucket allows', async () => {
  assert.equal((await send(anonymous({}))).code, 'AccessDenied')
  const fixture = withPolicy(OPEN())
  assert.equal((await send(anonymous({}), fixture)).status, 200)
  assert.equal((await send(anonymous({ path: '/box/missing' }), fixture)).code, 'NoSuchKey')
  assert.equal((await send(anonymous({ method: 'PUT', body: 'x' }), fixture)).code, 'AccessDenied')
  assert.equal((await send(anonymous({ path: '/box' }), fixture)).code, 'AccessDenied')
  assert.equal((await send(anonymous({ path: '/' }), fixture)).code, 'AccessDenied')
  assert.equal(fixture.store.size, 0)
})

test('anybody may learn that a bucket does not exist', async () => {
  for (const method of ['GET', 'PUT', 'DELETE'] as const) {
    assert.equal((await send(anonymous({ method, path: '/nobox/x' }))).code, 'NoSuchBucket')
  }
})

test('a policy that cannot be read allows nothing, and the owner can still do everything', async () => {
  for (const policy of [
    'nope',
    '{}',
    OPEN().replace('Allow', 'allow'),
    OPEN().replace('box', 'other'),
  ]) {
    const fixture = withPolicy(policy)
    assert.equal((await send(anonymous({}), fixture)).code, 'AccessDenied')
    assert.equal((await send(signed({}), fixture)).status, 200)
  }
})

test('what a policy denies to everybody it denies to the owner, if that is wished', async () => {
  const denying = withPolicy(OPEN({ Effect: 'Deny' }))
  assert.equal((await send(signed({}), denying)).code, 'AccessDenied')
  const unbound = frontDoorFixture({ policiesBindOwner: false })
  unbound.policies.set('box', OPEN({ Effect: 'Deny' }))
  assert.equal((await send(signed({}), unbound)).status, 200)
  assert.equal((await send(anonymous({}), unbound)).code, 'AccessDenied')
})

test('a denial that asks for a safe connection binds the owner on others', async () => {
  const condition = { Bool: { 'aws:SecureTransport': 'false' } }
  const fixture = withPolicy(OPEN({ Effect: 'Deny', Condition: condition }))
  assert.equal((await send(signed({ isSecure: true }), fixture)).status, 200)
  assert.equal((await send(signed({ isSecure: false }), fixture)).code, 'AccessDenied')
})

test('a denial may name the owner by his key', async () => {
  const named = (key: string): FrontDoorFixture =>
    withPolicy(OPEN({ Effect: 'Deny', Principal: { AWS: key } }))
  assert.equal((await send(signed({}), named(ACCESS_KEY))).code, 'AccessDenied')
  assert.equal((await send(signed({}), named('somebody'))).status, 200)
})

test('who may list may learn that a key is absent', async () => {
  const list = { Action: 's3:ListBucket', Resource: 'arn:aws:s3:::box' }
  const fixture = withPolicy(OPEN({ ...list, Condition: { StringLike: { 's3:prefix': 'pub/*' } } }))
  assert.equal((await send(anonymous({ path: '/box/pub/missing' }), fixture)).code, 'NoSuchKey')
  assert.equal((await send(anonymous({ path: '/box/private' }), fixture)).code, 'AccessDenied')
  assert.equal((await send(anonymous({}), fixture)).code, 'AccessDenied')
})

test('listing versions falls back to the right to list', async () => {
  const fixture = withPolicy(OPEN({ Action: 's3:ListBucket', Resource: 'arn:aws:s3:::box' }))
  const versions = anonymous({ path: '/box', query: [['versions', '']] })
  assert.equal((await send(versions, fixture)).status, 200)
})

/** Condition, an honest request that meets it, a forged one that must not. */
const FACTS: readonly (readonly [string, Record<string, unknown>, Wish, Wish])[] = [
  [
    'aws:SourceIp',
    { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
    { remoteAddress: '::ffff:10.1.1.1' },
    {
      headers: [
        ['sourceip', '10.1.1.1'],
        ['x-forwarded-for', '10.1.1.1'],
        ['x-real-ip', '10.1.1.1'],
        ['forwarded', 'for=10.1.1.1'],
      ],
    },
  ],
  [
    'aws:SecureTransport',
    { Bool: { 'aws:SecureTransport': 'true' } },
    { isSecure: true },
    {
      headers: [
        ['securetransport', 'true'],
        ['x-forwarded-proto', 'https'],
      ],
    },
  ],
  [
    'aws:username',
    { StringEquals: { 'aws:username': 'x' } },
    {},
    {
      headers: [
        ['username', 'x'],
        ['aws:username', 'x'],
      ],
      query: [['username', 'x']],
    },
  ],
  [
    'aws:CurrentTime',
    { DateLessThan: { 'aws:CurrentTime': '2000-01-01T00:00:00Z' } },
    {},
    { headers: [['currenttime', '1999-01-01T00:00:00Z']] },
  ],
  [
    's3:signatureAge',
    { NumericLessThan: { 's3:signatureAge': 5 } },
    {},
    {
      headers: [
        ['x-amz-signature-age', '1'],
        ['signatureage', '1'],
      ],
    },
  ],
  [
    's3:ExistingObjectTag',
    { StringEquals: { 's3:ExistingObjectTag/open': 'yes' } },
    { path: '/box/tagged' },
    {
      headers: [
        ['x-amz-tagging', 'open=yes'],
        ['existingobjecttag/open', 'yes'],
      ],
      query: [['open', 'yes']],
    },
  ],
  [
    'aws:Referer',
    { StringLike: { 'aws:Referer': 'http://ok/*' } },
    { headers: [['referer', 'http://ok/x']] },
    { query: [['referer', 'http://ok/x']] },
  ],
]

for (const [key, condition, honest, forged] of FACTS) {
  test(`${key} is a fact that no header or parameter can pretend`, async () => {
    const fixture = withPolicy(OPEN({ Condition: condition }))
    fixture.objects.set('box/tagged', new Uint8Array(1))
    fixture.tags.set('box/tagged', 'open=yes')
    const hasHonest = Object.keys(honest).length > 0
    if (hasHonest) assert.equal((await send(anonymous(honest), fixture)).status, 200)
    assert.equal((await send(anonymous(forged), fixture)).code, 'AccessDenied')
  })
}

test('with a version either action allows and either denial refuses', async () => {
  const versioned = { query: [['versionId', 'null']] } as const
  const statement = (Effect: string, Action: string): Record<string, unknown> => ({
    Effect,
    Action,
    Principal: '*',
    Resource: 'arn:aws:s3:::box/*',
  })
  const policy = (...statements: Record<string, unknown>[]): FrontDoorFixture =>
    withPolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }))
  const one = policy(statement('Allow', 's3:GetObjectVersion'))
  assert.equal((await send(anonymous(versioned), one)).status, 200)
  // As MinIO: who names the right to read versions names the right to read.
  assert.equal((await send(anonymous({}), one)).status, 200)
  const denied = policy(statement('Allow', 's3:GetObject'), statement('Deny', 's3:GetObjectVer*'))
  assert.equal((await send(anonymous(versioned), denied)).code, 'AccessDenied')
  assert.equal((await send(anonymous({}), denied)).status, 200)
  const remove = policy(
    statement('Allow', 's3:DeleteObject'),
    statement('Deny', 's3:DeleteObjectVersion'),
  )
  const gone = { method: 'DELETE', ...versioned }
  assert.equal((await send(anonymous(gone), remove)).code, 'AccessDenied')
})

test('health is answered without credentials', async () => {
  for (const [path, status] of [
    ['/minio/health/live', 200],
    ['/minio/health/ready', 200],
    ['/minio/health/cluster', 200],
    ['/minio/health/cluster/read', 200],
    ['/minio/health/cluster?maintenance=true', 412],
  ] as const) {
    for (const method of ['GET', 'HEAD']) {
      const reply = await send({ ...anonymous({ method }), target: path })
      assert.equal(reply.status, status, path)
    }
  }
  const hostless = { method: 'GET', target: '/minio/health/live', headers: [] }
  assert.equal((await send(hostless)).status, 200, 'HTTP/1.0, as load balancers ask')
  const write = await send(anonymous({ path: '/minio/health/cluster' }))
  assert.equal(write.headers.get('x-minio-write-quorum'), '3')
})

test('preflights and the cross-domain file are answered', async () => {
  const preflight = await send(
    anonymous({
      method: 'OPTIONS',
      headers: [
        ['origin', 'https://app'],
        ['access-control-request-method', 'PUT'],
        ['access-control-request-headers', 'x-amz-date'],
      ],
    }),
  )
  assert.equal(preflight.status, 204)
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://app')
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'PUT')
  assert.equal((await send(anonymous({ method: 'OPTIONS' }))).code, 'BadRequest')
  assert.equal((await send(anonymous({ method: 'OPTIONS', path: '/' }))).status, 200)
  assert.match((await send(anonymous({ path: '/crossdomain.xml' }))).text, /allow-access-from/)
})

test('all chunks of a read are given back, also when the client leaves', async () => {
  const fixture = frontDoorFixture({ chunkSizeBytes: 1000 })
  const reply = await send(signed({}), fixture)
  assert.equal(reply.text.length, 4096)
  assert.equal(reply.headers.get('content-length'), '4096')
  assert.equal(fixture.chunksOpen(), 0)
})

test('whatever is thrown becomes InternalError, its text only in the log', async () => {
  const errors: string[] = []
  const log: Log = {
    ...SILENT_LOG,
    error: (message, fields) => errors.push(`${message} ${String(fields?.['error'])}`),
  }
  const fixture = frontDoorFixture({
    log,
    credentials: {
      find: () => {
        throw new Error('inner secret')
      },
    },
  })
  const reply = await send(signed({}), fixture)
  assert.equal(`${reply.status} ${reply.code}`, '500 InternalError')
  assert.ok(!reply.text.includes('secret'))
  assert.match(errors.join(), /Request failed.*inner secret/)
})

test('a document over its limit is refused', async () => {
  const fixture = frontDoorFixture()
  const wish = { method: 'PUT', path: '/box/a', query: [['tagging', '']] } as const
  const body = new Uint8Array(1024 * 1024 + 1)
  assert.equal((await send({ ...signed(wish), body }, fixture)).code, 'MalformedXML')
  assert.equal(fixture.store.size, 0)
  assert.equal((await send({ ...signed(wish), body: body.subarray(1) }, fixture)).status, 200)
})
