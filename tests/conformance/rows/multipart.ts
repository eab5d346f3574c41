/** Multipart uploads (s3-api.md 4.6). */
import { type Rule, rule, rules } from '../rule.ts'
import { bigPart, check, md5Hex, type Trial } from '../trial.ts'
import { createHash } from 'node:crypto'
import type { Pairs } from '../wire.ts'

const UNKNOWN =
  'MDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAwLjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMHgxNzAwMDAwMDAwMDAwMDAwMDAw'

function tagOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('md5')
  for (const part of parts) hash.update(Buffer.from(md5Hex(part), 'hex'))
  return `"${hash.digest('hex')}-${parts.length}"`
}

const lifecycle: readonly Rule[] = [
  rule('4.6.1', 'an upload is begun with a document', async (t) => {
    const bucket = await t.shared()
    const reply = (await t.of('POST', bucket, t.key, { uploads: '' }))
      .is(200)
      .shows('Bucket', bucket)
      .shows('Key', t.key)
    check(/^[A-Za-z0-9._~-]+$/.test(reply.first('UploadId')), 'an upload id that is safe in URLs')
  }),
  rule('4.6.1', 'an upload in a bucket that does not exist is 404', async (t) =>
    (await t.of('POST', t.name(), 'k', { uploads: '' })).is(404, 'NoSuchBucket'),
  ),
  rule('4.6.4', 'an upload of three parts is one object', async (t) => {
    const bucket = await t.shared()
    const bodies = [bigPart('a'), bigPart('b'), 'tail']
    const done = await t.multipart(bucket, t.key, bodies)
    const tag = tagOf(bodies)
    done.shows('Bucket', bucket).shows('Key', t.key).shows('ETag', tag)
    check(/^https?:\/\/.+/.test(done.first('Location')), 'an absolute location')
    ;(await t.head(bucket, t.key))
      .is(200)
      .has('etag', tag)
      .has('content-length', String(2 * bigPart('a').length + 4))
      .has('x-amz-mp-parts-count', null)
    ;(await t.get(bucket, t.key, { range: `bytes=-6` })).contains('bbtail')
  }),
  rule('4.6.4', 'an upload of one small part is good', async (t) => {
    const bucket = await t.shared()
    ;(await t.multipart(bucket, t.key, ['small'])).shows('ETag', tagOf(['small']))
    ;(await t.get(bucket, t.key)).contains('small')
  }),
  rule('4.6.1', 'a key with a slash at its end is uploaded in parts', async (t) => {
    const bucket = await t.shared()
    const key = `${t.key}/`
    ;(await t.multipart(bucket, key, [bigPart('a'), 'tail'])).is(200).shows('Key', key)
    ;(await t.get(bucket, key, { range: 'bytes=-6' })).contains('aatail')
    ;(await t.get(bucket, t.key)).is(404, 'NoSuchKey')
  }),
  rule('4.6.1', 'metadata, tags and class are those of the beginning', async (t) => {
    const bucket = await t.shared()
    await t.multipart(bucket, t.key, ['x'], {
      'content-type': 'text/css',
      'x-amz-meta-a': 'b',
      'x-amz-tagging': 'k=v',
      'cache-control': 'no-cache',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    })
    ;(await t.head(bucket, t.key))
      .is(200)
      .has('content-type', 'text/css')
      .has('x-amz-meta-a', 'b')
      .has('x-amz-tagging-count', '1')
      .has('cache-control', 'no-cache')
      .has('x-amz-storage-class', 'REDUCED_REDUNDANCY')
    ;(await t.of('GET', bucket, t.key, { tagging: '' })).shows('TagSet.Tag.Key', 'k')
  }),
  rule('4.6.1', 'a website redirect of the beginning is kept', async (t) => {
    const bucket = await t.shared()
    await t.multipart(bucket, t.key, ['x'], { 'x-amz-website-redirect-location': '/there' })
    ;(await t.head(bucket, t.key)).is(200).has('x-amz-website-redirect-location', '/there')
  }),
  ...rules(
    '4.6.1',
    [
      ['a bad storage class', { 'x-amz-storage-class': 'COLD' }, 'InvalidStorageClass'],
      ['a bad tag', { 'x-amz-tagging': `${'k'.repeat(129)}=v` }, 'InvalidTag'],
    ] as const,
    ([what, headers, code]) => [
      `an upload with ${what} is not begun`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.of('POST', bucket, t.key, { uploads: '' }, undefined, headers)).is(400, code)
      },
    ],
  ),
  rule('4.6.4', 'an upload in a versioned bucket is a version', async (t) => {
    const bucket = await t.shared('versioned')
    const first = await t.putVersion(bucket, t.key, 'first')
    const done = await t.multipart(bucket, t.key, ['second'])
    const id = done.header('x-amz-version-id')
    check(id !== first, 'a new version')
    ;(await t.get(bucket, t.key, {}, { versionId: id })).contains('second')
    ;(await t.get(bucket, t.key, {}, { versionId: first })).contains('first')
  }),
  rule('4.6.4', 'nothing is visible before completion', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    ;(await t.part(bucket, t.key, uploadId, 1, 'x')).is(200)
    ;(await t.get(bucket, t.key)).is(404, 'NoSuchKey')
    ;(await t.list(bucket, { prefix: t.key })).shows('Contents.Key')
  }),
  rule('4.6.2', 'a part sent again replaces the first', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    ;(await t.part(bucket, t.key, uploadId, 1, 'first')).is(200)
    const etag = (await t.part(bucket, t.key, uploadId, 1, 'second'))
      .is(200)
      .has('etag', `"${md5Hex('second')}"`)
      .header('etag')
    ;(await t.complete(bucket, t.key, uploadId, [[1, etag]])).is(200)
    ;(await t.get(bucket, t.key)).contains('second')
  }),
  rule('4.6.4', 'parts that are not named are left out', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    ;(await t.part(bucket, t.key, uploadId, 1, 'left out')).is(200)
    const etag = (await t.part(bucket, t.key, uploadId, 7, 'kept')).is(200).header('etag')
    ;(await t.complete(bucket, t.key, uploadId, [[7, etag]])).is(200)
    ;(await t.get(bucket, t.key)).contains('kept')
  }),
  rule('4.6.4', 'part numbers may have gaps, and are told as given', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    const big = (await t.part(bucket, t.key, uploadId, 2, bigPart('a'))).is(200).header('etag')
    const tail = (await t.part(bucket, t.key, uploadId, 10000, 'z')).is(200).header('etag')
    ;(
      await t.complete(bucket, t.key, uploadId, [
        [2, big],
        [10000, tail],
      ])
    ).is(200)
    ;(await t.head(bucket, t.key)).has('content-length', String(bigPart('a').length + 1))
  }),
  rule('4.6.4', 'entity tags may come without quotes', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    const etag = (await t.part(bucket, t.key, uploadId, 1, 'x')).is(200).header('etag')
    ;(await t.complete(bucket, t.key, uploadId, [[1, etag.replaceAll('"', '')]])).is(200)
  }),
  rule('4.6.4', 'a completion sent again gets the same answer', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    const etag = (await t.part(bucket, t.key, uploadId, 1, 'x')).is(200).header('etag')
    const first = (await t.complete(bucket, t.key, uploadId, [[1, etag]])).is(200)
    ;(await t.complete(bucket, t.key, uploadId, [[1, etag]]))
      .is(200)
      .shows('ETag', first.first('ETag'))
  }),
  rule('4.6.2', 'an empty part is good', async (t) => {
    const bucket = await t.shared()
    await t.multipart(bucket, t.key, [''])
    ;(await t.head(bucket, t.key)).is(200).has('content-length', '0')
  }),
  rule('4.6.2', 'a part sent as chunks with a trailer is good', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    const chunked = { chunks: ['chunk'], signed: true }
    const reply = await t.put(
      bucket,
      t.key,
      '',
      {},
      { chunked, query: { partNumber: '1', uploadId } },
    )
    ;(await t.complete(bucket, t.key, uploadId, [[1, reply.is(200).header('etag')]])).is(200)
    ;(await t.get(bucket, t.key)).contains('chunk')
  }),
]

