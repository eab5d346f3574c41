/** A front door over a small engine in memory, and requests without sockets. */
import { utf8 } from '#base/bytes'
import { type Clock, systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { ObjectEncryption } from '#encryption/object-encryption'
import type { HttpHandler, HttpRequest, HttpResponse } from '#http/http'
import {
  type BucketDocument,
  type BucketMetadata,
  type ObjectEngine,
  ObjectError,
  type ObjectInfo,
  type ObjectReader,
} from '#object/object'
import { type Log, SILENT_LOG } from '#observe/log'
import type { CredentialSource } from '#s3/authenticate'
import { createFrontDoor } from '#s3/front-door'
import type { Operation, S3Call, S3Reply, S3Services } from '#s3/s3'
import { testCodec } from './engine-fixture.ts'

export const ACCESS_KEY = 'cairnadmin'
export const SECRET_KEY = 'cairn-secret-key'
export const REGION = 'us-east-1'

export interface Sent {
  readonly method: string
  /** Path and query, encoded. */
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: Uint8Array | readonly Uint8Array[]
  readonly isSecure?: boolean
  readonly remoteAddress?: string
}

export interface Received {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
  /** `Code` of an error document or of the headers in reply to HEAD. */
  readonly code: string
}

/** Runs a request through a handler. */
export async function exchange(handler: HttpHandler, sent: Sent): Promise<Received> {
  const response = new MemoryResponse()
  await handler(memoryRequest(sent), response)
  const headers = new Map(response.headers.map(([name, value]) => [name.toLowerCase(), value]))
  const text = Buffer.concat(response.pieces).toString()
  const code = /<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? headers.get('x-minio-error-code') ?? ''
  return { status: response.status, headers, text, code }
}

class MemoryResponse implements HttpResponse {
  status = 0
  headers: (readonly [string, string])[] = []
  readonly pieces: Uint8Array[] = []
  headSent = false
  head(status: number, headers: Iterable<readonly [string, string]>): void {
    this.status = status
    this.headers = [...headers]
    this.headSent = true
  }
  write(bytes: Uint8Array): Promise<void> {
    this.pieces.push(bytes.slice())
    return Promise.resolve()
  }
  end(bytes?: Uint8Array): void {
    if (bytes !== undefined) this.pieces.push(bytes)
  }
  destroy(): void {
    this.status = -1
  }
}

/** A request with Node's view of headers: repeated ones joined. Where none is given, it tells the length of its body. */
export function memoryRequest(sent: Sent): HttpRequest {
  const pieces =
    sent.body === undefined ? [] : sent.body instanceof Uint8Array ? [sent.body] : [...sent.body]
  const joined = new Map<string, string>()
  for (const [name, value] of sent.headers) {
    const lower = name.toLowerCase()
    const earlier = joined.get(lower)
    joined.set(lower, earlier === undefined ? value : `${earlier}, ${value}`)
  }
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (!joined.has('content-length') && !joined.has('transfer-encoding')) {
    joined.set('content-length', String(size))
  }
  return {
    id: '17F0000000000000',
    method: sent.method,
    target: sent.target,
    header: (name) => joined.get(name),
    headerValues: (name) =>
      sent.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value),
    rawHeaders: sent.headers,
    isSecure: sent.isSecure ?? false,
    remoteAddress: sent.remoteAddress ?? '127.0.0.1',
    contentLength: Number(joined.get('content-length') ?? size),
    body: { next: () => Promise.resolve(pieces.shift()) },
    signal: new AbortController().signal,
  }
}

const DOCUMENT_LIMIT = 1024 * 1024

