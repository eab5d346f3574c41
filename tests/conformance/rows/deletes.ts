/** Deletions, conditional ones, many at once, versioning configuration (s3-api.md 3.5, 4.4, 4.5). */
import { createHash } from 'node:crypto'
import { type Rule, rule, rules } from '../rule.ts'
import { check, md5Hex, type Trial, XMLNS } from '../trial.ts'
import type { Pairs } from '../wire.ts'

const ETAG = `"${md5Hex('data')}"`
const OTHER = `"${md5Hex('other')}"`

const plain: readonly Rule[] = [
  rule('4.4', 'a deleted key is gone', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.delete(bucket, t.key))
      .is(204)
      .contains('')
      .has('x-amz-delete-marker', null)
      .has('x-amz-version-id', null)
    ;(await t.get(bucket, t.key)).is(404, 'NoSuchKey')
  }),
  rule('4.4', 'an absent key is deleted without a word', async (t) => {
    const bucket = await t.shared()
    ;(await t.delete(bucket, t.key)).is(204).has('x-amz-delete-marker', null)
  }),
  rule('4.4', 'a deletion in a bucket that does not exist is 404', async (t) =>
    (await t.delete(t.name(), 'k')).is(404, 'NoSuchBucket'),
  ),
  rule('4.4', 'a deletion in a versioned bucket adds a marker', async (t) => {
    const bucket = await t.own('versioned')
    const id = await t.putVersion(bucket, t.key)
    const marker = (await t.delete(bucket, t.key))
      .is(204)
      .has('x-amz-delete-marker', 'true')
      .header('x-amz-version-id')
    ;(await t.listVersions(bucket))
      .shows('DeleteMarker.VersionId', marker)
      .shows('Version.VersionId', id)
      .shows('Version.IsLatest', 'false')
    ;(await t.get(bucket, t.key, {}, { versionId: id })).is(200)
  }),
  rule('4.4', 'every deletion adds a marker', async (t) => {
    const bucket = await t.own('versioned')
    await t.putVersion(bucket, t.key)
    const markers = new Set<string>()
    for (let i = 0; i < 3; i++)
      markers.add((await t.delete(bucket, t.key)).is(204).header('x-amz-version-id'))
    check(markers.size === 3, 'three markers')
    check(
      (await t.listVersions(bucket)).texts('DeleteMarker').length === 3,
      'three markers in the list',
    )
  }),
  rule('4.4', 'an absent key in a versioned bucket gets a marker', async (t) => {
    const bucket = await t.own('versioned')
    const marker = (await t.delete(bucket, t.key))
      .is(204)
      .has('x-amz-delete-marker', 'true')
      .header('x-amz-version-id')
    ;(await t.listVersions(bucket)).shows('DeleteMarker.VersionId', marker)
  }),
  rule('4.4', 'a removed version is gone for good', async (t) => {
    const bucket = await t.own('versioned')
    const id = await t.putVersion(bucket, t.key)
    ;(await t.delete(bucket, t.key, {}, { versionId: id }))
      .is(204)
      .has('x-amz-version-id', id)
      .has('x-amz-delete-marker', null)
    ;(await t.get(bucket, t.key, {}, { versionId: id })).is(404, 'NoSuchVersion')
    ;(await t.listVersions(bucket)).shows('Version.VersionId').shows('DeleteMarker.VersionId')
  }),
  rule('4.4', 'removing a marker brings the object back', async (t) => {
    const bucket = await t.own('versioned')
    await t.putVersion(bucket, t.key, 'back')
    const marker = (await t.delete(bucket, t.key)).header('x-amz-version-id')
    ;(await t.delete(bucket, t.key, {}, { versionId: marker }))
      .is(204)
      .has('x-amz-delete-marker', 'true')
      .has('x-amz-version-id', marker)
    ;(await t.get(bucket, t.key)).is(200).contains('back')
  }),
  rule('4.4', 'removing the latest version makes the one before it the latest', async (t) => {
    const bucket = await t.own('versioned')
    const first = await t.putVersion(bucket, t.key, 'first')
    const second = await t.putVersion(bucket, t.key, 'second')
    ;(await t.delete(bucket, t.key, {}, { versionId: second })).is(204)
    ;(await t.get(bucket, t.key)).contains('first').has('x-amz-version-id', first)
  }),
  rule('4.4', 'a version that is not there is deleted without a word', async (t) => {
    const bucket = await t.shared('versioned')
    const versionId = '01234567-89ab-4def-8123-456789abcdef'
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(204).has('x-amz-version-id', versionId)
  }),
  rule('4.4', 'a version id that is none is refused', async (t) => {
    const bucket = await t.shared('versioned')
    for (const versionId of ['abc', 'a_version_id_that_is_none', 'x'.repeat(36)]) {
      ;(await t.delete(bucket, t.key, {}, { versionId })).is(400, 'InvalidArgument')
    }
  }),
  rule('4.4', 'a suspended bucket gets a null marker in place of the null version', async (t) => {
    const bucket = await t.own('suspended')
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.delete(bucket, t.key))
      .is(204)
      .has('x-amz-delete-marker', 'true')
      .has('x-amz-version-id', 'null')
    ;(await t.listVersions(bucket))
      .shows('Version.VersionId')
      .shows('DeleteMarker.VersionId', 'null')
    ;(await t.delete(bucket, t.key)).is(204)
    ;(await t.listVersions(bucket)).shows('DeleteMarker.VersionId', 'null')
  }),
  rule('4.4', 'x-minio-force-delete removes everything below a prefix', async (t) => {
    const bucket = await t.own('versioned')
    await t.fill(bucket, ['p/a', 'p/a', 'p/b/c', 'q'])
    ;(await t.delete(bucket, 'p/', { 'x-minio-force-delete': 'true' })).is(204)
    ;(await t.listVersions(bucket)).shows('Version.Key', 'q').shows('DeleteMarker.Key')
  }),
  rule('4.4', 'x-minio-force-delete is refused in buckets with object lock', async (t) => {
    const bucket = await t.shared('locked')
    ;(await t.delete(bucket, t.key, { 'x-minio-force-delete': 'true' })).is(
      400,
      'XMinioAdminInvalidArgument',
    )
  }),
]

