/** Object lock (s3-api.md 4.9). */
import { type Rule, rule, rules } from '../rule.ts'
import { check, md5Base64, type Trial, XMLNS } from '../trial.ts'
import type { Pairs } from '../wire.ts'

const DAY_MS = 86_400_000
const soon = (days = 1): string =>
  new Date(Date.now() + days * DAY_MS).toISOString().replace(/\.\d{3}/, '')
const BYPASS = { 'x-amz-bypass-governance-retention': 'true' }

const lockDocument = (inner: string, enabled = 'Enabled'): string =>
  `<ObjectLockConfiguration xmlns="${XMLNS}"><ObjectLockEnabled>${enabled}</ObjectLockEnabled>${inner}</ObjectLockConfiguration>`
const defaultRule = (inner: string): string =>
  lockDocument(`<Rule><DefaultRetention>${inner}</DefaultRetention></Rule>`)
const retentionDocument = (mode: string, until: string): string =>
  `<Retention xmlns="${XMLNS}"><Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`
const holdDocument = (status: string): string =>
  `<LegalHold xmlns="${XMLNS}"><Status>${status}</Status></LegalHold>`

function putLock(t: Trial, bucket: string, document: string): ReturnType<Trial['sub']> {
  return t.sub('PUT', bucket, { 'object-lock': '' }, document, {
    'content-md5': md5Base64(document),
  })
}

function retain(
  t: Trial,
  bucket: string,
  document: string,
  headers: Pairs = {},
  versionId?: string,
): ReturnType<Trial['of']> {
  return t.of('PUT', bucket, t.key, { retention: '', versionId }, document, {
    'content-md5': md5Base64(document),
    ...headers,
  })
}

function hold(
  t: Trial,
  bucket: string,
  document: string,
  headers: Pairs = {},
): ReturnType<Trial['of']> {
  return t.of('PUT', bucket, t.key, { 'legal-hold': '' }, document, {
    'content-md5': md5Base64(document),
    ...headers,
  })
}

const configuration: readonly Rule[] = [
  ...rules(
    '4.9',
    [
      ['days', '<Mode>GOVERNANCE</Mode><Days>1</Days>'],
      ['years', '<Mode>COMPLIANCE</Mode><Years>1</Years>'],
    ] as const,
    ([what, inner]) => [
      `a default of ${what} is stored and told`,
      async (t) => {
        const bucket = await t.own('locked')
        ;(await putLock(t, bucket, defaultRule(inner))).is(200)
        ;(await t.sub('GET', bucket, { 'object-lock': '' }))
          .is(200)
          .mentions(inner.replace(/<Mode>.*<\/Mode>/, ''))
      },
    ],
  ),
  ...rules(
    '4.9',
    [
      ['days and years', '<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>', 'MalformedXML'],
      ['neither days nor years', '<Mode>GOVERNANCE</Mode>', 'MalformedXML'],
      ['an unknown mode', '<Mode>governance!</Mode><Days>1</Days>', 'MalformedXML'],
      ['no mode', '<Days>1</Days>', 'MalformedXML'],
      ['zero days', '<Mode>GOVERNANCE</Mode><Days>0</Days>', 'InvalidRetentionPeriod'],
      ['negative years', '<Mode>GOVERNANCE</Mode><Years>-1</Years>', 'InvalidRetentionPeriod'],
      ['too many days', '<Mode>GOVERNANCE</Mode><Days>36501</Days>', 'InvalidRetentionPeriod'],
      ['too many years', '<Mode>GOVERNANCE</Mode><Years>101</Years>', 'InvalidRetentionPeriod'],
    ] as const,
    ([what, inner, code]) => [
      `a default of ${what} is refused`,
      async (t) => {
        const bucket = await t.own('locked')
        ;(await putLock(t, bucket, defaultRule(inner))).is(
          400,
          code,
          'InvalidArgument',
          'MalformedXML',
        )
        check((await putLock(t, bucket, defaultRule(inner))).code === code, code)
      },
    ],
  ),
  rule('4.9', 'an unknown status is refused', async (t) => {
    const bucket = await t.own('locked')
    ;(await putLock(t, bucket, lockDocument('', 'Disabled'))).is(400, 'MalformedXML')
  }),
  rule('4.9', 'a lock for a bucket without versioning is refused', async (t) => {
    const bucket = await t.own()
    ;(await putLock(t, bucket, lockDocument(''))).is(409, 'InvalidBucketState')
  }),
  rule('4.9', 'a versioned bucket gets a lock afterwards', async (t) => {
    const bucket = await t.own('versioned')
    ;(await putLock(t, bucket, defaultRule('<Mode>GOVERNANCE</Mode><Days>1</Days>'))).is(200)
    ;(await t.sub('GET', bucket, { 'object-lock': '' }))
      .is(200)
      .shows('ObjectLockEnabled', 'Enabled')
  }),
  ...rules(
    '4.9',
    [
      ['GET', 'retention'],
      ['PUT', 'retention'],
      ['GET', 'legal-hold'],
      ['PUT', 'legal-hold'],
    ] as const,
    ([method, kind]) => [
      `${method} ?${kind} in a bucket without lock is refused`,
      async (t) => {
        const bucket = await t.shared()
        ;(await t.put(bucket, t.key)).is(200)
        const document =
          kind === 'retention' ? retentionDocument('GOVERNANCE', soon()) : holdDocument('ON')
        const reply = await t.of(
          method,
          bucket,
          t.key,
          { [kind]: '' },
          method === 'PUT' ? document : undefined,
          method === 'PUT' ? { 'content-md5': md5Base64(document) } : {},
        )
        reply.is(400, 'InvalidRequest')
      },
    ],
  ),
  ...rules('4.9', ['retention', 'legal-hold'], (kind) => [
    `?${kind} of an object without is 404`,
    async (t) => {
      const bucket = await t.shared('locked')
      ;(await t.put(bucket, t.key)).is(200)
      ;(await t.of('GET', bucket, t.key, { [kind]: '' })).is(404, 'NoSuchObjectLockConfiguration')
    },
  ]),
  ...rules('4.9', ['retention', 'legal-hold'], (kind) => [
    `?${kind} of an absent key is 404`,
    async (t) => {
      const bucket = await t.shared('locked')
      ;(await t.of('GET', bucket, t.key, { [kind]: '' })).is(404, 'NoSuchKey')
    },
  ]),
]