async function begun(t: Trial): Promise<{ bucket: string; uploadId: string; etag: string }> {
  const bucket = await t.shared()
  const uploadId = await t.begin(bucket, t.key)
  const etag = (await t.part(bucket, t.key, uploadId, 1, 'part one')).is(200).header('etag')
  return { bucket, uploadId, etag }
}

const faults: readonly Rule[] = [
  ...rules('4.6.2', ['0', '-1', 'x', '10001', '1.5', ''], (partNumber) => [
    `part number "${partNumber}" is refused`,
    async (t) => {
      const { bucket, uploadId } = await begun(t)
      ;(await t.part(bucket, t.key, uploadId, partNumber, 'x')).is(400, 'InvalidArgument')
    },
  ]),
  ...rules(
    '4.6.2',
    [
      ['garbled', 'no-such-upload!'],
      ['well-formed', UNKNOWN],
    ] as const,
    ([what, uploadId]) => [
      `requests of a ${what} upload id that is unknown are 404`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.part(bucket, t.key, uploadId, 1, 'x')).is(404, 'NoSuchUpload')
        ;(await t.of('GET', bucket, t.key, { uploadId })).is(404, 'NoSuchUpload')
        ;(await t.complete(bucket, t.key, uploadId, [[1, `"${md5Hex('x')}"`]])).is(
          404,
          'NoSuchUpload',
        )
        ;(await t.of('DELETE', bucket, t.key, { uploadId })).is(404, 'NoSuchUpload')
      },
    ],
  ),
  rule('4.6.2', 'a part number without an upload id stores nothing', async (t) => {
    const bucket = await t.shared()
    const reply = await t.of('PUT', bucket, t.key, { partNumber: '1' }, 'x')
    if (reply.status < 400) reply.fail('a refusal')
    ;(await t.head(bucket, t.key)).is(404)
  }),
  rule('4.6.2', 'an upload id belongs to its key', async (t) => {
    const { bucket, uploadId } = await begun(t)
    ;(await t.part(bucket, `${t.key}-other`, uploadId, 2, 'x')).is(404, 'NoSuchUpload')
  }),
  rule('4.6.2', 'a wrong Content-MD5 stores no part', async (t) => {
    const { bucket, uploadId } = await begun(t)
    ;(
      await t.part(bucket, t.key, uploadId, 2, 'x', { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' })
    ).is(400, 'BadDigest')
    ;(await t.of('GET', bucket, t.key, { uploadId })).shows('Part.PartNumber', '1')
  }),
  ...rules(
    '4.6.4',
    [
      ['no part', '<CompleteMultipartUpload></CompleteMultipartUpload>'],
      ['nothing', ''],
      ['broken XML', '<CompleteMultipartUpload><Part>'],
    ] as const,
    ([what, document]) => [
      `a completion of ${what} is refused`,
      async (t) => {
        const { bucket, uploadId } = await begun(t)
        ;(await t.of('POST', bucket, t.key, { uploadId }, document)).is(400, 'MalformedXML')
      },
    ],
  ),
  rule('4.6.4', 'a part that was not sent is invalid', async (t) => {
    const { bucket, uploadId, etag } = await begun(t)
    ;(await t.complete(bucket, t.key, uploadId, [[9999, etag]])).is(400, 'InvalidPart')
  }),
  rule('4.6.4', 'a part with another tag is invalid', async (t) => {
    const { bucket, uploadId } = await begun(t)
    ;(await t.complete(bucket, t.key, uploadId, [[1, '"ffffffffffffffffffffffffffffffff"']])).is(
      400,
      'InvalidPart',
    )
    ;(await t.head(bucket, t.key)).is(404)
  }),
  rule('4.6.4', 'parts in descending order are refused', async (t) => {
    const { bucket, uploadId, etag } = await begun(t)
    const second = (await t.part(bucket, t.key, uploadId, 2, 'x')).header('etag')
    ;(
      await t.complete(bucket, t.key, uploadId, [
        [2, second],
        [1, etag],
      ])
    ).is(400, 'InvalidPartOrder')
  }),
  rule('4.6.4', 'a part named twice is refused', async (t) => {
    const { bucket, uploadId, etag } = await begun(t)
    ;(
      await t.complete(bucket, t.key, uploadId, [
        [1, etag],
        [1, etag],
      ])
    ).is(400, 'InvalidPartOrder')
  }),
  rule('4.6.4', 'a small part before another is refused', async (t) => {
    const { bucket, uploadId, etag } = await begun(t)
    const second = (await t.part(bucket, t.key, uploadId, 2, 'x')).header('etag')
    ;(
      await t.complete(bucket, t.key, uploadId, [
        [1, etag],
        [2, second],
      ])
    )
      .is(400, 'EntityTooSmall')
      .shows('ProposedSize', '8')
      .shows('MinSizeAllowed', '5242880')
      .shows('PartNumber', '1')
    ;(await t.of('GET', bucket, t.key, { uploadId })).is(200).shows('Part.PartNumber', '1', '2')
  }),
  rule('4.6.4', 'object lock headers at completion are refused', async (t) => {
    const { bucket, uploadId, etag } = await begun(t)
    ;(
      await t.complete(bucket, t.key, uploadId, [[1, etag]], {
        'x-amz-object-lock-legal-hold': 'ON',
      })
    ).is(400, 'InvalidRequest')
  }),
  rule('4.6.5', 'an aborted upload is gone', async (t) => {
    const { bucket, uploadId, etag } = await begun(t)
    ;(await t.of('DELETE', bucket, t.key, { uploadId })).is(204).contains('')
    ;(await t.of('GET', bucket, t.key, { uploadId })).is(404, 'NoSuchUpload')
    ;(await t.complete(bucket, t.key, uploadId, [[1, etag]])).is(404, 'NoSuchUpload')
    ;(await t.of('DELETE', bucket, t.key, { uploadId })).is(404, 'NoSuchUpload')
  }),
]

const partLists: readonly Rule[] = [
  rule('4.6.6', 'parts are listed with number, tag, size and time', async (t) => {
    const { bucket, uploadId, etag } = await begun(t)
    const reply = (await t.of('GET', bucket, t.key, { uploadId })).is(200)
    reply
      .shows('Bucket', bucket)
      .shows('Key', t.key)
      .shows('UploadId', uploadId)
      .shows('Part.PartNumber', '1')
      .shows('Part.ETag', etag)
      .shows('Part.Size', '8')
      .shows('StorageClass', 'STANDARD')
      .shows('IsTruncated', 'false')
      .shows('MaxParts', '1000')
      .shows('PartNumberMarker', '0')
    check(
      reply.first('Owner.ID') === reply.first('Initiator.ID') && reply.first('Owner.ID') !== '',
      'owner and initiator',
    )
  }),
  rule('4.6.6', 'parts are listed in pages', async (t) => {
    const { bucket, uploadId } = await begun(t)
    for (const number of [3, 5, 8]) (await t.part(bucket, t.key, uploadId, number, 'x')).is(200)
    ;(await t.of('GET', bucket, t.key, { uploadId, 'max-parts': '2' }))
      .is(200)
      .shows('Part.PartNumber', '1', '3')
      .shows('IsTruncated', 'true')
      .shows('NextPartNumberMarker', '3')
      .shows('MaxParts', '2')
    ;(await t.of('GET', bucket, t.key, { uploadId, 'part-number-marker': '3' }))
      .is(200)
      .shows('Part.PartNumber', '5', '8')
      .shows('IsTruncated', 'false')
    ;(await t.of('GET', bucket, t.key, { uploadId, 'part-number-marker': '4' }))
      .is(200)
      .shows('Part.PartNumber', '5', '8')
    ;(await t.of('GET', bucket, t.key, { uploadId, 'part-number-marker': '9' }))
      .is(200)
      .shows('Part.PartNumber')
  }),
  ...rules(
    '4.6.6',
    [
      ['max-parts', '-1'],
      ['max-parts', 'x'],
      ['part-number-marker', '-1'],
      ['part-number-marker', 'x'],
    ] as const,
    ([name, value]) => [
      `${name}=${value} is refused`,
      async (t) => {
        const { bucket, uploadId } = await begun(t)
        ;(await t.of('GET', bucket, t.key, { uploadId, [name]: value })).is(400, 'InvalidArgument')
      },
    ],
  ),
  rule('4.6.6', 'keys of part lists are encoded when asked', async (t) => {
    const bucket = await t.shared()
    const key = `${t.key} b`
    const uploadId = await t.begin(bucket, key)
    ;(await t.of('GET', bucket, key, { uploadId, 'encoding-type': 'url' }))
      .is(200)
      .shows('Key', `${t.key}%20b`)
  }),
]

async function startedIn(
  t: Trial,
  keys: readonly string[],
): Promise<{ bucket: string; ids: string[] }> {
  const bucket = await t.own()
  const ids: string[] = []
  for (const key of keys) ids.push(await t.begin(bucket, key))
  return { bucket, ids }
}

function uploads(t: Trial, bucket: string, query: Pairs = {}): ReturnType<Trial['sub']> {
  return t.sub('GET', bucket, { uploads: '', ...query })
}

const uploadLists: readonly Rule[] = [
  rule('4.6.7', 'all uploads are listed by key, with owner and class', async (t) => {
    const { bucket, ids } = await startedIn(t, ['b', 'a/1', 'a/2'])
    const reply = (await uploads(t, bucket))
      .is(200)
      .shows('Upload.Key', 'a/1', 'a/2', 'b')
      .shows('Upload.UploadId', ids[1] ?? '', ids[2] ?? '', ids[0] ?? '')
      .shows('Bucket', bucket)
      .shows('IsTruncated', 'false')
      .shows('MaxUploads', '1000')
      .shows('Upload.StorageClass', 'STANDARD', 'STANDARD', 'STANDARD')
    const owner = (await t.send({ method: 'GET', path: '/' })).first('Owner.ID')
    check(
      reply.first('Upload.Owner.ID') === owner && reply.first('Upload.Initiator.ID') === owner,
      'owner and initiator',
    )
  }),
  rule('4.6.7', 'uploads of one key come by time', async (t) => {
    const { bucket, ids } = await startedIn(t, ['k', 'k', 'k'])
    ;(await uploads(t, bucket)).is(200).shows('Upload.UploadId', ...ids)
  }),
  rule('4.6.7', 'a prefix chooses uploads', async (t) => {
    const { bucket } = await startedIn(t, ['a/1', 'a/2', 'b'])
    ;(await uploads(t, bucket, { prefix: 'a/' }))
      .is(200)
      .shows('Upload.Key', 'a/1', 'a/2')
      .shows('Prefix', 'a/')
    ;(await uploads(t, bucket, { prefix: 'b' })).is(200).shows('Upload.Key', 'b')
    ;(await uploads(t, bucket, { prefix: 'c' })).is(200).shows('Upload.Key')
  }),
  rule(
    '7.3',
    'a key as prefix and marker lists its uploads, as clients of MinIO ask for them',
    async (t) => {
      const { bucket, ids } = await startedIn(t, ['p/k', 'p/k'])
      ;(await uploads(t, bucket, { prefix: 'p/k', delimiter: '/' }))
        .is(200)
        .shows('Upload.UploadId', ...ids)
      ;(await uploads(t, bucket, { prefix: 'p/k', 'key-marker': 'p/k', delimiter: '/' }))
        .is(200)
        .shows('Upload.UploadId', ...ids)
    },
  ),
  rule('4.6.7', 'a delimiter rolls uploads up', async (t) => {
    const { bucket } = await startedIn(t, ['a/1', 'a/2', 'b', 'c/d/e'])
    ;(await uploads(t, bucket, { delimiter: '/' }))
      .is(200)
      .shows('Upload.Key', 'b')
      .shows('CommonPrefixes.Prefix', 'a/', 'c/')
      .shows('Delimiter', '/')
    ;(await uploads(t, bucket, { delimiter: '/', prefix: 'c/' }))
      .is(200)
      .shows('Upload.Key')
      .shows('CommonPrefixes.Prefix', 'c/d/')
  }),
  rule('4.6.7', 'uploads come in pages', async (t) => {
    const { bucket } = await startedIn(t, ['a', 'b', 'c'])
    const first = (await uploads(t, bucket, { 'max-uploads': '2' }))
      .is(200)
      .shows('Upload.Key', 'a', 'b')
      .shows('IsTruncated', 'true')
      .shows('MaxUploads', '2')
      .shows('NextKeyMarker', 'b')
    ;(
      await uploads(t, bucket, {
        'key-marker': first.first('NextKeyMarker'),
        'upload-id-marker': first.first('NextUploadIdMarker'),
      })
    )
      .is(200)
      .shows('Upload.Key', 'c')
      .shows('IsTruncated', 'false')
    ;(await uploads(t, bucket, { 'key-marker': 'a' })).is(200).shows('Upload.Key', 'b', 'c')
  }),
  rule('4.6.7', 'a page may end between uploads of one key', async (t) => {
    const { bucket, ids } = await startedIn(t, ['k', 'k'])
    const first = (await uploads(t, bucket, { 'max-uploads': '1' }))
      .is(200)
      .shows('Upload.UploadId', ids[0] ?? '')
      .shows('IsTruncated', 'true')
    ;(
      await uploads(t, bucket, {
        'key-marker': 'k',
        'upload-id-marker': first.first('NextUploadIdMarker'),
      })
    )
      .is(200)
      .shows('Upload.UploadId', ids[1] ?? '')
  }),
  ...rules('4.6.7', ['-1', 'x'], (value) => [
    `max-uploads=${value} is refused`,
    async (t) => {
      const bucket = await t.shared()
      ;(await uploads(t, bucket, { 'max-uploads': value })).is(400, 'InvalidArgument')
    },
  ]),
  rule('4.6.7', 'an upload-id-marker that no upload can have is refused', async (t) => {
    const { bucket } = await startedIn(t, ['k'])
    const markers = { 'key-marker': 'k', 'upload-id-marker': 'no upload' }
    ;(await uploads(t, bucket, markers)).is(400, 'InvalidArgument')
    // Without a key it says nothing.
    ;(await uploads(t, bucket, { 'upload-id-marker': 'no upload' })).is(200)
  }),
  rule('4.6.7', 'names of uploads are encoded when asked', async (t) => {
    const { bucket } = await startedIn(t, ['a b/c', 'd+e'])
    ;(await uploads(t, bucket, { 'encoding-type': 'url', delimiter: '/' }))
      .is(200)
      .shows('Upload.Key', 'd%2Be')
      .shows('CommonPrefixes.Prefix', 'a%20b/')
      .shows('EncodingType', 'url')
  }),
  rule('4.6.7', 'completed and aborted uploads are not listed', async (t) => {
    const { bucket, ids } = await startedIn(t, ['a', 'b'])
    const etag = (await t.part(bucket, 'a', ids[0] ?? '', 1, 'x')).header('etag')
    ;(await t.complete(bucket, 'a', ids[0] ?? '', [[1, etag]])).is(200)
    ;(await t.of('DELETE', bucket, 'b', { uploadId: ids[1] })).is(204)
    ;(await uploads(t, bucket)).is(200).shows('Upload.Key')
  }),
  rule('4.1', 'uploads in progress do not keep a bucket from its end', async (t) => {
    const { bucket } = await startedIn(t, ['a'])
    ;(await t.send({ method: 'DELETE', path: `/${bucket}` })).is(204)
  }),
]

async function source(t: Trial): Promise<{ bucket: string; name: string; uploadId: string }> {
  const bucket = await t.shared()
  const name = `${bucket}/${t.key}-source`
  ;(await t.put(bucket, `${t.key}-source`, '0123456789')).is(200)
  return { bucket, name, uploadId: await t.begin(bucket, t.key) }
}

function copyPart(
  t: Trial,
  bucket: string,
  uploadId: string,
  number: number,
  name: string,
  headers: Pairs = {},
): ReturnType<Trial['copy']> {
  return t.copy(bucket, t.key, name, headers, { partNumber: String(number), uploadId })
}

const partCopies: readonly Rule[] = [
  rule('4.6.3', 'a part is copied from an object', async (t) => {
    const { bucket, name, uploadId } = await source(t)
    const reply = (await copyPart(t, bucket, uploadId, 1, name))
      .is(200)
      .shows('ETag', `"${md5Hex('0123456789')}"`)
    ;(await t.complete(bucket, t.key, uploadId, [[1, reply.first('ETag')]])).is(200)
    ;(await t.get(bucket, t.key)).contains('0123456789')
  }),
  rule('4.6.3', 'a part is copied from a range', async (t) => {
    const { bucket, name, uploadId } = await source(t)
    const reply = (
      await copyPart(t, bucket, uploadId, 1, name, { 'x-amz-copy-source-range': 'bytes=2-4' })
    ).is(200)
    ;(await t.complete(bucket, t.key, uploadId, [[1, reply.first('ETag')]])).is(200)
    ;(await t.get(bucket, t.key)).contains('234')
  }),
  ...rules(
    '4.6.3',
    [
      'bytes=2-',
      'bytes=-3',
      'bytes=5-2',
      '0-2',
      'bytes=a-b',
      'bytes=0-bar',
      'bytes=hello-world',
      'bytes=0',
      'bytes:0-2',
      'bytes=0-10-20',
      'bytes=0 -2',
    ],
    (range) => [
      `the copy range "${range}" is refused`,
      async (t) => {
        const { bucket, name, uploadId } = await source(t)
        ;(await copyPart(t, bucket, uploadId, 1, name, { 'x-amz-copy-source-range': range })).is(
          400,
          'InvalidArgument',
        )
      },
    ],
  ),
  rule('4.6.3', 'a copy range beyond the source is refused', async (t) => {
    const { bucket, name, uploadId } = await source(t)
    ;(await copyPart(t, bucket, uploadId, 1, name, { 'x-amz-copy-source-range': 'bytes=0-10' })).is(
      416,
      'InvalidRange',
    )
  }),
  rule('4.6.3', 'a copied part of a version names it', async (t) => {
    const bucket = await t.shared('versioned')
    const old = await t.putVersion(bucket, `${t.key}-source`, 'old')
    await t.putVersion(bucket, `${t.key}-source`, 'new')
    const uploadId = await t.begin(bucket, t.key)
    ;(await copyPart(t, bucket, uploadId, 1, `${bucket}/${t.key}-source?versionId=${old}`))
      .is(200)
      .has('x-amz-copy-source-version-id', old)
      .shows('ETag', `"${md5Hex('old')}"`)
  }),
  ...rules(
    '4.6.3',
    [
      ['x-amz-copy-source-if-match', `"${md5Hex('x')}"`],
      ['x-amz-copy-source-if-none-match', `"${md5Hex('0123456789')}"`],
      ['x-amz-copy-source-if-unmodified-since', new Date(0).toUTCString()],
    ] as const,
    ([header, value]) => [
      `a copied part with ${header} that does not hold is 412`,
      async (t) => {
        const { bucket, name, uploadId } = await source(t)
        ;(await copyPart(t, bucket, uploadId, 1, name, { [header]: value })).is(
          412,
          'PreconditionFailed',
        )
      },
    ],
  ),
  rule('4.6.3', 'a part copied from an absent key is 404', async (t) => {
    const { bucket, uploadId } = await source(t)
    ;(await copyPart(t, bucket, uploadId, 1, `${bucket}/${t.key}-absent`)).is(404, 'NoSuchKey')
  }),
  rule('4.6.3', 'the key of a copied part is decoded exactly once', async (t) => {
    const bucket = await t.shared()
    for (const [key, sent] of [
      [`${t.key} a+b`, `${t.key}%20a+b`],
      [`${t.key}%2B`, `${t.key}%252B`],
    ] as const) {
      ;(await t.put(bucket, key, key)).is(200)
      const uploadId = await t.begin(bucket, t.key)
      ;(await copyPart(t, bucket, uploadId, 1, `${bucket}/${sent}`))
        .is(200)
        .shows('ETag', `"${md5Hex(key)}"`)
    }
  }),
]

const initiated: readonly Rule[] = [
  rule('4.6.5', 'an upload is ended by the time it was begun at', async (t) => {
    const bucket = await t.shared()
    const uploadId = await t.begin(bucket, t.key)
    const asked = { 'x-amz-if-match-initiated-time': 'Wed, 21 Oct 2015 07:28:00 GMT' }
    const end = (headers: Record<string, string>): ReturnType<typeof t.of> =>
      t.of('DELETE', bucket, t.key, { uploadId }, undefined, headers)
    ;(await end(asked)).is(412, 'PreconditionFailed')
    ;(await end({})).is(204)
  }),
]

export const multipart: readonly Rule[] = [
  ...initiated,
  ...lifecycle,
  ...faults,
  ...partLists,
  ...uploadLists,
  ...partCopies,
]
