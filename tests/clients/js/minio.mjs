// The steps of every client, with the MinIO client for JavaScript.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import * as Minio from 'minio'
import {
  accessKey,
  bucket,
  endpoint,
  fetchBytes,
  kmsKey,
  manyKeys,
  postForm,
  read,
  region,
  runSteps,
  secretKey,
  tlsEndpoint,
  trustTls,
  work,
} from './steps.mjs'

const connect = ({ hostname, port, protocol }) =>
  new Minio.Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: protocol === 'https:',
    accessKey,
    secretKey,
    region,
    partSize: 5 * 1024 * 1024,
  })
const client = connect(endpoint)
const small = read('small.bin')
const large = read('large.bin')

async function collect(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return pieces
}

const content = async (...args) => Buffer.concat(await collect(await client.getObject(...args)))
const keysBelow = async (prefix) =>
  (await collect(client.listObjectsV2(bucket, prefix, true))).map((item) => item.name)

async function encryption() {
  const name = `${bucket}-e`
  await client.makeBucket(name, region)
  const sealed = {
    'X-Amz-Server-Side-Encryption': 'aws:kms',
    'X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id': kmsKey,
  }
  await client.putObject(name, 'kms', small, small.length, sealed)
  const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }
  await client.setBucketEncryption(name, { Rule: [rule] })
  const kept = await client.getBucketEncryption(name)
  assert.deepEqual(kept.ServerSideEncryptionConfiguration.Rule, rule)
  await client.fPutObject(name, 'parts', join(work, 'large.bin'))
  await client.copyObject(name, 'copy', `/${name}/kms`)
  for (const [key, expected, algorithm] of [
    ['kms', small, 'aws:kms'],
    ['parts', large, 'AES256'],
    ['copy', small, 'AES256'],
  ]) {
    assert.ok((await content(name, key)).equals(expected), key)
    const { metaData } = await client.statObject(name, key)
    assert.equal(metaData['x-amz-server-side-encryption'] ?? 'AES256', algorithm)
  }
  await client.removeBucketEncryption(name)
}

async function customerKey() {
  trustTls()
  const tls = connect(new URL(tlsEndpoint))
  const key = Buffer.alloc(32, 1)
  const SSECustomerKeyMD5 = createHash('md5').update(key).digest('base64')
  const reading = {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5,
  }
  const prefix = 'X-Amz-Server-Side-Encryption-Customer'
  await tls.makeBucket(bucket, region)
  await tls.putObject(bucket, 'k', small, small.length, {
    [`${prefix}-Algorithm`]: 'AES256',
    [`${prefix}-Key`]: reading.SSECustomerKey,
    [`${prefix}-Key-MD5`]: SSECustomerKeyMD5,
  })
  const get = async (options) =>
    Buffer.concat(await collect(await tls.getObject(bucket, 'k', options)))
  assert.deepEqual(await get(reading), small)
  await assert.rejects(get({}), { code: 'InvalidRequest' })
}

async function objectLock() {
  const name = `${bucket}-l`
  const denied = (promise) => assert.rejects(promise, { code: 'AccessDenied' })
  await client.makeBucket(name, region, { ObjectLocking: true })
  const { versionId } = await client.putObject(name, 'k', 'x')
  const until = (seconds) => new Date(Date.now() + seconds * 1000).toISOString()
  const retain = (seconds, governanceBypass) => {
    const retainUntilDate = until(seconds)
    const mode = 'GOVERNANCE'
    return client.putObjectRetention(name, 'k', {
      versionId,
      mode,
      retainUntilDate,
      governanceBypass,
    })
  }
  await retain(3600, false)
  await denied(client.removeObject(name, 'k', { versionId }))
  await denied(retain(60, false))
  await retain(60, true)
  assert.equal((await client.getObjectRetention(name, 'k', { versionId })).mode, 'GOVERNANCE')
  const bypass = () => client.removeObject(name, 'k', { versionId, governanceBypass: true })
  await client.setObjectLegalHold(name, 'k', { versionId, status: 'ON' })
  await denied(bypass())
  await client.setObjectLegalHold(name, 'k', { versionId, status: 'OFF' })
  await bypass()
  await client.setObjectLockConfig(name, { mode: 'COMPLIANCE', unit: 'Days', validity: 1 })
  const kept = await client.getObjectLockConfig(name)
  assert.partialDeepStrictEqual(kept, { mode: 'COMPLIANCE', unit: 'Days', validity: 1 })
  const held = await client.putObject(name, 'k', 'x')
  const options = { versionId: held.versionId, governanceBypass: true }
  await denied(client.removeObject(name, 'k', options))
}

