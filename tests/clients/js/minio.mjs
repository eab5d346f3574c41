// The steps of every client, with the MinIO client for JavaScript.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import * as Minio from 'minio'
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
  work,
} from './steps.mjs'

const client = new Minio.Client({
  endPoint: endpoint.hostname,
  port: Number(endpoint.port),
  useSSL: false,
  accessKey,
  secretKey,
  region,
  partSize: 5 * 1024 * 1024,
})
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
  delete: async () => {
    await client.removeObjects(bucket, await keysBelow(''))
    await assert.rejects(client.statObject(bucket, 'small'), { code: 'NotFound' })
  },
  'remove-bucket': () => client.removeBucket(bucket),
})
