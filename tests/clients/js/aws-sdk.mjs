// The steps of every client, with the AWS SDK for JavaScript v3.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import assert from 'node:assert/strict'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketEncryptionCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketEncryptionCommand,
  GetBucketWebsiteCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  paginateListObjectsV2,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  S3Client,
  SelectObjectContentCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import {
  accessKey,
  bucket,
  endpoint,
  fetchBytes,
  fetchPage,
  kmsKey,
  manyKeys,
  postForm,
  read,
  region,
  runSteps,
  secretKey,
  tlsEndpoint,
  trustTls,
  websiteDomain,
} from './steps.mjs'

const connect = (address) =>
  new S3Client({
    endpoint: address,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })
const s3 = connect(endpoint.href)
const small = read('small.bin')
const large = read('large.bin')
/** What this SDK computes by itself; of the others it sends values that it is given. */
const COMPUTED = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']
const bytes = async (reply) => Buffer.from(await reply.Body.transformToByteArray())

async function keysBelow(Prefix) {
  const keys = []
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix })) {
    keys.push(...(page.Contents ?? []).map((item) => item.Key))
  }
  return keys
}

async function upload(client, Bucket, Key, more = {}) {
  const params = { Bucket, Key, Body: large, ...more }
  await new Upload({ client, params, partSize: 5 * 1024 * 1024, queueSize: 2 }).done()
}

