import type { HttpRequest } from '#http/http'
import { parseHttpDate } from '#s3-protocol/conditions'
import { formatAmzDate, parseAmzDate } from '#s3-protocol/dates'
import { S3Error } from '#s3-protocol/s3-error'
import {
  canonicalRequest,
  EMPTY_SHA256,
  equalSignatures,
  normalHeaderValue,
  type SigningKey,
  stringToSign,
  UNSIGNED_PAYLOAD,
} from '#s3-protocol/sigv4'
import {
  HEADERS_NOT_SIGNED,
  parseAuthorizationV4,
  parsePresignedV4,
  type SignatureV4,
} from '#s3-protocol/sigv4-parse'
import type { Authentication, Credential, SchemePorts, SignedTarget } from './authenticate.ts'
import { credentialOf, identityOf, tokenOf } from './authenticate-credential.ts'
import { checkDeclared, checkedPayloadRule } from './authenticate-payload.ts'
import { SKEW_MAX_MS } from './authenticate-scheme.ts'

/** Signature Version 4, in headers and in presigned URLs (s3-api.md 2.4, 2.5). */

/** By the `Authorization` header. */
export async function authenticateHeaderV4(
  ports: SchemePorts,
  target: SignedTarget,
): Promise<Authentication> {
  const { request, query } = target
  const signature = parseAuthorizationV4(request.header('authorization') ?? '', {
    region: ports.region,
    anyRegion: target.anyRegion,
  })
  const headers = signedHeaders(target, signature)
  checkHeadersSigned(request, signature.signedHeaders)
  const credential = await credentialOf(ports, signature.accessKey, tokenOf(request, query))
  const date = signedDateV4(request)
  const declared = request.header('x-amz-content-sha256')
  if (declared !== undefined) checkDeclared(declared)
  const payloadHash = declared ?? EMPTY_SHA256
  const key = verify(ports, target, signature, { headers, payloadHash, date, credential })
  return {
    identity: identityOf(credential),
    scheme: 'v4-header',
    payload:
      declared === undefined
        ? { kind: 'unchecked' }
        : checkedPayloadRule(declared, {
            key,
            date,
            scope: signature.scope,
            seedSignature: signature.signature,
          }),
  }
}

/** By the query of a presigned URL. */
export async function authenticatePresignedV4(
  ports: SchemePorts,
  target: SignedTarget,
): Promise<Authentication> {
  const { request, query } = target
  const signature = parsePresignedV4(query, { region: ports.region, anyRegion: target.anyRegion })
  const headers = signedHeaders(target, signature)
  checkHeadersSigned(request, signature.signedHeaders)
  const credential = await credentialOf(ports, signature.accessKey, tokenOf(request, query))
  const ageMs = ports.clock.nowMs() - signature.dateMs
  if (ageMs < -SKEW_MAX_MS) {
    throw new S3Error('AccessDenied', { message: 'Request is not valid yet' })
  }
  if (ageMs > signature.expiresSeconds * 1000) {
    const { dateMs, expiresSeconds } = signature
    throw new S3Error('AccessDenied', {
      message: 'Request has expired.',
      elements: [
        ['X-Amz-Expires', String(expiresSeconds)],
        ['Expires', isoSeconds(dateMs + expiresSeconds * 1000)],
        ['ServerTime', isoSeconds(dateMs + ageMs)],
      ],
    })
  }
  const inQuery = query.get('X-Amz-Content-Sha256')
  const inHeader = request.header('x-amz-content-sha256')
  const declared = inQuery ?? inHeader
  if (inQuery !== undefined && inHeader !== undefined && inQuery !== inHeader) {
    throw new S3Error('XAmzContentSHA256Mismatch')
  }
  const payloadHash = declared ?? UNSIGNED_PAYLOAD
  const key = verify(ports, target, signature, {
    headers,
    payloadHash,
    date: signature.date,
    credential,
  })
  return {
    identity: identityOf(credential),
    scheme: 'v4-presigned',
    payload: checkedPayloadRule(payloadHash, {
      key,
      date: signature.date,
      scope: signature.scope,
      seedSignature: signature.signature,
    }),
    signatureAgeMs: ageMs,
  }
}

/** The key that signed, which signs the chunks too. `SignatureDoesNotMatch`. */
function verify(
  ports: SchemePorts,
  target: SignedTarget,
  signature: SignatureV4,
  signed: {
    readonly headers: readonly (readonly [string, string])[]
    readonly payloadHash: string
    readonly date: string
    readonly credential: Credential
  },
): SigningKey {
  const { credential, date } = signed
  const canonical = canonicalRequest({
    method: target.request.method,
    path: (target.request.pathPrefix ?? '') + target.path,
    query: target.query,
    queryExcept: 'X-Amz-Signature',
    headers: signed.headers,
    payloadHash: signed.payloadHash,
  })
  const key = ports.keys.keyOf(credential.accessKey, credential.secretKey, signature.scope)
  const expected = key.sign(stringToSign(canonical, date, signature.scope))
  if (!equalSignatures(expected, signature.signature)) throw new S3Error('SignatureDoesNotMatch')
  return key
}

/** The time that was signed, as it is signed: a `Date` has another form on the wire. */
function signedDateV4(request: HttpRequest): string {
  const amzDate = request.header('x-amz-date')
  const text = amzDate ?? request.header('date') ?? ''
  if (parseAmzDate(text) !== undefined) return text
  const seconds = amzDate === undefined ? parseHttpDate(text) : undefined
  if (seconds === undefined) throw new S3Error('MalformedDate')
  return formatAmzDate(seconds * 1000)
}

/** The values of the signed headers, from headers or query. `AccessDenied` when one is not there. */
function signedHeaders(
  { request, query }: SignedTarget,
  signature: SignatureV4,
): readonly (readonly [string, string])[] {
  return signature.signedHeaders.map((name): readonly [string, string] => {
    const value = request.header(name)
    if (value !== undefined) {
      const joined = value.includes(', ') ? joinedValues(request, name) : normalHeaderValue(value)
      return [name, joined]
    }
    if (name === 'content-length') return [name, String(request.contentLength ?? 0)]
    const parameter = query.entries.find(([key]) => key.toLowerCase() === name)
    if (parameter !== undefined) {
      return [name, Buffer.from(normalHeaderValue(parameter[1])).toString('latin1')]
    }
    throw new S3Error('AccessDenied', { status: 400, message: HEADERS_NOT_SIGNED })
  })
}

function isoSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** Repeated headers are signed with bare commas between them. */
function joinedValues(request: HttpRequest, name: string): string {
  return request.headerValues(name).map(normalHeaderValue).join(',')
}

/** Headers that need not be in the list: the date, the hash and the token are verified anyhow, the others proxies add. */
const FREE_HEADERS = new Set([
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-security-token',
  'x-amz-cf-id',
])

/** What the signer did not see must not be done in its name. */
function checkHeadersSigned(request: HttpRequest, signed: readonly string[]): void {
  const unsigned: string[] = []
  for (const [name] of request.rawHeaders) {
    // Few names begin with `x`: the others need no lower case.
    if ((name.charCodeAt(0) | 0x20) !== 0x78) continue
    const lower = name.toLowerCase()
    if (!lower.startsWith('x-amz-') || FREE_HEADERS.has(lower) || signed.includes(lower)) continue
    if (!unsigned.includes(lower)) unsigned.push(lower)
  }
  if (unsigned.length === 0) return
  throw new S3Error('AccessDenied', {
    message: HEADERS_NOT_SIGNED,
    elements: [['HeadersNotSigned', unsigned.join(', ')]],
  })
}
