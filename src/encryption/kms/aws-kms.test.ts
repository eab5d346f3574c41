import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureText } from './aws-kms.ts'

function errorOf(name: string, message: string): Error {
  return Object.assign(new Error(message), { name })
}

test('a failure says what the client says, and what to do where credentials are missing', () => {
  assert.equal(
    failureText(errorOf('AccessDeniedException', 'User: arn:aws:iam::1:user/u may not')),
    'AccessDeniedException: User: arn:aws:iam::1:user/u may not',
  )
  assert.equal(failureText(new Error('connect ECONNREFUSED')), 'connect ECONNREFUSED')
  assert.match(
    failureText(errorOf('CredentialsProviderError', 'Could not load credentials')),
    /^CredentialsProviderError: Could not load credentials: set AWS_ACCESS_KEY_ID .* AWS_PROFILE/,
  )
})

test('a failure shows no secret that the text of the client holds', () => {
  const signed = 'The signature does not match.\n\nx-amz-security-token:secret'
  assert.equal(
    failureText(errorOf('InvalidSignatureException', signed)),
    'InvalidSignatureException: The signature does not match.',
  )
  const command = errorOf('CredentialsProviderError', 'Command failed: get-key --password secret')
  assert.doesNotMatch(failureText(command), /secret$|get-key/)
})
