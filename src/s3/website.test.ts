import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { type S3Harness, startS3 } from '#testing/s3-harness'

const DOMAIN = 'site.test'
const SITE = `web.${DOMAIN}`
const CUSTOM = 'www.example.com'

let s3: S3Harness
before(async () => {
  s3 = await startS3({ websiteDomains: [DOMAIN] })
  for (const bucket of ['web', CUSTOM, 'moved', 'no-site']) await s3.make(bucket)
  await open('web')
  await open(CUSTOM)
  await setSite('web', PAGES)
  await setSite(CUSTOM, '<IndexDocument><Suffix>home.html</Suffix></IndexDocument>')
  await setSite(
    'moved',
    '<RedirectAllRequestsTo><HostName>new.example.com</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>',
  )
  const html = { 'content-type': 'text/html', 'cache-control': 'max-age=60' }
  await s3.put('web', 'index.html', '<p>index</p>', html)
  await s3.put('web', 'docs/index.html', '<p>docs</p>', html)
  await s3.put('web', 'docs/a b.html', '<p>blank</p>', html)
  await s3.put('web', 'error.html', '<p>sorry</p>', { 'content-type': 'text/html; x=1' })
  await s3.put('web', 'secret/a', 'hidden')
  await s3.put('web', 'pointer', '', { 'x-amz-website-redirect-location': '/docs/' })
  await s3.put('web', 'away', '', { 'x-amz-website-redirect-location': 'https://x.example/e' })
  await s3.put(CUSTOM, 'home.html', 'at home')
})
after(() => s3.close())

const PAGES = `<IndexDocument><Suffix>index.html</Suffix></IndexDocument>
<ErrorDocument><Key>error.html</Key></ErrorDocument>
<RoutingRules>
<RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>docs/</ReplaceKeyPrefixWith></Redirect></RoutingRule>
<RoutingRule><Condition><KeyPrefixEquals>gone/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>other.example.com</HostName><Protocol>https</Protocol><HttpRedirectCode>307</HttpRedirectCode><ReplaceKeyWith>lost.html</ReplaceKeyWith></Redirect></RoutingRule>
</RoutingRules>`

async function setSite(bucket: string, content: string): Promise<void> {
  const body = `<WebsiteConfiguration>${content}</WebsiteConfiguration>`
  const reply = await s3.send({ method: 'PUT', bucket, query: { website: '' }, body })
  assert.equal(reply.status, 200, reply.text)
}

async function open(bucket: string, actions = ['s3:GetObject', 's3:ListBucket']): Promise<void> {
  const statement = (Action: string, Resource: string, Effect = 'Allow') => ({
    Effect,
    Principal: '*',
    Action,
    Resource: `arn:aws:s3:::${bucket}${Resource}`,
  })
  const body = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      ...actions.map((action) => statement(action, action === 's3:ListBucket' ? '' : '/*')),
      statement('s3:GetObject', '/secret/*', 'Deny'),
    ],
  })
  const reply = await s3.send({ method: 'PUT', bucket, query: { policy: '' }, body })
  assert.equal(reply.status, 204, reply.text)
}

interface Page {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly distinct: Readonly<Record<string, string[] | undefined>>
  readonly text: string
}

