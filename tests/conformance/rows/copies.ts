/** Copies, renames and appends (s3-api.md 4.2.4, 1.4). */
import { createHash } from 'node:crypto'
import { type Rule, rule, rules } from '../rule.ts'
import { bigPart, check, md5Hex, type Trial } from '../trial.ts'
import type { Pairs } from '../wire.ts'

const ETAG = `"${md5Hex('data')}"`
const OTHER = `"${md5Hex('other')}"`
const PAST = new Date(Date.now() - 86_400_000).toUTCString()
const FUTURE = new Date(Date.now() + 86_400_000).toUTCString()

async function from(
  t: Trial,
  headers: Pairs = {},
): Promise<{ bucket: string; key: string; name: string }> {
  const bucket = await t.shared()
  const key = `${t.key}-source`
  ;(await t.put(bucket, key, 'data', headers)).is(200)
  return { bucket, key, name: `${bucket}/${key}` }
}

const SOURCE_CONDITIONS: readonly (readonly [string, Pairs, number])[] = [
  ['if-match of its tag', { 'x-amz-copy-source-if-match': ETAG }, 200],
  ['if-match of another tag', { 'x-amz-copy-source-if-match': OTHER }, 412],
  ['if-none-match of its tag', { 'x-amz-copy-source-if-none-match': ETAG }, 412],
  ['if-none-match of another tag', { 'x-amz-copy-source-if-none-match': OTHER }, 200],
  ['if-modified-since the past', { 'x-amz-copy-source-if-modified-since': PAST }, 200],
  ['if-modified-since the future', { 'x-amz-copy-source-if-modified-since': FUTURE }, 412],
  ['if-unmodified-since the past', { 'x-amz-copy-source-if-unmodified-since': PAST }, 412],
  ['if-unmodified-since the future', { 'x-amz-copy-source-if-unmodified-since': FUTURE }, 200],
  [
    'if-match true and if-unmodified-since false',
    { 'x-amz-copy-source-if-match': ETAG, 'x-amz-copy-source-if-unmodified-since': PAST },
    200,
  ],
  [
    'if-none-match false and if-modified-since true',
    { 'x-amz-copy-source-if-none-match': ETAG, 'x-amz-copy-source-if-modified-since': PAST },
    412,
  ],
]

