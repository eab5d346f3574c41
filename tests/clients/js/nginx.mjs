// The AWS SDK for JavaScript through nginx: with and without a path prefix, with its buffers on and off, with TLS.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import {
  accessKey,
  bucket,
  endpoint,
  pathPrefix,
  proxyAddress,
  read,
  region,
  runSteps,
  secretKey,
  work,
} from './steps.mjs'

const small = read('small.bin')
const large = read('large.bin')
const part = large.subarray(0, 3_000_000)
const folder = join(work, 'nginx')
mkdirSync(folder)

const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key'
const certificate = '-out certificate -days 2 -subj /CN=127.0.0.1'
execFileSync(
  'openssl',
  `req -x509 ${key} ${certificate} -addext subjectAltName=IP:127.0.0.1`.split(' '),
  { cwd: folder, stdio: 'ignore' },
)
setDefaultCACertificates([
  ...getCACertificates('default'),
  readFileSync(join(folder, 'certificate'), 'utf8'),
])

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

/** The ways through the proxy. */
const WAYS = [
  { name: 'plain', buffers: 'off', isShortened: false, isTls: false },
  { name: 'buffered', buffers: 'on', isShortened: false, isTls: false },
  { name: 'prefix', buffers: 'off', isShortened: true, isTls: false },
  { name: 'prefix-buffered', buffers: 'on', isShortened: true, isTls: false },
  { name: 'prefix-tls', buffers: 'off', isShortened: true, isTls: true },
]
for (const way of WAYS) way.port = await freePort()

function section({ buffers, isShortened, isTls, port }) {
  const location = isShortened
    ? `location ${pathPrefix}/ { proxy_pass http://shortened/; proxy_bind ${proxyAddress}; }`
    : 'location / { proxy_pass http://server; }'
  return `server {
    listen 127.0.0.1:${port}${isTls ? ' ssl' : ''};
    proxy_buffering ${buffers};
    proxy_request_buffering ${buffers};
    ${location}
  }`
}

writeFileSync(
  join(folder, 'configuration'),
  `${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr warn;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  upstream server { server ${endpoint.host}; keepalive 8; }
  # Of its own: kept connections come from the address that opened them.
  upstream shortened { server ${endpoint.host}; keepalive 8; }
  client_max_body_size 0;
  client_body_buffer_size 16k;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  ssl_certificate ${folder}/certificate;
  ssl_certificate_key ${folder}/key;
  ${WAYS.map(section).join('\n')}
}
`,
)

const nginx = spawn(
  process.env.S3_PROGRAM,
  ['-p', folder, '-e', 'stderr', '-c', join(folder, 'configuration')],
  {
    env: { ...process.env, LD_LIBRARY_PATH: process.env.S3_LIBRARIES },
    stdio: ['ignore', 'inherit', 'inherit'],
  },
)
process.once('exit', () => nginx.kill())
await (async () => {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (nginx.exitCode !== null) throw new Error(`nginx ended with ${nginx.exitCode}`)
    const isUp = await fetch(`http://127.0.0.1:${WAYS[0].port}/minio/health/live`).then(
      (reply) => reply.ok,
      () => false,
    )
    if (isUp) return
    await sleep(25)
  }
  throw new Error('nginx does not answer')
})()

const bytes = async (reply) => Buffer.from(await reply.Body.transformToByteArray())
const sha256 = (content) => createHash('sha256').update(content).digest('base64')

