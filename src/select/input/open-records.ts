/** From the object to records: range, decompression, reader. */
import { utf8 } from '#base/bytes'
import { SelectError } from '../select-error.ts'
import type {
  CsvInput,
  JsonInput,
  ScanRange,
  SelectRequest,
  SelectServices,
  SelectSource,
} from '../select.ts'
import type { Evaluate } from '../sql/compile.ts'
import { WorkMeter } from '../sql/meter.ts'
import type { Query } from '../sql/syntax.ts'
import type { Value } from '../sql/values.ts'
import { CountedStream } from './counted-stream.ts'
import { CsvSource } from './csv-source.ts'
import { decompressed } from './decompress.ts'
import { JsonSource } from './json-source.ts'
import { ParquetSource } from './parquet-source.ts'
import { type ColumnPath, usedColumns } from './query-paths.ts'
import type { RecordSource } from './record-source.ts'
import { TextWindow } from './text-window.ts'

export interface OpenRecordsOptions {
  readonly request: SelectRequest
  readonly query: Query
  readonly source: SelectSource
  readonly services: SelectServices
}

/** The records of a query, and how far they got. */
export interface Records {
  readonly source: RecordSource
  readonly meter: WorkMeter
  /** Bytes of the object, as stored and as decompressed. */
  progress(): { readonly scannedBytes: number; readonly processedBytes: number }
}

/** Nothing is read before `open`. Errors: a scan range that does not fit. */
export function openRecords(options: OpenRecordsOptions): Records {
  const { request, source } = options
  const range = request.scanRange === undefined ? undefined : resolveRange(request, source)
  const meter = new WorkMeter()
  if (request.input.kind === 'parquet') {
    const { query, services } = options
    const parquet = new ParquetSource({ source, query, meter, clock: services.clock })
    return { source: parquet, meter, progress: () => parquet.progress() }
  }
  const text = new TextRecords(request.input, { ...options, range, meter })
  return { source: text, meter, progress: () => text.progress() }
}

/** First byte, and the one behind the last, at which wanted records begin. */
interface ByteRange {
  readonly start: number
  readonly end: number
}

const RANGE_ERROR =
  'The value of a parameter in ScanRange element is invalid. Check the service API documentation and try again.'

function resolveRange(request: SelectRequest, { sizeBytes }: SelectSource): ByteRange {
  const { start, end } = request.scanRange ?? NO_RANGE
  const { input, compression } = request
  const fits = input.kind === 'csv' || (input.kind === 'json' && input.type === 'LINES')
  const isEmpty = start === undefined && end === undefined
  const isReversed = start !== undefined && end !== undefined && start > end
  if (!fits || compression !== 'NONE' || isEmpty || isReversed) {
    throw new SelectError('InvalidRequestParameter', RANGE_ERROR)
  }
  if (start === undefined) return { start: Math.max(0, sizeBytes - (end ?? 0)), end: sizeBytes }
  return { start, end: end === undefined ? sizeBytes : Math.min(end + 1, sizeBytes) }
}

const NO_RANGE: ScanRange = { start: undefined, end: undefined }

interface TextRecordsOptions extends OpenRecordsOptions {
  readonly range: ByteRange | undefined
  readonly meter: WorkMeter
}

/** Records of a text format; its stream is opened with the first read. */
class TextRecords implements RecordSource {
  readonly #input: CsvInput | JsonInput
  readonly #options: TextRecordsOptions
  #scanned: CountedStream | undefined
  #processed: CountedStream | undefined
  #reader: CsvSource | JsonSource | undefined

  constructor(input: CsvInput | JsonInput, options: TextRecordsOptions) {
    this.#input = input
    this.#options = options
  }

  progress(): { readonly scannedBytes: number; readonly processedBytes: number } {
    return {
      scannedBytes: this.#scanned?.bytes ?? 0,
      processedBytes: this.#processed?.bytes ?? 0,
    }
  }

  async open(): Promise<void> {
    const { range } = this.#options
    const names = await this.#namesBefore(range)
    // One record delimiter is read in front: it tells whether a record begins at the very start.
    const lead = range === undefined || range.start === 0 ? 0 : this.#delimiterBytes()
    const offset = Math.max(0, (range?.start ?? 0) - lead)
    const limitBytes = range === undefined ? undefined : Math.max(0, range.end - offset)
    const window = await this.#window(offset, { limitBytes, isCut: lead > 0 })
    this.#reader = this.#createReader(window, { skipsPartial: lead > 0, names })
    await this.#reader.open()
  }

  async #window(
    offset: number,
    options: { readonly limitBytes: number | undefined; readonly isCut: boolean },
  ): Promise<TextWindow> {
    const { source, request, services } = this.#options
    this.#scanned = new CountedStream(await source.open(offset))
    this.#processed = new CountedStream(
      await decompressed(this.#scanned, request.compression, services),
    )
    return new TextWindow(this.#processed, options)
  }

  #createReader(
    window: TextWindow,
    rest: { readonly skipsPartial: boolean; readonly names: readonly string[] | undefined },
  ): CsvSource | JsonSource {
    const input = this.#input
    const { meter, query } = this.#options
    const stop = (): void => this.#processed?.close()
    if (input.kind === 'csv') return new CsvSource({ input, window, meter, stop, ...rest })
    const tablePath = query.tablePath ?? []
    const wanted = wantedMembers(query)
    return new JsonSource({ input, window, meter, stop, tablePath, wanted, ...rest })
  }

  #delimiterBytes(): number {
    return this.#input.kind === 'csv' ? utf8(this.#input.recordDelimiter).length : 1
  }

  /** A header that lies before the range is read by itself. */
  async #namesBefore(range: ByteRange | undefined): Promise<readonly string[] | undefined> {
    const input = this.#input
    if (input.kind !== 'csv' || input.header !== 'USE') return undefined
    if (range === undefined || range.start === 0) return undefined
    const window = await this.#window(0, { limitBytes: undefined, isCut: false })
    const reader = new CsvSource({
      input,
      window,
      meter: this.#options.meter,
      skipsPartial: false,
      stop: () => undefined,
    })
    try {
      await reader.open()
      return reader.names
    } finally {
      this.#processed?.close()
    }
  }

  next(): boolean {
    return this.#opened.next()
  }

  fill(): Promise<boolean> {
    return this.#opened.fill()
  }

  bind(path: ColumnPath): Evaluate {
    return this.#opened.bind(path)
  }

  columns(use: (name: string | undefined, value: Value) => void): void {
    this.#opened.columns(use)
  }

  close(): void {
    this.#processed?.close()
    this.#scanned?.close()
  }

  get #opened(): CsvSource | JsonSource {
    if (this.#reader === undefined) throw new Error('Records are not open')
    return this.#reader
  }
}

/** Outermost members that a query of JSON uses, lower case; undefined: all. */
function wantedMembers(query: Query): ReadonlySet<string> | undefined {
  const [step] = query.tablePath ?? []
  if (step !== undefined) {
    return step.kind === 'name' ? new Set([step.name.text.toLowerCase()]) : undefined
  }
  const used = usedColumns(query)
  return used === undefined ? undefined : new Set(used.map(({ text }) => text.toLowerCase()))
}
