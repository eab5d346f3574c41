/** One request on the wire, exactly as asked: headers, escapes and bodies are the caller's, also the wrong ones. */
import { createHmac } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import { formatAmzDate } from '#s3-protocol/dates'
import { decodePercent, encodePercent } from '#s3-protocol/percent'
import { Query } from '#s3-protocol/query'
import { presignRequest, signChunks, signRequest } from '#s3-protocol/sigv4-client'
import { sha256Hex } from '#s3-protocol/sigv4'
import type { Credentials } from '../lib/s3-driver.ts'
import { Reply } from './reply.ts'

export type Pairs = Readonly<Record<string, string | undefined>>

export interface Call {
  readonly method: string
  /** Path as sent, escaped. */
  readonly path: string
  /** Decoded; `undefined` leaves a parameter out. */
  readonly query?: Pairs
  readonly headers?: Pairs
  readonly body?: string | Uint8Array
  readonly auth?: 'header' | 'presigned' | 'anonymous' | 'v2' | 'v2-presigned'
  readonly accessKey?: string
  readonly secretKey?: string
  readonly region?: string
  /** `x-amz-content-sha256`: default the hash of the body; with `presigned` only sent when given. */
  readonly payload?: string
  readonly timeMs?: number
  readonly expiresSeconds?: number | string
  /** Headers added after signing. */
  readonly unsigned?: Pairs
  /** Parameters added after signing. */
  readonly unsignedQuery?: Pairs
  /** What version 2 signs in place of the path. */
  readonly signedPath?: string
  /** Changes the authorization header or the signed target before it is sent. */
  readonly forge?: (text: string) => string
  /** Sent as `aws-chunked`: chunks and trailers. `signed`: with signatures. */
  readonly chunked?: {
    readonly chunks: readonly string[]
    readonly signed: boolean
    readonly trailers?: Readonly<Record<string, string>>
    readonly forge?: (wire: string) => string
  }
  /** No `Content-Length`: HTTP's own chunks. */
  readonly withoutLength?: boolean
  readonly timeoutMs?: number
}

function entries(pairs: Pairs | undefined): [string, string][] {
  return Object.entries(pairs ?? {}).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
}

function escapeValue(text: string): string {
  return encodePercent(text, { keepSlash: false })
}

function target(path: string, query: readonly (readonly [string, string])[]): string {
  if (query.length === 0) return path
  return `${path}?${query.map(([name, value]) => `${escapeValue(name)}=${escapeValue(value)}`).join('&')}`
}

interface Signed {
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
}

