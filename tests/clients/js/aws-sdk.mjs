// The steps of every client, with the AWS SDK for JavaScript v3.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import assert from 'node:assert/strict'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  paginateListObjectsV2,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import {
  accessKey,
  bucket,
  endpoint,
  fetchBytes,
  manyKeys,
  read,
  region,
  runSteps,
  secretKey,
} from './steps.mjs'

const s3 = new S3Client({
  endpoint: endpoint.href,
  region,
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
})
const small = read('small.bin')
const large = read('large.bin')
const bytes = async (reply) => Buffer.from(await reply.Body.transformToByteArray())

async function keysBelow(Prefix) {
  const keys = []
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix })) {
    keys.push(...(page.Contents ?? []).map((item) => item.Key))
  }
  return keys
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
