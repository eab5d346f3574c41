import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decide,
  isPublicPolicy,
  mayDenyBelow,
  mightAllow,
  parseBucketPolicy,
  PolicyError,
  type Question,
} from './policy.ts'

const NOTHING = (): undefined => undefined

function ask(over: Partial<Question> = {}): Question {
  return {
    account: '',
    action: 's3:GetObject',
    bucket: 'box',
    key: 'a/one.txt',
    values: NOTHING,
    ...over,
  }
}

function statement(over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    Effect: 'Allow',
    Principal: { AWS: ['*'] },
    Action: ['s3:GetObject'],
    Resource: ['arn:aws:s3:::box/*'],
    ...over,
  }
}

function policy(...statements: Record<string, unknown>[]) {
  return parseBucketPolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), 'box')
}

function values(map: Record<string, readonly string[]>): Question['values'] {
  const all = new Map(Object.entries(map))
  return (key) => all.get(key)
}

test('an allow of another action, key or principal says nothing', () => {
  const open = policy(statement())
  assert.equal(decide(open, ask()), 'allow')
  assert.equal(decide(open, ask({ action: 's3:PutObject' })), 'none')
  assert.equal(decide(open, ask({ bucket: 'other' })), 'none')
  assert.equal(decide(open, ask({ action: 's3:ListBucket', key: '' })), 'none')
  const named = policy(statement({ Principal: { AWS: 'arn:aws:iam:::user/me' } }))
  assert.equal(decide(named, ask()), 'none')
  assert.equal(decide(policy(statement({ Principal: '*' })), ask()), 'allow')
})

test('a deny wins wherever it stands', () => {
  const deny = statement({ Effect: 'Deny', Resource: 'arn:aws:s3:::box/a/*' })
  assert.equal(decide(policy(statement(), deny), ask()), 'deny')
  assert.equal(decide(policy(deny, statement()), ask()), 'deny')
  assert.equal(decide(policy(deny, statement()), ask({ key: 'b' })), 'allow')
})

test('a slash in front belongs to the key', () => {
  const only = policy(statement({ Resource: 'arn:aws:s3:::box/a/*' }))
  assert.equal(decide(only, ask({ key: '/a/b' })), 'none')
  const slashed = policy(statement({ Resource: 'arn:aws:s3:::box//a/*' }))
  assert.equal(decide(slashed, ask({ key: '/a/b' })), 'allow')
  assert.equal(decide(slashed, ask({ key: 'a/b' })), 'none')
})

test('NotAction and NotResource turn the match around', () => {
  const notAction = policy(statement({ Action: undefined, NotAction: 's3:PutObject' }))
  assert.equal(decide(notAction, ask()), 'allow')
  assert.equal(decide(notAction, ask({ action: 's3:PutObject' })), 'none')
  const notResource = policy(
    statement({ Resource: undefined, NotResource: 'arn:aws:s3:::box/secret/*' }),
  )
  assert.equal(decide(notResource, ask()), 'allow')
  assert.equal(decide(notResource, ask({ key: 'secret/x' })), 'none')
})

