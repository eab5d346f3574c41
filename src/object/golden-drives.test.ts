/** Reads what MinIO left behind through the engine, and compares it with the manifests. Skipped where these drives are absent. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { defaultParity } from '#config/topology'
import { EngineFixture, testCodec } from '#testing/engine-fixture'
import { goldenSkip, loadGolden } from '#testing/golden-memory'
import { openSeal } from './object-seal.ts'
import { ObjectError, type ObjectInfo, type Unseal } from './object.ts'

const codec = testCodec()

/** What these tests read of a manifest beyond `GoldenManifest`. */
interface Manifest {
  readonly buckets: readonly { readonly name: string; readonly versions: readonly Version[] }[]
  readonly unreadable?: readonly { readonly bucket: string; readonly key: string }[]
}

interface Version {
  readonly key: string
  readonly versionId: string
  readonly isDeleteMarker: boolean
  /** Absent for versions that a list hides. */
  readonly etag?: string
  /** Hex. */
  readonly sseCustomerKey?: string
  readonly content?: { readonly size: number; readonly sha256: string }
  readonly ranges?: readonly Piece[]
  readonly parts?: readonly Piece[]
}

interface Piece {
  readonly range?: string
  readonly partNumber?: number
  readonly status: number
  readonly sha256: string
}

const SCENARIOS = [
  'single',
  'ec4',
  'ec8',
  'sets',
  'pools',
  'ec4-versions',
  'ec4-degraded',
  'old-2019-10',
  'old-2019-10-upgraded',
  'old-2021-02',
  'old-2021-02-upgraded',
  'old-2021-05-upgraded',
  'old-2022-05-upgraded',
  'encrypted',
]

for (const scenario of SCENARIOS) {
  test(`every version of "${scenario}" reads as its manifest says`, {
    skip: goldenSkip(),
  }, async (t) => {
    const golden = loadGolden(scenario, codec)
    // The manifests are made for these tests: their shape is not checked again.
    const manifest = golden.manifest as unknown as Manifest
    const fixture = new EngineFixture({
      codec,
      layouts: golden.layouts,
      deploymentId: golden.manifest.server.deploymentId,
      kmsSecret: golden.manifest.start.environment['MINIO_KMS_SECRET_KEY'],
      storage: { standardParity: defaultParity(golden.layouts[0]?.sets[0]?.length ?? 1) },
    })
    const unreadable = new Set(manifest.unreadable?.map(({ bucket, key }) => `${bucket}/${key}`))
    let count = 0
    const problems: string[] = []
    for (const { name: bucket, versions } of manifest.buckets) {
      for (const version of versions) {
        if (version.isDeleteMarker || version.content === undefined) continue
        const { key, versionId } = version
        if (unreadable.has(`${bucket}/${key}`)) {
          await assert.rejects(fixture.get(key, {}, bucket), { code: 'ReadQuorum' })
          continue
        }
        try {
          if (await checkVersion(fixture, bucket, version)) count++
        } catch (error) {
          const reason = error instanceof ObjectError ? error.code : String(error)
          problems.push(`${bucket}/${key} ${versionId}: ${reason.slice(0, 200)}`)
        }
      }
    }
    t.diagnostic(`${count} versions, ${fixture.repairs.length} repairs reported`)
    assert.deepEqual(problems, [])
    assert.equal(fixture.lentBytes, 0)
  })
}

/** False: the stored bytes are compressed. */
async function checkVersion(
  fixture: EngineFixture,
  bucket: string,
  version: Version,
): Promise<boolean> {
  const { key, versionId } = version
  const info = await fixture.head(key, { versionId }, bucket)
  assert.equal(info.versionId, versionId)
  if (isCompressed(info)) return false
  const clientKey =
    version.sseCustomerKey === undefined ? undefined : Uint8Array.fromHex(version.sseCustomerKey)
  const unseal: Unseal = (stored) => openSeal(fixture.context.encryption, stored, clientKey)
  // A sealed tag of a folder is shown by MinIO as it is stored.
  if (version.etag !== undefined && !version.etag.startsWith('20000f00')) {
    assert.equal(info.etag, version.etag)
  }
  const whole = await fixture.get(key, { versionId, unseal }, bucket)
  assert.equal(whole.length, version.content?.size)
  assert.equal(sha256(whole), version.content?.sha256)
  for (const { range = '', status, sha256: expected } of version.ranges ?? []) {
    const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? []
    if (status !== 206) continue
    const wanted =
      first === ''
        ? ({ kind: 'suffix', size: Number(last) } as const)
        : ({
            kind: 'from',
            start: Number(first),
            end: last === '' ? undefined : Number(last),
          } as const)
    const bytes = await fixture.get(key, { versionId, range: wanted, unseal }, bucket)
    assert.equal(sha256(bytes), expected, range)
  }
  for (const { partNumber: number = 0, status, sha256: expected } of version.parts ?? []) {
    // Where part numbers have gaps MinIO answers by position.
    if (status !== 206 || !info.parts.every((part, i) => part.number === i + 1)) continue
    const range = { kind: 'part', number } as const
    const bytes = await fixture.get(key, { versionId, range, unseal }, bucket)
    assert.equal(sha256(bytes), expected, `part ${number}`)
  }
  return true
}

function isCompressed(info: ObjectInfo): boolean {
  return [...info.systemMetadata.keys()].some((name) => /-compression/i.test(name))
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
