/** Metadata, limits, conditions, reply headers, ranges and version ids of plain objects (s3-api.md 3, 4.2.1 to 4.2.3). */
import { type Rule, rule, rules } from '../rule.ts'
import { bigPart, check, md5Base64, md5Hex, type Trial, VERSION_ID } from '../trial.ts'

const DAY_MS = 86_400_000
const PAST = new Date(Date.now() - DAY_MS).toUTCString()
const FUTURE = new Date(Date.now() + DAY_MS).toUTCString()
const ETAG = `"${md5Hex('data')}"`
const OTHER_ETAG = `"${md5Hex('other')}"`

const basics: readonly Rule[] = [
  rule('4.2.3', 'PUT answers the MD5 as entity tag, with an empty body', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key))
      .is(200)
      .has('etag', ETAG)
      .has('x-amz-version-id', null)
      .contains('')
  }),
  rule('4.2.3', 'an empty object is an object', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, '')).is(200).has('etag', '"d41d8cd98f00b204e9800998ecf8427e"')
    ;(await t.get(bucket, t.key)).is(200).contains('').has('content-length', '0')
  }),
  rule('4.2.3', 'a write replaces content and all metadata', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, t.key, 'one', {
        'x-amz-meta-a': '1',
        'cache-control': 'no-cache',
        'x-amz-tagging': 'a=b',
      })
    ).is(200)
    ;(await t.put(bucket, t.key, 'two', { 'x-amz-meta-b': '2' })).is(200)
    ;(await t.get(bucket, t.key))
      .contains('two')
      .has('x-amz-meta-a', null)
      .has('x-amz-meta-b', '2')
      .has('cache-control', null)
      .has('x-amz-tagging-count', null)
  }),
  rule('4.2.3', 'an object of a megabyte and a bit is read as written', async (t) => {
    const bucket = await t.shared()
    const body = Buffer.alloc(1024 * 1024 + 17, 'abcdefg')
    ;(await t.put(bucket, t.key, body)).is(200)
    ;(await t.get(bucket, t.key)).is(200).contains(body)
  }),
  rule('4.2.3', 'a write into a bucket that does not exist is 404', async (t) =>
    (await t.put(t.name(), 'k')).is(404, 'NoSuchBucket'),
  ),
  rule('4.2.3', 'a copy source without a slash is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, '', { 'x-amz-copy-source': 'nothing' })).is(400, 'InvalidArgument')
  }),
  rule('4.2.1', 'a key that does not exist is 404, with its name in the error', async (t) => {
    const bucket = await t.shared()
    const reply = (await t.get(bucket, t.key))
      .is(404, 'NoSuchKey')
      .shows('Key', t.key)
      .shows('BucketName', bucket)
      .shows('Resource', `/${bucket}/${t.key}`)
    reply
      .has('content-type', 'application/xml')
      .shows('RequestId', reply.header('x-amz-request-id'))
  }),
  rule('4.2.1', 'a bucket that does not exist is 404', async (t) =>
    (await t.get(t.name(), 'k')).is(404, 'NoSuchBucket'),
  ),
  rule('4.2.2', 'HEAD tells errors in headers, without a body', async (t) => {
    const bucket = await t.shared()
    ;(await t.head(bucket, t.key))
      .is(404)
      .contains('')
      .has('x-minio-error-code', 'NoSuchKey')
      .has('x-minio-error-desc', '"The specified key does not exist."')
  }),
  rule('4.2.2', 'HEAD tells what GET would', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'data', { 'content-type': 'text/plain', 'x-amz-meta-a': 'b' })).is(
      200,
    )
    const got = await t.get(bucket, t.key)
    const head = (await t.head(bucket, t.key)).is(200).contains('')
    for (const name of [
      'etag',
      'last-modified',
      'content-type',
      'content-length',
      'x-amz-meta-a',
      'accept-ranges',
    ])
      head.has(name, got.header(name))
  }),
  ...rules(
    '4.2.1',
    ['x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id'],
    (name) => [
      `${name} on a read is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key)).is(200)
        ;(await t.get(bucket, t.key, { [name]: 'AES256' })).is(400)
      },
    ],
  ),
  rule('4.1', 'x-amz-expected-bucket-owner of somebody else is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.get(bucket, t.key, { 'x-amz-expected-bucket-owner': 'f'.repeat(64) })).is(
      403,
      'AccessDenied',
    )
    ;(await t.delete(bucket, t.key, { 'x-amz-expected-bucket-owner': 'f'.repeat(64) })).is(
      403,
      'AccessDenied',
    )
    ;(await t.head(bucket, t.key)).is(200)
  }),
  rule('4.1', 'x-amz-expected-bucket-owner of the owner is good', async (t) => {
    const bucket = await t.shared()
    const owner = (await t.send({ method: 'GET', path: '/' })).first('Owner.ID')
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-expected-bucket-owner': owner })).is(200)
  }),
  rule('4.1', 'x-amz-expected-bucket-owner is good with the access key of the owner', async (t) => {
    const bucket = await t.shared()
    const { accessKey } = t.wire.credentials
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-expected-bucket-owner': accessKey })).is(200)
    ;(
      await t.copy(bucket, `${t.key}-2`, `${bucket}/${t.key}`, {
        'x-amz-source-expected-bucket-owner': accessKey,
      })
    ).is(200)
  }),
  ...rules('4.2.3', ['200', ''], (expect) => [
    `an expectation of "${expect}" is passed over`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'x', {}, { unsigned: { Expect: expect } })).is(200)
    },
  ]),
  rule('4.2.3', 'two writes at once leave one of them whole', async (t) => {
    const bucket = await t.shared()
    const bodies = ['a', 'b'].map((letter) => Buffer.alloc(300_000, letter))
    await Promise.all(bodies.map((body) => t.put(bucket, t.key, body)))
    const found = (await t.get(bucket, t.key)).is(200).body
    check(
      bodies.some((body) => body.equals(found)),
      'one of the two bodies',
    )
  }),
]

const digests: readonly Rule[] = [
  rule('3.10', 'a good Content-MD5 is taken', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'data', { 'content-md5': md5Base64('data') })).is(200)
  }),
  ...rules(
    '3.10',
    [
      ['a wrong', md5Base64('other'), 'BadDigest'],
      ['an empty', '', 'InvalidDigest'],
      ['a short', 'AAAA', 'InvalidDigest'],
      ['a garbled', '!!!not base64!!!', 'InvalidDigest'],
      ['a hex', md5Hex('data'), 'InvalidDigest'],
    ] as const,
    ([what, value, code]) => [
      `${what} Content-MD5 stores nothing`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'data', { 'content-md5': value })).is(400, code)
        ;(await t.head(bucket, t.key)).is(404)
      },
    ],
  ),
]

const METADATA = [
  'Content-Type',
  'Cache-Control',
  'Content-Language',
  'Content-Disposition',
  'Expires',
  'Content-Encoding',
] as const
const VALUES: Record<string, string> = {
  'Content-Type': 'text/x-test; charset=utf-8',
  'Cache-Control': 'public, max-age=60',
  'Content-Language': 'de, en',
  'Content-Disposition': 'attachment; filename="a b.txt"',
  Expires: 'Wed, 21 Oct 2035 07:28:00 GMT',
  'Content-Encoding': 'zstd',
}

const metadata: readonly Rule[] = [
  ...rules('3.4', METADATA, (name) => [
    `${name} comes back as sent`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'x', { [name]: VALUES[name] })).is(200)
      ;(await t.get(bucket, t.key)).is(200).has(name, VALUES[name] ?? '')
      ;(await t.head(bucket, t.key)).is(200).has(name, VALUES[name] ?? '')
    },
  ]),
  ...rules('3.6', METADATA, (name) => [
    `response-${name.toLowerCase()} replaces the header`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'x', { [name]: VALUES[name] })).is(200)
      const query = { [`response-${name.toLowerCase()}`]: 'replaced' }
      ;(await t.get(bucket, t.key, {}, query)).is(200).has(name, 'replaced')
      ;(await t.head(bucket, t.key, {}, query)).is(200).has(name, 'replaced')
    },
  ]),
  rule('3.6', 'response overrides match in any case', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.get(bucket, t.key, {}, { 'Response-Content-Type': 'text/css' }))
      .is(200)
      .has('content-type', 'text/css')
  }),
  rule('3.4', 'Expires that is no date comes back as sent', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { expires: 'tomorrow' })).is(200)
    ;(await t.head(bucket, t.key)).has('expires', 'tomorrow')
  }),
  rule('3.4', 'the default Content-Type is binary/octet-stream', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.head(bucket, t.key)).has('content-type', 'binary/octet-stream')
  }),
  rule('3.4', 'names of user metadata come back in lower case', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'X-Amz-Meta-MixedCase': 'Value Kept' })).is(200)
    ;(await t.head(bucket, t.key)).has('x-amz-meta-mixedcase', 'Value Kept')
  }),
  rule('3.4', 'user metadata may be empty', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-meta-empty': '' })).is(200)
    ;(await t.head(bucket, t.key)).is(200).has('x-amz-meta-empty', '')
  }),
  ...rules(
    '3.4',
    [
      ['a quoted word', 'Hello World\u00e9', /^=\?UTF-8\?q\?Hello_World=C3=A9\?=$/i],
      ['a base64 word', 'Straße, 5', /^=\?UTF-8\?b\?.*\?=$/i],
    ] as const,
    ([what, value, form]) => [
      `user metadata beyond ASCII comes back as ${what}`,
      async (t) => {
        const bucket = await t.shared()
        ;(
          await t.put(
            bucket,
            t.key,
            'x',
            {},
            { auth: 'presigned', query: { 'x-amz-meta-text': value } },
          )
        ).is(200)
        ;(await t.head(bucket, t.key)).has('x-amz-meta-text', form)
      },
    ],
  ),
  ...rules(
    '3.4',
    ['x-amz-meta-x-amz-unencrypted-content-length', 'x-amz-meta-x-amz-unencrypted-content-md5'],
    (name) => [
      `${name} is never kept`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'x', { [name]: '1' })).is(200)
        ;(await t.head(bucket, t.key)).is(200).has(name, null)
      },
    ],
  ),
  rule('3.3', 'metadata of more than 2 KiB is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-meta-big': 'm'.repeat(2048) })).is(
      400,
      'MetadataTooLarge',
    )
    ;(await t.head(bucket, t.key)).is(404)
  }),
  rule('3.3', 'metadata of nearly 2 KiB is good', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-meta-big': 'm'.repeat(2000) })).is(200)
  }),
  rule('3.3', 'headers of more than 8 KiB are refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'content-disposition': 'm'.repeat(8192) }))
      .is(400, 'RequestHeaderSectionTooLarge')
      .shows('MaxSizeAllowed', '8192')
  }),
  rule('3.3', 'internal metadata of the server cannot be sent', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, t.key, 'x', { 'x-minio-internal-compression': 'klauspost/compress/s2' })
    ).is(400, 'InvalidArgument')
  }),
  ...rules('3.4', ['STANDARD', 'REDUCED_REDUNDANCY'], (value) => [
    `storage class ${value} is taken`,
    async (t) => {
      const bucket = await t.own()
      ;(await t.put(bucket, t.key, 'x', { 'x-amz-storage-class': value })).is(200)
      ;(await t.head(bucket, t.key)).has('x-amz-storage-class', value === 'STANDARD' ? null : value)
      ;(await t.list(bucket)).shows('Contents.StorageClass', value)
    },
  ]),
  ...rules('3.4', ['GLACIER', 'standard', 'INVALID'], (value) => [
    `storage class ${value} is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'x', { 'x-amz-storage-class': value })).is(
        400,
        'InvalidStorageClass',
      )
    },
  ]),
  ...rules(
    '3.4',
    ['public-read', 'private', 'bucket-owner-full-control', 'authenticated-read'],
    (acl) => [
      `a write with the ACL ${acl} is taken`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'x', { 'x-amz-acl': acl })).is(200)
      },
    ],
  ),
  ...rules('4.15.2', ['/other', 'http://example.com/', 'https://example.com/a?b'], (location) => [
    `the website redirect ${location} is kept`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'x', { 'x-amz-website-redirect-location': location })).is(200)
      ;(await t.head(bucket, t.key)).is(200).has('x-amz-website-redirect-location', location)
      ;(await t.get(bucket, t.key))
        .is(200)
        .has('x-amz-website-redirect-location', location)
        .contains('x')
    },
  ]),
  ...rules(
    '4.15.2',
    [
      ['that is relative', 'other'],
      ['to another scheme', 'ftp://example.com'],
      ['of over 2 KiB', `/${'x'.repeat(2048)}`],
    ] as const,
    ([what, location]) => [
      `a website redirect ${what} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'x', { 'x-amz-website-redirect-location': location })).is(
          400,
          'InvalidRedirectLocation',
        )
      },
    ],
  ),
  rule('3.6', 'replies have the common headers', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key))
      .is(200)
      .has('x-amz-request-id', /^[0-9A-F]{16}$/)
      .has('date', / GMT$/)
      .has('x-content-type-options', 'nosniff')
      .has('x-xss-protection', '1; mode=block')
      .has('vary', /Origin/)
      .has('server', /./)
      .has('content-length', '0')
      .has('strict-transport-security', /max-age/)
    ;(await t.get(bucket, t.key)).has('accept-ranges', 'bytes').has('last-modified', / GMT$/)
  }),
]

type Conditions = Readonly<Record<string, string>>
const READ_CONDITIONS: readonly (readonly [string, Conditions, number])[] = [
  ['If-Match of its tag', { 'if-match': ETAG }, 200],
  ['If-Match of its tag without quotes', { 'if-match': ETAG.slice(1, -1) }, 200],
  ['If-Match of another tag', { 'if-match': OTHER_ETAG }, 412],
  ['If-Match of a star', { 'if-match': '*' }, 200],
  ['If-Match of a list with its tag', { 'if-match': `${OTHER_ETAG}, ${ETAG}` }, 200],
  ['If-None-Match of its tag', { 'if-none-match': ETAG }, 304],
  ['If-None-Match of another tag', { 'if-none-match': OTHER_ETAG }, 200],
  ['If-None-Match of a star', { 'if-none-match': '*' }, 304],
  ['If-Modified-Since the past', { 'if-modified-since': PAST }, 200],
  ['If-Modified-Since the future', { 'if-modified-since': FUTURE }, 304],
  ['If-Modified-Since nonsense', { 'if-modified-since': 'nonsense' }, 200],
  ['If-Unmodified-Since the past', { 'if-unmodified-since': PAST }, 412],
  ['If-Unmodified-Since the future', { 'if-unmodified-since': FUTURE }, 200],
  ['If-Unmodified-Since nonsense', { 'if-unmodified-since': 'nonsense' }, 200],
  [
    'If-Match true and If-Unmodified-Since false',
    { 'if-match': ETAG, 'if-unmodified-since': PAST },
    200,
  ],
  [
    'If-Match false and If-Unmodified-Since true',
    { 'if-match': OTHER_ETAG, 'if-unmodified-since': FUTURE },
    412,
  ],
  [
    'If-None-Match false and If-Modified-Since true',
    { 'if-none-match': ETAG, 'if-modified-since': PAST },
    304,
  ],
  [
    'If-None-Match true and If-Modified-Since false',
    { 'if-none-match': OTHER_ETAG, 'if-modified-since': FUTURE },
    200,
  ],
  ['If-Match true and If-None-Match false', { 'if-match': ETAG, 'if-none-match': ETAG }, 304],
  [
    'If-Match false and If-None-Match false',
    { 'if-match': OTHER_ETAG, 'if-none-match': ETAG },
    412,
  ],
  [
    'all four true',
    {
      'if-match': ETAG,
      'if-none-match': OTHER_ETAG,
      'if-modified-since': PAST,
      'if-unmodified-since': FUTURE,
    },
    200,
  ],
]

const WRITE_CONDITIONS: readonly (readonly [string, Conditions, number, number])[] = [
  ['If-Match of its tag', { 'if-match': ETAG }, 200, 404],
  ['If-Match of another tag', { 'if-match': OTHER_ETAG }, 412, 404],
  ['If-Match of a star', { 'if-match': '*' }, 200, 404],
  ['If-None-Match of a star', { 'if-none-match': '*' }, 412, 200],
  ['If-None-Match of its tag', { 'if-none-match': ETAG }, 412, 200],
  ['If-None-Match of another tag', { 'if-none-match': OTHER_ETAG }, 200, 200],
]

const CODES: Readonly<Record<number, string>> = {
  404: 'NoSuchKey',
  412: 'PreconditionFailed',
  200: '',
}

const conditions: readonly Rule[] = [
  ...rules(
    '3.5',
    ['GET', 'HEAD'].flatMap((method) => READ_CONDITIONS.map((row) => [method, ...row] as const)),
    ([method, what, headers, status]) => [
      `${method} with ${what} is ${status}`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'data', { 'cache-control': 'no-cache' })).is(200)
        const reply = (
          method === 'GET'
            ? await t.get(bucket, t.key, headers)
            : await t.head(bucket, t.key, headers)
        ).is(status, CODES[status] ?? '')
        if (status === 304)
          reply
            .contains('')
            .has('etag', ETAG)
            .has('last-modified', / GMT$/)
            .has('cache-control', 'no-cache')
        if (status === 412) reply.has('etag', ETAG)
      },
    ],
  ),
  ...rules('3.5', WRITE_CONDITIONS, ([what, headers, status]) => [
    `PUT over an object with ${what} is ${status}`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'data')).is(200)
      ;(await t.put(bucket, t.key, 'new', headers)).is(status, CODES[status] ?? '')
      ;(await t.get(bucket, t.key)).contains(status === 200 ? 'new' : 'data')
    },
  ]),
  ...rules('3.5', WRITE_CONDITIONS, ([what, headers, , status]) => [
    `PUT of an absent key with ${what} is ${status}`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'new', headers)).is(status, CODES[status] ?? '')
    },
  ]),
  ...rules('3.5', WRITE_CONDITIONS, ([what, headers, , status]) => [
    `PUT over a delete marker with ${what} is ${status}`,
    async (t) => {
      const bucket = await t.shared('versioned')
      ;(await t.put(bucket, t.key, 'data')).is(200)
      ;(await t.delete(bucket, t.key)).is(204)
      ;(await t.put(bucket, t.key, 'new', headers)).is(status, CODES[status] ?? '')
    },
  ]),
  ...rules('3.5', WRITE_CONDITIONS, ([what, headers, status]) => [
    `a copy over an object with ${what} is ${status}`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, `${t.key}-source`, 'new')).is(200)
      ;(await t.put(bucket, t.key, 'data')).is(200)
      ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-source`, headers)).is(
        status,
        CODES[status] ?? '',
      )
      ;(await t.get(bucket, t.key)).contains(status === 200 ? 'new' : 'data')
    },
  ]),
  ...rules('3.5', WRITE_CONDITIONS, ([what, headers, , status]) => [
    `a copy to an absent key with ${what} is ${status}`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, `${t.key}-source`, 'new')).is(200)
      ;(await t.copy(bucket, t.key, `${bucket}/${t.key}-source`, headers)).is(
        status,
        CODES[status] ?? '',
      )
    },
  ]),
  ...rules('3.5', WRITE_CONDITIONS, ([what, headers, status]) => [
    `completing an upload over an object with ${what} is ${status}`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, 'data')).is(200)
      const uploadId = await t.begin(bucket, t.key, headers)
      const etag = (await t.part(bucket, t.key, uploadId, 1, 'new')).is(200).header('etag')
      ;(await t.complete(bucket, t.key, uploadId, [[1, etag]], headers)).is(
        status,
        CODES[status] ?? '',
      )
      ;(await t.get(bucket, t.key)).contains(status === 200 ? 'new' : 'data')
    },
  ]),
  ...rules('3.5', WRITE_CONDITIONS, ([what, headers, , status]) => [
    `completing an upload of an absent key with ${what} is ${status}`,
    async (t) => {
      const bucket = await t.shared()
      const uploadId = await t.begin(bucket, t.key)
      const etag = (await t.part(bucket, t.key, uploadId, 1, 'new')).is(200).header('etag')
      ;(await t.complete(bucket, t.key, uploadId, [[1, etag]], headers)).is(
        status,
        CODES[status] ?? '',
      )
    },
  ]),
  rule('3.5', 'a reply of 412 names the condition that failed', async (t) => {
    const bucket = await t.shared()
    const source = `${bucket}/${t.key}`
    const copy = (headers: Conditions): ReturnType<typeof t.copy> =>
      t.copy(bucket, `${t.key}-copy`, source, headers)
    ;(await t.put(bucket, t.key, 'data')).is(200)
    for (const [reply, name] of [
      [await t.get(bucket, t.key, { 'if-match': OTHER_ETAG }), 'If-Match'],
      [await t.get(bucket, t.key, { 'if-unmodified-since': PAST }), 'If-Unmodified-Since'],
      [await t.put(bucket, t.key, '', { 'if-match': OTHER_ETAG }), 'If-Match'],
      [await t.put(bucket, t.key, '', { 'if-none-match': '*' }), 'If-None-Match'],
      [await t.delete(bucket, t.key, { 'if-match': OTHER_ETAG }), 'If-Match'],
      [await copy({ 'x-amz-copy-source-if-match': OTHER_ETAG }), 'x-amz-copy-source-If-Match'],
      [await copy({ 'x-amz-copy-source-if-none-match': ETAG }), 'x-amz-copy-source-If-None-Match'],
    ] as const) {
      reply.is(412, 'PreconditionFailed').shows('Condition', name)
    }
  }),
  rule('3.5', 'conditions of PUT are decided against the latest version', async (t) => {
    const bucket = await t.shared('versioned')
    ;(await t.put(bucket, t.key, 'data')).is(200)
    ;(await t.put(bucket, t.key, 'other')).is(200)
    ;(await t.put(bucket, t.key, 'new', { 'if-match': ETAG })).is(412, 'PreconditionFailed')
    ;(await t.put(bucket, t.key, 'new', { 'if-match': OTHER_ETAG })).is(200)
  }),
  rule('3.5', 'of ten writers that want the key absent one wins', async (t) => {
    const bucket = await t.shared()
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, i) => t.put(bucket, t.key, `w${i}`, { 'if-none-match': '*' })),
    )
    check(replies.filter((reply) => reply.status === 200).length === 1, 'one winner')
    check(
      replies.every((reply) => [200, 409, 412].includes(reply.status)),
      '412 for the others',
    )
  }),
]