/** Operator, key, wanted, given, met. */
const CONDITIONS: readonly (readonly [
  string,
  string,
  unknown,
  readonly string[] | undefined,
  boolean,
])[] = [
  ['StringEquals', 'aws:UserAgent', ['a', 'b'], ['b'], true],
  ['StringEquals', 'aws:UserAgent', 'a', ['A'], false],
  ['StringEquals', 'aws:UserAgent', 'a', undefined, false],
  ['StringEqualsIfExists', 'aws:UserAgent', 'a', undefined, true],
  ['StringNotEquals', 'aws:UserAgent', 'a', ['b'], true],
  ['StringNotEquals', 'aws:UserAgent', 'a', ['a'], false],
  ['StringNotEquals', 'aws:UserAgent', 'a', undefined, true],
  ['StringEqualsIgnoreCase', 'aws:UserAgent', 'a', ['A'], true],
  ['StringNotEqualsIgnoreCase', 'aws:UserAgent', 'a', ['A'], false],
  ['StringLike', 'aws:Referer', 'http://ok/*', ['http://ok/x'], true],
  ['StringLike', 'aws:Referer', 'http://ok/*', ['http://bad/x'], false],
  ['StringLike', 'aws:Referer', 'http://ok/*', undefined, false],
  ['StringNotLike', 'aws:Referer', 'http://ok/*', ['http://ok/x'], false],
  ['StringNotLike', 'aws:Referer', 'http://ok/*', undefined, true],
  ['ForAllValues:StringEquals', 'aws:groups', ['a', 'b'], ['a', 'b'], true],
  ['ForAllValues:StringEquals', 'aws:groups', ['a'], ['a', 'b'], false],
  ['ForAllValues:StringEquals', 'aws:groups', ['a'], undefined, true],
  ['ForAnyValue:StringEquals', 'aws:groups', ['a'], ['a', 'b'], true],
  ['ForAnyValue:StringEquals', 'aws:groups', ['a'], undefined, false],
  ['ForAllValues:StringNotEquals', 'aws:groups', ['a'], ['a', 'b'], false],
  ['ForAllValues:StringNotEquals', 'aws:groups', ['a'], undefined, true],
  ['ForAnyValue:StringNotEquals', 'aws:groups', ['a'], ['a', 'b'], true],
  ['BinaryEquals', 'aws:UserAgent', 'YWJj', ['abc'], true],
  ['BinaryEquals', 'aws:UserAgent', 'YWJj', ['YWJj'], false],
  ['IpAddress', 'aws:SourceIp', '10.0.0.0/8', ['10.1.2.3'], true],
  ['IpAddress', 'aws:SourceIp', '10.0.0.0/8', ['::ffff:10.1.2.3'], true],
  ['IpAddress', 'aws:SourceIp', '10.0.0.0/8', ['11.1.2.3'], false],
  ['IpAddress', 'aws:SourceIp', '10.1.2.3', ['10.1.2.3'], true],
  ['IpAddress', 'aws:SourceIp', '2001:db8::1', ['2001:db8::1'], true],
  ['IpAddress', 'aws:SourceIp', '2001:db8::1', ['2001:db8::2'], false],
  ['IpAddress', 'aws:SourceIp', '10.0.0.0/8', undefined, false],
  ['NotIpAddress', 'aws:SourceIp', '10.0.0.0/8', ['11.1.2.3'], true],
  ['NotIpAddress', 'aws:SourceIp', '10.0.0.0/8', ['10.1.2.3'], false],
  ['NotIpAddress', 'aws:SourceIp', '10.0.0.0/8', undefined, true],
  ['Bool', 'aws:SecureTransport', 'True', ['true'], true],
  ['Bool', 'aws:SecureTransport', false, ['true'], false],
  ['Null', 'aws:Referer', true, undefined, true],
  ['Null', 'aws:Referer', 'true', ['x'], false],
  ['Null', 'aws:Referer', 'false', ['x'], true],
  ['NumericEquals', 's3:signatureAge', 5, ['5'], true],
  ['NumericNotEquals', 's3:signatureAge', '5', ['6'], true],
  ['NumericNotEquals', 's3:signatureAge', '5', undefined, false],
  ['NumericLessThan', 's3:signatureAge', 5, ['4'], true],
  ['NumericLessThanEquals', 's3:signatureAge', 5, ['5'], true],
  ['NumericGreaterThan', 's3:signatureAge', 5, ['5'], false],
  ['NumericGreaterThanEquals', 's3:signatureAge', 5, ['5'], true],
  ['NumericGreaterThanIfExists', 's3:signatureAge', 5, undefined, true],
  ['NumericGreaterThanIfExists', 's3:signatureAge', 5, ['4'], false],
  ['DateEquals', 'aws:CurrentTime', '2030-01-01T00:00:00Z', ['2030-01-01T01:00:00+01:00'], true],
  ['DateNotEquals', 'aws:CurrentTime', '2030-01-01T00:00:00Z', ['2030-01-01T00:00:00Z'], false],
  ['DateLessThan', 'aws:CurrentTime', '2030-01-01T00:00:00Z', ['2029-01-01T00:00:00Z'], true],
  ['DateLessThanEquals', 'aws:CurrentTime', '2030-01-01T00:00:00Z', undefined, false],
  ['DateGreaterThan', 'aws:CurrentTime', '2030-01-01T00:00:00Z', ['2029-01-01T00:00:00Z'], false],
  ['DateGreaterThanEquals', 'aws:CurrentTime', '2030-01-01T00:00:00Z', ['x'], false],
]

for (const [operator, key, wanted, given, met] of CONDITIONS) {
  const text = `${operator} ${JSON.stringify(wanted)} on ${JSON.stringify(given ?? 'nothing')}`
  test(`condition ${text} is ${met ? 'met' : 'not met'}`, () => {
    const conditional = policy(statement({ Condition: { [operator]: { [key]: wanted } } }))
    const given_ = given === undefined ? NOTHING : values({ [key]: given })
    assert.equal(decide(conditional, ask({ values: given_ })), met ? 'allow' : 'none')
  })
}

