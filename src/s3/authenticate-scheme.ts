import type { HttpRequest } from '#http/http'
import { parseHttpDate } from '#s3-protocol/conditions'
import { parseAmzDate } from '#s3-protocol/dates'
import { isFormType } from '#s3-protocol/post-policy'
import type { Query } from '#s3-protocol/query'
import { S3Error } from '#s3-protocol/s3-error'
import { ALGORITHM_V4 } from '#s3-protocol/sigv4'
import { ONE_SPACE } from '#s3-protocol/sigv4-parse'
import type { Scheme } from './authenticate.ts'

/** How a request means to authenticate; nothing is verified here (s3-api.md 2.1, 2.3). */

/** Clocks may differ by this. */
export const SKEW_MAX_MS = 15 * 60_000
/** For what no scheme of this server takes. */
export const UNSUPPORTED_SCHEME =
  'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.'

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
  return request.method === 'POST' && isFormType(request.header('content-type'))
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
