import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPERATIONS } from './operations.ts'
import { notImplemented } from './operations/not-implemented.ts'

const SUB_RESOURCES =
  'accelerate acl analytics cors encryption events intelligent-tiering inventory lifecycle list-type location logging metadata metadataTable metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication replication-check replication-metrics replication-reset replication-reset-status requestPayment session tagging uploads versioning versions website withUpdatedAt'.split(
    ' ',
  )

/** First bucket row that a request with this one query key reaches. */
function firstBucketRow(method: string, key: string) {
  return OPERATIONS.find((row) => {
    if (row.scope !== 'bucket' || row.method !== method || row.when !== undefined) return false
    const wanted = Object.entries(row.query ?? {})
    return wanted.every(([name, value]) => name === key && value === undefined)
  })
}

for (const method of ['PUT', 'DELETE']) {
  for (const key of SUB_RESOURCES) {
    test(`${method} of a bucket with ?${key} never makes or deletes a bucket`, () => {
      const row = firstBucketRow(method, key)
      assert.ok(row !== undefined)
      assert.ok(row.name !== 'CreateBucket' && row.name !== 'DeleteBucket')
    })
  }
}

test('a bucket request without sub-resource reaches the plain rows', () => {
  for (const [method, name] of [
    ['PUT', 'CreateBucket'],
    ['DELETE', 'DeleteBucket'],
    ['GET', 'ListObjects'],
    ['HEAD', 'HeadBucket'],
  ] as const) {
    assert.equal(firstBucketRow(method, 'x-id')?.name, name)
  }
})

test('every row names what is checked, or checks it itself', () => {
  const own = new Set([
    'ListBuckets',
    'ListenNotification',
    'ListObjectVersions',
    'ListObjectVersionsM',
    'HeadBucket',
    'PostPolicyUpload',
    'DeleteObjects',
    'GetObjectAcl',
    'PutObjectAcl',
    'PutObjectExtract',
    'HeadObjectExtract',
    'GetObjectExtract',
  ])
  for (const row of OPERATIONS) {
    if (row.action !== undefined || own.has(row.name)) continue
    assert.equal(row.handler, notImplemented, row.name)
    assert.equal(row.anonymous, false, row.name)
  }
})
