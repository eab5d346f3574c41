/**
 * Who sent a request, and how its body must be checked (s3-api.md 2).
 *
 * Invariants
 * - An identity is answered only after a signature over the whole request was verified; no scheme and no payload mode
 *   takes credentials without.
 * - The payload mode is the one that was signed; nothing else of the request decides it.
 */
import type { Clock } from '#base/clock'
import type { HttpRequest } from '#http/http'
import type { ChunkChain } from '#s3-protocol/chunked'
import { parseHttpDate } from '#s3-protocol/conditions'
import { formatAmzDate, parseAmzDate } from '#s3-protocol/dates'
import type { Query } from '#s3-protocol/query'
import { invalidArgument, S3Error } from '#s3-protocol/s3-error'
import { type SignedV2Parts, signTextV2, stringToSignV2 } from '#s3-protocol/sigv2'
import {
  ALGORITHM_V4,
  canonicalRequest,
  EMPTY_SHA256,
  equalSignatures,
  normalHeaderValue,
  SigningKeyCache,
  STREAMING_SIGNED,
  STREAMING_SIGNED_TRAILER,
  STREAMING_UNSIGNED_TRAILER,
  type SigningKey,
  stringToSign,
  UNSIGNED_PAYLOAD,
} from '#s3-protocol/sigv4'
import {
  HEADERS_NOT_SIGNED,
  ONE_SPACE,
  parseAuthorizationV4,
  parseCredential,
  parsePresignedV4,
  type ScopeRules,
  type SignatureV4,
} from '#s3-protocol/sigv4-parse'
import type { Identity } from './s3.ts'

export interface Credential {
  readonly accessKey: string
  readonly secretKey: string
  readonly isOwner: boolean
  /** Of temporary credentials: must come with every request. */
  readonly sessionToken?: string | undefined
  readonly isDisabled?: boolean | undefined
  readonly expiresMs?: number | undefined
}

/** Where secret keys come from. */
export interface CredentialSource {
  find(accessKey: string): Credential | undefined | Promise<Credential | undefined>
}

export type Scheme =
  | 'anonymous'
  | 'v4-header'
  | 'v4-presigned'
  | 'v2-header'
  | 'v2-presigned'
  | 'form'

/** How the body must be checked while it is read. */
export type PayloadRule =
  | { readonly kind: 'unchecked' }
  | { readonly kind: 'sha256'; readonly hex: string }
  | {
      readonly kind: 'chunked'
      readonly chain: ChunkChain | undefined
      readonly hasTrailer: boolean
    }

export interface Authentication {
  readonly identity: Identity
  readonly scheme: Scheme
  readonly payload: PayloadRule
  /** Of presigned V4 requests. */
  readonly signatureAgeMs?: number | undefined
}

/** The parts of a request that signatures cover. */
export interface SignedTarget {
  readonly request: HttpRequest
  /** Decoded path, without the query and without what a proxy took off. */
  readonly path: string
  /** The path as the client sent it; with `/bucket` in front for virtual hosts. */
  readonly resourcePath: string
  readonly query: Query
  /** True where any region of the scope is right: clients ask for the region there. */
  readonly anyRegion: boolean
}

/** Fields of a form that only its signer has. */
const SIGNER_FIELDS = ['signature', 'awsaccesskeyid', 'x-amz-credential', 'x-amz-signature']

const SKEW_MAX_MS = 15 * 60_000
const UNSUPPORTED_SCHEME =
  'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.'

const STREAMING: ReadonlyMap<string, { readonly signed: boolean; readonly hasTrailer: boolean }> =
  new Map([
    [STREAMING_SIGNED, { signed: true, hasTrailer: false }],
    [STREAMING_SIGNED_TRAILER, { signed: true, hasTrailer: true }],
    [STREAMING_UNSIGNED_TRAILER, { signed: false, hasTrailer: true }],
  ])

/** The scheme of a request by the table of 2.1. Throws for unknown schemes; several at once are refused by `checkSingleScheme`. */
export function classify(request: HttpRequest, query: Query): Scheme {
  // An empty header is none: nobody signs with nothing.
  const authorization = request.header('authorization') || undefined
  if (authorization !== undefined) {
    if (authorization.startsWith(ALGORITHM_V4)) return 'v4-header'
    if (authorization.startsWith('AWS ')) return 'v2-header'
  }
  if (query.entries.length > 0) {
    if (query.has('AWSAccessKeyId')) return 'v2-presigned'
    // One that lacks others is refused by name.
    if (query.has('X-Amz-Credential') || query.has('X-Amz-Algorithm')) return 'v4-presigned'
  }
  // Bearer tokens belong to other APIs: here they are nobody.
  if (authorization?.startsWith('Bearer') === true) return 'anonymous'
  if (isForm(request)) return 'form'
  if (authorization === undefined) return 'anonymous'
  const [kind = '', rest] = authorization.split(' ', 2)
  throw new S3Error('InvalidArgument', {
    message: rest === undefined ? ONE_SPACE : 'Unsupported Authorization Type',
    elements: [
      ['ArgumentName', 'Authorization'],
      ['ArgumentValue', kind],
    ],
  })
}

