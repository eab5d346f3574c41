/** A KES server for tests, written from the description of its protocol (encryption.md 6.3): HTTPS with client certificates, keys in memory. */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'

export interface KesServerOptions {
  /** PEM. */
  readonly certificate: string
  readonly key: string
  /** Identities that may do everything; others are refused. */
  readonly allowed: readonly string[]
  readonly keys: readonly string[]
}

interface Reply {
  readonly status: number
  readonly body?: unknown
}

export class KesServer implements AsyncDisposable {
  readonly #options: KesServerOptions
  readonly #keys = new Map<string, Buffer>()
  readonly #server
  /** Paths asked for, in order. */
  readonly asked: string[] = []
  /** Answers every request with this status and nothing else. */
  failing: number | undefined
  /** Takes requests and never answers. */
  isHung = false
  url = ''

  constructor(options: KesServerOptions) {
    this.#options = options
    for (const name of options.keys) this.#keys.set(name, randomBytes(32))
    this.#server = createServer(
      {
        cert: options.certificate,
        key: options.key,
        requestCert: true,
        // The key of the client counts, not who signed its certificate.
        rejectUnauthorized: false,
      },
      (request, response) => void this.#answer(request, response),
    )
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('No port')
    this.url = `https://127.0.0.1:${address.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((done) => this.#server.close(done))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.asked.push(request.url ?? '')
    let text = ''
    for await (const piece of request.setEncoding('utf8')) text += String(piece)
    if (this.isHung) return
    const { status, body } =
      this.failing === undefined
        ? this.#serve(request, text)
        : { status: this.failing, body: undefined }
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(body === undefined ? '' : JSON.stringify(body))
  }

  #serve(request: IncomingMessage, text: string): Reply {
    if (!this.#isAllowed(request)) {
      return { status: 403, body: { message: 'not authorized: insufficient permissions' } }
    }
    const [, call, name] = /^\/v1\/(?:key\/)?(\w+)(?:\/(.*))?$/.exec(request.url ?? '') ?? []
    const fields = fieldsOf(text)
    const key = this.#keys.get(decodeURIComponent(name ?? ''))
    switch (call) {
      case 'status':
        return { status: 200, body: { version: 'test' } }
      case 'create':
        if (key !== undefined) return { status: 400, body: { message: 'key already exists' } }
        this.#keys.set(name ?? '', randomBytes(32))
        return { status: 200 }
      case 'list': {
        const names = [...this.#keys.keys()].filter((known) => known.startsWith(name ?? ''))
        return { status: 200, body: { names, continue_at: '' } }
      }
      default:
        return this.#use(call, name, fields)
    }
  }

  #use(call: string | undefined, name = '', fields: Readonly<Record<string, string>> = {}): Reply {
    const key = this.#keys.get(decodeURIComponent(name))
    if (key === undefined) return { status: 404, body: { message: 'key does not exist' } }
    const context = Buffer.from(fields['context'] ?? '', 'base64')
    switch (call) {
      case 'describe':
        return { status: 200, body: { name, algorithm: 'AES256' } }
      case 'generate': {
        const plaintext = randomBytes(32)
        const ciphertext = seal(key, plaintext, context)
        return { status: 200, body: inBase64({ plaintext, ciphertext }) }
      }
      case 'decrypt': {
        const plaintext = open(key, Buffer.from(fields['ciphertext'] ?? '', 'base64'), context)
        if (plaintext !== undefined) return { status: 200, body: inBase64({ plaintext }) }
        return {
          status: 400,
          body: { message: 'decryption failed: ciphertext is not authentic' },
        }
      }
      case 'hmac': {
        const message = Buffer.from(fields['message'] ?? '', 'base64')
        const hmac = createHmac('sha256', key).update(message).digest()
        return { status: 200, body: inBase64({ hmac }) }
      }
      default:
        return { status: 404, body: { message: 'not found' } }
    }
  }

  #isAllowed(request: IncomingMessage): boolean {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server speaks TLS only
    const certificate = (request.socket as TLSSocket).getPeerX509Certificate()
    if (certificate === undefined) return false
    const der = certificate.publicKey.export({ format: 'der', type: 'spki' })
    return this.#options.allowed.includes(createHash('sha256').update(der).digest('hex'))
  }
}

function fieldsOf(text: string): Readonly<Record<string, string>> {
  const parsed: unknown = text === '' ? {} : JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null) return {}
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, String(value)]))
}

function inBase64(fields: Readonly<Record<string, Buffer>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value.toString('base64')]),
  )
}

function seal(master: Buffer, plaintext: Buffer, context: Buffer): Buffer {
  const iv = randomBytes(16)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', derive(master, iv), nonce)
  cipher.setAAD(context)
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([sealed, cipher.getAuthTag(), iv, nonce])
}

function open(master: Buffer, blob: Buffer, context: Buffer): Buffer | undefined {
  const end = blob.length - 44
  if (end < 0) return undefined
  const decipher = createDecipheriv(
    'aes-256-gcm',
    derive(master, blob.subarray(end + 16, end + 32)),
    blob.subarray(end + 32),
  )
  decipher.setAAD(context)
  decipher.setAuthTag(blob.subarray(end, end + 16))
  try {
    return Buffer.concat([decipher.update(blob.subarray(0, end)), decipher.final()])
  } catch {
    return undefined // not authentic
  }
}

function derive(master: Buffer, iv: Buffer): Buffer {
  return createHmac('sha256', master).update(iv).digest()
}
