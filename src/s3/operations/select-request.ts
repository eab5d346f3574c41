/** The document of SelectObjectContent (s3-api.md 6.2.1). */
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import type {
  CompressionType,
  CsvInput,
  CsvOutput,
  JsonInput,
  JsonOutput,
  ParquetInput,
  ScanRange,
  SelectRequest,
} from '#select/select'

const ROOTS = new Set(['SelectObjectContentRequest', 'SelectRequest'])
const COMPRESSIONS: readonly CompressionType[] = [
  'NONE',
  'GZIP',
  'BZIP2',
  'ZSTD',
  'LZ4',
  'S2',
  'SNAPPY',
]
const SCAN_RANGE_ERROR =
  'The value of a parameter in ScanRange element is invalid. Check the service API documentation and try again.'

/** Errors: those of the specification, 400 before the stream. */
export function parseSelectRequest(document: Uint8Array): SelectRequest {
  const root = parseXml(document)
  if (!ROOTS.has(root.name)) throw malformed(`unknown document ${root.name}`)
  checkChildren(root, [
    'Expression',
    'ExpressionType',
    'RequestProgress',
    'ScanRange',
    'InputSerialization',
    'OutputSerialization',
  ])
  const expression = root.childText('Expression')
  const type = root.childText('ExpressionType')
  const input = root.child('InputSerialization')
  const output = root.child('OutputSerialization')
  if (
    expression === undefined ||
    type === undefined ||
    input === undefined ||
    output === undefined
  ) {
    throw new S3Error('MissingRequiredParameter')
  }
  if (type.trim().toUpperCase() !== 'SQL') throw new S3Error('InvalidExpressionType')
  const parsed = parseInput(input)
  const range = root.child('ScanRange')
  return {
    expression,
    ...parsed,
    output: parseOutput(output),
    scanRange: range === undefined ? undefined : parseRange(range),
    wantsProgress: booleanOf(root.child('RequestProgress')?.childText('Enabled')),
  }
}

function malformed(cause: string): S3Error {
  return new S3Error('MalformedXML', {
    message: `The XML provided was not well-formed or did not validate against our published schema. Check the service documentation and try again: ${cause}`,
  })
}

function checkChildren(element: XmlElement, names: readonly string[]): void {
  for (const child of element.children()) {
    if (!names.includes(child.name)) throw malformed(`unknown element ${child.name}`)
    if (element.children(child.name).length > 1) throw malformed(`repeated element ${child.name}`)
  }
}

function booleanOf(text: string | undefined): boolean {
  const value = (text ?? 'false').trim().toLowerCase()
  if (value !== 'true' && value !== 'false') throw malformed('a switch is true or false')
  return value === 'true'
}

function parseRange(element: XmlElement): ScanRange {
  checkChildren(element, ['Start', 'End'])
  const start = offsetOf(element.childText('Start'))
  const end = offsetOf(element.childText('End'))
  const isReversed = start !== undefined && end !== undefined && start > end
  if (isReversed || (start === undefined && end === undefined)) throw scanRangeError()
  return { start, end }
}

function offsetOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d{1,16}$/.test(text.trim()) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw scanRangeError()
  return value
}

function scanRangeError(): S3Error {
  return new S3Error('InvalidRequestParameter', { message: SCAN_RANGE_ERROR })
}

function parseInput(element: XmlElement): Pick<SelectRequest, 'compression' | 'input'> {
  checkChildren(element, ['CompressionType', 'CSV', 'JSON', 'Parquet'])
  const text = (element.childText('CompressionType') ?? '').trim().toUpperCase()
  const compression = text === '' ? 'NONE' : COMPRESSIONS.find((name) => name === text)
  if (compression === undefined) throw new S3Error('InvalidCompressionFormat')
  const csv = element.child('CSV')
  const json = element.child('JSON')
  const parquet = element.child('Parquet')
  const count = [csv, json, parquet].filter((format) => format !== undefined).length
  if (count > 1) throw new S3Error('ObjectSerializationConflict')
  if (csv !== undefined) return { compression, input: parseCsvInput(csv) }
  if (json !== undefined) return { compression, input: parseJsonInput(json) }
  if (parquet === undefined) throw new S3Error('InvalidDataSource')
  if (compression !== 'NONE') throw new S3Error('InvalidRequestParameter')
  checkChildren(parquet, [])
  const input: ParquetInput = { kind: 'parquet' }
  return { compression, input }
}

