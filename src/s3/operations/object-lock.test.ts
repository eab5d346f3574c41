import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BucketMetadata } from '#object/object'
import { infoOf } from '#testing/object-info'
import { callOf } from '#testing/s3-call'
import {
  defaultRetention,
  hasLockHeaders,
  lockMetadata,
  refuseProtected,
  refuseRetentionChange,
} from './object-lock.ts'

const NOW_MS = Date.parse('2030-01-01T00:00:00Z')
const PAST = '2029-12-31T23:59:59.000Z'
const FUTURE = '2031-01-01T00:00:00.000Z'

const REMOVALS: readonly {
  readonly name: string
  readonly metadata: Readonly<Record<string, string>>
  readonly bypass?: boolean
  readonly isRefused: boolean
}[] = [
  { name: 'an unlocked version', metadata: {}, isRefused: false },
  { name: 'a legal hold', metadata: { 'x-amz-object-lock-legal-hold': 'ON' }, isRefused: true },
  {
    name: 'a legal hold even with bypass',
    metadata: { 'x-amz-object-lock-legal-hold': 'ON' },
    bypass: true,
    isRefused: true,
  },
  {
    name: 'a released hold',
    metadata: { 'x-amz-object-lock-legal-hold': 'OFF' },
    isRefused: false,
  },
  { name: 'compliance until later', metadata: retention('COMPLIANCE', FUTURE), isRefused: true },
  {
    name: 'compliance with bypass',
    metadata: retention('COMPLIANCE', FUTURE),
    bypass: true,
    isRefused: true,
  },
  { name: 'compliance that ended', metadata: retention('COMPLIANCE', PAST), isRefused: false },
  { name: 'governance until later', metadata: retention('GOVERNANCE', FUTURE), isRefused: true },
  {
    name: 'governance with bypass',
    metadata: retention('GOVERNANCE', FUTURE),
    bypass: true,
    isRefused: false,
  },
  { name: 'governance in lower case', metadata: retention('governance', FUTURE), isRefused: true },
  { name: 'an unreadable date', metadata: retention('COMPLIANCE', 'soon'), isRefused: true },
  { name: 'a cleared retention', metadata: retention('', ''), isRefused: false },
  {
    name: 'keys in another case',
    metadata: { 'X-Amz-Object-Lock-Legal-Hold': 'ON' },
    isRefused: true,
  },
]

function retention(mode: string, until: string): Record<string, string> {
  return { 'x-amz-object-lock-mode': mode, 'x-amz-object-lock-retain-until-date': until }
}

for (const row of REMOVALS) {
  test(`${row.name} ${row.isRefused ? 'protects' : 'does not protect'} a version`, () => {
    const remove = (): void =>
      refuseProtected(infoOf({ userMetadata: row.metadata }), {
        nowMs: NOW_MS,
        bypassGovernance: row.bypass === true,
      })
    if (row.isRefused) assert.throws(remove, { code: 'AccessDenied' })
    else remove()
  })
}

test('a delete marker is never protected', () => {
  const marker = infoOf({
    isDeleteMarker: true,
    userMetadata: { 'x-amz-object-lock-legal-hold': 'ON' },
  })
  refuseProtected(marker, { nowMs: NOW_MS, bypassGovernance: false })
})

const LATER = '2032-01-01T00:00:00.000Z'
const CHANGES: readonly (readonly [
  name: string,
  from: readonly [string, string],
  to: readonly [string, string],
  bypass: boolean,
  isRefused: boolean,
])[] = [
  ['nothing to governance', ['', ''], ['GOVERNANCE', FUTURE], false, false],
  ['an expired compliance to nothing', ['COMPLIANCE', PAST], ['', ''], false, false],
  ['governance to later', ['GOVERNANCE', FUTURE], ['GOVERNANCE', LATER], false, false],
  ['governance to the same', ['GOVERNANCE', FUTURE], ['GOVERNANCE', FUTURE], false, false],
  ['governance to earlier', ['GOVERNANCE', LATER], ['GOVERNANCE', FUTURE], false, true],
  ['governance to earlier with bypass', ['GOVERNANCE', LATER], ['GOVERNANCE', FUTURE], true, false],
  ['governance to compliance', ['GOVERNANCE', FUTURE], ['COMPLIANCE', LATER], false, true],
  ['governance to nothing with bypass', ['GOVERNANCE', FUTURE], ['', ''], true, false],
  ['compliance to later', ['COMPLIANCE', FUTURE], ['COMPLIANCE', LATER], false, false],
  ['compliance to earlier with bypass', ['COMPLIANCE', LATER], ['COMPLIANCE', FUTURE], true, true],
  ['compliance to nothing with bypass', ['COMPLIANCE', LATER], ['', ''], true, true],
]

for (const [name, from, to, bypassGovernance, isRefused] of CHANGES) {
  test(`retention from ${name} is ${isRefused ? 'refused' : 'allowed'}`, () => {
    const change = (): void =>
      refuseRetentionChange(
        { mode: from[0], retainUntil: from[1], legalHold: '' },
        { mode: to[0], retainUntil: to[1] },
        { nowMs: NOW_MS, bypassGovernance },
      )
    if (isRefused) assert.throws(change, { code: 'AccessDenied' })
    else change()
  })
}

test('a lock is taken from headers, and from the query of presigned URLs', async () => {
  const metadata: BucketMetadata = {
    name: 'bucket',
    createdNs: 0n,
    versioning: 'enabled',
    objectLock: true,
    document: () => undefined,
    updatedNs: () => 0n,
  }
  const until = '2999-01-01T00:00:00.000Z'
  const wanted = { ...retention('GOVERNANCE', until), 'x-amz-object-lock-legal-hold': 'ON' }
  for (const options of [{ headers: wanted }, { query: wanted }]) {
    const call = callOf(options)
    assert.ok(hasLockHeaders(call))
    assert.deepEqual(Object.fromEntries(await lockMetadata(call, metadata)), wanted)
  }
})

test('the default retention counts calendar days and years', () => {
  const of = (period: string): string | undefined => {
    const xml = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode>${period}</DefaultRetention></Rule></ObjectLockConfiguration>`
    const metadata = {
      document: () => new TextEncoder().encode(xml),
    } satisfies Partial<BucketMetadata>
    return defaultRetention(metadata, Date.parse('2028-02-29T12:00:00.000Z'))?.retainUntil
  }
  assert.equal(of('<Days>1</Days>'), '2028-03-01T12:00:00.000Z')
  assert.equal(of('<Years>1</Years>'), '2029-03-01T12:00:00.000Z')
})
