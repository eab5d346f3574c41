/** Which encryption a request asks for, and what replies tell about it (s3-api.md 4.8, encryption.md 4). */
import { createHash, timingSafeEqual } from 'node:crypto'
import { textOf } from '#base/bytes'
import type { EncryptionRequest, KmsContext } from '#encryption/encryption'
import { KEY_SIZE_BYTES } from '#encryption/encryption'
import { decodeBase64, encryptionKindOf } from '#encryption/key-metadata'
import { parseContext } from '#encryption/kms-context'
import type { BucketMetadata } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call } from '../s3.ts'
import { bucketDefault } from './bucket-encryption.ts'
import type { Header } from './object-headers.ts'

const SSE = 'x-amz-server-side-encryption'
const SSE_KEY_ID = `${SSE}-aws-kms-key-id`
const SSE_CONTEXT = `${SSE}-context`
const CUSTOMER = `${SSE}-customer-`
const COPY_SOURCE_CUSTOMER = `x-amz-copy-source-server-side-encryption-customer-`
const KEY_PREFIX = 'arn:aws:kms:'
const STORED = 'X-Minio-Internal-Server-Side-Encryption-'

/** The key of a client: wiped by whoever asked for it. */
export interface ClientKey {
  readonly key: Uint8Array
  /** As sent: base64. */
  readonly md5: string
}

/** What a write is to be encrypted with: what the request asks for, else the default of the bucket, else of the server. */
export function requestedEncryption(
  call: S3Call,
  metadata: BucketMetadata,
): EncryptionRequest | undefined {
  if (!isCopy(call) && hasCustomerHeader(call, COPY_SOURCE_CUSTOMER)) throw notApplicable()
  const explicit = explicitEncryption(call)
  if (explicit !== undefined) return explicit
  const byBucket = bucketDefault(metadata)
  if (byBucket !== undefined) return byBucket
  return call.services.encryptsAll ? { kind: 'sse-kms', keyId: '', context: new Map() } : undefined
}

function isCopy(call: S3Call): boolean {
  return call.request.header('x-amz-copy-source') !== undefined
}

function explicitEncryption(call: S3Call): EncryptionRequest | undefined {
  const { request } = call
  const method = request.header(SSE)
  const keyId = request.header(SSE_KEY_ID)
  const context = request.header(SSE_CONTEXT)
  const hasCustomer = hasCustomerHeader(call, CUSTOMER)
  if (method === undefined && keyId === undefined && context === undefined) {
    if (!hasCustomer) return undefined
    return { kind: 'sse-c', clientKey: clientKeyFrom(call, CUSTOMER).key }
  }
  if (hasCustomer) {
    throw new S3Error('InvalidArgument', {
      message:
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
    })
  }
  if (method?.toUpperCase() === 'AES256' && keyId === undefined && context === undefined) {
    return { kind: 'sse-s3' }
  }
  if (method !== 'aws:kms') throw badRequest(call, 'The encryption method is not supported')
  return { kind: 'sse-kms', keyId: keyIdOf(keyId ?? ''), context: contextOf(call, context) }
}

/** The name of a master key, without the prefix that AWS gives it. */
function keyIdOf(text: string): string {
  const name = text.startsWith(KEY_PREFIX) ? text.slice(KEY_PREFIX.length) : text
  if (/\s/.test(name)) {
    throw new S3Error('InvalidRequest', {
      message: 'The specified KMS KeyID contains unsupported characters',
    })
  }
  return name
}

function contextOf(call: S3Call, text: string | undefined): KmsContext {
  if (text === undefined) return new Map()
  const bytes = decodeBase64(text)
  const context = bytes === undefined ? undefined : parseContext(textOf(bytes))
  if (context === undefined) throw badRequest(call, 'The encryption context is malformed')
  return context
}

function badRequest(call: S3Call, cause: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: `Invalid arguments provided for ${call.bucket}/${call.key}: (${cause})`,
  })
}

function hasCustomerHeader(call: S3Call, prefix: string): boolean {
  return ['algorithm', 'key', 'key-md5'].some(
    (name) => call.request.header(prefix + name) !== undefined,
  )
}

/** The client's key of a read, or of a part. */
export function clientKeyOf(call: S3Call): ClientKey | undefined {
  return hasCustomerHeader(call, CUSTOMER) ? clientKeyFrom(call, CUSTOMER) : undefined
}

/** The client's key of the source of a copy. */
export function sourceKeyOf(call: S3Call): ClientKey | undefined {
  return hasCustomerHeader(call, COPY_SOURCE_CUSTOMER)
    ? clientKeyFrom(call, COPY_SOURCE_CUSTOMER)
    : undefined
}

function clientKeyFrom(call: S3Call, prefix: string): ClientKey {
  const { request } = call
  if (request.header(`${prefix}algorithm`) !== 'AES256') {
    throw customerError('must provide a valid encryption algorithm.')
  }
  const text = request.header(`${prefix}key`) ?? ''
  if (text === '') throw customerError('must provide an appropriate secret key.')
  const md5 = request.header(`${prefix}key-md5`) ?? ''
  if (md5 === '') {
    throw customerError('must provide the client calculated MD5 of the secret key.')
  }
  const key = decodeBase64(text)
  if (key?.length !== KEY_SIZE_BYTES) {
    throw new S3Error('InvalidArgument', {
      message: 'The secret key was invalid for the specified algorithm.',
    })
  }
  const digest = createHash('md5').update(key).digest()
  const sent = decodeBase64(md5)
  if (sent?.length !== digest.length || !timingSafeEqual(sent, digest)) {
    key.fill(0)
    throw new S3Error('InvalidArgument', {
      message: 'The calculated MD5 hash of the key did not match the hash that was provided.',
    })
  }
  return { key, md5 }
}

function customerError(text: string): S3Error {
  return new S3Error('InvalidArgument', {
    message: `Requests specifying Server Side Encryption with Customer provided keys ${text}`,
  })
}

export function notApplicable(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'The encryption parameters are not applicable to this object.',
  })
}

export function needsParameters(): S3Error {
  return new S3Error('InvalidRequest', {
    message:
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
  })
}

/** Headers of a reply about a version with this system metadata. */
export function encryptionHeaders(
  call: S3Call,
  systemMetadata: ReadonlyMap<string, Uint8Array>,
): readonly Header[] {
  switch (encryptionKindOf(systemMetadata)) {
    case undefined:
    case 'unknown':
      return []
    case 'sse-s3':
      return [['x-amz-server-side-encryption', 'AES256']]
    case 'sse-kms': {
      const context = storedText(systemMetadata, 'Context')
      const headers: Header[] = [
        ['x-amz-server-side-encryption', 'aws:kms'],
        [SSE_KEY_ID, KEY_PREFIX + storedText(systemMetadata, 'S3-Kms-Key-Id')],
      ]
      if (context !== '') headers.push([SSE_CONTEXT, context])
      return headers
    }
    case 'sse-c': {
      const md5 = call.request.header(`${CUSTOMER}key-md5`)
      const headers: Header[] = [[`${CUSTOMER}algorithm`, 'AES256']]
      if (md5 !== undefined) headers.push([`${CUSTOMER}key-MD5`, md5])
      return headers
    }
  }
}

function storedText(metadata: ReadonlyMap<string, Uint8Array>, name: string): string {
  const wanted = `${STORED}${name}`.toLowerCase()
  for (const [key, value] of metadata) if (key.toLowerCase() === wanted) return textOf(value)
  return ''
}
