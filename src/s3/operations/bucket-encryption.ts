/** Default encryption of buckets: the configuration and what it means for writes (s3-api.md 4.8.3). */
import { textOf, utf8 } from '#base/bytes'
import type { EncryptionRequest } from '#encryption/encryption'
import type { BucketMetadata } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import { type XmlFields, xmlDocument } from './xml-document.ts'

const DOCUMENT = 'EncryptionConfigXML'
const KEY_PREFIX = 'arn:aws:kms:'
/** What the key of a configuration is tried with; MinIO binds it to the same. */
const PROBE_CONTEXT = new Map([['MinIO admin API', 'ServerInfoHandler']])

interface BucketEncryption {
  /** Undefined: a rule without an algorithm, which has no effect. */
  readonly algorithm: 'AES256' | 'aws:kms' | undefined
  /** As sent; empty: none. */
  readonly keyId: string
  readonly bucketKeyEnabled: string | undefined
}

/** `PUT ?encryption`. */
export async function putBucketEncryption(call: S3Call): Promise<S3Reply> {
  const { engine, encryption } = call.services
  await engine.getBucket(call.bucket)
  const config = parseEncryption(call.document)
  const kms = encryption.needKms()
  if (config.algorithm === 'aws:kms') {
    const made = await kms.generateKey(nameOf(config.keyId), PROBE_CONTEXT)
    made.plaintext.fill(0)
  }
  // MinIO reads no rule that leaves the key open.
  const isOpen = config.algorithm === 'aws:kms' && config.keyId === ''
  const stored = isOpen ? { ...config, keyId: kms.defaultKeyId } : config
  await engine.setBucketDocument(call.bucket, DOCUMENT, utf8(encodeEncryption(stored)))
  return { status: 200 }
}

/** `GET ?encryption`. */
export async function getBucketEncryption(call: S3Call): Promise<S3Reply> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const content = metadata.document(DOCUMENT)
  if (content === undefined) throw new S3Error('ServerSideEncryptionConfigurationNotFoundError')
  return { status: 200, body: content, contentType: 'application/xml' }
}

/** `DELETE ?encryption`, also when none is set. */
export async function deleteBucketEncryption(call: S3Call): Promise<S3Reply> {
  const { engine } = call.services
  await engine.getBucket(call.bucket)
  await engine.setBucketDocument(call.bucket, DOCUMENT, undefined)
  return { status: 204 }
}

/** Errors: `MalformedXML`. */
function parseEncryption(document: Uint8Array): BucketEncryption {
  const root = parseXml(document)
  if (root.name !== 'ServerSideEncryptionConfiguration') throw new S3Error('MalformedXML')
  const rules = root.children('Rule')
  const [defaults] = rules[0]?.children('ApplyServerSideEncryptionByDefault') ?? []
  if (rules.length !== 1) throw malformed('exactly one rule is needed')
  if (defaults === undefined) throw malformed('the rule has no default')
  const bucketKeyEnabled = rules[0]?.childText('BucketKeyEnabled')?.trim()
  const algorithm = defaults.childText('SSEAlgorithm')?.trim()
  const keyId = defaults.childText('KMSMasterKeyID') ?? ''
  if (algorithm === undefined) return { algorithm, keyId: '', bucketKeyEnabled }
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms') throw malformed('unknown algorithm')
  if (algorithm === 'AES256' && keyId !== '') throw malformed('AES256 goes without a key id')
  if (keyId !== keyId.trim()) throw malformed('the key id has blanks around it')
  return { algorithm, keyId, bucketKeyEnabled }
}

/** The name of a master key, without the prefix that AWS gives it. */
function nameOf(keyId: string): string {
  return keyId.startsWith(KEY_PREFIX) ? keyId.slice(KEY_PREFIX.length) : keyId
}

function malformed(reason: string): S3Error {
  return new S3Error('MalformedXML', {
    message: `The XML you provided was not well-formed or did not validate against our published schema. (${reason})`,
  })
}

function encodeEncryption(config: BucketEncryption): string {
  const { algorithm, keyId, bucketKeyEnabled } = config
  const defaults: XmlFields = [
    algorithm !== undefined && ['SSEAlgorithm', algorithm],
    keyId !== '' && ['KMSMasterKeyID', keyId],
  ]
  return xmlDocument('ServerSideEncryptionConfiguration', [
    [
      'Rule',
      [
        ['ApplyServerSideEncryptionByDefault', defaults],
        bucketKeyEnabled !== undefined && ['BucketKeyEnabled', bucketKeyEnabled],
      ],
    ],
  ])
}

/** By document: bucket metadata is kept, so that its documents are the same arrays. */
const parsed = new WeakMap<Uint8Array, EncryptionRequest>()

/** What the bucket's default asks for. A stored document that cannot be read refuses the write: nothing is stored in clear by mistake. */
export function bucketDefault(metadata: BucketMetadata): EncryptionRequest | undefined {
  const document = metadata.document(DOCUMENT)
  if (document === undefined || document.length === 0) return undefined
  const known = parsed.get(document)
  if (known !== undefined) return known
  const request = requestOf(document)
  if (request !== undefined) parsed.set(document, request)
  return request
}

function requestOf(document: Uint8Array): EncryptionRequest | undefined {
  let config: BucketEncryption
  try {
    config = parseEncryption(document)
  } catch (error) {
    throw new S3Error('InternalError', {
      cause: new Error(`The default encryption of the bucket is unreadable: ${textOf(document)}`, {
        cause: error,
      }),
    })
  }
  switch (config.algorithm) {
    case undefined:
      return undefined
    case 'AES256':
      return { kind: 'sse-s3' }
    case 'aws:kms':
      return { kind: 'sse-kms', keyId: nameOf(config.keyId), context: new Map() }
  }
}
