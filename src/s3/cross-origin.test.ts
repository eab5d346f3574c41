import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type S3Harness, startS3 } from '#testing/s3-harness'

const ORIGIN = 'http://app.example.com'

let s3: S3Harness
before(async () => {
  s3 = await startS3({ corsOrigins: ['http://*.example.com', 'null'] })
  await s3.make('plain')
  await s3.make('ruled')
  await setRules(RULES)
  await s3.put('ruled', 'a', 'x')
})
after(() => s3.close())

function rule(...parts: readonly (readonly [string, string])[]): string {
  return `<CORSRule>${parts.map(([name, text]) => `<${name}>${text}</${name}>`).join('')}</CORSRule>`
}

const RULES = [
  rule(
    ['AllowedOrigin', 'http://exact.example.com'],
    ['AllowedMethod', 'PUT'],
    ['AllowedMethod', 'GET'],
    ['AllowedHeader', 'x-amz-*'],
    ['AllowedHeader', 'Content-Type'],
    ['ExposeHeader', 'ETag'],
    ['ExposeHeader', 'x-amz-version-id'],
    ['MaxAgeSeconds', '600'],
  ),
  rule(['AllowedOrigin', 'https://*.example.org'], ['AllowedMethod', 'DELETE']),
  rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET']),
].join('')

async function setRules(rules: string): Promise<void> {
  const body = `<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rules}</CORSConfiguration>`
  const reply = await s3.send({ method: 'PUT', bucket: 'ruled', query: { cors: '' }, body })
  assert.equal(reply.status, 200)
}

interface Asked {
  readonly origin?: string
  readonly method?: string
  readonly headers?: string
}

function preflight(path: string, { origin, method, headers }: Asked): Promise<Response> {
  return fetch(`${s3.url}${path}`, {
    method: 'OPTIONS',
    headers: {
      ...(origin === undefined ? {} : { origin }),
      ...(method === undefined ? {} : { 'access-control-request-method': method }),
      ...(headers === undefined ? {} : { 'access-control-request-headers': headers }),
    },
  })
}

/** Preflight of the bucket with rules; status; allowed origin. */
const PREFLIGHTS: readonly (readonly [Asked, number, string | null])[] = [
  [{ method: 'GET' }, 400, null],
  [{ origin: ORIGIN }, 400, null],
  [{ origin: ORIGIN, method: 'PATCH' }, 400, null],
  [{ origin: ORIGIN, method: 'get' }, 400, null],
  [{ origin: ORIGIN, method: 'GET' }, 200, '*'],
  [{ origin: ORIGIN, method: 'HEAD' }, 403, null],
  [{ origin: ORIGIN, method: 'GET', headers: 'x-custom' }, 403, null],
  [{ origin: 'http://exact.example.com', method: 'PUT' }, 200, 'http://exact.example.com'],
  [
    {
      origin: 'http://exact.example.com',
      method: 'PUT',
      headers: 'X-Amz-Date, content-type,, x-amz-',
    },
    200,
    'http://exact.example.com',
  ],
  [{ origin: 'http://exact.example.com', method: 'PUT', headers: 'x-other' }, 403, null],
  [{ origin: 'http://EXACT.example.com', method: 'PUT' }, 403, null],
  [{ origin: 'https://a.b.example.org', method: 'DELETE' }, 200, 'https://a.b.example.org'],
  [{ origin: 'https://example.org', method: 'DELETE' }, 403, null],
]

for (const [asked, status, allowed] of PREFLIGHTS) {
  test(`preflight ${JSON.stringify(asked)} is answered ${status}`, async () => {
    const reply = await preflight('/ruled/a', asked)
    const text = await reply.text()
    assert.equal(reply.status, status, text)
    assert.equal(reply.headers.get('access-control-allow-origin'), allowed)
    if (status === 200) {
      assert.equal(text, '')
      assert.equal(reply.headers.get('access-control-allow-methods'), asked.method)
      assert.match(reply.headers.get('vary') ?? '', /Access-Control-Request-Headers/)
    } else assert.match(text, /<Code>(BadRequest|AccessForbidden)</)
    const credentials = allowed === null || allowed === '*' ? null : 'true'
    assert.equal(reply.headers.get('access-control-allow-credentials'), credentials)
  })
}

test('a preflight tells how long it holds and names the headers asked for', async () => {
  const asked = { origin: 'http://exact.example.com', method: 'PUT', headers: 'X-Amz-Date' }
  const { headers } = await preflight('/ruled', asked)
  assert.equal(headers.get('access-control-max-age'), '600')
  assert.equal(headers.get('access-control-allow-headers'), 'x-amz-date')
  assert.equal(headers.get('access-control-expose-headers'), 'ETag, x-amz-version-id')
})

