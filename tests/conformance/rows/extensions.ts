/** What MinIO has beside S3: archives, vendor objects, select (s3-api.md 4.2.8 to 4.2.11, 6.2). */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { tarOf, type TarEntry, zipOf } from '#testing/archives'
import { type Rule, rule, rules } from '../rule.ts'
import { check, md5Hex, type Trial } from '../trial.ts'
import type { Pairs } from '../wire.ts'

const EXTRACT = { 'x-minio-extract': 'true' }
const ZIP = zipOf([
  { name: 'a.txt', data: 'first' },
  { name: 'folder/b.css', data: 'second', stored: true },
  { name: 'folder/sub/c.html', data: 'third'.repeat(1000) },
  { name: 'empty', data: '' },
])

async function zipped(t: Trial): Promise<{ bucket: string; zip: string }> {
  const bucket = await t.shared()
  const zip = `${t.key}/file.zip`
  ;(await t.put(bucket, zip, ZIP)).is(200)
  return { bucket, zip }
}

const zips: readonly Rule[] = [
  ...rules(
    '4.2.8',
    [
      ['a.txt', 'first', /text\/plain/],
      ['folder/b.css', 'second', /text\/css/],
      ['folder/sub/c.html', 'third'.repeat(1000), /text\/html/],
      ['empty', '', /octet-stream/],
    ] as const,
    ([member, content, type]) => [
      `the zip member ${member} is read`,
      async (t) => {
        const { bucket, zip } = await zipped(t)
        ;(await t.get(bucket, `${zip}/${member}`, EXTRACT))
          .is(200)
          .contains(content)
          .has('content-type', type)
          .has('content-length', String(content.length))
          .has('last-modified', / GMT$/)
        ;(await t.head(bucket, `${zip}/${member}`, EXTRACT))
          .is(200)
          .has('content-length', String(content.length))
          .has('content-type', type)
      },
    ],
  ),
  rule('4.2.8', 'without the header the name is a plain key', async (t) => {
    const { bucket, zip } = await zipped(t)
    ;(await t.get(bucket, `${zip}/a.txt`)).is(404, 'NoSuchKey')
    ;(await t.get(bucket, zip, EXTRACT)).is(200).contains(ZIP)
  }),
  rule('4.2.8', 'a member that is not there is 404', async (t) => {
    const { bucket, zip } = await zipped(t)
    ;(await t.get(bucket, `${zip}/none`, EXTRACT)).is(404, 'NoSuchKey')
    ;(await t.head(bucket, `${zip}/none`, EXTRACT)).is(404)
    ;(await t.get(bucket, `${t.key}/absent.zip/a.txt`, EXTRACT)).is(404, 'NoSuchKey')
  }),
  rule('4.2.8', 'members have no ranges and no parts', async (t) => {
    const { bucket, zip } = await zipped(t)
    ;(await t.get(bucket, `${zip}/a.txt`, { ...EXTRACT, range: 'bytes=0-1' })).is(
      416,
      'InvalidRange',
    )
    ;(await t.get(bucket, `${zip}/a.txt`, EXTRACT, { partNumber: '1' })).is(
      416,
      'InvalidPartNumber',
    )
  }),
  rule('4.2.8', 'members are listed', async (t) => {
    const { bucket, zip } = await zipped(t)
    const list = (query: Pairs): ReturnType<Trial['sub']> =>
      t.sub('GET', bucket, { 'list-type': '2', ...query }, undefined, EXTRACT)
    ;(await list({ prefix: `${zip}/` }))
      .is(200)
      .shows(
        'Contents.Key',
        `${zip}/a.txt`,
        `${zip}/empty`,
        `${zip}/folder/b.css`,
        `${zip}/folder/sub/c.html`,
      )
      .shows('Contents.Size', '5', '0', '6', '5000')
    ;(await list({ prefix: `${zip}/`, delimiter: '/' }))
      .is(200)
      .shows('Contents.Key', `${zip}/a.txt`, `${zip}/empty`)
      .shows('CommonPrefixes.Prefix', `${zip}/folder/`)
    ;(await list({ prefix: `${zip}/folder/` }))
      .is(200)
      .shows('Contents.Key', `${zip}/folder/b.css`, `${zip}/folder/sub/c.html`)
    const page = (await list({ prefix: `${zip}/`, 'max-keys': '2' }))
      .is(200)
      .shows('Contents.Key', `${zip}/a.txt`, `${zip}/empty`)
      .shows('IsTruncated', 'true')
    ;(await list({ prefix: `${zip}/`, 'continuation-token': page.first('NextContinuationToken') }))
      .is(200)
      .shows('Contents.Key', `${zip}/folder/b.css`, `${zip}/folder/sub/c.html`)
  }),
  rule('4.2.8', 'an archive that is none gives an error, not a crash', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, `${t.key}.zip`, 'this is no zip')).is(200)
    const reply = await t.get(bucket, `${t.key}.zip/a`, EXTRACT)
    if (reply.status < 400 || reply.status >= 500) reply.fail('an error of the client')
  }),
  rule('4.2.8', 'a member that is larger than it says is not sent whole', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(
        bucket,
        `${t.key}.zip`,
        zipOf([{ name: 'bomb', data: Buffer.alloc(5_000_000), claimedSize: 10 }]),
      )
    ).is(200)
    let length = 0
    try {
      length = (await t.get(bucket, `${t.key}.zip/bomb`, EXTRACT)).body.length
    } catch {
      // The connection may break: what was promised cannot be kept.
    }
    check(length <= 1000, 'no more than was promised')
  }),
  rule('4.2.8', 'members whose names climb are not reachable', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(
        bucket,
        `${t.key}.zip`,
        zipOf([
          { name: '../evil', data: 'x' },
          { name: 'good', data: 'y' },
        ]),
      )
    ).is(200)
    const listed = await t.sub(
      'GET',
      bucket,
      { 'list-type': '2', prefix: `${t.key}.zip/` },
      undefined,
      EXTRACT,
    )
    if (listed.text.includes('evil')) listed.fail('no name that climbs')
  }),
  rule('4.2.8', 'a version of an archive is read by its id', async (t) => {
    const bucket = await t.shared('versioned')
    const versionId = (
      await t.put(bucket, `${t.key}.zip`, zipOf([{ name: 'm', data: 'old' }]))
    ).header('x-amz-version-id')
    ;(await t.put(bucket, `${t.key}.zip`, zipOf([{ name: 'm', data: 'new' }]))).is(200)
    ;(await t.get(bucket, `${t.key}.zip/m`, EXTRACT, { versionId })).is(200).contains('old')
    ;(await t.get(bucket, `${t.key}.zip/m`, EXTRACT)).is(200).contains('new')
  }),
]

