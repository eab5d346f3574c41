import { encodePercent } from '#s3-protocol/percent'
import type { S3Call } from '../s3.ts'

/** The absolute address of an object, in the style that the client used. */
export function objectUrl(call: S3Call, key: string): string {
  const { request, virtualHost } = call
  const scheme = request.isSecure ? 'https' : 'http'
  const host = request.header('host') ?? ''
  const base = `${scheme}://${host}${request.pathPrefix ?? ''}`
  const path = encodePercent(key, { keepSlash: true })
  return virtualHost ? `${base}/${path}` : `${base}/${call.bucket}/${path}`
}
