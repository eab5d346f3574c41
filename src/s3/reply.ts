/** Replies on the wire: common headers, documents, streams and errors (s3-api.md 3.6, 5.1). */
import { utf8 } from '#base/bytes'
import type { HttpRequest, HttpResponse } from '#http/http'
import type { DataChunk } from '#object/object'
import type { S3Error } from '#s3-protocol/s3-error'
import { escapeXml, XML_DECLARATION } from '#s3-protocol/xml-writer'
import type { ReplyStream, S3Reply } from './s3.ts'

type Header = readonly [string, string]

export interface ReplyOptions {
  readonly region: string
  /** Whether browsers are told to come by TLS only, for a year. */
  readonly strictTransport: boolean
}

/** Contents up to this size leave together with the head: some clients stop waiting as soon as they have that. */
const JOINED_MAX_BYTES = 16 * 1024
/** Of a content that the kernel has not taken while the next bytes are got ready. */
const UNSENT_MAX_BYTES = 1_048_576

/** Writes replies of one front door. */
export class ReplyWriter {
  readonly #common: readonly Header[]

  constructor(options: ReplyOptions) {
    const { region, strictTransport } = options
    this.#common = [
      // Some clients switch on this name.
      ['Server', 'MinIO'],
      ['Accept-Ranges', 'bytes'],
      ['X-Content-Type-Options', 'nosniff'],
      ['X-XSS-Protection', '1; mode=block'],
      ...(strictTransport
        ? [['Strict-Transport-Security', 'max-age=31536000; includeSubDomains'] as const]
        : []),
      ...(region === '' ? [] : [['x-amz-bucket-region', region] as const]),
    ]
  }

  #headers(request: HttpRequest): Header[] {
    const headers: Header[] = [...this.#common, ['x-amz-request-id', request.id]]
    headers.push(['Vary', 'Origin'])
    return headers
  }

  /** A reply without body, or with a short one. */
  plain(
    request: HttpRequest,
    response: HttpResponse,
    reply: {
      readonly status: number
      readonly headers: readonly Header[]
      readonly body?: Uint8Array
    },
  ): void {
    const headers = this.#headers(request)
    for (const header of reply.headers) pushOnce(headers, header)
    if (hasBody(reply.status)) headers.push(['Content-Length', String(reply.body?.length ?? 0)])
    response.head(reply.status, headers)
    response.end(request.method === 'HEAD' ? undefined : reply.body)
  }

  /** An error: a document, or headers in reply to HEAD. */
  error(
    request: HttpRequest,
    response: HttpResponse,
    failure: {
      readonly error: S3Error
      readonly path: string
      readonly bucket: string
      readonly key: string
    },
  ): void {
    const { error } = failure
    const headers = this.#headers(request)
    // An error may tell a header of its own about something common.
    for (const header of error.headers) pushOnce(headers, header)
    if (error.status === 503 || error.status === 429) headers.push(['Retry-After', '60'])
    if (error.status === 304) {
      response.head(304, headers)
      response.end()
      return
    }
    if (request.method === 'HEAD') {
      // Conditions that fail are told by the status alone: clients of MinIO put words of their own to it.
      if (error.status !== 412) {
        headers.push(
          ['x-minio-error-code', error.code],
          ['x-minio-error-desc', `"${headerSafe(error.message)}"`],
        )
      }
      headers.push(['Content-Length', '0'])
      response.head(error.status, headers)
      response.end()
      return
    }
    const body = utf8(errorDocument(failure, request.id))
    headers.push(['Content-Type', 'application/xml'], ['Content-Length', String(body.length)])
    response.head(error.status, headers)
    response.end(body)
  }

  /** The head of a document whose outcome is not known yet. */
  documentHead(request: HttpRequest, response: HttpResponse): void {
    const headers = this.#headers(request)
    headers.push(['Content-Type', 'application/xml'])
    response.head(200, headers)
  }

  /** The document of an error, for a reply that has begun. */
  errorText(
    request: HttpRequest,
    failure: {
      readonly error: S3Error
      readonly path: string
      readonly bucket: string
      readonly key: string
    },
  ): string {
    return errorDocument(failure, request.id)
  }

  /** The reply of a handler. Throws while nothing was sent; afterwards cuts the connection and throws. */
  async send(request: HttpRequest, response: HttpResponse, reply: S3Reply): Promise<void> {
    const { body } = reply
    if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) {
      await this.#stream(request, response, { reply, reader: body })
      return
    }
    const plain = typeof body === 'string' ? utf8(body) : body
    const headers = this.#headers(request)
    const given = addHeaders(headers, reply.headers)
    const isPackable =
      typeof body === 'string' && reply.status === 200 && body.length >= PACKED_MIN_LENGTH
    const bytes = isPackable && plain !== undefined ? await packed(request, headers, plain) : plain
    if (bytes !== undefined && bytes.length > 0 && !given.type) {
      headers.push(['Content-Type', reply.contentType ?? 'application/xml'])
    }
    if (!given.length && hasBody(reply.status)) {
      headers.push(['Content-Length', String(bytes?.length ?? 0)])
    }
    response.head(reply.status, headers)
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }

  async #stream(
    request: HttpRequest,
    response: HttpResponse,
    { reply, reader }: { readonly reply: S3Reply; readonly reader: ReplyStream },
  ): Promise<void> {
    const chunks = reader.chunks()[Symbol.asyncIterator]()
    // TLS copies what is written while it is at work on what came before.
    const unsent = new Unsent(response, request.isSecure ? 0 : UNSENT_MAX_BYTES)
    try {
      // The first piece is verified before the head goes out: until then an error is a proper reply.
      let next = await firstOf(chunks, reader.sizeBytes)
      try {
        const headers = this.#headers(request)
        const given = addHeaders(headers, reply.headers)
        if (!given.length && reader.sizeBytes !== undefined) {
          headers.push(['Content-Length', String(reader.sizeBytes)])
        }
        response.head(reply.status, headers)
      } catch (error) {
        if (next.done !== true) next.value.release()
        throw error
      }
      let left = reader.sizeBytes ?? Number.POSITIVE_INFINITY
      while (next.done !== true) {
        left -= next.value.bytes.length
        await unsent.add(next.value)
        if (left <= 0) break
        next = await chunks.next()
      }
      // Fewer bytes than promised would leave the client waiting for the next reply's.
      if (left !== 0 && reader.sizeBytes !== undefined)
        throw new Error(`Reader ended ${left} bytes early`)
      await unsent.settled(0)
      await chunks.return?.()
      response.end()
    } catch (error) {
      if (response.headSent) response.destroy()
      await chunks.return?.()
      throw error
    } finally {
      reader.close()
    }
  }
}