for (const [operator, wanted, given, met] of [
  ['ArnEquals', 'arn:aws:s3:::x*', ['arn:aws:s3:::xy:z'], true],
  ['ArnLike', 'arn:*:s3:::box', ['arn:aws:s3:::box'], true],
  ['ArnLike', 'arn:*:box', ['arn:aws:s3:::box'], undefined],
  ['ArnLike', 'arn:*:*:*:*:box', ['arn:aws:s3:::other'], false],
  ['ArnNotLike', 'arn:aws:s3:::box', undefined, true],
  ['ArnNotEquals', 'arn:aws:s3:::box', ['arn:aws:s3:::box'], false],
  ['ArnLikeIfExists', 'arn:aws:s3:::box', undefined, true],
  ['ArnLike', 'arn:aws:s3:::box', undefined, false],
] as const) {
  test(`condition ${operator} ${wanted} on ${String(given)} is ${met ?? 'refused'}`, () => {
    const make = () => policy(statement({ Condition: { [operator]: { 'aws:SourceArn': wanted } } }))
    if (met === undefined) {
      assert.throws(make, PolicyError)
      return
    }
    const given_ = given === undefined ? NOTHING : values({ 'aws:SourceArn': given })
    assert.equal(decide(make(), ask({ values: given_ })), met ? 'allow' : 'none')
  })
}

test('conditions leave open what is allowed, and nothing else does', () => {
  const closed = policy(statement({ Condition: { StringEquals: { 'aws:Referer': 'x' } } }))
  assert.equal(decide(closed, ask()), 'none')
  assert.equal(mightAllow(closed, ask()), true)
  assert.equal(mightAllow(closed, ask({ action: 's3:PutObject' })), false)
  assert.equal(mightAllow(closed, ask({ bucket: 'other' })), false)
})

test('actions of AWS that are spelled differently here are the same', () => {
  const cors = policy(statement({ Action: 's3:PutBucketCORS', Resource: 'arn:aws:s3:::box' }))
  assert.equal(decide(cors, ask({ action: 's3:PutBucketCors', key: '' })), 'allow')
})

test('all operators and all keys of a condition must be met', () => {
  const both = policy(
    statement({
      Condition: { StringEquals: { 'aws:UserAgent': 'a', 'aws:Referer': 'b' } },
    }),
  )
  const all = values({ 'aws:UserAgent': ['a'], 'aws:Referer': ['b'] })
  assert.equal(decide(both, ask({ values: all })), 'allow')
  assert.equal(decide(both, ask({ values: values({ 'aws:UserAgent': ['a'] }) })), 'none')
})

test('variables are filled literally, and without a value allow nothing', () => {
  const own = policy(statement({ Resource: 'arn:aws:s3:::box/${aws:username}/*' }))
  const as = (name: string) => values({ 'aws:username': [name] })
  assert.equal(decide(own, ask({ key: 'me/x', values: as('me') })), 'allow')
  assert.equal(decide(own, ask({ key: 'you/x', values: as('*') })), 'none')
  assert.equal(decide(own, ask({ key: '*/x', values: as('*') })), 'allow')
  assert.equal(decide(own, ask({ key: '${aws:username}/x' })), 'none')
})

test('wildcards take any bytes, and hard patterns stay quick', () => {
  const hard = policy(statement({ Resource: `arn:aws:s3:::box/${'*a'.repeat(60)}*b` }))
  assert.equal(decide(hard, ask({ key: 'a'.repeat(1000) })), 'none')
  const one = policy(statement({ Resource: 'arn:aws:s3:::box/?' }))
  assert.equal(decide(one, ask({ key: 'x' })), 'allow')
  assert.equal(decide(one, ask({ key: 'é' })), 'none')
})

test('principals that are no accounts never apply, and are not the public', () => {
  for (const Principal of [{ Service: 'logging.s3.amazonaws.com' }, { Federated: '*' }]) {
    const parsed = policy(statement({ Principal }))
    assert.equal(decide(parsed, ask()), 'none')
    assert.equal(isPublicPolicy(parsed), false)
  }
  const both = policy(statement({ Principal: { Service: 'a.amazonaws.com', AWS: '*' } }))
  assert.equal(decide(both, ask()), 'allow')
})