const SNOWBALL = { 'x-amz-meta-snowball-auto-extract': 'true' }

function entriesOf(key: string): TarEntry[] {
  return [
    { name: `${key}/a`, data: 'first' },
    { name: `${key}/dir/`, type: '5' },
    { name: `${key}/dir/b`, data: 'second'.repeat(500), modifiedSeconds: 1_600_000_000 },
    { name: `${key}/link`, type: '2' },
  ]
}

const tars: readonly Rule[] = [
  ...rules(
    '4.2.9',
    [
      ['plain', (data: Buffer) => data],
      ['gzip', gzipSync],
      ['zstd', zstdCompressSync],
    ] as const,
    ([what, pack]) => [
      `a ${what} tar becomes objects`,
      async (t) => {
        const bucket = await t.shared()
        const body = Buffer.from(pack(tarOf(entriesOf(t.key))))
        ;(await t.put(bucket, `${t.key}.tar`, body, SNOWBALL))
          .is(200)
          .has('etag', `"${md5Hex(body)}"`)
        ;(await t.get(bucket, `${t.key}/a`)).is(200).contains('first')
        ;(await t.get(bucket, `${t.key}/dir/b`))
          .is(200)
          .contains('second'.repeat(500))
          .has('last-modified', 'Sun, 13 Sep 2020 12:26:40 GMT')
        ;(await t.head(bucket, `${t.key}/dir/`)).is(200)
        ;(await t.head(bucket, `${t.key}/link`)).is(404)
        ;(await t.head(bucket, `${t.key}.tar`)).is(404)
      },
    ],
  ),
  rule('4.2.9', 'a prefix is put before every name', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, 'x.tar', tarOf([{ name: 'a', data: 'x' }]), {
        ...SNOWBALL,
        'x-amz-meta-minio-snowball-prefix': t.key,
      })
    ).is(200)
    ;(await t.get(bucket, `${t.key}/a`)).is(200)
  }),
  rule('4.2.9', 'folders may be left out', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(bucket, 'x.tar', tarOf(entriesOf(t.key)), {
        ...SNOWBALL,
        'x-amz-meta-minio-snowball-ignore-dirs': 'true',
      })
    ).is(200)
    ;(await t.head(bucket, `${t.key}/dir/`)).is(404)
    ;(await t.head(bucket, `${t.key}/dir/b`)).is(200)
  }),
  rule('4.2.9', 'records of the archive set metadata', async (t) => {
    const bucket = await t.shared()
    ;(
      await t.put(
        bucket,
        'x.tar',
        tarOf([
          {
            name: `${t.key}/a`,
            data: 'x',
            pax: {
              'minio.metadata.X-Amz-Meta-Colour': 'red',
              'minio.metadata.Content-Type': 'text/css',
            },
          },
        ]),
        SNOWBALL,
      )
    ).is(200)
    ;(await t.head(bucket, `${t.key}/a`))
      .is(200)
      .has('x-amz-meta-colour', 'red')
      .has('content-type', 'text/css')
  }),
  rule('4.2.9', 'long names of the archive are understood', async (t) => {
    const bucket = await t.shared()
    const name = `${t.key}/${'n'.repeat(180)}`
    ;(
      await t.put(
        bucket,
        'x.tar',
        tarOf([{ name: 'short', data: 'x', pax: { path: name } }]),
        SNOWBALL,
      )
    ).is(200)
    ;(await t.head(bucket, name)).is(200)
  }),
  rule('4.2.9', 'sparse files of the archive become whole', async (t) => {
    const bucket = await t.shared()
    const pax = {
      'GNU.sparse.size': '3000',
      'GNU.sparse.name': `${t.key}/sparse`,
      'GNU.sparse.numblocks': '2',
      'GNU.sparse.map': '1000,4,3000,0',
    }
    const body = tarOf([{ name: 'GNUSparseFile.1/sparse', data: 'data', pax }])
    ;(await t.put(bucket, 'x.tar', body, SNOWBALL)).is(200)
    const content = Buffer.alloc(3000)
    content.write('data', 1000)
    ;(await t.get(bucket, `${t.key}/sparse`)).is(200).contains(content)
  }),
  rule('4.2.9', 'pipes of the archive become empty objects', async (t) => {
    const bucket = await t.shared()
    const body = tarOf([
      { name: `${t.key}/pipe`, type: '6' },
      { name: `${t.key}/file`, data: 'x' },
    ])
    ;(await t.put(bucket, 'x.tar', body, SNOWBALL)).is(200)
    ;(await t.get(bucket, `${t.key}/pipe`)).is(200).contains('')
    ;(await t.get(bucket, `${t.key}/file`)).is(200).contains('x')
  }),
  rule('4.2.9', 'names that climb are refused', async (t) => {
    const bucket = await t.shared()
    const reply = await t.put(
      bucket,
      'x.tar',
      tarOf([{ name: `${t.key}/../../evil`, data: 'x' }]),
      SNOWBALL,
    )
    if (reply.status < 400 || reply.status >= 500) reply.fail('an error of the client')
  }),
  rule('4.2.9', 'a tar that is cut is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, 'x.tar', tarOf(entriesOf(t.key)).subarray(0, 1000), SNOWBALL)).is(400)
  }),
  rule('4.2.9', 'faults may be ignored', async (t) => {
    const bucket = await t.shared()
    const body = tarOf([
      { name: `${t.key}/../../evil`, data: 'x' },
      { name: `${t.key}/good`, data: 'y' },
    ])
    ;(
      await t.put(bucket, 'x.tar', body, {
        ...SNOWBALL,
        'x-amz-meta-minio-snowball-ignore-errors': 'true',
      })
    ).is(200)
    ;(await t.get(bucket, `${t.key}/good`)).is(200)
  }),
]

