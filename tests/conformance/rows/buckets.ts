/** Buckets themselves and their list (s3-api.md 4.1). */
import { type Rule, rule, rules } from '../rule.ts'
import { check, XMLNS } from '../trial.ts'

const LOCATION = (value: string): string =>
  `<CreateBucketConfiguration xmlns="${XMLNS}"><LocationConstraint>${value}</LocationConstraint></CreateBucketConfiguration>`

export const buckets: readonly Rule[] = [
  rule('4.1', 'a bucket is made, told and removed', async (t) => {
    const name = t.name()
    ;(await t.sub('PUT', name, {})).is(200).contains('').has('location', `/${name}`)
    ;(await t.sub('HEAD', name, {})).is(200).contains('')
    ;(await t.sub('DELETE', name, {})).is(204).contains('')
    ;(await t.sub('HEAD', name, {})).is(404)
  }),
  rule('4.1', 'a bucket tells its ARN and its region', async (t) => {
    const name = t.name()
    const arn = `arn:aws:s3:::${name}`
    ;(await t.sub('PUT', name, {})).is(200).has('x-amz-bucket-arn', arn)
    ;(await t.sub('HEAD', name, {})).has('x-amz-bucket-arn', arn).has('x-amz-bucket-region', /./)
    ;(await t.sub('DELETE', name, {})).is(204)
  }),
  rule('4.1', 'an ACL and an owner of everything exclude each other', async (t) => {
    const headers = {
      'x-amz-object-ownership': 'BucketOwnerEnforced',
      'x-amz-acl': 'public-read',
    }
    ;(await t.sub('PUT', t.name(), {}, undefined, headers)).is(
      400,
      'InvalidBucketAclWithObjectOwnership',
    )
  }),
  rule('4.1', 'a bucket that exists is owned already', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('PUT', bucket, {})).is(409, 'BucketAlreadyOwnedByYou')
  }),
  rule('4.1', 'x-minio-force-create takes a bucket that exists', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('PUT', bucket, {}, undefined, { 'x-minio-force-create': 'true' })).is(200)
    ;(await t.sub('PUT', bucket, {}, undefined, { 'x-minio-force-create': 'maybe' })).is(
      400,
      'InvalidRequest',
    )
  }),
  ...rules('4.1', ['', 'us-east-1', 'EU'], (value) => [
    `the location "${value}" is taken where no region is configured`,
    async (t) => {
      const name = t.name()
      ;(await t.sub('PUT', name, {}, LOCATION(value))).is(200)
      ;(await t.sub('GET', name, { location: '' })).is(200).mentions('LocationConstraint')
    },
  ]),
  rule('4.1', 'a bucket is made with tags', async (t) => {
    const name = t.name()
    const tags = (key: string): string =>
      `<CreateBucketConfiguration xmlns="${XMLNS}"><Tags><Tag><Key>${key}</Key><Value>b</Value></Tag></Tags></CreateBucketConfiguration>`
    ;(await t.sub('PUT', name, {}, tags('a'.repeat(129)))).is(400, 'InvalidTag')
    ;(await t.sub('PUT', name, {}, tags('a'))).is(200)
    ;(await t.sub('GET', name, { tagging: '' })).is(200).shows('TagSet.Tag.Key', 'a')
  }),
  rule('4.1', 'the location of the default region is empty', async (t) => {
    const bucket = await t.shared()
    const reply = (await t.sub('GET', bucket, { location: '' })).is(200)
    check(
      reply.root[0] === 'LocationConstraint' &&
        (reply.root[1] === '' || reply.root[1].length === 0),
      'an empty constraint',
    )
  }),
  ...rules(
    '4.1',
    [
      ['broken XML', '<CreateBucketConfiguration>'],
      ['no XML', 'hello'],
    ] as const,
    ([what, body]) => [
      `a bucket with a body of ${what} is not made`,
      async (t) => {
        const name = t.name()
        ;(await t.sub('PUT', name, {}, body)).is(400, 'MalformedXML')
        ;(await t.sub('HEAD', name, {})).is(404)
      },
    ],
  ),
  rule('4.1', 'a bucket with object lock has it, and versioning', async (t) => {
    const bucket = await t.own('locked')
    ;(await t.sub('GET', bucket, { 'object-lock': '' }))
      .is(200)
      .shows('ObjectLockEnabled', 'Enabled')
    ;(await t.sub('GET', bucket, { versioning: '' })).shows('Status', 'Enabled')
  }),
  rule('4.1', 'a bucket without object lock has none', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { 'object-lock': '' })).is(
      404,
      'ObjectLockConfigurationNotFoundError',
    )
  }),
  rule('4.1', 'x-amz-bucket-object-lock-enabled is a truth value', async (t) => {
    ;(
      await t.sub('PUT', t.name(), {}, undefined, { 'x-amz-bucket-object-lock-enabled': 'perhaps' })
    ).is(400, 'InvalidRequest')
  }),
  ...rules('4.1', ['plain', 'versioned'] as const, (kind) => [
    `a ${kind} bucket that is not empty stays`,
    async (t) => {
      const bucket = await t.own(kind)
      ;(await t.put(bucket, 'k')).is(200)
      ;(await t.sub('DELETE', bucket, {})).is(409, 'BucketNotEmpty')
      ;(await t.get(bucket, 'k')).is(200)
    },
  ]),
  rule('4.1', 'a bucket with only delete markers is not empty', async (t) => {
    const bucket = await t.own('versioned')
    ;(await t.delete(bucket, 'k')).is(204)
    ;(await t.sub('DELETE', bucket, {})).is(409, 'BucketNotEmpty')
  }),
  rule('4.1', 'x-minio-force-delete removes a bucket with everything', async (t) => {
    const bucket = await t.own('versioned')
    await t.fill(bucket, ['a', 'b/c'])
    ;(await t.sub('DELETE', bucket, {}, undefined, { 'x-minio-force-delete': 'true' })).is(204)
    ;(await t.sub('HEAD', bucket, {})).is(404)
  }),
  rule('4.1', 'x-minio-force-delete is refused for buckets with object lock', async (t) => {
    const bucket = await t.own('locked')
    ;(await t.sub('DELETE', bucket, {}, undefined, { 'x-minio-force-delete': 'true' })).is(
      405,
      'MethodNotAllowed',
    )
  }),
  rule('4.1', 'a bucket that does not exist cannot be removed', async (t) =>
    (await t.sub('DELETE', t.name(), {})).is(404, 'NoSuchBucket'),
  ),
  rule('4.1', 'a bucket is removed once', async (t) => {
    const bucket = await t.own()
    ;(await t.sub('DELETE', bucket, {})).is(204)
    ;(await t.sub('DELETE', bucket, {})).is(404, 'NoSuchBucket')
  }),
  rule(
    '7.3',
    'who asks where an absent bucket is gets the text that minio-go compares',
    async (t) =>
      (await t.sub('GET', t.name(), { location: '' }))
        .is(404, 'NoSuchBucket')
        .shows('Message', 'The specified bucket does not exist'),
  ),
  rule('4.1', 'a bucket made again is empty and has no configuration', async (t) => {
    const bucket = await t.own()
    ;(
      await t.sub(
        'PUT',
        bucket,
        { tagging: '' },
        '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
      )
    ).isOne(200, 204)
    ;(await t.put(bucket, 'k')).is(200)
    ;(await t.delete(bucket, 'k')).is(204)
    ;(await t.sub('DELETE', bucket, {})).is(204)
    ;(await t.sub('PUT', bucket, {})).is(200)
    ;(await t.list(bucket)).shows('Contents.Key')
    ;(await t.sub('GET', bucket, { tagging: '' })).is(404, 'NoSuchTagSet')
  }),
  rule('4.1', 'buckets are listed by name, with owner and date', async (t) => {
    const names = [await t.own(), await t.own()].toSorted()
    const reply = (await t.send({ method: 'GET', path: '/' }))
      .is(200)
      .shows('Owner.ID', '02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4')
      .shows('Owner.DisplayName', 'minio')
    const found = reply.texts('Buckets.Bucket.Name')
    check(
      names.every((name) => found.includes(name)),
      'both buckets',
    )
    check(found.join() === found.toSorted().join(), 'an order by name')
    check(/^\d{4}-/.test(reply.first('Buckets.Bucket.CreationDate')), 'a date')
  }),
  rule('4.1', 'a prefix chooses buckets', async (t) => {
    const bucket = await t.own()
    ;(await t.send({ method: 'GET', path: '/', query: { prefix: bucket } }))
      .is(200)
      .shows('Buckets.Bucket.Name', bucket)
      .shows('Prefix', bucket)
    ;(await t.send({ method: 'GET', path: '/', query: { prefix: 'no-bucket-begins-so' } }))
      .is(200)
      .shows('Buckets.Bucket.Name')
  }),
  rule('4.1', 'a region chooses buckets', async (t) => {
    const prefix = await t.own()
    const list = (region: string): ReturnType<typeof t.send> =>
      t.send({ method: 'GET', path: '/', query: { prefix, 'bucket-region': region } })
    const [bucket] = (await list('us-east-1')).is(200).texts('Buckets.Bucket')
    check(bucket !== undefined, 'the bucket')
    ;(await list('us-east-1')).shows('Buckets.Bucket.BucketRegion', 'us-east-1')
    ;(await list('eu-west-3')).is(200).shows('Buckets.Bucket.Name')
  }),
  rule('4.1', 'buckets come in pages', async (t) => {
    const prefix = t.name()
    const names = ['-a', '-b', '-c'].map((tail) => `${prefix}${tail}`)
    for (const name of names) (await t.sub('PUT', name, {})).is(200)
    try {
      const first = (
        await t.send({ method: 'GET', path: '/', query: { prefix, 'max-buckets': '2' } })
      )
        .is(200)
        .shows('Buckets.Bucket.Name', names[0] ?? '', names[1] ?? '')
      const token = first.first('ContinuationToken')
      ;(
        await t.send({
          method: 'GET',
          path: '/',
          query: { prefix, 'max-buckets': '2', 'continuation-token': token },
        })
      )
        .is(200)
        .shows('Buckets.Bucket.Name', names[2] ?? '')
        .shows('ContinuationToken')
    } finally {
      for (const name of names) await t.sub('DELETE', name, {})
    }
  }),
  ...rules('4.1', ['0', '-1', '10001', 'x'], (value) => [
    `max-buckets=${value} is refused`,
    async (t) =>
      (await t.send({ method: 'GET', path: '/', query: { 'max-buckets': value } })).is(
        400,
        'InvalidArgument',
      ),
  ]),
]
