/** The listener of one request thread. */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '#base/clock'
import type { Log } from '#observe/log'
import type { CertificateStore } from './certificates.ts'
import { Exchange } from './exchange.ts'
import type { HttpHandler } from './http.ts'
import { DEFAULT_LIMITS, type HttpLimits } from './limits.ts'
import { type MemoryQueue, SlowClients } from './slow-clients.ts'

export interface HttpServerOptions {
  readonly handler: HttpHandler
  readonly clock: Clock
  readonly log: Log
  /** Address to listen on; undefined: all. */
  readonly host?: string | undefined
  readonly port: number
  /** Several threads share the port. */
  readonly reusePort?: boolean | undefined
  /** TLS when given. */
  readonly certificates?: CertificateStore | undefined
  readonly limits?: Partial<HttpLimits> | undefined
  /** What requests hold while they wait for their clients; undefined: slow clients keep nobody waiting. */
  readonly memory?: MemoryQueue | undefined
}

export interface HttpServer {
  /** The port listened on, also when 0 was asked for. */
  readonly port: number
  /** Stops accepting, closes idle connections at once, lets running requests finish for `limitMs`, then cuts them. */
  stop(limitMs: number): Promise<void>
}

interface Connection {
  current: Exchange | undefined
  readonly queue: Exchange[]
  /** What came behind the last request is no HTTP: the connection ends with the replies. */
  isBroken: boolean
}