function isForm(request: HttpRequest): boolean {
  return (
    request.method === 'POST' &&
    request.header('content-type')?.includes('multipart/form-data') === true
  )
}

/** Refuses a request that authenticates in two ways: which one is meant would be a guess. */
export function checkSingleScheme(request: HttpRequest, query: Query): void {
  const inHeader = (request.header('authorization') ?? '') !== ''
  const hasQuery = query.entries.length > 0
  const count =
    Number(inHeader) +
    Number(hasQuery && query.has('AWSAccessKeyId')) +
    Number(hasQuery && query.has('X-Amz-Credential')) +
    Number(isForm(request))
  if (count > 1) {
    throw new S3Error('InvalidRequest', {
      message: 'Invalid Request (request has multiple authentication types, please use one)',
    })
  }
}

/** Checks presence, form and skew of the date of header-signed requests (2.3). */
export function checkDate(request: HttpRequest, scheme: Scheme, nowMs: number): void {
  if (scheme !== 'v4-header' && scheme !== 'v2-header') return
  const text = request.header('x-amz-date') ?? request.header('date')
  const ms =
    text === undefined || text === ''
      ? undefined
      : (parseAmzDate(text) ?? (parseHttpDate(text) ?? Number.NaN) * 1000)
  const isUnusable = !(ms !== undefined && (scheme === 'v4-header' || ms >= 0)) || Number.isNaN(ms)
  if (isUnusable) {
    throw new S3Error('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header.',
    })
  }
  if (Math.abs(nowMs - ms) > SKEW_MAX_MS) throw new S3Error('RequestTimeTooSkewed')
}

export interface AuthenticatorOptions {
  readonly credentials: CredentialSource
  readonly clock: Clock
  /** Configured region, empty when none. */
  readonly region: string
}

