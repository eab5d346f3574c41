import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { Query } from '#s3-protocol/query'
import { memoryRequest } from '#testing/front-door-fixture'
import { legalHoldFacts, locationFacts, retentionFacts, taggingFacts } from './document-facts.ts'
import { conditionValues, type RequestFacts } from './policy-values.ts'

const NOW_MS = Date.parse('2026-01-01T12:00:00Z')

interface Asked {
  readonly headers?: readonly (readonly [string, string])[]
  readonly query?: readonly (readonly [string, string])[]
  readonly facts?: RequestFacts
  readonly versionId?: string
}

function valuesOf({ headers = [], query = [], facts, versionId }: Asked) {
  return conditionValues({
    request: memoryRequest({ method: 'PUT', target: '/box/key', headers }),
    query: new Query(query),
    authentication: {
      identity: { accessKey: '', isOwner: false },
      scheme: 'anonymous',
      payload: { kind: 'unchecked' },
    },
    facts,
    versionId,
    nowMs: NOW_MS,
    tags: new Map([['stored', 'yes']]),
  })
}

/** Key, request, values. */
const VALUES: readonly (readonly [string, Asked, readonly string[] | undefined])[] = [
  ['aws:EpochTime', {}, ['1767268800']],
  ['aws:Referer', { headers: [['referer', 'http://caf\u00c3\u00a9']] }, ['http://café']],
  ['s3:prefix', { query: [['prefix', 'café/']] }, ['café/']],
  ['s3:prefix', { headers: [['prefix', 'a']] }, undefined],
  ['s3:if-none-match', { headers: [['if-none-match', '*']] }, ['*']],
  ['s3:if-none-match', { query: [['if-none-match', '*']] }, undefined],
  ['s3:if-match', { headers: [['if-match', '"a"']] }, ['"a"']],
  ['s3:ObjectCreationOperation', {}, ['true']],
  ['s3:ObjectCreationOperation', { query: [['uploads', '']] }, ['false']],
  ['s3:ObjectCreationOperation', { query: [['uploadId', 'u']] }, ['false']],
  ['s3:max-keys', { query: [['max-keys', '5']] }, ['5']],
  ['s3:versionid', {}, ['']],
  ['s3:versionid', { query: [['versionId', 'v1']] }, ['v1']],
  ['s3:versionid', { query: [['versionId', 'v1']], versionId: 'v2' }, ['v2']],
  ['s3:versionid', { headers: [['x-amz-copy-source', 'b/k?versionId=v3']] }, ['v3']],
  ['s3:x-amz-storage-class', { query: [['X-Amz-Storage-Class', 'STANDARD']] }, ['STANDARD']],
  ['s3:RequestObjectTag/a', { headers: [['x-amz-tagging', 'a=1&b=2']] }, ['1']],
  ['s3:RequestObjectTag/a', { query: [['X-Amz-Tagging', 'a=1']] }, ['1']],
  ['s3:RequestObjectTagKeys', { headers: [['x-amz-tagging', 'a=1&b=2']] }, ['a', 'b']],
  ['s3:ExistingObjectTag/stored', { headers: [['x-amz-tagging', 'stored=no']] }, ['yes']],
  ['s3:ExistingObjectTag/a', { headers: [['x-amz-tagging', 'a=1']] }, undefined],
  ['s3:object-lock-mode', { headers: [['x-amz-object-lock-mode', 'governance']] }, ['GOVERNANCE']],
  [
    's3:object-lock-remaining-retention-days',
    { headers: [['x-amz-object-lock-retain-until-date', '2026-01-03T00:00:00Z']] },
    ['2'],
  ],
  ['s3:signatureversion', { headers: [['signatureversion', 'AWS']] }, ['']],
  ['aws:groups', { headers: [['groups', 'admin']] }, undefined],
]

for (const [key, asked, expected] of VALUES) {
  test(`${key} of ${JSON.stringify(asked)} is ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(valuesOf(asked)(key), expected)
  })
}

test('a deny sees every spelling of a copy source, an allow the one sent', () => {
  const values = valuesOf({ headers: [['x-amz-copy-source', '/box/sec%72et?versionId=v']] })
  const key = 's3:x-amz-copy-source'
  assert.deepEqual(values(key, 'Allow'), ['/box/sec%72et?versionId=v'])
  assert.deepEqual(values(key, 'Deny'), ['/box/sec%72et?versionId=v', 'box/secret'])
})

test('what a document says counts in place of headers', () => {
  const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>2</Value></Tag></TagSet></Tagging>'
  const values = valuesOf({
    headers: [['x-amz-tagging', 'a=1']],
    facts: taggingFacts(utf8(tags)),
  })
  assert.deepEqual(values('s3:RequestObjectTag/a'), ['2'])
  assert.deepEqual(values('s3:RequestObjectTagKeys'), ['a'])
})

test('documents give their facts, malformed ones none', () => {
  const retention =
    '<Retention><Mode>Compliance</Mode><RetainUntilDate>2026-01-11T12:00:00Z</RetainUntilDate></Retention>'
  assert.deepEqual(
    [...retentionFacts(utf8(retention), NOW_MS)],
    [
      ['s3:object-lock-mode', ['COMPLIANCE']],
      ['s3:object-lock-retain-until-date', ['2026-01-11T12:00:00Z']],
      ['s3:object-lock-remaining-retention-days', ['10']],
    ],
  )
  const hold = legalHoldFacts(utf8('<LegalHold><Status>ON</Status></LegalHold>'))
  assert.deepEqual(hold.get('s3:object-lock-legal-hold'), ['ON'])
  const location =
    '<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>'
  assert.deepEqual(locationFacts(utf8(location)).get('s3:LocationConstraint'), ['eu'])
  assert.equal(retentionFacts(utf8('<Retention>'), NOW_MS).size, 0)
})
