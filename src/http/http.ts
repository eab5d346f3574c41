/**
 * The HTTP server for any API of the node: limits, request ids, slow-client deadlines, TLS, shutdown.
 *
 * Invariants
 * - The API behind it sees a request only after its header block passed the limits.
 * - Every wait on a client has a deadline; a client that misses it loses its connection.
 * - An API call that throws gets its error mapped by the API, never a stack trace on the wire.
 * - After a reply the connection is in a usable state or closed: an unread body is drained up to a limit, else cut.
 */

export interface HttpRequest {
  /** 16 upper-case hex digits; also `x-amz-request-id`. */
  readonly id: string
  readonly method: string
  /** Path and query exactly as received. */
  readonly target: string
  /** What a trusted proxy took off the front of the path, such as `/s3`; the client signed it. */
  readonly pathPrefix?: string | undefined
  /** Lower-case names; repeated headers joined with `, ` except where `headerValues` is used. Values have one character per byte, as they came; text beyond ASCII is the API's to decode. */
  header(name: string): string | undefined
  headerValues(name: string): readonly string[]
  /** All header names and values in wire order, names as received. */
  readonly rawHeaders: readonly (readonly [string, string])[]
  readonly isSecure: boolean
  readonly remoteAddress: string
  /** Declared `Content-Length`; undefined with chunked transfer encoding. 0 when there is no body. */
  readonly contentLength: number | undefined
  readonly body: HttpBody
  /** Aborts when the client is gone or a deadline passed. */
  readonly signal: AbortSignal
}

/** The request body as raw bytes (transfer encoding removed, `aws-chunked` still in). */
export interface HttpBody {
  /** Next piece, or undefined at the end. The piece stays valid until the next call. Rejects when the client is gone or too slow. The first call sends `100 Continue` where asked for. */
  next(): Promise<Uint8Array | undefined>
}

export interface HttpResponse {
  /** Sends status and headers; once. */
  head(status: number, headers: Iterable<readonly [string, string]>): void
  /** Resolves when the bytes were handed to the kernel, so that their memory may be reused. Rejects when the client is gone. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends the reply with `bytes`, without waiting for the client. */
  end(bytes?: Uint8Array): void
  /** Cuts the connection: a reply that began cannot be finished. */
  destroy(): void
  readonly headSent: boolean
}

export type HttpHandler = (request: HttpRequest, response: HttpResponse) => Promise<void>
