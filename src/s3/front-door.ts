/**
 * The way of every S3 request (s3-api.md 1.2): address, checks, row, authentication, authorization, body, handler, reply.
 *
 * Invariants
 * - Whatever is thrown becomes one S3 error reply, logged with the request id; internal text never leaves.
 * - No handler runs before signature and permission are checked, and none sees a body that is not verified while read.
 */
import { assert } from '#base/assert'
import { utf8 } from '#base/bytes'
import type { HttpHandler, HttpRequest, HttpResponse } from '#http/http'
import { ObjectError } from '#object/object'
import type { Log } from '#observe/log'
import { headerValueText } from '#s3-protocol/percent'
import { isReservedBucket } from '#s3-protocol/names'
import { Query } from '#s3-protocol/query'
import { S3Error } from '#s3-protocol/s3-error'
import { adminTarget } from './admin.ts'
import { type Authentication, Authenticator, type CredentialSource } from './authenticate.ts'
import {
  checkDate,
  checkSingleScheme,
  classify,
  UNSUPPORTED_SCHEME,
} from './authenticate-scheme.ts'
import { type AuthorizeContext, Authorizer } from './authorize.ts'
import { CrossOrigin } from './cross-origin.ts'
import { errorOf } from './errors.ts'
import { healthReply, isHealthPath } from './health.ts'
import { ReplyWriter } from './reply.ts'
import { refusal } from './refusal.ts'
import { checkAddress, checkHeaders } from './request-checks.ts'
import { RequestBody } from './request-body.ts'
import { NO_DOCUMENT, readDocument } from './request-document.ts'
import { ResponseWithHeaders } from './response-with-headers.ts'
import { type Address, parseAddress, Router } from './router.ts'
import type { Operation, S3Call, S3Reply, S3Services } from './s3.ts'
import { awaitSlow, mayBeSlow } from './slow-reply.ts'
import { TrustedProxies } from './trusted-proxies.ts'
import { isUnbuiltApi } from './unbuilt-apis.ts'
import { Websites } from './website.ts'
import { SiteRequest } from './website/site-request.ts'

/** How many requests are served at a time, over all threads of the node. Health checks do not count. */
export interface Admission {
  /** False: too many; else `leave` must be called once. */
  tryEnter(): boolean
  leave(): void
}

export interface FrontDoorOptions {
  readonly services: S3Services
  readonly operations: readonly Operation[]
  readonly credentials: CredentialSource
  readonly log: Log
  /** Whether what the policy of a bucket denies is denied to the owner too; default: yes. */
  readonly policiesBindOwner?: boolean | undefined
  /** Base domains of virtual hosts, lower case. */
  readonly domains: readonly string[]
  /** Origins that browsers may come from, with `*`, to buckets without CORS rules of their own; default: any. */
  readonly corsOrigins?: readonly string[] | undefined
  /** Addresses and CIDR blocks of proxies whose word about clients counts; default: none. */
  readonly trustedProxies?: readonly string[] | undefined
  /** What these proxies take off the front of paths, such as `/s3`; default: nothing. */
  readonly pathPrefix?: string | undefined
  /** Base domains of websites, lower case; default: no websites. */
  readonly websiteDomains?: readonly string[] | undefined
  /** Default: no limit. */
  readonly admission?: Admission | undefined
}

/** The handler of the S3 API. One per request thread. */
export function createFrontDoor(options: FrontDoorOptions): HttpHandler {
  const door = new FrontDoor(options)
  return (request, response) => door.handle(request, response)
}

const CROSS_DOMAIN = utf8(
  '<?xml version="1.0"?><!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd"><cross-domain-policy><allow-access-from domain="*" secure="false" /></cross-domain-policy>',
)
/** Whoever asks a website. */
const ANYBODY: Authentication = {
  identity: { accessKey: '', isOwner: false },
  scheme: 'anonymous',
  payload: { kind: 'unchecked' },
}
/** Clients learn the region by these. */
const ANY_REGION = new Set(['GetBucketLocation', 'ListBuckets'])

/** What is asked for. */
interface Target {
  readonly address: Pick<Address, 'bucket' | 'key'>
  readonly operation: Operation
}

