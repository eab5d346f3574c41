import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { infoOf } from '#testing/object-info'
import {
  headerText,
  httpDate,
  isMultipart,
  isoDate,
  metadataHeaders,
  rawHeaderText,
  requireLocal,
  shownStorageClass,
  versionHeader,
} from './object-headers.ts'

const TEXTS: readonly (readonly [stored: string, shown: string])[] = [
  ['plain', 'plain'],
  ['', ''],
  ['two words\tand more', 'two words\tand more'],
  ['line\r\nbreak', 'line  break'],
  ['=?UTF-8?Q?gr=C3=BC=C3=9Fe?=', '=?UTF-8?Q?gr=C3=BC=C3=9Fe?='],
  ['grüße', '=?UTF-8?q?gr=C3=BC=C3=9Fe?='],
  ['grüße an alle', '=?UTF-8?q?gr=C3=BC=C3=9Fe_an_alle?='],
  ['grüße, alle', '=?UTF-8?b?Z3LDvMOfZSwgYWxsZQ==?='],
]

for (const [stored, shown] of TEXTS) {
  test(`metadata ${JSON.stringify(stored)} is shown as ${JSON.stringify(shown)}`, () => {
    assert.equal(headerText(stored), shown)
  })
}

test("HTTP's own headers are shown byte by byte, without controls", () => {
  assert.equal(rawHeaderText('inline'), 'inline')
  assert.equal(rawHeaderText('filename="\u00fc"'), 'filename="\u00c3\u00bc"')
  // As bytes that are no UTF-8 are kept.
  assert.equal(rawHeaderText('\udcfc'), '\u00fc')
  assert.equal(rawHeaderText('\u00fc\r\n\u007fx'), '\u00c3\u00bc   x')
})

test('long metadata beyond ASCII is split into words of at most 75 characters', () => {
  for (const text of ['ü'.repeat(100), `${'ü'.repeat(100)}.`]) {
    for (const word of headerText(text).split(' ')) assert.ok(word.length <= 75, word)
  }
})

test('metadata whose name no header can have is counted', () => {
  const userMetadata = new Map([
    ['X-Amz-Meta-Good', 'gr\u00fc\u00dfe'],
    ['x-amz-meta-two words', 'b'],
    ['x-amz-meta-\u00fc', 'c'],
    ['content-type', 'd'],
  ])
  assert.deepEqual(metadataHeaders({ userMetadata }), [
    ['x-amz-meta-good', '=?UTF-8?q?gr=C3=BC=C3=9Fe?='],
    ['x-amz-missing-meta', '2'],
  ])
})

test('times are shown in whole seconds in headers and in milliseconds in documents', () => {
  const ns = 1_700_000_000_987_654_321n
  assert.equal(httpDate(ns), 'Tue, 14 Nov 2023 22:13:20 GMT')
  assert.equal(isoDate(ns), '2023-11-14T22:13:20.987Z')
})

test('an entity tag with a part count marks a multipart object', () => {
  assert.equal(isMultipart(infoOf({ etag: 'd41d8cd98f00b204e9800998ecf8427e-2' })), true)
  assert.equal(isMultipart(infoOf()), false)
})

const STORED: readonly (readonly [key: string, value: string, isRefused: boolean])[] = [
  ['X-Minio-Internal-compression', 'klauspost/compress/s2', false],
  ['x-minio-internal-transition-status', 'complete', true],
  ['x-minio-internal-transition-status', 'pending', false],
  ['X-Minio-Internal-actual-size', '3', false],
  ['x-minio-internal-inline-data', 'true', false],
]

for (const [key, value, isRefused] of STORED) {
  test(`a version with ${key} "${value}" is ${isRefused ? 'not ' : ''}read`, () => {
    const info = infoOf({ systemMetadata: { [key]: utf8(value) } })
    if (isRefused) assert.throws(() => requireLocal(info), { code: 'NotImplemented' })
    else requireLocal(info)
  })
}

test('a version on a tier is read while a restored copy is there', () => {
  const systemMetadata = { 'x-minio-internal-transition-status': utf8('complete') }
  const restore = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"'
  requireLocal(infoOf({ systemMetadata, userMetadata: { 'x-amz-restore': restore } }))
  const named = { ...systemMetadata, 'x-minio-internal-transition-tier': utf8('COLD') }
  assert.equal(shownStorageClass(infoOf({ systemMetadata: named })), 'COLD')
  const going = { 'x-amz-restore': 'ongoing-request="true"' }
  const info = infoOf({ systemMetadata, userMetadata: going })
  assert.throws(() => requireLocal(info), { code: 'NotImplemented' })
})

test('the null version is named only in a bucket with suspended versioning', () => {
  for (const versioning of ['unversioned', 'enabled'] as const) {
    assert.deepEqual(versionHeader('null', { versioning }), [])
  }
  assert.deepEqual(versionHeader('null', { versioning: 'suspended' }), [
    ['x-amz-version-id', 'null'],
  ])
  assert.deepEqual(versionHeader('a', { versioning: 'suspended' }), [['x-amz-version-id', 'a']])
})
