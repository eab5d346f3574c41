/** Lists of objects and versions (s3-api.md 4.3). */
import { gunzipSync } from 'node:zlib'
import { type Rule, rule, rules } from '../rule.ts'
import { check, type Trial } from '../trial.ts'
import type { Pairs } from '../wire.ts'

type Kind = 'V1' | 'V2'
const KINDS: readonly Kind[] = ['V1', 'V2']

function listed(
  t: Trial,
  kind: Kind,
  bucket: string,
  query: Pairs = {},
): ReturnType<Trial['list']> {
  return kind === 'V1' ? t.list(bucket, query) : t.listV2(bucket, query)
}

interface Expected {
  readonly keys?: readonly string[]
  readonly prefixes?: readonly string[]
  readonly truncated?: boolean
}

/** What a list of `keys` with `query` must show; both kinds. */
const TABLE: readonly (readonly [string, readonly string[], Pairs, Expected])[] = [
  [
    'everything, in order of bytes',
    ['b', 'a', 'B', 'é', 'z', '~'],
    {},
    { keys: ['B', 'a', 'b', 'z', '~', 'é'] },
  ],
  ['nothing in an empty bucket', [], {}, { keys: [] }],
  ['a prefix', ['a/1', 'a/2', 'b/1'], { prefix: 'a/' }, { keys: ['a/1', 'a/2'] }],
  ['a prefix that is no folder', ['abc', 'abd', 'ac'], { prefix: 'ab' }, { keys: ['abc', 'abd'] }],
  ['a prefix that nothing has', ['a'], { prefix: 'x' }, { keys: [] }],
  ['a prefix that is a key', ['a', 'a/b', 'ab'], { prefix: 'a' }, { keys: ['a', 'a/b', 'ab'] }],
  [
    'a prefix with control characters',
    ['\nfoo', '\nbar', 'foo'],
    { prefix: '\n', 'encoding-type': 'url' },
    { keys: ['%0Abar', '%0Afoo'] },
  ],
  ['an empty prefix', ['a', 'b'], { prefix: '' }, { keys: ['a', 'b'] }],
  ['a prefix of a slash', ['a', '/b'], { prefix: '/' }, { keys: ['/b'] }],
  [
    'a delimiter',
    ['a/1', 'a/2', 'b', 'c/1'],
    { delimiter: '/' },
    { keys: ['b'], prefixes: ['a/', 'c/'] },
  ],
  [
    'a delimiter that no key has',
    ['a', 'b'],
    { delimiter: '/' },
    { keys: ['a', 'b'], prefixes: [] },
  ],
  ['an empty delimiter', ['a/1', 'b'], { delimiter: '' }, { keys: ['a/1', 'b'], prefixes: [] }],
  [
    'a letter as delimiter',
    ['bar', 'baz', 'cab', 'foo'],
    { delimiter: 'a' },
    { keys: ['foo'], prefixes: ['ba', 'ca'] },
  ],
  [
    'a dot as delimiter',
    ['b.ar', 'b.az', 'c.ab', 'foo'],
    { delimiter: '.' },
    { keys: ['foo'], prefixes: ['b.', 'c.'] },
  ],
  [
    'a blank as delimiter',
    ['b ar', 'b az', 'c ab', 'foo'],
    { delimiter: ' ' },
    { keys: ['foo'], prefixes: ['b ', 'c '] },
  ],
  [
    'a percent sign as delimiter',
    ['b%ar', 'b%az', 'c%ab', 'foo'],
    { delimiter: '%' },
    { keys: ['foo'], prefixes: ['b%', 'c%'] },
  ],
  [
    'an unreadable delimiter',
    ['bar', 'baz'],
    { delimiter: '\u000a', 'encoding-type': 'url' },
    { keys: ['bar', 'baz'], prefixes: [] },
  ],
  [
    'a delimiter of two characters',
    ['a::b', 'a:b', 'c'],
    { delimiter: '::' },
    { keys: ['a:b', 'c'], prefixes: ['a::'] },
  ],
  [
    'a prefix and a delimiter',
    ['a/b/c', 'a/b/d', 'a/e', 'f'],
    { prefix: 'a/', delimiter: '/' },
    { keys: ['a/e'], prefixes: ['a/b/'] },
  ],
  [
    'a prefix without its slash and a delimiter',
    ['a/b', 'a/c', 'ab'],
    { prefix: 'a', delimiter: '/' },
    { keys: ['ab'], prefixes: ['a/'] },
  ],
  [
    'a prefix inside a segment and a delimiter',
    ['boo/bar', 'boo/baz/x', 'cquux/y'],
    { prefix: 'boo/ba', delimiter: '/' },
    { keys: ['boo/bar'], prefixes: ['boo/baz/'] },
  ],
  [
    'a prefix that ends in the delimiter',
    ['asdf/', 'asdf'],
    { prefix: 'asdf/', delimiter: '/' },
    { keys: ['asdf/'] },
  ],
  [
    'folder objects with a delimiter',
    ['asdf/', 'asdf/x'],
    { delimiter: '/' },
    { keys: [], prefixes: ['asdf/'] },
  ],
  [
    'special names that share their beginning',
    ['0/', '0/1000', '0/999', '1999', '2000'],
    { delimiter: '/' },
    { keys: ['1999', '2000'], prefixes: ['0/'] },
  ],
  [
    'two slashes with a delimiter',
    ['a//b', 'a/c'],
    { prefix: 'a/', delimiter: '/' },
    { keys: ['a/c'], prefixes: ['a//'] },
  ],
  ['max-keys of one', ['a', 'b', 'c'], { 'max-keys': '1' }, { keys: ['a'], truncated: true }],
  ['max-keys of zero', ['a', 'b'], { 'max-keys': '0' }, { keys: [], truncated: false }],
  [
    'max-keys that just suffices',
    ['a', 'b'],
    { 'max-keys': '2' },
    { keys: ['a', 'b'], truncated: false },
  ],
  ['max-keys above a thousand', ['a'], { 'max-keys': '5000' }, { keys: ['a'], truncated: false }],
  [
    'a common prefix as one of max-keys',
    ['a/1', 'a/2', 'b', 'c'],
    { delimiter: '/', 'max-keys': '2' },
    { keys: ['b'], prefixes: ['a/'], truncated: true },
  ],
  [
    'only common prefixes within max-keys',
    ['a/1', 'b/2', 'c/3'],
    { delimiter: '/', 'max-keys': '3' },
    { keys: [], prefixes: ['a/', 'b/', 'c/'], truncated: false },
  ],
]

