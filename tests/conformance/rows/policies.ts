/** What the policy of a bucket denies to the root key (s3-api.md 7.1: evaluate for all, deny wins, the owner can recover). */
import { tarOf, zipOf } from '#testing/archives'
import { post } from '../forms.ts'
import type { Reply } from '../reply.ts'
import { type Rule, rule, rules } from '../rule.ts'
import { md5Base64, type Trial } from '../trial.ts'
import type { Pairs } from '../wire.ts'

const SSE = 's3:x-amz-server-side-encryption'
const LOCK =
  '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
const TAGGING = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'
const VERSIONING = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
const LIFECYCLE =
  '<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>a</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>'

/** Puts a policy that denies `action`; objects are all of those below `key`, empty for the bucket itself. */
async function deny(
  t: Trial,
  bucket: string,
  action: string | readonly string[],
  { key = '*', condition }: { key?: string; condition?: unknown } = {},
): Promise<void> {
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: action,
        Resource: `arn:aws:s3:::${bucket}${key === '' ? '' : `/${key}`}`,
        ...(condition === undefined ? {} : { Condition: condition }),
      },
    ],
  })
  ;(await t.sub('PUT', bucket, { policy: '' }, policy)).is(204)
}

function put(t: Trial, bucket: string, kind: string, document: string): Promise<Reply> {
  return t.sub('PUT', bucket, { [kind]: '' }, document, { 'content-md5': md5Base64(document) })
}

const ON_OBJECTS: readonly (readonly [
  action: string,
  what: string,
  ask: (t: Trial, bucket: string) => Promise<Reply>,
])[] = [
  ['s3:GetObject', 'a read', (t, b) => t.get(b, 'k')],
  ['s3:GetObject', 'a look at an object', (t, b) => t.head(b, 'k')],
  ['s3:GetObject', 'a copy from it', async (t, b) => t.copy(await t.own(), 'k', `${b}/k`)],
  [
    's3:GetObject',
    'a part copied from it',
    async (t, b) => {
      const target = await t.own()
      const uploadId = await t.begin(target, 'k')
      return t.copy(target, 'k', `${b}/k`, {}, { partNumber: '1', uploadId })
    },
  ],
  [
    's3:GetObject',
    'attributes',
    (t, b) =>
      t.of('GET', b, 'k', { attributes: '' }, undefined, { 'x-amz-object-attributes': 'ETag' }),
  ],
  [
    's3:GetObjectAttributes',
    'attributes',
    (t, b) =>
      t.of('GET', b, 'k', { attributes: '' }, undefined, { 'x-amz-object-attributes': 'ETag' }),
  ],
  [
    's3:GetObject',
    'a member of an archive',
    (t, b) => t.get(b, 'zip.zip/a.txt', { 'x-minio-extract': 'true' }),
  ],
  [
    's3:GetObject',
    'a query',
    (t, b) =>
      t.of('POST', b, 'k', { select: '', 'select-type': '2' }, '<SelectObjectContentRequest/>'),
  ],
  ['s3:GetObjectTagging', 'tags', (t, b) => t.of('GET', b, 'k', { tagging: '' })],
  ['s3:PutObjectTagging', 'new tags', (t, b) => t.of('PUT', b, 'k', { tagging: '' }, TAGGING)],
  ['s3:DeleteObjectTagging', 'the end of tags', (t, b) => t.of('DELETE', b, 'k', { tagging: '' })],
  ['s3:GetObjectAcl', 'an access control list', (t, b) => t.of('GET', b, 'k', { acl: '' })],
  [
    's3:PutObjectAcl',
    'a new access control list',
    (t, b) => t.of('PUT', b, 'k', { acl: '' }, '', { 'x-amz-acl': 'private' }),
  ],
  ['s3:PutObject', 'a write', (t, b) => t.put(b, 'k')],
  ['s3:PutObject', 'a form', (t, b) => post(t, { bucket: b, key: 'k' })],
  ['s3:PutObject', 'an append', (t, b) => t.put(b, 'k', 'x', { 'x-amz-write-offset-bytes': '4' })],
  ['s3:PutObject', 'a copy to it', (t, b) => t.copy(b, 'k2', `${b}/k`)],
  [
    's3:PutObject',
    'an archive',
    (t, b) =>
      t.put(b, 'a.tar', tarOf([{ name: 'x', data: 'x' }]), {
        'x-amz-meta-snowball-auto-extract': 'true',
      }),
  ],
  ['s3:PutObject', 'the beginning of an upload', (t, b) => t.of('POST', b, 'k', { uploads: '' })],
  ['s3:PutObject', 'a part', (t, b) => t.part(b, 'k', 'x', 1, 'part')],
  ['s3:PutObject', 'the end of an upload', (t, b) => t.complete(b, 'k', 'x', [[1, 'x']])],
  [
    's3:AbortMultipartUpload',
    'an upload given up',
    (t, b) => t.of('DELETE', b, 'k', { uploadId: 'x' }),
  ],
  [
    's3:ListMultipartUploadParts',
    'a list of parts',
    (t, b) => t.of('GET', b, 'k', { uploadId: 'x' }),
  ],
  ['s3:DeleteObject', 'a deletion', (t, b) => t.delete(b, 'k')],
  [
    's3:DeleteObject',
    'a deletion of all below',
    (t, b) => t.delete(b, 'k', { 'x-minio-force-delete': 'true' }),
  ],
  [
    's3:DeleteObject',
    'a deletion of the bucket with all in it',
    (t, b) => t.sub('DELETE', b, {}, undefined, { 'x-minio-force-delete': 'true' }),
  ],
  [
    's3:DeleteObjectVersion',
    'a deletion of a version',
    (t, b) => t.delete(b, 'k', {}, { versionId: 'null' }),
  ],
  [
    's3:GetObjectVersion',
    'a read of a version',
    (t, b) => t.get(b, 'k', {}, { versionId: 'null' }),
  ],
  [
    's3:DeleteObject',
    'a new name',
    (t, b) =>
      t.of('PUT', b, 'k2', { renameObject: '' }, undefined, { 'x-amz-rename-source': `/${b}/k` }),
  ],
]