async function encryption() {
  const Bucket = `${bucket}-e`
  await s3.send(new CreateBucketCommand({ Bucket }))
  const put = (Key, more) => s3.send(new PutObjectCommand({ Bucket, Key, Body: small, ...more }))
  await put('own', { ServerSideEncryption: 'AES256' })
  const SSEKMSEncryptionContext = Buffer.from('{"project":"ü"}').toString('base64')
  const sealed = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKey, SSEKMSEncryptionContext }
  assert.ok((await put('kms', sealed)).SSEKMSKeyId.endsWith(kmsKey))
  const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }
  const ServerSideEncryptionConfiguration = { Rules: [rule] }
  await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }))
  const kept = await s3.send(new GetBucketEncryptionCommand({ Bucket }))
  assert.partialDeepStrictEqual(kept, { ServerSideEncryptionConfiguration })
  await upload(s3, Bucket, 'parts')
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/kms` }))
  for (const [Key, content, algorithm] of [
    ['own', small, 'AES256'],
    ['kms', small, 'aws:kms'],
    ['parts', large, 'AES256'],
    ['copy', small, 'AES256'],
  ]) {
    const reply = await s3.send(new GetObjectCommand({ Bucket, Key }))
    assert.ok((await bytes(reply)).equals(content), Key)
    assert.equal(reply.ServerSideEncryption, algorithm)
  }
  await s3.send(new DeleteBucketEncryptionCommand({ Bucket }))
  await assert.rejects(s3.send(new GetBucketEncryptionCommand({ Bucket })), {
    name: 'ServerSideEncryptionConfigurationNotFoundError',
  })
}

async function customerKey() {
  trustTls()
  const tls = connect(tlsEndpoint)
  const key = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: Buffer.alloc(32, 1) }
  const other = { ...key, SSECustomerKey: Buffer.alloc(32, 2) }
  const get = (Key, more) => tls.send(new GetObjectCommand({ Bucket: bucket, Key, ...more }))
  await tls.send(new CreateBucketCommand({ Bucket: bucket }))
  await upload(tls, bucket, 'k', key)
  assert.ok((await bytes(await get('k', key))).equals(large))
  await assert.rejects(get('k', {}), { name: 'InvalidRequest' })
  await assert.rejects(get('k', other), { name: 'AccessDenied' })
  const from = Object.entries(key).map(([name, value]) => [`CopySource${name}`, value])
  const copy = { Bucket: bucket, Key: 'copy', CopySource: `${bucket}/k`, ...other }
  await tls.send(new CopyObjectCommand({ ...copy, ...Object.fromEntries(from) }))
  assert.ok((await bytes(await get('copy', other))).equals(large))
  const clear = new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: small, ...key })
  await assert.rejects(s3.send(clear), { name: 'InvalidRequest' })
}

async function checksums() {
  const put = (more) => s3.send(new PutObjectCommand({ Bucket: bucket, Body: small, ...more }))
  const get = (Key) =>
    s3.send(new GetObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }))
  await put({ Key: 'default' })
  assert.ok((await get('default')).ChecksumCRC32)
  // Sent as Content-MD5.
  await put({ Key: 'md5', ChecksumAlgorithm: 'MD5' })
  for (const algorithm of COMPUTED) {
    const Key = `sums/${algorithm}`
    await put({ Key, ChecksumAlgorithm: algorithm })
    const reply = await get(Key)
    assert.deepEqual(await bytes(reply), small)
    const sum = reply[`Checksum${algorithm}`]
    assert.ok(sum, algorithm)
    const wrong = put({ Key, Body: 'other', [`Checksum${algorithm}`]: sum })
    await assert.rejects(wrong, { name: 'BadDigest' })
  }
  for (const [ChecksumAlgorithm, ChecksumType] of [
    ['CRC32', 'COMPOSITE'],
    ['CRC64NVME', 'FULL_OBJECT'],
    ['SHA256', 'COMPOSITE'],
  ]) {
    await upload(s3, bucket, 'parts', { ChecksumAlgorithm })
    const reply = await get('parts')
    assert.ok((await bytes(reply)).equals(large))
    assert.equal(reply.ChecksumType, ChecksumType)
  }
}

async function objectLock() {
  const Bucket = `${bucket}-l`
  const at = { Bucket, Key: 'k' }
  const BypassGovernanceRetention = true
  const denied = (command) => assert.rejects(s3.send(command), { name: 'AccessDenied' })
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  const put = (more) => s3.send(new PutObjectCommand({ ...at, Body: 'x', ...more }))
  const until = (seconds) => new Date(Math.floor(Date.now() / 1000 + seconds) * 1000)
  const ObjectLockRetainUntilDate = until(3600)
  const held = await put({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate })
  const version = { ...at, VersionId: held.VersionId }
  await denied(new DeleteObjectCommand(version))
  const shorter = { ...version, Retention: { Mode: 'GOVERNANCE', RetainUntilDate: until(60) } }
  await denied(new PutObjectRetentionCommand(shorter))
  await s3.send(new PutObjectRetentionCommand({ ...shorter, BypassGovernanceRetention }))
  const { Retention } = await s3.send(new GetObjectRetentionCommand(version))
  assert.deepEqual(Retention, shorter.Retention)
  await s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'ON' } }))
  await denied(new DeleteObjectCommand({ ...version, BypassGovernanceRetention }))
  await s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'OFF' } }))
  await s3.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention }))
  const Rule = { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } }
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule }
  await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }))
  const kept = await s3.send(new GetObjectLockConfigurationCommand({ Bucket }))
  assert.deepEqual(kept.ObjectLockConfiguration, ObjectLockConfiguration)
  const { VersionId } = await put({})
  const head = await s3.send(new HeadObjectCommand({ ...at, VersionId }))
  assert.equal(head.ObjectLockMode, 'COMPLIANCE')
  await denied(new DeleteObjectCommand({ ...at, VersionId, BypassGovernanceRetention }))
  // The presigner moves such headers into the query.
  const locked = { Bucket, Key: 'by url', ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate }
  const url = await getSignedUrl(s3, new PutObjectCommand(locked), { expiresIn: 300 })
  assert.equal((await fetch(url, { method: 'PUT', body: 'x' })).status, 200)
  const byUrl = await s3.send(new HeadObjectCommand({ Bucket, Key: 'by url' }))
  assert.equal(byUrl.ObjectLockMode, 'GOVERNANCE')
  assert.deepEqual(byUrl.ObjectLockRetainUntilDate, ObjectLockRetainUntilDate)
}

async function postPolicy() {
  const form = await createPresignedPost(s3, {
    Bucket: bucket,
    Key: 'forms/${filename}',
    Fields: { 'x-amz-meta-color': 'green' },
    Conditions: [{ 'x-amz-meta-color': 'green' }, ['content-length-range', 1, 2000]],
  })
  const post = (more, content) => postForm(form.url, { ...form.fields, ...more }, content)
  assert.equal(await post({}, small), 204)
  const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'forms/f' }))
  assert.deepEqual(head.Metadata, { color: 'green' })
  assert.equal(await post({}, large), 400)
  assert.equal(await post({ key: 'elsewhere' }, small), 403)
}

async function select() {
  const Body = 'id,name\n1,Ann\n2,"B,ob"\n'
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'people.csv', Body }))
  const query = (Expression) =>
    s3.send(
      new SelectObjectContentCommand({
        Bucket: bucket,
        Key: 'people.csv',
        ExpressionType: 'SQL',
        Expression,
        InputSerialization: { CSV: { FileHeaderInfo: 'USE' } },
        OutputSerialization: { JSON: {} },
      }),
    )
  const events = await Array.fromAsync(
    (await query('SELECT s.name FROM S3Object s WHERE s.id > 1')).Payload,
  )
  const records = events.flatMap(({ Records }) => (Records === undefined ? [] : [Records.Payload]))
  assert.equal(Buffer.concat(records).toString(), '{"name":"B,ob"}\n')
  assert.deepEqual(events.slice(-2).map(Object.keys), [['Stats'], ['End']])
  await assert.rejects(query('SELECT'), { name: 'ParseSelectFailure' })
}

async function website() {
  const Bucket = `${bucket}-w`
  await s3.send(new CreateBucketCommand({ Bucket }))
  const WebsiteConfiguration = {
    IndexDocument: { Suffix: 'index.html' },
    RoutingRules: [
      {
        Condition: { HttpErrorCodeReturnedEquals: '403' },
        Redirect: { HostName: 'elsewhere.test', HttpRedirectCode: '307' },
      },
    ],
  }
  await s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }))
  const kept = await s3.send(new GetBucketWebsiteCommand({ Bucket }))
  assert.partialDeepStrictEqual(kept, WebsiteConfiguration)
  const Resource = `arn:aws:s3:::${Bucket}/*`
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource }]
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  const page = { Bucket, Key: 'docs/index.html', Body: 'docs', ContentType: 'text/html' }
  await s3.send(new PutObjectCommand(page))
  assert.deepEqual(await fetchPage(Bucket, '/docs/'), [200, 'docs'])
  assert.deepEqual((await fetchPage(Bucket, '/none'))[0], 307)
}

await runSteps({
  'make-bucket': async () => {
    await s3.send(new CreateBucketCommand({ Bucket: bucket }))
    const { Buckets } = await s3.send(new ListBucketsCommand())
    assert.ok(Buckets.some(({ Name }) => Name === bucket))
  },
  'put-small': () =>
    s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: 'small',
        Body: small,
        ContentType: 'text/plain',
        Metadata: { color: 'green' },
        ChecksumAlgorithm: 'CRC64NVME',
      }),
    ),
  'get-small': async () => {
    const reply = await s3.send(
      new GetObjectCommand({ Bucket: bucket, Key: 'small', ChecksumMode: 'ENABLED' }),
    )
    assert.deepEqual(await bytes(reply), small)
    assert.deepEqual(reply.Metadata, { color: 'green' })
    assert.ok(reply.ChecksumCRC64NVME)
    const range = { Bucket: bucket, Key: 'small', Range: 'bytes=10-19' }
    assert.deepEqual(
      await bytes(await s3.send(new GetObjectCommand(range))),
      small.subarray(10, 20),
    )
  },
  'put-multipart': async () => {
    const params = { Bucket: bucket, Key: 'large', Body: large }
    await new Upload({ client: s3, params, partSize: 5 * 1024 * 1024, queueSize: 2 }).done()
    const { ETag } = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'large' }))
    assert.match(ETag, /-3"$/)
  },
  'get-multipart': async () => {
    const reply = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'large' }))
    assert.ok((await bytes(reply)).equals(large))
  },
  'list-1000': async () => {
    for (const Key of manyKeys)
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
    assert.deepEqual(await keysBelow('many/'), manyKeys)
  },
  copy: async () => {
    const CopySource = `${bucket}/large`
    await s3.send(new CopyObjectCommand({ Bucket: bucket, Key: 'copied ü', CopySource }))
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'copied ü' }))
    assert.equal(head.ContentLength, large.length)
  },
  versions: async () => {
    const Bucket = `${bucket}-v`
    await s3.send(new CreateBucketCommand({ Bucket }))
    const VersioningConfiguration = { Status: 'Enabled' }
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
    const first = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'one' }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'two' }))
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    const get = new GetObjectCommand({ Bucket, Key: 'k', VersionId: first.VersionId })
    assert.equal((await bytes(await s3.send(get))).toString(), 'one')
    const { Versions, DeleteMarkers } = await s3.send(new ListObjectVersionsCommand({ Bucket }))
    assert.equal(Versions.length, 2)
    assert.equal(DeleteMarkers.length, 1)
    for (const { VersionId } of [...Versions, ...DeleteMarkers]) {
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId }))
    }
    await s3.send(new DeleteBucketCommand({ Bucket }))
  },
  presigned: async () => {
    const get = new GetObjectCommand({ Bucket: bucket, Key: 'small' })
    assert.deepEqual(await fetchBytes(await getSignedUrl(s3, get, { expiresIn: 300 })), small)
    const put = new PutObjectCommand({ Bucket: bucket, Key: 'put by url' })
    const url = await getSignedUrl(s3, put, { expiresIn: 300 })
    const reply = await fetch(url, { method: 'PUT', body: 'by url' })
    assert.equal(reply.status, 200, await reply.text())
  },
  select,
  encryption: kmsKey && encryption,
  'customer-key': tlsEndpoint && customerKey,
  checksums,
  'object-lock': objectLock,
  'post-policy': postPolicy,
  website: websiteDomain && website,
  delete: async () => {
    const keys = await keysBelow('')
    for (let at = 0; at < keys.length; at += 1000) {
      const Objects = keys.slice(at, at + 1000).map((Key) => ({ Key }))
      const reply = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
      assert.deepEqual(reply.Errors ?? [], [])
    }
    const head = new HeadObjectCommand({ Bucket: bucket, Key: 'small' })
    await assert.rejects(s3.send(head), { name: 'NotFound' })
  },
  'remove-bucket': () => s3.send(new DeleteBucketCommand({ Bucket: bucket })),
})
