import { createHash, createHmac } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/** Where a server listens and with which credentials. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly accessKey: string
  readonly secretKey: string
}

export interface Reply {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  /** Empty unless `keepBody`. */
  readonly body: string
  readonly bodyBytes: number
}

/** How a request body is signed: not at all, or with its SHA-256. */
export type PayloadMode = 'unsigned' | 'signed'

const REGION = 'us-east-1'
const REPLY_TIMEOUT_MS = 60_000

/**
 * One keep-alive connection that makes one request at a time. Small on purpose: what the load generator costs is taken
 * from the server, which shares its processors.
 */
export class S3Connection {
  readonly #target: Target
  #socket: Socket | undefined
  #signingKey: Buffer = Buffer.alloc(0)
  #signingDay = ''

  constructor(target: Target) {
    this.#target = target
  }

  async request(
    method: string,
    path: string,
    query: string,
    options: {
      readonly body?: Buffer
      readonly payload?: PayloadMode
      readonly keepBody?: boolean
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ): Promise<Reply> {
    this.#socket ??= await open(this.#target)
    const socket = this.#socket
    const body = options.body
    const head = this.#head(
      method,
      path,
      query,
      body,
      options.payload ?? 'unsigned',
      options.headers ?? {},
    )
    const reply = readReply(socket, method === 'HEAD', options.keepBody ?? false)
    socket.cork()
    socket.write(head, 'latin1')
    if (body !== undefined) socket.write(body)
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

  #head(
    method: string,
    path: string,
    query: string,
    body: Buffer | undefined,
    payload: PayloadMode,
    extra: Readonly<Record<string, string>>,
  ): string {
    const date = `${new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')}`
    const day = date.slice(0, 8)
    const hash =
      payload === 'signed' || body === undefined
        ? createHash('sha256')
            .update(body ?? '')
            .digest('hex')
        : 'UNSIGNED-PAYLOAD'
    const host = `${this.#target.host}:${this.#target.port}`
    const headers: [string, string][] = [
      ['host', host],
      ['x-amz-content-sha256', hash],
      ['x-amz-date', date],
      ...Object.entries(extra),
    ]
    headers.sort(([a], [b]) => (a < b ? -1 : 1))
    const names = headers.map(([name]) => name).join(';')
    const canonical = `${method}\n${path}\n${query}\n${headers.map(([name, value]) => `${name}:${value}\n`).join('')}\n${names}\n${hash}`
    const scope = `${day}/${REGION}/s3/aws4_request`
    const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
    if (this.#signingDay !== day) {
      let key = createHmac('sha256', `AWS4${this.#target.secretKey}`).update(day).digest()
      for (const word of [REGION, 's3', 'aws4_request']) {
        key = createHmac('sha256', key).update(word).digest()
      }
      this.#signingKey = key
      this.#signingDay = day
    }
    const signature = createHmac('sha256', this.#signingKey).update(text).digest('hex')
    const authorization = `AWS4-HMAC-SHA256 Credential=${this.#target.accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const length =
      body === undefined && method !== 'PUT' && method !== 'POST'
        ? ''
        : `content-length: ${body?.length ?? 0}\r\n`
    return `${method} ${path}${query === '' ? '' : `?${query}`} HTTP/1.1\r\n${lines}${length}authorization: ${authorization}\r\n\r\n`
  }
}

async function open(target: Target): Promise<Socket> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
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