/** The first piece of a content: all of it where that is small. */
async function firstOf(
  chunks: AsyncIterator<DataChunk>,
  sizeBytes: number | undefined,
): Promise<IteratorResult<DataChunk>> {
  let next = await chunks.next()
  if (sizeBytes === undefined || sizeBytes > JOINED_MAX_BYTES) return next
  if (next.done === true || next.value.bytes.length >= sizeBytes) return next
  const joined = new Uint8Array(sizeBytes)
  let used = 0
  while (next.done !== true) {
    const { value } = next
    try {
      joined.set(value.bytes, used)
      used += value.bytes.length
    } finally {
      value.release()
    }
    if (used === sizeBytes) break
    next = await chunks.next()
  }
  return { value: { bytes: joined.subarray(0, used), release: () => undefined } }
}

/** What was given to a reply and not yet taken by the kernel. */
class Unsent {
  readonly #response: HttpResponse
  readonly #maxBytes: number
  readonly #writes: { readonly sizeBytes: number; readonly done: Promise<void> }[] = []
  #sizeBytes = 0

  constructor(response: HttpResponse, maxBytes: number) {
    this.#response = response
    this.#maxBytes = maxBytes
  }

  /** Resolves when there is room for another chunk. Rejects when this one or one before could not be sent. */
  add(chunk: DataChunk): Promise<void> {
    const sizeBytes = chunk.bytes.length
    const done = writeChunk(this.#response, chunk)
    done.catch(() => undefined) // seen when it is waited for, unless the reply failed before
    this.#writes.push({ sizeBytes, done })
    this.#sizeBytes += sizeBytes
    return this.settled(this.#maxBytes)
  }

  /** Waits until no more than `sizeBytes` are left. */
  async settled(sizeBytes: number): Promise<void> {
    while (this.#sizeBytes > sizeBytes) {
      const write = this.#writes.shift()
      if (write === undefined) return
      await write.done
      this.#sizeBytes -= write.sizeBytes
    }
  }
}

/** The memory of a chunk is free again when the kernel has the bytes. */
async function writeChunk(response: HttpResponse, chunk: DataChunk): Promise<void> {
  try {
    await response.write(chunk.bytes)
  } finally {
    chunk.release()
  }
}

function hasBody(status: number): boolean {
  return status !== 204 && status !== 304
}

/** Appends a handler's headers, and tells which of the two that every reply needs are among them. */
function addHeaders(
  headers: Header[],
  added: Iterable<Header> | undefined,
): { readonly length: boolean; readonly type: boolean } {
  let length = false
  let type = false
  for (const header of added ?? []) {
    headers.push(header)
    const size = header[0].length
    // Comparing lengths first spares almost all names the lower case.
    if (size === 14 && header[0].toLowerCase() === 'content-length') length = true
    if (size === 12 && header[0].toLowerCase() === 'content-type') type = true
  }
  return { length, type }
}

/** Adds a header in place of one with the same name. */
function pushOnce(headers: Header[], header: Header): void {
  const lower = header[0].toLowerCase()
  const at = headers.findIndex(([name]) => name.toLowerCase() === lower)
  if (at < 0) headers.push(header)
  else headers[at] = header
}

function headerSafe(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, ' ')
}

function errorDocument(
  failure: {
    readonly error: S3Error
    readonly path: string
    readonly bucket: string
    readonly key: string
  },
  requestId: string,
): string {
  const { error, path } = failure
  const { bucket = failure.bucket, key = failure.key } = error.subject ?? {}
  let text = `${XML_DECLARATION}<Error><Code>${error.code}</Code><Message>${escapeXml(error.message)}</Message>`
  if (key !== '') text += `<Key>${escapeXml(key)}</Key>`
  if (bucket !== '') text += `<BucketName>${escapeXml(bucket)}</BucketName>`
  text += `<Resource>${escapeXml(path)}</Resource>`
  const region = error.elements.find(([name]) => name === 'Region')
  if (region !== undefined) text += `<Region>${escapeXml(region[1])}</Region>`
  text += `<RequestId>${requestId}</RequestId><HostId></HostId>`
  for (const [name, value] of error.elements) {
    if (name !== 'Region') text += `<${name}>${escapeXml(value)}</${name}>`
  }
  return `${text}</Error>`
}

/** Documents from this size on are compressed for clients that ask for it. */
const PACKED_MIN_LENGTH = 1000

async function packed(
  request: HttpRequest,
  headers: Header[],
  plain: Uint8Array,
): Promise<Uint8Array> {
  headers.push(['Vary', 'Accept-Encoding'])
  const accepted = request.header('accept-encoding') ?? ''
  if (!/(?:^|,)\s*gzip\s*(?:,|$|;(?!\s*q=0(?:\.0*)?\s*(?:,|$)))/i.test(accepted)) return plain
  const { gzip } = await import('node:zlib')
  headers.push(['Content-Encoding', 'gzip'])
  return new Promise((resolve, reject) => {
    // The fastest level: lists shrink to a tenth with it, and are made while a client waits.
    gzip(plain, { level: 1 }, (error, result) => (error === null ? resolve(result) : reject(error)))
  })
}