async function locked(
  t: Trial,
  headers: Pairs = {},
): Promise<{ bucket: string; versionId: string }> {
  const bucket = await t.shared('locked')
  return { bucket, versionId: await t.putVersion(bucket, t.key, 'data', headers) }
}

const GOVERNANCE = {
  'x-amz-object-lock-mode': 'GOVERNANCE',
  'x-amz-object-lock-retain-until-date': soon(),
}

/** Compliance cannot be undone: its versions stay in the bucket, so its end is near. */
const compliance = (): Pairs => ({
  'x-amz-object-lock-mode': 'COMPLIANCE',
  'x-amz-object-lock-retain-until-date': new Date(Date.now() + 20_000).toISOString(),
})

const retention: readonly Rule[] = [
  rule('4.9', 'retention by header is shown in reads', async (t) => {
    const { bucket } = await locked(t, GOVERNANCE)
    ;(await t.head(bucket, t.key))
      .is(200)
      .has('x-amz-object-lock-mode', 'GOVERNANCE')
      .has('x-amz-object-lock-retain-until-date', /^\d{4}-\d\d-\d\dT/)
    ;(await t.of('GET', bucket, t.key, { retention: '' })).is(200).shows('Mode', 'GOVERNANCE')
  }),
  rule('4.9', 'retention by document is shown in reads', async (t) => {
    const { bucket, versionId } = await locked(t)
    ;(await retain(t, bucket, retentionDocument('GOVERNANCE', soon()))).is(200)
    ;(await t.head(bucket, t.key)).has('x-amz-object-lock-mode', 'GOVERNANCE')
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(403, 'AccessDenied')
  }),
  rule('4.9', 'a date with fractions of a second is taken', async (t) => {
    const { bucket } = await locked(t)
    ;(
      await retain(
        t,
        bucket,
        retentionDocument('GOVERNANCE', new Date(Date.now() + DAY_MS).toISOString()),
      )
    ).is(200)
    ;(await t.of('GET', bucket, t.key, { retention: '' }))
      .is(200)
      .mentions(/T\d\d:\d\d:\d\d(\.\d+)?Z/)
  }),
  ...rules(
    '4.9',
    [
      ['an unknown mode', retentionDocument('ABCD', soon()), 'MalformedXML'],
      ['a mode in lower case', retentionDocument('governance', soon()), 'MalformedXML'],
      ['a date in the past', retentionDocument('GOVERNANCE', soon(-1)), 'InvalidArgument'],
      ['a mode without date', '<Retention><Mode>GOVERNANCE</Mode></Retention>', 'MalformedXML'],
      [
        'a date without mode',
        `<Retention><RetainUntilDate>${soon()}</RetainUntilDate></Retention>`,
        'MalformedXML',
      ],
      ['a date that is none', retentionDocument('GOVERNANCE', 'tomorrow'), 'MalformedXML'],
      ['broken XML', '<Retention>', 'MalformedXML'],
    ] as const,
    ([what, document, code]) => [
      `retention with ${what} is refused`,
      async (t) => {
        const { bucket } = await locked(t)
        ;(await retain(t, bucket, document)).is(400, code)
      },
    ],
  ),
  rule('4.9', 'retention without integrity header is refused', async (t) => {
    const { bucket } = await locked(t)
    ;(
      await retain(t, bucket, retentionDocument('GOVERNANCE', soon()), { 'content-md5': undefined })
    ).is(400, 'MissingContentMD5', 'InvalidRequest')
  }),
  rule('4.9', 'governance keeps a version from deletion', async (t) => {
    const { bucket, versionId } = await locked(t, GOVERNANCE)
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(403, 'AccessDenied')
    ;(await t.get(bucket, t.key)).is(200)
  }),
  rule('4.9', 'governance is bypassed by the header', async (t) => {
    const { bucket, versionId } = await locked(t, GOVERNANCE)
    ;(await t.delete(bucket, t.key, BYPASS, { versionId })).is(204)
  }),
  rule('4.9', 'a protected object gets a marker', async (t) => {
    const { bucket, versionId } = await locked(t, GOVERNANCE)
    ;(await t.delete(bucket, t.key)).is(204).has('x-amz-delete-marker', 'true')
    ;(await t.get(bucket, t.key, {}, { versionId })).is(200)
  }),
  rule('4.9', 'a protected object gets a new version', async (t) => {
    const { bucket, versionId } = await locked(t, GOVERNANCE)
    ;(await t.put(bucket, t.key, 'new')).is(200)
    ;(await t.get(bucket, t.key, {}, { versionId })).contains('data')
  }),
  rule('4.9', 'a delete marker is never protected', async (t) => {
    const { bucket } = await locked(t, GOVERNANCE)
    const versionId = (await t.delete(bucket, t.key)).header('x-amz-version-id')
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(204)
    ;(await t.get(bucket, t.key)).is(200)
  }),
  rule('4.9', 'governance is extended freely, shortened only with the bypass', async (t) => {
    const { bucket } = await locked(t, GOVERNANCE)
    ;(await retain(t, bucket, retentionDocument('GOVERNANCE', soon(3)))).is(200)
    ;(await retain(t, bucket, retentionDocument('GOVERNANCE', soon(2)))).is(403, 'AccessDenied')
    ;(await retain(t, bucket, retentionDocument('GOVERNANCE', soon(2)), BYPASS)).is(200)
  }),
  rule('4.9', 'governance is removed only with the bypass', async (t) => {
    const { bucket, versionId } = await locked(t, GOVERNANCE)
    ;(await retain(t, bucket, '<Retention/>')).is(403, 'AccessDenied')
    ;(await retain(t, bucket, '<Retention/>', BYPASS)).is(200)
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(204)
  }),
  rule('4.9', 'compliance keeps a version from everybody', async (t) => {
    const { bucket, versionId } = await locked(t, compliance())
    ;(await t.delete(bucket, t.key, BYPASS, { versionId })).is(403, 'AccessDenied')
    ;(await retain(t, bucket, retentionDocument('GOVERNANCE', soon()), BYPASS)).is(
      403,
      'AccessDenied',
    )
    ;(await retain(t, bucket, '<Retention/>', BYPASS)).is(403, 'AccessDenied')
  }),
  rule('4.9', 'DeleteObjects keeps to retention entry by entry', async (t) => {
    const { bucket, versionId } = await locked(t, GOVERNANCE)
    const free = await t.putVersion(bucket, t.key, 'free')
    const document = `<Delete>${[versionId, free].map((id) => `<Object><Key>${t.key}</Key><VersionId>${id}</VersionId></Object>`).join('')}</Delete>`
    ;(await t.deleteMany(bucket, document))
      .is(200)
      .shows('Error.Code', 'AccessDenied')
      .shows('Error.VersionId', versionId)
      .shows('Deleted.VersionId', free)
    ;(await t.deleteMany(bucket, document, BYPASS)).is(200).shows('Error.Code')
  }),
  rule('4.9', 'a copy does not inherit the lock', async (t) => {
    const { bucket } = await locked(t, GOVERNANCE)
    ;(await t.copy(bucket, `${t.key}-copy`, `${bucket}/${t.key}`)).is(200)
    ;(await t.head(bucket, `${t.key}-copy`)).is(200).has('x-amz-object-lock-mode', null)
  }),
  rule('4.9', 'a copy takes lock headers', async (t) => {
    const { bucket } = await locked(t)
    ;(await t.copy(bucket, `${t.key}-copy`, `${bucket}/${t.key}`, GOVERNANCE)).is(200)
    ;(await t.head(bucket, `${t.key}-copy`)).has('x-amz-object-lock-mode', 'GOVERNANCE')
  }),
  rule('4.9', 'an upload takes lock headers at its beginning', async (t) => {
    const bucket = await t.shared('locked')
    await t.multipart(bucket, t.key, ['x'], {
      ...GOVERNANCE,
      'x-amz-object-lock-legal-hold': 'OFF',
    })
    ;(await t.head(bucket, t.key))
      .has('x-amz-object-lock-mode', 'GOVERNANCE')
      .has('x-amz-object-lock-legal-hold', 'OFF')
  }),
  rule('4.9', 'the default of the bucket holds for new versions', async (t) => {
    const bucket = await t.own('locked')
    ;(await putLock(t, bucket, defaultRule('<Mode>GOVERNANCE</Mode><Days>1</Days>'))).is(200)
    const versionId = await t.putVersion(bucket, t.key)
    ;(await t.head(bucket, t.key)).has('x-amz-object-lock-mode', 'GOVERNANCE')
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(403, 'AccessDenied')
  }),
  rule('4.9', 'the default holds beside a legal hold of the request', async (t) => {
    const bucket = await t.own('locked')
    ;(await putLock(t, bucket, defaultRule('<Mode>GOVERNANCE</Mode><Days>1</Days>'))).is(200)
    await t.putVersion(bucket, t.key, 'x', { 'x-amz-object-lock-legal-hold': 'OFF' })
    ;(await t.head(bucket, t.key))
      .has('x-amz-object-lock-mode', 'GOVERNANCE')
      .has('x-amz-object-lock-legal-hold', 'OFF')
  }),
  ...rules(
    '4.9',
    [
      ['a mode without date', { 'x-amz-object-lock-mode': 'GOVERNANCE' }],
      ['a date without mode', { 'x-amz-object-lock-retain-until-date': soon() }],
      [
        'an unknown mode',
        { 'x-amz-object-lock-mode': 'X', 'x-amz-object-lock-retain-until-date': soon() },
      ],
      [
        'a date in the past',
        { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': soon(-1) },
      ],
      [
        'a date that is none',
        { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': 'x' },
      ],
      ['an unknown hold', { 'x-amz-object-lock-legal-hold': 'MAYBE' }],
    ] as const,
    ([what, headers]) => [
      `a write with lock headers of ${what} is refused`,
      async (t) => {
        const bucket = await t.shared('locked')
        ;(await t.put(bucket, t.key, 'x', headers)).is(400, 'InvalidRequest', 'InvalidArgument')
        ;(await t.head(bucket, t.key)).is(404)
      },
    ],
  ),
  rule('4.9', 'a write with lock headers in a bucket without lock is refused', async (t) => {
    const bucket = await t.shared()
    ;(await t.put(bucket, t.key, 'x', GOVERNANCE)).is(400, 'InvalidRequest')
  }),
]

const holds: readonly Rule[] = [
  rule('4.9', 'a legal hold keeps a version from everybody until it is lifted', async (t) => {
    const { bucket, versionId } = await locked(t)
    ;(await hold(t, bucket, holdDocument('ON'))).is(200)
    ;(await t.head(bucket, t.key)).has('x-amz-object-lock-legal-hold', 'ON')
    ;(await t.of('GET', bucket, t.key, { 'legal-hold': '' })).is(200).shows('Status', 'ON')
    ;(await t.delete(bucket, t.key, BYPASS, { versionId })).is(403, 'AccessDenied')
    ;(await hold(t, bucket, holdDocument('OFF'))).is(200)
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(204)
  }),
  rule('4.9', 'a legal hold by header holds', async (t) => {
    const { bucket, versionId } = await locked(t, { 'x-amz-object-lock-legal-hold': 'ON' })
    ;(await t.delete(bucket, t.key, {}, { versionId })).is(403, 'AccessDenied')
    ;(await hold(t, bucket, holdDocument('OFF'))).is(200)
  }),
  ...rules(
    '4.9',
    [
      ['an unknown status', holdDocument('abcd')],
      ['no status', '<LegalHold></LegalHold>'],
      ['broken XML', '<LegalHold>'],
    ] as const,
    ([what, document]) => [
      `a legal hold with ${what} is refused`,
      async (t) => {
        const { bucket } = await locked(t)
        ;(await hold(t, bucket, document)).is(400, 'MalformedXML')
      },
    ],
  ),
]

const faults: readonly Rule[] = [
  rule('4.9', 'a lock configuration without a body is refused', async (t) => {
    const bucket = await t.own()
    ;(await t.sub('PUT', bucket, { 'object-lock': '' }, '')).is(400, 'MissingRequestBodyError')
  }),
  rule('4.9', 'a bucket that does not exist is told before its document', async (t) => {
    ;(
      await t.of('PUT', t.name(), t.key, { 'legal-hold': '' }, 'x', {
        'content-md5': 'ndTkYSaMgDT1yFZOFVxnpg==',
      })
    ).isOne(404)
  }),
]

export const locks: readonly Rule[] = [...configuration, ...retention, ...holds, ...faults]