/** Starts listening. Rejects when the address cannot be had. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const listener = new Listener(options)
  await listener.listen()
  return listener
}

class Listener implements HttpServer {
  readonly #options: HttpServerOptions
  readonly #limits: HttpLimits
  readonly #server: Server
  readonly #connections = new Map<Socket, Connection>()
  #slowClients: SlowClients | undefined
  #isStopping = false
  #running = 0
  #onIdle: (() => void) | undefined

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    const settings = {
      maxHeaderSize: this.#limits.headerBlockMaxBytes,
      headersTimeout: this.#limits.headersMs,
      // Bodies have no total limit: their deadline is inactivity.
      requestTimeout: 0,
      keepAliveTimeout: this.#limits.idleMs,
      connectionsCheckingInterval: Math.max(100, Math.min(5000, this.#limits.headersMs / 4)),
      joinDuplicateHeaders: true,
      noDelay: true,
    }
    this.#server = createListener(settings, options.certificates)
    this.#server.maxConnections = this.#limits.connectionsMax
    // One more than allowed, so that the excess is seen; Node drops headers beyond silently.
    this.#server.maxHeadersCount = this.#limits.headerCountMax + 1
    this.#server.timeout = this.#limits.inactivityMs
    this.#server.on('request', (message, response) => this.#accept(message, response, false))
    this.#server.on('checkContinue', (message, response) => this.#accept(message, response, true))
    // An expectation that nobody knows is passed over, as S3 servers do.
    this.#server.on('checkExpectation', (message, response) =>
      this.#accept(message, response, false),
    )
    this.#server.on('clientError', (error, socket) => this.#refuse(error, socket as Socket))
    this.#server.on('timeout', (socket: Socket) => this.#onTimeout(socket))
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  listen(): Promise<void> {
    const { host, port, reusePort = false } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(
        { port, reusePort, backlog: 4096, ...(host === undefined ? {} : { host }) },
        () => {
          this.#server.off('error', reject)
          this.#watchSlowClients()
          this.#server.on('error', (error) => {
            this.#options.log.error('Listener failed', { error })
          })
          resolve()
        },
      )
    })
  }

  #watchSlowClients(): void {
    const { memory, clock, log } = this.#options
    if (memory === undefined) return
    const connections = this.#connections
    this.#slowClients = new SlowClients({ connections, memory, limits: this.#limits, clock, log })
  }

  #accept(message: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const { socket } = message
    const connection = this.#connections.get(socket) ?? this.#connect(socket)
    const exchange = new Exchange(message, response, {
      id: this.#requestId(),
      isSecure: this.#options.certificates !== undefined,
      expectsContinue,
      limits: this.#limits,
      isLast: () => this.#isStopping || (connection.isBroken && connection.queue.length === 0),
    })
    if (connection.current === undefined) void this.#run(connection, exchange)
    else if (connection.queue.length < this.#limits.pipelineMax) connection.queue.push(exchange)
    else socket.destroy()
  }

  #connect(socket: Socket): Connection {
    const connection = { current: undefined, queue: [], isBroken: false }
    this.#connections.set(socket, connection)
    socket.once('close', () => this.#onClose(socket))
    return connection
  }

  /** The time in nanoseconds, as MinIO's ids. */
  #requestId(): string {
    return this.#options.clock.nowNs().toString(16).toUpperCase().padStart(16, '0')
  }

  async #run(connection: Connection, exchange: Exchange): Promise<void> {
    connection.current = exchange
    this.#running += 1
    try {
      await this.#handle(exchange)
    } finally {
      this.#running -= 1
      connection.current = undefined
      if (this.#running === 0) this.#onIdle?.()
      const next = connection.queue.shift()
      if (next !== undefined) void this.#run(connection, next)
      else if (connection.isBroken) exchange.hangUp()
    }
  }

  async #handle(exchange: Exchange): Promise<void> {
    const { log, clock, handler } = this.#options
    try {
      if (exchange.headerCount > this.#limits.headerCountMax) plainReply(exchange, 431)
      else if (!isSafeLength(exchange.contentLength)) plainReply(exchange, 400)
      else await handler(exchange, exchange)
    } catch (error) {
      // The API maps its errors; what arrives here is a bug or a client that left in mid-reply.
      log.error('Request handler failed', { requestId: exchange.id, error })
      if (exchange.headSent) exchange.destroy()
      else plainReply(exchange, 500)
    }
    try {
      await exchange.finish(() => clock.sleep(this.#limits.lingerMs))
    } catch (error) {
      log.debug('Reply could not be finished', { requestId: exchange.id, error })
      exchange.destroy()
    }
  }

  #onClose(socket: Socket): void {
    const connection = this.#connections.get(socket)
    this.#connections.delete(socket)
    const gone = new Error('Client closed the connection')
    connection?.current?.closed(gone)
    for (const exchange of connection?.queue.splice(0) ?? []) exchange.closed(gone)
  }

  /** No byte moved for a while: the client's fault only when it is the one waited for. */
  #onTimeout(socket: Socket): void {
    const current = this.#connections.get(socket)?.current
    if (current !== undefined && !current.isWaitingForClient) {
      socket.setTimeout(this.#limits.inactivityMs)
      return
    }
    if (current?.body.isWaiting === true && !current.headSent) {
      current.body.stall()
      socket.setTimeout(this.#limits.lingerMs)
      return
    }
    socket.destroy()
  }

  /** Input that is no HTTP. */
  #refuse(error: Error & { code?: string }, socket: Socket): void {
    const connection = this.#connections.get(socket)
    const current = connection?.current
    const last = connection?.queue.at(-1) ?? current
    if (connection !== undefined && (last !== current || last?.body.isComplete === true)) {
      // What came before it gets its reply.
      connection.isBroken = true
      last?.body.fail(error)
      return
    }
    // In the middle of a reply there is nothing sensible left to say.
    if (!socket.writable || current?.headSent === true) {
      socket.destroy()
      return
    }
    const status =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? '408 Request Timeout'
          : '400 Bad Request'
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${status.length}\r\nConnection: close\r\n\r\n${status}`,
    )
    current?.abandon(error)
    void this.#options.clock.sleep(this.#limits.lingerMs).then(() => socket.destroy())
  }

  async stop(limitMs: number): Promise<void> {
    this.#isStopping = true
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeIdleConnections()
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve
      if (this.#running === 0) resolve()
    })
    await Promise.race([idle, this.#options.clock.sleep(limitMs)])
    // Replies that were just ended may still be on their way to the kernel.
    await Promise.race([closed, this.#options.clock.sleep(Math.min(limitMs, 200))])
    this.#server.closeAllConnections()
    this.#slowClients?.stop()
    await closed
  }
}

/**
 * An `import` of `node:http` reads all its exports, also those that load undici and HTTP/2 when they are read: 2.5 MB and
 * 100 ms of processor time in each thread. TLS is loaded for who uses it.
 */
function createListener(
  settings: ServerOptions,
  certificates: CertificateStore | undefined,
): Server {
  if (certificates === undefined) {
    return process.getBuiltinModule('node:http').createServer(settings)
  }
  const server = process
    .getBuiltinModule('node:https')
    .createServer({ ...settings, ...certificates.serverOptions() })
  certificates.onReload = () => server.setSecureContext(certificates.serverOptions())
  return server
}

function isSafeLength(length: number | undefined): boolean {
  return length === undefined || Number.isSafeInteger(length)
}

const REASONS: Readonly<Record<number, string>> = {
  400: '400 Bad Request',
  431: '431 Request Header Fields Too Large',
  500: '500 Internal Server Error',
}

function plainReply(exchange: Exchange, status: number): void {
  const body = new TextEncoder().encode(REASONS[status] ?? String(status))
  exchange.head(status, [
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(body.length)],
  ])
  exchange.end(body)
}
