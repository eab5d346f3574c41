import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  matchesPattern,
  parseObjectLock,
  parseVersioning,
  versioningStateOf,
} from './bucket-versioning.ts'
import { ObjectError } from './object.ts'

const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

test('versioning documents with and without a namespace are read', () => {
  const enabled = `<VersioningConfiguration ${NAMESPACE}><Status>Enabled</Status></VersioningConfiguration>`
  assert.equal(parseVersioning(enabled).state, 'enabled')
  const suspended =
    '<?xml version="1.0"?>\n<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
  assert.equal(parseVersioning(suspended).state, 'suspended')
  assert.equal(parseVersioning(`<VersioningConfiguration ${NAMESPACE}/>`).state, 'unversioned')
})

test('excluded prefixes and folders are suspended', () => {
  const rules = parseVersioning(
    '<VersioningConfiguration><Status>Enabled</Status>' +
      '<ExcludedPrefixes><Prefix>tmp/</Prefix></ExcludedPrefixes>' +
      '<ExcludedPrefixes><Prefix>*/a&amp;b/</Prefix></ExcludedPrefixes>' +
      '<ExcludeFolders>true</ExcludeFolders></VersioningConfiguration>',
  )
  assert.equal(versioningStateOf(rules, 'tmp/x'), 'suspended')
  assert.equal(versioningStateOf(rules, 'x/y/a&b/z'), 'suspended')
  assert.equal(versioningStateOf(rules, 'folder/'), 'suspended')
  assert.equal(versioningStateOf(rules, 'x/tmp/x'), 'enabled')
})

test('one excluded prefix is read as well as several', () => {
  const rules = parseVersioning(
    '<VersioningConfiguration><Status>Enabled</Status><ExcludedPrefixes><Prefix>1</Prefix></ExcludedPrefixes></VersioningConfiguration>',
  )
  assert.deepEqual(rules.excludedPrefixes, ['1'])
})

test('object lock is on only when the document says so', () => {
  assert.equal(
    parseObjectLock(
      `<ObjectLockConfiguration ${NAMESPACE}><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`,
    ),
    true,
  )
  assert.equal(parseObjectLock('<ObjectLockConfiguration/>'), false)
})

test('malformed documents are refused', () => {
  for (const document of [
    '',
    'x',
    '<VersioningConfiguration>',
    '<Other/>',
    '<!DOCTYPE a [<!ENTITY b "c">]><VersioningConfiguration/>',
  ]) {
    assert.throws(() => parseVersioning(document), ObjectError)
  }
})

test('patterns match with wildcards anywhere', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['abc', 'abc', true],
    ['abc', 'ab', false],
    ['abc', 'a*', true],
    ['abc', '*c', true],
    ['abc', 'a*c*', true],
    ['abc', 'a*d*', false],
    ['aaab', '*aab', true],
    ['', '*', true],
    ['', '', true],
    ['a', '', false],
  ]
  for (const [text, pattern, expected] of cases) {
    assert.equal(matchesPattern(text, pattern), expected, `${text} ${pattern}`)
  }
  assert.equal(matchesPattern('a'.repeat(2000), `${'*a'.repeat(500)}b`), false)
})
