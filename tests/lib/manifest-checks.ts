/** Turns a manifest into checks of a running server. */
import { createHash } from 'node:crypto'
import type { Check } from './checks.ts'
import type {
  Manifest,
  ManifestBucket,
  ManifestListing,
  ManifestReply,
  ManifestVersion,
} from './manifest.ts'
import {
  comparableDocument,
  type ListedVersion,
  observeAttributes,
  observeBuckets,
  observeConfig,
  observeGet,
  observeHead,
  observeListV2,
  observeLock,
  observePart,
  observePartsCount,
  observeRange,
  observeTagging,
  observeVersions,
} from './observation.ts'
import { digestOf, makeContent } from './recipe.ts'
import type { S3Driver } from './s3-driver.ts'
import {
  hiddenKeys,
  modelledKeys,
  modelledVersions,
  plainPartSizes,
  policyStatus,
  shownEtag,
} from './specified.ts'

function listingId(
  bucket: string,
  api: string,
  query: Readonly<Record<string, string | number>>,
): string {
  const text = Object.entries(query).map(([name, value]) => `${name}=${value}`)
  return `${bucket}/${api}?${text.join('&')}`
}

function withoutEntries({ query, pages, keys, commonPrefixes }: ManifestListing): ManifestListing {
  return { query, pages, keys: keys ?? [], commonPrefixes }
}

function bucketChecks(client: S3Driver, bucket: ManifestBucket): Check[] {
  const checks: Check[] = []
  for (const [name, recorded] of Object.entries(bucket.config)) {
    const { status, code, body } = recorded
    const isError = status >= 400
    const document = typeof body === 'string' && !isError ? comparableDocument(body) : null
    checks.push({
      id: `${bucket.name}/config/${name}`,
      expected: { status, code: code ?? null, body: document },
      ...(name === 'policyStatus' && { specified: policyStatus(bucket) }),
      observe: () => observeConfig(client, bucket.name, name),
    })
  }
  const hidden = hiddenKeys(bucket)
  for (const expected of bucket.listV2) {
    checks.push({
      id: listingId(bucket.name, 'listV2', expected.query),
      expected,
      specified: () => modelledKeys(bucket, expected),
      observe: async () => {
        const listing = await observeListV2(client, bucket.name, expected.query)
        // Only the first listing of a bucket was recorded with all its fields, and nothing of the hidden keys.
        if (expected.entries === undefined) return withoutEntries(listing)
        const entries = listing.entries?.filter(({ Key = '' }) => !hidden.has(Key))
        return { ...listing, entries }
      },
    })
  }
  for (const expected of bucket.listVersions) {
    checks.push({
      id: listingId(bucket.name, 'listVersions', expected.query),
      expected,
      specified: () => modelledVersions(bucket, expected),
      observe: async () => (await observeVersions(client, bucket.name, expected.query)).listing,
    })
  }
  return checks
}

/** What the listing of versions says about each, asked once for the bucket. */
function listedChecks(client: S3Driver, bucket: ManifestBucket): Check[] {
  let all: Promise<readonly ListedVersion[]> | undefined
  const find = async (key: string, versionId: string): Promise<ListedVersion | undefined> => {
    all ??= observeVersions(client, bucket.name, {}).then(({ versions }) => versions)
    return (await all).find((version) => version.key === key && version.versionId === versionId)
  }
  return bucket.versions
    .filter((version) => version.listed && version.isLatest !== undefined)
    .map((version) => {
      const { key, versionId, isDeleteMarker, isLatest, lastModified, etag, size, storageClass } =
        version
      const common = { key, versionId, isDeleteMarker, isLatest, lastModified }
      return {
        id: `${bucket.name}/key/${key}#${versionId}/listed`,
        expected: isDeleteMarker === true ? common : { ...common, etag, size, storageClass },
        observe: () => find(key, versionId),
      }
    })
}

/**
 * Versions whose shards are intact but which the reference cannot read (disk-format.md 1.6, 7.3): a successor reads
 * them, and their contents follow from the recipe.
 */
function isRecoverable(bucket: ManifestBucket, version: ManifestVersion): boolean {
  return (
    (version.listed || bucket.listingFails !== undefined) &&
    version.recipe !== undefined &&
    version.head.status === 200 &&
    version.get.status >= 400
  )
}