async function postPolicy() {
  const policy = client.newPostPolicy()
  policy.setBucket(bucket)
  policy.setKeyStartsWith('forms/')
  policy.setExpires(new Date(Date.now() + 300_000))
  policy.setContentLengthRange(1, 2000)
  policy.setUserMetaData({ color: 'green' })
  const { postURL, formData } = await client.presignedPostPolicy(policy)
  const post = (key, sent) => postForm(postURL, { ...formData, key }, sent)
  assert.equal(await post('forms/${filename}', small), 204)
  assert.equal((await client.statObject(bucket, 'forms/f')).metaData.color, 'green')
  assert.equal(await post('forms/f', large), 400)
  assert.equal(await post('elsewhere', small), 403)
}

async function select() {
  await client.putObject(bucket, 'people.csv', 'id,name\n1,Ann\n2,"B,ob"\n')
  const results = await client.selectObjectContent(bucket, 'people.csv', {
    expression: 'SELECT s.name FROM S3Object s WHERE s.id > 1',
    expressionType: 'SQL',
    inputSerialization: {
      CSV: { FileHeaderInfo: 'Use', RecordDelimiter: '\n', FieldDelimiter: ',' },
      CompressionType: 'NONE',
    },
    outputSerialization: { JSON: { RecordDelimiter: '\n' } },
    requestProgress: { Enabled: true },
  })
  assert.equal(results.getRecords().toString(), '{"name":"B,ob"}\n')
  assert.match(results.getStats(), /BytesScanned/)
}

await runSteps({
  'make-bucket': async () => {
    await client.makeBucket(bucket, region)
    assert.ok(await client.bucketExists(bucket))
    assert.ok((await client.listBuckets()).some(({ name }) => name === bucket))
  },
  'put-small': () =>
    client.putObject(bucket, 'small', small, small.length, {
      'Content-Type': 'text/plain',
      color: 'green',
    }),
  'get-small': async () => {
    assert.deepEqual(await content(bucket, 'small'), small)
    const { metaData } = await client.statObject(bucket, 'small')
    assert.equal(metaData.color, 'green')
    const stream = await client.getPartialObject(bucket, 'small', 10, 10)
    assert.deepEqual(Buffer.concat(await collect(stream)), small.subarray(10, 20))
  },
  'put-multipart': async () => {
    await client.fPutObject(bucket, 'large', join(work, 'large.bin'))
    assert.match((await client.statObject(bucket, 'large')).etag, /-3$/)
  },
  'get-multipart': async () => assert.ok((await content(bucket, 'large')).equals(large)),
  'list-1000': async () => {
    for (const key of manyKeys) await client.putObject(bucket, key, 'x')
    assert.deepEqual(await keysBelow('many/'), manyKeys)
  },
  copy: async () => {
    await client.copyObject(bucket, 'copied', `/${bucket}/large`)
    assert.equal((await client.statObject(bucket, 'copied')).size, large.length)
  },
  versions: async () => {
    const name = `${bucket}-v`
    await client.makeBucket(name, region)
    await client.setBucketVersioning(name, { Status: 'Enabled' })
    const first = await client.putObject(name, 'k', 'one')
    await client.putObject(name, 'k', 'two')
    await client.removeObject(name, 'k')
    assert.equal((await content(name, 'k', { versionId: first.versionId })).toString(), 'one')
    const listed = await collect(client.listObjects(name, '', true, { IncludeVersion: true }))
    assert.equal(listed.length, 3)
    for (const { versionId } of listed) await client.removeObject(name, 'k', { versionId })
    await client.removeBucket(name)
  },
  presigned: async () => {
    assert.deepEqual(await fetchBytes(await client.presignedGetObject(bucket, 'small', 300)), small)
    const url = await client.presignedPutObject(bucket, 'put by url', 300)
    const reply = await fetch(url, { method: 'PUT', body: 'by url' })
    assert.equal(reply.status, 200, await reply.text())
  },
  select,
  encryption: kmsKey && encryption,
  'customer-key': tlsEndpoint && customerKey,
  'object-lock': objectLock,
  'post-policy': postPolicy,
  delete: async () => {
    await client.removeObjects(bucket, await keysBelow(''))
    await assert.rejects(client.statObject(bucket, 'small'), { code: 'NotFound' })
  },
  'remove-bucket': () => client.removeBucket(bucket),
})
