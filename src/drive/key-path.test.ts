import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeKey, encodeFolder, encodeKey, minioKey } from './key-path.ts'

const FIRST = 'x'.repeat(240)

test('keys have the paths that the document tells', () => {
  const paths: readonly (readonly [key: string, path: string])[] = [
    ['a', 'a'],
    ['a/b', 'a/b'],
    ['ä/😀 b', 'ä/😀 b'],
    [`${'x'.repeat(255)}/${'é'.repeat(127)}`, `${'x'.repeat(255)}/${'é'.repeat(127)}`],
    ['a/', 'a__XLDIR__'],
    ['a/b/', 'a/b__XLDIR__'],
    ['/', '~~__XLDIR__'],
    ['//', '~~/~~__XLDIR__'],
    ['/a', '~~/a'],
    ['a//b', 'a/~~/b'],
    ['a//', 'a/~~__XLDIR__'],
    ['a///', 'a/~~/~~__XLDIR__'],
    ['~', '~'],
    ['~/a', '~/a'],
    ['~~', '~~'],
    ['~~/a', '~~~/a'],
    ['~~~/~~~', '~~~~/~~~'],
    ['~~/', '~~~__XLDIR__'],
    ['~~a/b', '~~a/b'],
    ['a__XLDIR__', 'a__XLDIR__~'],
    ['a__XLDIR__~', 'a__XLDIR__~~'],
    ['a__XLDIR__/', 'a__XLDIR____XLDIR__'],
    ['a__XLDIR__/b', 'a__XLDIR__/b'],
    ['__XLDIR__', '__XLDIR__'],
    [`${FIRST}${'y'.repeat(16)}`, `${FIRST}~~more/${'y'.repeat(16)}`],
    [`${FIRST}${FIRST}zz/a`, `${FIRST}~~more/${FIRST}zz/a`],
    [`${FIRST}${'y'.repeat(7)}/`, `${FIRST}~~more/${'y'.repeat(7)}__XLDIR__`],
    [`${FIRST}${'y'.repeat(6)}/`, `${FIRST}${'y'.repeat(6)}__XLDIR__`],
    [`${FIRST}~~more`, `${FIRST}~~more`],
    [`${FIRST}~~more/a`, `${FIRST}~~more/~~more/a`],
    ['é'.repeat(128), `${'é'.repeat(120)}~~more/${'é'.repeat(8)}`],
    [`a${'é'.repeat(128)}`, `a${'é'.repeat(120)}~~more/${'é'.repeat(8)}`],
    [`abc${'😀'.repeat(70)}`, `abc${'😀'.repeat(60)}~~more/${'😀'.repeat(10)}`],
  ]
  for (const [key, path] of paths) {
    assert.equal(encodeKey(key), path)
    assert.equal(decodeKey(path), key)
  }
})

test('MinIO has keys of its own for what it cannot spell', () => {
  const keys: readonly (readonly [key: string, minio: string])[] = [
    ['a/b', 'a/b'],
    ['a/', 'a/'],
    ['__XLDIR__', '__XLDIR__'],
    ['a__XLDIR__/b', 'a__XLDIR__/b'],
    ['a//b', 'a/~~/b'],
    ['/', '~~/'],
    ['a//', 'a/~~/'],
    ['~~/a', '~~~/a'],
    ['a__XLDIR__', 'a__XLDIR__~'],
    ['a__XLDIR__/', 'a__XLDIR__/'],
    [`${FIRST}${'y'.repeat(7)}/`, `${FIRST}~~more/${'y'.repeat(7)}/`],
  ]
  for (const [key, minio] of keys) assert.equal(minioKey(key), minio)
})

test('folders have the paths that their keys begin with', () => {
  const folders: readonly (readonly [prefix: string, path: string])[] = [
    ['', ''],
    ['a/', 'a'],
    ['a/b/', 'a/b'],
    ['/', '~~'],
    ['a//', 'a/~~'],
    ['~~/', '~~~'],
    ['a__XLDIR__/', 'a__XLDIR__'],
    [`${FIRST}yyyyyyyyyyyyyyyy/`, `${FIRST}~~more/yyyyyyyyyyyyyyyy`],
    [FIRST, `${FIRST}~~more`],
    [`a/${FIRST}${FIRST}`, `a/${FIRST}~~more/${FIRST}~~more`],
  ]
  for (const [prefix, path] of folders) assert.equal(encodeFolder(prefix), path)
})

test('the longest keys have paths that a file system takes', () => {
  for (const unit of ['/', '~~/', 'a/', '~', 'é', '😀', '\uffff', 'a//', '~~more/']) {
    const count = Math.floor(1024 / Buffer.byteLength(unit))
    const path = encodeKey(unit.repeat(count))
    assert.ok(Buffer.byteLength(path) < 3200, unit)
    for (const name of path.split('/')) assert.ok(name !== '' && Buffer.byteLength(name) <= 255)
  }
})