const ON_BUCKETS: readonly (readonly [
  action: string,
  what: string,
  ask: (t: Trial, bucket: string) => Promise<Reply>,
])[] = [
  ['s3:ListBucket', 'a list V1', (t, b) => t.list(b)],
  ['s3:ListBucket', 'a list V2', (t, b) => t.listV2(b)],
  ['s3:ListBucket', 'a look at a bucket', (t, b) => t.sub('HEAD', b, {})],
  ['s3:ListBucketVersions', 'a list of versions', (t, b) => t.listVersions(b)],
  [
    's3:ListBucketMultipartUploads',
    'a list of uploads',
    (t, b) => t.sub('GET', b, { uploads: '' }),
  ],
  ['s3:GetBucketLocation', 'the location', (t, b) => t.sub('GET', b, { location: '' })],
  ['s3:DeleteBucket', 'a deletion of a bucket', (t, b) => t.sub('DELETE', b, {})],
  ['s3:GetBucketAcl', 'the list of a bucket', (t, b) => t.sub('GET', b, { acl: '' })],
  [
    's3:GetBucketPolicyStatus',
    'the status of a policy',
    (t, b) => t.sub('GET', b, { policyStatus: '' }),
  ],
  ['s3:PutBucketTagging', 'tags of a bucket', (t, b) => put(t, b, 'tagging', TAGGING)],
  ['s3:GetBucketTagging', 'a look at tags of a bucket', (t, b) => t.sub('GET', b, { tagging: '' })],
  ['s3:PutBucketVersioning', 'versioning', (t, b) => put(t, b, 'versioning', VERSIONING)],
  ['s3:PutLifecycleConfiguration', 'a lifecycle', (t, b) => put(t, b, 'lifecycle', LIFECYCLE)],
  [
    's3:GetLifecycleConfiguration',
    'a look at a lifecycle',
    (t, b) => t.sub('GET', b, { lifecycle: '' }),
  ],
  ['s3:PutBucketObjectLockConfiguration', 'a lock', (t, b) => put(t, b, 'object-lock', LOCK)],
  [
    's3:GetEncryptionConfiguration',
    'a look at encryption',
    (t, b) => t.sub('GET', b, { encryption: '' }),
  ],
  [
    's3:GetBucketPublicAccessBlock',
    'an access block',
    (t, b) => t.sub('GET', b, { publicAccessBlock: '' }),
  ],
  ['s3:GetBucketCORS', 'rules for origins', (t, b) => t.sub('GET', b, { cors: '' })],
  ['s3:PutBucketCORS', 'the end of rules for origins', (t, b) => t.sub('DELETE', b, { cors: '' })],
  ['s3:GetBucketLogging', 'logging', (t, b) => t.sub('GET', b, { logging: '' })],
  ['s3:GetAccelerateConfiguration', 'acceleration', (t, b) => t.sub('GET', b, { accelerate: '' })],
  [
    's3:GetBucketRequestPayment',
    'request payment',
    (t, b) => t.sub('GET', b, { requestPayment: '' }),
  ],
  ['s3:GetBucketWebsite', 'a website', (t, b) => t.sub('GET', b, { website: '' })],
]

