import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPostPolicy, isFormType, parsePostPolicy } from './post-policy.ts'

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

test('a form is one in any case, and nothing else that names the type', () => {
  for (const type of ['multipart/form-data', 'Multipart/Form-Data; boundary=x']) {
    assert.ok(isFormType(type), type)
  }
  for (const type of [undefined, '', 'text/plain; multipart/form-data', 'multipart/mixed']) {
    assert.ok(!isFormType(type), String(type))
  }
})

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

for (const [condition, told] of [
  [['eq', '$Key', 'a"b'], '["eq","$Key","a\\"b"]'],
  [['starts-with', '$key', 'x/'], '["starts-with","$key","x/"]'],
  [{ 'Content-Type': 'a/b' }, '["eq", "$Content-Type", "a/b"]'],
  [['eq', 'key', 'a'], '["eq","key","a"]'],
  [['eq', '$x-amz-checksum-crc32c', 'AA=='], '[eq, $x-amz-checksum-crc32c, AA==]'],
] as const) {
  test(`a condition that fails is told as ${told}`, () => {
    assert.throws(() => check([condition], { key: 'a' }), {
      code: 'AccessDenied',
      message: `Invalid according to Policy: Policy Condition failed: ${told}`,
    })
  })
}

for (const [policy, told] of [
  ['', "Expecting '{' but found End-of-Input"],
  ['no_base64', 'invalid Base64 encoding.'],
  [base64('hello'), 'Invalid JSON.'],
  [base64([]), 'Invalid JSON.'],
  [base64({ conditions: [] }), 'Policy missing expiration.'],
  [base64({ expiration: 1, conditions: [] }), 'Invalid JSON.'],
  [base64({ expiration: 'x', conditions: [] }), "Invalid 'expiration' value: 'x'"],
  [base64({ expiration: EXPIRATION }), 'Policy missing conditions.'],
  [
    base64({ expiration: EXPIRATION, conditions: {} }),
    "Invalid 'conditions' value: must be a List.",
  ],
  [base64({ expiration: EXPIRATION, conditions: [], more: 1 }), 'Unexpected: "more"'],
] as const) {
  test(`the policy ${policy} is refused with "${told}"`, () => {
    assert.throws(() => parsePostPolicy(policy), {
      code: 'InvalidPolicyDocument',
      message: `Invalid Policy: ${told}`,
    })
  })
}

for (const [condition, told] of [
  [true, 'Invalid condition test: must be a List or Object.'],
  [[], 'Invalid Condition: missing operation identifier.'],
  [['ends-with', '$key', 'a'], "Invalid Condition: unknown operation 'ends-with'."],
  [['eq', '$key'], 'Invalid eq: wrong number of arguments.'],
  [['content-length-range', 1], 'Invalid content-length-range: wrong number of arguments.'],
  [['content-length-range', -1, 1], 'Invalid content-length-range'],
  [['eq', '$key', 1], 'Invalid JSON.'],
  [{ key: 1 }, 'Invalid Simple-Condition: value must be a string.'],
  [
    { key: 'a', acl: 'b' },
    'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
  ],
] as const) {
  test(`the condition ${JSON.stringify(condition)} is refused`, () => {
    const policy = base64({ expiration: EXPIRATION, conditions: [condition] })
    assert.throws(() => parsePostPolicy(policy), {
      code: 'InvalidPolicyDocument',
      message: `Invalid Policy: ${told}`,
    })
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
