/** Signatures, clocks, payload hashes, chunked uploads, anonymous access (s3-api.md 2). */
import { createHash } from 'node:crypto'
import { type Rule, rule, rules } from '../rule.ts'
import { md5Base64, pathOf, type Trial } from '../trial.ts'
import { amzDate, type Call } from '../wire.ts'

const MINUTE_MS = 60_000
const WRONG_SECRET = { secretKey: 'wrong-secret-key' }

/** A GET of an object that exists, sent with changes. */
async function reading(t: Trial, change: Partial<Call>): ReturnType<Trial['send']> {
  const bucket = await t.shared()
  ;(await t.put(bucket, t.key, 'content')).is(200)
  return t.send({ method: 'GET', path: pathOf(bucket, t.key), ...change })
}

const replace = (from: RegExp | string, to: string) => (text: string) => text.replace(from, to)

const HEADER_FAULTS: readonly (readonly [string, Partial<Call>, number, string])[] = [
  ['a wrong secret', WRONG_SECRET, 403, 'SignatureDoesNotMatch'],
  ['an unknown access key', { accessKey: 'nobody-at-all' }, 403, 'InvalidAccessKeyId'],
  ['an access key of two characters', { accessKey: 'ab' }, 403, 'InvalidAccessKeyId'],
  [
    'a changed signature',
    { forge: replace(/Signature=..../, 'Signature=0000') },
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'a signature that is cut',
    { forge: (text) => text.slice(0, -10) },
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'an empty signature',
    { forge: replace(/Signature=.*/, 'Signature=') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  ['no signature', { forge: replace(/, Signature=.*/, '') }, 400, 'AuthorizationHeaderMalformed'],
  [
    'no credential',
    { forge: replace(/Credential=[^,]*, /, '') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  [
    'another name for the credential',
    { forge: replace('Credential=', 'Credentials=') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  [
    'a credential of three elements',
    { forge: replace(/Credential=[^,]*/, 'Credential=a/b/c') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  [
    'a credential with a bad date',
    { forge: replace(/\/20\d{6}\//, '/20yy0101/') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  ['another service', { forge: replace('/s3/', '/sts/') }, 400, 'AuthorizationHeaderMalformed'],
  [
    'another terminator',
    { forge: replace('aws4_request', 'aws5_request') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  [
    'no signed headers',
    { forge: replace(/SignedHeaders=[^,]*/, 'SignedHeaders=') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  [
    'another name for the signed headers',
    { forge: replace('SignedHeaders', 'SignedHeader') },
    400,
    'AuthorizationHeaderMalformed',
  ],
  [
    'a host that is not signed',
    { forge: replace('SignedHeaders=host;', 'SignedHeaders=') },
    400,
    'AccessDenied',
  ],
  [
    'a signed header that is not sent',
    { forge: replace('SignedHeaders=host;', 'SignedHeaders=host;x-amz-absent;') },
    400,
    'AccessDenied',
  ],
  [
    'an unknown scheme',
    { auth: 'anonymous', headers: { authorization: 'Digest something' } },
    400,
    'InvalidArgument',
  ],
  [
    'only the name of the scheme',
    {
      auth: 'anonymous',
      headers: { authorization: 'AWS4-HMAC-SHA256', 'x-amz-date': amzDate(Date.now()) },
    },
    400,
    'InvalidArgument',
  ],
  [
    'a session token that the key does not have',
    { headers: { 'x-amz-security-token': 'token' } },
    400,
    'InvalidToken',
  ],
  [
    'a query parameter added after signing',
    { unsignedQuery: { versionId: 'null' } },
    403,
    'SignatureDoesNotMatch',
  ],
]

const header: readonly Rule[] = [
  rule('2.4', 'a good signature is taken', async (t) =>
    (await reading(t, {})).is(200).contains('content'),
  ),
  ...rules('2.4', HEADER_FAULTS, ([what, change, status, code]) => [
    `a request with ${what} is refused`,
    async (t) => (await reading(t, change)).is(status, code),
  ]),
  rule('2.4', 'blanks behind the commas of the header may be missing', async (t) =>
    (await reading(t, { forge: (text) => text.replaceAll(', ', ',') })).is(200),
  ),
  rule('2.4', 'repeated blanks in a signed value are one', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-meta-text': 'a   b' })).is(200)
  }),
  rule('2.4', 'a changed signed header is noticed', async (t) => {
    const bucket = await t.shared()
    const reply = await t.put(
      bucket,
      t.key,
      'x',
      { 'content-type': 'a/b' },
      { forge: (text) => text, payload: 'UNSIGNED-PAYLOAD' },
    )
    reply.is(200)
  }),
  rule('2.4', 'two authentications at once are refused', async (t) =>
    (await reading(t, { unsignedQuery: { 'X-Amz-Credential': 'a/b/c/d/e' } })).is(
      400,
      'InvalidRequest',
    ),
  ),
  rule('2.1', 'a bearer token gives no access to objects', async (t) =>
    (await reading(t, { auth: 'anonymous', headers: { authorization: 'Bearer abc' } })).is(
      403,
      'AccessDenied',
    ),
  ),
  rule('2.1', 'an empty authorization header is anonymous', async (t) =>
    (await reading(t, { auth: 'anonymous', headers: { authorization: '' } })).is(
      403,
      'AccessDenied',
    ),
  ),
  rule('2.9', 'an anonymous read is refused whether the key exists or not', async (t) => {
    const bucket = await t.shared()
    ;(await reading(t, { auth: 'anonymous' })).is(403, 'AccessDenied')
    ;(await t.get(bucket, `${t.key}-none`, {}, {}, { auth: 'anonymous' })).is(403, 'AccessDenied')
  }),
  ...rules('2.9', ['PUT', 'DELETE', 'HEAD'], (method) => [
    `an anonymous ${method} is refused`,
    async (t) => (await reading(t, { method, auth: 'anonymous' })).is(403, 'AccessDenied'),
  ]),
  rule('2.9', 'anonymous callers list no buckets', async (t) =>
    (await t.send({ method: 'GET', path: '/', auth: 'anonymous' })).is(403, 'AccessDenied'),
  ),
  rule('2.9', 'anonymous callers create no buckets', async (t) =>
    (await t.send({ method: 'PUT', path: `/${t.name()}`, auth: 'anonymous' }))
      .is(403, 'AccessDenied')
      .shows('Message', 'Anonymous users cannot invoke this API. Please authenticate.'),
  ),
  rule(
    '2.9',
    'anonymous callers that may not begin an upload are told to authenticate',
    async (t) => {
      const bucket = await t.shared()
      const path = pathOf(bucket, t.key)
      ;(await t.send({ method: 'POST', path, query: { uploads: '' }, auth: 'anonymous' }))
        .is(403, 'AccessDenied')
        .shows('Message', 'Anonymous users cannot initiate multipart uploads. Please authenticate.')
    },
  ),
  rule(
    '2.9',
    'an anonymous multi-delete that may delete nothing is refused as a whole',
    async (t) => {
      const bucket = await t.shared()
      const document = '<Delete><Object><Key>a</Key></Object></Delete>'
      const headers = { 'content-md5': md5Base64(document) }
      ;(await t.sub('POST', bucket, { delete: '' }, document, headers, { auth: 'anonymous' })).is(
        403,
        'AccessDenied',
      )
    },
  ),
  rule('2.7', 'a payload hash of an anonymous write that is none differs', async (t) => {
    const bucket = await t.own()
    const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::${bucket}/*"}]}`
    ;(await t.sub('PUT', bucket, { policy: '' }, policy)).is(204)
    const headers = { 'x-amz-content-sha256': 'no hash' }
    ;(await t.put(bucket, 'k', 'x', headers, { auth: 'anonymous' })).is(
      400,
      'XAmzContentSHA256Mismatch',
    )
    ;(await t.head(bucket, 'k')).is(404)
  }),
]

const clock: readonly Rule[] = [
  ...rules('2.3', [-14, 14], (minutes) => [
    `a clock ${minutes} minutes away is good`,
    async (t) => (await reading(t, { timeMs: Date.now() + minutes * MINUTE_MS })).is(200),
  ]),
  ...rules('2.3', [-16, 16, -24 * 60], (minutes) => [
    `a clock ${minutes} minutes away is refused`,
    async (t) =>
      (await reading(t, { timeMs: Date.now() + minutes * MINUTE_MS })).is(
        403,
        'RequestTimeTooSkewed',
      ),
  ]),
  rule('2.3', 'a request without a date is refused', async (t) => {
    const authorization =
      'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00'
    ;(await reading(t, { auth: 'anonymous', headers: { authorization } })).is(403, 'AccessDenied')
  }),
  rule('2.3', 'a date that cannot be read is refused', async (t) => {
    const authorization =
      'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00'
    ;(
      await reading(t, { auth: 'anonymous', headers: { authorization, 'x-amz-date': 'yesterday' } })
    ).is(403, 'AccessDenied')
  }),
]

const PRESIGNED_FAULTS: readonly (readonly [string, Partial<Call>, number, string])[] = [
  ['a wrong secret', WRONG_SECRET, 403, 'SignatureDoesNotMatch'],
  ['an unknown access key', { accessKey: 'nobody-at-all' }, 403, 'InvalidAccessKeyId'],
  [
    'a changed signature',
    { forge: replace(/X-Amz-Signature=..../, 'X-Amz-Signature=0000') },
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'no signature',
    { forge: replace(/&X-Amz-Signature=.*/, '') },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'no date',
    { forge: replace(/&X-Amz-Date=[^&]*/, '') },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'no expiry',
    { forge: replace(/&X-Amz-Expires=[^&]*/, '') },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'no signed headers',
    { forge: replace(/&X-Amz-SignedHeaders=[^&]*/, '') },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'no algorithm',
    { forge: replace(/X-Amz-Algorithm=[^&]*&/, '') },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'another algorithm',
    { forge: replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA512') },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'a longer expiry',
    { forge: replace('X-Amz-Expires=300', 'X-Amz-Expires=3000') },
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'an expiry of a week and a second',
    { expiresSeconds: 604801 },
    400,
    'AuthorizationQueryParametersError',
  ],
  ['a negative expiry', { expiresSeconds: -1000 }, 400, 'AuthorizationQueryParametersError'],
  [
    'an expiry that is no number',
    { expiresSeconds: 'soon' },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'a time that is over',
    { timeMs: Date.now() - 10 * MINUTE_MS, expiresSeconds: 60 },
    403,
    'AccessDenied',
  ],
  ['an expiry of zero', { timeMs: Date.now() - 5000, expiresSeconds: 0 }, 403, 'AccessDenied'],
  ['a date in the future', { timeMs: Date.now() + 20 * MINUTE_MS }, 403, 'AccessDenied'],
  ['a changed path', { forge: replace('/k-', '/K-') }, 403, 'SignatureDoesNotMatch'],
  [
    'another method',
    { method: 'DELETE', forge: (text) => text.replace('Signature=', 'Signature=0') },
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'a parameter added after signing',
    { unsignedQuery: { 'response-content-type': 'text/html' } },
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'user metadata that was not signed',
    { unsigned: { 'x-amz-meta-sneaked': 'in' } },
    403,
    'AccessDenied',
  ],
  ['tags that were not signed', { unsigned: { 'x-amz-tagging': 'a=b' } }, 403, 'AccessDenied'],
  [
    'a scope of another day',
    { forge: replace(/X-Amz-Credential=([^&]*?)%2F\d{8}%2F/, 'X-Amz-Credential=$1%2F20060102%2F') },
    400,
    'AuthorizationQueryParametersError',
  ],
  [
    'a session token that the key does not have',
    { query: { 'X-Amz-Security-Token': 'token' } },
    400,
    'InvalidToken',
  ],
  [
    'a credential of three elements',
    { forge: replace(/X-Amz-Credential=[^&]*/, 'X-Amz-Credential=a%2Fb%2Fc') },
    400,
    'AuthorizationQueryParametersError',
  ],
]

const presigned: readonly Rule[] = [
  rule('2.5', 'a presigned read is good', async (t) =>
    (await reading(t, { auth: 'presigned' })).is(200).contains('content'),
  ),
  rule('2.5', 'an expiry of a week is good', async (t) =>
    (await reading(t, { auth: 'presigned', expiresSeconds: 604800 })).is(200),
  ),
  ...rules('2.5', PRESIGNED_FAULTS, ([what, change, status, code]) => [
    `a presigned read with ${what} is refused`,
    async (t) => (await reading(t, { auth: 'presigned', ...change })).is(status, code),
  ]),
  rule('2.5', 'a presigned write is good', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'by url', {}, { auth: 'presigned' })).is(200)
    ;(await t.get(bucket, t.key)).is(200).contains('by url')
  }),
  rule('2.5', 'a presigned write with signed headers stores them', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(
        bucket,
        t.key,
        'x',
        { 'content-type': 'text/css', 'x-amz-meta-a': 'b' },
        { auth: 'presigned' },
      )
    ).is(200)
    ;(await t.head(bucket, t.key)).has('content-type', 'text/css').has('x-amz-meta-a', 'b')
  }),
  rule('2.5', 'user metadata in the query of a presigned write is stored', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, t.key, 'x', {}, { auth: 'presigned', query: { 'x-amz-meta-q': 'query' } })
    ).is(200)
    ;(await t.head(bucket, t.key)).has('x-amz-meta-q', 'query')
  }),
  rule('2.5', 'a checksum in the query of a presigned write is checked', async (t) => {
    const bucket = await t.shared()
    const value = createHash('sha256').update('other').digest('base64')
    ;(
      await t.put(
        bucket,
        t.key,
        'x',
        {},
        { auth: 'presigned', query: { 'x-amz-checksum-sha256': value } },
      )
    ).is(400, 'BadDigest')
  }),
  rule('2.5', 'a checksum in the query of a presigned write is stored', async (t) => {
    const bucket = await t.shared()
    const value = createHash('sha256').update('x').digest('base64')
    ;(
      await t.put(
        bucket,
        t.key,
        'x',
        {},
        { auth: 'presigned', query: { 'x-amz-checksum-sha256': value } },
      )
    ).is(200)
    ;(await t.head(bucket, t.key, { 'x-amz-checksum-mode': 'ENABLED' })).has(
      'x-amz-checksum-sha256',
      value,
    )
  }),
  rule('2.5', 'response overrides are part of a presigned read', async (t) =>
    (
      await reading(t, {
        auth: 'presigned',
        query: { 'response-content-type': 'text/html', 'response-cache-control': 'no-cache' },
      })
    )
      .is(200)
      .has('content-type', 'text/html')
      .has('cache-control', 'no-cache'),
  ),
  rule('2.5', 'presigned HEAD and DELETE work', async (t) => {
    ;(await reading(t, { method: 'HEAD', auth: 'presigned' })).is(200)
    ;(await reading(t, { method: 'DELETE', auth: 'presigned' })).is(204)
  }),
  rule('2.5', 'a presigned list works', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.sub(
        'GET',
        bucket,
        { 'list-type': '2', 'max-keys': '1' },
        undefined,
        {},
        { auth: 'presigned' },
      )
    ).is(200)
  }),
  rule('2.8', 'a forged presigned write with an unsigned trailer is refused', async (t) => {
    const bucket = await t.shared()
    const headers = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': '1',
      'x-amz-trailer': 'x-amz-checksum-crc32',
    }
    const reply = await t.put(
      bucket,
      t.key,
      '1\r\na\r\n0\r\nx-amz-checksum-crc32:6Le+Qw==\r\n\r\n',
      headers,
      { auth: 'presigned', ...WRONG_SECRET },
    )
    if (reply.status < 400) reply.fail('a refusal')
    ;(await t.head(bucket, t.key)).is(404)
  }),
]

const version2: readonly Rule[] = [
  rule('2.6', 'a version 2 signature is good', async (t) =>
    (await reading(t, { auth: 'v2' })).is(200).contains('content'),
  ),
  rule('2.6', 'a version 2 signature with a sub-resource is good', async (t) =>
    (await reading(t, { auth: 'v2', query: { tagging: '' } })).is(200),
  ),
  rule('2.6', 'a version 2 signature of a bucket may have a slash behind it', async (t) => {
    const bucket = await t.shared()
    const about = { method: 'HEAD', path: `/${bucket}`, auth: 'v2' } as const
    ;(await t.send(about)).is(200)
    ;(await t.send({ ...about, signedPath: `/${bucket}/` })).is(200)
    ;(await t.send({ ...about, signedPath: `/${bucket}//` })).is(403)
  }),
  rule('2.6', 'a wrong version 2 signature is refused', async (t) =>
    (await reading(t, { auth: 'v2', ...WRONG_SECRET })).is(403, 'SignatureDoesNotMatch'),
  ),
  rule('2.6', 'a version 2 header without a signature is refused', async (t) =>
    (
      await reading(t, {
        auth: 'anonymous',
        headers: { authorization: 'AWS HAHAHA', date: new Date().toUTCString() },
      })
    ).is(400, 'InvalidArgument'),
  ),
  rule('2.6', 'a version 2 request without a date is refused', async (t) =>
    (await reading(t, { auth: 'anonymous', headers: { authorization: 'AWS key:c2ln' } })).is(
      403,
      'AccessDenied',
    ),
  ),
  rule('2.6', 'a version 2 request with a bad date is refused', async (t) =>
    (
      await reading(t, {
        auth: 'anonymous',
        headers: { authorization: 'AWS key:c2ln', date: 'Bad Date' },
      })
    ).is(403, 'AccessDenied'),
  ),
  rule('2.6', 'a version 2 request of another day is refused', async (t) =>
    (await reading(t, { auth: 'v2', timeMs: Date.now() - 24 * 60 * MINUTE_MS })).is(
      403,
      'RequestTimeTooSkewed',
    ),
  ),
  rule('2.6', 'a version 2 presigned read is good', async (t) =>
    (await reading(t, { auth: 'v2-presigned' })).is(200).contains('content'),
  ),
  rule('2.6', 'the expiry of a version 2 URL is no metadata of what it writes', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', {}, { auth: 'v2-presigned' })).is(200)
    ;(await t.head(bucket, t.key)).is(200).has('expires', null)
  }),
  rule('2.6', 'a version 2 presigned read that is over is refused', async (t) =>
    (await reading(t, { auth: 'v2-presigned', expiresSeconds: -60 })).is(403, 'AccessDenied'),
  ),
  rule('2.6', 'a version 2 presigned read with a wrong secret is refused', async (t) =>
    (await reading(t, { auth: 'v2-presigned', ...WRONG_SECRET })).is(403, 'SignatureDoesNotMatch'),
  ),
  rule('2.6', 'a version 2 expiry that is no number is refused', async (t) =>
    (await reading(t, { auth: 'v2-presigned', expiresSeconds: 'soon' })).is(
      400,
      'AuthorizationQueryParametersError',
    ),
  ),
]

const payload: readonly Rule[] = [
  rule('2.7', 'an unsigned payload is taken', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', {}, { payload: 'UNSIGNED-PAYLOAD' })).is(200)
  }),
  rule('2.7', 'a wrong payload hash stores nothing', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', {}, { payload: '0'.repeat(64) })).is(
      400,
      'XAmzContentSHA256Mismatch',
    )
    ;(await t.head(bucket, t.key)).is(404)
  }),
  rule('2.7', 'a payload hash that is not hex is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', {}, { payload: 'z'.repeat(64) })).is(400, 'InvalidArgument')
  }),
  ...rules(
    '2.7',
    [
      ['versioning', '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'],
      ['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'],
      ['policy', '{"Version":"2012-10-17","Statement":[]}'],
    ] as const,
    ([key, body]) => [
      `a wrong payload hash of ?${key} is refused before anything is done`,
      async (t) => {
        const bucket = await t.own()
        ;(await t.sub('PUT', bucket, { [key]: '' }, body, {}, { payload: '0'.repeat(64) })).is(
          400,
          'XAmzContentSHA256Mismatch',
        )
      },
    ],
  ),
  ...rules(
    '2.7',
    [
      ['versioning', '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'],
      ['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'],
    ] as const,
    ([key, body]) => [
      `a wrong Content-MD5 of ?${key} is refused`,
      async (t) => {
        const bucket = await t.own()
        ;(
          await t.sub('PUT', bucket, { [key]: '' }, body, { 'content-md5': md5Base64('other') })
        ).is(400, 'BadDigest')
      },
    ],
  ),
  rule('2.7', 'a wrong payload hash of a multi-delete deletes nothing', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    const body = `<Delete><Object><Key>${t.key}</Key></Object></Delete>`
    ;(
      await t.send({
        method: 'POST',
        path: `/${bucket}`,
        query: { delete: '' },
        body,
        headers: { 'content-md5': md5Base64(body) },
        payload: '0'.repeat(64),
      })
    ).is(400, 'XAmzContentSHA256Mismatch')
    ;(await t.head(bucket, t.key)).is(200)
  }),
]

