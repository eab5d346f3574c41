/** Writes that a request contains: the file of a form, an entry of an archive. Each runs as a PUT of its own. */
import { utf8 } from '#base/bytes'
import type { HttpRequest } from '#http/http'
import type { BodySource } from '#object/object'
import { Query } from '#s3-protocol/query'
import { checkAddress, checkHeaders } from '../request-checks.ts'
import type { S3Call } from '../s3.ts'

/** What is written, as a PUT would say it. */
export interface InnerWrite {
  readonly key: string
  /** Text is Unicode; names in any case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: BodySource
  /** Default: the caller of the whole request. */
  readonly caller?: Pick<S3Call, 'identity' | 'isAllowed'> | undefined
}

/** The call of a write inside `call`. Throws what a PUT with this key and these headers would get before its handler. */
export function innerWrite(call: S3Call, write: InnerWrite): S3Call {
  const { key, body, caller = call } = write
  // The size is known at the end only; the engine counts.
  const headers = [...write.headers, ['transfer-encoding', 'chunked'] as const]
  const request = requestWithin(call.request, headers)
  const path = `/${call.bucket}/${key}`
  const { bucket } = call
  const query = Query.EMPTY
  checkHeaders(request)
  checkAddress(
    request,
    { bucket, key, path, query, virtualHost: false, resourcePath: path },
    call.services,
  )
  return {
    ...call,
    request,
    key,
    query,
    body,
    identity: caller.identity,
    isAllowed: caller.isAllowed,
    trailers: () => new Map(),
    announcedTrailers: [],
  }
}

/** The outer request with other headers: what it contains is not described by its own. */
export function requestWithin(outer: HttpRequest, headers: InnerWrite['headers']): HttpRequest {
  return new InnerRequest(outer, headers)
}

class InnerRequest implements HttpRequest {
  readonly id: string
  readonly method = 'PUT'
  readonly target: string
  readonly rawHeaders: readonly (readonly [string, string])[]
  readonly isSecure: boolean
  readonly remoteAddress: string
  readonly contentLength = undefined
  readonly body: HttpRequest['body']
  readonly signal: AbortSignal

  constructor(outer: HttpRequest, headers: readonly (readonly [string, string])[]) {
    this.id = outer.id
    this.target = outer.target
    // One character for each byte, as headers come from the wire.
    this.rawHeaders = headers.map(([name, value]) => [
      name,
      Buffer.from(utf8(value)).toString('latin1'),
    ])
    this.isSecure = outer.isSecure
    this.remoteAddress = outer.remoteAddress
    this.body = outer.body
    this.signal = outer.signal
  }

  header(name: string): string | undefined {
    const values = this.headerValues(name)
    return values.length === 0 ? undefined : values.join(', ')
  }

  headerValues(name: string): readonly string[] {
    return this.rawHeaders
      .filter(([header]) => header.toLowerCase() === name)
      .map(([, value]) => value)
  }
}
