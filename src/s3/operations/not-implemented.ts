import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'

/** The reply of every row whose operation is not built yet. */
export async function notImplemented(_call: S3Call): Promise<S3Reply> {
  throw new S3Error('NotImplemented')
}