const ZIP = zipOf([{ name: 'a.txt', data: 'first' }])

/** Whatever else it may be: what is denied elsewhere is not denied here. */
function isLet(reply: Reply): void {
  if (reply.status === 403) reply.fail('no denial')
}

const denials: readonly Rule[] = [
  ...rules('7.1', ON_OBJECTS, ([action, what, ask]) => [
    `a denial of ${action} binds the root key: ${what}`,
    async (t) => {
      const bucket = await t.own()
      await t.fill(bucket, ['k'])
      ;(await t.put(bucket, 'zip.zip', ZIP)).is(200)
      await deny(t, bucket, action)
      ;(await ask(t, bucket)).is(403, 'AccessDenied')
      await deny(t, bucket, action, { key: 'elsewhere/*' })
      if (!what.startsWith('a deletion of the bucket')) isLet(await ask(t, bucket))
    },
  ]),
  ...rules('7.1', ON_BUCKETS, ([action, what, ask]) => [
    `a denial of ${action} binds the root key: ${what}`,
    async (t) => {
      const bucket = await t.own()
      isLet(await ask(t, await t.own()))
      await deny(t, bucket, action, { key: '' })
      ;(await ask(t, bucket)).is(403, 'AccessDenied')
    },
  ]),
]

const NO_OTHER = { StringNotEquals: { [SSE]: 'AES256' } }

