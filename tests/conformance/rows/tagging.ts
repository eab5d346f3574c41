/** Tags of objects and buckets (s3-api.md 4.7). */
import { type Rule, rule, rules } from '../rule.ts'
import { XMLNS } from '../trial.ts'

type Tag = readonly [string, string]

function tagging(tags: readonly Tag[]): string {
  const elements = tags.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`)
  return `<Tagging xmlns="${XMLNS}"><TagSet>${elements.join('')}</TagSet></Tagging>`
}

const many = (count: number): Tag[] =>
  Array.from({ length: count }, (_, i) => [`key${i}`, `value${i}`])

const GOOD: readonly (readonly [string, readonly Tag[]])[] = [
  ['one tag', [['a', 'b']]],
  ['ten tags', many(10)],
  ['an empty value', [['a', '']]],
  ['a key of 128 characters', [['k'.repeat(128), 'v']]],
  ['a value of 256 characters', [['k', 'v'.repeat(256)]]],
  ['all special characters', [['a +-=._:/@', 'b +-=._:/@']]],
  ['letters of other scripts', [['größe', 'ключ']]],
  [
    'keys that differ in case',
    [
      ['a', '1'],
      ['A', '2'],
    ],
  ],
]

const BAD: readonly (readonly [string, readonly Tag[], string])[] = [
  ['a key of 129 characters', [['k'.repeat(129), 'v']], 'InvalidTag'],
  ['a value of 257 characters', [['k', 'v'.repeat(257)]], 'InvalidTag'],
  ['an empty key', [['', 'v']], 'InvalidTag'],
  [
    'a key twice',
    [
      ['a', '1'],
      ['a', '2'],
    ],
    'InvalidTag',
  ],
  ['a key that begins as those of Amazon', [['aws:a', 'v']], 'InvalidTag'],
  ['a character that is not allowed in a key', [['a*b', 'v']], 'InvalidTag'],
  ['a character that is not allowed in a value', [['a', 'v?']], 'InvalidTag'],
]

function queryOf(tags: readonly Tag[]): string {
  return tags
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join('&')
}

const objects: readonly Rule[] = [
  ...rules('4.7', GOOD, ([what, tags]) => [
    `an object takes ${what} as a document and by header`,
    async (t) => {
      const bucket = await t.shared()
      const sorted = tags.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      ;(await t.put(bucket, t.key)).is(200)
      ;(await t.of('PUT', bucket, t.key, { tagging: '' }, tagging(tags))).is(200)
      ;(await t.of('GET', bucket, t.key, { tagging: '' }))
        .is(200)
        .shows('TagSet.Tag.Key', ...sorted.map(([key]) => key))
        .shows('TagSet.Tag.Value', ...sorted.map(([, value]) => value))
      ;(await t.head(bucket, t.key)).has('x-amz-tagging-count', String(tags.length))
      ;(await t.put(bucket, t.key, 'x', { 'x-amz-tagging': queryOf(tags) })).is(200)
      ;(await t.of('GET', bucket, t.key, { tagging: '' }))
        .is(200)
        .shows('TagSet.Tag.Key', ...sorted.map(([key]) => key))
    },
  ]),
  ...rules(
    '4.7',
    [...BAD, ['eleven tags', many(11), 'BadRequest'] as const],
    ([what, tags, code]) => [
      `an object with ${what} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key)).is(200)
        ;(await t.of('PUT', bucket, t.key, { tagging: '' }, tagging(tags))).is(400, code)
        ;(await t.of('GET', bucket, t.key, { tagging: '' })).is(200).shows('TagSet.Tag')
        // Of a header such tags are a mistake of its encoding.
        const inHeader = /^(an empty key|a key twice)$/.test(what) ? 'InvalidArgument' : code
        ;(await t.put(bucket, `${t.key}-2`, 'x', { 'x-amz-tagging': queryOf(tags) })).is(
          400,
          inHeader,
        )
        ;(await t.head(bucket, `${t.key}-2`)).is(404)
      },
    ],
  ),
  rule('4.7', 'an object without tags has an empty set', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.of('GET', bucket, t.key, { tagging: '' }))
      .is(200)
      .shows('TagSet.Tag')
      .mentions('TagSet')
    ;(await t.head(bucket, t.key)).has('x-amz-tagging-count', null)
  }),
  rule('4.7', 'tags are replaced and removed', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-tagging': 'a=b' })).is(200)
    ;(await t.of('PUT', bucket, t.key, { tagging: '' }, tagging([['c', 'd']]))).is(200)
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).shows('TagSet.Tag.Key', 'c')
    ;(await t.of('DELETE', bucket, t.key, { tagging: '' })).is(204)
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).shows('TagSet.Tag')
    ;(await t.of('PUT', bucket, t.key, { tagging: '' }, tagging([]))).is(200)
  }),
  rule('4.7', 'tagging changes neither tag nor time of the object', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    const before = await t.head(bucket, t.key)
    ;(await t.of('PUT', bucket, t.key, { tagging: '' }, tagging([['c', 'd']]))).is(200)
    ;(await t.head(bucket, t.key))
      .has('etag', before.header('etag'))
      .has('last-modified', before.header('last-modified'))
  }),
  rule('4.7', 'each version has tags of its own', async (t) => {
    const bucket = await t.shared('versioned')
    const old = await t.putVersion(bucket, t.key)
    await t.putVersion(bucket, t.key)
    ;(await t.of('PUT', bucket, t.key, { tagging: '', versionId: old }, tagging([['c', 'd']])))
      .is(200)
      .has('x-amz-version-id', old)
    ;(await t.of('GET', bucket, t.key, { tagging: '', versionId: old }))
      .shows('TagSet.Tag.Key', 'c')
      .has('x-amz-version-id', old)
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).shows('TagSet.Tag')
  }),
  ...rules('4.7', ['GET', 'PUT', 'DELETE'], (method) => [
    `${method} ?tagging of an absent key is 404`,
    async (t) => {
      const bucket = await t.shared()
      ;(
        await t.of(
          method,
          bucket,
          t.key,
          { tagging: '' },
          method === 'PUT' ? tagging([['a', 'b']]) : undefined,
        )
      ).is(404, 'NoSuchKey')
    },
  ]),
  rule('4.7', 'tags of a delete marker are 405', async (t) => {
    const bucket = await t.shared('versioned')
    await t.putVersion(bucket, t.key)
    const versionId = (await t.delete(bucket, t.key)).header('x-amz-version-id')
    ;(await t.of('GET', bucket, t.key, { tagging: '', versionId })).is(405, 'MethodNotAllowed')
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).is(404, 'NoSuchKey')
  }),
  rule('4.7', 'a broken document is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.of('PUT', bucket, t.key, { tagging: '' }, '<Tagging><TagSet>')).is(
      400,
      'MalformedXML',
    )
  }),
  rule('4.7', 'a tagging header of nonsense is refused or taken as names', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-tagging': 'a=%zz' })).is(400)
  }),
  rule('4.7', 'the tagging header decodes its names', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', { 'x-amz-tagging': 'a%20b=c%2Bd&e=f+g' })).is(200)
    ;(await t.of('GET', bucket, t.key, { tagging: '' }))
      .shows('TagSet.Tag.Key', 'a b', 'e')
      .shows('TagSet.Tag.Value', 'c+d', 'f g')
  }),
]