const POSITIONS: readonly (readonly [string, readonly string[], string, Pairs, Expected])[] = [
  ['a key', ['a', 'b', 'c'], 'b', {}, { keys: ['c'] }],
  ['a key that is not there', ['bar', 'baz', 'foo'], 'blah', {}, { keys: ['foo'] }],
  ['something after all keys', ['bar', 'baz'], 'zzz', {}, { keys: [] }],
  ['something before all keys', ['bar', 'baz'], '0', {}, { keys: ['bar', 'baz'] }],
  [
    'an unreadable text',
    ['bar', 'baz'],
    '\u000a',
    { 'encoding-type': 'url' },
    { keys: ['bar', 'baz'] },
  ],
  ['a text before the prefix', ['p/a', 'q'], 'a', { prefix: 'p/' }, { keys: ['p/a'] }],
  ['a text after the prefix', ['p/a', 'q'], 'z', { prefix: 'p/' }, { keys: [] }],
  [
    'a common prefix',
    ['a/1', 'a/2', 'b/1', 'c'],
    'a/',
    { delimiter: '/' },
    { keys: ['c'], prefixes: ['b/'] },
  ],
  [
    'a key below a common prefix',
    ['a/1', 'a/2', 'a/3'],
    'a/1',
    { delimiter: '/' },
    { keys: [], prefixes: ['a/'] },
  ],
]

async function expectList(
  t: Trial,
  kind: Kind,
  bucket: string,
  query: Pairs,
  expected: Expected,
): Promise<void> {
  const reply = (await listed(t, kind, bucket, query)).is(200)
  if (expected.keys !== undefined) reply.shows('Contents.Key', ...expected.keys)
  if (expected.prefixes !== undefined) reply.shows('CommonPrefixes.Prefix', ...expected.prefixes)
  if (expected.truncated !== undefined) reply.shows('IsTruncated', String(expected.truncated))
  if (kind === 'V2')
    reply.shows(
      'KeyCount',
      String(reply.texts('Contents').length + reply.texts('CommonPrefixes').length),
    )
}

