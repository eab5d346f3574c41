// A real browser, headless Chromium: websites, and uploads of pages that come from another origin.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketCorsCommand,
  PutBucketPolicyCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import puppeteer from 'puppeteer-core'
import {
  accessKey,
  bucket,
  endpoint,
  region,
  runSteps,
  secretKey,
  websiteDomain,
  work,
} from './steps.mjs'

// The page signs nothing: checksums that the SDK adds would only have to be sent as they were signed.
const s3 = new S3Client({
  endpoint: endpoint.href,
  region,
  forcePathStyle: true,
  credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  requestChecksumCalculation: 'WHEN_REQUIRED',
})

/** Pages of applications: empty, on whatever host they are asked for. */
const pages = createServer((_request, response) => {
  response.setHeader('Content-Type', 'text/html')
  response.end('<!doctype html><title>application</title><body></body>')
})
pages.listen(0, '127.0.0.1')
await once(pages, 'listening')
const origin = (name) => `http://${name}.test:${pages.address().port}`
const site = `http://${bucket}.${websiteDomain}:${endpoint.port}`

const browser = await puppeteer.launch({
  executablePath: process.env.S3_BROWSER,
  env: { ...process.env, LD_LIBRARY_PATH: process.env.S3_BROWSER_LIBRARIES },
  userDataDir: join(work, 'profile'),
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP *.test 127.0.0.1',
  ],
})

async function open(address) {
  const page = await browser.newPage()
  const reply = await page.goto(address)
  return { page, reply }
}

/** Runs `work` within a page of that origin. */
async function within(name, run, ...args) {
  const { page } = await open(`${origin(name)}/`)
  try {
    return await page.evaluate(run, ...args)
  } finally {
    await page.close()
  }
}

/** What a script of a page sees of a reply. */
async function fetchInPage(address, { fields, ...options } = {}) {
  const body = fields === undefined ? options.body : new FormData()
  for (const [name, value] of fields ?? []) body.append(name, value)
  if (fields !== undefined) body.append('file', new Blob(['from a form']), 'name.txt')
  const told = ['etag', 'x-amz-meta-color', 'location']
  try {
    const reply = await fetch(address, { ...options, body })
    const shown = told.map((name) => [name, reply.headers.get(name)])
    return { status: reply.status, text: await reply.text(), ...Object.fromEntries(shown) }
  } catch (error) {
    return { failure: error.name }
  }
}

const put = (Key, Body, ContentType, more = {}) =>
  s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body, ContentType, ...more }))
const isThere = (Key) =>
  s3.send(new HeadObjectCommand({ Bucket: bucket, Key })).then(
    () => true,
    (error) => (error.name === 'NotFound' ? false : Promise.reject(error)),
  )
const signed = (command) => getSignedUrl(s3, command, { expiresIn: 300 })

const POLICY = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { AWS: ['*'] },
      Action: ['s3:GetObject'],
      Resource: [`arn:aws:s3:::${bucket}/*`],
    },
    {
      Effect: 'Allow',
      Principal: { AWS: ['*'] },
      Action: ['s3:ListBucket'],
      Resource: [`arn:aws:s3:::${bucket}`],
    },
  ],
}

const WEBSITE = {
  IndexDocument: { Suffix: 'index.html' },
  ErrorDocument: { Key: 'error.html' },
  RoutingRules: [
    { Condition: { KeyPrefixEquals: 'old/' }, Redirect: { ReplaceKeyPrefixWith: 'new/' } },
  ],
}

