/** From a request's host and target to a bucket, a key and a row of the operation table (s3-api.md 1.1, 1.3). */
import type { HttpRequest } from '#http/http'
import { cleanKey } from '#s3-protocol/names'
import { decodePercent } from '#s3-protocol/percent'
import { parseQuery, type Query } from '#s3-protocol/query'
import { S3Error } from '#s3-protocol/s3-error'
import type { Operation, OperationScope } from './s3.ts'

/** A request's address. */
export interface Address {
  readonly bucket: string
  /** Decoded. */
  readonly key: string
  readonly virtualHost: boolean
  /** Decoded path. */
  readonly path: string
  /** Path as the client sent it, with `/bucket` in front for virtual hosts. */
  readonly resourcePath: string
  /** Undefined when it cannot be decoded. */
  readonly query: Query | undefined
}

/** Splits a target. `XMinioInvalidObjectName` for malformed escapes and bad UTF-8 in the path; `InvalidRequest` for a bad host. `domains`: base domains of virtual hosts, lower case. */
export function parseAddress(
  request: HttpRequest,
  domains: readonly string[],
  options: { readonly cleansKeys?: boolean | undefined } = {},
): Address {
  const address = splitTarget(request, domains)
  return options.cleansKeys === true ? { ...address, key: cleanKey(address.key) } : address
}

function splitTarget(request: HttpRequest, domains: readonly string[]): Address {
  const target = originForm(request.target)
  const mark = target.indexOf('?')
  const rawPath = mark < 0 ? target : target.slice(0, mark)
  const decoded = decodePercent(rawPath, { plusIsBlank: false })
  if (!decoded.ok) throw new S3Error('XMinioInvalidObjectName')
  const path = decoded.text
  const query = parseQuery(mark < 0 ? '' : target.slice(mark + 1))
  const sentPath = (request.pathPrefix ?? '') + rawPath
  const hostBucket = bucketOfHost(request.header('host') ?? '', domains)
  if (hostBucket !== undefined) {
    const resourcePath = `/${hostBucket}${sentPath}`
    return { bucket: hostBucket, key: path.slice(1), virtualHost: true, path, resourcePath, query }
  }
  // The separator is found in the raw path: an escaped slash belongs to a name.
  const slash = rawPath.indexOf('/', 1)
  const rawBucket = slash < 0 ? rawPath.slice(1) : rawPath.slice(1, slash)
  const bucket = rawBucket.includes('%') ? textOf(rawBucket) : rawBucket
  const rawKey = slash < 0 ? '' : rawPath.slice(slash + 1)
  const key =
    rawKey.includes('%') || rawKey.length === 0 ? textOf(rawKey) : decodedTail(path, bucket)
  return { bucket, key, virtualHost: false, path, resourcePath: sentPath, query }
}

function decodedTail(path: string, bucket: string): string {
  return path.slice(bucket.length + 2)
}

function textOf(raw: string): string {
  const decoded = decodePercent(raw, { plusIsBlank: false })
  if (!decoded.ok) throw new S3Error('XMinioInvalidObjectName')
  return decoded.text
}

/** Proxies may send `http://host/path`; only the path counts. */
function originForm(target: string): string {
  if (target.startsWith('/')) return target
  const match = /^https?:\/\/[^/?]*/i.exec(target)
  const rest = match === null ? '' : target.slice(match[0].length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~%-]+)(?::\d{0,5})?$/

function bucketOfHost(header: string, domains: readonly string[]): string | undefined {
  // HTTP/1.0 needs none: load balancers ask for the health of a server so.
  if (header === '') return undefined
  if (!HOST.test(header)) {
    throw new S3Error('InvalidRequest', { message: 'Invalid Request (malformed Host header)' })
  }
  if (domains.length === 0) return undefined
  const host = header.replace(/:\d*$/, '').toLowerCase()
  for (const domain of domains) {
    // Orchestrated deployments call the service itself `minio`.
    if (host.endsWith(`.${domain}`) && host !== `minio.${domain}`) {
      return host.slice(0, -domain.length - 1)
    }
  }
  return undefined
}

interface Row {
  readonly operation: Operation
  readonly keys: readonly (readonly [name: string, value: string | undefined])[]
}

interface Rows {
  /** In table order. */
  readonly all: readonly Row[]
  /** Those that ask for no query key: all that a request without query can match. */
  readonly plain: readonly Row[]
}