const VENDOR = '.system-d26a9498-cb7c-4a87-a44a-8ae204f5ba6c'

const vendor: readonly Rule[] = [
  ...rules(
    '4.2.11',
    [
      ['system.xml', 'SystemInfo', 'ProtocolVersion'],
      ['capacity.xml', 'CapacityInfo', 'Capacity'],
    ] as const,
    ([name, root, child]) => [
      `${name} is made for backup programs`,
      async (t) => {
        const bucket = await t.shared()
        const reply = (await t.get(bucket, `${VENDOR}/${name}`))
          .is(200)
          .mentions(`<${root}`)
          .mentions(`<${child}>`)
          .has('content-type', 'application/xml')
        reply.has('etag', `"${md5Hex(reply.body)}"`)
        ;(await t.head(bucket, `${VENDOR}/${name}`)).is(200)
        ;(await t.get(bucket, `${VENDOR}/${name}`, { range: 'bytes=0-4' })).is(206)
        ;(await t.list(bucket, { prefix: VENDOR })).shows('Contents.Key')
      },
    ],
  ),
]

const SELECT = (expression: string, input: string, output = '<CSV/>'): string =>
  `<SelectObjectContentRequest><Expression>${expression}</Expression><ExpressionType>SQL</ExpressionType><InputSerialization>${input}</InputSerialization><OutputSerialization>${output}</OutputSerialization></SelectObjectContentRequest>`

