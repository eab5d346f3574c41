/**
 * Asks a server everything about its buckets and versions that a manifest holds, in the manifest's own form, so that
 * two servers, or a server and a manifest, can be compared field by field.
 */
import type { ManifestListing, ManifestReply } from './manifest.ts'
import { type Digest, digestOf } from './recipe.ts'
import type { S3Driver, S3Reply } from './s3-driver.ts'
import { children, parseXml, textOf, type XmlElement } from './xml.ts'

/** Headers that differ with every reply or belong to the connection, and the fixed security headers. */
const IGNORED_HEADERS = new Set([
  'connection',
  'content-security-policy',
  'date',
  'keep-alive',
  'referrer-policy',
  'server',
  'strict-transport-security',
  'transfer-encoding',
  'vary',
  'x-amz-id-2',
  'x-amz-request-id',
  'x-content-type-options',
  'x-frame-options',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-xss-protection',
])

function comparableHeaders(reply: S3Reply): Record<string, string> {
  return Object.fromEntries(
    Object.entries(reply.headers)
      .filter(([name]) => !IGNORED_HEADERS.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** Parsed form of a document, so that declarations, namespaces and the order of tags do not count. */
export function comparableDocument(text: string | null | undefined): unknown {
  if (text === null || text === undefined || text === '') return null
  if (!text.startsWith('<')) return JSON.parse(text)
  const root = parseXml(text)
  return root[0] === 'Tagging' ? readTags(root) : root
}

function readTags(tagging: XmlElement): Readonly<Record<string, string>> {
  const tags = children(children(tagging, 'TagSet')[0], 'Tag')
  return Object.fromEntries(
    tags.map((tag) => [textOf(tag, 'Key') ?? '', textOf(tag, 'Value') ?? '']),
  )
}

function versionQuery(versionId: string | undefined): Record<string, string | undefined> {
  return { versionId }
}

export async function observeConfig(
  client: S3Driver,
  bucket: string,
  name: string,
): Promise<ManifestReply> {
  const reply = await client.send({ method: 'GET', bucket, query: { [name]: '' } })
  const isError = reply.status >= 400
  return {
    status: reply.status,
    code: reply.code,
    body: isError ? null : comparableDocument(reply.text),
  }
}

export async function observeHead(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<ManifestReply> {
  const reply = await client.send({
    method: 'HEAD',
    bucket,
    key,
    query: versionQuery(versionId),
    headers: { 'x-amz-checksum-mode': 'ENABLED' },
  })
  return { status: reply.status, headers: comparableHeaders(reply) }
}

export interface ObservedGet {
  readonly get: ManifestReply
  /** Only of a success. */
  readonly content: Digest | undefined
}

export async function observeGet(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<ObservedGet> {
  const reply = await client.send({
    method: 'GET',
    bucket,
    key,
    query: versionQuery(versionId),
    headers: { 'x-amz-checksum-mode': 'ENABLED' },
  })
  if (reply.status >= 300)
    return { get: { status: reply.status, code: reply.code }, content: undefined }
  return {
    get: { status: reply.status, code: null, headers: comparableHeaders(reply) },
    content: digestOf(reply.body),
  }
}

export async function observePart(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId: string | undefined,
  partNumber: number,
): Promise<Record<string, unknown>> {
  const reply = await client.send({
    method: 'GET',
    bucket,
    key,
    query: { ...versionQuery(versionId), partNumber: String(partNumber) },
  })
  if (reply.status >= 300) return { partNumber, status: reply.status, code: reply.code }
  const { size, sha256 } = digestOf(reply.body)
  const contentRange = reply.headers['content-range'] ?? null
  return { partNumber, status: reply.status, size, sha256, contentRange, code: null }
}

/** `x-amz-mp-parts-count` of a HEAD of part 1; 0 when it is not there. */
export async function observePartsCount(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<number> {
  const query = { ...versionQuery(versionId), partNumber: '1' }
  const reply = await client.send({ method: 'HEAD', bucket, key, query })
  return Number(reply.headers['x-amz-mp-parts-count'] ?? 0)
}

export async function observeRange(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId: string | undefined,
  range: string,
): Promise<Record<string, unknown>> {
  const query = versionQuery(versionId)
  const reply = await client.send({ method: 'GET', bucket, key, query, headers: { range } })
  const { size, sha256 } = digestOf(reply.body)
  return {
    range,
    status: reply.status,
    contentRange: reply.headers['content-range'] ?? null,
    size,
    sha256,
  }
}

export async function observeTagging(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<Record<string, unknown>> {
  const query = { ...versionQuery(versionId), tagging: '' }
  const reply = await client.send({ method: 'GET', bucket, key, query })
  if (reply.status >= 300) return { status: reply.status, code: reply.code, tags: {} }
  return { status: reply.status, code: null, tags: readTags(parseXml(reply.text)) }
}

export async function observeAttributes(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<Record<string, unknown>> {
  const reply = await client.send({
    method: 'GET',
    bucket,
    key,
    query: { ...versionQuery(versionId), attributes: '' },
    headers: { 'x-amz-object-attributes': 'ETag,Checksum,ObjectParts,StorageClass,ObjectSize' },
  })
  if (reply.status >= 300) return { status: reply.status, code: reply.code, body: null }
  return { status: reply.status, code: null, body: parseXml(reply.text)[1] }
}

/** Retention or legal hold of a version. */
export async function observeLock(
  client: S3Driver,
  bucket: string,
  key: string,
  versionId: string | undefined,
  kind: 'retention' | 'legal-hold',
): Promise<Record<string, unknown>> {
  const query = { ...versionQuery(versionId), [kind]: '' }
  const reply = await client.send({ method: 'GET', bucket, key, query })
  if (reply.status >= 300) return { status: reply.status, code: reply.code, body: null }
  const content = parseXml(reply.text)[1]
  const body: unknown = typeof content === 'string' ? {} : Object.fromEntries(content)
  return { status: reply.status, code: null, body }
}

/** Text of a list made with `encoding-type=url`. */
function urlDecoded(text: string | undefined): string {
  return decodeURIComponent((text ?? '').replaceAll('+', ' '))
}

export interface ListedVersion {
  readonly key: string
  readonly versionId: string
  readonly isDeleteMarker: boolean
  readonly isLatest: boolean
  readonly lastModified: string
  readonly etag?: string
  readonly size?: number
  readonly storageClass?: string
}

function unquoted(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '')
}

function readListedVersion(element: XmlElement): ListedVersion {
  const isDeleteMarker = element[0] === 'DeleteMarker'
  const common = {
    key: urlDecoded(textOf(element, 'Key')),
    versionId: textOf(element, 'VersionId') ?? '',
    isDeleteMarker,
    isLatest: textOf(element, 'IsLatest') === 'true',
    lastModified: textOf(element, 'LastModified') ?? '',
  }
  if (isDeleteMarker) return common
  return {
    ...common,
    etag: unquoted(textOf(element, 'ETag')),
    size: Number(textOf(element, 'Size')),
    storageClass: textOf(element, 'StorageClass') ?? '',
  }
}

function wireQuery(query: ManifestListing['query']): Record<string, string | undefined> {
  const text = (name: string): string | undefined =>
    query[name] === undefined ? undefined : String(query[name])
  return {
    'encoding-type': 'url',
    delimiter: text('delimiter'),
    prefix: text('prefix'),
    'max-keys': text('max_keys'),
    'start-after': text('start_after'),
  }
}

/** More pages than any test makes: a list that never ends must not hang its test. */
const PAGES_MAX = 5000

export interface VersionListing {
  readonly listing: ManifestListing
  readonly versions: readonly ListedVersion[]
}

/** All pages of ListObjectVersions. Rejects on an error reply. */
export async function observeVersions(
  client: S3Driver,
  bucket: string,
  query: ManifestListing['query'],
): Promise<VersionListing> {
  const versions: ListedVersion[] = []
  const commonPrefixes: string[] = []
  let markers: Record<string, string | undefined> = {}
  for (let pages = 1; pages <= PAGES_MAX; pages++) {
    const reply = await client.must({
      method: 'GET',
      bucket,
      query: { versions: '', ...wireQuery(query), ...markers },
    })
    const root = parseXml(reply.text)
    if (typeof root[1] !== 'string') {
      for (const child of root[1]) {
        if (child[0] === 'Version' || child[0] === 'DeleteMarker')
          versions.push(readListedVersion(child))
        if (child[0] === 'CommonPrefixes') commonPrefixes.push(urlDecoded(textOf(child, 'Prefix')))
      }
    }
    if (textOf(root, 'IsTruncated') !== 'true') {
      const order = versions.map(({ key, versionId }) => [key, versionId] as const)
      return { listing: { query, pages, order, commonPrefixes }, versions }
    }
    const versionIdMarker = textOf(root, 'NextVersionIdMarker')
    markers = {
      'key-marker': urlDecoded(textOf(root, 'NextKeyMarker')),
      'version-id-marker': versionIdMarker === '' ? undefined : versionIdMarker,
    }
  }
  throw new Error(`ListObjectVersions of "${bucket}" does not end`)
}

/** All pages of ListObjectsV2. Rejects on an error reply. */
export async function observeListV2(
  client: S3Driver,
  bucket: string,
  query: ManifestListing['query'],
): Promise<ManifestListing> {
  const entries: Record<string, string>[] = []
  const commonPrefixes: string[] = []
  let token: string | undefined
  for (let pages = 1; pages <= PAGES_MAX; pages++) {
    const reply = await client.must({
      method: 'GET',
      bucket,
      query: { 'list-type': '2', ...wireQuery(query), 'continuation-token': token },
    })
    const root = parseXml(reply.text)
    for (const child of children(root, 'Contents')) {
      entries.push({
        Key: urlDecoded(textOf(child, 'Key')),
        LastModified: textOf(child, 'LastModified') ?? '',
        ETag: unquoted(textOf(child, 'ETag')),
        Size: textOf(child, 'Size') ?? '',
        StorageClass: textOf(child, 'StorageClass') ?? '',
      })
    }
    for (const child of children(root, 'CommonPrefixes')) {
      commonPrefixes.push(urlDecoded(textOf(child, 'Prefix')))
    }
    if (textOf(root, 'IsTruncated') !== 'true') {
      return {
        query,
        pages,
        keys: entries.map((entry) => entry['Key'] ?? ''),
        commonPrefixes,
        entries,
      }
    }
    token = textOf(root, 'NextContinuationToken')
  }
  throw new Error(`ListObjectsV2 of "${bucket}" does not end`)
}

/** Names of all buckets, in the server's order. */
export async function observeBuckets(client: S3Driver): Promise<readonly string[]> {
  const reply = await client.must({ method: 'GET', path: '/' })
  const buckets = children(parseXml(reply.text), 'Buckets')[0]
  return children(buckets, 'Bucket').map((bucket) => textOf(bucket, 'Name') ?? '')
}
