/** What a query and the thread that decodes its Parquet file tell each other. */

export interface ParquetJob {
  readonly sizeBytes: number
}

/** To the thread. */
export type ParquetRequest =
  /** The bytes asked for; transferred. */
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: ArrayBuffer }
  | { readonly kind: 'failed'; readonly id: number }
  /** Which columns to read, by name as in the schema. */
  | { readonly kind: 'columns'; readonly names: readonly string[] }
  /** The next batch of records, please. */
  | { readonly kind: 'next' }

/** From the thread. */
export type ParquetReply =
  | { readonly kind: 'read'; readonly id: number; readonly start: number; readonly end: number }
  | { readonly kind: 'schema'; readonly names: readonly string[] }
  /** `columns[i]` belongs to the name `i` asked for. No rows: the end. */
  | {
      readonly kind: 'batch'
      readonly rows: number
      readonly columns: readonly (readonly unknown[])[]
    }
  | { readonly kind: 'error'; readonly code: ParquetErrorCode }

export type ParquetErrorCode = 'ParquetParsingError' | 'OverMaxParquetBlockSize'

/** Instants come as their nanoseconds since 1970 under this name, so that no digit is lost. */
export const NANOSECONDS = '\0ns'