interface State {
  readonly bucket: string
  readonly modified: string
}

async function stored(t: Trial, kind: 'plain' | 'versioned'): Promise<State> {
  const bucket = await t.shared(kind)
  ;(await t.put(bucket, t.key, 'data')).is(200)
  return { bucket, modified: (await t.head(bucket, t.key)).header('last-modified') }
}

const CONDITIONS: readonly (readonly [string, (modified: string) => Pairs, boolean])[] = [
  ['If-Match of its tag', () => ({ 'if-match': ETAG }), true],
  ['If-Match of its tag without quotes', () => ({ 'if-match': ETAG.slice(1, -1) }), true],
  ['If-Match of another tag', () => ({ 'if-match': OTHER }), false],
  ['If-Match of a star', () => ({ 'if-match': '*' }), true],
  [
    'its last modification',
    (modified) => ({ 'x-amz-if-match-last-modified-time': modified }),
    true,
  ],
  [
    'another last modification',
    () => ({ 'x-amz-if-match-last-modified-time': 'Sat, 29 Oct 1994 19:43:31 GMT' }),
    false,
  ],
  ['its size', () => ({ 'x-amz-if-match-size': '4' }), true],
  ['another size', () => ({ 'x-amz-if-match-size': '5' }), false],
  [
    'its tag, time and size',
    (modified) => ({
      'if-match': ETAG,
      'x-amz-if-match-last-modified-time': modified,
      'x-amz-if-match-size': '4',
    }),
    true,
  ],
  ['its tag and another size', () => ({ 'if-match': ETAG, 'x-amz-if-match-size': '5' }), false],
]