const copying: readonly Rule[] = [
  rule('4.2.4', 'a copy has content, metadata and tags of its source', async (t) => {
    const { bucket, name } = await from(t, {
      'content-type': 'text/css',
      'x-amz-meta-a': 'b',
      'x-amz-tagging': 'k=v',
      'cache-control': 'no-cache',
    })
    ;(await t.copy(bucket, t.key, name)).is(200).shows('ETag', ETAG).mentions('<LastModified>')
    ;(await t.get(bucket, t.key))
      .contains('data')
      .has('content-type', 'text/css')
      .has('x-amz-meta-a', 'b')
      .has('x-amz-tagging-count', '1')
      .has('cache-control', 'no-cache')
  }),
  rule('4.2.4', 'a source may begin with a slash', async (t) => {
    const { bucket, name } = await from(t)
    ;(await t.copy(bucket, t.key, `/${name}`)).is(200)
  }),
  rule('4.2.4', 'a source in the query stores nothing', async (t) => {
    const { bucket, name } = await from(t)
    const query = { 'x-amz-copy-source': name }
    const path = `/${bucket}/${t.key}`
    ;(await t.wire.send({ method: 'PUT', path, query })).is(400, 'InvalidRequest')
    ;(await t.head(bucket, t.key)).is(404)
  }),
  rule('4.2.4', 'REPLACE takes the metadata of the request', async (t) => {
    const { bucket, name } = await from(t, { 'x-amz-meta-a': 'b', 'content-type': 'text/css' })
    ;(
      await t.copy(bucket, t.key, name, {
        'x-amz-metadata-directive': 'REPLACE',
        'x-amz-meta-c': 'd',
        'content-type': 'text/html',
      })
    ).is(200)
    ;(await t.head(bucket, t.key))
      .has('x-amz-meta-a', null)
      .has('x-amz-meta-c', 'd')
      .has('content-type', 'text/html')
  }),
  rule('4.2.4', 'COPY ignores the metadata of the request', async (t) => {
    const { bucket, name } = await from(t, { 'x-amz-meta-a': 'b' })
    ;(
      await t.copy(bucket, t.key, name, { 'x-amz-metadata-directive': 'COPY', 'x-amz-meta-c': 'd' })
    ).is(200)
    ;(await t.head(bucket, t.key)).has('x-amz-meta-a', 'b').has('x-amz-meta-c', null)
  }),
  rule('4.2.4', 'REPLACE of tags takes those of the request', async (t) => {
    const { bucket, name } = await from(t, { 'x-amz-tagging': 'a=b' })
    ;(
      await t.copy(bucket, t.key, name, {
        'x-amz-tagging-directive': 'REPLACE',
        'x-amz-tagging': 'c=d',
      })
    ).is(200)
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).shows('TagSet.Tag.Key', 'c')
  }),
  rule('4.2.4', 'COPY of tags ignores those of the request', async (t) => {
    const { bucket, name } = await from(t, { 'x-amz-tagging': 'a=b' })
    ;(
      await t.copy(bucket, t.key, name, {
        'x-amz-tagging-directive': 'COPY',
        'x-amz-tagging': 'c=d',
      })
    ).is(200)
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).shows('TagSet.Tag.Key', 'a')
  }),
  ...rules('4.2.4', ['x-amz-metadata-directive', 'x-amz-tagging-directive'], (header) => [
    `an unknown ${header} is refused`,
    async (t) => {
      const { bucket, name } = await from(t)
      ;(await t.copy(bucket, t.key, name, { [header]: 'MERGE' })).is(400, 'InvalidArgument')
    },
  ]),
  rule('4.2.4', 'a copy onto itself that changes nothing is refused', async (t) => {
    const { bucket, key, name } = await from(t)
    ;(await t.copy(bucket, key, name)).is(400, 'InvalidRequest')
  }),
  rule('4.2.4', 'a copy onto itself replaces metadata and keeps the data', async (t) => {
    const { bucket, key, name } = await from(t, { 'x-amz-meta-a': 'b' })
    ;(
      await t.copy(bucket, key, name, {
        'x-amz-metadata-directive': 'REPLACE',
        'x-amz-meta-c': 'd',
      })
    )
      .is(200)
      .shows('ETag', ETAG)
    ;(await t.get(bucket, key)).contains('data').has('x-amz-meta-a', null).has('x-amz-meta-c', 'd')
  }),
  rule('4.2.4', 'a copy onto itself may change the storage class', async (t) => {
    const { bucket, key, name } = await from(t)
    ;(await t.copy(bucket, key, name, { 'x-amz-storage-class': 'REDUCED_REDUNDANCY' })).is(200)
    ;(await t.head(bucket, key)).has('x-amz-storage-class', 'REDUCED_REDUNDANCY')
  }),
  rule('4.2.4', 'a copy onto itself may name the storage class it has', async (t) => {
    const { bucket, key, name } = await from(t, { 'x-amz-meta-a': 'b' })
    ;(await t.copy(bucket, key, name, { 'x-amz-storage-class': 'STANDARD' })).is(200)
    ;(await t.get(bucket, key)).contains('data').has('x-amz-meta-a', 'b')
  }),
  rule('4.2.4', 'a source that is absent is named', async (t) => {
    const { bucket, name } = await from(t)
    const { bucket: other } = await from(t)
    ;(await t.copy(bucket, t.key, `${name}-absent`))
      .is(404, 'NoSuchKey')
      .shows('Key', `${name}-absent`.slice(bucket.length + 1))
    ;(await t.copy(other, t.key, 'no-such-bucket-here/key'))
      .is(404, 'NoSuchBucket')
      .shows('BucketName', 'no-such-bucket-here')
  }),
  rule('4.2.4', 'an old version is brought back by a copy onto itself', async (t) => {
    const bucket = await t.shared('versioned')
    const old = await t.putVersion(bucket, t.key, 'old')
    await t.putVersion(bucket, t.key, 'new')
    ;(await t.copy(bucket, t.key, `${bucket}/${t.key}?versionId=${old}`))
      .is(200)
      .has('x-amz-copy-source-version-id', old)
    ;(await t.get(bucket, t.key)).contains('old')
  }),
  rule(
    '4.2.4',
    'a copy in a versioned bucket is a version and names that of its source',
    async (t) => {
      const bucket = await t.shared('versioned')
      const id = await t.putVersion(bucket, `${t.key}-s`)
      ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-s`))
        .is(200)
        .has('x-amz-version-id', /./)
        .has('x-amz-copy-source-version-id', id)
    },
  ),
  rule('4.2.4', 'a copy between buckets works', async (t) => {
    const { name } = await from(t)
    const other = await t.own()
    ;(await t.copy(other, 'k', name)).is(200)
    ;(await t.get(other, 'k')).contains('data')
  }),
  rule('4.2.4', 'the website redirect of a source is not copied', async (t) => {
    const { bucket, name } = await from(t, { 'x-amz-website-redirect-location': '/there' })
    ;(await t.copy(bucket, t.key, name)).is(200)
    ;(await t.head(bucket, t.key)).is(200).has('x-amz-website-redirect-location', null)
    ;(await t.copy(bucket, t.key, name, { 'x-amz-website-redirect-location': '/else' })).is(200)
    ;(await t.head(bucket, t.key)).has('x-amz-website-redirect-location', '/else')
  }),
  rule('4.2.4', 'a copy of an upload has one tag for all its data', async (t) => {
    const bucket = await t.shared()
    await t.multipart(bucket, `${t.key}-s`, [bigPart('a'), 'tail'])
    const whole = Buffer.concat([bigPart('a'), Buffer.from('tail')])
    ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-s`))
      .is(200)
      .shows('ETag', `"${md5Hex(whole)}"`)
    ;(await t.head(bucket, t.key)).has('content-length', String(whole.length))
  }),
  ...rules('4.2.4', SOURCE_CONDITIONS, ([what, headers, status]) => [
    `a copy with ${what} is ${status}`,
    async (t) => {
      const { bucket, name } = await from(t)
      ;(await t.copy(bucket, t.key, name, headers)).is(
        status,
        status === 412 ? 'PreconditionFailed' : '',
      )
    },
  ]),
  ...rules(
    '4.2.4',
    [
      ['a key that does not exist', (b: string) => `${b}/absent-for-sure`, 404, 'NoSuchKey'],
      ['a bucket that does not exist', () => 'conf-absent-bucket/key', 404, 'NoSuchBucket'],
      ['a bucket alone', (b: string) => `${b}/`, 400, 'InvalidArgument'],
      ['a slash alone', () => '/', 400, 'InvalidArgument'],
      ['a version that is no id', (b: string) => `${b}/x?versionId=abc`, 400, 'InvalidArgument'],
    ] as const,
    ([what, name, status, code]) => [
      `a copy from ${what} is ${status}`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.copy(bucket, t.key, name(bucket))).is(status, code)
      },
    ],
  ),
  rule('4.2.4', 'a copy into a bucket that does not exist is 404', async (t) => {
    const { name } = await from(t)
    ;(await t.copy(t.name(), 'k', name)).is(404, 'NoSuchBucket')
  }),
  rule('4.2.4', 'a deleted source is 404, its marker by id an invalid request', async (t) => {
    const bucket = await t.shared('versioned')
    await t.putVersion(bucket, `${t.key}-s`)
    const marker = (await t.delete(bucket, `${t.key}-s`)).header('x-amz-version-id')
    ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-s`)).is(404, 'NoSuchKey')
    ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-s?versionId=${marker}`)).is(
      400,
      'InvalidRequest',
    )
  }),
  ...rules(
    '4.2.4',
    [
      ['a blank', 'a b', 'a%20b'],
      ['a plus sign', 'a+b', 'a+b'],
      ['an escaped plus sign', 'a+b', 'a%2Bb'],
      ['a percent sign', 'a%20b', 'a%2520b'],
      ['accents', 'é', '%C3%A9'],
      ['a question mark', 'a?b', 'a%3Fb'],
    ] as const,
    ([what, key, sent]) => [
      `a source key with ${what} is decoded once`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, `${t.key}${key}`, key)).is(200)
        ;(await t.copy(bucket, `${t.key}-copy`, `${bucket}/${t.key}${sent}`)).is(200)
        ;(await t.get(bucket, `${t.key}-copy`)).contains(key)
      },
    ],
  ),
  rule('4.1', 'x-amz-source-expected-bucket-owner of somebody else is refused', async (t) => {
    const { bucket, name } = await from(t)
    ;(
      await t.copy(bucket, t.key, name, { 'x-amz-source-expected-bucket-owner': 'f'.repeat(64) })
    ).is(403, 'AccessDenied')
  }),
  rule('4.2.4', 'a suspended bucket gets copies as the null version', async (t) => {
    const bucket = await t.own('suspended')
    ;(await t.put(bucket, 's', 'data')).is(200)
    ;(await t.copy(bucket, 'd', `${bucket}/s`)).is(200)
    ;(await t.listVersions(bucket, { prefix: 'd' })).shows('Version.VersionId', 'null')
  }),
]

