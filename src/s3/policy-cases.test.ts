/**
 * Recorded answers of a live MinIO server about policies (shared fixtures): those that concern anonymous callers and bucket
 * policies, and those of identity policies whose conditions say the same in the policy of a bucket.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#base/clock'
import { parseBucketPolicy, PolicyError } from '#iam/policy'
import { Query } from '#s3-protocol/query'
import { frontDoorFixture, memoryRequest } from '#testing/front-door-fixture'
import { Authorizer } from './authorize.ts'

interface PolicyCase {
  readonly id: string
  readonly area?: string
  readonly title: string
  readonly kind?: string
  readonly use?: string
  readonly document?: unknown
  readonly setup?: {
    readonly bucketPolicies?: Readonly<Record<string, PolicyDocument>>
    readonly policies?: Readonly<Record<string, PolicyDocument>>
    readonly user?: { readonly policies?: readonly string[] }
    readonly groups?: unknown
    readonly objects?: unknown
  }
  readonly principal?: { readonly kind: string }
  readonly request?: {
    readonly method: string
    readonly path: string
    readonly query?: Readonly<Record<string, string>>
    readonly headers?: Readonly<Record<string, string>>
    readonly auth?: string
    readonly admin?: boolean
  }
  readonly expect: { readonly allow?: boolean; readonly accepted?: boolean }
  readonly cairn?: { readonly allow?: boolean; readonly accepted?: boolean }
}

interface PolicyDocument {
  readonly Version?: string
  readonly Statement: readonly Readonly<Record<string, unknown>>[]
}

const FOLDER = join(import.meta.dirname, '../../../shared/fixtures/iam/policy-cases.json')
const CASES: readonly PolicyCase[] = existsSync(FOLDER)
  ? // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the README of the fixtures says what it is
    (JSON.parse(readFileSync(FOLDER, 'utf8')) as { cases: readonly PolicyCase[] }).cases
  : []

test('the recorded cases are here', { skip: CASES.length === 0 && 'no fixtures' }, () => {
  assert.ok(CASES.length > 300)
})

/** No version; a pattern of actions where not all have a resource: refused by MinIO, taken by Amazon and Cairn. */
const TAKEN_BY_AMAZON = new Set(['P475', 'P480'])

for (const { id, title, document, expect, cairn } of CASES.filter(({ use }) => use === 'bucket')) {
  test(`${id} ${title}`, () => {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    let accepted = true
    try {
      parseBucketPolicy(text, 'pc-data')
    } catch (error) {
      assert.ok(error instanceof PolicyError)
      accepted = false
    }
    const isTaken = cairn?.accepted ?? expect.accepted
    assert.equal(accepted, TAKEN_BY_AMAZON.has(id) || isTaken)
  })
}

/** The action behind a request, where it is one of the simple ones. */
function actionOf(request: NonNullable<PolicyCase['request']>, key: string): string | undefined {
  const query = Object.keys(request.query ?? {})
  const special = query.filter((name) => !PLAIN_QUERY.has(name))
  if (key === '') {
    if (request.method !== 'GET') return undefined
    if (special.length === 0) return 's3:ListBucket'
    if (special.length > 1) return undefined
    return special[0] === 'versions'
      ? 's3:ListBucketVersions'
      : special[0] === 'location'
        ? 's3:GetBucketLocation'
        : undefined
  }
  if (special.length > 0 || request.headers?.['X-Amz-Copy-Source'] !== undefined) return undefined
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return 's3:GetObject'
    case 'PUT':
      return 's3:PutObject'
    case 'DELETE':
      return 's3:DeleteObject'
    default:
      return undefined
  }
}

const PLAIN_QUERY = new Set([
  'list-type',
  'prefix',
  'delimiter',
  'max-keys',
  'versionId',
  'username',
  'groups',
])
/** Areas of identity policies that mean the same for a bucket. */
const SAME_AREAS = new Set([
  'string',
  'qualifier',
  'date',
  'null-bool',
  'ip',
  'not',
  'deny',
  'x-amz',
  'version',
  'tag',
  'list',
])
/** What only identities have. */
const OF_IDENTITIES =
  /aws:(username|userid|groups|principaltype)|jwt:|ldap:|s3:authType|s3:signature|admin:|kms:|sts:/

interface AccessCase {
  readonly source: PolicyCase
  readonly bucket: string
  readonly key: string
  readonly action: string
  readonly policy: string
}

function accessCase(source: PolicyCase): AccessCase | undefined {
  const { setup, principal, request, area } = source
  if (setup === undefined || request === undefined || request.admin === true) return undefined
  if (request.auth !== undefined || setup.objects !== undefined || setup.groups !== undefined)
    return undefined
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/.exec(request.path) ?? []
  const action = actionOf(request, key)
  if (action === undefined || bucket === '' || JSON.stringify(request).includes('{{'))
    return undefined
  if (principal?.kind === 'anonymous') {
    const policy = JSON.stringify(setup.bucketPolicies?.[bucket] ?? '')
    return { source, bucket, key, action, policy }
  }
  const documents = Object.values(setup.policies ?? {})
  if (principal?.kind !== 'user' || !SAME_AREAS.has(area ?? '') || documents.length === 0)
    return undefined
  if (OF_IDENTITIES.test(JSON.stringify(documents)) || setup.bucketPolicies !== undefined)
    return undefined
  if (setup.user?.policies?.length !== documents.length) return undefined
  const statements = documents.flatMap((d) => d.Statement).map((s) => ({ ...s, Principal: '*' }))
  return {
    source,
    bucket,
    key,
    action,
    policy: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
  }
}

/** Answers that come from elsewhere: the hash that a signing client adds; the second action that a handler asks for. */
const ELSEWHERE = new Set(['P232', 'P235'])

const ACCESS = CASES.filter(({ id, kind }) => kind === undefined && !ELSEWHERE.has(id)).flatMap(
  (c) => accessCase(c) ?? [],
)

for (const { source, bucket, key, action, policy } of ACCESS) {
  const isValid = ((): boolean => {
    try {
      parseBucketPolicy(policy, bucket)
      return true
    } catch {
      return source.principal?.kind === 'anonymous' // others name what no bucket policy may
    }
  })()
  if (!isValid) continue
  test(`${source.id} ${source.title}`, async () => {
    const { request, expect, cairn } = source
    assert.ok(request !== undefined)
    const fixture = frontDoorFixture({ bucket })
    fixture.policies.set(bucket, policy)
    for (const [name, tags] of [
      ['tagged/prod.txt', 'env=prod'],
      ['tagged/dev.txt', 'env=dev'],
    ] as const) {
      fixture.objects.set(`pc-data/${name}`, new Uint8Array(1))
      fixture.tags.set(`pc-data/${name}`, tags)
    }
    const authorizer = new Authorizer({
      engine: fixture.engine,
      clock: systemClock(),
      bindsOwner: true,
    })
    const context = {
      request: memoryRequest({
        method: request.method,
        target: request.path,
        headers: [['host', 'localhost'], ...Object.entries(request.headers ?? {})],
      }),
      query: new Query(Object.entries(request.query ?? {})),
      authentication: {
        identity: { accessKey: '', isOwner: false },
        scheme: 'anonymous',
        payload: { kind: 'unchecked' },
      },
    } as const
    const allowed = await authorizer.isAllowed(context, action, bucket, key)
    assert.equal(allowed, cairn?.allow ?? expect.allow, policy)
  })
}
