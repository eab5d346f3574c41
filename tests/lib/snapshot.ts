/** Everything that a server shows about its buckets, captured so that another server can be asked for the same. */
import type { Check } from './checks.ts'
import {
  type ListedVersion,
  observeAttributes,
  observeBuckets,
  observeConfig,
  observeGet,
  observeHead,
  observeListV2,
  observePart,
  observePartsCount,
  observeRange,
  observeTagging,
  observeVersions,
} from './observation.ts'
import { parallel } from './parallel.ts'
import type { S3Driver } from './s3-driver.ts'

interface Fact {
  readonly id: string
  observe(client: S3Driver): Promise<unknown>
}

export interface Snapshot {
  readonly facts: readonly (Fact & { readonly value: unknown })[]
}

function rangesOf(size: number): readonly string[] {
  const ranges = ['bytes=0-0', 'bytes=-1', `bytes=${size}-`]
  for (const limit of [131_072, 1_048_576, 5_242_880, 9_437_184]) {
    if (size > limit) ranges.push(`bytes=${limit - 5}-${limit + 5}`)
  }
  return ranges
}

function versionFacts(bucket: string, version: ListedVersion): Fact[] {
  const { key, versionId, isDeleteMarker, size } = version
  const id = `${bucket}/key/${key}#${versionId}`
  const facts: Fact[] = [
    { id: `${id}/head`, observe: (client) => observeHead(client, bucket, key, versionId) },
    { id: `${id}/get`, observe: (client) => observeGet(client, bucket, key, versionId) },
  ]
  if (isDeleteMarker) return facts
  facts.push(
    {
      id: `${id}/partsCount`,
      observe: (client) => observePartsCount(client, bucket, key, versionId),
    },
    { id: `${id}/tagging`, observe: (client) => observeTagging(client, bucket, key, versionId) },
    {
      id: `${id}/attributes`,
      observe: (client) => observeAttributes(client, bucket, key, versionId),
    },
  )
  for (const part of [1, 2, 3]) {
    facts.push({
      id: `${id}/parts/${part}`,
      observe: (client) => observePart(client, bucket, key, versionId, part),
    })
  }
  for (const range of rangesOf(size ?? 0)) {
    facts.push({
      id: `${id}/ranges/${range}`,
      observe: async (client) => {
        const seen = await observeRange(client, bucket, key, versionId, range)
        // The body of an error names the request.
        return seen['status'] === 206 ? seen : { range, status: seen['status'] }
      },
    })
  }
  return facts
}

async function factsOf(client: S3Driver): Promise<readonly Fact[]> {
  const facts: Fact[] = [{ id: 'buckets', observe: (server) => observeBuckets(server) }]
  for (const bucket of await observeBuckets(client)) {
    facts.push({
      id: `${bucket}/config/versioning`,
      observe: (server) => observeConfig(server, bucket, 'versioning'),
    })
    for (const query of [
      {},
      { delimiter: '/' },
      { max_keys: 7 },
      { delimiter: '/', prefix: 'pre/' },
    ]) {
      const text = JSON.stringify(query)
      facts.push({
        id: `${bucket}/listV2 ${text}`,
        observe: (server) => observeListV2(server, bucket, query),
      })
      facts.push({
        id: `${bucket}/listVersions ${text}`,
        observe: (server) => observeVersions(server, bucket, query),
      })
    }
    const { versions } = await observeVersions(client, bucket, {})
    for (const version of versions) facts.push(...versionFacts(bucket, version))
  }
  return facts
}

/** Asks the server for everything it has. */
export async function captureSnapshot(client: S3Driver): Promise<Snapshot> {
  const facts = await factsOf(client)
  const captured = await parallel(facts, 12, async (fact) => ({
    id: fact.id,
    observe: (server: S3Driver) => fact.observe(server),
    value: await fact.observe(client),
  }))
  return { facts: captured }
}

/** Brings what one server shows into the form of another's. */
export type Rewriting = (id: string, value: unknown) => unknown

export interface SnapshotForms {
  /** For the values of the snapshot. */
  readonly captured: Rewriting
  /** For what the server that is asked shows. */
  readonly observed: Rewriting
}

/** Checks that another server shows the same. */
export function snapshotChecks(
  client: S3Driver,
  snapshot: Snapshot,
  forms: SnapshotForms,
): Check[] {
  return snapshot.facts.map((fact) => ({
    id: fact.id,
    expected: forms.captured(fact.id, fact.value),
    observe: async () => forms.observed(fact.id, await fact.observe(client)),
  }))
}
