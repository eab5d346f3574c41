/** Routing, names of buckets and keys, sub-resources (s3-api.md 1, 3.1, 3.2). */
import { rule, rules, type Rule } from '../rule.ts'
import { pathOf } from '../trial.ts'

const BAD_BUCKETS = [
  ['two characters', 'ab'],
  ['one character', 'a'],
  ['64 characters', 'a'.repeat(64)],
  ['an upper-case letter', 'Abucket'],
  ['upper-case letters inside', 'aBUCKETb'],
  ['an underscore', 'a_bucket'],
  ['an underscore at its end', 'bucket_'],
  ['a dash at its beginning', '-bucket'],
  ['a dash at its end', 'bucket-'],
  ['a dot at its beginning', '.bucket'],
  ['a dot at its end', 'bucket.'],
  ['two dots together', 'foo..bar'],
  ['a dash behind a dot', 'foo.-bar'],
  ['a dot behind a dash', 'foo-.bar'],
  ['the form of an IPv4 address', '192.168.5.123'],
  ['an exclamation mark', 'foo!bar'],
  ['an escaped blank', 'foo%20bar'],
  ['a colon', 'foo:bar'],
  ['letters beyond ASCII', 'b%C3%BCcket'],
  ['a dollar sign', 'foo$bar'],
] as const

const GOOD_KEYS = [
  ['a blank', 'a key'],
  ['a plus sign', 'a+b'],
  ['a percent sign', 'a%b'],
  ['an escape that looks encoded', 'a%2Fb'],
  ['a question mark', 'a?b'],
  ['a hash', 'a#b'],
  ['an ampersand', 'a&b=c'],
  ['quotes', '"a\'b"'],
  ['brackets', '<a>[b]{c}'],
  ['a backslash', 'a\\b'],
  ['a colon and a pipe', 'a:b|c'],
  ['an asterisk', 'a*b'],
  ['a tilde', '~a'],
  ['a dot at its beginning', '.a'],
  ['three dots as a segment', 'x/.../y'],
  ['dots inside a segment', 'a..b'],
  ['accents', 'été/naïve'],
  ['letters of other scripts', '日本語/ключ'],
  ['a character beyond the first plane', 'emoji-😀'],
  ['a tabulator', 'a\tb'],
  ['a line feed', 'a\nb'],
  ['a control character', 'a\u0001b'],
  ['a slash at its end', 'folder/'],
  ['twenty levels', `${'d/'.repeat(20)}leaf`],
  ['two slashes together', 'a//b'],
  ['two slashes at its end', 'a//'],
  ['a leading slash', '/a'],
  ['only a blank', ' '],
  ['a segment of 300 characters', 's'.repeat(300)],
  ['128 two-byte characters in a segment', 'é'.repeat(128)],
  ['the name of a sub-resource', 'acl'],
] as const

const BAD_KEYS = [
  ['of 1025 bytes', 'k'.repeat(1025), 'KeyTooLongError'],
  ['of 1026 bytes in 513 characters', encodeURIComponent('é'.repeat(513)), 'KeyTooLongError'],
  ['with a NUL', 'a%00b', 'XMinioInvalidObjectName'],
  ['with bad UTF-8', 'a%FFb', 'XMinioInvalidObjectName'],
  ['with a malformed escape', 'a%zz', 'XMinioInvalidObjectName'],
  ['with a segment of two dots', 'a/%2E%2E/b', 'XMinioInvalidResourceName'],
  ['with a segment of one dot', 'a/%2E/b', 'XMinioInvalidResourceName'],
  ['that is two dots', '%2E%2E', 'XMinioInvalidResourceName'],
  ['that ends in two dots', 'a/%2E%2E', 'XMinioInvalidResourceName'],
] as const

/** Sub-resources without an implementation: they must never fall through to the bucket itself. */
const REFUSED = ['metadataTable', 'session'] as const