class FrontDoor {
  readonly #options: FrontDoorOptions
  readonly #router: Router
  readonly #authenticator: Authenticator
  readonly #authorizer: Authorizer
  readonly #replies: ReplyWriter
  readonly #crossOrigin: CrossOrigin
  readonly #proxies: TrustedProxies
  readonly #websites: Websites

  constructor(options: FrontDoorOptions) {
    this.#options = options
    const { services } = options
    this.#router = new Router(options.operations)
    this.#authenticator = new Authenticator({
      credentials: options.credentials,
      clock: services.clock,
      region: services.region,
    })
    this.#authorizer = new Authorizer({
      engine: services.engine,
      clock: services.clock,
      bindsOwner: options.policiesBindOwner ?? true,
    })
    this.#proxies = new TrustedProxies(options.trustedProxies ?? [], options.pathPrefix)
    this.#crossOrigin = new CrossOrigin(services.engine, options.corsOrigins ?? ['*'])
    const { region } = services
    this.#replies = new ReplyWriter({ region, strictTransport: true })
    this.#websites = new Websites({
      engine: services.engine,
      clock: services.clock,
      // Of the hosts of others this server promises nothing.
      replies: new ReplyWriter({ region, strictTransport: false }),
      reader: { read: (request, at) => this.#readPage(request, at) },
      domains: options.websiteDomains ?? [],
      apiDomains: options.domains,
    })
  }

  async handle(plainRequest: HttpRequest, plainResponse: HttpResponse): Promise<void> {
    const request = this.#proxies.unwrap(plainRequest)
    let response = plainResponse
    let address: Address | undefined
    try {
      // Most requests are neither for websites nor from browsers: they wait for nothing here.
      const site = this.#websites.isEmpty ? undefined : await this.#websites.bucketOf(request)
      if (site !== undefined) {
        await this.#serveSite(request, response, site)
        return
      }
      address = parseAddress(request, this.#options.domains, this.#options.services)
      if (request.method === 'OPTIONS') {
        const reply = await this.#crossOrigin.preflight(request, address.bucket)
        this.#replies.plain(request, response, reply)
        return
      }
      if (request.header('origin') !== undefined) {
        const headers = await this.#crossOrigin.headers(request, address.bucket)
        if (headers.length > 0) response = new ResponseWithHeaders(plainResponse, headers)
      }
      if (this.#answersOutside(request, response, address)) return
      if (isUnbuiltApi(request, address)) throw new S3Error('NotImplemented')
      const admitted = address
      await this.#within(async () => {
        const call = await this.#admit(request, admitted)
        const reply = await this.#outcome(call, response, admitted)
        if (reply === undefined) return
        await this.#replies.send(request, response, reply)
        const failure = failureWithin(reply)
        if (failure !== undefined) this.#report(request, errorOf(failure), failure)
      })
    } catch (error) {
      this.#fail(request, response, { thrown: error, address })
    }
  }

  async #within(work: () => Promise<void>): Promise<void> {
    if (this.#options.admission?.tryEnter() === false) throw new S3Error('TooManyRequests')
    try {
      await work()
    } finally {
      this.#options.admission?.leave()
    }
  }

  /** The reply of the handler; undefined when it took so long that it was sent already. */
  async #outcome(
    call: S3Call,
    response: HttpResponse,
    address: Address,
  ): Promise<S3Reply | undefined> {
    const running = call.operation.handler(call)
    if (!mayBeSlow(call.operation)) return running
    const { request } = call
    const { path, bucket, key } = address
    return awaitSlow(running, response, {
      clock: this.#options.services.clock,
      sendHead: () => this.#replies.documentHead(request, response),
      errorText: (thrown) => {
        const error = errorOf(thrown)
        this.#report(request, error, thrown)
        return this.#replies.errorText(request, { error, path, bucket, key })
      },
    })
  }

  async #serveSite(request: HttpRequest, response: HttpResponse, site: string): Promise<void> {
    if (request.method === 'OPTIONS') {
      try {
        this.#replies.plain(request, response, await this.#crossOrigin.preflight(request, site))
      } catch (error) {
        if (!(error instanceof S3Error)) throw error
        this.#websites.refuse(request, response, { error, key: '' })
      }
      return
    }
    const headers = await this.#crossOrigin.headers(request, site)
    const reply = headers.length === 0 ? response : new ResponseWithHeaders(response, headers)
    await this.#within(() => this.#websites.serve(request, reply, site))
  }

  /** One object with the rights of anybody, by the handlers of the S3 API. */
  async #readPage(
    original: HttpRequest,
    { bucket, key, plain }: { bucket: string; key: string; plain: boolean },
  ): Promise<S3Reply> {
    const name = original.method === 'HEAD' ? 'HeadObject' : 'GetObject'
    const operation = this.#options.operations.find((row) => row.name === name)
    assert(operation !== undefined)
    const request = new SiteRequest(original, plain)
    const context = { request, query: Query.EMPTY, authentication: ANYBODY }
    await this.#authorize(context, { address: { bucket, key }, operation })
    const call: S3Call = {
      operation,
      services: this.#options.services,
      request,
      identity: ANYBODY.identity,
      bucket,
      key,
      query: Query.EMPTY,
      virtualHost: true,
      body: new RequestBody(request, ANYBODY.payload),
      trailers: () => new Map(),
      announcedTrailers: [],
      document: NO_DOCUMENT,
      isAllowed: this.#question(context),
      signerOfForm: () => Promise.reject(new S3Error('AccessDenied')),
    }
    try {
      return await operation.handler(call)
    } catch (error) {
      const isAbsent = error instanceof ObjectError && error.code === 'ObjectNotFound'
      // As with Amazon: who may not list learns nothing about what is not there.
      if (!isAbsent || (await this.#authorizer.mayLearnAbsence(context, bucket, key))) throw error
      throw new S3Error('AccessDenied')
    }
  }

  /** Requests that belong to no bucket and need no key. */
  #answersOutside(request: HttpRequest, response: HttpResponse, address: Address): boolean {
    const { method } = request
    const { path, virtualHost } = address
    if (virtualHost || (method !== 'GET' && method !== 'HEAD')) return false
    if (isHealthPath(path)) {
      const reply = healthReply(path, address.query ?? Query.EMPTY, this.#options.services.engine)
      if (reply === undefined) return false
      this.#replies.plain(request, response, reply)
      return true
    }
    if (path === '/crossdomain.xml') {
      const headers = [['Content-Type', 'application/xml']] as const
      this.#replies.plain(request, response, { status: 200, headers, body: CROSS_DOMAIN })
      return true
    }
    return false
  }

  /** All checks up to the handler. */
  async #admit(request: HttpRequest, sentTo: Address): Promise<S3Call> {
    const { services } = this.#options
    const { query } = sentTo
    if (query === undefined) {
      throw new S3Error('InvalidRequest', { message: UNSUPPORTED_SCHEME })
    }
    const scheme = classify(request, query)
    checkDate(request, scheme, services.clock.nowMs())
    checkHeaders(request)
    checkSingleScheme(request, query)
    const admin = adminTarget(request, sentTo, query)
    const address = admin?.address ?? sentTo
    checkAddress(request, address, services)
    const operation = admin?.operation ?? this.#router.match(request, address, query)
    const { path, resourcePath } = address
    // Admin clients name no region.
    const anyRegion = admin !== undefined || ANY_REGION.has(operation.name)
    const authentication = await this.#authenticator.authenticate(
      { request, path, resourcePath, query, anyRegion },
      scheme,
    )
    if (authentication.payload.kind === 'chunked' && operation.body.kind !== 'stream') {
      throw new S3Error('InvalidRequest', {
        message: 'The value of x-amz-content-sha256 header is invalid.',
      })
    }
    const context = { request, query, authentication }
    const body = new RequestBody(request, authentication.payload)
    const { facts } = operation
    const target = { address, operation }
    // A refused request costs nothing, but where its document may decide.
    if (facts === undefined) await this.#authorize(context, target)
    else if (!(await this.#mightBeAllowed(context, target))) {
      await this.#refuse(target, authentication.identity.accessKey)
    }
    const document = await readDocument(operation.body, { services, request, body, authentication })
    const asked =
      facts === undefined ? context : { ...context, facts: facts(document, services.clock.nowMs()) }
    if (facts !== undefined) await this.#authorize(asked, target)
    return {
      operation,
      services,
      request,
      identity: authentication.identity,
      bucket: address.bucket,
      key: address.key,
      query,
      virtualHost: address.virtualHost,
      body,
      trailers: () => body.trailers,
      announcedTrailers: body.announcedTrailers,
      document,
      isAllowed: this.#question(asked),
      signerOfForm: async (fields) => {
        const signed = await this.#authenticator.authenticateForm(fields)
        return {
          identity: signed.identity,
          isAllowed: this.#question({ ...asked, authentication: signed }),
        }
      },
    }
  }

  #question(asked: AuthorizeContext): S3Call['isAllowed'] {
    return (action, bucket, key, about) =>
      this.#authorizer.isAllowed(
        about === undefined ? asked : { ...asked, ...about },
        action,
        bucket,
        key,
      )
  }

  #mightBeAllowed(context: AuthorizeContext, { address, operation }: Target): Promise<boolean> {
    const { action = '' } = operation
    return this.#authorizer.mightBeAllowed(context, action, address.bucket, address.key)
  }

  async #authorize(context: AuthorizeContext, { address, operation }: Target): Promise<void> {
    const { identity } = context.authentication
    if (identity.accessKey === '' && operation.anonymous === false)
      throw new S3Error('AccessDenied')
    const { action } = operation
    if (action === undefined) return
    const { bucket, key } = address
    if (await this.#authorizer.isAllowed(context, action, bucket, key)) return
    if (action === 's3:GetObject' && identity.accessKey === '') {
      await this.#tellAbsence(context, bucket, key)
    }
    await this.#refuse({ address, operation }, identity.accessKey)
  }

  /** As with Amazon: that a bucket does not exist anybody may know, but not what nobody may make. */
  async #refuse({ address, operation }: Target, accessKey: string): Promise<never> {
    const { bucket } = address
    const mayExist = bucket !== '' && !isReservedBucket(bucket)
    if (mayExist && operation.action !== 's3:CreateBucket') {
      await this.#options.services.engine.bucketMetadata(bucket)
    }
    throw refusal(operation.name, accessKey)
  }

  /** Who may list a bucket may know that a key is not in it. */
  async #tellAbsence(context: AuthorizeContext, bucket: string, key: string): Promise<void> {
    if (!(await this.#authorizer.mayLearnAbsence(context, bucket, key))) return
    try {
      await this.#options.services.engine.headObject(bucket, key, { range: { kind: 'all' } })
    } catch (error) {
      if (error instanceof ObjectError && error.code === 'ObjectNotFound') throw error
    }
  }

  #fail(
    request: HttpRequest,
    response: HttpResponse,
    { thrown, address }: { thrown: unknown; address: Address | undefined },
  ): void {
    const error = errorOf(thrown)
    this.#report(request, error, thrown)
    if (response.headSent) {
      response.destroy()
      return
    }
    const { bucket = '', key = '' } = address ?? {}
    const path = address?.path ?? headerValueText(request.target.split('?', 1)[0] ?? '/')
    try {
      this.#replies.error(request, response, { error, path, bucket, key })
    } catch (failure) {
      this.#options.log.error('Error reply failed', { requestId: request.id, error: failure })
      response.destroy()
    }
  }

  /** Server faults are errors; what clients do wrong is their business and fills no log. */
  #report(request: HttpRequest, error: S3Error, thrown: unknown): void {
    const { log } = this.#options
    const fields = {
      requestId: request.id,
      method: request.method,
      code: error.code,
      error: thrown,
    }
    if (request.signal.aborted || error.code === 'ClientDisconnected') {
      log.debug('Client left before the reply', fields)
    } else if (error.status >= 500 && error.status !== 501) log.error('Request failed', fields)
    else log.debug('Request was refused', fields)
  }
}

/** What a reply that was sent whole told its client within, and nobody else. */
function failureWithin({ body }: S3Reply): unknown {
  return typeof body === 'object' && 'failure' in body ? body.failure?.() : undefined
}
