/**
 * What the specification chooses where it departs from the reference on purpose (marks **C** in s3-api.md): what the
 * reference shows, rewritten to what is to be shown. Everything else of the same reply stays compared.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ManifestBucket, ManifestListing } from './manifest.ts'
import type { XmlElement } from './xml.ts'

const OWNER: readonly XmlElement[] = [
  ['ID', '02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4'],
  ['DisplayName', 'minio'],
]
const PARTS_MAX = '1000'

/** Replies are JSON-like: objects with fields of their own, XML as `XmlElement`. */
type Fields = Readonly<Record<string, unknown>>

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function isElement(value: unknown): value is XmlElement {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string'
}

function elementsOf(value: unknown): readonly XmlElement[] {
  return Array.isArray(value) ? value.filter(isElement) : []
}

function mapElement(
  elements: readonly XmlElement[],
  name: string,
  map: (content: XmlElement[1]) => XmlElement[1],
): readonly XmlElement[] {
  return elements.map((element) => (element[0] === name ? [name, map(element[1])] : element))
}

function withBody(reply: unknown, map: (body: unknown) => unknown): unknown {
  const fields = fieldsOf(reply)
  return fields['status'] === 200 ? { ...fields, body: map(fields['body']) } : reply
}

/** Sealed entity tags are shown in the form of the lists everywhere (encryption.md 3.2). */
export function shownEtag(etag: string | undefined): (reply: unknown) => unknown {
  const shown = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(/[0-9a-f]{96}/, etag ?? '')
    if (Array.isArray(value)) return value.map(shown)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shown(inner)]))
  }
  return shown
}

/** The parts of `ObjectParts` have the sizes that clients uploaded, in the order of their numbers, not those stored. */
export function plainPartSizes(
  parts: readonly { readonly size: number }[],
): (reply: unknown) => unknown {
  return (reply) => {
    let index = 0
    return mapParts(reply, (part) =>
      mapElement(elementsOf(part), 'Size', (size) => String(parts[index++]?.size ?? size)),
    )
  }
}

/** For two servers of which one shows the sizes that are stored. */
export function withoutPartSizes(reply: unknown): unknown {
  return mapParts(reply, (part) => elementsOf(part).filter(([name]) => name !== 'Size'))
}

function mapParts(reply: unknown, map: (part: XmlElement[1]) => XmlElement[1]): unknown {
  return withBody(reply, (body) =>
    mapElement(elementsOf(body), 'ObjectParts', (list) =>
      mapElement(elementsOf(list), 'Part', map),
    ),
  )
}

/** What is asked of a delete marker is not allowed, but its removal is. */
export function allowedDelete(reply: unknown): unknown {
  const fields = fieldsOf(reply)
  if (fields['status'] !== 405) return reply
  return { ...fields, headers: { ...fieldsOf(fields['headers']), allow: 'DELETE' } }
}

/** Owner and grantee of an ACL are named (4.16). */
export function ownedAcl(reply: unknown): unknown {
  return withBody(reply, (root) => {
    if (!isElement(root)) return root
    const named = mapElement(elementsOf(root[1]), 'Owner', () => OWNER)
    const list = mapElement(named, 'AccessControlList', (grants) =>
      mapElement(elementsOf(grants), 'Grant', (grant) =>
        mapElement(elementsOf(grant), 'Grantee', (grantee) => [...OWNER, ...elementsOf(grantee)]),
      ),
    )
    return [root[0], list]
  })
}

/** `IsPublic` is lower-case, and any grant to everybody counts (4.17 (4)). */
export function policyStatus(bucket: ManifestBucket | undefined): (reply: unknown) => unknown {
  const policy = bucket?.config['policy']?.body
  const isPublic = typeof policy === 'string' && /"Effect":"Allow","Principal":.*"\*"/.test(policy)
  return (reply) =>
    withBody(reply, (root) =>
      isElement(root) ? [root[0], [['IsPublic', String(isPublic)]]] : root,
    )
}

/**
 * `ObjectParts` of multipart objects only, 1000 parts at a time, truncated only when parts remain, the size of nothing
 * (4.2.6).
 */
export function attributes(reply: unknown): unknown {
  return withBody(reply, (body) => {
    const known = elementsOf(body)
    const isSized = known.some(([name]) => name === 'ObjectSize')
    const fields: readonly XmlElement[] = isSized ? known : [...known, ['ObjectSize', '0']]
    const etag = fields.find(([name]) => name === 'ETag')?.[1]
    const isMultipart = typeof etag === 'string' && /-\d+$/.test(etag)
    if (!isMultipart) return fields.filter(([name]) => name !== 'ObjectParts')
    return mapElement(fields, 'ObjectParts', (parts) =>
      mapElement(
        mapElement(elementsOf(parts), 'MaxParts', () => PARTS_MAX),
        'IsTruncated',
        () => 'false',
      ),
    )
  })
}

/** A page of parts has 1000 at most, and names the upload's own storage class; what it does not have is left out (4.6.6, A). */
export function listParts(upload: { readonly StorageClass: string }): (reply: unknown) => unknown {
  return (reply) => {
    const head = fieldsOf(fieldsOf(reply)['head'])
    const chosen: Record<string, unknown> = { ...head, MaxParts: PARTS_MAX, ...upload }
    for (const name of ['ChecksumAlgorithm', 'ChecksumType']) {
      if (chosen[name] === '') chosen[name] = undefined
    }
    return { ...fieldsOf(reply), head: chosen }
  }
}

