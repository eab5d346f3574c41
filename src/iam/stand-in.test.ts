import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policyForMinio } from './stand-in.ts'

const OPEN = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::box/*',
}

function forMinio(...statements: readonly Record<string, unknown>[]): unknown {
  const text = policyForMinio(JSON.stringify({ Version: '2012-10-17', Statement: statements }))
  return text === '' ? 'none' : statementsOf(text)
}

function statementsOf(text: string): unknown {
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'Statement' in parsed
    ? parsed.Statement
    : undefined
}

test('what MinIO reads stays as it is, to the byte', () => {
  const text = `{ "Version": "2012-10-17",  "Statement": [${JSON.stringify(OPEN)}] }`
  assert.equal(policyForMinio(text), text)
})

test('the older version becomes the one that MinIO knows', () => {
  const old = JSON.stringify({ Version: '2008-10-17', Statement: [OPEN] })
  assert.deepEqual(JSON.parse(policyForMinio(old)), { Version: '2012-10-17', Statement: [OPEN] })
})

test('a missing version is added', () => {
  const text = JSON.stringify({ Statement: [OPEN] })
  assert.deepEqual(JSON.parse(policyForMinio(text)), { Version: '2012-10-17', Statement: [OPEN] })
})

/** Conditions that MinIO cannot read. */
const STRANGE: readonly Record<string, unknown>[] = [
  { ArnLike: { 'aws:SourceArn': 'arn:a:b:c:d:e' } },
  { StringEqualsIfExists: { 'aws:Referer': 'x' } },
  { StringEquals: { 'aws:SourceVpc': 'x' } },
  { StringEquals: { 's3:X-Amz-Storage-Class': 'STANDARD' } },
  { StringLike: { 's3:x-amz-acl': 'public*' } },
  { IpAddress: { 'aws:sourceip': '10.0.0.0/8' } },
  { StringEquals: { 's3:VersionId': 'x' } },
  { Null: { 's3:if-none-match': 'true' } },
  { Bool: { 's3:ObjectCreationOperation': 'true' } },
]

for (const condition of STRANGE) {
  test(`with ${JSON.stringify(condition)} less is allowed and more denied`, () => {
    assert.deepEqual(forMinio(OPEN, { ...OPEN, Condition: condition }), [OPEN])
    assert.equal(forMinio({ ...OPEN, Condition: condition }), 'none')
    const deny = { ...OPEN, Effect: 'Deny' }
    assert.deepEqual(forMinio({ ...deny, Condition: condition }), [deny])
  })
}

test('of principals the accounts stay', () => {
  const service = { Service: 'logging.s3.amazonaws.com' }
  assert.equal(forMinio({ ...OPEN, Principal: service }), 'none')
  assert.deepEqual(forMinio({ ...OPEN, Principal: { ...service, AWS: '*' } }), [
    { ...OPEN, Principal: { AWS: '*' } },
  ])
})

test('actions without a resource of their kind go, or leave what applies', () => {
  const bucket = 'arn:aws:s3:::box'
  assert.equal(forMinio({ ...OPEN, Action: 's3:Foo*' }), 'none')
  assert.equal(forMinio({ ...OPEN, Action: 's3:GetObjectAcl' }), 'none')
  assert.deepEqual(forMinio({ ...OPEN, Action: ['s3:Foo*', 's3:GetObject'] }), [
    { ...OPEN, Action: ['s3:GetObject'] },
  ])
  assert.deepEqual(forMinio({ ...OPEN, Action: 's3:ListBucket*', Resource: bucket }), [
    { ...OPEN, Action: 's3:ListBucket*', Resource: bucket },
  ])
  assert.deepEqual(forMinio({ ...OPEN, Action: 's3:List*Uploads*', Resource: bucket }), [
    { ...OPEN, Action: 's3:List*Uploads*', Resource: bucket },
  ])
  assert.doesNotMatch(
    JSON.stringify(forMinio({ ...OPEN, Action: 's3:*', Resource: bucket })),
    /\*"\]|s3:\*|Object"/,
  )
  assert.deepEqual(forMinio({ ...OPEN, Action: 's3:*Multipart*', Resource: bucket }), [
    { ...OPEN, Action: ['s3:ListBucketMultipartUploads'], Resource: bucket },
  ])
})
