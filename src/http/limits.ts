/** What a client may cost. Sizes are per connection or request of one request thread. */
export interface HttpLimits {
  /** Request line and headers; more is 431. */
  readonly headerBlockMaxBytes: number
  readonly headerCountMax: number
  /** Connections of one thread; more are closed at once. */
  readonly connectionsMax: number
  /** Requests of one connection waiting behind the running one. */
  readonly pipelineMax: number
  /** A whole header block must arrive in this time. */
  readonly headersMs: number
  /** A connection without a request. */
  readonly idleMs: number
  /** A client that neither sends nor takes a byte while it is waited for. */
  readonly inactivityMs: number
  /** While requests wait for memory, a client that is waited for must move `slowMinBytes` in ten checks. */
  readonly slowCheckMs: number
  readonly slowMinBytes: number
  /** An unread body up to this size is drained, so that the connection can go on. */
  readonly drainMaxBytes: number
  /** How long and how much more is read and dropped before a connection is cut, so that the client sees its reply. */
  readonly lingerMs: number
  readonly lingerMaxBytes: number
}

export const DEFAULT_LIMITS: HttpLimits = {
  headerBlockMaxBytes: 1024 * 1024,
  headerCountMax: 1000,
  connectionsMax: 10_000,
  pipelineMax: 64,
  headersMs: 30_000,
  idleMs: 30_000,
  inactivityMs: 30_000,
  slowCheckMs: 2000,
  slowMinBytes: 256 * 1024,
  drainMaxBytes: 1024 * 1024,
  lingerMs: 2_000,
  lingerMaxBytes: 16 * 1024 * 1024,
}