const owners: readonly Rule[] = [
  rule('7.1', 'the owner can take back a policy that denies everything', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['k'])
    await deny(t, bucket, '*')
    ;(await t.get(bucket, 'k')).is(403, 'AccessDenied')
    ;(await t.sub('GET', bucket, { policy: '' })).is(200).mentions('Deny')
    await deny(t, bucket, ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'], {
      key: '',
    })
    ;(await t.get(bucket, 'k')).is(200)
    ;(await t.sub('GET', bucket, { policy: '' })).is(200)
    ;(await t.sub('DELETE', bucket, { policy: '' })).is(204)
  }),
  rule('7.1', 'a denial binds in DeleteObjects, entry by entry', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['free', 'held'])
    await deny(t, bucket, 's3:DeleteObject', { key: 'held' })
    const document =
      '<Delete><Object><Key>free</Key></Object><Object><Key>held</Key></Object></Delete>'
    ;(await t.deleteMany(bucket, document))
      .is(200)
      .shows('Deleted.Key', 'free')
      .shows('Error.Key', 'held')
      .shows('Error.Code', 'AccessDenied')
    ;(await t.get(bucket, 'held')).is(200)
  }),
  rule('7.1', 'a denial further down keeps all above from being deleted at once', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a/b/held', 'a/free', 'c'])
    await deny(t, bucket, 's3:DeleteObject', { key: 'a/b/*' })
    const force: Pairs = { 'x-minio-force-delete': 'true' }
    ;(await t.delete(bucket, 'a/', force)).is(403, 'AccessDenied')
    ;(await t.sub('DELETE', bucket, {}, undefined, force)).is(403, 'AccessDenied')
    ;(await t.delete(bucket, 'c', force)).is(204)
    ;(await t.listV2(bucket)).shows('Contents.Key', 'a/b/held', 'a/free')
  }),
  rule('7.1', 'a denial asks for the header of a write', async (t) => {
    const bucket = await t.own()
    await deny(t, bucket, 's3:PutObject', { condition: { Null: { [SSE]: 'true' } } })
    ;(await t.put(bucket, 'k')).is(403, 'AccessDenied')
    isLet(await t.put(bucket, 'k', 'x', { 'x-amz-server-side-encryption': 'other' }))
    await deny(t, bucket, 's3:PutObject', { condition: NO_OTHER })
    ;(await t.put(bucket, 'k', 'x', { 'x-amz-server-side-encryption': 'aws:kms' })).is(
      403,
      'AccessDenied',
    )
  }),
  rule('7.1', 'what a denial asks of the beginning of an upload it asks of no part', async (t) => {
    const bucket = await t.own()
    await deny(t, bucket, 's3:PutObject', {
      condition: { StringNotEquals: { 's3:x-amz-storage-class': 'REDUCED_REDUNDANCY' } },
    })
    ;(await t.of('POST', bucket, 'k', { uploads: '' })).is(403, 'AccessDenied')
    await t.multipart(bucket, 'k', ['part'], { 'x-amz-storage-class': 'REDUCED_REDUNDANCY' })
    ;(await t.get(bucket, 'k')).is(200).contains('part')
  }),
  rule('7.1', 'a denial may leave out what makes no object yet', async (t) => {
    const bucket = await t.own()
    await deny(t, bucket, 's3:PutObject', {
      condition: {
        Null: { 's3:if-none-match': 'true' },
        Bool: { 's3:ObjectCreationOperation': 'true' },
      },
    })
    ;(await t.put(bucket, 'k')).is(403, 'AccessDenied')
    ;(await t.put(bucket, 'k', 'x', { 'if-none-match': '*' })).is(200)
    const uploadId = await t.begin(bucket, 'k2')
    const etag = (await t.part(bucket, 'k2', uploadId, 1, 'part')).is(200).header('etag')
    ;(await t.complete(bucket, 'k2', uploadId, [[1, etag]])).is(403, 'AccessDenied')
    ;(await t.complete(bucket, 'k2', uploadId, [[1, etag]], { 'if-none-match': '*' })).is(200)
  }),
  rule('7.1', 'a denial sees the stored tags of an object', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'secret', 'x', { 'x-amz-tagging': 'level=secret' })).is(200)
    await t.fill(bucket, ['k'])
    await deny(t, bucket, 's3:GetObject', {
      condition: { StringEquals: { 's3:ExistingObjectTag/level': 'secret' } },
    })
    ;(await t.get(bucket, 'secret')).is(403, 'AccessDenied')
    ;(await t.copy(bucket, 'k2', `${bucket}/secret`)).is(403, 'AccessDenied')
    ;(await t.get(bucket, 'k')).is(200)
  }),
  rule('7.1', 'a denial sees where a request comes from and how', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['k'])
    await deny(t, bucket, 's3:GetObject', {
      condition: { NotIpAddress: { 'aws:SourceIp': '192.0.2.0/24' } },
    })
    ;(await t.get(bucket, 'k')).is(403, 'AccessDenied')
    await deny(t, bucket, 's3:GetObject', {
      condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } },
    })
    ;(await t.get(bucket, 'k')).is(200)
  }),
  rule('7.1', 'a denial to others does not bind the root key', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['k'])
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Deny',
          Principal: { AWS: 'arn:aws:iam::123456789012:user/somebody' },
          Action: 's3:GetObject',
          Resource: `arn:aws:s3:::${bucket}/*`,
        },
      ],
    })
    ;(await t.sub('PUT', bucket, { policy: '' }, policy)).is(204)
    ;(await t.get(bucket, 'k')).is(200)
  }),
  rule('7.1', 'a denial holds while public access is restricted', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['k'])
    const statement = { Principal: '*', Resource: `arn:aws:s3:::${bucket}/*` }
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { ...statement, Effect: 'Allow', Action: 's3:GetObject' },
        { ...statement, Effect: 'Deny', Action: 's3:DeleteObject' },
      ],
    })
    ;(await t.sub('PUT', bucket, { policy: '' }, policy)).is(204)
    const block =
      '<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>'
    ;(await put(t, bucket, 'publicAccessBlock', block)).is(200)
    ;(await t.get(bucket, 'k')).is(200)
    ;(await t.delete(bucket, 'k')).is(403, 'AccessDenied')
  }),
]

export const policies: readonly Rule[] = [...denials, ...owners]