function stepsOf({ name, isShortened, isTls, port }) {
  const address = `${isTls ? 'https' : 'http'}://127.0.0.1:${port}${isShortened ? pathPrefix : ''}`
  const s3 = new S3Client({
    endpoint: address,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })
  const Bucket = `${bucket}-${name}`
  const odd = 'dir/ü +&=?#%25;~(a)\'!*@$,:"<>[]^`{|}'
  const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: Buffer.alloc(32, 1) }
  const steps = {
    objects: async () => {
      await s3.send(new CreateBucketCommand({ Bucket }))
      await s3.send(new PutObjectCommand({ Bucket, Key: odd, Body: small }))
      const get = new GetObjectCommand({ Bucket, Key: odd, ChecksumMode: 'ENABLED' })
      const reply = await s3.send(get)
      assert.deepEqual(await bytes(reply), small)
      assert.ok(reply.ChecksumCRC32)
      const range = new GetObjectCommand({ Bucket, Key: odd, Range: 'bytes=990-' })
      assert.deepEqual(await bytes(await s3.send(range)), small.subarray(990))
      const CopySource = `${Bucket}/${encodeURIComponent(odd)}`
      await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource }))
      assert.deepEqual(
        await bytes(await s3.send(new GetObjectCommand({ Bucket, Key: 'copied' }))),
        small,
      )
    },
    'chunked-trailers': async () => {
      for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
        const Key = `trailers/${ChecksumAlgorithm}`
        // The SDK does not know the checksum of a stream before its end.
        const Body = Readable.from([part.subarray(0, 100_000), part.subarray(100_000)])
        const ContentLength = part.length
        await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength, ChecksumAlgorithm }))
      }
      const get = { Bucket, Key: 'trailers/SHA256', ChecksumMode: 'ENABLED' }
      const reply = await s3.send(new GetObjectCommand(get))
      assert.equal(reply.ChecksumSHA256, sha256(part))
      assert.ok((await bytes(reply)).equals(part))
    },
    multipart: async () => {
      const params = { Bucket, Key: 'large', Body: Readable.from([large]) }
      const partSize = 5 * 1024 * 1024
      const done = await new Upload({ client: s3, params, partSize, queueSize: 2 }).done()
      assert.equal(done.Location, `${address}/${Bucket}/large`)
      const reply = await s3.send(new GetObjectCommand({ Bucket, Key: 'large' }))
      assert.match(reply.ETag, /-3"$/)
      assert.ok((await bytes(reply)).equals(large))
    },
    list: async () => {
      const keys = []
      const pages = paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket })
      for await (const page of pages) keys.push(...page.Contents.map(({ Key }) => Key))
      assert.equal(keys.length, 8)
      assert.ok(keys.includes(odd))
    },
    presigned: async () => {
      const put = new PutObjectCommand({ Bucket, Key: odd, ChecksumSHA256: sha256('by url') })
      const url = await getSignedUrl(s3, put, { expiresIn: 300 })
      assert.match(url, /x-amz-checksum-sha256=/i)
      const send = (body, headers = {}, to = url) => fetch(to, { method: 'PUT', body, headers })
      assert.equal((await send('BY URL')).status, 400)
      assert.equal((await send('by url')).status, 200)
      const unhoistableHeaders = new Set(['x-amz-checksum-sha256'])
      const asHeader = await getSignedUrl(s3, put, { expiresIn: 300, unhoistableHeaders })
      const headers = { 'x-amz-checksum-sha256': sha256('by url') }
      assert.equal((await send('BY URL', headers, asHeader)).status, 400)
      assert.equal((await send('by url', {}, asHeader)).status, 400)
      assert.equal((await send('by url', headers, asHeader)).status, 200)
      const get = new GetObjectCommand({ Bucket, Key: odd, ChecksumMode: 'ENABLED' })
      const reply = await fetch(await getSignedUrl(s3, get, { expiresIn: 300 }))
      assert.equal(await reply.text(), 'by url')
      assert.equal(reply.headers.get('x-amz-checksum-sha256'), sha256('by url'))
      assert.equal((await fetch(url.replace(Bucket, `${Bucket}x`))).status, 403)
    },
    form: async () => {
      const { url, fields } = await createPresignedPost(s3, { Bucket, Key: 'by form' })
      const form = new FormData()
      for (const [key, value] of Object.entries(fields)) form.append(key, value)
      form.append('file', new Blob([large]))
      const reply = await fetch(url, { method: 'POST', body: form })
      assert.equal(reply.status, 204, await reply.text())
      assert.equal(reply.headers.get('location'), `${address}/${Bucket}/by%20form`)
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'by form' }))
      assert.equal(head.ContentLength, large.length)
    },
    // What the proxy says of its client decides whether keys may travel.
    'customer-key': async () => {
      const put = new PutObjectCommand({ Bucket, Key: 'sealed', Body: small, ...customer })
      if (!isTls) {
        await assert.rejects(s3.send(put), { name: 'InvalidRequest' })
        return
      }
      await s3.send(put)
      await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: 'sealed' })))
      const get = new GetObjectCommand({ Bucket, Key: 'sealed', ...customer })
      assert.deepEqual(await bytes(await s3.send(get)), small)
    },
    delete: async () => {
      const Objects = [odd, 'copied', 'no such key'].map((Key) => ({ Key }))
      const { Errors = [] } = await s3.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
      )
      assert.deepEqual(Errors, [])
      await assert.rejects(s3.send(new HeadObjectCommand({ Bucket, Key: odd })), {
        name: 'NotFound',
      })
    },
  }
  return Object.entries(steps).map(([step, work]) => [`${name}-${step}`, work])
}

await runSteps(Object.fromEntries(WAYS.flatMap(stepsOf)))
nginx.kill('SIGQUIT')
await once(nginx, 'exit')