function parseCsvInput(element: XmlElement): CsvInput {
  checkChildren(element, [
    'FileHeaderInfo',
    'RecordDelimiter',
    'FieldDelimiter',
    'QuoteCharacter',
    'QuoteEscapeCharacter',
    'Comments',
    'AllowQuotedRecordDelimiter',
  ])
  const header = (element.childText('FileHeaderInfo') ?? '').trim().toUpperCase()
  if (header !== '' && header !== 'NONE' && header !== 'USE' && header !== 'IGNORE') {
    throw new S3Error('InvalidFileHeaderInfo')
  }
  // Delimiters within quotes are always understood; what is said about them must still be a switch.
  booleanOf(element.childText('AllowQuotedRecordDelimiter'))
  return {
    kind: 'csv',
    header: header === '' ? 'NONE' : header,
    recordDelimiter: recordDelimiterOf(element),
    fieldDelimiter: characterOf(element, 'FieldDelimiter', { fallback: ',', mayBeEmpty: false }),
    quote: characterOf(element, 'QuoteCharacter', { fallback: '"', mayBeEmpty: true }),
    quoteEscape: characterOf(element, 'QuoteEscapeCharacter', { fallback: '"', mayBeEmpty: false }),
    comment: characterOf(element, 'Comments', { fallback: '#', mayBeEmpty: true }),
  }
}

function parseJsonInput(element: XmlElement): JsonInput {
  checkChildren(element, ['Type'])
  const type = (element.childText('Type') ?? '').trim().toUpperCase()
  if (type !== 'DOCUMENT' && type !== 'LINES') throw new S3Error('InvalidJsonType')
  return { kind: 'json', type }
}

function parseOutput(element: XmlElement): CsvOutput | JsonOutput {
  checkChildren(element, ['CSV', 'JSON'])
  const csv = element.child('CSV')
  const json = element.child('JSON')
  if (csv !== undefined && json !== undefined) throw new S3Error('ObjectSerializationConflict')
  if (json !== undefined) {
    checkChildren(json, ['RecordDelimiter'])
    return { kind: 'json', recordDelimiter: recordDelimiterOf(json) }
  }
  if (csv === undefined) throw new S3Error('ObjectSerializationConflict')
  return parseCsvOutput(csv)
}

function parseCsvOutput(element: XmlElement): CsvOutput {
  checkChildren(element, [
    'QuoteFields',
    'RecordDelimiter',
    'FieldDelimiter',
    'QuoteCharacter',
    'QuoteEscapeCharacter',
  ])
  const quoteFields = (element.childText('QuoteFields') ?? '').trim().toUpperCase()
  if (quoteFields !== '' && quoteFields !== 'ALWAYS' && quoteFields !== 'ASNEEDED') {
    throw new S3Error('InvalidQuoteFields')
  }
  return {
    kind: 'csv',
    quoteFields: quoteFields === '' ? 'ASNEEDED' : quoteFields,
    recordDelimiter: recordDelimiterOf(element),
    fieldDelimiter: characterOf(element, 'FieldDelimiter', { fallback: ',', mayBeEmpty: false }),
    quote: characterOf(element, 'QuoteCharacter', { fallback: '"', mayBeEmpty: true }),
    quoteEscape: characterOf(element, 'QuoteEscapeCharacter', { fallback: '"', mayBeEmpty: false }),
  }
}

function recordDelimiterOf(element: XmlElement): string {
  const text = element.childText('RecordDelimiter') ?? ''
  if (text === '') return '\n'
  if (text.length > 2) throw malformed('RecordDelimiter has one or two characters')
  return text
}

/** One character, where given; an element without content is the default unless it may be empty. */
function characterOf(
  element: XmlElement,
  name: string,
  { fallback, mayBeEmpty }: { readonly fallback: string; readonly mayBeEmpty: boolean },
): string {
  const text = element.childText(name)
  if (text === undefined || (text === '' && !mayBeEmpty)) return fallback
  if (text.length > 1) throw malformed(`${name} has one character`)
  return text
}
