import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { customerKey as customer } from '#testing/customer-key'
import { type S3Harness, type S3Reply, startS3 } from '#testing/s3-harness'

type Headers = Readonly<Record<string, string>>

const SSE_KMS = {
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-context': Buffer.from('{"a":"1"}').toString('base64'),
}

/** What an object is put with, and what every later request about it must send. */
const KINDS: readonly (readonly [string, Headers, Headers])[] = [
  ['plain', {}, {}],
  ['SSE-S3', { 'x-amz-server-side-encryption': 'AES256' }, {}],
  ['SSE-KMS', SSE_KMS, {}],
  ['SSE-C', customer(1), customer(1)],
]

let s3: S3Harness
before(async () => {
  s3 = await startS3({ kmsSecret: 'my-minio-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw=' })
  await s3.make('bucket')
})
after(() => s3.close())

function rename(from: string, to: string, headers: Headers = {}): Promise<S3Reply> {
  return s3.send({
    method: 'PUT',
    bucket: 'bucket',
    key: to,
    query: { renameObject: '' },
    headers: { 'x-amz-rename-source': `bucket/${from}`, ...headers },
  })
}

/** What is the same under both names. */
function shapeOf({ status, headers }: S3Reply): readonly unknown[] {
  const names = Object.keys(headers).filter((name) =>
    /^(content-(type|length)|cache-control|etag|x-amz-(?!request-id|id-2))/.test(name),
  )
  return [status, ...names.toSorted().map((name) => [name, headers[name]])]
}

for (const [kind, asked, needed] of KINDS) {
  test(`an object, ${kind}, stays what it is under another name`, async () => {
    const content = 'text '.repeat(40_000)
    await s3.put('bucket', kind, content, {
      ...asked,
      'cache-control': 'no-cache',
      'content-type': 'text/x',
      'x-amz-meta-a': 'b',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-tagging': 't=1',
      'x-amz-website-redirect-location': '/there',
      'x-amz-checksum-algorithm': 'SHA256',
      'x-amz-checksum-sha256': createHash('sha256').update(content).digest('base64'),
    })
    const read = (method: string, key: string): Promise<S3Reply> =>
      s3.send({
        method,
        bucket: 'bucket',
        key,
        headers: { ...needed, 'x-amz-checksum-mode': 'ENABLED' },
      })
    const before = await read('HEAD', kind)
    assert.equal(before.status, 200)
    const reply = await rename(kind, `${kind}/new`, needed)
    assert.equal(reply.status, 200, reply.text)
    const after = await read('GET', `${kind}/new`)
    assert.equal(after.text, content)
    const isRandom = kind === 'SSE-KMS' || kind === 'SSE-C'
    const withoutEtag = (shape: readonly unknown[]): readonly unknown[] =>
      shape.filter((pair) => !Array.isArray(pair) || pair[0] !== 'etag')
    const shapes = [before, after].map((each) =>
      isRandom ? withoutEtag(shapeOf(each)) : shapeOf(each),
    )
    assert.deepEqual(shapes[1], shapes[0])
    assert.equal((await read('HEAD', kind)).status, 404)
  })
}

test('an object with a key of its client is not renamed without it, nor with another', async () => {
  await s3.put('bucket', 'own', 'text', customer(1))
  for (const headers of [{}, customer(2)]) {
    const reply = await rename('own', 'elsewhere', headers)
    assert.ok(reply.status === 400 || reply.status === 403, reply.text)
  }
  const got = await s3.send({ method: 'GET', bucket: 'bucket', key: 'own', headers: customer(1) })
  assert.equal(got.text, 'text')
  const absent = await s3.send({ method: 'HEAD', bucket: 'bucket', key: 'elsewhere' })
  assert.equal(absent.status, 404)
})
