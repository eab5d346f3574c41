/**
 * The S3 API: one operation table, one handler file per group of operations.
 *
 * Invariants
 * - Every request passes the front door (`front-door.ts`): routing, limits, authentication, authorization of the row's
 *   action, body decoding, error documents, common headers. A handler never does any of these for its own row.
 * - Handlers only see bodies whose signature, chunk signatures and payload hash are verified while they are read;
 *   a mismatch rejects the read, so nothing is committed.
 * - Rows of operations that are not built answer 501 `NotImplemented` through the same path.
 */
import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import type { CompressionSettings } from '#config/compression-settings'
import type { S2Decoder } from '#codec/s2'
import type { ObjectEncryption } from '#encryption/object-encryption'
import type { HttpRequest } from '#http/http'
import type { Checksum } from '#codec/checksum'
import type { BodySource, DataChunk, DigestName, ObjectEngine } from '#object/object'
import type { Query } from '#s3-protocol/query'
import type { RequestFacts } from './policy-values.ts'

export type OperationScope = 'service' | 'bucket' | 'object'

/** One row of the operation table (s3-api.md 1.3). Rows are tried in order; the first match wins. */
export interface Operation {
  /** AWS name, as in metrics, trace and audit: `PutObject`. */
  readonly name: string
  readonly scope: OperationScope
  readonly method: string
  /** Query keys that must be present; a value other than `undefined` must match exactly. */
  readonly query?: Readonly<Record<string, string | undefined>>
  /** Further condition on the request (copy source, content type). */
  readonly when?: (request: HttpRequest) => boolean
  /** Policy action checked by the front door before the handler; undefined: the handler authorizes by itself (lists of keys) or nothing is needed. */
  readonly action?: string
  /** `none`: a body is ignored and drained; `document`: read whole, at most `limitBytes`; `stream`: handed to the handler, `aws-chunked` allowed. */
  readonly body:
    | { readonly kind: 'none' }
    | {
        readonly kind: 'document'
        readonly limitBytes: number
        readonly errorCode?: string
        /** What `x-amz-checksum-*` headers tell about: this document (the default), or an object that it leads to. */
        readonly checksums?: 'document' | 'object'
      }
    | { readonly kind: 'stream' }
  /** False: anonymous callers are refused before any policy is asked. Default true. */
  readonly anonymous?: boolean
  /** What the document says that policies may ask for. A row that has it is authorized when its document was read. Malformed documents say nothing; the handler refuses them. */
  readonly facts?: (document: Uint8Array, nowMs: number) => RequestFacts
  readonly handler: Handler
}

export type Handler = (call: S3Call) => Promise<S3Reply>

export interface Identity {
  /** Empty for anonymous. */
  readonly accessKey: string
  /** The root key (or what acts for it): may do what no policy of a bucket denies. */
  readonly isOwner: boolean
}

export interface QueryParameters {
  has(name: string): boolean
  /** First value, decoded; undefined when absent. */
  get(name: string): string | undefined
  readonly entries: readonly (readonly [string, string])[]
}

export interface S3Services {
  readonly engine: ObjectEngine
  readonly clock: Clock
  readonly random: Random
  readonly encryption: ObjectEncryption
  /** Writes that ask for nothing are encrypted with the default key of the KMS. */
  readonly encryptsAll: boolean
  /** Development only: customer keys are taken over connections without TLS. */
  readonly allowsClientKeysOverHttp: boolean
  /** Which contents are compressed; default: none. */
  readonly compression?: CompressionSettings | undefined
  /** Configured region, empty when none. */
  readonly region: string
  /** A reader of S2 and framed Snappy. */
  s2Decoder(): S2Decoder
  /** Whether queries may read Parquet; default: no. */
  readonly selectsParquet?: boolean | undefined
  /** Whether slashes in front of keys are taken away, as MinIO does; default: no. */
  readonly cleansKeys?: boolean | undefined
  /** Digest of a small piece of data at once: of part digests, never of bodies. */
  digest(name: DigestName, data: Uint8Array): Uint8Array
  /** A new running checksum, for bodies that the engine does not get as they came. */
  checksum(name: DigestName): Checksum
}

/** One authenticated and authorized request. */
export interface S3Call {
  readonly operation: Operation
  readonly services: S3Services
  readonly request: HttpRequest
  readonly identity: Identity
  readonly bucket: string
  /** Decoded key; empty for service and bucket operations. */
  readonly key: string
  readonly query: QueryParameters
  /** Whether the bucket came from the host name. */
  readonly virtualHost: boolean
  /** Decoded body for `stream` rows: plain content, its size `x-amz-decoded-content-length` or `Content-Length`. */
  readonly body: BodySource
  /** Checksum trailers (`x-amz-checksum-...`, lower case), complete after `body` ended. */
  trailers(): ReadonlyMap<string, string>
  /** Trailer names announced in `X-Amz-Trailer`, lower case. */
  readonly announcedTrailers: readonly string[]
  /** Whole verified body for `document` rows. */
  readonly document: Uint8Array
  /** Whether the caller may do `action` on `bucket/key` (for several keys, copy sources). Owner: unless it is denied. */
  isAllowed(action: string, bucket: string, key: string, about?: AskedAbout): Promise<boolean>
  /** Who signed the policy of a form, by its fields (lower-case names). Throws what a wrong signature gets. */
  signerOfForm(
    fields: ReadonlyMap<string, string>,
  ): Promise<{ readonly identity: Identity; readonly isAllowed: S3Call['isAllowed'] }>
}

/** What a question about permission is about, where it is not what the request line says. */
export interface AskedAbout {
  /** The version meant; empty: the latest one. */
  readonly versionId?: string
  /** Everything that begins with the key is meant. */
  readonly below?: boolean
  /** What is written, where the request only contains it: conditions ask for its headers. */
  readonly request?: HttpRequest
  readonly query?: Query
}

/** A body that is sent piece by piece: that of an `ObjectReader`, or one that is made meanwhile. */
export interface ReplyStream {
  /** Undefined: known at the end only; the reply then has no `Content-Length`. */
  readonly sizeBytes: number | undefined
  chunks(): AsyncIterable<DataChunk>
  /** Idempotent. */
  close(): void
  /** What went wrong while it was made, if the client was told in its own words: for the log. */
  failure?(): unknown
}

export interface S3Reply {
  readonly status: number
  /** Beside the common ones. Values may hold only what HTTP allows; the front door encodes nothing. */
  readonly headers?: Iterable<readonly [string, string]>
  /** Text is UTF-8; a stream is closed in any case. */
  readonly body?: string | Uint8Array | ReplyStream
  /** Default `application/xml` for text bodies. */
  readonly contentType?: string
}
