import { checkKey } from './names.ts'
import { decodePercent } from './percent.ts'
import { S3Error } from './s3-error.ts'

export interface CopySourceName {
  readonly bucket: string
  readonly key: string
  /** As written; undefined when none was named. */
  readonly versionId: string | undefined
}

const VERSION = '?versionId='

/** Reads `x-amz-copy-source`: `bucket/key` or `/bucket/key`, URL-encoded, with `?versionId=`. 400 `InvalidArgument` without a bucket and a key; keys as in requests. */
export function parseCopySource(header: string): CopySourceName {
  const at = header.lastIndexOf(VERSION)
  const path = at < 0 ? header : header.slice(0, at)
  const decoded = decodePercent(path, { plusIsBlank: false })
  if (!decoded.ok) throw missingName()
  const name = decoded.text.startsWith('/') ? decoded.text.slice(1) : decoded.text
  const slash = name.indexOf('/')
  if (slash <= 0 || slash === name.length - 1) throw missingName()
  const key = name.slice(slash + 1)
  checkKey(key)
  return {
    bucket: name.slice(0, slash),
    key,
    versionId: at < 0 ? undefined : header.slice(at + VERSION.length),
  }
}

function missingName(): S3Error {
  return new S3Error('InvalidArgument', {
    message: 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey.',
  })
}