/** Verifies signatures; one per thread, for its cache of keys. */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #keys = new SigningKeyCache()

  constructor(options: AuthenticatorOptions) {
    this.#options = options
  }

  /** Verifies the request as `scheme`. Throws the errors of 2.2 to 2.7. */
  async authenticate(target: SignedTarget, scheme: Scheme): Promise<Authentication> {
    switch (scheme) {
      case 'v4-header':
        return this.#headerV4(target)
      case 'v4-presigned':
        return this.#presignedV4(target)
      case 'v2-header':
        return this.#headerV2(target)
      case 'v2-presigned':
        return this.#presignedV2(target)
      case 'form':
      case 'anonymous':
        return this.#anonymous(target, scheme)
    }
  }

  #anonymous({ request, query }: SignedTarget, scheme: Scheme): Authentication {
    if (tokenOf(request, query) !== undefined) {
      throw new S3Error('AccessDenied', { message: 'No AWSAccessKey was presented' })
    }
    const declared = request.header('x-amz-content-sha256')
    const streaming = declared === undefined ? undefined : STREAMING.get(declared)
    // Without a key there is nothing that chunks could be signed with.
    if (streaming?.signed === true) {
      throw new S3Error('InvalidRequest', {
        message: `Anonymous requests don't support this x-amz-content-sha256 value. Please use ${UNSIGNED_PAYLOAD} or ${STREAMING_UNSIGNED_TRAILER}.`,
      })
    }
    return {
      identity: { accessKey: '', isOwner: false },
      scheme,
      payload:
        streaming === undefined
          ? comparedRule(declared ?? UNSIGNED_PAYLOAD)
          : { kind: 'chunked', chain: undefined, hasTrailer: true },
    }
  }

  /**
   * Who signed the policy of a form: the fields by lower-case name. Anonymous when there is neither policy nor key.
   * Throws the errors of 6.1.2 and 2.2.
   */
  async authenticateForm(fields: ReadonlyMap<string, string>): Promise<Authentication> {
    const policy = fields.get('policy')
    const signatureV2 = fields.get('signature')
    const token = fields.get('x-amz-security-token')
    const payload = { kind: 'unchecked' } as const
    if (policy === undefined && !SIGNER_FIELDS.some((name) => fields.has(name))) {
      if (token !== undefined) {
        throw new S3Error('AccessDenied', { message: 'No AWSAccessKey was presented' })
      }
      return { identity: { accessKey: '', isOwner: false }, scheme: 'form', payload }
    }
    const text = policy ?? ''
    if (signatureV2 !== undefined) {
      const credential = await this.#credential(fields.get('awsaccesskeyid') ?? '', token)
      if (!equalSignatures(signTextV2(credential.secretKey, text), signatureV2)) {
        throw new S3Error('SignatureDoesNotMatch')
      }
      return { identity: identityOf(credential), scheme: 'form', payload }
    }
    checkFormFields(fields)
    const named = fields.get('x-amz-credential') ?? ''
    const { accessKey, scope } = parseCredential(
      named,
      { region: this.#options.region, anyRegion: false },
      (what) => invalidArgument('x-amz-credential', named, what),
    )
    const credential = await this.#credential(accessKey, token)
    const key = this.#keys.keyOf(credential.accessKey, credential.secretKey, scope)
    const signature = fields.get('x-amz-signature') ?? ''
    if (!equalSignatures(key.sign(text), signature)) {
      throw new S3Error('SignatureDoesNotMatch', {
        elements: [
          ['AWSAccessKeyId', accessKey],
          ['StringToSign', text],
          ['SignatureProvided', signature],
          ['StringToSignBytes', spacedHex(text)],
        ],
      })
    }
    return { identity: identityOf(credential), scheme: 'form', payload }
  }

  #rules(target: SignedTarget): ScopeRules {
    return { region: this.#options.region, anyRegion: target.anyRegion }
  }

  async #headerV4(target: SignedTarget): Promise<Authentication> {
    const { request, query } = target
    const signature = parseAuthorizationV4(
      request.header('authorization') ?? '',
      this.#rules(target),
    )
    const headers = signedHeaders(target, signature)
    checkHeadersSigned(request, signature.signedHeaders)
    const credential = await this.#credential(signature.accessKey, tokenOf(request, query))
    const date = signedDateV4(request)
    const declared = request.header('x-amz-content-sha256')
    if (declared !== undefined) checkDeclared(declared)
    const payloadHash = declared ?? EMPTY_SHA256
    const key = this.#verify(target, signature, { headers, payloadHash, date, credential })
    return {
      identity: identityOf(credential),
      scheme: 'v4-header',
      payload:
        declared === undefined
          ? { kind: 'unchecked' }
          : payloadRule(declared, {
              key,
              date,
              scope: signature.scope,
              seedSignature: signature.signature,
            }),
    }
  }

  async #presignedV4(target: SignedTarget): Promise<Authentication> {
    const { request, query } = target
    const signature = parsePresignedV4(query, this.#rules(target))
    const headers = signedHeaders(target, signature)
    checkHeadersSigned(request, signature.signedHeaders)
    const credential = await this.#credential(signature.accessKey, tokenOf(request, query))
    const ageMs = this.#options.clock.nowMs() - signature.dateMs
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
    const key = this.#verify(target, signature, {
      headers,
      payloadHash,
      date: signature.date,
      credential,
    })
    return {
      identity: identityOf(credential),
      scheme: 'v4-presigned',
      payload: payloadRule(payloadHash, {
        key,
        date: signature.date,
        scope: signature.scope,
        seedSignature: signature.signature,
      }),
      signatureAgeMs: ageMs,
    }
  }

  #verify(
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
    const key = this.#keys.keyOf(credential.accessKey, credential.secretKey, signature.scope)
    const expected = key.sign(stringToSign(canonical, date, signature.scope))
    if (!equalSignatures(expected, signature.signature)) throw new S3Error('SignatureDoesNotMatch')
    return key
  }

  async #headerV2(target: SignedTarget): Promise<Authentication> {
    const { request, query } = target
    const match = /^AWS +([^:]*(?::[^:]*)*):([A-Za-z0-9+/=]+)$/.exec(
      request.header('authorization') ?? '',
    )
    const [, accessKey = '', signature = ''] = match ?? []
    if (accessKey === '') throw new S3Error('InvalidArgument', { message: 'Invalid argument' })
    const credential = await this.#credential(accessKey, tokenOf(request, query))
    const date = request.header('x-amz-date') === undefined ? (request.header('date') ?? '') : ''
    checkV2(credential, signature, this.#partsV2(target, date))
    return this.#authenticatedV2(target, credential, 'v2-header')
  }

  async #presignedV2(target: SignedTarget): Promise<Authentication> {
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
    const credential = await this.#credential(accessKey, tokenOf(request, query))
    if (Number(expires) * 1000 < this.#options.clock.nowMs()) {
      throw new S3Error('AccessDenied', { message: 'Request has expired.' })
    }
    checkV2(credential, signature, this.#partsV2(target, expires))
    return this.#authenticatedV2(target, credential, 'v2-presigned')
  }

  #partsV2({ request, query, resourcePath }: SignedTarget, date: string): SignedV2Parts {
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
  #authenticatedV2(target: SignedTarget, credential: Credential, scheme: Scheme): Authentication {
    const declared = target.request.header('x-amz-content-sha256')
    if (declared !== undefined && STREAMING.has(declared)) {
      throw new S3Error('InvalidRequest', { message: UNSUPPORTED_SCHEME })
    }
    return {
      identity: identityOf(credential),
      scheme,
      payload: plainRule(declared ?? UNSIGNED_PAYLOAD),
    }
  }

  /** The checks of 2.2. */
  async #credential(accessKey: string, token: string | undefined): Promise<Credential> {
    const found = this.#options.credentials.find(accessKey)
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
    if (credential.expiresMs !== undefined && credential.expiresMs <= this.#options.clock.nowMs()) {
      throw unknownKey(accessKey)
    }
    return credential
  }
}

