/**
 * A small signing S3 client that hides nothing: raw status, headers and body of every reply, keys sent exactly as given.
 */
import { createHash, createHmac } from 'node:crypto'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { parseXml, textOf } from './xml.ts'

export interface Credentials {
  readonly accessKey: string
  readonly secretKey: string
}

export interface S3Request {
  readonly method: string
  readonly bucket?: string
  readonly key?: string
  /** Raw path instead of bucket and key (admin and health requests). */
  readonly path?: string
  /** A value of `undefined` leaves the parameter out. */
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Leaves the payload out of the signature, to spare the hash of a large body. */
  readonly unsignedPayload?: boolean
  readonly timeoutMs?: number
}

export interface S3Reply {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Error code of the body, else of MinIO's header for HEAD, else null. */
  readonly code: string | null
  readonly text: string
}

/** Percent-encodes as SigV4 asks: everything but unreserved characters. */
export function uriEncode(text: string, keep = ''): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(byte)
    out +=
      /[A-Za-z0-9\-._~]/.test(character) || keep.includes(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

function sha256Hex(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: Uint8Array | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function errorCode(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): string | null {
  if (status < 400) return null
  const text = body.toString('utf8')
  if (text.startsWith('<')) {
    try {
      return textOf(parseXml(text), 'Code') ?? null
    } catch {
      // A body that is not XML has no code; the status then speaks for itself.
      return null
    }
  }
  return headers['x-minio-error-code'] ?? null
}

export class S3Driver {
  readonly endpoint: URL
  readonly credentials: Credentials
  readonly region: string
  readonly #agent: HttpAgent
  /** Sent with every request. */
  readonly #headers: Readonly<Record<string, string>>

  constructor(
    endpoint: string,
    credentials: Credentials,
    region = 'us-east-1',
    shared: { agent?: HttpAgent; headers?: Readonly<Record<string, string>> } = {},
  ) {
    this.endpoint = new URL(endpoint)
    const options = { keepAlive: true, maxSockets: 64 }
    this.#agent =
      shared.agent ??
      // The certificate was made for the test, and names this machine only by chance.
      (this.endpoint.protocol === 'https:'
        ? new HttpsAgent({ ...options, rejectUnauthorized: false })
        : new HttpAgent(options))
    this.#headers = shared.headers ?? {}
    this.credentials = credentials
    this.region = region
  }

  /** A client over the same connections that sends these headers too. */
  withHeaders(headers: Readonly<Record<string, string>>): S3Driver {
    return new S3Driver(this.endpoint.href, this.credentials, this.region, {
      agent: this.#agent,
      headers: { ...this.#headers, ...headers },
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Sends one signed request and reads the whole reply. Rejects when the connection breaks or the time is up. */
  send(call: S3Request): Promise<S3Reply> {
    const body =
      typeof call.body === 'string' ? Buffer.from(call.body) : (call.body ?? new Uint8Array())
    const path =
      call.path ??
      `/${call.bucket === undefined ? '' : uriEncode(call.bucket)}${call.key === undefined ? '' : `/${uriEncode(call.key, '/')}`}`
    const query = Object.entries(call.query ?? {})
      .filter((entry): entry is [string, string] => entry[1] !== undefined)
      // By name first: "select" comes before "select-type", although "=" comes behind "-".
      .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
      .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
      .map(([name, value]) => `${name}=${value}`)
      .join('&')
    const headers: Record<string, string> = {
      host: this.endpoint.host,
      'x-amz-content-sha256': call.unsignedPayload === true ? 'UNSIGNED-PAYLOAD' : sha256Hex(body),
      'x-amz-date': new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, ''),
    }
    for (const [name, value] of Object.entries({ ...this.#headers, ...call.headers }))
      headers[name.toLowerCase()] = value
    headers['authorization'] = this.#authorization(call.method, path, query, headers)
    headers['content-length'] = String(body.length)
    return new Promise((resolve, reject) => {
      const open = this.endpoint.protocol === 'https:' ? httpsRequest : httpRequest
      const request = open(
        {
          host: this.endpoint.hostname,
          port: this.endpoint.port,
          method: call.method,
          path: query === '' ? path : `${path}?${query}`,
          headers,
          agent: this.#agent,
          signal: AbortSignal.timeout(call.timeoutMs ?? 60_000),
        },
        (response) => {
          const pieces: Buffer[] = []
          response.on('data', (piece: Buffer) => pieces.push(piece))
          response.on('error', reject)
          response.on('end', () => {
            if (!response.complete) return reject(new Error('The reply was cut'))
            const replyHeaders: Record<string, string> = {}
            for (const [name, value] of Object.entries(response.headers)) {
              if (value !== undefined)
                replyHeaders[name] = Array.isArray(value) ? value.join(', ') : value
            }
            const bytes = Buffer.concat(pieces)
            const status = response.statusCode ?? 0
            resolve({
              status,
              headers: replyHeaders,
              body: bytes,
              code: errorCode(status, replyHeaders, bytes),
              get text(): string {
                return bytes.toString('utf8')
              },
            })
          })
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  }

  /** Like `send`, and rejects with the error code when the status is not a success. */
  async must(call: S3Request): Promise<S3Reply> {
    const reply = await this.send(call)
    if (reply.status < 300) return reply
    const subject = `${call.method} ${call.path ?? `${call.bucket ?? ''}/${call.key ?? ''}`}`
    throw new Error(
      `${subject} answered ${reply.status} ${reply.code ?? ''}: ${reply.text.slice(0, 300)}`,
    )
  }

  #authorization(
    method: string,
    path: string,
    query: string,
    headers: Record<string, string>,
  ): string {
    const names = Object.keys(headers).sort()
    const stamp = headers['x-amz-date'] ?? ''
    const scope = `${stamp.slice(0, 8)}/${this.region}/s3/aws4_request`
    const canonical = [
      method,
      path,
      query,
      ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
      '',
      names.join(';'),
      headers['x-amz-content-sha256'] ?? '',
    ].join('\n')
    const toSign = `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${sha256Hex(canonical)}`
    const dateKey = hmac(`AWS4${this.credentials.secretKey}`, stamp.slice(0, 8))
    const key = hmac(hmac(hmac(dateKey, this.region), 's3'), 'aws4_request')
    const signature = hmac(key, toSign).toString('hex')
    return `AWS4-HMAC-SHA256 Credential=${this.credentials.accessKey}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  }
}