/** All keys and prefixes, page by page. */
async function pages(t: Trial, kind: Kind, bucket: string, query: Pairs): Promise<string[]> {
  const found: string[] = []
  let position: Pairs = {}
  for (let page = 0; page < 100; page++) {
    const reply = (await listed(t, kind, bucket, { ...query, ...position })).is(200)
    found.push(...reply.texts('Contents.Key'), ...reply.texts('CommonPrefixes.Prefix'))
    if (reply.first('IsTruncated') === 'false') return found
    position =
      kind === 'V1'
        ? { marker: reply.first('NextMarker') }
        : { 'continuation-token': reply.first('NextContinuationToken') }
  }
  throw new Error('the list does not end')
}

const both: readonly Rule[] = [
  ...rules(
    '4.3.2',
    KINDS.flatMap((kind) => TABLE.map((row) => [kind, ...row] as const)),
    ([kind, what, keys, query, expected]) => [
      `list ${kind} of ${what}`,
      async (t) => {
        const bucket = await t.own()
        await t.fill(bucket, keys)
        await expectList(t, kind, bucket, query, expected)
      },
    ],
  ),
  ...rules(
    '4.3.1',
    KINDS.flatMap((kind) => POSITIONS.map((row) => [kind, ...row] as const)),
    ([kind, what, keys, position, query, expected]) => [
      `list ${kind} after ${what}`,
      async (t) => {
        const bucket = await t.own()
        await t.fill(bucket, keys)
        const from = kind === 'V1' ? { marker: position } : { 'start-after': position }
        await expectList(t, kind, bucket, { ...query, ...from }, expected)
      },
    ],
  ),
  ...rules(
    '4.3.1',
    KINDS.flatMap((kind) =>
      ['-1', 'blah', '1.5', '99999999999'].map((value) => [kind, value] as const),
    ),
    ([kind, value]) => [
      `list ${kind} with max-keys ${value} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await listed(t, kind, bucket, { 'max-keys': value })).is(400, 'InvalidArgument')
      },
    ],
  ),
  ...rules('4.3.1', KINDS, (kind) => [
    `list ${kind} with an unknown encoding is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await listed(t, kind, bucket, { 'encoding-type': 'base64' })).is(400, 'InvalidArgument')
    },
  ]),
  ...rules('4.3.1', KINDS, (kind) => [
    `list ${kind} of a bucket that does not exist is 404`,
    async (t) => (await listed(t, kind, t.name())).is(404, 'NoSuchBucket'),
  ]),
  ...rules('4.3.2', KINDS, (kind) => [
    `list ${kind} echoes what it was asked`,
    async (t) => {
      const bucket = await t.own()
      ;(
        await listed(t, kind, bucket, {
          prefix: 'p',
          delimiter: '/',
          'max-keys': '7',
          'encoding-type': 'url',
        })
      )
        .is(200)
        .shows('Name', bucket)
        .shows('Prefix', 'p')
        .shows('Delimiter', '/')
        .shows('MaxKeys', '7')
        .shows('EncodingType', 'url')
    },
  ]),
  ...rules('4.3.2', KINDS, (kind) => [
    `list ${kind} encodes names for URLs when asked`,
    async (t) => {
      const bucket = await t.own()
      await t.fill(bucket, ['asdf+b', 'foo+1/bar', 'foo/bar/xyzzy', 'quux ab/thud', 'quux c'])
      ;(await listed(t, kind, bucket, { 'encoding-type': 'url', delimiter: '/' }))
        .is(200)
        .shows('Contents.Key', 'asdf%2Bb', 'quux%20c')
        .shows('CommonPrefixes.Prefix', 'foo%2B1/', 'foo/', 'quux%20ab/')
    },
  ]),
  ...rules(
    '4.3.2',
    KINDS.flatMap(
      (kind) =>
        [
          [kind, ''],
          [kind, '/'],
        ] as const,
    ),
    ([kind, delimiter]) => [
      `list ${kind} ${delimiter === '' ? 'of keys' : 'with prefixes'} in pages of two shows everything once`,
      async (t) => {
        const bucket = await t.own()
        const keys = ['a', 'b/1', 'b/2', 'b/3', 'c', 'd/1', 'e', 'f/x', 'g']
        await t.fill(bucket, keys)
        const found = await pages(t, kind, bucket, {
          'max-keys': '2',
          ...(delimiter === '' ? {} : { delimiter }),
        })
        const expected = delimiter === '' ? keys : ['a', 'b/', 'c', 'd/', 'e', 'f/', 'g']
        check(
          found.toSorted().join() === expected.join(),
          `${expected.join()}, got ${found.join()}`,
        )
      },
    ],
  ),
  ...rules('4.3.2', KINDS, (kind) => [
    `list ${kind} shows size, tag, time and class of each`,
    async (t) => {
      const bucket = await t.own()
      const etag = (await t.put(bucket, t.key, 'data')).header('etag')
      const reply = (await listed(t, kind, bucket))
        .is(200)
        .shows('Contents.Size', '4')
        .shows('Contents.StorageClass', 'STANDARD')
        .shows('Contents.ETag', etag)
      check(
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(reply.first('Contents.LastModified')),
        'a time with milliseconds',
      )
      const modified = Date.parse((await t.head(bucket, t.key)).header('last-modified'))
      check(
        Math.abs(Date.parse(reply.first('Contents.LastModified')) - modified) < 1000,
        'the same time as HEAD',
      )
    },
  ]),
  ...rules('4.3.2', KINDS, (kind) => [
    `list ${kind} leaves out deleted keys, and prefixes with nothing else`,
    async (t) => {
      const bucket = await t.own('versioned')
      await t.fill(bucket, ['gone/a', 'gone/b', 'here/a', 'x'])
      for (const key of ['gone/a', 'gone/b', 'x']) (await t.delete(bucket, key)).is(204)
      ;(await listed(t, kind, bucket, { delimiter: '/' }))
        .is(200)
        .shows('CommonPrefixes.Prefix', 'here/')
        .shows('Contents.Key')
      ;(await listed(t, kind, bucket)).shows('Contents.Key', 'here/a')
    },
  ]),
  rule('4.3.2', 'a write is in the list at once, a deletion out of it', async (t) => {
    const bucket = await t.own()
    for (let i = 0; i < 5; i++) {
      ;(await t.put(bucket, `k${i}`)).is(200)
      ;(await t.listV2(bucket)).shows('KeyCount', String(i + 1))
    }
    ;(await t.delete(bucket, 'k0')).is(204)
    ;(await t.listV2(bucket)).shows('KeyCount', '4')
  }),
]