function visit(
  path: string,
  options: {
    readonly host?: string
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
  } = {},
): Promise<Page> {
  const { host = SITE, method = 'GET', headers = {} } = options
  const { hostname, port } = new URL(s3.url)
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { hostname, port, path, method, headers: { ...headers, host } },
      (reply) => {
        let text = ''
        reply.setEncoding('utf8')
        reply.on('data', (piece: string) => {
          text += piece
        })
        reply.on('end', () => {
          const { headers: all, headersDistinct: distinct } = reply
          resolve({ status: reply.statusCode ?? 0, headers: all, distinct, text })
        })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

/** Path, status, body or location. */
const PAGES_OF_SITE: readonly (readonly [string, number, string])[] = [
  ['/', 200, '<p>index</p>'],
  ['/?x=1', 200, '<p>index</p>'],
  ['/index.html', 200, '<p>index</p>'],
  ['/docs/', 200, '<p>docs</p>'],
  ['/docs', 302, '/docs/'],
  ['/docs?x=1', 302, '/docs/?x=1'],
  ['/docs/a%20b.html', 200, '<p>blank</p>'],
  ['/nothing', 404, '<p>sorry</p>'],
  ['/nothing/', 404, '<p>sorry</p>'],
  ['/secret/a', 403, '<p>sorry</p>'],
  ['/old/a%20b.html', 301, `http://${SITE}:1/docs/a%20b.html`],
  ['/old/a?ref=1&b=', 301, `http://${SITE}:1/docs/a?ref=1&b=`],
  ['/gone/x', 307, 'https://other.example.com/lost.html'],
  ['/pointer', 301, '/docs/'],
  ['/away', 301, 'https://x.example/e'],
  ['/%zz', 400, '<p>sorry</p>'],
]

for (const [path, status, expected] of PAGES_OF_SITE) {
  test(`a site answers ${path} with ${status}`, async () => {
    const page = await visit(path, { host: `${SITE}:1` })
    assert.equal(page.status, status, page.text)
    const isRedirect = status >= 300 && status < 400
    assert.equal(isRedirect ? page.headers['location'] : page.text, expected)
    if (status < 300) assert.equal(page.headers['cache-control'], 'max-age=60')
    if (status >= 400) {
      assert.equal(page.headers['content-type'], 'text/html; x=1')
      assert.match(String(page.headers['x-amz-error-code']), /^[A-Z]\w+$/)
    }
    const head = await visit(path, { host: `${SITE}:1`, method: 'HEAD' })
    assert.equal(head.status, status)
    assert.equal(head.text, '')
    assert.equal(head.headers['location'], page.headers['location'])
  })
}

test('pages have validators, conditions and ranges', async () => {
  const page = await visit('/')
  const etag = String(page.headers['etag'])
  assert.equal(page.headers['accept-ranges'], 'bytes')
  assert.equal(page.headers['strict-transport-security'], undefined)
  const same = await visit('/', { headers: { 'if-none-match': etag } })
  assert.equal(same.status, 304)
  assert.equal(same.text, '')
  const part = await visit('/', { headers: { range: 'bytes=3-7' } })
  assert.equal(part.status, 206)
  assert.equal(part.text, 'index')
  assert.equal(part.headers['content-range'], 'bytes 3-7/12')
  const error = await visit('/nothing', { headers: { range: 'bytes=0-1', 'if-match': '"x"' } })
  assert.equal(error.status, 404)
  assert.equal(error.text, '<p>sorry</p>')
  const failed = await visit('/', { headers: { 'if-match': '"x"' } })
  assert.equal(failed.status, 412)
  assert.equal(failed.text, '<p>sorry</p>')
  const sorry = await visit('/error.html')
  for (const name of ['etag', 'last-modified']) {
    assert.deepEqual(failed.distinct[name], sorry.distinct[name], name)
  }
})

test('a preflight that is refused gets a page, as all errors of a site', async () => {
  const reply = await visit('/', {
    method: 'OPTIONS',
    headers: { 'access-control-request-method': 'GET' },
  })
  assert.equal(reply.status, 400)
  assert.equal(reply.headers['x-amz-error-code'], 'BadRequest')
  assert.match(reply.text, /<html>/)
})

test('a site takes no other methods and no credentials', async () => {
  const put = await visit('/x', { method: 'PUT' })
  assert.equal(put.status, 405)
  assert.equal(put.headers['allow'], 'GET, HEAD')
  assert.match(put.text, /<html>/)
  const signed = await visit('/secret/a', { headers: { authorization: 'AWS x:y' } })
  assert.equal(signed.status, 403)
})

test('without the right to list, missing pages are forbidden ones', async () => {
  await open('web', ['s3:GetObject'])
  try {
    assert.equal((await visit('/nothing')).status, 403)
    assert.equal((await visit('/docs')).status, 302)
  } finally {
    await open('web')
  }
})

test('the plain error page says what is wrong, also with the own page', async () => {
  const page = await visit('/a%3Cb%3E', { host: CUSTOM })
  assert.equal(page.status, 404)
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  assert.match(page.text, /<li>Code: NoSuchKey<\/li>/)
  assert.match(page.text, /<li>Key: a&lt;b&gt;<\/li>/)
  assert.doesNotMatch(page.text, /<\?xml/)
  const index = '<IndexDocument><Suffix>home.html</Suffix></IndexDocument>'
  await setSite(CUSTOM, `${index}<ErrorDocument><Key>none.html</Key></ErrorDocument>`)
  assert.match((await visit('/x', { host: CUSTOM })).text, /<li>Key: none.html<\/li>/)
})

test('hosts without a site say so', async () => {
  const none = await visit('/', { host: `no-site.${DOMAIN}` })
  assert.equal(none.status, 404)
  assert.equal(none.headers['x-amz-error-code'], 'NoSuchWebsiteConfiguration')
  const missing = await visit('/', { host: `not-there.${DOMAIN}` })
  assert.equal(missing.headers['x-amz-error-code'], 'NoSuchBucket')
  const bad = await visit('/', { host: `A_B!.${DOMAIN}` })
  assert.ok(bad.status >= 400)
})

test('everything may be sent elsewhere', async () => {
  const page = await visit('/a/b?c=d', { host: `moved.${DOMAIN}` })
  assert.equal(page.status, 301)
  assert.equal(page.headers['location'], 'https://new.example.com/a/b?c=d')
})

test('a bucket called like the host serves it, but not to those with credentials', async () => {
  assert.equal((await visit('/', { host: CUSTOM })).text, 'at home')
  assert.equal((await visit('/', { host: `${CUSTOM}:8080` })).text, 'at home')
  const signed = await visit('/', { host: CUSTOM, headers: { authorization: 'AWS x:y' } })
  assert.match(signed.text, /<Error>/)
  const presigned = await visit('/web/a?X-Amz-Signature=1', { host: CUSTOM })
  assert.match(presigned.text, /<Error>/)
  assert.match((await visit('/', { host: 'strange.example.com' })).text, /<Error>/)
})

test('the S3 API shows where an object leads, and refuses what leads nowhere', async () => {
  const head = await s3.send({ method: 'HEAD', bucket: 'web', key: 'pointer' })
  assert.equal(head.headers['x-amz-website-redirect-location'], '/docs/')
  for (const location of ['docs', 'ftp://x', '', `/${'x'.repeat(2048)}`]) {
    const headers = { 'x-amz-website-redirect-location': location }
    const reply = await s3.send({ method: 'PUT', bucket: 'web', key: 'bad', body: '', headers })
    assert.equal(reply.code, 'InvalidRedirectLocation', location)
  }
  const copy = (headers: Readonly<Record<string, string>>) =>
    s3.send({
      method: 'PUT',
      bucket: 'web',
      key: 'copied',
      headers: { 'x-amz-copy-source': 'web/pointer', ...headers },
    })
  assert.equal((await copy({})).status, 200)
  const plain = await s3.send({ method: 'HEAD', bucket: 'web', key: 'copied' })
  assert.equal(plain.headers['x-amz-website-redirect-location'], undefined)
  assert.equal((await copy({ 'x-amz-website-redirect-location': '/b' })).status, 200)
  const given = await s3.send({ method: 'HEAD', bucket: 'web', key: 'copied' })
  assert.equal(given.headers['x-amz-website-redirect-location'], '/b')
})

/** Content of a website document, error. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['', 'InvalidArgument'],
  ['<IndexDocument><Suffix/></IndexDocument>', 'InvalidArgument'],
  ['<IndexDocument><Suffix>a/b</Suffix></IndexDocument>', 'InvalidArgument'],
  [
    '<IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument><Key/></ErrorDocument>',
    'InvalidArgument',
  ],
  [
    '<RedirectAllRequestsTo><HostName>a</HostName></RedirectAllRequestsTo><IndexDocument><Suffix>i</Suffix></IndexDocument>',
    'MalformedXML',
  ],
  ['<RedirectAllRequestsTo><HostName>a\r\nb</HostName></RedirectAllRequestsTo>', 'MalformedXML'],
  ...[
    ['<Redirect/>', 'MalformedXML'],
    ['<Redirect><HttpRedirectCode>304</HttpRedirectCode></Redirect>', 'InvalidRequest'],
    ['<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>', 'InvalidRequest'],
    ['<Redirect><Protocol>ftp</Protocol></Redirect>', 'InvalidRequest'],
    [
      '<Redirect><HostName>a</HostName><HttpRedirectCode>306</HttpRedirectCode></Redirect>',
      'InvalidRequest',
    ],
    [
      '<Redirect><HostName>a</HostName><HttpRedirectCode>3xx</HttpRedirectCode></Redirect>',
      'MalformedXML',
    ],
    [
      '<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>',
      'InvalidRequest',
    ],
    [
      '<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition><Redirect><ReplaceKeyWith>a</ReplaceKeyWith></Redirect>',
      'InvalidRequest',
    ],
  ].map(([rule = '', code = '']): [string, string] => [
    `<IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule>${rule}</RoutingRule></RoutingRules>`,
    code,
  ]),
]

for (const [content, code] of REFUSED) {
  test(`a site of ${content.slice(0, 200)} is refused as ${code}`, async () => {
    const body = `<WebsiteConfiguration>${content}</WebsiteConfiguration>`
    const query = { website: '' }
    const reply = await s3.send({ method: 'PUT', bucket: 'no-site', query, body })
    assert.equal(reply.code, code, reply.text)
  })
}
