/**
 * The thread that decodes one Parquet file: its limits of heap and time hold what a hostile file does to the decoder.
 * It gets bytes from the query's thread, and gives batches of records when it is asked.
 */
import { parentPort, type MessagePort, workerData } from 'node:worker_threads'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import {
  type Compressors,
  parquetMetadataAsync,
  parquetScan,
  type ParquetScan,
  type SchemaElement,
} from 'hyparquet'
import { decodeLz4Block } from './lz4-block.ts'
import {
  NANOSECONDS,
  type ParquetJob,
  type ParquetReply,
  type ParquetRequest,
} from './parquet-messages.ts'
import { checkPages, ParquetLimitError } from './parquet-pages.ts'

const BATCH_ROWS = 1024
/** Bytes of one read: a column of a row group, or the footer. */
const READ_MAX_BYTES = 128 * 1024 * 1024
/** Bytes of all columns read of one row group, decompressed and decoded. */
const GROUP_MAX_BYTES = 192 * 1024 * 1024
const SLOT_BYTES = 8
const DAY_NS = 86_400_000_000_000n

class ParquetThread {
  readonly #port: MessagePort
  readonly #job: ParquetJob
  readonly #reads = new Map<number, (bytes: ArrayBuffer | undefined) => void>()
  #nextId = 0
  #scan: ParquetScan | undefined
  /** Past the footer, reads are of whole column chunks. */
  #readsColumns = false
  #names: readonly string[] = []
  /** Columns of whole numbers, which come as `number` if they are small. */
  readonly #ints = new Set<string>()
  #groupIndex = 0
  #row = 0
  #columns: readonly ArrayLike<unknown>[] = []
  #columnsGroup = -1

  constructor(port: MessagePort, job: ParquetJob) {
    this.#port = port
    this.#job = job
    port.on('message', (message: ParquetRequest) => void this.#take(message))
  }

  #send(reply: ParquetReply): void {
    this.#port.postMessage(reply)
  }

  async #take(message: ParquetRequest): Promise<void> {
    switch (message.kind) {
      case 'bytes':
      case 'failed': {
        const use = this.#reads.get(message.id)
        this.#reads.delete(message.id)
        use?.(message.kind === 'bytes' ? message.bytes : undefined)
        return
      }
      case 'columns':
        this.#names = message.names
        return
      case 'next':
        await this.run(() => this.#nextBatch())
    }
  }