test('a policy without a version is taken', () => {
  const text = JSON.stringify({ Statement: [statement()] })
  assert.equal(parseBucketPolicy(text, 'box').statements.length, 1)
})

const REFUSED: readonly (readonly [string, unknown])[] = [
  ['no JSON', 'nope'],
  ['an array', []],
  ['another version', { Version: '2020-01-01', Statement: [statement()] }],
  ['no statement', { Version: '2012-10-17', Statement: [] }],
  ['an unknown member', { Version: '2012-10-17', Statement: [statement({ NotPrincipal: '*' })] }],
]

for (const [what, document] of REFUSED) {
  test(`a policy with ${what} is refused`, () => {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    assert.throws(() => parseBucketPolicy(text, 'box'), PolicyError)
  })
}

function onBox(action: string): Record<string, unknown> {
  return { Action: action, Resource: 'arn:aws:s3:::box' }
}

const REFUSED_STATEMENTS: readonly (readonly [string, Record<string, unknown>])[] = [
  ['a wrong effect', { Effect: 'allow' }],
  ['no principal', { Principal: undefined }],
  ['another kind of principal', { Principal: { Robot: '*' } }],
  ['both Action and NotAction', { NotAction: 's3:PutObject' }],
  ['an empty action', { Action: [] }],
  ['an admin action', { Action: 'admin:ServerInfo' }],
  ['a resource of another bucket', { Resource: 'arn:aws:s3:::other/*' }],
  ['a resource that is no ARN', { Resource: 'box/*' }],
  ['a bucket action on keys only', { Action: 's3:ListBucket' }],
  ['an object action on the bucket only', { Resource: 'arn:aws:s3:::box' }],
  ['object actions by a pattern on the bucket only', onBox('s3:Abort*')],
  ['bucket actions by a pattern on keys only', { Action: 's3:GetBucket*' }],
  ['one good and one bad pattern', { Action: ['s3:Get*', 's3:???BucketVersioning'] }],
  ['an empty condition', { Condition: {} }],
  ['an unknown operator', { Condition: { Frob: { 'aws:Referer': 'x' } } }],
  ['a key of another action', { Condition: { StringEquals: { 's3:prefix': 'x' } } }],
  ['a float', { Condition: { NumericEquals: { 's3:signatureAge': 1.5 } } }],
  ['a repeated value', { Condition: { StringEquals: { 'aws:Referer': ['x', 'x'] } } }],
  ['two booleans', { Condition: { Bool: { 'aws:SecureTransport': [true, false] } } }],
  ['an address that is none', { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } } }],
]

for (const [what, over] of REFUSED_STATEMENTS) {
  test(`a statement with ${what} is refused`, () => {
    assert.throws(() => policy(statement(over)), PolicyError)
  })
}

test('a pattern of actions is taken where one of them has a resource of its kind', () => {
  const ofBucket = policy(statement(onBox('s3:*')))
  assert.equal(decide(ofBucket, ask({ action: 's3:ListBucket', key: '' })), 'allow')
  assert.equal(decide(ofBucket, ask()), 'none')
  const ofKeys = policy(statement({ Action: 's3:Get*' }))
  assert.equal(decide(ofKeys, ask()), 'allow')
  assert.equal(decide(ofKeys, ask({ action: 's3:GetBucketTagging', key: '' })), 'none')
})

test('what MinIO takes for a pattern of actions on objects is taken', () => {
  for (const Action of ['s3:*Bucket*', 's3:Reset*']) {
    assert.equal(policy(statement({ Action })).statements.length, 1)
  }
})

test('names of condition keys are compared without case', () => {
  const address = { IpAddress: { 'AWS:sourceip': '10.0.0.0/8' } }
  const inside = ask({ values: values({ 'aws:SourceIp': ['10.1.2.3'] }) })
  assert.equal(decide(policy(statement({ Condition: address })), inside), 'allow')
  const tag = { StringEquals: { 's3:existingobjecttag/Team': 'a' } }
  const tagged = ask({ values: values({ 's3:ExistingObjectTag/Team': ['a'] }) })
  assert.equal(decide(policy(statement({ Condition: tag })), tagged), 'allow')
})