function withResolvedHeaders(reply: ManifestReply, head: ManifestReply): ManifestReply {
  return reply.headers === 'as head' ? { ...reply, headers: head.headers ?? {} } : reply
}

function contentChecks(client: S3Driver, bucket: string, version: ManifestVersion): Check[] {
  const { key, versionId } = version
  const prefix = `${bucket}/key/${key}#${versionId}`
  const get = withResolvedHeaders(version.get, version.head)
  const checks: Check[] = [
    {
      id: `${prefix}/get`,
      expected: { get, content: version.content },
      observe: () => observeGet(client, bucket, key, versionId),
    },
  ]
  if (version.partsCount !== undefined) {
    checks.push({
      id: `${prefix}/partsCount`,
      expected: version.partsCount,
      observe: () => observePartsCount(client, bucket, key, versionId),
    })
  }
  for (const part of version.parts ?? []) {
    // The body of an error names the request, so only its code counts.
    const { partNumber, status } = part
    const code = 'code' in part ? part.code : null
    checks.push({
      id: `${prefix}/parts/${partNumber}`,
      expected: status >= 300 ? { partNumber, status, code } : part,
      observe: () => observePart(client, bucket, key, versionId, partNumber),
    })
  }
  for (const range of version.ranges ?? []) {
    checks.push({
      id: `${prefix}/ranges/${range.range}`,
      expected: range,
      observe: () => observeRange(client, bucket, key, versionId, range.range),
    })
  }
  return checks
}

function recoveredCheck(client: S3Driver, bucket: string, version: ManifestVersion): Check {
  const { key, versionId, recipe } = version
  return {
    id: `${bucket}/key/${key}#${versionId}/recovered`,
    expected: digestOf(makeContent(recipe?.parts ?? [])),
    observe: async () => (await observeGet(client, bucket, key, versionId)).content,
  }
}

function metadataChecks(client: S3Driver, bucket: string, version: ManifestVersion): Check[] {
  const { key, versionId } = version
  const prefix = `${bucket}/key/${key}#${versionId}`
  const checks: Check[] = [
    {
      id: `${prefix}/head`,
      expected: { status: version.head.status, headers: version.head.headers },
      specified: shownEtag(version.etag),
      observe: () => observeHead(client, bucket, key, versionId),
    },
  ]
  if (version.tagging !== undefined) {
    checks.push({
      id: `${prefix}/tagging`,
      expected: version.tagging,
      observe: () => observeTagging(client, bucket, key, versionId),
    })
  }
  if (version.attributes !== undefined) {
    checks.push({
      id: `${prefix}/attributes`,
      expected: version.attributes,
      specified: (reply) =>
        plainPartSizes(version.recipe?.parts ?? [])(shownEtag(version.etag)(reply)),
      observe: () => observeAttributes(client, bucket, key, versionId),
    })
  }
  for (const kind of ['retention', 'legal-hold'] as const) {
    if (version[kind] === undefined || version[kind] === null) continue
    checks.push({
      id: `${prefix}/${kind}`,
      expected: version[kind],
      observe: () => observeLock(client, bucket, key, versionId, kind),
    })
  }
  return checks
}

/** Sends the key of the version with every request about it. */
function clientFor(client: S3Driver, version: ManifestVersion): S3Driver {
  if (version.sseCustomerKey === undefined) return client
  const key = Buffer.from(version.sseCustomerKey, 'hex')
  const prefix = 'x-amz-server-side-encryption-customer-'
  return client.withHeaders({
    [`${prefix}algorithm`]: 'AES256',
    [`${prefix}key`]: key.toString('base64'),
    [`${prefix}key-md5`]: createHash('md5').update(key).digest('base64'),
  })
}

function keylessCheck(client: S3Driver, bucket: string, version: ManifestVersion): Check {
  const { key, versionId } = version
  return {
    id: `${bucket}/key/${key}#${versionId}/getWithoutKey`,
    expected: version.getWithoutKey,
    observe: async () => {
      const { status, code } = (await observeGet(client, bucket, key, versionId)).get
      return { status, code }
    },
  }
}