function select(
  t: Trial,
  bucket: string,
  document: string,
  headers: Pairs = {},
): ReturnType<Trial['of']> {
  return t.of('POST', bucket, t.key, { select: '', 'select-type': '2' }, document, headers)
}

const selects: readonly Rule[] = [
  rule('6.2', 'columns of CSV are selected', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'name,age\nann,30\nbob,40\n')).is(200)
    ;(
      await select(
        t,
        bucket,
        SELECT(
          'SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) &gt; 35',
          '<CSV><FileHeaderInfo>USE</FileHeaderInfo></CSV>',
        ),
      )
    )
      .is(200)
      .mentions('bob')
      .mentions('Stats')
      .mentions('End')
  }),
  rule('6.2', 'rows are counted', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'a\nb\nc\n')).is(200)
    ;(await select(t, bucket, SELECT('SELECT COUNT(*) FROM S3Object', '<CSV/>')))
      .is(200)
      .mentions(/3\n/)
  }),
  rule('6.2', 'lines of JSON are selected', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, '{"a":1}\n{"a":2}\n')).is(200)
    ;(
      await select(
        t,
        bucket,
        SELECT(
          'SELECT s.a FROM S3Object s WHERE s.a = 2',
          '<JSON><Type>LINES</Type></JSON>',
          '<JSON/>',
        ),
      )
    )
      .is(200)
      .mentions('{"a":2}')
  }),
  ...rules(
    '6.2',
    [['a Range header', { range: 'bytes=0-1' }, 'UnsupportedRangeHeader']] as const,
    ([what, headers, code]) => [
      `a select with ${what} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'a\n')).is(200)
        ;(await select(t, bucket, SELECT('SELECT * FROM S3Object', '<CSV/>'), headers)).is(
          400,
          code,
        )
      },
    ],
  ),
  ...rules(
    '6.2',
    [
      ['nothing', '', 'EmptyRequestBody'],
      ['broken XML', '<SelectObjectContentRequest>', 'MalformedXML'],
      ['a statement that is none', SELECT('DELETE everything', '<CSV/>'), 'ParseSelectFailure'],
      [
        'two inputs',
        SELECT('SELECT * FROM S3Object', '<CSV/><JSON><Type>LINES</Type></JSON>'),
        'ObjectSerializationConflict',
      ],
    ] as const,
    ([what, document, code]) => [
      `a select of ${what} is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key, 'a\n')).is(200)
        ;(await select(t, bucket, document)).is(400, code)
      },
    ],
  ),
  rule('6.2', 'a select of an absent key is 404', async (t) => {
    const bucket = await t.shared()
    ;(await select(t, bucket, SELECT('SELECT * FROM S3Object', '<CSV/>'))).is(404, 'NoSuchKey')
  }),
]

const restores: readonly Rule[] = [
  rule('4.2.10', 'a restore without a body is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(await t.of('POST', bucket, t.key, { restore: '' }, '')).is(400, 'EmptyRequestBody')
  }),
  rule('4.2.10', 'an object that was not moved cannot be restored', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key)).is(200)
    ;(
      await t.of(
        'POST',
        bucket,
        t.key,
        { restore: '' },
        '<RestoreRequest><Days>1</Days></RestoreRequest>',
      )
    ).is(403, 'InvalidObjectState')
  }),
]

const quotas: readonly Rule[] = [
  rule('4.2.3', 'a quota of the admin API stops what is larger, until it is cleared', async (t) => {
    const bucket = await t.own()
    const set = (quota: string): ReturnType<Trial['of']> =>
      t.of('PUT', 'minio', 'admin/v3/set-bucket-quota', { bucket }, quota)
    ;(await set('{"quota":1000,"quotatype":"hard"}')).is(200)
    ;(await t.of('GET', 'minio', 'admin/v3/get-bucket-quota', { bucket }))
      .is(200)
      .contains('{"quota":1000,"size":0,"rate":0,"requests":0,"quotatype":"hard"}')
    ;(await t.put(bucket, t.key, 'x'.repeat(1000))).is(400, 'XMinioAdminBucketQuotaExceeded')
    ;(await t.put(bucket, t.key, 'x'.repeat(999))).is(200)
    ;(await set('{"quota":0,"quotatype":"hard"}')).is(200)
    ;(await t.put(bucket, t.key, 'x'.repeat(1000))).is(200)
  }),
]

export const extensions: readonly Rule[] = [
  ...zips,
  ...tars,
  ...vendor,
  ...selects,
  ...restores,
  ...quotas,
]
