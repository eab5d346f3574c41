/** Policies of any shape are parsed or refused with a `PolicyError`; those parsed can be asked anything. */
import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { fuzz } from '#testing/fuzz'
import { decide, isPublicPolicy, parseBucketPolicy, PolicyError } from './policy.ts'
import { policyForMinio } from './stand-in.ts'

const NAMES = [
  'Version',
  'Statement',
  'Effect',
  'Principal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
  'Sid',
  'AWS',
  'StringLike',
  'ArnLike',
  'BinaryEquals',
  'ForAllValues:StringNotEqualsIfExists',
  's3:x-amz-copy-source',
  'IpAddress',
  'Bool',
  'Null',
  'NumericEquals',
  'DateEquals',
  'aws:SourceIp',
  'aws:Referer',
  's3:prefix',
  '__proto__',
  'constructor',
  'statement',
]
const TEXTS = [
  '2012-10-17',
  'Allow',
  'Deny',
  '*',
  's3:*',
  's3:GetObject',
  's3:Get*',
  's3:Foo*',
  '2008-10-17',
  'arn:aws:s3:::box',
  'arn:aws:s3:::box/*',
  'arn:aws:s3:::b?x/${aws:username}',
  '10.0.0.0/8',
  'true',
  '5',
  '2024-01-01T00:00:00Z',
  '',
  '${',
  '\ud800',
]

function value(random: Random, depth: number): unknown {
  switch (random.below(depth > 5 ? 4 : 8)) {
    case 0:
      return random.below(10)
    case 1:
      return random.below(2) === 0
    case 2:
    case 3:
      return TEXTS[random.below(TEXTS.length)]
    case 4:
      return null
    case 5:
      return Array.from({ length: random.below(4) }, () => value(random, depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(7) }, () => [
          NAMES[random.below(NAMES.length)],
          value(random, depth + 1),
        ]),
      )
  }
}

function policyText(random: Random): string {
  const statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::box/*',
  }
  const changed = { ...statement, [NAMES[random.below(NAMES.length)] ?? '']: value(random, 2) }
  const whole =
    random.below(4) === 0 ? value(random, 0) : { Version: '2012-10-17', Statement: [changed] }
  const text = JSON.stringify(whole)
  return random.below(8) === 0 ? text.slice(0, random.below(text.length + 1)) : text
}

fuzz('bucket policies', (random) => {
  const text = policyText(random)
  let policy: ReturnType<typeof parseBucketPolicy>
  try {
    policy = parseBucketPolicy(text, 'box')
  } catch (error) {
    if (error instanceof PolicyError) return
    throw error
  }
  isPublicPolicy(policy)
  const hasValues = random.below(2) === 0
  const question = {
    account: '',
    action: 's3:GetObject',
    bucket: 'box',
    key: String(TEXTS[random.below(TEXTS.length)]),
    values: (key: string) => (hasValues ? [key, '10.1.1.1'] : undefined),
  }
  const decision = decide(policy, question)
  const standIn = policyForMinio(text)
  if (standIn === '') return
  const other = decide(parseBucketPolicy(standIn, 'box'), question)
  if (other === 'allow') assert.equal(decision, 'allow', standIn)
  if (decision === 'deny') assert.equal(other, 'deny', standIn)
})
