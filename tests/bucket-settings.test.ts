/**
 * Settings of buckets, also those that MinIO has no place for and those that it could not read: Cairn writes them, a real MinIO
 * serves and changes the buckets, and Cairn finds them again.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { minioProgram } from './lib/programs.ts'
import type { S3Driver, S3Reply } from './lib/s3-driver.ts'
import { type ServerKind, startServer } from './lib/server.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const minioMissing = await minioProgram().then(
  () => false as const,
  (error: unknown) => `no MinIO program: ${String(error)}`,
)
const CREDENTIALS = { accessKey: 'cairnadmin', secretKey: 'cairnadmin-secret' }
const DRIVES = ['d1', 'd2', 'd3', 'd4']

interface Setting {
  readonly name: string
  readonly key: string
  /** `BUCKET` stands for its name. */
  readonly document: string
  /** What Cairn shows before and after. */
  readonly shown: RegExp
  /** What MinIO answers to GET of it: a pattern of the document, or the code of its error. */
  readonly minio: RegExp | string
  /** What anybody gets of an object from MinIO. */
  readonly anonymous?: number
}

const POLICY = (over: Readonly<Record<string, unknown>>, version = '2012-10-17'): string =>
  JSON.stringify({
    Version: version,
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::BUCKET/*',
        ...over,
      },
    ],
  })
const RULE = (content: string): string =>
  `<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status>${content}</Rule></LifecycleConfiguration>`
const ABORT =
  '<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>'

const SETTINGS: readonly Setting[] = [
  {
    name: 'a rule that MinIO does not know',
    key: 'lifecycle',
    document: RULE(`<Filter/>${ABORT}`),
    shown: /<DaysAfterInitiation>2</,
    minio: /<ID>r</,
  },
  {
    name: 'a rule that MinIO knows in part',
    key: 'lifecycle',
    document: RULE(
      `<Filter><Prefix>a</Prefix></Filter><Expiration><Days>5</Days></Expiration>${ABORT}`,
    ),
    shown: /<DaysAfterInitiation>2</,
    minio: /<Prefix>a<.*<Days>5</,
  },
  {
    name: 'CORS',
    key: 'cors',
    document:
      '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>',
    shown: /<AllowedOrigin>\*</,
    minio: 'NoSuchCORSConfiguration',
  },
  {
    name: 'a public access block',
    key: 'publicAccessBlock',
    document:
      '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>',
    shown: /<BlockPublicAcls>true</,
    minio: 'NotImplemented',
  },
  {
    name: 'a policy',
    key: 'policy',
    document: POLICY({}),
    shown: /2012-10-17/,
    minio: /GetObject/,
    anonymous: 200,
  },
  {
    name: 'a policy of an older version',
    key: 'policy',
    document: POLICY({}, '2008-10-17'),
    shown: /2008-10-17/,
    minio: /GetObject/,
    anonymous: 200,
  },
  {
    name: 'a policy with a condition that MinIO does not know',
    key: 'policy',
    document: POLICY({ Condition: { StringEqualsIfExists: { 'aws:Referer': 'x' } } }),
    shown: /IfExists/,
    minio: 'NoSuchBucketPolicy',
    anonymous: 403,
  },
  {
    name: 'tags in any script',
    key: 'tagging',
    document:
      '<Tagging><TagSet><Tag><Key>ключ</Key><Value>ü</Value></Tag><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
    shown: /<Key>ключ<.*<Key>a</,
    minio: /<Key>a</,
  },
]

function bucketOf(index: number): string {
  return `settings-${index}`
}

function send(
  client: S3Driver,
  method: string,
  target: { readonly bucket: string; readonly key: string; readonly body?: string },
): Promise<S3Reply> {
  const { bucket, key, body } = target
  const query = { [key]: '' }
  if (body === undefined) return client.send({ method, bucket, query })
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
  return client.send({ method, bucket, query, headers, body })
}

/** Runs `work` against a server on the drives, and stops it. */
async function within(
  kind: ServerKind,
  folder: string,
  work: (client: S3Driver, endpoint: string) => Promise<void>,
): Promise<void> {
  await using server = await startServer({ kind, folder, drives: DRIVES, credentials: CREDENTIALS })
  await work(server.client, server.endpoint)
  await server.stop()
}

test('settings of buckets live through a time with MinIO', { skip: minioMissing }, async () => {
  using folder = new TemporaryFolder()
  await within('cairn', folder.path, async (client) => {
    for (const [index, { name, key, document }] of SETTINGS.entries()) {
      const bucket = bucketOf(index)
      await client.must({ method: 'PUT', bucket })
      await client.must({ method: 'PUT', bucket, key: 'object', body: 'x' })
      const body = document.replaceAll('BUCKET', bucket)
      const reply = await send(client, 'PUT', { bucket, key, body })
      assert.ok(reply.status === 200 || reply.status === 204, `${name}: ${reply.text}`)
    }
  })
  await within('minio', folder.path, async (client, endpoint) => {
    for (const [index, { name, key, minio, anonymous = 403 }] of SETTINGS.entries()) {
      const bucket = bucketOf(index)
      await client.must({ method: 'GET', bucket, key: 'object' })
      await client.must({ method: 'PUT', bucket, key: 'another', body: 'x' })
      const reply = await send(client, 'GET', { bucket, key })
      if (typeof minio === 'string') assert.equal(reply.code, minio, name)
      else assert.match(reply.text, minio, name)
      const open = await fetch(`${endpoint}/${bucket}/object`)
      await open.arrayBuffer()
      assert.equal(open.status, anonymous, name)
      // A change of its own makes MinIO write the metadata of the bucket anew.
      const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
      assert.equal((await send(client, 'PUT', { bucket, key: 'versioning', body })).status, 200)
    }
  })
  await within('cairn', folder.path, async (client) => {
    for (const [index, { name, key, shown }] of SETTINGS.entries()) {
      const reply = await send(client, 'GET', { bucket: bucketOf(index), key })
      assert.match(reply.text, shown, name)
      const versioning = await send(client, 'GET', { bucket: bucketOf(index), key: 'versioning' })
      assert.match(versioning.text, /Enabled/)
    }
  })
})

test('a bucket that MinIO removed leaves no settings behind', { skip: minioMissing }, async () => {
  using folder = new TemporaryFolder()
  const bucket = 'again'
  const [, , cors] = SETTINGS
  await within('cairn', folder.path, async (client) => {
    await client.must({ method: 'PUT', bucket })
    await send(client, 'PUT', { bucket, key: 'cors', body: cors?.document ?? '' })
  })
  await within('minio', folder.path, async (client) => {
    await client.must({ method: 'DELETE', bucket })
    await client.must({ method: 'PUT', bucket })
  })
  await within('cairn', folder.path, async (client) => {
    assert.equal(
      (await send(client, 'GET', { bucket, key: 'cors' })).code,
      'NoSuchCORSConfiguration',
    )
  })
})
