/** CORS documents of buckets (s3-api.md 4.14.2): reading, and which rule a request meets. */
import { S3Error } from './s3-error.ts'
import type { XmlElement } from './xml-parser.ts'
import { checkDocument, fields, many, optional, text } from './xml-shape.ts'

export interface CorsRule {
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  /** In lower case. */
  readonly headers: readonly string[]
  readonly exposed: readonly string[]
  readonly maxAgeSeconds: number | undefined
}

/** What a browser asks for. */
export interface CorsQuestion {
  readonly origin: string
  readonly method: string
  /** Names of headers that the request will have, in lower case. */
  readonly headers: readonly string[]
}

export interface CorsMatch {
  readonly rule: CorsRule
  /** True when any origin may, so that the answer is the same for all. */
  readonly anyOrigin: boolean
}

/** Methods that rules may name. */
export const CORS_METHODS: readonly string[] = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']

const RULES_MAX = 100
const SHAPE = fields({
  CORSRule: many(
    fields({
      ID: optional(text(/^[\s\S]{0,255}$/)),
      AllowedOrigin: many(text(/^\S[\s\S]*$/), 1),
      AllowedMethod: many(text(), 1),
      AllowedHeader: many(text(/^\S[\s\S]*$/)),
      ExposeHeader: many(text(/^\S[\s\S]*$/)),
      // AWS takes negative ages too: browsers keep the answer for no time.
      MaxAgeSeconds: optional(text(/^-?\d{1,9}$/)),
    }),
    1,
    RULES_MAX,
  ),
})

/** Reads and judges a document. `MalformedXML`, `InvalidRequest`. */
export function parseCors(root: XmlElement): readonly CorsRule[] {
  checkDocument(root, 'CORSConfiguration', SHAPE)
  return root.children('CORSRule').map((rule) => {
    const origins = textsOf(rule, 'AllowedOrigin')
    const methods = textsOf(rule, 'AllowedMethod')
    const headers = textsOf(rule, 'AllowedHeader')
    const exposed = textsOf(rule, 'ExposeHeader')
    for (const method of methods) checkMethod(method)
    for (const origin of origins) checkWildcard('AllowedOrigin', origin)
    for (const header of headers) checkAllowed(header)
    for (const header of exposed) checkExposed(header)
    const maxAge = rule.childText('MaxAgeSeconds')
    return {
      origins,
      methods,
      headers: headers.map((header) => header.toLowerCase()),
      exposed,
      maxAgeSeconds: maxAge === undefined ? undefined : Number(maxAge),
    }
  })
}

function textsOf(rule: XmlElement, name: string): readonly string[] {
  return rule.children(name).map((element) => element.text)
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}

function checkMethod(method: string): void {
  if (CORS_METHODS.includes(method)) return
  throw invalid(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`)
}

function checkWildcard(name: string, value: string): void {
  if (value.split('*').length <= 2) return
  throw invalid(`${name} "${value}" can not have more than one wildcard.`)
}

/** A name of a header, with at most one `*`. */
function checkAllowed(header: string): void {
  checkWildcard('AllowedHeader', header)
  checkName(header)
}

/** Amazon's text, which says `AllowedHeader` of both. */
function checkName(header: string): void {
  if (HEADER_NAME.test(header)) return
  throw invalid(`AllowedHeader "${header}" contains invalid character.`)
}

/** What the name of a header may hold. */
export const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** These go into a header of every reply: only what a header name may hold. */
function checkExposed(header: string): void {
  if (header.includes('*')) {
    throw invalid(
      `ExposeHeader "${header}" contains wildcard. We currently do not support wildcard for ExposeHeader.`,
    )
  }
  checkName(header)
}

/** The first rule that allows all of it. */
export function matchCors(
  rules: readonly CorsRule[],
  { origin, method, headers }: CorsQuestion,
): CorsMatch | undefined {
  for (const rule of rules) {
    if (!rule.methods.includes(method)) continue
    const allowed = rule.origins.find((pattern) => matchesOne(pattern, origin))
    if (allowed === undefined) continue
    const isFree = headers.every((name) => rule.headers.some((p) => matchesOne(p, name)))
    if (isFree) return { rule, anyOrigin: allowed === '*' }
  }
  return undefined
}

/** Whether a pattern with at most one `*` matches all of a text. */
function matchesOne(pattern: string, value: string): boolean {
  const at = pattern.indexOf('*')
  if (at < 0) return pattern === value
  const tail = pattern.slice(at + 1)
  return (
    value.length >= pattern.length - 1 &&
    value.startsWith(pattern.slice(0, at)) &&
    value.endsWith(tail)
  )
}
