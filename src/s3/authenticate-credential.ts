import type { HttpRequest } from '#http/http'
import type { Query } from '#s3-protocol/query'
import { S3Error } from '#s3-protocol/s3-error'
import type { Credential, SchemePorts } from './authenticate.ts'
import type { Identity } from './s3.ts'

/** Whose key it is that signed (s3-api.md 2.2). */

/** The credential of an access key, if the token that came with it is its own. Throws the errors of 2.2. */
export async function credentialOf(
  ports: SchemePorts,
  accessKey: string,
  token: string | undefined,
): Promise<Credential> {
  const found = ports.credentials.find(accessKey)
  // The root key is known at once: no turn of the event loop for it.
  const credential = found instanceof Promise ? await found : found
  if (credential === undefined) throw unknownKey(accessKey)
  if (credential.isDisabled === true) {
    throw new S3Error('InvalidAccessKeyId', {
      message: 'Your account is disabled; please contact your administrator.',
    })
  }
  if (credential.sessionToken === undefined && (token ?? '') !== '') {
    throw new S3Error('InvalidToken')
  }
  if ((credential.sessionToken ?? '') !== (token ?? '')) throw new S3Error('InvalidTokenId')
  if (credential.expiresMs !== undefined && credential.expiresMs <= ports.clock.nowMs()) {
    throw unknownKey(accessKey)
  }
  return credential
}

function unknownKey(accessKey: string): S3Error {
  return new S3Error('InvalidAccessKeyId', { elements: [['AWSAccessKeyId', accessKey]] })
}

export function identityOf(credential: Credential): Identity {
  return { accessKey: credential.accessKey, isOwner: credential.isOwner }
}

/** The token of temporary credentials, from header or query. */
export function tokenOf(request: HttpRequest, query: Query): string | undefined {
  return request.header('x-amz-security-token') ?? query.get('X-Amz-Security-Token')
}