/** The operation table, prepared for matching. */
export class Router {
  readonly #rows = new Map<string, Rows>()
  readonly #methods = new Map<OperationScope, readonly Row[]>()

  constructor(operations: readonly Operation[]) {
    const byRoute = Map.groupBy(operations, (row) => `${row.scope} ${row.method}`)
    for (const [route, group] of byRoute) {
      const all = group.map(rowOf)
      this.#rows.set(route, { all, plain: all.filter((row) => row.keys.length === 0) })
    }
    for (const [scope, group] of Map.groupBy(operations, (row) => row.scope)) {
      this.#methods.set(scope, group.map(rowOf))
    }
  }

  /** The first row that matches. 412 for a form that is none, 405 when the resource exists with another method, else 400 `BadRequest`. */
  match(request: HttpRequest, address: Address, query: Query): Operation {
    const scope = scopeOf(address)
    refuseMisplaced(request, scope, query)
    const rows = this.#rows.get(`${scope} ${request.method}`)
    const candidates = query.entries.length === 0 ? rows?.plain : rows?.all
    for (const row of candidates ?? []) {
      if (matchesQuery(row, query) && row.operation.when?.(request) !== false) return row.operation
    }
    if (request.method === 'POST' && scope === 'bucket' && query.entries.length === 0) {
      throw new S3Error('PreconditionFailed', {
        elements: [['Condition', 'Bucket POST must be of the enclosure-type multipart/form-data']],
      })
    }
    if ((this.#methods.get(scope) ?? []).some((row) => matchesQuery(row, query))) {
      throw methodNotAllowed(request, scope)
    }
    throw new S3Error('BadRequest', {
      message: `An unsupported API call for method: ${request.method} at '${address.path}'`,
    })
  }
}

/** What makes sense elsewhere only is a mistake of the request: it is not passed over. */
function refuseMisplaced(request: HttpRequest, scope: OperationScope, query: Query): void {
  const { method } = request
  const isCopy = request.header('x-amz-copy-source') !== undefined
  if (isCopy && method !== 'PUT' && method !== 'OPTIONS') {
    throw new S3Error('InvalidArgument', {
      message: 'You can only specify a copy source header for copy requests.',
      elements: [
        ['ArgumentName', 'x-amz-copy-source'],
        ['ArgumentValue', request.header('x-amz-copy-source') ?? ''],
      ],
    })
  }
  if (scope !== 'object' || query.entries.length === 0) return
  if (method === 'GET' && query.has('uploads')) {
    throw new S3Error('InvalidRequest', {
      message: 'Key is not expected for the GET method ?uploads subresource',
    })
  }
  if (method === 'GET' && query.has('versions')) {
    throw new S3Error('InvalidRequest', {
      message: 'There is no such thing as the ?versions sub-resource for a key',
    })
  }
  if (method !== 'PUT') return
  if (!isCopy && query.has('x-amz-copy-source')) {
    // Some presigners move it there. Passed over, the copy would become an object without content.
    throw new S3Error('InvalidRequest', {
      message: 'x-amz-copy-source must be sent as a header',
    })
  }
  const hasNumber = query.has('partNumber')
  if (hasNumber && !query.has('uploadId')) {
    throw new S3Error('InvalidArgument', {
      message: 'This operation does not accept partNumber without uploadId',
      elements: [
        ['ArgumentName', 'partNumber'],
        ['ArgumentValue', 'partNumber'],
      ],
    })
  }
  if (query.has('uploadId') && !hasNumber) throw methodNotAllowed(request, 'upload')
}

function methodNotAllowed({ method }: HttpRequest, scope: OperationScope | 'upload'): S3Error {
  // To Amazon a POST that nothing is made for is one to the service.
  const resource = method === 'POST' ? 'service' : scope
  return new S3Error('MethodNotAllowed', {
    elements: [
      ['Method', method],
      ['ResourceType', resource.toUpperCase()],
    ],
    headers: resource === 'upload' ? [['Allow', 'DELETE, POST, GET']] : [],
  })
}

/** What a request is about. */
export function scopeOf({ bucket, key, path }: Address): OperationScope {
  if (bucket === '' && (path === '/' || path === '//')) return 'service'
  return key === '' ? 'bucket' : 'object'
}

function rowOf(operation: Operation): Row {
  return { operation, keys: Object.entries(operation.query ?? {}) }
}

function matchesQuery(row: Row, query: Query): boolean {
  for (const [name, value] of row.keys) {
    if (value === undefined ? !query.has(name) : query.get(name) !== value) return false
  }
  return true
}