const names: readonly Rule[] = [
  ...rules('3.1', BAD_BUCKETS, ([what, name]) => [
    `a bucket name with ${what} is refused`,
    async (t) => (await t.send({ method: 'PUT', path: `/${name}` })).is(400, 'InvalidBucketName'),
  ]),
  rule('3.1', 'a bucket name of 3 characters is good', async (t) => {
    const reply = await t.send({ method: 'PUT', path: '/a3z' })
    reply.is(200)
    ;(await t.send({ method: 'DELETE', path: '/a3z' })).is(204)
  }),
  rule('3.1', 'a bucket name of 63 characters is good', async (t) => {
    const name = `${t.name()}${'x'.repeat(63)}`.slice(0, 63)
    ;(await t.send({ method: 'PUT', path: `/${name}` })).is(200)
    ;(await t.send({ method: 'DELETE', path: `/${name}` })).is(204)
  }),
  rule('3.1', 'a bucket name may have dots between letters and digits', async (t) => {
    const name = `${t.name()}.x.1`
    ;(await t.send({ method: 'PUT', path: `/${name}` })).is(200)
    ;(await t.send({ method: 'DELETE', path: `/${name}` })).is(204)
  }),
  rule('3.1', 'a bucket name may begin with a digit', async (t) => {
    const name = `1${t.name()}`
    ;(await t.send({ method: 'PUT', path: `/${name}` })).is(200)
    ;(await t.send({ method: 'DELETE', path: `/${name}` })).is(204)
  }),
  ...rules('3.1', ['minio', '.minio.sys'], (name) => [
    `the bucket name ${name} is reserved`,
    async (t) => (await t.send({ method: 'PUT', path: `/${name}` })).is(403, 'AllAccessDisabled'),
  ]),
  ...rules('3.1', GOOD_KEYS, ([what, key]) => [
    `a key with ${what} is stored, read, listed and deleted`,
    async (t) => {
      const bucket = await t.own()
      ;(await t.put(bucket, key, 'content')).is(200)
      ;(await t.get(bucket, key)).is(200).contains('content')
      ;(await t.head(bucket, key)).is(200).has('content-length', '7')
      const listed = (await t.listV2(bucket, { 'encoding-type': 'url' })).is(200)
      const found = listed.texts('Contents.Key').map((text) => decodeURIComponent(text))
      if (found.length !== 1 || found[0] !== key)
        listed.fail(`the key ${JSON.stringify(key)} in the list`)
      ;(await t.delete(bucket, key)).is(204)
      ;(await t.get(bucket, key)).is(404, 'NoSuchKey')
    },
  ]),
  ...rules('3.1', BAD_KEYS, ([what, key, code]) => [
    `a key ${what} is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.send({ method: 'PUT', path: `/${bucket}/${key}`, body: 'x' })).is(400, code)
    },
  ]),
  rule('3.1', 'a key of 1024 bytes is good', async (t) => {
    const bucket = await t.shared()
    const key = `${t.key}/`
      .padEnd(1024, `${'n'.repeat(200)}/`)
      .slice(0, 1023)
      .concat('z')
    ;(await t.put(bucket, key)).is(200)
    ;(await t.get(bucket, key)).is(200)
  }),
  rule('3.1', 'a key and a key below it live side by side', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'a', 'one')).is(200)
    ;(await t.put(bucket, 'a/b', 'two')).is(200)
    ;(await t.put(bucket, 'a/', '')).is(200)
    ;(await t.get(bucket, 'a')).is(200).contains('one')
    ;(await t.get(bucket, 'a/b')).is(200).contains('two')
    ;(await t.list(bucket)).shows('Contents.Key', 'a', 'a/', 'a/b')
  }),
  rule('3.1', 'keys that differ only in slashes are different', async (t) => {
    const bucket = await t.own()
    for (const key of ['x/y', 'x//y', '/x/y', '//x/y']) (await t.put(bucket, key, key)).is(200)
    for (const key of ['x/y', 'x//y', '/x/y', '//x/y']) (await t.get(bucket, key)).contains(key)
    ;(await t.list(bucket)).shows('Contents.Key', '//x/y', '/x/y', 'x//y', 'x/y')
  }),
  rule('3.1', 'a key in upper case is another key', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, `${t.key}A`, 'upper')).is(200)
    ;(await t.get(bucket, `${t.key}a`)).is(404, 'NoSuchKey')
  }),
]

const routing: readonly Rule[] = [
  rule('1.1', 'a slash behind the bucket addresses the bucket', async (t) => {
    const bucket = await t.shared()
    ;(await t.send({ method: 'HEAD', path: `/${bucket}/` })).is(200)
  }),
  rule('1.1', 'a query key counts by its presence, whatever its value', async (t) => {
    const bucket = await t.shared()
    for (const value of ['', 'x'])
      (await t.sub('GET', bucket, { location: value })).is(200).mentions('LocationConstraint')
  }),
  rule('1.1', 'list-type with another value than 2 is a plain list', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { 'list-type': '1', prefix: 'none-' })).is(200).mentions('<Marker')
  }),
  rule('1.1', 'unknown query keys are ignored', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', {}, { query: { 'x-id': 'PutObject' } })).is(200)
    ;(await t.get(bucket, t.key, {}, { 'x-id': 'GetObject', unheard: 'of' })).is(200).contains('x')
  }),
  rule('1.1', 'POST on a key with ?delete deletes nothing', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    const body = `<Delete><Object><Key>${t.key}</Key></Object></Delete>`
    const reply = await t.of('POST', bucket, t.key, { delete: '' }, body)
    if (reply.status < 400) reply.fail('a refusal')
    ;(await t.get(bucket, t.key)).is(200)
  }),
  rule('1.1', 'a form posted to a key is refused', async (t) => {
    const bucket = await t.shared()
    const headers = { 'content-type': 'multipart/form-data; boundary=x' }
    ;(
      await t.send({
        method: 'POST',
        path: pathOf(bucket, t.key),
        headers,
        body: '--x--',
        auth: 'anonymous',
      })
    ).isOne(405, 400)
  }),
  ...rules('1.1', ['PATCH', 'TRACE'], (method) => [
    `the method ${method} is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.send({ method, path: `/${bucket}/${t.key}` })).isOne(400, 405)
    },
  ]),
  rule('1.1', 'a method that an existing resource does not have is 405', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('POST', bucket, { acl: '' })).is(405, 'MethodNotAllowed')
  }),
  rule('1.1', 'a POST to a bucket that is no form is told so', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('POST', bucket, {}))
      .is(412, 'PreconditionFailed')
      .mentions('Bucket POST must be of the enclosure-type multipart/form-data')
  }),
  ...rules('1.4', REFUSED, (key) => [
    `?${key} is not implemented and touches nothing`,
    async (t) => {
      const bucket = await t.own()
      for (const method of ['GET', 'PUT', 'DELETE']) {
        ;(
          await t.sub(method, bucket, { [key]: '', id: '1' }, method === 'PUT' ? '<X/>' : undefined)
        ).is(501, 'NotImplemented')
      }
      ;(await t.send({ method: 'HEAD', path: `/${bucket}` })).is(200)
    },
  ]),
  ...rules(
    '1.4',
    [
      'publicAccessBlock',
      'ownershipControls',
      'cors',
      'website',
      'lifecycle',
      'tagging',
      'policy',
      'encryption',
      'replication',
      'acl',
      'accelerate',
      'logging',
      'requestPayment',
      'notification',
      'object-lock',
      'versioning',
    ],
    (key) => [
      `DELETE ?${key} never deletes the bucket`,
      async (t) => {
        const bucket = await t.own()
        await t.sub('DELETE', bucket, { [key]: '' })
        ;(await t.send({ method: 'HEAD', path: `/${bucket}` })).is(200)
      },
    ],
  ),
  ...rules(
    '1.4',
    [
      'publicAccessBlock',
      'ownershipControls',
      'cors',
      'website',
      'session',
      'metrics',
      'accelerate',
      'logging',
      'requestPayment',
    ],
    (key) => [
      `PUT ?${key} never creates a bucket`,
      async (t) => {
        const bucket = t.name()
        await t.sub('PUT', bucket, { [key]: '' }, '<X/>')
        ;(await t.send({ method: 'HEAD', path: `/${bucket}` })).is(404, 'NoSuchBucket')
      },
    ],
  ),
  ...rules(
    '7.2',
    [
      ['GET', 'location'],
      ['GET', 'policy'],
      ['GET', 'lifecycle'],
      ['GET', 'encryption'],
      ['GET', 'object-lock'],
      ['GET', 'versioning'],
      ['GET', 'notification'],
      ['GET', 'tagging'],
      ['GET', 'acl'],
      ['GET', 'cors'],
      ['GET', 'website'],
      ['GET', 'uploads'],
      ['GET', 'versions'],
      ['GET', 'policyStatus'],
      ['GET', 'replication'],
      ['DELETE', 'tagging'],
      ['DELETE', 'policy'],
      ['DELETE', 'lifecycle'],
      ['DELETE', 'website'],
      ['DELETE', 'cors'],
      ['GET', 'logging'],
      ['GET', 'publicAccessBlock'],
      ['GET', 'ownershipControls'],
      ['GET', 'accelerate'],
      ['GET', 'requestPayment'],
    ] as const,
    ([method, key]) => [
      `${method} ?${key} of a bucket that does not exist is 404`,
      async (t) => (await t.sub(method, t.name(), { [key]: '' })).is(404, 'NoSuchBucket'),
    ],
  ),
  ...rules('7.2', ['GET', 'HEAD', 'PUT', 'DELETE'], (method) => [
    `an anonymous ${method} in a bucket that does not exist is 404`,
    async (t) =>
      (await t.send({ method, path: pathOf(t.name(), t.key), auth: 'anonymous' })).is(
        404,
        'NoSuchBucket',
      ),
  ]),
  rule('7.2', 'an anonymous HEAD of a bucket that does not exist is 404', async (t) => {
    const missing = await t.send({ method: 'HEAD', path: `/${t.name()}`, auth: 'anonymous' })
    missing.is(404, 'NoSuchBucket')
    const kept = await t.send({ method: 'HEAD', path: `/${await t.shared()}`, auth: 'anonymous' })
    kept.is(403, 'AccessDenied')
  }),
  ...rules(
    '7.2',
    [
      ['versioning', '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'],
      ['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'],
      ['policy', '{"Version":"2012-10-17","Statement":[]}'],
      ['acl', ''],
    ] as const,
    ([key, body]) => [
      `PUT ?${key} of a bucket that does not exist is 404`,
      async (t) =>
        (
          await t.sub(
            'PUT',
            t.name(),
            { [key]: '' },
            body,
            key === 'acl' ? { 'x-amz-acl': 'private' } : {},
          )
        ).is(404, 'NoSuchBucket'),
    ],
  ),
  ...rules(
    '1.3',
    [
      ['GET', 'torrent'],
      ['PUT', 'torrent'],
      ['DELETE', 'torrent'],
      ['DELETE', 'acl'],
    ] as const,
    ([method, key]) => [
      `${method} ?${key} of an object is not implemented`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key)).is(200)
        ;(await t.of(method, bucket, t.key, { [key]: '' })).is(501, 'NotImplemented')
        ;(await t.get(bucket, t.key)).is(200).contains('data')
      },
    ],
  ),
  ...rules(
    '1.4',
    [
      ['DELETE', 'retention'],
      ['DELETE', 'legal-hold'],
      ['DELETE', 'attributes'],
      ['DELETE', 'uploads'],
      ['PUT', 'uploads'],
      ['PUT', 'attributes'],
    ] as const,
    ([method, key]) => [
      `${method} ?${key} of an object leaves the object`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key)).is(200)
        ;(await t.of(method, bucket, t.key, { [key]: '' })).is(405, 'MethodNotAllowed')
        ;(await t.get(bucket, t.key)).is(200).contains('data')
      },
    ],
  ),
  ...rules(
    '1.1',
    [
      ['/minio/health/live', 200],
      ['/minio/health/ready', 200],
      ['/minio/health/cluster', 200],
      ['/minio/health/cluster/read', 200],
    ] as const,
    ([path, status]) => [
      `${path} answers without a key`,
      async (t) =>
        (await t.send({ method: 'GET', path, auth: 'anonymous' })).is(status).contains(''),
    ],
  ),
  rule('1.1', 'health answers HEAD too', async (t) =>
    (await t.send({ method: 'HEAD', path: '/minio/health/live', auth: 'anonymous' })).is(200),
  ),
  rule('1.2', '/crossdomain.xml answers anybody', async (t) =>
    (await t.send({ method: 'GET', path: '/crossdomain.xml', auth: 'anonymous' }))
      .is(200)
      .mentions('cross-domain-policy'),
  ),
  ...rules(
    '1.1',
    [
      ['GET', { uploads: '' }, 400, 'InvalidRequest'],
      ['GET', { versions: '' }, 400, 'InvalidRequest'],
      ['PUT', { partNumber: '1' }, 400, 'InvalidArgument'],
      ['PUT', { uploadId: 'x' }, 405, 'MethodNotAllowed'],
    ] as const,
    ([method, query, status, code]) => [
      `${method} ?${Object.keys(query).join('&')} of a key is refused`,
      async (t) => (await t.of(method, await t.shared(), t.key, { ...query })).is(status, code),
    ],
  ),
  ...rules('1.1', ['GET', 'DELETE'] as const, (method) => [
    `${method} with a copy source is refused`,
    async (t) => {
      const bucket = await t.shared()
      const source = { 'x-amz-copy-source': `${bucket}/source` }
      ;(await t.of(method, bucket, t.key, {}, undefined, source)).is(400, 'InvalidArgument')
    },
  ]),
  rule('1.1', 'OPTIONS without an origin answers 200', async (t) =>
    (await t.send({ method: 'OPTIONS', path: '/', auth: 'anonymous' })).is(200),
  ),
]

export const addressing: readonly Rule[] = [...names, ...routing]
