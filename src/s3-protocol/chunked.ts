/**
 * `aws-chunked` bodies (s3-api.md 2.8), decoded in place: data comes out as views of what went in.
 *
 *     signed:    <hex>;chunk-signature=<64 hex> CRLF data CRLF ... 0;chunk-signature=<64 hex> CRLF [trailers] CRLF
 *     unsigned:  <hex> CRLF data CRLF ... 0 CRLF trailers CRLF
 *     trailers:  name:value CRLF ... [x-amz-trailer-signature:<64 hex> CRLF] CRLF
 */
import { createHash, type Hash } from 'node:crypto'
import { hexValue } from './percent.ts'
import { S3Error } from './s3-error.ts'
import {
  type CredentialScope,
  chunkStringToSign,
  EMPTY_SHA256,
  equalSignatures,
  type SigningKey,
  sha256Hex,
  trailerStringToSign,
} from './sigv4.ts'

const CHUNK_SIZE_MAX_BYTES = 16 * 1024 * 1024
const LINE_MAX_BYTES = 1024
const TRAILERS_MAX_BYTES = 8 * 1024
const SIGNATURE_FIELD = 'chunk-signature='
const SIGNATURE_LENGTH = 64
const TRAILER_SIGNATURE = 'x-amz-trailer-signature'

/** What the signatures of chunks are chained to. */
export interface ChunkChain {
  readonly key: SigningKey
  readonly date: string
  readonly scope: CredentialScope
  /** Signature of the request itself. */
  readonly seedSignature: string
}

export interface ChunkedOptions {
  /** Given for the two signed forms. */
  readonly chain?: ChunkChain | undefined
  readonly hasTrailer: boolean
  /** Trailers announced, lower case. Those received must be the same. */
  readonly announced: readonly string[]
}

type State = 'header' | 'data' | 'dataEnd' | 'trailer' | 'last' | 'done'

const CR = 0x0d
const LF = 0x0a

/** Decodes one body. Feed pieces with `decode` until it answers `isDone`, then call `end`. */
export class ChunkedDecoder {
  readonly #options: ChunkedOptions
  #state: State = 'header'
  #line = ''
  #left = 0
  #signature = ''
  #previous: string
  #hash: Hash | undefined
  #trailerBytes = 0
  #trailerBlock = ''
  readonly trailers = new Map<string, string>()

  constructor(options: ChunkedOptions) {
    this.#options = options
    this.#previous = options.chain?.seedSignature ?? ''
  }

  /** True after the terminating chunk and the trailers; what follows is not looked at. */
  get isDone(): boolean {
    return this.#state === 'done'
  }

