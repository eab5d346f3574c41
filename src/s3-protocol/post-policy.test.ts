import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPostPolicy, parsePostPolicy } from './post-policy.ts'

function base64(document: unknown): string {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  return Buffer.from(text).toString('base64')
}

const EXPIRATION = '2030-01-01T00:00:00Z'

function check(conditions: readonly unknown[], fields: Readonly<Record<string, string>>): void {
  const policy = parsePostPolicy(base64({ expiration: EXPIRATION, conditions }))
  const form = { fields: new Map(Object.entries(fields)), repeated: new Set<string>() }
  checkPostPolicy(policy, form, Date.parse('2029-01-01T00:00:00Z'))
}

test('conditions hold for exact values and beginnings', () => {
  check([{ bucket: 'b' }, ['starts-with', '$key', 'a/']], { bucket: 'b', key: 'a/1' })
  check([['starts-with', '$Content-Type', 'image/']], { 'content-type': 'image/png, image/gif' })
  check([{ 'x-amz-meta-empty': '' }], {})
})

for (const [what, conditions, fields] of [
  ['another value', [{ key: 'a' }], { key: 'b' }],
  ['another beginning', [['starts-with', '$key', 'a']], { key: 'b' }],
  ['a beginning where only a value counts', [['starts-with', '$bucket', 'b']], { bucket: 'b' }],
  ['a field that nothing names', [{ key: 'a' }], { key: 'a', 'x-amz-meta-a': 'b' }],
  [
    'a type that is not in the list',
    [['starts-with', '$content-type', 'a/']],
    { 'content-type': 'a/b, c/d' },
  ],
] as const) {
  test(`a form with ${what} is refused`, () => {
    assert.throws(() => check(conditions, fields), { code: 'AccessDenied' })
  })
}

test('a field that came twice fails its condition', () => {
  const policy = parsePostPolicy(base64({ expiration: EXPIRATION, conditions: [{ key: 'a' }] }))
  const form = { fields: new Map([['key', 'a']]), repeated: new Set(['key']) }
  assert.throws(() => checkPostPolicy(policy, form, 0), { code: 'AccessDenied' })
})

test('a policy ends at its expiration', () => {
  const policy = parsePostPolicy(base64({ expiration: EXPIRATION, conditions: [] }))
  const form = { fields: new Map<string, string>(), repeated: new Set<string>() }
  checkPostPolicy(policy, form, Date.parse(EXPIRATION) - 1)
  assert.throws(() => checkPostPolicy(policy, form, Date.parse(EXPIRATION)), /Policy expired/)
})

test('several ranges count together', () => {
  const conditions = [
    ['content-length-range', 1, 100],
    ['content-length-range', '5', '200'],
  ]
  const policy = parsePostPolicy(base64({ expiration: EXPIRATION, conditions }))
  assert.deepEqual([policy.sizeMinBytes, policy.sizeMaxBytes], [5, 100])
})

for (const [what, document] of [
  ['a member twice', `{"expiration":"${EXPIRATION}","expiration":"${EXPIRATION}","conditions":[]}`],
  ['conditions twice', `{"expiration":"${EXPIRATION}","conditions":[],"conditions":[{"key":""}]}`],
  ['a value that is no text', { expiration: EXPIRATION, conditions: [{ key: 1 }] }],
  ['a condition of four', { expiration: EXPIRATION, conditions: [['eq', '$key', 'a', 'b']] }],
  [
    'a range of texts that are no numbers',
    { expiration: EXPIRATION, conditions: [['content-length-range', 'a', 'b']] },
  ],
] as const) {
  test(`a policy with ${what} is invalid`, () => {
    assert.throws(() => parsePostPolicy(base64(document)), { code: 'InvalidPolicyDocument' })
  })
}

test('the words of members inside values are no members', () => {
  const document = { expiration: EXPIRATION, conditions: [{ 'x-amz-meta-a': '"conditions":' }] }
  assert.equal(parsePostPolicy(base64(document)).conditions.length, 1)
})