test('the version is a key of the actions on versions, in the spelling of MinIO of others too', () => {
  const asked = ask({ values: values({ 's3:versionid': ['a'] }) })
  for (const [Action, key] of [
    ['s3:GetObject', 's3:versionid'],
    ['s3:GetObjectVersion', 's3:versionid'],
    ['s3:GetObjectVersion', 's3:VersionId'],
  ] as const) {
    const one = policy(statement({ Action, Condition: { StringEquals: { [key]: 'a' } } }))
    assert.equal(decide(one, asked), 'allow')
  }
  const misplaced = statement({ Condition: { StringEquals: { 's3:VersionId': 'a' } } })
  assert.throws(() => policy(misplaced), /^PolicyError: Conditions do not apply to /)
})

/** What is denied, a prefix, whether a key that begins with it may be denied. */
const BELOW: readonly (readonly [Record<string, unknown>, string, boolean])[] = [
  [{ Resource: 'arn:aws:s3:::box/a/b/*' }, '', true],
  [{ Resource: 'arn:aws:s3:::box/a/b/*' }, 'a/', true],
  [{ Resource: 'arn:aws:s3:::box/a/b/*' }, 'a/b/c', true],
  [{ Resource: 'arn:aws:s3:::box/a/b/*' }, 'b', false],
  [{ Resource: 'arn:aws:s3:::box/a/b' }, 'a', true],
  [{ Resource: 'arn:aws:s3:::box/a/b' }, 'a/b/', false],
  [{ Resource: 'arn:aws:s3:::box/*.txt' }, 'z', true],
  [{ Resource: 'arn:aws:s3:::box/${aws:username}/*' }, 'z', true],
  [{ Resource: undefined, NotResource: 'arn:aws:s3:::box/free/*' }, 'free/', false],
  [{ Resource: undefined, NotResource: 'arn:aws:s3:::box/free/*' }, 'f', true],
  [{ Action: 's3:DeleteObject' }, '', false],
  [{ Effect: 'Allow' }, '', false],
  [{ Condition: { StringEquals: { 's3:ExistingObjectTag/a': 'b' } } }, '', true],
  [{ Condition: { StringEquals: { 'aws:Referer': 'x' } } }, '', false],
]

for (const [over, key, expected] of BELOW) {
  test(`below "${key}" ${JSON.stringify(over)} ${expected ? 'may deny' : 'denies nothing'}`, () => {
    const denial = policy(statement({ Effect: 'Deny', ...over }))
    assert.equal(mayDenyBelow(denial, ask({ key })), expected)
  })
}

test('a key of another action is told before a resource of another kind', () => {
  const over = {
    Action: 's3:ListBucketMultipartUploads',
    Condition: { StringEquals: { 's3:prefix': 'x' } },
  }
  assert.throws(() => policy(statement(over)), /^PolicyError: Conditions do not apply to /)
})

test('names that are special in JavaScript are names like others', () => {
  const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
    "Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"__proto__":"x"}}}]}`
  assert.throws(() => parseBucketPolicy(text, 'box'), PolicyError)
})

/** Conditions of an open statement, and whether it is public with them. */
const PUBLIC: readonly (readonly [Record<string, unknown> | undefined, boolean])[] = [
  [undefined, true],
  [{ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, false],
  [{ IpAddress: { 'aws:SourceIp': ['10.1.0.0/16', '0.0.0.0/1'] } }, true],
  [{ IpAddress: { 'aws:SourceIp': '2001:db8::/32' } }, false],
  [{ IpAddress: { 'aws:SourceIp': '2001::/16' } }, true],
  [{ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, true],
  [{ IpAddressIfExists: { 'aws:SourceIp': '10.0.0.0/8' } }, true],
  [{ StringEquals: { 'aws:SourceVpc': 'vpc-1' } }, false],
  [{ StringLike: { 'aws:SourceVpc': 'vpc-*' } }, true],
  [{ StringNotEquals: { 'aws:SourceVpc': 'vpc-1' } }, true],
  [{ 'ForAllValues:StringEquals': { 'aws:SourceVpc': 'vpc-1' } }, true],
  [{ StringEquals: { 'aws:Referer': 'http://ok' } }, true],
  [{ ArnEquals: { 'aws:SourceArn': 'arn:aws:s3:::box' } }, false],
]

for (const [condition, expected] of PUBLIC) {
  test(`public with ${JSON.stringify(condition) ?? 'no condition'}: ${expected}`, () => {
    const over = condition === undefined ? {} : { Condition: condition }
    assert.equal(isPublicPolicy(policy(statement(over))), expected)
  })
}

test('what is allowed to somebody is not public', () => {
  assert.equal(isPublicPolicy(policy(statement({ Principal: { AWS: 'me' } }))), false)
  assert.equal(isPublicPolicy(policy(statement({ Effect: 'Deny' }))), false)
})