  /** Whatever goes wrong in `work` is an error of the file. */
  async run(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const isLimit = error instanceof ParquetLimitError
      this.#send({
        kind: 'error',
        code: isLimit ? 'OverMaxParquetBlockSize' : 'ParquetParsingError',
      })
    }
  }

  async open(): Promise<void> {
    const file = {
      byteLength: this.#job.sizeBytes,
      slice: (start: number, end = this.#job.sizeBytes) => this.#read(start, end),
    }
    const metadata = await parquetMetadataAsync(file, { parsers: PARSERS, geoparquet: false })
    this.#scan = await parquetScan({
      file,
      metadata,
      parsers: PARSERS,
      geoparquet: false,
      compressors: COMPRESSORS,
      useOffsetIndex: false,
    })
    this.#readsColumns = true
    const [root] = metadata.schema
    const names: string[] = []
    // Children of the root are its columns, each followed by what is below it.
    for (
      let at = 1;
      names.length < (root?.num_children ?? 0);
      at = endOfElement(metadata.schema, at)
    ) {
      const element = metadata.schema[at]
      if (element === undefined) throw new Error('Schema is cut off')
      names.push(element.name)
      if (isInt(element)) this.#ints.add(element.name)
    }
    this.#send({ kind: 'schema', names })
  }

  async #read(start: number, end: number): Promise<ArrayBuffer> {
    const isWithin = start >= 0 && end >= start && end <= this.#job.sizeBytes
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || !isWithin) {
      throw new Error('Read outside of the file')
    }
    if (end - start > READ_MAX_BYTES) throw new ParquetLimitError('Read is too large')
    this.#nextId += 1
    const id = this.#nextId
    const { promise, resolve } = Promise.withResolvers<ArrayBuffer | undefined>()
    this.#reads.set(id, resolve)
    this.#send({ kind: 'read', id, start, end })
    const bytes = await promise
    if (bytes === undefined) throw new Error('Read failed')
    if (this.#readsColumns) checkPages(bytes)
    return bytes
  }

  async #nextBatch(): Promise<void> {
    const scan = this.#scan
    if (scan === undefined) throw new Error('File is not open')
    for (;;) {
      const range = scan.ranges[this.#groupIndex]
      if (range === undefined) {
        this.#send({ kind: 'batch', rows: 0, columns: [] })
        return
      }
      if (this.#row < range.rowStart) this.#row = range.rowStart
      if (this.#row < range.rowEnd) {
        await this.#load(scan, range)
        const begin = this.#row - range.rowStart
        const rows = Math.min(BATCH_ROWS, range.rowEnd - this.#row)
        const columns = this.#columns.map((column, i) =>
          slice(column, begin, rows, this.#ints.has(this.#names[i] ?? '')),
        )
        this.#row += rows
        this.#send({ kind: 'batch', rows, columns })
        return
      }
      this.#columns = []
      this.#groupIndex += 1
    }
  }

  /** Decodes the wanted columns of the row group at hand. */
  async #load(
    scan: ParquetScan,
    range: { readonly rowStart: number; readonly rowEnd: number },
  ): Promise<void> {
    if (this.#columnsGroup === this.#groupIndex) return
    const group = scan.metadata.row_groups[this.#groupIndex]
    const wanted = new Set(this.#names)
    // What is decoded takes a slot for each value, however small it is in the file.
    let sizeBytes = (range.rowEnd - range.rowStart) * this.#names.length * SLOT_BYTES
    for (const { meta_data: column } of group?.columns ?? []) {
      if (column === undefined || !wanted.has(column.path_in_schema[0] ?? '')) continue
      sizeBytes += Number(column.total_uncompressed_size)
    }
    if (!(sizeBytes <= GROUP_MAX_BYTES)) throw new ParquetLimitError('Row group is too large')
    const columns: ArrayLike<unknown>[] = []
    for (const column of this.#names) {
      const values: ArrayLike<unknown> = await scan.readColumn({ ...range, column })
      if (values.length !== range.rowEnd - range.rowStart) throw new Error('Column has other rows')
      columns.push(values)
    }
    this.#columns = columns
    this.#columnsGroup = this.#groupIndex
  }
}

function isInt({ type, converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  return type === 'INT32' && converted !== 'DECIMAL' && logical?.type !== 'DECIMAL'
}

function slice(
  column: ArrayLike<unknown>,
  begin: number,
  count: number,
  isInt: boolean,
): unknown[] {
  return Array.from({ length: count }, (_, i) => {
    const value = column[begin + i]
    return isInt && Number.isInteger(value) && typeof value === 'number' ? BigInt(value) : value
  })
}

/** Index behind an element of the schema and all below it. */
function endOfElement(schema: readonly { readonly num_children?: number }[], at: number): number {
  let open = 1
  let end = at
  while (open > 0 && end < schema.length) {
    open += (schema[end]?.num_children ?? 0) - 1
    end += 1
  }
  return end
}

const instant = (nanoseconds: bigint): unknown => ({ [NANOSECONDS]: nanoseconds })

const PARSERS = {
  timestampFromMilliseconds: (milliseconds: bigint) => instant(milliseconds * 1_000_000n),
  timestampFromMicroseconds: (microseconds: bigint) => instant(microseconds * 1000n),
  timestampFromNanoseconds: (nanoseconds: bigint) => instant(nanoseconds),
  dateFromDays: (days: number) => instant(BigInt(days) * DAY_NS),
}

const COMPRESSORS: Compressors = {
  GZIP: (input, size) => gunzipSync(input, { maxOutputLength: Math.max(1, size) }),
  BROTLI: (input, size) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, size) }),
  ZSTD: (input, size) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, size) }),
  LZ4_RAW: (input, size) => {
    const output = new Uint8Array(size)
    if (size > 0 && decodeLz4Block(input, output, 0) !== size) throw new Error('Page is broken')
    return output
  },
  // Hadoop's frames: sizes of content and of the block, both big-endian, before each block.
  LZ4: (input, size) => {
    const output = new Uint8Array(size)
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
    let to = 0
    for (let at = 0; at < input.length; ) {
      const blockSize = view.getUint32(at + 4)
      const block = input.subarray(at + 8, at + 8 + blockSize)
      const end = decodeLz4Block(block, output, to)
      if (end !== to + view.getUint32(at)) throw new Error('Page is broken')
      to = end
      at += 8 + blockSize
    }
    return output
  },
}

if (parentPort !== null) {
  const thread = new ParquetThread(parentPort, workerData as ParquetJob) // made by `ParquetSource` only
  void thread.run(() => thread.open())
}