function unknownKey(accessKey: string): S3Error {
  return new S3Error('InvalidAccessKeyId', { elements: [['AWSAccessKeyId', accessKey]] })
}

function identityOf(credential: Credential): Identity {
  return { accessKey: credential.accessKey, isOwner: credential.isOwner }
}

function tokenOf(request: HttpRequest, query: Query): string | undefined {
  return request.header('x-amz-security-token') ?? query.get('X-Amz-Security-Token')
}

function checkV2(credential: Credential, signature: string, parts: SignedV2Parts): void {
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

const FORM_FIELDS = [
  'policy',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-algorithm',
]

/** What a form that is signed must say of its signature. */
function checkFormFields(fields: ReadonlyMap<string, string>): void {
  for (const name of FORM_FIELDS) {
    // An empty policy is judged as one.
    if (name === 'policy' ? fields.has(name) : (fields.get(name) ?? '') !== '') continue
    throw invalidArgument(
      name,
      '',
      `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    )
  }
  const algorithm = fields.get('x-amz-algorithm') ?? ''
  if (algorithm !== ALGORITHM_V4) {
    throw invalidArgument('X-Amz-Algorithm', algorithm, `Only ${ALGORITHM_V4} is supported`)
  }
  const date = fields.get('x-amz-date') ?? ''
  if (parseAmzDate(date) !== undefined) return
  throw invalidArgument('X-Amz-Date', date, 'X-Amz-Date must be formated via ISO8601 Long format')
}

function spacedHex(text: string): string {
  return Array.from(Buffer.from(text), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

/** What `x-amz-content-sha256` may say. */
function checkDeclared(declared: string): void {
  if (declared === UNSIGNED_PAYLOAD || STREAMING.has(declared)) return
  if (/^[0-9a-fA-F]{64}$/.test(declared)) return
  throw new S3Error('InvalidArgument', {
    message: `x-amz-content-sha256 must be ${PAYLOAD_WORDS.join(', ')} or a valid sha256 value.`,
    elements: [
      ['ArgumentName', 'x-amz-content-sha256'],
      ['ArgumentValue', declared],
    ],
  })
}

const PAYLOAD_WORDS = [
  UNSIGNED_PAYLOAD,
  STREAMING_UNSIGNED_TRAILER,
  STREAMING_SIGNED,
  STREAMING_SIGNED_TRAILER,
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER',
]

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

function payloadRule(declared: string, chain: ChunkChain): PayloadRule {
  const streaming = STREAMING.get(declared)
  if (streaming === undefined) return plainRule(declared)
  return {
    kind: 'chunked',
    chain: streaming.signed ? chain : undefined,
    hasTrailer: streaming.hasTrailer,
  }
}

function plainRule(declared: string): PayloadRule {
  checkDeclared(declared)
  return comparedRule(declared)
}

/** Where nothing was signed, as with Amazon, what is no hash at all is one that differs. */
function comparedRule(declared: string): PayloadRule {
  if (declared === UNSIGNED_PAYLOAD) return { kind: 'unchecked' }
  return { kind: 'sha256', hex: declared.toLowerCase() }
}