/** Objects that too few drives hold: a read must fail, and never give wrong bytes. */
function unreadableCheck(client: S3Driver, bucket: string, version: ManifestVersion): Check {
  return {
    id: `${bucket}/key/${version.key}#${version.versionId}/unreadable`,
    expected: 'refused',
    observe: async () => {
      const { get } = await observeGet(client, bucket, version.key, version.versionId)
      return get.status >= 400 ? 'refused' : get.status
    },
  }
}

export interface ManifestCheckOptions {
  /** Ask for versions that the reference itself could not read, by their recipe. */
  readonly recover: boolean
}

/** All checks that only read: buckets, configuration, listings, and everything about each version. */
export function manifestChecks(
  client: S3Driver,
  manifest: Manifest,
  options: ManifestCheckOptions,
): Check[] {
  const buckets = manifest.buckets ?? []
  const checks: Check[] = [
    {
      id: 'buckets',
      expected: buckets.map((bucket) => bucket.name).sort(),
      observe: () => observeBuckets(client),
    },
  ]
  for (const bucket of buckets) {
    checks.push(...bucketChecks(client, bucket))
    if (bucket.listingFails === undefined) checks.push(...listedChecks(client, bucket))
    for (const version of bucket.versions) {
      const isUnreadable = (manifest.unreadable ?? []).some(
        (lost) =>
          lost.bucket === bucket.name &&
          lost.key === version.key &&
          lost.versionId === version.versionId,
      )
      if (isUnreadable) {
        checks.push(unreadableCheck(client, bucket.name, version))
        continue
      }
      const own = clientFor(client, version)
      checks.push(...metadataChecks(own, bucket.name, version))
      if (options.recover && isRecoverable(bucket, version)) {
        checks.push(recoveredCheck(own, bucket.name, version))
      } else {
        checks.push(...contentChecks(own, bucket.name, version))
      }
      if (version.getWithoutKey !== undefined) {
        checks.push(keylessCheck(client, bucket.name, version))
      }
    }
  }
  return checks
}

/** What the manifest of a killed server allows each key to be, and what it demands. */
export function crashChecks(client: S3Driver, manifest: Manifest): Check[] {
  const checks: Check[] = []
  for (const state of manifest.allowedStates ?? []) {
    checks.push({
      id: `${state.bucket}/key/${state.key}/state`,
      expected: state.allowed,
      observe: async () => {
        const { get, content } = await observeGet(client, state.bucket, state.key)
        return content?.sha256 ?? (get.code === 'NoSuchKey' ? null : `${get.status} ${get.code}`)
      },
      accept: (actual) =>
        (actual === null || typeof actual === 'string') && state.allowed.includes(actual),
    })
  }
  for (const [key, recipe] of manifest.steady ?? []) {
    checks.push({
      id: `plain/key/${key}/steady`,
      expected: digestOf(makeContent([recipe])),
      observe: async () => (await observeGet(client, 'plain', key)).content,
    })
  }
  for (const version of manifest.acknowledgedVersions ?? []) {
    checks.push({
      id: `${version.bucket}/key/${version.key}#${version.versionId}/acknowledged`,
      expected: version.op === 'delete' ? 405 : version.sha256,
      observe: async () => {
        const { get, content } = await observeGet(
          client,
          version.bucket,
          version.key,
          version.versionId,
        )
        return content?.sha256 ?? get.status
      },
    })
  }
  return checks
}

/** Everything that is listed must read completely, with the size and, where it tells, the MD5 of the listing. */
export async function listedReadChecks(client: S3Driver): Promise<Check[]> {
  const checks: Check[] = []
  for (const bucket of await observeBuckets(client)) {
    const { versions } = await observeVersions(client, bucket, {})
    for (const version of versions) {
      if (version.isDeleteMarker) continue
      const { key, versionId, size, etag } = version
      const isMd5 = /^[0-9a-f]{32}$/.test(etag ?? '')
      checks.push({
        id: `${bucket}/key/${key}#${versionId}/complete`,
        expected: { size, md5: isMd5 ? etag : undefined },
        observe: async () => {
          const { content } = await observeGet(client, bucket, key, versionId)
          return { size: content?.size, md5: isMd5 ? content?.md5 : undefined }
        },
      })
    }
  }
  return checks
}
