import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { parseQuery } from './query.ts'
import {
  canonicalRequest,
  deriveSigningKey,
  EMPTY_SHA256,
  normalHeaderValue,
  SigningKey,
  SigningKeyCache,
  stringToSign,
} from './sigv4.ts'
import { parseAuthorizationV4, parsePresignedV4 } from './sigv4-parse.ts'
import { S3Error } from './s3-error.ts'

/** The example of the Amazon S3 documentation: GET of /test.txt with a range. */
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const SCOPE = { date: '20130524', region: 'us-east-1', service: 's3' }

test('the published example has the published signature', () => {
  const canonical = canonicalRequest({
    method: 'GET',
    path: '/test.txt',
    query: parseQuery('') ?? assert.fail(),
    headers: [
      ['host', 'examplebucket.s3.amazonaws.com'],
      ['range', 'bytes=0-9'],
      ['x-amz-content-sha256', EMPTY_SHA256],
      ['x-amz-date', '20130524T000000Z'],
    ],
    payloadHash: EMPTY_SHA256,
  })
  const text = stringToSign(canonical, '20130524T000000Z', SCOPE)
  assert.equal(
    deriveSigningKey(SECRET, SCOPE).sign(text),
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
})

test('the published presigned example has the published signature', () => {
  const query = parseQuery(
    'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=x',
  )
  const canonical = canonicalRequest({
    method: 'GET',
    path: '/test.txt',
    query: query ?? assert.fail(),
    queryExcept: 'X-Amz-Signature',
    headers: [['host', 'examplebucket.s3.amazonaws.com']],
    payloadHash: 'UNSIGNED-PAYLOAD',
  })
  assert.equal(
    deriveSigningKey(SECRET, SCOPE).sign(stringToSign(canonical, '20130524T000000Z', SCOPE)),
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  )
})

test('signing agrees with the HMAC of the platform for texts of any length', () => {
  for (const size of [0, 1, 63, 64, 200, 4096, 4097, 10_000]) {
    const key = Buffer.alloc(32, size)
    const text = 'é'.repeat(size)
    const expected = createHmac('sha256', key).update(Buffer.from(text, 'latin1')).digest('hex')
    assert.equal(new SigningKey(key).sign(text), expected)
  }
})

test('cached keys follow a changed secret and stay few', () => {
  const cache = new SigningKeyCache()
  const first = cache.keyOf('me', 'one', SCOPE)
  assert.equal(cache.keyOf('me', 'one', SCOPE), first)
  assert.notEqual(cache.keyOf('me', 'two', SCOPE).sign('x'), first.sign('x'))
  for (let i = 0; i < 3000; i++) cache.keyOf(`user${i}`, 'one', SCOPE)
})

test('header values lose blanks at the ends and repeated ones', () => {
  assert.equal(normalHeaderValue('  a   b\tc '), 'a b c')
  assert.equal(normalHeaderValue('a b'), 'a b')
})

const RULES = { region: 'us-east-1', anyRegion: false }
const CREDENTIAL = 'Credential=me1/20240101/us-east-1/s3/aws4_request'
const HEADERS = 'SignedHeaders=host;x-amz-date'

/** Header after the algorithm, code, status. */
const MALFORMED: readonly (readonly [string, string, number])[] = [
  ['', 'InvalidArgument', 400],
  [`${CREDENTIAL},${HEADERS}`, 'AuthorizationHeaderMalformed', 400],
  [`${CREDENTIAL},${HEADERS},Signature=x,More=y`, 'AuthorizationHeaderMalformed', 400],
  [`${CREDENTIAL},${HEADERS},Signature`, 'AuthorizationHeaderMalformed', 400],
  [`${CREDENTIAL},${HEADERS},Signature=`, 'AuthorizationHeaderMalformed', 400],
  [`${CREDENTIAL},SignedHeaders=,Signature=x`, 'AuthorizationHeaderMalformed', 400],
  [`Cred=x,${HEADERS},Signature=x`, 'AuthorizationHeaderMalformed', 400],
  [`Credential=,${HEADERS},Signature=x`, 'AuthorizationHeaderMalformed', 400],
  [`Credential=a/b/c,${HEADERS},Signature=x`, 'AuthorizationHeaderMalformed', 400],
  [
    `Credential=me/20240101/us-east-1/s3/aws4_request,${HEADERS},Signature=x`,
    'InvalidAccessKeyId',
    403,
  ],
  [
    `Credential=me1/2024/us-east-1/s3/aws4_request,${HEADERS},Signature=x`,
    'AuthorizationHeaderMalformed',
    400,
  ],
  [
    `Credential=me1/20240101/eu-1/s3/aws4_request,${HEADERS},Signature=x`,
    'AuthorizationHeaderMalformed',
    400,
  ],
  [
    `Credential=me1/20240101/us-east-1/sts/aws4_request,${HEADERS},Signature=x`,
    'AuthorizationHeaderMalformed',
    400,
  ],
  [
    `Credential=me1/20240101/us-east-1/s3/aws4,${HEADERS},Signature=x`,
    'AuthorizationHeaderMalformed',
    400,
  ],
  [`${CREDENTIAL},Headers=host,Signature=x`, 'AuthorizationHeaderMalformed', 400],
  [`${CREDENTIAL},${HEADERS},Sig=x`, 'AuthorizationHeaderMalformed', 400],
  [`${CREDENTIAL},SignedHeaders=range,Signature=x`, 'AccessDenied', 400],
]

for (const [rest, code, status] of MALFORMED) {
  test(`authorization "${rest}" is ${status} ${code}`, () => {
    assert.throws(
      () => parseAuthorizationV4(`AWS4-HMAC-SHA256 ${rest}`, RULES),
      (error) => error instanceof S3Error && error.code === code && error.status === status,
    )
  })
}

test('access keys may hold slashes, and blanks between fields are optional', () => {
  const parsed = parseAuthorizationV4(
    `AWS4-HMAC-SHA256 Credential=a/b/c/20240101/us-east-1/s3/aws4_request,${HEADERS},Signature=x`,
    RULES,
  )
  assert.equal(parsed.accessKey, 'a/b/c')
  assert.deepEqual(parsed.signedHeaders, ['host', 'x-amz-date'])
  assert.equal(
    parseAuthorizationV4(
      `AWS4-HMAC-SHA256  Credential=a/b/c/20240101/any/s3/aws4_request , ${HEADERS} , Signature=x`,
      { region: '', anyRegion: false },
    ).scope.region,
    'any',
  )
})

const PRESIGNED: Readonly<Record<string, string>> = {
  'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
  'X-Amz-Credential': 'me1/20240101/us-east-1/s3/aws4_request',
  'X-Amz-Date': '20240101T000000Z',
  'X-Amz-Expires': '60',
  'X-Amz-SignedHeaders': 'host',
  'X-Amz-Signature': 'x',
}

/** Parameter, value (undefined: left out), code. */
const BAD_PRESIGNED: readonly (readonly [string, string | undefined, string])[] = [
  ...Object.keys(PRESIGNED).map(
    (key) => [key, undefined, 'AuthorizationQueryParametersError'] as const,
  ),
  ['X-Amz-Algorithm', 'AWS4-HMAC-SHA1', 'AuthorizationQueryParametersError'],
  ['X-Amz-Date', '2024', 'AuthorizationQueryParametersError'],
  ['X-Amz-Expires', 'x', 'AuthorizationQueryParametersError'],
  ['X-Amz-Expires', '5.0', 'AuthorizationQueryParametersError'],
  ['X-Amz-Expires', '-1', 'AuthorizationQueryParametersError'],
  ['X-Amz-Expires', '604801', 'AuthorizationQueryParametersError'],
  ['X-Amz-Expires', '+5', 'SignatureDoesNotMatch'],
  ['X-Amz-Expires', '005', 'SignatureDoesNotMatch'],
  ['X-Amz-SignedHeaders', 'Host', 'SignatureDoesNotMatch'],
  ['X-Amz-SignedHeaders', 'range', 'AccessDenied'],
]

for (const [key, value, code] of BAD_PRESIGNED) {
  test(`presigned query with ${key}=${value ?? '(none)'} is ${code}`, () => {
    const entries = Object.entries({ ...PRESIGNED, [key]: value ?? '' }).filter(
      ([name]) => value !== undefined || name !== key,
    )
    const query = parseQuery(entries.map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&'))
    assert.throws(
      () => parsePresignedV4(query ?? assert.fail(), RULES),
      (error) => error instanceof S3Error && error.code === code,
    )
  })
}
