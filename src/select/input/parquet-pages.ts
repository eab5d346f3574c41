/** Looks at the pages of a column before anything is decoded: what they claim must fit what the file promises. */
import { parquetHeader } from 'hyparquet/src/column.js'

/** Values of one column in one row group. */
const VALUES_MAX = 16 * 1024 * 1024
/** Bytes of one column in one row group, decompressed. */
const COLUMN_MAX_BYTES = 128 * 1024 * 1024

/** More than the limits allow. */
export class ParquetLimitError extends Error {
  override readonly name = 'ParquetLimitError'
}

/** `bytes`: one whole column chunk. Throws when its pages are broken or over the limits. */
export function checkPages(bytes: ArrayBuffer): void {
  const reader = { view: new DataView(bytes), offset: 0 }
  let values = 0
  let sizeBytes = 0
  // As the reader does: one byte at the end is no page.
  while (reader.offset < bytes.byteLength - 1) {
    const header = parquetHeader(reader)
    const compressed = sizeOf(header.compressed_page_size)
    sizeBytes += sizeOf(header.uncompressed_page_size)
    values += sizeOf(
      header.data_page_header?.num_values ??
        header.data_page_header_v2?.num_values ??
        header.dictionary_page_header?.num_values ??
        0,
    )
    if (values > VALUES_MAX || sizeBytes > COLUMN_MAX_BYTES) {
      throw new ParquetLimitError('Column is too large')
    }
    reader.offset += compressed
    if (reader.offset > bytes.byteLength) throw new Error('Page ends behind its column')
  }
}

function sizeOf(claimed: number): number {
  if (!Number.isSafeInteger(claimed) || claimed < 0) throw new Error('Page has no size')
  return claimed
}
