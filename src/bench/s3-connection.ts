import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import {
  ALGORITHM_V4,
  deriveSigningKey,
  EMPTY_SHA256,
  scopeText,
  type SigningKey,
  stringToSign,
} from '#s3-protocol/sigv4'
import type { Payload, Seed } from './payload.ts'

/** Where a server listens and with which credentials. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly accessKey: string
  readonly secretKey: string
  /** The certificate to expect, PEM: then it speaks TLS. */
  readonly certificate?: string | undefined
}

export interface Reply {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  /** Empty unless `keepBody`. */
  readonly body: string
  readonly bodyBytes: number
}

const REGION = 'us-east-1'
const REPLY_TIMEOUT_MS = 60_000

/**
 * One keep-alive connection that makes one request at a time. Small on purpose: what the load generator costs is taken
 * from the server, which shares its processors.
 */
export class S3Connection {
  readonly #target: Target
  #socket: Socket | undefined
  #key: { readonly day: string; readonly signing: SigningKey } | undefined

  constructor(target: Target) {
    this.#target = target
  }

  async request(
    method: string,
    path: string,
    query: string,
    options: {
      readonly body?: Payload
      readonly keepBody?: boolean
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ): Promise<Reply> {
    this.#socket ??= await open(this.#target)
    const socket = this.#socket
    const body = options.body
    const { head, seed } = this.#sign(method, path, query, body, options.headers ?? {})
    const reply = readReply(socket, method === 'HEAD', options.keepBody ?? false)
    socket.cork()
    socket.write(head, 'latin1')
    for (const piece of body?.pieces(seed) ?? []) socket.write(piece)
    socket.uncork()
    try {
      const result = await reply
      if (result.headers.get('connection')?.toLowerCase() === 'close') this.close()
      return result
    } catch (error) {
      this.close()
      throw error
    }
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  /** The header block, and what signatures of chunks start from. */
  #sign(
    method: string,
    path: string,
    query: string,
    body: Payload | undefined,
    extra: Readonly<Record<string, string>>,
  ): { readonly head: string; readonly seed: Seed } {
    const date = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
    const scope = { date: date.slice(0, 8), region: REGION, service: 's3' }
    const payloadHash = body?.hash ?? EMPTY_SHA256
    const headers = Object.entries({
      host: `${this.#target.host}:${this.#target.port}`,
      'x-amz-content-sha256': payloadHash,
      'x-amz-date': date,
      ...body?.headers,
      ...extra,
    })
    headers.sort(([a], [b]) => (a < b ? -1 : 1))
    const names = headers.map(([name]) => name).join(';')
    const canonical = `${method}\n${path}\n${query}\n${headers.map(([name, value]) => `${name}:${value}\n`).join('')}\n${names}\n${payloadHash}`
    if (this.#key?.day !== scope.date) {
      this.#key = { day: scope.date, signing: deriveSigningKey(this.#target.secretKey, scope) }
    }
    const key = this.#key.signing
    const signature = key.sign(stringToSign(canonical, date, scope))
    const authorization = `${ALGORITHM_V4} Credential=${this.#target.accessKey}/${scopeText(scope)}, SignedHeaders=${names}, Signature=${signature}`
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const length =
      body === undefined && method !== 'PUT' && method !== 'POST'
        ? ''
        : `content-length: ${body?.wireBytes ?? 0}\r\n`
    const head = `${method} ${path}${query === '' ? '' : `?${query}`} HTTP/1.1\r\n${lines}${length}authorization: ${authorization}\r\n\r\n`
    return { head, seed: { signature, date, scope, key } }
  }
}

async function open(target: Target): Promise<Socket> {
  const { host, port, certificate } = target
  const socket =
    certificate === undefined
      ? connect({ host, port, noDelay: true })
      : connectTls({ host, port, ca: certificate })
  if (certificate !== undefined) socket.setNoDelay(true)
  await new Promise<void>((resolve, reject) => {
    socket.once(certificate === undefined ? 'connect' : 'secureConnect', resolve)
    socket.once('error', reject)
  })
  return socket
}

/** Reads one reply of a socket: by length, chunked, or empty. */
function readReply(socket: Socket, isHead: boolean, keepBody: boolean): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let headText = ''
    let headers: Map<string, string> | undefined
    let status = 0
    let left = 0
    let chunked = false
    let seen = 0
    let kept = ''
    let tail = ''
    const finish = (error?: Error): void => {
      clearTimeout(timer)
      socket.off('data', take)
      socket.off('error', finish)
      socket.off('close', closed)
      if (error !== undefined) reject(error)
      else resolve({ status, headers: headers ?? new Map(), body: kept, bodyBytes: seen })
    }
    const closed = (): void => finish(new Error('Connection closed in a reply'))
    const timer = setTimeout(() => finish(new Error('No reply in time')), REPLY_TIMEOUT_MS)
    const takeBody = (bytes: Buffer): void => {
      seen += bytes.length
      if (keepBody || status >= 400) kept += bytes.toString('latin1')
      if (chunked) {
        tail = (tail + bytes.toString('latin1')).slice(-7)
        if (tail.endsWith('\r\n0\r\n\r\n') || tail === '0\r\n\r\n') finish()
      } else {
        left -= bytes.length
        if (left <= 0) finish()
      }
    }
    const take = (bytes: Buffer): void => {
      if (headers !== undefined) {
        takeBody(bytes)
        return
      }
      headText += bytes.toString('latin1')
      const end = headText.indexOf('\r\n\r\n')
      if (end < 0) return
      const lines = headText.slice(0, end).split('\r\n')
      status = Number(lines[0]?.split(' ')[1] ?? 0)
      headers = new Map(
        lines.slice(1).map((line) => {
          const colon = line.indexOf(':')
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
        }),
      )
      if (status === 100) {
        const rest = headText.slice(end + 4)
        headText = ''
        headers = undefined
        if (rest !== '') take(Buffer.from(rest, 'latin1'))
        return
      }
      chunked = headers.get('transfer-encoding') === 'chunked'
      left = Number(headers.get('content-length') ?? 0)
      const rest = Buffer.from(headText.slice(end + 4), 'latin1')
      if (isHead || status === 204 || status === 304 || (!chunked && left === 0)) finish()
      else if (rest.length > 0) takeBody(rest)
    }
    socket.on('data', take)
    socket.on('error', finish)
    socket.on('close', closed)
  })
}