const conditional: readonly Rule[] = [
  ...rules(
    '3.5',
    (['plain', 'versioned'] as const).flatMap((kind) =>
      CONDITIONS.map((row) => [kind, ...row] as const),
    ),
    ([kind, what, headers, isGood]) => [
      `DELETE in a ${kind} bucket with ${what} is ${isGood ? 204 : 412}`,
      async (t) => {
        const { bucket, modified } = await stored(t, kind)
        ;(await t.delete(bucket, t.key, headers(modified))).is(
          isGood ? 204 : 412,
          isGood ? '' : 'PreconditionFailed',
        )
        ;(await t.head(bucket, t.key)).is(isGood ? 404 : 200)
      },
    ],
  ),
  ...rules('3.5', CONDITIONS, ([what, headers, isGood]) => [
    `DELETE of a version with ${what} is ${isGood ? 204 : 412}`,
    async (t) => {
      const { bucket, modified } = await stored(t, 'versioned')
      const versionId = (await t.head(bucket, t.key)).header('x-amz-version-id')
      ;(await t.put(bucket, t.key, 'newer')).is(200)
      ;(await t.delete(bucket, t.key, headers(modified), { versionId })).is(
        isGood ? 204 : 412,
        isGood ? '' : 'PreconditionFailed',
      )
      ;(await t.head(bucket, t.key, {}, { versionId })).is(isGood ? 404 : 200)
    },
  ]),
  ...rules('3.5', CONDITIONS, ([what, headers]) => [
    `DELETE of an absent key with ${what} is 204`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.delete(bucket, t.key, headers('Sat, 29 Oct 1994 19:43:31 GMT'))).is(204)
    },
  ]),
  rule('3.5', 'DELETE of an absent key with a condition makes no marker', async (t) => {
    const bucket = await t.own('versioned')
    ;(await t.delete(bucket, 'k', { 'if-match': '*' })).is(204).has('x-amz-delete-marker', null)
    ;(await t.delete(bucket, 'k', { 'if-match': OTHER })).is(204)
    ;(await t.list(bucket, { versions: '' })).is(200).shows('DeleteMarker.Key')
  }),
  rule('3.5', 'DELETE over a marker with If-Match of a star is 204', async (t) => {
    const { bucket } = await stored(t, 'versioned')
    ;(await t.delete(bucket, t.key)).is(204)
    ;(await t.delete(bucket, t.key, { 'if-match': '*' })).is(204)
  }),
  rule('3.5', 'DELETE over a marker with If-Match of a tag is 412', async (t) => {
    const { bucket } = await stored(t, 'versioned')
    ;(await t.delete(bucket, t.key)).is(204)
    ;(await t.delete(bucket, t.key, { 'if-match': ETAG })).is(412, 'PreconditionFailed')
  }),
  ...rules(
    '3.5',
    [
      ['ETag of its tag', () => `<ETag>${ETAG}</ETag>`, true],
      ['ETag of another tag', () => `<ETag>${OTHER}</ETag>`, false],
      ['its Size', () => '<Size>4</Size>', true],
      ['another Size', () => '<Size>9</Size>', false],
      [
        'its LastModifiedTime',
        (modified: string) => `<LastModifiedTime>${modified}</LastModifiedTime>`,
        true,
      ],
      [
        'another LastModifiedTime',
        () => '<LastModifiedTime>Sat, 29 Oct 1994 19:43:31 GMT</LastModifiedTime>',
        false,
      ],
    ] as const,
    ([what, fields, isGood]) => [
      `an entry of DeleteObjects with ${what} ${isGood ? 'is deleted' : 'fails alone'}`,
      async (t) => {
        const { bucket, modified } = await stored(t, 'plain')
        ;(await t.put(bucket, `${t.key}-x`)).is(200)
        const document = `<Delete><Object><Key>${t.key}</Key>${fields(modified)}</Object><Object><Key>${t.key}-x</Key></Object></Delete>`
        const reply = (await t.deleteMany(bucket, document)).is(200)
        if (isGood) reply.shows('Deleted.Key', t.key, `${t.key}-x`).shows('Error.Code')
        else
          reply
            .shows('Deleted.Key', `${t.key}-x`)
            .shows('Error.Code', 'PreconditionFailed')
            .shows('Error.Key', t.key)
        ;(await t.head(bucket, t.key)).is(isGood ? 404 : 200)
      },
    ],
  ),
]

function documentOf(keys: readonly string[], quiet = ''): string {
  return `<Delete xmlns="${XMLNS}">${quiet}${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`
}