export class Wire {
  readonly endpoint: URL
  readonly credentials: Credentials
  readonly region: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })

  constructor(endpoint: string, credentials: Credentials, region: string) {
    this.endpoint = new URL(endpoint)
    this.credentials = credentials
    this.region = region
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Path and query of a presigned URL. */
  presign(call: Call): string {
    const decoded = decodePercent(call.path, { plusIsBlank: false })
    const expires = call.expiresSeconds ?? 300
    return presignRequest(
      {
        method: call.method,
        path: decoded.ok ? decoded.text : call.path,
        query: entries(call.query),
        headers: [['host', this.endpoint.host], ...lowered(entries(call.headers))],
        timeMs: call.timeMs ?? Date.now(),
        // Wrong values are signed too: the server must look at them.
        expiresSeconds: expires as number,
        ...(call.payload === undefined ? {} : { payloadHash: call.payload }),
      },
      this.#credential(call),
    )
  }

  send(call: Call): Promise<Reply> {
    const signed = this.#sign(call)
    return new Promise((resolve, reject) => {
      const headers = [...signed.headers, ...entries(call.unsigned)]
      const names = new Set(headers.map(([name]) => name.toLowerCase()))
      const hasBody = signed.body.length > 0 || !['GET', 'HEAD', 'DELETE'].includes(call.method)
      if (call.withoutLength === true) headers.push(['Transfer-Encoding', 'chunked'])
      else if (hasBody && !names.has('content-length')) {
        headers.push(['Content-Length', String(signed.body.length)])
      }
      const request = httpRequest(
        {
          host: this.endpoint.hostname,
          port: this.endpoint.port,
          method: call.method,
          path: signed.target,
          headers: headers.flat(),
          setHost: false,
          agent: this.#agent,
          signal: AbortSignal.timeout(call.timeoutMs ?? 30_000),
        },
        (response) => {
          const pieces: Buffer[] = []
          response.on('data', (piece: Buffer) => pieces.push(piece))
          response.on('error', reject)
          response.on('end', () => {
            resolve(
              new Reply(
                call.method,
                response.statusCode ?? 0,
                response.rawHeaders,
                Buffer.concat(pieces),
              ),
            )
          })
        },
      )
      request.on('error', reject)
      request.end(signed.body)
    })
  }

  #credential(call: Call): { accessKey: string; secretKey: string; region: string } {
    return {
      accessKey: call.accessKey ?? this.credentials.accessKey,
      secretKey: call.secretKey ?? this.credentials.secretKey,
      region: call.region ?? this.region,
    }
  }

  #sign(call: Call): Signed {
    const body =
      typeof call.body === 'string' ? Buffer.from(call.body) : (call.body ?? new Uint8Array())
    const host = ['host', this.endpoint.host] as const
    const extra = entries(call.unsignedQuery)
    const headers = entries(call.headers)
    const forge = call.forge ?? ((text: string) => text)
    switch (call.auth ?? 'header') {
      case 'anonymous':
        return {
          target: target(call.path, [...entries(call.query), ...extra]),
          headers: [host, ...headers],
          body,
        }
      case 'presigned': {
        const signed = forge(this.presign(call))
        const added = extra.map(([name, value]) => `&${escapeValue(name)}=${escapeValue(value)}`)
        return { target: signed + added.join(''), headers: [host, ...headers], body }
      }
      case 'v2':
      case 'v2-presigned':
        return this.#signV2(call, { host, headers, body })
      case 'header':
        return this.#signHeader(call, { host, headers, body, extra, forge })
    }
  }

  #signHeader(
    call: Call,
    parts: {
      readonly host: readonly [string, string]
      readonly headers: readonly [string, string][]
      readonly body: Uint8Array
      readonly extra: readonly [string, string][]
      readonly forge: (text: string) => string
    },
  ): Signed {
    const { chunked } = call
    const all = [parts.host, ...lowered(parts.headers)]
    const trailers = Object.entries(chunked?.trailers ?? {})
    if (chunked !== undefined) {
      const size = chunked.chunks.reduce((sum, chunk) => sum + Buffer.byteLength(chunk), 0)
      const given = new Set(all.map(([name]) => name))
      if (!given.has('x-amz-decoded-content-length')) {
        all.push(['x-amz-decoded-content-length', String(size)])
      }
      if (trailers.length > 0 && !given.has('x-amz-trailer')) {
        all.push(['x-amz-trailer', trailers.map(([name]) => name).join(',')])
      }
    }
    const decoded = decodePercent(call.path, { plusIsBlank: false })
    const signed = signRequest(
      {
        method: call.method,
        path: decoded.ok ? decoded.text : call.path,
        query: entries(call.query),
        headers: all,
        payloadHash:
          call.payload ??
          payloadLiteral(chunked) ??
          sha256Hex(Buffer.from(parts.body).toString('latin1')),
        timeMs: call.timeMs ?? Date.now(),
      },
      this.#credential(call),
    )
    return {
      target: target(call.path, [...entries(call.query), ...parts.extra]),
      headers: signed.headers.map(([name, value]) =>
        name === 'authorization' ? [name, parts.forge(value)] : [name, value],
      ),
      body: chunked === undefined ? parts.body : chunkedBody(chunked, signed, trailers),
    }
  }

  #signV2(
    call: Call,
    parts: {
      readonly host: readonly [string, string]
      readonly headers: readonly [string, string][]
      readonly body: Uint8Array
    },
  ): Signed {
    const { accessKey, secretKey } = this.#credential(call)
    const query = entries(call.query)
    const date = new Date(call.timeMs ?? Date.now()).toUTCString()
    const isPresigned = call.auth === 'v2-presigned'
    const expires = String(
      typeof call.expiresSeconds === 'string'
        ? call.expiresSeconds
        : Math.floor(Date.now() / 1000) + (call.expiresSeconds ?? 300),
    )
    const find = (name: string): string =>
      parts.headers.find(([header]) => header.toLowerCase() === name)?.[1] ?? ''
    const amz = lowered(parts.headers)
      .filter(([name]) => name.startsWith('x-amz-'))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}:${value}\n`)
    const resource = query
      .filter(([name]) => V2_RESOURCES.has(name))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    const toSign = [
      call.method,
      find('content-md5'),
      find('content-type'),
      isPresigned ? expires : find('x-amz-date') === '' ? date : '',
      `${amz.join('')}${call.signedPath ?? call.path}${resource.length > 0 ? `?${resource.join('&')}` : ''}`,
    ].join('\n')
    const signature = createHmac('sha1', secretKey).update(toSign).digest('base64')
    const forged = (call.forge ?? ((text: string) => text))(signature)
    if (isPresigned) {
      const signed: [string, string][] = [
        ...query,
        ['AWSAccessKeyId', accessKey],
        ['Expires', expires],
        ['Signature', forged],
      ]
      return {
        target: target(call.path, signed),
        headers: [parts.host, ...parts.headers],
        body: parts.body,
      }
    }
    return {
      target: target(call.path, query),
      headers: [
        parts.host,
        ['date', date],
        ...parts.headers,
        ['authorization', `AWS ${accessKey}:${forged}`],
      ],
      body: parts.body,
    }
  }
}

const V2_RESOURCES = new Set(
  'acl cors delete encryption legal-hold lifecycle location logging notification partNumber policy requestPayment response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires retention select select-type tagging torrent uploadId uploads versionId versioning versions website'.split(
    ' ',
  ),
)

function lowered(pairs: readonly (readonly [string, string])[]): [string, string][] {
  return pairs.map(([name, value]) => [name.toLowerCase(), value])
}

function payloadLiteral(chunked: Call['chunked']): string | undefined {
  if (chunked === undefined) return undefined
  if (!chunked.signed) return 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
  return chunked.trailers === undefined
    ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
    : 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'
}

function chunkedBody(
  chunked: NonNullable<Call['chunked']>,
  signed: Parameters<typeof signChunks>[1],
  trailers: readonly (readonly [string, string])[],
): Uint8Array {
  const forge = chunked.forge ?? ((wire: string) => wire)
  if (chunked.signed) {
    const chunks = chunked.chunks.map((chunk) => Buffer.from(chunk))
    const wire = signChunks(chunks, signed, chunked.trailers === undefined ? undefined : trailers)
    return Buffer.from(forge(Buffer.concat(wire).toString('latin1')), 'latin1')
  }
  const pieces = chunked.chunks
    .filter((chunk) => chunk !== '')
    .map(
      (chunk) =>
        `${Buffer.byteLength(chunk).toString(16)}\r\n${Buffer.from(chunk).toString('latin1')}\r\n`,
    )
  const tail = trailers.map(([name, value]) => `${name}:${value}\r\n`).join('')
  return Buffer.from(forge(`${pieces.join('')}0\r\n${tail}\r\n`), 'latin1')
}

/** `YYYYMMDDTHHMMSSZ` of a moment. */
export function amzDate(timeMs: number): string {
  return formatAmzDate(timeMs)
}

export { Query }
