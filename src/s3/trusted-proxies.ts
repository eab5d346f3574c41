/**
 * Who a request comes from, when a proxy of the operator passed it on. Only what trusted proxies say counts (SEC-48): of a list
 * of addresses the last one that is not itself trusted, since everything before it is the client's word.
 */
import type { HttpBody, HttpRequest } from '#http/http'
import { AddressBlocks, isAddress } from '#iam/address-blocks'

/** Addresses looked at in one list; clients may send many. */
const HOPS_MAX = 32

export class TrustedProxies {
  readonly #blocks = new AddressBlocks()
  readonly #isEmpty: boolean
  readonly #pathPrefix: string

  /**
   * `blocks`: addresses and CIDR blocks, checked before. `pathPrefix`: what these proxies take off the path, of every request;
   * no header tells, because what a proxy does not set itself is the word of its client, and would turn a signature for one
   * bucket into one for another.
   */
  constructor(blocks: readonly string[], pathPrefix = '') {
    this.#pathPrefix = pathPrefix
    for (const block of blocks) this.#blocks.add(block)
    this.#isEmpty = blocks.length === 0
  }

  /** The request as the client sent it to the first of the trusted proxies. */
  unwrap(request: HttpRequest): HttpRequest {
    if (this.#isEmpty || !this.#blocks.has(request.remoteAddress)) return request
    const address = this.#clientOf(request) ?? request.remoteAddress
    const isSecure = isHttps(request) ?? request.isSecure
    return new ForwardedRequest(request, { address, isSecure, pathPrefix: this.#pathPrefix })
  }

  #clientOf(request: HttpRequest): string | undefined {
    const forwarded = request.header('x-forwarded-for')
    if (forwarded !== undefined) return this.#lastStranger(forwarded.split(','))
    const real = request.header('x-real-ip')
    if (real !== undefined) return addressOf(real)
    const elements = request.header('forwarded')?.split(',') ?? []
    return this.#lastStranger(elements.map((element) => parameterOf(element, 'for') ?? ''))
  }

  #lastStranger(hops: readonly string[]): string | undefined {
    let found: string | undefined
    for (const hop of hops.slice(-HOPS_MAX).toReversed()) {
      const address = addressOf(hop)
      if (address === undefined) break
      found = address
      if (!this.#blocks.has(address)) break
    }
    return found
  }
}

function isHttps(request: HttpRequest): boolean | undefined {
  const forwarded = request.header('forwarded')?.split(',').at(-1)
  const scheme =
    request.header('x-forwarded-proto')?.split(',').at(-1) ??
    request.header('x-forwarded-scheme') ??
    (forwarded === undefined ? undefined : parameterOf(forwarded, 'proto'))
  return scheme === undefined ? undefined : scheme.trim().toLowerCase() === 'https'
}

function parameterOf(element: string, name: string): string | undefined {
  for (const pair of element.split(';')) {
    const [key = '', value] = pair.split('=')
    if (key.trim().toLowerCase() === name) return value?.trim().replaceAll('"', '')
  }
  return undefined
}

/** Without port, brackets and zone. */
function addressOf(text: string): string | undefined {
  const trimmed = text.trim()
  const bare = /^\[([^\]]+)\]/.exec(trimmed)?.[1] ?? trimmed.replace(/^([\d.]+):\d+$/, '$1')
  const address = bare.replace(/%.*$/, '')
  return isAddress(address) ? address : undefined
}

class ForwardedRequest implements HttpRequest {
  readonly id: string
  readonly method: string
  readonly target: string
  readonly pathPrefix: string
  readonly contentLength: number | undefined
  readonly remoteAddress: string
  readonly isSecure: boolean
  readonly body: HttpBody
  readonly #request: HttpRequest

  constructor(
    request: HttpRequest,
    seen: {
      readonly address: string
      readonly isSecure: boolean
      readonly pathPrefix: string
    },
  ) {
    this.#request = request
    this.id = request.id
    this.method = request.method
    this.target = request.target
    this.contentLength = request.contentLength
    this.body = request.body
    this.remoteAddress = seen.address
    this.isSecure = seen.isSecure
    this.pathPrefix = seen.pathPrefix
  }

  get rawHeaders(): HttpRequest['rawHeaders'] {
    return this.#request.rawHeaders
  }

  get signal(): AbortSignal {
    return this.#request.signal
  }

  header(name: string): string | undefined {
    return this.#request.header(name)
  }

  headerValues(name: string): readonly string[] {
    return this.#request.headerValues(name)
  }
}
