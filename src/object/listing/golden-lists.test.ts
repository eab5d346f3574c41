/** Lists over drives that MinIO left behind, compared with what MinIO showed. Skipped where these drives are absent. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compareUtf8 } from '#base/bytes'
import { EngineFixture, testCodec } from '#testing/engine-fixture'
import {
  goldenSkip,
  loadGolden,
  type GoldenBucket,
  type GoldenListing,
} from '#testing/golden-memory'
import { listObjects, listVersions } from './lists.ts'
import { WalkSource } from './walk-source.ts'

const codec = testCodec()
const VERSIONED = { isUnversioned: false }

const SCENARIOS = [
  'single',
  'ec4',
  'ec4-degraded',
  'ec4-versions',
  'sets',
  'pools',
  'ec8',
  'multipart-pending',
  'old-2019-10',
  'old-2019-10-upgraded',
  'old-2021-02',
  'old-2021-02-upgraded',
  'old-2021-05',
  'old-2021-05-upgraded',
  'old-2022-05',
  'old-2022-05-upgraded',
]

function requestOf(listing: GoldenListing): {
  prefix: string
  delimiter: string
  startAfter: string
  limit: number
} {
  const { query } = listing
  return {
    prefix: query.prefix ?? '',
    delimiter: query.delimiter ?? '',
    startAfter: query.start_after ?? '',
    limit: query.max_keys ?? 1000,
  }
}

describe('lists of real drives are what MinIO showed', { skip: goldenSkip() }, () => {
  for (const scenario of SCENARIOS) {
    test(scenario, async () => {
      const { manifest, layouts } = loadGolden(scenario, codec)
      const { deploymentId } = manifest.server
      const fixture = new EngineFixture({ codec, layouts, deploymentId })
      const source = new WalkSource(fixture.context, fixture.pools.allSets())
      for (const bucket of manifest.buckets) {
        for (const listing of bucket.listV2) await checkObjects(source, bucket, listing)
        for (const listing of bucket.listVersions) await checkVersions(source, bucket, listing)
      }
    })
  }
})

async function checkObjects(
  source: WalkSource,
  bucket: GoldenBucket,
  listing: GoldenListing,
): Promise<void> {
  const keys: string[] = []
  const prefixes: string[] = []
  const request = requestOf(listing)
  for (let { startAfter } = request; ; ) {
    const page = await listObjects(source, bucket.name, { ...request, startAfter }, VERSIONED)
    for (const { key } of page.objects) if (!isHidden(bucket, key)) keys.push(key)
    prefixes.push(...page.commonPrefixes)
    if (!page.isTruncated) break
    startAfter = page.nextMarker
  }
  check(bucket, listing, keys, listing.keys ?? [])
  // MinIO shows prefixes that hold only delete markers; Cairn must not (s3-api.md 4.3.2, point 12).
  const unknown = prefixes.filter((prefix) => listing.commonPrefixes?.includes(prefix) !== true)
  check(
    bucket,
    listing,
    unknown.filter((prefix) => !holdsHidden(bucket, prefix)),
    [],
  )
}

async function checkVersions(
  source: WalkSource,
  bucket: GoldenBucket,
  listing: GoldenListing,
): Promise<void> {
  const found: string[] = []
  const prefixes: string[] = []
  const request = requestOf(listing)
  let { startAfter } = request
  let versionIdMarker: string | undefined
  for (;;) {
    const page = await listVersions(
      source,
      bucket.name,
      { ...request, startAfter, versionIdMarker },
      VERSIONED,
    )
    for (const { key, versionId } of page.versions) {
      if (!isHidden(bucket, key)) found.push(`${key} ${versionId}`)
    }
    prefixes.push(...page.commonPrefixes)
    if (!page.isTruncated) break
    startAfter = page.nextKeyMarker
    versionIdMarker = page.nextVersionIdMarker === '' ? undefined : page.nextVersionIdMarker
  }
  // MinIO shows an object of before 2020 again at the begin of the next page.
  const order = listing.order?.map(([key, versionId]) => `${key} ${versionId}`) ?? []
  const expected = order.filter((entry, i) => order.indexOf(entry) === i)
  check(bucket, listing, found, expected)
  const shown = prefixes.filter(
    (prefix) => listing.commonPrefixes?.includes(prefix) === true || !holdsHidden(bucket, prefix),
  )
  check(bucket, listing, shown, listing.commonPrefixes ?? [])
}

/** MinIO's lists do not look below an object; Cairn's do. */
function isHidden(bucket: GoldenBucket, key: string): boolean {
  return bucket.versions.some((version) => version.key === key && !version.listed)
}

function holdsHidden(bucket: GoldenBucket, prefix: string): boolean {
  return bucket.versions.some((version) => version.key.startsWith(prefix) && !version.listed)
}

function check(
  bucket: GoldenBucket,
  listing: GoldenListing,
  found: readonly string[],
  expected: readonly string[],
): void {
  assert.deepEqual(found, expected, `${bucket.name} ${JSON.stringify(listing.query)}`)
  assert.ok(found.every((name, i) => i === 0 || compareUtf8(found[i - 1] ?? '', name) !== 0))
}
