import { S3_ERRORS, type S3ErrorCode } from './error-table.ts'

export type { S3ErrorCode } from './error-table.ts'

export interface S3ErrorOptions {
  /** Default: the one of the table. */
  readonly status?: number | undefined
  /** Default: the one of the table. */
  readonly message?: string | undefined
  /** Further elements of the error document, in order: `ActualObjectSize`. */
  readonly elements?: readonly (readonly [name: string, value: string])[] | undefined
  /** What it is about, where that is not what the request addresses: the source of a copy. */
  readonly subject?: { readonly bucket?: string; readonly key?: string } | undefined
  /** Headers of the reply beside the common ones. */
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined
  /** Why; for the log, never for the client. */
  readonly cause?: unknown
}

/** An answer other than success, in the words of S3. Whatever it holds except `cause` goes to the client. */
export class S3Error extends Error {
  override readonly name = 'S3Error'
  readonly code: S3ErrorCode
  readonly status: number
  readonly elements: readonly (readonly [name: string, value: string])[]
  readonly subject: { readonly bucket?: string; readonly key?: string } | undefined
  readonly headers: readonly (readonly [name: string, value: string])[]

  constructor(code: S3ErrorCode, options: S3ErrorOptions = {}) {
    const [status, message] = S3_ERRORS[code]
    super(
      options.message ?? message,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.status = options.status ?? status
    this.elements = options.elements ?? []
    this.subject = options.subject
    this.headers = options.headers ?? []
  }
}

/** 400 `InvalidArgument` that names the argument and what it was. */
export function invalidArgument(name: string, value: string, message: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    elements: [
      ['ArgumentName', name],
      ['ArgumentValue', value],
    ],
  })
}