await runSteps({
  'make-site': async () => {
    await s3.send(new CreateBucketCommand({ Bucket: bucket }))
    await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(POLICY) }))
    await s3.send(new PutBucketWebsiteCommand({ Bucket: bucket, WebsiteConfiguration: WEBSITE }))
    const html = (text) =>
      `<!doctype html><title>${text}</title><link rel="stylesheet" href="/style ü.css"><p>${text}</p><script type="module" src="/script.js"></script>`
    await put('index.html', html('index'), 'text/html; charset=utf-8')
    await put('error.html', html('error'), 'text/html; charset=utf-8')
    await put('new/page', html('moved'), 'text/html; charset=utf-8')
    await put('docs/index.html', html('docs'), 'text/html; charset=utf-8')
    await put('style ü.css', 'p { color: rgb(1, 2, 3) }', 'text/css')
    await put('script.js', 'document.body.dataset.ran = "yes"', 'text/javascript')
    await put('alias', '', 'text/html', { WebsiteRedirectLocation: '/docs/' })
  },
  'website-index': async () => {
    const { page, reply } = await open(`${site}/`)
    assert.equal(reply.status(), 200)
    const seen = await page.evaluate(() => ({
      title: document.title,
      ran: document.body.dataset.ran,
      color: getComputedStyle(document.querySelector('p')).color,
    }))
    // Scripts and styles count only with the right types.
    assert.deepEqual(seen, { title: 'index', ran: 'yes', color: 'rgb(1, 2, 3)' })
    await page.close()
  },
  'website-error': async () => {
    const { page, reply } = await open(`${site}/no/such page`)
    assert.equal(reply.status(), 404)
    assert.equal(await page.title(), 'error')
    await page.close()
  },
  'website-redirects': async () => {
    for (const [from, to, title] of [
      ['/old/page', '/new/page', 'moved'],
      ['/docs', '/docs/', 'docs'],
      ['/alias', '/docs/', 'docs'],
    ]) {
      const { page } = await open(`${site}${from}`)
      assert.equal(page.url(), `${site}${to}`)
      assert.equal(await page.title(), title)
      await page.close()
    }
  },
  'website-caching': async () => {
    const { page } = await open(`${site}/`)
    const statuses = []
    page.on('response', (reply) => {
      if (reply.url() === `${site}/script.js`) statuses.push(reply.status())
    })
    await page.evaluate(() => fetch('/script.js', { cache: 'no-cache' }).then((r) => r.text()))
    const part = await page.evaluate(() =>
      fetch('/new/page', { headers: { Range: 'bytes=0-8' } }).then(async (reply) => [
        reply.status,
        await reply.text(),
      ]),
    )
    await page.close()
    assert.deepEqual(statuses, [304])
    assert.deepEqual(part, [206, '<!doctype'])
  },
  'cross-origin-rules': () =>
    s3.send(
      new PutBucketCorsCommand({
        Bucket: bucket,
        CORSConfiguration: {
          CORSRules: [
            {
              AllowedOrigins: [origin('app')],
              AllowedMethods: ['GET', 'PUT', 'POST', 'HEAD'],
              AllowedHeaders: ['content-type', 'x-amz-*'],
              ExposeHeaders: ['ETag', 'Location', 'x-amz-meta-color'],
              MaxAgeSeconds: 60,
            },
          ],
        },
      }),
    ),
  'form-by-script': async () => {
    const { url, fields } = await createPresignedPost(s3, {
      Bucket: bucket,
      Key: 'forms/${filename}',
      Conditions: [
        ['starts-with', '$key', 'forms/'],
        ['content-length-range', 1, 100],
        { success_action_status: '201' },
      ],
      Fields: { success_action_status: '201', 'x-amz-meta-color': 'green' },
    })
    const options = { method: 'POST', fields: Object.entries(fields) }
    const reply = await within('app', fetchInPage, url, options)
    assert.equal(reply.status, 201, JSON.stringify(reply))
    assert.match(reply.etag, /^"[0-9a-f]{32}"$/)
    assert.equal(new URL(reply.location).pathname, `/${bucket}/forms/name.txt`)
    const refused = await within('evil', fetchInPage, url, options)
    // A form needs no preflight: it arrives, but its script learns nothing.
    assert.deepEqual(refused, { failure: 'TypeError' })
  },
  'form-by-hand': async () => {
    const { url, fields } = await createPresignedPost(s3, {
      Bucket: bucket,
      Key: 'by hand',
      Conditions: [{ success_action_redirect: `${origin('app')}/done` }],
      Fields: { success_action_redirect: `${origin('app')}/done` },
    })
    const { page } = await open(`${origin('app')}/`)
    const inputs = Object.entries(fields).map(([name, value]) => {
      const text = value.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
      return `<input type="hidden" name="${name}" value="${text}">`
    })
    await page.setContent(
      `<form action="${url}" method="post" enctype="multipart/form-data">${inputs.join('')}<input type="file" name="file"><button>Send</button></form>`,
    )
    const chosen = await page.$('input[type=file]')
    await chosen.uploadFile(join(work, 'large.bin'))
    await Promise.all([page.waitForNavigation(), page.click('button')])
    const { pathname, searchParams } = new URL(page.url())
    assert.equal(pathname, '/done')
    assert.equal(searchParams.get('key'), 'by hand')
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'by hand' }))
    assert.equal(head.ContentLength, 12 * 1024 * 1024 + 5)
    assert.equal(head.ETag, searchParams.get('etag'))
    await page.close()
  },
  'presigned-put': async () => {
    const put = { Bucket: bucket, Key: 'put by page', ContentType: 'text/plain' }
    const url = await signed(new PutObjectCommand({ ...put, Metadata: { color: 'green' } }))
    const reply = await within('app', fetchInPage, url, {
      method: 'PUT',
      body: 'by the page',
    })
    assert.equal(reply.status, 200, JSON.stringify(reply))
    assert.match(reply.etag, /^"[0-9a-f]{32}"$/)
  },
  'presigned-put-headers': async () => {
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: 'with headers',
      ContentType: 'text/css',
    })
    const url = await getSignedUrl(s3, command, {
      expiresIn: 300,
      signableHeaders: new Set(['content-type', 'host']),
    })
    const send = ([address, type]) =>
      fetch(address, { method: 'PUT', body: 'p {}', headers: { 'Content-Type': type } }).then(
        (reply) => [reply.status, reply.headers.get('etag')?.length],
        (error) => error.name,
      )
    assert.deepEqual(await within('app', send, [url, 'text/css']), [200, 34])
    assert.deepEqual(await within('app', send, [url, 'text/html']), [403, null])
  },
  'presigned-get': async () => {
    const url = await signed(new GetObjectCommand({ Bucket: bucket, Key: 'put by page' }))
    const reply = await within('app', fetchInPage, url)
    assert.equal(reply.text, 'by the page')
    assert.equal(reply['x-amz-meta-color'], 'green')
    assert.ok(reply.etag)
  },
  multipart: async () => {
    const Key = 'parts by page'
    const at = { Bucket: bucket, Key }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at))
    const urls = []
    for (const PartNumber of [1, 2]) {
      urls.push(await signed(new UploadPartCommand({ ...at, UploadId, PartNumber })))
    }
    const tags = await within(
      'app',
      (addresses) =>
        Promise.all(
          addresses.map(async (address, index) => {
            const body = new Blob([new Uint8Array(index === 0 ? 5 << 20 : 10)])
            const reply = await fetch(address, { method: 'PUT', body })
            return reply.headers.get('etag')
          }),
        ),
      urls,
    )
    const Parts = tags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
    const MultipartUpload = { Parts }
    await s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }))
    const head = await s3.send(new HeadObjectCommand(at))
    assert.equal(head.ContentLength, (5 << 20) + 10)
  },
  'refused-origin': async () => {
    const url = await signed(new PutObjectCommand({ Bucket: bucket, Key: 'by evil' }))
    const refused = { failure: 'TypeError' }
    assert.deepEqual(await within('evil', fetchInPage, url, { method: 'PUT', body: 'x' }), refused)
    assert.equal(await isThere('by evil'), false)
    const read = await signed(new GetObjectCommand({ Bucket: bucket, Key: 'put by page' }))
    assert.deepEqual(await within('evil', fetchInPage, read), refused)
    // Nor by a method that the rules do not name.
    const options = { method: 'DELETE' }
    assert.deepEqual(await within('app', fetchInPage, read, options), refused)
  },
  'website-from-elsewhere': async () => {
    const reply = await within('app', fetchInPage, `${site}/script.js`)
    assert.equal(reply.status, 200)
    assert.deepEqual(await within('evil', fetchInPage, `${site}/script.js`), {
      failure: 'TypeError',
    })
  },
  'without-rules': async () => {
    const other = `${bucket}-o`
    await s3.send(new CreateBucketCommand({ Bucket: other }))
    const url = await signed(new PutObjectCommand({ Bucket: other, Key: 'k' }))
    const reply = await within('any', fetchInPage, url, { method: 'PUT', body: 'x' })
    assert.equal(reply.status, 200)
    assert.match(reply.etag, /^"[0-9a-f]{32}"$/)
  },
})

await browser.close()
pages.close()