  /**
   * Continues at `piece[from]`. Answers where it stopped, and the data found, a view of `piece`, if any. Call again until
   * all is consumed. Bad framing: 400 `IncompleteBody`; bad trailers: 400
   * `MalformedTrailerError`; a wrong signature: 403 `SignatureDoesNotMatch`.
   */
  decode(piece: Uint8Array, from: number): { readonly next: number; readonly data?: Uint8Array } {
    let at = from
    while (at < piece.length) {
      switch (this.#state) {
        case 'header':
          at = this.#takeLine(piece, at, LINE_MAX_BYTES)
          if (this.#line.endsWith('\n')) this.#onHeader(this.#takeCrlfLine())
          break
        case 'data': {
          const end = Math.min(piece.length, at + this.#left)
          const data = piece.subarray(at, end)
          this.#left -= data.length
          this.#hash?.update(data)
          if (this.#left === 0) this.#onChunkEnd()
          return { next: end, data }
        }
        case 'dataEnd':
          at = this.#takeLine(piece, at, 2)
          if (this.#line.length === 2) {
            if (this.#takeCrlfLine() !== '') throw malformed()
            this.#state = 'header'
          }
          break
        case 'trailer':
          at = this.#takeLine(piece, at, LINE_MAX_BYTES)
          if (this.#line.endsWith('\n')) this.#onTrailerLine()
          break
        case 'last':
          at = this.#takeLine(piece, at, 2)
          if (this.#line.length === 2) {
            if (this.#takeCrlfLine() !== '') throw malformed()
            this.#state = 'done'
          }
          break
        case 'done':
          return { next: piece.length }
      }
    }
    return { next: at }
  }

  /** The body is over. `IncompleteBody` when it stopped early. */
  end(): void {
    // Some clients leave out the very last line end.
    const isAll = this.#state === 'done' || (this.#state === 'last' && this.#line === '')
    if (!isAll) throw malformed()
  }

  /** Appends to the current line up to its line feed. Lines are short: bytes beyond the limit mean bad framing. */
  #takeLine(piece: Uint8Array, from: number, limit: number): number {
    let at = from
    while (at < piece.length) {
      const byte = piece[at++] ?? 0
      this.#line += String.fromCharCode(byte)
      if (this.#line.length > limit) throw malformed()
      if (byte === LF) break
    }
    return at
  }

  #takeCrlfLine(): string {
    const line = this.#line
    this.#line = ''
    if (line.charCodeAt(line.length - 2) !== CR || line.charCodeAt(line.length - 1) !== LF) {
      throw malformed()
    }
    return line.slice(0, -2)
  }

  #onHeader(line: string): void {
    const { chain, hasTrailer } = this.#options
    const semicolon = line.indexOf(';')
    const size = chunkSize(semicolon < 0 ? line : line.slice(0, semicolon))
    if (chain === undefined) {
      if (semicolon >= 0) throw malformed()
    } else {
      const extension = semicolon < 0 ? '' : line.slice(semicolon + 1)
      if (!extension.startsWith(SIGNATURE_FIELD)) throw malformed()
      this.#signature = extension.slice(SIGNATURE_FIELD.length)
      if (this.#signature.length !== SIGNATURE_LENGTH) throw malformed()
    }
    this.#left = size
    if (size > 0) {
      this.#state = 'data'
      if (chain !== undefined) this.#hash = createHash('sha256')
      return
    }
    if (chain !== undefined) this.#checkChunk(chain, EMPTY_SHA256)
    this.#state = hasTrailer ? 'trailer' : 'last'
  }

  #onChunkEnd(): void {
    this.#state = 'dataEnd'
    const { chain } = this.#options
    if (chain === undefined || this.#hash === undefined) return
    this.#checkChunk(chain, this.#hash.digest('hex'))
    this.#hash = undefined
  }

  #checkChunk(chain: ChunkChain, digest: string): void {
    const expected = chain.key.sign(chunkStringToSign(chain, this.#previous, digest))
    if (!equalSignatures(expected, this.#signature)) throw new S3Error('SignatureDoesNotMatch')
    this.#previous = expected
  }

  /** Lines end with CRLF, or with LF from some clients. */
  #onTrailerLine(): void {
    const line = this.#line.replace(/\r?\n$/, '')
    this.#trailerBytes += this.#line.length
    this.#line = ''
    if (this.#trailerBytes > TRAILERS_MAX_BYTES) throw malformedTrailer()
    const { chain } = this.#options
    if (line === '') {
      // Before a signature blank lines occur; without one they are the end.
      if (chain === undefined) {
        this.#checkNames()
        this.#state = 'done'
      }
      return
    }
    const colon = line.indexOf(':')
    if (colon <= 0) throw malformedTrailer()
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1)
    if (chain !== undefined && name === TRAILER_SIGNATURE) {
      this.#checkNames()
      if (value.trim().length !== SIGNATURE_LENGTH) throw malformed()
      const digest = sha256Hex(this.#trailerBlock)
      const expected = chain.key.sign(trailerStringToSign(chain, this.#previous, digest))
      if (!equalSignatures(expected, value.trim())) throw new S3Error('SignatureDoesNotMatch')
      this.#state = 'last'
      return
    }
    if (this.trailers.has(name)) throw malformedTrailer()
    this.trailers.set(name, value.trim())
    this.#trailerBlock += `${line}\n`
  }

  /** Those announced must have come, and no others. */
  #checkNames(): void {
    const { announced } = this.#options
    const isSame =
      announced.length === this.trailers.size && announced.every((name) => this.trailers.has(name))
    if (!isSame) throw malformedTrailer()
  }
}

function chunkSize(text: string): number {
  if (text === '') throw malformed()
  let size = 0
  for (let i = 0; i < text.length; i++) {
    const digit = hexValue(text.charCodeAt(i))
    if (digit < 0) throw malformed()
    size = size * 16 + digit
    if (size > CHUNK_SIZE_MAX_BYTES) {
      throw new S3Error('BadRequest', {
        message: 'chunk too big: choose chunk size <= 16MiB',
      })
    }
  }
  return size
}

function malformed(): S3Error {
  return new S3Error('IncompleteBody', { message: 'The request body terminated unexpectedly' })
}

function malformedTrailer(): S3Error {
  return new S3Error('MalformedTrailerError')
}
