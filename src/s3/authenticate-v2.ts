import { S3Error } from '#s3-protocol/s3-error'
import { type SignedV2Parts, signTextV2, stringToSignV2 } from '#s3-protocol/sigv2'
import { equalSignatures, UNSIGNED_PAYLOAD } from '#s3-protocol/sigv4'
import type {
  Authentication,
  Credential,
  SchemePorts,
  Scheme,
  SignedTarget,
} from './authenticate.ts'
import { credentialOf, identityOf, tokenOf } from './authenticate-credential.ts'
import { checkedWholeBodyRule, STREAMING } from './authenticate-payload.ts'
import { UNSUPPORTED_SCHEME } from './authenticate-scheme.ts'

/** Signature Version 2, in headers and in presigned URLs (s3-api.md 2.6). */

/** By the `Authorization` header. */
export async function authenticateHeaderV2(
  ports: SchemePorts,
  target: SignedTarget,
): Promise<Authentication> {
  const { request, query } = target
  const match = /^AWS +([^:]*(?::[^:]*)*):([A-Za-z0-9+/=]+)$/.exec(
    request.header('authorization') ?? '',
  )
  const [, accessKey = '', signature = ''] = match ?? []
  if (accessKey === '') throw new S3Error('InvalidArgument', { message: 'Invalid argument' })
  const credential = await credentialOf(ports, accessKey, tokenOf(request, query))
  const date = request.header('x-amz-date') === undefined ? (request.header('date') ?? '') : ''
  checkSignature(credential, signature, signedParts(target, date))
  return authenticated(target, credential, 'v2-header')
}

/** By the query of a presigned URL. */
export async function authenticatePresignedV2(
  ports: SchemePorts,
  target: SignedTarget,
): Promise<Authentication> {
  const { request, query } = target
  const raw = request.target.slice(request.target.indexOf('?') + 1)
  if (raw.split('&').some((item) => !item.includes('='))) {
    throw new S3Error('AuthorizationQueryParametersError')
  }
  const accessKey = query.get('AWSAccessKeyId')
  const signature = query.get('Signature')
  const expires = query.get('Expires')
  if (accessKey === undefined || signature === undefined || expires === undefined) {
    throw new S3Error('AuthorizationQueryParametersError')
  }
  if (!/^\d{1,15}$/.test(expires)) {
    throw new S3Error('AuthorizationQueryParametersError', {
      message: 'X-Amz-Expires should be a number',
    })
  }
  const credential = await credentialOf(ports, accessKey, tokenOf(request, query))
  if (Number(expires) * 1000 < ports.clock.nowMs()) {
    throw new S3Error('AccessDenied', { message: 'Request has expired.' })
  }
  checkSignature(credential, signature, signedParts(target, expires))
  return authenticated(target, credential, 'v2-presigned')
}

function signedParts({ request, query, resourcePath }: SignedTarget, date: string): SignedV2Parts {
  return {
    method: request.method,
    path: resourcePath,
    query,
    contentMd5: request.header('content-md5') ?? '',
    contentType: request.header('content-type') ?? '',
    date,
    rawHeaders: request.rawHeaders,
  }
}

/** V2 signs no hash of the body, but all `x-amz-*` headers: a declared one is then part of what was signed. */
function authenticated(
  target: SignedTarget,
  credential: Credential,
  scheme: Scheme,
): Authentication {
  const declared = target.request.header('x-amz-content-sha256')
  if (declared !== undefined && STREAMING.has(declared)) {
    throw new S3Error('InvalidRequest', { message: UNSUPPORTED_SCHEME })
  }
  return {
    identity: identityOf(credential),
    scheme,
    payload: checkedWholeBodyRule(declared ?? UNSIGNED_PAYLOAD),
  }
}

function checkSignature(credential: Credential, signature: string, parts: SignedV2Parts): void {
  // Some clients sign the bucket as it is signed for a virtual host, with a slash behind it, whatever they send.
  const isBucket = /^\/[^/]+$/.test(parts.path)
  const paths = isBucket ? [parts.path, `${parts.path}/`] : [parts.path]
  const isGood = paths.some((path) =>
    // Both are base64 of 20 bytes; another spelling of the same bytes is not worth accepting.
    equalSignatures(
      signTextV2(credential.secretKey, stringToSignV2({ ...parts, path })),
      signature,
    ),
  )
  if (!isGood) throw new S3Error('SignatureDoesNotMatch')
}