const TEN = '0123456789'
const RANGES: readonly (readonly [string, number, string])[] = [
  ['bytes=0-3', 206, '0123'],
  ['bytes=4-', 206, '456789'],
  ['bytes=-3', 206, '789'],
  ['bytes=0-', 206, TEN],
  ['bytes=0-0', 206, '0'],
  ['bytes=9-9', 206, '9'],
  ['bytes=5-100', 206, '56789'],
  ['bytes=-100', 206, TEN],
  ['bytes=10-', 416, ''],
  ['bytes=10-20', 416, ''],
  ['bytes=5-2', 200, TEN],
  ['bytes=-0', 416, ''],
  ['bytes=0-1,3-4', 200, TEN],
  ['chars=0-3', 200, TEN],
  ['bytes=a-b', 200, TEN],
  ['bytes=', 200, TEN],
  ['bytes=-', 200, TEN],
]

const ranges: readonly Rule[] = [
  ...rules(
    '3.9',
    ['GET', 'HEAD'].flatMap((method) => RANGES.map((row) => [method, ...row] as const)),
    ([method, range, status, content]) => [
      `${method} of "${range}" of ten bytes is ${status}${status === 416 ? '' : ` with ${content.length}`}`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, TEN)).is(200)
        const reply = (
          method === 'GET'
            ? await t.get(bucket, t.key, { range })
            : await t.head(bucket, t.key, { range })
        ).is(status, status === 416 ? 'InvalidRange' : '')
        if (status === 416) return
        if (method === 'GET') reply.contains(content)
        reply.has('content-length', String(content.length))
        const start = TEN.indexOf(content)
        reply.has(
          'content-range',
          status === 206 ? `bytes ${start}-${start + content.length - 1}/10` : null,
        )
      },
    ],
  ),
  rule('3.9', 'an unsatisfiable range tells the size', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, TEN)).is(200)
    ;(await t.get(bucket, t.key, { range: 'bytes=40-50' }))
      .is(416, 'InvalidRange')
      .shows('ActualObjectSize', '10')
      .shows('RangeRequested', '40-50')
  }),
  rule(
    '3.9',
    'a range of the last no bytes tells the size, and is none of an absent key',
    async (t) => {
      const bucket = await t.shared()
      ;(await t.get(bucket, t.key, { range: 'bytes=-0' })).is(404, 'NoSuchKey')
      ;(await t.put(bucket, t.key, TEN)).is(200)
      ;(await t.get(bucket, t.key, { range: 'bytes=-0' }))
        .is(416, 'InvalidRange')
        .shows('ActualObjectSize', '10')
    },
  ),
  ...rules('3.9', ['bytes=0-', 'bytes=0-10', 'bytes=5-'], (range) => [
    `"${range}" of an empty object is 416`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key, '')).is(200)
      ;(await t.get(bucket, t.key, { range })).is(416, 'InvalidRange')
    },
  ]),
  rule('3.9', 'a range across blocks is exact', async (t) => {
    const bucket = await t.shared()
    const body = Buffer.alloc(2_500_000, '0123456789abcdef')
    ;(await t.put(bucket, t.key, body)).is(200)
    for (const [first, last] of [
      [1_048_570, 1_048_580],
      [0, 2_499_999],
      [2_097_151, 2_097_153],
    ] as const) {
      ;(await t.get(bucket, t.key, { range: `bytes=${first}-${last}` }))
        .is(206)
        .contains(body.subarray(first, last + 1))
    }
  }),
  ...rules(
    '3.9',
    [
      ['If-Range of its tag', ETAG, 206],
      ['If-Range of its tag without quotes', ETAG.slice(1, -1), 206],
      ['If-Range of another tag', OTHER_ETAG, 200],
      ['If-Range of its weak tag', `W/${ETAG}`, 200],
      ['If-Range of a later date', FUTURE, 206],
      ['If-Range of an earlier date', PAST, 200],
    ] as const,
    ([what, value, status]) => [
      `a range with ${what} is ${status}`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key)).is(200)
        const headers = { range: 'bytes=1-2', 'if-range': value }
        const [content, length] = status === 206 ? ['at', '2'] : ['data', '4']
        ;(await t.get(bucket, t.key, headers)).is(status).contains(content)
        ;(await t.head(bucket, t.key, headers)).is(status).has('content-length', length)
      },
    ],
  ),
  rule('3.9', 'Range and partNumber exclude each other', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.get(bucket, t.key, { range: 'bytes=0-1' }, { partNumber: '1' })).is(
      400,
      'InvalidRequest',
    )
  }),
  rule('3.9', 'part 1 of an object without parts is the object', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, TEN)).is(200)
    ;(await t.get(bucket, t.key, {}, { partNumber: '1' }))
      .is(206)
      .contains(TEN)
      .has('x-amz-mp-parts-count', null)
    ;(await t.get(bucket, t.key, {}, { partNumber: '2' })).is(416, 'InvalidPartNumber')
  }),
  ...rules('3.9', ['0', '-1', 'x', '10001', '1.5'], (partNumber) => [
    `partNumber ${partNumber} of a read is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.put(bucket, t.key)).is(200)
      ;(await t.get(bucket, t.key, {}, { partNumber })).is(400, 'InvalidArgument')
    },
  ]),
  rule('3.9', 'parts of an upload are read one by one', async (t) => {
    const bucket = await t.shared()
    await t.multipart(bucket, t.key, [bigPart('a'), 'tail'])
    const size = bigPart('a').length
    ;(await t.get(bucket, t.key, {}, { partNumber: '2' }))
      .is(206)
      .contains('tail')
      .has('content-range', `bytes ${size}-${size + 3}/${size + 4}`)
      .has('x-amz-mp-parts-count', '2')
    ;(await t.head(bucket, t.key, {}, { partNumber: '1' }))
      .is(206)
      .has('content-length', String(size))
      .has('x-amz-mp-parts-count', '2')
    ;(await t.get(bucket, t.key, {}, { partNumber: '3' })).is(416, 'InvalidPartNumber')
    ;(await t.get(bucket, t.key, { range: `bytes=${size - 2}-${size + 1}` }))
      .is(206)
      .contains('aata')
  }),
]

async function threeVersions(
  t: Trial,
  kind: 'versioned' | 'suspended',
): Promise<{ bucket: string; ids: string[] }> {
  const bucket = await t.shared(kind)
  const ids: string[] = []
  for (const body of ['one', 'two', 'three'])
    ids.push((await t.put(bucket, t.key, body)).is(200).headers.get('x-amz-version-id') ?? 'null')
  return { bucket, ids }
}

const versions: readonly Rule[] = [
  rule('3.11', 'every write of a versioned bucket is a version', async (t) => {
    const { bucket, ids } = await threeVersions(t, 'versioned')
    check(new Set(ids).size === 3 && ids.every((id) => VERSION_ID.test(id)), 'three version ids')
    ;(await t.get(bucket, t.key)).contains('three').has('x-amz-version-id', ids[2] ?? '')
    for (const [i, body] of ['one', 'two', 'three'].entries())
      (await t.get(bucket, t.key, {}, { versionId: ids[i] }))
        .is(200)
        .contains(body)
        .has('x-amz-version-id', ids[i] ?? '')
  }),
  rule('3.11', 'writes of a suspended bucket replace the null version', async (t) => {
    const { bucket } = await threeVersions(t, 'suspended')
    ;(await t.get(bucket, t.key)).contains('three')
    ;(await t.get(bucket, t.key, {}, { versionId: 'null' })).is(200).contains('three')
    ;(await t.listVersions(bucket, { prefix: t.key })).shows('Version.VersionId', 'null')
  }),
  rule('3.11', 'the null version of a suspended bucket is named in reads', async (t) => {
    const bucket = await t.shared('suspended')
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.get(bucket, t.key)).is(200).has('x-amz-version-id', 'null')
  }),
  rule('3.11', 'an object from before versioning is the null version', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, t.key, 'old')).is(200)
    await t.versioning(bucket, 'Enabled')
    const id = await t.putVersion(bucket, t.key, 'new')
    ;(await t.get(bucket, t.key, {}, { versionId: 'null' })).is(200).contains('old')
    ;(await t.listVersions(bucket))
      .shows('Version.VersionId', id, 'null')
      .shows('Version.IsLatest', 'true', 'false')
    ;(await t.delete(bucket, t.key, {}, { versionId: 'null' }))
      .is(204)
      .has('x-amz-version-id', 'null')
    ;(await t.get(bucket, t.key)).contains('new')
  }),
  ...rules(
    '3.11',
    [
      ['Amazon', 'L4kqtJlcpXroDTDmpUMLUo.fJ3xHrHY_'],
      ['Ceph', '3pZ-6bQx.pJ0rJx7mAAXzHk.7qYxMfN'],
      ['VersityGW', '01G65Z755AFWAKHE12NY0CQ9FH'],
    ] as const,
    ([server, versionId]) => [
      `a version id that ${server} gave names no version here`,
      async (t) => {
        const bucket = await t.shared('versioned')
        ;(await t.put(bucket, t.key)).is(200)
        ;(await t.get(bucket, t.key, {}, { versionId })).is(404, 'NoSuchVersion')
        ;(await t.head(bucket, t.key, {}, { versionId })).is(404)
        ;(await t.copy(bucket, `${t.key}-2`, `${bucket}/${t.key}?versionId=${versionId}`)).is(
          404,
          'NoSuchVersion',
        )
        ;(await t.delete(bucket, t.key, {}, { versionId }))
          .is(204)
          .has('x-amz-version-id', versionId)
        ;(await t.get(bucket, t.key)).is(200)
      },
    ],
  ),
  rule('3.11', 'suspending keeps versions and overwrites only the null one', async (t) => {
    const bucket = await t.own('versioned')
    const id = await t.putVersion(bucket, t.key, 'kept')
    await t.versioning(bucket, 'Suspended')
    ;(await t.put(bucket, t.key, 'null 1')).is(200)
    ;(await t.put(bucket, t.key, 'null 2')).is(200)
    ;(await t.listVersions(bucket)).shows('Version.VersionId', 'null', id)
    ;(await t.get(bucket, t.key, {}, { versionId: id })).contains('kept')
  }),
  ...rules(
    '3.11',
    [
      ['an id that is no UUID', 'abc', 400, 'InvalidArgument'],
      ['an unknown UUID', '01234567-89ab-4def-8123-456789abcdef', 404, 'NoSuchVersion'],
    ] as const,
    ([what, versionId, status, code]) => [
      `a read with ${what} is ${status}`,
      async (t) => {
        const bucket = await t.shared('versioned')
        ;(await t.put(bucket, t.key)).is(200)
        const reply = (await t.get(bucket, t.key, {}, { versionId })).is(status, code)
        if (status === 404) reply.shows('VersionId', versionId)
        ;(await t.head(bucket, t.key, {}, { versionId })).is(status, code)
      },
    ],
  ),
  rule('3.11', 'an empty versionId is none', async (t) => {
    const bucket = await t.shared('versioned')
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.get(bucket, t.key, {}, { versionId: '' })).is(200)
  }),
  rule('3.11', 'a deleted key is 404 with the marker named', async (t) => {
    const bucket = await t.shared('versioned')
    ;(await t.put(bucket, t.key)).is(200)
    const marker = (await t.delete(bucket, t.key))
      .is(204)
      .has('x-amz-delete-marker', 'true')
      .header('x-amz-version-id')
    ;(await t.get(bucket, t.key))
      .is(404, 'NoSuchKey')
      .has('x-amz-delete-marker', 'true')
      .has('x-amz-version-id', marker)
    ;(await t.head(bucket, t.key)).is(404).has('x-amz-delete-marker', 'true')
  }),
  rule('3.11', 'a delete marker addressed by its id is 405', async (t) => {
    const bucket = await t.shared('versioned')
    ;(await t.put(bucket, t.key)).is(200)
    const versionId = (await t.delete(bucket, t.key)).header('x-amz-version-id')
    ;(await t.get(bucket, t.key, {}, { versionId }))
      .is(405, 'MethodNotAllowed')
      .has('x-amz-delete-marker', 'true')
      .has('x-amz-version-id', versionId)
    ;(await t.head(bucket, t.key, {}, { versionId })).is(405).has('allow', /DELETE/)
  }),
  rule('4.2.3', 'a versionId on PUT is only for replication', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', {}, { query: { versionId: 'not-a-uuid' } })).is(
      400,
      'InvalidArgument',
    )
    const versionId = '8f3f1d7e-6a55-4c3c-9d0b-0a1f3c5b7e90'
    ;(await t.put(bucket, t.key, 'x', {}, { query: { versionId } })).is(400, 'InvalidArgument')
    ;(await t.head(bucket, t.key)).is(404)
  }),
]

export const objects: readonly Rule[] = [
  ...basics,
  ...digests,
  ...metadata,
  ...conditions,
  ...ranges,
  ...versions,
]