function rename(
  t: Trial,
  bucket: string,
  key: string,
  source: string,
  headers: Pairs = {},
): ReturnType<Trial['of']> {
  return t.of('PUT', bucket, key, { renameObject: '' }, undefined, {
    'x-amz-rename-source': source,
    ...headers,
  })
}

const renaming: readonly Rule[] = [
  rule('1.4', 'a renamed object has the new name only', async (t) => {
    const { bucket, key, name } = await from(t, { 'x-amz-meta-a': 'b', 'x-amz-tagging': 'k=v' })
    ;(await rename(t, bucket, t.key, `/${name}`)).is(200)
    ;(await t.get(bucket, t.key))
      .is(200)
      .contains('data')
      .has('etag', ETAG)
      .has('x-amz-meta-a', 'b')
      .has('x-amz-tagging-count', '1')
    ;(await t.get(bucket, key)).is(404, 'NoSuchKey')
  }),
  rule('1.4', 'a rename takes the key alone as its source', async (t) => {
    const { bucket, key } = await from(t)
    ;(await rename(t, bucket, t.key, encodeURIComponent(key))).is(200)
    ;(await t.get(bucket, t.key)).is(200).contains('data')
    ;(await t.get(bucket, key)).is(404, 'NoSuchKey')
  }),
  rule('1.4', 'a renamed upload keeps its content', async (t) => {
    const bucket = await t.shared()
    await t.multipart(bucket, `${t.key}-s`, [bigPart('a'), 'tail'])
    ;(await rename(t, bucket, t.key, `/${bucket}/${t.key}-s`)).is(200)
    ;(await t.get(bucket, t.key, { range: 'bytes=-5' })).is(206).contains('atail')
  }),
  rule('1.4', 'a renamed object replaces what has the name', async (t) => {
    const { bucket, name } = await from(t)
    ;(await t.put(bucket, t.key, 'was here')).is(200)
    ;(await rename(t, bucket, t.key, `/${name}`)).is(200)
    ;(await t.get(bucket, t.key)).contains('data')
  }),
  ...rules(
    '1.4',
    [
      ['if-none-match of a star over an object', { 'if-none-match': '*' }, 412],
      ['if-match of another tag', { 'if-match': ETAG }, 412],
      ['if-match of the tag', { 'if-match': OTHER }, 200],
      [
        'x-amz-rename-source-if-match of another tag',
        { 'x-amz-rename-source-if-match': OTHER },
        412,
      ],
      ['x-amz-rename-source-if-match of its tag', { 'x-amz-rename-source-if-match': ETAG }, 200],
      [
        'x-amz-rename-source-if-none-match of its tag',
        { 'x-amz-rename-source-if-none-match': ETAG },
        412,
      ],
      [
        'x-amz-rename-source-if-unmodified-since the past',
        { 'x-amz-rename-source-if-unmodified-since': PAST },
        412,
      ],
    ] as const,
    ([what, headers, status]) => [
      `a rename with ${what} is ${status}`,
      async (t) => {
        const { bucket, key, name } = await from(t)
        ;(await t.put(bucket, t.key, 'other')).is(200)
        ;(await rename(t, bucket, t.key, `/${name}`, headers)).is(
          status,
          status === 412 ? 'PreconditionFailed' : '',
        )
        ;(await t.head(bucket, key)).is(status === 200 ? 404 : 200)
      },
    ],
  ),
  rule('1.4', 'a rename of a key that does not exist is 404', async (t) => {
    const bucket = await t.shared()
    ;(await rename(t, bucket, t.key, `/${bucket}/${t.key}-absent`)).is(404, 'NoSuchKey')
  }),
  rule('1.4', 'a rename stays in its bucket', async (t) => {
    const { name } = await from(t)
    const other = await t.own()
    ;(await rename(t, other, t.key, `/${name}`)).is(400)
  }),
  rule('1.4', 'a rename onto itself is refused', async (t) => {
    const { bucket, key, name } = await from(t)
    ;(await rename(t, bucket, key, `/${name}`)).is(400)
    ;(await t.get(bucket, key)).contains('data')
  }),
  rule('1.4', 'a rename needs its source', async (t) => {
    const bucket = await t.shared()
    ;(await t.of('PUT', bucket, t.key, { renameObject: '' })).is(400)
    ;(await t.head(bucket, t.key)).is(404)
  }),
]

