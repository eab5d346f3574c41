/** Calls as handlers get them, without a server: for tests of what a handler reads from a request. */
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { ObjectEncryption } from '#encryption/object-encryption'
import type { HttpRequest } from '#http/http'
import type { ObjectEngine } from '#object/object'
import type { Operation, QueryParameters, S3Call } from '#s3/s3'
import { testCodec } from './engine-fixture.ts'

export interface CallOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly document?: string
  readonly announcedTrailers?: readonly string[]
  readonly trailers?: Readonly<Record<string, string>>
  readonly bucket?: string
  readonly key?: string
  /** Engine calls that the handler may make; any other is a mistake of the test. */
  readonly engine?: Partial<ObjectEngine>
  /** Default: everything. */
  readonly allowed?: (action: string, bucket: string, key: string) => boolean
}

/** A call by the owner. */
export function callOf(options: CallOptions = {}): S3Call {
  const request = requestOf(options)
  return {
    operation: OPERATION,
    services: {
      engine: partialEngine(options.engine ?? {}),
      clock: systemClock(),
      random: systemRandom(),
      encryption: new ObjectEncryption({
        kms: undefined,
        random: systemRandom(),
        clock: systemClock(),
        cachesDataKeys: false,
      }),
      encryptsAll: false,
      allowsClientKeysOverHttp: false,
      region: '',
      s2Decoder: () => testCodec().s2Decoder(),
      digest: () => new Uint8Array(4),
      checksum: (name) => testCodec().checksum(name),
    },
    request,
    identity: { accessKey: 'tester', isOwner: true },
    bucket: options.bucket ?? 'bucket',
    key: options.key ?? 'key',
    query: queryOf(options.query ?? {}),
    virtualHost: false,
    body: { sizeBytes: 0, read: async () => 0 },
    trailers: () => new Map(Object.entries(options.trailers ?? {})),
    announcedTrailers: options.announcedTrailers ?? [],
    document: new TextEncoder().encode(options.document ?? ''),
    isAllowed: async (action, bucket, key) => options.allowed?.(action, bucket, key) ?? true,
    signerOfForm: () => Promise.reject(new Error('No form is expected')),
  }
}

const OPERATION: Operation = {
  name: 'Test',
  scope: 'object',
  method: 'GET',
  body: { kind: 'none' },
  handler: async () => ({ status: 200 }),
}

function requestOf(options: CallOptions): HttpRequest {
  const headers = new Map(
    Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  return {
    id: '0123456789ABCDEF',
    method: options.method ?? 'GET',
    target: '/bucket/key',
    header: (name) => headers.get(name),
    headerValues: (name) => {
      const value = headers.get(name)
      return value === undefined ? [] : [value]
    },
    rawHeaders: [...headers],
    isSecure: false,
    remoteAddress: '127.0.0.1',
    contentLength: 0,
    body: { next: async () => undefined },
    signal: new AbortController().signal,
  }
}

function queryOf(query: Readonly<Record<string, string>>): QueryParameters {
  return {
    has: (name) => Object.hasOwn(query, name),
    get: (name) => (Object.hasOwn(query, name) ? query[name] : undefined),
    entries: Object.entries(query),
  }
}

function partialEngine(part: Partial<ObjectEngine>): ObjectEngine {
  const engine: unknown = new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (value === undefined) throw new Error(`Test engine has no "${String(name)}"`)
      return value
    },
  })
  return engine as ObjectEngine // checked by the proxy: a missing member fails the test
}
