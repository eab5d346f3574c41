/** Parsing of what SigV4 requests carry: the `Authorization` header and presigned queries. Throws the errors of s3-api.md 2.4 and 2.5, in their order. */
import { isScopeDate, parseAmzDate } from './dates.ts'
import type { Query } from './query.ts'
import { S3Error } from './s3-error.ts'
import { ALGORITHM_V4, type CredentialScope } from './sigv4.ts'

export interface SignatureV4 {
  readonly accessKey: string
  readonly scope: CredentialScope
  /** Lower case, in the order signed. */
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

export interface PresignedV4 extends SignatureV4 {
  readonly date: string
  readonly dateMs: number
  readonly expiresSeconds: number
}

/** What the scope must say. */
export interface ScopeRules {
  /** Configured region; empty accepts any. */
  readonly region: string
  /** True for the operations that clients use to learn the region. */
  readonly anyRegion: boolean
}

const ACCESS_KEY_LENGTH_MIN = 3
const EXPIRES_SECONDS_MAX = 604_800
/** Longer ones are no signature of anybody; keeps the work per request bounded. */
const SIGNED_HEADERS_MAX = 256

export const ONE_SPACE = "Authorization header is invalid -- one and only one ' ' (space) required."
export const HEADERS_NOT_SIGNED = 'There were headers present in the request which were not signed'

/** Parses `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`. */
export function parseAuthorizationV4(header: string, rules: ScopeRules): SignatureV4 {
  const rest = header.slice(ALGORITHM_V4.length).replaceAll(' ', '')
  if (rest === '') {
    throw new S3Error('InvalidArgument', { message: ONE_SPACE })
  }
  const [credential, signedHeaders, signature, ...more] = rest.split(',')
  if (
    credential === undefined ||
    signedHeaders === undefined ||
    signature === undefined ||
    more.length > 0
  ) {
    throw headerError(COMPONENTS_MISSING)
  }
  const [credentialName, credentialValue] = fieldOf(credential)
  const [headersName, headersValue] = fieldOf(signedHeaders)
  const [signatureName, signatureValue] = fieldOf(signature)
  if (headersValue === '' || signatureValue === '') throw headerError(COMPONENTS_MISSING)
  if (credentialName !== 'Credential') throw headerError('missing Credential.')
  if (headersName !== 'SignedHeaders') throw headerError('missing SignedHeaders.')
  if (signatureName !== 'Signature') throw headerError('missing Signature.')
  const { accessKey, scope } = parseCredential(credentialValue, rules, headerError)
  return {
    accessKey,
    scope,
    signedHeaders: parseSignedHeaders(headersValue),
    signature: signatureValue,
  }
}

function fieldOf(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 0) throw headerError(`the authorization component "${text}" is malformed.`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Parses `<access key>/<date>/<region>/s3/aws4_request`; access keys may hold slashes. */
export function parseCredential(
  text: string,
  rules: ScopeRules,
  malformed: (what: string) => S3Error = credentialError,
): { readonly accessKey: string; readonly scope: CredentialScope } {
  const elements = text.split('/')
  if (elements.length < 5) throw malformed(CREDENTIAL_MALFORMED)
  const [date = '', region = '', service = '', terminator = ''] = elements.slice(-4)
  const accessKey = elements.slice(0, -4).join('/')
  // Only what ends as it should can have slashes in its key.
  if (elements.length > 5 && terminator !== 'aws4_request') throw malformed(CREDENTIAL_MALFORMED)
  if (accessKey.length < ACCESS_KEY_LENGTH_MIN) {
    throw new S3Error('InvalidAccessKeyId', { elements: [['AWSAccessKeyId', accessKey]] })
  }
  if (!rules.anyRegion && !isRegion(region, rules.region)) {
    throw new S3Error('AuthorizationHeaderMalformed', {
      message: `The authorization header is malformed; the region is wrong; expecting '${rules.region}'.`,
      elements: [['Region', rules.region]],
      headers: [['x-amz-bucket-region', rules.region]],
    })
  }
  if (service !== 's3') {
    throw malformed(`incorrect service "${service}". This endpoint belongs to "s3".`)
  }
  if (terminator !== 'aws4_request') {
    throw malformed(`incorrect terminal "${terminator}". This endpoint uses "aws4_request".`)
  }
  if (!isScopeDate(date)) throw malformed(dateMalformed(date))
  return { accessKey, scope: { date, region, service } }
}

function isRegion(asked: string, configured: string): boolean {
  if (configured === '' || asked === configured) return true
  return asked === 'US' && configured === 'us-east-1'
}

function parseSignedHeaders(text: string): readonly string[] {
  const names = text.toLowerCase().split(';')
  if (!names.includes('host') || names.length > SIGNED_HEADERS_MAX) {
    throw new S3Error('AccessDenied', { status: 400, message: HEADERS_NOT_SIGNED })
  }
  return names
}

const PRESIGNED_KEYS = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Signature',
  'X-Amz-Date',
  'X-Amz-SignedHeaders',
  'X-Amz-Expires',
]

/** Parses a presigned query. The time is not judged. */
export function parsePresignedV4(query: Query, rules: ScopeRules): PresignedV4 {
  if (PRESIGNED_KEYS.some((key) => !query.has(key))) throw queryError(QUERY_INCOMPLETE)
  const value = (key: string): string => query.get(key) ?? ''
  const algorithm = value('X-Amz-Algorithm')
  if (algorithm !== ALGORITHM_V4) {
    const isOfAmazon = algorithm === ALGORITHM_V4A
    throw queryError(isOfAmazon ? ALGORITHM_NOT_SUPPORTED : ALGORITHM_WRONG)
  }
  const { accessKey, scope } = parseCredential(value('X-Amz-Credential'), rules)
  const date = value('X-Amz-Date')
  const dateMs = parseAmzDate(date)
  if (dateMs === undefined) throw queryError(AMZ_DATE_MALFORMED)
  const day = date.slice(0, 8)
  if (scope.date !== day) {
    throw queryError(
      `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${day}".`,
    )
  }
  const expires = value('X-Amz-Expires')
  if (!/^[+-]?\d{1,18}$/.test(expires)) throw queryError('X-Amz-Expires should be a number')
  const expiresSeconds = Number(expires)
  if (expiresSeconds < 0) throw queryError('X-Amz-Expires must be non-negative')
  if (expiresSeconds > EXPIRES_SECONDS_MAX) throw queryError(EXPIRES_TOO_LONG)
  const headers = value('X-Amz-SignedHeaders')
  const signature = value('X-Amz-Signature')
  if (headers === '' || signature === '') throw new S3Error('MissingFields')
  const signedHeaders = parseSignedHeaders(headers)
  // Other spellings of the same values are not what the signer wrote.
  if (String(expiresSeconds) !== expires || signedHeaders.join(';') !== headers) {
    throw new S3Error('SignatureDoesNotMatch')
  }
  return { accessKey, scope, signedHeaders, signature, date, dateMs, expiresSeconds }
}

function queryError(message: string): S3Error {
  return new S3Error('AuthorizationQueryParametersError', { message })
}

function credentialError(what: string): S3Error {
  return queryError(`Error parsing the X-Amz-Credential parameter; ${what}`)
}

function headerError(what: string): S3Error {
  return new S3Error('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; ${what}`,
  })
}

function dateMalformed(date: string): string {
  return `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`
}

const COMPONENTS_MISSING =
  'the authorization header requires three components: Credential, SignedHeaders, and Signature.'
const CREDENTIAL_MALFORMED =
  'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
const QUERY_INCOMPLETE =
  'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.'
const ALGORITHM_V4A = 'AWS4-ECDSA-P256-SHA256'
const ALGORITHM_WRONG = `X-Amz-Algorithm only supports "${ALGORITHM_V4} and ${ALGORITHM_V4A}"`
const ALGORITHM_NOT_SUPPORTED = `X-Amz-Algorithm only supports "${ALGORITHM_V4}"`
const AMZ_DATE_MALFORMED = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
const EXPIRES_TOO_LONG =
  'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds'
