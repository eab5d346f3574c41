/** Uploads by browser forms (s3-api.md 6.1). */
import { createHash } from 'node:crypto'
import { type Field, formBody, formFields, type Form, post, postRaw } from '../forms.ts'
import { type Rule, rule, rules } from '../rule.ts'
import { check, md5Base64, md5Hex, type Trial } from '../trial.ts'

type Change = Omit<Form, 'bucket' | 'key'> & { readonly key?: string }

async function posted(
  t: Trial,
  change: Change = {},
): Promise<{ bucket: string; reply: Awaited<ReturnType<typeof post>> }> {
  const bucket = await t.shared()
  return { bucket, reply: await post(t, { bucket, key: t.key, ...change }) }
}

const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString()

const good: readonly Rule[] = [
  rule('6.1', 'a signed form stores its file', async (t) => {
    const { bucket, reply } = await posted(t)
    reply
      .is(204)
      .contains('')
      .has('etag', `"${md5Hex('data')}"`)
      .has('location', /\/k-/)
    ;(await t.get(bucket, t.key)).is(200).contains('data')
  }),
  rule('6.1', 'a form signed in version 2 stores its file', async (t) => {
    const { bucket, reply } = await posted(t, { signing: 'v2' })
    reply.is(204)
    ;(await t.get(bucket, t.key)).contains('data')
  }),
  rule('6.1', 'a file of megabytes is stored', async (t) => {
    const file = Buffer.alloc(3_000_000, 'form')
    const { bucket, reply } = await posted(t, { file })
    reply.is(204)
    ;(await t.get(bucket, t.key)).contains(file)
  }),
  rule('6.1', 'an empty file is stored', async (t) => {
    const { bucket, reply } = await posted(t, { file: '' })
    reply.is(204)
    ;(await t.head(bucket, t.key)).is(200).has('content-length', '0')
  }),
  rule('6.1', 'a file that looks like a boundary is stored', async (t) => {
    const file = '\r\n--conformance-form\r\n--\r\n--conformance-form-boundar\r\n'
    const { bucket, reply } = await posted(t, { file })
    reply.is(204)
    ;(await t.get(bucket, t.key)).contains(file)
  }),
  rule('6.1', '${filename} in the key is the name of the file', async (t) => {
    const { bucket, reply } = await posted(t, {
      key: `${t.key}/\${filename}`,
      fileName: 'photo$&.jpg',
    })
    reply.is(204)
    ;(await t.get(bucket, `${t.key}/photo$&.jpg`))
      .is(200)
      .contains('data')
      .has('content-type', 'image/jpeg')
  }),
  ...rules('6.1', [[], [['Content-Type', '']]] as const, (fields) => [
    `a form with ${fields.length === 0 ? 'no' : 'an empty'} type, for a key that tells none, stores the default type`,
    async (t) => {
      const { bucket, reply } = await posted(t, {
        fields,
        conditions: [['starts-with', '$Content-Type', '']],
      })
      reply.is(204)
      ;(await t.head(bucket, t.key)).is(200).has('content-type', 'binary/octet-stream')
    },
  ]),
  ...rules(
    '6.1',
    [
      ['201', 201],
      ['200', 200],
      ['204', 204],
      ['404', 204],
      ['', 204],
    ] as const,
    ([value, status]) => [
      `success_action_status "${value}" answers ${status}`,
      async (t) => {
        const { bucket, reply } = await posted(t, { fields: [['success_action_status', value]] })
        reply.is(status)
        if (status === 201)
          reply
            .shows('Bucket', bucket)
            .shows('Key', t.key)
            .shows('ETag', `"${md5Hex('data')}"`)
            .mentions('<Location>http')
            .mentions('<PostResponse>')
        else reply.contains('')
      },
    ],
  ),
  rule(
    '6.1',
    'success_action_redirect sends the browser on with bucket, key and tag',
    async (t) => {
      const { bucket, reply } = await posted(t, {
        fields: [['success_action_redirect', 'http://example.com/done?a=b']],
      })
      reply.is(303)
      const location = new URL(reply.header('location'))
      check(
        location.searchParams.get('a') === 'b' &&
          location.searchParams.get('bucket') === bucket &&
          location.searchParams.get('key') === t.key &&
          location.searchParams.get('etag') === `"${md5Hex('data')}"`,
        `bucket, key and etag in ${location.href}`,
      )
    },
  ),
  rule('6.1', 'redirect is another name of success_action_redirect', async (t) => {
    ;(await posted(t, { fields: [['redirect', 'http://example.com/done']] })).reply.is(303)
  }),
  rule('6.1', 'names of fields match in any case', async (t) => {
    const { bucket, reply } = await posted(t, {
      forge: (fields) => fields.map(([name, value]): Field => [name.toUpperCase(), value]),
    })
    reply.is(204)
    ;(await t.get(bucket, t.key)).contains('data')
  }),
  rule('6.1', 'metadata fields are stored', async (t) => {
    const { bucket, reply } = await posted(t, {
      fields: [
        ['x-amz-meta-a', 'b'],
        ['Content-Type', 'text/css'],
        ['Cache-Control', 'no-cache'],
        ['Content-Disposition', 'inline'],
        ['Content-Encoding', 'gzip'],
        ['Expires', 'Wed, 21 Oct 2035 07:28:00 GMT'],
      ],
    })
    reply.is(204)
    ;(await t.head(bucket, t.key))
      .has('x-amz-meta-a', 'b')
      .has('content-type', 'text/css')
      .has('cache-control', 'no-cache')
      .has('content-disposition', 'inline')
      .has('content-encoding', 'gzip')
  }),
  rule('6.1', 'tags are stored', async (t) => {
    const { bucket, reply } = await posted(t, {
      fields: [
        ['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'],
      ],
    })
    reply.is(204)
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).shows('TagSet.Tag.Key', 'a')
  }),
  rule('6.1', 'a checksum is checked and stored', async (t) => {
    const value = createHash('sha256').update('data').digest('base64')
    const { bucket, reply } = await posted(t, {
      fields: [
        ['x-amz-checksum-sha256', value],
        ['x-amz-checksum-algorithm', 'SHA256'],
      ],
    })
    reply.is(204).has('x-amz-checksum-sha256', value)
    ;(await t.head(bucket, t.key, { 'x-amz-checksum-mode': 'ENABLED' })).has(
      'x-amz-checksum-sha256',
      value,
    )
  }),
  rule('6.1', 'a Content-MD5 field is checked', async (t) => {
    ;(await posted(t, { fields: [['Content-MD5', md5Base64('data')]] })).reply.is(204)
    ;(await posted(t, { fields: [['Content-MD5', md5Base64('other')]] })).reply.is(400, 'BadDigest')
  }),
  rule('6.1', 'a website redirect is stored', async (t) => {
    const { bucket, reply } = await posted(t, {
      fields: [['x-amz-website-redirect-location', '/there']],
    })
    reply.is(204)
    ;(await t.head(bucket, t.key)).has('x-amz-website-redirect-location', '/there')
  }),
  rule('6.1', 'fields that begin with x-ignore- are ignored', async (t) => {
    ;(await posted(t, { unnamed: [['x-ignore-foo', 'bar']] })).reply.is(204)
  }),
  rule('6.1', 'fields behind the file are ignored', async (t) => {
    const bucket = await t.shared()
    const fields = formFields(t, { bucket, key: t.key })
    const whole = formBody(fields, { data: 'data', name: 'a' }).toString('latin1')
    const late = formBody([['x-amz-meta-late', 'x']]).toString('latin1')
    ;(
      await postRaw(
        t,
        bucket,
        Buffer.from(whole.replace(/--conformance-form-boundary--\r\n$/, '') + late, 'latin1'),
      )
    ).is(204)
    ;(await t.head(bucket, t.key)).is(200).has('x-amz-meta-late', null)
  }),
  rule('6.1', 'a form in a versioned bucket makes a version', async (t) => {
    const bucket = await t.shared('versioned')
    ;(await post(t, { bucket, key: t.key })).is(204).has('x-amz-version-id', /./)
  }),
  rule('6.1', 'an anonymous form needs the right to write', async (t) => {
    const bucket = await t.own()
    ;(await post(t, { bucket, key: t.key, signing: 'none' })).is(403, 'AccessDenied')
    const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::${bucket}/*"}]}`
    ;(await t.sub('PUT', bucket, { policy: '' }, policy)).is(204)
    ;(await post(t, { bucket, key: t.key, signing: 'none' })).is(204)
    ;(await t.get(bucket, t.key)).contains('data')
  }),
  rule(
    '6.1',
    'conditions of a bucket policy ask for fields, not for headers around them',
    async (t) => {
      const bucket = await t.own()
      const condition = '{"StringEquals":{"s3:RequestObjectTag/security":"public"}}'
      const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::${bucket}/*","Condition":${condition}}]}`
      ;(await t.sub('PUT', bucket, { policy: '' }, policy)).is(204)
      const form = { bucket, key: t.key, signing: 'none' } as const
      const tagging: Field = [
        'tagging',
        '<Tagging><TagSet><Tag><Key>security</Key><Value>public</Value></Tag></TagSet></Tagging>',
      ]
      const body = formBody(formFields(t, form), { data: 'data', name: 'file.txt' })
      ;(await postRaw(t, bucket, body, { 'x-amz-tagging': 'security=public' })).is(
        403,
        'AccessDenied',
      )
      ;(await post(t, form)).is(403, 'AccessDenied')
      ;(await post(t, { ...form, fields: [tagging] })).is(204)
    },
  ),
]

const CONDITIONS: readonly (readonly [string, readonly unknown[], readonly Field[], boolean])[] = [
  ['eq that holds', [['eq', '$x-amz-meta-a', 'b']], [['x-amz-meta-a', 'b']], true],
  ['eq that does not hold', [['eq', '$x-amz-meta-a', 'c']], [['x-amz-meta-a', 'b']], false],
  [
    'starts-with that holds',
    [['starts-with', '$x-amz-meta-a', 'be']],
    [['x-amz-meta-a', 'begin']],
    true,
  ],
  [
    'starts-with that does not hold',
    [['starts-with', '$x-amz-meta-a', 'x']],
    [['x-amz-meta-a', 'begin']],
    false,
  ],
  [
    'starts-with of nothing',
    [['starts-with', '$x-amz-meta-a', '']],
    [['x-amz-meta-a', 'anything']],
    true,
  ],
  [
    'starts-with of nothing for the tags',
    [['starts-with', '$tagging', '']],
    [['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>']],
    true,
  ],
  [
    'a field without its dollar sign',
    [
      ['eq', '$x-amz-meta-a', 'b'],
      ['eq', 'x-amz-meta-a', 'b'],
    ],
    [['x-amz-meta-a', 'b']],
    false,
  ],
  ['an object that holds', [{ 'x-amz-meta-a': 'b' }], [['x-amz-meta-a', 'b']], true],
  ['an object that does not hold', [{ 'x-amz-meta-a': 'c' }], [['x-amz-meta-a', 'b']], false],
  [
    'names of fields in another case',
    [['eq', '$X-Amz-Meta-A', 'b']],
    [['x-amz-meta-a', 'b']],
    true,
  ],
  [
    'a content type list',
    [['starts-with', '$Content-Type', 'image/']],
    [['Content-Type', 'image/png, image/jpeg']],
    true,
  ],
  [
    'a content type list with a stranger',
    [['starts-with', '$Content-Type', 'image/']],
    [['Content-Type', 'image/png, text/html']],
    false,
  ],
  [
    'a field of another kind that does not hold',
    [['eq', '$some-field', 'a']],
    [['some-field', 'b']],
    false,
  ],
  ['a field that is missing', [['eq', '$x-amz-meta-missing', 'a']], [], false],
  ['a field that the policy does not name', [], [['x-amz-meta-a', 'b']], false],
  ['another bucket', [{ bucket: 'another-bucket' }], [], false],
  ['another key', [['starts-with', '$key', 'somewhere/else']], [], false],
]

const SIZES: readonly (readonly [string, readonly unknown[], string, number, string])[] = [
  ['within the range', [['content-length-range', 0, 1024]], 'data', 204, ''],
  ['below the minimum', [['content-length-range', 5, 1024]], 'data', 400, 'EntityTooSmall'],
  ['above the maximum', [['content-length-range', 0, 3]], 'data', 400, 'EntityTooLarge'],
  ['of no bytes in a range of zero', [['content-length-range', 0, 0]], '', 204, ''],
  ['of a byte in a range of zero', [['content-length-range', 0, 0]], 'x', 400, 'EntityTooLarge'],
  ['at the maximum', [['content-length-range', 4, 4]], 'data', 204, ''],
  [
    'in both of two ranges',
    [
      ['content-length-range', 0, 10],
      ['content-length-range', 2, 100],
    ],
    'data',
    204,
    '',
  ],
  [
    'in one of two ranges',
    [
      ['content-length-range', 0, 3],
      ['content-length-range', 0, 100],
    ],
    'data',
    400,
    'EntityTooLarge',
  ],
  ['within a range of texts', [['content-length-range', '0', '1024']], 'data', 204, ''],
]

const BROKEN: readonly (readonly [string, (bucket: string) => unknown])[] = [
  ['without expiration', (bucket) => ({ conditions: [{ bucket }, ['starts-with', '$key', '']] })],
  [
    'with an expiration that is no date',
    (bucket) => ({ expiration: 'tomorrow', conditions: [{ bucket }] }),
  ],
  [
    'with Expiration in upper case',
    (bucket) => ({ Expiration: inAnHour(), conditions: [{ bucket }] }),
  ],
  ['without conditions', () => ({ expiration: inAnHour() })],
  [
    'with Conditions in upper case',
    (bucket) => ({ expiration: inAnHour(), CONDITIONS: [{ bucket }] }),
  ],
  ['with an empty condition', () => ({ expiration: inAnHour(), conditions: [{}] })],
  [
    'with a range without its maximum',
    (bucket) => ({ expiration: inAnHour(), conditions: [{ bucket }, ['content-length-range', 0]] }),
  ],
  [
    'with a negative range',
    (bucket) => ({
      expiration: inAnHour(),
      conditions: [{ bucket }, ['content-length-range', -1, 0]],
    }),
  ],
  [
    'with a range upside down',
    (bucket) => ({
      expiration: inAnHour(),
      conditions: [{ bucket }, ['content-length-range', 10, 1]],
    }),
  ],
  [
    'with an unknown operator',
    (bucket) => ({ expiration: inAnHour(), conditions: [{ bucket }, ['ends-with', '$key', 'x']] }),
  ],
  [
    'with two fields in one condition',
    (bucket) => ({ expiration: inAnHour(), conditions: [{ bucket, key: 'x' }] }),
  ],
  [
    'with an unknown member',
    (bucket) => ({ expiration: inAnHour(), conditions: [{ bucket }], colour: 'red' }),
  ],
  ['that is no JSON', () => 'hello'],
  ['that is empty', () => ''],
  ['that is a list', () => []],
]

const conditions: readonly Rule[] = [
  ...rules('6.1.3', CONDITIONS, ([what, list, unnamed, isGood]) => [
    `a form with ${what} is ${isGood ? 'taken' : 'refused'}`,
    async (t) => {
      const { bucket, reply } = await posted(t, { conditions: list, unnamed })
      if (isGood) reply.is(204)
      else reply.is(403, 'AccessDenied')
      ;(await t.head(bucket, t.key)).is(isGood ? 200 : 404)
    },
  ]),
  ...rules('6.1.3', SIZES, ([what, list, file, status, code]) => [
    `a file ${what} is ${status === 204 ? 'taken' : 'refused'}`,
    async (t) => {
      const { bucket, reply } = await posted(t, { conditions: list, file })
      reply.is(status, code)
      ;(await t.head(bucket, t.key)).is(status === 204 ? 200 : 404)
    },
  ]),
  ...rules('6.1.3', BROKEN, ([what, policy]) => [
    `a policy ${what} is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await post(t, { bucket, key: t.key, policy: policy(bucket) })).is(
        400,
        'InvalidPolicyDocument',
      )
      ;(await t.head(bucket, t.key)).is(404)
    },
  ]),
  rule('6.1.3', 'a condition that fails is told as the policy says it', async (t) => {
    const { reply } = await posted(t, { conditions: [['eq', '$x-amz-meta-a', 'b']] })
    reply
      .is(403, 'AccessDenied')
      .shows(
        'Message',
        'Invalid according to Policy: Policy Condition failed: ["eq","$x-amz-meta-a","b"]',
      )
  }),
  rule('6.1.3', 'a policy that is over is refused', async (t) => {
    ;(await posted(t, { expiresMs: -60_000 })).reply.is(403, 'AccessDenied')
  }),
]

const faults: readonly Rule[] = [
  ...rules('6.1.2', [['v4'], ['v2']] as const, ([signing]) => [
    `a form with a wrong ${signing} signature is refused`,
    async (t) => {
      const { bucket, reply } = await posted(t, { signing, secretKey: 'wrong-secret' })
      reply.is(403, 'SignatureDoesNotMatch')
      ;(await t.head(bucket, t.key)).is(404)
    },
  ]),
  ...rules('6.1.2', [['v4'], ['v2']] as const, ([signing]) => [
    `a form with an unknown ${signing} key is refused`,
    async (t) =>
      (await posted(t, { signing, accessKey: 'nobody-here' })).reply.is(403, 'InvalidAccessKeyId'),
  ]),
  rule('6.1.2', 'a form with a malformed credential is refused', async (t) => {
    ;(
      await posted(t, {
        forge: (fields) =>
          fields.map(([name, value]): Field => [name, name === 'x-amz-credential' ? 'a/b' : value]),
      })
    ).reply.is(400, 'InvalidArgument')
  }),
  ...rules(
    '6.1.2',
    ['policy', 'x-amz-signature', 'x-amz-credential', 'x-amz-date', 'x-amz-algorithm'],
    (field) => [
      `a signed form without ${field} is refused`,
      async (t) => {
        const { reply } = await posted(t, {
          forge: (fields) => fields.filter(([name]) => name !== field),
        })
        reply.is(400, 'InvalidArgument').shows('ArgumentName', field)
      },
    ],
  ),
  rule('6.1.2', 'a policy changed after signing is refused', async (t) => {
    ;(
      await posted(t, {
        forge: (fields) =>
          fields.map(
            ([name, value]): Field => [
              name,
              name === 'policy' ? value.replace(/.$/, 'A').replace(/^./, 'A') : value,
            ],
          ),
      })
    ).reply.is(403, 'SignatureDoesNotMatch')
  }),
  rule('6.1.1', 'a form without a key is refused', async (t) => {
    ;(await posted(t, { forge: (fields) => fields.filter(([name]) => name !== 'key') })).reply.is(
      400,
      'MalformedPOSTRequest',
    )
  }),
  rule('6.1.1', 'a form without a file is refused', async (t) => {
    const bucket = await t.shared()
    ;(await postRaw(t, bucket, formBody(formFields(t, { bucket, key: t.key })))).is(
      400,
      'MalformedPOSTRequest',
    )
  }),
  rule('6.1.1', 'a file part without a form name is refused', async (t) => {
    ;(await posted(t, { filePart: '' })).reply.is(400)
  }),
  rule('6.1.1', 'a form without its end is refused', async (t) => {
    const bucket = await t.shared()
    const whole = formBody(formFields(t, { bucket, key: t.key }), { data: 'data', name: 'a' })
    ;(await postRaw(t, bucket, whole.subarray(0, whole.length - 20))).is(
      400,
      'MalformedPOSTRequest',
      'IncompleteBody',
    )
    ;(await t.head(bucket, t.key)).is(404)
  }),
  rule('6.1.1', 'a body that is no form is refused', async (t) => {
    const bucket = await t.shared()
    ;(await postRaw(t, bucket, Buffer.from('this is no form'))).is(400, 'MalformedPOSTRequest')
  }),
  rule('6.1.1', 'a form without a boundary is refused', async (t) => {
    const bucket = await t.shared()
    ;(await postRaw(t, bucket, Buffer.from('x'), { 'content-type': 'multipart/form-data' })).is(
      400,
      'MalformedPOSTRequest',
    )
  }),
  rule('6.1.1', 'an empty body is refused', async (t) => {
    const bucket = await t.shared()
    ;(await postRaw(t, bucket, Buffer.alloc(0))).is(400, 'EmptyRequestBody')
  }),
  rule('6.1.1', 'a field of more than a megabyte is refused', async (t) => {
    ;(await posted(t, { unnamed: [['x-ignore-big', 'x'.repeat(1024 * 1024 + 1)]] })).reply.is(
      400,
      'MalformedPOSTRequest',
    )
  }),
  rule('6.1.1', 'more than a thousand parts are refused', async (t) => {
    ;(
      await posted(t, {
        unnamed: Array.from({ length: 1001 }, (_, i): Field => [`x-ignore-${i}`, 'x']),
      })
    ).reply.is(400, 'MalformedPOSTRequest')
  }),
  rule('6.1.1', 'a wrong checksum stores nothing', async (t) => {
    const { bucket, reply } = await posted(t, {
      fields: [['x-amz-checksum-sha256', createHash('sha256').update('other').digest('base64')]],
    })
    reply.is(400, 'BadDigest')
    ;(await t.head(bucket, t.key)).is(404)
  }),
  rule('6.1.1', 'bad tags are refused', async (t) => {
    ;(await posted(t, { fields: [['tagging', '<Tagging><TagSet>']] })).reply.is(400, 'MalformedXML')
  }),
  rule('7.3', 'a checksum that the policy does not expect is named in the error', async (t) => {
    const value = Buffer.alloc(4, 1).toString('base64')
    const { reply } = await posted(t, {
      conditions: [['eq', '$x-amz-checksum-crc32c', 'AAAAAA==']],
      unnamed: [['x-amz-checksum-crc32c', value]],
    })
    reply
      .is(403, 'AccessDenied')
      .mentions('Policy Condition failed: [eq, $x-amz-checksum-crc32c, AAAAAA==]')
  }),
  rule('6.1.1', 'a form for a bucket that does not exist is refused', async (t) => {
    ;(await post(t, { bucket: t.name(), key: 'k' })).is(404, 'NoSuchBucket')
  }),
]

const fanOut: readonly Rule[] = [
  rule('6.1.4', 'a fan-out stores the file under every key', async (t) => {
    const entries = [
      `{"key":"${t.key}-1","metadata":{"colour":"red"}}`,
      `{"key":"${t.key}-2","tags":{"a":"b"},"contentType":"text/css"}`,
    ]
    const { bucket, reply } = await posted(t, {
      unnamed: [['x-minio-fanout-list', entries.join('')]],
    })
    reply.is(200)
    const lines = reply.text.trim().split('\n')
    check(
      lines.length === 2 && lines.every((line, i) => line.includes(`"${t.key}-${i + 1}"`)),
      'a line for each key, in order',
    )
    ;(await t.get(bucket, `${t.key}-1`)).is(200).contains('data')
    ;(await t.get(bucket, `${t.key}-2`))
      .is(200)
      .contains('data')
      .has('content-type', 'text/css')
      .has('x-amz-tagging-count', '1')
    ;(await t.head(bucket, t.key)).is(404)
  }),
]

export const posts: readonly Rule[] = [...good, ...conditions, ...faults, ...fanOut]
