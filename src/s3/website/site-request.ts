import type { HttpBody, HttpRequest } from '#http/http'

type Header = readonly [string, string]

const API_HEADER = /^(?:authorization|x-amz-.*|x-minio-.*)$/
const CONDITION = /^(?:range|if-.*)$/

/** A request as a website sees it: without credentials and without what only the S3 API knows; `plain` ones want all of a page. */
export class SiteRequest implements HttpRequest {
  readonly id: string
  readonly method: string
  readonly target: string
  readonly isSecure: boolean
  readonly remoteAddress: string
  readonly contentLength = 0
  readonly signal: AbortSignal
  readonly rawHeaders: readonly Header[]
  readonly body: HttpBody = { next: () => Promise.resolve(undefined) }
  readonly #request: HttpRequest
  readonly #plain: boolean

  constructor(request: HttpRequest, plain: boolean) {
    this.id = request.id
    this.method = request.method
    this.target = request.target
    this.isSecure = request.isSecure
    this.remoteAddress = request.remoteAddress
    this.signal = request.signal
    this.#request = request
    this.#plain = plain
    this.rawHeaders = request.rawHeaders.filter(([name]) => this.#has(name.toLowerCase()))
  }

  header(name: string): string | undefined {
    return this.#has(name) ? this.#request.header(name) : undefined
  }

  headerValues(name: string): readonly string[] {
    return this.#has(name) ? this.#request.headerValues(name) : []
  }

  #has(name: string): boolean {
    return !API_HEADER.test(name) && !(this.#plain && CONDITION.test(name))
  }
}