const many: readonly Rule[] = [
  rule('4.4', 'many keys are deleted and reported in order', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['b', 'a', 'c'])
    ;(await t.deleteMany(bucket, documentOf(['b', 'a', 'absent'])))
      .is(200)
      .shows('Deleted.Key', 'b', 'a', 'absent')
      .shows('Error')
    ;(await t.list(bucket)).shows('Contents.Key', 'c')
  }),
  rule('4.4', 'Quiet reports only errors', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a'])
    ;(await t.deleteMany(bucket, documentOf(['a'], '<Quiet>true</Quiet>'))).is(200).shows('Deleted')
    ;(await t.list(bucket)).shows('Contents.Key')
  }),
  rule('4.4', 'a document without namespace is taken', async (t) => {
    const bucket = await t.shared()
    ;(await t.deleteMany(bucket, `<Delete><Object><Key>${t.key}</Key></Object></Delete>`))
      .is(200)
      .shows('Deleted.Key', t.key)
  }),
  rule('4.4', 'versions are deleted one by one', async (t) => {
    const bucket = await t.own('versioned')
    const ids = [await t.putVersion(bucket, 'k'), await t.putVersion(bucket, 'k')]
    const document = `<Delete>${ids.map((id) => `<Object><Key>k</Key><VersionId>${id}</VersionId></Object>`).join('')}</Delete>`
    ;(await t.deleteMany(bucket, document)).is(200).shows('Deleted.VersionId', ...ids)
    ;(await t.listVersions(bucket)).shows('Version')
  }),
  rule('4.4', 'a key in a versioned bucket gets a marker, which is reported', async (t) => {
    const bucket = await t.own('versioned')
    await t.putVersion(bucket, 'k')
    const reply = (await t.deleteMany(bucket, documentOf(['k'])))
      .is(200)
      .shows('Deleted.DeleteMarker', 'true')
    ;(await t.listVersions(bucket)).shows(
      'DeleteMarker.VersionId',
      reply.first('Deleted.DeleteMarkerVersionId'),
    )
  }),
  rule('4.4', 'an absent key in a versioned bucket gets a marker, which is stored', async (t) => {
    const bucket = await t.own('versioned')
    const reply = (await t.deleteMany(bucket, documentOf(['absent'])))
      .is(200)
      .shows('Deleted.DeleteMarker', 'true')
    ;(await t.listVersions(bucket)).shows(
      'DeleteMarker.VersionId',
      reply.first('Deleted.DeleteMarkerVersionId'),
    )
  }),
  rule('4.4', 'removing a marker by its id says that it was one', async (t) => {
    const bucket = await t.own('versioned')
    await t.putVersion(bucket, 'k')
    const marker = (await t.delete(bucket, 'k')).header('x-amz-version-id')
    ;(
      await t.deleteMany(
        bucket,
        `<Delete><Object><Key>k</Key><VersionId>${marker}</VersionId></Object></Delete>`,
      )
    )
      .is(200)
      .shows('Deleted.DeleteMarker', 'true')
      .shows('Deleted.DeleteMarkerVersionId', marker)
      .shows('Deleted.VersionId', marker)
    ;(await t.get(bucket, 'k')).is(200)
  }),
  rule('4.4', 'a bad version id is an error of its entry', async (t) => {
    const bucket = await t.shared('versioned')
    ;(
      await t.deleteMany(
        bucket,
        `<Delete><Object><Key>${t.key}</Key><VersionId>abc</VersionId></Object></Delete>`,
      )
    )
      .is(200)
      .shows('Error.Code', 'NoSuchVersion')
      .shows('Error.Key', t.key)
  }),
  rule('4.4', 'a thousand keys are good', async (t) => {
    const bucket = await t.shared()
    const keys = Array.from({ length: 1000 }, (_, i) => `${t.key}-${i}`)
    check(
      (await t.deleteMany(bucket, documentOf(keys))).is(200).texts('Deleted').length === 1000,
      'a thousand entries',
    )
  }),
  ...rules(
    '4.4',
    [
      ['1001 keys', documentOf(Array.from({ length: 1001 }, (_, i) => `k${i}`))],
      ['no key', '<Delete></Delete>'],
      ['broken XML', '<Delete><Object><Key>a</Key></Object>'],
      ['another document', '<Tagging><TagSet/></Tagging>'],
      ['an empty body', ''],
    ] as const,
    ([what, document]) => [
      `a document with ${what} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.deleteMany(bucket, document)).is(400, 'MalformedXML', 'MissingRequestBodyError')
      },
    ],
  ),
  rule('4.4', 'an integrity header is required', async (t) => {
    const bucket = await t.shared()
    ;(await t.deleteMany(bucket, documentOf(['a']), { 'content-md5': undefined })).is(
      400,
      'MissingContentMD5',
      'InvalidRequest',
    )
  }),
  rule('4.4', 'a checksum is integrity enough', async (t) => {
    const bucket = await t.shared()
    const document = documentOf([t.key])
    const value = createHash('sha256').update(document).digest('base64')
    ;(
      await t.deleteMany(bucket, document, {
        'content-md5': undefined,
        'x-amz-checksum-sha256': value,
      })
    ).is(200)
    ;(
      await t.deleteMany(bucket, document, {
        'content-md5': undefined,
        'x-amz-checksum-sha256': createHash('sha256').update('x').digest('base64'),
      })
    ).is(400, 'BadDigest')
  }),
  rule('4.4', 'many deletions in a bucket that does not exist are 404', async (t) =>
    (await t.deleteMany(t.name(), documentOf(['a']))).is(404, 'NoSuchBucket'),
  ),
  rule('4.4', 'escaped keys are understood', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a&b<c>'])
    ;(await t.deleteMany(bucket, documentOf(['a&amp;b&lt;c&gt;'])))
      .is(200)
      .shows('Deleted.Key', 'a&b<c>')
    ;(await t.list(bucket)).shows('Contents.Key')
  }),
]

const VERSIONING = (content: string): string =>
  `<VersioningConfiguration xmlns="${XMLNS}">${content}</VersioningConfiguration>`

const versioning: readonly Rule[] = [
  rule('4.5', 'a bucket begins without versioning', async (t) => {
    const bucket = await t.own()
    ;(await t.sub('GET', bucket, { versioning: '' }))
      .is(200)
      .shows('Status')
      .mentions('VersioningConfiguration')
  }),
  ...rules('4.5', ['Enabled', 'Suspended'], (status) => [
    `${status} is stored and told`,
    async (t) => {
      const bucket = await t.own()
      ;(await t.sub('PUT', bucket, { versioning: '' }, VERSIONING(`<Status>${status}</Status>`)))
        .is(200)
        .contains('')
      ;(await t.sub('GET', bucket, { versioning: '' })).is(200).shows('Status', status)
    },
  ]),
  ...rules(
    '4.5',
    [
      ['an unknown status', '<Status>On</Status>', 'MalformedXML'],
      ['no status', '', 'IllegalVersioningConfigurationException'],
      ['a status in lower case', '<Status>enabled</Status>', 'MalformedXML'],
    ] as const,
    ([what, content, code]) => [
      `${what} is refused`,
      async (t) => {
        const bucket = await t.own()
        ;(await t.sub('PUT', bucket, { versioning: '' }, VERSIONING(content))).is(400, code)
      },
    ],
  ),
  rule('4.5', 'a broken document is refused', async (t) => {
    const bucket = await t.own()
    ;(await t.sub('PUT', bucket, { versioning: '' }, '<VersioningConfiguration>')).is(
      400,
      'MalformedXML',
    )
  }),
  rule('4.5', 'a bucket with object lock cannot suspend versioning', async (t) => {
    const bucket = await t.own('locked')
    ;(await t.sub('GET', bucket, { versioning: '' })).shows('Status', 'Enabled')
    ;(await t.sub('PUT', bucket, { versioning: '' }, VERSIONING('<Status>Suspended</Status>'))).is(
      409,
      'InvalidBucketState',
    )
  }),
  rule('4.5', 'excluded prefixes are not versioned', async (t) => {
    const bucket = await t.own()
    ;(
      await t.sub(
        'PUT',
        bucket,
        { versioning: '' },
        VERSIONING(
          '<Status>Enabled</Status><ExcludedPrefixes><Prefix>tmp/</Prefix></ExcludedPrefixes>',
        ),
      )
    ).is(200)
    await t.fill(bucket, ['tmp/a', 'tmp/a', 'b', 'b'])
    ;(await t.listVersions(bucket)).shows('Version.Key', 'b', 'b', 'tmp/a')
    ;(await t.delete(bucket, 'tmp/a')).is(204)
    ;(await t.listVersions(bucket, { prefix: 'tmp/' })).shows('Version').shows('DeleteMarker')
  }),
  ...rules(
    '4.5',
    [
      [
        'eleven excluded prefixes',
        `<Status>Enabled</Status>${Array.from({ length: 11 }, (_, i) => `<ExcludedPrefixes><Prefix>p${i}</Prefix></ExcludedPrefixes>`).join('')}`,
      ],
      [
        'excluded prefixes without versioning',
        '<Status>Suspended</Status><ExcludedPrefixes><Prefix>p</Prefix></ExcludedPrefixes>',
      ],
    ] as const,
    ([what, content]) => [
      `${what} are refused`,
      async (t) => {
        const bucket = await t.own()
        ;(await t.sub('PUT', bucket, { versioning: '' }, VERSIONING(content))).is(
          400,
          'IllegalVersioningConfigurationException',
        )
      },
    ],
  ),
]

export const deletes: readonly Rule[] = [...plain, ...conditional, ...many, ...versioning]
