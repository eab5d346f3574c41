/** Content of compressed objects, as streams that hold a window at a time. */
import { SelectError } from '../select-error.ts'
import { withMagic } from './magic.ts'
import type { ByteStream, CompressionType, SelectServices } from '../select.ts'

const CHUNK_BYTES = 128 * 1024
/** Windows of up to 32 MiB: all of zstd's levels but the last, which asks for 128 MiB. */
const ZSTD_WINDOW_LOG_MAX = 25

/** The part of zlib's transforms that is used. */
interface Transform extends AsyncIterable<unknown> {
  write(chunk: Uint8Array, done: (error?: Error | null) => void): boolean
  end(): void
  destroy(error?: Error): void
}

/** The content of `stream`. Errors of its `next`: `TruncatedInput`, `InvalidCompressionFormat`. */
export async function decompressed(
  stream: ByteStream,
  compression: CompressionType,
  services: Pick<SelectServices, 's2Decoder'>,
): Promise<ByteStream> {
  if (compression === 'NONE') return stream
  const checked = await withMagic(stream, compression)
  switch (compression) {
    case 'GZIP': {
      const { createGunzip } = await import('node:zlib')
      return new TransformStream(checked, createGunzip({ chunkSize: CHUNK_BYTES }))
    }
    case 'ZSTD': {
      const { constants, createZstdDecompress } = await import('node:zlib')
      const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX }
      const transform = createZstdDecompress({ chunkSize: CHUNK_BYTES, params })
      return new TransformStream(checked, transform)
    }
    case 'BZIP2': {
      const { Bzip2Stream } = await import('./bzip2.ts')
      return new Bzip2Stream(checked)
    }
    case 'LZ4': {
      const { Lz4Stream } = await import('./lz4-frame.ts')
      return new Lz4Stream(checked)
    }
    case 'S2':
    case 'SNAPPY': {
      const { S2Stream } = await import('./s2-stream.ts')
      return new S2Stream(checked, services.s2Decoder())
    }
  }
}

/** A transform that is fed as fast as its output is taken. */
class TransformStream implements ByteStream {
  readonly #source: ByteStream
  readonly #transform: Transform
  readonly #output: AsyncIterator<unknown>
  #isFed = false

  constructor(source: ByteStream, transform: Transform) {
    this.#source = source
    this.#transform = transform
    this.#output = transform[Symbol.asyncIterator]()
  }

  async next(): Promise<Uint8Array | undefined> {
    if (!this.#isFed) {
      this.#isFed = true
      void this.#feed()
    }
    let result: IteratorResult<unknown>
    try {
      result = await this.#output.next()
    } catch (error) {
      throw truncated(error)
    }
    if (result.done === true || !(result.value instanceof Uint8Array)) return undefined
    return result.value
  }

  close(): void {
    this.#transform.destroy()
    this.#source.close()
  }

  /** Never rejects: what goes wrong reaches the reader through the transform. */
  async #feed(): Promise<void> {
    try {
      for (;;) {
        const piece = await this.#source.next()
        if (piece === undefined) {
          this.#transform.end()
          return
        }
        // The piece is the source's again as soon as it is asked for another.
        await this.#write(new Uint8Array(piece))
      }
    } catch (error) {
      this.#transform.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #write(piece: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#transform.write(piece, (error) => {
        if (error) reject(error)
        else resolve()
      })
    })
  }
}

/** What zlib finds wrong is the object's fault; anything else happened while it was read. */
function truncated(error: unknown): unknown {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  const isOfZlib = typeof code === 'string' && /^(ERR_)?(Z_|ZSTD_|ZLIB_)/.test(code)
  return isOfZlib ? new SelectError('TruncatedInput', undefined, { cause: error }) : error
}
