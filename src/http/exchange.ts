/** One request and its reply on Node's HTTP server. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BodyAbortedError, BodyReader } from './body-reader.ts'
import type { HttpRequest, HttpResponse } from './http.ts'
import type { HttpLimits } from './limits.ts'

export interface ExchangeOptions {
  readonly id: string
  readonly isSecure: boolean
  readonly expectsContinue: boolean
  readonly limits: HttpLimits
  /** True when the connection ends with the reply. */
  readonly isLast: () => boolean
}

/** Over TLS, pieces of a reply from this size on are not joined with its head. */
const APART_MIN_BYTES = 65_536

/** Both faces of an exchange, for the handler, and what the server needs to finish it. */
export class Exchange implements HttpRequest, HttpResponse {
  readonly id: string
  readonly method: string
  readonly target: string
  readonly isSecure: boolean
  readonly contentLength: number | undefined
  readonly body: BodyReader
  readonly #message: IncomingMessage
  readonly #response: ServerResponse
  readonly #options: ExchangeOptions
  #headers: readonly (readonly [string, string])[] | undefined
  #controller: AbortController | undefined
  #goneError: Error | undefined
  /** Refuses each write whose bytes the kernel has not taken. */
  readonly #writes = new Set<(error: Error) => void>()
  #endsWith: Uint8Array | undefined
  headSent = false
  isEnded = false

  constructor(message: IncomingMessage, response: ServerResponse, options: ExchangeOptions) {
    this.#message = message
    this.#response = response
    this.#options = options
    this.id = options.id
    this.method = message.method ?? 'GET'
    this.target = message.url ?? '/'
    this.isSecure = options.isSecure
    const { 'content-length': length, 'transfer-encoding': encoding } = message.headers
    this.contentLength =
      encoding === undefined ? (length === undefined ? 0 : Number(length)) : undefined
    this.body = new BodyReader(message, response, {
      isEmpty: this.contentLength === 0,
      expectsContinue: options.expectsContinue,
    })
  }

  get remoteAddress(): string {
    return this.#message.socket.remoteAddress ?? ''
  }

  get rawHeaders(): readonly (readonly [string, string])[] {
    if (this.#headers !== undefined) return this.#headers
    const raw = this.#message.rawHeaders
    const headers: (readonly [string, string])[] = []
    for (let i = 0; i + 1 < raw.length; i += 2) headers.push([raw[i] ?? '', raw[i + 1] ?? ''])
    this.#headers = headers
    return headers
  }

  get headerCount(): number {
    return this.#message.rawHeaders.length / 2
  }

  header(name: string): string | undefined {
    const value = this.#message.headers[name]
    // The names come from clients too: `constructor` must not find what objects inherit.
    return typeof value === 'string' ? value : undefined
  }

  headerValues(name: string): readonly string[] {
    const raw = this.#message.rawHeaders
    const values: string[] = []
    for (let i = 0; i + 1 < raw.length; i += 2) {
      if (raw[i]?.toLowerCase() === name) values.push(raw[i + 1] ?? '')
    }
    return values
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#goneError !== undefined) this.#controller.abort(this.#goneError)
    }
    return this.#controller.signal
  }

  /** True while the client is waited for: to send its body or to take the reply. */
  get isWaitingForClient(): boolean {
    return this.body.isWaiting || this.#writes.size > 0 || this.isEnded
  }

  /**
   * The connection is closed, and the kernel has no more use for any bytes. Node never reports on a write that came
   * between the loss of the connection and the news of it: who waits for one learns it here.
   */
  closed(cause: Error): void {
    this.abandon(cause)
    for (const refuse of this.#writes) refuse(cause)
    this.#writes.clear()
  }

  /** The client is given up. */
  abandon(cause: Error): void {
    if (this.#goneError !== undefined) return
    this.#goneError = cause
    this.body.fail(cause)
    if (!this.#response.writableFinished) this.#controller?.abort(cause)
  }

  head(status: number, headers: Iterable<readonly [string, string]>): void {
    if (this.headSent) throw new Error('Reply has a head already')
    const flat: string[] = []
    for (const [name, value] of headers) flat.push(name, value)
    if (this.#mustClose()) flat.push('Connection', 'close')
    this.#response.writeHead(status, flat)
    this.headSent = true
  }

  #mustClose(): boolean {
    if (this.#options.isLast()) return true
    if (this.body.isComplete) return false
    if (this.body.isHeldBack || this.body.hasFailed) return true
    if (this.contentLength === undefined) return true
    return this.contentLength - this.body.receivedBytes > this.#options.limits.drainMaxBytes
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#goneError !== undefined) return Promise.reject(this.#goneError)
    // Node copies what it encrypts together: a head that leaves alone spares that.
    if (this.isSecure && bytes.length >= APART_MIN_BYTES) this.#response.flushHeaders()
    return new Promise((resolve, reject) => {
      this.#writes.add(reject)
      this.#response.write(bytes, (error) => {
        this.#writes.delete(reject)
        if (error) {
          // The client is gone, whichever event says so first.
          this.abandon(error)
          reject(error)
        } else resolve()
      })
    })
  }

  end(bytes?: Uint8Array): void {
    if (this.isEnded) return
    this.isEnded = true
    this.#endsWith = bytes
    // With its body complete the reply ends at once; else `finish` takes care of the rest of the body.
    if (this.body.isComplete) this.#flush()
  }

  #flush(): void {
    const bytes = this.#endsWith
    this.#endsWith = undefined
    this.#response.end(bytes)
  }

  destroy(): void {
    this.isEnded = true
    this.#message.destroy()
    this.#response.destroy()
  }

  /** Ends the connection once the reply is out. */
  hangUp(): void {
    this.#message.socket.destroySoon()
  }

  /** After the handler: completes the reply, and leaves the connection usable or closed. `linger` resolves when the time for draining is over. */
  async finish(linger: () => Promise<void>): Promise<void> {
    if (!this.isEnded) {
      // A handler that forgot to end leaves a reply that nobody can complete.
      this.destroy()
      return
    }
    if (this.body.isComplete || this.body.hasFailed) {
      if (!this.#response.writableEnded) this.#flush()
      return
    }
    // The reply goes out first; ending it would cut a connection that still sends.
    if (this.#endsWith !== undefined && this.#endsWith.length > 0) {
      this.#response.write(this.#endsWith)
    } else {
      this.#response.flushHeaders()
    }
    if (this.body.isHeldBack) {
      this.#response.end()
      return
    }
    const { drainMaxBytes, lingerMaxBytes } = this.#options.limits
    const limit = this.#mustClose() ? lingerMaxBytes : drainMaxBytes
    const drained = await Promise.race([this.body.drain(limit), linger().then(() => false)])
    this.#response.end()
    if (!drained) {
      this.abandon(new BodyAbortedError('Rest of the body was not waited for'))
      this.#response.destroy()
    }
  }
}
