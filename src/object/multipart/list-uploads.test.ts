import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareUtf8 } from '#base/bytes'
import { seededRandom } from '#base/random'
import type { UploadInfo } from '../object.ts'
import { pageOf } from './list-uploads.ts'

function uploadOf(key: string, uploadId: string, initiatedNs: bigint): UploadInfo {
  return {
    bucket: 'bucket',
    key,
    uploadId,
    initiatedNs,
    userMetadata: new Map(),
    systemMetadata: new Map(),
  }
}

const NO_REQUEST = { prefix: '', delimiter: '', startAfter: '', uploadIdMarker: '', limit: 1000 }

test('pages joined equal the whole list, for random keys, prefixes and delimiters', () => {
  const random = seededRandom(5)
  for (let round = 0; round < 2000; round++) {
    const uploads: UploadInfo[] = []
    for (let i = random.below(20); i > 0; i--) {
      const key = ['a', 'b/c', 'b/d', 'b/d/e', 'ab', 'a/', 'é', 'b-'][random.below(8)] ?? ''
      uploads.push(uploadOf(key, `id${i}`, BigInt(random.below(5))))
    }
    uploads.sort((a, b) => compareUtf8(a.key, b.key) || Number(a.initiatedNs - b.initiatedNs))
    const request = {
      ...NO_REQUEST,
      prefix: ['', 'b', 'b/', 'a'][random.below(4)] ?? '',
      delimiter: ['', '/', 'd', '-'][random.below(4)] ?? '',
    }
    const whole = pageOf(uploads, request)
    assert.equal(whole.isTruncated, false)
    const limit = 1 + random.below(4)
    const joined = { uploads: [] as UploadInfo[], prefixes: [] as string[] }
    let startAfter = ''
    let uploadIdMarker = ''
    for (;;) {
      const page = pageOf(uploads, { ...request, limit, startAfter, uploadIdMarker })
      assert.ok(page.uploads.length + page.commonPrefixes.length <= limit)
      joined.uploads.push(...page.uploads)
      joined.prefixes.push(...page.commonPrefixes)
      if (!page.isTruncated) break
      assert.equal(page.uploads.length + page.commonPrefixes.length, limit)
      startAfter = page.nextKeyMarker
      uploadIdMarker = page.nextUploadIdMarker
    }
    assert.deepEqual(
      joined.uploads,
      whole.uploads,
      JSON.stringify({ round, request, limit, keys: uploads.map((u) => u.key) }),
    )
    assert.deepEqual(
      joined.prefixes,
      whole.commonPrefixes,
      JSON.stringify({ round, request, limit, keys: uploads.map((u) => u.key) }),
    )
  }
})

test('a key marker without an upload skips all uploads of its key', () => {
  const uploads = [uploadOf('a', '1', 1n), uploadOf('a', '2', 2n), uploadOf('b', '3', 1n)]
  const page = pageOf(uploads, { ...NO_REQUEST, startAfter: 'a' })
  assert.deepEqual(
    page.uploads.map((upload) => upload.uploadId),
    ['3'],
  )
  const within = pageOf(uploads, { ...NO_REQUEST, startAfter: 'a', uploadIdMarker: '1' })
  assert.deepEqual(
    within.uploads.map((upload) => upload.uploadId),
    ['2', '3'],
  )
})
