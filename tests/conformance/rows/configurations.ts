/** Bucket configurations: ACL, policy, access block, ownership, lifecycle, CORS, website and the others (s3-api.md 4.8 to 4.17). */
import { type Rule, rule, rules } from '../rule.ts'
import { check, md5Base64, type Trial, XMLNS } from '../trial.ts'
import type { Pairs } from '../wire.ts'

const GRANT =
  '<AccessControlPolicy><Owner><ID>a</ID></Owner><AccessControlList><Grant><Grantee><ID>b</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>'

function put(
  t: Trial,
  bucket: string,
  kind: string,
  document: string,
  headers: Pairs = {},
): ReturnType<Trial['sub']> {
  return t.sub('PUT', bucket, { [kind]: '' }, document, {
    'content-md5': md5Base64(document),
    ...headers,
  })
}

const OWNER = '02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4'

const acls: readonly Rule[] = [
  rule('4.16', 'the ACL of a bucket gives its owner full control', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { acl: '' }))
      .is(200)
      .shows('AccessControlList.Grant.Permission', 'FULL_CONTROL')
      .shows('Owner.ID', OWNER)
      .shows('AccessControlList.Grant.Grantee.ID', OWNER)
  }),
  rule('4.16', 'the ACL of an object gives its owner full control', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.of('GET', bucket, t.key, { acl: '' }))
      .is(200)
      .shows('AccessControlList.Grant.Permission', 'FULL_CONTROL')
      .shows('Owner.ID', OWNER)
    ;(await t.of('GET', bucket, `${t.key}-absent`, { acl: '' })).is(404, 'NoSuchKey')
  }),
  rule('4.16', 'the ACL private is taken', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.sub('PUT', bucket, { acl: '' }, '', { 'x-amz-acl': 'private' })).is(200)
    ;(await t.of('PUT', bucket, t.key, { acl: '' }, '', { 'x-amz-acl': 'private' })).is(200)
  }),
  ...rules('4.16', ['public-read', 'public-read-write', 'authenticated-read'], (acl) => [
    `the ACL ${acl} of a bucket is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await t.sub('PUT', bucket, { acl: '' }, '', { 'x-amz-acl': acl })).is(
        400,
        'AccessControlListNotSupported',
      )
    },
  ]),
  rule('4.16', 'an unknown canned ACL is an invalid argument', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('PUT', bucket, { acl: '' }, '', { 'x-amz-acl': 'public-ready' })).is(
      400,
      'InvalidArgument',
    )
  }),
  rule('4.16', 'a broken ACL document is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('PUT', bucket, { acl: '' }, '<AccessControlPolicy>')).is(400, 'MalformedXML')
  }),
]

const statement = (bucket: string, more: string, resource = '/*'): string =>
  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::${bucket}${resource}",${more}}]}`

const policies: readonly Rule[] = [
  rule('4.17', 'a bucket without policy has none', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { policy: '' })).is(404, 'NoSuchBucketPolicy')
  }),
  rule('4.17', 'a policy is told as it was sent, and removed', async (t) => {
    const bucket = await t.own()
    const text = `${statement(bucket, ' "Action" : [ "s3:GetObject" ]')}`
    ;(await put(t, bucket, 'policy', text)).is(204)
    ;(await t.sub('GET', bucket, { policy: '' })).is(200).contains(text).has('content-type', /json/)
    ;(await t.sub('DELETE', bucket, { policy: '' })).is(204)
    ;(await t.sub('GET', bucket, { policy: '' })).is(404, 'NoSuchBucketPolicy')
    ;(await t.sub('DELETE', bucket, { policy: '' })).is(204)
  }),
  rule('4.17', 'a policy lets anybody read, and only that', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k', 'public')).is(200)
    ;(await put(t, bucket, 'policy', statement(bucket, '"Action":"s3:GetObject"'))).is(204)
    const anonymous = { auth: 'anonymous' } as const
    ;(await t.get(bucket, 'k', {}, {}, anonymous)).is(200).contains('public')
    ;(await t.head(bucket, 'k', {}, {}, anonymous)).is(200)
    ;(await t.get(bucket, 'absent', {}, {}, anonymous)).is(404, 'NoSuchKey')
    ;(await t.put(bucket, 'k', 'x', {}, anonymous)).is(403, 'AccessDenied')
    ;(await t.delete(bucket, 'k', {}, {}, anonymous)).is(403, 'AccessDenied')
    ;(await t.sub('GET', bucket, { 'list-type': '2' }, undefined, {}, anonymous)).is(
      403,
      'AccessDenied',
    )
  }),
  rule('2.9', 'an anonymous read may not override headers', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k', 'public')).is(200)
    ;(await put(t, bucket, 'policy', statement(bucket, '"Action":"s3:GetObject"'))).is(204)
    ;(
      await t.get(bucket, 'k', {}, { 'response-content-type': 'text/html' }, { auth: 'anonymous' })
    ).is(400, 'InvalidRequest')
  }),
  rule('4.17', 'a policy lets anybody write, list and delete', async (t) => {
    const bucket = await t.own()
    const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:PutObject","s3:DeleteObject"],"Resource":["arn:aws:s3:::${bucket}/*"]},{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::${bucket}"}]}`
    ;(await put(t, bucket, 'policy', text)).is(204)
    ;(await t.put(bucket, 'k', 'x', {}, { auth: 'anonymous' })).is(200)
    ;(await t.sub('GET', bucket, { 'list-type': '2' }, undefined, {}, { auth: 'anonymous' }))
      .is(200)
      .shows('Contents.Key', 'k')
    ;(await t.get(bucket, 'k', {}, {}, { auth: 'anonymous' })).is(403, 'AccessDenied')
    ;(await t.delete(bucket, 'k', {}, {}, { auth: 'anonymous' })).is(204)
  }),
  rule('2.9', 'who may list learns of absence', async (t) => {
    const bucket = await t.own()
    ;(await put(t, bucket, 'policy', statement(bucket, '"Action":"s3:ListBucket"', ''))).is(204)
    ;(await t.get(bucket, 'absent', {}, {}, { auth: 'anonymous' })).is(404, 'NoSuchKey')
  }),
  ...rules(
    '4.17',
    [
      [
        'an unknown version',
        (b: string) =>
          `{"Version":"2020-01-01","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::${b}/*"}]}`,
      ],
      ['no JSON', () => 'hello'],
      [
        'an unknown effect',
        (b: string) => statement(b, '"Action":"s3:GetObject"').replace('Allow', 'Permit'),
      ],
      ['an unknown action', (b: string) => statement(b, '"Action":"s3:Frobnicate"')],
      ['no action', (b: string) => statement(b, '"Sid":"x"')],
      ['another bucket', () => statement('another-bucket', '"Action":"s3:GetObject"')],
      ['an unknown member', (b: string) => statement(b, '"Action":"s3:GetObject","Colour":"red"')],
      [
        'an unknown operator',
        (b: string) =>
          statement(b, '"Action":"s3:GetObject","Condition":{"StringAlmost":{"aws:Referer":"x"}}'),
      ],
      ['an object action on a bucket', (b: string) => statement(b, '"Action":"s3:GetObject"', '')],
      [
        'a principal that is no account',
        (b: string) => statement(b, '"Action":"s3:GetObject"').replace('"*"', '{"Robot":"x"}'),
      ],
    ] as const,
    ([what, text]) => [
      `a policy with ${what} is refused`,
      async (t) => {
        const bucket = await t.own()
        ;(await put(t, bucket, 'policy', text(bucket))).is(400, 'MalformedPolicy')
      },
    ],
  ),
  rule('4.17', 'a policy without a version is taken', async (t) => {
    const bucket = await t.own()
    const text = `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::${bucket}/*"}]}`
    ;(await put(t, bucket, 'policy', text)).is(204)
  }),
  rule('4.17', 'a pattern of actions opens those that have a resource', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k', 'x')).is(200)
    const anybody = { auth: 'anonymous' } as const
    const onBucket = statement(bucket, '"Action":"s3:*"', '')
    ;(await put(t, bucket, 'policy', onBucket)).is(204)
    ;(await t.sub('GET', bucket, { 'list-type': '2' }, undefined, {}, anybody)).is(200)
    ;(await t.get(bucket, 'k', {}, {}, anybody)).is(403, 'AccessDenied')
  }),
  ...rules(
    '4.17',
    [
      ['of objects on the bucket', '"s3:Abort*"', ''],
      ['of the bucket on its objects', '"s3:GetBucket*"', '/*'],
    ] as const,
    ([what, action, keys]) => [
      `a pattern of actions ${what} is refused`,
      async (t) => {
        const bucket = await t.own()
        const text = statement(bucket, `"Action":${action}`, keys)
        ;(await put(t, bucket, 'policy', text)).is(400, 'MalformedPolicy')
      },
    ],
  ),
  rule('4.17', 'names of condition keys are compared without case', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k', 'x')).is(200)
    const condition = '"Condition":{"StringEquals":{"aws:useragent":"me"}}'
    ;(await put(t, bucket, 'policy', statement(bucket, `"Action":"s3:GetObject",${condition}`))).is(
      204,
    )
    const anybody = { auth: 'anonymous' } as const
    ;(await t.get(bucket, 'k', { 'user-agent': 'me' }, {}, anybody)).is(200)
    ;(await t.get(bucket, 'k', { 'user-agent': 'you' }, {}, anybody)).is(403, 'AccessDenied')
  }),
  rule('4.17', 'a policy of more than 20 KiB is refused', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'policy',
        statement(bucket, `"Action":"s3:GetObject","Sid":"${'x'.repeat(21_000)}"`),
      )
    ).is(400, 'PolicyTooLarge')
  }),
  rule('4.17', 'the status of a bucket tells whether it is public', async (t) => {
    const bucket = await t.own()
    ;(await put(t, bucket, 'policy', statement(bucket, '"Action":"s3:GetObject"'))).is(204)
    ;(await t.sub('GET', bucket, { policyStatus: '' })).is(200).shows('IsPublic', 'true')
    ;(
      await put(
        t,
        bucket,
        'policy',
        statement(
          bucket,
          '"Action":"s3:GetObject","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/24"}}',
        ),
      )
    ).is(204)
    ;(await t.sub('GET', bucket, { policyStatus: '' })).is(200).shows('IsPublic', 'false')
  }),
  rule('4.17', 'a condition on the referer binds', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k', 'x')).is(200)
    ;(
      await put(
        t,
        bucket,
        'policy',
        statement(
          bucket,
          '"Action":"s3:GetObject","Condition":{"StringLike":{"aws:Referer":"http://good.example/*"}}',
        ),
      )
    ).is(204)
    ;(await t.get(bucket, 'k', { referer: 'http://good.example/a' }, {}, { auth: 'anonymous' })).is(
      200,
    )
    ;(await t.get(bucket, 'k', { referer: 'http://bad.example/a' }, {}, { auth: 'anonymous' })).is(
      403,
      'AccessDenied',
    )
  }),
  rule('4.17', 'a policy can ask for conditional writes', async (t) => {
    const bucket = await t.own()
    const policy = statement(
      bucket,
      '"Action":"s3:PutObject","Condition":{"Null":{"s3:if-none-match":"false"}}',
    )
    ;(await put(t, bucket, 'policy', policy)).is(204)
    const anybody = { auth: 'anonymous' } as const
    ;(await t.put(bucket, 'k', 'x', {}, anybody)).is(403, 'AccessDenied')
    ;(await t.put(bucket, 'k', 'x', { 'if-none-match': '*' }, anybody)).is(200)
    ;(await t.put(bucket, 'k', 'x', { 'if-none-match': '*' }, anybody)).is(412)
  }),
  rule('4.17', 'a policy for a service is kept and opens nothing', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k', 'x')).is(200)
    const service = '{"Service":"logging.s3.amazonaws.com"}'
    const text = statement(bucket, '"Action":"s3:GetObject"').replace('"*"', service)
    ;(await put(t, bucket, 'policy', text)).is(204)
    ;(await t.sub('GET', bucket, { policy: '' })).is(200).contains(text)
    ;(await t.sub('GET', bucket, { policyStatus: '' })).is(200).shows('IsPublic', 'false')
    ;(await t.get(bucket, 'k', {}, {}, { auth: 'anonymous' })).is(403, 'AccessDenied')
  }),
  rule('4.17', 'a policy may ask for the canned list of a request', async (t) => {
    const bucket = await t.own()
    const deny = `{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::${bucket}/*","Condition":{"StringLike":{"s3:x-amz-acl":"public*"}}}`
    const text = statement(bucket, '"Action":"s3:PutObject"').replace(/\]\}$/, `,${deny}]}`)
    ;(await put(t, bucket, 'policy', text)).is(204)
    ;(await t.put(bucket, 'k', 'x', {}, { auth: 'anonymous' })).is(200)
    ;(await t.put(bucket, 'k', 'x', { 'x-amz-acl': 'public-read' }, { auth: 'anonymous' })).is(
      403,
      'AccessDenied',
    )
  }),
  rule('4.17', 'a policy may open the access control list of an object', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k', 'x')).is(200)
    ;(await put(t, bucket, 'policy', statement(bucket, '"Action":"s3:GetObjectAcl"'))).is(204)
    ;(await t.get(bucket, 'k', {}, { acl: '' }, { auth: 'anonymous' })).is(200)
    ;(await t.get(bucket, 'k', {}, {}, { auth: 'anonymous' })).is(403, 'AccessDenied')
  }),
  rule('2.10', 'existing tags are those that are stored, whatever the request says', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'open', 'x', { 'x-amz-tagging': 'security=public' })).is(200)
    ;(await t.put(bucket, 'closed', 'x')).is(200)
    ;(
      await put(
        t,
        bucket,
        'policy',
        statement(
          bucket,
          '"Action":"s3:GetObject","Condition":{"StringEquals":{"s3:ExistingObjectTag/security":"public"}}',
        ),
      )
    ).is(204)
    ;(await t.get(bucket, 'open', {}, {}, { auth: 'anonymous' })).is(200)
    ;(
      await t.get(
        bucket,
        'closed',
        { 'x-amz-tagging': 'security=public' },
        {},
        { auth: 'anonymous' },
      )
    ).is(403, 'AccessDenied')
  }),
]

const BLOCK = (values: string): string =>
  `<PublicAccessBlockConfiguration xmlns="${XMLNS}">${values}</PublicAccessBlockConfiguration>`

const access: readonly Rule[] = [
  rule('4.16', 'a public access block is stored, told and removed', async (t) => {
    const bucket = await t.own()
    ;(await t.sub('GET', bucket, { publicAccessBlock: '' })).is(
      404,
      'NoSuchPublicAccessBlockConfiguration',
    )
    ;(
      await put(
        t,
        bucket,
        'publicAccessBlock',
        BLOCK(
          '<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>',
        ),
      )
    ).is(200)
    ;(await t.sub('GET', bucket, { publicAccessBlock: '' }))
      .is(200)
      .shows('BlockPublicAcls', 'true')
      .shows('RestrictPublicBuckets', 'false')
    ;(await t.sub('DELETE', bucket, { publicAccessBlock: '' })).is(204)
    ;(await t.sub('GET', bucket, { publicAccessBlock: '' })).is(
      404,
      'NoSuchPublicAccessBlockConfiguration',
    )
  }),
  rule('4.16', 'BlockPublicPolicy refuses a public policy', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'publicAccessBlock',
        BLOCK('<BlockPublicPolicy>true</BlockPublicPolicy>'),
      )
    ).is(200)
    ;(await put(t, bucket, 'policy', statement(bucket, '"Action":"s3:GetObject"'))).is(
      403,
      'AccessDenied',
    )
  }),
  rule('4.16', 'RestrictPublicBuckets shuts a public bucket', async (t) => {
    const bucket = await t.own()
    ;(await t.put(bucket, 'k')).is(200)
    ;(await put(t, bucket, 'policy', statement(bucket, '"Action":"s3:GetObject"'))).is(204)
    ;(await t.get(bucket, 'k', {}, {}, { auth: 'anonymous' })).is(200)
    ;(
      await put(
        t,
        bucket,
        'publicAccessBlock',
        BLOCK('<RestrictPublicBuckets>true</RestrictPublicBuckets>'),
      )
    ).is(200)
    ;(await t.get(bucket, 'k', {}, {}, { auth: 'anonymous' })).is(403, 'AccessDenied')
  }),
  rule('4.16', 'BlockPublicAcls refuses a public canned ACL', async (t) => {
    const bucket = await t.own()
    ;(
      await put(t, bucket, 'publicAccessBlock', BLOCK('<BlockPublicAcls>true</BlockPublicAcls>'))
    ).is(200)
    ;(await t.put(bucket, 'k', 'x', { 'x-amz-acl': 'public-read' })).is(403, 'AccessDenied')
    ;(await t.put(bucket, 'k', 'x', { 'x-amz-acl': 'private' })).is(200)
  }),
  ...rules('4.16', ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'], (value) => [
    `the ownership ${value} is stored and told`,
    async (t) => {
      const bucket = await t.own()
      ;(
        await put(
          t,
          bucket,
          'ownershipControls',
          `<OwnershipControls><Rule><ObjectOwnership>${value}</ObjectOwnership></Rule></OwnershipControls>`,
        )
      ).is(200)
      ;(await t.sub('GET', bucket, { ownershipControls: '' }))
        .is(200)
        .shows('Rule.ObjectOwnership', value)
      ;(await t.sub('DELETE', bucket, { ownershipControls: '' })).is(204)
      ;(await t.sub('GET', bucket, { ownershipControls: '' })).is(
        404,
        'OwnershipControlsNotFoundError',
      )
    },
  ]),
  rule('4.16', 'where the owner has everything no other list is taken', async (t) => {
    const bucket = await t.own()
    const list = (acl: string): Pairs => ({ 'x-amz-acl': acl })
    const text =
      '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>'
    ;(await t.put(bucket, 'k', 'x', list('private'))).is(200)
    ;(await put(t, bucket, 'ownershipControls', text)).is(200)
    ;(await t.put(bucket, 'k', 'x', list('bucket-owner-full-control'))).is(200)
    const code = 'AccessControlListNotSupported'
    ;(await t.put(bucket, 'k', 'x', list('private'))).is(400, code)
    ;(await t.copy(bucket, 'c', `${bucket}/k`, list('private'))).is(400, code)
    ;(await t.of('POST', bucket, 'm', { uploads: '' }, '', list('private'))).is(400, code)
    ;(await t.sub('PUT', bucket, { acl: '' }, '', list('private'))).is(400, code)
    ;(await t.of('PUT', bucket, 'k', { acl: '' }, '', list('private'))).is(400, code)
  }),
  ...rules(
    '4.16',
    [
      ['nothing', {}, '', 'MissingSecurityHeader'],
      [
        'a name and headers',
        { 'x-amz-acl': 'private', 'x-amz-grant-read': 'id=somebody' },
        '',
        'InvalidRequest',
      ],
      ['a name and a document', { 'x-amz-acl': 'private' }, GRANT, 'UnexpectedContent'],
      [
        'an unknown permission',
        {},
        GRANT.replace('FULL_CONTROL', 'EVERYTHING'),
        'MalformedACLError',
      ],
      ['a grantee without a name', {}, GRANT.replace('<ID>b</ID>', ''), 'MalformedACLError'],
      ['no owner', {}, GRANT.replace('<Owner><ID>a</ID></Owner>', ''), 'MalformedACLError'],
      [
        'an unknown kind of grantee',
        {},
        GRANT.replace('<Grantee>', '<Grantee xmlns:xsi="x" xsi:type="Robot">'),
        'MalformedACLError',
      ],
    ] as const,
    ([what, headers, body, code]) => [
      `a list of ${what} is refused where lists are looked at`,
      async (t) => {
        const bucket = await t.own()
        const text =
          '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>'
        ;(await put(t, bucket, 'ownershipControls', text)).is(200)
        ;(await t.sub('PUT', bucket, { acl: '' }, body, { ...headers })).is(400, code)
      },
    ],
  ),
  rule('4.16', 'an unknown ownership is refused', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'ownershipControls',
        '<OwnershipControls><Rule><ObjectOwnership>Nobody</ObjectOwnership></Rule></OwnershipControls>',
      )
    ).is(400, 'MalformedXML')
  }),
  rule('4.16', 'the ownership of a new bucket comes by header', async (t) => {
    const bucket = t.name()
    ;(
      await t.sub('PUT', bucket, {}, undefined, {
        'x-amz-object-ownership': 'BucketOwnerPreferred',
      })
    ).is(200)
    ;(await t.sub('GET', bucket, { ownershipControls: '' }))
      .is(200)
      .shows('Rule.ObjectOwnership', 'BucketOwnerPreferred')
  }),
]

const LIFECYCLE = (content: string): string =>
  `<LifecycleConfiguration xmlns="${XMLNS}">${content}</LifecycleConfiguration>`
const RULE = (content: string, id = 'r'): string =>
  `<Rule><ID>${id}</ID><Status>Enabled</Status>${content}</Rule>`
const EXPIRE = '<Expiration><Days>10</Days></Expiration>'
const MIDNIGHT = '2035-01-01T00:00:00Z'

const GOOD_LIFECYCLE: readonly (readonly [string, string])[] = [
  ['days', RULE(`<Filter><Prefix>a/</Prefix></Filter>${EXPIRE}`)],
  ['a date', RULE(`<Filter/><Expiration><Date>${MIDNIGHT}</Date></Expiration>`)],
  ['a prefix outside a filter', RULE(`<Prefix>a/</Prefix>${EXPIRE}`)],
  ['an empty filter', RULE(`<Filter></Filter>${EXPIRE}`)],
  ['a tag', RULE(`<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>${EXPIRE}`)],
  [
    'prefix and tags',
    RULE(
      `<Filter><And><Prefix>a</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>${EXPIRE}`,
    ),
  ],
  [
    'sizes',
    RULE(
      `<Filter><And><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan><ObjectSizeLessThan>1000</ObjectSizeLessThan></And></Filter>${EXPIRE}`,
    ),
  ],
  [
    'delete markers',
    RULE(
      '<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>',
    ),
  ],
  [
    'noncurrent versions',
    RULE(
      '<Filter/><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></NoncurrentVersionExpiration>',
    ),
  ],
  [
    'newer noncurrent versions',
    RULE(
      '<Filter/><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>',
    ),
  ],
  [
    'only incomplete uploads',
    RULE(
      '<Filter><Prefix>a</Prefix></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>',
    ),
  ],
  ['a disabled rule', RULE(`<Filter/>${EXPIRE}`).replace('Enabled', 'Disabled')],
  [
    'two rules',
    RULE(`<Filter><Prefix>a</Prefix></Filter>${EXPIRE}`, 'one') +
      RULE(`<Filter><Prefix>b</Prefix></Filter>${EXPIRE}`, 'two'),
  ],
]

const BAD_LIFECYCLE: readonly (readonly [string, string, string])[] = [
  ['no rule', '', 'InvalidArgument'],
  ['an ID of 256 characters', RULE(`<Filter/>${EXPIRE}`, 'i'.repeat(256)), 'InvalidArgument'],
  [
    'an ID twice',
    RULE(`<Filter/>${EXPIRE}`) + RULE(`<Filter><Prefix>x</Prefix></Filter>${EXPIRE}`),
    'InvalidArgument',
  ],
  ['an unknown status', RULE(`<Filter/>${EXPIRE}`).replace('Enabled', 'enabled'), 'MalformedXML'],
  ['no status', RULE(`<Filter/>${EXPIRE}`).replace('<Status>Enabled</Status>', ''), 'MalformedXML'],
  ['zero days', RULE('<Filter/><Expiration><Days>0</Days></Expiration>'), 'InvalidArgument'],
  [
    'days and a date',
    RULE(`<Filter/><Expiration><Days>1</Days><Date>${MIDNIGHT}</Date></Expiration>`),
    'InvalidArgument',
  ],
  [
    'a date that is not midnight',
    RULE('<Filter/><Expiration><Date>2035-01-01T01:00:00Z</Date></Expiration>'),
    'InvalidArgument',
  ],
  [
    'a date that is none',
    RULE('<Filter/><Expiration><Date>20200101</Date></Expiration>'),
    'InvalidArgument',
  ],
  ['no action', RULE('<Filter/>'), 'InvalidArgument'],
  [
    'a filter and a prefix',
    RULE(`<Prefix>a</Prefix><Filter><Prefix>b</Prefix></Filter>${EXPIRE}`),
    'InvalidArgument',
  ],
  [
    'an unknown storage class',
    RULE('<Filter/><Transition><Days>1</Days><StorageClass>NOWHERE</StorageClass></Transition>'),
    'InvalidStorageClass',
  ],
  ['broken XML', '<Rule>', 'MalformedXML'],
]

const lifecycle: readonly Rule[] = [
  rule('4.10', 'a bucket without lifecycle has none', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { lifecycle: '' })).is(404, 'NoSuchLifecycleConfiguration')
  }),
  ...rules('4.10', GOOD_LIFECYCLE, ([what, content]) => [
    `a lifecycle with ${what} is stored and told`,
    async (t) => {
      const bucket = await t.own()
      ;(await put(t, bucket, 'lifecycle', LIFECYCLE(content))).is(200)
      const ids = [...content.matchAll(/<ID>([^<]*)<\/ID>/g)].map((match) => match[1] ?? '')
      ;(await t.sub('GET', bucket, { lifecycle: '' })).is(200).shows('Rule.ID', ...ids)
      ;(await t.sub('DELETE', bucket, { lifecycle: '' })).is(204)
      ;(await t.sub('GET', bucket, { lifecycle: '' })).is(404, 'NoSuchLifecycleConfiguration')
    },
  ]),
  ...rules('4.10', BAD_LIFECYCLE, ([what, content, code]) => [
    `a lifecycle with ${what} is refused`,
    async (t) => {
      const bucket = await t.own()
      const document =
        what === 'broken XML' ? `<LifecycleConfiguration>${content}` : LIFECYCLE(content)
      ;(await put(t, bucket, 'lifecycle', document)).is(400, code, 'MalformedXML')
    },
  ]),
  rule('4.10', 'a rule without ID gets one', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'lifecycle',
        LIFECYCLE(`<Rule><Status>Enabled</Status><Filter/>${EXPIRE}</Rule>`),
      )
    ).is(200)
    check((await t.sub('GET', bucket, { lifecycle: '' })).first('Rule.ID') !== '', 'an ID')
  }),
  rule('4.10', 'writes and reads tell when the object expires', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'lifecycle',
        LIFECYCLE(RULE(`<Filter><Prefix>a/</Prefix></Filter>${EXPIRE}`)),
      )
    ).is(200)
    const form = /^expiry-date="\w{3}, \d\d \w{3} \d{4} 00:00:00 GMT", rule-id="r"$/
    ;(await t.put(bucket, 'a/k', 'x')).is(200).has('x-amz-expiration', form)
    ;(await t.head(bucket, 'a/k')).is(200).has('x-amz-expiration', form)
    ;(await t.get(bucket, 'a/k')).is(200).has('x-amz-expiration', form)
    ;(await t.put(bucket, 'b', 'x')).is(200).has('x-amz-expiration', null)
  }),
]

const CORS = (content: string): string =>
  `<CORSConfiguration xmlns="${XMLNS}">${content}</CORSConfiguration>`
const CORS_RULE =
  '<CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>x-amz-meta-a</ExposeHeader><MaxAgeSeconds>77</MaxAgeSeconds></CORSRule>'

function preflight(t: Trial, bucket: string, headers: Pairs): ReturnType<Trial['send']> {
  return t.send({ method: 'OPTIONS', path: `/${bucket}/k`, headers, auth: 'anonymous' })
}

const cors: readonly Rule[] = [
  rule('4.14', 'a CORS configuration is stored, told and removed', async (t) => {
    const bucket = await t.own()
    ;(await t.sub('GET', bucket, { cors: '' })).is(404, 'NoSuchCORSConfiguration')
    ;(await put(t, bucket, 'cors', CORS(CORS_RULE))).is(200)
    ;(await t.sub('GET', bucket, { cors: '' }))
      .is(200)
      .shows('CORSRule.AllowedMethod', 'GET', 'PUT')
      .shows('CORSRule.MaxAgeSeconds', '77')
    ;(await t.sub('DELETE', bucket, { cors: '' })).is(204)
    ;(await t.sub('GET', bucket, { cors: '' })).is(404, 'NoSuchCORSConfiguration')
  }),
  ...rules(
    '4.14',
    [
      ['no rule', '', 'MalformedXML'],
      ['no origin', '<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>', 'MalformedXML'],
      ['no method', '<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>', 'MalformedXML'],
      [
        'an unknown method',
        '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GOT</AllowedMethod></CORSRule>',
        'InvalidRequest',
      ],
      [
        'a method in lower case',
        '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>get</AllowedMethod></CORSRule>',
        'InvalidRequest',
      ],
      [
        'two stars in an origin',
        '<CORSRule><AllowedOrigin>*.a.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>',
        'InvalidRequest',
      ],
      [
        'two stars in a header',
        '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*-*</AllowedHeader></CORSRule>',
        'InvalidRequest',
      ],
      ['101 rules', CORS_RULE.repeat(101), 'MalformedXML'],
    ] as const,
    ([what, content, code]) => [
      `a CORS configuration with ${what} is refused`,
      async (t) => {
        const bucket = await t.own()
        ;(await put(t, bucket, 'cors', CORS(content))).is(400, code, 'InvalidRequest')
      },
    ],
  ),
  rule('4.14', 'a preflight that a rule allows is answered by it', async (t) => {
    const bucket = await t.own()
    ;(await put(t, bucket, 'cors', CORS(CORS_RULE))).is(200)
    ;(
      await preflight(t, bucket, {
        origin: 'https://app.example.com',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'X-Amz-Date',
      })
    )
      .is(200)
      .has('access-control-allow-origin', 'https://app.example.com')
      .has('access-control-allow-methods', /PUT/)
      .has('access-control-allow-headers', /x-amz-date/i)
      .has('access-control-expose-headers', /x-amz-meta-a/i)
      .has('access-control-max-age', '77')
  }),
  ...rules(
    '4.14',
    [
      [
        'from another origin',
        { origin: 'https://other.com', 'access-control-request-method': 'GET' },
      ],
      [
        'with another method',
        { origin: 'https://app.example.com', 'access-control-request-method': 'DELETE' },
      ],
      [
        'with another header',
        {
          origin: 'https://app.example.com',
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'content-type',
        },
      ],
    ] as const,
    ([what, headers]) => [
      `a preflight ${what} is refused`,
      async (t) => {
        const bucket = await t.own()
        ;(await put(t, bucket, 'cors', CORS(CORS_RULE))).is(200)
        ;(await preflight(t, bucket, headers))
          .is(403, 'AccessForbidden')
          .has('access-control-allow-origin', null)
      },
    ],
  ),
  rule(
    '4.14',
    'an actual request from an allowed origin gets its headers, another none',
    async (t) => {
      const bucket = await t.own()
      ;(await put(t, bucket, 'cors', CORS(CORS_RULE))).is(200)
      ;(await t.put(bucket, 'k')).is(200)
      ;(await t.get(bucket, 'k', { origin: 'https://app.example.com' }))
        .is(200)
        .has('access-control-allow-origin', 'https://app.example.com')
        .has('access-control-expose-headers', /x-amz-meta-a/i)
      ;(await t.get(bucket, 'k', { origin: 'https://other.com' }))
        .is(200)
        .has('access-control-allow-origin', null)
    },
  ),
  rule('4.14', 'an origin of a star answers a star', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'cors',
        CORS(
          '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>',
        ),
      )
    ).is(200)
    ;(
      await preflight(t, bucket, {
        origin: 'https://any.where',
        'access-control-request-method': 'GET',
      })
    )
      .is(200)
      .has('access-control-allow-origin', '*')
      .has('access-control-allow-credentials', null)
  }),
  rule('4.14', 'errors carry CORS headers', async (t) => {
    const bucket = await t.own()
    ;(await put(t, bucket, 'cors', CORS(CORS_RULE))).is(200)
    ;(await t.get(bucket, 'absent', { origin: 'https://app.example.com' }))
      .is(404)
      .has('access-control-allow-origin', 'https://app.example.com')
  }),
  rule('4.14', 'without a configuration the global rule answers', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.get(bucket, t.key, { origin: 'https://any.where' }))
      .is(200)
      .has('access-control-allow-origin', 'https://any.where')
    ;(
      await preflight(t, bucket, {
        origin: 'https://any.where',
        'access-control-request-method': 'GET',
      })
    )
      .isOne(200, 204)
      .has('access-control-allow-origin', 'https://any.where')
  }),
]

const WEBSITE = (content: string): string =>
  `<WebsiteConfiguration xmlns="${XMLNS}">${content}</WebsiteConfiguration>`
const INDEX = '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>'

const website: readonly Rule[] = [
  ...rules(
    '4.15',
    [
      ['an index', INDEX],
      [
        'an index and an error document',
        `${INDEX}<ErrorDocument><Key>error.html</Key></ErrorDocument>`,
      ],
      [
        'a redirect of everything',
        '<RedirectAllRequestsTo><HostName>example.com</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>',
      ],
      [
        'routing rules',
        `${INDEX}<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules>`,
      ],
    ] as const,
    ([what, content]) => [
      `a website with ${what} is stored, told and removed`,
      async (t) => {
        const bucket = await t.own()
        ;(await t.sub('GET', bucket, { website: '' })).is(404, 'NoSuchWebsiteConfiguration')
        ;(await put(t, bucket, 'website', WEBSITE(content))).is(200)
        ;(await t.sub('GET', bucket, { website: '' }))
          .is(200)
          .mentions(content.slice(0, content.indexOf('>') + 1))
        ;(await t.sub('DELETE', bucket, { website: '' })).is(204)
        ;(await t.sub('GET', bucket, { website: '' })).is(404, 'NoSuchWebsiteConfiguration')
        ;(await t.sub('DELETE', bucket, { website: '' })).is(204)
      },
    ],
  ),
  ...rules(
    '4.15',
    [
      ['nothing', ''],
      ['an empty suffix', '<IndexDocument><Suffix></Suffix></IndexDocument>'],
      ['a suffix with a slash', '<IndexDocument><Suffix>a/b</Suffix></IndexDocument>'],
      ['an error document alone', '<ErrorDocument><Key>e</Key></ErrorDocument>'],
      [
        'a redirect beside an index',
        `${INDEX}<RedirectAllRequestsTo><HostName>e</HostName></RedirectAllRequestsTo>`,
      ],
      [
        'an unknown protocol',
        '<RedirectAllRequestsTo><HostName>e</HostName><Protocol>gopher</Protocol></RedirectAllRequestsTo>',
      ],
    ] as const,
    ([what, content]) => [
      `a website with ${what} is refused`,
      async (t) => {
        const bucket = await t.own()
        ;(await put(t, bucket, 'website', WEBSITE(content))).is(
          400,
          'MalformedXML',
          'InvalidArgument',
          'InvalidRequest',
        )
      },
    ],
  ),
]

const others: readonly Rule[] = [
  rule('4.11', 'a bucket begins without notifications', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { notification: '' }))
      .is(200)
      .mentions('NotificationConfiguration')
  }),
  rule('4.11', 'an empty notification document is taken', async (t) => {
    const bucket = await t.own()
    ;(await put(t, bucket, 'notification', '<NotificationConfiguration/>')).is(200)
  }),
  rule('4.11', 'notifications to a queue that does not exist are refused', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'notification',
        '<NotificationConfiguration><QueueConfiguration><Id>1</Id><Queue>arn:minio:sqs::none:webhook</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>',
      )
    ).is(400, 'InvalidArgument')
  }),
  rule('4.11', 'notifications to topics are not supported', async (t) => {
    const bucket = await t.own()
    ;(
      await put(
        t,
        bucket,
        'notification',
        '<NotificationConfiguration><TopicConfiguration><Id>1</Id><Topic>arn:aws:sns:us-east-1:1:x</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration></NotificationConfiguration>',
      )
    ).is(400, 'UnsupportedNotification')
  }),
  rule('4.13', 'a bucket begins without replication', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { replication: '' })).is(
      404,
      'ReplicationConfigurationNotFoundError',
    )
  }),
  rule('4.8', 'a bucket begins without default encryption', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { encryption: '' })).is(
      404,
      'ServerSideEncryptionConfigurationNotFoundError',
    )
    ;(await t.sub('DELETE', bucket, { encryption: '' })).is(204)
  }),
  rule('1.3', 'a bucket pays for its requests itself', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { requestPayment: '' })).is(200).shows('Payer', 'BucketOwner')
  }),
  ...rules(
    '1.3',
    [
      ['logging', 'BucketLoggingStatus'],
      ['accelerate', 'AccelerateConfiguration'],
    ] as const,
    ([kind, root]) => [
      `?${kind} of a new bucket is an empty ${root}`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.sub('GET', bucket, { [kind]: '' })).is(200).mentions(root)
      },
    ],
  ),
  rule('4.8', 'keys of the customer need a secure connection', async (t) => {
    const bucket = await t.shared()
    if (t.wire.endpoint.protocol === 'https:') return
    ;(
      await t.put(bucket, t.key, 'x', {
        'x-amz-server-side-encryption-customer-algorithm': 'AES256',
        'x-amz-server-side-encryption-customer-key': Buffer.alloc(32, 1).toString('base64'),
        'x-amz-server-side-encryption-customer-key-md5': md5Base64(Buffer.alloc(32, 1)),
      })
    ).is(400, 'InvalidRequest')
  }),
  ...rules(
    '4.8',
    [
      ['an unknown algorithm', { 'x-amz-server-side-encryption': 'ROT13' }],
      ['an empty algorithm', { 'x-amz-server-side-encryption': '' }],
      [
        'a key id without aws:kms',
        {
          'x-amz-server-side-encryption': 'AES256',
          'x-amz-server-side-encryption-aws-kms-key-id': 'key',
        },
      ],
    ] as const,
    ([what, headers]) => [
      `a write with encryption of ${what} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'x', headers)).is(400, 'InvalidArgument')
        ;(await t.head(bucket, t.key)).is(404)
      },
    ],
  ),
]

export const configurations: readonly Rule[] = [
  ...acls,
  ...policies,
  ...access,
  ...lifecycle,
  ...cors,
  ...website,
  ...others,
]
