/** What every request must keep to before its operation is looked at (s3-api.md 3.2, 3.3). */
import type { HttpRequest } from '#http/http'
import { checkBucketName, checkKey } from '#s3-protocol/names'
import { S3Error } from '#s3-protocol/s3-error'
import type { Address } from './router.ts'

const HEADERS_MAX_BYTES = 8 * 1024
const METADATA_MAX_BYTES = 2 * 1024
const INTERNAL_PREFIX = 'x-minio-internal-'

/** Sizes of headers and metadata, headers that only the server may set, and codings of the body that nobody takes off. */
export function checkHeaders(request: HttpRequest): void {
  const coding = request.header('transfer-encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new S3Error('NotImplemented', {
      elements: [
        ['Header', 'Transfer-Encoding'],
        ['AdditionalMessage', coding],
      ],
    })
  }
  let total = 0
  let metadata = 0
  for (const [name, value] of request.rawHeaders) {
    const size = name.length + value.length
    total += size
    // Few names begin with `x`: the others need no lower case.
    if ((name.charCodeAt(0) | 0x20) !== 0x78) continue
    const lower = name.toLowerCase()
    if (lower.startsWith('x-amz-meta-') || lower.startsWith('x-minio-meta-')) metadata += size
    else if (lower.startsWith(INTERNAL_PREFIX)) {
      throw new S3Error('InvalidArgument', {
        message: 'Your metadata headers are not supported.',
      })
    }
  }
  if (metadata > METADATA_MAX_BYTES) throw new S3Error('MetadataTooLarge')
  if (total > HEADERS_MAX_BYTES) {
    throw new S3Error('RequestHeaderSectionTooLarge', {
      elements: [['MaxSizeAllowed', String(HEADERS_MAX_BYTES)]],
    })
  }
}

/** Names and what may not come over a plain connection. */
export function checkAddress(
  request: HttpRequest,
  address: Address,
  options: { readonly allowsClientKeysOverHttp: boolean },
): void {
  checkKey(address.key)
  if (isBelowConsole(address)) checkConsolePath(request)
  else if (address.bucket !== '') checkBucketName(address.bucket)
  if (!request.isSecure && !options.allowsClientKeysOverHttp) checkCustomerKeys(request)
}

/** Paths below `/minio/` belong to the server's other faces: as a bucket there is nothing to find. */
function isBelowConsole({ bucket, virtualHost, path }: Address): boolean {
  return bucket === 'minio' && !virtualHost && path.startsWith('/minio/')
}

function checkConsolePath({ method }: HttpRequest): void {
  if (method === 'POST') throw new S3Error('BadRequest')
  if (method !== 'GET' && method !== 'HEAD') throw new S3Error('AllAccessDisabled')
}

function checkCustomerKeys(request: HttpRequest): void {
  const isSent = request.rawHeaders.some(([name]) =>
    /^x-amz-(copy-source-)?server-side-encryption-customer-/i.test(name),
  )
  if (isSent) {
    throw new S3Error('InvalidRequest', {
      message:
        'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
    })
  }
}