const buckets: readonly Rule[] = [
  rule('4.7', 'a bucket without tags has no tag set', async (t) => {
    const bucket = await t.shared()
    ;(await t.sub('GET', bucket, { tagging: '' })).is(404, 'NoSuchTagSet')
  }),
  rule('4.7', 'bucket tags are stored in order and removed', async (t) => {
    const bucket = await t.own()
    ;(
      await t.sub(
        'PUT',
        bucket,
        { tagging: '' },
        tagging([
          ['z', '1'],
          ['a', '2'],
        ]),
      )
    ).isOne(200, 204)
    ;(await t.sub('GET', bucket, { tagging: '' })).is(200).shows('TagSet.Tag.Key', 'z', 'a')
    ;(await t.sub('DELETE', bucket, { tagging: '' })).is(204)
    ;(await t.sub('GET', bucket, { tagging: '' })).is(404, 'NoSuchTagSet')
  }),
  rule('4.7', 'a bucket takes fifty tags', async (t) => {
    const bucket = await t.own()
    ;(await t.sub('PUT', bucket, { tagging: '' }, tagging(many(50)))).isOne(200, 204)
    ;(await t.sub('PUT', bucket, { tagging: '' }, tagging(many(51)))).is(400, 'BadRequest')
  }),
  ...rules('4.7', BAD, ([what, tags, code]) => [
    `a bucket with ${what} is refused`,
    async (t) => {
      const bucket = await t.own()
      ;(await t.sub('PUT', bucket, { tagging: '' }, tagging(tags))).is(400, code)
    },
  ]),
]

export const tagRules: readonly Rule[] = [...objects, ...buckets]
