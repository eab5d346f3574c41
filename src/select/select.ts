/**
 * S3 Select: SQL over one object of CSV, JSON or Parquet (s3-api.md 6.2).
 *
 * Invariants
 * - Memory is bounded whatever the data: one record, one block of text, one message; of Parquet what its limits allow.
 * - Whatever a request or an object holds gives results or a `SelectError`, in time that its size bounds.
 * - A thread is never held for long: after a slice of time other requests get their turn.
 * - What is found wrong before the first record rejects `openSelect`; everything later is an error message of the stream.
 */
import type { Clock } from '#base/clock'
import type { S2Decoder } from '#codec/s2'
import { openRecords } from './input/open-records.ts'
import { MessageStream } from './output/message-stream.ts'
import { SelectError } from './select-error.ts'
import { checkQuery } from './sql/analysis.ts'
import { parseQuery } from './sql/parser.ts'

export type CompressionType = 'NONE' | 'GZIP' | 'BZIP2' | 'ZSTD' | 'LZ4' | 'S2' | 'SNAPPY'

export interface CsvInput {
  readonly kind: 'csv'
  readonly header: 'NONE' | 'USE' | 'IGNORE'
  /** One or two characters; `\n` stands for `\r\n` too. */
  readonly recordDelimiter: string
  /** One character, as the others; empty quote or comment character: none. */
  readonly fieldDelimiter: string
  readonly quote: string
  readonly quoteEscape: string
  readonly comment: string
}

export interface JsonInput {
  readonly kind: 'json'
  readonly type: 'DOCUMENT' | 'LINES'
}

export interface ParquetInput {
  readonly kind: 'parquet'
}

export interface CsvOutput {
  readonly kind: 'csv'
  readonly quoteFields: 'ALWAYS' | 'ASNEEDED'
  readonly recordDelimiter: string
  readonly fieldDelimiter: string
  readonly quote: string
  readonly quoteEscape: string
}

export interface JsonOutput {
  readonly kind: 'json'
  readonly recordDelimiter: string
}

/** Bytes of the object, both ends included; one may be missing. */
export interface ScanRange {
  readonly start: number | undefined
  readonly end: number | undefined
}

export interface SelectRequest {
  readonly expression: string
  readonly compression: CompressionType
  readonly input: CsvInput | JsonInput | ParquetInput
  readonly output: CsvOutput | JsonOutput
  readonly scanRange: ScanRange | undefined
  readonly wantsProgress: boolean
}

/** Pieces of bytes, pulled. */
export interface ByteStream {
  /** The next piece, valid until the next call; undefined at the end. */
  next(): Promise<Uint8Array | undefined>
  /** Gives the source back; idempotent. */
  close(): void
}

/** The object, as its readers see it. */
export interface SelectSource {
  readonly sizeBytes: number
  /** Content from `offset` on, `sizeBytes` long or up to the end. */
  open(offset: number, sizeBytes?: number): Promise<ByteStream>
}

export interface SelectServices {
  readonly clock: Clock
  /** The client is gone. */
  readonly signal: AbortSignal
  /** A reader of S2 and Snappy. */
  s2Decoder(): S2Decoder
}

/** A query that runs while its messages are taken. */
export interface SelectReply {
  /** Messages of the event stream, back to back. Owned by the caller. Rejects only when the client is gone. */
  messages(): AsyncGenerator<Uint8Array, void, undefined>
  /** Stops the query; idempotent. */
  close(): void
  /** Why the stream ended with an `InternalError`: for the log, never for the client. */
  readonly failure: unknown
}

/** Begins a query. Errors: everything that is wrong with the request, the query, or the beginning of the object. */
export async function openSelect(
  request: SelectRequest,
  source: SelectSource,
  services: SelectServices,
): Promise<SelectReply> {
  const query = parseQuery(request.expression)
  checkQuery(query)
  if (
    query.tablePath !== undefined &&
    query.tablePath.length > 0 &&
    request.input.kind !== 'json'
  ) {
    throw new SelectError('DataSourcePathUnsupported')
  }
  const records = openRecords({ request, query, source, services })
  try {
    await records.source.open()
    return new MessageStream({ request, query, records, services })
  } catch (error) {
    records.source.close()
    throw error
  }
}
