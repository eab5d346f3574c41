/** Reading of `multipart/form-data`: fields first, then the file as a stream. Memory is bounded whatever the form holds. */
import type { BusboyInstance } from '@fastify/busboy'
import type { BodySource } from '#object/object'
import { malformedForm } from '#s3-protocol/post-policy'
import { S3Error } from '#s3-protocol/s3-error'

const PARTS_MAX = 1000
const FIELD_MAX_BYTES = 1024 * 1024
/** Of all fields together. */
const FIELDS_MAX_BYTES = 4 * FIELD_MAX_BYTES
const PART_HEADERS_MAX_BYTES = 16 * 1024
const PIECE_BYTES = 64 * 1024

export interface PostForm {
  /** By lower-case name; of repeated ones the first. */
  readonly fields: ReadonlyMap<string, string>
  readonly repeated: ReadonlySet<string>
  readonly file: FormFile
}

export interface FormFile extends BodySource {
  /** Name of the file on the client, without folders; empty when none was sent. */
  readonly name: string
  /** Ends the reading of the request's body. Idempotent. */
  close(): Promise<void>
}

/** Reads up to the file. What follows the file is ignored. Throws `MalformedPOSTRequest`, or what `body` rejects with. */
export async function readForm(body: BodySource, contentType: string): Promise<PostForm> {
  const reading = new FormReading(body, await parserOf(contentType))
  try {
    return await reading.form()
  } catch (error) {
    await reading.close()
    throw error
  }
}

async function parserOf(contentType: string): Promise<BusboyInstance> {
  // Only here: few servers ever get a form, and every thread would hold the parser in memory.
  const { Busboy } = await import('@fastify/busboy')
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      isPartAFile: (name) => name?.toLowerCase() === 'file',
      limits: {
        parts: PARTS_MAX,
        fieldSize: FIELD_MAX_BYTES,
        headerSize: PART_HEADERS_MAX_BYTES,
        headerPairs: 32,
      },
    })
  } catch (error) {
    throw new S3Error('MalformedPOSTRequest', { cause: error })
  }
}

type FileStream = AsyncIterable<Uint8Array> & { destroy(error?: Error): unknown }

/** Pushes the body into the parser, no faster than the file is taken out of it. */
class FormReading {
  readonly #body: BodySource
  readonly #parser: BusboyInstance
  readonly #fields = new Map<string, string>()
  readonly #repeated = new Set<string>()
  readonly #file = Promise.withResolvers<{ stream: FileStream; name: string }>()
  #stream: FileStream | undefined
  #fieldBytes = 0
  #isStopped = false
  /** The read under way: the body has one reader only. */
  #read: Promise<number> = Promise.resolve(0)

  constructor(body: BodySource, parser: BusboyInstance) {
    this.#body = body
    this.#parser = parser
    parser.on('field', (name, value, _, isCut) => this.#take(name, value, isCut))
    parser.on('partsLimit', () => this.#fail(malformedForm('Too many parts')))
    parser.on('error', (error) => this.#fail(new S3Error('MalformedPOSTRequest', { cause: error })))
    parser.on('file', (_, stream, name) => {
      this.#stream = stream
      // Whoever reads the stream learns of its errors; before that they are remembered by it.
      stream.on('error', () => undefined)
      this.#file.resolve({ stream, name: name ?? '' })
    })
    parser.on('finish', () =>
      this.#file.reject(malformedForm('The file or text content is missing')),
    )
    this.#file.promise.catch(() => undefined)
  }

  async form(): Promise<PostForm> {
    void this.#pump()
    const { stream, name } = await this.#file.promise
    const file = new FileBody(this, stream, name)
    return { fields: this.#fields, repeated: this.#repeated, file }
  }

  /** Ends the reading; the body has no reader afterwards. */
  async close(): Promise<void> {
    this.#isStopped = true
    this.#stream?.destroy()
    try {
      await this.#read
    } catch {
      // The connection broke: there is nothing left to be read.
    }
  }

  #take(name: string | undefined, value: string, isCut: boolean): void {
    if (this.#stream !== undefined) return
    const field = (name ?? '').toLowerCase()
    this.#fieldBytes += field.length + value.length
    if (isCut || this.#fieldBytes > FIELDS_MAX_BYTES) {
      this.#fail(malformedForm('A field is too large'))
    } else if (this.#fields.has(field)) this.#repeated.add(field)
    else this.#fields.set(field, value)
  }

  #fail(error: Error): void {
    this.#isStopped = true
    this.#file.reject(error)
    this.#stream?.destroy(error)
  }

  async #pump(): Promise<void> {
    try {
      while (!this.#isStopped) {
        // A new piece each time: the parser keeps views of it until the file was read.
        const piece = Buffer.allocUnsafe(PIECE_BYTES)
        this.#read = this.#body.read(piece)
        const count = await this.#read
        if (this.#isStopped) return
        if (count === 0) {
          this.#parser.end()
          return
        }
        await this.#write(piece.subarray(0, count))
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : malformedForm())
    }
  }

  #write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#parser.write(piece, (error) => (error == null ? resolve() : reject(error)))
    })
  }
}

class FileBody implements FormFile {
  readonly sizeBytes = undefined
  readonly name: string
  readonly #reading: FormReading
  readonly #pieces: AsyncIterator<Uint8Array>
  #piece: Uint8Array = new Uint8Array(0)

  constructor(reading: FormReading, stream: FileStream, name: string) {
    this.#reading = reading
    this.#pieces = stream[Symbol.asyncIterator]()
    this.name = name
  }

  async read(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      if (this.#piece.length === 0) {
        const next = await this.#next()
        if (next === undefined) break
        this.#piece = next
      }
      const count = Math.min(this.#piece.length, target.length - filled)
      target.set(this.#piece.subarray(0, count), filled)
      this.#piece = this.#piece.subarray(count)
      filled += count
    }
    return filled
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const next = await this.#pieces.next()
      return next.done === true ? undefined : next.value
    } catch (error) {
      throw error instanceof S3Error ? error : new S3Error('MalformedPOSTRequest', { cause: error })
    }
  }

  close(): Promise<void> {
    return this.#reading.close()
  }
}