/** Rows of every body kind, each committing what it got. */
function operations(store: Map<string, Uint8Array>): readonly Operation[] {
  const commit = (call: S3Call, content: Uint8Array): S3Reply => {
    store.set(`${call.operation.name} /${call.bucket}/${call.key}`, content)
    return { status: 200 }
  }
  const row = (
    name: string,
    method: string,
    rest: Omit<Operation, 'name' | 'method' | 'scope'> & { scope?: Operation['scope'] },
  ): Operation => ({ scope: 'object', ...rest, name, method })
  const document = {
    kind: 'document',
    limitBytes: DOCUMENT_LIMIT,
    errorCode: 'MalformedXML',
  } as const
  return [
    row('ListBuckets', 'GET', {
      scope: 'service',
      body: { kind: 'none' },
      anonymous: false,
      handler: async () => ({ status: 200, body: '<ok/>' }),
    }),
    row('GetBucketLocation', 'GET', {
      scope: 'bucket',
      query: { location: undefined },
      action: 's3:GetBucketLocation',
      body: { kind: 'none' },
      handler: async () => ({ status: 200, body: '<ok/>' }),
    }),
    row('ListObjectVersions', 'GET', {
      scope: 'bucket',
      query: { versions: undefined },
      action: 's3:ListBucketVersions',
      body: { kind: 'none' },
      handler: async () => ({ status: 200, body: '<ok/>' }),
    }),
    row('ListObjects', 'GET', {
      scope: 'bucket',
      action: 's3:ListBucket',
      body: { kind: 'none' },
      handler: async () => ({ status: 200, body: '<ok/>' }),
    }),
    row('PutTagging', 'PUT', {
      query: { tagging: undefined },
      action: 's3:PutObjectTagging',
      body: document,
      handler: async (call) => commit(call, call.document),
    }),
    row('CreateUpload', 'POST', {
      query: { uploads: undefined },
      action: 's3:PutObject',
      body: { kind: 'none' },
      handler: async (call) => commit(call, new Uint8Array(0)),
    }),
    row('GetObject', 'GET', {
      action: 's3:GetObject',
      body: { kind: 'none' },
      handler: async (call) => {
        const body = await call.services.engine.openObject(call.bucket, call.key, {
          range: { kind: 'all' },
        })
        return { status: 200, body }
      },
    }),
    row('HeadObject', 'HEAD', {
      action: 's3:GetObject',
      body: { kind: 'none' },
      handler: async (call) => {
        await call.services.engine.headObject(call.bucket, call.key, { range: { kind: 'all' } })
        return { status: 200 }
      },
    }),
    row('PutObject', 'PUT', {
      action: 's3:PutObject',
      body: { kind: 'stream' },
      handler: async (call) => commit(call, await readAll(call)),
    }),
    row('DeleteObject', 'DELETE', {
      action: 's3:DeleteObject',
      body: { kind: 'none' },
      handler: async (call) => commit(call, new Uint8Array(0)),
    }),
  ]
}

/** Reads as the engine does: blocks, and nothing more once the declared size is there. */
async function readAll(call: S3Call): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  while (call.body.sizeBytes === undefined || size < call.body.sizeBytes) {
    const block = new Uint8Array(64 * 1024)
    const count = await call.body.read(block)
    if (count === 0) break
    pieces.push(block.subarray(0, count))
    size += count
  }
  return Buffer.concat(pieces)
}

function objectInfo(bucket: string, key: string, content: Uint8Array): ObjectInfo {
  return {
    bucket,
    key,
    versionId: 'null',
    isLatest: true,
    isDeleteMarker: false,
    modifiedNs: 1_700_000_000_000_000_000n,
    sizeBytes: content.length,
    actualSizeBytes: content.length,
    etag: '0123456789abcdef0123456789abcdef',
    userMetadata: new Map([['content-type', 'text/plain']]),
    systemMetadata: new Map(),
    parts: [],
    dataShards: 1,
    parityShards: 0,
  }
}

export interface FrontDoorFixture {
  readonly handler: HttpHandler
  readonly engine: ObjectEngine
  /** What handlers committed, by `<operation> /<bucket>/<key>`. */
  readonly store: Map<string, Uint8Array>
  /** Objects that GET finds, by `bucket/key`. */
  readonly objects: Map<string, Uint8Array>
  /** Tags of objects, URL-encoded, by `bucket/key`. */
  readonly tags: Map<string, string>
  /** Policies by bucket. */
  readonly policies: Map<string, string>
  /** How many chunks were not given back. */
  chunksOpen(): number
}

export interface FixtureOptions {
  readonly clock?: Clock
  readonly region?: string
  /** Default: `box`. */
  readonly bucket?: string
  readonly domains?: readonly string[]
  readonly trustedProxies?: readonly string[]
  readonly pathPrefix?: string
  readonly policiesBindOwner?: boolean
  readonly log?: Log
  readonly credentials?: CredentialSource
  /** Size of the pieces that GET is made of. */
  readonly chunkSizeBytes?: number
}

