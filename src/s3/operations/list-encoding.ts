import { S3Error } from '#s3-protocol/s3-error'
import { encodeNameForUrl } from '#s3-protocol/xml-writer'
import type { S3Call } from '../s3.ts'

/** The `encoding-type` of a list: only `url` exists. */
export function listEncoding(call: S3Call): 'url' | undefined {
  const text = call.query.get('encoding-type')
  if (text === undefined || text === '') return undefined
  if (text.toLowerCase() !== 'url') {
    throw new S3Error('InvalidArgument', {
      message: 'Invalid Encoding Method specified in Request',
    })
  }
  return 'url'
}

/** A key or prefix as the list shows it. Blanks become `%20` as on Amazon: many clients do not decode `+`. */
export function encodeListed(encoding: 'url' | undefined, text: string): string {
  return encoding === undefined ? text : encodeNameForUrl(text).replaceAll('+', '%20')
}