function chunkedPut(
  t: Trial,
  bucket: string,
  chunked: NonNullable<Call['chunked']>,
  headers: Call['headers'] = {},
): ReturnType<Trial['send']> {
  return t.send({ method: 'PUT', path: pathOf(bucket, t.key), chunked, headers })
}

const CRC32_HELLO = 'NhCmhg=='
const SIGNED = { chunks: ['hel', 'lo'], signed: true }
const UNSIGNED = {
  chunks: ['hel', 'lo'],
  signed: false,
  trailers: { 'x-amz-checksum-crc32': CRC32_HELLO },
}

const CHUNK_FAULTS: readonly (readonly [
  string,
  NonNullable<Call['chunked']>,
  Record<string, string>,
  number,
  string,
])[] = [
  [
    'a changed chunk',
    { ...SIGNED, forge: replace('hel', 'hal') },
    {},
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'a changed chunk signature',
    { ...SIGNED, forge: replace(/chunk-signature=..../, 'chunk-signature=0000') },
    {},
    403,
    'SignatureDoesNotMatch',
  ],
  [
    'a chunk header that is no number',
    { ...SIGNED, forge: replace('3;', 'z;') },
    {},
    400,
    'IncompleteBody',
  ],
  [
    'no terminal chunk',
    { ...SIGNED, forge: replace(/0;chunk-signature=[0-9a-f]{64}\r\n\r\n$/, '') },
    {},
    400,
    'IncompleteBody',
  ],
  [
    'fewer bytes than declared',
    SIGNED,
    { 'x-amz-decoded-content-length': '6' },
    400,
    'IncompleteBody',
  ],
  [
    'more bytes than declared',
    SIGNED,
    { 'x-amz-decoded-content-length': '4' },
    400,
    'IncompleteBody',
  ],
  [
    'a decoded length that is no number',
    SIGNED,
    { 'x-amz-decoded-content-length': 'five' },
    411,
    'MissingContentLength',
  ],
  [
    'an empty decoded length',
    SIGNED,
    { 'x-amz-decoded-content-length': '' },
    411,
    'MissingContentLength',
  ],
  [
    'a wrong checksum trailer',
    { ...UNSIGNED, trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' } },
    {},
    400,
    'BadDigest',
  ],
  [
    'a trailer that was not announced',
    UNSIGNED,
    { 'x-amz-trailer': 'x-amz-checksum-crc32c' },
    400,
    'MalformedTrailerError',
  ],
  [
    'an announced trailer that is missing',
    { ...UNSIGNED, forge: replace(/x-amz-checksum-crc32:[^\r]*\r\n/, '') },
    {},
    400,
    'MalformedTrailerError',
  ],
  [
    'a changed signed trailer',
    {
      ...SIGNED,
      trailers: { 'x-amz-checksum-crc32': CRC32_HELLO },
      forge: replace('NhCmhg', 'NhCmhh'),
    },
    {},
    403,
    'SignatureDoesNotMatch',
  ],
]

const chunks: readonly Rule[] = [
  rule('2.8', 'signed chunks are stored as content', async (t) => {
    const bucket = await t.shared()
    ;(await chunkedPut(t, bucket, SIGNED)).is(200)
    ;(await t.get(bucket, t.key)).is(200).contains('hello')
  }),
  rule('2.8', 'signed chunks with a signed trailer are stored, with the checksum', async (t) => {
    const bucket = await t.shared()
    ;(
      await chunkedPut(t, bucket, { ...SIGNED, trailers: { 'x-amz-checksum-crc32': CRC32_HELLO } })
    ).is(200)
    ;(await t.get(bucket, t.key, { 'x-amz-checksum-mode': 'ENABLED' }))
      .is(200)
      .contains('hello')
      .has('x-amz-checksum-crc32', CRC32_HELLO)
  }),
  rule('2.8', 'unsigned chunks with a trailer are stored, with the checksum', async (t) => {
    const bucket = await t.shared()
    ;(await chunkedPut(t, bucket, UNSIGNED)).is(200).has('x-amz-checksum-crc32', CRC32_HELLO)
    ;(await t.get(bucket, t.key, { 'x-amz-checksum-mode': 'ENABLED' }))
      .is(200)
      .contains('hello')
      .has('x-amz-checksum-crc32', CRC32_HELLO)
  }),
  rule('2.8', 'an empty chunked body is an empty object', async (t) => {
    const bucket = await t.shared()
    ;(await chunkedPut(t, bucket, { chunks: [], signed: true })).is(200)
    ;(await t.head(bucket, t.key)).is(200).has('content-length', '0')
  }),
  ...rules('2.8', CHUNK_FAULTS, ([what, chunked, headers, status, code]) => [
    `an upload with ${what} stores nothing`,
    async (t) => {
      const bucket = await t.shared()
      ;(await chunkedPut(t, bucket, chunked, headers)).is(status, code)
      ;(await t.head(bucket, t.key)).is(404)
    },
  ]),
  ...rules(
    '3.4',
    [
      ['gzip,aws-chunked', 'gzip'],
      ['gzip, aws-chunked', 'gzip'],
      ['aws-chunked', null],
      ['aws-chunked, aws-chunked', null],
      ['deflate, gzip', 'deflate, gzip'],
      ['aws-chunked, gzip', 'gzip'],
    ] as const,
    ([sent, stored]) => [
      `Content-Encoding "${sent}" is stored as ${stored ?? 'none'}`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'x', { 'content-encoding': sent })).is(200)
        ;(await t.head(bucket, t.key)).is(200).has('content-encoding', stored)
      },
    ],
  ),
  rule('2.1', 'a list cannot be sent as a stream of chunks', async (t) => {
    const bucket = await t.shared()
    const reply = await t.send({
      method: 'PUT',
      path: `/${bucket}`,
      query: { tagging: '' },
      chunked: SIGNED,
    })
    reply.is(400, 'InvalidRequest')
  }),
  rule('4.2.3', 'a body without a length is stored', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(
        bucket,
        t.key,
        'no length',
        {},
        { withoutLength: true, payload: 'UNSIGNED-PAYLOAD' },
      )
    ).is(200)
    ;(await t.get(bucket, t.key)).is(200).contains('no length')
  }),
]

export const authentication: readonly Rule[] = [
  ...header,
  ...clock,
  ...presigned,
  ...version2,
  ...payload,
  ...chunks,
]
