/** Members of a zip archive that lies elsewhere: its directory is read in windows, never whole, and bounded. */
import { Readable } from 'node:stream'
import {
  type Entry,
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl'

const WINDOW_BYTES = 1024 * 1024
/** Of everything that is read to find members. */
const DIRECTORY_MAX_BYTES = 100 * 1024 * 1024
const STORED = 0
const DEFLATED = 8

/** What is wrong with an archive. */
export class ZipError extends Error {
  override readonly name = 'ZipError'
}

export interface ZipSource {
  readonly sizeBytes: number
  /** The bytes from `start` to before `end`, in pieces that the reader may keep. */
  stream(start: number, end: number): AsyncIterable<Uint8Array>
}

export interface ZipMember {
  readonly name: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly entry: Entry
}

/** An open archive. Errors of all calls: `ZipError`, and those of the source. */
export class ZipArchive {
  readonly #file: ZipFile

  private constructor(file: ZipFile) {
    this.#file = file
  }

  static async open(source: ZipSource): Promise<ZipArchive> {
    const reader = new WindowReader(source)
    const options = { autoClose: false, lazyEntries: true, decodeStrings: false }
    try {
      const file = await fromRandomAccessReaderPromise(reader, source.sizeBytes, options)
      return new ZipArchive(file)
    } catch (error) {
      throw zipError(error, reader.failure)
    }
  }

  /** Files in the order of the directory. Folders, names that climb or begin at the root, and what is of impossible size are left out. Once. */
  async *members(): AsyncIterable<ZipMember> {
    try {
      for await (const entry of this.#file.eachEntry()) {
        const { generalPurposeBitFlag, fileNameRaw, extraFields } = entry
        const name = getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false)
        if (name === '' || name.endsWith('/') || isUnsafe(name)) continue
        if (!Number.isSafeInteger(entry.uncompressedSize)) continue
        const modifiedMs = entry.getLastModDate({ timezone: 'UTC' }).getTime()
        yield { name, sizeBytes: entry.uncompressedSize, modifiedMs, entry }
      }
    } catch (error) {
      throw zipError(error, undefined)
    }
  }

  /** The content of a member; fails when it is not as long as the directory says. */
  async content(member: ZipMember): Promise<ZipContent> {
    const { entry } = member
    const { compressionMethod } = entry
    if (entry.isEncrypted()) throw new ZipError('Member is encrypted')
    if (compressionMethod !== STORED && compressionMethod !== DEFLATED) {
      throw new ZipError('Member is compressed in an unknown way')
    }
    try {
      return new ZipContent(await this.#file.openReadStreamPromise(entry))
    } catch (error) {
      throw zipError(error, undefined)
    }
  }
}

/** The bytes of a member. */
export class ZipContent implements AsyncIterable<Uint8Array> {
  readonly #stream: Readable

  constructor(stream: Readable) {
    this.#stream = stream
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      yield* this.#stream
    } catch (error) {
      throw zipError(error, undefined)
    }
  }

  destroy(): void {
    this.#stream.destroy()
  }
}

function isUnsafe(name: string): boolean {
  return name.startsWith('/') || name.includes('\0') || /(?:^|\/)\.{1,2}(?:\/|$)/.test(name)
}

/** What the source failed with, else a fault of the archive. */
function zipError(error: unknown, ofSource: Error | undefined): Error {
  if (ofSource !== undefined) return ofSource
  // Errors of the package are plain; those of the source have names of their own.
  if (error instanceof Error && error.name !== 'Error') return error
  return new ZipError('Archive cannot be read', { cause: error })
}

class WindowReader extends RandomAccessReader {
  failure: Error | undefined
  readonly #source: ZipSource
  #window = Buffer.alloc(0)
  #start = 0
  #readBytes = 0

  constructor(source: ZipSource) {
    super()
    this.#source = source
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#source.stream(start, end), { objectMode: false })
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#fill(position, length).then(
      () => {
        this.#window.copy(buffer, offset, position - this.#start, position - this.#start + length)
        callback(null)
      },
      (error: unknown) => {
        this.failure = error instanceof Error ? error : new Error(String(error))
        callback(this.failure)
      },
    )
  }

  /** Brings a piece into the window. */
  async #fill(position: number, length: number): Promise<void> {
    const isHere = position >= this.#start && position + length <= this.#start + this.#window.length
    if (isHere) return
    const size = Math.max(length, WINDOW_BYTES)
    const end = Math.min(this.#source.sizeBytes, position + size)
    this.#readBytes += end - position
    if (end - position < length) throw new ZipError('Archive ends too early')
    if (this.#readBytes > DIRECTORY_MAX_BYTES)
      throw new ZipError('Archive has too large a directory')
    const pieces: Uint8Array[] = []
    for await (const piece of this.#source.stream(position, end)) pieces.push(piece)
    this.#window = Buffer.concat(pieces)
    this.#start = position
    if (this.#window.length < length) throw new ZipError('Archive ends too early')
  }
}
