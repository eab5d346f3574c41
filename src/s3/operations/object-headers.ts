/** Reply headers that tell about a version (s3-api.md 3.6), and what keeps it from being read. */
import { textOf, utf8 } from '#base/bytes'
import { encodeText } from '#codec/lossless-text'
import { TAGGING_KEY } from '#object/metadata-keys'
import { isRemote, tierOf } from '#object/object-info'
import type { BucketMetadata, ObjectInfo } from '#object/object'
import { REDIRECT_LOCATION } from '#s3-protocol/object-metadata'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call } from '../s3.ts'
import { compressionHeaders } from './compression.ts'
import { LEGAL_HOLD, LOCK_MODE, LOCK_UNTIL, objectLockOf } from './object-lock.ts'

export type Header = readonly [string, string]

const STANDARD_HEADERS: readonly Header[] = [
  ['content-type', 'Content-Type'],
  ['content-encoding', 'Content-Encoding'],
  ['content-disposition', 'Content-Disposition'],
  ['content-language', 'Content-Language'],
  ['cache-control', 'Cache-Control'],
  ['expires', 'Expires'],
]

const DEFAULT_CONTENT_TYPE = 'binary/octet-stream'

/** Query parameters that replace a header of a read, lower case. */
const OVERRIDES: ReadonlyMap<string, string> = new Map([
  ['response-content-type', 'Content-Type'],
  ['response-content-encoding', 'Content-Encoding'],
  ['response-content-disposition', 'Content-Disposition'],
  ['response-content-language', 'Content-Language'],
  ['response-cache-control', 'Cache-Control'],
  ['response-expires', 'Expires'],
])

/** `"…"` around an entity tag as stored. */
export function quotedEtag(etag: string): string {
  return `"${etag}"`
}

/** A header time: whole seconds, GMT. */
export function httpDate(modifiedNs: bigint): string {
  return new Date(Number(modifiedNs / 1_000_000n)).toUTCString()
}

/** A document time: milliseconds, UTC. */
export function isoDate(modifiedNs: bigint): string {
  return new Date(Number(modifiedNs / 1_000_000n)).toISOString()
}

/** `STANDARD` unless another class is stored. */
export function storageClassOf(userMetadata: ReadonlyMap<string, string>): string {
  return userMetadata.get('x-amz-storage-class') || 'STANDARD'
}

/** The class that clients see: the name of the tier where the content was moved to one. */
export function shownStorageClass(info: ObjectInfo): string {
  return tierOf(info) ?? storageClassOf(info.userMetadata)
}

/** Stored tags, URL-encoded; empty when there are none. */
export function storedTags(info: ObjectInfo): string {
  return info.userMetadata.get(TAGGING_KEY) ?? ''
}

/** Size that clients see. */
export function clientSize(info: ObjectInfo): number {
  return info.actualSizeBytes >= 0 ? info.actualSizeBytes : info.sizeBytes
}

/** True for an object made by a multipart upload: its entity tag tells. */
export function isMultipart(info: ObjectInfo): boolean {
  return /-\d+$/.test(info.etag)
}

/** Refuses versions whose bytes are on a tier only. */
export function requireLocal(info: ObjectInfo): void {
  if (isRemote(info)) {
    throw new S3Error('NotImplemented', { message: 'The object was moved to a tier' })
  }
}

/** `x-amz-version-id` of a reply about `versionId`; the null version is named only where versions are suspended. */
export function versionHeader(
  versionId: string | undefined,
  metadata: Pick<BucketMetadata, 'versioning'>,
): readonly Header[] {
  if (versionId === undefined) return []
  if (versionId === 'null' && metadata.versioning !== 'suspended') return []
  return [['x-amz-version-id', versionId]]
}

/** All headers of GET and HEAD that come from the version itself, without length, range and checksums. */
export async function readHeaders(
  call: S3Call,
  info: ObjectInfo,
  metadata: BucketMetadata,
): Promise<Header[]> {
  const headers: Header[] = [
    ['Last-Modified', httpDate(info.modifiedNs)],
    ['ETag', quotedEtag(info.etag)],
  ]
  const overrides = responseOverrides(call)
  for (const [stored, name] of STANDARD_HEADERS) {
    const value = overrides.get(name) ?? info.userMetadata.get(stored)
    if (value !== undefined && value !== '') headers.push([name, rawHeaderText(value)])
    else if (stored === 'content-type') headers.push([name, DEFAULT_CONTENT_TYPE])
  }
  headers.push(...metadataHeaders(info), ...versionHeader(info.versionId, metadata))
  const storageClass = shownStorageClass(info)
  if (storageClass !== 'STANDARD') headers.push(['x-amz-storage-class', storageClass])
  const restore = info.userMetadata.get('x-amz-restore')
  if (restore !== undefined && restore !== '') headers.push(['x-amz-restore', restore])
  const tags = storedTags(info)
  if (tags !== '') {
    headers.push(['x-amz-tagging-count', String(tags.split('&').length)])
    if (call.request.header('x-amz-tagging-directive') === 'ACCESS') {
      headers.push(['X-Amz-Tagging', tags])
    }
  }
  const redirect = info.userMetadata.get(REDIRECT_LOCATION)
  if (redirect !== undefined && redirect !== '') {
    headers.push([REDIRECT_LOCATION, rawHeaderText(redirect)])
  }
  const replication = replicationStatus(info)
  if (replication !== undefined) headers.push(['x-amz-replication-status', replication])
  headers.push(...(await lockHeaders(call, info)), ...compressionHeaders(info))
  return headers
}

