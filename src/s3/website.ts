/**
 * Websites out of buckets (s3-api.md 4.15.2): GET and HEAD for anybody whom the bucket's policy lets read; index and error
 * pages, redirects, HTML where the S3 API answers XML.
 *
 * A site has the host `<bucket>.<website domain>`, or the very name of its bucket. By the latter only requests without
 * credentials get there: whoever names a bucket like the host of the S3 API must not cut off its clients.
 */
import { utf8 } from '#base/bytes'
import type { Clock } from '#base/clock'
import type { HttpRequest, HttpResponse } from '#http/http'
import { type ObjectEngine, ObjectError } from '#object/object'
import { checkKey, isBucketName } from '#s3-protocol/names'
import { REDIRECT_LOCATION } from '#s3-protocol/object-metadata'
import { decodePercent, encodePercent } from '#s3-protocol/percent'
import { S3Error } from '#s3-protocol/s3-error'
import {
  parseWebsite,
  redirectedKey,
  type RoutingRule,
  ruleFor,
  type Website,
} from '#s3-protocol/website'
import { parseXml } from '#s3-protocol/xml-parser'
import { errorOf } from './errors.ts'
import { ParsedDocuments } from './parsed-documents.ts'
import type { ReplyWriter } from './reply.ts'
import type { S3Reply } from './s3.ts'
import { errorPage, errorPageHeaders, type PageError } from './website/error-page.ts'

/** Reads of one site, with the rights of anybody. */
export interface SiteReader {
  /** The object as GET or HEAD answer it. `plain`: whole, whatever the request's conditions and range. Throws `S3Error`; 403 also for a key that is not there, when the caller may not list. */
  read(
    request: HttpRequest,
    page: { readonly bucket: string; readonly key: string; readonly plain: boolean },
  ): Promise<S3Reply>
}

export interface WebsitesOptions {
  readonly engine: ObjectEngine
  readonly clock: Clock
  readonly replies: ReplyWriter
  readonly reader: SiteReader
  /** Base domains of sites, lower case. None: no sites. */
  readonly domains: readonly string[]
  /** Base domains of the S3 API. */
  readonly apiDomains: readonly string[]
}

/** Hosts that are no sites, kept at once, and for how long. */
const STRANGERS_MAX = 1000
const STRANGER_MS = 10_000

export class Websites {
  readonly #options: WebsitesOptions
  readonly #sites = new ParsedDocuments('WebsiteConfigXML', storedWebsite)
  /** Until when a host is known not to be a site. */
  readonly #strangers = new Map<string, number>()

  constructor(options: WebsitesOptions) {
    this.#options = options
  }

  /** Without base domains there are no sites. */
  get isEmpty(): boolean {
    return this.#options.domains.length === 0
  }

  /** The bucket behind a request for a site; undefined for requests to the S3 API. */
  async bucketOf(request: HttpRequest): Promise<string | undefined> {
    const { domains, apiDomains } = this.#options
    if (this.isEmpty) return undefined
    const host = hostOf(request).replace(/:\d*$/, '').toLowerCase()
    for (const domain of domains) {
      if (host.endsWith(`.${domain}`)) return host.slice(0, -domain.length - 1)
    }
    const mayBeOwn =
      host.includes('.') &&
      isBucketName(host) &&
      !apiDomains.some((domain) => host === domain || host.endsWith(`.${domain}`)) &&
      !hasCredentials(request) &&
      !request.target.startsWith('/minio/')
    return mayBeOwn && (await this.#isSite(host)) ? host : undefined
  }

  async #isSite(bucket: string): Promise<boolean> {
    const nowMs = this.#options.clock.nowMs()
    const strangerMs = this.#strangers.get(bucket)
    if (strangerMs !== undefined && nowMs < strangerMs) return false
    try {
      const metadata = await this.#options.engine.bucketMetadata(bucket)
      if (this.#sites.of(metadata) !== undefined) return true
    } catch (error) {
      if (!(error instanceof ObjectError)) throw error
    }
    if (this.#strangers.size >= STRANGERS_MAX) this.#strangers.clear()
    this.#strangers.set(bucket, nowMs + STRANGER_MS)
    return false
  }

  /** Answers a request for a site. Throws only what no page can be made for. */
  async serve(request: HttpRequest, response: HttpResponse, bucket: string): Promise<void> {
    let key = ''
    let site: Website | undefined
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        throw new S3Error('MethodNotAllowed', { headers: [['Allow', 'GET, HEAD']] })
      }
      site = await this.#siteOf(bucket)
      key = keyOf(request)
      const reply = await this.#answer(request, { bucket, key, site })
      await this.#options.replies.send(request, response, reply)
    } catch (error) {
      if (response.headSent) throw error
      await this.#fail(request, response, { bucket, key, site, error: errorOf(error) })
    }
  }

