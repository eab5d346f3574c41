/** What a query can fail with, by the codes that clients know (s3-api.md 5.5 and 6.2.8). */

const MESSAGES = {
  BadTableName: 'The table name is not supported',
  CastFailed:
    'Attempt to convert from one data type to another using CAST failed in the SQL expression.',
  CSVParsingError: 'Encountered an error parsing the CSV file. Check the file and try again.',
  DataSourcePathUnsupported: 'Data source: path not supported',
  EvaluatorInvalidTimestampFormatPattern:
    'Time stamp format pattern requires additional fields in the SQL expression.',
  EvaluatorInvalidTimestampFormatPatternSymbol:
    'Time stamp format pattern contains an invalid symbol in the SQL expression.',
  EvaluatorUnterminatedTimestampFormatPatternToken:
    'Time stamp format pattern contains unterminated token in the SQL expression.',
  ExpressionTooLong:
    'The SQL expression is too long: The maximum byte-length for the SQL expression is 256 KB.',
  IncorrectSqlFunctionArgumentType: 'Incorrect type of arguments in function call.',
  IntegerOverflow: 'Int overflow or underflow in the SQL expression.',
  InternalError: 'An internal error occurred.',
  InvalidColumnIndex:
    'The column index is invalid. Please check the service documentation and try again.',
  InvalidCompressionFormat:
    'The file is not in a supported compression format. GZIP, BZIP2, ZSTD, LZ4, S2 and SNAPPY are supported.',
  InvalidDataSource: 'Invalid data source type. Only CSV, JSON, and Parquet are supported.',
  InvalidDataType: 'The SQL expression contains an invalid data type.',
  InvalidKeyPath: 'Key path in the SQL expression is invalid.',
  InvalidQuery: 'The SQL expression is invalid.',
  InvalidRequestParameter:
    'The value of a parameter in SelectRequest element is invalid. Check the service API documentation and try again.',
  InvalidTextEncoding: 'UTF-8 encoding is required.',
  JSONParsingError: 'Encountered an error parsing the JSON file. Check the file and try again.',
  LexerInvalidIONLiteral: 'The SQL expression contains an invalid operator.',
  LikeInvalidInputs: 'Invalid argument given to the LIKE clause in the SQL expression.',
  MissingHeaders:
    'Some headers in the query are missing from the file. Check the file and try again.',
  OverMaxParquetBlockSize:
    'The amount of uncompressed data in a row group is greater than the maximum allowed.',
  OverMaxRecordSize:
    'The length of a record in the input or result is greater than maxCharsPerRecord of 1 MB.',
  ParquetParsingError:
    'Encountered an error parsing the Parquet file. Check the file and try again.',
  ParseSelectFailure: 'The SQL expression cannot be parsed.',
  TruncatedInput:
    'Object decompression failed. Check that the object is properly compressed using the format specified in the request.',
  UnsupportedSqlOperation: 'Encountered an unsupported SQL operation.',
  ValueParseFailure: 'Time stamp parse failure in the SQL expression.',
} as const

export type SelectErrorCode = keyof typeof MESSAGES

/** A failed query. The message goes to the client. */
export class SelectError extends Error {
  override readonly name = 'SelectError'
  readonly code: SelectErrorCode

  constructor(code: SelectErrorCode, message: string = MESSAGES[code], options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  /** No query succeeds by being repeated. */
  get temporary(): boolean {
    return false
  }
}
