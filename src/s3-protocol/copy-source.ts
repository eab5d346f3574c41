import { checkKey, cleanKey, hasDotSegment, isBucketName } from './names.ts'
import { decodePercent } from './percent.ts'
import { invalidArgument, type S3Error } from './s3-error.ts'

export interface CopySourceName {
  readonly bucket: string
  readonly key: string
  /** As written; undefined when none was named. */
  readonly versionId: string | undefined
}

const VERSION = '?versionId='

/** Reads `x-amz-copy-source`: `bucket/key` or `/bucket/key`, URL-encoded, with `?versionId=`. 400 `InvalidArgument` without a bucket and a key; keys as in requests. */
export function parseCopySource(
  header: string,
  options: { readonly cleansKeys?: boolean | undefined } = {},
): CopySourceName {
  const at = header.lastIndexOf(VERSION)
  const path = at < 0 ? header : header.slice(0, at)
  const decoded = decodePercent(path, { plusIsBlank: false })
  if (!decoded.ok) {
    throw invalidArgument('x-amz-copy-source', header, 'Invalid copy source encoding')
  }
  const name = decoded.text.startsWith('/') ? decoded.text.slice(1) : decoded.text
  const slash = name.indexOf('/')
  const bucket = slash < 0 ? name : name.slice(0, slash)
  const named = slash < 0 ? '' : name.slice(slash + 1)
  const key = options.cleansKeys === true ? cleanKey(named) : named
  if (!isBucketName(bucket)) {
    throw invalidArgument('x-amz-copy-source', header, 'Invalid copy source bucket name')
  }
  if (key === '' || hasDotSegment(key)) throw invalidCopySource(key)
  checkKey(key)
  return {
    bucket,
    key,
    versionId: at < 0 ? undefined : header.slice(at + VERSION.length),
  }
}

/** The error of a source that names no key. */
export function invalidCopySource(key: string): S3Error {
  return invalidArgument('x-amz-copy-source', key, 'Invalid copy source object key')
}
