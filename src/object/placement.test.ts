import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeKey } from '#drive/key-path'
import { testCodec } from '#testing/engine-fixture'
import { ObjectError } from './object.ts'
import { checkKey, distributionOf, parityOf, setIndexOf, writeQuorumOf } from './placement.ts'

const codec = testCodec()

test('keys hash to the sets of the specification', () => {
  const id = 'f5c58c61-7175-4018-ab5e-a94fe9c2de4e'
  const vectors = [
    ['object', 37, 28],
    ['The Shining Script <v1>.pdf', 38, 142],
    ['Cost Benefit Analysis (2009-2010).pptx', 59, 133],
    ['SHØRT', 49, 97],
    ['a/b/c/', 159, 193],
    ['/a/b/c', 96, 116],
  ] as const
  for (const [key, sip, crc] of vectors) {
    assert.equal(setIndexOf(codec, 'SIPMOD+PARITY', id, key, 200), sip, key)
    assert.equal(setIndexOf(codec, 'SIPMOD', id, key, 200), sip, key)
    assert.equal(setIndexOf(codec, 'CRCMOD', id, key, 200), crc, key)
  }
  const other = '4a0a3d2e-7c5b-4b53-9b7c-1c0e6f2d8a11'
  const more = [
    ['config/config.json', [0, 1, 0, 12]],
    ['photos/2024/a.jpg', [0, 2, 2, 14]],
    [encodeKey('photos/2024/'), [0, 0, 0, 4]],
    ['buckets/mybucket/.metadata.bin', [1, 2, 1, 1]],
    ['pool.bin', [1, 2, 3, 11]],
  ] as const
  for (const [key, expected] of more) {
    const indexes = [2, 3, 4, 16].map((count) => setIndexOf(codec, 'SIPMOD', other, key, count))
    assert.deepEqual(indexes, expected, key)
  }
})

test('shards are spread over the drives as the specification says', () => {
  const vectors = [
    ['mybucket', 'photos/2024/a.jpg', [3, 4, 1, 2]],
    ['.minio.sys', 'config/config.json', [4, 1, 2, 3]],
    ['mybucket', 'photos/2024__XLDIR__', [3, 4, 1, 2]],
    ['testbucket', 'hosts', [1, 2, 3, 4]],
    ['mybucket', 'hello.txt', [3, 4, 1, 2]],
    ['mybucket', 'photos/2024/a.jpg', [11, 12, 13, 14, 15, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ] as const
  for (const [bucket, path, expected] of vectors) {
    assert.deepEqual(distributionOf(codec, bucket, path, expected.length), expected)
  }
})

test('parity follows the storage class, and grows with offline drives up to half', () => {
  const storage = {
    standardParity: 4,
    reducedParity: 2,
    optimize: 'availability',
    inlineBlockBytes: 0,
  } as const
  const at = (offlineCount: number, storageClass = 'STANDARD', isSystem = false): unknown => {
    const choice = parityOf(storage, { storageClass, driveCount: 12, offlineCount, isSystem })
    return choice && [choice.dataShards, choice.parityShards, choice.upgradedFrom]
  }
  assert.deepEqual(at(0), [8, 4, undefined])
  assert.deepEqual(at(1), [7, 5, 4])
  assert.deepEqual(at(2), [6, 6, 4])
  assert.deepEqual(at(5), [6, 6, 4])
  assert.equal(at(6), undefined)
  assert.deepEqual(at(0, 'REDUCED_REDUNDANCY'), [10, 2, undefined])
  assert.deepEqual(at(1, 'REDUCED_REDUNDANCY'), [9, 3, 2])
  assert.deepEqual(at(0, 'STANDARD', true), [6, 6, undefined])
  assert.equal(writeQuorumOf(2, 2), 3)
  assert.equal(writeQuorumOf(3, 1), 3)
})

test('keys that cannot be stored are refused by their reason', () => {
  const codeOf = (key: string): string | undefined => {
    try {
      checkKey('bucket', key)
      return undefined
    } catch (error) {
      return error instanceof ObjectError ? error.code : String(error)
    }
  }
  const keys = ['a', 'a/', 'a.b/..c/d...', 'ä/😀', ' ', 'a\\b', 'xl.meta', '/a', 'a//b', '//']
  for (const key of [...keys, 'x'.repeat(1024)]) {
    assert.equal(codeOf(key), undefined, key)
  }
  for (const key of ['', 'a\0', '.', '..', 'a/../b', 'a/ .. /b', 'a\\..\\b', '\ud800']) {
    assert.equal(codeOf(key), 'ObjectNameInvalid', JSON.stringify(key))
  }
  assert.equal(codeOf('a/'.repeat(513)), 'ObjectNameTooLong')
  assert.equal(codeOf('ä'.repeat(513)), 'ObjectNameTooLong')
  assert.equal(codeOf('😀'.repeat(200)), undefined)
})