function sha256Base64(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

function append(
  t: Trial,
  bucket: string,
  offset: number | string,
  body: string | Uint8Array,
  headers: Pairs = {},
): ReturnType<Trial['put']> {
  return t.put(bucket, t.key, body, { 'x-amz-write-offset-bytes': String(offset), ...headers })
}

const appending: readonly Rule[] = [
  rule('1.3', 'data is appended at the end', async (t) => {
    const bucket = await t.shared()
    ;(await append(t, bucket, 0, 'one')).is(200).has('x-amz-object-size', '3')
    ;(await append(t, bucket, 3, 'two')).is(200).has('x-amz-object-size', '6')
    ;(await t.get(bucket, t.key)).is(200).contains('onetwo').has('content-length', '6')
    ;(await t.get(bucket, t.key, { range: 'bytes=2-4' })).is(206).contains('etw')
  }),
  rule('1.3', 'data is appended to an object that was put', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'put', { 'x-amz-meta-a': 'b', 'content-type': 'text/css' })).is(
      200,
    )
    ;(await append(t, bucket, 3, '+1')).is(200)
    ;(await t.get(bucket, t.key))
      .contains('put+1')
      .has('x-amz-meta-a', 'b')
      .has('content-type', 'text/css')
  }),
  rule('1.3', 'megabytes are appended', async (t) => {
    const bucket = await t.shared()
    const [first, second] = [Buffer.alloc(1_500_000, 'abc'), Buffer.alloc(1_300_000, 'xyz')]
    ;(await append(t, bucket, 0, first)).is(200)
    ;(await append(t, bucket, first.length, second)).is(200)
    ;(await t.get(bucket, t.key)).is(200).contains(Buffer.concat([first, second]))
    ;(await t.get(bucket, t.key, { range: `bytes=${first.length - 3}-${first.length + 2}` }))
      .is(206)
      .contains('abcxyz')
  }),
  rule(
    '1.3',
    'the checksum of an append is of its bytes, the one that is kept of all',
    async (t) => {
      const bucket = await t.shared()
      const sent = (text: string): Pairs => ({ 'x-amz-checksum-sha256': sha256Base64(text) })
      ;(await t.put(bucket, t.key, 'one', sent('one'))).is(200)
      ;(await append(t, bucket, 3, 'two', sent('onetwo'))).is(400, 'BadDigest')
      ;(await append(t, bucket, 3, 'two', sent('two'))).is(200)
      ;(await append(t, bucket, 6, '!')).is(200)
      ;(await t.head(bucket, t.key, { 'x-amz-checksum-mode': 'ENABLED' }))
        .is(200)
        .has('x-amz-checksum-sha256', sha256Base64('onetwo!'))
    },
  ),
  rule('1.3', 'an append makes a version of its own', async (t) => {
    const bucket = await t.own('versioned')
    const first = (await t.put(bucket, t.key, 'one')).is(200).header('x-amz-version-id')
    ;(await append(t, bucket, 3, 'two')).is(200)
    ;(await t.get(bucket, t.key)).contains('onetwo')
    ;(await t.of('GET', bucket, t.key, { versionId: first })).is(200).contains('one')
  }),
  ...rules(
    '1.3',
    [
      ['before the end', 1],
      ['behind the end', 9],
    ] as const,
    ([what, offset]) => [
      `an append ${what} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'data')).is(200)
        ;(await append(t, bucket, offset, 'x')).is(400, 'InvalidWriteOffset')
        ;(await t.get(bucket, t.key)).contains('data')
      },
    ],
  ),
  rule('1.3', 'an append to an absent key must begin at zero', async (t) => {
    const bucket = await t.shared()
    const reply = await append(t, bucket, 5, 'x')
    if (reply.status < 400) reply.fail('a refusal')
  }),
  ...rules('1.3', ['-1', 'x', '1.5', ''], (offset) => [
    `the write offset "${offset}" is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await append(t, bucket, offset, 'x')).is(400, 'InvalidArgument')
    },
  ]),
  rule('1.3', 'of appends to the same place one wins', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'base')).is(200)
    const replies = await Promise.all(
      ['A', 'B', 'C', 'D'].map((letter) => append(t, bucket, 4, letter)),
    )
    check(replies.filter((reply) => reply.status === 200).length === 1, 'one winner')
    check((await t.get(bucket, t.key)).body.length === 5, 'five bytes')
  }),
  rule('1.3', 'an append with If-Match of another tag is 412', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'data')).is(200)
    ;(await append(t, bucket, 4, 'x', { 'if-match': OTHER })).is(412, 'PreconditionFailed')
  }),
]

export const copies: readonly Rule[] = [...copying, ...renaming, ...appending]