/** A front door with the root credential and the bucket `box`. */
export function frontDoorFixture(options: FixtureOptions = {}): FrontDoorFixture {
  const store = new Map<string, Uint8Array>()
  const objects = new Map<string, Uint8Array>([['box/small', new Uint8Array(4096).fill(65)]])
  const tags = new Map<string, string>()
  const policies = new Map<string, string>()
  let open = 0
  const engine = smallEngine({
    bucket: options.bucket ?? 'box',
    chunkSizeBytes: options.chunkSizeBytes ?? 64 * 1024,
    objects,
    tags,
    policies,
    onChunk: (change) => {
      open += change
    },
  })
  const handler = createFrontDoor({
    trustedProxies: options.trustedProxies,
    pathPrefix: options.pathPrefix,
    policiesBindOwner: options.policiesBindOwner,
    services: servicesOver(engine, options),
    operations: operations(store),
    credentials: options.credentials ?? { find: credentialOf },
    log: options.log ?? SILENT_LOG,
    domains: options.domains ?? [],
  })
  return { handler, engine, store, objects, tags, policies, chunksOpen: () => open }
}

const credentialOf: CredentialSource['find'] = (accessKey) => {
  if (accessKey === ACCESS_KEY) return { accessKey, secretKey: SECRET_KEY, isOwner: true }
  if (accessKey !== 'somebody') return undefined
  return { accessKey, secretKey: 'another-secret', isOwner: false }
}

function servicesOver(engine: ObjectEngine, options: FixtureOptions): S3Services {
  const clock = options.clock ?? systemClock()
  const random = systemRandom()
  return {
    engine,
    clock,
    random,
    encryption: new ObjectEncryption({ kms: undefined, random, clock, cachesDataKeys: false }),
    encryptsAll: false,
    allowsClientKeysOverHttp: false,
    region: options.region ?? '',
    s2Decoder: () => testCodec().s2Decoder(),
    checksum: (name) => testCodec().checksum(name),
    digest: (name, data) => testCodec().digest(name, data),
  }
}

interface EngineContents extends Pick<FrontDoorFixture, 'objects' | 'tags' | 'policies'> {
  readonly bucket: string
  readonly chunkSizeBytes: number
  /** Gets 1 for each chunk handed out and -1 for each given back. */
  readonly onChunk: (change: number) => void
}

/** What the rows above use of an engine. */
function smallEngine(contents: EngineContents): ObjectEngine {
  const { objects, tags, chunkSizeBytes, onChunk } = contents
  const find = (bucket: string, key: string): ObjectInfo => {
    if (bucket === 'minio') throw new ObjectError('BucketNotFound', 'no such bucket')
    const content = objects.get(`${bucket}/${key}`)
    if (content === undefined) throw new ObjectError('ObjectNotFound', 'no such object')
    const info = objectInfo(bucket, key, content)
    const tagText = tags.get(`${bucket}/${key}`)
    if (tagText === undefined) return info
    return { ...info, userMetadata: new Map([...info.userMetadata, ['X-Amz-Tagging', tagText]]) }
  }
  const parts: Partial<ObjectEngine> = {
    bucketMetadata: metadataOver(contents),
    headObject: async (bucket, key) => ({ info: find(bucket, key), offset: 0, sizeBytes: 0 }),
    openObject: async (bucket, key): Promise<ObjectReader> => {
      const content = objects.get(`${bucket}/${key}`) ?? new Uint8Array(0)
      return {
        info: find(bucket, key),
        offset: 0,
        sizeBytes: content.length,
        async *chunks() {
          for (let at = 0; at < content.length; at += chunkSizeBytes) {
            onChunk(1)
            const bytes = content.subarray(at, at + chunkSizeBytes)
            yield { bytes, release: () => onChunk(-1) }
          }
        },
        close: () => undefined,
      }
    },
    health: () => [{ pool: 0, set: 0, drives: 4, online: 3, readQuorum: 2, writeQuorum: 3 }],
    deploymentId: 'fixture',
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the rows above use only these parts
  return parts as ObjectEngine
}

function metadataOver({ bucket, policies }: EngineContents): ObjectEngine['bucketMetadata'] {
  const documents = new Map<string, Uint8Array>()
  return async (name): Promise<BucketMetadata> => {
    if (name !== bucket) throw new ObjectError('BucketNotFound', 'no such bucket')
    return {
      name,
      createdNs: 0n,
      versioning: 'unversioned',
      objectLock: false,
      document: (document: BucketDocument) => {
        const text = document === 'PolicyConfigJSON' ? policies.get(name) : undefined
        if (text === undefined) return undefined
        // The same bytes for the same text, as the engine answers.
        const bytes = documents.get(text) ?? utf8(text)
        documents.set(text, bytes)
        return bytes
      },
      updatedNs: () => 0n,
    }
  }
}