  async #siteOf(bucket: string): Promise<Website> {
    if (!isBucketName(bucket)) throw new S3Error('NoSuchBucket')
    const site = this.#sites.of(await this.#options.engine.bucketMetadata(bucket))
    if (site === undefined || site === null) throw new S3Error('NoSuchWebsiteConfiguration')
    return site
  }

  async #answer(
    request: HttpRequest,
    {
      bucket,
      key,
      site,
    }: { readonly bucket: string; readonly key: string; readonly site: Website },
  ): Promise<S3Reply> {
    if (site.kind === 'redirect') {
      return redirect(301, `${base(request, site)}${targetOf(request)}`)
    }
    const rule = ruleFor(site.rules, key, undefined)
    if (rule !== undefined) return ruleReply(request, rule, key)
    const isFolder = key === '' || key.endsWith('/')
    try {
      return await this.#read(request, bucket, isFolder ? key + site.indexSuffix : key)
    } catch (error) {
      const { status } = errorOf(error)
      const mayBeFolder = !isFolder && (status === 404 || status === 403)
      if (!mayBeFolder || !(await this.#isThere(request, bucket, `${key}/${site.indexSuffix}`))) {
        throw error
      }
      return redirect(302, `/${encodePercent(key, { keepSlash: true })}/${queryOf(request)}`)
    }
  }

  /** An object, or where it sends its readers. */
  async #read(request: HttpRequest, bucket: string, key: string): Promise<S3Reply> {
    checkKey(key)
    const reply = await this.#options.reader.read(request, { bucket, key, plain: false })
    const headers = [...(reply.headers ?? [])]
    const location = headers.find(([name]) => name === REDIRECT_LOCATION)?.[1]
    if (location === undefined) return { ...reply, headers }
    closeBody(reply)
    return redirect(301, location)
  }

  async #isThere(request: HttpRequest, bucket: string, key: string): Promise<boolean> {
    try {
      closeBody(await this.#options.reader.read(request, { bucket, key, plain: true }))
      return true
    } catch (error) {
      const { status } = errorOf(error)
      if (status === 403 || status === 404 || status === 400) return false
      throw error
    }
  }

  /** A rule for the error, the site's own page, or the plain one. */
  async #fail(
    request: HttpRequest,
    response: HttpResponse,
    failure: {
      readonly bucket: string
      readonly key: string
      readonly site: Website | undefined
      readonly error: S3Error
    },
  ): Promise<void> {
    const { bucket, key, site, error } = failure
    const { replies } = this.#options
    if (error.status === 304) {
      replies.error(request, response, { error, path: request.target, bucket, key })
      return
    }
    const pages = site?.kind === 'pages' ? site : undefined
    const rule = pages === undefined ? undefined : ruleFor(pages.rules, key, error.status)
    if (rule !== undefined) {
      await replies.send(request, response, ruleReply(request, rule, key))
      return
    }
    const errorKey = error.status < 500 ? pages?.errorKey : undefined
    let second: PageError | undefined
    if (errorKey !== undefined) {
      try {
        const page = await this.#options.reader.read(request, {
          bucket,
          key: errorKey,
          plain: true,
        })
        // Of headers that both have, as the ETag of an object whose condition failed, those of the body that is sent count.
        const own = [...(page.headers ?? [])]
        const names = new Set(own.map(([name]) => name.toLowerCase()))
        const all = [
          ...own,
          ...errorPageHeaders(error, key).filter(([name]) => !names.has(name.toLowerCase())),
        ]
        await replies.send(request, response, { ...page, status: error.status, headers: all })
        return
      } catch (thrown) {
        if (response.headSent) throw thrown
        second = { error: errorOf(thrown), key: errorKey }
      }
    }
    this.refuse(request, response, { error, key, second })
  }

  /** Answers with the plain page of an error. */
  refuse(
    request: HttpRequest,
    response: HttpResponse,
    { error, key, second }: PageError & { readonly second?: PageError | undefined },
  ): void {
    this.#options.replies.plain(request, response, {
      status: error.status,
      headers: [['Content-Type', 'text/html; charset=utf-8'], ...errorPageHeaders(error, key)],
      body: utf8(errorPage({ error, key, requestId: request.id, second })),
    })
  }
}

/** Null for a document that cannot be read: a site without pages, as if it had none. */
function storedWebsite(content: Uint8Array): Website | null {
  try {
    return parseWebsite(parseXml(content))
  } catch (error) {
    if (error instanceof S3Error) return null
    throw error
  }
}

function hostOf(request: HttpRequest): string {
  const host = request.header('host') ?? ''
  // It goes into redirects: what is no host is none.
  return /^[A-Za-z0-9._-]+(?::\d{1,5})?$/.test(host) ? host : ''
}

function hasCredentials(request: HttpRequest): boolean {
  return (
    request.header('authorization') !== undefined ||
    /[?&](?:X-Amz-(?:Algorithm|Credential|Signature)|AWSAccessKeyId|Signature)=/i.test(
      request.target,
    )
  )
}

/** Path and query, also of requests that name the host before them. */
function targetOf(request: HttpRequest): string {
  const target = request.target.replace(/^https?:\/\/[^/?]*/i, '')
  return target.startsWith('/') ? target : `/${target}`
}

/** With its question mark; empty without one. */
function queryOf(request: HttpRequest): string {
  const target = targetOf(request)
  const at = target.indexOf('?')
  return at < 0 ? '' : target.slice(at)
}

function keyOf(request: HttpRequest): string {
  const [path = ''] = targetOf(request).split('?', 1)
  const decoded = decodePercent(path, { plusIsBlank: false })
  if (!decoded.ok) throw new S3Error('BadRequest', { message: 'Invalid URI' })
  const key = decoded.text.replace(/^\//, '')
  checkKey(key)
  return key
}

function base(
  request: HttpRequest,
  to: { readonly hostName?: string | undefined; readonly protocol?: string | undefined },
): string {
  const protocol = to.protocol ?? (request.isSecure ? 'https' : 'http')
  return `${protocol}://${to.hostName ?? hostOf(request)}`
}

function ruleReply(request: HttpRequest, rule: RoutingRule, key: string): S3Reply {
  const path = encodePercent(redirectedKey(rule, key), { keepSlash: true })
  const location = `${base(request, rule.redirect)}/${path}${queryOf(request)}`
  return redirect(rule.redirect.status, location)
}

function redirect(status: number, location: string): S3Reply {
  return { status, headers: [['Location', location]] }
}

function closeBody({ body }: S3Reply): void {
  if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) body.close()
}