/** What HTTP takes for the name of a header. Those of forms and archives may be anything. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/

/** The client's metadata; of what no header can hold only the count. */
export function metadataHeaders({ userMetadata }: Pick<ObjectInfo, 'userMetadata'>): Header[] {
  const headers: Header[] = []
  let missing = 0
  for (const [key, value] of userMetadata) {
    const name = key.toLowerCase()
    if (!name.startsWith('x-amz-meta-') && !name.startsWith('x-minio-meta-')) continue
    if (HEADER_NAME.test(name)) headers.push([name, headerText(value)])
    else missing++
  }
  if (missing > 0) headers.push(['x-amz-missing-meta', String(missing)])
  return headers
}

/** Headers that the query replaces. Not for anonymous callers. */
export function responseOverrides(call: S3Call): ReadonlyMap<string, string> {
  const overrides = new Map<string, string>()
  for (const [key, value] of call.query.entries) {
    const name = key.length > 8 ? OVERRIDES.get(key.toLowerCase()) : undefined
    if (name === undefined) continue
    const earlier = overrides.get(name)
    overrides.set(name, earlier === undefined ? value : `${earlier},${value}`)
  }
  if (overrides.size > 0 && call.identity.accessKey === '') {
    throw new S3Error('InvalidRequest', {
      message: 'Request specific response headers cannot be used for anonymous GET requests.',
    })
  }
  return overrides
}

async function lockHeaders(call: S3Call, info: ObjectInfo): Promise<readonly Header[]> {
  const lock = objectLockOf(info)
  const headers: Header[] = []
  if (lock.mode !== '' && (await call.isAllowed('s3:GetObjectRetention', call.bucket, call.key))) {
    headers.push([LOCK_MODE, lock.mode], [LOCK_UNTIL, lock.retainUntil])
  }
  if (
    lock.legalHold !== '' &&
    (await call.isAllowed('s3:GetObjectLegalHold', call.bucket, call.key))
  ) {
    headers.push([LEGAL_HOLD, lock.legalHold])
  }
  return headers
}

/** `REPLICA`, or one status for all targets: the worst of them. */
function replicationStatus(info: ObjectInfo): string | undefined {
  const own = info.userMetadata.get('X-Amz-Replication-Status')
  if (own !== undefined && own !== '') return own
  const stored = info.systemMetadata.get('x-minio-internal-replication-status')
  if (stored === undefined) return undefined
  const text = textOf(stored)
  if (text === '') return undefined
  const statuses = text
    .split(';')
    .filter((entry) => entry !== '')
    .map((entry) => entry.slice(entry.lastIndexOf('=') + 1))
  if (statuses.includes('FAILED')) return 'FAILED'
  if (statuses.includes('PENDING')) return 'PENDING'
  return statuses.every((status) => status.startsWith('COMPLETE')) ? 'COMPLETED' : statuses[0]
}

/** Longest text between `=?UTF-8?q?` and `?=`: an encoded word has at most 75 characters. */
const WORD_SIZE_MAX = 63

/**
 * A stored text as HTTP allows it: controls become blanks; with characters beyond ASCII it becomes words of RFC 2047.
 * The choice of encoding and the spelling `UTF-8?q` are MinIO's, since its clients compare values.
 */
export function headerText(value: string): string {
  if (/^[\x20-\x7e\t]*$/.test(value)) return value
  // oxlint-disable-next-line no-control-regex -- these are the ones to be replaced
  if (/^[\x00-\x7f]*$/.test(value)) return value.replace(/[\x00-\x1f\x7f]/g, ' ')
  const isBase64 = /["#$%&'(),.:;<>@[\]^`{|}~]/.test(value)
  const words: string[] = []
  let pending = ''
  for (const character of value.toWellFormed()) {
    const longer = pending + character
    if (encodeWord(longer, isBase64).length > WORD_SIZE_MAX) {
      words.push(encodeWord(pending, isBase64))
      pending = character
    } else {
      pending = longer
    }
  }
  words.push(encodeWord(pending, isBase64))
  const kind = isBase64 ? 'b' : 'q'
  return words.map((word) => `=?UTF-8?${kind}?${word}?=`).join(' ')
}

/**
 * A stored text as it was sent, in bytes: a header of HTTP's own means nothing as words of RFC 2047, and what its UTF-8 means
 * is between those who set it and those who read it. Controls become blanks. Source: MinIO (tried).
 */
export function rawHeaderText(value: string): string {
  if (/^[\x20-\x7e\t]*$/.test(value)) return value
  // oxlint-disable-next-line no-control-regex -- these are the ones to be replaced
  return latin1Of(encodeText(value)).replace(/[\x00-\x1f\x7f]/g, ' ')
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

function encodeWord(text: string, isBase64: boolean): string {
  const bytes = utf8(text)
  if (isBase64) return bytes.toBase64()
  let quoted = ''
  for (const byte of bytes) {
    if (byte === 0x20) quoted += '_'
    else if (byte > 0x20 && byte < 0x7f && byte !== 0x3d && byte !== 0x3f && byte !== 0x5f) {
      quoted += String.fromCharCode(byte)
    } else {
      quoted += `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
    }
  }
  return quoted
}