test('replies to requests from other origins say who may read them', async () => {
  const get = (origin: string, signed: boolean) =>
    signed
      ? s3.send({ method: 'GET', bucket: 'ruled', key: 'a', headers: { origin } })
      : s3.send({ method: 'GET', bucket: 'ruled', key: 'missing', headers: { origin } })
  const reply = await get('http://exact.example.com', true)
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['access-control-allow-origin'], 'http://exact.example.com')
  assert.equal(reply.headers['access-control-expose-headers'], 'ETag, x-amz-version-id')
  assert.equal(reply.headers['vary'], 'Origin')
  const missing = await get(ORIGIN, false)
  assert.equal(missing.code, 'NoSuchKey')
  assert.equal(missing.headers['access-control-allow-origin'], '*')
  assert.equal(missing.headers['access-control-expose-headers'], undefined)
  const denied = await fetch(`${s3.url}/ruled/a`, { headers: { origin: ORIGIN } })
  assert.equal(denied.status, 403)
  assert.equal(denied.headers.get('access-control-allow-origin'), '*')
  const unmatched = await s3.send({
    method: 'DELETE',
    bucket: 'ruled',
    key: 'nothing',
    headers: { origin: ORIGIN },
  })
  assert.equal(unmatched.status, 204)
  assert.equal(unmatched.headers['access-control-allow-origin'], undefined)
})

test('buckets without rules follow the setting, and so do those that are not there', async () => {
  for (const path of ['/plain/a', '/not-there/a', '/']) {
    const reply = await preflight(path, { origin: ORIGIN, method: 'PUT', headers: 'x-a' })
    assert.equal(reply.status, 204, path)
    assert.equal(reply.headers.get('access-control-allow-origin'), ORIGIN)
    assert.equal(reply.headers.get('access-control-allow-methods'), 'PUT')
    assert.equal(reply.headers.get('access-control-allow-headers'), 'x-a')
    const stranger = await preflight(path, { origin: 'http://evil.org', method: 'PUT' })
    assert.equal(stranger.status, 204)
    assert.equal(stranger.headers.get('access-control-allow-origin'), null)
  }
  const list = await s3.send({ method: 'GET', bucket: 'plain', headers: { origin: 'null' } })
  assert.equal(list.headers['access-control-allow-origin'], 'null')
  assert.match(list.headers['access-control-expose-headers'] ?? '', /X-Amz\*/)
  const stranger = { origin: 'http://evil.org' }
  const other = await s3.send({ method: 'GET', bucket: 'plain', headers: stranger })
  assert.equal(other.headers['access-control-allow-origin'], undefined)
})

/** Rules that are refused, and how. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['', 'MalformedXML'],
  [rule(['AllowedMethod', 'GET']), 'MalformedXML'],
  [rule(['AllowedOrigin', '*']), 'MalformedXML'],
  [rule(['AllowedOrigin', '*'], ['AllowedMethod', 'get']), 'InvalidRequest'],
  [rule(['AllowedOrigin', '*'], ['AllowedMethod', 'OPTIONS']), 'InvalidRequest'],
  [rule(['AllowedOrigin', 'http://*.*'], ['AllowedMethod', 'GET']), 'InvalidRequest'],
  [
    rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET'], ['AllowedHeader', '*-*']),
    'InvalidRequest',
  ],
  [
    rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET'], ['ExposeHeader', 'x-*']),
    'InvalidRequest',
  ],
  [
    rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET'], ['ExposeHeader', 'a: b']),
    'InvalidRequest',
  ],
  [rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET'], ['MaxAgeSeconds', 'x']), 'MalformedXML'],
  [
    rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET'], ['AllowedHeader', 'a b']),
    'InvalidRequest',
  ],
  [rule(['ID', 'x'.repeat(256)], ['AllowedOrigin', '*'], ['AllowedMethod', 'GET']), 'MalformedXML'],
  [rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET']).repeat(101), 'MalformedXML'],
]

test('a name of a header that is none is told in the words of Amazon, whatever it is for', async () => {
  for (const element of ['AllowedHeader', 'ExposeHeader']) {
    const rules = rule(['AllowedOrigin', '*'], ['AllowedMethod', 'GET'], [element, 'a b'])
    const body = `<CORSConfiguration>${rules}</CORSConfiguration>`
    const query = { cors: '' }
    const reply = await s3.send({ method: 'PUT', bucket: 'plain', query, body })
    assert.match(s3.texts(reply, 'Message').join(), /^AllowedHeader \S+a b\S+ contains invalid/)
  }
})

for (const [rules, code] of REFUSED) {
  test(`rules ${rules.slice(0, 120)} are refused as ${code}`, async () => {
    const body = `<CORSConfiguration>${rules}</CORSConfiguration>`
    const query = { cors: '' }
    const reply = await s3.send({ method: 'PUT', bucket: 'plain', query, body })
    assert.equal(reply.code, code)
  })
}