const single: readonly Rule[] = [
  rule('4.3.3', 'list V1 tells the owner of each', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a'])
    const owner = (await t.send({ method: 'GET', path: '/' })).first('Owner.ID')
    ;(await t.list(bucket)).shows('Contents.Owner.ID', owner)
  }),
  rule('4.3.3', 'list V2 tells the owner only when asked', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a'])
    ;(await t.listV2(bucket)).shows('Contents.Owner')
    ;(await t.listV2(bucket, { 'fetch-owner': 'false' })).shows('Contents.Owner')
    check(
      (await t.listV2(bucket, { 'fetch-owner': 'true' })).texts('Contents.Owner.ID').length === 1,
      'an owner',
    )
  }),
  rule('4.3.2', 'NextMarker is the last entry', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a', 'b/1', 'c'])
    ;(await t.list(bucket, { 'max-keys': '2', delimiter: '/' })).shows('NextMarker', 'b/')
    ;(await t.list(bucket, { 'max-keys': '1' })).shows('NextMarker', 'a')
    ;(await t.list(bucket)).shows('NextMarker')
  }),
  rule('4.3.1', 'an empty continuation token is taken and echoed', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a'])
    ;(await t.listV2(bucket, { 'continuation-token': '' }))
      .is(200)
      .shows('Contents.Key', 'a')
      .shows('ContinuationToken', '')
  }),
  rule('4.3.1', 'a garbled continuation token is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.listV2(bucket, { 'continuation-token': '!!!' })).is(400, 'InvalidArgument')
  }),
  rule('4.3.1', 'a continuation token wins over start-after', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a', 'b', 'c', 'd'])
    const token = (await t.listV2(bucket, { 'max-keys': '2' })).first('NextContinuationToken')
    ;(await t.listV2(bucket, { 'continuation-token': token, 'start-after': 'c' }))
      .is(200)
      .shows('Contents.Key', 'c', 'd')
  }),
  rule('4.3.1', 'start-after is echoed', async (t) => {
    const bucket = await t.own()
    ;(await t.listV2(bucket, { 'start-after': 'x' })).is(200).shows('StartAfter', 'x')
  }),
  rule('4.3.2', 'a marker with the cache hint of MinIO is taken', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a', 'b'])
    ;(await t.list(bucket, { marker: 'a[minio_cache:v2,return:]' }))
      .is(200)
      .shows('Contents.Key', 'b')
  }),
  rule('4.3.2', 'control characters are references in a list without encoding', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a\u0001b'])
    ;(await t.list(bucket)).is(200).mentions(/a&#(x1|1|x01);b/)
  }),
  rule('4.3.3', 'metadata=true shows metadata and tags', async (t) => {
    const bucket = await t.own()
    ;(
      await t.put(bucket, 'k', 'x', {
        'x-amz-meta-colour': 'red',
        'x-amz-tagging': 'a=b',
        'content-type': 'text/css',
      })
    ).is(200)
    for (const reply of [
      await t.listV2(bucket, { metadata: 'true' }),
      await t.listVersions(bucket, { metadata: 'true' }),
    ]) {
      reply
        .is(200)
        .mentions('<X-Amz-Meta-Colour>red</X-Amz-Meta-Colour>')
        .mentions('<content-type>text/css</content-type>')
        .mentions('<UserTags>a=b</UserTags>')
        .mentions('<Internal>')
    }
    ;(await t.listV2(bucket)).shows('Contents.UserMetadata')
  }),
  rule(
    '1.2',
    'long documents are compressed for clients that ask, short ones and objects never',
    async (t) => {
      const bucket = await t.own()
      await t.fill(bucket, ['a', 'b', 'c', 'd'])
      const list = (headers: Pairs): ReturnType<Trial['sub']> =>
        t.sub('GET', bucket, {}, undefined, headers)
      const plain = (await list({})).is(200).has('content-encoding', null)
      const reply = (await list({ 'accept-encoding': 'gzip' }))
        .is(200)
        .has('content-encoding', 'gzip')
      check(gunzipSync(reply.body).toString() === plain.text, 'the same document')
      ;(await list({ 'accept-encoding': 'gzip;q=0' })).has('content-encoding', null)
      ;(await t.put(bucket, 'long', 'x'.repeat(5000))).is(200)
      ;(await t.get(bucket, 'long', { 'accept-encoding': 'gzip' }))
        .is(200)
        .has('content-encoding', null)
    },
  ),
  rule('4.3.2', 'over a thousand keys come in pages of a thousand', async (t) => {
    const bucket = await t.own()
    const keys = Array.from({ length: 1010 }, (_, i) => `k${String(i).padStart(4, '0')}`)
    for (let i = 0; i < keys.length; i += 20)
      await Promise.all(keys.slice(i, i + 20).map((key) => t.put(bucket, key, '')))
    const first = (await t.listV2(bucket))
      .is(200)
      .shows('KeyCount', '1000')
      .shows('IsTruncated', 'true')
      .shows('MaxKeys', '1000')
    ;(await t.listV2(bucket, { 'continuation-token': first.first('NextContinuationToken') }))
      .shows('KeyCount', '10')
      .shows('IsTruncated', 'false')
  }),
]