/** The null version is named where versioning is suspended (3.6). `get` holds the reply of a read with content. */
export function namedNullVersion(reply: unknown): unknown {
  const fields = fieldsOf(reply)
  if ('get' in fields) return { ...fields, get: namedNullVersion(fields['get']) }
  if (fields['status'] !== 200) return reply
  return { ...fields, headers: { ...fieldsOf(fields['headers']), 'x-amz-version-id': 'null' } }
}

/** Status and code of a refusal that has another one, or undefined fields as they are. */
export function refusedWith(status: number, code: string): (reply: unknown) => unknown {
  return (reply) =>
    fieldsOf(reply)['status'] === 400 ? { ...fieldsOf(reply), status, code } : reply
}

/** The last bytes of an empty object have no range to name (3.9). */
export function rangeOfNothing(reply: unknown): unknown {
  const fields = fieldsOf(reply)
  return fields['contentRange'] === 'bytes 0--1/0' ? { ...fields, contentRange: null } : reply
}

function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

interface Entry {
  readonly key: string
  readonly versionId: string
}

/** Rolls entries, which are in order, up into a listing; pages are full, and none is empty but the only one (4.3.2). */
function rolledUp(
  entries: readonly Entry[],
  query: ManifestListing['query'],
): Pick<ManifestListing, 'pages' | 'commonPrefixes'> & { readonly entries: readonly Entry[] } {
  const prefix = String(query['prefix'] ?? '')
  const delimiter = String(query['delimiter'] ?? '')
  const after = String(query['start_after'] ?? '')
  const shown: Entry[] = []
  const commonPrefixes = new Set<string>()
  for (const entry of entries) {
    if (!entry.key.startsWith(prefix)) continue
    if (after !== '' && compareKeys(entry.key, after) <= 0) continue
    const end = delimiter === '' ? -1 : entry.key.indexOf(delimiter, prefix.length)
    if (end < 0) shown.push(entry)
    else commonPrefixes.add(entry.key.slice(0, end + delimiter.length))
  }
  const count = shown.length + commonPrefixes.size
  const pages = Math.max(1, Math.ceil(count / Number(query['max_keys'] ?? 1000)))
  return { pages, commonPrefixes: [...commonPrefixes], entries: shown }
}

/** Keys that read but that the reference's listings hide, being below other keys. */
export function hiddenKeys(bucket: ManifestBucket): ReadonlySet<string> {
  const hidden = bucket.versions.filter(({ listed, head }) => !listed && head.status === 200)
  return new Set(hidden.map(({ key }) => key))
}

function withHidden(entries: readonly Entry[], bucket: ManifestBucket): readonly Entry[] {
  const hidden = [...hiddenKeys(bucket)].map((key) => ({ key, versionId: 'null' }))
  return [...entries, ...hidden].toSorted((a, b) => compareKeys(a.key, b.key))
}

/**
 * The listing that the whole listing of the bucket and the rules give: a flat key space (3.1), full pages (4.3.2 (4)),
 * no common prefix without a readable key (4.3.2 (12)), nothing twice.
 */
export function modelledKeys(
  bucket: ManifestBucket,
  recorded: ManifestListing,
): ManifestListing | undefined {
  const whole = bucket.listV2.find(({ query }) => isDeepStrictEqual(query, {}))
  if (whole?.keys === undefined) return undefined
  const all = withHidden(
    whole.keys.map((key) => ({ key, versionId: '' })),
    bucket,
  )
  const { pages, commonPrefixes, entries } = rolledUp(all, recorded.query)
  return { ...recorded, pages, keys: entries.map(({ key }) => key), commonPrefixes }
}

/** The same for a listing of versions. */
export function modelledVersions(
  bucket: ManifestBucket,
  recorded: ManifestListing,
): ManifestListing | undefined {
  const whole = bucket.listVersions.find(({ query }) => isDeepStrictEqual(query, {}))
  if (whole?.order === undefined) return undefined
  const all = withHidden(
    whole.order.map(([key, versionId]) => ({ key, versionId })),
    bucket,
  )
  const { pages, commonPrefixes, entries } = rolledUp(all, recorded.query)
  const order = entries.map(({ key, versionId }) => [key, versionId] as const)
  return { ...recorded, pages, order, commonPrefixes }
}

/** An observed listing of any kind without the keys that are below others, prefixes made of them and the count of pages. */
export function withoutKeysBelow(isBelow: (key: string) => boolean): (listing: unknown) => unknown {
  const clean = (value: unknown): unknown => {
    if (!Array.isArray(value)) return value
    return value.filter((entry: unknown) => {
      const fields = fieldsOf(entry)
      const key =
        typeof entry === 'string' ? entry : (fields['0'] ?? fields['Key'] ?? fields['key'])
      return !isBelow(String(key))
    })
  }
  const cleaned = (listing: unknown): Fields =>
    Object.fromEntries(
      Object.entries(fieldsOf(listing))
        .filter(([name]) => name !== 'pages')
        .map(([name, value]) => [name, name === 'listing' ? cleaned(value) : clean(value)]),
    )
  return cleaned
}
