/** The body of a request as its handler sees it: decoded, and verified before its last byte is handed over. */
import { createHash, type Hash } from 'node:crypto'
import { copyBytes } from '#base/bytes'
import { BodyAbortedError, BodyStalledError } from '#http/body-reader'
import type { HttpRequest } from '#http/http'
import type { BodySource } from '#object/object'
import { ChunkedDecoder } from '#s3-protocol/chunked'
import { S3Error } from '#s3-protocol/s3-error'
import type { PayloadRule } from './authenticate.ts'

/** What may follow the content and is read, so that the connection can go on. */
const TAIL_MAX_BYTES = 64 * 1024

export class RequestBody implements BodySource {
  readonly sizeBytes: number | undefined
  readonly announcedTrailers: readonly string[]
  readonly #request: HttpRequest
  readonly #decoder: ChunkedDecoder | undefined
  readonly #expectedHash: string | undefined
  readonly #hash: Hash | undefined
  #piece: Uint8Array | undefined
  #position = 0
  /** Decoded bytes not yet handed over. */
  #data: Uint8Array | undefined
  #delivered = 0
  #isFinished = false
  #failure: Error | undefined

  constructor(request: HttpRequest, rule: PayloadRule) {
    this.#request = request
    this.announcedTrailers = announcedTrailers(request)
    if (rule.kind === 'chunked') {
      this.#decoder = new ChunkedDecoder({
        chain: rule.chain,
        hasTrailer: rule.hasTrailer,
        announced: rule.hasTrailer ? this.announcedTrailers : [],
      })
      this.sizeBytes = decodedLength(request)
    } else {
      this.sizeBytes = request.contentLength
      if (rule.kind === 'sha256') {
        this.#expectedHash = rule.hex
        this.#hash = createHash('sha256')
      }
    }
  }

  /** Received trailers by lower-case name; complete at the end of the body. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#decoder?.trailers ?? new Map()
  }

  /** Fills `target` up to its end or the end of the body. The read that hands over the last byte has verified everything. */
  async read(target: Uint8Array): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      let filled = 0
      while (filled < target.length) {
        const data = this.#data ?? (await this.#nextData())
        if (data === undefined) {
          await this.finish()
          break
        }
        const count = Math.min(data.length, target.length - filled)
        copyBytes(count === data.length ? data : data.subarray(0, count), target, filled)
        filled += count
        this.#data = count === data.length ? undefined : data.subarray(count)
        this.#delivered += count
      }
      if (this.#delivered === this.sizeBytes) await this.finish()
      return filled
    } catch (error) {
      this.#failure = bodyError(error)
      throw this.#failure
    }
  }

  /** Reads a whole small body. Throws what `tooLarge` makes when it is over `limitBytes`. */
  async readAll(limitBytes: number, tooLarge: () => S3Error): Promise<Uint8Array> {
    if (this.sizeBytes !== undefined && this.sizeBytes > limitBytes) throw tooLarge()
    // A declared size is a promise of the client, not a reason to reserve that much.
    let whole = new Uint8Array(Math.min(this.sizeBytes ?? 0, limitBytes, 64 * 1024))
    let size = 0
    for (;;) {
      if (size === whole.length) {
        if (this.sizeBytes === size && this.#isFinished) break
        const grown = new Uint8Array(Math.min(limitBytes + 1, Math.max(4096, whole.length * 2)))
        grown.set(whole)
        whole = grown
      }
      const count = await this.read(whole.subarray(size))
      if (count === 0) break
      size += count
      if (size > limitBytes) throw tooLarge()
    }
    await this.finish()
    return whole.subarray(0, size)
  }

  /** Checks length, hash, signatures and trailers. Must have been called before anything is done with an empty body. */
  async finish(): Promise<void> {
    if (this.#isFinished) return
    if (this.#failure !== undefined) throw this.#failure
    try {
      if (this.#data !== undefined || (await this.#nextData()) !== undefined) {
        throw this.#decoder === undefined ? new S3Error('ExcessData') : wrongLength()
      }
      this.#decoder?.end()
      if (this.sizeBytes !== undefined && this.#delivered < this.sizeBytes) {
        throw wrongLength()
      }
      if (this.#hash !== undefined) {
        const found = this.#hash.digest('hex')
        if (found !== this.#expectedHash) throw wrongHash(this.#expectedHash ?? '', found)
      }
      this.#isFinished = true
    } catch (error) {
      this.#failure = bodyError(error)
      throw this.#failure
    }
    await this.#skipTail()
  }

  async #nextData(): Promise<Uint8Array | undefined> {
    const decoder = this.#decoder
    for (;;) {
      if (decoder?.isDone === true) return undefined
      if (this.#piece === undefined) {
        this.#piece = await this.#request.body.next()
        this.#position = 0
        if (this.#piece === undefined) return undefined
      }
      let data: Uint8Array | undefined = this.#piece
      if (decoder === undefined) {
        this.#piece = undefined
        this.#hash?.update(data)
      } else {
        const step = decoder.decode(this.#piece, this.#position)
        data = step.data
        this.#position = step.next
        if (step.next >= this.#piece.length) this.#piece = undefined
      }
      if (data === undefined || data.length === 0) continue
      if (this.sizeBytes !== undefined && this.#delivered + data.length > this.sizeBytes) {
        if (decoder === undefined) throw new S3Error('ExcessData')
        this.#checkFraming(decoder)
        throw wrongLength()
      }
      this.#data = data
      return data
    }
  }

  /** Bad framing is told before a wrong length, as far as the piece at hand shows it. */
  #checkFraming(decoder: ChunkedDecoder): void {
    const piece = this.#piece
    try {
      while (piece !== undefined && this.#position < piece.length && !decoder.isDone) {
        this.#position = decoder.decode(piece, this.#position).next
      }
    } catch (error) {
      // Trailers and signatures of a body that is refused anyhow say nothing.
      if (error instanceof S3Error && error.code === 'IncompleteBody') throw error
    }
  }

  /** Framing behind the content; what is wrong with it cannot hurt any more. */
  async #skipTail(): Promise<void> {
    let left = TAIL_MAX_BYTES
    try {
      for (;;) {
        const piece = await this.#request.body.next()
        if (piece === undefined) return
        left -= piece.length
        if (left < 0) return
      }
    } catch {
      // The content is complete and verified; a connection that breaks now only cannot be used again.
    }
  }
}

function bodyError(error: unknown): Error {
  if (error instanceof BodyStalledError) {
    return new S3Error('RequestTimeout', {
      status: 400,
      message:
        'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.',
      cause: error,
    })
  }
  if (error instanceof BodyAbortedError) return new S3Error('IncompleteBody', { cause: error })
  return error instanceof Error ? error : new Error('Body failed', { cause: error })
}

/** Names of `X-Amz-Trailer`, lower case; several headers or a comma list. */
function announcedTrailers(request: HttpRequest): readonly string[] {
  const header = request.header('x-amz-trailer')
  if (header === undefined) return []
  const names = header
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  return [...new Set(names)]
}

function decodedLength(request: HttpRequest): number | undefined {
  const text = request.header('x-amz-decoded-content-length')
  // Without any length of its own nothing is known of the content; that of the framing says nothing.
  if (text === undefined && request.contentLength === undefined) return undefined
  const size = /^\d{1,16}$/.test(text ?? '') ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) throw new S3Error('MissingContentLength')
  return size
}

function wrongLength(): S3Error {
  return new S3Error('IncompleteBody', {
    message: 'You did not provide the number of bytes specified by the Content-Length HTTP header',
  })
}

function wrongHash(declared: string, found: string): S3Error {
  return new S3Error('XAmzContentSHA256Mismatch', {
    elements: [
      ['ClientComputedContentSHA256', declared],
      ['S3ComputedContentSHA256', found],
    ],
  })
}