const versions: readonly Rule[] = [
  rule('4.3.4', 'versions come by key, newest first, with markers between', async (t) => {
    const bucket = await t.own('versioned')
    const [a1, a2] = [await t.putVersion(bucket, 'a', '1'), await t.putVersion(bucket, 'a', '2')]
    const b1 = await t.putVersion(bucket, 'b')
    const marker = (await t.delete(bucket, 'b')).header('x-amz-version-id')
    const reply = (await t.listVersions(bucket)).is(200)
    reply
      .shows('Version.VersionId', a2, a1, b1)
      .shows('Version.IsLatest', 'true', 'false', 'false')
      .shows('DeleteMarker.VersionId', marker)
      .shows('DeleteMarker.IsLatest', 'true')
      .shows('DeleteMarker.Key', 'b')
      .shows('DeleteMarker.Size')
      .shows('DeleteMarker.ETag')
    const order = [...reply.text.matchAll(/<(Version|DeleteMarker)>/g)].map((match) => match[1])
    check(
      order.join() === 'Version,Version,DeleteMarker,Version',
      `the marker before its version, got ${order.join()}`,
    )
  }),
  rule('4.3.4', 'an object without versioning is the version null', async (t) => {
    const bucket = await t.own()
    await t.fill(bucket, ['a'])
    ;(await t.listVersions(bucket))
      .is(200)
      .shows('Version.VersionId', 'null')
      .shows('Version.IsLatest', 'true')
  }),
  rule('4.3.4', 'versions in pages of one show each once', async (t) => {
    const bucket = await t.own('versioned')
    const expected: string[] = []
    for (const key of ['a', 'b']) {
      const ids = [await t.putVersion(bucket, key), await t.putVersion(bucket, key)]
      expected.push(...ids.toReversed())
    }
    const found: string[] = []
    let position: Pairs = {}
    for (let page = 0; page < 10; page++) {
      const reply = (await t.listVersions(bucket, { 'max-keys': '1', ...position })).is(200)
      found.push(...reply.texts('Version.VersionId'))
      if (reply.first('IsTruncated') === 'false') break
      position = {
        'key-marker': reply.first('NextKeyMarker'),
        'version-id-marker': reply.first('NextVersionIdMarker'),
      }
    }
    check(found.join() === expected.join(), `each version once, got ${found.length}`)
  }),
  rule('4.3.4', 'a key marker alone goes on behind all versions of the key', async (t) => {
    const bucket = await t.own('versioned')
    await t.putVersion(bucket, 'a')
    await t.putVersion(bucket, 'a')
    const b = await t.putVersion(bucket, 'b')
    ;(await t.listVersions(bucket, { 'key-marker': 'a' })).shows('Version.VersionId', b)
  }),
  rule('4.3.1', 'a version-id marker needs a key marker', async (t) => {
    const bucket = await t.shared('versioned')
    ;(
      await t.listVersions(bucket, { 'version-id-marker': '01234567-89ab-4def-8123-456789abcdef' })
    ).is(400, 'InvalidArgument')
  }),
  rule('4.3.4', 'versions with prefix and delimiter', async (t) => {
    const bucket = await t.own('versioned')
    await t.fill(bucket, ['a/b/1', 'a/c', 'a/c', 'd'])
    ;(await t.listVersions(bucket, { prefix: 'a/', delimiter: '/' }))
      .is(200)
      .shows('Version.Key', 'a/c', 'a/c')
      .shows('CommonPrefixes.Prefix', 'a/b/')
      .shows('Delimiter', '/')
  }),
  rule('4.3.4', 'versions with an encoding', async (t) => {
    const bucket = await t.own('versioned')
    await t.fill(bucket, ['a b+c'])
    ;(await t.listVersions(bucket, { 'encoding-type': 'url' }))
      .is(200)
      .shows('Version.Key', 'a%20b%2Bc')
      .shows('EncodingType', 'url')
  }),
  ...rules('4.3.1', ['-1', 'blah'], (value) => [
    `versions with max-keys ${value} are refused`,
    async (t) => {
      const bucket = await t.shared('versioned')
      ;(await t.listVersions(bucket, { 'max-keys': value })).is(400, 'InvalidArgument')
    },
  ]),
  rule('4.3.5', 'a folder object is versioned like any other', async (t) => {
    const bucket = await t.own('versioned')
    const first = await t.putVersion(bucket, 'folder/', '')
    const second = await t.putVersion(bucket, 'folder/', '')
    ;(await t.listVersions(bucket)).shows('Version.VersionId', second, first)
    ;(await t.delete(bucket, 'folder/')).is(204).has('x-amz-delete-marker', 'true')
    ;(await t.list(bucket)).shows('Contents.Key')
  }),
  rule('4.3.5', 'a folder object may have content', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'folder/', 'content')).is(200)
    ;(await t.get(bucket, 'folder/')).is(200).contains('content')
    ;(await t.get(bucket, 'folder')).is(404, 'NoSuchKey')
  }),
]

export const listing: readonly Rule[] = [...both, ...single, ...versions]
