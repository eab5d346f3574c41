/** Which bytes a `Range` header asks for; `end` is inclusive. */
export type ByteRange =
  | { readonly kind: 'all' }
  | { readonly kind: 'from'; readonly start: number; readonly end?: number | undefined }
  | { readonly kind: 'suffix'; readonly size: number }

const RANGE = /^bytes=(\d{0,19})-(\d{0,19})$/

/** Reads `Range` (s3-api.md 3.9). Other units, several ranges, bad syntax and `bytes=9-3` mean everything. */
export function parseRange(text: string): ByteRange {
  const match = RANGE.exec(text.trim())
  const [, first = '', last = ''] = match ?? []
  if (first === '' && last === '') return { kind: 'all' }
  if (first === '') return { kind: 'suffix', size: numberOf(last) }
  const start = numberOf(first)
  if (last === '') return { kind: 'from', start }
  const end = numberOf(last)
  if (end < start) return { kind: 'all' }
  return { kind: 'from', start, end }
}

/** No object reaches 2^53 bytes: numbers beyond are as good as that. */
function numberOf(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}
