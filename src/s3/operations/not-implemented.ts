import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'

/** The reply of every row whose operation is not built yet. */
export async function notImplemented(_call: S3Call): Promise<S3Reply> {
  throw new S3Error('NotImplemented')
}

/** The reply of rows for what has no such method: the bucket or object around it is not meant. */
export async function methodNotAllowed(call: S3Call): Promise<S3Reply> {
  throw new S3Error('MethodNotAllowed', {
    elements: [
      ['Method', call.request.method],
      ['ResourceType', call.operation.scope.toUpperCase()],
    ],
  })
}
