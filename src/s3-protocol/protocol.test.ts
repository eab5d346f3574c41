/** XML, tags, names, ranges, copy sources and metadata. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCopySource } from './copy-source.ts'
import { checkBucketName, checkKey, isBucketName } from './names.ts'
import { requestMetadata, withoutAwsChunked } from './object-metadata.ts'
import { decodePercent, encodePercent, headerValueText } from './percent.ts'
import { canonicalQuery, parseQuery } from './query.ts'
import { parseRange } from './ranges.ts'
import { S3Error } from './s3-error.ts'
import { signTextV2, stringToSignV2 } from './sigv2.ts'
import { formatTags, parseTagQuery, parseTagXml } from './tagging.ts'
import { parseXml } from './xml-parser.ts'
import { encodeNameForUrl, escapeXml } from './xml-writer.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof S3Error, String(error))
    return error.code
  }
  return 'none'
}

test('documents are read with and without namespaces, references and CDATA', () => {
  const root = parseXml(
    bytes(
      '\ufeff<?xml version="1.0"?><s:A xmlns:s="u"><s:B a="1"> x &amp;&#65;&#x1;<![CDATA[<&]]></s:B><B/></s:A>',
    ),
  )
  assert.equal(root.name, 'A')
  assert.equal(root.childText('B'), ' x &A\u0001<&')
  assert.equal(root.children('B').length, 2)
  assert.equal(root.child('C'), undefined)
})

const MALFORMED_XML = [
  '',
  'text',
  '<a>',
  '<a></b>',
  '<a/><b/>',
  '<a/>x',
  '<a b=c/>',
  '<a>&nope;</a>',
  '<a>&amp</a>',
  '<a>&#0;</a>',
  '<a>&#xd800;</a>',
  '<a>&#x110000;</a>',
  '<a>\u0000</a>',
  '<'.repeat(1000),
  '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
  '<a><__proto__>x</__proto__></a>',
  '<a>'.repeat(1000) + '</a>'.repeat(1000),
  '<b/>'.repeat(500_000),
]

for (const text of MALFORMED_XML) {
  test(`"${text.slice(0, 40)}" is MalformedXML`, () => {
    assert.equal(
      codeOf(() => parseXml(bytes(text))),
      'MalformedXML',
    )
  })
}

test('bytes that are no UTF-8 are MalformedXML', () => {
  assert.equal(
    codeOf(() => parseXml(Uint8Array.of(0x3c, 0x61, 0xff, 0x2f, 0x3e))),
    'MalformedXML',
  )
})

test('written text reads back, control characters included', () => {
  const text = 'a<b>&"\'\t\n\r\u0001\u001f\u007f\u0085é😀'
  assert.equal(parseXml(bytes(`<a>${escapeXml(text)}</a>`)).text, text)
  for (const character of escapeXml(text)) assert.ok(character >= ' ')
  assert.equal(escapeXml('\ud800x'), '\ufffdx')
  assert.equal(encodeNameForUrl('a b/ü*(\n'), 'a+b/%C3%BC*%28%0A')
})

test('tags are checked by number, characters, lengths and repetition', () => {
  assert.deepEqual(parseTagQuery('k%201=v+1&e='), [
    { key: 'k 1', value: 'v 1' },
    { key: 'e', value: '' },
  ])
  assert.equal(formatTags(parseTagQuery('b=2&a=%C3%BC x')), 'a=%C3%BC+x&b=2')
  const many = Array.from({ length: 11 }, (_, i) => `k${i}=v`).join('&')
  assert.equal(
    codeOf(() => parseTagQuery(many)),
    'BadRequest',
  )
  for (const text of [`${'k'.repeat(129)}=v`, `k=${'v'.repeat(257)}`, 'a%3C=b']) {
    assert.equal(
      codeOf(() => parseTagQuery(text)),
      'InvalidTag',
      text,
    )
  }
  assert.equal(parseTagQuery(`k=${'%F0%9F%98%80'.length}`).length, 1)
  for (const text of ['a=%zz', '=v', 'a=1&a=2']) {
    assert.equal(
      codeOf(() => parseTagQuery(text)),
      'InvalidArgument',
      text,
    )
  }
})

test('tag documents keep their order and refuse what is not theirs', () => {
  const document = (inner: string): Uint8Array =>
    bytes(`<Tagging><TagSet>${inner}</TagSet></Tagging>`)
  const tag = (key: string): string => `<Tag><Key>${key}</Key><Value>v</Value></Tag>`
  assert.deepEqual(
    parseTagXml(document(tag('b') + tag('a')), 10).map((t) => t.key),
    ['b', 'a'],
  )
  assert.equal(
    codeOf(() => parseTagXml(document(tag('a') + tag('a')), 10)),
    'InvalidTag',
  )
  assert.equal(
    codeOf(() => parseTagXml(document(tag('a') + tag('b')), 1)),
    'BadRequest',
  )
  assert.equal(
    codeOf(() => parseTagXml(document('<Tag><Key>a</Key></Tag>'), 10)),
    'MalformedXML',
  )
  assert.equal(
    codeOf(() => parseTagXml(document('<Other/>'), 10)),
    'MalformedXML',
  )
  assert.equal(
    codeOf(() => parseTagXml(bytes('<Tagging/>'), 10)),
    'MalformedXML',
  )
})

test('bucket names', () => {
  for (const name of ['abc', 'a.b-c', '1a2', 'a'.repeat(63), '1.2.3'])
    assert.ok(isBucketName(name), name)
  for (const name of [
    'ab',
    'Abc',
    'a..b',
    'a.-b',
    'a-.b',
    '-ab',
    'ab-',
    '1.2.3.4',
    'a'.repeat(64),
    'a_b',
    'ä12',
  ]) {
    assert.ok(!isBucketName(name), name)
  }
  assert.equal(
    codeOf(() => checkBucketName('minio')),
    'AllAccessDisabled',
  )
})

test('keys', () => {
  for (const key of [
    'a',
    '/a',
    'a//b',
    'a/',
    '...',
    'a./b',
    '.a',
    '\u0001',
    'k'.repeat(1024),
    '€'.repeat(341),
  ]) {
    assert.equal(
      codeOf(() => checkKey(key)),
      'none',
      key,
    )
  }
  for (const key of ['.', '..', 'a/..', './a', 'a/./b', 'a\\..\\b', ' .. /x']) {
    assert.equal(
      codeOf(() => checkKey(key)),
      'XMinioInvalidResourceName',
      key,
    )
  }
  for (const key of ['a\0', '\ud800'])
    assert.equal(
      codeOf(() => checkKey(key)),
      'XMinioInvalidObjectName',
    )
  for (const key of ['k'.repeat(1025), '€'.repeat(342)])
    assert.equal(
      codeOf(() => checkKey(key)),
      'KeyTooLongError',
    )
})

test('ranges', () => {
  assert.deepEqual(parseRange('bytes=0-9'), { kind: 'from', start: 0, end: 9 })
  assert.deepEqual(parseRange('bytes=5-'), { kind: 'from', start: 5 })
  assert.deepEqual(parseRange('bytes=-5'), { kind: 'suffix', size: 5 })
  for (const text of [
    'bytes=0-1,3-4',
    'items=0-1',
    'bytes=a-b',
    'bytes=-',
    'bytes=1',
    '',
    'bytes=--1',
    'bytes=5-4',
  ]) {
    assert.deepEqual(parseRange(text), { kind: 'all' }, text)
  }
  assert.deepEqual(parseRange('bytes=-0'), { kind: 'suffix', size: 0 })
  const huge = parseRange('bytes=9999999999999999999-')
  assert.ok(huge.kind === 'from' && Number.isSafeInteger(huge.start))
})

test('copy sources', () => {
  assert.deepEqual(parseCopySource('/box/a%20b%3Fc?versionId=null'), {
    bucket: 'box',
    key: 'a b?c',
    versionId: 'null',
  })
  assert.deepEqual(parseCopySource('box%2Fkey+x'), {
    bucket: 'box',
    key: 'key+x',
    versionId: undefined,
  })
  for (const text of ['', 'box', '/box', 'box/', '//', 'box/%zz']) {
    assert.equal(
      codeOf(() => parseCopySource(text)),
      'InvalidArgument',
      text,
    )
  }
  assert.equal(
    codeOf(() => parseCopySource('box/../other/key')),
    'InvalidArgument',
  )
})

test('metadata comes from headers and query, decoded and under stored names', () => {
  const metadata = requestMetadata(
    {
      rawHeaders: [
        ['X-AMZ-Meta-my-KEY', 'a'],
        ['x-amz-meta-my-key', 'b'],
        ['x-amz-meta-utf', Buffer.from('ü').toString('latin1')],
        ['Content-Encoding', 'aws-chunked, gzip'],
        ['x-amz-meta-x-amz-unencrypted-content-md5', 'x'],
      ],
    },
    parseQuery('x-amz-meta-q=1&x-amz-meta-my-key=lost&cache-control=no-cache') ?? assert.fail(),
  )
  assert.deepEqual(Object.fromEntries(metadata), {
    'X-Amz-Meta-My-Key': 'a,b',
    'X-Amz-Meta-Utf': 'ü',
    'X-Amz-Meta-Q': '1',
    'cache-control': 'no-cache',
    'content-encoding': 'gzip',
    'content-type': 'binary/octet-stream',
  })
  assert.equal(withoutAwsChunked('aws-chunked, aws-chunked'), '')
  assert.equal(withoutAwsChunked('deflate, gzip'), 'deflate, gzip')
})

test('percent escapes decode once, or say why not', () => {
  assert.deepEqual(decodePercent('a%2Fb+c%25', { plusIsBlank: false }), {
    ok: true,
    text: 'a/b+c%',
  })
  assert.deepEqual(decodePercent('a+b', { plusIsBlank: true }), { ok: true, text: 'a b' })
  for (const text of ['%', '%2', '%zz', '%2g']) {
    assert.deepEqual(decodePercent(text, { plusIsBlank: false }), {
      ok: false,
      failure: 'malformed-escape',
    })
  }
  assert.deepEqual(decodePercent('%ff', { plusIsBlank: false }), {
    ok: false,
    failure: 'invalid-utf8',
  })
  assert.equal(encodePercent('a b/ü~', { keepSlash: true }), 'a%20b/%C3%BC~')
  assert.equal(headerValueText(Buffer.from('ü').toString('latin1')), 'ü')
  assert.equal(headerValueText('\xff'), '\xff')
})

test('queries are sorted by name for signing, values of one name keep their order', () => {
  const query = parseQuery('b=2&a=z&a=y&c&d=+%2B&=e&') ?? assert.fail()
  assert.equal(canonicalQuery(query), '=e&a=z&a=y&b=2&c=&d=%20%2B')
  assert.equal(canonicalQuery(query, 'a'), '=e&b=2&c=&d=%20%2B')
  assert.equal(parseQuery('a=%zz'), undefined)
})

test('old signatures cover the UTF-8 of decoded sub-resources, as boto3 signs them', () => {
  const disposition = encodeURIComponent('attachment; filename="ü€.txt"')
  const text = stringToSignV2({
    method: 'GET',
    path: '/b/k',
    query:
      parseQuery(`versionId=null&response-content-disposition=${disposition}`) ?? assert.fail(),
    contentMd5: '',
    contentType: '',
    date: '1893456000',
    rawHeaders: [],
  })
  assert.equal(signTextV2('secret', text), 'ZuuwJI2ZE5HiInOT4orEIl9v3Z8=')
})
