import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { rootCertificates } from 'node:tls'
import type { Clock } from '#base/clock'
import { textOf, utf8 } from '#base/bytes'
import { EncryptionError, type KmsCall } from '../encryption.ts'

/**
 * JSON over HTTPS to a key management service: connections are kept, every attempt has a deadline, answers a limit.
 */

export const ATTEMPT_MS = 10_000
const ANSWER_BYTES_MAX = 1_048_576
const CONNECTIONS_MAX = 32

export interface TlsIdentity {
  /** PEM. Beside the authorities that Node.js brings. */
  readonly authorities: readonly string[]
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  readonly keyPassword?: string | undefined
}

export interface ServiceRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'LIST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly call: KmsCall
}

export interface ServiceAnswer {
  readonly status: number
  readonly text: string
}

/** Connections of one service under one identity. */
export class ServiceClient {
  readonly #clock: Clock
  readonly #https: HttpsAgent
  readonly #http: HttpAgent

  constructor(clock: Clock, identity: TlsIdentity) {
    this.#clock = clock
    const common = { keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: ATTEMPT_MS }
    this.#http = new HttpAgent(common)
    const { certificate, key, keyPassword } = identity
    this.#https = new HttpsAgent({
      ...common,
      ca: [...rootCertificates, ...identity.authorities],
      minVersion: 'TLSv1.2',
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(key === undefined ? {} : { key }),
      ...(keyPassword === undefined ? {} : { passphrase: keyPassword }),
    })
  }

  /** Any answer of the service. Errors: `KmsUnavailable` when there is none in time. */
  async send(request: ServiceRequest): Promise<ServiceAnswer> {
    try {
      return await this.#attempt(request)
    } catch (error) {
      // The text of a network error names addresses, never what was sent.
      const why = error instanceof Error ? `: ${error.message}` : ''
      const { origin } = new URL(request.url)
      throw new EncryptionError('KmsUnavailable', `The KMS at ${origin} does not answer${why}`, {
        call: request.call,
        cause: error,
      })
    }
  }

  #attempt(request: ServiceRequest): Promise<ServiceAnswer> {
    const body = request.body === undefined ? undefined : utf8(JSON.stringify(request.body))
    const headers: Record<string, string> = { ...request.headers }
    if (body !== undefined) {
      headers['Content-Type'] = 'application/json'
      headers['Content-Length'] = String(body.length)
    } else if (request.method === 'POST' || request.method === 'PUT') {
      headers['Content-Length'] = '0'
    }
    return new Promise((resolve, reject) => {
      const isSecure = request.url.startsWith('https:')
      const send = isSecure ? httpsRequest : httpRequest
      const outgoing = send(request.url, {
        method: request.method,
        headers,
        agent: isSecure ? this.#https : this.#http,
      })
      const timer = this.#clock.setTimer(ATTEMPT_MS, () => {
        outgoing.destroy(new Error(`No answer within ${ATTEMPT_MS} ms`))
      })
      const finish = (): void => {
        timer.cancel()
        body?.fill(0)
      }
      outgoing.once('error', (error) => {
        finish()
        reject(error)
      })
      outgoing.once('response', (incoming) => {
        collect(incoming)
          .then((text) => resolve({ status: incoming.statusCode ?? 0, text }), reject)
          .finally(finish)
      })
      outgoing.end(body)
    })
  }

  close(): void {
    this.#https.destroy()
    this.#http.destroy()
  }
}

async function collect(incoming: IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of incoming) {
    if (!(piece instanceof Uint8Array)) continue
    size += piece.length
    if (size > ANSWER_BYTES_MAX) throw new Error('The answer is too long')
    pieces.push(piece)
  }
  const whole = Buffer.concat(pieces)
  const text = textOf(whole)
  whole.fill(0)
  for (const piece of pieces) piece.fill(0)
  return text
}

/** Members of a JSON object; none for anything else. */
export function jsonFields(text: string): ReadonlyMap<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) return new Map(Object.entries(parsed))
  } catch {
    // Then it is no object.
  }
  return new Map()
}
