/** Signing of requests, for clients: tests and benchmarks; replication and tiers, which are not built yet, will need it. */
import { formatAmzDate } from './dates.ts'
import { encodePercent } from './percent.ts'
import { canonicalQuery, Query } from './query.ts'
import {
  ALGORITHM_V4,
  type CredentialScope,
  canonicalRequest,
  chunkStringToSign,
  deriveSigningKey,
  normalHeaderValue,
  scopeText,
  sha256Hex,
  type SigningKey,
  stringToSign,
  trailerStringToSign,
} from './sigv4.ts'

export interface SigningCredential {
  readonly accessKey: string
  readonly secretKey: string
  readonly region: string
}

export interface RequestToSign {
  readonly method: string
  /** Decoded. */
  readonly path: string
  readonly query: readonly (readonly [string, string])[]
  /** Lower-case names; must hold `host`. All are signed. */
  readonly headers: readonly (readonly [string, string])[]
  /** Hex hash or one of the literals. */
  readonly payloadHash: string
  readonly timeMs: number
}

export interface SignedRequest {
  readonly headers: readonly (readonly [string, string])[]
  readonly signature: string
  readonly date: string
  readonly scope: CredentialScope
  readonly key: SigningKey
}

/** Adds `x-amz-date`, `x-amz-content-sha256` and `authorization`. */
export function signRequest(request: RequestToSign, credential: SigningCredential): SignedRequest {
  const date = formatAmzDate(request.timeMs)
  const scope = { date: date.slice(0, 8), region: credential.region, service: 's3' }
  const headers: readonly (readonly [string, string])[] = [
    ...request.headers,
    ['x-amz-content-sha256', request.payloadHash],
    ['x-amz-date', date],
  ]
  const signed = headers
    .map(([name, value]) => [name, normalHeaderValue(value)] as const)
    .toSorted((a, b) => (a[0] < b[0] ? -1 : 1))
  const canonical = canonicalRequest({
    method: request.method,
    path: request.path,
    query: new Query(request.query),
    headers: signed,
    payloadHash: request.payloadHash,
  })
  const key = deriveSigningKey(credential.secretKey, scope)
  const signature = key.sign(stringToSign(canonical, date, scope))
  const names = signed.map(([name]) => name).join(';')
  const authorization = `${ALGORITHM_V4} Credential=${credential.accessKey}/${scopeText(scope)}, SignedHeaders=${names}, Signature=${signature}`
  return { headers: [...headers, ['authorization', authorization]], signature, date, scope, key }
}

/** Path and query of a presigned URL. */
export function presignRequest(
  request: Omit<RequestToSign, 'payloadHash'> & {
    readonly payloadHash?: string
    readonly expiresSeconds: number
  },
  credential: SigningCredential,
): string {
  const date = formatAmzDate(request.timeMs)
  const scope = { date: date.slice(0, 8), region: credential.region, service: 's3' }
  const signed = request.headers
    .map(([name, value]) => [name, normalHeaderValue(value)] as const)
    .toSorted((a, b) => (a[0] < b[0] ? -1 : 1))
  const query = new Query([
    ...request.query,
    ['X-Amz-Algorithm', ALGORITHM_V4],
    ['X-Amz-Credential', `${credential.accessKey}/${scopeText(scope)}`],
    ['X-Amz-Date', date],
    ['X-Amz-Expires', String(request.expiresSeconds)],
    ['X-Amz-SignedHeaders', signed.map(([name]) => name).join(';')],
  ])
  const canonical = canonicalRequest({
    method: request.method,
    path: request.path,
    query,
    headers: signed,
    payloadHash: request.payloadHash ?? 'UNSIGNED-PAYLOAD',
  })
  const key = deriveSigningKey(credential.secretKey, scope)
  const signature = key.sign(stringToSign(canonical, date, scope))
  const path = encodePercent(request.path, { keepSlash: true })
  return `${path}?${canonicalQuery(query)}&X-Amz-Signature=${signature}`
}

/** Writes a body as signed chunks, ended by a zero chunk and, when given, signed trailers. */
export function signChunks(
  chunks: readonly Uint8Array[],
  request: Pick<SignedRequest, 'signature' | 'date' | 'scope' | 'key'>,
  trailers?: readonly (readonly [string, string])[],
): readonly Uint8Array[] {
  const out: Uint8Array[] = []
  let previous = request.signature
  for (const chunk of [...chunks, new Uint8Array(0)]) {
    const digest = sha256Hex(Buffer.from(chunk).toString('latin1'))
    previous = request.key.sign(chunkStringToSign(request, previous, digest))
    out.push(Buffer.from(`${chunk.length.toString(16)};chunk-signature=${previous}\r\n`))
    if (chunk.length > 0) out.push(chunk, Buffer.from('\r\n'))
  }
  if (trailers === undefined) {
    out.push(Buffer.from('\r\n'))
    return out
  }
  const block = trailers.map(([name, value]) => `${name}:${value}\n`).join('')
  previous = request.key.sign(trailerStringToSign(request, previous, sha256Hex(block)))
  out.push(
    Buffer.from(
      `${block.replaceAll('\n', '\r\n')}x-amz-trailer-signature:${previous}\r\n\r\n`,
      'latin1',
    ),
  )
  return out
}
