/**
 * Requests of browsers from other origins (s3-api.md 4.14): by the rules of the bucket alone where it has some, else by the
 * setting for all buckets. Preflights are never authenticated, since browsers send them without credentials.
 */
import { type BucketMetadata, type ObjectEngine, ObjectError } from '#object/object'
import type { HttpRequest } from '#http/http'
import {
  CORS_METHODS,
  HEADER_NAME,
  type CorsMatch,
  type CorsQuestion,
  type CorsRule,
  matchCors,
  parseCors,
} from '#s3-protocol/cors'
import { matchesWildcard } from '#iam/wildcard'
import { headerValueText } from '#s3-protocol/percent'
import { isBucketName } from '#s3-protocol/names'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import { ParsedDocuments } from './parsed-documents.ts'

type Header = readonly [string, string]

export interface PreflightReply {
  readonly status: number
  readonly headers: readonly Header[]
}

const EXPOSED =
  'Date, Etag, Server, Connection, Accept-Ranges, Content-Range, Content-Encoding, Content-Length, Content-Type, Content-Disposition, Last-Modified, Content-Language, Cache-Control, Retry-After, X-Amz-Bucket-Region, Expires, X-Amz*, X-Amz*, *'
const GLOBAL_METHODS = new Set(['GET', 'PUT', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'PATCH'])
const VARY: Header = [
  'Vary',
  'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
]

export class CrossOrigin {
  readonly #engine: ObjectEngine
  readonly #origins: readonly string[]
  readonly #rules = new ParsedDocuments('CorsConfigXML', storedRules)

  /** `origins`: patterns with `*` for buckets without rules. */
  constructor(engine: ObjectEngine, origins: readonly string[]) {
    this.#engine = engine
    this.#origins = origins
  }

  /** The answer to OPTIONS. `BadRequest`, `AccessForbidden` by the rules of a bucket. */
  async preflight(request: HttpRequest, bucket: string): Promise<PreflightReply> {
    const rules = await this.#rulesOf(bucket)
    if (bucket !== '') checkPreflight(request)
    return rules === undefined ? this.#globalPreflight(request) : bucketPreflight(request, rules)
  }

  /** Headers for the reply to any other request. */
  async headers(request: HttpRequest, bucket: string): Promise<readonly Header[]> {
    const origin = request.header('origin')
    if (origin === undefined) return []
    const rules = await this.#rulesOf(bucket)
    if (rules === undefined) {
      return this.#allows(origin)
        ? [...originHeaders(origin), ['Access-Control-Expose-Headers', EXPOSED]]
        : []
    }
    const asked = request.header('access-control-request-method')
    const question = questionOf(request, origin, asked ?? request.method)
    const match = matchCors(rules, question)
    if (match === undefined) return []
    return matchHeaders(match, question)
  }

  #allows(origin: string): boolean {
    return this.#origins.some((pattern) => matchesWildcard(pattern, origin))
  }

  #globalPreflight(request: HttpRequest): PreflightReply {
    const method = request.header('access-control-request-method')
    const origin = request.header('origin')
    if (method === undefined || origin === undefined) return { status: 200, headers: [] }
    if (!this.#allows(origin)) return { status: 204, headers: [VARY] }
    const asked = request.header('access-control-request-headers')
    return {
      status: 204,
      headers: [
        ...originHeaders(origin),
        ...(GLOBAL_METHODS.has(method) ? [['Access-Control-Allow-Methods', method] as const] : []),
        ...(asked === undefined ? [] : [['Access-Control-Allow-Headers', asked] as const]),
        VARY,
      ],
    }
  }

  /** Undefined without rules; a bucket that does not exist has none, so that nobody learns which do. */
  async #rulesOf(bucket: string): Promise<readonly CorsRule[] | undefined> {
    if (!isBucketName(bucket)) return undefined
    let metadata: BucketMetadata
    try {
      metadata = await this.#engine.bucketMetadata(bucket)
    } catch (error) {
      // Whatever is wrong with the bucket, the request itself will tell.
      if (error instanceof ObjectError) return undefined
      throw error
    }
    return this.#rules.of(metadata)
  }
}

/** Rules that cannot be read allow nothing. */
function storedRules(content: Uint8Array): readonly CorsRule[] {
  try {
    return parseCors(parseXml(content))
  } catch (error) {
    if (error instanceof S3Error) return []
    throw error
  }
}

/** A question that no browser asks is a mistake, whatever the rules are. 400 `BadRequest`. */
function checkPreflight(request: HttpRequest): void {
  if ((request.header('origin') ?? '') === '') {
    throw new S3Error('BadRequest', {
      message: 'Insufficient information. Origin request header needed.',
    })
  }
  const method = request.header('access-control-request-method') ?? ''
  if (!CORS_METHODS.includes(method)) {
    throw new S3Error('BadRequest', {
      message: `Invalid Access-Control-Request-Method: ${method}`,
    })
  }
  const asked = request.header('access-control-request-headers') ?? ''
  for (const name of asked.split(',')) {
    const isGood = name.trim() === '' || HEADER_NAME.test(name.trim())
    if (isGood) continue
    throw new S3Error('BadRequest', {
      message: `Access-Control-Request-Headers "${headerValueText(name)}" contains invalid character.`,
    })
  }
}

function bucketPreflight(request: HttpRequest, rules: readonly CorsRule[]): PreflightReply {
  const origin = request.header('origin') ?? ''
  const method = request.header('access-control-request-method') ?? ''
  const question = questionOf(request, origin, method)
  const match = matchCors(rules, question)
  if (match === undefined) throw new S3Error('AccessForbidden')
  const { maxAgeSeconds } = match.rule
  return {
    status: 200,
    headers: [
      ...matchHeaders(match, question),
      ...(maxAgeSeconds === undefined
        ? []
        : [['Access-Control-Max-Age', String(maxAgeSeconds)] as const]),
      VARY,
    ],
  }
}

function questionOf(request: HttpRequest, origin: string, method: string): CorsQuestion {
  const asked = request.header('access-control-request-headers') ?? ''
  const headers = asked.split(',').map((name) => name.trim().toLowerCase())
  return { origin, method, headers: headers.filter((name) => name !== '') }
}

function matchHeaders({ rule, anyOrigin }: CorsMatch, question: CorsQuestion): readonly Header[] {
  return [
    ...(anyOrigin
      ? [['Access-Control-Allow-Origin', '*'] as const]
      : originHeaders(question.origin)),
    ['Access-Control-Allow-Methods', question.method],
    ...(question.headers.length === 0
      ? []
      : [['Access-Control-Allow-Headers', question.headers.join(', ')] as const]),
    ...(rule.exposed.length === 0
      ? []
      : [['Access-Control-Expose-Headers', rule.exposed.join(', ')] as const]),
  ]
}

function originHeaders(origin: string): readonly Header[] {
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Access-Control-Allow-Credentials', 'true'],
  ]
}
