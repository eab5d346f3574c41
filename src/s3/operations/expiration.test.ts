import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BucketMetadata, ObjectInfo } from '#object/object'
import { expirationHeader } from './expiration.ts'

function metadataOf(rules: string): BucketMetadata {
  const document = Buffer.from(`<LifecycleConfiguration>${rules}</LifecycleConfiguration>`)
  return {
    name: 'b',
    createdNs: 0n,
    versioning: 'unversioned',
    objectLock: false,
    document: (name) => (name === 'LifecycleConfigXML' ? document : undefined),
    updatedNs: () => 0n,
  }
}

function infoOf(change: Partial<ObjectInfo> = {}): ObjectInfo {
  return {
    bucket: 'b',
    key: 'a/k',
    versionId: 'null',
    isLatest: true,
    isDeleteMarker: false,
    modifiedNs: BigInt(Date.UTC(2026, 0, 10, 13)) * 1_000_000n,
    sizeBytes: 100,
    actualSizeBytes: 100,
    etag: 'x',
    userMetadata: new Map([['X-Amz-Tagging', 'k=v']]),
    systemMetadata: new Map(),
    parts: [],
    dataShards: 2,
    parityShards: 2,
    ...change,
  }
}

const rule = (id: string, filter: string, action: string): string =>
  `<Rule><ID>${id}</ID><Status>Enabled</Status>${filter}<Expiration>${action}</Expiration></Rule>`
const DAYS = '<Days>2</Days>'

for (const [what, rules, due, id] of [
  ['days, to the next midnight', rule('d', '<Filter/>', DAYS), 'Tue, 13 Jan 2026', 'd'],
  ['a date', rule('d', '<Filter/>', '<Date>2027-01-01T00:00:00Z</Date>'), 'Fri, 01 Jan 2027', 'd'],
  [
    'a prefix that fits',
    rule('p', '<Filter><Prefix>a/</Prefix></Filter>', DAYS),
    'Tue, 13 Jan 2026',
    'p',
  ],
  ['an old prefix that fits', rule('p', '<Prefix>a/</Prefix>', DAYS), 'Tue, 13 Jan 2026', 'p'],
  [
    'a tag that fits',
    rule('t', '<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>', DAYS),
    'Tue, 13 Jan 2026',
    't',
  ],
  [
    'the earliest of two',
    rule('l', '<Filter/>', '<Days>9</Days>') + rule('e', '<Filter/>', DAYS),
    'Tue, 13 Jan 2026',
    'e',
  ],
] as const) {
  test(`an object expires by ${what}`, () => {
    const [header] = expirationHeader(metadataOf(rules), infoOf())
    assert.equal(header?.[1], `expiry-date="${due} 00:00:00 GMT", rule-id="${id}"`)
  })
}

for (const [what, rules, info] of [
  ['another prefix', rule('p', '<Filter><Prefix>b/</Prefix></Filter>', DAYS), infoOf()],
  [
    'another tag',
    rule('t', '<Filter><Tag><Key>k</Key><Value>w</Value></Tag></Filter>', DAYS),
    infoOf(),
  ],
  [
    'a size above its own',
    rule('s', '<Filter><ObjectSizeGreaterThan>100</ObjectSizeGreaterThan></Filter>', DAYS),
    infoOf(),
  ],
  ['a disabled rule', rule('d', '<Filter/>', DAYS).replace('Enabled', 'Disabled'), infoOf()],
  [
    'a rule, when it is not the latest version',
    rule('d', '<Filter/>', DAYS),
    infoOf({ isLatest: false }),
  ],
] as const) {
  test(`an object does not expire by ${what}`, () => {
    assert.deepEqual(expirationHeader(metadataOf(rules), info), [])
  })
}
